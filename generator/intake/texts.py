"""Reads the files that a user names: whole, as text, within bounds."""

from __future__ import annotations

import os
import stat

from generator.errors import InputError, Location, Problem
from generator.files import nearest

#: The bundles of CRDs that operators publish reach 5 MiB, a dump of a namespace more.
MOST_BYTES = 32 << 20
_READ = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


class UnrenderedError(Exception):
    """Something has to be rendered or built by another program first; ``problem`` says what, and how."""

    def __init__(self, problem: Problem) -> None:
        """Take the problem to show."""
        super().__init__(str(problem))
        self.problem = problem


def read_text(path: str, shown: str, *, piped: bool = False) -> str:
    """Give a file's text, without a byte order mark; ``shown`` is its name as the user knows it.

    ``piped``: it may be a pipe, such as ``<(helm template .)`` in a shell; else nothing is waited for.

    Raises:
        InputError: it isn't there, can't be read, is no regular file, is larger than 32 MiB, or is not UTF-8.
    """
    content = read_bytes(path, shown, piped=piped)
    try:
        return content.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        found = f"byte 0x{content[error.start]:02x} at offset {error.start}"
        hint = "PowerShell's `>` writes UTF-16: save it as UTF-8" if content.startswith(_UTF16) else ""
        raise InputError(
            Problem("the file is not UTF-8 text", Location(shown, line), found=found, hint=hint)
        ) from error


def read_bytes(path: str, shown: str, *, piped: bool = False) -> bytes:
    """Give a file's bytes; the arguments are those of `read_text`.

    Raises:
        InputError: as `read_text`, but for the text's encoding.
    """
    try:
        with open(os.open(path, _READ), "rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if piped and stat.S_ISFIFO(mode):
                os.set_blocking(file.fileno(), True)
            elif not stat.S_ISREG(mode):
                raise InputError(Problem("this is not a regular file", Location(shown)))
            content = file.read(MOST_BYTES + 1)
    except FileNotFoundError as error:
        raise InputError(missing(path, shown)) from error
    except OSError as error:
        raise InputError(Problem(f"the file can't be read: {error.strerror}", Location(shown))) from error
    if len(content) > MOST_BYTES:
        raise InputError(Problem("the file is too large", Location(shown), expected="at most 32 MiB"))
    return content


def missing(path: str, shown: str) -> Problem:
    """Tell of a file or folder that isn't there, with the nearest name that is."""
    if os.path.islink(path):
        return Problem("this link leads nowhere", Location(shown), found=os.readlink(path))
    parent = os.path.dirname(os.path.abspath(path))
    there = os.listdir(parent) if os.path.isdir(parent) else []
    return Problem("there is no such file or folder", Location(shown), hint=nearest(os.path.basename(path), there))
