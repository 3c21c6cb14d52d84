"""What a rule is, and what it finds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from generator.errors import Location, ValuePath
from generator.intake.document import Document
from generator.monitoring.edits import Edit, snippet

if TYPE_CHECKING:
    from generator.monitoring.setup import Setup

Severity = Literal["error", "warning", "info"]
#: From the worst to the mildest.
SEVERITIES: Final[tuple[Severity, ...]] = ("error", "warning", "info")

Stage = Literal["manifest", "injection", "writing", "reading", "scraping", "selection", "access", "renewal", "clients"]
#: The order in which to fix what is found: what comes later can't work before what comes earlier does.
STAGES: Final[Mapping[Stage, str]] = {
    "manifest": "What Kubernetes takes",
    "injection": "The proxy beside Prometheus",
    "writing": "The proxy writes certificates",
    "reading": "Prometheus reads them",
    "scraping": "Jobs and monitors use them",
    "selection": "What selects what",
    "access": "What Prometheus may ask the API server",
    "renewal": "Certificates are renewed",
    "clients": "Who talks to Prometheus, and whom it talks to",
}


class Fix(NamedTuple):
    """How to repair a finding: what to do, and either edits that do it, or YAML that shows it."""

    says: str
    edits: tuple[Edit, ...] = ()
    yaml: str = ""

    @property
    def text(self) -> str:
        """YAML to put into the document; "" where words have to do."""
        return self.yaml or (snippet(self.edits) if self.edits else "")


class Finding(NamedTuple):
    """One fault, at one place. What is the same for all findings of a rule stands in the rule."""

    rule: Rule
    document: Document
    path: ValuePath
    #: What was found, in a phrase with its names and values.
    found: str
    fix: Fix | None = None
    #: Where it differs from the rule's.
    severity: Severity = "error"
    #: The resource concerned, as kubectl users write it.
    resource: str = ""

    @property
    def location(self) -> Location:
        """File, line and column."""
        return self.document.locate(self.path)


Check = Callable[["Setup"], Iterator["Found"]]


class Found(NamedTuple):
    """What a check yields: a finding without what its rule knows already."""

    document: Document
    path: ValuePath
    found: str
    fix: Fix | None = None
    severity: Severity | None = None
    resource: str = ""


class Rule(NamedTuple):
    """One rule: its page in docs/rules.md, ``--explain`` and every report come from here.

    ``why`` says in a paragraph or more (Markdown) why it fails; ``since`` names the release from which on, or "";
    ``sources`` where that can be checked. ``wrong`` is a manifest with the fault and no other: its page shows it with
    the fix, and a test makes the fix.
    """

    id: str
    title: str
    severity: Severity
    stage: Stage
    why: str
    since: str
    sources: tuple[str, ...]
    wrong: str
    check: Check

    @property
    def link(self) -> str:
        """Its page, as an address within the documentation."""
        return f"docs/rules.md#{self.id}"


#: Every rule by its id, in the order in which to fix what they find. Filled by `rule`.
RULES: dict[str, Rule] = {}


def rule(
    rule_id: str,
    *,
    title: str,
    severity: Severity,
    stage: Stage,
    why: str,
    wrong: str,
    since: str = "",
    sources: Sequence[str] = (),
) -> Callable[[Check], Check]:
    """Make a rule of a generator function that takes a `Setup` and yields `Found`."""
    from textwrap import dedent

    def register(check: Check) -> Check:
        reason, example = dedent(why).strip(), dedent(wrong).strip() + "\n"
        made = Rule(rule_id, title, severity, stage, reason, since, tuple(sources), example, check)
        if rule_id in RULES:
            raise ValueError(f"two rules are called {rule_id}")
        RULES[rule_id] = made
        return check

    return register
