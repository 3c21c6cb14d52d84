"""One scrape job, monitor endpoint or scrape class, in one form."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from generator.errors import InputError, ValuePath
from generator.injection.annotations import text_of
from generator.intake.document import Document, Text
from generator.monitoring import victoria
from generator.monitoring.edits import REMOVE, Edit
from generator.yaml.lenient import load_text

if TYPE_CHECKING:
    from generator.monitoring.scraper import Scraper

# Other tools write a key.pem too.
_ISTIOS_OWN = ("cert-chain.pem", "root-cert.pem")


class Spelling(NamedTuple):
    """How a kind spells its fields; "" for what it doesn't have."""

    tls: str = "tls_config"
    ca: str = "ca_file"
    cert: str = "cert_file"
    key: str = "key_file"
    skip: str = "insecure_skip_verify"
    http2: str = "enable_http2"
    path: str = "metrics_path"
    relabelings: str = "relabel_configs"
    sources: str = "source_labels"
    target: str = "target_label"
    scrape_class: str = ""
    scheme: tuple[str, ...] = ("scheme",)


PROMETHEUS = Spelling()
_CAMEL = Spelling(
    "tlsConfig",
    "caFile",
    "certFile",
    "keyFile",
    "insecureSkipVerify",
    "enableHttp2",
    "path",
    "relabelings",
    "sourceLabels",
    "targetLabel",
    "scrapeClass",
)
_VICTORIA = _CAMEL._replace(http2="", relabelings="relabelConfigs")  # vmagent speaks no HTTP/2
#: By kind: how its fields are spelled, and the key of the list of endpoints ("" where it is one itself).
MONITORS: Mapping[str, tuple[Spelling, str]] = {
    "ServiceMonitor": (_CAMEL, "endpoints"),
    "PodMonitor": (_CAMEL, "podMetricsEndpoints"),
    "Probe": (_CAMEL._replace(scheme=("prober", "scheme")), ""),
    "ScrapeConfig": (_CAMEL._replace(http2="enableHTTP2", path="metricsPath"), ""),
    "VMServiceScrape": (_VICTORIA, "endpoints"),
    "VMPodScrape": (_VICTORIA, "podMetricsEndpoints"),
    "VMStaticScrape": (_VICTORIA, "targetEndpoints"),
    "VMNodeScrape": (_VICTORIA, ""),
    "VMProbe": (_VICTORIA._replace(scheme=("vmProberSpec", "scheme")), ""),
    "VMScrapeConfig": (_VICTORIA, ""),
}
#: Monitors that find pods by themselves, and those that find them behind Services.
OF_PODS = frozenset({"PodMonitor", "VMPodScrape"})
OF_SERVICES = frozenset({"ServiceMonitor", "VMServiceScrape"})


class Tls(NamedTuple):
    """What a scrape says of TLS: files ("" where none is named), and whether it takes any server certificate."""

    ca: str
    cert: str
    key: str
    skip_verify: bool

    @property
    def files(self) -> tuple[str, ...]:
        """The files that it names."""
        return tuple(file for file in (self.ca, self.cert, self.key) if file)


class Relabeling(NamedTuple):
    """One relabelling, its separator being Prometheus' default unless another is given."""

    action: str
    sources: tuple[str, ...]
    regex: str
    target: str
    replacement: str
    path: ValuePath


class Scrape:
    """One job, endpoint or scrape class.

    ``kind`` is ``job``, ``scrape class`` or a monitor's kind; ``path`` is where ``tree`` stands in ``document``.
    ``scraper`` is whose it is; None where one document doesn't tell (monitors are selected, see `Setup.selected_by`).
    """

    __slots__ = ("document", "kind", "name", "path", "scraper", "spelling", "tree")

    def __init__(
        self,
        kind: str,
        name: str,
        document: Document,
        path: ValuePath,
        *,
        spelling: Spelling = PROMETHEUS,
        scraper: Scraper | None = None,
    ) -> None:
        """Take where it stands, and how its fields are spelled."""
        self.kind = kind
        self.name = name
        self.document = document
        self.path = path
        self.spelling = spelling
        self.scraper = scraper
        tree = document.get(*path)
        self.tree: dict[str, Any] = tree if isinstance(tree, dict) else {}
        if kind in victoria.SELECTORS:
            self.tree = victoria.plain(self.tree)

    def __str__(self) -> str:
        """``job istio-mtls``, ``ServiceMonitor monitoring/web``."""
        return str(self.document) if self.kind == self.document.kind else f"{self.kind} {self.name}"

    @property
    def resource(self) -> str:
        """The Kubernetes object that holds it, as kubectl users write it."""
        return str(self.document.outermost)

    @property
    def spec(self) -> ValuePath:
        """Where the ``spec`` of its monitor stands in the document; of a job and a class, where they stand."""
        listed = MONITORS[self.kind][1] if self.kind in MONITORS else ""
        # The monitor of a chart's component is its endpoint, with no list around it.
        return self.path[:-2] if listed and self.path[-2:-1] == (listed,) else self.path

    @property
    def scheme(self) -> str:
        """``http`` unless it says otherwise."""
        return _text(self._stated_scheme).lower() or "http"

    @property
    def scheme_place(self) -> tuple[str, ...]:
        """Where in it the scheme stands, or where somebody put it who took it for another kind's; () for nowhere."""
        if self._stated_scheme is not None:
            return self.spelling.scheme
        return ("scheme",) if "scheme" in self.tree else ()

    @property
    def _stated_scheme(self) -> object:
        found: Any = self.tree
        for part in self.spelling.scheme:
            found = found.get(part) if isinstance(found, dict) else None
        return found

    @property
    def tls(self) -> Tls | None:
        """What it says of TLS itself; None where it says nothing."""
        found = self.tree.get(self.spelling.tls)
        if not isinstance(found, dict) or not found:
            return None
        ca, cert, key = (_text(found.get(name)) for name in (self.spelling.ca, self.spelling.cert, self.spelling.key))
        return Tls(ca, cert, key, found.get(self.spelling.skip) is True)

    def tls_in(self, scraper: Scraper) -> Tls | None:
        """`tls` as a scraper gets it: VictoriaMetrics' operator names other files where it converts a monitor."""
        found = self.tls
        if found is None or self.kind not in victoria.CONVERTED or scraper.document.kind != "VMAgent":
            return found
        ca, cert, key = map(victoria.converted_file, (found.ca, found.cert, found.key))
        return Tls(ca, cert, key, found.skip_verify)

    @property
    def http2(self) -> bool:
        """Whether HTTP/2 may be spoken: Prometheus' default is yes."""
        return self.tree.get(self.spelling.http2) is not False

    @property
    def metrics_path(self) -> str:
        """The path it asks for."""
        return _text(self.tree.get(self.spelling.path)) or "/metrics"

    @property
    def scrape_class(self) -> str:
        """The scrape class that it, or its monitor, names; "" for none."""
        if not self.spelling.scrape_class or self.kind not in MONITORS:
            return ""
        return _text(self.document.get(*self.spec, self.spelling.scrape_class))

    @property
    def has_istio_names(self) -> bool:
        """Whether its TLS files have the names that Istio's agent writes."""
        tls = self.tls
        return tls is not None and any(posixpath.basename(file) in _ISTIOS_OWN for file in tls.files)

    def where(self, *path: str | int) -> ValuePath:
        """Give the path in the document of a part of it."""
        return (*self.path, *path)

    def set(self, *path: str, value: object, comment: str = "") -> Edit:
        """Say how to set a part of it."""
        return Edit(self.document, self.where(*path), value, comment)

    def set_scheme(self, scheme: str) -> tuple[Edit, ...]:
        """Say how to have it ask over ``http`` or ``https``; a scheme where its kind has none goes."""
        place = self.spelling.scheme
        wrong = (self.set("scheme", value=REMOVE),) if place != ("scheme",) and "scheme" in self.tree else ()
        return (self.set(*place, value=scheme), *wrong)

    def relabelings(self) -> Iterator[Relabeling]:
        """Its relabellings, in order."""
        names = self.spelling
        found = self.tree.get(names.relabelings)
        for index, rule in enumerate(found if isinstance(found, list) else []):
            if not isinstance(rule, dict):
                continue
            sources = rule.get(names.sources)
            yield Relabeling(
                _text(rule.get("action")).lower() or "replace",
                tuple(map(str, sources)) if isinstance(sources, list) else (),
                text_of(rule["regex"]) if rule.get("regex") is not None else "(.*)",
                _text(rule.get(names.target)),
                text_of(rule["replacement"]) if rule.get("replacement") is not None else "$1",
                self.where(names.relabelings, index),
            )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def jobs_of(document: Document, path: ValuePath, scraper: Scraper | None) -> Iterator[Scrape]:
    """The jobs in a list of scrape configurations, such as ``scrape_configs`` of a prometheus.yml."""
    listed = document.get(*path)
    for index, job in enumerate(listed if isinstance(listed, list) else []):
        if isinstance(job, dict):
            name = str(job.get("job_name") or f"number {index + 1}")
            yield Scrape("job", name, document, (*path, index), scraper=scraper)


def jobs_in_text(outer: Document, place: ValuePath, text: str, scraper: Scraper | None) -> Iterator[Scrape]:
    """The jobs in a string that holds a YAML list of them; none where it holds anything else.

    ``text`` is the string, or what it stands for (base64); ``place`` is where it stands in ``outer``. Each job is a
    document of its own.
    """
    try:
        found, readable = load_text(text, outer.source)
    except InputError:  # what is no YAML holds no job
        return
    if len(found) != 1 or not isinstance(found[0], list):
        return
    shared = Text(text, outer.source, readable)
    for index, job in enumerate(found[0]):
        if isinstance(job, dict):
            document = Document(job, shared, 0, (index,), (outer, place))
            yield Scrape("job", str(job.get("job_name") or f"number {index + 1}"), document, (), scraper=scraper)


def is_monitor(document: Document) -> bool:
    """Whether an object is a monitor, of one operator or the other."""
    group = victoria.GROUP if document.kind in victoria.SELECTORS else "monitoring.coreos.com"
    return document.kind in MONITORS and document.group == group


def asks_endpoints(scrape: Scrape) -> bool:
    """Whether a monitor of Services asks what is behind them: VictoriaMetrics' may ask the Services themselves."""
    return bool(scrape.document.get(*scrape.spec, "discoveryRole") != "service")


def endpoints_of(document: Document, base: ValuePath = (), kind: str = "") -> Iterator[Scrape]:
    """The endpoints of a monitor; ``base`` is where the monitor stands in the document, ``kind`` what it is there."""
    kind = kind or document.kind
    spelling, listed = MONITORS[kind]
    name = _text(document.get(*base, "metadata", "name")) or _text(document.get(*base, "name"))
    spec = (*base, "spec") if document.get(*base, "spec") is not None else base
    if not listed:
        yield Scrape(kind, name, document, spec, spelling=spelling)
        return
    endpoints = document.get(*spec, listed)
    for index, endpoint in enumerate(endpoints if isinstance(endpoints, list) else []):
        if isinstance(endpoint, dict):
            yield Scrape(kind, name, document, (*spec, listed, index), spelling=spelling)


def classes_of(document: Document, path: ValuePath, scraper: Scraper) -> Iterator[Scrape]:
    """The scrape classes that an operator's resource defines; ``path`` is that of their list."""
    listed = document.get(*path)
    for index, one in enumerate(listed if isinstance(listed, list) else []):
        if isinstance(one, dict):
            name = _text(one.get("name"))
            yield Scrape("scrape class", name, document, (*path, index), spelling=_CAMEL, scraper=scraper)
