"""Objects of OpenShift's templates are read where no parameter decides what they are judged by."""

from __future__ import annotations

import pytest

from generator.doctor import examine
from generator.doctor.rules.examples import OPERATOR, WORKLOAD_AND_CONFIGURATION, but
from generator.errors import InputError
from generator.intake import Intake, read_texts
from generator.monitoring import assemble
from generator.yaml import block
from generator.yaml.lenient import load_text
from tests.adopt.helpers import adopted_all, manifests_of

PARAMETERS = [{"name": "NAMESPACE"}, {"name": "TAG"}]


def template(text: str, version: str = "template.openshift.io/v1") -> str:
    tree = {"apiVersion": version, "kind": "Template", "parameters": PARAMETERS, "objects": load_text(text, "")[0]}
    return block(tree, sort_keys=False) + "\n"


def read(text: str) -> Intake:
    return read_texts([(text, "a.yaml", "a.yaml")])


NAMED = but(
    WORKLOAD_AND_CONFIGURATION.replace("namespace: monitoring", "namespace: ${NAMESPACE}"),
    ("prometheus:v3.14.0", "prometheus:${TAG}"),
)


@pytest.mark.parametrize("version", ["template.openshift.io/v1", "v1"])
def test_objects_are_read_where_parameters_give_names_and_images(version):
    found = read(template(NAMED, version))
    assert [str(one) for one in found.manifests] == [
        "StatefulSet ${NAMESPACE}/prometheus",
        "ConfigMap ${NAMESPACE}/prometheus",
    ]
    assert not found.unrendered
    assert examine(assemble(found.manifests)).findings == ()


def test_faults_are_told_and_located_in_the_template():
    text = template(NAMED.replace("insecure_skip_verify: true", "insecure_skip_verify: false"))
    [finding] = examine(assemble(read(text).manifests)).findings
    assert finding.rule.id == "skip-verify-missing"
    assert "insecure_skip_verify" in text.splitlines()[(finding.location.line or 0) - 1]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('sidecar.istio.io/inject: "true"', 'sidecar.istio.io/inject: "${TAG}"'),
        ("mountPath: /etc/prom-certs", "mountPath: /etc/${TAG}"),
        ("replicas", "minReadySeconds: ${{TAG}}\n  replicas"),
        ("scheme: https", "scheme: ${TAG}"),
    ],
)
def test_an_object_that_a_parameter_decides_about_is_not_judged(old, new):
    found = read(template(but(OPERATOR.replace("  version: v3.14.0", "  replicas: 1", 1), (old, new))))
    [problem] = found.unrendered
    assert "its parameter TAG is filled in" in problem.message
    assert problem.hint == "render it first: oc process -f a.yaml --local -o yaml | sidecert doctor -"
    assert len(found.manifests) == 1


def test_what_is_no_parameter_of_the_template_stays():
    text = template(but(WORKLOAD_AND_CONFIGURATION, ("regex: http-metrics", 'regex: "${1}"')))
    assert not read(text).unrendered


def test_another_kind_of_that_name_is_an_object():
    text = template(NAMED, "other/v1")
    assert [one.kind for one in read(text).manifests] == ["Template"]


def test_no_patch_reaches_into_a_template():
    with pytest.raises(InputError, match="it stands in an OpenShift template, where no patch reaches it"):
        adopted_all(manifests_of(read(template(NAMED)).manifests))
