"""The findings of the rules on jobs, monitors, the operator and fields."""

from __future__ import annotations

from typing import Any

from generator.doctor import Finding
from tests.doctor.helpers import diagnose

MODULES = {"jobs", "http2", "merging", "doubles", "addresses", "modes", "monitors", "operators", "fields"}


def mine(text: str, **settings: Any) -> list[str]:
    """The rules among them that find something, in order, each as often as it does."""
    return [one.rule.id for one in diagnose(text, **settings) if is_mine(one)]


def is_mine(finding: Finding) -> bool:
    """Whether it is of one of these rules."""
    return finding.rule.check.__module__.rpartition(".")[2] in MODULES
