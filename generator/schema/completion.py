"""Absent keys made null, so that a template may ask for every key that the schema knows.

The schema is turned into a plan once: which keys an object has, and where below it there is anything to do. A tree is
then completed by walking the plan, not the schema.
"""

from __future__ import annotations

from typing import Any

from generator.schema.document import Document, Node


class Plan:
    """What to do with a value: the keys it must have, and plans for what it holds."""

    __slots__ = ("children", "items", "names", "others")

    def __init__(self) -> None:
        self.names: tuple[str, ...] = ()
        self.children: dict[str, Plan] = {}
        self.others: Plan | None = None
        self.items: Plan | None = None

    def __bool__(self) -> bool:
        return bool(self.names or self.children or self.others is not None or self.items is not None)


def make_plan(document: Document, node: Any, known: dict[int, Plan] | None = None) -> Plan | None:
    """Make the plan of a schema node; None where nothing needs completion. ``known`` ends the loops of `$ref`s."""
    if not isinstance(node, dict):
        return None
    known = {} if known is None else known
    resolved: Node = document.resolve(node)
    if id(resolved) in known:
        return known[id(resolved)]
    plan = known[id(resolved)] = Plan()
    properties = resolved.get("properties", {})
    plan.names = tuple(properties)
    for name, inner in properties.items():
        below = make_plan(document, inner, known)
        if below is not None:
            plan.children[name] = below
    plan.others = make_plan(document, resolved.get("additionalProperties"), known)
    plan.items = make_plan(document, resolved.get("items"), known)
    return plan or None


def complete(value: Any, plan: Plan | None) -> Any:
    """Complete a value by its plan; what was complete is given as it is."""
    if plan is None or not (value or plan.names):
        return value
    if type(value) is dict:
        return _complete_map(value, plan)
    if type(value) is list and plan.items is not None:
        items = [complete(item, plan.items) for item in value]
        return value if all(new is old for new, old in zip(items, value, strict=True)) else items
    return value


def _complete_map(value: Node, plan: Plan) -> Node:
    changed: Node = {}
    for name in plan.names:
        if name not in value:
            changed[name] = None
    for name, below in plan.children.items():
        inner = value.get(name)
        if inner is not None:
            new = complete(inner, below)
            if new is not inner:
                changed[name] = new
    if plan.others is not None:
        for name, inner in value.items():
            if name not in plan.names:
                new = complete(inner, plan.others)
                if new is not inner:
                    changed[name] = new
    return {**value, **changed} if changed else value
