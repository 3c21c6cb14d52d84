"""Jinja, held to the language of docs/templates.md by its own seams: code generator, environment, loader."""

# ruff: noqa: ARG002  # Jinja calls these methods with more than they need

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, MutableMapping
from functools import partial
from operator import eq, ge, gt, le, lt, ne
from types import CodeType
from typing import Any, NamedTuple

import jinja2
from jinja2 import compiler, nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.environment import TemplateModule
from jinja2.exceptions import SecurityError, TemplateNotFound, UndefinedError
from jinja2.runtime import Context, LoopContext, StrictUndefined, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment, safe_range

from generator import yaml
from generator.cache import CodeCache, cache_key
from generator.errors import InputError, Location, Problem
from generator.functions import BLOCK_END, BLOCK_NEWLINE, BLOCK_START, FUNCTIONS, Text, Violation, kind_of


class TemplateText(NamedTuple):
    """A template: its name (``plain/service.yaml.j2``), its text, and its file as the user knows it."""

    name: str
    text: str
    source: str


class TemplateError(InputError):
    """A template that can't be rendered.

    ``value_paths`` are the dotted paths of the values that the failing line names, the likeliest culprit first.
    """

    def __init__(self, problems: Problem | Iterable[Problem], value_paths: Iterable[str] = ()) -> None:
        """Take the problems to show and the paths of the values involved."""
        super().__init__(problems)
        self.value_paths = tuple(value_paths)


Lookup = Callable[[str], TemplateText | None]


class MissingValueError(UndefinedError):
    """A key that isn't there: keeps the map, so that its path can be found when it is needed."""

    def __init__(self, owner: object, key: object, message: str | None = None) -> None:
        """Take the value that was asked for ``key``."""
        super().__init__(message)
        self.owner = owner
        self.key = key


class _Code(CodeGenerator):
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

    code_generator_class = _Code
    intercepted_binops = frozenset({"*", "**", "%"})  # what could fill the memory

    def __init__(self, loader: TemplateLoader) -> None:
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
        self.reached: list[Violation] = []

    @staticmethod
    def concat(parts: Iterable[str]) -> Text:  # Jinja's seam: what blocks and macros return
        """Put captured text together."""
        return Text("".join(parts))

    def printed(self, value: Any) -> str:
        """Give the text of a printed expression."""
        kind = type(value)
        if kind is Text:
            return value
        if kind in _SCALARS:
            return yaml.scalar(value)
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
            return _COMPARISONS[operator](left, right)  # type: ignore[no-any-return]
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
        """Look up ``obj.attribute``: a key of a map exactly, ``items`` of a map, or a macro of an import."""
        kind = type(obj)
        if kind is dict:
            if attribute == "items":
                return partial(_sorted_items, obj)
            if attribute in obj:
                return obj[attribute]
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
        return self.undefined(obj=obj, name=key, exc=partial(MissingValueError, obj, key))  # type: ignore[arg-type]

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Refuse the operators that could fill the memory; the language has no arithmetic anyway."""
        raise SecurityError(f"there is no `{operator}` in templates")


def _sorted_items(mapping: dict[str, Any]) -> list[tuple[str, Any]]:
    return sorted(mapping.items())


class TemplateLoader(jinja2.BaseLoader):
    """Hands out templates by name, from the cache where that has their code."""

    def __init__(self, lookup: Lookup, cache: CodeCache | None) -> None:
        self._lookup = lookup
        self._cache = cache
        self._version: str | None = None
        self.sources: dict[str, TemplateText] = {}

    def source_of(self, name: str) -> str:
        """Return the file of a template that was loaded, as the user knows it."""
        return self.sources[name].source if name in self.sources else name

    def load(
        self,
        environment: jinja2.Environment,
        name: str,
        globals: MutableMapping[str, Any] | None = None,  # noqa: A002  # Jinja's own name
    ) -> jinja2.Template:
        """Return the compiled template ``name``; names that lead out of the folders raise SecurityError."""
        if "\\" in name or name.startswith("/") or ".." in name.split("/"):
            raise SecurityError(f"`{name}` leads out of the template folders")
        template = self._lookup(name)
        if template is None:
            raise TemplateNotFound(name)
        self.sources[name] = template
        code = self._code(environment, template)
        return environment.template_class.from_code(environment, code, environment.globals)

    def _code(self, environment: jinja2.Environment, template: TemplateText) -> CodeType:
        key = self._key(template)
        code = self._cache.get(key) if self._cache and key else None
        if code is None:
            _refuse_marks(template)
            code = environment.compile(template.text, template.name, template.source)
            if self._cache and key:
                self._cache.put(key, code)
        return code

    def _key(self, template: TemplateText) -> str:
        if self._cache is None:
            return ""
        if self._version is None:
            self._version = _version()
        return self._version and cache_key(self._version, template.name, template.source, template.text)


def _version() -> str:
    """Tell apart what decides how compiled code looks: Jinja's compiler and this module."""
    try:
        about = os.stat(compiler.__file__)
        with open(__file__, encoding="utf-8") as file:
            return cache_key(str(about.st_size), str(about.st_mtime_ns), file.read())
    except OSError:
        return ""


def _refuse_marks(template: TemplateText) -> None:
    for number, line in enumerate(template.text.split("\n"), 1):
        if any(mark in line for mark in (BLOCK_START, BLOCK_END, BLOCK_NEWLINE)):
            raise TemplateError(Problem("there is a control character in this line", Location(template.source, number)))
