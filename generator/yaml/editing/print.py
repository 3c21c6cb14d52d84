"""New values in the style of the text around them: its indentation, its dashes, and JSON where it is JSON."""

from __future__ import annotations

import re
from typing import NamedTuple, cast

from generator.yaml.editing.nodes import Document, Entry, Node
from generator.yaml.printing import block
from generator.yaml.scalars import Scalar, double_quoted, meaning, scalar

# YAML's limit for a key without `?` is 1,024 characters.
_LONGEST_KEY = 1000


class Layout(NamedTuple):
    """How a document sets block maps and lists below their key, each value in columns."""

    step: int
    """From a key to the keys of its map."""
    dash: int
    """From a key to the dashes of its list."""
    gap: int
    """From a dash to its item."""
    literals: bool = True
    """Whether strings of several lines are literal blocks; comments below would become part of one."""

    def value(self, value: object, column: int, *, item: bool = False) -> tuple[str, list[str]]:
        """Print what a key (or a dash, with ``item``) at a column holds: the rest of its line, and the lines below."""
        if isinstance(value, dict) and value:
            return "", self.map_lines(value, column + (self.gap if item else self.step))
        if isinstance(value, (list, tuple)) and value:
            return "", self.list_lines(value, column + (self.gap if item else self.dash))
        if isinstance(value, str) and "\n" in value:
            if not self.literals:
                return double_quoted(value), []
            margin = max(column + (self.gap if item else self.step) - 2, 0)
            first, *below = block(value, margin).split("\n")
            return first.lstrip(" "), below
        return block(value), []

    def map_lines(self, value: dict[str, object], column: int) -> list[str]:
        """Print a map's lines."""
        lines: list[str] = []
        for key, item in value.items():
            lines += self.entry_lines(key, item, column)
        return lines

    def entry_lines(self, key: str, value: object, column: int) -> list[str]:
        """Print one entry's lines."""
        pad, name = " " * column, scalar(key)
        inline, below = self.value(value, column)
        head = [f"{pad}{name}:"] if len(name) <= _LONGEST_KEY else [f"{pad}? {name}", f"{pad}:"]
        head[-1] += f" {inline}" if inline else ""
        return head + below

    def list_lines(self, value: list[object] | tuple[object, ...], column: int) -> list[str]:
        """Print a list's lines."""
        lines: list[str] = []
        for item in value:
            lines += self.item_lines(item, column)
        return lines

    def item_lines(self, value: object, column: int) -> list[str]:
        """Print one item's lines."""
        inline, below = self.value(value, column, item=True)
        pad = " " * column + "-"
        if inline:
            return [f"{pad}{' ' * (self.gap - 1)}{inline}", *below]
        return [pad + below[0][len(pad) :], *below[1:]]


def layout(document: Document, position: int) -> Layout:
    """Find how a document sets what stands nearest to a place; where it shows nothing, as kubectl does."""
    steps: dict[int, int] = {}
    dashes: dict[int, int] = {}
    gaps: dict[int, int] = {}
    column = document.lines.column
    for node in document.nodes:
        if not node.is_block:
            continue
        for entry in node.entries:
            inner = entry.node
            if node.kind == "map" and inner.is_block:
                offset = column(inner.entries[0].start) - column(node.entries[0].start)
                (steps if inner.kind == "map" else dashes)[inner.start] = offset
            elif node.kind == "list" and (gap := dash_gap(document, entry)):
                gaps[inner.body] = gap
                break

    def nearest(found: dict[int, int], otherwise: int) -> int:
        return found[min(found, key=lambda place: abs(place - position))] if found else otherwise

    return Layout(max(nearest(steps, 2), 1), max(nearest(dashes, 0), 0), max(nearest(gaps, 2), 2))


def dash_gap(document: Document, entry: Entry) -> int:
    """Give how far behind its dash an item stands; 0 where that can't be seen."""
    body, lines = entry.node.body, document.lines
    return body - entry.start if body > entry.after and lines.number(body) == lines.number(entry.start) else 0


class Flow(NamedTuple):
    """How a text writes what stands between brackets."""

    json: bool
    colon: str
    comma: str
    step: str
    newline: str

    def scalar(self, value: Scalar) -> str:
        """Print a scalar; one with a colon in quotes, since our parser takes it for an indicator here."""
        if isinstance(value, str) and self.json:
            return json_string(value)
        printed = scalar(value)
        return f"'{printed}'" if isinstance(value, str) and printed == value and ":" in value else printed

    def inline(self, value: object) -> str:
        """Print a value on one line."""
        if isinstance(value, dict):
            return (
                "{" + self.comma.join(f"{self.scalar(k)}{self.colon}{self.inline(v)}" for k, v in value.items()) + "}"
            )
        if isinstance(value, (list, tuple)):
            return "[" + self.comma.join(map(self.inline, value)) + "]"
        return self.scalar(cast("Scalar", value))

    def pretty(self, value: object, pad: str) -> str:
        """Print a value over several lines, the last of which begins with ``pad``."""
        inner = pad + self.step
        if isinstance(value, dict) and value:
            parts = [f"{self.scalar(key)}{self.colon}{self.pretty(item, inner)}" for key, item in value.items()]
        elif isinstance(value, (list, tuple)) and value:
            parts = [self.pretty(item, inner) for item in value]
        else:
            return self.inline(value)
        opening, closing = "{}" if isinstance(value, dict) else "[]"
        between = f",{self.newline}{inner}"
        return f"{opening}{self.newline}{inner}{between.join(parts)}{self.newline}{pad}{closing}"


def json_string(text: str) -> str:
    """Print a string as JSON and YAML both read it: characters above U+FFFF stand as they are."""
    parts = re.split("([\U00010000-\U0010ffff]+)", text)
    return '"' + "".join(part if index % 2 else double_quoted(part)[1:-1] for index, part in enumerate(parts)) + '"'


def flow(document: Document, outer: Node, source: str) -> Flow:
    """Find how a flow collection, the outermost at its place, is written."""
    text, lines = document.text, document.lines
    colon = comma = step = ""
    json = outer is document.root and source.endswith(".json")
    only_json = quoted = outer is document.root and bool(outer.entries)
    stack = [(outer, True)]
    while stack:
        node, is_value = stack.pop()
        if node.kind in {"scalar", "alias"}:
            quoted = quoted or node.style == '"'
            only_json = only_json and _is_json(text[node.start : node.end], is_value=is_value)
        for before, entry in zip([None, *node.entries], node.entries, strict=False):
            stack += [(entry.node, True), *([(entry.key, False)] if entry.key else [])]
            colon = colon or _colon(document, entry)
            if lines.leads(entry.start):
                step = step or _unit(document, node, entry)
            elif before and not comma:
                comma = text[before.end : entry.start]
    json = json or (only_json and quoted)
    if not re.fullmatch(r":[ \t]*" if json else r":[ \t]+", colon):
        colon = ":" if json and comma == "," else ": "
    if not re.fullmatch(r",[ \t]*", comma):
        comma = "," if json and colon == ":" else ", "
    return Flow(json, colon, comma, step or "  ", lines.newline(outer.end))


def _is_json(written: str, *, is_value: bool) -> bool:
    if written.startswith('"'):
        return True
    return is_value and (written in {"true", "false", "null"} or type(meaning(written or "~")) in {int, float})


def _colon(document: Document, entry: Entry) -> str:
    if entry.key is None or entry.after < 0 or entry.node.start == entry.node.end:
        return ""
    return document.text[entry.key.end : entry.node.start]


def _unit(document: Document, node: Node, entry: Entry) -> str:
    """Give what the lines within brackets are indented by, more than the line of the opening one."""
    text, lines = document.text, document.lines
    opening = text[lines.start(node.body) :]
    outer = opening[: len(opening) - len(opening.lstrip(" \t"))]
    inner = text[lines.start(entry.start) : entry.start]
    return inner[len(outer) :] if inner.startswith(outer) else ""
