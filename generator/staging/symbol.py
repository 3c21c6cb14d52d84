"""Symbols: what stands for a value while a Helm template is made, and how it is spelt in Go.

A symbol refuses by default. What may be done with one is what `generator.staging.transform` does.
"""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple, NoReturn

from generator.functions import Text
from generator.staging.types import Type, constant_type

#: Stands for the chart's root in an expression until it is known whether ``.`` or ``$`` reaches it.
ROOT = "\ue002"


class StagingError(Exception):
    """Something that a Helm template can't say: what it is, and what to write instead."""

    def __init__(self, message: str, hint: str = "") -> None:
        """Take the message and the hint."""
        super().__init__(message)
        self.hint = hint


class Symbol:
    """An expression of Go templates, its type, and how the Jinja template calls it.

    ``truths`` are the expressions that are not empty wherever this one holds. ``parts`` are the template and the
    arguments of what ``format`` made.
    """

    __slots__ = ("go", "name", "parts", "truths", "type")

    def __init__(
        self,
        go: str,
        found: Type,
        name: str = "",
        truths: frozenset[str] | None = None,
        parts: tuple[Any, ...] = (),
    ) -> None:
        """Take what makes the symbol; ``truths`` defaults to the expression itself."""
        self.go = go
        self.parts = parts
        self.type = found
        self.name = name or go.replace(ROOT, "")
        self.truths = frozenset({go}) if truths is None else truths

    def _refuse(self, *_: Any) -> NoReturn:
        raise StagingError(f"`{self.name}` has no value yet when the chart is compiled", "see docs/templates.md")

    __bool__ = __str__ = __iter__ = __len__ = __contains__ = __index__ = __float__ = _refuse
    __add__ = __radd__ = __lt__ = __le__ = __gt__ = __ge__ = _refuse

    def __repr__(self) -> str:
        return f"Symbol({self.go!r})"


class Items(NamedTuple):
    """What ``map.items()`` gives: only a loop can take it."""

    mapping: Symbol


class Block(NamedTuple):
    """What ``value | yaml`` gives: it can only be printed."""

    value: Any


class Choice(NamedTuple):
    """What ``a if condition else b`` gives: it can only be printed."""

    condition: Symbol
    value: Any
    other: Any


class Failure(NamedTuple):
    """What ``fail(path, message)`` gives: it can only be printed. ``message`` holds the path too."""

    message: Any


def holds_symbol(value: Any) -> bool:
    """Say whether a value isn't known yet, or holds something that isn't."""
    kind = type(value)
    if kind is Symbol:
        return True
    if kind is dict:
        return any(holds_symbol(key) or holds_symbol(item) for key, item in value.items())
    return (kind is list or kind is tuple) and any(map(holds_symbol, value))


def type_of(value: Any) -> Type:
    """Give the type of a symbol or a constant."""
    return value.type if type(value) is Symbol else constant_type(value)


def expression(value: Any) -> str:
    """Spell a value in Go: a symbol's expression, a literal, a ``list`` or ``dict``."""
    kind = type(value)
    if kind is Symbol:
        return str(value.go)
    if kind is str:
        return quoted(value)
    if value is None:
        return "nil"
    if kind is bool:
        return "true" if value else "false"
    if kind is int or kind is float:
        return json.dumps(value)
    if kind is list or kind is tuple:
        return " ".join(["list", *map(argument, value)])
    if kind is dict:
        return " ".join(["dict", *(argument(part) for pair in value.items() for part in pair)])
    if kind is Text:
        raise StagingError("printed text is no value", "what a macro prints can only be printed")
    raise StagingError(f"a {kind.__name__} can't be spelt in a Helm template")


def argument(value: Any) -> str:
    """Spell a value as an argument of a Go function: in parentheses where it is a call itself."""
    spelt = expression(value)
    return spelt if _ATOM.fullmatch(spelt) else f"({spelt})"


def integer(value: Any) -> str:
    """Spell an integer as an argument: Helm reads the numbers of values files as floats."""
    if type(value) is Symbol and not value.go.startswith(("int64 ", "len ")):
        return f"(int64 {argument(value)})"
    return argument(value)


_ATOM = re.compile(r'"(?:[^"\\]|\\.)*"|`[^`]*`|\([^()]*\)(?:\.\w+)+|[^\s()"`]+')


def quoted(text: str) -> str:
    """Spell a string in Go: raw between backquotes where that spares escapes and the text allows it."""
    if ('"' in text or "\\" in text) and "`" not in text and text.isprintable():
        return f"`{text}`"
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(letter: str) -> str:
    if letter.isascii():
        return json.dumps(letter)[1:-1]
    if letter.isprintable():
        return letter
    return f"\\u{ord(letter):04x}" if ord(letter) <= 0xFFFF else f"\\U{ord(letter):08x}"
