"""The alerts as they are rendered, in a mesh of real Envoys: each fires for its failure, and none without one.

A minute that they wait or look back is half a second here.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from generator.resource import Resource
from tests.alerts.test_live import quickened
from tests.e2e.certificates import Credentials
from tests.e2e.lab import Lab, scraped
from tests.e2e.prometheus import Prometheus
from tests.e2e.test_failures import expired, legacy, two

pytestmark = pytest.mark.programs

PLAIN: dict[str, Any] = {"variant": "plain"}


def quick(resource: Resource) -> Resource:
    """Quicken the rules in the ConfigMap that holds them."""
    text = resource.tree.get("data", {}).get("rules.yaml")
    if text is None:
        return resource
    groups = yaml.safe_load(text)["groups"]
    rules = yaml.safe_dump({"groups": [{**group, "rules": quickened(group["rules"])} for group in groups]})
    return resource._replace(tree={**resource.tree, "data": {"rules.yaml": rules}})


def all_up(lab: Lab, prometheus: Prometheus) -> None:
    prometheus.wait_for(lambda: len(scraped(prometheus.targets())) == len(lab.pods), what="targets")


def fires(prometheus: Prometheus, *alerts: str) -> None:
    prometheus.wait_for(lambda: set(alerts) <= prometheus.firing(), 60, f"alerts {alerts}")


def test_a_healthy_mesh_fires_none(tmp_path: Path):
    with Lab(tmp_path, two, every=1) as lab:
        prometheus = lab.prometheus(PLAIN, changed=quick)
        all_up(lab, prometheus)
        time.sleep(10)  # longer than any of them waits
        assert prometheus.firing() == set()


@pytest.mark.parametrize("issue", [legacy, expired], ids=["another root", "expired"])
def test_a_certificate_that_targets_refuse_fires(tmp_path: Path, issue):
    with Lab(tmp_path, two) as lab:
        prometheus = lab.prometheus(PLAIN, changed=quick)
        all_up(lab, prometheus)

        def bad() -> Credentials:
            return issue(lab.authority)  # type: ignore[no-any-return]  # both give credentials

        lab.agent.issue = bad
        lab.agent.rotate()
        fires(prometheus, "IstioMetricsTlsFailing", "IstioMetricsTargetDown")
        assert prometheus.firing() == {"IstioMetricsTlsFailing", "IstioMetricsTargetDown"}
        lab.agent.issue = lambda: lab.authority.workload("monitoring", "prometheus")
        lab.agent.rotate()
        prometheus.wait_for(lambda: prometheus.firing() == set(), 60, "end of all alerts")


def test_a_certificate_that_is_not_renewed_fires_first_as_late_and_then_as_expiring(tmp_path: Path):
    with Lab(tmp_path, two) as lab:
        prometheus = lab.prometheus(PLAIN, changed=quick)
        all_up(lab, prometheus)
        # The alerts compare with the most that was left, so that has to have been seen.
        prometheus.wait_for(lambda: prometheus.query("istio_agent_cert_expiry_seconds"), what="the agent's metric")
        lab.own_agent.expires_in = 30_000
        fires(prometheus, "IstioCertificateNotRenewed")
        assert prometheus.firing() == {"IstioCertificateNotRenewed"}
        lab.own_agent.expires_in = 5_000
        fires(prometheus, "IstioCertificateNotRenewed", "IstioCertificateExpiring")
        lab.own_agent.expires_in = None
        fires(prometheus, "IstioAgentNotReady")
        lab.own_agent.expires_in = 86_000
        prometheus.wait_for(lambda: prometheus.firing() == set(), 60, "end of all alerts")


def test_files_that_are_missing_fire(tmp_path: Path):
    with Lab(tmp_path, two, late=3600.0) as lab:
        prometheus = lab.prometheus(PLAIN, changed=quick)
        fires(prometheus, "PrometheusScrapePoolNotCreated")


def test_a_configuration_that_is_refused_and_a_job_without_targets_fire(tmp_path: Path):
    with Lab(tmp_path, two) as lab:
        prometheus = lab.prometheus(PLAIN, lab.pods[:2], changed=quick)
        (prometheus.folder / "prometheus.yml").write_text("nonsense: true\n")
        with pytest.raises(AssertionError, match="refuses to reload"):
            prometheus.reload()
        fires(prometheus, "PrometheusConfigReloadFailed", "PrometheusJobWithoutTarget")
