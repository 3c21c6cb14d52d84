"""What the result depends on beside the pod, and the result."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

Tree = dict[str, Any]
Version = tuple[int, int]

PROXY: Final = "istio-proxy"
INIT: Final = "istio-init"
VALIDATION: Final = "istio-validation"

#: Port of the agent: merged metrics, probes of the application.
AGENT_PORT: Final = 15020


class Mesh(NamedTuple):
    """Versions, what is known of the namespace, and the settings of istiod that show in a pod.

    ``namespace_injection`` is the namespace's label ``istio-injection``: True for ``enabled``, False for ``disabled``,
    None where it is absent or not known. ``namespace_revision`` is its label ``istio.io/rev``, "" likewise.
    ``native_sidecars`` None means what the versions give. ``hub`` and ``tag`` "" mean those of the release.
    """

    istio_version: Version = (1, 30)
    kubernetes_version: Version = (1, 33)
    namespace_injection: bool | None = None
    namespace_revision: str = ""
    merge_metrics: bool = True
    rewrite_probes: bool = True
    mount_mtls_certs: bool = False
    native_sidecars: bool | None = None
    cni: bool = False
    hub: str = ""
    tag: str = ""
    system_namespace: str = "istio-system"
    cluster_domain: str = "cluster.local"
    trust_domain: str = "cluster.local"

    def since(self, minor: int) -> bool:
        """Say whether Istio is of release 1.``minor`` or later."""
        return self.istio_version >= (1, minor)

    def native(self) -> bool:
        """Say whether a pod without an annotation of its own gets a native sidecar.

        Off by default until 1.27.0, then on where kubelets are of 1.33 or later (`DetectNativeSidecar` in istio's
        pkg/kube/inject/webhook.go); no release before 1.19 can.
        """
        if not self.since(19):
            return False
        if self.native_sidecars is not None:
            return self.native_sidecars
        return self.since(27) and self.kubernetes_version >= (1, 33)

    def image(self, image_type: str = "") -> str:
        """Give the proxy's image; ``image_type`` is ``distroless``, ``debug`` or "". The hub moved with 1.30."""
        hub = self.hub or ("registry.istio.io/release" if self.since(30) else "docker.io/istio")
        tag = self.tag or f"{self.istio_version[0]}.{self.istio_version[1]}.0"
        if image_type:
            tag = tag.removesuffix("-distroless").removesuffix("-debug")
        return f"{hub}/proxyv2:{tag}" + (f"-{image_type}" if image_type not in {"", "default"} else "")


class Injection(NamedTuple):
    """What the webhook makes of a pod.

    ``injected`` says whether the pod runs with what Istio adds, ``reason`` by which label or annotation, in a sentence
    without a full stop. ``certain`` is False where that hangs on what wasn't given: the namespace's labels, or a
    template of the mesh's own.
    ``pod`` has ``metadata`` and ``spec``, keys sorted. ``refused`` says why the pod would be refused, one sentence
    each; ``pod`` is then what would come out with these places mended: values read as the text they look like, JSON
    that can't be read left out. ``config`` is the annotation ``proxy.istio.io/config`` as a map.
    """

    injected: bool
    reason: str
    certain: bool
    pod: Tree
    refused: tuple[str, ...]
    config: Tree
