"""Where each key and list item of a YAML text stands. Only errors and ``--origin`` pay for this second pass."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from _ruamel_yaml import (  # type: ignore[import-not-found]  # a C extension without stubs
    AliasEvent,
    CParser,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
)

from generator.errors import Location, ValuePath
from generator.yaml.scalars import meaning, tagged


class _Place(NamedTuple):
    """Where a value stands (its key, or itself in a list), and the same for what it holds."""

    line: int
    column: int
    inner: dict[str | int, _Place]
    #: The event of a value that is written as a literal block.
    literal: Any = None


class Places(NamedTuple):
    """Where the parts of one document stand.

    ``keys`` locates every key and list item; the root is ``()``. ``blocks`` tells of each string that is written as a
    literal block (``|``) the line of the file on which its first line stands, counted from 1, and how many columns
    that block is indented.
    """

    keys: dict[ValuePath, Location]
    blocks: dict[ValuePath, tuple[int, int]]


def key_locations(text: str, source: str) -> dict[ValuePath, Location]:
    """Give the position of every key and list item in a text that ``load`` accepts; the root is ``()``.

    A key that a merge key brings is located where it is written.
    """
    reader = _PlaceReader(CParser(text))
    while (event := reader.next()) is not None:
        if type(event) is DocumentStartEvent:
            locations: dict[ValuePath, Location] = {}
            for path, place in _flat(reader.place(reader.next()), ()):
                locations[path] = Location(source, place.line + 1, place.column + 1)
            return locations
    return {}


def document_locations(text: str, source: str) -> list[Places]:
    """Give the places of each document that ``load_documents`` gives for a text, in the same order."""
    reader = _PlaceReader(CParser(text))
    lines = text.split("\n")
    documents: list[Places] = []
    while (event := reader.next()) is not None:
        if type(event) is not DocumentStartEvent:
            continue
        reader.anchors = {}
        root = reader.next()
        places = Places({}, {})
        for path, place in _flat(reader.place(root), ()):
            places.keys[path] = Location(source, place.line + 1, place.column + 1)
            if place.literal is not None and (indentation := _indentation(place.literal, lines)) is not None:
                places.blocks[path] = (place.literal.start_mark.line + 2, indentation)
        if not _is_null(root):
            documents.append(places)
    return documents


class _PlaceReader:
    """Builds the places of one document from the parser's events."""

    def __init__(self, parser: Any) -> None:
        self.next = parser.get_event
        self.anchors: dict[str, dict[str | int, _Place]] = {}

    def place(self, event: Any) -> _Place:
        """Read one value."""
        mark = event.start_mark
        return _Place(mark.line, mark.column, self.inner(event), _literal(event))

    def inner(self, event: Any) -> dict[str | int, _Place]:
        """Read what a value holds."""
        kind = type(event)
        if kind is AliasEvent:
            return self.anchors.get(event.anchor, {})
        if kind is ScalarEvent:
            inner: dict[str | int, _Place] = {}
        else:
            inner = self.mapping() if kind is MappingStartEvent else self.sequence()
        if event.anchor:
            self.anchors[event.anchor] = inner
        return inner

    def sequence(self) -> dict[str | int, _Place]:
        """Read the items of a list."""
        items: dict[str | int, _Place] = {}
        while type(event := self.next()) is not SequenceEndEvent:
            items[len(items)] = self.place(event)
        return items

    def mapping(self) -> dict[str | int, _Place]:
        """Read the entries of a map."""
        entries: dict[str | int, _Place] = {}
        merged: list[_Place] = []
        while type(event := self.next()) is not MappingEndEvent:
            mark = event.start_mark
            if type(event) is not ScalarEvent:
                self.inner(event)
                self.inner(self.next())
            elif event.value == "<<" and event.implicit[0]:
                value = self.next()
                inner = self.inner(value)
                merged += inner.values() if inner and 0 in inner else [_Place(0, 0, inner)]
            else:
                if event.anchor:
                    self.anchors[event.anchor] = {}
                value = self.next()
                entries[event.value] = _Place(mark.line, mark.column, self.inner(value), _literal(value))
        for one in merged:
            for key, place in one.inner.items():
                entries.setdefault(key, place)
        return entries


def _flat(place: _Place, path: ValuePath) -> Iterator[tuple[ValuePath, _Place]]:
    """Give a place and all that it holds, each with its path."""
    pending = [(path, place)]
    while pending:
        path, place = pending.pop()
        yield path, place
        pending += [((*path, part), inner) for part, inner in place.inner.items()]


def _literal(event: Any) -> Any:
    return event if type(event) is ScalarEvent and event.style == "|" else None


def _indentation(literal: Any, lines: list[str]) -> int | None:
    """How far in a literal block stands: what its first written line has before its text.

    None where that can't be told: the block is empty, or has line ends that only YAML 1.1 counts.
    """
    content = literal.value.lstrip("\n")
    first = content.partition("\n")[0]
    number = literal.start_mark.line + 1 + len(literal.value) - len(content)
    written = lines[number].removesuffix("\r") if number < len(lines) else ""
    margin = written[: len(written) - len(first)]
    return len(margin) if first and written.endswith(first) and not margin.strip(" ") else None


def _is_null(event: Any) -> bool:
    """Whether a document holds nothing but a null, in any spelling."""
    if type(event) is not ScalarEvent:
        return False
    if event.implicit[0]:
        return meaning(event.value) is None
    return event.tag not in {None, "!"} and tagged(event.tag, event.value) is None
