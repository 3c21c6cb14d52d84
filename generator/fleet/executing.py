"""Jobs on any executor of `concurrent.futures`, never more than some at a time."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from generator.fleet.job import Job, Result, run

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future


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
