"""Which traffic of a pod is intercepted, by whichever form."""

from __future__ import annotations

from typing import Any

import pytest

from generator.injection import Interception, catches_port, intercepts
from tests.injection.pods import APPLICATION, injected, into, pod

TRAFFIC = "traffic.sidecar.istio.io/"
INCLUDE_OUT, EXCLUDE_OUT = TRAFFIC + "includeOutboundIPRanges", TRAFFIC + "excludeOutboundIPRanges"
INCLUDE_PORTS, EXCLUDE_PORTS = TRAFFIC + "includeOutboundPorts", TRAFFIC + "excludeOutboundPorts"
INCLUDE_IN, EXCLUDE_IN = TRAFFIC + "includeInboundPorts", TRAFFIC + "excludeInboundPorts"


def intercepted(annotations: dict[str, str], **mesh: Any) -> Interception:
    return intercepts(into(pod(annotations), **mesh).pod)


def flags(found: Interception) -> tuple[bool, bool, bool]:
    return found[:3]


def test_everything_is_caught_by_default():
    assert intercepted({}) == Interception(inbound=True, outbound_v4=True, outbound_v6=True, by="")


def test_empty_annotations_turn_both_directions_off():
    found = intercepted({INCLUDE_IN: "", INCLUDE_OUT: ""})
    assert flags(found) == (False, False, False)
    assert found.by == f'{INCLUDE_IN} is ""; {INCLUDE_OUT} is ""'
    assert flags(intercepted({INCLUDE_IN: "", INCLUDE_OUT: ""}, cni=True)) == (False, False, False)


@pytest.mark.parametrize(
    ("excluded", "version4", "version6"),
    [
        ("0.0.0.0/0", False, True),
        ("0.0.0.0/0,::/0", False, False),
        ("0.0.0.0/1,128.0.0.0/1", False, True),
        ("::/0", True, False),
        ("0.0.0.0/1", True, True),
        ("10.0.0.0/8", True, True),
    ],
)
def test_excluding_all_addresses_of_a_version_turns_that_version_off(excluded, version4, version6):
    found = intercepted({EXCLUDE_OUT: excluded})
    assert flags(found) == (True, version4, version6)
    assert (EXCLUDE_OUT in found.by) is (not (version4 and version6))


@pytest.mark.parametrize(
    "ranges",
    ["127.0.0.0/8", "240.0.0.0/4", "192.0.2.0/24", "203.0.113.128/25", "1.2.3.4/32", "255.255.255.255/32", "::1/128"],
)
def test_a_range_that_nothing_is_in_catches_nothing(ranges):
    found = intercepted({INCLUDE_OUT: ranges})
    assert flags(found) == (True, False, False)
    assert found.by == f'{INCLUDE_OUT} is "{ranges}"'


def test_a_range_of_one_version_catches_that_version():
    assert flags(intercepted({INCLUDE_OUT: "10.0.0.0/8"})) == (True, True, False)
    assert flags(intercepted({INCLUDE_OUT: "fd00::/8,192.0.2.0/24"})) == (True, False, True)


def test_excluding_counts_for_everything_only():
    assert flags(intercepted({INCLUDE_OUT: "10.0.0.0/8", EXCLUDE_OUT: "0.0.0.0/0"})) == (True, True, False)


def test_interception_none_catches_nothing():
    found = intercepted({"sidecar.istio.io/interceptionMode": "NONE"})
    assert flags(found) == (False, False, False)
    assert found.by == "annotation sidecar.istio.io/interceptionMode is NONE"


def test_the_cni_plugin_leaves_an_agent_without_envoy_alone():
    annotations = {"proxy.istio.io/config": 'proxyMetadata: {DISABLE_ENVOY: "true"}'}
    found = intercepted(annotations, cni=True)
    assert flags(found) == (False, False, False)
    assert found.by == "the CNI plugin leaves a pod with DISABLE_ENVOY alone"
    assert flags(intercepted(annotations)) == (True, True, True)


def test_ports_that_are_all_excluded_are_not_caught():
    assert intercepted({EXCLUDE_IN: "9090"}).inbound is False
    assert intercepted({EXCLUDE_IN: "9091"}).inbound is True
    without_ports = injected({EXCLUDE_IN: "9090"}, containers=[{"name": "prometheus"}])
    assert intercepts(without_ports.pod).inbound is True


def test_ports_of_others_are_no_ports_of_the_pod():
    assert intercepted({INCLUDE_IN: "9090"}).inbound is True
    found = intercepted({INCLUDE_IN: "8080"})
    assert found.inbound is False
    assert found.by == f"{INCLUDE_IN} names no port of the pod"


def test_one_port_can_be_asked_for():
    def intercepts(port: int, annotations: dict[str, str]) -> bool:
        return catches_port(injected(annotations).pod, port)

    assert intercepts(9090, {})
    assert not intercepts(15020, {})
    assert not intercepts(9090, {EXCLUDE_IN: "9090"})
    assert not intercepts(9090, {INCLUDE_IN: ""})
    assert intercepts(9090, {INCLUDE_IN: "8080, 9090"})
    assert not catches_port(pod(), 9090)


def test_a_manual_proxy_without_rules_catches_nothing():
    manual = pod(containers=[APPLICATION, {"name": "istio-proxy", "image": "istio/proxyv2:1.30.0"}])
    found = intercepts(manual)
    assert flags(found) == (False, False, False)
    assert found.by == "the pod has neither istio-init nor istio-validation"


def test_rules_written_by_hand_are_read_in_their_long_form():
    rules = {"name": "istio-init", "command": ["istio-iptables", "--istio-inbound-ports=", "--istio-service-cidr", "*"]}
    manual = pod(containers=[{"name": "istio-proxy"}], initContainers=[rules])
    assert flags(intercepts(manual)) == (False, True, True)


def test_a_pod_without_a_proxy_is_not_caught():
    assert intercepts(pod()).by == "the pod has no container istio-proxy"


def test_the_grpc_agent_catches_nothing():
    assert flags(intercepted({"inject.istio.io/templates": "grpc-agent"})) == (False, False, False)


@pytest.mark.parametrize(
    ("annotations", "ports"),
    [
        ({INCLUDE_OUT: ""}, ("8080", "4317")),
        ({INCLUDE_OUT: "", EXCLUDE_PORTS: "4317"}, ("8080",)),
        ({INCLUDE_OUT: "10.0.0.0/8"}, ("8080", "4317")),
        ({EXCLUDE_OUT: "0.0.0.0/0"}, ("8080", "4317")),  # by IPv6
        ({EXCLUDE_OUT: "0.0.0.0/0,::/0"}, ()),  # addresses that are spared come first
        ({}, ()),  # all of it is intercepted anyway
    ],
)
def test_ports_may_be_caught_whatever_the_address(annotations, ports):
    assert intercepted({**annotations, INCLUDE_PORTS: "8080, 4317"}).outbound_ports == ports
