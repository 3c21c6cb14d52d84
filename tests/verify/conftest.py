"""What the tests of `verify` share: the command, and servers to ask."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import NamedTuple

import pytest

from generator.cli import run
from tests.verify.server import PAGES, RECORDED, Said, Server, serving


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


Verify = Callable[..., Outcome]
Serve = Callable[..., Server]


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch) -> None:
    """No proxy and no credentials of the machine that the tests run on."""
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name in ("URL", "BEARER_TOKEN", "BEARER_TOKEN_FILE", "USERNAME", "PASSWORD", "PASSWORD_FILE", "CA_FILE"):
        monkeypatch.delenv(f"SIDECERT_{name}", raising=False)


@pytest.fixture
def verify(capsys, tmp_path, monkeypatch) -> Verify:
    """Run the command, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> Outcome:
        code = run(("verify", *arguments))
        return Outcome(code, *capsys.readouterr())

    return call


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start servers that end with the test."""
    with ExitStack() as stack:

        def start(answers: dict[str, Said], prefix: str = "", **options) -> Server:
            return stack.enter_context(serving(Server(answers, prefix), **options))

        yield start


@pytest.fixture
def real_answers() -> dict[str, Said]:
    """What a real Prometheus answered."""
    return {path: Said((RECORDED / name).read_bytes()) for path, name in PAGES.items()}
