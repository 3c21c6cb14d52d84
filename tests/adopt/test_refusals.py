"""What can't be adopted is refused with the reason and what to do."""

from __future__ import annotations

import pytest

from generator.errors import InputError
from tests.adopt.helpers import adopted
from tests.adopt.test_adopting import OPERATED, WORKLOAD

POD = """\
apiVersion: v1
kind: Pod
metadata:
  name: prometheus
  namespace: monitoring
  annotations: {a: b}
spec:
  containers:
  - {name: prometheus, image: "prom/prometheus:v3.1.0"}
"""
ANNOTATED = "    metadata:\n      annotations:\n        %s\n      labels:\n"


def annotated(line: str) -> str:
    return WORKLOAD.replace("    metadata:\n      labels:\n", ANNOTATED % line)


def refusal(text: str) -> str:
    with pytest.raises(InputError) as error:
        adopted(text)
    [problem] = error.value.problems
    assert problem.location is not None
    assert problem.location.line
    assert problem.hint or problem.found
    return str(problem)


@pytest.mark.parametrize(
    ("line", "mesh"),
    [
        ("linkerd.io/inject: enabled", "Linkerd"),
        ("linkerd.io/inject: ingress", "Linkerd"),
        ("kuma.io/sidecar-injection: 'true'", "Kuma"),
        ("consul.hashicorp.com/connect-inject: 'true'", "Consul"),
        ("openservicemesh.io/sidecar-injection: enabled", "Open Service Mesh"),
        ("appmesh.k8s.aws/sidecarInjectorWebhook: enabled", "AWS App Mesh"),
    ],
)
def test_another_meshs_injection(line, mesh):
    text = annotated(line)
    assert f"test.yaml:{text.split(line)[0].count(chr(10)) + 1}:" in refusal(text)
    assert f"{mesh} injects its proxy" in refusal(text)


@pytest.mark.parametrize("line", ["linkerd.io/inject: disabled", "kuma.io/sidecar-injection: 'false'"])
def test_another_meshs_injection_that_is_off_is_none(line):
    assert adopted(annotated(line)).changed


def test_another_mesh_in_the_namespace_unless_the_pod_says_no():
    metadata = "{name: monitoring, annotations: {linkerd.io/inject: enabled}}"
    namespace = f"---\napiVersion: v1\nkind: Namespace\nmetadata: {metadata}\n"
    assert "Linkerd injects its proxy into Namespace monitoring" in refusal(WORKLOAD + namespace)
    assert adopted(annotated("linkerd.io/inject: disabled") + namespace).changed


def test_a_proxy_of_another_mesh():
    text = WORKLOAD.replace("name: reloader", "name: linkerd-proxy")
    assert "it has a proxy of Linkerd" in refusal(text)


def test_a_bare_pod():
    assert "a bare Pod" in refusal(POD)


def test_a_pod_that_something_makes_points_at_that():
    owned = POD.replace("  annotations", "  ownerReferences: [{kind: StatefulSet, name: prom}]\n  annotations")
    assert "give the manifest of StatefulSet/prom" in refusal(owned)


@pytest.mark.parametrize("annotation", ["kubernetes.io/config.mirror: '1'", "kubernetes.io/config.source: file"])
def test_a_static_pod(annotation):
    assert "a static pod" in refusal(POD.replace("{a: b}", f"{{{annotation}}}"))


def test_a_pod_from_the_api_server_isnt_static():
    assert "a bare Pod" in refusal(POD.replace("{a: b}", "{kubernetes.io/config.source: api}"))


def test_a_pod_on_the_hosts_network():
    assert "host's network" in refusal(
        WORKLOAD.replace("      containers:", "      hostNetwork: true\n      containers:")
    )


def test_a_workload_without_a_name():
    assert "no name" in refusal(
        WORKLOAD.replace("  name: prometheus\n  namespace", "  generateName: prometheus-\n  namespace")
    )


def test_a_selector_that_asks_for_no_injection():
    text = WORKLOAD.replace("app: prometheus\n", "app: prometheus\n      sidecar.istio.io/inject: 'false'\n", 1)
    assert "a selector can't be changed" in refusal(text)


def test_a_selector_that_would_no_longer_fit():
    expression = "{key: sidecar.istio.io/inject, operator: DoesNotExist}"
    text = WORKLOAD.replace("  selector:\n", f"  selector:\n    matchExpressions: [{expression}]\n")
    assert "doesn't fit the labels" in refusal(text)


def test_a_namespace_where_istio_injects_nothing():
    assert "leaves it alone" in refusal(OPERATED.replace("namespace: monitoring", "namespace: kube-system"))


def test_nothing_that_scrapes_tells_what_was_seen():
    with pytest.raises(InputError, match=r"found: 1 ConfigMap, 2 Service\b"):
        adopted(
            "".join(
                f"---\napiVersion: v1\nkind: {kind}\nmetadata: {{name: a}}\n"
                for kind in ("Service", "ConfigMap", "Service")
            )
        )


def test_a_list_without_its_dash():
    text = WORKLOAD.replace("        - name: config\n          mount", "          name: config\n          mount")
    assert "volumeMounts is a map, where a list belongs" in refusal(text)
    assert "volumes is a map, where a list belongs" in refusal(f"{OPERATED}  volumes: {{name: c}}\n")
