"""How a value is written, for fixes that put it in quotes: ``1.50`` is a version, and 1.5 another one."""

from __future__ import annotations

from generator.errors import InputError, ValuePath
from generator.intake.document import Document


def as_written(document: Document, path: ValuePath) -> str:
    """Give a number or boolean as the text has it; "" where that isn't at hand, for null and for other values."""
    from generator.yaml.editing.spelling import spelling

    if not isinstance(document.get(*path), (bool, int, float)):
        return ""
    try:
        return spelling(document.text, document.source, document.index, (*document.path, *path))
    except InputError:  # JSON that is no YAML, say
        return ""
