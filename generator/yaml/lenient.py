"""Reads YAML that Kubernetes accepts and our parser doesn't.

libyaml before 0.2, whose events we read, takes a colon within a plain text between brackets for an indicator:
``[localhost:9090]``, ``{image: prom/prometheus:v3}``. Kubernetes, Helm and Prometheus read it as text.
"""

from __future__ import annotations

import re
from typing import Any

from generator.errors import InputError
from generator.yaml.reading import load_documents

#: Stands in for such a colon, so that every column stays what it is: a character of Unicode's private use area.
STAND_IN = "\ue000"
# A colon with text on both sides; one right behind a quote belongs to a key.
_COLON = re.compile(r"""(?<=[^\s"',\[\]{}]):(?=[^\s,\[\]{}])""")
_COMPLAINT = "found unexpected ':'"


def load_text(text: str, source: str) -> tuple[list[Any], str]:
    """Give the documents of a text, empty ones left out, and the text as our parser reads it.

    Raises:
        InputError: every problem found.
    """
    try:
        return load_documents(text, source, any_keys=True), text
    except InputError as error:
        if STAND_IN in text or not any(_COMPLAINT in problem.message for problem in error.problems):
            raise
    readable = _COLON.sub(STAND_IN, text)
    try:
        return restored(load_documents(readable, source, any_keys=True)), readable
    except InputError as error:
        told = [
            problem._replace(**{key: restored(getattr(problem, key)) for key in ("message", "path", "found", "hint")})
            for problem in error.problems
        ]
        raise type(error)(told) from error


def restored(value: Any) -> Any:
    """Give a value with its colons."""
    if isinstance(value, str):
        return value.replace(STAND_IN, ":")
    if isinstance(value, dict):
        return {restored(key): restored(item) for key, item in value.items()}
    return type(value)(map(restored, value)) if isinstance(value, (list, tuple)) else value
