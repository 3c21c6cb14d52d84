"""Which environments a command is for: by name, by label, by what changed since a commit."""

from __future__ import annotations

from typing import NamedTuple

from generator.workspace import Workspace


class Selection(NamedTuple):
    """What an environment must be to be selected: all of it.

    ``patterns`` are names and globs, none meaning all; ``selectors`` are kubectl's, over ``labels`` of the merged
    values; ``changed_since`` is a git ref.
    """

    patterns: tuple[str, ...] = ()
    selectors: tuple[str, ...] = ()
    changed_since: str | None = None


def select(workspace: Workspace, selection: Selection) -> tuple[str, ...]:
    """Give the names of the environments selected, sorted; maybe none.

    Values needn't be valid, but must be readable where a selector asks for them.

    Raises:
        InputError: as `Workspace.select` does; a selector or a ref can't be used; layers or templates can't be read.
    """
    from generator.selection.labels import parse_selector, with_labels

    wanted = [requirement for text in selection.selectors for requirement in parse_selector(text)]
    names = workspace.select(selection.patterns)
    if selection.changed_since is not None:
        from generator.selection.changes import changed_environments

        names = changed_environments(workspace, names, selection.changed_since)
    return with_labels(workspace, names, wanted) if wanted else names
