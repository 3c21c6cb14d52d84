"""Templates by name: their text, their compiled form from the cache, and what is refused before it is compiled."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, MutableMapping
from types import CodeType
from typing import Any, NamedTuple

import jinja2
from jinja2 import compiler
from jinja2.exceptions import SecurityError, TemplateNotFound

from generator.cache import CodeCache, cache_key
from generator.errors import InputError, Location, Problem
from generator.functions import BLOCK_END, BLOCK_NEWLINE, BLOCK_START
from generator.render import environment


class TemplateText(NamedTuple):
    """A template: its name (``plain/service.yaml.j2``), its text, and its file as the user knows it."""

    name: str
    text: str
    source: str


class TemplateError(InputError):
    """A template that can't be rendered.

    ``value_paths`` are the dotted paths of the values that the failing line names, the likeliest culprit first.
    """

    def __init__(self, problems: Problem | Iterable[Problem], value_paths: Iterable[str] = ()) -> None:
        """Take the problems to show and the paths of the values involved."""
        super().__init__(problems)
        self.value_paths = tuple(value_paths)


Lookup = Callable[[str], TemplateText | None]


class TemplateLoader(jinja2.BaseLoader):
    """Hands out templates by name, from the cache where that has their code."""

    def __init__(self, lookup: Lookup, cache: CodeCache | None) -> None:
        self._lookup = lookup
        self._cache = cache
        self._version: str | None = None
        self.sources: dict[str, TemplateText] = {}

    def source_of(self, name: str) -> str:
        """Return the file of a template that was loaded, as the user knows it."""
        return self.sources[name].source if name in self.sources else name

    def load(
        self,
        environment: jinja2.Environment,
        name: str,
        globals: MutableMapping[str, Any] | None = None,  # noqa: A002, ARG002  # Jinja's own name
    ) -> jinja2.Template:
        """Return the compiled template ``name``; names that lead out of the folders raise SecurityError."""
        if "\\" in name or name.startswith("/") or ".." in name.split("/"):
            raise SecurityError(f"`{name}` leads out of the template folders")
        template = self._lookup(name)
        if template is None:
            raise TemplateNotFound(name)
        self.sources[name] = template
        code = self._code(environment, template)
        return environment.template_class.from_code(environment, code, environment.globals)

    def _code(self, environment: jinja2.Environment, template: TemplateText) -> CodeType:
        key = self._key(template)
        code = self._cache.get(key) if self._cache and key else None
        if code is None:
            _refuse_marks(template)
            code = environment.compile(template.text, template.name, template.source)
            if self._cache and key:
                self._cache.put(key, code)
        return code

    def _key(self, template: TemplateText) -> str:
        if self._cache is None:
            return ""
        if self._version is None:
            self._version = _version()
        return self._version and cache_key(self._version, template.name, template.source, template.text)


def _version() -> str:
    """Tell apart what decides how compiled code looks: Jinja's compiler and our environment."""
    try:
        about = os.stat(compiler.__file__)
        with open(environment.__file__, encoding="utf-8") as file:
            return cache_key(str(about.st_size), str(about.st_mtime_ns), file.read())
    except OSError:
        return ""


def _refuse_marks(template: TemplateText) -> None:
    for number, line in enumerate(template.text.split("\n"), 1):
        if any(mark in line for mark in (BLOCK_START, BLOCK_END, BLOCK_NEWLINE)):
            raise TemplateError(Problem("there is a control character in this line", Location(template.source, number)))
