"""A mesh and the Prometheuses that scrape it: what an environment renders, tried on running programs."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple, Self

from generator.resource import Resource
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


class OwnAgent(ThreadingHTTPServer):
    """The agent beside Prometheus, as far as it can be asked: its metrics in plain text."""

    daemon_threads = True

    def __init__(self) -> None:
        """Begin to answer."""
        super().__init__(("127.0.0.1", 0), _AgentMetrics)
        self.address = f"127.0.0.1:{self.server_port}"
        #: Seconds until the certificate expires, as the agent tells; None for an agent that has none.
        self.expires_in: float | None = 86000.0
        self._thread = threading.Thread(target=self.serve_forever, daemon=True)
        self._thread.start()

    def __exit__(self, *exception: object) -> None:
        self.shutdown()
        self.server_close()
        self._thread.join()


class _AgentMetrics(BaseHTTPRequestHandler):
    server: OwnAgent

    def do_GET(self) -> None:
        left = self.server.expires_in
        told = "" if left is None else f'istio_agent_cert_expiry_seconds{{resource_name="default"}} {left}\n'
        body = f"istio_agent_startup_duration_seconds 1\n{told}".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


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
        directory: str = "certificates",
        **agent: Any,
    ) -> None:
        """Say what to run.

        Args:
            folder: an empty one, for everything that the programs write.
            pods: makes the pods of a loopback network, given by its number.
            every: seconds between two rotations of Prometheus' certificate; None writes one and leaves it.
            issue: makes Prometheus' certificate, given the mesh's authority; a good one by default.
            directory: where the agent writes; Prometheus reads ``certificates``.
            agent: more for the ``Agent``.
        """
        self.folder = folder
        self.authority = Authority()
        self.certificates = folder / "certificates"
        self.certificates.mkdir()
        make = issue or (lambda authority: authority.workload(*IDENTITY))
        self.agent = Agent(folder / directory, lambda: make(self.authority), every=every, **agent)
        self.pods: list[Pod] = []
        self._make_pods = pods
        self._running = ExitStack()
        self._count = 0

    def __enter__(self) -> Self:
        with ExitStack() as starting:
            self.pods = list(self._make_pods(starting.enter_context(claimed_network())))
            self.mesh = starting.enter_context(Mesh(self.pods, self.folder / "mesh", self.authority))
            starting.enter_context(self.agent)
            self.own_agent = starting.enter_context(OwnAgent())
            self._running = starting.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._running.close()

    def prometheus(
        self,
        overlay: Overlay,
        pods: Sequence[Pod] | None = None,
        *,
        mistake: tuple[str, str] = ("", ""),
        changed: Callable[[Resource], Resource] = lambda resource: resource,
    ) -> Prometheus:
        """Start a Prometheus on what an overlay renders; it finds all pods unless others are given.

        Args:
            overlay: the environment's values.
            pods: what its discovery finds.
            mistake: what to put in place of what in the rendered prometheus.yml, as a person may get it wrong.
            changed: what else to change in each resource.
        """
        self._count += 1
        folder = self.folder / f"prometheus-{self._count}"
        folder.mkdir()
        resources = [changed(_mistaken(resource, *mistake)) for resource in self.resources(overlay)]
        found = self.pods if pods is None else pods
        return self._running.enter_context(Prometheus(resources, folder, found, own_agent=self.own_agent.address))

    def resources(self, overlay: Overlay) -> list[Resource]:
        """Give what an overlay renders, with the lab's values over it."""
        return render(lab_values(overlay, self.certificates))


def _mistaken(resource: Resource, right: str, wrong: str) -> Resource:
    """Put a mistake into prometheus.yml."""
    text = resource.tree.get("data", {}).get("prometheus.yml", "")
    if not right or not text:
        return resource
    assert right in text
    data = {**resource.tree["data"], "prometheus.yml": text.replace(right, wrong)}
    return resource._replace(tree={**resource.tree, "data": data})


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
    line = r'scrape_pool=(\S+) target=(\S+) msg="Scrape failed" err="((?:[^"\\]|\\.)*)"'
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
