"""Every row of the function table means the same in Python and in Go: one chart with all of them, run through Helm."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generator import yaml
from generator.functions import FUNCTIONS, Text, go_call, kind_of
from tests.tools import program

LONG = "a long string, because Go wraps none of them " * 4
NESTED = {"b": {"y": [1, {"z": None}], "x": True}, "a": "no", "c": 1500000, "d": 0.5, "e": [], "f": {}}

# The arguments of each call; the piped value of a filter comes first.
CASES: list[tuple[str, tuple[Any, ...]]] = [
    *(("default", (value, "other")) for value in ("", "x", 0, 5, False, True, None, [], ["x"], {}, {"a": "b"})),
    *(("length", (value,)) for value in ("", "abc", "é", [], [1, 2], {}, {"a": 1})),
    *(("join", (value, ",")) for value in ([], ["a"], ["a", "", "b,c"])),
    *(("lower", (text,)) for text in ("", "ABC-1", "ÄÖÜẞ", "ΟΔΟΣ", "İ", "ǅ")),
    *(("quote_regex", (text,)) for text in ("", r"a.b+c*d?(e)[f]{g}|h^i$j\k", "-_/:,;<>=!#&~@%\"' \t\n", "é")),
    *(("sort_list", (value,)) for value in ([], ["b", "a", "B", "ä", "", "10", "9", "\uffff", "\U00010000"])),
    *(("json", (value,)) for value in (NESTED, [], {}, "<a>&\u2028", None, True, 3, ["é"])),
    *(("yaml", (value,)) for value in (NESTED, [NESTED, ["x", []]], {"text": "a\n  b\n", "long": LONG}, [], {})),
    ("format", ("plain",)),
    ("format", ("%s:%s", "a%s", "{{ b }}")),
    ("format", ("%d%% of %s", 1500000, "é")),
    *(
        ("version_at_least", (version, minimum))
        for version in (
            "1.22",
            "1.22.0",
            "1.21.9",
            "v1.30.1",
            "2",
            "1.22.0-rc.1",
            "1.22.0-0",
            "1.21.0-rc.1",
            "1.22.1+x",
        )
        for minimum in ("1.22", "1.22.1", "1.9")
    ),
    *(("milliseconds", (text,)) for text in ("0s", "5ms", "010s", "00s", "1h30m", "1y2w3d4h5m6s7ms", "30s")),
    *(("has_key", ({"a": "", "": 1}, key)) for key in ("a", "b", "")),
    *(("contains", (["a", "1"], item)) for item in ("a", "b", "", "1")),
    ("contains", ([1, None, True], "1")),
    *(("starts_with", ("/etc/certs", prefix)) for prefix in ("/etc/", "", "/etc/certs/", "etc")),
    *(
        ("matches", (text, pattern))
        for text in ("/etc/certs", "a\nb", "ab\n", "é", "a]b", "12")
        for pattern in (
            r"^/etc/",
            r"a$",
            r"b$",
            r"^\w+$",
            r"^.b",
            r"[$]",
            r"[]$]b",
            r"\d{2}",
            r"(?i)^A",
            r"(?:a|é)",
            r"b\z",
            r"^$",
        )
    ),
    ("merge", ({"a": "1", "b": {"x": "1"}, "c": "3"}, {"b": {"y": "2"}, "c": ""}, {"d": 5})),
    ("merge", ({},)),
    ("concat", (["a"], [], ["b", {"c": 1}])),
]


def go_argument(value: Any, values: dict[str, Any]) -> str:
    """Spell an argument in Go; maps and lists come from the chart's values, as they do in a real one."""
    if isinstance(value, dict | list):
        name = f"v{len(values)}"
        values[name] = value
        return f"$.Values.{name}"
    return "$.Values.absent" if value is None else json.dumps(value)


def chart(folder: Path, template: str, values: dict[str, Any]) -> Path:
    (folder / "templates").mkdir()
    (folder / "Chart.yaml").write_text("apiVersion: v2\nname: rows\nversion: 1.0.0\n")
    (folder / "values.yaml").write_text(yaml.block(values), encoding="utf-8")
    (folder / "templates" / "_helpers.tpl").write_text("".join(row.helper for row in FUNCTIONS.values()))
    (folder / "templates" / "rows.yaml").write_text(template, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def go_results(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """What Go makes of every case, as JSON."""
    values: dict[str, Any] = {}
    rows = []
    for name, arguments in CASES:
        call = go_call(name, *(go_argument(argument, values) for argument in arguments))
        rows.append(f"- {{{{ {call} | toJson | quote }}}}\n")
    folder = chart(tmp_path_factory.mktemp("chart"), "apiVersion: v1\nkind: Rows\nrows:\n" + "".join(rows), values)
    done = subprocess.run([program("helm"), "template", "rows", str(folder)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    printed: Any = yaml.load(done.stdout, "rows.yaml")
    return [json.loads(row) for row in printed["rows"]]


@pytest.mark.programs
@pytest.mark.parametrize("number", range(len(CASES)), ids=lambda number: f"{number}-{CASES[number][0]}")
def test_python_and_go_agree(number: int, go_results: list[Any]):
    name, arguments = CASES[number]
    ours, theirs = FUNCTIONS[name].python(*arguments), go_results[number]
    if name == "yaml":
        assert isinstance(ours, Text)
        assert yaml.load(unmarked(ours), "ours") == yaml.load(f"{theirs}\n", "theirs") == arguments[0]
    else:
        assert ours == theirs
        assert type(ours) is type(theirs)


def unmarked(text: Text) -> str:
    return str(text).strip("\x02\x03").replace("\x1e", "\n") + "\n"


@pytest.mark.programs
def test_fail_gives_the_path_and_the_reason_for_helm_to_end_with(tmp_path: Path):
    call = go_call("fail", '"certificates.directory"', '"a reason"')
    folder = chart(tmp_path, f"{{{{ fail ({call}) }}}}", {})
    done = subprocess.run([program("helm"), "template", "rows", str(folder)], capture_output=True, text=True)
    assert done.returncode != 0
    assert "certificates.directory: a reason" in done.stderr


def test_every_row_has_a_case():
    without_go = {"indent"}
    assert {name for name, _ in CASES} | {"fail"} | without_go == set(FUNCTIONS)
    assert {name for name, row in FUNCTIONS.items() if not row.go} == without_go


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("length", (5,), "length takes a list, a map or a string, not an integer"),
        ("join", ([1], ","), "join takes a list of strings: it holds an integer"),
        ("join", ("ab", ","), "join takes a list of strings, not a string"),
        ("lower", (None,), "lower takes a string, not null"),
        ("quote_regex", (1.5,), "quote_regex takes a string, not a float"),
        ("lower", (Text("x"),), "lower takes a string, not printed text"),
        ("json", ({"a": {1}},), "json takes values, not a set"),
        ("yaml", (Text("x"),), "yaml takes values, not printed text"),
        ("yaml", ({"a": [Text("x")]},), "yaml takes values, not printed text"),
        ("json", ({1: "a"},), "json takes maps whose keys are strings, not an integer"),
        ("indent", ("x", 4), "indent takes the text of a `filter` block or a macro, not a string"),
        ("indent", (Text("x"), -1), "indent takes a number of columns, not an integer"),
        ("format", ("%s", 5), "%s in format takes a string, not an integer"),
        ("format", ("%d", True), "%d in format takes an integer, not a boolean"),
        ("format", ("%d", 1.0), "%d in format takes an integer, not a float"),
        ("format", ("%5d", 1), "format knows %s, %d and %%, not %5"),
        ("format", ("100%",), "format knows %s, %d and %%, not %"),
        ("format", ("%s %s", "a"), "format has more directives than arguments"),
        ("format", ("%s", "a", "b"), "format has more arguments than directives"),
        ("version_at_least", (1.22, "1.22"), "version_at_least takes a string, not a float"),
        ("milliseconds", (30,), "milliseconds takes a string, not an integer"),
        ("milliseconds", ("30",), "`30` is not a duration such as 30s or 1h30m"),
        ("version_at_least", ("latest", "1.22"), "`latest` is not a version such as 1.22 or 1.22.3"),
        (
            "version_at_least",
            ("1.22", "1.22-rc.1"),
            "`1.22-rc.1` is not a version to compare with: write 1.22 or 1.22.3",
        ),
        ("has_key", ([], "a"), "has_key takes a map, not a list"),
        ("contains", ("abc", "a"), "contains takes a list, not a string"),
        ("contains", ([1], 1), "contains takes a string, not an integer"),
        ("starts_with", ("a", None), "starts_with takes a string, not null"),
        ("matches", ("a", "("), "`(` is not a regular expression: missing ), unterminated subpattern at position 0"),
        ("matches", ("a", "(?=a)"), "`(?=` in the regular expression `(?=a)` is not understood alike by Python and Go"),
        (
            "matches",
            ("a", r"(a)\1"),
            r"`\1` in the regular expression `(a)\1` is not understood alike by Python and Go",
        ),
        ("matches", ("a", "a++"), "`++` in the regular expression `a++` is not understood alike by Python and Go"),
        ("merge", ({}, None), "merge takes maps, not null"),
        ("concat", ([], {}), "concat takes lists, not a map"),
        ("fail", ("a", 1), "fail takes a string, not an integer"),
    ],
)
def test_a_wrong_argument_is_refused(name: str, arguments: tuple[Any, ...], message: str):
    with pytest.raises((TypeError, ValueError)) as caught:
        FUNCTIONS[name].python(*arguments)
    assert str(caught.value) == message


@given(st.text())
def test_a_quoted_regex_matches_its_text_alone(text: str):
    python = FUNCTIONS["matches"].python
    quoted = FUNCTIONS["quote_regex"].python(text)
    assert python(text, f"^{quoted}$")
    assert not python(f"{text}x", f"^{quoted}$")


@given(st.lists(st.dictionaries(st.text(), st.integers()), max_size=4))
def test_merge_takes_each_key_from_the_last_map_that_has_it(maps: list[dict[str, int]]):
    merged = FUNCTIONS["merge"].python(*maps)
    assert merged == {key: next(one[key] for one in reversed(maps) if key in one) for one in maps for key in one}


def test_indent_leaves_blank_lines_blank():
    indent = FUNCTIONS["indent"].python
    assert indent(Text("a\n\n  b\n"), 2, first=True) == "  a\n\n    b\n"
    assert indent(Text("a\n\n  b\n"), 2) == "a\n\n    b\n"


def test_captured_text_is_no_condition():
    with pytest.raises(TypeError, match=r"^text printed by a macro, an include or a block can't be a condition$"):
        bool(Text("x"))


def test_types_are_named_as_in_the_values_file():
    values: tuple[Any, ...] = ("", True, 1, 1.5, {}, [], None)
    assert {kind_of(value) for value in values} == {
        "a string",
        "a boolean",
        "an integer",
        "a float",
        "a map",
        "a list",
        "null",
    }
