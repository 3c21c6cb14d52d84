"""What adoption promises, on random manifests and on public ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generator.adopt.layers import difference
from generator.intake import documents_of
from generator.values import Layer, merge_layers
from generator.yaml import block
from tests.adopt.helpers import (
    adopted_all,
    built,
    check_laws,
    identity,
    leaves,
    manifests_of,
    put_together,
    templates,
)
from tests.adopt.strategies import manifests
from tests.tools import run

CORPUS = Path(__file__).parents[3] / "shared/corpus"
ADOPTABLE = sorted(
    [
        *CORPUS.glob("plain/*.yaml"),
        *CORPUS.glob("legacy/*istio-prometheus*.yaml"),
        *CORPUS.glob("manual/*.yaml"),
        *CORPUS.glob("sds/*vm*.yaml"),
    ]
)
# Of what a Prometheus says itself, the pattern changes nothing else: whether it is injected and not intercepted, where
# its proxy writes; and doctor's repairs the image that can't do it.
MAY_CHANGE = {
    "sidecar.istio.io/inject",
    "traffic.sidecar.istio.io/includeOutboundIPRanges",
    "proxy.istio.io/config",
    "prometheus.yml",
    "image",
    "version",
}


# Public files are not in this repository: where they are missing, the tests of random manifests have to do.
@pytest.mark.parametrize("path", ADOPTABLE, ids=lambda path: path.stem)
def test_a_public_file_has_no_error_once_adopted_and_needs_nothing_more(path, tmp_path):
    check_laws(tmp_path, path.read_bytes().decode())


@pytest.mark.parametrize("environment", ["dev", "staging", "prod/eu-1", "prod/us-1"])
def test_what_we_render_ourselves_needs_nothing(environment):
    texts = sorted(Path("output/manifests", environment).glob("*.yaml"))
    documents = [document for path in texts for document in documents_of(path.read_text(), path.name)]
    version = templates(environment).version_of("istio")
    known: dict[str, Any] = {"istio": version} if version else {}
    [found] = adopted_all(manifests_of(documents, **known), environment=environment)
    assert found.is_nothing


@settings(max_examples=15, deadline=None)
@given(text=manifests())
def test_random_manifests_have_no_error_once_adopted_and_need_nothing_more(text, tmp_path_factory):
    check_laws(tmp_path_factory.mktemp("adopted"), text)


@settings(max_examples=15, deadline=None)
@given(text=manifests())
def test_what_a_team_wrote_stays(text):
    for found in adopted_all(manifests_of(documents_of(text, "test.yaml"))):
        for old, new in found.changed:
            before, after = leaves(old.tree), leaves(new.tree)
            lost = {
                path: value
                for path, value in before.items()
                if value not in ({}, [], None) and after.get(path, ...) != value and path[-1] not in MAY_CHANGE
            }
            assert lost == {}


@settings(max_examples=3, deadline=None)
@given(text=manifests())
def test_the_real_kustomize_makes_the_same_of_a_component(text, tmp_path_factory):
    folder = tmp_path_factory.mktemp("adopted")
    found = adopted_all(manifests_of(documents_of(text, "test.yaml")))
    app = put_together(folder, text, found)
    real: dict[Any, Any] = {
        identity(one.tree): one.tree for one in documents_of(run("kubectl", "kustomize", str(app)), "kubectl")
    }
    assert real == {identity(document.tree): document.tree for document in built(app)}


_TREES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 2) | st.sampled_from(["", "a", "on"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=6,
)
_VALUES = st.dictionaries(st.sampled_from("abc"), _TREES, max_size=3)


def _without_nulls(tree: Any) -> Any:
    if not isinstance(tree, dict):
        return tree
    return {key: _without_nulls(value) for key, value in tree.items() if value is not None}


@given(_VALUES.map(_without_nulls), _VALUES.map(_without_nulls))
def test_merged_over_the_users_values_ours_are_what_was_adopted(old, new):
    ours = difference(old, new)
    layers = [Layer(name, block(tree) + "\n", tree) for name, tree in (("yours", old), ("ours", ours))]
    assert merge_layers({}, layers).tree == new
