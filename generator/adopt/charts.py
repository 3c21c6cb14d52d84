"""The pattern's job, scrape class and resources in the values of kube-prometheus-stack and of the prometheus chart."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence

from generator.adopt.comments import moved, with_comments
from generator.adopt.layers import difference, replaced
from generator.adopt.rendered import Part, Rendered, in_directory, renamed
from generator.adopt.scraping import Scraping, class_edit, free_name, printed, with_element
from generator.errors import Problem, ValuePath, dotted
from generator.intake.document import Document, as_list, as_map
from generator.monitoring import Edit, Scraper, Setup
from generator.monitoring.chart_jobs import default_job, reads_job_map, templated
from generator.monitoring.chart_releases import FILE, Reference
from generator.monitoring.chart_values import STACK, Values, values_in
from generator.monitoring.charts import EXTRA_OBJECTS
from generator.monitoring.charts_prometheus import FLAVOUR as PROMETHEUS_FLAVOUR
from generator.monitoring.charts_stack import FLAVOUR as STACK_FLAVOUR
from generator.monitoring.charts_stack import FURTHER, FURTHER_TEXT, SPEC
from generator.monitoring.edits import APPEND
from generator.monitoring.mtls import istio_classes, mtls_scrapes
from generator.monitoring.versions import Version
from generator.yaml import block
from generator.yaml.lenient import load_text

FLAVOURS = frozenset({STACK_FLAVOUR, PROMETHEUS_FLAVOUR})
# Since when the charts install what stands in `extraManifests`: kube-prometheus-stack since a late 46
# (prometheus-community/helm-charts#2798); prometheus has taken strings, and no maps, since 21.0.1 (#3287).
_OBJECTS_SINCE: Mapping[str, Version] = {STACK_FLAVOUR: (47,), PROMETHEUS_FLAVOUR: (21, 0, 1)}
_NAMESPACE_KEYS = ("namespaceOverride", "forceNamespace")
# kube-prometheus-stack passes scrape classes on since this version.
_CLASSES_SINCE = (61, 3)


def values_of(scraper: Scraper) -> Values:
    """Give the chart's values that a scraper is made of."""
    root, place = scraper.pod.where(), _place(scraper.document)
    return next(
        one
        # What installs the chart says which it is, and its version; the values alone may not tell.
        for one in values_in(scraper.document.outermost)
        if _place(one.document) == place
        if root == (one.where(*SPEC) if one.chart == STACK else one.where("server"))
    )


def _place(document: Document) -> tuple[object, ...]:
    return (document.outer[1] if document.outer else None, document.index, document.path)


def version_of(scraper: Scraper) -> Version | None:
    """Give the version of the chart that says in its document which it is; None where none does."""
    return values_of(scraper).version if scraper.flavour in FLAVOURS else None


def missing_values(scraper: Scraper) -> Iterator[Problem]:
    """Tell of values that could be here, and of which a release replaces the lists."""
    values = values_of(scraper)
    for one in values.references:
        if one.kind in ("ConfigMap", FILE) and not one.optional:
            what = f"the values in {one.name}" if one.kind == FILE else f"the values in {one.kind} {one.name}"
            yield Problem(
                f"{scraper} can't be adopted: {what} aren't here, or can't be read, and what is added would replace "
                "their lists",
                values.holder.locate(one.path),
                hint=f"give {'the file' if one.kind == FILE else f'the {one.kind}'} too",
            )


def unseen(scraper: Scraper, changed: Sequence[tuple[Document, Document]]) -> Iterator[str]:
    """Tell of values from elsewhere that can't be read, and of what to compare with them."""
    if scraper.flavour not in FLAVOURS:
        return
    values = values_of(scraper)
    for old, new in changed:
        if old.outermost is values.holder and values.references:
            inner = values.document.outer is not None
            after = next(
                one for one in values_in(new) if (one.document.outer is not None, one.base) == (inner, values.base)
            )
            keys = sorted({".".join(path) for path in replaced(difference(values.map(), after.map()))})
            places = [dotted(one.path) for one in values.references if _may_set(values.holder, one, keys)]
            if places:
                yield (
                    f"{values.holder} takes values from elsewhere too ({', '.join(places)}): where they set "
                    f"{', '.join(keys)}, put both together, for Helm takes only one of them"
                )


def _may_set(holder: Document, reference: Reference, keys: Sequence[str]) -> bool:
    """Say whether values from elsewhere may set one of some keys, or a part of it."""
    stated = holder.get(*reference.path)
    if reference.path[-1] in ("parameters", "fileParameters"):
        names = [str(as_map(one).get("name")) for one in as_list(stated)]
    elif reference.path[-1] == "set":
        names = list(as_map(stated))
    else:
        return True
    return any(name.partition("[")[0].endswith(tuple(keys)) for name in names)


def scraping(setup: Setup, scraper: Scraper, rendered: Rendered, directory: str) -> Scraping:
    """Give what a chart's values lack to scrape over mTLS; nothing where a job or monitor does already.

    ``directory`` is where the chart's Prometheus finds the files.
    """
    if rendered.job is None or any(one.scraper is scraper for one in mtls_scrapes(setup)):
        return Scraping()
    values = values_of(scraper)
    version = values.version or setup.settings.chart
    job = in_directory(rendered.job, "tls_config", directory)
    if values.chart != STACK:
        return _in_chart(values, job, version)
    made = _in_stack(setup, scraper, values, job)
    if rendered.scrape_class and not istio_classes(setup, scraper) and (version is None or version >= _CLASSES_SINCE):
        listed = scraper.of_resource("scrapeClasses")
        # What a text says can't be told before Helm has filled it in, and takes the place of what stands above it.
        if (listed is None or isinstance(listed, list)) and "scrapeClasses" not in values.text(*FURTHER_TEXT):
            name = str(rendered.scrape_class.tree["name"])
            name = free_name(name, (one.name for one in setup.classes(scraper)))
            edit = class_edit(scraper, rendered.scrape_class, name, f"{directory}/key.pem")
            place = (*scraper.field("scrapeClasses"), len(listed or ()))
            comments = {**made.comments, **moved(rendered.scrape_class.comments, place)}
            made = made._replace(edits=(edit, *made.edits), comments=comments)
    return made


def _in_stack(setup: Setup, scraper: Scraper, values: Values, job: Part) -> Scraping:
    """Add a job to ``additionalScrapeConfigs``.

    A PodMonitor among the chart's ``additionalPodMonitors`` can't name a scrape class (its ``podmonitors.yaml``).
    """
    path = values.where(*SPEC, "additionalScrapeConfigs")
    if as_map(values.get(*SPEC, "additionalScrapeConfigsSecret")).get("enabled") is True:
        name = values.get(*SPEC, "additionalScrapeConfigsSecret", "name")
        return Scraping(apart=job, where=f"the Secret {name or ''} of additionalScrapeConfigsSecret")
    if reference := as_map(values.get(*FURTHER, "additionalScrapeConfigs")):
        return Scraping(apart=job, where=f"the Secret {reference.get('name') or ''} of additionalScrapeConfigs")
    listed = values.get(*SPEC, "additionalScrapeConfigs")
    names = [one.name for one in setup.scrapes if one.scraper is scraper and one.kind == "job"]
    job = renamed(job, "job_name", free_name(str(job.tree["job_name"]), names))
    if isinstance(listed, str) and listed.strip():
        return _in_text(values, path, listed, job)
    place = (*path, len(as_list(listed)))
    return Scraping((Edit(values.document, (*path, APPEND), job.tree),), comments=moved(job.comments, place))


def _in_chart(values: Values, job: Part, version: Version | None) -> Scraping:
    """Add a job to the map ``scrapeConfigs``, or to the text that older charts append to the configuration."""
    name = str(job.tree["job_name"])
    if reads_job_map(version):
        jobs = values.map("scrapeConfigs")
        key = free_name(name, {*jobs, *(str(as_map(one).get("job_name")) for one in jobs.values())})
        assert not default_job(key, version)  # noqa: S101  # the chart has no job of our name
        tree = {part: value for part, value in job.tree.items() if part != "job_name"}
        place = values.where("scrapeConfigs", key)
        return Scraping((Edit(values.document, place, tree),), comments=moved(job.comments, place))
    path, text = values.where("extraScrapeConfigs"), values.text("extraScrapeConfigs")
    if not text.strip():
        return Scraping((Edit(values.document, path, printed(job)),))
    return _in_text(values, path, text, job)


def _in_text(values: Values, path: ValuePath, text: str, job: Part) -> Scraping:
    """Add a job to a text that holds a list of them; one with templates in it is put before that."""
    source = values.document.source
    if templated(text) and posixpath.basename(str(job.tree["tls_config"]["cert_file"])) in text:
        return Scraping()  # it can't be read, but a job names Istio's files
    if not templated(text):
        listed, _ = load_text(text, source)
        if len(listed) == 1 and isinstance(listed[0], list):
            names = [str(as_map(one).get("job_name")) for one in listed[0]]
            job = renamed(job, "job_name", free_name(str(job.tree["job_name"]), names))
            new = with_element(text, source, (len(listed[0]),), job)
            if new is not None:
                return Scraping((Edit(values.document, path, new),))
    return Scraping((Edit(values.document, path, printed(job) + text),))


# -------------------------------------------------------------------------------------------- what the mesh is told


def takes_objects(setup: Setup, scraper: Scraper) -> bool:
    """Say whether the scraper's chart installs Kubernetes objects that its values hold."""
    if scraper.flavour not in FLAVOURS:
        return False
    version = values_of(scraper).version or setup.settings.chart
    return version is None or version >= _OBJECTS_SINCE[scraper.flavour]


def object_edit(scraper: Scraper, part: Part, number: int) -> tuple[Edit, ValuePath]:
    """Say how to have the chart install an object too, after ``number`` others; give the edit, and its place.

    It goes to the release's namespace wherever the chart is installed, if its values don't say another.
    """
    values = values_of(scraper)
    metadata = {key: value for key, value in part.tree["metadata"].items() if key != "namespace"}
    if any(values.get(key) for key in _NAMESPACE_KEYS):
        metadata["namespace"] = scraper.namespace
    tree: object = {**part.tree, "metadata": metadata}
    if scraper.flavour == PROMETHEUS_FLAVOUR:
        tree = with_comments(block(tree, sort_keys=False) + "\n", part.comments)
    path, name, listed = values.where(EXTRA_OBJECTS), str(metadata["name"]), values.get(EXTRA_OBJECTS)
    if isinstance(listed, dict):
        return Edit(values.document, (*path, name), tree), (*path, name)
    return Edit(values.document, (*path, APPEND), tree), (*path, len(as_list(listed)) + number)
