"""What changed in a text."""

from __future__ import annotations

from collections.abc import Iterator


def unified(name: str, old: str, new: str) -> Iterator[str]:
    """Give the lines of a unified diff, as ``patch`` takes it; none where nothing changed. Line ends are the file's."""
    from difflib import unified_diff

    for line in unified_diff(_lines(old), _lines(new), name, name):
        yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"


def old_line(old: str, new: str, number: int) -> int:
    """Say which line of the old text stands where a line of the new one does; both are counted from 1."""
    from difflib import SequenceMatcher

    index = number - 1
    for tag, first, last, begin, end in SequenceMatcher(None, _lines(old), _lines(new), autojunk=False).get_opcodes():
        if begin <= index < end:
            return (first + index - begin if tag == "equal" else min(first + index - begin, max(last - 1, 0))) + 1
    return number


def _lines(text: str) -> list[str]:
    """Cut a text behind each line feed, and nowhere else."""
    parts = text.split("\n")
    return [f"{part}\n" for part in parts[:-1]] + parts[-1:] * bool(parts[-1])
