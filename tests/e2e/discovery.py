"""Kubernetes discovery for a Prometheus that was built without it: targets from files, with the same labels.

Debian's Prometheus is such a build. `swapped` replaces the discovery in a configuration and nothing that decides how a
target is relabelled or scraped; `write` writes the files that the new one reads.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests import pods as modelled
from tests.e2e.kubernetes import EndpointSlice, Service
from tests.e2e.pods import Pod

Tree = Mapping[str, Any]
Labels = dict[str, str]

#: Addresses in Prometheus' own pod: itself, and the agent of the proxy beside it.
SELF = "localhost:9090"
OWN_AGENT = "localhost:15020"

#: Where a rendered configuration looks for rules.
RULES_FOLDER = "/etc/prometheus/rules"

_META = "__meta_kubernetes_"


def swapped(config: Tree, folder: Path, addresses: Mapping[str, str]) -> dict[str, Any]:
    """Give a Prometheus configuration that finds in files what it would ask the Kubernetes API for.

    Args:
        config: prometheus.yml, parsed.
        folder: the one that `write` is given; rules are looked for in its folder ``rules``.
        addresses: the lab's addresses for those of Prometheus' own pod, such as ``localhost:9090``.

    Remote writes are left out: a lab sends nothing away.

    Raises:
        ValueError: a discovery asks for something that `write` can't give.
    """
    changed: dict[str, Any] = copy.deepcopy(dict(config))
    changed.pop("remote_write", None)
    changed["rule_files"] = [
        pattern.replace(RULES_FOLDER, str(folder / "rules"), 1) for pattern in changed.get("rule_files", [])
    ]
    for client in _clients(changed):
        if "kubernetes_sd_configs" in client:
            files = [str(_file(folder, one)) for one in client.pop("kubernetes_sd_configs")]
            client["file_sd_configs"] = [*client.get("file_sd_configs", []), {"files": files}]
        for static in client.get("static_configs", []):
            static["targets"] = [addresses.get(one, one) for one in static["targets"]]
    return changed


def write(config: Tree, folder: Path, pods: Sequence[Pod], services: Sequence[Service] = ()) -> None:
    """Write what a configuration's discovery finds; a Prometheus that runs sees each file change at once.

    Args:
        config: prometheus.yml, parsed, before `swapped`.
        folder: where the files are to be, in its folder ``targets``.
        pods: all pods of the cluster.
        services: all Services of the cluster.

    Raises:
        ValueError: a discovery asks for something else than pods and endpoints of namespaces.
    """
    for client in _clients(config):
        for discovery in client.get("kubernetes_sd_configs", []):
            path = _file(folder, discovery)
            path.parent.mkdir(exist_ok=True)
            part = path.with_suffix(".part")
            part.write_text(json.dumps(list(groups(discovery, pods, services)), indent=1))
            part.replace(path)


def groups(discovery: Tree, pods: Iterable[Pod], services: Iterable[Service] = ()) -> Iterator[dict[str, Any]]:
    """Give the targets of an item of ``kubernetes_sd_configs``, as ``file_sd_configs`` reads them."""
    for labels in _found(discovery, list(pods), services):
        address = labels.pop("__address__")
        yield {"targets": [address], "labels": {name: value for name, value in labels.items() if value}}


def _clients(config: Tree) -> Iterator[dict[str, Any]]:
    """Everything with a discovery of its own."""
    yield from config.get("scrape_configs", [])
    yield from config.get("alerting", {}).get("alertmanagers", [])


def _file(folder: Path, discovery: Tree) -> Path:
    """A folder for these alone: Prometheus looks at all targets anew whenever anything changes beside them."""
    names = _namespaces(discovery)
    return folder / "targets" / f"{discovery['role']}-{'+'.join(names) if names else 'all'}.json"


def _namespaces(discovery: Tree) -> list[str]:
    """The namespaces that a discovery looks in; none listed means all.

    Raises:
        ValueError: it has settings that are not modelled here.
    """
    namespaces = discovery.get("namespaces", {})
    if not discovery.keys() <= {"role", "namespaces"} or not namespaces.keys() <= {"names"}:
        raise ValueError(f"the lab's discovery knows only a role and namespaces: {dict(discovery)}")
    return sorted(namespaces.get("names", []))


def _found(discovery: Tree, pods: list[Pod], services: Iterable[Service]) -> Iterator[Labels]:
    names, role = _namespaces(discovery), discovery["role"]
    if role == "pod":
        yield from modelled.discover(map(as_modelled, pods), discovery)
        return
    roles = {"endpointslice": _of_slice, "endpoints": _of_endpoints}
    if role not in roles:
        raise ValueError(f"the lab's discovery knows no role {role}")
    for service in services:
        if not names or service.namespace in names:
            for endpoint_slice in service.slices(pods):
                yield from roles[role](endpoint_slice)


def as_modelled(pod: Pod) -> modelled.Pod:
    """Give a pod of the lab as `tests.pods` knows it, whose discovery is held against Prometheus' own."""
    containers = [
        modelled.Container(
            container.name,
            tuple(modelled.Port(port.number, port.name) for port in container.ports),
            container.is_init,
        )
        for container in pod.containers
    ]
    return modelled.Pod(
        pod.name,
        pod.namespace,
        pod.ip,
        pod.node,
        pod.phase,
        "true" if pod.ready else "false",
        pod.labels,
        pod.annotations,
        tuple(containers),
    )


# ------------------------------------------------------------------------- endpoints (prometheus' endpointslice.go)


def _of_slice(found: EndpointSlice) -> Iterator[Labels]:
    group = {
        f"{_META}endpointslice_name": found.name,
        f"{_META}endpointslice_address_type": found.address_type,
        **_of_labels("endpointslice_label", found.labels),
        **_of_service(found.service),
    }
    for pod in found.pods:
        for name, number in found.service.ports.items():
            ready = "true" if pod.ready else "false"
            endpoint = {
                f"{_META}endpointslice_port": str(number),
                f"{_META}endpointslice_port_name": name,
                f"{_META}endpointslice_port_protocol": "TCP",
                f"{_META}endpointslice_address_target_kind": "Pod",
                f"{_META}endpointslice_address_target_name": pod.name,
                f"{_META}endpointslice_endpoint_conditions_ready": ready,
                f"{_META}endpointslice_endpoint_conditions_serving": ready,
                f"{_META}endpointslice_endpoint_conditions_terminating": "false",
                f"{_META}endpointslice_endpoint_node_name": pod.node,
            }
            yield {**group, **_of_port(pod, number), **endpoint}
        yield from _other_ports(pod, found.service, group)


def _of_endpoints(found: EndpointSlice) -> Iterator[Labels]:
    group = {f"{_META}endpoints_name": found.service.name, **_of_service(found.service)}
    group |= _of_labels("endpoints_label", found.service.labels)
    for pod in found.pods:
        for name, number in found.service.ports.items():
            endpoint = {
                f"{_META}endpoint_port_name": name,
                f"{_META}endpoint_port_protocol": "TCP",
                f"{_META}endpoint_ready": "true" if pod.ready else "false",
                f"{_META}endpoint_node_name": pod.node,
                f"{_META}endpoint_address_target_kind": "Pod",
                f"{_META}endpoint_address_target_name": pod.name,
            }
            yield {**group, **_of_port(pod, number), **endpoint}
        yield from _other_ports(pod, found.service, group)


def _of_service(service: Service) -> Labels:
    return {
        f"{_META}namespace": service.namespace,
        f"{_META}service_name": service.name,
        **_of_labels("service_label", service.labels),
        **_of_labels("service_annotation", service.annotations),
    }


def _of_labels(kind: str, entries: Mapping[str, str]) -> Labels:
    found: Labels = {}
    for name, value in entries.items():
        found[f"{_META}{kind}_{modelled.sanitised(name)}"] = value
        found[f"{_META}{kind}present_{modelled.sanitised(name)}"] = "true"
    return found


def _of_port(pod: Pod, number: int) -> Labels:
    """What a target knows of its pod, and of the container that declares the port, if one does."""
    for labels in modelled.pod_targets(as_modelled(pod)):
        if labels.get(f"{_META}pod_container_port_number") == str(number):
            return labels
    known = next(modelled.pod_targets(as_modelled(pod)), {})
    about_pod = {name: value for name, value in known.items() if not name.startswith(f"{_META}pod_container_")}
    host = f"[{pod.ip}]" if ":" in pod.ip else pod.ip
    return {**about_pod, "__address__": f"{host}:{number}"}


def _other_ports(pod: Pod, service: Service, group: Labels) -> Iterator[Labels]:
    """A Service's pods are targets with every declared port, though without the labels of an endpoint."""
    covered = {str(number) for number in service.ports.values()}
    for labels in modelled.pod_targets(as_modelled(pod)):
        if labels.get(f"{_META}pod_container_port_number", "") not in {"", *covered}:
            yield {**group, **labels}
