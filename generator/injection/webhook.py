"""What the webhook does to a pod, in its order (istio's pkg/kube/inject/webhook.go)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from generator.injection import agent, metrics, overrides, pieces, probes, sidecar, volumes
from generator.injection import annotations as names
from generator.injection.decision import decide
from generator.injection.merging import merged
from generator.injection.mesh import INIT, PROXY, VALIDATION, Injection, Mesh, Tree

_LISTS_OF_CONTAINERS = ("containers", "initContainers")


def inject(pod: Mapping[str, Any], namespace: str, mesh: Mesh = Mesh()) -> Injection:  # noqa: B008  # immutable
    """Give a pod as Istio's webhook leaves it.

    ``pod`` is a Pod or a pod template (``metadata``, ``spec``) and isn't changed. A template's ``metadata.name`` may
    hold the workload's name, which labels and variables of the proxy repeat; without it they are left out.
    ``namespace`` is where the pod runs, "" where that isn't known.
    """
    metadata, spec = _map(pod.get("metadata")), _map(pod.get("spec"))
    labels, annotations = names.texts(metadata.get("labels")), names.texts(metadata.get("annotations"))
    refused = list(_misshapen(metadata, spec))
    try:
        config = names.proxy_config(annotations)
    except ValueError:
        config = {}
    decision = decide(labels, annotations, spec, namespace, mesh)
    if not decision.injected or names.STATUS in annotations:
        plain = _arranged({"metadata": metadata, "spec": spec})
        return Injection(decision.injected, decision.reason, decision.certain, plain, tuple(refused), config)
    refused += names.refusals(annotations)
    mounts = _read(volumes.listed_mounts, annotations, refused)
    without = [mount["name"] for mount in mounts if not isinstance(mount.get("mountPath"), str)]
    refused += [f"annotation {names.USER_VOLUME_MOUNT}: the mount of {name} has no mountPath" for name in without]
    wanted = _read(volumes.listed_volumes, annotations, refused)
    templates, strange = _templates(annotations, mesh)
    subject = sidecar.Subject(
        labels=labels,
        annotations=annotations,
        spec=spec,
        config=config,
        metadata=names.proxy_metadata(config),
        mounts=mounts,
        volumes=wanted,
        name=names.text_of(metadata.get("name")) or names.text_of(metadata.get("generateName")).rstrip("-"),
        owner=_owner(pod, metadata, namespace),
        revision=_revision(labels, mesh),
        native=_native(annotations, mesh),
    )
    original = {"metadata": metadata | {"labels": labels, "annotations": annotations}, "spec": spec}
    result = _apply(original, subject, templates, mesh)
    reason = decision.reason
    if strange:
        reason += f"; template {', '.join(strange)} is not known here and not applied"
    certain = decision.certain and not strange
    return Injection(decision.injected, reason, certain, _arranged(result), tuple(refused), config)


Template = Callable[[sidecar.Subject, Mesh], Tree]


def _apply(original: Tree, subject: sidecar.Subject, templates: list[Template], mesh: Mesh) -> Tree:
    pod = original if mesh.since(9) else _without_legacy(original)
    everything: Tree = {}
    for template in templates:
        rendered = template(subject, mesh)
        everything = merged(everything, rendered)
        if pieces.named(pieces.spec_of(everything).get("initContainers"), PROXY):
            pod = overrides.moved_to_init(pod)
        pod = merged(pod, rendered)
    if mesh.since(9):
        pod = overrides.reapplied(pod, original, everything)
    pod = _map(pod)  # from here on it is changed in place
    annotations, spec = pod["metadata"]["annotations"], pod["spec"]
    proxy = pieces.named_proxy(pod)
    if proxy is not None:
        metrics.merge(annotations, proxy, mesh)
        metrics.announce_secure_port(annotations, proxy, mesh)
        probes.rewrite(spec, annotations, proxy, mesh)
    annotations[names.STATUS] = _status(pieces.spec_of(everything), subject.revision)
    _order(spec, first=mesh.since(7) and names.holds_application(subject.config))
    return pod


def _without_legacy(pod: Tree) -> Tree:
    """Remove what Istio 1.5 to 1.8 took for the remains of an older injection, when a pod has no status.

    A volume ``istio-certs`` of the user's is lost so (`injectionStatus` in istio 1.8's pkg/kube/inject/inject.go).
    """
    gone = {
        "volumes": ["istio-certs", "istio-envoy"],
        "containers": [PROXY],
        "initContainers": [INIT, "enable-core-dump"],
    }
    spec = dict(pieces.spec_of(pod))
    for part, lost in gone.items():
        if isinstance(spec.get(part), list):
            spec[part] = [item for item in spec[part] if not (isinstance(item, dict) and item.get("name") in lost)]
    return {**pod, "spec": spec}


def _order(spec: Tree, *, first: bool) -> None:
    """Put Istio's containers into their places; ``first`` where the application is to wait for the proxy.

    A native proxy comes after the init container and before all others; without one the init container comes last, so
    that the user's init containers still reach the network, and validation first (`reorderPod`).
    """
    if isinstance(spec.get("containers"), list):
        spec["containers"] = _moved(spec["containers"], PROXY, first=first)
    init = spec.get("initContainers")
    if not isinstance(init, list):
        return
    native = pieces.named(init, PROXY) is not None
    if native:
        init = _moved(init, PROXY, first=True)
    init = _moved(init, VALIDATION, first=True)
    spec["initContainers"] = _moved(init, INIT, first=native)


def _moved(containers: list[Any], name: str, *, first: bool) -> list[Any]:
    found = [item for item in containers if isinstance(item, dict) and item.get("name") == name]
    others = [item for item in containers if not any(item is one for one in found)]
    return [*found, *others] if first else [*others, *found]


# ------------------------------------------------------------------------------------------------- what is asked for


def _native(annotations: Mapping[str, str], mesh: Mesh) -> bool:
    """Say whether the sidecar is a native one: the annotation (1.24 and later), else the mesh."""
    asked = annotations.get(names.NATIVE, "") if mesh.since(24) else ""
    return asked != "false" if asked else mesh.native()


def _revision(labels: Mapping[str, str], mesh: Mesh) -> str:
    """Give the control plane's revision: the namespace's label wins; with neither it is the default one."""
    if mesh.namespace_revision:
        return mesh.namespace_revision
    return (labels.get(names.REVISION) if mesh.namespace_injection is None else "") or "default"


def _templates(annotations: Mapping[str, str], mesh: Mesh) -> tuple[list[Template], list[str]]:
    """Give the templates that a pod asks for, and the names of those that aren't known here."""
    known: dict[str, Template] = {"sidecar": sidecar.template}
    if mesh.since(11):
        known["grpc-agent"] = agent.template
    asked = annotations.get(names.TEMPLATES, "sidecar") if mesh.since(9) else "sidecar"
    wanted = [name.strip() for name in asked.split(",")]
    return [known[name] for name in wanted if name in known], [name for name in wanted if name not in known]


def _owner(pod: Mapping[str, Any], metadata: Mapping[str, Any], namespace: str) -> str:
    """Give ``ISTIO_META_OWNER`` of a bare Pod; a template doesn't tell its owner."""
    name = names.text_of(metadata.get("name"))
    if pod.get("kind") != "Pod" or not name:
        return ""
    place = names.text_of(metadata.get("namespace")) or namespace or "default"
    return f"kubernetes://apis/v1/namespaces/{place}/pods/{name}"


def _status(spec: Mapping[str, Any], revision: str) -> str:
    """Spell annotation ``sidecar.istio.io/status``: names of what the templates added."""
    parts: Tree = {
        part: [item["name"] for item in pieces.items(spec.get(part))] or None
        for part in ("initContainers", "containers", "volumes")
    }
    return pieces.compact({**parts, "imagePullSecrets": None, "revision": revision})


def _read(
    reader: Callable[[Mapping[str, str]], list[Tree]], annotations: Mapping[str, str], refused: list[str]
) -> list[Tree]:
    try:
        return reader(annotations)
    except ValueError as error:
        refused.append(str(error))
        return []


# ---------------------------------------------------------------------------------------------------------- shapes


def _misshapen(metadata: Tree, spec: Tree) -> Iterator[str]:
    """Say where a pod isn't of the shape that Kubernetes reads, in parts that injection looks at."""
    for part in ("labels", "annotations"):
        for name, value in _map(metadata.get(part)).items():
            if value is not None and not isinstance(value, str):
                hint = "" if isinstance(value, (dict, list)) else f': write "{names.text_of(value)}" in quotes'
                yield f"{part.removesuffix('s')} {name} is no string{hint}"
    for part in (*_LISTS_OF_CONTAINERS, "volumes"):
        if not isinstance(spec.get(part, []), (list, type(None))):
            yield f"spec.{part} is no list"
    for part in _LISTS_OF_CONTAINERS:
        for container in pieces.items(spec.get(part)):
            for key in ("env", "ports", "volumeMounts"):
                if not isinstance(container.get(key, []), (list, type(None))):
                    yield f"{key} of container {names.text_of(container.get('name'))} is no list"


def _map(value: object) -> Tree:
    """Copy a map, deeply; {} for what is none."""
    copied = _copy(value)
    return copied if isinstance(copied, dict) else {}


def _copy(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _copy(item) for name, item in value.items()}
    return [_copy(item) for item in value] if isinstance(value, (list, tuple)) else value


def _arranged(value: Any) -> Any:
    """Copy a tree with the keys of all its maps sorted, as Kubernetes prints them."""
    if isinstance(value, dict):
        return {name: _arranged(value[name]) for name in sorted(value, key=str)}
    return [_arranged(item) for item in value] if isinstance(value, list) else value
