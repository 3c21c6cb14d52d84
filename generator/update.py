"""Brings an output folder up to date with environments: finds out what has to be rendered, and hands over what comes.

An index knows what is there already; a fleet renders the rest; what comes goes to the folder, and into the index.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import cached_property
from hashlib import blake2b
from time import perf_counter, time_ns
from typing import NamedTuple

from generator import __version__
from generator.cache import CodeCache, cache_key, libraries, program_digest
from generator.disk import inventory_path, unit_of
from generator.emit.components import COMPONENTS, FOLDER
from generator.emit.release import CHART
from generator.errors import InputError, OutputError, Problem
from generator.fleet import Fleet, Request, Result, Workers, dealt
from generator.index import Index
from generator.stages import Stages
from generator.swap import ended_by_signals
from generator.tree import OutputFolder, OutputUnit
from generator.workspace import Workspace

_FOLDERS = {"manifests": "manifests", "kustomize": "kustomize/overlays", "helm": "helm/values"}


class Shard(NamedTuple):
    """One of several parts of all environments; which one a name belongs to depends on that name alone."""

    number: int
    of: int

    def has(self, name: str) -> bool:
        """Say whether an environment belongs to this part."""
        return int.from_bytes(blake2b(name.encode(), digest_size=8).digest()) % self.of == self.number - 1


class Task(NamedTuple):
    """What to bring up to date: environments by name, and the forms of them.

    ``complete`` says that there are no others (but for those of other shards), so what else lies in the folder goes.
    """

    names: tuple[str, ...]
    forms: tuple[str, ...]
    complete: bool
    shard: Shard | None = None


class Report(NamedTuple):
    """What a run did: how many environments it rendered, how many it found unchanged, and whether a base changed."""

    rendered: int
    unchanged: int
    base_changed: bool
    stages: Stages


def update(
    workspace: Workspace,
    task: Task,
    folder: OutputFolder,
    workers: Workers,
    *,
    use_cache: bool = True,
    force: bool = False,
    progress: Callable[[int], object] = lambda _: None,
) -> Report:
    """Bring an output folder up to date; ``progress`` is told how many environments are done.

    Where the folder only compares, it holds the differences in the end.

    Raises:
        InputError: every problem of every environment, each one once; the folder is what it was.
        OutputError: the folder can't be read or written, or something in it would be lost; it is what it was.
        CrashError: a process died while it rendered an environment; the folder is what it was.
    """
    with ended_by_signals(), folder:
        run = _Run(workspace, task, folder, workers, use_cache=use_cache)
        with closing(run.index):
            run.render(progress)
        run.prune()
        now, finished = perf_counter(), time_ns()
        if not folder.compare_only:
            folder.finish(force=force)
        run.index.save(finished)
        counts = folder.counts
        written = counts.written + counts.edited + counts.foreign
        run.stages.spent("write", now, removed=counts.removed, unchanged=counts.unchanged, written=written)
    return Report(run.rendered, run.unchanged, run.base_changed, run.stages)


class _Run:
    """One run: what is known so far."""

    def __init__(
        self, workspace: Workspace, task: Task, folder: OutputFolder, workers: Workers, *, use_cache: bool
    ) -> None:
        self.rendered = self.unchanged = 0
        self.base_changed = False
        self.stages = Stages()
        now = perf_counter()
        self._workspace = workspace
        self._task = task
        self._folder = folder
        self._workers = workers
        self._project = project = workspace.project()
        cache = CodeCache() if use_cache else CodeCache(folder="")
        self._fleet = Fleet(project, task.forms, use_cache=use_cache)
        program = (program_digest(), libraries(), cache_key(), __version__)
        self._root_key = _key(project.fingerprint, *(part.encode() for part in program))
        self.index = Index(cache, folder.path, folder.shown)
        self._keys: dict[str, bytes] = {}
        self._variants: set[str] = set()
        self._shared: set[str] = set()
        self._problems: dict[str, tuple[Problem, ...]] = {}
        self._problems_of_chart: tuple[Problem, ...] = ()
        self._refused: dict[Problem, None] = {}
        self.stages.spent("read", now)

    def render(self, progress: Callable[[int], object]) -> None:
        """Put every environment into the folder, and what they rest on; raise InputError for all problems."""
        problems = clashes(self._workspace.environment_names())
        if problems:
            raise InputError(problems)
        chart_version = "" if self._knows_chart() else __version__
        size = self._workers.job_size(len(self._task.names))
        requests = self._requests(size, progress)
        with closing(self._fleet.results(requests, self._workers, size, chart_version)) as results:
            for result in results:
                self._take(result)
                progress(len(result.rendered))
        if self._problems:
            told = (problem for name in sorted(self._problems) for problem in self._problems[name])
            raise InputError(dict.fromkeys(told))
        if self._problems_of_chart:
            raise InputError(self._problems_of_chart)
        if "kustomize" in self._task.forms:
            for variant in sorted(self._variants):
                self._put_base(variant)
            if self._task.complete:
                self._put_components()
        if self._refused:
            raise OutputError(sorted(self._refused, key=str))

    def prune(self) -> None:
        """Take away what is no longer rendered, in a complete run."""
        if not self._task.complete:
            return
        now = perf_counter()
        gone = self._folder.prune(self._task.forms, _Kept(self._workspace, self._task, self._variants, self._shared))
        self.index.forget([unit_of(path) for path in gone.bookkeeping])
        self.stages.spent("write", now)

    def _requests(self, job_size: int, progress: Callable[[int], object]) -> Iterator[Request]:
        """Read environments, and give those that aren't in the folder already."""
        reserved = folders_below(self._workspace.environment_names())
        names = list(dealt(self._task.names, self._workers.processes, job_size))
        if self._workers.processes > 1:
            late = names[len(names) // 2 :]
            self.index.look_ahead([f"{_FOLDERS[form]}/{name}" for name in late for form in self._task.forms])
        for name in names:
            now = perf_counter()
            try:
                layers = self._workspace.layer_texts(name)
            except InputError as error:
                self._problems[name] = error.problems
                continue
            below = reserved.get(name, _NONE)
            texts = (layer.text.encode("utf-8", "surrogatepass") for layer in layers)
            key = _key(self._root_key, " ".join(sorted(below)).encode(), *texts)
            there = self._is_there(name, key)
            self.stages.spent("read", now, environments=1, layers=len(layers))
            if there:
                self.unchanged += 1
                progress(1)
            else:
                self._keys[name] = key
                yield Request(name, layers, below)

    def _is_there(self, name: str, key: bytes) -> bool:
        """Say whether all forms of an environment are in the folder as they should be."""
        records = []
        for form in self._task.forms:
            record = self.index.unchanged(f"{_FOLDERS[form]}/{name}", key)
            if record is None:
                return False
            records.append(record)
        if records[0].remark not in self._project.folders:
            return False
        for record in records:
            self._folder.keep(len(record.names))
        self._variants.add(records[0].remark)
        return True

    def _take(self, result: Result) -> None:
        now = perf_counter()
        for one in result.rendered:
            key = self._keys.pop(one.name)
            if one.problems:
                self._problems[one.name] = one.problems
            elif not self._problems:
                self.rendered += 1
                self._variants.add(one.variant)
                for unit in one.units:
                    self._put(unit, key, one.variant)
        self._problems_of_chart += result.problems
        if not self._problems:
            for unit in result.shared:
                self._put_shared(unit)
        self.stages.spent("write", now)
        self.stages.add(result.stages)

    def _put_base(self, variant: str) -> None:
        """Put a base that no result brought along, because its environments are unchanged."""
        folder = f"kustomize/base/{variant}"
        if folder in self._shared:
            return
        record = self.index.unchanged(folder, self._key_of_shared(folder))
        if record is not None:
            self._folder.keep(len(record.names))
        else:
            self._put_shared(self._fleet.base(variant))

    def _put_components(self) -> None:
        """Put the components, which belong to no environment."""
        for component in COMPONENTS:
            folder = f"{FOLDER}/{component}"
            record = self.index.unchanged(folder, self._key_of_shared(folder))
            if record is not None:
                self._folder.keep(len(record.names))
                self._shared.add(folder)
                continue
            unit = self._fleet.component(component)
            if unit is not None:
                self._put_shared(unit)

    def _knows_chart(self) -> bool:
        if "helm" not in self._task.forms:
            return True
        folder = f"helm/{CHART}"
        record = self.index.unchanged(folder, self._key_of_shared(folder))
        if record is not None:
            self._folder.keep(len(record.names))
        return record is not None

    def _put_shared(self, unit: OutputUnit) -> None:
        """Put what environments rest on; every worker that needed a base brings it along."""
        if unit.folder in self._shared:
            return
        self._shared.add(unit.folder)
        was_there = os.path.lexists(f"{self._folder.path}/{inventory_path(unit.folder)}")
        changed = self._put(unit, self._key_of_shared(unit.folder), "")
        self.base_changed |= changed and was_there and unit.folder.startswith("kustomize/base/")

    def _key_of_shared(self, folder: str) -> bytes:
        return _key(self._root_key, folder.encode())

    def _put(self, unit: OutputUnit, key: bytes, remark: str) -> bool:
        """Put a unit into the folder, and into the index; say whether files of it change.

        What the folder refuses is told in the end, after what is wrong with the input, whoever comes first.
        """
        before = self.index.look(unit)
        try:
            changes = self._folder.put(unit)
        except OutputError as error:
            self._refused.update(dict.fromkeys(error.problems))
            return False
        if not changes.any:
            self.index.note(unit, key, remark, before)
        elif not self._folder.compare_only:
            all_new = len(changes.written) == len(unit.contents)
            self.index.note(unit, key, remark, None if all_new else b"")
        return bool(changes.written or changes.removed or changes.edited or changes.foreign)


class _Kept:
    """Tells which units stay in a complete run."""

    def __init__(self, workspace: Workspace, task: Task, variants: set[str], shared: set[str]) -> None:
        self._workspace = workspace
        self._names = frozenset(task.names)
        self._shard = task.shard
        self._variants = variants
        self._shared = shared

    def __call__(self, unit: str) -> bool:
        """Say whether a unit stays."""
        if unit == f"helm/{CHART}" or unit in self._shared:
            return True
        base = unit.removeprefix("kustomize/base/")
        if base != unit:
            return base in self._variants or (self._shard is not None and base in self._variants_of_all)
        for folder in _FOLDERS.values():
            name = unit.removeprefix(f"{folder}/")
            if name != unit:
                return name in self._names or (self._shard is not None and not self._shard.has(name))
        return False

    @cached_property
    def _variants_of_all(self) -> frozenset[str]:
        """The variants of all shards; only where there is a base that ours don't rest on."""
        from generator.build import summaries

        return frozenset(summary.variant for summary in summaries(self._workspace))


def folders_below(names: Sequence[str]) -> dict[str, frozenset[str]]:
    """Give, for each environment that others lie below (``prod`` where there is ``prod/eu``), their first folders."""
    known = frozenset(names)
    found: dict[str, set[str]] = {}
    for name in names:
        at = name.find("/")
        while at >= 0:
            if name[:at] in known:
                found.setdefault(name[:at], set()).add(name[at + 1 :].partition("/")[0])
            at = name.find("/", at + 1)
    return {name: frozenset(folders) for name, folders in found.items()}


def clashes(names: Sequence[str]) -> list[Problem]:
    """Tell environments whose files other environments need as folders: ``prod`` beside ``prod.yaml/eu``."""
    suspects = [name for name in names if ".yaml/" in name.lower() or ".sha256/" in name.lower()]
    if not suspects:
        return []
    files = {f"{name}.yaml".casefold(): f"helm/values/{name}.yaml" for name in names}
    files |= {f"{name}.sha256".casefold(): inventory_path(f"manifests/{name}") for name in names}
    found: dict[Problem, None] = {}
    for name in suspects:
        steps = name.split("/")
        for count in range(1, len(steps)):
            other = files.get("/".join(steps[:count]).casefold())
            if other:
                message = f"the environment '{name}' needs a folder where '{other}' belongs, on some system or on all"
                found[Problem(message, hint="rename one of the two environments")] = None
    return list(found)


_NONE: frozenset[str] = frozenset()


def _key(*parts: bytes) -> bytes:
    digest = blake2b(digest_size=16, usedforsecurity=False)
    for part in parts:
        digest.update(b"%d:" % len(part))
        digest.update(part)
    return digest.digest()
