"""A report as SARIF 2.1.0 (OASIS), which GitHub, GitLab, Azure DevOps and editors read."""

from __future__ import annotations

import os
from typing import Any

from generator import __version__
from generator.doctor.report import Report, file_name, fingerprints, is_fixable, resource_of
from generator.doctor.rule import STAGES, Finding, Rule, Severity
from generator.errors import Location, Problem

_LEVELS: dict[Severity, str] = {"error": "error", "warning": "warning", "info": "note"}
#: GitHub's own words for a rule's severity.
_GITHUB: dict[Severity, str] = {"error": "error", "warning": "warning", "info": "recommendation"}
_STDIN = "<stdin>"


def as_sarif(report: Report) -> dict[str, Any]:
    """Give a report as a SARIF log of one run; columns are counted in code points."""
    positions = {rule.id: number for number, rule in enumerate(report.rules)}
    results = [
        _result(finding, positions[finding.rule.id], key)
        for finding, key in zip(report.findings, fingerprints(report.findings), strict=True)
    ]
    driver = {
        "name": "sidecert doctor",
        "version": __version__,
        "semanticVersion": __version__,
        "rules": [_rule(rule) for rule in report.rules],
    }
    notes = [_notification(problem) for problem in (*report.diagnosis.unjudged, *report.unread)]
    run = {
        "tool": {"driver": driver},
        "invocations": [{"executionSuccessful": True, "toolExecutionNotifications": notes}],
        "columnKind": "unicodeCodePoints",
        "results": results,
    }
    return {"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": [run]}


def _rule(rule: Rule) -> dict[str, Any]:
    since = f"\n\nSince: {rule.since}." if rule.since else ""
    text = " ".join(rule.why.split())
    return {
        "id": rule.id,
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": text},
        "help": {
            "text": f"{text}{since}\n\nsidecert doctor --explain {rule.id}",
            "markdown": f"{rule.why}{since}\n\n`sidecert doctor --explain {rule.id}`, {rule.link}",
        },
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
        "properties": {"problem.severity": _GITHUB[rule.severity], "tags": [STAGES[rule.stage]], "link": rule.link},
    }


def _result(finding: Finding, position: int, fingerprint: str) -> dict[str, Any]:
    fix = finding.fix
    text = f"{finding.rule.title}: {finding.found}{'' if finding.found.endswith('?') else '.'}"
    markdown = text
    if fix:
        text += f" Fix: {fix.says}{'' if fix.says.endswith(('.', '?')) else '.'}"
        markdown = f"{text}\n\n```yaml\n{fix.text}\n```" if fix.text else text
    location: dict[str, Any] = {"physicalLocation": _physical(finding.location)}
    if resource := resource_of(finding):
        location["logicalLocations"] = [{"fullyQualifiedName": resource, "kind": "resource"}]
    return {
        "ruleId": finding.rule.id,
        "ruleIndex": position,
        "level": _LEVELS[finding.severity],
        "message": {"text": text, "markdown": markdown},
        "locations": [location],
        "partialFingerprints": {"sidecertFinding/v1": fingerprint},
        "properties": {"fixable": is_fixable(finding), **({"fix": fix.text} if fix and fix.text else {})},
    }


def _notification(problem: Problem) -> dict[str, Any]:
    hint = f" ({problem.hint})" if problem.hint else ""
    found: dict[str, Any] = {"level": "note", "message": {"text": f"{problem.message}{hint}"}}
    if problem.location:
        found["locations"] = [{"physicalLocation": _physical(problem.location)}]
    return found


def _physical(place: Location) -> dict[str, Any]:
    found: dict[str, Any] = {"artifactLocation": {"uri": _uri(place.file)}}
    if place.line:
        found["region"] = {"startLine": place.line, **({"startColumn": place.column} if place.column else {})}
    return found


def _uri(name: str) -> str:
    """Give a file's name as a URI reference: relative as the user gave it, or with the scheme ``file``."""
    from urllib.parse import quote

    if name == _STDIN:
        return "stdin"
    path = quote(file_name(name).replace(os.sep, "/"))
    return f"file://{path}" if path.startswith("/") else path
