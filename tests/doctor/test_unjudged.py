"""What can't be judged from the files given is said to be so, with what to give beside them."""

from __future__ import annotations

import pytest

from generator.doctor import examine
from generator.doctor.rules.examples import CONFIGURATION, OPERATOR, PLAIN, WORKLOAD_AND_CONFIGURATION
from generator.intake.document import documents_of
from generator.monitoring import assemble
from tests.doctor.helpers import diagnose, ids

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


JOBS = CONFIGURATION.replace("prometheus.yml: |\n    scrape_configs:\n", "more.yaml: |\n").replace(
    "  name: prometheus\n", "  name: more\n"
)


@pytest.mark.parametrize("kind", ["ConfigMap", "Secret"])
def test_a_list_of_jobs_is_judged_without_the_configuration_that_takes_it_in(kind):
    text = JOBS.replace("kind: ConfigMap", f"kind: {kind}")
    text = text if kind == "ConfigMap" else text.replace("\ndata:", "\nstringData:")
    (found,) = told(text)
    assert found.startswith("a.yaml:10:7: job istio-mtls names certificate files, but the workload")
    assert ids(text) == []
    assert ids(text.replace("insecure_skip_verify: true", "insecure_skip_verify: false")) == ["skip-verify-missing"]


def test_a_list_of_jobs_is_that_of_the_workload_that_mounts_it():
    volume = "      - name: more\n        configMap: {name: more}\n"
    text = WORKLOAD_AND_CONFIGURATION.replace("      volumes:\n", f"      volumes:\n{volume}")
    assert told(f"{text}---\n{JOBS}") == []
    assert ids(f"{text}---\n{JOBS}".replace("/etc/prom-certs/key.pem", "/elsewhere/key.pem")) == ["wrong-directory"] * 2


@pytest.mark.parametrize(
    "jobs",
    [
        "- name: a",
        "- job_name: a\n    - name: b",
        "job_name: a",
        "- a: {\n      job_name: b",
        "- job_name",
        "[]  # job_name",
    ],
)
def test_what_is_no_list_of_jobs_is_none(jobs):
    text = f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\ndata:\n  a: |\n    {jobs}\n"
    assert assemble(documents_of(text, "a.yaml")).scrapes == ()


@pytest.mark.parametrize(
    "part", ["global: {}", "rule_files: [/a.yml]", "scrape_config_files: [/a/*.yml]", "scrape_configs:"]
)
def test_a_configuration_without_jobs_is_one(part):
    text = f"{PLAIN}---\n{CONFIGURATION[: CONFIGURATION.index('    scrape_configs')]}    {part}\n"
    assert told(text) == []
    assert len(told(text.replace("prometheus.yml: |", "alerts.yml: |"))) == 1
    assert len(told(text.replace(part, "groups: []"))) == 1


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


def hint(text: str, said: str) -> str:
    found = examine(assemble(documents_of(text, "a.yaml"))).unjudged
    return next(problem.hint for problem in found if said in problem.message)


_BARE = (
    "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: p, namespace: monitoring}\n"
    "spec: {template: {metadata: {labels: {a: b}}, spec: {hostNetwork: false, containers: "
    "[{name: p, image: prom/prometheus}]}}}\n"
)
_OWNED = "metadata: {ownerReferences: [{kind: %s, name: main, controller: true}], name: p, "
_NAMESPACE = "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: monitoring, %s}\n"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (_BARE.replace("namespace: monitoring", "namespace: kube-system"), "nothing is injected in namespace"),
        (_BARE.replace("hostNetwork: false", "hostNetwork: true"), "the pod uses the host's network"),
        (_BARE + _NAMESPACE % "labels: {istio-injection: disabled}", "the namespace has label istio-injection"),
        (_BARE + _NAMESPACE % "annotations: {linkerd.io/inject: enabled}", "Linkerd injects its proxy into Namespace"),
        (_BARE.replace("{a: b}", "{linkerd.io/inject: enabled}"), "Linkerd injects"),
    ],
)
def test_adopt_is_recommended_only_where_it_adopts(text, why):
    assert hint(_BARE, "no certificate").startswith("`sidecert adopt` adds one; ")
    assert hint(text, "no certificate").startswith(f"Istio can't give it one as it is: {why}")


def test_a_bare_pod_is_told_to_be_one():
    text = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: p, image: prom/prometheus}]}\n"
    assert "a bare Pod can't be changed once it runs" in hint(text, "no certificate")


@pytest.mark.parametrize(("kind", "asked"), [("Prometheus", "give Prometheus main, of which"), ("Stack", "give the C")])
def test_what_an_operator_makes_is_judged_by_what_it_makes_it_of(kind, asked):
    text = _BARE.replace("metadata: {name: p, ", _OWNED % kind, 1)
    assert hint(text, "no certificate").startswith(f"give the manifest of {kind} main, which makes it, to")
    assert hint(text, "configuration of").startswith(asked)


def test_one_that_scrapes_merged_metrics_needs_none():
    jobs = CONFIGURATION.partition("    - job_name")[0] + (
        "    - job_name: merged\n      metrics_path: /stats/prometheus\n      static_configs: []\n"
    )
    workload = PLAIN.partition("      annotations:")[0] + "    spec:" + PLAIN.partition("    spec:")[2]
    assert told(f"{workload}---\n{jobs}") == []


def test_a_configuration_that_is_no_yaml_is_told_where_it_is_none():
    broken = WORKLOAD_AND_CONFIGURATION.replace("    scrape_configs:\n", "    scrape_configs:\n    \t- a\n")
    (found,) = told(broken)
    number = broken.split("\n").index("    \t- a") + 1
    assert found == (
        f"a.yaml:{number}:5: the configuration prometheus.yml in ConfigMap monitoring/prometheus can't be judged: "
        "a tab, YAML indents with spaces"
    )
    templated = WORKLOAD_AND_CONFIGURATION.replace("    scrape_configs:\n", "    {{ x }}\n    scrape_configs:\n")
    (problem,) = examine(assemble(documents_of(templated, "a.yaml"))).unjudged
    assert problem.hint == "render the template first"


_POD = """\
    metadata:
      labels: {app: alloy, sidecar.istio.io/inject: "true"}
      annotations:
        traffic.sidecar.istio.io/includeInboundPorts: ""
        traffic.sidecar.istio.io/includeOutboundIPRanges: ""
        proxy.istio.io/config: '{"proxyMetadata": {"OUTPUT_CERTS": "/certs"}}'
        sidecar.istio.io/userVolumeMount: '{"certs":{"mountPath":"/certs"}}'
    spec:
      containers:
      - name: alloy
        image: grafana/alloy:v1.5.0
        volumeMounts: [{name: certs, mountPath: /certs}]
      volumes: [{name: certs, emptyDir: {medium: Memory}}]
"""


def test_what_another_program_does_with_certificates_is_left_open():
    head = "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: alloy}\nspec:\n  template:\n"
    (found,) = told(head + _POD)
    assert found == (
        "a.yaml:15:9: what the container alloy of StatefulSet alloy does with its certificates can't be judged: "
        "it isn't Prometheus"
    )


@pytest.mark.parametrize(("image", "name"), [("curlimages/curl:8", "sleep"), ("example.com/web:1", "app")])
def test_nothing_is_said_of_an_application_that_has_certificates_written(image, name):
    pod = _POD.replace("grafana/alloy:v1.5.0", image).replace("alloy", name)
    intercepted = "".join(line for line in pod.splitlines(keepends=True) if "traffic.sidecar" not in line)
    head = f"apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {{name: {name}}}\nspec:\n  template:\n"
    assert told(head + intercepted) == []
    assert ids(head + intercepted) == []


def test_another_collector_may_send_what_it_sends_by_the_mesh():
    head = "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: alloy}\nspec:\n  template:\n"
    text = head + "".join(line for line in _POD.splitlines(keepends=True) if "traffic.sidecar" not in line)
    found = [finding for finding in diagnose(text) if "intercepted" in finding.rule.id]
    assert [(finding.rule.id, finding.severity) for finding in found] == [
        ("inbound-intercepted", "info"),
        ("outbound-intercepted", "info"),
    ]
    assert not any(finding.fix and finding.fix.edits for finding in found)


def test_kinds_and_charts_that_nobody_knows_are_named():
    head = "apiVersion: example.com/v1\nkind: Collector\nmetadata: {name: c}\nspec:\n  pod:\n"
    (found,) = told(head + _POD)
    assert found == "a.yaml:11:9: the pods of Collector c can't be judged: sidecert doesn't know the kind Collector"
    values = "controller:\n  podAnnotations:\n    proxy.istio.io/config: 'proxyMetadata: {OUTPUT_CERTS: /certs}'\n"
    (problem,) = examine(assemble([], documents_of(values, "v.yaml"))).unjudged
    assert problem.message == "the values can't be judged: it isn't known of which chart they are"
    assert str(problem.location) == "v.yaml:3:5"


@pytest.mark.parametrize("enabled", ["true", "false"])
def test_a_secret_of_jobs_that_values_name_is_missed_where_it_is_not_here(enabled):
    text = f"""\
prometheus:
  prometheusSpec:
    additionalScrapeConfigsSecret: {{enabled: {enabled}, name: jobs, key: a.yaml}}
"""
    found = examine(assemble([], documents_of(text, "values.yaml"))).unjudged
    missed = [f"{one.location}: {one.message}" for one in found if "Secret" in one.message]
    wanted = ["values.yaml:3:5: the Secret jobs is not here, so the jobs in it can't be judged"]
    assert missed == (wanted if enabled == "true" else [])


@pytest.mark.parametrize(("more", "count"), [("", 1), ("  set: {a.b: c}\n", 0)])
def test_a_certificate_isnt_missed_where_values_are_elsewhere(more, count):
    text = (
        "apiVersion: helm.cattle.io/v1\nkind: HelmChart\nmetadata: {name: a}\nspec:\n  chart: kube-prometheus-stack\n"
    )
    assert sum("has no certificate" in one for one in told(text + more)) == count


def test_of_two_charts_below_one_each_is_told_at_its_key():
    text = "kube-prometheus-stack:\n  prometheus: {prometheusSpec: {}}\nprometheus:\n  server: {tsdb: {}}\n"
    found = examine(assemble([], documents_of(text, "values.yaml"))).unjudged
    assert [str(one.location) for one in found] == ["values.yaml:1:1", "values.yaml:3:1"]
