"""``render --profile`` tells where the time goes, and what was counted, whoever did the work."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from generator import resource
from generator.cli.commands import invoke
from generator.render import Renderer
from generator.stages import STAGES, Stages
from tests.conftest import write_tree
from tests.test_update import fleet_of, own, texts

__all__ = ["own"]  # the fixture

ROW = re.compile(r"^(\w+) +([0-9]+\.[0-9]{3}) +([0-9]+)%(?:  (.*))?$")


def profiled(project: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[tuple[str, str], int]:
    """Render with ``--profile``, and give the counts that the table holds; look at its form meanwhile."""
    assert invoke(["render", "-C", str(project), "--profile", "--quiet", *arguments]) == 0
    printed = capsys.readouterr()
    assert printed.out == ""
    head, *rows, last = printed.err.splitlines()
    assert head == "stage     seconds  share  done"
    found = [match for row in rows if (match := ROW.match(row))]
    assert [match[1] for match in found] == list(STAGES)
    assert len(rows) == len(STAGES)
    assert len({match.end(2) for match in found} | {head.index("seconds") + 7}) == 1  # aligned
    assert len({match.end(3) + 1 for match in found} | {head.index("share") + 5}) == 1
    assert abs(sum(int(match[3]) for match in found) - 100) <= len(STAGES)
    total = re.fullmatch(r"total +([0-9.]+) +in ([0-9.]+) seconds", last)
    assert total
    assert abs(float(total[1]) - sum(float(match[2]) for match in found)) < 0.001 * len(STAGES)
    counts = ((match[1], *entry.split(" ", 1)) for match in found for entry in (match[4] or "").split(", ") if entry)
    return {(stage, name): int(number) for stage, number, name in counts}


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """What is done, counted where it is done, and not by the stages."""
    counts: Counter[str] = Counter()
    render, parse = Renderer.render, resource.parse_resources

    def rendering(*arguments: Any) -> Any:
        counts["templates"] += 1
        return render(*arguments)

    def parsing(*arguments: Any) -> Any:
        found = parse(*arguments)
        counts["documents"] += len(found)
        return found

    monkeypatch.setattr(Renderer, "render", rendering)
    monkeypatch.setattr("generator.build.parse_resources", parsing)
    return counts


def test_every_count_is_what_was_done(own, capsys, counted):
    write_tree(own, {"overlays/prod/eu-1.yaml": "replicas: 3\nnamespace: own\n"})

    counts = profiled(own, capsys, "--templates", "templates", "--jobs", "1")

    files = [path for path in texts(own / "output") if not path.startswith(".inventory/")]
    ours = [path for path in files if not path.startswith(("kustomize/base/", "helm/prometheus-istio-mtls/"))]
    overlays = (own / "output/kustomize/overlays").rglob("kustomization.yaml")
    patches = sum(len(yaml.safe_load(path.read_text()).get("patches", ())) for path in overlays)
    assert patches > 0
    assert counts["read", "environments"] == counts["layer", "environments"] == 3
    assert counts["read", "layers"] == 2 + 3 + 3
    assert counts["render", "templates"] == counted["templates"] > 0
    assert counts["parse", "documents"] == counted["documents"] > 0
    assert counts["patch", "patches"] == patches
    assert counts["emit", "files"] == len(ours)
    assert counts["write", "written"] == len(files)
    assert counts["write", "unchanged"] == counts["write", "removed"] == 0


def test_a_warm_run_did_nothing_but_read(own, capsys, counted):
    first = profiled(own, capsys)
    counted.clear()
    (own / "overlays/dev.yaml").unlink()

    counts = profiled(own, capsys)

    assert not counted
    assert {stage for stage, _ in counts} == {"read", "write"}
    assert (counts["read", "environments"], counts["write", "written"]) == (2, 0)
    assert counts["write", "removed"] + counts["write", "unchanged"] == first["write", "written"]


def test_several_processes_are_summed_up(own, capsys):
    project = fleet_of(own / "fleet", 30)
    alone = profiled(project, capsys, "--jobs", "1", "--no-cache", "--output", "one")

    together = profiled(project, capsys, "--jobs", "2", "--no-cache", "--output", "two")

    for key in [("read", "environments"), ("layer", "environments"), ("emit", "files"), ("write", "written")]:
        assert together[key] == alone[key] >= 30
    assert together["render", "templates"] >= alone["render", "templates"]  # each process renders the base for itself


def test_a_check_prints_its_diff_apart_from_the_table(own, capsys):
    assert invoke(["render", "-C", str(own), "--quiet", "--profile", "--check", "--only", "manifests"]) == 1

    printed = capsys.readouterr()
    assert printed.out.startswith("--- /dev/null\n+++ output/")
    assert printed.err.splitlines()[0].startswith("stage")
    assert not (own / "output").exists()


def test_seconds_and_counts_add_up():
    one, other = Stages(), Stages()
    end = one.spent("read", one.spent("read", 0.0, layers=2), layers=3)
    other.spent("read", end, layers=4)
    other.spent("write", end, files=1)
    seconds = one.seconds["read"] + other.seconds["read"]

    one.add(other)

    assert one.seconds["read"] == seconds
    assert one.done("read") == [("layers", 9)]
    assert one.done("write") == [("files", 1)]
    assert one.done("emit") == []
