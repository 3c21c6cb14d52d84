"""Merged metrics: https towards a port in cleartext."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from generator.doctor.rule import Fix, Found, rule
from generator.doctor.rules.examples import CONFIGURATION, PLAIN, WEB, but
from generator.doctor.rules.jobs import found_at, mtls_of_jobs
from generator.errors import ValuePath
from generator.injection import inject
from generator.monitoring import Edit, Scrape, Setup
from generator.monitoring.edits import APPEND
from generator.monitoring.relabelling import merged_pod, outcomes
from generator.monitoring.versions import Version

_MERGING_SINCE: Version = (1, 7)
_PORT = "__meta_kubernetes_pod_annotation_prometheus_io_port"
_DISCOVERED_PORT = "__meta_kubernetes_pod_container_port_number"
_CLEARTEXT = {"15020": "the agent's", "15090": "Envoy's"}
_BY_ANNOTATION = """\
      - source_labels: [__meta_kubernetes_pod_annotation_prometheus_io_scrape]
        action: keep
        regex: "true"
      - source_labels: [__meta_kubernetes_pod_annotation_prometheus_io_port, __meta_kubernetes_pod_ip]
        regex: (\\d+);(.*:.*)
        replacement: '[$2]:$1'
        target_label: __address__
      - source_labels: [__meta_kubernetes_pod_annotation_prometheus_io_port, __meta_kubernetes_pod_ip]
        regex: (\\d+);([^:]+)
        replacement: $2:$1
        target_label: __address__
"""
BY_NAME = """\
      - source_labels: [__meta_kubernetes_pod_container_port_name]
        action: keep
        regex: http-metrics
"""
BY_ANNOTATION = but(CONFIGURATION, (BY_NAME, _BY_ANNOTATION))


# ------------------------------------------------------------------------------------------------- https to cleartext


@rule(
    "https-to-merged",
    title="A job speaks TLS to the port of merged metrics, which is cleartext",
    severity="warning",
    stage="scraping",
    why="""
        Metrics merging is on by default. Injection then rewrites a pod's `prometheus.io/port` to 15020 and
        `prometheus.io/path` to `/stats/prometheus`, whatever they said before, and even where there were none. The
        agent serves them in cleartext, in a STRICT mesh too, so a job that takes its port from that annotation and
        speaks https fails for every pod whose metrics are merged. Let it drop that port, or keep only pods that say
        `prometheus.istio.io/merge-metrics: "false"`. A job with a fixed port 15020 or 15090 needs no certificate at
        all.
        """,
    since="Istio 1.7",
    sources=["istio `pkg/kube/inject/webhook.go` (`applyPrometheusMerge`)"],
    wrong=PLAIN + "---\n" + BY_ANNOTATION,
)
def https_to_merged(setup: Setup) -> Iterator[Found]:
    """Try each job over https on a pod whose metrics are merged."""
    for found in mtls_of_jobs(setup):
        scrape = found.scrape
        asked = [one for one in outcomes(scrape, merged_pod()) if one.scheme == "https" and one.port in _CLEARTEXT]
        if not asked:
            continue
        port = asked[0].port
        if any(one.port not in _CLEARTEXT for one in outcomes(scrape, merged_pod(), same_pod=True)):
            says = (
                f"{scrape} asks every port of a pod over https, {port} too, which is {_CLEARTEXT[port]} and cleartext"
            )
            yield found_at(scrape, _address_rule(scrape), says, _leave_out(scrape, _DISCOVERED_PORT))
            continue
        other = merged_pod({"prometheus.io/port": "8080"})
        if any(one.port == port for one in outcomes(scrape, other, filters=False)):
            says = f"{scrape} asks port {port} over https, which is {_CLEARTEXT[port]} and cleartext"
            edits = (scrape.set("scheme", value="http"),) if scrape.scheme == "https" else ()
            fix = Fix("ask it over http", edits)
            yield found_at(scrape, _address_rule(scrape), says, fix, severity="error")
        elif setup.settings.istio >= _MERGING_SINCE and setup.merges_metrics:
            says = f"{scrape} takes the port from prometheus.io/port, which is 15020 on pods whose metrics are merged"
            yield found_at(scrape, _address_rule(scrape), says, _leave_out(scrape))


def _address_rule(scrape: Scrape) -> ValuePath:
    """The part of a job that says which port it asks."""
    setting = [one.path for one in scrape.relabelings() if one.target == "__address__"]
    return setting[-1][len(scrape.path) :] if setting else (("port",) if "port" in scrape.tree else ())


def _leave_out(scrape: Scrape, label: str = _PORT) -> Fix:
    names = scrape.spelling
    drop = {names.sources: [label], "action": "drop", "regex": "15020|15090"}
    says = "leave out pods whose metrics are merged; another job over http may take them"
    if label == _DISCOVERED_PORT:
        says = "leave out the proxy's own ports; another job over http may take them"
    place = scrape.where(names.relabelings)
    if not isinstance(scrape.document.get(*place), list) and scrape.tree.get(names.relabelings):
        # They are a chart's own, and a list in values would replace them.
        return Fix(f"{says}: add this to the chart's own {names.relabelings}", yaml=snippet_of(drop))
    comment = "the agent's port and Envoy's are cleartext whatever the mTLS mode"
    return Fix(says, (Edit(scrape.document, (*place, APPEND), drop, comment),))


def snippet_of(item: Mapping[str, object]) -> str:
    """Print one item of a list."""
    from generator.yaml import block

    return block([item], sort_keys=False)


@rule(
    "https-on-merged-pod",
    title="A pod asks to be scraped over https, but its metrics are merged",
    severity="warning",
    stage="scraping",
    why="""
        Injection rewrites `prometheus.io/port` and `prometheus.io/path` of a pod whose metrics are merged, and leaves
        `prometheus.io/scheme` alone. With `https` there, jobs that honour the annotation speak TLS to 15020, which is
        cleartext. Either the pod leaves merging, or the annotation goes.
        """,
    since="Istio 1.7",
    sources=["istio `pkg/kube/inject/webhook.go` (`applyPrometheusMerge`)"],
    wrong=PLAIN
    + but(
        WEB,
        (
            '        prometheus.istio.io/merge-metrics: "false"\n',
            (
                '        prometheus.io/scrape: "true"\n        prometheus.io/port: "9102"\n'
                "        prometheus.io/scheme: https\n"
            ),
        ),
    ),
)
def https_on_merged_pod(setup: Setup) -> Iterator[Found]:
    """Look at what injection makes of each workload's annotations."""
    if setup.settings.istio < _MERGING_SINCE:
        return
    for document, pod in setup.workloads:
        if pod.annotations.get("prometheus.io/scheme", "").lower() != "https":
            continue
        injection = inject(pod.tree, document.namespace, setup.mesh_of(document.namespace))
        after = injection.pod.get("metadata", {}).get("annotations") or {}
        if not (injection.injected and injection.certain) or after.get("prometheus.io/port") != "15020":
            continue
        path = ("metadata", "annotations", "prometheus.io/scheme")
        keep_port = pod.set(("metadata", "annotations", "prometheus.istio.io/merge-metrics"), "false")
        fix = Fix(
            "keep the pod's own port out of merging, if it serves mTLS; else take the annotation out", (keep_port,)
        )
        says = "prometheus.io/scheme is https, and injection makes prometheus.io/port 15020, which is cleartext"
        yield Found(document, pod.where(*path), says, fix)
