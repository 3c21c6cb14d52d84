"""Comments that say why a value is there."""

from __future__ import annotations

import re

from generator.errors import InputError, ValuePath
from generator.yaml import document_locations, load_documents


def commented(text: str, source: str, document: int, path: ValuePath, comment: str) -> str:
    """Put a comment on a line of its own above a key of a block; a text that says the same already stays as it is.

    ``document`` counts the documents that aren't empty. JSON takes no comments, and between brackets, or beside a
    list's dash, there is no line for one: such a text stays as it is, too.
    """
    if f"# {comment}" in text or text.lstrip("\ufeff \t\r\n").startswith(("{", "[")) or source.endswith(".json"):
        return text
    place = document_locations(text, source)[document].keys.get(path)
    if place is None:
        return text
    lines = text.split("\n")
    line = lines[place.line - 1]
    start = re.match(r" *", line)
    indent = start[0] if start else ""
    if len(indent) != place.column - 1 or not re.match(r"[\w\"'./-]+:(\s|$)", line[len(indent) :]):
        return text
    ending = "\r" if line.endswith("\r") else ""
    lines.insert(place.line - 1, f"{indent}# {comment}{ending}")
    new = "\n".join(lines)
    try:
        same = load_documents(new, source) == load_documents(text, source)
    except InputError:
        return text
    return new if same else text
