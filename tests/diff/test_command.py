"""The command: against the output folder and against commits, with real renders and a real git."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from generator.cli import run
from tests.conftest import snapshot, write_tree
from tests.repository import Repository

ROOT = Path(__file__).parent.parent.parent


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


Sidecert = Callable[..., Outcome]
Runner = Callable[[Path], Sidecert]
AGAINST_OUTPUT = "comparing output/ with what would be rendered now\n"


@pytest.fixture
def runner(capsys, monkeypatch) -> Runner:
    """Run commands in a folder."""

    def start(folder: Path) -> Sidecert:
        monkeypatch.chdir(folder)

        def call(*arguments: str) -> Outcome:
            code = run(arguments)
            return Outcome(code, *capsys.readouterr())

        return call

    return start


@pytest.fixture
def sidecert(tiny, runner) -> Sidecert:
    """Run commands in the tiny project, whose output is up to date."""
    call: Sidecert = runner(tiny)
    assert call("render").code == 0
    return call


@pytest.fixture
def repository(tiny) -> Repository:
    """The tiny project, committed without its output."""
    found = Repository(tiny)
    found.commit({".gitignore": "output/\n"})
    return found


def test_says_so_and_exits_0_where_nothing_differs(sidecert):
    assert sidecert("diff") == (0, "No difference in 2 environments\n", AGAINST_OUTPUT)


def test_tells_what_a_render_would_change_and_exits_1_and_writes_nothing(sidecert, tiny):
    write_tree(tiny, {"overlays/_defaults.yaml": "namespace: team\n", "overlays/new.yaml": "replicas: 2\n"})
    (tiny / "overlays/prod/eu-1.yaml").unlink()
    before = snapshot(tiny)
    assert sidecert("diff") == (
        1,
        "0 of 2 environments differ, 1 is new, 1 is gone\n+ new: new\n- gone: prod/eu-1\n",
        AGAINST_OUTPUT,
    )
    (tiny / "overlays/dev.yaml").write_text("replicas: 2\n")
    assert sidecert("diff").out.splitlines()[3:] == [
        *("", "1 environment: dev", "  ConfigMap team/prometheus", "    data.replicas: '1' -> '2'"),
    ]
    (tiny / "overlays/dev.yaml").write_text("replicas: 1\n")
    assert snapshot(tiny / "output") == {
        name.removeprefix("output/"): state for name, state in before.items() if name.startswith("output/")
    }


def test_environments_that_are_gone_are_told_for_a_whole_run_alone(sidecert, tiny):
    (tiny / "overlays/prod/eu-1.yaml").unlink()
    assert sidecert("diff", "dev") == (0, "No difference in 1 environment\n", AGAINST_OUTPUT)
    assert sidecert("diff").out.endswith("- gone: prod/eu-1\n")


def test_takes_globs_and_selectors(sidecert, tiny):
    write_tree(
        tiny, {"overlays/dev.yaml": "labels: {tier: test}\nreplicas: 4\n", "overlays/prod/eu-1.yaml": "replicas: 5\n"}
    )
    assert "data.replicas: '3' -> '5'" in sidecert("diff", "pro*").out
    assert "data.replicas: '1' -> '4'" in sidecert("diff", "--selector", "tier=test").out
    assert sidecert("diff", "-l", "tier=none").out == "No difference in 0 environments\n"
    assert sidecert("diff", "nowhere").code == 2


def test_when_there_is_no_difference_render_writes_no_manifest(sidecert, tiny):
    config = tiny / "output/manifests/dev/configmap-prometheus.yaml"
    rendered = config.read_text()
    for edited in (f"{rendered}# a comment\n", rendered.replace("from environment", "by hand, from environment")):
        config.write_text(edited)
        outcome = sidecert("diff")
        assert outcome.code == 1
        assert "the file: only the text changed, not what it says" in outcome.out
    config.write_text(rendered)
    assert sidecert("diff").code == 0
    config.unlink()
    assert "ConfigMap team/prometheus\n  + added:\n" in sidecert("diff").out


def test_a_file_that_is_in_the_way_of_a_render_counts_as_what_was(sidecert, tiny):
    shutil.rmtree(tiny / "output/.inventory")
    assert sidecert("diff").code == 0
    (tiny / "output/manifests/dev/configmap-prometheus.yaml").write_text("mine")
    assert "  File configmap-prometheus.yaml\n    the file: its text changed\n  - mine\n" in sidecert(
        "diff"
    ).out.replace("-   ", "- ")


def test_without_output_every_environment_is_new(tiny, runner):
    assert runner(tiny)("diff").out == "0 of 2 environments differ, 2 are new\n+ new: dev, prod/eu-1\n"


def test_problems_of_rendering_are_all_told_as_render_tells_them(sidecert, tiny):
    write_tree(tiny, {"overlays/dev.yaml": "replicas: no\n", "overlays/prod/eu-1.yaml": "name: istiod\n"})
    outcome = sidecert("diff")
    assert outcome.code == 2
    assert outcome.out == ""
    assert outcome.err.removeprefix(AGAINST_OUTPUT) == sidecert("render").err
    assert outcome.err.count("error: ") == 2


def test_forms(sidecert, tiny):
    (tiny / "overlays/dev.yaml").write_text("replicas: 2\n")
    assert json.loads(sidecert("diff", "-o", "json").out)["groups"][0]["changes"] == [
        {
            "resource": {"apiVersion": "v1", "kind": "ConfigMap", "namespace": "team", "name": "prometheus"},
            "change": "changed",
            "path": ["data", "replicas"],
            "pathText": "data.replicas",
            "old": "1",
            "new": "2",
        }
    ]
    assert "- data.replicas: '1'\n+ data.replicas: '2'\n" in sidecert("diff", "-o", "markdown").out
    assert "\x1b" not in sidecert("diff").out


# ---------------------------------------------------------------------------------------------------- against a commit


def test_renders_the_inputs_of_a_commit_that_has_no_output(repository, runner):
    sidecert, folder = runner(repository.folder), repository.folder
    template = folder / "templates/tiny/service.yaml.j2"
    template.write_text(template.read_text().replace("clusterIP: None", "type: ClusterIP"))
    write_tree(folder, {"overlays/new.yaml": "replicas: 2\n"})
    (folder / "overlays/prod/eu-1.yaml").unlink()
    assert sidecert("diff", "--against", "main") == (
        1,
        (
            "1 of 2 environments differ, 1 is new, 1 is gone\n+ new: new\n- gone: prod/eu-1\n\n1 environment: dev\n"
            "  Service team/prometheus\n  - spec.clusterIP: None\n  + spec.type: ClusterIP\n"
        ),
        "comparing overlays/ of main (rendered) with what would be rendered now\n",
    )


def test_takes_the_output_of_a_commit_that_has_it(tiny, runner):
    sidecert, repository = runner(tiny), Repository(tiny)
    sidecert("render")
    repository.commit()
    write_tree(tiny, {"overlays/dev.yaml": "replicas: 2\n", "output/manifests/dev/configmap-prometheus.yaml": "edited"})
    outcome = sidecert("diff", "--against", "HEAD")
    assert outcome.err == "comparing output/ of HEAD with what would be rendered now\n"
    assert "    data.replicas: '1' -> '2'\n" in outcome.out
    (tiny / "overlays/dev.yaml").write_text("replicas: 1\n")
    assert sidecert("diff", "--against", "HEAD").code == 0


def test_both_ways_of_comparing_with_a_commit_tell_the_same(tiny, runner):
    sidecert, repository = runner(tiny), Repository(tiny)
    repository.commit({".gitignore": "output/\n"})
    repository.git("tag", "inputs")
    sidecert("render")
    repository.commit({".gitignore": ""})
    write_tree(tiny, {"overlays/dev.yaml": "name: other\nreplicas: 2\n", "overlays/prod/us-1.yaml": "replicas: 2\n"})
    first, second = (sidecert("diff", "--against", ref).out for ref in ("inputs", "main"))
    assert first == second
    assert "ConfigMap team/other" in first


def test_a_template_that_was_removed_since_is_rendered_as_it_was(repository, runner):
    (repository.folder / "templates/tiny/service.yaml.j2").unlink()
    outcome = runner(repository.folder)("diff", "--against", "HEAD", "dev")
    assert outcome.out.splitlines()[2:] == ["1 environment: dev", "  Service team/prometheus", "  - removed"]


def test_problems_of_old_inputs_are_told_as_such(repository, runner):
    broken = repository.commit({"overlays/dev.yaml": "replicas: no\n"})[:9]
    write_tree(repository.folder, {"overlays/dev.yaml": "replicas: 1\n"})
    outcome = runner(repository.folder)("diff", "--against", broken)
    assert outcome.code == 2
    assert f"error: {broken}:overlays/dev.yaml:1:1: replicas: wrong type" in outcome.err


def test_a_commit_with_neither_is_refused(repository, runner):
    repository.git("rm", "--quiet", "-r", "overlays")
    repository.commit({"other": ""})
    write_tree(repository.folder, {"overlays/dev.yaml": ""})
    outcome = runner(repository.folder)("diff", "--against", "main")
    assert outcome.code == 2
    assert "'main' has neither an inventory in output/ nor files in overlays/" in outcome.err


def test_an_unknown_commit_and_a_folder_without_git_are_refused(repository, runner, tmp_path):
    outcome = runner(repository.folder)("diff", "--against", "mian")
    assert (outcome.code, outcome.err.splitlines()[-1]) == (2, "    hint: did you mean `main`?")
    shutil.rmtree(repository.folder / ".git")
    assert runner(repository.folder)("diff", "--against", "main").code == 2


def test_nothing_is_left_in_the_folder_for_temporary_files(repository, runner, tmp_path, monkeypatch):
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    assert runner(repository.folder)("diff", "--against", "main").code == 0
    assert list(folder.iterdir()) == []


# ------------------------------------------------------------------------------------------------- the sample project


def test_the_sample_project_with_edited_defaults(tmp_path, runner):
    for name in ("overlays", "output/manifests", "output/.inventory/manifests"):
        shutil.copytree(ROOT / name, tmp_path / name)
    repository = Repository(tmp_path)
    repository.commit()
    defaults = tmp_path / "overlays/_defaults.yaml"
    defaults.write_text(
        defaults.read_text()
        .replace("scrapeInterval: 30s", "scrapeInterval: 15s")
        .replace("labels:", "labels:\n  tier: gold")
    )
    sidecert = runner(tmp_path)
    outcome = sidecert("diff")
    assert outcome.code == 1
    assert outcome.out.splitlines()[0] == "6 of 6 environments differ"
    assert outcome.out.count("+ metadata.labels.tier: gold") == 1
    assert '    data["prometheus.yml"].global.scrape_interval: 30s -> 15s' in outcome.out
    assert sidecert("diff", "--against", "HEAD").out == outcome.out
    (tmp_path / "output").rename(tmp_path / "elsewhere")
    repository.commit()
    assert sidecert("diff", "--against", "HEAD~1").out == outcome.out
    assert sidecert("diff", "--against", "HEAD").code == 0
