"""The flow, on one screen: environments in, output files out.

    layers ─► values ─► schema ─► rules ─► templates ─► resources ─► forms ─► units

What goes wrong in one environment doesn't hide what is wrong in the next: all problems are raised together.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from generator import __version__
from generator.cache import CodeCache, cache_key, libraries, program_version, recalled, remembered
from generator.errors import InputError, Location, Problem, ValuePath, dotted
from generator.functions.placeholder import MARK
from generator.project import TemplateFile, Variant, choices
from generator.render import Renderer, TemplateError, TemplateText
from generator.resource import Resource, check_duplicates, parse_resources, sort_key
from generator.shape import Shapes
from generator.stages import Stages
from generator.tree import OutputFile
from generator.values import Layer, Values, merge_layers, read_layer
from generator.workspace import DEFAULTS, Workspace

if TYPE_CHECKING:
    from generator.emit.chart_values import ValuesWriter
    from generator.schema import Schema

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


class Inputs(Protocol):
    """What environments have in common: a `Workspace`, which reads on demand, or a `Project`, which holds all of it."""

    def schema(self) -> Schema:
        """The schema of values."""

    def variants(self) -> dict[str, Variant]:
        """Every variant, by name."""

    def template(self, name: str) -> TemplateFile | None:
        """A template by its name."""

    def root_defaults(self) -> Layer | None:
        """The layer that all environments share, if there is one."""


class Builder:
    """Renders one environment after another, and keeps what they have in common."""

    def __init__(
        self, inputs: Inputs, forms: Sequence[str], cache: CodeCache | None = None, *, by_shape: bool = True
    ) -> None:
        """Take the project and the forms to render to, of ``manifests``, ``kustomize`` and ``helm``.

        Many environments are quicker rendered ``by_shape``, few without.
        """
        self._inputs = inputs
        self._forms = forms
        self._schema = inputs.schema()
        self._variants = inputs.variants()
        self._cache = cache or CodeCache()
        self._renderer = Renderer(self._template, self._cache, self._schema.optional_keys())
        self._bases: dict[str, Base] = {}
        self._defaults: dict[str, Layer] = {}
        self._shapes = Shapes(self._rendered_with_placeholders) if by_shape else None
        self._has_mark = MARK in repr(self._schema.defaults())
        self.stages = Stages()

    def units(self, name: str, layers: Sequence[Layer]) -> tuple[str, list[Unit]]:
        """Give an environment's variant, and its files by form.

        Raises:
            InputError: every problem of this environment.
        """
        tree, resources = self.resources(layers)
        namespace, variant = tree["namespace"], tree["variant"]
        units: list[Unit] = []
        now = perf_counter()
        if "manifests" in self._forms:
            from generator.emit import manifests

            units.append(Unit(f"manifests/{name}", manifests.emit(name, resources, namespace)))
            now = self.stages.spent("emit", now)
        if "kustomize" in self._forms:
            from generator.emit import kustomize

            base = self.base(variant).resources
            now = perf_counter()
            overlay = kustomize.plan(base, resources)
            now = self.stages.spent("patch", now, patches=len(overlay.patches))
            files = kustomize.emit_overlay(name, variant, overlay, namespace)
            units.append(Unit(f"kustomize/overlays/{name}", files))
        if "helm" in self._forms:
            units.append(Unit(f"helm/values/{name}", [self._chart_values.file(name, tree)]))
        self.stages.spent("emit", now, files=sum(len(unit.files) for unit in units))
        return variant, units

    def chart(self, version: str, app_version: str | None = None) -> Unit:
        """Give the chart of all variants; ``app_version`` is Prometheus' default version if it isn't given.

        Raises:
            InputError: every place where a template says what a Helm template can't.
        """
        from generator.emit.release import CHART

        app_version = self._app_version(version, app_version)
        templates, rules = self._parts_of_variants()

        def compiled(read: Callable[[str], str | None]) -> tuple[tuple[str, str], ...]:
            from generator.emit import chart

            def lookup(name: str) -> TemplateText | None:
                return None if read(name) is None else self._template(name)

            files = chart.emit(chart.Sources(templates, rules, lookup, self._schema), version, app_version)
            return tuple((file.path, file.text) for file in files)

        now = perf_counter()
        files = remembered(self._cache, self._chart_key(version, app_version), self._text, compiled)
        self.stages.spent("render", now, charts=1)
        return Unit(f"helm/{CHART}", [OutputFile(*file) for file in files])

    def knows_chart(self, version: str) -> bool:
        """Say whether the chart needn't be compiled, which takes longer than to render some environments."""
        key = self._chart_key(version, self._app_version(version, None))
        return recalled(self._cache, key, self._text) is not None

    def _app_version(self, version: str, app_version: str | None) -> str:
        found: str = app_version or self._schema.defaults().get("prometheus", {}).get("version", version)
        return found

    def _parts_of_variants(self) -> tuple[dict[str, tuple[str, ...]], dict[str, tuple[str, ...]]]:
        """Give the names of each variant's templates, and of its rules."""
        variants = self._variants.items()
        return {name: found.templates for name, found in variants}, {name: found.rules for name, found in variants}

    def _chart_key(self, version: str, app_version: str) -> str:
        parts = json.dumps([version, app_version, *self._parts_of_variants(), self._schema.document])
        return cache_key("chart", program_version(), libraries(), parts)

    def _text(self, name: str) -> str | None:
        found = self._inputs.template(name)
        return found.text if found else None

    def layer(self, source: str, text: str) -> Layer:
        """Read a layer; the defaults of a folder, which many environments share, once.

        Raises:
            InputError: it holds no values.
        """
        if not source.endswith(f"/{DEFAULTS}"):
            return read_layer(source, text)
        known = self._defaults.get(source)
        if known is None or known.text != text:
            known = self._defaults[source] = read_layer(source, text)
        return known

    def resources(self, layers: Sequence[Layer]) -> tuple[Tree, list[Resource]]:
        """Give the checked values that layers make, and what the templates render them to."""
        now = perf_counter()
        values = merge_layers(self._schema.defaults(), layers)
        now = self.stages.spent("layer", now, environments=1)
        tree = self._checked(values)
        if tree["variant"] not in self._variants:
            raise InputError(self._no_templates(tree["variant"], values))
        now = self.stages.spent("check", now)
        filled = self._shapes.resources(layers) if self._shapes else None
        if filled is not None:
            self.stages.spent("render", now, filled=1)
            return tree, filled
        now = perf_counter()
        try:
            problems = [_located(path, message, values) for path, message in self._violations(tree)]
            if problems:
                raise InputError(problems)
            self.stages.spent("check", now)
            return tree, self._rendered(tree)
        except TemplateError as error:
            raise InputError(_with_value_places(error, values)) from error

    def _rendered_with_placeholders(self, layers: Sequence[Layer]) -> list[Resource]:
        """Render layers whose values were checked already, but for the rules."""
        tree = merge_layers(self._schema.defaults(), layers).tree
        problems = [Problem(message, None, path) for path, message in self._violations(tree)]
        if problems:
            raise InputError(problems)
        resources = self._rendered(tree)
        if self._has_mark:
            raise InputError(Problem("what placeholders are told by stands in a template or a default"))
        return resources

    def _checked(self, values: Values) -> Tree:
        problems = self._schema.check(values)
        if problems:
            raise InputError(problems)
        return values.tree

    def _no_templates(self, variant: str, values: Values) -> Problem:
        from generator.files import nearest

        message, place = f"there are no templates of the variant '{variant}'", values.location(("variant",))
        return Problem(message, place, "variant", hint=nearest(variant, self._variants))

    def _violations(self, tree: Tree) -> Iterable[tuple[str, str]]:
        return self._renderer.violations(self._variants[tree["variant"]].rules, tree)

    def _rendered(self, tree: Tree) -> list[Resource]:
        """Render every template of the variant that a value tree names."""
        now = perf_counter()
        templates = self._variants[tree["variant"]].templates
        texts = [self._renderer.render(template, tree) for template in templates]
        now = self.stages.spent("render", now, templates=len(texts))
        resources: list[Resource] = []
        problems: list[Problem] = []
        for template, text in zip(templates, texts, strict=True):
            try:
                resources += parse_resources(template, text)
            except InputError as error:
                problems += error.problems
        try:
            check_duplicates(resources)
        except InputError as error:
            problems += error.problems
        self.stages.spent("parse", now, documents=len(resources))
        if problems:
            raise InputError([self._in_file(problem) for problem in problems])
        return resources

    def base_unit(self, variant: str) -> Unit:
        """Give the files of a variant's base, on which the overlays of its environments rest."""
        from generator.emit import kustomize

        base = self.base(variant)
        now = perf_counter()
        files = kustomize.emit_base(variant, base.resources, base.namespace)
        self.stages.spent("emit", now)
        return Unit(f"kustomize/base/{variant}", files)

    def base(self, variant: str) -> Base:
        """Render what the root's defaults give by themselves, or the schema's where those alone aren't valid.

        Rules are for environments: a base is never applied by itself.
        """
        if variant not in self._bases:
            tree = self._tree_of_base(variant)
            self._bases[variant] = Base(tree["namespace"], self._rendered(tree))
        return self._bases[variant]

    def _tree_of_base(self, variant: str) -> Tree:
        shared = self._inputs.root_defaults()
        choice = Layer(f"templates/{variant}", f"variant: {variant}\n", {"variant": variant})
        values = merge_layers(self._schema.defaults(), [shared, choice] if shared else [choice])
        if self._schema.check(values):
            values = merge_layers(self._schema.defaults(), [choice])
        return self._checked(values)

    def component_unit(self, component: str) -> Unit | None:
        """Give the files of a component, with the values of its variant's base; None where that variant is not ours.

        A schema that doesn't name the variant is a team's own, and knows nothing of the values that components need.

        Raises:
            GeneratorError: a template can't be rendered.
        """
        from generator.emit import components

        variant = components.COMPONENTS[component]
        if variant not in (choices(self._schema) or ()) or variant not in self._variants:
            return None
        tree = self._tree_of_base(variant)
        now = perf_counter()
        files = components.emit(component, lambda name: self._renderer.render(name, tree))
        self.stages.spent("render", now, templates=len(files))
        return Unit(f"{components.FOLDER}/{component}", files)

    @cached_property
    def _chart_values(self) -> ValuesWriter:
        from generator.emit.chart_values import ValuesWriter
        from generator.emit.release import chart_defaults

        return ValuesWriter(self._schema.document, chart_defaults(self._schema.defaults()))

    def _template(self, name: str) -> TemplateText | None:
        found = self._inputs.template(name)
        self._has_mark = self._has_mark or (found is not None and MARK in found.text)
        return TemplateText(*found) if found else None

    def _in_file(self, problem: Problem) -> Problem:
        """Name a template's file as the user knows it."""
        found = self._inputs.template(problem.location.file) if problem.location else None
        return problem._replace(location=Location(found.source)) if found else problem


def merged_layers(workspace: Workspace, name: str) -> Values:
    """Merge an environment's layers over the defaults."""
    return merge_layers(workspace.schema().defaults(), workspace.environment(name).layers)


def rendered(workspace: Workspace, name: str) -> list[Resource]:
    """Render one environment.

    Raises:
        InputError: there is none of that name, or every problem of it.
    """
    return Builder(workspace, ()).resources(workspace.environment(name).layers)[1]


def stream(workspace: Workspace, name: str) -> str:
    """Render one environment to a stream of YAML documents, in the order in which to apply them."""
    resources = rendered(workspace, name)
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
