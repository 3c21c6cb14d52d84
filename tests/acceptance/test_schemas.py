"""Every rendered resource is one that the API server takes, without a field that it doesn't know."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

import pytest

from tests.acceptance import pod_security, strict
from tests.acceptance.examples import VARIANTS, random_trees
from tests.rendering import render, render_sample, sample_names, sample_values

KUBERNETES = tuple(f"1.{minor}" for minor in range(29, 37))

Tree = Mapping[str, Any]


def resources(overlay: Tree) -> list[dict[str, Any]]:
    return [resource.tree for resource in render(overlay)]


@pytest.fixture(params=sample_names())
def sample(request) -> str:
    """The name of a sample environment."""
    name: str = request.param
    return name


@pytest.fixture
def trees(sample) -> list[dict[str, Any]]:
    """A sample's resources."""
    return [resource.tree for resource in render_sample(sample)]


def refused_by_kubernetes(trees: list[dict[str, Any]], version: str) -> list[str]:
    core = [tree for tree in trees if strict.is_core(tree)]
    assert core
    return [f"{tree['kind']} in {version}: {text}" for tree in core for text in strict.core_problems(tree, version)]


def oldest(values: Tree) -> str:
    """Give the Kubernetes version that the values name, as major and minor."""
    return ".".join(values["kubernetes"]["version"].split(".")[:2])


# ----------------------------------------------------------------------------------------------------- core resources


@pytest.mark.parametrize("version", KUBERNETES)
def test_kubernetes_knows_every_field_of_the_samples(trees, version):
    assert refused_by_kubernetes(trees, version) == []


def test_the_version_that_a_sample_names_knows_every_field(sample, trees):
    assert refused_by_kubernetes(trees, oldest(sample_values(sample))) == []


@pytest.mark.parametrize("variant", VARIANTS)
def test_kubernetes_knows_every_field_of_any_valid_environment(variant):
    for overlay in random_trees(variant):
        named = oldest(overlay) if "version" in overlay.get("kubernetes", {}) else "1.33"
        for version in {named, KUBERNETES[0], KUBERNETES[-1]}:
            assert refused_by_kubernetes(resources(overlay), version) == [], overlay


def test_an_unknown_field_is_noticed():
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": {"prots": []}}
    assert strict.core_problems(service, "1.33")


# --------------------------------------------------------------------------------------------------- custom resources


def unknown_to_the_models(tree: dict[str, Any]) -> list[str]:
    """Give the fields that the model of a custom resource drops; a value that it refuses raises ValidationError.

    The models on PyPI are those of Istio 1.24 and operator 0.80. Nothing that is rendered is newer, so there is no
    exception.
    """
    group, _, version = tree["apiVersion"].rpartition("/")
    parts = {"monitoring.coreos.com": "prometheus_operator"}.get(group, f"istio.{group.partition('.')[0]}")
    model = getattr(import_module(f"cloudcoil.models.{parts}.{version}"), tree["kind"])
    given = _with_units(tree)
    kept = model.model_validate(given).model_dump(by_alias=True, exclude_unset=True, mode="json")
    return list(_lost(given, kept, ""))


def _with_units(value: Any, parent: str = "") -> Any:
    """Write a quantity `"2"` as `"2k"`: the models try a number first, and then fail on their own pattern."""
    if isinstance(value, dict):
        return {key: _with_units(inner, key if parent not in _QUANTITIES else parent) for key, inner in value.items()}
    if isinstance(value, list):
        return [_with_units(item) for item in value]
    return f"{value}k" if parent in _QUANTITIES and isinstance(value, str) and value.isdigit() else value


_QUANTITIES = {"limits", "requests", "sizeLimit"}


def _lost(given: Any, kept: Any, path: str) -> Iterator[str]:
    if isinstance(given, dict) and isinstance(kept, dict):
        for key, value in given.items():
            inner = f"{path}.{key}" if path else key
            if key not in kept:
                yield inner
            else:
                yield from _lost(value, kept[key], inner)
    elif isinstance(given, list) and isinstance(kept, list):
        for value, other in zip(given, kept, strict=True):
            yield from _lost(value, other, f"{path}[]")


def custom(trees: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [tree for tree in trees if not strict.is_core(tree)]


def test_the_models_know_every_field_of_the_samples(trees):
    assert [(tree["kind"], path) for tree in custom(trees) for path in unknown_to_the_models(tree)] == []


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_models_know_every_field_of_any_valid_environment(variant):
    for overlay in random_trees(variant):
        for tree in custom(resources(overlay)):
            assert unknown_to_the_models(tree) == [], (tree, overlay)


def test_a_field_that_the_models_do_not_know_is_noticed():
    spec = {"selector": {}, "podMetricsEndpoints": [{"prot": "http"}]}
    monitor = {"apiVersion": "monitoring.coreos.com/v1", "kind": "PodMonitor", "metadata": {"name": "a"}, "spec": spec}
    assert unknown_to_the_models(monitor) == ["spec.podMetricsEndpoints[].prot"]


needs_definitions = pytest.mark.skipif(
    strict.crd_folder() is None, reason="no CustomResourceDefinitions near the checkout; SIDECERT_CRDS names a folder"
)


def refused_by_definitions(trees: list[dict[str, Any]]) -> list[str]:
    validators = strict.crd_validators()
    found = []
    for tree in custom(trees):
        validator = validators[tree["apiVersion"], tree["kind"]]
        found += [f"{tree['kind']} {tree['metadata']['name']}: {text}" for text in strict.problems(validator, tree)]
    return found


@needs_definitions
def test_the_definitions_accept_the_samples(trees):
    assert refused_by_definitions(trees) == []


@needs_definitions
@pytest.mark.parametrize("variant", VARIANTS)
def test_the_definitions_accept_any_valid_environment(variant):
    for overlay in random_trees(variant):
        assert refused_by_definitions(resources(overlay)) == [], overlay


@needs_definitions
def test_a_field_that_no_definition_knows_is_noticed():
    spec = {"selector": {}, "podMetricsEndpoints": [{"prot": "http"}]}
    monitor = {"apiVersion": "monitoring.coreos.com/v1", "kind": "PodMonitor", "metadata": {"name": "a"}, "spec": spec}
    assert len(refused_by_definitions([monitor])) == 1


# ------------------------------------------------------------------------------------------------------- Pod Security


def pod_specs(trees: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for tree in trees:
        if tree["kind"] in {"StatefulSet", "Deployment"}:
            yield tree["spec"]["template"]["spec"]
        elif tree["kind"] in {"Prometheus", "PrometheusAgent"}:
            # The operator gives its own containers a restricted security context.
            yield {
                "securityContext": tree["spec"].get("securityContext", {}),
                "volumes": tree["spec"].get("volumes", []),
            }


def test_the_pods_of_the_samples_meet_the_restricted_level(trees):
    specs = list(pod_specs(trees))
    assert specs
    assert [text for spec in specs for text in pod_security.violations(spec)] == []
    assert all(spec["securityContext"]["runAsNonRoot"] for spec in specs)
    assert all(spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"} for spec in specs)


@pytest.mark.parametrize("variant", VARIANTS)
def test_pods_meet_the_restricted_level_unless_the_values_say_otherwise(variant):
    contexts = {"podSecurityContext", "securityContext"}
    for overlay in random_trees(variant):
        chosen = {
            **overlay,
            "prometheus": {key: value for key, value in overlay.get("prometheus", {}).items() if key not in contexts},
        }
        assert [text for spec in pod_specs(resources(chosen)) for text in pod_security.violations(spec)] == [], chosen


@pytest.mark.parametrize("mode", ["envoy", "certificate-only"])
@pytest.mark.parametrize("version", ["1.28", "1.33"])
def test_the_hand_written_proxy_meets_the_restricted_level(mode, version):
    overlay = {"variant": "manual", "proxy": {"mode": mode}, "kubernetes": {"version": version}}
    (spec,) = pod_specs(resources(overlay))
    names = [container["name"] for field in ("initContainers", "containers") for container in spec.get(field, [])]
    assert "istio-proxy" in names
    assert list(pod_security.violations(spec)) == []
