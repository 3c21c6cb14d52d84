"""What Prometheus does with a scrape job and discovered targets: relabelling, and which targets are left.

Written after Prometheus' `model/relabel/relabel.go` and `scrape/target.go` (3.x), so that a test can say without a
cluster what a rendered job scrapes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

Labels = Mapping[str, str]

_REFERENCE = re.compile(r"\$(?:(\$)|(\w+)|\{(\w+)\})", re.ASCII)
_LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


class Target(NamedTuple):
    """What Prometheus scrapes: the job, the URL without parameters, and the labels its series get."""

    job: str
    scheme: str
    address: str
    path: str
    labels: dict[str, str]

    @property
    def job_label(self) -> str:
        """The job its series belong to: a PodMonitor's relabelling may set it."""
        return self.labels["job"]

    @property
    def url(self) -> str:
        """Where the request goes."""
        return f"{self.scheme}://{self.address}{self.path}"


def targets(config: Mapping[str, Any], discovered: Iterable[Labels]) -> list[Target]:
    """Relabel what a job discovers; targets that end with equal labels count once (`scrapePool.Sync`).

    ``config`` is a scrape configuration as in prometheus.yml; ``discovered`` are the labels discovery gives.
    """
    found: dict[frozenset[tuple[str, str]], Target] = {}
    for labels in discovered:
        final = populate(config, labels)
        if final is not None:
            found.setdefault(frozenset(final.items()), _target(config["job_name"], final))
    return list(found.values())


def populate(config: Mapping[str, Any], discovered: Labels) -> dict[str, str] | None:
    """Give a target's labels, those with two underscores included; None: the target is dropped."""
    labels = {
        "job": config["job_name"],
        "__scheme__": config.get("scheme", "http").lower(),
        "__metrics_path__": config.get("metrics_path", "/metrics"),
        "__scrape_interval__": config.get("scrape_interval", "1m"),
        "__scrape_timeout__": config.get("scrape_timeout", "10s"),
        **{f"__param_{name}": values[0] for name, values in config.get("params", {}).items() if values},
        **{name: value for name, value in discovered.items() if value},
    }
    relabelled = relabel(labels, config.get("relabel_configs", []))
    if not relabelled or not relabelled.get("__address__") or "/" in relabelled["__address__"]:
        return None
    final = {name: value for name, value in relabelled.items() if not name.startswith("__meta_")}
    final.setdefault("instance", final["__address__"])
    return final


def _target(job: str, labels: Labels) -> Target:
    shown = {name: value for name, value in labels.items() if not name.startswith("__")}
    return Target(job, labels["__scheme__"], labels["__address__"], labels["__metrics_path__"], shown)


def relabel(labels: Labels, rules: Iterable[Mapping[str, Any]]) -> dict[str, str] | None:
    """Apply relabelling rules in order; None: a rule drops the target."""
    result = dict(labels)
    for rule in rules:
        if not _apply(rule, result):
            return None
    return result


def _apply(rule: Mapping[str, Any], labels: dict[str, str]) -> bool:
    """Change labels as one rule says; False: the target is dropped."""
    action: str = rule.get("action", "replace").lower()
    value: str = rule.get("separator", ";").join(labels.get(name, "") for name in rule.get("source_labels", []))
    regex = _regex(str(rule.get("regex", "(.*)")))
    target: str = rule.get("target_label", "")
    if action in {"keep", "drop"}:
        return (regex.fullmatch(value) is not None) == (action == "keep")
    if action in {"keepequal", "dropequal"}:
        return (labels.get(target, "") == value) == (action == "keepequal")
    if action == "replace":
        _replace(rule, regex, value, labels)
    elif action in {"lowercase", "uppercase"}:
        _set(labels, target, value.lower() if action == "lowercase" else value.upper())
    elif action == "labelmap":
        for name, mapped in list(labels.items()):
            if match := regex.fullmatch(name):
                labels[expand(rule.get("replacement", "$1"), match)] = mapped
    elif action in {"labeldrop", "labelkeep"}:
        for name in list(labels):
            if (regex.fullmatch(name) is not None) == (action == "labeldrop"):
                del labels[name]
    else:
        raise NotImplementedError(action)
    return True


def _replace(rule: Mapping[str, Any], regex: re.Pattern[str], value: str, labels: dict[str, str]) -> None:
    match = regex.fullmatch(value)
    if match is None:
        return
    name = expand(rule["target_label"], match)
    if _LABEL_NAME.fullmatch(name):
        _set(labels, name, expand(rule.get("replacement", "$1"), match))


def _set(labels: dict[str, str], name: str, value: str) -> None:
    """An empty value and an absent label are the same."""
    if value:
        labels[name] = value
    else:
        labels.pop(name, None)


@lru_cache(maxsize=512)
def _regex(text: str) -> re.Pattern[str]:
    """RE2 as Prometheus 3 uses it: the whole value must match, `.` is any character, `\\d` and `\\w` are ASCII."""
    return re.compile(text, re.DOTALL | re.ASCII)


def expand(template: str, match: re.Match[str]) -> str:
    """Go's `Regexp.Expand`: `$1x` means the group called `1x`, `${1}x` the first; what isn't there is empty."""
    return _REFERENCE.sub(lambda found: "$" if found[1] else _group(match, found[2] or found[3]), template)


def _group(match: re.Match[str], name: str) -> str:
    if name.isdigit():
        return (match[int(name)] or "") if int(name) <= (match.re.groups or 0) else ""
    return (match[name] or "") if name in match.re.groupindex else ""
