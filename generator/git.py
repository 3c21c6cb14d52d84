"""Asks git about a work tree: what a name stands for, what changed since a commit, what files a commit holds.

The only room that runs git. Nothing is written, not even the index's times.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import IO, TYPE_CHECKING, NamedTuple

from generator.errors import InputError, Location, Problem
from generator.files import nearest

if TYPE_CHECKING:
    from subprocess import CompletedProcess

#: English words whatever the user's locale, no question, no lock, and every path meant as it is written.
_SETTINGS = {"LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "GIT_LITERAL_PATHSPECS": "1"}
#: They contradict GIT_LITERAL_PATHSPECS, or say where in the work tree a hook was started.
_UNWANTED = ("GIT_GLOB_PATHSPECS", "GIT_NOGLOB_PATHSPECS", "GIT_ICASE_PATHSPECS", "GIT_PREFIX")
#: What git tells its hooks of the one repository they run for.
_OF_A_REPOSITORY = (
    *("GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_SHALLOW_FILE"),
    *("GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_GRAFT_FILE", "GIT_REPLACE_REF_BASE", "GIT_IMPLICIT_WORK_TREE"),
)
_REGULAR_FILES = (b"100644", b"100755")
_SHALLOW = "fetch the history: `git fetch --unshallow`, or `fetch-depth: 0` for GitHub's actions/checkout"


class Checkout(NamedTuple):
    """A work tree: its topmost folder, links followed, and the environment variables to run git with."""

    top: str
    variables: dict[str, str]

    @classmethod
    def of(cls, folder: str) -> Checkout:
        """Find the work tree that a folder lies in; the folder itself needn't be there.

        Raises:
            InputError: it lies in none, git refuses it in the words shown, or there is no git.
        """
        while not os.path.isdir(folder):
            folder = os.path.dirname(folder) or "."
        folder = os.path.realpath(folder)
        variables = {key: value for key, value in os.environ.items() if key not in _UNWANTED} | _SETTINGS
        if any(name in variables for name in _OF_A_REPOSITORY):  # a hook's, and its paths start where it runs
            found = cls._asked(os.getcwd(), variables)
            if isinstance(found, Checkout) and found.holds(folder):
                return found
            variables = {key: value for key, value in variables.items() if key not in _OF_A_REPOSITORY}
        found = cls._asked(folder, variables)
        if isinstance(found, Checkout):
            return found
        raise InputError(_told(found, Location(folder)))

    @classmethod
    def _asked(cls, folder: str, variables: dict[str, str]) -> Checkout | CompletedProcess[bytes]:
        asked = _run(["rev-parse", "--show-toplevel", "--absolute-git-dir"], folder, variables)
        lines = os.fsdecode(asked.stdout).split("\n")
        if asked.returncode or len(lines) < 2:
            return asked
        top, repository, *_ = lines
        top = os.path.realpath(top)
        return cls(top, {**variables, "GIT_DIR": repository, "GIT_WORK_TREE": top})

    def holds(self, path: str) -> bool:
        """Say whether a path, whose links have been followed, lies in this work tree."""
        return f"{path}{os.sep}".startswith(self.top.rstrip(os.sep) + os.sep)

    def commit(self, ref: str) -> str:
        """Give the full hash of the commit that a branch, a tag, a hash or ``HEAD~2`` stands for.

        Raises:
            InputError: it stands for none; the branch or tag that is spelled most like it is the hint.
        """
        if ref and not ref.startswith(("-", "^")) and "\0" not in ref:  # an option, or "all but this"
            asked = self._ask("rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}")
            if not asked.returncode:
                return asked.stdout.decode().strip()
        hint = nearest(ref, self.refs()) or "a branch, a tag or a commit; `git fetch` brings what the remote has"
        raise InputError(Problem(f"git knows no commit '{ref}'", hint=hint))

    def refs(self) -> list[str]:
        """Give the names of branches, of the remotes' branches and of tags, each kind sorted."""
        asked = self._answer(
            "for-each-ref", "--format=%(refname:short)%00%(symref)", "refs/heads", "refs/remotes", "refs/tags"
        )
        lines = (line.split("\0") for line in os.fsdecode(asked).splitlines())
        return [name for name, points_to in lines if not points_to]  # a remote's HEAD is no name of its own

    def merge_base(self, ref: str) -> str:
        """Give the full hash of the commit where HEAD's history left that of ``ref``.

        Raises:
            InputError: ``ref`` is unknown, the histories have no commit in common, or the clone is too shallow to tell.
        """
        commit = self.commit(ref)
        asked = self._ask("merge-base", "HEAD", commit)
        if not asked.returncode:
            return asked.stdout.decode().split()[0]
        if asked.stderr.strip():
            raise InputError(_told(asked))
        if self._answer("rev-parse", "--is-shallow-repository").strip() == b"true":
            message = f"this clone is too shallow to tell where HEAD left '{ref}'"
            raise InputError(Problem(message, hint=_SHALLOW))
        raise InputError(Problem(f"HEAD and '{ref}' have no commit in common"))

    def changed_since(self, commit: str, folders: Sequence[str]) -> frozenset[str]:
        """Give the files below folders, or files, whose content, mode or existence differs from a commit's.

        Compared is what lies on the disk: staged, unstaged and untracked changes count alike, ignored files don't. A
        renamed file is there by both names; one that was staged and then changed back counts. A submodule or a link
        is one path. ``commit`` is a full hash. Links on the way to a folder are followed; a folder that is a link
        itself stands for the link. Paths are absolute, below ``top``.
        """
        if not folders:  # git takes no path for all of them
            return frozenset()
        kinds = ("-z", "--no-renames", "--ignore-submodules=none")
        paths = ["--", *(self._relative(_with_real_parent(folder)) for folder in folders)]
        # not `git diff`, which writes the index to note that a file has a new time only
        names = set(self._answer("diff-index", "--cached", "--name-only", *kinds, commit, *paths).split(b"\0"))
        status = ("-c", "diff.orderFile=/dev/null", "status", "--porcelain=v1", "--untracked-files=all")
        lines = self._answer(*status, *kinds, *paths).split(b"\0")
        names.update(line[3:] for line in lines if line[1:2] != b" ")  # `XY name`: Y is the disk against the index
        return frozenset(os.path.join(self.top, os.fsdecode(name.rstrip(b"/"))) for name in names if name)

    def files_at(self, commit: str, folder: str) -> Iterator[tuple[str, bytes]]:
        """Give the regular files below an absolute folder as a commit has them: relative path with ``/``, content.

        Sorted by path; nothing where the folder wasn't there. Links and submodules are left out. ``commit`` is a full
        hash. Contents are read one by one.

        Raises:
            InputError: git can't read an object, as when a partial clone can't reach its remote.
        """
        place = self._relative(os.path.realpath(folder))
        below = [] if place == "." else ["--", f"{place}/"]
        listed = self._answer("ls-tree", "-r", "-z", "--full-tree", commit, *below)
        start = 0 if place == "." else len(os.fsencode(place)) + 1
        found: list[tuple[str, bytes]] = []
        for line in listed.split(b"\0"):
            about, _, path = line.partition(b"\t")
            mode, _, rest = about.partition(b" ")
            if mode in _REGULAR_FILES:
                found.append((os.fsdecode(path[start:]), rest.partition(b" ")[2]))
        found.sort()
        if found:
            yield from self._contents(found)

    def _contents(self, files: list[tuple[str, bytes]]) -> Iterator[tuple[str, bytes]]:
        """Read objects: all are asked for at once by a file, since a pipe would fill up while we read the other."""
        import subprocess
        import tempfile

        with tempfile.TemporaryFile() as wanted, tempfile.TemporaryFile() as errors:
            wanted.write(b"".join(b"%s\n" % digest for _, digest in files))
            wanted.seek(0)
            command = ["git", "cat-file", "--batch", "--buffer"]
            with subprocess.Popen(  # noqa: S603  # a fixed command
                command, cwd=self.top, env=self.variables, stdin=wanted, stdout=subprocess.PIPE, stderr=errors
            ) as process:
                try:
                    for path, _ in files:
                        yield path, _read_object(_stream(process.stdout), path, errors)
                finally:
                    process.kill()  # whoever asked may want no more

    def _relative(self, path: str) -> str:
        """Give a path as git writes it, from the top."""
        if not self.holds(path):
            raise InputError(Problem("this is not in the git work tree", Location(path), expected=f"below {self.top}"))
        return os.path.relpath(path, self.top).replace(os.sep, "/")

    def _ask(self, *arguments: str) -> CompletedProcess[bytes]:
        return _run(["--no-pager", *arguments], self.top, self.variables)

    def _answer(self, *arguments: str) -> bytes:
        asked = self._ask(*arguments)
        if asked.returncode:
            raise InputError(_told(asked))
        return asked.stdout


def _run(arguments: Sequence[str], folder: str, variables: dict[str, str]) -> CompletedProcess[bytes]:
    import subprocess

    try:
        return subprocess.run(  # noqa: S603  # refs that would be options are refused, paths stand behind `--`
            ["git", *arguments],  # noqa: S607  # the user's own git
            cwd=folder,
            env=variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
    except OSError as error:
        raise InputError(Problem(f"git can't be run: {error.strerror}", hint="install git")) from error


def _told(asked: CompletedProcess[bytes], location: Location | None = None) -> Problem:
    """Say what git says: its first line is the message, the others are the hint."""
    lines = [line.strip() for line in asked.stderr.decode("utf-8", "replace").splitlines() if line.strip()]
    first, *others = lines or [f"exit code {asked.returncode}"]
    return Problem(f"git says: {first.removeprefix('fatal: ')}", location, hint=" ".join(others))


def _with_real_parent(path: str) -> str:
    parent, name = os.path.split(os.path.abspath(path))
    return os.path.join(os.path.realpath(parent), name) if name else parent


def _stream(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise TypeError("a process that was started with a pipe has none")
    return stream


def _read_object(answers: IO[bytes], path: str, errors: IO[bytes]) -> bytes:
    """Read one answer of `git cat-file --batch`: ``<hash> blob <size>``, and that many bytes and a line end."""
    header = answers.readline().split()
    if len(header) != 3:
        errors.seek(0)
        reason = errors.read().decode("utf-8", "replace").strip() or "the object is missing"
        raise InputError(Problem(f"git can't read '{path}': {reason.removeprefix('fatal: ')}"))
    size = int(header[2])
    content = answers.read(size + 1)
    if len(content) != size + 1:
        raise InputError(Problem(f"git stopped in the middle of '{path}'"))
    return content[:size]
