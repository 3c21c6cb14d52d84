"""Files, folders and standard input, as a user names them, to Kubernetes objects and Helm values."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from generator.errors import InputError, Location, Problem
from generator.intake.document import Document, objects_of
from generator.intake.kustomization import FILE_NAMES, Kustomization, build, open_kustomization, used_by
from generator.intake.loading import load
from generator.intake.openshift import is_template, objects_in, unfilled
from generator.intake.others import told_as
from generator.intake.templates import chart_problem, first_opening, named_by_template, unrendered
from generator.intake.texts import UnrenderedError, missing, read_text
from generator.intake.walking import ENDINGS, Walk, below
from generator.yaml.reading import ForeignTagError

STDIN = "<stdin>"
# Of a chart: what it is called, not what it sets.
_CHART_FILES = frozenset({"Chart.yaml", "requirements.yaml", "values.schema.json"})


class Intake(NamedTuple):
    """What was read.

    ``manifests`` are Kubernetes objects, lists taken apart; ``values`` are Helm values files. ``unrendered`` tells of
    templates and kustomizations that another program has to render first, ``left_out`` of files that are neither.
    """

    manifests: tuple[Document, ...]
    values: tuple[Document, ...]
    unrendered: tuple[Problem, ...]
    left_out: tuple[Problem, ...]


def read(names: Sequence[str], stdin: Callable[[], str], *, without: str = "") -> Intake:
    """Read files, folders and kustomization folders; ``-`` is what ``stdin`` gives. Nothing is read twice.

    What lies in the folder ``without`` is left out of folders, and of kustomizations that name it as a component.

    Raises:
        InputError: a file isn't there, is no YAML or JSON, is no UTF-8, or is larger than 32 MiB; every problem found.
    """
    reader = _Reader(os.path.realpath(without) if without else "")
    for name in names:
        try:
            _take(reader, name, stdin)
        except InputError as error:
            reader.problems += error.problems
    return reader.intake()


def read_texts(texts: Iterable[tuple[str, str, str]]) -> Intake:
    """Read texts that are in memory: each with its name as the user knows it, and the file's path ("" for none).

    One with tags of another program is left out: it may be from a folder.

    Raises:
        InputError: one is no YAML or JSON; every problem found.
    """
    reader = _Reader()
    for text, source, path in texts:
        try:
            reader.text(text, source, path, tags=False)
        except InputError as error:
            reader.problems += error.problems
    return reader.intake()


def read_kustomization(folder: str, shown: str, texts: Mapping[str, str]) -> Intake:
    """Read what a kustomization builds; ``texts`` are what files (by their real paths) are taken to hold.

    Raises:
        InputError: a file can't be read, or the kustomization can't be built.
    """
    reader = _Reader()
    try:
        reader.take(open_kustomization(folder, shown, texts))
    except UnrenderedError as error:
        raise InputError(error.problem) from error
    return reader.intake()


def _take(reader: _Reader, name: str, stdin: Callable[[], str]) -> None:
    if name == "-":
        if STDIN in reader.seen:
            return
        reader.seen.add(STDIN)
        reader.text(stdin().removeprefix("\ufeff"), STDIN, "")
    elif name.startswith(("http://", "https://")):
        hint = f"curl -fsSL {name} | sidecert doctor -"
        raise InputError(Problem("nothing is fetched from the net", Location(name), hint=hint))
    elif os.path.isdir(name):
        reader.folder(name)
    elif not os.path.exists(name):
        raise InputError(missing(name, name))
    elif os.path.basename(name) in FILE_NAMES:
        reader.folder(os.path.dirname(name) or ".", alone=True)
    else:
        reader.file(name, name, named=True)


class _Reader:
    """Gathers what is read, and what is wrong with it."""

    def __init__(self, without: str = "") -> None:
        self.without = without
        self.manifests: list[Document] = []
        self.values: list[Document] = []
        self.unrendered: list[Problem] = []
        self.left_out: list[Problem] = []
        self.problems: list[Problem] = []
        self.seen: set[str] = set()

    def intake(self) -> Intake:
        """Give what was read; raise InputError for what is wrong with it."""
        if self.problems:
            raise InputError(self.problems)
        return Intake(tuple(self.manifests), tuple(self.values), tuple(self.unrendered), tuple(self.left_out))

    def folder(self, name: str, *, alone: bool = False) -> None:
        """Read a folder: the kustomizations that no other one of them uses, the values of charts, all other files.

        ``alone``: only the kustomization at its top.
        """
        found = Walk(name, self.without, alone=alone)
        kustomizations = self._open(found.kustomizations)
        used = used_by(kustomizations)
        tops = [one for one in kustomizations if os.path.realpath(one.folder) not in used]
        for kustomization in tops or kustomizations:
            self._build(kustomization, alone=len(kustomizations) == 1)
        for chart in found.charts:
            self._chart(chart)
        own = {os.path.realpath(folder) for folder in found.kustomizations}
        for path in found.files:
            real = os.path.realpath(path)
            if real not in used and not alone:
                self.file(path, path, unused=os.path.dirname(real) in own)

    def _open(self, folders: Sequence[str]) -> list[Kustomization]:
        opened = []
        for folder in folders:
            try:
                opened.append(open_kustomization(folder, folder))
            except InputError as error:
                self.problems += error.problems
            except UnrenderedError as error:
                self.unrendered.append(error.problem)
        return opened

    def _build(self, kustomization: Kustomization, *, alone: bool) -> None:
        real = os.path.realpath(kustomization.folder)
        if real in self.seen:
            return
        self.seen.add(real)
        if kustomization.is_component() and not alone:
            place = Location(kustomization.document.source)
            self.left_out.append(Problem("no kustomization here uses this component", place))
            return
        try:
            self.take(kustomization._replace(without=self.without))
        except InputError as error:
            self.problems += error.problems
        except UnrenderedError as error:
            self.unrendered.append(error.problem)

    def take(self, kustomization: Kustomization) -> None:
        """Take what a kustomization builds."""
        for document in build(kustomization):
            document.kustomization = kustomization.folder
            self._sort(document, "", named=False)

    def _chart(self, chart: str) -> None:
        """Tell of a chart's templates; its values are read as any other file."""
        for folder, folders, names in os.walk(below(chart, "templates")):
            folders.sort()
            for path in sorted(os.path.join(folder, name) for name in names if name.endswith((*ENDINGS, ".tpl"))):
                try:
                    line = first_opening(read_text(path, path))
                except InputError:
                    continue
                if line:
                    self.unrendered.append(chart_problem(chart, Location(path, line)))
                    return
        self.unrendered.append(chart_problem(chart, Location(below(chart, "Chart.yaml"))))

    def file(self, path: str, shown: str, *, named: bool = False, unused: bool = False) -> None:
        """Read a file; ``named`` where the user named it, ``unused`` where the kustomization beside it does without."""
        real = os.path.realpath(path)
        if real in self.seen:
            return
        self.seen.add(real)
        try:
            self.text(read_text(path, shown, piped=named), shown, path, named=named, unused=unused, tags=named)
        except InputError as error:
            self.problems += error.problems

    def text(
        self, text: str, source: str, path: str, *, named: bool = True, unused: bool = False, tags: bool = True
    ) -> None:
        """Sort the documents of a text; ``path`` is where it lies, "" for standard input.

        One with ``tags`` of another program is an error, or left out.
        """
        try:
            parts = load(text, source)
        except InputError as error:
            if isinstance(error, ForeignTagError) and not tags:
                message = f"this has tags of another program: {error.problems[0].message}"
                self.left_out.append(Problem(message, error.problems[0].location))
                return
            problem = unrendered(text, source, path, error)
            if problem is None:
                raise
            self.unrendered.append(problem)
            return
        for shared, trees in parts:
            for index, tree in enumerate(trees):
                if isinstance(tree, dict):
                    for document in objects_of(Document(tree, shared, index)):
                        self._sort(document, path, named=named, unused=unused)
                else:
                    kind = "a list" if isinstance(tree, list) else "a text"
                    message = f"this is {kind}, not a Kubernetes object or a values file"
                    self.left_out.append(Problem(message, shared.places(index).keys[()]))

    def _sort(self, document: Document, path: str, *, named: bool, unused: bool = False) -> None:
        """Put a document where it belongs."""
        if not _is_object(document):
            self._sort_other(document, path, named=named)
        elif is_template(document) and not unused:
            for made in objects_in(document):
                problem = unfilled(document, made)
                if problem is None:
                    self._sort(made, path, named=named)
                else:
                    self.unrendered.append(problem)
        elif unused:
            self.left_out.append(Problem(f"the kustomization beside it doesn't use {document}", document.locate()))
        elif document.group == "kustomize.config.k8s.io":
            hint = "name the folder, and the file kustomization.yaml"
            self.left_out.append(Problem("a kustomization is read with its folder", document.locate(), hint=hint))
        else:
            place = document.locate(("metadata", "name")) if "{" in document.name + document.namespace else None
            name = f"{document.name} {document.namespace}".strip()
            problem = named_by_template(document.text, name, place, path) if place else None
            if problem:
                self.unrendered.append(problem)
            else:
                self.manifests.append(document)

    def _sort_other(self, document: Document, path: str, *, named: bool) -> None:
        if document.path or os.path.basename(path) in _CHART_FILES:
            return
        what, hint = told_as(document.tree)
        if not what and path.endswith(".json") and not named:
            what = "no Kubernetes object"
        if what:
            self.left_out.append(Problem(f"this is {what}", document.locate(), hint=hint))
        elif document.tree:
            self.values.append(document)


def _is_object(document: Document) -> bool:
    """Whether a document is a Kubernetes object, or one whose `apiVersion` or `kind` is missing or misspelt."""
    if document.kind and document.api_version:
        return True
    rest = isinstance(document.get("metadata"), dict) or isinstance(document.get("spec"), dict)
    return rest and bool(document.kind or document.api_version)
