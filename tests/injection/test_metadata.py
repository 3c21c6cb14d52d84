"""Labels and annotations: metrics that are merged, probes that are rewritten, names."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.injection.pods import APPLICATION, annotations_of, container, injected, into, labels_of, names, pod, proxy
from tests.injection.pods import variables as environment

MERGED = {"prometheus.io/port": "15020", "prometheus.io/path": "/stats/prometheus", "prometheus.io/scrape": "true"}
REWRITE = "sidecar.istio.io/rewriteAppHTTPProbers"


def prometheus(found: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in found.items() if name.startswith(("prometheus.io", "prometheus-io"))}


def probed(**handlers: Any) -> dict[str, Any]:
    return {**APPLICATION, **handlers}


# ----------------------------------------------------------------------------------------------------------- metrics


def test_merging_points_even_a_pod_without_annotations_at_the_agent():
    found = injected()
    assert prometheus(annotations_of(found)) == MERGED
    assert "ISTIO_PROMETHEUS_ANNOTATIONS" not in environment(proxy(found))


def test_merging_moves_the_annotations_into_the_environment():
    found = injected({"prometheus.io/scrape": "true", "prometheus.io/port": "9090", "prometheus.io/scheme": "https"})
    assert prometheus(annotations_of(found)) == {**MERGED, "prometheus.io/scheme": "https"}
    told = environment(proxy(found))["ISTIO_PROMETHEUS_ANNOTATIONS"]
    assert told == '{"scrape":"true","path":"","port":"9090"}'


def test_merging_removes_every_spelling():
    found = injected({"prometheus.io.port": "9090", "prometheus-io/path": "/m", "prometheus_io_scrape": "true"})
    assert prometheus(annotations_of(found)) == MERGED
    assert "prometheus_io_scrape" not in annotations_of(found)


@pytest.mark.parametrize(
    "annotations",
    [
        {"prometheus.io/scrape": "false"},
        {"prometheus.io.scrape": "False"},
        {"prometheus.istio.io/merge-metrics": "false"},
    ],
)
def test_merging_is_left_out_where_the_pod_says_so(annotations):
    found = injected({**annotations, "prometheus.io/port": "9090"})
    assert annotations_of(found)["prometheus.io/port"] == "9090"
    assert "prometheus.io/path" not in annotations_of(found)


def test_merging_can_be_off_for_the_mesh_and_on_for_the_pod():
    assert prometheus(annotations_of(into(pod(), merge_metrics=False))) == {}
    asked = {"prometheus.istio.io/merge-metrics": "true"}
    assert prometheus(annotations_of(into(pod(asked), merge_metrics=False))) == MERGED


def test_a_pod_that_points_at_the_agent_already_is_left_alone():
    annotations = {"prometheus.io/port": "15020", "prometheus.io/path": "/mine"}
    assert prometheus(annotations_of(injected(annotations))) == annotations


def test_merging_came_with_1_7():
    assert prometheus(annotations_of(into(pod(), (1, 6)))) == {}


def test_the_secure_port_is_announced_since_1_31():
    tree = pod({"proxy.istio.io/config": 'proxyMetadata: {ENVOY_SECURE_MERGED_METRICS_PORT: "15092"}'})
    assert annotations_of(into(tree, (1, 31)))["prometheus.istio.io/secure-port"] == "15092"
    assert "prometheus.istio.io/secure-port" not in annotations_of(into(tree, (1, 30)))
    tree["metadata"]["annotations"]["prometheus.istio.io/secure-port"] = "1"
    assert annotations_of(into(tree, (1, 31)))["prometheus.istio.io/secure-port"] == "1"


# ------------------------------------------------------------------------------------------------------------ probes


def test_probes_of_the_application_go_through_the_agent():
    ready = {"httpGet": {"path": "/ready", "port": "web"}, "timeoutSeconds": 3, "periodSeconds": 5}
    live = {"httpGet": {"path": "/live", "port": 9090, "scheme": "HTTPS"}}
    found = injected(containers=[probed(readinessProbe=ready, livenessProbe=live, startupProbe=live)])
    changed = container(found, "prometheus")
    assert changed["readinessProbe"] == {
        "httpGet": {"path": "/app-health/prometheus/readyz", "port": 15020},
        "timeoutSeconds": 3,
        "periodSeconds": 5,
    }
    assert changed["livenessProbe"]["httpGet"]["scheme"] == "HTTP"
    assert changed["startupProbe"]["httpGet"]["path"] == "/app-health/prometheus/startupz"
    told = json.loads(environment(proxy(found))["ISTIO_KUBE_APP_PROBERS"] or "")
    assert told["/app-health/prometheus/readyz"] == {"httpGet": {"path": "/ready", "port": 9090}, "timeoutSeconds": 3}
    assert told["/app-health/prometheus/livez"] == {"httpGet": {"path": "/live", "port": 9090, "scheme": "HTTPS"}}


def test_probes_that_run_a_command_stay():
    command = {"exec": {"command": ["true"]}}
    found = injected(containers=[probed(readinessProbe=command)])
    assert container(found, "prometheus")["readinessProbe"] == command
    assert "ISTIO_KUBE_APP_PROBERS" not in environment(proxy(found))


def test_tcp_and_grpc_probes_and_hooks_become_http():
    hooks = {"preStop": {"httpGet": {"path": "/stop", "port": 9090}}, "postStart": {"exec": {"command": ["true"]}}}
    application = probed(
        livenessProbe={"tcpSocket": {"port": 9090}}, readinessProbe={"grpc": {"port": 1}}, lifecycle=hooks
    )
    now = container(injected(containers=[application]), "prometheus")
    assert now["livenessProbe"] == {"httpGet": {"path": "/app-health/prometheus/livez", "port": 15020}}
    assert now["readinessProbe"] == {"httpGet": {"path": "/app-health/prometheus/readyz", "port": 15020}}
    assert now["lifecycle"]["preStop"]["httpGet"]["path"] == "/app-lifecycle/prometheus/prestopz"
    assert now["lifecycle"]["postStart"] == hooks["postStart"]
    old = container(into(pod(containers=[application]), (1, 12)), "prometheus")
    assert {key: old[key] for key in application} == application


@pytest.mark.parametrize(("annotations", "mesh"), [({REWRITE: "false"}, {}), ({}, {"rewrite_probes": False})])
def test_rewriting_can_be_switched_off(annotations, mesh):
    application = probed(readinessProbe={"httpGet": {"port": 9090}})
    found = into(pod(annotations, containers=[application]), **mesh)
    assert container(found, "prometheus")["readinessProbe"] == {"httpGet": {"port": 9090}}


def test_status_port_0_sends_rewritten_probes_to_port_0():
    application = probed(readinessProbe={"httpGet": {"port": 9090}})
    found = injected({"status.sidecar.istio.io/port": "0"}, containers=[application])
    assert container(found, "prometheus")["readinessProbe"]["httpGet"]["port"] == 0


def test_init_containers_that_keep_running_have_their_probes_rewritten_too():
    other = {"name": "other", "restartPolicy": "Always", "readinessProbe": {"httpGet": {"port": 3333}}}
    found = container(injected(initContainers=[other]), "other")
    assert found["readinessProbe"]["httpGet"] == {"path": "/app-health/other/readyz", "port": 15020}
    before = container(into(pod(initContainers=[other]), (1, 26)), "other")
    assert before["readinessProbe"] == other["readinessProbe"]


# ------------------------------------------------------------------------------------------------------------ labels


def test_the_tls_mode_is_the_users_or_istio():
    assert labels_of(injected())["security.istio.io/tlsMode"] == "istio"
    assert (
        labels_of(injected(labels={"security.istio.io/tlsMode": "disabled"}))["security.istio.io/tlsMode"] == "disabled"
    )


def test_the_canonical_name_is_taken_from_labels_or_the_workload():
    name, revision = "service.istio.io/canonical-name", "service.istio.io/canonical-revision"
    found = labels_of(injected(labels={"app": "a", "app.kubernetes.io/name": "b", "version": "v1"}))
    assert (found[name], found[revision]) == ("b", "v1")
    named = pod()
    named["metadata"]["name"] = "workload"
    assert labels_of(into(named))[name] == "workload"
    assert labels_of(into(named))[revision] == "latest"
    assert name not in labels_of(injected())
    assert name not in labels_of(into(named, (1, 5)))


def test_the_status_lists_what_was_added():
    status = json.loads(annotations_of(into(pod(volumes=[{"name": "mine"}]), (1, 20)))["sidecar.istio.io/status"])
    assert status["initContainers"] == ["istio-init"]
    assert status["containers"] == ["istio-proxy"]
    assert "mine" not in status["volumes"]
    assert status["revision"] == "default"
    assert json.loads(annotations_of(injected())["sidecar.istio.io/status"])["containers"] is None


def test_a_default_container_of_the_users_stays():
    key = "kubectl.kubernetes.io/default-container"
    assert annotations_of(injected())[key] == "prometheus"
    assert annotations_of(injected({key: "mine"}))[key] == "mine"


def test_releases_before_1_15_set_a_group_for_files_unless_the_pod_has_one():
    assert into(pod(), (1, 14)).pod["spec"]["securityContext"] == {"fsGroup": 1337}
    own = {"fsGroup": 65534}
    assert into(pod(securityContext=own), (1, 14)).pod["spec"]["securityContext"] == own
    assert "securityContext" not in injected().pod["spec"]


# ------------------------------------------------------------------------------------------------- the other template


def test_grpc_agent_brings_certificates_without_envoy_and_without_rules():
    found = injected({"inject.istio.io/templates": "grpc-agent"}, volumes=[{"name": "mine"}])
    assert names(found, "containers") == ["prometheus", "istio-proxy"]
    assert "initContainers" not in found.pod["spec"]
    told = environment(proxy(found))
    assert (told["DISABLE_ENVOY"], told["OUTPUT_CERTS"]) == ("true", "/var/lib/istio/data")
    assert proxy(found)["readinessProbe"]["httpGet"]["port"] == 15020
    assert "startupProbe" not in proxy(found)
    assert "--url=http://localhost:15020/healthz/ready" in proxy(found)["lifecycle"]["postStart"]["exec"]["command"]
    mounts = {mount["mountPath"]: mount["name"] for mount in container(found, "prometheus")["volumeMounts"]}
    assert mounts["/var/lib/istio/data"] == "istio-data"
    assert "security.istio.io/tlsMode" not in labels_of(found)
    assert annotations_of(found)[REWRITE] == "false"
    assert names(found, "volumes")[-1] == "mine"
    assert "istio-xds" in names(found, "volumes")


def test_grpc_agent_comes_first_where_the_application_is_held():
    hold = {"inject.istio.io/templates": "grpc-agent", "proxy.istio.io/config": "holdApplicationUntilProxyStarts: true"}
    assert names(injected(hold), "containers") == ["istio-proxy", "prometheus"]


def test_grpc_agent_was_shipped_with_1_11():
    found = into(pod({"inject.istio.io/templates": "grpc-agent"}), (1, 10))
    assert not found.certain
    assert "istio-proxy" not in names(found, "containers")
