"""The values that others are laid over: what a release takes from ConfigMaps, values files and its tool's options."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Sequence

from generator.errors import Problem
from generator.intake.document import Document
from generator.monitoring.chart_releases import FILE, Reference
from generator.monitoring.chart_values import PROMETHEUS, Values, values_in


class Given:
    """Where values may come from among the documents given."""

    def __init__(self, documents: Iterable[Document], values: Iterable[Document]) -> None:
        """Take Kubernetes objects and values files."""
        self._maps = [one for one in documents if one.kind == "ConfigMap" and not one.group]
        self._files = tuple(values)

    def referred(self, holder: Document, namespace: str, reference: Reference) -> Document | None:
        """Give the values that a reference is to; None where they aren't here, can't be read, or can't be told apart.

        ``holder`` is what refers to them, ``namespace`` its own. Secrets aren't read: what adopt writes would show
        what they hold.
        """
        if reference.kind == FILE:
            return _closest(holder, [one for one in self._files if _is_file(one.source, reference.name)])
        if reference.kind != "ConfigMap":
            return None
        named = [one for one in self._maps if one.name == reference.name]
        found = _closest(holder, [one for one in named if one.namespace in ("", namespace) or not namespace])
        return found.embedded(("data", reference.key)) if found else None


class Referred:
    """All that releases among some documents take values from, with what it holds where that is here.

    ``maps`` are the values in ConfigMaps that are all that a release says of its Prometheus; ``empty`` such releases,
    and those of which a values file is all. ``partly`` are documents whose values are some of a release's. The latter
    two are by ``id()``.
    """

    def __init__(self, documents: Sequence[Document], values: Sequence[Document]) -> None:
        """Take Kubernetes objects and values files."""
        given = Given(documents, values)
        self._found: list[tuple[Document, list[tuple[Reference, Document | None]]]] = []
        self.empty: set[int] = set()
        self.partly: set[int] = set()
        self.maps: list[Document] = []
        for document in documents:
            for one in values_in(document):
                layers = [(ref, given.referred(document, document.namespace, ref)) for ref in one.references]
                inner = [layer for _, layer in layers if layer is not None]
                if len(layers) == len(inner) == 1 and says_little(one):
                    self.empty.add(id(document))
                    self.maps += [layer for layer in inner if layer.outer is not None and layer not in self.maps]
                elif layers:
                    self._found.append((document, layers))
                    self.partly |= {id(document), *map(id, inner)}

    def is_part(self, document: Document) -> bool:
        """Say whether a document's values aren't all that a release is given."""
        while id(document) not in self.partly and document.outer is not None:
            document = document.outer[0]
        return id(document) in self.partly

    def notes(self) -> Iterator[Problem]:
        """Tell of releases of whose values only some are judged, or each by itself: once of each."""
        told: set[int] = set()
        for holder, layers in self._found:
            missing = [reference for reference, inner in layers if inner is None]
            here = [reference for reference, inner in layers if inner is not None]
            place = holder.locate((missing or here)[0].path)
            if missing and id(holder) not in told:
                hint = "give the ConfigMap or the values file too, or what Helm makes of all values"
                yield Problem(f"{holder} takes values from elsewhere too, which are not judged", place, hint=hint)
            elif id(holder) not in told:
                names = ", ".join(reference.name for reference in here)
                message = f"{holder} lays its values over those of {names}: what comes of all of them is not judged"
                yield Problem(message, place, hint="what Helm makes of them can be given instead")
            told.add(id(holder))


def says_little(values: Values) -> bool:
    """Say whether values say nothing of their chart's Prometheus."""
    return not values.map("server" if values.chart == PROMETHEUS else "prometheus")


def _closest(holder: Document, found: Sequence[Document]) -> Document | None:
    """The one of several that is in the same file, or else in the same folder; None where that leaves it open."""
    if len(found) > 1:
        same = [one for one in found if one.source == holder.source]
        folder = posixpath.dirname(holder.source)
        found = same or [one for one in found if posixpath.dirname(one.source) == folder]
    return found[0] if len(found) == 1 else None


def _is_file(source: str, name: str) -> bool:
    """Whether a file may be the one of this name: the name begins elsewhere, and so may the file's."""
    wanted = [part for part in name.split("/") if part not in ("", ".", "..") and not part.startswith("$")]
    parts = [part for part in source.split("/") if part not in ("", ".", "..")]
    count = min(len(wanted), len(parts))
    return count > 0 and wanted[-count:] == parts[-count:]
