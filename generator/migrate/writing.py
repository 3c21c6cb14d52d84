"""Replaces files, all of them or none."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator, Mapping, Sequence

from generator.errors import Location, OutputError, Problem
from generator.intake.texts import read_bytes
from generator.migrate.sources import Source
from generator.swap import ended_by_signals


def replace_files(sources: Sequence[Source], texts: Mapping[str, str]) -> list[Source]:
    """Write the texts that differ from what was read, and give the files concerned; mode and owner stay.

    Each new file is written beside the old one first. Where one can't be, or somebody stops it, all are what they were.

    Raises:
        OutputError: a file has changed since it was read, is read-only, or can't be written.
        KeyboardInterrupt: the user stopped it.
    """
    changed = [source for source in sources if texts[source.name] != source.text]
    with ended_by_signals(), contextlib.ExitStack() as tidying:
        ready = [(source, *_prepared(source, texts[source.name], tidying)) for source in changed]
        placed: list[tuple[str, str]] = []
        try:
            for source, new, kept in ready:
                placed.append((kept, source.path))
                with _told(source):
                    os.replace(new, source.path)
        except BaseException:
            for kept, path in placed:
                with contextlib.suppress(OSError):
                    os.replace(kept, path)
            raise
    return changed


def _prepared(source: Source, text: str, tidying: contextlib.ExitStack) -> tuple[str, str]:
    """Write a file's new content beside it, and keep its old one; give both paths."""
    _check_unchanged(source)
    folder, name = os.path.split(source.path)
    new, kept = (os.path.join(folder, f".sidecert-{os.getpid()}-{which}-{name}") for which in ("new", "old"))
    with _told(source):
        status = os.stat(source.path)
        for path, content in ((new, source.mark + text.encode()), (kept, source.content)):
            tidying.callback(_forget, path)
            _write(path, content, status)
    return new, kept


def _check_unchanged(source: Source) -> None:
    place = Location(source.name)
    if read_bytes(source.path, source.name) != source.content:
        raise OutputError(Problem("the file has changed since it was read", place, hint="run it again"))
    if not os.access(source.path, os.W_OK):
        raise OutputError(Problem("the file is read-only", place))


def _write(path: str, content: bytes, like: os.stat_result) -> None:
    with open(path, "xb") as file:
        file.write(content)
        os.fchmod(file.fileno(), stat.S_IMODE(like.st_mode))
        with contextlib.suppress(OSError):  # only root may give files away
            os.fchown(file.fileno(), like.st_uid, like.st_gid)


def _forget(path: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)


@contextlib.contextmanager
def _told(source: Source) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        message = f"the file can't be written: {error.strerror}"
        raise OutputError(Problem(message, Location(source.name))) from error
