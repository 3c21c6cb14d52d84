"""Values that are laid over each other, as one: Helm replaces lists, so what adopt adds to must be all of a list."""

from __future__ import annotations

import copy
import os
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from typing import Any, NamedTuple

from generator.adopt.trees import applied
from generator.errors import Problem, ValuePath
from generator.intake.document import Document, as_list, as_map, value_at
from generator.monitoring import Edit
from generator.monitoring.chart_layers import Given
from generator.monitoring.chart_releases import Installed, installed_by
from generator.monitoring.charts import chart_of
from generator.monitoring.edits import edited_tree
from generator.patch import same
from generator.yaml import block
from generator.yaml.lenient import load_text

Tree = dict[str, Any]
# Texts that hold lists of jobs.
_TEXTS = frozenset({"additionalScrapeConfigs", "extraScrapeConfigs"})


class Laid(NamedTuple):
    """A release with all of its values, and the same ``own`` as it was given, which has some of them.

    ``places`` say of each chart where all values stand, and which of them are its own.
    """

    document: Document
    own: Document
    places: tuple[tuple[ValuePath, Installed], ...]

    def restored(self, new: Document) -> tuple[Document, Document]:
        """Give it as it was given, and what that becomes where all of its values become those in ``new``."""
        edits: list[Edit] = []
        for place, installed in self.places:
            overlay = difference(_map_at(self.document.tree, place), _map_at(new.tree, place))
            edits += _edits(installed.document, installed.base, overlay)
        return self.own, applied([self.own], edits)[0]


class Layers(NamedTuple):
    """Documents of which each release, and each values file, has all of its values, as far as they are there."""

    objects: tuple[Document, ...]
    values: tuple[Document, ...]
    laid: tuple[Laid, ...]
    notes: tuple[Problem, ...]


def lay(objects: Sequence[Document], values: Sequence[Document], named: Sequence[str] = ()) -> Layers:
    """Put values together that Helm is given for one release.

    ``named`` are the files that the user named one by one: values files of one chart among them are one release's, in
    this order.
    """
    given = Given(objects, values)
    used: set[int] = set()
    found = [_laid(document, given, objects, used) for document in objects]
    left = [one for one in values if id(one) not in used]
    together, notes = _together(left, [os.path.normpath(name) for name in named])
    listed = tuple(one.document if one else document for one, document in zip(found, objects, strict=True))
    return Layers(listed, together, tuple(one for one in found if one), tuple(notes))


def difference(base: Mapping[str, Any], wanted: Mapping[str, Any]) -> Tree:
    """Give the values that make ``base`` what is wanted where Helm merges them over it.

    Maps are merged, all else replaces; a key that goes is null.
    """
    found: Tree = {key: None for key in base if key not in wanted}
    for key, new in wanted.items():
        old = base.get(key)
        if isinstance(old, dict) and isinstance(new, dict) and key in base:
            inner = difference(old, new)
            if inner:
                found[key] = inner
        elif key not in base or not same(old, new):
            found[key] = new
    return found


def replaced(overlay: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Give the keys of lists and of texts of jobs in values, which Helm never merges with what they are laid over."""
    for key, value in overlay.items():
        if isinstance(value, dict):
            yield from replaced(value, (*path, str(key)))
        elif isinstance(value, list) or (isinstance(value, str) and key in _TEXTS):
            yield (*path, str(key))


def _over(below: Any, above: Any) -> Any:
    """Lay values over others as Helm and Flux do; null stays, for it takes out what the chart has itself."""
    if not isinstance(below, dict) or not isinstance(above, dict):
        return above
    both = {key: _over(below[key], value) if key in below else value for key, value in above.items()}
    return {**below, **both}


# ---------------------------------------------------------------------------------------------------- values files


def conflicts(changed: Sequence[tuple[Document, Document]], values: Sequence[Document]) -> Iterator[Problem]:
    """Tell of values files whose lists would be lost if they are one release's, where each was adopted by itself.

    ``changed`` pairs values files with what they become, ``values`` are all files.
    """
    for old, new in changed:
        keys = list(replaced(difference(old.tree, new.tree)))
        for other in values if not old.kind else ():
            if other is old or os.path.dirname(other.source) != os.path.dirname(old.source):
                continue
            lost = [path for path in keys if other.get(*path) and not same(other.get(*path), old.get(*path))]
            if lost and chart_of(other) == chart_of(old):
                yield Problem(
                    f"{old.source} can't be adopted by itself: if one release gets {other.source} too, what is added "
                    f"replaces its {', '.join(map('.'.join, lost))}",
                    other.locate(lost[0]),
                    hint="name the values files of a release one by one, in the order in which Helm gets them: "
                    "sidecert adopt values.yaml values-prod.yaml; those of another release apart from them",
                )


def _together(values: Sequence[Document], named: Sequence[str]) -> tuple[tuple[Document, ...], list[Problem]]:
    """Put the values files of one chart into one where the user named several."""
    groups: dict[str, list[Document]] = {}
    for document in values:
        if os.path.normpath(document.source) in named and chart_of(document):
            groups.setdefault(chart_of(document), []).append(document)
    replacing: dict[int, Document | None] = {}
    notes: list[Problem] = []
    for chart, found in groups.items():
        found.sort(key=lambda one: named.index(os.path.normpath(one.source)))
        sources = list(dict.fromkeys(one.source for one in found))
        if len(sources) == 1 or len(sources) < len(found):
            continue
        replacing |= {id(one): None for one in found[:-1]}
        replacing[id(found[-1])] = _with_tree(found[-1], reduce(_over, (one.tree for one in found)))
        message = f"the values of one release of {chart}, in this order: {', '.join(sources)}"
        notes.append(Problem(message, None, hint="adopt those of several releases one by one"))
    made = (replacing.get(id(one), one) for one in values)
    return tuple(one for one in made if one is not None), notes


# -------------------------------------------------------------------------------------------------------- releases


def _laid(document: Document, given: Given, objects: Sequence[Document], used: set[int]) -> Laid | None:
    """Put all values of a release into it; None where it has none but its own. Adds the files that it took them of."""
    tree, places = _with_chart(document, objects), []
    for installed in installed_by(document) if document.kind else ():
        found = [(one, given.referred(document, document.namespace, one)) for one in installed.references]
        below = [inner for _, inner in found if inner is not None]
        above = _set(document, installed)
        if installed.unread is not None or not (below or above):
            continue
        used |= {id(inner) for inner in below if inner.outer is None}
        gone = sorted((one.path for one, inner in found if inner is not None), reverse=True)
        for path in gone:
            tree = edited_tree(tree, path[:-1], _without(value_at(tree, path[:-1]), path[-1]))
        own = as_map(installed.document.get(*installed.base))
        whole: Tree = reduce(_over, [*(inner.tree for inner in below), own, above], {})
        place = installed.base if installed.document is document else _outer_path(installed)
        if document.group == "argoproj.io" and place[-1] == "values":
            tree = edited_tree(tree, place, None)
            place = (*place[:-1], "valuesObject")
        text = document.group == "helm.cattle.io"
        tree = edited_tree(tree, place, block(whole, sort_keys=False) + "\n" if text else whole)
        places.append((place, installed))
    if tree is document.tree:
        return None
    return Laid(_with_tree(document, tree), document, tuple(places) or _own_places(document))


def _own_places(document: Document) -> tuple[tuple[ValuePath, Installed], ...]:
    return tuple((one.base, one) for one in installed_by(document) if one.document is document)


def _outer_path(installed: Installed) -> ValuePath:
    assert installed.document.outer is not None  # noqa: S101  # it is embedded
    return installed.document.outer[1]


def _without(listed: Any, index: str | int) -> list[Any]:
    return [item for number, item in enumerate(as_list(listed)) if number != index]


def _with_chart(document: Document, objects: Sequence[Document]) -> Tree:
    """Give a release's tree in which it says which chart it is, where another object here does."""
    reference = as_map(document.get("spec", "chartRef"))
    name, namespace = reference.get("name"), reference.get("namespace") or document.namespace
    for one in objects if name and document.kind == "HelmRelease" else ():
        if (one.kind, one.name) != (reference.get("kind"), name) or one.namespace not in ("", namespace):
            continue
        source, chart, version = one.get("spec", "url"), one.get("spec", "chart"), one.get("spec", "version")
        if one.kind == "OCIRepository":
            chart = posixpath.basename(str(source).rstrip("/"))
            version = one.get("spec", "ref", "tag") or one.get("spec", "ref", "semver")
        spec = {"chart": chart, "version": version, "sourceRef": {"name": str(source or "")}}
        return {**document.tree, "spec": {**document.tree["spec"], "chartRef": None, "chart": {"spec": spec}}}
    return document.tree


def _set(document: Document, installed: Installed) -> Tree:
    """Values that a tool is told one by one, as on Helm's command line; elements of lists are left out."""
    stated: dict[str, Any] = {}
    for reference in installed.references:
        found = document.get(*reference.path)
        if reference.path[-1] == "set":
            stated |= as_map(found)
        elif reference.path[-1] == "parameters":
            stated |= {str(one.get("name")): one.get("value") for one in as_list(found) if isinstance(one, dict)}
    tree: Tree = {}
    for key, value in stated.items():
        if not {"[", "\\"} & set(key):
            typed = {"true": True, "false": False, "null": None}.get(str(value), value)
            tree = edited_tree(tree, tuple(key.split(".")), typed)
    return tree


def _with_tree(document: Document, tree: Tree) -> Document:
    """Give a document with another tree, located as the one given."""
    made = copy.copy(document)
    made.tree = tree
    made._embedded = {}  # noqa: SLF001  # what it held was the other tree's
    return made


def _map_at(tree: Tree, place: ValuePath) -> Tree:
    found = value_at(tree, place)
    if isinstance(found, str):
        found = next(iter(load_text(found, "")[0]), None)
    return as_map(found)


def _edits(holder: Document, base: ValuePath, overlay: Mapping[str, Any]) -> Iterator[Edit]:
    """What lays values over those that stand in a document."""
    own = holder.get(*base)
    for key, value in overlay.items():
        if isinstance(value, dict) and isinstance(as_map(own).get(key), dict):
            yield from _edits(holder, (*base, key), value)
        else:
            yield Edit(holder, (*base, key), value)
