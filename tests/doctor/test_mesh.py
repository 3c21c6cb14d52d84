"""Resources of the mesh: what keeps certificates renewed, and who sends what to whom."""

from __future__ import annotations

import pytest

from generator.doctor.rules.authorization import _TARGET as GUARDED
from generator.doctor.rules.clients import STRICT
from generator.doctor.rules.examples import CONFIGURATION, OPERATOR, PLAIN, but
from generator.doctor.rules.mesh import DISABLE, SIDECAR
from generator.doctor.rules.spoiling import INBOUND, INJECT, METADATA
from generator.doctor.rules.spoiling import MANUAL as MANUAL_PROXY
from tests.doctor.helpers import diagnose, only, repaired, setup_of
from tests.doctor.meshing import AGENT, NO_TLS_LABEL, mine, of_namespace

HOST = "istio-system/istiod.istio-system.svc.cluster.local"
TLS_LABEL = NO_TLS_LABEL[0]
SELECTOR = "  workloadSelector:\n    labels:\n      app: prometheus\n"
NAMESPACE_WIDE = but(DISABLE, ("  selector:\n    matchLabels:\n      app: prometheus\n", ""))
BY_PORT = DISABLE.replace("  mtls:\n    mode: DISABLE\n", '  portLevelMtls:\n    "9090":\n      mode: DISABLE\n')
ISTIOD = "---\napiVersion: v1\nkind: Service\nmetadata:\n  name: istiod\n  namespace: istio-system\n"


def shown(*hosts: str) -> str:
    """The Sidecar with other hosts."""
    return but(SIDECAR, (f"    - {HOST}\n", "".join(f'    - "{host}"\n' for host in hosts)))


# ----------------------------------------------------------------------------------------------------------- renewal


@pytest.mark.parametrize(
    ("host", "severity", "says"),
    [
        ("~/*", "error", "which shows it nothing"),
        ("monitoring/istiod.istio-system.svc.cluster.local", "error", "is not in namespace monitoring"),
        ("./istiod.istio-system.svc.cluster.local", "error", "is not in namespace monitoring"),
        ("istio-system/istiod", "error", "no full name"),
        ("istio-system/istiod.istio-system.svc", "error", "no full name"),
        (HOST, "warning", "under a revision's name"),
        ("*/istiod.istio-system.svc.cluster.local", "warning", "under a revision's name"),
    ],
)
def test_certificates_are_not_renewed_where_both_sides_of_envoy_speak_cleartext(host, severity, says):
    text = PLAIN + shown(host) + DISABLE
    found = only(text, "rotation-stops")
    assert (found.severity, found.resource) == (severity, "PeerAuthentication monitoring/prometheus")
    assert host in found.found
    assert found.found.endswith(says) or says in found.found
    assert text.splitlines()[found.location.line - 1] == "    mode: DISABLE"
    assert mine(repaired(text, found)) == []


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(PLAIN + SIDECAR, id="no DISABLE"),
        pytest.param(PLAIN + DISABLE, id="no Sidecar: all services"),
        pytest.param(PLAIN + SIDECAR + BY_PORT, id="only some ports"),
        pytest.param(PLAIN + SIDECAR + DISABLE + '  portLevelMtls:\n    "8081":\n      mode: STRICT\n', id="one port"),
        pytest.param(PLAIN + shown("istio-system/*") + DISABLE, id="all of istio-system"),
        pytest.param(PLAIN + shown("~/*", "shop/web.shop.svc.cluster.local") + DISABLE, id="another host"),
        pytest.param(PLAIN + shown("istio-system/istiod-1-30.istio-system.svc.cluster.local") + DISABLE, id="revision"),
        pytest.param(PLAIN + shown("istio-system/istiod.${NS}.svc.cluster.local") + DISABLE, id="a variable"),
        pytest.param(PLAIN + shown("*/*.global") + DISABLE, id="wildcard"),
        pytest.param(PLAIN + SIDECAR + DISABLE + ISTIOD, id="the Service is there"),
        pytest.param(
            but(PLAIN, (INJECT, f"{INJECT}        istio.io/rev: default\n")) + SIDECAR + DISABLE, id="default"
        ),
        pytest.param(PLAIN + shown("~/*") + DISABLE.replace("DISABLE", "UNSET"), id="UNSET"),
        pytest.param(
            PLAIN
            + shown("~/*")
            + DISABLE
            + but(NAMESPACE_WIDE, ("DISABLE", "STRICT"))
            .replace("name: prometheus", "name: default")
            .replace("STRICT", "PERMISSIVE")
            .replace("spec:\n", "spec:\n  selector:\n    matchLabels:\n      app: prometheus\n"),
            id="unclear",
        ),
        pytest.param(PLAIN + shown("~/*") + but(DISABLE, ("app: prometheus", "app: web")), id="another pod's policy"),
        pytest.param(PLAIN + but(shown("~/*"), ("app: prometheus", "app: web")) + DISABLE, id="another pod's Sidecar"),
        pytest.param(PLAIN + shown("~/*") + but(DISABLE, ("namespace: monitoring", "namespace: shop")), id="elsewhere"),
        pytest.param(
            PLAIN + shown("~/*") + NAMESPACE_WIDE + DISABLE.replace("DISABLE", "PERMISSIVE"),
            id="overruled by the pod's",
        ),
    ],
)
def test_one_side_that_speaks_mtls_is_enough(text):
    assert "rotation-stops" not in mine(text)


def test_an_agent_without_envoy_renews_alone_and_needs_no_sidecar():
    assert mine(AGENT + DISABLE) == []
    found = only(AGENT + SIDECAR + DISABLE, "sidecar-without-envoy")
    assert found.severity == "info"
    assert mine(AGENT + SIDECAR + DISABLE) == ["sidecar-without-envoy"]


def test_a_proxy_by_hand_depends_on_its_subscription_too():
    assert mine(MANUAL_PROXY + shown("~/*") + DISABLE) == ["rotation-stops"]


@pytest.mark.parametrize(("version", "expected"), [((1, 30, 3), ["rotation-stops"]), ((1, 31), [])])
def test_secure_ports_of_the_pod_keep_it_subscribed(version, expected):
    text = (
        but(PLAIN, (METADATA, f'{METADATA}            ENVOY_SECURE_METRICS_PORT: "15091"\n')) + shown("~/*") + DISABLE
    )
    assert mine(text, istio=version) == expected


def test_the_revision_that_is_known_is_told():
    text = but(PLAIN, (INJECT, f"{INJECT}        istio.io/rev: canary\n")) + SIDECAR + DISABLE
    assert only(text, "rotation-stops").found.endswith("but the Service of revision canary is istiod-canary")
    labelled = of_namespace("monitoring", "istio.io/rev: 1-30") + PLAIN + SIDECAR + DISABLE
    assert only(labelled, "rotation-stops").found.endswith("is istiod-1-30")


def test_istiod_that_takes_no_mtls_is_no_help():
    off = but(NAMESPACE_WIDE, ("namespace: monitoring", "namespace: istio-system"))
    text = PLAIN + shown("istio-system/istiod-1-30.istio-system.svc.cluster.local") + DISABLE + off
    assert only(text, "rotation-stops").severity == "error"


def test_a_policy_for_the_whole_namespace_is_left_and_the_sidecar_opened():
    text = PLAIN + shown("~/*") + NAMESPACE_WIDE
    found = only(text, "rotation-stops")
    assert found.fix is not None
    assert [edit.value for edit in found.fix.edits] == [["istio-system/*"]]
    assert mine(repaired(text, found)) == []
    mesh = PLAIN + shown("~/*") + but(NAMESPACE_WIDE, ("namespace: monitoring", "namespace: istio-system"))
    assert mine(mesh) == ["rotation-stops"]
    root = but(shown("~/*"), (SELECTOR, ""), ("namespace: monitoring", "namespace: istio-system"))
    assert mine(PLAIN + root + DISABLE) == ["rotation-stops"]


def test_a_policy_that_others_share_is_not_edited():
    other = "---\n" + but(PLAIN, ("  name: prometheus\n  namespace", "  name: other\n  namespace")).replace(INJECT, "")
    found = only(PLAIN + shown("~/*") + DISABLE + other, "rotation-stops")
    assert found.fix is not None
    assert {edit.document.kind for edit in found.fix.edits} == {"Sidecar"}


@pytest.mark.parametrize(
    ("hosts", "told"),
    [
        (["istio-system/*", "./*", "*/*", "~/*", "a/*.b.c"], 0),
        (["istiod.istio-system.svc.cluster.local"], 1),
        (["*", "istiod"], 2),
        (["/istiod.istio-system.svc.cluster.local"], 1),
        (["$(NAMESPACE)", "<namespace>"], 0),
    ],
)
def test_hosts_are_written_with_their_namespace(hosts, told):
    assert mine(PLAIN + shown(*hosts)).count("sidecar-invalid") == told


def test_the_namespace_of_a_service_is_put_before_it():
    text = PLAIN + shown("istiod.istio-system.svc.cluster.local")
    found = only(text, "sidecar-invalid")
    assert found.fix is not None
    assert [edit.value for edit in found.fix.edits] == [HOST]
    assert mine(repaired(text, found)) == []


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("spec:\n  workloadSelector:\n    labels:\n      app: prometheus\n", ["sidecar-invalid"]),
        ("spec: {}\n", ["sidecar-invalid"]),
        ("spec:\n  egress: []\n", ["sidecar-invalid"]),
        ("spec:\n  egress:\n  - port: {number: 80, protocol: HTTP, name: http}\n", ["sidecar-invalid"]),
        ("spec:\n  egress:\n  - hosts: []\n", ["sidecar-invalid"]),
        ("spec:\n  outboundTrafficPolicy:\n    mode: REGISTRY_ONLY\n", []),
        ("spec:\n  ingress:\n  - port: {number: 80, protocol: HTTP, name: http}\n", []),
        ("spec:\n  inboundConnectionPool:\n    http: {}\n", []),
    ],
)
def test_a_sidecar_says_something(spec, expected):
    assert mine(PLAIN + SIDECAR[: SIDECAR.index("spec:")] + spec) == expected


def test_a_namespace_has_one_sidecar():
    one, other = but(SIDECAR, (SELECTOR, "")), but(SIDECAR, (SELECTOR, ""), ("name: prometheus\n", "name: default\n"))
    assert only(PLAIN + one + other, "sidecars-for-one-namespace").severity == "warning"
    assert mine(PLAIN + one + one) == []  # the same one, of two environments
    assert mine(PLAIN + one + other.replace("namespace: monitoring", "namespace: shop")) == []
    assert mine(PLAIN + SIDECAR + other) == []


@pytest.mark.parametrize(("version", "given", "told"), [((1, 21, 6), True, 1), ((1, 22), True, 0), ((1, 21), False, 0)])
def test_v1_is_served_since_1_22(version, given, told):
    text = PLAIN + SIDECAR
    assert mine(text, istio=version, istio_given=given).count("mesh-api-too-old") == told
    old = text.replace("networking.istio.io/v1\n", "networking.istio.io/v1beta1\n")
    assert mine(old, istio=version, istio_given=given) == []


# ----------------------------------------------------------------------------------------------------------- clients


def test_modes_for_ports_need_a_selector():
    text = PLAIN + but(BY_PORT, ("  selector:\n    matchLabels:\n      app: prometheus\n", ""))
    found = only(text, "port-modes-without-selector")
    assert found.severity == "error"
    assert mine(repaired(text, found)) == []
    assert mine(PLAIN + BY_PORT) == []
    whose = only(text.replace('"9090"', '"8443"'), "port-modes-without-selector")
    assert whose.fix is not None
    assert not whose.fix.edits


@pytest.mark.parametrize(
    ("port", "service", "told"),
    [
        ('"80"', "port: 80\n    targetPort: 9090", 1),
        ("80", "port: 80\n    targetPort: 9090", 1),
        ('"9090"', "port: 80\n    targetPort: 9090", 0),
        ('"9090"', "port: 9090", 0),
        ('"80"', "port: 8080\n    targetPort: 9090", 0),
        ('"80"', "port: 80\n    targetPort: web", 0),
    ],
)
def test_a_mode_is_for_the_containers_port(port, service, told):
    text = "---\napiVersion: v1\nkind: Service\nmetadata:\n  name: prometheus\n  namespace: monitoring\nspec:\n"
    text = (
        PLAIN + BY_PORT.replace('"9090"', port) + text + f"  selector:\n    app: prometheus\n  ports:\n  - {service}\n"
    )
    assert mine(text).count("port-mode-for-no-port") == told
    if told:
        assert mine(repaired(text, only(text, "port-mode-for-no-port"))) == []


_GRAFANA = f"---\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: grafana\n  namespace: monitoring\nspec:\n  template:\n    metadata:\n      labels:\n        app: grafana\n{INJECT}    spec:\n      containers:\n      - name: grafana\n        image: grafana/grafana:13.0.0\n"  # noqa: E501
_RULE = "---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata:\n  name: p\n  namespace: monitoring\nspec:\n  host: prometheus\n  trafficPolicy:\n    tls:\n      mode: DISABLE\n"  # noqa: E501


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (but(PLAIN, NO_TLS_LABEL) + STRICT, 1),
        (but(PLAIN, (TLS_LABEL, TLS_LABEL.replace("disabled", "istio"))) + STRICT, 1),
        (but(PLAIN, NO_TLS_LABEL) + _GRAFANA, 1),
        (but(AGENT, NO_TLS_LABEL) + STRICT, 1),
        (PLAIN + STRICT + _GRAFANA, 0),
        (but(PLAIN, NO_TLS_LABEL), 0),
        (but(PLAIN, NO_TLS_LABEL) + _GRAFANA.replace('inject: "true"', 'inject: "false"'), 0),
        (but(PLAIN, NO_TLS_LABEL) + STRICT.replace("STRICT", "PERMISSIVE"), 0),
        (but(PLAIN, NO_TLS_LABEL) + STRICT.replace("namespace: monitoring", "namespace: shop"), 0),
        (but(PLAIN, NO_TLS_LABEL) + STRICT + BY_PORT, 0),
        (but(PLAIN, NO_TLS_LABEL) + STRICT + DISABLE, 0),
        (but(PLAIN, NO_TLS_LABEL) + STRICT + _RULE, 0),
        (but(PLAIN, NO_TLS_LABEL, (INBOUND, "")) + STRICT, 0),
        (MANUAL_PROXY + STRICT, 0),
    ],
)
def test_clients_must_not_send_mtls_to_what_cannot_unwrap_it(text, told):
    assert mine(text).count("clients-send-mtls") == told


@pytest.mark.parametrize(
    ("value", "told"), [("disabled", 0), ("istio", 0), ("disable", 1), ("DISABLE", 1), ("none", 1), ("custom", 0)]
)
def test_the_label_for_cleartext_has_two_values(value, told):
    text = but(PLAIN, (TLS_LABEL, TLS_LABEL.replace("disabled", value)))
    assert mine(text).count("tls-mode-label") == told


def test_the_label_is_no_annotation():
    text = but(PLAIN, NO_TLS_LABEL, ("      annotations:\n", f"      annotations:\n{TLS_LABEL}"))
    found = only(text, "tls-mode-label")
    assert found.severity == "warning"
    (scraper,) = setup_of(repaired(text, found)).scrapers
    assert scraper.pod.labels["security.istio.io/tlsMode"] == "disabled"
    assert "security.istio.io/tlsMode" not in scraper.pod.annotations
    assert mine(repaired(text, found)) == []


# ------------------------------------------------------------------------------------------------------- receivers

ALERTING = (
    "  alerting:\n    alertmanagers:\n    - name: alertmanager-operated\n      namespace: {where}\n      port: web\n"
)
_AT = "  podMonitorSelector: {}\n"


def alerting(where: str = "monitoring", more: str = "") -> str:
    return but(OPERATOR, (_AT, ALERTING.format(where=where) + more + _AT))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (alerting() + STRICT, 1),
        (alerting("shop") + STRICT, 0),
        (alerting() + STRICT.replace("STRICT", "PERMISSIVE"), 0),
        (alerting(more="      scheme: https\n") + STRICT, 0),
        (alerting() + STRICT + BY_PORT.replace("9090", "9093").replace("app: prometheus", "app: alertmanager"), 0),
        (of_namespace("monitoring") + alerting() + STRICT, 0),
        (of_namespace("monitoring", "istio-injection: enabled") + alerting() + STRICT, 1),
        (alerting("shop") + STRICT.replace("namespace: monitoring", "namespace: istio-system"), 0),
        (
            of_namespace("shop", "istio-injection: enabled")
            + alerting("shop")
            + STRICT.replace("namespace: monitoring", "namespace: istio-system"),
            1,
        ),
        (
            but(OPERATOR, (_AT, f"  remoteWrite:\n  - url: http://mimir.monitoring.svc:9009/api/v1/push\n{_AT}"))
            + STRICT,
            1,
        ),
        (but(OPERATOR, (_AT, f"  remoteWrite:\n  - url: https://mimir.monitoring.svc/api/v1/push\n{_AT}")) + STRICT, 0),
        (but(OPERATOR, (_AT, f"  remoteWrite:\n  - url: http://mimir.example.com/api/v1/push\n{_AT}")) + STRICT, 0),
    ],
)
def test_nobody_makes_mtls_of_what_prometheus_sends(text, told):
    assert mine(text).count("cleartext-into-strict") == told


_CONFIGURED = "    alerting:\n      alertmanagers:\n      - static_configs:\n        - targets: [{target}]\n    remote_write:\n    - url: {url}\n"  # noqa: E501


@pytest.mark.parametrize(
    ("target", "url", "told"),
    [
        ("alertmanager:9093", "https://x.example.com", 1),
        ("alertmanager.monitoring.svc:9093", "http://thanos.monitoring:19291/api/v1/receive", 2),
        ("alertmanager.shop:9093", "http://localhost:19291/api/v1/receive", 0),
        ("10.1.2.3:9093", "http://10.1.2.3:80/w", 0),
    ],
)
def test_a_configuration_that_sends_cleartext_is_read_too(target, url, told):
    told_of = but(
        CONFIGURATION, ("    scrape_configs:\n", _CONFIGURED.format(target=target, url=url) + "    scrape_configs:\n")
    )
    assert mine(f"{PLAIN}---\n{told_of}{STRICT}").count("cleartext-into-strict") == told


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("principals:\n        - cluster.local/ns/shop/sa/gateway", 1),
        ("principals:\n        - cluster.local/ns/monitoring/sa/prometheus", 0),
        ("principals:\n        - old.example/ns/monitoring/sa/prometheus", 0),
        ("principals:\n        - cluster.local/ns/monitoring/*", 0),
        ('principals:\n        - "*/sa/prometheus"', 0),
        ('principals:\n        - "*"', 0),
        ("namespaces:\n        - monitoring", 0),
        ("namespaces:\n        - shop", 1),
        ("notNamespaces:\n        - shop", 0),
        ("serviceAccounts:\n        - monitoring/prometheus", 0),
        ('requestPrincipals:\n        - "*"', 1),
    ],
)
def test_a_target_must_admit_prometheus(source, told):
    text = OPERATOR + but(GUARDED, ("principals:\n        - cluster.local/ns/shop/sa/gateway", source))
    assert mine(text).count("target-does-not-admit-prometheus") == told


@pytest.mark.parametrize(
    "change",
    [
        ("action: ALLOW", "action: DENY"),
        (
            "namespace: monitoring\nspec:\n  selector:\n    matchLabels:\n      app: web\n  action",
            "namespace: shop\nspec:\n  action",
        ),
        ('inject: "true"\n      annotations', 'inject: "false"\n      annotations'),
        ("containerPort: 9102", "containerPort: 15020"),
    ],
)
def test_policies_that_do_not_stop_prometheus_are_let_be(change):
    assert mine(OPERATOR + but(GUARDED, change)) == []


# ------------------------------------------------------------------------------------------------- ambient, and Jobs

AMBIENT = of_namespace("monitoring", "istio.io/dataplane-mode: ambient")
_LABELS = "        app: prometheus\n        sidecar"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (AMBIENT + PLAIN, "it stays out"),
        (AMBIENT + MANUAL_PROXY, "wraps its https once more"),
        (but(PLAIN, (_LABELS, f"        istio.io/dataplane-mode: ambient\n{_LABELS}")), "it stays out"),
        (of_namespace("shop", "istio.io/dataplane-mode: ambient") + PLAIN, ""),
        (AMBIENT + but(PLAIN, (_LABELS, f"        istio.io/dataplane-mode: none\n{_LABELS}")), ""),
        (AMBIENT + but(PLAIN, (METADATA, ""), ("/etc/prom-certs", "/data")), ""),
    ],
)
def test_ambient_and_certificates_do_not_go_together(text, says):
    found = [one for one in diagnose(text) if one.rule.id == "ambient-and-certificates"]
    assert len(found) == bool(says)
    for one in found:
        assert says in one.found
        assert mine(repaired(text, one)) == []


INJECTED = of_namespace("monitoring", "istio-injection: enabled")
JOB = "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: stack-admission-create\n  namespace: monitoring\nspec:\n  template:\n    spec:\n      containers:\n      - name: create\n        image: registry.k8s.io/ingress-nginx/kube-webhook-certgen:v1.6.3\n"  # noqa: E501


@pytest.mark.parametrize(
    ("text", "settings", "told"),
    [
        (INJECTED + JOB, {"istio": (1, 26)}, 1),
        (INJECTED + JOB, {"kubernetes": (1, 32)}, 1),
        (INJECTED + JOB, {"istio": (1, 27)}, 0),
        (of_namespace("monitoring") + JOB, {"istio": (1, 26)}, 0),
        (INJECTED + JOB.replace("kube-webhook-certgen", "other"), {"istio": (1, 26)}, 0),
    ],
)
def test_a_job_with_a_classic_proxy_never_ends(text, settings, told):
    assert mine(text, **settings).count("admission-job-never-ends") == told


RELEASE = """\
---
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata:
  name: stack
  namespace: monitoring
spec:
  chart:
    spec:
      chart: kube-prometheus-stack
      version: 88.5.3
      sourceRef: {kind: HelmRepository, name: prometheus-community}
  values:
    prometheus:
      prometheusSpec:
        replicas: 2
"""


def test_the_stacks_values_keep_its_jobs_out():
    text = INJECTED.removesuffix("---\n") + RELEASE
    found = only(text, "admission-job-never-ends", istio=(1, 26))
    assert mine(repaired(text, found), istio=(1, 26)) == []
    assert mine(text) == []
    for off in (
        "admissionWebhooks: {enabled: false}",
        "admissionWebhooks: {certManager: {enabled: true}}",
        "enabled: false",
    ):
        assert mine(f"{text}    prometheusOperator:\n      {off}\n", istio=(1, 26)) == []
