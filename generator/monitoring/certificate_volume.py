"""The volume that proxy and scraper share: which one it is, and where the scraper has it."""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Iterator

from generator.errors import ValuePath
from generator.monitoring import victoria
from generator.monitoring.directories import is_inside, same_directory
from generator.monitoring.edits import REMOVE, Edit
from generator.monitoring.legacy import copiers, legacy_volumes, listed_secrets, mixed_volumes
from generator.monitoring.pattern import Pattern
from generator.monitoring.pod import Mount
from generator.monitoring.running import Volume, meant_volume
from generator.monitoring.scraper import Scraper
from generator.monitoring.setup import Setup

# Injectors of Istio 1.5 to 1.8 take volumes of these names out of the pod.
_REMOVED_VOLUMES = {"istio-certs", "istio-envoy"}
_REMOVED_BEFORE = (1, 9)
# What the agent writes, as Citadel did (istio security/pkg/nodeagent/util/util.go).
_FILES = {"root-cert.pem", "cert-chain.pem", "key.pem"}


class CertificateVolume:
    """The way of one scraper's volumes and mounts to the pattern."""

    def __init__(self, setup: Setup, scraper: Scraper, pattern: Pattern) -> None:
        """Take the scraper, the setup that it is part of, and what it is to become."""
        self.setup = setup
        self.scraper = scraper
        self.pattern = pattern
        self.pod = scraper.pod
        self.writer = setup.writer(scraper)
        self.volumes = setup.volumes(scraper)

    def volume_name(self) -> str:
        """Choose the volume that proxy and scraper share: one that is there for it, or a new one."""
        for volume in self.candidates():
            if volume.name not in _REMOVED_VOLUMES or self.setup.settings.istio >= _REMOVED_BEFORE:
                return volume.name
        name, number = self.pattern.volume, 2
        while name in self.volumes and not self.volumes[name].is_empty_dir:
            name, number = f"{self.pattern.volume}-{number}", number + 1
        return name

    def candidates(self) -> Iterator[Volume]:
        """Volumes that the scraper reads certificates from, the likeliest first."""
        if self.writer and self.writer.volume in self.volumes and self.setup.read_directories(self.scraper):
            yield self.volumes[self.writer.volume]
        mounted = {mount.name for mount in self.pod.mounts(self.scraper.container)}
        yield from sorted(
            (self.volumes[name] for _, name in self.legacy() if name in self.volumes),
            key=lambda volume: volume.name not in mounted,
        )
        if self.writer and self.writer.volume in self.volumes:
            yield self.volumes[self.writer.volume]
        for directory in self.wanted_directories():
            for mount in self.pod.mounts(self.scraper.container):
                volume = self.volumes.get(mount.name)
                if volume and volume.is_empty_dir and not mount.sub_path and same_directory(mount.directory, directory):
                    yield volume

    def legacy(self) -> list[tuple[ValuePath, str]]:
        """The path in the pod, and the name, of volumes that hold a secret of old and nothing else.

        What a list makes isn't among them, nor what is copied: who copies would find nothing there.
        """
        listed = {secret.volume for secret in listed_secrets(self.scraper)} | mixed_volumes(self.scraper).keys()
        found = [(path, name) for path, name, _ in legacy_volumes(self.scraper) if name not in listed]
        return [(path, name) for path, name in found if not copiers(self.scraper, name)]

    def mixed_directories(self) -> list[str]:
        """Where the scraper's container has those volumes."""
        mixed = mixed_volumes(self.scraper)
        return [mount.directory for mount in self.pod.mounts(self.scraper.container) if mount.name in mixed]

    def moved_files(self, name: str, mounts: list[Edit]) -> Iterator[Edit]:
        """Have jobs that looked for the certificates in such a volume look where they are now."""
        left = self.mixed_directories()
        there = [mount.directory for mount in self.pod.mounts(self.scraper.container) if mount.name == name]
        made = [str(edit.value["mountPath"]) for edit in mounts if isinstance(edit.value, dict)]
        for scrape in self.setup.scrapes_of(self.scraper) if left else ():
            tls, spelling = scrape.tls_in(self.scraper), scrape.spelling
            for use, file in (("ca", tls.ca), ("cert", tls.cert), ("key", tls.key)) if tls else ():
                inside = posixpath.basename(file) in _FILES and any(is_inside(file, one) for one in left)
                if inside and scrape.has_istio_names:
                    new = posixpath.join((there or made)[0], posixpath.basename(file))
                    yield Edit(scrape.document, scrape.where(spelling.tls, getattr(spelling, use)), new)

    def further_edits(self, name: str) -> Iterator[Edit]:
        """Put the shared volume in place of all further volumes that hold a secret of old."""
        for paths in mixed_volumes(self.scraper).values():
            for path in reversed(paths):
                yield self.pod.set(path, REMOVE)
        kept = self.volumes[name].path if name in self.volumes else None
        others = [(path, other) for path, other in self.legacy() if other != name or (kept and path != kept)]
        names = {other for _, other in others if other != name}
        for container, _ in self.pod.containers():
            for mount in self.pod.mounts(container):
                if mount.name in names:
                    yield self.pod.set((*mount.path, "name"), name)
        for path, _ in reversed(others):
            yield self.pod.set(path, REMOVE)

    def wanted_directories(self) -> list[str]:
        """The directories in which jobs look for Istio's files, sorted."""
        found = set()
        for scrape in self.setup.scrapes_of(self.scraper):
            tls = scrape.tls_in(self.scraper)
            if scrape.has_istio_names and tls:
                found |= {posixpath.dirname(file) for file in (tls.cert, tls.key) if file}
        return sorted(found)

    def volume_edits(self, name: str) -> Iterator[Edit]:
        """Have the volume in memory, and mounted read-only where jobs look for the files."""
        removed = listed_secrets(self.scraper)
        for secret in reversed(removed):
            yield Edit(self.pod.document, secret.path, REMOVE)
        volume = self.volumes.get(name)
        limit = {"sizeLimit": self.pattern.size_limit} if self.pattern.size_limit else {}
        memory = {"emptyDir": {"medium": "Memory", **limit}}
        if volume is None or volume.path is None:
            yield self.pod.append(("spec", "volumes"), {"name": name, **memory})
        elif not volume.is_empty_dir:
            yield from self.retyped(volume)
        elif not volume.in_memory:
            yield self.pod.set((*volume.path, "emptyDir", "medium"), "Memory")
        mounts = list(self.mount_edits(name, list(dict.fromkeys(place for one in removed for place in one.mounted))))
        yield from mounts
        yield from self.moved_files(name, mounts)

    def retyped(self, volume: Volume) -> Iterator[Edit]:
        """Turn a volume of another source into an emptyDir in memory."""
        assert volume.path is not None  # noqa: S101  # its caller has looked
        for key in volume.tree:
            if key not in {"name", "emptyDir"}:
                yield self.pod.set((*volume.path, key), REMOVE)
        if not volume.in_memory:
            yield self.pod.set((*volume.path, "emptyDir"), {"medium": "Memory"})

    def mount_edits(self, name: str, former: list[str]) -> Iterator[Edit]:
        """Have the volume mounted in the scraper's container."""
        mounted = [mount for mount in self.pod.mounts(self.scraper.container) if self.is_of(mount, name)]
        listed = victoria.folder(self.scraper.document.kind, "/etc/prometheus/secrets")
        kept = [mount for mount in mounted if not is_inside(mount.directory, listed) or not former]
        files = [mount for mount in kept if mount.sub_path and posixpath.basename(mount.directory) == mount.sub_path]
        if files and files == kept:
            yield from self.whole_edits(files)
            return
        for mount in kept:
            for key in ("subPath", "subPathExpr"):
                if self.pod.get(*mount.path, key):
                    yield self.pod.set((*mount.path, key), REMOVE)
        if kept:
            return
        wanted = [posixpath.normpath(one) for one in former or self.wanted_directories()]
        taken = {posixpath.normpath(mount.directory): mount for mount in self.pod.mounts(self.scraper.container)}
        if not former:
            stale = [taken[one] for one in wanted if one in taken and self.stays_empty(taken[one])]
            for mount in stale:
                yield self.pod.set((*mount.path, "name"), name)
            # Within a volume that keeps other sources no directory could be made to mount on, nor a file's below one
            # that is mounted read-only.
            kept_by_others = self.mixed_directories()
            wanted = [
                one
                for one in wanted
                if not any(is_inside(one, other) for other in kept_by_others)
                and not any(is_inside(other, one) for other in taken)
            ]
            if stale and not wanted:
                return
        for directory in wanted or [self.free_directory(taken)]:
            yield self.scraper.mount_edit({"name": name, "mountPath": directory, "readOnly": True})

    def is_of(self, mount: Mount, name: str) -> bool:
        """Whether a mount is one of a volume, or means it and misspells its name, which is another fault."""
        misspelt = mount.name not in self.volumes and meant_volume(mount.name, self.volumes) == name
        return mount.name == name or misspelt

    def whole_edits(self, files: list[Mount]) -> Iterator[Edit]:
        """Mount the whole volume where its files were mounted one by one, or beside it where something else is."""
        others = {mount.directory for mount in self.pod.mounts(self.scraper.container) if mount not in files}
        directories = list(dict.fromkeys(posixpath.dirname(mount.directory) for mount in files))
        first = {posixpath.dirname(mount.directory): mount for mount in reversed(files)}
        for directory in directories:
            free = self.free_directory(others) if directory in others else directory
            yield self.pod.set((*first[directory].path, "mountPath"), free)
            yield self.pod.set((*first[directory].path, "subPath"), REMOVE)
        for mount in reversed(files):
            if mount not in first.values():
                yield self.pod.set(mount.path, REMOVE)

    def stays_empty(self, mount: Mount) -> bool:
        """Whether nothing but the scraper's container has the volume of a mount, so that nobody fills it."""
        volume = self.volumes.get(mount.name)
        others = (path for path, _ in self.pod.containers() if path != self.scraper.container)
        shared = any(one.name == mount.name for path in others for one in self.pod.mounts(path))
        return volume is not None and volume.is_empty_dir and not shared

    def free_directory(self, taken: Collection[str]) -> str:
        """Give the pattern's directory in the scraper's container, or the like where that is something else's."""
        wanted = posixpath.normpath(self.pattern.mount_path)
        while any(is_inside(one, wanted) for one in taken):
            wanted += "-istio"
        return wanted
