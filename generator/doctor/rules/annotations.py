"""Annotations in the wrong place, in the wrong form, or with half of what they need."""

from __future__ import annotations

import re
from collections.abc import Iterator

from generator.doctor.rule import Fix, Found, rule
from generator.doctor.rules.examples import PLAIN, but
from generator.doctor.rules.spelt import as_written
from generator.doctor.rules.spoiling import ANNOTATIONS, METADATA
from generator.doctor.rules.views import (
    annotate,
    annotation,
    can_be_edited,
    existing,
    is_injected_already,
    is_steered,
    outside_pod,
    proxy_metadata_of,
)
from generator.injection import annotations as names
from generator.monitoring import Edit, Scraper, Setup
from generator.monitoring.edits import REMOVE

_RESOURCES = {names.CPU: "100m", names.MEMORY: "128Mi", names.CPU_LIMIT: "2", names.MEMORY_LIMIT: "1Gi"}
_NAMED = re.compile(r"annotation (\S+?):? ")
_OF_WORKLOAD = "".join(line[4:] + "\n" for line in ANNOTATIONS.splitlines())


@rule(
    "annotations-on-the-workload",
    title="Istio's annotations stand on the workload instead of its pods",
    severity="error",
    stage="injection",
    why="""
        Istio reads the pod. What stands in the `metadata` of a Deployment, a StatefulSet or a `Prometheus` resource (or
        under the chart's `deploymentAnnotations`) never gets there, so none of it has an effect: it belongs into
        `spec.template.metadata`, `spec.podMetadata`, or the chart's `podAnnotations`.
        """,
    sources=["istio `pkg/kube/inject/webhook.go`", "operator `pkg/prometheus/server/statefulset.go`"],
    wrong=but(PLAIN, (ANNOTATIONS, ""), ("  namespace: monitoring\n", f"  namespace: monitoring\n{_OF_WORKLOAD}")),
)
def annotations_on_the_workload(setup: Setup) -> Iterator[Found]:
    """Look for what is meant for the pod at what makes it; what the pod says too is left alone."""
    for scraper in setup.scrapers:
        lost = outside_pod(scraper)
        if not lost or is_injected_already(scraper):
            continue
        edits: list[Edit] = []
        for path, key, value in lost:
            part = "labels" if path[-2] == "labels" else "annotations"
            edits.append(scraper.pod.set(("metadata", part, key), value))
            edits.append(Edit(scraper.document, path, REMOVE))
        certificates = any(
            key == names.USER_VOLUME_MOUNT or (key == names.CONFIG and "OUTPUT_CERTS" in value)
            for _, key, value in lost
        )
        keys = ", ".join(key for _, key, _ in lost)
        found = f"{keys}: not on the pod, so without effect"
        fix = Fix("move them to the pod", tuple(edits))
        yield Found(scraper.document, lost[0][0], found, fix, "error" if certificates else "warning")


@rule(
    "refused-by-the-webhook",
    title="Istio's webhook refuses the pod",
    severity="error",
    stage="injection",
    why="""
        The webhook checks the annotations that it reads, and where one is wrong the pod isn't made (`failurePolicy:
        Fail`). `proxyMetadata` is a map of strings: an unquoted `true` or number is refused. JSON that can't be read,
        and ports and ranges that are none, are refused too.
        """,
    sources=["istio `pkg/kube/inject/validate.go`", "istio `pkg/kube/inject/webhook.go`"],
    wrong=but(PLAIN, (METADATA, f"{METADATA}            SECRET_TTL: 12\n")),
)
def refused_by_the_webhook(setup: Setup) -> Iterator[Found]:
    """Tell what the webhook would; values of other types than strings are told by what checks fields."""
    for scraper in setup.scrapers:
        if not is_steered(setup, scraper):
            continue
        for inner, path, name, value in proxy_metadata_of(scraper):
            if not isinstance(value, str):
                text = as_written(inner, path)
                edits = (Edit(inner, path, text),) if text or value is None else ()
                how = Fix(f'write "{text}" in quotes' if edits else "write it as a text in quotes", edits)
                yield Found(inner, path, f"{name} under proxyMetadata is no string", how, resource=str(scraper))
        for sentence in setup.injection(scraper).refused:
            named = _NAMED.match(sentence)
            of_field = scraper.flavour in {"workload", "operator"} or "proxyMetadata." in sentence
            if named is None or (of_field and "is no string" in sentence):
                continue
            place = existing(scraper.document, annotation(scraper, named[1]))
            yield Found(scraper.document, place, sentence, Fix("write it as Istio reads it"))


@rule(
    "proxy-resources-partial",
    title="Some of the proxy's resources are set, so the others have no default",
    severity="warning",
    stage="injection",
    why="""
        As soon as one of the four annotations for the proxy's resources is there, the template uses none of the mesh's
        defaults for the others. A proxy without a memory limit can take the node's memory; one without requests may be
        the first to be evicted, and Prometheus with it. Set all four or none.
        """,
    sources=['istio injection template, `define "resources"`'],
    wrong=but(PLAIN, ("      annotations:\n", '      annotations:\n        sidecar.istio.io/proxyCPU: "50m"\n')),
)
def proxy_resources_partial(setup: Setup) -> Iterator[Found]:
    """Count the four annotations."""
    for scraper in setup.scrapers:
        there = [key for key in _RESOURCES if key in scraper.pod.annotations]
        missing = [key for key in _RESOURCES if key not in scraper.pod.annotations]
        if not there or not missing or not is_steered(setup, scraper):
            continue
        found = f"{', '.join(there)} without {', '.join(missing)}"
        yaml = "\n".join(f'{key}: "{_RESOURCES[key]}"' for key in missing)
        fix = Fix("set the others too (here Istio's defaults)", yaml=yaml)
        yield Found(scraper.document, annotation(scraper, there[0]), found, fix)


@rule(
    "probes-rewritten-to-port-zero",
    title="Prometheus' probes go to port 0",
    severity="error",
    stage="injection",
    why="""
        `status.sidecar.istio.io/port: "0"` switches the agent's status server off. Injection still rewrites the
        application's probes to that server, now at port 0, where nobody answers: the pod never gets ready, and the
        kubelet restarts Prometheus. Switch the rewriting off too.
        """,
    sources=["istio `pkg/kube/inject/app_probe.go`", "istio `pilot/cmd/pilot-agent/config/config.go`"],
    wrong=but(
        PLAIN,
        ('rewriteAppHTTPProbers: "false"', 'rewriteAppHTTPProbers: "true"'),
        ("      annotations:\n", '      annotations:\n        status.sidecar.istio.io/port: "0"\n'),
        (
            "        args:\n",
            "        readinessProbe:\n          httpGet:\n            port: 9090\n        args:\n",
        ),
    ),
)
def probes_rewritten_to_port_zero(setup: Setup) -> Iterator[Found]:
    """Look at the two annotations, and for probes; an operator and the charts always add some."""
    for scraper in setup.scrapers:
        annotations = scraper.pod.annotations
        off = annotations.get(names.STATUS_PORT, "").strip() == "0"
        if not off or not is_steered(setup, scraper) or "grpc-agent" in annotations.get(names.TEMPLATES, ""):
            continue
        if annotations.get(names.REWRITE_PROBES, "true").lower() == "false" or not _has_probes(scraper):
            continue
        edits = (annotate(scraper, names.REWRITE_PROBES, "false"),) if can_be_edited(scraper) else ()
        found = f'{names.STATUS_PORT} is "0" and {names.REWRITE_PROBES} isn\'t "false"'
        fix = Fix("let the kubelet probe Prometheus itself", edits)
        yield Found(scraper.document, annotation(scraper, names.STATUS_PORT), found, fix)


def _has_probes(scraper: Scraper) -> bool:
    probes = ("readinessProbe", "livenessProbe", "startupProbe")
    forms = ("httpGet", "tcpSocket", "grpc")
    return scraper.flavour != "workload" or any(
        isinstance(container.get(probe), dict) and any(form in container[probe] for form in forms)
        for _, container in scraper.pod.items("spec", "containers")
        for probe in probes
    )
