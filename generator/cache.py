"""One folder of compiled templates and charts, kept between runs: safe to lose, safe to share between processes.

Compiling a template takes longer than rendering it a hundred times, and a command line program starts anew each
time. What is stored is Python byte code, so a file is trusted only when the current user alone could have written it.
Whatever is wrong with a file or with the folder means "not there": the cache never fails.
"""

from __future__ import annotations

import hashlib
import importlib.util
import marshal
import os
import stat
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import CodeType
from typing import Any, TypeVar, cast

Value = TypeVar("Value")

DISABLED_BY = "SIDECERT_NO_CACHE"

#: How many entries are kept; the oldest go when there are more (half a thousand are about 3 MB).
MOST_ENTRIES = 500

_DIGEST_SIZE = hashlib.sha256().digest_size
_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH


def cache_key(*parts: str) -> str:
    """Name the compiled form of ``parts`` (texts, names, versions) under the running interpreter."""
    digest = hashlib.sha256(importlib.util.MAGIC_NUMBER)
    for part in (sys.implementation.cache_tag or "", *parts):
        raw = part.encode("utf-8", "surrogatepass")
        digest.update(b"%d:" % len(raw))
        digest.update(raw)
    return digest.hexdigest()


def program_version() -> str:
    """Tell versions of this package apart, by size and time of its modules: an edited checkout is another version."""
    package = os.path.dirname(os.path.abspath(__file__))
    return cache_key(*(f"{path} {about.st_size} {about.st_mtime_ns}" for path, about in _modules(package)))


def program_digest() -> str:
    """Tell versions of this package apart by what its modules hold: the same on every machine that has them."""
    package = os.path.dirname(os.path.abspath(__file__))
    digest = hashlib.sha256()
    for path, _ in _modules(package):
        with open(f"{package}/{path}", "rb") as file:
            content = file.read()
        digest.update(f"{path} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def libraries() -> str:
    """Tell which versions of other packages make the output: the names of their folders of metadata."""
    found: dict[str, str] = {}
    for folder in sys.path:
        with suppress(OSError):
            for name in os.listdir(folder or "."):
                library, _, version = name.partition("-")
                if version and library.lower().replace("-", "_").replace(".", "_") in _LIBRARIES:
                    found.setdefault(library, name)
    return " ".join(sorted(found.values()))


_LIBRARIES = {"deepmerge", "jinja2", "jsonschema_rs", "markupsafe", "ruamel_yaml", "ruamel_yaml_clib"}


def _modules(package: str) -> Iterator[tuple[str, os.stat_result]]:
    """Every module of a package, by path, in order."""
    for folder, folders, names in os.walk(package):
        folders.sort()
        below = os.path.relpath(folder, package).replace(os.sep, "/")
        for name in sorted(names):
            if name.endswith(".py"):
                yield f"{below}/{name}", os.stat(f"{folder}/{name}")


class CodeCache:
    """Code objects by key, one file each, in ``$XDG_CACHE_HOME/sidecert``.

    One file a template rather than one for all: reading forty of them costs a third of a millisecond more, and no two
    processes can then lose each other's entries.
    """

    def __init__(self, folder: str | None = None) -> None:
        """Use ``folder``, or the user's cache folder; without a usable one every ``get`` answers None."""
        self._folder = folder if folder is not None else default_folder()
        self._trusted: bool | None = None
        self._swept = False

    def get(self, key: str) -> CodeType | None:
        """Return the code stored under ``key``, or None when it is absent, damaged or could come from someone else."""
        found = self.load(key)
        return found if isinstance(found, CodeType) else None

    def put(self, key: str, code: CodeType) -> None:
        """Store ``code`` under ``key``, replacing what is there in one step; does nothing where that can't be done."""
        self.store(key, code)

    def load(self, key: str) -> object:
        """Return what was stored under ``key``, or None as ``get`` does."""
        if not self._usable():
            return None
        try:
            descriptor = os.open(f"{self._folder}/{key}", os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
        except (OSError, ValueError):
            return None
        try:
            about = os.fstat(descriptor)
            if not _only_ours(about):
                return None
            with open(descriptor, "rb", buffering=0, closefd=False) as file:
                return _decoded(key, file.readall())
        except OSError:
            return None
        finally:
            os.close(descriptor)

    def store(self, key: str, value: Any) -> None:
        """Store code, or strings, numbers and tuples of them, under ``key``, as ``put`` does."""
        if not self._usable(create=True):
            return
        self._sweep()
        temporary = f"{self._folder}/.{key}.{os.getpid()}.{time.monotonic_ns()}"
        try:
            payload = marshal.dumps(value)
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(descriptor, "wb") as file:
                file.write(_seal(key, payload) + payload)
            os.replace(temporary, f"{self._folder}/{key}")
        except (OSError, ValueError):
            _remove(temporary)

    def _sweep(self) -> None:
        """Remove the oldest entries when there are too many, once a run."""
        if self._swept:
            return
        self._swept = True
        with suppress(OSError), os.scandir(self._folder) as found:
            entries = list(found)
            if len(entries) > MOST_ENTRIES:
                entries.sort(key=lambda entry: entry.stat(follow_symlinks=False).st_mtime_ns)
                for entry in entries[: len(entries) - MOST_ENTRIES // 2]:
                    _remove(entry.path)

    def _usable(self, *, create: bool = False) -> bool:
        """Say whether the folder is there and nobody else can put files into it."""
        if self._folder is None:
            return False
        if self._trusted is None or (create and not self._trusted):
            self._trusted = _is_private_folder(self._folder) or (create and _created(self._folder))
        return self._trusted


def recalled(cache: CodeCache, key: str, read: Callable[[str], str | None]) -> object:
    """Give what ``remembered`` keeps under a key; None where it has nothing, or a text has changed."""
    found = cache.load(key)
    if type(found) is tuple and len(found) == 2 and all(_fingerprint(read(name)) == known for name, known in found[0]):
        return found[1]
    return None


def remembered(
    cache: CodeCache, key: str, read: Callable[[str], str | None], make: Callable[[Callable[[str], str | None]], Value]
) -> Value:
    """Give what ``make`` makes of texts, from the cache as long as none of the texts that it asked for has changed.

    ``make`` asks for texts by the function that it is given, and returns strings, numbers or tuples of them; ``key``
    stands for all else that the result depends on, the program included.
    """
    found = recalled(cache, key, read)
    if found is not None:
        return cast("Value", found)
    asked: dict[str, str] = {}

    def noted(name: str) -> str | None:
        text = read(name)
        asked[name] = _fingerprint(text)
        return text

    made = make(noted)
    cache.store(key, (tuple(asked.items()), made))
    return made


def _fingerprint(text: str | None) -> str:
    return "" if text is None else hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def default_folder() -> str | None:
    """Find the cache folder of the user: None when the cache is switched off or there is no home folder."""
    if os.environ.get(DISABLED_BY):
        return None
    base = os.environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(base):  # the XDG base directory specification: relative paths are to be ignored
        home = os.path.expanduser("~")
        if not os.path.isabs(home) or home.strip("/") == "":  # an account without a home folder
            return None
        base = f"{home}/.cache"
    return f"{base}/sidecert"


def _only_ours(about: os.stat_result) -> bool:
    return stat.S_ISREG(about.st_mode) and _is_private(about)


def _is_private_folder(folder: str) -> bool:
    try:
        about = os.lstat(folder)
    except (OSError, ValueError):
        return False
    return stat.S_ISDIR(about.st_mode) and _is_private(about)


def _is_private(about: os.stat_result) -> bool:
    if not hasattr(os, "getuid"):
        return True  # Windows: the home folder is private, and mode bits say nothing
    return about.st_uid == os.getuid() and not about.st_mode & _OTHERS_MAY_WRITE


def _created(folder: str) -> bool:
    try:
        os.makedirs(os.path.dirname(folder), exist_ok=True)
        os.mkdir(folder, 0o700)
    except FileExistsError:
        return _is_private_folder(folder)  # another process was quicker, or the folder isn't ours
    except (OSError, ValueError):
        return False
    return True


def _seal(key: str, payload: bytes) -> bytes:
    """Hash what is stored together with its name: a file under another's name is as bad as a damaged one."""
    return hashlib.sha256(key.encode() + payload).digest()


def _decoded(key: str, content: bytes) -> object:
    digest, payload = content[:_DIGEST_SIZE], content[_DIGEST_SIZE:]
    if _seal(key, payload) != digest:
        return None
    try:
        return marshal.loads(payload)  # noqa: S302  # ours alone, see _only_ours
    except (EOFError, ValueError, TypeError):
        return None


def _remove(path: str) -> None:
    with suppress(OSError, ValueError):
        os.unlink(path)
