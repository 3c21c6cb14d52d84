"""Which fixes can be made together: those of the earliest stage, one rule for each document, none in another's way."""

from __future__ import annotations

from collections.abc import Sequence

from generator.doctor import Finding
from generator.migrate.applying import Place, place_of_edit
from generator.monitoring.edits import REMOVE, Edit


def together(findings: Sequence[Finding]) -> list[tuple[Finding, tuple[Edit, ...]]]:
    """Choose among findings with edits, in the order in which to fix them; give each with the edits that it adds.

    What a later stage finds may be gone when an earlier one is in order, or need another fix; so may what another rule
    finds in the same document. They come again in the next round, and so does what is in the way of an earlier fix.
    """
    if not findings:
        return []
    stage = findings[0].rule.stage
    rules: dict[tuple[object, ...], str] = {}
    made: list[tuple[Place, Edit]] = []
    chosen: list[tuple[Finding, tuple[Edit, ...]]] = []
    for finding in findings:
        edits = finding.fix.edits if finding.fix else ()
        placed = [(place_of_edit(edit), edit) for edit in edits]
        documents = {_document(edit) for edit in edits}
        if finding.rule.stage != stage or any(rules.get(one, finding.rule.id) != finding.rule.id for one in documents):
            continue
        new = [one for one in placed if not any(_is_same(one, other) for other in made)]
        if new and any(_is_in_the_way(other, one) for one in new for other in made):
            continue
        rules |= dict.fromkeys(documents, finding.rule.id)
        made += new
        chosen.append((finding, tuple(edit for _, edit in new)))
    return chosen


def _document(edit: Edit) -> tuple[object, ...]:
    """What tells the outermost document that an edit changes from others."""
    document = edit.document.outermost
    return id(document.shared), document.index, document.path


def _is_same(one: tuple[Place, Edit], other: tuple[Place, Edit]) -> bool:
    return one[0] == other[0] and (one[1].value is other[1].value or one[1].value == other[1].value)


def _is_in_the_way(made: tuple[Place, Edit], new: tuple[Place, Edit]) -> bool:
    """Whether an edit that is made changes what another one is about, or where that stands."""
    (first, edit), (second, _) = made, new
    if second[: len(first)] == first or first[: len(second)] == second:
        return True
    return any(_moves(place, one, other) for place, one, other in ((first, edit, second), (second, new[1], first)))


def _moves(place: Place, edit: Edit, other: Place) -> bool:
    """Whether an edit takes an element out of a list in which another one has its place."""
    inside = other[: len(place) - 1] == place[:-1] and len(other) >= len(place)
    return edit.value is REMOVE and isinstance(place[-1], int) and inside
