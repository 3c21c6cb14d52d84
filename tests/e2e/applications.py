"""What runs in the pods besides Envoy: the applications and the agents, all served by one thread.

A port that a proxy guards is reached through Envoy, which tells in a PROXY line which pod and port was meant. A port
that none guards, the agent's among them, is bound at the pod's own address.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter, defaultdict
from collections.abc import Coroutine, Iterable, Iterator
from typing import Any, NamedTuple, Self

from tests.e2e.pods import AGENT_PORT, SECURE_ENVOY_PORT, SECURE_MERGED_PORT, Pod

STATS_PATH = "/stats/prometheus"

#: The longest request that is read, in bytes.
_LIMIT = 64 * 1024

_Address = tuple[str, int]


class Asked(NamedTuple):
    """What a request asked for."""

    pod: str
    port: int
    path: str


class _Endpoint(NamedTuple):
    """An open port of a pod; ``sources`` are those whose metrics it serves: "application", "agent", "envoy"."""

    pod: Pod
    port: int
    path: str
    sources: tuple[str, ...]
    guarded: bool


class Applications:
    """Serves the metrics of many pods, and counts who was asked for what.

    They speak HTTP/1.1. Whatever else arrives (HTTP/2 frames, a TLS handshake) gets no answer: the connection is closed
    as many servers do it; with ``answers_noise`` a cleartext "400 Bad Request" comes first, as from Go's server.
    """

    def __init__(self, pods: Iterable[Pod], *, answers_noise: bool = False) -> None:
        self.answers_noise = answers_noise
        #: How often each was answered with metrics.
        self.scrapes: Counter[Asked] = Counter()
        #: How often each was answered with 404.
        self.not_found: Counter[Asked] = Counter()
        #: How many connections were closed because they spoke no HTTP/1.1; the path is empty.
        self.noise: Counter[Asked] = Counter()
        #: The port of 127.0.0.1 to which Envoy sends what the proxies let through.
        self.port = 0
        self._endpoints: dict[_Address, _Endpoint] = {}
        for pod in pods:
            for endpoint in _endpoints(pod):
                self._endpoints[pod.ip, endpoint.port] = endpoint
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="applications", daemon=True)
        self._connections: set[_Connection] = set()
        self._servers: list[asyncio.Server] = []

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def start(self) -> Self:
        """Bind every port, and give the applications themselves.

        Raises:
            OSError: a port is taken. Nothing is bound then.
        """
        self._thread.start()
        try:
            self._in_thread(self._bind())
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Close every connection and every port."""
        if self._loop.is_closed():
            return
        self._in_thread(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def answered(self, pod: Pod) -> int:
        """Give how many scrapes of a pod were answered, whatever the port."""
        return sum(count for asked, count in list(self.scrapes.items()) if asked.pod == pod.name)

    def _in_thread(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(30.0)

    async def _bind(self) -> None:
        hosts: dict[int, list[str]] = defaultdict(list)
        for (ip, port), endpoint in self._endpoints.items():
            if not endpoint.guarded:
                hosts[port].append(ip)
        for port, ips in hosts.items():
            self._servers.append(await self._loop.create_server(lambda: _Connection(self, None), ips, port))
        proxied = await self._loop.create_server(lambda: _Connection(self, ()), "127.0.0.1", 0, backlog=1024)
        self._servers.append(proxied)
        self.port = proxied.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        for server in self._servers:
            server.close()
        for connection in list(self._connections):
            connection.transport.abort()
        await asyncio.sleep(0)  # connections are told of their end in the loop's next round

    def answer(self, address: _Address, path: str) -> tuple[str, str]:
        """Give the status line's end and the body for a path asked of a pod's address."""
        endpoint = self._endpoints.get(address)
        if endpoint is None:
            return "404 Not Found", f"no pod at {address[0]} port {address[1]}\n"
        asked = Asked(endpoint.pod.name, endpoint.port, path)
        if path != endpoint.path:
            self.not_found[asked] += 1
            return "404 Not Found", f"{asked.pod} has no {path} on port {asked.port}\n"
        self.scrapes[asked] += 1
        return "200 OK", "".join(_metrics(source, asked, self.scrapes[asked]) for source in endpoint.sources)

    def heard_noise(self, address: _Address) -> None:
        """Count a connection that speaks no HTTP/1.1."""
        endpoint = self._endpoints.get(address)
        if endpoint is not None:
            self.noise[Asked(endpoint.pod.name, endpoint.port, "")] += 1


class _Connection(asyncio.Protocol):
    """One connection: to a pod's own port, or, with ``address`` empty, to the one that begins with a PROXY line."""

    transport: asyncio.Transport

    def __init__(self, applications: Applications, address: _Address | tuple[()] | None) -> None:
        self._applications = applications
        self._address = address
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._applications._connections.add(self)
        if self._address is None:
            own = transport.get_extra_info("sockname")
            self._address = (own[0], own[1])

    def connection_lost(self, exc: Exception | None) -> None:
        self._applications._connections.discard(self)

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self._address:
            line, found, rest = self._received.partition(b"\r\n")
            if not found:
                return
            # PROXY TCP4 <client> <pod> <client's port> <pod's port>
            _, _, _, ip, _, port = line.decode("ascii").split(" ")
            self._address = (ip, int(port))
            self._received = rest
        while self._received and not self.transport.is_closing():
            if not self._received[:1].isupper() or self._received.startswith(b"PRI ") or len(self._received) > _LIMIT:
                self._give_up(self._address)
                return
            head, found, rest = self._received.partition(b"\r\n\r\n")
            if not found:
                return
            self._received = rest
            self._answer(self._address, head.decode("latin-1"))

    def _answer(self, address: _Address, head: str) -> None:
        method, target, version = head.partition("\r\n")[0].split(" ")
        if method == "GET":
            status, body = self._applications.answer(address, target.partition("?")[0])
        else:
            status, body = "405 Method Not Allowed", ""
        last = version == "HTTP/1.0" or "\r\nconnection: close" in head.lower()
        content = body.encode()
        lines = (
            f"HTTP/1.1 {status}",
            "Content-Type: text/plain; version=0.0.4; charset=utf-8",
            f"Content-Length: {len(content)}",
            *(("Connection: close",) if last else ()),
        )
        self.transport.write("\r\n".join((*lines, "", "")).encode() + content)
        if last:
            self.transport.close()

    def _give_up(self, address: _Address) -> None:
        self._applications.heard_noise(address)
        if self._applications.answers_noise:
            self.transport.write(
                b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n"
                b"Connection: close\r\n\r\n400 Bad Request"
            )
        self.transport.close()


def _endpoints(pod: Pod) -> Iterator[_Endpoint]:
    """Give what is open in a pod. The agent of an IPv6 pod is left out: ::1 has but one port 15020 for all of them."""
    if not pod.running:
        return
    merges = pod.annotations.get("prometheus.io/port") == str(AGENT_PORT)
    path = "/metrics" if merges else pod.annotations.get("prometheus.io/path", "/metrics")
    for container in pod.containers:
        proxy = container.name == "istio-proxy"
        for port in container.ports:
            if proxy:
                yield _Endpoint(pod, port.number, STATS_PATH, ("envoy",), guarded=True)
            else:
                yield _Endpoint(pod, port.number, path, ("application",), guarded=bool(pod.meshed and port.mtls))
    if pod.meshed:
        everybody = ("envoy", "agent", "application") if merges else ("envoy", "agent")
        if ":" not in pod.ip:
            yield _Endpoint(pod, AGENT_PORT, STATS_PATH, everybody, guarded=False)
        yield _Endpoint(pod, SECURE_ENVOY_PORT, STATS_PATH, ("envoy",), guarded=True)
        yield _Endpoint(pod, SECURE_MERGED_PORT, STATS_PATH, everybody, guarded=True)


def _metrics(source: str, asked: Asked, count: int) -> str:
    """Give one source's metrics: a counter of its own, which says what was asked of whom and how often."""
    name = f"lab_{source}_scrapes_total"
    labels = f'asked_pod="{asked.pod}",asked_port="{asked.port}",asked_path="{asked.path}"'
    return f"# HELP {name} How often this was asked for.\n# TYPE {name} counter\n{name}{{{labels}}} {count}\n"
