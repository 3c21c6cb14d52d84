"""The command ``diff``: what it is given, and how it tells what would change."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import click

from generator.cli.options import (
    Folders,
    complete_environment,
    complete_ref,
    project_options,
    selected_names,
    selection_options,
)
from generator.cli.rendering import jobs_option
from generator.cli.report import Progress, print_data, say

if TYPE_CHECKING:
    from generator.diff import Before, Difference

_COLOURS: dict[str, dict[str, Any]] = {
    "#": {"bold": True},
    "@": {"fg": "cyan"},
    "+": {"fg": "green"},
    "-": {"fg": "red"},
    "~": {"fg": "yellow"},
}


@click.command(
    short_help="Tell what would change in resources.",
    epilog="""\b
    Examples:
      sidecert diff                            what would `sidecert render` change, in all environments?
      sidecert diff 'prod/*'                   in some of them; quote the globs
      sidecert diff --against main             what does this branch change?
      sidecert diff --against main -o markdown > comment.md

    \b
    -o json gives an object:
      version       1; it grows when a key changes its meaning
      before        what was compared with, in words
      environments  added, removed, changed: lists of names; unchanged: a number
      groups        a list; each has the environments that have the same changes, and its changes: a list of
        resource    apiVersion, kind, namespace ("" where there is none), name; of the kind File what is none
        change      added, removed, changed; item-added, item-removed, item-changed for an item of the list at path;
                    reordered: a list's items; text: comments or layout; moved: the resource, to another file
        path        a list: keys, indices, {"item": {"name": ...}} for an item by what it is called,
                    {"document": "yaml"} where it goes on within a string; [] for the resource itself
        pathText    the same for readers
        old, new    the values; added has no old, removed no new; of a text the lines that differ
        byEnvironment  in place of old and new where they are not the same in all of the group's environments:
                    a list of environments, old, new

    Exit codes: 0 no difference, 1 differences, 2 something given can't be used.""",
)
@click.argument("environments", metavar="[ENV]...", nargs=-1, shell_complete=complete_environment)
@click.option(
    "--against",
    metavar="REF",
    shell_complete=complete_ref,
    help="Compare with a commit's output folder, or with what its inputs render to where it has none.  "
    "[default: the output folder as it is]",
)
@click.option(
    "-o",
    "--format",
    "form",
    type=click.Choice(["text", "json", "markdown"]),
    default="text",
    help="Text to read, JSON for programs, or Markdown that fits a comment on a pull request.",
)
@selection_options
@jobs_option
@project_options
def diff(
    environments: tuple[str, ...],
    *,
    against: str | None,
    form: str,
    selectors: tuple[str, ...],
    changed_since: str | None,
    jobs: int | None,
    **where: Any,
) -> int:
    """Tell what would become of the environments' resources: which value changes from what to what, and where.

    The same change in many environments is told once. Compared are resources, not lines: the order of keys doesn't
    count, items of lists are known by their names, and the files in a ConfigMap are looked into. A file of which
    nothing but the text would change is told too, so when there is no difference, `render` writes no manifest.
    """
    from generator.cli.processors import processors
    from generator.diff import difference, from_commit, from_disk
    from generator.files import Root
    from generator.fleet import Workers

    folders = Folders(**where)
    workspace = folders.workspace()
    names = selected_names(workspace, environments, selectors, changed_since)
    whole = not environments and not selectors and changed_since is None
    output, workers = Root(*folders.output_folder()), Workers(jobs or processors())

    def compared(before: Before) -> Difference:
        say(f"comparing {before.told} with what would be rendered now")
        with Progress(len(names), wanted=True) as step:
            return difference(before, workspace, names, workers, whole=whole, step=lambda: step(1))

    if against is None:
        found = compared(from_disk(output))
    else:
        templates = Root.at(os.path.abspath(folders.directory), folders.templates or "templates")
        with from_commit(against, workspace, templates, output) as before:
            found = compared(before)
    _print(found, form)
    return 1 if found.any else 0


def _print(found: Difference, form: str) -> None:
    if form == "json":
        from generator.diff.data import data

        print_data(data(found), "json")
    elif form == "markdown":
        from generator.diff.markdown import markdown

        sys.stdout.write(markdown(found))
    else:
        from generator.diff.text import text

        coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        for mark, line in text(found):
            sys.stdout.write((click.style(line, **_COLOURS.get(mark, {})) if coloured else line) + "\n")
