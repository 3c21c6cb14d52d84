"""victoria-metrics takes prometheus.yml exactly as rendered, discovery included, and scrapes the same mesh."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.e2e.kubernetes import KubernetesApi
from tests.e2e.lab import Lab, of_pods, scraped, told
from tests.e2e.pods import MTLSMode, expected_targets, scenario, strict
from tests.e2e.prometheus import rendered_file
from tests.e2e.victoria import VictoriaMetrics

pytestmark = pytest.mark.programs


def overlay(variant: str, mode: MTLSMode) -> dict[str, Any]:
    """Values without the container label: victoria-metrics 1.79 doesn't know the action that it needs."""
    return {"variant": variant, "istio": {"mtlsMode": mode}, "scrape": {"containerLabel": False}}


@pytest.mark.parametrize(
    ("variant", "mode"), [("plain", "STRICT"), ("manual", "PERMISSIVE"), ("merged", "STRICT")], ids=lambda value: value
)
def test_the_rendered_file_finds_and_scrapes_every_pod(tmp_path: Path, variant: str, mode: MTLSMode):
    (tmp_path / "victoria").mkdir()
    with Lab(tmp_path, lambda network: scenario(network, mode), every=2) as lab, KubernetesApi(lab.pods) as api:
        file = rendered_file(lab.resources(overlay(variant, mode)))
        wanted = expected_targets(lab.pods, certificates=variant != "merged")
        with VictoriaMetrics(file, api, tmp_path / "victoria") as victoria:
            victoria.wait_for(lambda: scraped(victoria.targets()) >= wanted, what="all targets")
            targets = of_pods(victoria.targets())
            assert {(target.job, target.url) for target in targets} == wanted, told(targets)
            if variant == "plain":
                network = int(lab.pods[0].ip.split(".")[1])
                api.remove(lab.pods[0])
                victoria.wait_for(lambda: len(of_pods(victoria.targets())) == len(wanted) - 1, what="target gone")
                api.put(strict("productpage", f"127.{network}.0.10", mode))
                victoria.wait_for(lambda: scraped(victoria.targets()) >= wanted, what="target back")
