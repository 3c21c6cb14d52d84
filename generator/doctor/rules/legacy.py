"""The secret in which Citadel kept a workload's certificate."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from generator.doctor.rule import Fix, Found, rule
from generator.doctor.rules.examples import PLAIN, but
from generator.doctor.rules.spoiling import MEMORY, METADATA, MOUNT
from generator.doctor.rules.views import can_be_edited, existing, files_of, is_istio
from generator.errors import ValuePath
from generator.intake.document import as_list
from generator.monitoring import PodView, Scraper, Setup, charts_prometheus, charts_stack
from generator.monitoring.completing import pattern_edits
from generator.monitoring.directories import is_inside
from generator.monitoring.edits import REMOVE
from generator.monitoring.labels import same_namespace
from generator.monitoring.legacy import copiers

_NAME = re.compile(r"istio\.(?P<account>[a-z0-9]([a-z0-9.-]*[a-z0-9])?)")
_CITADEL = "istio.io/key-and-cert"


# How charts end the account's name that they make of a release's.
_ACCOUNTS = {charts_stack.FLAVOUR: "-prometheus", charts_prometheus.FLAVOUR: "-server"}


class LegacySecret(NamedTuple):
    """A volume that holds a secret of Citadel's.

    ``path`` is the volume's in the pod, ``inner`` that of the secret's name within it.
    """

    path: ValuePath
    volume: str
    secret: str
    optional: bool
    inner: ValuePath

    def is_of(self, pod: PodView) -> bool:
        """Whether it is called after the pod's own service account, or after the default one."""
        account = self.secret.partition(".")[2]
        return account in ["default", pod.get("spec", "serviceAccountName"), pod.get("spec", "serviceAccount")]

    def is_of_chart(self, scraper: Scraper) -> bool:
        """Whether it is called as the account is that a chart makes for a release which isn't known."""
        ending = _ACCOUNTS.get(scraper.flavour, "")
        known = scraper.pod.get("spec", "serviceAccountName")
        return bool(ending) and not known and self.secret.endswith(ending)


def legacy_secrets(setup: Setup, pod: PodView, namespace: str) -> Iterator[LegacySecret]:
    """The volumes of a pod whose source is such a secret, unless somebody else makes a secret of that name."""
    for path, volume in pod.volumes():
        sources: list[tuple[ValuePath, Mapping[str, Any], str]] = [((), volume, "secretName")]
        for place, source in pod.items(*path, "projected", "sources"):
            sources.append((place[len(path) :], source, "name"))
        for inner, source, field in sources:
            secret = source.get("secret")
            name = secret.get(field) if isinstance(secret, Mapping) else None
            if not isinstance(name, str) or not _NAME.fullmatch(name) or _is_made(setup, name, namespace):
                continue
            optional = isinstance(secret, Mapping) and secret.get("optional") is True
            yield LegacySecret(path, str(volume.get("name") or ""), name, optional, (*inner, "secret", field))


def _is_made(setup: Setup, name: str, namespace: str) -> bool:
    """Whether another tool makes a secret of that name, so that it isn't Citadel's."""
    for document in setup.of_kind("Secret", "Certificate", "ExternalSecret", "SealedSecret", "Issuer"):
        named = [document.name, document.get("spec", "secretName"), document.get("spec", "target", "name")]
        citadel = document.kind == "Secret" and document.get("type") == _CITADEL
        if name in named and same_namespace(document.namespace, namespace) and not citadel:
            return True
    return False


@rule(
    "legacy-secret",
    title="The certificate comes from a secret that nothing has made since Istio 1.6",
    severity="error",
    stage="writing",
    since="Istio 1.6",
    why="""
        Up to Istio 1.4 Citadel kept a certificate for every service account in a secret `istio.<serviceaccount>`
        (`istio.default` is the commonest). Since Istio 1.6 nothing makes or renews such secrets. Where one is left over
        its certificate has expired; where there is none and the volume is not `optional`, a new pod waits in
        `ContainerCreating` for ever. Today the proxy beside Prometheus writes its certificate into a shared volume
        (`OUTPUT_CERTS`), and renews it there. What counts is the volume's source: an emptyDir mounted under a path that
        contains `istio.default` is fine.
        """,
    sources=["istio 1.6 release notes", "istio#23368", "istio `pilot/cmd/pilot-agent/options/options.go`"],
    wrong=but(
        PLAIN,
        (MEMORY, "secret:\n          secretName: istio.default"),
        (METADATA, "          concurrency: 1\n"),
        (MOUNT, ""),
    ),
)
def legacy_secret(setup: Setup) -> Iterator[Found]:
    """Look at the source of every volume; pods that don't scrape are told of theirs too."""
    known = set()
    for scraper in setup.scrapers:
        known.add(id(scraper.document))
        for legacy in legacy_secrets(setup, scraper.pod, scraper.namespace):
            sure = legacy.is_of(scraper.pod) or legacy.is_of_chart(scraper) or _is_read(setup, scraper, legacy)
            place = existing(scraper.document, scraper.pod.where(*legacy.path, *legacy.inner))
            yield Found(
                scraper.document,
                place,
                _says(scraper.pod, legacy),
                _fix(setup, scraper, legacy),
                "error" if sure else "warning",
            )
    for document, pod in setup.workloads:
        for legacy in legacy_secrets(setup, pod, document.namespace) if id(document) not in known else ():
            if legacy.is_of(pod) and not _is_only_proxys(pod, legacy):
                fix = Fix("drop the volume if nothing needs it, else give the pod a certificate that something renews")
                place = pod.where(*legacy.path, *legacy.inner)
                yield Found(document, place, f"{_says(pod, legacy)}; {document} doesn't scrape", fix, "info")


def _is_only_proxys(pod: PodView, legacy: LegacySecret) -> bool:
    """Whether nothing but an injected proxy mounts it: injection up to 1.4 brought both."""
    mounting = [
        pod.get(*path, "name")
        for path, _ in pod.containers()
        if any(mount.name == legacy.volume for mount in pod.mounts(path))
    ]
    return bool(mounting) and set(mounting) == {"istio-proxy"}


def _is_read(setup: Setup, scraper: Scraper, legacy: LegacySecret) -> bool:
    """Whether jobs present what is in it under Istio's names."""
    mounted = [mount.directory for mount in scraper.pod.mounts(scraper.container) if mount.name == legacy.volume]
    return any(
        is_inside(file.directory, directory)
        for file in files_of(setup, scraper)
        if is_istio(file.scrape)
        for directory in mounted
    )


def _says(pod: PodView, legacy: LegacySecret) -> str:
    mounted = sorted(
        {mount.directory for path, _ in pod.containers() for mount in pod.mounts(path) if mount.name == legacy.volume}
    )
    where = f", mounted at {' and '.join(mounted)}," if mounted else ""
    what = "optional, so the pod starts without certificates"
    if not legacy.optional:
        what = "not optional, so a new pod hangs in ContainerCreating where it doesn't exist"
    return f"the volume {legacy.volume}{where} is the secret {legacy.secret}, {what}"


def _fix(setup: Setup, scraper: Scraper, legacy: LegacySecret) -> Fix:
    if scraper.is_bare:
        return Fix("a Pod can't be changed: have the proxy write the certificates in the manifest of what makes it")
    if not can_be_edited(scraper):
        return Fix("have the proxy write the certificates in the manifest as it was before injection")
    copying = copiers(scraper, legacy.volume)
    if copying:
        return Fix(
            f"{' and '.join(copying)} copies what is in it before any proxy runs: take that out, and mount a volume "
            "that the proxy writes where the copies were"
        )
    if scraper.flavour == "workload" and not _is_mounted(setup, scraper, legacy.volume):
        return Fix("take the volume out: nothing mounts it", (scraper.pod.set(legacy.path, REMOVE),))
    return Fix("have the proxy write the certificates into a volume in memory", pattern_edits(setup, scraper))


def _is_mounted(setup: Setup, scraper: Scraper, volume: str) -> bool:
    """Whether a container mounts a volume, the injected ones among them."""
    spec = setup.pod_after(scraper).get("spec") or {}
    injected = [one for kind in ("initContainers", "containers") for one in spec.get(kind) or []]
    stated = [item for _, item in scraper.pod.containers()]
    return any(
        mount.get("name") == volume
        for container in (*injected, *stated)
        if isinstance(container, Mapping)
        for mount in as_list(container.get("volumeMounts"))
        if isinstance(mount, Mapping)
    )
