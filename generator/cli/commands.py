"""The commands. Other rooms are imported inside them, so that help, version and completion answer at once."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from generator import __version__
from generator.cli.adopt import adopt
from generator.cli.diff import diff
from generator.cli.doctor import doctor
from generator.cli.inject import inject
from generator.cli.migrate import migrate
from generator.cli.options import (
    FORMS,
    Folders,
    complete_environment,
    format_option,
    project_options,
    read_forms,
    read_version,
    selected_names,
    selection_options,
)
from generator.cli.rendering import Manner, render_to_folder, worker_options
from generator.cli.report import BROKEN_PIPE, UNUSABLE, print_data, say
from generator.cli.verify import verify

if TYPE_CHECKING:
    from generator.update import Shard


def invoke(arguments: Sequence[str]) -> int:
    """Run a command, and give its exit code; what is wrong with the arguments is told here."""
    try:
        result = cli.main(list(arguments), prog_name="sidecert", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code if isinstance(error, click.UsageError) else UNUSABLE
    except click.Abort:
        raise KeyboardInterrupt from None
    return result if isinstance(result, int) else 0


class _Commands(click.Group):
    """Tells a reader that has gone (``| head``) from a difference: click would exit with 1 for both."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise click.exceptions.Exit(BROKEN_PIPE) from None


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 fine, 1 --check, diff, verify, doctor or migrate found something, or inject a pod that is "
    "refused, 2 something can't be used, 3 a bug.",
)
@click.version_option(__version__, prog_name="sidecert", message="%(prog)s %(version)s")
def cli() -> None:
    """Render what your own Prometheus needs to scrape Istio workloads over strict mTLS.

    Values in overlays/ and templates give plain manifests, a Kustomize base with overlays, and a Helm chart with a
    values file for each environment.
    """


@cli.command(
    short_help="Render environments.",
    epilog="""\b
    Examples:
      sidecert render                       every environment; what is gone from overlays/ goes from output/
      sidecert render dev 'prod/*'          some of them; quote the globs
      sidecert render -l region=eu          those with a label in their values
      sidecert render --changed-since main  those whose inputs this branch changed
      sidecert render --only manifests      one form
      sidecert render --stdout dev | kubectl apply -f -
      sidecert render --check               in CI: is output/ what would be rendered?""",
)
@click.argument("environments", metavar="[ENV]...", nargs=-1, shell_complete=complete_environment)
@click.option(
    "--only",
    "forms",
    metavar="FORM,...",
    default=",".join(FORMS),
    callback=read_forms,
    help="Any of manifests, kustomize, helm.  [default: all]",
)
@click.option("--stdout", is_flag=True, help="Print one environment's manifests as a YAML stream; write no file.")
@click.option(
    "--check", is_flag=True, help="Write nothing; print a diff and exit 1 where output/ is stale or hand-edited."
)
@click.option("--force", is_flag=True, help="Overwrite files that were edited by hand.")
@click.option("-q", "--quiet", is_flag=True, help="No summary and no progress bar.")
@selection_options
@worker_options
@project_options
def render(
    environments: tuple[str, ...],
    *,
    forms: tuple[str, ...],
    stdout: bool,
    check: bool,
    force: bool,
    quiet: bool,
    selectors: tuple[str, ...],
    changed_since: str | None,
    shard: Shard | None,
    jobs: int | None,
    scheduler: str,
    no_cache: bool,
    profile: bool,
    **where: Any,
) -> None:
    """Render environments, named or given as globs; all of them without any.

    A * in a glob also stands for slashes. Where some are selected, nothing is removed from output/. What
    is in output/ already as it should be isn't rendered again.
    """
    folders = Folders(**where)
    workspace = folders.workspace()
    names = selected_names(workspace, environments, selectors, changed_since)
    narrowed = bool(environments or selectors or changed_since is not None)
    if not names:
        if not quiet:
            say("no environment is selected: nothing to do")
        return
    if stdout:
        if len(names) != 1 or check or shard or scheduler or profile:
            raise click.UsageError(
                "--stdout takes exactly one environment, and no --check, --shard, --scheduler or --profile"
            )
        from generator import build

        sys.stdout.write(build.stream(workspace, names[0]))
        return
    manner = Manner(shard, jobs, scheduler, no_cache, profile)
    render_to_folder(
        workspace, names, folders, forms, complete=not narrowed, check=check, force=force, quiet=quiet, manner=manner
    )


@cli.command(
    short_help="Pack the Helm chart.",
    epilog="""\b
    Examples:
      sidecert package                                  prometheus-istio-mtls-VERSION.tgz, here
      sidecert package --version 1.4.0 -d dist && helm push dist/*.tgz oci://registry.example.com/charts""",
)
@click.option(
    "-d", "--destination", metavar="DIR", type=click.Path(), default=".", help="Where to write it.  [default: .]"
)
@click.option("--version", metavar="VERSION", callback=read_version, help="The chart's version.  [default: sidecert's]")
@click.option("--app-version", metavar="VERSION", help="[default: Prometheus' default version]")
@project_options
def package(destination: str, version: str | None, app_version: str | None, **where: Any) -> None:
    """Pack the Helm chart into a .tgz for helm install and helm push; print its path.

    The same templates give the same bytes.
    """
    from generator import build
    from generator.tree import write_file

    name, content = build.package(Folders(**where).workspace(), version, app_version)
    write_file(destination, name, content)
    sys.stdout.write(f"{os.path.join(destination, name)}\n")


@cli.command(
    "list",
    short_help="List the environments.",
    epilog="""\b
    Examples:
      sidecert list
      sidecert list 'prod/*' -l 'tier in (edge, core)'
      sidecert list --changed-since origin/main -o json""",
)
@click.argument("environments", metavar="[ENV]...", nargs=-1, shell_complete=complete_environment)
@format_option
@selection_options
@project_options
def list_environments(
    environments: tuple[str, ...],
    form: str | None,
    selectors: tuple[str, ...],
    changed_since: str | None,
    **where: Any,
) -> None:
    """List environments, named or given as globs, each with its variant and namespace; all of them without any."""
    from generator import build

    workspace = Folders(**where).workspace()
    narrowed = environments or selectors or changed_since is not None
    names = selected_names(workspace, environments, selectors, changed_since) if narrowed else None
    listed = build.summaries(workspace, names)
    if form:
        print_data([entry._asdict() for entry in listed], form)
        return
    widths = [max((len(entry[column]) for entry in listed), default=0) for column in range(2)]
    for name, variant, namespace in listed:
        sys.stdout.write(f"{name:<{widths[0]}}  {variant:<{widths[1]}}  {namespace}\n")


@cli.command(
    short_help="Print an environment's merged values.",
    epilog="""\b
    Examples:
      sidecert values dev
      sidecert values dev -o json
      sidecert values prod/eu-1 --origin | grep scrape""",
)
@click.argument("environment", metavar="ENV", shell_complete=complete_environment)
@click.option("--origin", is_flag=True, help="One line for each value, with the file and line that it comes from.")
@format_option
@project_options
def values(environment: str, origin: bool, form: str | None, **where: Any) -> None:
    """Print an environment's values: the defaults, and its layers over them."""
    from generator import build

    workspace = Folders(**where).workspace()
    if origin and form:
        raise click.UsageError("--origin has one form only, so it takes no -o")
    if origin:
        sys.stdout.writelines(f"{line}\n" for line in build.origins(workspace, environment))
    else:
        print_data(build.merged_values(workspace, environment), form or "yaml")


@cli.command(
    short_help="Print the JSON Schema of values.", epilog="\b\nExample:\n  sidecert schema > values.schema.json"
)
@project_options
def schema(**where: Any) -> None:
    """Print the JSON Schema of values, with what the project's own variants add."""
    print_data(Folders(**where).workspace().schema().document, "json")


cli.add_command(diff)
cli.add_command(verify)
cli.add_command(doctor)
cli.add_command(adopt)
cli.add_command(migrate)
cli.add_command(inject)


@cli.command(
    short_help="Print a script for a shell's completion.",
    epilog="""\b
    Examples:
      source <(sidecert completion bash)      now; put the line into ~/.bashrc to keep it
      source <(sidecert completion zsh)       in ~/.zshrc
      sidecert completion fish > ~/.config/fish/completions/sidecert.fish""",
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print a script that completes commands, options and environments in a shell."""
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"click can't complete in {shell}")
    sys.stdout.write(found(cli, {}, "sidecert", "_SIDECERT_COMPLETE").source() + "\n")
