"""A chart's values.schema.json: Helm takes what the schema takes, and refuses the rest."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from generator.emit.chart_schema import chart_schema
from generator.emit.chart_values import values_file
from generator.emit.release import FROM_RELEASE, chart_defaults
from generator.schema import schema_from_text
from tests import rendering
from tests.tools import program

DOCUMENT = rendering.schema()
TEXT = chart_schema(DOCUMENT, tuple(FROM_RELEASE))
SCHEMA: dict[str, Any] = json.loads(TEXT)
DEFAULTS = chart_defaults(schema_from_text(json.dumps(DOCUMENT), "values.schema.json").defaults())
HELMS = {"Helm 4": program("helm"), "Helm 3": str(Path(sys.executable).with_name("helm"))}

#: What has no say in whether a value is valid: beside a `$ref`, draft-07 takes nothing else into account.
REMARKS = {"$comment", "title", "description", "default", "examples"}

TAKEN = {
    "the defaults": "{}",
    "a name": "name: x",
    "a name and a namespace": "{name: x, namespace: z}",
    "an empty name": "name: ''",
    "values of other charts": "global: {anything: 1}",
    "the condition of a parent chart": "enabled: true",
    "resources of the proxy": "proxy: {resources: {requests: {cpu: 1m, memory: 1Mi}, limits: {cpu: 1m, memory: 1Mi}}}",
}

# Values, and what both versions of Helm say of them.
REFUSED = {
    "an unknown key": ("nonsense: 1", "nonsense", "not allowed"),
    "an unknown key below": ("prometheus: {nonsense: 1}", "nonsense", "not allowed"),
    "a wrong type": ("prometheus: {replicas: many}", "replicas", "string"),
    "a number for a name": ("name: 7", "name", "string"),
    "too large a number": ("prometheus: {replicas: 17}", "replicas", "16"),
    "a pattern missed": ("istio: {version: '1.30'}", "version", "does not match pattern"),
    "a name's pattern missed": ("name: Upper", "name", "does not match pattern"),
    "a namespace's pattern missed": ("namespace: a_b", "namespace", "does not match pattern"),
    "too long a name": (f"name: {'a' * 41}", "name", "40"),
    "a value not in the enum": ("variant: other", "variant", "one of"),
    "a key that is not to be set": ("labels: {app.kubernetes.io/name: x}", "app.kubernetes.io/name", "property"),
    "a default removed": ("variant: null", "variant", ""),
    "a name removed": ("name: null", "name", ""),
    "a default below removed": ("prometheus: {image: {tag: null}}", "tag", ""),
    "a required key left out": ("prometheus: {remoteWrite: {far: {}}}", "url", ""),
    "one key without the other": ("proxy: {resources: {limits: {cpu: 1m, memory: 1Mi}}}", "requests", ""),
    "neither alert nor record": ("alerting: {rules: {mine: {rules: [{expr: up}]}}}", "oneof", ""),
    "values of other charts as a list": ("global: []", "global", "object"),
}


@pytest.fixture(scope="module")
def chart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chart")
    (folder / "templates").mkdir()
    (folder / "Chart.yaml").write_text("apiVersion: v2\nname: values\nversion: 1.0.0\n")
    (folder / "values.yaml").write_text(values_file(DOCUMENT, DEFAULTS, {}), encoding="utf-8")
    (folder / "values.schema.json").write_text(TEXT, encoding="utf-8")
    (folder / "templates/name.yaml").write_text("name: {{ .Values.name | quote }}\n")
    return folder


def templated(helm: str, chart: Path, values: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [HELMS[helm], "template", "release", str(chart), "--values", "-", *arguments]
    return subprocess.run(command, input=values, capture_output=True, text=True)


@pytest.mark.programs
@pytest.mark.parametrize("helm", HELMS)
class TestHelm:
    @pytest.mark.parametrize("case", TAKEN)
    def test_takes(self, helm: str, case: str, chart: Path):
        done = templated(helm, chart, TAKEN[case])
        assert (done.returncode, done.stderr) == (0, "")

    def test_takes_a_name_from_the_command_line(self, helm: str, chart: Path):
        assert 'name: "x"' in templated(helm, chart, "{}", "--set", "name=x").stdout

    @pytest.mark.parametrize("case", REFUSED)
    def test_refuses(self, helm: str, case: str, chart: Path):
        values, *words = REFUSED[case]
        done = templated(helm, chart, values)
        assert done.returncode == 1
        assert "values don't meet the specifications of the schema(s)" in done.stderr
        _, _, told = done.stderr.partition("values:\n")
        assert [word for word in words if word.lower() not in told.lower()] == []


def test_it_is_a_valid_schema():
    jsonschema_rs.meta.validate(SCHEMA)
    assert jsonschema_rs.Draft7Validator(SCHEMA).is_valid(DEFAULTS)


def test_nothing_that_matters_stands_beside_a_reference():
    def beside(node: Any) -> Iterator[set[str]]:
        if isinstance(node, dict) and isinstance(node.get("$ref"), str):
            yield set(node) - {"$ref"} - REMARKS
        inner = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
        for item in inner:
            yield from beside(item)

    assert [keywords for keywords in beside(SCHEMA) if keywords] == []


def test_what_may_be_empty_is_so_by_default_and_filled_is_what_it_was():
    small = {
        "properties": {
            "name": {"$ref": "#/definitions/name", "description": "The name.", "default": "web"},
            "other": {"type": "string", "default": "x"},
        },
        "definitions": {"name": {"type": "string", "pattern": "^[a-z]+$", "minLength": 2}},
    }
    assert json.loads(chart_schema(small, ["name"])) == {
        "properties": {
            "name": {
                "type": "string",
                "description": "The name.",
                "default": "",
                "if": {"minLength": 1},
                "then": {"pattern": "^[a-z]+$", "minLength": 2},
            },
            "other": {"type": "string", "default": "x"},
            "enabled": SCHEMA["properties"]["enabled"],
            "global": SCHEMA["properties"]["global"],
        },
        "definitions": small["definitions"],
        "required": ["name", "other"],
        "title": SCHEMA["title"],
    }


def test_a_description_can_be_replaced():
    found = json.loads(chart_schema(DOCUMENT, ["name"], {("name",): "Another one.", ("labels",): "Others."}))
    assert found["properties"]["name"]["description"] == "Another one."
    assert found["properties"]["labels"]["description"] == "Others."
    assert found["properties"]["variant"] == SCHEMA["properties"]["variant"]


def test_keys_keep_their_order():
    assert list(SCHEMA["properties"]) == [*DOCUMENT["properties"], "enabled", "global"]
    assert list(SCHEMA)[: len(DOCUMENT)] == list(DOCUMENT)


def test_the_text_is_indented_and_ends_in_a_newline():
    assert json.dumps(SCHEMA, indent=2) + "\n" == TEXT


def test_the_schema_it_is_made_of_stays_as_it_was():
    before = json.dumps(DOCUMENT)
    chart_schema(DOCUMENT, tuple(FROM_RELEASE), {("name",): "Another one."})
    assert json.dumps(DOCUMENT) == before
