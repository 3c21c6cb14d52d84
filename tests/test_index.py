"""What is known of an output folder is only ever a help: stale, damaged, or someone else's, it changes no result."""

from __future__ import annotations

import errno
import os
import shutil
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from generator import index as index_module
from generator.cache import CodeCache, cache_key
from generator.errors import OutputError
from generator.index import _FORMAT, Index
from generator.tree import OutputFile, OutputFolder, packed
from tests.conftest import snapshot, write_tree
from tests.test_update import FORMS, let_an_hour_pass, own, render, texts, write_with_same_size_and_time

__all__ = ["own"]  # the fixture

MANIFESTS = FORMS[:1]
FILE = "manifests/dev/configmap-prometheus.yaml"


def entry_of(output: Path) -> str:
    """The name of an index in the cache."""
    return cache_key("index", _FORMAT, os.path.realpath(output))


class TestChangesThatHide:
    """A file that is changed so that size and time stay what they were, at the worst of moments."""

    def test_right_after_the_render_again_and_again(self, own, monkeypatch):
        """With a clock more coarse than any kernel's: for 40 ms, all changes have one time."""
        coarse_clock(monkeypatch)
        for number in range(40):
            if number:
                (own / "output").rename(own / f"output-{number}")
            render(own, forms=MANIFESTS)
            write_with_same_size_and_time(own / "output" / FILE)

            assert "edited by hand" in render(own, forms=MANIFESTS).error

    def test_long_after_the_render(self, own, monkeypatch):
        let_an_hour_pass(monkeypatch)
        render(own, forms=MANIFESTS)
        assert render(own, forms=MANIFESTS).rendered == 0
        time.sleep(0.02)  # longer than a tick of the clock
        write_with_same_size_and_time(own / "output" / FILE)

        assert "edited by hand" in render(own, forms=MANIFESTS).error

    @pytest.mark.parametrize("earlier", ["nothing", "rendered", "copied"])
    @pytest.mark.parametrize("moment", ["before", "after"])
    def test_while_the_others_are_rendered(self, own, monkeypatch, earlier, moment):
        """After the look at this file, before or after the swap, and long before the end of the run."""
        let_an_hour_pass(monkeypatch)
        if earlier != "nothing":
            render(own, forms=MANIFESTS)
            write_tree(own, {"overlays/prod/eu-1.yaml": "replicas: 6\n"})
        if earlier == "copied":
            shutil.copytree(own / "output", own / "copy")
            shutil.rmtree(own / "output")
            (own / "copy").rename(own / "output")
        finish = OutputFolder.finish

        def with_an_edit(self: OutputFolder, *, force: bool = False) -> None:
            if moment == "after":
                finish(self, force=force)
            if (own / "output" / FILE).exists():
                write_with_same_size_and_time(own / "output" / FILE)
            if moment == "before":
                finish(self, force=force)

        with monkeypatch.context() as patch:
            patch.setattr(OutputFolder, "finish", with_an_edit)
            patch.setattr("generator.update.time_ns", time_ns_of_the_system)
            assert not render(own, forms=MANIFESTS).error

        again = render(own, forms=MANIFESTS).error
        assert ("edited by hand" in again) is (moment == "after" or earlier != "nothing")

    def test_a_folder_that_became_a_link_to_itself(self, own, monkeypatch):
        let_an_hour_pass(monkeypatch)
        render(own, forms=MANIFESTS)
        for folder in ("manifests/dev", ".inventory/manifests/prod"):
            aside = own / folder.replace("/", "-")
            (own / "output" / folder).rename(aside)
            (own / "output" / folder).symlink_to(aside)

            assert "this is a symbolic link" in render(own, forms=MANIFESTS).error
            (own / "output" / folder).unlink()
            aside.rename(own / "output" / folder)


@pytest.mark.skipif(sys.platform != "linux", reason="processes are copied on Linux alone")
class TestACopyOfTheProcess:
    """Looks at half of the files of a large fleet."""

    @pytest.fixture(autouse=True)
    def large(self, own, monkeypatch):
        let_an_hour_pass(monkeypatch)
        render(own)
        render(own)
        monkeypatch.setattr(index_module, "_WORTH_A_PROCESS", 1)

    @pytest.fixture
    def copies(self, monkeypatch) -> list[int]:
        found: list[int] = []
        fork = os.fork

        def counted() -> int:
            found.append(fork())
            return found[-1]

        monkeypatch.setattr(os, "fork", counted)
        return found

    def test_tells_what_is_as_it_was(self, own, copies):
        done = render(own, processes=2)

        assert (len(copies), done.rendered, done.unchanged) == (1, 0, 3)
        with pytest.raises(ChildProcessError):  # it has ended, and was waited for
            os.waitpid(copies[0], 0)

    def test_isn_t_made_for_one_process(self, own, copies):
        assert render(own).unchanged == 3
        assert copies == []

    @pytest.mark.parametrize("name", ["dev", "prod/eu-1", "prod/us/east"])
    def test_tells_what_changed(self, own, name):
        file = next((own / "output/manifests" / name).glob("*.yaml"))
        time.sleep(0.02)  # longer than a tick of the clock
        write_with_same_size_and_time(file)

        assert "edited by hand" in render(own, processes=2).error

    @pytest.mark.parametrize("told", [b"", b"x", bytes(1000)])
    def test_that_dies_does_no_harm(self, own, monkeypatch, told):
        def die(writing: int, *_: object) -> None:
            os.write(writing, told)
            os._exit(1)

        monkeypatch.setattr(index_module, "_tell", die)

        assert render(own, processes=2).unchanged == 3


def time_ns_of_the_system() -> int:
    """The time as it is, where `time.time_ns` was replaced."""
    return time.clock_gettime_ns(time.CLOCK_REALTIME)


def coarse_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have files tell times in steps of 40 ms, which aren't whole milliseconds."""
    lstat = os.lstat

    def coarse(path: str) -> Any:
        about = lstat(path)
        names = ("st_size", "st_ino", "st_mode", "st_uid", "st_gid", "st_dev", "st_nlink", "st_mtime", "st_ctime")
        times = {name: getattr(about, name) // 40_000_000 * 40_000_000 + 1 for name in ("st_mtime_ns", "st_ctime_ns")}
        return SimpleNamespace(**{name: getattr(about, name) for name in names}, **times)

    monkeypatch.setattr(os, "lstat", coarse)


GOOD = (b"k" * 16, "tiny", 0, b"i" * 16, b"s" * 16)


class TestDamage:
    @pytest.mark.parametrize(
        "stored",
        [
            None, 7, "text", (), (1,), (1, 2), ((), ()), ((), (1,)), ((), ((),)), ((), (("manifests/dev", ()),)),
            ((("/a",),), (("manifests/dev", (1, 2, 3, 4, 5)),)),
            ((("/a",),), (("manifests/dev", (*GOOD[:2], 7, *GOOD[3:])),)),
            ((("/a",),), (("manifests/dev", (*GOOD[:2], 10**30, *GOOD[3:])),)),
            ((("/a",),), (("manifests/dev", (*GOOD[:2], "0", *GOOD[3:])),)),
            ((("/a",),), ((("manifests", "dev"), GOOD),)),
            (((b"/a",),), (("manifests/dev", GOOD),)),
            ((7,), (("manifests/dev", GOOD),)),
            (("/a",), (("manifests/dev", GOOD),)),
            ({"/a": 1}, {"manifests/dev": GOOD}),
            compile("1", "x", "eval"),
        ],
    )  # fmt: skip
    def test_what_is_no_index_is_nothing(self, own, stored):
        CodeCache().store(entry_of(own / "output"), stored)

        assert render(own, forms=MANIFESTS) == render(own, forms=MANIFESTS, output="other", use_cache=False)
        assert render(own, forms=MANIFESTS).rendered == 0

    @pytest.mark.parametrize("name", ["/../../../../../../etc/passwd", "\0", "\udc80", "/" + "x" * 300, "/x" * 3000])
    def test_names_that_lead_elsewhere_are_harmless(self, own, name):
        render(own, forms=MANIFESTS)
        wanted = texts(own / "output")
        stored: Any = CodeCache().load(entry_of(own / "output"))
        _, rows = stored
        CodeCache().store(entry_of(own / "output"), (((name,) * 3,), rows))
        (own / "output" / FILE).unlink()

        assert not render(own, forms=MANIFESTS).error
        assert texts(own / "output") == wanted

    def test_a_variant_that_there_is_not_is_harmless(self, own):
        render(own)
        stored: Any = CodeCache().load(entry_of(own / "output"))
        names, rows = stored
        other = tuple((unit, (key, "gone", *rest)) for unit, (key, _, *rest) in rows)
        CodeCache().store(entry_of(own / "output"), (names, other))

        assert (render(own).error, render(own, check=True).counts.any) == ("", False)

    def test_the_index_of_another_project_is_no_help(self, own, tmp_path):
        other = shutil.copytree(own, tmp_path / "other")
        write_tree(other, {"overlays/dev.yaml": "replicas: 9\n"})
        render(own, forms=MANIFESTS)
        CodeCache().store(entry_of(other / "output"), CodeCache().load(entry_of(own / "output")))
        shutil.copytree(own / "output", other / "output")

        done = render(other, forms=MANIFESTS)

        assert (done.rendered, done.unchanged, done.counts.written) == (1, 2, 1)


class TestCacheFolder:
    @pytest.mark.parametrize("trouble", ["file", "others", "not ours", "full", "read-only"])
    def test_one_that_cannot_be_used_changes_nothing(self, own, tmp_path, monkeypatch, trouble):
        cache = tmp_path / "cache/sidecert"
        render(own)
        wanted = texts(own / "output")
        if trouble == "file":
            shutil.rmtree(cache)
            cache.write_text("")
        elif trouble == "others":
            cache.chmod(0o777)
        elif trouble == "not ours":
            monkeypatch.setattr(os, "getuid", lambda: 12345)
        else:
            refuse_writes_below(cache, errno.ENOSPC if trouble == "full" else errno.EROFS, monkeypatch)
        before = snapshot(tmp_path / "cache")
        write_tree(own, {"overlays/dev.yaml": "replicas: 9\n"})

        done = render(own)

        assert (done.error, done.counts.written) == ("", 4)
        assert done.unchanged == (2 if trouble in {"full", "read-only"} else 0)
        assert snapshot(tmp_path / "cache") == before
        write_tree(own, {"overlays/dev.yaml": "replicas: 1\n"})
        assert not render(own).error
        assert texts(own / "output") == wanted

    def test_without_a_cache_none_is_read_or_written(self, own, tmp_path, monkeypatch):
        render(own)
        before = snapshot(tmp_path / "cache")
        touched: list[str] = []
        opened = os.open

        def noting(path: Any, *rest: Any, **more: Any) -> int:
            touched.append(str(path))
            return opened(path, *rest, **more)

        monkeypatch.setattr(os, "open", noting)

        assert render(own, use_cache=False).rendered == 3

        assert touched  # the output was read, so the list works
        assert not [path for path in touched if path.startswith(str(tmp_path / "cache"))]
        assert snapshot(tmp_path / "cache") == before

    def test_it_is_where_xdg_has_it_unless_switched_off(self, own, tmp_path, monkeypatch):
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "elsewhere"))
        monkeypatch.setenv("SIDECERT_NO_CACHE", "1")
        assert (render(own).rendered, render(own).rendered) == (3, 3)
        assert not (tmp_path / "elsewhere").exists()
        monkeypatch.delenv("SIDECERT_NO_CACHE")

        assert (render(own).rendered, render(own).rendered) == (3, 0)
        assert (tmp_path / "elsewhere/sidecert" / entry_of(own / "output")).exists()


def refuse_writes_below(folder: Path, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let opening files for writing fail in a folder; mode bits would not keep root from it."""
    opened = os.open

    def refusing(path: Any, flags: int, *rest: Any, **more: Any) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR) and str(path).startswith(str(folder)):
            raise OSError(number, os.strerror(number))
        return opened(path, flags, *rest, **more)

    monkeypatch.setattr(os, "open", refusing)


class TestOutputElsewhere:
    def test_a_link_to_the_output_is_the_output(self, own, monkeypatch):
        (own / "real").mkdir()
        (own / "output").symlink_to(own / "real")
        render(own)

        assert (render(own).rendered, render(own, output="real").rendered) == (0, 0)
        (own / "other").mkdir()
        (own / "output").unlink()
        (own / "output").symlink_to(own / "other")  # now it leads to an empty folder
        assert render(own).counts.written > 0
        assert texts(own / "other") == texts(own / "real")

    def test_an_output_that_moved_is_compared(self, own):
        render(own)
        (own / "output").rename(own / "moved")

        done = render(own, output="moved")

        assert (done.rendered, done.counts.written) == (3, 0)
        assert render(own).counts.written == done.counts.unchanged  # and nothing is believed of the old place
        assert texts(own / "output") == texts(own / "moved")


class TestTwoAtOnce:
    def test_the_last_one_wins_and_none_takes_the_others_files_for_edits(self, own):
        """Two renders of different inputs at the same time, again and again."""
        render(own)
        other = own.parent / "other"
        shutil.copytree(own, other, ignore=shutil.ignore_patterns("output"))
        (other / "output").symlink_to(own / "output")
        errors: list[str] = []
        for value in range(2, 10):
            write_tree(own, {"overlays/dev.yaml": f"replicas: {value}\n"})
            write_tree(other, {"overlays/dev.yaml": f"replicas: {value}\nnamespace: other\n"})
            threads = [
                threading.Thread(target=lambda project=project: errors.append(render(project).error))
                for project in (own, other)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

            assert "" in [render(one, use_cache=False, check=True).error for one in (own, other)]
            errors.append(render(own).error)
            assert not render(own, use_cache=False, check=True).counts.any
        assert set(errors) == {""}

    def test_who_waits_for_a_minute_is_told(self, own, monkeypatch):
        render(own)
        before = snapshot(own / "output")
        monkeypatch.setattr("generator.tree._PATIENCE_SECONDS", 0.1)

        with OutputFolder(str(own / "output"), "output"):
            told = render(own).error
            assert not render(own, check=True).error  # who only looks needn't wait

        assert told == (
            "OutputError: output: another sidecert has been writing this folder for 0 seconds\n"
            "    hint: try again when it is done"
        )
        assert snapshot(own / "output") == before
        assert not render(own).error

    def test_who_comes_second_to_a_new_folder_leaves_it_alone(self, own):
        second = OutputFolder(str(own / "output"), "output")
        with second:
            second.put(packed("manifests/dev", [OutputFile("manifests/dev/a.yaml", "a: 1\n")]))
            render(own)
            before = snapshot(own / "output")
            with pytest.raises(
                OutputError, match=r"the folder can't be written: .*\n    hint: nothing in it was changed"
            ):
                second.finish()

        assert snapshot(own / "output") == before
        assert [path.name for path in own.iterdir() if path.name.startswith(".")] == []


def test_an_index_that_knows_nothing_says_nothing(tmp_path):
    index = Index(CodeCache(""), str(tmp_path), "output")

    assert index.unchanged("manifests/dev", b"key") is None
    index.forget(["manifests/dev"])
    index.save(0)
    assert list(tmp_path.iterdir()) == []
