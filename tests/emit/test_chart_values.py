"""A chart's values.yaml, which shows all that the schema says, and what an environment sets beyond it."""

# ruff: noqa: E501  # schemas read best in rows

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml as pyyaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from generator.emit.chart_values import (
    ValuesWriter,
    _ValuesFile,
    environment_file,
    environment_values,
    values_file,
)
from generator.emit.release import chart_defaults
from generator.schema import schema_from_text
from generator.schema.document import Document
from generator.values import Layer, merge_layers
from generator.yaml import load
from tests import rendering
from tests.rendering import as_yaml
from tests.samples import FORMS
from tests.settings import HELM_EXAMPLES
from tests.strategies import value_trees

Tree = dict[str, Any]

#: The defaults of this project, and those of its chart.
DEFAULTS = schema_from_text(json.dumps(rendering.schema()), "values.schema.json").defaults()
CHART_DEFAULTS = chart_defaults(DEFAULTS)

SMALL: Tree = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "variant": {"enum": ["plain", "manual"], "default": "plain", "description": "Which way. `plain`: the easy one."},
        "name": {"type": "string", "default": "", "description": "The name.\n\nEmpty: the release's.", "examples": ["web"]},
        "owner": {"type": "string", "description": "Who is called at night.", "examples": ["no"]},
        "pod": {
            "type": "object",
            "description": "The pod, which is described at such length that the line would be wider than a terminal of yesteryear.",
            "properties": {
                "count": {"type": "integer", "default": 1, "description": "How many."},
                "resources": {
                    "type": "object",
                    "default": {"requests": {"cpu": "1", "memory": "1Gi"}},
                    "properties": {
                        "limits": {"type": "object", "description": "At most.", "additionalProperties": {"$ref": "#/definitions/quantity"}, "propertyNames": {"enum": ["cpu", "memory", "disk"]}},
                        "requests": {"type": "object", "description": "At least."},
                    },
                },
                "mounts": {"type": "array", "default": [], "items": {"type": "object", "description": "One mount.", "required": ["path"], "properties": {"path": {"type": "string", "description": "Where."}, "uses": {"type": "integer", "minimum": 3}}}},
                "labels": {"type": "object", "default": {}, "description": "Labels.", "examples": [{"team": "on"}]},
            },
        },
        "jobs": {
            "type": "object",
            "default": {},
            "description": "Jobs, by name.",
            "additionalProperties": {"$ref": "#/definitions/job"},
            "examples": [{"probe": {"url": "https://a/b"}}],
        },
        "trees": {"type": "object", "default": {}, "additionalProperties": {"$ref": "#/definitions/tree"}, "propertyNames": {"title": "species"}},
        "hooks": {"type": "array", "default": ["a"], "description": "Hooks."},
    },
    "definitions": {
        "quantity": {"type": "string", "examples": ["500m", "2Gi"]},
        "job": {
            "type": "object",
            "description": "One job.",
            "required": ["url"],
            "properties": {
                "url": {"type": "string", "description": "Where to."},
                "level": {"enum": ["", "low", "high"], "default": "low", "description": "How loud. Empty: not at all."},
                "retry": {"type": "boolean", "description": "Whether to try again."},
            },
        },
        "tree": {"type": "object", "properties": {"leaf": {"type": "string"}, "branch": {"$ref": "#/definitions/tree"}}},
    },
}  # fmt: skip

SMALL_DEFAULTS: Tree = {
    "variant": "plain",
    "name": "",
    "pod": {
        "count": 1,
        "resources": {"requests": {"cpu": "1", "memory": "1Gi"}},
        "mounts": [],
        "labels": {},
    },
    "jobs": {},
    "trees": {},
    "hooks": ["a"],
}

SMALL_FILE = """\
# Which way. `plain`: the easy one. One of `plain`, `manual`.
variant: plain

# The name. Empty: the release's. Example: `web`.
name: ''

# The pod, which is described at such length that the line would be wider than a terminal of
# yesteryear.
pod:
  # How many.
  count: 1

  resources:
    # At least.
    requests:
      cpu: '1'
      memory: 1Gi
    # # At most.
    # limits:
    #   cpu: 500m
    #   memory: 2Gi
    #   disk: 2Gi

  mounts: []
    # - # One mount.
    #   # Where. Required.
    #   path: ''
    #   uses: 3

  # Labels.
  labels: {}
    # Example:
    # team: 'on'

# Jobs, by name.
jobs: {}
  # Example, with every key it can have:
  # # One job.
  # probe:
  #   # Where to. Required.
  #   url: https://a/b
  #   # How loud. Empty: not at all. One of `""`, `low`, `high`.
  #   level: low
  #   # Whether to try again.
  #   retry: false

trees: {}
  # SPECIES:
  #   leaf: ''
  #   branch:
  #     leaf: ''
  #     branch: {}

# Hooks.
hooks:
- a

# # Who is called at night.
# owner: 'no'
"""


# ------------------------------------------------------------------------------------------------------ values.yaml


def test_values_yaml_shows_all_that_the_schema_says():
    assert values_file(SMALL, SMALL_DEFAULTS, {}) == SMALL_FILE


def test_a_description_can_be_replaced():
    text = values_file(SMALL, SMALL_DEFAULTS, {("name",): "Another one.", ("pod", "count"): "So many."})
    assert "# Another one.\nname: ''\n" in text
    assert "  # So many.\n  count: 1\n" in text


def test_no_values_are_an_empty_map():
    assert values_file({"type": "object"}, {}, {}) == "{}\n"
    assert load(values_file(SMALL, {}, {}), "values.yaml") == {}


@pytest.fixture(scope="module")
def project_file() -> str:
    return values_file(rendering.schema(), CHART_DEFAULTS, {})


def test_both_readers_find_the_defaults_of_the_chart(project_file: str):
    assert exact(load(project_file, "values.yaml")) == exact(CHART_DEFAULTS)
    assert exact(pyyaml.safe_load(project_file)) == exact(CHART_DEFAULTS)


def test_keys_stand_in_the_order_of_the_schema(project_file: str):
    found = [line.partition(":")[0] for line in project_file.splitlines() if line[:1].isalpha()]
    assert found == list(rendering.schema()["properties"])


def test_no_line_is_too_wide(project_file: str):
    assert max(map(len, project_file.splitlines())) <= 100


def test_no_line_ends_in_a_space_and_no_two_empty_lines_follow_each_other(project_file: str):
    assert not re.search(r"[ \t]$|\n\n\n", project_file, re.MULTILINE)
    assert project_file.endswith("\n")


def test_every_description_of_the_schema_is_there(project_file: str):
    text = " ".join(re.sub(r"^[ #-]*# ", "", line) for line in project_file.splitlines())
    missing = [description for description in descriptions(rendering.schema()["properties"]) if description not in text]
    assert missing == []


def descriptions(node: Any) -> Iterator[str]:
    """Every description below the properties of a schema; those of definitions are only for who names them."""
    if isinstance(node, list):
        for item in node:
            yield from descriptions(item)
    if isinstance(node, dict):
        if isinstance(node.get("description"), str):
            yield " ".join(node["description"].split())
        for key, item in node.items():
            if key not in {"default", "examples", "enum"}:
                yield from descriptions(item)


def empty_places() -> list[tuple[str, ...]]:
    """The maps and lists that are empty by default."""

    def places(value: Any, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        if value in ({}, []):
            yield path
        elif isinstance(value, dict):
            for name, item in value.items():
                yield from places(item, (*path, name))

    return list(places(CHART_DEFAULTS, ()))


@pytest.mark.parametrize("path", empty_places(), ids=".".join)
def test_a_comment_below_an_empty_value_is_yaml_that_has_every_key(path: tuple[str, ...]):
    nodes = Document(rendering.schema())
    node = nodes.at(path)
    assert node is not None
    file = _ValuesFile(nodes, {})
    empty: Any = [] if node["type"] == "array" else {}
    shape = [line.removeprefix("# ") for line in file._shape(node, empty, path, 0)]
    lines = shape[1:] if shape[:1] and shape[0].startswith("Example") else shape
    if lines:
        assert pyyaml.safe_load("\n".join(lines)) == file._sample(node)
        assert file._sample(node)
    else:
        assert "examples" not in node
        assert "properties" not in node


# ------------------------------------------------------------------------------------------------------ environments


def exact(tree: Any) -> str:
    """A tree as a text that tells 1, 1.0 and true apart."""
    return json.dumps(tree, sort_keys=True)


def merged(base: Tree, overlay: Tree) -> Tree:
    return merge_layers(base, [Layer("test", as_yaml(overlay), overlay)]).tree


def leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if isinstance(value, dict) and value:
        for name, item in value.items():
            yield from leaves(item, (*path, name))
    elif path:
        yield path


def without(tree: Tree, path: tuple[str, ...]) -> Tree:
    name, *below = path
    if not below:
        return {key: item for key, item in tree.items() if key != name}
    return {**tree, name: without(tree[name], tuple(below))}


@pytest.mark.parametrize("variant", FORMS)
def test_merged_over_the_chart_they_give_the_environment_and_none_can_be_left_out(variant: str):
    writer = ValuesWriter(rendering.schema(), CHART_DEFAULTS)

    @settings(max_examples=HELM_EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
    @given(overlay=value_trees(variant))
    def law(overlay: Tree) -> None:
        tree = merged(DEFAULTS, overlay)
        values = writer.values(tree)
        assert exact(merged(CHART_DEFAULTS, values)) == exact(tree)
        for path in leaves(values):
            assert exact(merged(CHART_DEFAULTS, without(values, path))) != exact(tree), path
        assert exact(load(writer.file("any", tree).text, "any")) == exact(values)

    law()


SCALARS = st.sampled_from([0, 1, 2, 0.0, 1.0, True, False, "", "1", "on"])
TREES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abc"), inner), max_leaves=12
)
MAPS = st.dictionaries(st.sampled_from("abc"), TREES)


@given(base=MAPS, tree=MAPS)
def test_any_tree_is_reached_from_any_other(base: Tree, tree: Tree):
    values = environment_values(tree, base, {"type": "object"})
    assert exact(merged(base, values)) == exact(tree)
    for path in leaves(values):
        assert exact(merged(base, without(values, path))) != exact(tree), path


def test_a_key_that_only_the_defaults_have_is_null():
    tree = {**SMALL_DEFAULTS, "pod": {**SMALL_DEFAULTS["pod"], "resources": {}}}
    assert environment_values(tree, SMALL_DEFAULTS, SMALL) == {"pod": {"resources": {"requests": None}}}


def test_keys_follow_the_schema_and_those_of_free_maps_the_alphabet():
    tree = {
        "jobs": {"z": {"retry": True, "url": "u"}, "a": {"zone": 1, "extra": 2, "url": "u"}},
        **{key: value for key, value in SMALL_DEFAULTS.items() if key != "jobs"},
        "hooks": [{"b": 1, "a": 2}],
        "owner": "me",
        "name": "web",
    }
    found = environment_values(tree, SMALL_DEFAULTS, SMALL)
    assert json.dumps(found) == json.dumps(
        {
            "name": "web",
            "owner": "me",
            "jobs": {"a": {"url": "u", "extra": 2, "zone": 1}, "z": {"url": "u", "retry": True}},
            "hooks": [{"a": 2, "b": 1}],
        }
    )


def test_the_file_says_where_it_comes_from_and_what_it_is_for():
    tree = {**SMALL_DEFAULTS, "name": "web", "hooks": []}
    assert environment_file("prod/eu-1", tree, SMALL_DEFAULTS, SMALL) == (
        "# Generated by sidecert from environment prod/eu-1."
        " Do not edit: change the overlay and render again.\n"
        "# What differs from the chart's values.yaml:"
        " helm upgrade --install RELEASE CHART --values THIS_FILE\n"
        "name: web\n"
        "hooks: []\n"
    )


def test_an_environment_that_differs_in_nothing_is_an_empty_map():
    assert environment_file("dev", SMALL_DEFAULTS, SMALL_DEFAULTS, SMALL).endswith("THIS_FILE\n{}\n")


def test_the_file_lies_where_the_environment_says():
    file = ValuesWriter(SMALL, SMALL_DEFAULTS).file("prod/eu-1", SMALL_DEFAULTS)
    assert file.path == "helm/values/prod/eu-1.yaml"
