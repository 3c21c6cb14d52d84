"""The one table of template functions: name, Python meaning, Go spelling.

A function means the same in both languages or refuses the arguments where it would not: a test runs every row through
Helm and compares.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

from generator.functions import meanings
from generator.functions.meanings import BLOCK_END, BLOCK_NEWLINE, BLOCK_START, Text, Violation, kind_of

__all__ = [
    "BLOCK_END",
    "BLOCK_NEWLINE",
    "BLOCK_START",
    "FUNCTIONS",
    "Function",
    "Text",
    "Violation",
    "go_call",
    "kind_of",
]


class Function(NamedTuple):
    """One row of the table.

    ``go`` takes the Go expressions of the arguments in ``{0}``, ``{1}``, or all of them in ``{*}``. It is empty for
    what happens to text while the Helm template is generated. ``takes`` names the JSON types of the arguments, several
    joined by ``|``; the last one may stand for any number, ``*string``. ``gives`` names the type of the result: empty
    where it depends on the arguments. ``helper`` is a Go template that ``go`` includes.
    """

    name: str
    kind: Literal["global", "filter"]
    python: Callable[..., object]
    go: str
    takes: tuple[str, ...]
    gives: str
    helper: str = ""


# sprig's own merges go down into nested maps and let empty values lose, so the chart brings this one along.
MERGE_HELPER = """\
{{- define "sidecert.merge" -}}
{{- $merged := dict -}}
{{- range $map := . -}}{{- range $key, $value := $map -}}{{- $_ := set $merged $key $value -}}{{- end -}}{{- end -}}
{{- toJson $merged -}}
{{- end -}}
"""

# sprig can't read durations of days and more, and takes a number with a leading zero for an octal one.
MILLISECONDS_HELPER = """\
{{- define "sidecert.milliseconds" -}}
{{- $total := 0 -}}
{{- $units := dict "ms" 1 "s" 1000 "m" 60000 "h" 3600000 "d" 86400000 "w" 604800000 "y" 31536000000 -}}
{{- range $part := regexFindAll "[0-9]+(ms|[smhdwy])" . -1 -}}
{{- $number := regexFind "[1-9][0-9]*" $part | default "0" -}}
{{- $total = add $total (mul $number (get $units (regexFind "[a-z]+" $part))) -}}
{{- end -}}
{{- $total -}}
{{- end -}}
"""

FUNCTIONS: dict[str, Function] = {
    row.name: row
    for row in (
        Function("default", "filter", meanings.default, "{0} | default {1}", ("any", "any"), ""),
        Function("length", "filter", meanings.length, "len {0}", ("array|object|string",), "integer"),
        Function("join", "filter", meanings.join, "join {1} {0}", ("array", "string"), "string"),
        Function("lower", "filter", meanings.lower, "lower {0}", ("string",), "string"),
        Function("quote_regex", "filter", meanings.quote_regex, "regexQuoteMeta {0}", ("string",), "string"),
        Function("sort_list", "filter", meanings.sort_list, "sortAlpha {0}", ("array",), "array"),
        Function("json", "filter", meanings.to_json, "toRawJson {0}", ("any",), "string"),
        Function("yaml", "filter", meanings.to_yaml, "toYaml {0}", ("any",), ""),
        Function("indent", "filter", meanings.indent, "", ("any", "integer", "boolean"), ""),
        Function("format", "global", meanings.format_string, "printf {*}", ("string", "*integer|string"), "string"),
        Function(
            "version_at_least",
            "global",
            meanings.version_at_least,
            'semverCompare (printf ">=%s-0" {1}) {0}',
            ("string", "string"),
            "boolean",
        ),
        Function(
            "milliseconds",
            "global",
            meanings.milliseconds,
            'int64 (include "sidecert.milliseconds" {0})',
            ("string",),
            "integer",
            MILLISECONDS_HELPER,
        ),
        Function("has_key", "global", meanings.has_key, "hasKey {0} {1}", ("object", "string"), "boolean"),
        Function("contains", "global", meanings.contains, "has {1} {0}", ("array", "string"), "boolean"),
        Function("starts_with", "global", meanings.starts_with, "hasPrefix {1} {0}", ("string", "string"), "boolean"),
        Function("matches", "global", meanings.matches, "regexMatch {1} {0}", ("string", "string"), "boolean"),
        Function(
            "merge",
            "global",
            meanings.merge,
            'fromJson (include "sidecert.merge" (list {*}))',
            ("*object",),
            "object",
            MERGE_HELPER,
        ),
        Function("concat", "global", meanings.concat, "concat {*}", ("*array",), "array"),
        Function("fail", "global", meanings.fail, 'printf "%s: %s" {0} {1}', ("string", "string"), ""),
    )
}


def go_call(name: str, *arguments: str) -> str:
    """Spell a call of the function ``name`` in Go, with the Go expressions of its arguments."""
    call = FUNCTIONS[name].go.replace("{*}", " ".join(arguments))
    for number, argument in enumerate(arguments):
        call = call.replace(f"{{{number}}}", argument)
    return call
