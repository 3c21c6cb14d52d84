"""Monitors of VictoriaMetrics' operator."""

from __future__ import annotations

import pytest

from generator.doctor.rules.examples import OPERATOR, WEB, but
from generator.doctor.rules.modes import _POLICY
from generator.monitoring.mtls import mtls_scrapes
from tests.doctor.helpers import diagnosis, ids, only, repaired, setup_of
from tests.doctor.scraping import mine

RESOURCE = OPERATOR.partition("---\n")[0]
#: The pattern in a VMAgent that takes up everything.
AGENT = (
    but(
        RESOURCE[: RESOURCE.index("  scrapeClasses:")],
        ("monitoring.coreos.com/v1", "operator.victoriametrics.com/v1beta1"),
        ("kind: Prometheus", "kind: VMAgent"),
        ("v3.14.0", "v1.130.0"),
    )
    + "  selectAllByDefault: true\n"
)
FILES = """\
tlsConfig:
  caFile: /etc/prom-certs/root-cert.pem
  certFile: /etc/prom-certs/cert-chain.pem
  keyFile: /etc/prom-certs/key.pem
  insecureSkipVerify: true
"""
SKIP = "insecureSkipVerify: true\n"


def scrape(kind: str, spec: str, *, labels: str = "{}") -> str:
    """An object of a kind; ``FILES`` in its spec stands for the certificates, as far in as that stands."""
    lines = [
        line.replace("FILES", "").rstrip("\n") + part if "FILES" in line else line
        for line in spec.splitlines(keepends=True)
        for part in (FILES.splitlines(keepends=True) if "FILES" in line else [""])
    ]
    head = f"apiVersion: operator.victoriametrics.com/v1beta1\nkind: {kind}\n"
    return f"---\n{head}metadata:\n  name: web\n  namespace: monitoring\n  labels: {labels}\nspec:\n{''.join(lines)}"


BY_SERVICE = scrape(
    "VMServiceScrape",
    "  selector:\n    matchLabels:\n      app: web\n  endpoints:\n"
    "  - port: http-metrics\n    scheme: https\n    FILES\n",
)
BY_POD = scrape(
    "VMPodScrape",
    "  selector:\n    matchLabels:\n      app: web\n  podMetricsEndpoints:\n"
    "  - port: http-metrics\n    scheme: https\n    FILES\n",
)
#: Each kind, over https with Istio's certificates.
EACH = {
    "VMServiceScrape": BY_SERVICE,
    "VMPodScrape": BY_POD,
    "VMStaticScrape": scrape(
        "VMStaticScrape", "  targetEndpoints:\n  - targets: [web:9102]\n    scheme: https\n    FILES\n"
    ),
    "VMNodeScrape": scrape("VMNodeScrape", "  port: '9100'\n  scheme: https\n  FILES\n"),
    "VMProbe": scrape("VMProbe", "  vmProberSpec:\n    url: blackbox:9115\n    scheme: https\n  FILES\n"),
    "VMScrapeConfig": scrape("VMScrapeConfig", "  staticConfigs:\n  - targets: [web:9102]\n  scheme: https\n  FILES\n"),
}
kinds = pytest.mark.parametrize("text", [pytest.param(AGENT + text, id=kind) for kind, text in EACH.items()])


@kinds
def test_each_kind_may_name_files(text):
    assert mine(text) == []
    assert len(mtls_scrapes(setup_of(text))) == 1
    assert not any("names certificate files" in one.message for one in diagnosis(text).unjudged)


@kinds
@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        (SKIP, "insecureSkipVerify: false\n", "skip-verify-missing"),
        ("scheme: https", "scheme: http", "https-missing"),
        ("/etc/prom-certs/key.pem", "/etc/other/key.pem", "wrong-directory"),
        ("keyFile", "#", "certificate-without-key"),
    ],
)
def test_each_kind_is_judged_and_repaired(text, old, new, rule):
    wrong = text.replace(old, new)
    found = only(wrong, rule)
    assert found.severity == "error"
    after = repaired(wrong, found)
    assert [one.rule.id for one in diagnosis(after).findings if one.severity != "info"] == []


def test_a_probes_scheme_may_stand_beside_its_prober():
    text = but(EACH["VMProbe"], ("    scheme: https\n", ""), ("  tlsConfig", "  scheme: https\n  tlsConfig"))
    assert mine(AGENT + text) == []


def test_a_static_target_may_bring_its_scheme():
    text = but(EACH["VMStaticScrape"], ("[web:9102]", "['https://web:9102']"), ("    scheme: https\n", ""))
    assert mine(AGENT + text) == []


@pytest.mark.parametrize("text", [BY_SERVICE, BY_POD])
def test_https_to_envoys_port_is_told_of_these_kinds_too(text):
    told = only(AGENT + but(text, ("port: http-metrics", "port: http-envoy-prom")), "https-to-merged")
    assert "asks port 15090 over https" in told.found


def test_https_to_a_permissive_port_is_told_of_these_kinds_too():
    text = AGENT + WEB + BY_POD + _POLICY.format(mode="PERMISSIVE")
    found = only(text, "https-to-permissive")
    assert found.severity == "error"
    assert mine(repaired(text, found)) == []


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        ("- action: keep\n      source_labels: [__meta_kubernetes_pod_container_name]\n      regex: istio-proxy", 1),
        (
            "- action: keep\n      sourceLabels: [__meta_kubernetes_pod_container_name]\n      regex: [a, istio-.+]",
            1,
        ),
        ("- action: keep\n      if: '{__meta_kubernetes_pod_container_name=\"istio-proxy\"}'", 0),
    ],
)
def test_relabelling_is_read_as_vmagent_does(rules, told):
    text = but(BY_POD, ("  - port: http-metrics\n", f"  - relabelConfigs:\n    {rules}\n"))
    assert mine(AGENT + text) == ["https-to-merged"] * told
    notes = [one.message for one in diagnosis(AGENT + text).unjudged if "which ports VMPodScrape" in one.message]
    assert len(notes) == 1 - told
    assert all(one.endswith("can't be judged: its relabelling has a condition of vmagent's") for one in notes)


def test_services_asked_themselves_have_no_port_of_the_proxys():
    text = but(
        BY_SERVICE, ("port: http-metrics", "port: http-envoy-prom"), ("spec:\n", "spec:\n  discoveryRole: service\n")
    )
    assert mine(AGENT + text) == []


# ---------------------------------------------------------------------------------------------------------- selection


@pytest.mark.parametrize(
    ("selectors", "taken"),
    [
        ("  selectAllByDefault: true\n", True),
        ("", False),
        ("  serviceScrapeSelector: {}\n", True),
        ("  podScrapeSelector: {}\n", False),
        ("  selectAllByDefault: true\n  serviceScrapeSelector:\n    matchLabels: {team: a}\n", True),
        ("  selectAllByDefault: true\n  serviceScrapeSelector:\n    matchLabels: {team: b}\n", False),
        ("  serviceScrapeNamespaceSelector: {}\n", True),
        ("  namespace: x\n", False),
    ],
)
@pytest.mark.parametrize("kind", ["VMServiceScrape", "ServiceMonitor"])
def test_a_vmagent_takes_up_what_it_selects(selectors, taken, kind):
    monitor = but(BY_SERVICE, ("labels: {}", "labels: {team: a}"))
    if kind == "ServiceMonitor":
        monitor = monitor.replace(
            "operator.victoriametrics.com/v1beta1\nkind: VMServiceScrape",
            "monitoring.coreos.com/v1\nkind: ServiceMonitor",
        )
    setup = setup_of(AGENT.replace("  selectAllByDefault: true\n", selectors) + monitor)
    assert [one.name for one in setup.scrapers for _ in setup.scrapes_of(one)] == ["main"] * taken


def test_a_prometheus_takes_up_none_of_them():
    text = but(RESOURCE, ("  podMonitorSelector: {}\n", "  probeSelector: {}\n")) + EACH["VMProbe"]
    assert setup_of(text).scrapes_of(setup_of(text).scrapers[0]) == []
    assert ["the VMAgent that takes it up" in one.message for one in diagnosis(text).unjudged] == [True]


def test_a_vmagents_class_counts_where_nothing_is_said_beside_it():
    named = BY_POD[: BY_POD.index("    tlsConfig")] + "  scrapeClass: mesh\n"
    indented = "".join(f"    {line}" for line in FILES.splitlines(keepends=True))
    agent = AGENT + "  scrapeClasses:\n  - name: mesh\n" + indented
    assert mine(agent + named) == []
    assert len(mtls_scrapes(setup_of(agent + named))) == 1
    assert mine(agent + but(named, ("    scheme: https\n", ""))) == ["https-missing"]
    beside = but(named, ("    scheme: https\n", "    scheme: https\n    tlsConfig:\n      serverName: web\n"))
    assert mine(agent + beside) == []  # its operator may take the rest from the class


# ------------------------------------------------------------------------------------------------- jobs of its own

INLINE = """\
  inlineScrapeConfig: |
    - job_name: mesh
      scheme: https
      tls_config:
        ca_file: /etc/prom-certs/root-cert.pem
        cert_file: /etc/prom-certs/cert-chain.pem
        key_file: /etc/prom-certs/key.pem
        insecure_skip_verify: true
      static_configs:
      - targets: [web:9102]
"""


def test_jobs_in_a_vmagent_are_judged_and_repaired():
    assert mine(AGENT + INLINE) == []
    text = AGENT + but(INLINE, ("        insecure_skip_verify: true\n", ""))
    found = only(text, "skip-verify-missing")
    assert found.resource == "VMAgent monitoring/main"
    assert text.splitlines()[(found.location.line or 0) - 1].strip() == "tls_config:"
    assert mine(repaired(text, found)) == []


@pytest.mark.parametrize("inline", ["'{{ .jobs }}'", "'{a: b}'", "'a: [b'"])
def test_jobs_in_a_vmagent_that_cant_be_read_are_told(inline):
    told = [one.message for one in diagnosis(f"{AGENT}  inlineScrapeConfig: {inline}\n").unjudged]
    assert "the jobs in inlineScrapeConfig of VMAgent monitoring/main can't be read" in told


# ------------------------------------------------------------------------------------------- secrets that it mounts

LISTING = """\
apiVersion: operator.victoriametrics.com/v1beta1
kind: VMAgent
metadata: {name: vm, namespace: monitoring}
spec:
  selectAllByDefault: true
  secrets: [mesh-certs]
  configMaps: [roots]
"""
#: Of the Prometheus Operator: converted, with the files that the secret is mounted as.
CONVERTED = BY_SERVICE.replace("operator.victoriametrics.com/v1beta1", "monitoring.coreos.com/v1").replace("VM", "")
ALIKE = """\
apiVersion: monitoring.coreos.com/v1
kind: Prometheus
metadata: {name: prom, namespace: monitoring}
spec:
  serviceMonitorSelector: {}
  secrets: [mesh-certs]
  configMaps: [roots]
---
"""


def naming(text: str, secrets: str, configs: str) -> str:
    """A text with its files in a listed secret, and the root in a ConfigMap."""
    rooted = text.replace("/etc/prom-certs/root-cert.pem", f"{configs}/roots/root-cert.pem")
    return rooted.replace("/etc/prom-certs/", f"{secrets}/mesh-certs/")


IN_VM = "/etc/vm/secrets", "/etc/vm/configs"
IN_PROMETHEUS = "/etc/prometheus/secrets", "/etc/prometheus/configmaps"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (LISTING + naming(BY_SERVICE, *IN_VM), []),
        (LISTING + naming(BY_SERVICE, *IN_PROMETHEUS), ["nothing-writes-certificates"]),
        (LISTING + naming(CONVERTED, *IN_PROMETHEUS), []),
        (LISTING + naming(CONVERTED, *IN_VM), []),
        (ALIKE + LISTING + naming(CONVERTED, *IN_PROMETHEUS), []),
    ],
)
def test_what_a_vmagent_lists_is_mounted_where_its_operator_does(text, says):
    assert sorted({"nothing-writes-certificates"} & set(ids(text))) == says


@pytest.mark.parametrize(("text", "place"), [(BY_SERVICE, IN_VM[0]), (CONVERTED, IN_PROMETHEUS[0])])
def test_the_dead_secret_of_a_vmagent_gives_way_where_it_was_mounted(text, place):
    wrong = LISTING.replace("mesh-certs", "istio.default") + text.replace("/etc/prom-certs", f"{place}/istio.default")
    after = repaired(wrong, only(wrong, "legacy-secret"))
    assert "mountPath: /etc/vm/secrets/istio.default" in after
    assert mine(after) == []
