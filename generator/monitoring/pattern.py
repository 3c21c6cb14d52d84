"""What is added to a pod: an injected proxy that writes certificates to a volume, from where the scraper reads them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

INJECT = "sidecar.istio.io/inject"
CONFIG = "proxy.istio.io/config"
HOLD = "holdApplicationUntilProxyStarts"
USER_VOLUME_MOUNT = "sidecar.istio.io/userVolumeMount"
NOTHING_INTERCEPTED = {
    "traffic.sidecar.istio.io/includeInboundPorts": "",
    "traffic.sidecar.istio.io/includeOutboundIPRanges": "",
}


class Pattern(NamedTuple):
    """What is added to a pod. The defaults are those of the templates, as a test checks."""

    labels: Mapping[str, str] = {INJECT: "true", "security.istio.io/tlsMode": "disabled"}
    annotations: Mapping[str, str] = {
        **NOTHING_INTERCEPTED,
        "sidecar.istio.io/rewriteAppHTTPProbers": "false",
        "prometheus.istio.io/merge-metrics": "false",
    }
    #: Of ``proxy.istio.io/config``, but for where the certificates go.
    config: Mapping[str, Any] = {HOLD: True}
    directory: str = "/etc/istio-output-certs"
    mount_path: str = "/etc/prom-certs"
    volume: str = "istio-workload-certs"
    #: The volume's size limit; "" for none.
    size_limit: str = ""
    #: Containers laid over the injected ones (a certificate-only proxy's).
    containers: tuple[Mapping[str, Any], ...] = ()


DEFAULT = Pattern()
