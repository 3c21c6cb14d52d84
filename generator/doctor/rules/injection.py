"""Whether Istio's webhook adds a proxy at all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from generator.doctor.rule import Fix, Found, Severity, rule
from generator.doctor.rules.examples import PLAIN, but
from generator.doctor.rules.spoiling import INJECT
from generator.doctor.rules.views import (
    annotate,
    annotation,
    by_hand,
    can_be_edited,
    existing,
    has_own_certificates,
    is_injected_already,
    label,
)
from generator.errors import ValuePath
from generator.injection.annotations import INJECT as KEY
from generator.injection.annotations import REVISION
from generator.intake.document import Document
from generator.monitoring import Edit, Scraper, Setup
from generator.monitoring.edits import REMOVE

_NAMESPACE_LABEL = "istio-injection"
_LABELLED = """\
apiVersion: v1
kind: Namespace
metadata:
  name: monitoring
  labels:
    istio-injection: enabled
---
"""
_YES = {"y", "yes", "true", "on"}


def namespace_of(setup: Setup, scraper: Scraper) -> Document | None:
    """Give the Namespace that a scraper runs in, where it is among the documents."""
    name = scraper.namespace
    return next(iter(setup.named("Namespace", name)), None) if name else None


def _labels(namespace: Document | None) -> dict[str, Any]:
    found = namespace.get("metadata", "labels") if namespace else None
    return found if isinstance(found, dict) else {}


def _says_yes(scraper: Scraper) -> bool:
    return scraper.pod.annotations.get(KEY, "").lower() in _YES


def _to_label(scraper: Scraper) -> tuple[Edit, ...]:
    """Ask for injection by label; the annotation, which says the same or the contrary, goes."""
    edits = [scraper.pod.set(("metadata", "labels", KEY), "true")]
    if KEY in scraper.pod.annotations:
        edits.append(annotate(scraper, KEY, REMOVE))
    return tuple(edits) if can_be_edited(scraper) else ()


@rule(
    "injection-off",
    title="The pod is meant to have a proxy, but injection is off",
    severity="error",
    stage="injection",
    why="""
        The annotations of the pattern speak to a proxy that Istio's webhook adds. It adds none to a pod whose **label**
        `sidecar.istio.io/inject` is `"false"`, to a pod without that label in a namespace that isn't labelled, in a
        namespace with `istio-injection: disabled`, or to a pod on the host's network. Then nobody writes certificates.
        """,
    since="Istio 1.9 (label)",
    sources=["istio `pkg/kube/inject/inject.go`", "istio `mutatingwebhook.yaml`"],
    wrong=but(PLAIN, (INJECT, '        sidecar.istio.io/inject: "false"\n')),
)
def injection_off(setup: Setup) -> Iterator[Found]:
    """Look at what decides on injection, where the pod asks for what only a proxy does."""
    for scraper in setup.scrapers:
        if not setup.wants_injection(scraper) or by_hand(scraper) or is_injected_already(scraper):
            continue
        injection = setup.injection(scraper)
        if injection.injected and not injection.certain:
            yield from _not_labelled(setup, scraper)
            continue
        if injection.injected or not injection.certain:
            continue
        off = scraper.pod.labels.get(KEY)
        if off is not None and _says_yes(scraper):
            continue  # which `inject-label-beats-annotation` tells
        found = f"no proxy is injected: {injection.reason}"
        place, fix = _why_off(scraper)
        yield Found(scraper.document, existing(scraper.document, place), found, fix)


def _why_off(scraper: Scraper) -> tuple[ValuePath, Fix]:
    """Say where the manifest keeps the proxy away, and what to do."""
    if scraper.pod.get("spec", "hostNetwork") is True:
        fix = Fix("run Prometheus in the pod's own network, or without Istio's certificates")
        return scraper.pod.where("spec", "hostNetwork"), fix
    asks = Fix("ask for injection by the label", _to_label(scraper))
    if scraper.pod.labels.get(KEY, "true") != "true":
        return label(scraper, KEY), asks
    if not _says_yes(scraper) and KEY in scraper.pod.annotations:
        edits = (annotate(scraper, KEY, REMOVE), *asks.edits[:1])
        return annotation(scraper, KEY), Fix("ask for injection by the label", edits if asks.edits else ())
    return scraper.pod.where("metadata"), Fix("run Prometheus in a namespace that allows injection")


def _not_labelled(setup: Setup, scraper: Scraper) -> Iterator[Found]:
    """Tell of a pod without label in a namespace without one: its annotations alone don't call the webhook."""
    namespace = namespace_of(setup, scraper)
    if namespace is None or KEY in scraper.pod.annotations:
        return
    found = f"neither the pod nor the namespace {namespace.name} has a label that asks for injection"
    place = existing(scraper.document, scraper.pod.where("metadata", "labels"))
    yield Found(scraper.document, place, found, Fix("ask for injection by the label", _to_label(scraper)))


@rule(
    "inject-label-beats-annotation",
    title="The label switches injection off, whatever the annotation says",
    severity="error",
    stage="injection",
    since="Istio 1.9",
    why="""
        The webhook doesn't even see a pod whose label `sidecar.istio.io/inject` is `"false"` (since 1.9), and where it
        does the injector prefers the label to the annotation (since 1.12). The annotation `"true"` beside it changes
        nothing: no proxy, no certificates.
        """,
    sources=["istio 1.12 `pkg/kube/inject/inject.go`", "istio 1.9 `mutatingwebhook.yaml`"],
    wrong=but(
        PLAIN,
        (INJECT, '        sidecar.istio.io/inject: "false"\n'),
        ("      annotations:\n", '      annotations:\n        sidecar.istio.io/inject: "true"\n'),
    ),
)
def inject_label_beats_annotation(setup: Setup) -> Iterator[Found]:
    """Compare the label with the annotation of the same name."""
    for scraper in setup.scrapers:
        injection = setup.injection(scraper)
        off = scraper.pod.labels.get(KEY)
        if injection.injected or off is None or off.lower() in _YES or not _says_yes(scraper) or by_hand(scraper):
            continue
        fix = Fix("ask for injection by the label, and drop the annotation", _to_label(scraper))
        found = f'the label is "{off}", the annotation "{scraper.pod.annotations[KEY]}"'
        severity: Severity = "error" if has_own_certificates(setup, scraper) else "warning"
        yield Found(scraper.document, label(scraper, KEY), found, fix, severity)


@rule(
    "inject-by-annotation",
    title="Injection is asked for or refused by an annotation, where a label belongs",
    severity="info",
    stage="injection",
    since="Istio 1.9",
    why="""
        The annotation `sidecar.istio.io/inject` is deprecated. The API server shows a pod to the webhook by labels: the
        namespace's, or the pod's own. In a namespace without an injection label the annotation alone does nothing.
        `"false"`, beside a proxy that the manifest has itself, does keep a second one away; the label says it in the
        form that stays, and the API server doesn't even show the pod to the webhook.
        """,
    sources=["istio API `annotation/annotations.yaml`", "istio `mutatingwebhook.yaml`"],
    wrong=but(PLAIN, (INJECT, ""), ("      annotations:\n", f"      annotations:\n{INJECT}")),
)
def inject_by_annotation(setup: Setup) -> Iterator[Found]:
    """Look at the annotation of pods without the label."""
    for scraper in setup.scrapers:
        labels = scraper.pod.labels
        told = {KEY, REVISION} & labels.keys()
        if told or is_injected_already(scraper) or setup.settings.istio < (1, 9):
            continue
        if by_hand(scraper):
            yield from _refused_by_annotation(scraper)
            continue
        if not _says_yes(scraper):
            continue
        namespace = namespace_of(setup, scraper)
        own = _labels(namespace)
        if own.get(_NAMESPACE_LABEL) == "enabled" or own.get(REVISION):
            continue
        lost = namespace is not None and has_own_certificates(setup, scraper)
        found = "injection is asked for by the annotation alone"
        if namespace is not None:
            found += f", and the namespace {namespace.name} has no injection label"
        fix = Fix("use the label", _to_label(scraper))
        yield Found(scraper.document, annotation(scraper, KEY), found, fix, "error" if lost else "info")


def _refused_by_annotation(scraper: Scraper) -> Iterator[Found]:
    """Tell of a pod with a proxy of its own that keeps the webhook's away as was done before there was a label."""
    if scraper.pod.annotations.get(KEY) and not _says_yes(scraper):
        edits = (scraper.pod.set(("metadata", "labels", KEY), "false"), annotate(scraper, KEY, REMOVE))
        fix = Fix("use the label", edits if can_be_edited(scraper) else ())
        yield Found(scraper.document, annotation(scraper, KEY), "injection is refused by the annotation alone", fix)


@rule(
    "revision-label-ignored",
    title="The pod's revision doesn't count in a labelled namespace",
    severity="warning",
    stage="injection",
    since="Istio 1.9",
    why="""
        A pod's label `istio.io/rev` chooses the control plane only where the namespace has neither `istio-injection`
        nor `istio.io/rev`. A label of the namespace wins, so another revision injects than the pod says.
        """,
    sources=["istio `mutatingwebhook.yaml`"],
    wrong=_LABELLED + but(PLAIN, (INJECT, f"{INJECT}        istio.io/rev: canary\n")),
)
def revision_label_ignored(setup: Setup) -> Iterator[Found]:
    """Compare the pod's revision with its namespace's labels."""
    for scraper in setup.scrapers:
        revision = scraper.pod.labels.get(REVISION)
        own = _labels(namespace_of(setup, scraper))
        injecting = own.get(_NAMESPACE_LABEL) == "enabled"
        theirs = "" if injecting else str(own.get(REVISION) or "")
        if not revision or revision == theirs or not (injecting or theirs) or (injecting and revision == "default"):
            continue
        by = f"{REVISION}: {theirs}" if theirs else f"{_NAMESPACE_LABEL}: enabled"
        found = f"the pod says {revision}, but the namespace has {by}, which wins"
        fix = Fix(f"take {REVISION} from the pod, or give the namespace's label that revision")
        yield Found(scraper.document, label(scraper, REVISION), found, fix)


@rule(
    "inject-label-in-selector",
    title="The workload selects its pods by a label that steers Istio",
    severity="warning",
    stage="injection",
    why="""
        A workload's selector can't be changed. A label that is shared with it (often through a YAML anchor) can't be
        changed either: `kubectl apply` is refused as soon as the label comes in, goes or gets another value. Select by
        labels that name the application.
        """,
    sources=["Kubernetes, Labels and Selectors", "Kubernetes API `apps/v1` selector"],
    wrong=but(PLAIN, ("      app: prometheus\n  template", f"      app: prometheus\n{INJECT[2:]}  template")),
)
def inject_label_in_selector(setup: Setup) -> Iterator[Found]:
    """Look at the selectors of workloads."""
    for scraper in setup.scrapers:
        if scraper.flavour != "workload":
            continue
        path: ValuePath = ("spec", "selector", "matchLabels")
        found = scraper.document.get(*path)
        for key in (KEY, REVISION, "security.istio.io/tlsMode"):
            if isinstance(found, dict) and key in found:
                fix = Fix("select by labels of the application alone; a workload that exists has to be made anew")
                says = f"the selector has {key}, which can't be changed"
                yield Found(scraper.document, (*path, key), says, fix)
