"""What is known to lie in an output folder, so that what is there as it should be isn't rendered again.

For each unit: a key that stands for everything that it was rendered from, the names of its files, and what the file
system said of them (size, times, inode) before they were last read. While both hold, nothing is to be done. Where
the file system says something else, after a checkout or on another machine, the hashes of the inventory decide. All of
it may be lost, stale, or someone else's: then the unit is rendered, and compared.

What the file system says is taken before the files are read, never after, so that an edit during a run is seen by the
next one.
"""

from __future__ import annotations

import os
import sys
import time
from array import array
from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple, NoReturn, cast

from generator.cache import CodeCache, cache_key
from generator.disk import Disk, digest, inventory_path
from generator.errors import OutputError
from generator.tree import OutputUnit

_DIGEST_BYTES = 16
#: A file changed again within this time may look as it did before: the kernel's clock ticks every 1 to 10 ms.
_TICK_NANOSECONDS = 50_000_000
#: Where times are whole milliseconds, the file system may count in steps of up to 2 s (FAT).
_COARSE_NANOSECONDS = 2_100_000_000


class Record(NamedTuple):
    """What is known of a unit. ``state`` is empty where the file system's word can't be relied on."""

    key: bytes
    remark: str
    names: tuple[str, ...]
    inventory: bytes
    state: bytes


class Index:
    """The units of one output folder, by name."""

    def __init__(self, cache: CodeCache, output: str, shown: str) -> None:
        """Take the cache that holds what was known, and the folder, and what that is called in messages."""
        self._cache = cache
        self._output = output
        self._shown = shown
        self._disk = Disk(output, shown)
        self._name = cache_key("index", _FORMAT, os.path.realpath(output))
        self._records = _loaded(cache.load(self._name))
        self._noted: dict[str, Record] = {}
        self._names: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._changed = False
        self._ahead: _Ahead | None = None

    def look_ahead(self, units: Sequence[str]) -> None:
        """Have a copy of this process look at the files of units that will be asked for last, where they are many."""
        known = [unit for unit in units if unit in self._records]
        if len(known) >= _WORTH_A_PROCESS and sys.platform == "linux":
            self._ahead = _Ahead(known, lambda unit: self._seen(unit, self._records[unit].names))

    def close(self) -> None:
        """End the process that looks ahead, where there is one."""
        if self._ahead is not None:
            self._ahead.end()
            self._ahead = None

    def unchanged(self, unit: str, key: bytes) -> Record | None:
        """Give the record of a unit whose files are what ``key`` stands for; None where that isn't known.

        The key holds everything that the unit was rendered from.
        """
        record = self._records.get(unit)
        if record is None or record.key != key:
            return None
        ahead = self._ahead.seen(unit) if self._ahead is not None else None
        seen = ahead or self._seen(unit, record.names)
        if seen and seen == record.state:
            return record
        state = self._state(unit, record.names, time.time_ns())
        if not self._holds(unit, record):
            return None
        if state != record.state:
            self._noted[unit] = record._replace(state=state)
        return record

    def look(self, unit: OutputUnit) -> bytes:
        """Give what the file system says of a unit's files now, before they are compared, for `note`."""
        return self._state(unit.folder, _names(unit), time.time_ns())

    def note(self, unit: OutputUnit, key: bytes, remark: str, before: bytes | None) -> None:
        """Remember a unit that lies in the folder from the end of this run on.

        ``before`` is what `look` gave before its files were compared and found to be there; None: all are new.
        """
        names = _names(unit)
        names = self._names.setdefault(names, names)
        state = _ALL_NEW if before is None else before
        self._noted[unit.folder] = Record(key, remark, names, _fingerprint(unit.inventory), state)

    def forget(self, units: Sequence[str]) -> None:
        """Drop units that lie there no more."""
        for unit in units:
            self._changed |= self._records.pop(unit, None) is not None

    def save(self, finished: int) -> None:
        """Keep what is known, for the next run; called when the folder is as noted.

        ``finished`` is the time in nanoseconds at which all files had been written, before they were put in place: one
        that changed later may not be the one that we wrote.
        """
        if not self._noted and not self._changed:
            return
        self._disk = Disk(self._output, self._shown)  # folders may have come since
        for unit, record in self._noted.items():
            if record.state == _ALL_NEW:
                record = record._replace(state=self._state(unit, record.names, finished))  # noqa: PLW2901
            self._records[unit] = record
        names: dict[tuple[str, ...], int] = {}
        rows = tuple(
            (unit, (key, remark, names.setdefault(files, len(names)), inventory, state))
            for unit, (key, remark, files, inventory, state) in self._records.items()
        )
        self._cache.store(self._name, (tuple(names), rows))

    def _state(self, unit: str, names: Sequence[str], since: int) -> bytes:
        """Fingerprint what the file system says of a unit's files, such that it tells any change after ``since``.

        That is a time in nanoseconds, not after now. Empty where such a change might not be told, a file is missing, or
        a link is on the way to it.
        """
        found = self._found(unit, names)
        return _fingerprint(found.tobytes()) if found and _tells_changes(found, since) else b""

    def _seen(self, unit: str, names: Sequence[str]) -> bytes:
        """Fingerprint what the file system says of a unit's files; empty where one can't be found."""
        found = self._found(unit, names)
        return _fingerprint(found.tobytes()) if found else b""

    def _found(self, unit: str, names: Sequence[str]) -> array[int] | None:
        """Give what the file system says of a unit's files, `_NUMBERS` numbers each.

        None where one is missing, or a link is on the way to it.
        """
        start, inventory = f"{self._output}/{unit}", inventory_path(unit)
        numbers = array("q")
        add, lstat = numbers.extend, os.lstat
        try:
            for path in (*[start + name for name in names], f"{self._output}/{inventory}"):
                about = lstat(path)
                times = about.st_mtime_ns, about.st_ctime_ns
                add((*times, about.st_size, about.st_ino & _SIGNED, about.st_mode))
            folders = {unit + name[: name.rfind("/")] for name in names if name[:1] == "/"}
            folders |= {unit.rpartition("/")[0] for name in names if name[:1] != "/"}
            if all(map(self._disk.has_folder, (*folders, inventory.rpartition("/")[0]))):
                return numbers
        except (OSError, OverflowError, ValueError, OutputError):
            pass
        return None

    def _holds(self, unit: str, record: Record) -> bool:
        """Say whether a unit's files have the hashes that its inventory holds, and that is the one we know."""
        try:
            inventory = self._disk.read(inventory_path(unit))
            if inventory is None or _fingerprint(inventory) != record.inventory:
                return False
            for path, listed in self._disk.inventory(unit).items():
                content = self._disk.read(path)
                if content is None or digest(content) != listed:
                    return False
        except OutputError:  # told when the unit is written
            return False
        return True


class _Ahead:
    """A copy of this process that looks at units, and tells what it saw when it is asked for the first of them."""

    def __init__(self, units: Sequence[str], look: Callable[[str], bytes]) -> None:
        self._units = frozenset(units)
        self._order = units
        self._seen: dict[str, bytes] | None = None
        self._pipe, writing = os.pipe()
        self._process = os.fork()
        if not self._process:
            _tell(writing, units, look)
        os.close(writing)

    def seen(self, unit: str) -> bytes | None:
        """Give what was seen of a unit; None where it wasn't looked at."""
        if unit not in self._units:
            return None
        if self._seen is None:
            told = b"".join(iter(lambda: os.read(self._pipe, 1 << 16), b""))
            states = (told[start : start + _DIGEST_BYTES] for start in range(0, len(told), _DIGEST_BYTES))
            whole = len(told) == len(self._order) * _DIGEST_BYTES
            self._seen = dict(zip(self._order, states, strict=True)) if whole else {}
        return self._seen.get(unit)

    def end(self) -> None:
        """End the process, whatever it is doing."""
        import signal

        os.close(self._pipe)
        os.kill(self._process, signal.SIGKILL)
        os.waitpid(self._process, 0)


def _tell(writing: int, units: Sequence[str], look: Callable[[str], bytes]) -> NoReturn:
    """Look at units, write what was seen of them, and end: nothing of the process that this is a copy of goes on."""
    try:
        told = memoryview(b"".join([look(unit) or bytes(_DIGEST_BYTES) for unit in units]))
        while told:
            told = told[os.write(writing, told) :]
    finally:
        os._exit(0)


#: A process costs some milliseconds, and a unit some hundredths of one.
_WORTH_A_PROCESS = 300
_FORMAT = "4"
_NUMBERS = 5
_SIGNED = (1 << 63) - 1
#: In place of a state: the files of the unit are new, and what the file system says of them is known in the end.
_ALL_NEW = b"new"


def _tells_changes(found: array[int], since: int) -> bool:
    """Say whether files that change after a time in nanoseconds, which is not after now, look otherwise then."""
    times = [*found[::_NUMBERS], *found[1::_NUMBERS]]
    newest = max(times)
    if newest + _TICK_NANOSECONDS > since:
        return False
    return newest + _COARSE_NANOSECONDS <= since or any(time % 1_000_000 for time in found[::_NUMBERS])


def _names(unit: OutputUnit) -> tuple[str, ...]:
    """The files of a unit, each by what follows the unit's name in its path."""
    start = len(unit.folder)
    return tuple(path[start:] for path in unit.contents)


def _loaded(stored: object) -> dict[str, Record]:
    """Read what was stored; nothing where it isn't of our making."""
    records: dict[str, Record] = {}
    try:
        names, rows = cast("tuple[Any, Any]", stored)
        if not all(type(name) is str for files in names for name in files):
            return {}
        for unit, (key, remark, number, inventory, state) in rows:
            files = names[number]
            if [*map(type, (unit, key, remark, files, inventory, state))] != _TYPES:
                return {}
            records[unit] = Record(key, remark, files, inventory, state)
    except (TypeError, ValueError, IndexError, KeyError):
        return {}
    return records


_TYPES = [str, bytes, str, tuple, bytes, bytes]


def _fingerprint(content: bytes) -> bytes:
    return blake2b(content, digest_size=_DIGEST_BYTES, usedforsecurity=False).digest()
