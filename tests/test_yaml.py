"""YAML in: as Kubernetes and Helm read it. YAML out: as every reader reads it."""

from __future__ import annotations

import io
import math
import subprocess
import textwrap
import time
from collections.abc import Callable
from typing import Any, cast

import pytest
import yaml as pyyaml
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from generator.errors import InputError
from generator.yaml import block, key_locations, load, load_documents, scalar
from tests.tools import program, run

# ruff: noqa: E501  # tables of cases read best in rows

# Strings that some reader of YAML takes for something else, unless they are quoted.
WORDS = r"""
no on off y n Y N yes YES Yes ~ null Null NULL true True FALSE .inf -.inf +.Inf .nan .NaN 0x1F 0o17 017 08 0b1 1_000 1e3
1E3 +1 -1 1. .5 -.5 1.0 1_0.5 12:30 -1:2:3 1:2.5 2001-01-01 2001-1-1T1:2:3Z = << - ? : ! & * | > % @ ` , [ ] { } # --- ...
a: :a a:b ::a: -a ?a *a &a !a !!str %a @a `a [a] {a} a,b a] a# #a 'a "a a'b a"b a\b \ -- --a 0 00 0. 1__0 _1 +_ 0x 0b_ 0o
1.2.3 10.0.0.0/8 ::1 1:: {{x}} $(POD_NAME) http://x:80/y?z#f é 日本語 😀
"""
TRAPS = [
    *WORDS.split(),
    *("", " ", " a", "a ", "a: b", "a :b", "a #b", "a # b", "- a", "? a", "--- a", "... a", "a?", "a ? b", "a  b"),
    *("- - a", "a\nb", "\n", "\na", "a\n", "a\n\n", " a\nb\n", "a\n b\n", "a \nb", "a\n\tb", "\ta", "a\tb", "ü: x"),
    *("a\r\nb", "a\rb", "# a\nb", "---\na: 1", "a\n---\nb", "a\n...\n", "%YAML 1.1\na", "{% raw %}", "0 0 * * *"),
    *("\x00", "\x07", "\x1b[0m", "\x7f", "\x85", "a\u2028b", "\u2029", "\ufeffa", "\ufffe", "\U0001ffff", "\u200b"),
    *("\xa0", "é" * 300, "x" * 2000, "x y " * 500, "{{ $labels.pod }}"),
]
TRUE = "y Y yes Yes YES on On ON true True TRUE"
FALSE = "n N no No NO off Off OFF false False FALSE"

strings = st.one_of(
    st.sampled_from(TRAPS),
    st.text(),
    st.text(alphabet="ab01:-?#,[]{}&*!|>'\"%@` \n\t.+_eExo~=<\\", max_size=12),
    st.text(alphabet="a \n\t#-", max_size=12),
)
scalars = st.one_of(strings, st.integers(), st.floats(allow_nan=False), st.booleans(), st.none())
trees = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(strings, inner, max_size=3), max_leaves=12
)


def ruamel(text: str, version: str) -> object:
    reader = YAML(typ="safe", pure=True)
    reader.version = version
    return reader.load(io.StringIO(text))


READERS: dict[str, Callable[[str], Any]] = {
    "ours": lambda text: load(text, "f.yaml"),
    "PyYAML": pyyaml.safe_load,
    "PyYAML with libyaml": lambda text: pyyaml.load(text, pyyaml.CSafeLoader),
    "ruamel.yaml, YAML 1.1": lambda text: ruamel(text, "1.1"),
    "ruamel.yaml, YAML 1.2": lambda text: ruamel(text, "1.2"),
}


def problems(text: str) -> str:
    with pytest.raises(InputError) as caught:
        load(text, "f.yaml")
    return str(caught.value)


def typed(value: object) -> object:
    """The value with its types in view, so that neither True is 1 nor 1.0, and with maps in no order."""
    if isinstance(value, dict):
        return {key: typed(item) for key, item in value.items()}
    return [typed(item) for item in value] if isinstance(value, list) else (type(value), repr(value))


def same(left: object, right: object) -> bool:
    return typed(left) == typed(right)


# ------------------------------------------------------------------------------------------------------------ reading


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *[(word, True) for word in TRUE.split()],
        *[(word, False) for word in FALSE.split()],
        *[(word, None) for word in ["", "~", "null", "Null", "NULL"]],
        ("1", 1), ("-1", -1), ("+12", 12), ("0", 0), ("017", 15), ("0o17", 15), ("0x1F", 31), ("0b11", 3), ("-0x1_F", -31),
        ("1_000", 1000), ("08", 8.0), ("1e3", 1000.0), ("1.", 1.0), (".5", 0.5), ("1_0.5", 10.5), (".inf", math.inf),
        ("-.INF", -math.inf), ("12:30", "12:30"), ("2001-01-01", "2001-01-01"), ("=", "="), ("1.2.3", "1.2.3"), ("tRUE", "tRUE"),
        ("'yes'", "yes"), ('"1"', "1"), ("!!str 12", "12"), ("!!int 3", 3), ("!!float 3", 3.0), ("|\n 1", "1"),
    ],
)  # fmt: skip
def test_a_scalar_means_what_go_takes_it_for(text, value):
    assert same(load(f"a: {text}", "f.yaml"), {"a": value})


def test_not_a_number_is_read():
    assert math.isnan(cast("float", load(".NaN", "f.yaml")))


def test_helm_reads_scalars_alike(tmp_path):
    words = "12:30 2001-01-01 08 017 0o17 0x1_F 1_000 1e3 1. .5 0b11 +12 yes Y off n tRUE -.inf_ = ~ null .5_0 1__0 0_7 0b2 09.5"
    values = "".join(f"k{number}: {word}\n" for number, word in enumerate(words.split()))
    (tmp_path / "templates").mkdir()
    (tmp_path / "Chart.yaml").write_text("{apiVersion: v2, name: c, version: 0.1.0}")
    (tmp_path / "templates/a.yaml").write_text("{{ toJson .Values }}")
    (tmp_path / "values.yaml").write_text("")
    (tmp_path / "f.yaml").write_text(values)
    printed = run("helm", "template", "x", str(tmp_path), "-f", str(tmp_path / "f.yaml"))
    assert pyyaml.safe_load(printed) == load(values, "f.yaml")


def test_no_document_gives_none():
    assert [load(text, "f.yaml") for text in ("", "# a\n", "---\n", "---\n...\n", " \n")] == [None] * 5


def test_empty_documents_are_left_out_of_a_stream():
    assert load_documents("---\n# a\n---\na: 1\n---\n---\n- b\n", "f.yaml") == [{"a": 1}, ["b"]]


def test_aliases_share_and_merge_keys_merge_under_the_own_keys():
    text = "a: &a {u: 1, v: 1}\nb: &b {u: 2, w: 2}\nc:\n  v: 3\n  <<: [*a, *b]\nd: *a\n'<<': 1"
    assert load(text, "f.yaml") == {
        "a": {"u": 1, "v": 1}, "b": {"u": 2, "w": 2}, "c": {"v": 3, "u": 1, "w": 2}, "d": {"u": 1, "v": 1}, "<<": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a:\n\tb: 1", "f.yaml:2:1: a tab, YAML indents with spaces"),
        ("a:\n  b: 1\n  \tc: 2", "f.yaml:3:3: a tab, YAML indents with spaces"),
        ("a: |\n\tx", "f.yaml:2:1: a tab, YAML indents with spaces"),
        ("a: @x", "f.yaml:1:4: not valid YAML: found `@`, which can't begin a value\n    hint: quote the value"),
        (
            "a: b: c",
            "f.yaml:1:5: not valid YAML: mapping values are not allowed in this context\n    hint: quote a text that holds `: `, or check the indentation",
        ),
        (
            "a: [1, 2\nb: 3",
            "f.yaml:2:2: not valid YAML: did not find expected ',' or ']', while parsing a flow sequence that begins on line 1",
        ),
        ("a: b\nc: \x01", "f.yaml:2:4: the character U+0001 is not allowed in YAML"),
        ("a: \ud800", "f.yaml:1:4: the character U+D800 is not allowed in YAML"),
        ("a: *b", "f.yaml:1:4: a: the alias *b names nothing above"),
        ("a: &b [*b]", "f.yaml:1:8: a[0]: the alias *b stands within what it names"),
        ("a: !secret x", "f.yaml:1:4: a: `x` can't be read as !secret"),
        ("a: !!int x", "f.yaml:1:4: a: `x` can't be read as !!int"),
        ("a: !set {b}", "f.yaml:1:4: a: a map or list can't be read as !set"),
        ("a:\n  <<: 1", "f.yaml:2:3: a.<<: the merge key << takes a map or a list of maps"),
        ("a: 1\n---\nb: 2", "f.yaml:2:1: more than one document\n    expected: one document: remove the line `---`"),
        ("[" * 101 + "]" * 101, "f.yaml:1:101: nested more than 100 levels deep"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_place(text, told):
    assert problems(text) == told


def test_every_key_given_twice_is_told_with_both_lines():
    assert problems("a: 1\nb: {c: 1,\n  c: 2}\na: 2") == (
        "f.yaml:3:3: b.c: this key stands twice, first on line 2\nf.yaml:4:1: a: this key stands twice, first on line 1"
    )  # fmt: skip


def test_a_key_that_is_no_string_is_told_with_the_remedy():
    assert problems("yes: 1\na:\n  8080: 2\n? [b]\n: 3") == textwrap.dedent("""\
        f.yaml:1:1: a key must be a string
            found: the boolean yes
            expected: a string
            hint: quote it: "yes"
        f.yaml:3:3: a: a key must be a string
            found: the integer 8080
            expected: a string
            hint: quote it: "8080"
        f.yaml:4:3: a key must be a string
            found: a list
            expected: a string""")


def test_a_syntax_error_does_not_hide_the_problems_before_it():
    assert problems("a: 1\na: 2\nb: @").splitlines()[0] == "f.yaml:2:1: a: this key stands twice, first on line 1"


def test_aliases_that_explode_are_refused_at_once():
    lines = ["a0: &a0 [x]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 30)]
    started = time.perf_counter()
    assert problems("\n".join(lines)) == "f.yaml:6:25: aliases multiply this file to more than 100,000 values"
    assert time.perf_counter() - started < 5


def test_deep_nesting_is_refused_without_recursing():
    assert problems("- " * 100_000) == "f.yaml:1:201: nested more than 100 levels deep"


def test_a_file_without_aliases_may_hold_any_number_of_values():
    assert len(load("- 1\n" * 150_000, "f.yaml")) == 150_000  # type: ignore[arg-type]


def test_each_key_and_item_has_its_place():
    text = "a: &a {x: 1}\nb:\n  <<: *a\n  y:\n  - 1\n  - z: 2\nc: *a\n"
    places = {path: str(place) for path, place in key_locations(text, "f.yaml").items()}
    assert places == {
        (): "f.yaml:1:1", ("a",): "f.yaml:1:1", ("a", "x"): "f.yaml:1:8", ("b",): "f.yaml:2:1", ("b", "x"): "f.yaml:1:8",
        ("b", "y"): "f.yaml:4:3", ("b", "y", 0): "f.yaml:5:5", ("b", "y", 1): "f.yaml:6:5", ("b", "y", 1, "z"): "f.yaml:6:5",
        ("c",): "f.yaml:7:1", ("c", "x"): "f.yaml:1:8",
    }  # fmt: skip


def test_an_empty_text_has_no_places():
    assert key_locations("# a\n", "f.yaml") == {}


# ----------------------------------------------------------------------------------------------------------- printing


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"), (True, "true"), (False, "false"), (1500000, "1500000"), (-1, "-1"), (1.5, "1.5"), (1e16, "1.0e+16"),
        (1e-7, "1.0e-07"), (2.0, "2.0"), (math.inf, ".inf"), (-math.inf, "-.inf"), (math.nan, ".nan"),
        ("prometheus", "prometheus"), ("v1.2.3", "v1.2.3"), ("1.30.3", "1.30.3"), ("15d", "15d"), ("10.0.0.0/8", "10.0.0.0/8"),
        ("--web.enable-lifecycle", "--web.enable-lifecycle"), ("http://a:80/b", "http://a:80/b"), ("a?b", "'a?b'"), ("a b", "a b"),
        ("$(POD_NAME)", "$(POD_NAME)"), ("it's", "it's"), ("größe", "größe"), ("日本", "日本"), ("😀", "😀"), ("a#b", "a#b"),
        ("no", "'no'"), ("12:30", "'12:30'"), ("1e3", "'1e3'"), ("", "''"), ("a: b", "'a: b'"), ("a #b", "'a #b'"), (" a", "' a'"),
        ('"a"', "'\"a\"'"), ("'a'", "'''a'''"), ("a,b", "'a,b'"), ("[a]", "'[a]'"), ("a:", "'a:'"), ("*", "'*'"), ("---", "'---'"),
        ("a\nb", '"a\\nb"'), ("\t", '"\\t"'), ("a\x85b", '"a\\u0085b"'), ("\x1b", '"\\u001b"'), ("\ufeff", '"\\ufeff"'),
        ('\n"\\', '"\\n\\"\\\\"'), ("\U000e0001", '"\\U000e0001"'),
    ],
)  # fmt: skip
def test_a_scalar_is_plain_where_it_can_be_and_quoted_where_it_must(value, text):
    assert scalar(value) == text


def test_what_is_no_scalar_cannot_be_printed_as_one():
    with pytest.raises(TypeError, match="not a YAML scalar: dict"):
        scalar({})  # type: ignore[arg-type]


@pytest.mark.parametrize("reader", READERS)
@given(value=scalars)
def test_a_scalar_reads_back_the_same_wherever_it_stands(reader, value):
    text = scalar(value)
    key = value if isinstance(value, str) and len(text) < 1000 else "k"
    spelled = scalar(key)
    documents: list[tuple[str, object]] = [(text, value), (f"- {text}\n- - {text}", [value, [value]])]
    if key not in ("z", "zz"):
        documents.append((f"{spelled}: {text}\nz: {text}", {"z": value, key: value}))
        # libyaml before 0.2, which our C parser brings along, knows no `a:b` between brackets: it refuses it loudly.
        if reader != "ours" or ":" not in text + spelled:
            documents.append((f"{{{spelled}: {text}, zz: [{text}, {text}]}}", {key: value, "zz": [value, value]}))
    for document, tree in documents:
        assert same(READERS[reader](document), tree), document


@pytest.mark.parametrize("reader", READERS)
@given(tree=trees, indent=st.sampled_from([0, 3]), sort_keys=st.booleans())
def test_a_block_reads_back_the_same(reader, tree, indent, sort_keys):
    text = block(tree, indent, sort_keys)
    assert same(READERS[reader](text + "\n"), tree)
    assert not text.endswith("\n")
    assert all(line.startswith(" " * indent) for line in text.split("\n") if line)


def test_a_block_looks_as_kubectl_would_print_it():
    tree = {
        "kind": "X",
        "empty": {"map": {}, "list": []},
        "list": [1, {"b": [2], "a": None}, [[3], {}], "x\ny\n"],
        "text": "a\n  b\n\nc",
        "indented": "  a\nb\n",
        "open": "a\n\n",
    }
    assert block(tree, 2) == textwrap.indent(
        textwrap.dedent("""\
            empty:
              list: []
              map: {}
            indented: |2
                a
              b
            kind: X
            list:
            - 1
            - a: null
              b:
              - 2
            - - - 3
              - {}
            - |
              x
              y
            open: "a\\n\\n"
            text: |-
              a
                b

              c"""),
        "  ",
    )


def test_keys_keep_their_order_when_asked_to():
    assert block({"b": 1, "a": {"d": 2, "c": 3}}, sort_keys=False) == "b: 1\na:\n  d: 2\n  c: 3"


def test_a_key_that_is_no_string_is_a_bug():
    with pytest.raises(TypeError, match="a YAML key must be a string, not int"):
        block({1: 2})


def test_a_key_too_long_for_a_line_is_marked_as_one():
    tree = {"k" * 1100: {"a": ["b\nc"]}, "l" * 1100: "d"}
    assert all(READERS[reader](block(tree) + "\n") == tree for reader in READERS)


@pytest.mark.programs
def test_kubectl_reads_the_traps_back(tmp_path):
    kubectl = program("kubectl")
    lost = {"\x7f", "\x85", "\ufffe"}  # read well, but kustomize prints them raw, or trips over having done so
    texts = [text for text in TRAPS if text not in lost]
    data = {f"k{number}": text for number, text in enumerate(texts)}
    resource = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "annotations": data}, "data": data}
    listed = {"apiVersion": "v1", "kind": "Odd", "metadata": {"name": "b"}, "texts": texts}
    (tmp_path / "a.yaml").write_text(f"{block(resource)}\n---\n{block(listed)}\n")
    (tmp_path / "kustomization.yaml").write_text("resources: [a.yaml]\nnameSuffix: -x\n")
    done = subprocess.run([kubectl, "kustomize", str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    resource["metadata"] = {"name": "a-x", "annotations": data}
    listed["metadata"] = {"name": "b-x"}
    assert load_documents(done.stdout, "kubectl") == [resource, listed]


def test_six_hundred_lines_are_read_in_a_few_milliseconds():
    container = {"name": "a", "image": "b:1", "args": ["--a=b"] * 8, "ports": [{"name": "x", "containerPort": 80}]}
    text = block({f"k{n}": {"containers": [container], "replicas": 3} for n in range(40)})
    assert text.count("\n") > 600
    times = []
    for _ in range(5):
        started = time.perf_counter()
        load(text, "f.yaml")
        times.append(time.perf_counter() - started)
    assert min(times) < 0.008


def test_numbers_and_booleans_may_be_keys_where_they_are_asked_for():
    text = "ports: {8080: a}\non: b\n1.5: c\n"
    assert load_documents(text, "a.yaml", any_keys=True) == [{"ports": {"8080": "a"}, "true": "b", "1.5": "c"}]
    with pytest.raises(InputError, match="a key must be a string"):
        load_documents(text, "a.yaml")
