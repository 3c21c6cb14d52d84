"""The command ``inject``: what it is given, and how it shows pods as Istio's webhook leaves them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from generator.cli.hints import hints_for, worded_for
from generator.cli.manifests import ascii_json, files_argument, read_files, settings_of, version_options
from generator.cli.report import say

if TYPE_CHECKING:
    from generator.errors import Problem
    from generator.injection import Injection, Mesh
    from generator.intake import Document
    from generator.monitoring import PodView, Setup


class _Made(NamedTuple):
    """A pod that something makes, and what the webhook makes of it."""

    maker: str
    document: Document
    pod: dict[str, Any]
    injection: Injection


@click.command(
    short_help="Show pods as Istio's webhook leaves them.",
    epilog="""\b
    Examples:
      sidecert inject prometheus.yaml                         the pod with its proxy, and what was done to it
      sidecert inject prometheus.yaml --istio-version 1.26    as of a release
      sidecert inject deploy/ --namespace-injected            in a namespace with istio-injection=enabled
      diff <(sidecert inject a.yaml) <(sidecert inject b.yaml)

    -o json gives an object of apiVersion sidecert.dev/v1alpha1 and kind InjectionReport, whose pods have
    source, resource, injected, certain, explanation, refused, pod.

    Exit codes: 0 fine, 1 the webhook refuses a pod, 2 something given can't be used.""",
)
@files_argument
@click.option(
    "--namespace-injected/--no-namespace-injected",
    "namespace_injection",
    default=None,
    help="The namespace's label istio-injection is enabled, or disabled.  [default: as the files say, else none]",
)
@click.option("--revision", metavar="NAME", help="The namespace's label istio.io/rev.  [default: as the files say]")
@version_options
@click.option("--cni", is_flag=True, help="Istio's CNI plugin sets the rules, not istio-init.")
@click.option("--merge-metrics/--no-merge-metrics", default=True, help="The mesh's enablePrometheusMerge.")
@click.option(
    "--native-sidecars/--no-native-sidecars",
    default=None,
    help="istiod's ENABLE_NATIVE_SIDECARS.  [default: as the versions say]",
)
@click.option("--mount-mtls-certs", is_flag=True, help="The mesh's global.mountMtlsCerts.")
@click.option("-o", "--format", "form", type=click.Choice(["yaml", "json"]), default="yaml", help="[default: yaml]")
def inject(
    files: tuple[str, ...],
    *,
    namespace_injection: bool | None,
    revision: str | None,
    istio: tuple[int, ...] | None,
    kubernetes: tuple[int, ...] | None,
    chart: tuple[int, ...] | None,
    cni: bool,
    merge_metrics: bool,
    native_sidecars: bool | None,
    mount_mtls_certs: bool,
    form: str,
) -> int:
    """Show every pod that the manifests make as Istio's webhook leaves it, with what it did above, or why it didn't.

    FILE is any manifest, or a folder of them. Pods that the Prometheus Operator or a chart makes are shown as far as
    the files say what they are made of.
    """
    from generator.monitoring import assemble
    from generator.monitoring.charts import hides_prometheus
    from generator.monitoring.worlds import worlds

    def mesh_of(setup: Setup, namespace: str) -> Mesh:
        mesh = setup.mesh_of(namespace)
        return mesh._replace(
            namespace_injection=mesh.namespace_injection if namespace_injection is None else namespace_injection,
            namespace_revision=mesh.namespace_revision if revision is None else revision,
            cni=cni,
            merge_metrics=merge_metrics,
            native_sidecars=native_sidecars,
            mount_mtls_certs=mount_mtls_certs,
        )

    with hints_for("inject"):
        intake = read_files(files)
    settings = settings_of(istio, kubernetes, chart)
    made: dict[tuple[int, str], _Made] = {}  # what environments have in common is shown once
    for world in worlds(intake.manifests, intake.values):
        setup = assemble(*world, settings)
        for maker, view, namespace, name in _pods(setup):
            shown = _made(maker, view, namespace, name, mesh_of(setup, namespace))
            made.setdefault((id(view.document), name), shown)
    hidden = [one for document in (*intake.manifests, *intake.values) for one in hides_prometheus(document)]
    notes = worded_for("inject", [*intake.unrendered, *intake.left_out, *hidden])
    if not made:
        _refuse_nothing(files, notes)
    _print(list(made.values()), form)
    sys.stdout.flush()
    for note in notes:
        _say_problem("note", note)
    return _tell_refused(list(made.values()))


def _pods(setup: Setup) -> Iterator[tuple[str, PodView, str, str]]:
    """Everything that makes a pod: who, the pod, its namespace, the maker's name."""
    for document, pod in setup.workloads:
        yield str(document), pod, document.namespace, document.name
    for scraper in setup.scrapers:
        if scraper.flavour != "workload":
            yield str(scraper), scraper.pod, scraper.namespace, scraper.name


def _made(maker: str, view: PodView, namespace: str, name: str, mesh: Mesh) -> _Made:
    from generator.injection import inject as injected

    tree = dict(view.tree)
    metadata = tree.get("metadata")
    if isinstance(metadata, dict) or metadata is None:
        # Istio names a pod after what makes it in labels and variables, and no template has a name of its own.
        named = {"name": name} if name else {}
        tree["metadata"] = {**named, **({"namespace": namespace} if namespace else {}), **(metadata or {})}
    result = injected(tree, namespace, mesh)
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": result.pod["metadata"], "spec": result.pod["spec"]}
    return _Made(maker, view.document, pod, result)


def _refuse_nothing(files: tuple[str, ...], notes: list[Problem]) -> None:
    from generator.errors import InputError, Problem

    raise InputError([*notes, Problem(f"nothing in {', '.join(files)} makes a pod")])


# -------------------------------------------------------------------------------------------------------- printing


def _print(made: list[_Made], form: str) -> None:
    from generator.doctor.words import plain
    from generator.injection import explain
    from generator.yaml import block

    if form == "json":
        sys.stdout.write(ascii_json(_data(made)) + "\n")
        return
    shown = [one for one in made if not one.injection.refused]
    for number, (maker, document, pod, injection) in enumerate(shown):
        head = [f"{maker}, {document.locate()}", *explain(injection)]
        sys.stdout.write("---\n" if number else "")
        sys.stdout.writelines(f"# {plain(line)}\n" for line in head)
        sys.stdout.write(block(pod) + "\n")


def _data(made: list[_Made]) -> dict[str, Any]:
    from generator.doctor.report import API_VERSION, file_name
    from generator.injection import explain

    pods = [
        {
            "source": file_name(one.document.source),
            "resource": one.maker,
            "injected": one.injection.injected,
            "certain": one.injection.certain,
            "explanation": explain(one.injection),
            "refused": list(one.injection.refused),
            "pod": None if one.injection.refused else one.pod,
        }
        for one in made
    ]
    return {"apiVersion": API_VERSION, "kind": "InjectionReport", "pods": pods}


def _tell_refused(made: list[_Made]) -> int:
    from generator.errors import Problem

    refused = [one for one in made if one.injection.refused]
    for one in refused:
        for sentence in one.injection.refused:
            told = f"{one.maker}: the webhook refuses the pod: {sentence}"
            _say_problem("error", Problem(told, one.document.locate()))
    return 1 if refused else 0


def _say_problem(kind: str, problem: Problem) -> None:
    from generator.doctor.words import plain

    place = f"{problem.location}: " if problem.location else ""
    say(plain(f"{kind}: {place}{problem.message}"))
    if problem.hint:
        say(f"    hint: {plain(problem.hint)}")
