"""What in a template is not part of the language of docs/templates.md, found in its syntax tree before it is rendered.

Jinja can say more than a Helm template can. What only Jinja can say is allowed over constants written in the template,
because those are gone before a Helm template is made.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import NamedTuple

from jinja2 import nodes

from generator.errors import Location, Problem
from generator.functions import FUNCTIONS

_FILTERS = [row.name for row in FUNCTIONS.values() if row.kind == "filter"]
_GLOBALS = [row.name for row in FUNCTIONS.values() if row.kind == "global"]

#: ``release`` is what the program that installs adds: nothing, or Helm's own labels.
_ALWAYS_CONSTANT = ("range", "loop", "release")

#: Allowed anywhere; what needs a closer look has a method, and everything else is refused.
_PLAIN = (
    *(nodes.Template, nodes.TemplateData, nodes.Const, nodes.Name, nodes.Pair, nodes.List, nodes.Tuple, nodes.Dict),
    *(nodes.And, nodes.Or, nodes.Not, nodes.With, nodes.Operand, nodes.Keyword, nodes.Import, nodes.FromImport),
    nodes.Scope,  # round `autoescape`, which is refused itself
)

_OPERATORS = {"eq", "ne", "lt", "lteq", "gt", "gteq"}

#: Refused unless all of it is constant: how it is called, and what to write instead.
_REFUSED: dict[type[nodes.Node], tuple[str, str]] = {
    nodes.Concat: ("`~`", 'write `format("%s%s", a, b)`'),
    nodes.Add: ("`+`", 'write `format("%s%s", a, b)` for strings, `concat(a, b)` for lists'),
    nodes.Sub: ("`-`", "put the number into the values"),
    nodes.Mul: ("`*`", "put the number into the values"),
    nodes.Div: ("`/`", "put the number into the values"),
    nodes.FloorDiv: ("`//`", "put the number into the values"),
    nodes.Mod: ("`%`", 'write `format("%s", a)`'),
    nodes.Pow: ("`**`", "put the number into the values"),
    nodes.Pos: ("`+`", "leave it out"),
    nodes.Neg: ("`-`", "put the number into the values"),
    nodes.Slice: ("a slice", "loop over the list"),
    nodes.Test: ("`is`", "write `== null`, `has_key(map, key)`, or an `if` that asks whether the value is empty"),
    nodes.AssignBlock: ("a `set` block", "write a macro"),
    nodes.Extends: ("`extends`", "write an `include` or a macro"),
    nodes.Block: ("`block`", "write an `include` or a macro"),
    nodes.ScopedEvalContextModifier: ("`autoescape`", "leave it out"),
}


class _Scope(NamedTuple):
    """What holds at a place in the tree: constant names, macros and imports in reach, and whether an `if` is open."""

    constants: frozenset[str]
    modules: frozenset[str]
    macros: frozenset[str]
    under_if: bool = False


def problems_in(tree: nodes.Template, name: str, text: str) -> list[Problem]:
    """Return a Problem for every construct outside the language, in the order of the lines of ``text``."""
    walker = _Walker(name, text.splitlines())
    imported = [n for found in tree.find_all(nodes.FromImport) for n in found.names]
    scope = _Scope(
        frozenset(_constant_assignments(tree)),
        frozenset(found.target for found in tree.find_all(nodes.Import)),
        frozenset(found.name for found in tree.find_all(nodes.Macro))
        | {n if isinstance(n, str) else n[1] for n in imported},
    )
    walker.walk(tree, scope)
    return sorted(walker.problems, key=lambda problem: problem.location.line if problem.location else 0)


def _constant_assignments(tree: nodes.Template) -> Iterable[str]:
    known: set[str] = set()
    for assign in tree.find_all(nodes.Assign):
        if isinstance(assign.target, nodes.Name) and _is_constant(assign.node, frozenset(known)):
            known.add(assign.target.name)
    return known


def _is_constant(node: nodes.Node, constants: frozenset[str]) -> bool:
    """Say whether an expression is known from the template alone."""
    names = [node] if isinstance(node, nodes.Name) else list(node.find_all(nodes.Name))
    return all(name.name in constants or name.name in _ALWAYS_CONSTANT for name in names)


class _Walker:
    def __init__(self, name: str, lines: list[str]) -> None:
        self.name = name
        self.lines = lines
        self.problems: list[Problem] = []

    def refuse(self, node: nodes.Node, what: str, hint: str) -> None:
        location = Location(self.name, node.lineno or 0)
        problem = Problem(f"{what} is not part of the template language", location, hint=hint)
        if problem not in self.problems:
            self.problems.append(problem)

    def walk(self, node: nodes.Node, scope: _Scope) -> None:
        method = getattr(self, f"on_{type(node).__name__.lower()}", None)
        if method is not None:
            method(node, scope)
            return
        if not isinstance(node, _PLAIN) and not (isinstance(node, nodes.Expr) and _is_constant(node, scope.constants)):
            what, hint = _REFUSED.get(type(node), (f"`{type(node).__name__.lower()}`", "see docs/templates.md"))
            self.refuse(node, what, hint)
        self.children(node, scope)

    def children(self, node: nodes.Node, scope: _Scope) -> None:
        for child in node.iter_child_nodes():
            self.walk(child, scope)

    def on_nsref(self, node: nodes.NSRef, _scope: _Scope) -> None:
        self.refuse(node, "`namespace`", "write `with`, or a macro")

    def on_output(self, node: nodes.Output, scope: _Scope) -> None:
        for child in node.nodes:
            if isinstance(child, nodes.CondExpr):
                if child.expr2 is None:
                    self.refuse(child, "an inline `if` without `else`", "write the `else`, or an `if` block")
                self.children(child, scope)
            elif isinstance(child, nodes.Call) and _called(child) == "fail":
                self.arguments(child, scope)
            else:
                self.walk(child, scope)

    def on_condexpr(self, node: nodes.CondExpr, scope: _Scope) -> None:
        if not _is_constant(node, scope.constants):
            self.refuse(node, "an inline `if` as an argument", "print it, or write an `if` block")
        self.children(node, scope)

    def on_compare(self, node: nodes.Compare, scope: _Scope) -> None:
        if not _is_constant(node, scope.constants):
            if len(node.ops) > 1:
                self.refuse(node, "a chain of comparisons", "join two comparisons by `and`")
            for operand in node.ops:
                if operand.op not in _OPERATORS:
                    hint = "write `contains(list, item)`, `has_key(map, key)` or `starts_with(text, prefix)`"
                    self.refuse(node, "`in`" if operand.op == "in" else "`not in`", hint)
        self.children(node, scope)

    def on_if(self, node: nodes.If, scope: _Scope) -> None:
        constant = _is_constant(node.test, scope.constants) and all(
            _is_constant(other.test, scope.constants) for other in node.elif_
        )
        self.walk(node.test, scope)
        inner = scope if constant else scope._replace(under_if=True)
        for child in (*node.body, *node.elif_, *node.else_):
            self.walk(child, inner)

    def on_assign(self, node: nodes.Assign, scope: _Scope) -> None:
        if scope.under_if:
            self.refuse(node, "`set` under an `if`", "write `with`, or `set` it above the `if`")
        if isinstance(node.target, nodes.NSRef):
            self.walk(node.target, scope)
        elif not isinstance(node.target, nodes.Name) and not _is_constant(node, scope.constants):
            self.refuse(node, "`set` of several names", "write one `set` for each")
        self.walk(node.node, scope)

    def on_for(self, node: nodes.For, scope: _Scope) -> None:
        inner = scope._replace(under_if=False)
        if _is_constant(node.iter, scope.constants):
            names = {
                name.name for name in (node.target, *node.target.find_all(nodes.Name)) if isinstance(name, nodes.Name)
            }
            inner = inner._replace(constants=scope.constants | names)
        else:
            self.loop_over_values(node, scope)
        for child in filter(None, (node.test, *node.body, *node.else_)):
            self.walk(child, inner)

    def loop_over_values(self, node: nodes.For, scope: _Scope) -> None:
        pairs = isinstance(node.iter, nodes.Call) and _method(node.iter) == "items"
        if pairs and isinstance(node.iter, nodes.Call):
            self.walk(node.iter.node.node, scope)  # type: ignore[attr-defined]  # a Getattr: it has a method
        else:
            self.walk(node.iter, scope)
        if isinstance(node.target, nodes.Tuple) is not pairs:
            self.refuse(node, "this loop", "write `for item in list` or `for key, value in map.items()`")
        if node.test is not None:
            self.refuse(node, "`for … if`", "write an `if` in the loop")
        if node.recursive:
            self.refuse(node, "`recursive`", "write a macro")
        inner_loops = {id(name) for one in node.find_all(nodes.For) for name in one.find_all(nodes.Name)}
        for name in (found for child in node.body for found in child.find_all(nodes.Name)):
            if name.name == "loop" and id(name) not in inner_loops:
                self.refuse(name, "`loop`", "only a loop over constants has it")

    def on_macro(self, node: nodes.Macro, scope: _Scope) -> None:
        if scope.under_if:
            self.refuse(node, "a macro under an `if`", "move it out of the `if`")
        self.children(node, scope._replace(under_if=False))

    def on_callblock(self, node: nodes.CallBlock, scope: _Scope) -> None:
        self.children(node, scope._replace(under_if=False))

    def on_filterblock(self, node: nodes.FilterBlock, scope: _Scope) -> None:
        if node.filter.name != "indent":
            self.refuse(node, f"`filter {node.filter.name}` over text", "only `filter indent(columns, true)` is")
        for child in node.body:
            self.walk(child, scope._replace(under_if=False))

    def on_include(self, node: nodes.Include, _scope: _Scope) -> None:
        if not isinstance(node.template, nodes.Const | nodes.Name):  # a variable may hold a constant of the includer
            self.refuse(node, "an `include` of a computed name", "write `if` and one `include` for each name")
        if node.ignore_missing:
            self.refuse(node, "`ignore missing`", "include only what is there")

    def on_filter(self, node: nodes.Filter, scope: _Scope) -> None:
        if node.name not in _FILTERS:
            self.refuse(node, f"the filter `{node.name}`", _nearest(node.name, _FILTERS))
        elif node.name == "indent":
            self.refuse(node, "`indent` over a value", "write `{% filter indent(columns, true) %}` round text")
        elif node.name == "yaml" and not self.stands_alone(node.lineno):
            self.refuse(node, "`yaml` beside other text", "write it on a line of its own, or after `- `")
        self.arguments(node, scope)
        if node.node is not None:
            self.walk(node.node, scope)

    def stands_alone(self, number: int) -> bool:
        line = self.lines[number - 1] if number <= len(self.lines) else ""
        return "{{" not in line or re.fullmatch(r"\s*(- +)*\{\{((?!\}\}).)*\}*\s*\}\}\s*", line) is not None

    def on_call(self, node: nodes.Call, scope: _Scope) -> None:
        called = _called(node)
        if called == "fail":
            self.refuse(node, "`fail` in an expression", 'print it: `{{ fail("path", "reason") }}`')
        elif called is not None:
            known = {*_GLOBALS, *scope.macros, "caller", "range"}
            if called not in known and not _is_constant(node, scope.constants):
                self.refuse(node, f"the function `{called}`", _nearest(called, _GLOBALS))
        elif _method(node) == "items":
            if not _is_constant(node, scope.constants):
                self.refuse(node, "`items()` outside `for`", "write `for key, value in map.items()`")
        elif not self.is_imported(node.node, scope) and not _is_constant(node, scope.constants):
            self.refuse(node, f"the method `{_method(node) or '?'}`", "write a function: " + ", ".join(_GLOBALS))
        if called not in _GLOBALS or called == "fail":
            self.children(node, scope)
        else:
            self.arguments(node, scope)

    @staticmethod
    def is_imported(node: nodes.Node, scope: _Scope) -> bool:
        return isinstance(node, nodes.Getattr) and isinstance(node.node, nodes.Name) and node.node.name in scope.modules

    def arguments(self, node: nodes.Filter | nodes.Call, scope: _Scope) -> None:
        """Look at the arguments of a function of the table: Go knows no named ones."""
        if node.kwargs or node.dyn_args or node.dyn_kwargs:
            self.refuse(node, "a named or unpacked argument of a function", "give the arguments in order")
        for child in (*node.args, *node.kwargs):
            self.walk(child, scope)

    def on_getattr(self, node: nodes.Getattr, scope: _Scope) -> None:
        self.walk(node.node, scope)

    def on_getitem(self, node: nodes.Getitem, scope: _Scope) -> None:
        if isinstance(node.arg, nodes.Slice) and not _is_constant(node, scope.constants):
            self.refuse(node, *_REFUSED[nodes.Slice])
        self.children(node, scope)


def _called(node: nodes.Call) -> str | None:
    return node.node.name if isinstance(node.node, nodes.Name) else None


def _method(node: nodes.Call) -> str | None:
    return node.node.attr if isinstance(node.node, nodes.Getattr) else None


def _nearest(name: str, known: list[str]) -> str:
    near = get_close_matches(name, known, 1)
    return f"did you mean `{near[0]}`?" if near else "there are: " + ", ".join(known)
