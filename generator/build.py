"""The flow, on one screen: environments in, output files out.

    layers ─► values ─► schema ─► rules ─► templates ─► resources ─► forms ─► OutputTree

What goes wrong in one environment doesn't hide what is wrong in the next: all problems are raised together.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from generator import __version__
from generator.cache import CodeCache, cache_key, program_version, remembered
from generator.errors import InputError, Location, Problem, ValuePath, dotted
from generator.render import Renderer, TemplateError, TemplateText
from generator.resource import Resource, check_duplicates, parse_resources, sort_key
from generator.tree import OutputFile, OutputTree
from generator.values import Layer, Values, merge_layers
from generator.workspace import Workspace

if TYPE_CHECKING:
    from generator.emit.chart_values import ValuesWriter

Tree = Mapping[str, Any]


class Unit(NamedTuple):
    """A folder of output and the files in it."""

    folder: str
    files: list[OutputFile]


class Base(NamedTuple):
    """What all environments of a variant have in common, before any of them adds its own."""

    namespace: str
    resources: list[Resource]


class Summary(NamedTuple):
    """An environment in one line."""

    name: str
    variant: str
    namespace: str


def build(
    workspace: Workspace, names: Sequence[str], forms: Sequence[str], step: Callable[[], object] = lambda: None
) -> OutputTree:
    """Render environments to the forms asked for, ``manifests``, ``kustomize`` and ``helm``; call ``step`` after each.

    Raises:
        InputError: every problem of every environment, each one once.
    """
    builder, tree = Builder(workspace, forms), OutputTree()
    problems: dict[Problem, None] = {}
    for name in names:
        try:
            for unit in builder.environment(name):
                tree.add(*unit)
        except InputError as error:
            problems.update(dict.fromkeys(error.problems))
        step()
    if problems:
        raise InputError(problems)
    for unit in builder.shared():
        tree.add(*unit)
    return tree


class Builder:
    """Renders one environment after another, and keeps what they have in common."""

    def __init__(self, workspace: Workspace, forms: Sequence[str]) -> None:
        """Take the project and the forms to render to."""
        self._workspace = workspace
        self._forms = forms
        self._schema = workspace.schema()
        self._variants = workspace.variants()
        self._cache = CodeCache()
        self._renderer = Renderer(self._template, self._cache, self._schema.optional_keys())
        self._bases: dict[str, Base] = {}

    def environment(self, name: str) -> Iterator[Unit]:
        """Give an environment's files, by form."""
        tree, resources = self.resources(name)
        namespace, variant = tree["namespace"], tree["variant"]
        if "manifests" in self._forms:
            from generator.emit import manifests

            yield Unit(f"manifests/{name}", manifests.emit(name, resources, namespace))
        if "kustomize" in self._forms:
            from generator.emit import kustomize

            base = self._base(variant).resources
            files = kustomize.emit_overlay(name, variant, base, resources, namespace)
            yield Unit(f"kustomize/overlays/{name}", files)
        if "helm" in self._forms:
            yield Unit(f"helm/values/{name}", [self._chart_values.file(name, tree)])

    def shared(self) -> Iterator[Unit]:
        """Give what environments rest on: each base that one so far does, and the chart."""
        yield from self._base_units()
        if "helm" in self._forms:
            yield self.chart(__version__)

    def chart(self, version: str, app_version: str | None = None) -> Unit:
        """Give the chart of all variants; ``app_version`` is Prometheus' default version if it isn't given.

        Raises:
            InputError: every place where a template says what a Helm template can't.
        """
        from generator.emit.release import CHART

        app_version = app_version or self._schema.defaults().get("prometheus", {}).get("version", version)
        templates = {name: variant.templates for name, variant in self._variants.items()}
        rules = {name: variant.rules for name, variant in self._variants.items()}

        def compiled(read: Callable[[str], str | None]) -> tuple[tuple[str, str], ...]:
            from generator.emit import chart

            def lookup(name: str) -> TemplateText | None:
                return None if read(name) is None else self._template(name)

            files = chart.emit(chart.Sources(templates, rules, lookup, self._schema), version, app_version)
            return tuple((file.path, file.text) for file in files)

        parts = json.dumps([version, app_version, templates, rules, self._schema.document])
        files = remembered(self._cache, cache_key("chart", program_version(), parts), self._text, compiled)
        return Unit(f"helm/{CHART}", [OutputFile(*file) for file in files])

    def _text(self, name: str) -> str | None:
        found = self._workspace.template(name)
        return found.text if found else None

    def _base_units(self) -> Iterator[Unit]:
        for variant, base in sorted(self._bases.items()):
            from generator.emit import kustomize

            files = kustomize.emit_base(variant, base.resources, base.namespace)
            yield Unit(f"kustomize/base/{variant}", files)

    def resources(self, name: str) -> tuple[Tree, list[Resource]]:
        """Give an environment's checked values, and what its templates render to."""
        values = merged_layers(self._workspace, name)
        tree = self._checked(values)
        try:
            problems = [_located(path, message, values) for path, message in self._violations(tree)]
            if problems:
                raise InputError(problems)
            return tree, self._rendered(tree)
        except TemplateError as error:
            raise InputError(_with_value_places(error, values)) from error

    def _checked(self, values: Values) -> Tree:
        problems = self._schema.check(values)
        if problems:
            raise InputError(problems)
        return values.tree

    def _violations(self, tree: Tree) -> Iterable[tuple[str, str]]:
        return self._renderer.violations(self._variants[tree["variant"]].rules, tree)

    def _rendered(self, tree: Tree) -> list[Resource]:
        """Render every template of the variant that a value tree names."""
        resources: list[Resource] = []
        problems: list[Problem] = []
        for template in self._variants[tree["variant"]].templates:
            text = self._renderer.render(template, tree)
            try:
                resources += parse_resources(template, text)
            except InputError as error:
                problems += error.problems
        try:
            check_duplicates(resources)
        except InputError as error:
            problems += error.problems
        if problems:
            raise InputError([self._in_file(problem) for problem in problems])
        return resources

    def _base(self, variant: str) -> Base:
        """Render what the root's defaults give by themselves, or the schema's where those alone aren't valid.

        Rules are for environments: a base is never applied by itself.
        """
        if variant not in self._bases:
            shared = self._workspace.root_defaults()
            choice = Layer(f"templates/{variant}", f"variant: {variant}\n", {"variant": variant})
            values = merge_layers(self._schema.defaults(), [shared, choice] if shared else [choice])
            if self._schema.check(values):
                values = merge_layers(self._schema.defaults(), [choice])
            tree = self._checked(values)
            self._bases[variant] = Base(tree["namespace"], self._rendered(tree))
        return self._bases[variant]

    @cached_property
    def _chart_values(self) -> ValuesWriter:
        from generator.emit.chart_values import ValuesWriter
        from generator.emit.release import chart_defaults

        return ValuesWriter(self._schema.document, chart_defaults(self._schema.defaults()))

    def _template(self, name: str) -> TemplateText | None:
        found = self._workspace.template(name)
        return TemplateText(*found) if found else None

    def _in_file(self, problem: Problem) -> Problem:
        """Name a template's file as the user knows it."""
        found = self._workspace.template(problem.location.file) if problem.location else None
        return problem._replace(location=Location(found.source)) if found else problem


def merged_layers(workspace: Workspace, name: str) -> Values:
    """Merge an environment's layers over the defaults."""
    return merge_layers(workspace.schema().defaults(), workspace.environment(name).layers)


def stream(workspace: Workspace, name: str) -> str:
    """Render one environment to a stream of YAML documents, in the order in which to apply them."""
    _, resources = Builder(workspace, ()).resources(name)
    return "".join(f"---\n{resource.text}" for resource in sorted(resources, key=sort_key))


def package(workspace: Workspace, version: str | None, app_version: str | None) -> tuple[str, bytes]:
    """Pack the chart; give the name of the archive, and its bytes.

    Without ``version`` the chart has ours, without ``app_version`` Prometheus' default version.
    """
    from generator.emit.archive import archive
    from generator.emit.release import CHART

    version = version or __version__
    folder, files = Builder(workspace, ()).chart(version, app_version)
    return f"{CHART}-{version}.tgz", archive(files, folder)


def summaries(workspace: Workspace, names: Sequence[str] | None = None) -> list[Summary]:
    """Tell of environments, all of them by default, what they are; values needn't be valid, but must be readable."""
    names = workspace.environment_names() if names is None else names
    trees = {name: merged_layers(workspace, name).tree for name in names}
    return [Summary(name, str(tree.get("variant", "")), str(tree.get("namespace", ""))) for name, tree in trees.items()]


def merged_values(workspace: Workspace, name: str) -> Tree:
    """Give an environment's values: the defaults, and its layers over them."""
    return merged_layers(workspace, name).tree


def origins(workspace: Workspace, name: str) -> Iterator[str]:
    """Tell each leaf of an environment's values, with the file and line it comes from."""
    from generator import yaml

    values = merged_layers(workspace, name)
    for path, origin in values.origins().items():
        leaf: Any = values.tree
        for part in path:
            leaf = leaf[part]
        yield f"{dotted(path)}: {_EMPTY.get(type(leaf)) or yaml.scalar(leaf)}  # {origin}"


_EMPTY: dict[type, str] = {dict: "{}", list: "[]"}


def _located(path: str, message: str, values: Values) -> Problem:
    """A rule's violation, with the place that the value comes from."""
    return Problem(message, _place(path, values), path)


def _with_value_places(error: TemplateError, values: Values) -> list[Problem]:
    """A template's problem, with the places that the values in it come from."""
    told = [f"{path} is set in {place}" for path in error.value_paths if (place := _place(path, values))]
    first, *others = error.problems
    return [first._replace(hint="; ".join([*([first.hint] if first.hint else []), *told])), *others]


def _place(path: str, values: Values) -> Location | None:
    return values.location(_resolved(path, values.tree))


def _resolved(path: str, tree: Any) -> ValuePath:
    """Read a dotted path (``scrape.jobs[0]``, ``labels.app.kubernetes.io/name``) by what the tree holds."""
    if not path:
        return ()
    if path.startswith("[") and isinstance(tree, list):
        number, _, rest = path[1:].partition("]")
        index = int(number)
        return (index, *_resolved(rest.removeprefix("."), tree[index])) if index < len(tree) else ()
    if isinstance(tree, dict):
        for key in sorted(tree, key=len, reverse=True):
            rest = path[len(key) :]
            if path.startswith(key) and (not rest or rest[0] in ".["):
                return (key, *_resolved(rest.removeprefix("."), tree[key]))
    return ()
