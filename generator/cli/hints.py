"""Hints of what commands have in common, in the words of the one that was called."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from generator.errors import Problem

# What reads manifests offers to pipe what is rendered into this.
_OTHER = "sidecert doctor -"


def worded_for(command: str, problems: Iterable[Problem]) -> list[Problem]:
    """Give problems whose hints pipe what is rendered into a command instead of into ``doctor``."""
    return [one._replace(hint=one.hint.replace(_OTHER, f"sidecert {command} -")) for one in problems]


@contextmanager
def hints_for(command: str) -> Iterator[None]:
    """Word the hints of what is wrong within for a command.

    Raises:
        InputError: what was wrong.
    """
    from generator.errors import InputError

    try:
        yield
    except InputError as error:
        raise InputError(worded_for(command, error.problems)) from error
