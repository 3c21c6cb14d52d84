"""Scraping the agents of other pods: whom they answer, and where discovery finds them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping

from generator.doctor.rule import Fix, Found, rule
from generator.doctor.rules.examples import CONFIGURATION, PLAIN, WEB, but
from generator.doctor.rules.jobs import found_at
from generator.doctor.rules.merging import BY_ANNOTATION, BY_NAME
from generator.errors import ValuePath
from generator.injection import proxy_config, proxy_metadata
from generator.injection.annotations import CONFIG, SECURE_PORT
from generator.monitoring import PodView, Scrape, Setup
from generator.monitoring.relabelling import merged_pod, outcomes, pattern


def over_http(example: str) -> str:
    """Give an example's configuration without what it says of TLS."""
    before, _, rest = example.partition("      scheme: https\n")
    return before + "      kubernetes_sd_configs:" + rest.partition("      kubernetes_sd_configs:")[2]


_LOCAL_ONLY = "METRICS_LOCALHOST_ACCESS_ONLY"
_LOCAL_ONLY_SINCE = (1, 22)
_SECURE_SINCE = (1, 31)
_MERGED_PORT = "ENVOY_SECURE_MERGED_METRICS_PORT"
_SECURE = (SECURE_PORT, "prometheus.istio.io/secure-envoy-port")
_AGENTS_PORTS = {"15020", "15090"}
_IS_INIT = "__meta_kubernetes_pod_container_init"
_CONTAINER = "__meta_kubernetes_pod_container_name"
_PORT_NAME = "__meta_kubernetes_pod_container_port_name"

_ANNOTATED_PORTS = f"{PLAIN}---\n{over_http(BY_ANNOTATION)}"
_SILENT = but(
    WEB,
    (
        '        prometheus.istio.io/merge-metrics: "false"\n',
        (
            "        proxy.istio.io/config: |\n          proxyMetadata:\n"
            '            METRICS_LOCALHOST_ACCESS_ONLY: "true"\n'
        ),
    ),
)


@rule(
    "metrics-for-localhost-only",
    title="A pod's agent tells its metrics to nobody outside the pod",
    severity="warning",
    stage="scraping",
    why="""
        With `METRICS_LOCALHOST_ACCESS_ONLY` the agent answers 403 on port 15020 to whoever isn't in the pod, and Envoy
        listens for 15090 on localhost alone. A job that asks either by the pod's address fails for this pod. The
        variable goes with the secure metrics ports of Istio 1.31, which it leaves open.
        """,
    since="Istio 1.22",
    sources=["istio#50728", "istio `pilot/cmd/pilot-agent/status/server.go`"],
    wrong=_ANNOTATED_PORTS + _SILENT,
)
def metrics_for_localhost_only(setup: Setup) -> Iterator[Found]:
    """Look for pods that say so, where a job asks their agents."""
    if setup.settings.istio < _LOCAL_ONLY_SINCE:
        return
    for document, pod in setup.workloads:
        metadata = _metadata(pod)
        if metadata.get(_LOCAL_ONLY) != "true":
            continue
        secure = _secure_ports(setup, pod, metadata)
        found = next(((one, port) for one in setup.scrapes for port in _asked(one, secure, _AGENTS_PORTS)), None)
        if found is None:
            continue
        asking, port = found
        says = f"{_LOCAL_ONLY} closes port {port} to others, and {asking} asks it"
        fix = Fix("take the variable out, or scrape the secure metrics ports instead (Istio 1.31)")
        other = next((one for one in setup.scrapes if any(_asked(one, secure, {*secure.values()}))), None)
        if other is not None:
            label = "__meta_kubernetes_pod_annotation_" + re.sub(r"\W", "_", next(iter(secure)))
            drop = (
                f"{asking.spelling.relabelings}:\n- {asking.spelling.sources}: [{label}]\n  action: drop\n  regex: .+"
            )
            fix = Fix(f"have {asking} drop such pods: {other} scrapes their secure metrics port", yaml=drop)
        yield Found(document, _config_place(pod), says, fix)


def _asked(scrape: Scrape, annotations: Mapping[str, str], ports: Collection[str]) -> Iterator[str]:
    """Those of some ports that a job asks on a pod whose metrics are merged."""
    return (one.port for one in outcomes(scrape, merged_pod(annotations)) if one.port in ports)


def _secure_ports(setup: Setup, pod: PodView, metadata: Mapping[str, str]) -> dict[str, str]:
    """The annotations by which a pod's secure metrics ports are found; injection adds one of them (since 1.31)."""
    found = {name: pod.annotations[name] for name in _SECURE if name in pod.annotations}
    port = metadata.get(_MERGED_PORT, "0")
    if setup.settings.istio >= _SECURE_SINCE and port != "0":
        found.setdefault(SECURE_PORT, port)
    return found


def _metadata(pod: PodView) -> dict[str, str]:
    try:
        return proxy_metadata(proxy_config(pod.annotations))
    except ValueError:  # refused-by-the-webhook tells of it
        return {}


def _config_place(pod: PodView) -> ValuePath:
    return pod.where("metadata", "annotations", CONFIG)


_NOT_INIT = """\
      - source_labels: [__meta_kubernetes_pod_container_init]
        action: drop
        regex: "true"
      - source_labels: [__meta_kubernetes_pod_container_name]
        action: keep
        regex: istio-proxy
"""


@rule(
    "native-proxies-left-out",
    title="A job looks for proxies, and leaves out those that are native sidecars",
    severity="warning",
    stage="scraping",
    why="""
        A native sidecar is an init container, and discovery says so: `__meta_kubernetes_pod_container_init` is `true`
        for its ports. A job that leaves init containers out and keeps those of the proxy finds none of them. Istio
        injects native sidecars by default since 1.27, on Kubernetes 1.33 and later.
        """,
    since="Istio 1.27",
    sources=["istio `pkg/kube/inject/webhook.go` (`DetectNativeSidecar`)", "prometheus `discovery/kubernetes/pod.go`"],
    wrong=f"{PLAIN}---\n{over_http(CONFIGURATION.replace(BY_NAME, _NOT_INIT))}",
)
def native_proxies_left_out(setup: Setup) -> Iterator[Found]:
    """Look for jobs that keep the proxy's container, or its port, and no init container."""
    if not setup.mesh_of("").native():
        return
    for scrape in setup.scrapes:
        rules = list(scrape.relabelings())
        wants_proxies = any(
            one.action == "keep"
            and ((one.sources == (_CONTAINER,) and pattern(one.regex).fullmatch("istio-proxy"))
            or (one.sources == (_PORT_NAME,) and pattern(one.regex).fullmatch("http-envoy-prom")))
            and not pattern(one.regex).fullmatch("web")
            for one in rules
        )  # fmt: skip
        if not wants_proxies:
            continue
        for one in rules:
            takes = pattern(one.regex).fullmatch("true") is not None
            if one.sources == (_IS_INIT,) and (
                (one.action == "keep" and not takes) or (one.action == "drop" and takes)
            ):
                says = f"{scrape} keeps the ports of proxies, and leaves init containers out"
                yield found_at(
                    scrape, one.path[len(scrape.path) :], says, Fix("leave out the rule for init containers")
                )
