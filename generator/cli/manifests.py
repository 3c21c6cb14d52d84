"""What the commands share that read manifests which sidecert has never seen."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from generator.errors import Problem
    from generator.intake import Intake
    from generator.monitoring import Settings

Command = TypeVar("Command", bound=Callable[..., Any])
_WIDTH = 100
_NARROW, _WIDE = 40, 120
_MOST_BYTES = 32 << 20
_STYLES: dict[str, dict[str, Any]] = {
    "error": {"fg": "red", "bold": True},
    "warning": {"fg": "yellow", "bold": True},
    "info": {"fg": "cyan", "bold": True},
    "good": {"fg": "green", "bold": True},
    "heading": {"bold": True},
    "place": {"fg": "blue"},
    "faint": {"dim": True},
}

files_argument = click.argument("files", metavar="[FILE|DIR|-]...", nargs=-1, type=click.Path(allow_dash=True))


def version_options(command: Command) -> Command:
    """Give a command the options that say for which versions to judge, for it to hand to `settings_of`."""
    options = [
        click.option(
            "--istio-version", "istio", metavar="VERSION", callback=_istio, help="Of the mesh.  [default: 1.30.3]"
        ),
        click.option(
            "--kubernetes-version", "kubernetes", metavar="VERSION", callback=_kubernetes, help="[default: 1.33]"
        ),
        click.option(
            "--chart-version",
            "chart",
            metavar="VERSION",
            callback=_chart,
            help="Of the chart that values files are for.  [default: the newest known]",
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def settings_of(
    istio: tuple[int, ...] | None, kubernetes: tuple[int, ...] | None, chart: tuple[int, ...] | None = None
) -> Settings:
    """Give what is known of the cluster; what the user doesn't say is what is newest."""
    from generator.monitoring import Settings

    usual = Settings()
    return Settings(
        istio or usual.istio, kubernetes or usual.kubernetes, chart, istio is not None, kubernetes is not None
    )


def _istio(_context: click.Context, _parameter: click.Parameter, text: str | None) -> tuple[int, ...] | None:
    version = _version(text, 2)
    if text is not None and (version is None or not (1, 5) <= version[:2] < (2, 0)):
        raise click.BadParameter(f"found `{text}`; expected a release of Istio from 1.5 on, such as 1.30 or 1.30.3")
    return version


def _kubernetes(_context: click.Context, _parameter: click.Parameter, text: str | None) -> tuple[int, ...] | None:
    version = _version(text, 2)
    if text is not None and (version is None or not (1, 16) <= version[:2] < (2, 0)):
        raise click.BadParameter(f"found `{text}`; expected a release of Kubernetes from 1.16 on, such as 1.33")
    return version


def _chart(_context: click.Context, _parameter: click.Parameter, text: str | None) -> tuple[int, ...] | None:
    version = _version(text, 1)
    if text is not None and version is None:
        raise click.BadParameter(f"found `{text}`; expected a chart's version, such as 80 or 80.2.0")
    return version


def _version(text: str | None, least: int) -> tuple[int, ...] | None:
    """Read a version of ``least`` to three numbers; what clusters add (``v1.33.1-gke.100``) doesn't count."""
    found = re.fullmatch(r"v?(\d{1,4}(?:\.\d{1,4}){0,2})(?:[-+].*)?", text or "", re.ASCII)
    numbers = tuple(int(part) for part in found[1].split(".")) if found else ()
    return numbers if len(numbers) >= least else None


def read_files(files: Sequence[str], without: str = "") -> Intake:
    """Read what a user names, but for what lies in the folder ``without``.

    Raises:
        click.UsageError: nothing is named.
        InputError: something can't be read, or there is nothing in it to judge.
    """
    from generator.errors import InputError
    from generator.intake import read

    if not files:
        raise click.UsageError("name files or folders, or - for standard input")
    intake = read(files, read_standard_input, without=without)
    if not intake.manifests and not intake.values:
        nothing = nothing_in(files)
        raise InputError((*intake.unrendered, *intake.left_out) or nothing)
    return intake


def nothing_in(files: Sequence[str]) -> Problem:
    """Tell that there is nothing to work on in files."""
    from generator.errors import Problem

    names = ", ".join("standard input" if name == "-" else name for name in files)
    hint = "did the command that was to write it fail, or look into another namespace?" if "-" in files else ""
    return Problem(f"there is no Kubernetes object and no values file in {names}", hint=hint)


def read_standard_input() -> str:
    """Give what is piped in; as bytes, so that it means the same everywhere."""
    from generator.errors import InputError, Location, Problem

    if sys.stdin is None:
        raise InputError(Problem("standard input is closed", Location("<stdin>")))
    content = sys.stdin.buffer.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise InputError(Problem("the input is too large", Location("<stdin>"), expected="at most 32 MiB"))
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(Problem("the input is not UTF-8 text", Location("<stdin>", line))) from error


# -------------------------------------------------------------------------------------------------------- printing


def ascii_json(data: object) -> str:
    """Print data as JSON in ASCII alone: what foreign files hold must not steer a terminal."""
    import json

    return json.dumps(data, indent=2)


def width() -> int:
    """How wide to print: a terminal's width within bounds, 100 for anything else."""
    import os
    from shutil import get_terminal_size

    if not sys.stdout.isatty() and not os.environ.get("COLUMNS"):
        return _WIDTH
    return max(_NARROW, min(get_terminal_size((_WIDTH, 24)).columns, _WIDE))


def styled(text: str, kind: str) -> str:
    """Put a style around a text, on a terminal that takes colours."""
    import os

    plain = not sys.stdout.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return text if plain else click.style(text, **_STYLES.get(kind, {}))
