"""In every environment the certificate goes all the way: written, kept in memory, mounted, read, and let in."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from generator.resource import Resource
from tests.acceptance.examples import VARIANTS, random_trees
from tests.rendering import render, render_sample, sample_names, sample_values
from tests.wiring import certificate_clients, certificate_writer, faults, mount_path, prometheus_pod

#: Random environments of each variant.
COUNT = 30


@pytest.mark.parametrize("name", sample_names())
def test_a_sample_hangs_together(name):
    assert faults(render_sample(name), sample_values(name)["istio"]["trustDomain"]) == []


@pytest.mark.parametrize("variant", VARIANTS)
def test_any_valid_values_hang_together(variant):
    for overlay in random_trees(variant, COUNT):
        trust_domain = overlay.get("istio", {}).get("trustDomain", "cluster.local")
        assert faults(render(overlay), trust_domain) == [], json.dumps(overlay)


@pytest.mark.parametrize("variant", ["plain", "operator", "manual"])
def test_the_certificate_is_written_mounted_and_read(variant):
    """The checker sees what it checks."""
    resources = render({"variant": variant})
    pod = prometheus_pod(resources)
    writer = certificate_writer(pod)
    assert writer is not None
    assert (writer.directory, mount_path(pod)) == ("/etc/istio-output-certs", "/etc/prom-certs")
    assert list(certificate_clients(resources)) != []


def test_merged_metrics_need_no_certificate():
    for form in ("workload", "operator"):
        resources = render({"variant": "merged", "merged": {"prometheus": form}})
        assert certificate_writer(prometheus_pod(resources)) is None
        assert list(certificate_clients(resources)) == []


# ---------------------------------------------------------------------------------- the checker, on broken environments

Break = Callable[[dict[str, Any]], object]


def _pod(tree: dict[str, Any]) -> dict[str, Any]:
    pod: dict[str, Any] = tree["spec"]["template"]
    return pod


def _annotate(name: str, value: str) -> Break:
    return lambda tree: _pod(tree)["metadata"]["annotations"].__setitem__(name, value)


def _configured(old: str, new: str) -> Break:
    data = "prometheus.yml"
    return lambda tree: tree["data"].__setitem__(data, tree["data"][data].replace(old, new))


def _container(number: int) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda tree: _pod(tree)["spec"]["containers"][number]


def _certificate_mount(tree: dict[str, Any]) -> dict[str, Any]:
    mounts = _container(0)(tree)["volumeMounts"]
    found: dict[str, Any] = next(one for one in mounts if one["name"] == "istio-workload-certs")
    return found


OUTPUT = "proxyMetadata: {OUTPUT_CERTS: %s}"
BROKEN: dict[str, tuple[str, Break, str]] = {
    "another directory": (
        "StatefulSet",
        _annotate("proxy.istio.io/config", OUTPUT % "/etc/other"),
        "nothing is mounted at /etc/other, where the certificate is written",
    ),
    "the agent's own directory": (
        "StatefulSet",
        _annotate("proxy.istio.io/config", OUTPUT % "/etc/certs"),
        "the certificate is written to /etc/certs",
    ),
    "a read-only mount": (
        "StatefulSet",
        _annotate(
            "sidecar.istio.io/userVolumeMount",
            '{"istio-workload-certs": {"mountPath": "/etc/istio-output-certs", "readOnly": true}}',
        ),
        "the agent's mount isn't the whole directory, writable",
    ),
    "a volume on disk": (
        "StatefulSet",
        lambda tree: [one["emptyDir"].clear() for one in _pod(tree)["spec"]["volumes"] if "emptyDir" in one],
        "the volume istio-workload-certs isn't in memory",
    ),
    "no volume": (
        "StatefulSet",
        lambda tree: _pod(tree)["spec"]["volumes"].pop(2),
        "prometheus mounts istio-workload-certs, which is no volume of the pod",
    ),
    "a writable mount": (
        "StatefulSet",
        lambda tree: _certificate_mount(tree).pop("readOnly"),
        "Prometheus doesn't mount the certificates once, as a whole and read-only",
    ),
    "one file of it": (
        "StatefulSet",
        lambda tree: _certificate_mount(tree).update(subPath="key.pem"),
        "Prometheus doesn't mount the certificates once, as a whole and read-only",
    ),
    "a reader too many": (
        "StatefulSet",
        lambda tree: _container(1)(tree)["volumeMounts"].append({"name": "istio-workload-certs", "mountPath": "/x"}),
        "config-reloader can read the private key",
    ),
    "no injection": (
        "StatefulSet",
        lambda tree: _pod(tree)["metadata"]["labels"].pop("sidecar.istio.io/inject"),
        "the label sidecar.istio.io/inject isn't true",
    ),
    "the deprecated annotation": (
        "StatefulSet",
        _annotate("sidecar.istio.io/inject", "true"),
        "sidecar.istio.io/inject is an annotation",
    ),
    "intercepted": (
        "StatefulSet",
        _annotate("traffic.sidecar.istio.io/includeInboundPorts", "*"),
        "includeInboundPorts doesn't switch interception off",
    ),
    "a probe's port": (
        "StatefulSet",
        lambda tree: _container(0)(tree)["readinessProbe"]["httpGet"].update(port="web"),
        "prometheus: readinessProbe asks port web, which isn't declared",
    ),
    "two volumes in one place": (
        "StatefulSet",
        lambda tree: _certificate_mount(tree).update(mountPath="/prometheus"),
        "prometheus mounts two volumes at /prometheus",
    ),
    "another governing Service": (
        "StatefulSet",
        lambda tree: tree["spec"].update(serviceName="other"),
        "StatefulSet prometheus has no headless Service other",
    ),
    "another file": (
        "ConfigMap",
        _configured("/etc/prom-certs/key.pem", "/etc/certs/key.pem"),
        "and the certificates are in /etc/prom-certs",
    ),
    "a host name checked": (
        "ConfigMap",
        _configured("insecure_skip_verify: true", "insecure_skip_verify: false"),
        "ConfigMap prometheus-config checks a host name, which the certificates don't have",
    ),
    "HTTP/2": (
        "ConfigMap",
        _configured("enable_http2: false", "enable_http2: true"),
        "ConfigMap prometheus-config may agree on HTTP/2",
    ),
    "http": (
        "ConfigMap",
        _configured("scheme: https", "scheme: http"),
        "ConfigMap prometheus-config has certificates and speaks http",
    ),
    "no rule file": (
        "ConfigMap",
        _configured("/etc/prometheus/rules/", "/etc/rules/"),
        "no rule file is found by /etc/rules/",
    ),
    "another selector": (
        "Sidecar",
        lambda tree: tree["spec"]["workloadSelector"].update(labels={"app": "prometheus"}),
        "Sidecar prometheus doesn't select the pod",
    ),
    "no selector": (
        "Sidecar",
        lambda tree: tree["spec"].pop("workloadSelector"),
        "Sidecar prometheus doesn't select the pod",
    ),
    "another account": (
        "ClusterRoleBinding",
        lambda tree: tree["subjects"][0].update(name="default"),
        "nothing lets the pod's service account discover targets",
    ),
    "another principal": (
        "AuthorizationPolicy",
        lambda tree: tree["spec"]["rules"][0]["from"][0]["source"].update(principals=["cluster.local/ns/a/sa/b"]),
        "AuthorizationPolicy prometheus-shop lets in somebody else",
    ),
}
BROKEN_OPERATOR: dict[str, tuple[str, Break, str]] = {
    "an unknown class": (
        "PodMonitor",
        lambda tree: tree["spec"].update(scrapeClass="other"),
        "asks for the scrape class other, which isn't there",
    ),
    "http": (
        "PodMonitor",
        lambda tree: tree["spec"]["podMetricsEndpoints"][0].pop("scheme", None),
        "PodMonitor prometheus-istio-mtls has certificates and speaks http",
    ),
    "HTTP/2": (
        "PodMonitor",
        lambda tree: tree["spec"]["podMetricsEndpoints"][0].pop("enableHttp2", None),
        "PodMonitor prometheus-istio-mtls may agree on HTTP/2",
    ),
    "half a TLS setting": (
        "PodMonitor",
        lambda tree: tree["spec"]["podMetricsEndpoints"][0].update(tlsConfig={"caFile": "/a"}),
        "PodMonitor prometheus-istio-mtls has a TLS setting beside its scrape class",
    ),
    "a label missing": (
        "PodMonitor",
        lambda tree: tree["metadata"]["labels"].pop("release"),
        "isn't selected",
    ),
    "the default class": (
        "Prometheus",
        lambda tree: tree["spec"]["scrapeClasses"][0].update(default=True),
        "the scrape class is the default one",
    ),
    "labels that the operator's pods don't have": (
        "Sidecar",
        lambda tree: tree["spec"]["workloadSelector"].update(labels={"app": "prometheus"}),
        "Sidecar prometheus doesn't select the pod",
    ),
    "the workload's port": (
        "Service",
        lambda tree: tree["spec"]["ports"][0].update(targetPort="http-web"),
        "Service prometheus leads to a port http-web",
    ),
}


def broken(overlay: dict[str, Any], kind: str, change: Break) -> list[str]:
    """Change the resources of a kind, and give the faults found."""
    resources: list[Resource] = []
    for resource in render(overlay):
        tree = copy.deepcopy(resource.tree)
        if resource.id.kind == kind and ("prometheus.yml" in tree.get("data", {}) or kind != "ConfigMap"):
            change(tree)
        resources.append(resource._replace(tree=tree))
    return faults(resources)


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_wire_is_found(case):
    kind, change, told = BROKEN[case]
    overlay = {"mesh": {"authorizationPolicies": {"shop": {"namespace": "shop", "ports": [8080]}}}}
    assert [fault for fault in broken(overlay, kind, change) if told in fault]


@pytest.mark.parametrize("case", BROKEN_OPERATOR)
def test_a_broken_wire_of_the_operator_is_found(case):
    kind, change, told = BROKEN_OPERATOR[case]
    overlay = {"variant": "operator", "operator": {"monitorLabels": {"release": "a"}}}
    assert [fault for fault in broken(overlay, kind, change) if told in fault]
