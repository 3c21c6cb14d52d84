"""What kustomize's own words do to resources: `namespace`, `labels`, `images` and `replicas`.

Each is worked out in memory as kustomize 5.5 and 5.8 do it (tried): `applied` is what they make of a tree, `undone`
what has to stand in the base, patches included, for them to make the wanted tree of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from generator.resource import Resource
from generator.yaml import scalar

Tree = dict[str, Any]

_CLUSTER_WIDE = frozenset({"ClusterRole", "ClusterRoleBinding", "Namespace"})
_SCALED = frozenset({"Deployment", "StatefulSet"})
_CONTAINER_LISTS = ("containers", "initContainers")


class Image(NamedTuple):
    """An entry of `images`: what the containers' image of this name becomes."""

    name: str
    new_name: str
    new_tag: str
    digest: str

    def document(self) -> Tree:
        """Give the entry as kustomize reads it."""
        fields = {"name": self.name, "newName": self.new_name, "newTag": self.new_tag, "digest": self.digest}
        if self.new_name == self.name:
            fields["newName"] = ""
        return {key: value for key, value in fields.items() if value}

    def applied(self, image: str) -> str:
        """Give what becomes of a container's image."""
        if split_image(image)[0] != self.name:
            return image
        if self.digest:
            return f"{self.new_name}@{self.digest}"
        return f"{self.new_name}:{self.new_tag}"


class Transformers(NamedTuple):
    """The transformers of one overlay; empty ones are not written."""

    namespace: str = ""
    old_namespace: str = ""
    accounts: frozenset[str] = frozenset()
    labels: tuple[tuple[str, str], ...] = ()
    images: tuple[Image, ...] = ()
    replicas: tuple[tuple[str, int], ...] = ()

    def document(self) -> Tree:
        """Give the fields of the kustomization.yaml."""
        fields: Tree = {}
        if self.namespace:
            fields["namespace"] = self.namespace
        if self.labels:
            fields["labels"] = [{"pairs": dict(self.labels)}]
        if self.images:
            fields["images"] = [image.document() for image in self.images]
        if self.replicas:
            fields["replicas"] = [{"name": name, "count": count} for name, count in self.replicas]
        return fields

    def applied(self, tree: Tree) -> Tree:
        """Give what kustomize makes of a resource."""
        if self.namespace:
            tree = self._in_namespace(tree, self.old_namespace, self.namespace)
        if self.labels:
            labels = {**tree["metadata"].get("labels", {}), **dict(self.labels)}
            tree = {**tree, "metadata": {**tree["metadata"], "labels": labels}}
        for image in self.images:
            tree = _with_images(tree, image)
        for name, count in self.replicas:
            if tree["kind"] in _SCALED and tree["metadata"]["name"] == name:
                tree = {**tree, "spec": {**tree["spec"], "replicas": count}}
        return tree

    def undone(self, tree: Tree, base: Tree) -> Tree:
        """Give the tree, as near to ``base`` as can be, of which kustomize makes ``tree``."""
        if self.namespace:
            tree = self._in_namespace(tree, self.namespace, self.old_namespace)
        if self.labels:
            tree = _with_labels(tree, self.labels, base)
        if self.images and _images(base):
            tree = _with_old_images(tree, dict(_images(base)), self.images)
        scaled = tree["kind"] in _SCALED and any(tree["metadata"]["name"] == name for name, _ in self.replicas)
        if scaled and "replicas" in base.get("spec", {}):
            tree = {**tree, "spec": {**tree["spec"], "replicas": base["spec"]["replicas"]}}
        return tree

    def _in_namespace(self, tree: Tree, old: str, new: str) -> Tree:
        metadata = tree["metadata"]
        if metadata.get("namespace"):
            tree = {**tree, "metadata": {**metadata, "namespace": new}}
        if tree["kind"] in ("ClusterRoleBinding", "RoleBinding") and isinstance(tree.get("subjects"), list):
            subjects = [
                {**subject, "namespace": new} if self._is_ours(subject, old) else subject
                for subject in tree["subjects"]
            ]
            tree = {**tree, "subjects": subjects}
        return tree

    def _is_ours(self, subject: Any, namespace: str) -> bool:
        """Kustomize moves the subjects that are ServiceAccounts of the build, and any that is called `default`."""
        if not isinstance(subject, dict) or subject.get("kind") != "ServiceAccount":
            return False
        if subject.get("name") == "default":
            return True
        return subject.get("namespace", namespace) == namespace and subject.get("name") in self.accounts


NONE = Transformers()


def choose(base: Sequence[Resource], resources: Sequence[Resource]) -> Transformers:
    """Find the transformers that say a part of the difference between the base and the environment's resources."""
    old, new = _namespaces(base), _namespaces(resources)
    moved = len(old) == len(new) == 1 and old != new and _all_placed(base) and _all_placed(resources)
    accounts = {resource.id.name for resource in base if resource.id.kind == "ServiceAccount"}
    accounts &= {resource.id.name for resource in resources if resource.id.kind == "ServiceAccount"}
    return Transformers(
        namespace=next(iter(new)) if moved else "",
        old_namespace=next(iter(old)) if moved else "",
        accounts=frozenset(accounts),
        labels=_labels(base, resources),
        images=_new_images(base, resources),
        replicas=_new_replicas(base, resources),
    )


def split_image(image: str) -> tuple[str, str, str]:
    """Part an image into name, tag and digest."""
    rest, _, digest = image.partition("@")
    name, colon, tag = rest.rpartition(":")
    return (name, tag, digest) if colon and "/" not in tag else (rest, "", digest)


def _namespaces(resources: Iterable[Resource]) -> set[str]:
    return {resource.id.namespace for resource in resources if resource.id.namespace}


def _all_placed(resources: Iterable[Resource]) -> bool:
    """Tell whether kustomize would set exactly the namespaces that are there.

    It puts one on every kind that it doesn't know to be cluster-wide, and writes one such as "0" as a number.
    """
    return all(
        bool(resource.id.namespace) != (resource.id.kind in _CLUSTER_WIDE)
        and scalar(resource.id.namespace) == resource.id.namespace
        for resource in resources
        if resource.id.namespace or resource.id.kind not in _CLUSTER_WIDE
    )


def _labels(base: Sequence[Resource], resources: Sequence[Resource]) -> tuple[tuple[str, str], ...]:
    """Labels that every resource of the environment has, and none of the base.

    Kustomize fails on a pair whose key YAML could take for something else than a string, even quoted.
    """
    if not resources:
        return ()
    common = set.intersection(*(set(_labels_of(resource.tree).items()) for resource in resources))
    new = common - {pair for resource in base for pair in _labels_of(resource.tree).items()}
    return tuple(sorted(pair for pair in new if scalar(pair[0]) == pair[0]))


def _labels_of(tree: Tree) -> dict[str, str]:
    labels = tree["metadata"].get("labels")
    return labels if isinstance(labels, dict) else {}


def _with_labels(tree: Tree, labels: tuple[tuple[str, str], ...], base: Tree) -> Tree:
    """Take labels away, or give them the base's value where it has one."""
    old = _labels_of(base)
    kept = {key: value for key, value in _labels_of(tree).items() if (key, value) not in labels}
    kept |= {key: old[key] for key, _ in labels if key in old}
    metadata = {**tree["metadata"], "labels": kept}
    if not kept and "labels" not in base["metadata"]:
        del metadata["labels"]
    return {**tree, "metadata": metadata}


def _containers(tree: Tree) -> Iterator[tuple[str, Tree]]:
    """Give each container of a workload's pod, with the list and name that identify it."""
    spec = tree.get("spec", {})
    pod = spec.get("template", {}).get("spec", {}) if tree["kind"] in _SCALED else {}
    for kind in _CONTAINER_LISTS:
        for container in pod.get(kind, ()):
            yield f"{kind}/{container.get('name')}", container


def _images(tree: Tree) -> list[tuple[str, str]]:
    return [(path, container["image"]) for path, container in _containers(tree) if "image" in container]


def _with_images(node: Any, image: Image) -> Any:
    """Give a tree with new images in every list of containers, as kustomize finds them in any kind."""
    if type(node) is list:
        items = [_with_images(item, image) for item in node]
        return node if all(new is old for new, old in zip(items, node, strict=True)) else items
    if type(node) is not dict:
        return node
    changed: Tree = {}
    for key, value in node.items():
        new = _with_images(value, image)
        if key in _CONTAINER_LISTS and type(new) is list:
            new = [_with_image(container, image) for container in new]
            new = value if all(one is other for one, other in zip(new, value, strict=True)) else new
        if new is not value:
            changed[key] = new
    return {**node, **changed} if changed else node


def _with_image(container: Any, image: Image) -> Any:
    old = container.get("image") if type(container) is dict else None
    new = image.applied(old) if type(old) is str else old
    return container if new == old else {**container, "image": new}


def _with_old_images(tree: Tree, old: dict[str, str], images: Sequence[Image]) -> Tree:
    """Give a workload with the base's images wherever the entries turn those into its own."""
    pod = tree["spec"]["template"]["spec"]
    lists = {
        kind: [
            _with_old_image(container, old.get(f"{kind}/{container.get('name')}"), images) for container in pod[kind]
        ]
        for kind in _CONTAINER_LISTS
        if kind in pod
    }
    template = {**tree["spec"]["template"], "spec": {**pod, **lists}}
    return {**tree, "spec": {**tree["spec"], "template": template}}


def _with_old_image(container: Tree, old: str | None, images: Sequence[Image]) -> Tree:
    if old and any(split_image(old)[0] == image.name and image.applied(old) == container["image"] for image in images):
        return {**container, "image": old}
    return container


def _new_images(base: Sequence[Resource], resources: Sequence[Resource]) -> tuple[Image, ...]:
    """Find the images that changed in the same way wherever they are used."""
    wanted = {(resource.id.kind, resource.template): dict(_images(resource.tree)) for resource in resources}
    changed: dict[str, set[str]] = {}
    for resource in base:
        after = wanted.get((resource.id.kind, resource.template), {})
        for path, image in _images(resource.tree):
            if path in after:
                changed.setdefault(split_image(image)[0], set()).add(after[path])
    entries = []
    before = {image for resource in base for _, image in _images(resource.tree)}
    for name, images in sorted(changed.items()):
        new_name, tag, digest = split_image(next(iter(images)))
        if len(images) == 1 and not images & before and bool(tag) != bool(digest):
            entries.append(Image(name, new_name, tag, digest))
    return tuple(entries)


def _new_replicas(base: Sequence[Resource], resources: Sequence[Resource]) -> tuple[tuple[str, int], ...]:
    """Find the workloads whose number of replicas changed."""
    before = {resource.id.name: resource for resource in base if resource.id.kind in _SCALED}
    found = []
    for resource in resources:
        old = before.get(resource.id.name)
        if resource.id.kind in _SCALED and old and old.id.kind == resource.id.kind:
            count, earlier = (each.tree.get("spec", {}).get("replicas") for each in (resource, old))
            if type(count) is type(earlier) is int and count != earlier:
                found.append((resource.id.name, count))
    return tuple(sorted(found))
