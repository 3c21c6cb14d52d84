"""Single values change in a YAML text, and every other byte stays."""

from __future__ import annotations

from typing import Any

import pytest

from generator.errors import ValuePath
from generator.yaml import load_documents
from generator.yaml.editing import REMOVE, Change, changed, edited

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
