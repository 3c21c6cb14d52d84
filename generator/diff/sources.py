"""The two sides of a comparison: what was, in the output folder or as of a commit, and what would be rendered now.

Both give one environment after another, and keep none.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import IO, NamedTuple, Protocol

from generator.build import Builder
from generator.disk import INVENTORY, Disk, inventory_path
from generator.errors import InputError, Problem
from generator.files import Root
from generator.fleet import Fleet, Request, Workers, dealt
from generator.git import Checkout
from generator.workspace import Workspace, builtin_templates

Texts = Mapping[str, str]
_MANIFESTS = "manifests"


def rendered(workspace: Workspace, names: Sequence[str], workers: Workers) -> Iterator[tuple[str, Texts]]:
    """Render environments, and give each with its manifests: text by path below the environment's folder.

    They come in any order.

    Raises:
        InputError: at the end, every problem of every environment; those that have any are left out before.
        CrashError: a process died while it rendered an environment.
    """
    fleet, size = Fleet(workspace.project(), (_MANIFESTS,)), workers.job_size(len(names))
    problems: dict[str, tuple[Problem, ...]] = {}

    def requests() -> Iterator[Request]:
        for name in dealt(names, workers.processes, size):
            try:
                yield Request(name, workspace.layer_texts(name))
            except InputError as error:
                problems[name] = error.problems

    with closing(fleet.results(requests(), workers, size)) as results:
        for one in (one for result in results for one in result.rendered):
            if one.problems:
                problems[one.name] = one.problems
            else:
                yield (
                    one.name,
                    {
                        path.removeprefix(f"{unit.folder}/"): content.decode()
                        for unit in one.units
                        for path, content in unit.contents.items()
                    },
                )
    if problems:
        raise InputError(dict.fromkeys(problem for name in sorted(problems) for problem in problems[name]))


def _manifests(builder: Builder, workspace: Workspace, name: str) -> Texts:
    _, units = builder.units(name, workspace.environment(name).layers)
    return {path.removeprefix(f"{unit}/"): text for unit, files in units for path, text in files}


class Before(Protocol):
    """What was."""

    @property
    def told(self) -> str:
        """What it is, in words: ``output/``."""
        ...

    def names(self) -> Sequence[str]:
        """Every environment that was there."""
        ...

    def environment(self, name: str, rendered: Iterable[str]) -> Texts:
        """Give an environment's manifests; none where it wasn't there.

        ``rendered`` are the paths of those that would be rendered now.

        Raises:
            InputError: it doesn't render.
            OutputError: it can't be read.
        """
        ...


class _Reader(Protocol):
    """Reads an output folder: the one on the disk, or one of a commit."""

    def read(self, path: str) -> bytes | None: ...

    def inventory(self, unit: str) -> Mapping[str, str]: ...

    def units(self, folders: Sequence[str]) -> Iterator[str]: ...


class Written(NamedTuple):
    """What an output folder holds: the files that its inventories list, as a render would leave or replace them."""

    told: str
    reader: _Reader

    def names(self) -> Sequence[str]:
        """Every environment that has an inventory."""
        return sorted(unit.removeprefix(f"{_MANIFESTS}/") for unit in self.reader.units((_MANIFESTS,)))

    def environment(self, name: str, rendered: Iterable[str]) -> Texts:
        """Read the files that are listed, and those that are in the way of a render; what is missing is left out."""
        unit = f"{_MANIFESTS}/{name}"
        paths = dict.fromkeys([*self.reader.inventory(unit), *(f"{unit}/{path}" for path in rendered)])
        contents = {path: self.reader.read(path) for path in paths}
        return {
            path.removeprefix(f"{unit}/"): content.decode(errors="replace")
            for path, content in contents.items()
            if content is not None
        }


class Inputs:
    """What the inputs of a commit render to."""

    def __init__(self, told: str, workspace: Workspace) -> None:
        """Take what to call them, and where they are."""
        self.told = told
        self._workspace = workspace
        self._names = frozenset(workspace.environment_names())
        self._builder = Builder(workspace, (_MANIFESTS,))

    def names(self) -> Sequence[str]:
        """Every environment of the commit."""
        return sorted(self._names)

    def environment(self, name: str, _rendered: Iterable[str]) -> Texts:
        """Render an environment of the commit."""
        return _manifests(self._builder, self._workspace, name) if name in self._names else {}


class Spool:
    """The output folder of a commit, in one temporary file: an environment is read when its turn comes."""

    def __init__(self, file: IO[bytes]) -> None:
        """Take the empty file."""
        self._file = file
        self._end = 0
        self._places: dict[str, tuple[int, int]] = {}

    def take(self, folder: str, files: Iterable[tuple[str, bytes]]) -> None:
        """Take the files below a folder, before any is read."""
        for path, content in files:
            self._places[f"{folder}/{path}"] = (self._end, len(content))
            self._end += self._file.write(content)

    def read(self, path: str) -> bytes | None:
        """Give a file's content; None where there is none."""
        if path not in self._places:
            return None
        start, length = self._places[path]
        self._file.seek(start)
        return self._file.read(length)

    def inventory(self, unit: str) -> Mapping[str, str]:
        """Give the hash of each file that was written for a unit, by path."""
        lines = (self.read(inventory_path(unit)) or b"").decode(errors="replace").splitlines()
        return {path: digest for digest, _, path in (line.partition("  ") for line in lines) if path}

    def units(self, folders: Sequence[str]) -> Iterator[str]:
        """Give every unit that has an inventory below some folders."""
        start, end = inventory_path("*").split("*")
        for path in self._places:
            unit = path.removeprefix(start).removesuffix(end)
            if path == f"{start}{unit}{end}" and unit.startswith(tuple(f"{folder}/" for folder in folders)):
                yield unit


def from_disk(output: Root) -> Written:
    """What the output folder holds."""
    return Written(f"{output.shown}/", Disk(output.path, output.shown))


@contextmanager
def from_commit(ref: str, workspace: Workspace, templates: Root, output: Root) -> Iterator[Before]:
    """What a commit's output folder holds, or else what its overlays and templates render to.

    ``templates`` is the folder of the project's own templates, be it there or not.

    Raises:
        InputError: there is no git or no work tree, or the commit is unknown or has neither of the two.
    """
    import tempfile

    past = Past(ref, Checkout.of(os.path.dirname(workspace.overlays.path)))
    with tempfile.TemporaryFile() as file:
        spool = Spool(file)
        listed = f"{INVENTORY}/{_MANIFESTS}"
        spool.take(listed, past.files(output, listed))
        if any(spool.units((_MANIFESTS,))):
            spool.take(_MANIFESTS, past.files(output, _MANIFESTS))
            yield Written(f"{output.shown}/ of {ref}", spool)
            return
    with tempfile.TemporaryDirectory(prefix="sidecert-") as folder:
        yield past.inputs(folder, workspace, templates, output)


class Past:
    """A project as of a commit."""

    def __init__(self, ref: str, checkout: Checkout) -> None:
        """Take what the user calls the commit, and the work tree.

        Raises:
            InputError: git doesn't know the commit.
        """
        self._ref = ref
        self._checkout = checkout
        self._commit = checkout.commit(ref)

    def files(self, root: Root, below: str = "") -> Iterator[tuple[str, bytes]]:
        """Give the files below a folder; none where it is in no commit of this work tree."""
        folder = os.path.realpath(os.path.join(root.path, *below.split("/")))
        return self._checkout.files_at(self._commit, folder) if self._checkout.holds(folder) else iter(())

    def inputs(self, folder: str, workspace: Workspace, templates: Root, output: Root) -> Inputs:
        """Write the overlays and templates of the commit below a temporary folder, and open them."""
        overlays = self._written(workspace.overlays, os.path.join(folder, "overlays"))
        if overlays is None:
            message = (
                f"'{self._ref}' has neither an inventory in {output.shown}/ nor files in {workspace.overlays.shown}/"
            )
            raise InputError(Problem(message, hint="name a commit that has one of them"))
        shipped = builtin_templates()
        roots = [self._written(shipped, os.path.join(folder, "shipped")) or shipped]
        if os.path.realpath(templates.path) != os.path.realpath(shipped.path):
            own = self._written(templates, os.path.join(folder, "templates"))
            roots = [own, *roots] if own else roots
        told = f"{workspace.overlays.shown}/ of {self._ref} (rendered)"
        return Inputs(told, Workspace(overlays, tuple(roots)))

    def _written(self, root: Root, path: str) -> Root | None:
        """Write a folder's files; None where there were none. Problems call it what git would: ``main:overlays``."""
        for name, content in self.files(root):
            steps = name.split("/")
            if ".." in steps:  # git refuses to make such a tree, but not to read one
                raise InputError(Problem(f"'{self._ref}' has a file '{name}', which leads out of {root.shown}/"))
            target = os.path.join(path, *steps)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            with open(target, "wb") as file:
                file.write(content)
        return Root(path, f"{self._ref}:{root.shown}") if os.path.isdir(path) else None
