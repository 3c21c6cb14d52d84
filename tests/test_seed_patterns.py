"""The patterns that guides describe, in their own numbers where these are right, come out of a few values.

Where a guide is wrong (an annotation that should be a label, a volume that only the injector knows, a selector that
the operator's pods don't have, a binding left out), what comes out is what it should have said.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from generator.resource import Resource
from tests.pods import Container, Pod, Port
from tests.rendering import render
from tests.scraping import scrape
from tests.wiring import certificate_clients, certificate_writer, faults, mount_path, prometheus_pod

Tree = dict[str, Any]


def one(resources: list[Resource], kind: str, name: str = "") -> Any:
    """Give the tree of the only resource of a kind (and name)."""
    (found,) = [resource.tree for resource in resources if resource.id.kind == kind and name in {"", resource.id.name}]
    return found


def kinds(resources: list[Resource]) -> set[str]:
    return {resource.id.kind for resource in resources}


def job(resources: list[Resource], name: str) -> Any:
    config = yaml.safe_load(one(resources, "ConfigMap", "prometheus-config")["data"]["prometheus.yml"])
    (found,) = [entry for entry in config["scrape_configs"] if entry["job_name"] == name]
    return found


def proxy_config(resources: list[Resource]) -> Any:
    return yaml.safe_load(prometheus_pod(resources).annotations["proxy.istio.io/config"])


class TestInjectedProxyBesideAStatefulSet:
    """An istio-proxy that intercepts nothing writes its certificate where a StatefulSet's Prometheus reads it."""

    VALUES: Tree = {  # noqa: RUF012
        "variant": "plain",
        "namespace": "app-metrics",
        "certificates": {"directory": "/etc/istio-output-certs", "mountPath": "/etc/prom-certs"},
        "mesh": {"clientTls": "peerAuthentication"},
        "scrape": {
            "extraJobs": {
                "kubernetes-pods-istio-secure": {
                    "useMeshCertificates": True,
                    "config": {"honor_labels": True, "kubernetes_sd_configs": [{"role": "pod"}]},
                }
            }
        },
    }

    @pytest.fixture
    def resources(self):
        return render(self.VALUES)

    def test_hangs_together(self, resources):
        assert faults(resources) == []

    def test_the_pod_asks_for_a_proxy_that_intercepts_nothing(self, resources):
        pod = prometheus_pod(resources)
        assert pod.labels["sidecar.istio.io/inject"] == "true"
        assert pod.annotations["traffic.sidecar.istio.io/includeInboundPorts"] == ""
        assert pod.annotations["traffic.sidecar.istio.io/includeOutboundIPRanges"] == ""

    def test_the_proxy_writes_to_a_volume_in_memory_that_the_pod_declares(self, resources):
        pod = prometheus_pod(resources)
        assert proxy_config(resources)["proxyMetadata"] == {"OUTPUT_CERTS": "/etc/istio-output-certs"}
        mounts = json.loads(pod.annotations["sidecar.istio.io/userVolumeMount"])
        assert mounts == {"istio-workload-certs": {"mountPath": "/etc/istio-output-certs"}}
        assert {"name": "istio-workload-certs", "emptyDir": {"medium": "Memory"}} in pod.volumes
        assert "sidecar.istio.io/userVolume" not in pod.annotations

    def test_prometheus_mounts_it_at_another_path(self, resources):
        mount = {"name": "istio-workload-certs", "mountPath": "/etc/prom-certs", "readOnly": True}
        assert mount in prometheus_pod(resources).prometheus["volumeMounts"]

    def test_prometheus_waits_for_the_first_certificate(self, resources):
        assert proxy_config(resources)["holdApplicationUntilProxyStarts"] is True

    def test_the_job_presents_the_certificate(self, resources):
        assert job(resources, "kubernetes-pods-istio-secure") == {
            "job_name": "kubernetes-pods-istio-secure",
            "honor_labels": True,
            "scheme": "https",
            "enable_http2": False,
            "tls_config": {
                "ca_file": "/etc/prom-certs/root-cert.pem",
                "cert_file": "/etc/prom-certs/cert-chain.pem",
                "key_file": "/etc/prom-certs/key.pem",
                "insecure_skip_verify": True,
            },
            "kubernetes_sd_configs": [{"role": "pod"}],
        }

    def test_the_proxy_learns_of_one_host_that_speaks_mtls(self, resources):
        assert one(resources, "Sidecar") == {
            "apiVersion": "networking.istio.io/v1",
            "kind": "Sidecar",
            "metadata": one(resources, "Service", "prometheus")["metadata"],
            "spec": {
                "workloadSelector": {
                    "labels": {"app.kubernetes.io/name": "prometheus", "app.kubernetes.io/instance": "prometheus"}
                },
                "egress": [{"hosts": ["istio-system/istiod.istio-system.svc.cluster.local"]}],
            },
        }

    def test_mesh_clients_speak_plain_http_to_the_pod(self, resources):
        policy = one(resources, "PeerAuthentication")
        assert policy["apiVersion"] == "security.istio.io/v1"
        assert policy["spec"]["mtls"] == {"mode": "DISABLE"}
        assert policy["spec"]["selector"]["matchLabels"]["app.kubernetes.io/name"] == "prometheus"

    def test_a_revision_has_another_host(self):
        resources = render({**self.VALUES, "istio": {"revision": "canary"}})
        hosts = one(resources, "Sidecar")["spec"]["egress"][0]["hosts"]
        assert hosts == ["istio-system/istiod-canary.istio-system.svc.cluster.local"]
        assert prometheus_pod(resources).labels["istio.io/rev"] == "canary"

    def test_an_older_istio_has_older_apis(self):
        resources = render({**self.VALUES, "istio": {"version": "1.20.8"}})
        assert one(resources, "Sidecar")["apiVersion"] == "networking.istio.io/v1beta1"
        assert one(resources, "PeerAuthentication")["apiVersion"] == "security.istio.io/v1beta1"

    @pytest.mark.parametrize("path", ["/etc/istio-output-certs", "/etc/certs/prometheus", "/etc/prometheus/certs"])
    def test_any_path_will_do_for_prometheus(self, path):
        resources = render({**self.VALUES, "certificates": {"mountPath": path}})
        assert mount_path(prometheus_pod(resources)) == path
        assert {tls["key_file"] for _, tls, _ in certificate_clients(resources)} == {f"{path}/key.pem"}
        assert faults(resources) == []


class TestMergedMetrics:
    """No proxy beside Prometheus: the agents' merged metrics, by PodMonitor or by a job."""

    OPERATOR: Tree = {"variant": "merged", "merged": {"prometheus": "operator"}}  # noqa: RUF012
    MERGED = Pod().annotated(scrape="true", port="9080").injected()

    @pytest.fixture
    def resources(self):
        return render(self.OPERATOR)

    def test_hangs_together(self, resources):
        assert faults(resources) == []

    def test_prometheus_has_no_proxy_and_no_certificate(self, resources):
        pod = prometheus_pod(resources)
        assert pod.labels["sidecar.istio.io/inject"] == "false"
        assert certificate_writer(pod) is None
        assert list(certificate_clients(resources)) == []
        assert not kinds(resources) & {"Sidecar", "PeerAuthentication", "AuthorizationPolicy"}

    def test_the_monitor_looks_at_every_pod(self, resources):
        spec = one(resources, "PodMonitor", "prometheus-istio-merged")["spec"]
        assert (spec["selector"], spec["namespaceSelector"]) == ({}, {"any": True})
        (endpoint,) = spec["podMetricsEndpoints"]
        assert endpoint["path"] == "/stats/prometheus"
        assert endpoint.get("scheme", "http") == "http"

    @pytest.mark.parametrize("form", ["operator", "workload"])
    @pytest.mark.parametrize(
        ("address", "instance"), [("10.1.2.3", "10.1.2.3:15020"), ("fd00::1", "[fd00::1]:15020")], ids=["IPv4", "IPv6"]
    )
    def test_a_pod_is_scraped_once_at_its_agent(self, form, address, instance):
        values = {"variant": "merged", "merged": {"prometheus": form}}
        (target,) = scrape(values, self.MERGED._replace(ip=address))
        assert (target.scheme, target.address, target.path) == ("http", instance, "/stats/prometheus")

    @pytest.mark.parametrize("form", ["operator", "workload"])
    def test_a_pod_that_wants_no_scrape_is_left_alone(self, form):
        values = {"variant": "merged", "merged": {"prometheus": form}}
        assert scrape(values, Pod().annotated(scrape="false").injected()) == []


#: What a proxy of Istio 1.5 was told, and none of today's understands.
DEAD_ARGUMENTS = (
    *("--configPath", "--binaryPath", "--serviceCluster", "--drainDuration", "--parentShutdownDuration"),
    *("--discoveryAddress", "--proxyComponentLogLevel", "--connectTimeout", "--proxyAdminPort", "--statusPort"),
    *("--controlPlaneAuthPolicy", "--dnsRefreshRate", "--trust-domain", "--controlPlaneBootstrap"),
)


class TestHandWrittenProxy:
    """An istio-proxy container of our own, where injection can't be used."""

    VALUES: Tree = {  # noqa: RUF012
        "variant": "manual",
        "certificates": {"directory": "/etc/istio-certs", "mountPath": "/etc/istio-certs"},
    }
    CURRENT: Tree = {"istio": {"version": "1.30.3"}, "kubernetes": {"version": "1.33"}}  # noqa: RUF012
    OLD: Tree = {"istio": {"version": "1.18.7"}, "kubernetes": {"version": "1.26"}}  # noqa: RUF012

    @pytest.fixture(params=["CURRENT", "OLD"])
    def resources(self, request):
        return render({**self.VALUES, **getattr(self, request.param)})

    @pytest.fixture
    def proxy(self, resources):
        return prometheus_pod(resources).container("istio-proxy")

    def test_hangs_together(self, resources):
        assert faults(resources) == []

    def test_nothing_is_injected_and_ambient_stays_away(self, resources):
        pod = prometheus_pod(resources)
        assert pod.labels["sidecar.istio.io/inject"] == "false"
        assert pod.labels["istio.io/dataplane-mode"] == "none"
        assert "sidecar.istio.io/inject" not in pod.annotations
        assert "sidecar.istio.io/status" not in pod.annotations

    def test_the_arguments_are_those_that_are_left(self, proxy):
        assert proxy["args"][:4] == ["proxy", "sidecar", "--domain", "$(POD_NAMESPACE).svc.cluster.local"]
        assert not [argument for argument in proxy["args"] if argument.startswith(DEAD_ARGUMENTS)]

    def test_it_asks_istiod_and_not_istio_pilot(self, proxy):
        environment = {entry["name"]: entry.get("value") for entry in proxy["env"]}
        assert environment["CA_ADDR"] == "istiod.istio-system.svc:15012"
        assert json.loads(environment["PROXY_CONFIG"]) == {"discoveryAddress": "istiod.istio-system.svc:15012"}
        assert "JWT_POLICY" not in environment
        assert "ISTIO_META_CLUSTER_ID" not in environment

    def test_it_says_who_it_is(self, proxy):
        fields = {
            entry["name"]: entry["valueFrom"]["fieldRef"]["fieldPath"]
            for entry in proxy["env"]
            if "fieldRef" in entry.get("valueFrom", {})
        }
        assert fields["POD_NAME"] == "metadata.name"
        assert fields["POD_NAMESPACE"] == "metadata.namespace"
        assert fields["INSTANCE_IP"] == "status.podIP"
        assert fields["SERVICE_ACCOUNT"] == "spec.serviceAccountName"

    def test_it_has_a_token_and_the_root_certificate(self, resources):
        volumes = {volume["name"]: volume for volume in prometheus_pod(resources).volumes}
        assert volumes["istiod-ca-cert"]["configMap"]["name"] == "istio-ca-root-cert"
        (source,) = volumes["istio-token"]["projected"]["sources"]
        assert source["serviceAccountToken"] == {
            "audience": "istio-ca",
            "expirationSeconds": 43200,
            "path": "istio-token",
        }

    def test_it_writes_where_prometheus_reads(self, resources, proxy):
        mounts = {mount["mountPath"]: mount["name"] for mount in proxy["volumeMounts"]}
        assert mounts["/etc/istio-certs"] == "istio-workload-certs"
        assert mounts["/var/run/secrets/istio"] == "istiod-ca-cert"
        assert mounts["/var/run/secrets/tokens"] == "istio-token"
        assert mount_path(prometheus_pod(resources)) == "/etc/istio-certs"

    def test_the_job_presents_the_certificate(self, resources):
        found = job(resources, "istio-mtls")
        assert found["scheme"] == "https"
        assert found["tls_config"]["cert_file"] == "/etc/istio-certs/cert-chain.pem"

    def test_the_job_scrapes_only_pods_that_take_mtls(self):
        app = Pod(containers=(Container("app", (Port(9080, "http"),)),)).annotated(scrape="true", port="9080")
        found = [
            (target.job, target.scheme, target.address)
            for pod in (app.injected(merge=False), app.injected(merge=True), app)
            for target in scrape(self.VALUES, pod)
        ]
        assert found == [
            ("istio-mtls", "https", "10.1.2.3:9080"),
            ("istio-merged", "http", "10.1.2.3:15020"),
            ("kubernetes-pods", "http", "10.1.2.3:9080"),
        ]

    def test_it_is_a_native_sidecar_on_current_kubernetes(self):
        spec = one(render({**self.VALUES, **self.CURRENT}), "StatefulSet")["spec"]["template"]["spec"]
        (proxy,) = spec["initContainers"]
        assert (proxy["name"], proxy["restartPolicy"]) == ("istio-proxy", "Always")
        assert proxy["image"] == "registry.istio.io/release/proxyv2:1.30.3"
        assert proxy["startupProbe"]["httpGet"]["port"] == 15021

    def test_it_is_the_first_container_before_and_holds_the_next(self):
        spec = one(render({**self.VALUES, **self.OLD}), "StatefulSet")["spec"]["template"]["spec"]
        assert [container["name"] for container in spec["containers"]] == [
            "istio-proxy",
            "prometheus",
            "config-reloader",
        ]
        proxy = spec["containers"][0]
        assert "initContainers" not in spec
        assert proxy["image"] == "docker.io/istio/proxyv2:1.18.7"
        assert proxy["lifecycle"]["postStart"]["exec"]["command"] == ["pilot-agent", "wait"]

    def test_without_envoy_the_agent_answers_the_probes(self):
        resources = render({**self.VALUES, "proxy": {"mode": "certificate-only"}})
        proxy = prometheus_pod(resources).container("istio-proxy")
        assert {"name": "DISABLE_ENVOY", "value": "true"} in proxy["env"]
        assert proxy["readinessProbe"]["httpGet"]["port"] == 15020
        assert "Sidecar" not in kinds(resources)
        assert faults(resources) == []


class TestOperatorWithServiceMonitors:
    """A Prometheus resource, and a ServiceMonitor that names the files: for operators without scrape classes."""

    VALUES: Tree = {  # noqa: RUF012
        "variant": "operator",
        "name": "default",
        "namespace": "default",
        "prometheus": {
            "replicas": 2,
            "version": "2.45.6",
            "logLevel": "debug",
            "serviceAccount": {"name": "prometheus-full-access"},
        },
        "operator": {
            "version": "0.64.1",
            "scrapeClass": {"enabled": False},
            "monitorLabels": {"team": "bookinfo"},
            "serviceMonitors": {
                "productpage": {
                    "matchLabels": {"app": "productpage"},
                    "port": "http-9080",
                    "interval": "30s",
                    "path": "/metrics",
                    "mtls": True,
                }
            },
        },
        "scrape": {"mtls": {"enabled": False}},
    }

    @pytest.fixture
    def resources(self):
        return render(self.VALUES)

    def test_hangs_together(self, resources):
        assert faults(resources) == []

    def test_the_resource_declares_the_volume_and_mounts_it(self, resources):
        spec = one(resources, "Prometheus")["spec"]
        assert spec["volumes"] == [{"name": "istio-workload-certs", "emptyDir": {"medium": "Memory"}}]
        assert spec["volumeMounts"] == [
            {"name": "istio-workload-certs", "mountPath": "/etc/prom-certs", "readOnly": True}
        ]
        assert (spec["replicas"], spec["serviceAccountName"]) == (2, "prometheus-full-access")

    def test_the_annotations_mount_it_in_the_proxy_and_nothing_more(self, resources):
        annotations = one(resources, "Prometheus")["spec"]["podMetadata"]["annotations"]
        assert json.loads(annotations["sidecar.istio.io/userVolumeMount"]) == {
            "istio-workload-certs": {"mountPath": "/etc/istio-output-certs"}
        }
        assert "sidecar.istio.io/userVolume" not in annotations

    def test_injection_is_asked_for_by_label(self, resources):
        assert one(resources, "Prometheus")["spec"]["podMetadata"]["labels"]["sidecar.istio.io/inject"] == "true"

    def test_the_monitor_names_the_files(self, resources):
        assert one(resources, "ServiceMonitor", "productpage")["spec"] == {
            "selector": {"matchLabels": {"app": "productpage"}},
            "endpoints": [
                {
                    "port": "http-9080",
                    "interval": "30s",
                    "path": "/metrics",
                    "scheme": "https",
                    "enableHttp2": False,
                    "tlsConfig": {
                        "caFile": "/etc/prom-certs/root-cert.pem",
                        "certFile": "/etc/prom-certs/cert-chain.pem",
                        "keyFile": "/etc/prom-certs/key.pem",
                        "insecureSkipVerify": True,
                    },
                }
            ],
        }

    def test_the_monitor_is_selected_by_its_team(self, resources):
        labels = {"matchLabels": {"team": "bookinfo"}}
        assert one(resources, "Prometheus")["spec"]["serviceMonitorSelector"] == labels
        assert one(resources, "ServiceMonitor", "productpage")["metadata"]["labels"]["team"] == "bookinfo"

    def test_no_pod_monitor_would_need_a_certificate(self, resources):
        assert "scrapeClasses" not in one(resources, "Prometheus")["spec"]
        assert [
            one.tree for one in resources if one.id.kind == "PodMonitor" and "scrapeClass" in one.tree["spec"]
        ] == []

    def test_the_role_is_bound(self, resources):
        binding = one(resources, "ClusterRoleBinding")
        assert binding["roleRef"]["name"] == one(resources, "ClusterRole")["metadata"]["name"]
        assert binding["subjects"] == [
            {"kind": "ServiceAccount", "name": "prometheus-full-access", "namespace": "default"}
        ]

    def test_the_role_may_discover_endpoint_slices(self, resources):
        rules = one(resources, "ClusterRole")["rules"]
        allowed = {
            (group, what) for rule in rules for group in rule.get("apiGroups", []) for what in rule.get("resources", [])
        }
        assert {("", "pods"), ("", "services"), ("discovery.k8s.io", "endpointslices")} <= allowed
        assert not [group for group, _ in allowed if group == "extensions"]

    def test_the_selectors_are_the_operators_labels(self, resources):
        assert one(resources, "Sidecar")["spec"]["workloadSelector"]["labels"] == {
            "app.kubernetes.io/name": "prometheus",
            "operator.prometheus.io/name": "default",
        }

    def test_a_newer_operator_takes_a_scrape_class_instead(self):
        values = {**self.VALUES, "operator": {**self.VALUES["operator"], "version": "0.93.1", "scrapeClass": {}}}
        resources = render({**values, "scrape": {}})
        spec = one(resources, "ServiceMonitor", "productpage")["spec"]
        assert spec["scrapeClass"] == "istio-mtls"
        assert "tlsConfig" not in spec["endpoints"][0]
        assert faults(resources) == []
