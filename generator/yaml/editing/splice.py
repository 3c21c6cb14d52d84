"""One change to one entry of a YAML text: the texts that could come of it, the one that keeps most bytes first.

Nothing here looks whether the result means what it should; `editing` reads each and takes the first that does.
"""

from __future__ import annotations

from collections.abc import Iterator

from generator.yaml.editing.flow import insert_in_flow, remove_from_flow, replace_in_flow
from generator.yaml.editing.nodes import Document, Entry, Node, Step
from generator.yaml.editing.print import dash_gap, layout
from generator.yaml.editing.scalars import in_block, quoted_alike
from generator.yaml.editing.spots import Spot, tail


def candidates(document: Document, step: Step, source: str) -> Iterator[str]:
    """Give the texts that a step could make, the best first; ``source`` is the text's name."""
    *outer, last = step.chain
    brackets = next((node for node in outer if node.flow), None)
    index = step.indices[-1] if step.indices else 0
    if step.action == "replace":
        if brackets is not None or (not outer and source.endswith(".json")):
            yield from replace_in_flow(document, step, source)
        else:
            yield from _replace(document, step, literals=True)
            yield from _replace(document, step, literals=False)
    elif step.action == "insert":
        if brackets is not None or last.flow:
            yield from insert_in_flow(document, step, source)
        else:
            yield from _insert(document, step, literals=True)
            yield from _insert(document, step, literals=False)
    elif brackets is not None or last.flow:
        yield from remove_from_flow(document, last, index)
    else:
        yield from _remove(document, step.chain, step.indices)


def _replace(document: Document, step: Step, *, literals: bool) -> Iterator[str]:
    """Put a value in the place of a block's entry, or of the whole document."""
    text, node, value = document.text, step.chain[-1], step.value
    spot = Spot.of(document, step.chain, step.indices)
    style = layout(document, node.start)._replace(literals=literals)
    inline, below = style.value(value, spot.column, item=spot.item)
    if node.kind == "scalar" and isinstance(value, str):
        if node.is_block_scalar and (block := in_block(document, node, value)) is not None:
            yield text[: node.body] + block + text[node.end :]
        if not below or node.style == '"':
            inline, below = quoted_alike(node, value), []
    if step.anchor:
        inline = f"{step.anchor} {inline}".rstrip()
    if spot.after < 0:
        # `? key`, and no colon.
        place, newline = document.lines.stop(node.end), document.lines.newline(node.end)
        head = f"{newline}{' ' * spot.column}:{' ' + inline if inline else ''}"
        yield text[:place] + newline.join([head, *below]) + text[place:]
        return
    if not below and not node.is_block and not node.is_block_scalar:
        if node.end == node.body:
            yield f"{text[: spot.stem]} {inline}{text[spot.stem :]}"
        else:
            yield text[: node.body] + inline + text[node.end :]
    # After the anchor and the tag of the old value, and then without them.
    for stem in dict.fromkeys([spot.stem, spot.after]):
        yield spot.written(document, node, stem, inline, below)


def _insert(document: Document, step: Step, *, literals: bool) -> Iterator[str]:
    """Put a new entry into a block map or list."""
    node, index, value = step.chain[-1], step.indices[-1], step.value
    text, lines = document.text, document.lines
    first = node.entries[0]
    column = lines.column(first.start)
    newline = lines.newline(first.start)
    beside = node.entries[index - 1 if index else 0]
    style = layout(document, beside.start)._replace(literals=literals)
    if node.kind == "list":
        style = style._replace(gap=max(dash_gap(document, beside), dash_gap(document, first)) or style.gap)
    printed = style.entry_lines(step.name, value, column) if node.kind == "map" else style.item_lines(value, column)
    if index:
        place = tail(document, node.entries[index - 1].end, column)
        head = text[:place]
        last = _last(node.entries[index - 1].node)
        if place == len(text) and last.is_block_scalar and isinstance(last.value, str) and last.value[-1:] != "\n":
            # The text's last line has no end, which this block would get now.
            head = f"{text[: last.body + 1]}-{text[last.body + 1 :].lstrip('+-')}"
        newline = lines.newline(place)
        yield head + newline + newline.join(printed) + text[place:]
        return
    if lines.leads(first.start):
        # What stands above a map's first key may be about the whole file.
        above = node.kind == "list"
        start = (
            comments_above(document, first.start, column, node.start if node.anchor else 0) if above else first.start
        )
        place = lines.start(start)
        yield text[:place] + newline.join(printed) + newline + text[place:]
    between = newline + " " * column
    yield text[: first.start] + newline.join(printed).lstrip(" ") + between + text[first.start :]


def _last(node: Node) -> Node:
    """Give the last scalar of a value."""
    while node.entries:
        node = node.entries[-1].node
    return node


def comments_above(document: Document, start: int, column: int, limit: int) -> int:
    """Give where the comment lines begin that stand right above a place at its column; no further up than a limit."""
    text, lines = document.text, document.lines
    number = lines.number(start)
    while number and lines.starts[number - 1] >= limit:
        line = text[lines.starts[number - 1] : lines.stops[number - 1]]
        if not line[column:].startswith("#") or line[:column].strip(" "):
            break
        number -= 1
    return lines.starts[number]


def _remove(document: Document, chain: tuple[Node, ...], indices: tuple[int, ...]) -> Iterator[str]:
    """Take an entry out of a block map or list, with its comments."""
    text, lines, node = document.text, document.lines, chain[-1]
    index = indices[-1]
    entry = node.entries[index]
    column = lines.column(entry.start)
    stop = tail(document, entry.end, column)
    if len(node.entries) == 1:
        yield from _empty(document, chain, indices, entry, stop)
        return
    if not lines.leads(entry.start):
        following = lines.next(stop)
        while following < len(text) and text[following] in " \t\r\n":
            following += 1
        yield text[: entry.start] + text[following:]
        return
    start = _removed_from(document, chain, index, column)
    yield _without_lines(document, start, stop)
    # A block before it that keeps its empty lines would take those that follow.
    end = lines.next(stop)
    while end < len(text) and not text[end : lines.stop(end)].strip(" "):
        end = lines.next(end)
    yield text[:start] + text[end:]


def _removed_from(document: Document, chain: tuple[Node, ...], index: int, column: int) -> int:
    """Give where the lines of an entry begin with the comments above it; those that open the text stay."""
    node, lines = chain[-1], document.lines
    entry = node.entries[index]
    limit = node.entries[index - 1].end + 1 if index else (node.start if node.start < entry.start else 0)
    start = comments_above(document, entry.start, column, limit)
    opens = len(chain) == 1 and index == 0
    return lines.start(entry.start) if opens else start


def _without_lines(document: Document, start: int, stop: int) -> str:
    """Cut lines out; the text ends with or without a line end, as it did."""
    text, lines = document.text, document.lines
    if stop == len(text) and start:
        return text[: lines.stops[lines.number(start) - 1]]
    return text[:start] + text[lines.next(stop) :]


def _empty(
    document: Document, chain: tuple[Node, ...], indices: tuple[int, ...], entry: Entry, stop: int
) -> Iterator[str]:
    """Take the only entry out: `{}` or `[]` stays."""
    text, lines, node = document.text, document.lines, chain[-1]
    brackets = "{}" if node.kind == "map" else "[]"
    if len(chain) == 1 or not lines.leads(entry.start):
        yield text[: entry.start] + brackets + text[stop:]
        return
    spot = Spot.of(document, chain, indices[:-1])
    start = _removed_from(document, chain, 0, lines.column(entry.start))
    after = max(start, lines.next(spot.stem))
    whole = _without_lines(document, after, stop)
    yield f"{whole[: spot.stem]} {brackets}{whole[spot.stem :]}"
