"""A difference as Markdown, to be posted as a comment on a pull request.

What comes from the project stands in fences, or in ``<code>`` with every sign escaped, so that it can't break out,
mention anybody or load anything.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from generator.diff import Difference
from generator.diff.lines import Chapter, abbreviated, chapters, printable
from generator.diff.text import summary, title

#: GitHub refuses longer comments. It counts characters; bytes are never fewer.
MOST_BYTES = 65_536
_FOR_THE_END = 400
_OPEN = 3
_LONGEST_TEXT = 500
_PLAIN = re.compile(r"[^A-Za-z0-9 ,./-]", re.ASCII)


class _Part(NamedTuple):
    """A group, whole and as its heading alone."""

    whole: str
    heading: str


def markdown(difference: Difference, most: int = MOST_BYTES) -> str:
    """Give the comment, of at most so many bytes: groups that don't fit are told by their headings, or counted."""
    start = [f"**sidecert diff**: {summary(difference)}.", f"Compared with {code(difference.before)}."]
    for names, word in ((difference.added, "New"), (difference.removed, "Gone")):
        if names:
            start.append(f"{word}: {code(abbreviated(names))}.")
    text = "\n".join(start) + "\n"
    room = most - _FOR_THE_END - _size(text)
    cut = left_out = 0
    told = chapters(difference.groups, difference.names)
    for number, chapter in enumerate(told):
        part = _part(chapter, difference, opened=number < _OPEN)
        if _size(part.whole) <= room:
            text, room = text + part.whole, room - _size(part.whole)
        elif _size(part.heading) <= room:
            text, room, cut = text + part.heading, room - _size(part.heading), cut + 1
        else:
            left_out += 1
    return text + _end(cut, left_out, len(told))


def code(text: str) -> str:
    """A text that is shown as it is, whatever is in it, but for its end where it is very long."""
    text = text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}…"
    return f"<code>{_PLAIN.sub(lambda sign: f'&#{ord(sign[0])};', printable(text))}</code>"


def _part(chapter: Chapter, difference: Difference, *, opened: bool) -> _Part:
    lines: list[str] = []
    for section in chapter.sections:
        lines.append(f"@@ {printable(section.heading)} @@")
        for line in section.lines:
            if line.mark == "~":
                lines += [f"- {printable(line.parts[0])}", f"+ {printable(line.parts[1])}"]
            else:
                lines.append(f"{line.mark} {printable(line.text)}".rstrip())
    runs = (len(run) for line in lines for run in re.findall("`+", line))
    fence = "`" * max(3, 1 + max(runs, default=0))
    head, _, names = title(chapter, difference).partition(": ")
    summed = f"<summary>{head}: {code(names)}</summary>"
    body = "\n".join(lines)
    whole = f"\n<details{' open' if opened else ''}>{summed}\n\n{fence}diff\n{body}\n{fence}\n\n</details>\n"
    told = f"{chapter.changes} change{'s' if chapter.changes > 1 else ''}, too long for a comment"
    return _Part(whole, f"\n{head}: {code(names)}: {told}.\n")


def _end(cut: int, left_out: int, total: int) -> str:
    """Say how much was left out."""
    parts = [f"{cut} told by their headings alone"] if cut else []
    parts += [f"{left_out} left out"] if left_out else []
    if not parts:
        return ""
    return f"\nOf {total} groups of changes, {' and '.join(parts)}: `sidecert diff` prints them all.\n"


def _size(text: str) -> int:
    return len(text.encode(errors="surrogatepass"))
