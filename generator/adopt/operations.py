"""JSON 6902 operations of a patch: what keeps them from changing another element than the one meant, their comments."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from generator.adopt.comments import Comments, worded
from generator.errors import ValuePath
from generator.intake.document import as_map

Tree = dict[str, Any]

_GUARD = "These change nothing: they fail where a list isn't as it was read, for what follows counts its elements."
_NAMES = ("name", "mountPath", "job_name")


def guarded(operations: Sequence[Tree], base: Tree) -> list[Tree]:
    """Put tests in front of operations that count elements of lists of ``base``: that these are the ones meant.

    A test of RFC 6902 fails, and the build with it, where a value differs.
    """
    tests: dict[str, Tree] = {}
    for operation in operations:
        for pointer, value in _counted(operation["path"], base):
            tests.setdefault(pointer, {"op": "test", "path": pointer, "value": value})
    return [*tests.values(), *operations]


def _counted(pointer: str, base: Any) -> Iterator[tuple[str, Any]]:
    """Give the elements of lists that a pointer counts: what tells each of them, and where that stands."""
    inner = ""
    for token in pointer.split("/")[1:]:
        inner = f"{inner}/{token}"
        if isinstance(base, list):
            if token == "-" or int(token) >= len(base):  # noqa: S105  # a token of a JSON pointer
                return
            base = base[int(token)]
            key = next((key for key in _NAMES if isinstance(as_map(base).get(key), str)), "")
            yield (f"{inner}/{key}", base[key]) if key else (inner, base)
        else:
            base = as_map(base).get(token.replace("~1", "/").replace("~0", "~"))


def adds_whole(operations: Sequence[Tree]) -> bool:
    """Say whether a map or a list is added to a map: it would replace one that is there by then."""
    return any(
        operation["op"] == "add"
        and isinstance(operation["value"], (dict, list))
        and not operation["path"].rpartition("/")[2].removeprefix("-").isdecimal()
        and not operation["path"].endswith("/-")
        for operation in operations
    )


def _is_guard(operation: Tree) -> bool:
    return bool(operation["op"] == "test")


def commented(operations: Sequence[Tree], base: Tree, comments: Comments) -> Comments:
    """Give comments their places in operations; the first guard gets one that says what it is for."""
    found: dict[ValuePath, tuple[str, ...]] = {(0,): worded(_GUARD)} if _is_guard(operations[0]) else {}
    for index, operation in enumerate(operations):
        if _is_guard(operation):
            continue
        start = _path_of(operation["path"], base)
        for path, comment in comments.items():
            if path == start:
                found[(index,)] = comment
            elif path[: len(start)] == start and operation["op"] != "remove":
                found[(index, "value", *path[len(start) :])] = comment
    return found


def _path_of(pointer: str, base: Any) -> ValuePath:
    """Read a JSON pointer (RFC 6901); ``-`` is the element after a list's last."""
    path: list[str | int] = []
    for token in pointer.split("/")[1:]:
        step: str | int = token.replace("~1", "/").replace("~0", "~")
        if isinstance(base, list):
            step = len(base) if step == "-" else int(step)
            base = base[step] if step < len(base) else None
        else:
            base = as_map(base).get(str(step))
        path.append(step)
    return tuple(path)
