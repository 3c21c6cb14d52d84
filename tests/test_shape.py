"""Environments that differ in printed strings alone are rendered once: what is filled in is what would be rendered."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from generator.build import Builder
from generator.errors import InputError
from generator.functions import FUNCTIONS
from generator.functions.placeholder import MARK, Placeholder, is_uniform
from generator.project import Project, SchemaText, TemplateFile, Variant
from generator.resource import Resource
from generator.shape import skeleton
from generator.values import Layer
from generator.yaml import block
from tests.rendering import project
from tests.strategies import value_trees

SCHEMA = """{"type": "object", "properties": {
  "variant": {"type": "string", "enum": ["v"], "default": "v"},
  "name": {"type": "string", "default": "name"}, "namespace": {"type": "string", "default": "space"},
  "a": {"type": "string", "default": "a"}, "b": {"type": "string", "default": "b"},
  "number": {"type": "integer", "default": 1}, "flag": {"type": "boolean", "default": true},
  "map": {"type": "object", "additionalProperties": {"type": "string"}, "default": {}},
  "list": {"type": "array", "items": {"type": "string"}, "default": []}}}"""
HEAD = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: x\n"


def builder(body: str, *, head: str = HEAD, rules: str = "") -> Builder:
    """A project of one template, that is put together of a head and a body."""
    files = {"v/t.yaml.j2": head + body, "v/_rules.j2": rules}
    templates = {name: TemplateFile(name, text, f"templates/{name}") for name, text in files.items()}
    variant = Variant("v", ("v/t.yaml.j2",), ("v/_rules.j2",), None)
    schema = SchemaText(SCHEMA, "values.schema.json", (), ())
    return Builder(Project(templates, {"v": variant}, schema, None), ())


def layer(values: dict[str, Any], name: str = "dev") -> Layer:
    return Layer(f"overlays/{name}.yaml", block(values), values)


def outcome(made: Builder, values: dict[str, Any]) -> list[Resource] | list[str]:
    """What values render to, or what is said to be wrong with them."""
    try:
        return made.resources([layer(values)])[1]
    except InputError as error:
        return [str(problem) for problem in error.problems]


def without_shapes(made: Builder) -> Builder:
    made._shapes = None
    return made


def count_renders(made: Builder, values: list[dict[str, Any]]) -> int:
    """How often the template is rendered for some values in turn."""
    before = made.stages.counts["render", "templates"]
    for one in values:
        made.resources([layer(one)])
    return made.stages.counts["render", "templates"] - before


CALLS = {
    "default": "values.a | default('other')",
    "length": "values.a | length",
    "join": "values.list | join('-')",
    "lower": "values.a | lower",
    "quote_regex": "values.a | quote_regex",
    "sort_list": "values.list | sort_list | join(' ')",
    "json": "values.a | json",
    "yaml": "values.map | yaml",
    "indent": "values.a | indent(2)",
    "format": 'format("%s-%s", values.a, values.b)',
    "version_at_least": "version_at_least(values.a, '1.2')",
    "milliseconds": "milliseconds(values.a)",
    "has_key": "has_key(values.map, values.a)",
    "contains": "contains(values.list, values.a)",
    "starts_with": "starts_with(values.a, 'e')",
    "matches": "matches(values.a, '^e')",
    "merge": "merge(values.map, values.map) | yaml",
    "concat": "concat(values.list, values.list) | yaml",
    "fail": "fail('a', values.a)",
}

#: What templates may do with a string, and what they must not: each is rendered by itself.
BODIES = {
    "prints": "data:\n  a: {{ values.a }}\n  b: {{ values.b }}\n",
    "prints in a text": "data:\n  file: |\n    a: {{ values.a }}\n    b: [{{ values.b }}, {{ values.a }}]\n",
    "prints as the whole of a text": "data:\n  file: |-\n    {{ values.a }}\n",
    "prints in quotes": "data:\n  a: \"{{ values.a }} and '{{ values.b }}'\"\n",
    "puts letters before it": "data:\n  a: n{{ values.a }}\n",
    "puts letters after it": "data:\n  a: {{ values.a }}s\n",
    "puts two together": "data:\n  a: {{ values.a }}{{ values.b }}\n",
    "prints a key": "data:\n  {{ values.a }}: x\n",
    "prints a comment": "data:\n  a: x # {{ values.a }}\n",
    "prints an anchor": "data:\n  a: &{{ values.a }} x\n  b: *{{ values.b }}\n",
    "prints a tag": "data:\n  a: !{{ values.a }} x\n",
    "prints a map": "data:\n  {{ values.map | yaml }}\n",
    "prints a list": "data:\n  list:\n  {{ values.list | yaml }}\n",
    "loops over a map": "data:\n{% for key, value in values.map.items() %}\n  {{ key }}: {{ value }}\n{% endfor %}\n",
    "loops over a list": "data:\n{% for item in values.list %}\n  k{{ loop.index }}: {{ item }}\n{% endfor %}\n",
    "asks whether it is empty": "data:\n  a: {% if values.a %}yes{% else %}no{% endif %}\n",
    "asks whether it is null": "data:\n  a: {{ 'null' if values.a == none else 'there' }}\n",
    "compares with a string": "data:\n  a: {{ 'same' if values.a == 'eu' else 'other' }}\n",
    "compares two": "data:\n  a: {{ 'same' if values.a == values.b else 'other' }}\n",
    "compares by order": "data:\n  a: {{ 'less' if values.a < values.b else 'more' }}\n",
    "says not": "data:\n  a: {{ 'empty' if not values.a else 'full' }}\n",
    "chooses by and": "data:\n  a: {{ values.a if values.flag and values.a else 'none' }}\n",
    "chooses by or": "data:\n  a: {{ values.a or 'none' }}\n",
    "looks up a key": "data:\n  a: {{ values.map[values.a] }}\n",
    "looks into it": "data:\n  a: {{ values.a.b }}\n",
    "takes a part": "data:\n  a: {{ values.a[0] }}\n",
    "tilde": "data:\n  a: {{ values.a ~ 'x' }}\n",
    "plus": "data:\n  a: {{ values.a + 'x' }}\n",
    "times": "data:\n  a: {{ values.a * 2 }}\n",
    "in": "data:\n  a: {{ 'in' if 'e' in values.a else 'out' }}\n",
    "is in a list": "data:\n  a: {{ 'in' if values.a in values.list else 'out' }}\n",
    "loops over it": "data:\n{% for letter in values.a %}\n  {{ letter }}: x\n{% endfor %}\n",
    "captures it": "{% set text %}{{ values.a }}{% endset %}\ndata:\n  a: {{ text }}\n",
    "indents it": "data:\n  a: |\n    {% filter indent(4) %}{{ values.a }}\n{{ values.b }}{% endfilter %}\n\n",
    "gives it to a macro": "{% macro m(x) %}{{ x }}-m{% endmacro %}\ndata:\n  a: {{ m(values.a) }}\n",
    "sets a variable": "{% set x = values.a %}\ndata:\n  a: {{ x }}\n",
    "makes a map": "data:\n  {{ {'k': values.a, 'l': [values.b]} | yaml }}\n",
    "uses a number": "data:\n  a: k{{ values.number }}\n",
    **{f"calls {name}": f"data:\n  a: {{{{ {call} }}}}\n" for name, call in CALLS.items()},
    **{f"calls {name} on a line": f"data:\n  {{{{ {call} }}}}\n" for name, call in CALLS.items()},
}
STRINGS = [
    "eu",
    "us",
    "o",
    "no",
    "y",
    "es",
    "true",
    "a-1",
    "1",
    "",
    "é",
    "a b",
    "x: y",
    "two\nlines",
    "1.2",
    "5m",
    "A/b.c_d",
]
words = st.sampled_from(STRINGS)
values_of_all = st.fixed_dictionaries(
    {},
    optional={
        "a": words,
        "b": words,
        "number": st.integers(1, 3),
        "flag": st.booleans(),
        "map": st.dictionaries(words, words, max_size=3),
        "list": st.lists(words, max_size=3),
    },
)


def test_every_function_is_called_with_a_string():
    assert CALLS.keys() == FUNCTIONS.keys()


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_whatever_a_template_does_with_a_string_comes_out_as_without_shapes(body):
    shaped, plain = builder(body), without_shapes(builder(body))

    @settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(values_of_all, min_size=2, max_size=4))
    def run(several: list[dict[str, Any]]) -> None:
        for values in several:
            assert outcome(shaped, values) == outcome(plain, values)

    run()


@pytest.mark.parametrize("head", [
    "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ values.a }}\n",
    "apiVersion: v1\nkind: {{ values.a }}\nmetadata:\n  name: x\n",
    "apiVersion: {{ values.a }}\nkind: K\nmetadata:\n  name: x\n",
    "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: x\n  namespace: n-{{ values.a }}\n",
    "apiVersion: v1\nkind: Secret\nmetadata:\n  name: x\nstringData:\n  x: {{ values.a }}\n",
])  # fmt: skip
def test_names_and_kinds_are_never_filled_in(head):
    shaped, plain = builder("", head=head), without_shapes(builder("", head=head))
    for text in STRINGS:
        assert outcome(shaped, {"a": text, "b": "eu"}) == outcome(plain, {"a": text, "b": "eu"})


def test_rules_are_asked_for_every_string_that_they_look_into():
    rules = "{% if values.a == 'bad' %}{{ fail('a', 'this is bad') }}{% endif %}"
    made = builder("data:\n  a: {{ values.a }}\n", rules=rules)

    assert [outcome(made, {"a": text})[0] for text in ("good", "bad")][1] == "overlays/dev.yaml:1:1: a: this is bad"


def test_a_string_that_is_only_printed_is_rendered_once():
    made = builder("data:\n  a: {{ values.a }}\n")

    assert count_renders(made, [{"a": text} for text in ("eu", "us", "ap")]) == 1
    assert made.resources([layer({"a": "sa"})])[1][0].tree["data"] == {"a": "sa"}


def test_a_string_that_is_looked_into_costs_the_others_nothing():
    made = builder("data:\n  a: {{ values.a }}\n  b: {{ values.b | lower }}\n")

    count_renders(made, [{"a": "xx", "b": "yy"}])
    assert count_renders(made, [{"a": text, "b": "Same"} for text in ("eu", "us", "ap")]) == 1


def test_other_values_make_another_shape():
    made = builder("data:\n  a: {{ values.a }}-{{ values.number }}\n")

    assert count_renders(made, [{"a": "eu", "number": 1}, {"a": "us", "number": 2}, {"a": "ap", "number": 1}]) == 2
    assert made.resources([layer({"a": "sa", "number": 2})])[1][0].tree["data"] == {"a": "sa-2"}


def test_layers_below_are_part_of_the_shape():
    made = builder("data:\n  a: {{ values.a }}\n  b: {{ values.b }}\n")
    trees = [
        made.resources([layer({"b": shared}, "_defaults"), layer({"a": own})])[1][0].tree["data"]
        for shared, own in [("x", "eu"), ("y", "eu"), ("x", "us")]
    ]

    assert trees == [{"a": "eu", "b": "x"}, {"a": "eu", "b": "y"}, {"a": "us", "b": "x"}]


def test_one_true_and_one_point_zero_are_three_shapes():
    rests = [skeleton({"x": value}, set()).rest for value in (1, True, 1.0, "1", None)]

    assert len({json.dumps(repr(rest)) for rest in rests}) == 5
    assert len(set(rests)) == 5


def test_values_that_hold_the_text_of_a_placeholder_are_rendered_as_they_are():
    made = builder("data:\n  a: {{ values.a }}\n  b: {{ values.b }}\n")

    for text in (f"{MARK}0000x", f"x{MARK}0001x", MARK):
        assert made.resources([layer({"a": text, "b": "eu"})])[1][0].tree["data"] == {"a": text, "b": "eu"}


@pytest.mark.parametrize("where", ["template", "default"])
def test_a_template_or_a_default_that_holds_the_text_of_a_placeholder_is_rendered_as_it_is(where):
    text = f"{MARK}0000x"
    made = builder(f"data:\n  a: {{{{ values.a }}}}\n  c: {text if where == 'template' else '{{ values.b }}'}\n")
    if where == "default":
        made._schema.defaults()["b"] = text
        made = Builder(made._inputs, ())

    for own in ("eu", "us"):
        assert made.resources([layer({"a": own})])[1][0].tree["data"] == {"a": own, "c": text}


def test_only_the_last_shapes_are_kept():
    made = builder("data:\n  a: {{ values.a }}-{{ values.number }}\n")

    count_renders(made, [{"a": "eu", "number": number} for number in range(200)])
    assert made._shapes is not None
    assert len(made._shapes._shapes) == 64


@pytest.mark.parametrize("text", ["eu", "a/b.c-d_e", "A1"])
def test_strings_that_every_form_shows_as_they_are_can_be_filled_in(text):
    assert is_uniform(text)


@pytest.mark.parametrize(
    "text", ["", "a", "no", "Yes", "1a", "-a", "a-", "a b", "a:b", "a#b", "é", "a\n", "null", "x" * 101]
)
def test_others_cannot(text):
    assert not is_uniform(text)


USES: list[Callable[[Any], object]] = [
    *(str, repr, len, iter, hash, int, json.dumps),
    *(lambda it: it == "x", lambda it: it < "x", lambda it: it + "x", lambda it: "x" + it, lambda it: it * 2),
    *(lambda it: it[0], lambda it: "x" in it, lambda it: it in ["x", "y"], lambda it: it in {"x": 1}),
    *(lambda it: f"{it}", "{}".format, "x".__add__, "x".join, lambda it: sorted([it, it])),
]


@pytest.mark.parametrize("use", USES)
def test_a_placeholder_refuses_whatever_would_look_into_it(use):
    with pytest.raises((TypeError, ValueError)):
        use(Placeholder(1))


@pytest.mark.parametrize("variant", ["plain", "operator", "manual", "merged"])
def test_real_environments_come_out_as_without_shapes(variant):
    shaped, plain = Builder(project(), ()), without_shapes(Builder(project(), ()))

    @settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
    @given(value_trees(variant, hostile=False), st.sampled_from(["zone-a", "Zone/b", "c.d", "no", "x y"]))
    def run(tree: dict[str, Any], word: str) -> None:
        for values in (tree, _with_other_strings(tree, word)):
            assert outcome(shaped, values) == outcome(plain, values)

    run()


def _with_other_strings(node: Any, word: str, path: tuple[str, ...] = ()) -> Any:
    """Another string in each place where users have strings of their own."""
    if isinstance(node, dict):
        return {key: _with_other_strings(item, word, (*path, key)) for key, item in node.items()}
    return word if isinstance(node, str) and {"labels", "externalLabels", "annotations"} & set(path) else node
