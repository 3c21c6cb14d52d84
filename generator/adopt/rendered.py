"""What our templates render for a foreign Prometheus: the pattern, its job or monitor, what the mesh is told."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from generator.adopt.comments import Comments, comments_in
from generator.errors import InputError, Location, Problem, ValuePath
from generator.monitoring.pattern import CONFIG, USER_VOLUME_MOUNT, Pattern
from generator.monitoring.versions import Version, parse_version, spelled
from generator.values import Layer
from generator.yaml import block, load

if TYPE_CHECKING:
    from generator.build import Builder
    from generator.resource import Resource
    from generator.workspace import Workspace

Tree = dict[str, Any]

_WORKLOADS = ("StatefulSet", "Deployment")
_OPERATED = ("Prometheus", "PrometheusAgent")
_POD: ValuePath = ("spec", "template")
_PROXY = "istio-proxy"
_JOB = "istio-mtls"
_CONFIGURATION = "prometheus.yml"
# These releases of Prometheus are the first to know `keepequal`, which a label of the container needs, and a job's
# `enable_http2` (Prometheus CHANGELOG).
_KEEPEQUAL_SINCE = (2, 41)
_HTTP2_SINCE = (2, 35)
#: Variants whose proxy isn't injected, and what they do instead.
_WITHOUT_INJECTION: Mapping[str, str] = {
    "manual": "which writes the proxy into the pod by hand",
    "merged": "which needs no certificate",
}
#: Kinds that say something of the pod to the mesh.
_MESH = ("Sidecar", "PeerAuthentication")


class Part(NamedTuple):
    """A tree, or a part of one, and the comments that the templates have in it."""

    tree: Tree
    comments: Comments


class Rendered(NamedTuple):
    """What the templates render. ``job`` and ``monitor`` are None where the values switch mTLS scraping off.

    ``pod`` holds the comments of the pod's parts. ``scrape_class`` is one element of ``scrapeClasses``.
    """

    pattern: Pattern
    pod: Comments
    job: Part | None
    scrape_class: Part | None
    monitor: Part | None
    mesh: tuple[Part, ...]


class Templates:
    """Renders the templates for one scraper after another, with an environment's values or the defaults."""

    def __init__(self, workspace: Workspace, environment: str = "") -> None:
        """Take the project, and an environment's name; "" stands for the templates' defaults.

        Raises:
            InputError: there is no such environment, or it can't be read.
        """
        from generator.build import Builder

        self._layers: Sequence[Layer] = workspace.environment(environment).layers if environment else ()
        self._builder: Builder = Builder(workspace, (), by_shape=False)
        self._known: dict[str, Rendered] = {}

    def notes(self) -> list[Problem]:
        """Tell of an environment whose own Prometheus gets no certificate by injection: what is adopted does."""
        variant = next((str(one.tree["variant"]) for one in reversed(self._layers) if "variant" in one.tree), "")
        if variant not in _WITHOUT_INJECTION:
            return []
        place = Location(self._layers[-1].source)
        message = f"this environment is of the variant `{variant}`, {_WITHOUT_INJECTION[variant]}"
        return [Problem(message, place, hint="what adopt adds has Istio inject the proxy: check that it may")]

    def version_of(self, what: str) -> Version | None:
        """Give the ``version`` that the environment sets for ``istio`` or ``kubernetes``; None where it sets none."""
        found = None
        for layer in self._layers:
            part = layer.tree.get(what)
            found = parse_version(part.get("version")) or found if isinstance(part, dict) else found
        return found

    def render(self, variant: str, *, prometheus: Version | None, istio: Version, kubernetes: Version) -> Rendered:
        """Render a variant for a Prometheus of some version (None: a recent one).

        Raises:
            InputError: the values aren't valid, or break a rule.
        """
        tree: Tree = {
            "istio": {"version": spelled((*istio, 0)[:3])},
            "kubernetes": {"version": spelled(kubernetes[:2])},
        }
        if prometheus is not None and prometheus < _KEEPEQUAL_SINCE:
            tree["scrape"] = {"containerLabel": False}
        found = self._rendered({"variant": variant, **tree})
        if found.job is None:  # an operator's, which may need the job too
            found = found._replace(job=self._rendered({"variant": "plain", **tree}).job)
        if found.job and prometheus is not None and prometheus < _HTTP2_SINCE:
            found = found._replace(job=without_http2(found.job))
        return found

    def _rendered(self, tree: Tree) -> Rendered:
        text = block(tree) + "\n"
        if text not in self._known:
            layer = Layer("sidecert adopt", text, tree)
            resources = self._builder.resources([*self._layers, layer])[1]
            try:
                self._known[text] = rendered_of(resources)
            except (KeyError, StopIteration) as error:  # a team's own templates
                message = f"the templates of the variant {tree['variant']} render no Prometheus with an injected proxy"
                place = Location(f"templates/{tree['variant']}")
                raise InputError(Problem(message, place, hint="adopt with the templates of sidecert")) from error
        return self._known[text]


def rendered_of(resources: Iterable[Resource]) -> Rendered:
    """Take what matters out of the rendered resources of the variant ``plain`` or ``operator``."""
    resources = list(resources)
    of_kind = {resource.id.kind: resource for resource in resources}
    made = next(of_kind[kind] for kind in (*_WORKLOADS, *_OPERATED) if kind in of_kind)
    base = _POD if made.id.kind in _WORKLOADS else ("spec",)
    metadata = "metadata" if made.id.kind in _WORKLOADS else "podMetadata"
    comments = {("metadata", *path): text for path, text in comments_in(made.text, (*base, metadata)).items()}
    jobs = (_job(resource) for resource in resources if resource.id.kind == "ConfigMap")
    monitors = [one for one in resources if one.id.kind == "PodMonitor" and one.tree["spec"].get("scrapeClass")]
    return Rendered(
        pattern_of(resources),
        comments,
        next(filter(None, jobs), None),
        _class(made),
        next((Part(one.tree, comments_in(one.text)) for one in monitors if one.id.name.endswith(_JOB)), None),
        tuple(Part(one.tree, comments_in(one.text)) for kind in _MESH for one in resources if one.id.kind == kind),
    )


def pattern_of(resources: Iterable[Resource]) -> Pattern:
    """Give the pattern that rendered resources hold; with the default values it is `DEFAULT`."""
    trees: dict[str, Tree] = {resource.id.kind: resource.tree for resource in resources}
    tree = next(trees[kind] for kind in (*_WORKLOADS, *_OPERATED) if kind in trees)
    spec = tree["spec"]
    if tree["kind"] in _WORKLOADS:
        metadata, pod = spec["template"]["metadata"], spec["template"]["spec"]
        mounts = next(one for one in pod["containers"] if one["name"] != _PROXY)["volumeMounts"]
    else:
        metadata, pod = spec["podMetadata"], spec
        mounts = spec["volumeMounts"]
    annotations: Mapping[str, str] = metadata["annotations"]
    config: Any = load(annotations[CONFIG], CONFIG)
    others = dict(config.get("proxyMetadata", {}))
    directory = others.pop("OUTPUT_CERTS")
    volume = next(iter(json.loads(annotations[USER_VOLUME_MOUNT])))
    source = next(one["emptyDir"] for one in pod["volumes"] if one["name"] == volume)
    return Pattern(
        labels={key: value for key, value in metadata["labels"].items() if _is_istios(key)},
        annotations={
            key: value
            for key, value in annotations.items()
            if _is_istios(key) and key not in {CONFIG, USER_VOLUME_MOUNT}
        },
        config={
            **{key: value for key, value in config.items() if key != "proxyMetadata"},
            **({"proxyMetadata": others} if others else {}),
        },
        directory=directory,
        mount_path=next(one["mountPath"] for one in mounts if one["name"] == volume),
        volume=volume,
        size_limit=source.get("sizeLimit", ""),
        containers=tuple(one for one in pod.get("containers", ()) if one["name"] == _PROXY),
    )


def _is_istios(key: str) -> bool:
    return key.partition("/")[0].endswith("istio.io")


def _job(config: Resource) -> Part | None:
    """The mTLS job of a rendered prometheus.yml; None where it isn't that, or has none."""
    text = config.tree.get("data", {}).get(_CONFIGURATION, "")
    found: Any = load(text, "") if text else {}
    jobs = found.get("scrape_configs", [])
    for index, job in enumerate(jobs):
        if job["job_name"] == _JOB:
            return Part(job, comments_in(text, ("scrape_configs", index)))
    return None


def _class(resource: Resource) -> Part | None:
    classes = resource.tree["spec"].get("scrapeClasses") or []
    place: ValuePath = ("spec", "scrapeClasses", 0)
    return Part(classes[0], comments_in(resource.text, place)) if classes else None


# ---------------------------------------------------------------------------------------- for a pod's own directory


def without_http2(job: Part) -> Part:
    """Give a job without ``enable_http2``, for programs that don't know it."""
    tree = {key: value for key, value in job.tree.items() if key != "enable_http2"}
    return job._replace(tree=tree)


def in_directory(part: Part, tls: str, directory: str) -> Part:
    """Give a job or a scrape class whose files lie in another directory; ``tls`` is its key for them."""
    files = {
        key: posixpath.join(directory, posixpath.basename(value)) if isinstance(value, str) else value
        for key, value in part.tree[tls].items()
    }
    return part._replace(tree={**part.tree, tls: files})


def renamed(part: Part, key: str, name: str) -> Part:
    """Give a job or a scrape class another name."""
    return part._replace(tree={**part.tree, key: name})
