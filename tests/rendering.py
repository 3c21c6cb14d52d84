"""Renders value trees in memory, with this project's own templates and schema."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from generator.build import Builder
from generator.errors import InputError, Problem
from generator.resource import Resource
from generator.values import Layer, merge_layers
from generator.workspace import Workspace, open_workspace

ROOT = Path(__file__).resolve().parent.parent

Tree = Mapping[str, Any]


@cache
def project() -> Workspace:
    """This project: its sample environments, its templates, its schema."""
    return open_workspace(str(ROOT))


@cache
def _builder() -> Builder:
    return Builder(project(), ())


def schema() -> dict[str, Any]:
    """Give the schema of values, as JSON."""
    parsed: dict[str, Any] = json.loads((ROOT / "templates/values.schema.json").read_text())
    return parsed


def problems(overlay: Tree) -> tuple[Problem, ...]:
    """What is wrong with an overlay over the schema's defaults: the schema's complaints, else those of the rules."""
    builder = _builder()
    try:
        tree = _checked(overlay)
    except InputError as error:
        return error.problems
    return tuple(Problem(message, None, path) for path, message in builder._violations(tree))


def render(overlay: Tree) -> list[Resource]:
    """Give what a valid overlay over the schema's defaults renders to; its rules are taken as kept."""
    return _builder()._rendered(_checked(overlay))


def sample_names() -> tuple[str, ...]:
    """Give the names of the sample environments."""
    return project().environment_names()


def render_sample(name: str) -> list[Resource]:
    """Give a sample environment's resources."""
    return _builder().resources(project().environment(name).layers)[1]


def sample_values(name: str) -> Tree:
    """Give a sample environment's values, defaults included."""
    return _builder().resources(project().environment(name).layers)[0]


def _checked(overlay: Tree) -> Tree:
    builder = _builder()
    return builder._checked(merge_layers(builder._schema.defaults(), [Layer("test", as_yaml(overlay), dict(overlay))]))


def as_yaml(tree: Tree) -> str:
    """Write a tree as YAML: JSON, with what JSON writes as two surrogates written as one character."""
    text = json.dumps(tree, indent=1)
    return re.sub(r"\\u(d[89ab]..)\\u(d[c-f]..)", lambda pair: _joined(int(pair[1], 16), int(pair[2], 16)), text)


def _joined(high: int, low: int) -> str:
    return f"\\U{0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00):08x}"
