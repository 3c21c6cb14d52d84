"""Texts to trees: YAML, and JSON that YAML can't read."""

from __future__ import annotations

from typing import Any

from generator.errors import InputError
from generator.intake.document import Text
from generator.yaml import load_documents
from generator.yaml.lenient import load_text


def load(text: str, source: str) -> list[tuple[Text, list[Any]]]:
    """Read a text's documents; JSON that YAML can't read gives each of its values as a text of its own.

    Raises:
        InputError: it is neither.
    """
    try:
        trees, readable = load_text(text, source)
        return [(Text(text, source, readable), trees)]
    except InputError:
        values = _json_values(text)
        if not values:
            raise
        return [(Text(text, source, value), load_documents(value, source)) for value in values]


def _json_values(text: str) -> list[str]:
    r"""Give each value of a JSON text as YAML, at the line and column where it stands; [] where the text is no JSON.

    To YAML, several values one after the other are no documents, a tab is no indentation, and half a character
    (``\ud83d``) is none.
    """
    import json
    import re

    if not text.lstrip().startswith("{"):
        return []
    decoder, position = json.JSONDecoder(), 0
    values: list[str] = []
    while rest := text[position:].lstrip():
        start = len(text) - len(rest)
        try:
            _value, position = decoder.raw_decode(text, start)
        except ValueError:
            return []
        margin = "\n" * text.count("\n", 0, start) + " " * (start - text.rfind("\n", 0, start) - 1)
        pair = r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
        values.append(margin + re.sub(pair, lambda match: str(json.loads(f'"{match[0]}"')), text[start:position]))
    return values
