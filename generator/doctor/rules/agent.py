"""An agent without Envoy, and what starts before what."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from generator.doctor.rule import Fix, Found, rule
from generator.doctor.rules.examples import PLAIN, but
from generator.doctor.rules.interception import switched_off
from generator.doctor.rules.spoiling import HOLD, METADATA, OUTBOUND
from generator.doctor.rules.views import (
    PROXY,
    annotate,
    annotation,
    can_be_edited,
    config_key,
    config_of,
    existing,
    inside,
    is_hindered,
    is_steered,
    proxy_metadata_of,
    runs_envoy,
    stated_proxy,
)
from generator.errors import ValuePath
from generator.injection import annotations as names
from generator.injection import intercepts, proxy_container, variable
from generator.intake.document import Document
from generator.monitoring import Edit, Scraper, Setup
from generator.monitoring.running import Writer

_ENVOY_PORT, _AGENT_PORT = 15021, 15020
_HOLD = "holdApplicationUntilProxyStarts"
_WAIT_FOR_AGENT = ["pilot-agent", "wait", f"--url=http://localhost:{_AGENT_PORT}/healthz/ready"]
_NO_ENVOY = f'{METADATA}            DISABLE_ENVOY: "true"\n'
_AGENT_PROBES = """\
      - name: istio-proxy
        image: auto
        readinessProbe:
          httpGet:
            path: /healthz/ready
            port: 15020
        startupProbe:
          httpGet:
            path: /healthz/ready
            port: 15020
"""
_AGENT_ALONE = but(PLAIN, (HOLD, ""), (METADATA, _NO_ENVOY))
_WAITS = ("cert-chain.pem", "root-cert.pem", "key.pem", "15020", "15021", "pilot-agent")


def agents(setup: Setup) -> Iterator[tuple[Scraper, Mapping[str, Any]]]:
    """Every scraper beside which an agent runs without Envoy though its template is the one with Envoy."""
    for scraper in setup.scrapers:
        proxy = proxy_container(setup.pod_after(scraper))
        if proxy is None or setup.settings.istio < (1, 11):
            continue
        alone = names.truth(variable(proxy, "DISABLE_ENVOY") or "") is True
        if alone and "grpc-agent" not in scraper.pod.annotations.get(names.TEMPLATES, ""):
            yield scraper, proxy


def switch_place(scraper: Scraper) -> tuple[Document, ValuePath]:
    """Say where the manifest switches Envoy off."""
    for inner, path, name, _ in proxy_metadata_of(scraper):
        if name == "DISABLE_ENVOY":
            return inner, path
    stated = stated_proxy(scraper)
    for path, item in scraper.pod.items(*stated[0], "env") if stated else ():
        if item.get("name") == "DISABLE_ENVOY":
            return scraper.document, scraper.pod.where(*path)
    return scraper.document, existing(scraper.document, scraper.pod.where("metadata"))


@rule(
    "probes-without-envoy",
    title="The proxy's probes ask a port that nobody opens",
    severity="error",
    stage="injection",
    since="Istio 1.11",
    why="""
        With `DISABLE_ENVOY` only the agent runs, and it listens on 15020. The probes of Istio's template ask Envoy's
        15021. So a classic proxy never gets ready and is killed after ten minutes, and a native one keeps Prometheus
        from starting. Port 15020 is ready as soon as the three files exist (since 1.12). A container `istio-proxy` in
        the manifest, with `image: auto`, is laid over the injected one and can move the probes there; the template
        `grpc-agent` has them there already.
        """,
    sources=["istio `pkg/istio-agent/agent.go`", "istio `pilot/cmd/pilot-agent/status/server.go`"],
    wrong=_AGENT_ALONE,
)
def probes_without_envoy(setup: Setup) -> Iterator[Found]:
    """Look at the probes that the proxy ends up with."""
    for scraper, proxy in agents(setup):
        asked = [key for key in ("startupProbe", "readinessProbe", "livenessProbe") if _port(proxy, key) == _ENVOY_PORT]
        if not asked:
            continue
        document, path = switch_place(scraper)
        edits = _moved_probes(scraper, asked) if can_be_edited(scraper) else ()
        found = f"Envoy is off, but {' and '.join(asked)} of {proxy.get('name')} ask port {_ENVOY_PORT}"
        fix = Fix(f"have them ask the agent's port {_AGENT_PORT}", edits)
        yield Found(document, path, found, fix, resource=str(scraper))


def _port(container: Mapping[str, Any], probe: str) -> object:
    return inside(container, probe, "httpGet", "port")


def _moved_probes(scraper: Scraper, probes: list[str]) -> tuple[Edit, ...]:
    request = {"path": "/healthz/ready", "port": _AGENT_PORT}
    stated = stated_proxy(scraper)
    if stated is not None:
        path = stated[0]
        whole = [probe for probe in probes if not isinstance(scraper.pod.get(*path, probe, "httpGet"), Mapping)]
        parts = [
            scraper.pod.set((*path, probe, "httpGet", "port"), _AGENT_PORT) for probe in probes if probe not in whole
        ]
        return (*parts, *(scraper.pod.set((*path, probe, "httpGet"), request) for probe in whole))
    container: dict[str, Any] = {"name": PROXY, "image": "auto"}
    container |= {probe: {"httpGet": dict(request)} for probe in probes}
    return (scraper.pod.append(("spec", "containers"), container),)


@rule(
    "hold-without-envoy",
    title="Prometheus waits for an Envoy that never starts",
    severity="error",
    stage="injection",
    since="Istio 1.11",
    why="""
        `holdApplicationUntilProxyStarts` has a classic proxy run `pilot-agent wait` when it starts. That asks Envoy's
        port 15021 for a minute and then fails the container; with `DISABLE_ENVOY` nobody ever answers. A native sidecar
        needs no hold: the kubelet starts Prometheus after the proxy's startup probe. For a classic one, a container
        `istio-proxy` in the manifest, which is laid over the injected one, can bring a hook that asks the agent's port.
        """,
    sources=["istio `pilot/cmd/pilot-agent/app/wait.go`", "istio `pkg/kube/inject/webhook.go`"],
    wrong="# istio 1.22.0\n"
    + but(PLAIN, (METADATA, _NO_ENVOY), ("      containers:\n", f"      containers:\n{_AGENT_PROBES}")),
)
def hold_without_envoy(setup: Setup) -> Iterator[Found]:
    """Look for the wait in the pod as it runs: a native sidecar has none."""
    for scraper, proxy in agents(setup):
        inner = config_of(scraper)
        command = inside(proxy, "lifecycle", "postStart", "exec", "command")
        if command != ["pilot-agent", "wait"] or inner is None:
            continue
        key = config_key(inner, _HOLD)
        edits: tuple[Edit, ...] = (Edit(inner, (key,), value=False),)
        says = "don't hold"
        if _can_be_native(setup):
            says = "don't hold; a native sidecar keeps the order"
            edits += (annotate(scraper, names.NATIVE, "true"),)
        elif _agent_answers(scraper):
            says = f"hold until the agent's port {_AGENT_PORT} is ready"
            edits = _own_hook(scraper)
        fix = Fix(says, edits if can_be_edited(scraper) else ())
        yield Found(inner, existing(inner, (key,)), f"{_HOLD} with DISABLE_ENVOY", fix, resource=str(scraper))


def _can_be_native(setup: Setup) -> bool:
    """Whether an annotation can make the proxy a native sidecar."""
    return setup.settings.istio >= (1, 24) and setup.settings.kubernetes >= (1, 29)


def _agent_answers(scraper: Scraper) -> bool:
    """Whether the agent listens on its port, which status port "0" closes."""
    return scraper.pod.annotations.get(names.STATUS_PORT, "").strip() != "0"


def _own_hook(scraper: Scraper) -> tuple[Edit, ...]:
    """Have the proxy's hook wait for the agent; the injected hook asks Envoy's port."""
    hook = {"exec": {"command": list(_WAIT_FOR_AGENT)}}
    stated = stated_proxy(scraper)
    if stated is not None:
        return (scraper.pod.set((*stated[0], "lifecycle", "postStart"), hook),)
    container = {"name": PROXY, "image": "auto", "lifecycle": {"postStart": hook}}
    return (scraper.pod.append(("spec", "containers"), container),)


@rule(
    "interception-without-envoy",
    title="Traffic is intercepted, but no Envoy is there to take it",
    severity="error",
    stage="injection",
    since="Istio 1.11",
    why="""
        The init container sends the pod's traffic to Envoy's ports 15001 and 15006. With `DISABLE_ENVOY` nobody listens
        there, so every connection that is intercepted is refused: scrapes, the API server, Prometheus' own port. Have
        nothing intercepted. (With istio-cni the plugin passes such pods by, and the check for its rules fails instead.)
        """,
    sources=["istio `pkg/istio-agent/agent.go`", "istio `tools/istio-iptables/pkg/validation/validator.go`"],
    wrong=but(
        PLAIN,
        (HOLD, ""),
        (OUTBOUND, ""),
        (METADATA, _NO_ENVOY),
        ("      containers:\n", f"      containers:\n{_AGENT_PROBES}"),
    ),
)
def interception_without_envoy(setup: Setup) -> Iterator[Found]:
    """Look at what the pod's rules intercept."""
    for scraper, _ in agents(setup):
        found = intercepts(setup.pod_after(scraper))
        intercepted = [
            (names.INCLUDE_IN, "what comes in", found.inbound),
            (names.INCLUDE_OUT, "what goes out", found.outbound_v4 or found.outbound_v6),
            (names.INCLUDE_OUT_PORTS, f"what goes to port {', '.join(found.outbound_ports)}", found.outbound_ports),
        ]
        keys = [key for key, _, is_caught in intercepted if is_caught]
        if not keys:
            continue
        edits = switched_off(scraper, *keys) if is_steered(setup, scraper) else ()
        says = (
            f"{' and '.join(what for _, what, is_caught in intercepted if is_caught)} is intercepted, and Envoy is off"
        )
        document, path = switch_place(scraper)
        yield Found(document, path, says, Fix("have nothing intercepted", edits), resource=str(scraper))


@rule(
    "start-order",
    title="Prometheus may start before its certificates exist",
    severity="warning",
    stage="reading",
    why="""
        Prometheus makes no scrape pool for a job whose certificate files are missing, and tries again only when the
        job's targets change or the configuration is reloaded: in a quiet cluster never. After a native sidecar (the
        default since Istio 1.27 on Kubernetes 1.33) everything else starts when its startup probe has passed, which
        status port `"0"` takes away. A classic one has to hold the
        application (`holdApplicationUntilProxyStarts`, since Istio 1.7); its readiness includes the files since 1.12.
        """,
    sources=[
        "prometheus `scrape/manager.go`",
        "istio#24768",
        "istio#21187",
        "istio `pilot/cmd/pilot-agent/app/wait.go`",
    ],
    wrong="# istio 1.22.0\n" + but(PLAIN, (HOLD, "")),
)
def start_order(setup: Setup) -> Iterator[Found]:
    """Look at which container of the pod as it runs waits for which."""
    for scraper in setup.scrapers:
        writer = setup.writer(scraper)
        if scraper.product != "prometheus" or writer is None or is_hindered(setup, scraper):
            continue
        pod = setup.pod_after(scraper)
        if _waits(pod, scraper, writer):
            continue
        inner = config_of(scraper)
        edits: tuple[Edit, ...] = ()
        says = "have the proxy start first: a native sidecar, or a postStart hook that waits"
        grpc = "grpc-agent" in scraper.pod.annotations.get(names.TEMPLATES, "")
        holds = (grpc or runs_envoy(setup, scraper)) and setup.settings.istio >= (1, 7)
        if _is_native(pod, writer):
            says = "give the native sidecar a startup probe, or a postStart hook that waits"
        elif not is_steered(setup, scraper) or writer.name != PROXY:
            pass
        elif holds:
            says = "have Prometheus wait for the proxy"
            edits = (Edit(inner, (config_key(inner, _HOLD),), value=True),) if inner else ()
        elif _can_be_native(setup):
            says = "make the proxy a native sidecar"
            edits = (annotate(scraper, names.NATIVE, "true"),)
        elif inner and _agent_answers(scraper):
            says = "have Prometheus wait for the agent"
            edits = (Edit(inner, (config_key(inner, _HOLD),), value=True), *_own_hook(scraper))
        found = "the proxy starts beside Prometheus, and nothing makes Prometheus wait for the files"
        place = existing(scraper.document, annotation(scraper, names.CONFIG))
        yield Found(scraper.document, place, found, Fix(says, edits if can_be_edited(scraper) else ()))


def _is_native(pod: Mapping[str, Any], writer: Writer) -> bool:
    """Whether the proxy is an init container that keeps running."""
    return writer.container not in ((pod.get("spec") or {}).get("containers") or [])


def _waits(pod: Mapping[str, Any], scraper: Scraper, writer: Writer) -> bool:
    """Whether Prometheus starts after the proxy is ready, or waits for the files itself."""
    spec = pod.get("spec") or {}
    containers = [one for one in spec.get("containers") or [] if isinstance(one, Mapping)]
    order = [one.get("name") for one in containers]
    proxy, name = writer.container, writer.container.get("name")
    if _is_native(pod, writer):
        return "startupProbe" in proxy or bool(inside(proxy, "lifecycle", "postStart"))
    main = scraper.pod.get(*scraper.container, "name")
    first = main not in order or order.index(name) < order.index(main)
    if first and inside(proxy, "lifecycle", "postStart"):
        return True
    own = next((one for one in containers if one.get("name") == main), {})
    words = " ".join(str(word) for key in ("command", "args") for word in own.get(key) or [])
    return any(sign in words for sign in _WAITS)
