"""The edits that bring a scraper's pod to the pattern."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterator, Mapping
from typing import Any

from generator.injection.annotations import TEMPLATES, stray_variable
from generator.intake.document import Document
from generator.monitoring.certificate_volume import CertificateVolume
from generator.monitoring.directories import same_directory
from generator.monitoring.edits import REMOVE, Edit
from generator.monitoring.pattern import CONFIG, DEFAULT, HOLD, INJECT, NOTHING_INTERCEPTED, USER_VOLUME_MOUNT, Pattern
from generator.monitoring.scraper import Scraper
from generator.monitoring.setup import Setup
from generator.yaml import block


def pattern_edits(setup: Setup, scraper: Scraper, pattern: Pattern = DEFAULT) -> tuple[Edit, ...]:
    """Give the edits that bring a scraper's pod to the pattern, in order; none where it is there already.

    Every volume, mount, container, label and annotation that the pattern doesn't speak of stays. Where certificates
    are mounted already (from the secret of old, or a volume that nobody writes to), they stay where jobs look for them.
    """
    return tuple(_Work(setup, scraper, pattern).edits())


class _Work:
    """One scraper's way to the pattern."""

    def __init__(self, setup: Setup, scraper: Scraper, pattern: Pattern) -> None:
        self.setup = setup
        self.scraper = scraper
        self.pattern = pattern
        self.pod = scraper.pod
        self.writer = setup.writer(scraper)
        self.volume = CertificateVolume(setup, scraper, pattern)

    def edits(self) -> Iterator[Edit]:
        """All of them."""
        by_hand = self.writer is not None and not self.writer.injected
        if by_hand:
            name = self.writer.volume if self.writer else ""
            yield from self.volume.volume_edits(name)
            yield from self.volume.further_edits(name)
            return
        yield from self.label_edits()
        yield from self.annotation_edits()
        volume = self.volume.volume_name()
        yield from self.config_edits()
        yield from self.mount_annotation_edits(volume)
        yield from self.volume.volume_edits(volume)
        yield from self.container_edits()
        yield from self.volume.further_edits(volume)

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
            if key not in inner.tree and not (key == HOLD and self.waits_in_vain(inner)):
                yield Edit(inner, (key,), value)
        for key, value in metadata.items():
            found = inner.get("proxyMetadata", key)
            if found is None or (key == "OUTPUT_CERTS" and found != value):
                yield Edit(inner, ("proxyMetadata", key), value)
        for key in inner.tree:
            if stray_variable(key) == "OUTPUT_CERTS":  # it is known under proxyMetadata alone
                yield Edit(inner, (key,), REMOVE)

    def waits_in_vain(self, inner: Document) -> bool:
        """Whether a hold would ask for an Envoy that doesn't run: neither a container nor a template asks the agent."""
        pattern = self.pattern.config.get("proxyMetadata", {})
        without_envoy = "DISABLE_ENVOY" in pattern or inner.get("proxyMetadata", "DISABLE_ENVOY") is not None
        templates = {**self.pattern.annotations, **self.pod.annotations}.get(TEMPLATES, "")
        asks_agent = "grpc-agent" in templates or any("lifecycle" in one for one in self.containers_to_add())
        return without_envoy and not asks_agent

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

    def container_edits(self) -> Iterator[Edit]:
        """Add what is laid over the injected containers."""
        for container in self.containers_to_add():
            yield self.pod.append(("spec", "containers"), dict(container))

    def containers_to_add(self) -> list[Mapping[str, Any]]:
        """Those of the pattern that the pod hasn't got."""
        named = [item.get("name") for _, item in self.pod.containers()]
        return [container for container in self.pattern.containers if container.get("name") not in named]


def _mounts(item: object, directory: str) -> bool:
    """Whether an entry of the annotation is a mount of a directory."""
    place = item.get("mountPath") if isinstance(item, dict) else None
    return isinstance(place, str) and same_directory(place, directory)
