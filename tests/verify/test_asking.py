"""Every way in which Prometheus can't be asked is told in one clear error, and ends with 2."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.certificates import Authority
from tests.verify.server import Said, a_target, healthy, success

CONFIGURATION = "scrape_configs:\n- job_name: prometheus\n"
FINE = healthy(CONFIGURATION, a_target("prometheus"))


@contextlib.contextmanager
def speaking(says: bytes, *, wait: bool = True) -> Iterator[int]:
    """A port where anything but HTTP is spoken; give its number."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def loop() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection, contextlib.suppress(OSError):
                        if wait:
                            connection.recv(4096)
                        connection.sendall(says)

        thread = threading.Thread(target=loop, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
    thread.join()


def test_a_prometheus_that_is_fine_is_told_so(verify, serve):
    server = serve(FINE)
    assert verify("--url", server.url) == (
        0,
        (
            f"Fine: 1 of 1 target up at {server.url} (Prometheus 3.13.2)\n"
            "\n"
            "job            up   down  not yet\n"
            "prometheus      1      0        0\n"
        ),
        "",
    )


@pytest.mark.parametrize("path", ["", "/", "/graph", "/targets", "/api/v1", "/api/v1/"])
def test_a_url_may_be_copied_from_a_browser(verify, serve, path):
    server = serve(FINE)
    assert verify("--url", server.url + path).code == 0


@pytest.mark.parametrize("path", ["", "/", "/graph"])
def test_a_path_before_the_api_is_kept(verify, serve, path):
    server = serve(FINE, prefix="/metrics/prometheus")
    assert verify("--url", server.url + path).code == 0
    assert {path.partition("/api")[0] for path, _ in server.requests if "/api" in path} == {"/metrics/prometheus"}


def test_the_url_may_stand_in_the_environment(verify, serve, monkeypatch):
    monkeypatch.setenv("SIDECERT_URL", serve(FINE).url)
    assert verify().code == 0


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("localhost:9090", "--url: localhost:9090 is no web address"),
        ("ftp://localhost", "--url: ftp://localhost is no web address"),
        ("http://", "--url: http:// is no web address"),
        ("http://local host", "--url: http://local host is no web address"),
        ("http://localhost:port", "--url is no web address"),
        ("http://[::1", "--url is no web address"),
        ("http://localhost?token=hidden", "--url holds a query (?) or a fragment (#)"),
        ("http://localhost#x", "--url holds a query (?) or a fragment (#)"),
    ],
)
def test_what_is_no_url_is_refused(verify, url, told):
    hint = "    hint: give it as in http://localhost:9090 or https://host/prometheus\n"
    assert verify("--url", url) == (2, "", f"error: {told}\n{hint}")


@pytest.mark.parametrize("url", ["http://me:hunter2@localhost:1", "me:hunter2@localhost", "http://hunter2@localhost"])
def test_a_password_in_the_url_is_refused_and_not_repeated(verify, url):
    assert verify("--url", url) == (
        2,
        "",
        (
            "error: --url holds a user's name or password\n"
            "    hint: a command line is no place for them: give --username and --password-file\n"
        ),
    )


def test_nothing_listens(verify):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert verify("--url", f"http://127.0.0.1:{port}") == (
        2,
        "",
        (
            f"error: http://127.0.0.1:{port}: nothing listens on port {port} of 127.0.0.1\n"
            "    hint: is Prometheus running, and is this its port? in a cluster: kubectl port-forward svc/NAME 9090\n"
        ),
    )


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a..b"])
def test_there_is_no_such_host(verify, host, monkeypatch):
    def unknown(name: object, *_rest: object, **_more: object) -> None:
        "x".encode("idna") if name == "a..b" else None
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert verify("--url", f"http://{host}:9090") == (
        2,
        "",
        (
            f"error: http://{host}:9090: there is no host named {host}\n"
            "    hint: is it spelt right? names such as NAME.NAMESPACE.svc are known inside the cluster alone\n"
        ),
    )


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"])
def test_no_answer_comes_in_time(verify, said):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        held = []

        def answer() -> None:
            connection, _ = listener.accept()
            connection.sendall(said)
            held.append(connection)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        outcome = verify("--url", f"http://127.0.0.1:{port}", "--timeout", "0.2")
        thread.join()
        held[0].close()
    assert outcome == (
        2,
        "",
        (
            f"error: http://127.0.0.1:{port}: no answer within 0.2 seconds\n"
            "    hint: is a firewall or a NetworkPolicy in between? or give more with --timeout\n"
        ),
    )


def test_a_server_that_drips_doesnt_hold_up(verify):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        ended = threading.Event()

        def drip() -> None:
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError):
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n")
                while not ended.wait(0.05):
                    connection.sendall(b" ")

        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        outcome = verify("--url", f"http://127.0.0.1:{port}", "--timeout", "0.3")
        ended.set()
        thread.join()
    assert outcome.code == 2
    assert "no answer within 0.3 seconds" in outcome.err


def failing(status: int, body: bytes = b"", **headers: str) -> dict[str, Said]:
    return {"/api/v1/targets": Said(body, status, headers)}


@pytest.mark.parametrize(
    ("status", "told", "hint"),
    [
        (
            401,
            "it wants to know who asks (401 Unauthorized)",
            "give --bearer-token-file, or --username and --password-file",
        ),
        (
            403,
            "it refuses /api/v1/targets (403 Forbidden)",
            "these credentials may not read it; ask for get on Prometheus' API, or give some",
        ),
        (
            404,
            "/api/v1/targets is not there (404 Not Found)",
            "is there a path before it, as in http://host/prometheus (--web.external-url)?",
        ),
        (
            503,
            "Prometheus is not ready, or what stands before it can't reach it (503)",
            "is it still starting, or replaying its log? see /-/ready, and ask again",
        ),
        (500, "it answers 500 to /api/v1/targets", "it says: out of cheese"),
    ],
)
def test_http_errors_are_told_with_what_to_do(verify, serve, status, told, hint):
    server = serve(failing(status, b"out of\n\x1b[1mcheese".replace(b"\x1b[1m", b"")))
    assert verify("--url", server.url) == (2, "", f"error: {server.url}: {told}\n    hint: {hint}\n")


def test_what_a_server_says_cant_steer_the_terminal(verify, serve):
    server = serve(failing(500, b"red: \x1b[31m\x07 end"))
    assert verify("--url", server.url).err.endswith("    hint: it says: red: [31m end\n")


@pytest.mark.parametrize(("status", "word"), [(401, "the token or password is wrong or has expired"), (403, "these")])
def test_credentials_that_are_refused_are_told_so(verify, serve, tmp_path, status, word):
    (tmp_path / "token").write_text("s3cret-token\n")
    server = serve(failing(status))
    outcome = verify("--url", server.url, "--bearer-token-file", "token")
    assert outcome.code == 2
    assert f"    hint: {word}" in outcome.err


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (b"<!DOCTYPE html><title>Grafana</title>", "a web page"),
        (b"hello", "something else"),
        (b"[1]", "something else"),
    ],
)
def test_what_answers_is_no_prometheus(verify, serve, body, what):
    server = serve(failing(200, body))
    assert verify("--url", server.url) == (
        2,
        "",
        (
            f"error: {server.url}: what answers is no Prometheus: /api/v1/targets gives {what}\n"
            "    hint: a login page, Grafana or another server? give the URL of Prometheus itself, path included\n"
        ),
    )


def test_an_answer_of_the_api_that_is_an_error_is_told(verify, serve):
    server = serve(failing(200, b'{"status": "error", "errorType": "internal", "error": "no"}'))
    assert verify("--url", server.url) == (
        2,
        "",
        (
            f"error: {server.url}: Prometheus refuses the question /api/v1/targets?state=active (internal: no)\n"
            "    hint: look into its log\n"
        ),
    )


def test_what_answers_speaks_no_http(verify):
    with speaking(b"SSH-2.0-OpenSSH_9.2\r\n") as port:
        outcome = verify("--url", f"http://127.0.0.1:{port}")
    assert outcome == (
        2,
        "",
        (
            f"error: http://127.0.0.1:{port}: what answers doesn't speak HTTP\n"
            "    hint: is it the right port? does it speak https there?\n"
        ),
    )


def test_the_connection_is_closed_without_an_answer(verify):
    with speaking(b"") as port:
        outcome = verify("--url", f"http://127.0.0.1:{port}")
    assert outcome == (
        2,
        "",
        (
            f"error: http://127.0.0.1:{port}: it closed the connection without an answer\n"
            "    hint: does it speak https there, or demand a client's certificate (--cert-file), as a mesh does?\n"
        ),
    )


def test_the_answer_breaks_off(verify):
    with speaking(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{") as port:
        outcome = verify("--url", f"http://127.0.0.1:{port}")
    assert outcome.code == 2
    assert outcome.err.startswith(f"error: http://127.0.0.1:{port}: the answer breaks off in the middle\n")


def test_an_answer_without_end_is_cut_off(verify, serve, monkeypatch):
    monkeypatch.setattr("generator.verify.client.MOST_BYTES", 1 << 20)
    server = serve(failing(200, b" " * (3 << 20)))
    outcome = verify("--url", server.url)
    assert outcome.code == 2
    assert outcome.err.startswith(f"error: {server.url}: the answer is larger than 1 MiB\n")


class TestHttps:
    @pytest.fixture
    def authority(self) -> Authority:
        return Authority()

    @pytest.fixture
    def context(self, authority, tmp_path) -> ssl.SSLContext:
        self.write(authority, tmp_path, "server")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tmp_path / "server.crt", tmp_path / "server.key")
        return context

    @staticmethod
    def write(authority: Authority, folder: Path, name: str) -> None:
        key, chain, root = authority.workload("monitoring", name)
        (folder / f"{name}.crt").write_bytes(chain)
        (folder / f"{name}.key").write_bytes(key)
        (folder / "root.crt").write_bytes(root)

    def test_a_certificate_of_an_unknown_ca_is_refused(self, verify, serve, context):
        server = serve(FINE, tls=context)
        outcome = verify("--url", server.url)
        assert outcome.code == 2
        assert outcome.err.startswith(f"error: {server.url}: its certificate can't be trusted (")
        assert outcome.err.endswith(
            "    hint: name the CA that signed it with --ca-file; --insecure-skip-verify asks whoever answers\n"
        )

    def test_its_name_is_checked_even_if_the_ca_is_known(self, verify, serve, context):
        server = serve(FINE, tls=context)
        outcome = verify("--url", server.url, "--ca-file", "root.crt")
        assert outcome.code == 2
        assert "its certificate can't be trusted (Hostname mismatch" in outcome.err

    def test_any_certificate_is_taken_on_demand(self, verify, serve, context):
        server = serve(FINE, tls=context)
        assert verify("--url", server.url, "--insecure-skip-verify").code == 0

    @pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
    def test_a_client_certificate_is_asked_for(self, verify, serve, context, tmp_path, version):
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(tmp_path / "root.crt")
        context.minimum_version = context.maximum_version = version
        server = serve(FINE, tls=context)
        outcome = verify("--url", server.url, "--insecure-skip-verify")
        assert outcome == (
            2,
            "",
            (
                f"error: {server.url}: it asks for a client's certificate\n"
                "    hint: give one with --cert-file and --key-file\n"
            ),
        )

    def test_a_client_certificate_is_shown(self, verify, serve, context, authority, tmp_path):
        self.write(authority, tmp_path, "client")
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(tmp_path / "root.crt")
        server = serve(FINE, tls=context)
        given = ["--insecure-skip-verify", "--cert-file", "client.crt", "--key-file", "client.key"]
        assert verify("--url", server.url, *given).code == 0

    def test_a_client_certificate_of_another_root_is_refused(self, verify, serve, context, tmp_path):
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(tmp_path / "root.crt")
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        server = serve(FINE, tls=context)
        self.write(Authority(), tmp_path, "client")
        given = ["--insecure-skip-verify", "--cert-file", "client.crt", "--key-file", "client.key"]
        outcome = verify("--url", server.url, *given)
        assert outcome == (
            2,
            "",
            (
                f"error: {server.url}: it refuses the client's certificate (tlsv1 alert unknown ca)\n"
                "    hint: give another with --cert-file\n"
            ),
        )

    def test_https_where_http_is_spoken(self, verify, serve):
        server = serve(FINE)
        outcome = verify("--url", server.url.replace("http", "https"))
        assert outcome == (
            2,
            "",
            (
                f"error: {server.url.replace('http', 'https')}: it doesn't speak https there\n"
                f"    hint: give {server.url}\n"
            ),
        )

    def test_http_where_a_go_server_speaks_https(self, verify, serve):
        server = serve(failing(400, b"Client sent an HTTP request to an HTTPS server.\n"))
        assert verify("--url", server.url) == (
            2,
            "",
            f"error: {server.url}: it speaks https there\n    hint: give {server.url.replace('http', 'https')}\n",
        )

    def test_a_ca_file_that_isnt_there(self, verify):
        outcome = verify("--url", "https://localhost:1", "--ca-file", "none.pem")
        assert outcome == (2, "", "error: --ca-file: none.pem: No such file or directory\n")

    def test_a_ca_file_that_holds_no_certificate(self, verify, tmp_path):
        (tmp_path / "ca.pem").write_text("hello\n")
        outcome = verify("--url", "https://localhost:1", "--ca-file", "ca.pem")
        told = "error: --ca-file: ca.pem can't be used\n    expected: the CA's certificate in PEM\n"
        assert outcome == (2, "", told)

    def test_a_key_that_belongs_to_another_certificate(self, verify, authority, tmp_path):
        for name in ("one", "other"):
            self.write(authority, tmp_path, name)
        given = ["--cert-file", "one.crt", "--key-file", "other.key"]
        assert verify("--url", "https://localhost:1", *given) == (
            2,
            "",
            (
                "error: --cert-file: one.crt and other.key can't be used\n"
                "    expected: a certificate and the key that belongs to it, both in PEM, the key without a password\n"
            ),
        )


class TestWhatIsNotOffered:
    def test_a_configuration_that_isnt_shown_is_noted(self, verify, serve):
        server = serve({**FINE, "/api/v1/status/config": Said(b"", 404)})
        outcome = verify("--url", server.url)
        assert outcome.code == 0
        assert "note: its configuration isn't shown, so jobs that have no target at all can't be told" in outcome.out

    def test_without_the_configuration_nothing_can_be_compared(self, verify, serve, tiny):
        server = serve({**FINE, "/api/v1/status/config": Said(b"", 404)})
        outcome = verify("--url", server.url, "dev", "-C", str(tiny))
        assert outcome == (
            2,
            "",
            (
                f"error: {server.url}: its configuration isn't shown, so it can't be compared\n"
                "    hint: ask without dev, or ask Prometheus itself, without what stands before it\n"
            ),
        )

    def test_an_agent_evaluates_no_rules(self, verify, serve):
        server = serve({**FINE, "/api/v1/rules": Said(b"unavailable with Prometheus Agent", 503)})
        outcome = verify("--url", server.url)
        assert outcome.code == 0
        assert "note: rules are not compared: this Prometheus evaluates none (agent mode)" in outcome.out

    def test_a_configuration_that_is_no_yaml_is_told(self, verify, serve):
        server = serve({**FINE, "/api/v1/status/config": success({"yaml": "a: ["})})
        outcome = verify("--url", server.url)
        assert outcome.code == 2
        assert outcome.err.startswith(
            f"error: {server.url}: its configuration can't be read: the running configuration:"
        )

    def test_data_of_another_form_is_no_crash(self, verify, serve):
        odd: list[object] = [None, 1, "x", [], {"activeTargets": 1, "groups": [1], "yaml": "a", "scrapePools": 3}]
        for data in odd:
            server = serve({path: success(data) for path in FINE})
            assert verify("--url", server.url).code == 1
