"""README.md is true: its commands run, in order, in a copy of the project, and do what it says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from generator import cli
from generator.cli.commands import cli as group
from generator.functions import FUNCTIONS
from generator.values import merge_trees
from tests import tools
from tests.acceptance.helm import chart_label, of_release
from tests.acceptance.test_kustomize import manifests
from tests.rendering import ROOT

README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```sh\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
MAKEFILE = (ROOT / "Makefile").read_text()

pytestmark = pytest.mark.programs


class Ran(NamedTuple):
    """A block that was run: its text, exit code and standard output."""

    block: str
    code: int
    output: str


def recipe(target: str) -> list[str]:
    """Give the commands of a Makefile's target, as typed with `.venv/bin` on the PATH."""
    found = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE)
    assert found, f"make {target} isn't there"
    return [line.strip().replace("$(BIN)/", "") for line in found[1].splitlines()]


def run_block(block: str, folder: Path, environment: dict[str, str]) -> Ran:
    """Run a block as a shell would; a make block by what the Makefile says, `make test` not at all."""
    if block.startswith("make "):
        target = block.split()[1]
        block = "\n".join(recipe(target) if target == "render" else [])
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block], cwd=folder, env=environment, capture_output=True, text=True
    )
    return Ran(block, done.returncode, done.stdout if not done.returncode else done.stdout + done.stderr)


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A copy of what a user has: the inputs, and an `output/` still to be rendered."""
    folder: Path = tmp_path_factory.mktemp("readme") / "sidecert"
    for name in ("overlays", "templates"):
        shutil.copytree(ROOT / name, folder / name)
    identity = ["-c", "user.name=user", "-c", "user.email=user@example.com"]
    for arguments in (["init", "--quiet"], ["add", "."], [*identity, "commit", "--quiet", "--message", "inputs"]):
        subprocess.run(["git", *arguments], cwd=folder, check=True)
    return folder


@pytest.fixture(scope="module")
def ran(project, tmp_path_factory) -> list[Ran]:
    """Every block of the README, run in order."""
    programs = tmp_path_factory.mktemp("bin")
    (programs / "sidecert").write_text(f'#!/bin/sh\nexec {sys.executable} -m generator "$@"\n')
    (programs / "sidecert").chmod(0o755)
    for name in ("helm", "kubectl"):
        (programs / name).symlink_to(tools.program(name))
    environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    return [run_block(block, project, environment) for block in BLOCKS]


def output_of(ran: list[Ran], command: str) -> str:
    (found,) = [one.output for one in ran if command in one.block]
    return found


def resources(stream: str) -> dict[tuple[str, str, str], Any]:
    """The resources of a stream by identity, with what is YAML inside a ConfigMap parsed."""
    found = {}
    for tree in yaml.safe_load_all(stream):
        if tree["kind"] == "ConfigMap":
            tree["data"] = {name: yaml.safe_load(text) for name, text in tree["data"].items()}
        found[tree["kind"], tree["metadata"].get("namespace", ""), tree["metadata"]["name"]] = tree
    return found


def test_the_chart_gives_the_manifests_once_more(ran, project):
    chart = project / "output/helm/prometheus-istio-mtls"
    charted = of_release(output_of(ran, "helm template prometheus output"), chart_label(chart))
    assert charted == manifests(project / "output/manifests/prod/eu-1")


def test_the_packed_chart_installs(ran):
    printed = output_of(ran, "sidecert package")
    assert printed.startswith("dist/prometheus-istio-mtls-1.4.0.tgz\n---\n")
    assert "kind: Prometheus\n" in printed
    assert 'helm.sh/chart: "prometheus-istio-mtls-1.4.0"\n' in printed


def test_every_block_runs(ran):
    assert [(one.block, one.output) for one in ran if one.code] == []


def test_it_opens_with_make_render_and_make_test():
    assert BLOCKS[:2] == ["make render\n", "make test\n"]


def test_make_render_installs_and_renders():
    assert recipe("render") == ["sidecert render"]
    assert re.search(r"^render: \$\(VENV\)/\.installed ", MAKEFILE, re.MULTILINE)
    assert re.search(
        r"^\$\(VENV\)/\.installed: .*\n(?:\t.*\n)*\t\$\(PIP\) install --editable \.\n", MAKEFILE, re.MULTILINE
    )


def test_make_test_installs_every_tool_and_runs_every_test():
    assert recipe("test")[-1].split()[0] == "pytest"
    assert "--editable '.[test]'" in MAKEFILE
    assert "-m tests.tools" in MAKEFILE


def test_make_bench_exists():
    assert recipe("bench")


@pytest.mark.parametrize("name", ["dev", "prod/eu-2", "edge/factory-7"])
def test_rendering_writes_every_environment_in_both_forms(ran, project, name):
    for form in ("manifests", "kustomize/overlays"):
        assert (project / "output" / form / name / "kustomization.yaml").is_file()


def test_the_two_print_the_same_resources(ran, project):
    kubectl = tools.program("kubectl")
    streams = [
        subprocess.run([kubectl, "kustomize", project / "output" / folder], capture_output=True, text=True).stdout
        for folder in ("manifests/prod/eu-2", "kustomize/overlays/prod/eu-2")
    ]
    assert resources(streams[0]) == resources(streams[1])
    printed = output_of(ran, "kubectl kustomize output/manifests/prod/eu-2")
    assert printed == "".join(streams)


def test_the_new_environment_has_what_its_folder_shares(ran, project):
    tree = yaml.safe_load((project / "output/manifests/prod/eu-2/statefulset-prometheus.yaml").read_text())
    assert tree["spec"]["replicas"] == 2
    assert "eu-2" in (project / "output/manifests/prod/eu-2/configmap-prometheus-config.yaml").read_text()


def test_origins_are_told_as_shown(ran):
    printed = output_of(ran, "--origin").splitlines()
    shown = re.search(r"^```\n(prometheus\.replicas: .*?)^```$", README, re.MULTILINE | re.DOTALL)
    assert shown
    assert set(shown[1].splitlines()) <= set(printed)


def test_a_rule_is_told_as_shown(tmp_path, capsys, monkeypatch):
    shown = re.search(r"^error: overlays/dev\.yaml:(\d+):.*$", README, re.MULTILINE)
    assert shown
    (tmp_path / "overlays").mkdir()
    lines = ["variant: plain", *["# "] * (int(shown[1]) - 3), "certificates:", "  volume: istio-certs"]
    (tmp_path / "overlays/dev.yaml").write_text("\n".join(lines) + "\n")
    monkeypatch.chdir(tmp_path)
    assert cli.run(["render"]) == 2
    assert capsys.readouterr().err == f"{shown[0]}\n"


def test_the_own_variant_renders(ran):
    (tree,) = yaml.safe_load_all(output_of(ran, "my-project"))
    assert tree["metadata"] == {
        "name": "prometheus-probe",
        "namespace": "monitoring",
        "labels": {"app.kubernetes.io/name": "prometheus", "app.kubernetes.io/instance": "prometheus"},
    }
    assert tree["data"] == {"replicas": "2"}


def test_shards_together_write_what_one_render_does(ran, project):
    written = {path: path.read_bytes() for path in (project / "part").rglob("*") if path.is_file()}
    whole = {
        path: path.read_bytes()
        for path in (project / "output").rglob("*")
        if path.is_file() and "adopt" not in path.parts  # what no render writes
    }
    assert {path.relative_to(project / "part"): content for path, content in written.items()} == {
        path.relative_to(project / "output"): content for path, content in whole.items()
    }


def test_every_variant_and_its_folder_is_in_the_table():
    named = re.findall(r"^\| `(\w+)` \| ", README.partition("## Which variant")[2].partition("\n## ")[0], re.MULTILINE)
    folders = {path.name for path in (ROOT / "templates").iterdir() if path.is_dir() and not path.name.startswith("_")}
    assert set(named) == folders


def test_every_command_is_in_the_table():
    assert {name.split()[0] for name in re.findall(r"^\| `sidecert ([^`]*)` ", README, re.MULTILINE)} == set(
        group.commands
    )


def options() -> Iterator[str]:
    for command in group.commands.values():
        for parameter in command.params:
            yield from (option for option in parameter.opts if option.startswith("-"))


_OTHER_PROGRAMS = r"`(kubectl|helm|pip|python) [^`]*`|^helm .*"


def test_every_option_named_exists():
    ours = re.sub(_OTHER_PROGRAMS, "", README, flags=re.MULTILINE)
    named = set(re.findall(r"(?<![\w-])(--?[a-zA-Z][a-z-]*)(?=[ `]|\n)", ours))
    programs_own = {"-p", "--check", "--quiet", "-k", "-f", "-m", "-eq", "--body-file"}
    assert named - programs_own <= {*options(), "--help"}


def test_exit_codes_are_those_of_the_command_line():
    listed = {int(code) for code in re.findall(r"^\| (\d+) \| ", README, re.MULTILINE)}
    own = cli.__doc__ or ""
    assert listed == {0, *(int(code) for code in re.findall(r"\b(\d+) (?!fine)[a-z`]", own))}


def test_every_link_leads_to_a_file():
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", README) if "://" not in link]
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


#: The rows of the table of merge rules: a later layer, an earlier one, the result.
MERGES: dict[tuple[str, str], tuple[Any, Any, Any]] = {
    ("a map", "a map"): ({"b": 2, "c": 3}, {"a": 1, "b": 1}, {"a": 1, "b": 2, "c": 3}),
    ("a scalar or a list", "anything"): ([1], {"a": 1}, [1]),
    ("a map", "a scalar or a list"): ({"a": 1}, [1], {"a": 1}),
    ("`null`", "anything, or nothing"): (None, {"a": 1}, "no such key"),
    ("nothing", "anything"): ("nothing", {"a": 1}, {"a": 1}),
}


def test_every_row_of_the_merge_rules_holds():
    rows = re.findall(r"^\| (.*?) \| (.*?) \| .* \|$", README.partition("| a later layer has |")[2], re.MULTILINE)
    assert [row for row in rows if row[0] != "---"][: len(MERGES)] == list(MERGES)
    for later, earlier, result in MERGES.values():
        layers = [{"key": earlier}, {} if later == "nothing" else {"key": later}]
        expected = {} if result == "no such key" else {"key": result}
        merged = merge_trees(*layers)
        assert {name: value for name, value in merged.items() if value is not None} == expected


DOCUMENTS = sorted((ROOT / "docs").glob("*.md"))


@pytest.mark.parametrize("document", DOCUMENTS, ids=[path.name for path in DOCUMENTS])
def test_every_template_that_a_document_names_exists(document):
    named = re.findall(r"`((?:_lib|plain|operator|manual|merged)/[\w./]*)`", document.read_text())
    assert [name for name in named if name != "_lib/x.j2" and not (ROOT / "templates" / name).exists()] == []


def test_every_setting_that_the_facts_quote_stands_in_a_template():
    facts = (ROOT / "docs/facts.md").read_text()
    quoted = re.findall(
        r"^\|[^|]*?(?<!no )`((?:sidecar|traffic|proxy|inject|status|security)\.[\w.]*istio\.io/\w+)",
        facts,
        re.MULTILINE,
    )
    templates = "".join(path.read_text() for path in (ROOT / "templates").rglob("*.j2"))
    assert quoted
    assert [name for name in quoted if name not in templates] == []


def test_the_template_language_names_every_function():
    words = set(re.findall(r"[a-z_]+", (ROOT / "docs/templates.md").read_text()))
    assert set(FUNCTIONS) - words == set()


def test_doctor_says_of_the_example_what_is_shown(ran):
    shown = re.search(r"^```\n(mine/prometheus.yaml:.*?)^```$", README, re.MULTILINE | re.DOTALL)
    assert shown
    assert shown[1] in output_of(ran, "sidecert doctor mine/prometheus.yaml -q")


def test_what_was_migrated_and_what_was_adopted_is_fine(ran):
    for command in ("--write", "kubectl kustomize mine"):
        last = output_of(ran, command).splitlines()[-1]
        assert "error" not in last
        assert "warning" not in last
