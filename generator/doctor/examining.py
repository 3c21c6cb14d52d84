"""All rules over a setup."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from generator.doctor.rule import RULES, SEVERITIES, STAGES, Finding, Fix, Found, Severity
from generator.doctor.silence import silenced
from generator.errors import Problem
from generator.monitoring import Edit, Setup
from generator.monitoring.charts import chart_of
from generator.monitoring.edits import APPEND
from generator.monitoring.owners import controller_of


class Diagnosis(NamedTuple):
    """What was found, in the order in which to fix it, and what couldn't be judged."""

    findings: tuple[Finding, ...]
    #: Each with its place and the reason, and what to do to have it judged.
    unjudged: tuple[Problem, ...]
    #: How many findings comments in the files silence.
    silenced: int

    def worst(self) -> Severity | None:
        """The worst severity of all; None where nothing was found."""
        found = {finding.severity for finding in self.findings}
        return next((severity for severity in SEVERITIES if severity in found), None)


def examine(setup: Setup, rules: Iterable[str] | None = None) -> Diagnosis:
    """Ask rules (all by default) about a setup.

    Findings come in the order of `STAGES`, errors first in each, then by file and line.
    """
    import generator.doctor.rules  # noqa: F401  # registers them
    from generator.doctor.unjudged import unjudged

    chosen = RULES.values() if rules is None else [RULES[name] for name in rules]
    findings: dict[tuple[str, int, tuple[object, ...], str], Finding] = {}
    quiet = 0
    for rule in chosen:
        for found in rule.check(setup):
            finding = Finding(
                rule,
                found.document,
                found.path,
                found.found,
                _fix(setup, found.fix),
                found.severity or rule.severity,
                _resource(found),
            )
            key = (rule.id, id(found.document), found.path, found.found)
            if key in findings:
                continue
            if silenced(finding):
                quiet += 1
            else:
                findings[key] = finding
    ordered = sorted(findings.values(), key=_order)
    return Diagnosis(tuple(ordered), (*setup.notes, *unjudged(setup)), quiet)


def examine_all(setups: Sequence[Setup], rules: Sequence[str] | None = None) -> Diagnosis:
    """Ask rules about several setups, which may have documents in common; what is found twice is told once."""
    return united([examine(setup, rules) for setup in setups])


def united(diagnoses: Sequence[Diagnosis]) -> Diagnosis:
    """Put the diagnoses of several setups together, of which there is at least one."""
    if len(diagnoses) == 1:
        return diagnoses[0]
    # By place, not by document: what charts' values install is read anew in each setup.
    findings = {(one.rule.id, one.location, one.path, one.found): one for each in diagnoses for one in each.findings}
    unjudged = dict.fromkeys(problem for each in diagnoses for problem in each.unjudged)
    ordered = sorted(findings.values(), key=_order)
    return Diagnosis(tuple(ordered), tuple(unjudged), sum(each.silenced for each in diagnoses))


def _fix(setup: Setup, fix: Fix | None) -> Fix | None:
    """Give a fix; without its edits where they would be undone, or would take away what isn't seen here.

    That is where something makes the object that they change, and where they would begin a list in values that are
    laid over others: Helm replaces lists.
    """
    if fix is None:
        return None
    for edit in fix.edits:
        if owner := controller_of(edit.document.outermost):
            return Fix(f"{fix.says}, in {owner}, which makes this object")
        if (name := _new_list(edit)) and setup.referred.is_part(edit.document):
            return Fix(f"{fix.says}; the list {name} of the other values would be lost: write it whole", yaml=fix.text)
    return fix


def _new_list(edit: Edit) -> str:
    """Give the name of the list that an edit begins; "" where it begins none."""
    for count, part in enumerate(edit.path):
        if isinstance(part, int) or part == APPEND:
            above = edit.path[:count]
            return "" if isinstance(edit.document.get(*above), list) else str(above[-1])
    begins = isinstance(edit.value, list) and not isinstance(edit.document.get(*edit.path), list)
    return str(edit.path[-1]) if begins else ""


def _resource(found: Found) -> str:
    """Name the object concerned: the one that a rule names, else that of the document, or which holds it in a string.

    Charts' values have no name of their own, and rules call them in several ways: here they have one.
    """
    document = found.document.outermost
    chart = "" if document.kind else chart_of(document)
    if chart and (found.resource in {"", str(document)} or " of the chart " in found.resource):
        return f"values of the chart {chart}"
    return found.resource or str(document)


_STAGES = list(STAGES)
_RANKS = {severity: rank for rank, severity in enumerate(SEVERITIES)}


def _order(finding: Finding) -> tuple[int, int, str, int, int, str]:
    place = finding.location
    stage = _STAGES.index(finding.rule.stage)
    return stage, _RANKS[finding.severity], place.file, place.line or 0, place.column or 0, finding.rule.id
