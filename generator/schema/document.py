"""A schema as a document: put together from its parts, `$ref`s followed, found by the path of a value."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

from generator.errors import InputError, Location, Problem, ValuePath, dotted

Node = dict[str, Any]

#: What a node without a default gives: null may be one.
NOTHING: Final = object()

# What an addition may hold beside properties, definitions, required and allOf: it says nothing about values.
_REMARKS = frozenset(("$schema", "$id", "$comment", "title", "description", "type"))


class Document:
    """The nodes of one schema."""

    def __init__(self, root: Node) -> None:
        self.root = root
        self._resolved: dict[int, Node] = {}

    def resolve(self, node: Node) -> Node:
        """Follow `$ref`; what stands beside it (a description, a default) wins over what it names.

        Raises KeyError for a `$ref` that leads nowhere.
        """
        if "$ref" not in node:
            return node
        known = self._resolved.get(id(node))
        if known is None:
            beside = {key: value for key, value in node.items() if key != "$ref"}
            known = {**self.resolve(self.target(node["$ref"])), **beside}
            self._resolved[id(node)] = known
        return known

    def target(self, reference: str) -> Node:
        """Give the node that a reference within the document names: `#/definitions/name`."""
        node: Any = self.root
        for part in reference.removeprefix("#").split("/")[1:]:
            step = part.replace("~1", "/").replace("~0", "~")
            if not isinstance(node, dict) or step not in node:
                raise KeyError(reference)
            node = node[step]
        return dict_or_empty(node)

    def child(self, node: Node, part: str | int) -> Node | None:
        """Give the schema of a key or list item below a resolved node; None where nothing is said about it."""
        if isinstance(part, int):
            found = node.get("items")
        else:
            found = node.get("properties", {}).get(part)
            if found is None:
                found = node.get("additionalProperties")
        return self.resolve(found) if isinstance(found, dict) else None

    def at(self, path: ValuePath) -> Node | None:
        """Give the resolved schema of the value at ``path``; None where nothing is said about it."""
        node: Node | None = self.resolve(self.root)
        for part in path:
            node = self.child(node, part) if node is not None else None
        return node

    def defaults(self, node: Any, above: tuple[int, ...] = ()) -> Any:
        """Give the default of a node, or `NOTHING`: its own, else the map of its properties' defaults.

        ``above`` ends the loops of `$ref`s.
        """
        resolved = self.resolve(dict_or_empty(node))
        if "default" in resolved:
            return resolved["default"]
        if id(resolved) in above:
            return NOTHING
        inner = {
            name: self.defaults(one, (*above, id(resolved))) for name, one in resolved.get("properties", {}).items()
        }
        return {name: value for name, value in inner.items() if value is not NOTHING} or NOTHING

    def optional_keys(self) -> frozenset[str]:
        """Give the names of all properties that the object they stand in doesn't require."""
        found: set[str] = set()
        seen: set[int] = set()
        waiting: list[Any] = [self.root]
        while waiting:
            node = waiting.pop()
            if not isinstance(node, dict) or id(self.resolve(node)) in seen:
                continue
            node = self.resolve(node)
            seen.add(id(node))
            properties = node.get("properties", {})
            found.update(set(properties).difference(node.get("required", ())))
            waiting += [*properties.values(), node.get("additionalProperties"), node.get("items")]
        return frozenset(found)

    def properties(self) -> Iterator[ValuePath]:
        """Give the paths of all fixed properties."""
        yield from self._properties(self.root, (), ())

    def _properties(self, node: Node, path: ValuePath, above: tuple[int, ...]) -> Iterator[ValuePath]:
        node = self.resolve(node)
        if id(node) in above:
            return
        for name, inner in node.get("properties", {}).items():
            yield (*path, name)
            if isinstance(inner, dict):
                yield from self._properties(inner, (*path, name), (*above, id(node)))


def demanding(root: Node) -> Node:
    """Give the schema of merged values: what has a default is there, so it is required.

    The document itself is for files that are layered, each of which may leave out anything: an editor that checks such
    a file against it must not ask for more.
    """
    nodes = Document(root)

    def visited(node: Any) -> Any:
        if not isinstance(node, dict) or "properties" not in node or "default" in node:
            return node
        present = [name for name, inner in node["properties"].items() if nodes.defaults(inner) is not NOTHING]
        required = [*node.get("required", ()), *(name for name in present if name not in node.get("required", ()))]
        properties = {name: visited(inner) for name, inner in node["properties"].items()}
        return {**node, "properties": properties, "required": required}

    whole: Node = visited(root)
    return whole


def dict_or_empty(node: Any) -> Node:
    """Give a node; `true`, which allows everything, is `{}`."""
    return node if isinstance(node, dict) else {}


def assemble(text: str, source: str, additions: Sequence[tuple[str, str]]) -> Node:
    """Put a schema and its additions (text, source) together into one document.

    Raises:
        InputError: every part that isn't a JSON object, holds what can't be added, or defines what another defines.
    """
    root = _parse(text, source)
    if not additions:
        return root
    assembly = _Assembly(root, source)
    for addition_text, addition_source in additions:
        assembly.add(_parse(addition_text, addition_source), addition_source)
    if assembly.problems:
        raise InputError(assembly.problems)
    return root


class _Assembly:
    """Joins additions to a schema; remembers who defined what."""

    def __init__(self, root: Node, source: str) -> None:
        self.root = root
        self.source = source
        self.origins: dict[tuple[str, ...], str] = {}
        self.problems: list[Problem] = []

    def add(self, addition: Node, source: str) -> None:
        """Join one addition."""
        for keyword, content in addition.items():
            if keyword == "properties":
                self.join_properties(self.root.setdefault(keyword, {}), content, (), source)
            elif keyword == "definitions":
                self.join_definitions(self.root.setdefault(keyword, {}), content, source)
            elif keyword in ("allOf", "required"):
                self.root[keyword] = [*self.root.get(keyword, ()), *content]
            elif keyword not in _REMARKS:
                expected = "properties, definitions, required or allOf"
                self.problems.append(
                    Problem(f"`{keyword}` can't be added to the schema", Location(source), expected=expected)
                )

    def join_definitions(self, known: Node, added: Node, source: str) -> None:
        """Join named definitions; two of the same name must be equal."""
        for name, node in added.items():
            if name in known and known[name] != node:
                self.refuse("definition", ("definitions", name), name, source)
            else:
                known[name] = node
                self.origins["definitions", name] = source

    def join_properties(self, known: Node, added: Node, path: tuple[str, ...], source: str) -> None:
        """Join properties; an object that is known already takes the properties it lacks."""
        for name, node in added.items():
            where = (*path, name)
            if name not in known:
                known[name] = node
                self.origins[where] = source
            elif "properties" in known[name] and set(node) <= {"type", "properties", "required"}:
                self.join_properties(known[name]["properties"], node.get("properties", {}), where, source)
                if "required" in node:
                    known[name]["required"] = [*known[name].get("required", ()), *node["required"]]
            else:
                self.refuse("property", where, dotted(where), source)

    def refuse(self, kind: str, where: tuple[str, ...], name: str, source: str) -> None:
        """Note that a part defines again what another one defines."""
        owners = (self.origins[where[:end]] for end in range(len(where), 0, -1) if where[:end] in self.origins)
        owner = next(owners, self.source)
        self.problems.append(Problem(f"the {kind} `{name}` is defined in {owner} already", Location(source)))


def _parse(text: str, source: str) -> Node:
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        location = Location(source, error.lineno, error.colno)
        raise InputError(Problem(f"not valid JSON: {error.msg}", location)) from None
    if not isinstance(document, dict):
        raise InputError(Problem("a schema must be a JSON object", Location(source)))
    return document
