"""Tells clusters apart: folders of manifests often hold the same objects once for each environment."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import NamedTuple

from generator.intake.document import Document
from generator.intake.kustomization import BuiltDocument


class World(NamedTuple):
    """Documents that may be in one cluster together."""

    documents: tuple[Document, ...]
    values: tuple[Document, ...]


_Identity = tuple[str, str, str, str]
# What many files of one cluster bring along, each for itself; a second one of any other kind would be judged twice.
_BROUGHT_ALONG = frozenset(
    {"ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition"}
)


def worlds(documents: Sequence[Document], values: Sequence[Document] = ()) -> list[World]:
    """Put documents that belong together into worlds, at least one; each document is in one of them, or in several.

    Two files, or kustomizations, that hold an object of the same kind and name are of different environments, unless
    it is a Namespace, or an account, right or definition that both say alike. Which of them belong together their paths
    say: the words in which the copies of an object differ (``overlays/dev``, ``rules-prod``) are environments. What has
    one of these words belongs to that environment alone, what has none to each; where no word tells, copies of
    different objects stay apart, since things that are never in one cluster would be found wrong together.
    """
    everything = (*documents, *values)
    units = _units(everything)
    cores = _Cores(units)
    found = cores.groups()
    given = {id(document) for document in values}
    made = []
    for group in found or [[]]:
        members = {id(core) for core in group}
        inside = {
            id(document)
            for unit in units
            if id(unit) in members or (not unit.parted and cores.has(group, unit))
            for document in unit.documents
        }
        ordered = [document for document in everything if id(document) in inside]
        made.append(
            World(
                tuple(document for document in ordered if id(document) not in given),
                tuple(document for document in ordered if id(document) in given),
            )
        )
    return made


class _Unit:
    """A file, or a kustomization: what is in it is for one cluster."""

    __slots__ = ("documents", "file", "folders", "parted", "path", "words")

    def __init__(self, path: tuple[str, ...], file: str, documents: list[Document]) -> None:
        """Take the folders it is in, the file's name ("" for a kustomization), and what it holds."""
        self.path = path
        self.file = file.rpartition(".")[0] or file
        self.documents = documents
        self.folders = {word for folder in path if folder for word in (folder, *_pieces(folder))}
        #: The objects that another unit has a copy of; the words of its path that are environments.
        self.parted: set[_Identity] = set()
        self.words: set[str] = set()


def _pieces(name: str) -> list[str]:
    return [piece for piece in name.replace("_", "-").replace(".", "-").split("-") if piece]


def _units(documents: Iterable[Document]) -> list[_Unit]:
    """Put documents by files and kustomizations, which have no folders above the first one that they differ in."""
    listed: dict[tuple[bool, str], list[Document]] = {}
    for document in documents:
        built = isinstance(document, BuiltDocument)
        source = document.kustomization if isinstance(document, BuiltDocument) else document.source
        listed.setdefault((built, source), []).append(document)
    paths = [[*source.split("/"), ""] if built else source.split("/") for built, source in listed]
    shared = 0
    while all(len(path) > shared + 1 and path[shared] == paths[0][shared] for path in paths) and paths:
        shared += 1
    units = [
        _Unit(tuple(path[shared:-1]), path[-1], inside) for path, inside in zip(paths, listed.values(), strict=True)
    ]
    for identity, holders in _holders(units).items():
        if len(holders) > 1 and _parts(identity, holders):
            for unit in holders:
                unit.parted.add(identity)
    return units


def _holders(units: Sequence[_Unit]) -> dict[_Identity, list[_Unit]]:
    """Give the units that hold each object, whatever they say of it."""
    found: dict[_Identity, list[_Unit]] = {}
    for unit in units:
        for identity in dict.fromkeys(map(_identity, unit.documents)):
            if identity:
                found.setdefault(identity, []).append(unit)
    return found


def _identity(document: Document) -> _Identity | None:
    """What Kubernetes tells an object by; None where it has no name yet."""
    if not document.kind or not document.name:
        return None
    return document.group, document.kind, document.namespace, document.name


def _parts(identity: _Identity, holders: Sequence[_Unit]) -> bool:
    """Whether files that hold an object must be of different environments."""
    if identity[:2] == ("", "Namespace"):
        return False
    if identity[1] not in _BROUGHT_ALONG:
        return True
    trees = [one.tree for unit in holders for one in unit.documents if _identity(one) == identity]
    return any(tree != trees[0] for tree in trees)


class _Cores:
    """The units that hold an object of which there are several copies, and which of them are for one cluster."""

    def __init__(self, units: Sequence[_Unit]) -> None:
        """Take all units, and find the words that tell environments apart."""
        self._units = units
        self._all = [unit for unit in units if unit.parted]
        self._rivals: set[tuple[str, str]] = set()
        copies: dict[_Identity, list[_Unit]] = {}
        for unit in self._all:
            for identity in unit.parted:
                copies.setdefault(identity, []).append(unit)
        for held in {tuple(map(id, held)): held for held in copies.values()}.values():
            self._tell(held)
        known = {word for pair in self._rivals for word in pair}
        for unit in units:
            unit.words |= known & (unit.folders | {unit.file, *_pieces(unit.file)})
            if unit.file and any(pair in self._rivals for pair in combinations(sorted(unit.words), 2)):
                unit.words = (unit.words & unit.folders) or unit.words  # dev/like-prod.yaml is in dev

    def _tell(self, copies: Sequence[_Unit]) -> None:
        """Find the words in which the paths of an object's copies differ."""
        named: set[int] = set()
        for one, other in combinations(copies, 2):
            own, others = _difference(one, other)
            one.words |= own
            other.words |= others
            named |= {id(unit) for unit, words in ((one, own), (other, others)) if words}
            found = {(first, second) for first in own or {""} for second in others or {""}}
            self._rivals |= found | {(second, first) for first, second in found}
        for unit in copies:
            if id(unit) not in named:  # prometheus.yaml beside prometheus-prod.yaml
                unit.words.add("")

    def groups(self) -> list[list[_Unit]]:
        """Give those that are for one cluster; each is in a group, those that fit into several are in several."""
        found: list[list[_Unit]] = []
        done: set[int] = set()
        for core in self._all:
            if id(core) in done:
                continue
            group = [core]
            for other in self._all:
                if other is not core and all(self._fit(one, other) for one in group):
                    group.append(other)
            done |= {id(one) for one in group}
            found.append(group)
        for unit in self._units:
            if not unit.parted and found and not any(self.has(group, unit) for group in found):
                found.append([unit])
        return found or [[]]

    def has(self, group: Sequence[_Unit], unit: _Unit) -> bool:
        """Whether a unit without copies is of a group's environment: what no word tells of is of each."""
        if not unit.words or not group:
            return True
        return any(one.words & unit.words for one in group) and not any(self._differ(one, unit) for one in group)

    def _fit(self, one: _Unit, other: _Unit) -> bool:
        return bool(one.words & other.words) and not one.parted & other.parted and not self._differ(one, other)

    def _differ(self, one: _Unit, other: _Unit) -> bool:
        """Whether the words of paths are of different environments."""
        first, second = one.words - other.words, other.words - one.words
        return any((own, others) in self._rivals for own in first for others in second)


def _difference(one: _Unit, other: _Unit) -> tuple[set[str], set[str]]:
    """Give the words that one path has and the other hasn't: of the folders, or else of the files' names."""
    if one.path != other.path:
        own, others = one.folders - other.folders, other.folders - one.folders
        return (own, others) if own or others else ({"/".join(one.path)}, {"/".join(other.path)})
    first, second = set(_pieces(one.file)), set(_pieces(other.file))
    if first & second or len(first) == len(second) == 1:
        own, others = first - second, second - first
        if own or others:
            return own, others
    return {one.file}, {other.file}
