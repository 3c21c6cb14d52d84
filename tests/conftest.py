"""What many tests need: projects written as file trees, and the state of a folder as a value."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import settings

# A machine that has other work to do is no fault of the code: time is measured elsewhere.
settings.register_profile("sidecert", deadline=None)
settings.load_profile("sidecert")

WriteTree = Callable[[Mapping[str, "str | bytes | None"]], Path]


def write_tree(root: Path, files: Mapping[str, str | bytes | None]) -> Path:
    """Write files below a folder; text is dedented, None makes an empty folder."""
    for name, content in files.items():
        path = root / name
        if content is None:
            path.mkdir(parents=True, exist_ok=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else textwrap.dedent(content).lstrip("\n").encode())
    return root


def snapshot(folder: Path) -> dict[str, tuple[bytes | str, int]]:
    """Every file below a folder, with its bytes and time of change, and every empty folder."""
    state: dict[str, tuple[bytes | str, int]] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            state[name] = (f"-> {path.readlink()}", 0)
        elif path.is_file():
            state[name] = (path.read_bytes(), path.stat().st_mtime_ns)
        elif not any(path.iterdir()):
            state[name] = ("empty folder", 0)
    return state


@pytest.fixture
def project(tmp_path: Path) -> WriteTree:
    """Write a project's files and give its folder."""
    return lambda files: write_tree(tmp_path / "project", files)


#: A project with a variant, a schema and rules of its own, so small that a test sees all of it.
TINY: dict[str, str] = {
    "templates/values.schema.json": """
        {
          "$schema": "http://json-schema.org/draft-07/schema#",
          "type": "object",
          "additionalProperties": false,
          "required": ["variant", "name", "namespace", "replicas", "labels"],
          "properties": {
            "variant": {"type": "string", "enum": ["tiny"], "default": "tiny"},
            "name": {"type": "string", "default": "prometheus"},
            "namespace": {"type": "string", "default": "monitoring"},
            "replicas": {"type": "integer", "default": 1, "minimum": 1, "maximum": 9},
            "labels": {"type": "object", "additionalProperties": {"type": "string"}, "default": {}}
          }
        }
        """,
    "templates/_lib/rules.j2": """
        {% if values.name == "istiod" %}
        {{ fail("name", "this is the name of the control plane") }}
        {% endif %}
        """,
    "templates/tiny/config.yaml.j2": """
        apiVersion: v1
        kind: ConfigMap
        metadata:
          name: {{ values.name }}
          namespace: {{ values.namespace }}
        data:
          replicas: {{ format("%d", values.replicas) }}
        """,
    "templates/tiny/service.yaml.j2": """
        apiVersion: v1
        kind: Service
        metadata:
          name: {{ values.name }}
          namespace: {{ values.namespace }}
        spec:
          clusterIP: None
        """,
    "overlays/_defaults.yaml": "namespace: team\n",
    "overlays/dev.yaml": "replicas: 1\n",
    "overlays/prod/eu-1.yaml": "replicas: 3\n",
}


@pytest.fixture
def tiny(project: WriteTree) -> Path:
    """The tiny project's folder."""
    return project(TINY)
