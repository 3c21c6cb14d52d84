"""Volumes that a mount names and the pod hasn't, by Kubernetes' rules or by what injection does."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from generator.doctor.rule import Fix, Found, rule
from generator.doctor.rules.examples import PLAIN, but
from generator.doctor.rules.spoiling import MOUNT_VALUE
from generator.doctor.rules.views import (
    PROXY,
    annotate,
    annotation,
    can_be_edited,
    existing,
    is_steered,
)
from generator.errors import ValuePath
from generator.injection import is_ours_volume, is_proxy, template_volume
from generator.injection.annotations import USER_VOLUME, USER_VOLUME_MOUNT
from generator.monitoring import Edit, Scraper, Setup
from generator.monitoring.directories import same_directory
from generator.monitoring.running import meant_volume
from generator.monitoring.versions import spelled

_REMOVED = {"istio-certs", "istio-envoy"}
#: Volumes that the Prometheus Operator adds to the pods of a resource (operator `pkg/prometheus/common.go`).
_OPERATORS = re.compile(
    r"(config|config-out|tls-assets|web-config|.*-db)|(prometheus|thanos|secret|configmap|otlp|remote-write)-.*"
)
_NEW_NAMES = ("istio-workload-certs", "prometheus-istio-certs", *(f"istio-workload-certs-{n}" for n in range(2, 99)))
#: Kinds whose template is checked before injection adds what annotations name.
_CHECKED = {"Deployment", "ReplicaSet", "DaemonSet", "ReplicationController"}


def _known(setup: Setup, scraper: Scraper) -> set[str]:
    """Name the volumes of the pod as it runs, those that claims of a StatefulSet bring included."""
    names = set(setup.volumes(scraper))
    for claim in scraper.document.get("spec", "volumeClaimTemplates") or ():
        metadata = claim.get("metadata") if isinstance(claim, dict) else None
        if isinstance(metadata, dict) and isinstance(metadata.get("name"), str):
            names.add(metadata["name"])
    claimed = scraper.of_resource("storage", "volumeClaimTemplate", "metadata", "name")
    return names | ({claimed} if isinstance(claimed, str) else set())


class _Mount(NamedTuple):
    """A mount that the manifest names: where, the volume, the container; whether the annotation for the proxy does."""

    place: ValuePath
    name: str
    container: str
    directory: str = ""
    annotated: bool = False


def _mounts(scraper: Scraper) -> Iterator[_Mount]:
    """Every mount of the manifest's containers."""
    for path, container in scraper.pod.containers():
        for mount in scraper.pod.mounts(path):
            name = str(container.get("name") or "")
            yield _Mount(scraper.pod.where(*mount.path), mount.name, name, mount.directory)


def _may_be_added(scraper: Scraper, name: str) -> bool:
    """Whether the operator or the chart may bring a volume that the manifest doesn't name."""
    if scraper.flavour in {"operator", "kube-prometheus-stack"} and scraper.product == "prometheus":
        return _OPERATORS.fullmatch(name) is not None
    return scraper.flavour != "workload" and not ("cert" in name and "istio" in name)


def _is_used(setup: Setup, scraper: Scraper, name: str) -> bool:
    return any(mount.name == name for mount in [*_mounts(scraper), *_annotated(setup, scraper)])


def _is_lost(setup: Setup, name: str) -> bool:
    return name in _REMOVED and setup.settings.istio < (1, 9)


@rule(
    "volume-missing",
    title="A mount names a volume that the pod doesn't have",
    severity="error",
    stage="manifest",
    why="""
        Kubernetes refuses a pod in which a container mounts a volume that isn't in `volumes`
        (`volumeMounts[0].name: Not found`). `istio-cert` and `istio-certs` are two volumes. A volume that only the
        annotation `sidecar.istio.io/userVolume` names comes with injection: a Deployment is checked before that.
        """,
    sources=["istio#29919", "Kubernetes, Volumes"],
    wrong=but(PLAIN, ("        - name: istio-workload-certs\n", "        - name: istio-workload-cert\n")),
)
def volume_missing(setup: Setup) -> Iterator[Found]:
    """Compare the mounts of all containers with the volumes after injection."""
    for scraper in setup.scrapers:
        if any(scraper.maps_for_lists()):  # another rule tells of a list that can't be read
            continue
        known = _known(setup, scraper)
        stated = [volume.get("name") for _, volume in scraper.pod.volumes()]
        told: set[str] = set()
        for mount in [*_mounts(scraper), *_annotated(setup, scraper)]:
            if mount.name in known:
                late = mount.name not in stated and not mount.annotated
                if late and scraper.document.kind in _CHECKED and _is_by_annotation(scraper, mount.name):
                    yield _too_late(scraper, mount)
            elif not _may_be_added(scraper, mount.name) and not _is_lost(setup, mount.name):
                own = [name for name in known if not is_ours_volume({"name": name})]
                near = meant_volume(mount.name, own)
                if near or mount.name not in told:  # a volume that is altogether missing is added once
                    told.add(mount.name)
                    yield _missing(setup, scraper, mount, near)


def _is_by_annotation(scraper: Scraper, name: str) -> bool:
    from generator.injection import user_volumes

    try:
        return name in user_volumes(scraper.pod.annotations)
    except ValueError:
        return False


def _annotated(setup: Setup, scraper: Scraper) -> Iterator[_Mount]:
    """The mounts that the annotation gives the proxy; those without a name of their own are another rule's."""
    place = annotation(scraper, USER_VOLUME_MOUNT)
    for item in _items(scraper, USER_VOLUME_MOUNT) if is_steered(setup, scraper) else ():
        if isinstance(item.get("name"), str):
            yield _Mount(place, item["name"], PROXY, annotated=True)


def _items(scraper: Scraper, key: str) -> list[dict[str, Any]]:
    """Read an annotation's volumes or mounts, with the names that a map gives; nothing where it can't be read."""
    try:
        tree = json.loads(scraper.pod.annotations.get(key, "[]"))
    except ValueError:
        return []
    if isinstance(tree, dict):
        return [{"name": name, **item} for name, item in tree.items() if isinstance(item, dict)]
    return [item for item in tree if isinstance(item, dict)] if isinstance(tree, list) else []


def _is_for_certificates(setup: Setup, scraper: Scraper, mount: _Mount) -> bool:
    """Whether its name says so, or jobs look for Istio's files where it is mounted."""
    if "cert" in mount.name and "istio" in mount.name:
        return True
    named = (one.tls_in(scraper) for one in setup.scrapes_of(scraper) if one.has_istio_names)
    files = (tls.cert for tls in named if tls is not None)
    return bool(mount.directory) and any(same_directory(posixpath.dirname(file), mount.directory) for file in files)


def _missing(setup: Setup, scraper: Scraper, mount: _Mount, near: str) -> Found:
    name = mount.name
    hint = f"; did you mean {near}?" if near else ""
    found = f"the container {mount.container} mounts the volume {name}, which the pod doesn't have{hint}"
    if near and not mount.annotated:
        place = (*mount.place, "name")
        return Found(scraper.document, place, found, Fix(f"mount {near}", (Edit(scraper.document, place, near),)))
    path = existing(scraper.document, mount.place)
    if near:
        text = scraper.pod.annotations[USER_VOLUME_MOUNT].replace(f'"{name}"', f'"{near}"')
        return Found(scraper.document, path, found, Fix(f"mount {near}", (annotate(scraper, USER_VOLUME_MOUNT, text),)))
    own = template_volume(name) if _is_of_proxy(scraper, mount) else None
    if own is not None:
        new = scraper.pod.append(("spec", "volumes"), own)
        return Found(scraper.document, path, found, Fix("add the volume as injection does", (new,)))
    if _is_for_certificates(setup, scraper, mount):
        new = scraper.pod.append(("spec", "volumes"), {"name": name, "emptyDir": {"medium": "Memory"}})
        return Found(scraper.document, path, found, Fix("add the volume", (new,)))
    return Found(scraper.document, path, found, Fix("add the volume, or take the mount out"))


def _is_of_proxy(scraper: Scraper, mount: _Mount) -> bool:
    return any(one.get("name") == mount.container and is_proxy(one) for _, one in scraper.pod.containers())


def _too_late(scraper: Scraper, mount: _Mount) -> Found:
    kind, name = scraper.document.kind, mount.name
    found = (
        f"only {USER_VOLUME} names the volume {name} that the container {mount.container} mounts: a {kind} is refused"
    )
    new = scraper.pod.append(("spec", "volumes"), {"name": name, "emptyDir": {"medium": "Memory"}})
    fix = Fix("add the volume to the pod", (new,))
    return Found(scraper.document, existing(scraper.document, mount.place), found, fix)


@rule(
    "volume-removed-by-injection",
    title="Injection removes the volume",
    severity="error",
    stage="manifest",
    since="Istio 1.5 to 1.8",
    why="""
        The injectors of Istio 1.5 to 1.8 took volumes called `istio-certs` and `istio-envoy` for the remains of an
        older injection, and removed them from the pod. Mounts of them are then invalid. 1.9 no longer does.
        """,
    sources=["istio 1.8 `pkg/kube/inject/inject.go`"],
    wrong=f"# istio 1.8.6\n{PLAIN.replace('istio-workload-certs', 'istio-certs')}",
)
def volume_removed_by_injection(setup: Setup) -> Iterator[Found]:
    """Look at the names of the pod's volumes."""
    for scraper in setup.scrapers:
        if not is_steered(setup, scraper):
            continue
        for path, volume in scraper.pod.volumes():
            name = volume.get("name")
            if not isinstance(name, str) or not _is_lost(setup, name) or not _is_used(setup, scraper, name):
                continue
            found = f"Istio {spelled(setup.settings.istio)} removes the volume {name} when it injects the pod"
            taken = [other.get("name") for _, other in scraper.pod.volumes()]
            new = next(one for one in _NEW_NAMES if one not in taken)
            edits = _renamed(scraper, path, name, new) if name == "istio-certs" and can_be_edited(scraper) else ()
            yield Found(scraper.document, scraper.pod.where(*path, "name"), found, Fix(f"call it {new}", edits))


def _renamed(scraper: Scraper, path: ValuePath, name: str, new: str) -> tuple[Edit, ...]:
    """Rename a volume and what mounts it."""
    edits = [scraper.pod.set((*path, "name"), new)]
    mine = [mount.place for mount in _mounts(scraper) if mount.name == name]
    edits += [Edit(scraper.document, (*place, "name"), new) for place in mine]
    text = scraper.pod.annotations.get(USER_VOLUME_MOUNT, "")
    if f'"{name}"' in text:
        edits.append(annotate(scraper, USER_VOLUME_MOUNT, text.replace(f'"{name}"', f'"{new}"')))
    return tuple(edits)


@rule(
    "user-volume-without-name",
    title="A volume or mount in an annotation has no name",
    severity="error",
    stage="injection",
    why="""
        `sidecar.istio.io/userVolume` and `userVolumeMount` hold a map by volume name, or a list. The template names an
        element of a list after its place in it unless it says `name`: the first one is called `0`. No other volume or
        mount has that name.
        """,
    sources=["istio `manifests/charts/istio-control/istio-discovery/files/injection-template.yaml`"],
    wrong=but(PLAIN, (MOUNT_VALUE, '\'[{"mountPath":"/etc/istio-output-certs"}]\'')),
)
def user_volume_without_name(setup: Setup) -> Iterator[Found]:
    """Look at both annotations of pods that are injected."""
    for scraper in setup.scrapers:
        if not is_steered(setup, scraper):
            continue
        for key in (USER_VOLUME, USER_VOLUME_MOUNT):
            try:
                tree = json.loads(scraper.pod.annotations.get(key, "[]"))
            except ValueError:
                continue
            for index, item in enumerate(tree if isinstance(tree, list) else []):
                if isinstance(item, dict) and not item.get("name"):
                    found = f"element {index} of {key} has no name, so it is called {index}"
                    fix = Fix("say which volume it is", _named(setup, scraper, key, index))
                    yield Found(scraper.document, annotation(scraper, key), found, fix)


def _named(setup: Setup, scraper: Scraper, key: str, index: int) -> tuple[Edit, ...]:
    """Name a mount after the one volume that it can be of: the one that Prometheus has for certificates."""
    volumes = setup.volumes(scraper)
    mounted = {mount.name for mount in scraper.pod.mounts(scraper.container)}
    likely = [name for name, volume in volumes.items() if volume.path is not None and "cert" in name]
    wanted = [name for name in likely if name in mounted] or likely
    if key != USER_VOLUME_MOUNT or len(wanted) != 1:
        return ()
    tree = json.loads(scraper.pod.annotations[key])
    tree[index] = {"name": wanted[0], **{name: value for name, value in tree[index].items() if name != "name"}}
    return (annotate(scraper, key, json.dumps(tree, separators=(",", ":"))),)
