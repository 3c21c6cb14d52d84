"""The command ``doctor``: what it reads, which rules it asks, what it prints where, and its exit codes."""

from __future__ import annotations

import io
import json
import os
import pty
import struct
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree as ET

import pytest

from generator.cli import run
from generator.doctor.rules.examples import OPERATOR, PLAIN, WORKLOAD_AND_CONFIGURATION, but

ROOT = Path(__file__).parent.parent.parent
LEGACY = but(PLAIN, ("emptyDir:\n          medium: Memory", "secret:\n          secretName: istio.default"))
ON_DISK = but(PLAIN, ("emptyDir:\n          medium: Memory", "emptyDir: {}"))
#: Where the secret of LEGACY is named.
PLACE = f"{1 + LEGACY.splitlines().index('          secretName: istio.default')}:11"
VALUES = (
    "serverFiles: {}\nserver:\n"
    "  extraSecretMounts:\n  - name: certs\n    mountPath: /certs\n    secretName: istio.default\n"
)


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


Doctor = Callable[..., Outcome]


@pytest.fixture
def doctor(tmp_path, capsys, monkeypatch) -> Doctor:
    """Run the command in a folder of some files, each given as ``name=text``; ``stdin`` is what is piped in."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str, stdin: bytes = b"", **files: str) -> Outcome:
        for name, text in files.items():
            (tmp_path / f"{name}.yaml").write_text(text)
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        code = run(("doctor", *arguments))
        return Outcome(code, *capsys.readouterr())

    return call


class TestReading:
    def test_says_that_nothing_is_wrong_with_what_is_right(self, doctor):
        assert doctor("a.yaml", a=WORKLOAD_AND_CONFIGURATION) == (
            0,
            "Nothing wrong found in 1 file (2 objects, 1 Prometheus)\n",
            "",
        )

    def test_finds_what_is_wrong_and_exits_with_1(self, doctor):
        outcome = doctor("a.yaml", a=LEGACY)
        assert (outcome.code, outcome.err) == (1, "")
        assert "[legacy-secret]" in outcome.out
        assert f"a.yaml:{PLACE}  StatefulSet monitoring/prometheus" in outcome.out

    def test_takes_what_is_piped_in(self, doctor):
        outcome = doctor("-", stdin=LEGACY.encode())
        assert outcome.code == 1
        assert f"<stdin>:{PLACE}" in outcome.out

    def test_takes_a_folder_and_names_its_files_as_the_user_would(self, doctor, tmp_path):
        outcome = doctor("sub", "b.yaml", b=OPERATOR)
        assert outcome.code == 2
        (tmp_path / "sub").mkdir()
        (tmp_path / "sub" / "c.yml").write_text(LEGACY)
        assert f"sub/c.yml:{PLACE}" in doctor("sub", "b.yaml").out

    def test_judges_files_together(self, doctor):
        config, workload = "config", "workload"
        text, other = WORKLOAD_AND_CONFIGURATION.split("---\n")
        files = {workload: text, config: other}
        assert "Can't be judged" in doctor("workload.yaml", **files).out
        assert doctor("workload.yaml", "config.yaml").out.startswith("Nothing wrong found in 2 files")

    def test_takes_a_charts_values(self, doctor):
        outcome = doctor("values.yaml", values=VALUES)
        place = "values.yaml:6:5  values of the chart prometheus\n"
        assert f"[legacy-secret]\n   {place}" in outcome.out
        assert "in 1 file (1 values file, 1 Prometheus)\n" in outcome.out

    def test_calls_a_charts_values_by_one_name(self, doctor):
        values = VALUES + "  podAnnotations:\n    proxy.istio.io/config: 'proxyMetadata: {OUTPUT_CERTS: /certs}'\n"
        values += "  podLabels:\n    sidecar.istio.io/inject: 'true'\n"
        told = json.loads(doctor("values.yaml", "-o", "json", values=values).out)["findings"]
        assert {"output-directory-not-mounted", "outbound-intercepted"} < {one["rule"] for one in told}
        assert {one["resource"] for one in told} == {"values of the chart prometheus"}

    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            ((), "name files or folders, or - for standard input"),
            (("gone.yaml",), "gone.yaml: there is no such file or folder"),
            (("empty.yaml",), "there is no Kubernetes object and no values file in empty.yaml"),
            (("chart.yaml",), "render"),
            (("bad.yaml",), "bad.yaml:2"),
            (("-",), "no values file in standard input\n    hint: did the command that was to write it fail"),
        ],
    )
    def test_refuses_what_cant_be_judged_at_all(self, doctor, arguments, told):
        chart = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {{ .Release.Name }}\n{{- if .Values.a }}\n{{- end }}\n"
        outcome = doctor(*arguments, empty="# nothing\n", chart=chart, bad="a: b\nc: d: e\n")
        assert (outcome.code, outcome.out) == (2, "")
        assert told in outcome.err

    def test_refuses_input_that_is_no_text(self, doctor):
        outcome = doctor("-", stdin=b"a: b\nc: \xff\n")
        assert (outcome.code, outcome.err) == (2, "error: <stdin>:2: the input is not UTF-8 text\n")

    def test_tells_what_it_left_out_beside_what_it_read(self, doctor):
        outcome = doctor("a.yaml", "b.yaml", a=WORKLOAD_AND_CONFIGURATION, b="title: x\npanels: []\n")
        assert outcome.code == 0
        assert "Not read\n\n  b.yaml:1:1: this is a Grafana dashboard\n" in outcome.out


class TestRules:
    def test_are_all_asked_but_for_those_ignored(self, doctor):
        files = {"a": ON_DISK}
        assert "[certificates-on-disk]" in doctor("a.yaml", **files).out
        assert "certificates-on-disk" not in doctor("a.yaml", "--ignore", "certificates-on-disk,legacy-secret").out
        assert "certificates-on-disk" not in doctor("a.yaml", "--ignore", "*-on-disk").out

    def test_are_asked_alone_where_they_are_selected(self, doctor):
        assert "[legacy-secret]" in doctor("a.yaml", "--select", "legacy-*", a=LEGACY).out
        assert "Nothing wrong found" in doctor("a.yaml", "--select", "sub-path").out
        junit = ET.fromstring(doctor("a.yaml", "--select", "sub-path", "--select", "legacy-secret", "-o", "junit").out)
        names = [str(case.get("name")).partition(":")[0] for case in junit.iter("testcase")]
        assert {"legacy-secret", "sub-path"} >= {name for name in names if "sidecert" not in name}
        assert names.index("legacy-secret") < names.index("sub-path"), "first what is to be fixed first"

    @pytest.mark.parametrize("option", ["--select", "--ignore", "--explain"])
    def test_that_dont_exist_are_told_with_the_nearest(self, doctor, option):
        outcome = doctor(*([] if option == "--explain" else ["a.yaml"]), option, "legacy-secrets", a=LEGACY)
        assert (outcome.code, outcome.out) == (2, "")
        assert f"'{option}': there is no rule `legacy-secrets`: did you mean `legacy-secret`?" in outcome.err

    def test_are_offered_in_small_letters_for_large_ones(self, doctor):
        assert "did you mean `legacy-secret`?" in doctor("--explain", "LEGACY-SECRET").err

    def test_that_leave_nothing_to_ask_are_refused(self, doctor):
        assert "leave no rule" in doctor("a.yaml", "--ignore", "*", a=LEGACY).err

    def test_are_silenced_by_comments(self, doctor):
        text = but(LEGACY, ("secretName: istio.default", "secretName: istio.default  # sidecert: ignore legacy-secret"))
        outcome = doctor("a.yaml", "--select", "legacy-secret", a=text)
        assert outcome.code == 0
        assert "Silenced by comments in the files: 1" in outcome.out

    def test_are_completed_after_commas_too(self, tmp_path):
        words = {"COMP_WORDS": "sidecert doctor --select sub-path,legacy-s", "COMP_CWORD": "3"}
        assert process(tmp_path, environment=words | {"_SIDECERT_COMPLETE": "bash_complete"}) == (
            "plain,sub-path,legacy-secret\n"
        )


class TestVersions:
    @pytest.mark.parametrize(
        ("option", "text", "expected"),
        [
            ("--istio-version", "1.4", "a release of Istio from 1.5 on, such as 1.30 or 1.30.3"),
            ("--istio-version", "latest", "a release of Istio from 1.5 on"),
            ("--istio-version", "1", "a release of Istio from 1.5 on"),
            ("--kubernetes-version", "2.0", "a release of Kubernetes from 1.16 on"),
            ("--chart-version", "new", "a chart's version, such as 80 or 80.2.0"),
        ],
    )
    def test_that_are_none_are_refused(self, doctor, option, text, expected):
        outcome = doctor("a.yaml", option, text, a=PLAIN)
        assert outcome.code == 2
        assert f"found `{text}`; expected {expected}" in outcome.err

    @pytest.mark.parametrize(
        ("options", "expected"),
        [
            ([], ("1.30.3", "1.33", None)),
            (["--istio-version", "1.28", "--kubernetes-version", "v1.34.2-gke.1", "--chart-version", "80"], None),
        ],
    )
    def test_are_those_given_or_the_newest(self, doctor, options, expected):
        settings = json.loads(doctor("a.yaml", "-o", "json", *options, a=PLAIN).out)["settings"]
        assert tuple(settings.values()) == (expected or ("1.28", "1.34.2", "80"))

    def test_decide_what_is_wrong(self, doctor):
        assert "[key-unreadable]" in doctor("a.yaml", "--istio-version", "1.9.2", a=PLAIN).out
        assert "[key-unreadable]" not in doctor("a.yaml", "--istio-version", "1.9.4").out


class TestForms:
    def test_are_all_of_the_same_findings(self, doctor):
        files = {"a": LEGACY}
        told = json.loads(doctor("a.yaml", "-o", "json", **files).out)["findings"]
        assert told
        sarif = json.loads(doctor("a.yaml", "-o", "sarif").out)["runs"][0]["results"]
        assert [one["ruleId"] for one in sarif] == [one["rule"] for one in told]
        github = [line for line in doctor("a.yaml", "-o", "github").out.splitlines() if "can't judge" not in line]
        assert len(github) == len(told)
        short = doctor("a.yaml", "-q").out.splitlines()
        assert [line.rpartition("[")[2] for line in short] == [f"{one['rule']}]" for one in told]
        junit = ET.fromstring(doctor("a.yaml", "-o", "junit").out)
        assert len(junit.findall(".//failure")) == len({one["rule"] for one in told if one["severity"] == "error"})

    @pytest.mark.parametrize("form", ["text", "json", "sarif", "github", "junit"])
    def test_are_the_same_each_time(self, doctor, form):
        assert doctor("a.yaml", "-o", form, a=LEGACY) == doctor("a.yaml", "-o", form)

    @pytest.mark.parametrize(
        ("text", "fail_on", "code"),
        [
            (LEGACY, "error", 1),
            (LEGACY, "info", 1),
            (LEGACY, "never", 0),
            (ON_DISK, "error", 0),
            (ON_DISK, "warning", 1),
            (WORKLOAD_AND_CONFIGURATION, "info", 0),
        ],
    )
    def test_dont_matter_for_the_exit_code(self, doctor, text, fail_on, code):
        for form in ("text", "json", "sarif", "github", "junit"):
            assert doctor("a.yaml", "--fail-on", fail_on, "-o", form, a=text).code == code

    def test_q_is_for_text(self, doctor):
        assert "-q is for text, not for json" in doctor("a.yaml", "-q", "-o", "json", a=PLAIN).err


class TestExplain:
    def test_prints_the_page_of_a_rule(self, doctor):
        outcome = doctor("--explain", "legacy-secret")
        assert (outcome.code, outcome.err) == (0, "")
        assert outcome.out.startswith("legacy-secret\nThe certificate comes from a secret")
        assert "          secret:\n" in outcome.out
        assert max(map(len, outcome.out.splitlines())) <= 120

    def test_takes_no_files(self, doctor):
        assert doctor("a.yaml", "--explain", "legacy-secret", a=PLAIN).code == 2


def process(folder: Path, *arguments: str, environment: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "generator", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
    )
    assert done.stderr == ""
    return done.stdout


class TestTerminal:
    def on_terminal(self, folder: Path, columns: int, **environment: str) -> str:
        """Run doctor on a terminal of a width; give all that it shows."""
        import fcntl
        import termios

        (folder / "a.yaml").write_text(LEGACY)
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        usual = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "NO_COLOR"}}
        started = subprocess.Popen(
            [sys.executable, "-m", "generator", "doctor", "a.yaml", "--select", "legacy-secret"],
            cwd=folder,
            env={**usual, "TERM": "xterm", "PYTHONPATH": str(ROOT), **environment},
            stdout=theirs,
        )
        os.close(theirs)
        shown = b""
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # the other end was closed
                break
            if not part:
                break
            shown += part
        os.close(ours)
        assert started.wait() == 1
        return shown.decode().replace("\r\n", "\n")

    def test_has_colours_and_its_width(self, tmp_path):
        shown = self.on_terminal(tmp_path, 60)
        assert "\x1b[31m\x1b[1m1. error: \x1b[0m" in shown
        why = shown[shown.index("   why") : shown.index("   since")].splitlines()
        assert max(map(len, why)) <= 60

    def test_has_no_colours_where_they_arent_wanted(self, tmp_path):
        assert "\x1b" not in self.on_terminal(tmp_path, 80, NO_COLOR="1")


class TestEnvironments:
    def test_are_judged_apart(self, doctor, tmp_path):
        wrong = but(
            WORKLOAD_AND_CONFIGURATION, ("ca_file: /etc/prom-certs/root-cert.pem", "ca_file: /etc/certs/root-cert.pem")
        )
        for name, text in (("dev", WORKLOAD_AND_CONFIGURATION), ("prod", wrong)):
            (tmp_path / name).mkdir()
            (tmp_path / name / "all.yaml").write_text(text)
        alone, together = doctor("prod", "-q").out, doctor(".", "-q").out
        assert alone == together != ""
        assert doctor("dev", "-q").out == ""
        assert "2 files (4 objects, 2 Prometheuses)" in doctor(".").out

    @pytest.mark.parametrize("folder", ["manifests", "kustomize"])
    def test_of_our_own_have_nothing_wrong(self, doctor, folder):
        assert doctor(str(ROOT / "output" / folder), "-q", "--fail-on", "warning").code == 0

    def test_are_told_once_of_what_they_have_in_common(self, doctor, tmp_path):
        objects = "extraManifests:\n- " + textwrap.indent(OPERATOR.partition("---\n")[0], "  ").strip()
        spoilt = objects.replace('    sidecar.istio.io/inject: "true"\n', "").replace(
            "medium: Memory", "sizeLimit: 1Mi"
        )
        for name in ("dev", "prod"):
            (tmp_path / name).mkdir()
            (tmp_path / name / "all.yaml").write_text(WORKLOAD_AND_CONFIGURATION)
        outcome = doctor(".", "-o", "json", values=f"prometheus:\n  prometheusSpec: {{}}\n{spoilt}\n")
        data = json.loads(outcome.out)
        told = [one["rule"] for one in data["findings"]]
        assert told.count("certificates-on-disk") == 1
        assert len(told) == len(set(told))
        assert (data["summary"]["files"], data["summary"]["valuesFiles"]) == (3, 1)
        assert (data["summary"]["objects"], data["summary"]["prometheuses"]) == (5, 4)
