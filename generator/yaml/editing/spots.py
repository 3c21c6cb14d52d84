"""Where the value of a block's entry stands, and what stands around it."""

from __future__ import annotations

import re
from typing import NamedTuple

from generator.yaml.editing.nodes import Document, Node


class Spot(NamedTuple):
    """The place of a value that is no part of a flow collection."""

    #: Right after the colon or dash; where a whole document begins.
    after: int
    #: The same, behind the anchor and tag where there are some.
    stem: int
    #: The column of the key or dash.
    column: int
    item: bool
    root: bool

    @staticmethod
    def of(document: Document, chain: tuple[Node, ...], indices: tuple[int, ...]) -> Spot:
        """Find the spot of the last node of a chain."""
        node = chain[-1]
        if len(chain) == 1:
            return Spot(node.start, node.stem, 0, item=False, root=True)
        entry = chain[-2].entries[indices[len(chain) - 2]]
        column = document.lines.column(entry.start)
        stem = node.stem if node.stem > node.start else entry.after
        return Spot(entry.after, stem, column, item=chain[-2].kind == "list", root=False)

    def rest(self, document: Document, node: Node) -> tuple[str, int]:
        """Give what stays of the head's line (a comment, say), and where the old value's last line ends."""
        text, lines = document.text, document.lines
        stop = tail(document, node.end, self.column) if node.is_block else lines.stop(node.end)
        head = text[self.stem : lines.stop(self.stem)]
        if self.root:
            return "", node.end
        if lines.number(node.body) != lines.number(self.stem):
            return head if head.strip() else _comment(text[node.end : stop]), stop
        if node.is_block:
            return "", stop
        if node.is_block_scalar:
            return _comment(text[node.body : lines.stop(node.body)]), stop
        return text[node.end : stop], stop

    def written(self, document: Document, node: Node, stem: int, inline: str, below: list[str]) -> str:
        """Put a value after the key or dash, or after ``stem``: the rest of that line, and the lines below."""
        text, newline = document.text, document.lines.newline(stem)
        if self.root:
            return self._root(document, stem, inline, below)
        rest, stop = self.rest(document, node)
        if self.item and below and not inline and not rest.strip() and stem == self.after:
            # A map or list begins on the line of its dash.
            first = below[0].lstrip(" ")
            inline, below = " " * (len(below[0]) - len(first) - self.column - 1) + first, below[1:]
        elif inline:
            inline = " " + inline
        if below and not rest.strip():
            rest = ""
        lines = text[:stem] + inline + rest
        lines += newline + newline.join(below) if below else ""
        return lines + text[stop:]

    @staticmethod
    def _root(document: Document, stem: int, inline: str, below: list[str]) -> str:
        """Write a whole document."""
        text, lines, node = document.text, document.lines, document.root
        newline = lines.newline(stem)
        stop = tail(document, node.end, -1) if node.is_block else node.end
        if below and inline:
            return text[: node.start] + inline + newline + newline.join(below) + text[stop:]
        if below and (stem != node.start or not lines.leads(node.start)):
            return text[:stem] + newline + newline.join(below) + text[stop:]
        gap = " " if stem != node.start else ""
        return text[:stem] + gap + (newline.join(below) if below else inline) + text[stop:]


def _comment(rest: str) -> str:
    """Give the comment of the rest of a line, with the blanks before it."""
    found = re.search(r"[ \t]+#.*", rest, re.DOTALL)
    return found[0] if found else ""


def tail(document: Document, end: int, column: int) -> int:
    """Give where an entry's last line ends: comment lines right below it that stand further in belong to it."""
    text, lines = document.text, document.lines
    number = lines.number(end)
    while number + 1 < len(lines.starts):
        line = text[lines.starts[number + 1] : lines.stops[number + 1]]
        margin = len(line) - len(line.lstrip(" "))
        if margin <= column or not line[margin:].startswith("#"):
            break
        number += 1
    return lines.stops[number]
