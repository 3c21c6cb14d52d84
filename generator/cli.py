"""The command ``sidecert``: turns arguments into calls, problems into text, and outcomes into exit codes.

Exit codes: 0 fine, 1 ``--check`` found differences, 2 the input, the output folder or the arguments can't be used,
3 a bug of ours, 130 interrupted. Results go to standard output, everything else to standard error.

Other rooms are imported inside the commands, so that help, version and completion answer at once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

from generator import __version__
from generator.errors import GeneratorError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from generator.tree import Changes, OutputTree
    from generator.workspace import Workspace

FORMS = ("manifests", "kustomize")
SHOWN_PROBLEMS = 50
OWN_TEMPLATES = "Own templates, used before those of sidecert.  [default: templates, in the project, where it exists]"
_INTERRUPTED = 130
_BROKEN_PIPE = 141
Command = TypeVar("Command", bound=Callable[..., Any])


class Folders(NamedTuple):
    """Where the project is, and where its parts are when they are elsewhere than usual."""

    directory: str
    overlays: str | None
    templates: str | None
    output: str | None

    def workspace(self) -> Workspace:
        """Open the project."""
        from generator.workspace import open_workspace

        return open_workspace(self.directory, self.overlays, self.templates)

    def output_folder(self) -> tuple[str, str]:
        """The output folder's path, and its name as the user knows it."""
        from generator.files import Root

        return Root.at(os.path.abspath(self.directory), self.output or "output")


def _complete_environment(context: click.Context, _parameter: click.Parameter, typed: str) -> list[CompletionItem]:
    """Offer the environments of the project that the options so far name."""
    from click.shell_completion import CompletionItem

    given = context.params
    folders = Folders(given.get("directory") or ".", given.get("overlays"), given.get("templates"), None)
    try:
        names = folders.workspace().environment_names()
    except GeneratorError:
        return []
    return [CompletionItem(name) for name in names if name.startswith(typed)]


def _forms(_context: click.Context, _parameter: click.Parameter, text: str) -> tuple[str, ...]:
    """Read ``manifests,kustomize``."""
    chosen = {part.strip() for part in text.split(",")}
    unknown = sorted(chosen.difference(FORMS))
    if unknown:
        raise click.BadParameter(f"'{unknown[0]}' is not one of {', '.join(FORMS)}")
    return tuple(form for form in FORMS if form in chosen)


def _project_options(command: Command) -> Command:
    """Give a command the options that say where the project and its parts are."""
    folder = click.Path()
    options = [
        click.option("-C", "directory", metavar="DIR", type=folder, default=".", help="The project.  [default: .]"),
        click.option("--overlays", metavar="DIR", type=folder, help="The values.  [default: overlays, in the project]"),
        click.option("--templates", metavar="DIR", type=folder, help=OWN_TEMPLATES),
        click.option("--output", metavar="DIR", type=folder, help="The result.  [default: output, in the project]"),
    ]  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


_format_option = click.option(
    "-o", "--format", "form", type=click.Choice(["yaml", "json"]), help="A form for programs."
)


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 fine, 1 --check found differences, 2 something given can't be used, 3 a bug of ours.",
)
@click.version_option(__version__, prog_name="sidecert", message="%(prog)s %(version)s")
def cli() -> None:
    """Render what your own Prometheus needs to scrape Istio workloads over strict mTLS.

    Values in overlays/ and templates give, for each environment, plain manifests and a Kustomize base with overlays.
    """


@cli.command(
    epilog="""\b
    Examples:
      sidecert render                       every environment; what is gone from overlays/ goes from output/
      sidecert render dev 'prod/*'          some of them; quote the globs
      sidecert render --only manifests      one form
      sidecert render --stdout dev | kubectl apply -f -
      sidecert render --check               in CI: is output/ what would be rendered?"""
)
@click.argument("environments", metavar="[ENV]...", nargs=-1, shell_complete=_complete_environment)
@click.option(
    "--only",
    "forms",
    metavar="FORM,...",
    default=",".join(FORMS),
    callback=_forms,
    help="Any of manifests, kustomize.  [default: both]",
)
@click.option("--stdout", is_flag=True, help="Print one environment's manifests as a YAML stream; write no file.")
@click.option(
    "--check", is_flag=True, help="Write nothing; print a diff and exit 1 where output/ is stale or hand-edited."
)
@click.option("--force", is_flag=True, help="Overwrite files that were edited by hand.")
@click.option("-q", "--quiet", is_flag=True, help="No summary and no progress bar.")
@_project_options
def render(
    environments: tuple[str, ...],
    *,
    forms: tuple[str, ...],
    stdout: bool,
    check: bool,
    force: bool,
    quiet: bool,
    **where: Any,
) -> None:
    """Render environments, named or given as globs; all of them without any.

    A * in a glob also stands for slashes.
    """
    from generator import build

    folders = Folders(**where)
    workspace = folders.workspace()
    names = workspace.select(environments)
    if stdout:
        if len(names) != 1 or check:
            raise click.UsageError("--stdout takes exactly one environment, and no --check")
        sys.stdout.write(build.stream(workspace, names[0]))
        return
    with _Progress(len(names), wanted=not quiet) as progress:
        tree = build.build(workspace, names, forms, progress)
    output, shown = folders.output_folder()
    changes = tree.compare(output, shown, () if environments else forms)
    if check:
        _check(tree, changes, (output, shown), names, quiet=quiet)
        return
    hint = _base_hint(changes, output) if environments else ""
    tree.write(output, shown, changes, force=force)
    if not quiet:
        written = len(changes.written) + len(changes.edited) + len(changes.foreign)
        counts = (
            f"{_count(written, 'file')} written, {len(changes.removed)} removed, {len(changes.unchanged)} unchanged"
        )
        _say(f"rendered {_count(len(names), 'environment')}: {counts}, in {shown}/{hint}")


@cli.command("list", epilog="\b\nExamples:\n  sidecert list\n  sidecert list -o json")
@_format_option
@_project_options
def list_environments(form: str | None, **where: Any) -> None:
    """List the environments, each with its variant and namespace."""
    from generator import build

    listed = build.summaries(Folders(**where).workspace())
    if form:
        _print_data([entry._asdict() for entry in listed], form)
        return
    widths = [max((len(entry[column]) for entry in listed), default=0) for column in range(2)]
    for name, variant, namespace in listed:
        sys.stdout.write(f"{name:<{widths[0]}}  {variant:<{widths[1]}}  {namespace}\n")


@cli.command(
    epilog="""\b
    Examples:
      sidecert values dev
      sidecert values dev -o json
      sidecert values prod/eu-1 --origin | grep scrape"""
)
@click.argument("environment", metavar="ENV", shell_complete=_complete_environment)
@click.option("--origin", is_flag=True, help="One line for each value, with the file and line that it comes from.")
@_format_option
@_project_options
def values(environment: str, origin: bool, form: str | None, **where: Any) -> None:
    """Print an environment's values: the defaults, and its layers over them."""
    from generator import build

    workspace = Folders(**where).workspace()
    if origin and form:
        raise click.UsageError("--origin has one form only, so it takes no -o")
    if origin:
        sys.stdout.writelines(f"{line}\n" for line in build.origins(workspace, environment))
    else:
        _print_data(build.merged_values(workspace, environment), form or "yaml")


@cli.command(epilog="\b\nExample:\n  sidecert schema > values.schema.json")
@_project_options
def schema(**where: Any) -> None:
    """Print the JSON Schema of values, with what the project's own variants add."""
    _print_data(Folders(**where).workspace().schema().document, "json")


@cli.command(
    epilog="""\b
    Examples:
      source <(sidecert completion bash)      now; put the line into ~/.bashrc to keep it
      source <(sidecert completion zsh)       in ~/.zshrc
      sidecert completion fish > ~/.config/fish/completions/sidecert.fish"""
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print a script that completes commands, options and environments in a shell."""
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"click can't complete in {shell}")
    sys.stdout.write(found(cli, {}, "sidecert", "_SIDECERT_COMPLETE").source() + "\n")


class _Progress:
    """A progress bar on a terminal, once the work has taken longer than a second."""

    def __init__(self, total: int, *, wanted: bool) -> None:
        from time import monotonic

        self._clock = monotonic
        self._shown_from = monotonic() + 1 if wanted and sys.stderr.isatty() else float("inf")
        self._total = total
        self._done = 0
        self._bar: Any = None

    def __enter__(self) -> Callable[[], None]:
        return self._step

    def __exit__(self, *_failure: object) -> None:
        if self._bar is not None:
            self._bar.render_finish()

    def _step(self) -> None:
        self._done += 1
        if self._bar is not None:
            self._bar.update(1)
        elif self._clock() > self._shown_from:
            self._bar = click.progressbar(length=self._total, label="rendering", file=sys.stderr)
            self._bar.update(self._done)


def _check(tree: OutputTree, changes: Changes, where: tuple[str, str], names: tuple[str, ...], *, quiet: bool) -> None:
    """Print how the output folder differs from what was rendered; exit 1 where it does."""
    shown = where[1]
    if not changes.any:
        if not quiet:
            _say(f"{shown}/ is what {_count(len(names), 'environment')} render to: {len(changes.unchanged)} files")
        return
    coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    for line in tree.diff(*where, changes):
        sys.stdout.write(_coloured(line) if coloured else line)
    sys.stdout.flush()
    if not quiet:
        stale = len(changes.written) + len(changes.removed) + len(changes.bookkeeping)
        edited = len(changes.edited) + len(changes.foreign)
        _say(f"{shown}/ is not what would be rendered: {_count(stale, 'file')} stale, {edited} edited by hand")
    raise click.exceptions.Exit(1)


def _coloured(line: str) -> str:
    colours = {"+": "green", "-": "red", "@": "cyan"}
    bold = line.startswith(("--- ", "+++ "))
    return click.style(line, bold=True) if bold else click.style(line, fg=colours.get(line[0]))


def _base_hint(changes: Changes, output: str) -> str:
    """Tell that other environments' overlays rest on a base that this render changes."""
    bases = [path for path in changes.written if path.startswith("kustomize/base/")]
    if any(os.path.exists(os.path.join(output, path)) for path in bases):
        return "; the base changed: `sidecert render` brings the other environments up to date"
    return ""


def _print_data(data: object, form: str) -> None:
    if form == "json":
        import json

        sys.stdout.write(json.dumps(data, indent=2, ensure_ascii=False) + "\n")
    else:
        from generator import yaml

        sys.stdout.write(yaml.block(data) + "\n")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def run(arguments: Iterable[str]) -> int:
    """Run a command, and give its exit code; every outcome is decided here."""
    try:
        result = cli.main(list(arguments), prog_name="sidecert", standalone_mode=False)
        sys.stdout.flush()
    except GeneratorError as error:
        for problem in error.problems[:SHOWN_PROBLEMS]:
            _say(f"error: {problem}")
        if len(error.problems) > SHOWN_PROBLEMS:
            _say(f"and {len(error.problems) - SHOWN_PROBLEMS} more")
        return 2
    except click.ClickException as error:
        error.show()
        return error.exit_code if isinstance(error, click.UsageError) else 2
    except (KeyboardInterrupt, click.Abort):
        _say("interrupted: nothing in the output folder was changed")
        return _INTERRUPTED
    except BrokenPipeError:
        return _BROKEN_PIPE
    except SystemExit as stop:  # click's own: a completion, or a reader that has gone
        return _BROKEN_PIPE if isinstance(stop.__context__, BrokenPipeError) else int(stop.code or 0)
    except Exception as error:  # noqa: BLE001  # whatever reaches this place is a bug
        return _own_bug(error)
    return result if isinstance(result, int) else 0


def _own_bug(error: Exception) -> int:
    """Tell of a bug of ours, and how to report it."""
    if os.environ.get("SIDECERT_DEBUG"):
        import traceback

        traceback.print_exception(error)
    _say(f"sidecert {__version__} has a bug, and stopped: {type(error).__name__}: {error}")
    _say("    hint: run it again with SIDECERT_DEBUG=1, and report what it prints together with the overlay")
    return 3


def main() -> None:
    """Run the command line, and leave at once: tidying up what the process ends with anyway takes 10 ms."""
    code = run(sys.argv[1:])
    sys.stderr.flush()
    os._exit(code)
