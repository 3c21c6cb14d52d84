"""Documents know where each of their parts stands, through lists of objects and strings that hold YAML."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generator.errors import InputError, Location, ValuePath
from generator.intake import Document, documents_of
from generator.yaml import block, document_locations, load, load_documents, scalar
from tests.test_yaml import strings, trees


def documents(text: str) -> list[Document]:
    return documents_of(textwrap.dedent(text).lstrip("\n"), "a.yaml")


def document(text: str) -> Document:
    (only,) = documents(text)
    return only


CONFIG_MAP = """
    apiVersion: v1
    kind: ConfigMap
    metadata:
      name: config
      namespace: monitoring
    data:
      prometheus.yml: |

        scrape_configs:
        - job_name: istio
          tls_config: {ca_file: /ca}
      rules.yml: "groups: []"
      note: just words
      folded: >
        a: 1
      bare:
        b: c
"""


def test_a_document_says_what_kubernetes_calls_it():
    config = document(CONFIG_MAP)
    assert str(config) == "ConfigMap monitoring/config"
    assert (config.api_version, config.group, config.kind) == ("v1", "", "ConfigMap")
    assert (config.name, config.namespace) == ("config", "monitoring")
    assert document("{apiVersion: apps/v1, kind: Deployment}").group == "apps"


def test_a_generated_name_counts_as_a_name():
    assert document("{apiVersion: v1, kind: Pod, metadata: {generateName: web-}}").name == "web-"


@pytest.mark.parametrize("text", ["{}", "kind: 1", "{kind: [], metadata: x}", "metadata: {name: 5, namespace: null}"])
def test_names_that_are_no_strings_are_empty(text: str):
    odd = document(f"{text}\n")
    assert (odd.api_version, odd.kind, odd.name, odd.namespace) == ("", "", "", "")
    assert str(odd) == "a.yaml"


def test_get_gives_none_for_what_is_not_there():
    pod = document("{a: [{b: 1}], c: null}")
    assert pod.get("a", 0, "b") == 1
    missing: list[ValuePath] = [("a", 1), ("a", -1), ("a", "b"), ("a", 0, "b", "c"), ("c", "d"), (0,), ("x",)]
    assert [pod.get(*path) for path in missing] == [None] * len(missing)
    assert pod.get() is pod.tree


def test_a_value_that_is_not_there_is_located_by_what_is_above_it():
    config = document(CONFIG_MAP)
    assert config.locate(("metadata", "labels", "app")) == Location("a.yaml", 3, 1)
    assert config.locate(("nothing",)) == Location("a.yaml", 1, 1)


def test_a_string_that_holds_yaml_is_located_in_the_file():
    config = document(CONFIG_MAP)
    inner = config.embedded(("data", "prometheus.yml"))
    assert inner is not None
    assert inner.outer == (config, ("data", "prometheus.yml"))
    path: ValuePath = ("scrape_configs", 0, "tls_config", "ca_file")
    assert inner.get(*path) == "/ca"
    assert inner.locate(path) == Location("a.yaml", 11, 20)
    assert inner.line(11).strip() == "tls_config: {ca_file: /ca}"


def test_the_same_document_is_given_for_a_string_each_time():
    config = document(CONFIG_MAP)
    assert config.embedded(("data", "rules.yml")) is config.embedded(("data", "rules.yml"))


@pytest.mark.parametrize(("key", "line"), [("rules.yml", 12), ("folded", 14)])
def test_yaml_in_a_quoted_or_folded_string_is_where_the_string_is(key: str, line: int):
    inner = document(CONFIG_MAP).embedded(("data", key))
    assert inner is not None
    assert inner.locate(("groups",)) == inner.locate(("a",)) == Location("a.yaml", line, 3)


@pytest.mark.parametrize("key", ["note", "bare", "nothing"])
def test_a_string_that_holds_no_map_gives_no_document(key: str):
    assert document(CONFIG_MAP).embedded(("data", key)) is None


@pytest.mark.parametrize("value", ['"{{ .Values.x }}"', '"- a: 1"', '"a: 1\\n---\\nb: 2"', '"a: b: c"', "{}", "5"])
def test_what_is_no_single_map_of_yaml_gives_no_document(value: str):
    assert document(f"x: {value}").embedded(("x",)) is None


def test_yaml_in_yaml_in_yaml_is_located_in_the_file():
    outer = document(
        """
        a: |
          # first
          b: |2
             c: 1
             d: 2
        """
    )
    middle = outer.embedded(("a",))
    assert middle is not None
    inner = middle.embedded(("b",))
    assert inner is not None
    assert inner.tree == {"c": 1, "d": 2}
    assert inner.locate(("d",)) == Location("a.yaml", 5, 6)
    assert inner.line(5) == "     d: 2"


def test_a_list_of_objects_gives_its_objects_and_their_places():
    found = documents(
        """
        apiVersion: v1
        kind: List
        items:
        - {apiVersion: v1, kind: Service, metadata: {name: a}}
        - apiVersion: v1
          kind: ServiceList
          items:
          - {apiVersion: v1, kind: Service, metadata: {name: b}}
        ---
        {apiVersion: v1, kind: Service, metadata: {name: c}}
        """
    )
    assert [str(one) for one in found] == ["Service a", "Service b", "Service c"]
    assert [one.path for one in found] == [("items", 0), ("items", 1, "items", 0), ()]
    assert [one.locate(("metadata", "name")).line for one in found] == [4, 8, 10]
    assert [one.index for one in found] == [0, 0, 1]


def test_empty_documents_do_not_count():
    text = "# nothing\n---\n---\nnull\n---\n!!null ''\n---\n&a\n---\na: 1\n--- ~\n---\nb: |\n  c: 2\n"
    assert load_documents(text, "a.yaml") == [{"a": 1}, {"b": "c: 2\n"}]
    first, second = document_locations(text, "a.yaml")
    assert first.keys["a",] == Location("a.yaml", 10, 1)
    assert second.keys["b",] == Location("a.yaml", 13, 1)
    assert second.blocks == {("b",): (14, 2)}


def test_lines_that_end_as_on_windows_have_the_same_places():
    windows = documents_of("a: |\r\n  b: 1\r\n  c: 2\r\nd: 1\r\n", "a.yaml")[0]
    inner = windows.embedded(("a",))
    assert inner is not None
    assert inner.locate(("c",)) == Location("a.yaml", 3, 3)
    assert windows.line(4) == "d: 1"
    assert windows.line(9) == ""


def test_a_colon_in_a_plain_text_between_brackets_is_text_as_for_kubernetes():
    text = """
        {kind: Pod, "x":1, 'y':2, a:b: {c: d}, args: [--url=http://x:80/y, "q:r", e: f], image: reg:5000/x:v1}
        ---
        b: |
          - targets: [localhost:9090]
            g: [x]
        z: {t: 12:30}
        """
    first, second = documents(text)
    assert first.tree == {
        "kind": "Pod",
        "x": 1,
        "y": 2,
        "a:b": {"c": "d"},
        "image": "reg:5000/x:v1",
        "args": ["--url=http://x:80/y", "q:r", {"e": "f"}],
    }
    assert second.tree == {"b": "- targets: [localhost:9090]\n  g: [x]\n", "z": {"t": "12:30"}}
    places: dict[ValuePath, int] = {("a:b", "c"): 33, ("args", 0): 47, ("image",): 82}
    for path, column in places.items():
        assert first.locate(path)[1:] == (1, column)
    assert first.line(1).startswith("{kind: Pod")


def test_prometheus_configuration_with_a_colon_between_brackets_is_read_from_a_string():
    inner = document("a: |\n  b:\n  - targets: [localhost:9090]\n").embedded(("a",))
    assert inner is not None
    assert inner.get("b", 0, "targets") == ["localhost:9090"]
    assert inner.locate(("b", 0, "targets", 0))[1:] == (3, 15)


@pytest.mark.parametrize("text", ["a: [b:c]\na: 1", "[a:b, {c:d: [}]", "x: [y:z]\n'q':\tr: s:t\n\tu: v"])
def test_other_mistakes_beside_such_a_colon_are_told_in_the_words_of_the_file(text: str):
    with pytest.raises(InputError) as caught:
        documents_of(text, "a.yaml")
    assert "\ue000" not in str(caught.value)
    assert "unexpected ':'" not in str(caught.value)


def _paths(value: Any, path: ValuePath = ()) -> Iterator[tuple[ValuePath, Any]]:
    yield path, value
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _paths(item, (*path, key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _paths(item, (*path, number))


def _at(lines: list[str], place: Location) -> str:
    return lines[place.line - 1][place.column - 1 :]


@given(st.lists(trees, max_size=3))
def test_every_key_of_a_printed_text_is_on_the_line_that_is_said(values: list[Any]):
    text = "".join(f"---\n{block(value)}\n" for value in values)
    lines = text.split("\n")
    there = [value for value in values if value is not None]
    places = document_locations(text, "a.yaml")
    assert len(places) == len(there)
    for value, (keys, blocks) in zip(there, places, strict=True):
        for path, part in _paths(value):
            if path and isinstance(path[-1], str):
                assert _at(lines, keys[path]).startswith(scalar(path[-1]))
            if path in blocks:
                first, indentation = blocks[path]
                for number, line in enumerate(part.removesuffix("\n").split("\n")):
                    assert lines[first - 1 + number][indentation:] == line


@given(st.dictionaries(strings, trees, min_size=1, max_size=3))
def test_every_key_of_a_printed_text_within_a_text_is_on_the_line_that_is_said(tree: dict[str, Any]):
    text = block({"a": {"b": [{"c": block(tree) + "\n"}]}})
    inner = documents_of(text, "a.yaml")[0].embedded(("a", "b", 0, "c"))
    assert inner is not None
    assert inner.tree == load(inner.text, "")
    literal = "- c: |" in text
    for path, _value in _paths(inner.tree):
        if path and isinstance(path[-1], str):
            found = _at(text.split("\n"), inner.locate(path))
            assert found.startswith(scalar(path[-1]) if literal else "c: ")


def test_ports_may_be_keys_without_quotes():
    text = "kind: PeerAuthentication\nspec:\n  portLevelMtls:\n    8080:\n      mode: DISABLE\n"
    [document] = documents_of(text, "a.yaml")
    assert document.get("spec", "portLevelMtls", "8080", "mode") == "DISABLE"
    assert document.locate(("spec", "portLevelMtls", "8080", "mode")).line == 5


def test_an_object_without_a_name_is_called_by_its_kind():
    [document] = documents_of("kind: Deployment\nmetadata: {namespace: monitoring}\n", "a.yaml")
    assert str(document) == "Deployment"
