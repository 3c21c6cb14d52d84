"""Scalars that JSON Schema lets through, and that reach a manifest as something else, or not at all.

Helm reads values as JSON: an integer of more than 53 bits loses its last digits, and 2.0 becomes 2. Neither kustomize
nor Helm's ``toYaml`` carries the control characters U+007F to U+009F: a U+0085 comes out as a blank. A key ``<<`` comes
out without quotes, and is then read as a merge.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from math import isfinite
from typing import Any

from generator.errors import Problem, ValuePath, dotted
from generator.schema.document import Document
from generator.values import Values

_MOST = 1 << 53
_MERGE = "<<"
_LOST = "[\x7f-\x9f\ufffe\uffff]"


def unfit(values: Values, document: Document, fit: Any = None) -> list[Problem]:
    """Find scalars that can't be used, and keys that can't.

    ``fit`` is a tree that `is_fit`: what the values share with it, and that is most of them, isn't looked into.
    """
    return [
        problem
        for path, scalar in _unusual(values.tree, (), fit)
        if (problem := _problem(path, scalar, values, document)) is not None
    ]


def is_fit(tree: Any) -> bool:
    """Say whether there is nothing unusual in a tree."""
    return next(_unusual(tree, (), None), None) is None


def _unusual(value: Any, path: ValuePath, fit: Any) -> Iterator[tuple[ValuePath, Any]]:
    kind = type(value)
    if kind is dict:
        known = fit if type(fit) is dict else {}
        for key, item in value.items():
            counterpart = known.get(key)
            if item is counterpart and item is not None:
                continue
            if key == _MERGE or _is_lost(key):
                yield (*path, key), key
            if type(item) is not bool and item is not None:
                yield from _unusual(item, (*path, key), counterpart)
    elif kind is list:
        for number, item in enumerate(value):
            yield from _unusual(item, (*path, number), None)
    elif kind is str:
        if _is_lost(value):
            yield path, value
    elif (kind is float and _is_odd(value)) or (kind is int and not -_MOST <= value <= _MOST):
        yield path, value


def _is_lost(text: str) -> bool:
    return not text.isprintable() and re.search(_LOST, text) is not None


def _is_odd(number: float) -> bool:
    return not isfinite(number) or (number.is_integer() and abs(number) <= _MOST)


def _problem(path: ValuePath, scalar: Any, values: Values, document: Document) -> Problem | None:
    place, name = values.location(path), dotted(path)
    if scalar == _MERGE and path[-1] == _MERGE:
        return Problem("a key that YAML readers take for a merge", place, name, found="the key `<<`")
    if isinstance(scalar, str):
        letter = re.search(_LOST, scalar)
        found = f"the character U+{ord(letter[0]):04X}" if letter else ""
        return Problem("a character that no YAML tool carries unchanged", place, name, found=found)
    if isinstance(scalar, int):
        found, expected = f"the integer {scalar}", "at most 53 bits, which is what JSON numbers hold"
        return Problem("out of range", place, name, found=found, expected=expected)
    found = f"the float {scalar}"
    if not isfinite(scalar):
        return Problem("not a number that JSON can hold", place, name, found=found)
    hint = f"write {int(scalar)}"
    wanted = (document.at(path) or {}).get("type", "number")
    if "number" not in wanted:  # the schema itself lets 2.0 pass for an integer only
        is_integer = "integer" in wanted
        return Problem("wrong type", place, name, found=found, expected="an integer", hint=hint) if is_integer else None
    expected = "an integer, which is what Helm makes of it, or a string in quotes"
    return Problem("a float without a fraction", place, name, found=found, expected=expected, hint=hint)
