"""Every template that is shipped keeps to the language of docs/templates.md, and what is outside it is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from generator.render import TemplateError, language_problems

TEMPLATES = Path(__file__).parent.parent / "templates"
SHIPPED = sorted(path.relative_to(TEMPLATES).as_posix() for path in TEMPLATES.rglob("*.j2"))


def test_there_are_templates():
    assert SHIPPED


@pytest.mark.parametrize("name", SHIPPED)
def test_the_template_keeps_to_the_language(name: str):
    problems = language_problems(f"templates/{name}", (TEMPLATES / name).read_text(encoding="utf-8"))
    assert not problems, "\n".join(map(str, problems))


@pytest.mark.parametrize(
    "text",
    [
        "{{ values.a }} {{ values['a b'].c }} {{ values.list[0] }}",
        "{{ 'x' if values.a else 'y' }}",
        "{% if values.a == 'x' and not values.b or values.c != 5 %}{% elif values.d %}{% else %}{% endif %}",
        "{% for k, v in values.m.items() %}{{ k }}{% set x = v.y %}{% else %}{% endfor %}",
        "{% for v in concat(values.a, ['x']) %}{{ v }}{% endfor %}",
        "{% if values.a %}{% with x = values.b %}{{ x }}{% endwith %}{% endif %}",
        "{% if values.a %}{% for v in values.b %}{% set x = v %}{{ x }}{% endfor %}{% endif %}",
        "{% set names = ['a', 'b'] %}{% for n in names if n != 'a' %}{{ loop.index + 1 }}{{ n ~ 'x' }}{% endfor %}",
        "{% for n in range(3) %}{% if n in [1, 2] %}{% set x = 1 %}{% endif %}{% endfor %}",
        "{% macro m(a, b=1) %}{{ caller() }}{% endmacro %}{% call m(values.a, b=2) %}x{% endcall %}{{ m(1) }}",
        "{% import '_lib/x.j2' as x with context %}{{ x.m(values.a) }}{% from 'y' import n %}{{ n() }}",
        "{% include '_lib/x.j2' %}{% with file = 'y' %}{% include file %}{% endwith %}",
        "{% filter indent(4, true) %}{{ values.a }}{% endfilter %}",
        "  {{ values.a | yaml }}\n- {{ merge(values.a, {'b': 'c'}) | yaml }}\n",
        "{{ format('%s', values.a | default('x')) | lower }}{{ {values.a: []} | json }}",
        "{{ fail(format('a.%s', values.b), 'why') }}",
        "{% raw %}{{ $labels.pod | x ~ y }}{% endraw %}{# ~ + #}",
    ],
)
def test_the_language_allows(text: str):
    assert language_problems("a.j2", text) == []


INSTEAD = 'write `format("%s%s", a, b)`'


@pytest.mark.parametrize(
    ("text", "what", "hint"),
    [
        ("{{ values.a ~ 'x' }}", "`~`", INSTEAD),
        ("{{ values.a + 1 }}", "`+`", f"{INSTEAD} for strings, `concat(a, b)` for lists"),
        ("{{ values.a - 1 }}", "`-`", "put the number into the values"),
        ("{{ '%s' % values.a }}", "`%`", 'write `format("%s", a)`'),
        ("{{ values.a[1:] }}", "a slice", "loop over the list"),
        (
            "{% if values.a is none %}{% endif %}",
            "`is`",
            "write `== null`, `has_key(map, key)`, or an `if` that asks whether the value is empty",
        ),
        (
            "{% if 'x' in values.a %}{% endif %}",
            "`in`",
            "write `contains(list, item)`, `has_key(map, key)` or `starts_with(text, prefix)`",
        ),
        ("{% if 1 < values.a < 3 %}{% endif %}", "a chain of comparisons", "join two comparisons by `and`"),
        (
            "{{ format('%s', 'x' if values.a else 'y') }}",
            "an inline `if` as an argument",
            "print it, or write an `if` block",
        ),
        ("{{ 'x' if values.a }}", "an inline `if` without `else`", "write the `else`, or an `if` block"),
        (
            "{% if values.a %}{% set x = 1 %}{% endif %}",
            "`set` under an `if`",
            "write `with`, or `set` it above the `if`",
        ),
        ("{% set a, b = values.c %}", "`set` of several names", "write one `set` for each"),
        ("{% set a %}x{% endset %}", "a `set` block", "write a macro"),
        ("{% set a.b = values.c %}", "`namespace`", "write `with`, or a macro"),
        (
            "{% if values.a %}{% macro m() %}{% endmacro %}{% endif %}",
            "a macro under an `if`",
            "move it out of the `if`",
        ),
        ("{% for v in values.a %}{{ loop.index }}{% endfor %}", "`loop`", "only a loop over constants has it"),
        ("{% for v in values.a if v %}{% endfor %}", "`for … if`", "write an `if` in the loop"),
        ("{% for v in values.a recursive %}{% endfor %}", "`recursive`", "write a macro"),
        (
            "{% for k, v in values.a %}{% endfor %}",
            "this loop",
            "write `for item in list` or `for key, value in map.items()`",
        ),
        ("{% set x = values.a.items() %}", "`items()` outside `for`", "write `for key, value in map.items()`"),
        ("{{ values.a | jsn }}", "the filter `jsn`", "did you mean `json`?"),
        (
            "{{ values.a | default(other='x') }}",
            "a named or unpacked argument of a function",
            "give the arguments in order",
        ),
        (
            "{{ values.a | indent(4) }}",
            "`indent` over a value",
            "write `{% filter indent(columns, true) %}` round text",
        ),
        ("{% filter lower %}x{% endfilter %}", "`filter lower` over text", "only `filter indent(columns, true)` is"),
        ("a: {{ values.a | yaml }}", "`yaml` beside other text", "write it on a line of its own, or after `- `"),
        ("{{ values.a | yaml }} # b", "`yaml` beside other text", "write it on a line of its own, or after `- `"),
        ("{{ formt('%s', values.a) }}", "the function `formt`", "did you mean `format`?"),
        ("{% set x = fail('a', 'b') %}", "`fail` in an expression", 'print it: `{{ fail("path", "reason") }}`'),
        ("{% include values.a %}", "an `include` of a computed name", "write `if` and one `include` for each name"),
        ("{% include 'x' ignore missing %}", "`ignore missing`", "include only what is there"),
        ("{% extends 'x' %}", "`extends`", "write an `include` or a macro"),
        ("{% block x %}{% endblock %}", "`block`", "write an `include` or a macro"),
        ("{% autoescape true %}{% endautoescape %}", "`autoescape`", "leave it out"),
    ],
)
def test_the_language_does_not_know(text: str, what: str, hint: str):
    problems = [str(problem) for problem in language_problems("t/a.j2", f"a: 1\n{text}\n")]
    assert problems == [f"t/a.j2:2: {what} is not part of the template language\n    hint: {hint}"]


def test_methods_are_no_functions():
    (problem,) = language_problems("a.j2", "{{ values.a.upper() }}")
    assert problem.message == "the method `upper` is not part of the template language"


def test_all_problems_are_told_in_the_order_of_lines():
    problems = language_problems("a.j2", "{% if values.a ~ 'b' %}\n{% set x = 1 %}\n{{ values.b | upper }}{% endif %}")
    assert [problem.location.line for problem in problems if problem.location] == [1, 2, 3]


def test_what_is_not_even_jinja_is_an_error():
    with pytest.raises(TemplateError) as caught:
        language_problems("a.j2", "x\n{% if %}")
    assert str(caught.value) == "a.j2:2: Expected an expression, got 'end of statement block'\n    found: {% if %}"
