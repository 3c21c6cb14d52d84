"""Several faults at once: mended one after another, in the order in which they are told, none is left."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from generator.doctor.rules.examples import WORKLOAD_AND_CONFIGURATION
from generator.doctor.rules.spoiling import (
    ANNOTATIONS,
    CERTS_VOLUME,
    HOLD,
    INBOUND,
    INJECT,
    MEMORY,
    METADATA,
    MOUNT,
    MOUNT_VALUE,
    OUTBOUND,
    OUTPUT_CERTS,
    READER,
)
from tests.doctor.helpers import diagnose, repaired

#: By the part of the manifest that they change; of each part one fault at most.
FAULTS: dict[str, list[tuple[str, str]]] = {
    "label": [(INJECT, ""), (INJECT, INJECT.replace("true", "false"))],
    "annotation": [("      annotations:\n", f"      annotations:\n{INJECT}"), (ANNOTATIONS, "")],
    "volume": [
        (MEMORY, "emptyDir: {}"),
        (MEMORY, "secret: {secretName: istio.default}"),
        (MEMORY, "hostPath: {path: /certs}"),
        (CERTS_VOLUME, ""),
        (CERTS_VOLUME, CERTS_VOLUME.replace("istio-workload-certs", "istio-certs")),
    ],
    "configuration": [
        (METADATA, ""),
        (METADATA, f'{METADATA}            DISABLE_ENVOY: "true"\n'),
        (METADATA, f"{METADATA}            DISABLE_ENVOY: true\n"),
        (METADATA, f'{METADATA}            INBOUND_CAPTURE_PORTS: ""\n'),
        (METADATA, METADATA.replace("OUTPUT_CERTS", "OUTPUT_KEY_CERT_TO_DIRECTORY")),
        (OUTPUT_CERTS, "OUTPUT_CERTS: /etc/certs"),
        (OUTPUT_CERTS, "OUTPUT_CERTS: relative/path"),
        (OUTPUT_CERTS, "OUTPUT_CERTS: /elsewhere"),
    ],
    "hold": [(HOLD, "")],
    "mount": [
        (MOUNT, ""),
        (MOUNT_VALUE, '\'[{"mountPath":"/etc/istio-output-certs"}]\''),
        (MOUNT_VALUE, '\'{"istio-workload-cert":{"mountPath":"/etc/istio-output-certs"}}\''),
        (MOUNT_VALUE, '\'{"istio-workload-certs":{"mountPath":"/etc/istio-output-certs","readOnly":true}}\''),
    ],
    "inbound": [(INBOUND, ""), (INBOUND, "        sidecar.istio.io/interceptionMode: NONE\n")],
    "outbound": [(OUTBOUND, "")],
    "reader": [
        (READER, ""),
        (READER, READER.replace("readOnly", "subPath: key.pem\n          readOnly")),
        (READER, READER.replace("/etc/prom-certs", "/etc/elsewhere")),
    ],
    "job": [
        ("/etc/prom-certs/key.pem", "/etc/prom-certs/tls.key"),
        ("/etc/prom-certs/key.pem", "/etc/istio-output-certs/key.pem"),
    ],
    "version": [("v3.14.0", "v2.26.0")],
    "kind": [("kind: StatefulSet", "kind: Deployment")],
}
VERSIONS: list[dict[str, Any]] = [
    {},
    {"istio": (1, 8, 6), "istio_given": True},
    {"istio": (1, 22, 0), "istio_given": True},
    {"istio": (1, 26, 0), "istio_given": True},
]
#: What no edit of the manifest can mend.
BEYOND = {"istio-too-old"}


@settings(max_examples=60, deadline=None)
@given(data=st.data(), version=st.sampled_from(VERSIONS))
def test_faults_that_come_together_are_mended_one_after_another(data, version):
    parts = data.draw(st.lists(st.sampled_from(sorted(FAULTS)), min_size=2, max_size=4, unique=True))
    text = WORKLOAD_AND_CONFIGURATION
    for part in parts:
        old, new = data.draw(st.sampled_from(FAULTS[part]))
        text = text.replace(old, new)  # where another fault has taken it out already there is nothing to spoil
    for _ in range(12):
        errors = [one for one in diagnose(text, **version) if one.severity == "error" and one.rule.id not in BEYOND]
        if not errors:
            return
        text = repaired(text, next((one for one in errors if one.fix and one.fix.edits), errors[0]))
    raise AssertionError([f"{one.rule.id}: {one.found}" for one in errors])
