"""What a scraper asks the API server, and what roles among the documents let it; no rules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from generator.errors import ValuePath
from generator.intake.document import Document
from generator.monitoring import Scrape, Scraper, Setup
from generator.monitoring.targets import is_selected_surely

RBAC = "rbac.authorization.k8s.io"
#: What discovery lists and watches, by its role: API groups and resources (prometheus `discovery/kubernetes`).
DISCOVERS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "pod": (("", "pods"),),
    "service": (("", "services"),),
    "endpoints": (("", "endpoints"), ("", "services"), ("", "pods")),
    "endpointslice": (("discovery.k8s.io", "endpointslices"), ("", "services"), ("", "pods")),
    "node": (("", "nodes"),),
    "ingress": (("networking.k8s.io", "ingresses"),),
}
WATCHES = ("list", "watch")


class Need(NamedTuple):
    """A resource that a scraper lists and watches, in a namespace or ("") in all; ``by`` is what needs it."""

    group: str
    resource: str
    namespace: str
    by: str


class Grant(NamedTuple):
    """A binding that names an account: its role (None: that isn't here), and where it counts ("": everywhere)."""

    binding: Document
    role: Document | None
    namespace: str


def account_of(scraper: Scraper) -> str:
    """Give the name of a scraper's service account."""
    spec = scraper.pod.get("spec")
    found = spec.get("serviceAccountName") or spec.get("serviceAccount") if isinstance(spec, Mapping) else None
    return found if isinstance(found, str) else "default"


def home_of(setup: Setup, scraper: Scraper) -> str:
    """Give the namespace that a scraper runs in, as it says or as its account does; "" where neither tells.

    A pod runs as an account of its own namespace, so one that names none runs where the only account of that name is.
    """
    account = account_of(scraper)
    if scraper.namespace or account == "default":
        return scraper.namespace
    homes = [one.namespace for one in setup.named("ServiceAccount", account)]
    return homes[0] if len(homes) == 1 else ""


# -------------------------------------------------------------------------------------------------------------- needs


def needs_of(setup: Setup, scraper: Scraper) -> list[Need]:
    """What a scraper lists and watches, each once, in the order of its jobs."""
    found: dict[tuple[str, str, str], Need] = {}
    for role, namespaces, by, nodes in _discoveries(setup, scraper, home_of(setup, scraper)):
        wanted = DISCOVERS.get(role, ()) + ((("", "nodes"),) if nodes else ())
        for group, resource in wanted:
            for namespace in namespaces:
                home = "" if resource == "nodes" else namespace
                found.setdefault((group, resource, home), Need(group, resource, home, by))
    return list(found.values())


def _discoveries(setup: Setup, scraper: Scraper, home: str) -> Iterator[tuple[str, list[str], str, bool]]:
    """Each discovery: its role, namespaces, whose it is, and whether it attaches what the node says."""
    for scrape in setup.scrapes_of(scraper):
        if scrape.kind == "job":
            for one in _listed(scrape.tree.get("kubernetes_sd_configs")):
                yield from _of_job(one, home, str(scrape))
        elif (
            scraper.flavour == "operator"
            and scrape.kind in {"PodMonitor", "ServiceMonitor"}
            and is_selected_surely(setup, scraper, scrape)
        ):
            yield from _of_monitor(scrape, scraper, home)
    for document in setup.configurations(scraper):
        for one in _listed(document.get("alerting", "alertmanagers")):
            for discovery in _listed(one.get("kubernetes_sd_configs")):
                yield from _of_job(discovery, home, "alerting")


def _of_job(discovery: Mapping[str, Any], home: str, by: str) -> Iterator[tuple[str, list[str], str, bool]]:
    if discovery.get("api_server") or discovery.get("kubeconfig_file"):
        return  # another cluster, or with another identity
    spaces = discovery.get("namespaces")
    spaces = spaces if isinstance(spaces, dict) else {}
    names = [str(name) for name in spaces.get("names") or []]
    if spaces.get("own_namespace") is True:
        names.append(home)
    attached = discovery.get("attach_metadata")
    nodes = isinstance(attached, dict) and attached.get("node") is True
    yield str(discovery.get("role")).lower(), names or [""], by, nodes


def _of_monitor(scrape: Scrape, scraper: Scraper, home: str) -> Iterator[tuple[str, list[str], str, bool]]:
    spec = scrape.document.get(*scrape.spec)
    spaces = spec.get("namespaceSelector") if isinstance(spec, dict) else None
    spaces = spaces if isinstance(spaces, dict) and scraper.of_resource("ignoreNamespaceSelectors") is not True else {}
    names = [str(name) for name in spaces.get("matchNames") or []]
    own = home if not scraper.namespace else ""  # one that says no more than its Prometheus goes where that does
    namespaces = [""] if spaces.get("any") is True else names or [scrape.document.namespace or own]
    if namespaces == [""] and spaces.get("any") is not True:
        return  # whichever namespace it will be put into
    slices = str(scraper.of_resource("serviceDiscoveryRole") or "").lower() == "endpointslice"
    role = "pod" if scrape.kind == "PodMonitor" else "endpointslice" if slices else "endpoints"
    yield role, namespaces, str(scrape), False


def _listed(value: object) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


# ------------------------------------------------------------------------------------------------------------- grants


def bindings(setup: Setup) -> list[Document]:
    """Every binding among the documents."""
    return setup.of_kind("ClusterRoleBinding", "RoleBinding", group=RBAC)


def role_of(setup: Setup, binding: Document) -> Document | None:
    """Give the role that a binding refers to; None where it isn't here."""
    kind, name = binding.get("roleRef", "kind"), binding.get("roleRef", "name")
    if kind not in ("ClusterRole", "Role") or not isinstance(name, str):
        return None
    found = setup.named(kind, name, RBAC)
    return next((role for role in found if kind == "ClusterRole" or role.namespace == binding.namespace), None)


def grants_of(setup: Setup, namespace: str, account: str) -> list[Grant]:
    """Every binding that names an account."""
    return [
        Grant(one, role_of(setup, one), one.namespace if one.kind == "RoleBinding" else "")
        for one in bindings(setup)
        if any(_names(one, subject, namespace, account) for _, subject in subjects_of(one))
    ]


def subjects_of(binding: Document) -> Iterator[tuple[ValuePath, dict[str, Any]]]:
    """The subjects of a binding, with their places."""
    listed = binding.get("subjects")
    for index, subject in enumerate(listed if isinstance(listed, list) else []):
        if isinstance(subject, dict):
            yield ("subjects", index), subject


def namespace_of_subject(binding: Document, subject: Mapping[str, Any]) -> str:
    """Give the namespace of the account that a subject names: in a RoleBinding it is its own, unless told."""
    found = subject.get("namespace")
    return found if isinstance(found, str) else binding.namespace if binding.kind == "RoleBinding" else ""


def _names(binding: Document, subject: Mapping[str, Any], namespace: str, account: str) -> bool:
    name = str(subject.get("name"))
    match subject.get("kind"):
        case "ServiceAccount":
            return name == account and namespace_of_subject(binding, subject) == namespace
        case "Group":
            return name in {"system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated"}
        case "User":
            return name == f"system:serviceaccount:{namespace}:{account}"
    return False


def allows(role: Document, group: str, resource: str, verb: str) -> bool:
    """Say whether a role allows a verb on all objects of a resource."""
    for one in _listed(role.get("rules")):
        groups, resources, verbs = (_strings(one.get(key)) for key in ("apiGroups", "resources", "verbs"))
        kinds = {resource, "*", *([f"*/{resource.partition('/')[2]}"] if "/" in resource else [])}
        if {group, "*"} & groups and kinds & resources and {verb, "*"} & verbs and not one.get("resourceNames"):
            return True
    return False


def allows_url(role: Document, url: str) -> bool:
    """Say whether a role allows to get a path of the API server's own."""
    for one in _listed(role.get("rules")):
        urls = _strings(one.get("nonResourceURLs"))
        fit = any(url == known or (known.endswith("*") and url.startswith(known[:-1])) for known in urls)
        if fit and {"get", "*"} & _strings(one.get("verbs")):
            return True
    return False


def discovers(role: Document) -> bool:
    """Say whether a role is one for discovery: it allows to list pods, endpoints or services."""
    groups = (("", "pods"), ("", "endpoints"), ("discovery.k8s.io", "endpointslices"), ("", "services"))
    return sum(allows(role, group, resource, "list") for group, resource in groups) > 1


def _strings(value: object) -> set[str]:
    return {one for one in value if isinstance(one, str)} if isinstance(value, list) else set()
