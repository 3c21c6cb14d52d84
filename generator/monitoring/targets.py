"""What a monitor scrapes, as far as the workloads and Services behind it are among the documents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from generator.errors import ValuePath
from generator.intake.document import Document
from generator.monitoring.labels import labels_in, matches_labels
from generator.monitoring.pod import PodView
from generator.monitoring.scrape import OF_PODS, OF_SERVICES, Scrape, asks_endpoints
from generator.monitoring.scraper import Scraper
from generator.monitoring.setup import Setup

#: Prefixes of port names, and application protocols, that Istio takes for HTTP (istio ``pkg/config/protocol``).
_HTTP = frozenset({"http", "http2", "grpc", "grpc-web"})
_HTTP_PROTOCOLS = _HTTP | {"kubernetes.io/h2c", "kubernetes.io/ws"}


def is_http_name(name: str) -> bool:
    """Whether Istio takes a Service's port of this name for HTTP."""
    return name.lower().partition("-")[0] in _HTTP or name.lower().startswith("grpc-web")


class ServicePort(NamedTuple):
    """A port of a Service, and where it stands."""

    document: Document
    path: ValuePath
    tree: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Its name, "" for none."""
        return str(self.tree.get("name") or "")

    @property
    def is_http(self) -> bool:
        """Whether Istio takes it for HTTP."""
        protocol = self.tree.get("appProtocol")
        if isinstance(protocol, str) and protocol:
            return protocol.lower() in _HTTP_PROTOCOLS
        return is_http_name(self.name)


class Target(NamedTuple):
    """A pod's port that a monitor scrapes: the workload (None: it isn't here), the port, the Services that name it."""

    workload: Document | None
    pod: PodView | None
    port: int | None
    services: tuple[ServicePort, ...]

    @property
    def name(self) -> str:
        """What to call it."""
        return str(self.workload) if self.workload is not None else str(self.services[0].document)


def targets_of(setup: Setup, scrape: Scrape) -> Iterator[Target]:
    """Give the ports that a ServiceMonitor's or a PodMonitor's endpoint scrapes; none for others."""
    spec = scrape.document.get(*scrape.spec)
    selector = spec.get("selector") if isinstance(spec, Mapping) else None
    if selector is None or _sets_address(scrape):
        return
    if scrape.kind in OF_PODS:
        yield from _of_pods(setup, scrape, selector)
    elif scrape.kind in OF_SERVICES and asks_endpoints(scrape):
        yield from _of_services(setup, scrape, selector)


def _sets_address(scrape: Scrape) -> bool:
    return any(rule.target == "__address__" or rule.action in {"keep", "drop"} for rule in scrape.relabelings())


def _scope(scrape: Scrape) -> set[str] | None:
    """The namespaces that a monitor surely looks into; None for all."""
    selector = scrape.document.get(*scrape.spec, "namespaceSelector")
    selector = selector if isinstance(selector, Mapping) else {}
    if selector.get("any") is True:
        return None
    names = selector.get("matchNames")
    return set(map(str, names)) if isinstance(names, list) and names else {scrape.document.namespace}


def _same(one: Document, other: Document) -> bool:
    return one.namespace == other.namespace


def _of_pods(setup: Setup, scrape: Scrape, selector: object) -> Iterator[Target]:
    wanted = scrape.tree.get("port")
    for document, pod in setup.workloads_in(_scope(scrape)):
        if not matches_labels(selector, pod.labels):
            continue
        number = scrape.tree.get("portNumber")
        number = number if isinstance(number, int) else _declared(pod, wanted)
        if number is not None:
            yield Target(document, pod, number, tuple(_naming(setup, document, pod, number)))


def _of_services(setup: Setup, scrape: Scrape, selector: object) -> Iterator[Target]:
    wanted = scrape.tree.get("port")
    for service in setup.services_in(_scope(scrape)):
        if not matches_labels(selector, labels_in(service.get("metadata", "labels"))):
            continue
        for port in _ports(service):
            if not wanted or port.name != wanted:
                continue
            behind = list(_behind(setup, service))
            for document, pod in behind:
                number = _target_port(port, pod)
                yield Target(document, pod, number, tuple(_naming(setup, document, pod, number)) or (port,))
            if not behind:
                yield Target(None, None, None, (port,))


def _ports(service: Document) -> Iterator[ServicePort]:
    listed = service.get("spec", "ports")
    for index, item in enumerate(listed if isinstance(listed, list) else []):
        if isinstance(item, Mapping):
            yield ServicePort(service, ("spec", "ports", index), item)


def _behind(setup: Setup, service: Document) -> Iterator[tuple[Document, PodView]]:
    """The workloads whose pods a Service selects."""
    return (one for one in setup.workloads_in({service.namespace}) if _leads_to(service, *one))


def _leads_to(service: Document, workload: Document, pod: PodView) -> bool:
    selector = service.get("spec", "selector")
    if not isinstance(selector, dict) or not _same(service, workload):
        return False
    wanted = labels_in(selector)
    return bool(wanted) and wanted.items() <= pod.labels.items()


def _naming(setup: Setup, workload: Document, pod: PodView, number: int | None) -> Iterator[ServicePort]:
    """The ports of Services that lead to a pod's port."""
    for service in setup.services_in({workload.namespace}):
        if number is not None and _leads_to(service, workload, pod):
            yield from (port for port in _ports(service) if _target_port(port, pod) == number)


def _target_port(port: ServicePort, pod: PodView) -> int | None:
    target = port.tree.get("targetPort", port.tree.get("port"))
    return target if isinstance(target, int) else _declared(pod, target)


def _declared(pod: PodView, name: object) -> int | None:
    """The number of a pod's port of this name."""
    for path, _ in pod.containers():
        for _, port in pod.items(*path, "ports"):
            if name and port.get("name") == name and isinstance(port.get("containerPort"), int):
                return int(port["containerPort"])
    return None


# -------------------------------------------------------------------------------------------------------- selection

_NAMESPACE_SELECTORS: Mapping[str, str] = {
    "ServiceMonitor": "serviceMonitorNamespaceSelector",
    "PodMonitor": "podMonitorNamespaceSelector",
    "Probe": "probeNamespaceSelector",
    "ScrapeConfig": "scrapeConfigNamespaceSelector",
}


def is_selected_surely(setup: Setup, scraper: Scraper, scrape: Scrape) -> bool:
    """Whether nothing that isn't here decides if a scraper takes up a monitor that it may select."""
    if scrape.scraper is scraper:
        return True
    if scraper.flavour != "operator":
        return False  # the chart's defaults ask for a label with the release's name
    selector = scraper.of_resource(_NAMESPACE_SELECTORS.get(scrape.kind, ""))
    if selector is None:
        return _same(scraper.document, scrape.document)
    labels = [labels_in(one.get("metadata", "labels")) for one in setup.named("Namespace", scrape.document.namespace)]
    return selector == {} or any(matches_labels(selector, one) for one in labels)


# ------------------------------------------------------------------------------------------------------- mTLS modes


class Mode(NamedTuple):
    """The mTLS mode of a pod's port, where a PeerAuthentication says it; ``level`` is workload or namespace."""

    mode: str
    document: Document
    path: ValuePath
    level: str


def mtls_mode(setup: Setup, target: Target) -> Mode | None:
    """Give the mode that a PeerAuthentication in the pod's namespace states for a target; None where none does."""
    if target.workload is None or target.pod is None:
        return None
    namespace, labels = target.workload.namespace, target.pod.labels
    policies = [
        one for one in setup.of_kind("PeerAuthentication", group="security.istio.io") if one.namespace == namespace
    ]
    for document in policies:
        wanted = labels_in(document.get("spec", "selector", "matchLabels"))
        if wanted and wanted.items() <= labels.items():
            ports = document.get("spec", "portLevelMtls")
            for key in ports if isinstance(ports, dict) else ():
                if str(key) == str(target.port) and (mode := _mode(document, "spec", "portLevelMtls", key)):
                    return Mode(mode, document, ("spec", "portLevelMtls", key, "mode"), "workload")
            if mode := _mode(document, "spec", "mtls"):
                return Mode(mode, document, ("spec", "mtls", "mode"), "workload")
    for document in policies:
        if not labels_in(document.get("spec", "selector", "matchLabels")) and (mode := _mode(document, "spec", "mtls")):
            return Mode(mode, document, ("spec", "mtls", "mode"), "namespace")
    return None


def _mode(document: Document, *path: str | int) -> str:
    mode = document.get(*path, "mode")
    return mode if isinstance(mode, str) and mode in {"STRICT", "PERMISSIVE", "DISABLE"} else ""
