"""A mesh and the Prometheuses that scrape it: what an environment renders, tried on running programs."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple, Self

from tests.e2e.agent import Agent
from tests.e2e.certificates import Authority, Credentials
from tests.e2e.envoy import Mesh
from tests.e2e.pods import Pod
from tests.e2e.processes import claimed_network
from tests.e2e.prometheus import Prometheus, Target, lab_values
from tests.rendering import render

Overlay = Mapping[str, Any]

#: Jobs that scrape Prometheus itself and the proxy beside it: neither stands for pods of the mesh.
OWN_JOBS = ("prometheus", "istio-agent")

#: Who the Prometheuses of the lab are to the mesh.
IDENTITY = ("monitoring", "prometheus")


class Lab:
    """Pods behind a real Envoy, an agent that keeps a certificate fresh, and any number of Prometheuses.

    Everything is on the loopback, and ends with the ``with`` block.
    """

    def __init__(
        self,
        folder: Path,
        pods: Callable[[int], Sequence[Pod]],
        *,
        every: float | None = None,
        issue: Callable[[Authority], Credentials] | None = None,
        **agent: Any,
    ) -> None:
        """Say what to run.

        Args:
            folder: an empty one, for everything that the programs write.
            pods: makes the pods of a loopback network, given by its number.
            every: seconds between two rotations of Prometheus' certificate; None writes one and leaves it.
            issue: makes Prometheus' certificate, given the mesh's authority; a good one by default.
            agent: more for the ``Agent``.
        """
        self.folder = folder
        self.authority = Authority()
        self.certificates = folder / "certificates"
        make = issue or (lambda authority: authority.workload(*IDENTITY))
        self.agent = Agent(self.certificates, lambda: make(self.authority), every=every, **agent)
        self.pods: list[Pod] = []
        self._make_pods = pods
        self._running = ExitStack()
        self._count = 0

    def __enter__(self) -> Self:
        with ExitStack() as starting:
            self.pods = list(self._make_pods(starting.enter_context(claimed_network())))
            self.mesh = starting.enter_context(Mesh(self.pods, self.folder / "mesh", self.authority))
            starting.enter_context(self.agent)
            self._running = starting.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._running.close()

    def prometheus(self, overlay: Overlay, pods: Sequence[Pod] | None = None) -> Prometheus:
        """Start a Prometheus on what an overlay renders; it finds all pods unless others are given."""
        self._count += 1
        folder = self.folder / f"prometheus-{self._count}"
        folder.mkdir()
        resources = render(lab_values(overlay, self.certificates))
        return self._running.enter_context(Prometheus(resources, folder, self.pods if pods is None else pods))


def of_pods(targets: Sequence[Target]) -> list[Target]:
    """Leave out Prometheus itself, and the proxy beside it."""
    return [target for target in targets if target.job not in OWN_JOBS]


def scraped(targets: Sequence[Target]) -> set[tuple[str, str]]:
    """Give job and URL of every target of a pod that is up."""
    return {(target.job, target.url) for target in of_pods(targets) if target.health == "up"}


class FailedScrape(NamedTuple):
    """A scrape that failed, as Prometheus' log tells it."""

    pool: str
    url: str
    error: str


def failed_scrapes(prometheus: Prometheus) -> list[FailedScrape]:
    """Give every scrape that has failed since the start."""
    line = r'scrape_pool=(\S+) target=(\S+) msg="Scrape failed" err="((?:[^"\\\\]|\\\\.)*)"'
    return [FailedScrape(*found) for found in re.findall(line, prometheus.process.log.read_text(errors="replace"))]


def told(targets: Sequence[Target]) -> str:
    """Tell targets that aren't up, for messages."""
    return "\n".join(f"{one.job} {one.url} {one.health} {one.error}" for one in targets if one.health != "up")


def until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Wait until a condition holds.

    Raises:
        TimeoutError: it didn't within so many seconds.
    """
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"no {what} within {seconds:g} s")
        time.sleep(0.1)
