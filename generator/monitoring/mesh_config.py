"""What manifests say of a mesh's configuration."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from generator.intake.document import Document

_PLACES = {
    "IstioOperator": ("spec", "meshConfig"),
    "Istio": ("spec", "values", "meshConfig"),  # of Sail, whose group is sailoperator.io
    "HelmRelease": ("spec", "values", "meshConfig"),
}
_MERGE = "enablePrometheusMerge"


def merges_metrics(documents: Sequence[Document]) -> bool:
    """Say whether the mesh merges metrics, which is the default: one that switches it off says so.

    Source: istio/api ``mesh/v1alpha1/config.proto`` (``enable_prometheus_merge``).
    """
    return all(value is not False for document in documents for value in _settings(document, _MERGE))


def _settings(document: Document, name: str) -> Iterator[object]:
    """The values of a setting: in what installs Istio, in values of its chart, in the ConfigMap that istiod reads."""
    if document.kind == "ConfigMap" and document.name.partition("-")[0] == "istio":
        inner = document.embedded(("data", "mesh"))
        if inner is not None:
            yield inner.get(name)
    elif not document.kind:
        yield document.get("meshConfig", name)
    elif document.kind in _PLACES:
        yield document.get(*_PLACES[document.kind], name)
