"""The values of kube-prometheus-stack and of the prometheus chart."""

from __future__ import annotations

from collections.abc import Iterator

from generator.intake.document import Document
from generator.monitoring.scrape import Scrape
from generator.monitoring.scraper import Scraper
from generator.monitoring.versions import Version


def chart_of(document: Document) -> str:
    """Say which chart's values these are: ``kube-prometheus-stack``, ``prometheus``, or "" for another's."""
    return ""


def scrapers_in_values(document: Document, version: Version | None) -> list[Scraper]:
    """Give the Prometheus that a chart makes of its values; none for another chart's values."""
    return []


def scrapes_in_values(document: Document, scraper: Scraper, version: Version | None) -> Iterator[Scrape]:
    """Every job, monitor and scrape class that values bring."""
    yield from ()
