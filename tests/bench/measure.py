"""Measuring the contenders on a fleet: in turn, so that a machine whose speed drifts slows all of them alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median

from tests.bench.contenders import Contender, Fleet
from tests.bench.figures import Figure, Figures
from tests.bench.programs import ProgramError, peak_memory, seconds

#: Fleets by size, and how often each is measured: the time is the median.
ROUNDS = {1: 7, 10: 5, 100: 3, 1_000: 3, 10_000: 1}

#: From this size on a loop is cut into as many parts as there are rounds. Their times are added up.
CUT = 100

#: Calls of a loop that are watched for their memory, which doesn't grow with the fleet.
WATCHED_CALLS = 10

#: Lines that are told of what is wrong.
MOST_TOLD = 20


def measure(fleet: Fleet, contenders: Sequence[Contender], say: Callable[[str], None]) -> tuple[Figures, list[str]]:
    """Run each contender on a fleet, once for its memory and then in rounds for its time.

    Args:
        fleet: not rendered yet; the first contender does that.
        contenders: those that are not meant for a fleet of this size are left out.
        say: is told what is going on.

    Returns:
        The figures, and what is wrong: a program failed, and has no figures then, or its output is not what it should
        be.
    """
    size = len(fleet.names)
    running = [contender for contender in contenders if contender.smallest <= size <= contender.largest]
    memory: dict[str, int] = {}
    times: dict[str, list[float]] = {contender.name: [] for contender in running}
    wrong: list[str] = []

    def in_turn(act: Callable[[Contender], None], order: int = 1) -> None:
        for contender in running[::order]:
            try:
                act(contender)
            except (ProgramError, AssertionError, OSError) as error:  # the last two: its output can't be read
                say(str(error))
                wrong.append(f"{contender.name}: {error}")
                running.remove(contender)

    def watch(contender: Contender) -> None:
        if contender.watched:
            say(f"{contender.name}: memory")
            contender.before(fleet)
            names = fleet.names[:WATCHED_CALLS] if contender.loop else fleet.names
            memory[contender.name] = peak_memory(contender.command(fleet, names), fleet.cache)
            contender.after(fleet)

    def time(contender: Contender) -> None:
        number = len(times[contender.name])
        say(f"{contender.name}: round {number + 1} of {rounds}")
        contender.before(fleet)
        names = fleet.names[number::rounds] if _is_cut(contender, size) else fleet.names
        times[contender.name].append(seconds(contender.command(fleet, names), fleet.cache))
        if number == rounds - 1:
            wrong.extend([*contender.check(fleet)][:MOST_TOLD])
        contender.after(fleet)

    rounds = ROUNDS[size]
    in_turn(watch)
    for number in range(rounds):
        in_turn(time, -1 if number % 2 else 1)
    figures = {
        (contender.name, size): Figure(_total(contender, size, times[contender.name]), memory.get(contender.name))
        for contender in running
    }
    return figures, wrong


def _is_cut(contender: Contender, size: int) -> bool:
    return contender.loop and size >= CUT


def _total(contender: Contender, size: int, taken: Sequence[float]) -> float:
    return sum(taken) if _is_cut(contender, size) else median(taken)
