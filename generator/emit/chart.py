"""A Helm chart of all variants, compiled from the templates that render manifests."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from generator.emit.chart_readme import values_table
from generator.emit.chart_schema import chart_schema
from generator.emit.chart_values import values_file
from generator.emit.release import CHART, FROM_RELEASE, RELEASE_LABELS, chart_defaults
from generator.errors import InputError, Location, Problem, ValuePath
from generator.functions import FUNCTIONS
from generator.render.loading import Lookup
from generator.schema import Schema
from generator.schema.document import demanding
from generator.staging import (
    FILLED_STRING,
    ROOT,
    Compiler,
    Node,
    Symbol,
    all_of,
    alternatives,
    any_of,
    block_if,
    closed,
    laid_out,
    quoted,
)
from generator.tree import OutputFile
from generator.yaml import block

_DESCRIPTION = "A Prometheus of your own that scrapes Istio workloads over strict mTLS with a certificate of the mesh"
_KEYWORDS = ["istio", "metrics", "monitoring", "mtls", "prometheus", "service mesh"]
_SOURCES = ["https://github.com/istio/istio", "https://github.com/prometheus/prometheus"]
_ICON = "https://raw.githubusercontent.com/cncf/artwork/main/projects/prometheus/icon/color/prometheus-icon-color.svg"
#: discovery.k8s.io/v1 and policy/v1 came with 1.21; the suffix lets in what vendors append.
_KUBERNETES = ">=1.21.0-0"

#: What belongs to the chart alone, and where in it; the last two speak of values that another schema may not have.
_FILES = {"_helpers.tpl": "templates/_helpers.tpl", "helmignore": ".helmignore"}
_NOTES, _UPGRADE = "NOTES.txt", "upgrade.tpl"


class Sources(NamedTuple):
    """What a chart is made of: templates by variant and the rule files of each, how to find a template, the schema."""

    templates: Mapping[str, Sequence[str]]
    rules: Mapping[str, Sequence[str]]
    lookup: Lookup
    schema: Schema


def emit(sources: Sources, version: str, app_version: str) -> list[OutputFile]:
    """Lay out the chart below ``helm/<chart>/``, with its own version and the one of Prometheus.

    Raises:
        InputError: every place where a template says what a Helm template can't.
    """
    folder = f"helm/{CHART}"
    compiled = _Compiled(sources)
    templates = compiled.resources()
    rules = compiled.rules()
    if compiled.problems:
        raise InputError(compiled.problems)
    document, defaults = sources.schema.document, chart_defaults(sources.schema.defaults())
    descriptions: dict[ValuePath, str] = {(name,): FROM_RELEASE[name][1] for name in FROM_RELEASE if name in defaults}
    table = values_table(document, defaults, descriptions)
    texts = {
        "Chart.yaml": _chart_yaml(version, app_version),
        "values.yaml": values_file(document, defaults, descriptions),
        "values.schema.json": chart_schema(document, [name for name in FROM_RELEASE if name in defaults], descriptions),
        "README.md": f"{compiled.text('README.md')}\n## Values\n\n{table}",
        **{path: compiled.text(name) for name, path in _FILES.items()},
        **({f"templates/{_NOTES}": compiled.text(_NOTES)} if _has_workload(defaults) else {}),
        **templates,
        "templates/validate.yaml": rules,
    }
    texts["templates/_helpers.tpl"] += "".join(_function_helpers([*templates.values(), rules]))
    return [OutputFile(f"{folder}/{path}", text) for path, text in sorted(texts.items())]


class _Body(NamedTuple):
    """What a template renders, and where: under which conditions, by variant."""

    nodes: list[Node]
    where: dict[str, list[tuple[str, ...]]]

    def variants(self) -> list[str]:
        """Give the variants that render it."""
        return sorted(self.where)

    def condition(self, known: Sequence[str]) -> str:
        """Spell in Go when it is rendered: what all variants ask, and what each asks besides."""
        every = [conditions for ways in self.where.values() for conditions in ways]
        common = [one for one in every[0] if all(one in conditions for conditions in every)]
        by_rest: dict[tuple[str, ...], list[str]] = {}
        for variant, ways in self.where.items():
            for conditions in ways:
                rest = tuple(one for one in conditions if one not in common)
                by_rest.setdefault(rest, []).append(variant)
        cases = [
            all_of([*filter(None, [_condition(variants, known)]), *rest]) for rest, variants in sorted(by_rest.items())
        ]
        return all_of([*([any_of(cases)] if all(cases) else []), *common])


class _Compiled:
    """Compiles one template after another, and gathers what is wrong with them."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._compiler = Compiler(sources.lookup, demanding(sources.schema.document), sources.schema.optional_keys())
        self._replaced = {f"values.{name}": _symbol(go, f"values.{name}") for name, (go, _) in FROM_RELEASE.items()}
        self._release = {"labels": {key: _symbol(go, key) for key, go in RELEASE_LABELS.items()}}
        self._found: dict[Problem, None] = {}

    @property
    def problems(self) -> list[Problem]:
        return list(self._found)

    def text(self, name: str) -> str:
        """Give a file that belongs to a chart alone."""
        found = self._sources.lookup(f"_chart/{name}")
        if found is None:
            raise InputError(Problem("a part of the chart is missing", Location(f"templates/_chart/{name}")))
        return found.text

    def resources(self) -> dict[str, str]:
        """Give the chart's templates: what several variants render alike stands there once."""
        found: dict[str, str] = {}
        for file, bodies in self._bodies().items():
            if not bodies:
                continue  # it renders nothing, whatever the values
            most = max(bodies.values(), key=lambda body: len(body.where))
            for body in bodies.values():
                at_root = len(bodies) == 1 or (body is most and len(body.where) > 1)
                folder = "" if at_root else f"{'-'.join(body.variants())}/"
                condition = body.condition(list(self._sources.templates))
                text = laid_out([block_if(condition, body.nodes)] if condition else body.nodes)
                found[f"templates/{folder}{file}"] = f"{_heading(body.variants(), file)}\n{text.strip()}\n"
        return found

    def _bodies(self) -> dict[str, dict[str, _Body]]:
        """Compile everything; give the different bodies of each file, by their text."""
        found: dict[str, dict[str, _Body]] = {}
        for variant, names in self._sources.templates.items():
            for name in names:
                bodies = found.setdefault(name.rpartition("/")[2].removesuffix(".j2"), {})
                replaced = {**self._replaced, "values.variant": variant}
                try:
                    for conditions, body in alternatives(self._compiler.compile(name, replaced, self._release)):
                        inner = closed(body)
                        known = bodies.setdefault(self._compiler.text(inner, name), _Body(inner, {}))
                        known.where.setdefault(variant, []).append(conditions)
                except InputError as error:
                    self._found.update(dict.fromkeys(error.problems))
        return found

    def rules(self) -> str:
        """Give the template that refuses values which can't work, in the words of the rules."""
        shared = list(dict.fromkeys(name for names in self._sources.rules.values() for name in names))
        parts = []
        for name in shared:
            variants = [variant for variant, names in self._sources.rules.items() if name in names]
            condition = _condition(variants, list(self._sources.rules))
            try:
                tree = self._compiler.compile(name, self._replaced, self._release, rules=True)
                text = self._compiler.text([block_if(condition, tree)] if condition else tree, name)
            except InputError as error:
                self._found.update(dict.fromkeys(error.problems))
                continue
            parts.append(re.sub(r"\n{2,}", "\n", text).strip("\n"))
        if _has_workload(self._sources.schema.defaults()):
            parts.append(self.text(_UPGRADE).strip())
        return _VALIDATE.format(rules="\n".join(parts))


def _symbol(go: str, name: str) -> Symbol:
    return Symbol(go.replace("$", ROOT), FILLED_STRING, name)


_VALIDATE = """\
{{{{- /* Generated by sidecert from the rules of the templates: what values.schema.json can't say. */}}}}
{{{{- $problems := list }}}}
{rules}
{{{{- with $problems }}}}
{{{{- fail (printf "\\n%s" (join "\\n" .)) }}}}
{{{{- end }}}}
"""


def _has_workload(defaults: Mapping[str, Any]) -> bool:
    """Say whether values are those of our schema, or look like them."""
    return "workload" in defaults.get("prometheus", {})


def _heading(variants: Sequence[str], file: str) -> str:
    where = variants[0] if len(variants) == 1 else f"{{{','.join(sorted(variants))}}}"
    remark = f"Generated by sidecert from templates/{where}/{file}.j2. Do not edit: change that and render again."
    return f"{{{{- /* {remark} */}}}}"


def _condition(variants: Sequence[str], known: Sequence[str]) -> str:
    """Spell in Go that the variant is one of some; nothing where it can be no other."""
    value = f"{ROOT}.Values.variant"
    others = [variant for variant in known if variant not in variants]
    if not others:
        return ""
    if len(variants) == 1:
        return f"eq {value} {quoted(variants[0])}"
    if len(others) == 1:
        return f"ne {value} {quoted(others[0])}"
    return f"has {value} (list {' '.join(map(quoted, sorted(variants)))})"


def _function_helpers(texts: Sequence[str]) -> Iterator[str]:
    """Give the helpers of template functions that some template includes."""
    for row in FUNCTIONS.values():
        name = re.search(r'define "([^"]+)"', row.helper)
        if name and any(f'include "{name[1]}"' in text for text in texts):
            yield f"\n{row.helper}"


def _chart_yaml(version: str, app_version: str) -> str:
    document = {
        "apiVersion": "v2",
        "name": CHART,
        "description": _DESCRIPTION,
        "type": "application",
        "version": version,
        "appVersion": app_version,
        "kubeVersion": _KUBERNETES,
        "keywords": _KEYWORDS,
        "sources": _SOURCES,
        "icon": _ICON,
    }
    return f"# Generated by sidecert. Do not edit.\n{block(document, sort_keys=False)}\n"
