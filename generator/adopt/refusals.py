"""What can't be adopted, and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from generator.adopt.trees import outermost
from generator.errors import Problem, ValuePath
from generator.intake.document import Document, as_list, as_map
from generator.intake.openshift import is_in_template, rendering
from generator.monitoring import Scraper, Setup
from generator.monitoring.labels import matches_labels
from generator.monitoring.pattern import INJECT

# By which label or annotation other meshes add their proxies to a pod (each mesh's documentation on injection).
_MESHES: Mapping[str, str] = {
    "appmesh.k8s.aws/sidecarInjectorWebhook": "AWS App Mesh",
    "consul.hashicorp.com/connect-inject": "Consul",
    "injector.nsm.nginx.com/auto-inject": "NGINX Service Mesh",
    "kuma.io/sidecar-injection": "Kuma",
    "linkerd.io/inject": "Linkerd",
    "openservicemesh.io/sidecar-injection": "Open Service Mesh",
}
_ON = frozenset({"enabled", "true", "yes", "ingress"})
_PROXIES: Mapping[str, str] = {
    "consul-dataplane": "Consul",
    "kuma-sidecar": "Kuma",
    "linkerd-proxy": "Linkerd",
}
# The kubelet marks pods that it reads from files with these (Kubernetes, Static Pods).
_STATIC = ("kubernetes.io/config.mirror", "kubernetes.io/config.source")
_READ_FROM_API = "api"


def owner_of(scraper: Scraper) -> str:
    """Give what made a scraper's workload, as ``kind/name``; "" where nothing says so."""
    for owner in as_list(scraper.document.get("metadata", "ownerReferences")):
        if isinstance(owner, dict) and owner.get("kind") and scraper.flavour == "workload":
            return f"{owner['kind']}/{owner.get('name') or ''}"
    return ""


def refusals(setup: Setup, scraper: Scraper, documents: Sequence[Document]) -> Iterator[Problem]:
    """Everything for which a scraper can't be adopted; nothing where it can."""
    yield from _not_patchable(scraper, documents)
    yield from _other_mesh(setup, scraper)
    if scraper.pod.get("spec", "hostNetwork") is True:
        yield _problem(
            scraper,
            ("spec", "hostNetwork"),
            "Istio never injects a pod of the host's network",
            "take hostNetwork out, or write the proxy into the pod by hand (the variant `manual`)",
        )
    selector = scraper.document.get("spec", "selector", "matchLabels")
    if scraper.flavour == "workload" and as_map(selector).get(INJECT, "true") != "true":
        yield Problem(
            f"{scraper}: its selector asks for {INJECT}, which would have to change, and a selector can't be changed",
            scraper.document.locate(("spec", "selector", "matchLabels", INJECT)),
            found=str(selector[INJECT]),
            hint="make the workload anew with a selector of the application's own labels",
        )


def no_longer_selected(scraper: Scraper) -> Iterator[Problem]:
    """Tell where an adopted workload's selector doesn't fit its pod's labels any more."""
    selector = scraper.document.get("spec", "selector")
    if scraper.flavour == "workload" and selector and not matches_labels(selector, scraper.pod.labels):
        yield Problem(
            f"{scraper}: its selector doesn't fit the labels that the pod needs, and a selector can't be changed",
            scraper.document.locate(("spec", "selector")),
            hint="make the workload anew with a selector of the application's own labels",
        )


def _problem(scraper: Scraper, path: ValuePath, message: str, hint: str, found: str = "") -> Problem:
    place = scraper.document.locate(scraper.pod.where(*path))
    return Problem(f"{scraper} can't be adopted: {message}", place, found=found, hint=hint)


# ------------------------------------------------------------------------------------------- what can't be patched


def _not_patchable(scraper: Scraper, documents: Sequence[Document]) -> Iterator[Problem]:
    outer = outermost(scraper.document)
    if not any(outer is document for document in documents):
        place = scraper.document.locate()
        message = f"{scraper} can't be adopted: it stands in values of a chart, where no patch reaches it"
        yield Problem(message, place, hint="keep it in a manifest of its own")
        return
    if is_in_template(outer):
        hint = f"{rendering(outer)} | sidecert adopt -"
        yield _problem(scraper, (), "it stands in an OpenShift template, where no patch reaches it", hint)
        return
    static = next((key for key in _STATIC if scraper.pod.annotations.get(key, _READ_FROM_API) != _READ_FROM_API), "")
    if scraper.document.kind == "Pod" and static:
        hint = "write a Deployment or a StatefulSet: Istio's webhook never sees what the kubelet reads from a file"
        yield _problem(scraper, ("metadata", "annotations", static), "it is a static pod", hint)
    elif owner := owner_of(scraper):
        hint = f"give the manifest of {owner}"
        yield _problem(scraper, ("metadata", "ownerReferences"), f"{owner} makes it, and would undo a patch", hint)
    elif scraper.is_bare:
        hint = "write a Deployment or a StatefulSet that makes it"
        yield _problem(scraper, (), "it is a bare Pod, which can't be changed once it runs", hint)
    elif listed := next(scraper.maps_for_lists(), None):
        message = f"{scraper} can't be adopted: {listed[-1]} is a map, where a list belongs"
        hint = "put a dash before its first field; sidecert migrate does"
        yield Problem(message, scraper.document.locate(listed), hint=hint)
    elif outer.kind and not outer.get("metadata", "name"):
        place = outer.locate(("metadata",))
        hint = "give it a name: metadata.name"
        yield Problem(f"{scraper} can't be adopted: it has no name by which a patch could find it", place, hint=hint)


# ------------------------------------------------------------------------------------------------- another mesh's


def _other_mesh(setup: Setup, scraper: Scraper) -> Iterator[Problem]:
    hint = "a pod can be in one mesh only: switch that injection off for this pod"
    for kind in ("annotations", "labels"):
        for key, value in scraper.pod.strings("metadata", kind).items():
            if key in _MESHES and value.lower() in _ON:
                yield _problem(scraper, ("metadata", kind, key), f"{_MESHES[key]} injects its proxy", hint, value)
                return
    for path, container in scraper.pod.containers():
        mesh = _PROXIES.get(str(container.get("name")))
        if mesh:
            yield _problem(scraper, path, f"it has a proxy of {mesh}", hint, str(container.get("name")))
            return
    yield from _namespace_mesh(setup, scraper, hint)


def _namespace_mesh(setup: Setup, scraper: Scraper, hint: str) -> Iterator[Problem]:
    """Look at the namespace, unless the pod itself says no."""
    said = {**scraper.pod.labels, **scraper.pod.annotations}
    for namespace in setup.of_kind("Namespace"):
        if not scraper.namespace or namespace.name != scraper.namespace:
            continue
        for kind in ("annotations", "labels"):
            found: dict[str, Any] = as_map(namespace.get("metadata", kind))
            for key in found.keys() & _MESHES.keys():
                if str(found[key]).lower() in _ON and key not in said:
                    place = namespace.locate(("metadata", kind, key))
                    message = f"{scraper} can't be adopted: {_MESHES[key]} injects its proxy into {namespace}"
                    yield Problem(message, place, found=str(found[key]), hint=hint)
