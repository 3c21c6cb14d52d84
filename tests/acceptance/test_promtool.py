"""Prometheus' own checker accepts every configuration and every rule that is rendered.

Debian's promtool is built without Kubernetes discovery, so that alone is replaced before the check, by file discovery.
Nothing rendered is newer than promtool 2.42, so nothing else has to be taken out. The files that a configuration names
must exist for it: they are made, and the configuration is told where.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from generator.resource import Resource
from tests.acceptance.examples import VARIANTS, random_trees
from tests.rendering import render, render_sample, sample_names
from tests.tools import run

pytestmark = pytest.mark.programs

FILES = ("ca_file", "cert_file", "key_file", "credentials_file")


@cache
def stand_ins(folder: Path) -> dict[str, str]:
    """Make the file that stands for each file that a configuration names: promtool only looks whether it is there."""
    file = folder / "file"
    file.touch()
    return dict.fromkeys(FILES, str(file))


def checkable(node: Any, files: Mapping[str, str]) -> Any:
    """Replace what promtool can't check here: Kubernetes discovery, and files of the container."""
    if isinstance(node, list):
        return [checkable(item, files) for item in node]
    if not isinstance(node, dict):
        return node
    changed = {key: files.get(key) or checkable(value, files) for key, value in node.items()}
    changed.pop("rule_files", None)  # checked by themselves
    if changed.pop("kubernetes_sd_configs", None):
        changed["file_sd_configs"] = [{"files": ["targets/*.json"]}]
    return changed


def configurations(resources: Iterable[Resource]) -> Iterator[str]:
    """Give the text of each prometheus.yml."""
    for resource in resources:
        if "prometheus.yml" in resource.tree.get("data", {}):
            yield resource.tree["data"]["prometheus.yml"]


def rule_files(resources: Iterable[Resource]) -> Iterator[str]:
    """Give the text of each rule file, and of each PrometheusRule as one."""
    for resource in resources:
        if "rules.yaml" in resource.tree.get("data", {}):
            yield resource.tree["data"]["rules.yaml"]
        elif resource.id.kind == "PrometheusRule":
            yield yaml.safe_dump(resource.tree["spec"])


@pytest.fixture
def check(tmp_path):
    """Run promtool on the configurations and rule files in resources."""

    def run_promtool(*environments: list[Resource]) -> None:
        configs, rules = [], []
        for number, resources in enumerate(environments):
            for text in configurations(resources):
                configs.append(tmp_path / f"prometheus-{number}.yml")
                changed = checkable(yaml.load(text, Loader=yaml.CSafeLoader), stand_ins(tmp_path))
                configs[-1].write_text(yaml.safe_dump(changed))
            for text in rule_files(resources):
                rules.append(tmp_path / f"rules-{number}.yaml")
                rules[-1].write_text(text)
        if configs:
            run("promtool", "check", "config", *map(str, configs))
        if rules:
            run("promtool", "check", "rules", *map(str, rules))

    return run_promtool


@pytest.mark.parametrize("name", sample_names())
def test_promtool_accepts_a_sample(check, name):
    check(render_sample(name))


@pytest.mark.parametrize("variant", VARIANTS)
def test_promtool_accepts_any_valid_environment(check, variant):
    check(*(render(overlay) for overlay in random_trees(variant)))


def test_a_job_that_prometheus_refuses_is_noticed(check):
    broken = {"scrape": {"extraJobs": {"a": {"config": {"metrics_pathh": "/"}}}}}
    with pytest.raises(AssertionError, match="metrics_pathh"):
        check(render(broken))


def test_the_rule_files_that_a_configuration_names_are_mounted():
    resources = {resource.id.name: resource.tree for resource in render({})}
    config = yaml.safe_load(resources["prometheus-config"]["data"]["prometheus.yml"])
    assert config["rule_files"] == ["/etc/prometheus/rules/*.yaml"]
    assert list(resources["prometheus-rules"]["data"]) == ["rules.yaml"]
