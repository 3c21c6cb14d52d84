"""The scrape job that the Prometheus Operator generates for a PodMonitor (0.93, pkg/prometheus/promcfg.go)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tests.pods import sanitised

Tree = Mapping[str, Any]

_OWN_LABELS = (
    ("__meta_kubernetes_namespace", "namespace"),
    ("__meta_kubernetes_pod_container_name", "container"),
    ("__meta_kubernetes_pod_name", "pod"),
)


def scrape_jobs(monitor: Tree, scrape_classes: Mapping[str, Tree]) -> Iterator[dict[str, Any]]:
    """Give a job for each endpoint of a PodMonitor.

    ``scrape_classes`` are those of the Prometheus resource, by name; a class that isn't there raises KeyError, where
    the operator rejects the monitor.
    """
    metadata, spec = monitor["metadata"], monitor["spec"]
    tls = scrape_classes[spec["scrapeClass"]].get("tlsConfig") if "scrapeClass" in spec else None
    for number, endpoint in enumerate(spec["podMetricsEndpoints"]):
        assert "tlsConfig" not in endpoint, "an endpoint of a PodMonitor can't name files"
        yield {
            "job_name": f"podMonitor/{metadata['namespace']}/{metadata['name']}/{number}",
            "kubernetes_sd_configs": [{"role": "pod", "namespaces": {"names": _namespaces(monitor)}}],
            "metrics_path": endpoint.get("path", "/metrics"),
            "scheme": endpoint.get("scheme", "http").lower(),
            "relabel_configs": [*_generated(monitor, endpoint), *map(_snake_case, endpoint.get("relabelings", []))],
            **({"enable_http2": endpoint["enableHttp2"]} if "enableHttp2" in endpoint else {}),
            **({"tls_config": _snake_case(tls)} if tls else {}),
        }


def _namespaces(monitor: Tree) -> list[str]:
    """Those to look in; none listed means all."""
    selector = monitor["spec"].get("namespaceSelector", {})
    if selector.get("any"):
        return []
    return selector.get("matchNames") or [monitor["metadata"]["namespace"]]


def _generated(monitor: Tree, endpoint: Tree) -> Iterator[dict[str, Any]]:
    """The rules that come before the monitor's own."""
    yield {"source_labels": ["job"], "target_label": "__tmp_prometheus_job_name"}
    yield {"source_labels": ["__meta_kubernetes_pod_phase"], "action": "drop", "regex": "(Failed|Succeeded)"}
    for name, value in sorted(monitor["spec"]["selector"].get("matchLabels", {}).items()):
        label = sanitised(name)
        sources = [f"__meta_kubernetes_pod_label_{label}", f"__meta_kubernetes_pod_labelpresent_{label}"]
        yield {"source_labels": sources, "action": "keep", "regex": f"({re.escape(value)});true"}
    if "port" in endpoint:
        source = ["__meta_kubernetes_pod_container_port_name"]
        yield {"source_labels": source, "action": "keep", "regex": re.escape(endpoint["port"])}
    for label, target in _OWN_LABELS:
        yield {"source_labels": [label], "target_label": target}
    metadata = monitor["metadata"]
    yield {"target_label": "job", "replacement": f"{metadata['namespace']}/{metadata['name']}"}
    if "port" in endpoint:
        yield {"target_label": "endpoint", "replacement": endpoint["port"]}


def _snake_case(fields: Tree) -> dict[str, Any]:
    """``sourceLabels`` becomes ``source_labels``."""
    return {re.sub(r"[A-Z]", lambda letter: f"_{letter[0].lower()}", name): value for name, value in fields.items()}
