"""Fields that don't exist, that hold the wrong sort of value, or stand in the wrong place."""

from __future__ import annotations

from collections.abc import Iterator

from generator.doctor.rule import Fix, Found, Severity, rule
from generator.doctor.rules.examples import OPERATOR, PLAIN, but
from generator.doctor.rules.monitors import shared_class
from generator.doctor.rules.policies import misplaced_selectors
from generator.doctor.rules.spelt import as_written, meant, wanted
from generator.doctor.rules.views import config_key, stray_variables
from generator.errors import ValuePath
from generator.fields import (
    Unknown,
    unknown_fields,
    unknown_in_prometheus_configuration,
    unknown_in_prometheus_spec,
    unknown_in_scrape_config,
)
from generator.intake.document import Document
from generator.monitoring import Edit, Scrape, Setup
from generator.monitoring.edits import REMOVE
from generator.monitoring.mtls import WITHOUT_FILES
from generator.monitoring.pod import is_workload
from generator.monitoring.scrape import MONITORS
from generator.monitoring.scraper import OPERATED

_FILE_FIELDS = frozenset({"caFile", "certFile", "keyFile"})
_OPERATORS = frozenset({"monitoring.coreos.com", "operator.victoriametrics.com"})
_TYPE = frozenset({"apiVersion", "kind"})
_NAMED = frozenset(
    ("ConfigMap", "Namespace", "PeerAuthentication", "PrometheusRule", "Secret", "Service", "ServiceAccount", "Sidecar")
)


def _all(setup: Setup) -> Iterator[tuple[Document, Unknown, Severity]]:
    """Every unknown field and wrong type, with how bad it is: Prometheus refuses a configuration as a whole."""
    for document in setup.documents:
        if document.kind or document.api_version:
            for found in unknown_fields(document.tree):
                # Without its type an object is none, and refused.
                typed = found.nearest not in _TYPE or len(found.path) > 1
                yield document, found, "warning" if typed else "error"
    for scraper in setup.scrapers:
        if scraper.flavour == "kube-prometheus-stack" and scraper.resource is not None:
            for base in filter(None, (scraper.resource, scraper.further)):
                spec = scraper.document.get(*base)
                of_chart = base == scraper.resource
                slips = unknown_in_prometheus_spec(spec, of_chart=of_chart) if isinstance(spec, dict) else []
                yield from ((scraper.document, _below(found, base), "warning") for found in slips)
    whole: set[int] = set()
    for scrape in setup.scrapes:
        if scrape.kind != "job":
            continue
        document = scrape.document
        if document.kind or scrape.path[:1] != ("scrape_configs",) or document.tree.keys() == {"scrape_configs"}:
            slips = unknown_in_scrape_config(scrape.tree)
            yield from ((document, _below(found, scrape.path), "error") for found in slips)
        elif id(document) not in whole:
            whole.add(id(document))
            yield from ((document, found, "error") for found in unknown_in_prometheus_configuration(document.tree))


def _below(found: Unknown, path: ValuePath) -> Unknown:
    return found._replace(path=(*path, *found.path))


@rule(
    "unknown-field",
    title="A field doesn't exist where it stands",
    severity="warning",
    stage="manifest",
    why="""
        The API server drops a field that it doesn't know, or refuses the object (`kubectl apply` does both, by its
        `--validate`), and what the field says is lost. Prometheus refuses a whole configuration for one such field,
        which is an error, and so are `apiVersion` and `kind` misspelt: nothing without them is an object. Told is only
        what resembles a known field, or stands one level too deep or too high: a field that is merely unknown may be
        newer than our table. Istio drops what it doesn't know of a proxy's configuration, so a variable that stands
        beside `proxyMetadata`, or as `proxyMetadata.NAME`, isn't set.
        """,
    sources=["Kubernetes API reference", "prometheus-operator `pkg/apis/monitoring`", "prometheus `config/config.go`"],
    wrong=but(OPERATOR, ("    enableHttp2: false\n", "    enableHttp2: false\n    metricRelabelling: []\n")),
)
def unknown_field(setup: Setup) -> Iterator[Found]:
    """Walk over every object and every configuration."""
    empty = {(id(one.document), one.path, name) for one in _with_empty_tls(setup) for name in _beside(one)}
    for document, found, severity in _all(setup):
        if found.kind != "unknown" or (id(document), found.path[:-1], found.field) in empty:
            continue
        in_tls = len(found.path) > 1 and found.path[-2] == "tlsConfig"
        if in_tls and document.kind in WITHOUT_FILES and found.field in _FILE_FIELDS:
            continue  # monitor-cannot-name-files tells more
        if document.kind in {"Sidecar", "PeerAuthentication"} and _is_of_selector(document, found.path):
            continue  # and so does mesh-selector-misspelt
        says = f"{found.field} is no field here" + (f"; expected {found.expected}" if found.expected else "")
        yield Found(document, found.path, says, _renamed(document, found), severity, str(document.outermost))
    for scraper in setup.scrapers:
        for inner, key, name in stray_variables(scraper):
            if name != "INBOUND_CAPTURE_PORTS":  # which does nothing anywhere, and has a rule of its own
                needed = name == "OUTPUT_CERTS" and setup.writer(scraper) is None
                bad: Severity = "error" if needed else "warning"
                told = "" if key == name else f"{key} is no field here; "
                says = f"{told}{name} is a variable, and belongs in proxyMetadata"
                yield Found(inner, (key,), says, _put_in(inner, key, name), bad, str(scraper))


def _put_in(inner: Document, key: str, name: str) -> Fix:
    """Say how to move a variable into proxyMetadata, whose own value counts."""
    metadata, value = config_key(inner, "proxyMetadata"), inner.get(key)
    there = inner.get(metadata)
    edits: tuple[Edit, ...] = (Edit(inner, (key,), REMOVE),)
    text = value if isinstance(value, str) else as_written(inner, (key,))
    if (text or value is None or value == "") and isinstance(there or {}, dict):
        new = () if there and name in there else (Edit(inner, (metadata, name), text),)
        return Fix("write it in proxyMetadata", (*edits, *new))
    return Fix("write it in proxyMetadata")


def _is_of_selector(document: Document, path: ValuePath) -> bool:
    return any(path[: len(one.path)] == one.path for one in misplaced_selectors(document))


def _renamed(document: Document, found: Unknown) -> Fix:
    """Say how to spell a field right; one that belongs elsewhere has to be moved by hand."""
    around = document.get(*found.path[:-1])
    elsewhere = " level " in found.expected or "beside" in found.expected
    if not found.nearest or elsewhere or not isinstance(around, dict) or found.nearest in around:
        return Fix(f"expected: {found.expected}")
    edits = (
        Edit(document, (*found.path[:-1], found.nearest), around[found.path[-1]]),
        Edit(document, found.path, REMOVE),
    )
    return Fix(f"write {found.nearest}", edits)


_RELOADER = """\
      - name: reloader
        image: quay.io/prometheus-operator/prometheus-config-reloader:v0.93.1
        volumeMounts:
          name: config
          mountPath: /etc/prometheus
      volumes:
"""


@rule(
    "wrong-type",
    title="A field holds the wrong sort of value",
    severity="error",
    stage="manifest",
    why="""
        The API server refuses an object in which a map stands where a list belongs, or a number where a string does.
        `volumeMounts` without the dash before its first field is the commonest: an older page of istio.io showed it so.
        """,
    sources=["Kubernetes API reference", "istio.io, Ops, Integrations, Prometheus"],
    wrong=but(PLAIN, ("      volumes:\n", _RELOADER)),
)
def wrong_type(setup: Setup) -> Iterator[Found]:
    """Walk over every object and every configuration."""
    for document, found, _ in _all(setup):
        if found.kind == "type":
            expected = wanted(document, found.path) if "string" in found.expected else ""
            told = found._replace(expected=expected or found.expected)
            says = f"{found.field} is {found.found}, and should be {told.expected}"
            yield Found(document, found.path, says, _listed(document, told), None, str(document.outermost))


def _listed(document: Document, found: Unknown) -> Fix | None:
    """Make a list of one item where its dash is missing, and put in quotes what can be meant in one way alone."""
    value = document.get(*found.path)
    if isinstance(value, dict) and "list" in found.expected and value.keys() & {"name", "mountPath", "port"}:
        return Fix("put a dash before its first field", (Edit(document, found.path, [value]),))
    text = meant(document, found.path) if "string" in found.expected else ""
    return Fix(f"write {found.expected}", (Edit(document, found.path, text),) if text else ())


# ----------------------------------------------------------------------------------------------------- empty TLS


def _with_empty_tls(setup: Setup) -> Iterator[Scrape]:
    for scrape in setup.scrapes:
        tls = scrape.spelling.tls
        if not scrape.tree.get(tls) and _beside(scrape):
            yield scrape


def _beside(scrape: Scrape) -> list[str]:
    """The fields of TLS that stand beside it instead of in it."""
    names = scrape.spelling
    return [name for name in (names.ca, names.cert, names.key, names.skip) if name in scrape.tree]


@rule(
    "tls-config-empty",
    title="The TLS settings stand beside tlsConfig instead of in it",
    severity="error",
    stage="scraping",
    why="""
        The fields are indented as far as `tlsConfig` itself, so that it is null, and the files stand where no such
        fields exist: the API server drops them, Prometheus refuses them. The scrape goes without a certificate.
        """,
    sources=["prometheus-operator `pkg/apis/monitoring/v1/http_config.go`"],
    wrong=but(
        OPERATOR,
        ("kind: PodMonitor", "kind: ServiceMonitor"),
        ("  scrapeClass: istio-mtls\n", ""),
        ("podMetricsEndpoints", "endpoints"),
        (
            "    scheme: https\n",
            (
                "    scheme: https\n    tlsConfig:\n    caFile: /etc/prom-certs/root-cert.pem\n"
                "    certFile: /etc/prom-certs/cert-chain.pem\n    keyFile: /etc/prom-certs/key.pem\n"
                "    insecureSkipVerify: true\n"
            ),
        ),
    ),
)
def tls_config_empty(setup: Setup) -> Iterator[Found]:
    """Look at jobs, monitors and classes."""
    for scrape in _with_empty_tls(setup):
        beside, tls = _beside(scrape), scrape.spelling.tls
        what = "is empty" if tls in scrape.tree else "isn't there"
        says = f"{tls} {what}, and {', '.join(beside)} stand{'s' * (len(beside) == 1)} beside it"
        gone = [scrape.set(name, value=REMOVE) for name in beside]
        if scrape.kind not in WITHOUT_FILES:
            inside = [scrape.set(tls, name, value=scrape.tree[name]) for name in beside]
            fix = Fix("indent them", (*inside, *gone))
        elif name := scrape.scrape_class or shared_class(setup, scrape):
            named = Edit(scrape.document, (*scrape.spec, scrape.spelling.scrape_class), name)
            empty = (scrape.set(tls, value=REMOVE),) if tls in scrape.tree else ()
            edits = (named, *empty, *gone)
            fix = Fix(f"a {scrape.kind} can't name files: take them from the scrape class {name}", edits)
        else:
            says_how = f"a {scrape.kind} can't name files: have a scrape class bring them"
            fix = Fix(says_how, yaml="scrapeClass: istio-mtls")
        place = scrape.where(tls if tls in scrape.tree else beside[0])
        yield Found(scrape.document, place, says, fix, None, scrape.resource)


# ----------------------------------------------------------------------------------------------------------- name


@rule(
    "object-without-name",
    title="An object has no name",
    severity="warning",
    stage="manifest",
    why="""
        The API server refuses an object without `metadata.name`. It may be a fragment out of a documentation, or a
        placeholder that begins with `#`, which YAML reads as a comment.
        """,
    sources=["Kubernetes API reference: ObjectMeta"],
    wrong=but(OPERATOR, ("  name: web\n", "  name: ##NAME##\n")),
)
def object_without_name(setup: Setup) -> Iterator[Found]:
    """Look at the kinds that sidecert knows."""
    for document in setup.documents:
        operators = document.kind in {*MONITORS, *OPERATED} and document.group in _OPERATORS
        if (
            not (operators or is_workload(document) or document.kind in _NAMED)
            or document.name
            or document.outer is not None
        ):
            continue
        metadata = document.get("metadata")
        stated = isinstance(metadata, dict) and "name" in metadata
        if stated and document.get("metadata", "name") not in [None, ""]:
            continue  # wrong-type tells of a number
        path: ValuePath = ("metadata", "name") if stated else ("metadata",)
        says = "metadata.name is empty" if stated else "metadata.name is missing"
        yield Found(document, path, says, Fix("give it a name"), None, str(document).rstrip("/"))
