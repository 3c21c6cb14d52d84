"""A chart's values.schema.json, which Helm checks values against before it renders anything."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Final

from generator.emit.chart_values import Descriptions
from generator.schema.document import Document, Node, demanding

_TITLE: Final = "Values of the chart"
#: What Helm or a parent chart puts beside the values: templates read neither.
_NOT_OURS: Final[dict[str, Node]] = {
    "enabled": {
        "type": "boolean",
        "description": "What a parent chart may name as the condition of this one. The chart itself doesn't read it.",
    },
    "global": {
        "type": "object",
        "description": "Values that Helm hands to every chart of a release. This chart reads none of them.",
    },
}
#: Keywords that hold for an empty string too, or say nothing about values.
_REMARKS: Final[tuple[str, ...]] = ("$comment", "title", "description", "type", "examples")


def chart_schema(document: Node, optional_strings: Collection[str], descriptions: Descriptions | None = None) -> str:
    """Give the text of values.schema.json.

    ``document`` is the whole schema. What has a default is required, since a chart's values hold it unless a null took
    it away. ``optional_strings`` are keys of the root that may be empty, and are so by default. ``descriptions``
    replace those of keys of the root, by path.
    """
    root = demanding(document)
    nodes = Document(root)
    properties = dict(root["properties"])
    for name in optional_strings:
        properties[name] = _or_empty(nodes.resolve(properties[name]))
    for path, text in (descriptions or {}).items():
        if len(path) == 1:
            name = str(path[0])
            properties[name] = {**properties[name], "description": text}
    properties |= _NOT_OURS
    return json.dumps({**root, "title": _TITLE, "properties": properties}, indent=2) + "\n"


def _or_empty(node: Node) -> Node:
    """Give the schema of a string that is empty or what ``node`` says.

    With `if`, unlike `anyOf`, Helm's error tells only what is wrong with the string, not that it could be empty.
    """
    remarks = {key: node[key] for key in _REMARKS if key in node}
    filled = {key: value for key, value in node.items() if key not in (*_REMARKS, "default")}
    return {**remarks, "default": "", "if": {"minLength": 1}, "then": filled}
