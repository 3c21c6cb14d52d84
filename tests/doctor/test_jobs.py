"""Jobs: TLS that can't work, https towards merged metrics, the same metrics twice, addresses, mTLS modes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generator.doctor.rules.examples import CONFIGURATION, OPERATOR, PLAIN, WEB, but
from generator.doctor.rules.merging import BY_ANNOTATION
from generator.doctor.rules.modes import _POLICY
from generator.intake.document import as_map, documents_of
from generator.monitoring.relabelling import Pod, merged_pod, outcomes
from generator.monitoring.scrape import jobs_of
from generator.yaml import load
from tests import relabel
from tests.doctor.helpers import diagnose, only, repaired
from tests.doctor.scraping import mine

SETUP = f"{PLAIN}---\n"
TLS = """\
      tls_config:
        ca_file: /etc/prom-certs/root-cert.pem
        cert_file: /etc/prom-certs/cert-chain.pem
        key_file: /etc/prom-certs/key.pem
        insecure_skip_verify: true
"""
SKIP = "        insecure_skip_verify: true\n"
HTTPS = "      scheme: https\n"
NO_HTTP2 = "      enable_http2: false\n"
KEEP = """\
      - source_labels: [__meta_kubernetes_pod_container_port_name]
        action: keep
        regex: http-metrics
"""


def configured(*changes: tuple[str, str], base: str = CONFIGURATION) -> str:
    return SETUP + but(base, *changes)


def relabelled(rules: str, base: str = BY_ANNOTATION) -> str:
    """Rules put before those of a job that takes its port from prometheus.io/port."""
    return configured(("      relabel_configs:\n", f"      relabel_configs:\n{rules}"), base=base)


def rule_of(action: str, label: str, regex: str = "") -> str:
    text = f"      - source_labels: [{label}]\n        action: {action}\n"
    return text + (f"        regex: {regex}\n" if regex else "")


# ------------------------------------------------------------------------------------------------ TLS that can't work


def test_verification_that_is_left_on_is_told_at_the_job():
    found = only(configured((SKIP, "")), "skip-verify-missing")
    assert (found.severity, found.resource) == ("error", "ConfigMap monitoring/prometheus")
    assert found.found == "job istio-mtls: insecure_skip_verify is not set"
    assert found.fix is not None
    assert found.fix.text == ("scrape_configs:\n- job_name: istio-mtls\n  tls_config:\n    insecure_skip_verify: true")


def test_verification_that_is_switched_on_is_told_where_it_is():
    text = configured((SKIP, SKIP.replace("true", "false")))
    found = only(text, "skip-verify-missing")
    assert "insecure_skip_verify is false" in found.found
    assert "insecure_skip_verify" in text.splitlines()[(found.location.line or 0) - 1]
    assert mine(repaired(text, found)) == []


def test_certificates_over_http_are_told():
    text = configured((HTTPS, ""))
    found = only(text, "https-missing")
    assert found.found == "job istio-mtls has certificates, but its scheme is http"
    assert mine(repaired(text, found)) == []


@pytest.mark.parametrize(
    ("gone", "missing", "severity"),
    [
        (("key_file",), "key_file missing", "error"),
        (("cert_file",), "cert_file missing", "error"),
        (("key_file", "cert_file"), "cert_file and key_file missing", "warning"),
    ],
)
def test_half_a_certificate_is_told_and_completed(gone, missing, severity):
    lines = [line for line in TLS.splitlines(keepends=True) if not any(name in line for name in gone)]
    text = configured((TLS, "".join(lines)))
    found = only(text, "certificate-without-key")
    assert (found.found, found.severity) == (f"job istio-mtls: {missing}", severity)
    assert mine(repaired(text, found)) == []


@pytest.mark.parametrize(
    "job",
    [
        pytest.param(
            "      scheme: https\n      tls_config:\n"
            "        ca_file: /var/run/secrets/kubernetes.io/serviceaccount/ca.crt\n",
            id="the API server's own authority",
        ),
        pytest.param(
            "      scheme: https\n      tls_config:\n        ca_file: /etc/etcd/ca.pem\n"
            "        cert_file: /etc/etcd/cert.pem\n        key_file: /etc/etcd/key.pem\n",
            id="a key.pem of another tool",
        ),
        pytest.param(
            "      scheme: https\n      tls_config:\n        ca_file: /etc/prom-certs/root-cert.pem\n"
            "        server_name: istiod.istio-system.svc\n",
            id="istiod, verified by its name",
        ),
        pytest.param(TLS + HTTPS.upper().replace("SCHEME", "scheme") + NO_HTTP2, id="HTTPS in capitals"),
        pytest.param(
            TLS.replace("        ca_file: /etc/prom-certs/root-cert.pem\n", "") + HTTPS + NO_HTTP2, id="no CA"
        ),
    ],
)
def test_a_job_that_is_right_or_not_ours_is_left_alone(job):
    assert mine(configured((HTTPS, ""), (NO_HTTP2, ""), (TLS, job))) == []


@pytest.mark.parametrize(
    "more",
    [
        (
            "      - source_labels: [__meta_kubernetes_pod_annotation_prometheus_io_scheme]\n"
            "        regex: (https?)\n        target_label: __scheme__\n"
        ),
        "      - action: labelmap\n        regex: __meta_kubernetes_pod_annotation_mtls(__.+)\n",
    ],
)
def test_a_scheme_that_relabelling_sets_is_one(more):
    assert (
        mine(configured((HTTPS, ""), (KEEP, KEEP + more.replace("(__.+)", "_(.+)\n        replacement: __$1__")))) == []
    )


def test_a_scheme_that_targets_bring_is_one():
    static = "      static_configs:\n      - targets: [web:9102]\n        labels:\n          __scheme__: https\n"
    assert "https-missing" not in mine(configured((HTTPS, static)))
    assert "https-missing" not in mine(configured((HTTPS, "      file_sd_configs:\n      - files: [/etc/sd/*.json]\n")))


def test_a_job_for_the_agents_port_needs_no_https():
    fixed = KEEP + (
        "      - source_labels: [__meta_kubernetes_pod_ip]\n        replacement: $1:15020\n"
        "        target_label: __address__\n"
    )
    assert "https-missing" not in mine(configured((HTTPS, ""), (KEEP, fixed)))


def test_a_configuration_without_its_workload_is_judged_by_the_names_of_files():
    assert mine(but(CONFIGURATION, (SKIP, ""))) == ["skip-verify-missing"]
    renamed = but(CONFIGURATION, (SKIP, "")).replace("root-cert", "ca").replace("cert-chain", "cert")
    assert "skip-verify-missing" not in mine(renamed)
    assert "skip-verify-missing" in mine(SETUP + renamed)  # in the directory that the proxy writes to


# --------------------------------------------------------------------------------------------------------- HTTP/2


@pytest.mark.parametrize(
    ("version", "expected"),
    [("v2.30.3", []), ("v2.31.0", ["http2-not-off"]), ("v2.35.0", ["http2-not-off"]), ("v3.14.0", ["http2-not-off"])],
)
def test_http2_concerns_prometheus_since_2_31(version, expected):
    text = configured((NO_HTTP2, "")).replace("v3.14.0", version)
    assert [one for one in mine(text) if one == "http2-not-off"] == expected


def test_before_2_35_no_setting_is_proposed_that_prometheus_would_refuse():
    text = configured((NO_HTTP2, ""))
    assert "update Prometheus to 2.35" in str(only(text.replace("v3.14.0", "v2.34.0"), "http2-not-off").fix)
    fix = only(text.replace("v3.14.0", "v2.35.0"), "http2-not-off").fix
    assert fix is not None
    assert fix.edits


def test_http2_is_information_until_the_files_show_a_port_not_declared_as_http():
    text = but(OPERATOR, ("    enableHttp2: false\n", ""))
    assert only(text, "http2-not-off").severity == "info"
    service = (
        "---\napiVersion: v1\nkind: Service\nmetadata:\n  name: web\n  namespace: monitoring\nspec:\n"
        "  selector:\n    app: web\n  ports:\n  - name: metrics\n    port: 80\n    targetPort: http-metrics\n"
    )
    found = only(text + WEB + service, "http2-not-off")
    assert found.severity == "error"
    assert found.found.endswith("and port metrics of Service monitoring/web isn't declared as HTTP")
    for http in ("name: http-web", "name: metrics\n    appProtocol: http", "name: grpc-x"):
        assert only(text + WEB + service.replace("name: metrics", http), "http2-not-off").severity == "info"


@pytest.mark.parametrize(("port", "expected"), [("http-9080", []), ("metrics", ["http2-not-off"])])
def test_a_service_monitor_names_a_port_that_istio_takes_by_its_name(port, expected):
    text = but(OPERATOR, ("    enableHttp2: false\n", ""), ("kind: PodMonitor", "kind: ServiceMonitor"))
    text = but(text, ("podMetricsEndpoints", "endpoints"), ("port: http-metrics", f"port: {port}"))
    assert mine(text) == expected


@pytest.mark.parametrize(("version", "expected"), [("v2.34.0", []), ("v2.35.0", ["http2-variable"])])
def test_the_variable_that_switched_http2_off_is_dead_since_2_35(version, expected):
    env = '        env:\n        - name: PROMETHEUS_COMMON_DISABLE_HTTP2\n          value: "1"\n        args:\n'
    text = but(PLAIN, ("        args:\n", env), ("v3.14.0", version)) + "---\n" + CONFIGURATION
    assert [one for one in mine(text) if one == "http2-variable"] == expected


# --------------------------------------------------------------------------------------------------- merged metrics

_IO = "__meta_kubernetes_pod_annotation_prometheus_io_"
_STATUS = "__meta_kubernetes_pod_annotation{}_sidecar_istio_io_status"


def test_a_job_by_annotation_meets_the_agents_cleartext():
    found = only(SETUP + BY_ANNOTATION, "https-to-merged")
    assert (found.severity, found.location.column) == ("warning", 9)
    assert mine(SETUP + BY_ANNOTATION, istio=(1, 6)) == []
    assert mine(SETUP + BY_ANNOTATION, istio=(1, 7)) == ["https-to-merged"]


@pytest.mark.parametrize(
    "rules",
    [
        rule_of("keep", "__meta_kubernetes_pod_annotation_prometheus_istio_io_merge_metrics", '"false"'),
        rule_of("drop", f"{_IO}port", "15020|15090"),
        rule_of("drop", f"{_IO}port", '"15020"'),
        rule_of("drop", f"{_IO}path", "/stats/prometheus"),
        rule_of("drop", _STATUS.format(""), "(.+)"),
        rule_of("drop", _STATUS.format("present"), "true"),
        rule_of("keep", "__meta_kubernetes_pod_annotation_example_com_mtls", '"true"'),
        rule_of("keep", "__meta_kubernetes_pod_label_metrics", "mtls"),
        rule_of("keep", f"{_STATUS.format('present')}, {_IO}scheme", "true;https"),
        rule_of("drop", f"__meta_kubernetes_namespace, {_IO}port", ".+;15020"),
        rule_of("keep", f"{_IO}port", r"(?:9\d+|80\d\d)"),
    ],
)
def test_every_way_to_leave_merged_pods_out_counts(rules):
    assert mine(relabelled(rules)) == []


@pytest.mark.parametrize(
    "rules",
    [
        rule_of("keep", "__meta_kubernetes_namespace", "shop|checkout"),
        rule_of("keep", f"__meta_kubernetes_namespace, {_IO}scrape", "shop;true"),
        rule_of("keep", _STATUS.format(""), "(.+)"),
        rule_of("drop", "__meta_kubernetes_pod_phase", "Failed|Succeeded"),
        rule_of("keep", f"{_STATUS.format('present')}, {_IO}scheme", "true;(https)?"),
        rule_of("keepequal", "__meta_kubernetes_pod_container_port_number") + f"        target_label: {_IO}port\n",
    ],
)
def test_rules_that_let_merged_pods_through_do_not(rules):
    assert mine(relabelled(rules)) == ["https-to-merged"]


def test_a_job_that_drops_by_the_address_it_has_made_is_right():
    assert mine(SETUP + BY_ANNOTATION + rule_of("drop", "__address__", ".+:15020")) == []


def test_https_to_a_fixed_port_of_the_agent_is_an_error_in_any_release():
    rules = "      - target_label: __address__\n        source_labels: [__meta_kubernetes_pod_ip]\n"
    text = configured((KEEP, KEEP + rules + "        replacement: $1:15020\n"))
    found = only(text, "https-to-merged", istio=(1, 6))
    assert found.severity == "error"
    assert "https-to-merged" not in mine(repaired(text, found))


def test_a_port_of_the_proxys_own_is_cleartext_too():
    text = configured((KEEP, KEEP.replace("http-metrics", ".*-envoy-prom")))
    assert only(text, "https-to-merged").found.startswith("job istio-mtls asks port 15090 over https")


def test_a_job_for_the_proxys_containers_alone_may_go_over_http():
    kept = KEEP.replace("container_port_name", "container_name").replace("http-metrics", "istio-proxy")
    text = configured((KEEP, kept))
    found = only(text, "https-to-merged")
    assert found.severity == "error"
    assert mine(repaired(text, found)) == []


@pytest.mark.parametrize("label", ["service_name", "namespace", "node_name", "pod_controller_kind"])
def test_a_job_for_all_ports_of_some_pods_asks_the_applications_too(label):
    kept = f"      - source_labels: [__meta_kubernetes_{label}]\n        action: keep\n        regex: payments\n"
    text = configured((KEEP, kept), ("- role: pod", "- role: endpoints"))
    found = only(text, "https-to-merged")
    assert found.severity == "warning"
    assert found.found.startswith("job istio-mtls asks every port of a pod over https, 15090 too")
    assert mine(repaired(text, found)) == []


@pytest.mark.parametrize("rules", ["", "      relabel_configs: []\n", "      relabel_configs:\n"])
def test_a_job_that_asks_every_port_of_a_pod_leaves_out_the_proxys(rules):
    text = configured(("      relabel_configs:\n" + KEEP, rules))
    found = only(text, "https-to-merged")
    assert found.severity == "warning"
    assert found.found.startswith("job istio-mtls asks every port of a pod over https, 15090 too")
    assert mine(repaired(text, found)) == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("prometheus.io/scheme: https", "prometheus.io/scheme: http"), []),
        (('inject: "true"\n      annotations', 'inject: "false"\n      annotations'), []),
        (('prometheus.io/scrape: "true"', 'prometheus.io/scrape: "false"'), []),
        (
            (
                '        prometheus.io/scrape: "true"\n',
                '        prometheus.io/scrape: "true"\n        prometheus.istio.io/merge-metrics: "false"\n',
            ),
            [],
        ),
        (("name: web\n        image", "name: app\n        image"), ["https-on-merged-pod"]),
    ],
)
def test_a_merged_pod_must_not_ask_for_https(change, expected):
    from generator.doctor import RULES

    assert mine(but(RULES["https-on-merged-pod"].wrong, change)) == expected


# ------------------------------------------------------------------------------------------------------------ twice

_SECURE = but(
    BY_ANNOTATION.replace("prometheus_io_port", "prometheus_istio_io_secure_port"),
    ("prometheus_io_scrape", "prometheus_istio_io_secure_port"),
    ('regex: "true"', "regex: .+"),
)
_AGENT = """\
    - job_name: agents
      metrics_path: /stats/prometheus
      kubernetes_sd_configs:
      - role: pod
      relabel_configs:
      - source_labels: [__meta_kubernetes_pod_container_name]
        action: keep
        regex: istio-proxy
      - source_labels: [__meta_kubernetes_pod_ip]
        regex: ([^:]+)
        replacement: $1:15020
        target_label: __address__
"""
_ENVOY = """\
    - job_name: envoy
      metrics_path: /stats/prometheus
      kubernetes_sd_configs:
      - role: pod
      relabel_configs:
      - source_labels: [__meta_kubernetes_pod_container_port_name]
        action: keep
        regex: .*-envoy-prom
"""
_BY_PORT = """\
    - job_name: pods
      kubernetes_sd_configs:
      - role: pod
      relabel_configs:
      - source_labels: [__meta_kubernetes_pod_annotation_prometheus_io_scrape]
        action: keep
        regex: "true"
      - source_labels: [__address__, __meta_kubernetes_pod_annotation_prometheus_io_port]
        regex: ([^:]+)(?::\\d+)?;(\\d+)
        replacement: $1:$2
        target_label: __address__
"""


def doubles(text: str) -> list[tuple[str, str]]:
    return [(one.severity, one.found) for one in diagnose(text) if one.rule.id == "double-scrape"]


def test_envoys_metrics_are_not_collected_beside_the_agents():
    found = doubles(SETUP + CONFIGURATION + _AGENT + _ENVOY)
    assert found == [("warning", "job agents and job envoy both collect Envoy's metrics (port 15020 and 15090)")]


def test_whether_the_annotation_says_15020_depends_on_the_mesh():
    assert [severity for severity, _ in doubles(SETUP + CONFIGURATION + _BY_PORT + _ENVOY)] == ["info"]


@pytest.mark.parametrize("port", ["secure-port", "secure-envoy-port"])
def test_metrics_over_a_secure_port_are_not_collected_in_cleartext_too(port):
    asked = ("      scheme: https\n", "      scheme: https\n      metrics_path: /stats/prometheus\n")
    secure = but(_SECURE.replace("secure_port", port.replace("-", "_")), asked)
    assert [severity for severity, _ in doubles(SETUP + secure + _AGENT)] == ["warning"]
    less = rule_of("drop", f"__meta_kubernetes_pod_annotation_prometheus_istio_io_{port.replace('-', '_')}", ".+")
    assert doubles(SETUP + secure + but(_AGENT, ("      relabel_configs:\n", f"      relabel_configs:\n{less}"))) == []


@pytest.mark.parametrize(
    "change",
    [
        ("role: pod\n", "role: pod\n        namespaces:\n          names: [shop]\n"),
        ("role: pod\n", "role: endpoints\n"),
        ("role: pod\n", "role: pod\n        selectors:\n        - role: pod\n          label: a=b\n"),
        (
            "      relabel_configs:\n",
            (
                "      metric_relabel_configs:\n      - source_labels: [__name__]\n        action: keep\n"
                "        regex: istio_agent_.+\n      relabel_configs:\n"
            ),
        ),
        (
            "      relabel_configs:\n",
            "      relabel_configs:\n" + rule_of("keep", "__meta_kubernetes_pod_label_a", "b"),
        ),
    ],
)
def test_jobs_that_may_take_other_pods_are_not_doubles(change):
    elsewhere = _AGENT.replace("role: pod\n", "role: pod\n        namespaces:\n          names: [bank]\n")
    assert doubles(SETUP + CONFIGURATION + elsewhere + but(_ENVOY, change)) == []


# -------------------------------------------------------------------------------------------------------- addresses


def test_the_form_for_both_families_yields_nothing():
    assert "ipv4-only-address" not in mine(SETUP + BY_ANNOTATION)


@pytest.mark.parametrize(
    ("source", "regex", "replacement"),
    [
        ("__address__, __meta_kubernetes_pod_annotation_example_com_port", r"([^:]+)(?::\d+)?;(\d+)", "$1:$2"),
        ("__meta_kubernetes_pod_ip, __meta_kubernetes_pod_annotation_example_com_port", "(.+);(.+)", "$1:$2"),
        ("__meta_kubernetes_pod_ip", "(.+)", "${1}:9102"),
    ],
)
def test_forms_for_ipv4_alone_are_told(source, regex, replacement):
    rule = f"      - source_labels: [{source}]\n        regex: {regex}\n"
    rule += f"        replacement: {replacement}\n        target_label: __address__\n"
    found = only(configured((KEEP, KEEP + rule)), "ipv4-only-address")
    assert found.severity == "info"
    assert found.fix is not None
    both = "".join(f"      {line}\n" for line in found.fix.text.splitlines()[1:])
    assert mine(configured((KEEP, KEEP + both))) == []


_PORT_RULE = """\
      - source_labels: [__address__, __meta_kubernetes_pod_annotation_{annotation}]
        regex: ([^:]+)(?::\\d+)?;{regex}
        replacement: {replacement}
        target_label: __address__
"""
_OF_PROXY = rule_of("keep", "__meta_kubernetes_pod_container_name", "istio-proxy")
_PROXYS = (
    f"    - job_name: proxies\n      kubernetes_sd_configs:\n      - role: pod\n      relabel_configs:\n{_OF_PROXY}"
)


def port_rule(annotation: str, regex: str = "(\\d+)", replacement: str = "$1:$2") -> str:
    return _PORT_RULE.format(annotation=annotation, regex=regex, replacement=replacement)


def test_a_rule_that_would_set_the_port_that_is_there_may_be_for_ipv4():
    envoy = _ENVOY + port_rule("prometheus_io_port", replacement="$1:15090")
    assert "ipv4-only-address" not in mine(SETUP + CONFIGURATION + envoy)


def test_a_job_that_keeps_addresses_of_ipv4_is_told():
    keep = rule_of("keep", "__address__", "([^:]+):(\\d+)")
    found = only(configured((KEEP, KEEP + keep + port_rule("example_com_port"))), "ipv4-only-address")
    assert found.found == "job istio-mtls asks 10.1.2.3:9102, and nothing where the pod's address is IPv6"
    assert found.fix is not None
    assert found.fix.says.endswith("take out the one that keeps IPv4 addresses alone")


def test_a_job_for_proxies_that_takes_the_port_of_merged_metrics_is_told():
    found = only(SETUP + CONFIGURATION + _PROXYS + port_rule("prometheus_io_port"), "ipv4-only-address")
    assert found.found == ("job proxies asks 10.1.2.3:15020, and [fd00::123]:15090 where the pod's address is IPv6")


@pytest.mark.parametrize(
    ("rule", "sources", "lines"),
    [
        pytest.param(
            port_rule("verrazzano_io_metricsPort"),
            "[__meta_kubernetes_pod_annotation_verrazzano_io_metricsPort, __meta_kubernetes_pod_ip]",
            [r"(\d+);(.*:.*)", "[$2]:$1", r"(\d+);([^:]+)", "$2:$1"],
            id="a port by another name",
        ),
        pytest.param(
            port_rule("prometheus_io_port", replacement="$1:15020"),
            "[__meta_kubernetes_pod_annotation_prometheus_io_port, __meta_kubernetes_pod_ip]",
            [r"(\d+);(.*:.*)", "[$2]:15020", r"(\d+);([^:]+)", "$2:15020"],
            id="a port that the rule itself names",
        ),
        pytest.param(
            port_rule("example_com_scraped", regex="true", replacement="${1}:15020"),
            "[__meta_kubernetes_pod_annotation_example_com_scraped, __meta_kubernetes_pod_ip]",
            ["true;(.*:.*)", "[$1]:15020", "true;([^:]+)", "$1:15020"],
            id="an annotation that is no port",
        ),
    ],
)
def test_the_form_for_both_families_asks_the_same_port(rule, sources, lines):
    fix = only(configured((KEEP, KEEP + rule)), "ipv4-only-address").fix
    assert fix is not None
    told = as_map(load(fix.text, "fix"))["relabel_configs"]
    assert [load(sources, "sources")] * 2 == [one["source_labels"] for one in told]
    assert lines == [part for one in told for part in (one["regex"], one["replacement"])]


def test_an_address_that_keeps_its_brackets_is_right():
    rule = (
        "      - source_labels: [__address__]\n        regex: (.+):\\d+\n"
        "        replacement: $1:9102\n        target_label: __address__\n"
    )
    assert mine(configured((KEEP, KEEP + rule))) == []


def test_a_job_that_has_nothing_to_do_with_istio_may_be_for_ipv4():
    assert "ipv4-only-address" not in mine(SETUP + CONFIGURATION + _BY_PORT)


# ----------------------------------------------------------------------------------------------------- secure ports

_ENVOYS = _SECURE.replace("secure_port", "secure_envoy_port")
_PATH_RULE = f"      - source_labels: [{_IO}path]\n        regex: (.+)\n        target_label: __metrics_path__\n"


@pytest.mark.parametrize(
    ("configuration", "severity"),
    [
        (_SECURE, None),
        (_ENVOYS, "error"),
        (_ENVOYS + _PATH_RULE, "warning"),
        (_ENVOYS.replace(HTTPS, f"{HTTPS}      metrics_path: /stats/prometheus\n"), None),
        (_SECURE.replace(HTTPS, f"{HTTPS}      metrics_path: /stats\n"), "error"),
    ],
)
def test_each_secure_port_is_asked_for_what_it_serves(configuration, severity):
    found = [
        one.severity for one in diagnose(SETUP + configuration, istio=(1, 31)) if one.rule.id == "secure-port-path"
    ]
    assert found == ([severity] if severity else [])


@pytest.mark.parametrize(("version", "given", "told"), [((1, 30, 3), True, 1), ((1, 31), True, 0), ((1, 30), False, 0)])
def test_secure_ports_are_of_1_31(version, given, told):
    found = mine(SETUP + _SECURE, istio=version, istio_given=given)
    assert found.count("secure-ports-too-old") == told


# ------------------------------------------------------------------------------------------------------- mTLS modes

_PERMISSIVE = _POLICY.format(mode="PERMISSIVE")
_NAMESPACE_WIDE = _PERMISSIVE.replace("  selector:\n    matchLabels:\n      app: web\n", "")
_PORTS = (
    "---\napiVersion: security.istio.io/v1beta1\nkind: PeerAuthentication\nmetadata:\n  name: web\n"
    "  namespace: monitoring\nspec:\n  selector:\n    matchLabels:\n      app: web\n  mtls:\n    mode: STRICT\n"
    "  portLevelMtls:\n    {port}:\n      mode: PERMISSIVE\n"
)


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (_PERMISSIVE, [("https-to-permissive", "error")]),
        (_POLICY.format(mode="DISABLE"), [("https-to-permissive", "error")]),
        (_POLICY.format(mode="STRICT"), []),
        (_POLICY.format(mode="UNSET"), []),
        (_NAMESPACE_WIDE, [("https-to-permissive", "warning")]),
        (_NAMESPACE_WIDE.replace("namespace: monitoring", "namespace: shop"), []),
        (_NAMESPACE_WIDE.replace("PERMISSIVE", "STRICT"), []),
        (_PORTS.format(port='"9102"'), [("https-to-permissive", "error")]),
        (_PORTS.format(port='"8080"'), []),
        (_PERMISSIVE.replace("app: web", "app: shop"), []),
    ],
)
def test_https_needs_a_strict_port(policy, expected):
    assert [(one.rule.id, one.severity) for one in diagnose(OPERATOR + WEB + policy)] == expected


_SERVICE = """\
---
apiVersion: v1
kind: Service
metadata:
  name: web
  namespace: monitoring
  labels:
    app: web
spec:
  selector:
    app: web
  ports:
  - name: http-metrics
    port: 80
    targetPort: {target}
"""


@pytest.mark.parametrize("target", ["http-metrics", "9102"])
@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("    enableHttp2: false\n", "    enableHttp2: false\n"), 1),
        (("  scrapeClass:", "  namespaceSelector:\n    any: true\n  scrapeClass:"), 1),
        (("  scrapeClass:", "  namespaceSelector:\n    matchNames: [monitoring]\n  scrapeClass:"), 1),
        (("  scrapeClass:", "  namespaceSelector:\n    matchNames: [shop]\n  scrapeClass:"), 0),
        (("port: http-metrics\n", "port: http-web\n"), 0),
        (("port: http-metrics\n", "targetPort: 8080\n"), 0),
        (("      app: web\n  scrapeClass", "      app: shop\n  scrapeClass"), 0),
    ],
)
def test_a_service_monitor_is_followed_to_the_pods(target, change, told):
    monitor = but(OPERATOR, ("kind: PodMonitor", "kind: ServiceMonitor"), ("podMetricsEndpoints", "endpoints"), change)
    text = monitor + WEB + _SERVICE.format(target=target) + _PERMISSIVE
    assert mine(text) == ["https-to-permissive"] * told
    if told:
        assert mine(repaired(text, only(text, "https-to-permissive"))) == []


def test_a_port_that_relabelling_chooses_is_not_judged_by_its_mode():
    rule = "    relabelings:\n    - sourceLabels: [__meta_kubernetes_pod_ip]\n      targetLabel: __address__\n"
    monitor = but(OPERATOR, ("    enableHttp2: false\n", f"    enableHttp2: false\n{rule}"))
    assert "https-to-permissive" not in mine(monitor + WEB + _PERMISSIVE)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ((), 1),
        ((('inject: "true"\n      annotations', 'inject: "false"\n      annotations'),), 0),
        ((("merge-metrics:", 'x: ""\n        traffic.sidecar.istio.io/excludeInboundPorts: "9102"\n        b:'),), 0),
        ((("containerPort: 9102", "containerPort: 15020"),), 0),
    ],
)
def test_http_to_a_strict_port_is_told_where_a_proxy_guards_it(changes, told):
    monitor = but(
        OPERATOR, ("  scrapeClass: istio-mtls\n", ""), ("    scheme: https\n", ""), ("    enableHttp2: false\n", "")
    )
    target = WEB
    for old, new in changes:
        target = but(target, (old, new))
    assert mine(monitor + target + _POLICY.format(mode="STRICT")).count("http-to-strict") == told


# ----------------------------------------------------------------------------------------------------- relabelling

_LABELS = st.sampled_from(
    [
        "__address__",
        "__meta_kubernetes_pod_ip",
        "__meta_kubernetes_namespace",
        "__meta_kubernetes_pod_container_port_name",
        f"{_IO}port",
        f"{_IO}path",
        f"{_IO}scheme",
        "__meta_kubernetes_pod_label_app",
    ]
)
_REGEXES = st.sampled_from(
    ["(.*)", "(.+)", "", "15020|15090", r"(\d+);(.+)", r"(.+);(\d+)", "true", r"([^:]+):\d+", "d.*"]
)
_RULES = st.fixed_dictionaries(
    {"source_labels": st.lists(_LABELS, min_size=1, max_size=2), "regex": _REGEXES},
    optional={
        "action": st.sampled_from(["replace", "keep", "drop", "Keep", "keepequal", "dropequal", "labelmap"]),
        "replacement": st.sampled_from(["$1", "${1}:15090", "[$2]:$1", "https", "$3"]),
        "separator": st.sampled_from([";", ":"]),
        "target_label": st.sampled_from(["__address__", "__scheme__", "__metrics_path__", "x"]),
    },
)


@settings(max_examples=60, deadline=None)
@given(st.lists(_RULES, max_size=4), st.booleans())
def test_relabelling_does_what_prometheus_does(rules: list[dict[str, Any]], merged: bool):
    from generator.monitoring.relabelling import discovered
    from generator.yaml import block

    for rule in rules:
        rule.setdefault("target_label", "y")
    job = {"job_name": "a", "scheme": "https", "kubernetes_sd_configs": [{"role": "pod"}], "relabel_configs": rules}
    document = documents_of(block({"scrape_configs": [job]}), "prometheus.yml")[0]
    scrape = next(iter(jobs_of(document, ("scrape_configs",), None)))
    pod = merged_pod() if merged else Pod(injected=False)
    found = {(one.scheme, one.address, one.path) for one in outcomes(scrape, pod, sure=True)}
    expected = [
        relabel.relabel({**labels, "__scheme__": "https", "__metrics_path__": "/metrics"}, rules)
        for labels in discovered(scrape, pod)
    ]
    assert found == {
        (one.get("__scheme__", "").lower(), one.get("__address__", ""), one.get("__metrics_path__", ""))
        for one in expected
        if one is not None
    }


def test_an_expression_that_python_cannot_read_matches_nothing():
    text = relabelled(rule_of("keep", f"{_IO}port", r"\pN+"))
    assert mine(text) == []
