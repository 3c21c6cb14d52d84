"""Where a project's parts are, and rendering to files."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from generator.cli.report import Progress, count, say

if TYPE_CHECKING:
    from generator.tree import Changes
    from generator.workspace import Workspace

FORMS = ("manifests", "kustomize")


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
