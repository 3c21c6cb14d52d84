"""Values from real installations, for what the schema leaves to Kubernetes, Prometheus or the Operator."""

from __future__ import annotations

from typing import Any

#: The forms of each variant.
FORMS: dict[str, list[dict[str, Any]]] = {
    "plain": [{"variant": "plain"}],
    "operator": [{"variant": "operator"}],
    "manual": [{"variant": "manual"}],
    "merged": [
        {"variant": "merged", "merged": {"prometheus": "workload"}},
        {"variant": "merged", "merged": {"prometheus": "operator"}},
    ],
}

#: Strings that some reader takes for something else.
NASTY = [
    *("no", "on", "y", "yes", "off", "True", "NULL", "null", "~", "=", "<<"),
    *("12:30", "1e3", "0x1F", "0o17", "017", "1_000", ".5", ".inf", "NaN", "2024-01-01", "3.10", "007", "-1"),
    *("+", "-", "?", ":", "#", "&", "*", "!", "%", "@", "`", "|"),
    "",
    " lead",
    "trail ",
    "a: b",
    "a #b",
    "- x",
    "{{ 7*7 }}",
    "{{ .Release.Name }}",
    "{% raw %}",
    "{# no #}",
    "{{",
    "$HOME ${X} $$ $1",
    "back\\slash \\n",
    "it's",
    'say "no"',
    "two\nlines",
    "a block\n\n  indented\n",
    "\ttab",
    "é日本😀",
    "nbsp\u00a0\u2028\x85",
    "[a, b]",
    "{a: b}",
    "---",
    "...",
    "https://example.com/?a=no#x",
    "x" * 200,
]

_SECURITY = [
    {"runAsNonRoot": True, "runAsUser": 1000, "fsGroup": 2000, "seccompProfile": {"type": "RuntimeDefault"}},
    {"runAsNonRoot": True, "supplementalGroups": [1, 2], "fsGroupChangePolicy": "OnRootMismatch"},
    {},
]
_CONTAINER_SECURITY = [
    {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "runAsUser": 65534},
    {"readOnlyRootFilesystem": True},
    {},
]
_TERM = {"labelSelector": {"matchLabels": {"app": "prometheus"}}, "topologyKey": "kubernetes.io/hostname"}
_NODE_TERM = {"matchExpressions": [{"key": "kubernetes.io/arch", "operator": "In", "values": ["amd64", "arm64"]}]}
_VOLUMES = [
    {"configMap": {"name": "extra", "items": [{"key": "no", "path": "on"}]}},
    {"secret": {"secretName": "token", "optional": True}},
    {"emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
    {"emptyDir": {}},
    {"projected": {"sources": [{"configMap": {"name": "a"}}, {"secret": {"name": "b"}}]}},
]
_OPERATOR_RELABELINGS: list[Any] = [
    [],
    [{"action": "drop", "regex": "go_.*", "sourceLabels": ["__name__"]}],
    [
        {"sourceLabels": ["__meta_kubernetes_pod_label_a", "pod"], "separator": ":", "targetLabel": "no"},
        {"action": "labelmap", "regex": "__meta_kubernetes_pod_label_(.+)", "replacement": "pod_$1"},
        {"targetLabel": "on", "replacement": "12:30"},
    ],
]
_RULES = [
    [{"record": "job:up:sum", "expr": "sum by (job) (up)", "labels": {"no": "on", "tier": "007"}}],
    [
        {
            "alert": "Down",
            "expr": 'up{job="a"} == 0\n  and on (job) vector(1) > 0',
            "for": "5m",
            "keep_firing_for": "1h30m",
            "labels": {"severity": "page"},
            "annotations": {"summary": "{{ $labels.pod }}: {{ $value }}", "text": "é # {% no %}\n'x' \"y\"\n"},
        },
        {"record": "a:b", "expr": "1e3"},
    ],
]
_JOBS = {
    "workload": [
        {"static_configs": [{"targets": ["a.example.com:9100", "[fd00::1]:9100"], "labels": {"on": "no"}}]},
        {
            "metrics_path": "/probe",
            "params": {"module": ["http_2xx"]},
            "kubernetes_sd_configs": [{"role": "service"}],
            "relabel_configs": [{"source_labels": ["__address__"], "target_label": "__param_target"}],
        },
        {"honor_labels": True, "scrape_interval": "15s", "static_configs": [{"targets": ["x:1"]}]},
    ],
    "operator": [
        {"staticConfigs": [{"targets": ["a.example.com:9100", "[fd00::1]:9100"], "labels": {"on": "no"}}]},
        {
            "metricsPath": "/probe",
            "params": {"module": ["http_2xx"]},
            "kubernetesSDConfigs": [{"role": "Service"}],
            "relabelings": [{"sourceLabels": ["__address__"], "targetLabel": "__param_target"}],
        },
        {"honorLabels": True, "scrapeInterval": "15s", "staticConfigs": [{"targets": ["x:1"]}]},
    ],
}

_LONG = ["30s", "1m", "1h30m"]
_SHORT = ["1s", "500ms", "10s"]

_IMAGES = ("proxy.image", "prometheus.image", "prometheus.configReloader.image")
_MONITORS = ("serviceMonitors", "podMonitors")
_ENDPOINT: dict[str, list[Any]] = {
    "interval": _LONG,
    "scrapeTimeout": _SHORT,
    "relabelings": _OPERATOR_RELABELINGS,
    "metricRelabelings": _OPERATOR_RELABELINGS[:2],
}

#: Values by the path of a subschema; ``.*`` is a map's item, ``[]`` a list's, ``@`` the form they are for.
BY_PATH: dict[str, list[Any]] = {
    "istio.version": ["1.12.0", "1.18.7", "1.22.0", "1.24.3", "1.30.3", "1.31.2"],
    "kubernetes.version": ["1.26", "1.28.5", "1.29", "1.33", "1.36.0"],
    "prometheus.version": ["2.41.0", "2.45.6", "3.0.0", "3.14.0"],
    "operator.version": ["0.74.0", "0.76.1", "0.81.0", "0.93.1"],
    "prometheus.configReloader.version": ["0.93.1", "0.74.0"],
    "prometheus.scrapeInterval": _LONG,
    "prometheus.evaluationInterval": _LONG,
    "prometheus.scrapeTimeout": _SHORT,
    "prometheus.retention.time": ["1d", "2w3d", "1y"],
    "prometheus.retention.size": ["45GB", "512MB", ""],
    "prometheus.storage.size": ["50Gi", "1.5Ti", ""],
    **{f"{image}.digest": [f"sha256:{'0123456789abcdef' * 4}", ""] for image in _IMAGES},
    "proxy.image.repository": ["registry.example.com:5000/istio/proxyv2", "proxyv2"],
    "prometheus.podSecurityContext": _SECURITY,
    "prometheus.securityContext": _CONTAINER_SECURITY,
    "prometheus.affinity": [
        {},
        {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [_TERM]}},
        {
            "nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [_NODE_TERM]}},
            "podAffinity": {
                "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "podAffinityTerm": _TERM}]
            },
        },
    ],
    "prometheus.topologySpreadConstraints": [
        [],
        [
            {
                "maxSkew": 1,
                "topologyKey": "topology.kubernetes.io/zone",
                "whenUnsatisfiable": "DoNotSchedule",
                "labelSelector": {"matchLabels": {"app.kubernetes.io/name": "prometheus"}},
            }
        ],
    ],
    "prometheus.tolerations": [
        [],
        [{"operator": "Exists"}],
        [{"key": "a", "operator": "Equal", "value": "no", "effect": "NoExecute", "tolerationSeconds": 30}],
    ],
    "prometheus.volumes.*": _VOLUMES,
    "prometheus.volumeMounts.*.subPath": ["no", "a/b.yaml"],
    "prometheus.remoteWrite.*.url": ["https://mimir.example.com/api/v1/push", "http://[fd00::1]:9090/no?a=b#c"],
    "prometheus.remoteWrite.*.headers": [{}, {"X-Scope-OrgID": "no"}, {"X-A": "12:30", "X-B": "a #b"}],
    "prometheus.remoteWrite.*.remoteTimeout": ["30s", "1m30s"],
    "alerting.rules.*.rules": _RULES,
    "alerting.rules.*.interval": _LONG,
    "scrape.extraJobs.*.config@workload": _JOBS["workload"],
    "scrape.extraJobs.*.config@operator": _JOBS["operator"],
    **{f"operator.{kind}.*.{field}": values for kind in _MONITORS for field, values in _ENDPOINT.items()},
}

_MONITOR = {"mtls": True, "port": "http-metrics", "matchLabels": {"app": "no"}, "namespaces": ["shop"]}

#: Settings that are only right, or only say something, together.
FEATURES: list[dict[str, Any]] = [
    {"istio.version": "1.31.0", "scrape.securePorts.enabled": True},
    {"istio.version": "1.18.7", "kubernetes.version": "1.26", "istio.revision": "1-18"},
    {"istio.revision": "canary", "istio.trustDomain": "example.org", "istio.clusterId": "east", "istio.meshId": "m1"},
    {"istio.mtlsMode": "PERMISSIVE", "scrape.copyPodLabels": True, "scrape.envoyStats.enabled": True},
    {"proxy.mode": "certificate-only", "istio.cni": True},
    {"proxy.mode": "certificate-only", "proxy.certificateOnlyProbes": "grpc-agent", "proxy.holdApplication": False},
    {"proxy.mode": "certificate-only", "proxy.certificateOnlyProbes": "none", "proxy.nativeSidecar": "disabled"},
    {
        "proxy.image.repository": "registry.example.com/proxyv2",
        "proxy.image.digest": f"sha256:{'0123456789abcdef' * 4}",
        "proxy.logLevel": "debug",
        "proxy.metadata": {"SECRET_TTL": "12h", "A": "1e3", "B": "no"},
        "proxy.resources": {
            "requests": {"cpu": "10m", "memory": "64Mi"},
            "limits": {"cpu": "2", "memory": "256Mi"},
        },
    },
    {"mesh.clientTls": "portLevelMtls", "istio.version": "1.20.0"},
    {"mesh.clientTls": "peerAuthentication", "mesh.sidecar.egressHosts": ["istio-system/*"]},
    {"mesh.clientTls": "none", "mesh.sidecar.enabled": False},
    {
        "mesh.authorizationPolicies": {
            "no": {"namespace": "shop", "ports": [8080, 15020], "paths": ["/metrics"], "matchLabels": {"app": "on"}},
            "a": {"namespace": "monitoring", "ports": [1]},
        }
    },
    {"prometheus.workload": "Deployment", "prometheus.replicas": 2, "prometheus.storage.size": ""},
    {"prometheus.replicas": 3, "prometheus.storage.size": "50Gi", "prometheus.storage.className": "fast"},
    {"prometheus.replicas": 0, "prometheus.replicaLabel": "", "prometheus.version": "2.45.6"},
    {
        "prometheus.volumes": {"token": {"secret": {"secretName": "token"}}, "rules-2": {"configMap": {"name": "r"}}},
        "prometheus.volumeMounts": {"/etc/token": {"volume": "token", "readOnly": True}, "/r": {"volume": "rules-2"}},
    },
    {
        "prometheus.remoteWrite": {
            "a": {"url": "https://a.example.com/push", "useMeshCertificates": True, "bearerTokenFile": "/etc/token/t"},
            "no": {"url": "http://b.example.com/push", "headers": {"X-Scope-OrgID": "007"}, "remoteTimeout": "30s"},
        }
    },
    {
        "prometheus.podDisruptionBudget.enabled": True,
        "prometheus.networkPolicy.enabled": True,
        "prometheus.networkPolicy.from": {
            "a": {"namespaceLabels": {"n": "on"}},
            "b": {"podLabels": {"p": "1"}},
            "c": {},
        },
    },
    {"prometheus.networkPolicy.enabled": True},
    {"kubernetes.ipFamilyPolicy": "RequireDualStack", "prometheus.service.type": "LoadBalancer"},
    {
        "alerting.alertmanagers": {
            "main": {"namespace": "a", "service": "am", "port": "web", "scheme": "https", "useMeshCertificates": True},
            "no": {"namespace": "b", "service": "am-2", "port": "http-web", "pathPrefix": "/no"},
        }
    },
    {"alerting.builtinRules": False, "alerting.rules": {}},
    {"scrape.extraJobs": {"queue": {"useMeshCertificates": True, "config": {"params": {"a": ["no", "1"]}}}}},
    {"scrape.containerLabel": False, "scrape.namespaces": ["no", "shop"]},
    {"operator.serviceMonitors": {"a": _MONITOR, "no": {"port": "web", "namespace": "b"}}},
    {"operator.podMonitors": {"a": _MONITOR, "on": {"port": "web", "path": "/m", "interval": "1m"}}},
    {"operator.agent": True, "operator.monitorLabels": {"release": "no"}},
    {
        "operator.version": "0.64.0",
        "operator.scrapeClass.enabled": False,
        "operator.serviceMonitors": {"a": _MONITOR},
        "scrape.mtls.enabled": False,
    },
    {"operator.denyArbitraryFileAccess": True, "operator.scrapeClass.name": "no"},
    {"manual.discoveryAddress": "istiod.example.com:15012", "manual.certificateRevocationConfigMap": "istio-ca-crl"},
    {"imagePullSecrets": ["no", "a.b"], "imagePullPolicy": "Always", "name": "on", "namespace": "yes"},
]
