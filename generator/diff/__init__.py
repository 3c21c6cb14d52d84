"""What would become of the environments' resources: how what would be rendered now differs from what was.

sources     both sides, environment by environment
manifests   an environment's files as resources, and how they changed
values      how one value became another; lists pairs the items, path says where
grouping    the changes of many environments, each told once
text, markdown, data    the forms in which it is told
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from generator.diff.grouping import Group, Grouping
from generator.diff.manifests import Comparison
from generator.diff.sources import Before, from_commit, from_disk, rendered
from generator.errors import InputError, Problem
from generator.fleet import Workers
from generator.workspace import Workspace

__all__ = ["Before", "Difference", "difference", "from_commit", "from_disk"]


class Difference(NamedTuple):
    """How environments changed.

    ``before`` says what was compared with. ``added``, ``removed`` and ``changed`` name environments, sorted;
    ``compared`` those that are on both sides; ``names`` all that were rendered, which the indices in the groups count.
    """

    before: str
    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]
    compared: tuple[str, ...]
    names: tuple[str, ...]
    groups: tuple[Group, ...]

    @property
    def any(self) -> bool:
        """Whether anything differs."""
        return bool(self.added or self.removed or self.changed)


_ALONE = Workers(1)


def difference(
    before: Before,
    workspace: Workspace,
    names: Sequence[str],
    workers: Workers = _ALONE,
    *,
    whole: bool,
    step: Callable[[], object] = lambda: None,
) -> Difference:
    """Compare what was with what ``workers`` render environments to now; call ``step`` after each.

    ``whole`` says that ``names`` are all there are, so that any other that was is gone.

    Raises:
        InputError: every problem of every environment, on either side.
        OutputError: the output folder can't be read.
    """
    problems: dict[Problem, None] = {}
    comparison, grouping = Comparison(), Grouping(names)
    added, changed = set[str](), set[str]()
    try:
        for name, new in rendered(workspace, names, workers):
            try:
                old = before.environment(name, new)
            except InputError as error:
                problems.update(dict.fromkeys(error.problems))
                continue
            changes = comparison.changes(name, old, new) if old else []
            grouping.add(name, changes)
            added |= set() if old else {name}
            changed |= {name} if changes else set()
            step()
    except InputError as error:
        problems.update(dict.fromkeys(error.problems))
    if problems:
        raise InputError(problems)
    there = set(workspace.environment_names())
    removed = [name for name in before.names() if name not in there] if whole else []
    return Difference(
        before=before.told,
        added=tuple(name for name in names if name in added),
        removed=tuple(removed),
        changed=tuple(name for name in names if name in changed),
        compared=tuple(name for name in names if name not in added),
        names=tuple(names),
        groups=tuple(grouping.groups()),
    )
