"""What doctor prints of manifests that teams have published, each finding of which was read against the file.

The manifests aren't ours to copy: they lie beside the checkout where there are some. What is printed of each lies in
``corpus/``; `UPDATE_GOLDENS=1 pytest tests/doctor/test_corpus.py` writes it anew.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from generator import cli

GOLDENS = Path(__file__).parent / "corpus"
CORPUS = Path(__file__).parent.parent.parent.parent / "shared" / "corpus"
NAMES = sorted(golden.relative_to(GOLDENS).with_suffix("").as_posix() for golden in GOLDENS.rglob("*.txt"))

needs_corpus = pytest.mark.skipif(not CORPUS.is_dir(), reason=f"the public manifests are not in {CORPUS}")


def printed(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """What a command prints, as in a terminal, with its exit code."""
    code = cli.run(arguments)
    out, err = capsys.readouterr()
    told = f"{out}--- stderr\n{err}" if err else out
    return f"$ sidecert {' '.join(arguments)}\n{told}--- exit {code}\n"


@needs_corpus
@pytest.mark.parametrize("name", NAMES)
def test_prints_what_was_read(name, capsys, monkeypatch):
    monkeypatch.chdir(CORPUS)
    monkeypatch.setenv("COLUMNS", "100")
    golden = GOLDENS / f"{name}.txt"
    told = printed(["doctor", f"{name}.yaml"], capsys)
    if os.environ.get("UPDATE_GOLDENS"):
        golden.write_text(told)
    assert told == golden.read_text()


@needs_corpus
def test_every_file_has_been_read():
    assert sorted(file.relative_to(CORPUS).with_suffix("").as_posix() for file in CORPUS.rglob("*.yaml")) == NAMES
