"""What many tests need: projects written as file trees, and the state of a folder as a value."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

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
