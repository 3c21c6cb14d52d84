"""Reads manifests and values files that sidecert has never seen.

- `document`: one tree, which knows where each of its parts stands
- `texts`: a file as text, within bounds
- `templates`: what has to be rendered first
- `loading`: a text as trees
- `walking`: what lies in a folder
- `reading`: files, folders and standard input, sorted into manifests, values and the rest
- `others`: what a map is that is no Kubernetes object
- `kustomization/`: builds a kustomization folder
"""

from generator.intake.document import Document, documents_of
from generator.intake.reading import Intake, read, read_kustomization, read_texts

__all__ = ["Document", "Intake", "documents_of", "read", "read_kustomization", "read_texts"]
