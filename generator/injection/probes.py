"""Probes of the application that go through the agent, since the proxy asks kubelet's own for a certificate.

After istio's pkg/kube/inject/app_probe.go. TCP probes are rewritten since 1.13 and gRPC probes since 1.15, lifecycle
hooks since 1.24, and init containers since native sidecars are usual (1.27).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from generator.injection import annotations as names
from generator.injection import pieces
from generator.injection.mesh import AGENT_PORT, PROXY, Mesh, Tree

_PROBES = (("readinessProbe", "readyz"), ("livenessProbe", "livez"), ("startupProbe", "startupz"))
_HOOKS = (("preStop", "prestopz"), ("postStart", "poststartz"))
_HTTP_ORDER = ("path", "port", "host", "scheme", "httpHeaders")


def rewrites(annotations: Mapping[str, str], mesh: Mesh) -> bool:
    """Say whether probes are rewritten: the annotation, else the mesh's setting."""
    asked = names.truth(annotations.get(names.REWRITE_PROBES, ""))
    return mesh.rewrite_probes if asked is None else asked


def rewrite(spec: Tree, annotations: Mapping[str, str], proxy: Tree, mesh: Mesh) -> None:
    """Rewrite the probes of a pod's containers, and tell the proxy in its environment what they were.

    They go to the port of annotation ``status.sidecar.istio.io/port``, even where that is "0" and nobody answers.
    """
    if not rewrites(annotations, mesh):
        return
    status = annotations.get(names.STATUS_PORT, "")
    port = int(status) if status.isdecimal() else AGENT_PORT
    found: dict[str, Tree] = {}
    for container in [*pieces.items(spec.get("containers")), *(_init_containers(spec) if mesh.since(27) else [])]:
        if container.get("name") == PROXY:
            continue
        for handler, path, timeout in _handlers(container, mesh):
            if told := _told(handler, container):
                found[path] = told | ({"timeoutSeconds": timeout} if timeout else {})
            _redirect(handler, path, port)
    if found:
        value = pieces.compact(dict(sorted(found.items())))
        proxy["env"] = [*proxy.get("env", []), pieces.text("ISTIO_KUBE_APP_PROBERS", value)]


def _init_containers(spec: Mapping[str, Any]) -> list[Tree]:
    return pieces.items(spec.get("initContainers"))


def _handlers(container: Tree, mesh: Mesh) -> Iterator[tuple[Tree, str, Any]]:
    """Give each probe and hook that the agent can do, with its new path and its timeout in seconds."""
    name = container.get("name", "")
    kinds = {"httpGet"} | ({"tcpSocket"} if mesh.since(13) else set()) | ({"grpc"} if mesh.since(15) else set())
    for key, word in _PROBES:
        probe = container.get(key)
        if isinstance(probe, dict) and any(isinstance(probe.get(kind), dict) for kind in kinds):
            yield probe, f"/app-health/{name}/{word}", probe.get("timeoutSeconds")
    lifecycle = container.get("lifecycle")
    for key, word in _HOOKS if mesh.since(24) and isinstance(lifecycle, dict) else ():
        hook = lifecycle.get(key) if isinstance(lifecycle, dict) else None
        if isinstance(hook, dict) and any(isinstance(hook.get(kind), dict) for kind in ("httpGet", "tcpSocket")):
            yield hook, f"/app-lifecycle/{name}/{word}", None


def _told(handler: Tree, container: Mapping[str, Any]) -> Tree | None:
    """Give what the agent is told of a probe; None where it names a port that the container doesn't have."""
    for kind in ("httpGet", "tcpSocket", "grpc"):
        action = handler.get(kind)
        if isinstance(action, dict):
            port = action.get("port")
            if isinstance(port, str) and not port.isdecimal():
                port = next((item.get("containerPort") for item in pieces.items(container.get("ports"))
                             if item.get("name") == port), None)  # fmt: skip
            if not isinstance(port, (int, str)):
                return None
            told = {**action, "port": int(port)}
            order = [key for key in _HTTP_ORDER if key in told] + [key for key in told if key not in _HTTP_ORDER]
            return {kind: {key: told[key] for key in order}}
    return None


def _redirect(handler: Tree, path: str, port: int) -> None:
    """Send a probe to the agent: HTTP, whatever it was, but for headers and host."""
    action = handler.get("httpGet")
    kept = action if isinstance(action, dict) else {}
    handler.pop("tcpSocket", None)
    handler.pop("grpc", None)
    handler["httpGet"] = {**kept, "path": path, "port": port}
    if kept.get("scheme") == "HTTPS":  # the agent speaks TLS to the application, and kubelet plain HTTP to the agent
        handler["httpGet"]["scheme"] = "HTTP"
