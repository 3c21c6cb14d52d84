"""Which alerts an environment gets: all that its variant has the metrics for, and none that could never fire."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pytest
import yaml

from generator.resource import Resource
from tests.alerts.promtool import alerts, rule_groups
from tests.rendering import ROOT, problems, render
from tests.samples import FORMS
from tests.tools import run

Tree = Mapping[str, Any]

AGENT = {"IstioCertificateNotRenewed", "IstioCertificateExpiring", "IstioAgentNotReady"}
TARGETS = {"IstioMetricsTlsFailing", "IstioMetricsTargetDown"}
PROMETHEUS = {"PrometheusScrapePoolNotCreated", "PrometheusConfigReloadFailed"}
JOBS = {"PrometheusJobWithoutTarget"}
ALL = AGENT | TARGETS | PROMETHEUS | JOBS
NOTHING_SCRAPED: Tree = {"scrape": {"self": {"enabled": False}, "istiod": {"enabled": False}}}

FORM_LIST = [form for forms in FORMS.values() for form in forms]


def names(overlay: Tree) -> set[str]:
    return {rule["alert"] for rule in alerts(overlay)}


def watched(overlay: Tree) -> set[str]:
    """The jobs that must have a target."""
    return {rule["labels"]["job"] for rule in alerts(overlay) if rule["alert"] in JOBS}


def job_labels(resources: Iterable[Resource]) -> Iterator[str]:
    """The job labels of what is scraped: a job's name, or what a monitor sets."""
    for resource in resources:
        if "prometheus.yml" in resource.tree.get("data", {}):
            config = yaml.safe_load(resource.tree["data"]["prometheus.yml"])
            yield from (job["job_name"] for job in config["scrape_configs"])
        spec = resource.tree.get("spec", {})
        for endpoint in [*spec.get("podMetricsEndpoints", []), *spec.get("endpoints", [])]:
            yield from (rule["replacement"] for rule in endpoint["relabelings"] if rule.get("targetLabel") == "job")


@pytest.mark.parametrize("variant", ["plain", "manual", "operator"])
def test_a_variant_with_a_certificate_gets_every_alert(variant):
    assert names({"variant": variant}) == ALL
    assert watched({"variant": variant}) == {"prometheus", "istio-agent", "istiod"}


@pytest.mark.parametrize("form", FORMS["merged"], ids=["workload", "operator"])
def test_the_merged_variant_gets_those_that_need_no_certificate(form):
    assert names(form) == PROMETHEUS | JOBS
    assert watched(form) == {"prometheus", "istiod"}


def test_an_agent_of_the_operator_evaluates_no_rules_and_gets_none():
    assert rule_groups(render({"variant": "operator", "operator": {"agent": True}})) == []


@pytest.mark.parametrize("form", FORM_LIST, ids=str)
def test_the_jobs_that_alerts_ask_for_are_those_that_are_rendered(form):
    """An alert may name a job only where the environment has it: otherwise it fires for ever, or never."""
    for scraped in ({}, {"self": {"enabled": False}}, {"istiod": {"enabled": False}}, {"agent": {"enabled": False}}):
        overlay = {**form, "scrape": scraped}
        rendered = set(job_labels(render(overlay)))
        for job in watched(overlay):
            assert job in rendered
        uses_own = any('job="prometheus"' in rule["expr"] for rule in alerts(overlay))
        assert uses_own == ("prometheus" in rendered)
        uses_agent = any('job="istio-agent"' in rule["expr"] for rule in alerts(overlay))
        assert uses_agent == ("istio-agent" in rendered)


@pytest.mark.parametrize("variant", ["plain", "operator"])
def test_an_agent_without_its_port_is_neither_scraped_nor_watched(variant):
    overlay = {"variant": variant, "proxy": {"mode": "certificate-only", "certificateOnlyProbes": "none"}}
    assert names(overlay) == ALL - AGENT
    assert watched(overlay) == {"prometheus", "istiod"}
    assert "istio-agent" not in yaml.safe_dump([resource.tree for resource in render(overlay)])


def test_before_istio_1_14_the_agent_has_no_metric_of_its_certificate():
    assert names({"istio": {"version": "1.13.9"}}) == ALL - {"IstioCertificateNotRenewed", "IstioCertificateExpiring"}
    assert names({"istio": {"version": "1.14.0"}}) == ALL


def test_without_its_own_metrics_prometheus_gets_no_alert_that_rests_on_them():
    assert names({"scrape": {"self": {"enabled": False}}}) == ALL - PROMETHEUS - {"IstioMetricsTlsFailing"}


@pytest.mark.parametrize("form", FORM_LIST, ids=str)
def test_they_can_be_switched_off(form):
    assert rule_groups(render({**form, "alerting": {"builtinRules": False}})) == []


@pytest.mark.parametrize("form", FORMS["merged"], ids=["workload", "operator"])
def test_a_group_of_no_alerts_is_left_out(form):
    own = {"mine": {"rules": [{"record": "a", "expr": "1"}]}}
    assert rule_groups(render({**form, **NOTHING_SCRAPED})) == []
    found = rule_groups(render({**form, **NOTHING_SCRAPED, "alerting": {"rules": own}}))
    assert [group["name"] for group in found] == ["mine"]
    found = rule_groups(render({**form, **NOTHING_SCRAPED, "alerting": {"expectedJobs": ["a"]}}))
    assert [rule["labels"]["job"] for rule in found[0]["rules"]] == ["a"]


def test_each_has_the_severity_that_is_asked_for():
    chosen = {name: f"level-{number}" for number, name in enumerate(sorted(ALL))}
    for rule in alerts({"alerting": {"severities": chosen}}):
        assert rule["labels"]["severity"] == chosen[rule["alert"]]


@pytest.mark.parametrize("form", FORM_LIST, ids=str)
def test_each_says_what_it_means_and_what_to_do_first(form):
    for rule in alerts(form):
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert rule["annotations"].keys() == {"summary", "description"}
        assert rule["annotations"]["summary"].endswith(".")
        assert "{{" not in rule["annotations"]["summary"]
        assert "{{ $labels." in rule["annotations"]["description"]
        assert rule["for"]


@pytest.mark.programs
@pytest.mark.parametrize("form", FORM_LIST, ids=str)
def test_promtool_finds_no_two_alike(tmp_path, form):
    path = tmp_path / "rules.yaml"
    path.write_text(yaml.safe_dump({"groups": rule_groups(render({**form, "alerting": {"expectedJobs": ["a", "b"]}}))}))
    assert "duplicate" not in run("promtool", "check", "rules", "--lint=all", "--lint-fatal", str(path))


@pytest.mark.parametrize("job", ["prometheus", "istio-agent", "istiod"])
def test_a_job_that_is_watched_already_is_not_to_be_named_again(job):
    assert "this job is watched wherever it is scraped" in problems({"alerting": {"expectedJobs": [job]}})[0].message


@pytest.mark.parametrize("job", ['a"} or vector(1) or up{job="b', "a\\", ""])
def test_a_job_can_t_break_out_of_the_expression(job):
    assert problems({"alerting": {"expectedJobs": [job]}})


def test_the_readme_lists_them_all_with_their_severities():
    rows = re.findall(r"^\| `(\w+)` \| (warning|critical) \|", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert set(rows) == {(rule["alert"], rule["labels"]["severity"]) for rule in alerts({})}
    assert len(rows) == len(ALL)
