"""Which Prometheus takes up which monitor, and what a monitor selects."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from difflib import SequenceMatcher
from typing import Any, NamedTuple

from generator.doctor.rule import Fix, Found, Severity, rule
from generator.doctor.rules.examples import OPERATOR, WEB, but
from generator.doctor.rules.policies import fits, subjects
from generator.doctor.rules.views import existing
from generator.errors import ValuePath
from generator.intake.document import Document
from generator.monitoring import Edit, Scraper, Setup
from generator.monitoring.labels import labels_in, matches_labels
from generator.monitoring.scrape import MONITORS

_FIELDS = {
    "ServiceMonitor": "serviceMonitor",
    "PodMonitor": "podMonitor",
    "Probe": "probe",
    "ScrapeConfig": "scrapeConfig",
}
_NAME_LABEL = "kubernetes.io/metadata.name"
# Keys by which things are called; one is often written for another.
_NAMES = {"app", "app.kubernetes.io/name", "k8s-app", "name", "app.kubernetes.io/instance", "component"}
_NEAR = 0.86


def monitors(setup: Setup) -> list[Document]:
    """Every monitor of the operator's."""
    return setup.of_kind(*MONITORS, group="monitoring.coreos.com")


class Refusal(NamedTuple):
    """Why a Prometheus doesn't take a monitor up: ``labels``, ``namespace`` or ``nothing`` (it selects none)."""

    by: str
    scraper: Scraper
    field: str
    selector: Any


def refusal(setup: Setup, scraper: Scraper, monitor: Document) -> Refusal | None:
    """Say why a scraper surely doesn't take up a monitor; None where it does, or may."""
    name = _FIELDS[monitor.kind]
    field = f"{name}Selector"
    selector = scraper.of_resource(field)
    if selector is not None and not isinstance(selector, Mapping):
        return None  # which the API server refuses
    if not matches_labels(selector, labels_in(monitor.get("metadata", "labels"))):
        return Refusal("nothing" if selector is None else "labels", scraper, field, selector)
    field = f"{name}NamespaceSelector"
    spaces = scraper.of_resource(field)
    if spaces is None:
        other = scraper.namespace and monitor.namespace and scraper.namespace != monitor.namespace
        return Refusal("namespace", scraper, field, None) if other else None
    known = _labels_of_namespace(setup, monitor.namespace, spaces)
    return (
        Refusal("namespace", scraper, field, spaces)
        if known is not None and not matches_labels(spaces, known)
        else None
    )


def _labels_of_namespace(setup: Setup, name: str, selector: object) -> dict[str, str] | None:
    """Give a namespace's labels as far as the selector needs them; None where they aren't known."""
    if not name:
        return None
    for one in setup.named("Namespace", name):
        return {**labels_in(one.get("metadata", "labels")), _NAME_LABEL: name}
    wanted = selector if isinstance(selector, Mapping) else {}
    keys = {*labels_in(wanted.get("matchLabels"))}
    keys |= {str(rule.get("key")) for rule in wanted.get("matchExpressions") or [] if isinstance(rule, Mapping)}
    return {_NAME_LABEL: name} if keys <= {_NAME_LABEL} else None


@rule(
    "monitor-not-selected",
    title="No Prometheus among the files takes the monitor up",
    severity="warning",
    stage="selection",
    why="""
        A Prometheus resource takes up the monitors whose labels its `podMonitorSelector` (and the like) fits, in the
        namespaces that its `podMonitorNamespaceSelector` fits. Without the first it takes none; without the second,
        those of its own namespace alone. `{}` fits everything. Nothing is logged for a monitor that nobody takes up.
        """,
    sources=["prometheus-operator `pkg/apis/monitoring/v1/prometheus_types.go`"],
    wrong=but(OPERATOR, ("  podMonitorSelector: {}\n", "  podMonitorSelector:\n    matchLabels:\n      team: web\n")),
)
def monitor_not_selected(setup: Setup) -> Iterator[Found]:
    """Ask every Prometheus why it leaves a monitor out; where a chart's is among them it may be that one's."""
    scrapers = [one for one in setup.scrapers if one.resource is not None or one.flavour == "prometheus-chart"]
    operated = [one for one in scrapers if one.flavour == "operator" and one.product == "prometheus"]
    if not operated or len(operated) < len(scrapers):
        return
    for monitor in monitors(setup):
        reasons = [refusal(setup, scraper, monitor) for scraper in operated]
        if any(reason is None for reason in reasons):
            continue
        # One that is in the same namespace, and then one that the monitor's labels fit but for one, says most.
        found = [one for one in reasons if one is not None]
        nearest = min(found, key=lambda one: _distance(one, monitor))
        says, path, fix = _told(nearest, monitor)
        yield Found(monitor, existing(monitor, path), says, fix, _severity(setup, monitor, operated))


def _distance(reason: Refusal, monitor: Document) -> tuple[bool, int]:
    return reason.scraper.namespace != monitor.namespace, ["namespace", "labels", "nothing"].index(reason.by)


def _severity(setup: Setup, monitor: Document, scrapers: list[Scraper]) -> Severity:
    """A warning where the monitor is plainly for one of these, by its scrape class or its namespace."""
    named = monitor.get("spec", "scrapeClass")
    classes = {one.name for scraper in scrapers for one in setup.classes(scraper)}
    near = any(scraper.namespace == monitor.namespace for scraper in scrapers)
    return "warning" if near or str(named) in classes else "info"


def _told(reason: Refusal, monitor: Document) -> tuple[str, ValuePath, Fix]:
    scraper, field = reason.scraper, reason.field
    if reason.by == "nothing":
        fix = Fix(f"let {scraper} select monitors", yaml=f"{field}: {{}}")
        return f"{scraper} has no {field}, so it takes up none", ("metadata", "name"), fix
    if reason.by == "namespace":
        which = "its own namespace alone" if reason.selector is None else "other namespaces"
        says = f"{scraper} takes up monitors of {which}, and this one is in {monitor.namespace or 'another'}"
        return says, ("metadata", "namespace"), Fix(f"let {scraper} look there too", yaml=f"{field}: {{}}")
    wanted = labels_in(reason.selector.get("matchLabels"))
    own = labels_in(monitor.get("metadata", "labels"))
    missing = {key: value for key, value in wanted.items() if own.get(key) != value}
    says = f"{scraper} wants {_spelled(missing) or 'other labels'}"
    edits = tuple(Edit(monitor, ("metadata", "labels", key), value) for key, value in missing.items())
    simple = bool(missing) and not reason.selector.get("matchExpressions")
    return says, ("metadata", "labels"), Fix("give the monitor the labels", edits if simple else ())


def _spelled(labels: Mapping[str, str]) -> str:
    return ", ".join(f"{key}: {value}" for key, value in labels.items())


# ------------------------------------------------------------------------------------------- what monitors select


@rule(
    "selector-nearly-fits",
    title="A selector fits nothing, and one thing nearly",
    severity="warning",
    stage="selection",
    why="""
        A PodMonitor selects pods by the labels of the pod template, a ServiceMonitor selects Services by the labels of
        the Service itself, a Service selects pods. One label with a slip, and nothing is selected: no target,
        no error. Told only where one thing among the files differs by a slip, and none fits.
        """,
    sources=["prometheus-operator `pkg/apis/monitoring/v1/types.go`", "Kubernetes, Labels and Selectors"],
    wrong=but(OPERATOR, ("      app: web\n", "      app: wbe\n")) + WEB,
)
def selector_nearly_fits(setup: Setup) -> Iterator[Found]:
    """Compare selectors with what is in the namespaces that they look into."""
    pods = [(one.namespace, f"the pods of {one.document}", one.pod.labels) for one in subjects(setup)]
    services = setup.of_kind("Service", group="")
    named = [(one.namespace, str(one), labels_in(one.get("metadata", "labels"))) for one in services]
    for document, path, spaces in _selectors(setup):
        wanted = labels_in(document.get(*path))
        there = named if document.kind == "ServiceMonitor" else pods
        known = [(name, labels) for namespace, name, labels in there if spaces is None or namespace in spaces]
        unsure = any(not namespace for namespace, _, _ in there)
        if unsure or not wanted or any(fits(wanted, labels) for _, labels in known):
            continue
        slips = {(key, *slip, name) for name, labels in known for key, slip in _slips(wanted, labels)}
        if len({slip[:3] for slip in slips}) != 1:
            continue
        key, other, value, name = min(slips)
        says = f"nothing has {key}: {wanted[key]}, but {name} has {other}: {value}"
        edits = (Edit(document, (*path, other), value),)
        if other != key:
            labels = {other if old == key else old: new for old, new in wanted.items()}
            edits = (Edit(document, path, labels),)
        yield Found(document, (*path, key), says, Fix("select what is there", edits))


def _selectors(setup: Setup) -> Iterator[tuple[Document, ValuePath, set[str] | None]]:
    """The plain selectors of monitors and of Services that monitors select, and the namespaces they look into."""
    monitored = monitors(setup)
    for document in monitored:
        if document.kind in {"PodMonitor", "ServiceMonitor"} and not document.get(
            "spec", "selector", "matchExpressions"
        ):
            spaces = document.get("spec", "namespaceSelector")
            spaces = spaces if isinstance(spaces, dict) else {}
            names = spaces.get("matchNames")
            names = [str(name) for name in names] if isinstance(names, list) and names else [document.namespace]
            if document.namespace or spaces:
                looked = None if spaces.get("any") is True else set(names)
                yield document, ("spec", "selector", "matchLabels"), looked
    wanted = [
        labels_in(one.get("spec", "selector", "matchLabels")) for one in monitored if one.kind == "ServiceMonitor"
    ]
    for service in setup.of_kind("Service", group=""):
        own = labels_in(service.get("metadata", "labels"))
        if service.namespace and any(labels and fits(labels, own) for labels in wanted):
            yield service, ("spec", "selector"), {service.namespace}


def _slips(wanted: Mapping[str, str], labels: Mapping[str, str]) -> Iterator[tuple[str, tuple[str, str]]]:
    """The one label in which a thing differs from what is wanted, by a slip: its key, and what the thing has."""
    wrong = [key for key, value in wanted.items() if labels.get(key) != value]
    if len(wrong) != 1:
        return
    key = wrong[0]
    value = wanted[key]
    if key in labels and is_slip(value, labels[key]):
        yield key, (key, labels[key])
    elif key not in labels and key in _NAMES:
        others = [other for other in sorted(_NAMES) if labels.get(other) == value and other not in wanted]
        yield from ((key, (other, value)) for other in others[:1])


def is_slip(one: str, other: str) -> bool:
    """Say whether two values differ in a slip's way: within one word of some length, and not by a number."""
    first, second = (re.split(r"[^a-z0-9]+", text.lower()) for text in (one, other))
    if len(first) != len(second):
        return False
    words = [pair for pair in zip(first, second, strict=True) if pair[0] != pair[1]]
    if not words:
        return True  # capitals, or a dash for a dot
    (left, right), *more = words
    if more or min(len(left), len(right)) < 3 or any(char.isdigit() for char in left + right):
        return False
    return sorted(left) == sorted(right) or SequenceMatcher(None, left, right).ratio() >= _NEAR
