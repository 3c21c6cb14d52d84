"""What labels and namespaces select."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from generator.intake.document import Document
from generator.monitoring import victoria
from generator.monitoring.scraper import Scraper


def labels_in(value: object) -> dict[str, str]:
    """Give the labels in a map; what is no string is left out."""
    return {key: label for key, label in value.items() if isinstance(label, str)} if isinstance(value, dict) else {}


def same_namespace(one: str, other: str) -> bool:
    """Say whether two namespaces may be the same: one that isn't named may be any."""
    return not one or not other or one == other


def matches_labels(selector: object, labels: Mapping[str, str]) -> bool:
    """Say whether a label selector (``matchLabels``, ``matchExpressions``) fits; an empty one fits everything."""
    if not isinstance(selector, Mapping):
        return False
    wanted = selector.get("matchLabels") or {}
    if isinstance(wanted, Mapping) and any(labels.get(key) != value for key, value in wanted.items()):
        return False
    expressions = selector.get("matchExpressions") or []
    return all(_fits(rule, labels) for rule in expressions if isinstance(rule, Mapping))


def _fits(rule: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    key, values = rule.get("key"), rule.get("values") or []
    present = key in labels
    match rule.get("operator"):
        case "In":
            return present and labels[str(key)] in values
        case "NotIn":
            return not present or labels[str(key)] not in values
        case "Exists":
            return present
        case "DoesNotExist":
            return not present
    return False


_SELECTORS = {
    "ServiceMonitor": "serviceMonitorSelector",
    "PodMonitor": "podMonitorSelector",
    "Probe": "probeSelector",
    "ScrapeConfig": "scrapeConfigSelector",
}


def selects(scraper: Scraper, monitor: Document) -> bool:
    """Say whether a scraper takes up a monitor, as far as namespaces are known."""
    if scraper.resource is not None and scraper.product == "vmagent":
        return _agent_selects(scraper, monitor)
    key = _SELECTORS.get(monitor.kind)
    if scraper.resource is None or key is None:
        return False
    selector = scraper.of_resource(key)
    if scraper.flavour == "kube-prometheus-stack" and not selector:
        return True
    labels = monitor.get("metadata", "labels")
    if not matches_labels(selector, labels if isinstance(labels, dict) else {}):
        return False
    namespaces = scraper.of_resource(key.replace("Selector", "NamespaceSelector"))
    return isinstance(namespaces, dict) or same_namespace(scraper.namespace, monitor.namespace)


def _agent_selects(scraper: Scraper, monitor: Document) -> bool:
    """Say whether a VMAgent takes up an object, or what its operator makes of one of the Prometheus Operator's."""
    key = victoria.SELECTORS.get(victoria.CONVERTED.get(monitor.kind, monitor.kind))
    if key is None:
        return False
    selector, namespaces = (scraper.of_resource(one) for one in (key, key.replace("Selector", "NamespaceSelector")))
    if selector is None and namespaces is None:
        return scraper.of_resource("selectAllByDefault") is True
    if selector is not None and not matches_labels(selector, labels_in(monitor.get("metadata", "labels"))):
        return False
    return isinstance(namespaces, dict) or same_namespace(scraper.namespace, monitor.namespace)
