"""A team's own variant: a folder of templates with a schema of its own, beside ours, over ours, and never outside."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from generator.cli import run
from tests.conftest import WriteTree, write_tree

Files = Mapping[str, str]

SCHEMA = """
    {
      "properties": {
        "probe": {
          "type": "object",
          "description": "The blackbox exporter.",
          "additionalProperties": false,
          "properties": {
            "replicas": {"type": "integer", "minimum": 1, "maximum": 9, "default": 1, "description": "Number of pods."}
          }
        }
      }
    }
    """
TEMPLATE = """
    apiVersion: v1
    kind: ConfigMap
    {% with name = format("%s-probe", values.name) %}
    {% include "_lib/metadata.yaml.j2" %}
    {% endwith %}
    data:
      replicas: {{ format("%d", values.probe.replicas) }}
    """
PROBE: dict[str, str] = {
    "templates/probe/values.schema.json": SCHEMA,
    "templates/probe/config.yaml.j2": TEMPLATE,
    "overlays/probe.yaml": "variant: probe\n",
}


class Printed(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def trees(self) -> dict[str, Any]:
        """The resources printed, by kind and name."""
        return {f"{tree['kind']} {tree['metadata']['name']}": tree for tree in yaml.safe_load_all(self.out)}


@pytest.fixture
def sidecert(project: WriteTree, capsys, monkeypatch) -> Callable[..., Printed]:
    """Write a project and run a command in it."""

    def call(files: Files, *arguments: str) -> Printed:
        monkeypatch.chdir(project(files))
        code = run(arguments)
        return Printed(code, *capsys.readouterr())

    return call


class TestANewVariant:
    def test_is_a_folder(self, sidecert):
        printed = sidecert(PROBE, "render", "probe", "--stdout")
        assert printed.trees == {
            "ConfigMap prometheus-probe": {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {
                    "name": "prometheus-probe",
                    "namespace": "monitoring",
                    "labels": {"app.kubernetes.io/name": "prometheus", "app.kubernetes.io/instance": "prometheus"},
                },
                "data": {"replicas": "1"},
            }
        }

    def test_may_stand_in_a_folder_of_another_name(self, sidecert):
        files = {name.replace("templates/", "ours/"): text for name, text in PROBE.items()}
        printed = sidecert(files, "render", "probe", "--stdout", "--templates", "ours")
        assert list(printed.trees) == ["ConfigMap prometheus-probe"]

    def test_renders_to_all_forms(self, sidecert, tmp_path):
        assert sidecert(PROBE, "render", "--quiet").code == 0
        output = tmp_path / "project/output"
        chart = output / "helm/prometheus-istio-mtls"
        assert (output / "helm/values/probe.yaml").exists()
        assert '{{- if eq .Values.variant "probe" }}' in (chart / "templates/config.yaml").read_text()
        assert '\n    "probe": {' in (chart / "values.schema.json").read_text()
        assert "\n# The blackbox exporter.\nprobe:\n" in (chart / "values.yaml").read_text()
        others = (path.relative_to(output).as_posix() for path in output.rglob("*.yaml"))
        assert sorted(path for path in others if not path.startswith(("helm/", "kustomize/components/"))) == [
            "kustomize/base/probe/configmap-prometheus-probe.yaml",
            "kustomize/base/probe/kustomization.yaml",
            "kustomize/overlays/probe/kustomization.yaml",
            "manifests/probe/configmap-prometheus-probe.yaml",
            "manifests/probe/kustomization.yaml",
        ]

    def test_says_why_it_makes_no_chart(self, sidecert, tmp_path):
        own = {**PROBE, "templates/probe/extra.yaml.j2": "# {{ values.name ~ 'x' }}\n"}
        printed = sidecert(own, "render", "--only", "helm")
        assert (printed.code, printed.out) == (2, "")
        assert printed.err == (
            "error: templates/probe/extra.yaml.j2:1: `~` is not part of the template language\n"
            '    hint: write `format("%s%s", a, b)`\n'
        )
        assert not (tmp_path / "project/output").exists()

    def test_stands_beside_ours(self, sidecert):
        printed = sidecert({**PROBE, "overlays/dev.yaml": "variant: plain\n"}, "list")
        assert printed.out == "dev    plain  monitoring\nprobe  probe  monitoring\n"

    def test_can_be_named_where_the_variants_are_listed(self, sidecert):
        printed = sidecert({**PROBE, "overlays/probe.yaml": "variant: prob\n"}, "render")
        assert (printed.code, printed.out) == (2, "")
        assert printed.err == (
            "error: overlays/probe.yaml:1:1: variant: not a possible value\n"
            '    found: the string "prob"\n'
            "    expected: `plain`, `operator`, `manual`, `merged` or `probe`\n"
            "    hint: did you mean `probe`?\n"
        )

    def test_adds_its_keys_to_the_schema(self, sidecert):
        assert '"The blackbox exporter."' in sidecert(PROBE, "schema").out

    def test_has_its_values_checked(self, sidecert):
        printed = sidecert({**PROBE, "overlays/probe.yaml": "variant: probe\nprobe:\n  replica: 2\n"}, "render")
        assert (printed.code, printed.out) == (2, "")
        assert printed.err == (
            "error: overlays/probe.yaml:3:3: probe.replica: unknown key\n"
            "    expected: `replicas`\n"
            "    hint: did you mean `replicas`?\n"
        )

    def test_has_rules_of_its_own_beside_ours(self, sidecert):
        rules = '{% if values.probe.replicas > 3 %}{{ fail("probe.replicas", "three are plenty") }}{% endif %}\n'
        overlay = "variant: probe\nprobe:\n  replicas: 4\ncertificates:\n  directory: /etc/certs\n"
        printed = sidecert({**PROBE, "templates/probe/_rules.j2": rules, "overlays/probe.yaml": overlay}, "render")
        assert printed.code == 2
        assert "error: overlays/probe.yaml:3:3: probe.replicas: three are plenty\n" in printed.err
        assert "error: overlays/probe.yaml:5:3: certificates.directory: the agent takes" in printed.err

    def test_adding_a_key_that_another_variant_adds_is_told_with_both_files(self, sidecert):
        other = {name.replace("/probe", "/watch"): text for name, text in PROBE.items()}
        printed = sidecert({**PROBE, **other}, "render")
        assert printed == (
            2,
            "",
            (
                "error: templates/watch/values.schema.json: "
                "the property `probe` is defined in templates/probe/values.schema.json already\n"
            ),
        )

    def test_adding_a_key_of_ours_is_told_with_both_files(self, sidecert):
        schema = SCHEMA.replace('"probe"', '"prometheus"')
        printed = sidecert({**PROBE, "templates/probe/values.schema.json": schema}, "render")
        own = re.fullmatch(
            "error: templates/probe/values.schema.json: the property `prometheus` is defined in (.*) already\n",
            printed.err,
        )
        assert own, printed.err
        assert own[1].endswith("values.schema.json")


class TestOneOfOurTemplates:
    def test_gives_way_to_one_of_the_same_path(self, sidecert):
        files = {
            "overlays/dev.yaml": "variant: plain\n",
            "templates/plain/service.yaml.j2": "apiVersion: v1\nkind: Service\nmetadata:\n  name: mine\n",
        }
        trees = sidecert(files, "render", "dev", "--stdout").trees
        assert "Service mine" in trees
        assert "Service prometheus" not in trees
        assert "StatefulSet prometheus" in trees

    def test_gives_way_where_it_is_included_too(self, sidecert):
        label = "app.kubernetes.io/name: prometheus\nteam.example.com/prometheus: {{ values.name }}\n"
        files = {"overlays/dev.yaml": "variant: plain\n", "templates/_lib/selector.yaml.j2": label}
        trees = sidecert(files, "render", "dev", "--stdout").trees
        wanted = {"app.kubernetes.io/name": "prometheus", "team.example.com/prometheus": "prometheus"}
        assert trees["Service prometheus"]["spec"]["selector"] == wanted
        assert trees["StatefulSet prometheus"]["spec"]["selector"]["matchLabels"] == wanted

    def test_has_company_in_its_folder(self, sidecert):
        files = {
            "overlays/dev.yaml": "variant: plain\n",
            "templates/plain/extra.yaml.j2": "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: extra\n",
        }
        assert "ConfigMap extra" in sidecert(files, "render", "dev", "--stdout").trees


class TestAnInclude:
    @pytest.mark.parametrize(
        "name", ["../secret.j2", "/etc/passwd", "probe/../../secret.j2", "..\\\\secret.j2", "./x.j2"]
    )
    def test_stays_inside_the_template_folders(self, sidecert, tmp_path, name):
        write_tree(tmp_path, {"secret.j2": "a: secret\n", "project/secret.j2": "a: secret\n"})
        template = f'apiVersion: v1\n{{% include "{name}" %}}\n'
        printed = sidecert({**PROBE, "templates/probe/config.yaml.j2": template}, "render", "probe", "--stdout")
        assert (printed.code, printed.out) == (2, "")
        assert printed.err.startswith("error: templates/probe/config.yaml.j2:2: ")
        assert "secret\n" not in printed.err.replace(name, "")

    def test_does_not_follow_a_link_that_leads_out(self, sidecert, tmp_path, project):
        write_tree(tmp_path, {"secret.j2": "a: secret\n"})
        folder: Path = project(PROBE)
        (folder / "templates/probe/_link.j2").symlink_to(tmp_path / "secret.j2")
        template = 'apiVersion: v1\n{% include "probe/_link.j2" %}\n'
        printed = sidecert({**PROBE, "templates/probe/config.yaml.j2": template}, "render", "probe", "--stdout")
        assert (printed.code, printed.out) == (2, "")
        assert "templates/probe/_link.j2: a symbolic link leads out of templates/" in printed.err

    def test_reaches_ours(self, sidecert):
        assert sidecert(PROBE, "render", "probe", "--stdout").code == 0
