"""The findings of the rules on jobs, monitors, the operator and fields."""

from __future__ import annotations

from typing import Any

from tests.doctor.helpers import diagnose

MODULES = {"jobs", "http2", "merging", "doubles", "addresses", "modes", "monitors", "operators", "fields"}


def mine(text: str, **settings: Any) -> list[str]:
    """The rules among them that find something, in order, each as often as it does."""
    found = [one.rule for one in diagnose(text, **settings)]
    return [rule.id for rule in found if rule.check.__module__.rpartition(".")[2] in MODULES]
