"""Many environments at once: a pure job that any executor runs, and the processes of this machine that run it.

A `Job` holds texts and gives files in memory, so it can be done by another process, or on another machine. Whoever does
several for one project compiles its templates once.
"""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property, lru_cache
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, NamedTuple

from generator import __version__
from generator.build import Builder, Unit
from generator.cache import CodeCache, program_digest
from generator.errors import CrashError, InputError, Problem
from generator.stages import Stages
from generator.tree import OutputUnit, packed
from generator.workspace import LayerText, Project

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future
    from multiprocessing.connection import Connection

#: Fewer environments than this are rendered in this process: starting others would take longer.
WORTH_A_PROCESS = 24
_MOST_IN_A_JOB = 40
_JOBS_FOR_EACH_WORKER = 8


class Request(NamedTuple):
    """An environment to be rendered: its name, its layers, and the names of the folders that others have below it."""

    name: str
    layers: tuple[LayerText, ...]
    reserved: frozenset[str] = frozenset()


class Job(NamedTuple):
    """What is to be done in one go: some environments, or the chart.

    ``project`` is a pickled `Project`: who gets several of its jobs unpickles it once. Another machine must have the
    ``program`` of this digest, where there is one.
    """

    project: bytes
    forms: tuple[str, ...]
    use_cache: bool
    program: str = ""
    requests: tuple[Request, ...] = ()
    chart_version: str = ""

    def names(self) -> tuple[str, ...]:
        """The names of its environments."""
        return tuple(request.name for request in self.requests)


class Rendered(NamedTuple):
    """What an environment was rendered to, or why it couldn't be."""

    name: str
    variant: str
    units: tuple[OutputUnit, ...]
    problems: tuple[Problem, ...]


class Result(NamedTuple):
    """What a job gave: environments, what they rest on, why the chart can't be compiled, and how long it took."""

    rendered: tuple[Rendered, ...]
    shared: tuple[OutputUnit, ...]
    problems: tuple[Problem, ...]
    stages: Stages


class Worker:
    """Does jobs of one project one after another, and keeps what they have in common."""

    def __init__(self, project: Project, forms: tuple[str, ...], *, use_cache: bool) -> None:
        """Take the project, and the forms to render to."""
        cache = CodeCache() if use_cache else CodeCache(folder="")
        self._builder = Builder(project, forms, cache)
        self._forms = forms
        self._bases: set[str] = set()

    def run(self, requests: Sequence[Request], chart_version: str = "") -> Result:
        """Render environments, and the chart where a version is given.

        A base is given with the first environment that rests on it.
        """
        self._builder.stages = Stages()
        rendered, shared = list[Rendered](), list[OutputUnit]()
        for request in requests:
            rendered.append(self._rendered(request))
            variant = rendered[-1].variant
            if variant and "kustomize" in self._forms and variant not in self._bases:
                self._bases.add(variant)
                shared.append(self.base(variant))
        problems: tuple[Problem, ...] = ()
        if chart_version:
            try:
                shared.append(_packed(self._builder.chart(chart_version)))
            except InputError as error:
                problems = error.problems
        return Result(tuple(rendered), tuple(shared), problems, self._builder.stages)

    def base(self, variant: str) -> OutputUnit:
        """Give a variant's base."""
        return _packed(self._builder.base_unit(variant))

    def _rendered(self, request: Request) -> Rendered:
        try:
            layers = [self._builder.layer(*text) for text in request.layers]
            variant, units = self._builder.units(request.name, layers)
            return Rendered(request.name, variant, tuple(_packed(unit, request.reserved) for unit in units), ())
        except InputError as error:
            return Rendered(request.name, "", (), error.problems)
        except Exception as error:
            error.add_note(f"while rendering {request.name}")
            raise


def _packed(unit: Unit, reserved: frozenset[str] = frozenset()) -> OutputUnit:
    return packed(unit.folder, unit.files, reserved)


def run(job: Job) -> Result:
    """Do a job: a function of the job alone, for any process on any machine that has this version of sidecert.

    Raises:
        InputError: the program here isn't the one that gave the job.
    """
    if job.program and job.program != program_digest():
        hint = "install the same version on all workers"
        problem = Problem(f"a worker has another sidecert than this machine: its version is {__version__}", hint=hint)
        raise InputError(problem)
    return _worker(job.project, job.forms, job.use_cache).run(job.requests, job.chart_version)


@lru_cache(maxsize=1)
def _worker(project: bytes, forms: tuple[str, ...], use_cache: bool) -> Worker:
    return Worker(pickle.loads(project), forms, use_cache=use_cache)  # noqa: S301  # from whoever gave us the job


class Workers(NamedTuple):
    """Who renders: so many processes of this machine (1: this one alone), or the workers of a Dask scheduler."""

    processes: int
    scheduler: str = ""

    def job_size(self, environments: int) -> int:
        """How many environments make a job: so few that all workers end together, and that an interrupt is quick."""
        if self.scheduler:
            return _MOST_IN_A_JOB
        return max(1, min(_MOST_IN_A_JOB, environments // (self.processes * _JOBS_FOR_EACH_WORKER)))


class Fleet:
    """Renders requests, in this process or in others, as they come."""

    def __init__(self, project: Project, forms: tuple[str, ...], *, use_cache: bool = True) -> None:
        """Take what all environments have in common, and the forms to render to."""
        self._project = project
        self._forms = forms
        self._use_cache = use_cache

    def results(
        self, requests: Iterator[Request], workers: Workers, job_size: int, chart_version: str = ""
    ) -> Generator[Result, None, None]:
        """Render environments, and the chart where a version is given; results come as they are ready.

        Raises:
            InputError: the scheduler can't be used.
            CrashError: an environment ends every process that renders it.
        """
        first = list(islice(requests, 1 if workers.scheduler else WORTH_A_PROCESS))
        if workers.scheduler and (first or chart_version):
            jobs = self._jobs(chain(first, requests), job_size, chart_version)
            yield from on_scheduler(jobs, workers.scheduler)
        elif workers.processes > 1 and len(first) == WORTH_A_PROCESS:
            jobs = self._jobs(chain(first, requests), job_size, chart_version)
            yield from on_processes(jobs, workers.processes)
        else:
            for request in chain(first, requests):
                yield self._worker.run((request,))
            if chart_version:
                yield self._worker.run((), chart_version)

    def base(self, variant: str) -> OutputUnit:
        """Give a variant's base, rendered in this process."""
        return self._worker.base(variant)

    @cached_property
    def _worker(self) -> Worker:
        return Worker(self._project, self._forms, use_cache=self._use_cache)

    def _jobs(self, requests: Iterable[Request], size: int, chart_version: str = "") -> Iterator[Job]:
        """Part requests into jobs of some environments each; the chart, which takes longest, is the first."""
        project = pickle.dumps(self._project, pickle.HIGHEST_PROTOCOL)
        job = Job(project, self._forms, self._use_cache)
        if chart_version:
            yield job._replace(chart_version=chart_version)
        waiting: list[Request] = []
        for request in requests:
            waiting.append(request)
            if len(waiting) == size:
                yield job._replace(requests=tuple(waiting))
                waiting.clear()
        if waiting:
            yield job._replace(requests=tuple(waiting))


def dealt(names: Sequence[str], hands: int, size: int) -> Iterator[str]:
    """Give names in an order in which each of some workers, taking jobs in turn, stays in a part of its own.

    Neighbours have more in common than others, and a worker keeps what they have in common.
    """
    part = -(-len(names) // hands)
    for start in range(0, part, size):
        for hand in range(hands):
            yield from names[hand * part : (hand + 1) * part][start : start + size]


def on_executor(jobs: Iterator[Job], executor: Executor, most_waiting: int) -> Iterator[Result]:
    """Have an executor do jobs, never more than some at a time, and give what comes of them as it comes.

    Raises:
        InputError: what takes the job is another version of sidecert.
        BrokenJobsError: the executor broke down; it holds the jobs that were under way.
    """
    from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, wait

    running: dict[Future[Result], Job] = {}
    try:
        while True:
            for job in jobs:
                running[executor.submit(run, job)] = job
                if len(running) >= most_waiting:
                    break
            if not running:
                return
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()
                del running[future]
    except BrokenExecutor as error:
        under_way = list(running.values())
        raise BrokenJobsError(under_way if job in under_way else [*under_way, job]) from error
    finally:
        for future in running:
            future.cancel()


class BrokenJobsError(Exception):
    """An executor broke down while it did these jobs."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        """Take the jobs."""
        super().__init__("the executor broke down")
        self.jobs = tuple(jobs)


def on_processes(jobs: Iterator[Job], workers: int) -> Iterator[Result]:
    """Have processes of this machine do jobs.

    A job whose process dies is tried again by itself, and then in halves, so that one environment can be named.

    Raises:
        CrashError: an environment, named, ends every process that renders it.
    """
    while True:
        try:
            with _process_pool(workers) as executor:
                yield from on_executor(jobs, executor, 2 * workers)
        except BrokenJobsError as error:
            for job in error.jobs:
                yield from _retried(job)
        else:
            return


def _retried(job: Job) -> Iterator[Result]:
    result = _in_a_process_of_its_own(job)
    if isinstance(result, Result):
        yield result
        return
    count = len(job.requests)
    if count < 2:
        what = f"rendered {job.requests[0].name}" if job.requests else "compiled the chart"
        ending = f"signal {-result}" if result < 0 else f"exit code {result}"
        hint = "is memory short? --jobs 1 does everything in one process"
        raise CrashError(Problem(f"a process died while it {what}: {ending}", hint=hint))
    for requests in (job.requests[: count // 2], job.requests[count // 2 :]):
        yield from _retried(job._replace(requests=requests))


def _in_a_process_of_its_own(job: Job) -> Result | int:
    """Do a job in a new process; give that one's exit code where it died."""
    context = _context()
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_send_result, args=(theirs, job))
    process.start()
    theirs.close()
    try:
        result: Result = ours.recv()
    except EOFError:
        process.join()
        return process.exitcode or 0
    finally:
        process.kill()
    return result


def _send_result(connection: Connection, job: Job) -> None:
    _become_worker()
    connection.send(run(job))


@contextmanager
def _process_pool(workers: int) -> Iterator[Executor]:
    """Give processes that do jobs; when the block ends early, they end at once."""
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    before = set(multiprocessing.active_children())
    executor = ProcessPoolExecutor(workers, _context(), _become_worker)
    try:
        yield executor
    except BaseException:
        for process in set(multiprocessing.active_children()) - before:
            process.kill()
        raise
    finally:
        executor.shutdown(cancel_futures=True)


def _context() -> Any:
    """How processes are started: as copies of this one where that is safe, which takes a tenth of the time."""
    import multiprocessing

    return multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")


def _become_worker() -> None:
    """Leave Ctrl-C to the process that gives the jobs, and end when it ends, in whatever way."""
    import signal
    import threading

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    import multiprocessing
    from multiprocessing.connection import wait

    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def on_scheduler(jobs: Iterator[Job], address: str) -> Iterator[Result]:
    """Have the workers of a Dask cluster do jobs; a worker that dies has its jobs done by another.

    Raises:
        InputError: Dask isn't installed, the scheduler can't be reached, has no worker, or one with another version of
            sidecert.
        CrashError: some environments, named, end every worker that renders them.
    """
    try:
        from distributed import Client, KilledWorker
    except ImportError:
        hint = "pip install 'sidecert[dask]'"
        raise InputError(Problem("--scheduler needs Dask, which isn't installed", hint=hint)) from None
    try:
        client = Client(address, timeout=_SCHEDULER_SECONDS, set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise InputError(Problem(f"the scheduler {address} can't be reached: {error}")) from error
    with client:
        workers = client.scheduler_info(n_workers=-1)["workers"]
        if not workers:
            raise InputError(Problem(f"the scheduler {address} has no worker"))
        width = sum(worker["nthreads"] for worker in workers.values())
        program = program_digest()
        jobs = (job._replace(program=program) for job in jobs)
        try:
            executor = client.get_executor(retries=_RETRIES, pure=False)  # type: ignore[no-untyped-call]
            yield from on_executor(jobs, executor, 2 * width)
        except KilledWorker as error:
            raise CrashError(Problem(f"workers of {address} died: {error}")) from error


_SCHEDULER_SECONDS = 10
_RETRIES = 2
