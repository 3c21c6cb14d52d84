"""Two configurations in one form: spellings and defaults are no differences, everything else is told."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from generator.resource import Resource, ResourceId
from generator.verify.comparing import compare, compare_rules
from generator.verify.expected import expected
from tests.rendering import render_sample
from tests.verify.server import a_target, healthy

TLS = {"ca_file": "/c/root-cert.pem", "cert_file": "/c/cert-chain.pem", "insecure_skip_verify": True}
RULE = {"source_labels": ["__meta_kubernetes_pod_phase"], "action": "drop", "regex": "Failed|Succeeded"}
JOB: dict[str, Any] = {
    "job_name": "istio-mtls",
    "scheme": "https",
    "enable_http2": False,
    "tls_config": TLS,
    "kubernetes_sd_configs": [{"role": "pod", "namespaces": {"names": ["shop"]}}],
    "relabel_configs": [RULE, {"target_label": "a", "replacement": ""}, {"action": "labeldrop", "regex": 5}],
}
RENDERED: dict[str, Any] = {"global": {"scrape_interval": "30s", "scrape_timeout": "10s"}, "scrape_configs": [JOB]}

#: The same as Prometheus 3 shows it, with settings that no release before it had.
SHOWN: dict[str, Any] = {
    "global": {
        "scrape_interval": "30s",
        "scrape_timeout": "10s",
        "scrape_protocols": ["PrometheusText1.0.0", "PrometheusText0.0.4"],
        "evaluation_interval": "1m",
        "metric_name_validation_scheme": "utf8",
    },
    "runtime": {"gogc": 75},
    "scrape_configs": [
        {
            "job_name": "istio-mtls",
            "honor_timestamps": True,
            "track_timestamps_staleness": False,
            "scrape_interval": "30s",
            "scrape_timeout": "10s",
            "scrape_protocols": ["PrometheusText1.0.0", "PrometheusText0.0.4"],
            "always_scrape_classic_histograms": False,
            "metrics_path": "/metrics",
            "scheme": "https",
            "enable_compression": True,
            "a_setting_of_the_future": "allow",
            "tls_config": TLS,
            "follow_redirects": True,
            "enable_http2": False,
            "relabel_configs": [
                {**RULE, "separator": ";", "replacement": "$1"},
                {"separator": ";", "regex": "(.*)", "target_label": "a", "replacement": "", "action": "replace"},
                {"separator": ";", "regex": "5", "replacement": "$1", "action": "labeldrop"},
            ],
            "kubernetes_sd_configs": [
                {
                    "role": "pod",
                    "kubeconfig_file": "",
                    "follow_redirects": True,
                    "enable_http2": True,
                    "namespaces": {"own_namespace": False, "names": ["shop"]},
                }
            ],
        }
    ],
}


def a_resource(kind: str, name: str, api: str = "v1", **tree: Any) -> Resource:
    return Resource(ResourceId(api, kind, "monitoring", name), tree, "", "test")


def told(rendered: Any, shown: Any) -> dict[str, tuple[str, ...]]:
    """What comparing says, by the finding's key."""
    resource = a_resource("ConfigMap", "config", data={"prometheus.yml": yaml.safe_dump(rendered)})
    return {one.cause.key: one.jobs + one.says for one in compare(expected("dev", [resource]), shown)}


def changed(**settings: Any) -> Any:
    """What is shown, with the job's settings changed; None removes one."""
    job = {**SHOWN["scrape_configs"][0], **settings}
    return {**SHOWN, "scrape_configs": [{key: value for key, value in job.items() if value is not None}]}


def test_what_prometheus_fills_in_is_no_difference():
    assert told(RENDERED, SHOWN) == {}


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"scheme": None}, "scheme: http; rendered is https"),
        ({"enable_http2": True}, "enable_http2: true; rendered is false"),
        ({"metrics_path": "/m"}, "metrics_path: /m; rendered is /metrics"),
        ({"honor_labels": True}, "honor_labels: true; rendered is false"),
        ({"scrape_interval": "1m"}, "scrape_interval: 60s; rendered is 30s"),
        ({"sample_limit": 1000}, "sample_limit: 1000; nothing of it is rendered"),
        (
            {"basic_auth": {"username": "me", "password": "<secret>"}},
            "basic_auth: {username: me, password: <secret>}; ",
        ),
        (
            {"tls_config": {**TLS, "insecure_skip_verify": False}},
            "tls_config.insecure_skip_verify: missing; rendered is true",
        ),
        ({"tls_config": {**TLS, "ca_file": "/d"}}, "tls_config.ca_file: /d; rendered is /c/root-cert.pem"),
        ({"tls_config": None}, "tls_config: missing; rendered is {ca_file: /c/root-cert.pem, "),
        ({"kubernetes_sd_configs": [{"role": "pod"}]}, "kubernetes_sd_configs[0].namespaces: missing; "),
        ({"file_sd_configs": [{"files": ["x"]}]}, "file_sd_configs: [{files: [x]}]; nothing of it is rendered"),
        ({"relabel_configs": None}, "relabel_configs: missing; rendered is ["),
    ],
)
def test_a_difference_is_told(settings, says):
    (line,) = told(RENDERED, changed(**settings))["configuration-different"][1:]
    assert line.startswith(says)


def test_a_rule_that_is_missing_is_told_alone():
    rules = SHOWN["scrape_configs"][0]["relabel_configs"]
    (line,) = told(RENDERED, changed(relabel_configs=rules[1:]))["configuration-different"][1:]
    assert line.startswith("relabel_configs: missing; rendered is {")
    assert "regex: Failed|Succeeded" in line


def test_the_order_of_rules_counts():
    rules = SHOWN["scrape_configs"][0]["relabel_configs"]
    assert "configuration-different" in told(RENDERED, changed(relabel_configs=[rules[1], rules[0], rules[2]]))


def test_jobs_missing_and_extra_are_told():
    shown = {**SHOWN, "scrape_configs": [{**SHOWN["scrape_configs"][0], "job_name": "mine"}]}
    assert told(RENDERED, shown) == {"job-missing": ("istio-mtls",), "job-extra": ("mine",)}


def test_an_interval_taken_over_from_global_is_told_once():
    shown = changed(scrape_interval="15s")
    shown = {**shown, "global": {**shown["global"], "scrape_interval": "15s"}}
    assert told(RENDERED, shown) == {"configuration-different": ("scrape_interval: 15s; rendered is 30s",)}


@pytest.mark.parametrize(("rendered", "shown"), [("60s", "1m"), ("90s", "1m30s"), ("1d", "24h"), ("1500ms", "1s500ms")])
def test_durations_have_several_spellings(rendered, shown):
    one = {**RENDERED, "scrape_configs": [{**JOB, "scrape_interval": rendered, "scrape_timeout": "1s"}]}
    assert told(one, changed(scrape_interval=shown, scrape_timeout="1s")) == {}


def test_a_timeout_is_cut_to_the_interval():
    one = {**RENDERED, "scrape_configs": [{**JOB, "scrape_interval": "5s"}]}
    assert told(one, changed(scrape_interval="5s", scrape_timeout="5s")) == {}


@pytest.mark.parametrize(
    "section",
    [
        {"basic_auth": {"username": "me", "password": "hunter2"}},
        {"authorization": {"credentials": "hunter2"}},
        {"oauth2": {"client_secret": "hunter2"}},
        {"proxy_url": "http://me:hunter2@proxy"},
        {"http_headers": {"X": {"secrets": ["hunter2"]}}},
    ],
)
def test_a_rendered_secret_is_never_shown(section):
    one = {**RENDERED, "scrape_configs": [{**JOB, **section}]}
    says = told(one, SHOWN)["configuration-different"]
    assert "hunter2" not in str(says)
    hidden = json.loads(json.dumps(section).replace('"hunter2"', '"<secret>"').replace(":hunter2@", ":xxxxx@"))
    assert told(one, changed(**hidden)) == {}


def test_external_labels_that_are_expanded_when_loaded_are_not_compared():
    rendered = {**RENDERED, "global": {"external_labels": {"a": "b", "replica": "${POD_NAME}"}}}
    shown = {**SHOWN, "global": {"external_labels": {"a": "c", "replica": "prometheus-0"}}}
    assert told(rendered, shown) == {"configuration-different": ("external_labels.a: c; rendered is b",)}


MONITOR_JOB = "podMonitor/monitoring/prometheus-istio-mtls/0"


def operators_job(**settings: Any) -> dict[str, Any]:
    """The job that the Operator makes of the sample's PodMonitor, with more rules than the monitor has."""
    (made,) = [job for job in expected("staging", render_sample("staging")).made if job.name == MONITOR_JOB]
    own = [{"source_labels": ["job"], "target_label": "__tmp_prometheus_job_name"}]
    rules = [*own, *made.rules, {"source_labels": ["__tmp_hash"], "action": "keep", "regex": "0"}]
    return {"job_name": MONITOR_JOB, "honor_labels": True, **made.settings, "relabel_configs": rules, **settings}


def of_the_operator(*jobs: dict[str, Any]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for one in compare(expected("staging", render_sample("staging")), {"scrape_configs": [*jobs]}):
        found.setdefault(one.cause.key, []).extend([*one.jobs, *one.says])
    return found


def test_of_the_operators_job_what_the_monitor_decides_is_compared():
    found = of_the_operator(operators_job(), {"job_name": "serviceMonitor/other/team/0"})
    assert list(found) == ["job-missing"]
    assert MONITOR_JOB not in found["job-missing"]
    assert "serviceMonitor/monitoring/productpage/0" in found["job-missing"]


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"tls_config": {"ca_file": "/x"}}, "tls_config.ca_file: /x; rendered is /etc/prom-certs/root-cert.pem"),
        ({"scheme": "http"}, "scheme: http; rendered is https"),
        ({"enable_http2": True}, "enable_http2: true; rendered is false"),
        ({"relabel_configs": []}, "relabel_configs: missing; rendered is {"),
    ],
)
def test_a_difference_in_the_operators_job_is_told(settings, says):
    found = of_the_operator(operators_job(**settings))["configuration-different"]
    assert found[0] == MONITOR_JOB
    assert any(line.startswith(says) for line in found[1:])


def test_a_monitors_own_tls_config_takes_the_files_alone_from_the_class():
    scrape_class = {"name": "istio-mtls", "tlsConfig": {"caFile": "/c", "insecureSkipVerify": True}}
    made = expected(
        "x",
        [
            a_resource("Prometheus", "p", "monitoring.coreos.com/v1", spec={"scrapeClasses": [scrape_class]}),
            a_resource(
                "ServiceMonitor",
                "shop",
                "monitoring.coreos.com/v1",
                spec={"scrapeClass": "istio-mtls", "endpoints": [{"tlsConfig": {"serverName": "x"}}, {}]},
            ),
        ],
    ).made
    assert [job.name for job in made] == ["serviceMonitor/monitoring/shop/0", "serviceMonitor/monitoring/shop/1"]
    assert made[0].settings["tls_config"] == {"ca_file": "/c", "server_name": "x"}
    assert made[1].settings["tls_config"] == {"ca_file": "/c", "insecure_skip_verify": True}


@pytest.mark.parametrize("name", ["dev", "staging", "edge/factory-7"])
def test_rules_are_read_from_files_and_from_resources(name):
    rules = expected(name, render_sample(name)).rules
    assert rules
    assert "PrometheusConfigReloadFailed" in rules["sidecert"]
    loaded = [{"name": group, "rules": [{"name": rule} for rule in names]} for group, names in rules.items()]
    assert list(compare_rules(loaded, rules)) == []
    (missing,) = compare_rules([], rules)
    assert missing.number == sum(map(len, rules.values()))


def test_an_agent_of_the_operator_has_no_rules_to_compare():
    agent = a_resource("PrometheusAgent", "p", "monitoring.coreos.com/v1alpha1", spec={})
    assert expected("x", [agent]).rules is None


def test_what_runs_is_said_to_be_what_is_rendered(verify, serve, tiny):
    (tiny / "templates/tiny/prometheus.yaml.j2").write_text(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: config\ndata:\n"
        "  prometheus.yml: |\n    scrape_configs:\n    - job_name: prometheus\n"
    )
    server = serve(healthy("scrape_configs:\n- job_name: prometheus\n", a_target("prometheus")))
    outcome = verify("--url", server.url, "dev", "-C", str(tiny))
    assert outcome.code == 0
    assert outcome.out.startswith(f"Fine: 1 of 1 target up, and dev is what runs at {server.url} (Prometheus 3.13.2)\n")
    assert outcome.out.endswith("\nnote: not compared: alerting and remote_write\n")
    other = serve(healthy("scrape_configs:\n- job_name: prometheus\n  scheme: https\n", a_target("prometheus")))
    outcome = verify("--url", other.url, "dev", "-C", str(tiny))
    assert outcome.code == 1
    assert "   says     scheme: https; rendered is http\n" in outcome.out


def test_an_environment_that_isnt_there_is_told_before_anything_is_asked(verify, tiny):
    outcome = verify("--url", "http://localhost:1", "none", "-C", str(tiny))
    assert outcome.code == 2
    assert "none" in outcome.err
    assert "localhost" not in outcome.err
