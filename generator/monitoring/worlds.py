"""Tells clusters apart: folders of manifests often hold the same objects once for each environment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, TypeVar

from generator.intake.document import Document
from generator.intake.kustomization import BuiltDocument


class World(NamedTuple):
    """Documents that may be in one cluster together."""

    documents: tuple[Document, ...]
    values: tuple[Document, ...]


_Identity = tuple[str, str, str, str]


def worlds(documents: Sequence[Document], values: Sequence[Document] = ()) -> list[World]:
    """Put documents that belong together into worlds, at least one; each document is in one of them, or in several.

    Two files or folders that hold an object of the same kind and name are different environments; where several
    objects come as often, their first copies belong together, their second ones, and so on. What lies beside them, and
    has no object of theirs, belongs to each of them. Of kustomizations each begins a new world whose objects
    are there already: kustomize has no object twice.
    """
    built = [document for document in documents if isinstance(document, BuiltDocument)]
    plain = [document for document in (*documents, *values) if not isinstance(document, BuiltDocument)]
    ours, others = _builds(built), _split(plain, 0)
    if ours and len(others) == 1 and not any(_identities(one) & _identities(others[0]) for one in ours):
        found = [[*one, *others[0]] for one in ours]
    else:
        found = ours + others
    ranks = {id(document): rank for rank, document in enumerate((*documents, *values))}
    given = {id(document) for document in values}
    made = []
    for one in found or [[]]:
        ordered = sorted(one, key=lambda document: ranks[id(document)])
        made.append(
            World(
                tuple(document for document in ordered if id(document) not in given),
                tuple(document for document in ordered if id(document) in given),
            )
        )
    return made


def _identity(document: Document) -> _Identity | None:
    """What Kubernetes tells an object by; None where it has no name yet."""
    if not document.kind or not document.name:
        return None
    return document.group, document.kind, document.namespace, document.name


def _identities(documents: Sequence[Document]) -> set[_Identity]:
    return {identity for document in documents if (identity := _identity(document))}


def _builds(documents: Sequence[BuiltDocument]) -> list[list[Document]]:
    """Put kustomizations, in their order, into one world as long as no object comes again."""
    folders: dict[str, list[Document]] = {}
    for document in documents:
        folders.setdefault(document.kustomization, []).append(document)
    found: list[list[Document]] = []
    seen: set[_Identity] = set()
    for built in folders.values():
        identities = _identities(built)
        if not found or identities & seen:
            found.append([])
            seen = set()
        found[-1] += built
        seen |= identities
    return found


def _split(documents: Sequence[Document], depth: int) -> list[list[Document]]:
    """Give the worlds of documents whose files have their first ``depth`` folders in common; none for no documents."""
    children: dict[str | None, list[Document]] = {}
    for document in documents:
        parts = document.source.split("/")
        children.setdefault(parts[depth] if depth < len(parts) else None, []).append(document)
    if len(children) == 1 and None not in children:
        return _split(documents, depth + 1)
    inner = {
        name: [listed] if name is None else _split(listed, depth + 1)  # a file is one: a dump may say a thing twice
        for name, listed in children.items()
    }
    names = {name: _identities(listed) for name, listed in children.items()}
    holders = Counter(identity for found in names.values() for identity in found)  # pairs of files would be too many
    apart = [
        name for name in children if len(inner[name]) > 1 or any(holders[identity] > 1 for identity in names[name])
    ]
    common = [document for name in children if name not in apart for document in children[name]]
    together = _together([(name, {one for one in names[name] if holders[one] > 1}) for name in apart], holders)
    found = [one for group in together for one in _crossed([inner[name] for name in group])]
    return [[*common, *one] for one in found] or ([common] if common else [])


_Name = TypeVar("_Name")


def _together(
    children: Sequence[tuple[_Name, set[_Identity]]], holders: Mapping[_Identity, int]
) -> Iterator[list[_Name]]:
    """Group files and folders, each with those of its objects that others have too: the first copies of all, and so on.

    ``prometheus-dev``, ``prometheus-prod``, ``rules-dev`` and ``rules-prod`` are two environments. Where not every
    object has as many copies, or a file doesn't fit in, there is no telling, and each stands by itself.
    """
    seen: Counter[_Identity] = Counter()
    ranks: list[set[int]] = []
    for _, shared in children:
        ranks.append({seen[identity] for identity in shared})
        seen.update(shared)
    counts = {holders[identity] for _, shared in children for identity in shared}
    if len(counts) > 1 or any(len(found) != 1 for found in ranks):
        yield from ([name] for name, _ in children)
        return
    groups: dict[int, list[_Name]] = {}
    for (name, _), found in zip(children, ranks, strict=True):
        groups.setdefault(found.pop(), []).append(name)
    yield from groups.values()


def _crossed(inner: Sequence[list[list[Document]]]) -> Iterator[list[Document]]:
    """Put the worlds of several files or folders together, where at most one of them has more than one."""
    several = [found for found in inner if len(found) > 1]
    if len(several) > 1:
        yield from (one for found in inner for one in found)
        return
    alone = [document for found in inner if len(found) == 1 for document in found[0]]
    yield from ([*alone, *one] for one in (several[0] if several else [[]]))
