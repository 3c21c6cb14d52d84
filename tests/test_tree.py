"""Output is compared with the disk and put there all at once, or not at all."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generator.errors import InputError, OutputError
from generator.tree import Changes, OutputFile, OutputFolder, OutputUnit, packed
from tests.conftest import snapshot


def tree_of(**units: dict[str, str]) -> list[OutputUnit]:
    """Units from ``unit__name={file: text}``; ``__`` stands for a slash."""
    found = []
    for name, files in units.items():
        unit = name.replace("__", "/")
        found.append(packed(unit, [OutputFile(f"{unit}/{file}", text) for file, text in files.items()]))
    return found


def put(
    tree: list[OutputUnit],
    output: Path,
    complete: Sequence[str] = (),
    *,
    force: bool = False,
    compare_only: bool = False,
) -> Changes:
    """Write units as one render, and give all changes, sorted."""
    with OutputFolder(str(output), "output", compare_only=compare_only) as folder:
        changes = [folder.put(unit) for unit in tree]
        changes.append(folder.prune(complete, {unit.folder for unit in tree}.__contains__))
        if not compare_only:
            folder.finish(force=force)
    return Changes(*(sorted(path for paths in lists for path in paths) for lists in zip(*changes, strict=True)))


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "output"


class TestWriting:
    def test_writes_every_file_and_an_inventory(self, output):
        put(tree_of(manifests__dev={"a.yaml": "a: 1\n", "b.yaml": "b: é\n"}), output)

        assert (output / "manifests/dev/b.yaml").read_bytes() == "b: é\n".encode()
        assert sorted(snapshot(output)) == [
            ".inventory/manifests/dev.sha256", "manifests/dev/a.yaml", "manifests/dev/b.yaml",
        ]  # fmt: skip

    def test_inventories_are_read_by_sha256sum(self, output):
        put(tree_of(manifests__dev={"a.yaml": "a: 1\n"}, kustomize__base__plain={"b.yaml": "b: 1\n"}), output)

        for inventory in (".inventory/manifests/dev.sha256", ".inventory/kustomize/base/plain.sha256"):
            subprocess.run(["sha256sum", "--check", "--strict", inventory], cwd=output, check=True, capture_output=True)

    def test_does_not_touch_files_that_stay_the_same(self, output):
        put(tree_of(manifests__dev={"a.yaml": "a: 1\n", "b.yaml": "b: 1\n"}), output)
        before = snapshot(output)

        changes = put(tree_of(manifests__dev={"a.yaml": "a: 1\n", "b.yaml": "b: 2\n"}), output)

        after = snapshot(output)
        assert changes.written == ["manifests/dev/b.yaml"]
        assert changes.unchanged == ["manifests/dev/a.yaml"]
        assert after["manifests/dev/a.yaml"] == before["manifests/dev/a.yaml"]
        assert (output / "manifests/dev/b.yaml").read_text() == "b: 2\n"

    def test_an_empty_tree_makes_no_folder(self, output):
        put([], output)

        assert not output.exists()

    def test_makes_the_folders_above_the_output(self, tmp_path):
        put(tree_of(m={"a": "1"}), tmp_path / "x/y/output")

        assert (tmp_path / "x/y/output/m/a").read_text() == "1"

    def test_leaves_nothing_beside_the_output(self, tmp_path, output):
        put(tree_of(m={"a": "1"}), output)
        put(tree_of(m={"a": "2"}), output)

        assert [path.name for path in tmp_path.iterdir()] == ["output"]
        assert sorted(path.name for path in output.iterdir()) == [".inventory", "m"]

    def test_restores_a_file_that_was_deleted_by_hand(self, output):
        tree = tree_of(m={"a": "1"})
        put(tree, output)
        (output / "m/a").unlink()

        assert put(tree, output).written == ["m/a"]
        assert (output / "m/a").exists()

    def test_removes_what_a_killed_process_left(self, tmp_path, output):
        gone = subprocess.Popen(["true"])
        gone.wait()
        put(tree_of(m={"a": "1"}), output)
        left = output / f".sidecert-{gone.pid}"
        left.mkdir()
        (left / "new-0").touch()
        ours = output / f".sidecert-{os.getppid()}"
        ours.mkdir()

        put(tree_of(m={"a": "2"}), output)

        assert not left.exists()
        assert ours.exists()


class TestRemoving:
    def test_removes_a_file_that_its_unit_no_longer_has(self, output):
        put(tree_of(m__dev={"a": "1", "sub/b": "2"}), output)

        assert put(tree_of(m__dev={"a": "1"}), output).removed == ["m/dev/sub/b"]
        assert sorted(snapshot(output)) == [".inventory/m/dev.sha256", "m/dev/a"]

    def test_leaves_other_units_alone_in_a_partial_render(self, output):
        put(tree_of(m__dev={"a": "1"}, m__prod={"a": "1"}), output)

        assert not put(tree_of(m__dev={"a": "1"}), output).any
        assert (output / "m/prod/a").exists()

    def test_removes_units_that_are_gone_in_a_complete_render(self, output):
        put(tree_of(m__dev={"a": "1"}, m__prod__eu={"a": "1"}, k__prod={"a": "1"}), output)

        changes = put(tree_of(m__dev={"a": "1"}), output, complete=["m"])

        assert changes.removed == ["m/prod/eu/a"]
        assert sorted(snapshot(output)) == [
            ".inventory/k/prod.sha256",
            ".inventory/m/dev.sha256",
            "k/prod/a",
            "m/dev/a",
        ]

    def test_never_removes_a_file_it_did_not_write(self, output):
        put(tree_of(m__dev={"a": "1"}), output)
        (output / "m/dev/README").write_text("mine")

        put([], output, complete=["m"])

        assert sorted(snapshot(output)) == ["m/dev/README"]


class TestHandEdits:
    def test_refuses_to_overwrite_an_edited_file(self, output):
        put(tree_of(m={"a": "1", "b": "1"}), output)
        (output / "m/a").write_text("mine")
        before = snapshot(output)

        with pytest.raises(OutputError) as error:
            put(tree_of(m={"a": "2", "b": "2"}), output)

        assert str(error.value) == (
            "output/m/a: the file was edited by hand\n"
            "    hint: move your change to overlays/ or templates/, or lose it with --force"
        )
        assert snapshot(output) == before

    def test_refuses_to_remove_an_edited_file(self, output):
        put(tree_of(m={"a": "1", "b": "1"}), output)
        (output / "m/a").write_text("mine")

        with pytest.raises(OutputError, match="output/m/a: the file was edited by hand"):
            put(tree_of(m={"b": "1"}), output)

    def test_refuses_to_overwrite_a_file_it_never_wrote(self, output):
        (output / "m").mkdir(parents=True)
        (output / "m/a").write_text("mine")

        with pytest.raises(OutputError, match="output/m/a: the file is in the way, and sidecert never wrote it"):
            put(tree_of(m={"a": "1"}), output)

    def test_force_overwrites_and_removes(self, output):
        put(tree_of(m={"a": "1", "b": "1"}), output)
        for name in ("a", "b", "c"):
            (output / f"m/{name}").write_text("mine")

        put(tree_of(m={"a": "2", "c": "2"}), output, force=True)

        assert {name: content for name, (content, _) in snapshot(output).items() if name.startswith("m/")} == {
            "m/a": b"2", "m/c": b"2",
        }  # fmt: skip

    def test_an_edit_that_equals_the_new_text_is_no_conflict(self, output):
        put(tree_of(m={"a": "1"}), output)
        (output / "m/a").write_text("2")

        changes = put(tree_of(m={"a": "2"}), output)

        assert (changes.unchanged, changes.bookkeeping) == (["m/a"], [".inventory/m.sha256"])

    def test_a_foreign_inventory_line_is_refused(self, output):
        put(tree_of(m={"a": "1"}), output)
        with (output / ".inventory/m.sha256").open("a") as inventory:
            inventory.write(f"{'0' * 64}  m/../../precious\n")

        with pytest.raises(OutputError) as error:
            put(tree_of(m={"a": "1"}), output)

        assert str(error.value) == (
            "output/.inventory/m.sha256:2: this is no line of an inventory that sidecert wrote\n"
            "    hint: restore the file, or remove it and use --force"
        )


class TestCollisions:
    @pytest.mark.parametrize(
        ("first", "second", "message"),
        [
            ("m/a", "m/a", "two outputs would be written to 'm/a'"),
            ("m/A", "m/a", "the outputs 'm/a' and 'm/A' can't stand beside each other on every system"),
            ("m/a", "m/a/b", "the outputs 'm/a/b' and 'm/a' can't stand beside each other on every system"),
            ("m/a/b", "m/a", "the outputs 'm/a' and 'm/a/' can't stand beside each other on every system"),
            ("m/Sub/a", "m/sub/b", "the outputs 'm/sub/b' and 'm/Sub/' can't stand beside each other on every system"),
        ],
    )
    def test_names_both(self, first, second, message):
        with pytest.raises(InputError) as error:
            packed("m", [OutputFile(first, ""), OutputFile(second, "")])

        assert str(error.value) == message

    @pytest.mark.parametrize("path", ["n/a", "m/../a", "m//a", "m/", "m/a\nb", "m/a\\b", "m/./a"])
    def test_refuses_paths_that_leave_their_unit(self, path):
        with pytest.raises(InputError, match=re.escape("can't be the path of an output file of 'm'")):
            packed("m", [OutputFile(path, "")])


class TestLinksAndFoldersInTheWay:
    def test_refuses_a_folder_that_is_a_link(self, tmp_path, output):
        (tmp_path / "elsewhere").mkdir()
        output.mkdir()
        (output / "m").symlink_to(tmp_path / "elsewhere")

        with pytest.raises(OutputError, match="output/m: this is a symbolic link, and files belong below it"):
            put(tree_of(m={"a": "1"}), output)
        assert not list((tmp_path / "elsewhere").iterdir())

    def test_refuses_a_file_that_is_a_link(self, tmp_path, output):
        (tmp_path / "precious").write_text("1")
        (output / "m").mkdir(parents=True)
        (output / "m/a").symlink_to(tmp_path / "precious")

        with pytest.raises(OutputError, match="output/m/a: a file belongs here, and a symbolic link is"):
            put(tree_of(m={"a": "1"}), output, force=True)

    def test_refuses_a_folder_where_a_file_belongs(self, output):
        (output / "m/a").mkdir(parents=True)

        with pytest.raises(OutputError, match="output/m/a: a file belongs here, and something else is"):
            put(tree_of(m={"a": "1"}), output, force=True)

    def test_refuses_a_file_where_the_output_belongs(self, output):
        output.write_text("")

        with pytest.raises(OutputError, match="output: this is not a folder, and files belong below it"):
            put(tree_of(m={"a": "1"}), output)

    def test_the_output_folder_itself_may_be_a_link(self, tmp_path, output):
        (tmp_path / "elsewhere").mkdir()
        output.symlink_to(tmp_path / "elsewhere")

        put(tree_of(m={"a": "1"}), output)

        assert (tmp_path / "elsewhere/m/a").read_text() == "1"


class TestFailures:
    """Whatever step fails, everything is as it was."""

    OLD: ClassVar[dict[str, dict[str, str]]] = {"m": {"a": "1", "gone/b": "1", "c": "1"}}
    NEW: ClassVar[dict[str, dict[str, str]]] = {"m": {"a": "2", "new/d": "2", "c": "2"}}

    @pytest.mark.parametrize("call", ["open", "write", "rename", "mkdir"])
    @pytest.mark.parametrize("exists", [True, False])
    @pytest.mark.parametrize("which", range(8))
    @pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS])
    def test_a_failing_system_call_changes_nothing(self, tmp_path, output, monkeypatch, call, exists, which, code):
        if exists:
            put(tree_of(**self.OLD), output)
        before = snapshot(tmp_path)
        real, count = getattr(os, call), iter(range(1000))

        def failing(*arguments):
            reads = call == "open" and not arguments[1] & os.O_CREAT
            if not reads and next(count) == which:
                raise OSError(code, os.strerror(code))
            return real(*arguments)

        monkeypatch.setattr(os, call, failing)
        failure = None
        try:
            put(tree_of(**self.NEW), output)
        except OutputError as error:
            failure = str(error)
        monkeypatch.undo()

        if failure is None:
            assert (output / "m/a").read_text() == "2"
        else:
            expected = f"output: the folder can't be written: {os.strerror(code)}\n    hint: nothing in it was changed"
            assert failure == expected
            assert snapshot(tmp_path) == before

    @pytest.mark.parametrize("which", range(12))
    def test_an_interrupt_between_two_steps_changes_nothing(self, tmp_path, output, monkeypatch, which):
        put(tree_of(**self.OLD), output)
        before = snapshot(tmp_path)
        count = iter(range(1000))

        def interrupting(real: Callable[..., None]) -> Callable[..., None]:
            def call(*arguments: str, **options: bool) -> None:
                if next(count) == which:
                    swap_signal()
                real(*arguments, **options)

            return call

        for name in ("rename", "replace", "link"):
            monkeypatch.setattr(os, name, interrupting(getattr(os, name)))
        try:
            put(tree_of(**self.NEW), output)
        except KeyboardInterrupt:
            assert snapshot(tmp_path) == before
        else:
            assert (output / "m/a").read_text() == "2"

    def test_a_backup_that_cannot_be_put_back_is_kept(self, output, monkeypatch):
        put(tree_of(m={"a": "old", "b": "old"}), output)
        real, moves = os.replace, iter(range(1000))

        def failing(*arguments):
            if next(moves) > 1:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return real(*arguments)

        monkeypatch.setattr(os, "replace", failing)
        with pytest.raises(OutputError):
            put(tree_of(m={"a": "new", "b": "new"}), output)

        texts = [content for content, _ in snapshot(output).values()]
        assert texts.count(b"old") >= 2

    def test_works_outside_the_main_thread(self, output):
        thread = threading.Thread(target=put, args=(tree_of(m={"a": "1"}), output))
        thread.start()
        thread.join()

        assert (output / "m/a").exists()


def swap_signal() -> None:
    import signal

    signal.raise_signal(signal.SIGINT)


class TestDiff:
    def test_is_a_unified_diff_from_disk_to_render(self, output):
        put(tree_of(m={"a": "x: 1\ny: 1\n", "b": "b\n", "c": "c\n"}), output)
        (output / "m/b").write_text("mine")
        tree = tree_of(m={"a": "x: 1\ny: 2\n", "b": "b\n", "d": "d\n"})

        with OutputFolder(str(output), "output", compare_only=True) as folder:
            for unit in tree:
                folder.put(unit)
            sections = "".join(folder.diff()).split("--- ")

        text = "--- ".join(section for section in sections if ".inventory/" not in section)
        assert text.replace("\t", "") == (
            "--- output/m/a\n+++ output/m/a\n@@ -1,2 +1,2 @@\n x: 1\n-y: 1\n+y: 2\n"
            "--- output/m/b (edited by hand)\n+++ output/m/b\n@@ -1 +1 @@\n-mine\n\\ No newline at end of file\n+b\n"
            "--- output/m/c\n+++ /dev/null\n@@ -1 +0,0 @@\n-c\n"
            "--- /dev/null\n+++ output/m/d\n@@ -0,0 +1 @@\n+d\n"
        )


names = st.sampled_from(["a", "b", "s/a", "s/b", "t/u/a"])
trees = st.dictionaries(st.sampled_from(["m/x", "m/y", "k/x"]), st.dictionaries(names, st.text(max_size=3)), max_size=3)


@settings(max_examples=60, deadline=None)
@given(before=trees, after=trees)
def test_after_a_complete_render_exactly_the_tree_is_there(tmp_path_factory, before, after):
    output = tmp_path_factory.mktemp("render") / "output"
    first, second = (
        tree_of(**{unit.replace("/", "__"): files for unit, files in tree.items()}) for tree in (before, after)
    )
    put(first, output, ["m", "k"])
    put(second, output, ["m", "k"])

    written = {name: content for name, (content, _) in snapshot(output).items() if not name.startswith(".inventory")}
    assert written == {f"{unit}/{name}": text.encode() for unit, files in after.items() for name, text in files.items()}
    assert not put(second, output, ["m", "k"], compare_only=True).any
