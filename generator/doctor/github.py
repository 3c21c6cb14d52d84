"""A report as GitHub's workflow commands: annotations beside the lines of a pull request."""

from __future__ import annotations

from collections.abc import Iterator

from generator.doctor.report import Report, file_name, resource_of
from generator.doctor.rule import Finding, Severity
from generator.doctor.words import first_sentences, plain
from generator.errors import Location, Problem

_COMMANDS: dict[Severity, str] = {"error": "error", "warning": "warning", "info": "notice"}


def github_lines(report: Report) -> Iterator[str]:
    """Give a command for each finding, and a notice for each thing that couldn't be judged."""
    for finding in report.findings:
        title = f"{finding.rule.title} [{finding.rule.id}]"
        yield _command(_COMMANDS[finding.severity], finding.location, title, _message(finding))
    for problem in dict.fromkeys((*report.diagnosis.unjudged, *report.unread)):
        yield _command("notice", problem.location, "sidecert doctor can't judge this", _told(problem))


def _message(finding: Finding) -> str:
    lines = [f"{resource}: {finding.found}" if (resource := resource_of(finding)) else finding.found]
    lines.append(first_sentences(finding.rule.why))
    if finding.fix:
        lines.append(f"Fix: {finding.fix.says}")
        lines += finding.fix.text.split("\n") if finding.fix.text else []
    return "\n".join(plain(line) for line in lines)


def _told(problem: Problem) -> str:
    return "\n".join(plain(part) for part in (problem.message, problem.hint) if part)


def _command(name: str, place: Location | None, title: str, message: str) -> str:
    values = {"file": file_name(place.file), "line": place.line, "col": place.column} if place else {}
    values["title"] = title
    listed = ",".join(f"{key}={_property(str(value))}" for key, value in values.items() if value)
    return f"::{name} {listed}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(plain(text)).replace(":", "%3A").replace(",", "%2C")
