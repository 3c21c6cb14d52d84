"""What migrate changes in a text, and what it leaves as it is."""

from __future__ import annotations

import json
from base64 import b64encode
from textwrap import indent
from typing import Any

import pytest

from generator.doctor.rules.examples import CONFIGURATION, OPERATOR, PLAIN, WORKLOAD_AND_CONFIGURATION, but
from generator.doctor.rules.spoiling import ANNOTATIONS, INBOUND, MEMORY, MOUNT, OUTBOUND
from generator.migrate.diffing import old_line, unified
from generator.yaml import load, load_documents
from tests.migrate.law import NAME, check_law, findings, repaired

LEGACY = but(PLAIN, (MEMORY, "secret:\n          secretName: istio.default"), (ANNOTATIONS, ""))
LABELS = PLAIN[PLAIN.index("      labels:") : PLAIN.index("      annotations:")]
SKIP = "        insecure_skip_verify: true\n"
UNVERIFIED = but(CONFIGURATION, (SKIP, ""))
WHY = "workload certificates name no host, only a SPIFFE URI, which Prometheus can't check"


def changes(old: str, new: str) -> list[str]:
    """The lines of a diff that say what changes."""
    return [line.rstrip("\n") for line in unified(NAME, old, new) if line[:3] not in {"---", "+++"} and line[0] in "+-"]


def test_a_right_setup_stays_as_it_is():
    assert repaired(WORKLOAD_AND_CONFIGURATION) == WORKLOAD_AND_CONFIGURATION
    assert repaired(OPERATOR) == OPERATOR


def test_the_secret_of_old_gives_way_to_the_pattern():
    assert changes(LEGACY, repaired(LEGACY)) == [
        "+      annotations:",
        "+        traffic.sidecar.istio.io/includeInboundPorts: ''",
        "+        traffic.sidecar.istio.io/includeOutboundIPRanges: ''",
        "+        sidecar.istio.io/rewriteAppHTTPProbers: 'false'",
        "+        prometheus.istio.io/merge-metrics: 'false'",
        "+        proxy.istio.io/config: |",
        "+          holdApplicationUntilProxyStarts: true",
        "+          proxyMetadata:",
        "+            OUTPUT_CERTS: /etc/istio-output-certs",
        f"+{MOUNT.rstrip()}",
        "-        secret:",
        "-          secretName: istio.default",
        "+        emptyDir:",
        "+          medium: Memory",
    ]


def test_line_ends_of_windows_stay():
    old = LEGACY.replace("\n", "\r\n")
    new = repaired(old)
    assert new == repaired(LEGACY).replace("\n", "\r\n")


def test_what_stands_in_a_string_is_changed_in_the_string_with_the_reason_above_it():
    assert changes(UNVERIFIED, repaired(f"{PLAIN}---\n{UNVERIFIED}").removeprefix(f"{PLAIN}---\n")) == [
        f"+        # {WHY}",
        "+        insecure_skip_verify: true",
    ]


def test_a_reason_is_given_once_in_a_text():
    job = UNVERIFIED[UNVERIFIED.index("    - job_name") :]
    new = repaired(f"{PLAIN}---\n{UNVERIFIED}{job.replace('istio-mtls', 'other')}")
    assert new.count("insecure_skip_verify: true") == 2
    assert new.count(WHY) == 1


def test_json_stays_json():
    old = json.dumps({"apiVersion": "v1", "kind": "List", "items": [_tree(PLAIN), _tree(UNVERIFIED)]}, indent=4)
    new = repaired(old)
    items = json.loads(new)["items"]
    assert "insecure_skip_verify: true" in items[1]["data"]["prometheus.yml"]
    assert new.count("\n") == old.count("\n")


@pytest.mark.parametrize("separator", ["\n", "", "\n\n"])
def test_several_values_of_json_with_tabs_are_changed_each_in_its_place(separator):
    one, two = json.dumps(_tree(LEGACY), indent="\t"), json.dumps(_tree(UNVERIFIED))
    new = repaired(f"{one}{separator}{two}\n")
    first, position = json.JSONDecoder().raw_decode(new)
    assert first["spec"]["template"]["spec"]["volumes"][1] == {
        "name": "istio-workload-certs",
        "emptyDir": {"medium": "Memory"},
    }
    assert new[position:].startswith(f'{separator}{{"apiVersion"')
    assert "\n\t\t\t\t\t\t" in new


def test_colons_between_brackets_stay_as_they_are():
    static = "      static_configs: [{targets: [localhost:9090]}]  # itself"
    old = f"{PLAIN}---\n{UNVERIFIED}    - job_name: self\n{static}\n"
    new = repaired(old)
    assert f"{static}\n" in new
    assert "insecure_skip_verify: true" in new
    workload = but(
        LEGACY, ("        args:\n        - --config", "        args: [--web.listen-address=:9090]\n        #- --config")
    )
    assert "args: [--web.listen-address=:9090]\n" in repaired(workload)


def test_values_within_other_manifests_are_changed_there():
    values = "prometheus:\n  prometheusSpec:\n    secrets: [istio.default, other]  # ours\n"
    release = "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata:\n  name: mon\nspec:\n"
    release += "  chart:\n    spec:\n      chart: kube-prometheus-stack\n      version: 80.x\n  values:\n"
    new = repaired(release + indent(values, "    "))
    assert "      secrets: [other]  # ours" in new.replace("        secrets", "      secrets")
    assert "OUTPUT_CERTS: /etc/istio-output-certs" in new


@pytest.mark.parametrize("header", ["|-", "|"])
def test_a_string_within_another_manifest_keeps_its_header(header):
    chart = "apiVersion: helm.cattle.io/v1\nkind: HelmChart\nmetadata:\n  name: mon\nspec:\n"
    chart += f"  chart: kube-prometheus-stack\n  valuesContent: {header}\n"
    new = repaired(f"{chart}    prometheus:\n      prometheusSpec:\n        secrets:\n        - istio.default\n")
    assert new.startswith(chart)
    assert "OUTPUT_CERTS: /etc/istio-output-certs" in new


def test_what_a_secret_holds_in_base64_is_told_and_not_touched():
    config = UNVERIFIED[UNVERIFIED.index("    scrape_configs") :]
    text = b64encode("\n".join(line[4:] for line in config.split("\n")).encode()).decode()
    workload = but(
        PLAIN, ("        configMap:\n          name: prometheus", "        secret:\n          secretName: config")
    )
    old = f"{workload}---\napiVersion: v1\nkind: Secret\nmetadata:\n  name: config\n  namespace: monitoring\ndata:\n"
    old += f"  prometheus.yml: {text}\n"
    migration = check_law(old)
    assert migration.texts[NAME] == old
    (refused,) = migration.refused
    assert refused.finding.rule.id == "skip-verify-missing"
    assert refused.problem.message == "what a Secret holds in base64 is not changed"
    assert migration.has_errors()


def test_what_a_secret_holds_as_text_is_changed():
    workload = but(
        PLAIN, ("        configMap:\n          name: prometheus", "        secret:\n          secretName: config")
    )
    secret = UNVERIFIED.replace("ConfigMap", "Secret").replace("name: prometheus\n", "name: config\n")
    assert "insecure_skip_verify: true" in repaired(f"{workload}---\n{secret.replace('data:', 'stringData:')}")


def test_a_label_that_comes_in_leaves_a_selector_alone_that_shares_its_labels():
    shared = but(
        LEGACY,
        (
            "    matchLabels:\n      app: prometheus\n",
            "    matchLabels: &labels\n      app: prometheus  # never changes\n",
        ),
        (
            LABELS,
            "      labels: *labels\n",
        ),
    )
    new = repaired(shared)
    assert "      app: prometheus  # never changes\n  template:" in new
    tree = _tree(new)
    assert tree["spec"]["selector"] == {"matchLabels": {"app": "prometheus"}}
    assert tree["spec"]["template"]["metadata"]["labels"]["sidecar.istio.io/inject"] == "true"


def test_a_label_that_comes_in_leaves_a_selector_alone_whose_labels_it_carries():
    merged = but(
        LEGACY,
        ("    matchLabels:\n      app: prometheus\n", "    matchLabels: *labels\n"),
        ("metadata:\n  name: prometheus\n", "metadata:\n  labels: &labels\n    app: prometheus\n  name: prometheus\n"),
        (
            LABELS,
            "      labels:\n        <<: *labels\n",
        ),
    )
    tree = _tree(repaired(merged))
    assert tree["spec"]["selector"] == {"matchLabels": {"app": "prometheus"}}
    assert tree["metadata"]["labels"] == {"app": "prometheus"}


def test_a_key_that_is_misspelt_is_renamed_where_it_stands():
    monitor = "apiVersion: monitoring.coreos.com/v1\nkind: PodMonitor"
    right = but(OPERATOR, (monitor, monitor.replace("\n", "  # of the operator\n")))
    wrong = but(right, ("apiVersion: monitoring.coreos.com/v1  # of", "iVersion: monitoring.coreos.com/v1  # of"))
    assert repaired(wrong) == right


def test_comments_go_along_with_what_moves():
    outer = "  annotations:\n    # Nothing is to be caught.\n"
    outer += '    traffic.sidecar.istio.io/includeOutboundIPRanges: ""  # nothing\n'
    old = but(PLAIN, (OUTBOUND, ""), ("  namespace: monitoring\n", f"  namespace: monitoring\n{outer}"))
    new = repaired(old)
    moved = 'traffic.sidecar.istio.io/includeOutboundIPRanges: ""  # nothing\n'
    assert f"        # Nothing is to be caught.\n        {moved}" in new
    assert new.count("Nothing is to be caught") == 1


WRAPPED = "    insecureSkipVerify: true  # no security naming,\n                              # thus no names\n"


def beside_empty_tls(beside: str) -> str:
    """A monitor with lines below its scheme."""
    monitor = but(OPERATOR, ("kind: PodMonitor", "kind: ServiceMonitor"), ("podMetricsEndpoints", "endpoints"))
    return but(monitor, ("  scrapeClass: istio-mtls\n", ""), ("    scheme: https\n", f"    scheme: https\n{beside}"))


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_what_is_indented_keeps_all_that_stands_around_it(newline):
    rest = f"""\
    # the root
    caFile: /etc/prom-certs/root-cert.pem # of the mesh
    # the certificate

    certFile: &c "/etc/prom-certs/cert-chain.pem"
    keyFile: '/etc/prom-certs/key.pem'
    # Istio
{WRAPPED}"""
    head = "    tlsConfig:  # files\n      # of Istio\n"
    old = beside_empty_tls(f"{head}{rest}    # further\n    interval: 15s\n")
    assert repaired(old.replace("\n", newline)) == old.replace(rest, indent(rest, "  ")).replace("\n", newline)


def test_a_comment_of_several_lines_goes_along_from_between_other_fields():
    old = beside_empty_tls(f"    tlsConfig:\n    interval: 15s\n{WRAPPED}")
    assert indent(WRAPPED, "  ") in repaired(old)
    assert repaired(old).count("thus no names") == 1


def test_what_is_indented_keeps_its_comments_and_quotes():
    beside = """\
    tlsConfig:
    # the root
    caFile: /etc/prom-certs/root-cert.pem # of the mesh
    certFile: "/etc/prom-certs/cert-chain.pem"
    keyFile: '/etc/prom-certs/key.pem'
    insecureSkipVerify: true  # no security naming
"""
    old = beside_empty_tls(beside)
    first, _, rest = beside.partition("\n")
    indented = f"{first}\n{indent(rest, '  ')}"
    assert repaired(old) == old.replace(beside, indented)


def monitor_sharing(more: str) -> str:
    monitor = OPERATOR[: OPERATOR.index("  podMetricsEndpoints")].replace("kind: PodMonitor", "kind: ServiceMonitor")
    return (
        monitor.replace("  scrapeClass: istio-mtls\n", "")
        + f"""\
  endpoints:
  - port: http-a
    scheme: &s https
    tlsConfig: &tls  # of the mesh
      caFile: "/etc/prom-certs/root-cert.pem"
      certFile: "/etc/prom-certs/cert-chain.pem"
      keyFile: "/etc/prom-certs/key.pem"
  - port: http-b
    scheme: *s
    tlsConfig: *tls
  - port: http-c
    scheme: *s
    tlsConfig:
      <<: *tls
      serverName: a
{more}"""
    )


def test_what_all_places_lack_that_share_an_anchor_is_added_once():
    old = monitor_sharing("")
    new = repaired(old)
    line = "      insecureSkipVerify: true\n"
    assert new.count(line) == old.count(line) + 1
    assert len(new.splitlines()) == len(old.splitlines()) + 2
    assert new.count("*tls") == old.count("*tls")


def test_what_another_place_has_of_an_anchor_stays_as_it_is():
    old = monitor_sharing("  x: *tls\n")
    before: Any = load_documents(old, "a.yaml")[-1]
    after: Any = load_documents(repaired(old), "a.yaml")[-1]
    assert after["spec"]["x"] == before["spec"]["x"]
    assert all(one["tlsConfig"]["insecureSkipVerify"] for one in after["spec"]["endpoints"])


def test_a_comment_that_silences_a_rule_keeps_its_fix_away():
    old = but(LEGACY, ("secretName: istio.default", "secretName: istio.default  # sidecert: ignore legacy-secret"))
    migration = check_law(old)
    assert "secretName: istio.default" in migration.texts[NAME]
    assert "legacy-secret" not in [made.rule for made in migration.made]


def test_what_doctor_only_tells_is_left_alone():
    old = but(PLAIN, (INBOUND, ""))
    assert findings(old) == []
    assert repaired(old) == old


def test_a_diff_tells_of_a_text_without_an_end():
    assert list(unified("a", "x: 1", "x: 2\n"))[2:] == [
        "@@ -1 +1 @@\n",
        "-x: 1\n\\ No newline at end of file\n",
        "+x: 2\n",
    ]
    assert list(unified("a", "x: 1", "x: 1")) == []


@pytest.mark.parametrize(("new", "old"), [(1, 1), (2, 2), (3, 2), (4, 3), (5, 4), (9, 9)])
def test_a_line_of_the_result_is_known_by_the_line_that_the_user_has(new, old):
    assert old_line("a\nb\nc\nd\n", "a\nB\nB\nc\nd\n", new) == old


def _tree(text: str) -> Any:
    return load(text, NAME)


RELEASE = """\
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: mon, namespace: monitoring}
spec:
  chart: {spec: {chart: kube-prometheus-stack, version: 75.0.0}}
  values:
    prometheus:
      prometheusSpec:
        secrets: [istio.default]
        additionalScrapeConfigs:
        - job_name: mtls
          scheme: https
          enable_http2: false
          tls_config:
            ca_file: /etc/prometheus/secrets/istio.default/root-cert.pem
            cert_file: /etc/prometheus/secrets/istio.default/cert-chain.pem
            key_file: /etc/prometheus/secrets/istio.default/key.pem
            insecure_skip_verify: true
          kubernetes_sd_configs: [{role: pod}]
          relabel_configs:
          - {source_labels: [__meta_kubernetes_pod_container_port_name], action: keep, regex: http-app}
"""


def test_no_list_is_begun_in_values_that_are_laid_over_others():
    layered = but(RELEASE, ("  values:\n", "  valuesFrom:\n  - {kind: ConfigMap, name: defaults}\n  values:\n"))
    migration = check_law(layered)
    assert migration.made == ()
    (left,) = [one for one in migration.left if one.severity == "error"]
    assert left.rule.id == "legacy-secret"
    assert left.fix is not None
    assert left.fix.says.endswith("; the list volumes of the other values would be lost: write it whole")
    assert not [one for one in check_law(RELEASE).left if one.severity == "error"]
