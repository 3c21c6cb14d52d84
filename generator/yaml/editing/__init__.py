"""Change single values in a YAML text, and leave every other byte as it is.

    lines    where lines and tokens begin
    nodes    a document as nodes that know their place in the text
    print    new values in the style of the text around them
    scalars  a new scalar spelled the way the old one is
    spots    where a block's value stands, and what stands around it
    splice   one change in block style: the texts that could come of it
    flow     the same between brackets, and in JSON
    anchors  values that several places share
    spelling how a scalar is written, for one that goes elsewhere
    shared   one change of a value for all places that share it
    plan     what to change first, so that a tree becomes another one

ruamel.yaml's round trip loses blanks, line ends and alignment. So the text is cut where the parser's marks say. No text
leaves this module that doesn't read as the old values with the changes made.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from generator.errors import InputError, Location, Problem, ValuePath, dotted
from generator.yaml.editing.anchors import moved, needed_move, unmerged
from generator.yaml.editing.nodes import Document, Node, Step, document
from generator.yaml.editing.plan import next_step, result, same
from generator.yaml.editing.splice import candidates
from generator.yaml.lenient import STAND_IN, load_text, restored
from generator.yaml.reading import load_documents


class _Remove:
    """The type of ``REMOVE``."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "REMOVE"


#: The value of a change that takes an entry out.
REMOVE: Final = _Remove()

# More steps than this for one change mean that it doesn't come to an end.
_MOST_STEPS = 10_000


class Change(NamedTuple):
    """A value to set or to take out.

    ``document`` counts the documents as ``load_documents`` gives them. The path's last part names a key, or an item by
    its index; the index after the last one appends. The value is a tree of plain values, or ``REMOVE``.
    """

    document: int
    path: ValuePath
    value: object


def edited(text: str, source: str, changes: Sequence[Change]) -> str:
    """Give a YAML or JSON text with changes made, one after another; a later one sees what an earlier one did.

    Comments, order, quotes, anchors, indentation and line ends stay, and so does all that no change concerns. Where a
    value is shared by aliases, only the place that the path names changes. What doesn't exist yet is made: maps, or a
    list where the next part of the path is 0. Taking out what isn't there changes nothing. ``source`` is the text's
    name in problems; JSON is recognised by what is there, an empty one by a name in ``.json``.

    Raises:
        InputError: the text can't be read; the document isn't there; the path leads through a scalar, past the end of
            a list, or to a key of a list; or the text is written in a way that no edit fits without losing a comment.
    """
    mark = text[: text.startswith("\ufeff")]
    text = text[len(mark) :]
    values, readable = load_text(text, source)
    if readable is not text:
        return mark + _edited_leniently(readable, source, changes)
    for change in changes:
        index, path, value = change
        if not 0 <= index < len(values):
            found = f"{len(values)} document{'' if len(values) == 1 else 's'}"
            raise InputError(Problem(f"there is no document {index + 1}", Location(source), dotted(path), found=found))
        try:
            wanted = changed(values[index], path, value)
        except InputError as error:
            place = _location(document(text, index), path, source)
            raise InputError(problem._replace(location=place) for problem in error.problems) from None
        text = _Editor(text, source, values, index, path).become(wanted)
        values[index] = wanted
    return mark + text


def ended_as(old: str, text: str, source: str) -> str:
    """Give a text as an old one ends: without the last line end that edits gave it, if it reads the same without.

    So a string that is a block scalar keeps its header.
    """
    shorter = text.removesuffix("\n").removesuffix("\r")
    if shorter == text or old.endswith(("\n", "\r")) or not old.strip():
        return text
    try:
        values = load_documents(text, source, any_keys=True)
    except InputError:
        return text
    return shorter if _reads_as(shorter, source, values) else text


def _edited_leniently(readable: str, source: str, changes: Sequence[Change]) -> str:
    """Change a text that Kubernetes reads and our parser doesn't, in the form that it reads."""
    new = readable
    for change in changes:
        tree = load_documents(new, source, any_keys=True)[change.document]
        new = edited(new, source, [change._replace(path=_as_written(tree, change.path))])
    written = new.replace(STAND_IN, ":")
    if load_text(written, source)[0] != restored(load_documents(new, source, any_keys=True)):
        raise InputError(Problem("this can't be changed here", Location(source), hint="change it by hand"))
    return written


def _as_written(tree: object, path: ValuePath) -> ValuePath:
    """Spell a path with the keys as a tree has them: with stand-ins for colons, where the text has some."""
    found: list[str | int] = []
    for part in path:
        if isinstance(tree, dict):
            spelled = part if part in tree else next((key for key in tree if restored(key) == part), part)
            found.append(spelled)
            tree = tree.get(spelled)
        else:
            found.append(part)
            tree = tree[part] if isinstance(tree, list) and isinstance(part, int) and part < len(tree) else None
    return tuple(found)


def changed(tree: object, path: ValuePath, value: object) -> object:
    """Give a tree with a value set, or taken out by ``REMOVE``; what changes is copied, the rest shared.

    Raises:
        InputError: the path doesn't fit the tree (without a location).
    """
    return _changed(tree, path, value, path)


def _changed(tree: object, path: ValuePath, value: object, whole: ValuePath) -> object:
    if not path:
        if value is REMOVE or (tree is not None and value is None and not whole):
            raise InputError(Problem("a whole document can't be taken out"))
        return value
    part, rest = path[0], path[1:]
    if tree is None:
        if value is REMOVE:
            return tree
        tree = {} if isinstance(part, str) else []
    if isinstance(tree, dict) and isinstance(part, str):
        if value is REMOVE and (part not in tree or not rest):
            return {key: item for key, item in tree.items() if key != part}
        return {**tree, part: _changed(tree.get(part), rest, value, whole)}
    if isinstance(tree, list) and isinstance(part, int) and 0 <= part <= len(tree):
        if value is REMOVE and (part == len(tree) or not rest):
            return tree[:part] + tree[part + 1 :]
        inner = _changed(tree[part] if part < len(tree) else None, rest, value, whole)
        return [*tree[:part], inner, *tree[part + 1 :]]
    if value is REMOVE and not isinstance(part, str):
        return tree
    raise _misfit(tree, part, whole)


def _misfit(tree: object, part: str | int, whole: ValuePath) -> InputError:
    # A scalar isn't shown: it may be a secret.
    kinds = {dict: "a map", str: "a string", bool: "a boolean"}
    found = f"a list of {len(tree)}" if isinstance(tree, list) else kinds.get(type(tree), "a number")
    expected = f"a map, for the key `{part}`" if isinstance(part, str) else f"a list that has or can get item {part}"
    return InputError(Problem("can't be changed here", None, dotted(whole), found, expected))


def _location(doc: Document, path: ValuePath, source: str) -> Location:
    """Give where the deepest value stands that exists on a path."""
    node = doc.root
    for part in path:
        names = {entry.name: entry.node for entry in node.entries} if node.kind == "map" else None
        if names is not None and part in names:
            node = names[str(part)]
        elif isinstance(part, int) and node.kind == "list" and part < len(node.entries):
            node = node.entries[part].node
        else:
            break
    return Location(source, doc.lines.number(node.start) + 1, doc.lines.column(node.start) + 1)


class _Editor:
    """Turns one document of a text into another, step by step."""

    __slots__ = ("index", "path", "source", "text", "values")

    def __init__(self, text: str, source: str, values: list[object], index: int, path: ValuePath) -> None:
        """Take a text and its values, and which document to change; the path is the one that errors name."""
        self.text = text
        self.source = source
        self.values = list(values)
        self.index = index
        self.path = path

    def become(self, wanted: object) -> str:
        """Take step after step until the document reads as wanted; give the text."""
        for _ in range(_MOST_STEPS):
            if same(self.values[self.index], wanted):
                return self.text
            doc = document(self.text, self.index)
            step = next_step(doc, wanted)
            move = needed_move(doc, step)
            if move is not None:
                if not self.take(doc, moved(doc, move, self.source), self.values[self.index]):
                    raise self.refusal(doc)
                continue
            texts = unmerged(doc, step, self.source) if step.action == "unmerge" else candidates(doc, step, self.source)
            if not self.take(doc, texts, result(doc.root, step)) and not self.take_bluntly(doc, step, wanted):
                raise self.refusal(doc)
        raise InputError(Problem("this change takes too many steps", Location(self.source), dotted(self.path)))

    def take(self, doc: Document, texts: Iterable[str], expected: object) -> bool:
        """Take the first of some texts that reads as expected; say whether there is one."""
        values = [*self.values[: self.index], expected, *self.values[self.index + 1 :]]
        ending = doc.lines.newline(len(doc.text))
        for text in texts:
            # A block at the end of a text needs a last line end.
            for one in (text,) if text.endswith(("\n", "\r")) else (text, text + ending):
                if _reads_as(one, self.source, values):
                    self.text, self.values = one, values
                    return True
        return False

    def take_bluntly(self, doc: Document, step: Step, wanted: object) -> bool:
        """Print anew what stands around a step, as long as that holds no comment."""
        for level in range(len(step.chain) - (step.action == "replace"), 0, -1):
            chain = step.chain[:level]
            part = _part(chain, step.indices, wanted)
            if part is None or doc.has_comment(chain[-1].start, chain[-1].end):
                return False
            whole = Step("replace", chain, step.indices[: level - 1], part)
            if needed_move(doc, whole) is None and self.take(
                doc, candidates(doc, whole, self.source), result(doc.root, whole)
            ):
                return True
        return False

    def refusal(self, doc: Document) -> InputError:
        """Say that no edit fits."""
        message = "can't be changed without losing a comment, or is written in a way that isn't understood"
        place = _location(doc, self.path, self.source)
        return InputError(Problem(message, place, dotted(self.path), hint="edit this place by hand"))


def _part(chain: tuple[Node, ...], indices: tuple[int, ...], wanted: object) -> object:
    """Give what is wanted of the last node of a chain."""
    for node, index in zip(chain, indices[: len(chain) - 1], strict=False):
        if isinstance(wanted, dict):
            wanted = wanted.get(node.entries[index].name)
        elif isinstance(wanted, list) and index < len(wanted):
            wanted = wanted[index]
        else:
            return None
    return wanted


def _reads_as(text: str, source: str, expected: list[object]) -> bool:
    try:
        return same(load_documents(text, source, any_keys=True), expected)
    except InputError:
        return False
