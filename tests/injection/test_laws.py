"""Laws of injection, on random pods, and Istio's own result for a pod."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generator.injection import Mesh, explain, inject, intercepts, is_ours
from generator.yaml import load_documents

TRUTH = Path(__file__).parents[3] / "shared/corpus/sds"

NAMES = st.sampled_from(["prometheus", "reloader", "istio-proxy", "certs", "istio-data", "istio-certs"])
INIT_NAMES = st.sampled_from(["first", "second", "istio-init", "istio-validation"])
TEXTS = st.sampled_from(["", "true", "false", "*", "0", "9090", "15020", "/certs", "0.0.0.0/0", "auto", "NONE", "{"])
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 70000) | TEXTS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=2),
    max_leaves=4,
)
PROBE = st.sampled_from(
    [
        {"httpGet": {"path": "/", "port": "web"}},
        {"tcpSocket": {"port": 1}},
        {"exec": {"command": ["true"]}},
        {"grpc": {}},
    ]
)


def unique(items: st.SearchStrategy[dict[str, Any]], key: str) -> st.SearchStrategy[list[dict[str, Any]]]:
    return st.lists(items, max_size=3, unique_by=lambda item: item[key])


PATHS = st.sampled_from(["/certs", "/data", "/etc/istio/pod"])
MOUNTS = unique(st.fixed_dictionaries({"name": NAMES, "mountPath": PATHS}), "mountPath")


def containers(names: st.SearchStrategy[str]) -> st.SearchStrategy[list[dict[str, Any]]]:
    parts: dict[str, st.SearchStrategy[Any]] = {
        "image": TEXTS,
        "volumeMounts": MOUNTS,
        "env": unique(st.fixed_dictionaries({"name": NAMES, "value": TEXTS}), "name"),
        "ports": st.just([{"name": "web", "containerPort": 9090}]),
        "readinessProbe": PROBE,
        "livenessProbe": PROBE,
        "securityContext": st.just({"runAsUser": 1000}),
    }
    return unique(st.fixed_dictionaries({"name": names}, optional=parts), "name")


CONTAINERS, INIT_CONTAINERS = containers(NAMES), containers(INIT_NAMES)
VOLUMES = unique(
    st.fixed_dictionaries({"name": NAMES, "emptyDir": st.sampled_from([{}, {"medium": "Memory"}])}), "name"
)
LISTED = st.one_of(VOLUMES, MOUNTS, st.dictionaries(NAMES, st.just({"mountPath": "/x"}), max_size=2)).map(json.dumps)
ANNOTATIONS = st.fixed_dictionaries(
    {},
    optional={
        "sidecar.istio.io/userVolume": LISTED,
        "sidecar.istio.io/userVolumeMount": LISTED,
        "proxy.istio.io/config": st.sampled_from(
            ["holdApplicationUntilProxyStarts: true", "proxyMetadata: {A: x, DISABLE_ENVOY: true}", "[]", "a: ["]
        ),
        "traffic.sidecar.istio.io/includeInboundPorts": TEXTS,
        "traffic.sidecar.istio.io/excludeOutboundIPRanges": TEXTS,
        "sidecar.istio.io/interceptionMode": st.sampled_from(["REDIRECT", "TPROXY", "NONE"]),
        "sidecar.istio.io/nativeSidecar": TEXTS,
        "inject.istio.io/templates": st.sampled_from(["sidecar", "grpc-agent", "sidecar,grpc-agent", "other"]),
        "status.sidecar.istio.io/port": TEXTS,
        "prometheus.io/port": TEXTS,
        "prometheus-io.scrape": TEXTS,
        "mine": TEXTS,
    },
)
PODS = st.fixed_dictionaries(
    {
        "metadata": st.fixed_dictionaries(
            {}, optional={"annotations": ANNOTATIONS, "labels": st.just({"app": "mine"})}
        ),
        "spec": st.fixed_dictionaries(
            {"containers": CONTAINERS}, optional={"initContainers": INIT_CONTAINERS, "volumes": VOLUMES}
        ),
    }
)
SETTINGS: dict[str, st.SearchStrategy[Any]] = {
    "istio_version": st.tuples(st.just(1), st.sampled_from([5, 8, 9, 11, 14, 20, 26, 27, 30, 31])),
    "namespace_injection": st.sampled_from([True, True, True, None]),
    "cni": st.booleans(),
    "mount_mtls_certs": st.booleans(),
    "native_sidecars": st.sampled_from([True, False, None]),
}
MESHES = st.fixed_dictionaries(SETTINGS).map(lambda fields: Mesh(**fields))


ODD_KEYS = ("volumeMounts", "env", "ports", "lifecycle", "args", "command", "readinessProbe", "securityContext")
ODD_CONTAINERS = st.lists(
    st.fixed_dictionaries({"name": NAMES | INIT_NAMES}, optional=dict.fromkeys(ODD_KEYS, JUNK)), max_size=3
)


def listed(tree: dict[str, Any], *path: str) -> list[dict[str, Any]]:
    value: Any = tree
    for key in path:
        value = value.get(key) or {}
    return list(value)


def sorted_everywhere(value: Any) -> bool:
    if isinstance(value, dict):
        return list(value) == sorted(value) and all(map(sorted_everywhere, value.values()))
    return all(map(sorted_everywhere, value)) if isinstance(value, list) else True


@settings(max_examples=100, deadline=None)
@given(PODS, MESHES)
def test_the_input_stays_the_result_is_told_and_a_second_injection_changes_nothing(pod, mesh):
    before = deepcopy(pod)
    once = inject(pod, "monitoring", mesh)
    assert pod == before
    assert inject(pod, "monitoring", mesh) == once
    assert sorted_everywhere(once.pod)
    assert explain(once)
    again = inject(once.pod, "monitoring", mesh)
    assert again.pod == once.pod
    assert intercepts(again.pod) == intercepts(once.pod)
    if once.injected:
        assert again.injected


@settings(max_examples=100, deadline=None)
@given(PODS, MESHES)
def test_what_the_user_wrote_is_still_there(pod, mesh):
    found = inject(pod, "monitoring", mesh).pod
    legacy = mesh.istio_version < (1, 9)
    volumes = {item["name"]: item for item in listed(found, "spec", "volumes")}
    for volume in listed(pod, "spec", "volumes"):
        if not (legacy and volume["name"] in {"istio-certs", "istio-envoy"}):
            assert volume["name"] in volumes
            if not volume["name"].startswith("istio-"):
                assert volume["emptyDir"].items() <= volumes[volume["name"]]["emptyDir"].items()
    places = {item["name"]: item for part in ("containers", "initContainers") for item in listed(found, "spec", part)}
    for container in [*listed(pod, "spec", "containers"), *listed(pod, "spec", "initContainers")]:
        if legacy and is_ours(container):
            continue  # replaced, or removed where the CNI plugin does its work
        assert container["name"] in places
        mounted = {mount.get("mountPath") for mount in listed(places[container["name"]], "volumeMounts")}
        assert {mount["mountPath"] for mount in listed(container, "volumeMounts")} <= mounted
    annotations = found["metadata"].get("annotations", {})
    for name, value in pod["metadata"].get("annotations", {}).items():
        if not name.startswith(("prometheus", "traffic", "sidecar.istio.io/interceptionMode")):
            assert annotations[name] == value


@settings(max_examples=100, deadline=None)
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "metadata": st.fixed_dictionaries({}, optional={"annotations": JUNK, "labels": JUNK, "name": JUNK}) | JUNK,
            "spec": st.fixed_dictionaries(
                {},
                optional={
                    "containers": JUNK | ODD_CONTAINERS,
                    "initContainers": JUNK | ODD_CONTAINERS,
                    "volumes": JUNK | st.lists(JUNK),
                    "securityContext": JUNK,
                },
            )
            | JUNK,
        },
    ),
    MESHES,
)
def test_whatever_is_written_where_a_pod_belongs_something_comes_out(tree, mesh):
    found = inject(tree, "monitoring", mesh)
    assert set(found.pod) == {"metadata", "spec"}
    assert explain(found)


@pytest.mark.skipif(not TRUTH.is_dir(), reason="the public manifests aren't there")
def test_a_pod_of_istios_own_tests_comes_out_as_istio_has_it():
    text = (TRUTH / "istio__istio__prometheus-scrape.injected.yaml").read_text()
    wanted: Any = load_documents(text, "injected.yaml")[0]
    containers = wanted["spec"]["containers"]
    metadata = {"name": wanted["metadata"]["name"], "annotations": {"prometheus.io/scrape": "false"}}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": containers}}
    mesh = Mesh(istio_version=(1, 32), namespace_injection=True, hub="registry.istio.io/testing", tag="latest")
    assert inject(pod, "default", mesh).pod == {"metadata": wanted["metadata"], "spec": wanted["spec"]}


@pytest.mark.skipif(not TRUTH.is_dir(), reason="the public manifests aren't there")
def test_volumes_of_istios_own_tests_are_read():
    workload: Any = load_documents(
        (TRUTH / "istio__istio__inject-testdata-user-volume.yaml").read_text(), "volume.yaml"
    )[0]
    found = inject(workload["spec"]["template"], "default", Mesh(namespace_injection=True))
    proxy = next(item for item in found.pod["spec"]["initContainers"] if item["name"] == "istio-proxy")
    assert proxy["volumeMounts"][-2:] == [
        {"mountPath": "/mnt/volume-1", "name": "user-volume-1", "readOnly": True},
        {"mountPath": "/mnt/volume-2", "name": "user-volume-2"},
    ]
    assert [volume["name"] for volume in found.pod["spec"]["volumes"]][-2:] == ["user-volume-1", "user-volume-2"]
