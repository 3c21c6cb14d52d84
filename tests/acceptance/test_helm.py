"""The law: the chart, with an environment's values, gives the environment's manifests, resource by resource.

Checked on the samples and on random environments (``SIDECERT_HELM_EXAMPLES`` of each variant), with Helm 3 and Helm 4.
The one difference is declared in ``generator/emit/release.py``: labels that Helm's conventions ask for.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from generator.emit.release import CHART
from tests.acceptance.examples import VARIANTS, random_trees, shrink, write_output
from tests.acceptance.helm import (
    HELMS,
    Umbrella,
    as_values,
    broken_law,
    chart_label,
    environment_values,
    of_release,
    rendered,
)
from tests.acceptance.test_kustomize import difference, manifests
from tests.rendering import ROOT, sample_names
from tests.settings import HELM_EXAMPLES

pytestmark = pytest.mark.programs

#: Values that one run of Helm renders.
BATCH = 25


@pytest.fixture(scope="module")
def samples(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("samples")
    (folder / "overlays").symlink_to(ROOT / "overlays")
    return write_output(folder, ("manifests", "helm"))


@pytest.fixture(scope="module")
def chart(samples: Path) -> Path:
    return samples / "helm" / CHART


@pytest.mark.parametrize("version", HELMS)
@pytest.mark.parametrize("name", sample_names())
def test_the_chart_gives_the_manifests_of_a_sample(samples, chart, name, version):
    values = samples / f"helm/values/{name}.yaml"
    text = rendered(version, "some-release", chart, "--values", values)
    found = of_release(text, chart_label(chart))
    assert list(difference(manifests(samples / "manifests" / name), found, "manifests", version)) == []


@pytest.mark.parametrize("version", HELMS)
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("hostile", [False, True], ids=["real values", "hostile values"])
def test_the_chart_gives_the_manifests_of_any_valid_environment(tmp_path, chart, variant, version, hostile):
    """Many are rendered at once. Where that fails, Hypothesis looks for the simplest values that fail by themselves."""
    trees = random_trees(variant, HELM_EXAMPLES, hostile)
    umbrella = Umbrella(tmp_path / "umbrella", chart)
    values = tmp_path / "values.yaml"

    def check(tree: dict[str, Any]) -> None:
        broken = broken_law(version, chart, values, tree)
        if broken:
            pytest.fail(f"{version} with these values:\n{as_values(environment_values(tree))}\n{broken}", pytrace=False)

    for start in range(0, len(trees), BATCH):
        for number in umbrella.broken(version, trees[start : start + BATCH]):
            if broken_law(version, chart, values, trees[start + number]):
                shrink(variant, start + number, hostile, check)
                pytest.fail("the failure was gone when it was looked at again")
