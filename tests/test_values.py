"""Layers merge as Helm merges values files, and every value can tell where it was set."""

# ruff: noqa: E501  # tables of cases read best in rows

from __future__ import annotations

import copy
import json
import textwrap
import time

import pytest
import yaml as pyyaml
from hypothesis import given
from hypothesis import strategies as st

from generator.errors import InputError
from generator.values import Layer, Values, merge_layers, merge_trees, read_layer
from tests.tools import run


def layer(text: str, source: str = "a.yaml") -> Layer:
    return read_layer(source, textwrap.dedent(text))


def merged(base: dict[str, object], *layers: dict[str, object]) -> dict[str, object]:
    return merge_layers(base, [Layer(f"{number}.yaml", "", tree) for number, tree in enumerate(layers)]).tree


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "a.yaml: the file is empty\n    hint: write {} where nothing is to be set"),
        ("# nothing\n", "a.yaml: the file holds no values\n    hint: write {} where nothing is to be set"),
        ("- a", "a.yaml:1: the file must hold a map\n    found: a list\n    expected: a map: lines of `key: value`"),
        (
            "on",
            "a.yaml:1: the file must hold a map\n    found: the boolean true\n    expected: a map: lines of `key: value`",
        ),
        ("a: 1\na: 2", "a.yaml:2:1: a: this key stands twice, first on line 1"),
    ],
)
def test_a_file_that_holds_no_map_of_values_is_refused(text, told):
    with pytest.raises(InputError) as caught:
        read_layer("a.yaml", text)
    assert str(caught.value) == told


def test_an_empty_map_is_a_layer():
    assert read_layer("a.yaml", "{}") == Layer("a.yaml", "{}", {})


ROWS: dict[str, tuple[dict[str, object], list[dict[str, object]], dict[str, object]]] = {
    "a scalar replaces": ({"a": 1}, [{"a": 2}, {"a": "x"}], {"a": "x"}),
    "a list replaces": ({"a": [1, 2]}, [{"a": [3]}], {"a": [3]}),
    "a map merges": ({"a": {"b": 1, "c": 1}}, [{"a": {"c": 2}}, {"a": {"d": 3}}], {"a": {"b": 1, "c": 2, "d": 3}}),
    "a null removes": ({"a": 1, "b": 1}, [{"a": None}], {"b": 1}),
    "a null removes what an earlier layer set": ({}, [{"a": 1}, {"a": None}], {}),
    "a null removes nested": ({"a": {"b": 1, "c": 1}}, [{"a": {"b": None}}], {"a": {"c": 1}}),
    "a null that removes nothing leaves nothing": ({}, [{"a": None, "b": {"c": None, "d": {"e": None}}}], {"b": {"d": {}}}),
    "a value after a null is set": ({"a": 1}, [{"a": None}, {"a": 2}], {"a": 2}),
    "a map after a null finds the defaults again": ({"a": {"b": 1}}, [{"a": None}, {"a": {"c": 2}}], {"a": {"b": 1, "c": 2}}),
    "a map replaces a scalar": ({"a": 1}, [{"a": {"b": 2, "c": None}}], {"a": {"b": 2}}),
    "a scalar replaces a map": ({"a": {"b": 1}}, [{"a": 2}], {"a": 2}),
    "a null stays in a list": ({}, [{"a": [None, {"b": None}]}], {"a": [None, {"b": None}]}),
    "an empty map changes nothing": ({"a": {"b": 1}}, [{"a": {}}, {}], {"a": {"b": 1}}),
    "no layers give the defaults": ({"a": 1}, [], {"a": 1}),
}  # fmt: skip


@pytest.mark.parametrize("row", ROWS)
def test_merging(row):
    base, layers, result = ROWS[row]
    assert merged(base, *layers) == result


def without_nulls(value: object) -> object:
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return value


@pytest.mark.programs
def test_helm_merges_alike(tmp_path):
    """One chart for all rows: each one under its own key, given the number of layers it has."""
    most = max(len(layers) for _, layers, _ in ROWS.values())
    (tmp_path / "templates").mkdir()
    (tmp_path / "Chart.yaml").write_text("{apiVersion: v2, name: c, version: 0.1.0}")
    (tmp_path / "templates/a.yaml").write_text("{{ toJson .Values }}")
    (tmp_path / "values.yaml").write_text(json.dumps({row: base for row, (base, _, _) in ROWS.items()}))
    files = []
    for number in range(most):
        file = tmp_path / f"layer{number}.yaml"
        trees = {row: layers[number] for row, (_, layers, _) in ROWS.items() if number < len(layers)}
        file.write_text(json.dumps(trees))
        files += ["-f", str(file)]
    printed = pyyaml.safe_load(run("helm", "template", "x", str(tmp_path), *files))
    assert without_nulls(printed) == {row: result for row, (_, _, result) in ROWS.items()}


keys = st.sampled_from("abc")
scalars = st.one_of(st.none(), st.integers(0, 3), st.lists(st.integers(0, 3), max_size=2))
trees = st.dictionaries(keys, st.recursive(scalars, lambda inner: st.dictionaries(keys, inner, max_size=3)), max_size=3)


@given(st.lists(trees, min_size=1, max_size=4))
def test_merging_changes_no_input(layers):
    before = copy.deepcopy(layers)
    merged(layers[0], *layers[1:])
    assert layers == before


@given(trees, trees, trees)
def test_two_layers_mean_what_their_merger_means(base, first, second):
    assert merged(base, first, second) == merged(base, merge_trees(first, second))


def test_what_does_not_change_is_shared():
    base: dict[str, object] = {"a": {"b": [1]}, "c": {"d": 1}}
    tree = merged(base, {"c": {"d": 2}})
    assert tree["a"] is base["a"]


@pytest.fixture
def values() -> Values:
    base = {"kept": 1, "a": {"b": 1, "c": 1}, "gone": 1, "replaced": {"x": 1}}
    first = layer("a:\n  b: 2\n  list: [x, {u: 1}]\ngone: null\nreplaced: 5\nempty: {}\n", "_defaults.yaml")
    second = layer("a:\n  b: 3\nreplaced:\n  z: 1\n", "dev.yaml")
    return merge_layers(base, [first, second])


@pytest.mark.parametrize(
    ("path", "place"),
    [
        (("a", "b"), "dev.yaml:2:3"),
        (("a", "list", 1, "u"), "_defaults.yaml:3:14"),
        (("a", "list", 1, "no"), "_defaults.yaml:3:13"),
        (("a", "list", 7), "_defaults.yaml:3:3"),
        (("a", "c"), "dev.yaml:1:1"),
        (("gone",), "_defaults.yaml:4:1"),
        (("gone", "below"), "_defaults.yaml:4:1"),
        (("replaced", "x"), "dev.yaml:3:1"),
        (("kept",), "None"),
        ((), "None"),
    ],
)
def test_a_value_is_located_where_it_or_its_nearest_parent_was_set_last(values, path, place):
    assert str(values.location(path)) == place


def test_a_removed_value_can_tell_where_it_was_removed(values):
    assert str(values.removed(("gone",))) == "_defaults.yaml:4:1"
    assert [values.removed(path) for path in (("a", "b"), ("kept",), ("a", "c"))] == [None, None, None]


def test_each_leaf_has_an_origin(values):
    assert {path: str(place) for path, place in values.origins().items()} == {
        ("kept",): "templates/values.schema.json",
        ("a", "b"): "dev.yaml:2:3",
        ("a", "c"): "templates/values.schema.json",
        ("a", "list", 0): "_defaults.yaml:3:10",
        ("a", "list", 1, "u"): "_defaults.yaml:3:14",
        ("replaced", "x"): "templates/values.schema.json",
        ("replaced", "z"): "dev.yaml:4:3",
        ("empty",): "_defaults.yaml:6:1",
    }


def test_the_cost_is_that_of_the_layer_not_of_the_defaults():
    base: dict[str, object] = {f"k{n}": {f"m{m}": m for m in range(100)} for n in range(100)}
    overlay: dict[str, object] = {"k1": {"m1": 2}}
    merged(base, overlay)  # loads deepmerge
    times = []
    for _ in range(100):
        started = time.perf_counter()
        merged(base, overlay)
        times.append(time.perf_counter() - started)
    assert min(times) < 0.001
