"""What the fields of a kustomization other than its patches do to every object: names, labels, images, replicas.

The fields of each kind are those of kustomize 5.8 (api/internal/konfig/builtinpluginconsts).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from generator.errors import ValuePath
from generator.intake.document import Document, as_map, value_at
from generator.intake.kustomization.item import Item, changed

Tree = dict[str, Any]
Path = tuple[str, ...]

_UNPREFIXED = frozenset({"CustomResourceDefinition", "APIService", "Namespace"})
_SCALED = frozenset({"Deployment", "ReplicaSet", "ReplicationController", "StatefulSet"})
_LABELS: Path = ("metadata", "labels")
_ANNOTATIONS: Path = ("metadata", "annotations")
_SELECTOR: Path = ("spec", "selector", "matchLabels")
_TEMPLATE: Path = ("spec", "template")
_JOB: Path = ("spec", "jobTemplate")
_WORKLOADS = ("Deployment", "ReplicaSet", "DaemonSet", "StatefulSet")
#: The metadata of what a kind makes.
_TEMPLATES: dict[str, tuple[Path, ...]] = {
    **dict.fromkeys((*_WORKLOADS, "ReplicationController", "Job"), (_TEMPLATE,)),
    "CronJob": (_JOB, (*_JOB, *_TEMPLATE)),
}
_CLAIMS: Path = ("spec", "volumeClaimTemplates")
_SELECTORS_MADE: dict[str, Path] = {
    **dict.fromkeys(_WORKLOADS, _SELECTOR),
    "Service": ("spec", "selector"),
    "ReplicationController": ("spec", "selector"),
}
_TERMS = (
    ("preferredDuringSchedulingIgnoredDuringExecution", "podAffinityTerm"),
    ("requiredDuringSchedulingIgnoredDuringExecution",),
)
_SPREAD: tuple[Path, ...] = (
    *(
        (*_TEMPLATE, "spec", "affinity", affinity, *term, "labelSelector", "matchLabels")
        for affinity in ("podAffinity", "podAntiAffinity")
        for term in _TERMS
    ),
    (*_TEMPLATE, "spec", "topologySpreadConstraints", "labelSelector", "matchLabels"),
)
_SELECTORS_FOUND: dict[str, tuple[Path, ...]] = {
    "Deployment": _SPREAD,
    "StatefulSet": _SPREAD,
    "Job": (_SELECTOR,),
    "CronJob": ((*_JOB, *_SELECTOR),),
    "PodDisruptionBudget": (_SELECTOR,),
    "NetworkPolicy": tuple(
        (*path, "podSelector", "matchLabels")
        for path in (("spec",), ("spec", "ingress", "from"), ("spec", "egress", "to"))
    ),
}


def set_namespace(item: Item, namespace: str, document: Document) -> None:
    """Move an object into a namespace, and a Namespace to its name."""
    said: ValuePath = ("namespace",)
    if item.identity.kind == "Namespace":
        item.put(("metadata", "name"), namespace, document, said)
    elif not item.is_cluster_wide():
        item.put(("metadata", "namespace"), namespace, document, said)
    subjects = item.tree.get("subjects")
    if item.identity.kind in {"ClusterRoleBinding", "RoleBinding"} and isinstance(subjects, list):
        for number, subject in enumerate(subjects):
            # The accounts of the build follow with `references`.
            if isinstance(subject, dict) and (subject.get("kind"), subject.get("name")) == (
                "ServiceAccount",
                "default",
            ):
                item.put(("subjects", number, "namespace"), namespace, document, said)


def add_affix(item: Item, prefix: str, suffix: str, document: Document) -> None:
    """Put a prefix or suffix on an object's name."""
    if item.identity.kind not in _UNPREFIXED:
        name = f"{prefix}{item.identity.name}{suffix}"
        item.put(("metadata", "name"), name, document, ("namePrefix" if prefix else "nameSuffix",))
    item.affixes = (*item.affixes, prefix or suffix)


def add_labels(item: Item, entry: Tree, document: Document, said: ValuePath) -> None:
    """Add the pairs of an entry of `labels`; ``said`` is the path of the pairs in the kustomization."""
    pairs = as_map(entry.get("pairs"))
    selectors, templates = bool(entry.get("includeSelectors")), bool(entry.get("includeTemplates"))
    kind = item.identity.kind
    _add(item, _LABELS, pairs, document, said)
    if selectors or templates:
        for template in _TEMPLATES.get(kind, ()):
            _add(item, (*template, *_LABELS), pairs, document, said)
        if kind == "StatefulSet" and value_at(item.tree, _CLAIMS):
            item.change(changed(item.tree, (*_CLAIMS, *_LABELS), _adding(pairs), create=True))
    if selectors:
        if kind in _SELECTORS_MADE:
            _add(item, _SELECTORS_MADE[kind], pairs, document, said)
        for path in _SELECTORS_FOUND.get(kind, ()):
            item.change(changed(item.tree, path, _adding(pairs), create=False))


def add_annotations(item: Item, pairs: Tree, document: Document) -> None:
    """Add `commonAnnotations`."""
    for template in ((), *_TEMPLATES.get(item.identity.kind, ())):
        _add(item, (*template, *_ANNOTATIONS), pairs, document, ("commonAnnotations",))


def _add(item: Item, path: Path, pairs: Tree, document: Document, said: ValuePath) -> None:
    item.change(changed(item.tree, path, _adding(pairs), create=True))
    item.note(path, pairs, document, said)


def _adding(pairs: Tree) -> Callable[[Any], Any]:
    return lambda old: {**as_map(old), **pairs}


def set_replicas(item: Item, entry: Tree, document: Document, said: ValuePath) -> None:
    """Set the replicas of the workload that an entry of `replicas` names."""
    named = any(identity.name == entry.get("name") for identity in item.identities)
    if named and item.identity.kind in _SCALED:
        item.put(("spec", "replicas"), entry.get("count", 0), document, (*said, "count"))


def set_image(item: Item, entry: Tree, document: Document, said: ValuePath) -> None:
    """Change the images that an entry of `images` is for, in every list of containers."""
    if item.identity.kind == "CustomResourceDefinition":
        return
    name = str(entry.get("name", ""))
    pattern = re.compile(
        rf"{re.escape(name)}(?::(?P<tag>[a-zA-Z0-9_.{{}}-]*))?(?:@(?P<digest>sha256:[a-zA-Z0-9_.{{}}-]*))?"
    )
    for path, image in list(_images(item.tree, ())):
        match = pattern.fullmatch(image)
        if match:
            item.put(path, _image(entry, match), document, said)


def _image(entry: Tree, old: re.Match[str]) -> str:
    name = str(entry.get("newName") or entry["name"])
    tag, digest, suffix = (str(entry.get(key) or "") for key in ("newTag", "digest", "tagSuffix"))
    if digest:
        return f"{name}:{tag}@{digest}" if tag else f"{name}@{digest}"
    if tag:
        return f"{name}:{tag}"
    if suffix and old["tag"]:
        return f"{name}:{old['tag']}{suffix}"
    return name + (f":{old['tag']}" if old["tag"] else "") + (f"@{old['digest']}" if old["digest"] else "")


def _images(node: Any, path: ValuePath) -> Iterator[tuple[ValuePath, str]]:
    """Give the image of every container, with its path."""
    if isinstance(node, list):
        for number, item in enumerate(node):
            yield from _images(item, (*path, number))
    elif isinstance(node, dict):
        for key, value in node.items():
            if key in {"containers", "initContainers"} and isinstance(value, list):
                for number, item in enumerate(value):
                    if isinstance(item, dict) and isinstance(item.get("image"), str):
                        yield (*path, key, number, "image"), item["image"]
            yield from _images(value, (*path, key))
