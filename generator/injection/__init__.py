"""The pod as Istio's webhook leaves it.

    mesh            what the result depends on beside the pod: versions, the namespace's labels, settings
    annotations     annotations that steer injection, read and checked as the webhook does
    volumes         the two annotations that give the sidecar volumes and mounts
    decision        whether the webhook injects at all, and by which label or annotation
    merging         Kubernetes' strategic merge, as far as a pod needs it
    pieces          parts that both templates are made of
    sidecar         the template ``sidecar``: proxy with Envoy, init container
    agent           the template ``grpc-agent``: certificates without Envoy
    webhook         all of it, in the webhook's order
    overrides       a container of the user's laid over the template
    metrics         Prometheus annotations that point at the agent
    probes          probes of the application that go through the agent
    interception    which traffic of a pod is intercepted
    telling         sentences of what was done

What a version does is taken from Istio's source, its tests and pods of that release. Where a field that nothing else
depends on came is known to a release or two only (environment variables, timings of probes).
"""

from generator.injection.annotations import proxy_config, proxy_metadata
from generator.injection.interception import Interception, catches_port, intercepts
from generator.injection.mesh import Injection, Mesh
from generator.injection.pieces import (
    is_ours,
    is_ours_volume,
    is_proxy,
    output_certs,
    proxy_container,
    runs_envoy,
    template_volume,
    variable,
    writing_container,
)
from generator.injection.telling import explain
from generator.injection.volumes import listed_mounts, listed_volumes, user_volume_mounts, user_volumes
from generator.injection.webhook import inject

__all__ = [
    "Injection",
    "Interception",
    "Mesh",
    "catches_port",
    "explain",
    "inject",
    "intercepts",
    "is_ours",
    "is_ours_volume",
    "is_proxy",
    "listed_mounts",
    "listed_volumes",
    "output_certs",
    "proxy_config",
    "proxy_container",
    "proxy_metadata",
    "runs_envoy",
    "template_volume",
    "user_volume_mounts",
    "user_volumes",
    "variable",
    "writing_container",
]
