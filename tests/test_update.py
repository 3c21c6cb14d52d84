"""An output folder is brought up to date by doing what is needed and no more, as if all had been done.

The law: whatever was done to inputs, output and cache, a render gives what one without a cache gives.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
import tempfile
import textwrap
import time
import tracemalloc
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from generator import index, update
from generator.build import Builder
from generator.cli.commands import invoke
from generator.errors import GeneratorError
from generator.files import Root
from generator.fleet import Workers
from generator.tree import Counts, OutputFolder
from generator.workspace import Workspace
from tests.conftest import TINY, snapshot, write_tree

FORMS = ("manifests", "kustomize", "helm")
BUILTIN = Path(__file__).parent.parent / "templates"

#: The tiny project with a second variant, and the parts of a chart, so that it needs nothing of the shipped templates.
PROJECT: dict[str, str] = {
    **TINY,
    "templates/values.schema.json": TINY["templates/values.schema.json"].replace('["tiny"]', '["tiny", "small"]'),
    "templates/small/config.yaml.j2": TINY["templates/tiny/config.yaml.j2"],
    "overlays/prod/_defaults.yaml": "labels: {tier: prod}\n",
    "overlays/prod/us/east.yaml": "variant: small\n",
    **{f"templates/_chart/{path.name}": path.read_text() for path in sorted((BUILTIN / "_chart").iterdir())},
}

ALL = ["dev", "prod/eu-1", "prod/us/east"]


class Done(NamedTuple):
    """What a render said: its error, or how many environments it rendered and found unchanged, and the files."""

    error: str
    rendered: int
    unchanged: int
    counts: Counts
    base_changed: bool = False


def opened(project: Path) -> Workspace:
    """Open a project that has all of its templates."""
    return Workspace(Root(str(project / "overlays"), "overlays"), (Root(str(project / "templates"), "templates"),))


def render(
    project: Path,
    *patterns: str,
    forms: tuple[str, ...] = FORMS,
    output: str | Path = "output",
    check: bool = False,
    force: bool = False,
    use_cache: bool = True,
    shard: update.Shard | None = None,
    processes: int = 1,
) -> Done:
    """Render a project as the command does, and give what it would tell."""
    folder = OutputFolder(str(project / output), "output", compare_only=check)
    try:
        workspace = opened(project)
        names = workspace.select(patterns)
        if shard:
            names = tuple(filter(shard.has, names))
        task = update.Task(names, forms, not patterns, shard)
        report = update.update(workspace, task, folder, Workers(processes), use_cache=use_cache, force=force)
    except GeneratorError as error:
        return Done(f"{type(error).__name__}: {error}", 0, 0, Counts())
    return Done("", report.rendered, report.unchanged, folder.counts, report.base_changed)


def texts(folder: Path) -> dict[str, bytes | str]:
    """Every file below a folder, and where links lead."""
    return {path: content for path, (content, _) in snapshot(folder).items()}


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project, and a cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return write_tree(tmp_path / "project", PROJECT)


@pytest.fixture
def names_rendered(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of environments that are rendered, in order."""
    found: list[str] = []
    units = Builder.units

    def counted(self: Builder, name: str, *arguments: Any) -> Any:
        found.append(name)
        return units(self, name, *arguments)

    monkeypatch.setattr(Builder, "units", counted)
    return found


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    let_an_hour_pass(monkeypatch)


def let_an_hour_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let an hour pass between a change of a file and the look at it, so that the file system's word counts."""
    real = time.time_ns
    monkeypatch.setattr(index, "_TICK_NANOSECONDS", 0)
    monkeypatch.setattr(time, "time_ns", lambda: real() + 3_600_000_000_000)
    monkeypatch.setattr(update, "time_ns", lambda: real() + 3_600_000_000_000)


@pytest.mark.usefixtures("later")
class TestWarm:
    def test_nothing_is_rendered_or_written_where_nothing_changed(self, own, names_rendered):
        first = render(own)
        names_rendered.clear()
        before = snapshot(own / "output")

        second = render(own)

        assert (first.rendered, first.unchanged) == (3, 0)
        assert (second.rendered, second.unchanged) == (0, 3)
        assert second.counts == Counts(unchanged=first.counts.written)
        assert names_rendered == []
        assert snapshot(own / "output") == before

    @pytest.mark.parametrize("how", ["touched", "copied", "cloned"])
    def test_hashes_decide_where_the_file_system_says_something_else(self, own, names_rendered, how):
        render(own)
        names_rendered.clear()
        output = own / "output"
        if how == "touched":
            for path in output.rglob("*.*"):
                path.touch()
        elif how == "copied":
            shutil.copytree(output, own / "copy")
            shutil.rmtree(output)
            (own / "copy").rename(output)
        else:
            git = ["git", "-C", str(output), "-c", "user.name=a", "-c", "user.email=a@example.com"]
            for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "all", "--no-gpg-sign"]):
                subprocess.run([*git, *command], check=True)
            subprocess.run(["git", "clone", "-q", str(output), str(own / "clone")], check=True)
            shutil.rmtree(output)
            (own / "clone").rename(output)
        before = snapshot(output)

        done = render(own)

        assert (done.rendered, done.unchanged, names_rendered) == (0, 3, [])
        assert snapshot(output) == before

    @pytest.mark.parametrize(
        ("file", "text", "names"),
        [
            ("overlays/dev.yaml", "replicas: 5\n", ["dev"]),
            ("overlays/prod/_defaults.yaml", "labels: {tier: gold}\n", ["prod/eu-1", "prod/us/east"]),
            ("overlays/prod/us/_defaults.yaml", "replicas: 8\n", ["prod/us/east"]),
            ("overlays/_defaults.yaml", "namespace: all\n", ALL),
            ("overlays/stage.yaml", "replicas: 2\n", ["stage"]),
            (
                "templates/small/config.yaml.j2",
                PROJECT["templates/tiny/service.yaml.j2"],
                ALL,
            ),
            ("templates/tiny/_rules.j2", "{# none #}\n", ALL),
            ("templates/_lib/rules.j2", "{# none #}\n", ALL),
            (
                "templates/values.schema.json",
                PROJECT["templates/values.schema.json"].replace('"maximum": 9', '"maximum": 8'),
                ALL,
            ),
        ],
    )
    def test_what_depends_on_a_changed_file_is_rendered_alone(self, own, names_rendered, file, text, names):
        render(own)
        names_rendered.clear()
        write_tree(own, {file: text})

        done = render(own)

        assert names_rendered == names
        assert done.rendered == len(names)
        assert done.unchanged == len(opened(own).environment_names()) - len(names)
        assert not render(own, check=True).counts.any

    @pytest.mark.parametrize("name", ["program_digest", "libraries", "__version__"])
    def test_another_sidecert_or_library_renders_everything(self, own, names_rendered, monkeypatch, name):
        render(own)
        names_rendered.clear()
        monkeypatch.setattr(update, name, "other" if name == "__version__" else lambda: "other")

        assert render(own).rendered == len(names_rendered) == 3

    def test_forms_are_known_one_by_one(self, own):
        assert render(own, forms=("manifests",)).rendered == 3
        assert render(own, forms=("manifests", "helm")).rendered == 3
        assert render(own, forms=("helm",)).rendered == 0
        assert render(own, "dev").rendered == 1
        assert (render(own).rendered, render(own).rendered) == (2, 0)

    def test_a_check_keeps_what_it_found_out_and_writes_nothing(self, own, names_rendered):
        render(own, use_cache=False)
        names_rendered.clear()

        assert not render(own, check=True).counts.any
        before = snapshot(own / "output")
        assert len(names_rendered) == 3
        assert (render(own, check=True).rendered, render(own).rendered) == (0, 0)
        write_tree(own, {"overlays/dev.yaml": "replicas: 5\n"})
        assert render(own, check=True).counts == render(own, check=True).counts
        assert render(own, check=True).counts.written == 4
        assert snapshot(own / "output") == before
        assert render(own, forms=("helm",), check=True).counts.written == 1
        assert render(own, forms=("helm",)).counts.written == 1
        assert render(own).counts.written == 3  # what was looked at, and differs, is not taken for known

    def test_an_environment_that_is_gone_goes_and_may_come_back(self, own):
        render(own)
        before = texts(own / "output")
        overlay = own / "overlays/prod/us/east.yaml"
        text = overlay.read_text()
        overlay.unlink()

        gone = render(own)
        assert (gone.rendered, gone.unchanged) == (0, 2)
        assert not (own / "output/kustomize/base/small").exists()  # nobody rests on it any more
        overlay.write_text(text)

        assert render(own).rendered == 1
        assert texts(own / "output") == before

    def test_the_base_is_restored_where_all_environments_are_unchanged(self, own, names_rendered):
        render(own)
        before = texts(own / "output")
        names_rendered.clear()
        shutil.rmtree(own / "output/kustomize/base")

        assert render(own).rendered == 0
        assert texts(own / "output") == before

    def test_a_partial_render_tells_that_the_base_changed_for_others(self, own):
        assert not render(own).base_changed
        assert not render(own, "dev", force=True).base_changed
        write_tree(own, {"overlays/_defaults.yaml": "namespace: other\n"})  # every file of it

        assert render(own, "dev").base_changed

    def test_an_environment_in_the_way_of_an_unchanged_one_is_told_as_without_a_cache(self, own):
        render(own)
        write_tree(own, {"overlays/dev/service-prometheus.yaml/x.yaml": ""})

        told = render(own, use_cache=False).error

        assert "can't stand beside each other" in told
        assert render(own).error == told


class TestProblems:
    def test_what_the_folder_refuses_is_told_after_what_is_wrong_with_the_input(self, own):
        render(own)
        for name in ("dev", "prod/us/east"):
            folder = own / f"output/manifests/{name}"
            folder.rename(own / name.replace("/", "-"))
            folder.symlink_to(own / name.replace("/", "-"))
        write_tree(own, {"overlays/prod/eu-1.yaml": "replicas: 99\n"})
        before = snapshot(own / "output")
        assert render(own).error.startswith("InputError: overlays/prod/eu-1.yaml:1:1: replicas")
        write_tree(own, {"overlays/prod/eu-1.yaml": "replicas: 3\n"})

        told = render(own).error

        assert told.splitlines() == [
            "OutputError: output/manifests/dev: this is a symbolic link, and files belong below it",
            "output/manifests/prod/us/east: this is a symbolic link, and files belong below it",
        ]
        assert snapshot(own / "output") == before

    def test_a_run_that_failed_is_not_taken_for_one_that_did_not(self, own):
        render(own)
        edited = own / "output/manifests/dev/configmap-prometheus.yaml"
        edited.write_text("mine: true\n")
        write_tree(own, {"overlays/prod/eu-1.yaml": "replicas: 5\n"})

        assert "edited by hand" in render(own).error
        assert "edited by hand" in render(own).error
        assert render(own, force=True).rendered == 2


def fleet_of(project: Path, environments: int) -> Path:
    """Write a project of many environments in a few folders."""
    write_tree(project, PROJECT)
    shutil.rmtree(project / "overlays")
    overlays = {f"overlays/r{n % 7}/c{n}.yaml": f"labels: {{cluster: c{n}}}\n" for n in range(environments)}
    return write_tree(project, {"overlays/_defaults.yaml": "namespace: team\n", **overlays})


class TestShards:
    @pytest.mark.parametrize("of", [1, 2, 3, 5])
    def test_all_of_them_together_are_the_whole_in_whichever_order(self, own, of):
        project = fleet_of(own / "fleet", 12)
        write_tree(project, {"overlays/r1/c1.yaml": "variant: small\n"})
        render(project, output="whole", use_cache=False)
        numbers = random.Random(of).sample(range(1, of + 1), of)

        for _ in range(2):  # in an empty folder, and again
            done = [render(project, shard=update.Shard(number, of)) for number in numbers]
            assert texts(project / "output") == texts(project / "whole")
        assert sum(one.unchanged for one in done) == 12

        (project / "overlays/r1/c1.yaml").unlink()  # with it goes the base of its variant
        (project / "overlays/r2/c2.yaml").unlink()
        render(project, output="whole", use_cache=False)
        for number in reversed(numbers):
            render(project, shard=update.Shard(number, of))
        assert texts(project / "output") == texts(project / "whole")
        assert not (project / "output/kustomize/base/small").exists()

    def test_folders_of_their_own_unite_to_the_whole(self, own):
        project = fleet_of(own / "fleet", 12)
        render(project, output="whole", use_cache=False)
        united: dict[str, bytes | str] = {}
        for number in (1, 2, 3):
            render(project, output=f"part-{number}", shard=update.Shard(number, 3))
            part = texts(project / f"part-{number}")
            assert all(united.get(path, content) == content for path, content in part.items())
            united |= part

        assert united == texts(project / "whole")

    def test_each_environment_is_in_one_that_its_name_alone_decides(self):
        names = [f"region-{number % 7}/cluster-{number}" for number in range(2000)]
        for of in (1, 2, 3, 8):
            shards = [update.Shard(number, of) for number in range(1, of + 1)]
            sizes = [sum(shard.has(name) for name in names) for shard in shards]
            assert all(sum(shard.has(name) for shard in shards) == 1 for name in names)
            assert all(0.8 * 2000 / of < size < 1.2 * 2000 / of for size in sizes)
        assert [n for n in range(1, 9) if update.Shard(n, 8).has("prod/eu-1")] == [7]  # for as long as we live

    @pytest.mark.parametrize("narrowed", [("r[12]/*",), ("-l", "tier=gold"), ("r2/*", "r3/*", "-l", "tier=gold")])
    def test_they_part_what_is_selected(self, own, narrowed, capsys):
        project = fleet_of(own / "fleet", 21)
        for number in (1, 2, 3, 9, 10, 20):
            write_tree(project, {f"overlays/r{number % 7}/c{number}.yaml": "labels: {tier: gold}\n"})
        command = ["render", "-C", str(project), *narrowed, "--only", "manifests"]
        assert invoke([*command, "--output", "whole"]) == 0
        codes = [invoke([*command, "--shard", f"{number}/3"]) for number in (2, 3, 1)]

        told = capsys.readouterr().err
        assert codes == [0, 0, 0]
        assert texts(project / "output") == texts(project / "whole") != {}
        whole, *rest = [int(count) for count in re.findall(r"rendered (\d+) environment", told)]
        assert sum(rest) == whole
        assert len(rest) == 3

    @pytest.mark.parametrize(
        "shard", ["0/3", "4/3", "3", "1/0", "-1/3", "1/3/5", "a/b", "1 / 3", "", "1.0/3", "\u0661/\u0663"]
    )
    def test_what_is_no_shard_is_refused(self, own, shard, capsys):
        assert invoke(["render", "-C", str(own), "--shard", shard]) == 2

        assert "is no shard, such as 3/8" in capsys.readouterr().err
        assert not (own / "output").exists()


class TestMemory:
    def test_grows_by_little_for_each_environment(self, tmp_path, monkeypatch):
        """By names and hashes, that is, and not by what is rendered: 10 KB for each."""
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        long = textwrap.dedent(PROJECT["templates/tiny/service.yaml.j2"]) + f"  externalName: {'x' * 10_000}\n"
        peaks = {}
        for environments in (2, 100, 500):  # the first is for imports
            project = write_tree(
                fleet_of(tmp_path / str(environments), environments), {"templates/tiny/service.yaml.j2": long}
            )
            tracemalloc.start()
            assert render(project, forms=FORMS[:1]).rendered == environments
            peaks[environments] = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()

        assert (project / "output/manifests/r1/c1/service-prometheus.yaml").stat().st_size > 10_000
        assert (peaks[500] - peaks[100]) / 400 < 2500


# ------------------------------------------------------------------------------------------------------- the law

NAMES = ("dev", "prod/eu-1", "prod/us/east", "prod", "stage")
FOLDERS_OF_DEFAULTS = ("", "prod/", "prod/us/")


def change_input(project: Path, kind: str, which: int, value: int) -> None:
    """Write, or take away, one of the inputs."""
    name = NAMES[which % len(NAMES)]
    overlays, templates = project / "overlays", project / "templates"
    if kind == "overlay":
        variant = ("tiny", "tiny", "small")[value % 3]
        write_tree(overlays, {f"{name}.yaml": f"replicas: {value}\nvariant: {variant}\n"})
    elif kind == "no overlay":
        (overlays / f"{name}.yaml").unlink(missing_ok=True)
    elif kind == "defaults":
        folder = FOLDERS_OF_DEFAULTS[which % 3]
        write_tree(overlays, {f"{folder}_defaults.yaml": f"namespace: team-{value % 2}\n"})
    elif kind == "no defaults":
        (overlays / f"{FOLDERS_OF_DEFAULTS[which % 3]}_defaults.yaml").unlink(missing_ok=True)
    elif kind == "template":
        extra = (templates / "tiny/extra.yaml.j2", templates / "small/config.yaml.j2")[which % 2]
        name_of_it = ("extra", "{{ values.name }}")[which % 2]
        text = f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name_of_it}\ndata:\n  a: '{value}'\n"
        extra.write_text(text)
    elif kind == "no template":
        (templates / "tiny/extra.yaml.j2").unlink(missing_ok=True)
    elif kind == "schema":
        schema = templates / "values.schema.json"
        schema.write_text(PROJECT["templates/values.schema.json"].replace('"maximum": 9', f'"maximum": {3 + value}'))
    elif kind == "rules":
        rule = "{% if values.replicas == " + str(value) + ' %}{{ fail("replicas", "unlucky") }}{% endif %}\n'
        (templates / "tiny/_rules.j2").write_text(rule)


class Damage(NamedTuple):
    """What people, tools and disks do to an output folder, by method; to the file ``path``, for most."""

    project: Path
    path: Path
    second: Path
    number: int

    def edit(self) -> None:
        self.path.write_bytes(self.path.read_bytes() + b"# by hand\n")

    def sneak(self) -> None:
        write_with_same_size_and_time(self.path)

    def delete(self) -> None:
        self.path.unlink()

    def touch(self) -> None:
        self.path.touch()

    def replace_by_the_same(self) -> None:
        copy = self.path.with_name(f"{self.path.name}.tmp")
        shutil.copy2(self.path, copy)
        copy.replace(self.path)

    def swap_contents(self) -> None:
        one, two = self.path.read_bytes(), self.second.read_bytes()
        self.path.write_bytes(two)
        self.second.write_bytes(one)

    def swap_names(self) -> None:
        between = self.project / "between"
        self.path.rename(between)
        if self.second != self.path:
            self.second.rename(self.path)
        between.rename(self.second)

    def change_mode(self) -> None:
        self.path.chmod(0o640)

    def link(self) -> None:
        if not self.aside.exists():
            self.path.rename(self.aside)
            self.path.symlink_to(self.aside)

    def hard_link_and_edit(self) -> None:
        if not self.aside.exists():
            self.aside.hardlink_to(self.path)
            self.aside.write_bytes(self.aside.read_bytes() + b"\n")

    def link_folder(self) -> None:
        if not self.aside.exists():
            self.path.parent.rename(self.aside)
            self.path.parent.symlink_to(self.aside)

    def remove_links(self) -> None:
        for link in [path for path in (self.project / "output").rglob("*") if path.is_symlink()]:
            link.unlink()

    def lose_inventories(self) -> None:
        for inventory in (self.project / "output/.inventory").rglob("*.sha256"):
            if (len(inventory.name) + self.number) % 2:
                inventory.unlink()

    def copy(self) -> None:
        shutil.copytree(self.project / "output", self.project / "copy", symlinks=True)
        shutil.rmtree(self.project / "output")
        (self.project / "copy").rename(self.project / "output")

    def keep(self) -> None:
        shutil.rmtree(self.project / "kept", ignore_errors=True)
        shutil.copytree(self.project / "output", self.project / "kept", symlinks=True)

    def roll_back(self) -> None:
        if (self.project / "kept").exists():
            shutil.rmtree(self.project / "output")
            (self.project / "kept").rename(self.project / "output")

    @property
    def aside(self) -> Path:
        return self.project / f"aside-{self.number}"


DAMAGES = sorted(
    name for name in vars(Damage) if name not in {*dir(tuple), *Damage._fields, "aside"} and name[0] != "_"
)


def write_with_same_size_and_time(path: Path) -> None:
    """Change a file so that only its time of last change tells."""
    times = (path.stat().st_atime_ns, path.stat().st_mtime_ns)
    content = path.read_bytes()
    path.write_bytes(content.translate(bytes.maketrans(b"ae1", b"be2")) if b"a" in content else content[::-1])
    os.utime(path, ns=times)


def change_output(project: Path, kind: str, which: int, other: int) -> None:
    """Do something to the output folder, where there is one."""
    files = sorted(path for path in (project / "output").rglob("*") if path.is_file() and not path.is_symlink())
    if files:
        damage = Damage(project, files[which % len(files)], files[other % len(files)], 31 * which + other)
        getattr(damage, kind)()


def change_cache(project: Path, kind: str, which: int) -> None:
    """Lose, damage, exchange, keep or roll back the index."""
    cache = project / "cache/sidecert"
    files = sorted(cache.iterdir()) if cache.exists() else []
    kept = project / "kept-cache"
    if kind == "keep":
        shutil.rmtree(kept, ignore_errors=True)
        if cache.exists():
            shutil.copytree(cache, kept)
    elif kind == "roll back" and kept.exists():
        shutil.rmtree(cache, ignore_errors=True)
        shutil.copytree(kept, cache)
    elif not files:
        return
    elif kind == "lose":
        shutil.rmtree(cache)
    elif kind == "truncate":
        os.truncate(files[which % len(files)], which)
    elif kind == "flip":
        file = files[which % len(files)]
        damaged = bytearray(file.read_bytes())
        damaged[which * 7919 % len(damaged)] ^= 1 << which % 8
        file.write_bytes(damaged)
    elif kind == "exchange":  # every entry under the name of the next
        for file, content in zip(files, [file.read_bytes() for file in [*files[1:], files[0]]], strict=True):
            file.write_bytes(content)


numbers = st.integers(0, 30)
steps = st.one_of(
    st.tuples(
        st.just(change_input),
        st.sampled_from(
            [
                "overlay",
                "overlay",
                "no overlay",
                "defaults",
                "no defaults",
                "template",
                "no template",
                "schema",
                "rules",
            ]
        ),
        numbers,
        st.integers(0, 6),
    ),
    st.tuples(
        st.just(change_output),
        st.sampled_from(DAMAGES),
        numbers,
        numbers,
    ),
    st.tuples(
        st.just(change_cache),
        st.sampled_from(["lose", "truncate", "flip", "exchange", "keep", "roll back", "roll back"]),
        numbers,
    ),
)
renders = st.fixed_dictionaries(
    {
        "patterns": st.sampled_from([(), (), (), ("dev",), ("prod/*",)]),
        "forms": st.sampled_from([FORMS[:2], FORMS[:2], FORMS[:1], FORMS[1:2], FORMS]),
        "check": st.sampled_from([False, False, False, True]),
        "force": st.booleans(),
    }
)


def test_law_a_render_gives_what_one_without_a_cache_gives():
    @settings(
        max_examples=int(os.environ.get("SIDECERT_HISTORIES", "12")),
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],  # a history takes half a second: shrinking one takes many minutes
        suppress_health_check=list(HealthCheck),
    )
    @given(st.booleans(), st.lists(st.tuples(st.lists(steps, max_size=3), renders), min_size=2, max_size=6))
    def law(late, history):
        with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
            project = write_tree(Path(folder).resolve(), PROJECT)
            patch.setenv("XDG_CACHE_HOME", str(project / "cache"))
            if late:
                let_an_hour_pass(patch)
            for changes, how in history:
                for change, *arguments in changes:
                    change(project, *arguments)
                render_both_ways(project, how)

    law()


def render_both_ways(project: Path, how: dict[str, Any]) -> None:
    """Render, and hold what comes of it to a render of the same output folder without a cache."""
    patterns, rest = how["patterns"], {key: value for key, value in how.items() if key != "patterns"}
    twin = project / "twin"
    shutil.rmtree(twin, ignore_errors=True)
    if (project / "output").exists():
        shutil.copytree(project / "output", twin, symlinks=True)
    wanted = render(project, *patterns, output="twin", use_cache=False, **rest)

    got = render(project, *patterns, **rest)

    assert got.error == wanted.error.replace("twin/", "output/")
    assert texts(project / "output") == texts(twin)
    assert got.counts == wanted.counts
    if not got.error:
        assert got.rendered + got.unchanged == wanted.rendered
        assert got.base_changed == wanted.base_changed
    if not got.error and not how["check"]:
        shutil.rmtree(project / "fresh", ignore_errors=True)
        assert not render(project, *patterns, output="fresh", use_cache=False, forms=how["forms"]).error
        assert texts(project / "fresh").items() <= texts(project / "output").items()
