"""The two annotations that give the sidecar volumes and mounts, as a list or as a map.

The template goes through the decoded JSON, writes ``name: "<key>"`` and after it the value's own YAML, in which a later
``name`` wins. A list's keys are its indices, so an element without a name of its own is called ``0``, ``1``, ...
(istio's manifests/charts/istio-control/istio-discovery/files/injection-template.yaml).
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from generator.injection.annotations import USER_VOLUME, USER_VOLUME_MOUNT
from generator.injection.mesh import Tree


def listed_volumes(annotations: Mapping[str, str]) -> list[Tree]:
    """Give the volumes of ``sidecar.istio.io/userVolume`` with their names, in the order of the template.

    Raises:
        ValueError: the annotation can't be read, so the webhook refuses the pod; a sentence without a full stop.
    """
    return _listed(annotations, USER_VOLUME)


def listed_mounts(annotations: Mapping[str, str]) -> list[Tree]:
    """Give the mounts of ``sidecar.istio.io/userVolumeMount``, as `listed_volumes` does volumes.

    Raises:
        ValueError: the annotation can't be read.
    """
    return _listed(annotations, USER_VOLUME_MOUNT)


def user_volumes(annotations: Mapping[str, str]) -> dict[str, Tree]:
    """Give the volumes of ``sidecar.istio.io/userVolume`` by name.

    Raises:
        ValueError: the annotation can't be read.
    """
    return {volume["name"]: volume for volume in listed_volumes(annotations)}


def user_volume_mounts(annotations: Mapping[str, str]) -> dict[str, Tree]:
    """Give the mounts of ``sidecar.istio.io/userVolumeMount`` by the volume's name, the last where it has several.

    Raises:
        ValueError: the annotation can't be read.
    """
    return {mount["name"]: mount for mount in listed_mounts(annotations)}


def _listed(annotations: Mapping[str, str], annotation: str) -> list[Tree]:
    text = annotations.get(annotation)
    if text is None:
        return []
    try:
        value = json.loads(text)
    except ValueError as error:
        raise ValueError(f"annotation {annotation} is no JSON: {error}") from None
    if value is None:
        return []
    if isinstance(value, dict):
        named = sorted(value.items())  # the order in which Go's templates go through a map
    elif isinstance(value, list):
        named = [(str(index), item) for index, item in enumerate(value)]
    else:
        raise ValueError(f"annotation {annotation} is neither a list nor a map")  # noqa: TRY004  # the text is wrong
    for name, item in named:
        if not isinstance(item, dict):
            raise ValueError(f"annotation {annotation}: element {name} is no map")  # noqa: TRY004
        if not isinstance(item.get("name", ""), str):
            raise ValueError(f"annotation {annotation}: the name of element {name} is no string")  # noqa: TRY004
    return [{"name": name, **item} for name, item in named]
