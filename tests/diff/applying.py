"""Carries out changes, so that a test can tell whether they say everything."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from generator import yaml
from generator.diff.path import Document, Item
from generator.diff.values import Change


def applied(old: Any, changes: Sequence[Change]) -> Any:
    """Give what a value becomes by changes; a string that is a document becomes what it says."""
    return _applied(copy.deepcopy(old), list(changes))


def _applied(old: Any, changes: list[Change]) -> Any:
    here = [change for change in changes if not change.path]
    below = [change for change in changes if change.path]
    if here and here[0].kind in {"changed", "text"}:
        assert len(changes) == 1, "nothing can change within what became another value"
        return here[0].new
    if not below and not here:
        return old
    if below and isinstance(below[0].path[0], Document):
        return _applied(yaml.load(old, ""), _within(below))
    if isinstance(old, dict):
        return _map(old, below)
    if below and isinstance(below[0].path[0], int):
        return _by_index(old, below)
    return _by_name(old, below, here)


def _within(changes: list[Change]) -> list[Change]:
    return [change._replace(path=change.path[1:]) for change in changes]


def _map(old: dict[str, Any], changes: list[Change]) -> dict[str, Any]:
    for key in {change.path[0] for change in changes}:
        assert isinstance(key, str)
        mine = _within([change for change in changes if change.path[0] == key])
        if not mine[0].path and mine[0].kind == "removed":
            assert old.pop(key) == mine[0].old
        elif not mine[0].path and mine[0].kind == "added":
            assert key not in old
            old[key] = mine[0].new
        else:
            old[key] = _applied(old[key], mine)
    return old


def _by_index(old: list[Any], changes: list[Change]) -> list[Any]:
    added = [change for change in changes if change.kind == "added" and len(change.path) == 1]
    others = [change for change in changes if change not in added]
    kept = []
    for index, item in enumerate(old):
        mine = _within([change for change in others if change.path[0] == index])
        if not mine or mine[0].path or mine[0].kind != "removed":
            kept.append(_applied(item, mine))
    for change in sorted(added, key=lambda change: change.position):
        kept.insert(change.position, change.new)
    return kept


def _by_name(old: list[Any], changes: list[Change], here: list[Change]) -> list[Any]:
    added = [change for change in changes if change.kind == "added" and len(change.path) == 1]
    others = [change for change in changes if change not in added]
    kept = []
    for item in old:
        mine = _within([change for change in others if _is(change.path[0], item)])
        if not mine or mine[0].path or mine[0].kind != "removed":
            kept.append(_applied(item, mine))
    for order in here:
        assert order.kind == "reordered"
        kept = [kept[order.old.index(name)] for name in order.new]
    for change in sorted(added, key=lambda change: change.position):
        kept.insert(change.position, change.new)
    return kept


def _is(item: Any, value: dict[str, Any]) -> bool:
    assert isinstance(item, Item)

    def at(path: str) -> Any:
        found: Any = value
        for part in path.split("."):
            found = found.get(part) if isinstance(found, dict) else None
        return found

    return all(at(key) == wanted and type(at(key)) is type(wanted) for key, wanted in item.keys)


def same(one: Any, other: Any) -> bool:
    """Whether values are equal, types told apart, and a string equal to what it says as a document."""
    if type(one) in {dict, list} and type(other) is str:
        other = yaml.load(other, "")
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other) or (one != one and other != other)  # noqa: PLR0124  # .nan
