"""Comments that silence a rule: ``# sidecert: ignore RULE`` on the line, or alone on the line above it."""

from __future__ import annotations

import re

from generator.doctor.rule import Finding

_COMMENT = re.compile(r"#\s*sidecert:\s*ignore\b(?P<rules>[^#]*)")
_LIST = re.compile(r"[a-z][a-z0-9-]*")


def silenced(finding: Finding) -> bool:
    """Say whether the file silences a finding where it stands.

    The comment stands on the line of what was found, or on a line of its own above it. It names rules, parted by commas
    or blanks, and may go on after ``--`` with a reason; one that names none silences all.
    """
    line = finding.location.line
    if not line:
        return False
    document, path = finding.document, finding.path
    if _covers(document.line(line, path), finding.rule.id):
        return True
    while (above := document.line(line - 1, path).strip()).startswith("#"):
        if _covers(above, finding.rule.id):
            return True
        line -= 1
    return False


def _covers(line: str, rule: str) -> bool:
    found = _COMMENT.search(line)
    if found is None:
        return False
    named = _LIST.findall(found["rules"].partition("--")[0])
    return not named or rule in named
