"""Text to values: one pass over the events of ruamel.yaml's C parser, every problem with file, line and column."""

from __future__ import annotations

import re
from typing import Any, cast

from _ruamel_yaml import (  # type: ignore[import-not-found]  # a C extension without stubs
    AliasEvent,
    CParser,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
)

from generator.errors import InputError, Location, Problem, dotted
from generator.yaml.scalars import meaning, tagged

#: Deeper nesting than this is refused: no manifest comes near, and what walks over values may recurse.
MOST_LEVELS = 100
#: More values than this, each alias counted as what it stands for, are refused where there are aliases at all.
MOST_VALUES_BY_ALIAS = 100_000

_Event = Any
# A tag of YAML's own: `!!int`. Behind a slash is what programs call theirs: `!!python/name:...`.
_STANDARD_TAG = re.compile(r"tag:yaml\.org,2002:[a-z]+")


def load(text: str, source: str) -> object:
    """Read one YAML document, as Kubernetes and Helm do: YAML 1.1, dates and ``12:30`` being strings.

    ``source`` is the file's name in problems. An empty document, or none, gives None. What an alias stands for is
    shared, not copied: don't change what comes out.

    Raises:
        InputError: every problem found: syntax, tabs, keys given twice, keys that are no strings, aliases that explode,
            nesting too deep, more than one document.
    """
    documents = _Reader(text, source).documents(several=False)
    return documents[0] if documents else None


def load_documents(text: str, source: str, *, any_keys: bool = False) -> list[object]:
    """Read a stream of YAML documents, each as ``load`` does; empty ones are left out.

    With ``any_keys``, numbers and booleans are taken as keys too, and become strings, as on their way to the API
    server: the ports of a PeerAuthentication's ``portLevelMtls`` are mostly written so.

    Raises:
        InputError: every problem found.
    """
    reader = _Reader(text, source, any_keys=any_keys)
    return [document for document in reader.documents(several=True) if document is not None]


def key_text(key: object) -> str:
    """Give the string that a key becomes on its way to JSON (sigs.k8s.io/yaml): ``8080``, ``true``."""
    return str(key).lower() if isinstance(key, bool) else str(key)


class ForeignTagError(InputError):
    """A text in which nothing is wrong but tags of another program: ``!Ref``, ``!vault``, ``!!python/name:...``."""


class _Stop(Exception):  # noqa: N818  # it never leaves this module
    """Reading can't go on after the problem noted last."""


class _Reader:
    """Builds the values of one text, and notes problems as it goes."""

    def __init__(self, text: str, source: str, *, any_keys: bool = False) -> None:
        self.text = text
        self.source = source
        self.any_keys = any_keys
        self.problems: list[Problem] = []
        #: How many of the problems are tags of other programs.
        self.foreign = 0
        self.path: list[str | int] = []
        self.count = 0
        #: What each anchor names, and how many values that is; None while it is still being read.
        self.anchors: dict[str, tuple[object, int] | None] = {}

    def documents(self, *, several: bool) -> list[object]:
        """Read all documents; raise InputError for what was noted on the way."""
        found: list[object] = []
        try:
            self.next = CParser(self.text).get_event
            while (event := self.next()) is not None:
                if type(event) is not DocumentStartEvent:
                    continue
                if found and not several:
                    self.stop("more than one document", event, expected="one document: remove the line `---`")
                self.anchors = {}
                found.append(self.value(self.next()))
        except _Stop:
            pass
        except Exception as error:
            from generator.yaml.syntax import explain

            problem = explain(error, self.text, self.source)
            if problem is None:
                raise
            self.problems.append(problem)
        if self.problems:
            raise (ForeignTagError if self.foreign == len(self.problems) else InputError)(self.problems)
        return found

    def value(self, event: _Event) -> object:
        """Build the value that begins with ``event``."""
        kind = type(event)
        if kind is AliasEvent:
            return self.alias(event)
        if event.anchor:
            return self.anchored(event)
        if kind is ScalarEvent:
            return self.scalar(event)
        return self.mapping(event) if kind is MappingStartEvent else self.sequence(event)

    def scalar(self, event: _Event) -> object:
        """Give the meaning of a scalar."""
        self.count += 1
        if event.implicit[0]:
            return meaning(event.value)
        if event.tag is None or event.tag == "!":
            return event.value
        value = tagged(event.tag, event.value)
        if value is not NotImplemented:
            return value
        self.note_tag(f"`{event.value}`" if event.value else "an empty value", event)
        return event.value

    def sequence(self, start: _Event) -> list[object]:
        """Build a list."""
        self.enter(start)
        items: list[object] = []
        path, read = self.path, self.next
        path.append(0)
        while type(event := read()) is not SequenceEndEvent:
            if type(event) is ScalarEvent and not event.anchor:
                items.append(self.scalar(event))
            else:
                path[-1] = len(items)
                items.append(self.value(event))
        path.pop()
        return items

    def mapping(self, start: _Event) -> dict[str, object]:
        """Build a map."""
        self.enter(start)
        entries: dict[str, object] = {}
        marks: dict[str, Any] = {}
        merged: list[dict[str, object]] = []
        path, read = self.path, self.next
        path.append("")
        while type(event := read()) is not MappingEndEvent:
            plain = type(event) is ScalarEvent and not event.anchor and event.implicit[0]
            key = meaning(event.value) if plain else self.value(event)
            if type(key) is not str:
                key = self.refuse_key(key, event)
            elif key == "<<" and plain:
                merged += self.merge(event)
                continue
            path[-1] = key
            if key in entries:
                self.note_twice(event, marks[key])
            else:
                marks[key] = event.start_mark
            value = read()
            if type(value) is ScalarEvent and value.implicit[0] and not value.anchor:
                self.count += 1
                entries[key] = meaning(value.value)
            else:
                entries[key] = self.value(value)
        path.pop()
        return _merge(entries, merged) if merged else entries

    def enter(self, start: _Event) -> None:
        """Count a map or list, and refuse what nests too deep or has a tag of its own."""
        self.count += 1
        if len(self.path) >= MOST_LEVELS:
            self.path = []
            self.stop(f"nested more than {MOST_LEVELS} levels deep", start)
        if start.tag not in (None, "!", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"):
            self.note_tag("a map or list", start)

    def anchored(self, event: _Event) -> object:
        """Build a value that has an anchor, and remember it."""
        name, before = event.anchor, self.count
        self.anchors[name] = None
        if type(event) is ScalarEvent:
            value = self.scalar(event)
        else:
            value = self.mapping(event) if type(event) is MappingStartEvent else self.sequence(event)
        self.anchors[name] = (value, self.count - before)
        return value

    def alias(self, event: _Event) -> object:
        """Give what an alias stands for."""
        name = event.anchor
        target = self.anchors.get(name)
        if target is None:
            trouble = "stands within what it names" if name in self.anchors else "names nothing above"
            self.note(f"the alias *{name} {trouble}", event)
            return None
        value, count = target
        self.count += count
        if self.count > MOST_VALUES_BY_ALIAS:
            self.path = []
            self.stop(f"aliases multiply this file to more than {MOST_VALUES_BY_ALIAS:,} values", event)
        return value

    def merge(self, event: _Event) -> list[dict[str, object]]:
        """Read the value of a merge key: a map or a list of maps."""
        self.path[-1] = "<<"
        value = self.value(self.next())
        maps = value if isinstance(value, list) else [value]
        if not all(isinstance(one, dict) for one in maps):
            self.note("the merge key << takes a map or a list of maps", event)
            return []
        return cast("list[dict[str, object]]", maps)

    def refuse_key(self, key: object, event: _Event) -> str:
        """Note that a key is no string; give the string it would be if it were quoted."""
        if self.any_keys and isinstance(key, (bool, int, float)):
            return key_text(key)
        self.path[-1] = ""
        if type(event) is not ScalarEvent:
            kind = "a map" if isinstance(key, dict) else "a list" if isinstance(key, list) else "an alias"
            self.note("a key must be a string", event, found=kind, expected="a string")
            return str(event.start_mark)
        kind = "null" if key is None else f"the {type(key).__name__}"
        found = {"the bool": "the boolean", "the int": "the integer"}.get(kind, kind)
        written = event.value
        self.note(
            "a key must be a string",
            event,
            found=f"{found} {written}".rstrip(),
            expected="a string",
            hint=f'quote it: "{written}"' if written else "",
        )
        return str(written)

    def note_twice(self, event: _Event, first: Any) -> None:
        """Note a key that its map has already."""
        self.note(f"this key stands twice, first on line {first.line + 1}", event)

    def note_tag(self, what: str, event: _Event) -> None:
        """Note a tag that the value behind it can't have."""
        self.foreign += not _STANDARD_TAG.fullmatch(event.tag)
        self.note(f"{what} can't be read as {_tag(event)}", event)

    def note(self, message: str, event: _Event, found: str = "", expected: str = "", hint: str = "") -> None:
        """Note a problem where ``event`` begins, for the value being read."""
        mark = event.start_mark
        location = Location(self.source, mark.line + 1, mark.column + 1)
        path = dotted(tuple(part for part in self.path if part != ""))
        self.problems.append(Problem(message, location, path, found, expected, hint))

    def stop(self, message: str, event: _Event, expected: str = "") -> None:
        """Note a problem and stop reading."""
        self.note(message, event, expected=expected)
        raise _Stop


def _tag(event: _Event) -> str:
    return str(event.tag).replace("tag:yaml.org,2002:", "!!")


def _merge(entries: dict[str, object], merged: list[dict[str, object]]) -> dict[str, object]:
    """Add what merge keys bring: a map's own keys win, then earlier maps over later ones."""
    for one in merged:
        for key, item in one.items():
            entries.setdefault(key, item)
    return entries
