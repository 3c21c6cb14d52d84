"""A string that isn't known yet: templates may print it, hand it on, and ask whether it is empty, and nothing else.

What is rendered with placeholders holds for every environment that has other strings in their place: whatever would
depend on the string itself (a comparison, a look into it, a text made of it) raises TypeError.
"""

from __future__ import annotations

import re
from typing import Any, NoReturn

from generator.yaml import scalar

#: What every placeholder's text begins with. No template and no values file may hold it where there are placeholders.
MARK = "sidecert-placeholder-"
_TEXT = re.compile(rf"{MARK}([0-9]{{4}})x")
# Of such a string, YAML, JSON and plain text all show the same characters, wherever it stands. The first letter rules
# out numbers and dates; words such as `no` are told by the printer.
_UNIFORM = re.compile(r"[A-Za-z][A-Za-z0-9_./-]{0,98}[A-Za-z0-9]", re.ASCII)


def is_uniform(text: str) -> bool:
    """Say whether every form shows a string as it is, so that a placeholder can stand for it."""
    return _UNIFORM.fullmatch(text) is not None and scalar(text) == text and MARK not in text


class Placeholder:
    """Stands for a string for which `is_uniform` holds. It is no string itself, so everything refuses it by default."""

    __slots__ = ("text",)
    __hash__ = None  # type: ignore[assignment]  # no key of a map

    def __init__(self, number: int) -> None:
        """Take its number, of four digits at most."""
        self.text = f"{MARK}{number:04}x"

    def __bool__(self) -> bool:
        """It is not empty."""
        return True

    def _refuse(self, *_: object) -> NoReturn:
        raise TypeError("this string isn't known yet")

    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _refuse
    __str__ = __repr__ = __format__ = __len__ = __iter__ = __contains__ = __getitem__ = _refuse
    __add__ = __radd__ = __mul__ = __rmul__ = __mod__ = __rmod__ = _refuse


def printable(value: Any) -> Any:
    """Give a tree with the texts of placeholders in their place."""
    kind = type(value)
    if kind is Placeholder:
        return value.text
    if kind is dict:
        return {key: printable(item) for key, item in value.items()}
    if kind is list or kind is tuple:
        return [printable(item) for item in value]
    return value


def parted(text: str) -> tuple[str | int, ...]:
    """Part a text at its placeholders: texts and their numbers in turn, a text first and last."""
    return tuple(int(part) if place % 2 else part for place, part in enumerate(_TEXT.split(text)))
