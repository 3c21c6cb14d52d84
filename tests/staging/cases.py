"""The case files: a template, `+++`, and the Go template that it gives, or `ERR:` and what is said against it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from generator.render import Renderer, TemplateText
from generator.staging import ROOT, Compiler
from generator.staging.symbol import Symbol
from generator.staging.types import FILLED_STRING

HERE = Path(__file__).parent
SCHEMA = json.loads((HERE / "values.schema.json").read_text(encoding="utf-8"))
OPTIONAL = frozenset({"answer", "maybe", "more", "labels", "mood", "path", "tls"})
#: What every case may include.
LIBRARY = {
    "_lib/labels.j2": "{% for key, value in labels.items() %}\n{{ key }}: {{ value }}\n{% endfor %}\n",
    "_lib/macros.j2": "{% macro image(tag) -%}\n{{ format('%s:%s', values.name, tag) }}\n{%- endmacro %}\n",
}


class Case(NamedTuple):
    """A case file: its name, the template, and what is expected of it."""

    name: str
    template: str
    expected: str


def read_cases() -> list[Case]:
    """Read all case files."""
    found = []
    for path in sorted((HERE / "cases").glob("*.txt")):
        template, _, expected = path.read_text(encoding="utf-8").partition("+++\n")
        found.append(Case(path.stem, template, expected))
    return found


def lookup(case: Case) -> Mapping[str, TemplateText]:
    """Give the templates of a case by name."""
    texts = {**LIBRARY, "case.yaml.j2": case.template}
    return {name: TemplateText(name, text, f"templates/{name}") for name, text in texts.items()}


def compiled(case: Case) -> str:
    """Compile a case's template."""
    compiler = Compiler(lookup(case).get, SCHEMA, OPTIONAL)
    release = {"labels": {"helm.sh/chart": Symbol(f'include "chart" {ROOT}', FILLED_STRING, "chart")}}
    nodes = compiler.compile("case.yaml.j2", {}, release, rules=case.name.startswith("rule_"))
    return compiler.text(nodes, "case.yaml.j2")


def rendered(case: Case, tree: dict[str, Any]) -> str:
    """Render a case's template for values."""
    return Renderer(lookup(case), None, OPTIONAL).render("case.yaml.j2", tree)
