"""What is told of an injection."""

from __future__ import annotations

from typing import Any

from generator.injection import explain
from tests.injection.pods import APPLICATION, MEMORY, injected, into, pod

CERTS = {
    "proxy.istio.io/config": "proxyMetadata:\n  OUTPUT_CERTS: /certs/mine",
    "sidecar.istio.io/userVolumeMount": '[{"name": "certs", "mountPath": "/certs"}]',
    "traffic.sidecar.istio.io/includeInboundPorts": "",
    "traffic.sidecar.istio.io/includeOutboundIPRanges": "",
}


def told(annotations: dict[str, str], **spec: Any) -> list[str]:
    return explain(injected(annotations, **spec))


def test_the_first_line_says_whether_and_why():
    assert told({})[0] == "injected: the namespace has label istio-injection: enabled"
    assert explain(into(pod(), namespace_injection=None)) == [
        "not injected (not certain): no label asks for a sidecar, so the namespace's labels decide"
    ]


def test_certificates_are_told_with_their_volume():
    lines = told(CERTS, volumes=[{"name": "certs", "emptyDir": MEMORY}])
    assert "certificates are written to /certs/mine, on volume certs" in lines
    assert any(line.startswith("traffic intercepted: none (") for line in lines)


def test_outbound_ports_that_are_caught_are_told_though_no_address_is():
    traffic = "traffic.sidecar.istio.io/"
    off = {f"{traffic}includeInboundPorts": "", f"{traffic}includeOutboundIPRanges": ""}
    lines = told({**off, f"{traffic}includeOutboundPorts": "8080,9100"})
    assert any(line.startswith("traffic intercepted: outbound to port 8080, 9100 (") for line in lines)


def test_certificates_that_go_nowhere_are_told():
    assert "certificates are written nowhere: OUTPUT_CERTS isn't set" in told({})
    unmounted = told({"proxy.istio.io/config": "proxyMetadata:\n  OUTPUT_CERTS: /certs"})
    assert "certificates are written to /certs, where no volume is mounted" in unmounted
    beside = {**CERTS, "sidecar.istio.io/userVolumeMount": '[{"name": "certs", "mountPath": "/cert"}]'}
    assert "certificates are written to /certs/mine, where no volume is mounted" in told(beside)
    mount = '[{"name": "certs", "mountPath": "/certs", "readOnly": true}]'
    readonly = told({**CERTS, "sidecar.istio.io/userVolumeMount": mount})
    assert "volume certs is mounted read-only there, so nothing can be written" in readonly


def test_native_held_and_plain_sidecars_are_told_apart():
    hold = {"proxy.istio.io/config": "holdApplicationUntilProxyStarts: true"}
    assert any("native sidecar" in line and "ready before" in line for line in told({}))
    assert not any("ready before" in line for line in told({"status.sidecar.istio.io/port": "0"}))
    classic = explain(into(pod(hold), native_sidecars=False))
    assert "istio-proxy is the first container, and the others start when it is ready" in classic
    plain = explain(into(pod(), native_sidecars=False))
    assert "istio-proxy is a container beside the application, which doesn't wait for it" in plain


def test_probes_that_nobody_answers_are_told():
    lines = told({"proxy.istio.io/config": 'proxyMetadata: {DISABLE_ENVOY: "true"}'})
    assert "startupProbe and readinessProbe of istio-proxy can't pass: port 15021 is Envoy's" in lines
    assert "traffic that is intercepted is lost" in lines
    agent = told({"inject.istio.io/templates": "grpc-agent"})
    assert any(line.startswith("Envoy doesn't run") for line in agent)
    assert not any("can't pass" in line for line in agent)


def test_what_else_needs_envoy_is_told():
    config = 'proxyMetadata: {DISABLE_ENVOY: "true"}\nholdApplicationUntilProxyStarts: true'
    tree = pod({"proxy.istio.io/config": config})
    held = explain(into(tree, native_sidecars=False))
    assert "istio-proxy is stopped after a minute: it waits for port 15021, which is Envoy's" in held
    with_plugin = explain(into(tree, cni=True))
    assert "init container istio-validation finds no rules and fails" in with_plugin
    assert "traffic that is intercepted is lost" not in with_plugin


def test_metadata_and_refusals_are_told():
    application = {**APPLICATION, "readinessProbe": {"httpGet": {"port": 9090}}}
    lines = told({"prometheus.istio.io/merge-metrics": "no"}, containers=[application])
    assert lines[1].startswith("refused: annotation prometheus.istio.io/merge-metrics")
    assert "probes go through the agent: /app-health/prometheus/readyz" in lines
    assert "annotations prometheus.io/* point at the agent's merged metrics on port 15020" in lines
    assert any("clients in the mesh speak mutual TLS" in line for line in lines)
    off = explain(injected(labels={"security.istio.io/tlsMode": "disabled"}))
    assert any("clients in the mesh speak plain text" in line for line in off)


def test_what_an_injected_pod_says_of_itself_may_be_nonsense():
    proxy = {"name": "istio-proxy", "env": [{"name": "ISTIO_KUBE_APP_PROBERS", "value": "["}]}
    for status in ("{", "[]", '{"volumes": 5}'):
        lines = told({"sidecar.istio.io/status": status}, containers=[proxy])
        assert not any("probes go" in line or "volumes of" in line for line in lines)


def test_a_proxy_that_the_pod_brings_itself_is_told():
    manual = {"name": "istio-proxy", "env": [{"name": "OUTPUT_CERTS", "value": "/certs"}]}
    lines = explain(into(pod(containers=[APPLICATION, manual]), namespace_injection=False))
    assert "the pod brings a container istio-proxy of its own" in lines
    assert "certificates are written to /certs, where no volume is mounted" in lines
