"""Jobs that ask the proxies of other pods."""

from __future__ import annotations

import pytest

from generator.doctor import RULES
from generator.doctor.rules.examples import but
from generator.doctor.rules.proxies import metrics_for_localhost_only
from tests.doctor.helpers import ids, only

assert metrics_for_localhost_only.__module__.endswith("proxies")  # its import fills RULES
LOCAL_ONLY = RULES["metrics-for-localhost-only"].wrong
LEFT_OUT = RULES["native-proxies-left-out"].wrong


def test_a_pod_that_answers_itself_alone_is_named_with_the_job_that_asks():
    finding = only(LOCAL_ONLY, "metrics-for-localhost-only")
    assert finding.found == "METRICS_LOCALHOST_ACCESS_ONLY closes port 15020 to others, and job istio-mtls asks it"
    assert str(finding.document) == "Deployment monitoring/web"


@pytest.mark.parametrize(
    "text",
    [
        LOCAL_ONLY.replace('"true"\n    spec', '"false"\n    spec'),
        LOCAL_ONLY.replace("METRICS_LOCALHOST_ACCESS_ONLY", "ANOTHER"),
        LOCAL_ONLY.replace("      kubernetes_sd_configs:\n      - role: pod", "      static_configs: []"),
    ],
)
def test_one_that_answers_all_or_that_nobody_asks_is_fine(text):
    assert "metrics-for-localhost-only" not in ids(text)


SECURE = LOCAL_ONLY.replace(
    '            METRICS_LOCALHOST_ACCESS_ONLY: "true"\n',
    '            METRICS_LOCALHOST_ACCESS_ONLY: "true"\n            ENVOY_SECURE_MERGED_METRICS_PORT: "15092"\n',
)
ANNOTATION = "__meta_kubernetes_pod_annotation_prometheus_istio_io_secure_port"
JOB = f"""\
    - job_name: secure
      scheme: https
      tls_config:
        ca_file: /etc/prom-certs/root-cert.pem
        cert_file: /etc/prom-certs/cert-chain.pem
        key_file: /etc/prom-certs/key.pem
        insecure_skip_verify: true
      kubernetes_sd_configs:
      - role: pod
      relabel_configs:
      - source_labels: [{ANNOTATION}]
        action: keep
        regex: .+
      - source_labels: [__meta_kubernetes_pod_ip, {ANNOTATION}]
        regex: (.+);(.+)
        replacement: $1:$2
        target_label: __address__
"""


def test_a_pod_whose_secure_port_a_job_scrapes_is_to_be_dropped_by_the_other():
    text = but(SECURE, ("    scrape_configs:\n", f"    scrape_configs:\n{JOB}"))
    finding = only(text, "metrics-for-localhost-only", istio=(1, 31, 0))
    assert finding.fix is not None
    assert finding.fix.says == "have job istio-mtls drop such pods: job secure scrapes their secure metrics port"
    rules = "      relabel_configs:\n" + "".join(f"      {line}\n" for line in finding.fix.yaml.splitlines()[1:])
    start, end = text.split("    - job_name: istio-mtls\n")
    dropping = f"{start}    - job_name: istio-mtls\n" + end.replace("      relabel_configs:\n", rules, 1)
    assert "metrics-for-localhost-only" not in ids(dropping, istio=(1, 31, 0))
    assert "take the variable out" in str(only(text, "metrics-for-localhost-only", istio=(1, 30, 0)).fix)


def test_older_agents_do_not_know_the_variable():
    assert "metrics-for-localhost-only" not in ids(LOCAL_ONLY, istio=(1, 21, 0))


def test_a_job_that_leaves_init_containers_out_finds_no_native_proxy():
    finding = only(LEFT_OUT, "native-proxies-left-out")
    assert finding.found == "job istio-mtls keeps the ports of proxies, and leaves init containers out"


@pytest.mark.parametrize(
    "text",
    [
        LEFT_OUT.replace('action: drop\n        regex: "true"', 'action: keep\n        regex: "true|false"'),
        LEFT_OUT.replace('action: drop\n        regex: "true"', "action: keep\n        regex: true"),
        LEFT_OUT.replace("regex: istio-proxy", "regex: .*"),
        LEFT_OUT.replace("regex: istio-proxy", "regex: web"),
    ],
)
def test_one_that_takes_them_or_wants_no_proxies_is_fine(text):
    assert "native-proxies-left-out" not in ids(text)


def test_one_that_leaves_them_out_without_quotes_is_told():
    assert "native-proxies-left-out" in ids(
        LEFT_OUT.replace('drop\n        regex: "true"', "drop\n        regex: true")
    )


@pytest.mark.parametrize("versions", [{"istio": (1, 26, 0)}, {"kubernetes": (1, 32)}])
def test_classic_sidecars_are_no_init_containers(versions):
    assert "native-proxies-left-out" not in ids(LEFT_OUT, **versions)
