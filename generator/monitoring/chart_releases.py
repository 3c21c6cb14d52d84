"""Values as a file, Flux, Argo CD or k3s gives them to a chart."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import NamedTuple

from generator.errors import ValuePath
from generator.intake.document import Document
from generator.monitoring.versions import Version, parse_version


class Installed(NamedTuple):
    """Values, and where they stand in a document.

    ``chart`` is the name of the chart, ``source`` where it comes from, ``release`` and ``namespace`` what is installed
    of it; "" for what isn't said, and None for the version.
    """

    document: Document
    base: ValuePath = ()
    chart: str = ""
    source: str = ""
    version: Version | None = None
    release: str = ""
    namespace: str = ""


def installed_by(document: Document) -> Iterator[Installed]:
    """The values in a document; a document without a kind is a values file."""
    if not document.kind:
        yield Installed(document)
    match document.kind, document.group:
        case "HelmRelease", "helm.toolkit.fluxcd.io":
            yield _of_flux(document)
        case "Application", "argoproj.io":
            yield from _of_argo(document, ("spec",))
        case "ApplicationSet", "argoproj.io":
            yield from _of_argo(document, ("spec", "template", "spec"))
        case (
            ("HelmChart" | "HelmChartConfig"),
            "helm.cattle.io",
        ):  # laid over a HelmChart's values
            yield from _of_k3s(document)


def _of_flux(document: Document) -> Installed:
    namespace = _text(document, "spec", "targetNamespace")
    release = _text(document, "spec", "releaseName") or "-".join(filter(None, (namespace, document.name)))
    reference = ("spec", "chartRef") if document.get("spec", "chartRef") else ("spec", "chart", "spec", "sourceRef")
    return Installed(
        document,
        ("spec", "values"),
        _chart_name(_text(document, "spec", "chart", "spec", "chart") or _text(document, "spec", "chartRef", "name")),
        _text(document, *reference, "name"),
        _chart_version(document.get("spec", "chart", "spec", "version")),
        release,
        namespace or document.namespace,
    )


def _of_argo(document: Document, spec: ValuePath) -> Iterator[Installed]:
    listed = document.get(*spec, "sources")
    places = [("source",), *(("sources", index) for index in range(len(listed) if isinstance(listed, list) else 0))]
    for place in places:
        source: ValuePath = (*spec, *place)
        if not isinstance(document.get(*source), dict):
            continue
        chart = _chart_name(_text(document, *source, "chart"))
        helm: ValuePath = (*source, "helm")
        holder, base = document, (*helm, "valuesObject")
        if document.get(*base) is None:
            inner = document.embedded((*helm, "values"))
            if inner is not None:
                holder, base = inner, ()
        yield Installed(
            holder,
            base,
            chart,
            _text(document, *source, "repoURL"),
            _chart_version(document.get(*source, "targetRevision")) if chart else None,
            _text(document, *helm, "releaseName") or document.name,
            _text(document, *spec, "destination", "namespace"),
        )


def _of_k3s(document: Document) -> Iterator[Installed]:
    inner = document.embedded(("spec", "valuesContent"))
    yield Installed(
        inner or document,
        () if inner else ("spec", "valuesContent"),
        _chart_name(_text(document, "spec", "chart")),
        _text(document, "spec", "repo") or _text(document, "spec", "chart"),
        _chart_version(document.get("spec", "version")),
        document.name,
        # Which namespace the chart goes to, the HelmChart says.
        "" if document.kind == "HelmChartConfig" else _text(document, "spec", "targetNamespace") or document.namespace,
    )


def _text(document: Document, *path: str | int) -> str:
    found = document.get(*path)
    return found if isinstance(found, str) else ""


def _chart_name(text: str) -> str:
    """Give the name in ``prometheus-community/prometheus``, ``./charts/prometheus``, ``oci://.../prometheus``."""
    return posixpath.basename(text.rstrip("/"))


def _chart_version(text: object) -> Version | None:
    """Read ``88.5.3``, ``88.x``, ``^88.1``; None for what leaves even the major version open."""
    if not isinstance(text, str):
        return None
    exact = parse_version(text.lstrip("^~= "))
    if exact is not None:
        return exact
    major = re.fullmatch(r"[v^~= ]*(\d+)(?:\.[xX*])*", text.strip(), re.ASCII)
    return (int(major[1]),) if major else None
