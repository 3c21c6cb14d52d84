"""A chart as the archive that Helm installs and pushes: the same bytes for the same files."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Sequence

from generator.tree import OutputFile


def archive(files: Sequence[OutputFile], folder: str) -> bytes:
    """Pack files that lie below ``folder`` into a ``.tgz`` whose one folder is the last part of that name.

    No time, owner or order of the disk gets in: entries are sorted, with Chart.yaml first, as ``helm package`` has it.
    """
    packed = io.BytesIO()
    above = folder.rpartition("/")[0]
    with (
        gzip.GzipFile(filename="", fileobj=packed, mode="wb", compresslevel=9, mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.USTAR_FORMAT) as tar,
    ):
        for path, text in sorted(files, key=lambda file: (not file.path.endswith("/Chart.yaml"), file.path)):
            content = text.encode()
            entry = tarfile.TarInfo(path.removeprefix(f"{above}/") if above else path)
            entry.size = len(content)
            entry.mode = 0o644
            tar.addfile(entry, io.BytesIO(content))
    return packed.getvalue()
