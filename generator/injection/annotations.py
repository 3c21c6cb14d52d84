"""Annotations that steer injection, read and checked as the webhook does (istio's pkg/kube/inject/validate.go)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from generator.injection.mesh import Tree

INJECT: Final = "sidecar.istio.io/inject"
REVISION: Final = "istio.io/rev"
STATUS: Final = "sidecar.istio.io/status"
CONFIG: Final = "proxy.istio.io/config"
OVERRIDES: Final = "proxy.istio.io/overrides"
TEMPLATES: Final = "inject.istio.io/templates"
NATIVE: Final = "sidecar.istio.io/nativeSidecar"
MODE: Final = "sidecar.istio.io/interceptionMode"
STATUS_PORT: Final = "status.sidecar.istio.io/port"
REWRITE_PROBES: Final = "sidecar.istio.io/rewriteAppHTTPProbers"
MERGE_METRICS: Final = "prometheus.istio.io/merge-metrics"
SECURE_PORT: Final = "prometheus.istio.io/secure-port"
USER_VOLUME: Final = "sidecar.istio.io/userVolume"
USER_VOLUME_MOUNT: Final = "sidecar.istio.io/userVolumeMount"
BOOTSTRAP: Final = "sidecar.istio.io/bootstrapOverride"
INCLUDE_IN: Final = "traffic.sidecar.istio.io/includeInboundPorts"
EXCLUDE_IN: Final = "traffic.sidecar.istio.io/excludeInboundPorts"
INCLUDE_OUT: Final = "traffic.sidecar.istio.io/includeOutboundIPRanges"
EXCLUDE_OUT: Final = "traffic.sidecar.istio.io/excludeOutboundIPRanges"
INCLUDE_OUT_PORTS: Final = "traffic.sidecar.istio.io/includeOutboundPorts"
EXCLUDE_OUT_PORTS: Final = "traffic.sidecar.istio.io/excludeOutboundPorts"
READINESS: Final = "readiness.status.sidecar.istio.io/"
CPU: Final = "sidecar.istio.io/proxyCPU"
MEMORY: Final = "sidecar.istio.io/proxyMemory"
CPU_LIMIT: Final = "sidecar.istio.io/proxyCPULimit"
MEMORY_LIMIT: Final = "sidecar.istio.io/proxyMemoryLimit"

# A variable that stands beside ``proxyMetadata`` instead of in it: by its name, or by a path that YAML reads as a key.
_STRAY = re.compile(r"(?:proxyMetadata|proxy_metadata)\.(?P<path>[^.]+)|(?P<name>[A-Z][A-Z0-9_]+)")
_SETTING = re.compile(r"[a-z]\w*", re.ASCII)
_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE = frozenset({"0", "f", "F", "FALSE", "false", "False"})
_QUANTITY = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[numkMGTPE]|[KMGTPE]i|[eE][+-]?\d+)?")


def text_of(value: object) -> str:
    """Spell a scalar as YAML and JSON do: ``true``, ``null``, ``1.5``."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def texts(value: object) -> dict[str, str]:
    """Read labels or annotations: a map of strings, what isn't a string spelt as it looks, lists and maps left out."""
    if not isinstance(value, Mapping):
        return {}
    return {str(key): text_of(item) for key, item in value.items() if not isinstance(item, (Mapping, list))}


def truth(text: str) -> bool | None:
    """Read a boolean as Go's ``strconv.ParseBool`` does; None for what is neither."""
    return True if text in _TRUE else False if text in _FALSE else None


# ---------------------------------------------------------------------------------------------- proxy.istio.io/config


def proxy_config(annotations: Mapping[str, str]) -> Tree:
    """Read ``proxy.istio.io/config``, YAML or JSON of a ProxyConfig; {} where there is none.

    Names in snake_case, which protobuf takes too, come out in camelCase; names that no setting can have are left out,
    as Istio leaves out what it doesn't know.

    Raises:
        ValueError: it isn't a map, or no YAML; the message is a sentence without a full stop.
    """
    text = annotations.get(CONFIG, "")
    if not text:
        return {}
    from generator.errors import InputError
    from generator.yaml import load

    try:
        value = load(text, CONFIG)
    except InputError as error:
        raise ValueError(f"annotation {CONFIG} can't be read: {error.problems[0].message}") from None
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ValueError(f"annotation {CONFIG} is no map of settings")  # noqa: TRY004  # a text is what is wrong
    return {_camel(key): item for key, item in value.items() if _SETTING.fullmatch(key)}


def stray_variable(key: str) -> str:
    """Give the variable that a key of a proxy configuration is meant to set, "" for none.

    Variables count in ``proxyMetadata`` alone: Istio reads no ``proxyMetadata.OUTPUT_CERTS`` beside it.
    """
    found = _STRAY.fullmatch(key)
    return found["path"] or found["name"] if found else ""


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(other[:1].upper() + other[1:] for other in others)


def proxy_metadata(config: Mapping[str, Any]) -> dict[str, str]:
    """Give the environment that a proxy configuration asks for, by name; what isn't a string spelt as it looks."""
    return dict(sorted(texts(config.get("proxyMetadata")).items()))


def _config_problems(annotations: Mapping[str, str]) -> Iterator[str]:
    try:
        config = proxy_config(annotations)
    except ValueError as error:
        yield str(error)
        return
    metadata = config.get("proxyMetadata")
    if metadata is not None and not isinstance(metadata, dict):
        yield f"annotation {CONFIG}: proxyMetadata is no map"
    for name, value in metadata.items() if isinstance(metadata, dict) else ():
        if not isinstance(value, str):
            yield f"annotation {CONFIG}: proxyMetadata.{name} is no string: write it in quotes"
        elif '"' in value:  # the template puts it between double quotes as it is
            yield f"annotation {CONFIG}: proxyMetadata.{name} holds a double quote, which breaks the template's YAML"
    hold = config.get("holdApplicationUntilProxyStarts")
    if hold is not None and not isinstance(hold, bool):
        yield f"annotation {CONFIG}: holdApplicationUntilProxyStarts is no boolean: write true or false without quotes"


def holds_application(config: Mapping[str, Any]) -> bool:
    """Say whether the configuration wants the application to wait for the proxy."""
    return config.get("holdApplicationUntilProxyStarts") is True


def interception_mode(annotations: Mapping[str, str], config: Mapping[str, Any]) -> str:
    """Give ``REDIRECT``, ``TPROXY`` or ``NONE``: the annotation, else the configuration, else the default."""
    return annotations.get(MODE, text_of(config.get("interceptionMode")) or "REDIRECT")


# ------------------------------------------------------------------------------------------------- what is refused


def refusals(annotations: Mapping[str, str]) -> list[str]:
    """Say why the webhook refuses a pod with these annotations, one sentence each; the JSON of volumes not included."""
    problems = list(_config_problems(annotations))
    for name, (check, wanted) in _CHECKS.items():
        value = annotations.get(name)
        if value is not None and not check(value):
            problems.append(f'annotation {name} is "{value}", which is no {wanted}')
    return problems


def _is_port(text: str) -> bool:
    return bool(re.fullmatch(r"\d{1,5}", text.strip())) and int(text) < 65536


def _is_port_list(text: str) -> bool:
    return not text.strip() or all(map(_is_port, text.split(",")))


def _is_port_list_or_star(text: str) -> bool:
    return text == "*" or _is_port_list(text)


def _is_number(text: str) -> bool:
    return bool(re.fullmatch(r"\d{1,10}", text)) and int(text) < 2**32


def _is_range_list(text: str) -> bool:
    from ipaddress import ip_network

    for part in text.split(",") if text else ():
        if not re.fullmatch(r"[0-9a-fA-F.:]+/\d{1,3}", part):
            return False
        try:
            ip_network(part, strict=False)
        except ValueError:
            return False
    return True


def _is_range_list_or_star(text: str) -> bool:
    return text == "*" or _is_range_list(text)


def _is_quantity(text: str) -> bool:
    return _QUANTITY.fullmatch(text) is not None


def _is_mode(text: str) -> bool:
    return text in {"REDIRECT", "TPROXY", "NONE"}


_PORTS = "list of ports separated by commas"
_RANGES = "list of address ranges such as 10.0.0.0/8 separated by commas"
_CHECKS: Final[dict[str, tuple[Callable[[str], bool], str]]] = {
    MODE: (_is_mode, "REDIRECT, TPROXY or NONE"),
    STATUS_PORT: (_is_port, "port"),
    READINESS + "initialDelaySeconds": (_is_number, "number of seconds"),
    READINESS + "periodSeconds": (_is_number, "number of seconds"),
    READINESS + "failureThreshold": (_is_number, "number"),
    INCLUDE_OUT: (_is_range_list_or_star, f'"*" and no {_RANGES}'),
    EXCLUDE_OUT: (_is_range_list, _RANGES),
    INCLUDE_IN: (_is_port_list_or_star, f'"*" and no {_PORTS}'),
    EXCLUDE_IN: (_is_port_list, _PORTS),
    INCLUDE_OUT_PORTS: (_is_port_list_or_star, f'"*" and no {_PORTS}'),
    EXCLUDE_OUT_PORTS: (_is_port_list, _PORTS),
    MERGE_METRICS: (lambda text: truth(text) is not None, "boolean"),
    **dict.fromkeys((CPU, MEMORY, CPU_LIMIT, MEMORY_LIMIT), (_is_quantity, "quantity such as 100m or 128Mi")),
}
