"""Environments that differ in nothing but strings that templates only print: rendered once, filled in for each.

A *shape* is what such environments have in common. It is rendered with a `Placeholder` for each string that an
environment's own file sets; what comes of it is filled with the strings of each environment. Whether that can be done
is found out by doing it: a placeholder that a template looks into, or that ends up in a name or a key, is an error, and
the string at its path is part of the shape from then on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any, NamedTuple

from generator.errors import ValuePath
from generator.functions.placeholder import MARK, Placeholder, is_uniform, parted
from generator.resource import Resource
from generator.values import Layer
from generator.yaml import is_string

Tree = dict[str, Any]


class Skeleton(NamedTuple):
    """A tree with some strings taken out: what is left, to compare it by, and the strings with their paths."""

    rest: Hashable
    paths: tuple[ValuePath, ...]
    strings: tuple[str, ...]


_OUT = object()


def skeleton(tree: Tree, kept: set[ValuePath]) -> Skeleton:
    """Take the strings out of a tree for which a placeholder can stand, but for those at some paths."""
    paths: list[ValuePath] = []
    strings: list[str] = []

    def rest(node: Any, path: ValuePath) -> Hashable:
        kind = type(node)
        if kind is dict:
            return kind, tuple([(key, rest(item, (*path, key))) for key, item in node.items()])
        if kind is list:
            return kind, tuple([rest(item, (*path, number)) for number, item in enumerate(node)])
        if kind is str and path not in kept and is_uniform(node):
            paths.append(path)
            strings.append(node)
            return _OUT
        return kind, node

    return Skeleton(rest(tree, ()), tuple(paths), tuple(strings))


def with_placeholders(tree: Tree, paths: Sequence[ValuePath]) -> Tree:
    """Give a tree with a placeholder at each path, numbered in order."""
    numbers = {path: number for number, path in enumerate(paths)}

    def replaced(node: Any, path: ValuePath) -> Any:
        if path in numbers:
            return Placeholder(numbers[path])
        if type(node) is dict:
            return {key: replaced(item, (*path, key)) for key, item in node.items()}
        if type(node) is list:
            return [replaced(item, (*path, number)) for number, item in enumerate(node)]
        return node

    found: Tree = replaced(tree, ())
    return found


class UnfitError(Exception):
    """Placeholders, given by number, ended up where only known strings can stand."""

    def __init__(self, numbers: frozenset[int]) -> None:
        """Take the numbers."""
        super().__init__(numbers)
        self.numbers = numbers


class Shape:
    """Resources with placeholders in them, to be filled in."""

    def __init__(self, resources: Sequence[Resource]) -> None:
        """Take what was rendered.

        Raises:
                UnfitError: a placeholder is part of a name, a key, a comment.
        """
        unfit = frozenset(number for resource in resources for number in _unfit(resource))
        if unfit:
            raise UnfitError(unfit)
        self._forms: list[_Form | Resource]
        self._forms = [_Form(resource) if MARK in resource.text else resource for resource in resources]

    def filled(self, strings: Sequence[str]) -> list[Resource] | None:
        """Give the resources with strings in place of the placeholders, in their order.

        None where a string, put beside others, would be read as something else than a string: ``n`` before ``o``.
        """
        resources: list[Resource] = []
        for form in self._forms:
            resource = form.filled(strings) if isinstance(form, _Form) else form
            if resource is None:
                return None
            resources.append(resource)
        return resources


class _Form:
    """One resource with placeholders: its text in parts, and where in its tree they are."""

    __slots__ = ("_blanks", "_parts", "_resource")

    def __init__(self, resource: Resource) -> None:
        self._resource = resource
        self._parts = parted(resource.text)
        self._blanks = _blanks(resource.tree)

    def filled(self, strings: Sequence[str]) -> Resource | None:
        """Give the resource, or None where a value wouldn't be read as a string."""
        try:
            tree = _filled(self._resource.tree, self._blanks, strings)
        except ValueError:
            return None
        return self._resource._replace(tree=tree, text=_joined(self._parts, strings))


def _joined(parts: Sequence[str | int], strings: Sequence[str]) -> str:
    return "".join([strings[part] if isinstance(part, int) else part for part in parts])


def _blanks(node: Any) -> Any:
    """Give where in a tree placeholders are: maps of keys or indices, down to the parts of a string; None: nowhere."""
    kind = type(node)
    if kind is str:
        return parted(node) if MARK in node else None
    if kind is dict or kind is list:
        items = node.items() if kind is dict else enumerate(node)
        return {key: inner for key, item in items if (inner := _blanks(item)) is not None} or None
    return None


def _filled(node: Any, blanks: Any, strings: Sequence[str]) -> Any:
    if type(blanks) is tuple:
        if len(blanks) == 3 and not blanks[0] and not blanks[2]:
            return strings[blanks[1]]
        text = _joined(blanks, strings)
        # In a text of several lines nothing is read but the text.
        if "\n" not in text and not is_string(text):
            raise ValueError
        return text
    copy = node.copy()
    for key, inner in blanks.items():
        copy[key] = _filled(node[key], inner, strings)
    return copy


def _unfit(resource: Resource) -> Iterator[int]:
    """Tell the placeholders that stand in a resource's names, or anywhere but in the strings of its tree."""
    for part in resource.id:
        yield from _numbers(part)
    in_text, in_strings = Counter(_numbers(resource.text)), Counter(_in_strings(resource.tree))
    yield from (number for number, count in in_text.items() if in_strings[number] != count)


def _in_strings(node: Any) -> Iterator[int]:
    if type(node) is str:
        if MARK in node:
            yield from _numbers(node)
    elif type(node) is dict or type(node) is list:
        for item in node.values() if type(node) is dict else node:
            yield from _in_strings(item)


def _numbers(text: str) -> tuple[int, ...]:
    return parted(text)[1::2]  # type: ignore[return-value]  # every second part is a number


class Shapes:
    """The shapes of environments that were rendered last, and what was found out about paths."""

    def __init__(self, render: Callable[[Sequence[Layer]], list[Resource]]) -> None:
        """Take what renders layers, the strings in the last of which may be placeholders."""
        self._render = render
        self._shapes: dict[Hashable, Shape | None] = {}
        #: Top-level paths whose strings decide what is rendered at all are never tried.
        self._kept: set[ValuePath] = {("variant",)}
        self._printed: set[ValuePath] = set()

    def resources(self, layers: Sequence[Layer]) -> list[Resource] | None:
        """Give what layers render to, where that can be had from a shape.

        None where it can't, because nothing is in common with others, or because something is wrong, which an ordinary
        render will tell.
        """
        if not layers:
            return None
        *shared, own = layers
        if any(MARK in layer.text for layer in layers):
            return None
        while True:
            found = skeleton(own.tree, self._kept)
            key = (tuple([layer.text for layer in shared]), found.rest, found.paths)
            if key not in self._shapes:
                known = len(self._kept)
                shape = self._made(shared, own, found.paths) if found.paths else None
                if len(self._kept) > known:
                    continue
                if len(self._shapes) >= _MOST_SHAPES:
                    del self._shapes[next(iter(self._shapes))]
            else:
                shape = self._shapes.pop(key)
            self._shapes[key] = shape  # the one used last is the last to go
            return shape.filled(found.strings) if shape else None

    def _made(self, shared: Sequence[Layer], own: Layer, paths: Sequence[ValuePath]) -> Shape | None:
        """Render with placeholders at some paths; None where that fails, and paths at fault are kept from now on."""
        try:
            shape = self._tried(shared, own, paths)
        except UnfitError as error:
            self._kept.update(paths[number] for number in error.numbers)
            return None
        except Exception:  # noqa: BLE001  # if it isn't for the placeholders, an ordinary render fails alike
            doubted = [path for path in paths if path not in self._printed]
            self._kept.update(path for path in doubted or paths if not self._is_printed(shared, own, path))
            return None
        self._printed.update(paths)
        return shape

    def _is_printed(self, shared: Sequence[Layer], own: Layer, path: ValuePath) -> bool:
        try:
            self._tried(shared, own, [path])
        except Exception:  # noqa: BLE001  # see above
            return False
        return True

    def _tried(self, shared: Sequence[Layer], own: Layer, paths: Sequence[ValuePath]) -> Shape:
        return Shape(self._render([*shared, own._replace(tree=with_placeholders(own.tree, paths))]))


#: Each holds the resources of an environment: some hundred kilobytes.
_MOST_SHAPES = 64
