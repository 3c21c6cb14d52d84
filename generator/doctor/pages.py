"""The pages of rules: for ``--explain``, and for docs/rules.md, which ``python -m generator.doctor.pages`` prints."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from typing import Literal, NamedTuple

from generator.doctor.examining import examine
from generator.doctor.report import repairs
from generator.doctor.rule import RULES, SEVERITIES, STAGES, Finding, Rule
from generator.doctor.text import Style, unstyled
from generator.doctor.words import paragraphs, plain, wrapped
from generator.intake.document import documents_of
from generator.monitoring import Settings, assemble

_NAME = "manifests.yaml"
#: How many lines above and below what was found an excerpt has.
_AROUND = 3
_WIDTH = 120


class Block(NamedTuple):
    """A part of a page."""

    kind: Literal["title", "text", "item", "yaml", "label"]
    text: str


def ordered_rules() -> list[Rule]:
    """Give all rules, in the order in which to fix what they find."""
    import generator.doctor.rules  # noqa: F401  # registers them

    stages = list(STAGES)
    return sorted(RULES.values(), key=lambda rule: (stages.index(rule.stage), SEVERITIES.index(rule.severity), rule.id))


def example_findings(rule: Rule) -> list[Finding]:
    """Find in the example of a rule what the rule finds there, with the versions that its first comments name."""
    given = {
        name: tuple(int(part) for part in version.split("."))
        for name, version in re.findall(r"^# (istio|kubernetes) ([\d.]+)$", rule.wrong, re.MULTILINE)
    }
    settings = Settings(
        istio=given.get("istio", Settings().istio),
        kubernetes=given.get("kubernetes", Settings().kubernetes),
        istio_given="istio" in given,
        kubernetes_given="kubernetes" in given,
    )
    documents = documents_of(rule.wrong, _NAME)
    values = [one for one in documents if not one.kind and "scrape_configs" not in one.tree]
    setup = assemble([one for one in documents if one not in values], values, settings)
    return list(examine(setup, [rule.id]).findings)


def page(rule: Rule) -> Iterator[Block]:
    """Give the page of a rule, but for its heading."""
    since = f" Since {rule.since}." if rule.since else ""
    yield Block("title", rule.title)
    yield Block("text", f"Severity: {rule.severity}. Stage: {STAGES[rule.stage]}.{since}")
    for part in paragraphs(rule.why):
        yield Block("item" if part[:2] in {"- ", "* "} else "text", part)
    found = example_findings(rule)
    if found:
        yield Block("label", "What it looks like:")
        yield Block("yaml", excerpt(rule.wrong, found[0].location.line))
        yield Block("text", f"Doctor finds: {found[0].found}{_stop(found[0].found)}")
    for repair in repairs(found):
        yield Block("label", f"To fix it, {repair.says}{':' if repair.yaml else '.'}")
        if repair.yaml:
            yield Block("yaml", repair.yaml)
    yield Block("text", f"To silence it: `# sidecert: ignore {rule.id}` on the line, or alone on the line above.")
    yield Block("text", f"Sources: {'; '.join(rule.sources)}.")


def excerpt(text: str, line: int) -> str:
    """Cut out some lines around one, and those above that say whose part they are; ``...`` stands for the others."""
    lines = text.rstrip("\n").split("\n")
    first = max((number for number in range(line) if lines[number] == "---"), default=-1) + 1
    last = next((number for number in range(line, len(lines)) if lines[number] == "---"), len(lines))
    kept = {number for number in range(line - 1 - _AROUND, line + _AROUND) if first <= number < last}
    depth = _depth(lines[min(kept)])
    for number in range(min(kept) - 1, first - 1, -1):
        if _depth(lines[number]) < depth:
            kept.add(number)
            depth = _depth(lines[number])
    kept |= {number for number in range(first, last) if re.match(r"(kind|# istio|# kubernetes)\b", lines[number])}
    kept |= {number for number in range(first, last) if number - 1 in kept and number + 1 in kept}
    return "\n".join(_with_gaps(lines, sorted(kept), first))


def _depth(line: str) -> int:
    """How far in a line's key stands, a dash counted as one more column."""
    stripped = line.lstrip(" ")
    return 2 * (len(line) - len(stripped)) + stripped.startswith("- ")


def _with_gaps(lines: list[str], kept: list[int], first: int) -> Iterator[str]:
    before = first - 1
    for number in kept:
        if number > before + 1 and before >= first:
            yield f"{' ' * (len(lines[number]) - len(lines[number].lstrip(' ')))}# ..."
        yield lines[number]
        before = number


# ------------------------------------------------------------------------------------------------------- --explain


def explained(rule: Rule, width: int = 100, style: Style = unstyled) -> Iterator[str]:
    """Give a rule's page for a terminal."""
    yield style(rule.id, rule.severity)
    for kind, text in page(rule):
        if kind == "yaml":
            yield from (f"    {plain(line)}".rstrip() for line in text.split("\n"))
        else:
            lines = wrapped(text, width, "", "  " if kind == "item" else "")
            yield from (style(line, "heading") for line in lines) if kind == "title" else lines
        yield ""


# --------------------------------------------------------------------------------------------------- docs/rules.md

_INTRODUCTION = """\
# What doctor finds

`sidecert doctor` reads manifests and says what keeps a Prometheus from scraping Istio workloads over mutual TLS. Its
rules, in the order in which to fix what they find; what comes later can't work before what comes earlier does.

- An *error* means that metrics are lost, that a pod isn't admitted, or that certificates expire.
- A *warning* is a real risk or cost.
- An *info* is worth knowing, or depends on what the files don't say.

`sidecert doctor --explain RULE` prints one of these pages. This file is made from the rules themselves:
`python -m generator.doctor.pages > docs/rules.md`."""


def document() -> str:
    """Give docs/rules.md."""
    rules = ordered_rules()
    parts = [_INTRODUCTION, *_index(rules)]
    for rule in rules:
        parts.append(f"## {rule.id}")
        parts += [_markdown(block) for block in page(rule)]
    return "\n\n".join(parts) + "\n"


def _index(rules: list[Rule]) -> Iterator[str]:
    for stage, title in STAGES.items():
        rows = [
            f"| [{rule.id}](#{rule.id}) | {rule.severity} | {rule.title} |" for rule in rules if rule.stage == stage
        ]
        if rows:
            yield f"**{title}**"
            yield "\n".join(["| rule | severity | what goes wrong |", "|---|---|---|", *rows])


def _markdown(block: Block) -> str:
    if block.kind == "yaml":
        return f"```yaml\n{block.text}\n```"
    if block.kind == "title":
        return f"**{block.text}**"
    return "\n".join(wrapped(block.text, _WIDTH, "", "  " if block.kind == "item" else ""))


def _stop(text: str) -> str:
    """The full stop that a sentence still needs."""
    return "" if text.endswith(("?", "!", ".")) else "."


if __name__ == "__main__":
    sys.stdout.write(document())
