"""Certificates are renewed: Sidecar resources, and what takes the certificate from Envoy."""

from __future__ import annotations

import re
from collections.abc import Iterator

from generator.doctor.rule import Fix, Found, Severity, rule
from generator.doctor.rules.examples import PLAIN, but
from generator.doctor.rules.policies import (
    ROOT,
    Egress,
    Stated,
    app_ports,
    egress_of,
    fits,
    has_envoy_for_certificates,
    hosts_of,
    keeps_secure_ports,
    policies_for,
    port_modes,
    resources,
    selected,
    stable_labels,
    stated_mode,
    subjects,
)
from generator.doctor.rules.spoiling import METADATA
from generator.doctor.rules.views import can_be_edited, existing
from generator.errors import ValuePath
from generator.injection.annotations import MODE
from generator.intake.document import Document
from generator.monitoring import Edit, Scraper, Setup
from generator.monitoring.edits import REMOVE
from generator.monitoring.versions import spelled

TLS_MODE = "security.istio.io/tlsMode"
SIDECAR = """\
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata:
  name: prometheus
  namespace: monitoring
spec:
  workloadSelector:
    labels:
      app: prometheus
  egress:
  - hosts:
    - istio-system/istiod.istio-system.svc.cluster.local
"""
DISABLE = """\
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata:
  name: prometheus
  namespace: monitoring
spec:
  selector:
    matchLabels:
      app: prometheus
  mtls:
    mode: DISABLE
"""
_HOST = re.compile(r"(\*|\.|~|[a-z0-9]([-a-z0-9]*[a-z0-9])?)/\S+")
_SERVICE = re.compile(r"[a-z0-9-]+\.([a-z0-9-]+)\.svc\.[a-z0-9.-]+")
_V1_SINCE = (1, 22)
_V1_KINDS = ("Sidecar", "PeerAuthentication", "DestinationRule")


@rule(
    "rotation-stops",
    title="The first certificate is never renewed",
    severity="error",
    stage="renewal",
    since="Istio 1.9",
    why="""
        The agent writes the first certificate by itself (since Istio 1.9), but renews it for those that asked for it
        alone: Envoy, by a listener or a cluster that speaks mTLS. A PeerAuthentication with `DISABLE` takes it from the
        listener. If the Sidecar then shows Envoy no host that speaks mTLS, nobody asks any more: scrapes work for a day
        (the certificate's life) and fail together. istiod's Service is `istiod-<revision>` where istiod runs under a
        revision's name, and no Service of the mesh where it is managed by others. Without `DISABLE` there is no
        such trap: the label `security.istio.io/tlsMode: disabled`, or `portLevelMtls` for Prometheus' ports, has
        clients speak cleartext to it too. An agent without Envoy renews alone. *Deduced from the source.*
        """,
    sources=[
        "istio `security/pkg/nodeagent/sds/sdsservice.go`",
        "istio `architecture/security/istio-agent.md`",
        "istio `pilot/pkg/networking/core/listener_inbound.go`",
        "istio#28099",
    ],
    wrong=PLAIN + SIDECAR.replace("istio-system/istiod.istio-system.svc.cluster.local", "~/*") + DISABLE,
)
def rotation_stops(setup: Setup) -> Iterator[Found]:
    """Look at both sides of Envoy: the mode of what comes in, the hosts that it may reach."""
    for scraper in setup.scrapers:
        if not has_envoy_for_certificates(setup, scraper) or keeps_secure_ports(setup, scraper):
            continue
        stated = stated_mode(setup, scraper.namespace, scraper.pod.labels)
        if stated is None or stated.mode != "DISABLE" or scraper.pod.annotations.get(MODE) == "NONE":
            continue
        policies = policies_for(setup, scraper.namespace, scraper.pod.labels)
        if any({"STRICT", "PERMISSIVE"} & set(port_modes(one).values()) for _, one in policies):
            continue
        egress = egress_of(setup, scraper)
        if egress.state == "alive":
            continue
        severity: Severity = "error" if egress.state == "dead" else "warning"
        found = f"{stated.document} has Envoy listen without a certificate (DISABLE), and {egress.document} "
        found += f"leaves it only {egress.host}, {egress.why}"
        yield Found(stated.document, ("spec", "mtls", "mode"), found, _kept(setup, scraper, stated, egress), severity)


def _kept(setup: Setup, scraper: Scraper, stated: Stated, egress: Egress) -> Fix:
    """Say how to keep Envoy subscribed."""
    labels = selected(stated.document)
    chosen = [one for one in subjects(setup) if labels and fits(labels, one.pod.labels)]
    if labels and all(one.scraper is scraper for one in chosen):
        ports = {str(port): {"mode": "DISABLE"} for port in app_ports(scraper)}
        edits = [
            Edit(stated.document, ("spec", "mtls"), REMOVE),
            Edit(stated.document, ("spec", "portLevelMtls"), ports),
        ]
        if can_be_edited(scraper) and scraper.pod.labels.get(TLS_MODE) != "disabled":
            edits.append(scraper.pod.set(("metadata", "labels", TLS_MODE), "disabled"))
        return Fix("disable mTLS for Prometheus' own ports alone", tuple(edits))
    if "take no mTLS" not in egress.why and egress.document is not None and egress.path:
        edit = Edit(egress.document, egress.path[:-1], [f"{ROOT}/*"])
        return Fix(f"let Envoy see all of {ROOT}", (edit,))
    from generator.yaml import block

    own = {"selector": {"matchLabels": stable_labels(scraper)}, "mtls": {"mode": "PERMISSIVE"}}
    return Fix("give Prometheus a PeerAuthentication of its own", yaml=block({"spec": own}, sort_keys=False))


@rule(
    "sidecar-without-envoy",
    title="A Sidecar resource is for a pod without Envoy",
    severity="info",
    stage="renewal",
    since="Istio 1.11",
    why="""
        A Sidecar resource says which hosts Envoy gets configuration for. With `DISABLE_ENVOY` there is no Envoy, the
        agent opens no configuration stream, and renews the certificate by itself: the resource has no effect.
        """,
    sources=["istio `pkg/istio-agent/agent.go`"],
    wrong=PLAIN.replace(METADATA.rstrip("\n"), METADATA.rstrip("\n") + '\n            DISABLE_ENVOY: "true"')
    .replace("          holdApplicationUntilProxyStarts: true\n", "")
    .replace("      annotations:\n", '      annotations:\n        status.sidecar.istio.io/port: "0"\n')
    + SIDECAR,
)
def sidecar_without_envoy(setup: Setup) -> Iterator[Found]:
    """Look at Sidecars whose selector fits agents without Envoy, and nothing else."""
    for document in resources(setup, "Sidecar"):
        labels = selected(document)
        chosen = [
            one.scraper
            for one in subjects(setup)
            if labels and one.namespace == document.namespace and fits(labels, one.pod.labels)
        ]
        if not chosen or not all(
            one is not None and setup.writer(one) is not None and not has_envoy_for_certificates(setup, one)
            for one in chosen
        ):
            continue
        found = f"{document} selects {chosen[0]}, whose proxy runs without Envoy"
        yield Found(document, ("spec", "workloadSelector"), found, Fix("take the Sidecar out"))


@rule(
    "sidecar-invalid",
    title="Istio refuses the Sidecar",
    severity="error",
    stage="renewal",
    why="""
        Istio's validation refuses a Sidecar that says nothing (no `egress`, `ingress`, `outboundTrafficPolicy` or
        `inboundConnectionPool`), an egress listener without hosts, and a host that isn't written as
        `namespace/dnsName`: `istio-system/*`, `./*`, `istio-system/istiod.istio-system.svc.cluster.local`.
        """,
    sources=["istio `pkg/config/validation/validation.go`"],
    wrong=PLAIN + but(SIDECAR, ("istio-system/istiod", "istiod")),
)
def sidecar_invalid(setup: Setup) -> Iterator[Found]:
    """Look at what each Sidecar has to say."""
    for document in resources(setup, "Sidecar"):
        spec = document.get("spec")
        says = ("egress", "ingress", "outboundTrafficPolicy", "inboundConnectionPool")
        if not isinstance(spec, dict) or not any(spec.get(key) for key in says):
            fix = Fix("name the hosts that Envoy is to know", yaml=f"spec:\n  egress:\n  - hosts:\n    - {ROOT}/*")
            yield Found(document, existing(document, ("spec",)), "the Sidecar says nothing", fix)
            continue
        egress = spec.get("egress")
        for number, listener in enumerate(egress if isinstance(egress, list) else []):
            if isinstance(listener, dict) and not listener.get("hosts"):
                path: ValuePath = ("spec", "egress", number)
                fix = Fix("name the hosts that Envoy is to know", yaml=f"hosts:\n- {ROOT}/*")
                yield Found(document, path, "an egress listener has no hosts", fix)
        for path, host in hosts_of(document):
            if not _HOST.fullmatch(host) and not any(mark in host for mark in "${<"):
                yield Found(
                    document, path, f"the host {host} is not written as namespace/dnsName", _host(path, host, document)
                )


def _host(path: ValuePath, host: str, document: Document) -> Fix:
    service = _SERVICE.fullmatch(host)
    if service is None:
        return Fix("write namespace/dnsName", yaml=f"hosts:\n- ./{host}" if host == "*" else "")
    return Fix("name the Service's namespace before it", (Edit(document, path, f"{service[1]}/{host}"),))


@rule(
    "sidecars-for-one-namespace",
    title="Two Sidecars are for the same namespace",
    severity="warning",
    stage="renewal",
    why="""
        A namespace may have one Sidecar without `workloadSelector`. Of two, Istio takes one, and says nowhere
        which: what Prometheus' Envoy sees, and so whether its certificate is renewed, is left to chance.
        """,
    sources=["istio `pkg/config/validation/validation.go`", "istio Sidecar API"],
    wrong=PLAIN
    + SIDECAR.replace("  workloadSelector:\n    labels:\n      app: prometheus\n", "")
    + SIDECAR.replace("  workloadSelector:\n    labels:\n      app: prometheus\n", "").replace(
        "name: prometheus", "name: default"
    ),
)
def sidecars_for_one_namespace(setup: Setup) -> Iterator[Found]:
    """Look for Sidecars of different names; the same one given twice is another environment's."""
    seen: dict[str, Document] = {}
    for document in resources(setup, "Sidecar"):
        if selected(document) or not document.namespace or not isinstance(document.get("spec"), dict):
            continue
        if "selector" in document.get("spec") or document.get("spec", "workloadSelector") is not None:
            continue  # the selector is wrong, which another rule tells
        first = seen.setdefault(document.namespace, document)
        if first.name != document.name:
            found = f"{first} and {document} are both for all of {document.namespace}"
            fix = Fix("give one of them a workloadSelector, or put them together")
            yield Found(document, ("metadata", "name"), found, fix)


@rule(
    "mesh-api-too-old",
    title="This Istio release doesn't serve the API version",
    severity="error",
    stage="manifest",
    since="Istio 1.22",
    why="""
        Sidecar, DestinationRule and PeerAuthentication have been served as `v1` since Istio 1.22; before, the API
        server knows no such kind and refuses the object. `v1beta1` works since 1.5, in new releases too.
        """,
    sources=["istio CRDs"],
    wrong="# istio 1.21.0\n" + PLAIN + SIDECAR,
)
def mesh_api_too_old(setup: Setup) -> Iterator[Found]:
    """Compare with the version, where the user gave it."""
    if not setup.settings.istio_given or setup.settings.istio >= _V1_SINCE:
        return
    for kind in _V1_KINDS:
        for document in resources(setup, kind):
            if document.api_version.endswith("/v1"):
                found = f"{kind} {document.api_version} needs Istio 1.22; this is {spelled(setup.settings.istio)}"
                edit = Edit(document, ("apiVersion",), f"{document.group}/v1beta1")
                yield Found(document, ("apiVersion",), found, Fix("use v1beta1", (edit,)))
