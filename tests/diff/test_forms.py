"""The forms in which a difference is told."""

from __future__ import annotations

import html
import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generator.diff import Difference
from generator.diff.data import data
from generator.diff.grouping import Grouping
from generator.diff.lines import abbreviated, printable
from generator.diff.manifests import ResourceChange
from generator.diff.markdown import MOST_BYTES, markdown
from generator.diff.text import text
from generator.diff.values import compare
from generator.resource import ResourceId
from tests.samples import NASTY


def resource(name: str, kind: str = "ConfigMap") -> ResourceId:
    return ResourceId("v1", kind, "team", name)


Fleet = dict[str, list[tuple[ResourceId, Any, Any]]]


def difference(changes: Fleet, added: tuple[str, ...] = (), removed: tuple[str, ...] = ()) -> Difference:
    """What is told of environments, each with its resources as they were and as they are."""
    names = tuple(sorted(changes))
    grouping = Grouping(names)
    changed = []
    for name in names:
        found = [ResourceChange(one, each) for one, old, new in changes[name] for each in compare(old, new)]
        grouping.add(name, found)
        changed += [name] if found else []
    return Difference("output/", added, removed, tuple(changed), names, names, tuple(grouping.groups()))


def lines(found: Difference) -> list[str]:
    return [line for _, line in text(found)]


ONE = resource("config")
EXPR = "count by (job) (up == 0)\nand on (job) a\nor b\n"
SHOWN = {
    "a scalar": ({"a": 1}, {"a": "1"}, ["    a: 1 -> '1'"]),
    "an empty map": ({"a": {}}, {"a": []}, ["    a: {} -> []"]),
    "a scalar that is new": ({}, {"a": None}, ["  + a: null"]),
    "a map that is gone": ({"a": {"b": 1, "c": []}}, {}, ["  - a:", "  -   b: 1", "  -   c: []"]),
    "an item": ({"verbs": ["x"]}, {"verbs": []}, ["  - verbs[]: x"]),
    "an item that changed": ({"args": ["--a=1", "-b"]}, {"args": ["--a=2", "-b"]}, ["    args[]: --a=1 -> --a=2"]),
    "an order": (
        {"l": [{"name": one} for one in "abcde"]},
        {"l": [{"name": one} for one in "acbde"]},
        ["    l: the order changed", "  -   name=b, name=c", "  +   name=c, name=b"],
    ),
    "some lines": (
        {"expr": EXPR},
        {"expr": EXPR.replace("== 0", "== 1")},
        [
            "    expr:",
            "  -   count by (job) (up == 0)",
            "  +   count by (job) (up == 1)",
            "      and on (job) a",
            "      or b",
        ],
    ),
    "a long value, around what differs": (
        {"a": "x" * 200 + "old" + "y" * 200},
        {"a": "x" * 200 + "new" + "y" * 200},
        ["    a:", f"  -   …{'x' * 48}old{'y' * 48}…", f"  +   …{'x' * 48}new{'y' * 48}…"],
    ),
    "a control character": ({"a": "x"}, {"a": "x\x1b[31m\u202e"}, ['    a: x -> "x\\u001b[31m\\u202e"']),
}


@pytest.mark.parametrize(("old", "new", "expected"), SHOWN.values(), ids=list(SHOWN))
def test_text_shows(old, new, expected):
    found = lines(difference({"dev": [(ONE, old, new)]}))
    assert found[:4] == ["1 of 1 environment differs", "", "1 environment: dev", "  ConfigMap team/config"]
    assert found[4:] == expected


def test_text_of_no_difference():
    assert lines(difference({"dev": [], "prod": []})) == ["No difference in 2 environments"]


def test_text_counts_and_names_environments_that_are_new_or_gone():
    found = lines(difference({"dev": []}, added=("a", "b"), removed=("c",)))
    assert found == ["0 of 3 environments differ, 2 are new, 1 is gone", "+ new: a, b", "- gone: c"]


def test_resources_with_the_same_changes_share_a_heading():
    label: tuple[Any, Any] = {"metadata": {"labels": {}}}, {"metadata": {"labels": {"tier": "gold"}}}
    found = lines(difference({f"e{n}": [(resource(name), *label) for name in "abcdef"] for n in range(400)}))
    assert found[2:] == [
        "all 400 environments: e0, e1 and 398 more",
        "  6 resources: ConfigMap team/a, ConfigMap team/b and 4 more",
        "  + metadata.labels.tier: gold",
    ]


def test_a_change_of_everything_is_told_once_though_environments_have_different_resources():
    label = {"labels": {"team": "a"}}, {"labels": {"team": "b"}}
    fleet = {"e1": "abc", "e2": "abd", "e3": "acd", "e4": "bcde"}
    found = lines(difference({name: [(resource(one), *label) for one in some] for name, some in fleet.items()}))
    assert found[2:] == [
        "all 4 environments: e1, e2, e3, e4",
        "  in each some of 5 resources: ConfigMap team/a, ConfigMap team/b and 3 more",
        "    labels.team: a -> b",
    ]


def test_what_differs_by_environment_is_told_by_examples():
    fleet: Fleet = {f"e{n}": [(ONE, {"a": f"old {n}"}, {"a": f"new {n}"})] for n in range(400)}
    assert lines(difference(fleet))[4:] == [
        "    a: differs by environment, such as",
        *("      e0: old 0 -> new 0", "      e1: old 1 -> new 1", "      and 398 more"),
    ]


def test_names_are_abbreviated_where_there_are_many():
    assert abbreviated(["a", "b", "c", "d"]) == "a, b, c, d"
    assert abbreviated(["a", "b", "c", "d", "e"]) == "a, b and 3 more"


@given(st.text())
@settings(max_examples=40)
def test_nothing_printed_steers_a_terminal(value):
    assert printable(value).isprintable()


# ----------------------------------------------------------------------------------------------------------------- json


def test_json_holds_all_of_it():
    fleet: Fleet = {f"e{n}": [(ONE, {"a": n, "b": [1]}, {"a": 9, "b": [1, 2]})] for n in range(3)}
    about = {"resource": {"apiVersion": "v1", "kind": "ConfigMap", "namespace": "team", "name": "config"}}
    assert data(difference({**fleet, "same": []}, added=("x",), removed=("y",))) == {
        "version": 1,
        "before": "output/",
        "environments": {"added": ["x"], "removed": ["y"], "changed": ["e0", "e1", "e2"], "unchanged": 1},
        "groups": [
            {
                "environments": ["e0", "e1", "e2"],
                "changes": [
                    {
                        **about,
                        "change": "changed",
                        "path": ["a"],
                        "pathText": "a",
                        "byEnvironment": [{"environments": [f"e{n}"], "old": n, "new": 9} for n in range(3)],
                    },
                    {**about, "change": "item-added", "path": ["b"], "pathText": "b", "new": 2},
                ],
            }
        ],
    }


# ------------------------------------------------------------------------------------------------------------- markdown


def outside_of_fences(comment: str) -> str:
    """What isn't in a fence; fences and details must be closed, each by its own."""
    kept, fence = [], ""
    for line in comment.splitlines():
        opened = re.fullmatch(r"(`{3,})diff", line)
        if fence:
            assert line == fence or not line.lstrip().startswith(fence)
            fence = "" if line == fence else fence
        elif opened:
            fence = opened[1]
        else:
            kept.append(line)
    assert not fence
    text = "\n".join(kept)
    assert re.findall(r"</?details", text) == ["<details", "</details"] * text.count("<details")
    return text


def test_markdown_reads_as_a_comment():
    fleet: Fleet = {f"e{n}": [(ONE, {"a": 1, "b": ["x"]}, {"a": 2, "b": []})] for n in range(9)}
    assert markdown(difference(fleet, added=("new/one",), removed=("old",))) == (
        "**sidecert diff**: 9 of 10 environments differ, 1 is new, 1 is gone.\n"
        "Compared with <code>output/</code>.\n"
        "New: <code>new/one</code>.\n"
        "Gone: <code>old</code>.\n"
        "\n<details open><summary>all 9 environments: <code>e0, e1 and 7 more</code></summary>\n\n"
        "```diff\n@@ ConfigMap team/config @@\n- a: 1\n+ a: 2\n- b[]: x\n```\n\n</details>\n"
    )


HOSTILE = [
    *NASTY,
    "```",
    "````\n```diff\n</details>",
    "<script>",
    "@octocat",
    "| a |",
    "![x](https://e.com/x)",
    "#1",
    "`",
]
WORDS = st.sampled_from(HOSTILE) | st.text(max_size=20)
CHANGED = st.tuples(st.builds(resource, WORDS, WORDS), *[st.dictionaries(WORDS, WORDS, max_size=3)] * 2)


@given(
    st.dictionaries(WORDS, st.lists(CHANGED, max_size=3), max_size=5),
    st.lists(WORDS, max_size=3),
    st.integers(3_000, 12_000),
)
@settings(max_examples=25)
def test_nothing_breaks_out_of_the_comment_or_makes_it_too_long(fleet, gone, most):
    comment = markdown(difference(fleet, removed=tuple(gone)), most)
    assert len(comment.encode(errors="surrogatepass")) <= most
    rest = outside_of_fences(comment)
    rest = re.sub(r"</?(?:details|details open|summary|code)>", "", rest)
    assert not re.search(r"[<>@|\[\]!]", rest)
    assert "`" not in rest.replace("`sidecert diff`", "")


def test_what_doesnt_fit_into_the_comment_is_counted():
    fleet: Fleet = {f"e{n:03}": [(resource(f"r{n}"), {}, {"a": f"value {n} " * 40})] for n in range(300)}
    comment = markdown(difference(fleet))
    assert len(comment) <= MOST_BYTES
    shown = comment.count("<details")
    headings = comment.count("1 change, too long for a comment.")
    left_out = int(re.findall(r"and (\d+) left out", comment)[0])
    assert shown > 50
    assert shown + headings + left_out == 300
    assert f"Of 300 groups of changes, {headings} told by their headings alone and {left_out} left out" in comment
    outside_of_fences(comment)


def test_a_group_that_is_too_long_leaves_room_for_those_after_it():
    fleet: Fleet = {"e1": [(ONE, {}, {f"k{n}": "x" * 100 for n in range(1000)})], "e2": [(ONE, {"a": 1}, {"a": 2})]}
    comment = markdown(difference(fleet))
    assert "1000 changes, too long for a comment." in comment
    assert "- a: 1\n+ a: 2\n" in comment
    assert html.unescape(comment).endswith("`sidecert diff` prints them all.\n")


def test_json_of_hostile_values_is_json():
    fleet: Fleet = {"e1": [(ONE, {}, dict(zip(HOSTILE, HOSTILE, strict=True)))]}
    assert json.loads(json.dumps(data(difference(fleet))))["groups"][0]["environments"] == ["e1"]
