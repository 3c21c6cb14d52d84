"""The plain command lines that are read without click."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from generator.cli.commands import cli, render
from generator.cli.rendering import Folders, Request, plain_render

WORDS = [
    *("dev", "prod/*", "render", "manifests", "kustomize,manifests", " kustomize", "nonsense", "", "a,b", "."),
    *("-C", "--overlays", "--templates", "--output", "--only", "--force", "--quiet", "-q", "--check", "--stdout"),
    *("-h", "--help", "--", "-", "-qC", "-C.", "--output=out", "--quie", "--only=manifests", "-x"),
]


def read_by_click(arguments: list[str]) -> Request | None:
    """What click makes of a command line; None where it has something to say, or does something else."""
    try:
        with cli.make_context("sidecert", list(arguments)) as outer:
            name, command, rest = cli.resolve_command(outer, [*outer._protected_args, *outer.args])
            assert name is not None
            assert command is not None
            with command.make_context(name, rest, parent=outer) as context:
                params = dict(context.params)
    except (click.ClickException, click.exceptions.Exit):
        return None
    if command is not render or params.pop("check") or params.pop("stdout"):
        return None
    return Request(
        params.pop("environments"), params.pop("forms"), params.pop("force"), params.pop("quiet"), Folders(**params)
    )


@given(st.lists(st.sampled_from(WORDS), max_size=7))
def test_what_is_read_without_click_is_what_click_reads(words):
    found = plain_render(["render", *words])
    assert found is None or found == read_by_click(["render", *words])


EVERYTHING = "render -C there --only manifests --force --overlays o --templates t --output out"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("render", Request()),
        ("render dev -q prod/*", Request(("dev", "prod/*"), quiet=True)),
        (EVERYTHING, Request(forms=("manifests",), force=True, folders=Folders("there", "o", "t", "out"))),
    ],
)
def test_plain_words_are_read(line, expected):
    assert plain_render(line.split()) == expected == read_by_click(line.split())


@pytest.mark.parametrize(
    "line",
    ["", "list", "--version", "render -h", "render --check", "render --only x", "render -C", "render --output=o"],
)
def test_everything_else_is_left_to_click(line):
    assert plain_render(line.split()) is None


def test_rendering_to_files_needs_no_click(tiny):
    code = "import sys; from generator.cli import run; run(['render']); print('click' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tiny, env={"PYTHONPATH": ":".join(sys.path)}, capture_output=True, text=True
    )
    assert done.stdout == "False\n"
