"""Manifests out of a text, judged by all rules."""

from __future__ import annotations

from typing import Any

from generator.doctor import Diagnosis, Finding, examine
from generator.intake.document import documents_of
from generator.monitoring import Edit, Settings, Setup, assemble
from generator.yaml import block
from tests.edits import edited_trees


def setup_of(text: str, **settings: Any) -> Setup:
    return assemble(documents_of(text, "test.yaml"), (), Settings(**settings))


def diagnosis(text: str, **settings: Any) -> Diagnosis:
    return examine(setup_of(text, **settings))


def diagnose(text: str, **settings: Any) -> list[Finding]:
    """All findings; ``settings`` are fields of `Settings`."""
    return list(diagnosis(text, **settings).findings)


def ids(text: str, *, worse_than_info: bool = False, **settings: Any) -> list[str]:
    """The rules that find something, in order, each as often as it does."""
    found = diagnose(text, **settings)
    return [finding.rule.id for finding in found if not (worse_than_info and finding.severity == "info")]


def only(text: str, rule: str, **settings: Any) -> Finding:
    """The one finding of a rule."""
    found = [finding for finding in diagnose(text, **settings) if finding.rule.id == rule]
    assert len(found) == 1, [(finding.rule.id, finding.found) for finding in diagnose(text, **settings)]
    return found[0]


def edited(text: str, edits: tuple[Edit, ...]) -> str:
    """The text after edits, every document printed anew; no edit may be of a part of a List."""
    trees: dict[int, Any] = {}
    for document, tree in edited_trees(edits):
        assert document.text == text, "the edits are of another text"
        assert not document.path, "a part of a List"
        trees[document.index] = tree
    printed = (trees.get(one.index, one.tree) for one in documents_of(text, "test.yaml"))
    return "---\n".join(block(tree, sort_keys=False) + "\n" for tree in printed)


def repaired(text: str, finding: Finding) -> str:
    """The text with the edits of a finding made; the finding must be of this text."""
    assert finding.fix is not None
    assert finding.fix.edits, f"{finding.rule.id} has no edits"
    return edited(text, finding.fix.edits)
