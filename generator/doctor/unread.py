"""What the files hold that sidecert can't read: configurations that are no YAML, programs and kinds it doesn't know."""

from __future__ import annotations

import re
from collections.abc import Iterator

from generator.errors import InputError, Problem, ValuePath
from generator.intake.document import Document
from generator.intake.kustomization.built import BuiltDocument
from generator.intake.openshift import is_in_template
from generator.intake.reading import STDIN
from generator.intake.templates import placeholder_in
from generator.monitoring import Setup
from generator.monitoring.charts import chart_of
from generator.monitoring.configuration import mounted_sources
from generator.monitoring.labels import same_namespace
from generator.monitoring.scraper import Scraper
from generator.yaml.lenient import load_text

_CONFIG = "proxy.istio.io/config"
_WRITES = "OUTPUT_CERTS"
_JOBS = re.compile(r"^scrape_configs:", re.MULTILINE)
# Objects whose annotations are nobody's pods', or whose texts are another program's business.
_NO_PODS = {"ConfigMap", "Secret", "Namespace", "CustomResourceDefinition", "IstioOperator", "Istio"}
_CHART_NOTE = "render the chart and give that: helm template RELEASE CHART -f VALUES | sidecert doctor -"


def unread(setup: Setup) -> Iterator[Problem]:
    """Tell of all of it."""
    for document in setup.documents:
        yield from _unreadable(document)
    yield from _unknown_programs(setup)
    yield from _unknown_makers(setup)
    yield from _to_be_filled_in(setup)


def _to_be_filled_in(setup: Setup) -> Iterator[Problem]:
    """Scrapers with placeholders for names or images, which compare with nothing but the like."""
    for scraper in setup.scrapers:
        document = scraper.document.outermost
        if is_in_template(document):  # of whose parameters another note tells
            continue
        image = scraper.pod.where(*scraper.container, "image")
        places: tuple[tuple[Document, ValuePath], ...] = (
            (document, ("metadata", "name")),
            (document, ("metadata", "namespace")),
            (scraper.document, image),
        )
        for holder, path in places:
            value = holder.get(*path)
            if isinstance(value, str) and (found := placeholder_in(value)):
                yield Problem(
                    f"{found} in {scraper} is still to be filled in, and is judged as it stands",
                    holder.locate(path),
                    hint=f"give what comes of it: {_filling(document)} | sidecert doctor -",
                )
                break


def _filling(document: Document) -> str:
    if isinstance(document, BuiltDocument) and document.kustomization:
        return f"kubectl kustomize {document.kustomization} | envsubst"
    return f"envsubst < {'FILE' if document.source == STDIN else document.source}"


def _unreadable(document: Document) -> Iterator[Problem]:
    """Configurations of Prometheus in a ConfigMap that aren't YAML, each with its first problem."""
    entries = document.get("data")
    for key in entries if document.kind == "ConfigMap" and isinstance(entries, dict) else ():
        path: ValuePath = ("data", key)
        text = entries[key]
        if not isinstance(text, str) or not _JOBS.search(text) or document.embedded(path) is not None:
            continue
        try:
            load_text(text, document.source)
        except InputError as error:
            problem = error.problems[0]
            place = problem.location
            inner = (place.line or 1, place.column or 1) if place else (1, 1)
            hint = "render the template first" if "{{" in text else "mend it; Prometheus may not read it either"
            yield Problem(
                f"the configuration {key} in {document} can't be judged: {problem.message}",
                document.place_inside(path, *inner),
                hint=hint,
            )


def has_unreadable_configuration(setup: Setup, scraper: Scraper) -> bool:
    """Say whether a scraper mounts a configuration of which `unread` tells."""
    return any(
        document.name == name and same_namespace(document.namespace, scraper.namespace) and any(_unreadable(document))
        for kind, name in mounted_sources(scraper)
        for document in setup.of_kind(kind, group="")
    )


def _unknown_programs(setup: Setup) -> Iterator[Problem]:
    """Pods of other programs that have certificates written: what they read them for isn't known."""
    for scraper in setup.scrapers:
        if not scraper.product and setup.writer(scraper) is not None:
            name = scraper.pod.get(*scraper.container, "name")
            yield Problem(
                f"what the container {name} of {scraper} does with its certificates can't be judged: "
                "it isn't Prometheus",
                scraper.document.locate(scraper.pod.where(*scraper.container)),
                hint="compare its TLS settings with those of a job: "
                "the three files, verification of host names off, HTTP/2 off",
            )


def _unknown_makers(setup: Setup) -> Iterator[Problem]:
    """Resources and charts' values that have certificates written into pods which only an operator or Helm makes."""
    known = {id(document) for document, _ in setup.workloads}
    known |= {id(scraper.document) for scraper in setup.scrapers}
    for document in (*setup.documents, *setup.values):
        if id(document) in known or document.kind in _NO_PODS or chart_of(document):
            continue
        place = _annotation(document.tree, ())
        if place is None or (document.kind and place[:2] == ("metadata", "annotations")):
            continue
        what = f"the pods of {document} can't be judged: sidecert doesn't know the kind {document.kind}"
        hint = "give the workload that is made of it: kubectl get deploy,sts -o yaml | sidecert doctor -"
        if not document.kind:
            what, hint = "the values can't be judged: it isn't known of which chart they are", _CHART_NOTE
        yield Problem(what, document.locate(place), hint=hint)


def _annotation(tree: object, path: ValuePath) -> ValuePath | None:
    """The path of the first annotation that has a proxy write certificates."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in items:
        if key == _CONFIG and isinstance(value, str) and _WRITES in value:
            return (*path, key)
        found = _annotation(value, (*path, key))
        if found is not None:
            return found
    return None
