"""What commands print: progress, differences, data, and what went wrong."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from generator import __version__
from generator.errors import GeneratorError, TransferredError

if TYPE_CHECKING:
    from generator.stages import Stages
    from generator.tree import OutputFolder
    from generator.update import Report

SHOWN_PROBLEMS = 50
UNUSABLE = 2
BROKEN_PIPE = 141


class Progress:
    """A progress bar on a terminal, with rate and time left, once the work has taken longer than a second."""

    def __init__(self, total: int, *, wanted: bool) -> None:
        from time import monotonic

        self._clock = monotonic
        self._started = monotonic()
        self._wanted = wanted and sys.stderr.isatty()
        self._total = total
        self._done = self._drawn = 0
        self._next = 1.0
        self._bar: Any = None

    def __enter__(self) -> Callable[..., None]:
        return self._step

    def __exit__(self, *_failure: object) -> None:
        if self._bar is not None:
            self._bar.render_finish()

    def _step(self, count: int = 1) -> None:
        self._done += count
        if not self._wanted or not count:
            return
        seconds = self._clock() - self._started
        if seconds <= self._next and (self._bar is None or self._done < self._total):
            return
        if self._bar is None:
            self._bar = click.progressbar(length=self._total, file=sys.stderr, show_pos=True, show_eta=False)
        rate = self._done / seconds
        self._bar.label = f"rendering, {rate:.0f}/s, {(self._total - self._done) / rate:.0f} s left"
        self._bar.update(self._done - self._drawn)
        self._drawn, self._next = self._done, seconds + _REDRAW_SECONDS


#: How often a progress bar is drawn: a terminal far away is slower than we are.
_REDRAW_SECONDS = 0.1


def print_differences(folder: OutputFolder, environments: int, *, quiet: bool) -> None:
    """Print how the output folder differs from what was rendered; exit 1 where it does."""
    shown, counts = folder.shown, folder.counts
    if not counts.any:
        if not quiet:
            say(f"{shown}/ is up to date: {count(environments, 'environment')}, {count(counts.unchanged, 'file')}")
        return
    colours = takes_colours()
    for line in folder.diff():
        sys.stdout.write(coloured(line) if colours else line)
    sys.stdout.flush()
    if not quiet:
        stale = counts.written + counts.removed + counts.bookkeeping
        edited = counts.edited + counts.foreign
        say(f"{shown}/ is not what would be rendered: {count(stale, 'file')} stale, {edited} edited by hand")
    raise click.exceptions.Exit(1)


def print_written(report: Report, folder: OutputFolder, *, stale_others: bool) -> None:
    """Tell in one line what a render did to the output folder."""
    counts = folder.counts
    written = counts.written + counts.edited + counts.foreign
    rendered = f"rendered {count(report.rendered, 'environment')}"
    unchanged = f", {report.unchanged} unchanged" if report.unchanged else ""
    files = f"{count(written, 'file')} written, {counts.removed} removed, {counts.unchanged} unchanged"
    hint = "; the base changed: `sidecert render` brings the other environments up to date" if stale_others else ""
    say(f"{rendered}{unchanged}: {files}, in {folder.shown}/{hint}")


def print_stages(stages: Stages, seconds: float) -> None:
    """Print how long each stage of a render took, in all processes together, and what was counted in it."""
    from generator.stages import STAGES

    total = sum(stages.seconds.values())
    say(f"{'stage':<8}{'seconds':>9}{'share':>7}  done")
    for stage in STAGES:
        spent = stages.seconds[stage]
        done = ", ".join(f"{number} {name}" for name, number in stages.done(stage))
        say(f"{stage:<8}{spent:>9.3f}{spent / total if total else 0:>7.0%}  {done}".rstrip())
    say(f"{'total':<8}{total:>9.3f}         in {seconds:.3f} seconds")


def takes_colours() -> bool:
    """Say whether standard output is a terminal that is to have colours."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def coloured(line: str) -> str:
    """Give a line of a unified diff its colour."""
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
    notes = "".join(f" ({note})" for note in getattr(error, "__notes__", ()))
    kind = error.kind if isinstance(error, TransferredError) else type(error).__name__
    say(f"sidecert {__version__} has a bug, and stopped: {kind}: {error}{notes}")
    say("    hint: run it again with SIDECERT_DEBUG=1, and report what it prints together with the overlay")


def count(number: int, noun: str) -> str:
    """``1 file``, ``2 files``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def say(text: str) -> None:
    """Tell the user something that is no result."""
    sys.stderr.write(f"{text}\n")
