"""How environments are rendered to a folder: by how many processes, with or without a cache, told how."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import click

from generator.cli.report import Progress, print_differences, print_stages, print_written

if TYPE_CHECKING:
    from generator.cli.options import Command, Folders
    from generator.update import Shard
    from generator.workspace import Workspace


class Manner(NamedTuple):
    """What ``worker_options`` say."""

    shard: Shard | None
    jobs: int | None
    scheduler: str
    no_cache: bool
    profile: bool


def _read_shard(_context: click.Context, _parameter: click.Parameter, text: str | None) -> Shard | None:
    """Read ``3/8``."""
    if text is None:
        return None
    from generator.update import Shard

    match = re.fullmatch(r"([1-9][0-9]{0,4})/([1-9][0-9]{0,4})", text, re.ASCII)
    if not match or int(match[1]) > int(match[2]):
        raise click.BadParameter(f"'{text}' is no shard, such as 3/8: the third of eight")
    return Shard(int(match[1]), int(match[2]))


jobs_option = click.option(
    "-j",
    "--jobs",
    metavar="N",
    type=click.IntRange(min=1),
    envvar="SIDECERT_JOBS",
    help="How many processes render; 1: this one.  [default: as many as there are processors]",
)


def worker_options(command: Command) -> Command:
    """Give a command the options that say who renders."""
    options = [
        click.option(
            "--shard",
            metavar="N/M",
            callback=_read_shard,
            help="Only the Nth of M parts, for a CI matrix. Its name alone decides which part an environment is in.",
        ),
        jobs_option,
        click.option(
            "--scheduler", metavar="ADDRESS", default="", help="Render on a Dask cluster, such as tcp://10.0.0.7:8786."
        ),
        click.option("--no-cache", is_flag=True, help="Render everything anew, and keep nothing for the next time."),
        click.option("--profile", is_flag=True, help="Tell how long each stage took, and how much it did."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def render_to_folder(
    workspace: Workspace,
    names: tuple[str, ...],
    folders: Folders,
    forms: tuple[str, ...],
    *,
    complete: bool,
    check: bool,
    force: bool,
    quiet: bool,
    manner: Manner,
) -> None:
    """Bring the output folder up to date, or tell how it differs; exit 1 where it does."""
    from time import perf_counter

    started = perf_counter()
    from generator.cli.processors import processors
    from generator.fleet import Workers
    from generator.tree import OutputFolder
    from generator.update import Task, update

    shard = manner.shard
    if shard is not None:
        names = tuple(filter(shard.has, names))
    output, shown = folders.output_folder()
    folder = OutputFolder(output, shown, compare_only=check)
    task = Task(names, forms, complete, shard)
    workers = Workers(manner.jobs or processors(), manner.scheduler)
    with Progress(len(names), wanted=not quiet) as progress:
        cached = not manner.no_cache
        report = update(workspace, task, folder, workers, use_cache=cached, force=force, progress=progress)
    if manner.profile:
        print_stages(report.stages, perf_counter() - started)
    if check:
        print_differences(folder, len(names), quiet=quiet)
    elif not quiet:
        print_written(report, folder, stale_others=report.base_changed and not complete)
