"""Names of other objects in an object, which follow when a kustomization renames those.

The fields are those of kustomize 5.8 (api/internal/konfig/builtinpluginconsts/namereference.go), as far as they have to
do with workloads and their rights.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from generator.errors import ValuePath
from generator.intake.document import as_list, as_map, value_at
from generator.intake.kustomization.item import Identity, Item
from generator.intake.kustomization.strategic import template_path

Path = tuple[str, ...]

# In a pod's spec; lists on the way are gone through.
_IN_CONTAINERS: tuple[tuple[Path, str], ...] = (
    (("env", "valueFrom", "configMapKeyRef", "name"), "ConfigMap"),
    (("env", "valueFrom", "secretKeyRef", "name"), "Secret"),
    (("envFrom", "configMapRef", "name"), "ConfigMap"),
    (("envFrom", "secretRef", "name"), "Secret"),
)
_IN_PODS: tuple[tuple[Path, str], ...] = (
    *(((kind, *path), named) for kind in ("containers", "initContainers") for path, named in _IN_CONTAINERS),
    (("volumes", "configMap", "name"), "ConfigMap"),
    (("volumes", "projected", "sources", "configMap", "name"), "ConfigMap"),
    (("volumes", "secret", "secretName"), "Secret"),
    (("volumes", "projected", "sources", "secret", "name"), "Secret"),
    (("volumes", "persistentVolumeClaim", "claimName"), "PersistentVolumeClaim"),
    (("imagePullSecrets", "name"), "Secret"),
    (("serviceAccountName",), "ServiceAccount"),
    (("priorityClassName",), "PriorityClass"),
)
_IN_KINDS: dict[str, tuple[tuple[Path, str], ...]] = {
    "StatefulSet": ((("spec", "serviceName"), "Service"),),
    "ServiceAccount": ((("imagePullSecrets", "name"), "Secret"), (("secrets", "name"), "Secret")),
    "Ingress": (
        (("spec", "tls", "secretName"), "Secret"),
        (("spec", "rules", "http", "paths", "backend", "service", "name"), "Service"),
        (("spec", "defaultBackend", "service", "name"), "Service"),
    ),
}


def follow_names(items: Sequence[Item]) -> None:
    """Give every reference to an object of the build the name, and for accounts the namespace, that it has by now."""
    if not any(item.past for item in items):
        return
    by_kind: dict[str, list[Item]] = {}
    for item in items:
        by_kind.setdefault(item.identity.kind, []).append(item)
    for item in items:
        for path, kind in list(_references(item)):
            _follow(item, path, by_kind.get(kind, []))
        if item.identity.kind in {"ClusterRoleBinding", "RoleBinding"}:
            _follow_subjects(item, by_kind.get("ServiceAccount", []))


def _references(item: Item) -> Iterator[tuple[ValuePath, str]]:
    identity = item.identity
    for path, kind in _IN_KINDS.get(identity.kind, ()):
        yield from ((found, kind) for found in _paths(item.tree, path))
    template = template_path(identity.kind)
    if template is not None:
        for path, kind in _IN_PODS:
            yield from ((found, kind) for found in _paths(item.tree, (*template, "spec", *path)))
    for field, reference in (("roleRef", item.tree.get("roleRef")), ("scaleTargetRef", _target(item.tree))):
        if isinstance(reference, dict) and isinstance(reference.get("kind"), str):
            yield (("roleRef",) if field == "roleRef" else ("spec", "scaleTargetRef")) + ("name",), reference["kind"]


def _target(tree: dict[str, Any]) -> Any:
    return as_map(tree.get("spec")).get("scaleTargetRef") if tree.get("kind") == "HorizontalPodAutoscaler" else None


def _paths(tree: Any, path: Path, before: ValuePath = ()) -> Iterator[ValuePath]:
    """Give the paths of the strings that lie at a path, in every item of the lists on the way."""
    if isinstance(tree, list):
        for number, item in enumerate(tree):
            yield from _paths(item, path, (*before, number))
    elif not path:
        if isinstance(tree, str):
            yield before
    elif isinstance(tree, dict):
        yield from _paths(tree.get(path[0]), path[1:], (*before, path[0]))


def _follow(item: Item, path: ValuePath, candidates: Sequence[Item]) -> None:
    name = value_at(item.tree, path)
    namespace = item.identity.namespace
    found = [
        one
        for one in candidates
        if any(identity.name == name for identity in one.identities)
        and (item.is_cluster_wide() or one.is_cluster_wide() or one.identity.namespace == namespace)
    ]
    target = _nearest(item, found)
    if target is not None and target.identity.name != name:
        layer = target.layers[-1]
        item.put(path, target.identity.name, layer.document, layer.path)


def _follow_subjects(item: Item, accounts: Sequence[Item]) -> None:
    for number, subject in enumerate(as_list(item.tree.get("subjects"))):
        if not isinstance(subject, dict) or subject.get("kind") != "ServiceAccount":
            continue
        namespace, name = str(subject.get("namespace") or ""), subject.get("name")
        found = [one for one in accounts if any(_is_called(identity, namespace, name) for identity in one.identities)]
        target = _nearest(item, found)
        if target is None:
            continue
        for key, value in (("name", target.identity.name), ("namespace", target.identity.namespace)):
            if value and subject.get(key) != value:
                layer = target.layers[-1]
                item.put(("subjects", number, key), value, layer.document, layer.path)


def _is_called(identity: Identity, namespace: str, name: Any) -> bool:
    return identity.name == name and (identity.namespace or "default") == (namespace or "default")


def _nearest(item: Item, found: Sequence[Item]) -> Item | None:
    """Choose what a name means: the one object, or the one that came the same way through the kustomizations."""
    if len(found) > 1:
        found = [one for one in found if one.affixes == item.affixes]
    return found[0] if len(found) == 1 else None
