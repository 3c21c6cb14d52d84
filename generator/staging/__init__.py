"""The symbolic stage: a template rendered over symbols, which gives a Helm template.

types         what the schema allows a value to be
symbol        what stands for a value, and how it is spelt in Go
code          Jinja's code generator, which sends conditions and loops through the environment
transform     the environment: Jinja over symbols
nodes         what comes out of it, as a tree
gotemplate    that, laid out as a Go template
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jinja2.runtime import Context

from generator.errors import GeneratorError, Location, Problem
from generator.render.loading import Lookup, TemplateError, TemplateLoader
from generator.schema.document import Node as SchemaNode
from generator.staging.gotemplate import LayoutError, laid_out
from generator.staging.nodes import Marks, Node, all_of, alternatives, any_of, block_if, closed
from generator.staging.symbol import ROOT, StagingError, Symbol, quoted
from generator.staging.transform import SymbolicEnvironment
from generator.staging.types import FILLED_STRING, Types

__all__ = [
    "FILLED_STRING",
    "ROOT",
    "Compiler",
    "Node",
    "Symbol",
    "all_of",
    "alternatives",
    "any_of",
    "block_if",
    "closed",
    "laid_out",
    "quoted",
]


class Compiler:
    """Renders templates to Go templates; keeps what it has compiled."""

    def __init__(self, templates: Lookup, document: SchemaNode, optional: frozenset[str]) -> None:
        """Take the templates, the schema of merged values, and the names of its optional keys."""
        self._loader = TemplateLoader(templates, None)
        self._types = Types(document)
        self._marks = Marks()
        self._environment = SymbolicEnvironment(self._loader, optional, self._types, self._marks)

    def compile(
        self, name: str, replaced: Mapping[str, Any], release: Mapping[str, Any], *, rules: bool = False
    ) -> list[Node]:
        """Give the template ``name`` as nodes of a Go template.

        ``replaced`` gives constants or symbols for values by their names (``values.name``), ``release`` is what
        templates see under that name; only with ``rules`` may the template hold ``fail``.

        Raises:
            TemplateError: what it says can't be said in Go, with the template's file and line.
        """
        environment = self._environment
        environment.replaced, environment.rules = replaced, rules
        environment.known.clear()
        environment.variables.clear()
        values = Symbol(f"{ROOT}.Values", self._types.root, "values")
        try:
            template = environment.get_template(name)
            variables = {**environment.globals, "values": values, "release": release}
            text = "".join(template.root_render_func(Context(environment, variables, name, template.blocks)))
            return self._marks.read(text)
        except GeneratorError:
            raise
        except Exception as error:  # templates are input: whatever they set off is told as a problem of theirs
            from generator.render.explain import explained

            problem, _ = explained(error, name, {}, self._loader.sources)
            hint = (
                " ".join(filter(None, (error.hint, problem.hint))) if isinstance(error, StagingError) else problem.hint
            )
            raise TemplateError(problem._replace(hint=hint)) from error

    def text(self, nodes: Sequence[Node], name: str) -> str:
        """Lay out nodes, all or some of what the template ``name`` gave, as a Go template.

        Raises:
            TemplateError: a Go template can't be laid out so, with the template's file and line.
        """
        try:
            return laid_out(nodes)
        except LayoutError as error:
            raise TemplateError(self._problem(error, error.place, name)) from error

    def _problem(self, error: LayoutError, place: Any, name: str) -> Problem:
        template, line = place or (None, 0)
        if template is None:
            return Problem(str(error), Location(self._loader.source_of(name)), hint=error.hint)
        number = template.get_corresponding_lineno(line)
        source = self._loader.sources.get(template.name)
        found = source.text.splitlines()[number - 1].strip() if source else ""
        return Problem(
            str(error), Location(self._loader.source_of(template.name), number), found=found, hint=error.hint
        )
