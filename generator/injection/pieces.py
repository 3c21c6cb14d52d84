"""Parts that both templates are made of, and what tells Istio's parts of a pod from the user's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from generator.injection import annotations as names
from generator.injection.mesh import INIT, PROXY, VALIDATION, Mesh, Tree

#: Volumes that a template adds, whatever the release.
OWN_VOLUMES: Final = frozenset({
    "workload-socket", "credential-socket", "workload-certs", "istio-envoy", "istio-xds", "istio-data",
    "istio-podinfo", "istio-token", "istiod-ca-cert", "istio-ca-crl", "custom-bootstrap-volume",
})  # fmt: skip


def items(value: object) -> list[Tree]:
    """Read a list of maps; whatever is none is left out."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def named(containers: object, name: str) -> Tree | None:
    """Find a container, a volume or a variable by its name."""
    return next((item for item in items(containers) if item.get("name") == name), None)


def part(tree: Mapping[str, Any], key: str) -> Tree:
    """Give a map inside a map; {} where there is none."""
    found = tree.get(key)
    return found if isinstance(found, dict) else {}


def words(container: Mapping[str, Any], key: str) -> list[str]:
    """Give a container's ``command`` or ``args``; [] where there are none."""
    found = container.get(key)
    return [names.text_of(item) for item in found] if isinstance(found, list) else []


def spec_of(pod: Mapping[str, Any]) -> Tree:
    """Give a pod's spec; {} where it has none."""
    return part(pod, "spec")


def named_proxy(pod: Mapping[str, Any]) -> Tree | None:
    """Give a pod's container ``istio-proxy``, which is an init container where it is native; None without one."""
    spec = spec_of(pod)
    return named(spec.get("containers"), PROXY) or named(spec.get("initContainers"), PROXY)


def proxy_container(pod: Mapping[str, Any]) -> Tree | None:
    """Give a pod's container ``istio-proxy``, else its agent under a name of its own; None without one."""
    return named_proxy(pod) or next(iter(_agents(pod)), None)


def writing_container(pod: Mapping[str, Any]) -> Tree | None:
    """Give the container of a pod whose agent writes certificates, ``istio-proxy`` before others; None without one."""
    proxy = named_proxy(pod)
    return next((one for one in ([proxy] if proxy else []) + _agents(pod) if output_certs(one)), None)


def is_proxy(container: Mapping[str, Any]) -> bool:
    """Say whether a container is Istio's proxy: by its name, or as one that has the agent write certificates.

    Only the webhook needs the name; whoever spells a container out may choose another.
    """
    return container.get("name") == PROXY or _is_agent(container)


def _agents(pod: Mapping[str, Any]) -> list[Tree]:
    spec = spec_of(pod)
    return [one for part in ("containers", "initContainers") for one in items(spec.get(part)) if _is_agent(one)]


def _is_agent(container: Mapping[str, Any]) -> bool:
    """Say whether a container runs pilot-agent, by its image or its first words, and has it write certificates."""
    image = names.text_of(container.get("image")).partition("@")[0].rpartition("/")[2]
    said = [*words(container, "command"), *words(container, "args")]
    runs = image.startswith("proxyv2") or said[:2] == ["proxy", "sidecar"] or said[:1] == ["pilot-agent"]
    runs = runs or any(word.endswith("/pilot-agent") for word in said[:1])
    return runs and any(item.get("name") == "OUTPUT_CERTS" for item in items(container.get("env")))


def variable(container: Mapping[str, Any], name: str) -> str | None:
    """Give a container's environment variable, the last of that name as kubelet does; None where no value is given."""
    values = [item.get("value") for item in items(container.get("env")) if item.get("name") == name]
    return names.text_of(values[-1]) if values and values[-1] is not None else None


def output_certs(container: Mapping[str, Any]) -> str:
    """Give the directory to which a proxy's agent writes certificates (``OUTPUT_CERTS``); "" where it writes none."""
    return (variable(container, "OUTPUT_CERTS") or "").strip()


def runs_envoy(container: Mapping[str, Any]) -> bool:
    """Say whether a proxy's agent starts Envoy: it doesn't with ``DISABLE_ENVOY`` (1.11 and later)."""
    return names.truth(variable(container, "DISABLE_ENVOY") or "") is not True


def is_ours(container: Mapping[str, Any]) -> bool:
    """Say whether a container is one that Istio adds, by its name, or an agent of its."""
    return container.get("name") in {INIT, VALIDATION, "enable-core-dump"} or is_proxy(container)


def is_ours_volume(volume: Mapping[str, Any]) -> bool:
    """Say whether a volume is one that Istio adds, by its name; ``istio-certs`` may be anybody's and isn't."""
    return volume.get("name") in OWN_VOLUMES


# ---------------------------------------------------------------------------------------------------- of a template


def application_names(spec: Mapping[str, Any]) -> list[str]:
    """Name the containers of the application."""
    return [str(item.get("name", "")) for item in items(spec.get("containers")) if item.get("name") != PROXY]


def proxy_image(annotations: Mapping[str, str], mesh: Mesh) -> str:
    """Give the image of the proxy and of the init container."""
    image = annotations.get("sidecar.istio.io/proxyImage", "")
    return image if "/" in image else mesh.image(annotations.get("sidecar.istio.io/proxyImageType", ""))


def resources(annotations: Mapping[str, str]) -> Tree:
    """Give requests and limits: if one of the four annotations is there, no default is used for the others."""
    wanted = {
        "requests": {"cpu": names.CPU, "memory": names.MEMORY},
        "limits": {"cpu": names.CPU_LIMIT, "memory": names.MEMORY_LIMIT},
    }
    found = {
        kind: {resource: annotations[name] for resource, name in by_resource.items() if name in annotations}
        for kind, by_resource in wanted.items()
    }
    if any(found.values()):
        return {kind: values for kind, values in found.items() if values}
    return {"limits": {"cpu": "2", "memory": "1Gi"}, "requests": {"cpu": "100m", "memory": "128Mi"}}


def proxy_arguments(labels: Mapping[str, str], annotations: Mapping[str, str], mesh: Mesh) -> list[str]:
    """Give the arguments of pilot-agent. ``--serviceCluster`` and ``--concurrency`` went in the course of time."""

    def level(which: str, default: str) -> str:
        return annotations.get(f"sidecar.istio.io/{which}", default)

    arguments = ["proxy", "sidecar", "--domain", f"$(POD_NAMESPACE).svc.{mesh.cluster_domain}"]
    if not mesh.since(11):
        arguments += ["--serviceCluster", f"{labels.get('app') or PROXY}.$(POD_NAMESPACE)"]
    arguments.append(f"--proxyLogLevel={level('logLevel', 'warning')}")
    arguments.append(f"--proxyComponentLogLevel={level('componentLogLevel', 'misc:error')}")
    if not mesh.since(8):
        arguments.append(f"--trust-domain={mesh.trust_domain}")
    if mesh.since(11):
        arguments.append(f"--log_output_level={level('agentLogLevel', 'default:info')}")
    return arguments if mesh.since(18) else [*arguments, "--concurrency", "2"]


def readiness(annotations: Mapping[str, str], port: int, mesh: Mesh) -> Tree:
    """Give ``readinessProbe`` for a port; {} where annotation ``status.sidecar.istio.io/port`` is "0"."""
    if annotations.get(names.STATUS_PORT) == "0":
        return {}
    late = mesh.since(20)  # the release that brought the startup probe, and a slower readiness probe with it
    defaults = (
        {"initialDelaySeconds": 0, "periodSeconds": 15, "failureThreshold": 4}
        if late
        else {"initialDelaySeconds": 1, "periodSeconds": 2, "failureThreshold": 30}
    )
    probe: Tree = {"httpGet": {"path": "/healthz/ready", "port": port}}
    for key, default in defaults.items():
        text = annotations.get(names.READINESS + key, "")
        value = int(text) if text.isdecimal() else default
        if value:
            probe[key] = value
    if mesh.since(9):
        probe["timeoutSeconds"] = 3
    return {"readinessProbe": probe}


def field(name: str, path: str) -> Tree:
    """Give a variable that holds a field of the pod."""
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}


def text(name: str, value: str) -> Tree:
    """Give a variable that holds a text; Kubernetes leaves out an empty one."""
    return {"name": name, "value": value} if value else {"name": name}


def limit(name: str, resource: str, mesh: Mesh) -> Tree:
    """Give a variable that holds one of the proxy's own limits."""
    divisor = "1" if mesh.since(32) else "0"
    return {"name": name, "valueFrom": {"resourceFieldRef": {"divisor": divisor, "resource": resource}}}


def pod_ports(spec: Mapping[str, Any]) -> str:
    """Spell the ports of the pod's containers as the template lays them out."""
    order = ("name", "hostPort", "containerPort", "protocol", "hostIP")
    ports = [port for container in items(spec.get("containers")) for port in items(container.get("ports"))]
    spelt = [compact({key: port[key] for key in order if port.get(key) is not None}) for port in ports]
    return "\n".join(["[", *(f"    {',' if place else ''}{port}" for place, port in enumerate(spelt)), "]"])


def compact(value: object) -> str:
    """Spell a value as Go's JSON does: without spaces."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def common_volumes(socket: str, annotations: Mapping[str, str], mesh: Mesh) -> list[Tree]:
    """Give the volumes of a template after its sockets; ``socket`` names the one between agent and Envoy or gRPC."""
    pod_info = [{"fieldRef": {"fieldPath": f"metadata.{kind}"}, "path": kind} for kind in ("labels", "annotations")]
    if mesh.since(9) and not mesh.since(14):
        pod_info += [_resource_item(kind) for kind in ("limit", "request")]
    token = {"audience": "istio-ca", "expirationSeconds": 43200, "path": "istio-token"}
    volumes: list[Tree] = []
    if names.BOOTSTRAP in annotations:
        volumes.append({"name": "custom-bootstrap-volume", "configMap": {"name": annotations[names.BOOTSTRAP]}})
    volumes += [
        {"name": socket, "emptyDir": {"medium": "Memory"}},
        {"name": "istio-data", "emptyDir": {}},
        {"name": "istio-podinfo", "downwardAPI": {"items": pod_info}},
        {"name": "istio-token", "projected": {"sources": [{"serviceAccountToken": token}]}},
        {"name": "istiod-ca-cert", "configMap": {"name": "istio-ca-root-cert"}},
    ]
    return volumes


def template_volume(name: str) -> Tree | None:
    """Give a volume as the template has it, by its name, for an agent that a manifest spells out; None for others."""
    return named(common_volumes("istio-envoy", {}, Mesh()), name)


def _resource_item(kind: str) -> Tree:
    reference = {"containerName": PROXY, "divisor": "1m", "resource": f"{kind}s.cpu"}
    return {"path": f"cpu-{kind}", "resourceFieldRef": reference}


def legacy_secret(spec: Mapping[str, Any]) -> Tree:
    """Give the volume of ``global.mountMtlsCerts``, a secret that no Istio since 1.5 makes."""
    account = names.text_of(spec.get("serviceAccountName")) or "default"
    return {"name": "istio-certs", "secret": {"optional": True, "secretName": f"istio.{account}"}}
