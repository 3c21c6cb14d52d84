"""Directories in containers: what lies in which, and what is mounted there."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import Any


def covering_mount(container: Mapping[str, Any], directory: str) -> Mapping[str, Any] | None:
    """Give the mount of a container in which a directory lies: the deepest one; None where there is none."""
    best: Mapping[str, Any] | None = None
    for mount in container.get("volumeMounts") or ():
        place = mount.get("mountPath") if isinstance(mount, Mapping) else None
        if not isinstance(place, str) or not is_inside(directory, place):
            continue
        if best is None or len(posixpath.normpath(place)) > len(posixpath.normpath(str(best["mountPath"]))):
            best = mount
    return best


def is_inside(path: str, directory: str) -> bool:
    """Say whether a path is a directory, or something in it."""
    path, directory = posixpath.normpath(path), posixpath.normpath(directory)
    return path == directory or path.startswith(directory.rstrip("/") + "/")


def same_directory(one: str, other: str) -> bool:
    """Say whether two paths name one directory, whatever slashes they end in."""
    return posixpath.normpath(one) == posixpath.normpath(other)


def relative(path: str, directory: str) -> str:
    """Give the path within a directory, "" for the directory itself."""
    found = posixpath.relpath(posixpath.normpath(path), posixpath.normpath(directory))
    return "" if found == "." else found
