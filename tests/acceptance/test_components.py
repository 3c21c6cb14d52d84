"""The components on bases that aren't ours, by the real kustomize: the pattern comes, and all that was there stays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from generator.build import Builder
from generator.emit.components import COMPONENTS
from generator.workspace import open_workspace
from generator.yaml import block, load_documents
from tests.conftest import write_tree
from tests.tools import run

pytestmark = pytest.mark.programs

Tree = dict[str, Any]
Resources = dict[str, Tree]

OPERATOR, PLAIN = COMPONENTS

WORKLOADS = """
    apiVersion: apps/v1
    kind: StatefulSet
    metadata:
      name: full
      labels: {sidecert.dev/istio-certs: "true", app: metrics}
    spec:
      serviceName: metrics
      selector: {matchLabels: {app: metrics}}
      template:
        metadata:
          labels: {app: metrics, sidecar.istio.io/inject: "false"}
          annotations: {team: metrics, checksum/config: abc}
        spec:
          securityContext: {runAsUser: 65534}
          containers:
          - name: prometheus-config-reloader
            image: quay.io/prometheus-operator/prometheus-config-reloader:v0.80.0
            volumeMounts:
            - {name: config, mountPath: /etc/prometheus}
          - name: prometheus
            image: prom/prometheus:v3.0.0
            args: [--config.file=/etc/prometheus/prometheus.yml]
            volumeMounts:
            - {name: config, mountPath: /etc/prometheus}
            - {name: old-istio-workload-certs, mountPath: /etc/prom-certs/old}
            - {name: data, mountPath: /prometheus, subPath: db}
          volumes:
          - {name: config, configMap: {name: metrics}}
          - {name: old-istio-workload-certs, secret: {secretName: old}}
      volumeClaimTemplates:
      - metadata: {name: data}
        spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
    ---
    apiVersion: apps/v1
    kind: Deployment
    metadata:
      name: bare
      labels: {sidecert.dev/istio-certs: "true"}
    spec:
      template:
        spec:
          containers:
          - name: prometheus
            image: prom/prometheus
    ---
    apiVersion: apps/v1
    kind: Deployment
    metadata:
      name: other-name
      labels: {sidecert.dev/istio-certs: without-mount}
    spec:
      template:
        spec:
          containers:
          - name: prometheus-server
            image: prom/prometheus
    ---
    apiVersion: apps/v1
    kind: StatefulSet
    metadata: {name: not-chosen}
    spec:
      template:
        spec:
          containers:
          - {name: prometheus, image: prom/prometheus}
"""

CUSTOM_RESOURCES = """
    apiVersion: monitoring.coreos.com/v1
    kind: Prometheus
    metadata:
      name: full
      labels: {sidecert.dev/istio-certs: "true"}
    spec:
      replicas: 2
      podMetadata:
        labels: {team: metrics}
        annotations: {checksum/config: abc}
      volumes:
      - {name: rules, configMap: {name: rules}}
      volumeMounts:
      - {name: rules, mountPath: /etc/rules}
      scrapeClasses:
      - {name: istio-mtls-old, default: true, tlsConfig: {insecureSkipVerify: true}}
      - name: istio-mtls
        relabelings:
        - {action: labeldrop, regex: tmp_.+}
        tlsConfig: {caFile: /elsewhere}
      containers:
      - {name: thanos-sidecar, image: thanos}
    ---
    apiVersion: monitoring.coreos.com/v1
    kind: Prometheus
    metadata:
      name: bare
      labels: {sidecert.dev/istio-certs: "true"}
    spec: {version: v3.0.0}
    ---
    apiVersion: monitoring.coreos.com/v1alpha1
    kind: PrometheusAgent
    metadata:
      name: without-spec
      labels: {sidecert.dev/istio-certs: "true"}
    ---
    apiVersion: monitoring.coreos.com/v1
    kind: Prometheus
    metadata: {name: not-chosen}
    spec:
      volumes: []
"""


class Ours:
    """The components and the bases of a project, in memory."""

    def __init__(self, folder: Path, defaults: str = "") -> None:
        """Take a folder for the project, and what its environments share."""
        write_tree(folder, {"overlays/_defaults.yaml": defaults or "{}\n"})
        self.builder = Builder(open_workspace(str(folder)), ())

    def write_components(self, folder: Path) -> None:
        """Write the components into a folder, each into one of its own."""
        for component in COMPONENTS:
            unit = self.builder.component_unit(component)
            assert unit
            write_tree(folder, {Path(path).relative_to("kustomize/components").as_posix(): t for path, t in unit.files})

    def base(self, variant: str) -> Resources:
        """Give what a variant's base holds, by kind."""
        return {resource.id.kind: dict(resource.tree) for resource in self.builder.base(variant).resources}


@pytest.fixture(scope="module")
def ours(tmp_path_factory) -> Ours:
    return Ours(tmp_path_factory.mktemp("ours"))


def built(
    folder: Path, ours: Ours, base: Mapping[str, str], *components: str, extra: str = "", program: str = "kubectl"
) -> Resources:
    """Give what kustomize makes of a base, its files by name, with components on it; ``extra`` stands beside them."""
    ours.write_components(folder)
    listed = "".join(f"- ../{component}\n" for component in components)
    files = {
        **{f"base/{name}": text for name, text in base.items()},
        "base/kustomization.yaml": f"resources: [{', '.join(base)}]\n",
        "overlay/kustomization.yaml": f"resources: [../base]\ncomponents:\n{listed}{extra}",
    }
    write_tree(folder, files)
    return resources(run(program, "kustomize", str(folder / "overlay")))


def resources(text: str) -> Resources:
    """Read a stream of resources, by kind and name."""
    found: Resources = {}
    for document in load_documents(text, "stream"):
        assert isinstance(document, dict)
        found[f"{document['kind']}/{document['metadata']['name']}"] = document
    return found


def lost(before: Any, after: Any, path: str = "") -> Iterator[str]:
    """Tell what is no longer there, or is in another order; labels and annotations may have another value."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key, value in before.items():
            if key not in after:
                yield f"{path}.{key}"
            elif not path.endswith((".labels", ".annotations")):
                yield from lost(value, after[key], f"{path}.{key}")
    elif isinstance(before, list) and isinstance(after, list):
        if len(after) < len(before):
            yield f"{path}: {len(before) - len(after)} items"
        for index, (old, new) in enumerate(zip(before, after, strict=False)):
            yield from lost(old, new, f"{path}[{index}]")
    elif before != after:
        yield f"{path}: {before!r} became {after!r}"


def named(items: Any, name: str) -> Tree:
    (found,) = (item for item in items if item["name"] == name)
    assert isinstance(found, dict)
    return found


def certificates(holder: Tree) -> list[Tree]:
    """Give the mounts of the certificates in a container, or a Prometheus resource."""
    return [mount for mount in holder.get("volumeMounts", []) if mount["name"] == "istio-workload-certs"]


def mesh_metadata(metadata: Tree) -> tuple[Tree, Tree]:
    """Give the labels and annotations of one of our own pods that have to do with the mesh."""
    labels = {key: value for key, value in metadata["labels"].items() if "istio.io/" in key}
    return labels, {key: value for key, value in metadata["annotations"].items() if "istio.io/" in key}


@pytest.fixture(scope="module")
def result(tmp_path_factory, ours) -> Resources:
    """Give a base with every kind of workload, and both components on it."""
    mount = """
        patches:
        - target: {kind: Deployment, name: other-name}
          patch: |
            apiVersion: apps/v1
            kind: Deployment
            metadata: {name: other-name}
            spec:
              template:
                spec:
                  containers:
                  - name: prometheus-server
                    volumeMounts:
                    - {name: istio-workload-certs, mountPath: /etc/prom-certs, readOnly: true}
        - target: {kind: Deployment, name: bare}
          patch: |
            - {op: add, path: /spec/template/spec/volumes/0/emptyDir/sizeLimit, value: 1Mi}
    """
    folder = tmp_path_factory.mktemp("foreign")
    files = {"workloads.yaml": WORKLOADS, "crs.yaml": CUSTOM_RESOURCES}
    extra = "namespace: obs\n" + _dedented(mount)
    return built(folder, ours, files, PLAIN, OPERATOR, extra=extra)


def _dedented(text: str) -> str:
    return dedent(text).lstrip("\n")


BEFORE = resources(_dedented(WORKLOADS) + "---\n" + _dedented(CUSTOM_RESOURCES))

PLAIN_ONES = {
    "StatefulSet/full": "prometheus",
    "Deployment/bare": "prometheus",
    "Deployment/other-name": "prometheus-server",
}
OPERATOR_ONES = ("Prometheus/full", "Prometheus/bare", "PrometheusAgent/without-spec")


@pytest.mark.parametrize("name", BEFORE)
def test_nothing_that_was_there_is_lost(result, name):
    before = {**BEFORE[name], "metadata": {**BEFORE[name]["metadata"], "namespace": "obs"}}
    after = result[name]
    if name == "Prometheus/full":  # the class of our name has our files now
        del before["spec"]["scrapeClasses"][1]["tlsConfig"]["caFile"]
    assert list(lost(before, after)) == []


@pytest.mark.parametrize("name", ["StatefulSet/not-chosen", "Prometheus/not-chosen"])
def test_what_has_no_label_is_left_alone(result, name):
    assert result[name] == {**BEFORE[name], "metadata": {"name": "not-chosen", "namespace": "obs"}}


def test_nothing_comes_but_a_sidecar_for_each_component(result):
    assert result.keys() - BEFORE.keys() == {f"Sidecar/{PLAIN}", f"Sidecar/{OPERATOR}"}


@pytest.mark.parametrize("name", PLAIN_ONES)
def test_a_workload_has_what_our_own_has(result, ours, name):
    own, found = ours.base("plain")["StatefulSet"]["spec"]["template"], result[name]["spec"]["template"]
    labels, annotations = mesh_metadata(own["metadata"])
    assert labels
    assert annotations
    assert found["metadata"]["labels"].items() >= {**labels, "sidecert.dev/component": PLAIN}.items()
    assert found["metadata"]["annotations"].items() >= annotations.items()
    volume = named(own["spec"]["volumes"], "istio-workload-certs")
    if name == "Deployment/bare":  # what the user adds to one is in that one alone
        volume = {**volume, "emptyDir": {**volume["emptyDir"], "sizeLimit": "1Mi"}}
    assert named(found["spec"]["volumes"], "istio-workload-certs") == volume
    mounts = certificates(named(own["spec"]["containers"], "prometheus"))
    having = {container["name"]: certificates(container) for container in found["spec"]["containers"]}
    assert {key: value for key, value in having.items() if value} == {PLAIN_ONES[name]: mounts}
    assert len(having) == len(BEFORE[name]["spec"]["template"]["spec"]["containers"])


@pytest.mark.parametrize("name", OPERATOR_ONES)
def test_a_prometheus_resource_has_what_our_own_has(result, ours, name):
    own, found = ours.base("operator")["Prometheus"]["spec"], result[name]["spec"]
    labels, annotations = mesh_metadata(own["podMetadata"])
    assert labels
    assert annotations
    assert found["podMetadata"]["labels"].items() >= {**labels, "sidecert.dev/component": OPERATOR}.items()
    assert found["podMetadata"]["annotations"].items() >= annotations.items()
    assert named(found["volumes"], "istio-workload-certs") == named(own["volumes"], "istio-workload-certs")
    assert certificates(found) == certificates(own) != []
    (own_class,) = own["scrapeClasses"]
    assert named(found["scrapeClasses"], "istio-mtls").items() >= own_class.items()


@pytest.mark.parametrize(("component", "variant"), [(PLAIN, "plain"), (OPERATOR, "operator")])
def test_the_sidecar_is_for_these_pods_alone(result, ours, component, variant):
    own, found = ours.base(variant)["Sidecar"], result[f"Sidecar/{component}"]
    assert (found["apiVersion"], found["spec"]["egress"]) == (own["apiVersion"], own["spec"]["egress"])
    assert found["metadata"]["namespace"] == "obs"
    wanted = found["spec"]["workloadSelector"]["labels"].items()
    chosen = {name for name, tree in result.items() if wanted <= pod_labels(tree).items()}
    assert chosen == set(PLAIN_ONES if component == PLAIN else OPERATOR_ONES)


def pod_labels(tree: Tree) -> Tree:
    spec = tree.get("spec", {})
    metadata = spec.get("podMetadata") or spec.get("template", {}).get("metadata") or {}
    labels: Tree = metadata.get("labels", {})
    return labels


def test_once_more_changes_nothing(tmp_path, ours, result):
    before = {name: deepcopy(tree) for name, tree in result.items() if tree["kind"] != "Sidecar"}
    del before["Deployment/bare"]["spec"]["template"]["spec"]["volumes"][0]["emptyDir"]["sizeLimit"]
    text = "".join(f"---\n{block(tree, sort_keys=False)}\n" for tree in before.values())
    after = built(tmp_path, ours, {"all.yaml": text}, PLAIN, OPERATOR)
    assert {name: tree for name, tree in after.items() if tree["kind"] != "Sidecar"} == before


def test_a_list_is_as_good_as_its_items(tmp_path, ours, result):
    items = [BEFORE["StatefulSet/full"], BEFORE["Prometheus/bare"]]
    text = block({"apiVersion": "v1", "kind": "List", "items": items}, sort_keys=False) + "\n"
    found = built(tmp_path, ours, {"list.yaml": text}, PLAIN, OPERATOR, extra="namespace: obs\n")
    assert found == {name: result[name] for name in found}
    assert len(found) == 4


def test_a_workload_without_the_container_is_refused(tmp_path, ours):
    text = WORKLOADS.replace("name: prometheus\n", "name: prom\n")
    with pytest.raises(AssertionError, match=r"unable to find field .*containers\.\[name=\^prometheus\$\]\.name"):
        built(tmp_path, ours, {"workloads.yaml": text}, PLAIN)


def test_a_label_beside_the_component_comes_too_late(tmp_path, ours):
    extra = "labels:\n- pairs: {sidecert.dev/istio-certs: 'true'}\n"
    text = block(BEFORE["StatefulSet/not-chosen"]) + "\n"
    found = built(tmp_path, ours, {"workload.yaml": text}, PLAIN, extra=extra)["StatefulSet/not-chosen"]
    assert (pod_labels(found), "volumes" in found["spec"]["template"]["spec"]) == ({}, False)


def test_what_all_environments_share_holds_for_components_too(tmp_path):
    defaults = """
        istio: {revision: canary}
        proxy: {mode: certificate-only}
        mesh: {clientTls: portLevelMtls}
        certificates: {mountPath: /etc/prom.certs-d, volume: istio-workload-certs}
    """
    ours = Ours(tmp_path / "ours", defaults)
    text = WORKLOADS.replace("/etc/prom-certs/old", "/etc/promxcerts-d")
    found = built(tmp_path / "foreign", ours, {"workloads.yaml": text, "crs.yaml": CUSTOM_RESOURCES}, PLAIN, OPERATOR)
    assert [name for name in found if name.startswith("Sidecar/")] == []
    base = ours.base("plain")
    authentication, own_pod = found[f"PeerAuthentication/{PLAIN}"], base["StatefulSet"]["spec"]["template"]
    pod = found["StatefulSet/full"]["spec"]["template"]
    assert authentication["spec"]["portLevelMtls"] == base["PeerAuthentication"]["spec"]["portLevelMtls"]
    assert pod_labels(found["StatefulSet/full"])["istio.io/rev"] == "canary"
    assert named(pod["spec"]["containers"], "istio-proxy") == named(own_pod["spec"]["containers"], "istio-proxy")
    assert "postStart" in named(pod["spec"]["containers"], "istio-proxy")["lifecycle"]
    assert [mount["mountPath"] for mount in named(pod["spec"]["containers"], "prometheus")["volumeMounts"]] == [
        *("/etc/prometheus", "/etc/promxcerts-d", "/prometheus", "/etc/prom.certs-d")
    ]
    own_proxy = named(ours.base("operator")["Prometheus"]["spec"]["containers"], "istio-proxy")
    assert [container["name"] for container in found["Prometheus/full"]["spec"]["containers"]] == [
        *("thanos-sidecar", "istio-proxy")
    ]
    assert named(found["Prometheus/bare"]["spec"]["containers"], "istio-proxy") == own_proxy
