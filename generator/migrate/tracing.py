"""Edits of what a kustomization builds, turned into edits of the files that it is built of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from generator.errors import InputError, Problem, ValuePath, dotted
from generator.intake.document import Document, Text, value_at
from generator.intake.kustomization import BuiltDocument
from generator.migrate.kustomizations import Built
from generator.monitoring.edits import APPEND, REMOVE, Edit


class Tracing:
    """Finds the files of edits. Documents that were read from the same file come to share their text.

    Whoever makes edits tells texts apart by that.
    """

    __slots__ = ("_built", "_names", "_texts")

    def __init__(self, names: Iterable[str], built: Sequence[Built]) -> None:
        """Take the names of the files that may be changed, and the kustomizations that are made of them."""
        self._names = frozenset(names)
        self._built = built
        self._texts: dict[str, Text] = {}

    def traced(self, edits: Iterable[Edit], tried: int) -> tuple[tuple[Edit, ...], int]:
        """Give the edits of files that come to the same as edits of what was built; other edits stay as they are.

        Where several files could hold it, those that were ``tried`` are passed over. The number is that of files to
        try.

        Raises:
            InputError: no file, or none that may be changed, holds what an edit changes.
        """
        found: list[Edit] = []
        most = 1
        for edit in edits:
            changes, several = self._traced(edit, tried)
            found += changes
            most = max(most, several)
        return tuple(found), most

    def _traced(self, edit: Edit, tried: int) -> tuple[list[Edit], int]:
        if not is_built(edit.document):
            return [edit], 1
        if not isinstance(edit.document, BuiltDocument):
            return [edit._replace(document=self._embedded(edit.document))], 1
        there = _existing(edit.document.tree, edit.path)
        rest = edit.path[len(there) :]
        origins = [] if edit.value is REMOVE and rest else edit.document.origins(there)
        # Where a file says so already, another one replaces what it says.
        origins = [(document, path) for document, path in origins if document.get(*path, *rest) != edit.value]
        if not origins:
            raise _untraceable(edit.document, edit.path)
        if edit.value is REMOVE:  # what stands in several files has to go from each
            edits = [Edit(self._shared(document), _whole(document, path), REMOVE) for document, path in origins]
            return edits, 1
        document, path = origins[min(tried, len(origins) - 1)]
        return [edit._replace(document=self._shared(document), path=(*path, *rest))], len(origins)

    def _embedded(self, document: Document) -> Document:
        """Give a document that a string holds, in the file in which that string stands, or which it is as a whole."""
        if document.outer is None:
            return self._shared(document)
        outer, path = document.outer
        if not isinstance(outer, BuiltDocument):
            return _held(document, self._embedded(outer), path)
        if file := outer.file(path):
            return self._shared(Document(document.tree, file, document.index, document.path))
        origins = outer.origins(path)
        if not origins:
            raise _untraceable(outer, path)
        return _held(document, self._shared(origins[0][0]), origins[0][1])

    def _shared(self, document: Document) -> Document:
        """Give a document with the text that all documents of its file have."""
        if document.outer is not None:  # a patch in a kustomization's own file
            return _held(document, self._shared(document.outer[0]), document.outer[1])
        source = next((one.aliases[document.source] for one in self._built if document.source in one.aliases), "")
        source = source or document.source
        if source not in self._names:
            hint = "name the folder that holds it too"
            raise InputError(Problem("this file is outside of what is to be changed", document.locate(), hint=hint))
        for one in self._built:
            if source in one.others:
                message = f"{one.others[source]} is made of this file too, and can't be built here"
                raise InputError(Problem(message, document.locate(), hint="change it by hand"))
        text = self._texts.setdefault(source, document.shared.called(source))
        return document if text is document.shared else Document(document.tree, text, document.index, document.path)


def _whole(document: Document, path: ValuePath) -> ValuePath:
    """Give the path of what has to go so that a value does: of a JSON patch's operation, all of it."""
    tree: object = document.tree  # a patch may be a list
    return path[:1] if isinstance(tree, list) and path[1:] == ("value",) else path


def _held(document: Document, outer: Document, path: ValuePath) -> Document:
    """Give the same document as one that a string of another document holds."""
    return Document(document.tree, document.shared, document.index, document.path, (outer, path))


def is_built(document: Document) -> bool:
    """Say whether a document, or one that holds it in a string, was built by a kustomization."""
    return outermost(document) is not None


def outermost(document: Document) -> BuiltDocument | None:
    """Give the built document that holds one in a string, or is it; None where none does."""
    while document.outer is not None and not isinstance(document, BuiltDocument):
        document = document.outer[0]
    return document if isinstance(document, BuiltDocument) else None


def _existing(tree: Any, path: ValuePath) -> ValuePath:
    """Give the longest beginning of a path at which something stands."""
    for count, part in enumerate(path):
        is_there = (isinstance(tree, dict) and part in tree) or (
            isinstance(tree, list) and isinstance(part, int) and part < len(tree)
        )
        if not is_there or part == APPEND:
            return path[:count]
        tree = value_at(tree, (part,))
        if tree is None:
            return path[: count + 1] if count + 1 == len(path) else path[:count]
    return path


def _untraceable(document: Document, path: ValuePath) -> InputError:
    message = "the kustomization makes this of several files, or in another form"
    return InputError(Problem(message, document.locate(path), dotted(path), hint="change it by hand"))
