"""What each template function means in Python.

Every function checks its arguments strictly (``type(x) is str``), which also keeps captured text, whose scalars are
printed already, from being taken for a value. What it refuses raises TypeError, or ValueError for a string that is no
version or regular expression.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Any, NamedTuple, NoReturn

from generator import yaml
from generator.functions.placeholder import Placeholder, printable

#: Marks round a block printed by ``yaml``, and the line ends within it, until the text is complete and the column where
#: the block stands is known. YAML allows none of the three in a document, so no printed value can contain them.
BLOCK_START, BLOCK_END, BLOCK_NEWLINE = "\x02", "\x03", "\x1e"


class Text(str):
    """Text that a template has printed: it is output already, and no value to compute with."""

    __slots__ = ()

    def __bool__(self) -> bool:
        raise TypeError("text printed by a macro, an include or a block can't be a condition")


class Violation(NamedTuple):
    """A rule that the values break: the dotted path of the value, and why it can't work."""

    path: str
    message: str


_KINDS: dict[type, str] = {
    str: "a string",
    Text: "printed text",
    bool: "a boolean",
    int: "an integer",
    float: "a float",
    dict: "a map",
    list: "a list",
    tuple: "a list",
    type(None): "null",
}


def kind_of(value: object) -> str:
    """Name the type of ``value`` in the words of the values file: ``a map``, ``null``."""
    return _KINDS.get(type(value), f"a {type(value).__name__}")


def _refuse(function: str, wanted: str, value: object) -> NoReturn:
    if type(value) not in _KINDS:
        str(value)  # an undefined name says itself what it is
    raise TypeError(f"{function} takes {wanted}, not {kind_of(value)}")


def _string(function: str, value: Any) -> str:
    return value if type(value) is str else _refuse(function, "a string", value)


def _strings(function: str, value: Any) -> list[str]:
    if type(value) is not list:
        _refuse(function, "a list of strings", value)
    for item in value:
        if type(item) is not str:
            raise TypeError(f"{function} takes a list of strings: it holds {kind_of(item)}")
    return value


def default(value: Any, other: Any) -> Any:
    """Return ``value``, or ``other`` when it is empty: false, 0, "", {}, [] or null (sprig's meaning, not Jinja's)."""
    return value or other


def length(value: Any) -> int:
    """Count the items of a list or map, or the bytes of a string in UTF-8, as Go does."""
    if type(value) is str:
        return len(value.encode())
    return len(value) if type(value) in (list, dict) else _refuse("length", "a list, a map or a string", value)


def join(value: Any, separator: Any = "") -> str:
    """Put the strings of a list together with ``separator`` between them."""
    return _string("join", separator).join(_strings("join", value))


def lower(value: Any) -> str:
    """Turn letters into small ones, each by itself as Go does (Python alone treats a final sigma differently)."""
    text = _string("lower", value)
    return text.lower() if text.isascii() else "".join(letter.lower()[0] for letter in text)


_REGEX_SPECIALS = {ord(letter): f"\\{letter}" for letter in "\\.+*?()|[]{}^$"}


def quote_regex(value: Any) -> str:
    """Escape what a regular expression gives a meaning: exactly the characters that Go's regexp.QuoteMeta escapes."""
    return _string("quote_regex", value).translate(_REGEX_SPECIALS)


def sort_list(value: Any) -> list[str]:
    """Sort a list of strings by code point, which is also the order of their UTF-8 bytes."""
    return sorted(_strings("sort_list", value))


def to_json(value: Any) -> str:
    """Write compact JSON with sorted keys, as a string: to the letter what Go's encoder writes."""
    _check_tree("json", value)
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def to_yaml(value: Any) -> Text:
    """Write block YAML with sorted keys, marked so that the finished text can be indented to its column."""
    if _check_tree("yaml", value, placeholders=True):
        value = printable(value)
    body = yaml.block(value).replace("\n", BLOCK_NEWLINE)
    return Text(f"{BLOCK_START}{body}{BLOCK_END}")


def _check_tree(function: str, value: Any, *, placeholders: bool = False) -> bool:
    """Refuse what a map made in a template can hold and a values file can't: printed text, undefined names.

    Say whether there are placeholders in it, where those are allowed.
    """
    kind = type(value)
    found = False
    if kind is dict:
        for key, item in value.items():
            if type(key) is not str:
                _refuse(function, "maps whose keys are strings", key)
            found |= _check_tree(function, item, placeholders=placeholders)
    elif kind is list or kind is tuple:
        for item in value:
            found |= _check_tree(function, item, placeholders=placeholders)
    elif kind is Placeholder and placeholders:
        return True
    elif kind not in _KINDS or kind is Text:
        _refuse(function, "values", value)
    return found


def indent(text: Any, width: Any = 4, first: Any = False) -> Text:
    """Move each line of captured text that isn't blank ``width`` columns in, the first one only when asked."""
    if type(text) is not Text:
        _refuse("indent", "the text of a `filter` block or a macro", text)
    if type(width) is not int or width < 0:
        _refuse("indent", "a number of columns", width)
    margin = " " * width
    lines = [margin + line if line.strip() else line for line in text.split("\n")]
    if not first:
        lines[0] = text.partition("\n")[0]
    return Text("\n".join(lines))


_DIRECTIVE = r"(?s)%(.?)"


def format_string(template: Any, *arguments: Any) -> str:
    """Put strings (``%s``) and integers (``%d``) into a template, as printf does; ``%%`` is a percent sign."""
    remaining = list(arguments)

    def piece(match: re.Match[str]) -> str:
        directive = match[1]
        if directive == "%":
            return "%"
        if directive not in ("s", "d"):
            raise TypeError(f"format knows %s, %d and %%, not %{directive}")
        if not remaining:
            raise TypeError("format has more directives than arguments")
        value = remaining.pop(0)
        if directive == "s":
            return _string("%s in format", value)
        return str(value) if type(value) is int else _refuse("%d in format", "an integer", value)

    text = re.sub(_DIRECTIVE, piece, _string("format", template))
    if remaining:
        raise TypeError("format has more arguments than directives")
    return text


# The grammar of github.com/Masterminds/semver v3, which Helm uses; a missing minor or patch number counts as 0.
# Patterns are left to re's own cache: compiling them here would cost every start a millisecond.
_VERSION = (
    r"v?(\d+)(?:\.(\d+))?(?:\.(\d+))?(?:-[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?"
)
_MINIMUM = r"(\d+)\.(\d+)(?:\.(\d+))?"


@lru_cache(maxsize=256)
def _numbers(pattern: str, text: str) -> tuple[int, int, int] | None:
    match = re.fullmatch(pattern, text, re.ASCII)
    return None if match is None else (int(match[1]), int(match[2] or 0), int(match[3] or 0))


def version_at_least(version: Any, minimum: Any) -> bool:
    """Say whether ``version`` is ``minimum`` or newer; pre-releases count as their release, as ``>=1.22-0`` has it.

    Raises TypeError when either isn't a string, ValueError when it isn't a version.
    """
    found = _numbers(_VERSION, _string("version_at_least", version))
    wanted = _numbers(_MINIMUM, _string("version_at_least", minimum))
    if found is None:
        raise ValueError(f"`{version}` is not a version such as 1.22 or 1.22.3")
    if wanted is None:
        raise ValueError(f"`{minimum}` is not a version to compare with: write 1.22 or 1.22.3")
    return found >= wanted


_DURATION = r"(?:[0-9]+(?:ms|[smhdwy]))+"
_UNITS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000, "y": 31_536_000_000}


def milliseconds(duration: Any) -> int:
    """Give the length of a Prometheus duration (``1h30m``); a day has 24 hours, a year 365 days.

    https://prometheus.io/docs/prometheus/latest/querying/basics/#time-durations. Raises TypeError when it isn't a
    string, ValueError when it isn't a duration.
    """
    text = _string("milliseconds", duration)
    if not re.fullmatch(_DURATION, text, re.ASCII):
        raise ValueError(f"`{text}` is not a duration such as 30s or 1h30m")
    return sum(int(number) * _UNITS[unit] for number, unit in re.findall(r"([0-9]+)(ms|[smhdwy])", text))


def has_key(mapping: Any, key: Any) -> bool:
    """Say whether a map has ``key``."""
    if type(mapping) is not dict:
        _refuse("has_key", "a map", mapping)
    return _string("has_key", key) in mapping


def contains(values: Any, item: Any) -> bool:
    """Say whether a list has the string ``item``."""
    if type(values) is not list:
        _refuse("contains", "a list", values)
    return _string("contains", item) in values


def starts_with(text: Any, prefix: Any) -> bool:
    """Say whether a string begins with ``prefix``."""
    return _string("starts_with", text).startswith(_string("starts_with", prefix))


# One token of a regular expression: a class, an escape, a group opener, a quantifier or a plain character.
_PART = r"(?s)\[\^?\]?(?:\\.|\[:\^?\w+:\]|[^\]\\])*\]|\\.|\(\?(?:P<\w+>|[a-zA-Z-]*[:)])|\(\?.?|[*+?}][+]|."


@lru_cache(maxsize=256)
def _expression(pattern: str) -> re.Pattern[str]:
    """Compile an RE2 expression with RE2's meaning: ASCII classes, and ``$`` at the very end only."""

    def piece(match: re.Match[str]) -> str:
        part = match[0]
        if part in {"$", "\\z"}:
            return r"\Z"
        other_group = part[:2] == "(?" and part[-1] not in ":)>"
        if other_group or part in {"*+", "++", "?+", "}+"} or re.match(r"\\[1-9ZQEpPCx]", part):
            raise ValueError(f"`{part}` in the regular expression `{pattern}` is not understood alike by Python and Go")
        return part

    try:
        return re.compile(re.sub(_PART, piece, pattern), re.ASCII)
    except re.error as error:
        raise ValueError(f"`{pattern}` is not a regular expression: {error}") from None


def matches(text: Any, pattern: Any) -> bool:
    """Say whether a regular expression in RE2 syntax is found in a string; raises ValueError for a bad expression."""
    return _expression(_string("matches", pattern)).search(_string("matches", text)) is not None


def merge(*maps: Any) -> dict[str, Any]:
    """Make one map: later maps win, key by key at the top level."""
    merged: dict[str, Any] = {}
    for one in maps:
        if type(one) is not dict:
            _refuse("merge", "maps", one)
        merged.update(one)
    return merged


def concat(*lists: Any) -> list[Any]:
    """Make one list of several."""
    joined: list[Any] = []
    for one in lists:
        if type(one) is not list:
            _refuse("concat", "lists", one)
        joined.extend(one)
    return joined


def fail(path: Any, message: Any) -> Violation:
    """State that the value at the dotted ``path`` can't work, and why. Printing it reports it."""
    return Violation(_string("fail", path), _string("fail", message))
