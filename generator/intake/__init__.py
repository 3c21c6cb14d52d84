"""Reads manifests and values files that sidecert has never seen.

document        one tree, which knows where each of its parts stands
texts           reads a file, within bounds
templates       recognises what has to be rendered first
reading         files, folders and standard input, sorted into manifests, values and the rest

kustomization   builds a kustomization folder: resources, generators, components, then
patching        patches (`strategic`: what a patch makes of one tree), and
transformers    names, labels, images and replicas, and the `references` that follow them
generators      the ConfigMaps and Secrets that it generates
item, built     an object on its way through a build, and the document that it becomes
"""

from generator.intake.document import Document, documents_of
from generator.intake.reading import Intake, read

__all__ = ["Document", "Intake", "documents_of", "read"]
