"""A tree of text, prints and blocks, laid out as a Go template that a person might have written.

An `if` or `range` over whole lines stands on lines of its own, trimmed by ``{{-``; one within a line stays there. A
tree is printed by ``toYaml`` and ``nindent`` at the column where it stands. Whatever trimming would lose is kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from generator import yaml
from generator.staging.nodes import MARK, MARK_END, MARK_START, Block, Mark, Node, Place, Print
from generator.staging.symbol import ROOT, StagingError

#: In laid out lines: a string that is a YAML scalar by itself, and the parts of an `if` within a line.
_WHOLE, _IF, _ELSE, _END = "\ue003", "\ue004", "\ue005", "\ue006"

_NUMBER = f"{MARK_START}\\d+{MARK_END}"
_NO_BLOCK = f"[^{_IF}{_ELSE}{_END}]*"
#: An `if` within a line that holds no other.
_INNER_BLOCK = re.compile(
    f"{_IF}{MARK_START}(?P<start>\\d+){MARK_END}(?P<body>{_NO_BLOCK})(?:{_ELSE}{_NUMBER}(?P<other>{_NO_BLOCK}))?{_END}{_NUMBER}"
)
_LONG = 120


class LayoutError(StagingError):
    """Text that a Go template can't be laid out as, and the place of the mark in question."""

    def __init__(self, message: str, hint: str, place: Place | None) -> None:
        """Take the message, the hint and the place."""
        super().__init__(message, hint)
        self.place = place


def laid_out(nodes: Sequence[Node]) -> str:
    """Give the Go template of a tree of nodes.

    Raises:
        LayoutError: a block begins in the middle of a line and goes on in the next, or a string that may need quotes is
            a part of a scalar.
    """
    writer = _Writer((), 0)
    writer.nodes(nodes)
    return writer.finished()


class _Action(NamedTuple):
    """What stands for an action within a line until all lines are there."""

    text: str
    place: Place | None


class _Writer:
    """Writes nodes, line by line; ``margins`` are the columns that the text around adds to each line."""

    def __init__(self, margins: tuple[int, ...], loops: int, actions: list[_Action] | None = None) -> None:
        self.margins = margins
        self.loops = loops
        self.actions: list[_Action] = [] if actions is None else actions
        self.text = ""
        self.unindented = 0

    # ------------------------------------------------------------------------------------------------- nodes

    def nodes(self, nodes: Sequence[Node]) -> None:
        """Write nodes one after another."""
        for node in nodes:
            if isinstance(node, str):
                self.literal(node)
            elif isinstance(node, Print):
                self.print(node.mark)
            elif node.mark.kind == "indent":
                self.indented(node)
            elif self.at_line_start() and _whole_lines(node):
                self.lines(node)
            else:
                self.within_line(node)

    def at_line_start(self) -> bool:
        """Say whether the next character begins a line."""
        return not self.text or self.text.endswith("\n")

    def literal(self, text: str) -> None:
        """Write the template's own text, which is no Go template."""
        for line in text.splitlines(keepends=True):
            if self.at_line_start() and (line.strip() or not line.endswith("\n")):
                self.margin()
            self.text += _escaped(line)

    def margin(self) -> None:
        """Begin a line that isn't blank."""
        self.text += " " * (sum(self.margins) - self.unindented)
        self.unindented = 0

    def print(self, mark: Mark) -> None:
        """Write an action that prints."""
        if mark.kind == "yaml":
            self.tree(mark)
        elif mark.kind == "fail":
            self.keep_blank_lines()
            self.text += f"{{{{- $problems = append $problems {self.bound(mark.go)} }}}}"
        else:
            if self.at_line_start():
                self.margin()
            self.action(mark)

    def action(self, mark: Mark) -> None:
        """Write an action within a line: for now a number, and a sign where it must be a scalar by itself."""
        self.actions.append(_Action(f"{{{{ {self.bound(mark.go)} }}}}", mark.place))
        self.text += f"{_WHOLE if mark.whole else ''}{MARK_START}{len(self.actions) - 1}{MARK_END}"

    def bound(self, go: str) -> str:
        """Let an expression reach the chart's root: ``.``, or ``$`` within a loop."""
        return go.replace(ROOT, "$") if self.loops else go.replace(f"{ROOT}.", ".").replace(ROOT, ".")

    def tree(self, mark: Mark) -> None:
        """Write a tree at the column where it stands."""
        if self.at_line_start():
            self.margin()
        line = self.text[self.text.rfind("\n") + 1 :]
        if not re.fullmatch(r" *(- +)*", line):
            raise LayoutError(
                "a block of YAML can't begin in the middle of a line", "write `| yaml` on a line of its own", mark.place
            )
        if not mark.go:
            block = _escaped(yaml.block(mark.value, len(line)))
            self.text += block[len(line) :]
            return
        if line.strip():
            self.text = self.text.rstrip(" ") + " "
        else:
            self.text = self.text.removesuffix(line)
            self.keep_blank_lines()
            self.text += line
        self.actions.append(_Action(f"{{{{- {self.bound(mark.go)} | nindent {len(line)} }}}}", mark.place))
        self.text += f"{MARK_START}{len(self.actions) - 1}{MARK_END}"

    # ------------------------------------------------------------------------------------------------ blocks

    def indented(self, block: Block) -> None:
        """Write text further in; what is about its first line only counts when it doesn't stand there yet."""
        if not block.mark.first and self.at_line_start():
            self.unindented += block.mark.width
        self.margins = (*self.margins, block.mark.width)
        self.nodes(block.body)
        self.margins = self.margins[:-1]

    def lines(self, block: Block) -> None:
        """Write a block that stands on lines of its own."""
        body = self.inner(block.body, loops=block.mark.kind == "range")
        other = block.other
        word = "range" if block.mark.kind == "range" else "if"
        pad = _indentation(body)
        self.control(pad, f"{word} {self.bound(block.mark.go)}")
        self.text += body
        while other:
            following = other[0] if len(other) == 1 else None
            if isinstance(following, Block) and following.mark.kind == "if" and _whole_lines(following):
                self.control(pad, f"else if {self.bound(following.mark.go)}")
                self.text += self.inner(following.body, loops=False)
                other = following.other
            else:
                self.control(pad, "else")
                self.text += self.inner(other, loops=False)
                break
        self.control(pad, "end")

    def inner(self, nodes: Sequence[Node], *, loops: bool) -> str:
        """Give the text of a block's body."""
        writer = _Writer(self.margins, self.loops + loops, self.actions)
        writer.nodes(nodes)
        return writer.text

    def control(self, pad: str, word: str) -> None:
        """Write a line that prints nothing, not even its line end."""
        self.keep_blank_lines()
        self.text += f"{pad}{{{{- {word} }}}}\n"

    def keep_blank_lines(self) -> None:
        """Keep blank lines of a literal block from being trimmed; everywhere else they mean nothing."""
        text = self.text.rstrip("\n")
        blank = len(self.text) - len(text) - 1
        if blank > 0:
            self.text = f"{text}\n"
            if re.search(r"[|>][0-9]?[-+]?[0-9]?\n", text):
                self.text += '{{- "' + "\\n" * blank + '" }}\n'

    def within_line(self, block: Block) -> None:
        """Write a block that stands within a line."""
        mark = block.mark
        if self.at_line_start():
            self.margin()
        start = len(self.text)
        word = "range" if mark.kind == "range" else "if"
        self.sign(_IF, f"{word} {self.bound(mark.go)}", mark)
        self.text += self.line_part(block.body, loops=mark.kind == "range")
        if block.other:
            self.sign(_ELSE, "else", mark)
            self.text += self.line_part(block.other, loops=False)
        self.sign(_END, "end", mark)
        if "\n" in self.text[start:]:
            hint = "begin it on a line of its own, or end it in its line"
            raise LayoutError("a block begins in the middle of a line and goes on in the next", hint, mark.place)

    def sign(self, sign: str, word: str, mark: Mark) -> None:
        """Write a part of a block within a line."""
        self.actions.append(_Action(f"{{{{ {word} }}}}", mark.place))
        self.text += f"{sign}{MARK_START}{len(self.actions) - 1}{MARK_END}"

    def line_part(self, nodes: Sequence[Node], *, loops: bool) -> str:
        """Give the text of a body within a line, which adds no margin."""
        writer = _Writer((), self.loops + loops, self.actions)
        writer.text = "x"
        writer.nodes(nodes)
        return writer.text[1:]

    # ---------------------------------------------------------------------------------------------- finished

    def finished(self) -> str:
        """Give the template, after a look at each line with a string in it; long lines are taken apart."""
        lines: list[str] = []
        for line in self.text.split("\n"):
            if _WHOLE in line:
                self.check(line)
            after_blank = bool(lines) and not lines[-1]
            lines += [self.shown(line)] if after_blank else self.short(line)
        return "\n".join(lines)

    def shown(self, line: str) -> str:
        """Give a line with its actions."""
        return MARK.sub(
            lambda found: self.actions[int(found[1])].text, re.sub(f"[{_WHOLE}{_IF}{_ELSE}{_END}]", "", line)
        )

    def short(self, line: str) -> list[str]:
        """Give a line; where it is long, one line for each way that the last block within it may go."""
        shown = self.shown(line)
        block = re.search(_INNER_BLOCK, line) if len(shown) > _LONG else None
        if block is None or self.actions[int(block["start"])].text.startswith("{{ range"):
            return [shown]
        pad = " " * (len(line) - len(line.lstrip(" ")))
        ways = [line[: block.start()] + (block[way] or "") + line[block.end() :] for way in ("body", "other")]
        opening = self.actions[int(block["start"])].text.replace("{{ ", "{{- ", 1)
        found = [f"{pad}{opening}", *self.short(ways[0])]
        if ways[1].strip():
            found += [f"{pad}{{{{- else }}}}", *self.short(ways[1])]
        return [*found, f"{pad}{{{{- end }}}}"]

    def check(self, line: str) -> None:
        """Refuse a line in which a string would be put between quotes in the middle of a scalar."""
        for way in _ways(line):
            for found in re.finditer(f"{_WHOLE}{MARK_START}(\\d+){MARK_END}", way):
                before, after = MARK.sub("x", way[: found.start()]), way[found.end() :]
                if before.lstrip().startswith("#"):
                    continue
                is_value = re.fullmatch(rf" *(- +)*(({_WHOLE}x|[^\s'\"#{_WHOLE}]+): +)?", before) and not after.strip()
                is_key = re.fullmatch(r" *(- +)*", before) and re.match(r":( |$)", after)
                if not is_value and not is_key:
                    hint = 'put the whole string together: `format("%s:%s", a, b)`'
                    place = self.actions[int(found[1])].place
                    raise LayoutError("a string is printed in the middle of another", hint, place)


def _indentation(body: str) -> str:
    """Give the indentation of the first line that isn't blank."""
    line = next((line for line in body.split("\n") if line.strip()), "")
    return line[: len(line) - len(line.lstrip(" "))]


def _whole_lines(node: Block) -> bool:
    """Say whether the bodies of a block that begins a line all end lines."""
    return all(_ends_line(body) for body in (node.body, node.other) if body)


def _ends_line(nodes: Sequence[Node]) -> bool:
    """Say whether what follows nodes that begin a line begins a line too."""
    start = True
    for node in nodes:
        if isinstance(node, str):
            start = node.endswith("\n")
        elif isinstance(node, Print):
            start = False
        elif node.mark.kind == "indent":
            start = _ends_line(node.body) if start or node.body else start
        else:
            start = start and _whole_lines(node)
    return start


def _ways(line: str) -> Iterator[str]:
    """Give what a line may be, for each way that the blocks within it may go."""
    match = re.search(_INNER_BLOCK, line)
    if match is None:
        yield line
        return
    for body in dict.fromkeys((match["body"], match["other"] or "")):
        yield from _ways(line[: match.start()] + body + line[match.end() :])


_BRACES = re.compile(r"\{\{.*\}\}|\{\{")


def _escaped(text: str) -> str:
    """Write what looks like actions in a line, from the first to the last, so that Go prints it."""
    return _BRACES.sub(_as_text, text) if "{{" in text else text


def _as_text(found: re.Match[str]) -> str:
    text = found[0]
    return text.replace("{{", '{{ "{{" }}') if "`" in text or text == "{{" else f"{{{{`{text}`}}}}"
