"""The same fleet for kapitan: an inventory and Jinja files that give one resource of each environment, the workload.

The Jinja files are made from what sidecert renders, with the values of a target put back as expressions, so they stay
equal to it by themselves; that they are equal is checked all the same. They have far fewer expressions than sidecert's
templates, and there is one for each kind of environment instead of one with conditions: both in kapitan's favour.
"""

from __future__ import annotations

import re
import tempfile
from functools import cache
from pathlib import Path

from tests.bench.fleet import VARIANTS, Environment, write, write_environments
from tests.bench.programs import SIDECERT, ProgramError, seconds

#: Stand for the values of a target in what sidecert renders, to be found again.
PLACEHOLDERS = {
    "placeholder-cluster": "{{ inventory.parameters.cluster }}",
    "placeholder-region": "{{ inventory.parameters.region }}",
    "placeholder-number": "{{ inventory.parameters.number }}",
}

COMMON = """\
parameters:
  team: observability
  kapitan:
    vars:
      target: ${_reclass_:name:short}
"""

REGION = """\
parameters:
  region: {region}
"""

KIND = """\
classes:
- common
parameters:
  kapitan:
    compile:
    - output_path: .
      input_type: jinja2
      input_paths:
      - templates/{kind}/workload.yaml
"""

TARGET = """\
classes:
- {kind}
- {region}
parameters:
  cluster: {cluster}
  number: {number}
"""


def write_inventory(folder: Path, fleet: list[Environment]) -> None:
    """Write what ``kapitan compile`` reads, below ``folder``: a target for each environment."""
    for kind, text in _jinja_files().items():
        write(folder / "templates" / kind / "workload.yaml", text)
        write(folder / f"inventory/classes/{kind}.yml", KIND.format(kind=kind))
    write(folder / "inventory/classes/common.yml", COMMON)
    for region in {environment.region for environment in fleet}:
        write(folder / f"inventory/classes/{region}.yml", REGION.format(region=region))
    for environment in fleet:
        text = TARGET.format(kind=_kind(environment), **environment._asdict())
        write(folder / f"inventory/targets/{environment.cluster}.yml", text)


def _kind(environment: Environment) -> str:
    return f"{environment.variant}-more" if environment.more else environment.variant


@cache
def _jinja_files() -> dict[str, str]:
    """Let sidecert render the workload of each kind of environment, and give it as the text of a Jinja file."""
    cluster, region, number = PLACEHOLDERS
    found = {}
    for variant in VARIANTS:
        for more in (False, True):
            environment = Environment(variant, cluster, region, number, more)
            with tempfile.TemporaryDirectory() as folder:
                [name] = write_environments(Path(folder), [environment])
                seconds([SIDECERT, "render", "-C", folder, "--quiet", "--only", "manifests"])
                rendered = Path(folder, "output/manifests", name)
                [workload] = [*rendered.glob("statefulset-*.yaml"), *rendered.glob("prometheus-*.yaml")]
                found[_kind(environment)] = _as_jinja(workload.read_text(encoding="utf-8"))
    return found


def _as_jinja(text: str) -> str:
    """Put expressions where the placeholders are, after what Jinja would read as its own has been quoted."""
    if "placeholder-cluster" not in text:
        raise ProgramError("the workload that sidecert renders does not name its cluster")
    text = re.sub(r"\{[{%#]", lambda brace: f"{{{{ '{brace[0]}' }}}}", text.split("\n", 1)[1])  # without its header
    for placeholder, expression in PLACEHOLDERS.items():
        text = text.replace(placeholder, expression)
    return text
