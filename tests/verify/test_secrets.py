"""A token or a password goes to Prometheus in one header, and nowhere else."""

from __future__ import annotations

import base64
import json

import pytest

from generator.verify import Access
from tests.verify.server import Said, a_target, healthy

TOKEN = "s3cret-Token.of_mine"
PASSWORD = "correct horse"
BASIC = base64.b64encode(f"me:{PASSWORD}".encode()).decode()
CONFIGURATION = "scrape_configs:\n- job_name: prometheus\n"
FINE = healthy(CONFIGURATION, a_target("prometheus"))


@pytest.fixture(autouse=True)
def files(tmp_path) -> None:
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    (tmp_path / "password").write_text(f"{PASSWORD}\n")


GIVEN = {
    "token": ["--bearer-token-file", "token"],
    "password": ["--username", "me", "--password-file", "password"],
}
HEADERS = {"token": f"Bearer {TOKEN}", "password": f"Basic {BASIC}"}


@pytest.mark.parametrize("kind", GIVEN)
def test_it_is_sent_with_every_question(verify, serve, kind):
    server = serve(FINE)
    assert verify("--url", server.url, *GIVEN[kind]).code == 0
    assert {headers.get("Authorization") for _, headers in server.requests} == {HEADERS[kind]}


def test_nothing_is_sent_without_credentials(verify, serve):
    server = serve(FINE)
    verify("--url", server.url)
    assert [headers for _, headers in server.requests if "Authorization" in headers] == []


def test_the_environment_may_hold_a_token(verify, serve, monkeypatch):
    monkeypatch.setenv("SIDECERT_BEARER_TOKEN", TOKEN)
    server = serve(FINE)
    verify("--url", server.url)
    assert server.requests[0][1]["Authorization"] == HEADERS["token"]


def test_the_environment_may_hold_a_user_and_a_password(verify, serve, monkeypatch):
    monkeypatch.setenv("SIDECERT_USERNAME", "me")
    monkeypatch.setenv("SIDECERT_PASSWORD", PASSWORD)
    server = serve(FINE)
    verify("--url", server.url)
    assert server.requests[0][1]["Authorization"] == HEADERS["password"]


def test_a_file_comes_before_the_environment(verify, serve, monkeypatch):
    monkeypatch.setenv("SIDECERT_BEARER_TOKEN", "another")
    server = serve(FINE)
    verify("--url", server.url, *GIVEN["token"])
    assert server.requests[0][1]["Authorization"] == HEADERS["token"]


def test_no_option_takes_a_secret_itself(verify):
    for option in ("--bearer-token", "--token", "--password"):
        assert verify("--url", "http://localhost", option, TOKEN).code == 2


@pytest.mark.parametrize("kind", GIVEN)
@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("where", ["error", "label", "job", "configuration", "rule", "version", "page", "no json"])
def test_what_the_other_side_sends_back_is_masked(verify, serve, monkeypatch, kind, form, where):
    monkeypatch.setenv("SIDECERT_DEBUG", "1")
    echo = HEADERS[kind]
    broken = {"name": "x", "type": "alerting", "health": "err", "lastError": f"header {echo}"}
    target = a_target("prometheus", "down", f"bad header {echo}" if where == "error" else "EOF", pod=echo)
    answers = healthy(
        f"scrape_configs:\n- job_name: {echo if where == 'configuration' else 'prometheus'}\n",
        {**target, "scrapePool": echo} if where == "job" else target,
        groups=({"name": "sidecert", "rules": [broken]},) if where == "rule" else (),
    )
    if where == "version":
        answers["/api/v1/status/buildinfo"] = Said(
            json.dumps({"status": "success", "data": {"version": echo}}).encode()
        )
    if where == "page":
        answers["/api/v1/targets"] = Said(f"you sent {echo}".encode(), 500)
    if where == "no json":
        answers["/api/v1/targets"] = Said(f"you sent {echo}".encode(), 200)
    server = serve(answers)
    outcome = verify("--url", server.url, "-o", form, *GIVEN[kind])
    assert outcome.code in {1, 2}
    shown = outcome.out + outcome.err
    for secret in (TOKEN, PASSWORD, BASIC):
        assert secret not in shown
    assert where == "no json" or "***" in shown.replace("\n", "")


def test_a_password_with_spaces_is_masked_before_lines_are_wrapped(verify, serve):
    for width in range(60, 100):
        error = f"{'x' * width} {PASSWORD}"
        server = serve(healthy(CONFIGURATION, a_target("prometheus", "down", error)))
        shown = " ".join(verify("--url", server.url, *GIVEN["password"]).out.split())
        assert PASSWORD not in shown
        assert "***" in shown


def test_it_is_not_in_a_repr():
    access = Access("http://localhost", token=TOKEN, username="me", password=PASSWORD)
    assert repr(access) == "Access('http://localhost')"
    assert f"{access}" == "Access('http://localhost')"


@pytest.mark.parametrize("kind", GIVEN)
def test_a_bug_of_ours_doesnt_print_it(verify, serve, monkeypatch, kind):
    monkeypatch.setenv("SIDECERT_DEBUG", "1")
    monkeypatch.setattr("generator.verify.targets.find", lambda *_: 1 / 0)
    outcome = verify("--url", serve(FINE).url, *GIVEN[kind])
    assert outcome.code == 3
    assert "ZeroDivisionError" in outcome.err
    for secret in (TOKEN, PASSWORD, BASIC):
        assert secret not in outcome.out + outcome.err


class TestRedirects:
    @pytest.mark.parametrize("kind", GIVEN)
    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_credentials_are_not_sent_to_another_host(self, verify, serve, kind, status):
        other = serve(FINE)
        elsewhere = other.url.replace("localhost", "127.0.0.1")
        server = serve({"/api/v1/targets": Said(b"", status, {"Location": f"{elsewhere}/login?next=secret"})})
        assert verify("--url", server.url, *GIVEN[kind]) == (
            2,
            "",
            (
                f"error: {server.url}: it redirects to {elsewhere}; credentials are not sent to another host\n"
                f"    hint: a login page? give a URL behind it, or a port-forward; if {elsewhere} is right, give that\n"
            ),
        )
        assert other.requests == []

    def test_nor_to_another_port_of_the_same_host(self, verify, serve):
        other = serve(FINE)
        server = serve({"/api/v1/targets": Said(b"", 302, {"Location": f"{other.url}/api/v1/targets"})})
        assert verify("--url", server.url, *GIVEN["token"]).code == 2
        assert other.requests == []

    def test_without_credentials_a_redirect_is_followed(self, verify, serve):
        other = serve(FINE)
        paths = FINE.keys()
        server = serve({path: Said(b"", 302, {"Location": f"{other.url}{path}"}) for path in paths})
        assert verify("--url", server.url).code == 0

    def test_within_the_host_credentials_go_along(self, verify, serve):
        moved = {f"/prometheus{path}": answer for path, answer in FINE.items()}
        server = serve({**{path: Said(b"", 302, {"Location": f"/prometheus{path}"}) for path in FINE}, **moved})
        assert verify("--url", server.url, *GIVEN["token"]).code == 0
        assert {headers.get("Authorization") for _, headers in server.requests} == {HEADERS["token"]}

    @pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://localhost/x", "http://me:pw@localhost/"])
    def test_what_is_no_web_address_is_not_followed(self, verify, serve, location):
        server = serve({"/api/v1/targets": Said(b"", 302, {"Location": location})})
        outcome = verify("--url", server.url)
        told = "it redirects to what is no web address\n    hint: give the URL of Prometheus itself\n"
        assert outcome == (2, "", f"error: {server.url}: {told}")

    def test_a_circle_is_left(self, verify, serve):
        server = serve({"/api/v1/targets": Said(b"", 302, {"Location": "/api/v1/targets"})})
        outcome = verify("--url", server.url)
        told = "redirects go round in circles\n    hint: give the URL that they should end at\n"
        assert outcome == (2, "", f"error: {server.url}: {told}")


class TestFiles:
    @pytest.mark.parametrize(
        ("content", "told"),
        [
            (b"", "is empty"),
            (b"\n\n", "is empty"),
            (b"one\ntwo\n", "holds more than one line, or control characters\n    hint: is it the right file?"),
            (b"\xff\xfe", "holds more than one line, or control characters\n    hint: is it the right file?"),
            (b"to ken", "holds spaces or letters outside ASCII\n    hint: is it the right file?"),
            ("tökén".encode(), "holds spaces or letters outside ASCII\n    hint: is it the right file?"),
        ],
    )
    def test_a_file_that_holds_no_token_is_refused_without_being_shown(self, verify, tmp_path, content, told):
        (tmp_path / "token").write_bytes(content)
        outcome = verify("--url", "http://localhost:1", "--bearer-token-file", "token")
        assert outcome == (2, "", f"error: --bearer-token-file: token {told}\n")

    @pytest.mark.parametrize("option", ["--bearer-token-file", "--password-file"])
    def test_a_file_that_isnt_there_is_told(self, verify, option):
        outcome = verify("--url", "http://localhost:1", "--username", "me", option, "none")
        assert outcome == (2, "", f"error: {option}: none: No such file or directory\n")

    def test_spaces_at_the_ends_of_a_password_count(self, verify, serve, tmp_path):
        (tmp_path / "password").write_text(" pass word \n")
        server = serve(FINE)
        verify("--url", server.url, *GIVEN["password"])
        sent = base64.b64decode(server.requests[0][1]["Authorization"].removeprefix("Basic "))
        assert sent == b"me: pass word "

    @pytest.mark.parametrize(
        ("given", "told"),
        [
            (["--username", "me"], "--username needs --password-file"),
            (["--password-file", "password"], "--password-file needs --username"),
            ([*GIVEN["token"], *GIVEN["password"]], "a token or a user's name, not both"),
            (["--key-file", "token"], "--key-file needs --cert-file"),
            (["--username", "a:b", "--password-file", "password"], "basic authentication takes no colon"),
        ],
    )
    def test_what_doesnt_go_together_is_refused(self, verify, given, told):
        outcome = verify("--url", "http://localhost:1", *given)
        assert outcome.code == 2
        assert told in outcome.err
        assert PASSWORD not in outcome.err
