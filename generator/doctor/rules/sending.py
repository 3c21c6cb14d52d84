"""Whom Prometheus talks to beside its targets."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from generator.doctor.rule import Fix, Found, rule
from generator.doctor.rules.clients import STRICT
from generator.doctor.rules.examples import OPERATOR, but
from generator.doctor.rules.policies import ROOT, fits, port_modes, resources, selected, stated_mode
from generator.doctor.rules.views import has_own_certificates
from generator.errors import ValuePath
from generator.injection import inject, intercepts
from generator.intake.document import Document
from generator.monitoring import Scraper, Setup
from generator.monitoring.labels import labels_in

_HOST = re.compile(r"(?:\w+://)?([a-z0-9-]+)\.([a-z0-9-]+)(?:\.svc(?:\.[a-z0-9.-]+)?)?(?::\d+)?(?:/.*)?")
_SHORT = re.compile(r"(?:\w+://)?([a-z0-9-]+)(?::\d+)?(?:/.*)?")


class _Receiver(NamedTuple):
    """Somebody to whom Prometheus sends: where that is said, what it is, the Service's name and namespace."""

    document: Document
    path: ValuePath
    what: str
    service: str
    namespace: str


@rule(
    "cleartext-into-strict",
    title="Prometheus sends cleartext into a STRICT namespace",
    severity="warning",
    stage="clients",
    why="""
        Nothing that Prometheus sends is intercepted, so nobody makes mutual TLS of it: alerts and remote writes go out
        as its configuration says. Proxies in a STRICT namespace refuse cleartext: 404, or a reset. Give the endpoint
        `https` and Istio's files, as scrape jobs have them, or make its port PERMISSIVE.
        """,
    sources=["helm-charts#145", "istio#36082", "prometheus-operator#2435"],
    wrong=but(
        OPERATOR,
        (
            "  podMonitorSelector: {}\n",
            (
                "  alerting:\n    alertmanagers:\n    - name: alertmanager-operated\n      namespace: monitoring\n"
                "      port: web\n  podMonitorSelector: {}\n"
            ),
        ),
    )
    + STRICT,
)
def cleartext_into_strict(setup: Setup) -> Iterator[Found]:
    """Look at Alertmanagers and remote writes of scrapers whose traffic isn't caught."""
    for scraper in setup.scrapers:
        caught = intercepts(setup.pod_after(scraper))
        if not has_own_certificates(setup, scraper) or caught.outbound_v4 or caught.outbound_ports:
            continue
        for receiver in _receivers(setup, scraper):
            policy = _strict(setup, receiver)
            if policy is None:
                continue
            found = f"{receiver.what} in {receiver.namespace} is sent cleartext, and {policy} makes that STRICT"
            shown = _shown(setup, scraper, of_operator=receiver.document is scraper.document)
            fix = Fix("send it over https with Istio's certificates", yaml=shown)
            yield Found(receiver.document, receiver.path, found, fix)


def _receivers(setup: Setup, scraper: Scraper) -> Iterator[_Receiver]:
    """Whoever gets cleartext from a scraper, inside the cluster."""
    if scraper.resource is not None:
        listed = scraper.of_resource("alerting", "alertmanagers")
        for index, one in enumerate(listed if isinstance(listed, list) else []):
            if isinstance(one, dict) and str(one.get("scheme") or "http").lower() == "http":
                namespace = one.get("namespace") or scraper.namespace
                path = scraper.field("alerting", "alertmanagers", index)
                yield _Receiver(
                    scraper.document, path, f"Alertmanager {one.get('name')}", str(one.get("name")), namespace
                )
        yield from _written(scraper.document, scraper.field("remoteWrite"), scraper)
    for document in setup.configurations(scraper):
        listed = document.get("alerting", "alertmanagers")
        for index, one in enumerate(listed if isinstance(listed, list) else []):
            if isinstance(one, dict) and one.get("scheme", "http") == "http":
                yield from _alertmanagers(document, ("alerting", "alertmanagers", index), one, scraper)
        yield from _written(document, ("remote_write",), scraper)


def _written(document: Document, path: ValuePath, scraper: Scraper) -> Iterator[_Receiver]:
    listed = document.get(*path)
    for index, one in enumerate(listed if isinstance(listed, list) else []):
        url = one.get("url") if isinstance(one, dict) else None
        place = _place(url, scraper) if isinstance(url, str) and url.startswith("http://") else None
        if place is not None:
            yield _Receiver(document, (*path, index, "url"), f"remote write to {place[0]}", *place)


def _alertmanagers(
    document: Document, path: ValuePath, one: Mapping[str, Any], scraper: Scraper
) -> Iterator[_Receiver]:
    """The Alertmanagers that a configuration names, or that discovery finds in one namespace."""
    for key in ("static_configs", "kubernetes_sd_configs"):
        listed = one.get(key)
        for index, group in enumerate(listed if isinstance(listed, list) else []):
            if not isinstance(group, dict):
                continue
            for target in group.get("targets") or []:
                place = _place(target, scraper) if isinstance(target, str) else None
                if place is not None:
                    yield _Receiver(document, (*path, key, index), f"Alertmanager {place[0]}", *place)
            spaces = group.get("namespaces")
            names = spaces.get("names") if isinstance(spaces, dict) else None
            for name in names if isinstance(names, list) and len(names) == 1 else []:
                yield _Receiver(document, (*path, key, index), "an Alertmanager that is discovered", "", str(name))


def _place(address: str, scraper: Scraper) -> tuple[str, str] | None:
    """Give the name and namespace of the Service in an address; None for an address that is none."""
    if found := _SHORT.fullmatch(address):
        return None if found[1] == "localhost" else (found[1], scraper.namespace)
    found = _HOST.fullmatch(address)
    return (found[1], found[2]) if found and not address.rsplit("://", 1)[-1][:1].isdigit() else None


def _strict(setup: Setup, receiver: _Receiver) -> Document | None:
    """Give the policy that makes a receiver STRICT; None where it may be spared, or has no proxy."""
    if not receiver.namespace:
        return None
    labels: Mapping[str, str] = {}
    for service in setup.of_kind("Service", group=""):
        if service.name == receiver.service and service.namespace == receiver.namespace:
            labels = labels_in(service.get("spec", "selector"))
    behind = [(one, pod) for one, pod in setup.workloads if one.namespace == receiver.namespace]
    behind = [(one, pod) for one, pod in behind if labels and fits(labels, pod.labels)]
    for document, pod in behind:
        injected = inject(pod.tree, document.namespace, setup.mesh_of(document.namespace))
        if not injected.injected:
            return None
    if _is_outside(setup, receiver) and not behind:
        return None
    policies = [one for one in resources(setup, "PeerAuthentication") if one.namespace == receiver.namespace]
    spared = [{*port_modes(one).values(), str(one.get("spec", "mtls", "mode"))} for one in policies if selected(one)]
    if any({"PERMISSIVE", "DISABLE"} & modes for modes in spared):
        return None
    stated = stated_mode(setup, receiver.namespace, {})
    if stated is None or stated.mode != "STRICT":
        return None
    if stated.level == "mesh" and receiver.namespace != ROOT and not behind and not _is_injected(setup, receiver):
        return None
    return stated.document


def _is_injected(setup: Setup, receiver: _Receiver) -> bool:
    mesh = setup.mesh_of(receiver.namespace)
    return mesh.namespace_injection is True or bool(mesh.namespace_revision)


def _is_outside(setup: Setup, receiver: _Receiver) -> bool:
    """Whether the pods there surely have no proxy, as far as the Namespace and an Alertmanager resource say."""
    kept = [
        labels_in(one.get("spec", "podMetadata", "labels")).get("sidecar.istio.io/inject")
        for one in setup.of_kind("Alertmanager")
        if one.namespace == receiver.namespace
    ]
    if "true" in kept:
        return False
    known = bool(setup.named("Namespace", receiver.namespace))
    return "false" in kept or (known and not _is_injected(setup, receiver))


def _shown(setup: Setup, scraper: Scraper, *, of_operator: bool) -> str:
    folder = next(iter(setup.read_directories(scraper)), "/etc/prom-certs")
    if of_operator:
        return (
            f"scheme: https\ntlsConfig:\n  caFile: {folder}/root-cert.pem\n  certFile: {folder}/cert-chain.pem\n"
            f"  keyFile: {folder}/key.pem\n  insecureSkipVerify: true"
        )
    return (
        f"scheme: https\ntls_config:\n  ca_file: {folder}/root-cert.pem\n  cert_file: {folder}/cert-chain.pem\n"
        f"  key_file: {folder}/key.pem\n  insecure_skip_verify: true"
    )
