"""Builds a kustomization folder without running kustomize, so that each value can be traced to the file that sets it.

The order of the steps is kustomize's (api/internal/target): resources, generators, components, then the transformers.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from shlex import quote
from typing import Any, NamedTuple

from generator.errors import InputError, Location, Problem, ValuePath
from generator.files import nearest
from generator.intake.document import Document, Text, as_list, as_map, documents_of
from generator.intake.kustomization.built import BuiltDocument
from generator.intake.kustomization.generators import Files, generate
from generator.intake.kustomization.item import Item
from generator.intake.kustomization.patching import Patch, apply_patch
from generator.intake.kustomization.references import follow_names
from generator.intake.kustomization.strategic import PatchError
from generator.intake.kustomization.transformers import (
    add_affix,
    add_annotations,
    add_labels,
    set_image,
    set_namespace,
    set_replicas,
)
from generator.intake.templates import unrendered
from generator.intake.texts import UnrenderedError, missing, read_bytes, read_text
from generator.yaml.lenient import load_text

#: The names under which kustomize looks for its file.
FILE_NAMES = ("kustomization.yaml", "kustomization.yml", "Kustomization")
_RESOURCES = ("resources", "bases", "components")
_GENERATORS = {"configMapGenerator": "ConfigMap", "secretGenerator": "Secret"}
_KNOWN = {
    *("apiVersion", "kind", "metadata", *_RESOURCES, *_GENERATORS, "generatorOptions", "namespace"),
    *("namePrefix", "nameSuffix", "labels", "commonLabels", "commonAnnotations", "images", "replicas"),
    *("patches", "patchesStrategicMerge", "patchesJson6902"),
    # They say in which order to print, and what else to write into annotations.
    *("sortOptions", "buildMetadata"),
}


class Kustomization(NamedTuple):
    """A folder that kustomize builds: its path, its name as the user knows it, and what its file says.

    Components below the folder ``without`` (a real path) are left out, and with them all that kustomize does to the
    objects after it has applied them: names and namespaces are as the component finds them. ``left_out`` takes these
    components' names. ``texts`` are what files (by their real paths) are taken to hold, whatever lies on disk.
    """

    folder: str
    shown: str
    document: Document
    without: str = ""
    left_out: list[str] = []  # noqa: RUF012  # `build` gives each its own
    texts: Mapping[str, str] = {}

    def entries(self, key: str) -> list[Any]:
        """Give a field that holds a list; [] where there is none."""
        return as_list(self.document.tree.get(key))

    def path(self, name: str) -> str:
        """Give the path of a file or folder that the kustomization names."""
        return os.path.normpath(os.path.join(self.folder, name))

    def name(self, path: str) -> str:
        """Give the name as the user knows it of a file or folder that the kustomization names."""
        return os.path.normpath(os.path.join(self.shown, path)).replace(os.sep, "/")

    def is_component(self) -> bool:
        """Whether other kustomizations add this one to what they have."""
        return self.document.kind == "Component"

    def names(self) -> list[str]:
        """Every file and folder that the kustomization names."""
        found = [str(name) for key in (*_RESOURCES, "crds", "configurations") for name in self.entries(key)]
        found += [str(name) for key in ("transformers", "generators", "validators") for name in self.entries(key)]
        found += [str(one) for one in self.entries("patchesStrategicMerge")]
        for key in ("patches", "patchesJson6902", "replacements"):
            found += [str(one["path"]) for one in self.entries(key) if isinstance(one, dict) and one.get("path")]
        for entry in (one for key in _GENERATORS for one in self.entries(key) if isinstance(one, dict)):
            found += [str(name).rpartition("=")[2] for name in as_list(entry.get("files"))]
            found += [str(name) for name in as_list(entry.get("envs"))]
        return [name for name in found if "\n" not in name]


def used_by(kustomizations: Iterable[Kustomization]) -> set[str]:
    """Give the real paths of all files and folders that kustomizations name."""
    return {os.path.realpath(one.path(name)) for one in kustomizations for name in one.names()}


def kustomization_file(folder: str) -> str:
    """Give the name of a folder's kustomization file; "" where it has none."""
    return next((name for name in FILE_NAMES if os.path.isfile(os.path.join(folder, name))), "")


def open_kustomization(folder: str, shown: str, texts: Mapping[str, str] | None = None) -> Kustomization:
    """Read the kustomization file of a folder; ``shown`` is the folder's name as the user knows it.

    ``texts`` are what files are taken to hold, by their real paths.

    Raises:
        InputError: the file can't be read.
        UnrenderedError: it is a template.
    """
    name = kustomization_file(folder)
    source = os.path.normpath(os.path.join(shown, name)).replace(os.sep, "/")
    path = os.path.join(folder, name)
    text = _read(path, source, texts or {})
    try:
        documents, readable = load_text(text, source)
    except InputError as error:
        raise _as_template(text, source, path, error) from error
    tree: Any = documents[0] if documents else {}
    if len(documents) > 1 or not isinstance(tree, dict):
        raise InputError(Problem("a kustomization is one map", Location(source)))
    document = Document(tree, Text(text, source, readable))
    return Kustomization(os.path.normpath(folder), shown, document, texts=texts or {})


def build(kustomization: Kustomization) -> list[BuiltDocument]:
    """Give the objects that kustomize would print, each with the files of its parts; no hashes behind names.

    Where it was told to leave components out, they are as these find them.

    Raises:
        InputError: a file can't be read.
        UnrenderedError: the kustomization uses what isn't built here, or kustomize would refuse it.
    """
    try:
        items = _built(kustomization._replace(left_out=[]), [], ())
    except UnrenderedError as error:
        # A component, or a base, may be what can't be built; this is the one that the user builds.
        hint = error.problem.hint or f"build it first: {_command(kustomization, error)} | sidecert doctor -"
        raise UnrenderedError(error.problem._replace(hint=hint)) from error
    follow_names(items)
    return [item.document() for item in items]


def _command(kustomization: Kustomization, error: UnrenderedError) -> str:
    option = "--enable-helm " if "`helm" in error.problem.message else ""
    return f"kubectl kustomize {option}{quote(kustomization.shown)}"


def _built(kustomization: Kustomization, items: list[Item], above: tuple[str, ...]) -> list[Item]:
    """Give the objects of a kustomization; a component works on ``items``, which it is given."""
    _check_known(kustomization)
    above = (*above, os.path.realpath(kustomization.folder))
    left_out = len(kustomization.left_out)
    for key in ("resources", "bases"):
        for number, name in enumerate(kustomization.entries(key)):
            items = items + _resource(kustomization, str(name), (key, number), above)
    said: ValuePath = ()
    try:
        for field, kind in _GENERATORS.items():
            for number, entry in enumerate(kustomization.entries(field)):
                said = (field, number)
                generate(items, kind, as_map(entry), said, _files(kustomization))
        for number, name in enumerate(kustomization.entries("components")):
            if is_below(kustomization.path(str(name)), kustomization.without):
                kustomization.left_out.append(str(name))
                continue
            items = _built(_folder(kustomization, str(name), ("components", number), above), items, above)
        if len(kustomization.left_out) > left_out:
            return items
        for key in ("patchesStrategicMerge", "patches"):
            for number, entry in enumerate(kustomization.entries(key)):
                said = (key, number)
                items = apply_patch(items, _patch(kustomization, entry, said))
        _transform_names(kustomization, items)
        for number, entry in enumerate(kustomization.entries("patchesJson6902")):
            said = ("patchesJson6902", number)
            items = apply_patch(items, _patch(kustomization, entry, said))
    except PatchError as error:
        raise _unbuildable(kustomization, str(error), said) from error
    _transform_fields(kustomization, items)
    return items


def _transform_names(kustomization: Kustomization, items: Sequence[Item]) -> None:
    document = kustomization.document
    fields = document.tree
    common = fields.get("commonLabels")
    for item in items:
        if fields.get("namespace"):
            set_namespace(item, str(fields["namespace"]), document)
        if fields.get("namePrefix"):
            add_affix(item, str(fields["namePrefix"]), "", document)
        if fields.get("nameSuffix"):
            add_affix(item, "", str(fields["nameSuffix"]), document)
        for number, entry in enumerate(kustomization.entries("labels")):
            add_labels(item, as_map(entry), document, ("labels", number, "pairs"))
        if isinstance(common, dict):
            add_labels(item, {"pairs": common, "includeSelectors": True}, document, ("commonLabels",))
        if isinstance(fields.get("commonAnnotations"), dict):
            add_annotations(item, fields["commonAnnotations"], document)


def _transform_fields(kustomization: Kustomization, items: Sequence[Item]) -> None:
    for key, change in (("replicas", set_replicas), ("images", set_image)):
        for number, entry in enumerate(kustomization.entries(key)):
            for item in items:
                change(item, as_map(entry), kustomization.document, (key, number))


def _check_known(kustomization: Kustomization) -> None:
    for key, value in kustomization.document.tree.items():
        if key not in _KNOWN and value not in (None, [], {}, ""):
            raise _unbuildable(kustomization, f"`{key}` is left to kustomize", (key,))
    for number, entry in enumerate(kustomization.entries("labels")):
        if as_map(entry).get("fields"):
            raise _unbuildable(kustomization, "`fields` of labels are left to kustomize", ("labels", number, "fields"))


def _unbuildable(kustomization: Kustomization, reason: str, path: ValuePath) -> UnrenderedError:
    place = kustomization.document.locate(path)
    return UnrenderedError(Problem(f"this kustomization can't be built here: {reason}", place))


# --------------------------------------------------------------------------------------------------------------- files


def _resource(kustomization: Kustomization, name: str, said: ValuePath, above: tuple[str, ...]) -> list[Item]:
    """Give the objects of one entry of `resources`: a file, or another kustomization."""
    path = kustomization.path(name)
    if os.path.isdir(path):
        return _built(_folder(kustomization, name, said, above), [], above)
    _check_there(kustomization, name, said)
    source = kustomization.name(name)
    text = _read(path, source, kustomization.texts)
    try:
        documents = documents_of(text, source)
    except InputError as error:
        raise _as_template(text, source, path, error) from error
    return [Item(document.tree, document) for document in documents]


def _read(path: str, source: str, texts: Mapping[str, str]) -> str:
    text = texts.get(os.path.realpath(path)) if texts else None
    return read_text(path, source) if text is None else text


def _folder(kustomization: Kustomization, name: str, said: ValuePath, above: tuple[str, ...]) -> Kustomization:
    """Open another kustomization that this one names; ``above`` are the folders that lead to it."""
    path = kustomization.path(name)
    _check_there(kustomization, name, said)
    if os.path.realpath(path) in above:
        raise _unbuildable(kustomization, "it is made of itself", said)
    if not kustomization_file(path):
        raise _unbuildable(kustomization, f"{kustomization.name(name)} holds no kustomization.yaml", said)
    return open_kustomization(path, kustomization.name(name), kustomization.texts)._replace(
        without=kustomization.without, left_out=kustomization.left_out
    )


def is_below(path: str, folder: str) -> bool:
    """Say whether a path is a folder (a real path; "" for none), or lies below it."""
    return bool(folder) and (os.path.realpath(path) + os.sep).startswith(folder + os.sep)


def _check_there(kustomization: Kustomization, name: str, said: ValuePath) -> None:
    path = kustomization.path(name)
    if os.path.exists(path):
        return
    if "://" in name or "?" in name or name.startswith(("github.com", "git@")):
        raise _unbuildable(kustomization, "it names something that has to be fetched", said)
    problem = missing(path, kustomization.name(name))
    raise InputError(
        Problem(
            f"the kustomization names {problem.location}, which isn't there",
            kustomization.document.locate(said),
            hint=problem.hint or nearest(name, os.listdir(kustomization.folder)),
        )
    )


def _files(kustomization: Kustomization) -> Files:
    def read(name: str) -> bytes:
        path = kustomization.path(name)
        text = kustomization.texts.get(os.path.realpath(path)) if kustomization.texts else None
        return read_bytes(path, kustomization.name(name)) if text is None else text.encode("utf-8")

    return Files(kustomization.document, read, kustomization.name)


def _patch(kustomization: Kustomization, entry: Any, said: ValuePath) -> Patch:
    """Read an entry of one of the fields that hold patches: a text, or a path, and what it is for."""
    if isinstance(entry, str):  # of patchesStrategicMerge
        inline = "\n" in entry or entry.lstrip().startswith("{")
        entry = {"patch": entry} if inline else {"path": entry}
    else:
        said = (*said, "patch")
    entry = as_map(entry)
    outer = None
    if entry.get("path"):
        name = str(entry["path"])
        _check_there(kustomization, name, said[:2])
        source = kustomization.name(name)
        text = _read(kustomization.path(name), source, kustomization.texts)
    else:
        text, source, outer = (
            str(entry.get("patch") or ""),
            kustomization.document.source,
            (kustomization.document, said),
        )
    try:
        trees, readable = load_text(text, source)
    except InputError as error:
        if outer is None:
            raise
        raise _unbuildable(kustomization, error.problems[0].message, said) from error
    shared = Text(text, source, readable)
    documents = tuple(Document(tree, shared, index, (), outer) for index, tree in enumerate(trees))
    target = entry.get("target")
    return Patch(documents, target if isinstance(target, dict) else None, as_map(entry.get("options")))


def _as_template(text: str, source: str, path: str, error: InputError) -> Exception:
    problem = unrendered(text, source, path, error)
    return UnrenderedError(problem) if problem else error
