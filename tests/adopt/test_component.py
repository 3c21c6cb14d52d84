"""The component's patches find the objects that they are for."""

from __future__ import annotations

import pytest

from tests.adopt.helpers import adopted, built, files, put_together, tree_of

OPERATED = """\
apiVersion: monitoring.coreos.com/v1
kind: Prometheus
metadata:
  name: {name}
  namespace: {namespace}
spec:
  podMonitorSelector: {{}}
"""


@pytest.mark.parametrize(
    ("name", "namespace"), [("k8s", "${monitoring_namespace}"), ("${NAME}-0", "a"), ("a.b", "c"), ("$NAME", "$(NS)")]
)
def test_a_name_that_is_still_to_be_filled_in_is_found_as_it_stands(name, namespace, tmp_path):
    text = OPERATED.format(name=name, namespace=namespace)
    made = built(put_together(tmp_path, text, [adopted(text)]))
    [prometheus] = [one for one in made if one.kind == "Prometheus"]
    assert (prometheus.name, prometheus.namespace) == (name, namespace)
    assert prometheus.get("spec", "scrapeClasses", 0, "name") == "istio-mtls"


def test_a_plain_name_stays_plain_in_a_target():
    found = files(adopted(OPERATED.format(name="k8s", namespace="my-monitoring")))
    *_, patch = tree_of(found["kustomization.yaml"])["patches"]
    assert (patch["target"]["name"], patch["target"]["namespace"]) == ("k8s", "my-monitoring")
