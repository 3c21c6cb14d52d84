"""Random valid value trees: overlays over the schema's defaults, drawn from the schema itself.

A tree sets a few of the schema's points (scalars, lists and maps), each to a value drawn from its own subschema, and a
few settings that only go together.
Strings are those that YAML readers, templates and shells take for something else, where the pattern allows them. What
has a shape that the schema leaves to Kubernetes or Prometheus is drawn from real examples (``tests/samples.py``), or,
where ``hostile`` values are asked for, is whatever the schema lets through.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from operator import itemgetter
from typing import Any, NamedTuple

from hypothesis import assume
from hypothesis import strategies as st

from generator.errors import dotted
from tests.rendering import problems, schema
from tests.samples import BY_PATH, FEATURES, FORMS, NASTY

Node = Mapping[str, Any]
Path = tuple[str, ...]
Draw = Any

MOST_POINTS = 12
MOST_FEATURES = 3

#: Strings that a template engine may take for its own.
MARKUP = [
    *("{{ 7*7 }}", "{{ .Release.Name }}", "{{ $.Values }}", '{{ include "sidecert.name" . }}', "{{ fail `no` }}"),
    *("{{", "}}", "{{- end }}", "{{- /* no */ -}}", "{% raw %}", "{% endraw %}", "{# no #}", "%s %d %!", "$1 ${name}"),
    *("`", '\\"', "\\\\", "'{{'", "\n{{ 1 }}\n---\nkind: List\n", "a\n...\nb"),
]


class Point(NamedTuple):
    """A place in the values that can be set by itself."""

    path: Path
    node: Node


@st.composite
def value_trees(draw: Draw, variant: str, hostile: bool = False) -> dict[str, Any]:
    """Draw an overlay of a variant that schema and rules accept; ``hostile`` ones are no valid Kubernetes resources.

    A point that is refused together with others is left out again; where that doesn't help, the draw is rejected.
    """
    form = draw(st.sampled_from(FORMS[variant]))
    settings = _settings("hostile", free=True) if hostile else _settings(variant_form(form))
    values = dict(draw(st.lists(settings, max_size=MOST_POINTS, unique_by=itemgetter(0))))
    for feature in draw(st.lists(st.sampled_from(FEATURES), max_size=MOST_FEATURES)):
        values |= {tuple(path.split(".")): value for path, value in feature.items()}
    while True:
        overlay = assemble(values, form)
        found = problems(overlay)
        if not found:
            return overlay
        refused = {path for path in values for problem in found if problem.path.startswith(dotted(path))}
        assume(refused)
        values = {path: value for path, value in values.items() if path not in refused}


def variant_form(form: Mapping[str, Any]) -> str:
    """``operator`` where the Operator runs Prometheus, else ``workload``."""
    by_operator = form["variant"] == "operator" or form.get("merged", {}).get("prometheus") == "operator"
    return "operator" if by_operator else "workload"


def assemble(values: Mapping[Path, Any], form: Mapping[str, Any]) -> dict[str, Any]:
    """Put values into one tree, by their paths; the form's own stay."""
    tree: dict[str, Any] = {}
    for path, value in values.items():
        node = tree
        for name in path[:-1]:
            node = node.setdefault(name, {})
        node[path[-1]] = value
    prometheus = tree.get("prometheus", {})
    for mount in prometheus.get("volumeMounts", {}).values():
        prometheus.setdefault("volumes", {}).setdefault(mount["volume"], {"emptyDir": {}})
    return {**tree, **form}


# --------------------------------------------------------------------------------------------------- where to draw


@cache
def points() -> tuple[Point, ...]:
    """Every point of the schema but the variant."""
    return tuple(point for point in _points(schema(), ()) if point.path not in {("variant",), ("merged", "prometheus")})


def _points(node: Node, path: Path) -> Iterator[Point]:
    node = resolve(node)
    fixed = "properties" in node and "dependencies" not in node and dotted(path) not in BY_PATH
    if fixed and node.get("additionalProperties") is False:
        for name, inner in node["properties"].items():
            yield from _points(inner, (*path, name))
    else:
        yield Point(path, node)


def resolve(node: Node) -> Node:
    """Follow a `$ref`."""
    if "$ref" not in node:
        return node
    target = schema_definitions()[node["$ref"].rpartition("/")[2]]
    return {**resolve(target), **{key: value for key, value in node.items() if key != "$ref"}}


@cache
def schema_definitions() -> dict[str, Node]:
    """Give the schema's definitions."""
    definitions: dict[str, Node] = schema()["definitions"]
    return definitions


# --------------------------------------------------------------------------------------------------- what to draw


@cache
def _settings(form: str, free: bool = False) -> st.SearchStrategy[tuple[Path, Any]]:
    """Give points with a value for each: drawn together, so that Hypothesis can leave out one without the others.

    ``free``: those points alone that hold text of any form.
    """
    chosen = [point for point in points() if not free or _is_free(point.node)]
    return st.one_of(
        [st.tuples(st.just(point.path), values_of(point.node, dotted(point.path), form)) for point in chosen]
    )


def _is_free(node: Node) -> bool:
    node = resolve(node)
    if node.get("type") == "object":
        other = node.get("additionalProperties", True)
        return other is True or any(map(_is_free, [*node.get("properties", {}).values(), *([other] if other else [])]))
    if node.get("type") == "array":
        return _is_free(node["items"])
    return node.get("type") == "string" and not {"pattern", "enum", "allOf"} & node.keys()


def values_of(node: Node, path: str, form: str) -> st.SearchStrategy[Any]:
    """Give the values of a subschema; the form ``hostile`` gives those that only the schema limits."""
    node = resolve(node)
    for name in (f"{path}@{form}", path):
        if name in BY_PATH and not (form == "hostile" and node.get("type") in {"object", "array"}):
            return st.sampled_from(BY_PATH[name])
    if node.get("type") == "object" and node.get("additionalProperties", True) is True:
        return _open_maps(node)
    if "enum" in node:
        return st.sampled_from(node["enum"])
    kind = node.get("type")
    if kind == "boolean":
        return st.booleans()
    if kind == "integer":
        low, high = node.get("minimum", 0), node.get("maximum", 10**9)
        return st.sampled_from([low, high, node.get("default", low)]) | st.integers(low, high)
    if kind == "string":
        return st.sampled_from(MARKUP) | strings(node) if form == "hostile" and _is_free(node) else strings(node)
    if kind == "array":
        return _lists(node, path, form)
    if "properties" in node:
        return _objects(node, path, form)
    return _maps(node, path, form)


def _lists(node: Node, path: str, form: str) -> st.SearchStrategy[Any]:
    unique = repr if node.get("uniqueItems") else None
    items = values_of(node["items"], f"{path}[]", form)
    return st.lists(items, min_size=max(1, node.get("minItems", 0)), max_size=3, unique_by=unique)


def _objects(node: Node, path: str, form: str) -> st.SearchStrategy[Any]:
    required = {*node.get("required", []), *node.get("dependencies", {})}
    inner = {name: values_of(child, f"{path}.{name}", form) for name, child in node["properties"].items()}
    fixed = {name: values for name, values in inner.items() if name in required}
    free = {name: values for name, values in inner.items() if name not in required}
    return st.fixed_dictionaries(fixed, optional=free)


def _maps(node: Node, path: str, form: str) -> st.SearchStrategy[Any]:
    names = strings(node.get("propertyNames", {}))
    items = values_of(node["additionalProperties"], f"{path}.*", form)
    return st.dictionaries(names, items, min_size=1, max_size=3) | st.just({})


_CONFUSING_KEYS = ("y", "no", "1", "1.5", "true", "null")


def _open_maps(node: Node) -> st.SearchStrategy[Any]:
    """Give maps that hold anything; a null takes a default away."""
    keys = strings(node.get("propertyNames", {})) | st.sampled_from(_CONFUSING_KEYS)
    defaults = sorted(node.get("default", {})) or _CONFUSING_KEYS
    most = min(3, node.get("maxProperties", 3))
    return st.builds(
        lambda removed, free, needed: {**removed, **free, **needed},
        st.dictionaries(st.sampled_from(defaults), st.none(), max_size=most),
        st.dictionaries(keys, _anything(), min_size=node.get("minProperties", 0), max_size=most),
        st.fixed_dictionaries({name: _anything() for name in node.get("required", ())}),
    )


#: What can be written to YAML and read again by every tool; the rest is refused.
_CARRIED: Node = {"not": {"pattern": "[\x7f-\x9f\ufffe\uffff]|^<<\\Z"}}


@cache
def _anything() -> st.SearchStrategy[Any]:
    whole = st.integers(-(2**53), 2**53) | st.sampled_from((10**6, 10**7, 2**31, 2**53, -1, 0))
    fractions = st.floats(allow_nan=False, allow_infinity=False).filter(lambda number: not number.is_integer())
    scalars = st.sampled_from(MARKUP) | strings(_CARRIED) | st.booleans() | whole | fractions
    keys = st.sampled_from(MARKUP) | strings(_CARRIED) | st.sampled_from(_CONFUSING_KEYS)
    return st.recursive(
        scalars,
        lambda inner: st.lists(inner | st.none(), max_size=3) | st.dictionaries(keys, inner | st.none(), max_size=3),
        max_leaves=6,
    )


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\$$", r"\\Z", pattern), re.ASCII)


def strings(node: Node) -> st.SearchStrategy[str]:
    """Give strings that a subschema allows: nasty ones first, then whatever fits the pattern."""
    parts = list(_parts(node))
    if "enum" in node:
        return st.sampled_from(node["enum"])
    nasty = [text for text in NASTY if _fits(text, parts)]
    patterns = [part["pattern"] for part in parts if "pattern" in part]
    free = st.from_regex(_compiled(patterns[0]), fullmatch=True) if patterns else st.text(_LETTERS, max_size=12)
    allowed = free.filter(lambda text: _fits(text, parts))
    return st.sampled_from(nasty) | allowed if nasty else allowed


_LETTERS = "ab0 _-:#'\"\\$%&*{}[]|>,?!@`~\n\té日\u00a0"


def _parts(node: Node) -> Iterator[Node]:
    """A subschema and those it is put together from."""
    node = resolve(node)
    yield node
    for part in node.get("allOf", []):
        yield from _parts(part)


def _fits(text: str, parts: Sequence[Node]) -> bool:
    for part in parts:
        if len(text) > part.get("maxLength", 10**6) or len(text) < part.get("minLength", 0):
            return False
        if "pattern" in part and not _compiled(part["pattern"]).search(text):
            return False
        refused = part.get("not", {})
        if text in refused.get("enum", []) or text == refused.get("const"):
            return False
        if "pattern" in refused and _compiled(refused["pattern"]).search(text):
            return False
    return True
