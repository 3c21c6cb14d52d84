"""A difference as data for programs."""

from __future__ import annotations

from typing import Any

from generator.diff import Difference
from generator.diff.grouping import Told, Variation
from generator.diff.path import as_data, spelled

VERSION = 1
_ONE_SIDED = {"added": ("new",), "removed": ("old",)}


def data(difference: Difference) -> dict[str, Any]:
    """Give what `sidecert diff -o json` prints; its help describes it."""
    return {
        "version": VERSION,
        "before": difference.before,
        "environments": {
            "added": list(difference.added),
            "removed": list(difference.removed),
            "changed": list(difference.changed),
            "unchanged": len(difference.compared) - len(difference.changed),
        },
        "groups": [
            {
                "environments": list(group.environments),
                "changes": [_change(told, difference.names) for told in group.changes],
            }
            for group in difference.groups
        ],
    }


def _change(told: Told, names: tuple[str, ...]) -> dict[str, Any]:
    place = told.place
    api_version, kind, namespace, name = place.resource
    about = {
        "resource": {"apiVersion": api_version, "kind": kind, "namespace": namespace, "name": name},
        "change": f"item-{place.kind}" if place.item else place.kind,
        "path": as_data(place.path),
        "pathText": spelled(place.path),
    }
    if len(told.variations) == 1:
        return {**about, **_values(told, told.variations[0])}
    return {
        **about,
        "byEnvironment": [
            {"environments": [names[index] for index in one.environments], **_values(told, one)}
            for one in told.variations
        ],
    }


def _values(told: Told, one: Variation) -> dict[str, Any]:
    values = {"old": one.old, "new": one.new}
    return {side: values[side] for side in _ONE_SIDED.get(told.place.kind, ("old", "new"))}
