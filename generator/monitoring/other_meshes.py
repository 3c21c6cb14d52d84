"""Other meshes than Istio's, in which a Prometheus may be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from generator.errors import ValuePath
from generator.intake.document import Document, as_map
from generator.monitoring.scraper import Scraper
from generator.monitoring.setup import Setup

# By which label or annotation other meshes add their proxies to a pod (each mesh's documentation on injection).
_MESHES: Mapping[str, str] = {
    "appmesh.k8s.aws/sidecarInjectorWebhook": "AWS App Mesh",
    "consul.hashicorp.com/connect-inject": "Consul",
    "injector.nsm.nginx.com/auto-inject": "NGINX Service Mesh",
    "kuma.io/sidecar-injection": "Kuma",
    "linkerd.io/inject": "Linkerd",
    "openservicemesh.io/sidecar-injection": "Open Service Mesh",
}
_ON = frozenset({"enabled", "true", "yes", "ingress"})
_PROXIES: Mapping[str, str] = {
    "consul-dataplane": "Consul",
    "kuma-sidecar": "Kuma",
    "linkerd-proxy": "Linkerd",
}


class OtherMesh(NamedTuple):
    """What puts a pod into another mesh, and where that stands; ``found`` is what stands there."""

    says: str
    document: Document
    path: ValuePath
    found: str


def other_mesh(setup: Setup, scraper: Scraper) -> OtherMesh | None:
    """Give what puts a scraper into another mesh; None where nothing does."""
    pod = scraper.pod
    for kind in ("annotations", "labels"):
        for key, value in pod.strings("metadata", kind).items():
            if key in _MESHES and value.lower() in _ON:
                place = pod.where("metadata", kind, key)
                return OtherMesh(f"{_MESHES[key]} injects its proxy", scraper.document, place, value)
    for path, container in pod.containers():
        name = str(container.get("name"))
        if name in _PROXIES:
            return OtherMesh(f"it has a proxy of {_PROXIES[name]}", scraper.document, pod.where(*path), name)
    return _by_namespace(setup, scraper)


def _by_namespace(setup: Setup, scraper: Scraper) -> OtherMesh | None:
    """Look at the namespace, unless the pod itself says no."""
    said = {**scraper.pod.labels, **scraper.pod.annotations}
    for namespace in setup.of_kind("Namespace"):
        if not scraper.namespace or namespace.name != scraper.namespace:
            continue
        for kind in ("annotations", "labels"):
            found: dict[str, Any] = as_map(namespace.get("metadata", kind))
            for key in found.keys() & _MESHES.keys():
                if str(found[key]).lower() in _ON and key not in said:
                    says = f"{_MESHES[key]} injects its proxy into {namespace}"
                    return OtherMesh(says, namespace, ("metadata", kind, key), str(found[key]))
    return None
