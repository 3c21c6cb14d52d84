"""The Prometheus of a workload, of an operator's resource, or of a chart's values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from generator.errors import ValuePath
from generator.intake.document import Document
from generator.monitoring.edits import Edit
from generator.monitoring.pod import PodView
from generator.monitoring.versions import Version, image_version

#: The kinds of resources that an operator makes a scraper's pods of: API group, product, name of its container.
OPERATED: Mapping[str, tuple[str, str, str]] = {
    "Prometheus": ("monitoring.coreos.com", "prometheus", "prometheus"),
    "PrometheusAgent": ("monitoring.coreos.com", "prometheus", "prometheus"),
    "VMAgent": ("operator.victoriametrics.com", "vmagent", "vmagent"),
}


class Scraper:
    """A program that scrapes, and its pod.

    ``flavour`` is ``workload``, ``operator``, ``kube-prometheus-stack`` or ``prometheus-chart``. ``container`` is the
    path of its container in the pod; ``product`` is ``prometheus``, ``vmagent``, or "" where it can't be told (then it
    is a pod that has Istio certificates written for itself, and by its names collects metrics). ``resource`` is the
    path in the document of what an operator reads (its ``spec``); None for workloads. ``further`` is the path of a map
    whose fields take the place of that one's; () where there is none.
    """

    __slots__ = (
        "_namespace",
        "_version",
        "container",
        "document",
        "flavour",
        "further",
        "name",
        "pod",
        "product",
        "resource",
    )

    def __init__(
        self,
        flavour: str,
        document: Document,
        pod: PodView,
        container: ValuePath,
        product: str,
        *,
        resource: ValuePath | None = None,
        further: ValuePath = (),
        version: Version | None = None,
        name: str = "",
        namespace: str | None = None,
    ) -> None:
        """Take its parts; ``version`` and ``namespace`` where something else than image and document say them."""
        self.flavour = flavour
        self.document = document
        self.pod = pod
        self.container = container
        self.product = product
        self.resource = resource
        self.further = further
        self.name = name or document.name
        self._version = version
        self._namespace = namespace

    def __str__(self) -> str:
        """``StatefulSet monitoring/prometheus``."""
        document = self.document.outermost  # an Application's values, say
        return str(document) if document.kind else f"the Prometheus of the chart {self.flavour.removesuffix('-chart')}"

    @property
    def namespace(self) -> str:
        """Its namespace, "" where none is named."""
        return self.document.namespace if self._namespace is None else self._namespace

    @property
    def version(self) -> Version | None:
        """The version of the program, None where nothing says it."""
        return image_version(self.pod.get(*self.container, "image")) or self._version

    @property
    def is_bare(self) -> bool:
        """Whether it is a Pod, which can't be changed once it runs."""
        return self.document.kind == "Pod"

    def mount_edit(self, mount: Mapping[str, Any], comment: str = "") -> Edit:
        """Say how to add a mount to its container."""
        return self.pod.append((*self.container, "volumeMounts"), mount, comment)

    def maps_for_lists(self) -> Iterator[ValuePath]:
        """Give the places in the document where a map stands for a list of volumes or mounts, which is not read."""
        places = [self.pod.where("spec", "volumes")]
        places += [self.pod.where(*path, "volumeMounts") for path, _ in self.pod.containers()]
        if self.resource is not None:
            places += [self.field(key) for key in ("volumes", "volumeMounts")]
        return (place for place in dict.fromkeys(places) if isinstance(self.document.get(*place), Mapping))

    def of_resource(self, *path: str | int) -> Any:
        """Give what stands at a path of the operator's resource; None where nothing does, and for workloads."""
        return None if self.resource is None else self.document.get(*self.field(*path))

    def field(self, *path: str | int) -> ValuePath:
        """Give where a field of the operator's resource stands in the document, or would stand; () for workloads."""
        return () if self.resource is None else field_of(self.document, self.resource, self.further, *path)


def field_of(document: Document, resource: ValuePath, further: ValuePath, *path: str | int) -> ValuePath:
    """Give where a field of an operator's resource stands: in its spec, or in a map whose fields take their place."""
    base = further if further and path and document.get(*further, path[0]) is not None else resource
    return (*base, *path)
