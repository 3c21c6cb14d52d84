"""Asks a running Prometheus whether the pattern works there.

client          HTTP: asks, and tells clearly why it can't
known           what a target's last error means
targets         jobs and targets: what is down, what isn't there
expected        what an environment's resources say should run
configuration   two configurations in one form, and their differences
comparing       findings from that: jobs, rules, alerts
finding         findings, as values
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, cast

from generator.errors import InputError, Problem
from generator.resource import Resource
from generator.verify import comparing, targets
from generator.verify.client import Access, AskError, Client, NotOfferedError, check_secret, check_token, read_secret
from generator.verify.configuration import scrape_jobs
from generator.verify.expected import Expected, expected
from generator.verify.finding import Finding, JobState, Report
from generator.verify.known import Cause, Step
from generator.yaml import load

__all__ = [
    "Access",
    "AskError",
    "Cause",
    "Finding",
    "JobState",
    "Report",
    "Step",
    "check_secret",
    "check_token",
    "read_secret",
    "verify",
]

#: Seconds after a reload in which jobs may still be being set up: Prometheus does that every 5 seconds.
_SETTLING = 15
_RELOAD_FAILED = Cause(
    "reload-failed",
    Step.RELOAD,
    "Prometheus refuses its configuration file, and goes on with the former one",
    "The file that lies in the pod now is not valid, or a certificate file that alerting or remote_write names isn't "
    "there: unlike a scrape job's, these keep the whole configuration from being applied.",
    "See its log (error loading config), or promtool check config; then reload.",
    "Prometheus keeps the last configuration that it could load (tried: Prometheus 2.42)",
)
_NO_RULES_IN_AGENT = "rules are not compared: this Prometheus evaluates none (agent mode), or doesn't show them"
_OTHERS_NOT_COMPARED = "not compared: alerting and remote_write"
_OPERATOR_COMPARED = (
    "compared of the Operator's configuration: that each rendered monitor has its job, its scheme, HTTP/2, tls_config, "
    "path and intervals, and its own relabelling rules in their order; not what the Operator adds"
)


def verify(access: Access, environment: str = "", resources: Iterable[Resource] = ()) -> Report:
    """Ask a Prometheus, and tell what is to repair there, in the order in which to repair it.

    With an ``environment``, and the ``resources`` that it renders, what runs is compared with them as well.

    Raises:
        AskError: it can't be asked.
    """
    should = expected(environment, resources) if environment else None
    client = Client(access)
    notes: list[str] = []
    answer = client.api("targets?state=active")
    active = _list(answer.data, "activeTargets")
    version = str(_map(_optional(client, "status/buildinfo")).get("version", ""))
    configuration = _configuration(client, notes)
    if should and configuration is None:
        hint = f"ask without {environment}, or ask Prometheus itself, without what stands before it"
        raise AskError(Problem(f"{client.base}: its configuration isn't shown, so it can't be compared", hint=hint))
    runtime = _map(_optional(client, "status/runtimeinfo"))
    pools = _map(_optional(client, "scrape_pools")).get("scrapePools")
    running = targets.Running(
        active,
        None if configuration is None else scrape_jobs(configuration),
        frozenset(map(str, pools)) if isinstance(pools, list) else None,
        _discovered(client),
        settled=_settled(runtime, answer.clock),
    )
    states = targets.job_states(running)
    findings = [*targets.find(running, states)]
    if runtime.get("reloadConfigSuccess") is False:
        findings.append(Finding(_RELOAD_FAILED, 1, "configuration"))
    if should and configuration is not None:
        findings += comparing.compare(should, configuration)
        notes.append(_OPERATOR_COMPARED if should.configuration is None else _OTHERS_NOT_COMPARED)
    findings += _rules(client, should, notes)
    notes += _job_notes(running, states, findings)
    findings.sort(key=lambda finding: (finding.cause.step, -finding.number))  # within a step, what concerns most
    report = Report(str(client.base), version, environment, tuple(states), tuple(findings), tuple(notes))
    return cast("Report", _masked(report, access))


def _masked(value: Any, access: Access) -> Any:
    """A report in which the other side's echoes of our secrets are masked."""
    if isinstance(value, tuple):
        parts = [_masked(part, access) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    return access.masked(value) if isinstance(value, str) else value


def _configuration(client: Client, notes: list[str]) -> Mapping[str, Any] | None:
    """The configuration that runs, None where it isn't shown."""
    text = _map(_optional(client, "status/config")).get("yaml")
    tree = None
    if isinstance(text, str):
        try:
            tree = load(text, "the running configuration")
        except InputError as error:
            raise AskError(Problem(f"{client.base}: its configuration can't be read: {error.problems[0]}")) from None
    if isinstance(tree, dict):
        return tree
    notes.append("its configuration isn't shown, so jobs that have no target at all can't be told, nor compared")
    return None


def _optional(client: Client, question: str) -> Any:
    try:
        return client.api(question, optional=True).data
    except NotOfferedError:
        return None


def _rules(client: Client, should: Expected | None, notes: list[str]) -> list[Finding]:
    """What is wrong with rules and alerts."""
    data = _optional(client, "rules")
    if data is None and should and should.rules:
        return [comparing.rules_hidden(should.rules)]
    if data is None:
        notes.append(_NO_RULES_IN_AGENT)
        return []
    groups = _list(data, "groups")
    found, others = comparing.firing(groups)
    notes += others
    return [*comparing.compare_rules(groups, should.rules if should else None), *found]


def _discovered(client: Client) -> dict[str, int] | None:
    """How many targets discovery finds for each job, before relabelling; None where the metrics page isn't shown."""
    import re

    try:
        page = client.text("/metrics")
    except (NotOfferedError, AskError):  # good to know, no more
        return None
    lines = re.findall(r"^prometheus_sd_discovered_targets\{([^}\n]*)\} (\d+)", page, re.MULTILINE)
    found = {}
    for labels, number in lines:
        named = dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', labels))
        if named.get("name") == "scrape" and "config" in named:
            found[named["config"]] = int(number)
    return found or None


def _settled(runtime: Mapping[str, Any], clock: float) -> bool:
    """Whether the configuration was loaded long enough ago, by Prometheus' own clock, for all jobs to be set up."""
    try:
        loaded = datetime.fromisoformat(str(runtime["lastConfigTime"]))
    except (KeyError, ValueError):
        return True
    return not clock or clock - loaded.timestamp() > _SETTLING


def _job_notes(running: targets.Running, states: list[JobState], findings: list[Finding]) -> list[str]:
    """What is no fault, but worth knowing."""
    notes = []
    told = {name for finding in findings for name in finding.jobs if finding.cause.step in {Step.POOL, Step.DISCOVERY}}
    empty = [state for state in states if not state.targets and state.name not in told]
    if empty:
        words = [f"{state.name} ({state.found} found, none kept)" if state.found else state.name for state in empty]
        notes.append(f"nothing to scrape for: {', '.join(words)}")
    waiting = sum(state.unknown for state in states if state.up or state.down)
    if waiting:
        notes.append(f"not scraped yet: {waiting} of {len(running.targets)} targets")
    return notes


def _map(data: Any) -> Mapping[str, Any]:
    return data if isinstance(data, dict) else {}


def _list(data: Any, key: str) -> list[Mapping[str, Any]]:
    found = _map(data).get(key)
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []
