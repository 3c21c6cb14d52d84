"""What a scraper lacks to scrape over mTLS: a job in its configuration, or a scrape class and a PodMonitor."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from generator.adopt.comments import moved, with_comments
from generator.adopt.rendered import Part, Rendered, in_directory, renamed
from generator.adopt.rights import confined, lacking, namespaces_of
from generator.errors import InputError, ValuePath
from generator.intake.document import Document, Text, as_list, as_map
from generator.monitoring import Edit, Scraper, Setup
from generator.monitoring.configuration import configuration_file
from generator.monitoring.directories import is_inside
from generator.monitoring.edits import APPEND
from generator.monitoring.labels import matches_labels
from generator.monitoring.mtls import istio_classes, mtls_scrapes
from generator.yaml import block
from generator.yaml.editing import Change, edited
from generator.yaml.lenient import load_text

_JOBS = "scrape_configs"
_INLINE = "inlineScrapeConfig"
_SELECTORS = ("serviceMonitorSelector", "podMonitorSelector", "probeSelector", "scrapeConfigSelector")


class Scraping(NamedTuple):
    """How a scraper gets to scrape over mTLS.

    ``edits`` change what is there, ``added`` are Kubernetes objects to add. ``apart`` is a job that only the user can
    put where it belongs, which ``where`` says; None for none. ``comments`` are for parts of the scraper's document.
    ``to_do`` tells what else is left to the user.
    """

    edits: tuple[Edit, ...] = ()
    added: tuple[Part, ...] = ()
    apart: Part | None = None
    where: str = ""
    comments: Mapping[ValuePath, tuple[str, ...]] = {}
    to_do: tuple[str, ...] = ()


def scraping(setup: Setup, scraper: Scraper, rendered: Rendered, directory: str) -> Scraping:
    """Give what a scraper lacks; nothing where a job or monitor presents Istio's certificates already.

    ``directory`` is where its container finds the files.
    """
    there = any(one.scraper is scraper for one in mtls_scrapes(setup))
    if rendered.job is None:
        return Scraping()
    namespaces = namespaces_of(setup, scraper)
    job = confined(in_directory(rendered.job, "tls_config", directory), namespaces)
    if rendered.monitor is not None:
        rendered = rendered._replace(monitor=confined(rendered.monitor, namespaces))
    if scraper.flavour == "operator" and scraper.product == "prometheus":
        found = _operated(setup, scraper, rendered, job, there=there)
    elif there:
        found = Scraping()
    elif scraper.flavour == "operator":
        found = _inline(scraper, job)
    else:
        found = _in_configuration(setup, scraper, job)
    if there or found == Scraping():
        return found
    return found._replace(to_do=(*found.to_do, *lacking(setup, scraper, namespaces)))


# ------------------------------------------------------------------------------------------------- a job in a text


def _in_configuration(setup: Setup, scraper: Scraper, job: Part) -> Scraping:
    """Add a job to the prometheus.yml of a workload, where that is in a ConfigMap among the documents."""
    file = configuration_file(scraper)
    found, others = _read_by(setup, scraper, file)
    to_do = tuple(f"the job belongs into {one} too: only the pod knows which of them it reads" for one in others)
    for config in found:
        if config.outermost.kind == "Secret":
            return Scraping(apart=job, where=f"{_JOBS} in {config.outermost}, which isn't read aloud here")
        named = renamed(job, "job_name", free_name(str(job.tree["job_name"]), _names(config.get(_JOBS))))
        place = (*config.path, _JOBS, len(as_list(config.get(_JOBS))))
        text = with_element(config.text, config.source, place, named, config.index)
        if text is not None and config.outer is not None:
            return Scraping((Edit(*config.outer, text),), to_do=to_do)
        return Scraping(apart=job, where=f"{_JOBS} in {config.outermost}, which is written in a way that no edit fits")
    return Scraping(apart=job, where=f"{_JOBS} of what {scraper} reads as {file}, which is not among the files given")


def _read_by(setup: Setup, scraper: Scraper, file: str) -> tuple[list[Document], list[Document]]:
    """Give the configurations of which a scraper reads the first, and the other objects that may hold its file."""
    found = setup.configurations(scraper)
    mounted = {mount.name for mount in scraper.pod.mounts(scraper.container) if is_inside(file, mount.directory)}
    volumes = [volume for _, volume in scraper.pod.volumes() if volume.get("name") in mounted]
    sources = [
        *volumes,
        *(one for volume in volumes for one in as_list(as_map(volume.get("projected")).get("sources"))),
    ]
    named = [as_map(as_map(one).get(kind)) for one in sources for kind in ("configMap", "secret")]
    names = {one.get("name", one.get("secretName")) for one in named}
    sure = [one for one in found if one.outermost.name in names]
    if sure:
        return sure, []
    others = {id(one.outermost): one.outermost for one in found if one.outermost is not found[0].outermost}
    return found, list(others.values())


def _inline(scraper: Scraper, job: Part) -> Scraping:
    """Add a job to the text of a VMAgent, whose operator puts it behind what it makes of the scrape objects."""
    assert scraper.resource is not None  # noqa: S101  # what an operator reads has one
    path, text = (*scraper.resource, _INLINE), scraper.of_resource(_INLINE) or ""
    apart = Scraping(apart=job, where=f"spec.{_INLINE} of {scraper}, which is written in a way that no edit fits")
    if not isinstance(text, str):
        return apart
    try:
        listed: Any = (load_text(text, scraper.document.source)[0] or [None])[0] or []
    except InputError:
        return apart
    if not isinstance(listed, list):
        return apart
    jobs = [as_map(one) for one in listed]
    job = renamed(job, "job_name", free_name(str(job.tree["job_name"]), _names(jobs)))
    new = with_element(text, scraper.document.source, (len(listed),), job) if listed else printed(job)
    return Scraping((Edit(scraper.document, path, new),)) if new is not None else apart


def with_element(text: str, source: str, path: ValuePath, job: Part, document: int = 0) -> str | None:
    """Add an element to a list in one document of a text, comments included; None where that can't be.

    ``path`` is the element's, its last part the list's length. All else in the text stays byte for byte.
    """
    try:
        new = edited(text, source, [Change(document, path, job.tree)])
    except InputError:
        return None
    return with_comments(new, moved(job.comments, path), document)


def _names(jobs: object) -> set[str]:
    return {str(job.get("job_name")) for job in as_list(jobs) if isinstance(job, dict)}


def free_name(wanted: str, taken: Iterable[str]) -> str:
    """Give a name that isn't taken: the wanted one, else with a number from 2 on."""
    taken, name, number = set(taken), wanted, 2
    while name in taken:
        name, number = f"{wanted}-{number}", number + 1
    return name


def printed(job: Part) -> str:
    """Print a job as an element of a list, comments included."""
    text = block([job.tree], sort_keys=False) + "\n"
    return with_comments(text, moved(job.comments, (0,)))


# ------------------------------------------------------------------------------------------- a class and a monitor


def _operated(setup: Setup, scraper: Scraper, rendered: Rendered, job: Part, *, there: bool) -> Scraping:
    """Add a scrape class, and a PodMonitor that names it."""
    if there:
        return Scraping()
    if all(scraper.of_resource(key) is None for key in _SELECTORS):
        # The operator leaves such a Prometheus' configuration to the user (operator Documentation, API reference).
        return Scraping(apart=job, where=f"the configuration that you give to {scraper}: it selects no monitors")
    if rendered.scrape_class is None or scraper.resource is None:
        return Scraping()
    edits: list[Edit] = []
    comments: dict[ValuePath, tuple[str, ...]] = {}
    known = istio_classes(setup, scraper)
    if known:
        name = known[0].name
    else:
        wanted = str(rendered.scrape_class.tree["name"])
        name = free_name(wanted, (one.name for one in setup.classes(scraper)))
        edits.append(class_edit(scraper, rendered.scrape_class, name, str(job.tree["tls_config"]["cert_file"])))
        index = len(as_list(scraper.of_resource("scrapeClasses")))
        comments = moved(rendered.scrape_class.comments, (*scraper.resource, "scrapeClasses", index))
    if rendered.monitor is None:
        return Scraping(tuple(edits), comments=comments)
    labels, selector = _selected(scraper)
    if selector is not None:
        edits.append(selector)
    return Scraping(tuple(edits), (_monitor(rendered.monitor, scraper, name, labels),), comments=comments)


def class_edit(scraper: Scraper, scrape_class: Part, name: str, file: str) -> Edit:
    """Say how to add a scrape class; ``file`` is one of the certificate's files."""
    part = renamed(in_directory(scrape_class, "tlsConfig", file.rpartition("/")[0]), "name", name)
    return Edit(scraper.document, (*scraper.field("scrapeClasses"), APPEND), part.tree)


def _monitor(monitor: Part, scraper: Scraper, name: str, labels: Mapping[str, str]) -> Part:
    metadata: dict[str, Any] = {"name": f"{scraper.name}-{name}"}
    if scraper.namespace:
        metadata["namespace"] = scraper.namespace
    if labels:
        metadata["labels"] = dict(labels)
    spec = {**monitor.tree["spec"], "scrapeClass": name}
    return monitor._replace(tree={**monitor.tree, "metadata": metadata, "spec": spec})


def _selected(scraper: Scraper) -> tuple[dict[str, str], Edit | None]:
    """Give labels by which a scraper selects a PodMonitor, and the edit that makes it, where it selects none."""
    selector = scraper.of_resource("podMonitorSelector")
    if selector is None:
        assert scraper.resource is not None  # noqa: S101  # its caller has looked
        labels = {"sidecert.dev/scraped-by": scraper.name}
        return labels, Edit(scraper.document, (*scraper.resource, "podMonitorSelector"), {"matchLabels": labels})
    labels = {}
    if isinstance(selector, Mapping):
        labels |= selector.get("matchLabels") or {}
        for rule in selector.get("matchExpressions") or ():
            if rule.get("operator") == "In" and rule.get("values"):
                labels[rule["key"]] = rule["values"][0]
            elif rule.get("operator") == "Exists":
                labels.setdefault(rule["key"], "true")
    if not matches_labels(selector, labels):  # it contradicts itself, or isn't what the API takes
        return {}, None
    return labels, None


def as_document(part: Part) -> Document:
    """Make an object that is to be added a document, for doctor to judge it with the rest."""
    return Document(part.tree, Text(block(part.tree, sort_keys=False) + "\n", "what is added"))
