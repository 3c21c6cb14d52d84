"""Kubernetes' strategic merge, as far as a pod and Istio's templates need it.

Lists of a pod are merged by the keys of its API (``patchMergeKey`` in k8s.io/api/core/v1). What a list has got already
keeps its place, what is new comes before what the patch doesn't name; a list that wasn't there is taken as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from generator.injection.mesh import Tree

_KEYS = {
    "containers": "name",
    "initContainers": "name",
    "volumes": "name",
    "imagePullSecrets": "name",
    "env": "name",
    "ports": "containerPort",
    "volumeMounts": "mountPath",
}


def merged(base: Mapping[str, Any], patch: Mapping[str, Any]) -> Tree:
    """Lay a patch over a tree; None removes. Neither is changed, and the result may share parts with both."""
    result = dict(base)
    for name, value in patch.items():
        old = result.get(name)
        if value is None:
            result.pop(name, None)
        elif isinstance(old, dict) and isinstance(value, dict):
            result[name] = merged(old, value)
        elif name in _KEYS and isinstance(value, list) and isinstance(old, list) and old:
            result[name] = _merged_list(_KEYS[name], old, value)
        else:
            result[name] = _without_nulls(value)
    return result


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(item) for name, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


def _identity(key: str, item: object) -> object:
    """Give what tells an item from others; an item without the key is like no other."""
    found = item.get(key) if isinstance(item, dict) else None
    return found if isinstance(found, (str, int)) else ("without", id(item))


def _merged_list(key: str, old: Sequence[Any], new: Sequence[Any]) -> list[Any]:
    result = list(old)
    for item in new:
        identity = _identity(key, item)
        place = next((index for index, other in enumerate(result) if _identity(key, other) == identity), None)
        if place is None:
            result.append(_without_nulls(item))
        elif isinstance(item, dict):
            result[place] = merged(result[place], item)
    before = {_identity(key, item): place for place, item in reversed(list(enumerate(old)))}
    wanted = {_identity(key, item): place for place, item in reversed(list(enumerate(new)))}
    return _ordered(key, result, before, wanted)


def _ordered(key: str, items: list[Any], before: dict[object, int], wanted: dict[object, int]) -> list[Any]:
    """Put what the patch names into its order, and let what was before one of these in the old list stay before it."""
    named = sorted(
        (item for item in items if _identity(key, item) in wanted), key=lambda item: wanted[_identity(key, item)]
    )
    others = [item for item in items if _identity(key, item) not in wanted]
    last = len(items)
    result: list[Any] = []
    for item in named:
        place = before.get(_identity(key, item), -1)
        while others and before.get(_identity(key, others[0]), last) < place:
            result.append(others.pop(0))
        result.append(item)
    return result + others
