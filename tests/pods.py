"""Synthetic pods, what sidecar injection makes of them, and what Kubernetes discovery tells Prometheus about them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

AGENT_PORT = 15020
ENVOY_PORT = 15090


class Port(NamedTuple):
    """A declared container port."""

    number: int
    name: str = ""
    protocol: str = "TCP"


class Container(NamedTuple):
    """A container; ``init`` ones stand among the init containers, as native sidecars do."""

    name: str
    ports: tuple[Port, ...] = ()
    init: bool = False


class Pod(NamedTuple):
    """What discovery looks at."""

    name: str = "productpage-5d9f"
    namespace: str = "bookinfo"
    ip: str = "10.1.2.3"
    node: str = "node-1"
    phase: str = "Running"
    ready: str = "true"
    labels: Mapping[str, str] = {}
    annotations: Mapping[str, str] = {}
    containers: tuple[Container, ...] = (Container("app", (Port(9080, "http"),)),)

    def annotated(self, **annotations: str) -> Pod:
        """Add `prometheus.io/…` annotations."""
        own = {f"prometheus.io/{name}": value for name, value in annotations.items()}
        return self._replace(annotations={**self.annotations, **own})

    def with_annotations(self, annotations: Mapping[str, str]) -> Pod:
        """Add annotations by their full names."""
        return self._replace(annotations={**self.annotations, **annotations})

    def injected(self, *, native: bool = True, merge: bool = True, secure_merged: int = 0) -> Pod:
        """Do what Istio's webhook does.

        A proxy container, the status annotation and the tlsMode label; with merging, the scrape annotations point
        at the agent unless the pod opted out (`applyPrometheusMerge` in istio's pkg/kube/inject/webhook.go);
        with a secure merged port, the annotation that names it (`applySecurePrometheusAnnotation`).
        """
        proxy = Container("istio-proxy", (Port(ENVOY_PORT, "http-envoy-prom"),), init=native)
        annotations = {**self.annotations, "sidecar.istio.io/status": '{"revision":"default"}'}
        if not merge:
            annotations["prometheus.istio.io/merge-metrics"] = "false"
        elif annotations.get("prometheus.io/scrape") != "false":
            agent = {"scrape": "true", "port": str(AGENT_PORT), "path": "/stats/prometheus"}
            annotations |= {f"prometheus.io/{name}": value for name, value in agent.items()}
        if secure_merged:
            annotations.setdefault("prometheus.istio.io/secure-port", str(secure_merged))
        return self._replace(
            annotations=annotations,
            labels={"security.istio.io/tlsMode": "istio", **self.labels},
            containers=(*self.containers, proxy),
        )


def discover(pods: Iterable[Pod], config: Mapping[str, Any], own_namespace: str = "") -> Iterator[dict[str, str]]:
    """Give the targets of a `kubernetes_sd_configs` item with role pod (prometheus' discovery/kubernetes/pod.go)."""
    assert config["role"] == "pod"
    names = config.get("namespaces", {}).get("names", [])
    for pod in pods:
        if pod.ip and (not names or pod.namespace in names):
            yield from pod_targets(pod)


def pod_targets(pod: Pod) -> Iterator[dict[str, str]]:
    """One target for each declared port of each container, and one without a port for a container with none."""
    about_pod = _pod_labels(pod)
    for container in sorted(pod.containers, key=lambda container: container.init):
        about = {
            **about_pod,
            "__meta_kubernetes_pod_container_name": container.name,
            "__meta_kubernetes_pod_container_image": f"registry.example.com/{container.name}:1",
            "__meta_kubernetes_pod_container_init": _boolean(container.init),
        }
        if not container.ports:
            yield {**about, "__address__": pod.ip}
        for port in container.ports:
            host = f"[{pod.ip}]" if ":" in pod.ip else pod.ip
            yield {
                **about,
                "__address__": f"{host}:{port.number}",
                "__meta_kubernetes_pod_container_port_number": str(port.number),
                "__meta_kubernetes_pod_container_port_name": port.name,
                "__meta_kubernetes_pod_container_port_protocol": port.protocol,
            }


def _pod_labels(pod: Pod) -> dict[str, str]:
    found = {
        "__meta_kubernetes_namespace": pod.namespace,
        "__meta_kubernetes_pod_name": pod.name,
        "__meta_kubernetes_pod_ip": pod.ip,
        "__meta_kubernetes_pod_ready": pod.ready,
        "__meta_kubernetes_pod_phase": pod.phase,
        "__meta_kubernetes_pod_node_name": pod.node,
        "__meta_kubernetes_pod_host_ip": "192.168.0.1",
        "__meta_kubernetes_pod_uid": "6f2e",
        "__meta_kubernetes_pod_controller_kind": "ReplicaSet",
        "__meta_kubernetes_pod_controller_name": pod.name.rpartition("-")[0],
    }
    for kind, entries in (("label", pod.labels), ("annotation", pod.annotations)):
        for name, value in entries.items():
            found[f"__meta_kubernetes_pod_{kind}_{sanitised(name)}"] = value
            found[f"__meta_kubernetes_pod_{kind}present_{sanitised(name)}"] = "true"
    return found


def sanitised(name: str) -> str:
    """Make a label name of any text, as `strutil.SanitizeLabelName` does."""
    return re.sub(r"[^a-zA-Z0-9_]", "_", name)


def _boolean(value: object) -> str:
    return "true" if value else "false"
