"""What Prometheus may ask the API server, and who may reach it."""

from __future__ import annotations

import pytest

from generator.doctor.rules.access import _ACCOUNT as ACCOUNT
from generator.doctor.rules.access import BINDING, ROLE
from generator.doctor.rules.examples import CONFIGURATION, OPERATOR, PLAIN, WORKLOAD_AND_CONFIGURATION, but
from generator.doctor.rules.mesh import DISABLE, SIDECAR
from generator.doctor.rules.reach import _KUBELET as KUBELET
from generator.doctor.rules.reach import _POLICY as POLICY
from tests.doctor.helpers import diagnose, only, repaired
from tests.doctor.meshing import mine

BOTH = WORKLOAD_AND_CONFIGURATION
SUBJECT = "- kind: ServiceAccount\n  name: prometheus\n  namespace: monitoring\n"
RUNS_AS = "      serviceAccountName: prometheus\n"
IN_NAMESPACE = BINDING.replace(
    "kind: ClusterRoleBinding\nmetadata:\n  name: prometheus\n",
    "kind: RoleBinding\nmetadata:\n  name: prometheus\n  namespace: monitoring\n",
)
MERGED = ('        prometheus.istio.io/merge-metrics: "false"\n', "")


def discovering(role: str, more: str = "") -> str:
    """The workload, with a job that discovers otherwise."""
    return but(BOTH, ("      - role: pod\n", f"      - role: {role}\n{more}"))


def lacking(*resources: str) -> str:
    listed = [one for one in ("nodes", "services", "endpoints", "pods") if one not in resources]
    return but(ROLE, ("[nodes, services, endpoints, pods]", f"[{', '.join(listed)}]"))


# --------------------------------------------------------------------------------------------------------- bindings


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(BOTH + ROLE + BINDING, id="bound"),
        pytest.param(BOTH + ACCOUNT, id="no roles here"),
        pytest.param(BOTH + ROLE, id="no account here"),
        pytest.param(
            BOTH + ACCOUNT + ROLE + but(BINDING, ("name: prometheus\nsubjects", "name: view\nsubjects")),
            id="by another role",
        ),
        pytest.param(
            BOTH
            + ACCOUNT
            + ROLE
            + but(BINDING, (SUBJECT, "- kind: Group\n  name: system:serviceaccounts:monitoring\n")),
            id="as a group",
        ),
        pytest.param(
            BOTH
            + ACCOUNT
            + ROLE
            + but(BINDING, (SUBJECT, "- kind: User\n  name: system:serviceaccount:monitoring:prometheus\n")),
            id="as a user",
        ),
        pytest.param(
            but(BOTH, (RUNS_AS, "      serviceAccount: prometheus\n")) + ACCOUNT + ROLE + BINDING, id="by the old field"
        ),
        pytest.param(
            BOTH + ACCOUNT + ROLE + but(IN_NAMESPACE, (SUBJECT, "- kind: ServiceAccount\n  name: prometheus\n")),
            id="a subject of the binding's namespace",
        ),
        pytest.param(
            discovering("pod", "        kubeconfig_file: /etc/other\n") + ACCOUNT + ROLE, id="another cluster"
        ),
        pytest.param(PLAIN + ACCOUNT + ROLE, id="no configuration here"),
        pytest.param(
            but(BOTH, ("  name: prometheus\n  namespace: monitoring\nspec", "  name: prometheus\nspec"))
            + ACCOUNT
            + but(ACCOUNT, ("namespace: monitoring", "namespace: other"))
            + ROLE,
            id="no namespace said",
        ),
        pytest.param(
            BOTH + ACCOUNT + but(ROLE, ("[nodes, services, endpoints, pods]", "[configmaps]")), id="a role for others"
        ),
    ],
)
def test_a_binding_that_is_there_or_may_be_is_not_missed(text):
    assert "rbac-missing" not in mine(text)


@pytest.mark.parametrize("text", [BOTH, OPERATOR])
def test_an_account_beside_a_role_that_nobody_has_is_not_bound(text):
    found = only(text + ACCOUNT + ROLE, "rbac-missing")
    assert found.severity == "error"
    assert found.found.startswith("no binding names the account prometheus of monitoring")
    assert text.splitlines()[found.location.line - 1].strip() == "serviceAccountName: prometheus"
    assert found.fix is not None
    assert mine(f"{text}{ACCOUNT}{ROLE}---\n{found.fix.text}\n") == []


def test_who_names_no_namespace_runs_where_the_only_account_of_that_name_is():
    text = OPERATOR.replace("  namespace: monitoring\n", "")
    found = only(text + ACCOUNT + ROLE, "rbac-missing")
    assert found.found.startswith("no binding names the account prometheus of monitoring, so ")
    assert found.fix is not None
    assert "rbac-missing" not in mine(f"{text}{ACCOUNT}{ROLE}---\n{found.fix.text}\n")
    elsewhere = but(BINDING, (SUBJECT, SUBJECT.replace("monitoring", "other")))
    assert "rbac-missing" not in mine(text + ACCOUNT + ROLE + elsewhere)
    for accounts in (
        "",
        ACCOUNT.replace("  namespace: monitoring\n", ""),
        ACCOUNT + ACCOUNT.replace("monitoring", "a"),
    ):
        assert "rbac-missing" not in mine(text + accounts + ROLE)


@pytest.mark.parametrize(
    ("subject", "says"),
    [
        ("- kind: ServiceAccount\n  name: prometheus\n", "without a namespace"),
        ("- kind: ServiceAccount\n  name: prometheus\n  namespace: default\n", "of namespace default"),
    ],
)
def test_an_account_of_another_namespace_is_another_account(subject, says):
    text = BOTH + ROLE + but(BINDING, (SUBJECT, subject))
    found = only(text, "rbac-missing")
    assert says in found.found
    assert found.document.kind == "ClusterRoleBinding"
    assert mine(repaired(text, found)) == []


def test_an_account_that_exists_elsewhere_is_somebody_elses():
    other = but(ACCOUNT, ("namespace: monitoring", "namespace: default"))
    text = BOTH + ROLE + but(BINDING, (SUBJECT, SUBJECT.replace("monitoring", "default"))) + other
    assert mine(text) == []


@pytest.mark.parametrize("text", [but(BOTH, (RUNS_AS, "")), but(OPERATOR, ("  serviceAccountName: prometheus\n", ""))])
def test_a_pod_that_names_no_account_runs_as_default(text):
    text += ROLE + BINDING
    found = only(text, "rbac-missing")
    assert found.found == "the pod runs as the account default; the one with the role is prometheus"
    assert mine(repaired(text, found)) == []
    default = but(BINDING, (SUBJECT, SUBJECT.replace("prometheus", "default")))
    assert mine(text.replace(BINDING, default)) == []


def test_an_account_that_something_else_runs_as_is_not_proposed():
    other = "---\n" + but(PLAIN, ("  name: prometheus\n  namespace", "  name: other\n  namespace"))
    assert mine(but(BOTH, (RUNS_AS, "")) + other + ROLE + BINDING) == []


# ------------------------------------------------------------------------------------------------------------- rules


@pytest.mark.parametrize(
    ("role", "needs"),
    [
        ("pod", {"pods"}),
        ("service", {"services"}),
        ("endpoints", {"endpoints", "services", "pods"}),
        ("endpointslice", {"services", "pods"}),
        ("node", {"nodes"}),
    ],
)
@pytest.mark.parametrize("resource", ["pods", "services", "endpoints", "nodes"])
def test_each_role_of_discovery_needs_its_resources(role, needs, resource):
    text = discovering(role) + lacking(resource) + BINDING
    assert mine(text).count("rbac-too-little") == (resource in needs)
    if resource in needs:
        assert mine(repaired(text, only(text, "rbac-too-little"))) == []


def test_endpoint_slices_are_in_a_group_of_their_own():
    slices = "- apiGroups: [discovery.k8s.io]\n  resources: [endpointslices]\n  verbs: [get, list, watch]\n"
    without = but(ROLE, (slices, "")) + BINDING
    assert mine(discovering("endpointslice") + without) == ["rbac-too-little"]
    assert mine(discovering("endpoints") + without) == []
    assert mine(discovering("endpointslice") + ROLE + BINDING) == []


@pytest.mark.parametrize(
    ("version", "group", "told"),
    [
        ("v3.14.0", "extensions", 1),
        ("v2.20.0", "extensions", 0),
        ("v2.20.0", "networking.k8s.io", 0),
        ("v3.14.0", "networking.k8s.io", 0),
        ("v3.14.0", '"*"', 0),
    ],
)
def test_ingresses_have_moved_to_another_group(version, group, told):
    role = f"{ROLE}- apiGroups: [{group}]\n  resources: [ingresses]\n  verbs: [get, list, watch]\n"
    text = discovering("ingress").replace("v3.14.0", version) + role + BINDING
    assert mine(text).count("rbac-too-little") == told


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ('- apiGroups: ["*"]\n  resources: ["*"]\n  verbs: ["*"]\n', 0),
        (
            (
                '- apiGroups: [""]\n  resources: [pods]\n  verbs: [list]\n'
                '- apiGroups: [""]\n  resources: [pods]\n  verbs: [watch]\n'
            ),
            0,
        ),
        ('- apiGroups: [""]\n  resources: [pods]\n  verbs: [get, list]\n', 1),
        ('- apiGroups: [""]\n  resources: [pods]\n  verbs: ["*"]\n  resourceNames: [a]\n', 1),
        ('- apiGroups: [apps]\n  resources: [pods]\n  verbs: ["*"]\n', 1),
    ],
)
def test_rules_are_read_as_kubernetes_reads_them(rule, told):
    assert mine(BOTH + lacking("pods") + rule + BINDING).count("rbac-too-little") == told


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(
            BOTH
            + lacking("pods")
            + BINDING
            + BINDING.replace("name: prometheus\nroleRef", "name: more\nroleRef").replace(
                "name: prometheus\nsubjects", "name: view\nsubjects"
            ),
            id="another role isn't here",
        ),
        pytest.param(
            BOTH
            + but(lacking("pods"), ("rules:\n", "aggregationRule: {clusterRoleSelectors: []}\nrules:\n"))
            + BINDING,
            id="aggregated",
        ),
        pytest.param(
            discovering("pod", "        namespaces:\n          names: [monitoring]\n") + ROLE + IN_NAMESPACE,
            id="a job for that namespace",
        ),
        pytest.param(
            discovering("pod", "        namespaces:\n          own_namespace: true\n") + ROLE + IN_NAMESPACE,
            id="a job for its own",
        ),
        pytest.param(OPERATOR + ROLE + IN_NAMESPACE, id="a monitor for its own"),
        pytest.param(OPERATOR + lacking("endpoints", "services") + BINDING, id="a PodMonitor wants pods alone"),
    ],
)
def test_what_is_enough_or_unknown_is_let_be(text):
    assert mine(text) == []


def test_a_binding_for_one_namespace_is_not_for_all():
    found = only(BOTH + ROLE + IN_NAMESPACE, "rbac-too-little")
    assert "may not list and watch pods in all namespaces" in found.found
    assert found.document.kind == "RoleBinding"
    elsewhere = but(OPERATOR, ("  podMetrics", "  namespaceSelector: {matchNames: [shop]}\n  podMetrics"))
    assert "in shop" in only(elsewhere + ROLE + IN_NAMESPACE, "rbac-too-little").found


@pytest.mark.parametrize(("role", "told"), [("", 0), ("  serviceDiscoveryRole: EndpointSlice\n", 1)])
def test_the_operators_discovery_role_counts(role, told):
    monitor = but(OPERATOR, ("kind: PodMonitor", "kind: ServiceMonitor"), ("podMetricsEndpoints", "endpoints"))
    text = but(monitor, ("  podMonitorSelector: {}\n", f"{role}  podMonitorSelector: {{}}\n"))
    without = but(ROLE, ("[endpointslices]", "[other]"))
    assert mine(text + without + BINDING).count("rbac-too-little") == told
    assert mine(text + ROLE + BINDING) == []


def test_nodes_are_needed_where_their_labels_are_attached():
    text = discovering("pod", "        attach_metadata: {node: true}\n")
    assert mine(text + lacking("nodes") + BINDING) == ["rbac-too-little"]
    assert mine(text + ROLE + BINDING) == []


# ---------------------------------------------------------------------------------------------- kubelets, API server

METRICS = '- apiGroups: [""]\n  resources: [nodes/metrics]\n  verbs: [get]\n'
URL = "- nonResourceURLs: [/metrics]\n  verbs: [get]\n"
PROXIED = KUBELET + (
    "      relabel_configs:\n      - target_label: __address__\n        replacement: kubernetes.default.svc:443\n"
    "      - target_label: __metrics_path__\n        replacement: /api/v1/nodes/$1/proxy/metrics\n"
)
SERVER = KUBELET.replace("role: node", "role: endpoints") + (
    "      relabel_configs:\n      - source_labels: [__meta_kubernetes_namespace]\n        action: keep\n"
    "        regex: default;kubernetes;https\n"
)


@pytest.mark.parametrize(
    ("job", "role", "says"),
    [
        (KUBELET, ROLE, ""),
        (KUBELET, but(ROLE, (METRICS, "")), "nodes/metrics"),
        (KUBELET, but(ROLE, ("nodes/metrics", "nodes/*")), "nodes/metrics"),
        (KUBELET, but(ROLE, ("nodes/metrics", '"*"')), ""),
        (KUBELET.replace("https", "http"), but(ROLE, (METRICS, "")), ""),
        (PROXIED, ROLE, "nodes/proxy"),
        (PROXIED, but(ROLE, ("nodes/metrics", "nodes/proxy")), ""),
        (SERVER, ROLE, ""),
        (SERVER, but(ROLE, (URL, "")), "/metrics"),
        (SERVER, but(ROLE, ("[/metrics]", '["*"]')), ""),
    ],
)
def test_tokens_need_rights_for_metrics(job, role, says):
    text = f"{PLAIN}---\n{CONFIGURATION}{job}{role}{BINDING}"
    assert mine(text) == (["rbac-metrics-missing"] if says else [])
    if says:
        found = only(text, "rbac-metrics-missing")
        assert found.found == f"the account prometheus may not get {says}, which job kubelet asks for"
        assert mine(repaired(text, found)) == []


# ------------------------------------------------------------------------------------------------- network policies


@pytest.mark.parametrize(
    ("pod", "change", "told"),
    [
        (but(PLAIN, MERGED), ("9090", "9090"), 1),
        (PLAIN, ("9090", "9090"), 0),
        (but(PLAIN, MERGED), ("port: 9090", "port: 15020"), 0),
        (but(PLAIN, MERGED), ("port: 9090", "port: 9090\n      endPort: 20000"), 0),
        (but(PLAIN, MERGED), ("  - ports:\n    - port: 9090\n      protocol: TCP\n", "  - {}\n"), 0),
        (but(PLAIN, MERGED), ("  ingress:\n  - ports:\n    - port: 9090\n      protocol: TCP\n", ""), 1),
        (but(PLAIN, MERGED), ("[Ingress]", "[Egress]"), 0),
        (but(PLAIN, MERGED), ("app: prometheus", "app: web"), 0),
        (but(PLAIN, MERGED, ('inject: "true"', 'inject: "false"')), ("9090", "9090"), 0),
    ],
)
def test_a_pod_that_is_marked_for_scraping_can_be_reached(pod, change, told):
    assert mine(pod + but(POLICY, change)).count("network-policy-closes-agent") == told


# --------------------------------------------------------------------------------------------------------- together


@pytest.mark.parametrize("base", [PLAIN, OPERATOR])
def test_faults_together_are_repaired_one_after_another(base):
    sidecar = SIDECAR.replace("workloadSelector:\n    labels", "selector:\n    matchLabels")
    sidecar = but(sidecar, ("istio-system/istiod.istio-system.svc.cluster.local", '"~/*"'))
    unbound = but(BINDING, (SUBJECT, "- kind: ServiceAccount\n  name: prometheus\n"))
    text = base + sidecar + DISABLE + lacking("pods") + unbound
    for _ in range(12):
        found = [one for one in diagnose(text) if one.severity != "info" and one.fix and one.fix.edits]
        if not found:
            break
        text = repaired(text, found[0])
    assert [one.rule.id for one in diagnose(text)] == []
