"""Many environments: the same bytes whoever renders them, and nothing lost or hidden when a process dies."""

from __future__ import annotations

import faulthandler
import os
import pickle
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from itertools import islice
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from generator import __version__
from generator.build import Builder
from generator.cli import run as run_command
from generator.cli.processors import processors
from generator.errors import InputError
from generator.fleet import Fleet, Job, Request, Result, Worker, local, run
from generator.fleet import job as fleet_job
from generator.fleet.executing import BrokenJobsError, on_executor
from generator.fleet.processes import DeadProcessError, Processes
from generator.workspace import open_workspace
from tests.bench.fleet import write_fleet
from tests.conftest import TINY, snapshot, write_tree

FORMS = ("manifests", "kustomize", "helm")
SIZE = 36


class Outcome(NamedTuple):
    code: int
    err: str


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory) -> Iterator[None]:
    """A cache of their own for these tests: what one compiles, the next finds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def project_of_all(tmp_path_factory) -> Path:
    """A project of all variants."""
    folder: Path = tmp_path_factory.mktemp("fleet")
    write_fleet(folder, SIZE)
    return folder


@pytest.fixture(scope="module")
def rendered_here(project_of_all) -> dict[str, bytes]:
    """What one process makes of it."""
    return rendered(project_of_all, "one", "--jobs", "1")


def rendered(project: Path, output: str, *options: str) -> dict[str, bytes]:
    """Render to an output folder that isn't there yet, and give all its files."""
    folder = project / output
    assert run_command(["render", "-q", "-C", str(project), "--output", str(folder), *options]) == 0
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    shutil.rmtree(folder)
    return found


class Here(Executor):
    """Does what it is given at once."""

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(function(*arguments, **named))
        return future


class TestTheSameBytes:
    @pytest.mark.parametrize("jobs", ["2", "3"])
    def test_come_from_any_number_of_processes(self, project_of_all, rendered_here, jobs):
        assert rendered(project_of_all, jobs, "--jobs", jobs) == rendered_here

    @pytest.mark.parametrize(
        "executor",
        [Here, lambda: ThreadPoolExecutor(3), lambda: ProcessPoolExecutor(2, get_context("spawn"))],
        ids=["in place", "threads", "spawned processes"],
    )
    def test_come_from_any_executor(self, project_of_all, rendered_here, executor, monkeypatch):
        def on_this_one(jobs: Iterator[Job], workers: int) -> Iterator[Result]:
            with executor() as it:
                yield from on_executor(jobs, it, 2 * workers)

        monkeypatch.setattr(local, "on_processes", on_this_one)

        assert rendered(project_of_all, "other", "--jobs", "2") == rendered_here

    def test_have_an_inventory_for_every_folder(self, rendered_here):
        units = {path.rpartition("/")[0] for path in rendered_here if path.startswith("kustomize/overlays/")}
        assert len(units) >= SIZE
        assert {f".inventory/{unit}.sha256" for unit in units if unit.count("/") == 4} <= set(rendered_here)


def jobs_of(project: Path, size: int = 10) -> list[Job]:
    """The jobs that a project's environments make; the chart is the first."""
    workspace = open_workspace(str(project))
    requests = [Request(name, workspace.layer_texts(name)) for name in workspace.environment_names()]
    return list(Fleet(workspace.project(), FORMS)._jobs(requests, size, __version__))


def told(result: Result) -> tuple[Any, ...]:
    """All of a result but how long it took."""
    return result.rendered, result.shared, result.problems


class TestAJob:
    def test_gives_the_same_whatever_was_done_before(self, project_of_all):
        jobs = jobs_of(project_of_all)
        first = [told(run(job)) for job in jobs]

        again = [told(run(job)) for job in reversed(jobs)]

        assert again[::-1] == first
        assert all(shared for _, shared, _ in first)

    def test_survives_pickling_with_its_result(self, project_of_all):
        for job in jobs_of(project_of_all):
            copy = pickle.loads(pickle.dumps(job))
            assert copy == job
            result = run(copy)
            assert told(pickle.loads(pickle.dumps(result))) == told(result)

    def test_needs_no_file_but_the_program(self, project_of_all, tmp_path):
        """In another process, when the project is gone: it opens Python's files, the program's and the cache's."""
        gone = tmp_path / "gone"
        shutil.copytree(project_of_all, gone)
        jobs = jobs_of(gone)
        here = [told(run(job)) for job in jobs]
        shutil.rmtree(gone)
        (tmp_path / "jobs").write_bytes(pickle.dumps(jobs))
        code = (
            "import os, pickle, sys\n"
            "from generator.fleet import run\n"
            "jobs = pickle.load(open('jobs', 'rb'))\n"
            "opened = []\n"
            "sys.addaudithook(lambda event, what: event == 'open' and opened.append(what[0]))\n"
            "results = [run(job) for job in jobs]\n"
            "paths = [os.path.abspath(path) for path in opened if not isinstance(path, int)]\n"
            "pickle.dump(([tuple(result)[:3] for result in results], paths), open('results', 'wb'))\n"
        )
        settings = {"PYTHONPATH": str(Path(__file__).parent.parent), "XDG_CACHE_HOME": str(tmp_path)}
        environment = {**os.environ, **settings, "PYTHONDONTWRITEBYTECODE": "1"}
        subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True, timeout=60)

        there, opened = pickle.loads((tmp_path / "results").read_bytes())
        assert there == here
        strange = [path for path in opened if Path(path).suffix not in {".py", ".pyc", ".so"}]
        assert [path for path in strange if not path.startswith(f"{tmp_path}/sidecert/")] == []

    def test_is_refused_by_another_program(self, project_of_all):
        job = jobs_of(project_of_all)[1]._replace(program="another")
        with pytest.raises(InputError, match=f"another sidecert than this machine: its version is {__version__}"):
            run(job)


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """A small project, of enough environments for several processes."""
    files = {f"overlays/e{number:02}.yaml": f"replicas: {number % 9 + 1}\n" for number in range(40)}
    return write_tree(tmp_path / "project", {**TINY, **files})


@pytest.fixture
def sidecert(many, capsys) -> Callable[..., Outcome]:
    """Run a command there."""

    def call(*arguments: str) -> Outcome:
        code = run_command([*arguments, "-C", str(many)])
        return Outcome(code, capsys.readouterr().err)

    return call


def before_rendering(monkeypatch: pytest.MonkeyPatch, strike: Callable[[str], object]) -> None:
    """Have something done before each environment is rendered, in whatever process that is."""
    real = Builder.units

    def units(self: Builder, name: str, *rest: Any) -> Any:
        strike(name)
        return real(self, name, *rest)

    monkeypatch.setattr(Builder, "units", units)


class TestProblems:
    def test_are_told_as_in_one_process(self, sidecert, many):
        wrong = {"e03": "replicas: 70\n", "e17": "variant: [\n", "e18": "name: istiod\n", "e39": "replicass: 1\n"}
        write_tree(many, {f"overlays/{name}.yaml": text for name, text in wrong.items()})
        write_tree(many, {"overlays/prod/_defaults.yaml": "labels: 1\n", "overlays/prod/eu-2.yaml": ""})

        one, several = sidecert("render", "--jobs", "1"), sidecert("render", "--jobs", "3")

        assert several == one
        assert one.code == 2
        assert one.err.count("error: ") == 6
        assert not (many / "output").exists()

    def test_of_the_chart_are_told_as_in_one_process(self, sidecert, many):
        template = (
            "apiVersion: v1\nkind: Secret\nmetadata: {name: x}\n{% if values.replicas in [1, 2] %}\nx: 1\n{% endif %}"
        )
        write_tree(many, {"templates/tiny/secret.yaml.j2": template})

        one, several = sidecert("render", "--jobs", "1"), sidecert("render", "--jobs", "3")

        assert several == one
        assert (one.code, one.err.startswith("error: templates/tiny/secret.yaml.j2:")) == (2, True)

    @pytest.mark.parametrize("kind", ["plain", "unpicklable"])
    def test_that_are_bugs_name_the_environment(self, sidecert, many, monkeypatch, kind):
        class LocalError(Exception):
            """One that no other process knows."""

        def strike(name: str) -> None:
            if name == "e21":
                raise KeyError("x") if kind == "plain" else LocalError("what happened")

        before_rendering(monkeypatch, strike)

        one, several = sidecert("render", "--jobs", "1"), sidecert("render", "--jobs", "2")

        assert several == one
        assert one.code == 3
        assert ("KeyError: 'x'" if kind == "plain" else "LocalError: what happened") in one.err
        assert "(while rendering e21)" in one.err
        assert not (many / "output").exists()


def segmentation_fault() -> None:
    faulthandler.disable()  # pytest's tells more of it than there is to know
    os.kill(os.getpid(), signal.SIGSEGV)


class TestAProcessThatDies:
    @pytest.mark.parametrize(
        ("die", "ending"),
        [
            (lambda: os._exit(7), "exit code 7"),
            (lambda: os.kill(os.getpid(), signal.SIGKILL), "signal 9 (SIGKILL)"),
            (segmentation_fault, "signal 11 (SIGSEGV)"),
        ],
    )
    def test_whenever_it_renders_an_environment_is_told_with_its_name(self, sidecert, many, monkeypatch, die, ending):
        assert sidecert("render", "--jobs", "2").code == 0
        write_tree(many, {"overlays/_defaults.yaml": "namespace: other\n"})
        before = snapshot(many / "output")
        test_itself = os.getpid()
        before_rendering(monkeypatch, lambda name: name == "e33" and os.getpid() != test_itself and die())
        started = time.monotonic()

        done = sidecert("render", "--jobs", "2")

        assert done == Outcome(
            3,
            f"error: a process died while it rendered e33: {ending}\n"
            "    hint: is memory short? --jobs 1 does everything in one process\n",
        )
        assert time.monotonic() - started < 20
        assert snapshot(many / "output") == before

    def test_when_it_compiles_the_chart_is_told(self, sidecert, many, monkeypatch):
        monkeypatch.setattr(Builder, "chart", lambda *_: os.kill(os.getpid(), signal.SIGKILL))

        done = sidecert("render", "--jobs", "2")

        assert (done.code, "died while it compiled the chart: signal 9" in done.err) == (3, True)

    def test_once_does_no_harm(self, sidecert, many, tmp_path, monkeypatch):
        """Killed from outside, as by the kernel when memory is short."""
        assert sidecert("render", "--jobs", "1").code == 0
        right = {name: content for name, (content, _) in snapshot(many / "output").items()}
        shutil.rmtree(many / "output")
        mark = tmp_path / "victim"

        def strike(name: str) -> None:
            if name == "e33" and not mark.exists():
                (tmp_path / "new").write_text(str(os.getpid()))
                (tmp_path / "new").rename(mark)
                time.sleep(60)

        def kill() -> None:
            while not mark.exists():
                time.sleep(0.01)
            os.kill(int(mark.read_text()), signal.SIGKILL)

        before_rendering(monkeypatch, strike)
        killer = threading.Thread(target=kill, daemon=True)
        killer.start()

        done = sidecert("render", "--jobs", "2", "--no-cache")

        killer.join()
        assert done.code == 0, done.err
        assert {name: content for name, (content, _) in snapshot(many / "output").items()} == right

    def test_in_the_midst_of_its_answer_does_no_harm(self, sidecert, many, tmp_path, monkeypatch):
        """Whoever waits for the rest of it, waits for ever."""
        test_itself, mark = os.getpid(), tmp_path / "died"
        real = Connection._send_bytes  # type: ignore[attr-defined]

        def send_bytes(self: Connection, content: memoryview) -> None:
            if os.getpid() != test_itself and not mark.exists():
                mark.touch()
                self._send(bytes((0, 0, 255, 255)) + bytes(content[:99]))  # type: ignore[attr-defined]  # of 65535
                os.kill(os.getpid(), signal.SIGKILL)
            real(self, content)

        monkeypatch.setattr(Connection, "_send_bytes", send_bytes)

        assert sidecert("render", "--jobs", "2").code == 0
        assert mark.exists()
        assert sidecert("render", "--check", "--jobs", "1", "--no-cache").code == 0

    def test_leaves_no_other_behind(self, sidecert, monkeypatch):
        test_itself = os.getpid()
        before = children(test_itself)
        before_rendering(monkeypatch, lambda name: name == "e33" and os.getpid() != test_itself and os._exit(7))
        assert sidecert("render", "--jobs", "3").code == 3
        assert children(test_itself) == before

    def test_before_it_can_be_started_is_told(self, sidecert, many, monkeypatch):
        def fork() -> int:
            raise BlockingIOError(11, "Resource temporarily unavailable")

        monkeypatch.setattr(os, "fork", fork)
        assert sidecert("render", "--jobs", "2") == Outcome(
            2,
            "error: no process can be started: Resource temporarily unavailable\n"
            "    hint: --jobs 1 needs no other one\n",
        )
        assert not (many / "output").exists()


def children(process: int) -> list[str]:
    """The children of a process that run, or that it hasn't taken note of."""
    return Path(f"/proc/{process}/task/{process}/children").read_text().split()


JOBS = tuple(Job(b"", (), use_cache=False, requests=(Request(f"e{number}", ()),)) for number in range(6))


class Waiting(Executor):
    """Does nothing; whoever waits for the future of a job finds that it is done, or that all is broken."""

    def __init__(self, breaks: Sequence[str] = ()) -> None:
        self.futures: dict[str, Future[Any]] = {}
        self._breaks = breaks

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **_named: Any) -> Future[Any]:
        name = arguments[0].requests[0].name
        future = self.futures[name] = Future()
        if name in self._breaks:
            future.set_exception(BrokenExecutor("the roof fell in"))
        else:
            future.set_result(name)
        return future


class TestAnExecutor:
    def test_is_never_given_more_than_some_jobs_at_a_time(self):
        taken, most = [0], 3

        def jobs() -> Iterator[Job]:
            for job in JOBS:
                taken[0] += 1
                yield job

        results = on_executor(jobs(), Waiting(), most)
        for number in range(len(JOBS)):
            next(results)
            assert taken[0] <= number + most  # however long whoever takes the results thinks about them

        assert list(results) == []
        assert taken[0] == len(JOBS)

    def test_that_breaks_down_is_told_with_the_jobs_it_lost(self):
        """Jobs whose results were given aren't among them: they would be given twice."""
        executor = Waiting(breaks=["e2"])
        results, names = on_executor(iter(JOBS[:4]), executor, 4), set[str]()
        with pytest.raises(BrokenJobsError) as broken:
            names.update(map(str, results))

        lost = {job.names()[0] for job in broken.value.jobs}
        assert broken.value.jobs[0].names() == ("e2",)
        assert names | lost == {"e0", "e1", "e2", "e3"}
        assert names & lost == set()

    def test_that_breaks_down_with_the_last_job_done_tells_only_the_others(self):
        first: Future[Any] = Future()

        class FirstIsSlow(Waiting):
            def submit(self, function: Callable[..., Any], /, *arguments: Any, **_named: Any) -> Future[Any]:
                return super().submit(function, *arguments) if arguments[0] is JOBS[1] else first

        results = on_executor(iter(JOBS[:2]), FirstIsSlow(), 2)
        assert str(next(results)) == "e1"
        first.set_exception(BrokenExecutor("the roof fell in"))
        with pytest.raises(BrokenJobsError) as broken:
            next(results)
        assert [job.names() for job in broken.value.jobs] == [("e0",)]

    def test_that_is_not_needed_any_more_is_told_so(self):
        pending: Future[Any] = Future()

        class FirstIsQuick(Waiting):
            def submit(self, function: Callable[..., Any], /, *arguments: Any, **_named: Any) -> Future[Any]:
                return super().submit(function, *arguments) if arguments[0] is JOBS[0] else pending

        results = on_executor(iter(JOBS[:2]), FirstIsQuick(), 2)
        next(results)
        results.close()
        assert pending.cancelled()


class TestProcesses:
    def test_tell_where_a_bug_was(self, monkeypatch):
        with pytest.raises(ZeroDivisionError) as told, Processes(1, get_context("fork"), lambda: None) as executor:
            executor.submit(divmod, 1, 0).result()
        assert "Traceback" in str(told.value.__cause__)
        assert "in _serve" in str(told.value.__cause__)

    def test_end_at_once_whatever_they_are_doing(self):
        executor = Processes(2, get_context("fork"), lambda: None)
        futures = [executor.submit(time.sleep, 60) for _ in range(4)]
        started = time.monotonic()
        executor.shutdown()
        assert time.monotonic() - started < 5
        assert all(isinstance(future.exception(timeout=1), DeadProcessError) for future in futures)

    def test_take_what_can_not_be_read_for_an_error(self):
        with pytest.raises(AttributeError), Processes(1, get_context("fork"), lambda: None) as executor:
            executor.submit(lambda: 1).result()  # no other process can import it


class TestThreads:
    def test_have_a_worker_each(self, project_of_all):
        """A worker keeps what its jobs have in common, and is not made for two jobs at once."""
        job, barrier = jobs_of(project_of_all)[0], threading.Barrier(2, timeout=20)

        def mine() -> tuple[Worker, Worker]:
            barrier.wait()
            found = (fleet_job._worker(job), fleet_job._worker(job))
            barrier.wait()
            return found

        with ThreadPoolExecutor(2) as executor:
            (first, again), (other, _) = [future.result() for future in [executor.submit(mine) for _ in range(2)]]

        assert first is again
        assert first is not other


class TestProcessors:
    @pytest.mark.parametrize(
        ("files", "share"),
        [
            ({}, None),
            ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000\n"}, None),
            ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "200000 100000\n"}, 2),
            ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "150000 100000\n"}, 2),
            ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "1000 100000\n"}, 1),
            ({"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/cpu.max": "300000 100000\n"}, 3),
            (
                {
                    "proc/self/cgroup": "0::/a/b\n",
                    "sys/fs/cgroup/a/cpu.max": "300000 100000\n",
                    "sys/fs/cgroup/a/b/cpu.max": "400000 100000\n",
                },
                3,
            ),
            (
                {
                    "proc/self/cgroup": "5:cpuset:/x\n4:cpu,cpuacct:/docker/f00\n",
                    "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "250000\n",
                    "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
                },
                3,
            ),
            (
                {
                    "proc/self/cgroup": "4:cpu,cpuacct:/\n",
                    "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
                    "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
                },
                None,
            ),
            ({"proc/self/cgroup": "nonsense\n0:\n", "sys/fs/cgroup/cpu.max": "0 0\n"}, None),
        ],
    )
    def test_are_those_that_a_container_may_use(self, tmp_path, monkeypatch, files, share):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)))
        write_tree(tmp_path, files)
        assert processors(str(tmp_path)) == (share or 64)

    def test_are_those_that_the_process_may_run_on(self, monkeypatch):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3})
        assert processors() == 1

    @pytest.mark.parametrize(
        ("options", "variable", "said"),
        [
            (["--jobs", "0"], None, "Invalid value for '-j' / '--jobs': 0 is not in the range x>=1."),
            (["--jobs", "x"], None, "Invalid value for '-j' / '--jobs': 'x' is not a valid integer range."),
            ([], "many", "Invalid value for '-j' / '--jobs': 'many' is not a valid integer range."),
        ],
    )
    def test_are_asked_for_as_a_number(self, sidecert, monkeypatch, options, variable, said):
        if variable:
            monkeypatch.setenv("SIDECERT_JOBS", variable)
        done = sidecert("render", *options)
        assert done.code == 2
        assert said in done.err

    def test_can_be_named_by_a_variable(self, sidecert, monkeypatch):
        asked: list[int] = []

        def on_processes(jobs: Iterator[Job], workers: int) -> Iterator[Result]:
            asked.append(workers)
            return map(run, islice(jobs, None))

        monkeypatch.setattr(local, "on_processes", on_processes)
        monkeypatch.setenv("SIDECERT_JOBS", "5")
        assert sidecert("render").code == 0
        assert asked == [5]
