"""A chart's values: values.yaml with every description as a comment, and for an environment what differs from it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from generator.emit.manifests import generated
from generator.errors import ValuePath
from generator.schema.document import NOTHING, Document, Node, dict_or_empty
from generator.tree import OutputFile
from generator.yaml import block

#: Descriptions that replace those of the schema, by path.
Descriptions = Mapping[ValuePath, str]

_COLUMNS: Final = 100
_ZEROS: Final[Mapping[str, Any]] = {"string": "", "integer": 0, "number": 0, "boolean": False}


def values_file(document: Node, chart_defaults: Mapping[str, Any], descriptions: Descriptions) -> str:
    """Give the text of values.yaml: it reads as ``chart_defaults``, and shows everything that the schema describes.

    ``document`` is the whole schema. What has no default stands there as a comment: without the ``# `` in front of
    each line it is YAML, with its descriptions as comments.
    """
    nodes = Document(document)
    sections = _ValuesFile(nodes, descriptions).keys(nodes.resolve(document), chart_defaults, (), 0)
    text = "\n\n".join("\n".join(section) for section in sections)
    return f"{text}\n" if chart_defaults else f"{text}\n{{}}\n".lstrip()


def described(node: Node, path: ValuePath, descriptions: Descriptions, *, required: bool = False) -> str:
    """Give the description of a resolved node as one line, with the values of an enum where it doesn't name them."""
    text = " ".join(str(descriptions.get(path, node.get("description", ""))).split())
    allowed = node.get("enum", ())
    if not all(_is_named(value, text) for value in allowed):
        text += f" One of {', '.join(_code(value) for value in allowed)}."
    return f"{text} Required.".lstrip() if required else text.lstrip()


def _code(value: object) -> str:
    return f"`{value}`" if value != "" else '`""`'


def _is_named(value: object, text: str) -> bool:
    if value == "":
        return re.search(r"\bempty\b", text, re.IGNORECASE) is not None
    return re.search(rf"(?<![\w-]){re.escape(str(value))}(?![\w-])", text) is not None


def entry_name(node: Node, nodes: Document) -> str:
    """Give a word for the keys of a map whose keys are free: the title of its ``propertyNames``, else ``NAME``."""
    title = nodes.resolve(dict_or_empty(node.get("propertyNames"))).get("title", "")
    return re.sub(r"\W+", "_", title).upper() or "NAME"


def entries_of(node: Node, nodes: Document) -> Node:
    """Give the resolved schema of a map's free entries or a list's items; empty where nothing is said about them."""
    return nodes.resolve(dict_or_empty(node.get("items") or node.get("additionalProperties")))


class _ValuesFile:
    """Prints values with their descriptions: what is set as it is, what could be set as a comment."""

    def __init__(self, nodes: Document, descriptions: Descriptions) -> None:
        self._nodes = nodes
        self._descriptions = descriptions

    def keys(
        self, node: Node, value: Mapping[str, Any], path: ValuePath, column: int, *, sample: bool = False
    ) -> Iterator[list[str]]:
        """Give the lines of each key of a map, in the schema's order; ``column`` is where they will stand.

        Keys without a value come last, as comments. In a ``sample`` every key is there, and it matters which of them
        are required.
        """
        properties, required = node.get("properties", {}), node.get("required", ())
        for name in (
            *(name for name in properties if name in value),
            *(name for name in value if name not in properties),
        ):
            inner = self._nodes.child(node, name) or {}
            needed = sample and name in required
            yield self._key(inner, value[name], (*path, name), column, sample=sample, required=needed)
        for name in (name for name in properties if name not in value and not sample):
            inner = self._nodes.child(node, name) or {}
            made_up = self._sample(inner)
            yield _commented(
                self._key(inner, made_up, (*path, name), column + 2, sample=True, required=name in required)
            )

    def _key(self, node: Node, value: Any, path: ValuePath, column: int, *, sample: bool, required: bool) -> list[str]:
        """Give the lines of a key with its description, and of what could be in it where it is empty."""
        name = str(path[-1])
        text = described(node, path, self._descriptions, required=required)
        if value == "" and node.get("examples") and path not in self._descriptions and not sample:
            text += f" Example: {_code(node['examples'][0])}."
        lines = _comment(text, column)
        inside = self._inside(node, value, path, column + 2, sample=sample)
        if inside:
            pad = "" if isinstance(value, list) else "  "
            head = block({name: None}).removesuffix(" null")
            return [*lines, head, *_indented(inside, pad)]
        lines += block({name: value}, sort_keys=False).split("\n")
        return lines if sample else [*lines, *_indented(self._shape(node, value, path, column + 2), "  ")]

    def _inside(self, node: Node, value: Any, path: ValuePath, column: int, *, sample: bool) -> list[str]:
        """Give the lines of what is in a map or list, if the schema describes any of it."""
        if isinstance(value, dict) and value and self._describes(node):
            keys = self.keys(node, value, path, column, sample=sample)
            return _joined(keys, airy=len(path) == 1)
        entry = entries_of(node, self._nodes)
        if isinstance(value, list) and value and all(isinstance(item, dict) for item in value) and _is_told(entry):
            return [line for item in value for line in self._item(entry, item, (*path, 0), column, sample=sample)]
        return []

    def _item(self, node: Node, value: Node, path: ValuePath, column: int, *, sample: bool) -> list[str]:
        """Give the lines of a list's item: the dash stands before its first line, comment or not."""
        lines = _comment(described(node, path, self._descriptions), column)
        for inner in self.keys(node, value, path, column, sample=sample):
            lines += inner
        return [f"- {lines[0]}", *_indented(lines[1:], "  ")] if value else [*lines, "- {}"]

    def _shape(self, node: Node, value: Any, path: ValuePath, column: int) -> list[str]:
        """Give, as a comment, what could stand in an empty map or list; nothing where the schema can't tell more."""
        if value not in ({}, []) or not (self._describes(node) or node.get("examples")):
            return []
        sample = self._sample(node)
        lines = self._inside(node, sample, path, column + 2, sample=True) or block(sample, sort_keys=False).split("\n")
        if node.get("examples"):
            complete = sample == node["examples"][0]
            lines = ["Example:" if complete else "Example, with every key it can have:", *lines]
        return _commented(lines)

    def _describes(self, node: Node) -> bool:
        """Say whether the schema has a word for what can be in a map or list."""
        return bool(node.get("properties")) or _is_told(entries_of(node, self._nodes))

    def _sample(self, node: Node, example: Any = NOTHING, above: tuple[int, ...] = (), number: int = 0) -> Any:
        """Make up a value, with every key there can be: of its default, of examples, else of its type.

        ``number`` counts the entries of a map, so that each has an example of its own. ``above`` ends the loops of
        `$ref`s.
        """
        if example is NOTHING:
            example = _example(node, number)
        entry, properties = entries_of(node, self._nodes), node.get("properties", {})
        kind = node.get("type")
        inner = (*above, id(node))
        if id(node) in above:
            return {} if example is NOTHING else example
        if properties and (example is NOTHING or isinstance(example, dict)):
            given = dict_or_empty(example)
            made = {
                name: self._sample(self._nodes.child(node, name) or {}, given.get(name, NOTHING), inner)
                for name in properties
            }
            return {**made, **{name: item for name, item in given.items() if name not in made}}
        if kind == "object" and example in (NOTHING, {}):
            known = self._nodes.resolve(dict_or_empty(node.get("propertyNames"))).get("enum", ())
            names = known or ([entry_name(node, self._nodes)] if _is_told(entry) else [])
            return {name: self._sample(entry, NOTHING, inner, count) for count, name in enumerate(names)}
        if kind == "array" and example in (NOTHING, []):
            return [self._sample(entry, NOTHING, inner)] if _is_told(entry) or node.get("minItems") else []
        if isinstance(example, dict) and _is_told(entry):
            return {name: self._sample(entry, item, inner) for name, item in example.items()}
        if isinstance(example, list) and _is_told(entry):
            return [self._sample(entry, item, inner) for item in example]
        return node.get("minimum", _ZEROS.get(str(kind))) if example is NOTHING else example


def _example(node: Node, number: int) -> Any:
    """Give the value that a node names itself, or `NOTHING`: a default that says something, an example, or any."""
    examples, allowed = node.get("examples", ()), node.get("enum", ())
    if node.get("default") not in (None, "", {}, []):
        return node["default"]
    if examples:
        return examples[min(number, len(examples) - 1)]
    return node.get("const", node.get("default", allowed[0] if allowed else NOTHING))


def _is_told(entry: Node) -> bool:
    return "properties" in entry or "description" in entry


def _joined(keys: Iterable[list[str]], *, airy: bool) -> list[str]:
    """Join the lines of keys; where that is ``airy``, with an empty line around those that hold something."""
    lines: list[str] = []
    held = False
    for key in keys:
        holds = key[-1].startswith((" ", "-", "#"))
        if lines and airy and (held or holds):
            lines.append("")
        lines += key
        held = holds
    return lines


def _comment(text: str, column: int) -> list[str]:
    """Break a text into comment lines that end at the last column or before."""
    lines: list[str] = []
    for word in text.split():
        if lines and column + len(lines[-1]) + 1 + len(word) <= _COLUMNS:
            lines[-1] += f" {word}"
        else:
            lines.append(f"# {word}")
    return lines


def _commented(lines: list[str]) -> list[str]:
    return [f"# {line}" for line in lines]


def _indented(lines: list[str], pad: str) -> list[str]:
    return [pad + line if line else "" for line in lines]


# ------------------------------------------------------------------------------------------------- environments


def environment_values(tree: Mapping[str, Any], chart_defaults: Mapping[str, Any], document: Node) -> dict[str, Any]:
    """Give the smallest tree that Helm merges over ``chart_defaults`` into ``tree``, which is merged to the end.

    Maps are there where something in them differs, lists and scalars as a whole; a key that only the defaults have is
    null. Keys stand in the order of the schema, those of free maps sorted.
    """
    return ValuesWriter(document, chart_defaults).values(tree)


def environment_file(
    environment: str, tree: Mapping[str, Any], chart_defaults: Mapping[str, Any], document: Node
) -> str:
    """Give `environment_values` as the text of a values file."""
    return ValuesWriter(document, chart_defaults).file(environment, tree).text


class ValuesWriter:
    """Writes the values of many environments for one chart."""

    def __init__(self, document: Node, chart_defaults: Mapping[str, Any]) -> None:
        """Take the whole schema and the chart's defaults."""
        nodes = Document(document)
        self._defaults = chart_defaults
        self._order = _Order(nodes.resolve(document), nodes)

    def values(self, tree: Mapping[str, Any]) -> dict[str, Any]:
        """Give `environment_values`."""
        return _difference(tree, self._defaults, self._order)

    def file(self, environment: str, tree: Mapping[str, Any]) -> OutputFile:
        """Give the environment's values file, ``helm/values/<environment>.yaml``."""
        text = f"{_USAGE}\n{block(self.values(tree), sort_keys=False)}\n"
        return generated(f"helm/values/{environment}.yaml", f"environment {environment}", text)


_USAGE = "# What differs from the chart's values.yaml: helm upgrade --install RELEASE CHART --values THIS_FILE"


class _Order:
    """The order of the keys below a node of the schema; found where it is asked for."""

    __slots__ = ("_below", "_node", "_nodes", "ranks")

    def __init__(self, node: Node, nodes: Document) -> None:
        self._node = node
        self._nodes = nodes
        self._below: dict[str | int, _Order] = {}
        self.ranks = {name: (rank, "") for rank, name in enumerate(node.get("properties", ()))}

    def below(self, part: str | int) -> _Order:
        """Give the order below a key or in a list."""
        key = part if part in self.ranks or part == 0 else ""
        found = self._below.get(key)
        if found is None:
            found = self._below[key] = _Order(self._nodes.child(self._node, part) or {}, self._nodes)
        return found

    def rank(self, name: str) -> tuple[int, str]:
        """Give what a key is sorted by: keys that the schema doesn't name come last."""
        return self.ranks.get(name) or (len(self.ranks), name)

    def ordered(self, value: Any) -> Any:
        """Give a value with its keys in order."""
        if isinstance(value, dict):
            names = sorted(value, key=self.rank) if len(value) > 1 else value
            return {name: self.below(name).ordered(value[name]) for name in names}
        if isinstance(value, list):
            return [self.below(0).ordered(item) for item in value]
        return value


def _difference(tree: Mapping[str, Any], base: Mapping[str, Any], order: _Order) -> dict[str, Any]:
    """Give what turns ``base`` into ``tree``. What both share, and that is most of it, is not looked into."""
    found: dict[str, Any] = {}
    for name, value in tree.items():
        if name not in base:
            found[name] = order.below(name).ordered(value)
            continue
        old = base[name]
        if value is old:
            continue
        if isinstance(value, dict) and isinstance(old, dict):
            inner = _difference(value, old, order.below(name))
            if inner:
                found[name] = inner
        elif not _same(value, old):
            found[name] = order.below(name).ordered(value)
    for name in base:
        if name not in tree:
            found[name] = None
    return {name: found[name] for name in sorted(found, key=order.rank)} if len(found) > 1 else found


def _same(one: Any, other: Any) -> bool:
    """Compare as YAML does: 1, 1.0 and true are three values."""
    if type(one) is not type(other) or one != other:
        return False
    if isinstance(one, dict):
        return all(_same(item, other[name]) for name, item in one.items())
    return not isinstance(one, list) or all(map(_same, one, other))
