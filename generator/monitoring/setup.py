"""All that documents say of monitoring, put together: whose is what, what selects what, what can't be seen."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, wraps
from typing import Any, NamedTuple, TypeVar, cast

from generator.errors import Problem, ValuePath
from generator.injection import Injection, Mesh, inject
from generator.intake.document import Document
from generator.monitoring.chart_jobs import templated
from generator.monitoring.chart_layers import Referred
from generator.monitoring.charts import (
    notes_in_values,
    notes_on_files,
    objects_in_values,
    scrapers_in_values,
    scrapes_in_values,
)
from generator.monitoring.configuration import (
    Mounting,
    configuration_file,
    jobs_in_secret,
    lists_of_jobs,
    mounted_sources,
    prometheus_configurations,
)
from generator.monitoring.directories import covering_mount, is_inside, relative
from generator.monitoring.labels import same_namespace, selects
from generator.monitoring.mesh_config import merges_metrics
from generator.monitoring.objects import Objects
from generator.monitoring.pod import Mount, PodView
from generator.monitoring.running import Volume, Writer
from generator.monitoring.scrape import Scrape, classes_of, endpoints_of, is_monitor, jobs_in_text, jobs_of
from generator.monitoring.scraper import Scraper
from generator.monitoring.scrapers import scraper_of
from generator.monitoring.versions import Version


class Settings(NamedTuple):
    """What is known of the cluster beside the documents; ``*_given`` says that the user said so.

    ``chart`` is the version of the chart that values files are for; None stands for the newest one known.
    """

    istio: Version = (1, 30, 3)
    kubernetes: Version = (1, 33)
    chart: Version | None = None
    istio_given: bool = False
    kubernetes_given: bool = False


_Result = TypeVar("_Result")


def _once(make: Callable[[Setup, Scraper], _Result]) -> Callable[[Setup, Scraper], _Result]:
    """Have a method work out what it says of a scraper once: rules ask often. Nobody may change what it gives."""

    @wraps(make)
    def kept(self: Setup, scraper: Scraper) -> _Result:
        key = make.__name__, scraper
        if key not in self._kept:
            self._kept[key] = make(self, scraper)
        return cast("_Result", self._kept[key])

    return kept


class Setup(Objects):
    """Documents, and what is found in them. Built by `assemble`."""

    def __init__(self, documents: Sequence[Document], values: Sequence[Document], settings: Settings) -> None:
        """Take Kubernetes objects and charts' values."""
        installed = (one for document in (*documents, *values) for one in objects_in_values(document))
        super().__init__((*documents, *installed))
        self.values = tuple(values)
        self.settings = settings
        self.notes: list[Problem] = []
        self._selected: dict[int, list[Scraper]] = {}
        self._kept: dict[tuple[str, Scraper], Any] = {}

    # ------------------------------------------------------------------------------------------ what there is

    @cached_property
    def scrapers(self) -> tuple[Scraper, ...]:
        """Every program that scrapes, in the order of the documents."""
        found = [scraper for document in self.originals if (scraper := scraper_of(document))]
        for document in (*self.documents, *self.values, *self.referred.maps):  # a HelmRelease holds values too
            if id(document) not in self.referred.empty:
                found += scrapers_in_values(document, self.settings.chart)
            self.notes += notes_in_values(document)
        self.notes += notes_on_files(self.values)
        self.notes += self.referred.notes()
        return tuple(found)

    @cached_property
    def referred(self) -> Referred:
        """The values that releases take from elsewhere."""
        return Referred(self.documents, self.values)

    @cached_property
    def scrapes(self) -> tuple[Scrape, ...]:
        """Every job, monitor endpoint and scrape class."""
        found: list[Scrape] = []
        for scraper in self.scrapers:
            for document in self.configurations(scraper):
                found += jobs_of(document, ("scrape_configs",), scraper)
            found += self._additional(scraper)
            if scraper.resource is not None:
                classes = classes_of(scraper.document, scraper.field("scrapeClasses"), scraper)
                found += [one for one in classes if not templated(one.tree)]
            found += scrapes_in_values(scraper.document, scraper, self.settings.chart)
        owned = {_place(document) for scraper in self.scrapers for document in self.configurations(scraper)}
        owned |= {_place(scrape.document) for scrape in found}
        mounting = Mounting(self.scrapers)
        for document in self.documents:
            if is_monitor(document):
                found += endpoints_of(document)
            for inner in prometheus_configurations(document):
                if _place(inner) not in owned:
                    found += jobs_of(inner, ("scrape_configs",), None)
            for path, jobs in lists_of_jobs(document, mounting.first(document)):
                if (id(document), path) not in owned:
                    found += jobs
            if not document.kind and "scrape_configs" in document.tree:
                found += jobs_of(document, ("scrape_configs",), None)
        return tuple(found)

    @cached_property
    def merges_metrics(self) -> bool:
        """Whether the mesh merges metrics by default, as far as the documents say it."""
        return merges_metrics((*self.documents, *self.values))

    # -------------------------------------------------------------------------------- what a scraper is run with

    def mesh_of(self, namespace: str) -> Mesh:
        """What injection into a namespace depends on, as far as the documents say it."""
        enabled: bool | None = None
        revision = ""
        for document in self.named("Namespace", namespace):
            labels = document.get("metadata", "labels")
            labels = labels if isinstance(labels, dict) else {}
            # A namespace without the label isn't one that is disabled: in it, pods' own labels count.
            enabled = {"enabled": True, "disabled": False}.get(str(labels.get("istio-injection")))
            revision = str(labels.get("istio.io/rev") or "")
        settings = self.settings
        return Mesh(
            istio_version=settings.istio[:2],  # type: ignore[arg-type]  # two numbers, by option or default
            kubernetes_version=settings.kubernetes[:2],  # type: ignore[arg-type]
            namespace_injection=enabled,
            namespace_revision=revision,
            merge_metrics=self.merges_metrics,
        )

    @_once
    def injection(self, scraper: Scraper) -> Injection:
        """Give what Istio's webhook makes of a scraper's pod."""
        return inject(scraper.pod.tree, scraper.namespace, self.mesh_of(scraper.namespace))

    def wants_injection(self, scraper: Scraper) -> bool:
        """Whether the pod says something that only an injected proxy understands."""
        annotations = scraper.pod.annotations
        return "OUTPUT_CERTS" in annotations.get("proxy.istio.io/config", "") or (
            "sidecar.istio.io/userVolumeMount" in annotations
        )

    @_once
    def volumes(self, scraper: Scraper) -> dict[str, Volume]:
        """The pod's volumes after injection, by name."""
        found: dict[str, Volume] = {}
        stated: dict[str, ValuePath] = {}
        for path, item in scraper.pod.volumes():
            if isinstance(item.get("name"), str):
                stated.setdefault(item["name"], path)
        listed = self.pod_after(scraper).get("spec", {}).get("volumes")
        for tree in listed if isinstance(listed, list) else []:
            name = tree.get("name") if isinstance(tree, Mapping) else None
            if isinstance(name, str):
                found.setdefault(name, Volume(stated.get(name), name, tree))
        return found

    @_once
    def pod_after(self, scraper: Scraper) -> Mapping[str, Any]:
        """The pod as it runs. One that may be injected, and asks for it, is taken to be."""
        injection = self.injection(scraper)
        if not injection.injected and not injection.certain and self.wants_injection(scraper):
            mesh = self.mesh_of(scraper.namespace)._replace(namespace_injection=True)
            injection = inject(scraper.pod.tree, scraper.namespace, mesh)
        return injection.pod

    @_once
    def writer(self, scraper: Scraper) -> Writer | None:
        """Give the proxy that writes certificates into the pod; None where nothing does."""
        from generator.injection import output_certs, writing_container

        proxy = writing_container(self.pod_after(scraper))
        if proxy is None:
            return None
        directory = output_certs(proxy)
        by_hand = any(
            item.get("name") == "OUTPUT_CERTS"
            for path, container in scraper.pod.containers()
            if container.get("name") == proxy.get("name") and container.get("image") not in [None, "", "auto"]
            for _, item in scraper.pod.items(*path, "env")
        )
        covering = covering_mount(proxy, directory)
        mount = covering or {}
        return Writer(
            proxy,
            directory,
            str(mount.get("name") or ""),
            relative(directory, str(mount["mountPath"])) if covering else "",
            str(mount.get("subPath") or mount.get("subPathExpr") or ""),
            mount.get("readOnly") is True,
            injected=not by_hand,
        )

    @_once
    def read_directories(self, scraper: Scraper) -> list[str]:
        """Where the scraper's container finds what the proxy writes, sorted; empty where it doesn't."""
        writer = self.writer(scraper)
        if writer is None or not writer.volume:
            return []
        written = posixpath.normpath(posixpath.join("/", writer.sub_path, writer.inside))
        return sorted(
            posixpath.normpath(posixpath.join(mount.directory, relative(written, "/" + mount.sub_path)))
            for mount in self.mounts_after(scraper)
            if mount.name == writer.volume and is_inside(written, "/" + mount.sub_path)
        )

    def mounts_after(self, scraper: Scraper) -> list[Mount]:
        """The mounts of the scraper's container after injection; the paths are those in the pod after it."""
        name = scraper.pod.get(*scraper.container, "name")
        view = PodView(scraper.document, self.pod_after(scraper), {})
        return [
            mount
            for path, container in view.items("spec", "containers")
            if container.get("name") == name
            for mount in view.mounts(path)
        ]

    # -------------------------------------------------------------------------------- what a scraper is given

    @_once
    def configurations(self, scraper: Scraper) -> list[Document]:
        """The prometheus.yml of a workload, where its ConfigMap or Secret is among the documents."""
        if scraper.flavour != "workload":
            return []
        wanted = posixpath.basename(configuration_file(scraper)) or "prometheus.yml"
        found: list[Document] = []
        for kind, name in mounted_sources(scraper):
            for document in self.named(kind, name):
                if same_namespace(document.namespace, scraper.namespace):
                    inner = list(prometheus_configurations(document, wanted))
                    named = [one for one in inner if one.outer and one.outer[1][-1] == wanted]
                    found += named or inner
        return found

    def _additional(self, scraper: Scraper) -> Iterator[Scrape]:
        """The jobs of ``additionalScrapeConfigs``, where the Secret is among the documents, and those of a VMAgent."""
        inline = scraper.of_resource("inlineScrapeConfig")
        if isinstance(inline, str) and scraper.product == "vmagent":
            yield from jobs_in_text(scraper.document, scraper.field("inlineScrapeConfig"), inline, scraper)
        reference = scraper.of_resource("additionalScrapeConfigs")
        if scraper.flavour == "kube-prometheus-stack":
            reference = scraper.of_resource("additionalScrapeConfigsSecret")
            if not isinstance(reference, dict) or reference.get("enabled") is not True:
                return
        if not isinstance(reference, dict):
            return
        for secret in self.named("Secret", str(reference.get("name"))):
            if same_namespace(secret.namespace, scraper.namespace):
                yield from jobs_in_secret(secret, str(reference.get("key") or ""), scraper)

    def scrapes_of(self, scraper: Scraper) -> list[Scrape]:
        """The jobs and scrape classes that are a scraper's, and the monitors that it may select."""
        return self._taken.get(scraper, [])

    @cached_property
    def _taken(self) -> dict[Scraper, list[Scrape]]:
        found: dict[Scraper, list[Scrape]] = {}
        for scrape in self.scrapes:
            for scraper in self.selected_by(scrape):
                found.setdefault(scraper, []).append(scrape)
        return found

    @_once
    def classes(self, scraper: Scraper) -> list[Scrape]:
        """The scrape classes that a scraper's resource defines."""
        return [one for one in self.scrapes_of(scraper) if one.kind == "scrape class"]

    def selected_by(self, scrape: Scrape) -> list[Scraper]:
        """The scrapers that take up a monitor: their selectors fit its labels, as far as namespaces are known."""
        if scrape.scraper is not None:
            return [scrape.scraper]
        key = id(scrape.document)  # its endpoints share it, and it lives as long as the setup
        if key not in self._selected:
            self._selected[key] = [scraper for scraper in self.scrapers if selects(scraper, scrape.document)]
        return self._selected[key]


def assemble(documents: Sequence[Document], values: Sequence[Document] = (), settings: Settings = Settings()) -> Setup:  # noqa: B008  # it is immutable
    """Put together what Kubernetes objects and charts' values say of monitoring."""
    return Setup(documents, values, settings)


def _place(document: Document) -> tuple[int, ValuePath]:
    """What tells an embedded document from others; one that was in base64 is read anew each time."""
    outer, path = document.outer or (document, ())
    return id(outer), path
