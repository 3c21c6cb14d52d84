"""Edits made in memory, without regard for how a text is written."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from typing import Any

from generator.intake.document import Document
from generator.monitoring import Edit
from generator.monitoring.edits import edited_tree
from generator.yaml import block
from generator.yaml.lenient import load_text


def edited_trees(edits: Iterable[Edit]) -> list[tuple[Document, dict[str, Any]]]:
    """Make edits one after another; give each outermost document concerned with its new tree, in order.

    What is changed in YAML that a string holds is changed in the string: that is printed anew, without comments.
    """
    texts: dict[int, list[Any]] = {}
    trees: dict[int, tuple[Document, dict[str, Any]]] = {}
    for edit in edits:
        document, path, value = edit.document, edit.path, edit.value
        _, tree = trees.get(id(document), (document, document.tree))
        new = edited_tree(tree, path, value)
        trees[id(document)] = (document, new)
        while document.outer is not None:
            outer, place = document.outer
            _, tree = trees.get(id(outer), (outer, outer.tree))
            new = edited_tree(tree, place, _string(document, new, texts))
            trees[id(outer)] = (outer, new)
            document = outer
    return [(document, tree) for document, tree in trees.values() if document.outer is None]


def _string(document: Document, tree: Any, texts: dict[int, list[Any]]) -> str:
    """Print the text that an embedded document is, or is a part of, with its new tree.

    ``texts`` holds what has become of the texts with several documents, by the text.
    """
    whole = texts.setdefault(id(document.shared), load_text(document.text, document.source)[0])
    whole[document.index] = edited_tree(whole[document.index], document.path, tree)
    text = "---\n".join(block(one, sort_keys=False) + "\n" for one in whole)
    outer, place = document.outer or (document, ())
    return b64encode(text.encode()).decode() if outer.kind == "Secret" and place[:1] == ("data",) else text
