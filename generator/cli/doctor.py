"""The command ``doctor``: what it is given, and in which form it tells what it found."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from generator.cli.manifests import ascii_json, files_argument, read_files, settings_of, styled, version_options, width

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from generator.doctor import Rule
    from generator.doctor.report import Report

_FORMS = ("text", "json", "sarif", "github", "junit")
_THRESHOLDS = ("error", "warning", "info", "never")


def _complete_rule(_context: click.Context, _parameter: click.Parameter, typed: str) -> list[CompletionItem]:
    """Offer the rules; of several parted by commas, for the last one."""
    from click.shell_completion import CompletionItem

    before, comma, last = typed.rpartition(",")
    return [CompletionItem(f"{before}{comma}{rule.id}") for rule in _rules() if rule.id.startswith(last)]


#: What an option says that names rules, for `chosen_rules`.
RULES_OPTION: dict[str, Any] = {"metavar": "RULE,...", "multiple": True, "shell_complete": _complete_rule}


@click.command(
    short_help="Say what is wrong in any manifests, and how to fix it.",
    epilog="""\b
    Examples:
      sidecert doctor prometheus.yaml                 what is wrong, in the order in which to fix it
      sidecert doctor deploy/                         a folder of manifests, charts' values, kustomizations
      kubectl -n monitoring get sts,cm -o yaml | sidecert doctor -
      helm template mon prometheus-community/kube-prometheus-stack -f values.yaml | sidecert doctor -
      sidecert doctor deploy/ --istio-version 1.28 -o sarif > doctor.sarif
      sidecert doctor deploy/ --ignore http2-not-off,'scrape-class-*' --fail-on warning
      sidecert doctor --explain legacy-secret         why, and what to do

    \b
    A comment silences a finding, on its line or alone on the line above:
      secretName: istio.default  # sidecert: ignore legacy-secret -- goes with the next release

    -o json gives an object of apiVersion sidecert.dev/v1alpha1 and kind DoctorReport; docs/rules.md has all rules.

    Exit codes: 0 nothing as bad as --fail-on, 1 something is, 2 something given can't be used.""",
)
@files_argument
@version_options
@click.option("-o", "--format", "form", type=click.Choice(_FORMS), default="text", help="[default: text]")
@click.option("--select", **RULES_OPTION, help="Only these rules; globs are taken too.")
@click.option("--ignore", **RULES_OPTION, help="Not these rules.")
@click.option(
    "--fail-on",
    type=click.Choice(_THRESHOLDS),
    default="error",
    help="From which severity on to exit with 1.  [default: error]",
)
@click.option("--explain", metavar="RULE", shell_complete=_complete_rule, help="Print a rule's page, and stop.")
@click.option("-q", "--quiet", is_flag=True, help="Text: a line for each finding, nothing else.")
def doctor(
    files: tuple[str, ...],
    *,
    istio: tuple[int, ...] | None,
    kubernetes: tuple[int, ...] | None,
    chart: tuple[int, ...] | None,
    form: str,
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    fail_on: str,
    explain: str | None,
    quiet: bool,
) -> int:
    """Say what keeps a Prometheus from scraping Istio workloads over mutual TLS, and how to fix it.

    FILE is any manifest: YAML of several documents, lists, JSON, what kubectl or helm prints; values of
    kube-prometheus-stack or of the prometheus chart. A kustomization folder is built. Give all that belongs together:
    what isn't given can't be judged.
    """
    if explain is not None:
        if files:
            raise click.UsageError("--explain takes no files")
        from generator.doctor.pages import explained

        sys.stdout.writelines(f"{line}\n" for line in explained(_named(explain), width(), styled))
        return 0
    if quiet and form != "text":
        raise click.UsageError(f"-q is for text, not for {form}")
    rules = chosen_rules(select, ignore)
    intake = read_files(files)
    from generator.doctor import examine_all
    from generator.doctor.report import Report
    from generator.monitoring import assemble
    from generator.monitoring.worlds import worlds

    settings = settings_of(istio, kubernetes, chart)
    setups = tuple(assemble(*world, settings) for world in worlds(intake.manifests, intake.values))
    diagnosis = examine_all(setups, [rule.id for rule in rules])
    report = Report(diagnosis, setups, tuple(rules), (*intake.unrendered, *intake.left_out))
    sys.stdout.writelines(f"{line}\n" for line in _lines(report, form, fail_on, quiet=quiet))
    return 1 if report.fails(fail_on) else 0


def _lines(report: Report, form: str, fail_on: str, *, quiet: bool) -> Iterable[str]:
    if form == "json":
        from generator.doctor.report import as_data

        return [ascii_json(as_data(report))]
    if form == "sarif":
        from generator.doctor.sarif import as_sarif

        return [ascii_json(as_sarif(report))]
    if form == "github":
        from generator.doctor.github import github_lines

        return github_lines(report)
    if form == "junit":
        from generator.doctor.junit import junit_lines

        return junit_lines(report, fail_on)
    from generator.doctor.text import short_lines, text_lines

    return short_lines(report) if quiet else text_lines(report, width(), styled)


# ----------------------------------------------------------------------------------------------------------- rules


def _rules() -> list[Rule]:
    from generator.doctor.pages import ordered_rules

    return ordered_rules()


def chosen_rules(select: tuple[str, ...], ignore: tuple[str, ...]) -> list[Rule]:
    """Give the rules to ask, in the order in which to fix what they find."""
    rules = _rules()
    ids = [rule.id for rule in rules]
    wanted = _matching(select, ids, "--select") if select else set(ids)
    wanted -= _matching(ignore, ids, "--ignore")
    if not wanted:
        raise click.UsageError("--select and --ignore leave no rule")
    return [rule for rule in rules if rule.id in wanted]


def _matching(patterns: tuple[str, ...], ids: list[str], option: str) -> set[str]:
    from fnmatch import fnmatchcase

    found: set[str] = set()
    for pattern in [part.strip() for text in patterns for part in text.split(",") if part.strip()]:
        matching = {name for name in ids if fnmatchcase(name, pattern)}
        if not matching:
            raise _unknown(pattern, ids, option)
        found |= matching
    return found


def _named(name: str) -> Rule:
    rules = _rules()
    for rule in rules:
        if rule.id == name:
            return rule
    raise _unknown(name, [rule.id for rule in rules], "--explain")


def _unknown(name: str, ids: list[str], option: str) -> click.UsageError:
    from generator.files import nearest

    hint = nearest(name.lower(), ids)
    return click.BadParameter(f"there is no rule `{name}`{f': {hint}' if hint else ''}", param_hint=f"'{option}'")
