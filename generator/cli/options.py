"""The options that commands share, and how shells complete them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from generator.cli.rendering import FORMS, Folders
from generator.errors import GeneratorError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

Command = TypeVar("Command", bound=Callable[..., Any])
_OWN_TEMPLATES = "Own templates, used before those of sidecert.  [default: templates, in the project, where it exists]"


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


def read_forms(_context: click.Context, _parameter: click.Parameter, text: str) -> tuple[str, ...]:
    """Read ``manifests,kustomize``."""
    chosen = {part.strip() for part in text.split(",")}
    unknown = sorted(chosen.difference(FORMS))
    if unknown:
        raise click.BadParameter(f"'{unknown[0]}' is not one of {', '.join(FORMS)}")
    return tuple(form for form in FORMS if form in chosen)


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


format_option = click.option("-o", "--format", "form", type=click.Choice(["yaml", "json"]), help="A form for programs.")
