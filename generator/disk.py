"""Reads an output folder and its inventories, and follows no symbolic link in it."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress

from generator.errors import Location, OutputError, Problem

INVENTORY = ".inventory"
_SUFFIX = ".sha256"
_READ_NO_LINK = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


#: So many folders are known to be there, or not: more than lie beside each other and above.
_MOST_FOLDERS = 2000


class Disk:
    """Reads an output folder, and follows no symbolic link in it."""

    def __init__(self, output: str, shown: str) -> None:
        """Take the folder, and what it is called in messages."""
        self.output = output
        self.shown = shown
        self._exists: dict[str, bool] = {}

    def exists(self) -> bool:
        """Say whether the folder is there; what stands in its place or above it is refused."""
        return self._folder_exists("")

    def has_folder(self, folder: str) -> bool:
        """Say whether a folder below it is there, reached by no link.

        Raises:
            OutputError: a link or a file stands in its place, or in that of a folder above it.
        """
        return self._folder_exists(folder)

    def read(self, path: str) -> bytes | None:
        """The content of a file; None where there is none."""
        if not self._folder_exists(path.rpartition("/")[0]):
            return None
        try:
            descriptor = os.open(os.path.join(self.output, path), _READ_NO_LINK)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._refusal(path, error) from error
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise OutputError(Problem("a file belongs here, and something else is", self._place(path)))
            with open(descriptor, "rb", buffering=0, closefd=False) as file:
                return file.read()
        finally:
            os.close(descriptor)

    def state(self, path: str, content: bytes, listed: Mapping[str, str]) -> str:
        """The name of the list in ``Changes`` that a rendered file goes to."""
        there = self.read(path)
        if there is None:
            return "written"
        if there == content:
            return "unchanged"
        return "foreign" if path not in listed else "written" if digest(there) == listed[path] else "edited"

    def inventory(self, unit: str) -> dict[str, str]:
        """The hash of each file that was written for a unit, by path."""
        name = inventory_path(unit)
        listed: dict[str, str] = {}
        for number, line in enumerate((self.read(name) or b"").decode(errors="replace").splitlines(), 1):
            written, _, path = line.partition("  ")
            if len(written) != 64 or not belongs(unit, path) or ".." in path.split("/"):
                hint = "restore the file, or remove it and use --force"
                place = Location(f"{self.shown}/{name}", number)
                raise OutputError(Problem("this is no line of an inventory that sidecert wrote", place, hint=hint))
            listed[path] = written
        return listed

    def units(self, folders: Sequence[str]) -> Iterator[str]:
        """Every unit that has an inventory below some folders."""
        waiting = list(folders)
        while waiting:
            folder = waiting.pop()
            with suppress(OSError), os.scandir(f"{self.output}/{INVENTORY}/{folder}") as entries:
                found = list(entries)
                waiting += [f"{folder}/{entry.name}" for entry in found if entry.is_dir(follow_symlinks=False)]
                files = (entry.name for entry in found if not entry.is_dir())
                yield from (f"{folder}/{name.removesuffix(_SUFFIX)}" for name in files if name.endswith(_SUFFIX))

    def _folder_exists(self, folder: str) -> bool:
        """Whether a folder is there; a link or file in its place is refused."""
        known = self._exists.get(folder)
        if known is None:
            if len(self._exists) > _MOST_FOLDERS:
                self._exists.clear()
            known = not folder or self._folder_exists(folder.rpartition("/")[0])
            known = self._exists[folder] = known and self._is_folder(folder)
        return known

    def _is_folder(self, folder: str) -> bool:
        full = os.path.join(self.output, folder)
        try:
            mode = os.lstat(full).st_mode if folder else os.stat(self.output).st_mode
        except FileNotFoundError:
            return False
        except OSError as error:
            raise self._refusal(folder, error) from error
        if not stat.S_ISDIR(mode):
            message = "this is a symbolic link" if stat.S_ISLNK(mode) else "this is not a folder"
            raise OutputError(Problem(f"{message}, and files belong below it", self._place(folder)))
        return True

    def _refusal(self, path: str, error: OSError) -> OutputError:
        if os.path.islink(os.path.join(self.output, path)):
            return OutputError(Problem("a file belongs here, and a symbolic link is", self._place(path)))
        return OutputError(Problem(f"this can't be read: {error.strerror}", self._place(path)))

    def _place(self, path: str) -> Location:
        return Location(f"{self.shown}/{path}" if path else self.shown)


def belongs(unit: str, path: str) -> bool:
    """Say whether a file may be part of a unit: it lies below it, or is the one YAML file of that name."""
    return path.startswith(f"{unit}/") or path == f"{unit}.yaml"


def inventory_path(unit: str) -> str:
    """The inventory of a unit: ``.inventory/manifests/dev.sha256`` for ``manifests/dev``."""
    return f"{INVENTORY}/{unit}{_SUFFIX}"


def unit_of(inventory: str) -> str:
    """The unit that an inventory tells of: the reverse of ``inventory_path``."""
    return inventory.removeprefix(f"{INVENTORY}/").removesuffix(_SUFFIX)


def inventory_text(contents: Mapping[str, bytes]) -> bytes:
    """An inventory in the form of ``sha256sum``, by path."""
    return "".join(f"{digest(contents[path])}  {path}\n" for path in sorted(contents)).encode()


def digest(content: bytes) -> str:
    """The hash that an inventory holds, in hexadecimal."""
    return hashlib.sha256(content, usedforsecurity=False).hexdigest()
