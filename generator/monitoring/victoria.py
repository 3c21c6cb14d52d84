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
_SNAKE = {"source_labels": "sourceLabels", "target_label": "targetLabel"}
_RELABELINGS = "relabelConfigs"


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
