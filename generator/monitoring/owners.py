"""Objects in a dump that other objects in it make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from generator.intake.document import Document, as_list
from generator.monitoring.labels import same_namespace


def controller_of(document: Document) -> str:
    """Name what makes an object and keeps it as it is: ``Prometheus main``; "" for nothing."""
    for owner in as_list(document.get("metadata", "ownerReferences")):
        if isinstance(owner, Mapping) and owner.get("controller") is True:
            return f"{owner.get('kind')} {owner.get('name')}"
    return ""


def made_by_others(documents: Sequence[Document]) -> frozenset[int]:
    """Give the identities (``id``) of the objects whose owner is among the documents too.

    What is wrong with them is wrong with their owner, and changing them changes nothing for long. A Pod belongs to a
    Deployment through a ReplicaSet, whose name is the Deployment's and a hash; it need not be here.
    """
    named: dict[tuple[str, str], list[str]] = {}
    for document in documents:
        named.setdefault((document.kind, document.name), []).append(document.namespace)

    def is_here(kind: str, name: str, namespace: str) -> bool:
        return any(same_namespace(one, namespace) for one in named.get((kind, name), ()))

    found = set()
    for document in documents:
        for owner in as_list(document.get("metadata", "ownerReferences")):
            if not isinstance(owner, Mapping) or owner.get("controller") is not True:
                continue
            kind, name = str(owner.get("kind")), str(owner.get("name"))
            deployment = name.rpartition("-")[0] if kind == "ReplicaSet" else ""
            if is_here(kind, name, document.namespace) or (
                deployment and is_here("Deployment", deployment, document.namespace)
            ):
                found.add(id(document))
    return frozenset(found)
