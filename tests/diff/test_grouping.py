"""The changes of many environments, each told once, and nothing lost."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from generator.diff.grouping import Group, Grouping
from generator.diff.manifests import ResourceChange
from generator.diff.path import spelled
from generator.diff.values import Change, compare
from generator.resource import ResourceId

CONFIG = ResourceId("v1", "ConfigMap", "team", "config")
SERVICE = ResourceId("v1", "Service", "team", "web")


def changed(path: str, old: Any, new: Any, resource: ResourceId = CONFIG) -> ResourceChange:
    return ResourceChange(resource, Change(tuple(path.split(".")), "changed", old, new))


def grouped(changes: dict[str, list[ResourceChange]]) -> list[Group]:
    grouping = Grouping(sorted(changes))
    for name, some in changes.items():
        grouping.add(name, some)
    return grouping.groups()


def in_short(groups: list[Group]) -> list[tuple[str, list[str]]]:
    return [
        (" ".join(group.environments), [f"{spelled(one.place.path)} {len(one.variations)}" for one in group.changes])
        for group in groups
    ]


def test_the_same_change_is_told_once_with_what_else_is_in_the_same_environments():
    same = [changed("data.b", 1, 2), changed("data.a", "x", "y"), changed("spec.type", "x", "y", SERVICE)]
    groups = grouped({"e1": same, "e2": same, "e3": same[:1]})
    assert in_short(groups) == [("e1 e2 e3", ["data.b 1"]), ("e1 e2", ["data.a 1", "spec.type 1"])]


def test_values_that_are_an_environments_own_are_told_as_one_change():
    groups = grouped({f"e{n}": [changed("data.a", f"old-{n}", f"new-{n}")] for n in range(5)})
    assert in_short(groups) == [("e0 e1 e2 e3 e4", ["data.a 5"])]
    assert [(one.old, one.new) for one in groups[0].changes[0].variations][:2] == [
        ("old-0", "new-0"),
        ("old-1", "new-1"),
    ]


def test_values_that_many_share_stand_by_themselves():
    changes = {f"a{n}": [changed("data.a", 1, 3)] for n in range(10)}
    changes |= {f"b{n}": [changed("data.a", 2, 3)] for n in range(10)}
    changes |= {f"c{n}": [changed("data.a", f"own {n}", 3)] for n in range(4)}
    assert [(len(group.environments), len(group.changes[0].variations)) for group in grouped(changes)] == [
        *((10, 1), (10, 1), (4, 4)),
    ]


def test_two_values_are_told_one_by_one():
    groups = grouped({"e1": [changed("data.a", 1, 2)], "e2": [changed("data.a", 1, 3)]})
    assert in_short(groups) == [("e1", ["data.a 1"]), ("e2", ["data.a 1"])]


def test_true_and_1_are_different_values():
    groups = grouped({"e1": [changed("data.a", 1, 2)], "e2": [changed("data.a", old=True, new=2)]})
    assert len(groups) == 2


def test_items_of_a_list_without_names_are_known_by_their_values():
    added = {f"e{n}": list(compare({"args": ["x"] * n}, {"args": [*["x"] * n, "--new"]})) for n in range(1, 4)}
    groups = grouped({name: [ResourceChange(CONFIG, one) for one in changes] for name, changes in added.items()})
    assert in_short(groups) == [("e1 e2 e3", ["args 1"])]
    assert groups[0].changes[0].place.item


def test_several_items_of_one_environment_are_no_alternatives():
    changes = list(compare({"args": []}, {"args": ["a", "b", "c", "c"]}))
    groups = grouped({"e1": [ResourceChange(CONFIG, one) for one in changes]})
    assert [one.variations[0].new for one in groups[0].changes] == ["a", "b", "c", "c"]


VALUES = st.recursive(
    st.sampled_from([1, "1", True, "a", "b"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "name"]), inner, max_size=3),
    max_leaves=6,
)
TREES = st.dictionaries(st.sampled_from(["a", "b", "c"]), VALUES, max_size=3)
FLEETS = st.lists(st.lists(st.tuples(st.sampled_from([CONFIG, SERVICE]), TREES, TREES), max_size=2), max_size=14)


@given(FLEETS)
@settings(max_examples=25)
def test_grouping_loses_nothing_and_adds_nothing(fleet):
    changes = {
        f"e{number:02}": [ResourceChange(resource, one) for resource, old, new in some for one in compare(old, new)]
        for number, some in enumerate(fleet)
    }
    names = sorted(changes)
    expected = Counter(
        (name, *_key(resource, *_without_index(change)), json.dumps([change.old, change.new], sort_keys=True))
        for name in names
        for resource, change in changes[name]
    )
    found: Counter[Any] = Counter()
    for group in grouped(changes):
        for told in group.changes:
            place = told.place
            carriers = sorted(names[index] for one in told.variations for index in one.environments)
            assert tuple(carriers) == group.environments
            for one in told.variations:
                values = json.dumps([one.old, one.new], sort_keys=True)
                key = _key(place.resource, spelled(place.path), place.kind, place.item)
                found.update((names[index], *key, values) for index in one.environments)
    assert found == expected


def _key(resource: ResourceId, path: str, kind: str, item: bool) -> tuple[Any, ...]:
    return resource, path, kind, item


def _without_index(change: Change) -> tuple[str, str, bool]:
    item = bool(change.path) and isinstance(change.path[-1], int)
    return spelled(change.path[:-1] if item else change.path), change.kind, item


@given(FLEETS)
@settings(max_examples=10)
def test_the_order_in_which_environments_come_doesn_t_matter(fleet):
    changes = {
        f"e{number:02}": [ResourceChange(resource, one) for resource, old, new in some for one in compare(old, new)]
        for number, some in enumerate(fleet)
    }
    backwards = dict(reversed(list(changes.items())))
    assert repr(grouped(changes)) == repr(grouped(backwards))
