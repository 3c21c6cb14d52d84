"""What several rules ask of a scraper's pod; no rules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from posixpath import basename, dirname, join, normpath
from typing import Any, NamedTuple

from generator import injection
from generator.errors import ValuePath
from generator.injection import is_proxy, proxy_container
from generator.injection.annotations import CONFIG, STATUS, TEMPLATES, stray_variable
from generator.intake.document import Document
from generator.monitoring import Edit, PodView, Scrape, Scraper, Setup
from generator.monitoring.configuration import configuration_file
from generator.monitoring.running import Writer
from generator.monitoring.versions import Version, image_version

PROXY = "istio-proxy"
_PREFIXES = (
    "sidecar.istio.io/",
    "traffic.sidecar.istio.io/",
    "proxy.istio.io/",
    "inject.istio.io/",
    "status.sidecar.istio.io/",
    "prometheus.istio.io/",
)
_WRITTEN_BY_ISTIO = {STATUS, "proxy.istio.io/overrides"}
_ISTIO_NAMES = {"cert-chain.pem", "root-cert.pem"}
_POD_LABELS = {"sidecar.istio.io/inject", "security.istio.io/tlsMode"}


def annotation(scraper: Scraper, key: str) -> ValuePath:
    """Give the path in the document of one of the pod's annotations."""
    return scraper.pod.where("metadata", "annotations", key)


def label(scraper: Scraper, key: str) -> ValuePath:
    """Give the path in the document of one of the pod's labels."""
    return scraper.pod.where("metadata", "labels", key)


def annotate(scraper: Scraper, key: str, value: object) -> Edit:
    """Say how to set an annotation of the pod, or with `REMOVE` how to take it out."""
    return scraper.pod.set(("metadata", "annotations", key), value)


def config_of(scraper: Scraper) -> Document | None:
    """Give the annotation ``proxy.istio.io/config`` as a document; None where it isn't there or can't be read."""
    return scraper.document.embedded(annotation(scraper, CONFIG))


def config_key(inner: Document, name: str) -> str:
    """Give a field's name as the annotation spells it: protobuf takes ``proxy_metadata`` as well as camelCase."""
    snake = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
    return snake if snake in inner.tree and name not in inner.tree else name


def proxy_metadata_of(scraper: Scraper) -> Iterator[tuple[Document, ValuePath, str, object]]:
    """Every variable that the annotation sets: where it stands, its name and its value as it is written."""
    yield from proxy_metadata_in(scraper.pod)


def proxy_metadata_in(pod: PodView) -> Iterator[tuple[Document, ValuePath, str, object]]:
    """`proxy_metadata_of` any pod."""
    inner = pod.document.embedded(pod.where("metadata", "annotations", CONFIG))
    if inner is None:
        return
    key = config_key(inner, "proxyMetadata")
    found = inner.get(key)
    for name, value in found.items() if isinstance(found, dict) else ():
        yield inner, (key, name), str(name), value


def stray_variables(scraper: Scraper) -> Iterator[tuple[Document, str, str]]:
    """Every key of the annotation that was to set a variable and sets none: the annotation, the key, the variable."""
    inner = config_of(scraper)
    for key in inner.tree if inner else ():
        name = stray_variable(key)
        if inner and name:
            yield inner, key, name


def stated_proxy(scraper: Scraper) -> tuple[ValuePath, Mapping[str, Any]] | None:
    """Give the proxy that the manifest itself has, with its path in the pod: ``istio-proxy`` before other names."""
    found = [one for one in scraper.pod.containers() if is_proxy(one[1])]
    return min(found, key=lambda one: one[1].get("name") != PROXY, default=None)


def is_injected_already(scraper: Scraper) -> bool:
    """Say whether the manifest was taken after injection, so that annotations don't steer it any more."""
    return STATUS in scraper.pod.annotations


def by_hand(scraper: Scraper) -> tuple[ValuePath, Mapping[str, Any]] | None:
    """Give the proxy that the manifest spells out itself, with its path in the pod.

    A container that only names what differs from the injected one (``image: auto`` or none, or no ``proxy`` among its
    arguments) isn't one.
    """
    found = stated_proxy(scraper)
    if found is None or is_injected_already(scraper):
        return None
    container = found[1]
    words = [str(word) for key in ("command", "args") for word in container.get(key) or []]
    written = container.get("image") not in [None, "", "auto"] and any("proxy" in word for word in words[:2])
    return found if written else None


def is_steered(setup: Setup, scraper: Scraper) -> bool:
    """Say whether annotations decide what the proxy does: the webhook adds it, and hasn't done so yet."""
    return setup.injection(scraper).injected and not is_injected_already(scraper)


def has_own_certificates(setup: Setup, scraper: Scraper) -> bool:
    """Say whether the pod is one that has certificates written, or is meant to."""
    return setup.writer(scraper) is not None or setup.wants_injection(scraper)


def runs_envoy(setup: Setup, scraper: Scraper) -> bool:
    """Say whether the pod runs a proxy with Envoy, not the agent alone."""
    proxy = proxy_container(setup.pod_after(scraper))
    if proxy is None:
        return False
    agents = "grpc-agent" in scraper.pod.annotations.get(TEMPLATES, "")
    return not agents and injection.runs_envoy(proxy)


def outside_pod(scraper: Scraper) -> list[tuple[ValuePath, str, str]]:
    """Labels and annotations meant for the pod that stand on what makes it instead: path, key and value.

    Those that the pod has too are left out: there they count.
    """
    found: list[tuple[ValuePath, str, str]] = []
    for path in _metadata_of_owner(scraper):
        values = scraper.document.get(*path)
        labels = path[-1] in {"labels", "deploymentLabels"}
        own = scraper.pod.labels if labels else scraper.pod.annotations
        for key, value in values.items() if isinstance(values, dict) else ():
            meant = key in _POD_LABELS if labels else key.startswith(_PREFIXES) and key not in _WRITTEN_BY_ISTIO
            if meant and key not in own and isinstance(value, str):
                found.append(((*path, key), key, value))
    return found


def _metadata_of_owner(scraper: Scraper) -> Iterator[ValuePath]:
    """The paths of labels and annotations that never reach the pod."""
    if scraper.flavour in {"workload", "operator"} and not scraper.is_bare:
        yield from (("metadata", part) for part in ("labels", "annotations"))
    elif scraper.flavour == "prometheus-chart":
        server = annotation(scraper, "")[:-2]
        yield (*server, "deploymentAnnotations")
        yield (*server, "statefulSet", "annotations")
        yield (*server, "statefulSet", "labels")
    elif scraper.flavour == "kube-prometheus-stack" and scraper.resource:
        yield (*scraper.resource[:-1], "annotations")


def is_hindered(setup: Setup, scraper: Scraper) -> bool:
    """Say whether it is already known why no proxy writes certificates: what follows from that isn't told again.

    Nor is what follows from a list that can't be read.
    """
    if any(scraper.maps_for_lists()):
        return True
    if setup.writer(scraper) is None and any(name == "OUTPUT_CERTS" for _, _, name in stray_variables(scraper)):
        return True
    injection = setup.injection(scraper)
    off = not injection.injected and injection.certain and setup.wants_injection(scraper)
    return off or any(key == CONFIG and "OUTPUT_CERTS" in value for _, key, value in outside_pod(scraper))


def set_elsewhere(setup: Setup, name: str) -> bool:
    """Say whether a variable is set for all proxies: by a ProxyConfig, an IstioOperator or the mesh's configuration."""
    kinds = {"ProxyConfig", "IstioOperator", "Istio"}
    return any(
        name in str(document.tree)
        for document in setup.documents
        if document.kind in kinds or (document.kind == "ConfigMap" and document.name.startswith("istio"))
    )


def agent_version(setup: Setup, writer: Writer) -> Version:
    """Give the release of the agent that writes: its image's where the manifest names one, else the mesh's."""
    own = None if writer.injected else image_version(writer.container.get("image"))
    return own or setup.settings.istio


def inside(tree: object, *path: str) -> object:
    """Give what stands at a path of maps; None where one of them is none."""
    for part in path:
        tree = tree.get(part) if isinstance(tree, Mapping) else None
    return tree


def existing(document: Document, path: ValuePath) -> ValuePath:
    """Cut a path down to what the document really has."""
    while path and document.get(*path) is None:
        path = path[:-1]
    return path


def can_be_edited(scraper: Scraper) -> bool:
    """Say whether changing the manifest changes the pod: not for a bare Pod, nor for one taken after injection."""
    return not scraper.is_bare and not is_injected_already(scraper)


def file_of(scraper: Scraper, path: str) -> str:
    """Give the absolute path of a file that a configuration names: Prometheus takes it from its own directory."""
    base = "/etc/prometheus/config_out" if scraper.resource is not None else dirname(configuration_file(scraper))
    return normpath(join(base, path))


class NamedFile(NamedTuple):
    """A TLS file that a scrape names: where, for what (``ca``, ``cert``, ``key``), and its absolute path."""

    scrape: Scrape
    use: str
    place: ValuePath
    path: str

    @property
    def directory(self) -> str:
        """Its directory."""
        return dirname(self.path)

    @property
    def name(self) -> str:
        """The file's name."""
        return basename(self.path)


def files_of(setup: Setup, scraper: Scraper) -> Iterator[NamedFile]:
    """Every TLS file that a scraper's jobs, scrape classes and monitors name themselves."""
    for scrape in setup.scrapes_of(scraper):
        tls, spelling = scrape.tls_in(scraper), scrape.spelling
        for use, path in (("ca", tls.ca), ("cert", tls.cert), ("key", tls.key)) if tls else ():
            if path:
                place = scrape.where(spelling.tls, getattr(spelling, use))
                yield NamedFile(scrape, use, place, file_of(scraper, path))


def is_istio(scrape: Scrape) -> bool:
    """Say whether files of a scrape have names that Istio's agent alone gives."""
    return scrape.tls is not None and any(basename(file) in _ISTIO_NAMES for file in scrape.tls.files)
