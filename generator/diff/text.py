"""A difference as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from generator.diff import Difference
from generator.diff.lines import Chapter, abbreviated, chapters, printable

#: Beside the marks of lines: ``#`` for the heading of a group, ``@`` for resources.
Marked = tuple[str, str]


def text(difference: Difference) -> Iterator[Marked]:
    """Give the lines, each with its mark (see `lines`), without newlines."""
    yield "#", summary(difference)
    for sign, names, word in (("+", difference.added, "new"), ("-", difference.removed, "gone")):
        if names:
            yield sign, f"{sign} {word}: {printable(', '.join(names))}"
    for chapter in chapters(difference.groups, difference.names):
        yield " ", ""
        yield "#", title(chapter, difference)
        for section in chapter.sections:
            yield "@", f"  {printable(section.heading)}"
            for mark, line, _ in section.lines:
                yield mark, f"  {' ' if mark == '~' else mark} {printable(line)}".rstrip()


def summary(difference: Difference) -> str:
    """The difference in one line."""
    total = len(difference.compared) + len(difference.added)
    if not difference.any:
        return f"No difference in {_count(total)}"
    counts = (len(difference.changed), "differ", "differs"), (len(difference.added), "are new", "is new")
    changed, *others = (*counts, (len(difference.removed), "are gone", "is gone"))
    parts = [f"{changed[0]} of {_count(total)} {changed[1] if total != 1 else changed[2]}"]
    parts += [f"{number} {several if number > 1 else one}" for number, several, one in others if number]
    return ", ".join(parts)


def title(chapter: Chapter, difference: Difference) -> str:
    """Which environments a chapter is of."""
    names = chapter.environments
    every = "all " if names == difference.compared and len(names) > 1 else ""
    return printable(f"{every}{_count(len(names))}: {abbreviated(names)}")


def _count(number: int) -> str:
    return f"{number} environment" if number == 1 else f"{number} environments"
