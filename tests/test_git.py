"""What git is asked: names of commits, what changed since one, and what one holds."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from generator.errors import InputError
from generator.git import Checkout
from tests.repository import Repository, isolated


@pytest.fixture(autouse=True)
def _own_configuration(monkeypatch) -> None:
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    for name, value in isolated().items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def repository(tmp_path) -> Repository:
    return Repository(tmp_path / "work tree")


def message(error: pytest.ExceptionInfo[InputError]) -> str:
    return str(error.value)


def at(repository: Repository, folder: str = "") -> Checkout:
    return Checkout.of(str(repository.folder / folder))


class TestCheckout:
    def test_is_found_from_any_folder_below(self, repository):
        repository.commit({"a/b/c.txt": "x"})

        assert at(repository, "a/b").top == str(repository.folder.resolve())

    def test_is_found_from_a_folder_that_is_not_there(self, repository):
        assert at(repository, "gone/away").top == str(repository.folder.resolve())

    def test_is_found_through_a_link(self, repository, tmp_path):
        repository.commit({"a/b.txt": "x"})
        (tmp_path / "link").symlink_to(repository.folder / "a")

        assert Checkout.of(str(tmp_path / "link")).top == str(repository.folder.resolve())

    def test_is_not_found_outside_of_any(self, tmp_path, monkeypatch):
        monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))

        with pytest.raises(InputError, match=r"git says: not a git repository") as error:
            Checkout.of(str(tmp_path))
        assert message(error).startswith(f"{tmp_path}: ")

    def test_is_not_a_bare_repository(self, repository, tmp_path):
        repository.git("clone", "--quiet", "--bare", ".", str(tmp_path / "bare.git"))

        with pytest.raises(InputError, match="git says: this operation must be run in a work tree"):
            Checkout.of(str(tmp_path / "bare.git"))

    def test_needs_git(self, repository, monkeypatch, tmp_path):
        monkeypatch.setenv("PATH", str(tmp_path))

        with pytest.raises(InputError, match=r"git can't be run: No such file or directory\n +hint: install git"):
            at(repository)

    def test_of_somebody_else_is_refused_in_the_words_of_git(self, repository, monkeypatch):
        monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")  # git's own way to test it

        with pytest.raises(InputError) as error:
            at(repository)
        assert "git says: detected dubious ownership in repository at" in message(error)
        assert "git config --global --add safe.directory" in message(error)

    def test_may_be_a_linked_one(self, repository, tmp_path):
        repository.commit({"a.txt": "x"})
        repository.git("worktree", "add", "--quiet", "-b", "other", str(tmp_path / "linked"))
        (tmp_path / "linked/a.txt").write_text("y")
        linked = Checkout.of(str(tmp_path / "linked"))

        assert linked.changed_since(linked.commit("main"), [linked.top]) == {str(tmp_path.resolve() / "linked/a.txt")}
        assert at(repository).changed_since(linked.commit("main"), [str(repository.folder)]) == set()


class TestInAHook:
    @pytest.fixture
    def run_hook(self, repository, tmp_path):
        """Commit with a hook that runs a program, and give what that printed."""

        def run(program: str, *commit: str, folder: Path = repository.folder) -> list[str]:
            hooks, printed = tmp_path / "hooks", tmp_path / "printed"
            hooks.mkdir()
            (hooks / "program.py").write_text(program)
            hook = hooks / "pre-commit"
            here = Path(__file__).parent.parent
            hook.write_text(f"#!/bin/sh\nPYTHONPATH='{here}' '{sys.executable}' '{hooks}/program.py' > '{printed}'\n")
            hook.chmod(0o755)
            repository.git("-c", f"core.hooksPath={hooks}", "commit", "--quiet", "-m", "x", *commit, cwd=folder)
            text: str = printed.read_text()
            return text.splitlines()

        return run

    PROGRAM = """
from generator.git import Checkout
c = Checkout.of("{folder}")
print(c.top)
for path in sorted(c.changed_since(c.commit("HEAD"), [c.top])):
    print(path.removeprefix(c.top))
"""

    @pytest.mark.parametrize("commit", [["--all"], ["a.txt"]])
    def test_it_is_the_repository_of_the_hook(self, repository, run_hook, commit):
        repository.commit({"a.txt": "x", "sub/b.txt": "x"})
        (repository.folder / "a.txt").write_text("y")

        printed = run_hook(self.PROGRAM.format(folder="sub"), *commit)

        assert printed == [str(repository.folder.resolve()), "/a.txt"]

    def test_of_a_linked_work_tree_likewise(self, repository, run_hook, tmp_path):
        repository.commit({"a.txt": "x", "sub/b.txt": "x"})
        linked = tmp_path / "linked"
        repository.git("worktree", "add", "--quiet", "-b", "other", str(linked))
        (linked / "sub/b.txt").write_text("y")

        printed = run_hook(self.PROGRAM.format(folder="sub"), "--all", folder=linked)

        assert printed == [str(linked.resolve()), "/sub/b.txt"]

    def test_another_repository_is_not_taken_for_it(self, repository, run_hook, tmp_path):
        repository.commit({"a.txt": "x"})
        (repository.folder / "a.txt").write_text("y")
        other = Repository(tmp_path / "other")
        other.commit({"c.txt": "x"})
        (other.folder / "c.txt").write_text("y")

        assert run_hook(self.PROGRAM.format(folder=other.folder), "--all") == [str(other.folder.resolve()), "/c.txt"]


class TestCommit:
    def test_is_named_in_every_way_that_git_knows(self, repository):
        first, second = repository.commit(), repository.commit({"a.txt": "x"})
        repository.git("tag", "-a", "-m", "annotated", "v1", first)
        names = {"main": second, "v1": first, "HEAD~1": first, second[:10]: second, "main^": first}

        assert {name: at(repository).commit(name) for name in names} == names

    @pytest.mark.parametrize(
        "ref", ["", "-", "--all", "--output=x", "no such", "main..main", "^main", "ma\0in", "main:a"]
    )
    def test_is_refused_where_there_is_none(self, repository, ref):
        repository.commit({"a": "x"})

        with pytest.raises(InputError, match="git knows no commit"):
            at(repository).commit(ref)
        assert sorted(path.name for path in repository.folder.iterdir()) == [".git", "a"]

    def test_is_hinted_at_where_the_name_is_nearly_right(self, repository):
        repository.commit()
        repository.git("branch", "feature/selecting")

        with pytest.raises(InputError) as error:
            at(repository).commit("feature/selection")
        assert message(error) == "git knows no commit 'feature/selection'\n    hint: did you mean `feature/selecting`?"

    def test_may_be_missing_altogether(self, repository):
        with pytest.raises(InputError, match="git knows no commit 'HEAD'"):
            at(repository).merge_base("HEAD")

    def test_names_are_offered_without_those_that_only_point_to_others(self, repository, tmp_path):
        repository.commit()
        repository.git("tag", "v1")
        repository.git("branch", "größer")
        repository.git("clone", "--quiet", ".", str(tmp_path / "clone"))

        names = Checkout.of(str(tmp_path / "clone")).refs()
        assert names == ["main", "origin/größer", "origin/main", "v1"]


class TestMergeBase:
    def test_is_where_the_branch_was_left(self, repository):
        base = repository.commit({"a": "x"})
        repository.git("checkout", "--quiet", "-b", "feature")
        repository.commit({"b": "x"})
        repository.git("checkout", "--quiet", "main")
        later = repository.commit({"c": "x"})
        repository.git("checkout", "--quiet", "feature")

        assert at(repository).merge_base("main") == base
        assert at(repository).commit("main") == later

    def test_of_strangers_is_refused(self, repository):
        repository.commit({"a": "x"})
        repository.git("checkout", "--quiet", "--orphan", "other")
        repository.commit({"b": "x"})

        with pytest.raises(InputError, match=r"^HEAD and 'main' have no commit in common$"):
            at(repository).merge_base("main")

    def test_of_a_shallow_clone_tells_how_to_deepen_it(self, repository, tmp_path):
        repository.commit({"a": "x"})
        repository.git("branch", "feature")
        repository.commit({"b": "x"})
        repository.git("checkout", "--quiet", "feature")
        repository.commit({"c": "x"})
        source = f"file://{repository.folder}"
        repository.git("clone", "--quiet", "--depth=1", "--no-single-branch", source, str(tmp_path / "shallow"))

        with pytest.raises(InputError) as error:
            Checkout.of(str(tmp_path / "shallow")).merge_base("origin/main")
        assert message(error) == (
            "this clone is too shallow to tell where HEAD left 'origin/main'\n"
            "    hint: fetch the history: `git fetch --unshallow`, or `fetch-depth: 0` for GitHub's actions/checkout"
        )


ODD = ['with space "and" quote', "größe", "tab\there", "new\nline", "*", ":(top)x", "back\\slash", "-n"]


class TestChangedSince:
    @pytest.fixture
    def changed(self, repository):
        """What changed since main was last committed to, relative to the top."""

        def ask(*folders: str, since: str = "main") -> set[str]:
            checkout = at(repository)
            asked = [f"{repository.folder}/{folder}" for folder in folders or ("",)]
            found = checkout.changed_since(checkout.commit(since), asked)
            return {os.path.relpath(path, checkout.top) for path in found}

        return ask

    def test_is_nothing_at_first(self, repository, changed):
        repository.commit({"a/b": "x"})

        assert changed() == set()

    def test_is_what_differs_on_the_disk_staged_or_not_committed_or_not(self, repository, changed):
        names = ("same", "committed", "staged", "unstaged", "deleted", "moved")
        repository.commit({f"a/{name}": name * 20 for name in names})
        repository.git("checkout", "--quiet", "-b", "feature")
        repository.commit({"a/committed": "new"})
        for name in ("staged", "unstaged", "untracked", "intended"):
            (repository.folder / "a" / name).write_text("new")
        repository.git("add", "a/staged")
        repository.git("add", "--intent-to-add", "a/intended")
        repository.git("mv", "a/moved", "a/renamed")
        (repository.folder / "a/deleted").unlink()

        assert changed() == {
            *("a/committed", "a/staged", "a/unstaged", "a/untracked", "a/intended", "a/deleted"),
            *("a/moved", "a/renamed"),
        }

    def test_is_not_what_was_changed_back(self, repository, changed):
        repository.commit({"a": "x", "b": "x"})
        repository.git("checkout", "--quiet", "-b", "feature")
        repository.commit({"a": "y"})
        (repository.folder / "a").write_text("x\n")
        repository.commit({"a": "x"})
        repository.commit({"b": "y"})
        (repository.folder / "b").write_text("x")
        repository.git("add", "b")
        os.utime(repository.folder / "b", (1, 1))

        assert changed() == set()

    def test_is_not_what_is_ignored(self, repository, changed):
        repository.commit({".gitignore": "*.log\n"})
        (repository.folder / "a.log").write_text("x")

        assert changed() == set()

    def test_keeps_to_the_folders_and_files_asked_for(self, repository, changed):
        repository.commit()
        for name in ("a/x", "b/x", "b/y", "ab/x"):
            (repository.folder / name).parent.mkdir(exist_ok=True)
            (repository.folder / name).write_text("x")

        assert changed("a") == {"a/x"}
        assert changed("a", "b/x", "not there") == {"a/x", "b/x"}
        checkout = at(repository)
        assert checkout.changed_since(checkout.commit("main"), []) == set()

    def test_takes_every_name_as_it_is(self, repository, changed):
        repository.commit({f"{name}/{name}": "x" for name in ODD})
        for name in ODD:
            (repository.folder / name / name).write_text("y")
            (repository.folder / name / "new").write_text("y")

        assert [changed(name) for name in ODD] == [{f"{name}/{name}", f"{name}/new"} for name in ODD]

    def test_has_a_link_and_a_submodule_as_one_path(self, repository, changed, tmp_path):
        other = Repository(tmp_path / "other")
        other.commit({"x": "1"})
        repository.commit({"a/x": "x", "b/x": "x"})
        (repository.folder / "link").symlink_to("a")
        repository.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(other.folder), "sub")
        repository.commit()
        (repository.folder / "link").unlink()
        (repository.folder / "link").symlink_to("b")
        (repository.folder / "sub/x").write_text("2")

        assert changed("link", "sub") == {"link", "sub"}

    def test_does_not_hang_on_the_settings_of_the_user(self, repository, changed, tmp_path, monkeypatch):
        settings = tmp_path / "config"
        settings.write_text(
            "[diff]\nrelative = true\norderFile = nowhere\nexternal = false\nrenames = copies\n"
            "autoRefreshIndex = false\nignoreSubmodules = all\n[color]\nui = always\n[core]\npager = false\n"
            "[status]\nshowUntrackedFiles = no\nrelativePaths = true\nrenames = copies\nbranch = true\n"
        )
        repository.commit({"a/größe": "x" * 40, "a/b": "x"})
        os.utime(repository.folder / "a/b", (1, 1))
        monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
        monkeypatch.setenv("GIT_GLOB_PATHSPECS", "1")
        monkeypatch.setenv("GIT_EXTERNAL_DIFF", "false")
        (repository.folder / "a/größe").rename(repository.folder / "a/größer")

        assert changed("a") == {"a/größe", "a/größer"}

    def test_leaves_the_index_alone(self, repository, changed):
        repository.commit({"a": "x"})
        os.utime(repository.folder / "a", (1, 1))
        index = repository.folder / ".git/index"
        before = index.read_bytes()

        assert changed() == set()
        assert index.read_bytes() == before

    def test_outside_of_the_work_tree_is_refused(self, repository, tmp_path):
        commit = repository.commit()

        with pytest.raises(InputError, match="this is not in the git work tree"):
            at(repository).changed_since(commit, [str(tmp_path / "elsewhere")])


class TestFilesAt:
    def files(self, repository: Repository, commit: str, folder: str = "") -> dict[str, bytes]:
        return dict(at(repository).files_at(commit, str(repository.folder / folder)))

    def test_are_those_of_the_commit_below_the_folder(self, repository):
        commit = repository.commit({"a/b/c": b"1\n", "a/d": b"\0\xff", "a/empty": b"", "ab": b"3", "e/f": b"4"})
        repository.commit({"a/d": b"new", "a/g": b"new"})
        shutil.rmtree(repository.folder / "a")

        assert self.files(repository, commit, "a") == {"b/c": b"1\n", "d": b"\0\xff", "empty": b""}
        assert set(self.files(repository, commit)) == {"a/b/c", "a/d", "a/empty", "ab", "e/f"}

    def test_are_none_where_the_folder_was_not_there_or_was_a_file(self, repository):
        commit = repository.commit({"a": "x"})

        assert self.files(repository, commit, "b") == {}
        assert self.files(repository, commit, "a") == {}

    def test_are_sorted(self, repository):
        names = ["a-b", "a/b", "a.b", "Z", "é", "a/a/a"]
        commit = repository.commit({f"x/{name}": "x" for name in names})

        assert list(self.files(repository, commit, "x")) == sorted(names)

    def test_may_have_any_name(self, repository):
        commit = repository.commit({f"{name}/{name}": name.encode() for name in ODD})

        assert [self.files(repository, commit, name) for name in ODD] == [{name: name.encode()} for name in ODD]

    def test_are_no_links_and_no_submodules(self, repository, tmp_path):
        other = Repository(tmp_path / "other")
        other.commit({"x": "1"})
        repository.commit({"a/file": b"x"})
        (repository.folder / "a/link").symlink_to("file")
        repository.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(other.folder), "a/sub")
        (repository.folder / "a/program").write_bytes(b"#!")
        (repository.folder / "a/program").chmod(0o755)
        commit = repository.commit()

        assert self.files(repository, commit, "a") == {"file": b"x", "program": b"#!"}

    def test_may_be_more_than_a_pipe_holds(self, repository):
        big = os.urandom(200_000)
        commit = repository.commit({f"a/{number:04}": big if number == 7 else b"x" for number in range(2_000)})

        found = self.files(repository, commit, "a")
        assert found == {f"{number:04}": big if number == 7 else b"x" for number in range(2_000)}

    def test_may_be_left_unread(self, repository):
        commit = repository.commit({f"a/{number}": os.urandom(50_000) for number in range(20)})
        files = at(repository).files_at(commit, str(repository.folder / "a"))
        assert isinstance(files, Iterator)

        assert next(files)[0] == "0"
        files.close()  # type: ignore[attr-defined]  # a generator has it

    def test_that_are_missing_are_told(self, repository):
        commit = repository.commit({"a/b": "some content"})
        digest = subprocess.check_output(
            ["git", "rev-parse", f"{commit}:a/b"], cwd=repository.folder, text=True
        ).strip()
        (repository.folder / ".git/objects" / digest[:2] / digest[2:]).unlink()

        with pytest.raises(InputError, match="git can't read 'b': the object is missing"):
            self.files(repository, commit, "a")
