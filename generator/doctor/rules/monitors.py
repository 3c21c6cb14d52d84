"""Monitors and scrape classes of the Prometheus Operator."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches

from generator.doctor.rule import Fix, Found, Severity, rule
from generator.doctor.rules.examples import OPERATOR, but
from generator.doctor.rules.jobs import found_at
from generator.monitoring import Edit, Scrape, Scraper, Setup
from generator.monitoring.edits import REMOVE
from generator.monitoring.mtls import (
    WITHOUT_FILES,
    istio_classes,
    mtls_scrapes,
    own_tls,
    presents_istio,
)
from generator.monitoring.scrape import MONITORS
from generator.monitoring.targets import is_selected_surely

_FILE_FIELDS = ("caFile", "certFile", "keyFile")


def monitors(setup: Setup) -> Iterator[Scrape]:
    """Every endpoint of every monitor."""
    return (scrape for scrape in setup.scrapes if scrape.kind in MONITORS)


def _first_of_each(setup: Setup) -> Iterator[Scrape]:
    """One endpoint of each monitor: what concerns the monitor is told once."""
    seen: set[tuple[int, tuple[str | int, ...]]] = set()
    for scrape in monitors(setup):
        key = (id(scrape.document), scrape.spec)
        if key not in seen:
            seen.add(key)
            yield scrape


# ------------------------------------------------------------------------------------------------------- classes


@rule(
    "scrape-class-unknown",
    title="A monitor names a scrape class that its Prometheus doesn't define",
    severity="error",
    stage="selection",
    why="""
        The operator leaves a monitor out that names a class which the Prometheus resource doesn't define: an event on
        the monitor says so, and nothing of it is scraped.
        """,
    since="prometheus-operator 0.72.0",
    sources=["prometheus-operator `pkg/prometheus/resource_selector.go`", "prometheus-operator#6556"],
    wrong=but(OPERATOR, ("  scrapeClass: istio-mtls\n", "  scrapeClass: istio-mtl\n")),
)
def scrape_class_unknown(setup: Setup) -> Iterator[Found]:
    """Compare the class with those of each Prometheus that selects the monitor."""
    for scrape in _first_of_each(setup):
        for scraper in setup.selected_by(scrape):
            names = [one.name for one in setup.classes(scraper)]
            if not scrape.scrape_class or scrape.scrape_class in names or scraper.product != "prometheus":
                continue
            path = (*scrape.spec, scrape.spelling.scrape_class)
            says = f"{scraper} defines no scrape class {scrape.scrape_class}"
            says += f", only {', '.join(names)}" if names else ""
            severity: Severity = "error" if is_selected_surely(setup, scraper, scrape) else "warning"
            fix = _known_class(setup, scrape, scraper, names)
            yield Found(scrape.document, path, says, fix, severity, scrape.resource)


def _known_class(setup: Setup, scrape: Scrape, scraper: Scraper, names: list[str]) -> Fix:
    with_certificates = [one.name for one in istio_classes(setup, scraper)]
    near = get_close_matches(scrape.scrape_class, names, n=1, cutoff=0.8)
    right = near[0] if near else with_certificates[0] if len(with_certificates) == 1 else ""
    if not right:
        return Fix(f"define the class in {scraper}", yaml=_class_yaml(setup, scraper, scrape.scrape_class))
    path = (*scrape.spec, scrape.spelling.scrape_class)
    return Fix(
        f"name the class {right}", (Edit(scrape.document, path, right),) if near else (), f"scrapeClass: {right}"
    )


def _class_yaml(setup: Setup, scraper: Scraper, name: str) -> str:
    folder = next(iter(setup.read_directories(scraper)), "/etc/prom-certs")
    return (
        f"scrapeClasses:\n- name: {name}\n  tlsConfig:\n    caFile: {folder}/root-cert.pem\n"
        f"    certFile: {folder}/cert-chain.pem\n    keyFile: {folder}/key.pem\n    insecureSkipVerify: true"
    )


@rule(
    "scrape-class-default",
    title="The class with Istio's certificates is the default one",
    severity="warning",
    stage="selection",
    why="""
        A default class applies to every monitor that names none, kubelet and API server included: those that name a
        `caFile` alone get Istio's certificate and key beside it. And every job then depends on the files: while they
        are missing, Prometheus creates none of the jobs. Let monitors ask for the class by name instead.
        """,
    since="prometheus-operator 0.72.0",
    sources=["prometheus-operator `pkg/prometheus/promcfg.go`", "prometheus `scrape/manager.go`"],
    wrong=but(OPERATOR, ("  - name: istio-mtls\n", "  - name: istio-mtls\n    default: true\n")),
)
def scrape_class_default(setup: Setup) -> Iterator[Found]:
    """Look at classes with Istio's certificates."""
    for scrape in istio_classes(setup):
        if scrape.tree.get("default") is True:
            says = f"the scrape class {scrape.name} has Istio's certificates, and is the default"
            fix = Fix(
                "name the class in each monitor that is to use it, then take default out",
                yaml=f"scrapeClass: {scrape.name}",
            )
            yield found_at(scrape, ("default",), says, fix)


@rule(
    "scrape-class-two-defaults",
    title="Two scrape classes are the default one",
    severity="error",
    stage="selection",
    why="""
        The operator refuses a Prometheus resource with more than one default class: it stops reconciling, and what was
        there before runs on unchanged.
        """,
    since="prometheus-operator 0.72.0",
    sources=["prometheus-operator `pkg/prometheus/promcfg.go`", "prometheus-operator, Scrape classes"],
    wrong=but(
        OPERATOR,
        (
            "  scrapeClasses:\n",
            "  scrapeClasses:\n  - name: plain\n    default: true\n  - name: other\n    default: true\n",
        ),
    ),
)
def scrape_class_two_defaults(setup: Setup) -> Iterator[Found]:
    """Count the defaults of each scraper."""
    for scraper in setup.scrapers:
        defaults = [one for one in setup.classes(scraper) if one.tree.get("default") is True]
        if len(defaults) > 1:
            says = f"the scrape classes {' and '.join(one.name for one in defaults)} are both the default"
            yield found_at(defaults[1], ("default",), says, Fix("leave one default, or better none"))


@rule(
    "monitor-replaces-class-tls",
    title="A monitor's own tlsConfig keeps its class from switching verification off",
    severity="error",
    stage="scraping",
    why="""
        The operator fills in only the missing files from the class where a monitor has a `tlsConfig` of its own.
        `insecureSkipVerify` is not inherited, so Prometheus verifies a host name that workload certificates don't have.
        Leave `tlsConfig` out, or say `insecureSkipVerify: true` there too.
        """,
    since="prometheus-operator 0.72.0",
    sources=["prometheus-operator `pkg/prometheus/promcfg.go` (`mergeTLSConfigWithScrapeClass`)"],
    wrong=but(
        OPERATOR,
        (
            "    scheme: https\n    enableHttp2: false\n",
            "    scheme: https\n    enableHttp2: false\n    tlsConfig:\n      serverName: web\n",
        ),
    ),
)
def monitor_replaces_class_tls(setup: Setup) -> Iterator[Found]:
    """Look at monitors that name a class and have a tlsConfig."""
    seen: set[int] = set()
    for found in mtls_scrapes(setup):
        scrape, by = found.scrape, found.by
        if by is None or not found.named or own_tls(scrape) is None or found.tls.skip_verify or id(scrape) in seen:
            continue
        seen.add(id(scrape))
        edit = scrape.set(scrape.spelling.tls, scrape.spelling.skip, value=True)
        says = f"tlsConfig has no insecureSkipVerify, and that of the class {by.name} doesn't count beside it"
        yield found_at(scrape, (scrape.spelling.tls,), says, Fix("say it here too", (edit,)))


# --------------------------------------------------------------------------------------------------------- files


@rule(
    "monitor-cannot-name-files",
    title="A kind of monitor that can't name certificate files names some",
    severity="error",
    stage="scraping",
    why="""
        Only an endpoint of a ServiceMonitor may name files of the Prometheus pod. In a PodMonitor, a Probe and a
        ScrapeConfig `tlsConfig` takes references to Secrets and ConfigMaps alone, on purpose; the API server drops or
        refuses `caFile`, `certFile` and `keyFile`. A scrape class brings files to all kinds of monitors.
        """,
    since="prometheus-operator 0.74.0 (for scrape classes in these kinds)",
    sources=["prometheus-operator#3922", "prometheus-operator `pkg/apis/monitoring/v1/tls_types.go`"],
    wrong=but(
        OPERATOR,
        ("  scrapeClass: istio-mtls\n", ""),
        (
            "    scheme: https\n",
            (
                "    scheme: https\n    tlsConfig:\n      caFile: /etc/prom-certs/root-cert.pem\n"
                "      certFile: /etc/prom-certs/cert-chain.pem\n      keyFile: /etc/prom-certs/key.pem\n"
                "      insecureSkipVerify: true\n"
            ),
        ),
    ),
)
def monitor_cannot_name_files(setup: Setup) -> Iterator[Found]:
    """Look at the kinds without files."""
    for scrape in monitors(setup):
        if scrape.kind not in WITHOUT_FILES or scrape.tls is None or not scrape.tls.files:
            continue
        fields = [name for name in _FILE_FIELDS if name in scrape.tree[scrape.spelling.tls]]
        says = f"a {scrape.kind} can't name files, and this one names {', '.join(fields)}"
        yield found_at(scrape, (scrape.spelling.tls, fields[0]), says, _by_class(setup, scrape))


@rule(
    "files-denied-to-monitors",
    title="Prometheus denies files to ServiceMonitors, and one names some",
    severity="error",
    stage="selection",
    why="""
        With `arbitraryFSAccessThroughSMs.deny: true` the operator leaves out every ServiceMonitor that names files of
        the Prometheus pod. Scrape classes are not concerned: they belong to whoever owns the Prometheus resource.
        """,
    since="prometheus-operator 0.72.0 (for scrape classes)",
    sources=["prometheus-operator `pkg/prometheus/resource_selector.go`"],
    wrong=but(
        OPERATOR,
        ("  podMonitorSelector: {}\n", "  arbitraryFSAccessThroughSMs:\n    deny: true\n  podMonitorSelector: {}\n"),
        ("kind: PodMonitor", "kind: ServiceMonitor"),
        ("  scrapeClass: istio-mtls\n", ""),
        ("podMetricsEndpoints", "endpoints"),
        (
            "    scheme: https\n",
            (
                "    scheme: https\n    tlsConfig:\n      caFile: /etc/prom-certs/root-cert.pem\n"
                "      certFile: /etc/prom-certs/cert-chain.pem\n      keyFile: /etc/prom-certs/key.pem\n"
                "      insecureSkipVerify: true\n"
            ),
        ),
    ),
)
def files_denied_to_monitors(setup: Setup) -> Iterator[Found]:
    """Look at ServiceMonitors with Istio's certificates that such a Prometheus selects."""
    for scrape in monitors(setup):
        if scrape.kind != "ServiceMonitor" or scrape.tls is None:
            continue
        for scraper in setup.selected_by(scrape):
            if scraper.of_resource("arbitraryFSAccessThroughSMs", "deny") is not True:
                continue
            if not presents_istio(setup, scrape.tls, scraper):
                continue
            says = f"{scraper} denies files to ServiceMonitors (arbitraryFSAccessThroughSMs)"
            severity: Severity = "error" if is_selected_surely(setup, scraper, scrape) else "warning"
            fields = [name for name in _FILE_FIELDS if name in scrape.tree[scrape.spelling.tls]]
            path = (scrape.spelling.tls, fields[0])
            yield found_at(scrape, path, says, _by_class(setup, scrape), severity=severity)
            break


def shared_class(setup: Setup, scrape: Scrape) -> str:
    """Give the scrape class with Istio's certificates that every scraper of a monitor defines; "" for none.

    Where the monitor names a class, no other one will do.
    """
    if not scrape.spelling.scrape_class:
        return ""
    defined = [{one.name for one in istio_classes(setup, scraper)} for scraper in setup.selected_by(scrape)]
    names = sorted(set.intersection(*defined)) if defined else []
    if scrape.scrape_class:
        return scrape.scrape_class if scrape.scrape_class in names else ""
    return next(iter(names), "")


def _by_class(setup: Setup, scrape: Scrape) -> Fix:
    """Say how to have certificates from a class instead of a monitor's files."""
    scrapers, name = setup.selected_by(scrape), shared_class(setup, scrape)
    if not name:
        resource = next(iter(scrapers), None)
        shown = _class_yaml(setup, resource, "istio-mtls") if resource else ""
        says = "define a scrape class in the Prometheus resource, and name it: scrapeClass: istio-mtls"
        return Fix(says, yaml=shown or "scrapeClass: istio-mtls")
    tls = scrape.tree[scrape.spelling.tls]
    left = {key for key in tls if key not in _FILE_FIELDS} - {scrape.spelling.skip}
    edits = (
        [Edit(scrape.document, (*scrape.spec, scrape.spelling.scrape_class), name)] if not scrape.scrape_class else []
    )
    if not left:
        edits.append(scrape.set(scrape.spelling.tls, value=REMOVE))
    else:
        edits += [scrape.set(scrape.spelling.tls, key, value=REMOVE) for key in _FILE_FIELDS if key in tls]
        edits.append(scrape.set(scrape.spelling.tls, scrape.spelling.skip, value=True))
    return Fix(f"take the certificates from the scrape class {name}", tuple(edits))
