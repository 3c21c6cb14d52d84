"""The command ``verify``: what it is given, and how it tells what it found."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from generator.cli.options import Folders, complete_environment, project_options
from generator.cli.report import count, print_data

if TYPE_CHECKING:
    from generator.resource import Resource
    from generator.verify import Finding, JobState, Report

_WIDTH = 100
_ENVIRONMENT = "SIDECERT_"


def _variable(name: str) -> str:
    return f"{_ENVIRONMENT}{name}"


@click.command(
    short_help="Ask a running Prometheus whether it works.",
    epilog="""\b
    Examples:
      kubectl -n monitoring port-forward svc/prometheus 9090 &
      sidecert verify --url http://localhost:9090           are all targets up, and if not, why?
      sidecert verify --url http://localhost:9090 prod/eu-1 does it run what prod/eu-1 renders, too?
      sidecert verify --url https://prometheus.example.com --bearer-token-file token -o json

    Exit codes: 0 all fine, 1 something to repair, 2 Prometheus can't be asked.
    A token or a password is never taken from the command line, and never printed; SIDECERT_BEARER_TOKEN and
    SIDECERT_PASSWORD may hold them.""",
)
@click.argument("environment", metavar="[ENV]", required=False, shell_complete=complete_environment)
@click.option("--url", metavar="URL", envvar=_variable("URL"), required=True, help="Prometheus, with its path if any.")
@click.option(
    "-o", "--format", "form", type=click.Choice(["text", "json"]), default="text", help="Text to read, or JSON."
)
@click.option(
    "--timeout",
    metavar="SECONDS",
    type=click.FloatRange(min=0, min_open=True, max=3600),
    default=10.0,
    help="How long to wait for each answer.  [default: 10]",
)
@click.option("--bearer-token-file", metavar="FILE", envvar=_variable("BEARER_TOKEN_FILE"), help="Holds a token.")
@click.option("--username", metavar="NAME", envvar=_variable("USERNAME"), help="For basic authentication.")
@click.option("--password-file", metavar="FILE", envvar=_variable("PASSWORD_FILE"), help="Holds the user's password.")
@click.option("--ca-file", metavar="FILE", envvar=_variable("CA_FILE"), help="Trust this CA instead of the system's.")
@click.option("--insecure-skip-verify", is_flag=True, help="Take any server's certificate.")
@click.option("--cert-file", metavar="FILE", envvar=_variable("CERT_FILE"), help="A client's certificate.")
@click.option("--key-file", metavar="FILE", envvar=_variable("KEY_FILE"), help="The key that belongs to it.")
@project_options
def verify(
    environment: str | None,
    *,
    url: str,
    form: str,
    timeout: float,
    bearer_token_file: str | None,
    username: str | None,
    password_file: str | None,
    ca_file: str | None,
    insecure_skip_verify: bool,
    cert_file: str | None,
    key_file: str | None,
    **where: Any,
) -> int:
    """Ask a running Prometheus whether its targets are scraped, and tell what to repair, first things first.

    With an environment it also tells where the configuration that runs is not the rendered one.
    """
    from generator.verify import Access
    from generator.verify import verify as ask

    token, password = _token(bearer_token_file), _password(password_file)
    _check_together(token, username, password, cert_file, key_file)
    access = Access(url, timeout, token, username or "", password, ca_file, insecure_skip_verify, cert_file, key_file)
    resources: list[Resource] = []
    if environment:
        from generator import build

        resources = build.rendered(Folders(**where).workspace(), environment)
    report = ask(access, environment or "", resources)
    if form == "json":
        print_data(report.as_data(), "json")
    else:
        sys.stdout.writelines(f"{line}\n" for line in _lines(report))
    return 1 if report.findings else 0


def _check_together(token: str, username: str | None, password: str, cert: str | None, key: str | None) -> None:
    """Refuse credentials that don't go together."""
    if token and username:
        raise click.UsageError("a token or a user's name, not both (SIDECERT_BEARER_TOKEN and SIDECERT_USERNAME count)")
    if username and not password:
        raise click.UsageError("--username needs --password-file, or SIDECERT_PASSWORD in the environment")
    if password and not username:
        raise click.UsageError("--password-file needs --username (SIDECERT_PASSWORD and SIDECERT_USERNAME count)")
    if key and not cert:
        raise click.UsageError("--key-file needs --cert-file")
    if username and (":" in username or not username.isprintable()):
        raise click.UsageError("--username: basic authentication takes no colon and no control characters")


def _token(path: str | None) -> str:
    from generator.verify import check_token, read_secret

    if path:
        return check_token(f"--bearer-token-file: {path}", read_secret("--bearer-token-file", path).strip())
    name = _variable("BEARER_TOKEN")
    return check_token(name, os.environ.get(name, "").strip()) if os.environ.get(name, "").strip() else ""


def _password(path: str | None) -> str:
    from generator.verify import check_secret, read_secret

    name = _variable("PASSWORD")
    return read_secret("--password-file", path) if path else check_secret(name, os.environ.get(name, ""))


def _lines(report: Report) -> Iterator[str]:
    """The report for a reader: the verdict, what to repair, the jobs, the notes."""
    yield _styled(_verdict(report), bold=True, fg="red" if report.findings else "green")
    for number, finding in enumerate(report.findings, 1):
        yield ""
        yield from _finding_lines(number, finding)
    if report.jobs:
        yield ""
        yield from _job_lines(report.jobs)
    for note in report.notes:
        yield ""
        yield from _wrapped("note: ", note, "      ")


def _verdict(report: Report) -> str:
    total = sum(job.targets for job in report.jobs)
    up = sum(job.up for job in report.jobs)
    where = f"{report.url}{f' (Prometheus {report.version})' if report.version else ''}"
    if report.findings:
        return _plain(
            f"{count(len(report.findings), 'thing')} to repair: {up} of {count(total, 'target')} up at {where}"
        )
    if report.environment:
        return _plain(f"Fine: {up} of {count(total, 'target')} up, and {report.environment} is what runs at {where}")
    return _plain(f"Fine: {up} of {count(total, 'target')} up at {where}")


def _finding_lines(number: int, finding: Finding) -> Iterator[str]:
    cause = finding.cause
    head = f"{number}. {cause.title} ({count(finding.number, finding.what)})"
    yield _styled(_plain(head), bold=True)
    indent = "   "
    if finding.jobs:
        yield from _labelled(indent, "job" if len(finding.jobs) == 1 else "jobs", ", ".join(finding.jobs))
    for line, message in enumerate(finding.says):
        yield from _labelled(indent, "" if line else "says", message)
    for line, example in enumerate(finding.examples):
        yield from _labelled(indent, "" if line else "such as", example)
    yield from _labelled(indent, "cause", cause.cause)
    yield from _labelled(indent, "repair", cause.remedy)
    if cause.fact:
        yield from _labelled(indent, "source", cause.fact)


def _labelled(indent: str, label: str, text: str) -> Iterator[str]:
    start = f"{indent}{label:<8} "
    yield from _wrapped(start, text, " " * len(start))


def _wrapped(start: str, text: str, indent: str) -> Iterator[str]:
    """Wrap a text; what is one word (a URL, a job's name) is never broken."""
    from textwrap import wrap

    yield from wrap(
        _plain(text),
        _WIDTH,
        initial_indent=start,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    ) or [start.rstrip()]


def _job_lines(jobs: tuple[JobState, ...]) -> Iterator[str]:
    width = max(len("job"), *(len(job.name) for job in jobs))
    yield f"{'job':<{width}}  {'up':>5}  {'down':>5}  {'not yet':>7}"
    for job in jobs:
        line = f"{_plain(job.name):<{width}}  {job.up:>5}  {job.down:>5}  {job.unknown:>7}"
        missing = job.pool is False and job.found != 0
        if missing:
            line += "  not running"
        yield _styled(line, fg="red") if job.down or missing else line


def _plain(text: str) -> str:
    """A text without control characters: what targets say must not steer a terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _styled(text: str, **style: Any) -> str:
    if sys.stdout.isatty() and not os.environ.get("NO_COLOR"):
        return click.style(text, **style)
    return text
