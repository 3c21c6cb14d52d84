"""Whom Sidecars, PeerAuthentications and Services select."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from generator.doctor.rule import Fix, Found, Severity, rule
from generator.doctor.rules.examples import OPERATOR, PLAIN, but
from generator.doctor.rules.mesh import DISABLE, SIDECAR
from generator.doctor.rules.policies import (
    SELECTORS,
    Misplaced,
    Subject,
    fits,
    hides_labels,
    hosts_of,
    misplaced_selectors,
    port_modes,
    resources,
    selected,
    stable_labels,
    subjects,
)
from generator.errors import dotted
from generator.intake.document import Document
from generator.monitoring import Edit, Scraper, Setup
from generator.monitoring.edits import REMOVE
from generator.monitoring.labels import labels_in

_KINDS = ("Sidecar", "PeerAuthentication")
_OLD_LABELS_BEFORE = (2, 30)


@rule(
    "mesh-selector-misspelt",
    title="The selector is another kind's or misplaced, so the resource is for the whole namespace",
    severity="error",
    stage="selection",
    why="""
        A Sidecar selects by `workloadSelector.labels`, a PeerAuthentication by `selector.matchLabels`, right below
        `spec`. A field of the other kind, or one that is indented too far (into `mtls`, into an item of `egress`) or
        too little, is dropped by the API server, or refused by a careful `kubectl apply`. Dropped, it leaves a
        resource without selector: it applies to every workload of the namespace, which then sees one host only, or
        takes no mutual TLS.
        """,
    sources=["istio Sidecar API", "istio PeerAuthentication API"],
    wrong=PLAIN + SIDECAR.replace("workloadSelector:\n    labels:", "selector:\n    matchLabels:"),
)
def mesh_selector_misspelt(setup: Setup) -> Iterator[Found]:
    """Look for selectors that the kind doesn't have, where it has none that counts."""
    for kind in _KINDS:
        for document in resources(setup, kind):
            misplaced = misplaced_selectors(document)
            if misplaced:
                first = misplaced[0]
                right = ".".join(map(str, SELECTORS[kind][1:]))
                same = all(one.labels == first.labels for one in misplaced)  # else nothing says whose pods are meant
                edits = (
                    (*_taken_out(document, misplaced), Edit(document, SELECTORS[kind], first.labels)) if same else ()
                )
                yield Found(document, first.path, _told(kind, first, right), Fix(f"write {right} in spec", edits))


def _taken_out(document: Document, misplaced: list[Misplaced]) -> list[Edit]:
    """Say how to take the selectors out; of one that has the right name goes what no selector of its kind has."""
    right = SELECTORS[document.kind][:2]
    return [Edit(document, (*one.path, one.inner) if one.path == right else one.path, REMOVE) for one in misplaced]


def _told(kind: str, wrong: Misplaced, right: str) -> str:
    *outer, field = wrong.path
    if outer == ["spec"]:
        return f"{field}.{wrong.inner} is no field of a {kind}; it selects by {right}"
    where = f"in {dotted(tuple(outer))}" if outer else "beside spec"
    return f"{field}.{wrong.inner} stands {where}; a {kind} selects by {right} in spec"


@rule(
    "mesh-selector-empty",
    title="A selector without labels applies to the whole namespace",
    severity="warning",
    stage="selection",
    why="""
        A Sidecar or PeerAuthentication whose selector names no label applies to every workload of its namespace, in
        the root namespace to the whole mesh. Istio warns, and takes it. If that is meant, leave the selector out; else
        name labels of the pod.
        """,
    sources=["istio `pkg/config/validation/validation.go`"],
    wrong=PLAIN + but(DISABLE, ("    matchLabels:\n      app: prometheus\n", "    matchLabels: {}\n")),
)
def mesh_selector_empty(setup: Setup) -> Iterator[Found]:
    """Look for the field with nothing in it; one that something stands in by mistake is told already."""
    for kind in _KINDS:
        for document in resources(setup, kind):
            field = SELECTORS[kind][1]
            spec = document.get("spec")
            if not isinstance(spec, dict) or field not in spec or selected(document) or port_modes(document):
                continue
            if misplaced_selectors(document):
                continue
            found = f"{field} names no label, so it is for all of {document.namespace or 'its namespace'}"
            own = _for(setup, document)
            labels = stable_labels(own) if own is not None else {}
            edits = (Edit(document, SELECTORS[kind], labels),) if labels else ()
            yield Found(document, ("spec", field), found, Fix("name labels of the pod", edits))


def _for(setup: Setup, document: Document) -> Scraper | None:
    """Give the scraper that a resource is made for: the only one in its namespace, and the names say so."""
    near = [one for one in setup.scrapers if document.namespace and one.namespace == document.namespace]
    near = [one for one in near if one.flavour in {"operator", "workload"}]
    if len(near) != 1:
        return None
    named = "prometheus" in document.name or document.name == near[0].name
    return near[0] if named else None


@rule(
    "made-for-prometheus-selects-nothing",
    title="A resource that is made for Prometheus selects no pod",
    severity="warning",
    stage="selection",
    why="""
        Guides select `app: prometheus`. The pods of the Prometheus Operator have other labels:
        `app.kubernetes.io/name: prometheus` (of an agent: `prometheus-agent`) and
        `operator.prometheus.io/name: <name of the resource>`. A Sidecar, a PeerAuthentication or a Service whose
        selector fits no pod does nothing, without an error.
        """,
    sources=["prometheus-operator `pkg/prometheus/common.go`", "istio Sidecar API"],
    wrong=OPERATOR + SIDECAR,
)
def made_for_prometheus_selects_nothing(setup: Setup) -> Iterator[Found]:
    """Look at resources whose name or labels say Prometheus, in the namespace of one scraper."""
    pods: dict[str, list[Subject]] = {}
    for subject in subjects(setup):
        pods.setdefault(subject.namespace, []).append(subject)
    for kind in _KINDS:
        for document in resources(setup, kind):
            labels = selected(document)
            own = _missed(setup, pods, document, labels)
            if own is None or not _is_of_the_pattern(document):
                continue
            edits = (Edit(document, SELECTORS[kind], stable_labels(own)),)
            yield Found(document, SELECTORS[kind], _says(own, labels), Fix("select the pod's labels", edits))
    for document in setup.of_kind("Service", group=""):
        labels = labels_in(document.get("spec", "selector"))
        own = _missed(setup, pods, document, labels)
        if own is None or not _is_its_service(own, document):
            continue
        edits = (Edit(document, ("spec", "selector"), stable_labels(own)),)
        found = _says(own, labels)
        governing = own.document.get("spec", "serviceName") == document.name
        severity: Severity = (
            "warning" if governing or own.flavour == "operator" or own.name == document.name else "info"
        )
        yield Found(document, ("spec", "selector"), found, Fix("select the pod's labels", edits), severity)


def _says(scraper: Scraper, labels: Mapping[str, str]) -> str:
    missing = [f"{key}: {value}" for key, value in labels.items() if scraper.pod.labels.get(key) != value]
    has = ", ".join(f"{key}: {value}" for key, value in stable_labels(scraper).items())
    return f"no pod has {', '.join(missing)}; the pod of {scraper} has {has or 'no labels'}"


def _missed(
    setup: Setup, pods: Mapping[str, Sequence[Subject]], document: Document, labels: Mapping[str, str]
) -> Scraper | None:
    """Give the scraper that a selector is meant for if it surely fits neither its pod nor another one.

    ``pods`` are all there are, by namespace.
    """
    if not labels or not document.namespace or hides_labels(setup, document.namespace):
        return None
    there = pods.get(document.namespace, ())
    near = [one.scraper for one in there if one.scraper]
    if "" in pods or len(near) != 1 or near[0].flavour not in {"operator", "workload"} or near[0].is_bare:
        return None
    if any(fits(labels, one.pod.labels) for one in there):
        return None
    own = near[0]
    # The operator gave its pods the label app: prometheus until 2021.
    old = own.flavour == "operator" and own.version is not None and own.version < _OLD_LABELS_BEFORE
    names = {document.name, *labels.values()}
    meant = any("prometheus" in name and not _is_anothers(name) for name in names) or own.name in names
    return own if meant and not old and not any(map(_is_anothers, names)) and stable_labels(own) else None


def _is_anothers(name: str) -> bool:
    others = ("operator", "alertmanager", "pushgateway", "exporter", "adapter", "thanos", "grafana", "state-metrics")
    return any(other in name for other in others)


def _is_of_the_pattern(document: Document) -> bool:
    """Whether a resource says what the pattern needs: one host, or no mutual TLS."""
    if document.kind == "Sidecar":
        hosts = [host for _, host in hosts_of(document)]
        return len(hosts) == 1
    return document.get("spec", "mtls", "mode") == "DISABLE" or bool(port_modes(document))


def _is_its_service(scraper: Scraper, document: Document) -> bool:
    """Whether a Service leads to Prometheus' port, or governs its StatefulSet."""
    if scraper.document.get("spec", "serviceName") == document.name:
        return True
    listed = document.get("spec", "ports")
    ports = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    return any(9090 in (one.get("port"), one.get("targetPort")) for one in ports)
