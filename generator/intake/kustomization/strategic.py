"""Patches that users wrote, applied as kustomize 5.8 does (tried): strategic merges and JSON 6902.

`generator.patch` applies the strategic merges that sidecert writes, and refuses what those don't need. Here kustomize's
habits count, faults included: of the directives it knows `$patch` alone, and it does nothing where `replace` stands at
the top of a patch, or in an item of a list that is merged.
"""

from __future__ import annotations

from typing import Any

Tree = dict[str, Any]
Path = tuple[str, ...]


class PatchError(Exception):
    """A patch that kustomize would refuse too; the message says why."""


# Where a pod's template lies in the kinds that have one.
_TEMPLATES: dict[tuple[str, str], Path] = {
    ("v1", "Pod"): (),
    ("v1", "PodTemplate"): ("template",),
    ("v1", "ReplicationController"): ("spec", "template"),
    **{("apps/v1", kind): ("spec", "template") for kind in ("DaemonSet", "Deployment", "ReplicaSet", "StatefulSet")},
    ("batch/v1", "Job"): ("spec", "template"),
    ("batch/v1", "CronJob"): ("spec", "jobTemplate", "spec", "template"),
}
# Merge keys by https://github.com/kubernetes/api core/v1/types.go, of lists in a pod's spec.
_CONTAINER_LISTS: dict[Path, tuple[str, ...]] = {
    ("env",): ("name",),
    ("ports",): ("containerPort", "protocol"),
    ("volumeMounts",): ("mountPath",),
    ("volumeDevices",): ("devicePath",),
    ("resources", "claims"): ("name",),
}
_POD_LISTS: dict[Path, tuple[str, ...]] = {
    **{
        (kind, *path): keys
        for kind in ("containers", "initContainers", "ephemeralContainers")
        for path, keys in [((), ("name",)), *_CONTAINER_LISTS.items()]
    },
    ("volumes",): ("name",),
    ("imagePullSecrets",): ("name",),
    ("hostAliases",): ("ip",),
    ("resourceClaims",): ("name",),
    ("schedulingGates",): ("name",),
    ("topologySpreadConstraints",): ("topologyKey", "whenUnsatisfiable"),
}
_OTHER_LISTS: dict[tuple[str, str], dict[Path, tuple[str, ...]]] = {
    ("v1", "Service"): {("spec", "ports"): ("port", "protocol")},
    ("v1", "ServiceAccount"): {("secrets",): ("name",)},
    **{
        ("admissionregistration.k8s.io/v1", kind): {("webhooks",): ("name",)}
        for kind in ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")
    },
}
_DIRECTIVE = "$patch"


def template_path(kind: str) -> Path | None:
    """Where the pod's template lies in a kind of any version: ``("spec", "template")``, ``()`` in a Pod; or None."""
    return next((path for (_version, known), path in _TEMPLATES.items() if known == kind), None)


def strategic_merge(base: Tree, patch: Tree) -> Tree | None:
    """Give what a strategic merge patch makes of an object; None where it deletes the object.

    Lists of kinds that aren't Kubernetes' own are replaced whole, as kustomize does.
    """
    if patch.get("$patch") == "delete":
        return None
    known = (str(base.get("apiVersion", "")), str(base.get("kind", "")))
    if patch.get("$patch") == "replace":
        return base
    return _merged(known, (), base, patch)


def _keys(known: tuple[str, str], path: Path) -> tuple[str, ...]:
    """Give the keys by which a list is merged; () for one that is replaced."""
    if path == ("metadata", "ownerReferences") and known[0]:
        return ("uid",)
    template = _TEMPLATES.get(known)
    if template is not None and path[: len(template) + 1] == (*template, "spec"):
        return _POD_LISTS.get(path[len(template) + 1 :], ())
    return _OTHER_LISTS.get(known, {}).get(path, ())


def _merged(known: tuple[str, str], path: Path, base: Tree, patch: Tree) -> Tree:
    result = dict(base)
    for key, new in patch.items():
        if key == _DIRECTIVE:
            continue
        old, inner = base.get(key), (*path, key)
        if new is None or _deletes(new):
            result.pop(key, None)
        elif isinstance(new, dict) and isinstance(old, dict) and new.get("$patch") != "replace":
            result[key] = _merged(known, inner, old, new)
        elif isinstance(new, list) and isinstance(old, list) and (keys := _keys(known, inner)):
            result[key] = _merged_list(known, inner, keys, old, new)
        else:
            result[key] = _whole(new)
    return result


def _merged_list(known: tuple[str, str], path: Path, keys: tuple[str, ...], base: list[Any], patch: list[Any]) -> Any:
    """Merge a list by its keys: the patch's items come first, in its order, then what is left of the base's."""
    changes = [item for item in patch if not _is_directive(item)]
    if any(_is_directive(item) and item["$patch"] == "replace" for item in patch):
        return _whole(changes)
    first: list[Any] = []
    named = []
    for change in changes:
        name = _name(change, keys)
        named.append(name)
        if isinstance(change, dict) and change.get("$patch") == "delete":
            continue
        old = next((item for item in base if name is not None and _name(item, keys) == name), None)
        if old is None:
            first.append(_whole(change))
        else:
            first.append(old if change.get("$patch") == "replace" else _merged(known, path, old, change))
    return first + [item for item in base if _name(item, keys) is None or _name(item, keys) not in named]


def _is_directive(item: Any) -> bool:
    return isinstance(item, dict) and item.keys() == {"$patch"}


def _name(item: Any, keys: tuple[str, ...]) -> tuple[Any, ...] | None:
    return tuple(str(item.get(key, "")) for key in keys) if isinstance(item, dict) and keys[0] in item else None


def _whole(value: Any) -> Any:
    """Give a value of a patch as it is when there was nothing to merge it with: without directives and nulls."""
    if isinstance(value, dict):
        return {
            key: _whole(item)
            for key, item in value.items()
            if item is not None and key != _DIRECTIVE and not _deletes(item)
        }
    if isinstance(value, list):
        return [_whole(item) for item in value if not _is_directive(item) and not _deletes(item)]
    return value


def _deletes(value: Any) -> bool:
    return isinstance(value, dict) and value.get("$patch") == "delete"


# ---------------------------------------------------------------------------------------------------------- JSON 6902


def json_operation(tree: Any, operation: Tree) -> tuple[Any, tuple[str | int, ...]]:
    """Apply one operation of RFC 6902; give the new tree, and the path at which it put something.

    Raises:
        PatchError: the operation is none, or what it is for doesn't exist.
    """
    op, pointer = str(operation.get("op")), operation.get("path")
    if not isinstance(pointer, str) or (pointer and not pointer.startswith("/")):
        raise PatchError("a JSON patch's `path` must be a string that begins with `/`")
    steps = _steps(pointer)
    if op in {"move", "copy"}:
        source = operation.get("from")
        if not isinstance(source, str):
            raise PatchError(f"the operation `{op}` needs `from`")
        value = _get(tree, _steps(source), source)
        if op == "move":
            tree, _ = _put(tree, _steps(source), "remove", None, source)
        return _put(tree, steps, "add", value, pointer)
    if op == "test":
        if _get(tree, steps, pointer) != operation.get("value"):
            raise PatchError(f"the test of {pointer} fails")
        return tree, ()
    if op not in {"add", "remove", "replace"}:
        raise PatchError(f"a JSON patch's `op` can't be {op!r}")
    return _put(tree, steps, op, operation.get("value"), pointer)


def _steps(pointer: str) -> list[str]:
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]


def _get(tree: Any, steps: list[str], pointer: str) -> Any:
    for step in steps:
        tree = tree[_key(tree, step, pointer)]
    return tree


def _key(tree: Any, step: str, pointer: str) -> Any:
    """Give the key or number of an existing value."""
    if isinstance(tree, dict) and step in tree:
        return step
    if isinstance(tree, list) and step.lstrip("-").isdigit() and -len(tree) <= int(step) < len(tree):
        return int(step) % len(tree)
    raise PatchError(f"the JSON patch's path {pointer} doesn't exist")


def _put(tree: Any, steps: list[str], op: str, value: Any, pointer: str) -> tuple[Any, tuple[str | int, ...]]:
    """Give a tree with one value added, replaced or removed, and the path of that value."""
    if not steps:
        return value, ()
    step, rest = steps[0], steps[1:]
    copy = list(tree) if isinstance(tree, list) else dict(tree) if isinstance(tree, dict) else tree
    if rest:
        key = _key(tree, step, pointer)
        copy[key], inner = _put(tree[key], rest, op, value, pointer)
        return copy, (key, *inner)
    if isinstance(copy, dict) and op in {"add", "replace"}:  # kustomize adds what there is none of to replace
        copy[step] = value
        return copy, (step,)
    if isinstance(copy, list) and op == "add" and (step == "-" or (step.isdigit() and int(step) <= len(copy))):
        number = len(copy) if step == "-" else int(step)
        copy.insert(number, value)
        return copy, (number,)
    key = _key(tree, step, pointer)
    if op == "remove":
        del copy[key]
        return copy, ()
    copy[key] = value
    return copy, (key,)
