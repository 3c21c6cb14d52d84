"""A report as JUnit's XML, which every CI shows as tests: a suite for each file, a case for each rule."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from generator.doctor.report import Report, file_name, is_as_bad
from generator.doctor.rule import Finding, Rule
from generator.doctor.words import plain
from generator.errors import Problem

_UNREAD = "sidecert can judge it"


def junit_lines(report: Report, fail_on: str) -> Iterator[str]:
    """Give the lines of a document; a finding as bad as ``fail_on`` is a failure, another one output of its case."""
    found: dict[str, dict[str, list[Finding]]] = {name: {} for name in report.files()}
    for finding in report.findings:
        found[finding.location.file].setdefault(finding.rule.id, []).append(finding)
    problems: dict[str, list[Problem]] = {}
    for problem in dict.fromkeys((*report.diagnosis.unjudged, *report.unread)):
        problems.setdefault(problem.location.file if problem.location else "", []).append(problem)
    names = list(dict.fromkeys((*found, *problems)))
    suites = [_Suite(name, found.get(name), problems.get(name, []), report.rules, fail_on) for name in names]
    yield '<?xml version="1.0" encoding="UTF-8"?>'
    numbers = _numbers(sum(one.tests for one in suites), sum(one.failures for one in suites))
    yield f'<testsuites name="sidecert doctor" {numbers}>'
    for suite in suites:
        yield from suite.lines()
    yield "</testsuites>"


def _numbers(tests: int, failures: int) -> str:
    return f'tests="{tests}" failures="{failures}" errors="0"'


class _Suite:
    """What was found in one file; ``found`` is None for a file that wasn't judged at all."""

    def __init__(
        self,
        name: str,
        found: dict[str, list[Finding]] | None,
        problems: Sequence[Problem],
        rules: Sequence[Rule],
        fail_on: str,
    ) -> None:
        self._name = file_name(name)
        self._found = found or {}
        self._rules = rules if found is not None else ()
        self._problems = problems
        self._fail_on = fail_on
        self.tests = len(self._rules) + len(problems)
        self.failures = sum(any(is_as_bad(one, fail_on) for one in listed) for listed in self._found.values())

    def lines(self) -> Iterator[str]:
        skipped = f' skipped="{len(self._problems)}"'
        yield f'  <testsuite name="{escaped(self._name)}" {_numbers(self.tests, self.failures)}{skipped}>'
        for rule in self._rules:
            yield from self._case(rule, self._found.get(rule.id, []))
        for problem in self._problems:
            hint = f" ({problem.hint})" if problem.hint else ""
            yield f"    {self._opening(_UNREAD, problem.location.line if problem.location else 0)}>"
            yield f'      <skipped message="{escaped(problem.message + hint)}"/>'
            yield "    </testcase>"
        yield "  </testsuite>"

    def _opening(self, name: str, line: int) -> str:
        place = f' file="{escaped(self._name)}"' + (f' line="{line}"' if line else "")
        return f'<testcase classname="{escaped(self._name)}" name="{escaped(name)}"{place}'

    def _case(self, rule: Rule, findings: Sequence[Finding]) -> Iterator[str]:
        opening = self._opening(f"{rule.id}: {rule.title}", findings[0].location.line if findings else 0)
        if not findings:
            yield f"    {opening}/>"
            return
        bad = [one for one in findings if is_as_bad(one, self._fail_on)]
        mild = [one for one in findings if one not in bad]
        yield f"    {opening}>"
        if bad:
            message = escaped("; ".join(one.found for one in bad))
            yield f'      <failure type="{bad[0].severity}" message="{message}">{_told(bad)}</failure>'
        if mild:
            yield f"      <system-out>{_told(mild)}</system-out>"
        yield "    </testcase>"


def _told(findings: Sequence[Finding]) -> str:
    lines: list[str] = []
    for one in findings:
        lines.append(f"{file_name(str(one.location))}: {one.severity}: {one.found}")
        if one.fix:
            lines.append(f"fix: {one.fix.says}")
            lines += [f"    {line}" for line in one.fix.text.split("\n")] if one.fix.text else []
    return "\n".join(escaped(line) for line in (*lines, findings[0].rule.link))


def escaped(text: str) -> str:
    """Spell a text in XML, on one line; XML 1.0 has no control characters at all."""
    for letter, name in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;")):
        text = text.replace(letter, name)
    return plain(text)
