"""How a scalar is spelled, so that it can be spelled alike where it goes."""

from __future__ import annotations

from generator.errors import InputError, ValuePath
from generator.yaml.editing.nodes import Node, document
from generator.yaml.editing.plan import same
from generator.yaml.lenient import load_text


def spelling(text: str, source: str, index: int, path: ValuePath) -> str:
    """Give a scalar of a document as it is written, quotes included; "" for what isn't a scalar on one line.

    ``index`` is the document's number, as `load_text` counts.
    """
    found = _scalar(text, source, index, path)
    return "" if found is None else text[found.body : found.end]


def respelled(text: str, source: str, index: int, path: ValuePath, wanted: str) -> str:
    """Give a text in which a scalar is written as wanted; the text as it is where it would read otherwise."""
    found = _scalar(text, source, index, path) if wanted else None
    if found is None:
        return text
    new = text[: found.body] + wanted + text[found.end :]
    try:
        return new if same(load_text(new, source)[0], load_text(text, source)[0]) else text
    except InputError:
        return text


def _scalar(text: str, source: str, index: int, path: ValuePath) -> Node | None:
    if load_text(text, source)[1] is not text:  # what our parser can't read has no places
        return None
    node = document(text, index).root
    for part in path:
        inner = [
            entry.node
            for number, entry in enumerate(node.entries)
            if not entry.merge and part == (entry.name if node.kind == "map" else number)
        ]
        if not inner:
            return None
        node = inner[0]
    one_line = node.kind == "scalar" and not node.is_block_scalar and "\n" not in text[node.body : node.end]
    return node if one_line and node.end > node.body else None
