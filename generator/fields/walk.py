"""The walk over a tree, beside the table."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from generator.errors import ValuePath
from generator.fields.found import Unknown
from generator.fields.slips import Level, meant
from generator.fields.table import Fields, Table
from generator.fields.types import misfit


class Walk:
    """Goes through a tree and collects what is ``found``."""

    __slots__ = ("found", "table")

    def __init__(self, table: Table) -> None:
        self.table = table
        self.found: list[Unknown] = []

    def map(self, level: Level, passed: Collection[str] = ()) -> None:
        """Look at every field of a map but those that are to be passed over."""
        for name, value in level.map.items():
            if name in passed or not isinstance(name, str):
                continue
            kind = level.fields.get(name)
            path = (*level.path, name)
            if kind is not None:
                self.value(value, kind, path, level.fields)
            elif (right := meant(name, level, self.table)) is not None:
                self.found.append(Unknown(path, name, right.field, "unknown", right.found or name, right.expected))
                if right.field in level.fields:  # misspelt: what it holds may be wrong too
                    self.value(value, level.fields[right.field], path, level.fields)

    def value(self, value: Any, kind: str, path: ValuePath, above: Fields) -> None:
        """Look at one value, which is to be of a kind."""
        if (words := misfit(value, kind)) is not None:
            name = next(step for step in reversed(path) if isinstance(step, str))
            self.found.append(Unknown(path, name, name, "type", *words))
        elif isinstance(value, list):
            if kind.startswith("[]"):
                for number, item in enumerate(value):
                    self.value(item, kind[2:], (*path, number), above)
        elif isinstance(value, dict):
            if kind.startswith("{}"):
                for key, item in value.items():
                    self.value(item, kind[2:], (*path, key), {})
            elif (fields := self.table.fields(kind)) is not None:
                self.map(Level(value, fields, above, path))


def walked(tree: Any, table: Table, kind: str, passed: Collection[str] = ()) -> list[Unknown]:
    """Give what is found in a tree of a type; ``passed`` are fields of its own that aren't looked at."""
    fields = table.fields(kind)
    if fields is None or not isinstance(tree, Mapping):
        return []
    walk = Walk(table)
    walk.map(Level(tree, fields, {}, ()), passed)
    return walk.found
