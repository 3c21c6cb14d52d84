"""Output: files compared with the folder on disk as they come, and put there all at once. The only writer of output.

Files belong to units. A unit is the folder they lie in (``manifests/dev``), and has an inventory:
``.inventory/manifests/dev.sha256``, in the form that ``sha256sum --check`` reads from within the output folder. So a
render of one environment touches one environment, a file that was edited by hand is told from one that is merely
stale, and only what is listed is ever removed.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple, Self

from generator.disk import Disk, belongs, digest, inventory_path, inventory_text
from generator.errors import InputError, Location, OutputError, Problem
from generator.swap import Swap

_UNTOUCHED = "nothing in it was changed"


class OutputFile(NamedTuple):
    """A file to be written: its path below the output folder with forward slashes, and its text."""

    path: str
    text: str


class OutputUnit(NamedTuple):
    """A folder of output and the content of each file in it, by path, and the inventory that tells of them."""

    folder: str
    contents: dict[str, bytes]
    inventory: bytes


def packed(folder: str, files: Sequence[OutputFile], reserved: frozenset[str] = frozenset()) -> OutputUnit:
    """Make files a unit; ``reserved`` are the names of folders in it that belong to other units.

    Raises:
        InputError: a path doesn't belong to the unit, is one already, differs from one by case alone, or is the folder
            of another.
    """
    if reserved or not _are_simple(folder, files):
        claims = _Claims(folder, reserved)
        problems = [problem for path, _ in files if (problem := claims.claim(path))]
        if problems:
            raise InputError(problems)
    contents = {path: text.encode() for path, text in files}
    return OutputUnit(folder, contents, inventory_text(contents))


def _are_simple(folder: str, files: Sequence[OutputFile]) -> bool:
    """Say of files just below their folder, with plain names that differ, that nothing is wrong with them."""
    start = len(folder) + 1
    names = [path[start:] for path, _ in files if path.startswith(f"{folder}/")]
    return len(set(names)) == len(files) and all(re.fullmatch(_SIMPLE_NAME, name) for name in names)


_SIMPLE_NAME = r"[a-z][a-z0-9-]*(?:\.[a-z0-9-]+)*"


class _Claims:
    """The names that a unit's files and folders have."""

    def __init__(self, unit: str, reserved: Iterable[str]) -> None:
        self._unit = unit
        self._files: dict[str, str] = {}
        self._folders = {f"{unit}/{name}".casefold(): f"{unit}/{name}" for name in reserved}

    def claim(self, path: str) -> Problem | None:
        """Take a path, unless it can't be had beside those that are taken."""
        steps = path.split("/")
        unusable = not {"", ".", ".."}.isdisjoint(steps) or not path.isprintable() or "\\" in path
        if unusable or not belongs(self._unit, path):
            return Problem(f"'{path}' can't be the path of an output file of '{self._unit}'")
        folded = path.casefold()
        other = self._taken(folded)
        if other:
            return _collision(path, other)
        self._files[folded] = path
        folder = path.rpartition("/")[0]
        while folder and self._folders.get(folded := folder.casefold()) != folder:
            other = self._taken(folded)
            if other:
                return _collision(path, other)
            self._folders[folded] = folder
            folder = folder.rpartition("/")[0]
        return None

    def _taken(self, folded: str) -> str | None:
        """The file, or the folder with a slash, that has a name but for its case."""
        folder = self._folders.get(folded)
        return f"{folder}/" if folder else self._files.get(folded)


class Changes(NamedTuple):
    """How files differ from the folder on disk. Every path is in one of these.

    ``edited`` were changed by hand since they were written, ``foreign`` are in the way and were never written by us.
    ``bookkeeping`` are inventories to be written or removed.
    """

    written: list[str]
    removed: list[str]
    unchanged: list[str]
    edited: list[str]
    foreign: list[str]
    bookkeeping: list[str]

    @classmethod
    def none(cls) -> Changes:
        """Nothing yet."""
        return cls([], [], [], [], [], [])

    @property
    def any(self) -> bool:
        """Whether anything differs."""
        return bool(self.written or self.removed or self.edited or self.foreign or self.bookkeeping)


class Counts(NamedTuple):
    """How many files each list of all ``Changes`` held."""

    written: int = 0
    removed: int = 0
    unchanged: int = 0
    edited: int = 0
    foreign: int = 0
    bookkeeping: int = 0

    def plus(self, changes: Changes) -> Counts:
        """Add what changed."""
        return Counts(*(count + len(paths) for count, paths in zip(self, changes, strict=True)))

    @property
    def any(self) -> bool:
        """Whether anything differs."""
        return any(self._replace(unchanged=0))


class OutputFolder:
    """The output folder while units come in, one after another: what differs waits beside it until all are there.

    A context manager: what was not finished when it ends is forgotten, and the folder is what it was. Memory holds a
    few numbers for each unit, and paths only of what is removed or was edited by hand.
    """

    def __init__(self, output: str, shown: str, *, compare_only: bool = False) -> None:
        """Take the folder, and what it is called in messages; ``compare_only`` never writes, and can tell a diff."""
        self.path = output
        self.shown = shown
        self.compare_only = compare_only
        self._disk = Disk(output, shown)
        self._swap = Swap(output)
        self._differing: dict[str, bytes | None] | None = {} if compare_only else None
        self._edited: list[str] = []
        self._foreign: list[str] = []
        self._lock: int | None = None
        self.counts = Counts()

    def __enter__(self) -> Self:
        """Begin, once nobody else is at it.

        Raises:
            OutputError: somebody else has been for a minute.
        """
        if not self.compare_only:
            self._lock = _locked(self.path, self.shown)
        return self

    def __exit__(self, *_failure: object) -> None:
        """Forget what was not finished."""
        try:
            self._swap.discard()
        finally:
            if self._lock is not None:
                _unlock(self._lock)

    def put(self, unit: OutputUnit) -> Changes:
        """Take a unit, and say how its files differ from what is on disk.

        Raises:
            OutputError: the folder can't be read or written, or a link or folder stands where a file should.
        """
        changes = self._compared(unit) if self._disk.exists() else _all_new(unit)
        with self._writing():
            for path in (*changes.written, *changes.edited, *changes.foreign):
                if path in unit.contents:
                    self._stage(path, unit.contents[path])
                else:
                    self._remove(path)
            for path in changes.bookkeeping:
                self._stage(path, unit.inventory)
            for path in changes.removed:
                self._remove(path)
        return self._noted(changes)

    def keep(self, files: int) -> None:
        """Count files of units that are known to be on disk as they should be."""
        self.counts = self.counts._replace(unchanged=self.counts.unchanged + files)

    def prune(self, folders: Sequence[str], is_kept: Callable[[str], bool]) -> Changes:
        """Take away the units below some folders (``manifests``), but for those that are kept; give what goes.

        Raises:
            OutputError: as for ``put``.
        """
        changes = Changes.none()
        with self._writing():
            for unit in self._disk.units(folders):
                if is_kept(unit):
                    continue
                listed = self._disk.inventory(unit)
                _compare_removals(self._disk, listed, listed, changes)
                changes.bookkeeping.append(inventory_path(unit))
            for paths in (changes.removed, changes.edited, changes.bookkeeping):
                paths.sort()
                for path in paths:
                    self._remove(path)
        return self._noted(changes)

    def finish(self, *, force: bool = False) -> None:
        """Make all changes, or none.

        Raises:
            OutputError: files edited by hand or foreign ones would be lost and ``force`` isn't set, or the folder can't
                be written: in both cases it is what it was.
        """
        if not force and (self._edited or self._foreign):
            raise OutputError(_would_be_lost(self.shown, sorted(self._edited), sorted(self._foreign)))
        with self._writing():
            self._swap.commit()

    def diff(self) -> Iterator[str]:
        """Tell what differs as a unified diff, line by line, from what is on disk to what was rendered."""
        from difflib import unified_diff

        differing, edited = self._differing or {}, {*self._edited, *self._foreign}
        for path in sorted(differing):
            old, new = self._disk.read(path), differing[path]
            name = f"{self.shown}/{path}"
            before = "/dev/null" if old is None else f"{name} (edited by hand)" if path in edited else name
            old_lines, new_lines = _lines(old), _lines(new)
            for line in unified_diff(old_lines, new_lines, before, "/dev/null" if new is None else name):
                yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"

    def _compared(self, unit: OutputUnit) -> Changes:
        changes, listed = Changes.none(), self._disk.inventory(unit.folder)
        for path, content in unit.contents.items():
            getattr(changes, self._disk.state(path, content, listed)).append(path)
        gone = [path for path in listed if path not in unit.contents]
        _compare_removals(self._disk, gone, listed, changes)
        if self._disk.read(inventory_path(unit.folder)) != unit.inventory:
            changes.bookkeeping.append(inventory_path(unit.folder))
        return changes

    def _stage(self, path: str, content: bytes) -> None:
        if self._differing is None:
            self._swap.stage(path, content)
        else:
            self._differing[path] = content

    def _remove(self, path: str) -> None:
        if self._differing is None:
            self._swap.remove(path)
        else:
            self._differing[path] = None

    def _noted(self, changes: Changes) -> Changes:
        self.counts = self.counts.plus(changes)
        self._edited += changes.edited
        self._foreign += changes.foreign
        return changes

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Tell what the file system refuses in our words."""
        try:
            yield
        except OSError as error:
            reason = error.strerror or str(error)
            problem = Problem(f"the folder can't be written: {reason}", Location(self.shown), hint=_UNTOUCHED)
            raise OutputError(problem) from error


def _locked(folder: str, shown: str) -> int | None:
    """Lock a folder, so that two renders don't take each other's files for edits; None where there is no lock to have.

    That is so for a folder that doesn't exist yet, where whoever comes second can't put his in its place, for some
    network file systems, and for Windows.

    Raises:
        OutputError: another process has had the lock for a minute.
    """
    try:
        import fcntl

        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except (ImportError, OSError):
        return None
    end = time.monotonic() + _PATIENCE_SECONDS
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > end:
                    message = f"another sidecert has been writing this folder for {_PATIENCE_SECONDS:.0f} seconds"
                    raise OutputError(Problem(message, Location(shown), hint="try again when it is done")) from None
                time.sleep(_PAUSE_SECONDS)
            else:
                return descriptor
    except OSError:
        os.close(descriptor)
        return None
    except BaseException:
        os.close(descriptor)
        raise


def _unlock(descriptor: int) -> None:
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_UN)  # processes that were forked meanwhile have it open, too
    finally:
        os.close(descriptor)


_PATIENCE_SECONDS = 60.0
_PAUSE_SECONDS = 0.02


def _all_new(unit: OutputUnit) -> Changes:
    return Changes.none()._replace(written=list(unit.contents), bookkeeping=[inventory_path(unit.folder)])


def write_file(folder: str, name: str, content: bytes) -> None:
    """Write one file into a folder that may not exist yet, replacing what is there in one step.

    Raises:
        OutputError: it can't be written; the folder is what it was.
    """
    try:
        change = Swap(os.path.abspath(folder))
        try:
            change.stage(name, content)
            change.commit()
        finally:
            change.discard()
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(Problem(f"the file can't be written: {reason}", Location(f"{folder}/{name}"))) from error


def _compare_removals(disk: Disk, gone: Iterable[str], listed: Mapping[str, str], found: Changes) -> None:
    """Sort files that are no longer rendered: removed, or edited by hand since, or gone already."""
    for path in gone:
        there = disk.read(path)
        if there is not None:
            (found.removed if digest(there) == listed[path] else found.edited).append(path)


def _collision(path: str, other: str) -> Problem:
    if path == other:
        return Problem(f"two outputs would be written to '{path}'")
    return Problem(f"the outputs '{path}' and '{other}' can't stand beside each other on every system")


def _would_be_lost(shown: str, edited: Sequence[str], foreign: Sequence[str]) -> list[Problem]:
    *others, last = (
        *(Problem("the file was edited by hand", Location(f"{shown}/{path}")) for path in edited),
        *(
            Problem("the file is in the way, and sidecert never wrote it", Location(f"{shown}/{path}"))
            for path in foreign
        ),
    )
    return [
        *others,
        last._replace(hint="move your change to overlays/ or templates/, or lose it with --force"),
    ]


def _lines(content: bytes | None) -> list[str]:
    return (content or b"").decode(errors="replace").splitlines(keepends=True)
