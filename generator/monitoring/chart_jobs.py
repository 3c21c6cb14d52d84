"""The jobs of the prometheus chart: those that values bring or change, and its own. From its ``templates/cm.yaml``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from generator.monitoring.chart_values import Values
from generator.monitoring.scrape import Scrape, jobs_in_text, jobs_of
from generator.monitoring.scraper import Scraper
from generator.monitoring.versions import Version

#: Jobs are a map since this version (helm-charts#6429).
JOBS_ARE_A_MAP = (28,)

_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
_API_SERVER = {
    "scheme": "https",
    "tls_config": {"ca_file": f"{_ACCOUNT}/ca.crt"},
    "bearer_token_file": f"{_ACCOUNT}/token",
}
# Version from which on the chart's jobs for services use endpoint slices.
_SLICES_SINCE = (29,)


def templated(value: object) -> bool:
    """Whether Helm has still to fill something in: a key or string anywhere in a value that holds ``{{``."""
    if isinstance(value, Mapping):
        return any(templated(part) for entry in value.items() for part in entry)
    if isinstance(value, list):
        return any(map(templated, value))
    return isinstance(value, str) and "{{" in value


def scrapes_of(values: Values, scraper: Scraper, version: Version | None) -> Iterator[Scrape]:
    """The jobs that the values bring or change; the chart's own that they say nothing of aren't among them."""
    if reads_job_map(version):
        for name, job in values.map("scrapeConfigs").items():
            if isinstance(job, dict) and job.get("enabled") is not False:
                yield _job_of_map(values, str(name), scraper, version)
    yield from jobs_of(values.document, values.where("serverFiles", "prometheus.yml", "scrape_configs"), scraper)
    extra = values.text("extraScrapeConfigs")
    if extra and not templated(extra):
        yield from jobs_in_text(values.document, values.where("extraScrapeConfigs"), extra, scraper)


def reads_job_map(version: Version | None) -> bool:
    """Whether a version of the chart reads ``scrapeConfigs``."""
    return version is None or version >= JOBS_ARE_A_MAP


def _job_of_map(values: Values, key: str, scraper: Scraper, version: Version | None) -> Scrape:
    """One job of the map; one of the chart's own jobs has what the chart says of it, too."""
    place = values.where("scrapeConfigs", key)
    name = values.get("scrapeConfigs", key, "job_name") or key
    scrape = Scrape("job", str(name), values.document, place, scraper=scraper)
    stated = {field: value for field, value in scrape.tree.items() if field != "enabled"}  # the chart's own switch
    scrape.tree = _laid_over(default_job(key, version), stated)
    return scrape


def _laid_over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Merge values as Helm does: maps are merged, null removes, all else replaces."""
    merged = dict(below)
    for key, value in above.items():
        under = merged.get(key)
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, Mapping) and isinstance(under, Mapping):
            merged[key] = _laid_over(under, value)
        else:
            merged[key] = value
    return merged


# ------------------------------------------------------------------------------------------- the chart's own jobs


def default_job(name: str, version: Version | None) -> dict[str, Any]:
    """Give what the prometheus chart says of a job of its own, as far as it matters here; empty for others' jobs.

    Where a job takes its targets, TLS, scheme, path and address from (the chart's ``values.yaml``).
    """
    endpoints = "endpoints" if version is not None and version < _SLICES_SINCE else "endpointslice"
    match name.removesuffix("-slow"):
        case "prometheus":
            return {"static_configs": [{"targets": ["localhost:9090"]}]}
        case "kubernetes-apiservers":
            return {**_API_SERVER, **_discovery(endpoints)}
        case "kubernetes-nodes" | "kubernetes-nodes-cadvisor":
            return {**_API_SERVER, **_discovery("node")}
        case "kubernetes-pods":
            return {**_discovery("pod"), "relabel_configs": _annotated("pod", slow=name.endswith("-slow"))}
        case "kubernetes-service-endpoints":
            return {**_discovery(endpoints), "relabel_configs": _annotated("service", slow=name.endswith("-slow"))}
        case "kubernetes-services" | "prometheus-pushgateway":
            return _discovery("service")
    return {}


def _discovery(role: str) -> dict[str, Any]:
    return {"kubernetes_sd_configs": [{"role": role}]}


def _annotated(source: str, *, slow: bool) -> list[dict[str, Any]]:
    """The relabelling by which annotations of a pod or service say whether and how it is scraped."""

    def label(annotation: str) -> str:
        return f"__meta_kubernetes_{source}_annotation_prometheus_io_{annotation}"

    def rule(sources: list[str], target: str, regex: str, replacement: str = "$1") -> dict[str, Any]:
        return {"source_labels": sources, "target_label": target, "regex": regex, "replacement": replacement}

    wanted = {"action": "keep", "source_labels": [label("scrape_slow" if slow else "scrape")], "regex": "true"}
    others = {"action": "drop", "source_labels": [label("scrape_slow")], "regex": "true"}
    how = [
        rule([label("scheme")], "__scheme__", "(https?)"),
        rule([label("path")], "__metrics_path__", "(.+)"),
    ]
    if source == "service":
        where = [rule(["__address__", label("port")], "__address__", r"(.+?)(?::\d+)?;(\d+)", "$1:$2")]
    else:
        parts = [label("port"), "__meta_kubernetes_pod_ip"]
        where = [
            rule(parts, "__address__", r"(\d+);([0-9A-Fa-f:]*:[0-9A-Fa-f:]*)", "[$2]:$1"),
            rule(parts, "__address__", r"(\d+);([0-9.]+)", "$2:$1"),
        ]
    return [wanted, *([] if slow else [others]), *how, *where]
