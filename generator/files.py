"""One folder of input: walks it, reads a file of it within bounds, and refuses what leads out of it."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from generator.errors import InputError, Location, Problem

MAX_BYTES = 1 << 20
_READ = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)

# https://learn.microsoft.com/windows/win32/fileio/naming-a-file: reserved with any extension, in any spelling
_DEVICE = re.compile(r"(?:con|prn|aux|nul|(?:com|lpt)[0-9])(?:\..*)?", re.IGNORECASE | re.DOTALL)
_DEVICES = r"(?:^|/)(?:con|prn|aux|nul|(?:com|lpt)[0-9])(?:[./]|$)"
# With small letters alone, nothing can differ by case, and there is nothing else to be told.
_PLAIN_NAME = r"[a-z0-9][a-z0-9_-]*(?:/[a-z0-9][a-z0-9_-]*)*"
_PORTABLE = re.compile(r"[A-Za-z0-9._-]+")


class Found(NamedTuple):
    """A file that a walk came upon: its path, whether a symbolic link is on the way to it, and why it can't be used."""

    path: str
    linked: bool
    refused: Problem | None


class Root(NamedTuple):
    """A folder of input: its absolute path, and its name as the user knows it."""

    path: str
    shown: str

    @classmethod
    def at(cls, project: str, folder: str) -> Root:
        """A folder as named by the user, relative to the project; outside of it, it is shown as it was written."""
        path = os.path.abspath(os.path.join(project, folder))
        inside = path.startswith(project.rstrip(os.sep) + os.sep)
        return cls(path, os.path.relpath(path, project).replace(os.sep, "/") if inside else folder.rstrip("/"))

    def source(self, path: str) -> str:
        """The name under which the user knows a file of this folder."""
        return f"{self.shown}/{path}"

    def read(self, path: str, *, linked: bool = True) -> str:
        """Give the text of a file, whose path is relative and uses forward slashes.

        Where no symbolic link is on the way to it (not ``linked``), it isn't looked for one.

        Raises:
            InputError: it is no regular file, leads out of the folder, is larger than 1 MiB, or is not UTF-8.
        """
        full = f"{self.path}/{path}"
        if linked and self._leaves(path):
            raise InputError(self._leads_out(path))
        try:
            descriptor = os.open(full, _READ)
            try:
                content = _content(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            place = Location(self.source(path))
            raise InputError(Problem(f"the file can't be read: {error.strerror}", place)) from error
        if isinstance(content, Problem):
            raise InputError(content._replace(location=Location(self.source(path))))
        return _decoded(content, self.source(path))

    def folders(self) -> list[str]:
        """The folders just below this one, sorted, but for those whose names begin with ``_`` or ``.``."""
        with os.scandir(self.path) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith(("_", ".")))

    def files(self, folder: str) -> list[str]:
        """The paths of the files just below a folder, sorted, but for hidden ones."""
        with os.scandir(os.path.join(self.path, folder)) as entries:
            found = sorted(entry.name for entry in entries if entry.is_file() and not entry.name.startswith("."))
        return [f"{folder}/{name}" for name in found]

    def walk(self, *, private: bool = False) -> Iterator[Found]:
        """Every file below this folder; nothing hidden.

        Folders whose names begin with ``_`` are gone into only where ``private`` ones are asked for.
        """
        pending = [("", False)]
        while pending:
            folder, below_link = pending.pop()
            try:
                with os.scandir(os.path.join(self.path, folder)) as entries:
                    found = sorted(entries, key=lambda entry: entry.name)
            except OSError as error:
                problem = Problem(f"the folder can't be read: {error.strerror}", Location(self.source(folder)))
                yield Found(folder, below_link, problem)
                continue
            for entry in found:
                name = entry.name
                path = f"{folder}/{name}" if folder else name
                if name.startswith("."):
                    continue
                linked = below_link or entry.is_symlink()
                if entry.is_symlink() and self._leaves(path):
                    yield Found(path, linked, self._leads_out(path))
                elif not entry.is_dir():
                    yield Found(path, linked, None)
                elif private or not name.startswith("_"):
                    pending.append((path, linked))

    def _leaves(self, path: str) -> bool:
        """Whether a symbolic link on the way to a file leads out of this folder, or in a circle."""
        steps = path.split("/")
        below = ["/".join(steps[:count]) for count in range(1, len(steps) + 1)]
        if not any(os.path.islink(os.path.join(self.path, step)) for step in below):
            return False
        home = os.path.realpath(self.path)
        real = os.path.realpath(os.path.join(self.path, path))
        link_home = os.path.realpath(os.path.join(self.path, *steps[:-1]))
        return not real.startswith(home + os.sep) or f"{link_home}{os.sep}".startswith(f"{real}{os.sep}")

    def _leads_out(self, path: str) -> Problem:
        target = os.path.realpath(os.path.join(self.path, path))
        message = f"a symbolic link leads out of {self.shown}/, or in a circle"
        return Problem(message, Location(self.source(path)), found=target, expected=f"a file below {self.shown}/")


def check_name(name: str) -> str:
    """Say why a path (``prod/eu-1``) can't name an environment on every system; empty where it can."""
    if name.startswith(("/", "\\")) or re.match(r"[A-Za-z]:", name):
        return "it is absolute, not a path below the overlays"
    for part in name.split("/"):
        if part in {"", ".", ".."}:
            return f"it has the part '{part}'"
        if not _PORTABLE.fullmatch(part):
            return "only letters, digits, '.', '_' and '-' are usable everywhere"
        if part.endswith("."):
            return "Windows drops a dot at the end"
        if _DEVICE.fullmatch(part):
            return f"'{part}' is a device on Windows"
    return ""


def unusable_names(root: Root, names: Iterable[str]) -> Iterator[Problem]:
    """Tell environments whose names can't be used, or differ from another's by case alone."""
    spellings: dict[str, str] = {}
    names = sorted(names)
    if all(re.fullmatch(_PLAIN_NAME, name) and not re.search(_DEVICES, name) for name in names):
        return
    for name in names:
        place = Location(root.source(f"{name}.yaml"))
        reason = check_name(name)
        if reason:
            yield Problem(f"'{name}' can't name an environment: {reason}", place)
        steps = name.split("/")
        for count in range(1, len(steps) + 1):
            spelling = "/".join(steps[:count])
            other = spellings.setdefault(spelling.casefold(), spelling)
            if other != spelling:
                message = f"'{spelling}' and '{other}' are the same name on systems that fold case"
                yield Problem(message, place, hint="rename one of them")
                break


def missing_folder(shown: str, path: str) -> Problem:
    """Tell of a folder that isn't there, with the nearest name that is."""
    if os.path.exists(path):
        return Problem("this is not a folder", Location(shown))
    parent = os.path.dirname(path)
    there = [entry.name for entry in os.scandir(parent) if entry.is_dir()] if os.path.isdir(parent) else []
    return Problem("the folder doesn't exist", Location(shown), hint=nearest(os.path.basename(path), there))


def nearest(name: str, choices: Iterable[str]) -> str:
    """Offer the choice that is spelled most like a name, as a hint; empty where none is near."""
    from difflib import get_close_matches

    close = get_close_matches(name, list(choices), n=1)
    return f"did you mean `{close[0]}`?" if close else ""


def _content(descriptor: int) -> bytes | Problem:
    """Read an open file of no more than the bound; it may grow meanwhile."""
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        return Problem("this is not a regular file")
    content = os.read(descriptor, min(status.st_size, MAX_BYTES) + 1)
    while len(content) > status.st_size and len(content) <= MAX_BYTES and (more := os.read(descriptor, MAX_BYTES)):
        content += more  # it has grown
    size = max(status.st_size, len(content))
    if size > MAX_BYTES:
        return Problem("the file is too large", found=f"{size / MAX_BYTES:.1f} MiB", expected="at most 1 MiB")
    return content


def _decoded(content: bytes, source: str) -> str:
    try:
        return content.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        found = f"byte 0x{content[error.start]:02x} at offset {error.start}"
        raise InputError(Problem("the file is not UTF-8 text", Location(source, line), found=found)) from error
