"""A container ``istio-proxy`` in the user's own pod."""

from __future__ import annotations

import json

from tests.injection.pods import APPLICATION, annotations_of, container, injected, into, names, pod, proxy, variables

MINE = {
    "name": "istio-proxy",
    "image": "auto",
    "env": [{"name": "CA_ADDR", "value": "mine:15012"}, {"name": "OUTPUT_CERTS", "value": "/certs"}],
    "volumeMounts": [{"name": "certs", "mountPath": "/certs"}],
    "readinessProbe": {"httpGet": {"port": 15020}},
    "resources": {"requests": {"cpu": "10m"}},
}


def test_it_is_laid_over_the_template():
    found = proxy(into(pod(containers=[APPLICATION, MINE]), native_sidecars=False))
    assert found["image"] == "registry.istio.io/release/proxyv2:1.30.0"
    assert found["readinessProbe"]["httpGet"] == {"path": "/healthz/ready", "port": 15020}
    assert found["startupProbe"]["httpGet"]["port"] == 15021
    assert found["resources"]["requests"] == {"cpu": "10m", "memory": "128Mi"}
    assert found["volumeMounts"][-1] == {"name": "certs", "mountPath": "/certs"}
    assert variables(found)["CA_ADDR"] == "mine:15012"
    assert variables(found)["OUTPUT_CERTS"] == "/certs"
    assert [item["name"] for item in found["env"]].count("CA_ADDR") == 1


def test_it_moves_to_the_init_containers_where_the_sidecar_is_native():
    found = injected(containers=[MINE, APPLICATION])
    assert names(found, "containers") == ["prometheus"]
    assert names(found, "initContainers") == ["istio-init", "istio-proxy"]
    assert proxy(found)["readinessProbe"]["httpGet"]["port"] == 15020
    assert proxy(found)["restartPolicy"] == "Always"


def test_its_own_image_is_kept():
    assert proxy(injected(containers=[APPLICATION, {**MINE, "image": "mine:1"}]))["image"] == "mine:1"


def test_it_is_noted_for_the_next_injection():
    noted = json.loads(annotations_of(injected(containers=[APPLICATION, MINE]))["proxy.istio.io/overrides"])
    assert noted == {"initContainers": [{key: value for key, value in MINE.items() if key != "image"}]}
    classic = into(pod(containers=[APPLICATION, MINE]), native_sidecars=False)
    assert list(json.loads(annotations_of(classic)["proxy.istio.io/overrides"])) == ["containers"]
    assert "proxy.istio.io/overrides" not in annotations_of(injected())


def test_the_rules_spare_its_user():
    mine = {**MINE, "securityContext": {"runAsUser": 1234, "runAsGroup": 1234}}
    rules = container(injected(containers=[APPLICATION, mine]), "istio-init")
    assert rules["args"][rules["args"].index("-u") + 1] == "1234"
    assert rules["securityContext"]["runAsUser"] == 0
    check = container(into(pod(containers=[APPLICATION, mine]), cni=True), "istio-validation")
    assert check["args"][check["args"].index("-u") + 1] == "1234"
    assert check["securityContext"]["runAsUser"] == check["securityContext"]["runAsGroup"] == 1234


def test_tproxy_runs_as_root_whoever_the_user_wants():
    mine = {**MINE, "securityContext": {"runAsUser": 1234}}
    found = injected({"sidecar.istio.io/interceptionMode": "TPROXY"}, containers=[APPLICATION, mine])
    assert proxy(found)["securityContext"]["runAsUser"] == 0


def test_an_init_container_of_istios_name_is_laid_over_too():
    mine = {"name": "istio-init", "image": "mine:1", "args": ["my", "own"]}
    found = container(injected(initContainers=[mine]), "istio-init")
    assert (found["image"], found["args"]) == ("mine:1", ["my", "own"])
    assert found["securityContext"]["capabilities"]["add"] == ["NET_ADMIN", "NET_RAW"]


def test_before_1_9_it_is_replaced():
    found = proxy(into(pod(containers=[APPLICATION, MINE]), (1, 8)))
    assert found["readinessProbe"]["httpGet"]["port"] == 15021
    assert "OUTPUT_CERTS" not in variables(found)
