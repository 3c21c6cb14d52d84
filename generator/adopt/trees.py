"""Edits made on documents in memory, and read again."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from generator.errors import InputError, ValuePath
from generator.intake.document import Document, Text, value_at
from generator.monitoring.edits import REMOVE, Edit, edited_tree, position
from generator.yaml import block
from generator.yaml.editing import REMOVE as REMOVED
from generator.yaml.editing import Change, edited
from generator.yaml.lenient import load_text


def applied(documents: Sequence[Document], edits: Iterable[Edit]) -> list[Document]:
    """Make edits one after another; give all documents, those that changed as new ones.

    YAML that a string holds keeps its comments and layout. Edits of other documents, and of Secrets, aren't made.
    """
    work = _Work(documents)
    for edit in edits:
        if work.has(edit.document):
            work.apply(edit.document, edit.path, edit.value)
    return work.documents()


def can_be_edited(documents: Sequence[Document], edits: Iterable[Edit]) -> bool:
    """Say whether `applied` makes all of some edits."""
    work = _Work(documents)
    return all(work.has(edit.document) for edit in edits)


class _Work:
    """Documents, and what has become of their trees."""

    def __init__(self, documents: Sequence[Document]) -> None:
        self.all = documents
        self.trees = {id(document): document.tree for document in documents}

    def has(self, document: Document) -> bool:
        """Whether a document may be edited."""
        outer = document.outermost
        return id(outer) in self.trees and outer.kind != "Secret"

    def documents(self) -> list[Document]:
        """All documents; what was changed is located in its new text."""
        return [_again(one, self.trees[id(one)]) for one in self.all]

    def apply(self, document: Document, path: ValuePath, value: object) -> None:
        """Make one edit."""
        if document.outer is None:
            self.trees[id(document)] = edited_tree(self.trees[id(document)], path, value)
            return
        outer, place = document.outer
        self.apply(outer, place, self.new_text(document, path, value))

    def new_text(self, document: Document, path: ValuePath, value: object) -> str:
        """Edit the text that an embedded document is read from."""
        text, tree = self.text(document), self.tree(document)
        if not load_text(text, document.source)[0]:  # there are comments at most
            end = "" if not text or text.endswith("\n") else "\n"
            return f"{text}{end}{block(edited_tree({}, path, value), sort_keys=False)}\n"
        change = Change(document.index, (*document.path, *position(tree, path)), REMOVED if value is REMOVE else value)
        try:
            return _without_blanks(edited(text, document.source, [change]), document.source)
        except InputError:  # written in a way that can't be edited: it is printed anew
            whole, _ = load_text(text, document.source)
            whole[document.index] = edited_tree(whole[document.index], (*document.path, *path), value)
            return "---\n".join(block(one, sort_keys=False) + "\n" for one in whole)

    def text(self, document: Document) -> str:
        """The text of an embedded document, as it is by now."""
        assert document.outer is not None  # noqa: S101  # its callers have looked
        outer, place = document.outer
        return str(value_at(self.tree(outer), place) or "")

    def tree(self, document: Document) -> object:
        """The tree of any document, as it is by now."""
        if document.outer is None:
            return self.trees[id(document)]
        listed, _ = load_text(self.text(document), document.source)
        return value_at(listed[document.index], document.path) if listed else {}


def _without_blanks(text: str, source: str) -> str:
    """Give a text without blanks at the ends of its lines, if it reads the same: in a patch they make it one line."""
    stripped = re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE)
    same = stripped == text or load_text(stripped, source)[0] == load_text(text, source)[0]
    return stripped if same else text


def _again(document: Document, tree: dict[str, object]) -> Document:
    if tree is document.tree:
        return document
    return Document(tree, Text(block(tree, sort_keys=False) + "\n", document.source))
