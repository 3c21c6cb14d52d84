"""The contract of the values: defaults, checks, and what a template may rely on, from one JSON Schema (draft-07).

document    the schema put together from its parts, `$ref`s followed
completion  absent optional keys made null
problems    what the validator finds, told as found / expected / hint
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from generator.errors import InputError, Location, Problem, ValuePath
from generator.schema.document import Document, Node, assemble, demanding
from generator.values import Values

if TYPE_CHECKING:
    from jsonschema_rs import Draft7Validator

__all__ = ["Schema", "schema_from_text"]


def schema_from_text(text: str, source: str, additions: Sequence[tuple[str, str]] = ()) -> Schema:
    """Read a schema, and what variants add to it: pairs of text and source.

    An addition's `properties`, `definitions`, `required` and `allOf` join those of the schema.

    Raises:
        InputError: not JSON, or two parts define the same property or definition (every problem found).
    """
    return Schema(assemble(text, source, additions), source)


class Schema:
    """A JSON Schema of values."""

    def __init__(self, document: Node, source: str) -> None:
        """Take the whole schema, and its file's name as the user knows it.

        The schema describes files that are layered; of merged values it also demands whatever has a default.
        """
        self.document = document
        self.source = source
        self._nodes = Document(document)

    def defaults(self) -> Node:
        """Give the tree of defaults; don't change it.

        A `default` holds for its node as a whole; an object without one is made of its properties' defaults, and is
        absent where there are none.
        """
        return self._defaults

    @cached_property
    def _defaults(self) -> Node:
        found = self._nodes.defaults(self.document)
        return found if isinstance(found, dict) else {}

    @cached_property
    def _fit_defaults(self) -> Node | None:
        from generator.schema.unfit import is_fit

        return self._defaults if is_fit(self._defaults) else None

    @cached_property
    def _of_merged_values(self) -> Document:
        try:
            return Document(demanding(self.document))
        except KeyError as error:
            problem = Problem(f"not a valid JSON Schema: `{error.args[0]}` leads nowhere", Location(self.source))
            raise InputError(problem) from None

    @cached_property
    def _validator(self) -> Draft7Validator:
        import jsonschema_rs  # 17 ms, so only where something is checked

        try:
            return jsonschema_rs.Draft7Validator(self._of_merged_values.root)
        except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
            reason = str(error).partition("\n")[0]
            raise InputError(Problem(f"not a valid JSON Schema: {reason}", Location(self.source))) from None

    def check(self, values: Values) -> list[Problem]:
        """Find everything about the values that the schema doesn't allow, in the order of files and lines."""
        from generator.schema.unfit import unfit

        validator = self._validator
        found = unfit(values, self._nodes, self._fit_defaults)
        if not found and validator.is_valid(values.tree):
            return []
        from generator.schema.problems import explain

        return explain(validator, self._of_merged_values, values, found)

    def optional_keys(self) -> frozenset[str]:
        """Give the names of all keys that some map may lack: the schema knows them, and doesn't require them there."""
        return self._optional_keys

    @cached_property
    def _optional_keys(self) -> frozenset[str]:
        return self._of_merged_values.optional_keys()

    def node(self, path: ValuePath) -> dict[str, Any] | None:
        """Give the schema of the value at ``path``, `$ref` followed; None where the schema knows no such value."""
        return self._nodes.at(path)
