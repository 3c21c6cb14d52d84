"""The Jinja environment: the text of a template for a value tree, and the violations of the rules.

The language is the one of docs/templates.md. Where Jinja itself is laxer (an unknown key, ``"80" == 80``, a loop over
the keys of a map), it is held to that language here, because a Helm template made from the same text would differ.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from jinja2.exceptions import TemplateSyntaxError
from jinja2.runtime import Context

from generator.cache import CodeCache
from generator.errors import GeneratorError, Location, Problem
from generator.functions import BLOCK_END, BLOCK_NEWLINE, BLOCK_START, Violation
from generator.render.environment import TemplateEnvironment
from generator.render.loading import Lookup, TemplateError, TemplateLoader, TemplateText

__all__ = ["Renderer", "TemplateError", "TemplateText", "Violation", "language_problems"]


class Renderer:
    """Renders templates by name; keeps what it has compiled, so one serves many value trees."""

    def __init__(
        self,
        templates: Mapping[str, TemplateText] | Lookup,
        cache: CodeCache | None = None,
        optional: frozenset[str] = frozenset(),
    ) -> None:
        """Take the templates, includes among them, the cache for their compiled form, and the optional keys' names."""
        lookup = templates.get if isinstance(templates, Mapping) else templates
        self._loader = TemplateLoader(lookup, cache)
        self._environment = TemplateEnvironment(self._loader, optional)
        self._names = dict(self._environment.globals)

    def render(self, name: str, tree: Mapping[str, object]) -> str:
        """Return the text of the template ``name`` for the value tree; its line ends are LF.

        Raises TemplateError with the template's file and line.
        """
        violations: list[Violation] = []
        text = self._text(name, tree, violations)
        if violations:
            first = violations[0]
            location = Location(self._loader.source_of(name))
            raise TemplateError(Problem(first.message, location, first.path), [first.path])
        return text

    def violations(self, names: Sequence[str], tree: Mapping[str, object]) -> list[Violation]:
        """Return every ``fail`` that the rule files ``names`` reach, in order.

        Raises TemplateError when a rule file can't be rendered or prints something else.
        """
        found: list[Violation] = []
        for name in names:
            text = self._text(name, tree, found).strip()
            if text:
                location = Location(self._loader.source_of(name))
                raise TemplateError(Problem("a rule file prints nothing but `fail`", location, found=text[:80]))
        return found

    def _text(self, name: str, tree: Mapping[str, object], violations: list[Violation]) -> str:
        environment = self._environment
        environment.reached = violations
        try:
            template = environment.get_template(name)
            context = Context(environment, {**self._names, "values": tree}, name, template.blocks)
            text = "".join(template.root_render_func(context))
        except GeneratorError:
            raise
        except Exception as error:  # templates are input: whatever they set off is told as a problem of theirs
            from generator.render.explain import explained

            problem, paths = explained(error, name, tree, self._loader.sources)
            raise TemplateError(problem, paths) from error
        if BLOCK_START not in text:
            return text
        text, misplaced = laid_out(text)
        if misplaced is not None:
            from generator.render.explain import misplaced_block

            raise TemplateError(misplaced_block(misplaced, name, self._loader.sources))
        return text


def language_problems(name: str, text: str) -> list[Problem]:
    """Return what in a template's text is not part of the language of docs/templates.md, with the remedy.

    Raises TemplateError when the text isn't even Jinja.
    """
    from generator.render.explain import explained
    from generator.render.language import problems_in

    environment = TemplateEnvironment(TemplateLoader(lambda _: None, None), frozenset())
    try:
        tree = environment.parse(text, name)
    except TemplateSyntaxError as error:
        problem, paths = explained(error, name, {}, {name: TemplateText(name, text, name)})
        raise TemplateError(problem, paths) from error
    return problems_in(tree, name, text)


_BLOCK = re.compile(rf"^( *(?:- +)*){BLOCK_START}([^{BLOCK_START}{BLOCK_END}]*){BLOCK_END} *$", re.MULTILINE)


def laid_out(text: str) -> tuple[str, str | None]:
    """Move the lines of each printed block to the column where it begins; also return a line where none may stand."""

    def block(match: re.Match[str]) -> str:
        first, *others = match[2].split(BLOCK_NEWLINE)
        margin = "\n" + " " * len(match[1])
        return match[1] + first + "".join(margin + line if line else "\n" for line in others)

    if text.endswith(BLOCK_END):
        text += "\n"  # a literal string at the end of the block may need it
    done = _BLOCK.sub(block, text)
    misplaced = next((line for line in done.split("\n") if BLOCK_START in line), None) if BLOCK_START in done else None
    return done, misplaced
