"""What can't be judged from the files given, and what to give beside them."""

from __future__ import annotations

from collections.abc import Iterator

from generator.doctor.unread import has_unreadable_configuration, unread
from generator.errors import Problem
from generator.injection.annotations import INJECT
from generator.injection.decision import decide
from generator.intake.document import as_map
from generator.monitoring import Scraper, Setup, victoria
from generator.monitoring.configuration import configuration_file
from generator.monitoring.legacy import legacy_volumes
from generator.monitoring.other_meshes import other_mesh
from generator.monitoring.owners import controller_of
from generator.monitoring.relabelling import condition_of
from generator.monitoring.scrape import MONITORS
from generator.monitoring.scraper import OPERATED


def unjudged(setup: Setup) -> Iterator[Problem]:
    """Tell what rules had to leave open."""
    yield from unread(setup)
    yield from _jobs_without_workload(setup)
    yield from _monitors_without_prometheus(setup)
    yield from _missing_configurations(setup)
    yield from _unreadable_jobs(setup)
    yield from _conditions(setup)
    yield from _without_certificate(setup)


def _jobs_without_workload(setup: Setup) -> Iterator[Problem]:
    for scrape in setup.scrapes:
        if scrape.kind == "job" and scrape.scraper is None and scrape.has_istio_names:
            yield Problem(
                f"{scrape} names certificate files, but the workload that runs with this configuration is not here",
                scrape.document.locate(scrape.where(scrape.spelling.tls)),
                hint="give the workload's manifest too",
            )


def _monitors_without_prometheus(setup: Setup) -> Iterator[Problem]:
    """Monitors whose certificates hang on a Prometheus that isn't here: on its scrape class, or on its mounts."""
    told: set[tuple[int, object]] = set()
    products = {scraper.product for scraper in setup.scrapers if scraper.resource is not None}
    for scrape in setup.scrapes:
        monitor = (id(scrape.document), scrape.spec)
        if scrape.scraper is not None or scrape.kind not in MONITORS or monitor in told:
            continue
        agent = scrape.kind in victoria.SELECTORS
        if ("vmagent" in products) if agent else products:
            continue
        kind = "VMAgent" if agent else "Prometheus"
        if scrape.scrape_class:
            told.add(monitor)
            yield Problem(
                f"{scrape} names the scrape class {scrape.scrape_class}, and what defines it is not here",
                scrape.document.locate((*scrape.spec, scrape.spelling.scrape_class)),
                hint=f"give the {kind} resource too",
            )
        elif scrape.has_istio_names:
            told.add(monitor)
            yield Problem(
                f"{scrape} names certificate files, and the {kind} that takes it up is not here",
                scrape.document.locate(scrape.where(scrape.spelling.tls)),
                hint=f"give the {kind} resource too" + ", or the values of its chart" * (not agent),
            )


def _missing_configurations(setup: Setup) -> Iterator[Problem]:
    for scraper in setup.scrapers:
        missing = scraper.flavour == "workload" and scraper.product and not setup.configurations(scraper)
        if missing and not has_unreadable_configuration(setup, scraper):
            owner = controller_of(scraper.document)
            operated = owner.partition(" ")[0] in OPERATED
            yield Problem(
                f"the configuration of {scraper} is not here, so its jobs can't be judged",
                scraper.document.locate(),
                hint=f"give {owner}, of which an operator makes it"
                if operated
                else f"give the ConfigMap that holds {configuration_file(scraper)} too",
            )
        field, reference = "additionalScrapeConfigs", scraper.of_resource("additionalScrapeConfigs")
        if scraper.flavour == "kube-prometheus-stack" and not isinstance(reference, dict):
            field, reference = f"{field}Secret", scraper.of_resource(f"{field}Secret")
            reference = reference if isinstance(reference, dict) and reference.get("enabled") is True else None
        name = reference.get("name") if isinstance(reference, dict) else None
        if isinstance(name, str) and not any(secret.name == name for secret in setup.of_kind("Secret", group="")):
            yield Problem(
                f"the Secret {name} is not here, so the jobs in it can't be judged",
                scraper.document.locate((*(scraper.resource or ()), field)),
                hint="give the Secret too; of what it holds, only the names and paths of a fault are printed",
            )


def _unreadable_jobs(setup: Setup) -> Iterator[Problem]:
    """VMAgents with jobs in a text that is no list."""
    read = {id(scrape.document.outer[0]) for scrape in setup.scrapes if scrape.document.outer is not None}
    for scraper in setup.scrapers:
        text = scraper.of_resource(_INLINE)
        if isinstance(text, str) and text.strip() not in {"", "[]"} and id(scraper.document) not in read:
            yield Problem(
                f"the jobs in {_INLINE} of {scraper} can't be read",
                scraper.document.locate(scraper.field(_INLINE)),
                hint="it holds a list of jobs, as in scrape_configs of a prometheus.yml",
            )


def _conditions(setup: Setup) -> Iterator[Problem]:
    """Scrapes with certificates whose targets hang on what only vmagent works out."""
    for scrape in setup.scrapes:
        if scrape.has_istio_names and (rule := condition_of(scrape)) is not None:
            yield Problem(
                f"which ports {scrape} asks can't be judged: its relabelling has a condition of vmagent's",
                scrape.document.locate((*rule, "if")),
                hint="make sure that it asks none of 15020 and 15090, which are cleartext",
            )


def _without_certificate(setup: Setup) -> Iterator[Problem]:
    """Scrapers that have nothing to do with certificates, nor with merged metrics: that may be all they need."""
    for scraper in setup.scrapers:
        if not scraper.product or setup.writer(scraper) is not None or next(legacy_volumes(scraper), None):
            continue
        if setup.referred.is_part(scraper.document):  # what it has isn't known
            continue
        scrapes = setup.scrapes_of(scraper)
        if not any(scrape.has_istio_names or scrape.metrics_path == _MERGED for scrape in scrapes):
            several = sum(one.document is scraper.document for one in setup.scrapers) > 1  # an umbrella chart's
            yield Problem(
                f"{scraper} has no certificate of the mesh, which it needs where pods demand mutual TLS",
                scraper.document.locate(scraper.pod.where()[:1] if several else ()),
                hint=f"{_adoption(setup, scraper)}; merged metrics (port 15020) need none",
            )


def _adoption(setup: Setup, scraper: Scraper) -> str:
    """Say that adopt gives a scraper a certificate, or why it can't."""
    if owner := controller_of(scraper.document):
        return f"give the manifest of {owner}, which makes it, to `sidecert adopt`"
    decision = decide(
        {INJECT: "true"}, {}, as_map(scraper.pod.get("spec")), scraper.namespace, setup.mesh_of(scraper.namespace)
    )
    why = "a bare Pod can't be changed once it runs" if scraper.is_bare else ""
    if not decision.injected and decision.certain:
        why = decision.reason
    elif found := other_mesh(setup, scraper):
        why = found.says
    return f"Istio can't give it one as it is: {why}" if why else "`sidecert adopt` adds one"


_INLINE = "inlineScrapeConfig"
_MERGED = "/stats/prometheus"
