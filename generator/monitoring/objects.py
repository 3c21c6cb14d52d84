"""The Kubernetes objects among documents, found by kind, name and namespace without looking at all of them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cached_property

from generator.intake.document import Document
from generator.monitoring.owners import made_by_others
from generator.monitoring.pod import PodView, is_workload, workload_pod


class Objects:
    """Documents, and indexes of them: rules ask often, and dumps of clusters are large."""

    def __init__(self, documents: Sequence[Document]) -> None:
        """Take Kubernetes objects; nothing is changed in them from here on."""
        self.documents = tuple(documents)

    def of_kind(self, *kinds: str, group: str | None = None) -> list[Document]:
        """The Kubernetes objects of some kinds, and of an API group where one is given, in their order."""
        ranked = [one for kind in dict.fromkeys(kinds) for one in self._by_kind.get(kind, ())]
        if len(kinds) > 1:
            ranked.sort(key=lambda one: one[0])
        return [document for _, found, document in ranked if group is None or found == group]

    @cached_property
    def _by_kind(self) -> dict[str, list[tuple[int, str, Document]]]:
        """The objects by kind, each with its rank and group."""
        found: dict[str, list[tuple[int, str, Document]]] = {}
        for rank, document in enumerate(self.documents):
            found.setdefault(document.kind, []).append((rank, document.group, document))
        return found

    def named(self, kind: str, name: str, group: str = "") -> list[Document]:
        """The Kubernetes objects of a kind and an API group that have a name, in whichever namespaces."""
        return self._by_name.get((group, kind, name), [])

    @cached_property
    def _by_name(self) -> dict[tuple[str, str, str], list[Document]]:
        found: dict[tuple[str, str, str], list[Document]] = {}
        for document in self.documents:
            found.setdefault((document.group, document.kind, document.name), []).append(document)
        return found

    @cached_property
    def workloads(self) -> tuple[tuple[Document, PodView], ...]:
        """Everything that makes pods, scrapers too, but for what operators, charts and other documents make."""
        return tuple((document, workload_pod(document)) for document in self.originals if is_workload(document))

    @cached_property
    def originals(self) -> tuple[Document, ...]:
        """The documents but for those that others of them make: dumps hold Deployments, ReplicaSets and Pods."""
        made = made_by_others(self.documents)
        return tuple(document for document in self.documents if id(document) not in made)

    def workloads_in(self, namespaces: Collection[str] | None) -> Sequence[tuple[Document, PodView]]:
        """The workloads in some namespaces (None: in all), in their order."""
        if namespaces is None:
            return self.workloads
        if len(namespaces) == 1:
            return self._workloads_by_namespace.get(next(iter(namespaces)), [])
        return [one for one in self.workloads if one[0].namespace in namespaces]

    @cached_property
    def _workloads_by_namespace(self) -> dict[str, list[tuple[Document, PodView]]]:
        found: dict[str, list[tuple[Document, PodView]]] = {}
        for one in self.workloads:
            found.setdefault(one[0].namespace, []).append(one)
        return found

    def services_in(self, namespaces: Collection[str] | None) -> Sequence[Document]:
        """The Services in some namespaces (None: in all), in their order."""
        if namespaces is not None and len(namespaces) == 1:
            return self._services_by_namespace.get(next(iter(namespaces)), [])
        services = self.of_kind("Service", group="")
        return [one for one in services if namespaces is None or one.namespace in namespaces]

    @cached_property
    def _services_by_namespace(self) -> dict[str, list[Document]]:
        found: dict[str, list[Document]] = {}
        for service in self.of_kind("Service", group=""):
            found.setdefault(service.namespace, []).append(service)
        return found
