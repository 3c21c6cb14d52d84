"""Output: files in memory, compared with the folder on disk, and put there all at once. The only writer of output.

Files belong to units. A unit is the folder they lie in (``manifests/dev``), and has an inventory:
``.inventory/manifests/dev.sha256``, in the form that ``sha256sum --check`` reads from within the output folder. So a
render of one environment touches one environment, a file that was edited by hand is told from one that is merely
stale, and only what is listed is ever removed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from generator.disk import Disk, belongs, digest, inventory_path, inventory_text
from generator.errors import InputError, Location, OutputError, Problem
from generator.swap import swap

_UNTOUCHED = "nothing in it was changed"


class OutputFile(NamedTuple):
    """A file to be written: its path below the output folder with forward slashes, and its text."""

    path: str
    text: str


class Changes(NamedTuple):
    """How files in memory differ from the folder on disk. Every path is in one of these; all are sorted.

    ``edited`` were changed by hand since they were written, ``foreign`` are in the way and were never written by us.
    ``bookkeeping`` are inventories to be written or removed.
    """

    written: list[str]
    removed: list[str]
    unchanged: list[str]
    edited: list[str]
    foreign: list[str]
    bookkeeping: list[str]

    @property
    def any(self) -> bool:
        """Whether anything differs."""
        return bool(self.written or self.removed or self.edited or self.foreign or self.bookkeeping)


class OutputTree:
    """All files of a render, by unit."""

    def __init__(self) -> None:
        """Start empty."""
        self.units: dict[str, dict[str, bytes]] = {}
        self._files: dict[str, str] = {}
        self._folders: dict[str, str] = {}

    def add(self, unit: str, files: Sequence[OutputFile]) -> None:
        """Add a unit's files, all of which belong to it.

        Raises:
            InputError: a path is one already, differs from one by case alone, or is the folder of another.
        """
        contents = self.units.setdefault(unit, {})
        problems = [problem for path, _ in files if (problem := self._claim(unit, path))]
        if problems:
            raise InputError(problems)
        contents.update((path, text.encode()) for path, text in files)

    def compare(self, output: str, shown: str, complete: Sequence[str] = ()) -> Changes:
        """Compare with a folder on disk, which is called ``shown`` in messages.

        ``complete`` names the folders (``manifests``) of which this tree holds all units, so that others in it go away.

        Raises:
            OutputError: the folder can't be read, or a link or folder stands where a file should.
        """
        disk = Disk(output, shown)
        found = Changes([], [], [], [], [], [])
        for unit, contents in self.units.items():
            listed = disk.inventory(unit)
            for path, content in contents.items():
                getattr(found, disk.state(path, content, listed)).append(path)
            gone = [path for path in listed if path not in contents]
            _compare_removals(disk, gone, listed, found)
            if disk.read(inventory_path(unit)) != inventory_text(contents):
                found.bookkeeping.append(inventory_path(unit))
        for unit in disk.units(complete):
            if unit not in self.units:
                listed = disk.inventory(unit)
                _compare_removals(disk, listed, listed, found)
                found.bookkeeping.append(inventory_path(unit))
        for paths in found:
            paths.sort()
        return found

    def write(self, output: str, shown: str, changes: Changes, *, force: bool = False) -> None:
        """Carry out changes, all of them or none.

        Raises:
            OutputError: files edited by hand or foreign ones would be lost and ``force`` isn't set, or the folder can't
                be written: in both cases it is what it was.
        """
        if not force and (changes.edited or changes.foreign):
            raise OutputError(_would_be_lost(shown, changes))
        contents = self._contents()
        wanted = (*changes.written, *changes.edited, *changes.foreign, *changes.bookkeeping)
        new = {path: contents[path] for path in wanted if path in contents}
        gone = (*changes.removed, *(path for path in wanted if path not in contents))
        if not new and not gone:
            return
        try:
            swap(output, new, gone)
        except OSError as error:
            reason = error.strerror or str(error)
            raise OutputError(
                Problem(f"the folder can't be written: {reason}", Location(shown), hint=_UNTOUCHED)
            ) from error

    def diff(self, output: str, shown: str, changes: Changes) -> Iterator[str]:
        """Tell changes as a unified diff, line by line, from what is on disk to what was rendered."""
        from difflib import unified_diff

        disk, contents, edited = Disk(output, shown), self._contents(), {*changes.edited, *changes.foreign}
        for path in sorted(path for paths in changes._replace(unchanged=[]) for path in paths):
            old, new = disk.read(path), contents.get(path)
            name = f"{shown}/{path}"
            before = "/dev/null" if old is None else f"{name} (edited by hand)" if path in edited else name
            old_lines, new_lines = _lines(old), _lines(new)
            for line in unified_diff(old_lines, new_lines, before, "/dev/null" if new is None else name):
                yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"

    def _contents(self) -> dict[str, bytes]:
        """Every file by path, inventories included."""
        contents = {inventory_path(unit): inventory_text(files) for unit, files in self.units.items()}
        for files in self.units.values():
            contents.update(files)
        return contents

    def _claim(self, unit: str, path: str) -> Problem | None:
        """Take a path for a unit, unless it can't be had beside those that are taken."""
        steps = path.split("/")
        if not belongs(unit, path) or not {"", ".", ".."}.isdisjoint(steps) or not path.isprintable() or "\\" in path:
            return Problem(f"'{path}' can't be the path of an output file of '{unit}'")
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


def write_file(folder: str, name: str, content: bytes) -> None:
    """Write one file into a folder that may not exist yet, replacing what is there in one step.

    Raises:
        OutputError: it can't be written; the folder is what it was.
    """
    try:
        swap(os.path.abspath(folder), {name: content}, ())
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


def _would_be_lost(shown: str, changes: Changes) -> list[Problem]:
    edited = [Problem("the file was edited by hand", Location(f"{shown}/{path}")) for path in changes.edited]
    foreign = [
        Problem("the file is in the way, and sidecert never wrote it", Location(f"{shown}/{path}"))
        for path in changes.foreign
    ]
    last = (edited + foreign)[-1]
    return [
        *(edited + foreign)[:-1],
        last._replace(hint="move your change to overlays/ or templates/, or lose it with --force"),
    ]


def _lines(content: bytes | None) -> list[str]:
    return (content or b"").decode(errors="replace").splitlines(keepends=True)
