"""Fields that don't exist: misspelt, in the wrong place, or holding the wrong sort of value.

The API server drops or refuses them, Prometheus refuses them, and metrics are lost. Only what is certain is told: a
field that our table doesn't know and that resembles none of it may be newer than the table.

    table       the known fields, read from the texts beside it
    types       which sorts of values are refused where another one is wanted
    near        which known name a misspelt one is meant to be
    slips       what is meant by a field that doesn't exist where it stands
    walk        the walk over a tree
    found       what it finds
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from generator.fields.found import Unknown

__all__ = [
    "Unknown",
    "unknown_fields",
    "unknown_in_pod_spec",
    "unknown_in_prometheus_configuration",
    "unknown_in_prometheus_spec",
    "unknown_in_scrape_config",
]

# What the chart kube-prometheus-stack has in `prometheusSpec` in a form of its own, beside the resource's fields.
_CHART_FIELDS = """
    image thanosImage podAntiAffinity podAntiAffinityTopologyKey storageSpec additionalScrapeConfigs
    additionalScrapeConfigsSecret additionalAlertManagerConfigs additionalAlertManagerConfigsSecret
    additionalAlertRelabelConfigs additionalAlertRelabelConfigsSecret additionalPrometheusSecretsAnnotations
    additionalRemoteRead additionalRemoteWrite ignoreNamespaceSelectors additionalConfig additionalConfigString
"""
_OF_CHART = frozenset(_CHART_FIELDS.split())


def unknown_fields(tree: Mapping[str, Any]) -> list[Unknown]:
    """Find the fields of a Kubernetes object that don't exist, in the object's order.

    Takes the whole object, or a list of them; paths begin at its root. Gives ``[]`` for kinds that aren't known. What a
    Secret holds is not told.
    """
    from generator.fields.near import same_letters
    from generator.fields.table import kinds, table_for
    from generator.fields.walk import walked

    kind = tree.get("kind", tree.get(same_letters("kind", tree)))
    if not isinstance(kind, str):
        return []
    items = tree.get("items")
    if kind.endswith("List") and isinstance(items, list):
        return [
            found._replace(path=("items", number, *found.path))
            for number, item in enumerate(items)
            if isinstance(item, dict)
            for found in unknown_fields(item)
        ]
    version = tree.get("apiVersion")
    group = version.rpartition("/")[0] if isinstance(version, str) else kinds().get(kind)
    known = None if group is None else table_for(group, kind)
    found = [] if known is None else walked(tree, *known)
    return found if kind != "Secret" else [one._replace(found=_sort_of(one.found)) for one in found]


def unknown_in_pod_spec(spec: Mapping[str, Any]) -> list[Unknown]:
    """Find the fields of a pod's ``spec`` that don't exist; paths begin at the spec."""
    return _walked(spec, "core", "PodSpec")


def unknown_in_prometheus_spec(spec: Mapping[str, Any], *, of_chart: bool = False) -> list[Unknown]:
    """Find the fields of a Prometheus resource's ``spec`` that don't exist; paths begin at the spec.

    ``of_chart`` says that it is ``prometheus.prometheusSpec`` of the values of kube-prometheus-stack: the fields that
    the chart has in a form of its own are passed over.
    """
    return _walked(spec, "operator", "PrometheusSpec", _OF_CHART if of_chart else frozenset())


def unknown_in_prometheus_configuration(config: Mapping[str, Any]) -> list[Unknown]:
    """Find the fields of a parsed prometheus.yml that don't exist; paths begin at its root."""
    return _walked(config, "prometheus", "Configuration")


def unknown_in_scrape_config(job: Mapping[str, Any]) -> list[Unknown]:
    """Find the fields of one item of ``scrape_configs`` that don't exist; paths begin at the item."""
    return _walked(job, "prometheus", "Job")


def _sort_of(words: str) -> str:
    """Leave the value out of the words for it: ``a number`` for ``the number 3``."""
    return f"a {words.split()[1]}" if words.startswith("the ") else words


def _walked(tree: Mapping[str, Any], text: str, kind: str, passed: frozenset[str] = frozenset()) -> list[Unknown]:
    from generator.fields.table import table_of
    from generator.fields.walk import walked

    return walked(tree, table_of(text), kind, passed)
