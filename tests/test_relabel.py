"""The model of Prometheus that other tests rest on says what Prometheus does."""

from __future__ import annotations

import pytest

from tests.pods import Container, Pod, Port, pod_targets
from tests.relabel import relabel, targets

#: Cases of Prometheus' own test, model/relabel/relabel_test.go: labels, rules, and what is left (None: dropped).
A = {"a": "foo", "b": "bar", "c": "baz"}
CASES: dict[str, tuple[dict[str, str], list[dict[str, object]], dict[str, str] | None]] = {
    "expands groups": (
        A,
        [{"source_labels": ["a"], "regex": "f(.*)", "target_label": "d", "replacement": "ch${1}-ch${1}"}],
        {**A, "d": "choo-choo"},
    ),
    "joins by the separator": (
        A,
        [{"source_labels": ["a", "b"], "regex": "f(.*);(.*)r", "target_label": "a", "replacement": "b${1}${2}m"}],
        {**A, "a": "boobam"},
    ),
    "drops": ({"a": "foo"}, [{"source_labels": ["a"], "regex": ".*o.*", "action": "drop"}], None),
    "anchors": ({"a": "abc"}, [{"source_labels": ["a"], "regex": "b", "action": "drop"}], {"a": "abc"}),
    "leaves alone what doesn't match": (
        {"a": "foo"},
        [{"source_labels": ["a"], "regex": "no-match", "target_label": "d"}],
        {"a": "foo"},
    ),
    "keeps": ({"a": "foo"}, [{"source_labels": ["a"], "regex": "f|foo", "action": "keep"}], {"a": "foo"}),
    "removes a label by an empty value": (
        {"a": "foo", "b": "x"},
        [{"source_labels": ["a"], "regex": "f.*", "target_label": "b", "replacement": ""}],
        {"a": "foo"},
    ),
    "takes a name with a letter behind it for another group": (
        {"a": "foo"},
        [{"source_labels": ["a"], "regex": "(.*)", "target_label": "b", "replacement": "$1x-${1}x"}],
        {"a": "foo", "b": "-foox"},
    ),
    "maps labels": (
        {"a": "foo", "b1": "bar", "b2": "baz"},
        [{"regex": "(b.*)", "replacement": "bar_${1}", "action": "labelmap"}],
        {"a": "foo", "b1": "bar", "b2": "baz", "bar_b1": "bar", "bar_b2": "baz"},
    ),
    "drops labels": ({"a": "foo", "b1": "bar"}, [{"regex": "(b.*)", "action": "labeldrop"}], {"a": "foo"}),
    "keeps labels": ({"a": "foo", "b1": "bar"}, [{"regex": "(b.*)", "action": "labelkeep"}], {"b1": "bar"}),
    "keeps equal ones": (
        {"a": "1234", "b": "1234"},
        [{"source_labels": ["a"], "target_label": "b", "action": "keepequal"}],
        {"a": "1234", "b": "1234"},
    ),
    "keeps equal ones that are both absent": (
        {"c": "x"},
        [{"source_labels": ["a"], "target_label": "b", "action": "keepequal"}],
        {"c": "x"},
    ),
    "drops equal ones": (
        {"a": "1234", "b": "1234"},
        [{"source_labels": ["a"], "target_label": "b", "action": "dropequal"}],
        None,
    ),
    "writes in lower case": (
        {"a": "FoO"},
        [{"source_labels": ["a"], "target_label": "b", "action": "lowercase"}],
        {"a": "FoO", "b": "foo"},
    ),
}


@pytest.mark.parametrize(("labels", "rules", "expected"), CASES.values(), ids=CASES)
def test_relabelling(labels, rules, expected):
    assert relabel(labels, rules) == expected


def test_a_target_loses_meta_labels_and_gets_an_instance():
    config = {"job_name": "a", "scheme": "https", "metrics_path": "/m"}
    (target,) = targets(config, [{"__address__": "h:1", "__meta_x": "y", "l": "v"}])
    assert target.url == "https://h:1/m"
    assert target.labels == {"job": "a", "instance": "h:1", "l": "v"}


def test_targets_that_end_with_equal_labels_count_once():
    discovered = [{"__address__": "h:1", "__meta_x": x} for x in "ab"]
    assert len(targets({"job_name": "a"}, discovered)) == 1


def test_a_target_without_an_address_is_none():
    assert targets({"job_name": "a"}, [{"l": "v"}]) == []


def test_discovery_offers_each_port_and_each_container_without_one():
    containers = (Container("app", (Port(80, "http"), Port(53, "dns", "UDP"))), Container("helper"))
    pod = Pod(ip="fd00::1", containers=(Container("proxy", (Port(15090),), init=True), *containers))
    found = [
        (labels["__address__"], labels["__meta_kubernetes_pod_container_init"])
        for labels in pod_targets(pod.annotated(a="b"))
    ]
    assert found == [
        ("[fd00::1]:80", "false"),
        ("[fd00::1]:53", "false"),
        ("fd00::1", "false"),
        ("[fd00::1]:15090", "true"),
    ]
    first = next(pod_targets(pod.annotated(a="b")))
    assert first["__meta_kubernetes_pod_annotation_prometheus_io_a"] == "b"
    assert first["__meta_kubernetes_pod_annotationpresent_prometheus_io_a"] == "true"
