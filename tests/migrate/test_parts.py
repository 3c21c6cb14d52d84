"""Texts taken apart at their document markers."""

from __future__ import annotations

import pytest

from generator.migrate.parts import Part, joined, part_with, parts_of
from generator.yaml import load_documents


@pytest.mark.parametrize(
    ("text", "documents"),
    [
        ("a: 1\n", [None]),
        ("a: 1\n---\nb: 2\n", [1, 1]),
        ("# no document\n---\n---\n# nor here\n--- # one\nb: 2\n", [0, 0, 0, 1]),
        ("--- {a: 1}\n--- |\n  text\n---\tb\n", [1, 1, 1]),
        ("a: 1\n...\n# more\n---\nb: 2", [1, 1]),
        ("a: 1\r\n---\r\nb: 2\r\n", [1, 1]),
        ("a: |\n  x\n  ---\n  y\nb: '\n  --- '\n---\nc: 1\n", [1, 1]),
        ("a: ---b\n---b: 1\n", [None]),
        ("%YAML 1.1\n---\na: 1\n---\nb: 2\n", [None]),
        ("a: 1\n---\nb: [x:y]\n", [1, 1]),
        ("a: &a 1\n---\nb: *a\n", [None]),
    ],
)
def test_a_text_is_cut_in_front_of_its_markers(text, documents):
    parts = parts_of(text, "a.yaml")
    assert joined(parts) == text
    assert [part.documents for part in parts] == documents


def test_a_document_is_found_in_its_part():
    text = "# none\n---\na: 1\n...\n---\nb: 2\n---\n---\nc: 3\n"
    parts = parts_of(text, "a.yaml")
    found = [part_with(parts, index) for index in range(3)]
    assert found == [(1, 0), (2, 0), (4, 0)]
    assert [load_documents(parts[number].text, "a.yaml")[inner] for number, inner in found] == load_documents(text, "")
    assert part_with([Part(text)], 2) == (0, 2)
