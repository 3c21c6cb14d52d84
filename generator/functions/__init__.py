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
    what happens to text while the Helm template is generated. ``helper`` is a Go template that ``go`` includes.
    """

    name: str
    kind: Literal["global", "filter"]
    python: Callable[..., object]
    go: str
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
        Function("default", "filter", meanings.default, "default {1} {0}"),
        Function("length", "filter", meanings.length, "len {0}"),
        Function("join", "filter", meanings.join, "join {1} {0}"),
        Function("lower", "filter", meanings.lower, "lower {0}"),
        Function("quote_regex", "filter", meanings.quote_regex, "regexQuoteMeta {0}"),
        Function("sort_list", "filter", meanings.sort_list, "sortAlpha {0}"),
        Function("json", "filter", meanings.to_json, "toJson {0}"),
        Function("yaml", "filter", meanings.to_yaml, "toYaml {0}"),
        Function("indent", "filter", meanings.indent, ""),
        Function("format", "global", meanings.format_string, "printf {*}"),
        Function("version_at_least", "global", meanings.version_at_least, 'semverCompare (printf ">=%s-0" {1}) {0}'),
        Function(
            "milliseconds",
            "global",
            meanings.milliseconds,
            'int64 (include "sidecert.milliseconds" {0})',
            MILLISECONDS_HELPER,
        ),
        Function("has_key", "global", meanings.has_key, "hasKey {0} {1}"),
        Function("contains", "global", meanings.contains, "has {1} {0}"),
        Function("starts_with", "global", meanings.starts_with, "hasPrefix {1} {0}"),
        Function("matches", "global", meanings.matches, "regexMatch {1} {0}"),
        Function("merge", "global", meanings.merge, 'fromJson (include "sidecert.merge" (list {*}))', MERGE_HELPER),
        Function("concat", "global", meanings.concat, "concat {*}"),
        Function("fail", "global", meanings.fail, 'fail (printf "%s: %s" {0} {1})'),
    )
}


def go_call(name: str, *arguments: str) -> str:
    """Spell a call of the function ``name`` in Go, with the Go expressions of its arguments."""
    call = FUNCTIONS[name].go.replace("{*}", " ".join(arguments))
    for number, argument in enumerate(arguments):
        call = call.replace(f"{{{number}}}", argument)
    return call
