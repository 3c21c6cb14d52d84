"""Fields that don't exist, and what is said of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generator.errors import InputError
from generator.fields import (
    Unknown,
    unknown_fields,
    unknown_in_pod_spec,
    unknown_in_prometheus_configuration,
    unknown_in_prometheus_spec,
    unknown_in_scrape_config,
)
from generator.fields.table import Table, table_of
from generator.yaml import load, load_documents

ROOT = Path(__file__).parent.parent
CORPUS = ROOT.parent / "shared" / "corpus"
MANIFESTS = sorted((ROOT / "output" / "manifests").rglob("*.yaml"))

DEPLOYMENT = "apiVersion: apps/v1\nkind: Deployment\nspec:\n  template:\n    spec:\n"
SERVICE_MONITOR = "apiVersion: monitoring.coreos.com/v1\nkind: ServiceMonitor\nspec:\n  endpoints:\n  - port: metrics\n"
POD_MONITOR = (
    "apiVersion: monitoring.coreos.com/v1\nkind: PodMonitor\nspec:\n  podMetricsEndpoints:\n  - port: metrics\n"
)
NO_PATHS = (
    "ca, cert or keySecret in tlsConfig, which name a Secret or ConfigMap: paths of files are not allowed here; "
    "a scrape class of the Prometheus resource may have them, and an endpoint of a ServiceMonitor"
)
CAMEL, SNAKE = (
    "fields of Kubernetes resources are written in camelCase",
    "fields of prometheus.yml are written in snake_case",
)


def indented(text: str, by: int) -> str:
    return "".join(f"{' ' * by}{line}\n" for line in text.splitlines())


def parsed(text: str) -> dict[str, Any]:
    tree = load(text, "text")
    assert isinstance(tree, dict)
    return tree


def of_pod(text: str) -> list[Unknown]:
    return [found._replace(path=found.path[3:]) for found in unknown_fields(parsed(DEPLOYMENT + indented(text, 6)))]


def told(found: list[Unknown]) -> list[tuple[str, str, str, str]]:
    """Give what a user reads: where, the kind, what was found, what is expected."""
    return [(".".join(map(str, one.path)), one.kind, one.found, one.expected) for one in found]


POD_SLIPS = [
    (
        "containers:\n- volumeMounts:\n    name: certs\n    mountPath: /certs",
        ("containers.0.volumeMounts", "type", "a map", "a list"),
    ),
    ("containers:\n- volumeMount: []", ("containers.0.volumeMount", "unknown", "volumeMount", "volumeMounts")),
    (
        "containers:\n- name: a\nvolumeMounts: []",
        ("volumeMounts", "unknown", "volumeMounts", "volumeMounts one level deeper, in an item of containers"),
    ),
    (
        "containers:\n- volumes: []",
        ("containers.0.volumes", "unknown", "volumes", "volumes one level higher, beside containers"),
    ),
    (
        "volumes:\n- emptydir: {}",
        ("volumes.0.emptydir", "unknown", "emptydir", "emptyDir: upper and lower case matter"),
    ),
    (
        "volumes:\n- secret: {name: a}",
        ("volumes.0.secret.name", "unknown", "name", "secretName: name is its name elsewhere"),
    ),
    ("volumes:\n- empty_dir: {}", ("volumes.0.empty_dir", "unknown", "empty_dir", f"emptyDir: {CAMEL}")),
    ("volumes:\n  name: a", ("volumes", "type", "a map", "a list")),
    ("volumes:\n- certs", ("volumes.0", "type", 'the string "certs"', "a map")),
    (
        "containers:\n- env:\n  - {name: a, value: 8080}",
        ("containers.0.env.0.value", "type", "the number 8080", "a string: put it in quotes"),
    ),
    (
        "containers:\n- ports:\n  - containerPort: '80'",
        ("containers.0.ports.0.containerPort", "type", 'the string "80"', "a number: without quotes"),
    ),
    ("hostNetwork: 'true'", ("hostNetwork", "type", 'the string "true"', "a boolean: without quotes")),
    ("containers:\n- args: --config", ("containers.0.args", "type", 'the string "--config"', "a list")),
    ("containers:\n- image: {name: a}", ("containers.0.image", "type", "a map", "a string")),
    (
        "containers:\n- resources: {limits: {cpu: [1]}}",
        ("containers.0.resources.limits.cpu", "type", "a list", "a single value"),
    ),
    ("annotations: {}", ("annotations", "unknown", "annotations", "annotations in metadata, beside spec")),
]


@pytest.mark.parametrize(("text", "expected"), POD_SLIPS, ids=[slip[1][0] for slip in POD_SLIPS])
def test_a_slip_in_a_pod_is_told_with_what_is_meant(text, expected):
    assert told(of_pod(text)) == [expected]


def test_a_pod_spec_alone_is_looked_at_in_the_same_way():
    text = "containers:\n- volumeMount: []\nvolumes: {}\nhostnetwork: true"
    assert unknown_in_pod_spec(parsed(text)) == of_pod(text) != []


def test_tls_settings_beside_an_empty_tls_config_are_told_to_be_below_it():
    text = "tlsConfig:\ncaFile: /c/a.pem\ncertFile: /c/b.pem\nkeyFile: /c/k.pem\ninsecureSkipVerify: true"
    found = unknown_fields(parsed(SERVICE_MONITOR + indented(text, 4)))
    assert [one.path[3] for one in found] == ["caFile", "certFile", "keyFile", "insecureSkipVerify"]
    assert {one.expected.partition(" ")[2] for one in found} == {"one level deeper, in tlsConfig, which is empty here"}
    assert [one.nearest for one in found] == [one.field for one in found]


MONITOR_SLIPS = [
    ("tlsconfig: {}", "tlsconfig", "tlsConfig", "tlsConfig: upper and lower case matter"),
    (
        "tlsConfig: {insecure_skip_verify: true}",
        "insecure_skip_verify",
        "insecureSkipVerify",
        f"insecureSkipVerify: {CAMEL}",
    ),
    ("tlsConfig: {scheme: https}", "scheme", "", ""),  # a field that so many maps have that a new release may add it
    ("tlsConfig: {honorLabels: true}", "honorLabels", "honorLabels", "honorLabels one level higher, beside tlsConfig"),
    (
        "insecureSkipVerify: true",
        "insecureSkipVerify",
        "insecureSkipVerify",
        "insecureSkipVerify one level deeper, in tlsConfig",
    ),
    ("enableHTTP2: false", "enableHTTP2", "enableHttp2", "enableHttp2: upper and lower case matter"),
    ("relabel_configs: []", "relabel_configs", "relabelings", "relabelings: relabel_configs is its name elsewhere"),
    ("metricsPath: /m", "metricsPath", "path", "path: metricsPath is its name elsewhere"),
]


@pytest.mark.parametrize(
    ("text", "field", "nearest", "expected"), MONITOR_SLIPS, ids=[slip[1] for slip in MONITOR_SLIPS]
)
def test_a_slip_in_a_service_monitor_is_told_with_what_is_meant(text, field, nearest, expected):
    found = unknown_fields(parsed(SERVICE_MONITOR + indented(text, 4)))
    assert [(one.field, one.nearest, one.expected) for one in found] == (
        [(field, nearest, expected)] if nearest else []
    )


def test_what_a_misspelt_field_holds_is_looked_at_too():
    found = unknown_fields(parsed(SERVICE_MONITOR + "    tlsconfig: {insecure_skip_verify: true, cafile: /c/a.pem}\n"))
    assert [one.nearest for one in found] == ["tlsConfig", "insecureSkipVerify", "caFile"]


PATHS = [
    POD_MONITOR + "    tlsConfig: {caFile: /c/a.pem}\n",
    "apiVersion: monitoring.coreos.com/v1\nkind: Probe\nspec:\n  tlsConfig: {certFile: /c/a.pem}\n",
    "apiVersion: monitoring.coreos.com/v1alpha1\nkind: ScrapeConfig\nspec:\n  tlsConfig: {keyFile: /c/a.pem}\n",
    POD_MONITOR + "    tlsConfig:\n    caFile: /c/a.pem\n",
    SERVICE_MONITOR + "    oauth2: {tlsConfig: {ca_file: /c/a.pem}}\n",
]


@pytest.mark.parametrize("text", PATHS, ids=["PodMonitor", "Probe", "ScrapeConfig", "beside", "oauth2"])
def test_a_path_where_the_operator_takes_none_is_told_as_such(text):
    (found,) = unknown_fields(parsed(text))
    assert (found.kind, found.nearest, found.expected) == ("unknown", "", NO_PATHS)
    assert found.found == f"{found.field}: /c/a.pem"


def test_a_service_monitor_and_a_scrape_class_may_name_files():
    tls = "tlsConfig: {caFile: /c/a.pem, certFile: /c/b.pem, keyFile: /c/k.pem, insecureSkipVerify: true}"
    assert unknown_fields(parsed(f"{SERVICE_MONITOR}    {tls}\n")) == []
    assert unknown_in_prometheus_spec(parsed(f"scrapeClasses:\n- name: istio\n  {tls}\n")) == []


def test_the_spelling_of_http2_differs_between_kinds():
    text = "apiVersion: monitoring.coreos.com/v1alpha1\nkind: ScrapeConfig\nspec: {enableHttp2: false}\n"
    assert told(unknown_fields(parsed(text))) == [
        ("spec.enableHttp2", "unknown", "enableHttp2", "enableHTTP2: upper and lower case matter")
    ]
    assert unknown_fields(parsed(text.replace("Http2", "HTTP2"))) == []
    assert unknown_fields(parsed(f"{SERVICE_MONITOR}    enableHttp2: false\n")) == []


def test_letters_lost_when_the_first_line_was_copied_are_found():
    (found,) = unknown_fields(parsed(SERVICE_MONITOR[2:]))
    assert (found.path, found.nearest) == (("iVersion",), "apiVersion")
    (found,) = unknown_fields(parsed(SERVICE_MONITOR.replace("kind:", "Kind:")))
    assert (found.path, found.nearest) == (("Kind",), "kind")


def test_the_selectors_of_istio_are_not_mixed_up():
    sidecar = "apiVersion: networking.istio.io/v1beta1\nkind: Sidecar\nspec: {workloadSelector: {matchLabels: {a: b}}}"
    policy = "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nspec: {selector: {labels: {a: b}}}"
    assert [(one.field, one.nearest) for one in unknown_fields(parsed(sidecar))] == [("matchLabels", "labels")]
    assert [(one.field, one.nearest) for one in unknown_fields(parsed(policy))] == [("labels", "matchLabels")]


JOB_SLIPS = [
    ("tls_config: {insecureSkipVerify: true}", "tls_config.insecureSkipVerify", f"insecure_skip_verify: {SNAKE}"),
    ("tlsConfig: {}", "tlsConfig", f"tls_config: {SNAKE}"),
    ("tls_configs: {}", "tls_configs", "tls_config"),
    ("ca_file: /c/a.pem\ntls_config:", "ca_file", "ca_file one level deeper, in tls_config, which is empty here"),
    ("enableHTTP2: false", "enableHTTP2", f"enable_http2: {SNAKE}"),
    ("kubernetes_sd_config: []", "kubernetes_sd_config", "kubernetes_sd_configs"),
    ("relabelings: []", "relabelings", "relabel_configs: relabelings is its name elsewhere"),
    ("relabel_configs:\n- source_label: [a]", "relabel_configs.0.source_label", "source_labels"),
    ("relabel_configs:\n- source_labels: a", "relabel_configs.0.source_labels", "a list"),
    ("kubernetes_sd_configs: {role: pod}", "kubernetes_sd_configs", "a list"),
    ("honor_labels: 'true'", "honor_labels", "a boolean: without quotes"),
    ("sample_limit: '5'", "sample_limit", "a number: without quotes"),
    ("params: {match: up}", "params.match", "a list"),
]


@pytest.mark.parametrize(("text", "path", "expected"), JOB_SLIPS, ids=[slip[1] for slip in JOB_SLIPS])
def test_a_slip_in_a_scrape_job_is_told_with_what_is_meant(text, path, expected):
    (found,) = unknown_in_scrape_config(parsed(text))
    assert (".".join(map(str, found.path)), found.expected) == (path, expected)


def test_the_whole_configuration_is_looked_at():
    config = "global: {scrape_intervall: 5s}\nalerting: {alertmanager: []}\nscrape_configs:\n- tlsConfig: {}\n"
    assert [(one.path, one.nearest) for one in unknown_in_prometheus_configuration(parsed(config))] == [
        (("global", "scrape_intervall"), "scrape_interval"),
        (("alerting", "alertmanager"), "alertmanagers"),
        (("scrape_configs", 0, "tlsConfig"), "tls_config"),
    ]


def test_numbers_and_booleans_are_strings_to_prometheus():
    text = "job_name: 5\nscheme: true\nstatic_configs: [{targets: [5], labels: {a: 1, b: yes}}]\nhonor_labels: yes"
    assert unknown_in_scrape_config(parsed(text)) == []


def test_annotations_are_strings():
    text = "apiVersion: v1\nkind: Pod\nmetadata: {annotations: {sidecar.istio.io/inject: true}}"
    assert told(unknown_fields(parsed(text))) == [
        (
            "metadata.annotations.sidecar.istio.io/inject",
            "type",
            "the boolean true",
            "a string: put it in quotes",
        )
    ]


def test_what_a_secret_holds_is_not_told():
    text = "apiVersion: v1\nkind: Secret\nstringData: {pin: 4711, switch: true}\ndatas: {}\nstringdata: {a: 4711}"
    found = unknown_fields(parsed(text))
    assert [one.found for one in found] == ["a number", "a boolean", "stringdata", "a number"]


def test_the_items_of_a_list_are_looked_at():
    tree = {"apiVersion": "v1", "kind": "List", "items": [{}, parsed(f"{SERVICE_MONITOR}    tlsconfig: {{}}\n")]}
    (found,) = unknown_fields(tree)
    assert found.path == ("items", 1, "spec", "endpoints", 0, "tlsconfig")


UNJUDGED = {
    "a field that resembles none may be newer": "brandNewThing: {a: 1}",
    "so may one with another word at its end": "restartPolicyRuleSet: []",
    "so may the plural of one": "hostnames: []",
    "and a field that other maps have": "host: a",
    "labels have any keys": "nodeSelector: {nodeName: a, hostnetwork: b}",
    "directives of a patch are none": "$patch: replace\n$setElementOrder/containers: []",
    "nothing is of every sort": "containers:\nvolumes:\nhostNetwork:",
    "placeholders are filled in later": "hostNetwork: ${HOST}\npriority: <priority>\nhostname: ''",
    "a port is a name": "containers: [{lifecycle: {preStop: {tcpSocket: {port: a}}}}]",
    "or a number": "containers: [{lifecycle: {preStop: {tcpSocket: {port: 1}}}}]",
    "so is a quantity": "containers:\n- resources: {limits: {cpu: 1, memory: 1Gi}}",
}


@pytest.mark.parametrize("text", UNJUDGED.values(), ids=UNJUDGED.keys())
def test_what_may_be_right_is_left_alone(text):
    assert of_pod(text) == []


def test_kinds_and_documents_that_are_not_known_are_left_alone():
    for text in ("kind: VMAgent\napiVersion: operator.victoriametrics.com/v1beta1\nspec: {tlsconfig: {}}",
                 "kind: Service\napiVersion: serving.knative.dev/v1\nspec: {selectors: {}}",
                 "kind: 5", "server: {volumemounts: {}}", "kind: PodList\nitems: a",
                 "apiVersion: v1\nkind: Pod\nstatus: {podip: 1}"):  # fmt: skip
        assert unknown_fields(parsed(text)) == []


def test_a_deployment_of_the_former_group_is_looked_at():
    assert len(unknown_fields(parsed(f"{DEPLOYMENT}      volume: []\n".replace("apps/v1", "extensions/v1beta1")))) == 1


def test_the_fields_of_the_agents_of_victoria_metrics_are_left_alone():
    text = """
        {stream_parse: true, scrape_align_interval: 5s, scrape_offset: 1s, no_stale_markers: true, series_limit: 1,
         disable_keepalive: true, disable_compression: true, relabel_debug: true, proxy_headers: [], headers: [],
         max_scrape_size: 1MB, proxy_tls_config: {}, proxy_bearer_token_file: a,
         relabel_configs: [{if: a, match: b, labels: {}}]}
    """
    assert unknown_in_scrape_config(parsed(text)) == []


def test_what_the_chart_has_in_a_form_of_its_own_is_passed_over():
    spec = parsed("image: {tag: a}\nadditionalScrapeConfigs: []\nstorageSpec: {}\npodAntiAffinity: soft\nvolume: []\n")
    assert [one.field for one in unknown_in_prometheus_spec(spec, of_chart=True)] == ["volume"]
    assert [one.field for one in unknown_in_prometheus_spec(spec)][:2] == ["image", "additionalScrapeConfigs"]


def documents(path: Path) -> list[Any]:
    try:
        return load_documents(path.read_bytes().decode(), path.name)
    except InputError as error:
        raise AssertionError(f"{path}: {error}") from None


def all_found(tree: Any) -> list[Unknown]:
    """Look at an object, and at the configuration that a ConfigMap holds."""
    found = unknown_fields(tree)
    if tree.get("kind") == "ConfigMap":
        for name, text in tree["data"].items():
            if name in {"prometheus.yml", "prometheus.yaml"}:
                found += unknown_in_prometheus_configuration(parsed(text))
    return found


def test_nothing_is_said_of_what_sidecert_renders():
    trees = [tree for path in MANIFESTS for tree in documents(path)]
    assert len(trees) > 50
    assert [found for tree in trees for found in all_found(tree)] == []


@pytest.mark.skipif(not CORPUS.exists(), reason="no public manifests here")
def test_nothing_is_said_of_public_manifests():
    trees = [tree for path in sorted(CORPUS.rglob("*.yaml")) for tree in documents(path) if isinstance(tree, dict)]
    assert len(trees) > 40
    assert [found for tree in trees for found in all_found(tree)] == []


def valid(table: Table, kind: str, depth: int) -> st.SearchStrategy[Any]:
    """Make values of a kind as the table has it."""
    if kind.startswith("[]"):
        return st.lists(valid(table, kind[2:], depth - 1), max_size=2 if depth > 0 else 0)
    if kind.startswith("{}"):
        return st.dictionaries(st.text(max_size=5), valid(table, kind[2:], depth - 1), max_size=2 if depth > 0 else 0)
    fields = table.fields(kind)
    if fields is not None:
        names = st.lists(st.sampled_from(sorted(fields)), unique=True, max_size=3 if depth > 0 else 0)
        return names.flatmap(
            lambda names: st.fixed_dictionaries({name: valid(table, fields[name], depth - 1) for name in names})
        )
    return {"boolean": st.booleans(), "integer": st.integers(), "number": st.floats(0, 1)}.get(
        kind, st.text(max_size=5)
    )


@settings(max_examples=60)
@given(valid(table_of("core"), "PodSpec", 5), valid(table_of("prometheus"), "Configuration", 5))
def test_nothing_is_said_of_known_fields_with_fitting_values(spec, config):
    assert unknown_in_pod_spec(spec) == []
    assert unknown_in_prometheus_configuration(config) == []


def test_importing_reads_no_table_and_no_heavy_module():
    code = (
        "import sys, generator.fields\n"
        "print([name for name in ('difflib', 'json', 'ruamel', 'generator.fields.table') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"
