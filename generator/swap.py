"""Replaces many files of a folder all at once or not at all: a full disk, a signal or a bug leaves what was there.

New files are first written beside the old ones, on the same file system; only when all of them are complete are they
renamed into place, the old ones being kept until the end. Signals wait while a rename is under way.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import FrameType

STAGING = ".sidecert-"


def swap(root: str, new: Mapping[str, bytes], removed: Iterable[str]) -> None:
    """Write files, given by path below ``root``, and remove others; folders left empty go away.

    Raises:
        OSError: the file system refused something; the folder is what it was.
        KeyboardInterrupt: the user stopped it; the folder is what it was.
    """
    with _signals_deferred() as stop_if_asked:
        if os.path.isdir(root):
            _replace(root, new, tuple(removed), stop_if_asked)
        else:
            _create(root, new, stop_if_asked)


def _create(root: str, new: Mapping[str, bytes], stop_if_asked: Callable[[], None]) -> None:
    """Make a folder that doesn't exist yet: fill another one, then rename it once."""
    parent, name = os.path.split(root)
    made = _make_folders(parent)
    staging = os.path.join(parent, f".{name}{STAGING}{os.getpid()}")
    try:
        _remove_leftovers(parent, f".{name}{STAGING}")
        os.mkdir(staging)
        folders = {""}
        for path, content in new.items():
            folder = os.path.dirname(path)
            if folder not in folders:
                os.makedirs(os.path.join(staging, folder), exist_ok=True)
                folders.add(folder)
            _write(os.path.join(staging, path), content)
            stop_if_asked()
        os.rename(staging, root)
    except BaseException:
        _remove_tree(staging)
        _remove_folders(made)
        raise


def _replace(root: str, new: Mapping[str, bytes], removed: tuple[str, ...], stop_if_asked: Callable[[], None]) -> None:
    """Change a folder that exists."""
    staging = os.path.join(root, f"{STAGING}{os.getpid()}")
    undo: list[Callable[[], object]] = []
    try:
        _remove_leftovers(root, STAGING)
        os.mkdir(staging)
        for number, content in enumerate(new.values()):
            _write(os.path.join(staging, f"new-{number}"), content)
            stop_if_asked()
        for number, path in enumerate(removed):
            _move(os.path.join(root, path), os.path.join(staging, f"removed-{number}"), undo)
            stop_if_asked()
        for number, path in enumerate(new):
            _put_in_place(root, path, staging, number, undo)
            stop_if_asked()
    except BaseException:
        if _undone(undo):
            _remove_tree(staging)
        raise
    _remove_tree(staging)
    _prune(root, removed)


def _undone(undo: list[Callable[[], object]]) -> bool:
    """Take back every step that can be taken back, the last one first; say whether all could."""
    whole = True
    for step in reversed(undo):
        try:
            step()
        except OSError:
            whole = False
    return whole


def _put_in_place(root: str, path: str, staging: str, number: int, undo: list[Callable[[], object]]) -> None:
    """Rename one staged file to its place, keeping what was there."""
    target = os.path.join(root, path)
    made = _make_folders(os.path.dirname(target))
    if made:
        undo.append(lambda: _remove_folders(made))
    with contextlib.suppress(FileNotFoundError):
        _move(target, os.path.join(staging, f"old-{number}"), undo)
    _move(os.path.join(staging, f"new-{number}"), target, undo)


def _move(source: str, target: str, undo: list[Callable[[], object]]) -> None:
    os.rename(source, target)
    undo.append(lambda: os.rename(target, source))


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

    watched = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {number: signal.signal(number, remember) for number in watched}

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
