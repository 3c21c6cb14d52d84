"""`sidecert package`: the chart as an archive that Helm takes, the same bytes for the same input."""

from __future__ import annotations

import gzip
import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from generator import __version__
from generator.cli import run
from tests.rendering import ROOT
from tests.staging.test_cases import HELMS

NAME = f"prometheus-istio-mtls-{__version__}.tgz"


@pytest.fixture
def package(tmp_path, capsys):
    """Pack our chart into a folder; give the exit code and what is printed."""

    def call(*arguments: str) -> tuple[int, str, str]:
        code = run(["package", "-C", str(ROOT), "--destination", str(tmp_path / "dist"), *arguments])
        return code, *capsys.readouterr()

    return call


def entries(archive: Path) -> dict[str, bytes]:
    with tarfile.open(archive) as tar:
        return {entry.name: tar.extractfile(entry).read() for entry in tar.getmembers()}  # type: ignore[union-attr]


def test_prints_the_path_and_nothing_else(package, tmp_path):
    assert package() == (0, f"{tmp_path}/dist/{NAME}\n", "")
    assert [path.name for path in (tmp_path / "dist").iterdir()] == [NAME]


def test_holds_the_chart_that_render_writes(package, tmp_path):
    package()
    chart = ROOT / "output/helm/prometheus-istio-mtls"
    written = {
        path.relative_to(chart.parent).as_posix(): path.read_bytes() for path in chart.rglob("*") if path.is_file()
    }
    assert entries(tmp_path / "dist" / NAME) == written


def test_gives_the_same_bytes_at_any_time_and_place(package, tmp_path):
    package()
    first = (tmp_path / "dist" / NAME).read_bytes()
    environment = {**os.environ, "TZ": "Asia/Tokyo", "PYTHONHASHSEED": "7", "SIDECERT_NO_CACHE": "1", "LC_ALL": "C"}
    command = [sys.executable, "-m", "generator", "package", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, umask=0o077)
    assert (tmp_path / NAME).read_bytes() == first


def test_no_time_owner_or_mode_of_the_disk_gets_in(package, tmp_path):
    package()
    content = (tmp_path / "dist" / NAME).read_bytes()
    assert content[4:8] == b"\0\0\0\0"
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(content))) as tar:
        about = {
            (entry.mtime, entry.uid, entry.gid, entry.uname, entry.gname, entry.mode) for entry in tar.getmembers()
        }
        names = tar.getnames()
    assert about == {(0, 0, 0, "", "", 0o644)}
    assert names[0] == "prometheus-istio-mtls/Chart.yaml"
    assert names[1:] == sorted(names[1:])


def test_has_the_versions_that_are_asked_for(package, tmp_path):
    code, out, _ = package("--version", "1.4.0-rc.1+build.7", "--app-version", "3.5.0")
    assert (code, Path(out.strip()).name) == (0, "prometheus-istio-mtls-1.4.0-rc.1+build.7.tgz")
    chart = entries(Path(out.strip()))["prometheus-istio-mtls/Chart.yaml"].decode()
    assert "\nversion: 1.4.0-rc.1+build.7\n" in chart
    assert "\nappVersion: 3.5.0\n" in chart


@pytest.mark.parametrize("version", ["1.4", "v1.4.0", "1.04.0", "latest", "1.4.0-", "1.4.0+", "1.4.0\n", ""])
def test_refuses_what_is_no_semantic_version(package, tmp_path, version):
    code, out, err = package("--version", version)
    assert (code, out) == (2, "")
    assert "is no semantic version, such as 1.4.0 or 1.4.0-rc.1" in err
    assert not (tmp_path / "dist").exists()


def test_replaces_an_archive_of_the_same_name_and_nothing_else(package, tmp_path):
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / NAME).write_text("old")
    (tmp_path / "dist/other.tgz").write_text("kept")
    assert package()[0] == 0
    assert (tmp_path / "dist" / NAME).read_bytes()[:2] == b"\x1f\x8b"
    assert (tmp_path / "dist/other.tgz").read_text() == "kept"
    assert sorted(path.name for path in (tmp_path / "dist").iterdir()) == ["other.tgz", NAME]


def test_says_where_it_can_not_write(package, tmp_path):
    (tmp_path / "dist").write_text("a file")
    code, out, err = package()
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {tmp_path}/dist/{NAME}: the file can't be written: ")
    assert (tmp_path / "dist").read_text() == "a file"


@pytest.mark.programs
@pytest.mark.parametrize("helm", HELMS)
def test_is_taken_by_helm(package, helm):
    archive = package()[1].strip()
    shown = subprocess.run([HELMS[helm], "show", "chart", archive], capture_output=True, text=True, check=True)
    assert f"version: {__version__}\n" in shown.stdout
    made = subprocess.run([HELMS[helm], "template", "prometheus", archive], capture_output=True, text=True)
    assert (made.returncode, made.stderr) == (0, "")
    assert "kind: StatefulSet\n" in made.stdout
