"""The pages of rules: docs/rules.md is what the rules say, and its links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from generator.doctor import RULES
from generator.doctor.pages import document, example_findings, excerpt, explained, ordered_rules
from generator.doctor.rule import STAGES
from generator.doctor.rules import examples

DOCS = Path(__file__).parent.parent.parent / "docs"


@pytest.fixture(scope="module")
def generated() -> str:
    return document()


def test_docs_rules_is_what_the_rules_say(generated):
    assert (DOCS / "rules.md").read_text() == generated, "run: python -m generator.doctor.pages > docs/rules.md"


def test_every_link_leads_to_a_heading(generated):
    headings = re.findall(r"^## (.*)$", generated, re.MULTILINE)
    linked = re.findall(r"\]\(#(.*?)\)", generated)
    assert headings == linked == [rule.id for rule in ordered_rules()]
    assert {rule.link for rule in RULES.values()} == {f"docs/rules.md#{heading}" for heading in headings}


def test_rules_come_in_the_order_in_which_to_fix_what_they_find():
    stages = list(STAGES)
    numbers = [stages.index(rule.stage) for rule in ordered_rules()]
    assert numbers == sorted(numbers)
    assert len(numbers) == len(RULES)


def test_every_page_shows_what_is_wrong(generated):
    pages = dict(re.findall(r"^## (\S+)\n(.*?)(?=^## |\Z)", generated, re.MULTILINE | re.DOTALL))
    for rule in ordered_rules():
        page = pages[rule.id]
        assert rule.title in page
        assert "```yaml\n" in page, rule.id
        assert f"`# sidecert: ignore {rule.id}`" in page
        assert re.search(r"^To fix it, ", page, re.MULTILINE) or rule.severity == "info", rule.id
        assert page.count("```") % 2 == 0


def test_every_rule_finds_something_in_its_example():
    assert [rule.id for rule in ordered_rules() if not example_findings(rule)] == []


@pytest.mark.parametrize("width", [60, 100])
def test_a_page_on_a_terminal_is_wrapped(width):
    for line in explained(RULES["legacy-secret"], width):
        assert len(line) <= width or line.startswith("    ")


class TestExcerpt:
    def test_has_the_lines_around_and_those_whose_part_they_are(self):
        line = 1 + examples.PLAIN.splitlines().index("        image: quay.io/prometheus/prometheus:v3.14.0")
        assert excerpt(examples.PLAIN, line) == (
            "kind: StatefulSet\n"
            "# ...\n"
            "spec:\n"
            "  # ...\n"
            "  template:\n"
            "    # ...\n"
            "    spec:\n"
            "      serviceAccountName: prometheus\n"
            "      containers:\n"
            "      - name: prometheus\n"
            "        image: quay.io/prometheus/prometheus:v3.14.0\n"
            "        args:\n"
            "        - --config.file=/etc/prometheus/prometheus.yml\n"
            "        volumeMounts:"
        )

    def test_stays_in_its_document(self):
        text = "kind: A\na: 1\n---\nkind: B\nb: 1\n---\nkind: C\n"
        assert excerpt(text, 5) == "kind: B\nb: 1"

    def test_fills_a_gap_of_one_line(self):
        text = "kind: A\nx: 1\na:\n  b: 1\n  c: 2\n  d: 3\n"
        assert excerpt(text, 6) == "kind: A\nx: 1\na:\n  b: 1\n  c: 2\n  d: 3"
