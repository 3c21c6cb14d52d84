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


def drawn(
    monkeypatch: pytest.MonkeyPatch, stderr: io.StringIO, *, seconds_a_step: float, wanted: bool = True, steps: int = 4
) -> str:
    """Do some steps of some work, and give what was drawn meanwhile."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(sys, "stderr", stderr)
    with Progress(steps, wanted=wanted) as step:
        for _ in range(steps):
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


def test_is_drawn_ten_times_a_second_at_most_and_in_the_end(monkeypatch):
    text = drawn(monkeypatch, Terminal(), seconds_a_step=0.001, steps=3001)

    assert 15 <= text.count("rendering") <= 25  # two seconds
    assert "rendering, 1000/s, 0 s left" in text
    assert "3001/3001" in text


def test_ends_well_where_the_work_fails(monkeypatch):
    now = [100.0]
    terminal = Terminal()
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(sys, "stderr", terminal)

    def fail_after_two_steps() -> None:
        with Progress(10, wanted=True) as step:
            for _ in range(2):
                now[0] += 5
                step()
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        fail_after_two_steps()
    assert terminal.getvalue().endswith("\n\x1b[?25h") or terminal.getvalue().endswith("\x1b[?25h\n")


@pytest.mark.parametrize(
    ("stderr", "seconds", "wanted"),
    [(Terminal(), 0.2, True), (io.StringIO(), 5, True), (Terminal(), 5, False)],
    ids=["quick work", "no terminal", "quiet"],
)
def test_is_not_drawn_otherwise(monkeypatch, stderr, seconds, wanted):
    assert drawn(monkeypatch, stderr, seconds_a_step=seconds, wanted=wanted) == ""
