"""Processes of this machine that do what they are given, and whose death is noticed.

`ProcessPoolExecutor` has one pipe for the results of all its processes: where one is killed while it writes to that,
the rest of its result is waited for without end. Here each process has a pipe of its own, and a thread looks after it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from multiprocessing.connection import Connection


class DeadProcessError(BrokenExecutor):
    """A process died while it did something; ``code`` is its exit code, or minus the signal that ended it."""

    def __init__(self, code: int) -> None:
        """Take the exit code."""
        super().__init__(f"a process died: {code}")
        self.code = code


class Processes(Executor):
    """Some processes, which end when it is shut down, whatever they are doing.

    Raises:
        OSError: not all can be started; then none is.
    """

    def __init__(self, count: int, context: Any, prepare: Callable[[], object]) -> None:
        """Start ``count`` processes in a `multiprocessing` context; each calls ``prepare`` first."""
        self._waiting: SimpleQueue[tuple[Future[Any], tuple[Any, ...]] | None] = SimpleQueue()
        self._processes: list[Any] = []
        self._pipes: list[Any] = []
        self._threads: list[threading.Thread] = []
        try:
            for _ in range(count):
                ours, theirs = context.Pipe()
                self._pipes.append(ours)
                process = context.Process(target=_serve, args=(theirs, prepare), daemon=True)
                try:
                    process.start()
                finally:
                    theirs.close()
                self._processes.append(process)
        except BaseException:
            self.shutdown()
            raise
        for process, pipe in zip(self._processes, self._pipes, strict=True):  # only now: copies are made of one thread
            thread = threading.Thread(target=self._look_after, args=(process, pipe), daemon=True)
            thread.start()
            self._threads.append(thread)

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        """Have a function called, which another process must be able to import; a result comes as it is pickled."""
        future: Future[Any] = Future()
        self._waiting.put((future, (function, arguments, named)))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = True) -> None:  # noqa: ARG002  # no other way
        """End all processes at once."""
        for process in self._processes:
            process.kill()
        for _ in self._threads:
            self._waiting.put(None)
        for thread in self._threads:
            thread.join()
        for process in self._processes:
            process.join()
        for pipe in self._pipes:
            pipe.close()

    def _look_after(self, process: Any, pipe: Connection) -> None:
        """Give a process one thing to do after another; when it has died, say so of each."""
        while (task := self._waiting.get()) is not None:
            future, call = task
            if not future.set_running_or_notify_cancel():
                continue
            try:
                pipe.send(call)
                result, error, trace = pipe.recv()
            except (EOFError, OSError):  # nothing came, or a part; nor will it next time
                process.join()
                future.set_exception(DeadProcessError(process.exitcode or 0))
            except Exception as unreadable:  # noqa: BLE001  # whoever waits for it decides what to make of it
                future.set_exception(unreadable)
            else:
                if error is None:
                    future.set_result(result)
                else:
                    error.__cause__ = _TraceError(trace)
                    future.set_exception(error)


class _TraceError(Exception):
    """The trace of an exception in another process, to be printed above that exception's own."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


def _serve(pipe: Connection, prepare: Callable[[], object]) -> None:
    """Do what comes through a pipe, in a process of our own, until whoever sends it is gone."""
    prepare()
    while True:
        try:
            function, arguments, named = pipe.recv()
        except (EOFError, OSError):
            return
        answer: tuple[Any, Exception | None, str]
        try:
            answer = (function(*arguments, **named), None, "")
        except Exception as error:  # noqa: BLE001  # whoever sent it decides what to make of it
            import traceback

            answer = (None, error, traceback.format_exc())
        pipe.send(answer)
