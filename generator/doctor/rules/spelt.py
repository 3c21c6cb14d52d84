"""How a value is written, for fixes that put it in quotes: ``1.50`` is a version, and 1.5 another one."""

from __future__ import annotations

import re

from generator.errors import InputError, ValuePath
from generator.injection.annotations import text_of
from generator.intake.document import Document

_LABELS = frozenset({"labels", "annotations", "matchLabels", "nodeSelector", "externalLabels"})
_TEXTS = frozenset({"regex", "replacement", "version"})
_DURATION = re.compile(r"(?i)(?:interval|timeout|retention)$")


def as_written(document: Document, path: ValuePath) -> str:
    """Give a number or boolean as the text has it; "" where that isn't at hand, for null and for other values."""
    from generator.yaml.editing.spelling import spelling

    if not isinstance(document.get(*path), (bool, int, float)):
        return ""
    try:
        return spelling(document.text, document.source, document.index, (*document.path, *path))
    except InputError:  # JSON that is no YAML, say
        return ""


def meant(document: Document, path: ValuePath) -> str:
    """Give the string that a number or boolean is meant to be; "" where it may be another than is written.

    In a variable, a label, an argument or a version quotes alone are missing. A port's name and a duration, on the
    other hand, are no number at all, with quotes or without. A boolean label is read by whoever selects by it, and may
    be spelt in ways that YAML alone takes for the same; Istio, and those that read annotations, want ``true``.
    """
    value, parent, key = document.get(*path), path[-2] if len(path) > 1 else "", str(path[-1])
    text = as_written(document, path)
    if document.kind == "ConfigMap" and path[:-1] == ("data",):
        return text
    if isinstance(path[-1], int):
        return text if parent in {"args", "command"} else ""
    if key == "value" and path[-3:-2] == ("env",):
        return text
    if parent not in _LABELS and key not in _TEXTS:
        return ""
    if not isinstance(value, bool):
        return text
    if parent == "annotations" or "istio.io/" in key:
        return text_of(value)
    return text if text in {"true", "false"} else ""


def wanted(document: Document, path: ValuePath) -> str:
    """Say what a field should hold where a number with quotes would be wrong too; "" for other fields."""
    key, value = path[-1], document.get(*path)
    if not isinstance(key, str) or not isinstance(value, (int, float)):
        return ""
    if key == "port":
        number = "portNumber" if document.kind in {"PodMonitor", "VMPodScrape"} else "targetPort"
        return f"the name of a port (a number goes in {number})"
    if _DURATION.search(key):
        return f"a duration with its unit, such as {'15d' if key == 'retention' else '30s'}"
    return ""
