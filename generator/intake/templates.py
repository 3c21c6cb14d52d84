"""Recognises text that becomes a manifest only once something has filled it in: Helm, Go and Jinja templates, envsubst.

A template is told by `{{` or `{%` where YAML has no text: outside of quotes, literal blocks and comments. Text inside
of those is the manifest's own business (alert rules, dashboards, Istio's injection templates).
"""

from __future__ import annotations

import os
import re

from generator.errors import InputError, Location, Problem

_OPENING = re.compile(r"\{\{|\{%|\{#")
# Where a value begins; further on, braces are part of a plain text.
_VALUE_OPENING = re.compile(r"(?:^|[:\-?,\[]\s)\s*(?:\{\{|\{%|\{#)")
_VARIABLE = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*(?::?[-=+?][^}]*)?\}")
# A line whose value is a block: `key: |`, `- >-`, `- key: |2 # comment`.
_BLOCK = re.compile(r"(?:^|[:\-?]\s+)[|>][-+0-9]{0,2}\s*(?:#.*)?$")
_QUOTED = re.compile(r""""(?:[^"\\]|\\.)*"|'(?:[^']|'')*'""")
# A quote that a line begins and doesn't end.
_OPEN_QUOTE = re.compile(r"""(?:^|[:\-?,\[{]\s)\s*(["'])[^"']*$""")
_COMMENT = re.compile(r"(?:^|(?<=\s))#.*")
_HELM = re.compile(r"\.(?:Values|Release|Chart|Capabilities|Files|Template)\b|\b(?:include|toYaml|nindent|tpl)\b")
_JINJA = re.compile(r"\{%|\{#|\{\{-?\s*[A-Za-z_][\w.]*\s*(?:\||\}\}|\()")


def unrendered(text: str, source: str, path: str, error: InputError) -> Problem | None:
    """Say that a text which isn't YAML is a template, and how to render it; None where it is none.

    ``path`` is where the file lies ("" for standard input): what is below a chart is rendered with it. ``error`` is
    what was wrong with the YAML.
    """
    number, line = _first_opening(text)
    place = error.problems[0].location
    if number:
        return _problem(text, line, Location(source, number, line.index("{") + 1), path, error)
    lines = text.split("\n")
    last = place.line if place else 0
    for number in range(last, max(last - 2, 0), -1):
        if number <= len(lines) and (match := _VARIABLE.search(lines[number - 1])):
            hint = f"render it first: envsubst < {source} | sidecert doctor -"
            where = Location(source, number, match.start() + 1)
            return Problem("this is a template, not a manifest", where, found=lines[number - 1].strip(), hint=hint)
    return None


def named_by_template(text: str, name: str, place: Location, path: str) -> Problem | None:
    """Say that an object is a template which happens to be YAML: no name of Kubernetes holds braces."""
    return _problem(text, name, place, path, None) if _OPENING.search(name) else None


def placeholder_in(text: str) -> str:
    """Give the first placeholder of a name or an image as envsubst, Flux and Terraform have it; "" where none is.

    No name and no image may hold ``${``. Files with such are YAML all the same: kustomize builds them, Flux fills in
    what comes of it.
    """
    found = _VARIABLE.search(text)
    return found[0] if found else ""


def chart_problem(folder: str, template: Location) -> Problem:
    """Say that a folder holds a chart, and how to render it; ``template`` is the first place to be filled in."""
    return Problem(
        f"the templates of the Helm chart {folder} are not rendered",
        template,
        hint=f"render them first: helm template {folder} | sidecert doctor -",
    )


def first_opening(text: str) -> int:
    """Give the number of the first line that opens a Go or Jinja expression, counted from 1; 0 where none does."""
    match = _OPENING.search(text)
    return text.count("\n", 0, match.start()) + 1 if match else 0


def _problem(text: str, line: str, place: Location, path: str, error: InputError | None) -> Problem:
    kind, command = _render(text, path)
    because = f" ({error.problems[0].message})" if error and error.problems else ""
    return Problem(
        f"this is {kind}, not a manifest{because}", place, found=line.strip(), hint=f"render it first: {command}"
    )


def _render(text: str, path: str) -> tuple[str, str]:
    """Name the language of a template, and the command that renders it."""
    chart = chart_of(path)
    if chart or _HELM.search(text):
        return "a Helm template", f"helm template {chart or 'CHART'} | sidecert doctor -"
    if _JINJA.search(text):
        return (
            "a Jinja template",
            "let what fills it in (Ansible, jinja2) print it, and pipe that to: sidecert doctor -",
        )
    return "a Go template", "let the tool that fills it in print it, and pipe that to: sidecert doctor -"


def chart_of(path: str) -> str:
    """Give the folder of the Helm chart that a file belongs to, as far up as it is named; "" where there is none."""
    folder = os.path.dirname(path)
    while path:
        if os.path.exists(os.path.join(folder, "Chart.yaml")):
            return folder or "."
        if folder in {"", os.sep, os.path.dirname(folder)}:
            return ""
        folder = os.path.dirname(folder)
    return ""


def _first_opening(text: str) -> tuple[int, str]:
    """Find the first line on which a value begins like an expression; (0, "") where none does."""
    block = -1  # the indentation of the line that opened the block which the lines are in, if any
    quote = ""  # the quote that the lines are in, if any
    for number, line in enumerate(text.split("\n"), 1):
        indentation = len(line) - len(line.lstrip(" "))
        if block >= 0 and (indentation > block or not line.strip()):
            continue
        block = -1
        if quote:
            quote = "" if quote in line else quote
            continue
        bare = _COMMENT.sub("", _QUOTED.sub('""', line)).rstrip()
        if _VALUE_OPENING.search(bare):
            return number, line
        if _BLOCK.search(bare):
            block = indentation
        elif opened := _OPEN_QUOTE.search(bare):
            quote = opened[1]
    return 0, ""
