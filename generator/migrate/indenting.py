"""Keys that stand beside the empty one above them, and go into it: their lines are indented, comments and all."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from generator.errors import InputError, ValuePath
from generator.intake.document import value_at
from generator.migrate.moving import Move
from generator.monitoring.edits import Edit, edited_tree
from generator.yaml import document_locations
from generator.yaml.editing.nodes import document as nodes_of
from generator.yaml.editing.print import layout
from generator.yaml.lenient import load_text


def into_empty(edits: Sequence[Edit], found: Sequence[Move]) -> list[Move]:
    """Give the moves of a fix that take keys of a map into an empty one among them, if that is all it does there."""
    inward = [
        move
        for move in found
        if move.setting.path[:-2] == move.removing.path[:-1] and move.setting.path[:-1] == found[0].setting.path[:-1]
    ]
    whole = len(inward) == len(found) and len(edits) == 2 * len(found) and not any(edit.comment for edit in edits)
    return inward if whole and found and not found[0].setting.document.get(*found[0].setting.path[:-1]) else []


def indented(text: str, source: str, document: int, path: ValuePath, keys: Collection[str]) -> str | None:
    """Give a text in which keys that follow an empty one, at ``path``, stand in it.

    None where they don't all follow it, each on lines of its own, or where something else would change.
    """
    before, readable = load_text(text, source)
    around = value_at(before[document], path[:-1])
    places = document_locations(readable, source)[document].keys
    if readable is not text or not isinstance(around, dict) or path not in places:
        return None
    order = list(around)
    start = order.index(path[-1]) + 1
    moved = order[start : start + len(keys)]
    if set(moved) != set(keys) or any((*path[:-1], key) not in places for key in moved):
        return None
    head, first, last = (places[(*path[:-1], key)] for key in (path[-1], moved[0], moved[-1]))
    lines, column = text.split("\n"), head.column - 1
    end = last.line
    while end < len(lines) and lines[end].lstrip(" ").startswith("#") and _margin(lines[end]) > column:
        end += 1
    nodes = nodes_of(text, document)
    step = " " * layout(nodes, nodes.lines.starts[head.line - 1] + column).step
    for number in range(head.line, end):
        if lines[number].strip() and (number >= first.line - 1 or _margin(lines[number]) <= column):
            lines[number] = step + lines[number]
    new = "\n".join(lines)
    try:
        values, _ = load_text(new, source)
    except InputError:
        return None
    inside = {key: around[key] for key in moved}
    kept = {key: inside if key == path[-1] else value for key, value in around.items() if key not in inside}
    before[document] = edited_tree(before[document], path[:-1], kept)
    return new if values == before else None


def _margin(line: str) -> int:
    return len(line) - len(line.lstrip(" "))
