"""The command: where it writes, what it tells, and its exit codes."""

from __future__ import annotations

from pathlib import Path

import pytest
from click import UsageError

from generator.cli.adopt import adopt as command
from generator.cli.commands import invoke as run
from generator.errors import InputError, OutputError
from generator.yaml import block, load
from tests.adopt.helpers import adopted, tree_of
from tests.adopt.test_adopting import CONFIGURATION, WORKLOAD, both
from tests.adopt.test_refusals import POD
from tests.tools import run as run_tool


@pytest.fixture
def project(tmp_path, monkeypatch):
    (tmp_path / "deploy.yaml").write_text(both())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def invoke(*arguments: str) -> int:
    """The exit code; what is wrong raises."""
    code = command.main(list(arguments), standalone_mode=False)
    return code if isinstance(code, int) else 0


def written(project: Path) -> set[str]:
    return {path.relative_to(project).as_posix() for path in project.glob("output/**/*") if path.is_file()}


def test_writes_a_component_and_its_inventory(project, capsys):
    assert invoke("deploy.yaml") == 0
    assert written(project) == {
        "output/.inventory/adopt/prometheus.sha256",
        "output/adopt/prometheus/configmap-config.patch.yaml",
        "output/adopt/prometheus/deployment-prometheus.patch.yaml",
        "output/adopt/prometheus/kustomization.yaml",
        "output/adopt/prometheus/sidecar-prometheus-istio-certs.yaml",
    }
    assert "output/adopt/prometheus" in capsys.readouterr().err


def test_check_tells_what_differs_and_writes_nothing(project, capsys):
    assert invoke("deploy.yaml", "--check") == 1
    assert "+kind: Component" in capsys.readouterr().out
    assert written(project) == set()
    invoke("deploy.yaml")
    assert invoke("deploy.yaml", "--check") == 0


def test_what_is_no_longer_needed_goes(project):
    invoke("deploy.yaml")
    (project / "deploy.yaml").write_text(WORKLOAD)
    invoke("deploy.yaml")
    assert "output/adopt/prometheus/configmap-config.patch.yaml" not in written(project)
    assert "output/adopt/prometheus/scrape-jobs.yaml" in written(project)


def test_a_file_edited_by_hand_stays(project):
    invoke("deploy.yaml")
    path = project / "output/adopt/prometheus/kustomization.yaml"
    path.write_text(path.read_text() + "# mine\n")
    (project / "deploy.yaml").write_text(WORKLOAD)
    with pytest.raises(OutputError, match=r"edited by hand\s+hint: put your change into manifests"):
        invoke("deploy.yaml")
    assert invoke("deploy.yaml", "--force") == 0


def test_render_leaves_adoptions_alone(project):
    (project / "overlays").mkdir()
    (project / "overlays/dev.yaml").write_text("namespace: a\n")
    invoke("deploy.yaml")
    before = {name for name in written(project) if "adopt" in name}
    assert run(["render", "-q", "--no-cache", "-j", "1", "--only", "manifests"]) == 0
    assert {name for name in written(project) if "adopt" in name} == before


@pytest.mark.parametrize(
    ("variant", "told"), [("manual", "by hand"), ("merged", "no certificate"), ("plain", ""), ("null", "")]
)
def test_an_environment_without_injection_is_told(project, capsys, variant, told):
    (project / "overlays").mkdir()
    (project / "overlays/_defaults.yaml").write_text("variant: merged\n")
    (project / "overlays/one.yaml").write_text(f"variant: {variant}\n")
    assert invoke("deploy.yaml", "--env", "one") == 0
    error = capsys.readouterr().err
    assert told in error
    assert ("overlays/one.yaml: this environment" in error) == bool(told)


def test_an_environment_without_a_project_is_told_where_projects_are_named(project):
    with pytest.raises(InputError, match="name its folder with -C"):
        invoke("deploy.yaml", "--env", "prod/eu-1")


def test_a_template_is_to_be_rendered_into_the_command_that_was_called(project):
    (project / "template.yaml").write_text("kind: StatefulSet\nmetadata: {name: {{ .Release.Name }}}\n")
    with pytest.raises(InputError, match=r"helm template CHART \| sidecert adopt -"):
        invoke("template.yaml")


def test_an_environment_decides(project):
    (project / "overlays").mkdir()
    (project / "overlays/dev.yaml").write_text("istio: {revision: canary}\n")
    invoke("deploy.yaml", "--env", "dev", "--name", "mine")
    assert "istio.io/rev: canary" in (project / "output/adopt/mine/deployment-prometheus.patch.yaml").read_text()


PODS = "kubernetes_sd_configs: [{role: pod}]"


def test_quiet_tells_only_what_is_left_to_do(project, capsys):
    (project / "deploy.yaml").write_text(both().replace("static_configs: [{targets: ['localhost:9090']}]", PODS))
    invoke("deploy.yaml", "-q")
    assert capsys.readouterr().err == ""
    (project / "deploy.yaml").write_text(both())
    invoke("deploy.yaml", "-q")
    assert capsys.readouterr().err.startswith("  to do: the account default needs a ClusterRole")
    (project / "deploy.yaml").write_text(WORKLOAD)
    invoke("deploy.yaml", "-q")
    assert "scrape-jobs.yaml belong into" in capsys.readouterr().err


def test_what_was_adopted_already_is_told_and_left(project, capsys):
    found = adopted(both())
    trees = [*(new.tree for _, new in found.changed), *(part.tree for part in found.added)]
    (project / "done.yaml").write_text("---\n".join(block(tree) + "\n" for tree in trees))
    assert invoke("done.yaml") == 0
    assert "nothing to do" in capsys.readouterr().err
    assert written(project) == set()


@pytest.mark.parametrize("name", ["../x", "a/b", ".hidden", "UPPER", ""])
def test_a_name_that_is_no_folder_is_refused(project, name):
    with pytest.raises(UsageError):
        invoke("deploy.yaml", "--name", name)


def test_a_name_for_several_is_refused(project):
    (project / "other.yaml").write_text(WORKLOAD.replace("  name: prometheus\n", "  name: other\n", 1))
    with pytest.raises(UsageError, match="--select"):
        invoke("deploy.yaml", "other.yaml", "--name", "mine")


def test_two_of_one_name_get_their_namespace_in_front(project):
    (project / "other.yaml").write_text(both().replace("namespace: monitoring", "namespace: other"))
    invoke("deploy.yaml", "other.yaml")
    folders = {path.name for path in (project / "output/adopt").iterdir()}
    assert folders == {"monitoring-prometheus", "other-prometheus"}


def test_one_that_cant_be_adopted_keeps_all_from_being_written(project):
    (project / "pod.yaml").write_text(POD)
    with pytest.raises(InputError, match="bare Pod"):
        invoke("deploy.yaml", "pod.yaml")
    assert written(project) == set()


def test_a_template_is_refused_before_its_neighbours(project):
    (project / "deploy.yaml").write_text(WORKLOAD.replace("name: prometheus\n", "name: {{ .Values.name }}\n"))
    with pytest.raises(InputError, match="render"):
        invoke("deploy.yaml")


def test_a_configuration_alone_is_no_prometheus(project):
    (project / "deploy.yaml").write_text(CONFIGURATION)
    with pytest.raises(InputError, match="found: 1 ConfigMap"):
        invoke("deploy.yaml")


def test_a_component_in_use_is_made_anew_from_what_it_is_for(project, capsys):
    (project / "deploy").mkdir()
    manifests = (project / "deploy.yaml").rename(project / "deploy/all.yaml")
    kustomization = "resources: [all.yaml]\ncomponents: [../output/adopt/prometheus]\n"
    (project / "deploy/kustomization.yaml").write_text(kustomization)
    assert invoke("deploy") == 0
    patch = project / "output/adopt/prometheus/configmap-config.patch.yaml"
    assert invoke("deploy", "--check") == 0
    assert invoke(".", "--check") == 0
    manifests.write_text(manifests.read_text().replace("scrape_interval: 15s", "scrape_interval: 59s"))
    assert invoke("deploy", "--check") == 1
    assert "+    global: {scrape_interval: 59s}" in capsys.readouterr().out
    invoke("deploy")
    assert "59s" in patch.read_text()


def test_a_component_beside_a_namespace_and_a_prefix_stays_as_it_is(project):
    text = both().replace("  namespace: monitoring\n", "")
    (project / "app").mkdir()
    (project / "app/all.yaml").write_text(text)
    invoke("app/all.yaml")
    names = "namespace: other\nnamePrefix: our-\nresources: [all.yaml]\n"
    kustomization = project / "app/kustomization.yaml"
    kustomization.write_text(f"{names}components: [../output/adopt/prometheus]\n")
    (project / "top").mkdir()
    (project / "top/kustomization.yaml").write_text("nameSuffix: -x\nresources: [../app]\n")
    for folder in ("app", "top"):
        invoke(folder)
        patch = (project / "output/adopt/prometheus/deployment-prometheus.patch.yaml").read_text()
        assert "\n  name: prometheus\n" in patch
        assert "namespace" not in patch
        assert "sidecar.istio.io/inject" in run_tool("kubectl", "kustomize", folder)


@pytest.mark.parametrize(
    ("overlays", "names"),
    [
        (("overlays/dev", "overlays/prod"), ("prometheus-dev", "prometheus-prod")),
        (("dev/eu", "prod/eu"), ("prometheus-dev-eu", "prometheus-prod-eu")),
    ],
)
def test_components_for_overlays_of_one_base_are_named_after_the_overlays(project, capsys, overlays, names):
    (project / "base").mkdir()
    (project / "deploy.yaml").rename(project / "base/all.yaml")
    (project / "base/kustomization.yaml").write_text("resources: [all.yaml]\n")
    for overlay in overlays:
        (project / overlay).mkdir(parents=True)
        label = overlay.replace("/", "-")
        (project / overlay / "kustomization.yaml").write_text(
            f"resources: [../../base]\nlabels: [{{pairs: {{env: {label}}}}}]\n"
        )
    invoke(".")
    assert {path.name for path in (project / "output/adopt").iterdir()} == set(names)
    told = capsys.readouterr().err
    for overlay, name in zip(overlays, names, strict=True):
        assert f"add output/adopt/{name} to the components of {overlay}\n" in told


def test_values_that_were_written_are_no_prometheus_of_their_own(project):
    (project / "deploy.yaml").write_text("prometheus:\n  prometheusSpec: {replicas: 2}\n")
    invoke(".")
    before = written(project)
    invoke(".")
    assert written(project) == before


def test_what_doctor_cant_repair_is_told(project, capsys):
    text = both().replace("app: prometheus\n    spec", "app: prometheus\n      annotations: {A: b}\n    spec")
    mount = """{sidecar.istio.io/userVolumeMount: '{"gone":{"mountPath":"/x"}}'}"""
    (project / "deploy.yaml").write_text(text.replace("{A: b}", mount))
    invoke("deploy.yaml", "-q")
    assert "to do: Deployment monitoring/prometheus: the container istio-proxy mounts" in capsys.readouterr().err


def two_values_files(project: Path, more: str = "") -> None:
    (project / "values").mkdir()
    for name, text in (("dev", ""), ("prod", more)):
        (project / f"values/{name}.yaml").write_text(f"prometheus:\n  prometheusSpec:\n    replicas: 2\n{text}")


def test_two_values_files_of_one_chart_get_the_files_names_behind(project):
    two_values_files(project)
    invoke("values")
    folders = {path.name for path in (project / "output/adopt").iterdir()}
    assert folders == {"kube-prometheus-stack-dev", "kube-prometheus-stack-prod"}


def test_values_files_that_are_named_are_one_releases_in_their_order(project, capsys):
    two_values_files(project, "    volumes: [{name: a, emptyDir: {}}]\n")
    invoke("values/prod.yaml", "values/dev.yaml")
    assert "in this order: values/prod.yaml, values/dev.yaml" in capsys.readouterr().err
    ours = tree_of((project / "output/adopt/kube-prometheus-stack/values.yaml").read_text())
    assert [one["name"] for one in ours["prometheus"]["prometheusSpec"]["volumes"]] == ["a", "istio-workload-certs"]


def test_values_files_of_a_folder_that_may_be_one_releases_are_refused_where_lists_would_be_lost(project):
    two_values_files(project, "    volumes: [{name: a, emptyDir: {}}]\n")
    with pytest.raises(InputError, match=r"replaces its prometheus\.prometheusSpec\.volumes") as caught:
        invoke("values")
    assert "values/dev.yaml can't be adopted by itself: if one release gets values/prod.yaml too" in str(caught.value)
    assert written(project) == set()
    assert invoke("values/prod.yaml") == 0


def test_what_a_release_takes_from_elsewhere_is_told_in_the_component_too(project, capsys):
    text = (
        "apiVersion: helm.cattle.io/v1\nkind: HelmChart\nmetadata: {name: mon, namespace: kube-system}\n"
        "spec: {chart: kube-prometheus-stack, targetNamespace: a, valuesSecrets: [{name: a}]}\n"
    )
    (project / "chart.yaml").write_text(text)
    invoke("chart.yaml", "-q")
    assert (
        "to do: HelmChart kube-system/mon takes values from elsewhere too (spec.valuesSecrets)"
        in capsys.readouterr().err
    )
    [component] = (project / "output/adopt").glob("*/kustomization.yaml")
    assert "takes values from elsewhere too (spec.valuesSecrets)" in " ".join(
        component.read_text().replace("# ", "").split()
    )


def test_a_prometheus_whose_values_cant_be_read_is_told_apart_from_none(project):
    (project / "chart.yaml").write_text(
        "apiVersion: helm.cattle.io/v1\nkind: HelmChart\nmetadata: {name: mon}\n"
        "spec:\n  chart: kube-prometheus-stack\n  valuesContent: |\n    prometheus: {{ values }}\n"
    )
    with pytest.raises(InputError, match="a template has still to be filled in"):
        invoke("chart.yaml")


def test_a_chart_that_installs_no_objects_leaves_them_to_the_user(project, capsys):
    (project / "values.yaml").write_text("prometheus:\n  prometheusSpec: {replicas: 2}\n")
    invoke("values.yaml", "--chart-version", "45.10")
    assert "sidecar.yaml (that of the release: this chart installs no objects)" in capsys.readouterr().err


def test_a_chart_whose_prometheus_is_switched_off_is_told_apart_from_others(project):
    (project / "values.yaml").write_text("prometheus: {enabled: false, prometheusSpec: {replicas: 2}}\n")
    with pytest.raises(InputError, match="no Prometheus here") as caught:
        invoke("values.yaml")
    assert caught.value.problems[0].found == "1 values file that switches Prometheus off"


def test_templates_of_a_teams_own_that_render_no_prometheus_are_told(project):
    own = project / "templates/plain"
    own.mkdir(parents=True)
    (own / "workload.yaml.j2").write_text("apiVersion: v1\nkind: Service\nmetadata: {name: other}\n")
    with pytest.raises(InputError, match="no Prometheus with an injected proxy"):
        invoke("deploy.yaml")


def test_environments_that_hold_the_same_objects_are_adopted_apart(project):
    """Taken for one cluster, the Prometheus of one would be given the jobs of the other."""
    for name in ("dev", "prod"):
        (project / name).mkdir()
        (project / name / "deploy.yaml").write_text(both().replace("# kept by hand", f"# kept by {name}"))
    assert invoke("dev", "prod", "--quiet") == 0
    for name in ("dev", "prod"):
        patch = project / f"output/adopt/monitoring-prometheus-{name}/configmap-config.patch.yaml"
        assert f"# kept by {name}\n" in patch.read_text()


def test_a_colon_between_brackets_stays_as_it_is(project):
    (project / "deploy.yaml").write_text(both().replace("'localhost:9090'", "localhost:9090"))
    assert invoke("deploy.yaml", "--quiet") == 0
    patch = (project / "output/adopt/prometheus/configmap-config.patch.yaml").read_text()
    assert "static_configs: [{targets: [localhost:9090]}]\n" in patch
    assert "job_name: istio-mtls\n" in patch


def test_a_workload_that_values_install_is_refused(project):
    values = {"prometheus": {"enabled": False, "prometheusSpec": {}}, "extraManifests": [load(WORKLOAD, "")]}
    (project / "values.yaml").write_text(block(values) + "\n")
    with pytest.raises(InputError) as error:
        invoke("values.yaml")
    assert str(error.value) == (
        "values.yaml:2:3: Deployment monitoring/prometheus can't be adopted: it stands in values of a chart, "
        "where no patch reaches it\n    hint: keep it in a manifest of its own"
    )
    assert written(project) == set()
