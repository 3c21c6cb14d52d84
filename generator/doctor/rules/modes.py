"""The mTLS mode of what a monitor scrapes, where the files show it."""

from __future__ import annotations

from collections.abc import Iterator

from generator.doctor.rule import Fix, Found, Severity, rule
from generator.doctor.rules.examples import OPERATOR, WEB
from generator.doctor.rules.jobs import PLAINTEXT, found_at, mtls_of_jobs
from generator.doctor.rules.monitors import shared_class
from generator.injection import catches_port, inject, intercepts
from generator.monitoring import Edit, Scrape, Setup
from generator.monitoring.edits import REMOVE
from generator.monitoring.targets import Mode, Target, mtls_mode, targets_of

_POLICY = """\
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata:
  name: web
  namespace: monitoring
spec:
  selector:
    matchLabels:
      app: web
  mtls:
    mode: {mode}
"""


@rule(
    "https-to-permissive",
    title="A monitor speaks TLS to a port that doesn't take it from Prometheus",
    severity="error",
    stage="scraping",
    why="""
        A PERMISSIVE port tells mTLS from other traffic by the ALPN that Istio's proxies send (`istio` and the like).
        Prometheus can't send it, so its TLS goes to the application as it is, or fits no filter chain: EOF, or a reset.
        A DISABLE port takes none at all. Scrape such a port over http, or make it STRICT.
        """,
    sources=["istio `pilot/pkg/networking/core/filterchain_options.go`", "istio#38720", "prometheus/prometheus#15320"],
    wrong=OPERATOR + WEB + _POLICY.format(mode="PERMISSIVE"),
)
def https_to_permissive(setup: Setup) -> Iterator[Found]:
    """Look at the PeerAuthentication of what monitors with certificates scrape."""
    for found in mtls_of_jobs(setup):
        if found.scrape.scheme != "https":
            continue
        for target, mode in _with_mode(setup, found.scrape):
            if mode.mode == "STRICT":
                continue
            says = f"{found.scrape} asks {target.name} over https, and {mode.document} makes it {mode.mode}"
            edits = _without_certificates(setup, found.scrape) if mode.level == "workload" else ()
            fix = Fix("ask it over http, or make the port STRICT", tuple(edits))
            severity: Severity = "error" if mode.level == "workload" else "warning"
            yield found_at(found.scrape, ("scheme",), says, fix, severity=severity)
            break


@rule(
    "http-to-strict",
    title="A monitor asks a STRICT port in cleartext",
    severity="error",
    stage="scraping",
    why="""
        A STRICT port resets every connection that doesn't begin with mTLS. Prometheus speaks it where the monitor says
        `scheme: https` and names Istio's certificates, by a scrape class or, in a ServiceMonitor, by files. Merged
        metrics (15020) and Envoy's (15090) are cleartext in any mode.
        """,
    sources=["istio `pilot/pkg/networking/core/filterchain_options.go`", "prometheus-operator#2435"],
    wrong=OPERATOR.replace("  scrapeClass: istio-mtls\n", "").replace("    scheme: https\n    enableHttp2: false\n", "")
    + WEB
    + _POLICY.format(mode="STRICT"),
)
def http_to_strict(setup: Setup) -> Iterator[Found]:
    """Look at the PeerAuthentication of what monitors without https scrape."""
    for scrape in setup.scrapes:
        if scrape.scheme == "https" or scrape.kind not in {"PodMonitor", "ServiceMonitor"}:
            continue
        scrapers = setup.selected_by(scrape)
        caught = [intercepts(setup.pod_after(one)) for one in scrapers]
        if scrape.scrape_class or not scrapers or any(one.outbound_v4 for one in caught):
            continue
        for target, mode in _with_mode(setup, scrape):
            if mode.mode != "STRICT" or not _is_guarded(setup, target):
                continue
            if any(str(target.port) in one.outbound_ports for one in caught):
                continue
            says = f"{scrape} asks {target.name} over http, and {mode.document} makes it STRICT"
            severity: Severity = "error" if mode.level == "workload" else "warning"
            yield found_at(scrape, (), says, _with_class(setup, scrape), severity=severity)
            break


def _with_mode(setup: Setup, scrape: Scrape) -> Iterator[tuple[Target, Mode]]:
    for target in targets_of(setup, scrape):
        mode = mtls_mode(setup, target)
        if mode is not None and str(target.port) not in PLAINTEXT:
            yield target, mode


def _endpoints(setup: Setup, scrape: Scrape) -> list[Scrape]:
    """The endpoints of a scrape's monitor, itself too."""
    return [one for one in setup.scrapes if one.document is scrape.document and one.spec == scrape.spec]


def _without_certificates(setup: Setup, scrape: Scrape) -> Iterator[Edit]:
    """Let an endpoint ask over http, and take out what nothing else of its monitor uses then."""
    yield scrape.set("scheme", value="http")
    if scrape.spelling.tls in scrape.tree:
        yield scrape.set(scrape.spelling.tls, value=REMOVE)
    if scrape.scrape_class and not any(
        one is not scrape and one.scheme == "https" for one in _endpoints(setup, scrape)
    ):
        yield Edit(scrape.document, (*scrape.spec, scrape.spelling.scrape_class), REMOVE)


def _is_guarded(setup: Setup, target: Target) -> bool:
    """Whether a proxy surely stands before a target's port."""
    if target.workload is None or target.pod is None or target.port is None:
        return False
    namespace = target.workload.namespace
    injection = inject(target.pod.tree, namespace, setup.mesh_of(namespace))
    return injection.injected and injection.certain and catches_port(injection.pod, target.port)


def _with_class(setup: Setup, scrape: Scrape) -> Fix:
    """Say how to have a monitor present certificates: by the class that all its scrapers have."""
    says = "ask it over https with Istio's certificates"
    shared = shared_class(setup, scrape)
    if not shared or scrape.tls is not None or len(_endpoints(setup, scrape)) > 1:
        return Fix(says, yaml=f"scrapeClass: {shared}" if shared else "")
    edits = (
        Edit(scrape.document, (*scrape.spec, scrape.spelling.scrape_class), shared),
        scrape.set("scheme", value="https"),
        scrape.set(scrape.spelling.http2, value=False),
    )
    return Fix(says, edits)
