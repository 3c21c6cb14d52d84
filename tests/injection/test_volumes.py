"""Volumes and mounts: the template's, those of the two annotations, and what is lost."""

from __future__ import annotations

import json

import pytest

from generator.injection import (
    is_ours_volume,
    listed_mounts,
    output_certs,
    proxy_container,
    user_volume_mounts,
    user_volumes,
)
from tests.injection.pods import MEMORY, Tree, injected, into, names, pod, proxy

VOLUME, MOUNT = "sidecar.istio.io/userVolume", "sidecar.istio.io/userVolumeMount"
CERTS: Tree = {"name": "certs", "emptyDir": MEMORY}


def by_name(volumes: list[Tree]) -> dict[str, Tree]:
    return {volume["name"]: volume for volume in volumes}


def test_the_map_form_names_a_mount_by_its_key():
    assert user_volume_mounts({MOUNT: '{"certs": {"mountPath": "/certs"}}'}) == {
        "certs": {"name": "certs", "mountPath": "/certs"}
    }


def test_the_map_form_is_read_in_the_order_of_its_keys():
    assert [mount["name"] for mount in listed_mounts({MOUNT: '{"b": {}, "a": {}}'})] == ["a", "b"]


def test_the_list_form_names_a_mount_by_its_own_name():
    assert user_volume_mounts({MOUNT: '[{"name": "certs", "mountPath": "/certs"}]'}) == {
        "certs": {"name": "certs", "mountPath": "/certs"}
    }


def test_a_list_element_without_a_name_is_called_by_its_index():
    found = user_volumes({VOLUME: '[{"name": "a", "emptyDir": {}}, {"emptyDir": {}}]'})
    assert list(found) == ["a", "1"]
    assert "0" in names(injected({VOLUME: '[{"emptyDir": {}}]'}), "volumes")


def test_a_name_inside_the_map_form_wins_over_the_key():
    assert list(user_volumes({VOLUME: '{"key": {"name": "own", "emptyDir": {}}}'})) == ["own"]


def test_a_volume_can_be_mounted_twice():
    mounts = [{"name": "certs", "mountPath": "/a"}, {"name": "certs", "mountPath": "/b"}]
    assert listed_mounts({MOUNT: json.dumps(mounts)}) == mounts
    assert [
        mount for mount in proxy(injected({MOUNT: json.dumps(mounts)}))["volumeMounts"] if mount in mounts
    ] == mounts


def test_no_annotation_and_null_give_nothing():
    assert user_volumes({}) == user_volumes({VOLUME: "null"}) == user_volumes({VOLUME: "{}"}) == {}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[{name: certs}]", "is no JSON"),
        ("", "is no JSON"),
        ('"certs"', "is neither a list nor a map"),
        ('["certs"]', "element 0 is no map"),
        ('{"certs": null}', "element certs is no map"),
        ('[{"name": 5}]', "the name of element 0 is no string"),
    ],
)
def test_what_cannot_be_read_is_said_and_refuses_the_pod(text, says):
    with pytest.raises(ValueError, match=says):
        user_volume_mounts({MOUNT: text})
    found = injected({MOUNT: text})
    assert len(found.refused) == 1
    assert MOUNT in found.refused[0]
    assert says in found.refused[0]


def test_a_mount_without_a_path_is_refused():
    found = injected({MOUNT: '{"certs": {"readOnly": true}}'})
    assert found.refused == (f"annotation {MOUNT}: the mount of certs has no mountPath",)
    assert proxy(found)["volumeMounts"][-1] == {"name": "certs", "readOnly": True}


def test_the_users_mounts_come_after_those_of_the_template_and_volumes_of_the_pod_last():
    found = injected({MOUNT: json.dumps([{"name": "certs", "mountPath": "/certs"}])}, volumes=[CERTS])
    assert proxy(found)["volumeMounts"][-1] == {"name": "certs", "mountPath": "/certs"}
    assert found.pod["spec"]["volumes"][-1] == CERTS


def test_a_volume_declared_twice_is_merged():
    found = injected({VOLUME: json.dumps([CERTS])}, volumes=[{"name": "certs", "emptyDir": {"sizeLimit": "1Mi"}}])
    assert names(found, "volumes").count("certs") == 1
    assert by_name(found.pod["spec"]["volumes"])["certs"]["emptyDir"] == {"medium": "Memory", "sizeLimit": "1Mi"}


@pytest.mark.parametrize(
    ("minor", "added"),
    [
        (13, set()),
        (14, {"workload-socket", "workload-certs"}),
        (15, {"workload-socket", "workload-certs", "credential-socket"}),
        (27, {"workload-socket", "workload-certs", "credential-socket", "istio-ca-crl"}),
    ],
)
def test_later_releases_add_more_volumes(minor, added):
    always = {"istio-envoy", "istio-data", "istio-podinfo", "istio-token", "istiod-ca-cert"}
    found = into(pod(), (1, minor))
    assert set(names(found, "volumes")) == always | added
    assert {mount["name"] for mount in proxy(found)["volumeMounts"]} == always | added
    assert all(map(is_ours_volume, found.pod["spec"]["volumes"]))


@pytest.mark.parametrize("minor", [5, 6, 7, 8])
def test_istio_1_5_to_1_8_remove_a_volume_called_istio_certs(minor):
    volumes = [
        {"name": "istio-certs", "emptyDir": MEMORY},
        {"name": "istio-envoy", "emptyDir": {"sizeLimit": "1Mi"}},
        CERTS,
    ]
    found = into(pod(volumes=volumes), (1, minor))
    assert "istio-certs" not in names(found, "volumes")
    assert "certs" in names(found, "volumes")
    assert by_name(found.pod["spec"]["volumes"])["istio-envoy"]["emptyDir"] == MEMORY


def test_istio_1_9_leaves_it_and_an_annotation_brings_it_back_before():
    volumes = [{"name": "istio-certs", "emptyDir": MEMORY}]
    assert "istio-certs" in names(into(pod(volumes=volumes), (1, 9)), "volumes")
    assert "istio-certs" in names(into(pod({VOLUME: json.dumps(volumes)}, volumes=volumes), (1, 8)), "volumes")


def test_mounted_mtls_certs_clash_with_a_volume_of_the_same_name():
    plain = into(pod(serviceAccountName="prometheus"), mount_mtls_certs=True)
    secret = {"optional": True, "secretName": "istio.prometheus"}
    assert by_name(plain.pod["spec"]["volumes"])["istio-certs"] == {"name": "istio-certs", "secret": secret}
    assert {"name": "istio-certs", "mountPath": "/etc/certs/", "readOnly": True} in proxy(plain)["volumeMounts"]
    clash = into(pod(volumes=[{"name": "istio-certs", "emptyDir": MEMORY}]), mount_mtls_certs=True)
    found = by_name(clash.pod["spec"]["volumes"])["istio-certs"]
    assert found["emptyDir"] == MEMORY
    assert found["secret"]["secretName"] == "istio.default"


def test_the_directory_of_the_certificates_is_the_last_value_of_the_variable():
    def directory(*values: str) -> str:
        return output_certs({"env": [{"name": "OUTPUT_CERTS", "value": value} for value in values]})

    assert directory("/certs") == "/certs"
    assert directory("/a", "/b") == "/b"
    assert directory("") == directory() == output_certs({}) == ""


def test_a_pod_without_a_proxy_has_none():
    assert proxy_container(pod()) is None
    assert proxy_container({}) is None
    assert proxy_container({"spec": {"initContainers": [{"name": "istio-proxy"}]}}) == {"name": "istio-proxy"}
