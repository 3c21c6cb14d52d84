"""The figures as tables, for a terminal and for docs/performance.md."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.bench.figures import Figures
from tests.bench.names import SIDECERT_COLD
from tests.bench.promises import Promise

BEGIN, END = "<!-- measured: from here on make bench writes -->", "<!-- end of what make bench writes -->"


class Table(NamedTuple):
    """A table; the first column is words, the others are figures unless it says otherwise."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: bool = False

    def as_text(self) -> str:
        """Print it with columns that line up."""
        widths = [max(map(len, column)) for column in zip(self.header, *self.rows, strict=True)]
        lines = []
        for row in (self.header, *self.rows):
            cells = [self._aligned(cell, index, widths[index]) for index, cell in enumerate(row)]
            lines.append("  ".join(cells).rstrip())
        return "\n".join([self.title, "", *lines])

    def as_markdown(self) -> str:
        """Print it as a table of Markdown, below a heading."""
        rule = ["---" if self._is_words(index) else "---:" for index in range(len(self.header))]
        rows = [" | ".join(cell.replace("|", "\\|") for cell in row) for row in (self.header, rule, *self.rows)]
        return "\n".join([f"### {self.title}", "", *(f"| {row} |" for row in rows)])

    def _aligned(self, cell: str, index: int, width: int) -> str:
        return cell.ljust(width) if self._is_words(index) else cell.rjust(width)

    def _is_words(self, index: int) -> bool:
        return self.words or index == 0


def tables(figures: Figures, promises: Sequence[Promise], facts: Sequence[tuple[str, str]]) -> list[Table]:
    """Give everything that was measured, and on what."""
    sizes = sorted({size for _, size in figures})
    names = list(dict.fromkeys(name for name, _ in figures))
    columns = ["environments", *(f"{size:,}" for size in sizes)]

    def rows(print_cell: Callable[[str, int], str]) -> list[list[str]]:
        table = [[name, *(print_cell(name, size) for size in sizes)] for name in names]
        return [row for row in table if any(row[1:])]

    def time(name: str, size: int) -> str:
        return in_seconds(figures[name, size].seconds) if (name, size) in figures else ""

    def ratio(name: str, size: int) -> str:
        if (name, size) not in figures or name == SIDECERT_COLD:
            return ""
        return in_three_digits(figures[name, size].seconds / figures[SIDECERT_COLD, size].seconds)

    def memory(name: str, size: int) -> str:
        figure = figures.get((name, size))
        return f"{figure.memory / (1 << 20):,.0f} MiB" if figure and figure.memory else ""

    kept = [[promise.claim, measured(promise), promise.bound, promise.verdict] for promise in promises]
    return [
        Table("What is promised", ["", "measured", "promised", "kept?"], kept, words=True),
        Table("Time", columns, rows(time)),
        Table("Time, as a multiple of sidecert's", columns, rows(ratio)),
        Table("Peak memory", columns, rows(memory)),
        Table("Measured with", ["what", "which"], facts, words=True),
    ]


def measured(promise: Promise) -> str:
    """Print what was measured for a promise."""
    return f"{in_three_digits(promise.measured)} {promise.unit}".rstrip()


def in_seconds(value: float) -> str:
    """Print a duration, given in seconds."""
    return f"{in_three_digits(value)} s"


def in_three_digits(value: float) -> str:
    """Print a number with three digits, of which at most three come after the point."""
    digits = next(digits for bound, digits in ((0.9995, 3), (9.995, 2), (99.95, 1), (float("inf"), 0)) if value < bound)
    return f"{value:,.{digits}f}"


def into_document(text: str, found: Iterable[Table]) -> str:
    """Put tables into a document, in place of what an earlier run put there.

    Raises:
        ValueError: it has no such place.
    """
    pattern = re.compile(f"(?<={re.escape(BEGIN)}\n).*?(?={re.escape(END)})", re.DOTALL)
    measured_part = "".join(f"\n{table.as_markdown()}\n" for table in found)
    changed, count = pattern.subn(lambda _: f"{measured_part}\n", text)
    if count != 1:
        raise ValueError(f"the document has {count} places between {BEGIN!r} and {END!r}, not one")
    return changed


def write_report(folder: Path, found: Iterable[Table], plot: str) -> None:
    """Write tables and plot into ``performance.md`` and ``performance.svg`` of a folder, which holds the former."""
    document = folder / "performance.md"
    document.write_text(into_document(document.read_text(encoding="utf-8"), found), encoding="utf-8")
    (folder / "performance.svg").write_text(plot, encoding="utf-8")
