"""The progress bar: on a terminal, for work of more than a second, and never in the way."""

from __future__ import annotations

import io
import sys
import time

import pytest

from generator.cli.report import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def drawn(monkeypatch: pytest.MonkeyPatch, stderr: io.StringIO, *, seconds_a_step: float, wanted: bool = True) -> str:
    """Do four steps of some work, and give what was drawn meanwhile."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(sys, "stderr", stderr)
    with Progress(4, wanted=wanted) as step:
        for _ in range(4):
            now[0] += seconds_a_step
            step()
    return stderr.getvalue()


def test_is_drawn_on_a_terminal_once_the_work_takes_more_than_a_second(monkeypatch):
    text = drawn(monkeypatch, Terminal(), seconds_a_step=0.4)
    assert "rendering" in text
    assert "rendering, 2/s, 0 s left" in text
    assert "3/4" in text
    assert "4/4" in text
    assert "2/4" not in text  # the first second is left alone


@pytest.mark.parametrize(
    ("stderr", "seconds", "wanted"),
    [(Terminal(), 0.2, True), (io.StringIO(), 5, True), (Terminal(), 5, False)],
    ids=["quick work", "no terminal", "quiet"],
)
def test_is_not_drawn_otherwise(monkeypatch, stderr, seconds, wanted):
    assert drawn(monkeypatch, stderr, seconds_a_step=seconds, wanted=wanted) == ""
