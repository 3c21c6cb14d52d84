"""Objects that the API server can't tell what they are."""

from __future__ import annotations

from collections.abc import Iterator

from generator.doctor.rule import Fix, Found, rule
from generator.doctor.rules.examples import OPERATOR, but
from generator.fields import unknown_fields
from generator.fields.table import kinds
from generator.intake.document import Document
from generator.monitoring import Edit, Setup

_VERSIONS = {"PrometheusAgent": "v1alpha1", "ScrapeConfig": "v1alpha1"}
_ISTIO = ".istio.io"
_ISTIO_V1_SINCE = (1, 22)


@rule(
    "object-without-api-version",
    title="An object has no apiVersion",
    severity="error",
    stage="manifest",
    why="""
        Nothing without `apiVersion` is an object: `kubectl apply` refuses it (`apiVersion not set`), and so do Helm and
        GitOps tools. What the rest of it says is judged once it has one.
        """,
    sources=["Kubernetes, Objects: required fields"],
    wrong=but(OPERATOR, ("apiVersion: monitoring.coreos.com/v1\nkind: PodMonitor", "kind: PodMonitor")),
)
def object_without_api_version(setup: Setup) -> Iterator[Found]:
    """Look at the kinds that sidecert knows; of a misspelt one unknown-field tells."""
    for document in setup.documents:
        group = kinds().get(document.kind)
        if group is None or document.tree.get("apiVersion") is not None or document.outer is not None:
            continue
        if any(one.nearest == "apiVersion" for one in unknown_fields(document.tree)):
            continue
        version = _version(setup, document, group)
        fix = Fix(f"it is {version}, mostly", (Edit(document, ("apiVersion",), version),))
        place = ("apiVersion",) if "apiVersion" in document.tree else ("kind",)
        yield Found(document, place, "apiVersion is missing", fix, None, str(document))


def _version(setup: Setup, document: Document, group: str) -> str:
    version = _VERSIONS.get(document.kind, "v1")
    if group.endswith(_ISTIO) and setup.settings.istio < _ISTIO_V1_SINCE:
        version = "v1beta1"
    return f"{group}/{version}" if group else version
