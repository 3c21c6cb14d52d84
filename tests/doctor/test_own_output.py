"""What sidecert renders has no fault: whichever form it takes, and whoever renders it."""

from __future__ import annotations

import io
import subprocess
import sys

import pytest

from generator import cli
from tests import tools
from tests.rendering import ROOT, sample_names


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
