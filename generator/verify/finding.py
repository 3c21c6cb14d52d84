"""What verification finds, as values."""

from __future__ import annotations

from typing import Any, NamedTuple

from generator.verify.known import Cause

MOST_EXAMPLES = 3


class Finding(NamedTuple):
    """One thing to repair.

    ``number`` says how many of ``what`` (``target``, ``job``, ``alert`` ...) it concerns, ``says`` what Prometheus
    reports of them, ``examples`` some of them, ``jobs`` the scrape jobs concerned.
    """

    cause: Cause
    number: int
    what: str
    jobs: tuple[str, ...] = ()
    says: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()

    def as_data(self) -> dict[str, Any]:
        """Give it as JSON for programs."""
        cause = self.cause
        return {
            "key": cause.key,
            "step": cause.step.name.lower(),
            "title": cause.title,
            "number": self.number,
            "of": self.what,
            "jobs": list(self.jobs),
            "says": list(self.says),
            "examples": list(self.examples),
            "cause": cause.cause,
            "remedy": cause.remedy,
            "fact": cause.fact,
        }


class JobState(NamedTuple):
    """A scrape job as it runs.

    ``pool`` is whether Prometheus has set the job up, None where it doesn't tell; ``found`` how many targets discovery
    finds before relabelling, None where that isn't known.
    """

    name: str
    up: int = 0
    down: int = 0
    unknown: int = 0
    pool: bool | None = None
    found: int | None = None

    @property
    def targets(self) -> int:
        """How many targets it has."""
        return self.up + self.down + self.unknown


class Report(NamedTuple):
    """The outcome: ``findings`` in the order in which to repair them, ``notes`` what is good to know."""

    url: str
    version: str
    environment: str
    jobs: tuple[JobState, ...]
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]

    def as_data(self) -> dict[str, Any]:
        """Give it as JSON for programs."""
        return {
            "ok": not self.findings,
            "url": self.url,
            "prometheus": self.version or None,
            "environment": self.environment or None,
            "jobs": [job._asdict() for job in self.jobs],
            "findings": [finding.as_data() for finding in self.findings],
            "notes": list(self.notes),
        }
