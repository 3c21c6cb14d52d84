"""Objects found by kind, name and namespace: the same ones, in the same order, as by looking at all of them."""

from __future__ import annotations

import pytest

from generator.intake.document import documents_of
from generator.monitoring.objects import Objects

_NAMESPACES = ("b", "a", "b", "c", "")
_TEXT = "---\n".join(
    f"apiVersion: {version}\nkind: {kind}\nmetadata: {{name: one{number}, namespace: '{namespace}'}}\n"
    for number, namespace in enumerate(_NAMESPACES)
    for version, kind in (("v1", "Service"), ("apps/v1", "Deployment"), ("serving.knative.dev/v1", "Service"))
)
_OBJECTS = Objects(documents_of(_TEXT, "all.yaml"))


@pytest.mark.parametrize("wanted", [None, [], ["a"], ["b"], ["a", "b"], ["", "c"], ["nowhere"]], ids=str)
def test_objects_in_namespaces_are_those_of_the_files_in_their_order(wanted):
    wanted = None if wanted is None else set(wanted)
    numbers = [f"one{number}" for number, one in enumerate(_NAMESPACES) if wanted is None or one in wanted]
    assert [one.name for one in _OBJECTS.services_in(wanted)] == numbers
    assert [one.name for one, _ in _OBJECTS.workloads_in(wanted)] == numbers


def test_objects_of_a_name_are_told_apart_by_their_api_group():
    assert [one.api_version for one in _OBJECTS.named("Service", "one3")] == ["v1"]
    assert [one.namespace for one in _OBJECTS.named("Deployment", "one0", "apps")] == ["b"]
    assert not _OBJECTS.named("Deployment", "one0")


def test_objects_of_several_kinds_come_in_the_order_of_the_files():
    found = _OBJECTS.of_kind("Service", "Deployment")
    assert [id(one) for one in found] == [id(one) for one in _OBJECTS.documents]
    assert len(_OBJECTS.of_kind("Service", group="")) == len(_NAMESPACES)
