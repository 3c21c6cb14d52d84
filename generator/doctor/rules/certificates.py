"""Certificates: who writes them, where to, and who reads them."""

from __future__ import annotations

from collections.abc import Iterator

from generator.doctor.rule import Fix, Found, rule
from generator.doctor.rules.examples import PLAIN, but
from generator.monitoring import Setup


@rule(
    "certificates-on-disk",
    title="The private key is written to the node's disk",
    severity="warning",
    stage="writing",
    why="""
        An `emptyDir` without `medium: Memory` lies on the node's disk, and with it the private key that the proxy
        writes there. Whoever reads the disk, or a backup of it, can act as Prometheus in the mesh until the certificate
        expires.
        """,
    sources=["Kubernetes, Volumes: emptyDir"],
    wrong=but(PLAIN, ("emptyDir:\n          medium: Memory", "emptyDir: {}")),
)
def certificates_on_disk(setup: Setup) -> Iterator[Found]:
    """Look at the volume that the proxy writes to."""
    for scraper in setup.scrapers:
        writer = setup.writer(scraper)
        volume = setup.volumes(scraper).get(writer.volume) if writer else None
        if volume is None or volume.path is None or not volume.is_empty_dir or volume.in_memory:
            continue
        edit = scraper.pod.set((*volume.path, "emptyDir", "medium"), "Memory")
        yield Found(
            scraper.document,
            scraper.pod.where(*volume.path, "emptyDir"),
            f"the volume {volume.name} is an emptyDir on disk",
            Fix("keep it in memory", (edit,)),
        )
