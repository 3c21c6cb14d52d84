"""The lab's scrapers by themselves, on pods that take cleartext: what discovery offers, and what they make of it."""

from __future__ import annotations

import json
import re
import socket
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import pytest
import yaml

from generator.resource import Resource
from tests import relabel, tools
from tests.e2e import discovery, pods
from tests.e2e.kubernetes import KubernetesApi, Service, _Handler
from tests.e2e.pods import Container, Pod, Port, expected_targets
from tests.e2e.processes import ProcessError, claimed_network, free_port
from tests.e2e.prometheus import (
    Prometheus,
    Scraper,
    Target,
    configuration,
    fetch_json,
    lab_values,
    merged,
    render_environment,
    rendered_file,
)
from tests.e2e.prometheus_operator import merged_tls, operator_config
from tests.e2e.victoria import VictoriaMetrics, mount_namespace
from tests.rendering import render, sample_names

pytestmark = pytest.mark.programs

# victoria-metrics 1.79 needs containerLabel off, and has no address that localhost:9090 could be swapped for.
CLEARTEXT: dict[str, Any] = {"variant": "merged", "scrape": {"containerLabel": False, "self": {"enabled": False}}}


class Applications:
    """Serves metrics at every address at which a pod of the list is expected to be scraped in cleartext."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._served: set[tuple[str, int]] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    def serve(self, *served: Pod) -> None:
        for pod in served:
            for url in pod.expected.values():
                if url.startswith("http://"):
                    self._listen(urlsplit(url).hostname or "", urlsplit(url).port or 0)

    def _listen(self, host: str, port: int) -> None:
        if (host, port) in self._served:
            return
        self._served.add((host, port))
        kind = _ServerV6 if ":" in host else _Server
        server = kind((host, port), _Metrics)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        self._stack.callback(thread.join)
        self._stack.callback(server.server_close)
        self._stack.callback(server.shutdown)


class _Server(ThreadingHTTPServer):
    daemon_threads = True


class _ServerV6(_Server):
    address_family = socket.AF_INET6


class _Metrics(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b"lab_requests_total 1\n"
        self.send_response(200 if self.path in {"/metrics", "/stats/prometheus"} else 404)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the standard library's
        pass


def handful(network: int) -> list[Pod]:
    """Pods that are scraped in cleartext, and some that are not scraped at all."""
    at = f"127.{network}.0"
    return [
        pods.outside("node-exporter", f"{at}.10"),
        pods.outside("six", "::1", port=free_port("::1")),
        pods.merged("reviews", f"{at}.11"),
        pods.permissive("gateway-api", f"{at}.12"),
        pods.istiod(f"{at}.13"),
        pods.completed_job("migrate", f"{at}.14"),
        pods.not_to_be_scraped("private", f"{at}.15"),
        pods.invalid_port("mistaken", f"{at}.16"),
        pods.outside("starting", "")._replace(phase="Pending", ready=False, expected={}),
    ]


def later_pod(network: int) -> Pod:
    return pods.outside("later", f"127.{network}.0.20")


@pytest.fixture
def network() -> Iterator[int]:
    with claimed_network() as claimed:
        yield claimed


@pytest.fixture
def applications() -> Iterator[Applications]:
    with Applications() as running:
        yield running


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    """An empty folder for certificates."""
    folder = tmp_path / "certificates"
    folder.mkdir()
    return folder


def folder(tmp_path: Path, name: str) -> Path:
    made = tmp_path / name
    made.mkdir()
    return made


def found(targets: list[Target]) -> set[tuple[str, str]]:
    return {(target.job, target.url) for target in targets}


def modelled(resources: list[Resource], present: list[Pod]) -> list[tuple[str, str, Mapping[str, str]]]:
    """What `tests.relabel` says that Prometheus makes of the pods."""
    return sorted(
        (target.job_label, target.url, target.labels)
        for job in configuration(resources).config["scrape_configs"]
        for target in relabel.targets(
            job,
            (labels for one in job.get("kubernetes_sd_configs", []) for labels in discovery._found(one, present, [])),
        )
    )


def described(targets: list[Target]) -> list[tuple[str, str, Mapping[str, str]]]:
    return [(target.job, target.url, target.labels) for target in targets]


# -------------------------------------------------------------------------------------------------- the Kubernetes API


WEB = Service("web", "shop", {"app": "web"}, {"http-metrics": 8080}, labels={"app": "web"})


def web(name: str, ip: str, **changes: Any) -> Pod:
    ports = (Port(8080, "http-metrics", mtls=""), Port(9090, "admin", mtls=""))
    pod = Pod(name, "shop", ip, {"app": "web"}, {}, (Container("app", ports), Container("helper")))
    return pod._replace(**changes)


class Client:
    """Asks the API as its clients do."""

    def __init__(self, api: KubernetesApi) -> None:
        self._base, self._token = f"https://{api.host}:{api.port}", api.token
        tls = ssl.create_default_context(cadata=api.certificate)
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=tls)
        )

    def open(self, path: str, token: str | None = None) -> Any:
        headers = {"Authorization": f"Bearer {self._token if token is None else token}"}
        return self._opener.open(urllib.request.Request(self._base + path, headers=headers), timeout=10)

    def list(self, path: str) -> tuple[set[str], str]:
        with self.open(path) as response:
            answer = json.load(response)
        return {one["metadata"]["name"] for one in answer["items"]}, answer["metadata"]["resourceVersion"]

    def status(self, path: str, token: str | None = None) -> int:
        try:
            self.open(path, token).close()
        except urllib.error.HTTPError as error:
            with error:
                return error.code
        return 200


def event(response: Any) -> tuple[str, str]:
    read = json.loads(response.readline())
    return read["type"], read["object"]["metadata"].get("name", "")


@pytest.fixture
def api() -> Iterator[KubernetesApi]:
    present = [web("web-1", "127.0.9.1"), web("web-2", "::1"), web("other-1", "127.0.9.2", namespace="other")]
    with KubernetesApi(present, [WEB]) as running:
        yield running


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("/api/v1/pods", {"web-1", "web-2", "other-1"}),
        ("/api/v1/namespaces/shop/pods", {"web-1", "web-2"}),
        ("/api/v1/namespaces/none/pods", set()),
        ("/api/v1/services", {"web"}),
        ("/api/v1/namespaces/shop/endpoints", {"web"}),
        ("/api/v1/nodes", {"node-1"}),
        ("/apis/discovery.k8s.io/v1/endpointslices", {"web-ipv4", "web-ipv6"}),
        ("/api/v1/pods?fieldSelector=metadata.name%3Dweb-1", {"web-1"}),
        ("/api/v1/pods?fieldSelector=spec.nodeName%3Dnode-2", set()),
        ("/api/v1/pods?fieldSelector=metadata.namespace!%3Dshop", {"other-1"}),
        ("/api/v1/pods?labelSelector=app%3Dweb,tier%3Dback", set()),
    ],
)
def test_the_api_lists_what_there_is(api, path, names):
    assert Client(api).list(path)[0] == names


def test_the_api_refuses_as_the_real_one_does(api):
    client = Client(api)
    assert client.status("/api/v1/pods", token="another") == 401
    assert client.status("/api/v1/endpointslices") == 404
    assert client.status("/api/v1/pods?labelSelector=app%20in%20(a,b)") == 400


def test_a_watch_tells_what_happens_after_its_version_and_nothing_else(api):
    client = Client(api)
    _, version = client.list("/api/v1/pods")
    with client.open(f"/api/v1/namespaces/shop/pods?watch=1&resourceVersion={version}") as watch:
        api.put(web("web-3", "127.0.9.3"), web("other-2", "127.0.9.4", namespace="other"))
        assert event(watch) == ("ADDED", "web-3")
        api.put(web("web-3", "127.0.9.3"))  # the same
        api.put(web("web-3", "127.0.9.3", phase="Succeeded"))
        assert event(watch) == ("MODIFIED", "web-3")
        api.remove(web("web-3", "127.0.9.3"))
        assert event(watch) == ("DELETED", "web-3")
    with client.open(f"/api/v1/pods?watch=true&resourceVersion={version}&timeoutSeconds=1") as watch:
        events = [event(watch) for _ in range(4)]
        assert watch.read() == b""
    assert events == [("ADDED", "web-3"), ("ADDED", "other-2"), ("MODIFIED", "web-3"), ("DELETED", "web-3")]


def test_a_watch_without_a_version_begins_with_what_there_is(api):
    with Client(api).open("/api/v1/services?watch=1") as watch:
        assert event(watch) == ("ADDED", "web")


def test_a_watch_that_asks_for_bookmarks_gets_them(api, monkeypatch):
    monkeypatch.setattr("tests.e2e.kubernetes._BOOKMARK_INTERVAL", 0.05)
    client = Client(api)
    _, version = client.list("/api/v1/pods")
    with client.open(f"/api/v1/pods?watch=1&allowWatchBookmarks=true&resourceVersion={version}") as watch:
        read = json.loads(watch.readline())
    assert (read["type"], read["object"]["metadata"]) == ("BOOKMARK", {"resourceVersion": version})


def test_endpoints_follow_the_pods_behind_a_service(api):
    client = Client(api)
    path = "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices"
    _, version = client.list(path)
    with client.open(f"{path}?watch=1&resourceVersion={version}") as watch:
        api.put(web("web-1", "127.0.9.1", phase="Failed"))
        assert event(watch) == ("DELETED", "web-ipv4")
    api.put_services(WEB._replace(namespace="other"))
    assert client.list("/api/v1/endpoints")[0] == {"web"}
    assert client.list("/apis/discovery.k8s.io/v1/namespaces/other/endpointslices")[0] == {"web-ipv4"}


def test_a_closed_api_ends_its_watches_and_leaves_no_thread(api):
    before = threading.active_count()
    with Client(api).open("/api/v1/pods?watch=1&resourceVersion=1000") as watch:
        api.close()
        assert watch.read() == b""
    assert threading.active_count() < before
    with pytest.raises(OSError, match="refused"):
        Client(api).list("/api/v1/pods")


def test_a_watch_that_is_slow_to_end_is_heard_to_its_end(api, monkeypatch):
    write = _Handler._chunk

    def write_late(handler: _Handler, content: bytes) -> None:
        time.sleep(0.2)
        write(handler, content)

    monkeypatch.setattr(_Handler, "_chunk", write_late)
    with Client(api).open("/api/v1/pods?watch=1&resourceVersion=1000") as watch:
        api.close()
        assert watch.read() == b""


def test_a_client_that_does_not_read_keeps_no_closed_api_waiting(api, monkeypatch):
    monkeypatch.setattr("tests.e2e.kubernetes._END_OF_WATCHES", 0.2)
    large = web("web-9", "127.0.9.9")._replace(annotations={"filler": "x" * 16_000_000})
    with Client(api).open("/api/v1/pods?watch=1&resourceVersion=1000"):
        api.put(large)
        began = time.monotonic()
        api.close()
    assert time.monotonic() - began < 5


# ------------------------------------------------------------------------------------------------- swapped discovery


@pytest.mark.parametrize("environment", sample_names())
def test_only_discovery_own_addresses_rule_files_and_remote_writes_are_swapped(environment, tmp_path):
    config = configuration(render_environment(environment, tmp_path / "certs")).config
    before = json.dumps(config)
    addresses = {discovery.SELF: "127.0.0.1:1", discovery.OWN_AGENT: "127.0.0.1:2"}
    swapped = discovery.swapped(config, tmp_path, addresses)
    assert json.dumps(config) == before
    clients = [*discovery._clients(swapped)]
    assert [one for one in clients if "kubernetes_sd_configs" in one] == []
    for one in clients:
        one.pop("file_sd_configs", None)
    for one in discovery._clients(config):
        one.pop("kubernetes_sd_configs", None)
    restored = json.dumps(swapped).replace(f"{tmp_path}/rules", discovery.RULES_FOLDER)
    for own, of_the_lab in addresses.items():
        restored = restored.replace(f'"{of_the_lab}"', f'"{own}"')
    config.pop("remote_write", None)
    assert json.loads(restored) == config


@pytest.mark.parametrize("environment", sample_names())
def test_promtool_takes_every_swapped_configuration(environment, tmp_path):
    config = configuration(render_environment(environment, tmp_path / "certs")).config
    discovery.write(config, tmp_path, handful(99), [WEB])
    swapped = discovery.swapped(config, tmp_path, {})
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(swapped))
    tools.run("promtool", "check", "config", "--syntax-only", str(tmp_path / "prometheus.yml"))


def test_namespaces_are_respected():
    present = handful(99)
    config = {"role": "pod", "namespaces": {"names": ["istio-system"]}}
    targets = [one["targets"] for one in discovery.groups(config, present)]
    assert targets == [["127.99.0.13:8080"], ["127.99.0.13:15010"], ["127.99.0.13:15014"]]
    elsewhere = {"role": "endpointslice", "namespaces": {"names": ["other"]}}
    assert list(discovery.groups(elsewhere, [web("web-1", "127.0.9.1")], [WEB])) == []


@pytest.mark.parametrize(
    ("role", "label"),
    [
        ("endpointslice", "__meta_kubernetes_endpointslice_port_name"),
        ("endpoints", "__meta_kubernetes_endpoint_port_name"),
    ],
)
def test_a_service_offers_its_endpoints_and_the_other_ports_of_its_pods(role, label):
    present = [web("web-1", "127.0.9.1"), web("web-2", "::1"), web("ended", "127.0.9.2", phase="Succeeded")]
    offered = list(discovery.groups({"role": role}, present, [WEB]))
    assert {(one["targets"][0], one["labels"].get(label)) for one in offered} == {
        ("127.0.9.1:8080", "http-metrics"),
        ("127.0.9.1:9090", None),
        ("[::1]:8080", "http-metrics"),
        ("[::1]:9090", None),
    }
    first = offered[0]["labels"]
    assert first["__meta_kubernetes_service_name"] == "web"
    assert first["__meta_kubernetes_service_label_app"] == "web"
    assert first["__meta_kubernetes_pod_name"] == "web-1"
    assert first["__meta_kubernetes_pod_container_name"] == "app"


def test_a_port_that_no_container_declares_has_no_container():
    service = WEB._replace(ports={"hidden": 7000})
    hidden, *others = discovery.groups({"role": "endpointslice"}, [web("web-1", "127.0.9.1")], [service])
    assert hidden["targets"] == ["127.0.9.1:7000"]
    assert hidden["labels"]["__meta_kubernetes_pod_name"] == "web-1"
    assert "__meta_kubernetes_pod_container_name" not in hidden["labels"]
    assert [one["targets"] for one in others] == [["127.0.9.1:8080"], ["127.0.9.1:9090"]]


@pytest.mark.parametrize(
    "asked",
    [
        {"role": "node"},
        {"role": "pod", "selectors": [{"role": "pod", "label": "app=web"}]},
        {"role": "pod", "namespaces": {"own_namespace": True}},
    ],
)
def test_a_discovery_that_is_not_modelled_is_refused(asked):
    with pytest.raises(ValueError, match="the lab's discovery knows"):
        list(discovery.groups(asked, handful(99)))


# ------------------------------------------------------------------------------------------------------ the operator


OPERATOR: dict[str, Any] = {
    "variant": "operator",
    "operator": {
        "serviceMonitors": {"web": {"matchLabels": {"app": "web"}, "namespaces": ["shop"], "port": "http-metrics"}},
        "podMonitors": {"batch": {"matchLabels": {"app": "batch"}, "port": "metrics", "interval": "60s", "mtls": True}},
    },
    "scrape": {"extraJobs": {"probe": {"config": {"staticConfigs": [{"targets": ["127.0.0.1:9115"]}]}}}},
}


def by_name(config: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {job["job_name"]: job for job in config["scrape_configs"]}


def test_the_operator_makes_a_job_of_each_endpoint_and_scrape_config():
    jobs = by_name(operator_config(render(OPERATOR)))
    kinds = [name.partition("/")[0] for name in jobs]
    assert list(dict.fromkeys(kinds)) == ["serviceMonitor", "podMonitor", "scrapeConfig"]
    assert {"serviceMonitor/monitoring/web/0", "serviceMonitor/monitoring/prometheus-self/0"} <= jobs.keys()
    assert {"podMonitor/monitoring/batch/0", "podMonitor/monitoring/prometheus-istio-mtls/0"} <= jobs.keys()
    assert jobs["scrapeConfig/monitoring/prometheus-probe"]["static_configs"] == [{"targets": ["127.0.0.1:9115"]}]


def test_a_class_lends_its_certificate_to_the_monitors_that_ask_for_it():
    jobs = by_name(operator_config(render(OPERATOR)))
    lent = {
        "ca_file": "/etc/prom-certs/root-cert.pem",
        "cert_file": "/etc/prom-certs/cert-chain.pem",
        "key_file": "/etc/prom-certs/key.pem",
        "insecure_skip_verify": True,
    }
    batch = jobs["podMonitor/monitoring/batch/0"]
    assert (batch["scheme"], batch["enable_http2"], batch["scrape_interval"]) == ("https", False, "60s")
    assert {name for name, job in jobs.items() if job.get("tls_config") == lent} == {
        "podMonitor/monitoring/batch/0",
        "podMonitor/monitoring/prometheus-istio-mtls/0",
    }
    assert all("tls_config" not in job for job in jobs.values() if job.get("scheme") != "https")


def test_a_monitor_s_own_tls_settings_take_files_from_the_class_but_not_skip_verify():
    of_class = {"caFile": "/ca", "certFile": "/cert", "keyFile": "/key", "insecureSkipVerify": True}
    assert merged_tls({}, of_class) == of_class
    assert merged_tls({"caFile": "/own"}, of_class) == {"caFile": "/own", "certFile": "/cert", "keyFile": "/key"}
    assert merged_tls({"serverName": "a"}, {}) == {"serverName": "a"}
    assert "caFile" not in merged_tls({"ca": {"secret": {}}}, of_class)


def changed(resources: list[Resource], kind: str, name: str, **spec: Any) -> list[Resource]:
    return [
        one._replace(tree={**one.tree, "spec": {**one.tree["spec"], **spec}})
        if (one.id.kind, one.id.name) == (kind, name)
        else one
        for one in resources
    ]


def test_monitors_that_the_operator_rejects_make_no_job():
    resources = render(OPERATOR)
    undefined = operator_config(changed(resources, "PodMonitor", "batch", scrapeClass="none"))
    assert "podMonitor/monitoring/batch/0" not in by_name(undefined)
    undefined = operator_config(changed(resources, "ServiceMonitor", "web", scrapeClass="none"))
    assert "serviceMonitor/monitoring/web/0" not in by_name(undefined)
    files = [{"port": "http-metrics", "tlsConfig": {"caFile": "/ca"}}]
    naming = changed(resources, "ServiceMonitor", "web", endpoints=files)
    assert by_name(operator_config(naming))["serviceMonitor/monitoring/web/0"]["tls_config"] == {"ca_file": "/ca"}
    denied = changed(naming, "Prometheus", "prometheus", arbitraryFSAccessThroughSMs={"deny": True})
    assert "serviceMonitor/monitoring/web/0" not in by_name(operator_config(denied))


def test_monitors_that_are_not_selected_make_no_job():
    resources = render(merged(OPERATOR, {"operator": {"monitorLabels": {"prometheus": "mesh"}}}))
    assert "serviceMonitor/monitoring/web/0" in by_name(operator_config(resources))
    other = {"matchLabels": {"prometheus": "another"}}
    config = operator_config(changed(resources, "Prometheus", "prometheus", serviceMonitorSelector=other))
    assert [name for name in by_name(config) if name.startswith("serviceMonitor")] == []


def test_an_agent_gets_the_same_jobs_but_evaluates_nothing():
    server, agent = (operator_config(render(merged(OPERATOR, {"operator": {"agent": one}}))) for one in (False, True))
    assert list(by_name(agent)) == list(by_name(server))
    assert ("rule_files" in server, "rule_files" in agent) == (True, False)
    assert server["global"].keys() - agent["global"].keys() == {"evaluation_interval"}


def test_a_scheme_may_be_written_in_capitals():
    capitals = changed(
        render(OPERATOR), "ServiceMonitor", "web", endpoints=[{"port": "http-metrics", "scheme": "HTTPS"}]
    )
    assert by_name(operator_config(capitals))["serviceMonitor/monitoring/web/0"]["scheme"] == "https"


def test_what_the_lab_s_operator_does_not_know_is_an_error_and_never_left_out():
    unknown = changed(render(OPERATOR), "ServiceMonitor", "web", endpoints=[{"port": "a", "followRedirects": False}])
    with pytest.raises(ValueError, match="followRedirects"):
        operator_config(unknown)


# ------------------------------------------------------------------------------------------------------- Prometheus


ALERT = {"rules": [{"alert": "LabAlert", "expr": 'count by (job) (up{job="kubernetes-pods"} == 1) >= 3'}]}


def test_prometheus_scrapes_what_discovery_offers_and_does_as_the_rules_say(
    network, applications, certificates, tmp_path
):
    present = handful(network)
    applications.serve(*present, later_pod(network))
    alerting = {"builtinRules": False, "rules": {"lab": ALERT}}
    overlay = merged(CLEARTEXT, {"scrape": {"self": {"enabled": True}}, "alerting": alerting})
    resources = render(lab_values(overlay, certificates))
    with Prometheus(resources, folder(tmp_path, "prometheus"), present) as prometheus:
        wanted = expected_targets(present, certificates=False)
        own = ("prometheus", f"{prometheus.url}/metrics")
        targets = prometheus.wait_until_scraped(len(wanted) + 1)
        assert found(targets) == {*wanted, own}
        assert {(target.health, target.error) for target in targets} == {("up", "")}
        assert described([one for one in targets if one.job != "prometheus"]) == [
            one for one in modelled(resources, present) if one[0] != "prometheus"
        ]

        prometheus.wait_for(prometheus.firing, timeout=10, what="alert")
        assert prometheus.firing() == {"LabAlert"} == {one["labels"]["alertname"] for one in prometheus.alerts()}
        assert prometheus.query('count(up{job="kubernetes-pods"})') == [({}, 3.0)]
        with pytest.raises(ValueError, match="parse error"):
            prometheus.query("up{")

        prometheus.discover([later_pod(network)])
        prometheus.wait_for(lambda: len(prometheus.targets()) == 2, timeout=15, what="change of targets")
        assert found(prometheus.targets()) == {own, *expected_targets([later_pod(network)], certificates=False)}

        nothing = lab_values(merged(CLEARTEXT, {"scrape": {"cleartext": {"enabled": False}}}), certificates)
        prometheus.reload(render(nothing))
        prometheus.wait_for(lambda: not prometheus.targets(), timeout=15, what="end of scraping")
        (prometheus.folder / "prometheus.yml").write_text("scrape_configs: 1")
        with pytest.raises(ProcessError, match="refuses to reload"):
            prometheus.reload()
    with pytest.raises(OSError, match="refused"):
        prometheus.targets()


def test_prometheus_scrapes_by_the_operator_s_configuration(network, applications, certificates, tmp_path):
    present = handful(network)
    shop = web("web-1", f"127.{network}.0.30", expected={"web": f"http://127.{network}.0.30:8080/metrics"})
    applications.serve(*present, shop)
    overlay = merged(CLEARTEXT, {"merged": {"prometheus": "operator"}, "operator": OPERATOR["operator"]})
    overlay["operator"] = {"serviceMonitors": OPERATOR["operator"]["serviceMonitors"]}
    resources = render(lab_values(overlay, certificates))
    with Prometheus(resources, folder(tmp_path, "prometheus"), [*present, shop], [WEB]) as prometheus:
        wanted = expected_targets([*present, shop], certificates=False)
        targets = prometheus.wait_until_scraped(len(wanted))
        assert found(targets) == wanted
        assert {target.health for target in targets} == {"up"}
        (of_service,) = [target.labels for target in targets if target.job == "web"]
        assert of_service == {
            "container": "app",
            "endpoint": "http-metrics",
            "instance": f"127.{network}.0.30:8080",
            "job": "web",
            "namespace": "shop",
            "pod": "web-1",
            "service": "web",
        }
        external = fetch_json(f"{prometheus.url}/api/v1/status/config")["data"]["yaml"]
        assert yaml.safe_load(external)["global"]["external_labels"]["prometheus"] == "monitoring/prometheus"


def test_a_job_without_its_certificate_files_has_no_pool_and_is_not_tried_again_by_itself(certificates, tmp_path):
    resources = render(lab_values({"variant": "plain"}, certificates))
    strict = pods.strict("productpage", "127.0.9.9")
    with Prometheus(resources, folder(tmp_path, "prometheus"), [strict]) as prometheus:
        failed = "prometheus_target_scrape_pools_failed_total"
        prometheus.wait_for(lambda: prometheus.query(f"{failed} > 0"), what="failed scrape pool")
        assert [target for target in prometheus.targets() if target.pool == "istio-mtls"] == []
        time.sleep(6)  # discovery is looked at every five seconds, where something changed
        assert [value for _, value in prometheus.query(failed)] == [1.0]
        assert "no such file or directory" in prometheus.log(200)


def test_waiting_in_vain_tells_the_targets_and_the_end_of_the_log(certificates, tmp_path):
    resources = render(lab_values(CLEARTEXT, certificates))
    with Prometheus(resources, folder(tmp_path, "prometheus")) as prometheus:
        with pytest.raises(ProcessError, match=r"no rain after 0\.1 s(.|\n)*Server is ready"):
            prometheus.wait_for(lambda: False, timeout=0.1, what="rain")
        prometheus.process.signal(9)
        with pytest.raises(ProcessError, match="prometheus ended while waiting for rain"):
            prometheus.wait_for(lambda: False, what="rain")


# -------------------------------------------------------------------------------------------------- victoria-metrics


def test_victoria_metrics_lists_and_watches_and_agrees_with_prometheus(network, applications, certificates, tmp_path):
    present, later = handful(network), later_pod(network)
    applications.serve(*present, later)
    # victoria-metrics puts external labels on targets, and doesn't expand them.
    resources = render(lab_values(merged(CLEARTEXT, {"prometheus": {"replicaLabel": ""}}), certificates))
    with (
        Prometheus(resources, folder(tmp_path, "prometheus"), present) as prometheus,
        KubernetesApi(present) as api,
        VictoriaMetrics(rendered_file(resources), api, folder(tmp_path, "victoria")) as victoria,
    ):
        wanted = expected_targets(present, certificates=False)
        targets = victoria.wait_until_scraped(len(wanted))
        victoria.wait_for(lambda: healthy(victoria), what="healthy targets")
        assert found(targets) == wanted
        assert any("watch=1" in request for request in api.requests)
        assert described(targets) == described(prometheus.wait_until_scraped(len(wanted)))
        assert described(targets) == modelled(resources, present)

        api.put(later)
        victoria.wait_until_scraped(len(wanted) + 1)
        victoria.wait_for(lambda: healthy(victoria), what="healthy targets")
        assert found(victoria.targets()) - wanted == expected_targets([later], certificates=False)
        api.remove(later)
        victoria.wait_until_scraped(len(wanted))
    assert not Path("/var/run/secrets/kubernetes.io").exists()


def healthy(scraper: Scraper) -> bool:
    return all(target.health == "up" for target in scraper.targets())


def test_victoria_metrics_does_not_start_without_its_certificate_files(certificates, tmp_path):
    resources = render(lab_values({"variant": "plain", "scrape": {"containerLabel": False}}, certificates))
    refusal = re.escape(f"open {certificates}/cert-chain.pem: no such file or directory")
    with KubernetesApi() as api, pytest.raises(ProcessError, match=refusal):
        VictoriaMetrics(rendered_file(resources), api, folder(tmp_path, "victoria"))


def test_a_folder_that_victoria_metrics_could_not_see_is_refused():
    with KubernetesApi() as api, pytest.raises(ValueError, match="is not below /run"):
        VictoriaMetrics("", api, Path("/var/run/lab"))


def test_a_machine_without_mount_namespaces_is_an_error(monkeypatch, tmp_path):
    (tmp_path / "unshare").write_text("#!/bin/sh\necho unshare failed: Operation not permitted >&2\nexit 1\n")
    (tmp_path / "unshare").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(tools.ToolError, match="--map-root-user: unshare failed: Operation not permitted"):
        mount_namespace.__wrapped__()
    monkeypatch.setenv("PATH", "")
    with pytest.raises(tools.ToolError, match="unshare is missing"):
        mount_namespace.__wrapped__()
