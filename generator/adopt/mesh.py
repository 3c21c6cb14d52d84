"""What the mesh is told of a foreign Prometheus: our Sidecar or PeerAuthentication, for its labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from generator.adopt.rendered import Part, Rendered
from generator.errors import ValuePath
from generator.intake.document import as_map
from generator.monitoring import Scraper, Setup
from generator.monitoring.labels import matches_labels, same_namespace
from generator.monitoring.pattern import INJECT

# Where each kind selects pods.
_SELECTORS: Mapping[str, ValuePath] = {
    "Sidecar": ("spec", "workloadSelector", "labels"),
    "PeerAuthentication": ("spec", "selector", "matchLabels"),
}
_OPERATORS = ("app.kubernetes.io/name", "operator.prometheus.io/name")


def mesh_parts(setup: Setup, scraper: Scraper, rendered: Rendered) -> Iterator[Part]:
    """The resources that the mesh lacks: those of a kind of which one selects the pod already are left out."""
    for part in rendered.mesh:
        kind = part.tree["kind"]
        place = _SELECTORS[kind]
        if any(_selects(setup, scraper, one.get(*place), one.namespace) for one in setup.of_kind(kind)):
            continue
        metadata = {"name": f"{scraper.name}-istio-certs"}
        if scraper.namespace:
            metadata["namespace"] = scraper.namespace
        tree = {**part.tree, "metadata": metadata, "spec": _with(part.tree["spec"], place[1:], telling_labels(scraper))}
        yield part._replace(tree=tree)


def _selects(_setup: Setup, scraper: Scraper, labels: object, namespace: str) -> bool:
    if not isinstance(labels, dict) or not labels or not same_namespace(namespace, scraper.namespace):
        return False
    return matches_labels({"matchLabels": labels}, scraper.pod.labels)


def _with(tree: Mapping[str, Any], path: ValuePath, value: object) -> dict[str, Any]:
    inner = value if len(path) == 1 else _with(as_map(tree.get(str(path[0]))), path[1:], value)
    return {**tree, str(path[0]): inner}


def telling_labels(scraper: Scraper) -> dict[str, str]:
    """Give labels of a scraper's pods that no others have, as far as that can be told.

    Of a workload they are what its selector asks for. An operator's pods have its resource's name; of a chart's, whose
    names hang on a release, the label that has them injected tells them from those of others.
    """
    labels = scraper.pod.labels
    if scraper.flavour == "workload":
        wanted = as_map(scraper.document.get("spec", "selector", "matchLabels"))
        found = {key: value for key, value in wanted.items() if labels.get(key) == value}
        return found or {key: value for key, value in labels.items() if not key.endswith(("pod-template-hash", "/rev"))}
    own = {key: labels[key] for key in (*_OPERATORS, "app.kubernetes.io/instance") if key in labels}
    if scraper.flavour == "prometheus-chart" and _OPERATORS[0] not in labels:  # an old one's
        return {key: labels[key] for key in ("app", "component", "release") if key in labels} | {INJECT: "true"}
    if scraper.flavour != "operator":
        own |= {"app.kubernetes.io/name": labels.get("app.kubernetes.io/name", "prometheus"), INJECT: "true"}
    if scraper.flavour == "operator" and _OPERATORS[1] in own:
        own.pop("app.kubernetes.io/instance", None)
    return own
