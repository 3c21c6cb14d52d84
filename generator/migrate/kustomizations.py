"""The kustomizations in a folder: those that can be built, and the files that each is made of."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

from generator.errors import InputError, Location, Problem
from generator.files import Root
from generator.intake.kustomization import Kustomization, build, open_kustomization, used_by
from generator.intake.texts import UnrenderedError

# What a kustomization's file names that stands for itself; all else changes other objects, or is no object.
_RESOURCES = ("resources", "bases", "components")


class Built(NamedTuple):
    """A kustomization that can be built, and that no other one uses.

    ``folder`` is where it lies, ``shown`` its name as the user knows it; ``files`` are the names of the files that it
    is made of, by their real paths, and ``aliases`` other names of these. ``others`` are those of its files of which a
    kustomization is made, too, that can't be built here.
    """

    folder: str
    shown: str
    files: Mapping[str, str]
    aliases: Mapping[str, str] = {}
    others: Mapping[str, str] = {}


class Kustomizations(NamedTuple):
    """What kustomizations there are.

    ``built`` can be built. Of the others ``patches`` are the files (real paths) that are no objects, and ``notes`` tell
    of them.
    """

    built: tuple[Built, ...]
    patches: frozenset[str]
    notes: tuple[Problem, ...]


def kustomizations_in(root: Root, folders: Iterable[str]) -> Kustomizations:
    """Look at the kustomizations in some folders below a root."""
    opened: list[Kustomization] = []
    notes: list[Problem] = []
    for folder in folders:
        shown = os.path.normpath(root.source(folder))
        try:
            opened.append(open_kustomization(f"{root.path}/{folder}" if folder else root.path, shown))
        except (InputError, UnrenderedError) as error:
            notes += [_note(shown), *_problems(error)]
    used = used_by(opened)
    tops = [one for one in opened if os.path.realpath(one.folder) not in used] or opened
    built: list[Built] = []
    patches: set[str] = set()
    others: dict[str, str] = {}
    for top in tops:
        if top.is_component() and len(opened) > 1:
            continue
        try:
            build(top)
            built.append(Built(top.folder, top.shown, *_files(top)))
        except (InputError, UnrenderedError) as error:
            notes += [_note(top.shown), *_problems(error)]
            patches |= {path for one in _within(top, opened) for path in _patches(one)}
            others |= dict.fromkeys(_files(top)[0], top.shown)
    return Kustomizations(tuple(_named_alike(built, others)), frozenset(patches), tuple(notes))


def _named_alike(built: Sequence[Built], others: Mapping[str, str]) -> Iterator[Built]:
    """Give each file one name, whatever links lead to it; ``others`` name what can't be built, by its files."""
    names: dict[str, str] = {}
    for one in built:
        aliases = dict(one.aliases)
        for real, name in one.files.items():
            first = names.setdefault(real, name)
            if first != name:
                aliases[name] = first
        aliases = {name: aliases.get(first, first) for name, first in aliases.items()}
        yield one._replace(
            files={real: names[real] for real in one.files},
            aliases=aliases,
            others={names[real]: others[real] for real in one.files if real in others},
        )


def _note(shown: str) -> Problem:
    message = (
        "a kustomization that can't be built here is taken file by file; its patches can't be judged alone, "
        "and are left as they are"
    )
    return Problem(message, Location(shown), hint=f"sidecert doctor {shown} says why")


def _problems(error: InputError | UnrenderedError) -> Sequence[Problem]:
    return error.problems if isinstance(error, InputError) else (error.problem,)


def _files(kustomization: Kustomization) -> tuple[dict[str, str], dict[str, str]]:
    """Give the names, by their real paths, of all files that a kustomization and those that it uses are made of.

    The second map gives for other names of a file, by links, the first one.
    """
    found: dict[str, str] = {}
    aliases: dict[str, str] = {}

    def take(path: str, name: str) -> None:
        first = found.setdefault(os.path.realpath(path), name)
        if first != name:
            aliases[name] = first

    pending, seen = [kustomization], set[str]()
    while pending:
        one = pending.pop()
        source = one.document.source
        if source in seen:
            continue
        seen.add(source)
        take(os.path.join(one.folder, os.path.basename(source)), source)
        for name in one.names():
            path = one.path(name)
            if os.path.isfile(path):
                take(path, one.name(name))
            elif os.path.isdir(path):
                with suppress(InputError, UnrenderedError):  # which is told of who builds it
                    pending.append(open_kustomization(path, one.name(name)))
    return found, aliases


def _within(top: Kustomization, opened: Sequence[Kustomization]) -> list[Kustomization]:
    """Give a kustomization and those among ``opened`` that it uses."""
    found, pending = list[Kustomization](), [top]
    while pending:
        one = pending.pop()
        if one not in found:
            found.append(one)
            names = used_by([one])
            pending += [other for other in opened if os.path.realpath(other.folder) in names]
    return found


def _patches(kustomization: Kustomization) -> set[str]:
    """Give the real paths of a kustomization's patches, and of all else that it names which is no resource."""
    resources = {str(name) for key in _RESOURCES for name in kustomization.entries(key)}
    return {os.path.realpath(kustomization.path(name)) for name in kustomization.names() if name not in resources}
