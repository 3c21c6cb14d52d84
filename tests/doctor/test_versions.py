"""What needs a newer Istio or Kubernetes."""

from __future__ import annotations

import pytest

from generator.doctor import RULES
from generator.doctor.rules.examples import PLAIN, but
from generator.doctor.rules.spoiling import METADATA, OUTPUT_CERTS
from tests.doctor.helpers import diagnose, ids, only, repaired

WEB = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  template:
    metadata:
      annotations:
        proxy.istio.io/config: |
          proxyMetadata:
            ENVOY_SECURE_METRICS_PORT: "15091"
    spec:
      containers:
      - name: web
        image: example.com/web:1
"""


def annotated(line: str) -> str:
    return but(PLAIN, ("      annotations:\n", f"      annotations:\n        {line}\n"))


def variable(line: str) -> str:
    return but(PLAIN, (METADATA, f"{METADATA}            {line}\n"))


def too_old(text: str, version: tuple[int, ...], *, given: bool = True) -> dict[str, str]:
    found = diagnose(text, istio=version, istio_given=given)
    return {one.found.split()[0]: one.severity for one in found if one.rule.id == "istio-too-old"}


@pytest.mark.parametrize(
    ("text", "name", "since", "severity"),
    [
        (PLAIN, "OUTPUT_CERTS", 5, "error"),
        (PLAIN, "proxy.istio.io/config", 7, "error"),
        (PLAIN, "holdApplicationUntilProxyStarts", 7, "warning"),
        (PLAIN, "the", 9, "warning"),
        (variable('DISABLE_ENVOY: "true"'), "DISABLE_ENVOY", 11, "warning"),
        (annotated("inject.istio.io/templates: grpc-agent"), "grpc-agent", 11, "error"),
        (variable('METRICS_LOCALHOST_ACCESS_ONLY: "true"'), "METRICS_LOCALHOST_ACCESS_ONLY", 22, "warning"),
        (annotated('sidecar.istio.io/nativeSidecar: "true"'), "sidecar.istio.io/nativeSidecar", 24, "warning"),
        (variable('ENVOY_SECURE_MERGED_METRICS_PORT: "15092"'), "ENVOY_SECURE_MERGED_METRICS_PORT", 31, "error"),
        (WEB, "ENVOY_SECURE_METRICS_PORT", 31, "error"),
        (
            annotated('prometheus.istio.io/scrape-targets: "80:/metrics,81:/metrics"'),
            "prometheus.istio.io/scrape-targets",
            31,
            "error",
        ),
    ],
)
def test_what_a_release_brought_is_missing_before_and_there_from_then_on(text, name, since, severity):
    before = too_old(text, (1, since - 1, 9))
    assert name in before
    if (name, since) != ("proxy.istio.io/config", 7):
        assert before[name] == severity
    assert name not in too_old(text, (1, since, 0))


def test_late_patches_of_1_6_read_a_pods_own_configuration_according_to_some():
    assert too_old(PLAIN, (1, 6, 14))["proxy.istio.io/config"] == "warning"
    assert too_old(PLAIN, (1, 5, 10))["proxy.istio.io/config"] == "error"


def test_a_version_that_nobody_gave_is_only_a_guess():
    assert too_old(WEB, (1, 30, 3), given=False) == {"ENVOY_SECURE_METRICS_PORT": "info"}


def test_a_labelled_namespace_injects_whatever_the_release():
    namespace = (
        "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: monitoring\n  labels:\n    istio-injection: enabled\n"
    )
    assert "the" not in too_old(f"{namespace}---\n{PLAIN}", (1, 8, 6))


@pytest.mark.parametrize(("version", "found"), [((1, 28), True), ((1, 29), False)])
def test_an_annotation_for_a_native_sidecar_needs_kubernetes_1_29(version, found):
    text = annotated('sidecar.istio.io/nativeSidecar: "true"')
    assert ("kubernetes-too-old" in ids(text, kubernetes=version, kubernetes_given=True)) == found


@pytest.mark.parametrize(("version", "found"), [((1, 5, 0), True), ((1, 8, 6), True), ((1, 9, 0), False)])
def test_old_agents_wait_for_envoy_before_they_write(version, found):
    told = [one for one in diagnose(PLAIN, istio=version, istio_given=True) if one.rule.id == "first-write-needs-envoy"]
    assert [one.severity for one in told] == ["info"] * found  # without a Sidecar Envoy sees every service
    sidecar = (
        "apiVersion: networking.istio.io/v1beta1\nkind: Sidecar\nmetadata: {name: prometheus, namespace: monitoring}\n"
        "spec:\n  egress:\n  - hosts: [istio-system/istiod.istio-system.svc.cluster.local]\n"
    )
    assert "first-write-needs-envoy" not in ids(f"{PLAIN}---\n{sidecar}", istio=version, istio_given=True)


def test_an_old_agent_writes_nothing_where_a_sidecar_hides_every_host():
    text = RULES["first-write-needs-envoy"].wrong
    finding = only(text, "first-write-needs-envoy", istio=(1, 8, 6), istio_given=True)
    assert finding.severity == "warning"
    assert finding.found.endswith("and Sidecar monitoring/prometheus leaves it only ~/*, which shows it nothing")


def test_the_betas_variable_is_renamed():
    text = but(PLAIN, (OUTPUT_CERTS, "OUTPUT_KEY_CERT_TO_DIRECTORY: /etc/istio-output-certs"))
    finding = only(text, "old-output-variable")
    assert finding.severity == "error"
    assert ids(repaired(text, finding)) == []


def test_both_variables_are_none_too_few():
    text = variable("OUTPUT_KEY_CERT_TO_DIRECTORY: /etc/istio-output-certs")
    finding = only(text, "old-output-variable")
    assert finding.severity == "info"
    assert ids(repaired(text, finding)) == []
