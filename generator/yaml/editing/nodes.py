"""A YAML document as nodes that know their place in the text: what `editing` cuts and splices by.

Positions are indices into the text. The C parser ends a block collection where the next token begins; here it ends
where its last scalar does, so that comments and blank lines between two entries belong to neither.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from _ruamel_yaml import (  # type: ignore[import-not-found]  # a C extension without stubs
    AliasEvent,
    CParser,
    DocumentEndEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
)

from generator.yaml.editing.lines import BREAK, Lines, skip
from generator.yaml.reading import key_text
from generator.yaml.scalars import meaning, tagged


class Node:
    """A value as it is written, from ``start`` to ``end``; its anchor and tag end at ``stem``, ``body`` follows."""

    __slots__ = (
        "anchor",
        "bare",
        "body",
        "end",
        "entries",
        "flow",
        "kind",
        "start",
        "stem",
        "style",
        "tag",
        "target",
        "value",
    )

    def __init__(self, kind: str, start: int, end: int) -> None:
        """Take what the node is (``scalar``, ``map``, ``list`` or ``alias``) and its span."""
        self.kind = kind
        self.start = self.stem = self.body = start
        self.end = end
        self.value: Any = None
        self.entries: list[Entry] = []
        self.target: Node | None = None
        self.anchor: str | None = None
        self.tag: str | None = None
        #: A scalar's ``'``, ``"``, ``|`` or ``>``; empty for a plain one.
        self.style = ""
        self.flow = False
        #: A map without braces, the only entry of which stands in a flow list: ``[a: 1]``.
        self.bare = False

    @property
    def is_block(self) -> bool:
        """Whether this is a map or list whose entries stand on lines of their own by rule."""
        return bool(self.entries) and not self.flow

    @property
    def is_block_scalar(self) -> bool:
        """Whether this is a literal or a folded block."""
        return self.style in {"|", ">"}


class Entry:
    """An entry of a map, or an item of a list; ``after`` is the place right after its colon or dash."""

    __slots__ = ("after", "end", "key", "merge", "name", "node", "start")

    def __init__(self, start: int, after: int, node: Node, key: Node | None = None) -> None:
        """Take the places, the value and, in a map, the key. ``after`` is -1 where a colon is left out."""
        self.start = start
        self.after = after
        self.node = node
        self.key = key
        self.name: str = "" if key is None else key_text(key.value)
        self.merge = False
        self.end = max(node.end, after, key.end if key else start)


class Document:
    """One document: its nodes in the order of the text, and the lines of the whole text."""

    __slots__ = ("lines", "nodes", "root", "text")

    def __init__(self, text: str, lines: Lines, root: Node, nodes: list[Node]) -> None:
        """Take what was read."""
        self.text = text
        self.lines = lines
        self.root = root
        self.nodes = nodes

    def skip(self, position: int) -> int:
        """Give where the next token begins, after blanks and comments."""
        return skip(self.text, position)

    def has_comment(self, start: int, end: int) -> bool:
        """Say whether a comment stands in a part of the text that begins and ends between tokens."""
        position = start
        for node in self.nodes:
            if node.entries or node.end <= start or node.start >= end:
                continue
            if "#" in self.text[position : node.body]:
                return True
            if node.is_block_scalar and "#" in self.text[node.body : self.lines.stop(node.body)]:
                return True
            position = node.end
        return "#" in self.text[position:end]


class Step(NamedTuple):
    """One entry to change: ``action`` is ``replace``, ``insert``, ``remove`` or ``unmerge`` (expand a merge key)."""

    action: str
    #: From the root to the map or list that is changed; for ``replace`` to the value that is.
    chain: tuple[Node, ...]
    #: Which entry of the node before the last of the chain each next node is; for the others one more: where.
    indices: tuple[int, ...]
    value: object = None
    #: The key of a new entry.
    name: str = ""
    #: An anchor, with its ``&``, for a new value that takes the place of an alias.
    anchor: str = ""


def document(text: str, index: int) -> Document:
    """Read the document that ``load_documents`` gives at ``index``, from a text that it accepts."""
    parser = CParser(text)
    while (event := parser.get_event()) is not None:
        if type(event) is not DocumentStartEvent:
            continue
        first = parser.get_event()
        if index == 0 or type(first) is ScalarEvent:
            reader = _NodeReader(text, parser)
            root = reader.node(first)
            if root.value is not None:
                if index == 0:
                    return Document(text, Lines(text), root, reader.nodes)
                index -= 1
            continue
        while type(event) is not DocumentEndEvent:
            event = parser.get_event()
        index -= 1
    raise IndexError(index)


class _NodeReader:
    """Builds the nodes of one document from the parser's events."""

    def __init__(self, text: str, parser: Any) -> None:
        self.text = text
        self.read = parser.get_event
        self.anchors: dict[str, Node] = {}
        self.nodes: list[Node] = []

    def node(self, event: Any) -> Node:
        """Read one value."""
        start, kind = event.start_mark.index, type(event)
        if kind is AliasEvent:
            node = Node("alias", start, event.end_mark.index)
            node.target = self.anchors[event.anchor]
            node.value = node.target.value
            self.nodes.append(node)
            return node
        name = "scalar" if kind is ScalarEvent else "map" if kind is MappingStartEvent else "list"
        node = Node(name, start, event.end_mark.index)
        node.anchor, node.tag = event.anchor, event.tag
        self.nodes.append(node)
        self.properties(node)
        if kind is ScalarEvent:
            self.scalar(node, event)
        else:
            node.flow = bool(event.flow_style)
            node.bare = node.flow and kind is MappingStartEvent and self.text[node.body : node.body + 1] != "{"
            (self.mapping if kind is MappingStartEvent else self.sequence)(node)
        if node.anchor:
            self.anchors[node.anchor] = node
        return node

    def properties(self, node: Node) -> None:
        """Find where a value begins after its anchor and its tag."""
        for _ in range((node.anchor is not None) + (node.tag is not None)):
            found = re.compile(r"[&!][^\s,\[\]{}]*").match(self.text, node.body)
            if found is None:  # a tag without a text: `!!map` that the parser has added itself
                return
            node.stem = node.body = found.end()
            following = skip(self.text, node.body)
            if node.kind != "scalar" or following < node.end:
                node.body = following

    def scalar(self, node: Node, event: Any) -> None:
        """Read a scalar."""
        node.style = event.style if event.style in {"'", '"', "|", ">"} else ""
        if event.implicit[0]:
            node.value = meaning(event.value)
        else:
            node.value = event.value if event.tag in {None, "!"} else tagged(event.tag, event.value)
        if node.style in {"|", ">"}:
            node.end = block_end(self.text, node.body, node.end)

    def sequence(self, node: Node) -> None:
        """Read the items of a list."""
        position = node.body + (1 if node.flow else 0)
        node.value = []
        while type(event := self.read()) is not SequenceEndEvent:
            item = self.node(event)
            start = item.start if node.flow else skip(self.text, position)
            entry = Entry(start, start if node.flow else start + 1, item)
            node.entries.append(entry)
            node.value.append(item.value)
            position = entry.end
        node.end = event.end_mark.index if node.flow else position

    def mapping(self, node: Node) -> None:
        """Read the entries of a map."""
        position = node.body + (1 if node.flow and not node.bare else 0)
        while type(event := self.read()) is not MappingEndEvent:
            merge = type(event) is ScalarEvent and event.value == "<<" and event.implicit[0]
            key = self.node(event)
            value = self.node(self.read())
            start = skip(self.text, position)
            if node.flow and self.text[start : start + 1] == ",":
                start = skip(self.text, start + 1)
            colon = skip(self.text, key.end)
            after = colon + 1 if self.text[colon : colon + 1] == ":" else -1
            if value.kind == "scalar" and value.start == value.end:
                value.start = value.stem = value.body = value.end = key.end if after < 0 else after
            entry = Entry(start, after, value, key)
            entry.merge = merge and not key.anchor
            node.entries.append(entry)
            position = entry.end
        node.value = _entries(node)
        node.end = event.end_mark.index if node.flow and not node.bare else position


def _entries(node: Node) -> dict[str, object]:
    """Give a map's value: its own keys win over merged ones, earlier merged maps over later ones."""
    value: dict[str, object] = {entry.name: entry.node.value for entry in node.entries if not entry.merge}
    for entry in node.entries:
        if entry.merge:
            for one in entry.node.value if isinstance(entry.node.value, list) else [entry.node.value]:
                for key, item in one.items():
                    value.setdefault(key, item)
    return value


def block_end(text: str, start: int, end: int) -> int:
    """Give where a block scalar's last line ends; the empty lines that follow it count where the header says ``+``."""
    lines = BREAK.split(text[start:end])
    header = lines[0].split("#", 1)[0]
    if "+" in header:
        broken = list(BREAK.finditer(text, start, end))
        return broken[-1].start() if broken and broken[-1].end() == end else end
    margin = next((len(line) - len(line.lstrip(" ")) for line in lines[1:] if line.strip(" ")), 0)
    stops = [*(found.start() for found in BREAK.finditer(text, start, end)), end]
    while len(lines) > 1 and not lines[-1].strip(" ") and (len(lines[-1]) <= margin or not margin):
        lines.pop()
        stops.pop()
    return stops[len(lines) - 1]
