"""Parts of `examples.PLAIN` that examples of several rules take out or change; no rules."""

from __future__ import annotations

from generator.doctor.rules.examples import PLAIN

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
