"""Real git repositories for tests, made without the user's configuration."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.conftest import write_tree

_ISOLATED = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    **{f"GIT_{role}_{what}": f"{what}@example.com" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
    **{f"GIT_{role}_DATE": "2024-05-01T12:00:00Z" for role in ("AUTHOR", "COMMITTER")},
}


def isolated() -> dict[str, str]:
    """The environment, without what git was told about another repository or by the user."""
    return {name: value for name, value in os.environ.items() if not name.startswith("GIT_")} | _ISOLATED


class Repository:
    """A work tree that a test commits to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.git("init", "--quiet", "--initial-branch=main", "--template=")

    def copy(self, folder: Path) -> Repository:
        """Make another one of the same files and history; much quicker than to commit them."""
        shutil.copytree(self.folder, folder, symlinks=True)
        copy = Repository.__new__(Repository)
        copy.folder = folder
        return copy

    def git(self, *arguments: str, cwd: Path | None = None) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=cwd or self.folder, env=isolated(), check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def commit(self, files: Mapping[str, str | bytes | None] = {}) -> str:
        """Write files, commit all there is, and give the commit's hash."""
        write_tree(self.folder, files)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message=x")
        branch = (self.folder / ".git/HEAD").read_text().removeprefix("ref: ").strip()
        return (self.folder / ".git" / branch).read_text().strip()
