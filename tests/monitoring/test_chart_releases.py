"""Values as what installs a chart gives them: texts that can't be read, values from elsewhere, names."""

from __future__ import annotations

from textwrap import indent

import pytest

from generator.intake import documents_of
from generator.monitoring import Setup, assemble
from generator.monitoring.chart_values import values_in

_TEMPLATED = "prometheus:\n  prometheusSpec:\n    retention: 5d\n    storageSpec: {{ storage }}\n"


def application(helm: str, kind: str = "Application", name: str = "mon", namespace: str = "monitoring") -> str:
    spec = (
        f"destination: {{namespace: '{namespace}'}}\nsource:\n  chart: kube-prometheus-stack\n"
        "  repoURL: https://prometheus-community.github.io/helm-charts\n  targetRevision: 61.9.0\n"
        f"  helm:\n{indent(helm, '    ')}"
    )
    if kind == "ApplicationSet":
        spec = f"template:\n  metadata: {{name: '{name}'}}\n  spec:\n{indent(spec, '    ')}"
    return (
        f"apiVersion: argoproj.io/v1alpha1\nkind: {kind}\nmetadata: {{name: kps, namespace: argocd}}\n"
        f"spec:\n{indent(spec, '  ')}"
    )


def k3s(more: str) -> str:
    return (
        "apiVersion: helm.cattle.io/v1\nkind: HelmChart\nmetadata: {name: mon, namespace: kube-system}\n"
        f"spec:\n  chart: kube-prometheus-stack\n{indent(more, '  ')}"
    )


def flux(more: str, values: str = "") -> str:
    held = f"  values:\n{indent(values, '    ')}" if values else ""
    return (
        "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: kps, namespace: monitoring}\n"
        f"spec:\n{indent(more, '  ')}{held}"
    )


CHART = "chart: {spec: {chart: kube-prometheus-stack, version: 66.2.1}}\n"
FROM_MAP = "valuesFrom: [{kind: ConfigMap, name: base}]\n"
BASE = """\
---
apiVersion: v1
kind: ConfigMap
metadata: {name: base, namespace: monitoring}
data:
  values.yaml: |
    prometheus:
      prometheusSpec:
        secrets: [istio.default]
"""


def setup_of(text: str) -> Setup:
    return assemble(documents_of(text, "test.yaml"))


def notes(text: str) -> list[str]:
    setup = setup_of(text)
    assert setup.scrapers is not None
    return [note.message for note in setup.notes]


@pytest.mark.parametrize(
    "text",
    [
        k3s(f"valuesContent: |\n{indent(_TEMPLATED, '  ')}"),
        application(f"values: |\n{indent(_TEMPLATED, '  ')}"),
        application(f"values: |\n{indent(_TEMPLATED, '  ')}", "ApplicationSet"),
    ],
    ids=["k3s", "Application", "ApplicationSet"],
)
def test_values_that_a_template_has_still_to_fill_in_arent_judged(text: str) -> None:
    assert setup_of(text).scrapers == ()
    [note] = notes(text)
    assert "the values of kube-prometheus-stack" in note
    assert "a template has still to be filled in" in note


def test_values_that_are_no_yaml_are_told_as_such() -> None:
    text = k3s("valuesContent: |\n  prometheus:\n    prometheusSpec: [\n")
    assert setup_of(text).scrapers == ()
    [note] = notes(text)
    assert "can't be judged: they are no YAML" in note


def test_values_that_cant_be_read_may_say_which_chart_they_are_for() -> None:
    text = k3s(f"valuesContent: |\n{indent(_TEMPLATED, '  ')}").replace("kube-prometheus-stack", "./platform")
    assert len(notes(text.replace("kind: HelmChart\n", "kind: HelmChartConfig\n").replace("  chart: ./platform\n", "")))


@pytest.mark.parametrize("more", ["", "valuesContent: |\n  # nothing yet\n", "valuesContent: ''\n"])
def test_k3s_values_are_a_text_even_where_there_are_none(more: str) -> None:
    [values] = values_in(documents_of(k3s(more), "test.yaml")[0])
    assert values.document.outer is not None
    assert values.document.outer[1] == ("spec", "valuesContent")
    assert setup_of(k3s(more)).scrapers[0].document.locate(("prometheus",)).line


def test_a_text_of_comments_alone_holds_nothing_that_could_be_lost() -> None:
    [values] = values_in(documents_of(application("values: |\n  # nothing yet\n"), "test.yaml")[0])
    assert (values.unread, values.base) == (None, ("spec", "source", "helm", "valuesObject"))


@pytest.mark.parametrize(("name", "release"), [("{{name}}-mon", ""), ("mon", "mon")])
def test_a_release_of_an_application_set_is_named_as_its_application(name: str, release: str) -> None:
    text = application("valuesObject: {grafana: {}}\n", "ApplicationSet", name, "{{ .ns }}")
    [values] = values_in(documents_of(text, "test.yaml")[0])
    assert (values.release, values.namespace) == (release, "")


def test_the_name_of_an_oci_repository_is_not_the_charts() -> None:
    reference = "chartRef: {kind: OCIRepository, name: kps}\n"
    assert len(setup_of(flux(reference, "prometheus: {prometheusSpec: {retention: 7d}}\n")).scrapers) == 1
    assert setup_of(flux(reference, "server: {podLabels: {a: b}}\n")).scrapers == ()
    reference = reference.replace("kps", "prometheus")
    for values, chart in (
        ("prometheus: {prometheusSpec: {}}\n", "kube-prometheus-stack"),
        ("server: {}\n", "prometheus"),
    ):
        assert values_in(documents_of(flux(reference, values), "test.yaml")[0])[0].chart == chart


@pytest.mark.parametrize(
    "text",
    [
        flux(CHART + FROM_MAP, "prometheus: {prometheusSpec: {retention: 5d}}\n"),
        flux(CHART + "valuesFrom: [{kind: Secret, name: base}]\n"),
        application("valueFiles: [values-prod.yaml]\n"),
        application("valueFiles: [$values/kps.yaml]\n", "ApplicationSet"),
        application("parameters: [{name: prometheus.prometheusSpec.retention, value: 5d}]\n"),
        k3s("set: {grafana.enabled: 'false'}\n"),
    ],
)
def test_values_that_arent_here_are_told_of_once(text: str) -> None:
    assert [note.partition(" takes ")[2] for note in notes(text)] == ["values from elsewhere too, which are not judged"]


def test_values_in_a_config_map_are_judged_for_the_release_that_takes_them() -> None:
    setup = setup_of(flux(CHART + FROM_MAP) + BASE)
    [scraper] = setup.scrapers
    assert scraper.document.outer is not None
    assert scraper.of_resource("secrets") == ["istio.default"]
    assert setup.notes == []


def test_of_values_that_are_laid_over_each_other_those_below_arent_judged_which_is_told() -> None:
    text = flux(CHART + FROM_MAP, "prometheus: {prometheusSpec: {secrets: []}}\n") + BASE
    [scraper] = setup_of(text).scrapers
    assert scraper.of_resource("secrets") == []
    [note] = notes(text)
    assert note.startswith("HelmRelease monitoring/kps lays its values over those of base: what comes of all")


@pytest.mark.parametrize("more", ["name: other", "name: base, targetPath: a.b", "name: base, valuesKey: b.yaml"])
def test_another_config_map_or_a_single_value_is_no_layer(more: str) -> None:
    text = flux(CHART + f"valuesFrom: [{{kind: ConfigMap, {more}}}]\n") + BASE
    assert len(notes(text)) == 1


def first_flux(more: str, version: str = "helm.fluxcd.io/v1") -> str:
    return (
        f"apiVersion: {version}\nkind: HelmRelease\nmetadata: {{name: kps, namespace: flux}}\n"
        f"spec:\n{indent(more, '  ')}"
        "  values: {prometheus: {prometheusSpec: {secrets: [istio.default]}}}\n"
    )


_REPOSITORY = "chart: {repository: 'https://charts.example.com', name: prometheus-operator, version: 8.13.0}\n"


@pytest.mark.parametrize("version", ["helm.fluxcd.io/v1", "flux.weave.works/v1beta1"])
@pytest.mark.parametrize("chart", [_REPOSITORY, "chart: {git: 'git@example.com:a', path: a/prometheus-operator}\n"])
def test_releases_of_the_first_flux_hold_values_too(version: str, chart: str) -> None:
    [scraper] = setup_of(first_flux(chart, version)).scrapers
    assert scraper.of_resource("secrets") == ["istio.default"]


@pytest.mark.parametrize(
    ("more", "release", "namespace"),
    [
        ("", "flux-kps", "flux"),
        ("targetNamespace: monitoring\n", "flux-monitoring-kps", "monitoring"),
        ("releaseName: mon\ntargetNamespace: monitoring\n", "mon", "monitoring"),
    ],
)
def test_the_first_flux_names_releases_after_namespaces(more: str, release: str, namespace: str) -> None:
    [values] = values_in(documents_of(first_flux(_REPOSITORY + more), "test.yaml")[0])
    assert (values.release, values.namespace, values.version) == (release, namespace, (8, 13, 0))


def test_a_release_of_the_first_flux_without_a_namespace_has_no_name_that_is_known() -> None:
    text = first_flux(_REPOSITORY).replace(", namespace: flux", "")
    assert values_in(documents_of(text, "test.yaml")[0])[0].release == ""


@pytest.mark.parametrize(
    ("more", "count"),
    [
        ("valuesFrom: [{configMapKeyRef: {name: base}}]\n", 1),
        ("valuesFrom: [{configMapKeyRef: {name: base, namespace: monitoring}}]\n", 1),
        ("valuesFrom: [{externalSourceRef: {url: 'https://example.com'}}]\n", 1),
        ("valueFileSecrets: [{name: a}]\n", 1),
        ("", 0),
    ],
)
def test_the_first_flux_takes_values_from_elsewhere_too(more: str, count: int) -> None:
    told = [note for note in notes(first_flux(_REPOSITORY + more)) if "values from elsewhere" in note]
    assert len(told) == count


def test_the_first_flux_reads_a_config_map_of_its_namespace() -> None:
    text = first_flux(_REPOSITORY + "valuesFrom: [{configMapKeyRef: {name: base}}]\n") + BASE
    assert "over those of base" in notes(text.replace("namespace: monitoring", "namespace: flux"))[0]
    assert "from elsewhere" in notes(text)[0]
