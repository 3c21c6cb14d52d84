"""Reads manifests and values files that sidecert has never seen.

document    one tree, which knows where each of its parts stands
"""

from generator.intake.document import Document, documents_of

__all__ = ["Document", "documents_of"]
