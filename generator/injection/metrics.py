"""Prometheus annotations that point at the agent, which serves the application's metrics with its own.

After `applyPrometheusMerge` in istio's pkg/kube/inject/webhook.go; since 1.7.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from generator.injection import annotations as names
from generator.injection import pieces
from generator.injection.mesh import AGENT_PORT, Mesh, Tree

_PORT, _PATH, _SCRAPE = "prometheus_io_port", "prometheus_io_path", "prometheus_io_scrape"


def merges(annotations: Mapping[str, str], mesh: Mesh) -> bool:
    """Say whether the webhook points ``prometheus.io/*`` of a pod at the agent.

    Not where ``prometheus.io/scrape`` is false or merging is off, for the pod or for the mesh. It does for pods without
    any of these annotations.
    """
    asked = truth_of(annotations.get(names.MERGE_METRICS, ""))
    scrape = next((value for value in map(truth_of, _values(annotations, _SCRAPE)) if value is not None), True)
    return mesh.since(7) and scrape and (mesh.merge_metrics if asked is None else asked)


def truth_of(text: str) -> bool | None:
    """Read a boolean; None for what is none."""
    return names.truth(text)


def merge(annotations: dict[str, str], proxy: Tree, mesh: Mesh) -> None:
    """Change a pod's annotations, and tell the proxy in its environment what they were.

    Prometheus takes ``prometheus.io/port``, ``prometheus.io.port`` and ``prometheus-io/port`` for the same, so all
    spellings go. A pod whose port is the agent's is left alone.
    """
    agent = str(AGENT_PORT)
    if not merges(annotations, mesh) or _values(annotations, _PORT)[:1] == [agent]:
        return
    was = {
        key: next(iter(_values(annotations, kind)), "")
        for key, kind in (("scrape", _SCRAPE), ("path", _PATH), ("port", _PORT))
    }
    if any(was.values()):
        proxy["env"] = [*proxy.get("env", []), pieces.text("ISTIO_PROMETHEUS_ANNOTATIONS", pieces.compact(was))]
    for name in [name for name in annotations if is_prometheus(name)]:
        del annotations[name]
    annotations |= {
        "prometheus.io/port": agent,
        "prometheus.io/path": "/stats/prometheus",
        "prometheus.io/scrape": "true",
    }


def announce_secure_port(annotations: dict[str, str], proxy: Mapping[str, object], mesh: Mesh) -> None:
    """Add annotation ``prometheus.istio.io/secure-port`` where the proxy serves merged metrics over mTLS (1.31)."""
    port = pieces.variable(proxy, "ENVOY_SECURE_MERGED_METRICS_PORT")
    if mesh.since(31) and port not in {None, "", "0"}:
        annotations.setdefault(names.SECURE_PORT, str(port))


def is_prometheus(name: str) -> bool:
    """Say whether an annotation is one that merging removes, in whatever spelling."""
    return _sanitized(name) in {_PORT, _PATH, _SCRAPE}


def _values(annotations: Mapping[str, str], kind: str) -> list[str]:
    return [value for name, value in sorted(annotations.items()) if _sanitized(name) == kind]


def _sanitized(name: str) -> str:
    return re.sub(r"[^a-zA-Z0-9_]", "_", name)
