"""Whether the webhook injects a pod, and by which label or annotation.

Two places decide: the selectors of the webhook's configuration, which see labels of the pod and of its namespace alone
(istio's istio-discovery/templates/mutatingwebhook.yaml), and `injectRequired` in pkg/kube/inject/inject.go, which looks
at the pod.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from generator.injection.annotations import CONFIG, INJECT, REVISION, STATUS, TEMPLATES
from generator.injection.mesh import PROXY, Mesh
from generator.injection.pieces import items

#: Namespaces in which nothing is ever injected (`IgnoredNamespaces` in istio's pkg/kube/inject).
IGNORED_NAMESPACES: Final = frozenset({"kube-system", "kube-public", "kube-node-lease", "local-path-storage"})

_YES = frozenset({"y", "yes", "true", "on"})


class Decision(NamedTuple):
    """Whether a pod is injected, why, and whether that is sure."""

    injected: bool
    reason: str
    certain: bool = True


def decide(
    labels: Mapping[str, str], annotations: Mapping[str, str], spec: Mapping[str, Any], namespace: str, mesh: Mesh
) -> Decision:
    """Say whether the webhook injects a pod.

    Where the namespace's labels would decide and aren't known, a pod that holds anything meant for a sidecar is taken
    to be injected, any other not to be, and the answer is uncertain. A pod whose own label asks for injection is
    answered for a namespace that isn't labelled ``istio-injection: disabled``.
    """
    if STATUS in annotations:
        return _yes(f"annotation {STATUS} says that the pod is injected already")
    if spec.get("hostNetwork") is True:
        return _no("the pod uses the host's network (hostNetwork: true)")
    if namespace in IGNORED_NAMESPACES:
        return _no(f"nothing is injected in namespace {namespace}")
    called = _called(labels, annotations, spec, mesh)
    if not called.injected:
        return called
    return _required(labels, annotations, mesh) or called


def _required(labels: Mapping[str, str], annotations: Mapping[str, str], mesh: Mesh) -> Decision | None:
    """Give the pod's own word once the webhook has been called; None where it doesn't object."""
    for kind, words in (("label", labels if mesh.since(12) else {}), ("annotation", annotations)):
        word = words.get(INJECT, "")
        if word:
            return None if word.lower() in _YES else _no(_says(kind, INJECT, word))
        if INJECT in words:  # an empty label hides the annotation, and means the default
            return None
    return None


def _called(labels: Mapping[str, str], annotations: Mapping[str, str], spec: Mapping[str, Any], mesh: Mesh) -> Decision:
    """Say whether the API server shows the pod to the webhook at all."""
    by_object = mesh.since(9)  # before, only the namespace's labels counted
    word = labels.get(INJECT) if by_object else None
    if word == "false":
        return _no(_says("label", INJECT, word))
    if mesh.namespace_injection is False:
        return _no("the namespace has label istio-injection: disabled")
    if mesh.namespace_injection:
        return _yes("the namespace has label istio-injection: enabled")
    if mesh.namespace_revision:
        return _yes(f"the namespace has label {REVISION}: {mesh.namespace_revision}")
    if by_object and labels.get(REVISION):
        return _yes(_says("label", REVISION, labels[REVISION]))
    if word == "true":
        return _yes(_says("label", INJECT, word))
    return _by_namespace(labels if mesh.since(12) else {}, annotations, spec)


def _by_namespace(labels: Mapping[str, str], annotations: Mapping[str, str], spec: Mapping[str, Any]) -> Decision:
    """Answer for a namespace that isn't known, for a pod whose labels don't call the webhook."""
    for kind, words in (("label", labels), ("annotation", annotations)):
        word = words.get(INJECT, "")
        if word:
            said = _says(kind, INJECT, word)
            if word.lower() not in _YES:
                return _no(said)
            return _yes(f"{said}, which counts only in a namespace with an injection label", certain=False)
    sign = next(_signs(annotations, spec), "")
    if sign:
        return _yes(f"{sign} is for a sidecar, but only the namespace's labels can ask for one", certain=False)
    return _no("no label asks for a sidecar, so the namespace's labels decide", certain=False)


def _signs(annotations: Mapping[str, str], spec: Mapping[str, Any]) -> Iterator[str]:
    """Find what only makes sense with a sidecar."""
    for name in sorted(annotations):
        if name in {CONFIG, TEMPLATES} or name.startswith(("sidecar.istio.io/", "traffic.sidecar.istio.io/")):
            yield f"annotation {name}"
    for container in items(spec.get("containers")):
        if container.get("name") == PROXY and container.get("image") == "auto":
            yield f"container {PROXY} with image auto"


def _yes(reason: str, *, certain: bool = True) -> Decision:
    return Decision(injected=True, reason=reason, certain=certain)


def _no(reason: str, *, certain: bool = True) -> Decision:
    return Decision(injected=False, reason=reason, certain=certain)


def _says(kind: str, name: str, value: str) -> str:
    return f'{kind} {name} is "{value}"'
