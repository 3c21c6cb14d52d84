"""Pods that the webhook refuses, and why."""

from __future__ import annotations

from typing import Any

import pytest

from tests.injection.pods import injected, into, pod, proxy, variables

CONFIG = "proxy.istio.io/config"
TRAFFIC = "traffic.sidecar.istio.io/"


@pytest.mark.parametrize(
    ("value", "spelt"), [("true", "true"), ("15091", "15091"), ("yes", "true"), ("null", ""), ("0.5", "0.5")]
)
def test_an_unquoted_value_of_proxy_metadata_is_refused_and_read_as_it_looks(value, spelt):
    found = injected({CONFIG: f"proxyMetadata:\n  DISABLE_ENVOY: {value}"})
    assert found.refused == (f"annotation {CONFIG}: proxyMetadata.DISABLE_ENVOY is no string: write it in quotes",)
    assert variables(proxy(found))["DISABLE_ENVOY"] == (spelt or None)


@pytest.mark.parametrize("value", ["'true'", '"15091"', "10m", "12:30", "/certs"])
def test_a_string_of_proxy_metadata_is_taken(value):
    assert injected({CONFIG: f"proxyMetadata:\n  NAME: {value}"}).refused == ()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("proxyMetadata: [a]", "proxyMetadata is no map"),
        ("proxyMetadata:\n  A: 'a\"b'", "proxyMetadata.A holds a double quote"),
        ("holdApplicationUntilProxyStarts: 'true'", "holdApplicationUntilProxyStarts is no boolean"),
        ("just text", "is no map of settings"),
        ("a: [", "can't be read"),
    ],
)
def test_a_configuration_that_is_none_is_refused(text, says):
    found = injected({CONFIG: text})
    assert len(found.refused) == 1
    assert says in found.refused[0]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (TRAFFIC + "includeInboundPorts", "9090,web"),
        (TRAFFIC + "includeInboundPorts", "*,9090"),
        (TRAFFIC + "excludeInboundPorts", "70000"),
        (TRAFFIC + "excludeInboundPorts", "*"),
        (TRAFFIC + "excludeOutboundPorts", "-1"),
        (TRAFFIC + "includeOutboundPorts", "a"),
        (TRAFFIC + "includeOutboundIPRanges", "10.0.0.1"),
        (TRAFFIC + "includeOutboundIPRanges", "10.0.0.0/33"),
        (TRAFFIC + "excludeOutboundIPRanges", "*"),
        (TRAFFIC + "excludeOutboundIPRanges", "10.0.0.0/8, 11.0.0.0/8"),
        ("sidecar.istio.io/interceptionMode", "none"),
        ("status.sidecar.istio.io/port", "web"),
        ("readiness.status.sidecar.istio.io/periodSeconds", "1.5"),
        ("prometheus.istio.io/merge-metrics", "no"),
        ("sidecar.istio.io/proxyCPU", "a lot"),
        ("sidecar.istio.io/proxyMemoryLimit", "128MiB"),
    ],
)
def test_an_invalid_annotation_is_refused_by_its_name(name, value):
    found = injected({name: value})
    assert len(found.refused) == 1
    assert found.refused[0].startswith(f'annotation {name} is "{value}", which is no ')


@pytest.mark.parametrize(
    "annotations",
    [
        {TRAFFIC + "includeInboundPorts": "", TRAFFIC + "includeOutboundIPRanges": ""},
        {TRAFFIC + "includeInboundPorts": "*", TRAFFIC + "includeOutboundIPRanges": "*"},
        {TRAFFIC + "excludeInboundPorts": " 9090 , 9091", TRAFFIC + "excludeOutboundIPRanges": "0.0.0.0/0,::/0"},
        {TRAFFIC + "includeOutboundIPRanges": "10.0.0.1/8,2001:db8::/32"},
        {
            "sidecar.istio.io/proxyCPU": "100m",
            "sidecar.istio.io/proxyMemory": "1e3",
            "sidecar.istio.io/proxyCPULimit": ".5",
        },
        {"prometheus.istio.io/merge-metrics": "F", "status.sidecar.istio.io/port": "0"},
        {CONFIG: ""},
        {CONFIG: "{}"},
        {CONFIG: "concurrency: 2\ntracing:\n  sampling: 10"},
    ],
)
def test_valid_annotations_are_not(annotations):
    assert injected(annotations).refused == ()


def test_an_annotation_that_is_no_string_is_refused_whether_injected_or_not():
    assert injected({"prometheus.io/port": 9090}).refused == (
        'annotation prometheus.io/port is no string: write "9090" in quotes',
    )
    assert into(pod({"a": True}), namespace_injection=False).refused


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ({"containers": {"name": "prometheus"}}, "spec.containers is no list"),
        ({"volumes": {"name": "certs"}}, "spec.volumes is no list"),
        (
            {"containers": [{"name": "prometheus", "volumeMounts": {"name": "certs", "mountPath": "/certs"}}]},
            "volumeMounts of container prometheus is no list",
        ),
    ],
)
def test_a_map_where_a_list_belongs_is_refused(spec: dict[str, Any], says):
    assert says in into(pod(**spec)).refused


def test_a_pod_that_is_not_injected_is_not_checked_by_the_webhook():
    tree = pod({CONFIG: "proxyMetadata: {A: true}", "sidecar.istio.io/interceptionMode": "none"})
    assert into(tree, namespace_injection=False).refused == ()
