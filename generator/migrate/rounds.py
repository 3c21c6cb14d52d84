"""Fix after fix until doctor has no more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from generator.doctor import Diagnosis, Finding, examine
from generator.doctor.examining import united
from generator.doctor.report import whole_path
from generator.doctor.rule import Severity
from generator.errors import InputError, Problem, ValuePath
from generator.intake import Intake, read_texts
from generator.migrate.applying import Texts
from generator.migrate.builds import Builds, State
from generator.migrate.choosing import together
from generator.migrate.kustomizations import Built
from generator.migrate.sources import Source
from generator.migrate.tracing import Tracing, is_built
from generator.monitoring import Settings, assemble
from generator.monitoring.worlds import worlds

# There are nine stages, and few rules in each; a setup that takes more rounds than this goes in a circle.
_MOST_ROUNDS = 50
# How often one finding is fixed: a later fix may undo an earlier one, but not for ever.
_MOST_TIMES = 2

_Key = tuple[str, str, ValuePath, str]


class Made(NamedTuple):
    """A fix that was made: the rule's id, the file, the resource, what was done."""

    rule: str
    severity: Severity
    file: str
    resource: str
    says: str


class Refused(NamedTuple):
    """A finding whose fix can't be made in the file, and why."""

    finding: Finding
    problem: Problem


class Migration(NamedTuple):
    """What became of some texts.

    ``texts`` are all of them by name, ``made`` the fixes in order, ``left`` the errors and warnings that are still
    found, in the order in which to fix them, ``refused`` the fixes that the texts have no place for. ``unread`` tells
    of what was left out, ``judged`` is the number of objects and values files that were not.
    """

    texts: Mapping[str, str]
    made: tuple[Made, ...]
    left: tuple[Finding, ...]
    refused: tuple[Refused, ...]
    unread: tuple[Problem, ...]
    judged: int

    def has_errors(self) -> bool:
        """Whether an error is left."""
        return any(finding.severity == "error" for finding in self.left)


def migrate(
    sources: Sequence[Source],
    settings: Settings,
    rules: Iterable[str] | None = None,
    built: Sequence[Built] = (),
) -> Migration:
    """Make the fixes of all errors and warnings that have edits, until none is found, each in the files' texts.

    ``rules`` are the ids of the rules to ask; None stands for all. What doctor tells as information is left alone.
    Of ``built`` kustomizations what they build is judged, and the fixes are made in the files among ``sources`` that
    they are made of.

    Raises:
        InputError: a text is no YAML or JSON.
    """
    work = _Work(sources, settings, None if rules is None else list(rules), built)
    for _ in range(_MOST_ROUNDS * (1 + 3 * bool(built))):  # files are tried one after the other
        if not work.round():
            break
    return work.result()


class _Work:
    """The texts between two rounds."""

    def __init__(
        self, sources: Sequence[Source], settings: Settings, rules: list[str] | None, built: Sequence[Built]
    ) -> None:
        self.builds = Builds(built)
        self.sources = sources
        self.settings = settings
        self.rules = rules
        self.texts = {source.name: source.text for source in sources}
        self.made: list[Made] = []
        self.refused: dict[_Key, Problem] = {}
        self.times: Counter[_Key] = Counter()
        self.seen: set[int] = set()
        self.judged = 0
        self.read: dict[str, tuple[str, Intake]] = {}
        #: Findings in what was built: how many files were tried for their fix, those that none of them helps, and how
        #: many there are.
        self.tried: Counter[_Key] = Counter()
        self.hopeless: dict[_Key, Problem] = {}
        self.files: dict[_Key, int] = {}
        #: Whether fixes are made one at a time, since some together didn't do.
        self.one_by_one = False
        self.diagnosis = self.examined()

    def examined(self) -> Diagnosis:
        """Read what has changed, and ask the rules, about each environment by itself."""
        problems: list[Problem] = []
        for source in self.sources:
            text = self.texts[source.name]
            if source.name in self.builds.names:
                continue
            if self.read.get(source.name, ("", None))[0] == text and source.name in self.read:
                continue
            try:
                self.read[source.name] = text, read_texts([(text, source.name, source.path)])
            except InputError as error:
                problems += error.problems
        try:
            self.builds.read(self.texts)
        except InputError as error:
            problems += error.problems
        if problems:
            raise InputError(problems)
        intakes = self.intakes()
        manifests = [document for intake in intakes for document in intake.manifests]
        values = [document for intake in intakes for document in intake.values]
        self.judged = len(manifests) + len(values)
        diagnoses = [examine(assemble(*world, self.settings), self.rules) for world in worlds(manifests, values)]
        self.builds.note(diagnoses)
        return united(diagnoses)

    def intakes(self) -> list[Intake]:
        """What was read, and what was built."""
        return [*(intake for _, intake in self.read.values()), *self.builds.intakes()]

    def round(self) -> bool:
        """Make the fixes that can be made together; say whether anything has changed."""
        self.seen.add(hash(tuple(self.texts.values())))
        chosen = together(self.traced())
        if self.one_by_one:
            chosen = chosen[:1]
        texts, made = Texts(self.texts, [edit for _, edits in chosen for edit in edits]), list[Made]()
        for finding, edits in chosen:
            try:
                texts = texts.apply(edits)
            except InputError as error:
                self.refused[_key(finding)] = error.problems[0]
                continue
            self.times[_key(finding)] += 1
            if not edits and is_built(finding.document):  # it was made for another overlay
                continue
            says = finding.fix.says if finding.fix else ""
            made.append(Made(finding.rule.id, finding.severity, finding.location.file, finding.resource, says))
        if not chosen:
            return False
        files = texts.files()
        if hash(tuple(files.values())) in self.seen:
            return any(self.is_open(finding) for finding in self.findings())
        before = self.texts, dict(self.read), self.builds.state, self.diagnosis
        self.texts = files
        problem = self.spoiled([finding for finding, _ in chosen], before[2])
        if problem is not None:
            self.texts, self.read, self.builds.state, self.diagnosis = before
            self.try_otherwise([finding for finding, _ in chosen], problem)
            return any(self.is_open(finding) for finding in self.findings())
        self.made += made
        self.refused.clear()  # there may be room now
        return True

    def spoiled(self, fixed: Sequence[Finding], before: State) -> Problem | None:
        """Judge the texts as they are by now, and say what is wrong with the fixes of what is built, if anything is."""
        try:
            self.diagnosis = self.examined()
        except InputError as error:  # a kustomization can't be built with them
            return error.problems[0]
        built = {_key(finding) for finding in fixed if is_built(finding.document)}
        useless = next((one for one in self.findings() if _key(one) in built), None)
        if useless is not None:
            return Problem("its repair was made, and it is found all the same", useless.location)
        return self.builds.spoiled(before, fixed)

    def try_otherwise(self, fixed: Sequence[Finding], problem: Problem) -> None:
        """Fix one at a time what didn't do together; what didn't do alone, in the next of its files."""
        for finding in fixed:
            self.times[_key(finding)] -= 1
        if len(fixed) > 1:
            self.one_by_one = True
            return
        self.one_by_one = False
        key = _key(fixed[0])
        self.tried[key] += 1
        if self.tried[key] >= self.files.get(key, 1):
            self.hopeless[key] = problem

    def traced(self) -> list[Finding]:
        """The findings whose fix can be tried; of what a kustomization builds, the fix of its files."""
        tracing = Tracing(self.texts, self.builds.built)
        found: list[Finding] = []
        for finding in filter(self.is_open, self.findings()):
            if not self.builds.built or finding.fix is None:
                found.append(finding)
                continue
            key = _key(finding)
            try:
                edits, self.files[key] = tracing.traced(finding.fix.edits, self.tried[key])
            except InputError as error:
                self.refused[key] = error.problems[0]
                continue
            found.append(finding._replace(fix=finding.fix._replace(edits=edits)))
        return found

    def findings(self) -> list[Finding]:
        """The errors and warnings of the texts as they are, in the order in which to fix them."""
        return [finding for finding in self.diagnosis.findings if finding.severity != "info"]

    def is_open(self, finding: Finding) -> bool:
        """Whether a fix can be tried."""
        key = _key(finding)
        edits = finding.fix.edits if finding.fix else ()
        given_up = key in self.refused or key in self.hopeless
        return bool(edits) and not given_up and self.times[key] < _MOST_TIMES

    def result(self) -> Migration:
        """Say what has come of it."""
        left = tuple(self.findings())
        self.refused |= self.hopeless
        for finding in left:
            if finding.fix and finding.fix.edits and not self.is_open(finding):
                useless = Problem("its repair was made, and it is found all the same", finding.location)
                self.refused.setdefault(_key(finding), useless)
        refused = [Refused(one, self.refused[_key(one)]) for one in left if _key(one) in self.refused]
        intakes = self.intakes()
        unread = [problem for intake in intakes for problem in (*intake.unrendered, *intake.left_out)]
        texts = dict(self.texts)
        return Migration(texts, tuple(self.made), left, tuple(refused), tuple(unread), self.judged)


def _key(finding: Finding) -> _Key:
    """What tells a finding from others in the texts of other rounds."""
    return finding.rule.id, finding.location.file, whole_path(finding), f"{finding.resource}: {finding.found}"
