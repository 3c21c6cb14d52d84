"""Real Prometheus has the metrics that the alerts rest on, and they fire in it: a minute of theirs is half a second."""

from __future__ import annotations

import json
import re
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import urlopen

import pytest
import yaml

from tests.alerts.promtool import alerts
from tests.e2e.certificates import Authority, Credentials
from tests.e2e.processes import Process, free_port
from tests.tools import program

pytestmark = pytest.mark.programs

AGENT_METRICS = """\
# TYPE istio_agent_cert_expiry_seconds gauge
istio_agent_cert_expiry_seconds{resource_name="default"} 86000
"""


class Page(BaseHTTPRequestHandler):
    """Answers every request with the server's text and status, and keeps the connection."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        body = self.server.text.encode()
        self.send_response(self.server.status)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class Impatient(Page):
    """Keeps no connection."""

    timeout = 0.2


class Server(ThreadingHTTPServer):
    """A page of metrics, over mTLS where there is a context."""

    daemon_threads = True
    text = "a 1\n"
    status = 200

    def __init__(self, context: ssl.SSLContext | None = None, page: type[Page] = Page) -> None:
        super().__init__(("127.0.0.1", 0), page)
        self.context = context
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_port}"

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Shake hands in the request's own thread, not where connections are taken."""
        with suppress(OSError):
            if self.context is None:
                super().finish_request(request, client_address)
                return
            with self.context.wrap_socket(request, server_side=True) as wrapped:
                super().finish_request(wrapped, client_address)


FILES = ("key.pem", "cert-chain.pem", "root-cert.pem")


def write(folder: Path, credentials: Credentials) -> Path:
    """Write what an agent writes, and give the folder."""
    folder.mkdir(exist_ok=True)
    for name, content in zip(FILES, credentials, strict=True):
        (folder / name).write_bytes(content)
    return folder


def read(folder: Path) -> Credentials:
    return Credentials(*((folder / name).read_bytes() for name in FILES))


def demanding(folder: Path) -> ssl.SSLContext:
    """A server's side that wants a certificate of its own root, as a STRICT proxy does."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert-chain.pem", folder / "key.pem")
    context.load_verify_locations(folder / "root-cert.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def quickened(rules: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Make half a second of each minute that alerts wait or look back; a day stays one."""
    text: str = json.dumps(rules)
    return list(json.loads(re.sub(r'(?<=["\[ ])(\d+)m(?=["\] \\])', lambda found: f"{int(found[1]) * 500}ms", text)))


def over_mtls(name: str, folder: Path, *targets: str) -> dict[str, Any]:
    files = {"ca_file": "root-cert.pem", "cert_file": "cert-chain.pem", "key_file": "key.pem"}
    tls = {key: str(folder / file) for key, file in files.items()}
    job = {"job_name": name, "scheme": "https", "enable_http2": False, "static_configs": [{"targets": list(targets)}]}
    return {**job, "tls_config": {**tls, "insecure_skip_verify": True}}


class Running:
    """Prometheus with the alerts as they are rendered by default, but quick."""

    def __init__(self, folder: Path, jobs: list[dict[str, Any]]) -> None:
        self.port = free_port()
        self.config = folder / "prometheus.yml"
        rules = folder / "rules.yaml"
        rules.write_text(yaml.safe_dump({"groups": [{"name": "sidecert", "rules": quickened(alerts({}))}]}))
        own = {"job_name": "prometheus", "static_configs": [{"targets": [f"127.0.0.1:{self.port}"]}]}
        every = dict.fromkeys(("scrape_interval", "scrape_timeout", "evaluation_interval"), "500ms")
        tree = {"global": every, "rule_files": [str(rules)], "scrape_configs": [own, *jobs]}
        self.config.write_text(yaml.safe_dump(tree))
        self.command = [
            program("prometheus"),
            f"--config.file={self.config}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{self.port}",
            "--web.enable-lifecycle",
        ]

    def query(self, expression: str) -> list[dict[str, str]]:
        with urlopen(f"http://127.0.0.1:{self.port}/api/v1/query?query={quote(expression)}", timeout=10) as answer:
            return [one["metric"] for one in json.load(answer)["data"]["result"]]

    def reload(self) -> None:
        with urlopen(f"http://127.0.0.1:{self.port}/-/reload", data=b"", timeout=10):
            pass

    def firing(self) -> set[tuple[str, str]]:
        """The alerts that fire, each with what it is about."""
        found = self.query('ALERTS{alertstate="firing"}')
        return {(one["alertname"], one.get("config") or one.get("job", "")) for one in found}


@contextmanager
def running(folder: Path, *jobs: dict[str, Any]) -> Iterator[Running]:
    prometheus = Running(folder, list(jobs))
    with Process(prometheus.command, folder / "log") as process:
        process.wait_for_url(f"http://127.0.0.1:{prometheus.port}/-/ready")
        yield prometheus


def wait_until(condition: Callable[[], bool], seconds: float = 40, told: Callable[[], object] = str) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"it did not happen in time: {told()}"
        time.sleep(0.2)


@pytest.fixture
def good(tmp_path: Path) -> Path:
    """A workload's files."""
    return write(tmp_path / "good", Authority("mesh").workload("shop", "app"))


def test_a_healthy_prometheus_has_the_metrics_and_fires_nothing(tmp_path, good):
    target, agent, istiod = Server(demanding(good)), Server(), Server()
    agent.text = AGENT_METRICS
    others = [
        {"job_name": "istio-agent", "static_configs": [{"targets": [agent.address]}]},
        {"job_name": "istiod", "static_configs": [{"targets": [istiod.address]}]},
    ]
    with running(tmp_path, over_mtls("istio-mtls", good, target.address), *others) as prometheus:
        wait_until(lambda: len(prometheus.query("up == 1")) == 4)
        for rule in alerts({}):
            for selector in re.findall(r"\b\w+\{[^}]*\}", rule["expr"]):
                assert prometheus.query(selector), selector
        made = 'net_conntrack_dialer_conn_established_total{job="prometheus",dialer_name="istio-mtls"} > 0'
        wait_until(lambda: bool(prometheus.query(made)))
        time.sleep(9)  # longer than any of them waits
        assert prometheus.firing() == set()
        assert prometheus.query('ALERTS{alertstate="pending"}') == []


def test_each_fires_for_its_failure_and_for_no_other(tmp_path, good):
    legacy = write(tmp_path / "legacy", Authority("legacy").workload("monitoring", "prometheus"))
    late = tmp_path / "late"
    refused, applications, agent = Server(demanding(good)), Server(demanding(good)), Server()
    applications.status = 503
    jobs = [
        over_mtls("istio-mtls", legacy, refused.address),
        over_mtls("istio-secure-envoy", good, applications.address),
        over_mtls("istio-secure-merged", late, applications.address),
        {"job_name": "istio-agent", "static_configs": [{"targets": [agent.address]}]},
    ]
    expected = {
        ("IstioMetricsTlsFailing", "istio-mtls"),
        ("IstioMetricsTargetDown", "istio-mtls"),
        ("IstioMetricsTargetDown", "istio-secure-envoy"),
        ("PrometheusScrapePoolNotCreated", "istio-secure-merged"),
        ("PrometheusJobWithoutTarget", "istiod"),
        ("IstioAgentNotReady", "istio-agent"),
    }
    with running(tmp_path, *jobs) as prometheus:
        wait_until(lambda: prometheus.firing() >= expected, told=prometheus.firing)
        assert prometheus.firing() == expected

        write(legacy, read(good))
        write(late, read(good))
        applications.status, agent.text = 200, AGENT_METRICS
        config = prometheus.config.read_text()
        prometheus.config.write_text(config + "nonsense: true\n")
        with pytest.raises(HTTPError):
            prometheus.reload()
        refusal = {("PrometheusConfigReloadFailed", "prometheus")}
        still = {("PrometheusJobWithoutTarget", "istiod"), ("PrometheusScrapePoolNotCreated", "istio-secure-merged")}
        wait_until(lambda: prometheus.firing() == still | refusal, told=prometheus.firing)

        istiod = {"job_name": "istiod", "static_configs": [{"targets": [agent.address]}]}
        prometheus.config.write_text(config + yaml.safe_dump([istiod]))
        prometheus.reload()
        wait_until(lambda: prometheus.firing() == set(), told=prometheus.firing)


def test_files_that_can_t_be_read_any_more_are_told_from_a_dead_network(tmp_path, good):
    mine = write(tmp_path / "mine", read(good))
    target = Server(demanding(good), Impatient)
    jobs = over_mtls("istio-mtls", mine, target.address), over_mtls("istio-secure-envoy", good, "127.0.0.1:1")
    with running(tmp_path, *jobs) as prometheus:
        wait_until(lambda: bool(prometheus.query('up{job="istio-mtls"} == 1')))
        (mine / "key.pem").unlink()
        unreadable, dead = ("IstioMetricsTlsFailing", "istio-mtls"), ("IstioMetricsTargetDown", "istio-secure-envoy")
        wait_until(lambda: {unreadable, dead} <= prometheus.firing(), told=prometheus.firing)
        assert ("IstioMetricsTlsFailing", "istio-secure-envoy") not in prometheus.firing()
