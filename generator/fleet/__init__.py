"""Many environments at once: in this process, in others of this machine, or on a cluster.

job         what is done in one go: a function of texts alone, and what comes of it
executing   jobs on any executor
local       jobs on processes of this machine
processes   these processes, as an executor that notices when one dies
cluster     jobs on a Dask cluster
"""

from __future__ import annotations

import pickle
from collections.abc import Generator, Iterable, Iterator, Sequence
from functools import cached_property
from itertools import chain, islice
from typing import NamedTuple

from generator.fleet.job import Job, Rendered, Request, Result, Worker, run
from generator.project import Project
from generator.tree import OutputUnit

__all__ = ["Fleet", "Job", "Rendered", "Request", "Result", "Worker", "Workers", "dealt", "run"]

#: Fewer environments than this are rendered in this process: starting others would take longer.
WORTH_A_PROCESS = 24
_MOST_IN_A_JOB = 40
_JOBS_FOR_EACH_WORKER = 8


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
        self._by_shape = False

    def results(
        self, requests: Iterator[Request], workers: Workers, job_size: int, chart_version: str = ""
    ) -> Generator[Result, None, None]:
        """Render environments, and the chart where a version is given; results come as they are ready.

        Raises:
            InputError: the scheduler can't be used.
            CrashError: an environment ends every process that renders it.
        """
        first = list(islice(requests, WORTH_A_PROCESS))
        every, self._by_shape = chain(first, requests), len(first) == WORTH_A_PROCESS
        if workers.scheduler and (first or chart_version):
            from generator.fleet.cluster import on_scheduler

            yield from on_scheduler(self._jobs(every, job_size, chart_version), workers.scheduler)
        elif workers.processes > 1 and self._by_shape:
            from generator.fleet.local import on_processes

            yield from on_processes(self._jobs(every, job_size, chart_version), workers.processes)
        elif workers.processes > 1 and first and chart_version and not self._worker.knows_chart(chart_version):
            from generator.fleet.local import on_processes

            yield from on_processes(self._jobs(first, len(first), chart_version), 2)
        else:
            for request in every:
                yield self._worker.run((request,))
            if chart_version:
                yield self._worker.run((), chart_version)

    def base(self, variant: str) -> OutputUnit:
        """Give a variant's base, rendered in this process."""
        return self._worker.base(variant)

    def component(self, component: str) -> OutputUnit | None:
        """Give a component by its name, rendered in this process; None where the project has no such variant."""
        return self._worker.component(component)

    @cached_property
    def _worker(self) -> Worker:
        return Worker(self._project, self._forms, use_cache=self._use_cache, by_shape=self._by_shape)

    def _jobs(self, requests: Iterable[Request], size: int, chart_version: str = "") -> Iterator[Job]:
        """Part requests into jobs of some environments each; the chart, which takes longest, is the first."""
        project = pickle.dumps(self._project, pickle.HIGHEST_PROTOCOL)
        job = Job(project, self._forms, self._use_cache, self._by_shape)
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
