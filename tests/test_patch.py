"""The smallest patch between two trees, in kustomize's strategic merge and in JSON 6902."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generator.patch import json_patch, merge_patch, merged, same


def workload(**pod: Any) -> dict[str, Any]:
    return {"spec": {"template": {"spec": pod}}}


def pod_patch(base: dict[str, Any], wanted: dict[str, Any]) -> Any:
    patch = merge_patch("apps", "Deployment", workload(**base), workload(**wanted))
    return patch if patch is None else patch["spec"]["template"]["spec"]


A, B, C = {"name": "a", "image": "x"}, {"name": "b", "image": "x"}, {"name": "c", "image": "x"}


def test_a_patch_says_no_more_than_what_differs():
    base = {"metadata": {"labels": {"a": "1", "b": "2"}}, "spec": {"x": {"y": 1, "z": [1]}}}
    wanted = {"metadata": {"labels": {"a": "1", "c": "3"}}, "spec": {"x": {"y": 2, "z": [1]}}}
    patch = merge_patch("", "ConfigMap", base, wanted)
    assert patch == {"metadata": {"labels": {"b": None, "c": "3"}}, "spec": {"x": {"y": 2}}}


def test_equal_trees_need_no_patch():
    assert merge_patch("apps", "Deployment", workload(containers=[A]), workload(containers=[A])) == {}
    assert json_patch(workload(containers=[A]), workload(containers=[A])) == []


def test_a_container_is_changed_by_its_name():
    assert pod_patch({"containers": [A, B]}, {"containers": [{**A, "image": "y"}, B]}) == {
        "containers": [{"name": "a", "image": "y"}]
    }


def test_an_element_that_comes_first_is_said_alone():
    assert pod_patch({"volumes": [A]}, {"volumes": [B, A]}) == {"volumes": [B]}


def test_an_element_that_comes_last_needs_the_names_before_it():
    assert pod_patch({"volumes": [A, B]}, {"volumes": [A, B, C]}) == {"volumes": [{"name": "a"}, {"name": "b"}, C]}


def test_an_element_is_deleted_by_its_name():
    assert pod_patch({"volumes": [A, B]}, {"volumes": [B]}) == {"volumes": [{"name": "a", "$patch": "delete"}]}


def test_a_list_without_merge_keys_is_said_whole():
    base = {"containers": [{**A, "args": ["1", "2"]}]}
    assert pod_patch(base, {"containers": [{**A, "args": ["1", "3"]}]}) == {
        "containers": [{"name": "a", "args": ["1", "3"]}]
    }


def test_a_list_whose_elements_have_a_second_key_is_replaced():
    zone = {"topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule", "maxSkew": 1}
    patch = pod_patch({"topologySpreadConstraints": [zone]}, {"topologySpreadConstraints": [{**zone, "maxSkew": 2}]})
    assert patch == {"topologySpreadConstraints": [{"$patch": "replace"}, {**zone, "maxSkew": 2}]}


@pytest.mark.parametrize(
    ("base", "wanted"),
    [
        ({"nodeSelector": {"a": "b"}}, {"nodeSelector": {}}),
        ({"hostname": "a"}, {"hostname": "a", "nodeSelector": {}}),
        ({"volumes": [A]}, {"volumes": []}),
        ({"hostname": "a"}, {"hostname": None}),
        ({"hostname": "a"}, {"hostname": "\ttab"}),
        ({"containers": [A, A]}, {"containers": [A]}),
        ({"volumes": [A]}, {"volumes": [B, B]}),
    ],
)
def test_what_a_strategic_merge_cannot_say_exactly_is_left_to_json(base, wanted):
    assert pod_patch(base, wanted) is None


@pytest.mark.parametrize(
    ("group", "kind"), [("monitoring.coreos.com", "Prometheus"), ("example.com", "Service"), ("", "Widget")]
)
def test_kinds_that_kustomize_does_not_know_are_left_to_json(group, kind):
    assert merge_patch(group, kind, {"spec": {"a": 1}}, {"spec": {"a": 2}}) is None


def test_true_is_not_one():
    assert not same({"a": [True]}, {"a": [1]})
    assert not same({"a": 1}, {"a": 1.0})
    assert json_patch({"a": True}, {"a": 1}) == [{"op": "replace", "path": "/a", "value": 1}]


def test_slashes_and_tildes_in_a_pointer_are_escaped():
    assert json_patch({"a/b~c": 1}, {}) == [{"op": "remove", "path": "/a~1b~0c"}]


def test_an_element_is_changed_in_its_place():
    operations = json_patch({"l": [{"a": 1, "b": 1}, 2]}, {"l": [{"a": 2, "b": 1}, 2]})
    assert operations == [{"op": "replace", "path": "/l/0/a", "value": 2}]


def test_elements_are_added_and_removed_between_what_stays():
    assert json_patch([1, 2, 3], [1, 3]) == [{"op": "remove", "path": "/1"}]
    assert json_patch([1, 3], [1, 2, 3]) == [{"op": "add", "path": "/1", "value": 2}]
    assert json_patch([1], [1, 2]) == [{"op": "add", "path": "/-", "value": 2}]


scalars = st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["", "a", "a/b", "~"])
names = st.sampled_from(["a", "b", "a/b", "~0"])
trees = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4), max_leaves=12
)


def applied(tree: Any, operations: list[dict[str, Any]]) -> Any:
    """Apply operations as RFC 6902 has it."""
    document = {"": deepcopy(tree)}
    for operation in operations:
        steps = [step.replace("~1", "/").replace("~0", "~") for step in operation["path"].split("/")]
        holder: Any = document
        for step in steps[:-1]:
            holder = holder[int(step) if type(holder) is list else step]
        last, value = steps[-1], deepcopy(operation.get("value"))
        if type(holder) is dict:
            if operation["op"] == "remove":
                del holder[last]
            else:
                holder[last] = value
        elif operation["op"] == "add":
            holder.insert(len(holder) if last == "-" else int(last), value)
        elif operation["op"] == "remove":
            del holder[int(last)]
        else:
            holder[int(last)] = value
    return document[""]


@given(base=trees, wanted=trees)
def test_operations_always_give_what_is_wanted(base, wanted):
    assert same(applied(base, json_patch(base, wanted)), wanted)


elements = st.lists(
    st.fixed_dictionaries({"name": st.sampled_from("abcd")}, optional={"x": scalars, "y": trees}),
    max_size=4,
    unique_by=lambda item: str(item["name"]),
)


@given(base=elements, wanted=elements)
def test_a_strategic_merge_gives_what_is_wanted_or_nothing(base, wanted):
    before, after = workload(volumes=base), workload(volumes=wanted)
    patch = merge_patch("apps", "StatefulSet", before, after)
    assert patch is None or same(merged("StatefulSet", before, patch), after)
