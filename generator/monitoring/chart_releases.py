"""Values as a file, Flux, Argo CD or k3s gives them to a chart."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from generator.errors import ValuePath
from generator.intake.document import Document
from generator.monitoring.versions import Version, parse_version


class Reference(NamedTuple):
    """Where what installs a chart takes values from beside those that it holds.

    ``path`` is where the document says so. ``kind`` is `FILE` for a values file, else ``ConfigMap``, ``Secret``, or ""
    for what isn't a chart's values as a whole; ``name`` is the object's, or the file's. Whether it may be missing,
    ``optional`` says.
    """

    path: ValuePath
    kind: str = ""
    name: str = ""
    key: str = ""
    optional: bool = False


class Installed(NamedTuple):
    """Values, and where they stand in a document.

    ``chart`` is the name of the chart, ``source`` where it comes from, ``release`` and ``namespace`` what is installed
    of it; "" for what isn't said, and None for the version. ``named`` says whether ``chart`` is the chart's name, and
    not that of an object which says where to find the chart. ``unread`` is the path in the document of a text that
    holds the values, but can't be read as YAML. ``references`` are other values: those that these are laid over, in
    the order in which they are laid over each other, and those that are laid over these.
    """

    document: Document
    base: ValuePath = ()
    chart: str = ""
    source: str = ""
    version: Version | None = None
    release: str = ""
    namespace: str = ""
    named: bool = True
    unread: ValuePath | None = None
    references: tuple[Reference, ...] = ()


#: The kind of a `Reference` to a values file.
FILE: Final = "file"
_VALUES_KEY = "values.yaml"


def installed_by(document: Document) -> Iterator[Installed]:
    """The values in a document; a document without a kind is a values file."""
    if not document.kind:
        yield Installed(document)
    match document.kind, document.group:
        case "HelmRelease", "helm.toolkit.fluxcd.io":
            yield _of_flux(document)
        case "HelmRelease", "helm.fluxcd.io" | "flux.weave.works":
            yield _of_first_flux(document)
        case "Application", "argoproj.io":
            yield from _of_argo(document, ("spec",), _settled(document.name))
        case "ApplicationSet", "argoproj.io":
            name = _settled(_text(document, "spec", "template", "metadata", "name"))
            yield from _of_argo(document, ("spec", "template", "spec"), name)
        case (
            ("HelmChart" | "HelmChartConfig"),
            "helm.cattle.io",
        ):  # laid over a HelmChart's values
            yield from _of_k3s(document)


def _of_flux(document: Document) -> Installed:
    namespace = _text(document, "spec", "targetNamespace")
    release = _text(document, "spec", "releaseName") or "-".join(filter(None, (namespace, document.name)))
    reference = ("spec", "chartRef") if document.get("spec", "chartRef") else ("spec", "chart", "spec", "sourceRef")
    chart = _text(document, "spec", "chart", "spec", "chart")
    return Installed(
        document,
        ("spec", "values"),
        _chart_name(chart or _text(document, "spec", "chartRef", "name")),
        _text(document, *reference, "name"),
        chart_version(document.get("spec", "chart", "spec", "version")),
        release,
        namespace or document.namespace,
        named=bool(chart),
        references=tuple(_flux_references(document)),
    )


def _of_first_flux(document: Document) -> Installed:
    """What the Helm operator of Flux 1 installs; it names a release after the namespaces too."""
    namespace = _text(document, "spec", "targetNamespace") or document.namespace
    ours = document.namespace if document.namespace != namespace else ""
    made = "-".join(filter(None, (ours, namespace, document.name))) if namespace else ""
    return Installed(
        document,
        ("spec", "values"),
        _chart_name(_text(document, "spec", "chart", "name") or _text(document, "spec", "chart", "path")),
        _text(document, "spec", "chart", "repository") or _text(document, "spec", "chart", "git"),
        chart_version(document.get("spec", "chart", "version")),
        _text(document, "spec", "releaseName") or made,
        namespace,
        references=tuple(_first_flux_references(document)),
    )


def _first_flux_references(document: Document) -> Iterator[Reference]:
    for path, item in _items(document, "spec", "valuesFrom"):
        kind = "ConfigMap" if "configMapKeyRef" in item else "Secret" if "secretKeyRef" in item else ""
        found = item.get("configMapKeyRef") or item.get("secretKeyRef")
        selected: dict[str, Any] = found if isinstance(found, dict) else {}
        elsewhere = selected.get("namespace") not in {None, "", document.namespace}
        name, key = str(selected.get("name") or ""), str(selected.get("key") or _VALUES_KEY)
        yield Reference(path, "" if elsewhere else kind, name, key, selected.get("optional") is True)
    if document.get("spec", "valueFileSecrets"):
        yield Reference(("spec", "valueFileSecrets"))


def _flux_references(document: Document) -> Iterator[Reference]:
    for path, item in _items(document, "spec", "valuesFrom"):
        kind = "" if item.get("targetPath") else str(item.get("kind") or "")
        name, key = str(item.get("name") or ""), str(item.get("valuesKey") or _VALUES_KEY)
        yield Reference(path, kind, name, key, item.get("optional") is True)
    if document.get("spec", "chart", "spec", "valuesFiles"):
        yield Reference(("spec", "chart", "spec", "valuesFiles"))


def _of_argo(document: Document, spec: ValuePath, name: str) -> Iterator[Installed]:
    sources = [(*spec, "source"), *(path for path, _ in _items(document, *spec, "sources"))]
    for source in sources:
        if not isinstance(document.get(*source), dict):
            continue
        chart = _chart_name(_text(document, *source, "chart"))
        helm: ValuePath = (*source, "helm")
        holder, base, unread = document, (*helm, "valuesObject"), None
        if document.get(*base) is None:  # else Argo CD takes no notice of the text
            inner = document.embedded((*helm, "values"))
            unread = None if inner else _unread(document, (*helm, "values"))
            if inner is not None:
                holder, base = inner, ()
        yield Installed(
            holder,
            unread or base,
            chart,
            _text(document, *source, "repoURL"),
            chart_version(document.get(*source, "targetRevision")) if chart else None,
            _settled(_text(document, *helm, "releaseName")) or name,
            _settled(_text(document, *spec, "destination", "namespace")),
            unread=unread,
            references=tuple(_argo_references(document, helm)),
        )


def _argo_references(document: Document, helm: ValuePath) -> Iterator[Reference]:
    optional = document.get(*helm, "ignoreMissingValueFiles") is True
    listed = document.get(*helm, "valueFiles")
    folder = _text(document, *helm[:-1], "path")  # a chart from a repository has its files within
    for index, name in enumerate(listed if isinstance(listed, list) else []):
        here = (folder or str(name).startswith("$")) and "://" not in str(name) and "{{" not in str(name)
        whole = str(name) if str(name).startswith(("$", "/")) else f"{folder}/{name}"
        yield Reference((*helm, "valueFiles", index), FILE if here else "", whole, optional=optional)
    for key in ("parameters", "fileParameters"):
        if document.get(*helm, key):
            yield Reference((*helm, key))


def _of_k3s(document: Document) -> Iterator[Installed]:
    text: ValuePath = ("spec", "valuesContent")
    inner = document.embedded(text, blank=True)
    yield Installed(
        inner or document,
        () if inner else text,
        _chart_name(_text(document, "spec", "chart")),
        _text(document, "spec", "repo") or _text(document, "spec", "chart"),
        chart_version(document.get("spec", "version")),
        document.name,
        # Which namespace the chart goes to, the HelmChart says.
        "" if document.kind == "HelmChartConfig" else _text(document, "spec", "targetNamespace") or document.namespace,
        unread=None if inner else text,
        references=tuple(Reference(("spec", key)) for key in ("set", "valuesSecrets") if document.get("spec", key)),
    )


def _unread(document: Document, path: ValuePath) -> ValuePath | None:
    """Give the path of a text where it holds more than comments."""
    lines = _text(document, *path).splitlines()
    return path if any(line.strip() and not line.lstrip().startswith("#") for line in lines) else None


def _items(document: Document, *path: str | int) -> Iterator[tuple[ValuePath, dict[str, Any]]]:
    listed = document.get(*path)
    for index, item in enumerate(listed if isinstance(listed, list) else []):
        if isinstance(item, dict):
            yield (*path, index), item


def _settled(text: str) -> str:
    """Give a text unless an ApplicationSet has still to fill something in."""
    return "" if "{{" in text else text


def _text(document: Document, *path: str | int) -> str:
    found = document.get(*path)
    return found if isinstance(found, str) else ""


def _chart_name(text: str) -> str:
    """Give the name in ``prometheus-community/prometheus``, ``./charts/prometheus``, ``oci://.../prometheus``."""
    return posixpath.basename(text.rstrip("/"))


def chart_version(text: object) -> Version | None:
    """Read ``88.5.3``, ``88.x``, ``^88.1``; None for what leaves even the major version open."""
    if not isinstance(text, str):
        return None
    exact = parse_version(text.lstrip("^~= "))
    if exact is not None:
        return exact
    major = re.fullmatch(r"[v^~= ]*(\d+)(?:\.[xX*])*", text.strip(), re.ASCII)
    return (int(major[1]),) if major else None
