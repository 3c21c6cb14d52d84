"""values.schema.json is complete: each key says what it is, what it may be, and what holds when it isn't set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import jsonschema_rs
import pytest

from generator.schema.document import demanding
from generator.values import Layer, merge_layers, read_layer
from tests.rendering import ROOT, project, schema

Tree = Mapping[str, Any]

#: What beside a `$ref` says nothing about values; draft-07 ignores everything else there.
ANNOTATIONS = {"$ref", "description", "default", "examples", "$comment", "title"}
#: Names that say everything, where a list of what each means would say nothing more.
PLAIN_CHOICES = {"proxy.logLevel", "prometheus.logLevel"}


class Key(NamedTuple):
    """A place in the values, with its subschema; ``entry`` where the user decides whether it is there."""

    path: str
    node: Tree
    required: bool
    entry: bool


def keys(node: Tree, path: str = "", *, entry: bool = False) -> Iterator[Key]:
    """Give every property below a subschema."""
    for name, inner in node.get("properties", {}).items():
        own = f"{path}.{name}" if path else name
        yield Key(own, inner, name in node.get("required", ()), entry)
        yield from keys(inner, own, entry=entry or name not in node.get("required", ()))
    for step, inner in (("*", node.get("additionalProperties")), ("[]", node.get("items"))):
        if isinstance(inner, Mapping):
            yield from keys(inner, f"{path}.{step}", entry=True)


def nodes(node: Any, path: str = "#") -> Iterator[tuple[str, Tree]]:
    """Give every subschema, definitions and parts included."""
    if isinstance(node, list):
        for number, inner in enumerate(node):
            yield from nodes(inner, f"{path}/{number}")
    if not isinstance(node, Mapping):
        return
    yield path, node
    for word in ("properties", "definitions"):
        for name, inner in node.get(word, {}).items():
            yield from nodes(inner, f"{path}/{word}/{name}")
    for word in ("additionalProperties", "items", "propertyNames", "not", "allOf", "anyOf", "oneOf"):
        yield from nodes(node.get(word), f"{path}/{word}")


SCHEMA = schema()
KEYS = list(keys(demanding(SCHEMA)))
NODES = list(nodes(SCHEMA))


def has_default(node: Tree) -> bool:
    """A default of its own, or all of what it requires has one."""
    properties = node.get("properties", {})
    return "default" in node or any(has_default(inner) for inner in properties.values())


def validates(value: Any, node: Tree) -> bool:
    validator = jsonschema_rs.Draft7Validator({**node, "definitions": SCHEMA["definitions"]})
    return bool(validator.is_valid(value))


def test_is_a_schema_of_draft_07():
    assert SCHEMA["$schema"] == "http://json-schema.org/draft-07/schema#"
    jsonschema_rs.meta.validate(SCHEMA)


def test_the_walk_finds_what_it_should():
    paths = {key.path for key in KEYS}
    assert {
        "variant",
        "prometheus.image.digest",
        "operator.podMonitors.*.mtls",
        "prometheus.tolerations.[].key",
    } <= paths


@pytest.mark.parametrize("key", KEYS, ids=[key.path for key in KEYS])
class TestEachKey:
    def test_has_a_type(self, key):
        assert {"type", "$ref"} & key.node.keys()

    def test_is_described_in_sentences(self, key):
        text = key.node["description"]
        assert text.endswith(".")
        assert text[0].isupper() or text[0] == "`"
        assert "  " not in text

    def test_says_when_to_use_each_choice(self, key):
        if key.path not in PLAIN_CHOICES:
            unexplained = [
                choice for choice in key.node.get("enum", []) if f"`{choice}`" not in key.node["description"]
            ]
            assert set(unexplained) <= {"", "STRICT", "PERMISSIVE"}
            assert all(choice in key.node["description"] for choice in unexplained)

    def test_has_a_default_or_is_optional_with_a_meaning(self, key):
        if not key.entry:
            assert has_default(key.node) == key.required or "Absent: " in key.node["description"]
        elif not key.required:
            assert "default" not in key.node
            assert "bsent" in key.node["description"] or key.path.startswith("prometheus.affinity.")

    def test_has_examples_and_a_default_that_fit(self, key):
        for value in [*key.node.get("examples", []), *([key.node["default"]] if "default" in key.node else [])]:
            assert validates(value, key.node), value

    def test_an_empty_string_that_is_allowed_has_a_meaning(self, key):
        if key.node.get("default") == "":
            assert "Empty: " in key.node["description"] or "Empty means" in key.node["description"]


@pytest.mark.parametrize("path", sorted(ROOT.glob("overlays/**/*.yaml")), ids=lambda path: path.stem)
def test_fits_each_file_by_itself_as_editors_check_it(path):
    tree = read_layer(path.name, path.read_text()).tree
    merged = merge_layers({}, [Layer("f", "", tree)]).tree  # without what null removes
    assert list(jsonschema_rs.Draft7Validator(SCHEMA).iter_errors(merged)) == []


def test_nothing_stands_beside_a_reference():
    assert [path for path, node in NODES if "$ref" in node and node.keys() - ANNOTATIONS] == []


def test_every_reference_leads_somewhere_and_every_definition_is_used():
    used = {node["$ref"].removeprefix("#/definitions/") for _, node in NODES if "$ref" in node}
    assert used == set(SCHEMA["definitions"])


def test_every_integer_is_bounded():
    unbounded = [
        path for path, node in NODES if node.get("type") == "integer" and not {"minimum", "maximum"} <= node.keys()
    ]
    assert unbounded == []


def test_every_fixed_object_refuses_other_keys():
    opened = [path for path, node in NODES if "properties" in node and node.get("additionalProperties") is not False]
    assert opened == []


def test_every_map_and_list_says_what_it_holds():
    silent = [path for path, node in NODES if node.get("type") == "array" and "items" not in node]
    assert silent == []


def test_a_refused_pattern_is_for_strings_alone():
    """Else a number in its place, which a pattern doesn't concern, is told twice."""
    naked = [
        path
        for path, node in NODES
        if "pattern" in node.get("not", {}) and "type" not in node["not"] and "propertyNames" not in path
    ]
    assert naked == []


def test_names_of_maps_are_limited():
    free = [
        path
        for path, node in NODES
        if isinstance(node.get("additionalProperties"), Mapping) and "propertyNames" not in node
    ]
    assert [path for path in free if not path.startswith("#/definitions")] == []


def test_the_defaults_are_valid_values():
    defaults = project().schema().defaults()
    assert jsonschema_rs.Draft7Validator(SCHEMA).is_valid(defaults)


def test_every_sample_names_the_schema_for_editors():
    for file in (ROOT / "overlays").rglob("*.yaml"):
        first = file.read_text().splitlines()[0]
        named = first.removeprefix("# yaml-language-server: $schema=")
        assert (file.parent / named).resolve() == (ROOT / "templates/values.schema.json").resolve(), file
