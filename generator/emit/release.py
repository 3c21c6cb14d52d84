"""Where the chart says something else than the manifests, because Helm has a word of its own for it.

Declared here and nowhere else: the release gives name and namespace where the values leave them open, and resources
carry the labels of Helm's conventions (https://helm.sh/docs/chart_best_practices/labels/).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

#: Name of the chart, and of its folder.
CHART: Final = "prometheus-istio-mtls"

#: Values that are empty in the chart unless they are set: the helpers that then take the release's, and what they are.
FROM_RELEASE: Final[Mapping[str, tuple[str, str]]] = {
    "name": (
        'include "sidecert.name" $',
        "Name of the Prometheus resource and stem of every other resource's name. Empty: made of the release's name.",
    ),
    "namespace": (
        'include "sidecert.namespace" $',
        "Namespace of everything that is not cluster-wide. Empty: the release's (`helm --namespace`).",
    ),
}

#: Labels of every resource that the chart alone gives, and their Go expressions.
RELEASE_LABELS: Final[Mapping[str, str]] = {
    "app.kubernetes.io/managed-by": "$.Release.Service",
    "helm.sh/chart": 'include "sidecert.chart" $',
}


def chart_defaults(defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Give the chart's defaults: those of the schema, but for what the release gives."""
    return {key: "" if key in FROM_RELEASE else value for key, value in defaults.items()}
