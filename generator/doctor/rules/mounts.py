"""Mounts of the volume with the certificates."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import Any

from generator.doctor.rule import Fix, Found, rule
from generator.doctor.rules.certificates import mount_edits, mount_place, writers
from generator.doctor.rules.examples import OPERATOR, PLAIN, but
from generator.doctor.rules.reading import FILE_NAMES
from generator.doctor.rules.views import can_be_edited, existing, files_of
from generator.monitoring import Edit, Scraper, Setup
from generator.monitoring.directories import is_inside
from generator.monitoring.edits import REMOVE
from generator.monitoring.pod import Mount

#: Where the operator mounts what it makes itself (operator `pkg/prometheus/common.go`).
_OPERATOR_DIRECTORIES = {
    "/etc/prometheus/certs": "the TLS assets of monitors",
    "/etc/prometheus/config_out": "the configuration",
}


@rule(
    "sub-path",
    title="A subPath keeps Prometheus from seeing the certificates",
    severity="error",
    stage="reading",
    why="""
        The agent replaces each file by writing a new one and renaming it. A mount with a `subPath` that names a file
        holds on to the file of that moment: at the start there is none, and the kubelet makes a directory of that name;
        later it is never the new one. A `subPath` that names a directory shows something else than what the proxy
        writes, unless the proxy's mount has the same one. Mount the whole volume.
        """,
    sources=["Kubernetes, Volumes: subPath", "istio `pkg/file/file.go`"],
    wrong=but(
        PLAIN,
        (
            "mountPath: /etc/prom-certs\n          readOnly: true",
            "mountPath: /etc/prom-certs/key.pem\n          subPath: key.pem\n          readOnly: true",
        ),
    ),
)
def sub_path(setup: Setup) -> Iterator[Found]:
    """Look at the mounts of the volume that the proxy writes to."""
    for scraper, writer in writers(setup):
        if not writer.volume:
            continue
        if posixpath.basename(writer.sub_path) in FILE_NAMES.values():
            edits = mount_edits(scraper, writer, ("subPath",)) if can_be_edited(scraper) else ()
            found = f"{writer.name} mounts {writer.sub_path} of the volume {writer.volume} instead of all of it"
            fix = Fix("mount the whole volume in the proxy", edits)
            yield Found(scraper.document, mount_place(scraper, writer), found, fix)
        written = posixpath.normpath(posixpath.join("/", writer.sub_path, writer.inside))
        for mount in scraper.pod.mounts(scraper.container):
            if mount.name != writer.volume or not mount.sub_path or is_inside(written, f"/{mount.sub_path}"):
                continue
            found = f"{mount.sub_path} of the volume {mount.name} is mounted at {mount.directory}, not all of it"
            place = scraper.pod.where(*mount.path, "subPath")
            fix = Fix("mount the whole volume, as a directory", _whole(scraper, mount))
            yield Found(scraper.document, existing(scraper.document, place), found, fix)


def _whole(scraper: Scraper, mount: Mount) -> tuple[Edit, ...]:
    """Mount all of the volume; instead of three mounts of a file each, one of their directory."""
    if not can_be_edited(scraper):
        return ()
    mine = [one for one in scraper.pod.mounts(scraper.container) if one.name == mount.name]
    as_file = posixpath.basename(mount.sub_path) == posixpath.basename(mount.directory)
    directory = posixpath.dirname(mount.directory) if as_file else mount.directory
    if len(mine) > 1:  # one after another would take elements out of the list while others are still counted
        return _one_for_all(scraper, mine, directory) if mount.path == mine[0].path else ()
    keys = [key for key in ("subPath", "subPathExpr") if scraper.pod.get(*mount.path, key) is not None]
    edits = [scraper.pod.set((*mount.path, key), REMOVE) for key in keys]
    if as_file:
        edits.append(scraper.pod.set((*mount.path, "mountPath"), directory))
    return tuple(edits)


def _one_for_all(scraper: Scraper, mounts: list[Mount], directory: str) -> tuple[Edit, ...]:
    """Turn the first mount into one of the whole volume, and take the others out, the last one first."""
    first, *others = mounts
    if any(posixpath.dirname(one.directory) != directory for one in mounts):
        return ()
    new: dict[str, Any] = {"name": first.name, "mountPath": directory, "readOnly": True}
    removed = [scraper.pod.set(one.path, REMOVE) for one in reversed(others)]
    return (*removed, scraper.pod.set(first.path, new))


@rule(
    "reserved-mount-path",
    title="Certificates are mounted where the operator mounts something of its own",
    severity="error",
    stage="manifest",
    why="""
        The Prometheus Operator mounts the TLS assets of monitors at `/etc/prometheus/certs` and the configuration at
        `/etc/prometheus/config_out`, read-only. A second mount at the same path makes the StatefulSet invalid; one
        below it can't be made by the container runtime.
        """,
    sources=["operator `pkg/prometheus/common.go`", "operator `pkg/prometheus/server/statefulset.go`"],
    wrong=but(OPERATOR, ("mountPath: /etc/prom-certs", "mountPath: /etc/prometheus/certs")).replace(
        "/etc/prom-certs/", "/etc/prometheus/certs/"
    ),
)
def reserved_mount_path(setup: Setup) -> Iterator[Found]:
    """Look at the mounts that an operator's resource adds to its Prometheus."""
    for scraper in setup.scrapers:
        if scraper.resource is None or scraper.product != "prometheus":
            continue
        for mount in scraper.pod.mounts(scraper.container):
            reserved = next((one for one in _OPERATOR_DIRECTORIES if is_inside(mount.directory, one)), None)
            if reserved is None:
                continue
            found = f"{mount.directory} is where the operator mounts {_OPERATOR_DIRECTORIES[reserved]}"
            free = "/etc/prom-certs"
            edits = [scraper.pod.set((*mount.path, "mountPath"), free)]
            for file in files_of(setup, scraper):
                if is_inside(file.path, mount.directory):
                    inner = posixpath.relpath(file.path, mount.directory)
                    edits.append(Edit(file.scrape.document, file.place, f"{free}/{inner}"))
            place = existing(scraper.document, scraper.pod.where(*mount.path, "mountPath"))
            taken = any(one.directory == free for one in scraper.pod.mounts(scraper.container))
            fix = Fix(f"mount it elsewhere, such as {free}", () if taken else tuple(edits))
            yield Found(scraper.document, place, found, fix)
