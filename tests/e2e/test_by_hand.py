"""The lab by hand: `make lab` keeps it up and prints where Prometheus is, until it is interrupted."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
import urllib.request

import pytest

from tests.rendering import ROOT

pytestmark = pytest.mark.programs

LAB = [sys.executable, "-m", "tests.e2e"]


def test_it_prints_where_prometheus_is_and_ends_with_an_interrupt():
    with subprocess.Popen([*LAB, "staging"], cwd=ROOT, stdout=subprocess.PIPE, text=True) as lab:
        assert lab.stdout
        found = re.fullmatch(r"Prometheus of staging: (http://127\.0\.0\.1:\d+)/targets\n", lab.stdout.readline())
        assert found
        assert urllib.request.urlopen(f"{found[1]}/-/ready").status == 200
        lab.send_signal(signal.SIGINT)
        ended = time.monotonic()
        assert lab.wait(timeout=30) == 0
        assert time.monotonic() - ended < 15
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(f"{found[1]}/-/ready")


def test_it_knows_the_environments_there_are():
    done = subprocess.run([*LAB, "nowhere"], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: there is no environment 'nowhere'; there are: dev, edge/factory-7, ")


def test_make_lab_runs_it():
    make = ["make", "--no-print-directory", "--dry-run", "lab", "ENV=prod/eu-1"]
    made = subprocess.run(make, cwd=ROOT, capture_output=True, text=True)
    assert made.stdout.splitlines()[-1] == ".venv/bin/python -m tests.e2e prod/eu-1"
