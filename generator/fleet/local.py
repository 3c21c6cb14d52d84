"""Jobs on processes of this machine; one that dies is told with the environment that it rendered."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from generator.errors import CrashError, InputError, Problem
from generator.fleet.executing import BrokenJobsError, on_executor
from generator.fleet.job import Job, Result, run

if TYPE_CHECKING:
    from concurrent.futures import Executor


def on_processes(jobs: Iterator[Job], workers: int) -> Iterator[Result]:
    """Have processes of this machine do jobs.

    A job whose process dies is tried again by itself, and then in halves, so that one environment can be named.

    Raises:
        InputError: no process can be started.
        CrashError: an environment, named, ends every process that renders it.
    """
    import generator.build  # noqa: F401  # once, before there are copies of this process

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
    from generator.fleet.processes import DeadProcessError

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
            from generator.fleet.processes import Processes

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
