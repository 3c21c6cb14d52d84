"""The options that commands share, and how shells complete them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

from generator.errors import GeneratorError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from generator.workspace import Workspace

FORMS = ("manifests", "kustomize", "helm")
Command = TypeVar("Command", bound=Callable[..., Any])
_OWN_TEMPLATES = "Own templates, used before those of sidecert.  [default: templates, in the project, where it exists]"


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


def complete_environment(context: click.Context, _parameter: click.Parameter, typed: str) -> list[CompletionItem]:
    """Offer the environments of the project that the options so far name."""
    from click.shell_completion import CompletionItem

    given = context.params
    folders = Folders(given.get("directory") or ".", given.get("overlays"), given.get("templates"), None)
    try:
        names = folders.workspace().environment_names()
    except GeneratorError:
        return []
    return [CompletionItem(name) for name in names if name.startswith(typed)]


def complete_ref(context: click.Context, _parameter: click.Parameter, typed: str) -> list[CompletionItem]:
    """Offer the branches and tags of the project's git repository."""
    from click.shell_completion import CompletionItem

    from generator.git import Checkout

    try:
        names = Checkout.of(os.path.abspath(context.params.get("directory") or ".")).refs()
    except GeneratorError:
        return []
    return [CompletionItem(name) for name in names if name.startswith(typed)]


def read_forms(_context: click.Context, _parameter: click.Parameter, text: str) -> tuple[str, ...]:
    """Read ``manifests,kustomize``."""
    chosen = {part.strip() for part in text.split(",")}
    unknown = sorted(chosen.difference(FORMS))
    if unknown:
        raise click.BadParameter(f"'{unknown[0]}' is not one of {', '.join(FORMS)}")
    return tuple(form for form in FORMS if form in chosen)


def read_version(_context: click.Context, _parameter: click.Parameter, version: str | None) -> str | None:
    """Check a chart's version: Helm takes semantic versions alone (https://semver.org)."""
    if version is not None and not re.fullmatch(_SEMANTIC_VERSION, version, re.ASCII):
        raise click.BadParameter(f"'{version}' is no semantic version, such as 1.4.0 or 1.4.0-rc.1")
    return version


_NUMBER = r"(0|[1-9]\d*)"
_PRE_RELEASE = r"(0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*)"
_SEMANTIC_VERSION = (
    rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(-{_PRE_RELEASE}(\.{_PRE_RELEASE})*)?(\+[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?"
)


def project_options(command: Command) -> Command:
    """Give a command the options that say where the project and its parts are."""
    folder = click.Path()
    options = [
        click.option("-C", "directory", metavar="DIR", type=folder, default=".", help="The project.  [default: .]"),
        click.option("--overlays", metavar="DIR", type=folder, help="The values.  [default: overlays, in the project]"),
        click.option("--templates", metavar="DIR", type=folder, help=_OWN_TEMPLATES),
        click.option("--output", metavar="DIR", type=folder, help="The result.  [default: output, in the project]"),
    ]  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


def selection_options(command: Command) -> Command:
    """Give a command the options that narrow its environments, for it to hand to `selected_names`."""
    options = [
        click.option(
            "-l",
            "--selector",
            "selectors",
            metavar="LABELS",
            multiple=True,
            help="Only environments whose values have these labels, written as for kubectl: region=eu, tier!=test, "
            "'region in (eu, us)', '!legacy'. A comma, or a second -l, means and.",
        ),
        click.option(
            "--changed-since",
            metavar="REF",
            shell_complete=complete_ref,
            help="Only environments whose inputs changed since HEAD left this branch, tag or commit of git: their "
            "values, any _defaults.yaml above them, templates that they use. Changes that aren't committed count.",
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def selected_names(
    workspace: Workspace, patterns: tuple[str, ...], selectors: tuple[str, ...], changed_since: str | None
) -> tuple[str, ...]:
    """Give the environments that a command's arguments and `selection_options` stand for, sorted; maybe none."""
    if not selectors and changed_since is None:
        return workspace.select(patterns)
    from generator.selection import Selection, select

    return select(workspace, Selection(patterns, selectors, changed_since))


format_option = click.option("-o", "--format", "form", type=click.Choice(["yaml", "json"]), help="A form for programs.")
