"""Setups without a fault, which the examples of rules spoil in one place each."""

from __future__ import annotations

PLAIN = """\
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: prometheus
  namespace: monitoring
spec:
  serviceName: prometheus
  selector:
    matchLabels:
      app: prometheus
  template:
    metadata:
      labels:
        app: prometheus
        sidecar.istio.io/inject: "true"
        security.istio.io/tlsMode: disabled
      annotations:
        traffic.sidecar.istio.io/includeInboundPorts: ""
        traffic.sidecar.istio.io/includeOutboundIPRanges: ""
        proxy.istio.io/config: |
          holdApplicationUntilProxyStarts: true
          proxyMetadata:
            OUTPUT_CERTS: /etc/istio-output-certs
        sidecar.istio.io/userVolumeMount: '{"istio-workload-certs":{"mountPath":"/etc/istio-output-certs"}}'
        sidecar.istio.io/rewriteAppHTTPProbers: "false"
        prometheus.istio.io/merge-metrics: "false"
    spec:
      serviceAccountName: prometheus
      containers:
      - name: prometheus
        image: quay.io/prometheus/prometheus:v3.14.0
        args:
        - --config.file=/etc/prometheus/prometheus.yml
        volumeMounts:
        - name: config
          mountPath: /etc/prometheus
        - name: istio-workload-certs
          mountPath: /etc/prom-certs
          readOnly: true
      volumes:
      - name: config
        configMap:
          name: prometheus
      - name: istio-workload-certs
        emptyDir:
          medium: Memory
"""

CONFIGURATION = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: prometheus
  namespace: monitoring
data:
  prometheus.yml: |
    scrape_configs:
    - job_name: istio-mtls
      scheme: https
      tls_config:
        ca_file: /etc/prom-certs/root-cert.pem
        cert_file: /etc/prom-certs/cert-chain.pem
        key_file: /etc/prom-certs/key.pem
        insecure_skip_verify: true
      enable_http2: false
      kubernetes_sd_configs:
      - role: pod
      relabel_configs:
      - source_labels: [__meta_kubernetes_pod_container_port_name]
        action: keep
        regex: http-metrics
"""

WORKLOAD_AND_CONFIGURATION = f"{PLAIN}---\n{CONFIGURATION}"

OPERATOR = """\
apiVersion: monitoring.coreos.com/v1
kind: Prometheus
metadata:
  name: main
  namespace: monitoring
spec:
  version: v3.14.0
  serviceAccountName: prometheus
  podMetadata:
    labels:
      sidecar.istio.io/inject: "true"
      security.istio.io/tlsMode: disabled
    annotations:
      traffic.sidecar.istio.io/includeInboundPorts: ""
      traffic.sidecar.istio.io/includeOutboundIPRanges: ""
      proxy.istio.io/config: |
        holdApplicationUntilProxyStarts: true
        proxyMetadata:
          OUTPUT_CERTS: /etc/istio-output-certs
      sidecar.istio.io/userVolumeMount: '{"istio-workload-certs":{"mountPath":"/etc/istio-output-certs"}}'
      sidecar.istio.io/rewriteAppHTTPProbers: "false"
      prometheus.istio.io/merge-metrics: "false"
  volumes:
  - name: istio-workload-certs
    emptyDir:
      medium: Memory
  volumeMounts:
  - name: istio-workload-certs
    mountPath: /etc/prom-certs
    readOnly: true
  scrapeClasses:
  - name: istio-mtls
    tlsConfig:
      caFile: /etc/prom-certs/root-cert.pem
      certFile: /etc/prom-certs/cert-chain.pem
      keyFile: /etc/prom-certs/key.pem
      insecureSkipVerify: true
  podMonitorSelector: {}
  serviceMonitorSelector: {}
---
apiVersion: monitoring.coreos.com/v1
kind: PodMonitor
metadata:
  name: web
  namespace: monitoring
spec:
  selector:
    matchLabels:
      app: web
  scrapeClass: istio-mtls
  podMetricsEndpoints:
  - port: http-metrics
    scheme: https
    enableHttp2: false
"""


#: An application in the mesh beside them, whose metrics aren't merged.
WEB = """\
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: monitoring
spec:
  selector:
    matchLabels:
      app: web
  template:
    metadata:
      labels:
        app: web
        sidecar.istio.io/inject: "true"
      annotations:
        prometheus.istio.io/merge-metrics: "false"
    spec:
      containers:
      - name: web
        image: registry.example.com/web:1.4.2
        ports:
        - name: http-metrics
          containerPort: 9102
"""


def but(example: str, *changes: tuple[str, str]) -> str:
    """Give an example with parts of it replaced, each of which stands in it once; raises ValueError for others."""
    for old, new in changes:
        if example.count(old) != 1:
            raise ValueError(f"{old!r} stands {example.count(old)} times in the example")
        example = example.replace(old, new)
    return example
