"""Addresses that relabelling makes, and the secure metrics ports."""

from __future__ import annotations

import re
from collections.abc import Iterator

from generator.doctor.rule import Fix, Found, Severity, rule
from generator.doctor.rules.examples import CONFIGURATION, PLAIN, but
from generator.doctor.rules.jobs import found_at, mtls_of_jobs
from generator.doctor.rules.merging import BY_ANNOTATION
from generator.errors import ValuePath
from generator.monitoring import Scrape, Setup
from generator.monitoring.relabelling import IPV6, Outcome, Pod, outcomes, pattern
from generator.monitoring.scrape import Relabeling
from generator.monitoring.versions import Version, spelled

_ISTIOS_PORTS = (":15020", ":15090", ":15091", ":15092")
_SECURE_SINCE: Version = (1, 31)
_PATH = "/stats/prometheus"
_ANNOTATION = "__meta_kubernetes_pod_annotation_"
_TOLD = {
    "prometheus.io/scrape": "true",
    "prometheus.io/port": "15020",
    "prometheus.io/path": _PATH,
    "prometheus.istio.io/secure-port": "15092",
    "prometheus.istio.io/secure-envoy-port": "15091",
}
_ADDRESSES = ("__address__", "__meta_kubernetes_pod_ip")
_NUMBER = "(\\d+)"
_WORD = re.compile(r"[\w.-]+", re.ASCII)
_CONSTANT = re.compile(r":(\d+)$", re.ASCII)
_SURELY, _MAYBE, _ANYHOW = {"sure": True}, dict[str, bool](), {"filters": False}
_IPV4_RULE = """\
      - source_labels: [__address__, __meta_kubernetes_pod_annotation_example_com_port]
        regex: ([^:]+)(?::\\d+)?;(\\d+)
        replacement: $1:$2
        target_label: __address__
"""


@rule(
    "ipv4-only-address",
    title="Relabelling makes an address that is none for IPv6",
    severity="info",
    stage="scraping",
    why="""
        An IPv6 address stands in brackets where a port follows. `([^:]+)(?::\\d+)?;(\\d+)` doesn't match one, so the
        port is not set, and `$1:$2` from a pod's bare IP makes `fd00::1:15020`, which is none. Two rules on the pod's
        IP serve both families: one for addresses with a colon, one for those without.
        """,
    sources=["istio#35915", "prometheus-community/helm-charts#1502", "istio#43434"],
    wrong=f"{PLAIN}---\n{CONFIGURATION}{_IPV4_RULE}",
)
def ipv4_only_address(setup: Setup) -> Iterator[Found]:
    """Try jobs with Istio's certificates, or with a port of Istio's, on one pod with an address of either family."""
    mtls = {id(found.scrape) for found in mtls_of_jobs(setup)}
    for scrape in setup.scrapes:
        rules = [one for one in scrape.relabelings() if one.target == "__address__"]
        if scrape.kind == "scrape class" or not rules:
            continue
        pod = _pod_for(rules)
        if id(scrape) not in mtls and not _is_for_proxies(scrape, pod, rules):
            continue
        broken = next((pair for pair in _of_both(scrape, pod) if not _alike(*pair)), None)
        if broken is not None:
            old, new = broken
            asked = new.address if new is not None else "nothing"
            says = f"{scrape} asks {old.address}, and {asked} where the pod's address is IPv6"
            do = "use two rules, one for each family"
            do += ", and take out the one that keeps IPv4 addresses alone" if new is None else ""
            path = rules[0].path[len(scrape.path) :]
            yield found_at(scrape, path, says, Fix(do, yaml=_two_rules(scrape, rules, old.port)))


def _of_both(scrape: Scrape, pod: Pod) -> list[tuple[Outcome, Outcome | None]]:
    """What is asked of a pod, and of the same with an IPv6 address: of targets that surely stay, if there are any."""
    for how in _SURELY, _MAYBE, _ANYHOW:
        old, new = (outcomes(scrape, one, **how) for one in (pod, pod._replace(ip=IPV6)))
        if old:
            return list(zip(old, new, strict=False)) or [(old[0], None)]
    return []


def _is_for_proxies(scrape: Scrape, pod: Pod, rules: list[Relabeling]) -> bool:
    """Whether it asks a port of Istio's: one that a rule names, or that of merged metrics on pods with a proxy."""
    if any(port in one.replacement for one in rules for port in _ISTIOS_PORTS):
        return True
    asked = outcomes(scrape, pod, sure=True)
    bare = outcomes(scrape, pod._replace(injected=False), sure=True)
    return bool(asked) and not bare and all(f":{one.port}" in _ISTIOS_PORTS for one in asked)


def _pod_for(rules: list[Relabeling]) -> Pod:
    """A pod with every annotation that rules look at: a port, or what they ask for."""
    told = {re.sub(r"[^a-z]", "_", key) for key in _TOLD}
    values: dict[str, str] = {}
    for one in rules:
        for source, asked in _conditions(one).items():
            name = source.removeprefix(_ANNOTATION)
            if name != source and name not in told:
                values[name] = asked if _WORD.fullmatch(asked) else "9102"
    return Pod({**dict(sorted(values.items())), **_TOLD})


def _conditions(rule: Relabeling) -> dict[str, str]:
    """What a rule that sets the address looks at beside the address, and the part of its regex for that."""
    parts = rule.regex.removeprefix("^").removesuffix("$").split(";")
    if len(parts) != len(rule.sources):
        parts = [_NUMBER] * len(rule.sources)
    return {source: part for source, part in zip(rule.sources, parts, strict=True) if source not in _ADDRESSES}


def _alike(four: Outcome, six: Outcome | None) -> bool:
    """Whether an outcome with IPv6 is that with IPv4, but for the address of the pod."""
    return six is not None and six.is_valid and six.port == four.port


def _two_rules(scrape: Scrape, rules: list[Relabeling], port: str) -> str:
    """The form for both families of the rule that sets the address: as it, it asks a port that it names or reads."""
    from generator.yaml import block

    names = scrape.spelling
    rule = next((one for one in rules if _conditions(one)), rules[0])
    conditions, constant = _conditions(rule), _CONSTANT.search(rule.replacement)
    if conditions and constant is None:
        conditions = {source: _NUMBER if "(" in part else part for source, part in conditions.items()}
    prefix = "".join(f"{part};" for part in conditions.values())
    read = pattern(prefix).groups
    number = constant[1] if constant else "$1" if read else port
    group, sources = f"${read + 1}", ", ".join([*conditions, "__meta_kubernetes_pod_ip"])
    lines: list[str] = [f"{names.relabelings}:"]
    for regex, address in ((f"{prefix}(.*:.*)", f"'[{group}]:{number}'"), (f"{prefix}([^:]+)", f"{group}:{number}")):
        plain = regex[0] == "(" or regex[0].isalnum()
        lines += [f"- {names.sources}: [{sources}]", f"  regex: {regex if plain else block(regex)}"]
        lines += [f"  replacement: {address}", f"  {names.target}: __address__"]
    return "\n".join(lines)


# ---------------------------------------------------------------------------------------------------- secure ports


_SECURE_JOB = but(
    BY_ANNOTATION.replace("pod_annotation_prometheus_io_port", "pod_annotation_prometheus_istio_io_secure_envoy_port"),
    ("prometheus_io_scrape", "prometheus_istio_io_secure_envoy_port"),
    ('regex: "true"', "regex: .+"),
)
_SECURE = Pod({"prometheus.istio.io/secure-port": "15092", "prometheus.istio.io/secure-envoy-port": "15091"})
_WITHOUT_PORTS = Pod()


@rule(
    "secure-port-path",
    title="The secure metrics port is asked for a path that it doesn't serve",
    severity="error",
    stage="scraping",
    why="""
        Envoy's secure port (15091) serves `/stats/prometheus` alone, and the one for merged metrics (15092)
        `/stats/prometheus` and `/metrics`. Prometheus asks for `/metrics` unless it is told otherwise, and gets 404. A
        rule that takes the path from `prometheus.io/path` leaves it at that where a pod has no such annotation.
        """,
    since="Istio 1.31",
    sources=["istio `tools/packaging/common/envoy_bootstrap.json`", "istio#60391", "istio#60602"],
    wrong=f"# istio 1.31\n{PLAIN}---\n{_SECURE_JOB}",
)
def secure_port_path(setup: Setup) -> Iterator[Found]:
    """Try each job over https on a pod with secure ports and without a path of its own."""
    for found in mtls_of_jobs(setup):
        scrape = found.scrape
        for one in outcomes(scrape, _SECURE):
            served = {"15091": (_PATH,), "15092": (_PATH, "/metrics")}.get(one.port)
            if served is None or one.scheme != "https" or one.path in served or not _is_secure(scrape, one.port):
                continue
            annotated = any(rule.target == "__metrics_path__" for rule in scrape.relabelings())
            severity: Severity = "warning" if annotated else "error"
            says = f"{scrape} asks port {one.port} for {one.path}" + (" unless a pod names a path" if annotated else "")
            name = scrape.spelling.path
            edit = scrape.set(name, value=_PATH)
            fix = Fix(f"ask for {_PATH}", (edit,))
            yield found_at(scrape, (name,) if name in scrape.tree else (), says, fix, severity=severity)
            break


def _is_secure(scrape: Scrape, port: str) -> bool:
    """Whether the port comes from Istio's annotation, not from a declared port that has its number by chance."""
    return all(one.port != port for one in outcomes(scrape, _WITHOUT_PORTS, filters=False)) or _sets_address(scrape)


def _sets_address(scrape: Scrape) -> bool:
    return any(rule.target == "__address__" for rule in scrape.relabelings())


@rule(
    "secure-ports-too-old",
    title="A job waits for secure metrics ports that this Istio doesn't have",
    severity="warning",
    stage="scraping",
    why="""
        The secure metrics ports, and the annotations `prometheus.istio.io/secure-port` and `secure-envoy-port` that
        name them, came with Istio 1.31. Before, no pod has them, and the job finds nothing.
        """,
    since="Istio 1.31",
    sources=["istio `releasenotes/notes/secure-metrics-port.yaml`", "istio#60391"],
    wrong="# istio 1.30\n"
    + PLAIN
    + "---\n"
    + _SECURE_JOB.replace("      scheme: https\n", f"      scheme: https\n      metrics_path: {_PATH}\n"),
)
def secure_ports_too_old(setup: Setup) -> Iterator[Found]:
    """Look for the annotations in relabelling, where the user told the version."""
    if not setup.settings.istio_given or setup.settings.istio >= _SECURE_SINCE:
        return
    for scrape in setup.scrapes:
        for relabeling in scrape.relabelings():
            if relabeling.action == "keep" and any("prometheus_istio_io_secure_" in one for one in relabeling.sources):
                says = f"{scrape} keeps pods with secure ports alone, and Istio is {spelled(setup.settings.istio)}"
                path: ValuePath = relabeling.path[len(scrape.path) :]
                yield found_at(scrape, path, says, Fix("update Istio to 1.31, or scrape merged metrics over http"))
                break
