"""Environments by their labels, in kubectl's language: ``region in (eu, us), tier != test, !legacy``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, NoReturn

from generator import yaml
from generator.errors import InputError, Problem
from generator.selection.merged import merged_value
from generator.workspace import Workspace

_TOKEN = re.compile(r"\s*(==|!=|[=!,()]|[^\s=!,()]+)")
_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?"
_KEY = re.compile(rf"(?:[a-z0-9](?:[a-z0-9.-]{{0,251}}[a-z0-9])?/)?{_NAME}")
_VALUE = re.compile(_NAME)
_EQUALITY = ("=", "==", "!=")
_SETS = ("in", "notin")


class Requirement(NamedTuple):
    """A part of a selector: a key, the values it may have (None: any), and whether that is what must not be."""

    key: str
    values: frozenset[str] | None
    negated: bool

    def holds(self, labels: Mapping[str, str]) -> bool:
        """Say whether labels meet this; a label that isn't there has none of the values."""
        met = self.key in labels and (self.values is None or labels[self.key] in self.values)
        return met is not self.negated


def parse_selector(text: str) -> list[Requirement]:
    """Read a selector; an empty one requires nothing, as with kubectl.

    Raises:
        InputError: it isn't written as kubectl has it.
    """
    return _Parser(text).selector() if text.strip() else []


def with_labels(workspace: Workspace, names: Sequence[str], wanted: Sequence[Requirement]) -> tuple[str, ...]:
    """Give those of the environments whose merged values have labels that meet all requirements.

    Raises:
        InputError: layers that can't be read, those of all environments together.
    """
    found: list[str] = []
    problems: dict[Problem, None] = {}
    for name in names:
        try:
            labels = _labels(workspace, name)
        except InputError as error:
            problems.update(dict.fromkeys(error.problems))
            continue
        if all(requirement.holds(labels) for requirement in wanted):
            found.append(name)
    if problems:
        raise InputError(problems)
    return tuple(found)


def _labels(workspace: Workspace, name: str) -> dict[str, str]:
    merged = merged_value(workspace, name, "labels")
    return dict(_texts(merged)) if isinstance(merged, dict) else {}


def _texts(labels: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Take numbers and booleans as they are written: the schema has yet to refuse them."""
    for key, value in labels.items():
        if isinstance(value, str):
            yield key, value
        elif isinstance(value, bool | int | float):
            yield key, yaml.scalar(value)


class _Parser:
    """Reads one token after another; an empty one is the end."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = [match[1] for match in _TOKEN.finditer(text.strip())]
        self.read = 0

    def next(self) -> str:
        return self.tokens[self.read] if self.read < len(self.tokens) else ""

    def take(self) -> str:
        self.read += 1
        return self.tokens[self.read - 1]

    def selector(self) -> list[Requirement]:
        found = [self.requirement()]
        while self.next() == ",":
            self.take()
            found.append(self.requirement())
        if self.next():
            self.refuse("`,` or the end")
        return found

    def requirement(self) -> Requirement:
        if self.next() == "!":
            self.take()
            return Requirement(self.key(), None, negated=True)
        key = self.key()
        if self.next() in _EQUALITY:
            negated = self.take() == "!="
            return Requirement(key, frozenset([self.value()]), negated)
        if self.next() in _SETS:
            negated = self.take() == "notin"
            return Requirement(key, frozenset(self.set()), negated)
        if self.next() not in {"", ","}:
            self.refuse("`=`, `==`, `!=`, `in (…)`, `notin (…)`, `,` or the end")
        return Requirement(key, None, negated=False)

    def key(self) -> str:
        if not _KEY.fullmatch(self.next()):
            self.refuse("a label's key, such as `region` or `example.com/region`")
        return self.take()

    def set(self) -> Iterable[str]:
        if self.next() != "(":
            self.refuse("`(` and the values: `region in (eu, us)`")
        self.take()
        yield self.value()
        while self.next() == ",":
            self.take()
            yield self.value()
        if self.next() != ")":
            self.refuse("`,` or `)`")
        self.take()

    def value(self) -> str:
        """Read a value, which may be empty."""
        if self.next() in {"", ",", ")"}:
            return ""
        if not _VALUE.fullmatch(self.next()):
            self.refuse("a label's value: at most 63 letters, digits, `-`, `_` and `.`, the first and last no sign")
        return self.take()

    def refuse(self, expected: str) -> NoReturn:
        before = " ".join(self.tokens[: self.read])
        found = f"`{self.next()}`" if self.next() else "the end"
        place = f" after `{before}`" if before else " at the beginning"
        raise InputError(
            Problem(f"the selector '{self.text}' can't be read", found=f"{found}{place}", expected=expected)
        )
