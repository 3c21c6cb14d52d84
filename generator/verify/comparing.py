"""Findings from comparing what runs with what an environment renders: jobs, settings, rules, alerts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from generator.verify.configuration import (
    Difference,
    compare_job,
    compare_settings,
    contains_in_order,
    filled_in,
    scrape_jobs,
)
from generator.verify.expected import Expected, MadeJob
from generator.verify.finding import MOST_EXAMPLES, Finding
from generator.verify.known import Cause, Step

Tree = Mapping[str, Any]

#: The group of the alerts that sidecert brings along.
OWN_GROUPS = "sidecert"
_MOST_DIFFERENCES = 8

_NOT_LOADED = (
    "What was rendered has not been applied, or Prometheus has not loaded it: the ConfigMap takes a minute to reach "
    "the pod, and a reload follows."
)
_LOAD = "Apply the rendered resources and wait for the reload (in the log: Completed loading of configuration file)."
_BY_OPERATOR = (
    "The Operator has not taken the monitor: its labels don't fit the selectors of the Prometheus resource, it is "
    "refused (kubectl get events), or this is another Prometheus."
)
_SHOWN_UNDER = "Prometheus shows the configuration that it runs with under Status, Configuration"

_JOB_MISSING = Cause(
    "job-missing", Step.CONFIGURATION, "Jobs that are rendered don't run", _NOT_LOADED, _LOAD, _SHOWN_UNDER
)
_JOB_EXTRA = Cause(
    "job-extra",
    Step.CONFIGURATION,
    "Jobs run that are not rendered",
    "Somebody added them by hand, or this Prometheus runs another environment.",
    "Add them under scrape.extraJobs, or apply what is rendered. Is it the right environment?",
    _SHOWN_UNDER,
)
_DIFFERENT = Cause(
    "configuration-different",
    Step.CONFIGURATION,
    "The configuration that runs is not the rendered one",
    _NOT_LOADED + " Or somebody changed it by hand.",
    _LOAD,
    _SHOWN_UNDER,
)
_RULES_MISSING = Cause(
    "rules-missing",
    Step.RULES,
    "Rules that are rendered are not loaded",
    "The rule file is not there (rule_files), or the PrometheusRule's labels don't fit the ruleSelector.",
    "Apply the rendered rules, and see that rule_files or the ruleSelector takes them in.",
    "Prometheus lists what it evaluates under Status, Rules",
)
_RULE_FAILS = Cause(
    "rule-failing",
    Step.RULES,
    "Rules can't be evaluated",
    "Their expression fails on the series that there are now, so they can't fire.",
    "Correct the expression; Prometheus names the reason.",
    "Prometheus reports each rule's health",
)
_FIRING = Cause(
    "alert-firing",
    Step.ALERTS,
    "Alerts of the pattern are firing",
    "See their descriptions; most often what stands above is why.",
    "Repair the findings above first; an alert resolves when its cause is gone.",
    "Prometheus lists them under Alerts",
)


def compare(expected: Expected, running: Tree) -> Iterator[Finding]:
    """Compare the configuration that runs with what an environment renders."""
    jobs = scrape_jobs(running)
    if expected.configuration is None:
        yield from _compare_made(expected.made, jobs)
        return
    rendered = scrape_jobs(expected.configuration)
    missing = tuple(name for name in rendered if name not in jobs)
    extra = tuple(name for name in jobs if name not in rendered)
    if missing:
        yield Finding(_JOB_MISSING, len(missing), "job", missing)
    if extra:
        yield Finding(_JOB_EXTRA, len(extra), "job", extra)
    overall = (_section(expected.configuration, "global"), _section(running, "global"))
    ignored = filled_in(running)
    different = {name: compare_job(job, jobs[name], overall, ignored) for name, job in rendered.items() if name in jobs}
    yield from _different(different, [*compare_settings(*overall), *_rule_files(expected.configuration, running)])


def _section(tree: Tree, name: str) -> Tree:
    found = tree.get(name)
    return found if isinstance(found, dict) else {}


def _rule_files(rendered: Tree, running: Tree) -> list[Difference]:
    left, right = ([str(path) for path in tree.get("rule_files") or ()] for tree in (rendered, running))
    return [Difference("rule_files", path, "") for path in left if path not in right]


def _compare_made(made: Iterable[MadeJob], jobs: Mapping[str, Tree]) -> Iterator[Finding]:
    """Compare what can be told of the Operator's jobs: that they are there, how they connect, their monitors' rules."""
    made = list(made)
    missing = tuple(job.name for job in made if job.name not in jobs)
    if missing:
        fact = "prometheus-operator pkg/prometheus/resource_selector.go"
        yield Finding(_JOB_MISSING._replace(cause=_BY_OPERATOR, fact=fact), len(missing), "job", missing)
    different = {}
    for job in made:
        if job.name in jobs:
            running = jobs[job.name]
            keys = {"scheme", "enable_http2", "tls_config", *job.settings}
            compared = {key: value for key, value in running.items() if key in keys}
            found = compare_job(job.settings, compared, ({}, {}), frozenset())
            rules = contains_in_order(running.get("relabel_configs") or (), job.rules)
            different[job.name] = [*found, *(Difference("relabel_configs", rule, "") for rule in rules)]
    yield from _different(different, [])


def _different(different: Mapping[str, list[Difference]], overall: list[Difference]) -> Iterator[Finding]:
    """One finding for each set of differences, with the jobs that share it."""
    groups: dict[tuple[Difference, ...], list[str]] = {}
    for name, found in different.items():
        if found:
            groups.setdefault(tuple(found), []).append(name)
    for differences, names in groups.items():
        yield Finding(_DIFFERENT, len(names), "job", tuple(names), _told(differences))
    if overall:
        yield Finding(_DIFFERENT, len(overall), "setting", (), _told(overall))


def _told(differences: Iterable[Difference]) -> tuple[str, ...]:
    lines = [str(difference) for difference in differences]
    more = len(lines) - _MOST_DIFFERENCES
    return (*lines[:_MOST_DIFFERENCES], *([f"and {more} more"] if more > 0 else []))


def rules_hidden(rendered: Mapping[str, tuple[str, ...]]) -> Finding:
    """Rules are rendered, and Prometheus shows none at all."""
    cause = "This Prometheus evaluates no rules (agent mode), or doesn't show them."
    names = [f"{group}: {name}" for group, rules in rendered.items() for name in rules]
    return Finding(_RULES_MISSING._replace(cause=cause), len(names), "rule", (), (), tuple(names[: 2 * MOST_EXAMPLES]))


def compare_rules(groups: Iterable[Tree], rendered: Mapping[str, tuple[str, ...]] | None) -> Iterator[Finding]:
    """Compare the rules that are loaded with the rendered ones (None: nothing is known of these); tell what fails."""
    loaded: dict[str, set[str]] = {}
    failing: list[tuple[str, str]] = []
    for group in groups:
        for rule in group.get("rules") or ():
            name = str(rule.get("name"))
            loaded.setdefault(str(group.get("name")), set()).add(name)
            ours = str(group.get("name")) in (rendered or ()) or str(group.get("name")).startswith(OWN_GROUPS)
            if rule.get("health") == "err" and ours:
                failing.append((f"{group.get('name')}: {name}", str(rule.get("lastError") or "")))
    missing = [
        f"{group}: {name}"
        for group, names in (rendered or {}).items()
        for name in names
        if name not in loaded.get(group, ())
    ]
    if missing:
        yield Finding(_RULES_MISSING, len(missing), "rule", (), (), tuple(missing[: 2 * MOST_EXAMPLES]))
    if failing:
        says = tuple(dict.fromkeys(error for _, error in failing))[:MOST_EXAMPLES]
        yield Finding(_RULE_FAILS, len(failing), "rule", (), says, tuple(name for name, _ in failing[:MOST_EXAMPLES]))


def firing(groups: Iterable[Tree]) -> tuple[list[Finding], list[str]]:
    """Tell the alerts that fire: those of the pattern as a finding, others as a note."""
    ours: Counter[str] = Counter()
    others: Counter[str] = Counter()
    said: dict[str, str] = {}
    for group in groups:
        own = str(group.get("name")).startswith(OWN_GROUPS)
        for rule in group.get("rules") or ():
            active = [alert for alert in rule.get("alerts") or () if alert.get("state") == "firing"]
            if active:
                name = str(rule.get("name"))
                (ours if own else others)[name] += len(active)
                annotations = active[0].get("annotations") or {}
                said.setdefault(name, str(annotations.get("description") or annotations.get("summary") or ""))
    findings = []
    if ours:
        told = tuple(
            f"{name} ({number}): {said[name]}" if said[name] else f"{name} ({number})" for name, number in ours.items()
        )
        findings.append(Finding(_FIRING, ours.total(), "alert", (), told[: 2 * MOST_EXAMPLES]))
    notes = [f"alerts of others that fire: {', '.join(sorted(others))}"] if others else []
    return findings, notes
