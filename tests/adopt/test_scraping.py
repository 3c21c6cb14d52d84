"""What is added where there is something already: several configurations, a monitor with certificates."""

from __future__ import annotations

import pytest

from tests.adopt.helpers import adopted
from tests.adopt.test_adopting import CONFIGURATION, OPERATED, WORKLOAD

_OTHER = CONFIGURATION.replace("name: config\n", "name: other\n")
_VOLUME = "      - {name: other, configMap: {name: other}}\n"
TWO = WORKLOAD.replace("mountPath: /etc/prometheus\n", "mountPath: /etc/prometheus-0\n") + _VOLUME


def changed(text: str) -> list[str]:
    return sorted(old.name for old, _ in adopted(text).changed if old.kind == "ConfigMap")


def test_a_second_configuration_that_may_be_the_one_that_is_read_is_told():
    found = adopted(f"{TWO}---\n{CONFIGURATION}---\n{_OTHER}")
    assert [old.name for old, _ in found.changed if old.kind == "ConfigMap"] == ["config"]
    assert found.to_do[0] == (
        "the job belongs into ConfigMap monitoring/other too: only the pod knows which of them it reads"
    )


@pytest.mark.parametrize(
    "volume",
    [
        _VOLUME,
        "      - {name: other, projected: {sources: [{configMap: {name: other}}]}}\n",
    ],
)
def test_the_one_that_is_mounted_where_prometheus_reads_gets_the_job(volume):
    mount = "        - {name: other, mountPath: /etc/prometheus}\n      volumes:\n"
    text = TWO.replace(_VOLUME, volume).replace("      volumes:\n", mount)
    found = adopted(f"{text}---\n{CONFIGURATION}---\n{_OTHER}")
    assert [old.name for old, _ in found.changed if old.kind == "ConfigMap"] == ["other"]
    assert not any("too: only" in one for one in found.to_do)


def test_an_operators_prometheus_whose_monitors_have_certificates_gets_no_class():
    monitor = """\
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata: {name: web, namespace: monitoring}
spec:
  selector: {}
  endpoints:
  - port: http-metrics
    scheme: https
    tlsConfig:
      caFile: /etc/prom-certs/root-cert.pem
      certFile: /etc/prom-certs/cert-chain.pem
      keyFile: /etc/prom-certs/key.pem
      insecureSkipVerify: true
"""
    found = adopted(f"{OPERATED}---\n{monitor}")
    [(before, after)] = found.changed
    assert after.tree["spec"].get("scrapeClasses") == before.tree["spec"].get("scrapeClasses")
    assert [part.tree["kind"] for part in found.added] == ["Sidecar"]
