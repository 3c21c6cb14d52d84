"""A fleet of environments for measurements: three folder levels, every one different, a tenth of them in more."""

from __future__ import annotations

from pathlib import Path

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


def write_fleet(project: Path, count: int) -> list[str]:
    """Write ``count`` environments under ``project/overlays`` and give their names, sorted."""
    overlays = project / "overlays"
    write(overlays / "_defaults.yaml", ROOT)
    names = []
    for number in range(count):
        region = REGIONS[number % len(REGIONS)]
        zone = f"{region}-{number % 10}"
        name = f"cluster-{number:05}"
        variant = VARIANTS[(number // len(REGIONS)) % len(VARIANTS)]
        text = ENVIRONMENT.format(variant=variant, name=name, region=region)
        if number % 10 == 0:
            text += MORE.format(number=number)
        write(overlays / region / "_defaults.yaml", REGION.format(region=region))
        write(overlays / region / zone / f"{name}.yaml", text)
        names.append(f"{region}/{zone}/{name}")
    return sorted(names)


def write(path: Path, text: str) -> None:
    """Write a file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
