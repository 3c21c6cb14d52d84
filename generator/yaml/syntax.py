"""The C parser's complaints, told so that the user finds the place and the remedy."""

from __future__ import annotations

import re

from generator.errors import Location, Problem
from generator.yaml.scalars import SURROGATES

# What YAML 1.1 doesn't allow in a text at all.
_FORBIDDEN = re.compile(f"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x84\x86-\x9f{SURROGATES}\ufffe\uffff]")

_TAB = "a tab, YAML indents with spaces"
_HINTS = {
    "mapping values are not allowed in this context": "quote a text that holds `: `, or check the indentation",
    "did not find expected key": "check the indentation",
    "did not find expected '-' indicator": "check the indentation",
    "did not find expected <document start>": "check the indentation and the brackets",
    "block sequence entries are not allowed in this context": "begin a list on the line after its key",
    "found unknown escape character": "in double quotes write \\\\ for a backslash, or use single quotes",
}


def explain(error: Exception, text: str, source: str) -> Problem | None:
    """Turn an exception of the parser into a problem; None where it is no complaint about the text."""
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return _forbidden_character(text, source)
    line, column = mark.line, mark.column
    lines = text.split("\n")
    written = lines[line].rstrip("\r") if line < len(lines) else ""
    margin = written[: len(written) - len(written.lstrip())]
    if "\t" in margin and column <= len(margin):
        return Problem(_TAB, Location(source, line + 1, margin.index("\t") + 1))
    context = getattr(error, "context", None) or ""
    complaint = str(getattr(error, "problem", "") or "unreadable")
    hint = _HINTS.get(complaint, "")
    if complaint == "found character that cannot start any token" and column < len(written):
        complaint = f"found `{written[column]}`, which can't begin a value"
        hint = "quote the value"
    begun = getattr(error, "context_mark", None)
    if context and begun is not None and begun.line != line:
        complaint += f", {context} that begins on line {begun.line + 1}"
    return Problem(f"not valid YAML: {complaint}", Location(source, line + 1, column + 1), hint=hint)


def _forbidden_character(text: str, source: str) -> Problem | None:
    match = _FORBIDDEN.search(text)
    if match is None:
        return None
    before = text[: match.start()]
    location = Location(source, before.count("\n") + 1, len(before) - before.rfind("\n"))
    return Problem(f"the character U+{ord(match[0]):04X} is not allowed in YAML", location)
