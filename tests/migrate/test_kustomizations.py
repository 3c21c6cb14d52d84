"""Of a kustomization what it builds is judged, and the files that it is made of are changed."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from generator import cli
from generator.doctor import examine_all
from generator.doctor.rules.examples import CONFIGURATION, OPERATOR, PLAIN, but
from generator.doctor.rules.spoiling import ANNOTATIONS, MEMORY, OUTBOUND
from generator.intake import read
from generator.migrate import Migration, Sources, migrate, open_sources
from generator.migrate.writing import replace_files
from generator.monitoring import Settings, assemble
from generator.monitoring.worlds import worlds
from tests.conftest import write_tree
from tests.rendering import ROOT
from tests.tools import run

CORPUS = ROOT.parent / "shared" / "corpus"
# Has nothing to do with certificates.
ORDINARY = PLAIN.replace(ANNOTATIONS, "").replace("istio-workload-certs", "x")
# Helm's values are no objects, which a kustomization would take.
VALUES = {"helm-values", "kyma-project__kyma__14fc7c1d-prometheus-istio-values"}
MANIFESTS = sorted(path for path in CORPUS.glob("*/*.yaml") if VALUES.isdisjoint({path.parent.name, path.stem}))
ON_DISK = but(PLAIN, (MEMORY, "emptyDir: {}"))
BASE = "resources: [prometheus.yaml]\n"
OVERLAY = "resources: [../base]\nnamespace: {name}\n"
PATCH = """\
    # the pattern comes from here
    apiVersion: apps/v1
    kind: StatefulSet
    metadata:
      name: prometheus
      namespace: monitoring
    spec:
      template:
        metadata:
          annotations:
            team: metrics   # ours
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def of(*names: str) -> tuple[Sources, Migration]:
    sources = open_sources(names)
    return sources, migrate(sources.texts, Settings(), None, sources.built)


def changed(*names: str) -> dict[str, list[str]]:
    """The lines that a migration takes out of each file, and those that it puts in."""
    sources, migration = of(*names)
    found: dict[str, list[str]] = {}
    for source in sources.texts:
        old, new = source.text.splitlines(), migration.texts[source.name].splitlines()
        lines = [f"- {line.strip()}" for line in old if line not in new]
        lines += [f"+ {line.strip()}" for line in new if line not in old]
        if lines:
            found[source.name] = lines
    return found


def left(*names: str) -> list[str]:
    """The errors and warnings that doctor finds when everything is written."""
    sources, migration = of(*names)
    replace_files(sources.texts, migration.texts)
    assert of(*names)[1].made == ()
    intake = read(names, str)
    found = examine_all([assemble(*world, Settings()) for world in worlds(intake.manifests, intake.values)])
    return [finding.rule.id for finding in found.findings if finding.severity != "info"]


def test_what_a_base_says_is_changed_in_the_base_once_for_all_overlays(folder):
    write_tree(folder, {"k/base/kustomization.yaml": BASE, "k/base/prometheus.yaml": ON_DISK})
    for name in ("dev", "prod"):
        write_tree(folder, {f"k/{name}/kustomization.yaml": OVERLAY.format(name=name)})
    assert changed("k") == {"k/base/prometheus.yaml": ["- emptyDir: {}", "+ emptyDir:", "+ medium: Memory"]}
    assert [one.rule for one in of("k")[1].made] == ["certificates-on-disk"]
    assert left("k") == []


def test_what_a_patch_says_is_changed_in_the_patch(folder):
    patch = PATCH + "            traffic.sidecar.istio.io/includeOutboundIPRanges: '*'\n"
    kustomization = BASE + "patches:\n- path: patch.yaml\n"
    write_tree(folder, {"k/kustomization.yaml": kustomization, "k/prometheus.yaml": PLAIN, "k/patch.yaml": patch})
    outbound = "traffic.sidecar.istio.io/includeOutboundIPRanges"
    assert changed("k") == {"k/patch.yaml": [f"- {outbound}: '*'", f"+ {outbound}: ''"]}
    assert left("k") == []


@pytest.mark.parametrize("target", ["", "  target: {kind: StatefulSet}\n"])
def test_what_a_patch_in_the_kustomization_itself_says_is_changed_there(folder, target):
    patch = dedent(PATCH) + "        traffic.sidecar.istio.io/includeOutboundIPRanges: '*'\n"
    inline = "".join(f"    {line}\n" for line in patch.splitlines())
    kustomization = f"{BASE}patches:\n- patch: |\n{inline}{target}"
    write_tree(folder, {"k/kustomization.yaml": kustomization, "k/prometheus.yaml": PLAIN})
    assert list(changed("k")) == ["k/kustomization.yaml"]
    assert left("k") == []


def test_what_an_operation_of_a_json_patch_sets_is_changed_in_it(folder):
    operation = "[{op: replace, path: /spec/template/spec/volumes/1/emptyDir, value: {}}]\n"
    kustomization = BASE + "patches:\n- path: patch.yaml\n  target: {kind: StatefulSet}\n"
    write_tree(folder, {"k/kustomization.yaml": kustomization, "k/prometheus.yaml": PLAIN, "k/patch.yaml": operation})
    assert list(changed("k")) == ["k/patch.yaml"]
    assert left("k") == []


def test_the_file_of_a_generated_config_map_is_changed(folder):
    configuration = dedent("""\
        scrape_configs:
        - job_name: istio-mtls   # the only one
          scheme: https
          tls_config:
            ca_file: /etc/prom-certs/root-cert.pem
            cert_file: /etc/prom-certs/cert-chain.pem
            key_file: /etc/prom-certs/key.pem
          enable_http2: false
        """)
    kustomization = BASE + "namespace: monitoring\nconfigMapGenerator:\n- name: prometheus\n  files: [prometheus.yml]\n"
    files = {"kustomization.yaml": kustomization, "prometheus.yaml": PLAIN, "prometheus.yml": configuration}
    write_tree(folder / "k", files)
    found = changed("k")
    assert list(found) == ["k/prometheus.yml"]
    assert found["k/prometheus.yml"][-1] == "+ insecure_skip_verify: true"
    assert left("k") == []


def write_incomplete_base(folder: Path) -> None:
    """A base without what its one overlay adds to it."""
    base = but(PLAIN, (OUTBOUND, ""))
    patch = PATCH + "            traffic.sidecar.istio.io/includeOutboundIPRanges: ''\n"
    files = {"base/kustomization.yaml": BASE, "base/prometheus.yaml": base, "prod/patch.yaml": patch}
    files["prod/kustomization.yaml"] = "resources: [../base]\npatches:\n- path: patch.yaml\n"
    write_tree(folder / "k", files)


def test_the_file_of_a_generated_secret_is_changed_and_none_of_its_lines_is_quoted(folder, capsys):
    jobs = dedent("""\
        - job_name: istio-mtls
          scheme: https
          basic_auth: {username: u, password: hunter2}
          tls_config:
            ca_file: /etc/prom-certs/root-cert.pem
            cert_file: /etc/prom-certs/cert-chain.pem
            key_file: /etc/prom-certs/key.pem
          enable_http2: false
        """)
    files = {"kustomization.yaml": "secretGenerator:\n- name: jobs\n  files: [jobs.yaml]\n", "jobs.yaml": jobs}
    write_tree(folder / "k", files)
    cli.run(("doctor", "k", "--fail-on", "never"))
    printed = capsys.readouterr().out
    assert "k/jobs.yaml:4:3" in printed
    assert "hunter2" not in printed
    assert changed("k")["k/jobs.yaml"][-1] == "+ insecure_skip_verify: true"
    assert left("k") == []


def test_a_patch_that_replaces_a_generated_file_is_changed_and_not_the_file(folder):
    job = but(CONFIGURATION, ("        insecure_skip_verify: true\n", ""))
    files = {"prometheus.yaml": PLAIN, "prometheus.yml": "scrape_configs: []\n", "patch.yaml": job}
    files["kustomization.yaml"] = (
        "resources: [prometheus.yaml]\npatches:\n- path: patch.yaml\n"
        "configMapGenerator:\n- name: prometheus\n  namespace: monitoring\n  files: [prometheus.yml]\n"
    )
    write_tree(folder / "k", files)
    assert list(changed("k")) == ["k/patch.yaml"]
    assert left("k") == []


def test_a_sound_build_of_an_incomplete_base_is_left_alone(folder):
    write_incomplete_base(folder)
    assert changed("k") == {}


def test_a_base_may_be_completed_where_that_changes_nothing_else(folder):
    write_incomplete_base(folder)
    write_tree(folder, {"k/dev/kustomization.yaml": OVERLAY.format(name="dev")})
    assert list(changed("k")) == ["k/base/prometheus.yaml"]
    before = read(["k/prod"], str).manifests[0].tree
    assert left("k") == []
    assert read(["k/prod"], str).manifests[0].tree == before


def write_jobs_of_dev_alone(folder: Path) -> None:
    """A base without certificates, which one of two overlays asks for."""
    files = {"base/kustomization.yaml": BASE, "base/prometheus.yaml": ORDINARY}
    other = "data:\n  prometheus.yml: |\n    scrape_configs: []\n"
    for name, text in (("dev", CONFIGURATION), ("prod", CONFIGURATION[: CONFIGURATION.index("data:")] + other)):
        files[f"{name}/kustomization.yaml"] = "resources: [../base, configuration.yaml]\n"
        files[f"{name}/configuration.yaml"] = text
    write_tree(folder / "k", files)


def test_a_base_is_not_changed_for_one_overlay_when_it_is_right_for_another(folder):
    write_jobs_of_dev_alone(folder)
    _, migration = of("k")
    (refused,) = [one for one in migration.refused if one.finding.severity == "error"]
    assert refused.finding.rule.id == "nothing-writes-certificates"
    assert refused.problem.message == "k/prod is made of this file too, and nothing is wrong with it there"
    assert "change it in a patch of" in refused.problem.hint
    assert changed("k") == {}
    assert migration.has_errors()


def test_a_patch_is_not_changed_when_it_is_for_other_objects_too(folder):
    patch = "- {op: replace, path: /spec/template/metadata/annotations, value: {team: metrics}}\n"
    web = but(ORDINARY, ("      labels:\n", "      annotations: {}\n      labels:\n"))
    web = web.replace("prometheus", "web").replace("quay.io/web/web:v3.14.0", "example.com/web:1")
    base = PLAIN.replace("        security.istio.io/tlsMode: disabled\n", "")
    kustomization = (
        "resources: [prometheus.yaml, web.yaml]\npatches:\n- path: patch.yaml\n  target: {kind: StatefulSet}\n"
    )
    files = {"kustomization.yaml": kustomization, "prometheus.yaml": base, "web.yaml": web, "patch.yaml": patch}
    write_tree(folder / "k", files)
    _, migration = of("k")
    told = {one.problem.message for one in migration.refused}
    assert "StatefulSet monitoring/web would be changed too, where nothing is wrong" in told
    assert changed("k") == {}


def test_what_a_json_patch_sets_is_taken_out_with_its_operation(folder):
    legacy = "{name: istio-workload-certs, secret: {secretName: istio.default}}"
    patch = f"- {{op: replace, path: /spec/template/spec/volumes/1, value: {legacy}}}\n"
    kustomization = BASE + "patches:\n- path: patch.yaml\n  target: {kind: StatefulSet}\n"
    write_tree(folder / "k", {"kustomization.yaml": kustomization, "prometheus.yaml": PLAIN, "patch.yaml": patch})
    assert left("k") == []
    assert "null" not in (folder / "k/patch.yaml").read_text()


def test_a_list_that_an_overlay_replaces_is_changed_in_the_overlay(folder):
    volumes = "  volumes:\n  - name: other\n    emptyDir: {}\n"
    patch = f"apiVersion: monitoring.coreos.com/v1\nkind: Prometheus\nmetadata: {{name: main}}\nspec:\n{volumes}"
    base = OPERATOR[: OPERATOR.index("---")].replace("namespace: monitoring\n", "namespace: monitoring\n")
    files = {"base/kustomization.yaml": BASE, "base/prometheus.yaml": base}
    name = base[base.index("name: ") :].split()[1]
    files["prod/kustomization.yaml"] = "resources: [../base]\npatches:\n- path: patch.yaml\n"
    files["prod/patch.yaml"] = patch.replace("{name: main}", f"{{name: {name}, namespace: monitoring}}")
    write_tree(folder / "k", files)
    found = changed("k")
    assert list(found) == ["k/prod/patch.yaml"]
    assert left("k") == []


def test_a_base_that_a_kustomization_needs_which_cannot_be_built_here_is_left_alone(folder):
    files = {"base/kustomization.yaml": BASE, "base/prometheus.yaml": ON_DISK}
    files["dev/kustomization.yaml"] = "resources: [../base]\n"
    files["prod/kustomization.yaml"] = "resources: [../base]\nhelmCharts: [{name: x}]\n"
    write_tree(folder / "k", files)
    _, migration = of("k")
    (refused,) = migration.refused
    assert refused.problem.message == "k/prod is made of this file too, and can't be built here"
    assert changed("k") == {}


def test_a_base_behind_a_link_is_changed_where_it_lies(folder):
    files = {"shared/prometheus.yaml": ON_DISK, "shared/kustomization.yaml": BASE}
    files |= {f"{name}/kustomization.yaml": "resources: [base]\n" for name in ("dev", "prod")}
    write_tree(folder / "k", files)
    for name in ("dev", "prod"):
        (folder / f"k/{name}/base").symlink_to("../shared")
    write_tree(folder, {"k/test/kustomization.yaml": "resources: [../shared]\n"})
    assert len(changed("k")) == 1
    assert left("k") == []


def test_a_file_outside_of_the_folder_that_was_named_is_not_changed(folder):
    files = {"base/kustomization.yaml": BASE, "base/prometheus.yaml": but(PLAIN, (OUTBOUND, ""))}
    files["prod/kustomization.yaml"] = OVERLAY.format(name="prod")
    write_tree(folder, files)
    _, migration = of("prod")
    assert migration.texts == {"prod/kustomization.yaml": files["prod/kustomization.yaml"]}
    (refused,) = migration.refused
    assert refused.problem.message == "this file is outside of what is to be changed"
    assert str(refused.problem.location).startswith("base/prometheus.yaml")
    assert list(changed("prod", "base")) == ["base/prometheus.yaml"]


def test_what_only_the_build_makes_is_left_to_the_user(folder):
    kustomization = BASE + "images: [{name: quay.io/prometheus/prometheus, newTag: v2.24.0}]\n"
    write_tree(folder, {"k/kustomization.yaml": kustomization, "k/prometheus.yaml": PLAIN})
    _, migration = of("k")
    (refused,) = migration.refused
    assert refused.finding.rule.id == "prometheus-too-old"
    assert refused.problem.message == "the kustomization makes this of several files, or in another form"


def test_jobs_in_a_secret_of_the_base_are_changed_in_the_base(folder):
    secret = dedent("""\
        apiVersion: v1
        kind: Secret
        metadata: {name: jobs, namespace: monitoring}
        stringData:
          jobs.yaml: |
            - job_name: istio-mtls
              scheme: https
              tls_config:
                ca_file: /etc/prom-certs/root-cert.pem
                cert_file: /etc/prom-certs/cert-chain.pem
                key_file: /etc/prom-certs/key.pem
              enable_http2: false
        """)
    write_tree(folder, {"k/base/kustomization.yaml": "resources: [secret.yaml]\n", "k/base/secret.yaml": secret})
    write_tree(folder, {"k/prod/kustomization.yaml": OVERLAY.format(name="prod")})
    assert changed("k")["k/base/secret.yaml"][-1] == "+ insecure_skip_verify: true"
    assert left("k") == []


@pytest.mark.skipif(not CORPUS.is_dir(), reason=f"the public manifests are not in {CORPUS}")
@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem[:60])
def test_a_file_of_the_corpus_is_changed_in_a_base_as_it_is_by_itself(folder, path):
    text = path.read_bytes().decode()
    write_tree(folder, {"base/kustomization.yaml": "resources: [x.yaml]\n", "base/x.yaml": text})
    write_tree(folder, {"prod/kustomization.yaml": "resources: [../base]\n"})
    alone, together = of("base/x.yaml")[1], of(".")[1]
    assert together.texts["base/x.yaml"] == alone.texts["base/x.yaml"]
    assert [one.rule.id for one in together.left] == [one.rule.id for one in alone.left]


@pytest.mark.programs
def test_kustomize_still_builds_what_was_changed(folder):
    patch = PATCH + "            traffic.sidecar.istio.io/includeOutboundIPRanges: '*'\n"
    kustomization = BASE + "patches:\n- path: patch.yaml\n"
    write_tree(folder, {"k/kustomization.yaml": kustomization, "k/prometheus.yaml": ON_DISK, "k/patch.yaml": patch})
    assert left("k") == []
    built = run("kubectl", "kustomize", "k")
    assert 'includeOutboundIPRanges: ""' in built
    assert "medium: Memory" in built
