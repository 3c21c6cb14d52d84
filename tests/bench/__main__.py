"""Measure sidecert beside the programs that its users would pick instead, on fleets of 1 to 10,000 environments.

``SIDECERT_BENCH_FLEET`` limits the largest fleet. A run on all of them writes docs/performance.md and
docs/performance.svg; a shorter one prints, and writes only where a folder with a ``performance.md`` is named.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from functools import partial
from pathlib import Path
from time import perf_counter

from tests.bench import single
from tests.bench.contenders import contenders, new_fleet
from tests.bench.figures import Figures
from tests.bench.machine import facts
from tests.bench.measure import ROUNDS, measure
from tests.bench.plot import plot
from tests.bench.programs import ProgramError
from tests.bench.promises import Promise, promises
from tests.bench.report import tables, write_report

DOCS = Path(__file__).parents[2] / "docs"
LIMIT = int(os.environ.get("SIDECERT_BENCH_FLEET", max(ROUNDS)))

#: The fleet on which it is measured what the chart costs beside the other forms.
CHART_FLEET = 1_000


def main(arguments: list[str]) -> int:
    """Measure, print, and say which promised ratio is not reached; give 1 where an output is wrong, 0 otherwise."""
    sizes = [size for size in ROUNDS if size <= LIMIT]
    report = Path(arguments[0]) if arguments else DOCS if sizes == [*ROUNDS] else None
    figures: Figures = {}
    kept: list[Promise] = []
    wrong: list[str] = []
    with tempfile.TemporaryDirectory(dir=in_memory(max(sizes))) as folder:
        work = Path(folder)
        machine = facts(work)
        for measured in (single.samples, single.one_environment, single.start_of_a_call, single.chart):
            say(measured.__name__.replace("_", " "))
            kept += measured(work)
        for size in sizes:
            fleet = new_fleet(work / str(size), size)
            found, errors = measure(fleet, contenders(), partial(say, f"fleet of {size:,}"))
            figures |= found
            wrong += errors
            if size == CHART_FLEET:
                kept += single.chart_beside_the_others(fleet)
            shutil.rmtree(fleet.folder)
    kept = [*promises(figures), *kept]
    found_tables = tables(figures, kept, machine)
    print("\n\n".join(table.as_text() for table in found_tables))
    if missed := [promise.claim for promise in kept if not promise.reached]:
        print("\nnot reached: " + "; ".join(missed))
    if wrong:
        print("\nwrong, so no report is written:", *wrong, sep="\n")
        return 1
    if report:
        write_report(report, found_tables, plot(figures))
    return 0


def in_memory(size: int) -> str | None:
    """Give a folder in memory, where there is one with room for a fleet of ``size`` and its outputs.

    All programs then read and write there. A disk adds seconds or none, by what was deleted on it a minute ago: ext4
    without a journal, say, creates files up to ten times slower after a mass deletion.
    """
    folder = Path("/dev/shm")
    room = (1 << 28) + size * 400_000  # an environment's 17 or so files fill 110 kB, and lie there up to three times
    return str(folder) if folder.is_dir() and shutil.disk_usage(folder).free > room else None


def say(*parts: str) -> None:
    """Tell what is going on, and when."""
    print(f"{perf_counter() - STARTED:6.0f} s  {': '.join(parts)}", file=sys.stderr, flush=True)


STARTED = perf_counter()

if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except ProgramError as error:
        sys.exit(f"error: {error}")
