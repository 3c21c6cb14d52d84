"""The table of known fields, read from the texts beside this file when first asked for.

A text holds types. A type is its name on a line, and below it, indented, a kind of value and the fields that hold one:

    TLSConfig
      SecretKeySelector keySecret       a map with the fields of that type
      []string names                    a list
      {}string labels                   a map with free keys
      boolean insecureSkipVerify        string, boolean, integer, number
      scalar port                       any of these four
      any claims                        is not judged
      + Proxy                           has all fields of another type too

A kind that users write has the type ``group/Kind``, ``core/Kind`` for those without a group.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache

Fields = Mapping[str, str]

PROMETHEUS_YML = "prometheus"

# Deployments and the like were kinds of this group until Kubernetes 1.16; their fields were nearly those of today.
_FORMER = {"extensions": "apps"}
_TEXTS = {"monitoring.coreos.com": "operator", "networking.istio.io": "istio", "security.istio.io": "istio"}


class Table:
    """The types of one text, with those of Kubernetes' own kinds where it borrows them."""

    __slots__ = ("name", "types")

    def __init__(self, name: str, types: Mapping[str, dict[str, str]]) -> None:
        self.name = name
        self.types = types

    def fields(self, value: str) -> Fields | None:
        """Give the fields of a type, None where the type names no map with known fields."""
        return self.types.get(value)

    def below(self, value: str) -> tuple[str, Fields | None]:
        """Give how a field leads to a map with known fields: ``""``, ``[]`` or ``{}``, and these fields."""
        if value.startswith(("[]", "{}")):
            return value[:2], self.types.get(value[2:])
        return "", self.types.get(value)


def table_for(group: str, kind: str) -> tuple[Table, str] | None:
    """Find the table that knows a kind, and the kind's type in it; None where no table does."""
    group = _FORMER.get(group, group)
    table = table_of(_TEXTS.get(group, "core"))
    name = f"{group or 'core'}/{kind}"
    return (table, name) if name in table.types else None


@cache
def kinds() -> Mapping[str, str]:
    """Give the group of every known kind."""
    names = [name for text in ("core", "operator", "istio") for name in table_of(text).types if "/" in name]
    return {kind: "" if group == "core" else group for group, _, kind in (name.partition("/") for name in names)}


@cache
def table_of(name: str) -> Table:
    """Read a table: ``core``, ``operator``, ``istio`` or ``prometheus``."""
    path = os.path.join(os.path.dirname(__file__), f"{name}.txt")
    with open(path, encoding="utf-8") as file:
        types = parse(file.read())
    return Table(name, types if name in {"core", PROMETHEUS_YML} else {**table_of("core").types, **types})


def parse(text: str) -> dict[str, dict[str, str]]:
    """Read the text of a table."""
    types: dict[str, dict[str, str]] = {}
    included: dict[str, list[str]] = {}
    name = ""
    for line in text.splitlines():
        if not line or line[0] == "#":
            continue
        if line[0] != " ":
            name = line
            types[name] = {}
            continue
        kind, *names = line.split()
        if kind == "+":
            included.setdefault(name, []).extend(names)
        else:
            types[name].update(dict.fromkeys(names, kind))
    for name in list(included):
        _include(types, included, name)
    return types


def _include(types: dict[str, dict[str, str]], included: dict[str, list[str]], name: str) -> None:
    """Give a type the fields of those that it includes, which get theirs first."""
    for other in included.pop(name, ()):
        _include(types, included, other)
        types[name].update(types[other])
