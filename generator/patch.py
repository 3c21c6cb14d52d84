"""The smallest patch that turns one resource into another, as a strategic merge or as JSON 6902.

Kustomize merges strategically with the merge keys of Kubernetes' own kinds. A list merged so holds the patch's elements
first, in the patch's order, and after them what is left of the base (tried with kustomize 5.5 and 5.8); `merge_patch`
names as many elements as it takes to get the wanted order. It gives up where a strategic merge can't say it exactly
(empty maps and lists, which kustomize may drop), and for custom resources, where a list would be replaced
whole. `json_patch` can always say it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Tree = dict[str, Any]
Path = tuple[str, ...]

_POD_KINDS = frozenset({"DaemonSet", "Deployment", "StatefulSet"})
_MERGED_KINDS = _POD_KINDS | {
    "ClusterRole",
    "ClusterRoleBinding",
    "ConfigMap",
    "NetworkPolicy",
    "PodDisruptionBudget",
    "Service",
    "ServiceAccount",
}
_GROUPS = frozenset({"", "apps", "networking.k8s.io", "policy", "rbac.authorization.k8s.io"})

_POD = ("spec", "template", "spec")
_CONTAINERS = ("containers", "initContainers")
_POD_LISTS: dict[Path, tuple[str, ...]] = {
    ("containers",): ("name",),
    ("initContainers",): ("name",),
    ("volumes",): ("name",),
    ("imagePullSecrets",): ("name",),
    ("ephemeralContainers",): ("name",),
    ("hostAliases",): ("ip",),
    ("resourceClaims",): ("name",),
    ("schedulingGates",): ("name",),
    ("topologySpreadConstraints",): ("topologyKey", "whenUnsatisfiable"),
    **{(kind, "env"): ("name",) for kind in _CONTAINERS},
    **{(kind, "ports"): ("containerPort", "protocol") for kind in _CONTAINERS},
    **{(kind, "volumeMounts"): ("mountPath",) for kind in _CONTAINERS},
    **{(kind, "volumeDevices"): ("devicePath",) for kind in _CONTAINERS},
    **{(kind, "resources", "claims"): ("name",) for kind in _CONTAINERS},
}
_KEY_ORDER = {key: rank for rank, key in enumerate(("apiVersion", "kind", "metadata", "name"))}


class _UnsayableError(Exception):
    """A strategic merge can't say this exactly."""


def merge_patch(group: str, kind: str, base: Tree, wanted: Tree) -> Tree | None:
    """Give the strategic merge patch from ``base`` to ``wanted``, without apiVersion, kind and name.

    None where kustomize doesn't know the kind's merge keys, or where a strategic merge can't say it exactly.
    """
    if kind not in _MERGED_KINDS or group not in _GROUPS:
        return None
    try:
        patch = _map_patch(kind, (), base, wanted)
        return patch if merged(kind, base, patch) == wanted else None
    except _UnsayableError:
        return None


def merged(kind: str, base: Tree, patch: Tree) -> Tree:
    """Apply a strategic merge patch as kustomize does, as far as `merge_patch` makes use of it."""
    return _merged_map(kind, (), base, patch)


def json_patch(base: Any, wanted: Any, pointer: str = "") -> list[Tree]:
    """Give the JSON 6902 operations (RFC 6902) from ``base`` to ``wanted``, in the order in which to apply them."""
    if type(base) is dict and type(wanted) is dict:
        operations: list[Tree] = []
        for key in sorted(base.keys() | wanted.keys()):
            inner = f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}"
            if key not in wanted:
                operations.append({"op": "remove", "path": inner})
            elif key not in base:
                operations.append({"op": "add", "path": inner, "value": wanted[key]})
            else:
                operations += json_patch(base[key], wanted[key], inner)
        return operations
    if type(base) is list and type(wanted) is list and base and wanted:
        return _json_list_patch(base, wanted, pointer)
    return [] if same(base, wanted) else [{"op": "replace", "path": pointer, "value": wanted}]


def same(one: Any, other: Any) -> bool:
    """Tell whether two values are the same, with ``true`` and ``1`` apart."""
    if one is other:  # what transformers leave alone is shared with what they were given
        return True
    if type(one) is not type(other):
        return False
    if type(one) is dict:
        return one.keys() == other.keys() and all(map(same, one.values(), map(other.__getitem__, one)))
    if type(one) is list:
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def _json_list_patch(base: list[Any], wanted: list[Any], pointer: str) -> list[Tree]:
    """Change elements in their place, between what is the same at the start and at the end."""
    shorter = min(len(base), len(wanted))
    start = 0
    while start < shorter and same(base[start], wanted[start]):
        start += 1
    end = 0
    while end < shorter - start and same(base[-1 - end], wanted[-1 - end]):
        end += 1
    old, new = base[start : len(base) - end], wanted[start : len(wanted) - end]
    operations: list[Tree] = []
    for index, (before, after) in enumerate(zip(old, new, strict=False), start):
        operations += json_patch(before, after, f"{pointer}/{index}")
    for index in range(start + len(old) - 1, start + len(new) - 1, -1):
        operations.append({"op": "remove", "path": f"{pointer}/{index}"})
    for index, item in enumerate(new[len(old) :], start + len(old)):
        place = "-" if not end else str(index)
        operations.append({"op": "add", "path": f"{pointer}/{place}", "value": item})
    return operations


# ------------------------------------------------------------------------------------------------- strategic merge


def _merge_keys(kind: str, path: Path) -> tuple[str, ...]:
    """Give the keys that tell the elements of a list apart; () for a list that is replaced whole."""
    if kind in _POD_KINDS and path[:3] == _POD:
        return _POD_LISTS.get(path[3:], ())
    if kind == "Service" and path == ("spec", "ports"):
        return ("port", "protocol")
    return ()


def _map_patch(kind: str, path: Path, base: Tree, wanted: Tree) -> Tree:
    patch: Tree = {}
    for key in sorted(base.keys() | wanted.keys(), key=lambda key: (_KEY_ORDER.get(key, len(_KEY_ORDER)), key)):
        if key not in wanted:
            patch[key] = None
            continue
        new = wanted[key]
        if key not in base:
            patch[key] = _sayable(kind, (*path, key), new)
        elif type(base[key]) is dict and type(new) is dict and new and base[key]:
            inner = _map_patch(kind, (*path, key), base[key], new)
            if inner:
                patch[key] = inner
        elif not same(base[key], new):
            keys = _merge_keys(kind, (*path, key)) if type(base[key]) is list and type(new) is list else ()
            patch[key] = _changed(kind, (*path, key), keys, base[key], new)
    return patch


def _changed(kind: str, path: Path, keys: tuple[str, ...], base: Any, wanted: Any) -> Any:
    """Say how a value that isn't a map changes; a list that has keys is merged, or replaced where that can't be."""
    if type(wanted) is str and wanted.lstrip(" \n").startswith("\t"):
        # Kustomize keeps the style of the string that was there, and can't read its own block of this one.
        raise _UnsayableError
    if not keys:
        return _sayable(kind, path, wanted)
    try:
        patch = _list_patch(kind, path, keys, base, wanted)
        if same(_merged_list(kind, path, keys, base, patch), wanted):
            return patch
    except _UnsayableError:
        if path[-1] in _CONTAINERS:  # too much to repeat
            raise
    return [{"$patch": "replace"}, *_sayable(kind, path, wanted)]


def _sayable(kind: str, path: Path, value: Any) -> Any:
    """Let a whole value pass, unless kustomize would leave something of it out."""
    if value in ({}, []):
        raise _UnsayableError
    _check_whole(kind, path, value)
    return value


def _check_whole(kind: str, path: Path, value: Any) -> None:
    if value is None:
        raise _UnsayableError
    if type(value) is dict:
        for key, inner in value.items():
            _check_whole(kind, (*path, key), inner)
    elif type(value) is list:
        keys = _merge_keys(kind, path)
        names = [item.get(keys[0]) if type(item) is dict else None for item in value] if keys else []
        # Even of a whole list, kustomize drops what it takes for a second element of the same name.
        if not all(type(name) in (str, int) for name in names) or len(set(names)) < len(names):
            raise _UnsayableError
        for inner in value:
            _check_whole(kind, path, inner)


def _list_patch(kind: str, path: Path, keys: tuple[str, ...], base: list[Any], wanted: list[Any]) -> list[Any]:
    before, after = _by_identity(base, keys), _by_identity(wanted, keys)
    gone = [identity for identity in before if identity not in after]
    order = list(after)
    kept = [identity for identity in before if identity in after]
    # The tail that kustomize leaves as it is: same elements, same order, nothing changed.
    tail = 0
    while (
        tail < min(len(order), len(kept))
        and order[-1 - tail] == kept[-1 - tail]
        and same(before[order[-1 - tail]], after[order[-1 - tail]])
    ):
        tail += 1
    patch = []
    for identity in order[: len(order) - tail]:
        new = after[identity]
        if identity in before:
            patch.append({**_named(new, keys), **_map_patch(kind, path, before[identity], new)})
        else:
            patch.append({**_named(new, keys), **_sayable(kind, path, new)})
    patch += [{**_named(before[identity], keys), "$patch": "delete"} for identity in gone]
    if not wanted:
        raise _UnsayableError
    return patch


def _named(item: Tree, keys: tuple[str, ...]) -> Tree:
    return {key: item[key] for key in keys if key in item}


def _by_identity(items: Sequence[Any], keys: tuple[str, ...]) -> dict[Any, Tree]:
    found: dict[Any, Tree] = {}
    for item in items:
        # With a second key, kustomize gives the elements an order of its own.
        if type(item) is not dict or keys[0] not in item or any(key in item for key in keys[1:]):
            raise _UnsayableError
        identity = item[keys[0]]
        if type(identity) in (dict, list) or identity in found:
            raise _UnsayableError
        found[identity] = item
    return found


def _merged_map(kind: str, path: Path, base: Tree, patch: Tree) -> Tree:
    result = dict(base)
    for key, new in patch.items():
        old = base.get(key)
        if new is None:
            result.pop(key, None)
        elif type(old) is dict and type(new) is dict:
            result[key] = _merged_map(kind, (*path, key), old, new)
        elif type(old) is list and type(new) is list and (keys := _merge_keys(kind, (*path, key))):
            result[key] = _merged_list(kind, (*path, key), keys, old, new)
        else:
            result[key] = new
    return result


def _merged_list(kind: str, path: Path, keys: tuple[str, ...], base: list[Any], patch: list[Any]) -> list[Any]:
    if patch and patch[0] == {"$patch": "replace"}:
        return patch[1:]
    before, changes = _by_identity(base, keys), _by_identity(patch, keys)
    first = [
        _merged_map(kind, path, before.get(identity, {}), change)
        for identity, change in changes.items()
        if change.get("$patch") != "delete"
    ]
    return first + [item for identity, item in before.items() if identity not in changes]
