"""What commands print: progress, differences, data, and what went wrong."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from generator import __version__
from generator.errors import GeneratorError

if TYPE_CHECKING:
    from generator.tree import Changes, OutputTree

SHOWN_PROBLEMS = 50
UNUSABLE = 2
BROKEN_PIPE = 141


class Progress:
    """A progress bar on a terminal, once the work has taken longer than a second."""

    def __init__(self, total: int, *, wanted: bool) -> None:
        from time import monotonic

        self._clock = monotonic
        self._shown_from = monotonic() + 1 if wanted and sys.stderr.isatty() else float("inf")
        self._total = total
        self._done = 0
        self._bar: Any = None

    def __enter__(self) -> Callable[[], None]:
        return self._step

    def __exit__(self, *_failure: object) -> None:
        if self._bar is not None:
            self._bar.render_finish()

    def _step(self) -> None:
        self._done += 1
        if self._bar is not None:
            self._bar.update(1)
        elif self._clock() > self._shown_from:
            self._bar = click.progressbar(length=self._total, label="rendering", file=sys.stderr)
            self._bar.update(self._done)


def print_differences(
    tree: OutputTree, changes: Changes, where: tuple[str, str], names: tuple[str, ...], *, quiet: bool
) -> None:
    """Print how the output folder differs from what was rendered; exit 1 where it does."""
    shown = where[1]
    if not changes.any:
        if not quiet:
            say(f"{shown}/ is up to date: {count(len(names), 'environment')}, {count(len(changes.unchanged), 'file')}")
        return
    coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    for line in tree.diff(*where, changes):
        sys.stdout.write(_coloured(line) if coloured else line)
    sys.stdout.flush()
    if not quiet:
        stale = len(changes.written) + len(changes.removed) + len(changes.bookkeeping)
        edited = len(changes.edited) + len(changes.foreign)
        say(f"{shown}/ is not what would be rendered: {count(stale, 'file')} stale, {edited} edited by hand")
    raise click.exceptions.Exit(1)


def print_written(changes: Changes, names: tuple[str, ...], shown: str, hint: str) -> None:
    """Tell in one line what a render did to the output folder."""
    written = len(changes.written) + len(changes.edited) + len(changes.foreign)
    counts = f"{count(written, 'file')} written, {len(changes.removed)} removed, {len(changes.unchanged)} unchanged"
    say(f"rendered {count(len(names), 'environment')}: {counts}, in {shown}/{hint}")


def _coloured(line: str) -> str:
    colours = {"+": "green", "-": "red", "@": "cyan"}
    bold = line.startswith(("--- ", "+++ "))
    return click.style(line, bold=True) if bold else click.style(line, fg=colours.get(line[0]))


def print_data(data: object, form: str) -> None:
    """Print data for programs, as ``yaml`` or ``json``."""
    if form == "json":
        import json

        sys.stdout.write(json.dumps(data, indent=2, ensure_ascii=False) + "\n")
    else:
        from generator import yaml

        sys.stdout.write(yaml.block(data) + "\n")


def print_problems(error: GeneratorError) -> None:
    """Tell everything that went wrong, up to a number that a person can take in."""
    for problem in error.problems[:SHOWN_PROBLEMS]:
        say(f"error: {problem}")
    if len(error.problems) > SHOWN_PROBLEMS:
        say(f"and {len(error.problems) - SHOWN_PROBLEMS} more")


def print_bug(error: Exception) -> None:
    """Tell of a bug of ours, and how to report it."""
    if os.environ.get("SIDECERT_DEBUG"):
        import traceback

        traceback.print_exception(error)
    say(f"sidecert {__version__} has a bug, and stopped: {type(error).__name__}: {error}")
    say("    hint: run it again with SIDECERT_DEBUG=1, and report what it prints together with the overlay")


def count(number: int, noun: str) -> str:
    """``1 file``, ``2 files``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def say(text: str) -> None:
    """Tell the user something that is no result."""
    sys.stderr.write(f"{text}\n")
