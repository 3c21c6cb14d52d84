"""What the walk over a tree finds, as values, and the words for what stands in a tree."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from generator.errors import ValuePath


class Unknown(NamedTuple):
    """One field that loses what it says.

    ``path`` leads to the field, which it names last; ``field`` is its name as written. Of the kind ``unknown`` is a
    field that does not exist where it stands: ``nearest`` is the one that is meant, ``""`` where there is none.
    Of the kind ``type`` is one that holds the wrong sort of value. ``found`` and ``expected`` are the words for users.
    """

    path: ValuePath
    field: str
    nearest: str
    kind: Literal["unknown", "type"]
    found: str
    expected: str


def described(value: Any) -> str:
    """Give the words for a value: ``a map``, ``a list``, ``the string "true"``, ``the number 3``."""
    if isinstance(value, dict):
        return "a map"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, bool):
        return f"the boolean {str(value).lower()}"
    if isinstance(value, str):
        return f'the string "{value if len(value) <= 40 else value[:39] + "…"}"'
    return f"the number {value}"
