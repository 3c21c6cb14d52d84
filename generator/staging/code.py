"""Jinja's code generator for symbols: every body runs once, and conditions and loops are sent through the environment.

An `if` or `for` becomes: ask the environment for a branch or loop, write what it opens with, run the body if it takes
one, write what stands between, run the other body if it takes one, write what it closes with. No body is copied.
"""

# ruff: noqa: D102, N802  # Jinja's own methods, by its names

from __future__ import annotations

from collections.abc import Sequence

from jinja2 import nodes
from jinja2.compiler import CodeGenerator, Frame

from generator.render.environment import Code


class SymbolicCode(Code):
    """Runs each body once, whatever the condition, and lets the environment decide what to leave behind."""

    def visit_If(self, node: nodes.If, frame: Frame) -> None:
        branches: list[tuple[nodes.Node, list[nodes.Node]]] = [
            (node.test, node.body),
            *((other.test, other.body) for other in node.elif_),
        ]
        self._branch(branches, node.else_, frame.soft(), node)

    def _branch(
        self,
        branches: Sequence[tuple[nodes.Node, list[nodes.Node]]],
        other: list[nodes.Node],
        frame: Frame,
        node: nodes.If,
    ) -> None:
        if not branches:
            self.blockvisit(other, frame)
            return
        test, body = branches[0]
        branch = self.temporary_identifier()
        self.writeline(f"{branch} = environment.branch(", node)
        self.visit(test, frame)
        self.write(")")
        self.simple_write(f"{branch}.begin()", frame)
        self.writeline(f"if {branch}.takes_body:")
        self.indent()
        self.blockvisit(body, frame)
        self.outdent()
        self.simple_write(f"{branch}.turn()", frame)
        self.writeline(f"if {branch}.takes_other:")
        self.indent()
        self.writeline("pass")
        self._branch(branches[1:], other, frame, node)
        self.outdent()
        self.simple_write(f"{branch}.close()", frame)

    def visit_For(self, node: nodes.For, frame: Frame) -> None:
        loop, items = self.temporary_identifier(), self.temporary_identifier()
        names = tuple(
            name.name for name in (node.target, *node.target.find_all(nodes.Name)) if isinstance(name, nodes.Name)
        )
        self.writeline(f"{loop} = environment.loop({names!r}, ", node)
        self.visit(node.iter, frame)
        self.write(")")
        self.simple_write(f"{loop}.begin()", frame)
        self.writeline(f"{items} = {loop}.items")
        other, node.else_ = node.else_, []
        node.iter = _internal_name(items, node.lineno)
        CodeGenerator.visit_For(self, node, frame)
        self.simple_write(f"{loop}.turn()", frame)
        if other:
            node.else_ = other
            inner = frame.inner()
            inner.symbols.analyze_node(node, for_branch="else")
            self.writeline(f"if {loop}.takes_other:")
            self.indent()
            self.enter_frame(inner)
            self.blockvisit(other, inner)
            self.leave_frame(inner)
            self.outdent()
        self.simple_write(f"{loop}.close()", frame)

    def visit_And(self, node: nodes.BinExpr, frame: Frame) -> None:
        self._lazily("both", node, frame)

    def visit_Or(self, node: nodes.BinExpr, frame: Frame) -> None:
        self._lazily("either", node, frame)

    def _lazily(self, method: str, node: nodes.BinExpr, frame: Frame) -> None:
        self.write(f"environment.{method}(")
        self.visit(node.left, frame)
        self.write(", lambda: ")
        self.visit(node.right, frame)
        self.write(")")

    def visit_Not(self, node: nodes.UnaryExpr, frame: Frame) -> None:
        self.write("environment.negated(")
        self.visit(node.node, frame)
        self.write(")")

    def visit_CondExpr(self, node: nodes.CondExpr, frame: Frame) -> None:
        frame = frame.soft()
        self.write("environment.choice(")
        self.visit(node.test, frame)
        self.write(", lambda: ")
        self.visit(node.expr1, frame)
        self.write(", lambda: ")
        if node.expr2 is None:
            self.write("undefined()")
        else:
            self.visit(node.expr2, frame)
        self.write(")")


def _internal_name(name: str, line: int) -> nodes.InternalName:
    node = object.__new__(nodes.InternalName)
    nodes.Node.__init__(node, name, lineno=line)
    return node
