"""What needs a newer Prometheus Operator, where the files show which one runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from generator.doctor.rule import Fix, Found, Severity, rule
from generator.doctor.rules.examples import OPERATOR
from generator.errors import ValuePath
from generator.intake.document import Document
from generator.monitoring import Scrape, Scraper, Setup
from generator.monitoring.mtls import WITHOUT_FILES, mtls_scrapes
from generator.monitoring.versions import Version, image_name, image_version, spelled

_CHART_WITH_CLASSES: Version = (61, 3, 0)


class _Need(NamedTuple):
    """What is used, since which release it works, and what becomes of it before."""

    document: Document
    path: ValuePath
    resource: str
    what: str
    since: Version
    before: str
    severity: Severity = "error"


def operator_of(setup: Setup) -> tuple[Document, Version] | None:
    """Give the operator's Deployment and its version; None where it isn't here, or has no version."""
    for document, pod in setup.workloads:
        for path, container in pod.containers():
            version = image_version(container.get("image"))
            if path[1] == "containers" and image_name(container.get("image")) == "prometheus-operator" and version:
                return document, version
    return None


@rule(
    "operator-too-old",
    title="The operator is too old for what the resources ask of it",
    severity="error",
    stage="selection",
    why="""
        An older operator, and its CRDs, drop what they don't know, without an error in most cases. Scrape classes came
        with 0.72.0, and reach PodMonitors, Probes and ScrapeConfigs from 0.74.0 on. Annotations of `podMetadata` reach
        the pod since 0.53.0, `volumeMounts` exist since 0.38.0. HTTP/2 can be switched off in a ScrapeConfig since
        0.81.0, in a Probe since 0.88.0. Of kube-prometheus-stack, 61.3.0 is the first version with scrape classes.
        """,
    sources=["prometheus-operator#6556", "prometheus-operator#6573", "prometheus-operator `CHANGELOG.md`"],
    wrong=OPERATOR
    + """\
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: prometheus-operator
  namespace: monitoring
spec:
  selector:
    matchLabels:
      app.kubernetes.io/name: prometheus-operator
  template:
    metadata:
      labels:
        app.kubernetes.io/name: prometheus-operator
    spec:
      containers:
      - name: prometheus-operator
        image: quay.io/prometheus-operator/prometheus-operator:v0.73.2
""",
)
def operator_too_old(setup: Setup) -> Iterator[Found]:
    """Compare the operator's version with what each resource uses."""
    yield from _of_chart(setup)
    operator = operator_of(setup)
    if operator is None:
        return
    document, version = operator
    for need in _needs(setup):
        if version < need.since:
            says = f"{need.what} needs the operator {spelled(need.since)}, and {document} runs {spelled(version)}: "
            fix = Fix(f"update the operator to {spelled(need.since)} or later, with its CRDs")
            yield Found(need.document, need.path, says + need.before, fix, need.severity, need.resource)


def _needs(setup: Setup) -> Iterator[_Need]:
    for scraper in setup.scrapers:
        if scraper.flavour == "operator" and scraper.document.group == "monitoring.coreos.com":
            yield from _of_resource(scraper)
    for found in mtls_scrapes(setup):
        scrape = found.scrape
        if scrape.kind in WITHOUT_FILES and found.by is not None:
            path = (*scrape.spec, scrape.spelling.scrape_class) if found.named else scrape.path
            what = f"the scrape class of a {scrape.kind}"
            yield _Need(scrape.document, path, scrape.resource, what, (0, 74, 0), "its certificates are left out")
        if scrape.spelling.http2 in scrape.tree:
            yield from _http2(scrape)


def _of_resource(scraper: Scraper) -> Iterator[_Need]:
    document = scraper.document
    for path, since, before in (
        (("scrapeClasses",), (0, 72, 0), "they are dropped"),
        (("podMetadata", "annotations"), (0, 53, 0), "they don't reach the pod"),
        (("volumeMounts",), (0, 38, 0), "they are dropped"),
    ):
        if scraper.of_resource(*path):
            yield _Need(document, scraper.field(*path), str(scraper), ".".join(path), since, before)


def _http2(scrape: Scrape) -> Iterator[_Need]:
    since: Version | None = {"ScrapeConfig": (0, 81, 0), "Probe": (0, 88, 0)}.get(scrape.kind)
    if since is not None and not scrape.http2:
        path = scrape.where(scrape.spelling.http2)
        what = f"{scrape.spelling.http2} of a {scrape.kind}"
        yield _Need(scrape.document, path, scrape.resource, what, since, "it is dropped", "warning")


def _of_chart(setup: Setup) -> Iterator[Found]:
    chart = setup.settings.chart
    for scraper in setup.scrapers:
        old = chart is not None and chart < _CHART_WITH_CLASSES
        path = scraper.field("scrapeClasses")
        by_chart = scraper.flavour == "kube-prometheus-stack" and path[:-1] == scraper.resource
        if by_chart and old and scraper.document.get(*path):
            says = f"scrapeClasses need kube-prometheus-stack 61.3.0, and this is {spelled(chart or ())}"
            yield Found(scraper.document, path, says, Fix("update the chart, or use additionalScrapeConfigs"))
