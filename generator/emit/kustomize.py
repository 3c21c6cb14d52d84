"""A Kustomize base per variant, and per environment an overlay that says no more than what is different there.

What kustomize has a word for (`namespace`, `labels`, `images`, `replicas`) is said by it where that says it exactly;
everything else by patches. The transformers are worked out in memory, see `generator.emit.transformers`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from generator.emit.manifests import generated, laid_out, resource_file
from generator.emit.references import referred_names
from generator.emit.transformers import NONE, Transformers, choose
from generator.patch import json_patch, merge_patch, same
from generator.resource import Resource, ResourceId, file_name, sort_key
from generator.tree import OutputFile
from generator.yaml import block

Tree = dict[str, Any]
Pair = tuple[Resource, Resource]


class Overlay(NamedTuple):
    """What an overlay says: transformers, resources of its own, base resources it leaves out, and patches.

    One that would leave out the whole base stands alone.
    """

    transformers: Transformers
    added: list[Resource]
    removed: list[Resource]
    patches: list[tuple[Resource, Tree | list[Tree]]]
    is_alone: bool


def emit_base(variant: str, resources: Sequence[Resource], home_namespace: str) -> list[OutputFile]:
    """Lay out a variant's base below ``kustomize/base/<variant>/``."""
    return laid_out(f"kustomize/base/{variant}", f"variant {variant}", resources, home_namespace)


def emit_overlay(environment: str, variant: str, overlay: Overlay, home_namespace: str) -> list[OutputFile]:
    """Lay out an overlay on a variant's base, below ``kustomize/overlays/``."""
    folder, source = f"kustomize/overlays/{environment}", f"environment {environment}"
    files = [resource_file(folder, source, resource, home_namespace) for resource in overlay.added]
    entries = [file.path.rpartition("/")[2] for file in files]
    patches: list[Tree] = []
    for target, patch in overlay.patches:
        name = file_name(target, target.id.namespace).replace(".yaml", ".patch.yaml")
        text = block(patch, sort_keys=False) + "\n"
        files.append(generated(f"{folder}/{name}", f"{source}, variant {variant}", text))
        patches.append(_patch_entry(name, target.id, patch))
    patches += [{"patch": block(_deletion(resource.id), sort_keys=False) + "\n"} for resource in overlay.removed]
    if overlay.is_alone:
        patches = []
    else:
        entries.insert(0, "../" * (environment.count("/") + 2) + f"base/{variant}")
    document: Tree = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
    document |= {"resources": entries, **overlay.transformers.document()}
    if patches:
        document["patches"] = patches
    text = block(document, sort_keys=False) + "\n"
    return [*files, generated(f"{folder}/kustomization.yaml", source, text)]


def plan(base: Sequence[Resource], resources: Sequence[Resource]) -> Overlay:
    """Work out the overlay that turns ``base`` into ``resources``, with transformers where they say it exactly.

    ``kubectl kustomize`` of it gives the resources: same trees, and lists in the same order.
    """
    most = choose(base, resources)
    unmoved = most._replace(namespace="", old_namespace="")
    for transformers in (most, most._replace(images=()), unmoved, NONE):
        overlay = _plan(base, resources, transformers)
        if overlay:
            return overlay
    raise AssertionError("without transformers, a plan always holds")


def _plan(base: Sequence[Resource], resources: Sequence[Resource], transformers: Transformers) -> Overlay | None:
    """Give None where these transformers would change what they should not."""
    pairs, added, removed = _matched(base, resources, transformers.namespace)
    if any(not same(transformers.applied(resource.tree), resource.tree) for resource in added):
        return None
    patches: list[tuple[Resource, Tree | list[Tree]]] = []
    for before, after in pairs:
        wanted = transformers.undone(after.tree, before.tree)
        if not same(transformers.applied(wanted), after.tree):
            return None
        patch = _patch(before, wanted)
        if patch:
            patches.append((before, patch))
    added, removed = sorted(added, key=sort_key), sorted(removed, key=sort_key)
    return Overlay(transformers, added, removed, patches, is_alone=len(removed) == len(base))


def _matched(
    base: Sequence[Resource], resources: Sequence[Resource], namespace: str
) -> tuple[list[Pair], list[Resource], list[Resource]]:
    """Pair each resource with the base's that becomes it: the same object, else the only one its template renders."""
    left = {_moved(resource.id, namespace): resource for resource in sorted(base, key=sort_key)}
    found: dict[ResourceId, Pair] = {}
    rest: list[Resource] = []
    for resource in resources:
        before = left.pop(resource.id, None)
        if before:
            found[before.id] = (before, resource)
        else:
            rest.append(resource)
    alone = _only_ones(left.values())
    added: list[Resource] = []
    renamed = _only_ones(rest)
    names = referred_names(resources) if rest and left else set()
    for resource in rest:
        key = (resource.template, resource.id.api_version, resource.id.kind)
        before = alone.get(key)
        if before and renamed.get(key) is resource and not _is_followed(before, resource, names):
            found[before.id] = (before, resource)
            del left[_moved(before.id, namespace)]
        else:
            added.append(resource)
    pairs = [found[resource.id] for resource in sorted(base, key=sort_key) if resource.id in found]
    return pairs, added, list(left.values())


def _is_followed(before: Resource, after: Resource, names: set[str]) -> bool:
    """Tell whether kustomize, seeing the patch, would rewrite what refers to the old name or place."""
    follows = before.id.name != after.id.name or before.id.kind == "ServiceAccount"
    return follows and before.id.name in names


def _only_ones(resources: Iterable[Resource]) -> dict[tuple[str, str, str], Resource]:
    """Give the resources that are the only one of their template and kind."""
    seen: dict[tuple[str, str, str], list[Resource]] = {}
    for resource in resources:
        seen.setdefault((resource.template, resource.id.api_version, resource.id.kind), []).append(resource)
    return {key: several[0] for key, several in seen.items() if len(several) == 1}


def _moved(identity: ResourceId, namespace: str) -> ResourceId:
    return identity._replace(namespace=namespace) if namespace and identity.namespace else identity


def _patch(before: Resource, wanted: Tree) -> Tree | list[Tree]:
    """A strategic merge patch that names its resource, or JSON 6902 operations; empty where nothing differs."""
    if before.tree == wanted and same(before.tree, wanted):
        return {}
    group, kind = before.id.group, before.id.kind
    identity = _identity(before.id)
    if _identity_of(wanted) == identity:
        patch = merge_patch(group, kind, before.tree, wanted)
        if patch is not None:
            metadata = {**identity["metadata"], **patch.pop("metadata", {})}
            return {**identity, "metadata": metadata, **patch}
    return json_patch(before.tree, wanted)


def _identity(identity: ResourceId) -> Tree:
    metadata = {"name": identity.name, **({"namespace": identity.namespace} if identity.namespace else {})}
    return {"apiVersion": identity.api_version, "kind": identity.kind, "metadata": metadata}


def _identity_of(tree: Tree) -> Tree:
    metadata = {key: tree["metadata"][key] for key in ("name", "namespace") if key in tree["metadata"]}
    return {"apiVersion": tree["apiVersion"], "kind": tree["kind"], "metadata": metadata}


def _deletion(identity: ResourceId) -> Tree:
    return {"$patch": "delete", **_identity(identity)}


def _patch_entry(name: str, identity: ResourceId, patch: Tree | list[Tree]) -> Tree:
    """An entry of `patches`; a strategic merge patch names its resource itself."""
    if isinstance(patch, dict):
        return {"path": name}
    group, _, version = identity.api_version.rpartition("/")
    # Names in a target are regular expressions, matched whole.
    target = {"group": group, "version": version, "kind": identity.kind, "name": identity.name.replace(".", "\\.")}
    if not group:
        del target["group"]
    if identity.namespace:
        target["namespace"] = identity.namespace
    entry: Tree = {"path": name, "target": target}
    if any(operation["path"] == "/metadata/name" for operation in patch):
        entry["options"] = {"allowNameChange": True}
    return entry
