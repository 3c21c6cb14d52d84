"""A value that several places share by an anchor, changed once for all of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from generator.errors import InputError, ValuePath
from generator.yaml.editing.nodes import Entry, Node, document
from generator.yaml.editing.plan import next_step, result, same
from generator.yaml.editing.splice import candidates
from generator.yaml.lenient import load_text
from generator.yaml.reading import load_documents

# More places than this are not followed: aliases of aliases multiply.
_MOST_PLACES = 1_000


class Shared(NamedTuple):
    """Where a part of a document is written, and at which paths it is read, that one among them."""

    written: ValuePath
    read: tuple[ValuePath, ...]


def shared_part(text: str, source: str, index: int, path: ValuePath) -> Shared | None:
    """Say where a part that several places share by an anchor is written and read; None where one place has it.

    ``index`` is the document's number, as `load_text` counts. The part itself need not exist. What a merge key brings
    is read where it does, unless the map around it has a key of that name.
    """
    if not path or "&" not in text or load_text(text, source)[1] is not text:
        return None
    root = document(text, index).root
    held: tuple[Node, ValuePath] | None = None
    node = root
    for depth, part in enumerate(path):
        if node.target is not None or node.anchor is not None:
            node = node.target or node
            held = node, path[depth:]
        entry = _own(node, part)
        if entry is None and depth < len(path) - 1:
            return None
        node = entry.node if entry is not None else node
        if entry is not None and depth == len(path) - 1 and (node.target is not None or node.anchor is not None):
            held = node.target or node, ()
    if held is None:
        return None
    holder, rest = held
    written = next((found for found, one in _written(root, ()) if one is holder), None)
    places: list[ValuePath] = []
    for place, one, above in _places(root, ()):
        if len(places) > _MOST_PLACES:
            return None
        if one is holder and not (rest and rest[0] in above):
            places.append((*place, *rest))
    return Shared((*written, *rest), tuple(places)) if written is not None and len(places) > 1 else None


def changed_everywhere(text: str, source: str, index: int, shared: Shared, wanted: object) -> str | None:
    """Give a text in which a document reads as wanted by one change of a shared part; None where none does that.

    Of ``wanted`` only what stands at the shared part's paths may differ from what the document holds.
    """
    values = load_documents(text, source, any_keys=True)
    doc = document(text, index)
    if same(doc.root.value, wanted):
        return text
    alone = _with(doc.root.value, shared.written, wanted)
    step = next_step(doc, alone)
    if not same(result(doc.root, step), alone):
        return None
    expected = [*values[:index], wanted, *values[index + 1 :]]
    for one in candidates(doc, step, source):
        try:
            if same(load_documents(one, source, any_keys=True), expected):
                return one
        except InputError:
            continue
    return None


def _with(tree: object, path: Sequence[str | int], wanted: object) -> object:
    """Give a tree that has at a path what another one has there."""
    part, rest = path[0], path[1:]
    if isinstance(tree, dict) and isinstance(wanted, dict):
        if part not in wanted:
            return {key: value for key, value in tree.items() if key != part}
        return {**tree, part: _with(tree.get(part), rest, wanted[part]) if rest else wanted[part]}
    if isinstance(tree, list) and isinstance(wanted, list) and isinstance(part, int) and part < len(tree):
        return [*tree[:part], _with(tree[part], rest, wanted[part]) if rest else wanted[part], *tree[part + 1 :]]
    return wanted


def _own(node: Node, part: str | int) -> Entry | None:
    """Find an entry that a map or a list has itself."""
    for number, entry in enumerate(node.entries):
        if not entry.merge and part == (entry.name if node.kind == "map" else number):
            return entry
    return None


def _written(node: Node, path: ValuePath) -> Iterator[tuple[ValuePath, Node]]:
    """Every value that is written out, with its path."""
    yield path, node
    for number, entry in enumerate(node.entries):
        if not entry.merge:
            yield from _written(entry.node, (*path, entry.name if node.kind == "map" else number))


def _places(node: Node, path: ValuePath) -> Iterator[tuple[ValuePath, Node, frozenset[str]]]:
    """Every value wherever it is read, with its path, and the keys that hide what a merged map brings."""
    node = node.target or node
    yield path, node, frozenset()
    yield from _within(node, path, frozenset())


def _within(node: Node, path: ValuePath, above: frozenset[str]) -> Iterator[tuple[ValuePath, Node, frozenset[str]]]:
    for number, entry in enumerate(node.entries):
        name = entry.name if node.kind == "map" else number
        if not entry.merge and name not in above:
            yield from _places(entry.node, (*path, name))
    hidden = above | {entry.name for entry in node.entries if not entry.merge}
    for entry in node.entries if node.kind == "map" else ():
        for one in _merged(entry):
            yield path, one, hidden
            yield from _within(one, path, hidden)
            hidden |= one.value.keys()


def _merged(entry: Entry) -> list[Node]:
    """Give the maps that a merge key brings, in order."""
    if not entry.merge:
        return []
    node = entry.node.target or entry.node
    return [one.node.target or one.node for one in node.entries] if node.kind == "list" else [node]
