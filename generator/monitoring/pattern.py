"""What brings a scraper's pod to the pattern: an injected proxy writes certificates, the scraper reads them."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Container, Iterator, Mapping
from typing import Any, NamedTuple

from generator.errors import ValuePath
from generator.monitoring.directories import is_inside, same_directory
from generator.monitoring.edits import REMOVE, Edit
from generator.monitoring.pod import Mount
from generator.monitoring.running import Volume
from generator.monitoring.scraper import Scraper
from generator.monitoring.setup import Setup
from generator.yaml import block

INJECT = "sidecar.istio.io/inject"
CONFIG = "proxy.istio.io/config"
HOLD = "holdApplicationUntilProxyStarts"
USER_VOLUME_MOUNT = "sidecar.istio.io/userVolumeMount"
NOTHING_INTERCEPTED = {
    "traffic.sidecar.istio.io/includeInboundPorts": "",
    "traffic.sidecar.istio.io/includeOutboundIPRanges": "",
}
# Injectors of Istio 1.5 to 1.8 take volumes of these names out of the pod.
_REMOVED_VOLUMES = {"istio-certs", "istio-envoy"}
_REMOVED_BEFORE = (1, 9)
_LEGACY_PREFIX = "istio."
# What the agent writes, as Citadel did (istio security/pkg/nodeagent/util/util.go).
_FILES = {"root-cert.pem", "cert-chain.pem", "key.pem"}
# Lists of secrets, each of which becomes a volume and a mount: the operator's, the prometheus chart's.
_MAKE_VOLUME_AND_MOUNT = {"secrets", "extraSecretMounts"}


class Pattern(NamedTuple):
    """What is added to a pod. The defaults are those of the templates, as a test checks."""

    labels: Mapping[str, str] = {INJECT: "true", "security.istio.io/tlsMode": "disabled"}
    annotations: Mapping[str, str] = {
        **NOTHING_INTERCEPTED,
        "sidecar.istio.io/rewriteAppHTTPProbers": "false",
        "prometheus.istio.io/merge-metrics": "false",
    }
    #: Of ``proxy.istio.io/config``, but for where the certificates go.
    config: Mapping[str, Any] = {HOLD: True}
    directory: str = "/etc/istio-output-certs"
    mount_path: str = "/etc/prom-certs"
    volume: str = "istio-workload-certs"
    #: The volume's size limit; "" for none.
    size_limit: str = ""
    #: Containers laid over the injected ones (a certificate-only proxy's).
    containers: tuple[Mapping[str, Any], ...] = ()


DEFAULT = Pattern()


def legacy_volumes(scraper: Scraper) -> Iterator[tuple[ValuePath, str, str]]:
    """The pod's volumes that hold a secret of Citadel's: path in the pod, name, and the secret's name.

    Such a secret was named ``istio.<serviceaccount>``; nothing has made or renewed one since Istio 1.6.
    """
    for path, volume in scraper.pod.volumes():
        found = [name for name in map(_secret_of, (volume, *_sources(volume))) if is_legacy_secret(name)]
        if found:
            yield path, str(volume.get("name") or ""), found[0]


def is_legacy_secret(name: str) -> bool:
    """Say whether a secret is named as Citadel named them: ``istio.default``, ``istio.prometheus``."""
    return name.startswith(_LEGACY_PREFIX) and len(name) > len(_LEGACY_PREFIX)


def _sources(volume: Mapping[str, Any]) -> list[Any]:
    projected = volume.get("projected")
    sources = projected.get("sources") if isinstance(projected, Mapping) else None
    return sources if isinstance(sources, list) else []


def _secret_of(source: object) -> str:
    """The secret that a volume, or a source of a projected one, is made of; "" for none."""
    secret = source.get("secret") if isinstance(source, Mapping) else None
    name = (secret.get("secretName") or secret.get("name")) if isinstance(secret, Mapping) else None
    return name if isinstance(name, str) else ""


def pattern_edits(setup: Setup, scraper: Scraper, pattern: Pattern = DEFAULT) -> tuple[Edit, ...]:
    """Give the edits that bring a scraper's pod to the pattern, in order; none where it is there already.

    Every volume, mount, container, label and annotation that the pattern doesn't speak of stays. Where certificates
    are mounted already (from the secret of old, or a volume that nobody writes to), they stay where jobs look for them.
    """
    return tuple(_Work(setup, scraper, pattern).edits())


class _ListedSecret(NamedTuple):
    """A secret of old in such a list: its path in the document, the volume made of it, where that is mounted."""

    path: ValuePath
    volume: str
    mounted: list[str]


class _Work:
    """One scraper's way to the pattern."""

    def __init__(self, setup: Setup, scraper: Scraper, pattern: Pattern) -> None:
        self.setup = setup
        self.scraper = scraper
        self.pattern = pattern
        self.pod = scraper.pod
        self.writer = setup.writer(scraper)
        self.volumes = setup.volumes(scraper)

    def edits(self) -> Iterator[Edit]:
        """All of them."""
        by_hand = self.writer is not None and not self.writer.injected
        if by_hand:
            name = self.writer.volume if self.writer else ""
            yield from self.volume_edits(name)
            yield from self.further_edits(name)
            return
        yield from self.label_edits()
        yield from self.annotation_edits()
        volume = self.volume_name()
        yield from self.config_edits()
        yield from self.mount_annotation_edits(volume)
        yield from self.volume_edits(volume)
        yield from self.container_edits()
        yield from self.further_edits(volume)

    # ------------------------------------------------------------------------------------- labels and annotations

    def label_edits(self) -> Iterator[Edit]:
        """Have the webhook inject the pod."""
        for key, value in self.pattern.labels.items():
            found = self.pod.labels.get(key)
            if found is None or (key == INJECT and found != value):
                yield self.pod.set(("metadata", "labels", key), value)
        if self.pod.annotations.get(INJECT, "true") != "true":
            yield self.pod.set(("metadata", "annotations", INJECT), "true")

    def annotation_edits(self) -> Iterator[Edit]:
        """Have nothing intercepted, and what else the pattern says."""
        annotations = self.pod.annotations
        for key, value in self.pattern.annotations.items():
            if annotations.get(key) == value:
                continue
            if key in NOTHING_INTERCEPTED:
                if not self.is_off(key):
                    yield self.pod.set(("metadata", "annotations", key), value)
            elif key not in annotations:
                yield self.pod.set(("metadata", "annotations", key), value)

    def is_off(self, key: str) -> bool:
        """Whether interception is off already, by another form."""
        from generator.injection import intercepts

        found = intercepts(self.setup.pod_after(self.scraper))
        if not self.setup.wants_injection(self.scraper):
            return False
        return not (found.inbound if "Inbound" in key else found.outbound_v4 or found.outbound_v6)

    def directory(self) -> str:
        """Where the agent is to write: where it is told to already, if that can work."""
        found = self.writer.directory if self.writer else ""
        usable = posixpath.isabs(found) and posixpath.normpath(found) != "/etc/certs"
        return found if usable else self.pattern.directory

    def config_edits(self) -> Iterator[Edit]:
        """Have the agent write certificates."""
        place = ("metadata", "annotations", CONFIG)
        path = self.pod.where(*place)
        inner = self.pod.document.embedded(path)
        config = {key: value for key, value in self.pattern.config.items() if key != "proxyMetadata"}
        metadata = {"OUTPUT_CERTS": self.directory(), **self.pattern.config.get("proxyMetadata", {})}
        if inner is None:
            yield self.pod.set(place, block({**config, "proxyMetadata": metadata}, sort_keys=False) + "\n")
            return
        for key, value in config.items():
            if key not in inner.tree and not (key == HOLD and inner.get("proxyMetadata", "DISABLE_ENVOY") is not None):
                yield Edit(inner, (key,), value)
        for key, value in metadata.items():
            found = inner.get("proxyMetadata", key)
            if found is None or (key == "OUTPUT_CERTS" and found != value):
                yield Edit(inner, ("proxyMetadata", key), value)
        if "OUTPUT_CERTS" in inner.tree:  # it is known under proxyMetadata alone
            yield Edit(inner, ("OUTPUT_CERTS",), REMOVE)

    def mount_annotation_edits(self, volume: str) -> Iterator[Edit]:
        """Have the volume mounted in the proxy, where the agent writes."""
        writer = self.writer
        fine = writer and writer.volume == volume and not writer.read_only and not writer.sub_path
        if fine and writer and writer.directory == self.directory():
            return
        old = self.pod.annotations.get(USER_VOLUME_MOUNT, "")
        try:
            found = json.loads(old or "{}")
        except ValueError:
            found = {}
        if not isinstance(found, (dict, list)):  # the webhook refuses it
            found = {}
        directory = self.directory()
        mount = {"mountPath": directory}
        if isinstance(found, list):
            # a second mount of the volume would show the key where the agent must not find it
            others = [item for item in found if not (isinstance(item, dict) and item.get("name") == volume)]
            kept = [item for item in others if not _mounts(item, directory)]
            new: Any = [*kept, {"name": volume, **mount}]
        else:
            kept_by_name = {name: item for name, item in found.items() if not _mounts(item, directory)}
            new = {**kept_by_name, volume: mount}
        spaced = '": ' in old
        text = json.dumps(new) if spaced else json.dumps(new, separators=(",", ":"))
        yield self.pod.set(("metadata", "annotations", USER_VOLUME_MOUNT), text)

    # ---------------------------------------------------------------------------------------- volumes and mounts

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

        What a list makes isn't among them.
        """
        listed = {secret.volume for secret in self.listed_secrets()} | self.mixed().keys()
        return [(path, name) for path, name, _ in legacy_volumes(self.scraper) if name not in listed]

    def mixed(self) -> dict[str, list[ValuePath]]:
        """The volumes that hold a secret of old beside other sources, which stay; the paths of that source."""
        found = {}
        for path, volume in self.pod.volumes():
            sources = _sources(volume)
            old = [index for index, source in enumerate(sources) if is_legacy_secret(_secret_of(source))]
            if old and len(old) < len(sources):
                found[str(volume.get("name") or "")] = [(*path, "projected", "sources", index) for index in old]
        return found

    def mixed_directories(self) -> list[str]:
        """Where the scraper's container has those volumes."""
        mixed = self.mixed()
        return [mount.directory for mount in self.pod.mounts(self.scraper.container) if mount.name in mixed]

    def moved_files(self, name: str, mounts: list[Edit]) -> Iterator[Edit]:
        """Have jobs that looked for the certificates in such a volume look where they are now."""
        left = self.mixed_directories()
        there = [mount.directory for mount in self.pod.mounts(self.scraper.container) if mount.name == name]
        made = [str(edit.value["mountPath"]) for edit in mounts if isinstance(edit.value, dict)]
        for scrape in self.setup.scrapes_of(self.scraper) if left else ():
            tls, spelling = scrape.tls, scrape.spelling
            for use, file in (("ca", tls.ca), ("cert", tls.cert), ("key", tls.key)) if tls else ():
                inside = posixpath.basename(file) in _FILES and any(is_inside(file, one) for one in left)
                if inside and scrape.has_istio_names:
                    new = posixpath.join((there or made)[0], posixpath.basename(file))
                    yield Edit(scrape.document, scrape.where(spelling.tls, getattr(spelling, use)), new)

    def further_edits(self, name: str) -> Iterator[Edit]:
        """Put the shared volume in place of all further volumes that hold a secret of old."""
        for paths in self.mixed().values():
            for path in reversed(paths):
                yield self.pod.set(path, REMOVE)
        others = [(path, other) for path, other in self.legacy() if other != name]
        names = {other for _, other in others}
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
            if scrape.has_istio_names and scrape.tls:
                found |= {posixpath.dirname(file) for file in (scrape.tls.cert, scrape.tls.key) if file}
        return sorted(found)

    def listed_secrets(self) -> list[_ListedSecret]:
        """The secrets of old in a list of which an operator or a chart makes a volume and its mount."""
        found = []
        for path, name, _ in legacy_volumes(self.scraper):
            place = self.pod.where(*path)
            if len(place) > 1 and place[-2] in _MAKE_VOLUME_AND_MOUNT:
                mounts = [mount for mount in self.pod.mounts(self.scraper.container) if mount.name == name]
                places = [posixpath.dirname(one.directory) if one.sub_path else one.directory for one in mounts]
                found.append(_ListedSecret(place, name, places))
        return found

    def volume_edits(self, name: str) -> Iterator[Edit]:
        """Have the volume in memory, and mounted read-only where jobs look for the files."""
        removed = self.listed_secrets()
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
            if key != "name":
                yield self.pod.set((*volume.path, key), REMOVE)
        yield self.pod.set((*volume.path, "emptyDir"), {"medium": "Memory"})

    def mount_edits(self, name: str, former: list[str]) -> Iterator[Edit]:
        """Have the volume mounted in the scraper's container."""
        mounted = [mount for mount in self.pod.mounts(self.scraper.container) if mount.name == name]
        kept = [mount for mount in mounted if not is_inside(mount.directory, "/etc/prometheus/secrets") or not former]
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
            # Within a volume that keeps other sources no directory could be made to mount on.
            kept_by_others = self.mixed_directories()
            wanted = [
                one for one in wanted if one not in taken and not any(is_inside(one, other) for other in kept_by_others)
            ]
            if stale and not wanted:
                return
        for directory in wanted or [self.free_directory(taken)]:
            yield self.scraper.mount_edit({"name": name, "mountPath": directory, "readOnly": True})

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

    def free_directory(self, taken: Container[str]) -> str:
        """Give the pattern's directory in the scraper's container, or the like where that is something else's."""
        wanted = posixpath.normpath(self.pattern.mount_path)
        while wanted in taken:
            wanted += "-istio"
        return wanted

    def container_edits(self) -> Iterator[Edit]:
        """Add what is laid over the injected containers."""
        named = [item.get("name") for _, item in self.pod.containers()]
        for container in self.pattern.containers:
            if container.get("name") not in named:
                yield self.pod.append(("spec", "containers"), dict(container))


def _mounts(item: object, directory: str) -> bool:
    """Whether an entry of the annotation is a mount of a directory."""
    place = item.get("mountPath") if isinstance(item, dict) else None
    return isinstance(place, str) and same_directory(place, directory)
