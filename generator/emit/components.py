"""Kustomize components that add the pattern to anybody's base: the same parts of templates, patched in by label.

A strategic merge patch replaces a custom resource's lists, and JSON 6902 operations fail where a list is missing. So
lists are filled by kustomize's `replacements`, which make what is missing and leave the rest; maps by patches. That is
all in the templates: here is only which files there are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from generator.tree import OutputFile

_TEMPLATES: Final = "_components"
_FILES: Final = ("kustomization.yaml", "mesh.yaml", "parts.yaml", "pod.patch.yaml")


#: Where components lie below the output folder.
FOLDER: Final = "kustomize/components"

#: The components by name, and for each the variant whose base has the same values.
COMPONENTS: Final[Mapping[str, str]] = {"istio-certs-operator": "operator", "istio-certs-plain": "plain"}


def emit(component: str, render: Callable[[str], str]) -> list[OutputFile]:
    """Lay out a component below ``kustomize/components/``; ``render`` gives the text of a template by its name.

    Raises whatever ``render`` does.
    """
    from generator.emit.manifests import generated  # it reads YAML, which a run that finds nothing to do never imports

    files = []
    for name in _FILES:
        template = f"{_TEMPLATES}/{component}/{name}.j2"
        source = f"variant {COMPONENTS[component]}, template {template}"
        files.append(generated(f"{FOLDER}/{component}/{name}", source, render(template)))
    return files
