"""OpenShift's templates: lists of objects whose parameters are filled in as text when the objects are made."""

from __future__ import annotations

import re
from collections.abc import Iterator

from generator.errors import Location, Problem, ValuePath
from generator.intake.document import Document, as_list, as_map

# As OpenShift reads them: ${NAME} in a string, ${{NAME}} for a whole value of any type.
_PARAMETER = re.compile(r"\$\{\{?([A-Za-z0-9_]+)\}?\}")
# Where a parameter's value decides nothing that is judged here, however deep below it stands.
_HARMLESS = frozenset(
    {"affinity", "env", "host", "image", "name", "namespace", "nodeSelector", "replicas", "resources", "retention"}
)
_NAMES = frozenset({"annotations", "labels", "matchLabels", "selector", "serviceAccount", "serviceAccountName"})


def is_template(document: Document) -> bool:
    """Say whether a document is a ``Template``, whose objects are those that OpenShift makes of it."""
    known = document.kind == "Template" and document.group in {"", "template.openshift.io"}
    # What a kustomization built has no places for parts of its objects.
    return known and isinstance(document.tree.get("objects"), list) and type(document) is Document


def objects_in(template: Document) -> list[Document]:
    """Give its objects, as they are written."""
    return [
        Document(item, template.shared, template.index, (*template.path, "objects", number))
        for number, item in enumerate(as_list(template.tree.get("objects")))
        if isinstance(item, dict)
    ]


def is_in_template(document: Document) -> bool:
    """Say whether an object stands in a template."""
    return "objects" in document.path


def rendering(document: Document) -> str:
    """Give the command that fills a template's parameters in."""
    file = "FILE" if document.source == "<stdin>" else document.source
    return f"render it first: oc process -f {file} --local -o yaml"


def unfilled(template: Document, made: Document) -> Problem | None:
    """Say that one of its objects can't be judged: a parameter decides more than names; None where none does."""
    names = {as_map(one).get("name") for one in as_list(template.tree.get("parameters"))}
    for path, text in _strings(made.tree, ()):
        found = [match[1] for match in _PARAMETER.finditer(text) if match[1] in names]
        if found and _decides(path):
            where: Location = made.locate(path)
            says = f"this is an OpenShift template: {made} can't be judged before its parameter {found[0]} is filled in"
            return Problem(says, where, hint=f"{rendering(made)} | sidecert doctor -")
    return None


def _decides(path: ValuePath) -> bool:
    keys = [key for key in path if isinstance(key, str)]
    if any("istio" in key or key.startswith("prometheus.io/") for key in keys):
        return True
    return _HARMLESS.isdisjoint(keys) and _NAMES.isdisjoint(keys)


def _strings(tree: object, path: ValuePath) -> Iterator[tuple[ValuePath, str]]:
    """Every string in a tree, with its path."""
    if isinstance(tree, str):
        yield path, tree
    for key, value in tree.items() if isinstance(tree, dict) else enumerate(as_list(tree)):
        yield from _strings(value, (*path, key))
