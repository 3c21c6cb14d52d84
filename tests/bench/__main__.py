"""Print how long sidecert takes beside kubectl kustomize and helm, as ratios measured in one run.

Each comparison runs the two in turn and compares medians, so a machine whose speed drifts slows both alike.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter

from tests.bench.fleet import write_fleet
from tests.tools import program

PROJECT = Path(__file__).parents[2]
SIDECERT = [str(Path(sys.executable).with_name("sidecert"))]
FLEET = int(os.environ.get("SIDECERT_BENCH_FLEET", "1000"))
KUSTOMIZE_CALLS = 20
CHART = "helm/prometheus-istio-mtls"
ROUNDS = 9
FLEET_ROUNDS = 4


def main() -> None:
    """Measure and print, and say which promised ratio is not reached."""
    with tempfile.TemporaryDirectory(dir=in_memory()) as folder:
        work = Path(folder)
        missed = [line for measure in (samples, one_environment, chart, fleet) for line in measure(work)]
    if missed:
        print("\nnot reached: " + "; ".join(missed))


def in_memory() -> str | None:
    """Give a folder in memory, where there is one with room.

    Both programs then read and write there. A disk adds seconds or none, by what was deleted on it a minute ago: ext4
    without a journal, say, creates files up to ten times slower after a mass deletion.
    """
    folder = Path("/dev/shm")
    return str(folder) if folder.is_dir() and shutil.disk_usage(folder).free > 1 << 30 else None


def samples(work: Path) -> list[str]:
    """Render the sample environments, from cold, into an empty folder."""
    output = work / "samples"

    def render() -> None:
        shutil.rmtree(output, ignore_errors=True)
        run([*SIDECERT, "render", "-C", str(PROJECT), "--output", str(output), "--quiet"])

    seconds = timed(render)
    print(f"sample environments, to an empty folder      {seconds * 1000:7.0f} ms")
    return ["samples under 1 s"] if seconds >= 1 else []


def one_environment(work: Path) -> list[str]:
    """Compare one environment with what ``kubectl kustomize`` and ``helm template`` make of it, in turn."""
    output = work / "samples"
    missed = []
    both = "manifests,kustomize"
    for name in ("prod/eu-1", "prod/us-1"):
        render = [*SIDECERT, "render", "-C", str(PROJECT), "--output", str(output), "--quiet", "--only", both, name]
        kustomize = [program("kubectl"), "kustomize", str(output / "kustomize/overlays" / name)]
        ours, theirs = in_turn(partial(run, render), partial(run, kustomize))
        ratio = ours / theirs
        print(
            f"{name}, cold start{'':19}{ours * 1000:16.0f} ms   "
            f"kubectl kustomize {theirs * 1000:4.0f} ms   ratio {ratio:.2f}"
        )
        if ratio > 1:
            missed.append(f"{name} not slower than kubectl kustomize (ratio {ratio:.2f})")
        render[-2] = "manifests"
        values = str(output / "helm/values" / f"{name}.yaml")
        template = [program("helm"), "template", "prometheus", str(output / CHART), "--values", values]
        ours, theirs = in_turn(partial(run, render), partial(run, template))
        ratio = ours / theirs
        print(
            f"{name}, manifests only{'':16}{ours * 1000:16.0f} ms   "
            f"helm template     {theirs * 1000:4.0f} ms   ratio {ratio:.2f}"
        )
        if ratio > 3:
            missed.append(f"{name} in at most 3 times helm template (ratio {ratio:.2f})")
    return missed


def chart(work: Path) -> list[str]:
    """Compile the chart from nothing: no cache, an empty folder."""
    output = work / "chart"
    command = [*SIDECERT, "render", "-C", str(PROJECT), "--output", str(output), "--quiet", "--only", "helm"]

    def compile_chart() -> None:
        shutil.rmtree(output, ignore_errors=True)
        run(command, SIDECERT_NO_CACHE="1")

    seconds = timed(compile_chart)
    print(f"chart and values of the samples, compiled anew{seconds * 1000:6.0f} ms")
    return ["chart compiled under 1 s"] if seconds >= 1 else []


def fleet(work: Path) -> list[str]:
    """Render a fleet to manifests and Kustomize, then to the chart too, and scale a few kustomize calls up to it."""
    project = work / "fleet"
    names = write_fleet(project, FLEET)
    output = project / "output"

    def render(forms: str) -> float:
        shutil.rmtree(output, ignore_errors=True)
        return duration(lambda: run([*SIDECERT, "render", "-C", str(project), "--quiet", "--only", forms]))

    render("helm")
    forms = ["manifests,kustomize", "manifests,kustomize,helm"]
    seconds: dict[str, list[float]] = {form: [] for form in forms}
    for _ in range(FLEET_ROUNDS):
        for form in forms:
            seconds[form].append(render(form))
        forms.reverse()  # whoever comes second may find the memory in another state
    two, three = median(seconds["manifests,kustomize"]), median(seconds["manifests,kustomize,helm"])
    step = max(1, len(names) // KUSTOMIZE_CALLS)
    chosen = names[::step][:KUSTOMIZE_CALLS]
    started = perf_counter()
    for name in chosen:
        run([program("kubectl"), "kustomize", str(output / "kustomize/overlays" / name)])
    theirs = (perf_counter() - started) / len(chosen) * len(names)
    more = three / two - 1
    print(
        f"{len(names)} environments, to an empty folder{two:16.1f} s    "
        f"{len(names)} kubectl kustomize {theirs:5.0f} s    {theirs / two:.1f} times faster\n"
        f"{len(names)} environments, chart and values too{three:14.1f} s    {more:+.0%}"
    )
    missed = [f"a tenth of the time of {len(names)} kubectl kustomize calls"] if two * 10 > theirs else []
    return [*missed, *([f"chart and values for 15 % more ({more:+.0%})"] if more > 0.15 else [])]


def timed(action: Callable[[], None]) -> float:
    """Give the median duration of an action in seconds, after one run that doesn't count."""
    action()
    return median(duration(action) for _ in range(ROUNDS))


def in_turn(first: Callable[[], None], second: Callable[[], None]) -> tuple[float, float]:
    """Give both actions' median durations in seconds, run in turn after one round that doesn't count."""
    first()
    second()
    pairs = [(duration(first), duration(second)) for _ in range(ROUNDS)]
    return median(pair[0] for pair in pairs), median(pair[1] for pair in pairs)


def duration(action: Callable[[], None]) -> float:
    """Give how long an action takes, in seconds."""
    started = perf_counter()
    action()
    return perf_counter() - started


def run(command: Sequence[str], **variables: str) -> None:
    """Run a command whose output nobody reads; a failure raises CalledProcessError.

    Byte code is kept between starts, as it is for users, whatever the shell that measures says.
    """
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"} | variables
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)


if __name__ == "__main__":
    main()
