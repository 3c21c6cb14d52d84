"""The containers that the template ``sidecar`` adds, by version and annotation."""

from __future__ import annotations

import pytest

from tests.injection.pods import annotations_of, container, injected, into, names, pod, proxy, variables

CONFIG = "proxy.istio.io/config"
MODE = "sidecar.istio.io/interceptionMode"
NATIVE = "sidecar.istio.io/nativeSidecar"
HOLD = {CONFIG: "holdApplicationUntilProxyStarts: true"}
INIT = [{"name": "first", "image": "busybox"}, {"name": "second", "image": "busybox"}]


def test_a_native_proxy_is_an_init_container_before_those_of_the_user():
    found = injected(initContainers=INIT)
    assert names(found, "initContainers") == ["istio-init", "istio-proxy", "first", "second"]
    assert names(found, "containers") == ["prometheus"]
    assert proxy(found)["restartPolicy"] == "Always"
    assert "preStop" in proxy(found)["lifecycle"]


def test_a_classic_proxy_comes_last_and_so_do_the_rules():
    found = into(pod(initContainers=INIT), native_sidecars=False)
    assert names(found, "initContainers") == ["first", "second", "istio-init"]
    assert names(found, "containers") == ["prometheus", "istio-proxy"]
    assert "restartPolicy" not in proxy(found)
    assert "lifecycle" not in proxy(found)


@pytest.mark.parametrize(
    ("istio", "kubernetes", "native"),
    [((1, 27), (1, 33), True), ((1, 27), (1, 32), False), ((1, 26), (1, 33), False), ((1, 18), (1, 33), False)],
)
def test_a_sidecar_is_native_since_istio_1_27_on_kubernetes_1_33(istio, kubernetes, native):
    found = into(pod(), istio, kubernetes_version=kubernetes)
    assert ("istio-proxy" in names(found, "initContainers")) is native


def test_the_mesh_can_opt_in_to_native_sidecars_since_1_19():
    assert "istio-proxy" in names(into(pod(), (1, 19), native_sidecars=True), "initContainers")
    assert "istio-proxy" in names(into(pod(), (1, 18), native_sidecars=True), "containers")


def test_the_annotation_decides_over_the_mesh_since_1_24():
    asked, refused = pod({NATIVE: "true"}), pod({NATIVE: "false"})
    assert "istio-proxy" in names(into(asked, (1, 24)), "initContainers")
    assert "istio-proxy" in names(into(refused), "containers")
    assert "istio-proxy" in names(into(asked, (1, 23)), "containers")


def test_holding_the_application_puts_the_proxy_first_and_lets_it_wait():
    found = into(pod(HOLD), native_sidecars=False)
    assert names(found, "containers") == ["istio-proxy", "prometheus"]
    assert proxy(found)["lifecycle"] == {"postStart": {"exec": {"command": ["pilot-agent", "wait"]}}}


def test_holding_is_ignored_for_a_native_sidecar_and_before_1_7():
    assert "postStart" not in proxy(injected(HOLD))["lifecycle"]
    assert "lifecycle" not in proxy(into(pod(HOLD), (1, 6)))


def test_with_the_cni_plugin_validation_comes_first():
    classic = into(pod(initContainers=INIT), cni=True, native_sidecars=False)
    assert names(classic, "initContainers") == ["istio-validation", "first", "second"]
    native = into(pod(initContainers=INIT), cni=True)
    assert names(native, "initContainers") == ["istio-validation", "istio-proxy", "first", "second"]
    check = container(native, "istio-validation")
    assert check["args"][-2:] == ["--run-validation", "--skip-rule-apply"]
    assert "add" not in check["securityContext"]["capabilities"]
    assert check["securityContext"]["runAsUser"] == 1337


def test_the_cni_plugin_reads_what_to_catch_from_annotations():
    found = annotations_of(into(pod({"traffic.sidecar.istio.io/includeOutboundIPRanges": ""}), cni=True))
    assert found[MODE] == "REDIRECT"
    assert found["traffic.sidecar.istio.io/includeInboundPorts"] == "*"
    assert found["traffic.sidecar.istio.io/excludeInboundPorts"] == "15020"
    assert found["traffic.sidecar.istio.io/includeOutboundIPRanges"] == ""


def test_interception_none_drops_the_init_container():
    assert names(into(pod({MODE: "NONE"}), native_sidecars=False), "initContainers") == []
    assert "initContainers" not in into(pod({MODE: "NONE"}), native_sidecars=False).pod["spec"]
    assert names(into(pod({MODE: "NONE"}), cni=True), "initContainers") == ["istio-proxy"]


def test_tproxy_needs_root_and_a_capability():
    by_annotation, by_config = injected({MODE: "TPROXY"}), injected({CONFIG: "interceptionMode: TPROXY"})
    for found in (by_annotation, by_config):
        security = proxy(found)["securityContext"]
        assert (security["runAsUser"], security["runAsGroup"], security["runAsNonRoot"]) == (0, 1337, False)
        assert security["capabilities"] == {"add": ["NET_ADMIN"], "drop": ["ALL"]}
        assert "TPROXY" in container(found, "istio-init")["args"]


def test_the_rules_say_what_the_annotations_ask_for():
    prefix = "traffic.sidecar.istio.io/"
    found = injected(
        {
            prefix + "includeInboundPorts": "1,2,3",
            prefix + "excludeInboundPorts": "4, 5",
            prefix + "includeOutboundIPRanges": "10.0.0.0/8",
            prefix + "excludeOutboundIPRanges": "10.1.0.0/16",
            prefix + "excludeOutboundPorts": "7",
            prefix + "includeOutboundPorts": "8",
        }
    )
    rules = container(found, "istio-init")["args"]
    assert rules[7:] == [
        *("-m", "REDIRECT", "-i", "10.0.0.0/8", "-x", "10.1.0.0/16", "-b", "1,2,3", "-d", "15090,15021,4,5,15020"),
        *("-q", "8", "-o", "7", "--log_output_level=default:info"),
    ]


def test_the_agents_port_is_spared_once():
    args = container(injected({"traffic.sidecar.istio.io/excludeInboundPorts": "15020,9090"}), "istio-init")["args"]
    assert args[args.index("-d") + 1] == "15090,15021,15020,9090"
    moved = container(injected({"status.sidecar.istio.io/port": "123"}), "istio-init")["args"]
    assert moved[moved.index("-d") + 1] == "15090,15021,123"
    off = container(injected({"status.sidecar.istio.io/port": "0"}), "istio-init")["args"]
    assert off[off.index("-d") + 1] == "15090,15021"


def test_proxy_metadata_is_environment_of_both_containers():
    found = injected({CONFIG: "proxyMetadata:\n  OUTPUT_CERTS: /certs\n  A: ''"})
    assert variables(proxy(found))["OUTPUT_CERTS"] == "/certs"
    assert variables(container(found, "istio-init")) == {"A": None, "OUTPUT_CERTS": "/certs"}
    assert variables(proxy(found))["PROXY_CONFIG"] == '{"proxyMetadata":{"OUTPUT_CERTS":"/certs","A":""}}\n'


def test_proxy_config_may_be_json_and_in_snake_case():
    found = injected({CONFIG: '{"proxy_metadata": {"OUTPUT_CERTS": "/certs"}}'})
    assert found.config == {"proxyMetadata": {"OUTPUT_CERTS": "/certs"}}
    assert variables(proxy(found))["OUTPUT_CERTS"] == "/certs"


def test_what_no_setting_can_be_called_is_dropped_as_istio_does():
    text = "concurrency: 1\nproxyMetadata.INBOUND_CAPTURE_PORTS: ''\nOUTPUT_CERTS: /certs"
    found = injected({CONFIG: text})
    assert variables(proxy(found))["PROXY_CONFIG"] == '{"concurrency":1}\n'


def test_without_a_configuration_the_rules_have_no_environment():
    assert "env" not in container(injected(), "istio-init")


def test_one_resource_annotation_takes_away_all_defaults():
    assert proxy(injected())["resources"] == {
        "limits": {"cpu": "2", "memory": "1Gi"},
        "requests": {"cpu": "100m", "memory": "128Mi"},
    }
    found = injected({"sidecar.istio.io/proxyCPU": "4"})
    assert proxy(found)["resources"] == container(found, "istio-init")["resources"] == {"requests": {"cpu": "4"}}
    limits = injected({"sidecar.istio.io/proxyCPULimit": "1", "sidecar.istio.io/proxyMemoryLimit": "256Mi"})
    assert proxy(limits)["resources"] == {"limits": {"cpu": "1", "memory": "256Mi"}}


def test_probes_ask_envoy_since_1_6_and_there_is_a_startup_probe_since_1_20():
    now, before, old = proxy(injected()), proxy(into(pod(), (1, 19))), proxy(into(pod(), (1, 5)))
    assert now["startupProbe"]["httpGet"]["port"] == now["readinessProbe"]["httpGet"]["port"] == 15021
    assert now["startupProbe"]["failureThreshold"] == 600
    assert (now["readinessProbe"]["periodSeconds"], now["readinessProbe"]["failureThreshold"]) == (15, 4)
    assert "startupProbe" not in before
    assert before["readinessProbe"] == {
        "failureThreshold": 30,
        "httpGet": {"path": "/healthz/ready", "port": 15021},
        "initialDelaySeconds": 1,
        "periodSeconds": 2,
        "timeoutSeconds": 3,
    }
    assert old["readinessProbe"]["httpGet"]["port"] == 15020


def test_annotations_set_the_readiness_probe():
    prefix = "readiness.status.sidecar.istio.io/"
    asked = {"initialDelaySeconds": "100", "periodSeconds": "200", "failureThreshold": "300"}
    probe = proxy(injected({prefix + key: value for key, value in asked.items()}))["readinessProbe"]
    assert {key: str(probe[key]) for key in asked} == asked


def test_status_port_0_takes_the_probes_away():
    found = proxy(injected({"status.sidecar.istio.io/port": "0"}))
    assert "readinessProbe" not in found
    assert "startupProbe" not in found


def test_the_hub_moved_with_1_30():
    assert proxy(injected())["image"] == "registry.istio.io/release/proxyv2:1.30.0"
    assert proxy(into(pod(), (1, 29)))["image"] == "docker.io/istio/proxyv2:1.29.0"
    assert proxy(into(pod(), hub="example.com/istio", tag="1.29.3"))["image"] == "example.com/istio/proxyv2:1.29.3"


def test_annotations_choose_the_image():
    assert proxy(injected({"sidecar.istio.io/proxyImage": "example.com/proxy:1"}))["image"] == "example.com/proxy:1"
    plain = proxy(into(pod({"sidecar.istio.io/proxyImageType": "distroless"}), tag="1.30.1-debug"))
    assert plain["image"].endswith("proxyv2:1.30.1-distroless")


def test_the_agent_asks_the_control_plane_of_the_revision():
    assert variables(proxy(injected()))["CA_ADDR"] == "istiod.istio-system.svc:15012"
    found = into(pod(labels={"istio.io/rev": "canary"}), namespace_injection=None)
    assert variables(proxy(found))["CA_ADDR"] == "istiod-canary.istio-system.svc:15012"
    other = into(pod(labels={"istio.io/rev": "canary"}), namespace_injection=None, namespace_revision="stable")
    assert variables(proxy(other))["CA_ADDR"] == "istiod-stable.istio-system.svc:15012"


def test_the_ports_of_the_application_are_told_to_the_proxy():
    ports = [{"protocol": "TCP", "containerPort": 9090, "name": "web"}, {"containerPort": 9091}]
    found = variables(proxy(injected(containers=[{"name": "a", "ports": ports}, {"name": "b"}])))
    assert found["ISTIO_META_POD_PORTS"] == (
        '[\n    {"name":"web","containerPort":9090,"protocol":"TCP"}\n    ,{"containerPort":9091}\n]'
    )
    assert found["ISTIO_META_APP_CONTAINERS"] == "a,b"


def test_a_bootstrap_of_the_users_is_mounted():
    found = injected({"sidecar.istio.io/bootstrapOverride": "mine"})
    assert {"name": "custom-bootstrap-volume", "configMap": {"name": "mine"}} in found.pod["spec"]["volumes"]
    assert {"name": "custom-bootstrap-volume", "mountPath": "/etc/istio/custom-bootstrap"} in proxy(found)[
        "volumeMounts"
    ]
    assert "ISTIO_BOOTSTRAP_OVERRIDE" in variables(proxy(found))


def test_arguments_of_old_releases_come_back_with_them():
    assert "--trust-domain=cluster.local" in proxy(into(pod(), (1, 7)))["args"]
    assert "--trust-domain=cluster.local" not in proxy(into(pod(), (1, 8)))["args"]
    old = proxy(into(pod(labels={"app": "mine"}), (1, 10)))["args"]
    assert old[old.index("--serviceCluster") + 1] == "mine.$(POD_NAMESPACE)"
    assert old[-2:] == ["--concurrency", "2"]
    assert proxy(injected())["args"][-1] == "--log_output_level=default:info"
