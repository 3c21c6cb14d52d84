"""How one value became another, as changes. The values are those of YAML: ``1``, ``"1"`` and ``true`` differ."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

from generator.diff.lists import aligned, named
from generator.diff.path import DOCUMENT, Path

Kind = Literal["removed", "changed", "reordered", "added", "text", "moved"]


class Change(NamedTuple):
    """One thing that changed.

    ``kind`` is one of

    - ``added``, ``removed``, ``changed``: of a map's value or a list's item. In a list whose items have no names the
      path ends in the index in the old list, or in the new one for what was added.
    - ``reordered``: a list's items, those that are in both; ``old`` and ``new`` are what they are called, in order.
    - ``text``: the value is a document whose text changed, and not what it says. ``old`` and ``new`` are the texts.
    - ``moved``: a resource, from the file ``old`` to the file ``new``.

    ``position`` is the index in the new list of an item that was added, -1 elsewhere.
    """

    path: Path
    kind: Kind
    old: Any = None
    new: Any = None
    position: int = -1


_DOCUMENT_KEY = re.compile(r".*\.(?:ya?ml|json)")
#: The number of values up to which an item of a list without names is told as a whole, if it is flat.
_SMALL = 10


def compare(old: Any, new: Any, path: Path = ()) -> Iterator[Change]:
    """Tell every change that turns one value into another; none for equal ones."""
    if type(old) is dict and type(new) is dict:
        for key in old:
            if key not in new:
                yield Change((*path, key), "removed", old[key])
            elif old[key] is not new[key]:
                yield from compare(old[key], new[key], (*path, key))
        for key in new:
            if key not in old:
                yield Change((*path, key), "added", None, new[key])
    elif type(old) is list and type(new) is list:
        yield from _lists(old, new, path)
    elif type(old) is not type(new) or (old != new and (old == old or new == new)):  # noqa: PLR0124  # .nan isn't itself
        yield from (
            _texts(old, new, path) if type(old) is str and type(new) is str else [Change(path, "changed", old, new)]
        )


def _lists(old: list[Any], new: list[Any], path: Path) -> Iterator[Change]:
    last = path[-1] if path else ""
    names = named(last if isinstance(last, str) else "", old, new)
    if names is None:
        yield from _ordered(old, new, path)
        return
    before, after = (dict(zip(side, items, strict=True)) for side, items in zip(names, (old, new), strict=True))
    for item, value in before.items():
        if item in after:
            yield from compare(value, after[item], (*path, item))
        else:
            yield Change((*path, item), "removed", value)
    for position, (item, value) in enumerate(after.items()):
        if item not in before:
            yield Change((*path, item), "added", None, value, position)
    stayed, ordered = ([str(item) for item in side if item in before and item in after] for side in names)
    if stayed != ordered:
        yield Change(path, "reordered", stayed, ordered)


def _ordered(old: list[Any], new: list[Any], path: Path) -> Iterator[Change]:
    for left, right in aligned(old, new):
        if right is None and left is not None:
            yield Change((*path, left), "removed", old[left])
        elif left is None and right is not None:
            yield Change((*path, right), "added", None, new[right], right)
        elif left is not None and right is not None:
            whole = _is_small(old[left]) and _is_small(new[right])
            here = (*path, left)
            yield from (
                [Change(here, "changed", old[left], new[right])] if whole else compare(old[left], new[right], here)
            )


def _texts(old: str, new: str, path: Path) -> Iterator[Change]:
    """Strings that are documents are compared as what they say."""
    if _may_be_document(path, old) and _may_be_document(path, new):
        left, right = _document(old), _document(new)
        if type(left) is type(right) and left is not None:
            changes = list(compare(left, right, (*path, DOCUMENT)))
            yield from changes or [Change(path, "text", old, new)]
            return
    yield Change(path, "changed", old, new)


def _may_be_document(path: Path, text: str) -> bool:
    """Whether a string's place says that it is a document: a file in a ConfigMap, or an annotation that looks it."""
    if not path or not isinstance(path[-1], str):
        return False
    if _DOCUMENT_KEY.fullmatch(path[-1]):
        return True
    return len(path) > 1 and path[-2] == "annotations" and ("\n" in text or text.startswith(("{", "[")))


def _document(text: str) -> Any:
    """Read a string as one document that is a map or a list; None where it is something else."""
    from generator.errors import InputError
    from generator.yaml import load_documents

    try:
        documents = load_documents(text, "")
    except InputError:
        return None
    return documents[0] if len(documents) == 1 and isinstance(documents[0], dict | list) else None


def _is_small(item: Any) -> bool:
    """Whether an item is a scalar, or a flat map of a few: a relabelling rule, a toleration."""
    if type(item) is not dict:
        return type(item) is not list
    values = [each for value in item.values() for each in (value if type(value) is list else [value])]
    return len(values) <= _SMALL and not any(type(value) in {dict, list} for value in values)
