"""A text taken apart at its document markers, so that a change has to look at one document alone."""

from __future__ import annotations

import re
from typing import NamedTuple

from generator.errors import InputError
from generator.yaml.lenient import load_text

# YAML takes such a line for a document marker wherever it stands, in a block of text too.
_MARKER = re.compile(r"^(?=---(?:[ \t\r\n]|\Z))", re.MULTILINE)
# A directive belongs to the document after the next marker.
_DIRECTIVE = re.compile(r"^%", re.MULTILINE)


class Part(NamedTuple):
    """A piece of a text, and how many documents it holds, empty ones not counted; None where it is the whole text."""

    text: str
    documents: int | None = None


def parts_of(text: str, source: str) -> list[Part]:
    """Take a text apart; what can't be taken apart is one part."""
    pieces = [piece for piece in _MARKER.split(text) if piece]
    if len(pieces) < 2 or _DIRECTIVE.search(text):
        return [Part(text)]
    try:
        trees = [load_text(piece, source)[0] for piece in pieces]
        together = load_text(text, source)[0]
    except InputError:
        return [Part(text)]
    if [tree for found in trees for tree in found] != together:
        return [Part(text)]
    return [Part(piece, len(found)) for piece, found in zip(pieces, trees, strict=True)]


def part_with(parts: list[Part], index: int) -> tuple[int, int]:
    """Say which part holds a document of a text, and which of that part's documents it is."""
    for number, part in enumerate(parts):
        if part.documents is None or index < part.documents:
            return number, index
        index -= part.documents
    return len(parts) - 1, index


def joined(parts: list[Part]) -> str:
    """Put a text together again."""
    return "".join(part.text for part in parts)
