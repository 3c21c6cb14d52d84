"""Running the programs that are measured: how long one takes, and how much memory it and its children use at most."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter, sleep

#: Seconds between two looks at the memory of a running program.
INTERVAL = 0.01

SIDECERT = str(Path(sys.executable).with_name("sidecert"))
HELM_3 = str(Path(sys.executable).with_name("helm"))
KAPITAN = str(Path(sys.prefix) / "kapitan/bin/kapitan")


class ProgramError(Exception):
    """A program that is measured failed, or gave what it should not."""


def seconds(command: Sequence[str], cache: Path | None = None) -> float:
    """Run a command whose output nobody reads and give how long it took, in seconds.

    Args:
        command: the program and its arguments.
        cache: the folder for what programs keep between runs; None for that of the user.

    Raises:
        ProgramError: it failed; says what it printed.
    """
    started = perf_counter()
    done = subprocess.run(
        command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=_environment(cache)
    )
    taken = perf_counter() - started
    _must_have_worked(command, done.returncode, done.stderr)
    return taken


def peak_memory(command: Sequence[str], cache: Path | None = None) -> int:
    """Run a command and give the most memory that it and all its children together used, in bytes.

    Memory that processes share counts once: it is the sum of their proportional set sizes (PSS), looked at every
    10 ms. A shorter peak is missed.

    Raises:
        ProgramError: it failed.
    """
    known: set[int] = set()
    peak = 0
    with tempfile.TemporaryFile() as printed:
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=printed, env=_environment(cache)) as process:
            while process.poll() is None:
                known = _family(process.pid, known)
                peak = max(peak, sum(map(_memory, known)))
                sleep(INTERVAL)
        printed.seek(0)
        _must_have_worked(command, process.returncode, printed.read())
    return peak


def _environment(cache: Path | None) -> dict[str, str]:
    """Byte code is kept between starts, as it is for users, and no option is set, whatever the measuring shell says."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name != "PYTHONDONTWRITEBYTECODE" and not name.startswith("SIDECERT_")
    }
    return kept | ({"XDG_CACHE_HOME": str(cache)} if cache else {})


def _must_have_worked(command: Sequence[str], code: int, printed: bytes) -> None:
    if code:
        raise ProgramError(f"{' '.join(command)}: exit {code}\n{printed.decode(errors='replace')}")


def _family(root: int, known: set[int]) -> set[int]:
    """Give a process, its descendants, and those of ``known`` that still run: an orphan has another parent."""
    parents = dict(_parents())
    family = {root} | (known & parents.keys())
    while more := {child for child, parent in parents.items() if parent in family} - family:
        family |= more
    return family


def _parents() -> list[tuple[int, int]]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_bytes()
            except OSError:
                continue  # it has just ended
            found.append((int(entry.name), int(stat.rpartition(b")")[2].split()[1])))
    return found


def _memory(process: int) -> int:
    """Give a process's proportional set size in bytes; 0 for one that has ended."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_bytes().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(b"Pss:")), 0)
