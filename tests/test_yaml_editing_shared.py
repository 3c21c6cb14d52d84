"""Values that several places share are changed once for all of them; a scalar that moves is spelt as it was."""

from __future__ import annotations

import pytest

from generator.errors import ValuePath
from generator.yaml import load_documents
from generator.yaml.editing import changed
from generator.yaml.editing.shared import changed_everywhere, shared_part
from generator.yaml.editing.spelling import respelled, spelling

SHARED = """\
ends:
- name: a
  tls: &tls  # of the mesh
    ca: "a"
- name: b
  tls: *tls
- name: c
  tls:
    <<: *tls
    host: d
"""


def paths(text: str, path: ValuePath) -> list[ValuePath]:
    found = shared_part(text, "a.yaml", 0, path)
    return sorted(found.read, key=repr) if found else []


def everywhere(text: str, path: ValuePath, *, value: object) -> str | None:
    found = shared_part(text, "a.yaml", 0, path)
    assert found is not None
    wanted = load_documents(text, "a.yaml")[0]
    for one in found.read:
        wanted = changed(wanted, one, value)
    return changed_everywhere(text, "a.yaml", 0, found, wanted)


@pytest.mark.parametrize("end", [0, 1])
def test_a_part_below_an_anchor_is_read_at_its_aliases_and_merges(end):
    assert paths(SHARED, ("ends", end, "tls", "skip")) == [("ends", number, "tls", "skip") for number in range(3)]


def test_a_key_of_the_maps_own_hides_what_a_merge_brings():
    assert paths(SHARED, ("ends", 0, "tls", "host")) == [("ends", number, "tls", "host") for number in range(2)]
    two = "a: &a {x: 1}\nb: &b {x: 2}\nc:\n  <<: [*a, *b]\n"
    assert paths(two, ("a", "x")) == [("a", "x"), ("c", "x")]
    assert paths(two, ("b", "x")) == []


def test_an_alias_within_an_alias_is_followed():
    text = "a: &a\n  b: &b {c: 1}\nd: *a\ne: *b\n"
    assert paths(text, ("e", "c")) == [("a", "b", "c"), ("d", "b", "c"), ("e", "c")]


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("a: {b: 1}\n", ("a", "b")),
        ("a: &a {b: 1}\n", ("a", "b")),
        (SHARED, ("ends", 2, "tls", "host")),
        (SHARED, ("ends", 0, "name")),
        (SHARED, ("ends", 7, "tls", "skip")),
        (SHARED, ()),
        ("a: &a {b: x:1}\nc: *a\n", ("a", "b")),
    ],
)
def test_what_one_place_has_is_not_shared(text, path):
    assert shared_part(text, "a.yaml", 0, path) is None


def test_aliases_that_multiply_are_not_followed_for_ever():
    lines = ["a0: &a0 {x: 1}"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 5)]
    assert shared_part("\n".join(lines), "a.yaml", 0, ("a0", "x")) is None


def test_one_line_at_the_anchor_does_for_all():
    assert everywhere(SHARED, ("ends", 1, "tls", "skip"), value=True) == SHARED.replace(
        '    ca: "a"\n', '    ca: "a"\n    skip: true\n'
    )
    assert everywhere(SHARED, ("ends", 1, "tls", "ca"), value="b") == SHARED.replace('"a"', '"b"')


def test_a_shared_scalar_keeps_its_anchor_or_is_left():
    text = "a: &s http\nb: *s\n"
    assert everywhere(text, ("b",), value="https") in {"a: &s https\nb: *s\n", None}


def test_what_is_changed_already_stays():
    found = shared_part(SHARED, "a.yaml", 0, ("ends", 0, "tls", "ca"))
    assert found is not None
    assert changed_everywhere(SHARED, "a.yaml", 0, found, load_documents(SHARED, "a.yaml")[0]) == SHARED


@pytest.mark.parametrize(
    ("line", "spelt"),
    [
        ('a: "b"  # c\n', '"b"'),
        ("a: &x !!str 'b'\n", "'b'"),
        ("a: 0x10\n", "0x10"),
        ("a: |\n  b\n", ""),
        ("a: 'b\n  c'\n", ""),
        ("a: [b]\n", ""),
        ("a:\n", ""),
        ("b: 1\n", ""),
    ],
)
def test_a_scalar_on_one_line_is_given_as_it_is_written(line, spelt):
    assert spelling(line, "a.yaml", 0, ("a",)) == spelt


def test_a_spelling_that_reads_otherwise_is_not_taken():
    assert respelled("a: b # c\n", "a.yaml", 0, ("a",), '"b"') == 'a: "b" # c\n'
    for wanted in ('"c"', "", "'", "b: c"):
        assert respelled("a: b\n", "a.yaml", 0, ("a",), wanted) == "a: b\n"
    assert respelled("a: [b]\n", "a.yaml", 0, ("a", 0), "'b'") == "a: ['b']\n"
