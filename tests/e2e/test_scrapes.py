"""Every pod that should be scraped is, none twice and no other, while certificates rotate under it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.lab import OWN_JOBS, Lab, failed_scrapes, of_pods, scraped, told
from tests.e2e.pods import MTLSMode, expected_targets, many, scenario
from tests.e2e.prometheus import Prometheus

pytestmark = pytest.mark.programs

Overlay = dict[str, Any]

SECURE: Overlay = {
    "istio": {"version": "1.31.2"},
    "scrape": {"securePorts": {"enabled": True}, "envoyStats": {"enabled": True}},
}
ENVIRONMENTS: dict[str, Overlay] = {
    "plain": {"variant": "plain"},
    "plain without the container label": {"variant": "plain", "scrape": {"containerLabel": False}},
    "plain with secure ports": {"variant": "plain", **SECURE},
    "manual": {"variant": "manual"},
    "operator": {"variant": "operator"},
    "operator with secure ports": {"variant": "operator", **SECURE},
    "merged": {"variant": "merged"},
    "merged with the operator": {"variant": "merged", "merged": {"prometheus": "operator"}},
}
MODES: tuple[MTLSMode, ...] = ("STRICT", "PERMISSIVE")
#: Jobs whose targets are made of a pod's annotations.
ANNOTATED = ("istio-mtls", "kubernetes-pods")
ROTATIONS = 20
OF_PODS = f'{{job!~"{"|".join(OWN_JOBS)}"}}'


def overlay(name: str, mode: MTLSMode) -> Overlay:
    """An environment's values, in a mesh of a mode."""
    values = ENVIRONMENTS[name]
    return {**values, "istio": {**values.get("istio", {}), "mtlsMode": mode}}


def expected(name: str, lab: Lab) -> set[tuple[str, str]]:
    """Job and URL of every target that an environment must have."""
    values = ENVIRONMENTS[name]
    secure = "securePorts" in values.get("scrape", {})
    certificates = values["variant"] != "merged"
    return expected_targets(lab.pods, certificates=certificates, secure_ports=secure, envoy_stats=secure)


@pytest.fixture(scope="module", params=MODES)
def running(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Lab, dict[str, Prometheus]]]:
    """A mesh of a mode, scraped by a Prometheus of every environment over at least twenty rotations."""
    mode: MTLSMode = request.param
    with Lab(tmp_path_factory.mktemp("lab"), lambda network: scenario(network, mode), every=0.5) as lab:
        found = {name: lab.prometheus(overlay(name, mode)) for name in ENVIRONMENTS}
        for name, prometheus in found.items():
            wanted = expected(name, lab)
            prometheus.wait_for(lambda: scraped(prometheus.targets()) >= wanted, what=f"all targets of {name}")  # noqa: B023
        lab.agent.wait_for(lab.agent.rotations + ROTATIONS)
        lab.agent.stop()  # so that the last scrape of a target fell between no two renames
        for name, prometheus in found.items():
            wanted = expected(name, lab)
            prometheus.wait_for(lambda: scraped(prometheus.targets()) >= wanted, what=f"all targets of {name}")  # noqa: B023
        yield lab, found


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_exactly_the_pods_that_should_be_are_scraped(running, name):
    lab, found = running
    targets = of_pods(found[name].targets())
    assert {(target.job, target.url) for target in targets} == expected(name, lab), told(targets)
    assert [target for target in targets if target.health != "up"] == [], told(targets)


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_no_metrics_of_a_pod_are_scraped_twice(running, name):
    _, found = running
    urls = Counter(target.url.partition("://")[2] for target in of_pods(found[name].targets()))
    assert [url for url, count in urls.items() if count > 1] == []


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_no_scrape_fails_while_the_certificate_rotates(running, name):
    """But for one that falls between the renames of a key and its certificate, which no reader can help."""
    _, found = running
    failed = failed_scrapes(found[name])
    others = [one for one in failed if "private key does not match public key" not in one.error]
    assert [one for one in others if one.pool not in OWN_JOBS] == []
    assert all(count <= 2 for _, count in found[name].query(f"count_over_time((up{OF_PODS} == 0)[5m:1s])"))
    (_, fewest), *_ = sorted(found[name].query(f"count_over_time(up{OF_PODS}[5m])"), key=lambda one: one[1])
    assert fewest >= ROTATIONS / 4


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_series_say_which_pod_they_are_from(running, name):
    lab, found = running
    pods = {url: pod for pod in lab.pods for url in pod.expected.values()}
    for target in of_pods(found[name].targets()):
        pod = pods[target.url]
        said = [target.labels[label] for label in ("namespace", "pod", "node")]
        assert said == [pod.namespace, pod.name, pod.node]
        assert target.labels.get("container", "") in {"", *(container.name for container in pod.containers)}
        assert ("container" in target.labels) is not ("without the container" in name and target.job in ANNOTATED)


def test_a_pair_that_is_briefly_mismatched_costs_a_target_one_scrape_at_most(tmp_path: Path):
    with Lab(tmp_path, scenario) as lab:
        prometheus = lab.prometheus(overlay("plain", "STRICT"))
        wanted = expected("plain", lab)
        prometheus.wait_for(lambda: scraped(prometheus.targets()) >= wanted, what="all targets")
        lab.agent.rotate(mismatched_for=0.6)
        before = lab.mesh.applications.scrapes.total()
        prometheus.wait_for(
            lambda: lab.mesh.applications.scrapes.total() >= before + 4 * len(wanted), what="more scrapes"
        )
        failed = prometheus.query(f"count_over_time((up{OF_PODS} == 0)[1m:1s])")
        assert all(count <= 2 for _, count in failed), failed  # one scrape is seen by one or two steps of a second
        assert scraped(prometheus.targets()) == wanted


def test_five_hundred_pods_are_scraped_at_once(tmp_path: Path):
    with Lab(tmp_path, lambda network: many(500, network), every=2) as lab:
        prometheus = lab.prometheus({**overlay("plain", "STRICT"), "prometheus": {"scrapeInterval": "10s"}})
        wanted = expected_targets(lab.pods)
        prometheus.wait_for(lambda: scraped(prometheus.targets()) == wanted, 150, "500 targets")
        assert len(wanted) == 500
