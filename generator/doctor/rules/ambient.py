"""The ambient mesh, and Jobs that a proxy keeps from ending."""

from __future__ import annotations

from collections.abc import Iterator

from generator.doctor.rule import Fix, Found, Severity, rule
from generator.doctor.rules.examples import PLAIN
from generator.doctor.rules.views import by_hand, can_be_edited, existing, is_injected_already, label
from generator.errors import ValuePath
from generator.injection import inject
from generator.injection.annotations import INJECT
from generator.monitoring import Edit, Scraper, Setup
from generator.monitoring.labels import labels_in

_DATAPLANE = "istio.io/dataplane-mode"
_AMBIENT_NAMESPACE = """\
apiVersion: v1
kind: Namespace
metadata:
  name: monitoring
  labels:
    istio.io/dataplane-mode: ambient
---
"""


@rule(
    "ambient-and-certificates",
    title="Ambient and certificate files don't go together",
    severity="warning",
    stage="clients",
    why="""
        In an ambient mesh ztunnel wraps what Prometheus sends, and no job needs certificates. A pod with an injected
        proxy is never taken into ambient: it can't scrape STRICT pods of an ambient namespace, which speak HBONE and
        not TLS on their ports. A proxy written by hand is taken in, and its https is wrapped once more. One Prometheus
        can't do both: drop the proxy and the files, or keep the pod out with `istio.io/dataplane-mode: none`.
        """,
    sources=["istio `cni/pkg/util/podutil.go`", "istio#34768"],
    wrong=_AMBIENT_NAMESPACE + PLAIN,
)
def ambient_and_certificates(setup: Setup) -> Iterator[Found]:
    """Look at the labels of pods with certificates, and of their namespaces."""
    for scraper in setup.scrapers:
        own = scraper.pod.labels.get(_DATAPLANE)
        if setup.writer(scraper) is None or own not in {None, "ambient"}:
            continue
        homes = setup.named("Namespace", scraper.namespace)
        home = next(
            (one for one in homes if labels_in(one.get("metadata", "labels")).get(_DATAPLANE) == "ambient"), None
        )
        if own is None and home is None:
            continue
        wrapped = by_hand(scraper) is not None
        where = "the pod" if own else str(home)
        found = f"{where} is ambient, and the pod has certificates written: "
        found += (
            "ztunnel wraps its https once more" if wrapped else "it stays out, and can't scrape STRICT ambient pods"
        )
        edits = (scraper.pod.set(("metadata", "labels", _DATAPLANE), "none"),)
        fix = Fix("say that the pod stays out", edits if can_be_edited(scraper) else ())
        place = (
            label(scraper, _DATAPLANE) if own else existing(scraper.document, scraper.pod.where("metadata", "labels"))
        )
        yield Found(scraper.document, place, found, fix, _severity(scraper))


def _severity(scraper: Scraper) -> Severity:
    return "info" if is_injected_already(scraper) else "warning"


# ------------------------------------------------------------------------------------------------- Jobs of the stack

_HOOK = "kube-webhook-certgen"
_HOOKS: ValuePath = ("prometheusOperator", "admissionWebhooks")
_JOB = """\
apiVersion: v1
kind: Namespace
metadata:
  name: monitoring
  labels:
    istio-injection: enabled
---
apiVersion: batch/v1
kind: Job
metadata:
  name: kube-prometheus-stack-admission-create
  namespace: monitoring
spec:
  template:
    spec:
      restartPolicy: OnFailure
      containers:
      - name: create
        image: registry.k8s.io/ingress-nginx/kube-webhook-certgen:v1.6.3
        args: [create, --namespace=monitoring, --secret-name=kube-prometheus-stack-admission]
---
"""


@rule(
    "admission-job-never-ends",
    title="A proxy keeps the stack's admission Job from ending",
    severity="warning",
    stage="clients",
    why="""
        kube-prometheus-stack runs Jobs before and after it is installed, which make certificates for its webhook. In a
        namespace with injection they get a proxy, and a classic one never exits: Helm waits until it gives up. Native
        sidecars (by default with Istio 1.27 on Kubernetes 1.33) end with the Job. Have the Prometheus pod alone
        injected, by its label, or keep the Jobs out.
        """,
    sources=["helm-charts#190"],
    wrong="# istio 1.26.0\n" + _JOB + PLAIN,
)
def admission_job_never_ends(setup: Setup) -> Iterator[Found]:
    """Look at Jobs with that image, and at values of the stack for a namespace that is labelled."""
    for document, pod in setup.workloads:
        if document.kind == "Job" and any(_HOOK in str(one.get("image")) for _, one in pod.containers()):
            if not _never_ends(setup, document.namespace, pod.tree):
                continue
            edit = pod.set(("metadata", "labels", INJECT), "false")
            fix = Fix("keep the Job out of injection", (edit,))
            place = existing(document, pod.where("metadata", "labels"))
            yield Found(document, place, "the Job gets a proxy that never exits", fix)
    for scraper in setup.scrapers:
        if scraper.flavour == "kube-prometheus-stack" and scraper.resource is not None and scraper.namespace:
            yield from _of_values(setup, scraper)


def _never_ends(setup: Setup, namespace: str, pod: object) -> bool:
    if not isinstance(pod, dict):
        return False
    found = inject(pod, namespace, setup.mesh_of(namespace))
    proxies = [one.get("name") for one in found.pod.get("spec", {}).get("containers") or []]
    return found.injected and found.certain and "istio-proxy" in proxies


def _of_values(setup: Setup, scraper: Scraper) -> Iterator[Found]:
    """The Jobs that values have the chart make; its defaults make them."""
    document, base = scraper.document, (scraper.resource or ())[:-2]
    operator: ValuePath = (*base, _HOOKS[0])
    hooks: ValuePath = (*base, *_HOOKS)
    off = [
        document.get(*operator, "enabled") is False,
        document.get(*hooks, "enabled") is False,
        document.get(*hooks, "patch", "enabled") is False,
        document.get(*hooks, "certManager", "enabled") is True,
    ]
    annotations = labels_in(document.get(*hooks, "patch", "podAnnotations"))
    pod = {"metadata": {"annotations": annotations}, "spec": {"containers": [{"name": "create"}]}}
    if any(off) or not _never_ends(setup, scraper.namespace, pod):
        return
    found = f"the admission Jobs get a proxy that never exits: namespace {scraper.namespace} is injected"
    edit = Edit(document, (*hooks, "patch", "podAnnotations", INJECT), "false")
    yield Found(document, existing(document, hooks), found, Fix("keep the Jobs out of injection", (edit,)))
