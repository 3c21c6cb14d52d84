"""What holds for every migration, whatever was wrong."""

from __future__ import annotations

from typing import Any

from generator.doctor import Finding, examine
from generator.intake import read_texts
from generator.migrate import Migration, migrate, text_source
from generator.monitoring import Settings, assemble
from generator.yaml.lenient import load_text

NAME = "setup.yaml"


def migrated(text: str, **settings: Any) -> Migration:
    """What becomes of a text; ``settings`` are fields of `Settings`."""
    return migrate([text_source(text, NAME)], Settings(**settings))


def repaired(text: str, **settings: Any) -> str:
    """A text with all its faults repaired that can be, after a look at the law."""
    return check_law(text, **settings).texts[NAME]


def findings(text: str, **settings: Any) -> list[Finding]:
    """What doctor finds in a text, but for what it only tells."""
    intake = read_texts([(text, NAME, "")])
    found = examine(assemble(intake.manifests, intake.values, Settings(**settings))).findings
    return [finding for finding in found if finding.severity != "info"]


def check_law(text: str, **settings: Any) -> Migration:
    """Migrate a text: no edits are left, a second time changes nothing, and what no edit is about stays."""
    migration = migrated(text, **settings)
    new = migration.texts[NAME]
    left = findings(new, **settings)
    assert [(one.rule.id, one.found) for one in left] == [(one.rule.id, one.found) for one in migration.left]
    refused = {id(one.finding) for one in migration.refused}
    open_ones = [one for one in migration.left if one.fix and one.fix.edits and id(one) not in refused]
    assert [(one.rule.id, one.found) for one in open_ones] == []
    again = migrated(new, **settings)
    assert again.texts[NAME] == new
    assert again.made == ()
    assert bool(migration.made) == (new != text)
    assert untouched(text, new)
    return migration


def untouched(old: str, new: str) -> bool:
    """Whether every document that says the same as before is the same text; of texts with ``---`` between documents."""
    if old.lstrip("\ufeff \t\r\n").startswith(("{", "[")):
        return True
    before, after = parts(old), parts(new)
    assert len(before) == len(after)
    return all(
        one == other or load_text(one, NAME)[0] != load_text(other, NAME)[0]
        for one, other in zip(before, after, strict=True)
    )


def parts(text: str) -> list[str]:
    """The documents of a text as texts."""
    found = [""]
    for line in text.splitlines(keepends=True):
        if line.startswith("---"):
            found.append("")
        found[-1] += line
    return found
