"""Changes between brackets: flow collections of YAML, and JSON."""

from __future__ import annotations

from collections.abc import Iterator

from generator.yaml.editing.nodes import Document, Entry, Node, Step
from generator.yaml.editing.print import Flow, flow
from generator.yaml.editing.scalars import quoted_alike


def replace_in_flow(document: Document, step: Step, source: str) -> Iterator[str]:
    """Put a value in the place of another one."""
    chain, value = step.chain, step.value
    text, node = document.text, chain[-1]
    outer = next((one for one in chain[:-1] if one.flow), document.root)
    style = flow(document, outer, source)
    if len(chain) == 1:
        lines = not node.entries or document.lines.leads(node.entries[0].start)
        yield text[: node.body] + (style.pretty(value, "") if lines else style.inline(value)) + text[node.end :]
        return
    entry = chain[-2].entries[step.indices[-1]]
    if not style.json and node.kind == "scalar" and not isinstance(value, (dict, list, tuple)):
        written = quoted_alike(node, value)
        written = style.scalar(value) if written == value else written
    else:
        written = _written(document, style, entry, value)
    written = f"{step.anchor} {written}".lstrip()
    if node.end == node.body:
        # A key alone, or with a colon and nothing behind it.
        joint = ": " if entry.after < 0 else " "
        yield f"{text[: node.end]}{joint}{written}{text[node.end :]}"
        return
    yield text[: node.body] + written + text[node.end :]
    yield text[: node.start] + written + text[node.end :]


def _written(document: Document, style: Flow, entry: Entry, value: object) -> str:
    """Print a value over several lines where that is JSON whose entries stand on lines of their own."""
    if style.json and document.lines.leads(entry.start):
        return style.pretty(value, _margin(document, entry))
    return style.inline(value)


def _margin(document: Document, entry: Entry) -> str:
    return document.text[document.lines.start(entry.start) : entry.start]


def insert_in_flow(document: Document, step: Step, source: str) -> Iterator[str]:
    """Put an entry between others, or after the last one."""
    chain, index, name, value = step.chain, step.indices[-1], step.name, step.value
    text, lines, node = document.text, document.lines, chain[-1]
    style = flow(document, next(one for one in chain if one.flow), source)
    beside = node.entries[index - 1 if index else 0]
    own_line = lines.leads(beside.start)
    written = _written(document, style, beside, value)
    if node.kind == "map":
        written = f"{style.scalar(name)}{style.colon}{written}"
    if node.bare:
        inner = style.inline({**node.value, name: value})
        yield text[: node.start] + inner + text[node.end :]
        return
    pad = style.newline + _margin(document, beside)
    between = "," + pad if own_line else style.comma
    if not index:
        yield text[: beside.start] + written + between + text[beside.start :]
        return
    comma = document.skip(beside.end)
    stop = lines.stop(beside.end)
    if own_line and "#" in text[beside.end : stop]:
        # Its comment stays on the line before.
        if text[comma] == "," and comma < stop:
            yield text[:stop] + pad + written + "," + text[stop:]
        else:
            yield text[: beside.end] + "," + text[beside.end : stop] + pad + written + text[stop:]
    # A comma right after a colon would be part of a plain key.
    gap = " " if text[beside.end - 1] == ":" else ""
    yield text[: beside.end] + gap + between + written + text[beside.end :].removeprefix(gap)


def remove_from_flow(document: Document, node: Node, index: int) -> Iterator[str]:
    """Take an entry out, with the comma that is no longer needed."""
    text, lines, entry = document.text, document.lines, node.entries[index]
    brackets = "{}" if node.kind == "map" else "[]"
    if len(node.entries) == 1:
        if node.bare or not document.has_comment(node.body, node.end):
            yield text[: node.body] + brackets + text[node.end :]
            return
        comma = document.skip(entry.end)
        yield text[: entry.start] + text[comma + 1 if text[comma] == "," else entry.end :]
        return
    comma = document.skip(entry.end)
    ends = comma + 1 if text[comma] == "," else entry.end
    if index + 1 < len(node.entries):
        following = node.entries[index + 1].start
        if not document.has_comment(ends, following):
            yield text[: entry.start] + text[following:]
            return
        if lines.leads(entry.start) and lines.number(following) > lines.number(ends):
            yield text[: lines.start(entry.start)] + text[lines.next(ends) :]
            return
        yield text[: entry.start] + text[ends:]
        return
    yield from _remove_last(document, node, entry, ends)


def _remove_last(document: Document, node: Node, entry: Entry, ends: int) -> Iterator[str]:
    """Take the last of several entries out; ``ends`` is behind its comma if it has one."""
    text, lines, before = document.text, document.lines, node.entries[-2].end
    comma = document.skip(before)
    stop = lines.stop(ends)
    own_comment = "#" in text[ends:stop] and lines.number(node.end) > lines.number(ends)
    if not document.has_comment(before, entry.start):
        kept = comma + 1 if ends != entry.end else before
        gap = " " if text[kept - 1] == ":" else ""
        yield text[:kept] + gap + text[stop if own_comment and lines.leads(entry.start) else ends :]
        return
    head = text[:before] + text[before:comma] + ("," if ends != entry.end else "") + text[comma + 1 : entry.start]
    if lines.leads(entry.start) and lines.number(node.end) > lines.number(ends):
        cut = len(head) - (entry.start - lines.start(entry.start))
        yield head[:cut] + text[lines.next(ends) :]
    yield head + text[ends:]
