"""Real Prometheus on what an environment renders, with its discovery swapped for files (see `discovery`)."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

import yaml

from generator.resource import Resource
from tests import rendering
from tests.e2e import discovery
from tests.e2e.kubernetes import Service
from tests.e2e.pods import Pod
from tests.e2e.processes import Process, ProcessError, bound_by_modes, free_port
from tests.e2e.prometheus_operator import operator_config, operator_rule_files
from tests.tools import program

Tree = Mapping[str, Any]

#: The lab's own values, over an environment's.
QUICK: Tree = {"prometheus": {"scrapeInterval": "1s", "scrapeTimeout": "1s", "evaluationInterval": "1s"}}


# ------------------------------------------------------------------------------------------------------- rendering


def lab_values(overlay: Tree, certificates: Path) -> dict[str, Any]:
    """Give an overlay as the lab renders it: everything every second, certificates read from a folder of the lab's."""
    return merged(overlay, QUICK, {"certificates": {"mountPath": str(certificates)}})


def merged(*trees: Tree) -> dict[str, Any]:
    """Merge value trees, the last one's leaves first."""
    result: dict[str, Any] = {}
    for tree in trees:
        for key, value in tree.items():
            below = result.get(key)
            nested = isinstance(value, Mapping) and isinstance(below, Mapping)
            result[key] = merged(below, value) if nested else value  # type: ignore[arg-type] # both are maps here
    return result


def render_environment(name: str, certificates: Path) -> list[Resource]:
    """Render one of this project's environments with the lab's values over its own.

    Raises:
        InputError: it isn't valid.
    """
    builder = rendering._builder()
    return builder._rendered(lab_values(rendering.sample_values(name), certificates))


class Configuration(NamedTuple):
    """What Prometheus reads: its configuration, parsed, and its rule files by their path below the rules' folder."""

    config: dict[str, Any]
    rules: dict[str, str]


def configuration(resources: Sequence[Resource]) -> Configuration:
    """Give what rendered resources make Prometheus read: from ConfigMaps, or made by the operator.

    Raises:
        ValueError: there is no Prometheus among them.
    """
    if any(resource.id.kind in {"Prometheus", "PrometheusAgent"} for resource in resources):
        return Configuration(operator_config(resources), operator_rule_files(resources))
    rules: dict[str, str] = {}
    for resource in resources:
        if resource.id.kind == "ConfigMap":
            rules |= {name: text for name, text in resource.tree["data"].items() if name != "prometheus.yml"}
    return Configuration(yaml.safe_load(rendered_file(resources)), rules)


def rendered_file(resources: Iterable[Resource]) -> str:
    """Give prometheus.yml as it stands in its ConfigMap.

    Raises:
        ValueError: there is none.
    """
    for resource in resources:
        if resource.id.kind == "ConfigMap" and "prometheus.yml" in resource.tree["data"]:
            return str(resource.tree["data"]["prometheus.yml"])
    raise ValueError("no ConfigMap holds a prometheus.yml")


# --------------------------------------------------------------------------------------------------------- targets


class Target(NamedTuple):
    """An active target, as /api/v1/targets tells it.

    ``pool`` is the scrape job; ``job`` the label, which a PodMonitor may set. ``health`` is up, down or unknown.
    """

    pool: str
    url: str
    health: str
    error: str
    labels: dict[str, str]

    @property
    def job(self) -> str:
        """The job that its series belong to."""
        return self.labels["job"]


def read_targets(answer: Tree) -> list[Target]:
    """Read the active targets of an answer of /api/v1/targets, sorted by job and URL."""
    found = [
        Target(one["scrapePool"], one["scrapeUrl"], _health(one), one["lastError"], one["labels"])
        for one in answer["data"]["activeTargets"]
    ]
    return sorted(found, key=lambda target: (target.job, target.url))


def _health(target: Tree) -> str:
    """Say that a target is unknown before its first scrape, where victoria-metrics says down for no reason."""
    return "unknown" if target["health"] == "down" and not target["lastError"] else str(target["health"])


def fetch_json(url: str, *, timeout: float = 10.0) -> Any:
    """Get a URL's answer, whatever its status, as JSON.

    Raises:
        OSError: there is no connection, or no answer in time.
        ValueError: the answer is something else.
    """
    # Without a handler for proxies: what http_proxy says is not meant for loopback addresses.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=timeout) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return json.load(error)


class Scraper:
    """What running Prometheus and victoria-metrics have in common."""

    process: Process
    url: str

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End the program. Safe to call twice."""
        self.process.stop()

    def log(self, lines: int = 30) -> str:
        """Give the last lines of its log."""
        return self.process.tail(lines)

    def targets(self) -> list[Target]:
        """Give its active targets, those of every job, sorted by job and URL."""
        return read_targets(fetch_json(f"{self.url}/api/v1/targets?state=active"))

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """Evaluate a PromQL expression that gives a vector now; give labels and value of each element.

        Raises:
            ValueError: it can't be evaluated.
        """
        answer = fetch_json(f"{self.url}/api/v1/query?{urllib.parse.urlencode({'query': expression})}")
        if answer["status"] != "success" or answer["data"]["resultType"] != "vector":
            raise ValueError(f"{expression}: {answer}")
        return [(one["metric"], float(one["value"][1])) for one in answer["data"]["result"]]

    def wait_for(self, condition: Callable[[], object], timeout: float = 60.0, what: str = "condition") -> None:
        """Wait until a condition holds, while the program runs; it goes on running if the time is over.

        Args:
            condition: asked again and again; an OSError it raises counts as no.
            timeout: how long to wait, in seconds.
            what: what is waited for, for the message.

        Raises:
            ProcessError: the program has ended, or the time is over; tells the targets, and the end of the log.
        """
        end = time.monotonic() + timeout
        while True:
            try:
                if condition():
                    return
            except OSError:
                pass
            if not self.process.running:
                raise ProcessError(f"{self.process.name} ended while waiting for {what}:\n{self.log()}")
            if time.monotonic() > end:
                seen = "\n".join(f"{one.pool} {one.url} {one.health} {one.error}" for one in self.targets())
                raise ProcessError(f"no {what} after {timeout:g} s; targets:\n{seen}\nlog:\n{self.log(10)}")
            time.sleep(0.1)

    def wait_until_scraped(self, count: int, timeout: float = 60.0) -> list[Target]:
        """Wait until there are this many targets and each was scraped, well or not; give them.

        Raises:
            ProcessError: as `wait_for`.
        """
        found: list[Target] = []

        def scraped() -> bool:
            found[:] = self.targets()
            return len(found) == count and all(target.health != "unknown" for target in found)

        self.wait_for(scraped, timeout, f"{count} scraped targets")
        return found


# ------------------------------------------------------------------------------------------------------ Prometheus


class Prometheus(Scraper):
    """A running Prometheus, ready to answer; it has no targets in its first five seconds."""

    def __init__(
        self,
        resources: Sequence[Resource],
        folder: Path,
        pods: Sequence[Pod] = (),
        services: Sequence[Service] = (),
        *,
        pod_name: str = "prometheus-0",
        own_agent: str = discovery.OWN_AGENT,
    ) -> None:
        """Start Prometheus and wait until it is ready.

        Args:
            resources: those of an environment, rendered with `lab_values`.
            folder: an empty one for its configuration, data and log.
            pods: what discovery finds at first.
            services: the Services that discovery finds at first.
            pod_name: the name of its own pod, which a configuration may ask for.
            own_agent: host and port of the agent that stands for the one beside it.

        Raises:
            ProcessError: it ended, or is not ready in time.
        """
        self.folder = folder
        port = free_port()
        self.address = f"127.0.0.1:{port}"
        self.url = f"http://{self.address}"
        self._addresses = {discovery.SELF: self.address, discovery.OWN_AGENT: own_agent}
        self._pods, self._services = tuple(pods), tuple(services)
        self._write(resources)
        command = [
            program("prometheus"),
            f"--config.file={folder}/prometheus.yml",
            f"--storage.tsdb.path={folder}/data",
            f"--web.listen-address={self.address}",
            "--web.enable-lifecycle",
            "--enable-feature=expand-external-labels",  # as Prometheus 3 does by itself
            "--log.level=debug",  # so that the log tells why a scrape failed
        ]
        self.process = Process(
            bound_by_modes(command),
            folder / "prometheus.log",
            name="prometheus",
            environment={"POD_NAME": pod_name},
        )
        self.process.wait_for_url(f"{self.url}/-/ready")

    def discover(self, pods: Sequence[Pod], services: Sequence[Service] = ()) -> None:
        """Let discovery find other pods and Services; Prometheus scrapes them within about five seconds."""
        self._pods, self._services = tuple(pods), tuple(services)
        discovery.write(self.configuration.config, self.folder, self._pods, self._services)

    def alerts(self) -> list[dict[str, Any]]:
        """Give its pending and firing alerts: name, state and labels as the API tells them."""
        return list(fetch_json(f"{self.url}/api/v1/alerts")["data"]["alerts"])

    def firing(self) -> set[str]:
        """Give the names of the alerts that fire."""
        return {one["labels"]["alertname"] for one in self.alerts() if one["state"] == "firing"}

    def reload(self, resources: Sequence[Resource] | None = None) -> None:
        """Let it read its configuration again, or one of other resources.

        Raises:
            ProcessError: it refuses the configuration; tells its words, and it goes on with the former one.
        """
        if resources is not None:
            self._write(resources)
        request = urllib.request.Request(f"{self.url}/-/reload", method="POST")
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            opener.open(request, timeout=30).close()
        except urllib.error.HTTPError as error:
            with error:
                raise ProcessError(f"prometheus refuses to reload: {error.read().decode()}") from None

    def _write(self, resources: Sequence[Resource]) -> None:
        self.configuration = configuration(resources)
        for name, text in self.configuration.rules.items():
            path = self.folder / "rules" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        config = discovery.swapped(self.configuration.config, self.folder, self._addresses)
        (self.folder / "prometheus.yml").write_text(yaml.safe_dump(config, sort_keys=False))
        discovery.write(self.configuration.config, self.folder, self._pods, self._services)
