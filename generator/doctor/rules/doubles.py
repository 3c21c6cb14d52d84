"""The same metrics collected twice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import NamedTuple

from generator.doctor.rule import Fix, Found, Severity, rule
from generator.doctor.rules.examples import CONFIGURATION, PLAIN
from generator.doctor.rules.jobs import found_at
from generator.monitoring import Scrape, Setup
from generator.monitoring.labels import matches_labels
from generator.monitoring.relabelling import Outcome, Pod, merged_pod, outcomes
from generator.monitoring.scrape import MONITORS, OF_PODS, OF_SERVICES


class _Taken(NamedTuple):
    scrape: Scrape
    port: str
    fixed: bool


#: Pods to try: merged as they come, and with a secure port. Nobody but their owner gives a pod both.
_PODS: tuple[Mapping[str, str], ...] = (
    {},
    {"prometheus.istio.io/secure-port": "15092"},
    {"prometheus.istio.io/secure-envoy-port": "15091"},
)
#: Which ports serve the same metrics: merged ones hold Envoy's.
_SAME = {
    frozenset(("15020", "15090")): "Envoy's metrics",
    frozenset(("15020", "15092")): "merged metrics",
    frozenset(("15090", "15091")): "Envoy's metrics",
    frozenset(("15020", "15091")): "Envoy's metrics",
    frozenset(("15090", "15092")): "Envoy's metrics",
    frozenset(("15020",)): "merged metrics",
    frozenset(("15090",)): "Envoy's metrics",
    frozenset(("15091",)): "Envoy's metrics",
    frozenset(("15092",)): "merged metrics",
}
_ENVOY, _AGENT = frozenset(("/stats/prometheus",)), frozenset(("/stats/prometheus", "/metrics"))
#: What each port serves: for any other path the answer is 404 (`envoy_bootstrap.json`, `pilot-agent/status/server.go`).
_SERVED: Mapping[str, frozenset[str]] = {"15020": _AGENT, "15090": _ENVOY, "15091": _ENVOY, "15092": _AGENT}


@rule(
    "double-scrape",
    title="Two jobs collect the same metrics of the same pods",
    severity="warning",
    stage="scraping",
    why="""
        The agent's port 15020 serves Envoy's metrics, the application's and its own together; 15090 serves Envoy's
        again, 15091 and 15092 serve the same over mTLS (Istio 1.31). Two jobs that take the same pods store every
        series twice under two job labels: twice the cost, and sums over both are wrong. It is information where one of
        the jobs takes the port from `prometheus.io/port`: that is 15020 only where the mesh merges metrics, which is
        the default since 1.7.
        """,
    since="Istio 1.7",
    sources=["istio `pkg/kube/inject/webhook.go`", "istio `tools/packaging/common/envoy_bootstrap.json`"],
    wrong=PLAIN
    + "---\n"
    + CONFIGURATION
    + """\
    - job_name: agents
      metrics_path: /stats/prometheus
      kubernetes_sd_configs:
      - role: pod
      relabel_configs:
      - source_labels: [__meta_kubernetes_pod_container_name]
        action: keep
        regex: istio-proxy
      - source_labels: [__meta_kubernetes_pod_ip]
        regex: (.*:.*)
        replacement: '[$1]:15020'
        target_label: __address__
      - source_labels: [__meta_kubernetes_pod_ip]
        regex: ([^:]+)
        replacement: $1:15020
        target_label: __address__
    - job_name: envoy
      metrics_path: /stats/prometheus
      kubernetes_sd_configs:
      - role: pod
      relabel_configs:
      - source_labels: [__meta_kubernetes_pod_container_port_name]
        action: keep
        regex: .*-envoy-prom
""",
)
def double_scrape(setup: Setup) -> Iterator[Found]:
    """Try all jobs of each scraper on the same pods."""
    tried = _Tried()
    for scraper in [*setup.scrapers, None]:
        mine = [one for one in setup.scrapes if one.scraper is None] if scraper is None else setup.scrapes_of(scraper)
        mine = [one for one in mine if (scraper is not None or one.kind == "job") and not _keeps_a_part(one)]
        told: set[int] = set()
        for one, other in (pair for more in _PODS for pair in _twice(tried, mine, more)):
            if id(other.scrape) in told:
                continue  # one finding for each job that is too much
            if not (setup.merges_metrics or (one.fixed and other.fixed)):
                continue  # prometheus.io/port is the pod's own
            told.add(id(other.scrape))
            what = _SAME[frozenset((one.port, other.port))]
            ports = one.port if one.port == other.port else f"{one.port} and {other.port}"
            says = f"{one.scrape} and {other.scrape} both collect {what} (port {ports})"
            fix = Fix(f"let one of them go, or have {other.scrape} drop the pods that {one.scrape} takes")
            severity: Severity = "warning" if one.fixed and other.fixed else "info"
            yield found_at(other.scrape, ("job_name",), says, fix, severity=severity)


class _Tried:
    """What comes of monitors and jobs tried on pods; the same for all scrapers that take them up."""

    def __init__(self) -> None:
        self._selections: dict[tuple[int, int], _Selection | None] = {}
        self._taken: dict[tuple[int, int, str], list[_Taken]] = {}

    def selection(self, scrape: Scrape, more: Mapping[str, str]) -> _Selection | None:
        """What a scrape looks at; None for one that never asks a port of interest of a pod with these annotations."""
        key = id(scrape), id(more)
        if key not in self._selections:
            asks = any(_is_served(outcome) for outcome in outcomes(scrape, merged_pod(more)))
            self._selections[key] = _selection(scrape) if asks else None
        return self._selections[key]

    def taken(self, scrape: Scrape, more: Mapping[str, str], namespace: str) -> list[_Taken]:
        """What a scrape takes of a pod with these annotations, in a namespace."""
        key = id(scrape), id(more), namespace
        if key not in self._taken:
            self._taken[key] = list(_taken(scrape, more, namespace))
        return self._taken[key]


def _twice(tried: _Tried, scrapes: list[Scrape], more: Mapping[str, str]) -> Iterator[tuple[_Taken, _Taken]]:
    """Try jobs in pairs; those that never ask one of the ports are left out first, for pairs are many."""
    choosing = [(one, selection) for one in scrapes if (selection := tried.selection(one, more)) is not None]
    for (one, first), (other, second) in combinations(choosing, 2):
        if _same_document_as(one, other):
            continue
        for namespace in _common_namespaces(first, second):
            mine, theirs = (tried.taken(scrape, more, namespace) for scrape in (one, other))
            pairs = [(a, b) for a in mine for b in theirs if frozenset((a.port, b.port)) in _SAME]
            yield from pairs[:1]


def _keeps_a_part(scrape: Scrape) -> bool:
    """Whether it stores but some of what it reads."""
    fields = ("metric_relabel_configs", "metricRelabelings", "metricRelabelConfigs")
    rules = next((found for field in fields if isinstance(found := scrape.tree.get(field), list)), ())
    return any(isinstance(one, Mapping) and str(one.get("action")).lower() == "keep" for one in rules)


def _same_document_as(one: Scrape, other: Scrape) -> bool:
    """Whether two endpoints are of one monitor: its author has seen both."""
    return one.kind in MONITORS and one.document is other.document and one.spec == other.spec


def _taken(scrape: Scrape, more: Mapping[str, str], namespace: str) -> Iterator[_Taken]:
    """The ports of a merged pod that a job surely asks, and answers of which it can read."""
    pod = merged_pod(more)._replace(namespace=namespace)
    other = Pod({**pod.annotations, "prometheus.io/port": "8080"}, namespace=namespace)
    fixed = {one.port for one in outcomes(scrape, other, filters=False)}
    for one in outcomes(scrape, pod, sure=True):
        if _is_served(one) and (one.scheme == "https") == (one.port in {"15091", "15092"}):
            yield _Taken(scrape, one.port, one.port in fixed)


def _is_served(outcome: Outcome) -> bool:
    """Whether it asks one of the ports for what that serves."""
    return outcome.path in _SERVED.get(outcome.port, ())


def _common_namespaces(first: _Selection, second: _Selection) -> list[str]:
    """A namespace that both look into; none where that isn't sure, or where the pods they choose differ."""
    # A workload that one of them names may have its reasons, such as merging being off for it.
    if first.labels != second.labels:
        return []
    if not all(matches_labels(each.selector, first.labels) for each in (first, second)):
        return []
    if first.namespaces is None or second.namespaces is None:
        both = first.namespaces or second.namespaces or {"default"}
    else:
        both = first.namespaces & second.namespaces
    return sorted(both)[:1]


class _Selection(NamedTuple):
    namespaces: set[str] | None
    selector: Mapping[str, object]
    labels: dict[str, str]


def _selection(scrape: Scrape) -> _Selection | None:
    """Which namespaces (None: all) and which pods a scrape looks at; None where it doesn't discover pods."""
    if scrape.kind in OF_PODS | OF_SERVICES:
        selector = scrape.document.get(*scrape.spec, "selector")
        scope = scrape.document.get(*scrape.spec, "namespaceSelector")
        selector, scope = (one if isinstance(one, dict) else {} for one in (selector, scope))
        names = scope.get("matchNames") or [scrape.document.namespace or "default"]
        labels = selector.get("matchLabels") or {}
        if scrape.kind in OF_SERVICES and (labels or scrape.tree.get("port") or scrape.path == scrape.spec):
            return None  # it chooses by what Services have
        return _Selection(None if scope.get("any") is True else _texts(names), selector, labels)
    listed = scrape.tree.get("kubernetes_sd_configs")
    if scrape.kind != "job" or not isinstance(listed, list):
        return None
    namespaces: set[str] | None = set()
    for item in listed:
        if not isinstance(item, Mapping) or item.get("role") != "pod" or item.get("selectors"):
            return None
        scope = item.get("namespaces")
        names = _texts(scope.get("names") if isinstance(scope, dict) else None)
        namespaces = None if not names or namespaces is None else namespaces | names
    return _Selection(namespaces, {}, {})


def _texts(value: object) -> set[str]:
    return {one for one in value if isinstance(one, str)} if isinstance(value, list) else set()
