"""Output: files in memory."""

from __future__ import annotations

from typing import NamedTuple


class OutputFile(NamedTuple):
    """A file to be written: its path below ``output/`` with forward slashes, and its text."""

    path: str
    text: str
