"""What doctor has to tell, before it takes a form: findings of a kind together, numbers, data for programs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from generator.doctor.examining import Diagnosis
from generator.doctor.rule import SEVERITIES, Finding, Rule, Severity
from generator.doctor.words import counted
from generator.errors import Problem, ValuePath, dotted
from generator.intake.document import Document
from generator.intake.kustomization.built import BuiltDocument
from generator.monitoring import Edit, Setup
from generator.monitoring.edits import snippet
from generator.monitoring.versions import spelled

API_VERSION: Final = "sidecert.dev/v1alpha1"


class Report(NamedTuple):
    """A diagnosis, what it is of, and what was left out: ``unread`` tells of files that weren't looked into.

    ``setups`` are those of the clusters that the files are for; there is at least one. ``rules`` are those that were
    asked, in the order in which to fix what they find.
    """

    diagnosis: Diagnosis
    setups: tuple[Setup, ...]
    rules: tuple[Rule, ...]
    unread: tuple[Problem, ...] = ()

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All findings, in the order in which to fix them."""
        return self.diagnosis.findings

    def files(self) -> list[str]:
        """The files that were judged, as the user names them, in the order in which they were read."""
        documents = (*self.documents(), *self.values())
        return list(dict.fromkeys([one.source for one in documents] + [one.location.file for one in self.findings]))

    def documents(self) -> list[Document]:
        """The Kubernetes objects that were judged."""
        return list({_key(one): one for setup in self.setups for one in setup.documents}.values())

    def values(self) -> list[Document]:
        """The values files that were judged."""
        return list({id(one): one for setup in self.setups for one in setup.values}.values())

    def scrapers(self) -> int:
        """How many programs that scrape there are."""
        return len({(*_key(one.document), one.name, one.resource) for setup in self.setups for one in setup.scrapers})

    def number(self, severity: Severity) -> int:
        """How many findings are of a severity."""
        return sum(finding.severity == severity for finding in self.findings)

    def fixable(self) -> int:
        """How many findings come with edits."""
        return sum(is_fixable(finding) for finding in self.findings)

    def fails(self, severity: str) -> bool:
        """Whether something as bad as ``severity`` was found, or worse; ``never`` is never reached."""
        return any(is_as_bad(finding, severity) for finding in self.findings)


def _key(document: Document) -> tuple[object, ...]:
    """Tell documents apart where several setups have them: what charts' values install is read in each anew."""
    return (
        (id(document),) if isinstance(document, BuiltDocument) else (id(document.shared), document.index, document.path)
    )


class Group(NamedTuple):
    """Findings of one rule and one severity."""

    rule: Rule
    severity: Severity
    findings: tuple[Finding, ...]


def groups(findings: Iterable[Finding]) -> list[Group]:
    """Put findings of a kind together, in the order of the first of each kind."""
    found: dict[tuple[str, Severity], list[Finding]] = {}
    for finding in findings:
        found.setdefault((finding.rule.id, finding.severity), []).append(finding)
    return [Group(listed[0].rule, severity, tuple(listed)) for (_, severity), listed in found.items()]


def is_as_bad(finding: Finding, severity: str) -> bool:
    """Say whether a finding is of a severity, or of a worse one; nothing is as bad as ``never``."""
    return severity in SEVERITIES and SEVERITIES.index(finding.severity) <= SEVERITIES.index(severity)


def is_fixable(finding: Finding) -> bool:
    """Say whether ``sidecert migrate`` fixes it: an info may be as it is on purpose, and is left alone."""
    return finding.severity != "info" and finding.fix is not None and bool(finding.fix.edits)


def resource_of(finding: Finding) -> str:
    """Name the resource concerned; "" where there is none but the file, as with charts' values."""
    return "" if finding.resource == finding.location.file else finding.resource


class Repair(NamedTuple):
    """What to do about some findings: words, and YAML, "" where words have to do."""

    says: str
    yaml: str


def repairs(findings: Sequence[Finding]) -> list[Repair]:
    """Say how to fix findings of a kind: what is to be done in several places is said once, its YAML put together."""
    edits: dict[str, list[Edit]] = {}
    texts: dict[str, list[str]] = {}
    for fix in [finding.fix for finding in findings if finding.fix is not None]:
        changes, shown = edits.setdefault(fix.says, []), texts.setdefault(fix.says, [])
        if fix.yaml:
            shown += [fix.yaml.rstrip("\n")] if fix.yaml.rstrip("\n") not in shown else []
        else:
            changes += [edit for edit in fix.edits if edit not in changes]
    return [
        Repair(says, "\n---\n".join(([snippet(edits[says])] if edits[says] else []) + shown))
        for says, shown in texts.items()
    ]


# ------------------------------------------------------------------------------------------------------- sentences


def summary(report: Report) -> list[str]:
    """Tell in a line what was found in how much, and in others what was silenced and what can be fixed by itself."""
    read = counted(len(report.files()), "file")
    numbers = ((len(report.documents()), "object"), (len(report.values()), "values file"))
    objects = [counted(number, noun) for number, noun in numbers if number]
    scrapers = report.scrapers()
    objects.append(counted(scrapers, "Prometheus") if scrapers else "no Prometheus")
    where = f"in {read} ({', '.join(objects)})"
    found = [counted(report.number(one), one) for one in SEVERITIES if report.number(one)]
    lines = [f"{', '.join(found)} {where}" if found else f"Nothing wrong found {where}"]
    if report.diagnosis.silenced:
        lines.append(f"Silenced by comments in the files: {report.diagnosis.silenced}")
    if report.fixable():
        lines.append(f"Fixed by `sidecert migrate`: {report.fixable()}")
    return lines


# ------------------------------------------------------------------------------------------------ data for programs


def as_data(report: Report) -> dict[str, Any]:
    """Give a report as a tree of plain values, whose keys keep their meaning within an ``apiVersion``."""
    settings = report.setups[0].settings
    return {
        "apiVersion": API_VERSION,
        "kind": "DoctorReport",
        "settings": {
            "istioVersion": spelled(settings.istio),
            "kubernetesVersion": spelled(settings.kubernetes),
            "chartVersion": spelled(settings.chart) if settings.chart else None,
        },
        "summary": {
            "files": len(report.files()),
            "objects": len(report.documents()),
            "valuesFiles": len(report.values()),
            "prometheuses": report.scrapers(),
            "errors": report.number("error"),
            "warnings": report.number("warning"),
            "infos": report.number("info"),
            "silenced": report.diagnosis.silenced,
            "fixable": report.fixable(),
        },
        "findings": [
            _finding_data(finding, key)
            for finding, key in zip(report.findings, fingerprints(report.findings), strict=True)
        ],
        "unjudged": [_problem_data(problem) for problem in report.diagnosis.unjudged],
        "unread": [_problem_data(problem) for problem in report.unread],
    }


def _finding_data(finding: Finding, fingerprint: str) -> dict[str, Any]:
    place, fix, rule = finding.location, finding.fix, finding.rule
    return {
        "rule": rule.id,
        "severity": finding.severity,
        "stage": rule.stage,
        "title": rule.title,
        "location": {"file": file_name(place.file), "line": place.line, "column": place.column},
        "resource": resource_of(finding),
        "path": dotted(whole_path(finding)),
        "found": finding.found,
        "why": rule.why,
        "since": rule.since,
        "fix": {"says": fix.says, "yaml": fix.text} if fix else None,
        "fixable": is_fixable(finding),
        "link": rule.link,
        "fingerprint": fingerprint,
    }


def _problem_data(problem: Problem) -> dict[str, Any]:
    place = problem.location
    return {
        "message": problem.message,
        "location": {"file": file_name(place.file), "line": place.line, "column": place.column} if place else None,
        "hint": problem.hint,
    }


def file_name(name: str) -> str:
    """Give a file's name as text that can be encoded: a name's bytes needn't be UTF-8."""
    return os.fsencode(name).decode("utf-8", "replace")


def whole_path(finding: Finding) -> ValuePath:
    """Give a finding's path from the outermost document on: through the strings that hold YAML."""
    document, path = finding.document, finding.path
    while document.outer is not None:
        document, outer = document.outer
        path = (*outer, *path)
    return path


def fingerprints(findings: Sequence[Finding]) -> list[str]:
    """Give each finding a name that lines added above it don't change: items of lists count by their names."""
    from hashlib import sha256

    seen: dict[str, int] = {}
    names: list[str] = []
    for finding in findings:
        told = "\0".join(
            (finding.rule.id, file_name(finding.location.file), finding.resource, _named_path(finding), finding.found)
        )
        number = seen[told] = seen.get(told, 0) + 1
        names.append(sha256(f"{told}\0{number}".encode("utf-8", "replace")).hexdigest()[:32])
    return names


def _named_path(finding: Finding) -> str:
    parts: list[str] = []
    for number, part in enumerate(finding.path):
        item = finding.document.get(*finding.path[: number + 1])
        names = [item.get(key) for key in ("name", "job_name", "mountPath")] if isinstance(item, dict) else []
        named = next((name for name in names if isinstance(name, str)), None)
        parts.append(named if isinstance(part, int) and named is not None else str(part))
    return "/".join(parts)
