"""The command ``sidecert``: turns arguments into calls, problems into text, and outcomes into exit codes.

Exit codes: 0 fine, 1 ``--check`` found differences, 2 the input, the output folder or the arguments can't be used,
3 a bug of ours, 130 interrupted, 141 nobody reads the output any more. Results go to standard output, everything else
to standard error.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterable

import click

from generator.cli.commands import BROKEN_PIPE, cli
from generator.cli.report import print_bug, print_problems, say
from generator.errors import GeneratorError

_UNUSABLE = 2
_BUG = 3
_INTERRUPTED = 130
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}


def run(arguments: Iterable[str]) -> int:
    """Run a command, and give its exit code; every outcome is decided here."""
    try:
        result = cli.main(list(arguments), prog_name="sidecert", standalone_mode=False)
        sys.stdout.flush()
    except GeneratorError as error:
        print_problems(error)
        return _UNUSABLE
    except click.ClickException as error:
        error.show()
        return error.exit_code if isinstance(error, click.UsageError) else _UNUSABLE
    except (KeyboardInterrupt, click.Abort):
        say("interrupted: nothing in the output folder was changed")
        return _INTERRUPTED
    except BrokenPipeError:
        return BROKEN_PIPE
    except OSError as error:
        if error.errno not in _FULL:
            print_bug(error)
            return _BUG
        say(f"error: standard output: {error.strerror}")  # the output folder has its own words for this
        return _UNUSABLE
    except SystemExit as stop:  # click's own, after a completion
        return int(stop.code or 0)
    except Exception as error:  # noqa: BLE001  # whatever reaches this place is a bug
        print_bug(error)
        return _BUG
    return result if isinstance(result, int) else 0


def main() -> None:
    """Run the command line, and leave at once: tidying up what the process ends with anyway takes 10 ms."""
    code = run(sys.argv[1:])
    sys.stderr.flush()
    os._exit(code)
