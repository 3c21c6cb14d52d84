"""Names by which resources refer to each other, which kustomize rewrites where a patch renames what they name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from generator.resource import Resource

#: Below these, ``name`` is the thing's own name. Wherever else it stands, it is taken for a reference.
_NAMED = frozenset(
    {"containers", "env", "httpHeaders", "initContainers", "metadata", "ports", "volumeMounts", "volumes"}
)


def referred_names(resources: Iterable[Resource]) -> set[str]:
    """Give every string that may refer to a resource by its name.

    Rather more than kustomize's own table holds
    (https://github.com/kubernetes-sigs/kustomize/blob/master/api/internal/konfig/builtinpluginconsts/namereference.go):
    ``configMap.name``, ``serviceAccountName``, ``resourceNames`` and whatever is named like these.
    """
    found: set[str] = set()
    for resource in resources:
        _collect(resource.tree, "", found)
    return found


def _collect(node: Any, parent: str, found: set[str]) -> None:
    if type(node) is list:
        for item in node:
            if type(item) in (dict, list):
                _collect(item, parent, found)
            elif parent == "resourceNames":
                found.add(str(item))
    elif type(node) is dict:
        for key, value in node.items():
            if type(value) in (dict, list):
                _collect(value, key, found)
            elif type(value) is str and (key.endswith("Name") or (key == "name" and parent not in _NAMED)):
                found.add(value)
