"""The lines of a YAML text, and what stands between its tokens."""

from __future__ import annotations

import re
from bisect import bisect_right

# YAML 1.1 has more line ends than the usual ones, and the parser counts each of them.
BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
_BLANK = re.compile("(?:[ \t\r\n\x85\u2028\u2029\ufeff]+|#[^\r\n\x85\u2028\u2029]*)*")


class Lines:
    """Where the lines of a text begin and end."""

    __slots__ = ("starts", "stops", "text")

    def __init__(self, text: str) -> None:
        """Find the line ends."""
        self.text = text
        breaks = list(BREAK.finditer(text))
        self.starts = [0, *(found.end() for found in breaks)]
        self.stops = [*(found.start() for found in breaks), len(text)]

    def number(self, position: int) -> int:
        """Give the number of the line, from 0."""
        return bisect_right(self.starts, position) - 1

    def start(self, position: int) -> int:
        """Give where the line begins."""
        return self.starts[self.number(position)]

    def stop(self, position: int) -> int:
        """Give where the line ends, before its line end."""
        return self.stops[self.number(position)]

    def next(self, position: int) -> int:
        """Give where the next line begins, or the text's end."""
        number = self.number(position) + 1
        return self.starts[number] if number < len(self.starts) else len(self.text)

    def column(self, position: int) -> int:
        """Give the column, from 0."""
        return position - self.start(position)

    def leads(self, position: int) -> bool:
        """Say whether nothing but blanks stands before a place on its line."""
        return not self.text[self.start(position) : position].strip(" \t")

    def newline(self, position: int) -> str:
        """Give the line end that a line put in here should have: the one of this line, or of the line before."""
        number = self.number(position)
        if number == len(self.stops) - 1:
            number -= 1
        return self.text[self.stops[number] : self.starts[number + 1]] if number >= 0 else "\n"


def skip(text: str, position: int) -> int:
    """Give where the next token begins, after blanks and comments."""
    found = _BLANK.match(text, position)
    return found.end() if found else position
