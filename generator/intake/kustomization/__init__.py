"""Builds a kustomization folder as kustomize does, each value traced to the file that sets it.

- `building`: the steps, in kustomize's order
- `generators`: ConfigMaps and Secrets out of files and literals
- `patching`: which objects a patch is for; `strategic`: what becomes of one
- `transformers`: names, labels, images, replicas; `references`: names that follow
- `item`, `built`: an object on its way through a build, and the document that it becomes
"""

from generator.intake.kustomization.building import (
    FILE_NAMES,
    Kustomization,
    build,
    is_below,
    kustomization_file,
    open_kustomization,
    used_by,
)
from generator.intake.kustomization.built import BuiltDocument

__all__ = [
    "FILE_NAMES",
    "BuiltDocument",
    "Kustomization",
    "build",
    "is_below",
    "kustomization_file",
    "open_kustomization",
    "used_by",
]
