"""What one call costs: the sample environments, one environment beside kubectl and helm, and the chart."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

from tests.bench.contenders import Fleet
from tests.bench.fleet import write
from tests.bench.programs import HELM_3, SIDECERT, seconds
from tests.bench.promises import Promise
from tests.tools import program

PROJECT = Path(__file__).parents[2]
CHART = "helm/prometheus-istio-mtls"
ROUNDS = 9
FLEET_ROUNDS = 4
ENVIRONMENTS = ("prod/eu-1", "prod/us-1")
CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: least\n"


def samples(work: Path) -> list[Promise]:
    """Render the sample environments into an empty folder, with what sidecert keeps between runs."""
    output = work / "samples"

    def render() -> float:
        shutil.rmtree(output, ignore_errors=True)
        return seconds(_render(output), work / "cache")

    return [Promise("the sample environments, to an empty folder", _medians(render)[0], at_most=1, unit="s")]


def one_environment(work: Path) -> list[Promise]:
    """Compare one environment with what ``kubectl kustomize`` and ``helm template`` make of it, in turn."""
    output, cache = work / "samples", work / "cache"
    seconds(_render(output), cache)
    promises = []
    for name in ENVIRONMENTS:
        kustomize = [program("kubectl"), "kustomize", str(output / "kustomize/overlays" / name)]
        ours, theirs = _medians(
            partial(seconds, _render(output, "--only", "manifests,kustomize", name), cache),
            partial(seconds, kustomize, cache),
        )
        promises.append(Promise(f"{name}: sidecert / kubectl kustomize", ours / theirs, at_most=1))
        values = str(output / "helm/values" / f"{name}.yaml")
        template = [HELM_3, "template", "prometheus", str(output / CHART), "--values", values]
        ours, theirs = _medians(
            partial(seconds, _render(output, "--only", "manifests", name), cache), partial(seconds, template, cache)
        )
        promises.append(Promise(f"{name}, manifests only: sidecert / helm template", ours / theirs, at_most=3))
    return promises


def start_of_a_call(work: Path) -> list[Promise]:
    """Tell how much of a call of Helm or kustomize goes by for a single ConfigMap already; a loop pays it each time."""
    output, cache, least = work / "samples", work / "cache", work / "least"
    write(least / "Chart.yaml", "apiVersion: v2\nname: least\nversion: 1.0.0\n")
    write(least / "templates/configmap.yaml", CONFIG_MAP)
    write(least / "kustomization.yaml", "resources:\n- templates/configmap.yaml\n")
    values = ["--values", str(output / "helm/values/prod/eu-1.yaml")]
    kustomize = [program("kubectl"), "kustomize"]
    promises = []
    for called, of_least, of_ours in (
        ("helm template", [HELM_3, "template", "a"], [HELM_3, "template", "a", *values, str(output / CHART)]),
        ("kubectl kustomize", kustomize, [*kustomize, str(output / "kustomize/overlays/prod/eu-1")]),
    ):
        one, all_of_them = _medians(partial(seconds, [*of_least, str(least)], cache), partial(seconds, of_ours, cache))
        promises.append(Promise(f"{called}: one ConfigMap / prod/eu-1", one / all_of_them))
    return promises


def chart(work: Path) -> list[Promise]:
    """Compile the chart from nothing: no cache, an empty folder."""
    output, cache = work / "chart", work / "cache-of-chart"

    def compile_chart() -> float:
        shutil.rmtree(output, ignore_errors=True)
        shutil.rmtree(cache, ignore_errors=True)
        return seconds(_render(output, "--only", "helm"), cache)

    return [
        Promise("the chart and the samples' values, compiled anew", _medians(compile_chart)[0], at_most=1, unit="s")
    ]


def chart_beside_the_others(fleet: Fleet) -> list[Promise]:
    """Tell how much longer a fleet takes when the chart and a values file for each environment are written too."""

    def render(forms: str) -> float:
        shutil.rmtree(fleet.output, ignore_errors=True)
        return seconds(fleet.render("--only", forms), fleet.cache)

    pair = [partial(render, "manifests,kustomize"), partial(render, "manifests,kustomize,helm")]
    two, three = _medians(*pair, rounds=FLEET_ROUNDS)
    claim = f"{len(fleet.names):,} environments: all three forms / manifests and Kustomize alone"
    return [Promise(claim, three / two, at_most=1.15)]


def _render(output: Path, *arguments: str) -> list[str]:
    return [SIDECERT, "render", "-C", str(PROJECT), "--output", str(output), "--quiet", *arguments]


def _medians(*actions: Callable[[], float], rounds: int = ROUNDS) -> list[float]:
    """Give each action's median of the seconds that it tells, run in turn after one round that doesn't count."""
    for action in actions:
        action()
    times: list[list[float]] = [[] for _ in actions]
    for number in range(rounds):
        for index in range(len(actions))[:: -1 if number % 2 else 1]:  # who comes second may find another memory
            times[index].append(actions[index]())
    return [median(taken) for taken in times]
