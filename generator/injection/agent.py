"""The template ``grpc-agent``: an agent that writes certificates, without Envoy and without an init container.

After istio's manifests/charts/istio-control/istio-discovery/files/grpc-agent.yaml, shipped since 1.11.
"""

from __future__ import annotations

from generator.injection import annotations as names
from generator.injection import pieces
from generator.injection.mesh import AGENT_PORT, PROXY, Mesh, Tree
from generator.injection.sidecar import (
    Subject,
    canonical_labels,
    description,
    identity,
    metadata_annotations,
    workload,
)

#: Where this template's agent writes certificates, mounted into every container of the pod.
DIRECTORY = "/var/lib/istio/data"

_CREDENTIALS = {"mountPath": "/var/run/secrets/workload-spiffe-credentials", "name": "workload-certs"}
_DATA = {"mountPath": DIRECTORY, "name": "istio-data"}
_SOCKET = {"mountPath": "/etc/istio/proxy", "name": "istio-xds"}


def template(subject: Subject, mesh: Mesh) -> Tree:
    """Give what the template adds to a pod: ``metadata`` and ``spec``."""
    annotations = metadata_annotations(subject, mesh) | {names.REWRITE_PROBES: "false"}
    applications = [_application(name, mesh) for name in pieces.application_names(subject.spec)]
    return {
        "metadata": {"labels": canonical_labels(subject, mesh), "annotations": annotations},
        "spec": {"containers": [_proxy(subject, mesh), *applications], "volumes": _volumes(subject, mesh)},
    }


def _application(name: str, mesh: Mesh) -> Tree:
    return {
        "name": name,
        "env": [
            pieces.text("GRPC_XDS_EXPERIMENTAL_SECURITY_SUPPORT", "true"),
            pieces.text("GRPC_XDS_BOOTSTRAP", "/etc/istio/proxy/grpc-bootstrap.json"),
        ],
        "volumeMounts": [_DATA, _SOCKET, *([_CREDENTIALS] if mesh.since(14) else [])],
    }


def _proxy(subject: Subject, mesh: Mesh) -> Tree:
    wait = ["pilot-agent", "wait", f"--url=http://localhost:{AGENT_PORT}/healthz/ready"]
    return {
        "name": PROXY,
        "image": pieces.proxy_image(subject.annotations, mesh),
        "args": pieces.proxy_arguments(subject.labels, subject.annotations, mesh),
        "env": _environment(subject, mesh),
        "lifecycle": {"postStart": {"exec": {"command": wait}}},
        "ports": [{"containerPort": AGENT_PORT, "name": "mesh-metrics", "protocol": "TCP"}],
        "resources": pieces.resources(subject.annotations),
        "volumeMounts": _mounts(subject, mesh),
        **pieces.readiness(subject.annotations, AGENT_PORT, mesh),
    }


def _environment(subject: Subject, mesh: Mesh) -> list[Tree]:
    # The user's own OUTPUT_CERTS comes later in the list, and the later of two variables counts.
    found = [pieces.text("ISTIO_META_GENERATOR", "grpc"), pieces.text("OUTPUT_CERTS", DIRECTORY)]
    found += identity(subject, mesh)
    found += description(subject)
    found.append(pieces.text("ISTIO_META_CLUSTER_ID", "Kubernetes"))
    if mesh.since(18):
        found.append(pieces.field("ISTIO_META_NODE_NAME", "spec.nodeName"))
    found += workload(subject, mesh)
    found += [pieces.text(name, value) for name, value in subject.metadata.items()]
    return [*found, pieces.text("ISTIO_META_DNS_CAPTURE", "false"), pieces.text("DISABLE_ENVOY", "true")]


def _mounts(subject: Subject, mesh: Mesh) -> list[Tree]:
    found: list[Tree] = []
    if mesh.since(14):
        found += [{"mountPath": "/var/run/secrets/workload-spiffe-uds", "name": "workload-socket"}, _CREDENTIALS]
    found += [{"mountPath": "/var/run/secrets/istio", "name": "istiod-ca-cert"}, _DATA, _SOCKET]
    found.append({"mountPath": "/var/run/secrets/tokens", "name": "istio-token"})
    if mesh.mount_mtls_certs:
        found.append({"mountPath": "/etc/certs/", "name": "istio-certs", "readOnly": True})
    return [*found, {"mountPath": "/etc/istio/pod", "name": "istio-podinfo"}, *subject.mounts]


def _volumes(subject: Subject, mesh: Mesh) -> list[Tree]:
    found: list[Tree] = [{"name": "workload-socket"}, {"name": "workload-certs"}] if mesh.since(14) else []
    found += pieces.common_volumes("istio-xds", subject.annotations, mesh)
    if mesh.mount_mtls_certs:
        found.append(pieces.legacy_secret(subject.spec))
    return found + subject.volumes
