"""What a template knows of a value before there is one: the JSON types that the schema allows."""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

from generator.schema.document import Document, Node
from generator.yaml import scalar


class Type(NamedTuple):
    """The JSON types that a value may have, and its schema, where that says more.

    ``kinds`` are names of JSON Schema, or ``condition`` for what can only be asked. ``filled`` says that a value is
    never empty, so that an ``if`` over it is decided already; ``words`` that it is one of a few strings, none of which
    needs quotes in YAML.
    """

    kinds: frozenset[str]
    node: Node | None = None
    filled: bool = False
    words: bool = False

    def one_of(self, *kinds: str) -> bool:
        """Say whether every value of this type has one of the kinds."""
        return self.kinds <= set(kinds)

    def present(self) -> Type:
        """Give the type of a value that is known not to be null."""
        return self._replace(kinds=self.kinds - {"null"})


_ALL: Final = frozenset({"string", "integer", "number", "boolean", "object", "array", "null"})
ANYTHING: Final = Type(_ALL)
BOOLEAN: Final = Type(frozenset({"boolean"}))
CONDITION: Final = Type(frozenset({"condition"}))
STRING: Final = Type(frozenset({"string"}))
FILLED_STRING: Final = STRING._replace(filled=True)

_KINDS: dict[type, str] = {
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    dict: "object",
    list: "array",
    tuple: "array",
    type(None): "null",
}
_NAMES = {
    "array": "a list",
    "boolean": "a boolean",
    "condition": "a condition",
    "integer": "an integer",
    "null": "null",
    "number": "a float",
    "object": "a map",
    "string": "a string",
}


def named(found: Type) -> str:
    """Name a type in the words of a values file: ``a string or null``, ``a value of any type``."""
    return " or ".join(_NAMES[kind] for kind in sorted(found.kinds)) if found.kinds < _ALL else "a value of any type"


def constant_type(value: Any) -> Type:
    """Give the type of a constant; of printed text and whatever else is no value, a type without kinds."""
    kind = _KINDS.get(type(value))
    return Type(frozenset({kind} if kind else ()), filled=bool(value) and type(value) in _KINDS)


def union(one: Type, other: Type) -> Type:
    """Give the type of a value that is either."""
    node = one.node if one.node == other.node else None
    return Type(one.kinds | other.kinds, node, one.filled and other.filled, one.words and other.words)


class Types:
    """Finds the types in a schema of merged values, in which what has a default is required."""

    def __init__(self, document: Node) -> None:
        """Take the whole schema, for its ``$ref``s."""
        self._document = Document(document)
        self.root = self._type(document)

    def key(self, found: Type, name: str) -> Type | None:
        """Give the type of a map's key; None where the schema knows no such key."""
        node = found.node
        if node is None:
            return ANYTHING
        inner = node.get("properties", {}).get(name)
        if inner is not None:
            required = name in node.get("required", ())
            present = self._type(inner)
            return present if required else present._replace(kinds=present.kinds | {"null"}, filled=False)
        return self._additional(node)

    def keys(self, found: Type) -> list[str]:
        """Give the keys that a map always may have."""
        return list((found.node or {}).get("properties", {}))

    def entry(self, found: Type) -> Type:
        """Give the type of a map's values, whatever their keys."""
        node = found.node
        if node is None:
            return ANYTHING
        types = [self._type(inner) for inner in node.get("properties", {}).values()]
        additional = self._additional(node)
        return _union([*types, *([additional] if additional else [])])

    def entry_key(self, found: Type) -> Type:
        """Give the type of a map's keys."""
        names = (found.node or {}).get("propertyNames")
        return STRING._replace(filled=isinstance(names, dict) and self._never_empty(names))

    def item(self, found: Type) -> Type:
        """Give the type of a list's items."""
        inner = (found.node or {}).get("items")
        return self._type(inner) if isinstance(inner, dict) else ANYTHING

    def _additional(self, node: Node) -> Type | None:
        additional = node.get("additionalProperties", True)
        if additional is False:
            return None
        return self._type(additional) if isinstance(additional, dict) else ANYTHING

    def _type(self, node: Node) -> Type:
        node = self._document.resolve(node)
        kinds = self._kinds(node)
        enum = node.get("enum", ())
        words = bool(enum) and all(isinstance(word, str) and word and scalar(word) == word for word in enum)
        return Type(kinds, node, kinds == {"string"} and self._never_empty(node), words)

    def _kinds(self, node: Node) -> frozenset[str]:
        node = self._document.resolve(node)
        said = node.get("type")
        if said is not None:
            return frozenset([said] if isinstance(said, str) else said)
        values = node["enum"] if "enum" in node else [node["const"]] if "const" in node else []
        if values:
            return frozenset(_KINDS[type(value)] for value in values)
        for choice in ("anyOf", "oneOf"):
            if choice in node:
                return frozenset(kind for inner in node[choice] for kind in self._kinds(inner))
        return _ALL

    def _never_empty(self, node: Node) -> bool:
        """Say whether a schema of strings refuses the empty one."""
        node = self._document.resolve(node)
        if "enum" in node:
            return "" not in node["enum"]
        if node.get("const") or node.get("minLength", 0) > 0:
            return True
        if "pattern" in node and not re.search(node["pattern"], ""):
            return True
        alternatives = node.get("anyOf") or node.get("oneOf") or ()
        return any(self._never_empty(inner) for inner in node.get("allOf", ())) or (
            bool(alternatives) and all(self._never_empty(inner) for inner in alternatives)
        )


def _union(types: list[Type]) -> Type:
    if not types:
        return ANYTHING
    found = types[0]
    for other in types[1:]:
        found = union(found, other)
    return found
