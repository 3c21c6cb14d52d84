"""How long each stage of a render takes, and how much it did: the numbers of ``render --profile``."""

from __future__ import annotations

from collections import Counter
from time import perf_counter

#: The stages in the order in which an environment goes through them.
STAGES = ("read", "layer", "check", "render", "parse", "patch", "emit", "write")


class Stages:
    """Seconds and counts by stage; those of several processes can be added up."""

    __slots__ = ("counts", "seconds")

    def __init__(self) -> None:
        """Start at nothing."""
        self.seconds: Counter[str] = Counter()
        self.counts: Counter[tuple[str, str]] = Counter()

    def spent(self, stage: str, since: float, **counts: int) -> float:
        """Add the time since ``since``, and what was done in it; give the time now, where the next stage begins."""
        now = perf_counter()
        self.seconds[stage] += now - since  # type: ignore[assignment]  # counters count seconds as well
        for name, count in counts.items():
            self.counts[stage, name] += count
        return now

    def done(self, stage: str) -> list[tuple[str, int]]:
        """What was counted in a stage."""
        return [(name, number) for (where, name), number in sorted(self.counts.items()) if where == stage]

    def add(self, other: Stages) -> None:
        """Add what another process measured."""
        self.seconds.update(other.seconds)
        self.counts.update(other.counts)
