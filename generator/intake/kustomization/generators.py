"""The ConfigMaps and Secrets that a kustomization generates, without the hash that kustomize adds to their names."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from generator.errors import ValuePath
from generator.intake.document import Document, Text, as_list, as_map
from generator.intake.kustomization.item import Item, Tree
from generator.intake.kustomization.strategic import PatchError


class Files(NamedTuple):
    """A kustomization, and what gives the bytes of a file that it names, and that file's name as the user knows it."""

    document: Document
    read: Callable[[str], bytes]
    shown: Callable[[str], str]


class _Entry(NamedTuple):
    """One key of the generated data: its bytes, where the kustomization says so, and the file that they are from."""

    key: str
    content: bytes
    said: ValuePath
    file: str = ""


def generate(items: list[Item], kind: str, entry: Tree, said: ValuePath, files: Files) -> None:
    """Add what an entry of `configMapGenerator` or `secretGenerator` generates, or merge it with what is there.

    Raises:
        PatchError: the entry can't be used, so that kustomize fails too.
        InputError: a file that it names can't be read.
    """
    document = files.document
    options = _options(document.tree.get("generatorOptions"), entry.get("options"))
    metadata: Tree = {"name": str(entry.get("name") or "")}
    if entry.get("namespace"):
        metadata["namespace"] = entry["namespace"]
    metadata |= {key: options[key] for key in ("labels", "annotations") if options.get(key)}
    tree: Tree = {"apiVersion": "v1", "kind": kind, "metadata": metadata}
    if kind == "Secret":
        tree["type"] = entry.get("type") or "Opaque"
    if options.get("immutable"):
        tree["immutable"] = True
    item = Item(tree, document, said, {})
    for one in _entries(entry, said, files):
        _add(item, one, files)
    behavior = str(entry.get("behavior") or "create")
    if behavior == "create":
        items.append(item)
        return
    old = next((other for other in items if other.identity == item.identity), None)
    if old is None or behavior not in {"merge", "replace"}:
        raise PatchError(f"there is no {kind} {metadata['name']} to {behavior}")
    _combine(old, item, keep=behavior == "merge")


def _options(common: Any, own: Any) -> Tree:
    common, own = as_map(common), as_map(own)
    merged = {key: {**as_map(common.get(key)), **as_map(own.get(key))} for key in ("labels", "annotations")}
    return {**common, **own, **merged}


def _add(item: Item, entry: _Entry, files: Files) -> None:
    try:
        text: str | None = entry.content.decode("utf-8")
    except UnicodeDecodeError:
        text = None
    if item.identity.kind == "Secret" or text is None:
        key = "data" if item.identity.kind == "Secret" else "binaryData"
        item.put((key, entry.key), base64.b64encode(entry.content).decode(), files.document, entry.said)
    else:
        item.put(("data", entry.key), text, files.document, entry.said)
    if entry.file and text is not None:
        item.files["data", entry.key] = Text(text, files.shown(entry.file))


def _combine(old: Item, new: Item, *, keep: bool) -> None:
    """Put generated data over that of an object, or in its place."""
    tree: Tree = {**old.tree, **{key: new.tree[key] for key in ("type", "immutable") if key in new.tree}}
    for key in ("data", "binaryData"):
        data: Tree = {**as_map(old.tree.get(key))} if keep else {}
        data |= new.tree.get(key, {})
        tree = {**tree, key: data} if data else {name: value for name, value in tree.items() if name != key}
    metadata = dict(as_map(old.tree["metadata"]))
    for key in ("labels", "annotations"):
        if new.tree["metadata"].get(key):
            metadata[key] = {**as_map(metadata.get(key)), **new.tree["metadata"][key]}
    old.change({**tree, "metadata": metadata})
    old.layers += new.layers[1:]
    old.files = {path: text for path, text in old.files.items() if keep and path not in new.files} | new.files


def _entries(entry: Tree, said: ValuePath, files: Files) -> Iterator[_Entry]:
    for number, literal in enumerate(_list(entry, "literals")):
        key, equals, value = literal.partition("=")
        if not equals:
            raise PatchError(f"the literal {key} has no value")
        yield _Entry(key, _unquoted(value).encode(), (*said, "literals", number))
    for number, name in enumerate(_list(entry, "files")):
        key, equals, path = name.partition("=")
        path = path if equals else name
        yield _Entry(key if equals else name.rpartition("/")[2], files.read(path), (*said, "files", number), path)
    environments = _list(entry, "envs") + ([str(entry["env"])] if entry.get("env") else [])
    for number, path in enumerate(environments):
        for line in files.read(path).decode("utf-8", "replace").removeprefix("\ufeff").splitlines():
            key, equals, value = line.lstrip().partition("=")
            if equals and not key.startswith("#"):
                yield _Entry(key, value.encode(), (*said, "envs", number))


def _list(entry: Tree, key: str) -> list[str]:
    return [str(item) for item in as_list(entry.get(key))]


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"" else value
