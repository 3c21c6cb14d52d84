"""What was given to adopt, and which of it is for one cluster."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import NamedTuple

from generator.adopt.layers import Laid
from generator.intake.document import Document
from generator.monitoring import Scraper, Settings, Setup, assemble
from generator.monitoring.worlds import worlds


class Manifests(NamedTuple):
    """The documents that were given, and what is known of the cluster.

    Values that others are laid over are put together with them: ``laid`` are the releases of which that is so.
    """

    objects: tuple[Document, ...]
    values: tuple[Document, ...]
    settings: Settings
    laid: tuple[Laid, ...] = ()

    def setup(self, added: Iterable[Document] = ()) -> Setup:
        """Put together what they say, with objects added."""
        return assemble((*self.objects, *added), self.values, self.settings)

    def apart(self) -> Clusters:
        """Tell environments apart that were given together."""
        found = [Manifests(*world, self.settings, self.laid) for world in worlds(self.objects, self.values)]
        return Clusters([(one, one.setup()) for one in found])


class Clusters:
    """Manifests of which each is for a cluster of its own, and what they say."""

    def __init__(self, setups: Sequence[tuple[Manifests, Setup]]) -> None:
        """Take them."""
        self.setups = setups

    def with_scraper(self, scraper: Scraper) -> tuple[Manifests, Setup, Scraper]:
        """Give the manifests that a scraper belongs to, and that scraper among them."""
        document, place = scraper.document.outermost, scraper.pod.where()
        found = [
            (manifests, setup, one)
            for manifests, setup in self.setups
            for one in setup.scrapers
            if one.name == scraper.name and one.pod.where() == place
        ]
        same = (one for one in found if one[2].document.outermost is document)
        # What a chart's values install is read anew in each setup.
        alike = (one for one in found if one[2].document.locate() == scraper.document.locate())
        return next(chain(same, alike))
