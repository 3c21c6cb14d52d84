"""What Prometheus may ask the API server, and who may reach it."""

from __future__ import annotations

from collections.abc import Iterator

from generator.doctor.rule import Fix, Found, rule
from generator.doctor.rules.examples import OPERATOR, WORKLOAD_AND_CONFIGURATION, but
from generator.doctor.rules.grants import (
    RBAC,
    WATCHES,
    Grant,
    Need,
    account_of,
    allows,
    bindings,
    discovers,
    grants_of,
    home_of,
    namespace_of_subject,
    needs_of,
    role_of,
    subjects_of,
)
from generator.doctor.rules.views import can_be_edited, existing
from generator.errors import ValuePath
from generator.intake.document import Document
from generator.monitoring import Edit, Scraper, Setup
from generator.monitoring.edits import APPEND

_ACCOUNT = """\
---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: prometheus
  namespace: monitoring
"""
ROLE = """\
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: prometheus
rules:
- apiGroups: [""]
  resources: [nodes, services, endpoints, pods]
  verbs: [get, list, watch]
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [get, list, watch]
- apiGroups: [""]
  resources: [nodes/metrics]
  verbs: [get]
- nonResourceURLs: [/metrics]
  verbs: [get]
"""
BINDING = """\
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: prometheus
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: prometheus
subjects:
- kind: ServiceAccount
  name: prometheus
  namespace: monitoring
"""


def _asking(setup: Setup) -> Iterator[tuple[Scraper, list[Need]]]:
    """Every scraper whose account the manifests give rights to, and what it needs; charts and operators do others'."""
    for scraper in setup.scrapers:
        if scraper.flavour in {"workload", "operator"} and scraper.document.kind != "VMAgent":
            needs = needs_of(setup, scraper)
            if needs:
                yield scraper, needs


@rule(
    "rbac-missing",
    title="No binding gives Prometheus' account its role",
    severity="error",
    stage="access",
    why="""
        Prometheus finds its targets by asking the API server, as its service account. Without a binding that names the
        account **and its namespace** every such request is answered 403, and the job has no target. A pod that names no
        account runs as `default`; one that names no namespace runs where the only account of that name among the files
        is, for a pod has an account of its own namespace.
        """,
    sources=["Kubernetes, Using RBAC Authorization", "prometheus `discovery/kubernetes/kubernetes.go`"],
    wrong=OPERATOR + _ACCOUNT + ROLE,
)
def rbac_missing(setup: Setup) -> Iterator[Found]:
    """Look for a binding, where the role that it would give is among the files."""
    for scraper, needs in _asking(setup):
        account, home = account_of(scraper), home_of(setup, scraper)
        if not home or grants_of(setup, home, account):
            continue
        if not scraper.namespace:
            yield from _unbound(setup, scraper, account, needs)
            continue
        yield from (
            _misnamed(setup, scraper, account)
            or _other_account(setup, scraper, account)
            or _unbound(setup, scraper, account, needs)
        )


def _misnamed(setup: Setup, scraper: Scraper, account: str) -> list[Found]:
    """A binding to an account of that name in another namespace, or in none, which nobody else runs as."""
    others = {one.namespace for one in setup.scrapers if account_of(one) == account}
    others |= {one.namespace for one in setup.named("ServiceAccount", account)}
    for binding in bindings(setup) if account != "default" else ():
        for path, subject in subjects_of(binding):
            namespace = namespace_of_subject(binding, subject)
            if subject.get("kind") != "ServiceAccount" or subject.get("name") != account:
                continue
            role = role_of(setup, binding)
            if role is None or not discovers(role) or namespace in others - {scraper.namespace}:
                continue
            where = f"of namespace {namespace}" if namespace else "without a namespace"
            found = f"{binding} names an account {account} {where}; {scraper} runs in {scraper.namespace}"
            fix = Fix("name its namespace", (Edit(binding, (*path, "namespace"), scraper.namespace),))
            return [Found(binding, existing(binding, (*path, "namespace")), found, fix)]
    return []


def _other_account(setup: Setup, scraper: Scraper, account: str) -> list[Found]:
    """An account beside the scraper that has the role, which nobody in the files runs as."""
    if account != "default":
        return []
    used = {(one.namespace, account_of(one)) for one in setup.scrapers}
    used |= {(one.namespace, str(pod.get("spec", "serviceAccountName"))) for one, pod in setup.workloads}
    ready = {
        str(subject.get("name"))
        for binding in bindings(setup)
        if (role := role_of(setup, binding)) is not None and discovers(role)
        for _, subject in subjects_of(binding)
        if subject.get("kind") == "ServiceAccount" and namespace_of_subject(binding, subject) == scraper.namespace
    }
    free = sorted(name for name in ready if (scraper.namespace, name) not in used)
    if len(free) != 1:
        return []
    edits = (scraper.pod.set(("spec", "serviceAccountName"), free[0]),) if can_be_edited(scraper) else ()
    place = existing(scraper.document, scraper.pod.where("spec", "serviceAccountName"))
    found = f"the pod runs as the account default; the one with the role is {free[0]}"
    return [Found(scraper.document, place, found, Fix(f"run it as {free[0]}", edits))]


def _unbound(setup: Setup, scraper: Scraper, account: str, needs: list[Need]) -> list[Found]:
    """A role for discovery that no binding gives to anybody, beside the account."""
    home = home_of(setup, scraper)
    known = any(one.namespace == home for one in setup.named("ServiceAccount", account))
    if not known:
        return []
    bound = {id(role_of(setup, one)) for one in bindings(setup)}
    free = [
        one
        for one in setup.of_kind("ClusterRole", "Role", group=RBAC)
        if id(one) not in bound and discovers(one) and one.namespace in {"", home}
    ]
    if not free:
        return []
    found = f"no binding names the account {account} of {home}, so {needs[0].by} gets 403"
    fix = Fix(f"bind {free[0]} to the account", yaml=_binding(free[0], home, account))
    place = existing(scraper.document, scraper.pod.where("spec", "serviceAccountName"))
    return [Found(scraper.document, place, found, fix)]


def _binding(role: Document, namespace: str, account: str) -> str:
    from generator.yaml import block

    tree = {
        "apiVersion": f"{RBAC}/v1",
        "kind": f"{role.kind}Binding",
        "metadata": {"name": role.name, **({"namespace": role.namespace} if role.kind == "Role" else {})},
        "roleRef": {"apiGroup": RBAC, "kind": role.kind, "name": role.name},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": namespace}],
    }
    return block(tree, sort_keys=False)


# ----------------------------------------------------------------------------------------------------- too little


@rule(
    "rbac-too-little",
    title="The role doesn't allow what discovery needs",
    severity="error",
    stage="access",
    why="""
        Discovery lists and watches: pods for the role `pod`; `endpoints` or (in the API group `discovery.k8s.io`)
        `endpointslices`, and services and pods, for `endpoints` and `endpointslice`; nodes for `node`; ingresses of
        `networking.k8s.io` for `ingress` (the group `extensions` is gone since Kubernetes 1.22). It waits for all of
        them: one that is missing, and the job has no target. A Prometheus resource with
        `serviceDiscoveryRole: EndpointSlice` (operator 0.76) needs endpoint slices, too. A Role counts in its own
        namespace, so it is enough for jobs and monitors that name their namespaces.
        """,
    sources=["prometheus `discovery/kubernetes/kubernetes.go`", "prometheus-operator `pkg/prometheus/promcfg.go`"],
    wrong=WORKLOAD_AND_CONFIGURATION + but(ROLE, ("endpoints, pods]", "endpoints]")) + BINDING,
)
def rbac_too_little(setup: Setup) -> Iterator[Found]:
    """Compare what jobs need with what all bindings give; one whose role isn't here may give anything."""
    for scraper, needs in _asking(setup):
        if not scraper.namespace:
            continue
        grants = grants_of(setup, scraper.namespace, account_of(scraper))
        if not grants or any(one.role is None or one.role.get("aggregationRule") for one in grants):
            continue
        missing = [need for need in needs if not _is_met(scraper, grants, need)]
        if missing:
            yield _lacking(scraper, grants, missing)


def _is_met(scraper: Scraper, grants: list[Grant], need: Need) -> bool:
    roles = [one.role for one in grants if one.role is not None and one.namespace in {"", need.namespace or ""}]
    groups = [need.group]
    if need.resource == "ingresses" and scraper.version is not None and scraper.version < (2, 30):
        groups.append("extensions")
    return all(any(allows(role, group, need.resource, verb) for role in roles for group in groups) for verb in WATCHES)


def _lacking(scraper: Scraper, grants: list[Grant], missing: list[Need]) -> Found:
    named = ", ".join(dict.fromkeys(need.resource for need in missing))
    homes = sorted({need.namespace for need in missing})
    where = "in all namespaces" if "" in homes else f"in {', '.join(homes)}"
    found = f"the account {account_of(scraper)} may not list and watch {named} {where}, which {missing[0].by} does"
    grant = next(
        (one for one in grants if one.namespace in {"", *homes} and ("" not in homes or not one.namespace)), None
    )
    if grant is None or grant.role is None:
        fix = Fix("bind a ClusterRole by a ClusterRoleBinding, or name namespaces in the job")
        return Found(grants[0].binding, ("metadata", "name"), found, fix)
    groups: dict[str, list[str]] = {}
    for need in missing:
        if need.resource not in groups.setdefault(need.group, []):
            groups[need.group].append(need.resource)
    path: ValuePath = ("rules", APPEND)
    rules = [{"apiGroups": [group], "resources": kinds, "verbs": ["get", *WATCHES]} for group, kinds in groups.items()]
    covers = all(not grant.namespace or need.namespace == grant.namespace for need in missing)
    edits = tuple(Edit(grant.role, path, one) for one in rules) if covers else ()
    says = "allow it" if "" in homes or grant.namespace else f"allow it, here or by a Role and a RoleBinding {where}"
    return Found(grant.role, existing(grant.role, ("rules",)), found, Fix(says, edits))
