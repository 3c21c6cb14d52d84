"""An upgrade that would change the claims of a StatefulSet is refused before anything is touched.

Helm asks the cluster what is there (``lookup``); here that is a server on the loopback that knows one StatefulSet.
"""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from generator.fleet import Workers
from generator.tree import OutputFolder
from generator.update import Task, update
from generator.workspace import open_workspace
from tests.rendering import ROOT
from tests.tools import program

pytestmark = pytest.mark.programs

#: What the chart renders, by API group and version, as the server says that it knows it.
KINDS = {
    "v1": ("ConfigMap", "Service", "ServiceAccount"),
    "apps/v1": ("Deployment", "StatefulSet"),
    "monitoring.coreos.com/v1": ("PodMonitor", "Prometheus", "PrometheusRule", "ServiceMonitor"),
    "networking.istio.io/v1": ("Sidecar",),
    "rbac.authorization.k8s.io/v1": ("ClusterRole", "ClusterRoleBinding"),
}


def discovery() -> dict[str, Any]:
    """Answer what there is in the cluster."""
    answers: dict[str, Any] = {
        "/version": {"major": "1", "minor": "33", "gitVersion": "v1.33.0"},
        "/api": {"kind": "APIVersions", "versions": ["v1"]},
    }
    groups = []
    for version, kinds in KINDS.items():
        listed = [
            {
                "name": "prometheuses" if kind == "Prometheus" else f"{kind.lower()}s",
                "namespaced": not kind.startswith("ClusterRole"),
                "kind": kind,
                "verbs": ["get"],
            }
            for kind in kinds
        ]
        path = f"/api{'' if version == 'v1' else 's'}/{version}"
        answers[path] = {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": listed}
        if version != "v1":
            group, _, name = version.partition("/")
            known = {"groupVersion": version, "version": name}
            groups.append({"name": group, "versions": [known], "preferredVersion": known})
    answers["/apis"] = {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
    return answers


class Cluster(BaseHTTPRequestHandler):
    """Answers what Helm asks for: the version, the API groups, and one StatefulSet."""

    claims: list[dict[str, Any]] | None = None

    def do_GET(self):
        answers = discovery()
        if self.claims is not None:
            answers["/apis/apps/v1/namespaces/monitoring/statefulsets/prometheus"] = {
                "apiVersion": "apps/v1",
                "kind": "StatefulSet",
                "metadata": {
                    "name": "prometheus",
                    "namespace": "monitoring",
                    "labels": {"app.kubernetes.io/managed-by": "Helm"},
                    "annotations": {
                        "meta.helm.sh/release-name": "prometheus",
                        "meta.helm.sh/release-namespace": "monitoring",
                    },
                },
                "spec": {"volumeClaimTemplates": self.claims} if self.claims else {},
            }
        found = answers.get(self.path.partition("?")[0])
        missing = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(found or missing).encode())

    def log_message(self, *_arguments):
        pass


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Cluster)
    thread = threading.Thread(target=httpd.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_port}"
    httpd.shutdown()
    httpd.server_close()
    thread.join()


@pytest.fixture(scope="module")
def chart(tmp_path_factory) -> Path:
    folder: Path = tmp_path_factory.mktemp("chart")
    task = Task((), ("helm",), complete=True)
    update(open_workspace(str(ROOT)), task, OutputFolder(str(folder), "output"), Workers(1))
    return folder / "helm/prometheus-istio-mtls"


def claim(size: str, **spec: str) -> dict[str, Any]:
    return {"metadata": {"name": "data"}, "spec": {**spec, "resources": {"requests": {"storage": size}}}}


def upgraded(chart: Path, server: str, claims: list[dict[str, Any]] | None, *settings: str) -> tuple[int, str]:
    """Render the chart as an upgrade would; give Helm's exit code, and what it says."""
    Cluster.claims = claims
    flags = [word for setting in settings for word in ("--set", setting)]
    helm = [program("helm"), "template", "prometheus", str(chart), "--namespace", "monitoring", *flags]
    cluster = ["--dry-run=server", "--disable-openapi-validation", "--kube-apiserver", server]
    done = subprocess.run([*helm, *cluster], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("claims", "settings"),
    [
        (None, ("prometheus.storage.size=10Gi",)),
        ([], ()),
        ([claim("10Gi")], ("prometheus.storage.size=10Gi",)),
        ([claim("1Gi")], ("prometheus.storage.size=1024Mi",)),
        ([claim("1536Mi")], ("prometheus.storage.size=1.5Gi",)),
        (
            [claim("10Gi", storageClassName="fast")],
            ("prometheus.storage.size=10Gi", "prometheus.storage.className=fast"),
        ),
        ([claim("10Gi")], ("prometheus.workload=Deployment",)),
        ([claim("10Gi")], ("variant=operator",)),
        ([claim("10Gi")], ("name=other", "prometheus.storage.size=20Gi")),
    ],
)
def test_claims_that_stay_as_they_are_are_no_hindrance(chart, server, claims, settings):
    assert upgraded(chart, server, claims, *settings) == (0, "")


@pytest.mark.parametrize(
    ("claims", "settings", "found"),
    [
        ([], ("prometheus.storage.size=10Gi",), 'size "" and class ""'),
        ([claim("10Gi")], (), 'size "10Gi" and class ""'),
        ([claim("10Gi")], ("prometheus.storage.size=20Gi",), 'size "10Gi" and class ""'),
        (
            [claim("10Gi", storageClassName="fast")],
            ("prometheus.storage.size=10Gi", "prometheus.storage.className=slow"),
            'size "10Gi" and class "fast"',
        ),
        ([claim("1Gi")], ("variant=manual", "prometheus.storage.size=2Gi"), 'size "1Gi" and class ""'),
    ],
)
def test_claims_that_would_change_end_the_upgrade_with_what_to_do(chart, server, claims, settings, found):
    code, said = upgraded(chart, server, claims, *settings)
    assert code == 1
    assert (
        f"prometheus.storage: the StatefulSet has {found}, which Kubernetes doesn't let change; keep them, or run "
        "`kubectl --namespace monitoring delete statefulset prometheus --cascade=orphan` first, which leaves the pods "
        "and their data"
    ) in said
