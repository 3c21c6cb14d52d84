"""Asks a Prometheus over HTTP, and tells in one clear sentence when it can't be asked.

The standard library alone, imported when the first question is asked. A credential leaves this module in one place, the
``Authorization`` header, which no redirect carries on; texts that come from the other side are printed only after
``Access.masked`` has been over them.
"""

from __future__ import annotations

import json
import os
import re
import time
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import SplitResult, urljoin, urlsplit

from generator.errors import GeneratorError, Problem

if TYPE_CHECKING:
    import ssl
    from email.message import Message
    from http.client import HTTPResponse
    from urllib.error import HTTPError
    from urllib.request import OpenerDirector

#: An answer about 20,000 targets is about 80 MB.
MOST_BYTES = 512 * 1024 * 1024
_MOST_REDIRECTS = 5
_CHUNK = 1 << 16
_MASK = "***"
_API = "/api/v1/"


class AskError(GeneratorError):
    """Prometheus can't be asked (exit code 2)."""


class NotOfferedError(Exception):
    """This Prometheus, or what stands in front of it, doesn't offer this question."""


class Access(NamedTuple):
    """Where Prometheus is, and how to get in.

    ``timeout`` is in seconds, for each question. ``token`` is sent as a bearer token; ``username`` and ``password`` as
    basic authentication. ``cert_file`` and ``key_file`` are a client's certificate.
    """

    url: str
    timeout: float = 10.0
    token: str = ""
    username: str = ""
    password: str = ""
    ca_file: str | None = None
    insecure_skip_verify: bool = False
    cert_file: str | None = None
    key_file: str | None = None

    def __repr__(self) -> str:
        return f"Access({self.url!r})"  # never the credentials, wherever a repr may get to

    @property
    def authorization(self) -> str:
        """The header's value, "" without credentials."""
        if self.token:
            return f"Bearer {self.token}"
        return f"Basic {self._basic}" if self.username else ""

    @property
    def _basic(self) -> str:
        import base64

        return base64.b64encode(f"{self.username}:{self.password}".encode()).decode()

    def masked(self, text: str) -> str:
        """Give a text without what must stay secret, should the other side have sent it back."""
        secrets = [self.token, self.password, self._basic if self.username else ""]
        for secret in sorted(filter(None, secrets), key=len, reverse=True):
            text = text.replace(secret, _MASK)
        return text


class Answer(NamedTuple):
    """What Prometheus said: ``data`` of its JSON, and its own clock's time (seconds since 1970), 0 if not told."""

    data: Any
    clock: float = 0.0


class Client:
    """Asks one Prometheus."""

    def __init__(self, access: Access) -> None:
        """Take the access; nothing is sent yet.

        Raises:
            AskError: the URL, or a file that the access names, can't be used.
        """
        self._access = access
        self.base = _checked_url(access.url)
        self._opener = self._make_opener()

    def api(self, question: str, *, optional: bool = False) -> Answer:
        """Ask ``targets``, ``status/config`` and the like; give the answer's data.

        Raises:
            AskError: it can't be asked, or what answers is no Prometheus.
            NotOfferedError: it is ``optional``, and not offered.
        """
        body, headers, address = self._get(_API + question, optional=optional)
        try:
            tree = json.loads(body)
        except (ValueError, RecursionError):
            tree = None
        if not isinstance(tree, dict) or "status" not in tree:
            if optional:
                raise NotOfferedError
            raise self._no_prometheus(address, body)
        if tree["status"] != "success":
            if optional:
                raise NotOfferedError
            told = self._quoted(f"{tree.get('errorType', '')}: {tree.get('error', '')}")
            raise self._error(f"Prometheus refuses the question {_API}{question} ({told})", "look into its log")
        return Answer(tree.get("data"), _clock(headers))

    def text(self, path: str) -> str:
        """Give a page that Prometheus may or may not offer, such as ``/metrics``.

        Raises:
            AskError: it can't be asked.
            NotOfferedError: it isn't offered.
        """
        return self._get(path, optional=True)[0].decode("utf-8", "replace")

    def _get(self, path: str, *, optional: bool) -> tuple[bytes, Message, str]:
        """Get a page, following redirects as far as they stay with the host that was named."""
        import urllib.error

        address = self.base.page(path)
        for _ in range(_MOST_REDIRECTS):
            try:
                with self._open(address) as response:
                    return self._read(response), response.headers, address
            except urllib.error.HTTPError as error:
                with error:
                    if error.code in {301, 302, 303, 307, 308} and error.headers.get("Location"):
                        address = self._redirected(address, error.headers["Location"])
                        continue
                    if optional and error.code not in {401, 407, 429}:
                        raise NotOfferedError from None
                    raise self._refused(error.code, address, _error_body(error)) from None
            except UnicodeError:  # what idna makes of a host such as a..b
                raise self._unreachable(_no_such_host()) from None
            except OSError as error:
                raise self._unreachable(error) from None
            except Exception as error:
                import http.client

                if isinstance(error, http.client.HTTPException):
                    raise self._no_http(error) from None
                raise
        raise self._error("redirects go round in circles", "give the URL that they should end at")

    def _open(self, address: str) -> HTTPResponse:
        from urllib.request import Request

        from generator import __version__

        headers = {"Accept": "application/json", "User-Agent": f"sidecert/{__version__}"}
        request = Request(address, headers=headers)  # noqa: S310  # _checked_url lets only http and https in
        if self._access.authorization:
            request.add_unredirected_header("Authorization", self._access.authorization)
        response: HTTPResponse = self._opener.open(request, timeout=self._access.timeout)
        return response

    def _read(self, response: HTTPResponse) -> bytes:
        """Read an answer, in the time that there is as a whole: a server that drips must not hold us up."""
        from http.client import IncompleteRead

        deadline = time.monotonic() + self._access.timeout
        parts: list[bytes] = []
        size = 0
        while part := response.read1(_CHUNK):
            parts.append(part)
            size += len(part)
            if time.monotonic() > deadline:
                raise TimeoutError
            if size > MOST_BYTES:
                raise self._error(f"the answer is larger than {MOST_BYTES >> 20} MiB", "is this the right URL?")
        if response.length:
            raise IncompleteRead(b"", response.length)
        return b"".join(parts)

    def _make_opener(self) -> OpenerDirector:
        """Speak HTTP and HTTPS through the proxies of the environment, and follow no redirect by itself."""
        from urllib.request import HTTPRedirectHandler, HTTPSHandler, ProxyHandler, build_opener

        class Stay(HTTPRedirectHandler):
            def redirect_request(self, *_arguments: Any) -> None:
                return None

        loopback = self.base.hostname in {"localhost", "::1"} or str(self.base.hostname).startswith("127.")
        proxies = ProxyHandler({}) if loopback else ProxyHandler()  # no proxy reaches this machine's own loopback
        return build_opener(Stay, proxies, HTTPSHandler(context=self._tls()))

    def _tls(self) -> ssl.SSLContext | None:
        """Trust the given certificates, or those of the system."""
        access = self._access
        if self.base.scheme != "https":
            return None
        import ssl

        try:
            context = ssl.create_default_context(cafile=access.ca_file)
        except (OSError, ValueError) as error:
            raise _file_error("--ca-file", str(access.ca_file), error, "the CA's certificate in PEM") from None
        if access.insecure_skip_verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if access.cert_file:
            try:
                context.load_cert_chain(access.cert_file, access.key_file, password="")
            except (OSError, ValueError) as error:
                shown = access.cert_file + (f" and {access.key_file}" if access.key_file else "")
                expected = "a certificate and the key that belongs to it, both in PEM, the key without a password"
                raise _file_error("--cert-file", shown, error, expected) from None
        return context

    def _redirected(self, address: str, location: str) -> str:
        """Where a redirect leads, if one may go there."""
        old, target = urlsplit(address), urlsplit(urljoin(address, location))
        same = (old.scheme, old.netloc) == (target.scheme, target.netloc)
        upgraded = old.hostname == target.hostname and (_port(old), _port(target)) == (80, 443)
        with_credentials = self._access.authorization or self._access.cert_file
        downgraded = old.scheme == "https" and target.scheme != "https"
        if target.scheme not in {"http", "https"} or target.username or target.password:
            raise self._error("it redirects to what is no web address", "give the URL of Prometheus itself")
        if same or upgraded or not (with_credentials or downgraded):
            return target.geturl()
        shown = self._quoted(f"{target.scheme}://{target.hostname}" + (f":{target.port}" if target.port else ""))
        why = "credentials are not sent to another host" if with_credentials else "and from https to http"
        hint = f"a login page? give a URL behind it, or a port-forward; if {shown} is right, give that"
        raise self._error(f"it redirects to {shown}; {why}", hint)

    def _refused(self, code: int, address: str, body: bytes) -> AskError:
        """Tell of an answer that is an HTTP error."""
        given = bool(self._access.authorization)
        question = urlsplit(address).path
        if code == 400 and b"HTTP request to an HTTPS server" in body:
            return self._error("it speaks https there", f"give https://{self.base.netloc}{self.base.path}")
        if code == 401:
            hint = (
                "the token or password is wrong or has expired"
                if given
                else "give --bearer-token-file, or --username and --password-file"
            )
            return self._error("it wants to know who asks (401 Unauthorized)", hint)
        if code == 403:
            hint = "these credentials may not read it; ask for get on Prometheus' API"
            return self._error(f"it refuses {question} (403 Forbidden)", hint if given else f"{hint}, or give some")
        if code == 404:
            hint = "is there a path before it, as in http://host/prometheus (--web.external-url)?"
            return self._error(f"{question} is not there (404 Not Found)", hint)
        if code in {502, 503, 504}:
            hint = "is it still starting, or replaying its log? see /-/ready, and ask again"
            return self._error(f"Prometheus is not ready, or what stands before it can't reach it ({code})", hint)
        return self._error(
            f"it answers {code} to {question}", f"it says: {self._quoted(body.decode(errors='replace'))}"
        )

    def _unreachable(self, error: OSError) -> AskError:
        """Tell why no answer came."""
        import socket
        import ssl
        from urllib.error import URLError

        reason = error.reason if isinstance(error, URLError) else error
        host, port = self.base.hostname, _port(self.base)
        if isinstance(reason, TimeoutError):
            hint = "is a firewall or a NetworkPolicy in between? or give more with --timeout"
            return self._error(f"no answer within {self._access.timeout:g} seconds", hint)
        if isinstance(reason, ConnectionRefusedError):
            hint = "is Prometheus running, and is this its port? in a cluster: kubectl port-forward svc/NAME 9090"
            return self._error(f"nothing listens on port {port} of {host}", hint)
        if isinstance(reason, socket.gaierror):
            hint = "is it spelt right? names such as NAME.NAMESPACE.svc are known inside the cluster alone"
            return self._error(f"there is no host named {host}", hint)
        if isinstance(reason, ssl.SSLError):
            return self._no_tls(reason)
        if isinstance(reason, ConnectionError):
            hint = "does it speak https there, or demand a client's certificate (--cert-file), as a mesh does?"
            return self._error("it closed the connection without an answer", hint)
        told = self._quoted(reason.strerror or str(reason) if isinstance(reason, OSError) else str(reason))
        return self._error(f"it can't be reached ({told})", "is the host right, and is there a route to it?")

    def _no_tls(self, error: ssl.SSLError) -> AskError:
        """Tell why TLS failed."""
        import ssl

        reason = str(error.reason or "").replace("_", " ").lower()
        if isinstance(error, ssl.SSLCertVerificationError):
            hint = "name the CA that signed it with --ca-file; --insecure-skip-verify asks whoever answers"
            return self._error(f"its certificate can't be trusted ({error.verify_message})", hint)
        if "certificate required" in reason or "handshake failure" in reason:
            return self._error("it asks for a client's certificate", "give one with --cert-file and --key-file")
        if "alert" in reason and ("certificate" in reason or "ca" in reason.split()):
            return self._error(f"it refuses the client's certificate ({reason})", "give another with --cert-file")
        if reason in {"wrong version number", "record layer failure", "http request"}:
            return self._error("it doesn't speak https there", f"give http://{self.base.netloc}{self.base.path}")
        hint = "does it speak https there, or demand a client's certificate (--cert-file), as a mesh does?"
        return self._error(f"TLS fails ({reason or 'the connection was closed'})", hint)

    def _no_http(self, error: Exception) -> AskError:
        """Tell of an answer that is no HTTP."""
        import http.client

        if isinstance(error, http.client.IncompleteRead):
            return self._error("the answer breaks off in the middle", "ask again, or leave out what stands in between")
        hint = "is it the right port? does it speak https there?"
        return self._error("what answers doesn't speak HTTP", hint)

    def _no_prometheus(self, address: str, body: bytes) -> AskError:
        """Tell of an answer that isn't Prometheus'."""
        start = body[:200].lstrip().lower()
        what = "a web page" if start.startswith(b"<") else "something else"
        hint = "a login page, Grafana or another server? give the URL of Prometheus itself, path included"
        return self._error(f"what answers is no Prometheus: {urlsplit(address).path} gives {what}", hint)

    def _quoted(self, text: str) -> str:
        """What the other side said, short, on one line, without secrets or control characters."""
        line = " ".join(re.sub(r"[\x00-\x1f\x7f-\x9f]+", " ", self._access.masked(text)).split())
        return f"{line[:157]}..." if len(line) > 160 else line or "nothing"

    def _error(self, message: str, hint: str) -> AskError:
        return AskError(Problem(f"{self.base}: {message}", hint=hint))


class _Base(NamedTuple):
    """A URL that questions are added to."""

    scheme: str
    netloc: str
    path: str
    hostname: str
    port: int | None

    def __str__(self) -> str:
        return f"{self.scheme}://{self.netloc}{self.path}"

    def page(self, path: str) -> str:
        """The URL of a page below it."""
        return f"{self}{path}"


def _error_body(error: HTTPError) -> bytes:
    """What stands in an HTTP error's body, as far as it comes."""
    from http.client import HTTPException

    try:
        return error.read(_CHUNK)
    except (OSError, HTTPException):
        return b""


def _no_such_host() -> OSError:
    import socket

    return socket.gaierror(socket.EAI_NONAME, "")


def _checked_url(url: str) -> _Base:
    """Take a URL apart, and refuse what is none; a password in it is refused without being repeated."""
    example = "give it as in http://localhost:9090 or https://host/prometheus"
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError:
        raise AskError(Problem("--url is no web address", hint=example)) from None
    if "@" in url:
        hint = "a command line is no place for them: give --username and --password-file"
        raise AskError(Problem("--url holds a user's name or password", hint=hint))
    if "?" in url or "#" in url:
        raise AskError(Problem("--url holds a query (?) or a fragment (#)", hint=example))
    if parts.scheme not in {"http", "https"} or not parts.hostname or not _plain(url.strip()):
        raise AskError(Problem(f"--url: {_printable(url)} is no web address", hint=example))
    path = re.sub(r"(/(graph|targets|query|api(/v1)?))?/*$", "", parts.path)  # copied from a browser
    return _Base(parts.scheme, parts.netloc, path, parts.hostname, port)


def _plain(text: str) -> bool:
    return re.fullmatch(r"[\x21-\x7e]+", text) is not None


def _printable(text: str) -> str:
    return re.sub(r"[\x00-\x1f\x7f-\x9f]", "?", text)


def _port(parts: _Base | SplitResult) -> int:
    return parts.port or (443 if parts.scheme == "https" else 80)


def _clock(headers: Message) -> float:
    """The server's own time, from its Date header."""
    from email.utils import parsedate_to_datetime

    try:
        return parsedate_to_datetime(headers.get("Date", "")).timestamp()
    except (TypeError, ValueError):
        return 0.0


def read_secret(option: str, path: str) -> str:
    """Read a token or a password from a file, without the newline at its end.

    Raises:
        AskError: it can't be read, is empty, or holds what no header can carry. The content is never repeated.
    """
    try:
        with open(path, "rb") as file:
            content = file.read(1 << 16)
    except OSError as error:
        raise _file_error(option, path, error, "") from None
    try:
        text = content.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        text = "\0"
    if not text.strip():
        raise AskError(Problem(f"{option}: {path} is empty"))
    return check_secret(f"{option}: {path}", text)


def check_secret(where: str, text: str) -> str:
    """Give a secret back if a header can carry it.

    Raises:
        AskError: it holds control characters, as a file that is no token does. The content is never repeated.
    """
    if re.search(r"[\x00-\x1f\x7f]", text):
        raise AskError(
            Problem(f"{where} holds more than one line, or control characters", hint="is it the right file?")
        )
    return text


def check_token(where: str, text: str) -> str:
    """Give a bearer token back if it is one: visible ASCII without spaces."""
    if not _plain(check_secret(where, text)):
        raise AskError(Problem(f"{where} holds spaces or letters outside ASCII", hint="is it the right file?"))
    return text


def _file_error(option: str, path: str, error: Exception, expected: str) -> AskError:
    """Tell of a file that can't be used; ``strerror`` of an SSL error is an OpenSSL code's name, told as unfit."""
    import ssl

    if isinstance(error, OSError) and not isinstance(error, ssl.SSLError) and error.errno is not None:
        return AskError(Problem(f"{option}: {path}: {os.strerror(error.errno)}"))
    return AskError(Problem(f"{option}: {path} can't be used", expected=expected))
