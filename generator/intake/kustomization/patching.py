"""The patches of a kustomization: which objects each is for, and what it makes of them."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

from generator.errors import ValuePath
from generator.intake.document import Document, as_map
from generator.intake.kustomization.built import Layer
from generator.intake.kustomization.item import Identity, Item, Tree, placed
from generator.intake.kustomization.strategic import PatchError, json_operation, strategic_merge


class Patch(NamedTuple):
    """A patch as read: the documents of its text, the `target` that selects objects, and its `options`."""

    documents: tuple[Document, ...]
    target: Tree | None
    options: Tree


def apply_patch(items: Sequence[Item], patch: Patch) -> list[Item]:
    """Give the objects that are left after a patch.

    Raises:
        PatchError: it is for no object, or can't be applied, so that kustomize fails too.
    """
    left = list(items)
    for document in patch.documents:
        tree: Any = document.tree
        if isinstance(tree, list):
            if patch.target is None:
                raise PatchError("a JSON patch needs a target")
            for item in _selected(left, patch.target):
                _apply_operations(item, tree, document)
        elif isinstance(tree, dict):
            found = [_meant(left, tree)] if patch.target is None else _selected(left, patch.target)
            for item in found:
                if not _merge(item, tree, document, patch.options):
                    left.remove(item)
    return left


def _merge(item: Item, patch: Tree, document: Document, options: Tree) -> bool:
    """Merge a patch into an object; False where the patch deletes it."""
    tree = strategic_merge(item.tree, patch)
    if tree is None:
        return False
    identity = item.identity
    kept: list[tuple[ValuePath, str]] = [(("metadata", "namespace"), identity.namespace)]
    if not options.get("allowNameChange"):
        kept.append((("metadata", "name"), identity.name))
    if not options.get("allowKindChange"):
        kept += [(("apiVersion",), identity.api_version), (("kind",), identity.kind)]
    for path, value in kept:
        tree = placed(tree, path, value) if value else _without(tree, path)
    item.change(tree)
    item.layers.append(Layer(document, (), _without_names(patch)))
    return True


def _without(tree: Tree, path: ValuePath) -> Tree:
    key, rest = str(path[0]), path[1:]
    if not rest:
        return {name: value for name, value in tree.items() if name != key}
    return {**tree, key: _without(tree[key], rest)} if isinstance(tree.get(key), dict) else tree


def _without_names(patch: Tree) -> Tree:
    """Leave out what a patch only says to name its object."""
    said = {key: value for key, value in patch.items() if key not in {"apiVersion", "kind"}}
    metadata = said.get("metadata")
    if isinstance(metadata, dict):
        said["metadata"] = {key: value for key, value in metadata.items() if key not in {"name", "namespace"}}
    return said


def _apply_operations(item: Item, operations: Sequence[Any], document: Document) -> None:
    for number, operation in enumerate(operations):
        if not isinstance(operation, dict):
            raise PatchError("a JSON patch is a list of maps with `op` and `path`")
        tree, path = json_operation(item.tree, operation)
        if not isinstance(tree, dict):
            raise PatchError("the JSON patch leaves no object")
        item.change(tree)
        if path:
            known = "value" in operation
            item.note(path, operation.get("value"), document, (number, "value") if known else (number,))


# ------------------------------------------------------------------------------------------------------- which objects


def _meant(items: Sequence[Item], patch: Tree) -> Item:
    """Find the one object that a patch names."""
    metadata = as_map(patch.get("metadata"))
    wanted = Identity(
        str(patch.get("apiVersion", "")),
        str(patch.get("kind", "")),
        str(metadata.get("namespace") or ""),
        str(metadata.get("name") or ""),
    )
    found = [item for item in items if any(_is_same(identity, wanted, item) for identity in item.identities)]
    if len(found) != 1:
        name = f"{wanted.kind} {wanted.namespace}/{wanted.name}" if wanted.namespace else f"{wanted.kind} {wanted.name}"
        many = "no object" if not found else f"{len(found)} objects"
        raise PatchError(f"the patch of {name} ({wanted.api_version}) is for {many} of the build")
    return found[0]


def _is_same(one: Identity, other: Identity, item: Item) -> bool:
    if item.is_cluster_wide():
        one, other = one._replace(namespace=""), other._replace(namespace="")
    return one._replace(namespace=one.namespace or "default") == other._replace(namespace=other.namespace or "default")


def _selected(items: Sequence[Item], target: Tree) -> list[Item]:
    """Find the objects that a target selects: by expressions that fit a whole name, by labels and annotations."""
    fields = {key: _expression(str(target[key])) for key in _NAMES if target.get(key)}
    found = []
    for item in items:
        metadata = as_map(item.tree.get("metadata"))
        if (
            any(_fits(identity, fields) for identity in item.identities)
            and _has(metadata.get("labels"), target.get("labelSelector"))
            and _has(metadata.get("annotations"), target.get("annotationSelector"))
        ):
            found.append(item)
    return found


_NAMES = ("group", "version", "kind", "name", "namespace")


def _expression(text: str) -> re.Pattern[str]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what a later Python may read in another way
            return re.compile(text)
    except re.error as error:
        raise PatchError(f"the patch's target holds no regular expression: {error}") from error


def _fits(identity: Identity, fields: dict[str, re.Pattern[str]]) -> bool:
    group, _, version = identity.api_version.rpartition("/")
    values = dict(zip(_NAMES, (group, version, identity.kind, identity.name, identity.namespace), strict=True))
    return all(pattern.fullmatch(values[key]) for key, pattern in fields.items())


_REQUIREMENT = re.compile(
    r"\s*(?:(?P<absent>!)\s*)?(?P<key>[\w./-]+)\s*"
    r"(?:(?P<operator>==|=|!=)\s*(?P<value>[\w.-]*)|(?P<set>in|notin)\s*\((?P<values>[^)]*)\))?\s*(?:,|$)"
)


def _has(labels: Any, selector: Any) -> bool:
    """Tell whether labels meet a selector as kubectl takes it: ``app=prometheus,tier!=x,env in (a, b),!legacy``."""
    if not selector:
        return True
    labels = as_map(labels)
    position, text = 0, str(selector)
    while position < len(text):
        match = _REQUIREMENT.match(text, position)
        if match is None:
            raise PatchError(f"the patch's target holds no label selector: {text}")
        if not _meets(labels, match):
            return False
        position = match.end()
    return True


def _meets(labels: Tree, requirement: re.Match[str]) -> bool:
    key = requirement["key"]
    value = str(labels.get(key))
    if requirement["operator"]:
        equal = key in labels and value == requirement["value"]
        return not equal if requirement["operator"] == "!=" else equal
    if requirement["set"]:
        among = key in labels and value in {one.strip() for one in requirement["values"].split(",")}
        return among if requirement["set"] == "in" else not among
    return key not in labels if requirement["absent"] else key in labels
