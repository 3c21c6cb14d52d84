"""Single values change in a YAML text, and every other byte stays."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from generator.errors import InputError, ValuePath
from generator.yaml import document_locations, load_documents
from generator.yaml.editing import REMOVE, Change, changed, edited, ended_as
from generator.yaml.editing.plan import same

#: What happens, the text before, path, value, the text after.
CASES: list[tuple[str, str, ValuePath, Any, str]] = [
    ("a scalar keeps the comment on its line", "a: 1  # one\nb: 2\n", ("a",), 5, "a: 5  # one\nb: 2\n"),
    ("trailing blanks stay", "a: 1   \nb: 2\n", ("a",), 5, "a: 5   \nb: 2\n"),
    ("double quotes stay", 'a: "1"\n', ("a",), "x", 'a: "x"\n'),
    ("single quotes stay", "a: '1'\n", ("a",), "it's", "a: 'it''s'\n"),
    ("a plain text that needs quotes gets them", "a: x\n", ("a",), "yes", "a: 'yes'\n"),
    ("quotes go where a number comes", 'a: "1" # s\n', ("a",), 1, "a: 1 # s\n"),
    ("a null without a word gets a value", "a:   # none\nb:\n", ("a",), 1, "a: 1   # none\nb:\n"),
    ("the null of an item gets a value", "- \n-\n", (1,), "x", "- \n- x\n"),
    ("a plain text over several lines is one value", "a: x\n  y\nb: 2\n", ("a",), "z", "a: z\nb: 2\n"),
    ("a document of one scalar", "# c\n--- x # d\n", (), "v", "# c\n--- v # d\n"),
    ("a value that isn't changed stays as it is", "a: {b:   'x'}\n", ("a",), {"b": "x"}, "a: {b:   'x'}\n"),
    # new keys
    ("a key goes after the last one", "a:\n    b: 1\nc: 2\n", ("a", "x"), 1, "a:\n    b: 1\n    x: 1\nc: 2\n"),
    (
        "a key goes before the comment on what follows",
        "a:\n  b: 1 # one\n\n# c\nc: 2\n",
        ("a", "x"),
        1,
        "a:\n  b: 1 # one\n  x: 1\n\n# c\nc: 2\n",
    ),
    (
        "a key goes behind comments that stand further in",
        "a:\n  b: 1 # one\n         # two\nc: 2\n",
        ("a", "x"),
        1,
        "a:\n  b: 1 # one\n         # two\n  x: 1\nc: 2\n",
    ),
    (
        "an object's version goes above its kind",
        "# Licence\nkind: Pod # p\nspec: {}\n",
        ("apiVersion",),
        "v1",
        "# Licence\napiVersion: v1\nkind: Pod # p\nspec: {}\n",
    ),
    ("also behind another key", "a: 1\n# k\nkind: X\n", ("apiVersion",), "v1", "a: 1\napiVersion: v1\n# k\nkind: X\n"),
    ("in JSON too", '{"kind":"X","a":1}', ("apiVersion",), "v1", '{"apiVersion":"v1","kind":"X","a":1}'),
    ("in a list of objects", "- kind: X\n  a: 1\n", (0, "apiVersion"), "v1", "- apiVersion: v1\n  kind: X\n  a: 1\n"),
    ("a version alone goes to the end", "a: 1\n", ("apiVersion",), "v1", "a: 1\napiVersion: v1\n"),
    ("a text without a last line end stays without", "a: 1", ("b",), 2, "a: 1\nb: 2"),
    ("a literal at the end gets its line end", "a: 1", ("b",), "x\ny\n", "a: 1\nb: |\n  x\n  y\n"),
    ("a literal that lacks its line end keeps its text", "a: |\n  x", ("b",), 1, "a: |-\n  x\nb: 1"),
    ("a key behind a literal", "a: |\n  x\n\n# c\n", ("b",), 1, "a: |\n  x\nb: 1\n\n# c\n"),
    ("a key behind a literal that keeps its lines", "a: |+\n  x\n\n# c\n", ("b",), 1, "a: |+\n  x\n\nb: 1\n# c\n"),
    ("a map below a new key", "a:\n   b: 1\n", ("x", "z"), 1, "a:\n   b: 1\nx:\n   z: 1\n"),
    ("a map in the place of nothing", "a: # c\nb: 1\n", ("a", "x"), 1, "a: # c\n  x: 1\nb: 1\n"),
    ("a map in the place of null", "a: null\nb: 1\n", ("a", "x"), 1, "a:\n  x: 1\nb: 1\n"),
    ("a list where the path says 0", "a:\n", ("a", 0, "x"), 1, "a:\n- x: 1\n"),
    ("an empty map becomes a block", "a: {} # c\n", ("a", "x"), 1, "a: # c\n  x: 1\n"),
    ("examples in comments stay below", "a: {}\n  ## b: c\nd: 1\n", ("a", "x"), 1, "a:\n  x: 1\n  ## b: c\nd: 1\n"),
    ("no comment becomes part of a literal", "a: {}\n  # b\n", ("a",), "v\nw\n", 'a: "v\\nw\\n"\n  # b\n'),
    ("an empty list becomes a block", "a: []\nb:\n  - 1\n", ("a", 0), "x", "a:\n  - x\nb:\n  - 1\n"),
    ("a key in a map of a list", "- a: 1\n  b: 2\n- c: 3\n", (0, "x"), 1, "- a: 1\n  b: 2\n  x: 1\n- c: 3\n"),
    ("windows' line ends", "a:\r\n  b: 1\r\nc: 2\r\n", ("a", "x"), ["v"], "a:\r\n  b: 1\r\n  x:\r\n  - v\r\nc: 2\r\n"),
    ("a byte order mark stays", "\ufeffa: 1\r\n", ("a",), 2, "\ufeffa: 2\r\n"),
    ("a text of other scripts", "ä: é # ü 🎉\nb: 🎉\nc: 1\n", ("c",), "ö", "ä: é # ü 🎉\nb: 🎉\nc: ö\n"),
    # lists
    ("an item at the dashes' column", "a:\n- x\nb: 1\n", ("a", 1), "v", "a:\n- x\n- v\nb: 1\n"),
    ("an item further in", "a:\n  - x # c\nb: 1\n", ("a", 1), "v", "a:\n  - x # c\n  - v\nb: 1\n"),
    (
        "an item of several keys",
        "a:\n  -   b: 1\n",
        ("a", 1),
        {"c": 1, "d": []},
        "a:\n  -   b: 1\n  -   c: 1\n      d: []\n",
    ),
    ("an item put first", "a:\n  # of x\n  - x\n", ("a",), ["w", "x"], "a:\n  - w\n  # of x\n  - x\n"),
    ("an item put between", "a:\n- x # x\n# of z\n- z\n", ("a",), ["x", "v", "z"], "a:\n- x # x\n- v\n# of z\n- z\n"),
    ("an item put first in a list of lists", "- - x\n  - z\n", (0,), ["w", "x", "z"], "- - w\n  - x\n  - z\n"),
    (
        "the style of the nearest list",
        "a:\n- b:\n    - 1\n  c: 1\n",
        ("a", 0, "d"),
        [1],
        "a:\n- b:\n    - 1\n  c: 1\n  d:\n    - 1\n",
    ),
    (
        "items are found by their name",
        "- name: a # a\n  x: 1\n- name: b # b\n  x: 2\n",
        (),
        [{"name": "b", "x": 3}],
        "- name: b # b\n  x: 3\n",
    ),
    # removal
    ("an entry goes with its comments", "a: 1\n# of b\nb: 2 # b\nc: 3\n", ("b",), REMOVE, "a: 1\nc: 3\n"),
    ("a comment apart stays", "a: 1\n# apart\n\nb: 2\nc: 3\n", ("b",), REMOVE, "a: 1\n# apart\n\nc: 3\n"),
    ("the comment that opens the text stays", "# file\na: 1\nb: 2\n", ("a",), REMOVE, "# file\nb: 2\n"),
    ("the last entry leaves a map", "a:\n  b: 1 # b\nc: 2\n", ("a", "b"), REMOVE, "a: {}\nc: 2\n"),
    ("the last item leaves a list", "a: # c\n  - b: 1\n    c: 2\n# d\n", ("a", 0), REMOVE, "a: [] # c\n# d\n"),
    ("the last entry of a text", "a: 1\n", ("a",), REMOVE, "{}\n"),
    ("the last entry of an item", "- a: 1\n- b\n", (0, "a"), REMOVE, "- {}\n- b\n"),
    ("the first entry of an item", "- a: 1 # a\n  # of b\n  b: 2\n", (0, "a"), REMOVE, "- # of b\n  b: 2\n"),
    ("the first entry of an item alone", "- a: 1\n  b: 2\n", (0, "a"), REMOVE, "- b: 2\n"),
    ("the last line without an end", "a: 1\nb: 2", ("b",), REMOVE, "a: 1"),
    ("what looks like a comment in quotes", 'a: "x\n# v"\nb: 1\nc: 2\n', ("b",), REMOVE, 'a: "x\n# v"\nc: 2\n'),
    ("what isn't there", "a: 1\n", ("b", "c"), REMOVE, "a: 1\n"),
    ("an entry with a literal", "a: |\n  # x\n  y\n\nb: 2\n", ("a",), REMOVE, "\nb: 2\n"),
    # kinds that change
    ("a map becomes a scalar", "a: # c\n  b: 1\n  c: 2\nd: 1\n", ("a",), "x", "a: x # c\nd: 1\n"),
    ("an item's map becomes a scalar", "- a: 1\n  b: 2\n- c\n", (0,), "x", "- x\n- c\n"),
    ("a scalar becomes a list", "a: x # c\nb: 1\n", ("a",), [1], "a: # c\n- 1\nb: 1\n"),
    ("a list becomes a map", "a:\n- 1\nb: 1\n", ("a",), {"x": 1}, "a:\n  x: 1\nb: 1\n"),
    ("an item becomes a map", "- x # c\n- y\n", (0,), {"a": 1, "b": 2}, "- # c\n  a: 1\n  b: 2\n- y\n"),
    ("an item becomes a map on its line", "- x\n- y\n", (0,), {"a": 1, "b": 2}, "- a: 1\n  b: 2\n- y\n"),
    ("a value on the next line", "a:\n  'x' # c\nb: 1\n", ("a",), "y", "a:\n  'y' # c\nb: 1\n"),
    # several lines
    ("a new text of lines is a literal", "a: x # c\nb: 1\n", ("a",), "x\ny\n", "a: | # c\n  x\n  y\nb: 1\n"),
    (
        "of a literal only the line changes that differs",
        "a: |\n    x  \n    y\n   \n     z\n\nb: 1\n",
        ("a",),
        "x  \nw\n\n z\n",
        "a: |\n    x  \n    w\n   \n     z\n\nb: 1\n",
    ),
    ("a literal's chomping follows", "a: |- # c\n  x\nb: 1\n", ("a",), "y\n", "a: | # c\n  y\nb: 1\n"),
    ("a literal's indentation stays", "a: |2\n   x\n  y\n", ("a",), " x\nz\n", "a: |2\n   x\n  z\n"),
    ("a literal becomes a number", "a: | # c\n  x\nb: 1\n", ("a",), 1, "a: 1 # c\nb: 1\n"),
    ("a folded text keeps its lines", "a: >-\n  x y\n  z\n  w\n", ("a",), "x y q w", "a: >-\n  x y\n  q\n  w\n"),
    ("a folded text of more lines is a literal", "a: >-\n  x y\n", ("a",), "x\ny", "a: |-\n  x\n  y\n"),
    ("double quotes over several lines", 'a: "x\\n\n  y"\nb: 1\n', ("a",), "x\nz\n", 'a: "x\\nz\\n"\nb: 1\n'),
    ("a literal in windows' text", "a: |\r\n  x\r\n  y\r\n", ("a",), "x\nz\n", "a: |\r\n  x\r\n  z\r\n"),
    # between brackets
    ("a value between brackets", "a: {b: 1, c: [x, 'y']} # c\n", ("a", "c", 1), "z", "a: {b: 1, c: [x, 'z']} # c\n"),
    ("a new key between braces", "a: {b: 1} # c\n", ("a", "c"), ["x"], "a: {b: 1, c: [x]} # c\n"),
    ("blanks within braces", "a: { b: 1 }\n", ("a", "c"), 2, "a: { b: 1, c: 2 }\n"),
    ("a new item between brackets", "[a, b, ]\n", (2,), "c", "[a, b, c, ]\n"),
    ("a new key behind one without a value", "{a, b: }\n", ("c",), 1, "{a, b: , c: 1}\n"),
    ("a pair without braces gets them", "[a: 1]\n", (0, "b"), 2, "[{a: 1, b: 2}]\n"),
    ("a key alone gets a value", "{a, b}\n", ("a",), 1, "{a: 1, b}\n"),
    ("one removed between braces", "{a: 1, b: 2, c: 3}\n", ("b",), REMOVE, "{a: 1, c: 3}\n"),
    ("the last removed between braces", "{a: 1, b: 2}\n", ("b",), REMOVE, "{a: 1}\n"),
    ("the only one removed", "a: [ b ]\n", ("a", 0), REMOVE, "a: []\n"),
    ("brackets over lines", "a: [\n  x, # x\n  y # y\n]\n", ("a", 2), "z", "a: [\n  x, # x\n  y, # y\n  z\n]\n"),
    ("brackets over lines, one less", "a: [\n  x, # x\n  y # y\n]\n", ("a", 1), REMOVE, "a: [\n  x # x\n]\n"),
    # JSON
    (
        "JSON over lines",
        '{\n    "a": {\n        "b": 1\n    }\n}\n',
        ("a", "c"),
        [{"d": "x"}],
        '{\n    "a": {\n        "b": 1,\n        "c": [\n            {"d": 1}\n        ]\n    }\n}\n'.replace(
            '{"d": 1}', '{\n                "d": "x"\n            }'
        ),
    ),
    ("JSON in one line", '{"a":{"b":1},"c":[]}', ("c", 0), {"d": "yes"}, '{"a":{"b":1},"c":[{"d":"yes"}]}'),
    ("JSON indented by tabs", '{\n\t"a": "b"\n}\n', ("c",), {"d": 1}, '{\n\t"a": "b",\n\t"c": {\n\t\t"d": 1\n\t}\n}\n'),
    ("JSON that loses an entry", '{\n  "a": 1,\n  "b": "x"\n}\n', ("b",), REMOVE, '{\n  "a": 1\n}\n'),
    ("JSON that loses the first", '{\n  "a": 1,\n  "b": "x"\n}\n', ("a",), REMOVE, '{\n  "b": "x"\n}\n'),
    ("JSON that gets a text of lines", '{"a": "x"}', ("a",), "x\ny 🎉\u200b", '{"a": "x\\ny 🎉\\u200b"}'),
    # shared values
    ("an alias is expanded", "a: &x\n  b: 1\nc: *x # c\n", ("c", "b"), 2, "a: &x\n  b: 1\nc: # c\n  b: 2\n"),
    ("an anchor nobody uses stays", "a: &x 1\nb: 2\n", ("a",), 3, "a: &x 3\nb: 2\n"),
    (
        "an anchor moves to its first alias",
        "a: &x # a\n  b: 1\nc: *x # c\nd: *x\n",
        ("a", "b"),
        2,
        "a: # a\n  b: 2\nc: &x # c\n  b: 1\nd: *x\n",
    ),
    ("an anchored scalar moves", "a: &x 1 # a\nb: [*x, *x]\n", ("a",), 2, "a: 2 # a\nb: [&x 1, *x]\n"),
    ("an anchor within what goes", "a:\n  b: &x 1\nc: *x\n", ("a",), REMOVE, "c: &x 1\n"),
    (
        "a merged key is set beside the merge",
        "a: &x {b: 1, c: {d: 1}}\ne:\n  <<: *x\n",
        ("e", "c", "d"),
        2,
        "a: &x {b: 1, c: {d: 1}}\ne:\n  <<: *x\n  c:\n    d: 2\n",
    ),
    (
        "a merged key goes",
        "a: &x {b: 1, c: 2}\ne:\n  <<: *x\n  f: 1\n",
        ("e", "c"),
        REMOVE,
        "a: &x {b: 1, c: 2}\ne:\n  b: 1\n  f: 1\n",
    ),
    (
        "what is merged elsewhere stays there",
        "a: &x\n  b: 1\ne:\n  <<: *x\n",
        ("a", "b"),
        2,
        "a:\n  b: 2\ne:\n  <<: &x\n    b: 1\n",
    ),
    (
        "one of several merged keys goes",
        "a: &x {b: 1}\nc: &y {b: 2, d: 3}\ne:\n  f: 0\n  <<: [*x, *y] # g\nh: 1\n",
        ("e", "d"),
        REMOVE,
        "a: &x {b: 1}\nc: &y {b: 2, d: 3}\ne:\n  f: 0\n  b: 1\nh: 1\n",
    ),
    ("a name given twice", "a: &x 1\nb: *x\nc: &x 2\nd: *x\n", ("a",), 3, "a: 3\nb: &x 1\nc: &x 2\nd: *x\n"),
    ("an alias that is a key", "a: &x k\n*x : 1\n", ("a",), "v", "a: v\n&x k : 1\n"),
    ("a tag goes with its value", "a: !!str 1 # c\n", ("a",), 2, "a: 2 # c\n"),
    ("a tag that fits stays", "a: !!str 1 # c\n", ("a",), "2", "a: !!str '2' # c\n"),
    ("a tagged map", "a: !!map\n  b: 1\nc: 1\n", ("a", "b"), 2, "a: !!map\n  b: 2\nc: 1\n"),
    ("a key with a question mark", "? a\n: b\nc: d\n", ("a",), {"x": 1}, "? a\n:\n  x: 1\nc: d\n"),
]


@pytest.mark.parametrize(("text", "path", "value", "expected"), [case[1:] for case in CASES], ids=[c[0] for c in CASES])
def test_what_becomes_of_a_text(text: str, path: ValuePath, value: Any, expected: str):
    result = edited(text, "a.yaml", [Change(0, path, value)])
    assert result == expected
    assert load_documents(result, "") == [changed(load_documents(text, "")[0], path, value)]


class Writer:
    """Writes YAML in every style there is, each comment with a number of its own."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.comments = 0
        self.anchors: dict[str, bool] = {}
        self.newline = random.choice(["\n", "\n", "\r\n"])
        self.step = random.choice([1, 2, 2, 4])
        self.dash = random.choice([0, 0, 2])
        self.shares = self.chance(30)
        self.names = 0

    def chance(self, percent: int) -> bool:
        return self.random.randrange(100) < percent

    def comment(self, percent: int = 25) -> str:
        if not self.chance(percent):
            return self.random.choice(["", "", "", "  "])
        self.comments += 1
        return f"{self.random.choice([' ', '   '])}# c{self.comments}{self.random.choice(['.', ':', ' é.'])}"

    def text(self) -> str:
        """Write one to three documents."""
        parts = []
        for number in range(self.random.randrange(1, 4)):
            self.anchors = {}
            start = ["---" + self.comment()] if number or self.chance(30) else []
            between = [self.comment(100).strip()] if self.chance(30) else []
            parts += [*between, *start, *(self.a_map(0, 0) if self.chance(80) else self.a_list(0, 0))]
            parts += ["..."] if self.chance(10) and number == 0 else []
        text = self.newline.join(parts) + (self.newline if self.chance(85) else "")
        return ("\ufeff" if self.chance(5) else "") + text

    def above(self, column: int) -> list[str]:
        lines = [""] if self.chance(10) else []
        if self.chance(20):
            lines.append(" " * column + self.comment(100).strip())
        return lines + ([""] if self.chance(5) else [])

    def a_map(self, column: int, depth: int) -> list[str]:
        lines: list[str] = []
        for key in self.random.sample(["a", "b", "c", "name", "'d e'", '"f"'], self.random.randrange(1, 4)):
            lines += [] if not lines and column and depth else self.above(column)
            lines += self.entry(" " * column + key + ":", column, depth, self.step, self.dash)
        maps = [name for name, is_map in self.anchors.items() if is_map]
        if maps and self.chance(15):
            one, other = self.random.choice(maps), self.random.choice(maps)
            merged = f"*{one}" if self.chance(70) else f"[*{one}, *{other}]"
            lines.append(f"{' ' * column}<<: {merged}{self.comment()}")
        if self.chance(5):
            lines.append(
                " " * column + self.random.choice(["? g" + self.comment(), "? g", '? "g"\0: x', "? &k g\0: - x"])
            )
            lines[-1:] = lines[-1].replace("\0", "\n" + " " * column).split("\n")
        return lines

    def a_list(self, column: int, depth: int) -> list[str]:
        lines: list[str] = []
        gap = self.random.choice([2, 2, 2, 4])
        for _ in range(self.random.randrange(1, 4)):
            lines += [] if not lines and column and depth else self.above(column)
            head = " " * column + "-"
            if depth < 3 and self.chance(40):
                inner = self.a_map(column + gap, depth + 1) if self.chance(80) else self.a_list(column + gap, depth + 1)
                lines += [head + inner[0][len(head) :], *inner[1:]]
            else:
                lines += self.entry(head, column, depth, 2, 2)
        return lines

    def entry(self, head: str, column: int, depth: int, step: int, dash: int) -> list[str]:
        """Write what a key or dash holds."""
        kind = self.random.randrange(100)
        if kind > 97:
            pad = " " * (column + max(step, 2))
            return [f"{head} x y", *self.random.choice([[], [""]]), f"{pad}z{self.comment()}"]
        if self.anchors and kind < 8:
            return [f"{head} *{self.random.choice(list(self.anchors))}{self.comment()}"]
        name = f"x{self.names}" if self.shares and self.chance(20) else ""
        self.names += bool(name)
        head += f" &{name}" if name else ""
        if depth < 3 and kind < 30:
            head += self.random.choice([" !!map", *[""] * 20])
            lines = [head + self.comment(), *self.above(column + step), *self.a_map(column + step, depth + 1)]
        elif depth < 3 and kind < 50:
            lines = [head + self.comment(), *self.above(column + dash), *self.a_list(column + dash, depth + 1)]
        elif kind < 60:
            lines = self.block(head, column + step)
        elif kind < 75:
            lines = f"{head} {self.flow(column + 1)}{self.comment()}".split("\0")
        else:
            lines = [head + self.scalar() + self.comment()]
        if name:
            self.anchors[name] = kind < 30 and depth < 3
        return lines

    def block(self, head: str, column: int) -> list[str]:
        pad = " " * column
        header = self.random.choice("||>") + self.random.choice(["", "", "-", "+"]) + self.comment(10)
        lines = [pad + self.random.choice(["x", "y: z # no comment", "- w  ", "é"]) for _ in range(3)]
        if self.chance(30):
            lines.insert(1, self.random.choice(["", pad]))
        return [f"{head} {header.rstrip()}", *lines, *([""] if self.chance(20) else [])]

    def flow(self, column: int, depth: int = 0) -> str:
        opening, closing = ("[", "]") if self.chance(50) else ("{", "}")
        broken = self.chance(30) and not depth
        if depth and self.chance(5):
            return self.random.choice(["[k: v]", "{k, l: }", "[ x ]", "{ k: x }", "[x,]", "{k: [ ], l: x, }"])
        parts = []
        for number in range(self.random.randrange(0, 4)):
            value = (
                self.flow(column, depth + 1) if depth < 2 and self.chance(30) else self.random.choice(["x", "'y'", "1"])
            )
            parts.append(value if opening == "[" else f"k{number}: {value}")
        if not broken or not parts:
            return opening + ", ".join(parts) + closing
        pad = "\0" + " " * column
        commas = [","] * (len(parts) - 1) + [self.random.choice(["", "", ","])]
        lines = [part + comma + self.comment() for part, comma in zip(parts, commas, strict=True)]
        opening += self.comment(10)
        return opening + pad + pad.join(lines) + self.random.choice([pad, "\0" + " " * column]) + closing

    def scalar(self) -> str:
        return self.random.choice(
            [
                "",
                " x",
                " 'x'",
                ' "x"',
                " 1",
                " true",
                " null",
                " ~",
                " x y",
                ' "a\\nb"',
                " {}",
                " []",
                " !!str 1",
                ' ""',
            ]
        )


VALUES: list[Any] = [
    *[1, True, None, "x", "yes", "a: b", "v\nw\n", "v\n\n  w", "# no", " v", "", 2.5, "é🎉", "v\tw", "v\n\n\n"],
    *[{}, [], {"k": "v"}, ["i", {"a": 1, "b": [1, 2]}], {"name": "n", "m": {"x": ["a"]}, "t": "a\nb\n"}],
]


def paths(tree: Any, path: ValuePath = ()) -> Iterator[ValuePath]:
    yield path
    inner = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, item in inner:
        yield from paths(item, (*path, key))


def at(tree: Any, path: ValuePath) -> Any:
    for part in path:
        tree = tree[part]
    return tree


def random_change(random: Random, documents: list[Any]) -> Change:
    """Draw a change that can be made: something new, something else, or something less."""
    index = random.randrange(len(documents))
    path = random.choice(list(paths(documents[index])))
    old, kind = at(documents[index], path), random.randrange(4)
    value = random.choice(VALUES)
    if isinstance(old, dict) and kind == 0:
        return Change(index, (*path, *random.choice([("new",), ("yes",), ("new", 0, "k")])), value)
    if isinstance(old, list) and kind == 0:
        return Change(index, (*path, len(old)), value)
    if path and kind == 1:
        return Change(index, path, REMOVE)
    if old and kind == 2:
        if isinstance(old, dict):
            value = {**{key: item for key, item in old.items() if random.random() < 0.7}, "new": value}
        elif isinstance(old, list):
            value = [item for item in old if random.random() < 0.7]
            value.insert(random.randrange(len(value) + 1), "new")
        elif isinstance(old, str):
            lines = old.split("\n")
            lines[random.randrange(len(lines))] += "v"
            value = "\n".join(lines)
    return Change(index, path, value if path or value is not None else "x")


def comments(text: str) -> set[str]:
    return set(re.findall(r"# c\d+[.: ]", text))


def comments_at(text: str, change: Change) -> set[str]:
    """The comments that may go with what a change takes away: within it, on its line, and right above it."""
    lines = text.splitlines()
    documents = [places.keys for places in document_locations(text.removeprefix("\ufeff"), "")]
    first = documents[change.document][change.path].line - 1
    after = [
        place.line - 1
        for number, one in enumerate(documents)
        for path, place in one.items()
        if place.line - 1 > first and (number != change.document or path[: len(change.path)] != change.path)
    ]
    last = min(after, default=len(lines))
    while first and re.fullmatch(r"[ -]*(#.*)?", lines[first - 1]):
        first -= 1
    return comments("\n".join(lines[first : last + 1]))


def in_common(one: str, other: str) -> int:
    """How many characters two texts begin with alike."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((number for number, (a, b) in pairs if a != b), min(len(one), len(other)))


def check(text: str, change: Change) -> str:
    """Make a change, and hold the result to all that is promised of it."""
    before = load_documents(text.removeprefix("\ufeff"), "")
    result = edited(text, "a.yaml", [change])
    wanted = list(before)
    wanted[change.document] = changed(before[change.document], change.path, change.value)
    assert same(load_documents(result.removeprefix("\ufeff"), ""), wanted)

    if result == text:
        return text
    start = in_common(text, result)
    end = in_common(text[start:][::-1], result[start:][::-1])
    places = [one.keys for one in document_locations(text.removeprefix("\ufeff"), "")]
    last_before = max((place.line for one in places[: change.document] for place in one.values()), default=0)
    assert text[:start].count("\n") >= last_before
    if change.document + 1 < len(places):
        following = places[change.document + 1][()].line
        assert text[: len(text) - end].count("\n") < following

    try:
        at(before[change.document], change.path)
        may_go = comments_at(text, change) if "*" not in text else comments(text)
    except (KeyError, IndexError, TypeError):
        may_go = set() if "*" not in text else comments(text)
    assert comments(text) - comments(result) <= may_go
    assert "\r\n" not in text or "\n" not in result.replace("\r\n", "")
    return result


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32))
def test_any_change_to_any_text_keeps_what_it_does_not_name(seed: int):
    random = Random(seed)
    text = Writer(random).text()
    documents = load_documents(text.removeprefix("\ufeff"), "")
    assume(documents)
    for _ in range(4):
        check(text, random_change(random, documents))


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32))
def test_what_was_changed_and_put_back_is_as_it_was(seed: int):
    random = Random(seed)
    text = Writer(random).text()
    documents = load_documents(text.removeprefix("\ufeff"), "")
    assume(documents and "*" not in text and "[k: v]" not in text and text.endswith("\n"))
    for index, tree in enumerate(documents):
        for path in paths(tree):
            old = at(tree, path)
            if old and isinstance(old, dict):
                there_and_back = [
                    Change(index, (*path, "new"), random.choice(VALUES)),
                    Change(index, (*path, "new"), REMOVE),
                ]
            elif isinstance(old, str) and old in {"x", "x y"}:
                there_and_back = [Change(index, path, "v w"), Change(index, path, old)]
            else:
                continue
            assert edited(text, "a.yaml", there_and_back) == text


def check_json(random: Random) -> bool:
    """Change a JSON text at random: the result is laid out as the text is, all of it. False where there was none."""
    documents = load_documents(Writer(random).text().removeprefix("\ufeff"), "")
    if not documents:
        return False
    compact = random.random() < 0.3
    style: dict[str, Any] = {"ensure_ascii": False}
    style |= {"separators": (",", ":")} if compact else {"indent": random.choice([None, 1, 2, 4, "\t"])}
    text = json.dumps(documents[0], **style) + random.choice(["", "\n"])
    change = random_change(random, documents[:1])
    wanted = changed(documents[0], change.path, change.value)
    result = edited(text, "a.json", [change])
    assert same(json.loads(result), wanted)
    # A text such as `[{}]` doesn't show how it separates.
    assert not re.search("[,:]", text) or result.rstrip("\n") == json.dumps(json.loads(result), **style)
    return True


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32))
def test_any_change_to_json_leaves_json_laid_out_alike(seed: int):
    assume(check_json(Random(seed)))


CORPUS = sorted(Path(__file__).parents[2].glob("shared/corpus/*/*.yaml"))


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.name)
def test_public_manifests_can_be_changed_anywhere(path: Path):
    text = path.read_bytes().decode()
    documents = load_documents(text, path.name)
    random = Random(path.name)
    for _ in range(3):
        check(text, random_change(random, documents))


def test_a_later_change_sees_an_earlier_one():
    changes = [Change(1, ("a",), {"b": [1]}), Change(1, ("a", "b", 1), 2), Change(0, ("x",), REMOVE)]
    assert edited("x: 1\nz: 2\n---\na: # c\n", "", changes) == "z: 2\n---\na: # c\n  b:\n  - 1\n  - 2\n"


@pytest.mark.parametrize(
    ("old", "text", "ended"),
    [
        ("a: 1", "a: 2\n", "a: 2"),
        ("a: 1\r\nb: 1", "a: 2\r\nb: 1\r\n", "a: 2\r\nb: 1"),
        ("a: 1\n", "a: 2\n", "a: 2\n"),
        ("a: 1", "a: |\n  b\n", "a: |\n  b\n"),  # the block ends in a line end
        ("", "a: 2\n", "a: 2\n"),
        ("a: 1", "a: {\n", "a: {\n"),
    ],
)
def test_a_line_end_that_only_edits_brought_goes_again(old: str, text: str, ended: str):
    assert ended_as(old, text, "a.yaml") == ended


def test_documents_are_counted_without_the_empty_ones():
    text = "%YAML 1.1\n---\n# nothing\n---\na: 1 # a\n...\n# end\n---\nnull\n--- # b\nb: 1\n"
    assert edited(text, "", [Change(0, ("a",), 2), Change(1, ("b",), REMOVE)]) == text.replace("a: 1", "a: 2").replace(
        "b: 1", "{}"
    )


def test_a_tree_is_not_changed_but_copied():
    tree: dict[str, Any] = {"a": [{"b": 1}, {"c": 2}], "d": None}
    before = json.dumps(tree)
    result: Any = changed(tree, ("a", 0, "x", "y"), 5)
    assert result == {"a": [{"b": 1, "x": {"y": 5}}, {"c": 2}], "d": None}
    assert changed(tree, ("d", 0), 1) == {"a": tree["a"], "d": [1]}
    assert changed(tree, ("a", 7, "b"), REMOVE) == changed(tree, ("e", 0), REMOVE) == tree
    assert changed(tree, ("a", 0), REMOVE) == {"a": [{"c": 2}], "d": None}
    assert json.dumps(tree) == before
    assert result["a"][1] is tree["a"][1]


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        (("a", "b", "c"), 1, "a.yaml:2:6: a.b.c: can't be changed here\n    found: a string"),
        (("a", 0), 1, "a.yaml:2:3: a[0]: can't be changed here\n    found: a map"),
        (("l", 2), 1, "a.yaml:3:4: l[2]: can't be changed here\n    found: a list of 1"),
        (("l", "x"), 1, "a.yaml:3:4: l.x: can't be changed here\n    found: a list of 1"),
        (("new", 1), 1, "a.yaml:1:1: new[1]: can't be changed here\n    found: a list of 0"),
        ((), REMOVE, "a.yaml:1:1: a whole document can't be taken out"),
        ((), None, "a.yaml:1:1: a whole document can't be taken out"),
    ],
)
def test_a_path_that_does_not_fit_is_refused(path: ValuePath, value: Any, expected: str):
    with pytest.raises(InputError) as caught:
        edited("a:\n  b: x\nl: [1]\n", "a.yaml", [Change(0, path, value)])
    assert str(caught.value).startswith(expected)


def test_a_document_that_is_not_there_is_refused():
    with pytest.raises(InputError, match="there is no document 2\n    found: 1 document"):
        edited("a: 1\n", "a.yaml", [Change(1, ("a",), 2)])


def test_a_text_that_would_read_differently_is_never_given():
    # No YAML holds half of a character.
    with pytest.raises(InputError, match="a: can't be changed without"):
        edited("a: 1 # c\n", "a.yaml", [Change(0, ("a",), "\ud800")])


def test_ports_may_be_keys_without_quotes():
    text = "portLevelMtls:\n  8080: # ours\n    mode: DISABLE\n"
    assert edited(text, "a.yaml", [Change(0, ("portLevelMtls", "8080", "mode"), "STRICT")]) == text.replace(
        "DISABLE", "STRICT"
    )


def test_a_colon_between_brackets_stays_as_it_is():
    text = "targets: [localhost:9090, a]  # ours\nb: 1\n"
    assert edited(text, "a.yaml", [Change(0, ("b",), 2), Change(0, ("targets", 1), "c:1")]) == (
        "targets: [localhost:9090, 'c:1']  # ours\nb: 2\n"
    )
