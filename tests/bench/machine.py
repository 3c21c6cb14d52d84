"""What a measurement depends on besides the programs' work: the machine, and the versions of the programs."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.bench.programs import HELM_3, KAPITAN, SIDECERT
from tests.tools import program


def facts(folder: Path) -> list[tuple[str, str]]:
    """Give name and value of each; ``folder`` is where the fleets lie."""
    kubectl = _says([program("kubectl"), "version", "--client"])
    kibibytes = int(_line("/proc/meminfo", r"MemTotal:\s*(\d+)"))
    return [
        ("cores", str(len(os.sched_getaffinity(0)))),
        ("CPU", _line("/proc/cpuinfo", r"model name\s*: (.+)")),
        ("memory", f"{kibibytes / (1 << 20):.0f} GiB"),
        ("kernel", f"{platform.system()} {_version(platform.release())}"),
        ("fleets and outputs", f"on {_file_system(folder)}"),
        ("Python", f"{platform.python_version()} for sidecert, {_python(KAPITAN)} for kapitan"),
        ("sidecert", _version(_says([SIDECERT, "--version"]))),
        ("Helm 3", _version(_says([HELM_3, "version", "--short"]))),
        ("Helm 4", _version(_says([program("helm"), "version", "--short"]))),
        ("kubectl", f"{_version(kubectl)}, with kustomize {_version(kubectl, 'Kustomize Version: ')}"),
        ("kapitan", f"{_version(_says([KAPITAN, '--version']))}, with reclass-rs {_package('reclass-rs')}"),
        ("cp", _says(["cp", "--version"]).splitlines()[0]),
    ]


def _says(command: Sequence[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _version(text: str, before: str = "") -> str:
    found = re.search(re.escape(before) + r"\D*?(\d+\.\d+[\w.]*)", text)
    return found[1] if found else text.strip()


def _line(path: str, pattern: str) -> str:
    found = re.search(pattern, Path(path).read_text(encoding="utf-8"))
    return found[1].strip() if found else "unknown"


def _python(executable: str) -> str:
    return _version(_says([str(Path(executable).with_name("python")), "--version"]))


def _package(name: str) -> str:
    ask = f"from importlib.metadata import version; print(version({name!r}))"
    return _says([str(Path(KAPITAN).with_name("python")), "-c", ask]).strip()


def _file_system(folder: Path) -> str:
    """Give the type of the file system that a folder is on."""
    best, kind = "", "unknown"
    for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines():
        _, mounted, found, *_ = line.split()
        if folder.is_relative_to(mounted) and len(mounted) >= len(best):
            best, kind = mounted, found
    return f"{kind}, in memory" if kind == "tmpfs" else kind
