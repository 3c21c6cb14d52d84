"""Rendering on a Dask cluster: a real one, of two workers on this machine."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from generator.cli import run
from generator.fleet import cluster as dask_cluster
from generator.fleet import job
from tests import cluster as cluster_program
from tests.bench.fleet import write_fleet
from tests.conftest import TINY, snapshot, write_tree

ROOT = Path(__file__).parent.parent


class Cluster(NamedTuple):
    """A cluster that runs."""

    address: str
    program: subprocess.Popen[str]

    def ask(self, command: str) -> str:
        """Give it a command, and wait for its answer."""
        assert self.program.stdin
        assert self.program.stdout
        self.program.stdin.write(f"{command}\n")
        self.program.stdin.flush()
        return self.program.stdout.readline().strip()


@pytest.fixture(scope="module")
def environment(tmp_path_factory) -> dict[str, str]:
    """What programs of these tests find in their environment."""
    folder = str(tmp_path_factory.mktemp("cluster"))
    settings = {"PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": folder, cluster_program.FOLDER: folder}
    return {**os.environ, **settings}


@pytest.fixture(scope="module")
def cluster(environment) -> Iterator[Cluster]:
    program = subprocess.Popen(
        [sys.executable, cluster_program.__file__],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert program.stdout
    yield Cluster(program.stdout.readline().strip(), program)
    program.communicate(timeout=30)


class Outcome(NamedTuple):
    code: int
    err: str


@pytest.fixture
def sidecert(tmp_path, capfd, monkeypatch, environment) -> Callable[..., Outcome]:
    """Run a command in this process; what any thread writes to standard error is caught."""
    monkeypatch.setenv("XDG_CACHE_HOME", environment["XDG_CACHE_HOME"])

    def call(project: Path, *arguments: str) -> Outcome:
        code = run([*arguments, "-C", str(project)])
        return Outcome(code, capfd.readouterr().err)

    return call


def contents(folder: Path) -> dict[str, bytes | str]:
    return {name: content for name, (content, _) in snapshot(folder).items()}


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """A small project of some jobs for each worker."""
    files = {f"overlays/e{number:03}.yaml": f"replicas: {number % 9 + 1}\n" for number in range(170)}
    return write_tree(tmp_path / "project", {**TINY, **files})


class TestACluster:
    def test_gives_the_same_bytes(self, tmp_path, cluster, sidecert):
        write_fleet(tmp_path, 36)
        assert sidecert(tmp_path, "render", "--jobs", "1", "-q").code == 0
        right = contents(tmp_path / "output")
        shutil.rmtree(tmp_path / "output")

        assert sidecert(tmp_path, "render", "--scheduler", cluster.address, "-q") == Outcome(0, "")

        assert contents(tmp_path / "output") == right

    def test_is_left_alone_afterwards(self, many, cluster, sidecert):
        from distributed import default_client

        assert sidecert(many, "render", "--scheduler", cluster.address).code == 0

        assert cluster.ask("clients") == "0"
        with pytest.raises(ValueError, match="No clients found"):
            default_client()  # type: ignore[no-untyped-call]

    def test_is_not_asked_where_there_is_nothing_to_do(self, many, sidecert):
        assert sidecert(many, "render", "--jobs", "1").code == 0
        assert sidecert(many, "render", "--scheduler", "nowhere").code == 0

    def test_survives_a_worker_that_is_killed_half_way(self, many, cluster, sidecert, environment):
        mark = Path(environment[cluster_program.FOLDER], "died")
        mark.unlink(missing_ok=True)
        write_tree(many, {"overlays/m/once.yaml": "replicas: 4\n"})
        assert sidecert(many, "render", "--jobs", "1").code == 0
        right = contents(many / "output")
        shutil.rmtree(many / "output")

        done = sidecert(many, "render", "--scheduler", cluster.address)

        assert mark.exists()
        assert (done.code, done.err.startswith("rendered 173 environments: ")) == (0, True), done.err
        assert contents(many / "output") == right

    def test_whose_workers_all_die_of_an_environment_is_told_with_its_name(self, tiny, cluster, sidecert):
        write_tree(tiny, {"overlays/always.yaml": "replicas: 4\n"})

        done = sidecert(tiny, "render", "--scheduler", cluster.address)

        cluster.ask("workers 2")  # others take the place of those that died
        who = f"workers of {cluster.address} died, one after the other"
        hint = "    hint: render these here, without --scheduler, to learn which one it is\n"
        assert done == Outcome(3, f"error: {who}, while they rendered always, dev, prod/eu-1\n{hint}")
        assert not (tiny / "output").exists()

    def test_tells_problems_as_one_process_does(self, many, cluster, sidecert):
        write_tree(many, {"overlays/e003.yaml": "replicas: 70\n", "overlays/e144.yaml": "name: istiod\n"})
        assert sidecert(many, "render", "--scheduler", cluster.address) == sidecert(many, "render", "--jobs", "1")

    def test_is_left_at_once_by_ctrl_c(self, tmp_path, cluster, environment):
        files = {f"overlays/e{number:03}-slow.yaml": "replicas: 2\n" for number in range(80)}
        write_tree(tmp_path, {**TINY, **files})
        process = subprocess.Popen(
            [sys.executable, "-m", "generator", "render", "--scheduler", cluster.address],
            cwd=tmp_path,
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
            # A shell that runs the tests in the background has its children ignore the signal.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509  # no threads here
        )
        while cluster.ask("clients") == "0":
            assert process.poll() is None
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        started = time.monotonic()
        _, errors = process.communicate(timeout=20)

        assert time.monotonic() - started < 3
        assert (process.returncode, errors.strip()) == (130, "interrupted: nothing was changed")
        assert cluster.ask("clients") == "0"
        assert sorted(path.name for path in tmp_path.iterdir()) == ["overlays", "templates"]

    @pytest.mark.parametrize("who", ["scheduler", "worker"])
    def test_with_another_program_is_refused(self, tiny, cluster, sidecert, monkeypatch, who):
        monkeypatch.setattr(job, "program_digest", lambda: "another")
        if who == "worker":
            monkeypatch.setattr(dask_cluster, "_check_scheduler", lambda *_: None)
        job.running_program.cache_clear()
        try:
            done = sidecert(tiny, "render", "--scheduler", cluster.address)
        finally:
            job.running_program.cache_clear()
        assert done.code == 2
        assert done.err.startswith(f"error: the {who} tcp://127.0.0.1:")
        assert f"{cluster.address} has another sidecert\n    hint: install sidecert" in done.err
        assert done.err.count("error: ") == 1

    def test_that_another_program_joins_later_is_refused(self, tiny, cluster, sidecert, monkeypatch):
        monkeypatch.setattr(
            dask_cluster, "running_program", lambda: "another"
        )  # which is what workers are then asked for
        done = sidecert(tiny, "render", "--scheduler", cluster.address)
        assert done.code == 2
        assert done.err.startswith("error: a worker has another sidecert than this machine: its version is ")

    def test_that_loses_all_workers_is_told(self, tmp_path, cluster, sidecert, monkeypatch):
        monkeypatch.setattr(dask_cluster, "_SECONDS_WITHOUT_WORKER", 0.2)
        cluster.ask("workers 1")  # the next one to have its job would be told as killed by it
        write_tree(tmp_path, {**TINY, **{f"overlays/e{number}-slow.yaml": "replicas: 2\n" for number in range(40)}})

        def leave() -> None:
            while cluster.ask("clients") == "0":
                time.sleep(0.02)
            time.sleep(0.3)
            cluster.ask("workers 0")

        leaving = threading.Thread(target=leave)
        leaving.start()
        done = sidecert(tmp_path, "render", "--scheduler", cluster.address)
        leaving.join()
        cluster.ask("workers 2")
        assert done == Outcome(3, f"error: the scheduler {cluster.address} has no worker any more\n")
        assert not (tmp_path / "output").exists()

    def test_without_a_worker_is_told(self, tiny, cluster, sidecert):
        cluster.ask("workers 0")
        try:
            done = sidecert(tiny, "render", "--scheduler", cluster.address)
        finally:
            cluster.ask("workers 2")
        assert done == Outcome(2, f"error: the scheduler {cluster.address} has no worker\n")

    def test_that_goes_away_is_told(self, tmp_path, cluster, sidecert):
        """The last test of this cluster, which doesn't survive it."""
        write_tree(tmp_path, {**TINY, **{f"overlays/e{number}-slow.yaml": "replicas: 2\n" for number in range(80)}})

        def leave() -> None:
            while cluster.ask("clients") == "0":
                time.sleep(0.02)
            time.sleep(0.3)
            cluster.program.kill()

        leaving = threading.Thread(target=leave)
        leaving.start()
        done = sidecert(tmp_path, "render", "--scheduler", cluster.address)
        leaving.join()
        assert done == Outcome(3, f"error: the connection to the scheduler {cluster.address} was lost\n")
        assert not (tmp_path / "output").exists()


class TestNoCluster:
    @pytest.mark.parametrize(
        ("address", "said"),
        [
            ("nonsense", "missing port number in address 'nonsense'"),
            ("tcp://127.0.0.1", "missing port number in address '127.0.0.1'"),
            ("foo://127.0.0.1:1", "unknown address scheme 'foo'"),
            ("tls://127.0.0.1:1", "TLS expects a `ssl_context` argument"),
            ("tcp://127.0.0.1:1", "Timed out trying to connect to tcp://127.0.0.1:1"),
        ],
    )
    def test_at_an_address_is_told(self, tiny, sidecert, monkeypatch, address, said):
        monkeypatch.setattr(dask_cluster, "_SECONDS_TO_CONNECT", 0.3)
        started = time.monotonic()

        done = sidecert(tiny, "render", "--scheduler", address)

        assert done.code == 2
        assert done.err.startswith(f"error: the scheduler {address} can't be reached: {said}")
        assert (done.err.count("error: "), "Traceback" in done.err) == (1, False)
        assert time.monotonic() - started < 10
        assert not (tiny / "output").exists()

    def test_but_another_server_is_told(self, tiny, sidecert, monkeypatch):
        """It takes the connection, and never says a word of Dask's."""
        monkeypatch.setattr(dask_cluster, "_SECONDS_TO_CONNECT", 0.3)
        with socket.create_server(("127.0.0.1", 0)) as server:
            address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
            done = sidecert(tiny, "render", "--scheduler", address)
        assert done == Outcome(
            2, f"error: the scheduler {address} can't be reached: no scheduler's answer within 0.3 s\n"
        )

    def test_without_dask_is_told(self, tiny, sidecert, monkeypatch):
        monkeypatch.setitem(sys.modules, "distributed", None)
        assert sidecert(tiny, "render", "--scheduler", "tcp://127.0.0.1:1") == Outcome(
            2, "error: --scheduler needs Dask, which isn't installed\n    hint: pip install 'sidecert[dask]'\n"
        )
