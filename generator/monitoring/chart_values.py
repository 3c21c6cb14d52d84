"""Tells which chart's values a document holds, and where: a file, an umbrella chart's, a GitOps tool's resource."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from generator.errors import ValuePath
from generator.intake.document import Document
from generator.monitoring.chart_releases import Installed, Reference, installed_by
from generator.monitoring.versions import Version

STACK: Final = "kube-prometheus-stack"
PROMETHEUS: Final = "prometheus"

# Charts by the names they are installed under; the stack had another name until it moved to prometheus-community.
_NAMES = {STACK: STACK, "prometheus-operator": STACK, "rancher-monitoring": STACK, PROMETHEUS: PROMETHEUS}
# Keys of other charts that share keys with these two.
_OTHER_CHARTS = {"vmsingle", "vmcluster", "vmagent", "victoria-metrics-operator", "operator", "clusterMetrics"}
_STACK_KEYS = {
    "defaultRules",
    "kubeApiServer",
    "kubeControllerManager",
    "kubeEtcd",
    "kubeProxy",
    "kubeScheduler",
    "kubeStateMetrics",
    "nodeExporter",
    "prometheusOperator",
    "thanosRuler",
}
_STACK_PROMETHEUS_KEYS = {"prometheusSpec", "agentMode", "additionalServiceMonitors", "additionalPodMonitors"}
_CHART_KEYS = {
    "alertRelabelConfigs",
    "alertmanagerFiles",
    "configmapReload",
    "prometheus-pushgateway",
    "pushgateway",
    "ruleFiles",
    "scrapeConfigFiles",
    "scrapeConfigs",
    "serverFiles",
    "serviceAccounts",
}
# Beside ``server`` these count too; alone they may be the stack's.
_SHARED_KEYS = {"kube-state-metrics", "kubeStateMetrics", "nodeExporter", "prometheus-node-exporter", "alertmanager"}
_SERVER_KEYS = {
    "alertmanagers",
    "configFromSecret",
    "configMapOverrideName",
    "defaultFlagsOverride",
    "exemplars",
    "extraConfigmapMounts",
    "prefixURL",
    "remoteRead",
    "remoteWrite",
    "sidecarTemplateValues",
    "tsdb",
}
# Of `server` in Bitnami's chart.
_BITNAMI_KEYS = {"configuration", "existingConfigmap", "extraScrapeConfigs", "thanos"}
# Jobs of the prometheus chart's own, which values change or switch off.
_OWN_JOBS = (
    "kubernetes-apiservers",
    "kubernetes-nodes",
    "kubernetes-pods",
    "kubernetes-service",
    "prometheus-pushgateway",
)
_JOB_KEYS = {"kubernetes_sd_configs", "static_configs", "tls_config", "relabel_configs", "metrics_path", "scheme"}
# How deep a chart may lie in an umbrella chart's values.
_DEPTH = 2


class Values(NamedTuple):
    """One chart's values.

    ``base`` is where they stand in the document, ``chart`` is `STACK` or `PROMETHEUS`, ``name`` what the chart is
    called where it is installed (an alias, in an umbrella chart). ``version``, ``release`` and ``namespace`` are what
    the tool that installs it says; None and "" where a values file leaves them open. ``unread`` is the path of a text
    that holds the values and can't be read, ``references`` are values from elsewhere (`Installed`).
    """

    document: Document
    base: ValuePath
    chart: str
    name: str
    version: Version | None = None
    release: str = ""
    namespace: str = ""
    unread: ValuePath | None = None
    references: tuple[Reference, ...] = ()

    @property
    def holder(self) -> Document:
        """The document that holds them: what installs the chart, or the values file."""
        return self.document.outermost

    @property
    def is_off(self) -> bool:
        """Whether an umbrella chart leaves this one out: it is asked for by one of these keys, mostly."""
        return bool(self.base) and any(self.get(key) is False for key in ("enabled", "install"))

    def where(self, *path: str | int) -> ValuePath:
        """Give the path in the document of a key of the chart."""
        return (*self.base, *path)

    def get(self, *path: str | int) -> Any:
        """Give a value; None where the values don't set it."""
        return self.document.get(*self.base, *path)

    def map(self, *path: str | int) -> dict[str, Any]:
        """Give a value that is a map; an empty one for anything else."""
        found = self.get(*path)
        return found if isinstance(found, dict) else {}

    def text(self, *path: str | int) -> str:
        """Give a value that is a string; "" for anything else."""
        found = self.get(*path)
        return found if isinstance(found, str) else ""

    def maps(self, *path: str | int) -> Iterator[tuple[ValuePath, dict[str, Any]]]:
        """The elements of a list that are maps, with their paths among the chart's keys."""
        found = self.get(*path)
        for index, item in enumerate(found if isinstance(found, list) else []):
            if isinstance(item, dict):
                yield (*path, index), item


def values_in(document: Document) -> list[Values]:
    """Find the values of kube-prometheus-stack and of the prometheus chart in a document; empty for anything else.

    A values file may be the chart's own or an umbrella chart's. A Flux ``HelmRelease``, an Argo CD ``Application`` or
    ``ApplicationSet`` and a k3s ``HelmChart`` hold values too, and mostly say which chart's.
    """
    return [values for installed in installed_by(document) for values in _charts(installed)]


# ------------------------------------------------------------------------------------------------ which chart it is


def _charts(installed: Installed) -> list[Values]:
    """The charts whose values these are: the one installed, else those that lie below it."""
    if "bitnami" in installed.source:  # its charts have the same names, and other keys
        return []
    known = _NAMES.get(installed.chart)
    tree = installed.document.get(*installed.base)
    if not (installed.chart and installed.named):
        if isinstance(tree, dict):
            known = _by_keys(tree) or known
        elif isinstance(tree, str) and installed.unread and "prometheusSpec" in tree:
            known = STACK
    if known:
        name = _NAMES.get(installed.chart) if installed.named else None
        return [_values(installed, installed.base, known, name or known)]
    return list(_subcharts(installed, tree, installed.base, _DEPTH)) if isinstance(tree, dict) else []


def _subcharts(installed: Installed, tree: Mapping[str, Any], base: ValuePath, depth: int) -> Iterator[Values]:
    for key, inner in tree.items():
        if not isinstance(inner, dict):
            continue
        chart = _below(key, inner)
        if chart:
            # An umbrella chart's version says nothing of its subcharts'.
            name = chart if key == "values" else key  # Big Bang has a chart's values below its package
            yield _values(installed._replace(version=None), (*base, key), chart, name)
        elif depth > 1:
            yield from _subcharts(installed, inner, (*base, key), depth - 1)


def _below(key: str, tree: Mapping[str, Any]) -> str:
    """Say which chart's values stand below a key of an umbrella chart's values."""
    if _NAMES.get(key) == STACK:
        return STACK
    others = bool(_OTHER_CHARTS & tree.keys()) or _is_bitnamis(tree)
    if key == PROMETHEUS and isinstance(tree.get("server"), dict) and not others:
        return PROMETHEUS
    return _by_keys(tree, jobs_tell=key == PROMETHEUS)


def _values(installed: Installed, base: ValuePath, chart: str, name: str) -> Values:
    return Values(
        installed.document,
        base,
        chart,
        name,
        installed.version,
        installed.release,
        installed.namespace,
        installed.unread,
        installed.references,
    )


def _by_keys(tree: Mapping[str, Any], *, jobs_tell: bool = True) -> str:
    """Say which chart's values have such keys; "" for another's, or too few keys to tell.

    ``jobs_tell`` is for places where jobs can be no other program's (Promtail has a string of that name, too).
    """
    keys = set(map(str, tree))
    prometheus, alertmanager = _map(tree.get("prometheus")), _map(tree.get("alertmanager"))
    if _STACK_PROMETHEUS_KEYS & prometheus.keys() or "alertmanagerSpec" in alertmanager:
        return STACK
    if keys & _OTHER_CHARTS or _is_bitnamis(tree):
        return ""
    if _is_server(tree.get("server")) or "prometheus.yml" in _map(tree.get("serverFiles")):
        return PROMETHEUS
    if jobs_tell and _has_jobs(tree):
        return PROMETHEUS
    if isinstance(tree.get("server"), dict) and keys & (_CHART_KEYS | _SHARED_KEYS):
        return PROMETHEUS
    if len(keys & _STACK_KEYS) > 1:
        return STACK
    return PROMETHEUS if len(keys & _CHART_KEYS) > 1 else ""


def _is_bitnamis(tree: Mapping[str, Any]) -> bool:
    """Whether values are for Bitnami's chart of the same name: it has jobs, Thanos and the image elsewhere."""
    server = _map(tree.get("server"))
    image = str(_map(server.get("image")).get("repository") or "")
    return bool(_BITNAMI_KEYS & server.keys()) or ("bitnami" in image and not _CHART_KEYS & tree.keys())


def _is_server(server: object) -> bool:
    """Whether a ``server`` is Prometheus: other charts have one too."""
    found = _map(server)
    image = _map(found.get("image")).get("repository")
    return (
        bool(_SERVER_KEYS & found.keys())
        or any(str(key).startswith(("scrape_", "evaluation_")) for key in _map(found.get("global")))
        or (isinstance(image, str) and posixpath.basename(image) == "prometheus")
    )


def _has_jobs(tree: Mapping[str, Any]) -> bool:
    """Whether there are jobs where the prometheus chart has them."""
    extra, jobs = tree.get("extraScrapeConfigs"), _map(tree.get("scrapeConfigs"))
    return (
        (isinstance(extra, str) and "job_name" in extra)
        or any(isinstance(job, dict) and _JOB_KEYS & job.keys() for job in jobs.values())
        or any(str(name).startswith(_OWN_JOBS) for name in jobs)
    )


def _map(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
