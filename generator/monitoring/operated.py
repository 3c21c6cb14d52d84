"""The pods that an operator makes of a resource, or of a chart's values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from generator.errors import ValuePath
from generator.intake.document import Document
from generator.monitoring import victoria
from generator.monitoring.pod import PodView
from generator.monitoring.scraper import Scraper, field_of
from generator.monitoring.versions import parse_version


class _Made(NamedTuple):
    """What an operator makes a pod of, with the place of each element."""

    items: list[dict[str, Any]]
    places: list[ValuePath]


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

    volumes, mounts = _mounted(spec, place, document.kind)
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


def _mounted(spec: Mapping[str, Any], place: Callable[[str], ValuePath], kind: str) -> tuple[_Made, _Made]:
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
                directory = f"{victoria.folder(kind, folder)}/{name}"
                mounts.items.append({"name": volume, "mountPath": directory, "readOnly": True})
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
