"""Parts of `examples.PLAIN` that examples of several rules take out or change; no rules."""

from __future__ import annotations

from generator.doctor.rules.examples import PLAIN, but

MEMORY = "emptyDir:\n          medium: Memory"
HOLD = "          holdApplicationUntilProxyStarts: true\n"
OUTPUT_CERTS = "OUTPUT_CERTS: /etc/istio-output-certs"
METADATA = f"          proxyMetadata:\n            {OUTPUT_CERTS}\n"
CONFIG = f"        proxy.istio.io/config: |\n{HOLD}{METADATA}"
MOUNT_VALUE = '\'{"istio-workload-certs":{"mountPath":"/etc/istio-output-certs"}}\''
MOUNT = f"        sidecar.istio.io/userVolumeMount: {MOUNT_VALUE}\n"
INJECT = '        sidecar.istio.io/inject: "true"\n'
INBOUND = '        traffic.sidecar.istio.io/includeInboundPorts: ""\n'
OUTBOUND = '        traffic.sidecar.istio.io/includeOutboundIPRanges: ""\n'
READER = "        - name: istio-workload-certs\n          mountPath: /etc/prom-certs\n          readOnly: true\n"
CERTS_VOLUME = f"      - name: istio-workload-certs\n        {MEMORY}\n"
CONTAINERS = "      containers:\n      - name: prometheus\n"
ANNOTATIONS = PLAIN[PLAIN.index("      annotations:\n") : PLAIN.index("    spec:\n      serviceAccountName")]

BY_HAND = """\
      - name: istio-proxy
        image: registry.istio.io/release/proxyv2:1.30.3
        args: [proxy, sidecar, --domain, $(POD_NAMESPACE).svc.cluster.local]
        lifecycle:
          postStart:
            exec:
              command: [pilot-agent, wait]
        env:
        - {name: OUTPUT_CERTS, value: /etc/istio-output-certs}
        - {name: CA_ADDR, value: "istiod.istio-system.svc:15012"}
        - {name: PILOT_CERT_PROVIDER, value: istiod}
        - name: POD_NAME
          valueFrom: {fieldRef: {fieldPath: metadata.name}}
        - name: POD_NAMESPACE
          valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
        - name: SERVICE_ACCOUNT
          valueFrom: {fieldRef: {fieldPath: spec.serviceAccountName}}
        volumeMounts:
        - {name: istio-workload-certs, mountPath: /etc/istio-output-certs}
        - {name: istiod-ca-cert, mountPath: /var/run/secrets/istio}
        - {name: istio-token, mountPath: /var/run/secrets/tokens}
"""
_VOLUMES = """\
      volumes:
      - name: istiod-ca-cert
        configMap:
          name: istio-ca-root-cert
      - name: istio-token
        projected:
          sources:
          - serviceAccountToken: {audience: istio-ca, expirationSeconds: 43200, path: istio-token}
"""
#: A setup without fault whose proxy the manifest spells out.
MANUAL = but(
    PLAIN,
    (INJECT, '        sidecar.istio.io/inject: "false"\n'),
    (ANNOTATIONS, ""),
    (CONTAINERS, f"      containers:\n{BY_HAND}      - name: prometheus\n"),
    ("      volumes:\n", _VOLUMES),
)
