"""Who talks to Prometheus through the mesh: what its clients send, and what unwraps it."""

from __future__ import annotations

from collections.abc import Iterator

from generator.doctor.rule import Fix, Found, rule
from generator.doctor.rules.examples import PLAIN, but
from generator.doctor.rules.mesh import DISABLE, TLS_MODE
from generator.doctor.rules.policies import (
    Subject,
    app_ports,
    fits,
    policies_for,
    port_modes,
    resources,
    selected,
    stable_labels,
    stated_mode,
    subjects,
)
from generator.doctor.rules.views import (
    annotate,
    annotation,
    can_be_edited,
    existing,
    has_own_certificates,
    label,
)
from generator.injection import inject, intercepts
from generator.intake.document import Document, value_at
from generator.monitoring import Edit, Scraper, Setup
from generator.monitoring.edits import REMOVE
from generator.monitoring.labels import labels_in

_TLS_LABEL = "        security.istio.io/tlsMode: disabled\n"
STRICT = """\
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata:
  name: default
  namespace: monitoring
spec:
  mtls:
    mode: STRICT
"""
_BY_PORT = DISABLE.replace("  mtls:\n    mode: DISABLE\n", '  portLevelMtls:\n    "9090":\n      mode: DISABLE\n')
_SELECTOR = "  selector:\n    matchLabels:\n      app: prometheus\n"
_SERVICE = """\
---
apiVersion: v1
kind: Service
metadata:
  name: prometheus
  namespace: monitoring
spec:
  selector:
    app: prometheus
  ports:
  - name: http
    port: 80
    targetPort: 9090
"""
#: Ways to write a mode that the label doesn't know.
_MEANT = {"disable", "none", "off", "false", "plaintext"}
_UIS = ("grafana", "kiali")


# --------------------------------------------------------------------------------------------------- modes of ports


@rule(
    "port-modes-without-selector",
    title="The API server refuses modes for ports without a selector",
    severity="error",
    stage="clients",
    why="""
        `portLevelMtls` is for chosen workloads: the CRD of PeerAuthentication has a rule that it needs `selector` with
        labels. Without, the object is refused (where that rule isn't checked, the ports are ignored).
        """,
    sources=["istio PeerAuthentication API", "istio CRDs"],
    wrong=PLAIN + but(_BY_PORT, (_SELECTOR, "")),
)
def port_modes_without_selector(setup: Setup) -> Iterator[Found]:
    """Look at policies without labels; a selector that is spelled wrong is another rule's."""
    for document in resources(setup, "PeerAuthentication"):
        spec = document.get("spec")
        ports = port_modes(document)
        if not ports or selected(document) or "workloadSelector" in spec or labels_in(spec.get("selector")):
            continue
        if document.get("spec", "selector", "labels"):
            continue
        near = [one for one in setup.scrapers if document.namespace and one.namespace == document.namespace]
        own = near[0] if len(near) == 1 and ports.keys() & {str(port) for port in app_ports(near[0])} else None
        edits: tuple[Edit, ...] = ()
        if own is not None and not spec.get("mtls") and own.flavour in {"workload", "operator"}:
            edits = (Edit(document, ("spec", "selector"), {"matchLabels": stable_labels(own)}),)
        fix = Fix("select the pods that these ports are of", edits, "" if edits else "selector:\n  matchLabels: {}")
        yield Found(document, ("spec", "portLevelMtls"), f"modes for port {', '.join(ports)}, no selector", fix)


@rule(
    "port-mode-for-no-port",
    title="A mode is for a port that the pods don't have",
    severity="warning",
    stage="clients",
    why="""
        `portLevelMtls` counts ports of containers, not of Services. A mode for the number that a Service has outside
        does nothing, and the port that was meant keeps the mode of the workload, the namespace or the mesh.
        """,
    sources=["istio PeerAuthentication API"],
    wrong=PLAIN + but(_BY_PORT, ('"9090"', '"80"')) + _SERVICE,
)
def port_mode_for_no_port(setup: Setup) -> Iterator[Found]:
    """Look for numbers that Services of the selected pods lead elsewhere; other numbers may be undeclared ports."""
    for document in resources(setup, "PeerAuthentication"):
        labels, ports = selected(document), port_modes(document)
        chosen = [one for one in _in_namespace(setup, document) if labels and fits(labels, one.pod.labels)]
        for key in document.get("spec", "portLevelMtls") if ports else ():
            number = str(key)
            if not chosen or any(number in _declared(one) for one in chosen):
                continue
            inner = {port for one in chosen for port in _behind(setup, one, number)}
            if not inner or number in inner:
                continue
            path = ("spec", "portLevelMtls", key)
            found = f"port {number} is the Service's; the container's is {', '.join(sorted(inner))}"
            edits: tuple[Edit, ...] = ()
            if len(inner) == 1 and not inner & ports.keys():
                mode = document.get(*path)
                edits = (Edit(document, path, REMOVE), Edit(document, (*path[:-1], *inner), mode))
            yield Found(document, path, found, Fix("name the container's port", edits))


def _in_namespace(setup: Setup, document: Document) -> Iterator[Subject]:
    return (one for one in subjects(setup) if document.namespace and one.namespace == document.namespace)


def _declared(subject: Subject) -> set[str]:
    if subject.scraper is not None:
        return {str(port) for port in app_ports(subject.scraper)}
    pod = subject.pod
    ports = (port for path, _ in pod.containers() for _, port in pod.items(*path, "ports"))
    return {str(port.get("containerPort")) for port in ports}


def _behind(setup: Setup, subject: Subject, number: str) -> Iterator[str]:
    """The numbers of the pod's ports to which Services lead a port of theirs."""
    names = {
        str(port.get("name")): str(port.get("containerPort"))
        for path, _ in subject.pod.containers()
        for _, port in subject.pod.items(*path, "ports")
    }
    for service in setup.of_kind("Service", group=""):
        wanted = labels_in(service.get("spec", "selector"))
        if service.namespace != subject.namespace or not wanted or not fits(wanted, subject.pod.labels):
            continue
        listed = service.get("spec", "ports")
        for port in listed if isinstance(listed, list) else []:
            if isinstance(port, dict) and str(port.get("port")) == number:
                target = port.get("targetPort", port.get("port"))
                yield str(target) if isinstance(target, int) else names.get(str(target), number)


# -------------------------------------------------------------------------------------------------- mTLS to Prometheus


@rule(
    "clients-send-mtls",
    title="Clients in the mesh send mTLS that nothing unwraps",
    severity="info",
    stage="clients",
    why="""
        Injection labels the pod `security.istio.io/tlsMode: istio`, and clients in the mesh take that for a proxy that
        unwraps mutual TLS. Where what comes in isn't intercepted, Prometheus gets the TLS itself: Grafana and Kiali see
        connection resets. The label with the value `disabled` has them speak cleartext, and beats what a
        PeerAuthentication says; `portLevelMtls` with `DISABLE` for Prometheus' ports does as well.
        """,
    sources=["istio `pilot/pkg/xds/endpoints/mtls_checker.go`"],
    wrong=but(PLAIN, (_TLS_LABEL, "")) + STRICT,
)
def clients_send_mtls(setup: Setup) -> Iterator[Found]:
    """Look for pods with the injected label, where the documents show who would send mTLS."""
    for scraper in setup.scrapers:
        injection = setup.injection(scraper)
        mode = value_at(injection.pod, ("metadata", "labels", TLS_MODE))
        if not injection.injected or mode != "istio" or not has_own_certificates(setup, scraper):
            continue
        if intercepts(injection.pod).inbound or _is_exempt(setup, scraper):
            continue
        who = _sender(setup, scraper)
        if not who:
            continue
        edits = (scraper.pod.set(("metadata", "labels", TLS_MODE), "disabled"),) if can_be_edited(scraper) else ()
        found = f"{who} has clients send mTLS, and nothing of what comes in is caught"
        place = existing(scraper.document, scraper.pod.where("metadata", "labels"))
        yield Found(scraper.document, place, found, Fix("have clients speak cleartext to the pod", edits))


def _is_exempt(setup: Setup, scraper: Scraper) -> bool:
    """Whether something else has clients speak cleartext, as far as can be seen."""
    stated = stated_mode(setup, scraper.namespace, scraper.pod.labels)
    if stated is not None and stated.mode == "DISABLE":
        return True
    policies = policies_for(setup, scraper.namespace, scraper.pod.labels)
    if any("DISABLE" in port_modes(document).values() for _, document in policies):
        return True
    rules = resources(setup, "DestinationRule")
    return any(one.get("spec", "trafficPolicy", "tls", "mode") == "DISABLE" for one in rules)


def _sender(setup: Setup, scraper: Scraper) -> str:
    stated = stated_mode(setup, scraper.namespace, scraper.pod.labels)
    if stated is not None and stated.mode == "STRICT":
        return str(stated.document)
    for document, pod in setup.workloads:
        if any(name in document.name for name in _UIS) and document is not scraper.document:
            found = inject(pod.tree, document.namespace, setup.mesh_of(document.namespace))
            if found.injected and found.certain:
                return f"the proxy beside {document}"
    return ""


@rule(
    "tls-mode-label",
    title="The label for cleartext has a value, or a place, that Istio doesn't know",
    severity="info",
    stage="clients",
    why="""
        `security.istio.io/tlsMode` is a label with the value `istio` or `disabled`. Any other value means cleartext to
        today's clients, but nobody has promised that. As an annotation it is read by nobody, and injection sets the
        label to `istio`.
        """,
    sources=["istio `pilot/pkg/xds/endpoints/mtls_checker.go`", "istio injection template"],
    wrong=but(PLAIN, (_TLS_LABEL, _TLS_LABEL.replace("disabled", "disable"))),
)
def tls_mode_label(setup: Setup) -> Iterator[Found]:
    """Look at the label's value, and at annotations."""
    for scraper in setup.scrapers:
        value = scraper.pod.labels.get(TLS_MODE)
        steers = can_be_edited(scraper)
        if value is not None and value.lower() in _MEANT:
            edit = scraper.pod.set(("metadata", "labels", TLS_MODE), "disabled")
            fix = Fix("write disabled", (edit,) if steers else ())
            yield Found(scraper.document, label(scraper, TLS_MODE), f"the value is {value}", fix)
        if TLS_MODE in scraper.pod.annotations and value is None:
            meant = scraper.pod.annotations[TLS_MODE]
            edits = (annotate(scraper, TLS_MODE, REMOVE), scraper.pod.set(("metadata", "labels", TLS_MODE), meant))
            fix = Fix("make it a label", edits if steers else ())
            place = annotation(scraper, TLS_MODE)
            yield Found(scraper.document, place, f"{TLS_MODE} is an annotation here", fix, "warning")
