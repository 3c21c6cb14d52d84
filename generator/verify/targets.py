"""The state of scrape jobs, and what is wrong with their targets."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from generator.verify.finding import MOST_EXAMPLES, Finding, JobState
from generator.verify.known import EXPIRED, IDENTITY, OTHER_ROOT, REFUSED, Cause, Circumstances, Step, explain

Tree = Mapping[str, Any]


class Running(NamedTuple):
    """What is known of the running Prometheus.

    ``jobs`` are the scrape jobs of its configuration by name, None where it doesn't show it. ``pools`` are those that
    it has set up, None where it doesn't tell. ``found`` counts what discovery finds for each job that it finds anything
    for, None where that isn't known. ``settled`` is False
    while the configuration is so fresh that jobs may still be being set up.
    """

    targets: list[Tree]
    jobs: Mapping[str, Tree] | None = None
    pools: frozenset[str] | None = None
    found: Mapping[str, int] | None = None
    settled: bool = True


_MISSING = Cause(
    "pool-missing",
    Step.POOL,
    "A job of the configuration is not running at all",
    "",
    "See that the three files are there and readable in the Prometheus container, then reload: it tries again only "
    "when the job's targets change. holdApplicationUntilProxyStarts or a native sidecar puts the files there first.",
    "prometheus scrape/manager.go: error creating new scrape pool; no target, no up series (tried: Prometheus 2.42)",
)
_KNOWN = (
    "Known: discovery finds targets for it, and Prometheus has set up no scrape pool, so there is no target and no up "
    "series."
)
_NOT_KNOWN = (
    "Known: it has no target. Whether it was set up, and whether discovery finds anything for it, Prometheus doesn't "
    "tell (scrape_pools since 2.42, /metrics), so this is a guess: it names certificate files, and other jobs have "
    "targets."
)
_FILES_GUESS = (
    " Guessed: one of the files that its tls_config names was missing, unreadable or unfit when the configuration was "
    "loaded ({files}). The log says which: error creating new scrape pool."
)
_NO_FILES_GUESS = " It names no file that could be missing; the log says why: error creating new scrape pool."
_EMPTY_DISCOVERY = Cause(
    "discovery-empty",
    Step.DISCOVERY,
    "Discovery finds no pod, service or node at all",
    "Most often the service account may not list them: the ClusterRole or its binding is missing or names another "
    "account (discovery is answered 403). Or the namespaces to look in are empty.",
    "kubectl auth can-i list pods --as system:serviceaccount:NAMESPACE:ACCOUNT; apply the rendered ClusterRole and "
    "ClusterRoleBinding.",
    "Kubernetes RBAC: without a binding discovery gets 403",
)
_EMPTY_OR_DROPPED = _EMPTY_DISCOVERY._replace(
    title="No job that asks Kubernetes has a target",
    cause="Prometheus doesn't tell here (/metrics) whether discovery finds anything. " + _EMPTY_DISCOVERY.cause,
)
_NOTHING_SCRAPED = Cause(
    "never-scraped",
    Step.ANSWER,
    "A job's targets have not been scraped yet",
    "They are new, or the scrape interval is long.",
    "Ask again after one scrape interval.",
    "Prometheus spreads first scrapes over the interval",
)


_SETTLING = Cause(
    "settling",
    Step.POOL,
    "Jobs have not been set up yet",
    "Prometheus loaded its configuration a few seconds ago, and sets up jobs every 5 seconds.",
    "Ask again in a moment.",
    "prometheus scrape/manager.go",
)
_NO_TARGETS = Cause(
    "no-targets",
    Step.DISCOVERY,
    "Prometheus has no target at all",
    "No job is configured, or none finds anything.",
    "Is it the right Prometheus? See Status, Service discovery.",
    "Prometheus lists what it scrapes under Status, Targets",
)


def job_states(running: Running) -> list[JobState]:
    """Count each job's targets; those of the configuration first, in its order."""
    counts: dict[str, Counter[str]] = {
        name: Counter() for name in [*(running.jobs or {}), *sorted(running.pools or ())]
    }
    for target in running.targets:
        counts.setdefault(job_of(target), Counter())[_health(target)] += 1
    return [
        JobState(
            name,
            seen["up"],
            seen["down"],
            seen.total() - seen["up"] - seen["down"],
            None if running.pools is None else name in running.pools,
            None if running.found is None else running.found.get(name, 0),
        )
        for name, seen in counts.items()
    ]


def job_of(target: Tree) -> str:
    """The name of a target's job, as the configuration has it."""
    labels = target.get("labels")
    return str(target.get("scrapePool") or (labels.get("job", "") if isinstance(labels, dict) else ""))


def find(running: Running, states: Iterable[JobState]) -> Iterator[Finding]:
    """Find what is wrong with jobs and targets."""
    states = list(states)
    found = [*_missing_pools(running, states), *_empty_discovery(running, states)]
    if not found and not running.targets:
        found.append(Finding(_NO_TARGETS, 0, "target"))
    yield from found
    fresh = [state for state in states if state.unknown and not state.up + state.down]
    if fresh:
        names = tuple(state.name for state in fresh)
        yield Finding(_NOTHING_SCRAPED, sum(state.unknown for state in fresh), "target", names)
    yield from _failing(running)


def _missing_pools(running: Running, states: list[JobState]) -> Iterator[Finding]:
    """Jobs that were not set up. Before Prometheus 3 a job for which discovery finds nothing isn't either."""
    if running.jobs is None:
        return
    silent = [state for state in states if state.name in running.jobs and not state.targets and not state.pool]
    if not running.settled:
        waiting = tuple(state.name for state in silent)
        if waiting:
            yield Finding(_SETTLING, len(waiting), "job", waiting)
        return
    known = [state.name for state in silent if state.pool is False and state.found]
    elsewhere = any(state.targets for state in states if "static_configs" not in running.jobs.get(state.name, {}))
    guessed = [
        state.name
        for state in silent
        if state.name not in known and state.found != 0 and elsewhere and files_of(running.jobs[state.name])
    ]
    for names, told in ((known, _KNOWN), (guessed, _NOT_KNOWN)):
        if names:
            files = sorted({path for name in names for path in files_of(running.jobs[name])})
            guess = _FILES_GUESS.format(files=", ".join(files)) if files else _NO_FILES_GUESS
            title = _MISSING.title if len(names) == 1 else "Jobs of the configuration are not running at all"
            yield Finding(_MISSING._replace(title=title, cause=told + guess), len(names), "job", tuple(names))


def files_of(job: Tree) -> list[str]:
    """The files that must be there for a job to be set up."""
    tls = job.get("tls_config")
    return (
        [str(tls[key]) for key in ("ca_file", "cert_file", "key_file") if tls.get(key)] if isinstance(tls, dict) else []
    )


def _empty_discovery(running: Running, states: list[JobState]) -> Iterator[Finding]:
    """Every job that asks Kubernetes is empty: not the pods' doing."""
    asking = [state for state in states if (running.jobs or {}).get(state.name, {}).get("kubernetes_sd_configs")]
    if len(asking) > 1 and running.settled and not any(state.targets or state.found for state in asking):
        cause = _EMPTY_DISCOVERY if running.found is not None else _EMPTY_OR_DROPPED
        yield Finding(cause, len(asking), "job", tuple(state.name for state in asking))


def _failing(running: Running) -> Iterator[Finding]:
    """Group what is down by its cause."""
    groups: dict[Cause, list[Tree]] = {}
    for target in running.targets:
        if _health(target) == "down":
            groups.setdefault(explain(_error(target), _circumstances(target, running)), []).append(target)
    for cause, targets in _same_refusal(groups).items():
        messages = Counter(_short(_error(target)) for target in targets)
        yield Finding(
            cause,
            len(targets),
            "target",
            tuple(dict.fromkeys(job_of(target) for target in targets)),
            tuple(message for message, _ in messages.most_common(MOST_EXAMPLES)),
            tuple(_named(target) for target in targets[:MOST_EXAMPLES]),
        )


def _same_refusal(groups: dict[Cause, list[Tree]]) -> dict[Cause, list[Tree]]:
    """Count a refusal that says nothing to the one reason that other targets of its job give for theirs."""
    reasons: dict[str, set[Cause]] = {}
    for cause in (OTHER_ROOT, EXPIRED, IDENTITY):
        for target in groups.get(cause, ()):
            reasons.setdefault(job_of(target), set()).add(cause)
    silent = groups.pop(REFUSED, [])
    for target in silent:
        found = reasons.get(job_of(target), set())
        (cause,) = found if len(found) == 1 else {REFUSED}
        groups.setdefault(cause, []).append(target)
    return groups


def _health(target: Tree) -> str:
    """``up``, ``down`` or ``unknown``; victoria-metrics calls a target down that it hasn't scraped yet."""
    health = str(target.get("health"))
    return "unknown" if health == "down" and not _error(target) else health


def _error(target: Tree) -> str:
    return str(target.get("lastError") or "")


def _circumstances(target: Tree, running: Running) -> Circumstances:
    scheme, port = "http", 0
    try:
        address = urlsplit(str(target.get("scrapeUrl") or ""))
        scheme, port = address.scheme or "http", address.port or 0
    except ValueError:
        pass
    return Circumstances(scheme, port, (running.jobs or {}).get(job_of(target), {}))


def _short(error: str) -> str:
    """An error without what differs from one target to the next."""
    error = re.sub(r'^(Get|Post) "[^"]*": ', "", error)
    error = re.sub(r"\b(read|write|dial) (tcp|udp)[46]? [^ ]+: (?=(read|write|connect): )", "", error)
    error = re.sub(
        r"(certificate for|certificate is valid for|not) (\d+\.\d+\.\d+\.\d+|\[?[0-9a-f:]+:[0-9a-f:]+\]?)",
        r"\1 IP",
        error,
    )
    return re.sub(r": current time .*", "", error)


def _named(target: Tree) -> str:
    labels = target.get("labels")
    labels = labels if isinstance(labels, dict) else {}
    pod = "/".join(str(labels[name]) for name in ("namespace", "pod") if labels.get(name))
    return f"{target.get('scrapeUrl', '')}{f' ({pod})' if pod else ''}"
