"""The programs that are compared: what each runs for a fleet, and what its output is checked against."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from shlex import quote
from typing import NamedTuple

from generator.emit.release import CHART
from tests.acceptance.helm import chart_label, of_release
from tests.acceptance.test_kustomize import Resources, difference, manifests, resources
from tests.bench import fleet as fleets
from tests.bench.kapitan import write_inventory
from tests.bench.names import (
    COPY,
    HELM_LOOPS,
    KAPITAN_ONE,
    KUSTOMIZE_LOOP,
    SIDECERT_CHANGED,
    SIDECERT_COLD,
    SIDECERT_WARM,
)
from tests.bench.programs import HELM_3, KAPITAN, SIDECERT, seconds
from tests.tools import program

#: Environments of each kind whose resources are compared.
SAMPLES = 3

HELM_SCRIPT = """\
while read -r name; do
  {program} template prometheus {chart} --values {output}/helm/values/"$name".yaml > {written}/"$name".yaml
done < {names}"""

KUSTOMIZE_SCRIPT = """\
while read -r name; do
  {program} kustomize {output}/kustomize/overlays/"$name" --output {written}/"$name".yaml
done < {names}"""


class Fleet(NamedTuple):
    """A project with a fleet of environments, rendered, and folders of its own for the peers and for caches."""

    folder: Path
    environments: tuple[fleets.Environment, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(environment.name() for environment in self.environments)

    @property
    def project(self) -> Path:
        return self.folder / "project"

    @property
    def output(self) -> Path:
        return self.project / "output"

    @property
    def cache(self) -> Path:
        return self.folder / "cache"

    def render(self, *options: str) -> list[str]:
        """Give the command that renders all forms of all environments."""
        return [SIDECERT, "render", "-C", str(self.project), "--quiet", *options]

    def samples(self) -> list[fleets.Environment]:
        """Give a few environments of each kind: variants, and whether they differ in more."""
        kinds: dict[tuple[str, bool], list[fleets.Environment]] = {}
        for environment in self.environments:
            kinds.setdefault((environment.variant, environment.more), []).append(environment)
        return [one for kind in kinds.values() for one in kind[:: max(1, len(kind) // SAMPLES)][:SAMPLES]]


def new_fleet(folder: Path, count: int) -> Fleet:
    """Write a fleet of ``count`` environments below ``folder``, for sidecert and for kapitan."""
    environments = fleets.environments(count)
    fleet = Fleet(folder, tuple(environments))
    fleets.write_environments(fleet.project, environments)
    write_inventory(folder / "kapitan", environments)
    return fleet


class Contender:
    """One program, or one way to run it. ``name`` is how the report calls it."""

    name: str
    #: The smallest and the largest fleet that it is run on.
    smallest, largest = 1, 10_000
    #: Whether it is run once for each environment, so that its work may be cut into parts.
    loop = False
    #: Whether its memory is looked at, in a run of its own.
    watched = True

    def before(self, fleet: Fleet) -> None:
        """Bring everything into the state that it starts from; takes no measured time."""

    def command(self, fleet: Fleet, names: Sequence[str]) -> list[str]:
        """Give the command that renders these environments, which are all of the fleet unless it is a loop."""
        raise NotImplementedError

    def after(self, fleet: Fleet) -> None:
        """Put back what others rely on; takes no measured time."""

    def check(self, fleet: Fleet) -> Iterator[str]:
        """Tell what is wrong with what all its rounds wrote; takes no measured time, and comes before ``after``."""
        yield from ()


# -------------------------------------------------------------------------------------------------------- sidecert


class Cold(Contender):
    """sidecert, with neither output nor cache."""

    def __init__(self, name: str, *options: str) -> None:
        self.name = name
        self.watched = not options
        self._options = options

    def before(self, fleet: Fleet) -> None:
        shutil.rmtree(fleet.output, ignore_errors=True)
        shutil.rmtree(fleet.cache, ignore_errors=True)

    def command(self, fleet: Fleet, names: Sequence[str]) -> list[str]:
        return fleet.render(*self._options)

    def check(self, fleet: Fleet) -> Iterator[str]:
        """Another run, or another number of processes, gives the same bytes."""
        mark = fleet.folder / "tree"
        found = "\n".join(f"{digest}  {path}" for path, digest in sorted(_digests(fleet.output).items()))
        if not mark.exists():
            mark.write_text(found, encoding="utf-8")
        elif mark.read_text(encoding="utf-8") != found:
            yield f"{self.name}: the output of {len(fleet.names)} environments is not that of an earlier run"


class Warm(Contender):
    """sidecert, where everything is there already and nothing has changed."""

    name = SIDECERT_WARM

    def before(self, fleet: Fleet) -> None:
        seconds(fleet.render(), fleet.cache)
        self._stamps = _stamps(fleet.output)

    def command(self, fleet: Fleet, names: Sequence[str]) -> list[str]:
        return fleet.render()

    def check(self, fleet: Fleet) -> Iterator[str]:
        yield from Cold(self.name).check(fleet)
        if touched := _changed(self._stamps, _stamps(fleet.output)):
            yield f"{self.name}: {len(touched)} files were written all the same, such as {min(touched)}"


class OneChanged(Contender):
    """sidecert, where one environment's overlay has changed since the last run."""

    name = SIDECERT_CHANGED
    watched = False

    def __init__(self) -> None:
        self._round = 0

    def before(self, fleet: Fleet) -> None:
        seconds(fleet.render(), fleet.cache)
        self._stamps = _stamps(fleet.output)
        self._round += 1
        environment = self._environment(fleet)
        # A value that no run had, so that none can be remembered.
        text = environment.overlay().replace("labels:\n", f'labels:\n  round: "{self._round}"\n', 1)
        self._overlay(fleet).write_text(text, encoding="utf-8")

    def command(self, fleet: Fleet, names: Sequence[str]) -> list[str]:
        return fleet.render()

    def check(self, fleet: Fleet) -> Iterator[str]:
        """The files of that environment are written, and no others."""
        name = self._environment(fleet).name()
        touched = _changed(self._stamps, _stamps(fleet.output))
        if not touched:
            yield f"{self.name}: no file was written"
        if others := [path for path in touched if name not in path]:
            yield f"{self.name}: {len(others)} files of others were written, such as {min(others)}"

    def after(self, fleet: Fleet) -> None:
        self._overlay(fleet).write_text(self._environment(fleet).overlay(), encoding="utf-8")
        seconds(fleet.render(), fleet.cache)

    def _environment(self, fleet: Fleet) -> fleets.Environment:
        return fleet.environments[len(fleet.environments) // 2]

    def _overlay(self, fleet: Fleet) -> Path:
        return fleet.project / f"overlays/{self._environment(fleet).name()}.yaml"


def _digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def _stamps(folder: Path) -> dict[str, tuple[int, int]]:
    """Tell when each file was written, and which it is: a file that is replaced by an equal one is another."""
    found = {}
    for path in folder.rglob("*"):
        told = path.stat()
        if path.is_file():
            found[str(path.relative_to(folder))] = (told.st_mtime_ns, told.st_ino)
    return found


def _changed(before: dict[str, tuple[int, int]], after: dict[str, tuple[int, int]]) -> set[str]:
    return {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}


# ----------------------------------------------------------------------------------------------------------- peers


class Loop(Contender):
    """A program that a shell calls once for each environment, and whose output goes to a file each time.

    With ``both_cores`` two such loops run at once, with half of the environments each.
    """

    loop = True
    largest = 1_000

    def __init__(self, name: str, script: str, executable: str, both_cores: bool = False) -> None:
        self.name = f"{name}, two at once" if both_cores else name
        self._script = script
        self._executable = executable
        self._both_cores = both_cores
        if both_cores:
            self.smallest = self.largest = 100
            self.watched = False

    def before(self, fleet: Fleet) -> None:
        for name in fleet.names:
            (self._written(fleet) / name).parent.mkdir(parents=True, exist_ok=True)

    def command(self, fleet: Fleet, names: Sequence[str]) -> list[str]:
        if not self._both_cores:
            return ["sh", "-ec", self._loop(fleet, names, "names")]
        halves = self._loop(fleet, names[::2], "names-1"), self._loop(fleet, names[1::2], "names-2")
        return ["sh", "-ec", "({}) & first=$!\n{}\nwait $first".format(*halves)]

    def check(self, fleet: Fleet) -> Iterator[str]:
        """The resources are those of the manifests."""
        for environment in fleet.samples():
            name = environment.name()
            found = self._read((self._written(fleet) / f"{name}.yaml").read_text(encoding="utf-8"), fleet)
            yield from difference(manifests(fleet.output / "manifests" / name), found, name, self.name)

    def _read(self, text: str, fleet: Fleet) -> Resources:
        return resources(text, self.name)

    def _loop(self, fleet: Fleet, names: Sequence[str], label: str) -> str:
        listed = self._written(fleet) / label
        listed.write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
        paths = {
            "program": self._executable,
            "output": fleet.output,
            "chart": fleet.output / "helm" / CHART,
            "written": self._written(fleet),
            "names": listed,
        }
        return self._script.format(**{word: quote(str(path)) for word, path in paths.items()})

    def _written(self, fleet: Fleet) -> Path:
        return fleet.folder / "written" / self.name.replace(" ", "-")


class HelmLoop(Loop):
    """``helm template`` with sidecert's chart and the values file of each environment."""

    def __init__(self, version: int, both_cores: bool = False) -> None:
        name, executable = {3: (HELM_LOOPS[0], HELM_3), 4: (HELM_LOOPS[1], program("helm"))}[version]
        super().__init__(name, HELM_SCRIPT, executable, both_cores)

    def _read(self, text: str, fleet: Fleet) -> Resources:
        return of_release(text, chart_label(fleet.output / "helm" / CHART))


class KustomizeLoop(Loop):
    """``kubectl kustomize`` with sidecert's overlay of each environment."""

    def __init__(self, both_cores: bool = False) -> None:
        super().__init__(KUSTOMIZE_LOOP, KUSTOMIZE_SCRIPT, program("kubectl"), both_cores)


class Kapitan(Contender):
    """``kapitan compile``: all targets in one call, one resource of each."""

    name = KAPITAN_ONE

    def before(self, fleet: Fleet) -> None:
        shutil.rmtree(fleet.folder / "kapitan/compiled", ignore_errors=True)

    def command(self, fleet: Fleet, names: Sequence[str]) -> list[str]:
        folder = str(fleet.folder / "kapitan")
        paths = ["--inventory-path", f"{folder}/inventory", "--search-paths", folder, "--output-path", folder]
        return [KAPITAN, "compile", "--inventory-backend", "reclass-rs", *paths]

    def check(self, fleet: Fleet) -> Iterator[str]:
        """The resource is the one of the manifests."""
        for environment in fleet.samples():
            path = fleet.folder / f"kapitan/compiled/{environment.cluster}/workload.yaml"
            found = resources(path.read_text(encoding="utf-8"), self.name)
            expected = manifests(fleet.output / "manifests" / environment.name())
            same_resource = {identity: text for identity, text in expected.items() if identity in found}
            yield from difference(same_resource, found, environment.name(), self.name)
            if len(found) != 1:
                yield f"{self.name}: {len(found)} resources of {environment.name()} instead of one"
        if (count := sum(1 for _ in (fleet.folder / "kapitan/compiled").iterdir())) != len(fleet.names):
            yield f"{self.name}: {count} targets instead of {len(fleet.names)}"


class Copy(Contender):
    """``cp -r`` of the finished output: the same files written, with nothing to think about."""

    name = COPY
    watched = False

    def before(self, fleet: Fleet) -> None:
        shutil.rmtree(fleet.folder / "copy", ignore_errors=True)

    def command(self, fleet: Fleet, names: Sequence[str]) -> list[str]:
        return ["cp", "-r", str(fleet.output), str(fleet.folder / "copy")]


def contenders() -> list[Contender]:
    """Give everything that is measured, in the order of the report."""
    return [
        Cold(SIDECERT_COLD),
        Cold("sidecert --jobs 1", "--jobs", "1"),
        Warm(),
        OneChanged(),
        Copy(),
        Kapitan(),
        HelmLoop(3),
        HelmLoop(4),
        KustomizeLoop(),
        HelmLoop(3, both_cores=True),
        HelmLoop(4, both_cores=True),
        KustomizeLoop(both_cores=True),
    ]
