"""Which items of two lists belong together: by what they are called where they have names, else by their order."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from generator.diff.path import Item

Span = tuple[int, int, int, int]


class Naming(NamedTuple):
    """What an item is called by: the first of some keys that it has.

    ``further`` are dotted keys that come to it where several items have the same name.
    """

    keys: tuple[str, ...]
    further: tuple[str, ...] = ()


# By the field that holds the list. The merge keys of Kubernetes' own kinds, and what Prometheus and the Operator
# demand or expect to be unique. Where it isn't, or an item lacks it, the next one is tried.
_ANY = (Naming(("name",)),)
_NAMINGS: dict[str, tuple[Naming, ...]] = {
    "hostAliases": (Naming(("ip",)),),
    "items": (Naming(("key",)),),
    "matchExpressions": (Naming(("key",), ("operator",)),),
    "ports": (Naming(("port", "containerPort"), ("protocol",)), *_ANY),
    "remoteRead": (*_ANY, Naming(("url",))),
    "remoteWrite": (*_ANY, Naming(("url",))),
    "remote_read": (*_ANY, Naming(("url",))),
    "remote_write": (*_ANY, Naming(("url",))),
    "rules": (Naming(("alert", "record"), ("labels.job", "labels.severity", "expr")),),
    "scrape_configs": (Naming(("job_name",)),),
    "subjects": (Naming(("name",), ("kind", "namespace")),),
    "topologySpreadConstraints": (Naming(("topologyKey",), ("whenUnsatisfiable",)),),
    "volumeDevices": (Naming(("devicePath",)),),
    "volumeMounts": (Naming(("mountPath",)),),
}
# Aligning two stretches takes time with the product of their lengths. No manifest comes near; beyond, the stretches are
# told as removed and added.
_MOST_COMPARISONS = 250_000
_MOST_LIKENESSES = 10_000


def named(field: str, old: Sequence[Any], new: Sequence[Any]) -> tuple[list[Item], list[Item]] | None:
    """Tell what the items of two lists are called; None where not all have a name, or not a name of their own.

    ``field`` is the key of the map that holds the list, "" where none does.
    """
    if not all(type(item) is dict for items in (old, new) for item in items):
        return None
    for naming in _NAMINGS.get(field, _ANY):
        names = [[_name(naming, item) for item in items] for items in (old, new)]
        if any(name is None for side in names for name in side):
            continue
        several = {name for side in names for name, number in Counter(side).items() if number > 1}
        left, right = (
            [_item(naming, item, name, name in several) for item, name in zip(items, side, strict=True) if name]
            for items, side in zip((old, new), names, strict=True)
        )
        if len(set(left)) == len(left) and len(set(right)) == len(right):
            return left, right
    return None


def _name(naming: Naming, item: dict[str, Any]) -> tuple[str, str | int] | None:
    for key in naming.keys:
        if type(item.get(key)) in {str, int}:
            return key, item[key]
    return None


def _item(naming: Naming, item: dict[str, Any], name: tuple[str, str | int], further: bool) -> Item:
    keys = [name]
    for path in naming.further if further else ():
        value: Any = item
        for part in path.split("."):
            value = value.get(part) if type(value) is dict else None
        if type(value) in {str, int}:
            keys.append((path, value))
    return Item(tuple(keys))


# ------------------------------------------------------------------------------------------------------- by order


def aligned(old: Sequence[Any], new: Sequence[Any]) -> Iterator[tuple[int | None, int | None]]:
    """Pair the items of two lists whose order counts: equal ones first, then those between them that are alike.

    Gives pairs of an old and a new index that differ, None on the side that lacks the item, in order; equal ones are
    left out.
    """
    left, right = [_print(item) for item in old], [_print(item) for item in new]
    for span in _gaps(left, right, lambda i, j: left[i] == right[j], (0, len(left), 0, len(right))):
        pairs = _matches(lambda i, j: _alike(old[i], new[j]), span, _MOST_LIKENESSES)
        before = span[0], span[2]
        for pair in (*pairs, (span[1], span[3])):
            yield from _between(old, new, (before[0], pair[0], before[1], pair[1]))
            if pair != (span[1], span[3]):
                yield pair
            before = pair[0] + 1, pair[1] + 1


def _between(old: Sequence[Any], new: Sequence[Any], span: Span) -> Iterator[tuple[int | None, int | None]]:
    """What stands between items that were paired: one for one, or some gone and some new."""
    i1, i2, j1, j2 = span
    if i2 - i1 == 1 and j2 - j1 == 1 and _comparable(old[i1], new[j1]):
        yield i1, j1
        return
    yield from ((index, None) for index in range(i1, i2))
    yield from ((None, index) for index in range(j1, j2))


def _gaps(left: Sequence[str], right: Sequence[str], equal: Callable[[int, int], bool], span: Span) -> Iterator[Span]:
    """The stretches between the equal items of two lists."""
    i1, i2, j1, j2 = span
    while i1 < i2 and j1 < j2 and left[i1] == right[j1]:
        i1, j1 = i1 + 1, j1 + 1
    while i1 < i2 and j1 < j2 and left[i2 - 1] == right[j2 - 1]:
        i2, j2 = i2 - 1, j2 - 1
    for i, j in (*_matches(equal, (i1, i2, j1, j2), _MOST_COMPARISONS), (i2, j2)):
        if i > i1 or j > j1:
            yield i1, i, j1, j
        i1, j1 = i + 1, j + 1


def _matches(match: Callable[[int, int], bool], span: Span, most: int) -> list[tuple[int, int]]:
    """The longest series of pairs that match, in the order of both lists; none where it would take too many steps."""
    i1, i2, j1, j2 = span
    rows, columns = i2 - i1, j2 - j1
    if not rows or not columns or rows * columns > most:
        return []
    matching = [[match(i, j) for j in range(j1, j2)] for i in range(i1, i2)]
    longest = [[0] * (columns + 1) for _ in range(rows + 1)]
    for i in range(rows - 1, -1, -1):
        row, below, matches = longest[i], longest[i + 1], matching[i]
        for j in range(columns - 1, -1, -1):
            row[j] = below[j + 1] + 1 if matches[j] else max(below[j], row[j + 1])
    found, i, j = list[tuple[int, int]](), 0, 0
    while i < rows and j < columns:
        if matching[i][j]:
            found.append((i1 + i, j1 + j))
            i, j = i + 1, j + 1
        elif longest[i + 1][j] >= longest[i][j + 1]:
            i += 1
        else:
            j += 1
    return found


def _print(value: Any) -> str:
    """A text that two values share if they are the same, types told apart."""
    return json.dumps(value, sort_keys=True)


def _alike(old: Any, new: Any) -> bool:
    """Whether an item became another one, rather than going while the other came."""
    if type(old) is dict and type(new) is dict:
        return 2 * _shared(old, new) > max(len(old), len(new))
    if type(old) is str and type(new) is str:  # --flag=value, NAME=value
        start, sign, _ = old.partition("=")
        return bool(sign) and new.startswith(start + sign)
    return False


def _comparable(old: Any, new: Any) -> bool:
    """Whether one item in the place of one other is worth a comparison."""
    if type(old) is dict and type(new) is dict:
        return 2 * len(old.keys() & new.keys()) > max(len(old), len(new))
    return type(old) is type(new) or not {type(old), type(new)} & {dict, list}


def _shared(old: dict[str, Any], new: dict[str, Any]) -> int:
    return sum(_print(old[key]) == _print(new[key]) for key in old if key in new)
