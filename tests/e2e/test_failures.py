"""What goes wrong, one thing at a time: what Prometheus then says, and what `sidecert verify` makes of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from generator.verify import Access, Report, verify
from tests.e2e.certificates import Authority, Credentials
from tests.e2e.lab import IDENTITY, Lab, failed_scrapes, scraped
from tests.e2e.pods import Pod, Port, istiod, permissive, strict
from tests.e2e.prometheus import Prometheus, Target

pytestmark = pytest.mark.programs

PLAIN: dict[str, Any] = {"variant": "plain"}


def two(network: int) -> list[Pod]:
    """Two pods that demand mTLS, and the control plane."""
    at = f"127.{network}.0"
    return [strict("productpage", f"{at}.10"), strict("details", f"{at}.11"), istiod(f"{at}.70")]


def tcp(network: int) -> list[Pod]:
    """A pod whose port isn't declared HTTP, so that its proxy offers HTTP/2 for an application that can't speak it."""
    return [strict("rabbitmq", f"127.{network}.0.13", port=Port(9419, "tcp-metrics", "tcp"))]


def unmarked_permissive(network: int) -> list[Pod]:
    """A pod that takes mTLS from the mesh alone, and doesn't say that it wants to be scraped in cleartext."""
    return [permissive("gateway-api", f"127.{network}.0.30", "PERMISSIVE")]


def legacy(_authority: Authority) -> Credentials:
    """A certificate of another root, as a secret of an old mesh holds it."""
    return Authority("legacy").workload(*IDENTITY)


def expired(authority: Authority) -> Credentials:
    return authority.workload(*IDENTITY, lifetime=60, age=3600)


class Failure(NamedTuple):
    """A failure: how the lab is broken, what Prometheus says of the targets, and what verification finds."""

    lab: dict[str, Any]
    says: str
    finding: set[str]
    pods: Callable[[int], list[Pod]] = two
    mistake: tuple[str, str] = ("", "")


REFUSED = {"unknown-authority", "certificate-refused", "closed-by-target"}

FAILURES = {
    "a certificate of another root": Failure(
        {"issue": legacy}, r"remote error: tls: unknown certificate authority|broken pipe|connection reset", REFUSED
    ),
    "an expired certificate": Failure(
        {"issue": expired},
        r"remote error: tls: expired certificate|broken pipe|connection reset",
        {"certificate-expired", "certificate-refused", "closed-by-target"},
    ),
    "skip-verify missing": Failure(
        {},
        r"x509: cannot validate certificate for 127\.\d+\.0\.\d+ because it doesn't contain any IP SANs",
        {"skip-verify-missing"},
        mistake=("insecure_skip_verify: true", "insecure_skip_verify: false"),
    ),
    "HTTP/2 left on, against a port typed TCP": Failure(
        {}, r"EOF|malformed HTTP|http2|reset", {"http2"}, tcp, ("enable_http2: false", "enable_http2: true")
    ),
    "https to a PERMISSIVE port": Failure(
        {},
        r"EOF|reset|HTTP response to HTTPS",
        {"permissive", "closed-by-target", "target-in-plain-text"},
        unmarked_permissive,
    ),
}


def over_mtls(prometheus: Prometheus, *health: str) -> list[Target]:
    """The targets that are scraped with the certificate, in a state or in any."""
    return [one for one in prometheus.targets() if one.pool == "istio-mtls" and one.health in (health or (one.health,))]


def asked(prometheus: Prometheus) -> Report:
    return verify(Access(prometheus.url))


def found(report: Report) -> set[str]:
    """The keys of what verification finds, but for alerts."""
    return {one.cause.key for one in report.findings if one.what != "alert"}


@pytest.mark.parametrize("name", FAILURES)
def test_a_failure_shows_in_every_target_and_is_understood(name: str, tmp_path: Path):
    failure = FAILURES[name]
    with Lab(tmp_path, failure.pods, **failure.lab) as lab:
        prometheus = lab.prometheus(PLAIN, mistake=failure.mistake)
        wanted = sum(not {"istio-mtls", "kubernetes-pods"}.isdisjoint(pod.expected) for pod in lab.pods)
        prometheus.wait_for(lambda: len(over_mtls(prometheus, "down")) == wanted, what="down targets")
        for target in over_mtls(prometheus, "down"):
            assert re.search(failure.says, target.error), target.error
        assert {one.url for one in failed_scrapes(prometheus)} >= {one.url for one in over_mtls(prometheus, "down")}
        report = asked(prometheus)
        assert found(report) & failure.finding, report.findings


def test_a_healthy_lab_has_nothing_to_repair(tmp_path: Path):
    with Lab(tmp_path, two) as lab:
        prometheus = lab.prometheus(PLAIN)
        prometheus.wait_for(lambda: len(scraped(prometheus.targets())) == len(lab.pods), what="targets")
        prometheus.wait_for(lambda: not asked(prometheus).findings, what="clean verification")
        assert all(job.pool for job in asked(prometheus).jobs)


def test_a_key_that_can_not_be_read_any_more_takes_the_targets_down(tmp_path: Path):
    with Lab(tmp_path, two) as lab:
        prometheus = lab.prometheus(PLAIN)
        prometheus.wait_for(lambda: len(scraped(prometheus.targets())) == len(lab.pods), what="targets")
        lab.agent.key_mode = 0
        lab.agent.rotate()
        prometheus.wait_for(
            lambda: all("key.pem: permission denied" in one.error for one in over_mtls(prometheus)),
            what="errors",
        )
        prometheus.wait_for(lambda: "file-unreadable" in found(asked(prometheus)), what="finding")


def test_a_key_that_can_not_be_read_at_start_leaves_no_target_at_all(tmp_path: Path):
    with Lab(tmp_path, two, key_mode=0) as lab:
        prometheus = lab.prometheus(PLAIN)
        prometheus.wait_for(lambda: "key.pem: permission denied" in prometheus.log(200), what="line in the log")
        assert over_mtls(prometheus) == []
        prometheus.wait_for(lambda: "pool-missing" in found(asked(prometheus)), what="finding")


@pytest.mark.parametrize("directory", ["certificates", "elsewhere"], ids=["late", "written elsewhere"])
def test_files_that_are_missing_at_start_leave_no_target_at_all(tmp_path: Path, directory: str):
    """No target, no `up` series, one line in the log; and when they arrive, only a changed set of targets helps."""
    with Lab(tmp_path, two, late=3600.0, directory=directory) as lab:
        prometheus = lab.prometheus(PLAIN)
        prometheus.wait_for(lambda: "error creating new scrape pool" in prometheus.log(200), what="line in the log")
        assert over_mtls(prometheus) == []
        assert prometheus.query("up{job='istio-mtls'}") == []
        failed = "prometheus_target_scrape_pools_failed_total > 0"
        prometheus.wait_for(lambda: prometheus.query(failed), what="counted failure")
        prometheus.wait_for(lambda: "pool-missing" in found(asked(prometheus)), what="finding")
        lab.agent.rotate()
        if directory == "elsewhere":
            assert over_mtls(prometheus) == []
            return
        prometheus.discover(lab.pods[:1])
        prometheus.wait_for(lambda: len(over_mtls(prometheus, "up")) == 1, what="target, once the set has changed")
