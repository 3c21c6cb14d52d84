"""Edits, and how they are shown."""

from __future__ import annotations

from generator.intake.document import documents_of
from generator.monitoring import Edit
from generator.monitoring.edits import APPEND, REMOVE, snippet

_TEXT = """\
kind: {kind}
spec:
  containers:
  - name: web
    args: [proxy, --a, "1", --b]
    ports:
    - containerPort: 80
"""
_ARGS = ("spec", "containers", 0, "args")


def shown(*edits: tuple[tuple[str | int, ...], object], kind: str = "Pod") -> str:
    (document,) = documents_of(_TEXT.format(kind=kind), "pod.yaml")
    return snippet([Edit(document, path, value) for path, value in edits])


def test_a_list_of_words_is_shown_whole_so_that_nothing_is_lost_with_it():
    head = "spec:\n  containers:\n  - name: web\n    args:\n"
    assert shown(((*_ARGS, 3), "--c")) == f"{head}    - proxy\n    - --a\n    - '1'\n    - --c"
    removed = shown(((*_ARGS, 2), REMOVE), ((*_ARGS, 1), REMOVE), ((*_ARGS, APPEND), "--d"))
    assert removed == f"{head}    - proxy\n    - --b\n    - --d"
    everything = shown(*(((*_ARGS, place), REMOVE) for place in (3, 2, 1, 0)))
    assert everything == "spec:\n  containers:\n  - name: web\n    args: []"


def test_lists_of_maps_are_shown_by_what_tells_their_elements_apart():
    ports = ("spec", "containers", 0, "ports")
    assert shown(((*ports, APPEND), {"containerPort": 81})).endswith("    ports:\n    - containerPort: 81")
    assert shown(((*ports, 0), REMOVE)) == "# remove spec.containers[web].ports[0]"


def test_of_a_list_in_a_secret_only_the_change_is_shown():
    assert "--a" not in shown(((*_ARGS, 3), "--c"), kind="Secret")
