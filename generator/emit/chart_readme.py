"""The tables of values in a chart's README.md."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from generator.emit.chart_values import Descriptions, described, entries_of, entry_name
from generator.errors import ValuePath
from generator.schema.document import NOTHING, Document, Node

_HEAD: Final = "| Key | Type | Default | Description |\n| --- | --- | --- | --- |\n"
_MANY: Final = {"array": "lists", "boolean": "booleans", "integer": "integers", "object": "maps", "string": "strings"}

# What Markdown would take for markup outside of code; an underscore within a word is none. As entities they never are.
_MARKUP: Final = r"[\\`*\[\]<~$|]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|&(?=#?\w+;)"
_ENTITIES: Final = str.maketrans({character: f"&#{ord(character)};" for character in "&<>`\\|*_[]~$"})


def values_table(document: Node, chart_defaults: Mapping[str, Any], descriptions: Descriptions) -> str:
    """Give all values in Markdown: a table of those that stand alone, then one below a heading for each group.

    ``document`` is the whole schema; ``descriptions`` replace those of the schema, by path. ``NAME`` and ``[]`` in a
    key stand for the key of any entry, and for any item of a list.
    """
    nodes = Document(document)
    root = nodes.resolve(document)
    rows = _Rows(nodes, descriptions)
    alone: list[_Row] = []
    groups: list[str] = []
    for name in root.get("properties", ()):
        node, value = nodes.child(root, name) or {}, chart_defaults.get(name, NOTHING)
        own = rows.of(node, value, (name,), name, required=name in root.get("required", ()))
        if _is_group(node):
            heading = f"### {_escaped(name)}\n\n{next(own).description}".rstrip()
            groups.append(f"{heading}\n\n{_table(own)}")
        else:
            alone += own
    return "\n".join([_table(alone), *groups] if alone else groups)


def _is_group(node: Node) -> bool:
    """Say whether a value is nothing but the values in it."""
    return bool(node.get("properties")) and "default" not in node


class _Row(NamedTuple):
    """The cells of a row, in Markdown."""

    key: str
    type: str
    default: str
    description: str


def _table(rows: Iterable[_Row]) -> str:
    return _HEAD + "".join(f"| {' | '.join(row)} |\n" for row in rows)


class _Rows:
    """Gives the rows of values, those within them included."""

    def __init__(self, nodes: Document, descriptions: Descriptions) -> None:
        self._nodes = nodes
        self._descriptions = descriptions

    def of(
        self,
        node: Node,
        value: Any,
        path: ValuePath,
        key: str,
        above: tuple[int, ...] = (),
        *,
        required: bool = False,
    ) -> Iterator[_Row]:
        """Give the row of a value, then those of what is in it; ``above`` ends the loops of `$ref`s."""
        shown = "" if value is NOTHING or _is_group(node) else _code(json.dumps(value))
        text = described(node, path, self._descriptions, required=required and value is NOTHING)
        if text or key[-1] != "]":
            yield _Row(_code(key), self._type(node), shown, _escaped(text))
        if id(node) in above:
            return
        inner = (*above, id(node))
        for name in node.get("properties", ()):
            child = self._nodes.child(node, name) or {}
            held = value.get(name, NOTHING) if _is_group(node) and isinstance(value, dict) else NOTHING
            needed = name in node.get("required", ())
            yield from self.of(child, held, (*path, name), f"{key}.{name}", inner, required=needed)
        entry = entries_of(node, self._nodes)
        if "properties" in entry or "description" in entry:
            listed = node.get("type") == "array"
            name = entry_name(node, self._nodes)
            place, within = ((*path, 0), f"{key}[]") if listed else ((*path, name), f"{key}.{name}")
            yield from self.of(entry, NOTHING, place, within, inner)

    def _type(self, node: Node) -> str:
        """Give the type of a value, and of what is in it where that is all alike."""
        kind = node.get("type", "")
        if isinstance(kind, list):
            return " or ".join(kind)
        inner = _MANY.get(str(entries_of(node, self._nodes).get("type")))
        if kind == "array":
            return f"list of {inner}" if inner else "list"
        if kind == "object":
            return f"map of {inner}" if inner and not node.get("properties") else "map"
        return str(kind)


def _code(text: str) -> str:
    """Give a text as code, for a paragraph or a cell of a table: GitHub looks for the cells' ends first, in code too.

    Between backticks there is no way to write a backtick, nor a backslash before a bar; between tags there is.
    """
    if "`" in text or "\\|" in text:
        return f"<code>{text.translate(_ENTITIES)}</code>"
    return "`{}`".format(text.replace("|", "\\|"))


def _escaped(text: str) -> str:
    """Give a text of which nothing but code in backticks is markup, for a paragraph or a cell of a table."""
    parts = re.split(r"`([^`]+)`", text)
    return "".join(
        _code(part) if number % 2 else re.sub(_MARKUP, r"\\\g<0>", part) for number, part in enumerate(parts)
    )
