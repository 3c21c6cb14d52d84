"""Changes to documents, as data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from generator.errors import ValuePath
from generator.intake.document import Document

#: The value of an edit that takes something out.
REMOVE: Final = object()
#: As the last part of an edit's path: one more element at the end of a list (as in RFC 6901).
APPEND: Final = "-"


class Edit(NamedTuple):
    """Set what stands at a path of a document's tree; what is above it and doesn't exist is made.

    ``value`` is a tree of plain values, or `REMOVE`. ``comment`` says why, for whoever reads the result.
    """

    document: Document
    path: ValuePath
    value: object
    comment: str = ""


def position(tree: Any, path: ValuePath) -> ValuePath:
    """Turn `APPEND` at a path's end into the index of the element to come."""
    if not path or path[-1] != APPEND:
        return path
    for part in path[:-1]:
        tree = _child(tree, part)
    if tree is None:
        return (*path[:-1], 0)
    return (*path[:-1], len(tree)) if isinstance(tree, list) else path


def _child(tree: Any, part: str | int) -> Any:
    if isinstance(tree, dict):
        return tree.get(part)
    if isinstance(tree, list) and isinstance(part, int) and part < len(tree):
        return tree[part]
    return None


def edited_tree(tree: Any, path: ValuePath, value: object) -> Any:
    """Give a tree with one change made; what changes is copied, the rest is shared.

    ``path`` may end in `APPEND`, or in the index after a list's last.
    """
    if not path:
        return value
    part, rest = path[0], path[1:]
    if isinstance(part, int) or (part == APPEND and (isinstance(tree, list) or (tree is None and not rest))):
        items: list[Any] = list(tree) if isinstance(tree, list) else []
        index = len(items) if part == APPEND else int(part)
        if value is REMOVE and not rest:
            del items[index : index + 1]
        elif index < len(items):
            items[index] = edited_tree(items[index], rest, value)
        else:
            items.append(edited_tree(None, rest, value))
        return items
    entries: dict[Any, Any] = dict(tree) if isinstance(tree, dict) else {}
    if value is REMOVE and not rest:
        entries.pop(part, None)
    elif value is not REMOVE or part in entries:
        entries[part] = edited_tree(entries.get(part), rest, value)
    return entries


def snippet(edits: Sequence[Edit]) -> str:
    """Show edits as YAML that says where each value belongs, as one would write it into the document.

    Elements of lists are shown by the keys that tell them apart (``name``, ``job_name``, ``mountPath``). Lists of
    words, such as arguments, which nothing tells apart, are shown whole as they are to be.
    """
    from generator.yaml import block

    lines: list[str] = []
    shown: dict[int, tuple[Document, Any]] = {}
    for edit in _whole_lists(edits):
        if edit.value is REMOVE:
            lines.append(f"# remove {_spelled(edit.document.tree, edit.path)}")
            continue
        document, tree = shown.get(id(edit.document), (edit.document, None))
        shown[id(edit.document)] = (document, _shown(tree, document.tree, edit.path, edit.value))
    for document, tree in shown.values():
        if len(shown) > 1:
            lines.append(f"# {document if document.outer is None else _inner_name(document)}")
        lines.append(block(_plain(tree), sort_keys=False))
    return "\n".join(lines)


def _whole_lists(edits: Sequence[Edit]) -> list[Edit]:
    """Put all edits of a list's words into one, which sets the list; each counts its places as they are now."""
    found: list[Edit] = []
    lists: dict[tuple[int, ValuePath], tuple[int, list[Edit]]] = {}
    for edit in edits:
        if not _is_of_words(edit):
            found.append(edit)
            continue
        place, same = lists.setdefault((id(edit.document), edit.path[:-1]), (len(found), []))
        same.append(edit)
        if len(same) == 1:
            found.append(edit)
    for (_, path), (place, same) in lists.items():
        document = same[0].document
        words: dict[str | int, object] = dict(enumerate(document.get(*path)))
        for edit in same:
            words[len(words) if edit.path[-1] == APPEND else edit.path[-1]] = edit.value
        found[place] = Edit(document, path, [word for word in words.values() if word is not REMOVE])
    return found


def _is_of_words(edit: Edit) -> bool:
    """Whether an edit is of an element of a list that holds words alone; what a Secret holds isn't shown."""
    around = edit.document.get(*edit.path[:-1]) if edit.path and edit.document.outermost.kind != "Secret" else None
    listed = around if isinstance(around, list) else []
    return bool(listed) and not any(isinstance(one, (dict, list)) for one in (*listed, edit.value))


def _inner_name(document: Document) -> str:
    assert document.outer is not None  # noqa: S101  # only embedded documents come here
    outer, path = document.outer
    return f"{path[-1]} of {outer}"


def _spelled(tree: Any, path: ValuePath) -> str:
    """Spell a path with the names of lists' elements: ``spec.volumes[istio-certs].secret``."""
    text = ""
    for part in path:
        tree = _child(tree, part)
        named = _identity(tree)
        if isinstance(part, int):
            text += f"[{next(iter(named.values())) if named else part}]"
        else:
            text += f".{part}" if text else part
    return text


class _Item(NamedTuple):
    """An element of a list that is shown, and its place in the document's list (-1: it is new)."""

    place: int
    value: Any


def _shown(tree: Any, whole: Any, path: ValuePath, value: object) -> Any:
    """Add what an edit sets to the part of a document that is shown; lists are kept as lists of `_Item`."""
    if not path:
        return value
    part, rest = path[0], path[1:]
    if isinstance(whole, list) or isinstance(part, int) or (part == APPEND and not isinstance(tree, dict)):
        items: list[_Item] = list(tree) if isinstance(tree, list) else []
        index = part if isinstance(part, int) and isinstance(whole, list) and part < len(whole) else -1
        inner = whole[index] if index >= 0 else None
        place = next((number for number, item in enumerate(items) if item.place == index >= 0), None)
        if place is None:
            items.append(_Item(index, _shown(_identity(inner) if rest else None, inner, rest, value)))
        else:
            items[place] = _Item(index, _shown(items[place].value, inner, rest, value))
        return items
    entries: dict[Any, Any] = dict(tree) if isinstance(tree, dict) else {}
    inner = whole.get(part) if isinstance(whole, dict) else None
    entries[part] = _shown(entries.get(part), inner, rest, value)
    return entries


def _identity(item: Any) -> Any:
    """What tells an element of a list from its neighbours."""
    if isinstance(item, dict):
        for key in ("name", "job_name", "port", "mountPath"):
            if isinstance(item.get(key), (str, int)):
                return {key: item[key]}
    return None


def _plain(tree: Any) -> Any:
    if isinstance(tree, list):
        return [_plain(item.value if isinstance(item, _Item) else item) for item in tree]
    if isinstance(tree, dict):
        return {key: _plain(value) for key, value in tree.items()}
    return tree
