"""The edits that bring a foreign pod to the pattern."""

from __future__ import annotations

from textwrap import dedent
from typing import Any

import pytest

from generator.build import Builder
from generator.intake.document import documents_of
from generator.monitoring import Settings, Setup, assemble
from generator.monitoring.completing import pattern_edits
from generator.monitoring.edits import snippet
from generator.monitoring.legacy import is_legacy_secret
from generator.monitoring.pattern import CONFIG, DEFAULT, INJECT, USER_VOLUME_MOUNT
from generator.workspace import open_workspace
from generator.yaml import block, load
from tests.edits import edited_trees

WORKLOAD = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: prometheus
  namespace: monitoring
spec:
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
"""
OPERATED = """\
apiVersion: monitoring.coreos.com/v1
kind: Prometheus
metadata:
  name: main
spec:
  version: v3.1.0
"""


def setup_of(text: str, **settings: Any) -> Setup:
    return assemble(documents_of(dedent(text), "a.yaml"), (), Settings(**settings))


def with_pattern(text: str, **settings: Any) -> dict[str, Any]:
    """The one object of a text, with the pattern."""
    setup = setup_of(text, **settings)
    [scraper] = setup.scrapers
    [(_, tree)] = edited_trees(pattern_edits(setup, scraper))
    again = setup_of(block(tree), **settings)
    assert snippet(pattern_edits(again, again.scrapers[0])) == ""
    return tree


def pod_of(tree: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = tree["spec"]["template"]
    return found


def test_the_defaults_are_what_the_templates_render():
    base = Builder(open_workspace("."), ()).base("plain")
    [workload] = [resource.tree for resource in base.resources if resource.id.kind == "StatefulSet"]
    pod = pod_of(workload)
    annotations, volumes = pod["metadata"]["annotations"], pod["spec"]["volumes"]
    assert DEFAULT.labels.items() <= pod["metadata"]["labels"].items()
    assert DEFAULT.annotations.items() <= annotations.items()
    assert load(annotations[CONFIG], "") == {**DEFAULT.config, "proxyMetadata": {"OUTPUT_CERTS": DEFAULT.directory}}
    assert {"name": DEFAULT.volume, "emptyDir": {"medium": "Memory"}} in volumes
    assert {"name": DEFAULT.volume, "mountPath": DEFAULT.mount_path, "readOnly": True} in pod["spec"]["containers"][0][
        "volumeMounts"
    ]


def test_a_workload_gets_the_whole_pattern_in_the_container_that_is_prometheus():
    pod = pod_of(with_pattern(WORKLOAD))
    reloader, server = pod["spec"]["containers"]
    assert "volumeMounts" not in reloader
    assert server["volumeMounts"] == [
        {"name": "istio-workload-certs", "mountPath": "/etc/prom-certs", "readOnly": True}
    ]
    assert pod["metadata"]["labels"] == {"app": "prometheus", **DEFAULT.labels}
    assert pod["metadata"]["annotations"][USER_VOLUME_MOUNT] == (
        '{"istio-workload-certs":{"mountPath":"/etc/istio-output-certs"}}'
    )


def test_an_operators_resource_gets_it_in_its_own_fields():
    spec = with_pattern(OPERATED)["spec"]
    assert spec["podMetadata"]["labels"] == DEFAULT.labels
    assert spec["volumes"] == [{"name": "istio-workload-certs", "emptyDir": {"medium": "Memory"}}]
    assert spec["volumeMounts"][0]["mountPath"] == "/etc/prom-certs"
    assert "containers" not in spec


def test_what_is_there_stays():
    text = WORKLOAD.replace(
        "      - name: server\n",
        "      - name: server\n        volumeMounts:\n        - {name: data, mountPath: /data}\n",
    ).replace("      labels:", "      annotations: {team: a}\n      labels:")
    text += "      volumes:\n      - {name: data, emptyDir: {}}\n"
    pod = pod_of(with_pattern(text))
    assert pod["metadata"]["annotations"]["team"] == "a"
    assert pod["spec"]["volumes"][0] == {"name": "data", "emptyDir": {}}
    assert pod["spec"]["containers"][1]["volumeMounts"][0] == {"name": "data", "mountPath": "/data"}


LEGACY = WORKLOAD.replace(
    "        image: prom/prometheus:v3.1.0\n",
    "        image: prom/prometheus:v3.1.0\n        volumeMounts:\n"
    "        - {name: istio-certs, mountPath: /etc/istio-certs}\n"
    "      volumes:\n      - name: istio-certs\n        secret: {secretName: istio.default, optional: true}\n",
)


def test_a_secret_of_old_becomes_a_volume_in_memory_where_it_was():
    pod = pod_of(with_pattern(LEGACY))
    assert pod["spec"]["volumes"] == [{"name": "istio-certs", "emptyDir": {"medium": "Memory"}}]
    assert pod["spec"]["containers"][1]["volumeMounts"] == [{"name": "istio-certs", "mountPath": "/etc/istio-certs"}]
    assert pod["metadata"]["annotations"][USER_VOLUME_MOUNT].startswith('{"istio-certs":')


def test_an_injector_that_takes_volumes_of_that_name_away_gets_another_one():
    pod = pod_of(with_pattern(LEGACY, istio=(1, 8, 0)))
    assert {"name": "istio-workload-certs", "emptyDir": {"medium": "Memory"}} in pod["spec"]["volumes"]


def test_a_secret_of_old_that_an_operator_mounts_is_replaced_where_it_was():
    spec = with_pattern(OPERATED + "  secrets: [other, istio.prometheus]\n")["spec"]
    assert spec["secrets"] == ["other"]
    assert spec["volumeMounts"] == [
        {"name": "istio-workload-certs", "mountPath": "/etc/prometheus/secrets/istio.prometheus", "readOnly": True}
    ]


def test_injection_that_was_switched_off_is_switched_on():
    text = WORKLOAD.replace("app: prometheus\n    spec", f'app: prometheus\n        {INJECT}: "false"\n    spec')
    assert pod_of(with_pattern(text))["metadata"]["labels"][INJECT] == "true"


def test_a_configuration_of_the_proxy_is_completed_and_not_replaced():
    text = WORKLOAD.replace(
        "      labels:",
        f"      annotations:\n        {CONFIG}: |\n          # ours\n          concurrency: 1\n"
        "          proxyMetadata:\n            A: b\n      labels:",
    )
    found = load(pod_of(with_pattern(text))["metadata"]["annotations"][CONFIG], "")
    assert found == {
        "concurrency": 1,
        "proxyMetadata": {"A": "b", "OUTPUT_CERTS": "/etc/istio-output-certs"},
        "holdApplicationUntilProxyStarts": True,
    }


@pytest.mark.parametrize("form", ['[{"name": "tls", "mountPath": "/tls"}]', '{"tls":{"mountPath":"/tls"}}'])
def test_volumes_of_the_proxy_are_completed_in_their_form(form):
    text = WORKLOAD.replace(
        "      labels:", f"      annotations:\n        {USER_VOLUME_MOUNT}: '{form}'\n      labels:"
    )
    found = load(pod_of(with_pattern(text))["metadata"]["annotations"][USER_VOLUME_MOUNT], "")
    assert isinstance(found, list if form.startswith("[") else dict)
    assert len(found) == 2


@pytest.mark.parametrize("value", ["true", '"a"', "3", "{"])
def test_what_holds_no_volumes_of_the_proxy_is_replaced(value):
    text = WORKLOAD.replace(
        "      labels:", f"      annotations:\n        {USER_VOLUME_MOUNT}: '{value}'\n      labels:"
    )
    found = load(pod_of(with_pattern(text))["metadata"]["annotations"][USER_VOLUME_MOUNT], "")
    assert found == {"istio-workload-certs": {"mountPath": "/etc/istio-output-certs"}}


@pytest.mark.parametrize(
    ("name", "legacy"), [("istio.default", True), ("istio.prometheus", True), ("istio.", False), ("istio-certs", False)]
)
def test_secrets_of_old_are_told_by_their_names(name, legacy):
    assert is_legacy_secret(name) is legacy


def test_further_secrets_of_old_give_way_to_the_one_volume():
    text = LEGACY.replace(
        "      volumes:\n",
        "        - {name: more, mountPath: /etc/more}\n      volumes:\n"
        "      - {name: more, secret: {secretName: istio.prometheus}}\n"
        "      - {name: unused, secret: {secretName: istio.default}}\n",
    )
    pod = pod_of(with_pattern(text))
    assert pod["spec"]["volumes"] == [{"name": "more", "emptyDir": {"medium": "Memory"}}]
    mounts = pod["spec"]["containers"][1]["volumeMounts"]
    assert [(mount["name"], mount["mountPath"]) for mount in mounts] == [
        ("more", "/etc/istio-certs"),
        ("more", "/etc/more"),
    ]


def _with_certificates_at_the_patterns_place(source: str) -> str:
    return WORKLOAD.replace(
        "        image: prom/prometheus:v3.1.0\n",
        "        image: prom/prometheus:v3.1.0\n        volumeMounts:\n"
        "        - {name: other, mountPath: /etc/prom-certs/}\n"
        f"      volumes:\n      - {{name: other, {source}}}\n",
    )


def test_a_directory_that_has_something_else_is_not_mounted_twice():
    pod = pod_of(with_pattern(_with_certificates_at_the_patterns_place("secret: {secretName: corporate}")))
    assert pod["spec"]["containers"][1]["volumeMounts"] == [
        {"name": "other", "mountPath": "/etc/prom-certs/"},
        {"name": "istio-workload-certs", "mountPath": "/etc/prom-certs-istio", "readOnly": True},
    ]


@pytest.mark.parametrize(
    ("directory", "place"), [("/etc/corporate", "/etc/prom-certs"), ("/etc/prom-certs", "/etc/prom-certs-istio")]
)
def test_no_directory_is_mounted_around_files_that_others_mount_in_it(directory, place):
    text = f"""\
  volumes: [{{name: other, secret: {{secretName: corporate}}}}]
  volumeMounts: [{{name: other, mountPath: {directory}/key.pem, subPath: key.pem}}]
  scrapeClasses:
  - name: istio-mtls
    tlsConfig: {{certFile: {directory}/cert-chain.pem, keyFile: {directory}/key.pem}}
"""
    mounts = with_pattern(OPERATED + text)["spec"]["volumeMounts"]
    assert [mount["mountPath"] for mount in mounts] == [f"{directory}/key.pem", place]


def test_a_variable_beside_the_metadata_is_moved_into_it():
    text = WORKLOAD.replace(
        "      labels:", "      annotations:\n        proxy.istio.io/config: 'OUTPUT_CERTS: /certs'\n      labels:", 1
    )
    config = load(pod_of(with_pattern(text))["metadata"]["annotations"][CONFIG], "x")
    assert config == {"holdApplicationUntilProxyStarts": True, "proxyMetadata": {"OUTPUT_CERTS": DEFAULT.directory}}


@pytest.mark.parametrize(("there", "whole"), [("/data", "/etc/certs"), ("/etc/certs", "/etc/prom-certs")])
def test_a_secret_of_old_that_is_mounted_file_by_file_becomes_one_directory(there, whole):
    names = ("key.pem", "cert-chain.pem", "root-cert.pem")
    files = "".join(
        f"        - {{name: istio-certs, mountPath: /etc/certs/{name}, subPath: {name}}}\n" for name in names
    )
    text = LEGACY.replace(
        "        - {name: istio-certs, mountPath: /etc/istio-certs}\n",
        f"        - {{name: data, mountPath: {there}}}\n{files}",
    )
    pod = pod_of(with_pattern(text + "      - {name: data, emptyDir: {}}\n"))
    assert pod["spec"]["containers"][1]["volumeMounts"] == [
        {"name": "data", "mountPath": there},
        {"name": "istio-certs", "mountPath": whole},
    ]
