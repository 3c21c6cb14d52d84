"""Values and choices in the words shown to the user."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

_TYPES = {
    "string": "a string",
    "integer": "an integer",
    "number": "a number",
    "boolean": "a boolean",
    "object": "a map",
    "array": "a list",
    "null": "null",
}
_KINDS = {str: "the string", bool: "the boolean", int: "the integer", float: "the float"}
_LONGEST = 60

#: More choices than this are not listed.
MOST_LISTED = 9


def found(value: Any) -> str:
    """Describe a value that was found: ``the string "3"``, ``a list``."""
    if value is None:
        return "null"
    if isinstance(value, dict):
        return "a map" if value else "an empty map"
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    text = json.dumps(value, ensure_ascii=False)
    return f"{_KINDS[type(value)]} {text if len(text) <= _LONGEST else text[:_LONGEST] + '…'}"


def types(names: Iterable[str]) -> str:
    """Name JSON Schema's types: ``an integer``, ``a string or null``."""
    order = list(_TYPES)
    return either(_TYPES[name] for name in sorted(names, key=order.index))


def either(words: Iterable[str]) -> str:
    """Join words: ``a, b or c``; a word given twice is said once."""
    distinct = list(dict.fromkeys(words))
    return " or ".join(filter(None, (", ".join(distinct[:-1]), *distinct[-1:])))


def spelled(value: Any) -> str:
    """Spell a value that could be written: as it is, without quotes where it is a string."""
    return f"`{value}`" if isinstance(value, str) else f"`{json.dumps(value, ensure_ascii=False)}`"


def nearest(word: str, choices: Sequence[str], cutoff: float = 0.6) -> str | None:
    """Give the choice that looks most like ``word``, letter case aside."""
    from difflib import get_close_matches  # 3 ms, and only needed here

    by_lower = {choice.lower(): choice for choice in reversed(choices)}
    matches = get_close_matches(word.lower(), by_lower, n=1, cutoff=cutoff)
    return by_lower[matches[0]] if matches else None


def count(number: int, noun: str) -> str:
    """Count: ``1 item``, ``2 items``, ``3 keys``, ``4 entries``."""
    plural = noun[:-1] + "ies" if noun.endswith("y") and noun[-2] not in "aeiou" else noun + "s"
    return f"{number} {noun if number == 1 else plural}"
