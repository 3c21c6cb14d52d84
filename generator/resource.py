"""Rendered YAML to Kubernetes resources: what each is called, whether two are the same, which comes first."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from generator.errors import InputError, Location, Problem
from generator.yaml import load_documents


class ResourceId(NamedTuple):
    """What tells a resource from every other in a cluster; ``namespace`` is "" where there is none."""

    api_version: str
    kind: str
    namespace: str
    name: str

    @property
    def group(self) -> str:
        """The API group, "" for the core one."""
        return self.api_version.rpartition("/")[0]

    def __str__(self) -> str:
        """``StatefulSet monitoring/prometheus``, as kubectl users write it."""
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


class Resource(NamedTuple):
    """One rendered document.

    ``tree`` is its value; it is shared between environments, so it is never changed in place. ``text`` is what was
    rendered, comments included, without ``---`` and with one newline at its end. ``template`` is where it came from.
    """

    id: ResourceId
    tree: dict[str, Any]
    text: str
    template: str


_SEPARATOR = re.compile(r"^---(?:[ \t]+(?:#.*)?)?$\n?", re.MULTILINE)
_NO_CONTENT = re.compile(r"(?:[ \t]*(?:#.*)?\n)*[ \t]*(?:#.*)?")
_BLANK_START = re.compile(r"(?:[ \t]*\n)+")

# Many texts are the same in several environments. Emptied when full: simple, and right for every order of work.
_MOST_REMEMBERED = 512
_remembered: dict[tuple[str, str], tuple[Resource, ...]] = {}


def parse_resources(template: str, text: str) -> list[Resource]:
    """Split what a template rendered to into resources; documents that are blank or hold only comments give none.

    Raises:
        InputError: a document is no YAML or no Kubernetes object, has a name that Kubernetes refuses, is a list of
            objects, or is a Secret with data. Every problem names the template.
    """
    known = _remembered.get((template, text))
    if known is None:
        known = tuple(_parse(template, text))
        if len(_remembered) >= _MOST_REMEMBERED:
            _remembered.clear()
        _remembered[template, text] = known
    return list(known)


def _parse(template: str, text: str) -> list[Resource]:
    resources: list[Resource] = []
    problems: list[Problem] = []
    for document in _SEPARATOR.split(text.replace("\r\n", "\n")):
        if _NO_CONTENT.fullmatch(document):
            continue
        start = _BLANK_START.match(document)
        content = f"{document[start.end() if start else 0 :].rstrip()}\n"
        try:
            resources.append(_resource(template, content))
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(problems)
    return resources


def _resource(template: str, text: str) -> Resource:
    place = Location(template)
    try:
        documents = load_documents(text, template)
    except InputError as error:
        raise InputError([_in_rendered(problem, template, text) for problem in error.problems]) from error
    if len(documents) != 1:
        raise InputError(Problem("it renders to documents that aren't parted by a line '---'", place))
    tree = documents[0]
    if not isinstance(tree, dict):
        found = type(tree).__name__ if isinstance(tree, list) else repr(tree)
        raise InputError(Problem("it renders to something that is no Kubernetes object", place, found=found))
    problems = _refusals(tree, place)
    if problems:
        raise InputError(problems)
    tree = _shared(tree)
    metadata = tree["metadata"]
    identity = ResourceId(tree["apiVersion"], tree["kind"], metadata.get("namespace") or "", metadata["name"])
    return Resource(identity, tree, text, template)


# Parts of trees that are equal are one object, so that two resources are compared without going into what they have in
# common. A key holds the identities of objects that the table keeps alive.
_MOST_PARTS = 20_000
_parts: dict[tuple[Any, ...], Any] = {}


def _shared(tree: dict[str, Any]) -> dict[str, Any]:
    """Give an equal tree, of the parts that other trees have."""
    if len(_parts) > _MOST_PARTS:
        _parts.clear()
    shared: dict[str, Any] = _shared_part(tree)
    return shared


def _shared_part(node: Any) -> Any:
    if type(node) is dict:
        copy: Any = {key: _shared_part(item) for key, item in node.items()}
        key: tuple[Any, ...] = (dict, *copy, *map(_identity, copy.values()))
    elif type(node) is list:
        copy = [_shared_part(item) for item in node]
        key = (list, *map(_identity, copy))
    else:
        return node
    return _parts.setdefault(key, copy)


def _identity(node: Any) -> tuple[type, Any]:
    """What tells a part from every other: true and 1 are two, and so are 1 and 1.0."""
    kind = type(node)
    return kind, id(node) if kind is dict or kind is list else node


def _in_rendered(problem: Problem, template: str, text: str) -> Problem:
    """Point into the rendered text, which the user can't open, by quoting its line."""
    line = problem.location.line if problem.location else 0
    quoted = text.splitlines()[line - 1].strip() if 0 < line <= len(text.splitlines()) else ""
    message = f"it renders to YAML that can't be read: {problem.message}"
    return problem._replace(message=message, location=Location(template), found=problem.found or quoted)


# --------------------------------------------------------------------------------------------------- what is refused

_LABEL = r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?"
_RULES: dict[str, tuple[re.Pattern[str], str]] = {
    "subdomain": (
        re.compile(r"(?=.{1,253}\Z)[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*"),
        "at most 253 of a-z, 0-9, '-' and '.', with a letter or digit at both ends of each part",
    ),
    "label": (re.compile(_LABEL), "at most 63 of a-z, 0-9 and '-', with a letter or digit at both ends"),
    "service": (
        re.compile(r"[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?"),
        "at most 63 of a-z, 0-9 and '-', beginning with a letter and ending with a letter or digit",
    ),
    "path": (re.compile(r"(?!\.{1,2}\Z)[^/%\n]+"), "no '/' and no '%', and neither '.' nor '..'"),
}


def _name_rule(group: str, kind: str) -> str:
    """Which names Kubernetes takes.

    https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#names; RBAC objects take what fits a URL:
    https://kubernetes.io/docs/reference/access-authn-authz/rbac/#api-overview.
    """
    if group == "rbac.authorization.k8s.io":
        return "path"
    if not group and kind in {"Service", "Namespace"}:
        return "service" if kind == "Service" else "label"
    return "subdomain"


def _refusals(tree: dict[str, Any], place: Location) -> list[Problem]:
    missing = [key for key in ("apiVersion", "kind") if not isinstance(tree.get(key), str) or not tree[key]]
    if missing:
        return [_not_a_string(tree.get(key), key, place) for key in missing]
    kind = tree["kind"]
    if kind == "List" or (kind.endswith("List") and isinstance(tree.get("items"), list)):
        return [Problem(f"a {kind} hides its objects", place, "kind", hint="render one document for each object")]
    metadata = tree.get("metadata")
    if not isinstance(metadata, dict):
        return [Problem("metadata must be a map", place, "metadata", found="nothing" if metadata is None else "")]
    problems = _name_refusals(tree, metadata, place)
    group = tree["apiVersion"].rpartition("/")[0]
    if kind == "Secret" and not group and (tree.get("data") or tree.get("stringData")):
        problems.append(
            Problem(
                "a Secret with data; the pattern needs none",
                place,
                "data" if tree.get("data") else "stringData",
                hint="create it outside of these templates and name it where it is used",
            )
        )
    return problems


def _name_refusals(tree: dict[str, Any], metadata: dict[str, Any], place: Location) -> list[Problem]:
    name, namespace = metadata.get("name"), metadata.get("namespace")
    if not isinstance(name, str) or not name:
        return [_not_a_string(name, "metadata.name", place)]
    problems = []
    rule, expected = _RULES[_name_rule(tree["apiVersion"].rpartition("/")[0], tree["kind"])]
    if not rule.fullmatch(name):
        problems.append(
            Problem(f"Kubernetes refuses this name of a {tree['kind']}", place, "metadata.name", name, expected)
        )
    if namespace is not None and not isinstance(namespace, str):
        problems.append(_not_a_string(namespace, "metadata.namespace", place))
    elif namespace and not _RULES["label"][0].fullmatch(namespace):
        expected = _RULES["label"][1]
        problems.append(Problem("Kubernetes refuses this namespace", place, "metadata.namespace", namespace, expected))
    return problems


def _not_a_string(value: object, path: str, place: Location) -> Problem:
    if value is None or value == "":
        return Problem("it renders to an object without this", place, path)
    return Problem("must be a string", place, path, found=repr(value))


def check_duplicates(resources: Iterable[Resource]) -> None:
    """Refuse two resources of one id: the later would silently replace the earlier in the cluster.

    Raises:
        InputError: a problem for each pair, naming both templates.
    """
    first: dict[tuple[str, str, str, str], Resource] = {}
    problems: list[Problem] = []
    for resource in resources:
        # The version doesn't count: v1 and v1beta1 of a group are two views of one object.
        identity = resource.id
        key = (identity.group, identity.kind, identity.namespace, identity.name)
        other = first.setdefault(key, resource)
        if other is not resource:
            also = "twice by this template" if other.template == resource.template else f"by {other.template} too"
            problems.append(Problem(f"{identity} is rendered {also}", Location(resource.template), "metadata.name"))
    if problems:
        raise InputError(problems)


# ----------------------------------------------------------------------------------------------- order and file names

# What others refer to comes first; what keeps traffic out comes last. Kinds that aren't listed come after workloads.
_INSTALL_ORDER = """
: Namespace
apiextensions.k8s.io: CustomResourceDefinition
: ServiceAccount
rbac.authorization.k8s.io: Role ClusterRole RoleBinding ClusterRoleBinding
: ConfigMap Secret PersistentVolume PersistentVolumeClaim Service
apps: Deployment StatefulSet DaemonSet
batch: Job CronJob
monitoring.coreos.com: Prometheus PrometheusAgent PrometheusRule ServiceMonitor PodMonitor Probe ScrapeConfig
networking.istio.io: Sidecar DestinationRule ServiceEntry VirtualService
security.istio.io: PeerAuthentication RequestAuthentication AuthorizationPolicy
networking.k8s.io: NetworkPolicy
policy: PodDisruptionBudget
"""
_ROWS = [line.split(":") for line in _INSTALL_ORDER.strip().splitlines()]
_GROUPS = {kind: group.strip() for group, kinds in _ROWS for kind in kinds.split()}
_RANKS = {kind: rank for rank, kind in enumerate(_GROUPS)}
_UNLISTED = _RANKS["CronJob"]


def sort_key(resource: Resource) -> tuple[int, str, str, str, str]:
    """Order resources as they should be applied: by kind, then namespace and name."""
    identity = resource.id
    return (
        _RANKS.get(identity.kind, _UNLISTED),
        identity.kind,
        identity.namespace,
        identity.name,
        identity.api_version,
    )


_UNSAFE = re.compile(r"[^a-z0-9._-]+")


def file_name(resource: Resource, home_namespace: str) -> str:
    """Name the file of a resource: ``statefulset-prometheus.yaml``.

    The name depends on the resource and the environment's own namespace alone, so that adding one resource never
    renames the file of another: a namespace other than the home one is always part of it, and so is the group of a
    kind that is known from another group (a Knative Service).
    """
    identity = resource.id
    parts = [identity.kind, identity.name]
    if identity.namespace and identity.namespace != home_namespace:
        parts.insert(1, identity.namespace)
    if identity.kind in _GROUPS and _GROUPS[identity.kind] != identity.group:
        parts.insert(1, identity.group)
    return _UNSAFE.sub("-", "-".join(parts).lower()) + ".yaml"
