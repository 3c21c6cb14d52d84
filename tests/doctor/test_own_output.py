"""What sidecert renders has no fault: whichever form it takes, and whoever renders it."""

from __future__ import annotations

import io
import subprocess
import sys
from typing import Any

import pytest

from generator import cli
from generator.yaml import block
from tests import tools
from tests.doctor.helpers import ids
from tests.rendering import ROOT, render, sample_names


def judged(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What doctor prints, in one line."""
    cli.run(("doctor", "--fail-on", "never", *arguments))
    return capsys.readouterr().out


@pytest.mark.parametrize("folder", ["manifests", "kustomize", "kustomize/base", "kustomize/overlays"])
def test_the_committed_output_is_fine(folder, capsys):
    assert "Nothing wrong found" in judged(capsys, str(ROOT / "output" / folder))


@pytest.mark.programs
@pytest.mark.parametrize("environment", sample_names())
def test_what_helm_makes_of_the_chart_is_fine(environment, capsys, monkeypatch):
    chart, values = ROOT / "output/helm/prometheus-istio-mtls", ROOT / f"output/helm/values/{environment}.yaml"
    command = [tools.program("helm"), "template", "prometheus", str(chart), "--values", str(values)]
    stream = subprocess.run(command, capture_output=True, check=True).stdout
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stream)))
    assert "Nothing wrong found" in judged(capsys, "-")


@pytest.mark.parametrize("environment", sample_names())
def test_no_finding_of_any_severity(environment, capsys):
    assert judged(capsys, "--quiet", str(ROOT / "output/manifests" / environment)) == ""


@pytest.mark.parametrize("variant", ["plain", "operator"])
@pytest.mark.parametrize("probes", ["container", "grpc-agent"])
@pytest.mark.parametrize(("istio", "kubernetes"), [("1.22.0", "1.28"), ("1.30.3", "1.33")])
def test_prometheus_waits_for_an_agent_without_envoy(variant, probes, istio, kubernetes):
    overlay = {
        "variant": variant,
        "istio": {"version": istio},
        "kubernetes": {"version": kubernetes},
        "proxy": {"mode": "certificate-only", "certificateOnlyProbes": probes},
    }
    settings: dict[str, Any] = {"istio": version(istio), "istio_given": True, "kubernetes": version(kubernetes)}
    assert ids(stream(overlay), **settings) == []


@pytest.mark.parametrize(("istio", "kubernetes"), [("1.22.0", "1.28"), ("1.30.3", "1.33")])
def test_an_agent_without_probes_is_not_waited_for(istio, kubernetes):
    overlay = {
        "istio": {"version": istio},
        "proxy": {"mode": "certificate-only", "certificateOnlyProbes": "none"},
    }
    settings: dict[str, Any] = {"istio": version(istio), "istio_given": True, "kubernetes": version(kubernetes)}
    assert ids(stream(overlay), **settings) == ["start-order"]


def stream(overlay: dict[str, Any]) -> str:
    """What a valid overlay renders to, as one text."""
    return "---\n".join(block(dict(resource.tree)) + "\n" for resource in render(overlay))


def version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))
