"""An HTTP server that answers as a Prometheus does: with what a real one answered, or with what a test says.

``recorded/`` holds answers of Prometheus 2.42 that scraped an Envoy 1.40 with Istio's filter chains, one job for each
known error, named for it.
"""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

RECORDED = Path(__file__).parent / "recorded"
PAGES = {
    "/api/v1/targets": "targets.json",
    "/api/v1/status/config": "config.json",
    "/api/v1/rules": "rules.json",
    "/api/v1/status/buildinfo": "build.json",
    "/api/v1/status/runtimeinfo": "runtime.json",
    "/api/v1/scrape_pools": "pools.json",
    "/metrics": "metrics.txt",
}


class Said(NamedTuple):
    """An answer."""

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = MappingProxyType({})


def success(data: Any) -> Said:
    """What Prometheus' API says."""
    return Said(json.dumps({"status": "success", "data": data}).encode())


def recorded(name: str) -> Any:
    """The data of a recorded answer."""
    return json.loads((RECORDED / name).read_text())["data"]


class Server:
    """Answers by path; keeps the requests it got."""

    def __init__(self, answers: dict[str, Said], prefix: str = "") -> None:
        self.answers = answers
        self.prefix = prefix
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.port = 0
        self.scheme = "http"

    @property
    def url(self) -> str:
        return f"{self.scheme}://localhost:{self.port}{self.prefix}"

    def answer(self, path: str) -> Said:
        return self.answers.get(path.partition("?")[0].removeprefix(self.prefix), Said(b"not found", 404))


@contextmanager
def serving(server: Server, tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    """Serve until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.requests.append((self.path, dict(self.headers)))
            body, status, headers = server.answer(self.path)
            self.send_response_only(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: object) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_arguments: object) -> None:
            pass  # clients that break off are what these tests are about

        def shutdown_request(self, request: Any) -> None:
            """Close when the client has: closing over what is unread would reset the connection, and lose an alert."""
            with contextlib.suppress(OSError):
                socket.socket.shutdown(request, socket.SHUT_WR)
                request.settimeout(2)
                while socket.socket.recv(request, 4096):
                    pass
            self.close_request(request)

    http = Quiet(("127.0.0.1", 0), Handler)
    server.port = http.server_address[1]
    if tls:
        http.socket = tls.wrap_socket(http.socket, server_side=True, do_handshake_on_connect=False)
        server.scheme = "https"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join()


def a_target(
    job: str, health: str = "up", error: str = "", url: str = "http://10.0.0.1:8080/metrics", **labels: str
) -> Any:
    """An active target as the API has it."""
    return {
        "discoveredLabels": {},
        "labels": {"job": job, **labels},
        "scrapePool": job,
        "scrapeUrl": url,
        "lastError": error,
        "health": health,
    }


def healthy(configuration: str, *targets: Any, groups: tuple[Any, ...] = ()) -> dict[str, Said]:
    """What a Prometheus says that runs a configuration, with some targets."""
    jobs = [line.split(": ")[1] for line in configuration.splitlines() if line.strip(" -").startswith("job_name: ")]
    return {
        "/api/v1/targets": success({"activeTargets": targets, "droppedTargets": []}),
        "/api/v1/status/config": success({"yaml": configuration}),
        "/api/v1/rules": success({"groups": groups}),
        "/api/v1/status/buildinfo": success({"version": "3.13.2"}),
        "/api/v1/status/runtimeinfo": success({"reloadConfigSuccess": True, "lastConfigTime": "2026-01-01T00:00:00Z"}),
        "/api/v1/scrape_pools": success({"scrapePools": jobs}),
    }
