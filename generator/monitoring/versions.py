"""Versions of programs, as images and fields name them."""

from __future__ import annotations

import re

Version = tuple[int, ...]

_VERSION = re.compile(r"v?(\d+)\.(\d+)(?:\.(\d+))?(?![\d.])", re.ASCII)


def parse_version(text: object) -> Version | None:
    """Read ``v2.26.0``, ``1.30``, ``3.14.0-distroless``; None for what names no version (``latest``, a digest)."""
    found = _VERSION.match(text) if isinstance(text, str) else None
    return tuple(int(part) for part in found.groups() if part is not None) if found else None


def image_version(image: object) -> Version | None:
    """Read the version that an image's tag names; None where there is no tag, or it is no version."""
    if not isinstance(image, str):
        return None
    name = image.partition("@")[0].rpartition("/")[2]
    return parse_version(name.partition(":")[2])


def image_name(image: object) -> str:
    """Give the last part of an image's repository: ``prometheus`` of ``quay.io/prometheus/prometheus:v3.1.0``."""
    return image.partition("@")[0].rpartition("/")[2].partition(":")[0] if isinstance(image, str) else ""


def spelled(version: Version) -> str:
    """Spell a version: ``1.30.3``."""
    return ".".join(map(str, version))
