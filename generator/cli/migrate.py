"""The command ``migrate``: what it is given, and how it shows or writes what has changed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from generator.cli.doctor import RULES_OPTION, chosen_rules
from generator.cli.manifests import files_argument, nothing_in, read_standard_input, settings_of, version_options
from generator.cli.report import count, say

if TYPE_CHECKING:
    from generator.doctor import Finding
    from generator.errors import Problem
    from generator.migrate import Migration, Sources

_STDIN = "-"
_MOST_NOTES = 10


@click.command(
    short_help="Repair any manifests in place.",
    epilog="""\b
    Examples:
      sidecert migrate prometheus.yaml               what would change, as a diff
      sidecert migrate prometheus.yaml --write       change it
      sidecert migrate deploy/ --write               every YAML and JSON file in a folder, all of them or none
      sidecert migrate deploy/ --select legacy-secret
      sidecert migrate deploy/ | git apply -p0       the same, by git
      kubectl -n monitoring get prometheus main -o yaml | sidecert migrate - | kubectl apply -f -

    What is repaired is what `sidecert doctor` tells as errors and warnings. Comments, order, quotes, anchors and line
    ends stay; so does what a comment in the file silences. What has to be done by hand is told on standard error.

    Exit codes: 0 fine, 1 there is something to change or (with --write and -) an error is left that has to be
    repaired by hand, 2 something given can't be used; nothing is written then.""",
)
@files_argument
@click.option("--write", is_flag=True, help="Change the files; without it a diff is printed.")
@version_options
@click.option("--select", **RULES_OPTION, help="Only what these rules find; globs are taken too.")
@click.option("--ignore", **RULES_OPTION, help="Not what these rules find.")
def migrate(
    files: tuple[str, ...],
    *,
    write: bool,
    istio: tuple[int, ...] | None,
    kubernetes: tuple[int, ...] | None,
    chart: tuple[int, ...] | None,
    select: tuple[str, ...],
    ignore: tuple[str, ...],
) -> int:
    """Turn a setup with the dead istio.default secret, or a wrong one, into one that works, in the files themselves.

    FILE is any manifest or values file, or a folder of them. Of a kustomization what it builds is judged, and its files
    are changed. Give all that belongs together. - reads standard input, and prints the result.
    """
    if not files:
        raise click.UsageError("name files or folders, or - for standard input")
    if _STDIN in files and (write or len(files) > 1):
        raise click.UsageError("- prints its result: it takes no --write, and no files beside it")
    rules = [rule.id for rule in chosen_rules(select, ignore)] if select or ignore else None
    from generator.migrate import migrate as migrated

    sources = _sources(files)
    migration = migrated(sources.texts, settings_of(istio, kubernetes, chart), rules, sources.built)
    _refuse_nothing(files, sources, migration)
    if _STDIN in files:
        _print(sources.texts[0].mark + migration.texts[sources.texts[0].name].encode())
    elif write:
        _write(sources, migration)
    else:
        _print_diff(sources, migration)
    sys.stdout.flush()
    shown = {} if write or _STDIN in files else {one.name: one.text for one in sources.texts}
    _tell(sources, migration, shown)
    changed = any(migration.texts[source.name] != source.text for source in sources.texts)
    return 1 if migration.has_errors() or (changed and shown) else 0


def _sources(files: Sequence[str]) -> Sources:
    from generator.migrate import Sources, open_sources, text_source

    if _STDIN in files:
        return Sources((text_source(read_standard_input()),), ())
    return open_sources(files)


def _refuse_nothing(files: Sequence[str], sources: Sources, migration: Migration) -> None:
    """Refuse files of which none holds anything to repair."""
    from generator.errors import InputError

    if not migration.judged:
        raise InputError((*sources.notes, *migration.unread) or nothing_in(files))


# ------------------------------------------------------------------------------------------------------- results


def _write(sources: Sources, migration: Migration) -> None:
    from generator.migrate.writing import replace_files

    changed = replace_files(sources.texts, migration.texts)
    for source in changed:
        fixes = [made for made in migration.made if made.file == source.name]
        rules = ", ".join(dict.fromkeys(made.rule for made in fixes))
        say(_plain(f"{source.name}: changed{f': {rules}' if rules else ''}"))


def _print_diff(sources: Sources, migration: Migration) -> None:
    """Print what would change: for a terminal without what could steer it, for ``patch`` byte by byte."""
    from generator.cli.report import coloured, takes_colours
    from generator.migrate.diffing import unified

    colours = takes_colours()
    for source in sources.texts:
        for line in unified(source.name, source.text, migration.texts[source.name]):
            if sys.stdout.isatty():
                text = _plain(line.rstrip("\r\n")) + "\n"
                sys.stdout.write(coloured(text) if colours else text)
            else:
                _print(line.encode("utf-8", "surrogateescape"))


def _print(content: bytes) -> None:
    sys.stdout.flush()
    sys.stdout.buffer.write(content)


def _plain(text: str) -> str:
    from generator.doctor.words import plain

    return plain(text)


# ----------------------------------------------------------------------------------------- what is left to be told


def _tell(sources: Sources, migration: Migration, shown: dict[str, str]) -> None:
    """Tell what was done, and what has to be done by hand; ``shown`` are the texts whose lines the user knows."""
    notes = [*sources.notes, *migration.unread]
    for note in notes[:_MOST_NOTES]:
        say(_plain_lines(f"note: {note}"))
    if len(notes) > _MOST_NOTES:
        say(f"and {len(notes) - _MOST_NOTES} more notes")
    refused = {id(one.finding): one.problem for one in migration.refused}
    for finding in migration.left:
        _tell_finding(finding, refused.get(id(finding)), _place(finding, migration, shown))
    repaired = count(len(migration.made), "fault")
    errors = sum(finding.severity == "error" for finding in migration.left)
    left = f"{count(errors, 'error')} and {count(len(migration.left) - errors, 'warning')} left for you to repair"
    verb = "to repair" if shown else "repaired"
    say(f"{repaired} {verb}{f', {left}' if migration.left else ''}" if migration.made else _nothing(migration, left))


def _nothing(migration: Migration, left: str) -> str:
    return f"nothing that can be repaired here, {left}" if migration.left else "nothing to repair"


def _place(finding: Finding, migration: Migration, shown: dict[str, str]) -> str:
    """Say where a finding of the result stands, in the file as the user has it."""
    from generator.migrate.diffing import old_line

    place = finding.location
    old = shown.get(place.file)
    if old is None or old == migration.texts.get(place.file) or not place.line:
        return str(place)
    return str(place._replace(line=old_line(old, migration.texts[place.file], place.line), column=0))


def _tell_finding(finding: Finding, problem: Problem | None, place: str) -> None:
    say(_plain(f"{place}: {finding.severity}: {finding.found} [{finding.rule.id}]"))
    if problem is not None:
        say(_plain(f"    not repaired: {problem.message}"))
    if finding.fix is not None:
        say(_plain(f"    by hand: {finding.fix.says}"))
        yaml = finding.fix.text
        if yaml and problem is None:
            say("\n".join(f"      {_plain(line)}".rstrip() for line in yaml.split("\n")))


def _plain_lines(text: str) -> str:
    return "\n".join(_plain(line) for line in text.split("\n"))
