"""Pods to inject, and short ways to look into what comes out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from generator.injection import Injection, Mesh, inject, proxy_container

Tree = dict[str, Any]

MEMORY = {"medium": "Memory"}
APPLICATION = {"name": "prometheus", "image": "prometheus:v3", "ports": [{"name": "web", "containerPort": 9090}]}


def pod(annotations: Mapping[str, Any] | None = None, labels: Mapping[str, Any] | None = None, **spec: Any) -> Tree:
    metadata = {"annotations": dict(annotations or {}), "labels": dict(labels or {})}
    return {"metadata": metadata, "spec": {"containers": [dict(APPLICATION)], **spec}}


def injected(
    annotations: Mapping[str, Any] | None = None, labels: Mapping[str, Any] | None = None, **spec: Any
) -> Injection:
    """Inject a pod of a namespace that is labelled for injection."""
    return into(pod(annotations, labels, **spec))


def into(tree: Mapping[str, Any], version: tuple[int, int] = (1, 30), **mesh: Any) -> Injection:
    return inject(tree, "monitoring", Mesh(istio_version=version, **{"namespace_injection": True, **mesh}))


def proxy(injection: Injection) -> Tree:
    found = proxy_container(injection.pod)
    assert found is not None
    return found


def names(injection: Injection, part: str) -> list[str]:
    return [item["name"] for item in injection.pod["spec"].get(part, [])]


def variables(container: Mapping[str, Any]) -> dict[str, str | None]:
    return {item["name"]: item.get("value") for item in container.get("env", [])}


def container(injection: Injection, name: str) -> Tree:
    spec = injection.pod["spec"]
    found: Tree = next(
        item for part in ("containers", "initContainers") for item in spec.get(part, []) if item["name"] == name
    )
    return found


def annotations_of(injection: Injection) -> dict[str, str]:
    found: dict[str, str] = injection.pod["metadata"]["annotations"]
    return found


def labels_of(injection: Injection) -> dict[str, str]:
    found: dict[str, str] = injection.pod["metadata"]["labels"]
    return found
