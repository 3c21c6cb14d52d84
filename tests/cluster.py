"""A Dask cluster on this machine, as a program: prints its scheduler's address, then answers commands, one a line.

``workers N`` has N workers; ``clients`` tells how many clients there are. It ends with its standard input.

Its workers import this file before all else, and then die of environments with certain names: of ``once`` the first
worker to render it (``FOLDER`` keeps the mark), of ``always`` every one. So each knows how to die half-way.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

FOLDER = "CLUSTER_FOLDER"


def dask_setup(worker: Any) -> None:
    """Prepare a worker; called by Dask."""
    from generator.build import Builder

    real = Builder.units

    def units(self: Builder, name: str, *rest: Any) -> Any:
        mark = Path(os.environ[FOLDER], "died")
        if name.endswith("always") or (name.endswith("once") and not mark.exists()):
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if name.endswith("slow"):
            time.sleep(0.05)
        return real(self, name, *rest)

    setattr(Builder, "units", units)  # noqa: B010  # a type checker would have none of it


def main() -> None:
    import dask
    from distributed import LocalCluster

    dask.config.set({"distributed.worker.preload": [__file__], "distributed.scheduler.allowed-failures": 1})
    with LocalCluster(  # type: ignore[no-untyped-call]
        n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1", memory_limit=0, silence_logs=50
    ) as cluster:
        print(cluster.scheduler_address, flush=True)
        for line in sys.stdin:
            command, _, number = line.strip().partition(" ")
            if command == "workers":
                cluster.scale(int(number))
                while len(cluster.scheduler_info["workers"]) != int(number):
                    time.sleep(0.05)
                print("so it is", flush=True)
            else:
                print(len(cluster.scheduler.clients) - 1, flush=True)  # the scheduler counts itself


if __name__ == "__main__":
    main()
