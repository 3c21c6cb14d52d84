"""The template ``sidecar``: the proxy with Envoy, and the init container that intercepts traffic.

After istio's manifests/charts/istio-control/istio-discovery/files/injection-template.yaml.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from generator.injection import annotations as names
from generator.injection import pieces
from generator.injection.mesh import AGENT_PORT, INIT, PROXY, VALIDATION, Mesh, Tree


class Subject(NamedTuple):
    """The pod that a template is for: what of it the template reads.

    ``name`` is the workload's, "" where it isn't known; ``owner`` what ``ISTIO_META_OWNER`` says, "" likewise.
    ``mounts`` and ``volumes`` are those of the user's annotations, ``metadata`` the variables of proxyMetadata.
    """

    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    spec: Mapping[str, Any]
    config: Mapping[str, Any]
    metadata: Mapping[str, str]
    mounts: list[Tree]
    volumes: list[Tree]
    name: str
    owner: str
    revision: str
    native: bool

    @property
    def mode(self) -> str:
        """The interception mode."""
        return names.interception_mode(self.annotations, self.config)


def template(subject: Subject, mesh: Mesh) -> Tree:
    """Give what the template adds to a pod: ``metadata`` and ``spec``."""
    init = [] if subject.mode == "NONE" else [_init_container(subject, mesh)]
    proxy = _proxy(subject, mesh)
    spec: Tree = {"volumes": _volumes(subject, mesh)}
    if subject.native:
        init.append(proxy)
    else:
        spec["containers"] = [proxy]
    if init:
        spec["initContainers"] = init
    if not mesh.since(15) and "fsGroup" not in pieces.part(subject.spec, "securityContext"):
        spec["securityContext"] = {"fsGroup": 1337}
    labels = {"security.istio.io/tlsMode": subject.labels.get("security.istio.io/tlsMode") or "istio"}
    annotations = metadata_annotations(subject, mesh) | (_cni_annotations(subject) if mesh.cni else {})
    return {"metadata": {"labels": labels | canonical_labels(subject, mesh), "annotations": annotations}, "spec": spec}


# --------------------------------------------------------------------------------------------------------- metadata


def canonical_labels(subject: Subject, mesh: Mesh) -> dict[str, str]:
    """Give the labels ``service.istio.io/canonical-*``; no name where neither a label nor the workload gives one."""
    labels, prefix = subject.labels, "service.istio.io/canonical-"
    if not mesh.since(6):
        return {}
    name = labels.get(prefix + "name") or labels.get("app.kubernetes.io/name") or labels.get("app") or subject.name
    revision = labels.get(prefix + "revision") or labels.get("app.kubernetes.io/version") or labels.get("version")
    return ({prefix + "name": name} if name else {}) | {prefix + "revision": revision or "latest"}


def metadata_annotations(subject: Subject, mesh: Mesh) -> dict[str, str]:
    """Give the annotations that every template adds: the default container, and the revision since 1.22."""
    found: dict[str, str] = {}
    applications = pieces.application_names(subject.spec)
    for name, minor in (("default-logs-container", 7), ("default-container", 9)):
        key = f"kubectl.kubernetes.io/{name}"
        if mesh.since(minor) and applications and key not in subject.annotations:
            found[key] = applications[0]
    if mesh.since(22):
        found[names.REVISION] = subject.revision
    return found


def _cni_annotations(subject: Subject) -> dict[str, str]:
    """Give what the CNI plugin reads: annotations without a value of the user's get the default."""
    found = {names.MODE: subject.mode, names.EXCLUDE_IN: _excluded_ports(subject.annotations)}
    for name in (names.INCLUDE_OUT, names.INCLUDE_IN):
        if value := subject.annotations.get(name, "*"):
            found[name] = value
    return found


# ------------------------------------------------------------------------------------------------------- containers


def _init_container(subject: Subject, mesh: Mesh) -> Tree:
    annotations = subject.annotations
    container: Tree = {
        "name": VALIDATION if mesh.cni else INIT,
        "image": pieces.proxy_image(annotations, mesh),
        "args" if mesh.since(6) else "command": _iptables(subject, mesh),
        "resources": pieces.resources(annotations),
        "securityContext": _validation_security() if mesh.cni else _init_security(),
    }
    if subject.metadata:
        container["env"] = [pieces.text(name, value) for name, value in subject.metadata.items()]
    return container


def _iptables(subject: Subject, mesh: Mesh) -> list[str]:
    annotations = subject.annotations
    always = "15090,15021," if mesh.since(6) else ""
    arguments = ["istio-iptables", "-p", "15001", "-z", "15006", "-u", "1337", "-m", subject.mode]
    arguments += ["-i", annotations.get(names.INCLUDE_OUT, "*"), "-x", annotations.get(names.EXCLUDE_OUT, "")]
    arguments += ["-b", annotations.get(names.INCLUDE_IN, "*")]
    arguments += ["-d", (always + _excluded_ports(annotations)).removesuffix(",")]
    for flag, name in (
        ("-q", names.INCLUDE_OUT_PORTS),
        ("-o", names.EXCLUDE_OUT_PORTS),
        ("-k", "traffic.sidecar.istio.io/kubevirtInterfaces"),
        ("-c", "traffic.sidecar.istio.io/excludeInterfaces"),
    ):
        if name in annotations:
            arguments += [flag, annotations[name]]
    if mesh.since(11):
        arguments.append(f"--log_output_level={annotations.get('sidecar.istio.io/agentLogLevel', 'default:info')}")
    return [*arguments, "--run-validation", "--skip-rule-apply"] if mesh.cni else arguments


def _excluded_ports(annotations: Mapping[str, str]) -> str:
    """Give the inbound ports that aren't intercepted: the user's, and the agent's."""
    status = annotations.get(names.STATUS_PORT, str(AGENT_PORT)).strip()
    excluded = annotations.get(names.EXCLUDE_IN, "")
    ports = excluded.split(",")
    if status in {"", "0"} or status in ports:
        return excluded
    return ",".join([port.strip() for port in ports if port.strip()] + [status])


def _init_security() -> Tree:
    return {
        "allowPrivilegeEscalation": False,
        "capabilities": {"add": ["NET_ADMIN", "NET_RAW"], "drop": ["ALL"]},
        "privileged": False,
        "readOnlyRootFilesystem": False,
        "runAsGroup": 0,
        "runAsNonRoot": False,
        "runAsUser": 0,
    }


def _validation_security() -> Tree:
    return {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "privileged": False,
        "readOnlyRootFilesystem": True,
        "runAsGroup": 1337,
        "runAsNonRoot": True,
        "runAsUser": 1337,
    }


def _proxy_security(subject: Subject) -> Tree:
    binds = subject.annotations.get("sidecar.istio.io/capNetBindService") == "true"
    transparent = subject.mode == "TPROXY"
    security = _validation_security()
    if binds or transparent:
        added = [name for name, wanted in (("NET_ADMIN", transparent), ("NET_BIND_SERVICE", binds)) if wanted]
        security |= {"capabilities": {"add": added, "drop": ["ALL"]}, "runAsNonRoot": False, "runAsUser": 0}
    return security


def _proxy(subject: Subject, mesh: Mesh) -> Tree:
    annotations = subject.annotations
    port = 15021 if mesh.since(6) else AGENT_PORT
    container: Tree = {
        "name": PROXY,
        "image": pieces.proxy_image(annotations, mesh),
        "args": pieces.proxy_arguments(subject.labels, annotations, mesh),
        "env": _environment(subject, mesh),
        "ports": [{"containerPort": 15090, "name": "http-envoy-prom", "protocol": "TCP"}],
        "resources": pieces.resources(annotations),
        "securityContext": _proxy_security(subject),
        "volumeMounts": _mounts(subject, mesh),
        **pieces.readiness(annotations, port, mesh),
    }
    if mesh.since(20) and "readinessProbe" in container:
        check = {"path": "/healthz/ready", "port": port}
        container["startupProbe"] = {"failureThreshold": 600, "httpGet": check, "periodSeconds": 1, "timeoutSeconds": 3}
    if subject.native:
        drain = ["pilot-agent", "request", f"--debug-port={AGENT_PORT}", "POST", "drain"]
        container |= {"restartPolicy": "Always", "lifecycle": {"preStop": {"exec": {"command": drain}}}}
    elif mesh.since(7) and names.holds_application(subject.config):
        container["lifecycle"] = {"postStart": {"exec": {"command": ["pilot-agent", "wait"]}}}
    return container


def identity(subject: Subject, mesh: Mesh) -> list[Tree]:
    """Give the variables by which the agent knows the pod and its control plane."""
    istiod = "istiod" if subject.revision == "default" else f"istiod-{subject.revision}"
    found = [] if mesh.since(27) else [pieces.text("JWT_POLICY", "third-party-jwt")]
    return [
        *found,
        pieces.text("PILOT_CERT_PROVIDER", "istiod"),
        pieces.text("CA_ADDR", f"{istiod}.{mesh.system_namespace}.svc:15012"),
        pieces.field("POD_NAME", "metadata.name"),
        pieces.field("POD_NAMESPACE", "metadata.namespace"),
        pieces.field("INSTANCE_IP", "status.podIP"),
        pieces.field("SERVICE_ACCOUNT", "spec.serviceAccountName"),
        pieces.field("HOST_IP", "status.hostIP"),
    ]


def workload(subject: Subject, mesh: Mesh) -> list[Tree]:
    """Give the variables that name the workload and the mesh."""
    found = [("ISTIO_META_WORKLOAD_NAME", subject.name), ("ISTIO_META_OWNER", subject.owner)]
    found.append(("ISTIO_META_MESH_ID", mesh.trust_domain))
    found.append(("TRUST_DOMAIN", mesh.trust_domain))
    return [pieces.text(name, value) for name, value in found if value]


def description(subject: Subject) -> list[Tree]:
    """Give the variables that describe the configuration and the containers of the pod."""
    return [
        pieces.text("PROXY_CONFIG", pieces.compact(subject.config) + "\n"),
        pieces.text("ISTIO_META_POD_PORTS", pieces.pod_ports(subject.spec)),
        pieces.text("ISTIO_META_APP_CONTAINERS", ",".join(pieces.application_names(subject.spec))),
    ]


def _environment(subject: Subject, mesh: Mesh) -> list[Tree]:
    found = identity(subject, mesh)
    if mesh.since(18):
        found.append(pieces.limit("ISTIO_CPU_LIMIT", "limits.cpu", mesh))
    found += description(subject)
    if mesh.since(19):
        found.append(pieces.limit("GOMEMLIMIT", "limits.memory", mesh))
        if not mesh.since(31):
            found.append(pieces.limit("GOMAXPROCS", "limits.cpu", mesh))
    found.append(pieces.text("ISTIO_META_CLUSTER_ID", "Kubernetes"))
    if mesh.since(18):
        found.append(pieces.field("ISTIO_META_NODE_NAME", "spec.nodeName"))
    found.append(pieces.text("ISTIO_META_INTERCEPTION_MODE", subject.mode))
    found += workload(subject, mesh)
    if names.BOOTSTRAP in subject.annotations:
        path = "/etc/istio/custom-bootstrap/custom_bootstrap.json"
        found.append(pieces.text("ISTIO_BOOTSTRAP_OVERRIDE", path))
    return found + [pieces.text(name, value) for name, value in subject.metadata.items()]


# ---------------------------------------------------------------------------------------------------------- volumes


def _sockets(mesh: Mesh) -> list[tuple[str, str]]:
    """Name the volumes for sockets and credentials, which a later release has more of, with their directories."""
    found = [("workload-socket", "/var/run/secrets/workload-spiffe-uds", 14)]
    found.append(("credential-socket", "/var/run/secrets/credential-uds", 15))
    found.append(("workload-certs", "/var/run/secrets/workload-spiffe-credentials", 14))
    return [(name, path) for name, path, minor in found if mesh.since(minor)]


def _mounts(subject: Subject, mesh: Mesh) -> list[Tree]:
    found = [*((path, name) for name, path in _sockets(mesh)), ("/var/run/secrets/istio", "istiod-ca-cert")]
    if mesh.since(27):
        found.append(("/var/run/secrets/istio/crl", "istio-ca-crl"))
    found.append(("/var/lib/istio/data", "istio-data"))
    if names.BOOTSTRAP in subject.annotations:
        found.append(("/etc/istio/custom-bootstrap", "custom-bootstrap-volume"))
    found += [("/etc/istio/proxy", "istio-envoy"), ("/var/run/secrets/tokens", "istio-token")]
    mounts: list[Tree] = [{"mountPath": path, "name": name} for path, name in found]
    if mesh.mount_mtls_certs:
        mounts.append({"mountPath": "/etc/certs/", "name": "istio-certs", "readOnly": True})
    return [*mounts, {"mountPath": "/etc/istio/pod", "name": "istio-podinfo"}, *subject.mounts]


def _volumes(subject: Subject, mesh: Mesh) -> list[Tree]:
    # A volume without a source is an empty directory: the template's own `emptyDir` is null, which removes it.
    found: list[Tree] = [{"name": name} for name, _ in _sockets(mesh)]
    found += pieces.common_volumes("istio-envoy", subject.annotations, mesh)
    if mesh.since(27):
        found.append({"name": "istio-ca-crl", "configMap": {"name": "istio-ca-crl", "optional": True}})
    if mesh.mount_mtls_certs:
        found.append(pieces.legacy_secret(subject.spec))
    return found + subject.volumes
