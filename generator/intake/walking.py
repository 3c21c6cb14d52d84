"""What lies in a folder: charts, kustomizations and files."""

from __future__ import annotations

import os
from collections.abc import Iterator

from generator.errors import InputError, Location, Problem
from generator.intake.kustomization import is_below, kustomization_file

#: How the names of files end that are read from folders.
ENDINGS = (".yaml", ".yml", ".json")


class Walk:
    """What lies below a folder, nothing hidden: charts, kustomizations, and files that are in no chart's templates."""

    def __init__(self, top: str, without: str, *, alone: bool) -> None:
        """Look into a folder, but not into the one ``without``; ``alone``: only the kustomization at its top.

        Raises:
            InputError: a folder can't be read.
        """
        self.without = without
        self.charts: list[str] = []
        self.kustomizations: list[str] = []
        self.files: list[str] = []
        self._seen: set[str] = set()
        if alone:
            self.kustomizations.append(top)
        else:
            self._go(top)

    def _go(self, folder: str) -> None:
        real = os.path.realpath(folder)
        if real in self._seen:  # a link in a circle
            return
        self._seen.add(real)
        chart = os.path.isfile(os.path.join(folder, "Chart.yaml"))
        if chart:
            self.charts.append(folder)
        own = kustomization_file(folder)
        if own:
            self.kustomizations.append(folder)
        for name, is_folder in _entries(folder):
            path = below(folder, name)
            if is_folder and not (chart and name in {"templates", "charts"}):
                if not is_below(path, self.without):
                    self._go(path)
            elif not is_folder and name != own and name.endswith(ENDINGS):
                self.files.append(path)


def below(folder: str, name: str) -> str:
    """Give the path of what lies in a folder; what lies in ``.`` goes by its name alone."""
    return name if folder == "." else os.path.join(folder, name)


def _entries(folder: str) -> Iterator[tuple[str, bool]]:
    try:
        with os.scandir(folder) as entries:
            found = sorted((entry.name, entry.is_dir()) for entry in entries if not entry.name.startswith("."))
    except OSError as error:
        raise InputError(Problem(f"the folder can't be read: {error.strerror}", Location(folder))) from error
    yield from found
