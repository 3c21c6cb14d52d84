"""Whatever is wrong with the input, the text says what, where and how to mend it, and output/ is what it was."""

from __future__ import annotations

import ctypes
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from generator.cli import run
from tests.conftest import snapshot, write_tree

Change = Mapping[str, "str | bytes | None"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}


@pytest.fixture
def refused(tiny, capsys, monkeypatch) -> Callable[..., str]:
    """Render well, change the input, render again: give the errors, with output/ as it was."""
    monkeypatch.chdir(tiny)
    assert run(["render", "--quiet"]) == 0

    def call(change: Change | None = None, *arguments: str) -> str:
        write_tree(tiny, change or {})
        before = snapshot(tiny / "output")
        code = run(["render", *arguments])
        assert snapshot(tiny / "output") == before
        printed = capsys.readouterr()
        assert (code, printed.out) == (2, "")
        return str(printed.err)

    return call


class TestValues:
    def test_unknown_key(self, refused):
        assert refused({"overlays/dev.yaml": "replica: 1\n"}) == (
            "error: overlays/dev.yaml:1:1: replica: unknown key\n"
            "    expected: `labels`, `name`, `namespace`, `replicas` or `variant`\n"
            "    hint: did you mean `replicas`?\n"
        )

    def test_wrong_type(self, refused):
        assert refused({"overlays/dev.yaml": 'name: p\nreplicas: "1"\n'}) == (
            "error: overlays/dev.yaml:2:1: replicas: wrong type\n"
            '    found: the string "1"\n'
            "    expected: an integer\n"
            "    hint: write 1 without quotes\n"
        )

    def test_out_of_range(self, refused):
        assert refused({"overlays/dev.yaml": "replicas: 10\n"}) == (
            "error: overlays/dev.yaml:1:1: replicas: too big\n    found: the integer 10\n    expected: at most 9\n"
        )

    def test_a_required_value_removed(self, refused):
        assert "namespace" in refused({"overlays/dev.yaml": "namespace: null\n"})

    def test_a_rule_broken(self, refused):
        assert refused({"overlays/dev.yaml": "name: istiod\n"}) == (
            "error: overlays/dev.yaml:1:1: name: this is the name of the control plane\n"
        )


class TestYaml:
    def test_duplicate_key(self, refused):
        assert refused({"overlays/dev.yaml": "replicas: 1\nname: a\nreplicas: 2\n"}) == (
            "error: overlays/dev.yaml:3:1: replicas: this key stands twice, first on line 1\n"
        )

    def test_tab(self, refused):
        assert refused({"overlays/dev.yaml": b"labels:\n\ta: b\n"}) == (
            "error: overlays/dev.yaml:2:1: a tab, YAML indents with spaces\n"
        )

    def test_anchors_that_explode(self, refused):
        lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
        lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
        started = time.monotonic()

        assert refused({"overlays/dev.yaml": "\n".join(lines)}) == (
            "error: overlays/dev.yaml:6:10: aliases multiply this file to more than 100,000 values\n"
        )
        assert time.monotonic() - started < 10

    def test_list_at_the_top(self, refused):
        assert refused({"overlays/dev.yaml": "- replicas: 1\n"}) == (
            "error: overlays/dev.yaml:1: the file must hold a map\n"
            "    found: a list\n"
            "    expected: a map: lines of `key: value`\n"
        )

    def test_empty_file(self, refused):
        assert refused({"overlays/dev.yaml": b""}) == (
            "error: overlays/dev.yaml: the file is empty\n    hint: write {} where nothing is to be set\n"
        )


class TestFiles:
    def test_twenty_megabytes(self, refused):
        assert refused({"overlays/dev.yaml": b"#" * 20_000_000}) == (
            "error: overlays/dev.yaml: the file is too large\n    found: 19.1 MiB\n    expected: at most 1 MiB\n"
        )

    def test_not_utf8(self, refused):
        assert refused({"overlays/dev.yaml": "replicas: 1\nname: caf\xe9\n".encode("latin-1")}) == (
            "error: overlays/dev.yaml:2: the file is not UTF-8 text\n    found: byte 0xe9 at offset 21\n"
        )

    def test_missing_folder(self, refused, tiny):
        (tiny / "overlays").rename(tiny / "overlay")

        assert refused() == "error: overlays: the folder doesn't exist\n    hint: did you mean `overlay`?\n"

    def test_no_environment_left(self, refused, tiny):
        (tiny / "overlays").rename(tiny / "envs")

        assert refused({"overlays": None}) == (
            "error: overlays: there is no environment in this folder\n"
            "    hint: an environment is a file like overlays/dev.yaml\n"
        )

    def test_link_that_leads_out(self, refused, tiny):
        write_tree(tiny, {"secret.yaml": "name: x\n"})
        (tiny / "overlays/qa.yaml").symlink_to("../secret.yaml")

        assert refused() == (
            "error: overlays/qa.yaml: a symbolic link leads out of overlays/, or in a circle\n"
            f"    found: {tiny.resolve() / 'secret.yaml'}\n"
            "    expected: a file below overlays/\n"
        )

    def test_template_link_that_leads_out(self, refused, tiny):
        write_tree(tiny, {"secret.yaml": "name: x\n"})
        (tiny / "templates/tiny/x.yaml.j2").symlink_to("../../secret.yaml")

        assert refused() == (
            "error: templates/tiny/x.yaml.j2: a symbolic link leads out of templates/, or in a circle\n"
            f"    found: {tiny.resolve() / 'secret.yaml'}\n"
            "    expected: a file below templates/\n"
        )

    def test_output_link_that_leads_out(self, refused, tiny, tmp_path):
        (tiny / "output/manifests").rename(tmp_path / "elsewhere")
        (tiny / "output/manifests").symlink_to(tmp_path / "elsewhere")

        assert refused() == ("error: output/manifests: this is a symbolic link, and files belong below it\n")


class TestNames:
    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("../dev", "'../dev' can't name an environment: it has the part '..'"),
            ("/dev", "'/dev' can't name an environment: it is absolute, not a path below the overlays"),
            ("prod/eu1", "there is no environment 'prod/eu1'\n    hint: did you mean `prod/eu-1`?"),
            ("x*", "no environment matches 'x*'\n    hint: `sidecert list` shows all environments"),
        ],
    )
    def test_on_the_command_line(self, refused, name, message):
        assert refused(None, name) == f"error: {message}\n"

    def test_that_collide_when_case_is_folded(self, refused):
        assert refused({"overlays/Dev.yaml": "{}\n"}) == (
            "error: overlays/dev.yaml: 'dev' and 'Dev' are the same name on systems that fold case\n"
            "    hint: rename one of them\n"
        )

    def test_reserved_on_windows(self, refused):
        assert refused({"overlays/prod/con.yaml": "{}\n"}) == (
            "error: overlays/prod/con.yaml: 'prod/con' can't name an environment: 'con' is a device on Windows\n"
        )


class TestTemplates:
    def test_error_names_the_template_and_the_value(self, refused, tiny):
        template = "a: 1\nb: {{ values.labels }}\n"
        assert refused({"templates/tiny/bad.yaml.j2": template, "overlays/dev.yaml": "labels: {a: b}\n"}, "dev") == (
            "error: templates/tiny/bad.yaml.j2:2: a map can't be printed: write `| yaml` on a line of its own, "
            "or `| json`\n"
            "    found: labels = a map\n"
            "    hint: labels is set in overlays/dev.yaml:1:1\n"
        )

    def test_error_in_a_rule_names_the_rule_file_and_the_value(self, refused):
        rule = "{% if values.labels > values.name %}{% endif %}\n"
        assert refused({"templates/tiny/_rules.j2": rule, "overlays/dev.yaml": "labels: {a: b}\n"}, "dev") == (
            "error: templates/tiny/_rules.j2:1: a map can't be compared with a string by `>`\n"
            '    found: labels = a map, name = "prometheus"\n'
            "    hint: labels is set in overlays/dev.yaml:1:1\n"
        )

    def test_unknown_value(self, refused):
        assert refused({"templates/tiny/bad.yaml.j2": "a: {{ values.nam }}\n"}, "dev") == (
            "error: templates/tiny/bad.yaml.j2:1: there is no value `nam`\n    hint: did you mean `name`?\n"
        )

    def test_syntax(self, refused):
        assert refused({"templates/tiny/bad.yaml.j2": "a: 1\n{% if %}\n"}, "dev") == (
            "error: templates/tiny/bad.yaml.j2:2: Expected an expression, got 'end of statement block'\n"
            "    found: {% if %}\n"
        )

    def test_include_that_leads_out(self, refused, tiny):
        write_tree(tiny, {"secret": "x"})
        assert refused({"templates/tiny/bad.yaml.j2": '{% include "../secret" %}\n'}, "dev") == (
            "error: templates/tiny/bad.yaml.j2:1: `../secret` leads out of the template folders\n"
            '    found: {% include "../secret" %}\n'
        )

    def test_secret_with_data(self, refused):
        text = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: a\ndata:\n  a: Yg==\n"
        assert refused({"templates/tiny/bad.yaml.j2": text}, "dev") == (
            "error: templates/tiny/bad.yaml.j2: data: a Secret with data; the pattern needs none\n"
            "    hint: create it outside of these templates and name it where it is used\n"
        )

    def test_two_resources_of_one_name(self, refused, tiny):
        text = (tiny / "templates/tiny/service.yaml.j2").read_text()
        assert refused({"templates/tiny/bad.yaml.j2": text}, "dev") == (
            "error: templates/tiny/service.yaml.j2: metadata.name: Service team/prometheus "
            "is rendered by tiny/bad.yaml.j2 too\n"
        )


class TestDisk:
    """What the file system refuses, really."""

    CHANGE: Change = {"overlays/_defaults.yaml": "namespace: other\n"}  # noqa: RUF012

    def test_full(self, tiny):
        run(["render", "-q", "--only", "manifests", "-C", str(tiny)])
        write_tree(tiny, self.CHANGE)
        template = tiny / "templates/tiny/config.yaml.j2"
        template.write_text(template.read_text() + f"  text: {'x' * 50_000}\n")
        before = snapshot(tiny / "output")

        done = sidecert(tiny, "render", "--only", "manifests", preexec_fn=_limit_file_size)

        assert (done.returncode, done.stderr) == (
            2, "error: output: the folder can't be written: File too large\n    hint: nothing in it was changed\n",
        )  # fmt: skip
        assert snapshot(tiny / "output") == before

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has /dev/full")
    def test_full_standard_output_is_told(self, tiny):
        with Path("/dev/full").open("w") as full:
            done = sidecert(tiny, "render", "--stdout", "dev", stdout=full)

        assert (done.returncode, done.stderr) == (2, "error: standard output: No space left on device\n")

    def test_output_below_a_file(self, refused, tiny):
        write_tree(tiny, {"file": "x"})
        message = "error: file/output: this can't be read: Not a directory\n"
        assert refused(None, "--output", "file/output") == message

    def test_read_only(self, tiny):
        run(["render", "-q", "--only", "manifests", "-C", str(tiny)])
        write_tree(tiny, self.CHANGE)
        before = snapshot(tiny / "output")
        (tiny / "output").chmod(0o555)

        done = sidecert(tiny, "render", "--only", "manifests", preexec_fn=_obey_permissions)

        (tiny / "output").chmod(0o755)
        assert (done.returncode, done.stderr) == (
            2, "error: output: the folder can't be written: Permission denied\n    hint: nothing in it was changed\n",
        )  # fmt: skip
        assert snapshot(tiny / "output") == before


class TestInterrupt:
    @pytest.mark.parametrize("seed", range(5))
    def test_leaves_all_or_nothing(self, tiny, seed):
        """SIGINT at a random moment of a real process: the old output, or the new one where it came too late."""
        run(["render", "-q", "--only", "manifests", "-C", str(tiny)])
        write_tree(tiny, {f"overlays/e{number}.yaml": "replicas: 2\n" for number in range(40)})
        write_tree(tiny, {"overlays/_defaults.yaml": "namespace: other\n"})
        old = snapshot(tiny / "output")
        started = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-m", "generator", "render", "-q", "--only", "manifests"],
            cwd=tiny,
            env=ENVIRONMENT,
            stderr=subprocess.PIPE,
            # A shell that runs the tests in the background has its children ignore the signal.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509  # no threads here
        )
        time.sleep(random.Random(seed).uniform(0.1, 0.5))
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
        assert time.monotonic() - started < 20

        new = snapshot(tiny / "output")
        assert process.returncode in {0, 130, -signal.SIGINT}, errors
        if new != old or process.returncode == 0:  # it may also come just after the last rename
            assert {name.split("/")[1] for name in new if name.startswith("manifests/")} >= {"dev", "e0", "e39"}
            assert run(["render", "--check", "-q", "--only", "manifests", "-C", str(tiny)]) == 0


def sidecert(folder: Path, *arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    """Run a real process."""
    command = [sys.executable, "-m", "generator", *arguments]
    return subprocess.run(command, cwd=folder, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True, **options)  # type: ignore[call-overload, no-any-return]


def _limit_file_size() -> None:
    """Make the disk full after 20 kB of one file, for root too: the write is cut short, the next one fails."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))


def _obey_permissions() -> None:
    """Let root, too, be stopped by a folder's permissions: without CAP_DAC_OVERRIDE, from the next exec on."""
    if os.getuid() == 0:
        drop_from_bounding_set, dac_override = 24, 1  # linux/prctl.h, linux/capability.h
        assert ctypes.CDLL(None).prctl(drop_from_bounding_set, dac_override, 0, 0, 0) == 0


class TestEnvironmentsBesideEachOther:
    @pytest.mark.parametrize(
        ("other", "file"),
        [
            ("Dev.YAML/eu", "helm/values/dev.yaml"),
            ("dev.sha256/eu", ".inventory/manifests/dev.sha256"),
        ],
    )
    def test_one_that_needs_a_folder_where_another_has_a_file(self, refused, other, file):
        assert refused({f"overlays/{other}.yaml": "{}\n", "overlays/dev.yaml": "{}\n"}) == (
            f"error: the environment '{other}' needs a folder where '{file}' belongs, on some system or on all\n"
            "    hint: rename one of the two environments\n"
        )

    def test_a_variant_without_templates(self, refused, tiny):
        schema = (tiny / "templates/values.schema.json").read_text().replace('["tiny"]', '["tiny", "tinny"]')
        files = {"templates/values.schema.json": schema, "overlays/dev.yaml": "variant: tinny\n"}
        assert refused(files, "dev") == (
            "error: overlays/dev.yaml:1:1: variant: there are no templates of the variant 'tinny'\n"
            "    hint: did you mean `tiny`?\n"
        )
