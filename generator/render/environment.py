"""Jinja, held to the language of docs/templates.md by its own seams: code generator and environment."""

# ruff: noqa: ARG002  # Jinja calls these methods with more than they need

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from operator import eq, ge, gt, le, lt, ne
from typing import Any

from jinja2 import BaseLoader, nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.environment import TemplateModule
from jinja2.exceptions import SecurityError, UndefinedError
from jinja2.runtime import Context, LoopContext, StrictUndefined, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment, safe_range

from generator import yaml
from generator.functions import FUNCTIONS, Text, Violation, kind_of
from generator.functions.placeholder import Placeholder


class MissingValueError(UndefinedError):
    """A key that isn't there: keeps the map, so that its path can be found when it is needed."""

    def __init__(self, owner: object, key: object, message: str | None = None) -> None:
        """Take the value that was asked for ``key``."""
        super().__init__(message)
        self.owner = owner
        self.key = key


# ruff: noqa: D102  # Jinja's own methods
class Code(CodeGenerator):
    """Leaves all constants to be printed at run time, and sends comparisons and loops through the environment.

    Compiled code then depends on Jinja and this class alone, so it can be kept while functions change.
    """

    def _output_child_to_const(self, node: nodes.Expr, frame: Frame, finalize: CodeGenerator._FinalizeInfo) -> str:
        if isinstance(node, nodes.TemplateData):
            return node.data
        raise nodes.Impossible

    def _output_child_pre(self, node: nodes.Expr, frame: Frame, finalize: CodeGenerator._FinalizeInfo) -> None:
        self.write("environment.finalize(")

    def _output_child_post(self, node: nodes.Expr, frame: Frame, finalize: CodeGenerator._FinalizeInfo) -> None:
        self.write(")")

    def visit_Compare(self, node: nodes.Compare, frame: Frame) -> None:  # noqa: N802  # Jinja's name
        if len(node.ops) != 1 or node.ops[0].op not in _COMPARISONS:
            super().visit_Compare(node, frame)
            return
        operand = node.ops[0]
        self.write(f"environment.compare({operand.op!r}, ")
        self.visit(node.expr, frame)
        self.write(", ")
        self.visit(operand.expr, frame)
        self.write(")")

    def visit_For(self, node: nodes.For, frame: Frame) -> None:  # noqa: N802  # Jinja's name
        each = nodes.EnvironmentAttribute("each")
        node.iter = nodes.Call(each, [node.iter], [], None, None, lineno=node.lineno).set_environment(self.environment)
        super().visit_For(node, frame)


_COMPARISONS = {"eq": eq, "ne": ne, "lt": lt, "lteq": le, "gt": gt, "gteq": ge}
_EQUALITY = ("eq", "ne")
_SCALARS = (str, int, float, bool, type(None))
_COMPARED = {"lt": "<", "lteq": "<=", "gt": ">", "gteq": ">=", "eq": "==", "ne": "!="}


class TemplateEnvironment(ImmutableSandboxedEnvironment):
    """Jinja with the functions of the table, strict about everything that Go would take differently."""

    code_generator_class = Code
    intercepted_binops = frozenset({"*", "**", "%"})  # what could fill the memory

    def __init__(self, loader: BaseLoader, optional: frozenset[str]) -> None:
        super().__init__(
            loader=loader,
            undefined=StrictUndefined,
            finalize=self.printed,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
            optimized=False,
            auto_reload=False,
            cache_size=-1,
        )
        self.filters = {row.name: row.python for row in FUNCTIONS.values() if row.kind == "filter"}
        self.tests = {}
        self.globals = {row.name: row.python for row in FUNCTIONS.values() if row.kind == "global"}
        self.globals["range"] = safe_range
        self.globals["release"] = {"labels": {}}
        self.reached: list[Violation] = []
        self.optional = optional

    @staticmethod
    def concat(parts: Iterable[str]) -> Text:  # Jinja's seam: what blocks and macros return
        """Put captured text together."""
        return Text("".join(parts))

    def printed(self, value: Any) -> str:
        """Give the text of a printed expression."""
        kind = type(value)
        if kind is Text:
            return str(value)
        if kind in _SCALARS:
            return yaml.scalar(value)
        if kind is Placeholder:
            return value.text  # type: ignore[no-any-return]
        if kind is Violation:
            self.reached.append(value)
            return ""
        if isinstance(value, Undefined):
            str(value)
            raise UndefinedError("an inline `if` without an `else` has nothing to print")
        if kind in (dict, list):
            raise TypeError(f"{kind_of(value)} can't be printed: write `| yaml` on a line of its own, or `| json`")
        raise TypeError(f"{kind_of(value)} can't be printed")

    def compare(self, operator: str, left: Any, right: Any) -> bool:
        """Compare two strings or two integers; for equality also two booleans, or anything with null."""
        kind, other = type(left), type(right)
        if kind is other and (kind is str or kind is int):
            return _COMPARISONS[operator](left, right)  # type: ignore[no-any-return]  # operators return a bool here
        for value in (left, right):
            if isinstance(value, Undefined):
                str(value)
        if operator in _EQUALITY and (kind is other is bool or left is None or right is None):
            return (left is right) is (operator == "eq")
        raise TypeError(f"{kind_of(left)} can't be compared with {kind_of(right)} by `{_COMPARED[operator]}`")

    def each(self, value: Any) -> Any:
        """Let a loop run over a list, and over nothing that Go would run over differently."""
        kind = type(value)
        if kind is list or kind is tuple or kind is range:
            return value
        if kind is dict:
            raise TypeError("a loop over a map is written `for key, value in map.items()`")
        if isinstance(value, Undefined):
            str(value)
        raise TypeError(f"a loop runs over a list, not over {kind_of(value)}")

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Look up ``obj.attribute``: a key of a map exactly, ``items`` of a map, or a macro of an import.

        An optional key is null where it is absent; a whole map that is printed doesn't show it.
        """
        kind = type(obj)
        if kind is dict:
            if attribute == "items":
                return partial(_sorted_items, obj)
            if attribute in obj:
                return obj[attribute]
            if attribute in self.optional:
                return None
        elif kind is TemplateModule:
            if attribute[:1] != "_" and attribute in obj.__dict__:
                return obj.__dict__[attribute]
        elif kind is LoopContext:
            return super().getattr(obj, attribute)
        return self._missing(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """Look up ``obj[argument]``: a key of a map, or an item of a list, exactly."""
        kind = type(obj)
        if kind is dict:
            if type(argument) is str and argument in obj:
                return obj[argument]
        elif kind in (list, tuple) and type(argument) is int and 0 <= argument < len(obj):
            return obj[argument]
        return self._missing(obj, argument)

    def _missing(self, obj: Any, key: Any) -> Undefined:
        for value in (obj, key):
            if isinstance(value, Undefined):
                str(value)
        if isinstance(key, str) and key.startswith("_") and type(obj) is not dict:
            raise SecurityError(f"names that begin with `_` are out of reach: `{key}`")
        return self.undefined(obj=obj, name=key, exc=partial(MissingValueError, obj, key))  # type: ignore[arg-type]  # a factory serves

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Refuse the operators that could fill the memory; the language has no arithmetic anyway."""
        raise SecurityError(f"there is no `{operator}` in templates")


def _sorted_items(mapping: dict[str, Any]) -> list[tuple[str, Any]]:
    return sorted(mapping.items())
