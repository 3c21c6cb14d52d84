"""What VictoriaMetrics' operator reads for a VMAgent: kinds that mirror those of the Prometheus Operator.

Written after the operator's ``api/operator/v1beta1`` and its ``vmscrapes`` package. All of them may name files. It
makes them of the Prometheus Operator's kinds too, with the same labels, unless it is told not to.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

GROUP = "operator.victoriametrics.com"
#: By kind: the VMAgent's selector of its labels.
SELECTORS: Mapping[str, str] = {
    "VMServiceScrape": "serviceScrapeSelector",
    "VMPodScrape": "podScrapeSelector",
    "VMNodeScrape": "nodeScrapeSelector",
    "VMStaticScrape": "staticScrapeSelector",
    "VMProbe": "probeSelector",
    "VMScrapeConfig": "scrapeConfigSelector",
}
#: Which kind it makes of one of the Prometheus Operator's.
CONVERTED: Mapping[str, str] = {
    "ServiceMonitor": "VMServiceScrape",
    "PodMonitor": "VMPodScrape",
    "Probe": "VMProbe",
    "ScrapeConfig": "VMScrapeConfig",
}
# Where the Prometheus Operator mounts what a resource lists, and where VictoriaMetrics' does (``ConvertTlsConfig``).
_FOLDERS = {"/etc/prometheus/secrets": "/etc/vm/secrets", "/etc/prometheus/configmaps": "/etc/vm/configs"}
_SNAKE = {"source_labels": "sourceLabels", "target_label": "targetLabel"}
_RELABELINGS = "relabelConfigs"


def folder(kind: str, other: str) -> str:
    """Give where a resource of a kind has what the Prometheus Operator mounts in a folder: there, unless a VMAgent."""
    return _FOLDERS[other] if kind == "VMAgent" else other


def converted_file(path: str) -> str:
    """Give the file that the operator names where a monitor of the Prometheus Operator names another."""
    for old, new in _FOLDERS.items():
        path = path.replace(old, new)
    return path


def plain(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Say an endpoint as the Prometheus Operator's kinds would: of two spellings one, of a list of regexes their union.

    Of a VMProbe, the scheme beside its prober's counts where that says none.
    """
    found = dict(tree)
    rules = tree.get(_RELABELINGS)
    if isinstance(rules, list):
        found[_RELABELINGS] = [_plain_rule(rule) if isinstance(rule, Mapping) else rule for rule in rules]
    prober = tree.get("vmProberSpec")
    if isinstance(prober, Mapping) and not prober.get("scheme") and tree.get("scheme"):
        found["vmProberSpec"] = {**prober, "scheme": tree["scheme"]}
    return found


def _plain_rule(rule: Mapping[str, Any]) -> dict[str, Any]:
    found = {_SNAKE.get(key, key): value for key, value in rule.items()}
    if isinstance(found.get("regex"), list):
        found["regex"] = "|".join(map(str, found["regex"]))
    return found
