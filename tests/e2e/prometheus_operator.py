"""The configuration that the Prometheus Operator generates (0.93, pkg/prometheus/promcfg.go and rules.go)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import yaml

from generator.resource import Resource
from tests import monitors
from tests.e2e.discovery import RULES_FOLDER
from tests.pods import sanitised

Tree = Mapping[str, Any]
Fields = dict[str, Any]

_PROMETHEUS = {"Prometheus", "PrometheusAgent"}


def operator_config(resources: Iterable[Resource]) -> Fields:
    """Give the prometheus.yml that the operator makes of a rendered Prometheus and what it selects.

    Monitors that it rejects are left out, as it leaves them out: those that ask for a scrape class that isn't there,
    and those that name files where that is denied. The rules that spread targets over shards are left out too: with
    one shard they keep every target.

    Raises:
        ValueError: there is not exactly one Prometheus, or something rendered is not modelled here.
    """
    trees = [resource.tree for resource in resources]
    prometheus = _prometheus(trees)
    spec = prometheus["spec"]
    by_kind = {kind: list(_selected(trees, prometheus, kind)) for kind in _SELECTORS}
    config: Fields = {"global": _global(prometheus)}
    if by_kind["PrometheusRule"]:
        config["rule_files"] = [f"{RULES_FOLDER}/prometheus-{prometheus['metadata']['name']}-rulefiles-0/*.yaml"]
    if alertmanagers := spec.get("alerting", {}).get("alertmanagers"):
        config["alerting"] = {
            **_replica_label_dropped(spec),
            "alertmanagers": [_alertmanager(one, prometheus) for one in alertmanagers],
        }
    config["scrape_configs"] = [
        *(job for one in by_kind["ServiceMonitor"] for job in _service_monitor(one, spec)),
        *(job for one in by_kind["PodMonitor"] for job in _pod_monitor(one, spec)),
        *(job for one in by_kind["ScrapeConfig"] for job in _scrape_config(one, spec)),
    ]
    if "remoteWrite" in spec:
        config["remote_write"] = [_remote_write(one) for one in spec["remoteWrite"]]
    return config


def operator_rule_files(resources: Iterable[Resource]) -> dict[str, str]:
    """Give the rule files that the operator mounts, by their path below the folder of the rules.

    Raises:
        ValueError: there is not exactly one Prometheus.
    """
    trees = [resource.tree for resource in resources]
    prometheus = _prometheus(trees)
    folder = f"prometheus-{prometheus['metadata']['name']}-rulefiles-0"
    return {
        f"{folder}/{one['metadata']['namespace']}-{one['metadata']['name']}.yaml": yaml.safe_dump(
            {"groups": one["spec"]["groups"]}
        )
        for one in _selected(trees, prometheus, "PrometheusRule")
    }


# -------------------------------------------------------------------------------------------------- what is selected


_SELECTORS = {
    "ServiceMonitor": "serviceMonitor",
    "PodMonitor": "podMonitor",
    "ScrapeConfig": "scrapeConfig",
    "PrometheusRule": "rule",
}


def _prometheus(trees: Iterable[Tree]) -> Tree:
    found = [tree for tree in trees if tree["kind"] in _PROMETHEUS]
    if len(found) != 1:
        raise ValueError(f"expected one Prometheus among the resources, found {len(found)}")
    return found[0]


def _selected(trees: Iterable[Tree], prometheus: Tree, kind: str) -> Iterator[Tree]:
    """What the Prometheus selects of a kind: an absent selector selects nothing, an empty one everything."""
    spec, prefix = prometheus["spec"], _SELECTORS[kind]
    selector = spec.get(f"{prefix}Selector")
    if selector is None:
        return
    if not selector.keys() <= {"matchLabels"} or spec.get(f"{prefix}NamespaceSelector"):
        raise ValueError(f"the lab's operator knows no such selector: {selector}")
    everywhere = f"{prefix}NamespaceSelector" in spec
    own = prometheus["metadata"]["namespace"]
    for tree in sorted(trees, key=lambda tree: (tree["metadata"].get("namespace", ""), tree["metadata"]["name"])):
        metadata = tree["metadata"]
        if (
            tree["kind"] == kind
            and (everywhere or metadata["namespace"] == own)
            and selector.get("matchLabels", {}).items() <= metadata.get("labels", {}).items()
        ):
            yield tree


# ------------------------------------------------------------------------------------------------------------ global


def _global(prometheus: Tree) -> Fields:
    metadata, spec = prometheus["metadata"], prometheus["spec"]
    labels = {"prometheus": f"{metadata['namespace']}/{metadata['name']}"}
    if replica := _replica_label(spec):
        labels[replica] = "${POD_NAME}"  # the operator writes $(POD_NAME), which its reloader replaces
    names = {"scrapeInterval": "scrape_interval", "scrapeTimeout": "scrape_timeout"}
    given = {written: spec[name] for name, written in names.items() if name in spec}
    if prometheus["kind"] == "Prometheus":
        given["evaluation_interval"] = spec.get("evaluationInterval", "30s")
    return {**given, "external_labels": {**labels, **spec.get("externalLabels", {})}}


def _replica_label(spec: Tree) -> str:
    return str(spec.get("replicaExternalLabelName", "prometheus_replica"))


def _replica_label_dropped(spec: Tree) -> Fields:
    replica = _replica_label(spec)
    return {"alert_relabel_configs": [{"action": "labeldrop", "regex": re.escape(replica)}]} if replica else {}


# -------------------------------------------------------------------------------------------------------------- jobs


def _service_monitor(monitor: Tree, spec: Tree) -> Iterator[Fields]:
    metadata, wanted = monitor["metadata"], monitor["spec"]
    scrape_class = _scrape_class(wanted, spec)
    role = _endpoint_role(spec)
    denied = spec.get("arbitraryFSAccessThroughSMs", {}).get("deny", False)
    if scrape_class is None or (denied and any(map(_names_files, wanted["endpoints"]))):
        return
    for number, endpoint in enumerate(wanted["endpoints"]):
        yield {
            "job_name": f"serviceMonitor/{metadata['namespace']}/{metadata['name']}/{number}",
            "kubernetes_sd_configs": [_discovery(role, monitors._namespaces(monitor))],
            **_of_endpoint(endpoint),
            **_tls(merged_tls(endpoint.get("tlsConfig", {}), scrape_class.get("tlsConfig", {}))),
            "relabel_configs": [
                *_service_rules(monitor, endpoint, role),
                *map(_rule, scrape_class.get("relabelings", [])),
                *map(_rule, endpoint.get("relabelings", [])),
            ],
        }


def _service_rules(monitor: Tree, endpoint: Tree, role: str) -> Iterator[Fields]:
    """The rules that come before the monitor's own."""
    prefix = "endpointslice" if role == "endpointslice" else "endpoint"
    yield {"source_labels": ["job"], "target_label": "__tmp_prometheus_job_name"}
    for name, value in sorted(monitor["spec"]["selector"].get("matchLabels", {}).items()):
        label = sanitised(name)
        sources = [f"__meta_kubernetes_service_label_{label}", f"__meta_kubernetes_service_labelpresent_{label}"]
        yield {"source_labels": sources, "action": "keep", "regex": f"({value});true"}
    if "port" in endpoint:
        source = [f"__meta_kubernetes_{prefix}_port_name"]
        yield {"source_labels": source, "action": "keep", "regex": endpoint["port"]}
    kind = [f"__meta_kubernetes_{prefix}_address_target_{part}" for part in ("kind", "name")]
    for regex, target in (("Node;(.*)", "node"), ("Pod;(.*)", "pod")):
        yield {"source_labels": kind, "regex": regex, "replacement": "${1}", "target_label": target}
    for source_label, target in (
        ("namespace", "namespace"),
        ("service_name", "service"),
        ("pod_name", "pod"),
        ("pod_container_name", "container"),
    ):
        yield {"source_labels": [f"__meta_kubernetes_{source_label}"], "target_label": target}
    yield {"source_labels": ["__meta_kubernetes_pod_phase"], "action": "drop", "regex": "(Failed|Succeeded)"}
    yield {"source_labels": ["__meta_kubernetes_service_name"], "target_label": "job", "replacement": "${1}"}
    if "port" in endpoint:
        yield {"target_label": "endpoint", "replacement": endpoint["port"]}


def _pod_monitor(monitor: Tree, spec: Tree) -> Iterator[Fields]:
    """What `tests.monitors` makes of it, and the rest of its endpoints' fields."""
    scrape_class = _scrape_class(monitor["spec"], spec)
    if scrape_class is None:
        return
    if scrape_class.get("relabelings"):
        raise ValueError("the lab's operator knows no relabelings of a scrape class for PodMonitors")
    named = {"scrapeClass": scrape_class["name"]} if scrape_class else {}
    monitor = {**monitor, "spec": {**monitor["spec"], **named}}
    jobs = monitors.scrape_jobs(monitor, {scrape_class.get("name", ""): scrape_class})
    for job, endpoint in zip(jobs, monitor["spec"]["podMetricsEndpoints"], strict=True):
        yield {**job, **_of_endpoint(endpoint)}


def _scrape_config(resource: Tree, spec: Tree) -> Iterator[Fields]:
    metadata, wanted = resource["metadata"], resource["spec"]
    scrape_class = _scrape_class(wanted, spec)
    if scrape_class is None:
        return
    if unknown := wanted.keys() - _SCRAPE_CONFIG.keys() - _SCRAPE_CONFIG_RULES:
        raise ValueError(f"the lab's operator knows no {', '.join(sorted(unknown))} of a ScrapeConfig")
    job = {_SCRAPE_CONFIG[name]: value for name, value in wanted.items() if name in _SCRAPE_CONFIG}
    if "scheme" in job:
        job["scheme"] = job["scheme"].lower()
    for discovery in job.get("kubernetes_sd_configs", []):
        discovery["role"] = discovery["role"].lower()
    named = [{"target_label": "job", "replacement": wanted["jobName"]}] if "jobName" in wanted else []
    yield {
        "job_name": f"scrapeConfig/{metadata['namespace']}/{metadata['name']}",
        **job,
        **_tls(merged_tls(wanted.get("tlsConfig", {}), scrape_class.get("tlsConfig", {}))),
        "relabel_configs": [
            {"source_labels": ["job"], "target_label": "__tmp_prometheus_job_name"},
            *map(_rule, scrape_class.get("relabelings", [])),
            *named,
            *map(_rule, wanted.get("relabelings", [])),
        ],
        **_metric_rules(wanted),
    }


_SCRAPE_CONFIG = {
    "enableHTTP2": "enable_http2",
    "honorLabels": "honor_labels",
    "honorTimestamps": "honor_timestamps",
    "kubernetesSDConfigs": "kubernetes_sd_configs",
    "metricsPath": "metrics_path",
    "params": "params",
    "scheme": "scheme",
    "scrapeInterval": "scrape_interval",
    "scrapeTimeout": "scrape_timeout",
    "staticConfigs": "static_configs",
}
_SCRAPE_CONFIG_RULES = {"jobName", "metricRelabelings", "relabelings", "scrapeClass", "tlsConfig"}


def _of_endpoint(endpoint: Tree) -> Fields:
    """The fields of a monitor's endpoint but for its rules and its TLS settings."""
    names = {
        "enableHttp2": "enable_http2",
        "honorLabels": "honor_labels",
        "honorTimestamps": "honor_timestamps",
        "interval": "scrape_interval",
        "params": "params",
        "path": "metrics_path",
        "scheme": "scheme",
        "scrapeTimeout": "scrape_timeout",
    }
    if unknown := endpoint.keys() - names.keys() - {"port", "tlsConfig", "relabelings", "metricRelabelings"}:
        raise ValueError(f"the lab's operator knows no {', '.join(sorted(unknown))} of an endpoint")
    given = {written: endpoint[name] for name, written in names.items() if name in endpoint}
    if "scheme" in given:
        given["scheme"] = given["scheme"].lower()
    return {**given, **_metric_rules(endpoint)}


def _metric_rules(given: Tree) -> Fields:
    rules = [_rule(one) for one in given.get("metricRelabelings", [])]
    return {"metric_relabel_configs": rules} if rules else {}


def _rule(given: Tree) -> Fields:
    rule = monitors._snake_case(given)
    if "action" in rule:
        rule["action"] = rule["action"].lower()
    return rule


def _endpoint_role(spec: Tree) -> str:
    return "endpointslice" if spec.get("serviceDiscoveryRole") == "EndpointSlice" else "endpoints"


def _discovery(role: str, namespaces: list[str]) -> Fields:
    return {"role": role, **({"namespaces": {"names": namespaces}} if namespaces else {})}


# --------------------------------------------------------------------------------------------------------------- TLS


def _scrape_class(monitor_spec: Tree, spec: Tree) -> Tree | None:
    """The class a monitor asks for, or the default one, or an empty one; None: it asks for one that isn't there."""
    classes = spec.get("scrapeClasses", [])
    if name := monitor_spec.get("scrapeClass"):
        return next((one for one in classes if one["name"] == name), None)
    return next((one for one in classes if one.get("default")), {})


def merged_tls(own: Tree, of_class: Tree) -> Tree:
    """Merge a monitor's TLS settings with those of its class.

    Without any of its own it gets all of the class; otherwise only the files that it lacks, and not skip-verify.
    """
    if not own:
        return of_class
    pairs = (("caFile", "ca"), ("certFile", "cert"), ("keyFile", "keySecret"))
    filled = {
        file: of_class[file] for file, secret in pairs if file in of_class and file not in own and secret not in own
    }
    return {**own, **filled}


def _tls(settings: Tree) -> Fields:
    if unknown := settings.keys() - {"caFile", "certFile", "keyFile", "insecureSkipVerify", "serverName"}:
        raise ValueError(f"the lab's operator knows no {', '.join(sorted(unknown))} of a TLS configuration")
    return {"tls_config": monitors._snake_case(settings)} if settings else {}


def _names_files(endpoint: Tree) -> bool:
    files = {"caFile", "certFile", "keyFile"}
    return bool(files & endpoint.get("tlsConfig", {}).keys()) or "bearerTokenFile" in endpoint


# ------------------------------------------------------------------------------------------------------ destinations


def _alertmanager(given: Tree, prometheus: Tree) -> Fields:
    role = _endpoint_role(prometheus["spec"])
    prefix = "endpointslice" if role == "endpointslice" else "endpoint"
    keeps = (("service_name", given["name"]), (f"{prefix}_port_name", given["port"]))
    return {
        "path_prefix": given.get("pathPrefix", "/"),
        "scheme": given.get("scheme", "http"),
        **({"enable_http2": given["enableHttp2"]} if "enableHttp2" in given else {}),
        **_tls(given.get("tlsConfig", {})),
        "kubernetes_sd_configs": [
            _discovery(role, [given.get("namespace", prometheus["metadata"]["namespace"])]),
        ],
        **({"api_version": given["apiVersion"]} if "apiVersion" in given else {}),
        "relabel_configs": [
            {"action": "keep", "source_labels": [f"__meta_kubernetes_{label}"], "regex": str(value)}
            for label, value in keeps
        ],
    }


def _remote_write(given: Tree) -> Fields:
    names = {"name": "name", "url": "url", "remoteTimeout": "remote_timeout", "enableHTTP2": "enable_http2"}
    if unknown := given.keys() - names.keys() - {"headers", "authorization", "tlsConfig"}:
        raise ValueError(f"the lab's operator knows no {', '.join(sorted(unknown))} of a remote write")
    authorization = given.get("authorization", {})
    return {
        **{written: given[name] for name, written in names.items() if name in given},
        **({"headers": given["headers"]} if "headers" in given else {}),
        **({"authorization": monitors._snake_case(authorization)} if authorization else {}),
        **_tls(given.get("tlsConfig", {})),
    }
