"""A project on disk: its overlays, and the templates they are rendered with. The only reader of input.

``overlays/`` is a tree. Every ``NAME.yaml`` is an environment, named by its path (``dev``, ``prod/eu-1``);
``_defaults.yaml`` applies to all environments of its folder and below. Names that begin with ``_`` are no
environments, names that begin with ``.`` and other files are none of our business.

Templates are looked up in the team's own root first, then in the one that is shipped with this package.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from generator.errors import InputError, Location, Problem
from generator.files import Root, check_name, missing_folder, nearest, unusable_names
from generator.project import LayerText, Project, SchemaText, TemplateFile, Variant, allowed, read_schema

if TYPE_CHECKING:
    from generator.schema import Schema
    from generator.values import Layer

DEFAULTS = "_defaults.yaml"
SCHEMA = "values.schema.json"
SHARED_RULES = "_lib/rules.j2"
TEMPLATE_SUFFIX = ".yaml.j2"


class Environment(NamedTuple):
    """An environment and the layers that make its values, from the root of ``overlays/`` to its own file."""

    name: str
    layers: tuple[Layer, ...]


class Overlays(NamedTuple):
    """What a walk over ``overlays/`` found: environments in order, folders that hold defaults, files behind links."""

    names: dict[str, None]
    folders_with_defaults: frozenset[str]
    linked: frozenset[str]


def open_workspace(directory: str, overlays: str | None = None, templates: str | None = None) -> Workspace:
    """Open the project in a folder; nothing is read yet but the existence of what was named.

    ``overlays`` defaults to ``overlays/`` in it, ``templates`` to ``templates/`` in it where that exists.

    Raises:
        InputError: the project's or the templates' folder doesn't exist.
    """
    project = os.path.abspath(directory)
    if not os.path.isdir(project):
        raise InputError(missing_folder(directory, project))
    chosen = Root.at(project, templates or "templates")
    if templates and not os.path.isdir(chosen.path):
        raise InputError(missing_folder(templates, chosen.path))
    builtin = builtin_templates()
    own = os.path.isdir(chosen.path) and not os.path.samefile(chosen.path, builtin.path)
    roots = (chosen, builtin) if own else (builtin,)
    return Workspace(Root.at(project, overlays or "overlays"), roots)


def builtin_templates() -> Root:
    """The templates shipped with this package: inside it when installed, beside it in a checkout."""
    package = os.path.dirname(os.path.abspath(__file__))
    inside = os.path.join(package, "templates")
    return Root(inside if os.path.isdir(inside) else os.path.join(os.path.dirname(package), "templates"), "templates")


class Workspace:
    """Reads on demand, and each file once."""

    def __init__(self, overlays: Root, template_roots: tuple[Root, ...]) -> None:
        """Take the folder of overlays, and the roots of templates, the one to be searched first first."""
        self.overlays = overlays
        self.template_roots = template_roots
        self._defaults: dict[str, Layer] = {}
        self._default_texts: dict[str, LayerText] = {}
        self._templates: dict[str, TemplateFile | None] = {}

    # ------------------------------------------------------------------------------------ environments

    def environment_names(self) -> tuple[str, ...]:
        """All environments, sorted.

        Raises:
            InputError: the folder is missing, or files in it have names that can't be used: every one is told.
        """
        return tuple(self._overlays.names)

    def select(self, patterns: Iterable[str]) -> tuple[str, ...]:
        """The environments that names and globs (``prod/*``) stand for, sorted; all of them for no pattern.

        Raises:
            InputError: there is no environment, a name is unknown, or a glob matches nothing.
        """
        known, wanted, problems = self.environment_names(), set[str](), list[Problem]()
        if not known:
            hint = f"an environment is a file like {self.overlays.source('dev.yaml')}"
            raise InputError(
                Problem("there is no environment in this folder", Location(self.overlays.shown), hint=hint)
            )
        patterns = tuple(patterns)
        for pattern in patterns:
            names = _matching(pattern, known)
            wanted.update(names)
            if not names:
                problems.append(self._unknown(pattern))
        if problems:
            raise InputError(problems)
        return tuple(sorted(wanted)) if patterns else known

    def environment(self, name: str) -> Environment:
        """Read an environment's layers.

        Raises:
            InputError: there is no such environment, or a layer can't be read.
        """
        if name not in self._overlays.names:
            raise InputError(self._unknown(name))
        defaults = [self._read_defaults(folder) for folder in self._folders_with_defaults(name)]
        return Environment(name, (*defaults, self._read_layer(f"{name}.yaml")))

    def layer_texts(self, name: str) -> tuple[LayerText, ...]:
        """Read the layers of an environment that exists, without looking into them; those that it shares once.

        Raises:
            InputError: one can't be read.
        """
        folders = self._folders_with_defaults(name)
        return (*(self._defaults_text(folder) for folder in folders), self._text(f"{name}.yaml"))

    def root_defaults(self) -> Layer | None:
        """The layer that all environments share, if there is one."""
        return self._read_defaults("") if "" in self._overlays.folders_with_defaults else None

    def _read_defaults(self, folder: str) -> Layer:
        if folder not in self._defaults:
            self._defaults[folder] = self._read_layer(f"{folder}/{DEFAULTS}" if folder else DEFAULTS)
        return self._defaults[folder]

    def _folders_with_defaults(self, name: str) -> list[str]:
        return [folder for folder in ("", *_parents(name)) if folder in self._overlays.folders_with_defaults]

    def _read_layer(self, path: str) -> Layer:
        from generator.values import read_layer

        return read_layer(*self._text(path))

    def _defaults_text(self, folder: str) -> LayerText:
        if folder not in self._default_texts:
            self._default_texts[folder] = self._text(f"{folder}/{DEFAULTS}" if folder else DEFAULTS)
        return self._default_texts[folder]

    def _text(self, path: str) -> LayerText:
        return LayerText(self.overlays.source(path), self.overlays.read(path, linked=path in self._overlays.linked))

    def _unknown(self, name: str) -> Problem:
        if _is_glob(name):
            return Problem(f"no environment matches '{name}'", hint="`sidecert list` shows all environments")
        reason = check_name(name)
        if reason:
            return Problem(f"'{name}' can't name an environment: {reason}")
        if any(known.startswith(f"{name}/") for known in self.environment_names()):
            return Problem(f"'{name}' is a folder of environments", hint=f"'{name}/*' names them all")
        hint = nearest(name, self.environment_names()) or "`sidecert list` shows all environments"
        return Problem(f"there is no environment '{name}'", hint=hint)

    @cached_property
    def _overlays(self) -> Overlays:
        if not os.path.isdir(self.overlays.path):
            raise InputError(missing_folder(self.overlays.shown, self.overlays.path))
        names, defaults, problems = list[str](), set[str](), list[Problem]()
        linked = set[str]()
        for path, is_linked, refused in self.overlays.walk():
            folder, _, file = path.rpartition("/")
            if is_linked:
                linked.add(path)
            if refused:
                problems.append(refused)
            elif file == DEFAULTS:
                defaults.add(folder)
            elif file.endswith(".yml"):
                remedy = f"rename it to {file[:-4]}.yaml"
                problems.append(
                    Problem(
                        "environments are read from .yaml files only", Location(self.overlays.source(path)), hint=remedy
                    )
                )
            elif file.endswith(".yaml") and not file.startswith("_"):
                names.append(path[: -len(".yaml")])
        problems += unusable_names(self.overlays, names)
        if problems:
            raise InputError(sorted(problems, key=lambda problem: str(problem.location)))
        return Overlays(dict.fromkeys(sorted(names)), frozenset(defaults), frozenset(linked))

    # --------------------------------------------------------------------------------------- templates

    def variants(self) -> dict[str, Variant]:
        """Every folder of templates, of all roots together, by name."""
        return self._variants

    def template(self, name: str) -> TemplateFile | None:
        """Read a template by its name, from the first root that has it; None where none has.

        Raises:
            InputError: the file can't be read, or is reached by a symbolic link that leads out of its root.
        """
        if name not in self._templates:
            root = self._root_of(name)
            self._templates[name] = TemplateFile(name, root.read(name), root.source(name)) if root else None
        return self._templates[name]

    def schema(self) -> Schema:
        """The schema of values: ours, with what each variant adds.

        Raises:
            InputError: a schema can't be read or is none.
        """
        return self._schema

    def _root_of(self, name: str) -> Root | None:
        parts = name.split("/")
        if "\\" in name or any(not part or part.startswith(".") for part in parts):
            return None
        return next((root for root in self.template_roots if os.path.isfile(os.path.join(root.path, *parts))), None)

    @cached_property
    def _variants(self) -> dict[str, Variant]:
        return allowed(self._folders, self._schema)

    @cached_property
    def _folders(self) -> dict[str, Variant]:
        """The variants of all roots, whether the schema knows them or not."""
        files: dict[str, set[str]] = {}
        for root in self.template_roots:
            for folder in root.folders():
                files.setdefault(folder, set()).update(root.files(folder))
        shared = tuple(name for name in (SHARED_RULES,) if self._root_of(name))
        found = (_variant(name, names, shared) for name, names in sorted(files.items()))
        return {variant.name: variant for variant in found if variant.templates}

    @cached_property
    def _schema(self) -> Schema:
        """The schema: it names the variants that it is for, and the team's own ones come to them."""
        return read_schema(self._schema_text)

    @cached_property
    def _schema_text(self) -> SchemaText:
        text = self.template(SCHEMA)
        if text is None:
            raise InputError(Problem("the schema is missing", Location(self.template_roots[-1].source(SCHEMA))))
        additions = [self.template(v.schema_addition) for v in self._folders.values() if v.schema_addition]
        own = [name for name in self.template_roots[0].folders() if name in self._folders]
        return SchemaText(text.text, text.source, tuple((a.text, a.source) for a in additions if a), tuple(own))

    def project(self) -> Project:
        """Read everything that environments have in common.

        Raises:
            InputError: as `schema` and `root_defaults` do.
        """
        return Project(self._every_template(), self._folders, self._schema_text, self._root_text())

    def _root_text(self) -> LayerText | None:
        return self._defaults_text("") if "" in self._overlays.folders_with_defaults else None

    def _every_template(self) -> dict[str, TemplateFile | tuple[Problem, ...]]:
        """Read the files of all roots; what can't be read is told to whoever asks for it."""
        found: dict[str, TemplateFile | tuple[Problem, ...]] = {}
        for root in reversed(self.template_roots):
            for name, linked, refused in root.walk(private=True):
                try:
                    text = "" if refused else root.read(name, linked=linked)
                    found[name] = (refused,) if refused else TemplateFile(name, text, root.source(name))
                except InputError as error:
                    found[name] = error.problems
        return found


def _variant(name: str, files: set[str], shared_rules: tuple[str, ...]) -> Variant:
    """Sort the files of a variant's folder by what they are for."""
    templates = (file for file in files if file.endswith(TEMPLATE_SUFFIX) and not file.startswith(f"{name}/_"))
    own_rules = (rules for rules in (f"{name}/_rules.j2",) if rules in files)
    addition = f"{name}/{SCHEMA}"
    return Variant(name, tuple(sorted(templates)), (*shared_rules, *own_rules), addition if addition in files else None)


def _parents(name: str) -> list[str]:
    """The folders above an environment, from the outermost: ``a/b/c`` has ``a`` and ``a/b``."""
    steps = name.split("/")[:-1]
    return ["/".join(steps[:count]) for count in range(1, len(steps) + 1)]


def _is_glob(pattern: str) -> bool:
    return any(sign in pattern for sign in "*?[")


def _matching(pattern: str, names: tuple[str, ...]) -> list[str]:
    if not _is_glob(pattern):
        return [pattern] if pattern in names else []
    from fnmatch import fnmatchcase

    return [name for name in names if fnmatchcase(name, pattern)]
