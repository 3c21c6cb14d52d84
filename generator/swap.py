"""Replaces many files of a folder all at once or not at all: a full disk, a signal or a bug leaves what was there.

New files are first written beside the old ones, on the same file system, under the names that they will have; only when
all of them are complete are they renamed into place, what was there being kept until the end. Signals wait while the
renames are under way.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from types import FrameType

STAGING = ".sidecert-"
_NEW, _OLD = "new", "old"


class Swap:
    """Changes to one folder: prepared one by one, then made together.

    Every method may raise OSError, what the file system refused; the folder is then what it was. Where ``discard`` or
    ``commit`` isn't reached, the next one to change the folder removes what was prepared.
    """

    def __init__(self, root: str) -> None:
        """Take the folder; it needn't exist. Nothing is written before the first change."""
        self._root = root
        self._staging = ""
        self._new = ""
        self._fresh = False
        self._made: list[str] = []
        self._removed: list[str] = []

    def stage(self, path: str, content: bytes) -> None:
        """Prepare a file, given by its path below the folder."""
        if not self._staging:
            self._open()
        target = f"{self._new}/{path}"
        try:
            _write(target, content)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(target), exist_ok=True)
            _write(target, content)

    def remove(self, path: str) -> None:
        """Prepare the removal of a file; folders left empty by removals go away."""
        if not self._staging:
            self._open()
        self._removed.append(path)

    def commit(self) -> None:
        """Make the changes.

        Raises:
            KeyboardInterrupt: the user stopped it; the folder is what it was.
        """
        if not self._staging:
            return
        with _signals_deferred() as stop_if_asked:
            if not self._fresh:
                staging, self._staging = self._staging, ""  # what a failure leaves there are backups
                self._replace(staging, stop_if_asked)
                return
            try:
                stop_if_asked()
                os.rename(self._staging, self._root)
            except BaseException:
                self.discard()
                raise
            self._staging, self._made = "", []

    def discard(self) -> None:
        """Forget the changes; whatever of them can't be removed stays.

        Signals that arrive meanwhile are lost: who presses Ctrl-C twice wants no leftovers either.
        """
        if self._staging:
            with _signals_deferred():
                _remove_tree(self._staging)
        _remove_folders(self._made)
        self._staging, self._made = "", []

    def _open(self) -> None:
        """Make the place where new files wait: beside a folder that doesn't exist yet, else in it."""
        self._fresh = not os.path.isdir(self._root)
        if self._fresh:
            parent, name = os.path.split(self._root)
            self._made = _make_folders(parent)
            prefix = f".{name}{STAGING}"
        else:
            parent, prefix = self._root, STAGING
        try:
            _remove_leftovers(parent, prefix)
            staging = os.path.join(parent, f"{prefix}{os.getpid()}")
            os.mkdir(staging)
        except OSError:
            self.discard()
            raise
        self._staging = staging
        self._new = staging if self._fresh else os.path.join(staging, _NEW)

    def _replace(self, staging: str, stop_if_asked: Callable[[], None]) -> None:
        """Change a folder that exists."""
        kept, placed = os.path.join(staging, _OLD), list[str]()
        try:
            for path in self._removed:
                self._set_aside(path, kept, moved=True)
                stop_if_asked()
            if os.path.isdir(self._new):
                self._place("", kept, placed, stop_if_asked)
        except BaseException:
            if self._undone(kept, placed):
                _remove_tree(staging)
            raise
        _remove_tree(staging)
        _prune(self._root, self._removed)

    def _place(self, folder: str, kept: str, placed: list[str], stop_if_asked: Callable[[], None]) -> None:
        """Rename what waits in a folder to its place; a whole folder where there is none yet."""
        with os.scandir(os.path.join(self._new, folder)) as entries:
            waiting = list(entries)
        for entry in waiting:
            path = f"{folder}/{entry.name}" if folder else entry.name
            target = os.path.join(self._root, path)
            if not os.path.lexists(target):
                os.rename(entry.path, target)
                placed.append(path)
            elif entry.is_dir():
                self._place(path, kept, placed, stop_if_asked)
            else:
                self._set_aside(path, kept, moved=False)
                os.replace(entry.path, target)
            stop_if_asked()

    def _set_aside(self, path: str, kept: str, *, moved: bool) -> None:
        """Keep a file until the end. One that is replaced stays in its place meanwhile, where links can be made."""
        source, backup = os.path.join(self._root, path), os.path.join(kept, path)
        os.makedirs(os.path.dirname(backup), exist_ok=True)
        if not moved:
            with contextlib.suppress(OSError):
                os.link(source, backup, follow_symlinks=False)
                return
        os.rename(source, backup)

    def _undone(self, kept: str, placed: list[str]) -> bool:
        """Take back every step that can be taken back; say whether all could."""
        whole = True
        for path in reversed(placed):
            whole &= _renamed(os.path.join(self._root, path), os.path.join(self._new, path))
        for here, _, files in os.walk(kept):
            folder = os.path.normpath(os.path.join(self._root, os.path.relpath(here, kept)))
            for file in files:
                whole &= _renamed(os.path.join(here, file), os.path.join(folder, file))
        return whole


def _renamed(source: str, target: str) -> bool:
    """Rename a file, which may be a second name of what is there; say whether that could be done."""
    try:
        os.replace(source, target)
    except OSError:
        return False
    return True


def _write(path: str, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(descriptor, view) :]
    finally:
        os.close(descriptor)


def _make_folders(path: str) -> list[str]:
    """Make a folder and those above it, and give the ones that were missing, innermost last."""
    missing = []
    while not os.path.isdir(path):
        missing.append(path)
        path = os.path.dirname(path)
    made: list[str] = []
    try:
        for folder in reversed(missing):
            os.mkdir(folder)
            made.append(folder)
    except OSError:
        _remove_folders(made)
        raise
    return made


def _remove_folders(made: list[str]) -> None:
    with contextlib.suppress(OSError):
        for folder in reversed(made):
            os.rmdir(folder)


def _remove_tree(folder: str) -> None:
    """Remove a folder of ours and all in it; whatever can't be removed stays."""
    for here, folders, files in os.walk(folder, topdown=False):
        with contextlib.suppress(OSError):
            for file in files:
                os.unlink(os.path.join(here, file))
            for name in folders:
                os.rmdir(os.path.join(here, name))
    with contextlib.suppress(OSError):
        os.rmdir(folder)


def _remove_leftovers(folder: str, prefix: str) -> None:
    """Remove what processes left that were killed outright, which no handler can see."""
    with os.scandir(folder) as entries:
        owners = {entry.path: entry.name.removeprefix(prefix) for entry in entries if entry.name.startswith(prefix)}
    for path, owner in owners.items():
        if owner.isdecimal() and not _runs(int(owner)):
            _remove_tree(path)


def _runs(process: int) -> bool:
    if process == os.getpid() or os.name == "nt":  # on Windows, os.kill would end it
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _prune(root: str, removed: Iterable[str]) -> None:
    """Remove the folders that removals left empty, but never ``root`` itself."""
    for folder in {os.path.dirname(path) for path in removed}:
        here = folder
        with contextlib.suppress(OSError):
            while here:
                os.rmdir(os.path.join(root, here))
                here = os.path.dirname(here)


@contextlib.contextmanager
def ended_by_signals() -> Iterator[None]:
    """Let a request to terminate end a block as Ctrl-C does, so that it can tidy up; it is carried out after it."""
    import signal

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    asked: list[int] = []

    def interrupt(number: int, _frame: FrameType | None) -> None:
        asked.append(number)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in _heeded("SIGTERM", "SIGHUP")}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        if asked:
            signal.raise_signal(asked[0])


def _heeded(*names: str) -> list[int]:
    """The signals of some names, but for those that this process was told to ignore (``nohup``)."""
    import signal

    known = [getattr(signal, name) for name in names if hasattr(signal, name)]
    return [number for number in known if signal.getsignal(number) != signal.SIG_IGN]


@contextlib.contextmanager
def _signals_deferred() -> Iterator[Callable[[], None]]:
    """Keep signals from striking between two steps; the function given raises KeyboardInterrupt if one arrived.

    A request to terminate is carried out when the folder is whole again. What arrives after the last step is too late:
    the work is done.
    """
    import signal

    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    asked: list[int] = []

    def remember(number: int, _frame: FrameType | None) -> None:
        asked.append(number)

    def stop_if_asked() -> None:
        if asked:
            raise KeyboardInterrupt

    before = {number: signal.signal(number, remember) for number in _heeded("SIGINT", "SIGTERM", "SIGHUP")}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    try:
        yield stop_if_asked
    except KeyboardInterrupt:
        restore()
        if asked and asked[0] != signal.SIGINT:
            signal.raise_signal(asked[0])
        raise
    finally:
        restore()
