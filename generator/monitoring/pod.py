"""A pod as the API server would get it, each part of which knows where a document says it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from generator.errors import ValuePath
from generator.intake.document import Document
from generator.monitoring.edits import APPEND, Edit

#: Where the pod stands in the kinds that make pods.
POD_PATHS: Mapping[str, ValuePath] = {
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
    "DaemonSet": ("spec", "template"),
    "Deployment": ("spec", "template"),
    "Job": ("spec", "template"),
    "Pod": (),
    "ReplicaSet": ("spec", "template"),
    "ReplicationController": ("spec", "template"),
    "StatefulSet": ("spec", "template"),
}
_GROUPS = {"", "apps", "batch", "extensions"}


class Mount(NamedTuple):
    """A container's mount: where it stands in the pod, and what it says."""

    path: ValuePath
    name: str
    directory: str
    read_only: bool
    sub_path: str


class PodView:
    """A pod's ``metadata`` and ``spec``, and for each part of it the place in a document.

    ``tree`` is what the API server would get, so a pod that an operator or a chart makes has parts that no document
    says; those are located where the document says what they come from.
    """

    __slots__ = ("document", "origins", "tree")

    def __init__(self, document: Document, tree: Mapping[str, Any], origins: Mapping[ValuePath, ValuePath]) -> None:
        """Take the pod, and for parts of it the paths in the document; the longest one that fits counts."""
        self.document = document
        self.tree = tree
        self.origins = origins

    def where(self, *path: str | int) -> ValuePath:
        """Give the path in the document of a path in the pod."""
        for length in range(len(path), -1, -1):
            origin = self.origins.get(path[:length])
            if origin is not None:
                return (*origin, *path[length:])
        return ()

    def set(self, path: ValuePath, value: object, comment: str = "") -> Edit:
        """Say how to set a part of the pod."""
        return Edit(self.document, self.where(*path), value, comment)

    def append(self, path: ValuePath, value: object, comment: str = "") -> Edit:
        """Say how to add an element to one of the pod's lists."""
        return Edit(self.document, (*self.where(*path), APPEND), value, comment)

    def get(self, *path: str | int) -> Any:
        """Give what stands at a path of the pod; None where nothing does."""
        value: Any = self.tree
        for part in path:
            if isinstance(value, Mapping):
                value = value.get(part)
            elif isinstance(value, list) and isinstance(part, int) and part < len(value):
                value = value[part]
            else:
                return None
        return value

    def strings(self, *path: str | int) -> dict[str, str]:
        """Give a map of strings, such as labels; what is no string is left out."""
        found = self.get(*path)
        return (
            {key: value for key, value in found.items() if isinstance(value, str)} if isinstance(found, Mapping) else {}
        )

    @property
    def labels(self) -> dict[str, str]:
        """The pod's labels."""
        return self.strings("metadata", "labels")

    @property
    def annotations(self) -> dict[str, str]:
        """The pod's annotations."""
        return self.strings("metadata", "annotations")

    def containers(self) -> Iterator[tuple[ValuePath, Mapping[str, Any]]]:
        """Every container, init containers too, with its path in the pod."""
        for kind in ("initContainers", "containers"):
            yield from self.items("spec", kind)

    def volumes(self) -> Iterator[tuple[ValuePath, Mapping[str, Any]]]:
        """Every volume, with its path in the pod."""
        yield from self.items("spec", "volumes")

    def items(self, *path: str | int) -> Iterator[tuple[ValuePath, Mapping[str, Any]]]:
        """Every element of a list that is a map, with its path."""
        found = self.get(*path)
        for index, item in enumerate(found if isinstance(found, list) else []):
            if isinstance(item, Mapping):
                yield (*path, index), item

    def mounts(self, container: ValuePath) -> Iterator[Mount]:
        """A container's mounts."""
        for path, item in self.items(*container, "volumeMounts"):
            name, directory = item.get("name"), item.get("mountPath")
            if isinstance(name, str) and isinstance(directory, str):
                sub_path = item.get("subPath") or item.get("subPathExpr") or ""
                yield Mount(path, name, directory, item.get("readOnly") is True, str(sub_path))


def is_workload(document: Document) -> bool:
    """Say whether a document makes pods by itself."""
    return document.kind in POD_PATHS and document.group in _GROUPS


def workload_pod(document: Document) -> PodView:
    """Give the pod of a Deployment, a StatefulSet, a Pod and the like."""
    path = POD_PATHS[document.kind]
    pod = document.get(*path)
    return PodView(document, pod if isinstance(pod, dict) else {}, {(): path})
