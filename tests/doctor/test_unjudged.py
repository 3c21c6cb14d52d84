"""What can't be judged from the files given is said to be so, with what to give beside them."""

from __future__ import annotations

import pytest

from generator.doctor import examine
from generator.doctor.rules.examples import CONFIGURATION, OPERATOR, PLAIN, WORKLOAD_AND_CONFIGURATION
from generator.intake.document import documents_of
from generator.monitoring import assemble

MONITOR = """\
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata:
  name: web
spec:
  endpoints:
  - port: http
    scheme: https
    tlsConfig:
      caFile: /certs/root-cert.pem
      certFile: /certs/cert-chain.pem
      keyFile: /certs/key.pem
      insecureSkipVerify: true
"""
WITH_SECRET = OPERATOR.replace(
    "  podMonitorSelector", "  additionalScrapeConfigs: {name: more, key: a}\n  podMonitorSelector"
)


def told(text: str) -> list[str]:
    found = examine(assemble(documents_of(text, "a.yaml"))).unjudged
    assert all(problem.hint for problem in found)
    return [f"{problem.location}: {problem.message}" for problem in found]


@pytest.mark.parametrize("text", [WORKLOAD_AND_CONFIGURATION, OPERATOR])
def test_of_what_is_complete_nothing_is_left_open(text):
    assert told(text) == []


def test_a_workload_wants_its_configuration():
    assert told(PLAIN) == [
        "a.yaml:1:1: the configuration of StatefulSet monitoring/prometheus is not here, so its jobs can't be judged"
    ]


def test_a_configuration_wants_its_workload():
    (found,) = told(CONFIGURATION)
    assert found.startswith("a.yaml:11:7: job istio-mtls names certificate files, but the workload")


def test_a_monitor_with_files_wants_the_prometheus_that_mounts_them():
    (found,) = told(MONITOR)
    assert found == (
        "a.yaml:9:5: ServiceMonitor web names certificate files, and the Prometheus that takes it up is not here"
    )
    assert told(MONITOR.replace("metadata:", "metadata:\n  namespace: monitoring") + "---\n" + OPERATOR) == []


def test_a_monitor_with_a_class_wants_the_prometheus_that_defines_it():
    monitor = OPERATOR.partition("---\n")[2]
    (found,) = told(monitor)
    assert "names the scrape class istio-mtls, and what defines it is not here" in found


def test_jobs_in_a_secret_are_asked_for_by_its_name():
    (found,) = told(WITH_SECRET)
    assert "the Secret more is not here" in found
    secret = "---\napiVersion: v1\nkind: Secret\nmetadata: {name: more, namespace: monitoring}\nstringData: {a: '[]'}\n"
    assert told(WITH_SECRET + secret) == []


OPERATED = "apiVersion: monitoring.coreos.com/v1\nkind: Prometheus\nmetadata: {name: main}\nspec: {}\n"


def test_a_prometheus_without_a_certificate_is_told_how_to_get_one():
    (found,) = told(OPERATED)
    assert found == (
        "a.yaml:1:1: Prometheus main has no certificate of the mesh, which it needs where pods demand mutual TLS"
    )


def test_one_that_scrapes_merged_metrics_needs_none():
    jobs = CONFIGURATION.partition("    - job_name")[0] + (
        "    - job_name: merged\n      metrics_path: /stats/prometheus\n      static_configs: []\n"
    )
    workload = PLAIN.partition("      annotations:")[0] + "    spec:" + PLAIN.partition("    spec:")[2]
    assert told(f"{workload}---\n{jobs}") == []
