"""What rendered resources make Prometheus scrape, given some pods."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

import yaml

from generator.resource import Resource
from tests.monitors import scrape_jobs
from tests.pods import Pod, discover
from tests.relabel import Target, targets
from tests.rendering import render

Tree = Mapping[str, Any]


def jobs(overlay: Tree) -> list[dict[str, Any]]:
    """Give every scrape job of an environment: those of prometheus.yml, or those the operator makes of PodMonitors."""
    return _jobs(json.dumps(overlay))


@lru_cache(maxsize=512)
def _jobs(overlay: str) -> list[dict[str, Any]]:
    return list(jobs_of(render(json.loads(overlay))))


def jobs_of(resources: Iterable[Resource]) -> Iterator[dict[str, Any]]:
    """Give the scrape jobs in rendered resources."""
    resources = list(resources)
    classes: dict[str, Any] = {}
    for resource in resources:
        for scrape_class in resource.tree.get("spec", {}).get("scrapeClasses", []):
            classes[scrape_class["name"]] = scrape_class
    for resource in resources:
        if "prometheus.yml" in resource.tree.get("data", {}):
            yield from yaml.safe_load(resource.tree["data"]["prometheus.yml"])["scrape_configs"]
        elif resource.id.kind == "PodMonitor":
            yield from scrape_jobs(resource.tree, classes)


def scrape(overlay: Tree, *pods: Pod) -> list[Target]:
    """Give the targets that an environment's jobs find in pods."""
    found: list[Target] = []
    for job in jobs(overlay):
        discovered = (labels for config in job.get("kubernetes_sd_configs", []) for labels in discover(pods, config))
        found += targets(job, discovered)
    return found
