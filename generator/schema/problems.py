"""What the validator finds, told as found / expected / hint. Loaded only when there is something to tell."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from jsonschema_rs import Draft7Validator, ValidationError

from generator.errors import Location, Problem, ValuePath, dotted
from generator.schema import words
from generator.schema.document import Document, Node
from generator.values import Values


def explain(validator: Draft7Validator, document: Document, values: Values, noted: Iterable[Problem]) -> list[Problem]:
    """Give every problem of the values once, those ``noted`` before included, in the order of files and lines."""
    teller = _Teller(document, values)
    problems = list(noted)
    done = {problem.path for problem in problems}
    for error in validator.iter_errors(values.tree):
        if dotted(tuple(error.instance_path)) not in done:
            problems += teller.tell(error)
    order = {layer.source: position for position, layer in enumerate(values.layers)}

    def place(problem: Problem) -> tuple[int, int, int, str, str]:
        file, line, column = problem.location or Location("")
        return order.get(file, len(order)), line, column, problem.path, problem.message

    return sorted(dict.fromkeys(problems), key=place)


class _Case(NamedTuple):
    """An error of the validator, with what is needed to tell it."""

    error: ValidationError
    path: ValuePath
    #: The value concerned.
    value: Any
    #: What the schema says about the value as a whole.
    node: Node
    #: The nearest schema that holds the failed keyword.
    failed: Node
    #: Why a condition is set, by the nearest `$comment`; empty where none says.
    reason: str


class _Teller:
    """Turns the validator's errors about some values into problems."""

    def __init__(self, document: Document, values: Values) -> None:
        self.document = document
        self.values = values
        self.tellers: dict[str, Callable[[_Case], Iterable[Problem]]] = {
            "additionalProperties": self.unknown_keys,
            "type": self.wrong_type,
            "required": self.missing,
            "enum": self.not_among,
            "const": self.not_among,
            "pattern": self.wrong_form,
            "propertyNames": self.wrong_key,
            "not": self.not_allowed,
            "falseSchema": self.not_allowed,
            "anyOf": self.alternatives,
            "oneOf": self.alternatives,
        }

    def tell(self, error: ValidationError) -> Iterable[Problem]:
        """Tell one error."""
        path = tuple(error.instance_path)
        failed, reason = self.schema_of(error)
        case = _Case(error, path, error.instance, self.document.at(path) or {}, failed, reason)
        return self.tellers.get(error.kind.name, self.out_of_bounds)(case)

    def schema_of(self, error: ValidationError) -> tuple[Node, str]:
        """Follow the validator's way to the failed keyword: the last schema on it, and the nearest reason."""
        node: Any = self.document.root
        failed, reason = self.document.root, ""
        for step in error.evaluation_path:
            node = self.document.target(node["$ref"]) if step == "$ref" else _step(node, step)
            if isinstance(node, dict):
                failed = node
                reason = node.get("$comment", reason)
        return failed, reason

    def problem(self, case: _Case, message: str, expected: str = "", hint: str = "", found: str = "") -> Problem:
        """Make a problem of the value of a case."""
        return Problem(
            message, self.location(case.path), dotted(case.path), found or words.found(case.value), expected, hint
        )

    def location(self, path: ValuePath) -> Location | None:
        """Say where a value stands; where no layer has anything to do with it, name the last layer."""
        place = self.values.location(path)
        return place or (Location(self.values.layers[-1].source) if self.values.layers else None)

    # ------------------------------------------------------------------------------------------------ one kind each

    def unknown_keys(self, case: _Case) -> Iterator[Problem]:
        """Tell keys that the schema doesn't know."""
        allowed = sorted(case.failed.get("properties", {}))
        for key in case.error.kind.value:
            path = (*case.path, key)
            listed = words.either(f"`{name}`" for name in allowed) if 0 < len(allowed) <= words.MOST_LISTED else ""
            hint = self.right_key(key, allowed, case.path)
            yield Problem("unknown key", self.location(path), dotted(path), expected=listed, hint=hint)

    def right_key(self, key: str, allowed: list[str], path: ValuePath) -> str:
        """Guess which key was meant: one spelled much alike, one of that name elsewhere, one spelled somewhat alike."""
        near = words.nearest(key, allowed)
        if near and words.nearest(key, [near], cutoff=0.8):
            return f"did you mean `{near}`?"
        elsewhere = [dotted(other) for other in self.document.properties() if other[-1] == key and other[:-1] != path]
        if 0 < len(elsewhere) <= 3:
            return f"`{key}` is at {words.either(elsewhere)}"
        return f"did you mean `{near}`?" if near else ""

    def wrong_type(self, case: _Case) -> Iterator[Problem]:
        """Tell a value of the wrong type, and what YAML has to do with it."""
        wanted = case.error.kind.value
        hint = ""
        if "string" in wanted and isinstance(case.value, bool):
            hint = "yes, no, on, off, y, n, true and false are booleans in YAML 1.1: quote the value"
        elif "string" in wanted and isinstance(case.value, (int, float)):
            hint = "put the value in quotes"
        elif isinstance(case.value, str) and case.value.strip("+-").isdecimal() and {"integer", "number"} & set(wanted):
            hint = f"write {case.value} without quotes"
        elif "boolean" in wanted and isinstance(case.value, str) and case.value.lower() in ("true", "false"):
            hint = f"write {case.value.lower()} without quotes"
        yield self.problem(case, "wrong type", words.types(wanted), hint)

    def missing(self, case: _Case) -> Iterator[Problem]:
        """Tell a key that must be there; say so where a null removed it."""
        path = (*case.path, case.error.kind.value)
        removed = self.values.removed(path)
        message = "needed, but removed by null" if removed else "needed, but missing"
        node = self.document.at(path) or {}
        hint = (
            f"remove the null to keep the default {words.spelled(node['default'])}"
            if removed and "default" in node
            else ""
        )
        yield Problem(_because(message, case.reason), self.location(path), dotted(path), hint=hint)

    def not_among(self, case: _Case) -> Iterator[Problem]:
        """Tell a value that isn't one of the possible ones."""
        kind = case.error.kind
        options: list[Any] = kind.value if kind.name == "enum" else [kind.value]
        texts = [option for option in options if isinstance(option, str)]
        near = words.nearest(case.value, texts) if isinstance(case.value, str) else None
        hint = f"did you mean `{near}`?" if near and len(options) > 1 else ""
        listed = words.either(map(words.spelled, options))
        yield self.problem(case, _because("not a possible value", case.reason), listed, hint)

    def wrong_form(self, case: _Case) -> Iterator[Problem]:
        """Tell a string that a pattern doesn't match."""
        expected = f"a string that matches {case.error.kind.value}"
        yield self.problem(case, "not of the right form", expected, _example(case.node, case.failed))

    def wrong_key(self, case: _Case) -> Iterator[Problem]:
        """Tell a key that isn't allowed in its map."""
        inner = case.error.kind.value
        key, path = inner.instance, (*case.path, inner.instance)
        failed, reason = self.schema_of(inner)
        message, expected, found = _because("this key is not allowed", reason), "", ""
        if inner.kind.name == "pattern":
            message, expected = "this key is not of the right form", f"a key that matches {inner.kind.value}"
        elif inner.kind.name in _BOUNDS:
            message, expected, found = _bound(inner, key)
        elif inner.kind.name == "enum":
            expected = words.either(map(words.spelled, inner.kind.value))
        yield Problem(message, self.location(path), dotted(path), found, expected, _example(failed))

    def not_allowed(self, case: _Case) -> Iterator[Problem]:
        """Tell a value that is excluded."""
        yield self.problem(case, _because("not allowed", case.reason))

    def alternatives(self, case: _Case) -> Iterator[Problem]:
        """Tell a value that fits none of several schemas, or more than one of those that exclude each other."""
        branches = [branch for branch in case.error.kind.value if branch]
        if len(branches) < len(case.error.kind.value):
            yield from self.exclusive(case)
        elif all(_plainly(branch, "type", case.path) for branch in branches):
            expected = words.types(name for branch in branches for name in branch[0].kind.value)
            yield self.problem(case, "wrong type", expected)
        elif all(_plainly(branch, "required", case.path) for branch in branches):
            names = [f"`{branch[0].kind.value}`" for branch in branches]
            yield self.problem(case, _because("a key is missing", case.reason), f"{words.either(names)}")
        else:  # the schema that was meant is one whose type fits, and the one that is closest to fitting
            meant = [branch for branch in branches if not _plainly(branch, "type", case.path)]
            for error in min(meant, key=len):
                yield from self.tell(error)

    def exclusive(self, case: _Case) -> Iterator[Problem]:
        """Tell a value that fits several schemas where it may fit one: mostly keys that exclude each other."""
        wanted = [name for one in case.failed["oneOf"] for name in one.get("required", ())]
        if not isinstance(case.value, dict):
            if not wanted:  # else it is no map, which is told already
                yield self.problem(case, _because("ambiguous", case.reason))
            return
        names = " and ".join(f"`{name}`" for name in wanted if name in case.value)
        message = f"{names} exclude each other" if names else "ambiguous"
        yield self.problem(case, _because(message, case.reason), "one of them" if names else "")

    def out_of_bounds(self, case: _Case) -> Iterator[Problem]:
        """Tell a number, text, list or map that is too small or too big, or whatever else the validator knows."""
        if case.error.kind.name in _BOUNDS:
            message, expected, found = _bound(case.error, case.value)
            yield self.problem(case, message, expected, found=found)
        elif case.error.kind.name == "format":
            yield self.problem(case, f"not a valid {case.error.kind.value}", hint=_example(case.node, case.failed))
        elif case.error.kind.name == "uniqueItems":
            yield self.problem(case, "an item stands twice")
        else:
            yield self.problem(case, _because(case.error.message, case.reason))


#: Keyword: too what, at least or at most what, of which items.
_BOUNDS = {
    "minimum": ("too small", "at least {}", ""),
    "maximum": ("too big", "at most {}", ""),
    "exclusiveMinimum": ("too small", "more than {}", ""),
    "exclusiveMaximum": ("too big", "less than {}", ""),
    "multipleOf": ("doesn't fit", "a multiple of {}", ""),
    "minLength": ("too short", "at least {}", "character"),
    "maxLength": ("too long", "at most {}", "character"),
    "minItems": ("too few items", "at least {}", "item"),
    "maxItems": ("too many items", "at most {}", "item"),
    "minProperties": ("too few keys", "at least {}", "key"),
    "maxProperties": ("too many keys", "at most {}", "key"),
}


def _bound(error: ValidationError, value: Any) -> tuple[str, str, str]:
    """Say what is wrong, what was expected, and how much was found."""
    message, expected, noun = _BOUNDS[error.kind.name]
    limit = error.kind.value
    if not noun:
        return message, expected.format(limit), words.found(value)
    return message, expected.format(words.count(limit, noun)), words.count(len(value), noun)


def _step(node: Any, step: str | int) -> Any:
    try:
        return node[step]
    except (KeyError, IndexError, TypeError):
        return None


def _because(message: str, reason: str) -> str:
    return f"{message}: {reason}" if reason else message


def _plainly(branch: list[ValidationError], keyword: str, path: ValuePath) -> bool:
    """Say whether a branch failed for one keyword of the value itself."""
    return len(branch) == 1 and branch[0].kind.name == keyword and tuple(branch[0].instance_path) == path


def _example(*nodes: Node) -> str:
    """Give the first example of a schema, as a hint."""
    for node in nodes:
        for example in node.get("examples", ()):
            if isinstance(example, (str, int, float)):
                return f"for example {words.spelled(example)}"
    return ""
