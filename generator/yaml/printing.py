"""Values to block YAML, in the style of kubectl and kustomize."""

from __future__ import annotations

import re
from typing import cast

from generator.yaml.scalars import UNPRINTABLE, Scalar, double_quoted, scalar

# What a line of a literal block can't hold, or not visibly at its start. Left to re's own cache, as in `scalars`.
_NOT_LITERAL = f"[{UNPRINTABLE}]|\\A *\\t"
# YAML's limit for a key without `?` is 1,024 characters, quotes and escapes included.
_LONGEST_KEY = 1000


def block(value: object, indent: int = 0, sort_keys: bool = True) -> str:
    """Print a tree as block YAML without a newline at its end, every line ``indent`` columns in.

    Lists in a map stand at the column of their key. Strings of several lines become literal blocks where that loses
    nothing; a text that ends in one needs its last newline. Keys are sorted by code point, or keep their order.
    Raises TypeError for what YAML doesn't know.
    """
    lines: list[str] = []
    pad = " " * indent
    if isinstance(value, dict) and value:
        _map(value, pad, lines, sort_keys)
    elif isinstance(value, (list, tuple)) and value:
        _list(value, pad, lines, sort_keys)
    elif isinstance(value, str) and "\n" in value and value.lstrip("\n").startswith(" "):
        # As a literal it would have to say how far in it stands, and that counts from what it will be put below.
        lines.append(pad + double_quoted(value))
    else:
        lines.append(pad + _inline(value, pad + "  "))
    return "\n".join(lines)


def _map(value: dict[str, object], pad: str, lines: list[str], sort_keys: bool) -> None:
    inner = pad + "  "
    for key in sorted(value) if sort_keys else value:
        item = value[key]
        if type(key) is not str:
            raise TypeError(f"a YAML key must be a string, not {type(key).__name__}")
        name = scalar(key)
        head = f"{pad}{name}:" if len(name) <= _LONGEST_KEY else f"{pad}? {name}\n{pad}:"
        if isinstance(item, dict) and item:
            lines.append(head)
            _map(item, inner, lines, sort_keys)
        elif isinstance(item, (list, tuple)) and item:
            lines.append(head)
            _list(item, pad, lines, sort_keys)
        else:
            lines.append(f"{head} {_inline(item, inner)}")


def _list(value: list[object] | tuple[object, ...], pad: str, lines: list[str], sort_keys: bool) -> None:
    inner = pad + "  "
    for item in value:
        first = len(lines)
        if isinstance(item, dict) and item:
            _map(item, inner, lines, sort_keys)
        elif isinstance(item, (list, tuple)) and item:
            _list(item, inner, lines, sort_keys)
        else:
            lines.append(inner + _inline(item, inner))
        lines[first] = f"{pad}- {lines[first][len(inner) :]}"


def _inline(value: object, pad: str) -> str:
    """Print what begins on the line of its key or dash: a scalar, a literal block, something empty."""
    if type(value) is str:
        return _literal(value, pad) if "\n" in value else scalar(value)
    if isinstance(value, dict):
        return "{}"
    if isinstance(value, (list, tuple)):
        return "[]"
    return scalar(cast("Scalar", value))


def _literal(text: str, pad: str) -> str:
    """Print a string of several lines as a literal block; double-quoted where a reader or an editor could change it.

    Several newlines at the end are quoted too: as a literal they would be empty lines, which get lost when texts are
    put together.
    """
    body = text.removesuffix("\n")
    ends_in_blank = body[-1:] in {"", "\n", " "}
    if ends_in_blank or not (_is_simple(body) or all(map(_literally, body.split("\n")))):
        return double_quoted(text)
    indicator = "2" if body.lstrip("\n")[0] == " " else ""
    chomping = "-" if body is text else ""
    content = body.replace("\n", f"\n{pad}")
    if f"\n{pad}\n" in content or content[0] == "\n":  # an empty line stays empty
        content = "\n".join(line if line.strip(" ") or not pad else "" for line in f"{pad}{content}".split("\n"))
        return f"|{indicator}{chomping}\n{content}"
    return f"|{indicator}{chomping}\n{pad}{content}"


def _is_simple(text: str) -> bool:
    """Say of many texts at once what `_literally` says of each line."""
    return text.isascii() and " \n" not in text and text.replace("\n", "").isprintable()


def _literally(line: str) -> bool:
    """Say whether a literal block shows a line as it is: a space or tab at its end, say, would not be seen."""
    if line[-1:] in {" ", "\t"}:
        return False
    return (line.isascii() and line.isprintable()) or not re.search(_NOT_LITERAL, line)
