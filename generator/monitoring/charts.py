"""The values of kube-prometheus-stack and of the prometheus chart.

chart_values        which chart's values a document holds, and where
chart_releases      values as a file, Flux, Argo CD or k3s gives them to a chart
charts_stack        the Prometheus, jobs and monitors of kube-prometheus-stack
charts_prometheus   the Prometheus of the prometheus chart
chart_jobs          its jobs
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from generator.errors import Problem, ValuePath
from generator.intake.document import Document
from generator.monitoring import chart_jobs, charts_prometheus, charts_stack
from generator.monitoring.chart_jobs import templated
from generator.monitoring.chart_values import PROMETHEUS, STACK, Values, values_in
from generator.monitoring.scrape import Scrape
from generator.monitoring.scraper import Scraper
from generator.monitoring.versions import Version

#: Key of a list of Kubernetes objects that the chart installs too.
EXTRA_OBJECTS: Final = "extraManifests"
_JOBS = ("serverFiles", "prometheus.yml", "scrape_configs")
_WORKLOAD_ANNOTATIONS: Mapping[str, tuple[ValuePath, ...]] = {
    # The operator copies them to the StatefulSet, not to its pods.
    STACK: (("prometheus", "annotations"),),
    PROMETHEUS: (("server", "deploymentAnnotations"), ("server", "statefulSet", "annotations")),
}


def chart_of(document: Document) -> str:
    """Say which chart's values these are: ``kube-prometheus-stack``, ``prometheus``, or "" for another's."""
    found = values_in(document)
    return found[0].chart if found else ""


def scrapers_in_values(document: Document, version: Version | None) -> list[Scraper]:
    """Give the Prometheus that a chart makes of its values; none for another chart's values.

    ``version`` is the chart's; where what installs the chart names one, that one counts.

    None either where the values can't be read, or Helm has still to fill in what injection depends on:
    `notes_in_values` tells of it.
    """
    found: list[Scraper] = []
    for values in values_in(document):
        if values.unread is None and _hidden(values) is None:
            values = values._replace(version=values.version or version)  # noqa: PLW2901
            scraper = charts_stack.scraper_of(values) if values.chart == STACK else charts_prometheus.scraper_of(values)
            found += [scraper] if scraper else []
    return found


def scrapes_in_values(document: Document, scraper: Scraper, version: Version | None) -> Iterator[Scrape]:
    """Every job and monitor that values bring to a scraper; scrape classes are in its resource.

    ``version`` is the chart's; where what installs the chart names one, that one counts.
    """
    for values in values_in(document):
        if scraper.pod.where() != _root(values):
            continue
        if values.chart == STACK:
            yield from charts_stack.scrapes_of(values, scraper)
        else:
            for scrape in chart_jobs.scrapes_of(values, scraper, values.version or version):
                if not templated(scrape.tree):
                    yield scrape


def _root(values: Values) -> ValuePath:
    """Where a chart's values have what its Prometheus is made of."""
    return values.where(*charts_stack.SPEC) if values.chart == STACK else values.where("server")


def objects_in_values(document: Document) -> Iterator[Document]:
    """The Kubernetes objects that values have their chart install too (`EXTRA_OBJECTS`), but for templates."""
    for values in values_in(document):
        listed = values.get(EXTRA_OBJECTS)
        keys: Sequence[str | int] = range(len(listed)) if isinstance(listed, list) else ()
        if isinstance(listed, dict):
            keys = list(listed)
        for key in keys:
            made = _object(values, key)
            if made is not None and made.kind and not templated(made.tree):
                yield made


def _object(values: Values, key: str | int) -> Document | None:
    """One of them: a map, or a string that holds YAML."""
    holder, path = values.document, values.where(EXTRA_OBJECTS, key)
    found = values.get(EXTRA_OBJECTS, key)
    if isinstance(found, str):
        return holder.embedded(path)
    # Two documents that share a string, or a kustomization's patches, couldn't be edited one by one.
    if not isinstance(found, dict) or holder.outer is not None or type(holder) is not Document:
        return None
    return Document(found, holder.shared, holder.index, (*holder.path, *path))


# ------------------------------------------------------------------------------------------- what can't be judged


def notes_in_values(document: Document) -> Iterator[Problem]:
    """Tell what values leave to templates, or to files that they don't hold."""
    for values in values_in(document):
        if values.unread is not None:
            yield _unreadable(values, values.unread)
            continue
        hidden = _hidden(values)
        if hidden is not None:
            yield _unrendered(values, hidden, "labels or annotations of the Prometheus pod")
        for path in _templated_jobs(values):
            yield _unrendered(values, path, "jobs")
        files = values.get("scrapeConfigFiles")
        if values.chart == PROMETHEUS and files:
            place = document.locate(values.where("scrapeConfigFiles"))
            yield Problem("the jobs of these files can't be judged: they are not here", place)
        text = charts_stack.FURTHER_TEXT
        if values.chart == STACK and values.get(*text):
            yield _unrendered(values, values.where(*text), "fields of additionalConfigString")


def hides_prometheus(document: Document) -> list[Problem]:
    """Tell why nothing is known of the Prometheus that a document's values may bring; nothing where it is."""
    found = []
    for values in values_in(document):
        hidden = _hidden(values)
        if values.unread is not None:
            found.append(_unreadable(values, values.unread))
        elif hidden is not None:
            found.append(_unrendered(values, hidden, "labels or annotations of the Prometheus pod"))
    return found


def _unreadable(values: Values, path: ValuePath) -> Problem:
    document = values.holder
    why = "a template has still to be filled in" if templated(document.get(*path)) else "they are no YAML"
    return Problem(
        f"the values of {values.chart} in {document} can't be judged: {why}",
        document.locate(path),
        hint="render the template, and give what it makes: the values, or the resource that holds them",
    )


def notes_on_files(documents: Sequence[Document]) -> Iterator[Problem]:
    """Tell that several values files of one chart are judged one by one, though Helm may merge them."""
    files: dict[str, list[Document]] = {}
    for document in documents:
        files.setdefault(chart_of(document), []).append(document)
    for chart, found in files.items():
        if chart and len(found) > 1:
            ordered = sorted(found, key=lambda one: not _is_base(one, found))
            names = " ".join(f"-f {document.source}" for document in ordered[:3]) + (" ..." if len(found) > 3 else "")
            yield Problem(
                f"{len(found)} values files of {chart} are judged one by one",
                found[1].locate(),
                hint="if one release gets them all, in the order in which it does: "
                f"helm template RELEASE {chart} {names} | sidecert doctor -",
            )


def _is_base(document: Document, files: Sequence[Document]) -> bool:
    """Whether other files are likely laid over this one: ``values.yaml`` comes before ``values-prod.yaml``."""
    stems = [posixpath.splitext(posixpath.basename(one.source))[0] for one in files]
    return posixpath.splitext(posixpath.basename(document.source))[0] == min(stems, key=len)


def _unrendered(values: Values, path: ValuePath, what: str) -> Problem:
    chart = values.chart
    return Problem(
        f"{what} of {chart} can't be judged: Helm has still to fill them in",
        values.document.locate(path),
        hint=f"render the chart and give that: helm template RELEASE {chart} -f VALUES | sidecert doctor -",
    )


def _hidden(values: Values) -> ValuePath | None:
    """Give the path of a label or annotation that injection depends on and Helm has still to fill in."""
    places: tuple[ValuePath, ...] = (("server", "podLabels"), ("server", "podAnnotations"))
    if values.chart == STACK:
        bases = (charts_stack.SPEC, charts_stack.FURTHER)
        places = tuple((*base, "podMetadata", part) for base in bases for part in ("labels", "annotations"))
    for place in places:
        if templated(values.get(*place)) and isinstance(values.get(*place), str):
            return values.where(*place)
        for key, value in values.map(*place).items():
            matters = "istio" in str(key) or str(key).startswith("prometheus")
            if templated(key) or (matters and templated(value)):
                return values.where(*place, key)
    return None


def _templated_jobs(values: Values) -> Iterator[ValuePath]:
    """The paths of jobs, monitors and scrape classes that Helm has still to fill in."""
    if values.chart == PROMETHEUS:
        listed: tuple[ValuePath, ...] = (_JOBS,)
        whole: list[ValuePath] = [("extraScrapeConfigs",)]
        whole += [("scrapeConfigs", key) for key in values.map("scrapeConfigs")]
    else:
        spec = charts_stack.SPEC
        listed = (
            (*spec, "additionalScrapeConfigs"),
            (*spec, "scrapeClasses"),
            (*charts_stack.FURTHER, "scrapeClasses"),
            ("prometheus", "additionalServiceMonitors"),
            ("prometheus", "additionalPodMonitors"),
        )
        whole = [path for path in listed if isinstance(values.get(*path), str)]
    whole += [path for place in listed for path, _ in values.maps(*place)]
    yield from (values.where(*path) for path in whole if templated(values.get(*path)))


def workload_annotations(document: Document) -> list[ValuePath]:
    """Give the paths of annotations that go to the workload (or the operator's resource), and not to its pods."""
    found: list[ValuePath] = []
    for values in values_in(document):
        for path in _WORKLOAD_ANNOTATIONS[values.chart]:
            annotations: Any = values.get(*path)
            if isinstance(annotations, dict) and annotations:
                found.append(values.where(*path))
    return found
