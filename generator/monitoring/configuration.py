"""Where a Prometheus' configuration is: files, and the ConfigMaps and Secrets that hold them."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator

from generator.errors import InputError, ValuePath
from generator.intake.document import Document, Text, as_list
from generator.monitoring.labels import same_namespace
from generator.monitoring.scrape import Scrape, jobs_in_text
from generator.monitoring.scraper import Scraper
from generator.yaml.lenient import load_text

# What a configuration has at its top beside jobs (Prometheus, Configuration).
_PARTS = frozenset({"global", "rule_files", "scrape_config_files", "scrape_configs"})
_PARTS |= {"alerting", "otlp", "remote_read", "remote_write", "runtime", "storage", "tracing"}


def configuration_file(scraper: Scraper) -> str:
    """The file that a workload's Prometheus is told to read."""
    container = scraper.pod.get(*scraper.container)
    arguments = [str(part) for key in ("command", "args") for part in as_list(container.get(key))]
    for index, argument in enumerate(arguments):
        flag, _, value = argument.strip().partition("=")
        if flag.lstrip("-") in {"config.file", "promscrape.config"}:
            return value or (arguments[index + 1] if index + 1 < len(arguments) else "")
    return "/etc/prometheus/prometheus.yml"


def mounted_sources(scraper: Scraper) -> Iterator[tuple[str, str]]:
    """The kinds and names of the ConfigMaps and Secrets that a scraper's pod mounts."""
    for place, volume in scraper.pod.volumes():
        sources = [volume, *(item for _, item in scraper.pod.items(*place, "projected", "sources"))]
        for source in sources:
            for key, kind, field in (
                ("configMap", "ConfigMap", "name"),
                ("secret", "Secret", "secretName"),
                ("secret", "Secret", "name"),
            ):
                if isinstance(source, dict) and isinstance(source.get(key), dict):
                    name = source[key].get(field)
                    if isinstance(name, str):
                        yield kind, name


class Mounting:
    """Which scrapers' pods mount which ConfigMaps and Secrets."""

    def __init__(self, scrapers: Iterable[Scraper]) -> None:
        """Look at their volumes, once."""
        self._by_source: dict[tuple[str, str], list[Scraper]] = {}
        for scraper in scrapers:
            for source in mounted_sources(scraper):
                self._by_source.setdefault(source, []).append(scraper)

    def first(self, document: Document) -> Scraper | None:
        """Give the first scraper whose pod mounts a ConfigMap or a Secret; None where none does."""
        found = self._by_source.get((document.kind, document.name), ())
        return next((one for one in found if same_namespace(document.namespace, one.namespace)), None)


def prometheus_configurations(document: Document, known: str = "") -> Iterator[Document]:
    """The prometheus.yml files that a ConfigMap or a Secret holds; ``known`` is a key that is one, jobs or none."""
    for field, key in _entries(document):
        in_base64 = document.kind == "Secret" and field == "data"
        inner = _decoded(document, (field, key)) if in_base64 else document.embedded((field, key))
        if inner is None:
            continue
        if isinstance(inner.tree.get("scrape_configs"), list) or (key == known and not _PARTS.isdisjoint(inner.tree)):
            yield inner


def lists_of_jobs(document: Document, scraper: Scraper | None) -> Iterator[tuple[ValuePath, list[Scrape]]]:
    """The lists of nothing but jobs that a ConfigMap or a Secret holds, each with the path of its text.

    Operators and charts put such lists behind what they make themselves; vmagent reads them as files of their own.
    """
    for field, key in _entries(document):
        text = document.get(field, key)
        if document.kind == "Secret" and field == "data":
            text = _text_in_base64(text)
        if isinstance(text, str) and "job_name" in text:
            jobs = list(jobs_in_text(document, (field, key), text, scraper))
            if jobs and all("job_name" in job.tree for job in jobs):
                yield (field, key), jobs


def _entries(document: Document) -> Iterator[tuple[str, str]]:
    """The fields and keys under which a ConfigMap or a Secret holds texts."""
    if document.kind in {"ConfigMap", "Secret"} and not document.group:
        for field in ("data", "stringData"):
            entries = document.get(field)
            for key in entries if isinstance(entries, dict) else ():
                yield field, key


def _decoded(document: Document, path: ValuePath) -> Document | None:
    """Read the one YAML document that a Secret holds in base64, if it is a map."""
    text = _text_in_base64(document.get(*path))
    try:
        found, readable = load_text(text, document.source) if ":" in text else ([], "")
    except InputError:  # what is no YAML holds no job
        return None
    if len(found) != 1 or not isinstance(found[0], dict):
        return None
    return Document(found[0], Text(text, document.source, readable), outer=(document, path))


def jobs_in_secret(secret: Document, key: str, scraper: Scraper) -> Iterator[Scrape]:
    """The jobs in the list that a Secret holds under a key."""
    plain = secret.get("stringData", key)
    field = "stringData" if isinstance(plain, str) else "data"
    text = plain if isinstance(plain, str) else _text_in_base64(secret.get("data", key))
    yield from jobs_in_text(secret, (field, key), text, scraper)


def _text_in_base64(value: object) -> str:
    try:
        return base64.b64decode(value, validate=True).decode() if isinstance(value, str) else ""
    except ValueError:
        return ""
