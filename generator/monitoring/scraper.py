"""The Prometheus of a workload, of an operator's resource, or of a chart's values."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from generator.errors import ValuePath
from generator.injection import is_proxy
from generator.intake.document import Document, as_list
from generator.monitoring.edits import Edit
from generator.monitoring.pod import PodView, is_workload, workload_pod
from generator.monitoring.versions import Version, image_name, image_version, parse_version

#: The kinds of resources that an operator makes a scraper's pods of: API group, product, name of its container.
OPERATED: Mapping[str, tuple[str, str, str]] = {
    "Prometheus": ("monitoring.coreos.com", "prometheus", "prometheus"),
    "PrometheusAgent": ("monitoring.coreos.com", "prometheus", "prometheus"),
    "VMAgent": ("operator.victoriametrics.com", "vmagent", "vmagent"),
}
_PRODUCTS = {"prometheus": "prometheus", "vmagent": "vmagent"}
_PROMETHEUS_FLAGS = ("--config.file", "--storage.tsdb", "--web.enable-lifecycle", "--storage.agent")
_NOT_PROMETHEUS = ("reload", "exporter", "adapter", "operator", "alertmanager", "pushgateway", "thanos", "proxy")
_COLLECTS = re.compile("prom|metric|otel|opentelemetry|collector|grafana|alloy|telegraf|victoria|monitor|scrap")
ANNOTATION_CONFIG = "proxy.istio.io/config"


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
        document = self.document
        while document.outer is not None:  # an Application's values, say
            document = document.outer[0]
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


def scraper_of(document: Document) -> Scraper | None:
    """Find the scraper in a Kubernetes object; None where there is none."""
    operated = OPERATED.get(document.kind)
    if operated and document.group == operated[0]:
        return operated_scraper(document, ("spec",), "operator", product=operated[1], container=operated[2])
    return _workload_scraper(document) if is_workload(document) else None


# --------------------------------------------------------------------------------------------------- workloads


def _workload_scraper(document: Document) -> Scraper | None:
    if document.kind in {"Job", "CronJob"}:
        return None
    pod = workload_pod(document)
    ranked = [(_likeness(container), path, container) for path, container in pod.items("spec", "containers")]
    best = max(ranked, key=lambda one: one[0], default=None)
    if best and best[0] > 0:
        return Scraper("workload", document, pod, best[1], _product(best[2]))
    if _writes_certificates(pod):
        reader = _first_collector(pod)
        if reader:
            return Scraper("workload", document, pod, reader, "")
    return None


def _likeness(container: Mapping[str, Any]) -> int:
    """Say how much a container looks like Prometheus; 0 for one that isn't."""
    image, name = image_name(container.get("image")), str(container.get("name") or "")
    arguments = [str(part) for key in ("command", "args") for part in as_list(container.get(key)) if part is not None]
    if any(word in image for word in _NOT_PROMETHEUS):
        return 0
    if image in _PRODUCTS:
        return 3
    if image.endswith("-prometheus"):  # rebuilt: ose-prometheus, mirrored-prometheus-prometheus
        return 2
    if any(flag in argument for argument in arguments for flag in _PROMETHEUS_FLAGS) and "prometheus" in " ".join(
        [image, name, *arguments]
    ):
        return 2
    return 1 if name in {"prometheus", "prometheus-server", "vmagent"} and not image else 0


def _product(container: Mapping[str, Any]) -> str:
    found = _PRODUCTS.get(image_name(container.get("image")))
    return found or ("vmagent" if container.get("name") == "vmagent" else "prometheus")


def _writes_certificates(pod: PodView) -> bool:
    if "OUTPUT_CERTS" in pod.annotations.get(ANNOTATION_CONFIG, ""):
        return True
    return any(
        item.get("name") == "OUTPUT_CERTS" for path, _ in pod.containers() for _, item in pod.items(*path, "env")
    )


def _first_collector(pod: PodView) -> ValuePath | None:
    """Of a pod of unknown programs: the container that collects metrics, by its names; None where none does.

    Applications have certificates written too, for themselves, and what is wrong for a scraper is right for them.
    """
    others = [(path, item) for path, item in pod.items("spec", "containers") if not is_proxy(item)]
    if not any(_COLLECTS.search(f"{item.get('name')} {image_name(item.get('image'))}".lower()) for _, item in others):
        return None
    readers = [path for path, _ in others if any("cert" in mount.name for mount in pod.mounts(path))]
    return next(iter([*readers, *(path for path, _ in others)]), None)


# ------------------------------------------------------------------------------------------------- an operator's pods


class _Made(NamedTuple):
    """What an operator makes a pod of, with the place of each element."""

    items: list[dict[str, Any]]
    places: list[ValuePath]


def field_of(document: Document, resource: ValuePath, further: ValuePath, *path: str | int) -> ValuePath:
    """Give where a field of an operator's resource stands: in its spec, or in a map whose fields take their place."""
    base = further if further and path and document.get(*further, path[0]) is not None else resource
    return (*base, *path)


def operated_scraper(
    document: Document,
    resource: ValuePath,
    flavour: str,
    *,
    product: str,
    container: str,
    name: str = "",
    further: ValuePath = (),
) -> Scraper:
    """Give the scraper that an operator makes of a resource; ``resource`` is the path of its spec.

    The fields of what stands at ``further`` take the place of the spec's, unless that is ().

    The pod is as the Prometheus Operator makes it (operator ``pkg/prometheus/statefulset.go``): its own volumes and
    containers, what ``volumes``, ``volumeMounts``, ``secrets`` and ``configMaps`` add, and ``containers`` laid over it.
    """
    more = _map(document.get(*further)) if further else {}
    spec = {**_map(document.get(*resource)), **{key: value for key, value in more.items() if value is not None}}
    name = name or document.name

    def place(key: str) -> ValuePath:
        return field_of(document, resource, further, key)

    volumes, mounts = _mounted(spec, place)
    main: dict[str, Any] = {"name": container, "volumeMounts": mounts.items}
    if isinstance(spec.get("image"), str):
        main["image"] = spec["image"]
    made = [main, {"name": "config-reloader"}]
    containers = _laid_over(made, spec.get("containers"), place("containers"), resource)
    init_path = place("initContainers")
    init = _laid_over([{"name": "init-config-reloader"}], spec.get("initContainers"), init_path, resource)
    metadata = _map(spec.get("podMetadata"))
    labels = {**operator_labels(document.kind, name), **_map(metadata.get("labels"))}
    tree = {
        "metadata": {"labels": labels, "annotations": _map(metadata.get("annotations"))},
        "spec": {
            "serviceAccountName": spec.get("serviceAccountName") or "default",
            "containers": containers.items,
            "initContainers": init.items,
            "volumes": volumes.items,
        },
    }
    origins: dict[ValuePath, ValuePath] = {
        (): resource,
        ("metadata",): place("podMetadata"),
        ("spec", "containers", 0, "image"): place("image"),
        ("spec", "serviceAccountName"): place("serviceAccountName"),
        **_each(("spec", "volumes"), volumes),
        **_each(("spec", "containers"), containers),
        **_each(("spec", "initContainers"), init),
    }
    origins |= _each(("spec", "containers", 0, "volumeMounts"), mounts)
    further_mounts = _mounts_laid_over(spec.get("containers"), place("containers"), container)
    for number, where in enumerate(further_mounts, len(mounts.items)):
        origins["spec", "containers", 0, "volumeMounts", number] = where
    origins |= {  # where more of them go
        ("spec", "volumes"): place("volumes"),
        ("spec", "containers"): place("containers"),
        ("spec", "initContainers"): place("initContainers"),
        ("spec", "containers", 0, "volumeMounts"): place("volumeMounts"),
    }
    version = parse_version(spec.get("version"))
    view = PodView(document, tree, origins)
    return Scraper(
        flavour,
        document,
        view,
        ("spec", "containers", 0),
        product,
        resource=resource,
        further=further,
        version=version,
        name=name,
    )


def _each(prefix: ValuePath, made: _Made) -> dict[ValuePath, ValuePath]:
    return {(*prefix, index): place for index, place in enumerate(made.places)}


def _map(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def operator_labels(kind: str, name: str) -> dict[str, str]:
    """Give the labels that the operator gives to the pods of a resource (operator ``pkg/prometheus/common.go``)."""
    if kind == "VMAgent":
        return {"app.kubernetes.io/name": "vmagent", "app.kubernetes.io/instance": name}
    agent = kind == "PrometheusAgent"
    return {
        "app.kubernetes.io/name": "prometheus-agent" if agent else "prometheus",
        "app.kubernetes.io/instance": name,
        "app.kubernetes.io/managed-by": "prometheus-operator",
        "operator.prometheus.io/name": name,
        **({} if agent else {"prometheus": name}),
    }


def _mounted(spec: Mapping[str, Any], place: Callable[[str], ValuePath]) -> tuple[_Made, _Made]:
    """The pod's volumes and the mounts of its Prometheus, as far as the resource says them, and where it does."""
    volumes, mounts = _Made([], []), _Made([], [])
    for made, key in ((volumes, "volumes"), (mounts, "volumeMounts")):
        for index, item in _maps(spec.get(key)):
            made.items.append(item)
            made.places.append((*place(key), index))
    for key, source, field, folder in (
        ("secrets", "secret", "secretName", "/etc/prometheus/secrets"),
        ("configMaps", "configMap", "name", "/etc/prometheus/configmaps"),
    ):
        listed = spec.get(key)
        for index, name in enumerate(listed if isinstance(listed, list) else []):
            if isinstance(name, str):
                volume = f"{source.lower()}-{name.replace('.', '-')}"
                volumes.items.append({"name": volume, source: {field: name}})
                mounts.items.append({"name": volume, "mountPath": f"{folder}/{name}", "readOnly": True})
                volumes.places.append((*place(key), index))
                mounts.places.append((*place(key), index))
    return volumes, mounts


def _maps(value: object) -> Iterator[tuple[int, dict[str, Any]]]:
    for index, item in enumerate(value if isinstance(value, list) else []):
        if isinstance(item, dict):
            yield index, item


def _laid_over(made: list[dict[str, Any]], listed: object, path: ValuePath, resource: ValuePath) -> _Made:
    """Lay the containers that a resource lists over those that the operator makes, by name."""
    items, places = [dict(item) for item in made], [resource for _ in made]
    names = [item["name"] for item in items]
    for index, item in _maps(listed):
        if item.get("name") in names and item.get("name") is not None:
            number = names.index(item["name"])
            mounts = [*items[number].get("volumeMounts", []), *(one for _, one in _maps(item.get("volumeMounts")))]
            items[number] = {**items[number], **item, **({"volumeMounts": mounts} if mounts else {})}
            places[number] = (*path, index)
        else:
            items.append(item)
            places.append((*path, index))
            names.append(item.get("name"))
    return _Made(items, places)


def _mounts_laid_over(listed: object, path: ValuePath, name: str) -> Iterator[ValuePath]:
    """Give where the mounts stand that a resource's containers add to the one of a name, in the pod's order."""
    for index, item in _maps(listed):
        if item.get("name") == name:
            yield from ((*path, index, "volumeMounts", number) for number, _ in _maps(item.get("volumeMounts")))


__all__ = ["OPERATED", "Scraper", "operated_scraper", "operator_labels", "scraper_of"]
