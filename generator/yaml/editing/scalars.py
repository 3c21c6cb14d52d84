"""A new scalar in the place of an old one, spelled the way the old one is; of a block, only the lines that differ."""

from __future__ import annotations

import re
from typing import cast

from generator.yaml.editing.lines import BREAK
from generator.yaml.editing.nodes import Document, Node
from generator.yaml.scalars import UNPRINTABLE, Scalar, double_quoted, scalar


def quoted_alike(node: Node, value: object) -> str:
    """Print a scalar on one line, a string with the quotes of the old one where it had any."""
    if isinstance(value, str) and node.kind == "scalar" and isinstance(node.value, str):
        if node.style == '"':
            return double_quoted(value)
        if node.style == "'" and not re.search(f"[\n\t{UNPRINTABLE}]", value):
            return "'" + value.replace("'", "''") + "'"
    return double_quoted(value) if isinstance(value, str) and "\n" in value else scalar(cast("Scalar", value))


def in_block(document: Document, node: Node, value: str) -> str | None:
    """Print a string as the block scalar ``node`` with other lines; None where a block can't hold it."""
    text, newline = document.text, document.lines.newline(node.body)
    if not value.strip("\n ") or re.search(f"[{UNPRINTABLE}]", value):
        return None
    header, *old = BREAK.split(text[node.body : node.end])
    written = next((line for line in old if line.strip(" ")), "")
    given = re.match(r"[|>][-+]?([1-9])|[|>]([1-9])", header)
    margin = len(written) - len(written.lstrip(" "))
    if given:
        # The digit counts from the collection's column, and the first line may begin with blanks of its own.
        content = cast("str", node.value).lstrip("\n")
        margin -= len(content) - len(content.lstrip(" "))
    if not written or margin < 1 or (value.endswith("\n\n") and "+" not in header):
        return None
    if node.style == ">":
        folded = _folded(node, [line[margin:] for line in old], value)
        if folded is not None:
            return newline.join([_chomped(header, value), *(" " * margin + line for line in folded)])
        header = "|" + header[1:]
    lines = _merged(old, value.removesuffix("\n").split("\n"), " " * margin)
    if not given and value.lstrip("\n").startswith(" "):
        return None
    return newline.join([_chomped(header, value), *lines])


def _chomped(header: str, value: str) -> str:
    """Give a block's header the chomping that its new value needs."""
    found = re.match(r"([|>])([-+]?)([1-9]?)([-+]?)(.*)", header, re.DOTALL)
    if found is None:
        return header
    kind, before, digit, after, rest = found.groups()
    old = before or after
    if not value.endswith("\n"):
        new = "-"
    elif value.endswith("\n\n"):
        new = "+"
    else:
        new = "" if old == "-" else old
    return f"{kind}{new}{digit}{rest}" if before else f"{kind}{digit}{new}{rest}"


def _merged(old: list[str], new: list[str], pad: str) -> list[str]:
    """Print the lines of a literal block; those that the old one had too stay as they were, blanks included."""
    from difflib import SequenceMatcher

    contents = [line[len(pad) :] for line in old]
    # Most lines of a long text are the same: only what lies between them is compared, which takes its square.
    most = min(len(contents), len(new))
    begin = next((at for at in range(most) if contents[at] != new[at]), most)
    rest = next((at for at in range(most - begin) if contents[-1 - at] != new[-1 - at]), most - begin)
    middle, wanted = contents[begin : len(contents) - rest], new[begin : len(new) - rest]
    lines = old[:begin]
    for kind, first, last, start, stop in SequenceMatcher(None, middle, wanted, autojunk=False).get_opcodes():
        same = old[begin + first : begin + last]
        lines += same if kind == "equal" else [pad + line if line else "" for line in wanted[start:stop]]
    return [*lines, *old[len(old) - rest :]]


def _folded(node: Node, old: list[str], value: str) -> list[str] | None:
    """Lay out one paragraph on the lines of a folded block: those at its start and end that fit stay."""
    content, before = value.removesuffix("\n"), cast("str", node.value).removesuffix("\n")
    if "\n" in content or "\n" in before or content != content.strip() or not all(line.strip() for line in old):
        return None
    first: list[str] = []
    for line in old:
        if not content.startswith(line + " "):
            break
        first.append(line)
        content = content[len(line) + 1 :]
    last: list[str] = []
    for line in reversed(old[len(first) :]):
        if not content.endswith(" " + line):
            break
        last.insert(0, line)
        content = content[: -len(line) - 1]
    return [*first, content, *last]
