"""What kustomizations build, again and again while their files change, and what a change does to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from generator.doctor import Diagnosis, Finding
from generator.errors import InputError, Location, Problem
from generator.intake import Intake, read_kustomization
from generator.intake.document import Document
from generator.intake.kustomization import BuiltDocument
from generator.migrate.kustomizations import Built
from generator.migrate.tracing import outermost

_Object = tuple[str, tuple[str, str, str, str]]
_Place = tuple[str, Location]


class State(NamedTuple):
    """What was built of which texts, by folder, and which objects each finding's fix is about."""

    intakes: Mapping[str, tuple[Mapping[str, str], Intake]]
    concerned: Mapping[_Place, frozenset[_Object]]


class Builds:
    """Some kustomizations, and what they build of the texts as they are by now."""

    def __init__(self, built: Sequence[Built]) -> None:
        """Take them; nothing is built yet."""
        self.built = built
        self.names = {name for one in built for name in one.files.values()}
        self.state = State({}, {})

    def read(self, texts: Mapping[str, str]) -> None:
        """Build again those whose files' texts (by the files' names) have changed.

        Raises:
            InputError: one can't be built of them.
        """
        intakes, problems = dict(self.state.intakes), list[Problem]()
        for one in self.built:
            own = {real: texts[name] for real, name in one.files.items() if name in texts}
            if one.folder not in intakes or intakes[one.folder][0] != own:
                try:
                    intakes[one.folder] = own, read_kustomization(one.folder, one.shown, own)
                except InputError as error:
                    problems += error.problems
        if problems:
            raise InputError(problems)
        self.state = self.state._replace(intakes=intakes)

    def intakes(self) -> list[Intake]:
        """What is built, one after the other."""
        return [intake for _, intake in self.state.intakes.values()]

    def note(self, diagnoses: Iterable[Diagnosis]) -> None:
        """Remember which objects the fixes of findings are about; the same finding may be in several builds."""
        concerned: dict[_Place, set[_Object]] = {}
        for finding in (finding for each in diagnoses for finding in each.findings):
            objects = concerned.setdefault((finding.rule.id, finding.location), set())
            documents = [finding.document, *(edit.document for edit in (finding.fix.edits if finding.fix else ()))]
            objects |= {_object(document) for document in map(outermost, documents) if document}
        found = {place: frozenset(objects) for place, objects in concerned.items()}
        self.state = self.state._replace(concerned=found)

    def spoiled(self, before: State, findings: Iterable[Finding]) -> Problem | None:
        """Tell of an object that is another one by now, though none of the findings that were fixed is about it."""
        allowed = {one for finding in findings for one in before.concerned.get((finding.rule.id, finding.location), ())}
        for folder, document in self._changed(before):
            if _object(document) in allowed:
                continue
            if any(own == folder for own, _ in allowed):
                return Problem(f"{document} would be changed too, where nothing is wrong", document.locate())
            shown = next(one.shown for one in self.built if one.folder == folder)
            hint = f"change it in a patch of {', '.join(sorted({own for own, _ in allowed}))}"
            message = f"{shown} is made of this file too, and nothing is wrong with it there"
            return Problem(message, document.locate(), hint=hint)
        return None

    def _changed(self, before: State) -> Iterator[tuple[str, BuiltDocument]]:
        for folder, (_, intake) in self.state.intakes.items():
            old = before.intakes[folder][1]
            if old is intake:
                continue
            trees = {_identity(document): document.tree for document in _documents(old)}
            for document in _documents(intake):
                if trees.get(_identity(document)) != document.tree:
                    yield folder, document


def _documents(intake: Intake) -> Iterator[BuiltDocument]:
    return (one for one in (*intake.manifests, *intake.values) if isinstance(one, BuiltDocument))


def _object(document: BuiltDocument) -> _Object:
    return document.kustomization, _identity(document)


def _identity(document: Document) -> tuple[str, str, str, str]:
    return document.group, document.kind, document.namespace, document.name
