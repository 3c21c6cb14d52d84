"""What can't be judged from the files given, and what to give beside them."""

from __future__ import annotations

from collections.abc import Iterator

from generator.errors import Problem
from generator.monitoring import Setup


def unjudged(setup: Setup) -> Iterator[Problem]:
    """Tell what rules had to leave open."""
    for scrape in setup.scrapes:
        if scrape.kind == "job" and scrape.scraper is None and scrape.has_istio_names:
            yield Problem(
                f"{scrape} names certificate files, but the workload that runs with this configuration is not here",
                scrape.document.locate(scrape.where(scrape.spelling.tls)),
                hint="give the workload's manifest too",
            )
    if not any(scraper.resource is not None for scraper in setup.scrapers):
        told: set[tuple[int, object]] = set()
        for scrape in setup.scrapes:
            if scrape.scrape_class and (id(scrape.document), scrape.spec) not in told:
                told.add((id(scrape.document), scrape.spec))
                yield Problem(
                    f"{scrape} names the scrape class {scrape.scrape_class}, and what defines it is not here",
                    scrape.document.locate((*scrape.spec, scrape.spelling.scrape_class)),
                    hint="give the Prometheus resource too",
                )
    for scraper in setup.scrapers:
        if scraper.flavour == "workload" and scraper.product and not setup.configurations(scraper):
            yield Problem(
                f"the configuration of {scraper} is not here, so its jobs can't be judged",
                scraper.document.locate(),
                hint=f"give the ConfigMap that holds {setup.configuration_file(scraper)} too",
            )
