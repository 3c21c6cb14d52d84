"""Which sorts of values are refused where another one is wanted.

The API server decodes JSON, which turns no number into a string and no string into a number; Prometheus decodes YAML,
which does the former but not the latter. A string that is neither a number nor a boolean in quotes is left alone: it
may be a placeholder that something fills in later.
"""

from __future__ import annotations

import re
from typing import Any

from generator.fields.found import described

_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")
_BOOLEANS = frozenset(("true", "false", "yes", "no", "on", "off"))


def misfit(value: Any, kind: str) -> tuple[str, str] | None:
    """Tell in which words a value isn't of a kind, as found and expected; None where it is, or may be."""
    if value is None or kind == "any":
        return None
    if kind.startswith("[]"):
        return None if isinstance(value, list) else (described(value), "a list")
    if kind in _SCALARS:
        expected = _SCALARS[kind](value)
        return (described(value), expected) if expected else None
    return None if isinstance(value, dict) else (described(value), "a map")


def _string(value: Any) -> str:
    if isinstance(value, str):
        return ""
    return "a string" if isinstance(value, (dict, list)) else "a string: put it in quotes"


def _boolean(value: Any) -> str:
    if isinstance(value, bool):
        return ""
    if isinstance(value, str):
        return "a boolean: without quotes" if value.lower() in _BOOLEANS else ""
    return "a boolean"


def _number(value: Any) -> str:
    if isinstance(value, str):
        return "a number: without quotes" if _NUMBER.fullmatch(value) else ""
    return "" if isinstance(value, (int, float)) and not isinstance(value, bool) else "a number"


def _scalar(value: Any) -> str:
    return "a single value" if isinstance(value, (dict, list)) else ""


_SCALARS = {"string": _string, "boolean": _boolean, "integer": _number, "number": _number, "scalar": _scalar}
