"""Values that several places share by an anchor: how one place is changed and the others are not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from generator.yaml.editing.nodes import Document, Entry, Node, Step
from generator.yaml.editing.print import flow, layout
from generator.yaml.editing.splice import candidates
from generator.yaml.editing.spots import tail


class Move(NamedTuple):
    """An anchor that has to go where it is first used, together with a copy of its value."""

    holder: Node
    user: Node


def needed_move(document: Document, step: Step) -> Move | None:
    """Find an anchor that a step would change or cut out although an alias elsewhere needs it as it is."""
    start, end = _cut(step)
    touched = set(map(id, () if step.action == "unmerge" else step.chain))
    users: dict[int, list[Node]] = {}
    for node in document.nodes:
        if node.target is not None:
            users.setdefault(id(node.target), []).append(node)
    for node in document.nodes:
        if id(node) not in users or not (id(node) in touched or start <= node.start < end):
            continue
        if not all(start <= user.start < end for user in users[id(node)]):
            return Move(node, users[id(node)][0])
    return None


def _cut(step: Step) -> tuple[int, int]:
    """Give the part of the text that a step takes out."""
    if step.action == "insert":
        return 0, 0
    if step.action == "replace":
        return step.chain[-1].start, max(step.chain[-1].end, step.chain[-1].start + 1)
    entry = step.chain[-1].entries[step.indices[-1]]
    return entry.start, entry.end


def moved(document: Document, move: Move, source: str) -> Iterator[str]:
    """Give the texts in which an anchor has moved to its first alias; they hold the same values."""
    holder, name = move.holder, f"&{move.holder.anchor}"
    start = document.text.index(name, holder.start)
    end = start + len(name)
    while document.text[end : end + 1] == " ":
        end += 1
    if document.text[end : end + 1] in {"", "\r", "\n", ",", "]", "}"}:
        end = start + len(name)
        while document.text[start - 1 : start] == " ":
            start -= 1
    found = _chain_to(document.root, move.user, (document.root,), ())
    if found is None:  # an alias that is a key
        user = move.user
        texts = iter([f"{document.text[: user.start]}{name} {_scalar(document, holder)}{document.text[user.end :]}"])
    else:
        texts = candidates(document, Step("replace", *found, holder.value, anchor=name), source)
    for text in texts:
        yield text[:start] + text[end:]


def _scalar(document: Document, node: Node) -> str:
    return document.text[node.body : node.end]


def _chain_to(
    node: Node, wanted: Node, chain: tuple[Node, ...], indices: tuple[int, ...]
) -> tuple[tuple[Node, ...], tuple[int, ...]] | None:
    """Find the way from the root to a value."""
    if node is wanted:
        return chain, indices
    for index, entry in enumerate(node.entries):
        if entry.node.start <= wanted.start < max(entry.node.end, entry.node.start + 1):
            return _chain_to(entry.node, wanted, (*chain, entry.node), (*indices, index))
    return None


def unmerged(document: Document, step: Step, source: str) -> Iterator[str]:
    """Give the texts in which a merge key is replaced by what it brings."""
    text, node = document.text, step.chain[-1]
    entry = node.entries[step.indices[-1]]
    own = {one.name for one in node.entries if not one.merge}
    new = {key: value for key, value in brought(entry).items() if key not in own}
    if not new:
        yield from candidates(document, step._replace(action="remove"), source)
        return
    outer = next((one for one in step.chain if one.flow), None)
    if outer is not None:
        written = flow(document, outer, source).inline(new)[1:-1]
        yield text[: entry.start] + written + text[entry.end :]
        return
    column = document.lines.column(entry.start)
    lines = layout(document, entry.start).map_lines(new, column)
    stop = tail(document, entry.end, column)
    newline = document.lines.newline(entry.start)
    yield text[: entry.start] + newline.join(lines)[column:] + text[stop:]


def brought(entry: Entry) -> dict[str, object]:
    """Give what a merge key brings."""
    found: dict[str, object] = {}
    for one in entry.node.value if isinstance(entry.node.value, list) else [entry.node.value]:
        for key, item in one.items():
            found.setdefault(key, item)
    return found
