"""Values of the two charts: only what changes, and nothing of the user's lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from generator.adopt import Adopted
from generator.intake import documents_of
from generator.values import merge_layers, read_layer
from generator.yaml import block
from tests.adopt.helpers import (
    adopted,
    adopted_all,
    check_laws,
    errors,
    files,
    leaves,
    manifests_of,
    of_values,
    tree_of,
)

CORPUS = Path(__file__).parents[3] / "shared/corpus"
PUBLIC = sorted([*CORPUS.glob("helm-values/*.yaml"), *CORPUS.glob("sds/*values.yaml")])

STACK = """\
grafana: {enabled: false}
prometheus:
  prometheusSpec:
    podMetadata: {labels: {team: a}}
    volumes:
    - name: extra
      emptyDir: {}
    volumeMounts:
    - {name: extra, mountPath: /extra}
    additionalScrapeConfigs:
    - job_name: mine
      static_configs: [{targets: ["a:1"]}]
"""
CHART = """\
server:
  podAnnotations: {team: a}
  extraVolumes:
  - name: extra
    emptyDir: {}
  global: {scrape_interval: 15s}
"""


def merged(text: str, found: Adopted) -> dict[str, object]:
    """What Helm makes of the user's values and ours."""
    written = files(found)
    layers = [read_layer("yours", text), read_layer("ours", written["values.yaml"])]
    return merge_layers({}, layers).tree


def check(text: str, **settings: object) -> Adopted:
    found = of_values(text, **settings)
    together = merged(text, found)
    after = manifests_of([], documents_of(block(together) + "\n", "values.yaml"), **settings)
    assert errors(after) == []
    assert all(one.is_nothing for one in adopted_all(after))
    return found


@pytest.mark.parametrize("text", [STACK, CHART])
def test_merged_over_the_users_values_ours_lose_nothing(text):
    before, after = leaves(tree_of(text)), leaves(merged(text, check(text)))
    assert before.items() <= after.items()


# Public files are not in this repository: where they are missing, our own have to do.
@pytest.mark.parametrize("path", PUBLIC, ids=lambda path: path.stem)
def test_public_values_have_no_error_once_merged_with_ours(path):
    text = path.read_text()
    before, after = leaves(tree_of(text)), leaves(merged(text, check(text)))
    lost = {key: value for key, value in before.items() if after.get(key, ...) != value and value not in ({}, [], None)}
    may_change = {"sidecar.istio.io/inject", "proxy.istio.io/config", "tag"}
    assert {key[-1] for key in lost} <= may_change


def test_lists_hold_the_users_elements_first():
    ours = tree_of(files(of_values(STACK))["values.yaml"])
    spec = ours["prometheus"]["prometheusSpec"]
    assert [volume["name"] for volume in spec["volumes"]] == ["extra", "istio-workload-certs"]
    assert [job["job_name"] for job in spec["additionalScrapeConfigs"]] == ["mine", "istio-mtls"]
    assert "team" not in spec["podMetadata"]["labels"]
    assert "grafana" not in ours


def test_the_stack_installs_the_sidecar_too():
    [sidecar] = tree_of(files(of_values(STACK))["values.yaml"])["extraManifests"]
    labels = sidecar["spec"]["workloadSelector"]["labels"]
    assert labels["app.kubernetes.io/name"] == "prometheus"
    assert set(files(of_values(STACK))) == {"values.yaml"}


@pytest.mark.parametrize("own", ["", "extraManifests: [{kind: A}]\n", "extraManifests: {a: {kind: A}}\n"])
def test_the_sidecar_says_why_wherever_it_stands(own):
    assert "# One host that speaks mTLS" in files(of_values(STACK + own))["values.yaml"]


def test_the_charts_version_is_asked_for_where_nobody_said_it():
    assert "--chart-version" in files(of_values(CHART))["values.yaml"]
    assert "--chart-version" not in files(of_values(CHART, chart=(29, 1)))["values.yaml"]


@pytest.mark.parametrize(("own", "kind"), [("[{kind: A}]", list), ("{a: {kind: A}}", dict)])
def test_extra_manifests_keep_their_form(own, kind):
    ours = tree_of(files(of_values(f"{STACK}extraManifests: {own}\n"))["values.yaml"])["extraManifests"]
    assert isinstance(ours, kind)


def test_the_prometheus_chart_takes_the_sidecar_as_a_text():
    own = "extraManifests:\n- |\n  kind: A\n"
    found = check(CHART + own)
    assert set(files(found)) == {"values.yaml"}
    first, second = tree_of(files(found)["values.yaml"])["extraManifests"]
    assert first == "kind: A\n"
    assert "# One host that speaks mTLS" in second
    sidecar = tree_of(second)
    assert (sidecar["kind"], "namespace" in sidecar["metadata"]) == ("Sidecar", False)


def test_the_sidecar_goes_where_the_values_put_prometheus():
    [text] = tree_of(files(of_values(CHART + "forceNamespace: elsewhere\n"))["values.yaml"])["extraManifests"]
    assert tree_of(text)["metadata"]["namespace"] == "elsewhere"


@pytest.mark.parametrize(
    ("text", "version", "beside"),
    [(STACK, (46, 8), True), (STACK, (47,), False), (CHART, (21, 0, 0), True), (CHART, (21, 0, 1), False)],
)
def test_where_a_charts_version_installs_no_objects_the_sidecar_lies_beside(text, version, beside):
    assert ("sidecar.yaml" in files(of_values(text, chart=version))) is beside


@pytest.mark.parametrize(("version", "label"), [((20, 2), "component"), ((21, 0, 0), "app.kubernetes.io/name")])
def test_the_sidecar_selects_the_labels_that_the_charts_version_gives(version, label):
    sidecar = tree_of(files(of_values(CHART, chart=version))["sidecar.yaml"])
    labels = sidecar["spec"]["workloadSelector"]["labels"]
    assert label in labels
    assert ("app" in labels) is (label == "component")


def test_the_chart_takes_jobs_as_a_map_since_28():
    ours = tree_of(files(of_values(CHART, chart=(29, 1)))["values.yaml"])
    assert "job_name" not in ours["scrapeConfigs"]["istio-mtls"]
    assert "extraScrapeConfigs" not in ours


def test_older_charts_append_a_text():
    own = "extraScrapeConfigs: |\n  # mine\n  - job_name: mine\n"
    text = tree_of(files(of_values(CHART + own, chart=(27, 0)))["values.yaml"])["extraScrapeConfigs"]
    assert text.startswith("# mine\n- job_name: mine\n")
    assert [job["job_name"] for job in tree_of(text)] == ["mine", "istio-mtls"]
    assert "scrapeConfigs:" not in files(of_values(CHART, chart=(27, 0)))["values.yaml"]


def test_a_text_that_helm_has_still_to_fill_in_stays_as_it_is():
    own = "extraScrapeConfigs: |\n  - job_name: {{ .Release.Name }}\n"
    text = tree_of(files(check(CHART + own, chart=(27, 0)))["values.yaml"])["extraScrapeConfigs"]
    assert text.endswith("- job_name: {{ .Release.Name }}\n")
    assert "job_name: istio-mtls" in text


@pytest.mark.parametrize(("version", "there"), [((88,), True), ((61, 3), True), ((61, 2), False), (None, True)])
def test_the_stack_passes_scrape_classes_on_since_61_3(version, there):
    spec = tree_of(files(of_values(STACK, chart=version))["values.yaml"])["prometheus"]["prometheusSpec"]
    assert ("scrapeClasses" in spec) is there


def test_a_scrape_class_goes_where_the_others_stand():
    more = "prometheus: {prometheusSpec: {additionalConfig: {scrapeClasses: [{name: mine}]}}}\n"
    spec = tree_of(files(check(more))["values.yaml"])["prometheus"]["prometheusSpec"]
    assert [one["name"] for one in spec["additionalConfig"]["scrapeClasses"]] == ["mine", "istio-mtls"]
    assert "scrapeClasses" not in spec


def test_no_scrape_class_comes_beside_those_in_a_text():
    more = 'prometheus: {prometheusSpec: {additionalConfigString: "scrapeClasses: []"}}\n'
    spec = tree_of(files(check(more))["values.yaml"])["prometheus"]["prometheusSpec"]
    assert "scrapeClasses" not in spec
    assert len(spec["additionalScrapeConfigs"]) == 1


def test_jobs_in_a_secret_of_the_additional_configuration_stand_apart():
    more = "prometheus: {prometheusSpec: {additionalConfig: {additionalScrapeConfigs: {name: jobs, key: a.yaml}}}}\n"
    found = of_values(more)
    assert "the Secret jobs" in found.where
    assert "additionalScrapeConfigs" not in tree_of(files(found)["values.yaml"])["prometheus"]["prometheusSpec"]


def test_jobs_in_a_secret_of_the_users_stand_apart():
    text = (
        "prometheus:\n  prometheusSpec:\n    additionalScrapeConfigsSecret: {enabled: true, name: jobs, key: a.yaml}\n"
    )
    found = of_values(text)
    assert "the Secret jobs" in found.where
    assert "additionalScrapeConfigs" not in tree_of(files(found)["values.yaml"])["prometheus"]["prometheusSpec"]


def test_an_umbrella_charts_values_stay_below_their_key():
    text = "kube-prometheus-stack:\n" + "".join(f"  {line}\n" for line in STACK.splitlines())
    ours = tree_of(files(check(text))["values.yaml"])
    assert set(ours) == {"kube-prometheus-stack"}


def test_what_a_gitops_tool_installs_is_patched_as_its_resource():
    release = """\
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: mon, namespace: flux}
spec:
  chart: {spec: {chart: kube-prometheus-stack, version: 88.x}}
  values:
""" + "".join(f"    {line}\n" for line in STACK.splitlines())
    found = adopted(release)
    written = files(found)
    *_, patch = tree_of(written["kustomization.yaml"])["patches"]
    assert patch["target"]["kind"] == "HelmRelease"
    assert set(written) == {"kustomization.yaml", "helmrelease-mon.patch.yaml"}
    [sidecar] = found.changed[0][1].get("spec", "values", "extraManifests")
    assert sidecar["kind"] == "Sidecar"
    assert adopted(block(found.changed[0][1].tree) + "\n").changed == ()


VALUES = """\
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: mon, namespace: argocd}
spec:
  source:
    chart: kube-prometheus-stack
    repoURL: https://prometheus-community.github.io/helm-charts
    targetRevision: 88.1.0
    helm:
      values: |
"""


def test_values_in_a_string_keep_their_layout():
    values = "# ours\nprometheus:\n  prometheusSpec:\n    replicas: 2   # two\n"
    written = files(adopted(VALUES + "".join(f"        {line}\n" for line in values.splitlines())))
    *_, operation = tree_of(written["application-argocd-mon.patch.yaml"])
    assert operation["path"] == "/spec/source/helm/values"
    assert operation["value"].startswith(values)
    assert "istio-workload-certs" in operation["value"]


@pytest.mark.parametrize("text", ["a  # b", '"a  "', "|\n          a  \n          b"])
def test_blanks_at_the_ends_of_lines_make_no_single_line_of_values_in_a_string(text):
    spec = f"        prometheus:  \n          prometheusSpec:\n            retention: 1d \n        note: {text}\n"
    written = files(adopted(VALUES + spec))["application-argocd-mon.patch.yaml"]
    *_, operation = tree_of(written)
    assert tree_of(operation["value"])["note"] == tree_of(f"note: {text}\n")["note"]
    is_seen = "a  \n" not in text  # a text of the user's that ends a line in blanks keeps them
    assert ("  value: |\n" in written) is is_seen


APPLICATION = """\
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: prom, namespace: argocd}
spec:
  destination: {namespace: monitoring}
  source:
    repoURL: https://prometheus-community.github.io/helm-charts
    chart: prometheus
    targetRevision: VERSION
    helm:
      values: |
        # ours
        server:
          retention: 30d   # keep
"""


@pytest.mark.parametrize(("version", "key"), [("27.5.0", "extraScrapeConfigs"), ("29.1.0", "scrapeConfigs")])
def test_what_installs_a_chart_says_which_it_is_and_its_version(version, key, tmp_path):
    text = APPLICATION.replace("VERSION", version)
    [(_, new)] = adopted(text).changed
    values = new.tree["spec"]["source"]["helm"]["values"]
    assert values.startswith("# ours\nserver:\n  retention: 30d   # keep\n")
    assert "istio-mtls" in str(tree_of(values)[key])
    check_laws(tmp_path, text)
