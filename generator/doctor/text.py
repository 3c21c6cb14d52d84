"""A report for people: findings by stage, each with its place, the reason and the repair."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from generator.doctor.report import Group, Repair, Report, groups, is_fixable, repairs, resource_of, summary
from generator.doctor.rule import STAGES, Finding
from generator.doctor.words import first_sentences, plain, wrapped
from generator.errors import Problem

#: Puts a style around a text: ``error``, ``warning``, ``info``, ``good``, ``heading``, ``faint``.
Style = Callable[[str, str], str]
#: How many places of one kind of finding are shown, and how many things that can't be judged.
PLACES: Final = 5
_PROBLEMS: Final = 10
_LABEL: Final = 8


def unstyled(text: str, _kind: str) -> str:
    """Give a text as it is, for what is no terminal."""
    return text


def text_lines(report: Report, width: int = 100, style: Style = unstyled) -> Iterator[str]:
    """Give the lines of a report; a wrapped line has at most ``width`` letters, YAML is never wrapped."""
    stage = ""
    shown: dict[str, int] = {}
    for number, group in enumerate(groups(report.findings), 1):
        if group.rule.stage != stage:
            stage = group.rule.stage
            yield style(STAGES[group.rule.stage], "heading")
            yield ""
        yield from _group_lines(number, group, shown, width, style)
        yield ""
    yield from _problem_lines("Can't be judged", report.diagnosis.unjudged, width, style)
    yield from _problem_lines("Not read", report.unread, width, style)
    first, *others = summary(report)
    kind = report.diagnosis.worst() or "good"
    yield from (style(line, kind) for line in wrapped(first, width))
    for line in others:
        yield from wrapped(line, width)


def short_lines(report: Report) -> Iterator[str]:
    """Give one line for each finding, as compilers do."""
    for finding in report.findings:
        yield plain(f"{finding.location}: {finding.severity}: {finding.found} [{finding.rule.id}]")


# -------------------------------------------------------------------------------------------------------- findings


def _group_lines(number: int, group: Group, shown: dict[str, int], width: int, style: Style) -> Iterator[str]:
    rule = group.rule
    start = f"{number}. {group.severity}: "
    head, *rest = wrapped(f"{rule.title} [{rule.id}]", width, start)
    yield style(start, group.severity) + style(head[len(start) :], "heading")
    yield from (style(line, "heading") for line in rest)
    indent = " " * (len(str(number)) + 2)
    places = group.findings[:PLACES]
    for finding in places:
        yield from _place_lines(finding, indent, width, style)
    if len(group.findings) > PLACES:
        yield from wrapped(f"and {len(group.findings) - PLACES} more: -q lists them all", width, indent)
    yield from _labelled("why", first_sentences(rule.why), indent, width)
    if rule.since:
        yield from _labelled("since", rule.since, indent, width)
    for repair in repairs(places):
        yield from _repair_lines(repair, number, shown, indent, width)
    if any(is_fixable(finding) for finding in group.findings) and len(group.findings) > PLACES:
        yield from _labelled("", "`sidecert migrate` fixes them all", indent, width)
    page = "page".ljust(_LABEL) + rule.link
    yield indent + style(page, "faint")


def _labelled(label: str, text: str, indent: str, width: int) -> list[str]:
    return wrapped(text, width, f"{indent}{label:<{_LABEL}}")


def _place_lines(finding: Finding, indent: str, width: int, style: Style) -> Iterator[str]:
    place = plain(str(finding.location))
    resource = plain(resource_of(finding))
    if resource and len(indent + place + resource) + 2 <= width:
        yield f"{indent}{style(place, 'place')}  {resource}"
    else:
        yield f"{indent}{style(place, 'place')}"
        yield from [f"{indent}{resource}"] if resource else []
    yield from (f"{indent}{line}" for line in quoted(finding, width - len(indent), style))
    yield from _labelled("found", finding.found, indent, width)


def _repair_lines(repair: Repair, number: int, shown: dict[str, int], indent: str, width: int) -> Iterator[str]:
    """Show a repair; the same one isn't shown a second time."""
    yield from _labelled("fix", repair.says, indent, width)
    if not repair.yaml:
        return
    inner = indent + " " * _LABEL
    if repair.yaml in shown:
        yield from wrapped(f"(the YAML is that of {shown[repair.yaml]})", width, inner)
        return
    shown[repair.yaml] = number
    for line in repair.yaml.split("\n"):
        yield f"{inner}  {plain(line)}".rstrip()


def quoted(finding: Finding, width: int, style: Style = unstyled) -> list[str]:
    """Quote the line at which something was found, with a mark below its column; nothing of a Secret."""
    place = finding.location
    if not place.line or finding.document.outermost.kind == "Secret":
        return []
    line = plain(finding.document.line(place.line, finding.path))
    if not line.strip():
        return []
    margin = f"  {place.line} | "
    column = max(place.column - 1, 0)
    room = max(width - len(margin), 20)
    if len(line) > room:  # minified JSON, say
        start = max(0, min(column - room // 3, len(line) - room + 3))
        line, column = ("..." if start else "") + line[start:], column - start + (3 if start else 0)
        line = line if len(line) <= room else f"{line[: room - 3]}..."
    mark = " " * _cells(line[:column]) + "^"
    return [
        f"{style(margin, 'faint')}{line.rstrip()}",
        style(f"{' ' * (len(margin) - 2)}| ", "faint") + style(mark, finding.severity),
    ]


def _cells(text: str) -> int:
    """How many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(letter) else 2 if east_asian_width(letter) in "WF" else 1 for letter in text)


# ------------------------------------------------------------------------------------------------- what isn't judged


def _problem_lines(heading: str, problems: Iterable[Problem], width: int, style: Style) -> Iterator[str]:
    listed = list(dict.fromkeys(problems))
    if not listed:
        return
    yield style(heading, "heading")
    yield ""
    for problem in listed[:_PROBLEMS]:
        place = f"{problem.location}: " if problem.location else ""
        yield from wrapped(f"{place}{problem.message}", width, "  ", "    ")
        if problem.hint:
            yield from wrapped(problem.hint, width, "    ")
    if len(listed) > _PROBLEMS:
        yield f"  and {len(listed) - _PROBLEMS} more: -o json tells all"
    yield ""
