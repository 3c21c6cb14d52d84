"""What a Prometheus is too old for."""

from __future__ import annotations

import re
from collections.abc import Iterator

from generator.doctor.rule import Fix, Found, Severity, rule
from generator.doctor.rules.examples import OPERATOR, but
from generator.doctor.rules.legacy import legacy_secrets
from generator.doctor.rules.views import existing, files_of, has_own_certificates, is_istio
from generator.errors import ValuePath
from generator.intake.document import as_list
from generator.monitoring import Edit, Scraper, Setup
from generator.monitoring.versions import image_version, spelled

#: The last 2.x: what it reads and stores an older 2.x does too.
_PROMETHEUS = "v2.55.1"
#: How the project tags its images of 2.x.
_TAG = re.compile(r"v\d+\.\d+\.\d+", re.ASCII)
_FLAG_OF_1 = re.compile(r"(?:^|\s)(?:-[a-z]+\.|--storage\.local\.)")


@rule(
    "prometheus-too-old",
    title="This Prometheus can't scrape over Istio's mutual TLS",
    severity="error",
    stage="scraping",
    why="""
        Up to 2.8 Prometheus reads certificate files once, and 2.21 to 2.28 speak https without HTTP/2 and ALPN, which
        Istio's proxies answer with a reset. What is read once goes stale within hours: the proxy renews the files, and
        scrapes fail as soon as the first certificate has expired. A 1.x is more than an image away: 2.0 changed the
        flags, the format of rules and the storage.
        """,
    sources=["prometheus#9068", "prometheus 2.9.0 changelog", "common#173", "Prometheus, Migration to 2.0"],
    wrong=but(OPERATOR, ("version: v3.14.0", "version: v2.26.0")),
)
def prometheus_too_old(setup: Setup) -> Iterator[Found]:
    """Look at the version; it is an error where the Prometheus has, or had, Istio's certificates."""
    for scraper in setup.scrapers:
        version = scraper.version
        if (
            scraper.product != "prometheus"
            or version is None
            or (version < (2,) and not _is_upstreams(scraper.pod.get(*scraper.container, "image")))
        ):
            continue
        if (2, 21) <= version < (2, 29):
            why = "speaks https to Istio's proxies in a way that they reset"
        elif version < (2, 9):
            why = "reads certificate files once, and never again"
        else:
            continue
        place, fix = _newer(scraper)
        if version < (2,) or _has_flags_of_1(scraper):
            fix = Fix("update Prometheus to 2.29 or later, with its flags, rules and data, which 2.0 changed")
        severity: Severity = "error" if _needs_tls(setup, scraper) else "warning"
        yield Found(scraper.document, place, f"Prometheus {spelled(version)} {why}", fix, severity)


def _has_flags_of_1(scraper: Scraper) -> bool:
    """Whether it is started with flags as 1.x had them, at which 2.x ends: with one dash, or of its storage."""
    parts = [scraper.pod.get(*scraper.container, key) for key in ("command", "args")]
    return any(_FLAG_OF_1.search(part) for listed in parts for part in as_list(listed) if isinstance(part, str))


def _is_upstreams(image: object) -> bool:
    """Whether an image is the project's own, or a mirror of it: others count or spell their versions differently."""
    name = str(image).partition("@")[0].rpartition("/")
    return f"/{name[0]}".endswith(("/prom", "/prometheus")) and name[2].partition(":")[0] == "prometheus"


def _needs_tls(setup: Setup, scraper: Scraper) -> bool:
    if has_own_certificates(setup, scraper) or any(is_istio(file.scrape) for file in files_of(setup, scraper)):
        return True
    return any(True for _ in legacy_secrets(setup, scraper.pod, scraper.namespace))


def _newer(scraper: Scraper) -> tuple[ValuePath, Fix]:
    """Say where the version stands, and how to raise it; by words where nobody here knows the image's other tags.

    The operator makes the configuration for a resource's `version`, whatever the image is.
    """
    image, stated = scraper.pod.get(*scraper.container, "image"), scraper.of_resource("version")
    path = scraper.field("version")
    version = (Edit(scraper.document, path, _like(stated)),) if stated is not None else ()
    fix = Fix(f"update Prometheus to 2.29 or later, such as {_PROMETHEUS}")
    if image_version(image) is not None:
        name, _, tag = str(image).partition("@")[0].rpartition(":")
        where = scraper.pod.where(*scraper.container, "image")
        place = existing(scraper.document, where)
        if not _is_upstreams(image) or not _TAG.fullmatch(tag):
            return place, Fix("update Prometheus to 2.29 or later, to a tag that this image has")
        # a chart's values have the tag for itself
        new = _PROMETHEUS if where[-1:] == ("tag",) else f"{name}:{_PROMETHEUS}"
        edits = () if "@" in str(image) else (scraper.pod.set((*scraper.container, "image"), new), *version)
        return place, fix._replace(edits=edits)
    if stated is not None:
        base = scraper.of_resource("baseImage")
        pinned = image or scraper.of_resource("sha") or scraper.of_resource("tag")
        others = base is not None and not _is_upstreams(base)
        return path, fix if pinned or others else fix._replace(edits=version)
    return existing(scraper.document, scraper.pod.where(*scraper.container)), fix


def _like(old: object) -> str:
    """Spell the version to update to as the old one is spelled: with or without its `v`."""
    return _PROMETHEUS if str(old).startswith("v") else _PROMETHEUS.removeprefix("v")
