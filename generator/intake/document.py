"""One tree out of a user's file, which knows where each of its parts stands."""

from __future__ import annotations

import re
from typing import Any, TypeVar

from generator.errors import InputError, Location, ValuePath
from generator.yaml import Places, document_locations
from generator.yaml.lenient import STAND_IN, load_text, restored

_Place = TypeVar("_Place")


class Text:
    """A YAML text that was read, with the places of what it holds, worked out when they are first asked for."""

    __slots__ = ("_lines", "_places", "_readable", "content", "source")

    def __init__(self, content: str, source: str, readable: str = "") -> None:
        """Take the text, the name under which the user knows it, and the same text as YAML, if it isn't."""
        self.content = content
        self.source = source
        self._readable = readable or content
        self._places: list[Places] | None = None
        self._lines: list[str] | None = None

    def called(self, source: str) -> Text:
        """Give the same text under another name; itself under its own."""
        return self if source == self.source else Text(self.content, source, self._readable)

    def places(self, index: int) -> Places:
        """Give the places of the document of this number, empty ones not counted."""
        if self._places is None:
            self._places = document_locations(self._readable, self.source)
            if STAND_IN in self._readable:
                self._places = [
                    Places(_by_restored(places.keys), _by_restored(places.blocks)) for places in self._places
                ]
        return self._places[index]

    def line(self, number: int) -> str:
        """Give a line without its end, counted from 1; "" where there is none."""
        if self._lines is None:
            self._lines = self.content.split("\n")
        return self._lines[number - 1].removesuffix("\r") if 0 < number <= len(self._lines) else ""


def _by_restored(places: dict[ValuePath, _Place]) -> dict[ValuePath, _Place]:
    return {restored(path): place for path, place in places.items()}


class Document:
    """One Kubernetes object, one chart's values, or YAML that a string of another document holds.

    ``tree`` is the value; it may share parts with other trees, so don't change it. ``source`` is the file's name as
    the user knows it, ``text`` all of that file (of an embedded document: the string). ``index`` says which of the
    text's documents this is, empty ones not counted; ``path`` where the tree stands in it: ``()`` or ``("items", 3)``.
    ``outer`` is the document that holds this one in a string, and the string's path in that document's tree.

    Two documents are the same only if they are one object.
    """

    __slots__ = ("_embedded", "index", "outer", "path", "shared", "tree")

    def __init__(
        self,
        tree: dict[str, Any],
        text: Text,
        index: int = 0,
        path: ValuePath = (),
        outer: tuple[Document, ValuePath] | None = None,
    ) -> None:
        """Take a tree and where it comes from; most callers want `read` or `documents_of`."""
        self.tree = tree
        self.index = index
        self.path = path
        self.outer = outer
        self.shared = text
        self._embedded: dict[ValuePath, Document | None] = {}

    @property
    def source(self) -> str:
        """The file's name as the user knows it; ``<stdin>`` for what was piped in."""
        return self.shared.source

    @property
    def text(self) -> str:
        """The whole text this was read from."""
        return self.shared.content

    @property
    def api_version(self) -> str:
        """``apps/v1``, say; "" where there is none."""
        return self._string("apiVersion")

    @property
    def group(self) -> str:
        """The API group: ``apps``, say; "" for the core one."""
        return self.api_version.rpartition("/")[0]

    @property
    def kind(self) -> str:
        """``Deployment``, say; "" where there is none."""
        return self._string("kind")

    @property
    def name(self) -> str:
        """The object's name, or the beginning of the one it will be given; "" where it has neither."""
        return self._string("metadata", "name") or self._string("metadata", "generateName")

    @property
    def namespace(self) -> str:
        """The namespace; "" where none is named."""
        return self._string("metadata", "namespace")

    def __str__(self) -> str:
        """``Deployment monitoring/prometheus``, as kubectl users write it."""
        name = f"{self.namespace}/{self.name}" if self.namespace and self.name else self.name
        return f"{self.kind} {name}".strip() or self.source

    def __repr__(self) -> str:
        return f"<{self} in {self.source}>"

    def get(self, *path: str | int) -> Any:
        """Give the value at a path; None where there is none."""
        return value_at(self.tree, path)

    def locate(self, path: ValuePath = ()) -> Location:
        """Say where a value stands in the file; of one that doesn't exist, where the nearest part above it does.

        A part of an embedded document has a line of its own where the string is a literal block; else it is where the
        string is.
        """
        keys = self.shared.places(self.index).keys
        path = (*self.path, *path)
        while path not in keys:
            path = path[:-1]
        found = keys[path]
        return self._outward(found.line, found.column)

    def line(self, number: int, path: ValuePath = ()) -> str:  # noqa: ARG002  # a built document needs the path
        """Give a line, counted from 1, of the file that ``locate(path)`` names; "" where there is none."""
        return self.outer[0].line(number, self.outer[1]) if self.outer else self.shared.line(number)

    @property
    def outermost(self) -> Document:
        """The document that holds this one in a string, however deep; itself where none does."""
        document = self
        while document.outer is not None:
            document = document.outer[0]
        return document

    def embedded(self, path: ValuePath, *, blank: bool = False) -> Document | None:
        """Give the one YAML document that a string holds, if it is a map; else None. The same object each time.

        With ``blank``, a string that holds nothing but comments, or isn't there, gives an empty map.
        """
        if path not in self._embedded:
            self._embedded[path] = self._embed(path)
        if blank and self._embedded[path] is None and self._is_blank(path):
            self._embedded[path] = Document({}, Text(str(self.get(*path) or ""), self.source, "{}"), outer=(self, path))
        return self._embedded[path]

    def _is_blank(self, path: ValuePath) -> bool:
        value = self.get(*path)
        lines = value.splitlines() if isinstance(value, str) else []
        return value is None or (isinstance(value, str) and all(re.fullmatch(r"\s*(#.*)?", line) for line in lines))

    def _embed(self, path: ValuePath) -> Document | None:
        value = self.get(*path)
        if not isinstance(value, str) or (":" not in value and "{" not in value):
            return None
        try:
            trees, readable = load_text(value, self.source)
        except InputError:
            return None
        if len(trees) != 1 or not isinstance(trees[0], dict):
            return None
        return Document(trees[0], Text(value, self.source, readable), outer=(self, path))

    def _outward(self, line: int, column: int) -> Location:
        """Turn a place in this document's text into one in the file."""
        return (
            self.outer[0].place_inside(self.outer[1], line, column)
            if self.outer
            else Location(self.source, line, column)
        )

    def place_inside(self, path: ValuePath, line: int, column: int) -> Location:
        """Turn a place in the text that the string at ``path`` holds into one in the file."""
        block = self.shared.places(self.index).blocks.get((*self.path, *path))
        return self._outward(block[0] + line - 1, block[1] + column) if block else self.locate(path)

    def _string(self, *path: str) -> str:
        value = self.get(*path)
        return value if isinstance(value, str) else ""


def value_at(tree: Any, path: ValuePath) -> Any:
    """Give what lies at a path; None where nothing does."""
    for step in path:
        if isinstance(tree, dict):
            tree = tree.get(step)
        elif isinstance(tree, list) and isinstance(step, int) and 0 <= step < len(tree):
            tree = tree[step]
        else:
            return None
    return tree


def as_map(value: Any) -> dict[str, Any]:
    """Give a value that should be a map; {} where it is something else."""
    return value if isinstance(value, dict) else {}


def as_list(value: Any) -> list[Any]:
    """Give a value that should be a list; [] where it is something else."""
    return value if isinstance(value, list) else []


def documents_of(text: str, source: str) -> list[Document]:
    """Read the documents of a text that are maps; a list of Kubernetes objects gives its objects.

    Raises:
        InputError: the text isn't YAML or JSON that Kubernetes reads; every problem found.
    """
    trees, readable = load_text(text, source)
    shared = Text(text, source, readable)
    found: list[Document] = []
    for index, tree in enumerate(trees):
        if isinstance(tree, dict):
            found += objects_of(Document(tree, shared, index))
    return found


def objects_of(document: Document) -> list[Document]:
    """Take a ``List`` of Kubernetes objects apart, lists in it too; any other document gives itself."""
    items = document.tree.get("items")
    if not document.kind.endswith("List") or not document.api_version or not isinstance(items, list):
        return [document]
    found: list[Document] = []
    for number, item in enumerate(items):
        if isinstance(item, dict):
            found += objects_of(Document(item, document.shared, document.index, (*document.path, "items", number)))
    return found
