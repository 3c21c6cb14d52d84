"""YAML as Kubernetes and Helm read it, with line numbers, and YAML that every reader understands alike.

    scalars     what a scalar means (YAML 1.1, as Go reads it), and how one is printed
    reading     text to values, problems with file, line and column
    lenient     text that Kubernetes accepts and our parser doesn't
    places      where each key and list item stands
    printing    values to block YAML
    editing/    single values of a text changed, every other byte left as it is

ruamel.yaml's C parser is used for its events alone: building the values from them in one pass is ten times quicker than
its own constructor.
"""

from generator.yaml.places import Places, document_locations, key_locations
from generator.yaml.printing import block
from generator.yaml.reading import load, load_documents
from generator.yaml.scalars import Scalar, is_string, scalar

__all__ = [
    "Places",
    "Scalar",
    "block",
    "document_locations",
    "is_string",
    "key_locations",
    "load",
    "load_documents",
    "scalar",
]
