"""Programs that the lab runs: started with a log, waited for, and ended whatever happens."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

#: Reads the pipe that the test run holds open. The kernel closes it when the run dies, however it dies, and everything
#: in the watchdog's process group goes with it.
_WATCHDOG = "trap '' TERM INT HUP; read -r _; kill -KILL 0"

#: Which loopback networks are given out: 127.16.0.0/16 to 127.250.0.0/16, clear of what systems use themselves.
_NETWORKS = range(16, 251)
_CLAIM_PORT = 65000

#: Below what Linux gives to outgoing connections (32768 to 60999), above what the pods use.
_FREE_PORTS = range(20000, 32000)


class ProcessError(AssertionError):
    """A program ended early, or did not become ready: the message ends with the last lines of its log."""


class Process:
    """A running program, with what it prints in a file.

    Program and children make up one process group of their own. It is ended by ``stop`` or at the end of a ``with``
    block, and by a watchdog when this Python process dies without either.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        log: Path,
        *,
        name: str = "",
        environment: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        """Start a program.

        Args:
            command: the program and its arguments.
            log: the file that gets its standard output and error; what was in it stays.
            name: what messages call it; by default the program's file name.
            environment: variables to add to this process' own.
            cwd: the folder to start it in.

        Raises:
            OSError: there is no such program, or it can't be run.
        """
        self.name = name or Path(command[0]).name
        self.log = log
        # The watchdog leads the group, so the group's number stays taken until the watchdog has been waited for.
        self._watchdog = subprocess.Popen(
            ["/bin/sh", "-c", _WATCHDOG],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            process_group=0,
        )
        self.group = self._watchdog.pid
        try:
            with log.open("ab") as output:
                self._program = subprocess.Popen(
                    [str(part) for part in command],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env={**os.environ, **(environment or {})},
                    cwd=cwd,
                    process_group=self.group,
                )
        except BaseException:
            self._end_group()
            raise
        self.pid = self._program.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    @property
    def running(self) -> bool:
        """Whether the program has not ended yet."""
        return self._program.poll() is None

    @property
    def exit_code(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        return self._program.poll()

    def tail(self, lines: int = 30) -> str:
        """Give the last lines of the log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def wait_until(
        self, condition: Callable[[], bool], *, timeout: float = 40.0, interval: float = 0.02, what: str = "ready"
    ) -> Self:
        """Wait until a condition holds, and give the process itself.

        Args:
            condition: asked again and again; an OSError it raises counts as no.
            timeout: how long to wait, in seconds.
            interval: how long to sleep between two questions, in seconds.
            what: what is waited for, for the message.

        Raises:
            ProcessError: the program has ended, or the time is over. The program is stopped in both cases.
        """
        end = time.monotonic() + timeout
        while True:
            last = ""
            try:
                if condition():
                    return self
            except OSError as error:
                last = f" ({error})"
            if not self.running:
                problem = f"{self.name} ended with exit code {self.exit_code} before it was {what}"
            elif time.monotonic() > end:
                problem = f"{self.name} is not {what} after {timeout:g} s{last}"
            else:
                time.sleep(interval)
                continue
            self.stop()
            raise ProcessError(f"{problem}; the end of {self.log}:\n{self.tail()}")

    def wait_for_url(self, url: str, *, timeout: float = 40.0) -> Self:
        """Wait until a URL is answered with status 200, and give the process itself.

        Raises:
            ProcessError: as ``wait_until``.
        """
        return self.wait_until(lambda: answers(url), timeout=timeout, what=f"answering {url}")

    def signal(self, number: int) -> None:
        """Send a signal to the program alone, such as SIGHUP."""
        self._program.send_signal(number)

    def stop(self, patience: float = 3.0) -> None:
        """End the program and its children: asked first, killed after ``patience`` seconds. Safe to call twice."""
        if self._watchdog.returncode is not None:
            return
        if self.running:
            os.killpg(self.group, signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self._program.wait(patience)
        self._end_group()
        self._program.wait()

    def _end_group(self) -> None:
        os.killpg(self.group, signal.SIGKILL)
        self._watchdog.wait()
        if self._watchdog.stdin:
            self._watchdog.stdin.close()


def bound_by_modes(command: Sequence[str | Path]) -> list[str]:
    """Give a command line that runs a program so that it can't read what file modes forbid, even if root starts it.

    In a cluster neither the proxy nor Prometheus runs as root, whom no mode stops. The program keeps its user.
    """
    plain = [str(part) for part in command]
    return ["setpriv", "--bounding-set=-dac_override,-dac_read_search", *plain] if os.geteuid() == 0 else plain


def answers(url: str, timeout: float = 1.0) -> bool:
    """Say whether a URL is answered with status 200.

    Raises:
        OSError: there is no connection, or no answer in time.
    """
    # Without a handler for proxies: what http_proxy says is not meant for loopback addresses.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=timeout) as response:
            return bool(response.status == 200)
    except urllib.error.HTTPError as error:
        error.close()
        return False


def free_port(host: str = "127.0.0.1") -> int:
    """Give a TCP port of a loopback address on which nothing listens now.

    It is one that the kernel gives to nobody by itself, so that no connection takes it before the program is started.

    Raises:
        OSError: none was found.
    """
    for port in random.sample(_FREE_PORTS, 100):
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe, suppress(OSError):
            probe.bind((host, port))
            return port
    raise OSError(f"no free port at {host}")


@contextmanager
def claimed_network() -> Iterator[int]:
    """Claim a loopback network for pods, so that labs that run at once share no address.

    Yields:
        N, for the addresses 127.N.0.0 to 127.N.254.255. It is free again after the block, or when this process ends.

    Raises:
        OSError: all are taken.
    """
    with socket.socket() as claim:
        for number in random.sample(_NETWORKS, len(_NETWORKS)):
            try:
                claim.bind((f"127.{number}.255.254", _CLAIM_PORT))
            except OSError:
                continue
            yield number
            return
    raise OSError("every loopback network is taken")
