"""A stand-in for istio-agent: writes a workload certificate as OUTPUT_CERTS makes it, and renews it."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

from tests.e2e.certificates import Credentials

#: The files, in the order in which the agent writes them.
KEY, CHAIN, ROOT = "key.pem", "cert-chain.pem", "root-cert.pem"


class Agent:
    """Writes ``key.pem``, ``cert-chain.pem`` and ``root-cert.pem`` to a folder, and new ones every so often.

    Each file is replaced by a rename, and only if its content has changed; the three together are not one step, so a
    reader may meet a key that does not fit the certificate. A thread does the writing between ``start`` and ``stop``,
    or during a ``with`` block; what it fails at is raised by ``stop`` and by ``wait_for``.
    """

    def __init__(
        self,
        folder: Path,
        issue: Callable[[], Credentials],
        *,
        every: float | None = None,
        late: float = 0.0,
        mismatched_for: float = 0.0,
        mode: int = 0o644,
        key_mode: int | None = None,
    ) -> None:
        """Say what to write; nothing is written yet.

        Args:
            folder: where to; unlike the real agent's it is made if absent. To write elsewhere, name another.
            issue: gives new credentials; called once for each rotation.
            every: seconds from one rotation to the next; None writes once.
            late: seconds from ``start`` to the first write.
            mismatched_for: seconds from the new key to its certificate, in every rotation but the first.
            mode: of the files. Istio 1.9.0 to 1.9.3 wrote 0600.
            key_mode: of the key, where it differs. 0 makes it unreadable, even to root if its program was started
                ``processes.bound_by_modes``.
        """
        self.folder = folder
        self.issue = issue
        self.every = every
        self.late = late
        self.mismatched_for = mismatched_for
        self.mode = mode
        self.key_mode = mode if key_mode is None else key_mode
        self.rotations = 0
        self._last: dict[str, bytes] = {}
        self._failure: BaseException | None = None
        self._stopping = threading.Event()
        self._written = threading.Condition()
        self._writing = threading.Lock()
        self._thread = threading.Thread(target=self._run, name=f"agent {folder}", daemon=True)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def start(self) -> Self:
        """Start to write. Without ``late`` the three files are there when this returns."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if not self.late:
            self.rotate()
        self._thread.start()
        return self

    def stop(self) -> None:
        """End the rotations; the files stay. Raises what the thread has failed at."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._raise_failure()

    def rotate(self, mismatched_for: float = 0.0) -> None:
        """Write a new set now; with ``mismatched_for``, the certificate so many seconds after its key."""
        with self._writing:
            new = self.issue()
            self._write(KEY, new.key, self.key_mode)
            if mismatched_for:
                self._stopping.wait(mismatched_for)
            self._write(CHAIN, new.chain, self.mode)
            self._write(ROOT, new.root, self.mode)
        with self._written:
            self.rotations += 1
            self._written.notify_all()

    def wait_for(self, rotations: int, timeout: float = 30.0) -> None:
        """Wait until so many sets have been written since the start, the first included.

        Raises:
            TimeoutError: they were not, within ``timeout`` seconds.
        """
        end = time.monotonic() + timeout
        with self._written:
            while self.rotations < rotations:
                self._raise_failure()
                if not self._written.wait(max(0.0, min(0.5, end - time.monotonic()))) and time.monotonic() > end:
                    raise TimeoutError(f"{self.rotations} rotations after {timeout:g} s, not {rotations}")

    def _run(self) -> None:
        try:
            if self.late:
                if self._stopping.wait(self.late):
                    return
                self.rotate()
            while self.every is not None and not self._stopping.wait(self.every):
                self.rotate(self.mismatched_for)
        except BaseException as error:  # noqa: BLE001 - a thread's failure would go unseen
            self._failure = error

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _write(self, name: str, content: bytes, mode: int) -> None:
        path = self.folder / name
        if self._last.get(name) == content and path.exists():
            return
        handle, temporary = tempfile.mkstemp(dir=self.folder, prefix=f"{name}.")
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            os.fchmod(handle, mode)
        Path(temporary).replace(path)
        self._last[name] = content
