"""What is scraped, and how: synthetic pods go through the relabelling of every rendered job."""

from __future__ import annotations

from collections import Counter
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.pods import AGENT_PORT, ENVOY_PORT, Container, Pod, Port
from tests.relabel import Target
from tests.scraping import jobs, scrape

FAMILIES = {"IPv4": ("10.1.2.3", "10.1.2.3"), "IPv6": ("fd00:10::3", "[fd00:10::3]")}
APP = Pod().annotated(scrape="true", port="9080")
PERMISSIVE: dict[str, Any] = {"istio": {"mtlsMode": "PERMISSIVE"}}
SECURE_PORTS: dict[str, Any] = {"istio": {"version": "1.31.0"}, "scrape": {"securePorts": {"enabled": True}}}
NO_CONTAINER_LABEL: dict[str, Any] = {"scrape": {"containerLabel": False}}
ISTIOD = Pod(
    "istiod-7c5b",
    "istio-system",
    labels={"app": "istiod", "istio": "pilot"},
    containers=(
        Container("discovery", (Port(8080, "http-debug"), Port(15010, "grpc-xds"), Port(15014, "http-monitoring"))),
    ),
).annotated(scrape="true", port="15014")


@pytest.fixture(params=["plain", "manual", "operator"])
def variant(request) -> dict[str, Any]:
    """A variant that has a certificate."""
    return {"variant": request.param}


@pytest.fixture(params=["workload", "operator"])
def merged_variant(request) -> dict[str, Any]:
    """The variant that has none, in both of its forms."""
    return {"variant": "merged", "merged": {"prometheus": request.param}}


@pytest.fixture(params=FAMILIES)
def family(request) -> tuple[str, str]:
    """An IP address, and how a URL spells it."""
    ip, host = FAMILIES[request.param]
    return ip, host


def only(found: list[Target]) -> Target:
    assert len(found) == 1, found
    return found[0]


# ------------------------------------------------------------------------------------------------- pods in the mesh


@pytest.mark.parametrize("native", [True, False], ids=["native", "classic"])
def test_a_strict_pod_that_is_not_merged_is_scraped_once_over_mtls(variant, family, native):
    ip, host = family
    pod = APP._replace(ip=ip).annotated(path="/actuator/prometheus").injected(native=native, merge=False)
    target = only(scrape(variant, pod))
    assert target.url == f"https://{host}:9080/actuator/prometheus"
    assert target.labels == {
        "job": "istio-mtls",
        "instance": f"{host}:9080",
        "namespace": "bookinfo",
        "pod": "productpage-5d9f",
        "node": "node-1",
        "container": "app",
    }


@pytest.mark.parametrize("native", [True, False], ids=["native", "classic"])
@pytest.mark.parametrize("scheme", [{}, {"scheme": "https"}], ids=["no scheme", "https"])
def test_a_merged_pod_is_scraped_once_in_cleartext_from_its_agent(variant, family, native, scheme):
    ip, host = family
    target = only(scrape(variant, APP._replace(ip=ip).annotated(**scheme).injected(native=native)))
    assert target.url == f"http://{host}:15020/stats/prometheus"
    assert target.labels == {
        "job": "istio-merged",
        "instance": f"{host}:15020",
        "namespace": "bookinfo",
        "pod": "productpage-5d9f",
        "node": "node-1",
        "container": "istio-proxy",
    }


def test_a_pod_without_annotations_is_merged_by_injection_and_scraped(variant):
    assert only(scrape(variant, Pod().injected())).url == "http://10.1.2.3:15020/stats/prometheus"


def test_a_permissive_pod_of_a_strict_mesh_is_scraped_in_cleartext(variant):
    target = only(scrape(variant, APP.annotated(scheme="http").injected(merge=False)))
    assert (target.url, target.job_label) == ("http://10.1.2.3:9080/metrics", "kubernetes-pods")


def test_a_pod_of_a_permissive_mesh_is_scraped_in_cleartext(variant):
    target = only(scrape({**variant, **PERMISSIVE}, APP.injected(merge=False)))
    assert (target.url, target.job_label) == ("http://10.1.2.3:9080/metrics", "kubernetes-pods")


def test_a_strict_pod_of_a_permissive_mesh_is_scraped_over_mtls_when_it_says_https(variant):
    target = only(scrape({**variant, **PERMISSIVE}, APP.annotated(scheme="https").injected(merge=False)))
    assert (target.url, target.job_label) == ("https://10.1.2.3:9080/metrics", "istio-mtls")


def test_a_gateway_is_scraped_once_from_its_agent(variant, family):
    ip, host = family
    gateway = Pod("ingress-1", ip=ip, containers=()).injected(native=False)
    assert only(scrape(variant, gateway)).url == f"http://{host}:15020/stats/prometheus"


def test_an_annotation_that_names_envoys_port_is_never_followed_over_mtls(variant):
    pod = Pod().annotated(scrape="true", port="15090", path="/stats/prometheus").injected(merge=False)
    assert only(scrape(variant, pod)).url == "http://10.1.2.3:15090/stats/prometheus"


def test_the_merged_variant_scrapes_agents_and_pods_that_take_cleartext(merged_variant, family):
    ip, host = family
    pods = APP._replace(ip=ip).injected(), APP._replace(ip=ip, name="b").injected(merge=False), APP._replace(name="c")
    urls = {target.url for target in scrape(merged_variant, *pods)}
    assert urls == {f"http://{host}:15020/stats/prometheus", "http://10.1.2.3:9080/metrics"}


# ------------------------------------------------------------------------------------------------ pods outside of it


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_pod_outside_the_mesh_is_scraped_by_the_scheme_it_names(variant, family, scheme):
    ip, host = family
    target = only(scrape(variant, APP._replace(ip=ip).annotated(scheme=scheme)))
    assert (target.url, target.job_label) == (f"{scheme}://{host}:9080/metrics", "kubernetes-pods")


@pytest.mark.parametrize(
    "pod",
    {
        "opted out": APP.annotated(scrape="false"),
        "opted out, in the mesh": APP.annotated(scrape="false").injected(),
        "opted out, with secure ports": APP.annotated(scrape="false")
        .with_annotations({"prometheus.istio.io/secure-envoy-port": "15091"})
        .injected(secure_merged=15092),
        "no annotation": Pod(),
        "completed": APP._replace(phase="Succeeded"),
        "completed, in the mesh": APP._replace(phase="Succeeded").injected(),
        "failed, in the mesh, not merged": APP._replace(phase="Failed").injected(merge=False),
        "no address yet": APP._replace(ip="", phase="Pending"),
        "port is a name": APP.annotated(port="metrics"),
        "port is a name, in the mesh": APP.annotated(port="metrics").injected(merge=False),
        "no such port": APP.annotated(port="99999"),
        "no port": Pod().annotated(scrape="true"),
        "no port, and none declared": Pod(containers=(Container("app"),)).annotated(scrape="true"),
        "agent's port, but no agent": APP.annotated(port="15020"),
    }.items(),
    ids=lambda item: item[0],
)
def test_a_pod_that_can_t_or_must_not_be_scraped_is_not(variant, pod):
    for overlay in (variant, {**variant, **SECURE_PORTS}, {**variant, **PERMISSIVE}):
        assert scrape(overlay, pod[1]) == []


def test_istiod_is_scraped_once_by_its_own_job(variant, family):
    ip, host = family
    target = only(scrape(variant, ISTIOD._replace(ip=ip)))
    assert (target.url, target.job_label) == (f"http://{host}:15014/metrics", "istiod")
    assert target.labels["container"] == "discovery"


def test_istiod_is_found_by_its_annotation_where_it_has_no_job(variant):
    target = only(scrape({**variant, "scrape": {"istiod": {"enabled": False}}}, ISTIOD))
    assert (target.url, target.job_label) == ("http://10.1.2.3:15014/metrics", "kubernetes-pods")


def test_prometheus_own_pod_is_left_to_the_job_of_its_name(variant):
    own = Pod("prometheus-0", "monitoring", containers=(Container("prometheus", (Port(9090, "http-web"),)),))
    assert scrape(variant, own.injected(merge=False)) == []


OWN_AGENT = Pod(
    "prometheus-prometheus-0",
    "monitoring",
    labels={"app.kubernetes.io/name": "prometheus", "operator.prometheus.io/name": "prometheus"},
    containers=(Container("prometheus", (Port(9090, "http-web"),)), Container("config-reloader", (Port(8080, "rw"),))),
)


@pytest.mark.parametrize("native", [True, False], ids=["native", "classic"])
def test_the_agent_beside_prometheus_is_scraped_once_by_the_operators(family, native):
    ip, host = family
    own = OWN_AGENT._replace(ip=ip).injected(native=native, merge=False)
    elsewhere = own._replace(namespace="shop")
    another = own._replace(labels={**own.labels, "operator.prometheus.io/name": "another"})
    target = only(scrape({"variant": "operator"}, own, elsewhere, another))
    assert target.url == f"http://{host}:15020/stats/prometheus"
    assert target.labels.items() >= {"job": "istio-agent", "pod": "prometheus-prometheus-0"}.items()


@pytest.mark.parametrize("variant_name", ["plain", "manual"])
def test_the_agent_beside_prometheus_is_scraped_over_the_loopback_address(variant_name):
    job = next(job for job in jobs({"variant": variant_name}) if job["job_name"] == "istio-agent")
    assert job["static_configs"] == [{"targets": ["localhost:15020"]}]
    assert job["metrics_path"] == "/stats/prometheus"
    assert "scheme" not in job


def test_where_there_is_no_agent_none_is_scraped(merged_variant):
    assert [job["job_name"] for job in jobs(merged_variant) if "agent" in job["job_name"]] == []
    assert scrape(merged_variant, OWN_AGENT.injected(merge=False)) == []


# ------------------------------------------------------------------------------------------------ ports and containers


MANY = APP._replace(
    containers=(
        Container("app", (Port(8080, "http"), Port(9080, "metrics"), Port(9080, "metrics-udp", "UDP"))),
        Container("logger", (Port(2020),)),
        Container("helper"),
        Container("setup", init=True),
    )
)


@pytest.mark.parametrize("mesh", [True, False], ids=["in the mesh", "outside"])
@pytest.mark.parametrize("container_label", [True, False])
def test_of_many_ports_and_containers_the_annotated_one_is_scraped_once(variant, family, mesh, container_label):
    ip, host = family
    pod = MANY._replace(ip=ip)
    overlay = {**variant, "scrape": {"containerLabel": container_label}}
    target = only(scrape(overlay, pod.injected(merge=False) if mesh else pod))
    assert target.address == f"{host}:9080"
    assert target.labels.get("container") == ("app" if container_label else None)


def test_a_port_that_is_not_declared_is_scraped_only_without_the_container_label(variant, family):
    ip, host = family
    pod = MANY._replace(ip=ip).annotated(port="9999")
    assert scrape(variant, pod) == []
    assert only(scrape({**variant, **NO_CONTAINER_LABEL}, pod)).address == f"{host}:9999"
    assert only(scrape({**variant, **NO_CONTAINER_LABEL}, pod.injected(merge=False))).address == f"{host}:9999"


def test_a_merged_pod_with_many_proxy_ports_is_scraped_once(variant):
    proxy = Container("istio-proxy", (Port(ENVOY_PORT, "http-envoy-prom"), Port(AGENT_PORT, "mesh-metrics")))
    pod = APP.injected()
    pod = pod._replace(containers=(*pod.containers[:-1], proxy))
    assert only(scrape(variant, pod)).address == "10.1.2.3:15020"


def test_only_the_namespaces_asked_for_are_looked_at(variant):
    overlay = {**variant, "scrape": {"namespaces": ["checkout"]}}
    found = [APP, APP.injected(), APP.injected(merge=False)]
    assert scrape(overlay, *found) == []
    assert (
        len(scrape(overlay, *(pod._replace(name=f"p-{n}", namespace="checkout") for n, pod in enumerate(found)))) == 3
    )


def test_pod_labels_are_copied_on_demand_and_never_win_over_ours(variant):
    ours = ("pod", "node", "container", "job", "instance")
    pod = APP._replace(labels={"app": "shop", **dict.fromkeys(ours, "fake")}).injected(merge=False)
    target = only(scrape({**variant, "scrape": {"copyPodLabels": True}}, pod))
    expected = {"app": "shop", "pod": "productpage-5d9f", "node": "node-1", "container": "app", "job": "istio-mtls"}
    assert target.labels.items() >= expected.items()
    assert "fake" not in target.labels.values()


# ------------------------------------------------------------------------------------------ the proxies' own ports


def test_secure_ports_replace_the_agents_own(variant, family):
    ip, host = family
    target = only(scrape({**variant, **SECURE_PORTS}, APP._replace(ip=ip).injected(secure_merged=15092)))
    assert (target.url, target.job_label) == (f"https://{host}:15092/stats/prometheus", "istio-secure-merged")
    assert target.labels["container"] == "istio-proxy"


def test_envoys_secure_port_adds_to_an_application_that_is_not_merged(variant, family):
    ip, host = family
    pod = APP._replace(ip=ip).injected(merge=False)
    pod = pod.with_annotations({"prometheus.istio.io/secure-envoy-port": "15091"})
    urls = {target.url for target in scrape({**variant, **SECURE_PORTS}, pod)}
    assert urls == {f"https://{host}:9080/metrics", f"https://{host}:15091/stats/prometheus"}


def test_secure_port_annotations_mean_nothing_unless_switched_on(variant):
    assert only(scrape(variant, APP.injected(secure_merged=15092))).address == "10.1.2.3:15020"


def test_envoys_statistics_are_scraped_on_demand_where_they_are_not_merged(variant, family):
    ip, host = family
    overlay = {**variant, "scrape": {"envoyStats": {"enabled": True}}}
    urls = {target.url for target in scrape(overlay, APP._replace(ip=ip).injected(merge=False))}
    assert urls == {f"https://{host}:9080/metrics", f"http://{host}:15090/stats/prometheus"}
    assert len(scrape(overlay, APP.injected())) == 1


# ------------------------------------------------------------------------------------------------------------ the laws


FLAGS = ("merged", "mtls", "cleartext", "envoyStats", "istiod")
VARIANTS: list[dict[str, Any]] = [
    {"variant": "plain"},
    {"variant": "operator"},
    {"variant": "manual"},
    {"variant": "merged", "merged": {"prometheus": "workload"}},
    {"variant": "merged", "merged": {"prometheus": "operator"}},
]


@st.composite
def overlays(draw) -> dict[str, Any]:
    """Values that decide what is scraped."""
    chosen = dict(draw(st.sampled_from(VARIANTS)))
    scraped: dict[str, Any] = {flag: {"enabled": draw(st.booleans())} for flag in FLAGS}
    scraped["containerLabel"] = draw(st.booleans())
    scraped["copyPodLabels"] = draw(st.booleans())
    scraped["namespaces"] = draw(st.sampled_from([[], ["bookinfo"], ["bookinfo", "istio-system"]]))
    scraped["securePorts"] = {"enabled": chosen["variant"] != "merged" and draw(st.booleans())}
    mode = draw(st.sampled_from(["STRICT", "PERMISSIVE"]))
    return {**chosen, "istio": {"version": "1.31.0", "mtlsMode": mode}, "scrape": scraped}


PORTS = (80, 8080, 9080, 15014)
ANNOTATIONS = {
    "prometheus.io/scrape": ["true", "true", "true", "false", "True", ""],
    "prometheus.io/port": ["9080", "9080", "8080", "15014", "15020", "15090", "metrics", "99999", "", " 80", "80\n"],
    "prometheus.io/path": ["/m", "", "/a?b=c"],
    "prometheus.io/scheme": ["http", "https", "HTTPS", ""],
    "prometheus.istio.io/secure-port": ["15092", "15091", "x"],
    "prometheus.istio.io/secure-envoy-port": ["15091", "x"],
}


@st.composite
def pods(draw) -> Pod:
    """A pod in or outside the mesh; its containers share an address, so no two of them declare the same port."""
    numbers = draw(st.lists(st.sampled_from(PORTS), unique=True, max_size=4))
    names = draw(
        st.lists(st.sampled_from(["app", "logger", "discovery", "setup"]), unique=True, min_size=1, max_size=3)
    )
    owners = {number: draw(st.sampled_from(names)) for number in numbers}
    protocols = st.sampled_from([["TCP"], ["TCP"], ["UDP", "TCP"], ["UDP"]])
    ports = {number: [Port(number, f"p-{number}", protocol) for protocol in draw(protocols)] for number in numbers}
    pod = Pod(
        name=draw(st.sampled_from(["shop-1", "istiod-1"])),
        namespace=draw(st.sampled_from(["bookinfo", "bookinfo", "istio-system", "shop"])),
        ip=draw(st.sampled_from([ip for ip, _ in FAMILIES.values()])),
        phase=draw(st.sampled_from(["Running", "Running", "Running", "Pending", "Failed", "Succeeded"])),
        labels=draw(st.sampled_from([{"app": "shop"}, {"app": "istiod"}, {"container": "x", "instance": "y"}])),
        annotations={
            name: value
            for name, values in ANNOTATIONS.items()
            if (value := draw(st.sampled_from([None, *values]))) is not None
        },
        containers=tuple(
            Container(
                name,
                tuple(port for number in numbers if owners[number] == name for port in ports[number]),
                name == "setup",
            )
            for name in names
        ),
    )
    flags = {"native": st.booleans(), "merge": st.booleans()}
    injection = st.fixed_dictionaries({**flags, "secure_merged": st.sampled_from([0, 15092])})
    if pod.labels.get("app") == "istiod" or draw(st.booleans()):  # istiod itself is never injected
        return pod
    return pod.injected(**draw(injection))


def sources(pod: Pod, target: Target) -> set[str]:
    """Whose metrics an endpoint serves."""
    port = target.address.rpartition(":")[2]
    merged = pod.annotations.get("prometheus.io/port") == str(AGENT_PORT)
    if port == str(ENVOY_PORT) or target.job_label == "istio-secure-envoy":
        return {"envoy"}
    if port == str(AGENT_PORT) or target.job_label == "istio-secure-merged":
        return {"agent", "envoy", *(["application"] if merged else [])}
    return {"application"}


@settings(max_examples=200, deadline=None)
@given(overlays(), pods())
def test_nothing_is_scraped_twice_whatever_is_switched_on(overlay, pod):
    found = scrape(overlay, pod)
    counts = Counter(source for target in found for source in sources(pod, target))
    assert not [source for source, count in counts.items() if count > 1], found
    assert len({target.address for target in found}) == len(found)


@settings(max_examples=200, deadline=None)
@given(overlays(), pods())
def test_every_target_has_a_url_and_cleartext_ports_are_never_scraped_over_https(overlay, pod):
    for target in scrape(overlay, pod):
        parts = urlsplit(target.url)
        assert parts.hostname == pod.ip
        port = int(parts.netloc.rpartition(":")[2])
        if port in {AGENT_PORT, ENVOY_PORT}:
            assert parts.scheme == "http"
        assert target.labels["pod"] == pod.name


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(VARIANTS[:3]), st.sampled_from(["STRICT", "PERMISSIVE"]), pods())
def test_by_default_no_pod_is_scraped_twice_and_each_that_can_be_is(chosen, mode, pod):
    found = scrape({**chosen, "istio": {"mtlsMode": mode}}, pod)
    assert len(found) <= 1
    declared = {str(port.number) for container in pod.containers for port in container.ports}
    port = pod.annotations.get("prometheus.io/port")
    meshed = any(container.name == "istio-proxy" for container in pod.containers)
    reachable = port in declared - {"15020", "15090"} or (meshed and port in {"15020", "15090"})
    if pod.annotations.get("prometheus.io/scrape") == "true" and reachable and pod.phase in {"Running", "Pending"}:
        istiod = pod.namespace == "istio-system" and pod.labels.get("app") == "istiod"
        assert len(found) == 1 or istiod


# --------------------------------------------------------------------------------------------- how https is spoken


@pytest.mark.parametrize("mount_path", ["/etc/prom-certs", "/certs"])
def test_every_mtls_job_names_the_three_files_and_avoids_what_fails(variant, mount_path):
    secure = [
        job
        for job in jobs({**variant, **SECURE_PORTS, "certificates": {"mountPath": mount_path}})
        if job.get("scheme") == "https"
    ]
    assert len(secure) == 3
    for job in secure:
        assert job["enable_http2"] is False
        assert job["tls_config"] == {
            "ca_file": f"{mount_path}/root-cert.pem",
            "cert_file": f"{mount_path}/cert-chain.pem",
            "key_file": f"{mount_path}/key.pem",
            "insecure_skip_verify": True,
        }


def test_an_extra_job_speaks_mtls_on_demand():
    extra = {"queue": {"useMeshCertificates": True, "config": {"static_configs": [{"targets": ["queue.shop:9419"]}]}}}
    job = next(job for job in jobs({"scrape": {"extraJobs": extra}}) if job["job_name"] == "queue")
    assert (job["scheme"], job["enable_http2"], job["tls_config"]["insecure_skip_verify"]) == ("https", False, True)
    assert job["static_configs"] == [{"targets": ["queue.shop:9419"]}]
