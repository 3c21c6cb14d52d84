"""What comes out of a template rendered over symbols: text with marks, read back as a tree of text, prints and blocks.

The tree is pruned of what does nothing, and can be taken apart by the conditions that stand around it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

#: Round the number of a mark in rendered text.
MARK_START, MARK_END = "\ue000", "\ue001"
MARK = re.compile(f"{MARK_START}(\\d+){MARK_END}")

Place = tuple[Any, int]


class Mark(NamedTuple):
    """What stands at a place in rendered text, and the compiled template and Python line that put it there."""

    kind: Literal["print", "yaml", "fail", "if", "range", "indent", "else", "end"]
    go: str = ""
    value: Any = None
    whole: bool = False
    width: int = 0
    first: bool = False
    place: Place | None = None


class Marks:
    """The marks of one compilation, by number."""

    def __init__(self) -> None:
        """Start empty."""
        self._all: list[Mark] = []

    def add(self, mark: Mark) -> str:
        """Keep a mark; give the text that stands for it."""
        self._all.append(mark)
        return f"{MARK_START}{len(self._all) - 1}{MARK_END}"

    def read(self, text: str) -> list[Node]:
        """Read rendered text back: a tree of text, prints and blocks."""
        parts = MARK.split(text)
        items: list[str | Mark] = [self._all[int(part)] if number % 2 else part for number, part in enumerate(parts)]
        return _nodes(iter(items))[0]


class Print(NamedTuple):
    """An action that prints: a scalar, a tree (``yaml``) or a rule's message (``fail``)."""

    mark: Mark


class Block(NamedTuple):
    """An `if`, a `range` or indented text."""

    mark: Mark
    body: list[Node]
    other: list[Node]


Node = str | Print | Block


def _nodes(items: Iterator[str | Mark]) -> tuple[list[Node], str]:
    """Read nodes up to the end of their block, or a turn to its other body; say which."""
    found: list[Node] = []
    for item in items:
        if isinstance(item, str):
            if item:
                found.append(item)
        elif item.kind in ("else", "end"):
            return found, item.kind
        elif item.kind in ("if", "range", "indent"):
            body, ending = _nodes(items)
            other = _nodes(items)[0] if ending == "else" else []
            found += _pruned(Block(item, body, other))
        else:
            found.append(Print(item))
    return found, "end"


def _pruned(block: Block) -> list[Node]:
    """Leave out what does nothing: a block with nothing in it, a body that is empty beside one that isn't."""
    mark, body, other = block
    if not body and not other:
        return []
    if mark.kind == "if" and not body:
        return [block_if(_negated(mark.go), other, mark)]
    if mark.kind == "if" and not other and len(body) == 1:
        inner = body[0]
        if isinstance(inner, Block) and inner.mark.kind == "if" and not inner.other:
            return [block_if(_both(mark.go, inner.mark.go), inner.body, mark)]
    return [block]


def block_if(go: str, body: list[Node], mark: Mark | None = None) -> Block:
    """Put nodes under a condition, an expression of Go templates."""
    inner = body[0] if len(body) == 1 else None
    if isinstance(inner, Block) and inner.mark.kind == "if" and not inner.other:
        return Block(inner.mark._replace(go=_both(go, inner.mark.go)), inner.body, [])
    return Block((mark or Mark("if"))._replace(go=go), body, [])


def alternatives(nodes: Sequence[Node]) -> list[tuple[tuple[str, ...], list[Node]]]:
    """Take a whole text apart by the conditions that stand around it: which must all hold, and what there is then."""
    inner = [node for node in nodes if not isinstance(node, str) or node.strip()]
    block = inner[0] if len(inner) == 1 else None
    if not isinstance(block, Block) or block.mark.kind != "if":
        return [((), list(nodes))] if inner else []
    asked = _conjuncts(block.mark.go)
    found = [((*asked, *more), body) for more, body in alternatives(block.body)]
    denied = (_negated(block.mark.go),)
    return found + [((*denied, *more), body) for more, body in alternatives(block.other)]


#: Helm trims white space at both ends of each document it has rendered, some of which may belong to a string.
_CLOSING = "# The end, for Helm to trim: white space above may be part of a string.\n"


def closed(nodes: Sequence[Node]) -> list[Node]:
    """Let no document end in a tree of values, whose last line may be a string that ends in white space."""
    found = list(nodes)
    last = next((number for number in range(len(found) - 1, -1, -1) if not _is_blank(found[number])), None)
    if last is None:
        return found
    node = found[last]
    if isinstance(node, Block) and (node.mark.kind == "indent" or _begins_document(node)):
        found[last] = node._replace(body=closed(node.body))
    elif _ends_in_tree(node):
        found[last + 1 :] = [] if isinstance(node, Block) else ["\n"]
        found.append(_CLOSING)
    return found


def _is_blank(node: Node) -> bool:
    return isinstance(node, str) and not node.strip()


def _begins_document(block: Block) -> bool:
    """Say whether each round of a loop begins a document of its own."""
    first = block.body[0] if block.body else None
    return block.mark.kind == "range" and isinstance(first, str) and first.lstrip().startswith("---")


def _ends_in_tree(node: Node) -> bool:
    if isinstance(node, Print):
        return node.mark.kind == "yaml" and bool(node.mark.go)
    if isinstance(node, str):
        return False
    bodies = ([one for one in body if not _is_blank(one)] for body in (node.body, node.other))
    return any(_ends_in_tree(body[-1]) for body in bodies if body)


def all_of(conditions: Sequence[str]) -> str:
    """Spell in Go that conditions hold together; nothing for none."""
    return _joined("and", conditions)


def any_of(conditions: Sequence[str]) -> str:
    """Spell in Go that one of some conditions holds."""
    return _joined("or", conditions)


def _joined(word: str, conditions: Sequence[str]) -> str:
    return " ".join([word, *map(_argument, conditions)]) if len(conditions) > 1 else "".join(conditions)


def _negated(go: str) -> str:
    return go.removeprefix("not ") if re.fullmatch(r"not [^ ]+", go) else f"not {_argument(go)}"


def _both(one: str, other: str) -> str:
    return all_of([*_conjuncts(one), *_conjuncts(other)])


def _conjuncts(go: str) -> tuple[str, ...]:
    """Give the parts of a condition that must all hold: the arguments of ``and``, or the condition itself."""
    if not go.startswith("and "):
        return (go,)
    found: list[str] = []
    rest = go.removeprefix("and ")
    while rest:
        end = _argument_end(rest)
        part = rest[:end]
        found.append(part[1:-1] if part.startswith("(") and part.endswith(")") else part)
        rest = rest[end:].lstrip()
    return tuple(found)


_TOKEN = re.compile(r"""[()]|"(?:[^"\\]|\\.)*"|`[^`]*`|\s+|[^\s()"`]+""")


def _argument_end(go: str) -> int:
    """Give the place where the first argument ends."""
    depth = 0
    for token in _TOKEN.finditer(go):
        if token[0].isspace() and not depth:
            return token.start()
        depth += (token[0] == "(") - (token[0] == ")")
    return len(go)


def _argument(go: str) -> str:
    return f"({go})" if " " in go else go
