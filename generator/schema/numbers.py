"""Numbers that JSON Schema lets through, or can't say: 2.0 for an integer, infinity, more than 64 bits."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite
from typing import Any

from generator.errors import Problem, ValuePath, dotted
from generator.schema.document import Document
from generator.values import Values


def unfit(values: Values, document: Document) -> list[Problem]:
    """Find numbers that can't be used: they would reach a manifest as something else, or not at all."""
    return [
        problem
        for path, number in _unusual(values.tree, ())
        if (problem := _problem(path, number, values, document)) is not None
    ]


def _unusual(value: Any, path: ValuePath) -> Iterator[tuple[ValuePath, int | float]]:
    kind = type(value)
    if kind is dict or kind is list:
        for part, item in value.items() if kind is dict else enumerate(value):
            inner = type(item)
            if inner is str or inner is bool or item is None:
                continue
            yield from _unusual(item, (*path, part))
    elif kind is float or (kind is int and not -(1 << 63) <= value < (1 << 63)):
        yield path, value


def _problem(path: ValuePath, number: float, values: Values, document: Document) -> Problem | None:
    place, name = values.location(path), dotted(path)
    if isinstance(number, int):
        return Problem("out of range", place, name, found=f"the integer {number}", expected="at most 64 bits")
    if not isfinite(number):
        return Problem("not a number that JSON can hold", place, name, found=f"the float {number}")
    wanted = (document.at(path) or {}).get("type")
    if not number.is_integer() or wanted is None or "number" in wanted or "integer" not in wanted:
        return None
    found = f"the float {number}"
    return Problem("wrong type", place, name, found=found, expected="an integer", hint=f"write {int(number)}")
