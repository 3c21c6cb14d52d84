"""Setups as guides describe them, with the guides' slips, and public manifests: all come out right."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from generator.migrate import migrate, open_sources
from generator.monitoring import Settings
from generator.yaml import load_documents
from tests.migrate.law import NAME, check_law

ROOT = Path(__file__).parents[2]
OUTPUT = ROOT / "output" / "manifests"
CORPUS = ROOT.parent / "shared" / "corpus"

CONFIGURATION = """\
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: prometheus
  namespace: app-metrics
data:
  prometheus.yaml: |
    scrape_configs:
    # everything with a sidecar
    - job_name: secure
      scheme: https
      tls_config:
        ca_file: DIRECTORY/root-cert.pem
        cert_file: DIRECTORY/cert-chain.pem
        key_file: DIRECTORY/key.pem
        insecure_skip_verify: true
      kubernetes_sd_configs:
      - role: pod
      relabel_configs:
      - source_labels: [__meta_kubernetes_pod_container_port_name]
        action: keep
        regex: http-metrics
"""
WORKLOAD = """\
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: prometheus, namespace: app-metrics}
spec:
  serviceName: prometheus
  selector:
    matchLabels: {app: prometheus}
  template:
    metadata:
      labels: {app: prometheus}
ANNOTATIONS    spec:
      serviceAccountName: SERVICE_ACCOUNT
      containers:
        - name: prometheus
          image: "prom/prometheus:v2.53.0"
          args: ["--config.file=/etc/prometheus/prometheus.yaml"]
          volumeMounts:
            - mountPath: /etc/prometheus
              name: config
            - mountPath: MOUNT   # the certificates
              name: "istio-certs"
      volumes:
        - name: config
          configMap: {name: prometheus}
"""
SECRET = """\
        - name: "istio-certs"
          secret:
            defaultMode: 420
            secretName: "istio.SERVICE_ACCOUNT"
"""
ANNOTATIONS = """\
      annotations:
        sidecar.istio.io/inject: "true"
        traffic.sidecar.istio.io/includeInboundPorts: ""
        traffic.sidecar.istio.io/includeOutboundIPRanges: ""
        proxy.istio.io/config: |
          proxyMetadata:
            OUTPUT_CERTS: /etc/istio-output-certs
        sidecar.istio.io/userVolume: '[{"name": "istio-certs", "emptyDir": {"medium":"Memory"}}]'
        sidecar.istio.io/userVolumeMount: '[{"name": "istio-certs", "mountPath": "/etc/istio-output-certs"}]'
"""
POLICIES = """\
---
apiVersion: networking.istio.io/v1beta1
kind: Sidecar
metadata: {name: prometheus, namespace: app-metrics}
spec:
  egress:
  - hosts: [istio-system/istiod.istio-system.svc.cluster.local]
  workloadSelector:
    labels: {app: prometheus}
---
apiVersion: security.istio.io/v1beta1
kind: PeerAuthentication
metadata: {name: prometheus, namespace: app-metrics}
spec:
  mtls:
    mode: DISABLE
  selector:
    matchLabels: {app: prometheus}
"""


def trees(text: str) -> list[Any]:
    return load_documents(text, NAME)


@pytest.mark.parametrize("account", ["default", "prometheus"])
@pytest.mark.parametrize("directory", ["/etc/certs", "/etc/istio-certs", "/etc/prometheus/secrets/istio.default"])
def test_the_secret_of_the_service_account_gives_way_and_jobs_find_the_files_where_they_look(account, directory):
    text = WORKLOAD.replace("ANNOTATIONS", "") + SECRET + CONFIGURATION
    text = text.replace("MOUNT", directory).replace("DIRECTORY", directory).replace("SERVICE_ACCOUNT", account)
    migration = check_law(text)
    assert migration.left == ()
    new = migration.texts[NAME]
    pod = trees(new)[0]["spec"]["template"]
    assert pod["spec"]["volumes"][1] == {"name": "istio-certs", "emptyDir": {"medium": "Memory"}}
    assert pod["metadata"]["labels"]["sidecar.istio.io/inject"] == "true"
    assert pod["metadata"]["annotations"]["traffic.sidecar.istio.io/includeOutboundIPRanges"] == ""
    assert "- mountPath: " + directory + "   # the certificates\n" in new
    assert CONFIGURATION.replace("DIRECTORY", directory) in new


def test_a_volume_that_injection_brings_stays_and_the_policy_leaves_what_renews_certificates():
    text = (
        WORKLOAD.replace("ANNOTATIONS", ANNOTATIONS).replace("SERVICE_ACCOUNT", "prometheus") + POLICIES + CONFIGURATION
    )
    text = text.replace("MOUNT", "/etc/prom-certs/").replace("DIRECTORY", "/etc/prom-certs")
    migration = check_law(text)
    assert migration.left == ()
    workload, sidecar, policy, _ = trees(migration.texts[NAME])
    assert workload["spec"]["template"]["spec"] == trees(text)[0]["spec"]["template"]["spec"]
    assert sidecar == trees(text)[1]
    assert "mtls" not in policy["spec"]
    assert policy["spec"]["portLevelMtls"] == {"9090": {"mode": "DISABLE"}}


BY_HAND = """\
        - name: istio-proxy
          image: docker.io/istio/proxyv2:1.5.1
          args: [proxy, sidecar, --discoveryAddress, "istio-pilot.istio-system.svc:15012", --statusPort, "15020"]
          env:
          - {name: OUTPUT_CERTS, value: /etc/istio-certs}
          - {name: CA_ADDR, value: "istio-pilot.istio-system.svc:15012"}
          - {name: POD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
          - {name: POD_NAMESPACE, valueFrom: {fieldRef: {fieldPath: metadata.namespace}}}
          - {name: SERVICE_ACCOUNT, valueFrom: {fieldRef: {fieldPath: spec.serviceAccountName}}}
          volumeMounts:
          - {mountPath: /var/run/secrets/istio, name: istiod-ca-cert}
          - {mountPath: /var/run/secrets/tokens, name: istio-token}
          - {mountPath: /etc/istio-certs/, name: istio-certs}
"""
VOLUMES = """\
        # the proxy's
        - name: istio-cert
          emptyDir: {medium: Memory}
        - name: istio-token
          projected:
            sources:
            - serviceAccountToken: {audience: istio-ca, expirationSeconds: 43200, path: istio-token}
        - name: istiod-ca-cert
          configMap: {name: istio-ca-root-cert}
"""


def test_a_proxy_by_hand_gets_its_volume_by_its_name_and_prometheus_gets_the_files():
    own = '            - mountPath: MOUNT   # the certificates\n              name: "istio-certs"\n'
    annotation = '      annotations: {sidecar.istio.io/inject: "false"}\n'
    text = WORKLOAD.replace(own, BY_HAND).replace("ANNOTATIONS", annotation) + VOLUMES + CONFIGURATION
    text = text.replace("SERVICE_ACCOUNT", "prometheus").replace("DIRECTORY", "/etc/istio-certs")
    migration = check_law(text)
    assert not migration.has_errors()
    spec = trees(migration.texts[NAME])[0]["spec"]["template"]["spec"]
    prometheus, proxy = spec["containers"]
    assert prometheus["volumeMounts"][1] == {"name": "istio-cert", "mountPath": "/etc/istio-certs", "readOnly": True}
    assert proxy["volumeMounts"][2] == {"name": "istio-cert", "mountPath": "/etc/istio-certs/"}
    assert "istio-pilot" not in migration.texts[NAME]
    assert VOLUMES in migration.texts[NAME]


OPERATED = """\
apiVersion: monitoring.coreos.com/v1
kind: Prometheus
metadata:
  name: default
spec:
  podMetadata:
    annotations:
      proxy.istio.io/config: |  # where the proxy writes
        proxyMetadata:
          OUTPUT_CERTS: /etc/istio-output-certs
      sidecar.istio.io/userVolumeMount: '[{"name": "istio-certs", "mountPath": "/etc/istio-output-certs"}]'
      traffic.sidecar.istio.io/includeInboundPorts: ""
      traffic.sidecar.istio.io/includeOutboundIPRanges: ""
  volumes:
  - emptyDir: {medium: Memory}
    name: istio-certs
  volumeMounts:
  - mountPath: /etc/prom-certs/
    name: istio-certs
  version: v2.26.0
  serviceMonitorSelector:
    matchLabels: {team: bookinfo}
---
iVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata:
  name: productpage
  labels: {team: bookinfo}
spec:
  selector:
    matchLabels: {app: productpage}
  endpoints:
  - port: http-9080
    scheme: https
    tlsConfig:
      caFile: /etc/prom-certs/root-cert.pem
      certFile: /etc/prom-certs/cert-chain.pem
      keyFile: /etc/prom-certs/key.pem
      insecureSkipVerify: true
"""


def test_an_operators_prometheus_keeps_its_volume_and_gets_a_version_that_can():
    migration = check_law(OPERATED)
    assert migration.left == ()
    expected = OPERATED.replace("\niVersion", "\napiVersion").replace("v2.26.0", "v2.55.1")
    assert migration.texts[NAME] == expected


# ----------------------------------------------------------------------------------------------- real manifests


@pytest.mark.parametrize("folder", sorted({str(path.parent.relative_to(OUTPUT)) for path in OUTPUT.rglob("*.yaml")}))
def test_our_own_output_stays_as_it_is(folder):
    sources = open_sources([str(OUTPUT / folder)]).texts
    migration = migrate(sources, Settings())
    assert (migration.made, migration.left) == ((), ())
    assert migration.texts == {source.name: source.text for source in sources}


#: What is repaired in public manifests; nothing in all others.
MADE: dict[str, list[str]] = {
    "SAP-samples__btp-kyma-day2-operations__prometheus_values": ["certificates-on-disk"],
    "fluxcd__flagger__istio-prometheus": ["legacy-secret", "prometheus-too-old", "https-to-merged"],
    "istio__installer__istio-prometheus.gen": ["legacy-secret", "https-to-merged"],
    "verrazzano__verrazzano__prometheus_configmap": ["https-to-merged"],
    "verrazzano__verrazzano__prometheus_deployment": ["legacy-secret"],
    "istio__istio__1.6.0-addon_k8s_override.golden": ["dead-agent-flag"],
    "prometheus-operator__prometheus-operator__scrapeclass-example-definition": ["nothing-writes-certificates"],
    "microservices-demo__microservices-demo__06-prometheus-dep": ["prometheus-too-old"],
    "VictoriaMetrics__debug-notes__vmagent-demo": ["outbound-intercepted"],
    "istio__istio__prometheus_vm_tls": ["prometheus-too-old"],
    "kyma-project__kyma__14fc7c1d-prometheus-istio-values": [
        "annotations-on-the-workload",
        "volume-missing",
        "nobody-reads-certificates",
        "prometheus-too-old",
    ],
}


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the public manifests are not here")
@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in sorted(CORPUS.glob("*/*.yaml"))])
def test_public_manifests_get_the_repairs_that_they_need_and_keep_all_else(path):
    with path.open(newline="") as file:
        text = file.read()
    migration = check_law(text)
    assert [made.rule for made in migration.made] == MADE.get(path.stem, [])
    old, new = text.splitlines(keepends=True), migration.texts[NAME].splitlines(keepends=True)
    comments = [line for line in old if line.lstrip().startswith("#")]
    assert [line for line in new if line in set(comments)] == comments
