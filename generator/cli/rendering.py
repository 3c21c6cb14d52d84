"""Rendering to files, the one command whose every start counts: without click, which takes 8 ms to import.

`plain_render` understands command lines of a few plain words. All others (help, a mistake, `--check`, `--output=x`) are
left to click, which reads the plain ones alike: a test compares the two.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from generator.cli.report import Progress, count, say

if TYPE_CHECKING:
    from generator.tree import Changes
    from generator.workspace import Workspace

FORMS = ("manifests", "kustomize")
_FLAGS = {"--force": "force", "--quiet": "quiet", "-q": "quiet"}
_FOLDERS = {"-C": "directory", "--overlays": "overlays", "--templates": "templates", "--output": "output"}


class Folders(NamedTuple):
    """Where the project is, and where its parts are when they are elsewhere than usual."""

    directory: str = "."
    overlays: str | None = None
    templates: str | None = None
    output: str | None = None

    def workspace(self) -> Workspace:
        """Open the project."""
        from generator.workspace import open_workspace

        return open_workspace(self.directory, self.overlays, self.templates)

    def output_folder(self) -> tuple[str, str]:
        """The output folder's path, and its name as the user knows it."""
        from generator.files import Root

        return Root.at(os.path.abspath(self.directory), self.output or "output")


class Request(NamedTuple):
    """What to render to files."""

    environments: tuple[str, ...] = ()
    forms: tuple[str, ...] = FORMS
    force: bool = False
    quiet: bool = False
    folders: Folders = Folders()


def plain_render(arguments: Sequence[str]) -> Request | None:
    """Read ``render [ENV]... [--only FORMS] [--force] [-q] [folders]``; None where a word is anything else."""
    environments, flags, folders = list[str](), set[str](), dict[str, str]()
    forms: tuple[str, ...] = FORMS
    words = iter(arguments)
    if next(words, "") != "render":
        return None
    for word in words:
        if word in _FLAGS:
            flags.add(_FLAGS[word])
        elif word in _FOLDERS or word == "--only":
            value = next(words, "-")
            if value.startswith("-"):
                return None
            if word in _FOLDERS:
                folders[_FOLDERS[word]] = value
            elif unknown_forms(value):
                return None
            else:
                forms = chosen_forms(value)
        elif word.startswith("-"):
            return None
        else:
            environments.append(word)
    return Request(tuple(environments), forms, "force" in flags, "quiet" in flags, Folders(**folders))


def chosen_forms(text: str) -> tuple[str, ...]:
    """Read ``manifests,kustomize``."""
    chosen = {part.strip() for part in text.split(",")}
    return tuple(form for form in FORMS if form in chosen)


def unknown_forms(text: str) -> list[str]:
    """Give what in ``manifests,kustomize`` is no form, sorted."""
    return sorted({part.strip() for part in text.split(",")}.difference(FORMS))


def write_files(request: Request) -> None:
    """Render environments, bring the output folder up to date, and tell in one line what was done.

    Raises:
        InputError: the input can't be used.
        OutputError: the output folder can't be used, or holds edits that would be lost.
    """
    from generator import build

    workspace = request.folders.workspace()
    names = workspace.select(request.environments)
    with Progress(len(names), wanted=not request.quiet) as progress:
        tree = build.build(workspace, names, request.forms, progress)
    output, shown = request.folders.output_folder()
    changes = tree.compare(output, shown, () if request.environments else request.forms)
    hint = _base_hint(changes, output) if request.environments else ""
    tree.write(output, shown, changes, force=request.force)
    if not request.quiet:
        written = len(changes.written) + len(changes.edited) + len(changes.foreign)
        counts = f"{count(written, 'file')} written, {len(changes.removed)} removed, {len(changes.unchanged)} unchanged"
        say(f"rendered {count(len(names), 'environment')}: {counts}, in {shown}/{hint}")


def _base_hint(changes: Changes, output: str) -> str:
    """Tell that other environments' overlays rest on a base that this render changes."""
    bases = [path for path in changes.written if path.startswith("kustomize/base/")]
    if any(os.path.exists(os.path.join(output, path)) for path in bases):
        return "; the base changed: `sidecert render` brings the other environments up to date"
    return ""
