"""The command ``migrate``: what it prints where, what it writes, and its exit codes."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from generator.cli import run
from generator.doctor.rules.examples import CONFIGURATION, PLAIN, but
from generator.doctor.rules.spoiling import MEMORY

ON_DISK = but(PLAIN, (MEMORY, "emptyDir: {}"))
UNVERIFIED = but(CONFIGURATION, ("        insecure_skip_verify: true\n", ""))
BARE = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: prometheus\nspec:\n  containers:\n  - name: prometheus\n"
BARE += "    image: prom/prometheus:v3.14.0\n    volumeMounts:\n    - name: certs\n      mountPath: /etc/certs\n"
BARE += "  volumes:\n  - name: certs\n    secret:\n      secretName: istio.default\n"


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


Migrate = Callable[..., Outcome]


@pytest.fixture
def migrate(tmp_path, capsysbinary, monkeypatch) -> Migrate:
    """Run the command in a folder of some files, each given as ``name=text``; ``stdin`` is what is piped in."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str, stdin: str = "", **files: str) -> Outcome:
        for name, text in files.items():
            (tmp_path / f"{name}.yaml").write_bytes(text.encode())
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        code = run(("migrate", *arguments))
        out, err = capsysbinary.readouterr()
        return Outcome(code, out.decode(), err.decode())

    return call


def test_without_write_a_diff_is_printed_and_nothing_written(migrate):
    outcome = migrate("prom.yaml", prom=ON_DISK)
    assert outcome.code == 1
    assert outcome.out.splitlines()[:2] == ["--- prom.yaml", "+++ prom.yaml"]
    assert [line for line in outcome.out.splitlines() if line[0] in "+-"][2:] == [
        "-        emptyDir: {}",
        "+        emptyDir:",
        "+          medium: Memory",
    ]
    assert outcome.err == "1 fault to repair\n"
    assert Path("prom.yaml").read_text() == ON_DISK


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_diff_is_one_that_git_applies(migrate, end):
    text = f"{ON_DISK}---\n{UNVERIFIED}".rstrip("\n").replace("\n", end)
    diff = migrate("prom.yaml", prom=text).out
    subprocess.run(["git", "apply", "-p0", "-"], input=diff.encode(), check=True)
    applied = Path("prom.yaml").read_bytes()
    outcome = migrate("prom.yaml", "--write", prom=text)
    assert (outcome.code, outcome.out) == (0, "")
    assert Path("prom.yaml").read_bytes() == applied


def test_write_changes_the_files_and_says_which_and_why(migrate):
    outcome = migrate(
        "prom.yaml", "conf.yaml", "other.yaml", "--write", prom=ON_DISK, conf=UNVERIFIED, other="kind: A\n"
    )
    assert (outcome.code, outcome.out) == (0, "")
    assert outcome.err.splitlines() == [
        "prom.yaml: changed: certificates-on-disk",
        "conf.yaml: changed: skip-verify-missing",
        "2 faults repaired",
    ]
    assert migrate("prom.yaml", "conf.yaml") == Outcome(0, "", "nothing to repair\n")
    assert sorted(path.name for path in Path().iterdir()) == ["conf.yaml", "other.yaml", "prom.yaml"]


def test_standard_input_comes_out_repaired(migrate):
    marked = f"\ufeff{ON_DISK}"
    outcome = migrate("-", stdin=marked)
    assert (outcome.code, outcome.err) == (0, "1 fault repaired\n")
    assert outcome.out == marked.replace("emptyDir: {}", MEMORY)
    assert migrate("-", stdin=PLAIN).out == PLAIN


@pytest.mark.parametrize("arguments", [("bare.yaml",), ("bare.yaml", "--write"), ("-",)])
def test_what_has_to_be_done_by_hand_is_told_and_an_error_ends_with_1(migrate, arguments):
    outcome = migrate(*arguments, stdin=BARE, bare=BARE)
    assert outcome.code == 1
    assert outcome.err.splitlines()[1].startswith("    by hand: a Pod can't be changed")
    place = "<stdin>" if arguments == ("-",) else "bare.yaml"
    assert outcome.err.startswith(f"{place}:15:7: error: the volume certs")
    assert outcome.err.endswith("nothing that can be repaired here, 1 error and 0 warnings left for you to repair\n")
    assert Path("bare.yaml").read_text() == BARE


def test_what_is_left_is_told_with_the_line_that_the_user_has(migrate):
    text = f"{ON_DISK}---\n{BARE}"
    line = text.splitlines().index("      secretName: istio.default") + 1
    assert f"all.yaml:{line}: error: the volume certs" in migrate("all.yaml", all=text).err
    written = migrate("all.yaml", "--write").err
    assert f"all.yaml:{line + 1}:7: error: the volume certs" in written
    assert written.endswith("1 fault repaired, 1 error and 0 warnings left for you to repair\n")


def test_rules_are_chosen_as_doctor_does(migrate):
    both = f"{ON_DISK}---\n{UNVERIFIED}"
    assert "medium" not in migrate("all.yaml", "--select", "skip-*", all=both).out
    assert "insecure" not in migrate("all.yaml", "--ignore", "skip-verify-missing").out
    outcome = migrate("all.yaml", "--select", "legacy-sekret")
    assert outcome.code == 2
    assert "did you mean `legacy-secret`?" in outcome.err


def test_versions_count(migrate):
    removed = PLAIN.replace("istio-workload-certs", "istio-certs")
    assert migrate("prom.yaml", prom=removed).code == 0
    outcome = migrate("prom.yaml", "--istio-version", "1.8.6")
    assert outcome.code == 1
    assert "-      - name: istio-certs" in outcome.out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "name files or folders, or - for standard input"),
        (("-", "--write"), "- prints its result: it takes no --write, and no files beside it"),
        (("-", "prom.yaml"), "- prints its result: it takes no --write, and no files beside it"),
        (("broken.yaml", "prom.yaml", "--write"), "broken.yaml:1:5: not valid YAML"),
        (("missing.yaml",), "missing.yaml: there is no such file or folder"),
        (("template.yaml",), "template.yaml:1"),
        (("dashboard.yaml",), "this is a Grafana dashboard"),
    ],
)
def test_what_cannot_be_used_ends_with_2_and_nothing_is_written(migrate, arguments, says):
    others = {
        "broken": "a: b: c\n",
        "template": "kind: {{ .Values.kind }}\nmetadata:\n",
        "dashboard": "panels: []\ntitle: a\n",
    }
    outcome = migrate(*arguments, prom=ON_DISK, **others)
    assert outcome.code == 2
    assert says in outcome.err
    assert Path("prom.yaml").read_text() == ON_DISK


def test_what_was_left_out_is_noted(migrate):
    outcome = migrate("prom.yaml", "template.yaml", prom=PLAIN, template="kind: {{ .Values.kind }}\nmetadata:\n")
    assert outcome.code == 0
    assert outcome.err.startswith("note: template.yaml:1")


def test_a_terminal_gets_colours_and_nothing_that_steers_it(migrate, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.delenv("NO_COLOR", raising=False)
    outcome = migrate("prom.yaml", prom=but(ON_DISK, ("        emptyDir: {}", "        emptyDir: {}  # \u202e")))
    assert "\x1b[31m-        emptyDir: {}" in outcome.out
    assert "\x1b[32m+          medium: Memory" in outcome.out
    assert "\u202e" not in outcome.out


def test_environments_that_hold_the_same_objects_are_repaired_apart(migrate):
    """Taken for one cluster, the Prometheus of one would be given the jobs of the other."""
    merged = CONFIGURATION.partition("    - job_name")[0] + "    - job_name: merged\n      static_configs: []\n"
    workload = PLAIN.partition("      annotations:")[0].replace('        sidecar.istio.io/inject: "true"\n', "")
    workload = (
        workload.replace("        security.istio.io/tlsMode: disabled\n", "")
        + "    spec:\n"
        + (
            "      containers:\n      - name: prometheus\n        image: quay.io/prometheus/prometheus:v3.14.0\n"
            "        volumeMounts:\n        - {name: config, mountPath: /etc/prometheus}\n"
            "      volumes:\n      - name: config\n        configMap: {name: prometheus}\n"
        )
    )
    files = {"mtls": f"{PLAIN}---\n{CONFIGURATION}", "merged": f"{workload}---\n{merged}"}
    outcome = migrate("mtls.yaml", "merged.yaml", mtls=files["mtls"], merged=files["merged"])
    assert (outcome.code, outcome.out) == (0, "")
