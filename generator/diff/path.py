"""Where in a resource something changed: a path of steps, and how it is spelled.

A step is a key of a map (a string), the index of a list's item (an integer), an ``Item`` of a list whose items are
called something, or ``DOCUMENT``: from here on the path goes through the YAML document that the string so far is.
"""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple


class Item(NamedTuple):
    """A list's item, by the keys that tell it from the others: ``(("name", "prometheus"),)``."""

    keys: tuple[tuple[str, str | int], ...]

    def __str__(self) -> str:
        return ",".join(f"{key}={_value(value)}" for key, value in self.keys)


class Document(NamedTuple):
    """The step into a string that is a document itself."""

    form: str


DOCUMENT = Document("yaml")

Step = str | int | Item | Document
Path = tuple[Step, ...]

_PLAIN_KEY = re.compile(r"[A-Za-z_$][\w$-]*", re.ASCII)
_PLAIN_VALUE = re.compile(r"[\w./:@%+-]*[A-Za-z_/][\w./:@%+-]*", re.ASCII)


def spelled(path: Path) -> str:
    """Spell a path: ``data["prometheus.yml"].scrape_configs[job_name=istio-mtls].scheme``; empty for no step."""
    text = ""
    for step in path:
        if isinstance(step, str):
            plain = _PLAIN_KEY.fullmatch(step)
            text += f".{step}" if plain and text else step if plain else f"[{_quoted(step)}]"
        elif not isinstance(step, Document):
            text += f"[{step}]"
    return text


def as_data(path: Path) -> list[Any]:
    """Give a path for programs: strings, integers, ``{"item": {"name": "x"}}``, ``{"document": "yaml"}``."""
    data: list[Any] = []
    for step in path:
        if isinstance(step, Item):
            data.append({"item": dict(step.keys)})
        else:
            data.append({"document": step.form} if isinstance(step, Document) else step)
    return data


def _value(value: str | int) -> str:
    """Spell what an item is called; quoted where it could be taken for something else."""
    return value if isinstance(value, str) and _PLAIN_VALUE.fullmatch(value) else _quoted(value)


def _quoted(value: str | int) -> str:
    return json.dumps(value, ensure_ascii=not str(value).isprintable())
