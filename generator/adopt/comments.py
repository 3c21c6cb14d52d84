"""Comments of YAML texts: which stand above which part, and how to put them above the same part of another text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from generator.errors import Location, ValuePath
from generator.yaml import document_locations
from generator.yaml.lenient import load_text

#: By the path of a part, the lines of the comment above it, each with its ``#`` and without indentation.
Comments = Mapping[ValuePath, tuple[str, ...]]


def comments_in(text: str, below: ValuePath = ()) -> dict[ValuePath, tuple[str, ...]]:
    """Give the comments of a text's first document that stand on lines of their own, right above a part.

    Only those at and below the path ``below``; their paths begin there.
    """
    places = document_locations(load_text(text, "")[1], "")
    lines = text.split("\n")
    found: dict[ValuePath, tuple[str, ...]] = {}
    for line, path in _first_on_lines(places[0].keys if places else {}).items():
        start = line - 1
        while start > 0 and lines[start - 1].lstrip().startswith("#"):
            start -= 1
        if start < line - 1 and path[: len(below)] == below:
            found[path[len(below) :]] = tuple(one.strip() for one in lines[start : line - 1])
    return found


def with_comments(text: str, comments: Comments, document: int = 0) -> str:
    """Put comments above parts of one document of a text; what it reads as stays the same.

    A part that isn't there, or doesn't begin its line, gets none. Text that has comments there already keeps them.
    """
    before, readable = load_text(text, "")
    listed = document_locations(readable, "")
    lines = text.split("\n")
    new = list(lines)
    first = _first_on_lines(listed[document].keys)
    by_path = {path: line for line, path in first.items()}
    wanted = {by_path[path]: comment for path, comment in comments.items() if path in by_path}
    for number in sorted(wanted, reverse=True):
        line = lines[number - 1]
        if number > 1 and lines[number - 2].lstrip().startswith("#"):
            continue
        indentation = line[: len(line) - len(line.lstrip(" "))]
        end = "\r" if line.endswith("\r") else ""
        new[number - 1 : number - 1] = [f"{indentation}{one}{end}" for one in wanted[number]]
    commented = "\n".join(new)
    return commented if load_text(commented, "")[0] == before else text


def moved(comments: Comments, below: ValuePath) -> dict[ValuePath, tuple[str, ...]]:
    """Give the same comments for the same parts below another path."""
    return {(*below, *path): comment for path, comment in comments.items()}


def worded(text: str, width: int = 120) -> tuple[str, ...]:
    """Make a text the lines of a comment, each at most ``width`` columns wide."""
    from textwrap import wrap

    shown = "".join(letter if letter.isprintable() else " " for letter in " ".join(text.split()))
    return tuple(f"# {line}" for line in wrap(shown, width - 2, break_long_words=False, break_on_hyphens=False))


def _first_on_lines(keys: Mapping[ValuePath, Location]) -> dict[int, ValuePath]:
    """Give the part that begins on each line: the outermost one, the first where several do."""
    found: dict[int, ValuePath] = {}
    for path in sorted(_inner(keys), key=lambda one: (keys[one].line, keys[one].column, len(one))):
        found.setdefault(keys[path].line, path)
    return found


def _inner(keys: Iterable[ValuePath]) -> list[ValuePath]:
    return [path for path in keys if path]
