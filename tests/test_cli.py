"""The command line: what it prints where, and the exit codes."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, NamedTuple

import pytest
import yaml

from generator import __version__
from generator.cli import run
from tests.conftest import snapshot, write_tree


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


Sidecert = Callable[..., Outcome]


@pytest.fixture
def sidecert(tiny, capsys, monkeypatch) -> Sidecert:
    """Run a command in the tiny project."""
    monkeypatch.chdir(tiny)

    def call(*arguments: str) -> Outcome:
        code = run(arguments)
        return Outcome(code, *capsys.readouterr())

    return call


def process(
    folder: Path, *arguments: str, stdout: int = subprocess.PIPE, environment: dict[str, str] | None = None
) -> subprocess.Popen[str]:
    """Start a real one."""
    return subprocess.Popen(
        [sys.executable, "-m", "generator", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent), **(environment or {})},
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
    )


def read_all(terminal: int) -> bytes:
    """Read what was written to a terminal, until nobody can write to it any more."""
    text = b""
    with contextlib.suppress(OSError):
        while part := os.read(terminal, 4096):
            text += part
    os.close(terminal)
    return text


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("doctor - <&-", "error: <stdin>: standard input is closed\n"),
        ("migrate - <&-", "error: <stdin>: standard input is closed\n"),
        ("doctor --explain legacy-secret >&-", "error: standard output is closed\n"),
        ("--version >&-", "error: standard output is closed\n"),
        ("doctor gone.yaml 2>&-", ""),
    ],
)
def test_closed_streams_are_no_bug(tmp_path, command, told):
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    shell = ["sh", "-c", f"{sys.executable} -m generator {command}"]
    done = subprocess.run(shell, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", told)


class TestRender:
    def test_writes_every_environment_in_all_forms(self, sidecert, tiny):
        assert sidecert("render") == Outcome(
            0, "", f"rendered 2 environments: {len(files(tiny))} files written, 0 removed, 0 unchanged, in output/\n"
        )
        assert {
            "manifests/dev/kustomization.yaml",
            "manifests/prod/eu-1/kustomization.yaml",
            "kustomize/base/tiny/kustomization.yaml",
            "kustomize/overlays/dev/kustomization.yaml",
            "kustomize/overlays/prod/eu-1/kustomization.yaml",
            "helm/prometheus-istio-mtls/Chart.yaml",
            "helm/prometheus-istio-mtls/templates/service.yaml",
            "helm/values/dev.yaml",
            "helm/values/prod/eu-1.yaml",
        } <= set(files(tiny))

    def test_leaves_a_second_time_everything_as_it_is(self, sidecert, tiny):
        sidecert("render")
        before = snapshot(tiny / "output")

        outcome = sidecert("render")

        assert outcome.err == (
            "rendered 0 environments, 2 unchanged: "
            f"0 files written, 0 removed, {len(files(tiny))} unchanged, in output/\n"
        )
        assert snapshot(tiny / "output") == before

    def test_takes_names_and_globs(self, sidecert, tiny):
        assert sidecert("render", "prod/*").code == 0
        assert not any("dev" in file for file in files(tiny))

    def test_takes_one_form(self, sidecert, tiny):
        sidecert("render")
        assert sidecert("render", "--only", "manifests").code == 0
        assert any(file.startswith("kustomize/") for file in files(tiny))

    def test_removes_an_environment_that_is_gone(self, sidecert, tiny):
        sidecert("render")
        (tiny / "overlays/dev.yaml").unlink()

        assert re.search(r"rendered 0 environments, 1 unchanged: 0 files written, \d+ removed", sidecert("render").err)
        assert not any("dev" in file for file in files(tiny))

    def test_of_some_keeps_the_others(self, sidecert, tiny):
        sidecert("render")
        (tiny / "overlays/dev.yaml").unlink()

        sidecert("render", "prod/eu-1")

        assert any("dev" in file for file in files(tiny))

    def test_of_some_tells_when_the_base_changes_for_others(self, sidecert, tiny):
        sidecert("render")
        write_tree(tiny, {"overlays/_defaults.yaml": "namespace: other\n"})

        assert "; the base changed: `sidecert render` brings the other environments up to date\n" in (
            sidecert("render", "dev").err
        )

    def test_says_nothing_when_quiet(self, sidecert):
        assert sidecert("render", "--quiet") == Outcome(0, "", "")

    def test_finds_the_project_and_its_parts_elsewhere(self, sidecert, tiny, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        (tiny / "overlays").rename(tiny / "envs")
        outcome = sidecert("render", "-C", str(tiny), "--overlays", "envs", "--output", "../elsewhere")

        assert (outcome.code, outcome.err[-19:]) == (0, ", in ../elsewhere/\n")
        assert (tmp_path / "elsewhere/manifests/dev").is_dir()

    def test_refuses_an_unknown_form(self, sidecert):
        outcome = sidecert("render", "--only", "jsonnet")

        assert outcome.code == 2
        assert "'jsonnet' is not one of manifests, kustomize, helm" in outcome.err

    def test_overwrites_hand_edits_when_forced_only(self, sidecert, tiny):
        sidecert("render")
        edited = tiny / "output/manifests/dev/kustomization.yaml"
        edited.write_text("mine")

        assert sidecert("render") == Outcome(
            2,
            "",
            "error: output/manifests/dev/kustomization.yaml: the file was edited by hand\n"
            "    hint: move your change to overlays/ or templates/, or lose it with --force\n",
        )
        assert edited.read_text() == "mine"
        assert sidecert("render", "--force").code == 0
        assert edited.read_text() != "mine"


class TestStdout:
    def test_is_a_stream_in_install_order(self, sidecert, tiny):
        outcome = sidecert("render", "--stdout", "dev")

        assert [document["kind"] for document in yaml.safe_load_all(outcome.out)] == ["ConfigMap", "Service"]
        assert outcome.out.startswith("---\n")
        assert not (tiny / "output").exists()

    @pytest.mark.parametrize("arguments", [["dev", "prod/*"], [], ["dev", "--check"]])
    def test_takes_one_environment(self, sidecert, arguments):
        outcome = sidecert("render", "--stdout", *arguments)

        assert outcome.code == 2
        assert "Error: --stdout takes exactly one environment, and no --check" in outcome.err


class TestCheck:
    def test_is_content_with_what_was_rendered(self, sidecert, tiny):
        sidecert("render")

        message = f"output/ is up to date: 2 environments, {len(files(tiny))} files\n"
        assert sidecert("render", "--check") == Outcome(0, "", message)

    def test_shows_what_is_stale_and_writes_nothing(self, sidecert, tiny):
        sidecert("render")
        before = snapshot(tiny / "output")
        write_tree(tiny, {"overlays/dev.yaml": "replicas: 2\n"})

        outcome = sidecert("render", "--check", "--only", "manifests")

        assert outcome.code == 1
        assert "-  replicas: '1'\n+  replicas: '2'\n" in outcome.out
        assert outcome.err == "output/ is not what would be rendered: 2 files stale, 0 edited by hand\n"
        assert snapshot(tiny / "output") == before

    def test_shows_hand_edits(self, sidecert, tiny):
        sidecert("render")
        (tiny / "output/manifests/dev/kustomization.yaml").write_text("mine\n")

        outcome = sidecert("render", "--check")

        assert outcome.code == 1
        assert outcome.out.startswith("--- output/manifests/dev/kustomization.yaml (edited by hand)\n")
        assert outcome.err.endswith("0 files stale, 1 edited by hand\n")

    def test_makes_no_output_folder(self, sidecert, tiny):
        assert sidecert("render", "--check", "--quiet").code == 1
        assert not (tiny / "output").exists()

    @pytest.mark.parametrize(("environment", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
    def test_is_coloured_on_a_terminal(self, tiny, environment, coloured):
        ours, theirs = pty.openpty()
        with process(tiny, "render", "--check", "-q", "--only", "manifests", stdout=theirs, environment=environment):
            os.close(theirs)
            assert (b"\x1b[32m" in read_all(ours)) is coloured


class TestList:
    def test_is_a_table(self, sidecert):
        assert sidecert("list") == Outcome(0, "dev        tiny  team\nprod/eu-1  tiny  team\n", "")

    @pytest.mark.parametrize(("form", "load"), [("json", json.loads), ("yaml", yaml.safe_load)])
    def test_has_forms_for_programs(self, sidecert, form, load):
        assert load(sidecert("list", "-o", form).out)[1] == {
            "name": "prod/eu-1", "variant": "tiny", "namespace": "team",
        }  # fmt: skip


class TestValues:
    MERGED: ClassVar = {"variant": "tiny", "name": "prometheus", "namespace": "team", "replicas": 3, "labels": {}}

    @pytest.mark.parametrize(("arguments", "load"), [([], yaml.safe_load), (["-o", "json"], json.loads)])
    def test_are_merged(self, sidecert, arguments, load):
        assert load(sidecert("values", "prod/eu-1", *arguments).out) == self.MERGED

    def test_tell_their_origin(self, sidecert):
        lines = sidecert("values", "prod/eu-1", "--origin").out.splitlines()

        assert "namespace: team  # overlays/_defaults.yaml:1:1" in lines
        assert "replicas: 3  # overlays/prod/eu-1.yaml:1:1" in lines
        assert "labels: {}  # templates/values.schema.json" in lines

    def test_of_an_unknown_environment_are_refused(self, sidecert):
        message = "error: there is no environment 'prod/eu-2'\n    hint: did you mean `prod/eu-1`?\n"
        assert sidecert("values", "prod/eu-2") == Outcome(2, "", message)

    def test_with_their_origin_have_one_form(self, sidecert):
        assert sidecert("values", "dev", "--origin", "-o", "json").code == 2


class TestSchema:
    def test_is_printed_with_the_variants_of_the_project(self, sidecert):
        printed = json.loads(sidecert("schema").out)

        assert "tiny" in printed["properties"]["variant"]["enum"]
        assert printed["properties"]["replicas"]["maximum"] == 9


class TestCompletion:
    @pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
    def test_prints_a_script(self, sidecert, shell):
        assert "_SIDECERT_COMPLETE" in sidecert("completion", shell).out

    def test_offers_environments(self, tiny):
        words = {"COMP_WORDS": "sidecert render pr", "COMP_CWORD": "2", "_SIDECERT_COMPLETE": "bash_complete"}
        out, err = process(tiny, environment=words).communicate()

        assert (out, err) == ("plain,prod/eu-1\n", "")

    def test_offers_nothing_where_there_is_no_project(self, tmp_path):
        words = {"COMP_WORDS": "sidecert render ", "COMP_CWORD": "2", "_SIDECERT_COMPLETE": "bash_complete"}
        assert process(tmp_path, environment=words).communicate() == ("\n", "")


class TestHelp:
    @pytest.mark.parametrize("command", ["render", "list", "values", "schema", "completion"])
    def test_shows_examples(self, sidecert, command):
        outcome = sidecert(command, "--help")

        assert outcome.code == 0
        assert f"sidecert {command}" in outcome.out.partition("Example")[2]

    def test_of_version(self, sidecert):
        assert sidecert("--version") == Outcome(0, f"sidecert {__version__}\n", "")

    def test_comes_without_heavy_imports(self):
        code = "import sys, generator.cli; print([name for name in sys.modules if name in sys.argv])"
        heavy = ["jinja2", "_ruamel_yaml", "jsonschema_rs", "deepmerge", "pathlib", "hashlib", "logging", "json"]
        done = subprocess.run([sys.executable, "-c", code, *heavy], capture_output=True, text=True)
        assert done.stdout == "[]\n"

    def test_every_option_has_its_parameter(self):
        import inspect

        from generator.cli.commands import cli

        for command in cli.commands.values():
            assert command.callback is not None
            signature = inspect.signature(command.callback).parameters
            passed = {parameter.name for parameter in command.params}
            named = {name for name, parameter in signature.items() if parameter.kind is not parameter.VAR_KEYWORD}
            assert passed - named == (
                {"directory", "overlays", "templates", "output"} if "where" in signature else set()
            )


class TestFailures:
    def test_of_ours_say_how_to_report_them(self, sidecert, monkeypatch):
        monkeypatch.setattr("generator.build.summaries", lambda *_: 1 / 0)

        outcome = sidecert("list")
        assert outcome == Outcome(
            3,
            "",
            f"sidecert {__version__} has a bug, and stopped: ZeroDivisionError: division by zero\n"
            "    hint: run it again with SIDECERT_DEBUG=1, and report what it prints together with the overlay\n",
        )
        monkeypatch.setenv("SIDECERT_DEBUG", "1")
        assert "Traceback (most recent call last)" in sidecert("list").err

    def test_are_capped(self, sidecert, tiny):
        write_tree(tiny, {f"overlays/e{number}.yaml": "replicas: 99\n" for number in range(60)})

        outcome = sidecert("render")

        assert outcome.err.count("error: ") == 50
        assert outcome.err.endswith("\nand 10 more\n")

    def test_of_every_environment_are_told_at_once(self, sidecert, tiny):
        write_tree(tiny, {"overlays/dev.yaml": "replicas: 0\n", "overlays/prod/eu-1.yaml": "replicas: 10\n"})

        err = sidecert("render").err
        assert "overlays/dev.yaml:1" in err
        assert "overlays/prod/eu-1.yaml:1" in err

    def test_of_shared_defaults_are_told_once(self, sidecert, tiny):
        write_tree(tiny, {"overlays/_defaults.yaml": "namespace: [\n"})

        assert sidecert("render").err.count("error: ") == 1

    def test_a_reader_that_goes_away_is_no_error(self, tiny):
        write_tree(tiny, {f"overlays/e{number:04}.yaml": "{}\n" for number in range(3000)})
        writer = process(tiny, "list")
        assert writer.stdout is not None
        assert writer.stderr is not None
        writer.stdout.close()

        assert writer.wait() == 141
        assert writer.stderr.read() == ""
        writer.stderr.close()

    def test_an_interrupt_exits_with_130(self, tiny):
        code = "import os, signal, time, generator.cli as c\nfrom generator import build\n"
        # A shell that runs the tests in the background has its children ignore the signal.
        code += "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        # It may arrive a moment after it was sent.
        code += "build.summaries = lambda *_: [os.kill(os.getpid(), signal.SIGINT), time.sleep(20)]\n"
        code += "print(c.run(['list']))"
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
        done = subprocess.run([sys.executable, "-c", code], cwd=tiny, env=environment, capture_output=True, text=True)

        assert done.stdout == "130\n"
        assert done.stderr.strip() == "interrupted: nothing was changed"


def files(project: Path) -> list[str]:
    """Every output file but the inventories."""
    return [name for name in snapshot(project / "output") if not name.startswith(".inventory")]
