"""Certificates: whether Prometheus finds what the proxy writes."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from typing import Any

from generator.doctor.rule import Fix, Found, Severity, rule
from generator.doctor.rules.certificates import writers, written_place
from generator.doctor.rules.examples import OPERATOR, PLAIN, WORKLOAD_AND_CONFIGURATION, but
from generator.doctor.rules.spoiling import METADATA, MOUNT, READER
from generator.doctor.rules.views import (
    NamedFile,
    can_be_edited,
    existing,
    files_of,
    is_hindered,
    is_istio,
    set_elsewhere,
)
from generator.injection import is_ours, proxy_container
from generator.injection.annotations import CONFIG
from generator.monitoring import Edit, Scraper, Setup
from generator.monitoring.completing import pattern_edits
from generator.monitoring.directories import is_inside
from generator.monitoring.legacy import runs_once
from generator.monitoring.pod import Mount
from generator.monitoring.running import Volume, meant_volume

FILE_NAMES = {"ca": "root-cert.pem", "cert": "cert-chain.pem", "key": "key.pem"}
_OTHER_INJECTORS = ("vault.hashicorp.com/", "spiffe.io/", "csi.cert-manager.io/")


def covering(setup: Setup, scraper: Scraper, path: str) -> Mount | None:
    """Give the mount of the scraper's container that shows a file: the deepest one; None for none."""
    found = [mount for mount in setup.mounts_after(scraper) if is_inside(path, mount.directory)]
    return max(found, key=lambda mount: len(posixpath.normpath(mount.directory)), default=None)


def _writing_elsewhere(setup: Setup, scraper: Scraper, volume: str) -> list[tuple[str, Mapping[str, Any]]]:
    """The containers beside Prometheus and Istio's that may write to a volume, and in which list each stands."""
    own = scraper.pod.get(*scraper.container, "name")
    spec = setup.pod_after(scraper).get("spec") or {}
    containers = [(kind, one) for kind in ("initContainers", "containers") for one in spec.get(kind) or []]
    return [
        (kind, container)
        for kind, container in containers
        if isinstance(container, Mapping) and container.get("name") != own and not is_ours(container)
        if any(mount.get("readOnly") is not True for mount in _mounts_of(container, volume))
    ]


def _mounts_of(container: Mapping[str, Any], volume: str) -> list[Mapping[str, Any]]:
    found = container.get("volumeMounts") or []
    return [mount for mount in found if isinstance(mount, Mapping) and mount.get("name") == volume]


def _copied_by(setup: Setup, scraper: Scraper, mount: Mount) -> str:
    """Name the init container that fills a mount's volume, once, from what the proxy writes; "" for none such."""
    volume, writer = setup.volumes(scraper).get(mount.name), setup.writer(scraper)
    writing = _writing_elsewhere(setup, scraper, mount.name)
    if volume is None or not volume.is_empty_dir or writer is None or not writing:
        return ""
    copies = all(
        kind == "initContainers" and runs_once(container) and _mounts_of(container, writer.volume)
        for kind, container in writing
    )
    return str(writing[0][1].get("name") or "") if copies else ""


def _fed_by_nobody(setup: Setup, scraper: Scraper, mount: Mount) -> Volume | None:
    """Give the volume of a mount if it starts empty and nothing in the manifest writes to it."""
    volume = setup.volumes(scraper).get(mount.name)
    if volume is None or not volume.is_empty_dir or _writing_elsewhere(setup, scraper, mount.name):
        return None
    return volume


@rule(
    "nothing-writes-certificates",
    title="Prometheus reads certificates that nothing writes",
    severity="error",
    stage="writing",
    why="""
        An emptyDir starts empty. Only a proxy that is told to (`OUTPUT_CERTS`, since Istio 1.5) writes its workload
        certificate there, and only if the volume is mounted in the proxy too. Prometheus makes no scrape pool for a
        job whose files are missing: no target, no `up` series, one line in the log.
        """,
    sources=["istio `security/pkg/nodeagent/util/util.go`", "prometheus `scrape/manager.go`"],
    wrong=but(OPERATOR, (METADATA.replace("          ", "        "), ""), (MOUNT[2:], "")),
)
def nothing_writes_certificates(setup: Setup) -> Iterator[Found]:
    """Look for a writer of every directory in which jobs look for Istio's files."""
    for scraper in setup.scrapers:
        if not scraper.product or setup.writer(scraper) is not None or is_hindered(setup, scraper):
            continue
        told: set[str] = set()
        for file in files_of(setup, scraper):
            mount = covering(setup, scraper, file.path)
            key = mount.name if mount else file.directory
            if is_istio(file.scrape) and key not in told and not _comes_otherwise(scraper, mount):
                told.add(key)
                yield from _unwritten(setup, scraper, file, mount)
        for mount in scraper.pod.mounts(scraper.container):
            looks_so = "istio" in mount.name and "cert" in mount.name
            if looks_so and mount.name not in told:
                told.add(mount.name)
                yield from _unwritten(setup, scraper, None, mount)


def _comes_otherwise(scraper: Scraper, mount: Mount | None) -> bool:
    """Whether another tool adds volumes to the pod when it is made, so that a missing mount says nothing."""
    return mount is None and any(key.startswith(_OTHER_INJECTORS) for key in scraper.pod.annotations)


def _unwritten(setup: Setup, scraper: Scraper, file: NamedFile | None, mount: Mount | None) -> Iterator[Found]:
    says = "have the proxy write certificates into a volume that Prometheus mounts"
    fix = Fix(says, pattern_edits(setup, scraper) if can_be_edited(scraper) else ())
    if mount is None:
        if file is not None:
            found = f"{file.scrape} names files in {file.directory}, where nothing is mounted, and no proxy writes any"
            yield Found(file.scrape.document, file.place, found, fix, resource=str(scraper))
        return
    volume = _fed_by_nobody(setup, scraper, mount)
    if volume is None:
        return
    proxy = proxy_container(setup.pod_after(scraper)) or {}
    mounted = any(one.get("name") == volume.name for one in proxy.get("volumeMounts") or [])
    if mounted and set_elsewhere(setup, "OUTPUT_CERTS"):
        return
    injection = setup.injection(scraper)
    if injection.refused and "OUTPUT_CERTS" in scraper.pod.annotations.get(CONFIG, ""):
        return  # which another rule tells
    why = f"no proxy has OUTPUT_CERTS{'; the mesh may set it for all' if mounted else ''}"
    path = next((one.path for one in scraper.pod.mounts(scraper.container) if one.name == mount.name), mount.path)
    found = f"the volume {volume.name}, mounted at {mount.directory}, starts empty, and {why}"
    severity: Severity = "warning" if mounted else "error"
    yield Found(scraper.document, existing(scraper.document, scraper.pod.where(*path)), found, fix, severity)


@rule(
    "nobody-reads-certificates",
    title="The proxy writes certificates, but Prometheus doesn't mount them",
    severity="error",
    stage="reading",
    why="""
        The files lie in a volume. Prometheus sees them only where its own container mounts that volume; a mount in the
        proxy, or in another container, is not enough.
        """,
    sources=["Kubernetes, Volumes: emptyDir", "prometheus `scrape/manager.go`"],
    wrong=but(PLAIN, (READER, "")),
)
def nobody_reads_certificates(setup: Setup) -> Iterator[Found]:
    """Look for the writer's volume among the mounts of Prometheus."""
    for scraper, writer in writers(setup):
        if not writer.volume or any(mount.name == writer.volume for mount in setup.mounts_after(scraper)):
            continue
        volumes = setup.volumes(scraper)
        # The proxy's own mount may misspell the volume, which is another fault than that Prometheus has none.
        stated = [name for name, one in volumes.items() if one.path is not None]
        volume = volumes.get(writer.volume) or volumes.get(meant_volume(writer.volume, stated))
        if volume is None or _means(setup, scraper, volume.name) or any(scraper.maps_for_lists()):
            continue  # for another rule tells
        others = [
            str(container.get("name"))
            for path, container in scraper.pod.containers()
            if not is_ours(container) and any(mount.name == volume.name for mount in scraper.pod.mounts(path))
        ]
        if others and not scraper.product:
            continue
        name = scraper.pod.get(*scraper.container, "name")
        seen = f"; only {', '.join(others)} does" if others else ""
        found = f"the proxy writes to the volume {volume.name}, which the container {name} doesn't mount{seen}"
        edits: tuple[Edit, ...] = ()
        spelt = volume.name == writer.volume  # else its name has to be mended first
        if volume.path is not None and scraper.product and can_be_edited(scraper) and spelt:
            edits = pattern_edits(setup, scraper)
        place = scraper.pod.where(*volume.path) if volume.path else written_place(scraper)[1]
        document = scraper.document if volume.path else written_place(scraper)[0]
        sure = scraper.product and not others
        fix = Fix("mount the volume in Prometheus, read-only", edits)
        yield Found(document, place, found, fix, "error" if sure else "warning", str(scraper))


def _means(setup: Setup, scraper: Scraper, volume: str) -> bool:
    """Whether the scraper's container mounts a volume, or none that there is and may mean it."""
    volumes = setup.volumes(scraper)
    return any(
        mount.name == volume
        or (scraper.flavour == "workload" and "cert" in mount.name and mount.name not in volumes)
        or (mount.name not in volumes and meant_volume(mount.name, volumes) == volume)
        for mount in setup.mounts_after(scraper)
    )


@rule(
    "wrong-directory",
    title="Jobs look for the certificates in a directory where they aren't",
    severity="error",
    stage="reading",
    why="""
        The path in a job is one in Prometheus' container: where that mounts the shared volume, not where the proxy
        does. Prometheus makes no scrape pool for a job whose files are missing: no target, no `up` series, one line in
        the log. It tries again only when the job's targets change.
        """,
    sources=["prometheus `scrape/manager.go`", "istio#24768"],
    wrong=but(
        WORKLOAD_AND_CONFIGURATION,
        ("/etc/prom-certs/root-cert.pem", "/etc/istio-output-certs/root-cert.pem"),
        ("/etc/prom-certs/cert-chain.pem", "/etc/istio-output-certs/cert-chain.pem"),
        ("/etc/prom-certs/key.pem", "/etc/istio-output-certs/key.pem"),
    ),
)
def wrong_directory(setup: Setup) -> Iterator[Found]:
    """Compare the directories of jobs' files with those where the writer's volume is mounted."""
    for scraper in setup.scrapers:
        right = setup.read_directories(scraper)
        if not right:
            continue
        wrong: dict[int, list[NamedFile]] = {}
        copying = ""
        for file in files_of(setup, scraper):
            if is_istio(file.scrape) and file.name in FILE_NAMES.values() and file.directory not in right:
                mount = covering(setup, scraper, file.path)
                if _comes_otherwise(scraper, mount):
                    continue
                copier = _copied_by(setup, scraper, mount) if mount else ""
                if mount is None or copier or _is_useless(setup, scraper, mount):
                    wrong.setdefault(id(file.scrape), []).append(file)
                    copying = copying or copier
        for files in wrong.values():
            scrape = files[0].scrape
            edits = tuple(Edit(scrape.document, file.place, f"{right[0]}/{file.name}") for file in files)
            directories = " and ".join(sorted({file.directory for file in files}))
            found = f"{scrape} names files in {directories}; the certificates are in {right[0]}"
            fix = Fix(f"name the files in {right[0]}", edits)
            if copying:  # which fails before the proxy has written any, so that naming other files isn't enough
                found += f", and {copying} copies them once, but not when they are renewed"
                fix = Fix(f"name the files in {right[0]}, and take the copying out of {copying}")
            yield Found(scrape.document, files[0].place, found, fix, resource=str(scrape.document.outermost))


def _is_useless(setup: Setup, scraper: Scraper, mount: Mount) -> bool:
    """Whether a mount shows no certificate: it is of the writer's volume, elsewhere in it, or of an empty one."""
    writer = setup.writer(scraper)
    if writer is not None and mount.name == writer.volume:
        return True
    return _fed_by_nobody(setup, scraper, mount) is not None


@rule(
    "wrong-file-name",
    title="A job names a file that Istio's agent doesn't write",
    severity="error",
    stage="reading",
    why="""
        The agent writes three files: `root-cert.pem` (the mesh's root), `cert-chain.pem` (the workload's certificate
        and what signed it) and `key.pem`. Prometheus makes no scrape pool for a job whose files are missing.
        """,
    sources=["istio `security/pkg/nodeagent/util/util.go`", "prometheus `scrape/manager.go`"],
    wrong=but(WORKLOAD_AND_CONFIGURATION, ("/etc/prom-certs/cert-chain.pem", "/etc/prom-certs/cert.pem")),
)
def wrong_file_name(setup: Setup) -> Iterator[Found]:
    """Compare the names of jobs' files with what the agent writes into their directory."""
    for scraper in setup.scrapers:
        directories = setup.read_directories(scraper)
        for file in files_of(setup, scraper):
            right = FILE_NAMES[file.use]
            if file.directory not in directories or file.name == right:
                continue
            tls = file.scrape.tls
            # With verification off any certificate will do as ca_file: it is read, but nothing is compared with it.
            if file.use == "ca" and file.name == FILE_NAMES["cert"] and tls is not None and tls.skip_verify:
                continue
            scrape = file.scrape
            edit = Edit(scrape.document, file.place, f"{file.directory}/{right}")
            found = f"{scrape} names {file.path} as its {file.use} file; the agent writes {right}"
            fix = Fix(f"name {file.directory}/{right}", (edit,))
            yield Found(scrape.document, file.place, found, fix, resource=str(scrape.document.outermost))
