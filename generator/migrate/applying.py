"""The edits of fixes, made in texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from generator.errors import InputError, Location, Problem, ValuePath, dotted
from generator.intake.document import Document
from generator.intake.lenient import STAND_IN, load_text, restored
from generator.migrate.comments import commented
from generator.monitoring.edits import APPEND, REMOVE, Edit, position
from generator.yaml import editing as yaml_editing
from generator.yaml import load_documents

#: The way to a text or to a value: the number of the file's text, then document and path by turns, through strings.
Place = tuple[object, ...]


def place_of(document: Document) -> Place:
    """Give the way to the text that a document was read from; equal for documents that share it."""
    if document.outer is None:
        return (id(document.shared),)
    outer, path = document.outer
    return (*place_of(outer), outer.index, *outer.path, *path)


def place_of_edit(edit: Edit) -> Place:
    """Give the way to what an edit changes; it begins with that to all that lies around it."""
    return (*place_of(edit.document), edit.document.index, *edit.document.path, *edit.path)


class Texts:
    """The texts of some files while edits are made in them: files by name, and the YAML that their strings hold.

    Documents are those that were read from the files as they are at the beginning.
    """

    __slots__ = ("_inner", "files")

    def __init__(self, files: dict[str, str]) -> None:
        """Take the files' texts, by their names."""
        self.files = files
        #: What has become of the texts within strings.
        self._inner: dict[Place, str] = {}

    def apply(self, edits: Sequence[Edit]) -> Texts:
        """Give the texts with edits made, one after another; this one stays as it is.

        Raises:
            InputError: an edit can't be made; each problem has a location.
        """
        new = Texts(dict(self.files))
        new._inner = dict(self._inner)
        for edit in edits:
            new._make(edit)
        return new

    def _make(self, edit: Edit) -> None:
        document, path, value = edit.document, edit.path, edit.value
        comment = edit.comment
        while document.outer is not None:
            outer, place = document.outer
            if outer.kind == "Secret" and place[:1] == ("data",):
                message = "what a Secret holds in base64 is not changed"
                hint = "change it where the Secret is made, or write it as stringData"
                raise InputError(Problem(message, outer.locate(place), dotted(place), hint=hint))
            key = place_of(document)
            text = _edited(document, self._inner.get(key, document.text), path, value, comment)
            self._inner[key] = text
            document, path, value, comment = outer, place, text, ""
        self.files[document.source] = _edited(document, self.files[document.source], path, value, comment)


def _edited(document: Document, text: str, path: ValuePath, value: object, comment: str) -> str:
    """Change one value of one document in what has become of its text."""
    whole = (*document.path, *path)
    if _is_readable(text, document.source):
        new = _changed(text, document.source, document.index, whole, value)
        if not comment:
            return new
        return commented(new, document.source, document.index, whole, comment)
    if _is_json(document):
        return _in_json(document, text, lambda part: _changed(part, document.source, document.index, whole, value))
    return _in_lenient(
        text, document.source, lambda part: _changed(part, document.source, document.index, whole, value)
    )


def _changed(text: str, source: str, index: int, path: ValuePath, value: object) -> str:
    trees = load_documents(text, source)
    tree = trees[index] if index < len(trees) else None
    path = _as_written(tree, path)
    path = position(tree, path)
    if path and path[-1] == APPEND:
        problem = Problem("there is no list here to add to", Location(source), dotted(path[:-1]))
        raise InputError(problem)
    changed = yaml_editing.REMOVE if value is REMOVE else value
    return yaml_editing.edited(text, source, [yaml_editing.Change(index, path, changed)])


def _is_readable(text: str, source: str) -> bool:
    try:
        load_documents(text, source)
    except InputError:
        return False
    return True


# ------------------------------------------------------------------- colons that our parser takes for indicators


def _in_lenient(text: str, source: str, change: Callable[[str], str]) -> str:
    """Change a text that Kubernetes reads and our parser doesn't, in the form that it reads."""
    _, readable = load_text(text, source)
    new = change(readable)
    written = new.replace(STAND_IN, ":")
    if load_text(written, source)[0] != restored(load_documents(new, source)):
        raise InputError(Problem("this can't be changed here", Location(source), hint="change it by hand"))
    return written


def _as_written(tree: Any, path: ValuePath) -> ValuePath:
    """Spell a path with the keys as a tree has them: with stand-ins, where the text has some."""
    found: list[str | int] = []
    for part in path:
        if isinstance(tree, dict):
            spelled = part if part in tree else next((key for key in tree if restored(key) == part), part)
            found.append(spelled)
            tree = tree.get(spelled)
        else:
            found.append(part)
            tree = tree[part] if isinstance(tree, list) and isinstance(part, int) and part < len(tree) else None
    return tuple(found)


# ---------------------------------------------------------------------------- JSON that is no YAML: several values


def _is_json(document: Document) -> bool:
    return document.outer is None and bool(json_spans(document.text))


def _in_json(document: Document, text: str, change: Callable[[str], str]) -> str:
    """Change the value of a JSON text that a document was read from."""
    place = document.shared.places(0).keys[()]
    lines = document.text.split("\n")
    start = sum(len(line) + 1 for line in lines[: place.line - 1]) + place.column - 1
    number = [begin for begin, _ in json_spans(document.text)].index(start)
    begin, end = json_spans(text)[number]
    return text[:begin] + change(text[begin:end]) + text[end:]


def json_spans(text: str) -> list[tuple[int, int]]:
    """Give where each value of a stream of JSON begins and ends; [] for what is no JSON."""
    import json

    decoder, position_ = json.JSONDecoder(), 0
    found: list[tuple[int, int]] = []
    while rest := text[position_:].lstrip():
        start = len(text) - len(rest)
        try:
            _, position_ = decoder.raw_decode(text, start)
        except ValueError:
            return []
        found.append((start, position_))
    return found
