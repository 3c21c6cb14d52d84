"""The pods of the lab: one of each kind that a mesh has, on loopback addresses, each with what its scrape should find.

They are written as they look after injection. The sidecar template declares port 15090 alone: the agent's port 15020
and the secure metrics ports are open without being declared.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from tests.e2e.processes import free_port

AGENT_PORT = 15020
ENVOY_PORT = 15090
SECURE_ENVOY_PORT = 15091
SECURE_MERGED_PORT = 15092
ISTIOD_PORT = 15014

MTLSMode = Literal["STRICT", "PERMISSIVE"]


class Port(NamedTuple):
    """A declared container port.

    ``app_protocol`` is how the mesh types it, "http" or "tcp". ``mtls`` is "STRICT", "PERMISSIVE", or empty for a port
    that no proxy guards. ``speaks_h2``: whether the application knows HTTP/2.
    """

    number: int
    name: str = ""
    app_protocol: str = "http"
    mtls: str = "STRICT"
    speaks_h2: bool = False


class Container(NamedTuple):
    """A container; ``is_init`` ones stand among the init containers, as native sidecars do."""

    name: str
    ports: tuple[Port, ...] = ()
    is_init: bool = False


class Pod(NamedTuple):
    """A pod on a loopback address.

    ``expected`` says, for each scrape job that may find the pod, the URL at which it must then be up; which of them do
    in an environment, ``expected_targets`` tells.
    """

    name: str
    namespace: str
    ip: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    containers: tuple[Container, ...]
    phase: str = "Running"
    node: str = "node-1"
    ready: bool = True
    service_account: str = "default"
    expected: Mapping[str, str] = {}

    @property
    def meshed(self) -> bool:
        """Whether the pod has a proxy."""
        return "sidecar.istio.io/status" in self.annotations

    @property
    def running(self) -> bool:
        """Whether its processes run, so that its ports answer."""
        return self.phase == "Running"

    def url(self, port: int, path: str = "/metrics", scheme: str = "http") -> str:
        """Give the URL of a port."""
        host = f"[{self.ip}]" if ":" in self.ip else self.ip
        return f"{scheme}://{host}:{port}{path}"


def expected_targets(
    pods: Iterable[Pod], *, certificates: bool = True, secure_ports: bool = False, envoy_stats: bool = False
) -> set[tuple[str, str]]:
    """Give the job and URL of every target that must be there and up; there must be no other.

    Args:
        pods: those of ``scenario`` or ``many``, made for the environment's ``istio.mtlsMode``.
        certificates: whether the environment has a certificate (any variant but merged).
        secure_ports: its ``scrape.securePorts.enabled``.
        envoy_stats: its ``scrape.envoyStats.enabled``.
    """
    secure = {"istio-secure-merged", "istio-secure-envoy"}
    absent = set() if secure_ports and certificates else set(secure)
    if not certificates:
        absent.add("istio-mtls")
    if not envoy_stats:
        absent.add("envoy-stats")
    found: set[tuple[str, str]] = set()
    for pod in pods:
        jobs = set(pod.expected) - absent
        if "istio-secure-merged" in jobs:
            jobs.discard("istio-merged")  # the same metrics over mTLS
        if jobs & secure:
            jobs.discard("envoy-stats")
        found |= {(job, pod.expected[job]) for job in jobs}
    return found


# --------------------------------------------------------------------------------------------------- parts of pods


_HTTP = Port(9080, "http")


def _proxy(*, native: bool = True, envoy_port: int = ENVOY_PORT) -> Container:
    return Container("istio-proxy", (Port(envoy_port, "http-envoy-prom", mtls=""),), is_init=native)


def _scrape(port: int | str, **more: str) -> dict[str, str]:
    given = {"scrape": "true", "port": str(port), **more}
    return {f"prometheus.io/{name}": value for name, value in given.items()}


_INJECTED = {
    "sidecar.istio.io/status": (
        '{"initContainers":["istio-init","istio-proxy"],"containers":null,"volumes":["workload-socket",'
        '"credential-socket","workload-certs","istio-envoy","istio-data","istio-podinfo","istio-token",'
        '"istiod-ca-cert"],"imagePullSecrets":null,"revision":"default"}'
    ),
    "kubectl.kubernetes.io/default-container": "app",
    "kubectl.kubernetes.io/default-logs-container": "app",
}
_NOT_MERGED = {**_INJECTED, "prometheus.istio.io/merge-metrics": "false"}
_MERGED = {**_INJECTED, **_scrape(AGENT_PORT, path="/stats/prometheus")}


def _labels(app: str, *, meshed: bool = True) -> dict[str, str]:
    own = {"app": app, "version": "v1", "pod-template-hash": "5d9f7c6b8"}
    if not meshed:
        return own
    return own | {
        "security.istio.io/tlsMode": "istio",
        "service.istio.io/canonical-name": app,
        "service.istio.io/canonical-revision": "v1",
    }


def _made(app: str, ip: str, annotations: Mapping[str, str], ports: Sequence[Port], *, native: bool = True) -> Pod:
    """Make a pod with a proxy and one container of its own."""
    return Pod(
        f"{app}-5d9f7c6b8-x2x4z",
        "bookinfo",
        ip,
        _labels(app),
        annotations,
        (Container("app", tuple(ports)), _proxy(native=native)),
        service_account=f"bookinfo-{app}",
    )


def _with_envoy_stats(pod: Pod) -> Pod:
    """Add what the job for Envoy's own statistics finds in a pod whose metrics are not merged."""
    stats = pod.containers[-1].ports[0].number
    return pod._replace(expected={**pod.expected, "envoy-stats": pod.url(stats, "/stats/prometheus")})


def _says_https(mode: MTLSMode) -> dict[str, str]:
    """A pod that demands mTLS has to say so in a PERMISSIVE mesh."""
    return {"prometheus.io/scheme": "https"} if mode == "PERMISSIVE" else {}


def _says_http(mode: MTLSMode) -> dict[str, str]:
    """A pod that does not demand mTLS has to say so in a STRICT mesh."""
    return {"prometheus.io/scheme": "http"} if mode == "STRICT" else {}


# ---------------------------------------------------------------------------------------------------- kinds of pods


def strict(app: str, ip: str, mode: MTLSMode = "STRICT", *, port: Port = _HTTP, path: str = "") -> Pod:
    """A pod that demands mTLS and whose metrics are not merged."""
    more = {"path": path} if path else {}
    annotations = {**_NOT_MERGED, **_scrape(port.number, **more), **_says_https(mode)}
    pod = _made(app, ip, annotations, [port])
    url = pod.url(port.number, path or "/metrics", "https")
    return _with_envoy_stats(pod._replace(expected={"istio-mtls": url}))


def merged(app: str, ip: str, mode: MTLSMode = "STRICT") -> Pod:
    """A pod as injection makes it by default: the agent serves everybody's metrics in cleartext."""
    pod = _made(app, ip, _MERGED, [Port(9080, "http", mtls=mode)])
    return pod._replace(expected={"istio-merged": pod.url(AGENT_PORT, "/stats/prometheus")})


def permissive(app: str, ip: str, mode: MTLSMode = "STRICT", *, app_protocol: str = "http") -> Pod:
    """A pod whose port takes mTLS from the mesh and cleartext from everybody."""
    port = Port(9080, "http" if app_protocol == "http" else "", app_protocol, "PERMISSIVE")
    pod = _made(app, ip, {**_NOT_MERGED, **_scrape(port.number), **_says_http(mode)}, [port])
    return _with_envoy_stats(pod._replace(expected={"kubernetes-pods": pod.url(port.number)}))


def outside(app: str, ip: str, *, port: int = 8080) -> Pod:
    """A pod without a proxy."""
    pod = Pod(
        f"{app}-7c4d8f9b6-k8s2w",
        "legacy",
        ip,
        _labels(app, meshed=False),
        _scrape(port),
        (Container("app", (Port(port, "http", mtls=""),)),),
        node="node-2",
    )
    return pod._replace(expected={"kubernetes-pods": pod.url(port)})


def istiod(ip: str) -> Pod:
    """The control plane."""
    ports = (
        Port(8080, "http-debug", mtls=""),
        Port(15010, "grpc-xds", mtls=""),
        Port(ISTIOD_PORT, "http-monitoring", mtls=""),
    )
    pod = Pod(
        "istiod-6f9d8c7b5-q7rtv",
        "istio-system",
        ip,
        {"app": "istiod", "istio": "pilot", "istio.io/rev": "default", "sidecar.istio.io/inject": "false"},
        _scrape(ISTIOD_PORT),
        (Container("discovery", ports),),
        node="node-2",
        service_account="istiod",
    )
    return pod._replace(expected={"istiod": pod.url(ISTIOD_PORT)})


def secure_merged(app: str, ip: str, mode: MTLSMode = "STRICT") -> Pod:
    """A merged pod whose proxy offers the merged metrics over mTLS as well (Istio 1.31)."""
    pod = merged(app, ip, mode)
    annotations = {
        **pod.annotations,
        "prometheus.istio.io/secure-port": str(SECURE_MERGED_PORT),
        "traffic.sidecar.istio.io/excludeInboundPorts": f"{SECURE_ENVOY_PORT},{SECURE_MERGED_PORT}",
    }
    secure = pod.url(SECURE_MERGED_PORT, "/stats/prometheus", "https")
    return pod._replace(annotations=annotations, expected={**pod.expected, "istio-secure-merged": secure})


def secure_envoy(app: str, ip: str, mode: MTLSMode = "STRICT") -> Pod:
    """A pod with merging off, whose proxy offers its own statistics over mTLS (Istio 1.31)."""
    pod = strict(app, ip, mode)
    annotations = {
        **pod.annotations,
        "prometheus.istio.io/secure-envoy-port": str(SECURE_ENVOY_PORT),
        "traffic.sidecar.istio.io/excludeInboundPorts": f"{SECURE_ENVOY_PORT},{SECURE_MERGED_PORT}",
    }
    secure = pod.url(SECURE_ENVOY_PORT, "/stats/prometheus", "https")
    return pod._replace(annotations=annotations, expected={**pod.expected, "istio-secure-envoy": secure})


def several_ports(app: str, ip: str, mode: MTLSMode = "STRICT") -> Pod:
    """A pod of two containers and four ports, one of which is annotated; its proxy is no native sidecar."""
    annotations = {**_NOT_MERGED, **_scrape(9090), **_says_https(mode)}
    pod = _made(app, ip, annotations, [Port(9080, "http"), Port(9443, "tcp-tls", "tcp")], native=False)
    metrics = Container("exporter", (Port(9090, "http-metrics"), Port(9091, "http-admin")))
    pod = pod._replace(containers=(pod.containers[0], metrics, pod.containers[1]))
    return _with_envoy_stats(pod._replace(expected={"istio-mtls": pod.url(9090, scheme="https")}))


def ipv6(app: str, mode: MTLSMode = "STRICT") -> Pod:
    """A pod at ::1, the one IPv6 address that every machine has, so all of its ports are free ones."""
    port, envoy_port = Port(free_port("::1"), "http"), free_port("::1")
    pod = strict(app, "::1", mode, port=port)
    pod = pod._replace(containers=(pod.containers[0], _proxy(envoy_port=envoy_port)))
    return _with_envoy_stats(pod)


def completed_job(app: str, ip: str) -> Pod:
    """A Job's pod that has ended: it keeps its annotations and its address, and answers no more."""
    pod = merged(app, ip)
    labels = {**pod.labels, "job-name": app, "batch.kubernetes.io/job-name": app}
    return pod._replace(name=f"{app}-29384-9xqvd", labels=labels, phase="Succeeded", ready=False, expected={})


def not_to_be_scraped(app: str, ip: str) -> Pod:
    """A pod whose owner wants none of it scraped; injection then adds no annotations."""
    return _made(app, ip, {**_INJECTED, "prometheus.io/scrape": "false"}, [Port(9080, "http")])


def invalid_port(app: str, ip: str, mode: MTLSMode = "STRICT") -> Pod:
    """A pod whose port annotation is a port's name."""
    pod = _made(app, ip, {**_NOT_MERGED, **_scrape("http"), **_says_https(mode)}, [Port(9080, "http")])
    return _with_envoy_stats(pod)


# ------------------------------------------------------------------------------------------------------- scenarios


def scenario(network: int, mode: MTLSMode = "STRICT") -> list[Pod]:
    """Give one pod of each kind, as they look in a mesh of a mode.

    Args:
        network: N of the addresses 127.N.0.x, from ``processes.claimed_network``.
        mode: the environment's ``istio.mtlsMode``.
    """
    at = f"127.{network}.0"
    return [
        strict("productpage", f"{at}.10", mode),
        strict("actuator", f"{at}.11", mode, path="/actuator/prometheus"),
        strict("rabbitmq", f"{at}.12", mode, port=Port(9419, "tcp-metrics", "tcp")),
        strict("etcd", f"{at}.13", mode, port=Port(2381, "tcp-metrics", "tcp", speaks_h2=True)),
        merged("reviews", f"{at}.20", mode),
        secure_merged("ratings", f"{at}.21", mode),
        secure_envoy("details", f"{at}.22", mode),
        permissive("gateway-api", f"{at}.30", mode),
        permissive("mysqld-exporter", f"{at}.31", mode, app_protocol="tcp"),
        several_ports("several", f"{at}.40", mode),
        ipv6("six", mode),
        outside("node-exporter", f"{at}.50"),
        outside("six-outside", "::1", port=free_port("::1")),
        not_to_be_scraped("private", f"{at}.60"),
        completed_job("migrate", f"{at}.61"),
        invalid_port("mistaken", f"{at}.62", mode),
        istiod(f"{at}.70"),
    ]


def many(count: int, network: int, mode: MTLSMode = "STRICT") -> list[Pod]:
    """Give many pods: of each five, three demand mTLS, one is merged and one is outside the mesh.

    Args:
        count: how many, at most 60,000.
        network: N of the addresses 127.N.1.1 and up; those of ``scenario`` are others.
        mode: the environment's ``istio.mtlsMode``.
    """
    made = []
    for number in range(count):
        ip = f"127.{network}.{1 + number // 250}.{1 + number % 250}"
        app = f"many-{number:04}"
        if number % 5 == 3:
            made.append(merged(app, ip, mode))
        elif number % 5 == 4:
            made.append(outside(app, ip))
        else:
            made.append(strict(app, ip, mode))
    return made
