"""The renderer: the cases of tests/render_cases, laws over random values, rules, and the cache."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generator import yaml
from generator.cache import CodeCache
from generator.errors import Location, Problem
from generator.render import Renderer, TemplateError, TemplateText, Violation

CASES = Path(__file__).parent / "render_cases"


class Case(NamedTuple):
    """A case file's case: ``### name``, then sections: values, templates by name, and output or error."""

    name: str
    sections: dict[str, str]


def cases() -> Iterator[Case]:
    for path in sorted(CASES.glob("*.txt")):
        for text in re.split(r"^### ", path.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
            head, *sections = re.split(r"^---- (.*)\n", text, flags=re.MULTILINE)
            contents = [*sections[1:-1:2], sections[-1].rstrip("\n") + "\n"]
            yield Case(f"{path.stem}: {head.strip()}", dict(zip(sections[::2], contents, strict=True)))


def renderer(templates: Mapping[str, str], cache: CodeCache | None = None) -> Renderer:
    return Renderer({name: TemplateText(name, text, f"templates/{name}") for name, text in templates.items()}, cache)


def render(text: str, **values: Any) -> str:
    return renderer({"a.yaml.j2": text}).render("a.yaml.j2", values)


def read(text: str) -> Any:
    return yaml.load(text, "text")


@pytest.mark.parametrize("case", list(cases()), ids=lambda case: case.name)
def test_case(case: Case):
    sections = dict(case.sections)
    values = json.loads(sections.pop("values", "{}"))
    output, error = sections.pop("output", None), sections.pop("error", None)
    subject = renderer(sections)
    if error is None:
        assert output is not None
        assert subject.render("a.yaml.j2", values).rstrip("\n") == output.rstrip("\n")
        return
    with pytest.raises(TemplateError) as caught:
        subject.render("a.yaml.j2", values)
    paths = f"\npaths: {', '.join(caught.value.value_paths)}" if caught.value.value_paths else ""
    assert f"{caught.value}{paths}\n" == error


# ------------------------------------------------------------------------------------------------------ laws

TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
TREES_OF_MAPS_AND_LISTS = st.lists(TREES, max_size=4) | st.dictionaries(st.text(), TREES, max_size=4)


@given(st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text())
def test_a_printed_scalar_reads_back_as_itself(value: object):
    text = render("a: {{ values.x }}\n", x=value)
    assert text.count("\n") == 1
    assert read(text) == {"a": value}


@given(st.text())
def test_a_printed_key_reads_back_as_itself(key: str):
    assert read(render("{% for k, v in values.m.items() %}\n{{ k }}: 1\n{% endfor %}\n", m={key: 1})) == {key: 1}


@given(TREES_OF_MAPS_AND_LISTS, st.integers(0, 3), st.integers(0, 2))
def test_a_printed_block_reads_back_as_itself_wherever_it_stands(value: object, depth: int, dashes: int):
    prefix = " " * depth + "- " * dashes
    text = render(f"a:\n  b:\n    {prefix}{{{{ values.x | yaml }}}}\nend: 1\n", x=value)
    expected = value
    for _ in range(dashes):
        expected = [expected]
    assert read(text) == {"a": {"b": expected}, "end": 1}


@given(TREES_OF_MAPS_AND_LISTS)
def test_a_block_in_captured_text_reads_back_as_itself(value: object):
    template = "a: |\n{% filter indent(2, true) %}\nb:\n  {{ values.x | yaml }}\n{% endfilter %}\n"
    embedded = read(render(template, x=value))["a"]
    assert read(embedded) == {"b": value}


@given(TREES)
def test_json_reads_back_as_itself(value: object):
    assert json.loads(read(render("a: {{ values.x | json }}\n", x=value))["a"]) == value


@given(st.dictionaries(st.sampled_from(["a", "b", "{{ a }}", "{% x %}"]), TREES))
def test_rendering_leaves_the_tree_as_it_is(tree: dict[str, object]):
    before = json.dumps(tree)
    render("{% for k, v in values.items() %}{{ k }}{{ v | json }}{% endfor %}", **tree)
    assert json.dumps(tree) == before


def test_line_ends_are_lf_whatever_the_templates_are():
    assert (
        render("a: 1\r\n{% if true %}\r\nb: {{ values.x }}\r\n{% endif %}\r\n", x="p\r\nq") == 'a: 1\nb: "p\\r\\nq"\n'
    )


# ------------------------------------------------------------------------------------------------------ rules

RULES = """\
{% if values.a == 1 %}
{{ fail("a", "one is too few") }}
{% endif %}
{% for name, job in values.jobs.items() %}
{% if not job.port %}
{{ fail(format("jobs.%s.port", name), "a job needs a port") }}
{% endif %}
{% endfor %}
"""


def test_rules_tell_every_violation_in_order():
    more = '{{ fail("b", "second file") }}'
    subject = renderer({"_lib/rules.j2": RULES, "plain/_rules.j2": more})
    tree = {"a": 1, "jobs": {"z": {"port": 0}, "b": {"port": 1}, "c": {"port": None}}}
    assert subject.violations(["_lib/rules.j2", "plain/_rules.j2"], tree) == [
        Violation("a", "one is too few"),
        Violation("jobs.c.port", "a job needs a port"),
        Violation("jobs.z.port", "a job needs a port"),
        Violation("b", "second file"),
    ]


def test_rules_that_hold_tell_nothing():
    assert renderer({"_lib/rules.j2": RULES}).violations(["_lib/rules.j2"], {"a": 2, "jobs": {}}) == []


def test_a_rule_file_that_prints_is_refused():
    with pytest.raises(TemplateError) as caught:
        renderer({"_lib/rules.j2": "x{{ values.a }}"}).violations(["_lib/rules.j2"], {"a": 1})
    expected = Problem("a rule file prints nothing but `fail`", Location("templates/_lib/rules.j2"), found="x1")
    assert caught.value.problems == (expected,)


def test_violations_of_one_tree_do_not_show_up_with_the_next():
    subject = renderer({"_lib/rules.j2": RULES})
    assert len(subject.violations(["_lib/rules.j2"], {"a": 1, "jobs": {}})) == 1
    assert subject.violations(["_lib/rules.j2"], {"a": 2, "jobs": {}}) == []


# ------------------------------------------------------------------------------------------------- templates, cache


def test_templates_may_come_from_a_function():
    asked: list[str] = []

    def lookup(name: str) -> TemplateText | None:
        asked.append(name)
        return TemplateText(name, "{% include 'b' %}" if name == "a" else "x", name) if name in "ab" else None

    subject = Renderer(lookup)
    assert subject.render("a", {}) == subject.render("a", {}) == "x"
    assert asked == ["a", "b"]


def test_a_template_that_is_not_there_is_a_problem():
    with pytest.raises(TemplateError, match=r"^c: there is no template `c`$"):
        Renderer({}).render("c", {})


def test_one_renderer_serves_many_trees():
    subject = renderer({"a": "{% set x = values.x %}{{ x }}"})
    assert [subject.render("a", {"x": number}) for number in range(3)] == ["0", "1", "2"]


class CountingCache(CodeCache):
    """A cache that counts what it stores and what it could give back."""

    def __init__(self, folder: Path) -> None:
        super().__init__(str(folder))
        self.stored = 0
        self.hits = 0

    def get(self, key: str):
        code = super().get(key)
        self.hits += code is not None
        return code

    def put(self, key: str, code) -> None:
        self.stored += 1
        super().put(key, code)


TEMPLATES: Mapping[str, str] = {
    "a": '{% import "m" as m with context %}\na: {{ m.f("on") }}\nb:\n  {{ values.x | yaml }}\n',
    "m": "{% macro f(x) %}{{ x }}{{ values.absent | default(1) }}{% endmacro %}",
}


def test_output_and_errors_are_the_same_with_and_without_cache(tmp_path: Path):
    for tree in ({"x": {"c": 1}, "absent": ""}, {"x": {"c": 1}}):
        told = []
        for cache in (None, CountingCache(tmp_path / "c"), CountingCache(tmp_path / "c")):
            try:
                told.append(renderer(TEMPLATES, cache).render("a", tree))
            except TemplateError as error:
                told.append(f"{error} {error.value_paths}")
        assert told[0] == told[1] == told[2]


def test_compiled_templates_are_taken_from_the_cache(tmp_path: Path):
    tree = {"x": {"c": 1}, "absent": ""}
    first, second, third = (CountingCache(tmp_path / "c") for _ in range(3))
    renderer(TEMPLATES, first).render("a", tree)
    assert (first.hits, first.stored) == (0, 2)
    renderer(TEMPLATES, second).render("a", tree)
    assert (second.hits, second.stored) == (2, 0)
    renderer({**TEMPLATES, "m": TEMPLATES["m"] + "\n"}, third).render("a", tree)
    assert (third.hits, third.stored) == (1, 1)


def test_a_damaged_cache_changes_nothing(tmp_path: Path):
    tree = {"x": {"c": 1}, "absent": ""}
    expected = renderer(TEMPLATES, CodeCache(str(tmp_path / "c"))).render("a", tree)
    for path in (tmp_path / "c").iterdir():
        path.write_bytes(b"nonsense")
    assert renderer(TEMPLATES, CodeCache(str(tmp_path / "c"))).render("a", tree) == expected
