"""The command ``adopt``: what it is given, where it writes, and how it tells what it did."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click

from generator.cli.hints import hints_for, worded_for
from generator.cli.manifests import files_argument, read_files, settings_of, version_options
from generator.cli.options import Folders, complete_environment, project_options
from generator.cli.report import count, say

if TYPE_CHECKING:
    from collections.abc import Iterator

    from generator.adopt import Adopted, Manifests, Templates
    from generator.errors import Problem
    from generator.intake import Intake
    from generator.monitoring import Settings
    from generator.tree import OutputFolder, OutputUnit


def _read_name(_context: click.Context, _parameter: click.Parameter, name: str | None) -> str | None:
    if name is not None and not re.fullmatch(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?", name, re.ASCII):
        raise click.BadParameter(f"'{name}' can't be a folder's name here: a-z, 0-9, '-' and '.' between them")
    return name


@click.command(
    short_help="Add the pattern to a Prometheus of your own.",
    epilog="""\b
    Examples:
      sidecert adopt prometheus.yaml                  a Kustomize component in output/adopt/NAME/
      sidecert adopt deploy/ --env prod/eu-1          with that environment's revision, directories, mTLS mode
      sidecert adopt deploy/ --select sts/prometheus  one of several
      sidecert adopt values.yaml --chart-version 88   values for kube-prometheus-stack or the prometheus chart
      kubectl -n monitoring get sts,cm -o yaml | sidecert adopt -
      sidecert adopt deploy/ --check                  in CI: is output/adopt/ what would be written?

    Exit codes: 0 fine, 1 --check found something, 2 something can't be adopted (the reason is told, nothing is
    written).""",
)
@files_argument
@click.option("--env", "environment", metavar="ENV", shell_complete=complete_environment, help="Whose values decide.")
@click.option("--select", "selected", metavar="KIND/NAME", multiple=True, help="Only this one; may be repeated.")
@click.option("--name", metavar="NAME", callback=_read_name, help="Of the folder.  [default: as the Prometheus]")
@version_options
@click.option("--check", is_flag=True, help="Write nothing; print a diff and exit 1 where the folder differs.")
@click.option("--force", is_flag=True, help="Overwrite files that were edited by hand.")
@click.option("-q", "--quiet", is_flag=True, help="Tell only what you have to do yourself.")
@project_options
def adopt(
    files: tuple[str, ...],
    *,
    environment: str | None,
    selected: tuple[str, ...],
    name: str | None,
    istio: tuple[int, ...] | None,
    kubernetes: tuple[int, ...] | None,
    chart: tuple[int, ...] | None,
    check: bool,
    force: bool,
    quiet: bool,
    **where: Any,
) -> None:
    """Add to a Prometheus of any manifests what it needs to scrape Istio workloads over mutual TLS.

    What is there stays: a Kustomize component patches only what is missing, a values file for a chart holds only the
    keys that change. FILE is as for doctor; give the configuration together with the workload.
    """
    from generator.tree import OutputFolder

    folders = Folders(**where)
    templates = _templates(folders, environment or "")
    output, shown = folders.output_folder()
    with hints_for("adopt"):
        # A component that is in use already is made anew from what it is for, whatever it holds by now.
        intake = read_files(files, f"{output}/adopt")
    settings = settings_of(
        istio or templates.version_of("istio"), kubernetes or templates.version_of("kubernetes"), chart
    )
    manifests, notes = _together(intake, files, settings)
    with hints_for("adopt"):
        found, names, left_out = _found(manifests, templates, intake, selected, name)
    for problem in (*templates.notes(), *worded_for("adopt", intake.unrendered), *notes, *left_out):
        say(_plain(f"note: {problem}"))
    units = _units(found, names)
    with OutputFolder(output, shown, compare_only=check) as folder:
        for unit in units:
            folder.put(unit)
        if not check:
            _finish(folder, force=force)
    _tell(found, names, folder, quiet=quiet or check)
    if check:
        _print_check(folder, quiet=quiet)


def _finish(folder: OutputFolder, *, force: bool) -> None:
    """Write what was put into the folder.

    Raises:
        OutputError: a file was edited by hand.
    """
    from generator.errors import OutputError

    try:
        folder.finish(force=force)
    except OutputError as error:
        hint = "put your change into manifests, values or a kustomization of your own, or lose it with --force"
        raise OutputError(
            [one._replace(hint=hint) if "--force" in one.hint else one for one in error.problems]
        ) from error


def _templates(folders: Folders, environment: str) -> Templates:
    """Take the project's templates and an environment.

    Raises:
        InputError: there is no such environment.
    """
    from generator.adopt import Templates
    from generator.errors import InputError

    try:
        return Templates(folders.workspace(), environment)
    except InputError as error:
        hint = "--env takes the values of a sidecert project: name its folder with -C, or leave --env out"
        problems = [one if one.hint or not environment else one._replace(hint=hint) for one in error.problems]
        raise InputError(problems) from error


def _together(intake: Intake, files: tuple[str, ...], settings: Settings) -> tuple[Manifests, list[Problem]]:
    """Give the manifests, values put together that Helm lays over each other, and what to tell of that."""
    from generator.adopt import Manifests, lay

    layers = lay(intake.manifests, intake.values, files)
    return Manifests(layers.objects, layers.values, settings, layers.laid), list(layers.notes)


def _found(
    manifests: Manifests, templates: Templates, intake: Intake, selected: tuple[str, ...], name: str | None
) -> tuple[list[Adopted], list[str], list[Problem]]:
    """Adopt what is meant; give it, its folders' names, and what is left out.

    Raises:
        InputError: something of it can't be adopted: every reason.
    """
    from generator.adopt import adopt as adopted
    from generator.adopt import adoptable, conflicts, folder_names
    from generator.errors import InputError, Problem

    setup = manifests.setup()
    try:
        scrapers, made = adoptable(setup, selected)
    except InputError as error:
        raise InputError((*intake.unrendered, *error.problems)) from None
    if name and len(scrapers) > 1:
        raise click.UsageError("--name is for one Prometheus; choose it with --select")
    clusters = manifests.apart()
    found: list[Adopted] = []
    problems: list[Problem] = []
    for scraper in scrapers:
        try:
            found.append(adopted(*clusters.with_scraper(scraper), templates))
        except InputError as error:
            problems += error.problems
    problems += conflicts([pair for one in found for pair in one.changed], manifests.values)
    if problems:
        raise InputError(dict.fromkeys(problems))
    notes = [Problem(f"{one} is left out: what makes it is here too", one.document.locate()) for one in made]
    return found, folder_names(scrapers, name or ""), notes


def _units(found: list[Adopted], names: list[str]) -> list[OutputUnit]:
    from generator.adopt import files_of
    from generator.tree import packed

    return [
        packed(f"adopt/{name}", files_of(one, name))
        for one, name in zip(found, names, strict=True)
        if not one.is_nothing
    ]


# -------------------------------------------------------------------------------------------------------- telling


def _tell(found: list[Adopted], names: list[str], folder: OutputFolder, *, quiet: bool) -> None:
    for one, name in zip(found, names, strict=True):
        for line in _lines(one, f"{folder.shown}/adopt/{name}", quiet=quiet):
            say(_plain(line))


def _lines(adopted: Adopted, place: str, *, quiet: bool) -> Iterator[str]:
    from generator.adopt import is_of_values, overlay_of, stands_apart

    scraper = adopted.scraper
    if not quiet:
        if adopted.is_nothing:
            unseen = f", if there is a job in {adopted.where}" if adopted.apart else ""
            yield f"{scraper}: nothing to do{unseen}"
        elif is_of_values(adopted):
            yield f"{scraper}: give {place}/values.yaml to Helm after your own values"
        else:
            yield f"{scraper}: add {place} to the components of {overlay_of(scraper) or 'your kustomization'}"
        for finding in adopted.repaired:
            yield f"  repaired: {finding.resource}: {finding.found} ({finding.rule.id})"
    for part in adopted.added if stands_apart(adopted) else ():
        file = f"{place}/{part.tree['kind'].lower()}.yaml"
        yield f"  to do: kubectl apply -n NAMESPACE -f {file} (that of the release: this chart installs no objects)"
    for text in adopted.unseen:
        yield f"  to do: {text}"
    if adopted.apart is not None and not adopted.is_nothing:
        yield f"  to do: the jobs in {place}/scrape-jobs.yaml belong into {adopted.where}"
    for line in () if adopted.is_nothing else adopted.to_do:
        yield f"  to do: {line}"
    for finding in adopted.left:
        yield f"  to do: {finding.resource}: {finding.found}; see sidecert doctor --explain {finding.rule.id}"


def _print_check(folder: OutputFolder, *, quiet: bool) -> None:
    import sys

    counts = folder.counts
    sys.stdout.writelines(folder.diff())
    sys.stdout.flush()
    if counts.any:
        if not quiet:
            stale = counts.written + counts.removed + counts.bookkeeping + counts.edited + counts.foreign
            say(f"{folder.shown}/adopt/ is not what would be written: {count(stale, 'file')}")
        raise click.exceptions.Exit(1)


def _plain(text: str) -> str:
    from generator.doctor.words import plain

    return "\n".join(plain(line) for line in text.split("\n"))
