"""The pattern for a Prometheus that sidecert has never seen: a Kustomize component, or values for its chart.

rendered    what our templates render: the pattern, a job, a scrape class, a PodMonitor, what the mesh is told
comments    comments of YAML texts, and the same ones in another text
trees       edits of documents in memory
refusals    what can't be adopted, and why
rights      what it may ask the API server for that
scraping    the job or monitor that is missing
mesh        the Sidecar or PeerAuthentication that is missing
charts      both, in a chart's values
manifests   what was given, and which of it is for one cluster
layers      values that are laid over each other, as one
adopting    all of it, step after step, with doctor's repairs
operations  JSON 6902 operations, guarded and commented
component   files: patches, resources, values
choosing    which of several are meant, and what their folders are called
"""

from generator.adopt.adopting import Adopted, adopt
from generator.adopt.choosing import adoptable, folder_names, overlay_of
from generator.adopt.component import files_of, is_of_values, stands_apart
from generator.adopt.layers import conflicts, lay
from generator.adopt.manifests import Manifests
from generator.adopt.rendered import Templates, pattern_of

__all__ = [
    "Adopted",
    "Manifests",
    "Templates",
    "adopt",
    "adoptable",
    "conflicts",
    "files_of",
    "folder_names",
    "is_of_values",
    "lay",
    "overlay_of",
    "pattern_of",
    "stands_apart",
]
