"""Values that Helm lays over each other are adopted as one: no list is replaced without its elements."""

from __future__ import annotations

from textwrap import indent
from typing import Any

import pytest

from generator.adopt import Adopted, Manifests, lay
from generator.errors import InputError
from generator.intake import documents_of
from generator.monitoring import Settings
from generator.values import merge_layers, read_layer
from generator.yaml import block
from tests.adopt.helpers import adopted_all, files, tree_of

BASE = """\
prometheus:
  prometheusSpec:
    retention: 5d
    volumes: [{name: etcd, secret: {secretName: etcd}}]
    volumeMounts: [{name: etcd, mountPath: /etcd}]
    additionalScrapeConfigs: [{job_name: node, static_configs: [{targets: ["a:1"]}]}]
"""
OWN = "prometheus:\n  prometheusSpec:\n    retention: 9d   # ours\n"
CONFIG_MAP = (
    "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: base, namespace: monitoring}\n"
    f"data:\n  values.yaml: |\n{indent(BASE, '    ')}"
)
RELEASE = """\
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: kps, namespace: monitoring}
spec:
  chart: {spec: {chart: kube-prometheus-stack, version: 66.2.1}}
  valuesFrom: [{kind: ConfigMap, name: base}]
"""
K3S = "apiVersion: helm.cattle.io/v1\nkind: HelmChart\nmetadata: {name: a}\nspec:\n  chart: kube-prometheus-stack\n"
APPLICATION = """\
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: kps, namespace: argocd}
spec:
  destination: {namespace: monitoring, server: "https://1.2.3.4:6443"}
  source:
    chart: kube-prometheus-stack
    repoURL: https://prometheus-community.github.io/helm-charts
    targetRevision: 66.2.1
    helm:
      valueFiles: [$values/apps/base.yaml]
"""


def adopted(text: str, *values: tuple[str, str], named: tuple[str, ...] = ()) -> Adopted:
    read = [document for name, content in values for document in documents_of(content, name)]
    layers = lay(documents_of(text, "app/release.yaml"), read, named)
    [found] = adopted_all(Manifests(layers.objects, layers.values, Settings(), layers.laid))
    return found


def merged(*texts: str) -> Any:
    """What Helm makes of values."""
    return merge_layers({}, [read_layer("values", text) for text in texts]).tree


def check(spec: dict[str, Any]) -> None:
    """See that nothing of what lay below is lost, and that the pattern is there."""
    assert [one["name"] for one in spec["volumes"]] == ["etcd", "istio-workload-certs"]
    assert [one["name"] for one in spec["volumeMounts"]] == ["etcd", "istio-workload-certs"]
    assert [one["job_name"] for one in spec["additionalScrapeConfigs"]] == ["node", "istio-mtls"]


@pytest.mark.parametrize("own", ["", f"  values:\n{indent(OWN, '    ')}"])
def test_a_helm_release_keeps_the_lists_of_the_config_map_that_it_takes_values_from(own):
    found = adopted(RELEASE + own + CONFIG_MAP)
    [(old, new)] = found.changed
    assert old.kind == new.kind == "HelmRelease"
    assert new.get("spec", "valuesFrom") == old.get("spec", "valuesFrom")
    values = merged(BASE, block(new.get("spec", "values")) + "\n")
    check(values["prometheus"]["prometheusSpec"])
    assert values["prometheus"]["prometheusSpec"]["retention"] == ("9d" if own else "5d")
    assert (new.get("spec", "values", "prometheus", "prometheusSpec", "retention") == "9d") is bool(own)
    assert "adopt again when any" in files(found)["kustomization.yaml"].replace("\n# ", " ")


def test_config_maps_are_laid_over_each_other_in_the_order_of_the_release():
    other = CONFIG_MAP.replace("name: base", "name: more").replace("name: etcd", "name: other")
    text = RELEASE.replace("[{kind", "[{kind: ConfigMap, name: more}, {kind")
    [(_, new)] = adopted(text + other + CONFIG_MAP).changed
    check(new.get("spec", "values", "prometheus", "prometheusSpec"))


@pytest.mark.parametrize("own", ["", f"      values: |\n{indent(OWN, '        ')}"])
def test_an_application_keeps_the_lists_of_the_file_that_it_takes_values_from(own):
    [(_, new)] = adopted(APPLICATION + own, ("gitops/apps/base.yaml", BASE)).changed
    helm = new.get("spec", "source", "helm")
    assert helm["valueFiles"] == ["$values/apps/base.yaml"]
    text = helm["values"] if own else block(helm["valuesObject"]) + "\n"
    assert ("valuesObject" in helm) is not bool(own)
    assert ("retention: 9d   # ours" in text) is bool(own)
    check(merged(BASE, text)["prometheus"]["prometheusSpec"])


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        (RELEASE, "give the ConfigMap too"),
        (RELEASE + CONFIG_MAP.replace("    prometheus:", "    prometheus: {{ a }}"), "give the ConfigMap too"),
        (APPLICATION, "give the file too"),
    ],
)
def test_nothing_is_laid_over_values_that_arent_here(text, hint):
    with pytest.raises(InputError, match="would replace their lists") as caught:
        adopted(text)
    assert [one.hint for one in caught.value.problems] == [hint]


def test_values_that_may_be_missing_or_are_secret_are_told_with_the_lists_to_compare():
    references = "[{kind: Secret, name: a}, {kind: ConfigMap, name: b, optional: true}]"
    found = adopted(RELEASE.replace("[{kind: ConfigMap, name: base}]", references))
    [text] = found.unseen
    assert "(spec.valuesFrom[0], spec.valuesFrom[1])" in text
    assert "prometheus.prometheusSpec.volumes" in text
    assert "annotations" not in text


@pytest.mark.parametrize(
    ("key", "told"),
    [("grafana.enabled", False), ("prometheus.prometheusSpec.volumes[0].name", True)],
)
def test_of_what_is_set_on_helms_command_line_only_lists_matter(key, told):
    assert bool(adopted(f"{K3S}  set: {{'{key}': a}}\n").unseen) is told


def test_what_an_oci_repository_says_of_the_chart_counts():
    text = f"{RELEASE.partition('  chart:')[0]}  chartRef: {{kind: OCIRepository, name: any}}\n"
    repository = (
        "---\napiVersion: source.toolkit.fluxcd.io/v1\nkind: OCIRepository\n"
        "metadata: {name: any, namespace: monitoring}\n"
        "spec: {url: oci://ghcr.io/prometheus-community/charts/kube-prometheus-stack, ref: {tag: VERSION}}\n"
    )
    for version, there in (("58.0.0", False), ("66.1.0", True)):
        [(old, new)] = adopted(text + repository.replace("VERSION", version)).changed
        assert ("scrapeClasses" in new.get("spec", "values", "prometheus", "prometheusSpec")) is there
        assert (new.get("spec", "chartRef"), new.get("spec", "chart")) == (old.get("spec", "chartRef"), None)


SECRET = "prometheus.prometheusSpec.additionalScrapeConfigsSecret"
PARAMETERS = APPLICATION.replace(
    "valueFiles: [$values/apps/base.yaml]",
    f"parameters: [{{name: {SECRET}.enabled, value: 'true'}}, {{name: {SECRET}.name, value: jobs}}]",
)


@pytest.mark.parametrize("text", [PARAMETERS, f"{K3S}  set: {{{SECRET}.enabled: 'true', {SECRET}.name: jobs}}\n"])
def test_what_a_tool_sets_on_helms_command_line_is_heeded(text):
    found = adopted(text)
    assert "the Secret jobs" in found.where
    printed = block(found.changed[0][1].tree)
    assert "additionalScrapeConfigs" not in printed.replace("additionalScrapeConfigsSecret", "")


@pytest.mark.parametrize(
    "more", ["", "  valuesContent: |\n    # nothing yet\n", "  set: {grafana.enabled: 'false', 'a[0].b': c}\n"]
)
def test_values_of_k3s_stay_a_text(more):
    [(_, new)] = adopted(K3S + more).changed
    content = new.get("spec", "valuesContent")
    assert "istio-workload-certs" in content
    assert ("# nothing yet" in content) is ("nothing" in more)
    assert "grafana" not in content


def test_values_files_that_are_named_are_laid_over_each_other_in_their_order():
    found = adopted("", ("base.yaml", BASE), ("prod.yaml", OWN), named=("base.yaml", "prod.yaml"))
    values = merged(BASE, OWN, files(found)["values.yaml"])
    check(values["prometheus"]["prometheusSpec"])
    assert values["prometheus"]["prometheusSpec"]["retention"] == "9d"
    assert "retention" not in files(found)["values.yaml"]


def test_an_application_set_has_its_sidecar_in_the_values_for_every_cluster():
    text = """\
apiVersion: argoproj.io/v1alpha1
kind: ApplicationSet
metadata: {name: kps, namespace: argocd}
spec:
  generators: [{clusters: {}}]
  template:
    metadata: {name: '{{.name}}-kps'}
    spec:
      destination: {server: '{{.server}}', namespace: '{{.ns}}'}
      source:
        chart: kube-prometheus-stack
        repoURL: https://prometheus-community.github.io/helm-charts
        targetRevision: 65.1.0
"""
    found = adopted(text)
    assert "resources" not in tree_of(files(found)["kustomization.yaml"])
    helm = ("spec", "template", "spec", "source", "helm")
    [sidecar] = found.changed[0][1].get(*helm, "valuesObject", "extraManifests")
    assert sidecar["metadata"] == {"name": "kube-prometheus-stack-istio-certs"}
    labels = sidecar["spec"]["workloadSelector"]["labels"]
    assert labels == {"app.kubernetes.io/name": "prometheus", "sidecar.istio.io/inject": "true"}


def test_where_a_chart_installs_no_objects_they_dont_come_beside_what_installs_it():
    found = adopted(
        APPLICATION.replace("66.2.1", "45.10.1").replace("      valueFiles: [$values/apps/base.yaml]\n", "")
    )
    written = files(found)
    assert "resources" not in tree_of(written["kustomization.yaml"])
    assert tree_of(written["sidecar.yaml"])["kind"] == "Sidecar"
