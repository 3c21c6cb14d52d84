"""Fleets of environments for measurements: three folder levels, every one different, a tenth of them in more."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

VARIANTS = ("plain", "operator", "manual", "merged")
REGIONS = ("eu", "us", "ap", "sa")

ROOT = """\
labels:
  team: observability
prometheus:
  retention:
    time: 30d
"""

REGION = """\
prometheus:
  remoteWrite:
    home:
      url: https://metrics.{region}.example.com/api/v1/push
"""

ENVIRONMENT = """\
variant: {variant}
labels:
  cluster: {name}
prometheus:
  externalLabels:
    cluster: {name}
    region: {region}
"""

MORE = """\
  replicas: 2
  storage:
    size: 50Gi
  podDisruptionBudget:
    enabled: true
scrape:
  namespaces:
  - shop-{number}
istio:
  version: 1.31.2
  revision: 1-31-2
"""


class Environment(NamedTuple):
    """What is particular to an environment; ``more`` says whether it is one of the tenth that differs in more."""

    variant: str
    cluster: str
    region: str
    number: str
    more: bool

    def overlay(self) -> str:
        """Give its values file."""
        text = ENVIRONMENT.format(variant=self.variant, name=self.cluster, region=self.region)
        return text + MORE.format(number=self.number) if self.more else text

    def name(self) -> str:
        """Give its name: its path below ``overlays/``."""
        return f"{self.region}/{self.region}-{self.number[-1]}/{self.cluster}"


def environments(count: int) -> list[Environment]:
    """Give the first ``count`` environments of the fleet, sorted by name."""
    found = [
        Environment(
            variant=VARIANTS[(number // len(REGIONS)) % len(VARIANTS)],
            cluster=f"cluster-{number:05}",
            region=REGIONS[number % len(REGIONS)],
            number=str(number),
            more=number % 10 == 0,
        )
        for number in range(count)
    ]
    return sorted(found, key=Environment.name)


def write_fleet(project: Path, count: int) -> list[str]:
    """Write ``count`` environments under ``project/overlays`` and give their names, sorted."""
    return write_environments(project, environments(count))


def write_environments(project: Path, fleet: list[Environment]) -> list[str]:
    """Write these environments, and the defaults of their regions, under ``project/overlays``; give their names."""
    overlays = project / "overlays"
    write(overlays / "_defaults.yaml", ROOT)
    for region in {environment.region for environment in fleet}:
        write(overlays / region / "_defaults.yaml", REGION.format(region=region))
    for environment in fleet:
        write(overlays / f"{environment.name()}.yaml", environment.overlay())
    return [environment.name() for environment in fleet]


def write(path: Path, text: str) -> None:
    """Write a file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
