"""Comments at keys: those that say why a value is there, and those that go along with a value that moves."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from generator.errors import InputError, ValuePath
from generator.yaml import document_locations
from generator.yaml.lenient import load_text

_KEY = re.compile(r"[\w\"'./-]+:(\s|$)")


class Comments(NamedTuple):
    """What stands at a key: comment lines right above it, each from its ``#`` on, and what follows on its line.

    The latter begins with the blanks before its ``#``, and may go on in the lines below it, which stand further in than
    the key: each of them from the key's column on.
    """

    above: tuple[str, ...] = ()
    beside: str = ""
    below: tuple[str, ...] = ()


def comments_at(text: str, source: str, document: int, path: ValuePath) -> Comments:
    """Give the comments that belong to a key of a block."""
    lines, index, indent = _key_line(text, source, document, path)
    if indent is None:
        return Comments()
    above: list[str] = []
    number = index
    while number > 0 and lines[number - 1].startswith(f"{indent}#"):
        number -= 1
        above.insert(0, lines[number].strip())
    values, _ = load_text(text, source)
    for match in re.finditer(r"(?<=\s)#", lines[index]):
        start = match.start()
        shorter = [*lines[:index], lines[index][:start].rstrip(), *lines[index + 1 :]]
        if _reads_as("\n".join(shorter), source, values):
            beside = lines[index][len(shorter[index]) :].rstrip()
            return Comments(tuple(above), beside, _below(lines, index, indent, source, values))
    return Comments(tuple(above))


def _below(lines: list[str], index: int, indent: str, source: str, values: list[object]) -> tuple[str, ...]:
    """Give the comment lines right below a key's line that stand further in."""
    end = index + 1
    while end < len(lines) and re.match(rf"{indent} +#", lines[end]):
        end += 1
    found = lines[index + 1 : end]
    # A text of several lines may hold what looks like comments.
    alone = found and _reads_as("\n".join(lines[: index + 1] + lines[end:]), source, values)
    return tuple(line[len(indent) :].rstrip() for line in found) if alone else ()


def with_comments(text: str, source: str, document: int, path: ValuePath, comments: Comments) -> str:
    """Put comments at a key, as far as there is room for them; what the text says stays the same.

    ``document`` counts the documents that aren't empty. JSON takes no comments, and between brackets, or beside a
    list's dash, there is no line for one: such a text stays as it is.
    """
    if not any(comments) or text.lstrip("\ufeff \t\r\n").startswith(("{", "[")) or source.endswith(".json"):
        return text
    lines, index, indent = _key_line(text, source, document, path)
    if indent is None:
        return text
    values, _ = load_text(text, source)
    for new in _candidates(lines, index, indent, comments):
        if _reads_as(new, source, values):
            return new
    return text


def _candidates(lines: list[str], index: int, indent: str, comments: Comments) -> Iterator[str]:
    """The texts that could come of it, the fullest first."""
    ending = "\r" if lines[index].endswith("\r") else ""
    above = [f"{indent}{comment}{ending}" for comment in comments.above]
    beside = [f"{lines[index].rstrip()}{comments.beside}{ending}"] if comments.beside else []
    below = [f"{indent}{comment}{ending}" for comment in comments.below]
    for further in [[*beside, *below], beside, []]:
        yield "\n".join([*lines[:index], *above, *(further or [lines[index]]), *lines[index + 1 :]])


def _key_line(text: str, source: str, document: int, path: ValuePath) -> tuple[list[str], int, str | None]:
    """Give a text's lines, the number of the one that a key begins, and its indentation; None where none does."""
    lines = text.split("\n")
    place = document_locations(load_text(text, source)[1], source)[document].keys.get(path)
    if place is None:
        return lines, 0, None
    line = lines[place.line - 1]
    rest = line.lstrip(" ")
    indent = line[: len(line) - len(rest)]
    fits = len(indent) == place.column - 1 and _KEY.match(rest)
    return lines, place.line - 1, indent if fits else None


def _reads_as(text: str, source: str, values: list[object]) -> bool:
    try:
        return load_text(text, source)[0] == values
    except InputError:
        return False
