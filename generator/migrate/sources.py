"""The files that a user names, as texts; each once, whatever links lead to it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from generator.errors import InputError, Location, Problem
from generator.files import Root
from generator.intake.kustomization import FILE_NAMES
from generator.intake.texts import missing, read_bytes, read_text
from generator.migrate.kustomizations import Built, kustomizations_in

_ENDINGS = (".yaml", ".yml", ".json")
_MARK = b"\xef\xbb\xbf"


class Source(NamedTuple):
    """A text, and where it comes from.

    ``name`` is the file's name as the user knows it, ``path`` where it really lies ("" for standard input), ``content``
    its bytes, of which ``mark`` is the byte order mark and ``text`` the rest.
    """

    name: str
    path: str
    text: str
    content: bytes = b""
    mark: bytes = b""


class Sources(NamedTuple):
    """What a user named: the texts, and what was left out, or can't be judged as it is.

    ``built`` are kustomizations; the texts of their files are not judged by themselves.
    """

    texts: tuple[Source, ...]
    notes: tuple[Problem, ...]
    built: tuple[Built, ...] = ()


def text_source(text: str, name: str = "<stdin>") -> Source:
    """Make a source of a text that is no file."""
    mark = text[: text.startswith("\ufeff")]
    return Source(name, "", text[len(mark) :], text.encode(), mark.encode())


def open_sources(names: Sequence[str]) -> Sources:
    """Read files, and the YAML and JSON files below folders.

    The kustomizations in a folder are to be built; of one that can't be built here the files are taken one by one, but
    for its patches. A chart's templates and hidden files are left out. A symbolic link to a file is followed, but one
    in a folder that leads out of it is refused.

    Raises:
        InputError: a file isn't there, is no regular file, is no UTF-8, is larger than 32 MiB, or a link leads out of
            its folder; every problem found.
    """
    problems: list[Problem] = []
    notes: list[Problem] = []
    found: dict[str, Source] = {}
    built: dict[str, Built] = {}
    for name in names:
        try:
            for path, shown in _files(name, notes, built):
                real = os.path.realpath(path)
                if real not in found:
                    found[real] = _read(real, shown)
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(problems)
    return Sources(tuple(found.values()), tuple(notes), tuple(built.values()))


def _files(name: str, notes: list[Problem], built: dict[str, Built]) -> Iterator[tuple[str, str]]:
    """Give path and shown name of each file that a name stands for."""
    if os.path.isdir(name):
        yield from _in_folder(name, notes, built)
    elif not os.path.exists(name):
        raise InputError(missing(name, name))
    elif os.path.basename(name) in FILE_NAMES:
        hint = f"name its folder: {os.path.dirname(name) or '.'}"
        notes.append(Problem("a kustomization is built with all that lies in its folder", Location(name), hint=hint))
    else:
        yield name, name


def _in_folder(name: str, notes: list[Problem], built: dict[str, Built]) -> Iterator[tuple[str, str]]:
    root = Root(os.path.abspath(name), name.rstrip(os.sep) or name)
    found = sorted(root.walk(private=True), key=lambda one: one.path.split("/"))
    refused = [one.refused for one in found if one.refused]
    if refused:
        raise InputError(refused)
    paths = [one.path for one in found]
    charts = {os.path.dirname(path) for path in paths if os.path.basename(path) == "Chart.yaml"}
    folders = dict.fromkeys(os.path.dirname(path) for path in paths if os.path.basename(path) in FILE_NAMES)
    kustomizations = kustomizations_in(root, folders)
    notes += kustomizations.notes
    built |= {one.folder: one for one in kustomizations.built}
    templates = _below(_joined(chart, part) for chart in charts for part in ("templates", "charts"))
    files = {real: shown for one in kustomizations.built for real, shown in one.files.items()}
    own = {os.path.dirname(real) for real in files if os.path.basename(real) in FILE_NAMES}
    for path in paths:
        last = os.path.basename(path)
        full = f"{root.path}/{path}"
        real = os.path.realpath(full)
        if real in files:
            yield full, files[real]
            continue
        if not last.endswith(_ENDINGS) or last in {*FILE_NAMES, "Chart.yaml"} or path.startswith(templates):
            continue
        shown = path if name == "." else root.source(path)
        if os.path.dirname(real) in own:
            notes.append(Problem("the kustomization beside it doesn't use this file", Location(shown)))
        elif real not in kustomizations.patches:
            yield full, shown
    for chart in sorted(charts):
        place = Location(root.source(_joined(chart, "Chart.yaml")))
        notes.append(
            Problem("a chart's templates have to be rendered first; of it, values files alone are read", place)
        )


def _joined(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _below(folders: Iterator[str]) -> tuple[str, ...]:
    return tuple(f"{folder}/" for folder in folders)


def _read(path: str, shown: str) -> Source:
    content = read_bytes(path, shown)
    mark = _MARK if content.startswith(_MARK) else b""
    try:
        text = content[len(mark) :].decode("utf-8")
    except UnicodeDecodeError:
        text = read_text(path, shown)  # it has the words for this
    return Source(shown, path, text, content, mark)
