"""Every rule's example, and random mixtures of them, after migration."""

from __future__ import annotations

import difflib
import json
from typing import NamedTuple

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import generator.doctor.rules  # noqa: F401  # registers them
from generator.doctor import RULES
from generator.doctor.rules.examples import CONFIGURATION, OPERATOR, WORKLOAD_AND_CONFIGURATION
from generator.doctor.rules.spoiling import MANUAL
from generator.errors import InputError
from generator.intake import read_texts
from generator.yaml import load_documents
from tests.doctor.test_rules import settings_of
from tests.migrate.law import check_law

RIGHT = (WORKLOAD_AND_CONFIGURATION, OPERATOR, f"{MANUAL}---\n{CONFIGURATION}")
# A part of an example that is longer than this is no spoiling of a right setup, but another one.
_LONGEST = 15


@pytest.mark.parametrize("rule", [pytest.param(rule, id=rule.id) for rule in RULES.values()])
def test_the_example_of_a_rule_comes_out_right(rule):
    check_law(rule.wrong, **settings_of(rule))


class Spoiling(NamedTuple):
    """Lines of a right setup, each with those next to it, and what an example has instead."""

    right: str
    wrong: str


def _spoilings(setup: str) -> list[list[Spoiling]]:
    found = []
    lines = setup.splitlines(keepends=True)
    for rule in RULES.values():
        wrong = rule.wrong.splitlines(keepends=True)
        matcher = difflib.SequenceMatcher(None, lines, wrong, autojunk=False)
        changes = [
            Spoiling(
                "".join(lines[max(first - 1, 0) : last + 1]),
                "".join([*lines[max(first - 1, 0) : first], *wrong[begin:end], *lines[last : last + 1]]),
            )
            for tag, first, last, begin, end in matcher.get_opcodes()
            if tag != "equal" and last - first <= _LONGEST
        ]
        if changes and matcher.ratio() > 0.3:
            found.append(changes)
    return found


SPOILINGS = {setup: _spoilings(setup) for setup in RIGHT}


@st.composite
def spoiled(draw: st.DrawFn) -> str:
    """A right setup with the faults of some rules."""
    setup = text = draw(st.sampled_from(RIGHT))
    for changes in draw(st.lists(st.sampled_from(SPOILINGS[setup]), min_size=1, max_size=5)):
        for change in changes:
            if text.count(change.right) == 1:
                text = text.replace(change.right, change.wrong)
    return text


@st.composite
def styled(draw: st.DrawFn) -> str:
    """The same with comments, other line ends, without an end, or as JSON."""
    text = draw(spoiled())
    form = draw(st.sampled_from(["yaml", "yaml", "crlf", "no end", "json"]))
    if form == "json":
        try:
            items = load_documents(text, "setup.yaml")
        except InputError:
            assume(False)  # noqa: FBT003
        indent: str | None = draw(st.sampled_from([None, "  ", "\t"]))
        return json.dumps({"apiVersion": "v1", "kind": "List", "items": items}, indent=indent)
    lines = []
    commented = draw(st.sets(st.integers(0, text.count("\n")), max_size=12))
    for number, line in enumerate(text.split("\n")):
        if number in commented and line.strip() and line != "---":
            lines.append(f"{' ' * (len(line) - len(line.lstrip()))}# note {number}")
            lines.append(line if line.endswith("|") else f"{line}  # tail {number}")
        else:
            lines.append(line)
    text = ("\r\n" if form == "crlf" else "\n").join(lines)
    return text.rstrip("\r\n") if form == "no end" else text


@given(styled())
@settings(max_examples=25)
def test_any_mixture_of_faults_comes_out_right(text):
    try:
        read_texts([(text, "setup.yaml", "")])
    except InputError:
        assume(False)  # noqa: FBT003  # two faults in one place
    check_law(text)
