"""Fields that don't exist, hold the wrong sort of value, or stand beside the map that they belong in."""

from __future__ import annotations

import base64

import pytest

from generator.doctor.rules.examples import CONFIGURATION, OPERATOR, PLAIN, WORKLOAD_AND_CONFIGURATION, but
from tests.doctor.helpers import diagnose, ids, only, repaired
from tests.doctor.scraping import mine

HTTPS = "    scheme: https\n"
BESIDE = """\
    tlsConfig:
    caFile: /etc/prom-certs/root-cert.pem
    certFile: /etc/prom-certs/cert-chain.pem
    keyFile: /etc/prom-certs/key.pem
    insecureSkipVerify: true
"""
SERVICE_MONITOR = but(OPERATOR, ("kind: PodMonitor", "kind: ServiceMonitor"), ("podMetricsEndpoints", "endpoints"))


@pytest.mark.parametrize(
    ("old", "new", "field", "fix"),
    [
        ("scrapeClass: istio-mtls", "scrapeclass: istio-mtls", "scrapeclass", "write scrapeClass"),
        ("enableHttp2: false", "enableHTTP2: false", "enableHTTP2", "write enableHttp2"),
        ("podMetricsEndpoints", "endpoints", "endpoints", "write podMetricsEndpoints"),
        ("podMonitorSelector", "podMonitorSelctor", "podMonitorSelctor", "write podMonitorSelector"),
    ],
)
def test_a_misspelt_field_of_a_resource_is_a_warning_and_renamed(old, new, field, fix):
    text = but(OPERATOR, (old, new))
    found = only(text, "unknown-field")
    assert found.severity == "warning"
    assert found.found.startswith(f"{field} is no field here; expected {fix.removeprefix('write ')}")
    assert found.fix is not None
    assert found.fix.says == fix
    assert mine(repaired(text, found)) == []


def test_prometheus_refuses_a_configuration_for_one_field():
    text = f"{PLAIN}---\n" + but(CONFIGURATION, ("insecure_skip_verify", "insecureSkipVerify"))
    found = only(text, "unknown-field")
    assert (found.severity, found.resource) == ("error", "ConfigMap monitoring/prometheus")
    assert "snake_case" in found.found
    assert "insecureSkipVerify" in text.splitlines()[(found.location.line or 0) - 1]
    assert mine(repaired(text, found)) == []


def test_a_field_of_a_configuration_without_its_workload_is_found():
    assert mine(but(CONFIGURATION, ("  prometheus.yml: |\n", "  prometheus.yml: |\n    scrape_config: []\n"))) == [
        "unknown-field"
    ]


def test_jobs_in_a_secret_are_looked_at():
    job = b"- job_name: a\n  scrapeInterval: 30s\n  static_configs:\n  - targets: [a:1]\n"
    secret = (
        "---\napiVersion: v1\nkind: Secret\nmetadata:\n  name: more\n  namespace: monitoring\ndata:\n"
        f"  jobs.yaml: {base64.b64encode(job).decode()}\n"
    )
    more = "  additionalScrapeConfigs:\n    name: more\n    key: jobs.yaml\n  podMonitorSelector: {}\n"
    text = but(OPERATOR, ("  podMonitorSelector: {}\n", more)) + secret
    found = only(text, "unknown-field")
    assert (found.severity, found.resource) == ("error", "Secret monitoring/more")
    assert found.found.startswith("scrapeInterval is no field here; expected scrape_interval")


def test_a_field_one_level_off_is_told_and_left_to_the_user():
    text = but(
        PLAIN, ("    spec:\n      serviceAccountName: prometheus\n", "    serviceAccountName: prometheus\n    spec:\n")
    )
    found = only(text, "unknown-field")
    assert "one level deeper" in found.found
    assert found.fix is not None
    assert not found.fix.edits


def test_a_right_field_is_not_overwritten_by_a_misspelt_one():
    text = but(OPERATOR, (HTTPS, f"{HTTPS}    Scheme: http\n"))
    found = only(text, "unknown-field")
    assert found.fix is not None
    assert not found.fix.edits


@pytest.mark.parametrize(
    "more",
    [
        "  brandNewSetting: true\n",
        "  x-team: a\n",
        "  podMonitorFancySelector: {}\n",
    ],
)
def test_a_field_that_may_be_newer_than_ours_is_not_judged(more):
    assert mine(but(OPERATOR, ("  podMonitorSelector: {}\n", f"  podMonitorSelector: {{}}\n{more}"))) == []


def test_kinds_that_are_not_known_are_not_judged():
    assert mine("apiVersion: example.com/v1\nkind: Prometheus\nmetadata: {}\nspec:\n  podMonitorSelectors: {}\n") == []


def test_file_paths_of_a_pod_monitor_are_told_once():
    text = but(
        OPERATOR, (HTTPS, HTTPS + BESIDE.replace("\n    ", "\n      ").replace("      tlsConfig", "    tlsConfig"))
    )
    assert mine(text) == ["monitor-cannot-name-files"]


# ------------------------------------------------------------------------------------------------------- wrong types

RELOADER = """\
      - name: reloader
        image: quay.io/prometheus-operator/prometheus-config-reloader:v0.93.1
{mounts}      volumes:
"""


@pytest.mark.parametrize(
    ("mounts", "mended"),
    [
        ("        volumeMounts:\n          name: config\n          mountPath: /etc/prometheus\n", True),
        ("        volumeMounts: config\n", False),
        ('        args: "--listen-address=:8080"\n', False),
        ("        volumeMounts: []\n", None),
        ("        volumeMounts:\n", None),
    ],
)
def test_a_list_without_its_dash_is_an_error(mounts, mended):
    text = but(PLAIN, ("      volumes:\n", RELOADER.format(mounts=mounts)))
    if mended is None:
        assert mine(text) == []
        return
    found = only(text, "wrong-type")
    assert found.severity == "error"
    assert found.found.endswith("and should be a list")
    assert found.fix is not None
    assert bool(found.fix.edits) is mended
    if mended:
        assert mine(repaired(text, found)) == []


MAP_OF_MOUNTS = but(
    PLAIN,
    ("        - name: config\n          mountPath: /etc/prometheus\n", ""),
    (
        "        - name: istio-workload-certs\n          mountPath: /etc/prom-certs\n",
        "          name: istio-workload-certs\n          mountPath: /etc/prom-certs\n",
    ),
)


def test_what_a_list_without_its_dash_says_is_not_missed_elsewhere():
    found = only(MAP_OF_MOUNTS, "wrong-type")
    assert ids(MAP_OF_MOUNTS) == ["wrong-type"]
    assert ids(repaired(MAP_OF_MOUNTS, found)) == []
    operated = but(OPERATOR, ("  volumes:\n  - name", "  volumes:\n    name"))
    assert ids(operated) == ["wrong-type"]


@pytest.mark.parametrize(
    ("written", "mended"),
    [
        ("true", "true"),
        ("false", "false"),
        ("9090", "9090"),
        ("9090  # the port", "9090"),
        ("2.41", "2.41"),
        ("yes", "yes"),
        ("0x10", "0x10"),
        ("1.50", "1.50"),
        ("&a 1.50", "1.50"),
        ("!!int 15", "15"),
    ],
)
def test_a_variable_is_put_in_quotes_as_it_is_written(written, mended):
    env = f"        env:\n        - name: A\n          value: {written}\n        args:\n"
    text = but(PLAIN, ("        args:\n", env))
    assert edited_values(text) == [mended]


def edited_values(text: str) -> list[object]:
    """What the fix of the one wrong type sets."""
    found = only(text, "wrong-type")
    assert found.fix is not None
    return [edit.value for edit in found.fix.edits]


@pytest.mark.parametrize(
    ("written", "mended"),
    [
        ("labels: {sidecar.istio.io/inject: True}", ["true"]),
        ("labels: {sidecar.istio.io/inject: !!bool no}", ["false"]),
        ("labels: {version: 1.10}", ["1.10"]),
        ("labels: {app: true}", ["true"]),
        ("labels: {app: on}", []),
        ("annotations: {prometheus.io/scrape: yes}", ["true"]),
        ('{"labels":{"a":1},"name":"x"}', ["1"]),
        ("name: 15", []),
    ],
)
def test_what_can_be_meant_in_one_way_alone_is_put_in_quotes(written, mended):
    metadata = written if written[0] == "{" else f"\n  {written}"
    assert edited_values(f"apiVersion: v1\nkind: Pod\nmetadata: {metadata}\nspec: {{}}\n") == mended


@pytest.mark.parametrize("listed", ["        - 15\n        - --a", "        - --a\n        - 0x10 # b"])
def test_an_argument_is_put_in_quotes(listed):
    text = but(PLAIN, ("        args:\n", f"        args:\n{listed}\n"))
    assert edited_values(text) == ["15" if "15" in listed else "0x10"]


def test_minified_json_is_put_in_quotes_too():
    text = (
        '{"apiVersion":"v1","kind":"Pod","metadata":{"name":"x","labels":{"sidecar.istio.io/inject":true}},"spec":{}}'
    )
    assert edited_values(text) == ["true"]


MONITOR = """\
apiVersion: monitoring.coreos.com/v1
kind: {kind}
metadata: {{name: a, namespace: b}}
spec:
  selector: {{}}
  {endpoints}:
  - {field}
"""


@pytest.mark.parametrize(
    ("kind", "field", "should"),
    [
        ("ServiceMonitor", "port: 8080", "the name of a port (a number goes in targetPort)"),
        ("PodMonitor", "port: 8080", "the name of a port (a number goes in portNumber)"),
        ("ServiceMonitor", "interval: 30", "a duration with its unit, such as 30s"),
        ("PodMonitor", "scrapeTimeout: 10", "a duration with its unit, such as 30s"),
    ],
)
def test_what_is_no_number_in_quotes_either_is_left_to_the_user(kind, field, should):
    endpoints = "endpoints" if kind == "ServiceMonitor" else "podMetricsEndpoints"
    found = only(MONITOR.format(kind=kind, endpoints=endpoints, field=field), "wrong-type")
    assert found.found.endswith(f"and should be {should}")
    assert found.fix is not None
    assert not found.fix.edits


def test_an_annotation_that_is_no_string_is_told_once():
    text = but(PLAIN, ('rewriteAppHTTPProbers: "false"', "rewriteAppHTTPProbers: false"))
    assert ids(text) == ["wrong-type"]
    assert ids(repaired(text, only(text, "wrong-type"))) == []


# ------------------------------------------------------------------------------------------------- beside tlsConfig


def test_files_beside_an_empty_tls_config_are_moved_into_it():
    text = but(SERVICE_MONITOR, (HTTPS, HTTPS + BESIDE), ("  scrapeClass: istio-mtls\n", ""))
    assert mine(text) == ["tls-config-empty"]
    found = only(text, "tls-config-empty")
    assert found.found == "tlsConfig is empty, and caFile, certFile, keyFile, insecureSkipVerify stand beside it"
    after = repaired(text, found)
    assert mine(after) == []
    assert "    tlsConfig:\n      caFile: /etc/prom-certs/root-cert.pem\n" in after


@pytest.mark.parametrize("by_name", [True, False])
def test_where_files_are_not_allowed_they_go_and_the_class_stays_or_comes(by_name):
    changes = [(HTTPS, HTTPS + BESIDE)] + ([] if by_name else [("  scrapeClass: istio-mtls\n", "")])
    text = but(OPERATOR, *changes)
    assert mine(text) == ["tls-config-empty"]
    after = repaired(text, only(text, "tls-config-empty"))
    assert mine(after) == []
    assert "scrapeClass: istio-mtls" in after
    assert "tlsConfig:\n  - " not in after


def test_files_without_any_tls_config_are_told_once_and_moved_into_one():
    fields = "        ca_file: /etc/prom-certs/root-cert.pem\n"
    text = but(WORKLOAD_AND_CONFIGURATION, ("      tls_config:\n", ""))
    for name in ("ca_file", "cert_file", "key_file", "insecure_skip_verify"):
        text = text.replace(f"        {name}:", f"      {name}:")
    assert fields not in text
    found = only(text, "tls-config-empty")
    assert found.found == (
        "tls_config isn't there, and ca_file, cert_file, key_file, insecure_skip_verify stand beside it"
    )
    assert "unknown-field" not in ids(text)
    assert ids(repaired(text, found)) == []


def test_it_is_told_of_jobs_too():
    flat = (
        "      tls_config:\n      ca_file: /etc/prom-certs/root-cert.pem\n"
        "      cert_file: /etc/prom-certs/cert-chain.pem\n      key_file: /etc/prom-certs/key.pem\n"
        "      insecure_skip_verify: true\n"
    )
    start = CONFIGURATION.index("      tls_config:\n")
    end = CONFIGURATION.index("      enable_http2")
    text = f"{PLAIN}---\n{CONFIGURATION[:start]}{flat}{CONFIGURATION[end:]}"
    assert mine(text) == ["tls-config-empty"]
    assert mine(repaired(text, only(text, "tls-config-empty"))) == []


# --------------------------------------------------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("metadata", "told"),
    [
        ("metadata:\n  name: ##NAME##\n", ["metadata.name is empty"]),
        ("metadata:\n  labels: {a: b}\n", ["metadata.name is missing"]),
        ("", ["metadata.name is missing"]),
        ("metadata:\n  generateName: a-\n", []),
        ("metadata:\n  name: a\n", []),
    ],
)
def test_an_object_needs_a_name(metadata, told):
    text = f"apiVersion: v1\nkind: Service\n{metadata}spec:\n  ports:\n  - port: 80\n"
    assert [one.found for one in diagnose(text) if one.rule.id == "object-without-name"] == told


def test_what_is_no_object_of_a_cluster_needs_no_name():
    assert mine("apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [a.yaml]\n") == []


def test_a_selector_of_another_kind_is_told_once():
    sidecar = (
        "apiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {name: a, namespace: b}\nspec:\n"
        "  selector:\n    matchLabels: {app: prometheus}\n"
        "  egress:\n  - hosts: [istio-system/istiod.istio-system.svc.cluster.local]\n"
    )
    assert ids(sidecar) == ["mesh-selector-misspelt"]


def test_a_number_for_a_name_is_told_once():
    text = "apiVersion: monitoring.coreos.com/v1\nkind: PodMonitor\nmetadata: {name: 5}\nspec: {}\n"
    assert [rule for rule in ids(text) if rule in {"wrong-type", "object-without-name"}] == ["wrong-type"]


# -------------------------------------------------------------------------------- variables that stand in no metadata


@pytest.mark.parametrize("key", ["proxyMetadata.SECRET_TTL", "proxy_metadata.SECRET_TTL", "SECRET_TTL"])
def test_a_variable_beside_the_metadata_is_moved_there(key):
    text = but(PLAIN, ("          proxyMetadata:\n", f"          {key}: 10m\n          proxyMetadata:\n"))
    found = only(text, "unknown-field")
    assert found.severity == "warning"
    assert found.found.endswith("SECRET_TTL is a variable, and belongs in proxyMetadata")
    after = repaired(text, found)
    assert ids(after) == []
    assert "            SECRET_TTL: 10m" in after


def test_a_variable_that_is_set_already_keeps_its_value():
    line = "            OUTPUT_CERTS: /etc/istio-output-certs\n"
    text = but(PLAIN, (line, f"{line}          proxyMetadata.OUTPUT_CERTS: /etc/other\n"))
    found = only(text, "unknown-field")
    assert ids(repaired(text, found)) == []
    assert "/etc/other" not in repaired(text, found)


def test_a_variable_whose_place_is_taken_is_moved_by_hand():
    text = but(PLAIN, ("          proxyMetadata:\n", "          SECRET_TTL: [10m]\n          proxyMetadata:\n"))
    found = only(text, "unknown-field")
    assert found.fix is not None
    assert not found.fix.edits


def test_settings_of_a_proxy_are_no_variables():
    settings = "          concurrency: 2\n          proxyStatsMatcher: {inclusionPrefixes: [a.b]}\n"
    assert ids(but(PLAIN, ("          proxyMetadata:\n", f"{settings}          proxyMetadata:\n"))) == []


def test_a_variable_is_moved_as_it_is_written():
    text = but(PLAIN, ("          proxyMetadata:\n", "          ISTIO_META_BUILD: 1.50\n          proxyMetadata:\n"))
    assert "            ISTIO_META_BUILD: '1.50'" in repaired(text, only(text, "unknown-field"))
