"""A Kubernetes object that was put together from several files, each part of which knows the file that set it last."""

from __future__ import annotations

from base64 import b64encode
from typing import Any, NamedTuple

from generator.errors import Location, ValuePath
from generator.intake.document import Document, Text, value_at

# What tells the items of a list apart, the most telling first: a port may share its name with another.
_IDENTITIES = ("mountPath", "devicePath", "containerPort", "name", "port", "ip", "topologyKey", "uid")


class Layer(NamedTuple):
    """What one file says of an object: the value, where that stands in the file, and the part of the object it is for.

    ``at`` is the path of that part in the object, in which an item of a list is the item itself, as it was when the
    layer was applied: lists grow, so that numbers don't last.
    """

    document: Document
    path: ValuePath
    value: Any
    at: tuple[Any, ...] = ()


class BuiltDocument(Document):
    """A document without a file of its own: a base, and the layers that were laid over it."""

    __slots__ = ("files", "kustomization", "layers")

    def __init__(self, tree: dict[str, Any], layers: tuple[Layer, ...], files: dict[ValuePath, Text]) -> None:
        """Take the tree, the layers in the order in which they were applied, and the strings that are files' texts."""
        first = layers[0].document
        super().__init__(tree, first.shared, first.index, first.path, first.outer)
        self.layers = layers
        self.files = files
        #: The folder that was built, where several are: set by who builds.
        self.kustomization = ""

    def locate(self, path: ValuePath = ()) -> Location:
        """Say where a value stands in the file that set it; of one that doesn't exist, the nearest part above it.

        A string that is a whole file is at the beginning of that file.
        """
        if file := self.file(path):
            return Location(file.source, 1, 1)
        document, inner = self._origin(path)
        return document.locate(inner)

    def line(self, number: int, path: ValuePath = ()) -> str:
        """Give a line of the file that ``locate(path)`` names."""
        if file := self.file(path):
            return file.line(number)
        document, inner = self._origin(path)
        return document.line(number, inner)

    def place_inside(self, path: ValuePath, line: int, column: int) -> Location:
        """Turn a place in the text that the string at ``path`` holds into one in the file that the text is from."""
        if file := self.file(path):
            return Location(file.source, line, column)
        document, inner = self._origin(path)
        return document.place_inside(inner, line, column)

    def file(self, path: ValuePath) -> Text | None:
        """Give the file whose text a string is as a whole, in a Secret in base64.

        None where there is no such file, or a patch says something else.
        """
        text, value = self.files.get(path), self.get(*path)
        if text is None or value == text.content:
            return text
        return text if self.kind == "Secret" and value == b64encode(text.content.encode()).decode() else None

    def origins(self, path: ValuePath) -> list[tuple[Document, ValuePath]]:
        """Give every document that says something of what stands at a path, with the path there.

        The first is the one in which to change it, or to add to it; none where no file has it as it is.
        """
        value = self.get(*path)
        found: list[tuple[Document, ValuePath]] = []
        for layer in self.layers:
            if layer.at and layer.value is None:  # a JSON patch takes something out
                continue
            place = self._follow(layer, path)
            if place is not None and place[0] == len(path) and _is_like(layer.document.get(*place[1]), value):
                found.append((layer.document, place[1]))
        return found if self._grows(value) else found[::-1]

    @staticmethod
    def _grows(value: object) -> bool:
        """Whether later layers add to a value, and don't replace it."""
        return isinstance(value, dict) or (isinstance(value, list) and all(isinstance(item, dict) for item in value))

    def _origin(self, path: ValuePath) -> tuple[Document, ValuePath]:
        """Give the document that a value is from, and its path there.

        A scalar is from the last layer that has it. A map, or a list of maps, is from the first: later ones only add
        to it. Of a value that doesn't exist, the layer that has most of the way to it.
        """
        best = (self.layers[0].document, self.layers[0].path)
        longest = -1
        grows = self._grows(self.get(*path))
        for layer in self.layers:
            found = self._follow(layer, path)
            if found is None:
                continue
            length, inner = found
            if length > longest or (length == longest == len(path) and not grows):
                best, longest = (layer.document, inner), length
        return best

    def _follow(self, layer: Layer, path: ValuePath) -> tuple[int, ValuePath] | None:
        """Go along a path in a layer: give how many steps it knows, and where that is in its document."""
        here: Any = self.tree
        for step, wanted in zip(path, layer.at, strict=False):
            here = value_at(here, (step,))
            if isinstance(step, int) and not isinstance(wanted, int):
                if not _alike(here, wanted):
                    return None
            elif step != wanted:
                return None
        if len(path) < len(layer.at):
            return None
        inner, there = list(layer.path), layer.value
        for count, step in enumerate(path[len(layer.at) :], len(layer.at)):
            here = value_at(here, (step,))
            key = _key_in(there, step, here)
            if key is None:
                return count, tuple(inner)
            inner.append(key)
            there = there[key]
        return len(path), tuple(inner)


def _key_in(there: Any, step: str | int, here: Any) -> str | int | None:
    """Give the key or number under which a layer has what the object has under ``step``; ``here`` is its value."""
    if isinstance(there, dict):
        return step if step in there else None
    if not isinstance(there, list) or not isinstance(step, int):
        return None
    if step < len(there) and there[step] == here:
        return step
    equal = next((number for number, item in enumerate(there) if item == here), None)
    return equal if equal is not None else next((n for n, item in enumerate(there) if _alike(item, here)), None)


def _is_like(said: Any, value: Any) -> bool:
    """Whether what a file says is what has become of it; of a map or a list, whether it is one too."""
    return type(said) is type(value) if isinstance(value, (dict, list)) else bool(said == value)


def _alike(one: Any, other: Any) -> bool:
    """Whether two items of a list are the same item, changed or not."""
    if not isinstance(one, dict) or not isinstance(other, dict):
        return bool(one == other)
    key = next((key for key in _IDENTITIES if key in one), None)
    return key is not None and one[key] == other.get(key)


def steps(tree: Any, path: ValuePath) -> tuple[Any, ...]:
    """Give a path as a layer keeps it: the items of lists instead of their numbers, where they can be told apart."""
    at: list[Any] = []
    for step in path:
        tree = value_at(tree, (step,))
        telling = isinstance(step, int) and isinstance(tree, dict) and any(key in tree for key in _IDENTITIES)
        at.append(tree if telling else step)
    return tuple(at)
