"""The chart as people install it: linted, under any release, beside another release, within another chart, upgraded."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Callable, Iterable
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from generator.emit.release import CHART
from generator.yaml import load, load_documents
from tests.acceptance.examples import VARIANTS, random_trees, write_output
from tests.acceptance.helm import (
    HELMS,
    Tree,
    as_values,
    chart_label,
    environment_values,
    helm,
    manifests_of,
    of_release,
    rendered,
)
from tests.acceptance.test_kustomize import difference
from tests.rendering import ROOT, problems, render, sample_names, sample_values
from tests.samples import FORMS
from tests.settings import EXAMPLES
from tests.test_template_rules import CASES, OTHERS, REFUSED_BY_SCHEMA

pytestmark = pytest.mark.programs

both_helms = pytest.mark.parametrize("version", HELMS)
EACH_FORM = [form for forms in FORMS.values() for form in forms]
each_form = pytest.mark.parametrize("form", EACH_FORM, ids=str)

#: Names that Helm takes for a release.
RELEASES = ["a", "prometheus", "prometheus-eu", "1st", "my.release", "x" * 53, f"{'x' * 28}-{'y' * 24}"]

DNS_LABEL = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
DNS_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("samples")
    (folder / "overlays").symlink_to(ROOT / "overlays")
    return write_output(folder, ("helm",))


@pytest.fixture(scope="module")
def chart(output: Path) -> Path:
    return output / "helm" / CHART


def documents(text: str) -> list[Any]:
    """Read what Helm rendered."""
    return [tree for tree in load_documents(text, "helm template") if tree is not None]


@pytest.fixture
def values(tmp_path: Path) -> Callable[[Tree], Path]:
    """Write a values file and give its path."""

    def write(tree: Tree) -> Path:
        text = as_values(tree)
        path = tmp_path / f"{hashlib.sha256(text.encode()).hexdigest()}.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


# ----------------------------------------------------------------------------------------------------------- lint


def linted(version: str, chart: Path, *arguments: str | Path) -> list[str]:
    run = helm(version, "lint", "--strict", chart, *arguments)
    return [line for line in (run.out + run.err).splitlines() if line]


@both_helms
def test_lint_has_no_remark_about_the_chart(version, chart):
    assert linted(version, chart) == [f"==> Linting {chart}", "1 chart(s) linted, 0 chart(s) failed"]


@both_helms
@pytest.mark.parametrize("name", sample_names())
def test_lint_has_no_remark_about_the_values_of_a_sample(version, output, chart, name):
    found = linted(version, chart, "--values", output / f"helm/values/{name}.yaml")
    assert found == [f"==> Linting {chart}", "1 chart(s) linted, 0 chart(s) failed"]


# -------------------------------------------------------------------------------------------- names and namespaces


@both_helms
@each_form
def test_releases_in_one_namespace_share_no_resource(version, chart, values, form):
    found = {}
    for release in RELEASES:
        text = rendered(version, release, chart, "--namespace", "team-x", "--values", values(form))
        found[release] = set(of_release(text, chart_label(chart)))
    for one, other in combinations(RELEASES, 2):
        assert found[one]
        assert found[one] & found[other] == set()


@both_helms
def test_a_release_in_two_namespaces_shares_no_resource(version, chart):
    one, other = (
        set(of_release(rendered(version, "prometheus", chart, "--namespace", namespace), chart_label(chart)))
        for namespace in ("team-x", "team-y")
    )
    assert one & other == set()


@both_helms
@pytest.mark.parametrize("release", RELEASES)
@each_form
def test_a_release_of_any_name_gives_valid_names(version, chart, values, release, form):
    text = rendered(version, release, chart, "--values", values({**form, **EVERYTHING}))
    for resource in documents(text):
        name = resource["metadata"]["name"]
        form_of_names = DNS_LABEL if resource["kind"] == "Service" else DNS_SUBDOMAIN
        assert form_of_names.fullmatch(name), name
        # A pod of a StatefulSet carries the name and a hash of ten characters as one label.
        assert len(name) <= (52 if resource["kind"] in {"StatefulSet", "Prometheus", "PrometheusAgent"} else 253), name
        assert [value for value in label_values(resource) if not LABEL_VALUE.fullmatch(value)] == []


def label_values(tree: Any) -> list[str]:
    """Give every value of a label or a selector, at any depth."""
    if isinstance(tree, list):
        return [value for item in tree for value in label_values(item)]
    if not isinstance(tree, dict):
        return []
    inner = [value for item in tree.values() for value in label_values(item)]
    return inner + [value for key in ("labels", "matchLabels") for value in tree.get(key, {}).values()]


#: What renders resources that the defaults leave out.
EVERYTHING: dict[str, Any] = {
    "prometheus": {"podDisruptionBudget": {"enabled": True}, "networkPolicy": {"enabled": True}},
    "mesh": {"authorizationPolicies": {"shop": {"namespace": "shop", "ports": [8080]}}},
}


@both_helms
@pytest.mark.parametrize("name", sample_names())
def test_an_open_name_and_namespace_are_the_releases(version, chart, values, name):
    tree = {key: value for key, value in sample_values(name).items() if key not in {"name", "namespace"}}
    text = rendered(version, "eu", chart, "--namespace", "team-x", "--values", values(tree))
    expected = manifests_of({**tree, "name": "prometheus-eu", "namespace": "team-x"})
    assert list(difference(expected, of_release(text, chart_label(chart)), "manifests", version)) == []


@both_helms
@each_form
def test_everything_follows_the_namespace_of_the_release(version, chart, values, form):
    text = rendered(version, "prometheus", chart, "--namespace", "team-x", "--values", values({**form, **EVERYTHING}))
    assert "monitoring" not in re.sub(r"monitoring\.coreos\.com|istio\.io/monitoring", "", text)
    principals = 0
    for resource in documents(text):
        metadata, kind = resource["metadata"], resource["kind"]
        if kind in {"ClusterRole", "ClusterRoleBinding"}:
            assert metadata["name"] == "team-x-prometheus"
        else:
            assert metadata["namespace"] == ("shop" if kind == "AuthorizationPolicy" else "team-x")
        if kind == "ClusterRoleBinding":
            assert [subject["namespace"] for subject in resource["subjects"]] == ["team-x"]
            assert resource["roleRef"]["name"] == "team-x-prometheus"
        if kind == "AuthorizationPolicy":
            (principal,) = resource["spec"]["rules"][0]["from"][0]["source"]["principals"]
            assert principal == "cluster.local/ns/team-x/sa/prometheus"
            principals += 1
    assert principals == (form["variant"] != "merged")


# ------------------------------------------------------------------------------------------------------- upgrades

#: What Kubernetes refuses to change, by kind.
IMMUTABLE = {
    "ClusterRoleBinding": ("roleRef",),
    "Deployment": ("spec.selector",),
    "RoleBinding": ("roleRef",),
    "Service": ("spec.clusterIP",),
    "StatefulSet": ("spec.selector", "spec.serviceName", "spec.podManagementPolicy", "spec.volumeClaimTemplates"),
}


def immutable(trees: Iterable[Any]) -> dict[tuple[str, str, str], list[Any]]:
    """Give the fields of resources that Kubernetes refuses to change."""
    return {
        (tree["kind"], tree["metadata"].get("namespace", ""), tree["metadata"]["name"]): [
            field(tree, path) for path in IMMUTABLE[tree["kind"]]
        ]
        for tree in trees
        if tree["kind"] in IMMUTABLE
    }


def field(tree: Any, path: str) -> Any:
    for key in path.split("."):
        tree = tree.get(key) if isinstance(tree, dict) else None
    return tree


#: What decides about the claims, together with the name: another choice is a new installation.
KEPT: dict[str, dict[str, Any]] = {
    "StatefulSet": {"workload": "StatefulSet", "storage": {"size": "50Gi", "className": "fast"}},
    "Deployment": {"workload": "Deployment", "storage": {"size": "", "className": ""}},
}
each_workload = pytest.mark.parametrize("workload", KEPT)


def one_installation(variant: str, workload: str, count: int) -> list[dict[str, Any]]:
    """Give random values that agree on name, namespace, workload and storage, and on nothing else."""
    found: list[dict[str, Any]] = []
    for tree in random_trees(variant):
        kept = {"name": "eu", "namespace": "team-x", "prometheus": {**tree.get("prometheus", {}), **KEPT[workload]}}
        if len(found) < count and not problems({**tree, **kept}):
            found.append({**tree, **kept})
    assert len(found) > min(count, EXAMPLES) // 2
    return found


def assert_only_what_may_change_does(renders: Iterable[Iterable[Any]], variant: str, workload: str) -> None:
    installed: dict[tuple[str, str, str], list[Any]] = {}
    for trees in renders:
        for identity, fields in immutable(trees).items():
            assert installed.setdefault(identity, fields) == fields
    expected = {"ClusterRoleBinding", "Service"} | ({workload} if variant != "operator" else set())
    assert {kind for kind, _, _ in installed} == expected


@pytest.mark.parametrize("variant", VARIANTS)
@each_workload
def test_an_upgrade_changes_nothing_that_kubernetes_refuses_to_change(variant, workload):
    """The manifests show it, as the chart gives the same."""
    trees = one_installation(variant, workload, EXAMPLES)
    renders = ([resource.tree for resource in render(tree)] for tree in trees)
    assert_only_what_may_change_does(renders, variant, workload)


@both_helms
@pytest.mark.parametrize("variant", VARIANTS)
@each_workload
def test_neither_does_an_upgrade_by_helm(version, chart, values, variant, workload):
    trees = one_installation(variant, workload, 5)
    files = (values(environment_values(tree)) for tree in trees)
    renders = (documents(rendered(version, "eu", chart, "--values", file)) for file in files)
    assert_only_what_may_change_does(renders, variant, workload)


@both_helms
@each_form
def test_a_new_version_of_the_chart_changes_one_label_of_each_resource(tmp_path, version, chart, values, form):
    newer = tmp_path / "newer"
    shutil.copytree(chart, newer)
    text = re.sub(r"^(version|appVersion): .*$", r"\1: 99.0.0", (newer / "Chart.yaml").read_text(), flags=re.MULTILINE)
    (newer / "Chart.yaml").write_text(text)
    before, after = (
        of_release(rendered(version, "prometheus", folder, "--values", values(form)), chart_label(folder))
        for folder in (chart, newer)
    )
    assert chart_label(newer) == f"{CHART}-99.0.0" != chart_label(chart)
    assert before == after


WORKLOADS = [
    form
    for form in EACH_FORM
    if form["variant"] != "operator" and form.get("merged", {}).get("prometheus") != "operator"
]

#: Changes of what Prometheus reads, which the reloader beside it tells it to read again.
RELOADED: dict[str, tuple[dict[str, Any], str]] = {
    "the scrape interval": ({"prometheus": {"scrapeInterval": "45s"}}, "prometheus-config"),
    "an alert": (
        {"alerting": {"rules": {"mine": {"rules": [{"alert": "Down", "expr": "up == 0"}]}}}},
        "prometheus-rules",
    ),
    "a scrape job": ({"scrape": {"extraJobs": {"shop": {"config": {"metrics_path": "/m"}}}}}, "prometheus-config"),
    "a label of the series": ({"prometheus": {"externalLabels": {"region": "eu"}}}, "prometheus-config"),
}


def changed(version: str, chart: Path, before: Path, after: Path) -> dict[tuple[str, str], tuple[Any, Any]]:
    """Give the resources that values change, each before and after."""
    one, other = (
        {
            (tree["kind"], tree["metadata"]["name"]): tree
            for tree in documents(rendered(version, "prometheus", chart, "--values", path))
        }
        for path in (before, after)
    )
    assert one.keys() == other.keys()
    return {identity: (one[identity], other[identity]) for identity in one if one[identity] != other[identity]}


@both_helms
@pytest.mark.parametrize("form", WORKLOADS, ids=str)
@pytest.mark.parametrize("change", RELOADED)
def test_a_change_of_the_configuration_alone_restarts_nothing(version, chart, values, form, change):
    overlay, name = RELOADED[change]
    assert list(changed(version, chart, values(form), values({**form, **overlay}))) == [("ConfigMap", name)]


@both_helms
@pytest.mark.parametrize("form", WORKLOADS, ids=str)
def test_another_version_of_prometheus_replaces_the_pods(version, chart, values, form):
    overlay = {**form, "prometheus": {"version": "3.13.2"}}
    found = changed(version, chart, values(form), values(overlay))
    before, after = found["StatefulSet", "prometheus"]
    assert list(found) == [("StatefulSet", "prometheus")]
    assert before["spec"].pop("template") != after["spec"].pop("template")
    assert before == after


# ------------------------------------------------------------------------------------------------------ refusals


def refusal(version: str, chart: Path, values: Path) -> str:
    """Give what Helm says of values that it refuses."""
    run = helm(version, "template", "prometheus", chart, "--values", values)
    assert run.failed
    assert run.out == ""
    return run.err


def told_rules(text: str) -> list[str]:
    """Give the problems that the rules tell: one a line, after Helm's own words."""
    first, *lines = text.strip().splitlines()
    assert first.startswith(f"Error: execution error at ({CHART}/templates/validate.yaml:"), text
    return [line for line in lines if line and not line.startswith("Use --debug flag")]


@both_helms
@pytest.mark.parametrize("case", CASES)
def test_helm_tells_a_broken_rule_in_the_same_words(version, chart, tmp_path, case):
    overlay, told = CASES[case]
    (tmp_path / "values.yaml").write_text(overlay)
    assert told_rules(refusal(version, chart, tmp_path / "values.yaml")) == [told.split(": ", 1)[1]]


@both_helms
@pytest.mark.parametrize("case", OTHERS)
def test_helm_knows_other_forms_of_the_mistake(version, chart, tmp_path, case):
    overlay, path = OTHERS[case]
    (tmp_path / "values.yaml").write_text(overlay)
    (told,) = told_rules(refusal(version, chart, tmp_path / "values.yaml"))
    assert told.startswith(f"{path}: ")


@both_helms
def test_helm_tells_all_broken_rules_at_once(version, chart, values):
    wrong = {
        "certificates": {"directory": "/etc/certs", "volume": "istio-certs"},
        "prometheus": {"version": "2.37.9"},
    }
    found = told_rules(refusal(version, chart, values(wrong)))
    assert found == [f"{problem.path}: {problem.message}" for problem in problems(wrong)]
    assert len(found) == 3


@both_helms
@pytest.mark.parametrize("case", REFUSED_BY_SCHEMA)
def test_helm_refuses_what_the_schema_refuses(version, chart, tmp_path, case):
    overlay, told = REFUSED_BY_SCHEMA[case]
    (tmp_path / "values.yaml").write_text(overlay)
    found = refusal(version, chart, tmp_path / "values.yaml")
    assert "values don't meet the specifications of the schema(s)" in found
    # Helm 4 names a key that isn't allowed, but not the map that it stands in.
    assert told.split(": ")[1].rpartition(".")[2] in found


# ----------------------------------------------------------------------------------------- within another chart


@both_helms
@pytest.mark.parametrize("name", sample_names())
def test_the_chart_works_as_a_dependency_of_another(tmp_path, version, chart, name):
    """Helm itself fetches it, and passes ``global`` values on."""
    shutil.copytree(chart, tmp_path / CHART)
    platform = tmp_path / "platform"
    platform.mkdir()
    own = re.search(r"^version: (.*)$", (chart / "Chart.yaml").read_text(), re.MULTILINE)
    assert own
    dependency = {"name": CHART, "version": own[1], "repository": f"file://../{CHART}"}
    parent = {"apiVersion": "v2", "name": "platform", "version": "1.0.0", "dependencies": [dependency]}
    (platform / "Chart.yaml").write_text(as_values(parent))
    values = environment_values(sample_values(name))
    (platform / "values.yaml").write_text(as_values({"global": {"region": "eu"}, CHART: values}), encoding="utf-8")
    fetched = helm(version, "dependency", "update", "--skip-refresh", platform)
    assert not fetched.failed, fetched.err
    assert [path.name for path in (platform / "charts").iterdir()] == [f"{CHART}-{own[1]}.tgz"]
    found = of_release(rendered(version, "some-release", platform), chart_label(chart))
    assert list(difference(manifests_of(sample_values(name)), found, "manifests", version)) == []


# ---------------------------------------------------------------------------------------------- values are data

#: To Helm's templates, to Jinja's, and to nobody.
MARKUP = "{{ .Release.Name }} {{ 7*7 }} {% raw %}"


@both_helms
def test_a_template_in_a_value_is_data(version, chart, values):
    rule = {
        "alert": "Down",
        "expr": f'up{{job="{MARKUP}"}} == 0',
        "labels": {"a": MARKUP},
        "annotations": {"b": MARKUP},
    }
    overlay = {
        "annotations": {"note": MARKUP},
        "prometheus": {
            "args": {"web.page-title": MARKUP},
            "env": {"TITLE": MARKUP},
            "externalLabels": {"region": MARKUP},
            "podAnnotations": {"note": MARKUP},
            "securityContext": {"note": MARKUP},
        },
        "alerting": {"rules": {"mine": {"rules": [rule]}}},
        "scrape": {"extraJobs": {"shop": {"config": {"params": {"title": [MARKUP]}}}}},
    }
    found = documents(rendered(version, "prometheus", chart, "--values", values(overlay)))
    resources = {(tree["kind"], tree["metadata"]["name"]): tree for tree in found}
    assert all(tree["metadata"]["annotations"] == {"note": MARKUP} for tree in found)

    pod = resources["StatefulSet", "prometheus"]["spec"]["template"]
    container = next(one for one in pod["spec"]["containers"] if one["name"] == "prometheus")
    assert pod["metadata"]["annotations"]["note"] == MARKUP
    assert f"--web.page-title={MARKUP}" in container["args"]
    assert {"name": "TITLE", "value": MARKUP} in container["env"]
    assert container["securityContext"]["note"] == MARKUP

    configuration: Any = load(resources["ConfigMap", "prometheus-config"]["data"]["prometheus.yml"], "prometheus.yml")
    assert configuration["global"]["external_labels"]["region"] == MARKUP
    assert configuration["scrape_configs"][-1]["params"] == {"title": [MARKUP]}

    (rules,) = resources["ConfigMap", "prometheus-rules"]["data"].values()
    groups: Any = load(rules, "rules")
    assert groups["groups"][-1]["rules"] == [rule]
