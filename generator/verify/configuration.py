"""Compares the configuration that runs with the one that an environment renders.

Prometheus shows its configuration with defaults filled in, durations in its own spelling and secrets hidden. Both sides
are brought to one form: defaults left out, durations in milliseconds, scalars as text; a hidden secret equals anything.
What only the running side has is no difference where it is a default that later releases fill in.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

Tree = Mapping[str, Any]

HIDDEN = "<secret>"
_HIDDEN_PASSWORD = re.compile(r"(?<=:)[^:/@]*(?=@)")
_SECRETS = {
    "password",
    "credentials",
    "bearer_token",
    "client_secret",
    "secret_key",
    "api_key",
    "token",
    "key",
    "secrets",
}

#: What Prometheus fills in where a job says nothing.
_JOB_DEFAULTS: Tree = {
    "metrics_path": "/metrics",
    "scheme": "http",
    "honor_labels": "false",
    "honor_timestamps": "true",
    "follow_redirects": "true",
    "enable_http2": "true",
}
#: In milliseconds.
_GLOBAL_DEFAULTS: Tree = {"scrape_interval": "60000", "scrape_timeout": "10000"}
#: The same in a discovery, which has its own HTTP client.
_DISCOVERY_DEFAULTS: Tree = {"follow_redirects": "true", "enable_http2": "true"}
_RULE_DEFAULTS: Tree = {"separator": ";", "regex": "(.*)", "replacement": "$1", "action": "replace"}
#: Settings that nobody fills in: where one runs that was not rendered, somebody set it.
_DELIBERATE = {
    "authorization",
    "basic_auth",
    "bearer_token",
    "bearer_token_file",
    "body_size_limit",
    "fallback_scrape_protocol",
    "keep_dropped_targets",
    "label_limit",
    "label_name_length_limit",
    "label_value_length_limit",
    "metric_relabel_configs",
    "oauth2",
    "params",
    "proxy_url",
    "relabel_configs",
    "sample_limit",
    "target_limit",
    "tls_config",
    "http_headers",
}
#: Of these kinds of discovery each has defaults of its own, so what they have beyond what is rendered doesn't count.
_OTHER_DISCOVERY = re.compile(r"^(?!kubernetes_)\w+_sd_configs\[\d+\]$")
_DURATIONS = re.compile(r"(_interval|_timeout|_age|_deadline|_limit_duration|_backoff)$")
_DURATION = re.compile(r"(?:(\d+)y)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?")
_UNITS = (31_536_000_000, 604_800_000, 86_400_000, 3_600_000, 60_000, 1_000, 1)
_LISTS_OF_RULES = {"relabel_configs", "metric_relabel_configs"}


class Difference(NamedTuple):
    """One setting that is not as rendered; ``rendered`` or ``running`` is "" where there is none."""

    path: str
    rendered: str
    running: str

    def __str__(self) -> str:
        if not self.running:
            return f"{self.path}: missing; rendered is {self.rendered}"
        if not self.rendered:
            return f"{self.path}: {self.running}; nothing of it is rendered"
        return f"{self.path}: {self.running}; rendered is {self.rendered}"


def scrape_jobs(configuration: Tree) -> dict[str, Tree]:
    """The scrape jobs of a configuration by name."""
    jobs = configuration.get("scrape_configs")
    return {str(job["job_name"]): job for job in jobs or () if isinstance(job, dict) and "job_name" in job}


def filled_in(configuration: Tree) -> frozenset[str]:
    """Job settings that every job has alike, and that nobody sets by hand: defaults of a release we don't know."""
    jobs = list(scrape_jobs(configuration).values())
    if not jobs:
        return frozenset()
    names = set(jobs[0]) - _DELIBERATE - set(_JOB_DEFAULTS) - set(_GLOBAL_DEFAULTS)
    alike = {name for name in names if not isinstance(jobs[0][name], dict) and _alike(name, jobs)}
    return frozenset(name for name in alike if not name.endswith("_configs"))


def _alike(name: str, jobs: list[Tree]) -> bool:
    return all(name in job and job[name] == jobs[0][name] for job in jobs)


def compare_job(rendered: Tree, running: Tree, overall: tuple[Tree, Tree], ignored: frozenset[str]) -> list[Difference]:
    """Compare a job; ``overall`` are the two ``global`` sections, ``ignored`` what ``filled_in`` gives."""
    (left, left_defaults), (right, right_defaults) = _normal_job(rendered, overall[0]), _normal_job(running, overall[1])
    for name in (set(right) - set(left)) & ignored:
        del right[name]
    for name in set(left) ^ set(right):  # a default that differs is better told than "missing"
        for side, defaults in ((left, left_defaults), (right, right_defaults)):
            if name not in side and name in defaults:
                side[name] = defaults[name]
    return list(_differences("", left, right))


def compare_settings(rendered: Tree, running: Tree) -> list[Difference]:
    """Compare what is rendered of a section such as ``global``; what the running side has beyond it doesn't count."""
    left, right = _normal(rendered, "") or {}, _normal(running, "") or {}
    shared = {name: right[name] for name in left if name in right}
    return [entry for entry in _differences("", left, shared) if "$" not in entry.rendered]  # expanded when loaded


def _normal_job(job: Tree, overall: Tree) -> tuple[dict[str, Any], Tree]:
    """A job in the form for comparing, and the defaults left out: Prometheus', and what ``global`` says."""
    normal: dict[str, Any] = _normal(job, "") or {}
    shared = {**_GLOBAL_DEFAULTS, **(_normal(overall, "") or {})}
    inherited = {name: shared[name] for name in _GLOBAL_DEFAULTS}
    interval = normal.get("scrape_interval", inherited["scrape_interval"])
    inherited["scrape_timeout"] = min(interval, inherited["scrape_timeout"], key=_number)
    defaults = {**_JOB_DEFAULTS, **inherited}
    return _without(normal, defaults), defaults


def _number(milliseconds: str) -> int:
    return int(milliseconds) if milliseconds.isdigit() else 0


def _normal(value: Any, key: str) -> Any:
    """Any value in the form for comparing; what is empty becomes None and goes."""
    if isinstance(value, dict):
        found = {name: _normal(part, name) for name, part in value.items()}
        return {name: part for name, part in found.items() if part is not None} or None
    if isinstance(value, list):
        if key in _LISTS_OF_RULES:
            return [_normal_rule(rule) for rule in value if isinstance(rule, dict)] or None
        items = [_normal(item, "") for item in value]
        if key.endswith("_sd_configs"):
            items = [_without(item or {}, _DISCOVERY_DEFAULTS) for item in items]
        return items or None
    return _scalar(value, key)


def _scalar(value: Any, key: str) -> str | None:
    if value is None or value == "" or (value is False and key not in _JOB_DEFAULTS):
        return None
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if _DURATIONS.search(key):
        return _milliseconds(text) or text
    if key in {"scheme", "action"}:
        return text.lower()
    return text


def _normal_rule(rule: Tree) -> dict[str, Any]:
    """A relabelling rule with everything said."""
    said = {name: _normal(part, name) if name == "action" else _text(part) for name, part in rule.items()}
    full = {**_RULE_DEFAULTS, **{name: part for name, part in said.items() if part is not None}}
    if full["action"] in {"labeldrop", "labelkeep"}:  # these read the regex alone
        return {"action": full["action"], "regex": full["regex"]}
    if full["action"] in {"keep", "drop", "keepequal", "dropequal"}:
        full.pop("replacement", None)
    if full["action"] in {"keepequal", "dropequal"}:
        full.pop("regex", None)
        full.pop("separator", None)
    return full


def _text(value: Any) -> Any:
    """A rule's field: text, or a list of texts. An empty replacement says something, so it stays."""
    if isinstance(value, list):
        return [str(item) for item in value] or None
    if isinstance(value, bool):
        return str(value).lower()
    return None if value is None else str(value)


def _without(tree: Tree, defaults: Tree) -> dict[str, Any]:
    return {name: value for name, value in tree.items() if defaults.get(name) != value}


def _milliseconds(text: str) -> str | None:
    """A duration in Prometheus' spelling as a number of milliseconds, None if it is none."""
    found = _DURATION.fullmatch(text)
    if not found or not text:
        return None if text != "0" else "0"
    return str(sum(int(number or 0) * unit for number, unit in zip(found.groups(), _UNITS, strict=True)))


def _differences(path: str, left: Any, right: Any) -> Iterator[Difference]:
    """Tell where two normal forms differ."""
    if left == right or _hidden(left, right):
        return
    name = path.rpartition(".")[2].partition("[")[0]
    if isinstance(left, dict) and isinstance(right, dict):
        filled = _OTHER_DISCOVERY.search(path)
        for key in left if filled else dict.fromkeys([*left, *right]):
            yield from _differences(f"{path}.{key}" if path else key, left.get(key), right.get(key))
    elif isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
        for number, (one, other) in enumerate(zip(left, right, strict=True)):
            yield from _differences(f"{path}[{number}]", one, other)
    elif isinstance(left, list) and isinstance(right, list) and name in _LISTS_OF_RULES:
        yield from _rules_differ(path, left, right)
    else:
        yield Difference(path, _shown(name, left), _shown(name, right))


def _rules_differ(path: str, left: list[Any], right: list[Any]) -> Iterator[Difference]:
    """Rules of another number: those that are on one side alone."""
    for rule in left:
        if rule not in right:
            yield Difference(path, _shown("", rule), "")
    for rule in right:
        if rule not in left:
            yield Difference(path, "", _shown("", rule))
    if all(rule in right for rule in left) and all(rule in left for rule in right):
        yield Difference(path, f"{len(left)} rules", f"{len(right)} rules")


def _hidden(left: Any, right: Any) -> bool:
    """Prometheus shows ``<secret>`` for any secret, and ``xxxxx`` for a password in a URL."""
    if not isinstance(left, str) or not isinstance(right, str):
        return False
    if HIDDEN in (left, right):
        return True
    return "@" in right and _HIDDEN_PASSWORD.sub("", left) == _HIDDEN_PASSWORD.sub("", right)


def _shown(name: str, value: Any) -> str:
    """A value in a line of text; secrets hidden."""
    if value is None:
        return ""
    if name in _SECRETS:
        return HIDDEN
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_shown(key, part)}" for key, part in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_shown("", part) for part in value) + "]"
    if _DURATIONS.search(name) and value.isdigit():
        return f"{int(value) / 1000:g}s"
    return _HIDDEN_PASSWORD.sub("xxxxx", str(value)) if "://" in str(value) else str(value)


def contains_in_order(rules: Iterable[Any], expected: Iterable[Any]) -> list[str]:
    """Which of the expected relabelling rules don't appear among others, in their order."""
    pool = [_normal_rule(rule) for rule in rules]
    missing = []
    position = 0
    for rule in map(_normal_rule, expected):
        try:
            position = pool.index(rule, position) + 1
        except ValueError:
            missing.append(_shown("", rule))
    return missing
