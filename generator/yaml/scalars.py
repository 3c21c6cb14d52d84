"""Scalars: what a plain one means to Kubernetes and Helm, and how to print one so that every reader agrees.

Reading follows goyaml v2, which sigs.k8s.io/yaml and Helm use: YAML 1.1 (``yes`` is true, ``017`` is 15), except that
``12:30`` and ``2001-01-01`` are strings (a test compares with Helm). Printing also bears in mind YAML 1.2, and readers
that do know sexagesimal numbers and dates.
"""

from __future__ import annotations

import re
from typing import Final

Scalar = str | int | float | bool | None

_WORDS: dict[str, object] = {
    **dict.fromkeys(["y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"], True),
    **dict.fromkeys(["n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"], False),
    **dict.fromkeys(["", "~", "null", "Null", "NULL"]),
    **{sign + word: float("inf") for sign in ("", "+") for word in (".inf", ".Inf", ".INF")},
    **{word: float("-inf") for word in ("-.inf", "-.Inf", "-.INF")},
    **{word: float("nan") for word in (".nan", ".NaN", ".NAN")},
}
_INTEGER = re.compile(r"[-+]?(?:0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NUMBER_STARTS = frozenset("+-.0123456789")
_BASES = {"x": 16, "X": 16, "b": 2, "B": 2, "o": 8, "O": 8}

# One text stands for the same value everywhere, and manifests repeat themselves.
_meanings: dict[str, object] = dict(_WORDS)
_spellings: dict[Scalar, str] = {}
_MOST_REMEMBERED = 20_000


def meaning(text: str) -> object:
    """Give the value of a plain scalar: a string, integer, float, boolean or None."""
    try:
        return _meanings[text]
    except KeyError:
        pass
    value = _number(text) if text[0] in _NUMBER_STARTS else text
    if len(_meanings) > _MOST_REMEMBERED:
        _meanings.clear()
        _meanings.update(_WORDS)
    _meanings[text] = value
    return value


def _number(text: str) -> str | int | float:
    digits = text.replace("_", "")
    if _INTEGER.fullmatch(digits):
        unsigned = digits.lstrip("+-")
        if len(unsigned) == 1 or unsigned[0] != "0":
            return int(digits) if len(digits) < 1000 else float(digits)
        return int(digits.replace("o", "").replace("O", ""), _BASES.get(unsigned[1], 8))
    return float(digits) if _FLOAT.fullmatch(digits) else text


def is_string(text: str) -> bool:
    """Say whether a plain scalar means a string, and not a number, a boolean or null."""
    return type(meaning(text)) is str


_TAG = "tag:yaml.org,2002:"


def tagged(tag: str, text: str) -> object:
    """Give the value of a scalar that has a tag, ``!!str`` or ``!!int`` say; NotImplemented where it can't be one."""
    if tag == _TAG + "str":
        return text
    types = {"int": int, "float": float, "bool": bool, "null": type(None)}
    wanted = types.get(tag.removeprefix(_TAG)) if tag.startswith(_TAG) else None
    value = meaning(text)
    if wanted is float and type(value) is int:
        return float(value)
    return value if type(value) is wanted else NotImplemented


# What some reader may take for something else than a string. Ignoring letter case costs a quote at worst.
_AMBIGUOUS = re.compile(
    r"y|n|yes|no|on|off|true|false|null|~|=|<<"
    r"|[-+]?\.(?:inf|nan)"
    r"|[-+]?[0-9_]+|[-+]?0x[0-9a-f_]*|[-+]?0[bo][0-9_]*"
    r"|[-+]?(?:\.[0-9_]+|[0-9][0-9_]*(?:\.[0-9_]*)?)(?:e[-+]?[0-9_]*)?"
    r"|[-+]?[0-9][0-9_]*(?::[0-9_]+)+(?:\.[0-9_]*)?"  # sexagesimal
    r"|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}.*",  # dates
    re.IGNORECASE | re.DOTALL,
)
_AMBIGUOUS_STARTS = frozenset("+-.0123456789yntofYNTOF~=<_")

# The indicators can't begin a plain scalar, nor may what would end it in a block or between brackets come later.
_PLAIN = re.compile(
    r"(?!(?:---|\.\.\.)(?: |\Z))(?:-(?=[^ ])|[^- ?:,\[\]{}#&*!|>'\"%@`])"
    r"(?:[^ :?#,\[\]{}]|(?<! )#|:(?=[^ ])| (?=[^ #]| +[^ #]))*",
)

#: Halves of UTF-16 pairs: no UTF-8 text holds them.
SURROGATES: Final = "\ud800-\udfff"
#: Control, invisible and direction-changing characters, YAML 1.1's other line ends, surrogates, non-characters; no tab.
UNPRINTABLE: Final = (
    "\x00-\x08\x0b-\x1f\x7f-\xa0\xad\u061c\u180e\u200b-\u200f\u2028-\u202f\u2060-\u206f"
    f"{SURROGATES}\ufeff\ufff0-\uffff\U000e0000-\U000e0fff"
    + "".join(chr(plane << 16 | 0xFFFE) + chr(plane << 16 | 0xFFFF) for plane in range(1, 17))
)
# Left to re's own cache: few texts need them, and compiling them here would cost every start a millisecond.
_NEEDS_ESCAPE = f"[\n\t{UNPRINTABLE}]"
_ESCAPED = f'[\n\t"\\\\{UNPRINTABLE}]'
_SHORT_ESCAPES = {"\n": "\\n", "\t": "\\t", "\r": "\\r", '"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f"}


def scalar(value: Scalar) -> str:
    """Print a scalar on one line, so that it reads back the same anywhere: as a value, a key, or between brackets.

    A string is plain where no reader of YAML 1.1 or 1.2 could take it for something else, single-quoted where that is
    enough, else double-quoted. (One exception: between brackets libyaml before 0.2 refuses a plain ``a:b``. Quoting
    every image and address would be worse.) Raises TypeError for anything that isn't a scalar.
    """
    if type(value) is str:
        try:
            return _spellings[value]
        except KeyError:
            return _remember(value)
    if value is None:
        return "null"
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, str):
        return scalar(str.__str__(value))
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, float):
        return _float(value)
    raise TypeError(f"not a YAML scalar: {type(value).__name__}")


def _remember(text: str) -> str:
    spelling = _string(text)
    if len(text) < 200:
        if len(_spellings) > _MOST_REMEMBERED:
            _spellings.clear()
        _spellings[text] = spelling
    return spelling


def _string(text: str) -> str:
    if not (text.isascii() and text.isprintable()) and re.search(_NEEDS_ESCAPE, text):
        return double_quoted(text)
    if _PLAIN.fullmatch(text) and not (text[0] in _AMBIGUOUS_STARTS and _AMBIGUOUS.fullmatch(text)):
        return text
    return "'" + text.replace("'", "''") + "'"


def double_quoted(text: str) -> str:
    """Print a string between double quotes, with escapes that JSON knows too (but for those above U+FFFF)."""
    return '"' + re.sub(_ESCAPED, lambda match: _escape(match[0]), text) + '"'


def _escape(character: str) -> str:
    number = ord(character)
    return _SHORT_ESCAPES.get(character) or (f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}")


def _float(number: float) -> str:
    if number != number:  # noqa: PLR0124  # the one number that differs from itself
        return ".nan"
    if number in (float("inf"), float("-inf")):
        return ".inf" if number > 0 else "-.inf"
    text = float.__repr__(number)
    # YAML 1.1 wants a point in the mantissa: 1e+16 would be a string.
    return text.replace("e", ".0e", 1) if "e" in text and "." not in text else text
