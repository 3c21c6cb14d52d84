"""Traffic of Prometheus that the proxy intercepts."""

from __future__ import annotations

from collections.abc import Iterator

from generator.doctor.rule import Fix, Found, Severity, rule
from generator.doctor.rules.examples import PLAIN, but
from generator.doctor.rules.spoiling import INBOUND, METADATA, OUTBOUND
from generator.doctor.rules.views import (
    annotate,
    annotation,
    can_be_edited,
    config_of,
    existing,
    has_own_certificates,
    is_steered,
    outside_pod,
    proxy_metadata_of,
    runs_envoy,
    stray_variables,
)
from generator.injection import annotations as names
from generator.injection import intercepts
from generator.monitoring import Edit, Scraper, Setup
from generator.monitoring.edits import REMOVE

_DEAD = "INBOUND_CAPTURE_PORTS"
_EVERYTHING = {"*", "0.0.0.0/0", "0.0.0.0/0,::/0", "::/0,0.0.0.0/0"}


def _is_told(scraper: Scraper) -> bool:
    """Whether the annotations that would switch it off stand in the wrong place, which another rule tells."""
    return any(key.startswith("traffic.sidecar.istio.io/") for _, key, _ in outside_pod(scraper))


def switched_off(scraper: Scraper, *keys: str) -> tuple[Edit, ...]:
    """Say how to have nothing intercepted, by these annotations."""
    return tuple(annotate(scraper, key, "") for key in keys) if can_be_edited(scraper) else ()


def _place(scraper: Scraper, key: str) -> tuple[str | int, ...]:
    return existing(scraper.document, annotation(scraper, key))


@rule(
    "outbound-intercepted",
    title="The proxy intercepts what Prometheus sends",
    severity="error",
    stage="injection",
    why="""
        Prometheus speaks TLS with the mesh's certificate itself. A request that Envoy intercepts is wrapped once more,
        or goes by a route for another host: scrapes of STRICT pods fail, port 15090 answers with Prometheus' own
        statistics, and the API server is out of reach until Envoy is ready. `includeOutboundIPRanges: ""` leaves
        nothing intercepted, for IPv4 and IPv6. `excludeOutboundIPRanges: 0.0.0.0/0` is as good for IPv4 alone.
        """,
    sources=["istio `tools/istio-iptables/pkg/capture/run.go`", "istio#31301", "prometheus#8167"],
    wrong=but(PLAIN, (OUTBOUND, "")),
)
def outbound_intercepted(setup: Setup) -> Iterator[Found]:
    """Look at what the pod's rules intercept. Ranges that may hold the pods, or not, are left to who chose them."""
    for scraper in setup.scrapers:
        if not has_own_certificates(setup, scraper) or not runs_envoy(setup, scraper) or _is_told(scraper):
            continue
        found = intercepts(setup.pod_after(scraper))
        annotations = scraper.pod.annotations
        include = annotations.get(names.INCLUDE_OUT, "*").replace(" ", "")
        sure = is_steered(setup, scraper) and scraper.product
        edits = switched_off(scraper, names.INCLUDE_OUT) if sure else ()
        fix = Fix("have nothing intercepted that leaves the pod", edits)
        place = _place(scraper, names.EXCLUDE_OUT if names.EXCLUDE_OUT in annotations else names.INCLUDE_OUT)
        if found.outbound_v4:
            if include not in _EVERYTHING or annotations.get(names.EXCLUDE_OUT):
                continue
            ports = annotations.get(names.EXCLUDE_OUT_PORTS, "")
            says = f"all but ports {ports}" if ports else "all"
            severity: Severity = "warning" if ports else "error"
            if not scraper.product:  # it may send other things by the mesh
                severity = "info"
            text = f"{says} that the pod sends is intercepted"
            yield Found(scraper.document, place, text, fix, severity)
        elif found.outbound_ports and scraper.product:  # other programs have Envoy send some things on purpose
            says = f"connections to port {', '.join(found.outbound_ports)} are intercepted, whatever the address"
            fix = Fix(f"if anything is scraped with certificates there, drop {names.INCLUDE_OUT_PORTS}")
            where = existing(scraper.document, annotation(scraper, names.INCLUDE_OUT_PORTS))
            yield Found(scraper.document, where, says, fix, "info")
        elif found.outbound_v6:
            yield Found(scraper.document, place, f"IPv6 is still intercepted ({found.by})", fix, "info")


@rule(
    "inbound-intercepted",
    title="The proxy intercepts what is sent to Prometheus",
    severity="info",
    stage="injection",
    why="""
        Requests for Prometheus' own port go through Envoy. That is right where the mesh is to serve its UI, with mutual
        TLS and policies. Where the proxy is there for certificates alone it stands in the way of kubelet, Alertmanager
        and whoever scrapes Prometheus: `includeInboundPorts: ""` switches it off.
        """,
    sources=["istio `tools/istio-iptables/pkg/capture/run.go`"],
    wrong=but(PLAIN, (INBOUND, "")),
)
def inbound_intercepted(setup: Setup) -> Iterator[Found]:
    """Look at what the pod's rules intercept."""
    for scraper in setup.scrapers:
        if not has_own_certificates(setup, scraper) or not runs_envoy(setup, scraper) or _is_told(scraper):
            continue
        if not intercepts(setup.pod_after(scraper)).inbound:
            continue
        sure = is_steered(setup, scraper) and scraper.product
        edits = switched_off(scraper, names.INCLUDE_IN) if sure else ()
        fix = Fix("if the mesh isn't to serve Prometheus, have nothing intercepted that comes in", edits)
        found = "what is sent to the pod's ports is intercepted"
        yield Found(scraper.document, _place(scraper, names.INCLUDE_IN), found, fix)


@rule(
    "inbound-capture-ports",
    title="INBOUND_CAPTURE_PORTS has no effect",
    severity="warning",
    stage="injection",
    why="""
        Istio's sample sets this variable, but nothing in Istio reads it: the tool that writes the rules knows
        `ISTIO_INBOUND_PORTS`, and the injector's argument beats the environment. Inbound traffic is intercepted as if
        it weren't there. The annotation `traffic.sidecar.istio.io/includeInboundPorts: ""` does what it was to do.
        """,
    sources=["istio `tools/istio-iptables/pkg/cmd/root.go`", "istio `tools/istio-iptables/pkg/constants/constants.go`"],
    wrong=but(PLAIN, (INBOUND, ""), (METADATA, f'{METADATA}            {_DEAD}: ""\n')),
)
def inbound_capture_ports(setup: Setup) -> Iterator[Found]:
    """Look for the variable; where interception is off anyway it merely misleads."""
    for scraper in setup.scrapers:
        intercepted = intercepts(setup.pod_after(scraper)).inbound
        more = switched_off(scraper, names.INCLUDE_IN) if intercepted and is_steered(setup, scraper) else ()
        says = f"use {names.INCLUDE_IN}" if intercepted else "take it out: interception is off already"
        severity: Severity = "warning" if intercepted else "info"
        for inner, path, name, _ in proxy_metadata_of(scraper):
            if name == _DEAD:
                fix = Fix(says, (Edit(inner, path, REMOVE), *more))
                yield Found(inner, path, f"{_DEAD} is set", fix, severity, str(scraper))
        for inner, key, name in stray_variables(scraper):
            if name == _DEAD:
                fix = Fix(says, (Edit(inner, (key,), REMOVE), *more))
                yield Found(inner, (key,), f"{_DEAD} is set", fix, severity, str(scraper))
        for path, _ in scraper.pod.containers():
            for place, item in scraper.pod.items(*path, "env"):
                if item.get("name") == _DEAD:
                    fix = Fix(says, (scraper.pod.set(place, REMOVE), *more))
                    where = scraper.pod.where(*place)
                    yield Found(scraper.document, where, f"{_DEAD} is set", fix, severity)


@rule(
    "interception-mode-none",
    title="Without interception by mode, Envoy takes the mesh's ports in the pod",
    severity="error",
    stage="injection",
    why="""
        With `interceptionMode: NONE` istiod tells Envoy to listen on every port of the mesh's services in the pod
        itself: ports collide, listeners fail, and the proxy doesn't get ready; the CNI plugin refuses the mode
        altogether. It is for pods that run the agent without Envoy. To have nothing intercepted keep the mode and give
        both `includeInboundPorts` and `includeOutboundIPRanges` as `""`.
        """,
    sources=["istio#25156", "istio#40854", "istio `cni/pkg/plugin/sidecar_redirect.go`"],
    wrong=but(PLAIN, ("      annotations:\n", "      annotations:\n        sidecar.istio.io/interceptionMode: NONE\n")),
)
def interception_mode_none(setup: Setup) -> Iterator[Found]:
    """Look at the annotation, and at the proxy's configuration."""
    for scraper in setup.scrapers:
        if not is_steered(setup, scraper) or not runs_envoy(setup, scraper):
            continue
        if names.interception_mode(scraper.pod.annotations, setup.injection(scraper).config) != "NONE":
            continue
        more = switched_off(scraper, names.INCLUDE_IN, names.INCLUDE_OUT)
        inner = config_of(scraper)
        if names.MODE in scraper.pod.annotations:
            document, path = scraper.document, annotation(scraper, names.MODE)
            edits = (annotate(scraper, names.MODE, REMOVE), *more)
            if inner is not None and inner.get("interceptionMode") == "NONE":
                edits = (*edits, Edit(inner, ("interceptionMode",), REMOVE))
        elif inner is not None:
            document, path = inner, ("interceptionMode",)
            edits = (Edit(inner, path, REMOVE), *more)
        else:
            continue
        fix = Fix("switch interception off by the two annotations", edits if can_be_edited(scraper) else ())
        yield Found(document, path, "the mode is NONE, and Envoy runs", fix, resource=str(scraper))
