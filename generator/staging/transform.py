"""Jinja over symbols: an `if` or `for` over one leaves marks behind, and runs all its bodies once.

Everything that Jinja itself would do with a value has a hook here: for symbols it answers what to write, and for
constants what they are. The code generator in `generator.staging.code` calls the hooks.
"""

# Jinja calls these methods by its own names, with more than they need

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import partial
from typing import Any

from jinja2 import BaseLoader, nodes

from generator.errors import Location, Problem
from generator.functions import FUNCTIONS, Function, Text, go_call
from generator.render.environment import TemplateEnvironment
from generator.render.language import problems_in
from generator.render.loading import TemplateError
from generator.staging.code import SymbolicCode
from generator.staging.nodes import Mark, Marks
from generator.staging.symbol import (
    ROOT,
    Block,
    Choice,
    Failure,
    Items,
    StagingError,
    Symbol,
    argument,
    expression,
    holds_symbol,
    integer,
    type_of,
)
from generator.staging.types import BOOLEAN, CONDITION, FILLED_STRING, STRING, Type, Types, named, union


class _Decided:
    """An `if` or `for` over a constant: leaves nothing behind."""

    def __init__(self, items: Any, *, body: bool, other: bool) -> None:
        self.items = items
        self.takes_body = body
        self.takes_other = other

    @staticmethod
    def begin() -> str:
        return ""

    turn = close = begin


class _Branch:
    """An `if` over a symbol: both bodies are rendered, and in the first one what was asked is known."""

    takes_body = takes_other = True

    def __init__(self, environment: SymbolicEnvironment, asked: Symbol) -> None:
        self._environment = environment
        self._asked = asked

    def begin(self) -> str:
        self._environment.known.append(self._asked.truths)
        return self._environment.mark(Mark("if", self._asked.go))

    def turn(self) -> str:
        self._environment.known.pop()
        return self._environment.mark(Mark("else"))

    def close(self) -> str:
        return self._environment.mark(Mark("end"))


class _Loop:
    """A `for` over a symbol: its body is rendered once, for symbols of its variables."""

    takes_other = True

    def __init__(self, environment: SymbolicEnvironment, header: str, items: list[Any], variables: list[str]) -> None:
        self._environment = environment
        self._header = header
        self.items = items
        self._variables = variables

    def begin(self) -> str:
        self._environment.variables.extend(self._variables)
        return self._environment.mark(Mark("range", self._header))

    def turn(self) -> str:
        del self._environment.variables[-len(self._variables) :]
        return self._environment.mark(Mark("else"))

    def close(self) -> str:
        return self._environment.mark(Mark("end"))


_COMPARED = {"eq": "eq", "ne": "ne", "lt": "lt", "lteq": "le", "gt": "gt", "gteq": "ge"}
_EQUALITY = ("eq", "ne")


class SymbolicEnvironment(TemplateEnvironment):
    """The environment of templates, for symbols: constants are treated as ever."""

    code_generator_class = SymbolicCode

    def __init__(self, loader: BaseLoader, optional: frozenset[str], types: Types, marks: Marks) -> None:
        """Take the loader, the names of optional keys, the types of all values, and where marks are kept."""
        super().__init__(loader, optional)
        self._types = types
        self._marks = marks
        self.known: list[frozenset[str]] = []
        self.variables: list[str] = []
        self.rules = False
        self.replaced: Mapping[str, Any] = {}
        for row in FUNCTIONS.values():
            table = self.filters if row.kind == "filter" else self.globals
            table[row.name] = partial(self._called, row)

    def _generate(
        self, source: nodes.Template, name: str | None, filename: str | None, defer_init: bool = False
    ) -> str:
        text, shown = self._text_of(name), filename or name or ""
        problems = [*_reserved(shown, text), *problems_in(source, shown, text)]
        if problems:
            raise TemplateError(problems)
        return super()._generate(source, name, filename, defer_init)

    def _text_of(self, name: str | None) -> str:
        sources: Mapping[str, Any] = getattr(self.loader, "sources", {})
        return sources[name].text if name is not None and name in sources else ""

    def mark(self, mark: Mark) -> str:
        """Keep a mark, with the template line that makes it, and give the text that stands for it."""
        frame = sys._getframe(1)  # noqa: SLF001  # the only way to know which template line is running
        while frame.f_back and "__jinja_template__" not in frame.f_globals:
            frame = frame.f_back
        return self._marks.add(mark._replace(place=(frame.f_globals.get("__jinja_template__"), frame.f_lineno)))

    # -------------------------------------------------------------------------------------------- deciding

    def decided(self, value: Any) -> Any:
        """Give a constant for what is decided already; a symbol otherwise."""
        if type(value) is not Symbol:
            return value
        if value.type.filled or any(value.go in known for known in self.known):
            return True
        if "condition" not in value.type.kinds and value.type.one_of("null"):
            return False
        return value

    def branch(self, test: Any) -> Any:
        """Begin an `if`."""
        test = self.decided(test)
        if type(test) is Symbol:
            return _Branch(self, test)
        holds = bool(test)
        return _Decided((), body=holds, other=not holds)

    def both(self, left: Any, right: Callable[[], Any]) -> Any:
        """`and`."""
        left = self.decided(left)
        if type(left) is not Symbol:
            return right() if left else left
        self.known.append(left.truths)
        other = self.decided(right())
        self.known.pop()
        if type(other) is not Symbol:
            return left if other else False
        name = f"{left.name} and {other.name}"
        return Symbol(_joined("and", left, other), CONDITION, name, left.truths | other.truths)

    def either(self, left: Any, right: Callable[[], Any]) -> Any:
        """`or`."""
        left = self.decided(left)
        if type(left) is not Symbol:
            return left or right()
        other = self.decided(right())
        if type(other) is not Symbol:
            return True if other else left
        return Symbol(_joined("or", left, other), CONDITION, f"{left.name} or {other.name}", frozenset())

    def negated(self, value: Any) -> Any:
        """`not`."""
        value = self.decided(value)
        if type(value) is not Symbol:
            return not value
        return Symbol(f"not {argument(value)}", BOOLEAN, f"not {value.name}", frozenset())

    def choice(self, test: Any, value: Callable[[], Any], other: Callable[[], Any]) -> Any:
        """`a if test else b`."""
        test = self.decided(test)
        if type(test) is not Symbol:
            return value() if test else other()
        return Choice(test, value(), other())

    def compare(self, operator: str, left: Any, right: Any) -> Any:
        """Compare; two constants as ever."""
        if type(left) is not Symbol and type(right) is not Symbol:
            return super().compare(operator, left, right)
        if left is None or right is None:
            return self._compared_with_null(operator, right if left is None else left)
        kinds = [type_of(side).kinds - ({"null"} if operator in _EQUALITY else set()) for side in (left, right)]
        for kind in ("string", "integer", *(("boolean",) if operator in _EQUALITY else ())):
            if kinds[0] == kinds[1] == {kind}:
                spelt = integer if kind == "integer" else argument
                go = f"{_COMPARED[operator]} {spelt(left)} {spelt(right)}"
                return Symbol(go, BOOLEAN, f"{_named(left)} {operator} {_named(right)}", frozenset())
        raise StagingError(
            f"{named(type_of(left))} can't be compared with {named(type_of(right))}",
            "two strings or two integers compare, and for equality two booleans or anything with null",
        )

    def _compared_with_null(self, operator: str, value: Any) -> Any:
        if operator not in _EQUALITY:
            raise StagingError("null has no order", "compare with `==` or `!=`")
        if "null" not in value.type.kinds:
            return operator == "ne"
        go = f'kindIs "invalid" {argument(value)}'
        return Symbol(go if operator == "eq" else f"not ({go})", BOOLEAN, f"{value.name} {operator} null", frozenset())

    # ------------------------------------------------------------------------------------------- repeating

    def loop(self, names: tuple[str, ...], value: Any) -> Any:
        """Begin a loop."""
        if type(value) is Items:
            mapping = value.mapping
            self._refuse_all_values([mapping])
            key, item = (self._variable(name) for name in names)
            header = f"{key}, {item} := {expression(mapping)}"
            symbols = [
                (
                    Symbol(key, self._types.entry_key(mapping.type), names[0]),
                    Symbol(item, self._types.entry(mapping.type), names[1]),
                )
            ]
            return _Loop(self, header, symbols, [key, item])
        if type(value) is Symbol:
            if not value.type.one_of("array", "null"):
                hint = (
                    "a loop over a map is written `for key, value in map.items()`"
                    if "object" in value.type.kinds
                    else ""
                )
                raise StagingError(f"a loop runs over a list, not over {named(value.type)}", hint)
            variable = self._variable(names[0])
            items = [Symbol(variable, self._types.item(value.type), names[0])]
            return _Loop(self, f"{variable} := {expression(value)}", items, [variable])
        items = self.each(value)
        return _Decided(items, body=bool(items), other=not items)

    def _variable(self, name: str) -> str:
        """Give a Go variable that hides none of a loop around it."""
        number, variable = 1, f"${name}"
        while variable in self.variables:
            number += 1
            variable = f"${name}{number}"
        return variable

    # --------------------------------------------------------------------------------------------- looking up

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Look up a key of a symbol's map."""
        if type(obj) is not Symbol:
            return super().getattr(obj, attribute)
        if attribute == "items" and "object" in obj.type.kinds:
            return partial(Items, obj)
        return self._key(obj, attribute)

    def getitem(self, obj: Any, key: Any) -> Any:
        """Look up a key of a symbol's map, or an item of its list."""
        if type(key) is Symbol:
            raise StagingError("a key that is a value can't be looked up", "loop over the map or list")
        if type(obj) is not Symbol:
            return super().getitem(obj, key)
        if type(key) is int and "array" in obj.type.kinds:
            return Symbol(f"index {argument(obj)} {key}", self._types.item(obj.type), f"{obj.name}[{key}]")
        return self._key(obj, str(key))

    def _key(self, owner: Symbol, key: str) -> Any:
        name = f"{owner.name}.{key}"
        if "object" not in owner.type.kinds:
            raise StagingError(f"{named(owner.type)} has no `{key}`: `{owner.name}`")
        if name in self.replaced:
            return self.replaced[name]
        found = self._types.key(owner.type, key)
        if found is None:
            near = get_close_matches(key, self._types.keys(owner.type), 1)
            raise StagingError(f"there is no value `{name}`", f"did you mean `{near[0]}`?" if near else "")
        if key.isidentifier() and key.isascii():
            return Symbol(f"{_owner(owner)}.{key}", found, name)
        return Symbol(f"index {argument(owner)} {argument(key)}", found, name)

    # ---------------------------------------------------------------------------------------------- functions

    def _called(self, row: Function, *arguments: Any) -> Any:
        if row.name == "indent":
            return self._indented(*arguments)
        if row.name == "yaml" and not isinstance(arguments[0], Text):
            return Block(arguments[0])
        if row.name == "fail":
            return self._failed(*arguments)
        if not holds_symbol(arguments):
            return row.python(*arguments)
        self._refuse_all_values(arguments)
        if row.name == "default":
            return self._default(*arguments)
        self._check(row, arguments)
        if row.name == "format":
            flat = _flat_format(arguments)
            return Symbol(_call(row, flat), self._result(row, flat), row.name, None, tuple(flat))
        return Symbol(_call(row, arguments), self._result(row, arguments), row.name)

    def _check(self, row: Function, arguments: Sequence[Any]) -> None:
        """Refuse what the Python function would refuse, by type."""
        if len(arguments) != len(row.takes) and not row.takes[-1].startswith("*"):
            raise StagingError(f"{row.name} takes {len(row.takes)} arguments, not {len(arguments)}")
        if row.name == "format":
            self._check_format(arguments)
        for number, value in enumerate(arguments):
            wanted = row.takes[min(number, len(row.takes) - 1)].removeprefix("*")
            found = self._without_null(value)
            if wanted != "any" and not found.one_of(*wanted.split("|")):
                raise StagingError(f"{row.name} takes {_wanted(wanted)}, not {named(found)}: `{_named(value)}`")

    @staticmethod
    def _check_format(arguments: Sequence[Any]) -> None:
        template = arguments[0]
        if type(template) is not str:
            raise StagingError("the template of format is no constant", "write it as a string")
        examples = {"string": "", "integer": 0}
        kinds = [next(iter(type_of(value).kinds & examples.keys()), "") for value in arguments[1:]]
        FUNCTIONS["format"].python(template, *(examples.get(kind) for kind in kinds))

    def _without_null(self, value: Any) -> Type:
        found = type_of(value)
        if type(value) is Symbol and any(value.go in known for known in self.known):
            return found.present()
        return found

    def _default(self, value: Any, other: Any) -> Any:
        if type(value) is not Symbol:
            return value or other
        if value.type.filled:
            return value
        found = union(value.type.present(), type_of(other))._replace(filled=type_of(other).filled)
        return Symbol(go_call("default", argument(value), argument(other)), found, value.name)

    def _result(self, row: Function, arguments: Sequence[Any]) -> Type:
        if row.name == "format":
            letters = arguments[0].replace("%s", "").replace("%d", "0")
            return FILLED_STRING if letters or any(self._without_null(one).filled for one in arguments[1:]) else STRING
        if row.name == "merge":
            return Type(frozenset({"object"}), {"additionalProperties": _node(self._inner_types(arguments))})
        if row.name == "concat":
            return Type(frozenset({"array"}), {"items": _node(self._inner_types(arguments))})
        if row.name == "sort_list":
            return Type(frozenset({"array"}), {"items": {"type": "string"}})
        filled = row.name == "json" or (row.name in ("lower", "quote_regex") and type_of(arguments[0]).filled)
        return Type(frozenset({row.gives}), filled=filled)

    def _inner_types(self, arguments: Sequence[Any]) -> Iterator[Type]:
        """Give the types of what is in maps or lists."""
        for value in arguments:
            if type(value) is Symbol:
                yield self._types.entry(value.type) if "object" in value.type.kinds else self._types.item(value.type)
            else:
                yield from map(type_of, value.values() if type(value) is dict else value)

    def _indented(self, text: Any, width: Any = 4, first: Any = False) -> Text:
        FUNCTIONS["indent"].python(text, width, first)
        opening = self.mark(Mark("indent", width=width, first=bool(first)))
        return Text(f"{opening}{text}{self.mark(Mark('end'))}")

    def _failed(self, path: Any, message: Any) -> Any:
        if not self.rules:
            raise StagingError("`fail` stands outside a rule file", "write it in _rules.j2")
        return Failure(self._called(FUNCTIONS["format"], "%s: %s", path, message))

    # ----------------------------------------------------------------------------------------------- printing

    def printed(self, value: Any) -> str:
        """Give the text of a printed expression: for a symbol, a mark."""
        kind = type(value)
        if kind is Symbol:
            return self.mark(self._print(value))
        if kind is Block:
            return self._block(value.value)
        if kind is Failure:
            return self.mark(Mark("fail", argument(value.message)))
        if kind is Choice:
            branch = _Branch(self, value.condition)
            return "".join(
                [branch.begin(), self.printed(value.value), branch.turn(), self.printed(value.other), branch.close()]
            )
        return super().printed(value)

    @staticmethod
    def _refuse_all_values(arguments: Sequence[Any]) -> None:
        """Refuse the values as a whole: Helm adds to them, and leaves name and namespace to the release."""
        if any(type(value) is Symbol and value.go == f"{ROOT}.Values" for value in arguments):
            raise StagingError("`values` as a whole is something else under Helm", "name the values that you need")

    def _block(self, value: Any) -> str:
        self._refuse_all_values([value])
        if not holds_symbol(value):
            FUNCTIONS["yaml"].python(value)  # refuses what isn't a value
            return self.mark(Mark("yaml", value=value))
        if not self._without_null(value).kinds & {"object", "array"}:
            raise StagingError(f"{named(type_of(value))} is no block of YAML", "print it without `| yaml`")
        return self.mark(Mark("yaml", f"toYaml {argument(value)}"))

    def _print(self, value: Symbol) -> Mark:
        found = self._without_null(value)
        if found.one_of("object", "array"):
            raise StagingError(
                f"{named(found)} can't be printed: `{value.name}`", "write `| yaml` on a line of its own, or `| json`"
            )
        if found.one_of("condition"):
            raise StagingError("a condition can't be printed", "write an `if`")
        if found.words and found.one_of("string"):
            return Mark("print", value.go)
        if found.one_of("string"):
            return Mark("print", f"{value.go} | quote", whole=True)
        if found.one_of("integer"):
            return Mark("print", value.go if value.go.startswith(("int64 ", "len ")) else f"int64 {argument(value)}")
        if found.one_of("boolean"):
            return Mark("print", value.go)
        return Mark("print", f"{value.go} | toJson", whole=True)


def _reserved(name: str, text: str) -> Iterator[Problem]:
    """Find the characters that marks are made of: Unicode's private use area, its first eight."""
    for number, line in enumerate(text.split("\n"), 1):
        found = re.search("[\ue000-\ue007]", line)
        if found:
            what = f"the character U+{ord(found[0]):04X}, of Unicode's private use area, can't be in a template"
            yield Problem(what, Location(name, number), hint="put it into the values")


def _node(types: Iterable[Type]) -> dict[str, Any]:
    """Give a schema of values that have one of some types."""
    return {"type": sorted({kind for found in types for kind in found.kinds})}


def _owner(symbol: Symbol) -> str:
    return symbol.go if " " not in symbol.go else f"({symbol.go})"


def _named(value: Any) -> str:
    return value.name if type(value) is Symbol else expression(value)


def _wanted(kinds: str) -> str:
    return named(Type(frozenset(kinds.split("|"))))


def _joined(word: str, left: Symbol, right: Symbol) -> str:
    """Join conditions; a chain of one word takes one call."""
    parts = [
        side.go.removeprefix(f"{word} ") if side.go.startswith(f"{word} ") else argument(side) for side in (left, right)
    ]
    return " ".join([word, *parts])


def _flat_format(arguments: Sequence[Any]) -> list[Any]:
    """Put constants, and what an inner ``format`` made, into the template itself."""
    template, remaining = arguments[0], iter(arguments[1:])
    inner: list[Any] = []

    def piece(match: re.Match[str]) -> str:
        if match[0] == "%%":
            return "%%"
        value = next(remaining)
        if type(value) is not Symbol:
            return str(value).replace("%", "%%")
        if value.parts:
            inner.extend(value.parts[1:])
            return str(value.parts[0])
        inner.append(value)
        return match[0]

    flat = re.sub("%[sd%]", piece, template)
    return [flat, *inner]


def _call(row: Function, arguments: Sequence[Any]) -> str:
    """Spell a call; integers out of values files are floats until they are converted."""
    if row.name == "version_at_least" and type(arguments[1]) is str:
        return f"semverCompare {argument(f'>={arguments[1]}-0')} {argument(arguments[0])}"
    spelt = []
    for number, value in enumerate(arguments):
        wanted = row.takes[min(number, len(row.takes) - 1)]
        as_integer = type_of(value).one_of("integer") and wanted != "any"
        spelt.append(integer(value) if as_integer else argument(value))
    return go_call(row.name, *spelt)
