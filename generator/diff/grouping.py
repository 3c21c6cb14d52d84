"""The changes of many environments, each told once: with all the environments it is in, and what else is in the same.

A change's *place* is its resource, path and kind. Where the values at a place are an environment's own (its name, say),
they are told as one change that differs by environment.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, get_args

from generator.diff.manifests import ResourceChange
from generator.diff.path import Path, spelled
from generator.diff.values import Kind
from generator.resource import Resource, ResourceId, sort_key


class Place(NamedTuple):
    """Where something changed, and how.

    ``item`` says that it is an item of the list at ``path``, in a list whose items have no names: which one it is
    says its value alone, since the same item has another index in another environment.
    """

    resource: ResourceId
    path: Path
    kind: Kind
    item: bool


class Variation(NamedTuple):
    """Values, and the indices of the environments that have them."""

    old: Any
    new: Any
    environments: tuple[int, ...]


class Told(NamedTuple):
    """A change of a group: one variation, or several where it differs by environment."""

    place: Place
    variations: tuple[Variation, ...]


class Group(NamedTuple):
    """Changes that the same environments have, which are named in order."""

    environments: tuple[str, ...]
    changes: tuple[Told, ...]


_KINDS = get_args(Kind)
# Values that this part of a place's environments share, but no less than two, are told by themselves.
_SHARE = 10
#: So many values at a place may be told one by one.
_FEW = 2


class Grouping:
    """Collects the changes of one environment after another."""

    def __init__(self, names: Sequence[str]) -> None:
        """Take the names of all environments that may come, in the order in which to tell them."""
        self._names = names
        self._indices = {name: index for index, name in enumerate(names)}
        self._places: dict[Place, dict[tuple[str, int], Variation]] = {}
        self._environments: dict[Place, dict[tuple[str, int], list[int]]] = {}

    def add(self, name: str, changes: Iterable[ResourceChange]) -> None:
        """Take an environment's changes; an item's position in its list is not kept."""
        index = self._indices[name]
        repeated: Counter[tuple[Place, str]] = Counter()
        for resource, change in changes:
            item = bool(change.path) and isinstance(change.path[-1], int)
            place = Place(resource, change.path[:-1] if item else change.path, change.kind, item)
            values = json.dumps([change.old, change.new], sort_keys=True)
            key = values, repeated[place, values]
            repeated[place, values] += 1
            self._places.setdefault(place, {}).setdefault(key, Variation(change.old, change.new, ()))
            self._environments.setdefault(place, {}).setdefault(key, []).append(index)

    def groups(self) -> list[Group]:
        """Give the changes by the environments that have them: those of the most first."""
        found: dict[tuple[int, ...], list[Told]] = {}
        for place, values in self._places.items():
            members = self._environments[place]
            variations = [one._replace(environments=tuple(sorted(members[key]))) for key, one in values.items()]
            for together in _parted(sorted(variations, key=_first)):
                everyone = tuple(sorted(index for one in together for index in one.environments))
                found.setdefault(everyone, []).append(Told(place, together))
        groups = [
            Group(tuple(self._names[index] for index in everyone), tuple(sorted(told, key=_order)))
            for everyone, told in found.items()
        ]
        return sorted(
            groups, key=lambda group: (-len(group.environments), group.environments, _order(group.changes[0]))
        )


def _first(variation: Variation) -> tuple[tuple[int, ...], str]:
    return variation.environments, json.dumps([variation.old, variation.new], sort_keys=True)


def _parted(variations: Sequence[Variation]) -> list[tuple[Variation, ...]]:
    """Part the values at a place into those to be told by themselves, and an environment's own, told together."""
    total = len({index for one in variations for index in one.environments})
    own = [one for one in variations if len(one.environments) < max(2, total / _SHARE)]
    carriers = Counter(index for one in own for index in one.environments)
    if len(own) <= _FEW or max(carriers.values()) > 1:  # several in one environment are no alternatives
        return [(one,) for one in variations]
    shared = [one for one in variations if len(one.environments) >= max(2, total / _SHARE)]
    return [*((one,) for one in shared), tuple(own)]


def _order(told: Told) -> tuple[Any, ...]:
    """Resources in the order in which they are applied, then by path."""
    place, first = told.place, told.variations[0]
    rank = sort_key(Resource(place.resource, {}, "", ""))
    return (
        *rank,
        spelled(place.path),
        _KINDS.index(place.kind),
        place.item,
        json.dumps([first.old, first.new], sort_keys=True),
    )
