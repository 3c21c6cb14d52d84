"""What a real Prometheus runs is the rendered configuration: its defaults, spellings and order are no differences."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from generator.resource import Resource
from generator.verify import Access, Report, verify
from tests.e2e import discovery
from tests.e2e.certificates import Authority
from tests.e2e.pods import scenario
from tests.e2e.processes import claimed_network
from tests.e2e.prometheus import QUICK, Prometheus, configuration, merged
from tests.rendering import _builder, sample_values

pytestmark = pytest.mark.programs

PLAIN = ["dev", "prod/eu-1", "edge/factory-7"]
OPERATOR = ["staging", "prod/us-1"]


def rendered(name: str, folder: Path, *changes: dict[str, Any]) -> list[Resource]:
    """Render a sample for the lab: certificates in a folder."""
    certificates = {"certificates": {"mountPath": str(folder / "certificates")}}
    return _builder()._rendered(merged(sample_values(name), QUICK, certificates, *changes))


def as_it_runs(resources: Sequence[Resource], folder: Path, address: str) -> list[Resource]:
    """Swap the discovery, which this Prometheus can't do, in the resources too, so that it makes no difference."""
    found = []
    for resource in resources:
        if resource.id.kind == "ConfigMap" and "prometheus.yml" in resource.tree["data"]:
            addresses = {discovery.SELF: address, discovery.OWN_AGENT: discovery.OWN_AGENT}
            swapped = discovery.swapped(configuration(resources).config, folder, addresses)
            data = {**resource.tree["data"], "prometheus.yml": yaml.safe_dump(swapped)}
            found.append(resource._replace(tree={**resource.tree, "data": data}))
        else:
            found.append(resource)
    return found


@pytest.fixture
def folder(tmp_path) -> Path:
    """Where the lab's Prometheus keeps its files."""
    made: Path = tmp_path / "prometheus"
    made.mkdir()
    return made


@pytest.fixture
def certificates(tmp_path) -> Path:
    """What the agent has written."""
    made: Path = tmp_path / "certificates"
    made.mkdir()
    key, chain, root = Authority().workload("monitoring", "prometheus")
    for name, content in (("key.pem", key), ("cert-chain.pem", chain), ("root-cert.pem", root)):
        (made / name).write_bytes(content)
    return made


def ask(prometheus: Prometheus, name: str, resources: Sequence[Resource]) -> Report:
    """Compare once jobs have been set up."""
    shown = as_it_runs(resources, prometheus.folder, prometheus.address)
    return verify(Access(prometheus.url), name, shown)


def keys(report: Report) -> dict[str, tuple[str, ...]]:
    """The findings from comparing, with what they say."""
    compared = {"job-missing", "job-extra", "configuration-different", "rules-missing", "rule-failing"}
    return {one.cause.key: one.jobs + one.says for one in report.findings if one.cause.key in compared}


@pytest.mark.parametrize("name", [*PLAIN, *OPERATOR])
def test_the_rendered_configuration_is_what_runs(tmp_path, folder, certificates, name):
    resources = rendered(name, tmp_path)
    with Prometheus(resources, folder) as prometheus:
        report = ask(prometheus, name, resources)
    assert keys(report) == {}
    assert report.version.startswith("2.")


@pytest.mark.parametrize("name", ["dev", "staging"])
def test_another_environments_configuration_is_told(tmp_path, folder, certificates, name):
    changes = {
        "scrape": {"mtls": {"enabled": False}},
        "prometheus": {"scrapeInterval": "7s"},
        "alerting": {"builtinRules": False},
    }
    with Prometheus(rendered(name, tmp_path, changes), folder) as prometheus:
        report = ask(prometheus, name, rendered(name, tmp_path))
    told = keys(report)
    job = {"dev": "istio-mtls", "staging": "podMonitor/monitoring/prometheus-istio-mtls/0"}[name]
    assert told["job-missing"] == (job,)
    assert "rules-missing" in told
    if name == "dev":
        assert "scrape_interval: 7s; rendered is 1s" in told["configuration-different"]


def test_jobs_whose_files_are_missing_are_told_once_the_others_run(tmp_path, folder, monkeypatch):
    resources = rendered("dev", tmp_path, {"scrape": {"namespaces": []}})
    with claimed_network() as network, Prometheus(resources, folder, scenario(network)) as prometheus:
        early = verify(Access(prometheus.url))
        prometheus.wait_for(prometheus.targets, what="a first target")
        monkeypatch.setattr("generator.verify._SETTLING", 0)
        late = verify(Access(prometheus.url))
    assert early.findings[0].cause.key == "settling"
    (missing,) = [one for one in late.findings if one.cause.key == "pool-missing"]
    assert missing.jobs == ("istio-mtls",)
    assert missing.cause.cause == (
        "Known: discovery finds targets for it, and Prometheus has set up no scrape pool, so there is no target and no "
        "up series. Guessed: one of the files that its tls_config names was missing, unreadable or unfit when the "
        f"configuration was loaded ({tmp_path}/certificates/cert-chain.pem, {tmp_path}/certificates/key.pem, "
        f"{tmp_path}/certificates/root-cert.pem). The log says which: error creating new scrape pool."
    )
    assert next(state for state in late.jobs if state.name == "istio-mtls").pool is False
