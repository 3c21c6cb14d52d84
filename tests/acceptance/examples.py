"""The environments that the real programs look at: the samples, and random ones drawn from the schema."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings

from generator.fleet import Workers
from generator.tree import OutputFolder
from generator.update import Task, update
from generator.workspace import open_workspace
from tests.rendering import as_yaml
from tests.samples import FORMS
from tests.settings import EXAMPLES
from tests.strategies import value_trees

VARIANTS = tuple(FORMS)


@cache
def random_trees(variant: str, count: int = EXAMPLES, hostile: bool = False) -> tuple[dict[str, Any], ...]:
    """Give random valid overlays of a variant, the same ones in every run.

    Hypothesis begins with the simplest and then varies what it had, so they are taken from many short runs.
    """
    found: list[dict[str, Any]] = []
    for number in range(-(-count // _TAKEN)):
        drawn: list[dict[str, Any]] = []
        _short_run(variant, number, hostile, drawn.append)
        found += drawn[-_TAKEN:]
    return tuple(found[:count])


def shrink(variant: str, index: int, hostile: bool, check: Callable[[dict[str, Any]], object]) -> None:
    """Repeat the run that gave a random tree with the check that it failed; Hypothesis tells the simplest failure."""
    _short_run(variant, index // _TAKEN, hostile, check, [Phase.generate, Phase.shrink])


_DRAWN, _TAKEN = 12, 6


def _short_run(
    variant: str,
    number: int,
    hostile: bool,
    check: Callable[[dict[str, Any]], object],
    phases: Sequence[Phase] = (Phase.generate,),
) -> None:
    @seed(number)
    @settings(
        max_examples=_DRAWN,
        phases=phases,
        database=None,
        deadline=None,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    @given(value_trees(variant, hostile))
    def run(tree: dict[str, Any]) -> None:
        check(tree)

    run()


def write_output(project: Path, forms: tuple[str, ...] = ("manifests", "kustomize")) -> Path:
    """Render all environments of a project into a folder ``output`` of it."""
    workspace, output = open_workspace(str(project)), project / "output"
    task = Task(workspace.environment_names(), forms, complete=True)
    update(workspace, task, OutputFolder(str(output), "output"), Workers(1))
    return output


def write_project(folder: Path, variant: str, shared: dict[str, Any]) -> list[str]:
    """Write random environments of a variant, over defaults that they share, as a project; give their names."""
    overlays = folder / "overlays"
    overlays.mkdir(parents=True)
    (overlays / "_defaults.yaml").write_text(as_yaml(shared))
    names = []
    for number, tree in enumerate(random_trees(variant)):
        names.append(f"random-{number}")
        (overlays / f"{names[-1]}.yaml").write_text(as_yaml(tree))
    return names
