"""Where each key and list item of a YAML text stands. Only errors and ``--origin`` pay for this second pass."""

from __future__ import annotations

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


class _Place(NamedTuple):
    """Where a value stands (its key, or itself in a list), and the same for what it holds."""

    line: int
    column: int
    inner: dict[str | int, _Place]


def key_locations(text: str, source: str) -> dict[ValuePath, Location]:
    """Give the position of every key and list item in a text that ``load`` accepts; the root is ``()``.

    A key that a merge key brings is located where it is written.
    """
    reader = _PlaceReader(CParser(text))
    while (event := reader.next()) is not None:
        if type(event) is DocumentStartEvent:
            locations: dict[ValuePath, Location] = {}
            _flatten(reader.place(reader.next()), (), source, locations)
            return locations
    return {}


class _PlaceReader:
    """Builds the places of one document from the parser's events."""

    def __init__(self, parser: Any) -> None:
        self.next = parser.get_event
        self.anchors: dict[str, dict[str | int, _Place]] = {}

    def place(self, event: Any) -> _Place:
        """Read one value."""
        mark = event.start_mark
        return _Place(mark.line, mark.column, self.inner(event))

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
                entries[event.value] = _Place(mark.line, mark.column, self.inner(self.next()))
        for one in merged:
            for key, place in one.inner.items():
                entries.setdefault(key, place)
        return entries


def _flatten(place: _Place, path: ValuePath, source: str, locations: dict[ValuePath, Location]) -> None:
    locations[path] = Location(source, place.line + 1, place.column + 1)
    for part, inner in place.inner.items():
        _flatten(inner, (*path, part), source, locations)
