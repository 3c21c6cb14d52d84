"""What went wrong in a template, in words: only imported when something did."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from types import TracebackType
from typing import Any, NamedTuple

import jinja2

from generator.errors import Location, Problem, ValuePath, dotted
from generator.functions import FUNCTIONS, kind_of
from generator.render.environment import MissingValueError
from generator.render.loading import TemplateText


class _Place(NamedTuple):
    """The innermost template line that was running, the variables it saw, and the outermost line that led there."""

    template: str
    line: int
    variables: Mapping[str, Any]
    reached_from: tuple[str, int] | None = None


def explained(
    error: Exception, name: str, tree: Mapping[str, object], sources: Mapping[str, TemplateText]
) -> tuple[Problem, list[str]]:
    """Tell an exception out of Jinja as a Problem, with the dotted paths of the values that its line names."""
    place = _place(error, name)
    template = sources.get(place.template)
    location = Location(template.source if template else place.template, place.line)
    line = _line(template, place.line)
    if isinstance(error, jinja2.TemplateSyntaxError):
        message, hint = _told(error, sources)
        return Problem(message, location, found=line.strip(), hint=hint), []
    references = dict(_references(line, place.variables, tree))
    paths = list(references)
    if isinstance(error, MissingValueError):
        problem, owners = _missing_value(error, location, tree, references)
        paths = list(dict.fromkeys([*owners, *paths]))
    else:
        message, hint = _told(error, sources)
        found = ", ".join(f"{path} = {_shown(value)}" for path, value in references.items())
        problem = Problem(message, location, found=found or line.strip(), hint=hint)
    return problem._replace(hint=" ".join(filter(None, (problem.hint, _way(place, sources))))), paths


def _way(place: _Place, sources: Mapping[str, TemplateText]) -> str:
    """Tell which line of which template led to the place, unless it is the same template."""
    if place.reached_from is None or place.reached_from[0] == place.template:
        return ""
    name, line = place.reached_from
    return f"(reached from {Location(sources[name].source if name in sources else name, line)})"


def misplaced_block(line: str, name: str, sources: Mapping[str, TemplateText]) -> Problem:
    """Tell that a block of YAML was printed in the middle of a line, with the likeliest place in the templates."""
    shown = re.sub(r"[\x02\x1e].*", " ...", line).strip()
    message = "a block of YAML can't begin or end in the middle of a line"
    hint = "write `| yaml` on a line of its own, or after `- `"
    for template in sources.values():
        for number, text in enumerate(template.text.splitlines(), 1):
            if re.search(r"\|\s*yaml\b", text) and not re.match(r"\s*(- +)*(\{%.*%\})?\{\{[^}]*\}+\s*$", text):
                return Problem(message, Location(template.source, number), found=shown, hint=hint)
    location = Location(sources[name].source if name in sources else name)
    return Problem(message, location, found=shown, hint=hint)


def _place(error: Exception, name: str) -> _Place:
    if isinstance(error, jinja2.TemplateSyntaxError):
        return _Place(error.name or name, error.lineno, {})
    place, outermost = _Place(name, 0, {}), None
    step: TracebackType | None = error.__traceback__
    while step is not None:
        template = step.tb_frame.f_globals.get("__jinja_template__")
        if template is not None:
            line = template.get_corresponding_lineno(step.tb_lineno)
            outermost = outermost or (template.name, line)
            place = _Place(template.name, line, step.tb_frame.f_locals, outermost)
            if isinstance(error, RecursionError):
                break  # the innermost line would be any of those that go round
        step = step.tb_next
    return place


def _line(template: TemplateText | None, number: int) -> str:
    lines = template.text.splitlines() if template else []
    return lines[number - 1] if 0 < number <= len(lines) else ""


_REFERENCE = re.compile(r"""(?<![\w."'])([A-Za-z]\w*)((?:\.\w+|\["[^"]+"\]|\['[^']+'\]|\[\d+\])*)""")
_STEP = re.compile(r"""\.(\w+)|\["([^"]+)"\]|\['([^']+)'\]|\[(\d+)\]""")


def _references(line: str, variables: Mapping[str, Any], tree: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    """Find the values that a template line names, by ``values.…`` or by a variable that holds a part of the tree."""
    for match in _REFERENCE.finditer(line):
        start: ValuePath | None = () if match[1] == "values" else _variable(match[1], variables, tree)
        if start is None:
            continue
        steps = [int(step[4]) if step[4] else step[1] or step[2] or step[3] for step in _STEP.finditer(match[2])]
        path, value = _followed(tree, (*start, *steps))
        if path:
            yield dotted(path), value


def _variable(name: str, variables: Mapping[str, Any], tree: Mapping[str, object]) -> ValuePath | None:
    for local, value in variables.items():
        if re.fullmatch(rf"l_\d+_{re.escape(name)}", local) and isinstance(value, dict | list):
            return next(_paths_of(value, tree), None)
    return None


def _followed(tree: object, path: ValuePath) -> tuple[ValuePath, object]:
    """Follow ``path`` as far as it leads: method names such as ``items`` at its end are no keys."""
    value: Any = tree
    for length, step in enumerate(path):
        in_map = isinstance(value, dict) and step in value
        if in_map or (isinstance(value, list) and isinstance(step, int) and step < len(value)):
            value = value[step]
        else:
            return path[:length], value
    return path, value


def _paths_of(wanted: object, value: object, path: ValuePath = ()) -> Iterator[ValuePath]:
    if value is wanted:
        yield path
    children: Any = ()
    if isinstance(value, dict):
        children = value.items()
    elif isinstance(value, list):
        children = enumerate(value)
    for key, child in children:
        yield from _paths_of(wanted, child, (*path, key))


def _missing_value(
    error: MissingValueError, location: Location, tree: Mapping[str, object], references: Mapping[str, object]
) -> tuple[Problem, list[str]]:
    owner, key = error.owner, error.key
    paths = [dotted(path) for path in _paths_of(owner, tree)] if isinstance(owner, dict | list) else []
    paths.sort(key=lambda path: path not in references)
    if not isinstance(owner, dict | list):
        return Problem(f"{kind_of(owner)} has no `{key}`", location), []
    if not paths:
        return Problem(f"{kind_of(owner)} made in the template has no `{key}`", location), []
    full = dotted((paths[0], key)) if isinstance(key, int) else ".".join(filter(None, (paths[0], str(key))))
    near = get_close_matches(str(key), [str(name) for name in owner], 1) if isinstance(owner, dict) else []
    hint = f"did you mean `{near[0]}`?" if near else ""
    return Problem(f"there is no value `{full}`", location, hint=hint), [paths[0]] if paths[0] else []


def _told(error: Exception, sources: Mapping[str, TemplateText]) -> tuple[str, str]:
    """Give the message and the hint for any exception but a missing value."""
    text = (error.message if isinstance(error, jinja2.TemplateError) else str(error)) or ""
    if isinstance(error, jinja2.TemplatesNotFound | jinja2.TemplateNotFound):
        return f"there is no template `{error.name or text}`", _nearest(str(error.name or text), sources)
    if isinstance(error, RecursionError):
        return "templates or macros call each other without end", ""
    unknown = re.match(r"No filter named '(\w+)'", text)
    if unknown:
        filters = [row.name for row in FUNCTIONS.values() if row.kind == "filter"]
        return f"there is no filter `{unknown[1]}`", _nearest(unknown[1], filters) or "filters: " + ", ".join(filters)
    unknown = re.match(r"'(\w+)' is undefined", text)
    if unknown:
        names = [row.name for row in FUNCTIONS.values() if row.kind == "global"]
        return f"there is no variable or function `{unknown[1]}`", _nearest(unknown[1], [*names, "values"])
    return text.rstrip(".") or type(error).__name__, ""


def _nearest(name: str, known: Any) -> str:
    near = get_close_matches(name, list(known), 1)
    return f"did you mean `{near[0]}`?" if near else ""


def _shown(value: object) -> str:
    if isinstance(value, dict | list):
        return kind_of(value)
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."
