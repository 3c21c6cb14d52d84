"""The tables of docs/templates.md say what the compiler does."""

from __future__ import annotations

import re

import pytest

from generator.render import TemplateText
from generator.schema.document import demanding
from generator.staging import Compiler
from generator.workspace import open_workspace
from tests.rendering import ROOT

CELL = r"`((?:[^`])+)`"


def rows() -> list[tuple[str, str]]:
    """The first and the last cell of each table row, as they were before Markdown's escapes."""
    found = []
    for line in (ROOT / "docs/templates.md").read_text(encoding="utf-8").splitlines():
        cells = re.split(r"(?<!\\)\|", line)[1:-1]
        ends = [re.fullmatch(CELL, cell.strip()) for cell in (cells[0], cells[-1])] if cells else []
        if len(ends) == 2 and all(ends):
            found.append(tuple(end[1].replace("\\|", "|") for end in ends if end))
    return found  # type: ignore[return-value]  # two cells each


def template(written: str) -> str:
    if "{%" in written:
        return f"{written}\n- x\n{{% endfor %}}\n"
    if "{{" in written:
        return f"{written}\n"
    return f"{{% if {written} %}}\nx: 1\n{{% endif %}}\n"


def compiled(text: str) -> str:
    schema = open_workspace(str(ROOT)).schema()
    templates = {"a.yaml.j2": TemplateText("a.yaml.j2", text, "a.yaml.j2")}
    compiler = Compiler(templates.get, demanding(schema.document), schema.optional_keys())
    return compiler.text(compiler.compile("a.yaml.j2", {}, {}), "a.yaml.j2")


def test_there_are_rows():
    assert len(rows()) > 20


@pytest.mark.parametrize(("written", "go"), rows())
def test_the_chart_says_it_so(written: str, go: str):
    text = compiled(template(written))
    if "|" in written and "{{" not in written:
        text = compiled(f"a: {{{{ {written} }}}}\n")
    assert go in text
