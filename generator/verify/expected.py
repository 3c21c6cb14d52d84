"""What an environment's resources say should run.

Of ConfigMaps it is the file itself, of the Operator's resources the jobs and rules that the Operator makes of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from generator.resource import Resource
from generator.yaml import load

Tree = Mapping[str, Any]


class MadeJob(NamedTuple):
    """What can be told of a job that the Operator makes: its name, some settings, and rules among its own."""

    name: str
    settings: Tree
    rules: tuple[Tree, ...]


class Expected(NamedTuple):
    """What should run.

    ``configuration`` is the file ``prometheus.yml``, None where the Operator writes it; ``made`` are then its jobs.
    ``rules`` are the names of rule groups with the names of their rules, None where none are evaluated (an agent).
    """

    environment: str
    configuration: Tree | None
    made: tuple[MadeJob, ...]
    rules: Mapping[str, tuple[str, ...]] | None


def expected(environment: str, resources: Iterable[Resource]) -> Expected:
    """Read what should run out of an environment's resources."""
    resources = list(resources)
    configuration: Tree | None = None
    groups: dict[str, tuple[str, ...]] = {}
    for resource in resources:
        for tree in _files(resource):
            if "scrape_configs" in tree:
                configuration = tree
            groups.update(_groups(tree))
        if resource.id.kind == "PrometheusRule":
            groups.update(_groups(resource.tree.get("spec") or {}))
    classes = dict(_scrape_classes(resources))
    made = tuple(job for resource in resources for job in _made(resource, classes))
    agent = any(resource.id.kind == "PrometheusAgent" for resource in resources)
    return Expected(environment, configuration, made, None if agent else groups)


def _files(resource: Resource) -> Iterator[Tree]:
    """The configuration and rule files in a ConfigMap."""
    if resource.id.kind != "ConfigMap":
        return
    for name, text in (resource.tree.get("data") or {}).items():
        if name.endswith((".yml", ".yaml")) and isinstance(text, str):
            tree = load(text, f"{resource.id}: {name}")
            if isinstance(tree, dict):
                yield tree


def _groups(tree: Tree) -> dict[str, tuple[str, ...]]:
    return {
        str(group["name"]): tuple(str(rule.get("alert") or rule.get("record")) for rule in group.get("rules") or ())
        for group in tree.get("groups") or ()
    }


def _scrape_classes(resources: Iterable[Resource]) -> Iterator[tuple[str, Tree]]:
    for resource in resources:
        for one in (resource.tree.get("spec") or {}).get("scrapeClasses") or () if _is_operators(resource) else ():
            yield one["name"], one


def _is_operators(resource: Resource) -> bool:
    return resource.id.group == "monitoring.coreos.com"


def _made(resource: Resource, classes: Mapping[str, Tree]) -> Iterator[MadeJob]:
    """The jobs that the Operator makes of a monitor, by the names it gives them."""
    if not _is_operators(resource):
        return
    kind, spec = resource.id.kind, resource.tree.get("spec") or {}
    where = f"{resource.id.namespace}/{resource.id.name}"
    if kind == "ScrapeConfig":
        yield _made_job(f"scrapeConfig/{where}", spec, spec, classes)
    key = {"PodMonitor": "podMetricsEndpoints", "ServiceMonitor": "endpoints"}.get(kind, "")
    for number, endpoint in enumerate(spec.get(key) or ()):
        yield _made_job(f"{kind[0].lower()}{kind[1:]}/{where}/{number}", endpoint, spec, classes)


def _made_job(name: str, endpoint: Tree, spec: Tree, classes: Mapping[str, Tree]) -> MadeJob:
    settings: dict[str, Any] = {
        "metrics_path": endpoint.get("path") or endpoint.get("metricsPath"),
        "scheme": str(endpoint.get("scheme", "http")).lower(),
        "enable_http2": endpoint.get("enableHttp2", endpoint.get("enableHTTP2")),
        "scrape_interval": endpoint.get("interval") or endpoint.get("scrapeInterval"),
        "scrape_timeout": endpoint.get("scrapeTimeout"),
        "tls_config": _snake_case(_tls(endpoint, classes.get(spec.get("scrapeClass", ""), {}))),
    }
    return MadeJob(
        name,
        {key: value for key, value in settings.items() if value is not None and value != {}},
        tuple(_snake_case(rule) for rule in endpoint.get("relabelings") or ()),
    )


def _tls(endpoint: Tree, scrape_class: Tree) -> Tree:
    """A class's TLS settings count where an endpoint has none; of its own ones only missing files are filled in."""
    own, shared = endpoint.get("tlsConfig") or {}, scrape_class.get("tlsConfig") or {}
    if not own:
        found: Tree = shared
        return found
    files = {name: shared[name] for name in ("caFile", "certFile", "keyFile") if name in shared}
    return {**files, **own}


def _snake_case(fields: Tree) -> dict[str, Any]:
    """``sourceLabels`` becomes ``source_labels``."""
    return {re.sub(r"[A-Z]", lambda letter: f"_{letter[0].lower()}", name): value for name, value in fields.items()}
