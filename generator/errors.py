"""What can go wrong, as values and as one tree of exceptions.

    GeneratorError          anything this package raises on purpose
    ├── InputError          the user's input can't be used: carries every Problem found (exit code 2)
    ├── OutputError         the output folder can't be read or written, or holds hand edits (exit code 2)
    └── CrashError          a process that rendered something died (exit code 3)

An exception that is not a GeneratorError is a bug of ours (exit code 3).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

ValuePath = tuple[str | int, ...]


class Location(NamedTuple):
    """A place in a file the user can open: its name as the user knows it, line and column counted from 1."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        parts = [self.file, *(str(number) for number in (self.line, self.column) if number)]
        return ":".join(parts)


class Problem(NamedTuple):
    """One thing that is wrong, in the words shown to the user.

    ``message`` is one sentence without a full stop. ``path`` is the dotted path of the value concerned.
    ``found`` and ``expected`` are shown on lines of their own, ``hint`` names the nearest right spelling or the remedy.
    """

    message: str
    location: Location | None = None
    path: str = ""
    found: str = ""
    expected: str = ""
    hint: str = ""

    def __str__(self) -> str:
        place = f"{self.location}: " if self.location else ""
        subject = f"{self.path}: " if self.path else ""
        lines = [f"{place}{subject}{self.message}"]
        for label, text in (("found", self.found), ("expected", self.expected), ("hint", self.hint)):
            if text:
                lines.append(f"    {label}: {text}")
        return "\n".join(lines)


class GeneratorError(Exception):
    """Root of what this package raises on purpose."""

    def __init__(self, problems: Problem | Iterable[Problem]) -> None:
        """Take the problems to show, in the order in which to show them."""
        self.problems: tuple[Problem, ...] = (problems,) if isinstance(problems, Problem) else tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))

    def __reduce__(self) -> tuple[type[GeneratorError], tuple[tuple[Problem, ...]]]:
        """Keep the problems when another process raised this."""
        return type(self), (self.problems,)


class InputError(GeneratorError):
    """Templates, overlays or arguments that can't be used."""


class OutputError(GeneratorError):
    """The output folder can't be read or written, or holds edits that would be lost."""


class CrashError(GeneratorError):
    """A process that rendered something died."""


class TransferredError(Exception):
    """A bug's exception that can't be pickled, as another process tells it: its kind and its message."""

    def __init__(self, kind: str, message: str) -> None:
        """Take the name of the exception's class, and what it says."""
        super().__init__(kind, message)
        self.kind = kind
        self.message = message

    def __str__(self) -> str:
        """Say what the exception said."""
        return self.message


def dotted(path: ValuePath) -> str:
    """Spell a value path the way users write it: ``("scrape", "jobs", 0)`` becomes ``scrape.jobs[0]``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text
