"""The Prometheus of kube-prometheus-stack: the resource that the chart makes of its values, its jobs and monitors.

From its ``templates/prometheus/*.yaml`` and the templates of its components' ServiceMonitors.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from generator.errors import ValuePath
from generator.monitoring.chart_jobs import templated
from generator.monitoring.chart_values import STACK, Values
from generator.monitoring.operated import operated_scraper, operator_labels
from generator.monitoring.pod import PodView
from generator.monitoring.scrape import MONITORS, Scrape, endpoints_of, jobs_in_text, jobs_of
from generator.monitoring.scraper import Scraper
from generator.monitoring.versions import parse_version

FLAVOUR = STACK
SPEC = ("prometheus", "prometheusSpec")
#: Fields of the resource, put at the end of its spec as they are; a string of such fields, which Helm fills in.
FURTHER = (*SPEC, "additionalConfig")
FURTHER_TEXT = (*SPEC, "additionalConfigString")
_IMAGE = ("quay.io", "prometheus/prometheus")
# The control plane has its own certificates, and other keys for them.
_CONTROL_PLANE = {"kubeApiServer", "kubeControllerManager", "kubeEtcd", "kubeProxy", "kubeScheduler", "kubelet"}
# A component's ServiceMonitor has one endpoint, of which the chart takes these fields; few take HTTP/2's.
_COMPONENT = MONITORS["ServiceMonitor"][0]._replace(scrape_class="", http2="")
_WITH_HTTP2 = _COMPONENT._replace(http2="enableHttp2")
_HTTP2_COMPONENTS = {"alertmanager"}
_MONITOR_KEYS: tuple[ValuePath, ...] = (
    ("serviceMonitor",),
    ("thanosServiceMonitor",),
    ("prometheus", "monitor"),
    ("prometheus", "monitor", "http"),
)
_LONGEST_NAME = 26


def scraper_of(values: Values) -> Scraper | None:
    """Give the chart's Prometheus; None where the values switch it off."""
    if values.is_off or values.get("prometheus", "enabled") is False:
        return None
    name = _resource_name(values)
    shown = name or values.release or values.name
    resource = values.where(*SPEC)
    made = operated_scraper(
        values.document,
        resource,
        FLAVOUR,
        product="prometheus",
        container="prometheus",
        name=shown,
        further=values.where(*FURTHER) if values.map(*FURTHER) else (),
    )
    tree = _pod(values, made.pod.tree, name)
    own: dict[ValuePath, ValuePath] = {  # keys of the chart's own
        ("spec", "containers", 0, "image"): (*resource, "image", "tag"),
        ("spec", "serviceAccountName"): values.where("prometheus", "serviceAccount", "name"),
    }
    kept = {path: place for path, place in own.items() if values.get(*FURTHER, path[-1]) is None}
    view = PodView(values.document, tree, {**made.pod.origins, **kept})
    version = parse_version(made.of_resource("version")) or parse_version(values.get(*SPEC, "image", "tag"))
    namespace = values.text("namespaceOverride") or values.namespace
    return Scraper(
        FLAVOUR,
        values.document,
        view,
        made.container,
        "prometheus",
        resource=resource,
        further=made.further,
        version=version,
        name=shown,
        namespace=namespace,
    )


def _pod(values: Values, made: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Put into the pod of the resource what the chart says of it in a way of its own: image, account, labels."""
    kind = "PrometheusAgent" if values.get("prometheus", "agentMode") is True else "Prometheus"
    known = operator_labels(kind, name)
    metadata = FURTHER if values.get(*FURTHER, "podMetadata") is not None else SPEC
    labels = {key: value for key, value in known.items() if value} | values.map(*metadata, "podMetadata", "labels")
    spec = {key: part for key, part in made["spec"].items() if key != "serviceAccountName"}
    account = values.text(*FURTHER, "serviceAccountName") or _account(values)
    if account:
        spec["serviceAccountName"] = account
    image = _image(values)
    if image:
        main, *others = spec["containers"]
        spec["containers"] = [{"image": image, **main}, *others]
    return {"metadata": {**made["metadata"], "labels": labels}, "spec": spec}


def _image(values: Values) -> str:
    """The image, where the values say which; "" where its tag is the chart's choice."""
    found = values.map(*SPEC, "image")
    registry = values.text("global", "imageRegistry") or found.get("registry") or _IMAGE[0]
    tag, digest = found.get("tag"), found.get("sha")
    if not tag and not digest:
        return ""
    return (
        f"{registry}/{found.get('repository') or _IMAGE[1]}"
        + (f":{tag}" if tag else "")
        + (f"@sha256:{digest}" if digest else "")
    )


def _account(values: Values) -> str:
    """The service account; "" where its name hangs on a release that isn't known."""
    named = values.text("prometheus", "serviceAccount", "name")
    if named:
        return named
    if values.get("prometheus", "serviceAccount", "create") is False:
        return "default"
    full = _full_name(values)
    return f"{full}-prometheus" if full else ""


def _full_name(values: Values) -> str:
    """What the chart calls its release (``kube-prometheus-stack.fullname``); "" where the release isn't known."""
    if values.text("fullnameOverride"):
        return values.text("fullnameOverride")[:_LONGEST_NAME].removesuffix("-")
    name, release = values.text("nameOverride") or values.name, values.release
    if not release:
        return ""
    return (release if name in release else f"{release}-{name}")[:_LONGEST_NAME].removesuffix("-")


def _resource_name(values: Values) -> str:
    """The name of the Prometheus resource; "" where the release isn't known."""
    full = _full_name(values)
    if not full or values.get("cleanPrometheusOperatorObjectNames") is True:
        return full
    return f"{full}-prometheus"


# ----------------------------------------------------------------------------------------------- jobs and monitors


def scrapes_of(values: Values, scraper: Scraper) -> Iterator[Scrape]:
    """The jobs and monitors that the values bring; scrape classes are the resource's."""
    for scrape in (*_jobs(values, scraper), *_monitors(values, scraper), *_components(values, scraper)):
        if not templated(scrape.tree):
            yield scrape


def _jobs(values: Values, scraper: Scraper) -> Iterator[Scrape]:
    path = values.where(*SPEC, "additionalScrapeConfigs")
    listed = values.get(*SPEC, "additionalScrapeConfigs")
    if isinstance(listed, str) and not templated(listed):
        yield from jobs_in_text(values.document, path, listed, scraper)
    else:
        yield from jobs_of(values.document, path, scraper)


def _monitors(values: Values, scraper: Scraper) -> Iterator[Scrape]:
    """Whole monitors: the chart labels them so that its Prometheus selects them."""
    for key, kind in (("additionalServiceMonitors", "ServiceMonitor"), ("additionalPodMonitors", "PodMonitor")):
        for path, _ in values.maps("prometheus", key):
            for scrape in endpoints_of(values.document, values.where(*path), kind):
                scrape.scraper = scraper
                yield scrape


def _components(values: Values, scraper: Scraper) -> Iterator[Scrape]:
    """The monitors of the chart's components, where their scheme or TLS is set."""
    for name, component in values.map().items():
        if not isinstance(component, dict) or component.get("enabled") is False:
            continue
        for keys in _MONITOR_KEYS:
            monitor = values.map(name, *keys)
            if _is_on(monitor, keys) and _says_how(str(name), monitor):
                spelling = _WITH_HTTP2 if name in _HTTP2_COMPONENTS else _COMPONENT
                place = values.where(name, *keys)
                yield Scrape("ServiceMonitor", str(name), values.document, place, spelling=spelling, scraper=scraper)
        yield from _further_endpoints(values, str(name), scraper)


def _further_endpoints(values: Values, name: str, scraper: Scraper) -> Iterator[Scrape]:
    """Endpoints that a component's monitor has beside its own."""
    for path, _ in values.maps(name, "serviceMonitor", "additionalEndpoints"):
        spelling = MONITORS["ServiceMonitor"][0]._replace(scrape_class="")
        place = values.where(*path)
        yield Scrape("ServiceMonitor", name, values.document, place, spelling=spelling, scraper=scraper)


def _is_on(monitor: Mapping[str, Any], keys: ValuePath) -> bool:
    """Whether there is such a monitor; Thanos' is off unless the values switch it on."""
    if keys == ("thanosServiceMonitor",) and monitor.get("enabled") is not True:
        return False
    return monitor.get("enabled") is not False and monitor.get("selfMonitor") is not False


def _says_how(name: str, monitor: Mapping[str, Any]) -> bool:
    tls = bool(monitor.get("tlsConfig")) and isinstance(monitor.get("tlsConfig"), dict)
    return tls or (bool(monitor.get("scheme")) and name not in _CONTROL_PLANE)
