"""Which other templates a template reaches, told from its text alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from jinja2 import nodes
from jinja2.exceptions import TemplateSyntaxError

from generator.render.environment import TemplateEnvironment
from generator.render.loading import TemplateLoader

#: What Jinja gives a macro without anybody setting it.
_GIVEN = frozenset({"caller", "varargs", "kwargs", "loop"})


class References(NamedTuple):
    """The templates that one includes, imports or extends.

    ``names`` stand in it as they are, ``variables`` hold others. What variables may hold is told by ``constants``, of
    this template and of all that it is reached from: None where that is computed.
    """

    names: frozenset[str]
    variables: frozenset[str]
    constants: Mapping[str, frozenset[str] | None]


def references(name: str, text: str) -> References | None:
    """Tell what the template ``name`` reaches; None where any template may be: by a computed name, or broken Jinja."""
    environment = TemplateEnvironment(TemplateLoader(lambda _: None, None), frozenset())
    try:
        tree = environment.parse(text, name)
    except TemplateSyntaxError:
        return None
    names, variables = set[str](), set[str]()
    for node in tree.find_all((nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)):
        target: nodes.Expr = node.template  # type: ignore[attr-defined]  # all four have it
        known = _strings(target)
        if known is not None:
            names |= known
        elif isinstance(target, nodes.Name) and target.name not in _GIVEN:
            variables.add(target.name)
        else:
            return None
    return References(frozenset(names), frozenset(variables), _constants(tree))


def _constants(tree: nodes.Template) -> dict[str, frozenset[str] | None]:
    """Give the strings that each name is bound to, anywhere in a template."""
    found: dict[str, frozenset[str] | None] = {}
    known = {id(target): strings for target, strings in _bound_to_constants(tree)}
    for name in tree.find_all(nodes.Name):
        if name.ctx == "load":
            continue
        strings, others = known.get(id(name)), found.get(name.name, frozenset())
        found[name.name] = None if strings is None or others is None else strings | others
    return found


def _bound_to_constants(tree: nodes.Template) -> Iterator[tuple[nodes.Node, frozenset[str] | None]]:
    for node in tree.find_all((nodes.Assign, nodes.With, nodes.For)):
        if isinstance(node, nodes.Assign):
            yield node.target, _strings(node.node)
        elif isinstance(node, nodes.With):
            yield from zip(node.targets, map(_strings, node.values), strict=True)
        elif isinstance(node, nodes.For):
            yield node.target, _strings(node.iter) if isinstance(node.iter, nodes.List | nodes.Tuple) else None


def _strings(node: nodes.Node) -> frozenset[str] | None:
    """Give the strings that an expression may be, or may hold; None where that isn't plain from the text."""
    if isinstance(node, nodes.Const):
        return frozenset([node.value] if isinstance(node.value, str) else [])
    if isinstance(node, nodes.List | nodes.Tuple):
        parts = node.items
    elif isinstance(node, nodes.CondExpr):
        parts = [node.expr1, *([node.expr2] if node.expr2 else [])]
    else:
        return None
    found = [_strings(part) for part in parts]
    return None if None in found else frozenset().union(*(strings for strings in found if strings))
