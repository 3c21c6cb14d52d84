"""Certificates: where the proxy writes them."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import Any

from generator.doctor.rule import Fix, Found, Severity, rule
from generator.doctor.rules.examples import PLAIN, but
from generator.doctor.rules.spoiling import MEMORY, MOUNT, MOUNT_VALUE, OUTPUT_CERTS
from generator.doctor.rules.views import (
    agent_version,
    annotate,
    annotation,
    can_be_edited,
    existing,
    is_steered,
    proxy_metadata_of,
    stated_proxy,
)
from generator.errors import ValuePath
from generator.injection.annotations import USER_VOLUME_MOUNT
from generator.intake.document import Document
from generator.monitoring import Edit, Scraper, Setup
from generator.monitoring.completing import pattern_edits
from generator.monitoring.edits import REMOVE
from generator.monitoring.pattern import DEFAULT
from generator.monitoring.running import Volume, Writer
from generator.monitoring.versions import spelled

_VARIABLE = "OUTPUT_CERTS"
_RESERVED = "/etc/certs"
_KEPT = {"persistentVolumeClaim", "hostPath", "nfs", "iscsi", "cephfs", "rbd", "ephemeral", "local"}
_READ_ONLY = {"secret", "configMap", "downwardAPI", "projected", "image"}


def writers(setup: Setup) -> Iterator[tuple[Scraper, Writer]]:
    """Every scraper beside which a proxy writes certificates, and that proxy."""
    for scraper in setup.scrapers:
        writer = setup.writer(scraper)
        if writer is not None:
            yield scraper, writer


def written_place(scraper: Scraper) -> tuple[Document, ValuePath]:
    """Say where the manifest names the directory that the proxy writes to."""
    stated = stated_proxy(scraper)
    for path, item in scraper.pod.items(*stated[0], "env") if stated else ():
        if item.get("name") == _VARIABLE:
            return scraper.document, scraper.pod.where(*path, "value")
    for inner, path, name, _ in proxy_metadata_of(scraper):
        if name == _VARIABLE:
            return inner, path
    return scraper.document, existing(scraper.document, scraper.pod.where("metadata", "annotations"))


def mount_place(scraper: Scraper, writer: Writer) -> ValuePath:
    """Say where the manifest mounts that directory in the proxy: a path in its document."""
    stated = stated_proxy(scraper)
    for mount in scraper.pod.mounts(stated[0]) if stated else ():
        if mount.name == writer.volume:
            return scraper.pod.where(*mount.path)
    return existing(scraper.document, annotation(scraper, USER_VOLUME_MOUNT))


def mount_edits(scraper: Scraper, writer: Writer, without: tuple[str, ...]) -> tuple[Edit, ...]:
    """Say how to take fields out of the proxy's mount; nothing where the manifest doesn't spell the mount out."""
    import json

    stated = stated_proxy(scraper)
    for mount in scraper.pod.mounts(stated[0]) if stated else ():
        if mount.name == writer.volume:
            found = [key for key in without if scraper.pod.get(*mount.path, key) is not None]
            return tuple(scraper.pod.set((*mount.path, key), REMOVE) for key in found)
    text = scraper.pod.annotations.get(USER_VOLUME_MOUNT)
    if text is None:
        return ()
    try:
        tree = json.loads(text)
    except ValueError:  # the webhook refuses the pod, which is told first
        return ()
    if not isinstance(tree, (dict, list)):
        return ()
    items: list[tuple[Any, Any]] = list(tree.items()) if isinstance(tree, dict) else list(enumerate(tree))
    kept = {
        key: {name: value for name, value in item.items() if name not in without}
        if isinstance(item, dict) and item.get("name", key) == writer.volume
        else item
        for key, item in items
    }
    new = kept if isinstance(tree, dict) else list(kept.values())
    return (annotate(scraper, USER_VOLUME_MOUNT, json.dumps(new, separators=None if '": ' in text else (",", ":"))),)


def _volume(setup: Setup, scraper: Scraper, writer: Writer) -> Volume | None:
    """The volume that the proxy writes to, where the manifest itself has it."""
    volume = setup.volumes(scraper).get(writer.volume)
    return volume if volume is not None and volume.path is not None else None


def _claims(scraper: Scraper) -> list[dict[str, Any]]:
    """The claims of a StatefulSet; what isn't one gives {}."""
    found = scraper.document.get("spec", "volumeClaimTemplates")
    return [
        claim if isinstance(claim, dict) and isinstance(claim.get("metadata"), dict) else {}
        for claim in (found if isinstance(found, list) else [])
    ]


@rule(
    "output-directory-relative",
    title="The proxy is told to write to a path that isn't absolute",
    severity="error",
    stage="writing",
    why="""
        `OUTPUT_CERTS` is a directory in the proxy's container, into which a volume is mounted. A relative path depends
        on the directory that the agent happens to start in, and no mount is at it.
        """,
    sources=["istio `security/pkg/nodeagent/util/util.go`"],
    wrong=but(PLAIN, (OUTPUT_CERTS, "OUTPUT_CERTS: etc/istio-output-certs")),
)
def output_directory_relative(setup: Setup) -> Iterator[Found]:
    """Look at `OUTPUT_CERTS`; what Kubernetes fills in isn't known."""
    for scraper, writer in writers(setup):
        if posixpath.isabs(writer.directory) or "$(" in writer.directory:
            continue
        document, path = written_place(scraper)
        fix = Fix("name the directory from the root", (Edit(document, path, f"/{writer.directory}"),))
        yield Found(document, path, f"OUTPUT_CERTS is {writer.directory}", fix, resource=str(scraper))


@rule(
    "output-directory-reserved",
    title="The proxy writes to a directory that it takes its own identity from",
    severity="error",
    stage="writing",
    since="Istio 1.5",
    why="""
        What lies in `/etc/certs` the agent reads as a certificate that somebody mounted for it. Up to Istio 1.8 it then
        served its own old output for ever, until it expired. Since 1.9 a guard compares the two paths, but a
        `root-cert.pem` found there when the container restarts is still taken for the root of the control plane.
        Directories below it are fine.
        """,
    sources=["istio#28050", "istio#29688", "istio `security/pkg/nodeagent/cache/secretcache.go`"],
    wrong="# istio 1.8.6\n"
    + but(
        PLAIN,
        (OUTPUT_CERTS, "OUTPUT_CERTS: /etc/certs"),
        ('"mountPath":"/etc/istio-output-certs"', '"mountPath":"/etc/certs"'),
    ),
)
def output_directory_reserved(setup: Setup) -> Iterator[Found]:
    """Look at `OUTPUT_CERTS`: the directory itself."""
    for scraper, writer in writers(setup):
        if posixpath.normpath(writer.directory) != _RESERVED:
            continue
        document, path = written_place(scraper)
        severity: Severity = "error" if setup.settings.istio < (1, 9) else "warning"
        edits = pattern_edits(setup, scraper) if is_steered(setup, scraper) and can_be_edited(scraper) else ()
        fix = Fix(f"write to another directory, such as {DEFAULT.directory}, and mount the volume there", edits)
        yield Found(document, path, "OUTPUT_CERTS is /etc/certs", fix, severity, str(scraper))


@rule(
    "output-directory-not-mounted",
    title="The proxy writes certificates to a directory on no volume",
    severity="error",
    stage="writing",
    why="""
        The agent doesn't create the directory that `OUTPUT_CERTS` names, and the proxy's root file system is read-only.
        Without a volume mounted there nothing is written; were something written, Prometheus couldn't see it.
        """,
    sources=["istio `security/pkg/nodeagent/util/util.go`", "istio `pkg/kube/inject/webhook.go`"],
    wrong=but(PLAIN, (MOUNT, "")),
)
def output_directory_not_mounted(setup: Setup) -> Iterator[Found]:
    """Look for a mount of the proxy in which the directory lies."""
    for scraper, writer in writers(setup):
        if writer.volume or not posixpath.isabs(writer.directory):
            continue
        document, path = written_place(scraper)
        edits = pattern_edits(setup, scraper) if is_steered(setup, scraper) and can_be_edited(scraper) else ()
        says = f"mount the shared volume in {writer.name} at {writer.directory}"
        if posixpath.normpath(writer.directory) == _RESERVED:  # of which output-directory-reserved tells
            says = f"have it write to {DEFAULT.directory}, and mount the shared volume there in {writer.name}"
        fix = Fix(says, edits)
        found = f"OUTPUT_CERTS is {writer.directory}, and {writer.name} mounts nothing there"
        yield Found(document, path, found, fix, resource=str(scraper))


@rule(
    "writer-read-only",
    title="The proxy can't write to the volume for its certificates",
    severity="error",
    stage="writing",
    why="""
        The proxy writes the certificates, so its own mount must be writable; `readOnly` belongs on Prometheus' mount
        alone. Volumes made of secrets, config maps and projections are read-only whatever the mount says.
        """,
    sources=["istio `security/pkg/nodeagent/util/util.go`", "Kubernetes, Volumes: secret"],
    wrong=but(
        PLAIN, (MOUNT_VALUE, '\'{"istio-workload-certs":{"mountPath":"/etc/istio-output-certs","readOnly":true}}\'')
    ),
)
def writer_read_only(setup: Setup) -> Iterator[Found]:
    """Look at the proxy's mount, and at what it mounts."""
    for scraper, writer in writers(setup):
        volume = setup.volumes(scraper).get(writer.volume)
        if writer.read_only:
            edits = mount_edits(scraper, writer, ("readOnly",)) if can_be_edited(scraper) else ()
            found = f"{writer.name} mounts the volume {writer.volume} read-only at the directory that it writes to"
            fix = Fix("mount it writable in the proxy, and read-only in Prometheus", edits)
            yield Found(scraper.document, mount_place(scraper, writer), found, fix)
        elif volume is not None and volume.source in _READ_ONLY:
            edits = ()
            if volume.path is not None and is_steered(setup, scraper) and can_be_edited(scraper):
                edits = (
                    scraper.pod.set((*volume.path, volume.source), REMOVE),
                    scraper.pod.set((*volume.path, "emptyDir"), {"medium": "Memory"}),
                )
            place = scraper.pod.where(*volume.path) if volume.path else mount_place(scraper, writer)
            found = f"the volume {volume.name}, which the proxy writes to, is made of a {volume.source}"
            yield Found(scraper.document, place, found, Fix("write to an emptyDir in memory", edits))


@rule(
    "certificates-on-disk",
    title="The private key is written to the node's disk",
    severity="warning",
    stage="writing",
    why="""
        An `emptyDir` without `medium: Memory` lies on the node's disk, and with it the private key that the proxy
        writes there. Whoever reads the disk, or a backup of it, can act as Prometheus in the mesh until the certificate
        expires.
        """,
    sources=["Kubernetes, Volumes: emptyDir"],
    wrong=but(PLAIN, (MEMORY, "emptyDir: {}")),
)
def certificates_on_disk(setup: Setup) -> Iterator[Found]:
    """Look at the volume that the proxy writes to."""
    for scraper, writer in writers(setup):
        volume = _volume(setup, scraper, writer)
        if volume is None or volume.path is None or not volume.is_empty_dir or volume.in_memory:
            continue
        edit = scraper.pod.set((*volume.path, "emptyDir", "medium"), "Memory")
        yield Found(
            scraper.document,
            existing(scraper.document, scraper.pod.where(*volume.path, "emptyDir")),
            f"the volume {volume.name} is an emptyDir on disk",
            Fix("keep it in memory", (edit,)),
        )


@rule(
    "certificates-kept",
    title="The private key outlives the pod",
    severity="warning",
    stage="writing",
    why="""
        A private key on a persistent volume or on the node's own file system is still there when the pod is gone, and
        other pods may mount it. Prometheus started again may also read the files of the pod before, which may have
        expired. An emptyDir in memory goes with the pod.
        """,
    sources=["Kubernetes, Volumes: emptyDir", "Kubernetes, Volumes: hostPath"],
    wrong=but(PLAIN, (MEMORY, "hostPath:\n          path: /var/lib/istio-certs")),
)
def certificates_kept(setup: Setup) -> Iterator[Found]:
    """Look at the volume that the proxy writes to."""
    for scraper, writer in writers(setup):
        claims = [one.get("metadata", {}).get("name") for one in _claims(scraper)]
        if writer.volume and writer.volume in claims:
            claim: ValuePath = ("spec", "volumeClaimTemplates", claims.index(writer.volume))
            found = f"the volume {writer.volume} is claimed from a volumeClaimTemplate"
            yield Found(scraper.document, claim, found, Fix("write to an emptyDir in memory"))
        volume = _volume(setup, scraper, writer)
        if volume is None or volume.path is None or volume.source not in _KEPT:
            continue
        edits = (
            scraper.pod.set((*volume.path, volume.source), REMOVE),
            scraper.pod.set((*volume.path, "emptyDir"), {"medium": "Memory"}),
        )
        place = scraper.pod.where(*volume.path, volume.source)
        fix = Fix("keep the certificates in memory", edits)
        yield Found(scraper.document, place, f"the volume {volume.name} is a {volume.source}", fix)


@rule(
    "key-unreadable",
    title="Prometheus may not read the private key",
    severity="error",
    stage="reading",
    since="Istio 1.9.0 to 1.9.3",
    why="""
        The agents of Istio 1.9.0 to 1.9.3 wrote the files with mode 0600, for the proxy's user 1337 alone. Prometheus
        runs as another user and gets `permission denied`. 1.9.4 and 1.10 write them with 0644 again.
        """,
    sources=["istio#31531", "istio#29919", "istio#31726"],
    wrong=f"# istio 1.9.2\n{PLAIN}",
)
def key_unreadable(setup: Setup) -> Iterator[Found]:
    """Look at the version, and at the user that Prometheus runs as."""
    for scraper, writer in writers(setup):
        version = agent_version(setup, writer)
        if not (1, 9, 0) <= version <= (1, 9, 3) or len(version) < 3:
            continue
        container = scraper.pod.get(*scraper.container, "securityContext", "runAsUser")
        user = container if container is not None else scraper.pod.get("spec", "securityContext", "runAsUser")
        if user in {0, 1337} or not writer.volume:
            continue
        document, path = written_place(scraper)
        found = f"Istio {spelled(version)} writes key.pem for user 1337 alone"
        yield Found(document, path, found, Fix("update Istio to 1.9.4 or later"), resource=str(scraper))
