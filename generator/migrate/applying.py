"""The edits of fixes, made in texts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from generator.errors import InputError, Location, Problem, ValuePath, dotted
from generator.intake.document import Document
from generator.migrate.comments import Comments, comments_at, with_comments
from generator.migrate.indenting import indented, into_empty
from generator.migrate.moving import Move, moves, renamed
from generator.migrate.parts import Part, joined, part_with, parts_of
from generator.monitoring.edits import APPEND, REMOVE, Edit, position
from generator.yaml import editing as yaml_editing
from generator.yaml import load_documents
from generator.yaml.editing.shared import changed_everywhere, shared_part
from generator.yaml.editing.spelling import respelled, spelling
from generator.yaml.lenient import load_text

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


def _place_in_text(edit: Edit) -> tuple[Place, int, ValuePath]:
    """Give the place of an edit in the text that its document was read from."""
    document = edit.document
    return place_of(document), document.index, (*document.path, *edit.path)


class _Along(NamedTuple):
    """What goes along with a value: the comments at it, and how it is written."""

    comments: Comments = Comments()
    spelling: str = ""


class Texts:
    """The texts of some files while edits are made in them: files by name, and the YAML that their strings hold.

    Documents are those that were read from the files as they are at the beginning.
    """

    __slots__ = ("_files", "_inner", "_parts", "_planned")

    def __init__(self, files: Mapping[str, str], planned: Sequence[Edit] = ()) -> None:
        """Take the files' texts, by their names, and all edits that are to come.

        What several places share by an anchor is changed once where all of them are to be changed alike.
        """
        self._files = files
        self._planned = {_place_in_text(edit): edit.value for edit in planned}
        #: The files in which something was changed.
        self._parts: dict[str, list[Part]] = {}
        #: What has become of the texts within strings.
        self._inner: dict[Place, str] = {}

    def files(self) -> dict[str, str]:
        """Give the files' texts as they are now, by their names."""
        return {**self._files, **{name: joined(parts) for name, parts in self._parts.items()}}

    def apply(self, edits: Sequence[Edit]) -> Texts:
        """Give the texts with edits made, one after another; this one stays as it is.

        Raises:
            InputError: an edit can't be made; each problem has a location.
        """
        new = Texts(self._files)
        new._planned = self._planned
        new._parts, new._inner = dict(self._parts), dict(self._inner)
        found = moves(edits)
        if new._indent(into_empty(edits, found)):
            return new
        moved = {id(edit): move for move in found for edit in move}
        renamings: dict[int, bool] = {}
        along: dict[int, _Along] = {}
        for edit in edits:
            move = moved.get(id(edit))
            if move is not None and move.is_renaming:
                if id(move.setting) not in renamings:
                    renamings[id(move.setting)] = new._rename(move)
                if renamings[id(move.setting)]:
                    continue
            elif move is not None:
                along.setdefault(id(move.setting), new._along(move))
            new._make(edit, along.get(id(edit), _Along()))
        return new

    def _make(self, edit: Edit, along: _Along) -> None:
        document = edit.document
        text, index = self._text(document)
        whole = (*document.path, *edit.path)
        new = self._changed_at_anchor(edit, text, index) or _edited(document, text, index, whole, edit.value)
        if edit.comment and _is_readable(new, document.source) and not self._says(document, edit.comment):
            new = with_comments(new, document.source, index, whole, Comments((f"# {edit.comment}",)))
        if any(along) and _is_readable(new, document.source):
            new = respelled(new, document.source, index, whole, along.spelling)
            new = with_comments(new, document.source, index, whole, along.comments)
        self._put(document, new)

    def _changed_at_anchor(self, edit: Edit, text: str, index: int) -> str | None:
        """Make an edit where several places share the value, if each of them is to be changed so; None where not."""
        document = edit.document
        path = (*document.path, *edit.path)
        fits = edit.value is not REMOVE and path[-1:] != (APPEND,) and "&" in text
        if not fits or not _is_readable(text, document.source):
            return None
        shared = shared_part(text, document.source, index, path)
        place = place_of(document), document.index
        if shared is None or any(
            (key := (*place, one)) not in self._planned or self._planned[key] != edit.value for one in shared.read
        ):
            return None
        wanted = load_documents(text, document.source, any_keys=True)[index]
        for one in shared.read:
            wanted = yaml_editing.changed(wanted, one, edit.value)
        return changed_everywhere(text, document.source, index, shared, wanted)

    def _says(self, document: Document, comment: str) -> bool:
        """Whether the file says something in a comment already."""
        return any(f"# {comment}" in part.text for part in self._parts_of(document.outermost))

    def _indent(self, inward: Sequence[Move]) -> bool:
        """Take keys into the empty map above them with their lines; say whether that could be done."""
        if not inward:
            return False
        document = inward[0].removing.document
        text, index = self._text(document)
        if not _is_readable(text, document.source):
            return False
        whole = (*document.path, *inward[0].setting.path[:-1])
        new = indented(text, document.source, index, whole, {str(move.removing.path[-1]) for move in inward})
        if new is not None:
            self._put(document, new)
        return new is not None

    def _rename(self, move: Move) -> bool:
        """Give a value another key in its place; say whether that could be done."""
        document = move.removing.document
        text, index = self._text(document)
        if not _is_readable(text, document.source):
            return False
        whole = (*document.path, *move.removing.path)
        new = renamed(text, document.source, index, whole, str(move.setting.path[-1]))
        if new is not None:
            self._put(document, new)
        return new is not None

    def _along(self, move: Move) -> _Along:
        """What goes along with a value."""
        document = move.removing.document
        text, index = self._text(document)
        if not _is_readable(text, document.source):
            return _Along()
        whole = (*document.path, *move.removing.path)
        comments = comments_at(text, document.source, index, whole)
        return _Along(comments, spelling(text, document.source, index, whole))

    def _text(self, document: Document) -> tuple[str, int]:
        """What has become of the text that a document was read from, or of the part with it, and its number there."""
        if document.outer is not None:
            return self._inner.get(place_of(document), document.text), document.index
        parts = self._parts_of(document)
        number, index = part_with(parts, document.index)
        return parts[number].text, index

    def _parts_of(self, document: Document) -> list[Part]:
        name = document.source
        if name not in self._parts:
            text = self._files[name]
            self._parts[name] = [Part(text)] if json_spans(text) else parts_of(text, name)
        return self._parts[name]

    def _put(self, document: Document, text: str) -> None:
        """Take a new text for a document, and change the strings that hold it."""
        while document.outer is not None:
            outer, path = document.outer
            if outer.kind == "Secret" and path[:1] == ("data",):
                message = "what a Secret holds in base64 is not changed"
                hint = "change it where the Secret is made, or write it as stringData"
                raise InputError(Problem(message, outer.locate(path), dotted(path), hint=hint))
            text = yaml_editing.ended_as(document.text, text, document.source)
            self._inner[place_of(document)] = text
            text = _edited(outer, *self._text(outer), (*outer.path, *path), text)
            document = outer
        parts = list(self._parts_of(document))
        number, _ = part_with(parts, document.index)
        if number < len(parts) - 1 and not text.endswith(("\n", "\r")):
            raise InputError(Problem("this can't be changed here", document.locate(), hint="change it by hand"))
        parts[number] = parts[number]._replace(text=text)
        self._parts[document.source] = parts


def _edited(document: Document, text: str, index: int, path: ValuePath, value: object) -> str:
    """Change one value in what has become of the text of a document; ``index`` is the document's number in it."""

    def change(part: str) -> str:
        return _changed(part, document.source, index, path, value)

    if _is_json(document) and not _is_readable(text, document.source):
        return _in_json(document, text, change)
    return change(text)


def _changed(text: str, source: str, index: int, path: ValuePath, value: object) -> str:
    trees, _ = load_text(text, source)
    path = position(trees[index] if index < len(trees) else None, path)
    if path and path[-1] == APPEND:
        problem = Problem("there is no list here to add to", Location(source), dotted(path[:-1]))
        raise InputError(problem)
    changed = yaml_editing.REMOVE if value is REMOVE else value
    return yaml_editing.edited(text, source, [yaml_editing.Change(index, path, changed)])


def _is_readable(text: str, source: str) -> bool:
    try:
        load_documents(text, source, any_keys=True)
    except InputError:
        return False
    return True


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
