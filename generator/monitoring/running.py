"""What a pod has when it runs: its volumes, and the proxy that writes certificates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from generator.errors import ValuePath


def meant_volume(name: str, volumes: Iterable[str]) -> str:
    """Give the volume that a mount means which names none of them: the one spelt most alike; "" where none is."""
    from difflib import get_close_matches

    return next(iter(get_close_matches(name, sorted(volumes), n=1, cutoff=0.8)), "")


class Volume(NamedTuple):
    """A volume of a pod after injection: its place in the view's pod (None: injection brings it), and what it is."""

    path: ValuePath | None
    name: str
    tree: Mapping[str, Any]

    @property
    def source(self) -> str:
        """``emptyDir``, ``secret``...; "" where it says none (which is an emptyDir).

        Of several, which Kubernetes refuses, as where an overlay's secret was laid over an emptyDir, the one too many.
        """
        found = [key for key, value in self.tree.items() if key != "name" and value is not None]
        return min(found, key=lambda key: key == "emptyDir", default="")

    @property
    def is_empty_dir(self) -> bool:
        """Whether it is an emptyDir, on disk or in memory."""
        return self.source in {"", "emptyDir"}

    @property
    def in_memory(self) -> bool:
        """Whether it never touches the node's disk."""
        found = self.tree.get("emptyDir")
        return isinstance(found, Mapping) and found.get("medium") == "Memory"


class Writer(NamedTuple):
    """The proxy that writes certificates: where it says so, to which directory, and what is mounted there.

    ``volume`` is the name of the volume that covers the directory, "" for none; ``inside`` the directory's path in that
    volume ("" for its root). ``sub_path`` and ``read_only`` are the mount's.
    """

    container: Mapping[str, Any]
    directory: str
    volume: str
    inside: str
    sub_path: str
    read_only: bool
    injected: bool

    @property
    def name(self) -> str:
        """The container's name: ``istio-proxy``, or what a manifest calls an agent that it spells out."""
        return str(self.container.get("name"))
