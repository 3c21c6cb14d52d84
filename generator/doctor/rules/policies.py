"""Resources of the mesh: whom they select, and what they say of it; no rules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from generator.errors import ValuePath
from generator.injection import is_proxy, proxy_container, runs_envoy, variable
from generator.injection.annotations import REVISION
from generator.intake.document import Document
from generator.monitoring import PodView, Scraper, Setup
from generator.monitoring.labels import labels_in

SECURITY, NETWORKING = "security.istio.io", "networking.istio.io"
#: Where the mesh's own resources are, unless its configuration says otherwise.
ROOT = "istio-system"
SELECTORS: Mapping[str, ValuePath] = {
    "Sidecar": ("spec", "workloadSelector", "labels"),
    "PeerAuthentication": ("spec", "selector", "matchLabels"),
    "AuthorizationPolicy": ("spec", "selector", "matchLabels"),
}
_SELECTING = ("selector", "workloadSelector")
_LABELLING = ("labels", "matchLabels")
_CHARTS = {"kube-prometheus-stack", "prometheus-chart"}
_SECURE_PORTS = ("ENVOY_SECURE_METRICS_PORT", "ENVOY_SECURE_MERGED_METRICS_PORT")


class Stated(NamedTuple):
    """An mTLS mode and who says it; ``level`` is ``workload``, ``namespace`` or ``mesh``."""

    mode: str
    document: Document
    level: str


class Misplaced(NamedTuple):
    """Labels in a selector that the API server drops: the selector's path, their field in it, and they themselves."""

    path: ValuePath
    inner: str
    labels: dict[str, str]


class Subject(NamedTuple):
    """A pod that the documents make: what makes it, its namespace and its labels before injection."""

    document: Document
    pod: PodView
    namespace: str
    scraper: Scraper | None


def resources(setup: Setup, kind: str) -> list[Document]:
    """Every resource of Istio's of a kind."""
    group = NETWORKING if kind in {"Sidecar", "DestinationRule"} else SECURITY
    return setup.of_kind(kind, group=group)


def selected(document: Document) -> dict[str, str]:
    """Give the labels by which a resource selects pods; none where it is for its whole namespace."""
    return labels_in(document.get(*SELECTORS[document.kind]))


def misplaced_selectors(document: Document) -> list[Misplaced]:
    """Give the selectors of a Sidecar or PeerAuthentication that has none where its kind has it, outermost first.

    One may be spelled as another kind's, stand beside ``spec`` or too deep in it: in all three the resource is for its
    whole namespace.
    """
    return [] if selected(document) else list(_misplaced(document, (), document.tree))


def _misplaced(document: Document, path: ValuePath, tree: object) -> Iterator[Misplaced]:
    for key, value in tree.items() if isinstance(tree, dict) else ():
        if key in _SELECTING and (not path or path[0] == "spec"):
            for inner in _LABELLING:
                labels = labels_in(value.get(inner)) if isinstance(value, dict) else {}
                if labels and (*path, key, inner) != SELECTORS[document.kind]:
                    yield Misplaced((*path, key), inner, labels)
                    break
        elif path or key == "spec":
            yield from _misplaced(document, (*path, key), value)
    for index, item in enumerate(tree if isinstance(tree, list) else ()):
        yield from _misplaced(document, (*path, index), item)


def fits(labels: Mapping[str, str], pod: Mapping[str, str]) -> bool:
    """Say whether a pod has all the labels that a selector names."""
    return labels.items() <= pod.items()


def subjects(setup: Setup) -> Iterator[Subject]:
    """Every pod that the documents make, each once."""
    known = {id(scraper.document) for scraper in setup.scrapers if scraper.flavour == "workload"}
    for scraper in setup.scrapers:
        yield Subject(scraper.document, scraper.pod, scraper.namespace, scraper)
    for document, pod in setup.workloads:
        if id(document) not in known:
            yield Subject(document, pod, document.namespace, None)


def hides_labels(setup: Setup, namespace: str) -> bool:
    """Say whether a chart makes pods there, whose labels hang on the names it is installed by."""
    return any(one.flavour in _CHARTS and one.namespace in {"", namespace} for one in setup.scrapers)


def stable_labels(scraper: Scraper) -> dict[str, str]:
    """Give the labels by which to select a scraper's pod."""
    if scraper.flavour == "operator":
        names = ("app.kubernetes.io/name", "operator.prometheus.io/name", "app.kubernetes.io/instance")
        found = {key: scraper.pod.labels[key] for key in names if key in scraper.pod.labels}
        if "operator.prometheus.io/name" in found:
            found.pop("app.kubernetes.io/instance", None)
        return found
    own = labels_in(scraper.document.get("spec", "selector", "matchLabels"))
    return own if own and fits(own, scraper.pod.labels) else dict(scraper.pod.labels)


def app_ports(scraper: Scraper) -> list[int]:
    """Give the ports that the scraper's containers declare, or are known to listen on."""
    found = {
        int(port["containerPort"])
        for path, container in scraper.pod.items("spec", "containers")
        if not is_proxy(container)
        for _, port in scraper.pod.items(*path, "ports")
        if isinstance(port.get("containerPort"), int)
    }
    if scraper.flavour == "operator":
        found |= {8080, 9090}
        if scraper.of_resource("thanos") is not None:
            found |= {10901, 10902}
    return sorted(found) or [9090]


# ------------------------------------------------------------------------------------------------ PeerAuthentication


def policies_for(setup: Setup, namespace: str, labels: Mapping[str, str]) -> list[tuple[str, Document]]:
    """Give the PeerAuthentications that surely apply to a pod, with their level, the most particular first."""
    found: list[tuple[str, Document]] = []
    for level, home, whole in (("workload", namespace, False), ("namespace", namespace, True), ("mesh", ROOT, True)):
        if level == "mesh" and namespace == ROOT:
            continue
        for document in resources(setup, "PeerAuthentication"):
            wanted = selected(document)
            if document.namespace == home and bool(wanted) is not whole and fits(wanted, labels):
                found.append((level, document))
    return found


def stated_mode(setup: Setup, namespace: str, labels: Mapping[str, str]) -> Stated | None:
    """Give the mTLS mode that the documents state for a pod; None for none, or where two of a level contradict."""
    policies = policies_for(setup, namespace, labels) if namespace else []
    for level in ("workload", "namespace", "mesh"):
        stated = [Stated(_mode(one), one, level) for rank, one in policies if rank == level and _mode(one)]
        if stated:
            return stated[0] if len({one.mode for one in stated}) == 1 else None
    return None


def port_modes(document: Document) -> dict[str, str]:
    """Give the modes that a PeerAuthentication states for single ports."""
    found = document.get("spec", "portLevelMtls")
    ports = found if isinstance(found, dict) else {}
    return {str(port): str(one.get("mode")) for port, one in ports.items() if isinstance(one, dict)}


def _mode(document: Document) -> str:
    mode = document.get("spec", "mtls", "mode")
    return mode if mode in ("STRICT", "PERMISSIVE", "DISABLE") else ""


# ----------------------------------------------------------------------------------------------------------- Sidecar


class Egress(NamedTuple):
    """What a Sidecar shows a pod's Envoy: nothing that speaks mTLS, only istiod under its usual name, or more.

    ``state`` is ``dead``, ``fragile`` or ``alive``; ``why`` says what is wrong with ``host``, at ``path``.
    """

    state: str
    document: Document | None = None
    path: ValuePath = ()
    host: str = ""
    why: str = ""


def sidecar_of(setup: Setup, scraper: Scraper) -> Document | None:
    """Give the Sidecar that surely applies to a scraper's pod, where one does."""
    namespace, labels = scraper.namespace, scraper.pod.labels
    for home, whole in ((namespace, False), (namespace, True), (ROOT, True)):
        for document in resources(setup, "Sidecar"):
            wanted = selected(document)
            if home and document.namespace == home and bool(wanted) is not whole and fits(wanted, labels):
                return document
    return None


def hosts_of(document: Document) -> Iterator[tuple[ValuePath, str]]:
    """Every host of a Sidecar's egress, with its place."""
    egress = document.get("spec", "egress")
    for number, listener in enumerate(egress if isinstance(egress, list) else []):
        hosts = listener.get("hosts") if isinstance(listener, dict) else None
        for index, host in enumerate(hosts if isinstance(hosts, list) else []):
            if isinstance(host, str):
                yield ("spec", "egress", number, "hosts", index), host


def egress_of(setup: Setup, scraper: Scraper) -> Egress:
    """Say whether the hosts of the scraper's Sidecar can keep its Envoy subscribed; without one, all services do."""
    document = sidecar_of(setup, scraper)
    if document is None:
        return Egress("alive")
    found: list[Egress] = []
    for path, host in hosts_of(document):
        state, why = _judged(setup, scraper, host)
        found.append(Egress(state, document, path, host, why))
    for state in ("alive", "fragile", "dead"):
        for one in found:
            if one.state == state:
                return one
    return Egress("alive")


def _judged(setup: Setup, scraper: Scraper, host: str) -> tuple[str, str]:
    """Say whether one host can keep Envoy subscribed, and why not."""
    namespace, _, name = host.partition("/")
    namespace = scraper.namespace if namespace == "." else namespace
    if namespace == "~":
        return "dead", "which shows it nothing"
    if not name or any(mark in host for mark in "${<") or name.startswith("*"):
        return "alive", ""
    parts = name.split(".")
    if len(parts) == 1 or (parts[-1] == "svc" and len(parts) == 3):
        return "dead", "which is no full name (such as istiod.istio-system.svc.cluster.local), so it fits no Service"
    if len(parts) < 3 or parts[2] != "svc":
        return "alive", ""
    if namespace not in {"*", parts[1]}:
        return "dead", f"but a Service of namespace {parts[1]} is not in namespace {namespace}"
    if parts[0] == "istiod" or parts[0].startswith("istiod-"):
        return _istiod(setup, scraper, parts[0], parts[1])
    return "alive", ""


def _istiod(setup: Setup, scraper: Scraper, name: str, namespace: str) -> tuple[str, str]:
    for document in resources(setup, "PeerAuthentication"):
        if document.namespace == namespace and not selected(document) and _mode(document) == "DISABLE":
            return "dead", f"and {document} has {namespace} take no mTLS"
    if name != "istiod" or any(one.namespace == namespace for one in setup.named("Service", name)):
        return "alive", ""
    revision = scraper.pod.labels.get(REVISION) or setup.mesh_of(scraper.namespace).namespace_revision
    if revision == "default":
        return "alive", ""
    if revision:
        return "fragile", f"but the Service of revision {revision} is istiod-{revision}"
    return "fragile", "which doesn't exist where istiod runs under a revision's name"


def keeps_secure_ports(setup: Setup, scraper: Scraper) -> bool:
    """Say whether the pod's Envoy serves its metrics over mTLS itself, and so asks for the certificate."""
    proxy: Mapping[str, Any] | None = proxy_container(setup.pod_after(scraper))
    if proxy is None or setup.settings.istio < (1, 31):
        return False
    return any((variable(proxy, name) or "0") != "0" for name in _SECURE_PORTS)


def has_envoy_for_certificates(setup: Setup, scraper: Scraper) -> bool:
    """Say whether the renewal of a scraper's certificates hangs on its Envoy."""
    writer = setup.writer(scraper)
    return writer is not None and runs_envoy(writer.container)
