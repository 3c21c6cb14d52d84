"""Layers of values merged as Helm merges values files, and the file and line where each value was set.

Helm merges the files that the user names first, so a ``null`` only marks what to remove; the defaults come under them
last (`MergeValues` and `CoalesceValues` in Helm's sources; a test compares with Helm itself). So a map that a later
layer puts in place of a ``null`` or a scalar finds the defaults below it again. In one thing we are stricter: a
``null`` that removes nothing leaves nothing, where Helm leaves the ``null``. In lists a ``null`` stays.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from generator.errors import InputError, Location, Problem, ValuePath
from generator.yaml import Scalar, key_locations, load, scalar

if TYPE_CHECKING:
    from deepmerge import Merger

Tree = dict[str, Any]

#: The name that the schema's defaults have as an origin.
DEFAULTS_SOURCE = "templates/values.schema.json"


class Layer(NamedTuple):
    """One values file: its name as the user knows it, its text, and the map it holds."""

    source: str
    text: str
    tree: dict[str, object]


def read_layer(source: str, text: str) -> Layer:
    """Read a values file.

    Raises:
        InputError: it isn't YAML (every problem found), it is empty, or it holds something else than a map.
    """
    tree = load(text, source)
    if isinstance(tree, dict):
        return Layer(source, text, tree)
    if tree is None:
        message = "the file holds no values" if text.strip() else "the file is empty"
        raise InputError(Problem(message, Location(source), hint="write {} where nothing is to be set"))
    found = "a list" if isinstance(tree, list) else f"the {_KINDS[type(tree)]} {scalar(cast('Scalar', tree))}"
    problem = Problem(
        "the file must hold a map", Location(source, 1), found=found, expected="a map: lines of `key: value`"
    )
    raise InputError(problem)


_KINDS = {str: "string", bool: "boolean", int: "integer", float: "float"}


class Values:
    """Merged values, and the layers they come from."""

    __slots__ = ("base_source", "layers", "tree")

    def __init__(self, tree: Tree, layers: Sequence[Layer], base_source: str = DEFAULTS_SOURCE) -> None:
        """Take what `merge_layers` made."""
        self.tree = tree
        self.layers = tuple(layers)
        self.base_source = base_source

    def location(self, path: ValuePath) -> Location | None:
        """Say where the value at ``path`` was set or removed last, else its nearest parent; None: no layer does."""
        best: Location | None = None
        depth = 0
        for layer, reached in self._touching(path):
            if reached > depth:
                best, depth = _locations(layer)[path[:reached]], reached
        return best

    def removed(self, path: ValuePath) -> Location | None:
        """Say where a null removed the value at ``path``; None where the layers left it alone or set it."""
        for layer, reached in self._touching(path):
            if reached == len(path) and _get(layer.tree, path) is None:
                return _locations(layer)[path]
            if reached == len(path):
                return None
        return None

    def origins(self) -> dict[ValuePath, Location]:
        """Say where each leaf comes from: scalars and empty maps or lists; a default's origin is the schema."""
        return {path: self._origin(path) for path in _leaves(self.tree, ())}

    def _origin(self, path: ValuePath) -> Location:
        for layer, reached in self._touching(path):
            if reached == len(path):
                return _locations(layer)[path]
        return Location(self.base_source)

    def _touching(self, path: ValuePath) -> Iterator[tuple[Layer, int]]:
        """Give the layers, last first, that set ``path`` or a parent, and how many parts of it each one holds.

        A layer that replaces a parent as a whole is the last one given: those before it have no say any more.
        """
        for layer in reversed(self.layers):
            node: Any = layer.tree
            reached = 0
            for part in path:
                if isinstance(node, dict) if isinstance(part, str) else isinstance(node, list) and part < len(node):
                    if isinstance(node, dict) and part not in node:
                        break
                    node = node[part]
                    reached += 1
                else:
                    break
            if reached:
                yield layer, reached
            if reached and not isinstance(node, dict):
                return


def merge_layers(base: Tree, layers: Sequence[Layer], base_source: str = DEFAULTS_SOURCE) -> Values:
    """Merge layers, the last one winning, and put them over ``base``, the schema's defaults.

    Nothing is changed; the result shares what didn't change with its sources, so its cost is that of the layers.
    """
    if not layers:
        return Values(base, ())
    overlay: Tree = layers[0].tree
    for layer in layers[1:]:
        overlay = merge_trees(overlay, layer.tree)
    tree: Tree = _mergers()[1].merge(base, overlay)
    return Values(tree, layers, base_source)


def merge_trees(base: Tree, overlay: Tree) -> Tree:
    """Merge two layers into one that means the same; a ``null`` stays, because it removes what lies below both.

    Layers are merged from the first one on: after ``null`` a map doesn't merge with what was before.
    """
    merged: Tree = _mergers()[0].merge(base, overlay)
    return merged


@lru_cache(maxsize=1)
def _mergers() -> tuple[Merger, Merger]:
    """Give the merger of two layers, and the one of layers over defaults. deepmerge costs 2 ms: only when needed."""
    from deepmerge import Merger

    take, strip = _take, _take_without_nulls
    return Merger([(dict, _merge_keeping_nulls)], [take], [take]), Merger([(dict, _merge_removing)], [strip], [strip])


def _take(_merger: Merger, _path: list[Any], _base: Any, overlay: Any) -> Any:
    return overlay


def _take_without_nulls(_merger: Merger, _path: list[Any], _base: Any, overlay: Any) -> Any:
    return _without_nulls(overlay)


def _merge_keeping_nulls(merger: Merger, path: list[Any], base: Tree, overlay: Tree) -> Tree:
    merged = dict(base)
    for key, value in overlay.items():
        merged[key] = merger.value_strategy(path, base[key], value) if key in base else value
    return merged


def _merge_removing(merger: Merger, path: list[Any], base: Tree, overlay: Tree) -> Tree:
    merged = dict(base)
    for key, value in overlay.items():
        if value is None:
            merged.pop(key, None)
        elif key in base:
            merged[key] = merger.value_strategy(path, base[key], value)
        else:
            merged[key] = _without_nulls(value)
    return merged


def _without_nulls(value: Any) -> Any:
    """Leave out keys that are null, in maps of maps; a value without any is given as it is."""
    if type(value) is not dict:
        return value
    kept = {key: _without_nulls(item) for key, item in value.items() if item is not None}
    unchanged = len(kept) == len(value) and all(item is value[key] for key, item in kept.items())
    return value if unchanged else kept


@lru_cache(maxsize=32)
def _located(text: str, source: str) -> dict[ValuePath, Location]:
    return key_locations(text, source)


def _locations(layer: Layer) -> dict[ValuePath, Location]:
    return _located(layer.text, layer.source)


def _get(node: Any, path: ValuePath) -> Any:
    for part in path:
        node = node[part]
    return node


def _leaves(value: Any, path: ValuePath) -> Iterator[ValuePath]:
    if not value or not isinstance(value, (dict, list)):
        if path:
            yield path
        return
    for part, item in value.items() if isinstance(value, dict) else enumerate(value):
        yield from _leaves(item, (*path, part))
