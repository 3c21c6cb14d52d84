"""HTTP/2 towards applications that don't speak it."""

from __future__ import annotations

from collections.abc import Iterator

from generator.doctor.rule import Fix, Found, Severity, rule
from generator.doctor.rules.examples import CONFIGURATION, PLAIN, WORKLOAD_AND_CONFIGURATION, but
from generator.doctor.rules.jobs import found_at, mtls_of_jobs
from generator.errors import ValuePath
from generator.monitoring import Edit, Scrape, Scraper, Setup
from generator.monitoring.edits import REMOVE
from generator.monitoring.mtls import MtlsScrape
from generator.monitoring.scrape import MONITORS
from generator.monitoring.targets import Target, is_http_name, targets_of
from generator.monitoring.versions import Version, parse_version, spelled

_SPOKEN_SINCE: Version = (2, 31)
_SETTING_SINCE: Version = (2, 35)
_PORT_NAMES = (("__meta_kubernetes_endpoint_port_name",), ("__meta_kubernetes_endpointslice_port_name",))
_VARIABLE = "PROMETHEUS_COMMON_DISABLE_HTTP2"
_WHY = "on a port not declared as HTTP the proxy agrees on HTTP/2 with an application that can't speak it"


@rule(
    "http2-not-off",
    title="HTTP/2 may be agreed on with an application that can't speak it",
    severity="info",
    stage="scraping",
    why="""
        Where a port isn't declared as HTTP (its name begins with none of `http`, `http2`, `grpc`, and `appProtocol`
        says none), the proxy ends mTLS and passes the bytes on, yet offers `h2` in the handshake. Prometheus takes it,
        and an application that speaks HTTP/1.1 gets HTTP/2 frames: `unexpected EOF`, `malformed HTTP response`.
        `enable_http2: false` costs nothing. It is an error where the files show such a port. The operator leaves the
        setting out of what it makes for a `version` below 2.35, whatever the image is.
        """,
    since="Prometheus 2.31 (and 2.21 to 2.28)",
    sources=[
        "prometheus/prometheus#10213",
        "prometheus/prometheus#9068",
        "neuvector/neuvector-helm#390",
        "prometheus-operator `pkg/prometheus/promcfg.go`",
    ],
    wrong=PLAIN + "---\n" + but(CONFIGURATION, ("      enable_http2: false\n", "")),
)
def http2_not_off(setup: Setup) -> Iterator[Found]:
    """Look at every scrape over https with Istio's certificates."""
    for found in mtls_of_jobs(setup):
        scrape, scraper = found.scrape, found.scraper
        lost = not scrape.http2 and _is_lost(found)
        if scrape.scheme != "https" or not scrape.spelling.http2 or not _speaks(scraper) or not (scrape.http2 or lost):
            continue
        undeclared = next((target for target in targets_of(setup, scrape) if _isnt_http(target)), None)
        if undeclared is None and _asks_http_ports(scrape):
            continue
        severity: Severity = "info" if undeclared is None else "error"
        says = f"{scrape}: {scrape.spelling.http2} is not false"
        if lost and scraper is not None:
            says = f"{scrape}: the operator leaves out {scrape.spelling.http2} for version {_stated(scraper)}"
        if undeclared is not None:
            port = undeclared.services[0]
            says += f", and port {port.name or undeclared.port} of {port.document} isn't declared as HTTP"
        path = (scrape.spelling.http2,) if scrape.spelling.http2 in scrape.tree else scrape.scheme_place
        yield found_at(scrape, path, says, _switch_off(found), severity=severity)


def _speaks(scraper: Scraper | None) -> bool:
    """Whether the program speaks HTTP/2; vmagent doesn't, and knows no setting for it."""
    if scraper is None:
        return True
    version = scraper.version
    if scraper.product == "vmagent" or (version is not None and version < _SPOKEN_SINCE):
        return False
    return version is None or version >= _SETTING_SINCE or not any(_variables(scraper))


def _variables(scraper: Scraper) -> Iterator[ValuePath]:
    """Where its environment has the variable that switched HTTP/2 off, with a value: any one did."""
    for path, variable in scraper.pod.items(*scraper.container, "env"):
        if variable.get("name") == _VARIABLE and variable.get("value"):
            yield path


def _stated(scraper: Scraper) -> str:
    """The version that an operator's resource states: its configuration is made for that one, whatever the image."""
    return str(scraper.of_resource("version") or "")


def _is_lost(found: MtlsScrape) -> bool:
    """Whether the operator makes a configuration without the setting, of a monitor that has it."""
    if found.scraper is None or found.scrape.kind not in MONITORS:
        return False
    version = parse_version(_stated(found.scraper))
    return version is not None and version < _SETTING_SINCE


def _asks_http_ports(scrape: Scrape) -> bool:
    """Whether it chooses ports of Services by names that declare HTTP."""
    if scrape.kind == "ServiceMonitor":
        return is_http_name(str(scrape.tree.get("port") or ""))
    kept = [one for one in scrape.relabelings() if one.action == "keep" and one.sources in _PORT_NAMES]
    return any(all(map(is_http_name, one.regex.strip("^$()").split("|"))) for one in kept)


def _isnt_http(target: Target) -> bool:
    return bool(target.services) and not any(port.is_http for port in target.services)


def _switch_off(found: MtlsScrape) -> Fix:
    scraper, version = found.scraper, found.scraper.version if found.scraper else None
    if scraper is not None and version is not None and version >= _SETTING_SINCE and _is_lost(found):
        new = f"{'v' * _stated(scraper).startswith('v')}{spelled(version)}"
        says, edit = f"state the version of the image, {new}", Edit(scraper.document, scraper.field("version"), new)
        return (
            Fix(f"switch it off, and {says}", (_off(found.scrape), edit)) if found.scrape.http2 else Fix(says, (edit,))
        )
    if version is not None and version < _SETTING_SINCE:
        return Fix(
            f"declare the port as HTTP, or update Prometheus to 2.35, which has {found.scrape.spelling.http2}: "
            f"{spelled(version)} doesn't know it"
        )
    return Fix("switch it off", (_off(found.scrape),))


def _off(scrape: Scrape) -> Edit:
    return scrape.set(scrape.spelling.http2, value=False, comment=_WHY)


@rule(
    "http2-variable",
    title="The variable that switched HTTP/2 off has no effect any more",
    severity="warning",
    stage="scraping",
    why=f"""
        `{_VARIABLE}` was an aid of Prometheus 2.31 to 2.34. Nothing reads it since; each job has `enable_http2`
        instead. Who relies on the variable gets HTTP/2, and `unexpected EOF` from ports not declared as HTTP.
        """,
    since="Prometheus 2.35",
    sources=["prometheus/common commit 0c7319a", "prometheus-operator#4836", "prometheus/prometheus#10213"],
    wrong=but(
        WORKLOAD_AND_CONFIGURATION,
        (
            "        args:\n",
            f'        env:\n        - name: {_VARIABLE}\n          value: "1"\n        args:\n',
        ),
        ("      enable_http2: false\n", ""),
    ),
)
def http2_variable(setup: Setup) -> Iterator[Found]:
    """Look at the environment of each Prometheus."""
    for scraper in setup.scrapers:
        if scraper.product != "prometheus" or (scraper.version is not None and scraper.version < _SETTING_SINCE):
            continue
        for path in _variables(scraper):
            over = [one for one in mtls_of_jobs(setup) if one.scraper is scraper and one.scrape.scheme == "https"]
            open_ones = [one.scrape for one in over if one.scrape.http2 and one.scrape.spelling.http2]
            edits = (scraper.pod.set(path, REMOVE), *map(_off, open_ones))
            says = f"{_VARIABLE} is set" + (f"; {len(open_ones)} jobs rely on it" if len(open_ones) > 1 else "")
            fix = Fix("take it out, and set enable_http2: false in each job over https", edits)
            severity: Severity = "warning" if open_ones or not over else "info"
            yield Found(scraper.document, scraper.pod.where(*path), says, fix, severity)
