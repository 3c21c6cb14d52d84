"""A Kubernetes API for discovery: it lists and watches pods, Services, their endpoints and nodes, over https.

A client needs what a pod finds in its file system: the address, the root certificate and the token. Endpoint slices
and Endpoints follow from Services and pods, as the controllers in a cluster would make them.
"""

from __future__ import annotations

import ipaddress
import json
import re
import socket
import ssl
import tempfile
import threading
import time
from bisect import bisect
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self
from urllib.parse import parse_qs, urlsplit

from tests.e2e.pods import Container, Pod

Object = dict[str, Any]

_ROUTE = re.compile(r"(/api/v1|/apis/discovery\.k8s\.io/v1)(?:/namespaces/([^/]+))?/([a-z]+)(?:/([^/]+))?")

#: The resources served: their path and their kind.
_KINDS = {
    "pods": ("/api/v1", "Pod"),
    "services": ("/api/v1", "Service"),
    "endpoints": ("/api/v1", "Endpoints"),
    "nodes": ("/api/v1", "Node"),
    "endpointslices": ("/apis/discovery.k8s.io/v1", "EndpointSlice"),
}

#: How often a watch that asked for bookmarks gets one, in seconds.
_BOOKMARK_INTERVAL = 5.0

#: How long an API that closes lets its watches write their end, in seconds.
_END_OF_WATCHES = 5.0


class Service(NamedTuple):
    """A headless Service; ``ports`` are container ports by the port's name, and so are those of the Service."""

    name: str
    namespace: str
    selector: Mapping[str, str]
    ports: Mapping[str, int]
    labels: Mapping[str, str] = {}
    annotations: Mapping[str, str] = {}

    def selects(self, pod: Pod) -> bool:
        """Whether a pod stands behind it: running, in its namespace, with its labels."""
        return (
            pod.namespace == self.namespace and pod.phase == "Running" and self.selector.items() <= pod.labels.items()
        )

    def slices(self, pods: Iterable[Pod]) -> Iterator[EndpointSlice]:
        """Give its endpoint slices: one for each IP family that its pods have."""
        chosen = sorted(filter(self.selects, pods), key=lambda pod: pod.name)
        for family, version in (("IPv4", 4), ("IPv6", 6)):
            of_family = tuple(pod for pod in chosen if ipaddress.ip_address(pod.ip).version == version)
            if of_family:
                yield EndpointSlice(f"{self.name}-{family.lower()}", family, self, of_family)


class EndpointSlice(NamedTuple):
    """The pods of one IP family behind a Service."""

    name: str
    address_type: str
    service: Service
    pods: tuple[Pod, ...]

    @property
    def labels(self) -> dict[str, str]:
        """The labels that its controller sets."""
        return {
            "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
            "kubernetes.io/service-name": self.service.name,
        }


# ------------------------------------------------------------------------------------------------------- the objects


def objects(pods: Iterable[Pod], services: Iterable[Service]) -> Iterator[tuple[str, Object]]:
    """Give everything that the API serves, each with the resource it belongs to (``pods``, ``nodes``, ...)."""
    pods = list(pods)
    for pod in pods:
        yield "pods", pod_object(pod)
    for node in sorted({pod.node for pod in pods}):
        yield "nodes", _node_object(node)
    for service in services:
        yield "services", _service_object(service)
        yield "endpoints", _endpoints_object(service, pods)
        for endpoint_slice in service.slices(pods):
            yield "endpointslices", _slice_object(endpoint_slice)


def pod_object(pod: Pod) -> Object:
    """Write a pod as the API shows it, as far as discovery looks."""
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": owner_name(pod), "uid": _uid(pod, "owner")}
    plain = [container for container in pod.containers if not container.is_init]
    init = [container for container in pod.containers if container.is_init]
    return {
        "metadata": {
            **_metadata(pod.name, pod.namespace, pod.labels, pod.annotations),
            "uid": _uid(pod),
            "ownerReferences": [{**owner, "controller": True, "blockOwnerDeletion": True}],
        },
        "spec": {
            "nodeName": pod.node,
            "serviceAccountName": pod.service_account,
            "containers": [_container_object(container) for container in plain],
            "initContainers": [{**_container_object(container), "restartPolicy": "Always"} for container in init],
        },
        "status": {
            "phase": pod.phase,
            "hostIP": HOST_IP,
            "conditions": [{"type": "Ready", "status": str(pod.ready)}],
            **({"podIP": pod.ip, "podIPs": [{"ip": pod.ip}]} if pod.ip else {}),
        },
    }


#: The address of every node.
HOST_IP = "192.168.0.1"


def owner_name(pod: Pod) -> str:
    """Give the name of the ReplicaSet that a pod belongs to."""
    return pod.name.rpartition("-")[0] or pod.name


def image(container: Container) -> str:
    """Give a container's image."""
    return f"registry.example.com/{container.name}:1"


def _uid(pod: Pod, kind: str = "pod") -> str:
    return f"{kind}-{pod.namespace}-{pod.name}"


def _container_object(container: Container) -> Object:
    ports = [
        {"containerPort": port.number, "protocol": "TCP", **({"name": port.name} if port.name else {})}
        for port in container.ports
    ]
    return {"name": container.name, "image": image(container), "ports": ports}


def _node_object(name: str) -> Object:
    return {
        "metadata": _metadata(name, "", {"kubernetes.io/hostname": name}),
        "status": {
            "addresses": [{"type": "InternalIP", "address": HOST_IP}, {"type": "Hostname", "address": name}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
        },
    }


def _service_object(service: Service) -> Object:
    ports = [
        {"name": name, "port": number, "targetPort": number, "protocol": "TCP"}
        for name, number in service.ports.items()
    ]
    return {
        "metadata": _metadata(service.name, service.namespace, service.labels, service.annotations),
        "spec": {"clusterIP": "None", "type": "ClusterIP", "selector": dict(service.selector), "ports": ports},
    }


def _slice_object(found: EndpointSlice) -> Object:
    return {
        "metadata": _metadata(found.name, found.service.namespace, found.labels),
        "addressType": found.address_type,
        "ports": _endpoint_ports(found.service),
        "endpoints": [
            {
                "addresses": [pod.ip],
                "conditions": {"ready": pod.ready, "serving": pod.ready, "terminating": False},
                "targetRef": _target_reference(pod),
                "nodeName": pod.node,
            }
            for pod in found.pods
        ],
    }


def _endpoints_object(service: Service, pods: Iterable[Pod]) -> Object:
    addresses: dict[bool, list[Object]] = {True: [], False: []}
    for pod in sorted(filter(service.selects, pods), key=lambda pod: pod.name):
        address = {"ip": pod.ip, "nodeName": pod.node, "targetRef": _target_reference(pod)}
        addresses[pod.ready].append(address)
    subset: Object = {"ports": _endpoint_ports(service)}
    for ready, key in ((True, "addresses"), (False, "notReadyAddresses")):
        if addresses[ready]:
            subset[key] = addresses[ready]
    # The controller copies a Service's labels.
    metadata = _metadata(service.name, service.namespace, service.labels)
    return {"metadata": metadata, "subsets": [subset] if any(addresses.values()) else []}


def _endpoint_ports(service: Service) -> list[Object]:
    return [{"name": name, "port": number, "protocol": "TCP"} for name, number in service.ports.items()]


def _target_reference(pod: Pod) -> Object:
    return {"kind": "Pod", "name": pod.name, "namespace": pod.namespace, "uid": _uid(pod)}


def _metadata(
    name: str, namespace: str, labels: Mapping[str, str], annotations: Mapping[str, str] | None = None
) -> Object:
    metadata: Object = {"name": name, "labels": dict(labels), "annotations": dict(annotations or {})}
    if namespace:
        metadata["namespace"] = namespace
    return metadata


# ------------------------------------------------------------------------------------------------ what it remembers


class _Event(NamedTuple):
    version: int
    resource: str
    kind: str
    object: Object


class _Store:
    """All objects, and every change so far: a watch may start at any version."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.version = 1
        self.objects: dict[tuple[str, str, str], Object] = {}
        self.events: list[_Event] = []
        self.closed = False

    def replace(self, wanted: Iterable[tuple[str, Object]]) -> None:
        """Become what is wanted, with an event for each difference."""
        with self.changed:
            left = dict(self.objects)
            for resource, content in wanted:
                key = (resource, content["metadata"].get("namespace", ""), content["metadata"]["name"])
                old = left.pop(key, None)
                if old is None or _without_version(old) != content:
                    self._record("ADDED" if old is None else "MODIFIED", key, content)
            for key, old in left.items():
                self._record("DELETED", key, _without_version(old))
            self.changed.notify_all()

    def since(self, version: int) -> list[_Event]:
        """Give what happened after a version."""
        return self.events[bisect(self.events, version, key=lambda event: event.version) :]

    def close(self) -> None:
        """End every watch."""
        with self.changed:
            self.closed = True
            self.changed.notify_all()

    def _record(self, kind: str, key: tuple[str, str, str], content: Object) -> None:
        self.version += 1
        metadata = {**content["metadata"], "resourceVersion": str(self.version)}
        versioned = {**content, "metadata": metadata}
        if kind == "DELETED":
            del self.objects[key]
        else:
            self.objects[key] = versioned
        self.events.append(_Event(self.version, key[0], kind, versioned))


def _without_version(content: Object) -> Object:
    metadata = {key: value for key, value in content["metadata"].items() if key != "resourceVersion"}
    return {**content, "metadata": metadata}


# ---------------------------------------------------------------------------------------------------------- the API


class KubernetesApi:
    """The API, listening on a loopback address from the start on; pods and Services may change while it runs."""

    def __init__(self, pods: Iterable[Pod] = (), services: Iterable[Service] = ()) -> None:
        """Start serving, on a free port of 127.0.0.1."""
        self.token = "lab"
        self._pods = {(pod.namespace, pod.name): pod for pod in pods}
        self._services = {(service.namespace, service.name): service for service in services}
        self._store = _Store()
        self._update()
        certificate, key = _server_certificate()
        self.certificate = certificate.decode()
        self._server = _Server(self._store, self.token, _tls(certificate, key))
        self.host, self.port = "127.0.0.1", int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def requests(self) -> list[str]:
        """The path and query of every request so far."""
        return list(self._server.requests)

    def put(self, *pods: Pod) -> None:
        """Add pods, or change those of the same name."""
        self._pods.update({(pod.namespace, pod.name): pod for pod in pods})
        self._update()

    def remove(self, *pods: Pod) -> None:
        """Take pods away; one that isn't there raises KeyError."""
        for pod in pods:
            del self._pods[pod.namespace, pod.name]
        self._update()

    def put_services(self, *services: Service) -> None:
        """Add Services, or change those of the same name."""
        self._services.update({(service.namespace, service.name): service for service in services})
        self._update()

    def close(self) -> None:
        """Stop serving: watches end, connections close. Safe to call twice."""
        self._store.close()
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.close()

    def _update(self) -> None:
        self._store.replace(objects(self._pods.values(), self._services.values()))


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # closing waits for them
    request_queue_size = 128

    def __init__(self, store: _Store, token: str, tls: ssl.SSLContext) -> None:
        self.store = store
        self.token = token
        self.requests: list[str] = []
        self._connections: set[socket.socket] = set()
        self._fewer_connections = threading.Condition()
        super().__init__(("127.0.0.1", 0), _Handler)
        # The handshake is left to the thread of the connection: a client that is slow at it keeps nobody waiting.
        self.socket = tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._fewer_connections:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        with self._fewer_connections:
            self._connections.discard(request)
            self._fewer_connections.notify_all()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no error."""

    def close(self) -> None:
        """Close the idle connections too, on which a client may send its next request.

        Only their reading ends at first: a watch still has the end of its answer to write.
        """
        with self._fewer_connections:
            self._shut(socket.SHUT_RD)
            self._fewer_connections.wait_for(lambda: not self._connections, _END_OF_WATCHES)
            self._shut(socket.SHUT_RDWR)
        self.server_close()

    def _shut(self, how: int) -> None:
        for connection in self._connections:
            with suppress(OSError):
                # The shutdown of an SSLSocket would drop its encryption, and what is still written would be cleartext.
                socket.socket.shutdown(connection, how)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server
    timeout: ClassVar[int] = 600

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the standard library's
        """Print nothing."""

    def do_GET(self) -> None:
        """Answer a list or a watch."""
        self.server.requests.append(self.path)
        url = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        route = _ROUTE.fullmatch(url.path)
        if self.headers.get("Authorization") != f"Bearer {self.server.token}":
            self._refuse(401, "Unauthorized")
        elif not route or _KINDS.get(route[3], ("",))[0] != route[1] or route[4]:
            self._refuse(404, "NotFound")
        elif (selects := _selector(route[2] or "", query)) is None:
            self._refuse(400, "BadRequest")
        elif query.get("watch") in {"1", "true"}:
            self._watch(route[3], selects, query)
        else:
            self._list(route[3], selects)

    def _refuse(self, code: int, reason: str) -> None:
        status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "code": code}
        self._send(code, status)

    def _send(self, code: int, content: Object) -> None:
        body = json.dumps(content).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _list(self, resource: str, selects: _Selector) -> None:
        store, (path, kind) = self.server.store, _KINDS[resource]
        with store.changed:
            version = store.version
            found = [content for key, content in store.objects.items() if key[0] == resource and selects(content)]
        api_version = _api_version(path)
        metadata = {"resourceVersion": str(version)}
        self._send(200, {"kind": f"{kind}List", "apiVersion": api_version, "metadata": metadata, "items": found})

    def _watch(self, resource: str, selects: _Selector, query: Mapping[str, str]) -> None:
        """Stream events from a version on; without one, or with 0, everything there is comes first."""
        store = self.server.store
        end = time.monotonic() + float(query.get("timeoutSeconds", 1800))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        seen = int(query.get("resourceVersion") or 0)
        if not seen:
            with store.changed:
                seen = store.version
                present = [content for key, content in store.objects.items() if key[0] == resource]
            for content in filter(selects, present):
                self._event("ADDED", resource, content)
        bookmark_at = time.monotonic() + _BOOKMARK_INTERVAL
        while not store.closed and time.monotonic() < end:
            with store.changed:
                if store.version == seen and not store.closed:
                    store.changed.wait(max(0.0, min(end, bookmark_at) - time.monotonic()))
                events = store.since(seen)
                seen = store.version
            for event in events:
                if event.resource == resource and selects(event.object):
                    self._event(event.kind, resource, event.object)
            if time.monotonic() >= bookmark_at:
                bookmark_at = time.monotonic() + _BOOKMARK_INTERVAL
                if query.get("allowWatchBookmarks") in {"1", "true"}:
                    self._event("BOOKMARK", resource, {"metadata": {"resourceVersion": str(seen)}})
        self._chunk(b"")

    def _event(self, event: str, resource: str, content: Object) -> None:
        path, kind = _KINDS[resource]
        typed = {"kind": kind, "apiVersion": _api_version(path), **content}
        self._chunk(json.dumps({"type": event, "object": typed}).encode() + b"\n")

    def _chunk(self, content: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(content), content))


def _api_version(path: str) -> str:
    return path.removeprefix("/apis/").removeprefix("/api/")


# ------------------------------------------------------------------------------------------------------- selectors


class _Selector:
    """Which objects a request is for: a namespace, and conditions on labels and fields."""

    def __init__(self, namespace: str, labels: list[tuple[str, bool, str]], fields: list[tuple[str, bool, str]]):
        self._namespace, self._labels, self._fields = namespace, labels, fields

    def __call__(self, content: Object) -> bool:
        if self._namespace and content["metadata"].get("namespace") != self._namespace:
            return False
        labels = content["metadata"]["labels"]
        return all((labels.get(key) == value) == wanted for key, wanted, value in self._labels) and all(
            (_field(content, key) == value) == wanted for key, wanted, value in self._fields
        )


def _selector(namespace: str, query: Mapping[str, str]) -> _Selector | None:
    """Read the selectors of a query; None: one of them is more than equality."""
    found: list[list[tuple[str, bool, str]]] = []
    for name in ("labelSelector", "fieldSelector"):
        conditions = []
        for text in filter(None, query.get(name, "").split(",")):
            match = re.fullmatch(r"([-\w./]+)(==|=|!=)([-\w.]*)", text)
            if match is None:
                return None
            conditions.append((match[1], match[2] != "!=", match[3]))
        found.append(conditions)
    return _Selector(namespace, *found)


def _field(content: Any, path: str) -> Any:
    for name in path.split("."):
        content = content.get(name, {})
    return content


# ------------------------------------------------------------------------------------------------------ certificate


def _server_certificate() -> tuple[bytes, bytes]:
    """Make a certificate for 127.0.0.1 that is its own root, and its key, both as PEM."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "kubernetes")])
    now = datetime.now(UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address, x509.DNSName("kubernetes.default.svc")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    written = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM), written


def _tls(certificate: bytes, key: bytes) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile(prefix="lab-api-", suffix=".pem") as file:  # readable by its owner alone
        Path(file.name).write_bytes(certificate + key)
        context.load_cert_chain(file.name)
    return context
