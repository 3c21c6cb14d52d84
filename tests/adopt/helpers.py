"""Adopts what is in texts, and puts the result beside them as a user would."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from generator.adopt import Adopted, Manifests, Templates, adopt, adoptable, files_of, folder_names
from generator.doctor import examine
from generator.intake import Document, documents_of, read
from generator.monitoring import Settings
from generator.tree import OutputFile
from generator.workspace import open_workspace
from generator.yaml import block, load, load_documents

Leaves = dict[tuple[str, ...], Any]
_KEYS = ("mountPath", "name")


@cache
def templates(environment: str = "") -> Templates:
    return Templates(open_workspace("."), environment)


def manifests_of(documents: Sequence[Document], values: Sequence[Document] = (), **settings: Any) -> Manifests:
    return Manifests(tuple(documents), tuple(values), Settings(**settings))


def adopted_all(manifests: Manifests, *selected: str, environment: str = "") -> list[Adopted]:
    """Adopt what is selected, everything by default."""
    setup = manifests.setup()
    scrapers, _ = adoptable(setup, selected)
    return [adopt(manifests, setup, scraper, templates(environment)) for scraper in scrapers]


def adopted(text: str, *selected: str, environment: str = "", **settings: Any) -> Adopted:
    """Adopt the one Prometheus in a text of Kubernetes objects."""
    [found] = adopted_all(manifests_of(documents_of(text, "test.yaml"), **settings), *selected, environment=environment)
    return found


def of_values(text: str, **settings: Any) -> Adopted:
    """Adopt the one Prometheus in a chart's values."""
    [found] = adopted_all(manifests_of([], documents_of(text, "values.yaml"), **settings))
    return found


def files(found: Adopted) -> dict[str, str]:
    """The texts of the files that are written, by name."""
    [name] = folder_names([found.scraper])
    return {Path(file.path).name: file.text for file in files_of(found, name)}


def tree_of(text: str) -> Any:
    return load(text, "")


def put_together(folder: Path, text: str, found: Sequence[Adopted]) -> Path:
    """Write manifests, the components, and a kustomization that names both; give the kustomization's folder."""
    names = folder_names([one.scraper for one in found])
    for name, one in zip(names, found, strict=True):
        write(folder / "output", [] if one.is_nothing else files_of(one, name))
    app = folder / "app"
    app.mkdir(exist_ok=True)
    (app / "manifests.yaml").write_text(text)
    components = [f"../output/adopt/{name}" for name, one in zip(names, found, strict=True) if not one.is_nothing]
    tree = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "resources": ["manifests.yaml"]}
    (app / "kustomization.yaml").write_text(block({**tree, "components": components}) + "\n")
    return app


def write(folder: Path, listed: Sequence[OutputFile]) -> None:
    for file in listed:
        path = folder / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(file.text)


def built(folder: Path) -> Sequence[Document]:
    """What kustomize makes of a folder, as intake builds it."""
    intake = read([str(folder)], lambda: "")
    assert not intake.unrendered
    return intake.manifests


def errors(manifests: Manifests) -> list[str]:
    found = examine(manifests.setup()).findings
    return [f"{one.rule.id}: {one.resource}: {one.found}" for one in found if one.severity == "error"]


# ----------------------------------------------------------------------------------------------- what has changed


def identity(tree: Mapping[str, Any]) -> tuple[str, str, str]:
    metadata = tree["metadata"]
    return str(tree["kind"]), str(metadata.get("namespace", "")), str(metadata["name"])


def leaves(tree: Any, path: tuple[str, ...] = ()) -> Leaves:
    """Every scalar and everything empty, by its path; elements of lists by their names where they have one."""
    if isinstance(tree, dict) and tree:
        return {key: value for name, part in tree.items() for key, value in leaves(part, (*path, str(name))).items()}
    if isinstance(tree, list) and tree:
        found: Leaves = {}
        for step, part in _elements(tree):
            found |= leaves(part, (*path, step))
        return found
    return {path: tree}


def _elements(listed: Sequence[Any]) -> Iterator[tuple[str, Any]]:
    for key in _KEYS:
        names = [part.get(key) if isinstance(part, dict) else None for part in listed]
        if None not in names and len(set(names)) == len(names):
            yield from ((f"{key}={name}", part) for name, part in zip(names, listed, strict=True))
            return
    yield from ((str(index), part) for index, part in enumerate(listed))


def differing(old: Any, new: Any) -> set[tuple[str, ...]]:
    before, after = leaves(old), leaves(new)
    return {path for path in before.keys() | after.keys() if before.get(path, ...) != after.get(path, ...)}


def named(patch: Any, old: Any) -> set[tuple[str, ...]]:
    """The paths that a patch speaks of: of a strategic merge its leaves, of JSON 6902 all below its operations."""
    if isinstance(patch, dict):
        return {_whole_list(path[:-1] if path[-1:] == ("$patch",) else path) for path in leaves(patch)}
    found: set[tuple[str, ...]] = set()
    for operation in patch:
        if operation["op"] == "test":
            continue
        place = _pointed(operation["path"], old, operation.get("value"))
        found |= set(leaves(operation.get("value"), place))
        if place[-1] in _KEYS:  # one element of a list became another one
            found.add(place[:-2])
        elif operation["op"] == "remove" and "=" in place[-1]:
            found.add(place[:-1])
    return found


def _whole_list(path: tuple[str, ...]) -> tuple[str, ...]:
    """A list whose elements have no names is replaced."""
    return next((path[:index] for index, step in enumerate(path) if step.isdecimal()), path)


def _pointed(pointer: str, tree: Any, value: Any) -> tuple[str, ...]:
    path: list[str] = []
    for token in pointer.split("/")[1:]:
        step = token.replace("~1", "/").replace("~0", "~")
        if isinstance(tree, list):
            listed = [*tree, value] if step == "-" else tree
            index = len(tree) if step == "-" else int(step)
            step, tree = list(_elements(listed))[index]
        else:
            tree = tree.get(step) if isinstance(tree, dict) else None
        path.append(step)
    return tuple(path)


def check_laws(folder: Path, text: str, **settings: Any) -> None:
    """Adopt what a text holds; what comes of it has no error, needs nothing more, and is else what it was."""
    before = [one.tree for one in documents_of(text, "test.yaml")]
    found = adopted_all(manifests_of(documents_of(text, "test.yaml"), **settings))
    after = manifests_of(built(put_together(folder, text, found)), **settings)
    assert not (found_errors := errors(after)), found_errors
    again = adopted_all(after)
    assert all(one.is_nothing for one in again), [block(new.tree) for one in again for _, new in one.changed]
    patches = {
        identity(old.tree): load_documents(text, name)[0]
        for one in found
        for (old, _), (name, text) in zip(
            one.changed, [item for item in files(one).items() if item[0].endswith(".patch.yaml")], strict=True
        )
    }
    trees = {identity(one.tree): one.tree for one in after.objects}
    for tree in before:
        changed = differing(tree, trees.pop(identity(tree)))
        patch = patches.get(identity(tree), {})
        names = named(patch, tree)
        covered = {name[:length] for name in names for length in range(len(name) + 1)}  # what was empty is filled
        unnamed = [path for path in changed - covered if not any(path[:length] in names for length in range(len(path)))]
        assert unnamed == [], "something changed that the patch doesn't name"
    assert trees.keys() == {identity(part.tree) for one in found for part in one.added}
