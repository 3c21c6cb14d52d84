"""Whatever ends a render half-way: it ends at once, with all its processes, and the output folder is what it was."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from generator.cli import run
from tests.bench.fleet import write_fleet
from tests.conftest import snapshot, write_tree

#: A second on an idle machine; the tests may share theirs.
BOUND = 3
ENVIRONMENTS = 320

#: Renders, but takes its time for each environment, so that there is a half-way.
SLOW = """
import time
from generator.build import Builder
from generator.cli import main
real = Builder.units
def units(*arguments):
    time.sleep(0.03)
    return real(*arguments)
Builder.units = units
main()
"""


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Path:
    folder: Path = tmp_path_factory.mktemp("cache")
    return folder


@pytest.fixture(scope="module")
def big(tmp_path_factory) -> Path:
    """A project of several hundred environments."""
    folder: Path = tmp_path_factory.mktemp("big")
    write_fleet(folder, ENVIRONMENTS)
    return folder


class Render(NamedTuple):
    """A render by two processes, half-way."""

    process: subprocess.Popen[str]
    staging: Path

    def processes(self) -> list[int]:
        """Those of its processes that live."""
        return [process for process, group, state in table() if group == self.process.pid and state != "Z"]

    def ends(self) -> tuple[float, str]:
        """Wait until all of them have ended; give the seconds that took, and what was said."""
        started = time.monotonic()
        errors = self.process.communicate(timeout=20)[1]
        while self.processes() and time.monotonic() < started + 20:
            time.sleep(0.01)
        return time.monotonic() - started, errors


def table() -> Iterator[tuple[int, int, str]]:
    """Every process of this machine, with its group and its state."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, group = path.read_text().rpartition(")")[2].split()[:3]
        except OSError:  # it has just ended
            continue
        yield int(path.parent.name), int(group), state


def halfway(project: Path, cache: Path, *options: str, program: str = SLOW) -> Render:
    """Start to render, and wait until the first results are there."""
    process = subprocess.Popen(
        [sys.executable, "-c", program, "render", "--jobs", "2", *options],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent), "XDG_CACHE_HOME": str(cache)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=obey_signals,  # noqa: PLW1509  # no threads here
    )
    until = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < until:
        own = (path for path in staging(project) if path.name.endswith(f"-{process.pid}"))
        written = [path for path in own if any(file.is_file() for file in path.rglob("*"))]
        if written:
            return Render(process, written[0])
        time.sleep(0.01)
    raise AssertionError(process.communicate()[1])


def obey_signals() -> None:
    """A shell that runs the tests in the background has its children ignore some."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def staging(project: Path) -> list[Path]:
    """The folders where output waits, beside the output folder or in it."""
    return [*project.glob(".*sidecert-*"), *project.glob("output/.sidecert-*")]


class TestASignal:
    @pytest.mark.parametrize("to_all", [True, False], ids=["to the group", "to the first process"])
    @pytest.mark.parametrize(
        ("number", "code", "said"),
        [
            (signal.SIGINT, 130, "interrupted: nothing was changed"),
            (signal.SIGTERM, -signal.SIGTERM, ""),
            (signal.SIGHUP, -signal.SIGHUP, ""),
        ],
    )
    def test_ends_a_render_at_once(self, big, cache, number, code, said, to_all):
        render = halfway(big, cache)
        assert len(render.processes()) == 3

        (os.killpg if to_all else os.kill)(render.process.pid, number)

        seconds, errors = render.ends()
        assert seconds < BOUND
        assert (render.process.returncode, errors.strip()) == (code, said)
        assert render.processes() == []
        assert not (big / "output").exists()
        assert staging(big) == []

    def test_changes_nothing_in_an_output_folder(self, tmp_path, cache):
        write_fleet(tmp_path, 40)
        assert run(["render", "-q", "--jobs", "1", "--only", "manifests", "-C", str(tmp_path)]) == 0
        before = snapshot(tmp_path / "output")
        write_tree(tmp_path, {"overlays/_defaults.yaml": "labels: {team: another}\n"})
        render = halfway(tmp_path, cache)

        os.killpg(render.process.pid, signal.SIGINT)

        seconds, _ = render.ends()
        assert (render.process.returncode, seconds < BOUND) == (130, True)
        assert snapshot(tmp_path / "output") == before

    def test_may_come_several_times(self, big, cache):
        """Who presses Ctrl-C again while leftovers are removed gets them removed."""
        render = halfway(big, cache)
        for _ in range(5):
            os.killpg(render.process.pid, signal.SIGINT)
            time.sleep(0.004)

        seconds, errors = render.ends()
        assert (render.process.returncode, seconds < BOUND) == (130, True)
        assert "Traceback" not in errors
        assert not (big / "output").exists()

    def test_that_is_to_be_ignored_is_ignored(self, tmp_path, cache):
        """As ``nohup`` has it."""
        write_fleet(tmp_path, 40)
        ignoring = f"import signal\nsignal.signal(signal.SIGHUP, signal.SIG_IGN)\n{SLOW}"
        render = halfway(tmp_path, cache, program=ignoring)

        os.killpg(render.process.pid, signal.SIGHUP)

        _, errors = render.ends()
        assert (render.process.returncode, errors[:8]) == (0, "rendered")

    def test_that_python_loses_strikes_again(self, big):
        """What is raised in a destructor, or in a callback of the import system, is thrown away."""
        code = "import os, signal, time\nfrom generator import build\nfrom generator.cli import main\n"
        code += "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        code += "class Callback:\n    def __del__(self):\n        os.kill(os.getpid(), signal.SIGINT)\n"
        code += "        time.sleep(0.2)\n"
        code += "build.summaries = lambda *_: [Callback() and None, time.sleep(20)]\nmain()"
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
        started = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-c", code, "list"], cwd=big, env=environment, capture_output=True, text=True
        )
        assert (done.returncode, done.stderr.strip()) == (130, "interrupted: nothing was changed")
        assert time.monotonic() - started < 15


class TestKill9:
    def test_of_the_first_process_ends_the_others(self, big, cache):
        render = halfway(big, cache)
        workers = render.processes()
        assert len(workers) == 3

        render.process.kill()

        seconds, errors = render.ends()
        assert (seconds < BOUND, errors) == (True, "")
        assert render.processes() == []
        assert not (big / "output").exists()
        assert staging(big) == [render.staging]  # nobody was left to remove it

        again = halfway(big, cache)
        assert staging(big) == [again.staging]
        os.killpg(again.process.pid, signal.SIGINT)
        again.ends()
        assert staging(big) == []
