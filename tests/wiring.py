"""How the parts of an environment hang together: what writes the certificate, what reads it, and who is selected.

``faults`` tells in sentences what doesn't hold; an environment that works has none.
"""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import yaml

from generator.resource import Resource

Tree = Mapping[str, Any]

FILES = {"ca": "root-cert.pem", "cert": "cert-chain.pem", "key": "key.pem"}
_WORKLOADS = ("StatefulSet", "Deployment")
_CUSTOM = ("Prometheus", "PrometheusAgent")


class Pod(NamedTuple):
    """The pod that Prometheus runs in, as Kubernetes (or the Operator) makes it."""

    namespace: str
    service_account: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    volumes: list[Tree]
    containers: list[Tree]

    @property
    def prometheus(self) -> Tree:
        """Prometheus' own container."""
        return next(container for container in self.containers if container["name"] == "prometheus")

    def container(self, name: str) -> Tree:
        """A container by its name, empty where there is none."""
        return next((container for container in self.containers if container["name"] == name), {})


class Writer(NamedTuple):
    """The agent that writes the certificate: to which directory, and what is mounted in its container."""

    directory: str
    mounts: list[Tree]


def prometheus_pod(resources: Iterable[Resource]) -> Pod:
    """Give the Prometheus pod of an environment; there is exactly one kind of it."""
    (resource,) = [one for one in resources if one.id.kind in _WORKLOADS + _CUSTOM]
    return _of_workload(resource) if resource.id.kind in _WORKLOADS else _of_operator(resource)


def _of_workload(resource: Resource) -> Pod:
    spec = resource.tree["spec"]
    template, pod = spec["template"]["metadata"], spec["template"]["spec"]
    claims = [{"name": claim["metadata"]["name"], "claim": {}} for claim in spec.get("volumeClaimTemplates", [])]
    return Pod(
        resource.id.namespace,
        pod["serviceAccountName"],
        template["labels"],
        template["annotations"],
        [*pod["volumes"], *claims],
        [*pod.get("initContainers", []), *pod["containers"]],
    )


def _of_operator(resource: Resource) -> Pod:
    """What the operator adds: its labels, its container, its volumes (pkg/prometheus/statefulset.go)."""
    spec = resource.tree["spec"]
    agent = resource.id.kind == "PrometheusAgent"
    own = {
        "app.kubernetes.io/name": "prometheus-agent" if agent else "prometheus",
        "app.kubernetes.io/instance": resource.id.name,
        "app.kubernetes.io/managed-by": "prometheus-operator",
        "operator.prometheus.io/name": resource.id.name,
    }
    extra = {container["name"]: container for container in spec.get("containers", [])}
    generated = [
        {"name": "config-out", "mountPath": "/etc/prometheus/config_out"},
        {"name": "tls-assets", "mountPath": "/etc/prometheus/certs"},
        {"name": "data", "mountPath": "/prometheus"},
        {"name": "web-config", "mountPath": "/etc/prometheus/web_config/web-config.yaml"},
    ]
    prometheus = {
        "name": "prometheus",
        "ports": [{"name": "web", "containerPort": 9090}],
        **extra.pop("prometheus", {}),
        "volumeMounts": [*generated, *spec.get("volumeMounts", [])],
    }
    volumes = [{"name": mount["name"], "emptyDir": {}} for mount in generated]
    metadata = spec["podMetadata"]
    return Pod(
        resource.id.namespace,
        spec["serviceAccountName"],
        {**metadata["labels"], **own},
        metadata["annotations"],
        [*volumes, *spec.get("volumes", [])],
        [prometheus, *extra.values()],
    )


def certificate_writer(pod: Pod) -> Writer | None:
    """Give the agent of the pod: an injected one by its annotations, a hand-written one by its container."""
    environment = {one["name"]: one.get("value") for one in pod.container("istio-proxy").get("env", [])}
    if "OUTPUT_CERTS" in environment:
        return Writer(environment["OUTPUT_CERTS"], pod.container("istio-proxy")["volumeMounts"])
    if "proxy.istio.io/config" not in pod.annotations:
        return None
    metadata = yaml.safe_load(pod.annotations["proxy.istio.io/config"])["proxyMetadata"]
    assert all(isinstance(value, str) for value in metadata.values()), "the injector takes nothing but strings"
    mounts = json.loads(pod.annotations["sidecar.istio.io/userVolumeMount"])
    return Writer(metadata["OUTPUT_CERTS"], [{"name": name, **mount} for name, mount in mounts.items()])


def faults(resources: Iterable[Resource], trust_domain: str = "cluster.local") -> list[str]:
    """Tell what doesn't hang together in an environment's resources."""
    resources = list(resources)
    pod = prometheus_pod(resources)
    found = [*_mounts(pod), *_injection(pod), *_certificate(pod), *_probes(pod)]
    found += [*_readers(resources, pod), *_selectors(resources, pod), *_identity(resources, pod, trust_domain)]
    return [*found, *_operator(resources), *_configuration(resources, pod)]


# -------------------------------------------------------------------------------------------------- inside the pod


def _mounts(pod: Pod) -> Iterator[str]:
    names = [volume["name"] for volume in pod.volumes]
    yield from (f"two volumes are called {name}" for name in _repeated(names))
    for container in pod.containers:
        mounts = container.get("volumeMounts", [])
        missing = [mount["name"] for mount in mounts if mount["name"] not in names]
        yield from (f"{container['name']} mounts {name}, which is no volume of the pod" for name in missing)
        twice = _repeated([mount["mountPath"] for mount in mounts])
        yield from (f"{container['name']} mounts two volumes at {path}" for path in twice)
        ports = [port["name"] for port in container.get("ports", [])]
        yield from (f"{container['name']} has two ports called {name}" for name in _repeated(ports))


def _repeated(names: list[str]) -> list[str]:
    return sorted({name for name in names if names.count(name) > 1})


def _injection(pod: Pod) -> Iterator[str]:
    """The label decides, and one proxy is enough."""
    wanted = "true" if "proxy.istio.io/config" in pod.annotations else "false"
    if pod.labels.get("sidecar.istio.io/inject") != wanted:
        yield f"the label sidecar.istio.io/inject isn't {wanted}"
    if "sidecar.istio.io/inject" in pod.annotations:
        yield "sidecar.istio.io/inject is an annotation"
    if wanted == "false":
        return
    for name in ("includeInboundPorts", "includeOutboundIPRanges"):
        if pod.annotations.get(f"traffic.sidecar.istio.io/{name}") != "":
            yield f"{name} doesn't switch interception off"


def _certificate(pod: Pod) -> Iterator[str]:
    """The directory written to is a volume in memory, which Prometheus alone mounts read-only."""
    writer = certificate_writer(pod)
    if writer is None:
        return
    if not writer.directory.startswith("/") or writer.directory.rstrip("/") == "/etc/certs":
        yield f"the certificate is written to {writer.directory}"
    mount = next((mount for mount in writer.mounts if mount["mountPath"] == writer.directory), None)
    if mount is None:
        yield f"nothing is mounted at {writer.directory}, where the certificate is written"
        return
    if mount.get("readOnly") or "subPath" in mount:
        yield "the agent's mount isn't the whole directory, writable"
    volume = next((volume for volume in pod.volumes if volume["name"] == mount["name"]), {})
    if volume.get("emptyDir", {}).get("medium") != "Memory":
        yield f"the volume {mount['name']} isn't in memory"
    readers = [one for one in pod.containers if any(m["name"] == mount["name"] for m in one.get("volumeMounts", []))]
    others = {one["name"] for one in readers} - {"prometheus", "istio-proxy"}
    yield from (f"{name} can read the private key" for name in sorted(others))
    read = [one for one in pod.prometheus["volumeMounts"] if one["name"] == mount["name"]]
    if len(read) != 1 or not read[0].get("readOnly") or "subPath" in read[0]:
        yield "Prometheus doesn't mount the certificates once, as a whole and read-only"


def _probes(pod: Pod) -> Iterator[str]:
    for container in pod.containers:
        ports = {port["name"] for port in container.get("ports", [])}
        for name, probe in container.items():
            port = probe["httpGet"]["port"] if name.endswith("Probe") and "httpGet" in probe else 0
            if isinstance(port, str) and port not in ports:
                yield f"{container['name']}: {name} asks port {port}, which isn't declared"


# ----------------------------------------------------------------------------------------- who reads the certificate


def mount_path(pod: Pod) -> str:
    """Give the directory in Prometheus' container that the agent's volume is mounted at, "" where there is none."""
    writer = certificate_writer(pod)
    names = {mount["name"] for mount in writer.mounts if mount["mountPath"] == writer.directory} if writer else set()
    return next((m["mountPath"] for m in pod.prometheus["volumeMounts"] if m["name"] in names), "")


def certificate_clients(resources: Iterable[Resource]) -> Iterator[tuple[str, Tree, Tree]]:
    """Give every place that names the certificate's files: what it is, the TLS settings, and what they stand in."""
    for resource in resources:
        tree = resource.tree
        if "prometheus.yml" in tree.get("data", {}):
            tree = yaml.safe_load(tree["data"]["prometheus.yml"])
        for holder, field in _walk(tree):
            tls = holder[field]
            if any(str(name).endswith(FILES["key"]) for name in tls.values()):
                yield f"{resource.id.kind} {resource.id.name}", tls, holder


def _walk(node: Any) -> Iterator[tuple[Tree, str]]:
    if isinstance(node, Mapping):
        for field, inner in node.items():
            if field in {"tls_config", "tlsConfig"} and isinstance(inner, Mapping):
                yield node, field
            yield from _walk(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from _walk(inner)


def _readers(resources: list[Resource], pod: Pod) -> Iterator[str]:
    path = mount_path(pod)
    for where, tls, holder in certificate_clients(resources):
        files = {kind: tls.get(f"{kind}_file", tls.get(f"{kind}File")) for kind in FILES}
        if files != {kind: f"{path}/{name}" for kind, name in FILES.items()}:
            yield f"{where} reads {files}, and the certificates are in {path or 'no directory'}"
        if tls.get("insecure_skip_verify", tls.get("insecureSkipVerify")) is not True:
            yield f"{where} checks a host name, which the certificates don't have"
        if not holder.keys() <= {"name", "default", "tlsConfig"}:  # a scrape class connects to nothing
            yield from _https(where, holder)


def _https(where: str, client: Tree) -> Iterator[str]:
    if client.get("scheme", "https").lower() != "https" or not str(client.get("url", "https://")).startswith(
        "https://"
    ):
        yield f"{where} has certificates and speaks http"
    if [client[name] for name in ("enable_http2", "enableHttp2", "enableHTTP2") if name in client] != [False]:
        yield f"{where} may agree on HTTP/2"


# ----------------------------------------------------------------------------------------------- who selects the pod

_SELECTORS = {
    "Service": ("selector",),
    "StatefulSet": ("selector", "matchLabels"),
    "Deployment": ("selector", "matchLabels"),
    "PodDisruptionBudget": ("selector", "matchLabels"),
    "NetworkPolicy": ("podSelector", "matchLabels"),
    "Sidecar": ("workloadSelector", "labels"),
    "PeerAuthentication": ("selector", "matchLabels"),
}


def _selectors(resources: list[Resource], pod: Pod) -> Iterator[str]:
    for resource in resources:
        kind, spec = resource.id.kind, resource.tree.get("spec", {})
        if kind not in _SELECTORS:
            continue
        selector: Any = spec
        for name in _SELECTORS[kind]:
            selector = selector.get(name, {})
        if not selector or not selector.items() <= pod.labels.items():
            yield f"{kind} {resource.id.name} doesn't select the pod"
        if resource.id.namespace != pod.namespace:
            yield f"{kind} {resource.id.name} is in another namespace"
        if kind == "Service":
            ports = {port["name"] for container in pod.containers for port in container.get("ports", [])}
            unknown = {str(port["targetPort"]) for port in spec["ports"]} - ports
            yield from (f"Service {resource.id.name} leads to a port {port}" for port in sorted(unknown))
        if kind == "StatefulSet" and not _headless(resources, spec["serviceName"]):
            yield f"StatefulSet {resource.id.name} has no headless Service {spec['serviceName']}"


def _headless(resources: list[Resource], name: str) -> bool:
    return any(
        one.id.kind == "Service" and one.id.name == name and one.tree["spec"].get("clusterIP") == "None"
        for one in resources
    )


# ------------------------------------------------------------------------------------------------- who the pod is


def _identity(resources: list[Resource], pod: Pod, trust_domain: str) -> Iterator[str]:
    """The pod's service account exists, may discover, and is the principal that targets let in."""
    by_kind: dict[str, list[Resource]] = {}
    for resource in resources:
        by_kind.setdefault(resource.id.kind, []).append(resource)
    account = (pod.namespace, pod.service_account)
    if account not in [(one.id.namespace, one.id.name) for one in by_kind.get("ServiceAccount", [])]:
        yield f"there is no ServiceAccount {pod.service_account}"
    roles = {one.id.name for one in by_kind.get("ClusterRole", [])}
    bindings = [
        one
        for one in by_kind.get("ClusterRoleBinding", [])
        if account in [(who["namespace"], who["name"]) for who in one.tree["subjects"]]
        and one.tree["roleRef"]["name"] in roles
    ]
    if not bindings:
        yield "nothing lets the pod's service account discover targets"
    principal = f"{trust_domain}/ns/{pod.namespace}/sa/{pod.service_account}"
    for policy in by_kind.get("AuthorizationPolicy", []):
        if [source["source"]["principals"] for rule in policy.tree["spec"]["rules"] for source in rule["from"]] != [
            [principal]
        ]:
            yield f"AuthorizationPolicy {policy.id.name} lets in somebody else"


# --------------------------------------------------------------------------------- what Prometheus is told to scrape


def _operator(resources: list[Resource]) -> Iterator[str]:
    """Monitors are selected by the Prometheus resource, and ask for a scrape class that it has."""
    (spec,) = [one.tree["spec"] for one in resources if one.id.kind in _WORKLOADS + _CUSTOM]
    classes = {one["name"] for one in spec.get("scrapeClasses", [])}
    if any(one.get("default") for one in spec.get("scrapeClasses", [])):
        yield "the scrape class is the default one"
    for resource in resources:
        kind = resource.id.kind
        field = f"{kind[0].lower()}{kind[1:]}Selector"
        if kind == "PrometheusRule":
            field = "ruleSelector"
        if kind not in {"ServiceMonitor", "PodMonitor", "ScrapeConfig", "PrometheusRule"} or field not in spec:
            continue
        labels = spec[field].get("matchLabels", {})
        if not labels.items() <= resource.tree["metadata"]["labels"].items():
            yield f"{kind} {resource.id.name} isn't selected"
        asked = resource.tree["spec"].get("scrapeClass")
        if asked and asked not in classes:
            yield f"{kind} {resource.id.name} asks for the scrape class {asked}, which isn't there"
        yield from _of_class(resource)


def _of_class(monitor: Resource) -> Iterator[str]:
    """A class sets neither scheme nor HTTP/2, and gives skip-verify only where there is no TLS setting beside it."""
    where, spec = f"{monitor.id.kind} {monitor.id.name}", monitor.tree["spec"]
    if "scrapeClass" not in spec:
        return
    for endpoint in spec.get("endpoints", spec.get("podMetricsEndpoints", [spec])):
        yield from _https(where, {"scheme": "http", **endpoint})
        if "tlsConfig" in endpoint:
            yield f"{where} has a TLS setting beside its scrape class"


def _configuration(resources: list[Resource], pod: Pod) -> Iterator[str]:
    """Prometheus' own configuration and rules are mounted where its arguments and the configuration look."""
    arguments = pod.prometheus.get("args", [])
    file = next((one.partition("=")[2] for one in arguments if one.startswith("--config.file=")), "")
    if not file:
        return
    mounted = dict(_mounted_files(resources, pod))
    if file not in mounted:
        yield f"there is no configuration at {file}"
        return
    for pattern in yaml.safe_load(mounted[file]).get("rule_files", []):
        if not any(fnmatch.fnmatch(name, pattern) for name in mounted):
            yield f"no rule file is found by {pattern}"


def _mounted_files(resources: list[Resource], pod: Pod) -> Iterator[tuple[str, str]]:
    maps = {one.id.name: one.tree.get("data", {}) for one in resources if one.id.kind == "ConfigMap"}
    volumes = {one["name"]: one.get("configMap", {}).get("name") for one in pod.volumes}
    for mount in pod.prometheus["volumeMounts"]:
        for name, text in maps.get(volumes.get(mount["name"]) or "", {}).items():
            yield f"{mount['mountPath']}/{name}", text
