"""Finds the scraper in a Kubernetes object: a workload's Prometheus, or an operator's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from generator.errors import ValuePath
from generator.injection import is_proxy
from generator.injection.annotations import CONFIG
from generator.intake.document import Document, as_list
from generator.monitoring.operated import operated_scraper
from generator.monitoring.pod import PodView, is_workload, workload_pod
from generator.monitoring.scraper import OPERATED, Scraper
from generator.monitoring.versions import image_name

_PRODUCTS = {"prometheus": "prometheus", "vmagent": "vmagent"}
_PROMETHEUS_FLAGS = ("--config.file", "--storage.tsdb", "--web.enable-lifecycle", "--storage.agent")
_NOT_PROMETHEUS = ("reload", "exporter", "adapter", "operator", "alertmanager", "pushgateway", "thanos", "proxy")
_COLLECTS = re.compile("prom|metric|otel|opentelemetry|collector|grafana|alloy|telegraf|victoria|monitor|scrap")


def scraper_of(document: Document) -> Scraper | None:
    """Find the scraper in a Kubernetes object; None where there is none."""
    operated = OPERATED.get(document.kind)
    if operated and document.group == operated[0]:
        return operated_scraper(document, ("spec",), "operator", product=operated[1], container=operated[2])
    return _workload_scraper(document) if is_workload(document) else None


def _workload_scraper(document: Document) -> Scraper | None:
    if document.kind in {"Job", "CronJob"}:
        return None
    pod = workload_pod(document)
    ranked = [(_likeness(container), path, container) for path, container in pod.items("spec", "containers")]
    best = max(ranked, key=lambda one: one[0], default=None)
    if best and best[0] > 0:
        return Scraper("workload", document, pod, best[1], _product(best[2]))
    if _writes_certificates(pod):
        reader = _first_collector(pod)
        if reader:
            return Scraper("workload", document, pod, reader, "")
    return None


def _likeness(container: Mapping[str, Any]) -> int:
    """Say how much a container looks like Prometheus; 0 for one that isn't."""
    image, name = image_name(container.get("image")), str(container.get("name") or "")
    arguments = [str(part) for key in ("command", "args") for part in as_list(container.get(key)) if part is not None]
    if any(word in image for word in _NOT_PROMETHEUS):
        return 0
    if image in _PRODUCTS:
        return 3
    if image.endswith("-prometheus"):  # rebuilt: ose-prometheus, mirrored-prometheus-prometheus
        return 2
    if any(flag in argument for argument in arguments for flag in _PROMETHEUS_FLAGS) and "prometheus" in " ".join(
        [image, name, *arguments]
    ):
        return 2
    return 1 if name in {"prometheus", "prometheus-server", "vmagent"} and not image else 0


def _product(container: Mapping[str, Any]) -> str:
    found = _PRODUCTS.get(image_name(container.get("image")))
    return found or ("vmagent" if container.get("name") == "vmagent" else "prometheus")


def _writes_certificates(pod: PodView) -> bool:
    if "OUTPUT_CERTS" in pod.annotations.get(CONFIG, ""):
        return True
    return any(
        item.get("name") == "OUTPUT_CERTS" for path, _ in pod.containers() for _, item in pod.items(*path, "env")
    )


def _first_collector(pod: PodView) -> ValuePath | None:
    """Of a pod of unknown programs: the container that collects metrics, by its names; None where none does.

    Applications have certificates written too, for themselves, and what is wrong for a scraper is right for them.
    """
    others = [(path, item) for path, item in pod.items("spec", "containers") if not is_proxy(item)]
    if not any(_COLLECTS.search(f"{item.get('name')} {image_name(item.get('image'))}".lower()) for _, item in others):
        return None
    readers = [path for path, _ in others if any("cert" in mount.name for mount in pod.mounts(path))]
    return next(iter([*readers, *(path for path, _ in others)]), None)
