"""Many environments at once: a pure job that any executor runs, and the processes of this machine that run it.

A `Job` holds texts and gives files in memory, so it can be done by another process, or on another machine. Whoever does
several for one project compiles its templates once.
"""

from __future__ import annotations

import os
import pickle
import sys
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property, lru_cache
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, NamedTuple

from generator import __version__
from generator.cache import CodeCache, program_digest
from generator.errors import CrashError, InputError, Problem, TransferredError
from generator.project import LayerText, Project
from generator.stages import Stages
from generator.tree import OutputUnit, packed

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

    from generator.build import Unit

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
        from generator.build import Builder  # Jinja takes its time to import, and a warm run needs none of it

        cache = CodeCache() if use_cache else CodeCache(folder="")
        self._builder = Builder(project, forms, cache)
        self._forms = forms
        self._bases: dict[str, OutputUnit] = {}

    def run(self, requests: Sequence[Request], chart_version: str = "") -> Result:
        """Render environments, and the chart where a version is given.

        Every base that they rest on comes along, so that what was done before makes no difference.
        """
        self._builder.stages = Stages()
        rendered, shared = list[Rendered](), list[OutputUnit]()
        variants: set[str] = set()
        for request in requests:
            rendered.append(self._rendered(request))
            variant = rendered[-1].variant
            if variant and "kustomize" in self._forms and variant not in variants:
                variants.add(variant)
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
        if variant not in self._bases:
            self._bases[variant] = _packed(self._builder.base_unit(variant))
        return self._bases[variant]

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

    What it raises can be pickled.

    Raises:
        InputError: the program here isn't the one that gave the job.
    """
    if job.program and job.program != running_program():
        hint = "install the same version on all workers"
        problem = Problem(f"a worker has another sidecert than this machine: its version is {__version__}", hint=hint)
        raise InputError(problem)
    try:
        return _worker(job.project, job.forms, job.use_cache).run(job.requests, job.chart_version)
    except Exception as error:
        if _can_be_sent(error):
            raise
        transferred = TransferredError(type(error).__name__, str(error))
        for note in getattr(error, "__notes__", ()):
            transferred.add_note(note)
        raise transferred from error


@lru_cache(maxsize=1)
def running_program() -> str:
    """Give the digest of the program that this process runs; files that change later don't change that."""
    return program_digest()


def _can_be_sent(error: Exception) -> bool:
    """Say whether another process would get the same exception: some can't be pickled, or not unpickled."""
    try:
        copy = pickle.loads(pickle.dumps(error))  # noqa: S301  # our own
    except Exception:  # noqa: BLE001  # whatever their methods raise
        return False
    return type(copy) is type(error) and str(copy) == str(error)


class _Latest(threading.local):
    """The worker that did a thread's latest job: a worker keeps what jobs have in common, and is for one thread."""

    made_from: tuple[bytes, tuple[str, ...], bool] | None = None
    worker: Worker


_latest = _Latest()


def _worker(project: bytes, forms: tuple[str, ...], use_cache: bool) -> Worker:
    made_from = (project, forms, use_cache)
    if _latest.made_from != made_from:
        _latest.worker = Worker(pickle.loads(project), forms, use_cache=use_cache)  # noqa: S301  # from who gave the job
        _latest.made_from = made_from
    return _latest.worker


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


def on_executor(
    jobs: Iterator[Job],
    executor: Executor,
    most_waiting: int,
    *,
    broken: tuple[type[Exception], ...] = (),
    idle: Callable[[], object] | None = None,
) -> Generator[Result, None, None]:
    """Have an executor do jobs, never more than some at a time, and give what comes of them as it comes.

    No job is taken from ``jobs`` before there is room for it, so whoever is slow to take results isn't overrun.
    ``broken`` are exceptions of the executor's own, besides ``BrokenExecutor``, that mean that it failed and the job
    didn't. ``idle`` is called every second in which nothing comes, and may raise.

    Raises:
        InputError: what takes the job is another version of sidecert.
        BrokenJobsError: the executor broke down; it holds the jobs that were under way.
    """
    from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, wait

    breakdowns: tuple[type[Exception], ...] = (BrokenExecutor, *broken)
    running: dict[Future[Result], Job] = {}
    taken: list[Job] = []  # the one that is on its way to the executor, or back
    try:
        while True:
            for job in islice(jobs, max(1, most_waiting) - len(running)):
                taken = [job]
                running[executor.submit(run, job)] = job
                taken = []
            if not running:
                return
            done, _ = wait(running, timeout=_SECONDS_TO_IDLE if idle else None, return_when=FIRST_COMPLETED)
            if idle and not done:
                idle()
            for future in done:
                taken = [running.pop(future)]
                result = future.result()
                taken = []
                yield result
    except breakdowns as error:
        raise BrokenJobsError([*taken, *running.values()]) from error
    finally:
        for future in running:
            future.cancel()


_SECONDS_TO_IDLE = 1


class BrokenJobsError(Exception):
    """An executor broke down while it did these jobs; the first is the one that told so."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        """Take the jobs."""
        super().__init__("the executor broke down")
        self.jobs = tuple(jobs)


def on_processes(jobs: Iterator[Job], workers: int) -> Iterator[Result]:
    """Have processes of this machine do jobs.

    A job whose process dies is tried again by itself, and then in halves, so that one environment can be named.

    Raises:
        InputError: no process can be started.
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
    from generator.processes import DeadProcessError

    try:
        with _process_pool(1) as executor:
            result = executor.submit(run, job).result()
    except DeadProcessError as error:
        code = error.code
    else:
        yield result
        return
    count = len(job.requests)
    if count < 2:
        what = f"rendered {job.requests[0].name}" if job.requests else "compiled the chart"
        hint = "is memory short? --jobs 1 does everything in one process"
        raise CrashError(Problem(f"a process died while it {what}: {_ending(code)}", hint=hint))
    for requests in (job.requests[: count // 2], job.requests[count // 2 :]):
        yield from _retried(job._replace(requests=requests))


def _ending(code: int) -> str:
    """Tell how a process ended."""
    import signal

    if code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {-code} ({signal.Signals(-code).name})"
    except ValueError:  # a real-time signal has no name
        return f"signal {-code}"


@contextmanager
def _process_pool(workers: int) -> Iterator[Executor]:
    """Give processes that do jobs; when the block ends, however it does, they have ended."""
    pool: Executor | None = None
    try:
        with _starting_processes():
            from generator.processes import Processes

            pool = Processes(workers, _context(), _become_worker)
        yield pool
    finally:
        if pool is not None:
            pool.shutdown()


@contextmanager
def _starting_processes() -> Iterator[None]:
    """Keep signals waiting while processes start: they would meet handlers that are meant for this process.

    Raises:
        InputError: none can be started.
    """
    before = _signal_mask(block=True)
    try:
        yield
    except (OSError, ImportError, NotImplementedError) as error:  # too many, or a system without semaphores
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(Problem(f"no process can be started: {reason}", hint="--jobs 1 needs no other one")) from error
    finally:
        if before is not None:
            _signal_mask(block=False, only=before)


def _signal_mask(*, block: bool, only: Any = ()) -> Any:
    """Have this thread take no signal that ends a run, or take them again but for those in ``only``."""
    import signal

    if not hasattr(signal, "pthread_sigmask"):  # Windows
        return None
    ours = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
    return signal.pthread_sigmask(signal.SIG_BLOCK if block else signal.SIG_UNBLOCK, ours.difference(only))


def _context() -> Any:
    """How processes are started: as copies of this one where that is safe, which takes a tenth of the time."""
    import multiprocessing

    return multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")


def _become_worker() -> None:
    """Leave Ctrl-C and a closed terminal to the process that gives the jobs, and end when it ends, in whatever way."""
    import signal

    for name in ("SIGINT", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _signal_mask(block=False)
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
        CrashError: some environments, named, end every worker that renders them, or the cluster went away.
    """
    from concurrent.futures import CancelledError

    with _dask_client(address) as client:
        from distributed import KilledWorker

        _check_scheduler(client, address)
        width = _usable_threads(client, address)
        jobs = (job._replace(program=running_program()) for job in jobs)
        executor = client.get_executor(pure=False)
        broken = (KilledWorker, CancelledError)
        try:
            yield from on_executor(jobs, executor, 2 * width, broken=broken, idle=_Watch(client, address))
        except BrokenJobsError as error:
            if isinstance(error.__cause__, KilledWorker):
                raise CrashError(_killed_workers(error.jobs[0], address)) from error
            raise CrashError(Problem(f"the connection to the scheduler {address} was lost")) from error


@contextmanager
def _dask_client(address: str) -> Iterator[Any]:
    """Connect to a scheduler, and leave it at the end; Dask's log and its warnings are kept off the terminal."""
    import logging
    import warnings

    logged = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of versions of Dask that differ
            client = _connected(address)
        try:
            yield client
        finally:
            with suppress(OSError):  # it can't be told any more
                client.close(timeout=_SECONDS_TO_CLOSE)
    finally:
        logging.disable(logged)


def _connected(address: str) -> Any:
    """Connect to a scheduler in a thread: Dask waits without end for an answer from what isn't one."""
    try:
        from distributed import Client
    except ImportError:
        hint = "pip install 'sidecert[dask]'"
        raise InputError(Problem("--scheduler needs Dask, which isn't installed", hint=hint)) from None

    class _Client(Client):
        """One that isn't closed when it is collected: where there was no connection, that would take seconds."""

        def __del__(self) -> None:
            pass

    outcome: list[Any] = []

    def connect() -> None:
        try:
            outcome.append(_Client(address, timeout=_SECONDS_TO_CONNECT, set_as_default=False))  # type: ignore[no-untyped-call]
        except Exception as error:  # noqa: BLE001  # ValueError, TypeError, OSError: whatever an address leads to
            outcome.append(error)

    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(_SECONDS_TO_CONNECT + 0.5)
    reason = outcome[0] if outcome else f"no scheduler's answer within {_SECONDS_TO_CONNECT} s"
    if isinstance(reason, Exception | str):
        raise InputError(Problem(f"the scheduler {address} can't be reached: {reason}"))
    return reason


def _check_scheduler(client: Any, address: str) -> None:
    """Raise InputError where the scheduler, which takes jobs apart, hasn't got this very program."""
    try:
        program = client.run_on_scheduler(running_program)
    except Exception as error:  # noqa: BLE001  # whatever comes of loading it there
        program = error
    if program != running_program():
        raise InputError(_unlike_ours(f"the scheduler {address}", program))


def _unlike_ours(who: str, program: object) -> Problem:
    """Tell that a machine has another program, or none, which is an exception then."""
    what = f"can't load sidecert: {program}" if isinstance(program, Exception) else "has another sidecert"
    hint = f"install sidecert {__version__}, with the very same files, on all workers and the scheduler"
    return Problem(f"{who} {what}", hint=hint)


def _usable_threads(client: Any, address: str) -> int:
    """Count what works for a scheduler; every worker must have this very program.

    Raises:
        InputError: there is no worker, or one has another program or none.
    """
    threads = client.nthreads()
    if not threads:
        raise InputError(Problem(f"the scheduler {address} has no worker"))
    ours = running_program()
    for worker, program in sorted(client.run(running_program, on_error="return").items()):
        if program != ours:
            raise InputError(_unlike_ours(f"the worker {worker} of {address}", program))
    return sum(threads.values())


def _killed_workers(job: Job, address: str) -> Problem:
    """Tell that workers died of a job: which of its environments it was can't be known from here."""
    if not job.requests:
        return Problem(f"workers of {address} died, one after the other, while they compiled the chart")
    names = ", ".join(job.names())
    hint = "render these here, without --scheduler, to learn which one it is" if len(job.requests) > 1 else ""
    return Problem(f"workers of {address} died, one after the other, while they rendered {names}", hint=hint)


class _Watch:
    """Looks after a cluster when nothing comes from it: jobs wait for ever where no worker is left."""

    def __init__(self, client: Any, address: str) -> None:
        self._client = client
        self._address = address
        self._deserted_since = 0.0

    def __call__(self) -> None:
        """Raise CrashError where there has been no worker for a while."""
        from time import monotonic

        if self._client.nthreads():
            self._deserted_since = 0.0
            return
        now = monotonic()
        self._deserted_since = self._deserted_since or now
        if now - self._deserted_since > _SECONDS_WITHOUT_WORKER:
            raise CrashError(Problem(f"the scheduler {self._address} has no worker any more"))


_SECONDS_TO_CONNECT = 10
_SECONDS_TO_CLOSE = 2
_SECONDS_WITHOUT_WORKER = 30
