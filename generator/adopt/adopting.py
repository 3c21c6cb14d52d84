"""Brings one Prometheus among foreign manifests to the pattern, in memory.

The pattern's edits come first, then the job or monitor, then doctor's own repairs of the errors that are left. After
each step the documents are read again as a whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from generator.adopt import charts
from generator.adopt.comments import moved, worded
from generator.adopt.manifests import Manifests
from generator.adopt.mesh import mesh_parts
from generator.adopt.refusals import no_longer_selected, refusals
from generator.adopt.rendered import Part, Rendered, Templates
from generator.adopt.scraping import Scraping, as_document, scraping
from generator.adopt.trees import applied, can_be_edited
from generator.errors import InputError, Problem, ValuePath
from generator.intake.document import Document
from generator.monitoring import Edit, Scraper, Setup
from generator.monitoring.completing import pattern_edits
from generator.monitoring.edits import REMOVE, position
from generator.monitoring.pod import is_workload
from generator.monitoring.scraper import OPERATED

if TYPE_CHECKING:
    from generator.doctor import Finding

# More steps than this mean that repairs undo each other.
_MOST_STEPS = 60
_MOST_PATTERNS = 3
# What is in order before a job is added: it depends on the version, and on where the files are mounted.
_BEFORE_THE_JOB = ("prometheus-too-old", "volume-missing")
# Other programs read what Prometheus read for long: vmagent knows no `enable_http2`, and `keepequal` only lately.
_OLD = (2, 30)


class Adopted(NamedTuple):
    """What brings a scraper to the pattern.

    ``scraper`` is as it was. ``changed`` pairs each document that changes with what it becomes, ``added`` are objects
    to add; ``comments`` are those of the document at the same place in ``changed``. ``apart`` is a job that the user
    has to put where ``where`` says. ``repaired`` tells of errors beside the pattern that were repaired, ``left`` of
    those that weren't. ``chart_known`` says whether the version of the chart that values are for was given, ``laid``
    whether lists hold what other values of the release hold. ``unseen`` tells of values from elsewhere, with which the
    user has to compare what was added, ``to_do`` of what else is left to the user.
    """

    scraper: Scraper
    changed: tuple[tuple[Document, Document], ...]
    comments: tuple[dict[ValuePath, tuple[str, ...]], ...]
    added: tuple[Part, ...]
    apart: Part | None
    where: str
    repaired: tuple[Finding, ...]
    left: tuple[Finding, ...]
    chart_known: bool = True
    laid: bool = False
    unseen: tuple[str, ...] = ()
    to_do: tuple[str, ...] = ()

    @property
    def is_nothing(self) -> bool:
        """Whether there is nothing to write: a job that only the user can see may be there already."""
        return not self.changed and not self.added


def adopt(manifests: Manifests, setup: Setup, scraper: Scraper, templates: Templates) -> Adopted:
    """Work out what brings a scraper to the pattern; ``setup`` is of the manifests, and the scraper of it.

    Raises:
        InputError: it can't be adopted (with every reason), or the templates can't be rendered for it.
    """
    documents = (*manifests.objects, *manifests.values)
    problems = list(refusals(setup, scraper, documents))
    if problems:
        raise InputError(problems)
    work = _Work(manifests, setup, scraper, templates)
    work.run()
    return work.result()


class _Key(NamedTuple):
    """What tells a scraper from others when the documents are read again."""

    document: int
    places: tuple[ValuePath, ...]
    pod: ValuePath
    flavour: str


class _Work:
    """One scraper on its way."""

    def __init__(self, manifests: Manifests, setup: Setup, scraper: Scraper, templates: Templates) -> None:
        self.manifests = manifests
        self.original = (*manifests.objects, *manifests.values)
        self.documents: list[Document] = list(self.original)
        self.first = scraper
        self.templates = templates
        self.key = self.key_of(scraper)
        self.setup, self.scraper = setup, scraper
        self.needs_mesh = setup.writer(scraper) is None
        self.comments: list[dict[ValuePath, tuple[str, ...]]] = [{} for _ in self.documents]
        self.added: list[Part] = []
        self.scraping: Scraping | None = None
        self.repaired: list[Finding] = []
        self.found: list[Finding] | None = None

    # ------------------------------------------------------------------------------------------------- the steps

    def run(self) -> None:
        """Take step after step until nothing is left to do."""
        patterns = 0
        for _ in range(_MOST_STEPS):
            edits = pattern_edits(self.setup, self.scraper, self.rendered().pattern)
            if edits and patterns < _MOST_PATTERNS:
                patterns += 1
                self.make(edits)
                self.note_pod()
            elif self.scraping is None and not self.must_update():
                self.scrape()
            elif not self.repair():
                break
        problems = [*no_longer_selected(self.scraper), *self.not_injected()]
        if problems:
            raise InputError(problems)

    def rendered(self) -> Rendered:
        """What the templates render for the scraper as it is by now."""
        operated = self.scraper.resource is not None and self.scraper.product == "prometheus"
        settings = self.manifests.settings
        return self.templates.render(
            "operator" if operated else "plain",
            prometheus=self.scraper.version if self.scraper.product == "prometheus" else _OLD,
            istio=settings.istio,
            kubernetes=settings.kubernetes,
        )

    def must_update(self) -> bool:
        """Whether a repair comes first on which a job depends: the version, or where the files are mounted."""
        return any(self.repairs(_BEFORE_THE_JOB))

    def scrape(self) -> None:
        """Add what is missing to scrape over mTLS, and what the mesh is told."""
        rendered = self.rendered()
        directories = self.setup.read_directories(self.scraper)
        directory = directories[0] if directories else rendered.pattern.mount_path
        if self.scraper.flavour in charts.FLAVOURS:
            self.scraping = charts.scraping(self.setup, self.scraper, rendered, directory)
        else:
            self.scraping = scraping(self.setup, self.scraper, rendered, directory)
        mesh = list(mesh_parts(self.setup, self.scraper, rendered)) if self.needs_mesh else []
        edits = [*self.scraping.edits]
        if mesh and charts.takes_objects(self.setup, self.scraper):
            edits += self.objects(mesh)
        else:
            self.added += mesh
        self.added += self.scraping.added
        if self.scraper.document.outer is None:
            for path, comment in self.scraping.comments.items():
                self.note(self.scraper.document, path, comment)
        self.make(edits)

    def objects(self, mesh: Sequence[Part]) -> Iterator[Edit]:
        """Have the chart install what the mesh is told."""
        for number, part in enumerate(mesh):
            edit, place = charts.object_edit(self.scraper, part, number)
            if self.scraper.document.outer is None:
                for path, comment in moved(part.comments, place).items():
                    self.note(self.scraper.document, path, comment)
            yield edit

    def repair(self) -> bool:
        """Make doctor's repair of one error; say whether there was one to make."""
        for finding in self.repairs():
            assert finding.fix is not None  # noqa: S101  # such are repairs
            self.repaired.append(finding)
            for edit in finding.fix.edits:
                if edit.value is not REMOVE:
                    path = position(edit.document.tree, edit.path)
                    self.note(edit.document, path, worded(_sentence(edit.comment or finding.found)))
            self.make(finding.fix.edits)
            return True
        return False

    def repairs(self, rules: Sequence[str] | None = None) -> Iterator[Finding]:
        """The errors that concern the scraper, have a repair, and haven't had it yet; of some rules, or of all."""
        done = {(one.rule.id, one.path, one.found) for one in self.repaired}
        for finding in self.errors(rules):
            edits = finding.fix.edits if finding.fix else ()
            key = (finding.rule.id, finding.path, finding.found)
            if edits and key not in done and can_be_edited(self.documents, edits):
                yield finding

    def errors(self, rules: Sequence[str] | None = None) -> list[Finding]:
        """The errors that concern the scraper as it is by now, of some rules or of all."""
        from generator.doctor import examine

        if self.found is None:
            findings = examine(self.setup, rules).findings
            found = [one for one in findings if one.severity == "error" and self.concerns(one)]
            if rules is not None:
                return found
            self.found = found
        return [one for one in self.found if rules is None or one.rule.id in rules]

    def concerns(self, finding: Finding) -> bool:
        """Whether a finding has to do with the scraper: it isn't about another workload, or its configuration."""
        document, mine = finding.document.outermost, self.scraper.document.outermost
        if document is mine or not mine.kind:  # a values file can't change objects beside it
            return document is mine
        if is_workload(document) or document.kind in OPERATED or not document.kind:
            return False
        owners = [
            one
            for one in self.setup.scrapers
            for config in self.setup.configurations(one)
            if config.outermost is document
        ]
        return not owners or self.scraper in owners

    # --------------------------------------------------------------------------------------------------- documents

    def make(self, edits: Iterable[Edit]) -> None:
        """Make edits, and read everything again."""
        self.documents = applied(self.documents, edits)
        self.found = None
        count = len(self.manifests.objects)
        objects, values = tuple(self.documents[:count]), tuple(self.documents[count:])
        settings = self.manifests.settings
        self.setup = Manifests(objects, values, settings).setup(map(as_document, self.added))
        self.scraper = next(one for one in self.setup.scrapers if self.key_of(one) == self.key)

    def key_of(self, scraper: Scraper) -> _Key | None:
        """What tells a scraper from others; None for one of an object that was added, or stands in values."""
        places, document = [], scraper.document
        while document.outer is not None:
            document, place = document.outer
            places.append(place)
        for index, one in enumerate(self.documents):
            if one is document:
                return _Key(index, tuple(places), scraper.pod.where(), scraper.flavour)
        return None

    def note(self, document: Document, path: ValuePath, comment: Sequence[str]) -> None:
        """Remember a comment for a part of a document; of one that a string holds, for that string."""
        while document.outer is not None:
            document, path = document.outer
        for index, one in enumerate(self.documents):
            if one is document:
                self.comments[index].setdefault(path, tuple(comment))

    def note_pod(self) -> None:
        """Remember the templates' comments for the parts of the pod, unless all of it stands in a string."""
        pod = self.scraper.pod
        if pod.document.outer is not None:
            return
        for path, comment in self.rendered().pod.items():
            if pod.get(*path) is not None and self.first.pod.get(*path) != pod.get(*path):
                self.note(self.scraper.document, pod.where(*path), comment)

    def not_injected(self) -> Iterator[Problem]:
        """Tell where Istio's webhook leaves the pod alone whatever it says."""
        injection = self.setup.injection(self.scraper)
        writer = self.setup.writer(self.scraper)
        if not injection.injected and injection.certain and (writer is None or writer.injected):
            place = self.first.document.locate(self.first.pod.where("metadata"))
            message = f"{self.first} can't be adopted: Istio's webhook leaves it alone"
            yield Problem(message, place, found=injection.reason)

    def result(self) -> Adopted:
        """What came of it."""
        differing = [index for index, old in enumerate(self.original) if self.documents[index].tree != old.tree]
        found = self.scraping or Scraping()
        laid = {id(one.document): one for one in self.manifests.laid}
        pairs = [(self.original[index], self.documents[index]) for index in differing]
        return Adopted(
            self.first,
            tuple(laid[id(old)].restored(new) if id(old) in laid else (old, new) for old, new in pairs),
            tuple(self.comments[index] for index in differing),
            tuple(self.added),
            found.apart,
            found.where,
            tuple(self.repaired),
            tuple(self.errors()),
            self.manifests.settings.chart is not None or charts.version_of(self.first) is not None,
            any(id(old) in laid for old, _ in pairs),
            tuple(charts.unseen(self.first, pairs)),
            found.to_do,
        )


def _sentence(text: str) -> str:
    first = text.partition(" ")[0]
    begins = text[:1].upper() if first.isalpha() and first.islower() else text[:1]  # not a field's name: `iVersion`
    return f"{begins}{text[1:]}{'' if text.endswith(('.', '?')) else '.'}"
