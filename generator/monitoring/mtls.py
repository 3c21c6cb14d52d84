"""Which jobs and monitors present Istio's certificates, and what TLS they end up with.

A monitor's own ``tlsConfig`` and its scrape class are merged as the operator does
(``mergeTLSConfigWithScrapeClass`` in its ``pkg/prometheus/promcfg.go``).
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from generator.monitoring import victoria
from generator.monitoring.scrape import MONITORS, Scrape, Tls
from generator.monitoring.scraper import Scraper
from generator.monitoring.setup import Setup

#: Monitors whose ``tlsConfig`` can't name files.
WITHOUT_FILES = frozenset({"PodMonitor", "Probe", "ScrapeConfig"})
_NOTHING = Tls("", "", "", skip_verify=False)


class MtlsScrape(NamedTuple):
    """A job or a monitor's endpoint that presents Istio's certificate.

    ``tls`` is what counts in the end; ``by`` is the scrape class that it comes from, wholly or in part, ``named`` says
    that the monitor names that class (else it is the default). ``scraper`` is None where it isn't known.
    """

    scrape: Scrape
    tls: Tls
    by: Scrape | None
    named: bool
    scraper: Scraper | None


def own_tls(scrape: Scrape) -> Tls | None:
    """What a scrape says of TLS itself, as the API server keeps it; None where it says nothing."""
    found = scrape.tls
    if found is not None and scrape.kind in WITHOUT_FILES:
        return _NOTHING._replace(skip_verify=found.skip_verify)
    return found


def class_for(setup: Setup, scrape: Scrape, scraper: Scraper) -> Scrape | None:
    """The scrape class that applies to a monitor: the one that it names, else the default one."""
    classes = setup.classes(scraper)
    if scrape.scrape_class:
        return next((one for one in classes if one.name == scrape.scrape_class), None)
    return next((one for one in classes if one.tree.get("default") is True), None)


def merged(own: Tls | None, by: Tls | None) -> Tls:
    """Merge a monitor's TLS with its class's: the class counts whole, or fills in files alone."""
    if own is None:
        return by or _NOTHING
    if by is None:
        return own
    return Tls(own.ca or by.ca, own.cert or by.cert, own.key or by.key, own.skip_verify)


def presents_istio(setup: Setup, tls: Tls | None, scraper: Scraper | None) -> bool:
    """Whether files are Istio's: by their directory where that is known, else by names that its agent alone uses."""
    if tls is None:
        return False
    if scraper is not None:
        directories = setup.read_directories(scraper)
        if any(posixpath.normpath(posixpath.dirname(file)) in directories for file in tls.files):
            return True
    return any(posixpath.basename(file) in {"cert-chain.pem", "root-cert.pem"} for file in tls.files)


def istio_classes(setup: Setup, scraper: Scraper | None = None) -> list[Scrape]:
    """The scrape classes that carry Istio's certificates; of one scraper, or of all."""
    return [
        one
        for one in setup.scrapes
        if one.kind == "scrape class"
        and (scraper is None or one.scraper is scraper)
        and presents_istio(setup, one.tls, one.scraper)
        and not _checks_a_name(one)
    ]


def _checks_a_name(scrape: Scrape) -> bool:
    """Whether it has Istio's root certificate alone, to verify a server that it names: istiod's own port, say."""
    tls, found = scrape.tls, scrape.tree.get(scrape.spelling.tls)
    named = isinstance(found, dict) and (found.get("server_name") or found.get("serverName"))
    return bool(named) and tls is not None and bool(tls.ca) and not (tls.cert or tls.key)


def _is_for_another(setup: Setup, scrape: Scrape, scraper: Scraper | None) -> bool:
    """Whether a monitor that gets the default class means another server: the kubelet, the API server."""
    own = own_tls(scrape)
    if own is not None and own.ca and not presents_istio(setup, own, scraper):
        return True
    return any(scrape.tree.get(key) for key in ("bearerTokenFile", "authorization"))


@lru_cache(maxsize=1)  # a dozen rules ask for those of one setup
def mtls_scrapes(setup: Setup) -> tuple[MtlsScrape, ...]:
    """Every job and monitor endpoint that presents Istio's certificates, once for each scraper that takes it up."""
    return tuple(_mtls_scrapes(setup))


def _mtls_scrapes(setup: Setup) -> Iterator[MtlsScrape]:
    for scrape in setup.scrapes:
        if scrape.kind == "scrape class" or _checks_a_name(scrape):
            continue
        if scrape.kind not in MONITORS:
            if scrape.tls is not None and presents_istio(setup, scrape.tls, scrape.scraper):
                yield MtlsScrape(scrape, scrape.tls, None, named=False, scraper=scrape.scraper)
            continue
        own = own_tls(scrape)
        scrapers: list[Scraper | None] = [*setup.selected_by(scrape)] or [None]
        for scraper in scrapers:
            by = class_for(setup, scrape, scraper) if scraper else None
            if by is not None and not scrape.scrape_class and _is_for_another(setup, scrape, scraper):
                continue
            tls = merged(own, by.tls if by else None)
            if scrape.kind in victoria.SELECTORS and by is not None and by.tls is not None:
                # What its operator takes of a class beside a tlsConfig isn't known for sure.
                tls = tls._replace(skip_verify=tls.skip_verify or by.tls.skip_verify)
            if presents_istio(setup, tls, scraper):
                yield MtlsScrape(scrape, tls, by, named=bool(scrape.scrape_class), scraper=scraper)
