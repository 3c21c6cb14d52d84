"""Collects the names and types of fields from public schemas into the texts of ``generator/fields``.

Run by hand when a new release is out:

    python -m tests.fields.collect FOLDER

``FOLDER`` holds custom resource definitions of the Prometheus Operator and of Istio as YAML; the fields of Kubernetes'
own kinds come from the package kubernetes-validate. ``prometheus.txt`` is written by hand. The tests collect anew and
compare.
"""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate

from generator.yaml import load_documents

HERE = Path(__file__).parent.parent.parent / "generator" / "fields"
NEWEST = "1.37.0"
KINDS = {
    "core": ("Pod", "Service", "ConfigMap", "Secret", "ServiceAccount", "Namespace"),
    "apps": ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"),
    "batch": ("Job", "CronJob"),
    "rbac.authorization.k8s.io": ("ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"),
    "networking.k8s.io": ("NetworkPolicy",),
}
OPERATOR = ("Prometheus", "PrometheusAgent", "ServiceMonitor", "PodMonitor", "Probe", "ScrapeConfig", "PrometheusRule")
ISTIO = ("Sidecar", "DestinationRule", "PeerAuthentication", "AuthorizationPolicy", "RequestAuthentication")
# Of several types of Kubernetes with the same fields, the one whose name custom resources borrow.
BORROWED = ("LocalObjectReference", "SecretKeySelector", "HTTPHeader", "LabelSelectorRequirement", "PodAffinity")
SCALARS = ("string", "boolean", "integer", "number")

Types = dict[str, dict[str, str]]


def core_types(version: str = NEWEST) -> Types:
    """Give the types of Kubernetes' own kinds, each kind as ``group/Kind``."""
    definitions = _definitions(version)
    collected: Types = {}
    for group, kinds in KINDS.items():
        part = "api." + group.removesuffix(".authorization.k8s.io").removesuffix(".k8s.io")
        for kind in kinds:
            _define(definitions, f"io.k8s.{part}.v1.{kind}", collected)
            collected[f"{group}/{kind}"] = _root(collected.pop(kind))
    return _reached(collected)


def custom_types(definitions: Iterable[Any], group: str, kinds: tuple[str, ...], known: Types) -> Types:
    """Give the types of custom kinds, leaving out those that are equal to one of ``known``."""
    custom = _Custom(known)
    roots: Types = {}
    for definition in definitions:
        specification = definition["spec"]
        kind = specification["names"]["kind"]
        if kind in kinds and specification["group"].endswith(group):
            schema: dict[str, Any] = {}
            for version in specification["versions"]:
                _merge(schema, version["schema"]["openAPIV3Schema"]["properties"])
            roots[f"{specification['group']}/{kind}"] = {
                **dict.fromkeys(("apiVersion", "kind"), "string"),
                "metadata": "ObjectMeta",
                "spec": custom.type(f"{kind}Spec", schema["spec"]),
                "status": "any",
            }
    return {**custom.collected, **roots}


def text_of(types: Types, source: str) -> str:
    """Print types: a name, and below it the fields of each type of value."""
    lines = [f"# {source}", "# Collected by tests/fields/collect.py; the format is told in table.py.", ""]
    for name in sorted(types, key=lambda name: ("/" not in name, name)):
        lines.append(name)
        by_type: dict[str, list[str]] = {}
        for field, value in types[name].items():
            by_type.setdefault(value, []).append(field)
        for value in sorted(by_type):
            text = " ".join([value, *sorted(by_type[value])])
            lines += textwrap.wrap(
                text, 116, initial_indent="  ", subsequent_indent=f"  {value} ", break_on_hyphens=False
            )
    return "\n".join(lines) + "\n"


def read_folder(folder: Path) -> list[Any]:
    """Read every custom resource definition below a folder."""
    return [
        document for path in sorted(folder.glob("*.yaml")) for document in load_documents(path.read_text(), path.name)
    ]


@cache
def _definitions(version: str) -> dict[str, Any]:
    folder = Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema" / f"v{version}-local"
    definitions: dict[str, Any] = json.loads((folder / "_definitions.json").read_text())["$defs"]
    return definitions


def _root(fields: Mapping[str, str]) -> dict[str, str]:
    """A status is written by controllers, not by users."""
    return {**fields, "status": "any"}


def _define(definitions: Mapping[str, Any], reference: str, collected: Types) -> str:
    """Collect a definition and all that it refers to; give its type."""
    schema = definitions[reference]
    name = reference.rsplit(".", 1)[1]
    if "properties" not in schema:
        return "any" if "object" in schema.get("type", ()) else _scalar(schema)
    if name not in collected:
        collected[name] = {}  # before its fields, in case it holds itself
        collected[name] = {
            field: _defined(definitions, child, collected) for field, child in schema["properties"].items()
        }
    return name


def _defined(definitions: Mapping[str, Any], schema: Mapping[str, Any], collected: Types) -> str:
    if "$ref" in schema:
        return _define(definitions, schema["$ref"].rsplit("/", 1)[1], collected)
    kind = schema.get("type", ())
    if "array" in kind:
        return "[]" + _defined(definitions, schema["items"], collected)
    if "object" in kind:
        values = schema.get("additionalProperties")
        return "{}" + _defined(definitions, values, collected) if isinstance(values, dict) else "any"
    return _scalar(schema)


def _scalar(schema: Mapping[str, Any]) -> str:
    if schema.get("x-kubernetes-int-or-string") or "oneOf" in schema:
        return "scalar"
    kind = schema.get("type", ())
    kinds = [scalar for scalar in SCALARS if scalar == kind or (isinstance(kind, list) and scalar in kind)]
    return kinds[0] if len(kinds) == 1 else "any"


class _Custom:
    """Collects types out of custom resource definitions; types with the same fields are one type."""

    def __init__(self, known: Types) -> None:
        self.known = known
        self.collected: Types = {}
        self.shapes: dict[frozenset[tuple[str, str]], str] = {}
        first = [name for name in BORROWED if name in known]
        equal: dict[str, str] = {}
        before: dict[str, str] | None = None
        while before != equal:  # until no more types turn out to be equal
            before = dict(equal)
            self.shapes = {}
            for name in [*first, *known]:
                if "/" not in name:
                    equal[name] = self.shapes.setdefault(_shape(known[name], equal), name)

    def type(self, name: str, schema: Mapping[str, Any]) -> str:
        """Collect what a schema holds; give its type."""
        kind = schema.get("type")
        if schema.get("x-kubernetes-preserve-unknown-fields"):
            return "any"
        if kind == "array":
            return "[]" + self.type(_singular(name), schema["items"])
        if kind != "object":
            return _scalar(schema)
        if "properties" not in schema:
            values = schema.get("additionalProperties")
            return "{}" + self.type(name, values) if isinstance(values, dict) else "any"
        fields = {field: self.type(field, child) for field, child in schema["properties"].items()}
        if (shape := _shape(fields, {})) not in self.shapes:
            self.shapes[shape] = unique = self.unused(name[0].upper() + name[1:])
            self.collected[unique] = fields
        return self.shapes[shape]

    def unused(self, name: str) -> str:
        """Give a name that no other type has."""
        taken = {*self.known, *self.collected}
        return next(free for number in range(1, 99) if (free := f"{name}{number if number > 1 else ''}") not in taken)


def _shape(fields: Mapping[str, str], equal: Mapping[str, str]) -> frozenset[tuple[str, str]]:
    """Give what makes types equal: their fields, and the types of these."""
    shape = set()
    for field, value in fields.items():
        name = value.lstrip("[]{}")
        shape.add((field, value.removesuffix(name) + equal.get(name, name)))
    return frozenset(shape)


def _reached(types: Types) -> Types:
    """Leave out what no kind holds."""
    reached: Types = {}
    waiting = [name for name in types if "/" in name]
    while waiting:
        name = waiting.pop()
        if name in types and name not in reached:
            reached[name] = types[name]
            waiting += [value.lstrip("[]{}") for value in types[name].values()]
    return reached


def _singular(name: str) -> str:
    return f"{name[:-3]}y" if name.endswith("ies") else name if name.endswith("ss") else name.removesuffix("s")


def _merge(into: dict[str, Any], other: Mapping[str, Any]) -> None:
    """Add properties of one version to those of another."""
    for name, schema in other.items():
        mine = into.setdefault(name, schema)
        if "properties" in mine and "properties" in schema:
            mine = into[name] = {**mine, "properties": dict(mine["properties"])}
            _merge(mine["properties"], schema["properties"])


def core_text() -> str:
    """Give the text of Kubernetes' own kinds."""
    return text_of(core_types(), f"Fields of Kubernetes' own kinds, as of {NEWEST}.")


def custom_texts(folder: Path) -> dict[str, str]:
    """Give the texts of the kinds that a folder defines, by file name."""
    core, read = core_types(), read_folder(folder)
    operator = custom_types(read, "monitoring.coreos.com", OPERATOR, core)
    istio = custom_types(read, ".istio.io", ISTIO, core)
    return {
        "operator.txt": text_of(operator, "Fields of the Prometheus Operator's kinds, as of 0.93."),
        "istio.txt": text_of(istio, "Fields of Istio's kinds, as of 1.32."),
    }


if __name__ == "__main__":
    for file, text in {"core.txt": core_text(), **custom_texts(Path(sys.argv[1]))}.items():
        (HERE / file).write_text(text)
        print(f"{file}: {len(text)} bytes")
