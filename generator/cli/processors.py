"""How many processors this process may use: those that it may run on, and the share of them that a container has."""

from __future__ import annotations

import os
from collections.abc import Iterator


def processors(root: str = "") -> int:
    """Give the number of processors to use, at least 1; ``root`` is where ``/proc`` and ``/sys`` are found."""
    try:
        allowed = len(os.sched_getaffinity(0))
    except AttributeError:  # only Linux tells
        allowed = os.cpu_count() or 1
    shares = [quota / period for quota, period in _quotas(root) if quota > 0 and period > 0]
    return max(1, min([allowed, *(-int(-share // 1) for share in shares)]))


def _quotas(root: str) -> Iterator[tuple[int, int]]:
    """Give the time that control groups may run, and in which time; every group above sets a bound as well.

    A container may see its group as the top one, or by the name that it has on the machine and none of its files there:
    those at the top are its own then.
    """
    for line in _read(f"{root}/proc/self/cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, group = rest.partition(":")
        steps = [step for step in group.split("/") if step not in {"", ".."}]
        for count in range(len(steps) + 1):
            path = "/".join(["", *steps[:count]])
            if not controllers:  # version 2
                numbers = _read(f"{root}/sys/fs/cgroup{path}/cpu.max").split()
            elif "cpu" in controllers.split(","):
                folder = f"{root}/sys/fs/cgroup/cpu{path}"
                numbers = [_read(f"{folder}/cpu.cfs_{name}_us").strip() for name in ("quota", "period")]
            else:
                continue
            if len(numbers) == 2 and all(number.isdecimal() for number in numbers):  # not "max", not -1
                yield int(numbers[0]), int(numbers[1])


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
