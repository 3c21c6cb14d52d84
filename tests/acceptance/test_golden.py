"""The committed output is what the committed input gives: every change of a template shows in review."""

from __future__ import annotations

from generator.cli import run
from tests.rendering import ROOT


def test_the_committed_output_is_what_would_be_rendered(capsys):
    code = run(["render", "--check", "-C", str(ROOT)])
    assert (code, capsys.readouterr().out) == (0, ""), "run `make render` and read the difference"
