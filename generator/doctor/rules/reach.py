"""What Prometheus' account may read of kubelets and the API server, and who may reach Prometheus' pod."""

from __future__ import annotations

from collections.abc import Iterator

from generator.doctor.rule import Fix, Found, rule
from generator.doctor.rules.access import BINDING, ROLE
from generator.doctor.rules.examples import CONFIGURATION, PLAIN, but
from generator.doctor.rules.grants import account_of, allows, allows_url, discovers, grants_of
from generator.intake.document import Document, as_list, value_at
from generator.monitoring import Edit, Scrape, Scraper, Setup
from generator.monitoring.edits import APPEND
from generator.monitoring.labels import labels_in, matches_labels

_AGENT = 15020
_KUBELET = """\
    - job_name: kubelet
      scheme: https
      authorization:
        credentials_file: /var/run/secrets/kubernetes.io/serviceaccount/token
      tls_config:
        ca_file: /var/run/secrets/kubernetes.io/serviceaccount/ca.crt
      kubernetes_sd_configs:
      - role: node
"""
_POLICY = """\
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: prometheus
  namespace: monitoring
spec:
  podSelector:
    matchLabels:
      app: prometheus
  policyTypes: [Ingress]
  ingress:
  - ports:
    - port: 9090
      protocol: TCP
"""


@rule(
    "rbac-metrics-missing",
    title="The role doesn't allow the metrics of kubelets or of the API server",
    severity="warning",
    stage="access",
    why="""
        A kubelet asks the API server whether the token that it gets may `get` `nodes/metrics`; for metrics through the
        API server's proxy it is `nodes/proxy`; for the API server's own, the non-resource URL `/metrics`. Without it
        the target is found, and answers 403.
        """,
    sources=["Kubernetes, Kubelet authentication/authorization", "Kubernetes, Using RBAC Authorization"],
    wrong=PLAIN
    + "---\n"
    + CONFIGURATION
    + _KUBELET
    + but(ROLE, ('- apiGroups: [""]\n  resources: [nodes/metrics]\n  verbs: [get]\n', ""))
    + BINDING,
)
def rbac_metrics_missing(setup: Setup) -> Iterator[Found]:
    """Look at jobs that send a token to nodes, and to the API server."""
    for scraper in setup.scrapers:
        if scraper.flavour not in {"workload", "operator"} or not scraper.namespace:
            continue
        grants = grants_of(setup, scraper.namespace, account_of(scraper))
        roles = [one.role for one in grants if one.role is not None and not one.namespace]
        if not roles or len(roles) < len([one for one in grants if not one.namespace]):
            continue  # what isn't here may allow it
        if any(role.get("aggregationRule") for role in roles):
            continue
        told: set[str] = set()
        for scrape in setup.scrapes_of(scraper):
            wanted = _asked(scrape)
            allowed = any(
                allows_url(one, wanted) if wanted == "/metrics" else allows(one, "", wanted, "get") for one in roles
            )
            if not wanted or allowed or wanted in told:
                continue
            told.add(wanted)
            role = next((one for one in roles if discovers(one)), roles[0])
            new = {"nonResourceURLs": [wanted], "verbs": ["get"]}
            if wanted != "/metrics":
                new = {"apiGroups": [""], "resources": [wanted], "verbs": ["get"]}
            found = f"the account {account_of(scraper)} may not get {wanted}, which {scrape} asks for"
            yield Found(role, ("rules",), found, Fix("allow it", (Edit(role, ("rules", APPEND), new),)))


def _asked(scrape: Scrape) -> str:
    """What a scrape's token has to be good for: ``nodes/metrics``, ``nodes/proxy``, ``/metrics``; "" for no known."""
    tree = scrape.tree
    token = any(tree.get(key) for key in ("authorization", "bearer_token_file", "bearerTokenFile", "bearer_token"))
    if scrape.scheme != "https" or not token:
        return ""
    if scrape.kind == "ServiceMonitor":
        labels = labels_in(scrape.document.get(*scrape.spec, "selector", "matchLabels"))
        return "nodes/metrics" if "kubelet" in labels.values() else ""
    found = tree.get("kubernetes_sd_configs")
    listed = [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
    if any(one.get("api_server") or one.get("kubeconfig_file") for one in listed):
        return ""
    roles = {str(one.get("role")) for one in listed}
    rules = list(scrape.relabelings())
    moved = [one.replacement for one in rules if one.target == "__address__"]
    paths = [one.replacement for one in rules if one.target == "__metrics_path__"] or [scrape.metrics_path]
    if roles == {"node"}:
        if any("/proxy/" in path for path in paths):
            return "nodes/proxy"
        return "nodes/metrics" if not moved and all(path.startswith("/metrics") for path in paths) else ""
    of_server = any(one.action == "keep" and one.regex == "default;kubernetes;https" for one in rules)
    return "/metrics" if of_server and paths == ["/metrics"] else ""


@rule(
    "network-policy-closes-agent",
    title="A NetworkPolicy closes the port that the pod is to be scraped on",
    severity="info",
    stage="access",
    since="Istio 1.7",
    why="""
        Injection marks the pod for scraping on the agent's port 15020 (metrics merging, on by default). A NetworkPolicy
        that admits Prometheus' own ports alone, as kube-prometheus has one, closes it to other scrapers: their target
        is down. Admit 15020, or switch merging off by `prometheus.istio.io/merge-metrics: "false"`.
        """,
    sources=["istio `pkg/kube/inject/webhook.go`", "kube-prometheus `manifests/prometheus-networkPolicy.yaml`"],
    wrong=PLAIN.replace('        prometheus.istio.io/merge-metrics: "false"\n', "") + _POLICY,
)
def network_policy_closes_agent(setup: Setup) -> Iterator[Found]:
    """Look at policies for pods that injection marks."""
    for scraper in setup.scrapers:
        injection = setup.injection(scraper)
        marked = value_at(injection.pod, ("metadata", "annotations", "prometheus.io/port")) == str(_AGENT)
        policies = _policies(setup, scraper)
        if not injection.injected or not marked or not policies or any(map(_admits_agent, policies)):
            continue
        found = f"injection marks the pod for port {_AGENT}, and {policies[0]} admits other ports alone"
        shown = f"ingress:\n- ports:\n  - port: {_AGENT}\n    protocol: TCP"
        yield Found(policies[0], ("spec", "ingress"), found, Fix("admit the port, or switch merging off", yaml=shown))


def _policies(setup: Setup, scraper: Scraper) -> list[Document]:
    """The policies that say who may reach a scraper's pod."""
    return [
        one
        for one in setup.of_kind("NetworkPolicy", group="networking.k8s.io")
        if one.namespace
        and one.namespace == scraper.namespace
        and "Ingress" in (as_list(one.get("spec", "policyTypes")) or ["Ingress"])
        and matches_labels(one.get("spec", "podSelector"), scraper.pod.labels)
    ]


def _admits_agent(policy: Document) -> bool:
    """Whether some rule admits the agent's port, to whomever."""
    rules = policy.get("spec", "ingress")
    for one in rules if isinstance(rules, list) else []:
        ports = one.get("ports") if isinstance(one, dict) else None
        for port in ports if isinstance(ports, list) and ports else [{}]:
            first = port.get("port") if isinstance(port, dict) else None
            last = port.get("endPort") if isinstance(port, dict) else None
            if first is None or first == _AGENT:
                return True
            if isinstance(first, int) and isinstance(last, int) and first <= _AGENT <= last:
                return True
    return False
