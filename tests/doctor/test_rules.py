"""Every rule: its example has its fault and no other error, and its fix mends it."""

from __future__ import annotations

import re

import pytest

import generator.doctor.rules  # noqa: F401  # registers them
from generator.doctor import RULES, Finding, Rule
from generator.doctor.rule import STAGES
from generator.doctor.rules import examples
from tests.doctor.helpers import diagnose, edited

GOOD = {name: text for name, text in vars(examples).items() if name.isupper()}
every_rule = pytest.mark.parametrize("rule", [pytest.param(rule, id=rule.id) for rule in RULES.values()])


def settings_of(rule: Rule) -> dict[str, object]:
    """What the example of a rule says of the versions that it is for, in comments at its beginning."""
    found: dict[str, object] = {}
    for name, version in re.findall(r"^# (istio|kubernetes) ([\d.]+)$", rule.wrong, re.MULTILINE):
        found[name] = tuple(int(part) for part in version.split("."))
        found[f"{name}_given"] = True
    return found


def errors(findings: list[Finding], *, but: str) -> list[str]:
    return [f"{one.rule.id}: {one.found}" for one in findings if one.severity == "error" and one.rule.id != but]


@pytest.mark.parametrize("name", sorted(GOOD))
def test_a_setup_without_fault_yields_nothing(name):
    assert [(finding.rule.id, finding.found) for finding in diagnose(GOOD[name])] == []


@every_rule
def test_the_example_of_a_rule_has_its_fault_and_no_other_error(rule):
    found = diagnose(rule.wrong, **settings_of(rule))
    assert rule.id in [finding.rule.id for finding in found]
    assert errors(found, but=rule.id) == []


@every_rule
def test_the_fix_of_a_rule_mends_its_example(rule):
    settings = settings_of(rule)
    text = rule.wrong
    mine = [finding for finding in diagnose(text, **settings) if finding.rule.id == rule.id]
    assert any(finding.fix is not None for finding in mine) or rule.severity == "info", "it doesn't say what to do"
    edits = tuple(edit for finding in mine if finding.fix is not None for edit in finding.fix.edits)
    if not edits:
        assert all(finding.fix is None or finding.fix.says for finding in mine)
        return
    after = diagnose(edited(text, edits), **settings)
    assert [finding.found for finding in after if finding.rule.id == rule.id] == []
    assert errors(after, but="") == []


@every_rule
def test_a_rule_says_what_its_page_needs(rule):
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", rule.id)
    assert rule.stage in STAGES
    assert rule.title
    assert not rule.title.endswith(".")
    assert len(rule.why) > 40
    assert rule.sources


@every_rule
def test_a_finding_names_a_line_of_the_example_and_no_full_stop(rule):
    for finding in diagnose(rule.wrong, **settings_of(rule)):
        assert 0 < finding.location.line <= rule.wrong.count("\n")
        assert not finding.found.endswith(".")
        assert finding.resource
