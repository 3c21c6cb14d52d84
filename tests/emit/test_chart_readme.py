"""The tables of values in a chart's README.md."""

# ruff: noqa: E501  # schemas and rows of tables are as wide as they are

from __future__ import annotations

import re
from typing import Any

import pytest

from generator.emit.chart_readme import _code, _escaped, values_table
from generator.emit.release import chart_defaults
from generator.errors import dotted
from generator.schema.document import Document
from tests import rendering

SMALL: dict[str, Any] = {
    "type": "object",
    "properties": {
        "variant": {"type": "string", "enum": ["plain", "a|b"], "default": "plain", "description": "Which | way."},
        "pod": {
            "type": "object",
            "description": "The pod of <name>.",
            "properties": {
                "count": {"type": "integer", "default": 1, "description": "How\nmany."},
                "image": {"type": "object", "description": "Its image.", "properties": {"tag": {"type": "string", "default": "`"}}},
                "resources": {"type": "object", "default": {"cpu": "1"}, "properties": {"cpu": {"type": "string", "description": "CPU."}}},
                "mounts": {"type": "array", "default": [], "items": {"type": "object", "required": ["path"], "properties": {"path": {"type": "string", "description": "Where."}}}},
            },
        },
        "jobs": {"type": "object", "default": {}, "description": "Jobs.", "additionalProperties": {"$ref": "#/definitions/job"}},
        "ports": {"type": "array", "default": [], "items": {"type": "integer"}},
        "owner": {"type": ["string", "null"]},
        "trees": {"type": "object", "default": {}, "propertyNames": {"title": "species"}, "additionalProperties": {"$ref": "#/definitions/tree"}},
        "silent": {"type": "object", "properties": {"free": {"type": "object", "default": {}}, "list": {"type": "array", "default": []}}},
    },
    "definitions": {
        "job": {"type": "object", "description": "One job.", "required": ["url"], "properties": {"url": {"type": "string"}, "config": {"type": "object", "additionalProperties": {"type": "string"}}}},
        "tree": {"type": "object", "properties": {"branch": {"$ref": "#/definitions/tree"}}},
    },
}  # fmt: skip

SMALL_DEFAULTS: dict[str, Any] = {
    "variant": "plain",
    "pod": {"count": 1, "image": {"tag": "`"}, "resources": {"cpu": "1"}, "mounts": []},
    "jobs": {},
    "ports": [],
    "trees": {},
    "silent": {"free": {}, "list": []},
}

SMALL_TABLE = r"""| Key | Type | Default | Description |
| --- | --- | --- | --- |
| `variant` | string | `"plain"` | Which \| way. One of `plain`, `a\|b`. |
| `jobs` | map of maps | `{}` | Jobs. |
| `jobs.NAME` | map |  | One job. |
| `jobs.NAME.url` | string |  | Required. |
| `jobs.NAME.config` | map of strings |  |  |
| `ports` | list of integers | `[]` |  |
| `owner` | string or null |  |  |
| `trees` | map of maps | `{}` |  |
| `trees.SPECIES` | map |  |  |
| `trees.SPECIES.branch` | map |  |  |
| `trees.SPECIES.branch.branch` | map |  |  |

### pod

The pod of \<name>.

| Key | Type | Default | Description |
| --- | --- | --- | --- |
| `pod.count` | integer | `1` | How many. |
| `pod.image` | map |  | Its image. |
| `pod.image.tag` | string | <code>"&#96;"</code> |  |
| `pod.resources` | map | `{"cpu": "1"}` |  |
| `pod.resources.cpu` | string |  | CPU. |
| `pod.mounts` | list of maps | `[]` |  |
| `pod.mounts[].path` | string |  | Where. Required. |

### silent

| Key | Type | Default | Description |
| --- | --- | --- | --- |
| `silent.free` | map | `{}` |  |
| `silent.list` | list | `[]` |  |
"""


def test_values_that_stand_alone_come_first_then_each_group_below_its_heading():
    assert values_table(SMALL, SMALL_DEFAULTS, {}) == SMALL_TABLE


def test_a_description_can_be_replaced():
    text = values_table(SMALL, SMALL_DEFAULTS, {("variant",): "plain, a|b.", ("pod",): "Pods.", ("pod", "count"): "n"})
    assert '| `variant` | string | `"plain"` | plain, a\\|b. |\n' in text
    assert "### pod\n\nPods.\n\n" in text
    assert "| `pod.count` | integer | `1` | n |\n" in text


def test_groups_alone_need_no_table_before_them():
    assert values_table({"properties": {"silent": SMALL["properties"]["silent"]}}, {}, {}).startswith("### silent\n\n|")


# Markdown-it-py shows each of these as the text it was: tried with random ones.
@pytest.mark.parametrize(
    ("text", "shown"),
    {
        "a": "`a`",
        "a|b": r"`a\|b`",
        "||": r"`\|\|`",
        "*a* <b> &amp;": "`*a* <b> &amp;`",
        "a\\b": r"`a\b`",
        "a\\|b": "<code>a&#92;&#124;b</code>",
        "`": "<code>&#96;</code>",
        "`_a_ *b* [c] ~d~ $e$ <f> &": "<code>&#96;&#95;a&#95; &#42;b&#42; &#91;c&#93; &#126;d&#126; &#36;e&#36; &#60;f&#62; &#38;</code>",
    }.items(),
)
def test_code_is_shown_as_it_is(text: str, shown: str):
    assert _code(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    {
        "plain, prometheus.io/scheme: http": "plain, prometheus.io/scheme: http",
        "OUTPUT_CERTS": "OUTPUT_CERTS",
        "istiod-<revision>": r"istiod-\<revision>",
        "a | b": r"a \| b",
        "_a_ *b* [c](d) ~e~ $f$": r"\_a\_ \*b\* \[c\](d) \~e\~ \$f\$",
        "a\\b": r"a\\b",
        "AT&T &amp; &#38;": r"AT&T \&amp; \&#38;",
        "write `$$` or `a|b`": r"write `$$` or `a\|b`",
        "one ` alone": r"one \` alone",
    }.items(),
)
def test_a_text_is_shown_as_it_is_but_for_code(text: str, shown: str):
    assert _escaped(text) == shown


@pytest.fixture(scope="module")
def project_table() -> str:
    document = rendering.schema()
    defaults = Document(document).defaults(document)
    return values_table(document, chart_defaults(defaults), {})


def test_every_row_has_four_cells(project_table: str):
    rows = [line for line in project_table.splitlines() if line.startswith("|")]
    assert len(rows) > 150
    assert {len(re.split(r"(?<!\\)\|", row)) for row in rows} == {6}


def test_every_property_has_one_row_or_is_a_heading(project_table: str):
    keys = re.findall(r"^\| `([^`]+)` \|", project_table, re.MULTILINE)
    assert len(keys) == len(set(keys))
    known = {dotted(path) for path in Document(rendering.schema()).properties()}
    assert known <= {*keys, *re.findall("^### (.*)$", project_table, re.MULTILINE)}


def test_tables_are_parted_from_what_surrounds_them(project_table: str):
    assert "\n\n\n" not in project_table
    assert project_table.endswith(" |\n")
    for heading in re.finditer(r"^###.*$", project_table, re.MULTILINE):
        assert project_table[heading.start() - 2 : heading.start()] == "\n\n"
