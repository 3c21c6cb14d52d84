"""Values that a fix moves: under another name in the same map, or to another map."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from generator.errors import InputError, ValuePath
from generator.monitoring.edits import REMOVE, Edit
from generator.yaml import document_locations
from generator.yaml.lenient import load_text


class Move(NamedTuple):
    """Two edits of which one takes out what the other one sets."""

    setting: Edit
    removing: Edit

    @property
    def is_renaming(self) -> bool:
        """Whether the value stays in its map."""
        return self.setting.path[:-1] == self.removing.path[:-1]


def moves(edits: Sequence[Edit]) -> list[Move]:
    """Find the moves among the edits of a fix: from one key to another one, in one document."""
    found: list[Move] = []
    for removing in edits:
        if removing.value is not REMOVE or not removing.path or not isinstance(removing.path[-1], str):
            continue
        value = removing.document.get(*removing.path)
        for setting in edits:
            if value is None or setting.document is not removing.document or setting.value != value or not setting.path:
                continue
            move = Move(setting, removing)
            free = isinstance(setting.path[-1], str) and setting.document.get(*setting.path) is None
            if free and (move.is_renaming or setting.path[-1] == removing.path[-1]):
                found.append(move)
                break
    return found


def renamed(text: str, source: str, document: int, path: ValuePath, name: str) -> str | None:
    """Give a text in which a key has another name, in its old place; None where it isn't spelt plainly there."""
    before, readable = load_text(text, source)
    place = document_locations(readable, source)[document].keys.get(path)
    if place is None or not re.fullmatch(r"[A-Za-z][\w./-]*", name):
        return None
    lines = text.split("\n")
    line, column, old = lines[place.line - 1], place.column - 1, str(path[-1])
    quote = line[column : column + 1] if line[column : column + 1] in {"'", '"'} else ""
    spelled = f"{quote}{old}{quote}"
    if not line.startswith(spelled, column):
        return None
    lines[place.line - 1] = f"{line[:column]}{quote}{name}{quote}{line[column + len(spelled) :]}"
    new = "\n".join(lines)
    try:
        values, _ = load_text(new, source)
    except InputError:
        return None
    before[document] = _renamed_in(before[document], path, name)
    return new if values == before else None


def _renamed_in(tree: object, path: ValuePath, name: str) -> object:
    part, rest = path[0], path[1:]
    if isinstance(tree, dict):
        if not rest:
            return {name if key == part else key: value for key, value in tree.items()}
        return {key: _renamed_in(value, rest, name) if key == part else value for key, value in tree.items()}
    if isinstance(tree, list) and rest:
        return [_renamed_in(value, rest, name) if index == part else value for index, value in enumerate(tree)]
    return tree
