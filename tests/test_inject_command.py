"""The command ``inject``: pods as Istio's webhook leaves them, what it says of them, and its exit codes."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from generator.cli import run
from generator.doctor.rules.examples import OPERATOR, PLAIN, but

ROOT = Path(__file__).parent.parent
TRUTH = ROOT.parent / "shared/corpus/sds/istio__istio__prometheus-scrape.injected.yaml"
UNLABELLED = f"{PLAIN[: PLAIN.index('        sidecar.istio.io/inject')]}{PLAIN[PLAIN.index('    spec:') :]}"
REFUSED = but(PLAIN, ("OUTPUT_CERTS: /etc/istio-output-certs", "OUTPUT_CERTS: true"))
CHART = 'serverFiles: {}\nserver:\n  podLabels:\n    sidecar.istio.io/inject: "true"\n'


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


Inject = Callable[..., Outcome]


@pytest.fixture
def inject(tmp_path, capsys, monkeypatch) -> Inject:
    """Run the command in a folder of some files, each given as ``name=text``; ``stdin`` is what is piped in."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str, stdin: str = "", **files: str) -> Outcome:
        for name, text in files.items():
            (tmp_path / f"{name}.yaml").write_text(text)
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        code = run(("inject", *arguments))
        return Outcome(code, *capsys.readouterr())

    return call


def pods(outcome: Outcome) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(outcome.out))


def names(pod: dict[str, Any], kind: str = "containers") -> list[str]:
    return [container["name"] for container in pod["spec"].get(kind) or []]


def comments(outcome: Outcome) -> list[str]:
    return [line.removeprefix("# ") for line in outcome.out.splitlines() if line.startswith("#")]


def test_shows_the_pod_of_a_workload_under_its_name(inject):
    outcome = inject("a.yaml", a=PLAIN)
    (pod,) = pods(outcome)

    assert (outcome.code, outcome.err) == (0, "")
    assert list(pod) == ["apiVersion", "kind", "metadata", "spec"]
    assert (pod["kind"], pod["metadata"]["name"], pod["metadata"]["namespace"]) == ("Pod", "prometheus", "monitoring")
    assert names(pod, "initContainers") == ["istio-init", "istio-proxy"]
    assert names(pod) == ["prometheus"]
    assert {"config", "istio-workload-certs", "istio-envoy"} <= {volume["name"] for volume in pod["spec"]["volumes"]}


def test_says_above_what_was_done(inject):
    said = comments(inject("a.yaml", a=PLAIN))
    assert said[:2] == [
        "StatefulSet monitoring/prometheus, a.yaml:1:1",
        'injected: label sidecar.istio.io/inject is "true"',
    ]
    assert "certificates are written to /etc/istio-output-certs, on volume istio-workload-certs" in said


def test_shows_every_pod_that_files_make(inject):
    shown = pods(inject("a.yaml", "b.yaml", "c.yaml", a=PLAIN, b=OPERATOR, c=CHART))
    assert [names(pod) for pod in shown] == [
        ["prometheus"],
        ["prometheus", "config-reloader"],
        ["prometheus-server-configmap-reload", "prometheus-server"],
    ]
    assert all("istio-proxy" in names(pod, "initContainers") for pod in shown)


def test_takes_what_is_piped_in(inject):
    assert comments(inject("-", stdin=PLAIN))[0] == "StatefulSet monitoring/prometheus, <stdin>:1:1"


def test_says_why_a_pod_is_not_injected_and_shows_it_as_it_is(inject):
    outcome = inject("a.yaml", a=UNLABELLED)
    (pod,) = pods(outcome)

    assert outcome.code == 0
    assert comments(outcome)[1].startswith("not injected (not certain): ")
    assert names(pod) == ["prometheus"]
    assert not names(pod, "initContainers")


@pytest.mark.parametrize(
    ("options", "containers", "init"),
    [
        (["--namespace-injected"], ["prometheus"], ["istio-init", "istio-proxy"]),
        (["--no-namespace-injected"], ["prometheus"], []),
        (["--revision", "canary"], ["prometheus"], ["istio-init", "istio-proxy"]),
        (["--namespace-injected", "--istio-version", "1.26"], ["prometheus", "istio-proxy"], ["istio-init"]),
        (["--namespace-injected", "--kubernetes-version", "1.30"], ["prometheus", "istio-proxy"], ["istio-init"]),
        (["--namespace-injected", "--no-native-sidecars"], ["prometheus", "istio-proxy"], ["istio-init"]),
        (["--namespace-injected", "--cni"], ["prometheus"], ["istio-validation", "istio-proxy"]),
    ],
)
def test_depends_on_versions_and_the_mesh(inject, options, containers, init):
    (pod,) = pods(inject("a.yaml", *options, a=UNLABELLED))
    assert (names(pod), names(pod, "initContainers")) == (containers, init)


@pytest.mark.parametrize(("option", "port"), [("--merge-metrics", "15020"), ("--no-merge-metrics", None)])
def test_merges_metrics_as_the_mesh_does(inject, option, port):
    text = but(PLAIN, ('        prometheus.istio.io/merge-metrics: "false"\n', ""))
    (pod,) = pods(inject("a.yaml", option, a=text))
    assert pod["metadata"]["annotations"].get("prometheus.io/port") == port


def test_takes_the_labels_of_a_namespace_from_the_files(inject):
    namespace = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: monitoring\n  labels: {istio-injection: enabled}\n"
    files = {"a": f"{namespace}---\n{UNLABELLED}"}
    assert "istio-proxy" in names(pods(inject("a.yaml", **files))[0], "initContainers")
    assert not names(pods(inject("a.yaml", "--no-namespace-injected"))[0], "initContainers")


def test_tells_of_a_refused_pod_and_shows_the_others(inject):
    outcome = inject("a.yaml", "b.yaml", a=REFUSED, b=OPERATOR)

    assert outcome.code == 1
    assert outcome.err.startswith("error: a.yaml:1:1: StatefulSet monitoring/prometheus: the webhook refuses the pod: ")
    assert [pod["metadata"]["name"] for pod in pods(outcome)] == ["main"]


def test_gives_the_same_to_programs(inject):
    outcome = inject("a.yaml", "b.yaml", "-o", "json", a=REFUSED, b=OPERATOR)
    data = json.loads(outcome.out)
    refused, fine = data["pods"]

    assert (data["apiVersion"], data["kind"]) == ("sidecert.dev/v1alpha1", "InjectionReport")
    assert outcome.code == 1
    assert (refused["resource"], refused["pod"], len(refused["refused"])) == (
        "StatefulSet monitoring/prometheus",
        None,
        1,
    )
    assert (fine["source"], fine["injected"], fine["certain"], fine["refused"]) == ("b.yaml", True, True, [])
    assert fine["pod"] == pods(inject("b.yaml"))[0]


def test_values_that_a_template_has_still_to_fill_in_are_told(inject):
    release = (
        "apiVersion: helm.cattle.io/v1\nkind: HelmChart\nmetadata: {name: mon}\n"
        "spec:\n  chart: prometheus\n  valuesContent: |\n    server: {{ values }}\n"
    )
    found = inject("a.yaml", a=release)
    assert found.code == 2
    assert "the values of prometheus in HelmChart mon can't be judged: a template has still" in found.err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "name files or folders, or - for standard input"),
        (("a.yaml",), "nothing in a.yaml makes a pod"),
        (("b.yaml",), "b.yaml: there is no such file or folder"),
        (("a.yaml", "--istio-version", "0.8"), "expected a release of Istio from 1.5 on"),
    ],
)
def test_refuses_what_it_cant_use(inject, arguments, told):
    outcome = inject(*arguments, a="apiVersion: v1\nkind: Service\nmetadata:\n  name: x\n")
    assert (outcome.code, outcome.out) == (2, "")
    assert told in outcome.err


def test_lets_no_control_characters_through(inject):
    name = '"p\\e[2J\\x9b\\n# x"'
    text = PLAIN.replace("  name: prometheus\n  namespace", f"  name: {name}\n  namespace", 1)
    for form in ("yaml", "json"):
        outcome = inject("a.yaml", "-o", form, a=text)
        assert outcome.code == 0
        assert outcome.out.replace("\n", "").isprintable()
        assert "p?[2J??# x" in outcome.out or form == "json"


@pytest.mark.parametrize("folder", sorted((ROOT / "output/manifests").glob("*/")), ids=lambda path: path.name)
def test_shows_certificates_written_in_every_pod_of_our_own(inject, folder):
    outcome = inject(str(folder))
    assert outcome.code == 0
    for pod in pods(outcome):
        proxies = [
            container
            for kind in ("containers", "initContainers")
            for container in pod["spec"].get(kind) or []
            if container["name"] == "istio-proxy"
        ]
        without_envoy = pod["metadata"]["labels"].get("sidecar.istio.io/inject") == "false" and not proxies
        for proxy in proxies:
            assert any(variable["name"] == "OUTPUT_CERTS" for variable in proxy["env"])
        assert proxies or without_envoy


@pytest.mark.skipif(not TRUTH.is_file(), reason="no public manifests beside the project")
def test_leaves_a_pod_that_istio_injected_as_it_is(inject):
    pod = pods(inject(str(TRUTH)))[0]
    truth = next(yaml.safe_load_all(TRUTH.read_text()))
    assert pod["metadata"] == truth["metadata"]
    assert pod["spec"] == truth["spec"]


def test_a_template_is_to_be_rendered_into_this_command(inject):
    found = inject("template.yaml", template="kind: Pod\nmetadata: {name: {{ .Release.Name }}}\n")
    assert found.code == 2
    assert "helm template CHART | sidecert inject -" in found.err
