"""One of an environment's merged values, without merging the others."""

from __future__ import annotations

from collections.abc import Mapping

from generator.values import merge_layers
from generator.workspace import Workspace


def merged_value(workspace: Workspace, name: str, key: str) -> object:
    """Give the value of a key at the top of an environment's merged values; None where there is none.

    Keys at the top don't see each other when layers are merged, so the result is that of merging everything.

    Raises:
        InputError: a layer or the schema can't be read.
    """
    defaults = workspace.schema().defaults()
    layers = [layer._replace(tree=_only(key, layer.tree)) for layer in workspace.environment(name).layers]
    return merge_layers(_only(key, defaults), layers).tree.get(key)


def _only(key: str, tree: Mapping[str, object]) -> dict[str, object]:
    return {key: tree[key]} if key in tree else {}
