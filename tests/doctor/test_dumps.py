"""Dumps of clusters: what others make, other pods' proxies, and what the mesh's configuration says."""

from __future__ import annotations

import pytest

from generator.doctor.rules.examples import PLAIN, but
from generator.doctor.rules.merging import BY_ANNOTATION
from tests.doctor.helpers import diagnose, ids, only

_BROKEN = but(PLAIN, ('        traffic.sidecar.istio.io/includeOutboundIPRanges: ""\n', ""))


def _owned(text: str, kind: str, name: str, owner: str, owner_name: str) -> str:
    """The manifest's workload as one of another kind and name, which an owner makes."""
    text = text.replace("kind: StatefulSet", f"kind: {kind}", 1).replace("  serviceName: prometheus\n", "")
    reference = f"  ownerReferences:\n  - {{kind: {owner}, name: {owner_name}, controller: true}}\n"
    return text.replace("  name: prometheus\n", f"  name: {name}\n{reference}", 1)


_DEPLOYMENT = PLAIN.replace("kind: StatefulSet", "kind: Deployment", 1).replace("  serviceName: prometheus\n", "")


def test_what_an_owner_among_the_files_makes_is_not_judged_beside_it():
    assert "outbound-intercepted" in ids(_BROKEN)
    old = _owned(_BROKEN, "ReplicaSet", "prometheus-5d8f", "Deployment", "prometheus")
    assert ids(f"{_DEPLOYMENT}---\n{old}") == []
    assert "outbound-intercepted" in ids(old), "alone it is all there is"
    assert "outbound-intercepted" in ids(f"{_DEPLOYMENT}---\n{old.replace('Deployment, name', 'Rollout, name')}")


def test_a_deployments_pods_are_known_without_their_replica_set():
    old = _owned(_BROKEN, "StatefulSet", "prometheus-5d8f-x2x4z", "ReplicaSet", "prometheus-5d8f")
    assert ids(f"{_DEPLOYMENT}---\n{old}") == []
    assert "outbound-intercepted" in ids(
        f"{_DEPLOYMENT}---\n{old.replace('name: prometheus-5d8f,', 'name: other-5d8f,')}"
    )


def test_what_something_else_makes_is_not_changed():
    made = _owned(_BROKEN, "StatefulSet", "prometheus-main", "Prometheus", "main")
    fix = only(made, "outbound-intercepted").fix
    assert fix is not None
    assert not fix.edits
    assert fix.says == "have nothing intercepted that leaves the pod, in Prometheus main, which makes this object"


_OF_1_4 = """\
apiVersion: v1
kind: Pod
metadata: {name: web-1, namespace: shop}
spec:
  containers:
  - {name: web, image: "web:1"}
  - name: istio-proxy
    image: docker.io/istio/proxyv2:1.4.3
    volumeMounts: [{name: istio-certs, mountPath: /etc/certs, readOnly: true}]
  volumes: [{name: istio-certs, secret: {secretName: istio.default, optional: true}}]
"""


def test_the_secret_of_another_pods_own_proxy_is_no_fault():
    assert ids(_OF_1_4) == []
    mounted = _OF_1_4.replace('image: "web:1"}', 'image: "web:1", volumeMounts: [{name: istio-certs, mountPath: /c}]}')
    assert ids(mounted) == ["legacy-secret"]


_OFF = {
    "the ConfigMap that istiod reads": """\
apiVersion: v1
kind: ConfigMap
metadata: {name: istio-1-30, namespace: istio-system}
data:
  mesh: |
    enablePrometheusMerge: false
""",
    "what its operator reads": """\
apiVersion: install.istio.io/v1alpha1
kind: IstioOperator
metadata: {name: main, namespace: istio-system}
spec: {meshConfig: {enablePrometheusMerge: false}}
""",
    "what Sail reads": """\
apiVersion: sailoperator.io/v1
kind: Istio
metadata: {name: default}
spec: {namespace: istio-system, values: {meshConfig: {enablePrometheusMerge: false}}}
""",
}


@pytest.mark.parametrize("mesh", _OFF)
def test_a_mesh_that_does_not_merge_leaves_pods_their_ports(mesh):
    text = f"{PLAIN}---\n{BY_ANNOTATION}---\n{_OFF[mesh]}"
    assert ids(text) == []
    assert ids(text.replace("Merge: false", "Merge: true")) == ["https-to-merged"]


@pytest.mark.parametrize(
    "image", ["registry.redhat.io/openshift4/ose-prometheus:v4.12", "rancher/mirrored-prometheus-prometheus:v2.42.0"]
)
def test_a_rebuilt_prometheus_is_one(image):
    text = f"""\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: metrics, namespace: mon}}
spec:
  selector: {{matchLabels: {{app: metrics}}}}
  template:
    metadata: {{labels: {{app: metrics}}}}
    spec:
      containers: [{{name: server, image: "{image}", volumeMounts: [{{name: certs, mountPath: /certs}}]}}]
      volumes: [{{name: certs, secret: {{secretName: istio.default}}}}]
"""
    assert only(text, "legacy-secret").severity == "error"
    exporter = text.replace("-prometheus:v", "-prometheus-adapter:v")
    assert [(one.rule.id, one.severity) for one in diagnose(exporter)] == [("legacy-secret", "info")]


def test_what_is_laid_over_a_chart_of_ranchers_is_judged_as_its_values():
    text = """\
apiVersion: helm.cattle.io/v1
kind: HelmChartConfig
metadata: {name: rancher-monitoring, namespace: kube-system}
spec:
  valuesContent: |-
    prometheus:
      prometheusSpec:
        secrets: [istio.default]
"""
    assert ids(text) == ["legacy-secret"]
    application = """\
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: monitoring}
spec:
  source:
    chart: rancher-monitoring
    helm: {valuesObject: {prometheus: {prometheusSpec: {secrets: [istio.default]}}}}
"""
    assert ids(application) == ["legacy-secret"]
