"""What is added to a Prometheus, and where."""

from __future__ import annotations

from typing import Any

import pytest

from generator.adopt import Adopted, Templates, pattern_of
from generator.build import rendered
from generator.errors import InputError
from generator.intake import documents_of
from generator.monitoring.pattern import DEFAULT
from generator.workspace import open_workspace
from tests.adopt.helpers import adopted, adopted_all, check_laws, errors, files, manifests_of, put_together, tree_of
from tests.tools import run

WORKLOAD = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: prometheus
  namespace: monitoring
spec:
  selector:
    matchLabels:
      app: prometheus
  template:
    metadata:
      labels:
        app: prometheus
    spec:
      containers:
      - name: reloader
        image: quay.io/prometheus-operator/prometheus-config-reloader:v0.90.0
      - name: server
        image: prom/prometheus:v3.1.0
        volumeMounts:
        - name: config
          mountPath: /etc/prometheus
      volumes:
      - name: config
        configMap:
          name: config
"""
CONFIGURATION = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: config
  namespace: monitoring
data:
  rules.yml: "groups: []"
  prometheus.yml: |
    # kept by hand
    global: {scrape_interval: 15s}   # often
    scrape_configs:
      - job_name: 'self'
        static_configs: [{targets: ['localhost:9090']}]
"""
OPERATED = """\
apiVersion: monitoring.coreos.com/v1
kind: Prometheus
metadata:
  name: main
  namespace: monitoring
spec:
  version: v3.1.0
  scrapeClasses:
  - name: default
    default: true
  podMonitorSelector:
    matchLabels:
      team: a
    matchExpressions:
    - {key: tier, operator: In, values: [dev, prod]}
  serviceMonitorSelector: {}
"""


def both(configuration: str = CONFIGURATION, workload: str = WORKLOAD) -> str:
    return f"{workload}---\n{configuration}"


def job_of(found: Adopted) -> Any:
    [new] = [new for old, new in found.changed if old.kind == "ConfigMap"]
    return tree_of(new.tree["data"]["prometheus.yml"])["scrape_configs"][-1]


# --------------------------------------------------------------------------------------------------- a workload


def test_a_patch_names_no_more_than_what_changes():
    patch = tree_of(files(adopted(WORKLOAD))["deployment-prometheus.patch.yaml"])
    template = patch["spec"]["template"]
    assert patch["metadata"] == {"name": "prometheus", "namespace": "monitoring"}
    assert template["metadata"]["labels"] == DEFAULT.labels
    assert template["spec"] == {
        # The first one keeps its place: kustomize puts what a patch names in front.
        "containers": [
            {"name": "reloader"},
            {
                "name": "server",
                "volumeMounts": [{"name": "istio-workload-certs", "mountPath": "/etc/prom-certs", "readOnly": True}],
            },
        ],
        "volumes": [{"name": "istio-workload-certs", "emptyDir": {"medium": "Memory"}}],
    }


def test_the_component_names_its_patches_and_resources():
    kustomization = tree_of(files(adopted(both()))["kustomization.yaml"])
    assert kustomization["kind"] == "Component"
    assert kustomization["resources"] == ["sidecar-prometheus-istio-certs.yaml"]
    assert kustomization["patches"] == [
        {"path": "deployment-prometheus.patch.yaml"},
        {"path": "configmap-config.patch.yaml"},
    ]


def test_a_custom_resource_is_patched_by_single_operations():
    entries = tree_of(files(adopted(OPERATED))["kustomization.yaml"])["patches"]
    where = {"name": "main", "namespace": "monitoring"}
    assert entries[1]["target"] == {"group": "monitoring.coreos.com", "kind": "Prometheus", **where}


LISTED_SECRET = OPERATED.replace("  scrapeClasses:", "  secrets: [etcd, istio.default]\n  scrapeClasses:")


def test_a_patch_that_counts_elements_tests_first_that_they_are_the_ones_meant():
    patch = files(adopted(LISTED_SECRET))["prometheus-main.patch.yaml"]
    operations = tree_of(patch)
    assert operations[0] == {"op": "test", "path": "/spec/secrets/1", "value": "istio.default"}
    assert {"op": "remove", "path": "/spec/secrets/1"} in operations
    assert "# These change nothing" in patch
    assert [one["op"] for one in tree_of(files(adopted(OPERATED))["prometheus-main.patch.yaml"])].count("test") == 0


def test_a_list_that_has_changed_since_fails_the_build(tmp_path):
    changed = LISTED_SECRET.replace("[etcd, istio.default]", "[etcd, thanos]")
    app = put_together(tmp_path, changed, [adopted(LISTED_SECRET)])
    with pytest.raises(AssertionError, match="/spec/secrets/1"):
        run("kubectl", "kustomize", str(app))


def test_a_patch_tells_what_goes_stale_in_it():
    workload, operated = files(adopted(both())), files(adopted(OPERATED))
    assert "all of prometheus.yml as it was read" in workload["configmap-config.patch.yaml"]
    assert "as it was read" not in workload["deployment-prometheus.patch.yaml"]
    assert "added as a whole" in operated["prometheus-main.patch.yaml"]


def test_a_container_that_is_named_for_the_order_alone_says_so():
    patch = files(adopted(WORKLOAD))["deployment-prometheus.patch.yaml"]
    comment, name = patch.split("containers:\n")[1].split("\n")[:2]
    assert "keep its place" in comment
    assert name.strip() == "- name: reloader"


@pytest.mark.parametrize("text", [WORKLOAD, OPERATED], ids=["workload", "operator"])
def test_a_component_beside_the_wrong_manifests_fails_instead_of_doing_nothing(text, tmp_path):
    app = put_together(tmp_path, text.replace("namespace: monitoring", "namespace: other"), [adopted(text)])
    with pytest.raises(AssertionError, match="no matches for Id"):
        run("kubectl", "kustomize", str(app))


def test_the_sidecar_is_for_the_pods_that_the_workload_selects():
    [sidecar] = adopted(WORKLOAD).added
    assert sidecar.tree["metadata"] == {"name": "prometheus-istio-certs", "namespace": "monitoring"}
    assert sidecar.tree["spec"]["workloadSelector"] == {"labels": {"app": "prometheus"}}


def test_a_sidecar_that_is_there_already_is_the_only_one():
    own = """\
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: mine, namespace: monitoring}
spec:
  workloadSelector: {labels: {app: prometheus}}
  egress: [{hosts: [istio-system/*]}]
"""
    assert adopted(WORKLOAD + own).added == ()


def test_patches_say_why():
    text = files(adopted(WORKLOAD))["deployment-prometheus.patch.yaml"]
    assert "        # Nothing is intercepted: Prometheus presents the certificate itself.\n        traffic." in text


def test_an_old_api_version_whose_lists_kustomize_replaces_gets_single_operations():
    patch = tree_of(
        files(adopted(WORKLOAD.replace("apps/v1", "extensions/v1beta1")))["deployment-prometheus.patch.yaml"]
    )
    assert {operation["op"] for operation in patch} == {"test", "add"}
    assert {"op": "add", "path": "/spec/template/spec/volumes/-"}.items() <= patch[-1].items()


MIXED = """\
      - name: all
        projected:
          sources:
          - secret: {name: etcd}
          - secret: {name: istio.prometheus}
"""
MIXED_WORKLOAD = (
    WORKLOAD.replace("      volumes:\n", "        - {name: all, mountPath: /tls}\n      volumes:\n") + MIXED
)
MIXED_JOBS = (
    CONFIGURATION
    + """\
      - job_name: mesh
        scheme: https
        tls_config:
          ca_file: /tls/root-cert.pem
          cert_file: /tls/cert-chain.pem
          key_file: /tls/key.pem
          insecure_skip_verify: true
      - job_name: etcd
        scheme: https
        tls_config: {ca_file: /tls/etcd-ca.pem}
"""
)


def test_a_volume_of_several_secrets_loses_the_one_of_old_alone(tmp_path):
    text = both(MIXED_JOBS, MIXED_WORKLOAD)
    found = adopted(text)
    [workload] = [new.tree for old, new in found.changed if old.kind == "Deployment"]
    volumes = {one["name"]: one for one in workload["spec"]["template"]["spec"]["volumes"]}
    assert volumes["all"]["projected"] == {"sources": [{"secret": {"name": "etcd"}}]}
    assert volumes["istio-workload-certs"]["emptyDir"] == {"medium": "Memory"}
    [config] = [new for old, new in found.changed if old.kind == "ConfigMap"]
    mesh, etcd = tree_of(config.tree["data"]["prometheus.yml"])["scrape_configs"][-2:]
    assert mesh["tls_config"]["key_file"] == "/etc/prom-certs/key.pem"
    assert etcd["tls_config"] == {"ca_file": "/tls/etcd-ca.pem"}
    check_laws(tmp_path, text)


def test_no_volume_is_mounted_within_one_that_keeps_other_secrets(tmp_path):
    inner = MIXED_JOBS.replace("/tls/root", "/tls/istio/root").replace("/tls/cert-", "/tls/istio/cert-")
    text = both(inner.replace("/tls/key", "/tls/istio/key"), MIXED_WORKLOAD)
    [workload] = [new.tree for old, new in adopted(text).changed if old.kind == "Deployment"]
    mounts = {one["mountPath"] for one in workload["spec"]["template"]["spec"]["containers"][1]["volumeMounts"]}
    assert mounts == {"/etc/prometheus", "/tls", "/etc/prom-certs"}
    check_laws(tmp_path, text)


def test_a_directory_that_the_proxy_writes_to_already_stays():
    text = WORKLOAD.replace(
        "      labels:\n        app: prometheus\n    spec",
        "      labels:\n        app: prometheus\n      annotations:\n        proxy.istio.io/config: |\n"
        "          # ours\n          proxyMetadata: {OUTPUT_CERTS: /certs}\n    spec",
    )
    [(_, new)] = adopted(text).changed
    config = new.tree["spec"]["template"]["metadata"]["annotations"]["proxy.istio.io/config"]
    assert config.startswith("# ours\nproxyMetadata: {OUTPUT_CERTS: /certs}\n")


# -------------------------------------------------------------------------------------------------- configurations


def test_the_job_goes_into_the_configuration_and_leaves_every_line_of_it():
    found = adopted(both())
    [new] = [new for old, new in found.changed if old.kind == "ConfigMap"]
    text = new.tree["data"]["prometheus.yml"]
    old = tree_of(CONFIGURATION)["data"]["prometheus.yml"]
    assert text.startswith(old)
    assert text[len(old) :].startswith(
        "  # Pods that demand mTLS and whose metrics are not merged.\n  - job_name: istio-mtls\n"
    )
    assert new.tree["data"]["rules.yml"] == "groups: []"
    assert found.apart is None


def test_the_job_looks_for_the_files_where_the_pod_has_them():
    text = both().replace(
        "          mountPath: /etc/prometheus\n",
        "          mountPath: /etc/prometheus\n        - {name: certs, mountPath: /etc/old}\n",
    )
    text = text.replace(
        "      volumes:\n", "      volumes:\n      - {name: certs, secret: {secretName: istio.default}}\n"
    )
    assert job_of(adopted(text))["tls_config"]["key_file"] == "/etc/old/key.pem"


def test_a_job_that_presents_istios_certificates_is_enough():
    own = """\
      - job_name: mine
        scheme: https
        enable_http2: false
        tls_config:
          {ca_file: /c/root-cert.pem, cert_file: /c/cert-chain.pem, key_file: /c/key.pem, insecure_skip_verify: true}
        kubernetes_sd_configs: [{role: pod}]
"""
    found = adopted(both(CONFIGURATION + own))
    assert [old.kind for old, _ in found.changed] == ["Deployment"]
    assert "mountPath: /c\n" in files(found)["deployment-prometheus.patch.yaml"]


def test_a_name_that_is_taken_gets_a_number():
    assert job_of(adopted(both(CONFIGURATION.replace("'self'", "istio-mtls"))))["job_name"] == "istio-mtls-2"


@pytest.mark.parametrize(
    ("version", "enable_http2", "labels"),
    [("v3.1.0", False, True), ("v2.41.0", False, True), ("v2.40.0", False, False), ("v2.34.0", None, False)],
)
def test_the_job_is_one_that_this_prometheus_reads(version, enable_http2, labels):
    job = job_of(adopted(both().replace("v3.1.0", version)))
    assert job.get("enable_http2") is enable_http2
    assert any(rule["action"] == "keepequal" for rule in job["relabel_configs"] if "action" in rule) is labels


@pytest.mark.parametrize(
    ("configuration", "belongs"),
    [
        ("", "what Deployment monitoring/prometheus reads as /etc/prometheus/prometheus.yml"),
        (
            CONFIGURATION.replace("kind: ConfigMap", "kind: Secret").replace("\ndata:", "\nstringData:"),
            "Secret monitoring/",
        ),
    ],
)
def test_jobs_that_only_the_user_can_put_into_place_stand_apart(configuration, belongs):
    secret = "configMap:\n          name: config", "secret:\n          secretName: config"
    found = adopted(both(configuration, WORKLOAD.replace(*secret)) if configuration else WORKLOAD)
    written = files(found)
    assert belongs in found.where
    assert [old.kind for old, _ in found.changed] == ["Deployment"]
    assert "scrape-jobs.yaml" not in tree_of(written["kustomization.yaml"]).get("resources", [])
    [job] = tree_of(written["scrape-jobs.yaml"])
    assert job["tls_config"]["cert_file"] == "/etc/prom-certs/cert-chain.pem"
    assert "kept by hand" not in "".join(written.values())


# ------------------------------------------------------------------------------------------------- operators


def test_an_operators_prometheus_gets_a_class_beside_its_own_and_a_monitor_that_it_selects():
    found = adopted(OPERATED)
    [(_, new)] = found.changed
    own, added = new.tree["spec"]["scrapeClasses"]
    assert own == {"name": "default", "default": True}
    assert added["name"] == "istio-mtls"
    assert "default" not in added
    monitor = next(part.tree for part in found.added if part.tree["kind"] == "PodMonitor")
    assert monitor["metadata"] == {
        "name": "main-istio-mtls",
        "namespace": "monitoring",
        "labels": {"team": "a", "tier": "dev"},
    }
    assert monitor["spec"]["scrapeClass"] == "istio-mtls"


def test_a_prometheus_that_selects_no_pod_monitors_is_told_to_select_ours():
    text = OPERATED[: OPERATED.index("  podMonitorSelector")] + "  serviceMonitorSelector: {}\n"
    found = adopted(text)
    [(_, new)] = found.changed
    labels = new.tree["spec"]["podMonitorSelector"]["matchLabels"]
    assert [part.tree["metadata"]["labels"] for part in found.added if part.tree["kind"] == "PodMonitor"] == [labels]


def test_one_that_selects_nothing_at_all_keeps_the_configuration_that_it_is_given():
    found = adopted(OPERATED[: OPERATED.index("  podMonitorSelector")])
    assert "scrapeClasses" in found.changed[0][1].tree["spec"]
    assert len(found.changed[0][1].tree["spec"]["scrapeClasses"]) == 1
    assert found.apart is not None


VMAGENT = """\
apiVersion: operator.victoriametrics.com/v1beta1
kind: VMAgent
metadata: {name: main, namespace: monitoring}
spec:
  selectAllByDefault: true
"""
INLINE = """\
  inlineScrapeConfig: |
    # ours
    - job_name: istio-mtls   # taken
      static_configs: [{targets: ['a:1']}]
"""


@pytest.mark.parametrize(("inline", "name"), [("", "istio-mtls"), (INLINE, "istio-mtls-2")], ids=["none", "some"])
def test_a_vmagent_gets_the_job_behind_its_own(inline, name, tmp_path):
    found = adopted(VMAGENT + inline)
    [(_, new)] = found.changed
    text = new.tree["spec"]["inlineScrapeConfig"]
    assert tree_of(text)[-1]["job_name"] == name
    assert text.startswith(tree_of(VMAGENT + inline)["spec"].get("inlineScrapeConfig", "#"))
    assert found.apart is None
    check_laws(tmp_path, VMAGENT + inline)


VM_SCRAPE = """\
---
apiVersion: operator.victoriametrics.com/v1beta1
kind: {kind}
metadata: {{name: web, namespace: monitoring}}
spec:
  {endpoints}
    scheme: https
    tlsConfig:
      caFile: /etc/prom-certs/root-cert.pem
      certFile: /etc/prom-certs/cert-chain.pem
      keyFile: /etc/prom-certs/key.pem
      insecureSkipVerify: true
"""


@pytest.mark.parametrize(
    ("kind", "endpoints"),
    [
        ("VMServiceScrape", "endpoints:\n  - port: http-metrics"),
        ("VMPodScrape", "podMetricsEndpoints:\n  - port: http-metrics"),
        ("VMStaticScrape", "targetEndpoints:\n  - targets: [web:9102]"),
    ],
)
def test_a_vmagent_that_scrapes_with_the_certificates_already_gets_no_job(kind, endpoints, tmp_path):
    text = VMAGENT + VM_SCRAPE.format(kind=kind, endpoints=endpoints)
    found = adopted(text)
    assert ["inlineScrapeConfig" in new.tree["spec"] for _, new in found.changed if new.kind == "VMAgent"] == [False]
    check_laws(tmp_path, text)


def test_what_a_vmagent_does_not_take_up_is_no_job_of_its_own():
    text = VMAGENT.replace("selectAllByDefault: true", "podScrapeSelector: {}")
    found = adopted(text + VM_SCRAPE.format(kind="VMServiceScrape", endpoints="endpoints:\n  - port: http-metrics"))
    assert ["inlineScrapeConfig" in new.tree["spec"] for _, new in found.changed if new.kind == "VMAgent"] == [True]


@pytest.mark.parametrize("inline", ["'{{ .jobs }}'", "{a: b}", '"a: [b"'])
def test_jobs_of_a_vmagent_that_cant_be_read_stay(inline):
    found = adopted(f"{VMAGENT}  inlineScrapeConfig: {inline}\n")
    assert found.apart is not None
    assert "inlineScrapeConfig of VMAgent monitoring/main" in found.where


def test_a_class_of_that_name_without_the_certificates_keeps_its_name():
    found = adopted(OPERATED.replace("name: default", "name: istio-mtls"))
    names = [one["name"] for one in found.changed[0][1].tree["spec"]["scrapeClasses"]]
    assert names == ["istio-mtls", "istio-mtls-2"]


def test_a_misspelt_mount_is_spelt_right_and_no_second_one_is_made():
    pod = """\
  podMetadata:
    annotations:
      proxy.istio.io/config: |
        proxyMetadata:
          OUTPUT_CERTS: /etc/istio-output-certs
      sidecar.istio.io/userVolumeMount: '[{"name": "istio-certs", "mountPath": "/etc/istio-output-certs"}]'
  volumes:
  - name: istio-certs
    emptyDir: {medium: Memory}
  volumeMounts:
  - name: istio-cert
    mountPath: /etc/certificates
"""
    found = adopted(OPERATED + pod)
    spec = found.changed[0][1].tree["spec"]
    assert spec["volumeMounts"] == [{"name": "istio-certs", "mountPath": "/etc/certificates"}]
    assert spec["scrapeClasses"][-1]["tlsConfig"]["keyFile"] == "/etc/certificates/key.pem"
    assert [one.rule.id for one in found.repaired] == ["volume-missing"]
    written = files(found)
    assert any("did you mean istio-certs?\n" in text for text in written.values())


# ------------------------------------------------------------------------------------------------- environments


def test_the_default_values_give_the_default_pattern():
    for variant in ("plain", "operator"):
        found = Templates(open_workspace("."), "").render(
            variant, prometheus=None, istio=(1, 30, 3), kubernetes=(1, 33)
        )
        assert found.pattern == DEFAULT


def test_an_environments_resources_give_its_pattern(tmp_path):
    (tmp_path / "one.yaml").write_text(
        "istio: {revision: canary}\ncertificates: {directory: /out, mountPath: /in, volume: mine, sizeLimit: 1Mi}\n"
        "proxy: {mode: certificate-only, metadata: {SECRET_TTL: 10m}}\n"
    )
    pattern = pattern_of(rendered(open_workspace(".", str(tmp_path)), "one"))
    assert pattern.labels["istio.io/rev"] == "canary"
    assert (pattern.directory, pattern.mount_path, pattern.volume, pattern.size_limit) == ("/out", "/in", "mine", "1Mi")
    assert pattern.config == {
        "holdApplicationUntilProxyStarts": True,
        "proxyMetadata": {"DISABLE_ENVOY": "true", "SECRET_TTL": "10m"},
    }
    assert [container["name"] for container in pattern.containers] == ["istio-proxy"]


@pytest.mark.parametrize(
    "values",
    [
        "proxy: {mode: certificate-only}",
        "proxy: {mode: certificate-only, certificateOnlyProbes: grpc-agent}",
        "mesh: {clientTls: peerAuthentication}\nistio: {revision: canary}",
        "scrape: {mtls: {enabled: false}}",
    ],
)
@pytest.mark.parametrize("text", [both(), OPERATED], ids=["workload", "operator"])
def test_an_environments_values_decide_and_leave_no_error(values, text, tmp_path):
    (tmp_path / "one.yaml").write_text(f"{values}\n")
    workspace = open_workspace(".", str(tmp_path))
    manifests = manifests_of(documents_of(text, "test.yaml"))
    setup = manifests.setup()
    from generator.adopt import adopt

    found = adopt(manifests, setup, setup.scrapers[0], Templates(workspace, "one"))
    changed = {id(old): new for old, new in found.changed}
    after = manifests_of([changed.get(id(one), one) for one in manifests.objects])
    assert errors(after) == []
    assert found.left == ()


# ------------------------------------------------------------------------------------------------- several


def test_several_get_a_component_each():
    two = WORKLOAD + "---\n" + WORKLOAD.replace("kind: Deployment", "kind: StatefulSet").replace("monitoring", "other")
    found = adopted_all(manifests_of(documents_of(two, "test.yaml")))
    assert [str(one.scraper) for one in found] == ["Deployment monitoring/prometheus", "StatefulSet other/prometheus"]


@pytest.mark.parametrize("selected", ["sts/prometheus", "StatefulSet/other/prometheus", "statefulset/prometheus"])
def test_one_of_several_is_selected_as_kubectl_users_write_it(selected):
    two = WORKLOAD + "---\n" + WORKLOAD.replace("kind: Deployment", "kind: StatefulSet").replace("monitoring", "other")
    assert str(adopted(two, selected).scraper) == "StatefulSet other/prometheus"


def test_one_that_isnt_there_is_refused_with_the_nearest():
    with pytest.raises(InputError, match="did you mean `deployment/prometheus`"):
        adopted(WORKLOAD, "deployment/prometeus")


def test_what_something_else_makes_is_left_out_beside_what_makes_it():
    replicas = WORKLOAD.replace("kind: Deployment", "kind: ReplicaSet").replace(
        "  name: prometheus\n  namespace",
        "  name: prometheus-1\n  ownerReferences: [{kind: Deployment, name: prometheus}]\n  namespace",
    )
    assert str(adopted(f"{WORKLOAD}---\n{replicas}").scraper) == "Deployment monitoring/prometheus"


UNVERIFIED = """\
      - job_name: mesh
        scheme: https
        tls_config:
          ca_file: /etc/prom-certs/root-cert.pem
          cert_file: /etc/prom-certs/cert-chain.pem
          key_file: /etc/prom-certs/key.pem
        static_configs: []
"""


def test_an_error_of_its_own_configuration_is_repaired_and_told():
    found = adopted(both(CONFIGURATION + UNVERIFIED))
    assert [one.rule.id for one in found.repaired] == ["skip-verify-missing"]
    text = tree_of(files(found)["configmap-config.patch.yaml"])["data"]["prometheus.yml"]
    assert "insecure_skip_verify: true" in text


def test_an_error_of_anothers_configuration_is_left_to_that():
    other = CONFIGURATION.replace("name: config", "name: theirs") + UNVERIFIED
    theirs = WORKLOAD.replace("name: prometheus", "name: other", 1).replace("name: config", "name: theirs")
    found = adopted(f"{both()}---\n{other}---\n{theirs}", "deployment/prometheus")
    assert found.repaired == ()
    assert found.left == ()
    assert {str(old) for old, _ in found.changed} == {
        "Deployment monitoring/prometheus",
        "ConfigMap monitoring/config",
    }
