"""Which of the scrapers that were found are meant, and what their folders are called."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from generator.adopt.component import safe_name
from generator.adopt.refusals import owner_of
from generator.errors import InputError, Problem
from generator.intake.kustomization import BuiltDocument
from generator.monitoring import Scraper, Setup
from generator.monitoring.charts import chart_of, hides_prometheus

# As kubectl abbreviates them.
_SHORT: Mapping[str, str] = {
    "deploy": "deployment",
    "ds": "daemonset",
    "po": "pod",
    "rs": "replicaset",
    "sts": "statefulset",
}


def adoptable(setup: Setup, selected: Sequence[str]) -> tuple[list[Scraper], list[Scraper]]:
    """Give the scrapers to adopt, and those that are left out because others among them make them.

    ``selected`` are ``KIND/NAME``, or ``KIND/NAMESPACE/NAME``; none stands for every Prometheus.

    Raises:
        InputError: there is none, or one that is selected isn't there.
    """
    if selected:
        problems = [_unknown(setup, one) for one in selected if not _matching(setup, one)]
        if problems:
            raise InputError(problems)
        wanted = [scraper for one in selected for scraper in _matching(setup, one)]
        return list({id(scraper): scraper for scraper in wanted}.values()), []
    found = [scraper for scraper in setup.scrapers if scraper.product]
    if not found:
        hidden = [one for document in (*setup.documents, *setup.values) for one in hides_prometheus(document)]
        raise InputError(hidden or _nothing(setup))
    made = [scraper for scraper in found if owner_of(scraper)]
    others = [scraper for scraper in found if scraper not in made]
    return (others, made) if others else (made, [])


def _spellings(scraper: Scraper) -> set[str]:
    outer = scraper.document.outermost
    kinds = {outer.kind.lower()} if outer.kind else {scraper.flavour}
    names = {scraper.name, outer.name or scraper.name}
    if scraper.namespace:
        names |= {f"{scraper.namespace}/{name}" for name in tuple(names)}
    return {f"{kind}/{name}" for kind in kinds for name in names}


def _matching(setup: Setup, text: str) -> list[Scraper]:
    kind, _, name = text.partition("/")
    wanted = f"{_SHORT.get(kind.lower(), kind.lower())}/{name}"
    return [scraper for scraper in setup.scrapers if wanted in _spellings(scraper)]


def _unknown(setup: Setup, text: str) -> Problem:
    from difflib import get_close_matches

    known = sorted({min(_spellings(scraper), key=len) for scraper in setup.scrapers})
    close = get_close_matches(text, known, n=1)
    listed = f"there {'is' if len(known) == 1 else 'are'} {', '.join(known)}" if known else ""
    hint = f"did you mean `{close[0]}`?" if close else listed
    return Problem(
        f"no Prometheus is {text}", None, "--select", expected="KIND/NAME, as in statefulset/prometheus", hint=hint
    )


def _nothing(setup: Setup) -> Problem:
    kinds = Counter(document.kind for document in setup.documents if document.kind)
    seen = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    ours = sum(bool(chart_of(document)) for document in setup.values)
    others = len(setup.values) - ours
    parts = [
        seen,
        f"{ours} values file{'s' * (ours > 1)} that switch{'es' * (ours == 1)} Prometheus off" * bool(ours),
        f"{others} values file{'s' * (others > 1)} of other charts" * bool(others),
    ]
    seen = ", ".join(filter(None, parts))
    return Problem(
        "there is no Prometheus here",
        found=seen or "nothing",
        expected="a workload that runs Prometheus, a Prometheus resource, or values of a chart that brings one",
    )


def overlay_of(scraper: Scraper) -> str:
    """Give the kustomization that a scraper is built by; "" for this folder's, or where it is as its file has it."""
    document = scraper.document.outermost
    return document.kustomization if isinstance(document, BuiltDocument) and document.kustomization != "." else ""


def folder_names(scrapers: Sequence[Scraper], name: str = "") -> list[str]:
    """Name the folder of each: after the Prometheus, and where two would be the same, its namespace, kind, or file.

    Of overlays of one base each is named after its own folder, so that another one doesn't change their names.
    ``name`` is the user's, for the only one there is.
    """
    if name:
        return [name]
    overlays = {id(one): overlay_of(one).split("/") for one in scrapers}
    levels = enumerate(zip(*overlays.values(), strict=False))
    shared = next((depth for depth, parts in levels if len(set(parts)) > 1), 0)
    shapes: list[Callable[[Scraper], list[str]]] = [
        lambda one: [one.name],
        lambda one: [one.namespace, one.name],
        lambda one: [one.namespace, one.document.outermost.kind or one.flavour, one.name],
        lambda one: [one.name, overlays[id(one)][-1]],
        lambda one: [one.name, *overlays[id(one)][shared:]],
        lambda one: [one.namespace, one.name, os.path.splitext(os.path.basename(one.document.source))[0]],
        lambda one: [one.namespace, one.name, *os.path.dirname(one.document.source).split(os.sep)],
    ]
    names: list[str] = []
    for shape in shapes:
        names = [safe_name("-".join(filter(None, shape(scraper)))) for scraper in scrapers]
        if len(set(names)) == len(names):
            return names
    return [f"{one}-{number}" for number, one in enumerate(names, 1)]
