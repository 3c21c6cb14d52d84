"""What is meant by a field that doesn't exist where it stands.

Nothing is said of a field that is merely unknown: it may be newer than our table. These are slips: another spelling,
the word that another format has for it, a place one level too deep or too shallow, a path to a file where the operator
takes none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from generator.errors import ValuePath
from generator.fields.near import nearest, same_letters
from generator.fields.table import PROMETHEUS_YML, Fields, Table

# As written, and as meant where the map has no such field: words of prometheus.yml in resources and the reverse,
# of one resource in another, and of the command line.
_OTHER_WORDS = (
    ("relabelConfigs", "relabelings"),
    ("relabelings", "relabel_configs"),
    ("metricRelabelConfigs", "metricRelabelings"),
    ("metricRelabelings", "metric_relabel_configs"),
    ("metricsPath", "path"),
    ("path", "metricsPath"),
    ("path", "metrics_path"),
    ("scrapeInterval", "interval"),
    ("interval", "scrapeInterval"),
    ("interval", "scrape_interval"),
    ("podMetricsEndpoints", "endpoints"),
    ("endpoints", "podMetricsEndpoints"),
    ("matchLabels", "labels"),
    ("labels", "matchLabels"),
    ("matchNames", "names"),
    ("names", "matchNames"),
    ("workloadSelector", "selector"),
    ("selector", "workloadSelector"),
    ("name", "secretName"),
    ("name", "job_name"),
    ("environment", "env"),
    ("arguments", "args"),
    ("cmd", "command"),
)

# Names that so many maps have that a newer Kubernetes or operator may well add one of them to yet another map.
_COMMON_NAMES = """
    name namespace labels annotations resources type key value values port ports path scheme status enabled mode host
    hosts url version config selector timeout interval metadata spec items image args command role limits requests
    optional operator from to kind apiVersion group groups scope source sources target targets matchLabelKeys
    mismatchLabelKeys restartPolicy resizePolicy user users
"""
_COMMON = frozenset(_COMMON_NAMES.split())

_TLS_FILES = frozenset(("cafile", "certfile", "keyfile"))
_TLS = frozenset(("tlsConfig", "tls_config"))
_SAFE_TLS = frozenset(("ca", "cert", "keySecret"))


class Level(NamedTuple):
    """A map in a tree: itself, the fields it may have, those that the map around it may have, and where it is."""

    map: Mapping[str, Any]
    fields: Fields
    above: Fields
    path: ValuePath


class Meant(NamedTuple):
    """The field that is meant, ``""`` where there is none, the words for what is expected, and for what was found."""

    field: str
    expected: str
    found: str = ""


def meant(field: str, level: Level, table: Table) -> Meant | None:
    """Tell what is meant by an unknown field of a map; None where that isn't clear."""
    if field.startswith("$"):  # a directive of a strategic merge patch
        return None
    return (
        _same_letters(field, level.fields, table)
        or _file_path(field, level, table)
        or _of_another_format(field, level.fields)
        or _of_metadata(field, level)
        or _deeper(field, level, table)
        or _higher(field, level)
        or _slip(field, level.fields, table)
    )


def _same_letters(field: str, fields: Fields, table: Table) -> Meant | None:
    right = same_letters(field, fields)
    if not right:
        return None
    if table.name == PROMETHEUS_YML:
        return Meant(right, f"{right}: fields of prometheus.yml are written in snake_case")
    if "_" in field or "-" in field:
        return Meant(right, f"{right}: fields of Kubernetes resources are written in camelCase")
    return Meant(right, f"{right}: upper and lower case matter")


def _file_path(field: str, level: Level, table: Table) -> Meant | None:
    """Find a path where the operator takes Secrets and ConfigMaps alone (SafeTLSConfig of its pkg/apis)."""
    if field.replace("_", "").lower() not in _TLS_FILES:
        return None
    beside = table.fields(level.fields.get("tlsConfig", ""))
    if not _is_safe_tls(level.fields) and not _is_safe_tls(beside or {}):
        return None
    return Meant(
        "",
        "ca, cert or keySecret in tlsConfig, which name a Secret or ConfigMap: paths of files are not allowed here; "
        "a scrape class of the Prometheus resource may have them, and an endpoint of a ServiceMonitor",
        f"{field}: {level.map[field]}",
    )


def _is_safe_tls(fields: Fields) -> bool:
    return fields.keys() >= _SAFE_TLS and "caFile" not in fields


def _of_metadata(field: str, level: Level) -> Meant | None:
    """Find labels and annotations beside a pod's metadata, or in its spec."""
    if field not in {"labels", "annotations"}:
        return None
    if level.fields.get("metadata") == "ObjectMeta":
        return Meant(field, f"{field} one level deeper, in metadata")
    if level.above.get("metadata") == "ObjectMeta" and "containers" in level.fields:
        return Meant(field, f"{field} in metadata, beside {level.path[-1]}")
    return None


def _of_another_format(field: str, fields: Fields) -> Meant | None:
    for written, right in _OTHER_WORDS:
        if right in fields and same_letters(field, (written,)):
            return Meant(right, f"{right}: {field} is its name elsewhere")
    return None


def _deeper(field: str, level: Level, table: Table) -> Meant | None:
    """Find a field that belongs into a map beside it: the indentation is missing.

    The map has to be there. Newer releases add fields to a map that others inside it have had before.
    """
    if field in _COMMON:
        return None
    places: list[tuple[int, str, str, str]] = []
    for beside, value in level.fields.items():
        way, fields = table.below(value)
        if way == "{}" or not fields or _alike(fields, level.fields):
            continue
        right = field if field in fields else same_letters(field, fields)
        there = level.map.get(beside)
        if right and (beside in level.map or beside in _TLS) and not (isinstance(there, dict) and right in there):
            places.append((_likely(level.map, beside), right, beside, way))
    places.sort()
    if not places or (len(places) > 1 and places[0][0] == places[1][0]):
        return None
    rank, right, beside, way = places[0]
    empty = ", which is empty here" if rank == 0 else ""
    return Meant(right, f"{right} one level deeper, in {'an item of ' if way else ''}{beside}{empty}")


def _alike(fields: Fields, others: Fields) -> bool:
    """Tell whether two maps have so much in common that a field of one may well be a new field of the other."""
    return len((fields.keys() & others.keys()) - _COMMON) > 1


def _likely(holder: Mapping[str, Any], field: str) -> int:
    """Rank the maps that a field may belong to: those that are there and empty come first."""
    if field not in holder:
        return 2
    return 0 if holder[field] in (None, "") else 1


def _higher(field: str, level: Level) -> Meant | None:
    """Find a field that belongs beside the map that it is in: it is indented too far."""
    right = field if field in level.above else same_letters(field, level.above)
    if not right or right in _COMMON or not level.path or _alike(level.fields, level.above):
        return None
    around = next((step for step in reversed(level.path) if isinstance(step, str)), "")
    return Meant(right, f"{right} one level higher, beside {around}")


def _slip(field: str, fields: Fields, table: Table) -> Meant | None:
    if table.name != PROMETHEUS_YML and field.removesuffix("s") in fields:
        return None  # how the APIs of Kubernetes grow: clusterIPs beside clusterIP, targetRefs beside targetRef
    right = nearest(field, fields)
    return Meant(right, right) if right else None
