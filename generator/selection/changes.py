"""Environments whose inputs changed since a commit: their layers, the schema, the templates that they really use.

What isn't selected renders to the same as before. A doubt (a template reached by a computed name, layers that can't be
read) counts as a change.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from generator.errors import InputError, Location, Problem
from generator.files import Root
from generator.git import Checkout
from generator.selection.merged import merged_value
from generator.workspace import DEFAULTS, SCHEMA, TEMPLATE_SUFFIX, Workspace

if TYPE_CHECKING:
    from generator.render.references import References

#: As many links one after another as Linux follows.
_MOST_LINKS = 40


def changed_environments(workspace: Workspace, names: Sequence[str], ref: str) -> tuple[str, ...]:
    """Give those of the environments whose inputs on the disk differ from where HEAD's history left ``ref``.

    New environments are among them. What git ignores doesn't count, nor does a change of sidecert itself.

    Raises:
        InputError: the overlays are in no git work tree, or own templates in another one; ``ref`` can't be used.
    """
    checkout = Checkout.of(workspace.overlays.path)
    base = checkout.merge_base(ref)
    links = Links(checkout)
    roots = [root for root in _template_roots(workspace, checkout) if _is_tracked(root, workspace, checkout)]
    changed = checkout.changed_since(base, links.ways([workspace.overlays, *roots]))
    if not changed:
        return ()
    touched = Touched(changed)
    layers, templates = Layers(workspace.overlays, touched), Templates(workspace, roots, touched)
    if templates.all_of_them():
        return tuple(names)
    return tuple(name for name in names if layers.changed(name) or templates.changed(name))


class Links:
    """The ways to folders, over symbolic links."""

    def __init__(self, checkout: Checkout) -> None:
        self._checkout = checkout

    def ways(self, roots: Iterable[Root]) -> list[str]:
        """Give the paths to ask git for: each root's folder, links on the way to it, the submodule that it lies in."""
        found: dict[str, None] = {}
        for root in roots:
            resolved = Touched(frozenset())
            real, _ = resolved.resolve(root.path)
            paths = [*resolved.links, self._own_repository(real)]
            found.update(dict.fromkeys(path for path in paths if self._checkout.holds(path)))
        return list(found)

    def _own_repository(self, path: str) -> str:
        """Give the innermost folder round a path that is a repository of its own, which git sees as one; or itself."""
        folder = path
        while len(folder) > len(self._checkout.top):
            if os.path.lexists(os.path.join(folder, ".git")):
                return folder
            folder = os.path.dirname(folder)
        return path


class Touched:
    """Says of paths whether what lies there changed, be it through symbolic links."""

    def __init__(self, changed: frozenset[str]) -> None:
        """Take the changed paths: absolute, and as they are when links are followed."""
        self.changed = changed
        self.links: dict[str, None] = {}
        self._folders: dict[str, tuple[str, bool]] = {}

    def __call__(self, path: str) -> bool:
        """Say whether a path, a folder above it, or a link on the way changed; it needn't exist any more."""
        return self.resolve(path)[1]

    def resolve(self, path: str, depth: int = 0) -> tuple[str, bool]:
        """Follow links as `os.path.realpath` does, and look at every path on the way."""
        folder, name = os.path.split(path)
        if not name and folder == path:
            return path, False
        if folder not in self._folders:
            self._folders[folder] = self.resolve(folder, depth)
        real, touched = self._folders[folder]
        if name in {"", os.curdir}:
            return real, touched
        if name == os.pardir:
            return os.path.dirname(real), touched
        here = os.path.join(real, name)
        touched = touched or here in self.changed
        if depth < _MOST_LINKS and os.path.islink(here):
            self.links[here] = None
            target, beyond = self.resolve(os.path.join(real, os.readlink(here)), depth + 1)
            return target, touched or beyond
        return here, touched

    def below(self, folder: str) -> Iterable[str]:
        """Give the changed paths below a folder, relative to it and with ``/``."""
        start = self.resolve(folder)[0].rstrip(os.sep) + os.sep
        return [path[len(start) :].replace(os.sep, "/") for path in self.changed if path.startswith(start)]


class Layers:
    """Says of environments whether one of their layers changed, came or went."""

    def __init__(self, overlays: Root, touched: Touched) -> None:
        self._overlays = overlays
        self._touched = touched
        self._folders: dict[str, bool] = {}

    def changed(self, name: str) -> bool:
        """Say whether the file of an environment changed, or any defaults above it."""
        return self._file(f"{name}.yaml") or self._defaults(name.rpartition("/")[0])

    def _defaults(self, folder: str) -> bool:
        if folder not in self._folders:
            above = bool(folder) and self._defaults(folder.rpartition("/")[0])
            self._folders[folder] = above or self._file(f"{folder}/{DEFAULTS}" if folder else DEFAULTS)
        return self._folders[folder]

    def _file(self, path: str) -> bool:
        return self._touched(_joined(self._overlays, path))


class Templates:
    """Says of environments whether a template that their variant uses changed, came or went."""

    def __init__(self, workspace: Workspace, roots: Sequence[Root], touched: Touched) -> None:
        self._workspace = workspace
        self._roots = roots
        self._touched = touched
        self._references: dict[str, References | None] = {}
        self._variants: dict[str, bool] = {}

    def all_of_them(self) -> bool:
        """Say whether what all variants share by its nature changed: the schema, or what a variant adds to it."""
        if not self._any:
            return False
        folders = {name.partition("/")[0] for name in self._names if "/" in name}
        folders.update(folder for root in self._roots if os.path.isdir(root.path) for folder in root.folders())
        own = (f"{folder}/{SCHEMA}" for folder in folders if not folder.startswith(("_", ".")))
        return any(self._template_changed(name) for name in (SCHEMA, *own))

    def changed(self, name: str) -> bool:
        """Say whether the templates of an environment changed; true where its variant can't be told."""
        if not self._any:
            return False
        try:
            variant = merged_value(self._workspace, name, "variant")
        except InputError:
            return True
        if not isinstance(variant, str) or variant not in self._workspace.variants():
            return True
        if variant not in self._variants:
            self._variants[variant] = self._variant_changed(variant)
        return self._variants[variant]

    @cached_property
    def _any(self) -> bool:
        return bool(self._names) or any(self._touched(root.path) for root in self._roots)

    @cached_property
    def _names(self) -> frozenset[str]:
        """The names of changed files below the roots, by each folder that links lead to them from."""
        found: set[str] = set()
        for root in self._roots:
            found.update(self._touched.below(root.path))
            for folder in root.folders() if os.path.isdir(root.path) else ():
                found.update(f"{folder}/{name}" for name in self._touched.below(_joined(root, folder)))
        return frozenset(found)

    def _template_changed(self, name: str) -> bool:
        """Say whether another text is found by this name, such as one that takes the place of ours."""
        for root in self._roots:
            if self._touched(_joined(root, name)):
                return True
            if os.path.isfile(_joined(root, name)):
                return False
        return False

    def _variant_changed(self, variant: str) -> bool:
        found = self._workspace.variants()[variant]
        reached = self._reached((*found.templates, *found.rules, f"{variant}/_rules.j2"))
        if reached is None:
            return True
        rendered = {name for name in self._names if _is_rendered(name, variant)}
        return any(self._template_changed(name) for name in reached | rendered)

    def _reached(self, roots: Iterable[str]) -> set[str] | None:
        """Give the names that templates reach, whether anything has them or not; None where that can't be told."""
        reached, waiting = set[str](), list(roots)
        variables, constants = set[str](), dict[str, frozenset[str] | None]()
        while waiting:
            name = waiting.pop()
            if name not in reached:
                reached.add(name)
                found = self._references_of(name)
                if found is None:
                    return None
                variables |= found.variables
                for variable, names in found.constants.items():
                    others = constants.get(variable, frozenset())
                    constants[variable] = None if names is None or others is None else names | others
                waiting += found.names
            if not waiting:
                held = [constants.get(variable, frozenset()) for variable in variables]
                if None in held:
                    return None
                waiting = [name for names in held if names for name in names if name not in reached]
        return reached

    def _references_of(self, name: str) -> References | None:
        from generator.render.references import references

        if name not in self._references:
            try:
                template = self._workspace.template(name)
                found = references(name, template.text if template else "")
            except InputError:
                found = None
            self._references[name] = found
        return self._references[name]


def _is_rendered(name: str, variant: str) -> bool:
    """Say whether a file of this name would be a template of the variant."""
    folder, _, file = name.rpartition("/")
    return folder == variant and file.endswith(TEMPLATE_SUFFIX) and not file.startswith(("_", "."))


def _template_roots(workspace: Workspace, checkout: Checkout) -> list[Root]:
    """Give the roots of templates; among them the project's own folder where it may have been removed as a whole."""
    roots, overlays = workspace.template_roots, workspace.overlays
    project = overlays.path.removesuffix(f"{os.sep}{overlays.shown}".replace("/", os.sep))
    own = Root.at(project, "templates")
    gone = len(roots) == 1 and project != overlays.path and not os.path.isdir(own.path)
    return [own, *roots] if gone and checkout.holds(os.path.realpath(own.path)) else [*roots]


def _is_tracked(root: Root, workspace: Workspace, checkout: Checkout) -> bool:
    """Say whether git can tell changes of templates: those that came with sidecert change with its version only."""
    if checkout.holds(os.path.realpath(root.path)):
        return True
    if root is workspace.template_roots[-1]:
        return False
    message = "git can't tell changes of these templates: they are not in the work tree of the environments"
    raise InputError(Problem(message, Location(root.shown), expected=f"a folder below {checkout.top}"))


def _joined(root: Root, name: str) -> str:
    return os.path.join(root.path, *name.split("/"))
