"""How one value became another: tables of what is told, and the law that it is all there is to tell."""

from __future__ import annotations

import textwrap
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generator import yaml
from generator.diff.path import DOCUMENT, Item, as_data, spelled
from generator.diff.values import compare
from tests.diff.applying import applied, same


def told(old: Any, new: Any) -> list[str]:
    """Changes in short: ``path kind old -> new``."""
    found = []
    for path, kind, before, after, _ in compare(old, new):
        values = [repr(before)] * (kind != "added") + [repr(after)] * (kind != "removed")
        found.append(f"{spelled(path)} {kind} {' -> '.join(values)}")
    return found


def load(text: str) -> Any:
    return yaml.load(textwrap.dedent(text), "test")


KEPT = {"action": "keep", "regex": "b", "to": "c"}
CASES = {
    "a value of a map": ("{a: {b: 1}}", "{a: {b: 2}}", ["a.b changed 1 -> 2"]),
    "a key more and one less": ("{a: 1}", "{b: [x]}", ["a removed 1", "b added ['x']"]),
    "types are told apart": (
        "{a: 1, b: 1, c: 1, d: null}",
        "{a: '1', b: true, c: 1.0, d: ''}",
        ["a changed 1 -> '1'", "b changed 1 -> True", "c changed 1 -> 1.0", "d changed None -> ''"],
    ),
    "not a number is itself": ("{a: .nan}", "{a: .nan}", []),
    "the order of keys doesn't count": ("{a: 1, b: 2}", "{b: 2, a: 1}", []),
    "a key that is there with null": ("{}", "{a: null}", ["a added None"]),
    "a map that became a list": ("{a: {b: 1}}", "{a: [b]}", ["a changed {'b': 1} -> ['b']"]),
    "containers have names": (
        "{containers: [{name: a, image: old}, {name: b}]}",
        "{containers: [{name: c}, {name: a, image: new}]}",
        [
            "containers[name=a].image changed 'old' -> 'new'",
            "containers[name=b] removed {'name': 'b'}",
            "containers[name=c] added {'name': 'c'}",
        ],
    ),
    "the order of named items": (
        "{volumes: [{name: a}, {name: b}, {name: c}]}",
        "{volumes: [{name: c}, {name: d}, {name: a}, {name: b}]}",
        [
            "volumes[name=d] added {'name': 'd'}",
            "volumes reordered ['name=a', 'name=b', 'name=c'] -> ['name=c', 'name=a', 'name=b']",
        ],
    ),
    "mounts are known by their paths": (
        "{volumeMounts: [{name: a, mountPath: /x}, {name: a, mountPath: /y}]}",
        "{volumeMounts: [{name: a, mountPath: /x}, {name: a, mountPath: /y, readOnly: true}]}",
        ["volumeMounts[mountPath=/y].readOnly added True"],
    ),
    "ports by numbers, so that a new name is a change of the name": (
        "{ports: [{name: web, port: 80}]}",
        "{ports: [{name: http, port: 80}]}",
        ["ports[port=80].name changed 'web' -> 'http'"],
    ),
    "ports of one number by protocols": (
        "{ports: [{port: 53, protocol: TCP, name: a}, {port: 53, protocol: UDP, name: b}]}",
        "{ports: [{port: 53, protocol: TCP, name: a}, {port: 53, protocol: UDP, name: c}]}",
        ["ports[port=53,protocol=UDP].name changed 'b' -> 'c'"],
    ),
    "jobs are known by their names": (
        "{scrape_configs: [{job_name: a b, scheme: http}]}",
        "{scrape_configs: [{job_name: a b, scheme: https}]}",
        ["scrape_configs[job_name=\"a b\"].scheme changed 'http' -> 'https'"],
    ),
    "alerts of one name are told apart by labels": (
        "{rules: [{alert: A, labels: {job: v}, for: 1m}, {alert: A, labels: {job: w}, for: 1m}, {alert: B, for: 1m}]}",
        "{rules: [{alert: A, labels: {job: w}, for: 2m}, {alert: B, for: 3m}]}",
        [
            "rules[alert=A,labels.job=v] removed {'alert': 'A', 'labels': {'job': 'v'}, 'for': '1m'}",
            "rules[alert=A,labels.job=w].for changed '1m' -> '2m'",
            "rules[alert=B].for changed '1m' -> '3m'",
        ],
    ),
    "names that several items have are none": (
        "{steps: [{name: a, x: 1}, {name: a, x: 2}]}",
        "{steps: [{name: a, x: 1}, {name: a, x: 2}, {name: a, x: 3}]}",
        ["steps[2] added {'name': 'a', 'x': 3}"],
    ),
    "what comes and goes in a list of scalars": (
        "{verbs: [get, list, watch]}",
        "{verbs: [create, get, watch, delete]}",
        ["verbs[0] added 'create'", "verbs[1] removed 'list'", "verbs[3] added 'delete'"],
    ),
    "a flag that has another value": (
        "{args: [--a=1, --b=2, --c]}",
        "{args: [--x, --a=1, --b=3, --c]}",
        ["args[0] added '--x'", "args[1] changed '--b=2' -> '--b=3'"],
    ),
    "one scalar in the place of another": ("{names: [a, b]}", "{names: [a, c]}", ["names[1] changed 'b' -> 'c'"]),
    "scalars that became others": (
        "{names: [a, b]}",
        "{names: [c, d]}",
        ["names[0] removed 'a'", "names[1] removed 'b'", "names[0] added 'c'", "names[1] added 'd'"],
    ),
    "a relabelling rule among others is told as a whole": (
        "{relabel_configs: [{action: drop, regex: a}, {action: keep, regex: b, to: c}, {regex: d}]}",
        "{relabel_configs: [{regex: e}, {action: drop, regex: a}, {action: keep, regex: f, to: c}, {regex: d}]}",
        [
            "relabel_configs[0] added {'regex': 'e'}",
            f"relabel_configs[1] changed {KEPT} -> {KEPT | {'regex': 'f'}}",
        ],
    ),
    "an item that isn't flat is looked into": (
        "{sd: [{role: pod, namespaces: {names: [a]}}]}",
        "{sd: [{role: pod, namespaces: {names: [b]}}]}",
        ["sd[0].namespaces.names[0] changed 'a' -> 'b'"],
    ),
    "lists in lists": ("{a: [[1, 2]]}", "{a: [[1, 3]]}", ["a[0][1] changed 2 -> 3"]),
    "an item of another type in its place": ("{a: [1]}", "{a: ['1']}", ["a[0] changed 1 -> '1'"]),
    "a document in a ConfigMap": (
        "{data: {prometheus.yml: 'global: {a: 1}  # old'}}",
        "{data: {prometheus.yml: 'global: {a: 2}  # new'}}",
        ['data["prometheus.yml"].global.a changed 1 -> 2'],
    ),
    "a document of which the text alone changed": (
        "{data: {prometheus.yml: 'a: 1'}}",
        "{data: {prometheus.yml: 'a:  1'}}",
        ["data[\"prometheus.yml\"] text 'a: 1' -> 'a:  1'"],
    ),
    "a document that can't be read": (
        "{data: {a.yaml: 'a: ['}}",
        "{data: {a.yaml: 'a: 1'}}",
        ["data[\"a.yaml\"] changed 'a: [' -> 'a: 1'"],
    ),
    "an annotation that is a document": (
        """{annotations: {x.io/mount: '{"v":{"mountPath":"/a"}}'}}""",
        """{annotations: {x.io/mount: '{"v":{"mountPath":"/b"}}'}}""",
        ["annotations[\"x.io/mount\"].v.mountPath changed '/a' -> '/b'"],
    ),
    "a sentence in an annotation is none": (
        "{annotations: {summary: 'a: b'}}",
        "{annotations: {summary: 'a: c'}}",
        ["annotations.summary changed 'a: b' -> 'a: c'"],
    ),
}


@pytest.mark.parametrize(("old", "new", "expected"), CASES.values(), ids=list(CASES))
def test_tells(old, new, expected):
    before, after = load(old), load(new)
    assert told(before, after) == expected
    assert same(applied(before, list(compare(before, after))), after)


def test_a_long_list_that_changed_all_over_is_told_in_time():
    old, new = ([{"a": [side, number]} for number in range(1500)] for side in ("old", "new"))
    changes = list(compare({"a": old}, {"a": new}))
    assert same(applied({"a": old}, changes), {"a": new})


def test_paths_for_programs_say_what_each_step_is():
    path = ("data", "a.yml", DOCUMENT, "rules", Item((("alert", "A"), ("labels.job", "x"))), "expr", 0)
    assert as_data(path) == [
        *("data", "a.yml", {"document": "yaml"}),
        *("rules", {"item": {"alert": "A", "labels.job": "x"}}, "expr", 0),
    ]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ((), ""),
        (("a", "b-c", "d.e/f"), 'a.b-c["d.e/f"]'),
        (("a b", 'q"', "x\u202ey"), '["a b"]["q\\""]["x\\u202ey"]'),
        (("a", Item((("name", "x"),)), Item((("port", 80),))), "a[name=x][port=80]"),
        (("a", Item((("name", "80"),)), Item((("name", "a]b=c"),))), 'a[name="80"][name="a]b=c"]'),
    ],
)
def test_spells_paths_so_that_no_two_are_the_same(path, expected):
    assert spelled(path) == expected


# ----------------------------------------------------------------------------------------------------------------- laws

SCALARS = st.sampled_from(
    [1, "1", True, "true", None, 1.5, 1.0, "", "x", "--a=1", "--a=2", "--b=1", "a: 1", "two\nlines"]
)
NAMES = st.sampled_from(["a", "b", "c", "1", 1, "c d"])
KEYS = st.sampled_from(["a", "b", "containers", "ports", "rules", "data", "labels", "job", "annotations"])


def _named(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    key = st.sampled_from(["name", "port", "alert", "record", "job_name"])
    item = st.builds(lambda key, name, rest: {**rest, key: name}, key, NAMES, st.dictionaries(KEYS, inner, max_size=2))
    return st.lists(item, max_size=4)


def _with_document(inner: dict[str, Any]) -> dict[str, Any]:
    return {"x.yml": yaml.block(inner)}


VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=5),
        st.dictionaries(KEYS, inner, max_size=4),
        _named(inner),
        st.dictionaries(KEYS, inner, min_size=1, max_size=3).map(_with_document),
    ),
    max_leaves=12,
)
TREES = st.dictionaries(KEYS, VALUES, max_size=4)


@given(VALUES)
@settings(max_examples=40)
def test_nothing_is_told_of_what_is_the_same(value):
    assert list(compare(value, value)) == []
    assert list(compare(value, yaml.load(yaml.block(value), ""))) == []


@given(TREES, TREES, st.randoms(use_true_random=False))
@settings(max_examples=40)
def test_what_is_told_turns_the_old_into_the_new(old, new, random):
    _mix(new, old, random)
    changes = list(compare(old, new))
    assert same(applied(old, changes), new)
    assert bool(changes) != same(old, new)


def _mix(new: dict[str, Any], old: dict[str, Any], random: Any) -> None:
    """Take over some of the old values, lists of them shuffled, so that the two have something in common."""
    for key, value in old.items():
        if random.random() < 0.6:
            new[key] = yaml.load(yaml.block(value), "")
        if isinstance(new.get(key), list):
            new[key] = random.sample(new[key], random.randint(0, len(new[key]))) + new[key][:1]
