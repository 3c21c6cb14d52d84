"""The Prometheus, jobs and monitors in the values of kube-prometheus-stack and of the prometheus chart."""

from __future__ import annotations

import base64
from pathlib import Path
from textwrap import dedent, indent
from typing import Any

import pytest

from generator.errors import ValuePath
from generator.intake.document import Document, documents_of
from generator.monitoring import Edit, Scrape, Scraper, Setup, assemble
from generator.monitoring.charts import (
    chart_of,
    workload_annotations,
)
from generator.monitoring.completing import pattern_edits
from generator.monitoring.edits import REMOVE, edited_tree
from generator.monitoring.setup import Settings
from generator.yaml import block, load
from tests.edits import edited_trees

CORPUS = Path(__file__).resolve().parents[3] / "shared" / "corpus"
with_corpus = pytest.mark.skipif(not CORPUS.is_dir(), reason="the public manifests are not here")

STACK = """\
prometheus:
  prometheusSpec:
    podMetadata:
      labels:
        sidecar.istio.io/inject: "true"
      annotations:
        proxy.istio.io/config: |
          proxyMetadata:
            OUTPUT_CERTS: /etc/istio-output-certs
        sidecar.istio.io/userVolumeMount: '{"certs":{"mountPath":"/etc/istio-output-certs"}}'
    volumes:
    - name: certs
      emptyDir:
        medium: Memory
    volumeMounts:
    - name: certs
      mountPath: /etc/prom-certs
    additionalScrapeConfigs:
    - job_name: mtls
      scheme: https
      tls_config:
        cert_file: /etc/prom-certs/cert-chain.pem
"""
CHART = """\
server:
  podLabels:
    sidecar.istio.io/inject: "true"
  podAnnotations:
    proxy.istio.io/config: |
      proxyMetadata:
        OUTPUT_CERTS: /etc/istio-output-certs
    sidecar.istio.io/userVolumeMount: '{"certs":{"mountPath":"/etc/istio-output-certs"}}'
  extraVolumes:
  - name: certs
    emptyDir:
      medium: Memory
  extraVolumeMounts:
  - name: certs
    mountPath: /etc/prom-certs
scrapeConfigs:
  mtls:
    scheme: https
    tls_config:
      cert_file: /etc/prom-certs/cert-chain.pem
"""
BOTH = pytest.mark.parametrize("text", [STACK, CHART], ids=["stack", "chart"])


def of(text: str) -> Document:
    [document] = documents_of(dedent(text), "values.yaml")
    return document


def setup_of(text: str, **settings: Any) -> Setup:
    """Values, manifests, or both."""
    documents = documents_of(dedent(text), "values.yaml")
    manifests = [document for document in documents if document.kind]
    return assemble(manifests, [document for document in documents if not document.kind], Settings(**settings))


def one(text: str, **settings: Any) -> Scraper:
    [scraper] = setup_of(text, **settings).scrapers
    return scraper


def names(text: str, **settings: Any) -> list[str]:
    return [str(scrape) for scrape in setup_of(text, **settings).scrapes]


def scrape(text: str, **settings: Any) -> Scrape:
    [found] = setup_of(text, **settings).scrapes
    return found


def below(key: str, text: str) -> str:
    return f"{key}:\n" + indent(dedent(text), "  ")


def after(edits: list[Edit]) -> Any:
    [(_, tree)] = edited_trees(edits)
    return tree


def line(text: str, scraper: Scraper, *path: str | int) -> str:
    """The line that a part of the pod is located at."""
    place = scraper.document.locate(scraper.pod.where(*path)).line
    assert place is not None
    return dedent(text).split("\n")[place - 1].strip()


# ------------------------------------------------------------------------------------------------ which chart it is


@pytest.mark.parametrize(
    ("text", "chart"),
    [
        (STACK, "kube-prometheus-stack"),
        ("prometheus: {agentMode: true}", "kube-prometheus-stack"),
        ("prometheus: {additionalPodMonitors: []}", "kube-prometheus-stack"),
        ("alertmanager: {alertmanagerSpec: {}}", "kube-prometheus-stack"),
        ("prometheusOperator: {enabled: true}\nkubeEtcd: {enabled: false}", "kube-prometheus-stack"),
        (CHART, "prometheus"),
        ("serverFiles: {prometheus.yml: {scrape_configs: []}}", "prometheus"),
        ("server: {global: {scrape_interval: 15s}}", "prometheus"),
        ("server: {image: {repository: docker.io/prom/prometheus}}", "prometheus"),
        ("server: {podLabels: {}}\nkube-state-metrics: {enabled: false}", "prometheus"),
        ("server: {podLabels: {}}\nkubeStateMetrics: {}\nnodeExporter: {}", "prometheus"),
        ("extraScrapeConfigs: |\n  - job_name: a\n", "prometheus"),
        ("prometheus: {extraScrapeConfigs: '- job_name: a'}", "prometheus"),
        ("server: {podLabels: {}}", ""),
        ("server: {podAnnotations: {}, extraVolumes: []}\ncontroller: {}", ""),
        ("prometheus: {enabled: true}", ""),
        ("prometheusOperator: {enabled: true}", ""),
        ("vmsingle: {}\nkubeEtcd: {}\nkubeProxy: {}\nnodeExporter: {}", ""),
        ("operator: {}\nalertmanager: {}\nkubeProxy: {}\nkubeScheduler: {}", ""),
        ("image: {repository: prom/prometheus}", ""),
        ("config: {snippets: {extraScrapeConfigs: '- job_name: a'}}", ""),
    ],
)
def test_a_chart_is_told_by_its_keys(text: str, chart: str) -> None:
    assert chart_of(of(text)) == chart


@pytest.mark.parametrize("key", ["kube-prometheus-stack", "monitoring", "prometheus-operator"])
def test_the_stack_is_found_in_the_values_of_an_umbrella_chart(key: str) -> None:
    text = below(key, STACK)
    assert one(text).resource == (key, "prometheus", "prometheusSpec")
    assert scrape(text).path == (key, "prometheus", "prometheusSpec", "additionalScrapeConfigs", 0)


@pytest.mark.parametrize("key", ["prometheus", "metrics"])
def test_the_prometheus_chart_is_found_in_the_values_of_an_umbrella_chart(key: str) -> None:
    text = below(key, CHART)
    assert one(text).pod.where("metadata", "labels") == (key, "server", "podLabels")
    assert scrape(text).path == (key, "scrapeConfigs", "mtls")


def test_a_server_below_the_key_prometheus_is_the_charts_even_with_few_keys() -> None:
    assert chart_of(of("prometheus: {server: {podLabels: {}}}")) == "prometheus"
    assert chart_of(of("argo-cd: {server: {podLabels: {}}}")) == ""


def test_an_umbrella_chart_may_hold_both_and_each_keeps_its_own_jobs() -> None:
    setup = setup_of(below("prometheus", CHART) + below("kube-prometheus-stack", STACK))
    assert [scraper.flavour for scraper in setup.scrapers] == ["prometheus-chart", "kube-prometheus-stack"]
    for scraper in setup.scrapers:
        assert [found.name for found in setup.scrapes_of(scraper)] == ["mtls"]


@pytest.mark.parametrize(
    "text",
    [
        "prometheus: {enabled: false, prometheusSpec: {}}",
        "kube-prometheus-stack: {enabled: false, prometheus: {prometheusSpec: {}}}",
        "prometheus: {install: false, server: {retention: 15d}}",
        "server: {enabled: false}\nserverFiles: {prometheus.yml: {}}",
    ],
)
def test_a_prometheus_that_is_switched_off_is_none(text: str) -> None:
    setup = setup_of(text)
    assert setup.scrapers == ()
    assert setup.scrapes == ()


# -------------------------------------------------------------------------------------------- who installs a chart


def flux(values: str, chart: str = "kube-prometheus-stack", version: str = "88.x", more: str = "") -> str:
    return (
        "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata:\n  name: kps\n  namespace: flux-system\n"
        f"spec:\n  targetNamespace: monitoring\n{indent(more, '  ')}"
        f"  chart:\n    spec:\n      chart: {chart}\n      version: '{version}'\n"
        f"  values:\n{indent(dedent(values), '    ')}"
    )


def argo(values: str, chart: str = "prometheus", *, as_string: bool = False) -> str:
    held = (
        f"        values: |\n{indent(values, ' ' * 10)}"
        if as_string
        else f"        valuesObject:\n{indent(values, ' ' * 10)}"
    )
    return (
        "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata:\n  name: metrics\n  namespace: argocd\nspec:\n"
        "  destination:\n    namespace: monitoring\n  sources:\n"
        f"    - repoURL: https://prometheus-community.github.io/helm-charts\n      chart: {chart}\n"
        f"      targetRevision: 27.11.0\n      helm:\n{held}"
    )


def test_a_helm_release_of_flux_holds_values() -> None:
    scraper = one(flux(STACK))
    assert str(scraper) == "HelmRelease flux-system/kps"
    assert scraper.namespace == "monitoring"
    assert scraper.name == "monitoring-kps-kube-promet-prometheus"
    assert scraper.pod.labels["operator.prometheus.io/name"] == scraper.name
    assert scraper.pod.where("spec", "volumes", 0) == (
        "spec",
        "values",
        *("prometheus", "prometheusSpec", "volumes", 0),
    )


@pytest.mark.parametrize(
    ("version", "jobs"), [("29.27.0", ["job mtls"]), ("28.x", ["job mtls"]), ("^27.1", []), ("27", [])]
)
def test_the_version_in_a_helm_release_counts_more_than_the_option(version: str, jobs: list[str]) -> None:
    assert names(flux(CHART, "prometheus", version), chart=(26,) if jobs else (29,)) == jobs


def test_a_helm_release_of_another_chart_is_none_but_its_subcharts_are() -> None:
    assert setup_of(flux("server: {global: {scrape_interval: 1m}}\n", "loki")).scrapers == ()
    assert len(setup_of(flux(below("kube-prometheus-stack", STACK), "./charts/platform")).scrapers) == 1


def test_bitnamis_charts_have_other_keys() -> None:
    source = "chart:\n  spec:\n    sourceRef:\n      name: bitnami\n    chart: prometheus\n"
    text = "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata:\n  name: a\nspec:\n" + indent(
        source, "  "
    )
    assert setup_of(text + "  values:\n    server: {podLabels: {a: b}}\n").scrapers == ()


@pytest.mark.parametrize(
    "server",
    ["image: {registry: docker.io, repository: bitnami/prometheus}", "extraScrapeConfigs: [{job_name: a}]\n  tsdb: {}"],
)
def test_bitnamis_values_are_told_by_their_keys(server: str) -> None:
    text = f"server:\n  {server}\nalertmanager: {{enabled: false}}\n"
    assert chart_of(of(text)) == ""
    assert chart_of(of(below("prometheus", text))) == ""


def test_an_image_of_bitnamis_in_the_prometheus_chart_is_no_matter() -> None:
    text = "server: {image: {repository: bitnami/prometheus}}\nserverFiles: {prometheus.yml: {scrape_configs: []}}\n"
    assert chart_of(of(text)) == "prometheus"


@pytest.mark.parametrize("as_string", [False, True])
def test_an_application_of_argo_cd_holds_values(as_string: bool) -> None:
    text = argo(CHART, as_string=as_string)
    scraper = one(text)
    assert str(scraper) == "Application argocd/metrics"
    assert (scraper.namespace, scraper.name) == ("monitoring", "metrics-prometheus-server")
    assert line(text, scraper, "spec", "volumes", 1) == "- name: certs"


def test_an_edit_of_values_in_a_string_changes_the_string() -> None:
    tree: Any = after([one(argo(CHART, as_string=True)).pod.set(("metadata", "labels", "team"), "a")])
    values: Any = load(tree["spec"]["sources"][0]["helm"]["values"], "")
    assert values["server"]["podLabels"] == {"sidecar.istio.io/inject": "true", "team": "a"}


def test_a_helm_chart_of_k3s_holds_values_in_a_string() -> None:
    text = (
        "apiVersion: helm.cattle.io/v1\nkind: HelmChart\nmetadata:\n  name: mon\n  namespace: kube-system\nspec:\n"
        f"  chart: prometheus-community/prometheus\n  valuesContent: |\n{indent(CHART, '    ')}"
    )
    assert one(text).name == "mon-prometheus-server"
    assert names(text) == ["job mtls"]


def test_a_release_without_values_still_is_a_prometheus() -> None:
    text = flux("").replace("  values:\n", "")
    assert one(text).pod.annotations == {}
    assert one(text).resource == ("spec", "values", "prometheus", "prometheusSpec")


@pytest.mark.parametrize("text", [flux(STACK, more="valuesFrom:\n- kind: ConfigMap\n  name: a\n")])
def test_values_from_elsewhere_are_told_of(text: str) -> None:
    setup = setup_of(text)
    assert setup.scrapers
    assert [note.message for note in setup.notes] == [
        "HelmRelease flux-system/kps takes values from elsewhere too, which are not judged"
    ]


# -------------------------------------------------------------------------------------------------- what both have


@BOTH
def test_certificates_are_followed_through_values(text: str) -> None:
    setup = setup_of(text)
    [scraper] = setup.scrapers
    writer = setup.writer(scraper)
    assert writer is not None
    assert (writer.directory, writer.volume, writer.read_only) == ("/etc/istio-output-certs", "certs", False)
    assert setup.read_directories(scraper) == ["/etc/prom-certs"]
    assert [found.tls and found.tls.cert for found in setup.scrapes_of(scraper)] == ["/etc/prom-certs/cert-chain.pem"]


@BOTH
def test_each_part_of_the_pod_is_located_at_its_value(text: str) -> None:
    scraper = one(text)
    volume = next(path for path, item in scraper.pod.volumes() if item.get("name") == "certs")
    mount = next(found for found in scraper.pod.mounts(scraper.container) if found.name == "certs")
    assert line(text, scraper, *volume) == "- name: certs"
    assert line(text, scraper, *volume, "emptyDir", "medium") == "medium: Memory"
    assert line(text, scraper, *mount.path, "mountPath") == "mountPath: /etc/prom-certs"
    assert line(text, scraper, "metadata", "labels", "sidecar.istio.io/inject") == 'sidecar.istio.io/inject: "true"'
    assert line(text, scraper, "metadata", "annotations", "proxy.istio.io/config") == "proxy.istio.io/config: |"


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        (
            "prometheus: {prometheusSpec: {}}",
            (
                ("prometheus", "prometheusSpec", "volumes"),
                ("prometheus", "prometheusSpec", "volumeMounts"),
                ("prometheus", "prometheusSpec", "podMetadata", "labels"),
                ("prometheus", "prometheusSpec", "podMetadata", "annotations"),
            ),
        ),
        (
            "server: {persistentVolume: {}, prefixURL: /a}",
            (
                ("server", "extraVolumes"),
                ("server", "extraVolumeMounts"),
                ("server", "podLabels"),
                ("server", "podAnnotations"),
            ),
        ),
    ],
    ids=["stack", "chart"],
)
def test_additions_to_the_pod_go_to_the_keys_for_them(text: str, keys: tuple[ValuePath, ...]) -> None:
    scraper = one(text)
    tree = after(
        [
            scraper.pod.append(("spec", "volumes"), {"name": "a"}),
            scraper.mount_edit({"name": "a", "mountPath": "/a"}),
            scraper.pod.set(("metadata", "labels", "l"), "x"),
            scraper.pod.set(("metadata", "annotations", "n"), "y"),
        ]
    )
    found = of(block(tree))
    assert [found.get(*key) for key in keys] == [
        [{"name": "a"}],
        [{"name": "a", "mountPath": "/a"}],
        {"l": "x"},
        {"n": "y"},
    ]


@pytest.mark.parametrize("text", ["prometheus: {prometheusSpec: {}}", "server: {prefixURL: /a}", STACK, CHART])
def test_the_pattern_can_be_added_to_values_and_is_found_there(text: str) -> None:
    setup = setup_of(text)
    tree = after(list(pattern_edits(setup, setup.scrapers[0])))
    again = setup_of(block(tree))
    assert again.read_directories(again.scrapers[0]) == ["/etc/prom-certs"]
    assert pattern_edits(again, again.scrapers[0]) == ()


@pytest.mark.parametrize(
    "text",
    [
        "prometheus:\n  prometheusSpec:\n    secrets: [other, istio.default]\n",
        """\
        server:
          prefixURL: /a
          extraSecretMounts:
          - {name: other, secretName: other, mountPath: /other}
          - {name: istio-certs, secretName: istio.default, mountPath: /etc/prometheus/secrets/istio.default}
        """,
    ],
    ids=["stack", "chart"],
)
def test_a_listed_secret_of_old_gives_way_to_a_volume_mounted_in_its_place(text: str) -> None:
    setup = setup_of(text)
    again = setup_of(block(after(list(pattern_edits(setup, setup.scrapers[0])))))
    [scraper] = again.scrapers
    assert again.read_directories(scraper) == ["/etc/prometheus/secrets/istio.default"]
    secrets = [item["secret"]["secretName"] for _, item in scraper.pod.volumes() if "secret" in item]
    assert secrets == ["other"]
    assert pattern_edits(again, scraper) == ()


@BOTH
def test_null_where_a_map_or_list_belongs_is_nothing(text: str) -> None:
    tree: Any = load(text, "")
    holder = tree["prometheus"]["prometheusSpec"] if "prometheus" in tree else tree["server"]
    for key in holder:
        holder[key] = None
    if "scrapeConfigs" in tree:
        tree["scrapeConfigs"] = {"mtls": None, "kubernetes-pods": None}
        tree["configmapReload"] = None
    setup = setup_of(block(tree))
    assert [scraper.pod.annotations for scraper in setup.scrapers] == [{}]
    assert setup.scrapes == ()


# ------------------------------------------------------------------------------------------------------- templates


@pytest.mark.parametrize(
    ("old", "new", "at"),
    [
        ('inject: "true"', 'inject: "{{ .Values.inject }}"', "sidecar.istio.io/inject"),
        ("OUTPUT_CERTS: /etc", "OUTPUT_CERTS: {{ .Values.directory }}", "proxy.istio.io/config"),
        ("sidecar.istio.io/inject:", '"{{ .Values.key }}":', '"{{ .Values.key }}"'),
    ],
)
@BOTH
def test_what_helm_has_still_to_fill_in_is_told_of_and_not_judged(text: str, old: str, new: str, at: str) -> None:
    setup = setup_of(text.replace(old, new, 1))
    assert setup.scrapers == ()
    [note] = setup.notes
    assert "labels or annotations of the Prometheus pod" in note.message
    assert note.hint.startswith("render the chart")
    assert note.location is not None
    assert setup.values[0].line(note.location.line or 0).strip().startswith(at)


def test_a_template_that_injection_doesnt_depend_on_is_no_matter() -> None:
    text = STACK.replace("      annotations:\n", '      annotations:\n        checksum/config: "{{ .Values.sum }}"\n')
    setup = setup_of(text)
    assert len(setup.scrapers) == 1
    assert setup.notes == []


@pytest.mark.parametrize(
    ("text", "line_number"),
    [
        (STACK.replace("/etc/prom-certs/cert-chain.pem", '"{{ .Values.d }}/cert-chain.pem"'), 19),
        (CHART.replace("/etc/prom-certs/cert-chain.pem", '"{{ .Values.d }}/cert-chain.pem"'), 17),
        ("extraScrapeConfigs: |\n  - job_name: a\n    sample_limit: {{ .Values.limit }}\n", 1),
        (
            'prometheus: {prometheusSpec: {additionalScrapeConfigs: "{{ .Values.jobs }}\\n- job_name: a"}}\n',
            1,
        ),
        (
            'prometheus:\n  prometheusSpec:\n    scrapeClasses:\n    - tlsConfig: {caFile: "{{ .Values.a }}"}\n',
            4,
        ),
    ],
)
def test_jobs_that_helm_has_still_to_fill_in_are_told_of(text: str, line_number: int) -> None:
    setup = setup_of(text)
    assert setup.scrapes == ()
    assert [(note.location.line if note.location else 0, note.message) for note in setup.notes] == [
        (line_number, f"jobs of {chart_of(of(text))} can't be judged: Helm has still to fill them in")
    ]


# ------------------------------------------------------------------------------------------- kube-prometheus-stack


@pytest.mark.parametrize(
    ("spec", "image", "version"),
    [
        ("{}", None, None),
        ("image: {tag: v2.26.0}", "quay.io/prometheus/prometheus:v2.26.0", (2, 26, 0)),
        (
            "image: {registry: r, repository: p/prometheus, tag: v3.1.0-distroless}",
            "r/p/prometheus:v3.1.0-distroless",
            (3, 1, 0),
        ),
        ("image: {sha: abc}", "quay.io/prometheus/prometheus@sha256:abc", None),
        ("image: {repository: p/prometheus}", None, None),
        ("version: v2.50.1", None, (2, 50, 1)),
    ],
)
def test_the_stacks_image_is_known_where_the_values_say_its_tag(
    spec: str, image: str | None, version: tuple[int, ...] | None
) -> None:
    text = "prometheus: {prometheusSpec: {}}" if spec == "{}" else f"prometheus: {{prometheusSpec: {{{spec}}}}}"
    scraper = one(text)
    assert scraper.pod.get(*scraper.container, "image") == image
    assert scraper.version == version


@pytest.mark.parametrize(
    ("more", "labels"),
    [
        ("", {"app.kubernetes.io/name": "prometheus"}),
        (", fullnameOverride: mon", {"prometheus": "mon-prometheus", "operator.prometheus.io/name": "mon-prometheus"}),
        (", fullnameOverride: mon, cleanPrometheusOperatorObjectNames: true", {"operator.prometheus.io/name": "mon"}),
    ],
)
def test_the_stacks_pod_has_the_operators_labels_as_far_as_they_are_known(more: str, labels: dict[str, str]) -> None:
    found = one(f"{{prometheus: {{prometheusSpec: {{}}}}{more}}}").pod.labels
    assert labels.items() <= found.items()
    assert "" not in found.values()


def test_an_agent_has_an_agents_labels() -> None:
    labels = one("{prometheus: {agentMode: true}, fullnameOverride: mon}").pod.labels
    assert labels["app.kubernetes.io/name"] == "prometheus-agent"
    assert "prometheus" not in labels


@pytest.mark.parametrize(
    ("more", "account"),
    [("", None), ("name: own", "own"), ("create: false", "default"), ("create: false, name: own", "own")],
)
def test_the_stacks_service_account_is_known_where_the_values_say_it(more: str, account: str | None) -> None:
    text = f"prometheus: {{prometheusSpec: {{}}, serviceAccount: {{{more}}}}}"
    assert one(text).pod.get("spec", "serviceAccountName") == account


def test_the_stacks_namespace_may_be_said_in_its_values() -> None:
    assert one("{prometheus: {prometheusSpec: {}}, namespaceOverride: obs}").namespace == "obs"
    assert one("{prometheus: {prometheusSpec: {}}}").namespace == ""


def test_the_stacks_jobs_may_stand_in_a_string() -> None:
    text = """\
    prometheus:
      prometheusSpec:
        additionalScrapeConfigs: |
          - job_name: one
          - job_name: two
            scheme: https
    """
    setup = setup_of(text)
    assert [str(found) for found in setup.scrapes] == ["job one", "job two"]
    two = setup.scrapes[1]
    assert two.document.locate(two.where("scheme")).line == 6


def test_edits_of_jobs_in_one_string_all_count() -> None:
    text = "extraScrapeConfigs: |\n  - job_name: one\n    a: 1\n  - job_name: two\n"
    one_, two = setup_of(text).scrapes
    edits = [one_.set("scheme", value="https"), two.set("scheme", value="http"), Edit(one_.document, ("a",), REMOVE)]
    assert load(after(edits)["extraScrapeConfigs"], "") == [
        {"job_name": "one", "scheme": "https"},
        {"job_name": "two", "scheme": "http"},
    ]


def test_the_stacks_jobs_may_be_in_a_secret_among_the_manifests() -> None:
    jobs = "- job_name: mtls\n  scheme: https\n"
    encoded = base64.b64encode(jobs.encode()).decode()
    secret = f"apiVersion: v1\nkind: Secret\nmetadata: {{name: extra}}\ndata:\n  j.yaml: {encoded}\n"
    values = "prometheus: {prometheusSpec: {additionalScrapeConfigsSecret: {enabled: %s, name: extra, key: j.yaml}}}\n"
    assert scrape(f"{values % 'false'}---\n{secret}").scraper is None  # somebody else's, then
    found = scrape(f"{values % 'true'}---\n{secret}")
    assert found.scraper
    assert found.scheme == "https"
    tree = after([found.set("scheme", value="http")])
    assert load(base64.b64decode(tree["data"]["j.yaml"]).decode(), "") == [{"job_name": "mtls", "scheme": "http"}]


def test_additional_monitors_are_the_stacks_own() -> None:
    text = """\
    prometheus:
      additionalServiceMonitors:
      - name: web
        endpoints:
        - port: http-a
          scheme: https
        - port: http-b
      additionalPodMonitors:
      - name: pods
        podMetricsEndpoints:
        - port: http-c
    """
    setup = setup_of(text)
    found = [(str(monitor), monitor.tree["port"], monitor.scheme) for monitor in setup.scrapes]
    assert found == [
        ("ServiceMonitor web", "http-a", "https"),
        ("ServiceMonitor web", "http-b", "http"),
        ("PodMonitor pods", "http-c", "http"),
    ]
    assert setup.scrapes[1].path == ("prometheus", "additionalServiceMonitors", 0, "endpoints", 1)
    assert setup.scrapes[1].spec == ("prometheus", "additionalServiceMonitors", 0)
    assert all(setup.selected_by(monitor) == list(setup.scrapers) for monitor in setup.scrapes)


TLS = "{caFile: /c/root-cert.pem, insecureSkipVerify: true}"


@pytest.mark.parametrize(
    ("component", "path"),
    [
        (f"grafana: {{serviceMonitor: {{scheme: https, tlsConfig: {TLS}}}}}", ("grafana", "serviceMonitor")),
        (f"prometheus: {{serviceMonitor: {{tlsConfig: {TLS}}}}}", ("prometheus", "serviceMonitor")),
        ("alertmanager: {alertmanagerSpec: {}, serviceMonitor: {scheme: https}}", ("alertmanager", "serviceMonitor")),
        (
            f"kube-state-metrics: {{prometheus: {{monitor: {{http: {{tlsConfig: {TLS}}}}}}}}}",
            ("kube-state-metrics", "prometheus", "monitor", "http"),
        ),
        (f"kubeEtcd: {{serviceMonitor: {{tlsConfig: {TLS}}}}}", ("kubeEtcd", "serviceMonitor")),
        ("prometheus: {thanosServiceMonitor: {enabled: true, scheme: https}}", ("prometheus", "thanosServiceMonitor")),
        (
            "prometheus: {serviceMonitor: {additionalEndpoints: [{port: oauth, scheme: https}]}}",
            ("prometheus", "serviceMonitor", "additionalEndpoints", 0),
        ),
    ],
)
def test_a_components_monitor_counts_where_its_scheme_or_tls_is_set(component: str, path: ValuePath) -> None:
    found = scrape(f"defaultRules: {{}}\nprometheusOperator: {{}}\n{component}")
    assert found.path == path
    assert str(found) == f"ServiceMonitor {path[0]}"
    assert found.scrape_class == ""


@pytest.mark.parametrize(
    "component",
    [
        "grafana: {serviceMonitor: {interval: 30s}}",
        "grafana: {enabled: false, serviceMonitor: {scheme: https}}",
        "grafana: {serviceMonitor: {enabled: false, scheme: https}}",
        "alertmanager: {serviceMonitor: {selfMonitor: false, scheme: https}}",
        "kubeEtcd: {serviceMonitor: {scheme: https, caFile: /etc/etcd/ca.crt}}",
        "kubeApiServer: {tlsConfig: {serverName: kubernetes, insecureSkipVerify: false}}",
        "prometheus: {thanosServiceMonitor: {scheme: https}}",
        "prometheus: {serviceMonitor: {scheme: '', tlsConfig: {}}}",
    ],
)
def test_other_components_monitors_dont(component: str) -> None:
    assert names(f"defaultRules: {{}}\nprometheusOperator: {{}}\n{component}") == []


def test_the_stacks_scrape_classes_are_the_resources() -> None:
    found = scrape(f"prometheus: {{prometheusSpec: {{scrapeClasses: [{{name: istio, tlsConfig: {TLS}}}]}}}}")
    assert (str(found), found.path[-2:]) == ("scrape class istio", ("scrapeClasses", 0))


@pytest.mark.parametrize("own", ["", "    volumes: []\n    scrapeClasses: [{name: mine}]\n"])
def test_fields_of_the_stacks_additional_configuration_take_the_place_of_the_others(own: str) -> None:
    more = f"""\
prometheus:
  prometheusSpec:
{own}    additionalConfig:
      volumes:
      - name: certs
        emptyDir: {{}}
      scrapeClasses:
      - name: istio
        tlsConfig: {TLS}
      podMetadata:
        labels: {{sidecar.istio.io/inject: "true"}}
      image: quay.io/prometheus/prometheus:v2.26.0
      serviceAccountName: reader
"""
    setup = setup_of(more)
    scraper = setup.scrapers[0]
    further: ValuePath = ("prometheus", "prometheusSpec", "additionalConfig")
    assert [(found.name, found.path) for found in setup.scrapes] == [("istio", (*further, "scrapeClasses", 0))]
    assert [volume["name"] for _, volume in scraper.pod.volumes()] == ["certs"]
    assert scraper.pod.labels["sidecar.istio.io/inject"] == "true"
    assert scraper.version == (2, 26, 0)
    assert scraper.pod.get("spec", "serviceAccountName") == "reader"
    assert scraper.pod.append(("spec", "volumes"), {}).path == (*further, "volumes", "-")
    assert scraper.pod.where("spec", "volumes", 0) == (*further, "volumes", 0)
    assert scraper.pod.where(*scraper.container, "image") == (*further, "image")
    assert scraper.pod.where("spec", "serviceAccountName") == (*further, "serviceAccountName")
    assert scraper.pod.where("metadata", "annotations", "a") == (*further, "podMetadata", "annotations", "a")
    assert scraper.pod.where(*scraper.container, "volumeMounts") == (*further[:-1], "volumeMounts")


def test_additional_configuration_in_a_text_is_told_of() -> None:
    setup = setup_of("prometheus:\n  prometheusSpec:\n    additionalConfigString: |\n      paused: {{ .Values.p }}\n")
    assert len(setup.scrapers) == 1
    assert [note.message for note in setup.notes] == [
        "fields of additionalConfigString of kube-prometheus-stack can't be judged: Helm has still to fill them in"
    ]


def test_a_string_among_extra_objects_is_an_object_too() -> None:
    text = """\
    prometheus: {prometheusSpec: {}}
    extraManifests:
    - |
      apiVersion: v1
      kind: Namespace
      metadata: {name: a}
    - "{{ x }}"
    """
    assert [str(document) for document in setup_of(text).documents] == ["Namespace a"]


@pytest.mark.parametrize("shape", ["- &o %s", "monitor: %s"], ids=["list", "map"])
@BOTH
def test_what_a_chart_installs_beside_is_among_the_documents(text: str, shape: str) -> None:
    kind = "{apiVersion: monitoring.coreos.com/v1, kind: PodMonitor, metadata: {name: web}, spec: {jobLabel: a}}"
    setup = setup_of(f"{text}extraManifests:\n  {shape % kind}\n")
    assert [str(document) for document in setup.documents] == ["PodMonitor web"]
    assert setup.documents[0].locate(("spec",)).line == text.count("\n") + 2


# -------------------------------------------------------------------------------------------- the prometheus chart


def test_the_chart_puts_prometheus_behind_its_reloader_and_before_sidecars() -> None:
    text = """\
    server:
      prefixURL: /a
      sidecarContainers:
        web: {image: nginx}
        auth: |
          image: oauth
        other: "{{ include \\"x\\" . }}"
    """
    scraper = one(text)
    found = [(item["name"], item.get("image")) for _, item in scraper.pod.items("spec", "containers")]
    assert found == [
        ("prometheus-server-configmap-reload", None),
        ("prometheus-server", None),
        ("auth", "oauth"),
        ("other", None),
        ("web", "nginx"),
    ]
    assert scraper.container == ("spec", "containers", 1)
    assert line(text, scraper, "spec", "containers", 4) == "web: {image: nginx}"
    tree = after([scraper.pod.append(("spec", "containers"), {"name": "istio-proxy", "image": "auto"})])
    assert tree["server"]["sidecarContainers"]["istio-proxy"] == {"image": "auto"}


def test_the_reloader_can_be_switched_off() -> None:
    text = "{server: {name: main, prefixURL: /a}, nameOverride: p, configmapReload: {prometheus: {enabled: false}}}"
    scraper = one(text)
    assert (scraper.container, scraper.pod.get(*scraper.container, "name")) == (("spec", "containers", 0), "p-main")


def test_the_charts_volumes_and_mounts_are_the_pods() -> None:
    text = """\
    server:
      prefixURL: /a
      persistentVolume: {mountPath: /prometheus}
      extraHostPathMounts:
      - {name: host, mountPath: /h, hostPath: /var/h, readOnly: true}
      extraConfigmapMounts:
      - {name: rules, mountPath: /r, configMap: my-rules, subPath: ""}
      extraSecretMounts:
      - {name: old, mountPath: /s, secretName: istio.default, optional: true, subPath: a}
    configmapReload:
      prometheus:
        extraConfigmapMounts:
        - {name: more, mountPath: /m, configMap: my-more}
    """
    scraper = one(text)
    assert [item for _, item in scraper.pod.volumes()] == [
        {"name": "config-volume", "configMap": {}},
        {"name": "host", "hostPath": {"path": "/var/h"}},
        {"name": "configmap-reload-more", "configMap": {"name": "my-more"}},
        {"name": "server-rules", "configMap": {"name": "my-rules"}},
        {"name": "old", "secret": {"secretName": "istio.default", "optional": True}},
        {"name": "storage-volume", "persistentVolumeClaim": {}},
    ]
    assert [(m.name, m.directory, m.read_only, m.sub_path) for m in scraper.pod.mounts(scraper.container)] == [
        ("config-volume", "/etc/config", False, ""),
        ("storage-volume", "/prometheus", False, ""),
        ("host", "/h", True, ""),
        ("server-rules", "/r", False, ""),
        ("old", "/s", False, "a"),
    ]
    secret = scraper.pod.where("spec", "volumes", 4, "secret", "secretName")
    assert scraper.document.get(*secret) == "istio.default"
    assert scraper.document.get(*scraper.pod.where("spec", "volumes", 3, "configMap", "name")) == "my-rules"
    assert scraper.document.get(*scraper.pod.where("spec", "volumes", 1, "hostPath", "path")) == "/var/h"


@pytest.mark.parametrize(
    ("image", "shown", "version"),
    [
        ("", None, None),
        ("tag: v2.26.0", "quay.io/prometheus/prometheus:v2.26.0", (2, 26, 0)),
        ("repository: docker.io/prom/prometheus", None, None),
        ("digest: 'sha256:abc', tag: v3.0.0", "quay.io/prometheus/prometheus@sha256:abc", None),
    ],
)
def test_the_charts_image_is_known_where_the_values_say_its_tag(image: str, shown: str | None, version: Any) -> None:
    scraper = one(f"server: {{prefixURL: /a, image: {{{image}}}}}")
    assert (scraper.pod.get(*scraper.container, "image"), scraper.version) == (shown, version)


@pytest.mark.parametrize(
    ("more", "arguments"),
    [
        ("", ["--config.file=/etc/config/prometheus.yml", "--web.enable-lifecycle"]),
        (
            "extraFlags: [], extraArgs: {log.level: debug, web.x: null}",
            ["--config.file=/etc/config/prometheus.yml", "--log.level=debug", "--web.x"],
        ),
        ("defaultFlagsOverride: [--agent]", ["--agent"]),
        ("configPath: /p.yml, extraFlags: null", ["--config.file=/p.yml"]),
    ],
)
def test_the_chart_gives_prometheus_its_arguments(more: str, arguments: list[str]) -> None:
    scraper = one(f"server: {{prefixURL: /a, {more}}}")
    assert scraper.pod.get(*scraper.container, "args") == arguments


def test_the_charts_probes_follow_the_prefix() -> None:
    scraper = one("server: {prefixURL: /a}")
    assert scraper.pod.get(*scraper.container, "readinessProbe", "httpGet") == {"path": "/a/-/ready", "port": 9090}
    sockets = one("server: {prefixURL: /a, tcpSocketProbeEnabled: true}")
    assert sockets.pod.get(*sockets.container, "readinessProbe") is None


JOBS = """\
scrapeConfigs:
  one: {scheme: https}
  silent: {enabled: false, scheme: https}
  gone: null
  named: {job_name: other}
serverFiles:
  prometheus.yml:
    scrape_configs:
    - job_name: two
extraScrapeConfigs: |
  - job_name: three
"""


def test_the_charts_jobs_are_a_map_since_28_and_lists_still_count() -> None:
    assert names(JOBS) == names(JOBS, chart=(28,)) == ["job one", "job other", "job two", "job three"]
    assert names(JOBS, chart=(27, 52)) == ["job two", "job three"]


@pytest.mark.parametrize(
    ("version", "labels"),
    [
        ((20, 2, 1), {"app": "prometheus", "component": "server"}),
        ((21,), {"app.kubernetes.io/name": "prometheus", "app.kubernetes.io/component": "server"}),
    ],
)
def test_the_charts_pod_has_kubernetes_labels_since_21(version: tuple[int, ...], labels: dict[str, str]) -> None:
    found = one(CHART, chart=version).pod.labels
    assert labels.items() <= found.items()
    assert ("app" in found) is ("app" in labels)


def test_a_job_of_the_charts_own_has_what_the_chart_says_of_it() -> None:
    found = scrape("scrapeConfigs: {kubernetes-pods: {tls_config: {cert_file: /c/cert-chain.pem}}}")
    assert found.tls is not None
    assert found.tls.cert == "/c/cert-chain.pem"
    assert "__scheme__" in {rule.target for rule in found.relabelings()}
    assert found.tree["kubernetes_sd_configs"] == [{"role": "pod"}]


@pytest.mark.parametrize(("version", "role"), [((28,), "endpoints"), ((29,), "endpointslice"), (None, "endpointslice")])
def test_the_charts_jobs_for_services_use_endpoint_slices_since_29(version: tuple[int, ...] | None, role: str) -> None:
    found = scrape("scrapeConfigs: {kubernetes-service-endpoints: {scrape_interval: 5m}}", chart=version)
    assert found.tree["kubernetes_sd_configs"] == [{"role": role}]


def test_values_are_laid_over_the_charts_own_as_helm_does() -> None:
    text = """\
    scrapeConfigs:
      kubernetes-nodes:
        tls_config: {insecure_skip_verify: true}
        bearer_token_file: null
        kubernetes_sd_configs: [{role: pod}]
    """
    tree = scrape(text).tree
    assert tree["tls_config"] == {
        "ca_file": "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt",
        "insecure_skip_verify": True,
    }
    assert "bearer_token_file" not in tree
    assert tree["kubernetes_sd_configs"] == [{"role": "pod"}]
    assert tree["scheme"] == "https"


@pytest.mark.parametrize(
    "text", ["- job_name: a\n  b: [", "job_name: a\n", "- a\n- b\n", "- job_name: a\n---\n- job_name: b\n"]
)
def test_a_string_that_is_no_list_of_jobs_holds_none(text: str) -> None:
    assert names(f"server: {{prefixURL: /a}}\nextraScrapeConfigs: |\n{indent(text, '  ')}") == []


def test_files_of_jobs_are_told_of() -> None:
    [note] = assembled_notes("server: {prefixURL: /a}\nscrapeConfigFiles: [/etc/more/*.yml]\n")
    assert note == "the jobs of these files can't be judged: they are not here"


def test_the_values_that_others_are_laid_over_come_first_in_the_hint() -> None:
    files = [documents_of(STACK, name)[0] for name in ("a/values-prod.yaml", "a/values.yaml")]
    notes = assemble([], files)
    assert notes.scrapers
    assert "-f a/values.yaml -f a/values-prod.yaml |" in notes.notes[-1].hint


def test_several_values_files_of_a_chart_are_judged_one_by_one_and_that_is_told() -> None:
    [note] = assembled_notes(f"{CHART}---\n{STACK}---\n{CHART}")
    assert note == "2 values files of prometheus are judged one by one"


def assembled_notes(text: str) -> list[str]:
    setup = setup_of(text)
    assert setup.scrapers
    return [note.message for note in setup.notes]


# ----------------------------------------------------------------------------------------------------------- facts


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("server: {prefixURL: /, deploymentAnnotations: {a: b}}", ("server", "deploymentAnnotations")),
        ("server: {prefixURL: /, statefulSet: {annotations: {a: b}}}", ("server", "statefulSet", "annotations")),
        ("p: {server: {prefixURL: /, deploymentAnnotations: {a: b}}}", ("p", "server", "deploymentAnnotations")),
        ("prometheus: {prometheusSpec: {}, annotations: {a: b}}", ("prometheus", "annotations")),
        ("server: {prefixURL: /, deploymentAnnotations: {}, podAnnotations: {a: b}}", None),
        ("prometheus: {prometheusSpec: {podMetadata: {annotations: {a: b}}}}", None),
    ],
)
def test_annotations_of_the_workload_are_not_the_pods(text: str, path: ValuePath | None) -> None:
    assert workload_annotations(of(text)) == ([path] if path else [])
    assert one(text).pod.annotations == ({} if path else {"a": "b"})


# ---------------------------------------------------------------------------------------------------- public files


def public(name: str) -> Setup:
    return setup_of((CORPUS / name).read_text(encoding="utf-8"))


@with_corpus
def test_the_public_values_of_the_stack_are_read() -> None:
    setup = public("helm-values/kyma-project__examples__prometheus-values.yaml")
    [scraper] = setup.scrapers
    assert setup.read_directories(scraper) == ["/etc/prometheus/secrets/istio.default"]
    found = [(str(one_), one_.document.locate(one_.path).line) for one_ in setup.scrapes_of(scraper)]
    assert found == [
        ("job kubernetes-service-endpoints", 134),
        ("job kubernetes-pods", 192),
        ("ServiceMonitor grafana", 254),
    ]


@with_corpus
def test_the_public_values_of_the_prometheus_chart_are_read() -> None:
    setup = public("helm-values/SAP-samples__btp-kyma-day2-operations__prometheus_values.yaml")
    [scraper] = setup.scrapers
    assert setup.read_directories(scraper) == ["/etc/istio-output-certs"]
    assert scraper.document.locate(scraper.pod.where("spec", "volumes", 1, "emptyDir")).line == 42
    assert [str(found) for found in setup.scrapes] == ["job db_jmx_metrics", "job prometheus-federate"]


@with_corpus
def test_annotations_in_the_wrong_place_are_found_in_public_values() -> None:
    setup = public("sds/kyma-project__kyma__14fc7c1d-prometheus-istio-values.yaml")
    [scraper] = setup.scrapers
    [path] = workload_annotations(scraper.document)
    assert scraper.document.locate(path).line == 870
    assert setup.writer(scraper) is None
    assert scraper.version == (2, 22, 1)
    assert [(str(note.location), "jobs" in note.message) for note in setup.notes] == [("values.yaml:1278:1", True)]


@with_corpus
def test_istios_own_values_switch_injection_off() -> None:
    [scraper] = public("helm-values/istio__istio__values-prometheus.yaml").scrapers
    assert scraper.pod.labels["sidecar.istio.io/inject"] == "false"
    assert scraper.document.locate(scraper.pod.where("metadata", "labels", "sidecar.istio.io/inject")).line == 13


# ------------------------------------------------------------------------------------------------------- any values

_SERVER = (
    *("podLabels", "podAnnotations", "extraVolumes", "extraVolumeMounts", "extraSecretMounts", "extraConfigmapMounts"),
    *("extraHostPathMounts", "sidecarContainers", "extraInitContainers", "extraFlags", "extraArgs", "image", "env"),
    *(
        "defaultFlagsOverride",
        "persistentVolume",
        "statefulSet",
        "global",
        "prefixURL",
        "name",
        "deploymentAnnotations",
    ),
)
_SPEC = (
    *("additionalConfig", "additionalConfigString"),
    *("podMetadata", "volumes", "volumeMounts", "containers", "initContainers", "secrets", "configMaps", "image"),
    *("additionalScrapeConfigs", "scrapeClasses", "serviceAccountName", "version", "additionalScrapeConfigsSecret"),
)
_INNER = (
    "name",
    "mountPath",
    "labels",
    "annotations",
    "emptyDir",
    "secretName",
    "tag",
    "scheme",
    "tlsConfig",
    "enabled",
)
_BESIDE = ("additionalServiceMonitors", "additionalPodMonitors", "serviceMonitor", "serviceAccount", "annotations")
_OTHERS = (
    *("scrapeConfigs", "extraScrapeConfigs", "configmapReload", "grafana", "extraManifests", "serviceAccounts"),
    *("nameOverride", "fullnameOverride", "commonMetaLabels", "scrapeConfigFiles", "serverFiles", "kubeEtcd"),
)
_TREES: tuple[Any, ...] = (
    *(None, True, 0, 1.5, "", "a", "- job_name: a", "a: b", [], {}, [None], [True], ["a"], [["a"]], {"a": None}),
    *({"a": "b"}, {"a": {"b": "c"}}, {"prometheus.yml": True}, {"prometheus": True}, {"monitor": {"scheme": True}}),
    *([{key: value} for key in _INNER for value in (None, True, "a", ["a"], {"a": "b"})]),
    *({key: value} for key in _INNER for value in (None, True, "a", ["a"], {"a": "b"})),
    *([{"name": name, "volumeMounts": mounts}] for name in ("prometheus", 1) for mounts in (None, True, {"name": "a"})),
)
_HOLDERS: tuple[tuple[dict[str, Any], ValuePath, tuple[str, ...]], ...] = (
    ({"prometheus": {"prometheusSpec": {}}}, ("prometheus", "prometheusSpec"), _SPEC),
    ({"prometheus": {"prometheusSpec": {}}}, ("prometheus",), _BESIDE),
    ({"prometheus": {"prometheusSpec": {}}}, (), _OTHERS),
    ({"serverFiles": {"prometheus.yml": {}}}, ("server",), _SERVER),
    ({"serverFiles": {"prometheus.yml": {}}}, (), ("server", *_OTHERS)),
)


@pytest.mark.parametrize(
    ("tree", "path"),
    [(tree, (*path, key)) for tree, path, keys in _HOLDERS for key in keys],
    ids=lambda one_: str(one_)[:60],
)
def test_values_of_wrong_types_are_read_as_far_as_they_go(tree: dict[str, Any], path: ValuePath) -> None:
    for value in _TREES:
        look_at(Setup((), [of(block(edited_tree(tree, path, value)))], Settings()))


def look_at(setup: Setup) -> None:
    for scraper in setup.scrapers:
        setup.writer(scraper)
        for path, _ in (*scraper.pod.containers(), *scraper.pod.volumes()):
            scraper.document.locate(scraper.pod.where(*path))
    for found in setup.scrapes:
        found.document.locate(found.path)
