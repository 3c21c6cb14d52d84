"""Strict validators: Kubernetes' own schemas by version, and custom resources by their definitions."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import kubernetes_validate
import yaml

from tests.rendering import ROOT

Tree = Mapping[str, Any]
Validator = jsonschema_rs.Draft7Validator | jsonschema_rs.Draft202012Validator

_SCHEMAS = Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema"
_CORE_GROUPS = ("", "apps", "policy", "rbac.authorization.k8s.io", "networking.k8s.io")


def is_core(resource: Tree) -> bool:
    """Tell whether Kubernetes itself knows a resource."""
    group, _, version = resource["apiVersion"].rpartition("/")
    return bool(version) and group in _CORE_GROUPS


def core_problems(resource: Tree, version: str) -> list[str]:
    """Give what a Kubernetes version (``1.33``) refuses about a resource, unknown fields included."""
    group, _, api_version = resource["apiVersion"].rpartition("/")
    parts = [resource["kind"].lower(), *([group.partition(".")[0]] if group else []), api_version]
    return problems(_core_validator("-".join(parts), version), resource)


@cache
def _core_validator(name: str, version: str) -> Validator:
    folder = _SCHEMAS / f"v{version}.0-local-strict"
    schema = _read(folder / f"{name}.json")
    del schema["$id"]  # references would be resolved against it
    return jsonschema_rs.Draft202012Validator({**schema, "$defs": _definitions(folder)})


@cache
def _definitions(folder: Path) -> Any:
    return _read(folder / "_definitions.json")["$defs"]


def _read(path: Path) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(path.read_text().replace("/api/_definitions.json#", "#"))
    return parsed


def problems(validator: Validator, resource: Tree) -> list[str]:
    """Tell each violation with its place."""
    return [
        f"{'.'.join(map(str, error.instance_path))}: {error.message[:300]}" for error in validator.iter_errors(resource)
    ]


# ------------------------------------------------------------------------------------------- custom resources


def crd_folder() -> Path | None:
    """Where CustomResourceDefinitions are: ``SIDECERT_CRDS``, or a folder ``crds`` near the checkout; None: nowhere."""
    named = os.environ.get("SIDECERT_CRDS")
    return Path(named) if named else next(iter(sorted(ROOT.parent.glob("*/crds"))), None)


@cache
def crd_validators() -> dict[tuple[str, str], Validator]:
    """Give a strict validator for each apiVersion and kind that the definitions define."""
    folder = crd_folder()
    assert folder is not None
    found: dict[tuple[str, str], Validator] = {}
    for path in sorted(folder.glob("*.yaml")):
        for definition in yaml.load_all(path.read_text(), Loader=yaml.CSafeLoader):
            if definition and definition["kind"] == "CustomResourceDefinition":
                spec = definition["spec"]
                for version in spec["versions"]:
                    key = (f"{spec['group']}/{version['name']}", spec["names"]["kind"])
                    found[key] = jsonschema_rs.Draft7Validator(resource_schema(version["schema"]["openAPIV3Schema"]))
    return found


def resource_schema(schema: Tree) -> dict[str, Any]:
    """Make a JSON Schema of a structural schema; the server adds what every resource has."""
    common = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"type": "object"}}
    strict = strict_schema(schema)
    return {**strict, "properties": {**strict.get("properties", {}), **common}, "additionalProperties": False}


def strict_schema(node: Any) -> Any:
    """Turn a structural schema into a JSON Schema that refuses unknown fields, as `kubectl --validate=strict` does.

    https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#field-pruning
    """
    if isinstance(node, list):
        return [strict_schema(item) for item in node]
    if not isinstance(node, dict):
        return node
    if node.get("x-kubernetes-int-or-string"):
        return {"type": ["integer", "string"], **{key: node[key] for key in ("pattern",) if key in node}}
    plain = {key: value for key, value in node.items() if not key.startswith("x-kubernetes-") and key not in _DROPPED}
    for key in ("items", "not", "additionalProperties", "allOf", "anyOf", "oneOf"):
        if key in plain:
            plain[key] = _conditions(plain[key]) if key in _CONDITIONS else strict_schema(plain[key])
    if "(?i)" in plain.get("pattern", ""):
        del plain["pattern"]  # JSON Schema's expressions have no flags
    if "properties" in plain:
        plain["properties"] = {name: strict_schema(inner) for name, inner in plain["properties"].items()}
        if not node.get("x-kubernetes-preserve-unknown-fields"):
            plain.setdefault("additionalProperties", False)
    return plain


_DROPPED = {"description", "default", "example", "format", "nullable"}
_CONDITIONS = {"not", "allOf", "anyOf", "oneOf"}


def _conditions(node: Any) -> Any:
    """Conditions only look at some fields; they never make others unknown."""
    if isinstance(node, list):
        return [_conditions(item) for item in node]
    if not isinstance(node, dict):
        return node
    return {key: _conditions(value) for key, value in node.items() if not str(key).startswith("x-kubernetes-")}
