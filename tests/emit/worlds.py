"""Random pairs of resource sets, a base and an environment, with what is hard for a patch to say.

Built by hand rather than from the templates, which never place the same thing in so many ways: kinds with and without a
schema in kustomize, lists in other orders, empty maps and lists, removed keys, strings that YAML 1.1 takes for
something else, names and namespaces that change.
"""

from __future__ import annotations

from copy import deepcopy
from random import Random
from typing import Any

from generator.resource import Resource, parse_resources
from generator.yaml import block

Tree = dict[str, Any]

STRINGS = [
    "",
    "no",
    "on",
    "y",
    "12:30",
    "1e3",
    "017",
    "0x1f",
    "null",
    "~",
    "true",
    "2001-01-01",
    " padded ",
    "a: b # c",
    "- item",
    "{{ $labels.pod }}",
    "%d*&!|>'\"@`",
    "two\nlines\n",
    "no newline\nat the end",
    "\n\nstarts empty\n\n",
    "trailing blank \nline",
    "\ttab",
    "ünïcode ✓",
    "$patch",
    "a" * 200,
]
KEYS = ["app", "team", "example.com/tier", "sidecar.istio.io/inject", "zone"]
CONFIG = """\
global:
  scrape_interval: 15s
scrape_configs:
- job_name: istio
  scheme: https
  relabel_configs:
  - source_labels: [__address__]
    regex: '(.+):\\d+'
    replacement: "$1:15090"
# the end
"""


def pair(random: Random) -> tuple[list[Resource], list[Resource], str]:
    """Give a base, an environment made of it, and the environment's namespace."""
    tidy = random.random() < 0.5
    everything = [tree for tree in BASE if tree["metadata"].get("namespace") != "checkout"] if tidy else BASE
    trees = _sample(random, everything, 0.85)
    edited = [_edited(random, deepcopy(tree)) for tree in _sample(random, trees, 0.9)]
    others = [tree for tree in everything if tree not in trees]
    edited += [_edited(random, deepcopy(tree)) for tree in _sample(random, others, 0.3)]
    namespace = random.choice(["monitoring", "monitoring", "prod-mesh", "no"])
    if random.random() < 0.8:
        left = random.choice([[], [], ["default"], ["prometheus"]])
        for tree in edited:
            _move(tree, namespace, left)
    if tidy:
        edited = [tree for tree in edited if tree["metadata"].get("namespace", namespace) == namespace]
        for tree in edited:
            _tune(random, tree)
    if random.random() < 0.2:
        for tree in edited:
            _rename(tree)
    if random.random() < 0.3:
        pairs = {random.choice(KEYS): random.choice(["eu", "1", "no"]) for _ in range(2)}
        for tree in edited:
            tree["metadata"].setdefault("labels", {}).update(pairs)
    return resources(trees), resources(edited), namespace


def resources(trees: list[Tree]) -> list[Resource]:
    """Render trees, each by a template of its own."""
    found: list[Resource] = []
    for tree in trees:
        template = f"v/{tree['kind'].lower()}-{tree['metadata']['name'].removeprefix('eu-')}.yaml.j2"
        found += parse_resources(template, block(tree) + "\n")
    return found


def _sample(random: Random, trees: list[Tree], share: float) -> list[Tree]:
    return [tree for tree in trees if random.random() < share]


def _move(tree: Tree, namespace: str, left: list[str]) -> None:
    if "namespace" in tree["metadata"]:
        tree["metadata"]["namespace"] = namespace
    for subject in tree.get("subjects", ()):
        if subject.get("namespace") == "monitoring" and subject["name"] not in left:
            subject["namespace"] = namespace


def _tune(random: Random, tree: Tree) -> None:
    """Change what kustomize has words for: images, everywhere or here alone, and replicas."""
    image = {"quay.io/reloader:v1": "quay.io/reloader:v2", "quay.io/prometheus/prometheus:v3.0.0": "mirror:5/p:v3.1"}
    if random.random() < 0.2:
        image["localhost:5000/gateway"] = "localhost:5000/gateway@sha256:" + "b" * 64
    pod = tree.get("spec", {}).get("template", {}).get("spec", {})
    if random.random() < 0.8:
        for container in [*pod.get("containers", ()), *pod.get("initContainers", ())]:
            if container.get("image") in image:
                container["image"] = image[container["image"]]
    if pod and type(tree["spec"].get("replicas")) is int:
        tree["spec"]["replicas"] = random.choice([0, 1, 2])


def _rename(tree: Tree) -> None:
    tree["metadata"]["name"] = "eu-" + tree["metadata"]["name"]


def _edited(random: Random, tree: Tree) -> Tree:
    if random.random() < 0.4:
        return tree
    if random.random() < 0.05:
        tree["metadata"]["namespace"] = "elsewhere" if "namespace" in tree["metadata"] else "placed"
        if tree["kind"].startswith("Cluster"):
            del tree["metadata"]["namespace"]
    if random.random() < 0.1 and tree["apiVersion"].endswith("v1beta1"):
        tree["apiVersion"] = tree["apiVersion"].replace("v1beta1", "v1")
    for _ in range(random.choice([1, 1, 2, 3, 6])):
        places = [place for key in sorted(tree) if key not in FIXED for place in _places(tree[key], tree, key)]
        places += list(_places(tree["metadata"].get("labels", {}), tree["metadata"], "labels"))
        if random.random() < 0.1:
            tree["metadata"].setdefault("annotations", {})[random.choice(KEYS)] = random.choice(STRINGS)
        if places:
            _edit(random, *random.choice(places))
    return tree


STRING_MAPS = {"labels", "annotations", "matchLabels", "data", "nodeSelector"}
FIXED = {"apiVersion", "kind", "metadata", "roleRef"}
IDENTIFYING = {"name", "mountPath", "containerPort", "port", "protocol", "kind", "apiGroup", "topologyKey"}


def _places(value: Any, holder: Any, key: Any) -> list[tuple[Any, Any, Any]]:
    found = [(value, holder, key)]
    if isinstance(value, dict):
        for inner in sorted(value):
            if inner not in IDENTIFYING and not (inner == "namespace" and "kind" in value):
                found += _places(value[inner], value, inner)
    if isinstance(value, list):
        for index, item in enumerate(value):
            found += _places(item, value, index)
    return found


def _edit(random: Random, value: Any, holder: Any, key: Any) -> None:
    if isinstance(value, dict):
        _edit_map(random, value, holder, key)
    elif isinstance(value, list):
        _edit_list(random, value, holder, key)
    elif isinstance(value, bool):
        holder[key] = not value
    elif isinstance(value, int):
        holder[key] = random.choice([0, 1, value + 1, 1_500_000])
    elif isinstance(value, str):
        holder[key] = random.choice(STRINGS)


def _edit_map(random: Random, value: Tree, holder: Any, key: Any) -> None:
    action = random.randrange(4)
    free = [
        inner for inner in sorted(value) if inner not in IDENTIFYING | {"namespace", "template", "metadata", "spec"}
    ]
    if action == 0 and free:
        del value[random.choice(free)]
    elif action == 1 and key in STRING_MAPS:
        value[random.choice(KEYS)] = random.choice(STRINGS)
    elif action == 2 and not free and key not in STRING_MAPS:
        value[random.choice(KEYS)] = {}
    elif action == 3 and key not in ("spec", "template", "metadata", "annotations") and isinstance(holder, dict):
        holder[key] = {}


def _edit_list(random: Random, value: list[Any], holder: Any, key: Any) -> None:
    action = random.randrange(5)
    if action == 0 and len(value) > 1:
        random.shuffle(value)
    elif action == 1 and value and (len(value) > 1 or key != "containers"):
        del value[random.randrange(len(value))]
    elif action in (2, 3) and value:
        value.insert(random.randint(0, len(value)), _new_item(random, value))
    elif action == 4 and key != "containers":
        value.clear()


def _new_item(random: Random, value: list[Any]) -> Any:
    item = deepcopy(random.choice(value))
    if isinstance(item, dict):
        for name in ("name", "mountPath"):
            if name in item:
                item[name] = f"{item[name]}-{random.randrange(100)}"
        for number in ("containerPort", "port"):
            if isinstance(item.get(number), int):
                item[number] += random.randrange(1, 100)
    return item


def _object(version: str, kind: str, name: str, namespace: str = "monitoring", **rest: Any) -> Tree:
    metadata: Tree = {"name": name, "labels": {"app": "prometheus", "zone": "no"}}
    if namespace:
        metadata["namespace"] = namespace
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **rest}


def _container(name: str, image: str, port: int) -> Tree:
    return {
        "name": name,
        "image": image,
        "args": ["--config=/etc/x", "--level=info", "--empty="],
        "env": [{"name": "A", "value": "1"}, {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
        "ports": [{"name": "http", "containerPort": port}, {"name": "udp", "containerPort": port, "protocol": "UDP"}],
        "resources": {"requests": {"cpu": "100m", "memory": "1Gi"}, "limits": {}},
        "securityContext": {"readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}},
        "livenessProbe": {"httpGet": {"path": "/", "port": "http"}, "periodSeconds": 5},
        "volumeMounts": [
            {"name": "certs", "mountPath": "/etc/certs", "readOnly": True},
            {"name": "data", "mountPath": "/data"},
        ],
    }


def _pod(*images: str) -> Tree:
    return {
        "serviceAccountName": "prometheus",
        "initContainers": [_container("proxy", images[0], 15090)],
        "containers": [_container(f"c{number}", image, 9090 + number) for number, image in enumerate(images)],
        "imagePullSecrets": [{"name": "one"}, {"name": "two"}],
        "nodeSelector": {"disk": "ssd"},
        "securityContext": {},
        "tolerations": [{"key": "a", "operator": "Exists"}, {"key": "b", "operator": "Equal", "value": "no"}],
        "topologySpreadConstraints": [
            {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"},
            {"maxSkew": 1, "topologyKey": "host", "whenUnsatisfiable": "ScheduleAnyway"},
        ],
        "volumes": [
            {"name": "certs", "emptyDir": {"medium": "Memory"}},
            {"name": "data", "emptyDir": {}},
            {"name": "config", "configMap": {"name": "config", "items": [{"key": "a", "path": "b"}]}},
            {
                "name": "token",
                "projected": {"sources": [{"serviceAccountToken": {"audience": "istio-ca", "path": "t"}}]},
            },
        ],
        "hostAliases": [{"ip": "10.0.0.1", "hostnames": ["a", "b"]}],
    }


def _workload(kind: str, name: str, *images: str, **rest: Any) -> Tree:
    template = {
        "metadata": {"labels": {"app": name}, "annotations": {"proxy.istio.io/config": "a: b\nc: d\n", "on": "no"}},
        "spec": _pod(*images),
    }
    spec = {"replicas": 1, "selector": {"matchLabels": {"app": name}}, "template": template, **rest}
    return _object("apps/v1", kind, name, spec=spec)


_CLAIM = {"metadata": {"name": "data"}, "spec": {"resources": {"requests": {"storage": "1Gi"}}}}
_SUBJECTS = [
    {"kind": "ServiceAccount", "name": "prometheus", "namespace": "monitoring"},
    {"kind": "ServiceAccount", "name": "default", "namespace": "monitoring"},
    {"kind": "ServiceAccount", "name": "stranger", "namespace": "other"},
    {"kind": "Group", "name": "sre", "apiGroup": "rbac.authorization.k8s.io"},
]
_RULES = [
    {"apiGroups": [""], "resources": ["pods", "nodes"], "verbs": ["get", "list"]},
    {"nonResourceURLs": ["/metrics"], "verbs": ["get"]},
]
_RBAC = "rbac.authorization.k8s.io"
_PORTS = [
    {"name": "web", "port": 9090, "targetPort": "http"},
    {"name": "dns", "port": 53, "protocol": "UDP"},
    {"name": "dns-tcp", "port": 53, "protocol": "TCP"},
]
_PEER = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
_ENDPOINT = {"port": "http", "scheme": "https", "tlsConfig": {"insecureSkipVerify": True, "caFile": "/etc/certs/ca"}}

BASE: list[Tree] = [
    _object("v1", "ServiceAccount", "prometheus", imagePullSecrets=[{"name": "one"}, {"name": "two"}]),
    _object(f"{_RBAC}/v1", "ClusterRole", "mesh:prometheus", "", rules=_RULES),
    _object(f"{_RBAC}/v1", "Role", "prometheus", rules=_RULES),
    _object(
        f"{_RBAC}/v1",
        "ClusterRoleBinding",
        "mesh:prometheus",
        "",
        roleRef={"apiGroup": _RBAC, "kind": "ClusterRole", "name": "mesh:prometheus"},
        subjects=_SUBJECTS,
    ),
    _object(
        f"{_RBAC}/v1",
        "RoleBinding",
        "prometheus",
        roleRef={"apiGroup": _RBAC, "kind": "Role", "name": "prometheus"},
        subjects=_SUBJECTS,
    ),
    _object("v1", "ConfigMap", "config", data={"prometheus.yml": CONFIG, "empty": "", "n": "1"}),
    _object("v1", "ConfigMap", "rules", data={"rules.yml": CONFIG}),
    _object("v1", "Service", "prometheus", spec={"ports": _PORTS, "selector": {"app": "x"}, "ipFamilies": ["IPv4"]}),
    _object("v1", "Service", "headless", spec={"clusterIP": "None", "ports": _PORTS[:1]}),
    _workload(
        "StatefulSet",
        "prometheus",
        "quay.io/prometheus/prometheus:v3.0.0",
        "quay.io/reloader:v1",
        volumeClaimTemplates=[_CLAIM],
    ),
    _workload("Deployment", "gateway", "localhost:5000/gateway", "quay.io/reloader:v1@sha256:" + "a" * 64),
    _object(
        "networking.k8s.io/v1",
        "NetworkPolicy",
        "prometheus",
        spec={"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{"from": [_PEER], "ports": [{"port": 1}]}]},
    ),
    _object(
        "policy/v1",
        "PodDisruptionBudget",
        "prometheus",
        spec={"maxUnavailable": 1, "selector": {"matchLabels": {"app": "x"}}},
    ),
    _object(
        "monitoring.coreos.com/v1",
        "Prometheus",
        "mesh",
        spec={
            **_pod("quay.io/prometheus/prometheus:v3.0.0"),
            "image": "quay.io/prometheus/prometheus:v3.0.0",
            "replicas": 1,
            "podMetadata": {"labels": {"a": "b"}, "annotations": {"c": "two\nlines\n"}},
            "serviceMonitorSelector": {},
        },
    ),
    _object(
        "monitoring.coreos.com/v1",
        "ServiceMonitor",
        "mesh",
        spec={"endpoints": [_ENDPOINT, {"port": "b"}], "selector": {"matchLabels": {"app": "x"}}},
    ),
    _object("networking.istio.io/v1beta1", "Sidecar", "mesh", spec={"egress": [{"hosts": ["./*", "istio-system/*"]}]}),
    _object(
        "security.istio.io/v1beta1",
        "PeerAuthentication",
        "mesh",
        spec={"mtls": {"mode": "STRICT"}, "portLevelMtls": {"9090": {"mode": "DISABLE"}}},
    ),
    _object(
        "security.istio.io/v1",
        "AuthorizationPolicy",
        "checkout",
        "checkout",
        spec={"rules": [{"from": [{"source": {"principals": ["cluster.local/ns/monitoring/sa/prometheus"]}}]}]},
    ),
]
