"""What needs a newer Istio or Kubernetes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from generator.doctor.rule import Fix, Found, Severity, rule
from generator.doctor.rules.certificates import written_place
from generator.doctor.rules.examples import PLAIN, but
from generator.doctor.rules.mesh import SIDECAR
from generator.doctor.rules.policies import egress_of, has_envoy_for_certificates
from generator.doctor.rules.spoiling import METADATA, OUTPUT_CERTS
from generator.doctor.rules.views import (
    agent_version,
    existing,
    proxy_metadata_in,
)
from generator.errors import ValuePath
from generator.injection import annotations as names
from generator.injection import is_proxy
from generator.intake.document import Document
from generator.monitoring import Edit, PodView, Scraper, Setup
from generator.monitoring.edits import REMOVE
from generator.monitoring.versions import Version, spelled


class _Use(NamedTuple):
    """A place in which a pod uses something."""

    name: str
    document: Document
    path: ValuePath


class _Need(NamedTuple):
    """Since when something works, what happens before, and how bad that is."""

    since: Version
    before: str
    severity: Severity = "error"


_ANNOTATIONS = {
    names.NATIVE: _Need((1, 24), "the annotation is ignored", "warning"),
    "prometheus.istio.io/scrape-targets": _Need((1, 31), "the annotation is ignored, one port alone is merged"),
}
_VARIABLES = {
    "OUTPUT_CERTS": _Need((1, 5), "no certificate is written"),
    "DISABLE_ENVOY": _Need((1, 11), "Envoy runs all the same", "warning"),
    "METRICS_LOCALHOST_ACCESS_ONLY": _Need((1, 22), "metrics stay open to all", "warning"),
    "ENVOY_SECURE_METRICS_PORT": _Need((1, 31), "nothing listens on that port"),
    "ENVOY_SECURE_MERGED_METRICS_PORT": _Need((1, 31), "nothing listens on that port"),
}
_CONFIG = _Need((1, 7), "a pod's own configuration doesn't reach the proxy")
_HOLD = _Need((1, 7), "nothing waits for the proxy", "warning")
_GRPC = _Need((1, 11), "there is no template grpc-agent")
_LABEL = _Need((1, 9), "only the namespace's label asks for injection", "warning")
_NO_HOST = SIDECAR.replace("istio-system/istiod.istio-system.svc.cluster.local", "~/*").replace("io/v1", "io/v1beta1")
_OLD_VARIABLE = "OUTPUT_KEY_CERT_TO_DIRECTORY"


def _pods(setup: Setup) -> Iterator[PodView]:
    """Every pod that the documents make, each once."""
    known = {id(scraper.document) for scraper in setup.scrapers}
    yield from (scraper.pod for scraper in setup.scrapers)
    yield from (pod for document, pod in setup.workloads if id(document) not in known)


def _uses(pod: PodView) -> Iterator[tuple[_Use, _Need]]:
    """Everything that a pod uses and that some release brought."""
    for key, need in _ANNOTATIONS.items():
        if key in pod.annotations:
            yield _Use(key, pod.document, pod.where("metadata", "annotations", key)), need
    place = pod.where("metadata", "annotations", names.CONFIG)
    inner = pod.document.embedded(place)
    variables = list(proxy_metadata_in(pod))
    if inner is not None and any(name == "OUTPUT_CERTS" for _, _, name, _ in variables):
        yield _Use(names.CONFIG, pod.document, place), _CONFIG
    if inner is not None and names.holds_application(inner.tree):
        yield _Use("holdApplicationUntilProxyStarts", inner, ("holdApplicationUntilProxyStarts",)), _HOLD
    if "grpc-agent" in pod.annotations.get(names.TEMPLATES, ""):
        yield _Use("grpc-agent", pod.document, pod.where("metadata", "annotations", names.TEMPLATES)), _GRPC
    for document, path, name, _ in variables:
        if name in _VARIABLES:
            yield _Use(name, document, path), _VARIABLES[name]
    for path, container in pod.containers():
        for where, item in pod.items(*path, "env") if is_proxy(container) else ():
            name = str(item.get("name"))
            if name in _VARIABLES:
                yield _Use(name, pod.document, pod.where(*where)), _VARIABLES[name]


@rule(
    "istio-too-old",
    title="The Istio release doesn't know what the manifest uses",
    severity="error",
    stage="injection",
    why="""
        Annotations and variables that a release doesn't know are silently ignored, so the manifest looks right and does
        something else. `OUTPUT_CERTS` works since 1.5, a pod's own `proxy.istio.io/config` and the hold since 1.7, the
        injection label since 1.9, `DISABLE_ENVOY` and `grpc-agent` since 1.11, `METRICS_LOCALHOST_ACCESS_ONLY` since
        1.22, `nativeSidecar` since 1.24, the secure metrics ports and `scrape-targets` since 1.31.
        """,
    sources=[
        "istio#28050",
        "istio#33269",
        "istio#50728",
        "istio#60391",
        "istio `releasenotes/notes/multi-port-scrape-targets.yaml`",
    ],
    wrong="# istio 1.30.3\n" + but(PLAIN, (METADATA, f'{METADATA}            ENVOY_SECURE_METRICS_PORT: "15091"\n')),
)
def istio_too_old(setup: Setup) -> Iterator[Found]:
    """Compare the version with what pods use; a version that nobody gave is only a guess."""
    version = setup.settings.istio
    for pod in _pods(setup):
        for use, need in _uses(pod):
            if version[:2] >= need.since:
                continue
            severity = need.severity
            if use.name == names.CONFIG and version[:2] == (1, 6):  # reported both to work and not to
                severity = "warning"
            if not setup.settings.istio_given:
                severity = "info"
            found = f"{use.name} needs Istio {spelled(need.since)}; with {spelled(version)} {need.before}"
            fix = Fix(f"update Istio to {spelled(need.since)} or later, or take it out")
            yield Found(use.document, use.path, found, fix, severity, str(pod.document))
    for scraper in setup.scrapers:
        labels = scraper.pod.labels
        if labels.get(names.INJECT) == "true" and version[:2] < _LABEL.since and _unlabelled(setup, scraper):
            found = f"the label {names.INJECT} needs Istio 1.9; with {spelled(version)} {_LABEL.before}"
            fix = Fix("label the namespace istio-injection: enabled, or update Istio")
            place = scraper.pod.where("metadata", "labels", names.INJECT)
            yield Found(scraper.document, place, found, fix, _LABEL.severity)


def _unlabelled(setup: Setup, scraper: Scraper) -> bool:
    mesh = setup.mesh_of(scraper.namespace)
    return mesh.namespace_injection is not True and not mesh.namespace_revision


@rule(
    "kubernetes-too-old",
    title="The Kubernetes release has no native sidecars",
    severity="error",
    stage="manifest",
    since="Kubernetes 1.29",
    why="""
        An init container with `restartPolicy: Always` runs beside the containers since Kubernetes 1.29 (in 1.28 with
        the feature gate `SidecarContainers`). Before, the API server drops the field: the pod waits for ever for that
        init container to end.
        """,
    sources=["Kubernetes, Sidecar Containers"],
    wrong="# kubernetes 1.27.0\n"
    + but(PLAIN, ("      annotations:\n", f'      annotations:\n        {names.NATIVE}: "true"\n')),
)
def kubernetes_too_old(setup: Setup) -> Iterator[Found]:
    """Look for native sidecars, written out or asked of injection."""
    version = setup.settings.kubernetes
    if version[:2] >= (1, 29):
        return
    for pod in (scraper.pod for scraper in setup.scrapers):
        for path, container in pod.items("spec", "initContainers"):
            if container.get("restartPolicy") == "Always":
                found = f"the init container {container.get('name')} is a native sidecar; this is {spelled(version)}"
                place = existing(pod.document, pod.where(*path, "restartPolicy"))
                yield Found(pod.document, place, found, Fix("run it among the containers, or update Kubernetes"))
        if pod.annotations.get(names.NATIVE) == "true" and setup.settings.istio >= (1, 24):
            found = f"{names.NATIVE} asks for a native sidecar; Kubernetes is {spelled(version)}"
            edit = pod.set(("metadata", "annotations", names.NATIVE), REMOVE)
            place = pod.where("metadata", "annotations", names.NATIVE)
            yield Found(pod.document, place, found, Fix("take the annotation out", (edit,)))


@rule(
    "first-write-needs-envoy",
    title="The first certificate is written only when Envoy asks for it",
    severity="warning",
    stage="writing",
    since="Istio 1.5 to 1.8",
    why="""
        The agents of Istio 1.5 to 1.8 write a file when Envoy first asks for what is in it. With no service that speaks
        mutual TLS in Envoy's configuration it never asks, and `root-cert.pem` is missing. That is so where a Sidecar
        resource shows it no such host, or where the mesh has none; a Sidecar resource with one (istiod's) makes it ask.
        Since 1.9 the agent writes all three files when it starts.
        """,
    sources=["istio#28099", "istio#28824", "istio#29688"],
    wrong="# istio 1.8.6\n" + PLAIN + _NO_HOST,
)
def first_write_needs_envoy(setup: Setup) -> Iterator[Found]:
    """Look at the version, and at what a Sidecar shows Envoy; without one it sees every service of the mesh."""
    sidecars = [one for one in setup.of_kind("Sidecar") if one.get("spec", "egress")]
    for scraper in setup.scrapers:
        writer = setup.writer(scraper)
        version = agent_version(setup, writer) if writer else ()
        if not (1, 5) <= version < (1, 9):
            continue
        named = any(one.namespace in {"", scraper.namespace} for one in sidecars)
        egress = egress_of(setup, scraper)
        if not has_envoy_for_certificates(setup, scraper) or (named and egress.state != "dead"):
            continue
        document, path = written_place(scraper)
        found = f"Istio {spelled(version)} writes no file before Envoy asks for it"
        severity: Severity = "info"
        if egress.document is not None and egress.state == "dead":
            found += f", and {egress.document} leaves it only {egress.host}, {egress.why}"
            severity = "warning"
        fix = Fix("give the pod a Sidecar resource with a host that speaks mutual TLS, or update Istio to 1.9")
        yield Found(document, path, found, fix, severity, str(scraper))


@rule(
    "old-output-variable",
    title="The agent doesn't read OUTPUT_KEY_CERT_TO_DIRECTORY",
    severity="error",
    stage="writing",
    since="Istio 1.5",
    why="""
        The betas of Istio 1.5 called the variable `OUTPUT_KEY_CERT_TO_DIRECTORY`, and 1.5.0's own chart still set it
        while its agent read `OUTPUT_CERTS`. No release writes certificates because of the old name.
        """,
    sources=["istio#21848"],
    wrong=but(PLAIN, (OUTPUT_CERTS, f"{_OLD_VARIABLE}: /etc/istio-output-certs")),
)
def old_output_variable(setup: Setup) -> Iterator[Found]:
    """Look for the old name in both places that set variables."""
    for scraper in setup.scrapers:
        variables = list(proxy_metadata_in(scraper.pod))
        own = any(name == "OUTPUT_CERTS" for _, _, name, _ in variables)
        for inner, path, name, value in variables:
            if name == _OLD_VARIABLE:
                renamed = () if own else (Edit(inner, (*path[:-1], "OUTPUT_CERTS"), value),)
                fix = Fix("call it OUTPUT_CERTS", (Edit(inner, path, REMOVE), *renamed))
                yield Found(inner, path, f"{name} is set", fix, "info" if own else "error", str(scraper))
        for path, _ in scraper.pod.containers():
            items = list(scraper.pod.items(*path, "env"))
            own = any(item.get("name") == "OUTPUT_CERTS" for _, item in items)
            for place, item in items:
                if item.get("name") == _OLD_VARIABLE:
                    new = (place, REMOVE) if own else ((*place, "name"), "OUTPUT_CERTS")
                    fix = Fix("call it OUTPUT_CERTS", (scraper.pod.set(*new),))
                    where = scraper.pod.where(*place, "name")
                    yield Found(scraper.document, where, f"{_OLD_VARIABLE} is set", fix, "info" if own else "error")
