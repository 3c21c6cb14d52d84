"""A pure job that any executor runs: texts of a project and of environments in, files in memory out.

Whoever does several jobs for one project compiles its templates once.
"""

from __future__ import annotations

import pickle
import threading
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from generator import __version__
from generator.cache import CodeCache, program_digest
from generator.errors import InputError, Problem, TransferredError
from generator.project import LayerText, Project
from generator.stages import Stages
from generator.tree import OutputUnit, packed

if TYPE_CHECKING:
    from generator.build import Unit


class Request(NamedTuple):
    """An environment to be rendered: its name, its layers, and the names of the folders that others have below it."""

    name: str
    layers: tuple[LayerText, ...]
    reserved: frozenset[str] = frozenset()


class Job(NamedTuple):
    """What is to be done in one go: some environments, or the chart.

    ``project`` is a pickled `Project`: who gets several of its jobs unpickles it once. Another machine must have the
    ``program`` of this digest, where there is one. ``by_shape`` is for projects of many environments.
    """

    project: bytes
    forms: tuple[str, ...]
    use_cache: bool
    by_shape: bool = True
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

    def __init__(self, project: Project, forms: tuple[str, ...], *, use_cache: bool, by_shape: bool = True) -> None:
        """Take the project, and the forms to render to."""
        from generator.build import Builder  # Jinja takes its time to import, and a warm run needs none of it

        cache = CodeCache() if use_cache else CodeCache(folder="")
        self._builder = Builder(project, forms, cache, by_shape=by_shape)
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

    def knows_chart(self, version: str) -> bool:
        """Say whether the chart needn't be compiled."""
        return self._builder.knows_chart(version)

    def base(self, variant: str) -> OutputUnit:
        """Give a variant's base."""
        if variant not in self._bases:
            self._bases[variant] = _packed(self._builder.base_unit(variant))
        return self._bases[variant]

    def component(self, component: str) -> OutputUnit | None:
        """Give a component by its name; None where the project has no such variant."""
        unit = self._builder.component_unit(component)
        return _packed(unit) if unit else None

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
        return _worker(job).run(job.requests, job.chart_version)
    except Exception as error:
        if _can_be_sent(error):
            raise
        transferred = TransferredError(type(error).__name__, str(error))
        for note in getattr(error, "__notes__", ()):
            transferred.add_note(note)
    raise transferred  # here, where it doesn't know of the other one: some pickle what an exception came of as well


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

    made_for: tuple[object, ...] | None = None
    worker: Worker


_latest = _Latest()


def _worker(job: Job) -> Worker:
    made_for = (job.project, job.forms, job.use_cache, job.by_shape)
    if _latest.made_for != made_for:
        project: Project = pickle.loads(job.project)  # noqa: S301  # from whoever gave the job
        _latest.worker = Worker(project, job.forms, use_cache=job.use_cache, by_shape=job.by_shape)
        _latest.made_for = made_for
    return _latest.worker
