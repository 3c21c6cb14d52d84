"""Every construct of the template language: the Go template it gives, and that Helm reads it as Jinja does."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from generator import yaml
from generator.errors import GeneratorError
from generator.functions import FUNCTIONS
from generator.schema import schema_from_text
from generator.values import Values
from tests.staging.cases import HERE, Case, compiled, read_cases, rendered
from tests.staging.trees import TREES
from tests.tools import program

CASES = read_cases()
COMPILED = [case for case in CASES if not case.expected.startswith("ERR: ")]
#: Rules print nothing, and Helm alone gives labels of the release.
RENDERED = [case for case in COMPILED if case.name not in {"rule_fail", "labels_of_the_release"}]
HELMS = {"Helm 4": program("helm"), "Helm 3": str(Path(sys.executable).with_name("helm"))}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_construct_gives_this_go_template(case: Case):
    try:
        found = compiled(case)
    except GeneratorError as error:
        found = f"ERR: {error}\n"
    assert found == case.expected


@pytest.mark.parametrize("name", TREES)
def test_the_values_of_the_cases_are_valid(name: str):
    schema = schema_from_text((HERE / "values.schema.json").read_text(encoding="utf-8"), "values.schema.json")
    assert schema.check(Values(TREES[name], ())) == []


@pytest.fixture(scope="module", params=HELMS)
def helm_results(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """What Helm prints for each case, by tree: one chart with all cases, one run for each tree."""
    folder = tmp_path_factory.mktemp("chart")
    (folder / "templates").mkdir()
    (folder / "Chart.yaml").write_text("apiVersion: v2\nname: cases\nversion: 1.0.0\n")
    helpers = "".join(row.helper for row in FUNCTIONS.values()) + '{{- define "chart" }}cases-1.0.0{{ end }}\n'
    cases = "".join(f'{{{{- define "{case.name}" }}}}\n{case.expected}{{{{ end }}}}\n' for case in COMPILED)
    (folder / "templates/_cases.tpl").write_text(helpers + cases, encoding="utf-8")
    lines = (f'  "{case.name}": {{{{ include "{case.name}" . | toJson }}}}\n' for case in RENDERED)
    (folder / "templates/cases.yaml").write_text("kind: Cases\ncases:\n" + "".join(lines), encoding="utf-8")
    found: dict[str, dict[str, str]] = {}
    for name, tree in TREES.items():
        values = folder / f"{name}.yaml"
        values.write_text(yaml.block(tree) + "\n", encoding="utf-8")
        helm = [HELMS[request.param], "template", "cases", str(folder), "--values", str(values)]
        done = subprocess.run(helm, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        printed: Any = yaml.load(done.stdout, "cases.yaml")
        found[name] = printed["cases"]
    return found


@pytest.mark.programs
@pytest.mark.parametrize("case", RENDERED, ids=lambda case: case.name)
@pytest.mark.parametrize("name", TREES)
def test_helm_makes_of_it_what_jinja_makes_of_the_template(
    case: Case, name: str, helm_results: dict[str, dict[str, str]]
):
    ours = rendered(case, TREES[name])
    theirs = helm_results[name][case.name]
    assert yaml.load_documents(theirs + "\n", "Helm") == yaml.load_documents(ours, "Jinja")


@pytest.mark.programs
def test_helm_tells_every_broken_rule_in_one_run(tmp_path: Path):
    (rule,) = (case for case in COMPILED if case.name == "rule_fail")
    (tmp_path / "templates").mkdir()
    (tmp_path / "Chart.yaml").write_text("apiVersion: v2\nname: cases\nversion: 1.0.0\n")
    check = f'{{{{- $problems := list }}}}\n{rule.expected}{{{{- fail (join "\\n" $problems) }}}}\n'
    (tmp_path / "templates/validate.yaml").write_text(check, encoding="utf-8")
    (tmp_path / "values.yaml").write_text(yaml.block(TREES["full"]) + "\n", encoding="utf-8")
    done = subprocess.run([program("helm"), "template", str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 1
    assert 'flag: not "today"\n' in done.stderr
    assert "jobs.b.targets: 100% empty, by prometheus\n" in done.stderr


def test_there_is_a_case_for_every_function():
    texts = "".join(case.template for case in CASES)
    assert [name for name in FUNCTIONS if name not in texts] == []


def test_helm_3_and_helm_4_are_what_they_say():
    for name, path in HELMS.items():
        assert shutil.which(path)
        version = subprocess.run([path, "version", "--short"], capture_output=True, text=True).stdout
        assert version.startswith(name.replace("Helm ", "v"))
