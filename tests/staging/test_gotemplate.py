"""Go templates taken apart by their conditions, and laid out."""

from __future__ import annotations

import pytest

from generator.staging.gotemplate import LayoutError, laid_out
from generator.staging.nodes import Block, Mark, Marks, Node, Print, all_of, alternatives, any_of, closed


def under(go: str, body: list[Node], other: list[Node] | None = None) -> Block:
    return Block(Mark("if", go), body, other or [])


@pytest.mark.parametrize(
    ("go", "parts"),
    [
        (".a", (".a",)),
        ("and .a .b", (".a", ".b")),
        ('and (eq .a "x y") (not .b) .c', ('eq .a "x y"', "not .b", ".c")),
        ('and (or .a (and .b .c)) (eq "(" .d)', ("or .a (and .b .c)", 'eq "(" .d')),
        ('and (has .a (list `)` `"`)) .b', ('has .a (list `)` `"`)', ".b")),
        ("or .a .b", ("or .a .b",)),
    ],
)
def test_conditions_that_stand_around_everything_are_told_apart(go: str, parts: tuple[str, ...]):
    assert alternatives([under(go, ["a: 1\n"])]) == [(parts, ["a: 1\n"])]


def test_each_body_has_what_must_hold_for_it():
    text = under("eq .a 1", ["one\n"], [under(".b", [under("and .c .d", ["two\n"])], ["three\n"])])
    assert alternatives(["\n", text]) == [
        (("eq .a 1",), ["one\n"]),
        (("not (eq .a 1)", ".b", ".c", ".d"), ["two\n"]),
        (("not (eq .a 1)", "not .b"), ["three\n"]),
    ]


def test_what_stands_under_no_condition_is_one_body():
    whole: list[Node] = ["a: 1\n", under(".b", ["b: 1\n"])]
    assert alternatives(whole) == [((), whole)]
    assert alternatives(["\n", " "]) == []


def test_conditions_are_joined_with_parentheses_where_they_need_them():
    assert all_of([".a", "not .b", "eq .c 1"]) == "and .a (not .b) (eq .c 1)"
    assert any_of(["and .a .b", ".c"]) == "or (and .a .b) .c"
    assert all_of([".a"]) == ".a"
    assert all_of([]) == ""


def test_marks_are_read_back_as_a_tree():
    marks = Marks()
    text = "".join(
        [
            "a: ",
            marks.add(Mark("print", ".x")),
            "\n",
            marks.add(Mark("if", ".y")),
            "b: 1\n",
            marks.add(Mark("else")),
            marks.add(Mark("indent", width=2, first=True)),
            "c: 1\n",
            marks.add(Mark("end")),
            marks.add(Mark("end")),
        ]
    )
    assert laid_out(marks.read(text)) == "a: {{ .x }}\n{{- if .y }}\nb: 1\n{{- else }}\n  c: 1\n{{- end }}\n"


def test_a_block_with_nothing_in_it_leaves_nothing():
    marks = Marks()
    text = marks.add(Mark("if", ".y")) + marks.add(Mark("else")) + marks.add(Mark("end"))
    assert marks.read(text) == []


def test_blank_lines_are_kept_where_a_literal_block_may_hold_them():
    body: list[Node] = ["text: |\n  a\n\n", under(".x", ["  b\n\n"]), "  c\n"]
    assert laid_out(body) == 'text: |\n  a\n{{- "\\n" }}\n  {{- if .x }}\n  b\n{{- "\\n" }}\n  {{- end }}\n  c\n'
    assert laid_out(["a: 1\n\n", under(".x", ["b: 1\n"])]) == "a: 1\n{{- if .x }}\nb: 1\n{{- end }}\n"


def test_a_block_that_leaves_its_line_is_refused():
    with pytest.raises(LayoutError, match=r"^a block begins in the middle of a line and goes on in the next$"):
        laid_out(["a: ", under(".x", ["\n  b: 1\n"])])


TREE = Print(Mark("yaml", "toYaml .x"))
END = "# The end, for Helm to trim: white space above may be part of a string.\n"


@pytest.mark.parametrize(
    ("nodes", "after"),
    [
        (["a:\n  ", TREE, "\n"], ["a:\n  ", TREE, "\n", END]),
        ([under(".y", ["a:\n  ", TREE, "\n"])], [under(".y", ["a:\n  ", TREE, "\n"]), END]),
        ([under(".y", ["a: 1\n"])], [under(".y", ["a: 1\n"])]),
        (["a:\n  ", TREE, "\nb: 1\n"], ["a:\n  ", TREE, "\nb: 1\n"]),
        (
            [Block(Mark("range", "$y := .y"), ["---\na:\n  ", TREE, "\n"], [])],
            [Block(Mark("range", "$y := .y"), ["---\na:\n  ", TREE, "\n", END], [])],
        ),
        (
            ["t: |\n", Block(Mark("indent", width=2, first=True), ["a:\n  ", TREE, "\n"], []), "\n"],
            ["t: |\n", Block(Mark("indent", width=2, first=True), ["a:\n  ", TREE, "\n", END], []), "\n"],
        ),
        (["a: 1\n"], ["a: 1\n"]),
        ([], []),
    ],
)
def test_no_document_ends_in_a_tree_of_values(nodes: list[Node], after: list[Node]):
    assert closed(nodes) == after
