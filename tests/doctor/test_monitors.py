"""Monitors, scrape classes and the operator's version."""

from __future__ import annotations

import pytest

from generator.doctor.rules.examples import OPERATOR, but
from generator.monitoring.mtls import mtls_scrapes
from tests.doctor.helpers import diagnosis, only, repaired, setup_of
from tests.doctor.scraping import mine

CLASS = "  scrapeClass: istio-mtls\n"
FILES = """\
    tlsConfig:
      caFile: /etc/prom-certs/root-cert.pem
      certFile: /etc/prom-certs/cert-chain.pem
      keyFile: /etc/prom-certs/key.pem
      insecureSkipVerify: true
"""
HTTPS = "    scheme: https\n"
SERVICE_MONITOR = but(OPERATOR, ("kind: PodMonitor", "kind: ServiceMonitor"), ("podMetricsEndpoints", "endpoints"))
BY_FILES = but(SERVICE_MONITOR, (CLASS, ""), (HTTPS, HTTPS + FILES))
KUBELET = """\
---
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata:
  name: kubelet
  namespace: monitoring
spec:
  selector:
    matchLabels:
      app.kubernetes.io/name: kubelet
  endpoints:
  - port: https-metrics
    scheme: https
    bearerTokenFile: /var/run/secrets/kubernetes.io/serviceaccount/token
    tlsConfig:
      caFile: /var/run/secrets/kubernetes.io/serviceaccount/ca.crt
      insecureSkipVerify: true
"""
RESOURCE, _, MONITOR = OPERATOR.partition("---\n")


# -------------------------------------------------------------------------------------------------------- right forms


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(OPERATOR, id="by class"),
        pytest.param(BY_FILES, id="by files of a ServiceMonitor"),
        pytest.param(but(OPERATOR, (HTTPS, "    scheme: HTTPS\n")), id="HTTPS in capitals"),
        pytest.param(but(OPERATOR, (HTTPS, f"{HTTPS}    tlsConfig: {{}}\n")), id="empty tlsConfig"),
        pytest.param(
            but(OPERATOR, (HTTPS, f"{HTTPS}    tlsConfig:\n      insecureSkipVerify: true\n")),
            id="skip-verify repeated",
        ),
        pytest.param(OPERATOR + KUBELET, id="the kubelet's monitor beside it"),
        pytest.param(
            OPERATOR.replace("coreos.com/v1\nkind: Prometheus\n", "coreos.com/v1alpha1\nkind: PrometheusAgent\n"),
            id="the agent",
        ),
        pytest.param(
            OPERATOR + "  - port: http-plain\n    path: /plain\n", id="a second endpoint of the monitor in cleartext"
        ),
        pytest.param(
            but(OPERATOR, ("  podMetricsEndpoints:\n", "  podMetricsEndpoints:\n  - port: http-envoy-prom\n")),
            id="Envoy's port beside it",
        ),
        pytest.param(RESOURCE + "---\n" + KUBELET.removeprefix("---\n"), id="the kubelet's alone"),
    ],
)
def test_right_monitors_yield_nothing(text):
    assert mine(text) == []


def test_a_default_class_does_not_make_plain_monitors_wrong():
    text = but(
        OPERATOR, ("  - name: istio-mtls\n", "  - name: istio-mtls\n    default: true\n"), (CLASS, ""), (HTTPS, "")
    )
    assert mine(text + KUBELET) == ["scrape-class-default"]


def test_a_default_class_that_is_not_istios_is_nobodys_fault():
    own = "  - name: corporate\n    default: true\n    tlsConfig:\n      ca:\n        secret: {name: a, key: b}\n"
    assert mine(but(OPERATOR, ("  scrapeClasses:\n", f"  scrapeClasses:\n{own}"))) == []


def test_two_default_classes_stop_the_operator():
    both = "  scrapeClasses:\n  - name: a\n    default: true\n  - name: b\n    default: {second}\n"
    found = only(but(OPERATOR, ("  scrapeClasses:\n", both.format(second="true"))), "scrape-class-two-defaults")
    assert found.found == "the scrape classes a and b are both the default"
    assert mine(but(OPERATOR, ("  scrapeClasses:\n", both.format(second="false")))) == []


# ------------------------------------------------------------------------------------------------------------ classes


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ((("scrapeClass: istio-mtls", "scrapeClass: istio-mtl"),), ("error", "name the class istio-mtls", True)),
        ((("scrapeClass: istio-mtls", "scrapeClass: mesh"),), ("error", "name the class istio-mtls", False)),
        (
            (
                ("scrapeClass: istio-mtls", "scrapeClass: istio-mtl"),
                (
                    "  podMonitorSelector: {}\n",
                    "  podMonitorSelector: {}\n  podMonitorNamespaceSelector:\n    matchLabels: {a: b}\n",
                ),
            ),
            ("warning", "name the class istio-mtls", True),
        ),
    ],
)
def test_a_class_that_is_not_defined_is_told(changes, expected):
    text = but(OPERATOR, *changes)
    found = only(text, "scrape-class-unknown")
    severity, says, has_edits = expected
    assert found.fix is not None
    assert (found.severity, found.fix.says, bool(found.fix.edits)) == (severity, says, has_edits)
    if has_edits:
        assert mine(repaired(text, found)) == []


def test_a_class_is_not_looked_for_where_nothing_defines_classes():
    found = diagnosis(MONITOR)
    assert [one.rule.id for one in found.findings] == []
    assert ["scrape class istio-mtls" in one.message for one in found.unjudged] == [True]


def test_a_prometheus_that_does_not_select_the_monitor_need_not_define_its_class():
    text = but(OPERATOR, ("podMonitorSelector: {}", "podMonitorSelector:\n    matchLabels:\n      team: other"))
    assert "scrape-class-unknown" not in mine(but(text, ("scrapeClass: istio-mtls", "scrapeClass: mesh")))


@pytest.mark.parametrize(
    ("text", "severity"),
    [
        (but(MONITOR, (HTTPS, "")), "info"),
        (but(OPERATOR, (HTTPS, ""), ("podMonitorSelector: {}", "probeSelector: {}")), "error"),
        (but(MONITOR, (HTTPS, ""), ("istio-mtls", "corporate")), None),
    ],
)
def test_a_monitor_that_names_a_class_of_istios_needs_https(text, severity):
    found = [one.severity for one in diagnosis(text).findings if one.rule.id == "https-missing"]
    assert found == ([severity] if severity else [])


def test_verification_is_switched_on_by_a_tls_config_of_ones_own():
    text = but(OPERATOR, (HTTPS, f"{HTTPS}    tlsConfig:\n      serverName: web\n"))
    assert mine(text) == ["monitor-replaces-class-tls"]
    assert mine(repaired(text, only(text, "monitor-replaces-class-tls"))) == []


def test_verification_that_the_class_leaves_on_is_told_of_the_class_once():
    text = but(OPERATOR, ("      insecureSkipVerify: true\n", ""))
    found = only(text, "skip-verify-missing")
    assert found.resource == "Prometheus monitoring/main"
    assert mine(repaired(text, found)) == []


def test_files_of_ones_own_beside_a_default_class_need_skip_verify_too():
    text = but(BY_FILES, ("  - name: istio-mtls\n", "  - name: istio-mtls\n    default: true\n"))
    start = text.rindex("      insecureSkipVerify: true\n")
    text = text[:start] + text[start:].replace("      insecureSkipVerify: true\n", "")
    assert mine(text) == ["skip-verify-missing", "scrape-class-default"]
    assert mine(repaired(text, only(text, "skip-verify-missing"))) == ["scrape-class-default"]


def test_a_class_that_lacks_the_key_is_told_unless_the_monitor_brings_it():
    text = but(OPERATOR, ("      keyFile: /etc/prom-certs/key.pem\n", ""))
    assert only(text, "certificate-without-key").resource == "Prometheus monitoring/main"
    setup = setup_of(
        but(SERVICE_MONITOR, (HTTPS, f"{HTTPS}    tlsConfig:\n      keyFile: /etc/prom-certs/other.pem\n"))
    )
    tls = [found.tls for found in mtls_scrapes(setup)]
    assert [(one.cert, one.key, one.skip_verify) for one in tls] == [
        ("/etc/prom-certs/cert-chain.pem", "/etc/prom-certs/other.pem", False)
    ]


def test_a_certificate_from_a_secret_completes_a_class():
    secret = "      keySecret:\n        name: a\n        key: b\n"
    assert mine(but(OPERATOR, ("      keyFile: /etc/prom-certs/key.pem\n", secret))) == []


# -------------------------------------------------------------------------------------------------------------- files

PROBE = """\
---
apiVersion: monitoring.coreos.com/v1
kind: Probe
metadata:
  name: probe
  namespace: monitoring
spec:
  prober:
    url: blackbox:9115
    scheme: https
  enableHttp2: false
  tlsConfig:
    caFile: /etc/prom-certs/root-cert.pem
    certFile: /etc/prom-certs/cert-chain.pem
    keyFile: /etc/prom-certs/key.pem
"""
SCRAPE_CONFIG = (
    PROBE.replace("coreos.com/v1\nkind: Probe", "coreos.com/v1alpha1\nkind: ScrapeConfig")
    .replace(
        "  prober:\n    url: blackbox:9115\n    scheme: https\n",
        "  staticConfigs:\n  - targets: [web:9102]\n  scheme: HTTPS\n",
    )
    .replace("enableHttp2", "enableHTTP2")
)


@pytest.mark.parametrize(
    "text",
    [
        but(OPERATOR, (CLASS, ""), (HTTPS, HTTPS + FILES)),
        but(OPERATOR, (HTTPS, HTTPS + FILES)),
        but(RESOURCE, ("  podMonitorSelector: {}\n", "  probeSelector: {}\n")) + PROBE,
        but(RESOURCE, ("  podMonitorSelector: {}\n", "  scrapeConfigSelector: {}\n")) + SCRAPE_CONFIG,
    ],
)
def test_kinds_that_cannot_name_files_get_them_from_the_class(text):
    found = only(text, "monitor-cannot-name-files")
    assert "caFile, certFile, keyFile" in found.found
    assert mine(text) == ["monitor-cannot-name-files"]
    after = repaired(text, found)
    assert mine(after) == []
    assert "scrapeClass: istio-mtls" in after


def test_what_else_a_tls_config_says_is_kept_and_verification_with_it():
    text = but(OPERATOR, (HTTPS, HTTPS + FILES + "      serverName: web\n"))
    after = repaired(text, only(text, "monitor-cannot-name-files"))
    assert "serverName: web" in after
    assert mine(after) == []


def test_without_a_class_at_hand_it_is_shown_how_to_make_one():
    text = but(OPERATOR, (CLASS, ""), (HTTPS, HTTPS + FILES))
    resource, _, monitor = text.partition("---\n")
    fix = only(monitor, "monitor-cannot-name-files").fix
    assert fix is not None
    assert fix.text == "scrapeClass: istio-mtls"
    without = resource[: resource.index("  scrapeClasses:")] + "  podMonitorSelector: {}\n---\n" + monitor
    fix = only(without, "monitor-cannot-name-files").fix
    assert fix is not None
    assert "caFile: /etc/prom-certs/root-cert.pem" in fix.text


@pytest.mark.parametrize(("deny", "told"), [("true", 1), ("false", 0)])
def test_files_may_be_denied_to_service_monitors(deny, told):
    denied = f"  arbitraryFSAccessThroughSMs:\n    deny: {deny}\n  serviceMonitorSelector: {{}}\n"
    text = but(BY_FILES, ("  serviceMonitorSelector: {}\n", denied))
    assert mine(text) == ["files-denied-to-monitors"] * told
    if told:
        assert mine(repaired(text, only(text, "files-denied-to-monitors"))) == []


def test_denying_files_does_not_concern_classes():
    denied = "  arbitraryFSAccessThroughSMs:\n    deny: true\n  serviceMonitorSelector: {}\n"
    assert mine(but(SERVICE_MONITOR, ("  serviceMonitorSelector: {}\n", denied))) == []


# -------------------------------------------------------------------------------------- Envoy's port behind a Service


@pytest.mark.parametrize("port", ["targetPort: http-envoy-prom", "port: http-envoy-prom", "targetPort: 15090"])
def test_envoys_port_is_cleartext_behind_a_service_too(port):
    text = but(SERVICE_MONITOR, ("port: http-metrics", port))
    found = only(text, "https-to-merged")
    assert (found.severity, found.found) == (
        "error",
        "ServiceMonitor monitoring/web asks port 15090 over https, which is Envoy's and cleartext",
    )
    assert mine(repaired(text, found)) == []


def test_a_service_monitor_without_a_port_asks_the_proxys_too():
    text = but(SERVICE_MONITOR, ("  - port: http-metrics\n    scheme", "  - scheme"))
    found = only(text, "https-to-merged")
    assert "asks every port of a pod over https, 15090 too" in found.found
    assert mine(repaired(text, found)) == []


def test_a_port_that_a_service_names_is_none_of_the_proxys():
    keep = (
        "    relabelings:\n    - sourceLabels: [__meta_kubernetes_endpoint_port_name]\n"
        "      action: keep\n      regex: http-metrics\n"
    )
    assert mine(but(SERVICE_MONITOR, ("  - port: http-metrics\n    scheme", "  - scheme")) + keep) == []


ENVOY_TWICE = (
    RESOURCE
    + """\
---
apiVersion: monitoring.coreos.com/v1
kind: PodMonitor
metadata: {name: agents, namespace: monitoring}
spec:
  selector:
    matchExpressions:
    - {key: istio-prometheus-ignore, operator: DoesNotExist}
  podMetricsEndpoints:
  - port: http-envoy-prom
    path: /stats/prometheus
---
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata: {name: envoys, namespace: monitoring}
spec:
  selector:
    matchExpressions:
    - {key: istio-prometheus-ignore, operator: DoesNotExist}
  endpoints:
  - targetPort: http-envoy-prom
    path: /stats/prometheus
"""
)


def test_envoys_metrics_are_not_collected_by_service_and_by_pod():
    assert only(ENVOY_TWICE, "double-scrape").found == (
        "PodMonitor monitoring/agents and ServiceMonitor monitoring/envoys both collect Envoy's metrics (port 15090)"
    )


@pytest.mark.parametrize(
    "change",
    [
        ("  endpoints:\n", "    matchLabels: {app: web}\n  endpoints:\n"),
        ("  - targetPort: http-envoy-prom\n", "  - port: http-envoy-prom\n"),
    ],
)
def test_what_services_have_says_nothing_of_other_pods(change):
    assert mine(but(ENVOY_TWICE, change)) == []


# ----------------------------------------------------------------------------------------------- the scheme of a Probe

PROBING = but(RESOURCE, ("podMonitorSelector", "probeSelector")) + (
    PROBE[: PROBE.index("  tlsConfig:")] + "  scrapeClass: istio-mtls\n"
)
PROBERS = "    scheme: https\n"


def test_a_probe_says_its_scheme_of_the_prober():
    assert mine(PROBING) == []
    assert mine(but(PROBING, ("  enableHttp2: false\n", ""))) == ["http2-not-off"]


def test_a_probe_over_http_is_told_and_gets_its_scheme_where_the_prober_is():
    text = but(PROBING, (PROBERS, ""))
    assert mine(text) == ["https-missing"]
    after = repaired(text, only(text, "https-missing"))
    assert mine(after) == []
    assert "prober:\n    url: blackbox:9115\n    scheme: https\n" in after


def test_a_scheme_beside_the_prober_counts_for_nothing_and_goes():
    text = but(PROBING, (PROBERS, "  scheme: https\n"))
    found = only(text, "https-missing")
    assert text.splitlines()[(found.location.line or 0) - 1] == "  scheme: https"
    after = repaired(text, found)
    assert mine(after) == []
    assert "\n  scheme:" not in after


# ---------------------------------------------------------------------------------------------------- the operator

DEPLOYMENT = """\
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: prometheus-operator
  namespace: monitoring
spec:
  selector:
    matchLabels:
      app.kubernetes.io/name: prometheus-operator
  template:
    metadata:
      labels:
        app.kubernetes.io/name: prometheus-operator
    spec:
      containers:
      - name: prometheus-operator
        image: quay.io/prometheus-operator/prometheus-operator:{tag}
"""


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("v0.93.1", []),
        ("v0.74.0", []),
        ("v0.73.2", ["the scrape class of a PodMonitor"]),
        ("v0.71.2", ["scrapeClasses", "the scrape class of a PodMonitor"]),
        ("v0.52.1", ["podMetadata.annotations", "scrapeClasses", "the scrape class of a PodMonitor"]),
        ("v0.37.0", ["podMetadata.annotations", "scrapeClasses", "the scrape class of a PodMonitor", "volumeMounts"]),
        ("latest", []),
    ],
)
def test_each_feature_of_the_operator_has_its_release(tag, expected):
    found = [
        one for one in diagnosis(OPERATOR + DEPLOYMENT.format(tag=tag)).findings if one.rule.id == "operator-too-old"
    ]
    assert sorted(one.found.partition(" needs the operator")[0] for one in found) == expected


def test_a_service_monitor_by_class_works_since_0_72():
    assert mine(SERVICE_MONITOR + DEPLOYMENT.format(tag="v0.73.2")) == []


@pytest.mark.parametrize(
    ("text", "tag", "told"),
    [
        (PROBE, "v0.87.0", 1),
        (PROBE, "v0.88.0", 0),
        (SCRAPE_CONFIG, "v0.80.1", 1),
        (SCRAPE_CONFIG, "v0.81.0", 0),
    ],
)
def test_http2_can_be_switched_off_since(text, tag, told):
    tls = text[text.index("  tlsConfig:") :]
    selector = "probeSelector" if "kind: Probe\n" in text else "scrapeConfigSelector"
    whole = but(RESOURCE, ("podMonitorSelector", selector)) + text.replace(tls, "  scrapeClass: istio-mtls\n")
    assert mine(whole + DEPLOYMENT.format(tag=tag)) == ["operator-too-old"] * told
