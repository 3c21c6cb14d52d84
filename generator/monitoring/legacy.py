"""The secrets in which Citadel kept certificates, until Istio 1.6."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from generator.errors import ValuePath
from generator.injection import is_ours
from generator.monitoring.scraper import Scraper

_PREFIX = "istio."
# Lists of secrets, each of which becomes a volume and a mount: the operator's, the prometheus chart's.
_MAKE_VOLUME_AND_MOUNT = {"secrets", "extraSecretMounts"}


class ListedSecret(NamedTuple):
    """A secret of old in such a list: its path in the document, the volume made of it, where that is mounted."""

    path: ValuePath
    volume: str
    mounted: list[str]


def legacy_volumes(scraper: Scraper) -> Iterator[tuple[ValuePath, str, str]]:
    """The pod's volumes that hold a secret of Citadel's: path in the pod, name, and the secret's name.

    Such a secret was named ``istio.<serviceaccount>``; nothing has made or renewed one since Istio 1.6.
    """
    for path, volume in scraper.pod.volumes():
        found = [name for name in map(secret_of, (volume, *sources_of(volume))) if is_legacy_secret(name)]
        if found:
            yield path, str(volume.get("name") or ""), found[0]


def copiers(scraper: Scraper, volume: str) -> list[str]:
    """Name the init containers that read a volume which the scraper's own container doesn't have.

    They copy what is in it, once and before a proxy runs. One that keeps running is none of them.
    """
    if any(mount.name == volume for mount in scraper.pod.mounts(scraper.container)):
        return []
    return [
        str(container.get("name") or "")
        for path, container in scraper.pod.items("spec", "initContainers")
        if runs_once(container) and any(mount.name == volume for mount in scraper.pod.mounts(path))
    ]


def runs_once(init_container: Mapping[str, Any]) -> bool:
    """Say whether an init container ends before the others start, and isn't Istio's."""
    return init_container.get("restartPolicy") != "Always" and not is_ours(init_container)


def is_legacy_secret(name: str) -> bool:
    """Say whether a secret is named as Citadel named them: ``istio.default``, ``istio.prometheus``."""
    return name.startswith(_PREFIX) and len(name) > len(_PREFIX)


def sources_of(volume: Mapping[str, Any]) -> list[Any]:
    """Give the sources of a projected volume, as they are written; none of any other volume."""
    projected = volume.get("projected")
    sources = projected.get("sources") if isinstance(projected, Mapping) else None
    return sources if isinstance(sources, list) else []


def secret_of(source: object) -> str:
    """The secret that a volume, or a source of a projected one, is made of; "" for none."""
    secret = source.get("secret") if isinstance(source, Mapping) else None
    name = (secret.get("secretName") or secret.get("name")) if isinstance(secret, Mapping) else None
    return name if isinstance(name, str) else ""


def mixed_volumes(scraper: Scraper) -> dict[str, list[ValuePath]]:
    """The volumes that hold a secret of old beside other sources, which stay; the paths of that source."""
    found = {}
    for path, volume in scraper.pod.volumes():
        sources = sources_of(volume)
        old = [index for index, source in enumerate(sources) if is_legacy_secret(secret_of(source))]
        if old and len(old) < len(sources):
            found[str(volume.get("name") or "")] = [(*path, "projected", "sources", index) for index in old]
    return found


def listed_secrets(scraper: Scraper) -> list[ListedSecret]:
    """The secrets of old in a list of which an operator or a chart makes a volume and its mount."""
    found = []
    for path, name, _ in legacy_volumes(scraper):
        place = scraper.pod.where(*path)
        if len(place) > 1 and place[-2] in _MAKE_VOLUME_AND_MOUNT:
            mounts = [mount for mount in scraper.pod.mounts(scraper.container) if mount.name == name]
            places = [posixpath.dirname(one.directory) if one.sub_path else one.directory for one in mounts]
            found.append(ListedSecret(place, name, places))
    return found
