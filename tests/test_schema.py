"""The schema: defaults, optional keys, and problems in the user's words."""

# ruff: noqa: E501  # tables of cases read best in rows

from __future__ import annotations

import json
import textwrap
import time
from typing import Any

import pytest

from generator.errors import InputError
from generator.schema import Schema, schema_from_text
from generator.values import merge_layers, read_layer

DOCUMENT: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["name", "prometheus"],
    "properties": {
        "name": {"$ref": "#/definitions/name", "default": "prometheus", "description": "The name."},
        "labels": {
            "type": "object",
            "default": {},
            "additionalProperties": {"type": "string"},
            "propertyNames": {"allOf": [{"pattern": "^[a-z]+$", "maxLength": 8}, {"not": {"enum": ["app"]}, "$comment": "the selector"}]},
        },
        "prometheus": {
            "type": "object",
            "additionalProperties": False,
            "required": ["replicas"],
            "properties": {
                "replicas": {"type": "integer", "minimum": 1, "maximum": 9, "default": 2},
                "mode": {"enum": ["plain", "operator", "manual"], "default": "plain"},
                "ratio": {"type": "number"},
                "enabled": {"type": "boolean"},
                "storage": {"type": "object", "additionalProperties": False, "properties": {"retention": {"type": "string", "default": "15d"}}},
                "ports": {"type": "array", "minItems": 1, "uniqueItems": True, "items": {"type": "integer", "multipleOf": 10}},
                "version": {"type": "string", "pattern": "^1\\.[0-9]+$", "examples": ["1.33"]},
                "size": {"type": ["string", "null"], "minLength": 2},
                "port": {"anyOf": [{"type": "integer"}, {"type": "string", "pattern": "^[a-z]+$"}]},
                "url": {"type": "string", "format": "uri", "examples": ["https://a/b"]},
                "fixed": {"const": 1},
                "never": False,
            },
        },
        "jobs": {"type": "object", "default": {}, "additionalProperties": {"$ref": "#/definitions/job"}},
        "kind": {"type": "string"},
        "absent": {"type": "object", "properties": {"inner": {"type": "string"}}},
    },
    "definitions": {
        "name": {"type": "string", "maxLength": 12, "minLength": 1, "pattern": "^[a-z]*$"},
        "job": {
            "type": "object",
            "additionalProperties": False,
            "required": ["path"],
            "properties": {"path": {"type": "string"}, "scheme": {"type": "string"}, "alert": {}, "record": {}, "sub": {"$ref": "#/definitions/job"}},
            "oneOf": [{"required": ["alert"]}, {"required": ["record"]}],
            "dependencies": {"scheme": ["sub"]},
        },
    },
    "allOf": [
        {"if": {"properties": {"kind": {"const": "special"}}, "required": ["kind"]}, "then": {"required": ["absent"], "$comment": "a special one has no default"}},
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def schema() -> Schema:
    return schema_from_text(json.dumps(DOCUMENT), "values.schema.json")


def told(schema: Schema, *texts: str) -> str:
    layers = [read_layer(f"{number}.yaml", textwrap.dedent(text)) for number, text in enumerate(texts)]
    return "\n".join(str(problem) for problem in schema.check(merge_layers(schema.defaults(), layers)))


# ----------------------------------------------------------------------------------------------------------- defaults


def test_defaults_are_collected_from_the_properties(schema):
    assert schema.defaults() == {
        "name": "prometheus",
        "labels": {},
        "prometheus": {"replicas": 2, "mode": "plain", "storage": {"retention": "15d"}},
        "jobs": {},
    }


def test_a_default_holds_for_its_object_as_a_whole():
    document = {"properties": {"a": {"default": {"x": 1}, "properties": {"y": {"default": 2}}}, "n": {"default": None}}}
    assert schema_from_text(json.dumps(document), "s").defaults() == {"a": {"x": 1}, "n": None}


def test_a_schema_without_defaults_gives_an_empty_tree():
    assert schema_from_text("{}", "s").defaults() == {}


def test_the_defaults_are_valid(schema):
    assert told(schema) == ""


def test_optional_are_the_keys_that_their_map_may_lack(schema):
    optional = schema.optional_keys()
    assert {"scheme", "inner", "sub"} <= optional
    assert not {"name", "replicas", "prometheus", "path", "mode", "labels", "retention"} & optional


def test_a_node_is_found_by_the_path_of_its_value(schema):
    assert schema.node(("name",)) == {
        **DOCUMENT["definitions"]["name"],
        "default": "prometheus",
        "description": "The name.",
    }
    assert schema.node(("jobs", "mine", "path")) == {"type": "string"}
    assert schema.node(("prometheus", "ports", 3)) == {"type": "integer", "multipleOf": 10}
    assert schema.node(()) == schema.document
    assert [schema.node(path) for path in (("no",), ("name", "no"), ("prometheus", "never"))] == [None, None, None]


# ----------------------------------------------------------------------------------------------------------- problems


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nmae: a", """\
            0.yaml:1:1: nmae: unknown key
                expected: `absent`, `jobs`, `kind`, `labels`, `name` or `prometheus`
                hint: did you mean `name`?"""),
        ("prometheus: {Replicas: 3}", """\
            0.yaml:1:14: prometheus.Replicas: unknown key
                hint: did you mean `replicas`?"""),
        ("prometheus: {retention: 3d}", """\
            0.yaml:1:14: prometheus.retention: unknown key
                hint: `retention` is at prometheus.storage.retention"""),
        ("prometheus: {qqq: 3d}", "0.yaml:1:14: prometheus.qqq: unknown key"),
        ("prometheus: {replicas: '3'}", """\
            0.yaml:1:14: prometheus.replicas: wrong type
                found: the string "3"
                expected: an integer
                hint: write 3 without quotes"""),
        ("prometheus: {enabled: 'True'}", """\
            0.yaml:1:14: prometheus.enabled: wrong type
                found: the string "True"
                expected: a boolean
                hint: write true without quotes"""),
        ("name: no", """\
            0.yaml:1:1: name: wrong type
                found: the boolean false
                expected: a string
                hint: yes, no, on, off, y, n, true and false are booleans in YAML 1.1: quote the value"""),
        ("prometheus: {version: 1.30}", """\
            0.yaml:1:14: prometheus.version: wrong type
                found: the float 1.3
                expected: a string
                hint: put the value in quotes"""),
        ("prometheus: [1]", """\
            0.yaml:1:1: prometheus: wrong type
                found: a list
                expected: a map"""),
        ("prometheus: {size: []}", """\
            0.yaml:1:14: prometheus.size: wrong type
                found: an empty list
                expected: a string or null"""),
        ("prometheus: {replicas: 2.0}", """\
            0.yaml:1:14: prometheus.replicas: wrong type
                found: the float 2.0
                expected: an integer
                hint: write 2"""),
        ("prometheus: {ratio: .inf}", """\
            0.yaml:1:14: prometheus.ratio: not a number that JSON can hold
                found: the float inf"""),
        ("prometheus: {replicas: 99999999999999999999}", """\
            0.yaml:1:14: prometheus.replicas: out of range
                found: the integer 99999999999999999999
                expected: at most 53 bits, which is what JSON numbers hold"""),
        ("prometheus: {replicas: 9007199254740993}", """\
            0.yaml:1:14: prometheus.replicas: out of range
                found: the integer 9007199254740993
                expected: at most 53 bits, which is what JSON numbers hold"""),
        ('prometheus: {mode: "a\\x85b"}', """\
            0.yaml:1:14: prometheus.mode: a character that no YAML tool carries unchanged
                found: the character U+0085"""),
        ("'<<': {a: b}", """\
            0.yaml:1:1: <<: a key that YAML readers take for a merge
                found: the key `<<`
            0.yaml:1:1: <<: unknown key
                expected: `absent`, `jobs`, `kind`, `labels`, `name` or `prometheus`"""),
        ("prometheus: {ratio: 1.0}", """\
            0.yaml:1:14: prometheus.ratio: a float without a fraction
                found: the float 1.0
                expected: an integer, which is what Helm makes of it, or a string in quotes
                hint: write 1"""),
        ("prometheus: {replicas: 0}", """\
            0.yaml:1:14: prometheus.replicas: too small
                found: the integer 0
                expected: at least 1"""),
        ("prometheus: {mode: plian}", """\
            0.yaml:1:14: prometheus.mode: not a possible value
                found: the string "plian"
                expected: `plain`, `operator` or `manual`
                hint: did you mean `plain`?"""),
        ("prometheus: {fixed: 2}", """\
            0.yaml:1:14: prometheus.fixed: not a possible value
                found: the integer 2
                expected: `1`"""),
        ("prometheus: {version: '2'}", """\
            0.yaml:1:14: prometheus.version: not of the right form
                found: the string "2"
                expected: a string that matches ^1\\.[0-9]+$
                hint: for example `1.33`"""),
        ("name: ''", """\
            0.yaml:1:1: name: too short
                found: 0 characters
                expected: at least 1 character"""),
        ("prometheus: {ports: []}", """\
            0.yaml:1:14: prometheus.ports: too few items
                found: 0 items
                expected: at least 1 item"""),
        ("prometheus: {ports: [10, 10]}", """\
            0.yaml:1:14: prometheus.ports: an item stands twice
                found: a list"""),
        ("prometheus: {ports: [10, 11]}", """\
            0.yaml:1:26: prometheus.ports[1]: doesn't fit
                found: the integer 11
                expected: a multiple of 10"""),
        ("prometheus: {port: UP}", """\
            0.yaml:1:14: prometheus.port: not of the right form
                found: the string "UP"
                expected: a string that matches ^[a-z]+$"""),
        ("prometheus: {port: true}", """\
            0.yaml:1:14: prometheus.port: wrong type
                found: the boolean true
                expected: a string or an integer"""),
        ("prometheus: {url: x}", """\
            0.yaml:1:14: prometheus.url: not a valid uri
                found: the string "x"
                hint: for example `https://a/b`"""),
        ("prometheus: {never: 1}", """\
            0.yaml:1:14: prometheus.never: not allowed
                found: the integer 1"""),
        ("labels: {app: a}", "0.yaml:1:10: labels.app: this key is not allowed: the selector"),
        ("labels: {A: a}", """\
            0.yaml:1:10: labels.A: this key is not of the right form
                expected: a key that matches ^[a-z]+$"""),
        ("labels: {abcdefghi: a}", """\
            0.yaml:1:10: labels.abcdefghi: too long
                found: 9 characters
                expected: at most 8 characters"""),
        ("jobs: {a: {alert: 1}}", "0.yaml:1:8: jobs.a.path: needed, but missing"),
        ("jobs: {a: {path: x, scheme: b, alert: 1}}", "0.yaml:1:8: jobs.a.sub: needed, but missing"),
        ("jobs: {a: {path: x}}", """\
            0.yaml:1:8: jobs.a: a key is missing
                found: a map
                expected: `alert` or `record`"""),
        ("jobs: {a: {path: x, alert: 1, record: 1}}", """\
            0.yaml:1:8: jobs.a: `alert` and `record` exclude each other
                found: a map
                expected: one of them"""),
        ("jobs: {a: 3}", """\
            0.yaml:1:8: jobs.a: wrong type
                found: the integer 3
                expected: a map"""),
        ("kind: special", "0.yaml: absent: needed, but missing: a special one has no default"),
        ("name: null", """\
            0.yaml:1:1: name: needed, but removed by null
                hint: remove the null to keep the default `prometheus`"""),
    ],
)  # fmt: skip
def test_a_problem_is_told_as_found_expected_and_hint(schema, text, expected):
    assert told(schema, text) == textwrap.dedent(expected)


def test_all_problems_are_told_once_in_the_order_of_files_and_lines(schema):
    problems = told(schema, "name: 1\nlabels:\n  a: 2\n", "nope: 1\nprometheus:\n  replicas: 0\n")
    assert [line.partition(" ")[0] for line in problems.splitlines() if line[0] != " "] == [
        "0.yaml:1:1:",
        "0.yaml:3:3:",
        "1.yaml:1:1:",
        "1.yaml:3:3:",
    ]


def test_what_a_layer_sets_right_again_is_no_problem(schema):
    assert told(schema, "name: 1", "name: a") == ""


def test_checking_valid_values_again_takes_less_than_a_millisecond(schema):
    values = merge_layers(schema.defaults(), [])
    schema.check(values)
    times = []
    for _ in range(20):
        started = time.perf_counter()
        schema.check(values)
        times.append(time.perf_counter() - started)
    assert min(times) < 0.001


# ---------------------------------------------------------------------------------------------------------- additions


def together(*additions: dict[str, Any]) -> Schema:
    texts = [(json.dumps(addition), f"{number}.json") for number, addition in enumerate(additions)]
    return schema_from_text(json.dumps(DOCUMENT), "values.schema.json", texts)


def test_additions_join_the_schema():
    extended = together(
        {
            "title": "Mine",
            "properties": {"mine": {"$ref": "#/definitions/mine"}},
            "definitions": {"mine": {"default": 1}},
        },
        {"properties": {"prometheus": {"properties": {"theirs": {"default": 2}}, "required": ["theirs"]}}},
        {"allOf": [{"required": ["kind"]}], "required": ["mine"]},
    )
    assert extended.defaults()["mine"] == 1
    assert extended.defaults()["prometheus"]["theirs"] == 2
    assert extended.document["required"] == ["name", "prometheus", "mine"]
    assert extended.document["properties"]["prometheus"]["required"] == ["replicas", "theirs"]
    assert len(extended.document["allOf"]) == 2
    assert told(extended, "{}") == "0.yaml: kind: needed, but missing"


def test_two_definitions_of_one_thing_are_refused_with_both_owners():
    with pytest.raises(InputError) as caught:
        together(
            {"properties": {"mine": {}, "name": {"type": "integer"}}, "definitions": {"mine": {}}},
            {
                "properties": {"mine": {}, "prometheus": {"description": "no"}},
                "definitions": {"mine": {"type": "null"}},
            },
            {"patternProperties": {}},
        )
    assert str(caught.value).splitlines() == [
        "0.json: the property `name` is defined in values.schema.json already",
        "1.json: the property `mine` is defined in 0.json already",
        "1.json: the property `prometheus` is defined in values.schema.json already",
        "1.json: the definition `mine` is defined in 0.json already",
        "2.json: `patternProperties` can't be added to the schema",
        "    expected: properties, definitions, required or allOf",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1,}', "s.json:1:9: not valid JSON: Expecting property name enclosed in double quotes"),
        ("[]", "s.json: a schema must be a JSON object"),
    ],
)
def test_a_schema_that_is_no_json_object_is_refused(text, message):
    with pytest.raises(InputError) as caught:
        schema_from_text(text, "s.json")
    assert str(caught.value) == message


@pytest.mark.parametrize("document", [{"type": "sting"}, {"properties": {"a": {"$ref": "#/definitions/no"}}}])
def test_a_schema_that_is_not_valid_is_refused(document):
    broken = schema_from_text(json.dumps(document), "s.json")
    with pytest.raises(InputError, match=r"^s\.json: not a valid JSON Schema: "):
        broken.check(merge_layers({}, []))


def test_a_reference_that_leads_nowhere_is_named():
    broken = schema_from_text('{"properties": {"a": {"$ref": "#/definitions/no"}}}', "s.json")
    with pytest.raises(InputError) as caught:
        broken.check(merge_layers({}, []))
    assert str(caught.value) == "s.json: not a valid JSON Schema: `#/definitions/no` leads nowhere"


def test_what_has_a_default_must_remain_though_the_schema_of_partial_files_demands_nothing():
    text = '{"properties": {"name": {"type": "string", "default": "a"}, "note": {"type": "string"}}}'
    schema = schema_from_text(text, "s.json")
    layer = read_layer("dev.yaml", "name: null\n")
    assert "required" not in schema.document
    assert [str(problem) for problem in schema.check(merge_layers(schema.defaults(), [layer]))] == [
        "dev.yaml:1:1: name: needed, but removed by null\n    hint: remove the null to keep the default `a`"
    ]
    assert schema.optional_keys() == {"note"}
