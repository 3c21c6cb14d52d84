"""What is installed is enough: the wheel holds the templates, and works where there is nothing but overlays/."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from generator import __version__
from tests.conftest import write_tree
from tests.rendering import ROOT

TEMPLATES = {path.relative_to(ROOT).as_posix() for path in (ROOT / "templates").rglob("*") if path.is_file()}
#: The code, and the tables of fields.
SOURCES = {
    path.relative_to(ROOT).as_posix() for end in ("py", "txt") for path in (ROOT / "generator").rglob(f"*.{end}")
}


def call(*command: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return subprocess.run(command, cwd=cwd, env={**own, **environment}, capture_output=True, text=True)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Build the wheel, without the network: hatchling is among the test tools."""
    folder: Path = tmp_path_factory.mktemp("wheel")
    built = call(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), ".", cwd=ROOT)
    assert built.returncode == 0, built.stdout + built.stderr
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """Unpack the wheel into a folder of its own, as pip does; what it depends on comes from this environment."""
    folder: Path = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "--no-input"]
    done = call(*pip, "install", "--no-deps", "--no-index", "--target", str(folder), str(wheel), cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def project(tmp_path) -> Path:
    """A project with nothing but values."""
    return write_tree(
        tmp_path / "project", {"overlays/dev.yaml": "variant: plain\n", "overlays/b.yaml": "variant: merged\n"}
    )


def test_the_wheel_holds_the_code_and_every_template_and_nothing_else(wheel):
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert names == {f"generator/{name}" for name in TEMPLATES} | SOURCES | {"generator/py.typed"}


def test_the_wheel_asks_for_what_a_render_needs_and_for_no_test_tool(wheel):
    archive = zipfile.ZipFile(wheel)
    (metadata,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
    lines = archive.read(metadata).decode().splitlines()
    asked = {line.removeprefix("Requires-Dist: ") for line in lines if line.startswith("Requires-Dist: ")}
    needed = {name.split(">")[0].split("<")[0] for name in asked if "extra ==" not in name}
    assert needed == {"click", "deepmerge", "jinja2", "jsonschema-rs", "ruamel-yaml", "ruamel-yaml-clib"}
    assert f"Version: {__version__}" in lines


@pytest.mark.parametrize("command", ["sidecert", "module"])
class TestInstalled:
    @pytest.fixture
    def sidecert(self, command, installed, project):
        words = [str(installed / "bin/sidecert")] if command == "sidecert" else [sys.executable, "-m", "generator"]
        cache = str(project.parent / "cache")
        return lambda *arguments: call(
            *words, *arguments, cwd=project, PYTHONPATH=str(installed), XDG_CACHE_HOME=cache, PYTHONSAFEPATH="1"
        )

    def test_tells_its_version(self, sidecert):
        assert sidecert("--version").stdout == f"sidecert {__version__}\n"

    def test_prints_the_schema(self, sidecert):
        assert '"title": "sidecert values"' in sidecert("schema").stdout

    def test_renders_a_project_of_nothing_but_values(self, sidecert, project):
        done = sidecert("render")
        assert (done.returncode, done.stdout) == (0, "")
        assert done.stderr.startswith("rendered 2 environments: ")
        assert (project / "output/manifests/dev/statefulset-prometheus.yaml").is_file()
        assert sidecert("render", "--check").returncode == 0

    def test_renders_what_the_checkout_renders(self, sidecert, project):
        checkout = call(
            sys.executable, "-m", "generator", "render", "dev", "--stdout", cwd=project, PYTHONPATH=str(ROOT)
        )
        assert sidecert("render", "dev", "--stdout").stdout == checkout.stdout != ""

    def test_names_its_own_files_in_errors_as_templates(self, sidecert, project):
        (project / "overlays/dev.yaml").write_text("variant: none\n")
        done = sidecert("render")
        assert done.returncode == 2
        assert done.stderr.startswith("error: overlays/dev.yaml:1:1: variant: ")
