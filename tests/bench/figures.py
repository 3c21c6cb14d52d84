"""What was measured."""

from __future__ import annotations

from typing import NamedTuple


class Figure(NamedTuple):
    """What was measured of one contender on one fleet."""

    seconds: float
    #: Peak memory in bytes; None where it was not looked at.
    memory: int | None


#: Figures by the contender's name and the fleet's size.
Figures = dict[tuple[str, int], Figure]
