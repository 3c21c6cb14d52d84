"""What a job's relabelling makes of a pod that Kubernetes discovery finds.

A job is tried on pods that any mesh has. What such a pod's labels can't tell (its namespace, the names of its ports)
may be whatever a rule asks for; a label or annotation that it hasn't is absent. Written after Prometheus'
``model/relabel/relabel.go`` and ``discovery/kubernetes/pod.go``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple
from warnings import catch_warnings, simplefilter

from generator.errors import ValuePath
from generator.monitoring.scrape import OF_PODS, OF_SERVICES, Scrape, asks_endpoints

_META = "__meta_kubernetes_"
#: What a pod's owner chooses freely: a rule that keeps one value of it is met by some pod.
_FREE = (
    "namespace",
    "node_name",
    "endpoint_port_name",
    "endpointslice_port_name",
    "endpoint_ready",
    "pod_container_name",
    "pod_container_port_name",
    "pod_container_port_number",
    "pod_controller_kind",
    "pod_controller_name",
    "pod_host_ip",
    "pod_name",
    "pod_node_name",
    "service_name",
)
_FREE_LABELS = frozenset(_META + name for name in _FREE)
#: Of the proxy's container these are known.
_OF_CONTAINER = frozenset(_META + name for name in _FREE if name.startswith("pod_container_"))
_ENDPOINTS = tuple(_META + name for name in ("endpoint_port_name", "endpointslice_port_name", "endpoint_ready"))
_ENVOYS = "http-envoy-prom"
_REFERENCE = re.compile(r"\$(?:(\$)|(\w+)|\{(\w+)\})", re.ASCII)
_LITERAL = re.compile(r"[\w.-]+", re.ASCII)
_NO_MATCH = re.compile(r"(?!)")
IPV4, IPV6 = "10.1.2.3", "fd00::123"


class Outcome(NamedTuple):
    """What is asked of a target in the end."""

    scheme: str
    address: str
    path: str

    @property
    def port(self) -> str:
        """The port; "" where the address has none."""
        host, colon, port = self.address.rpartition(":")
        return port if colon and (host.endswith("]") or ":" not in host) else ""

    @property
    def is_valid(self) -> bool:
        """Whether the address is one: an IPv6 address stands in brackets."""
        host, _, _ = self.address.rpartition(":")
        return host.startswith("[") or ":" not in host


class Pod(NamedTuple):
    """What discovery tells of a pod: annotations by their full names, an application's port, and the proxy's."""

    annotations: Mapping[str, str] = {}
    ip: str = IPV4
    namespace: str = ""
    injected: bool = True


def merged_pod(more: Mapping[str, str] = {}) -> Pod:
    """A pod whose metrics the agent merges, as injection leaves it since 1.7; ``more`` are further annotations."""
    told = {"prometheus.io/scrape": "true", "prometheus.io/port": "15020", "prometheus.io/path": "/stats/prometheus"}
    return Pod({**told, **more})


def discovered(scrape: Scrape, pod: Pod) -> Iterator[dict[str, str]]:
    """The targets that discovery makes of a pod for a job or a monitor's endpoint, before relabelling."""
    roles = _roles(scrape)
    asked = _wanted_port(scrape)
    ports = [("app", asked[0] or "http-metrics", asked[1] or "8080")]
    # Behind an endpoint too each port that a container declares is a target (``discovery/kubernetes/endpoints.go``).
    if pod.injected and (asked == (_ENVOYS, "") or (asked == ("", "") and not _is_component(scrape))):
        ports = [*(ports if not asked[0] else []), ("istio-proxy", _ENVOYS, "15090")]
    for container, name, number in ports if roles else ():
        host = f"[{pod.ip}]" if ":" in pod.ip else pod.ip
        labels = {
            "__address__": f"{host}:{number}",
            _META + "namespace": pod.namespace or "default",
            _META + "pod_ip": pod.ip,
            _META + "pod_name": "web-0",
            _META + "pod_phase": "Running",
            _META + "pod_ready": "true",
            _META + "pod_container_name": container,
            _META + "pod_container_port_name": name,
            _META + "pod_container_port_number": number,
            _META + "pod_container_port_protocol": "TCP",
        }
        if "pod" not in roles:
            labels |= _of_service(asked[1] or "8080")
            if container == "app" or scrape.tree.get("port"):
                labels |= _of_endpoint(name)
        for key, value in pod.annotations.items():
            _add(labels, "pod_annotation", key, value)
        if pod.injected:
            _add(labels, "pod_annotation", "sidecar.istio.io/status", '{"revision":"default"}')
            _add(labels, "pod_label", "security.istio.io/tlsMode", "istio")
        yield labels


def _of_endpoint(name: str) -> dict[str, str]:
    """What a port that a Service names adds."""
    return dict(zip(_ENDPOINTS, (name, name, "true"), strict=True))


def _of_service(number: str) -> dict[str, str]:
    """What a Service that wants to be scraped adds."""
    found = {_META + "service_name": "web"}
    _add(found, "service_annotation", "prometheus.io/scrape", "true")
    _add(found, "service_annotation", "prometheus.io/port", number)
    return found


def _add(labels: dict[str, str], what: str, key: str, value: str) -> None:
    name = re.sub(r"[^a-zA-Z0-9_]", "_", key)
    labels[f"{_META}{what}_{name}"] = value
    labels[f"{_META}{what}present_{name}"] = "true"


def _roles(scrape: Scrape) -> set[str]:
    """By which roles Kubernetes discovery finds pods for a job."""
    if condition_of(scrape) is not None:
        return set()
    if scrape.kind in OF_PODS:
        return {"pod"}
    if scrape.kind in OF_SERVICES:
        return {"endpoints"} if asks_endpoints(scrape) else set()
    listed = scrape.tree.get("kubernetes_sd_configs") or scrape.tree.get("kubernetesSDConfigs")
    items = listed if isinstance(listed, list) else []
    found = {str(item.get("role", "")).lower() for item in items if isinstance(item, Mapping)}
    return found & {"pod", "endpoints", "endpointslice"}


def condition_of(scrape: Scrape) -> ValuePath | None:
    """Where a rule stands that vmagent applies under a condition on all labels (``if``), which isn't read."""
    rules = scrape.tree.get(scrape.spelling.relabelings)
    for index, rule in enumerate(rules if isinstance(rules, list) else ()):
        if isinstance(rule, Mapping) and "if" in rule:
            return scrape.where(scrape.spelling.relabelings, index)
    return None


def _is_component(scrape: Scrape) -> bool:
    """Whether it is the monitor of a chart's component, whose port the chart names."""
    return scrape.kind in OF_SERVICES and scrape.path == scrape.spec


def _wanted_port(scrape: Scrape) -> tuple[str, str]:
    """The port that a monitor's endpoint asks for: its name and its number."""
    name = scrape.tree.get("port") if scrape.kind in OF_PODS | OF_SERVICES else None
    number = scrape.tree.get("portNumber") or scrape.tree.get("targetPort") if name is None else None
    if isinstance(number, str) and not number.isdigit():
        name, number = number, None
    return (name if isinstance(name, str) else ""), str(number or "")


# -------------------------------------------------------------------------------------------------- relabelling


def outcomes(
    scrape: Scrape, pod: Pod, *, sure: bool = False, same_pod: bool = False, filters: bool = True
) -> list[Outcome]:
    """Say what a job asks of a pod, once for each target that is left.

    ``sure`` takes free labels for what they are; else a rule that keeps one value of them is met by some pod, with
    ``same_pod`` by one pod for each of its ports, so that what tells these apart isn't free. Without ``filters`` no
    rule drops anything.
    """
    found: dict[Outcome, None] = {}
    for labels in discovered(scrape, pod):
        free = frozenset[str]() if sure else _FREE_LABELS
        if same_pod or labels[_META + "pod_container_name"] == "istio-proxy":
            free = free - _OF_CONTAINER - frozenset(_ENDPOINTS)
        if outcome := _relabelled(scrape, labels, free, filters=filters):
            found[outcome] = None
    return list(found)


def _relabelled(scrape: Scrape, labels: dict[str, str], free: frozenset[str], *, filters: bool) -> Outcome | None:
    labels |= {"__scheme__": scrape.scheme, "__metrics_path__": scrape.metrics_path}
    names = scrape.spelling
    listed = scrape.tree.get(names.relabelings)
    for rule in listed if isinstance(listed, list) else ():
        if not isinstance(rule, Mapping):
            continue
        sources = rule.get(names.sources)
        step = _Step(
            str(rule.get("action") or "replace").lower(),
            tuple(map(str, sources)) if isinstance(sources, list) else (),
            str(rule.get("separator") if rule.get("separator") is not None else ";"),
            _text(rule.get("regex"), "(.*)"),
            str(rule.get(names.target) or ""),
            _text(rule.get("replacement"), "$1"),
        )
        if not _apply(step, labels, free) and filters:
            return None
    return Outcome(labels["__scheme__"].lower(), labels.get("__address__", ""), labels.get("__metrics_path__", ""))


class _Step(NamedTuple):
    action: str
    sources: tuple[str, ...]
    separator: str
    regex: str
    target: str
    replacement: str


def _text(value: object, default: str) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return default if value is None else str(value)


def _apply(step: _Step, labels: dict[str, str], free: frozenset[str]) -> bool:
    """Change labels as one rule says; False: the target is dropped."""
    if step.action in {"keep", "drop"}:
        return _stays(step, labels, free)
    value = step.separator.join(labels.get(name, "") for name in step.sources)
    if step.action in {"keepequal", "keep_if_equal"}:
        return not free.isdisjoint((*step.sources, step.target)) or labels.get(step.target, "") == value
    if step.action in {"dropequal", "drop_if_equal"}:
        return labels.get(step.target, "") != value
    if step.action == "replace":
        match = pattern(step.regex).fullmatch(value)
        if match:
            labels[expanded(step.target, match)] = expanded(step.replacement, match)
    elif step.action == "labelmap":
        for name, mapped in list(labels.items()):
            if match := pattern(step.regex).fullmatch(name):
                labels[expanded(step.replacement, match)] = mapped
    return True


def _stays(step: _Step, labels: dict[str, str], free: frozenset[str]) -> bool:
    values = [labels.get(name, "") for name in step.sources]
    matched = pattern(step.regex).fullmatch(step.separator.join(values)) is not None
    if step.action == "drop":
        return not matched
    chosen = [index for index, name in enumerate(step.sources) if name in free]
    if matched or not chosen:
        return matched
    if len(chosen) == len(values):
        return True
    pieces = step.regex.strip("()").split(step.separator) if step.separator else []
    if len(pieces) != len(values):
        return False
    for index in chosen:
        if literal := _LITERAL.search(pieces[index]):
            values[index] = literal[0]
    return pattern(step.regex).fullmatch(step.separator.join(values)) is not None


@lru_cache(maxsize=256)
def pattern(text: str) -> re.Pattern[str]:
    """Read a regular expression of Prometheus; one that Python can't read matches nothing."""
    with catch_warnings():
        simplefilter("ignore")  # Python warns of what it may read otherwise one day
        try:
            return re.compile(text, re.DOTALL | re.ASCII)
        except (re.error, OverflowError, RecursionError):
            return _NO_MATCH


def expanded(template: str, match: re.Match[str]) -> str:
    """Fill in ``$1`` and ``${1}`` as Go does: what isn't there is empty."""

    def value(found: re.Match[str]) -> str:
        if found[1]:
            return "$"
        name: Any = found[2] or found[3]
        try:
            return match[int(name) if name.isdigit() else name] or ""
        except (IndexError, KeyError):
            return ""

    return _REFERENCE.sub(value, template)
