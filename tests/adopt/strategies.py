"""Random manifests that run a Prometheus, as teams write them: nothing of Istio in them, or a little."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from generator.yaml import block

Tree = dict[str, Any]

_WORDS = st.sampled_from(["prometheus", "metrics", "k8s", "main", "team-a", "thanos", "a.b", "x1"])
_VALUES = st.sampled_from(["a", "prometheus", "true", "1.10", "on", "", "x: y", "long text with: signs # in it"])
_KEYS = st.sampled_from(["app", "team", "app.kubernetes.io/name", "checksum/config", "example.com/owner"])
_NAMESPACES = st.sampled_from(["", "monitoring", "istio-system", "team-a"])
_VERSIONS = st.sampled_from([":v3.14.0", ":v2.55.1", "", ":latest", "@sha256:" + "0" * 64, ":v2.40.0", ":v2.30.0"])
_MESH: Tree = {
    "sidecar.istio.io/inject": ["true", "false"],
    "traffic.sidecar.istio.io/includeOutboundIPRanges": ["", "10.0.0.0/8"],
    "proxy.istio.io/config": ["proxyMetadata:\n  OUTPUT_CERTS: /etc/certs2 # here\n", "concurrency: 1\n", "{}"],
    "prometheus.io/scrape": ["true", "false"],
}
_EXTRA: list[Tree] = [{}, {}, {"sidecar.istio.io/inject": "false"}, {"security.istio.io/tlsMode": "istio"}]
_MORE: list[Tree] = [{}, {"readOnly": True}, {"subPath": "x"}]
_SOURCES: st.SearchStrategy[Tree] = st.sampled_from(
    [
        {"emptyDir": {}},
        {"emptyDir": {"sizeLimit": "1Gi"}},
        {"configMap": {"name": "rules", "items": [{"key": "a", "path": "b"}]}},
        {"secret": {"secretName": "web", "optional": True}},
        {"persistentVolumeClaim": {"claimName": "data"}},
        {"projected": {"sources": [{"configMap": {"name": "more"}}, {"secret": {"name": "other"}}]}},
        {"hostPath": {"path": "/srv", "type": ""}},
    ]
)
_CONFIGURATION = """\
# Kept by hand.
global: {scrape_interval: 30s}
scrape_configs:
- job_name: prometheus   # itself
  static_configs:
  - targets: ['localhost:9090']
"""


@st.composite
def labels(draw: st.DrawFn) -> Tree:
    return draw(st.dictionaries(_KEYS, _VALUES.filter(lambda text: " " not in text), min_size=1, max_size=3))


@st.composite
def pod_metadata(draw: st.DrawFn, own: Tree) -> Tree:
    """Labels and annotations of a pod; the inject label or annotation may be there, and half of the pattern."""
    found = {
        key: draw(st.sampled_from(_MESH[key])) for key in draw(st.sets(st.sampled_from(sorted(_MESH)), max_size=2))
    }
    annotations = {**draw(st.dictionaries(_KEYS, _VALUES, max_size=2)), **found}
    extra = draw(st.sampled_from(_EXTRA))
    metadata: Tree = {"labels": {**own, **extra}}
    return metadata if not annotations and draw(st.booleans()) else {**metadata, "annotations": annotations}


@st.composite
def volumes(draw: st.DrawFn) -> list[Tree]:
    names = draw(st.lists(st.sampled_from(["data", "rules", "web", "extra", "certs"]), unique=True, max_size=4))
    return [{"name": name, **draw(_SOURCES)} for name in names]


@st.composite
def mounts(draw: st.DrawFn, listed: list[Tree]) -> list[Tree]:
    found = []
    for index, volume in enumerate(listed):
        if draw(st.booleans()):
            more = draw(st.sampled_from(_MORE))
            found.append({"name": volume["name"], "mountPath": f"/mnt/{index}", **more})
    return found


@st.composite
def containers(draw: st.DrawFn, listed: list[Tree], *, config: bool) -> list[Tree]:
    main: Tree = {
        "name": draw(st.sampled_from(["prometheus", "server", "prometheus-server"])),
        "image": draw(st.sampled_from(["quay.io/prometheus/prometheus", "prom/prometheus"])) + draw(_VERSIONS),
        "args": ["--config.file=/etc/prometheus/prometheus.yml"],
    }
    own = draw(mounts(listed)) + ([{"name": "config", "mountPath": "/etc/prometheus"}] if config else [])
    written = draw(st.booleans())
    if own or written:
        main["volumeMounts"] = own
    others = [
        {
            "name": name,
            "image": f"quay.io/{name}:v1",
            **({"volumeMounts": more} if (more := draw(mounts(listed))) else {}),
        }
        for name in draw(st.lists(st.sampled_from(["config-reloader", "thanos-sidecar", "oauth-proxy"]), unique=True))
    ]
    return draw(st.permutations([main, *others]))


@st.composite
def workload(draw: st.DrawFn) -> list[Tree]:
    """A Deployment, StatefulSet or DaemonSet, maybe with the ConfigMap that it reads."""
    kind = draw(st.sampled_from(["Deployment", "StatefulSet", "DaemonSet"]))
    namespace, name = draw(_NAMESPACES), draw(_WORDS)
    where = {"namespace": namespace} if namespace else {}
    own, listed, config = draw(labels()), draw(volumes()), draw(st.booleans())
    pods = [*listed, {"name": "config", "configMap": {"name": "config"}}] if config else listed
    spec: Tree = {"containers": draw(containers(listed, config=config))}
    written = draw(st.booleans())
    if pods or written:
        spec["volumes"] = pods
    if draw(st.booleans()):
        spec["initContainers"] = [{"name": "chown", "image": "busybox:1", "volumeMounts": draw(mounts(listed))}]
    template = {"metadata": draw(pod_metadata(own)), "spec": spec}
    made: Tree = {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name, **where, "labels": own},
        "spec": {"selector": {"matchLabels": own}, "template": template},
    }
    data = {"prometheus.yml": _CONFIGURATION, "other.yml": "a: b\n"}
    map_: Tree = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "config", **where}, "data": data}
    return draw(st.permutations([made, map_])) if config else [made]


@st.composite
def operated(draw: st.DrawFn) -> list[Tree]:
    """A Prometheus or PrometheusAgent resource."""
    kind = draw(st.sampled_from(["Prometheus", "PrometheusAgent"]))
    namespace, listed = draw(_NAMESPACES), draw(volumes())
    spec: Tree = {"version": draw(st.sampled_from(["v3.14.0", "2.55.1"])), "replicas": 2}
    if draw(st.booleans()):
        spec["podMetadata"] = draw(pod_metadata(draw(labels())))
    if listed:
        spec |= {"volumes": listed, "volumeMounts": draw(mounts(listed))}
    selectors = st.sampled_from(
        [
            {},
            {"matchLabels": {"team": "a"}},
            {"matchExpressions": [{"key": "x", "operator": "In", "values": ["1", "2"]}]},
            {"matchExpressions": [{"key": "x", "operator": "NotIn", "values": ["1"]}]},
        ]
    )
    for key in ("serviceMonitorSelector", "podMonitorSelector"):
        if draw(st.booleans()):
            spec[key] = draw(selectors)
    if draw(st.booleans()):
        tls = {"caFile": "/etc/other/ca.pem"}
        names = draw(st.lists(st.sampled_from(["istio-mtls", "plain", "other"]), unique=True, max_size=2))
        spec["scrapeClasses"] = [{"name": name, "tlsConfig": tls} for name in names]
    if draw(st.booleans()):
        spec["additionalScrapeConfigs"] = {"name": "jobs", "key": "jobs.yaml"}
    if draw(st.booleans()):
        spec["containers"] = [
            {"name": "prometheus", "args": ["--web.enable-lifecycle"]},
            {"name": "more", "image": "x:1"},
        ]
    where = {"namespace": namespace} if namespace else {}
    version = "v1" if kind == "Prometheus" else "v1alpha1"
    metadata = {"name": draw(_WORDS), **where}
    return [{"apiVersion": f"monitoring.coreos.com/{version}", "kind": kind, "metadata": metadata, "spec": spec}]


@st.composite
def manifests(draw: st.DrawFn) -> str:
    """A text with one of both, and something else beside it; as documents, or as a ``List``."""
    found = draw(st.one_of(workload(), workload(), operated()))
    service: Tree = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "any"},
        "spec": {"ports": [{"port": 9090}]},
    }
    found = [*found, service] if draw(st.booleans()) else found
    if draw(st.booleans()):
        return block({"apiVersion": "v1", "kind": "List", "items": found}) + "\n"
    return "---\n".join(block(tree, sort_keys=draw(st.booleans())) + "\n" for tree in found)
