"""Jobs and monitors that present Istio's certificates: scheme, verification, files."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from typing import Any

from generator.doctor.rule import Fix, Found, rule
from generator.doctor.rules.examples import CONFIGURATION, OPERATOR, PLAIN, but
from generator.monitoring import Edit, Scrape, Setup, Tls
from generator.monitoring.mtls import MtlsScrape, istio_classes, mtls_scrapes, own_tls
from generator.monitoring.relabelling import Pod, merged_pod, outcomes
from generator.monitoring.scrape import MONITORS

#: What Istio serves in cleartext whatever the mTLS mode: istiod, agent, probes, Envoy.
PLAINTEXT = frozenset({"15014", "15020", "15021", "15090"})
_OTHER_SOURCES = ("file_sd_configs", "http_sd_configs", "httpSDConfigs", "fileSDConfigs")
_SKIP = "workload certificates name no host, only a SPIFFE URI, which Prometheus can't check"


def mtls_of_jobs(setup: Setup) -> Iterator[MtlsScrape]:
    """Every scrape that presents Istio's certificates, once: monitors that several scrapers take up, for the first."""
    seen: set[int] = set()
    for found in mtls_scrapes(setup):
        if id(found.scrape) not in seen:
            seen.add(id(found.scrape))
            yield found


def found_at(scrape: Scrape, path: tuple[str | int, ...], says: str, fix: Fix | None, **more: Any) -> Found:
    """Make a finding about a part of a scrape."""
    return Found(scrape.document, scrape.where(*path), says, fix, resource=scrape.resource, **more)


# -------------------------------------------------------------------------------------------------- verification


@rule(
    "skip-verify-missing",
    title="Prometheus verifies a host name that workload certificates don't have",
    severity="error",
    stage="scraping",
    why="""
        An Istio workload certificate holds one name, the SPIFFE URI of its service account. Prometheus compares the
        host that it scrapes with DNS names and IP addresses alone, so every handshake fails with `certificate is not
        valid for any names` unless verification is off. It follows that `ca_file` verifies nothing; it still has to
        exist, for it is read.
        """,
    sources=["istio.io, Ops, Integrations, Prometheus", "prometheus/common#840"],
    wrong=PLAIN + "---\n" + but(CONFIGURATION, ("        insecure_skip_verify: true\n", "")),
)
def skip_verify_missing(setup: Setup) -> Iterator[Found]:
    """Look at each tls_config that is written out: those of jobs, of monitors that stand alone, of classes."""
    alone = [found.scrape for found in mtls_of_jobs(setup) if found.by is None or not found.named]
    written = [scrape for scrape in alone if own_tls(scrape) is not None]
    for scrape in [*written, *istio_classes(setup)]:
        tls, names = scrape.tls, scrape.spelling
        if tls is None or tls.skip_verify:
            continue
        stated = scrape.tree[names.tls].get(names.skip)
        says = f"{names.skip} is {str(stated).lower()}" if stated is not None else f"{names.skip} is not set"
        path = (names.tls, names.skip) if stated is not None else (names.tls,)
        edit = scrape.set(names.tls, names.skip, value=True, comment=_SKIP)
        yield found_at(scrape, path, f"{scrape}: {says}", Fix("switch verification off", (edit,)))


# -------------------------------------------------------------------------------------------------------- scheme


@rule(
    "https-missing",
    title="Certificates are named, but the scrape is plain HTTP",
    severity="error",
    stage="scraping",
    why="""
        Certificates are used only where the scheme is `https`, and the default is `http`. A scrape class carries
        certificates too, but sets no scheme: each endpoint that is to use them has to say `scheme: https` itself. In
        cleartext a STRICT target resets the connection.
        """,
    sources=["prometheus-operator `pkg/prometheus/promcfg.go`", "Prometheus, Configuration: scrape_config"],
    wrong=but(OPERATOR, ("    scheme: https\n", "")),
)
def https_missing(setup: Setup) -> Iterator[Found]:
    """Look at jobs with certificates, and at monitors that name a class with them."""
    for found in mtls_of_jobs(setup):
        scrape = found.scrape
        if not _means_mtls(setup, found) or _may_be_https(scrape) or _asks_plaintext_ports(scrape):
            continue
        what = f"certificates by the class {found.by.name}" if found.by is not None else "certificates"
        says = f"{scrape} has {what}, but its scheme is http"
        yield found_at(scrape, scrape.scheme_place, says, Fix("ask over https", scrape.set_scheme("https")))
    yield from _of_classes_elsewhere(setup)


def _of_classes_elsewhere(setup: Setup) -> Iterator[Found]:
    """Monitors that no Prometheus here selects, by the class that they name: by what it has, or by its name."""
    here = {one.name for one in setup.scrapes if one.kind == "scrape class"}
    with_certificates = {one.name for one in istio_classes(setup)}
    for scrape in setup.scrapes:
        name = scrape.scrape_class
        speaks = name not in here and ("istio" in name.lower() or "mtls" in name.lower())
        if not name or not (speaks or name in with_certificates) or setup.selected_by(scrape):
            continue
        if own_tls(scrape) is not None or _others_are_https(setup, scrape) or _may_be_https(scrape):
            continue
        if not _asks_plaintext_ports(scrape):
            fix = Fix(
                "ask over https" + " if the class has certificates" * (name not in here),
                scrape.set_scheme("https"),
            )
            what = "certificates by the class" if name in with_certificates else "a class that isn't here,"
            says = f"{scrape} has {what} {name}, but its scheme is http"
            severity = "error" if name in with_certificates else "info"
            yield found_at(scrape, scrape.scheme_place, says, fix, severity=severity)


def _means_mtls(setup: Setup, found: MtlsScrape) -> bool:
    """Whether a scrape is surely meant to use the certificates: a class may be the default, or for its neighbours."""
    own = own_tls(found.scrape)
    if found.scrape.kind not in MONITORS or (own is not None and own.files):
        return True
    return found.named and not _others_are_https(setup, found.scrape)


def _others_are_https(setup: Setup, scrape: Scrape) -> bool:
    return any(
        other.document is scrape.document and other.spec == scrape.spec and other.scheme == "https"
        for other in setup.scrapes
        if other.kind in MONITORS
    )


def _may_be_https(scrape: Scrape) -> bool:
    """Whether a target may end with https: by the scheme, by relabelling, by a label of its own."""
    if scrape.scheme == "https" or any(scrape.tree.get(key) for key in _OTHER_SOURCES):
        return True
    for relabeling in scrape.relabelings():
        if relabeling.target == "__scheme__" or (relabeling.action == "labelmap" and "__" in relabeling.replacement):
            return True
    static = scrape.tree.get("static_configs") or scrape.tree.get("staticConfigs") or ()
    groups = [*(static if isinstance(static, list) else []), scrape.tree]  # a VMStaticScrape's endpoint is one
    return any(_says_https(group) for group in groups if isinstance(group, Mapping))


def _says_https(group: Mapping[str, Any]) -> bool:
    """Whether static targets bring a scheme: by a label, or before their names, as vmagent has it."""
    labels, targets = (group.get(key) for key in ("labels", "targets"))
    named = isinstance(targets, list) and any(str(one).startswith("https:") for one in targets)
    return named or (isinstance(labels, Mapping) and "__scheme__" in labels)


def _asks_plaintext_ports(scrape: Scrape) -> bool:
    """Whether it asks ports alone that are cleartext in any mesh."""
    pods = (merged_pod(), Pod({"prometheus.io/scrape": "true", "prometheus.io/port": "8080"}))
    unfiltered = {outcome.port for pod in pods for outcome in outcomes(scrape, pod, filters=False)}
    kept = {outcome.port for pod in pods for outcome in outcomes(scrape, pod, same_pod=True)}
    return any(ports and ports <= PLAINTEXT for ports in (unfiltered, kept))


# --------------------------------------------------------------------------------------------------------- files


@rule(
    "certificate-without-key",
    title="Of certificate and key, one is missing",
    severity="error",
    stage="scraping",
    why="""
        A certificate without its key, or a key without its certificate, is refused: Prometheus doesn't take the whole
        configuration, and the operator leaves the monitor out. With the root certificate alone Prometheus presents
        none at all, and a STRICT target ends the handshake.
        """,
    sources=["prometheus/common `config/http_config.go`"],
    wrong=PLAIN + "---\n" + but(CONFIGURATION, ("        key_file: /etc/prom-certs/key.pem\n", "")),
)
def certificate_without_key(setup: Setup) -> Iterator[Found]:
    """Look at what each scrape ends up with; what a class lacks is told of the class."""
    for found in mtls_of_jobs(setup):
        if own_tls(found.scrape) is not None:
            yield from _incomplete(found.scrape, found.tls, found.by)
    for scrape in istio_classes(setup):
        if scrape.tls is not None:
            yield from _incomplete(scrape, scrape.tls, None)


def _incomplete(scrape: Scrape, tls: Tls, by: Scrape | None) -> Iterator[Found]:
    names = scrape.spelling
    stated = {**(by.tree.get(names.tls) or {} if by is not None else {}), **(scrape.tree.get(names.tls) or {})}
    cert = tls.cert or any(stated.get(key) for key in ("cert", "cert_ref"))
    key = tls.key or any(stated.get(key) for key in ("key", "key_ref", "keySecret"))
    if cert and key:
        return
    missing = [(names.cert, "cert-chain.pem")] * (not cert) + [(names.key, "key.pem")] * (not key)
    fix = Fix("name both files", tuple(_missing_files(scrape, tls, missing)))
    listed = " and ".join(name for name, _ in missing)
    alone = not cert and not key
    severity = "warning" if alone else "error"
    yield found_at(scrape, (names.tls,), f"{scrape}: {listed} missing", fix, severity=severity)


def _missing_files(scrape: Scrape, tls: Tls, missing: list[tuple[str, str]]) -> Iterator[Edit]:
    folder = posixpath.dirname(tls.files[0])
    for name, file in missing:
        yield scrape.set(scrape.spelling.tls, name, value=posixpath.join(folder, file))
