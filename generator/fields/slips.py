"""What is meant by a field that doesn't exist where it stands.

Nothing is said of a field that is merely unknown: it may be newer than our table. These are slips: another spelling, the
word that another format has for it, a place one level too deep or too shallow, a path to a file where the operator
takes none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from generator.errors import ValuePath
from generator.fields.near import nearest, same_letters
from generator.fields.table import PROMETHEUS_YML, Fields, Table

# Words of one format for which another one has its own, and where they are often met: (as written, as meant).
_OTHER_WORDS = (
    ("relabelConfigs", "relabelings"),
    ("relabelings", "relabel_configs"),
    ("metricRelabelConfigs", "metricRelabelings"),
    ("metricRelabelings", "metric_relabel_configs"),
    ("metricsPath", "path"),
    ("scrapeInterval", "interval"),
    ("interval", "scrape_interval"),
    ("podMetricsEndpoints", "endpoints"),
    ("endpoints", "podMetricsEndpoints"),
    ("matchLabels", "labels"),
    ("matchNames", "names"),
    ("tlsConfig", "tls_config"),
)

# Names that so many maps have that a newer Kubernetes or operator may well add one of them to yet another map.
_COMMON = frozenset(
    "name namespace labels annotations resources type key value values port ports path scheme status enabled mode host "
    "hosts url version config selector timeout interval metadata spec items image args command role limits requests "
    "optional operator from to kind apiVersion group groups config scope source sources target targets "
    "matchLabelKeys mismatchLabelKeys restartPolicy resizePolicy users user".split()
)

_TLS_FILES = {"cafile": "caFile", "certfile": "certFile", "keyfile": "keyFile"}
_SAFE_TLS = frozenset(("ca", "cert", "keySecret"))


class Level(NamedTuple):
    """A map in a tree: itself, the fields it may have, those that the map around it may have, and where it is."""

    map: Mapping[str, Any]
    fields: Fields
    above: Fields
    path: ValuePath


class Meant(NamedTuple):
    """The field that is meant, ``""`` where there is none, and the words for what is expected."""

    field: str
    expected: str


def meant(field: str, level: Level, table: Table) -> Meant | None:
    """Tell what is meant by an unknown field of a map; None where that isn't clear."""
    if field.startswith("$"):  # a directive of a strategic merge patch
        return None
    return (
        _same_letters(field, level.fields, table)
        or _file_path(field, level.fields)
        or _of_another_format(field, level.fields)
        or _deeper(field, level, table)
        or _higher(field, level)
        or _slip(field, level.fields)
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


def _file_path(field: str, fields: Fields) -> Meant | None:
    """Find a path where the operator takes Secrets and ConfigMaps alone (its SafeTLSConfig)."""
    path = _TLS_FILES.get(field.replace("_", "").lower())
    if path is None or not fields.keys() >= _SAFE_TLS or path in fields:
        return None
    return Meant(
        "",
        "ca, cert or keySecret, which name a Secret or ConfigMap: paths of files are not allowed here; "
        "a scrape class of the Prometheus resource, or a ServiceMonitor, may have them",
    )


def _of_another_format(field: str, fields: Fields) -> Meant | None:
    for written, right in _OTHER_WORDS:
        if right in fields and same_letters(field, (written,)):
            return Meant(right, f"{right}: {field} is its name elsewhere")
    return None


def _deeper(field: str, level: Level, table: Table) -> Meant | None:
    """Find a field that belongs into a map beside it: the indentation is missing."""
    if field in _COMMON:
        return None
    places: list[tuple[int, str, str, str]] = []
    for beside, value in level.fields.items():
        way, fields = table.below(value)
        if way != "{}" and fields and (right := field if field in fields else same_letters(field, fields)):
            places.append((_likely(level.map, beside), beside, way, right))
    places.sort(key=lambda place: place[0])
    if not places or (len(places) > 1 and places[0][0] == places[1][0]):
        return None
    rank, beside, way, right = places[0]
    empty = ", which is empty here" if rank == 0 else ""
    return Meant(right, f"{right} one level deeper, in {'an item of ' if way else ''}{beside}{empty}")


def _likely(holder: Mapping[str, Any], field: str) -> int:
    """Rank the maps that a field may belong to: those that are there and empty come first."""
    if field not in holder:
        return 2
    return 0 if holder[field] in (None, "") else 1


def _higher(field: str, level: Level) -> Meant | None:
    """Find a field that belongs beside the map that it is in: it is indented too far."""
    right = field if field in level.above else same_letters(field, level.above)
    if not right or right in _COMMON or not level.path:
        return None
    around = next((step for step in reversed(level.path) if isinstance(step, str)), "")
    return Meant(right, f"{right} one level higher, beside {around}")


def _slip(field: str, fields: Fields) -> Meant | None:
    right = nearest(field, fields)
    return Meant(right, right) if right else None
