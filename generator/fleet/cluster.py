"""Jobs on the workers of a Dask cluster."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from generator import __version__
from generator.errors import CrashError, InputError, Problem
from generator.fleet.executing import BrokenJobsError, on_executor
from generator.fleet.job import Job, Result, running_program


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
            # Dask types few of its functions.
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
