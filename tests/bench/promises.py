"""What sidecert promises of its speed and memory, each as a ratio of two figures of the same run."""

from __future__ import annotations

from typing import NamedTuple

from tests.bench.figures import Figures
from tests.bench.names import (
    COPY,
    HELM_LOOPS,
    KAPITAN_ONE,
    KUSTOMIZE_LOOP,
    SIDECERT_CHANGED,
    SIDECERT_COLD,
    SIDECERT_WARM,
)


class Promise(NamedTuple):
    """One promise, and what was measured. Without a bound it promises nothing and only tells."""

    claim: str
    measured: float
    at_least: float | None = None
    at_most: float | None = None
    #: What we would like it to be; meant for ``at_least``.
    wanted: float | None = None
    unit: str = ""

    @property
    def reached(self) -> bool:
        """Tell whether it is kept."""
        low = self.at_least is not None and self.measured < self.at_least
        return not low and not (self.at_most is not None and self.measured > self.at_most)

    @property
    def bound(self) -> str:
        """Print what is promised."""
        least = "" if self.at_least is None else f"at least {self.at_least:g}"
        most = "" if self.at_most is None else f"at most {self.at_most:g}"
        unit = f" {self.unit}" if self.unit else ""
        return f"{least}{most}{unit}" if least or most else ""

    @property
    def verdict(self) -> str:
        """Print whether it is kept."""
        if not self.bound:
            return ""
        if not self.reached:
            return "not reached"
        return "reached" if self.wanted is None else f"reached, {self._wish()}"

    def _wish(self) -> str:
        wanted = self.wanted or 0.0
        return f"and the {wanted:g} we want" if self.measured >= wanted else f"not the {wanted:g} we want"


def promises(figures: Figures) -> list[Promise]:
    """Give those that the figures tell of; what was not measured is left out."""
    found = [
        *[_ratio(figures, (helm, 1_000), (SIDECERT_COLD, 1_000), at_least=15, wanted=25) for helm in HELM_LOOPS],
        _ratio(figures, (KUSTOMIZE_LOOP, 1_000), (SIDECERT_COLD, 1_000), at_least=50, wanted=80),
        _ratio(figures, (KAPITAN_ONE, 1_000), (SIDECERT_COLD, 1_000), at_least=1),
        _ratio(figures, (KAPITAN_ONE, 10_000), (SIDECERT_COLD, 10_000)),
        _ratio(figures, (SIDECERT_COLD, 1_000), (COPY, 1_000)),
        _ratio(figures, (SIDECERT_COLD, 10_000), (SIDECERT_COLD, 1_000), at_most=11),
        _ratio(figures, (SIDECERT_WARM, 1_000), (SIDECERT_COLD, 1_000), at_most=0.1),
        _ratio(figures, (SIDECERT_CHANGED, 1_000), (SIDECERT_COLD, 1_000)),
        _ratio(figures, (SIDECERT_COLD, 10_000), (SIDECERT_COLD, 1_000), at_most=1.5, memory=True),
    ]
    return [promise for promise in found if promise]


def _ratio(
    figures: Figures,
    one: tuple[str, int],
    other: tuple[str, int],
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    wanted: float | None = None,
    memory: bool = False,
) -> Promise | None:
    """Give the ratio of two figures, each named by its contender and size; None where one of them is missing."""
    if one not in figures or other not in figures:
        return None
    first, second = figures[one], figures[other]
    if memory:
        if not first.memory or not second.memory:
            return None
        measured = first.memory / second.memory
    else:
        measured = first.seconds / second.seconds
    return Promise(_claim(one, other, memory), measured, at_least, at_most, wanted)


def _claim(one: tuple[str, int], other: tuple[str, int], memory: bool) -> str:
    what = "peak memory, " if memory else ""
    if one[0] == other[0]:
        return f"{what}{one[0]}: {one[1]:,} environments / {other[1]:,}"
    return f"{one[1]:,} environments: {one[0]} / {other[0]}"
