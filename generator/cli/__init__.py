"""The command ``sidecert``: turns arguments into calls, problems into text, and outcomes into exit codes.

Exit codes: 0 fine, 1 ``--check`` or ``diff`` found differences, ``verify``, ``doctor`` or ``migrate`` something to
repair or ``inject`` a pod that is refused, 2 the input, the output folder or the arguments can't be used, or
Prometheus can't be asked, 3 a bug of ours or a process of ours died, 130 interrupted, 141 nobody reads the output any
more. Results go to standard output, everything else to standard error.
"""

from __future__ import annotations

import errno
import gc
import os
import sys
from collections.abc import Iterable

from generator.cli.commands import invoke
from generator.cli.report import BROKEN_PIPE, UNUSABLE, print_bug, print_problems, say
from generator.errors import CrashError, GeneratorError

_BUG = 3
_INTERRUPTED = 130
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}
#: A start makes fewer objects than this, so it never looks for cycles, which takes 5 ms of it; a fleet still does.
_GARBAGE_THRESHOLD = 100_000


def run(arguments: Iterable[str]) -> int:
    """Run a command, and give its exit code; every outcome is decided here."""
    try:
        code = invoke(tuple(arguments))
        sys.stdout.flush()
    except CrashError as error:
        print_problems(error)
        return _BUG
    except GeneratorError as error:
        print_problems(error)
        return UNUSABLE
    except KeyboardInterrupt:
        say("interrupted: nothing was changed")
        return _INTERRUPTED
    except BrokenPipeError:
        return BROKEN_PIPE
    except OSError as error:
        if error.errno not in _FULL:
            print_bug(error)
            return _BUG
        say(f"error: standard output: {error.strerror}")  # the output folder has its own words for this
        return UNUSABLE
    except SystemExit as stop:  # click's own, after a completion
        return int(stop.code or 0)
    except Exception as error:  # noqa: BLE001  # whatever reaches this place is a bug
        print_bug(error)
        return _BUG
    return code


def main() -> None:
    """Run the command line, and leave at once: tidying up what the process ends with anyway takes 10 ms."""
    gc.set_threshold(_GARBAGE_THRESHOLD)
    sys.unraisablehook = _unraisable
    _fill_closed_streams()
    if sys.stdout is None:
        say("error: standard output is closed")
        code = UNUSABLE
    else:
        code = run(sys.argv[1:])
    sys.stderr.flush()
    os._exit(code)


def _fill_closed_streams() -> None:
    """Keep the numbers of the standard streams from files that are opened later, where one of them is closed."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= _STANDARD_ERROR:
        pass
    os.close(descriptor)
    if sys.stderr is None:
        sys.stderr = open(_STANDARD_ERROR, "w", encoding="utf-8", closefd=False)  # noqa: SIM115  # until the end


_STANDARD_ERROR = 2


def _unraisable(lost: sys.UnraisableHookArgs) -> None:
    """Have Ctrl-C strike again where Python threw it away, as it does when it strikes in a callback or a destructor."""
    import signal

    if lost.exc_type is not KeyboardInterrupt or not hasattr(signal, "setitimer"):
        sys.__unraisablehook__(lost)
        return
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, _SECONDS_TO_STRIKE_AGAIN)


_SECONDS_TO_STRIKE_AGAIN = 0.005
