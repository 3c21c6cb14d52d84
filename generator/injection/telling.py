"""Sentences of what the webhook did to a pod, or why it didn't."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from generator.injection import annotations as names
from generator.injection import pieces
from generator.injection.interception import intercepts
from generator.injection.mesh import AGENT_PORT, INIT, PROXY, VALIDATION, Injection


def explain(injection: Injection) -> list[str]:
    """Tell what an injection did, in short sentences without full stops, the most important first."""
    head = "injected" if injection.injected else "not injected"
    lines = [f"{head}{'' if injection.certain else ' (not certain)'}: {injection.reason}"]
    lines += [f"refused: {sentence}" for sentence in injection.refused]
    if injection.injected:
        lines += _told(injection.pod)
    elif (proxy := pieces.proxy_container(injection.pod)) is not None:
        lines += [f"the pod brings a container {proxy.get('name')} of its own", *_certificates(injection.pod)]
    return lines


def _told(pod: dict[str, Any]) -> Iterator[str]:
    yield _proxy(pod)
    init = pieces.spec_of(pod).get("initContainers")
    for name in (INIT, VALIDATION):
        if pieces.named(init, name):
            yield f"init container {name} {'sets up' if name == INIT else 'checks'} the rules that redirect traffic"
    yield _caught(pod)
    yield from _certificates(pod)
    volumes = _decoded(names.texts(pod["metadata"].get("annotations")).get(names.STATUS)).get("volumes")
    if volumes and isinstance(volumes, list):
        yield f"volumes of the templates: {', '.join(map(str, volumes))}"
    yield from _metadata(pod)


def _proxy(pod: dict[str, Any]) -> str:
    spec = pieces.spec_of(pod)
    native = pieces.named(spec.get("initContainers"), PROXY)
    if native:
        said = f"{PROXY} is a native sidecar: an init container that keeps running"
        return f"{said}, ready before the application starts" if "startupProbe" in native else said
    containers = pieces.items(spec.get("containers"))
    if pieces.named(containers, PROXY) is None:
        return f"no container {PROXY} was added"
    proxy = pieces.named(containers, PROXY) or {}
    waits = "postStart" in pieces.part(proxy, "lifecycle")
    if containers[0] is proxy and waits:
        return f"{PROXY} is the first container, and the others start when it is ready"
    return f"{PROXY} is a container beside the application, which doesn't wait for it"


def _caught(pod: dict[str, Any]) -> str:
    found = intercepts(pod)
    kinds = (("inbound", found.inbound), ("outbound IPv4", found.outbound_v4), ("outbound IPv6", found.outbound_v6))
    intercepted = [name for name, yes in kinds if yes]
    if found.outbound_ports:
        intercepted.append(f"outbound to port {', '.join(found.outbound_ports)}")
    said = f"traffic intercepted: {', '.join(intercepted) or 'none'}"
    return f"{said} ({found.by})" if found.by else said


def _certificates(pod: dict[str, Any]) -> Iterator[str]:
    proxy = pieces.writing_container(pod) or pieces.proxy_container(pod) or {}
    directory = pieces.output_certs(proxy)
    if not directory:
        yield "certificates are written nowhere: OUTPUT_CERTS isn't set"
        return
    mounts = [mount for mount in pieces.items(proxy.get("volumeMounts")) if _holds(mount, directory)]
    if not mounts:
        yield f"certificates are written to {directory}, where no volume is mounted"
        return
    mount = max(mounts, key=lambda found: len(str(found["mountPath"])))
    yield f"certificates are written to {directory}, on volume {mount.get('name')}"
    if mount.get("readOnly") is True:
        yield f"volume {mount.get('name')} is mounted read-only there, so nothing can be written"


def _holds(mount: dict[str, Any], directory: str) -> bool:
    path = str(mount.get("mountPath", "")).rstrip("/")
    return bool(path) and f"{directory.rstrip('/')}/".startswith(f"{path}/")


def _metadata(pod: dict[str, Any]) -> Iterator[str]:
    annotations = names.texts(pod["metadata"].get("annotations"))
    labels = names.texts(pod["metadata"].get("labels"))
    proxy = pieces.named_proxy(pod) or {}
    if annotations.get("prometheus.io/port") == str(AGENT_PORT):
        yield f"annotations prometheus.io/* point at the agent's merged metrics on port {AGENT_PORT}"
    else:
        yield "annotations prometheus.io/* are as they were"
    if probes := _decoded(pieces.variable(proxy, "ISTIO_KUBE_APP_PROBERS")):
        yield f"probes go through the agent: {', '.join(sorted(probes))}"
    if names.OVERRIDES in annotations:
        yield "containers of the pod with Istio's names were laid over the template"
    if mode := labels.get("security.istio.io/tlsMode"):
        yield f"label security.istio.io/tlsMode is {mode}: clients in the mesh speak {_spoken(mode)} to the pod"
    if not pieces.runs_envoy(proxy):
        yield "Envoy doesn't run: nobody listens on 15001, 15006, 15021 and 15090"
        yield from _without_envoy(pod, proxy)


def _without_envoy(pod: dict[str, Any], proxy: dict[str, Any]) -> Iterator[str]:
    """Tell what can't work without Envoy."""
    asked = [kind for kind in ("startupProbe", "readinessProbe") if _port(proxy.get(kind)) == 15021]
    if asked:
        yield f"{' and '.join(asked)} of {PROXY} can't pass: port 15021 is Envoy's"
    if pieces.part(proxy, "lifecycle").get("postStart") == {"exec": {"command": ["pilot-agent", "wait"]}}:
        yield f"{PROXY} is stopped after a minute: it waits for port 15021, which is Envoy's"
    found = intercepts(pod)
    if any(found[:3]) or found.outbound_ports:
        yield "traffic that is intercepted is lost"
    if pieces.named(pieces.spec_of(pod).get("initContainers"), VALIDATION):
        yield f"init container {VALIDATION} finds no rules and fails"


def _port(probe: Any) -> object:
    return pieces.part(probe, "httpGet").get("port") if isinstance(probe, dict) else None


def _spoken(mode: str) -> str:
    return "mutual TLS" if mode == "istio" else "plain text"


def _decoded(text: str | None) -> dict[str, Any]:
    """Read a JSON object; {} for what is none."""
    try:
        found = json.loads(text or "")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
