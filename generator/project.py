"""What all environments of a project have in common, as texts: it goes wherever environments are rendered."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from generator.errors import InputError, Problem

if TYPE_CHECKING:
    from generator.schema import Schema
    from generator.values import Layer


class Variant(NamedTuple):
    """A folder of templates: the names to render, the rules to check before, and its own part of the schema."""

    name: str
    templates: tuple[str, ...]
    rules: tuple[str, ...]
    schema_addition: str | None


class TemplateFile(NamedTuple):
    """A template: its name (``plain/service.yaml.j2``), its text, and its file as the user knows it."""

    name: str
    text: str
    source: str


class LayerText(NamedTuple):
    """A layer that was not looked into yet: its name as the user knows it, and its text."""

    source: str
    text: str


class SchemaText(NamedTuple):
    """A schema in its parts: its text and file, what variants add, and the team's own variants."""

    text: str
    source: str
    additions: tuple[tuple[str, str], ...]
    variants: tuple[str, ...]


class Project:
    """What all environments have in common, read once: templates, schema, root defaults.

    It can be pickled, and needs no file any more, so environments can be rendered wherever it is taken to.
    """

    def __init__(
        self,
        templates: Mapping[str, TemplateFile | tuple[Problem, ...]],
        folders: dict[str, Variant],
        schema: SchemaText,
        root_defaults: LayerText | None,
    ) -> None:
        """Take what a workspace read; of a template that can't be read, the problems.

        ``folders`` are all variants that there are templates of, whether the schema knows them or not.
        """
        self._templates = templates
        self.folders = folders
        self._schema_text = schema
        self._root_defaults = root_defaults

    def __reduce__(self) -> tuple[Any, ...]:
        """Leave out what was made of the texts."""
        return Project, (self._templates, self.folders, self._schema_text, self._root_defaults)

    @cached_property
    def fingerprint(self) -> bytes:
        """What tells this project from every other; 16 bytes."""
        from hashlib import blake2b

        files = sorted(self._templates.items()), sorted(self.folders.items())
        parts = (*files, self._schema_text, self._root_defaults)
        return blake2b(repr(parts).encode("utf-8", "surrogatepass"), digest_size=16).digest()

    def variants(self) -> dict[str, Variant]:
        """Every variant that the schema knows, by name."""
        return self._variants

    @cached_property
    def _variants(self) -> dict[str, Variant]:
        return allowed(self.folders, self._schema)

    def template(self, name: str) -> TemplateFile | None:
        """Give a template by its name; None where there is none.

        Raises:
            InputError: the file couldn't be read.
        """
        found = self._templates.get(name)
        if found is None or isinstance(found, TemplateFile):
            return found
        raise InputError(found)

    def schema(self) -> Schema:
        """The schema of values.

        Raises:
            InputError: it is none.
        """
        return self._schema

    @cached_property
    def _schema(self) -> Schema:
        return read_schema(self._schema_text)

    def root_defaults(self) -> Layer | None:
        """The layer that all environments share, if there is one."""
        if self._root_defaults is None:
            return None
        from generator.values import read_layer

        return read_layer(*self._root_defaults)


def read_schema(parts: SchemaText) -> Schema:
    """Put a schema together; the team's own variants come to those that it names.

    Raises:
        InputError: it is none.
    """
    from generator.schema import schema_from_text

    schema = schema_from_text(parts.text, parts.source, parts.additions)
    known = choices(schema)
    if known is not None:
        known += [name for name in parts.variants if name not in known]
    return schema


def allowed(folders: dict[str, Variant], schema: Schema) -> dict[str, Variant]:
    """Give the variants that a schema names; all of them where it names none."""
    known = choices(schema)
    return {name: variant for name, variant in folders.items() if known is None or name in known}


def choices(schema: Schema) -> list[str] | None:
    """The variants that a schema names; None where it names none."""
    known: list[str] | None = schema.document.get("properties", {}).get("variant", {}).get("enum")
    return known
