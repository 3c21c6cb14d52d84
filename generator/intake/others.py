"""What a map is that is no Kubernetes object, where that can be told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from generator.intake.document import as_list, as_map

# What such files have at their top, and what they are.
_FILES: tuple[tuple[tuple[str, ...], str], ...] = (
    (("panels", "title"), "a Grafana dashboard"),
    (("$schema",), "a JSON schema, or a file that names its own"),
    (("scrape_configs",), "a Prometheus configuration; what is needed is the manifest that holds or mounts it"),
    (("groups",), "a file of Prometheus rules"),
)
_OF_OBJECTS = {"apiVersion", "kind", "metadata", "spec", "status"}
_OF_METADATA = {"annotations", "labels", "name", "namespace"}
# What blocks in documentation begin with, below `spec` of a pod, in a container, or in a job or an endpoint.
_OF_PODS = _OF_METADATA | {
    "volumes",
    "volumeMounts",
    "containers",
    "initContainers",
    "serviceAccountName",
    "env",
    "args",
}
_OF_SCRAPES = {"scheme", "tls_config", "tlsConfig", "enable_http2", "enableHttp2"}
_OF_TLS = {"ca_file", "cert_file", "key_file", "insecure_skip_verify", "server_name"}
_SOURCES = {"configMap", "csi", "downwardAPI", "emptyDir", "hostPath", "persistentVolumeClaim", "projected", "secret"}
#: What to give instead of a part of an object.
WHOLE = "give the whole object, or the folder of the kustomization whose patch this is"
_HOLDER = "give the manifest that holds or mounts the whole"


def told_as(tree: Mapping[str, Any]) -> tuple[str, str]:
    """Say what a map is that is no object, and what to do about it; two times "" for what may be a chart's values."""
    for keys, what in _FILES:
        if all(key in tree for key in keys):
            return what, ""
    # What a helmfile's releases hold, or name, it lays over each other itself, and fills templates in.
    if any("chart" in as_map(one) for one in as_list(tree.get("releases"))):
        return "a helmfile, whose releases are not rendered", "render it first: helmfile template | sidecert doctor -"
    if any(".istio.io/" in key for key in tree):  # an annotation's key, as blocks without their blanks have it
        return "a block that has lost its indentation", "indent it as the original does, and give the whole object"
    if _is_of_scrape(tree):
        return "a part of a job or of a monitor's endpoint", _HOLDER
    part = _part(tree)
    return (f"a part of {part}, without apiVersion and kind", WHOLE) if part else ("", "")


def _part(tree: Mapping[str, Any]) -> str:
    """Say of what a map is a part, as blocks in documentation are, and patches; "" where it may be something else."""
    if tree.keys() == {"template"} and _is_template(as_map(tree["template"])):
        return "a workload"
    if tree.keys() <= _OF_PODS and (_has_containers(tree) or _has_volumes(tree) or _is_steering(tree)):
        return "a pod"
    metadata, spec = as_map(tree.get("metadata")), as_map(tree.get("spec"))
    if not tree.keys() <= _OF_OBJECTS or not (metadata or spec):
        return ""
    if _is_template(as_map(spec.get("template"))):
        return "a workload"
    if _has_containers(spec):
        return "a workload, or a Pod"
    if _has_volumes(spec):
        return "an object"
    return "an object" if (not spec and metadata.keys() & _OF_METADATA) or (metadata and spec) else ""


def _is_template(tree: Mapping[str, Any]) -> bool:
    spec = as_map(tree.get("spec"))
    return bool(as_map(tree.get("metadata")).keys() & _OF_METADATA) or _has_containers(spec) or _has_volumes(spec)


def _has_containers(spec: Mapping[str, Any]) -> bool:
    listed = (*as_list(spec.get("containers")), *as_list(spec.get("initContainers")))
    return any(isinstance(one, Mapping) and "name" in one for one in listed)


def _has_volumes(tree: Mapping[str, Any]) -> bool:
    """Whether it lists volumes as a pod does, or mounts as a container does: a chart's values may say `volumes: []`."""
    volumes = any("name" in one and one.keys() & _SOURCES for one in _maps(tree.get("volumes")))
    return volumes or any({"name", "mountPath"} <= one.keys() for one in _maps(tree.get("volumeMounts")))


def _is_steering(tree: Mapping[str, Any]) -> bool:
    return any(".istio.io/" in str(key) for field in ("annotations", "labels") for key in as_map(tree.get(field)))


def _is_of_scrape(tree: Mapping[str, Any]) -> bool:
    """Whether a map is the TLS settings of a job or an endpoint, with or without the key that they stand below."""
    if tree.keys() <= _OF_TLS:
        return bool(tree.keys() & {"ca_file", "cert_file", "key_file"})
    return tree.keys() <= _OF_SCRAPES and bool(as_map(tree.get("tls_config")) or as_map(tree.get("tlsConfig")))


def _maps(value: object) -> list[Mapping[str, Any]]:
    """Give the maps in a list, and a single one that should be an item, which some documentation shows without dash."""
    return [one for one in (*as_list(value), value) if isinstance(one, Mapping)]
