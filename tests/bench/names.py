"""What the report calls each contender, of those that others than itself name."""

from __future__ import annotations

SIDECERT_COLD = "sidecert"
SIDECERT_WARM = "sidecert, nothing changed"
SIDECERT_CHANGED = "sidecert, one overlay changed"
COPY = "cp -r of the output"
KAPITAN_ONE = "kapitan, one resource"
HELM_LOOPS = ("Helm 3 in a loop", "Helm 4 in a loop")
KUSTOMIZE_LOOP = "kubectl kustomize in a loop"
