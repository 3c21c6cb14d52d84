"""Runs `promtool test rules` on the alerts as they are rendered, and tells which fire when."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from generator.resource import Resource
from tests.rendering import render
from tests.tools import run

Tree = Mapping[str, Any]

#: Series by name and labels, each with its samples, a minute apart, in promtool's notation.
Series = Mapping[str, str]

#: The labels of alerts that fire, but for alertname and alertstate.
Firing = Sequence[Mapping[str, str]]


def rule_groups(resources: Iterable[Resource]) -> list[dict[str, Any]]:
    """Give the rule groups of an environment: of its rule file, or of its PrometheusRule."""
    found: list[dict[str, Any]] = []
    for resource in resources:
        if "rules.yaml" in resource.tree.get("data", {}):
            found += yaml.safe_load(resource.tree["data"]["rules.yaml"])["groups"]
        elif resource.id.kind == "PrometheusRule":
            found += resource.tree["spec"]["groups"]
    return found


def alerts(overlay: Tree) -> list[dict[str, Any]]:
    """Give the built-in alerts of an environment."""
    return [
        dict(rule) for group in _groups(json.dumps(overlay)) if group["name"] == "sidecert" for rule in group["rules"]
    ]


@cache
def _groups(overlay: str) -> list[dict[str, Any]]:
    return rule_groups(render(json.loads(overlay)))


def check(overlay: Tree, alert: str, series: Series, expected: Mapping[str, Firing]) -> None:
    """Raise AssertionError unless exactly the expected alerts of a name fire, at each of some times such as `1h5m`."""
    query = f'ALERTS{{alertname="{alert}",alertstate="firing"}}'
    named = {"alertname": alert, "alertstate": "firing"}
    tests = [
        {
            "expr": query,
            "eval_time": time,
            "exp_samples": [{"labels": _selector("ALERTS", {**named, **labels}), "value": 1} for labels in firing],
        }
        for time, firing in expected.items()
    ]
    _run(overlay, alert, {"input_series": _input(series), "promql_expr_test": tests})


def check_text(
    overlay: Tree,
    alert: str,
    series: Series,
    at: str,
    labels: Mapping[str, str],
    annotations: Mapping[str, str],
    external_labels: Mapping[str, str],
) -> None:
    """Raise AssertionError unless exactly one alert of a name fires at a time, with these labels and annotations."""
    firing = [{"exp_labels": dict(labels), "exp_annotations": dict(annotations)}]
    test = {"eval_time": at, "alertname": alert, "exp_alerts": firing}
    _run(
        overlay,
        alert,
        {"input_series": _input(series), "alert_rule_test": [test], "external_labels": dict(external_labels)},
    )


def _input(series: Series) -> list[dict[str, str]]:
    return [{"series": name, "values": values} for name, values in series.items()]


def _selector(name: str, labels: Mapping[str, str]) -> str:
    return name + "{" + ",".join(f"{key}={json.dumps(value)}" for key, value in sorted(labels.items())) + "}"


def _run(overlay: Tree, alert: str, test: dict[str, Any]) -> None:
    rules_of_the_name = [rule for rule in alerts(overlay) if rule["alert"] == alert]
    with tempfile.TemporaryDirectory() as folder:
        rules, tests = Path(folder, "rules.yaml"), Path(folder, "tests.yaml")
        rules.write_text(yaml.safe_dump({"groups": [{"name": "sidecert", "rules": rules_of_the_name}]}))
        tests.write_text(
            yaml.safe_dump(
                {"rule_files": [str(rules)], "evaluation_interval": "1m", "tests": [{"interval": "1m", **test}]}
            )
        )
        run("promtool", "test", "rules", str(tests))
