"""The law of the Kustomize output, for any base and any environment: the overlay gives the environment's resources."""

from __future__ import annotations

import subprocess
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from generator.emit import kustomize
from generator.patch import same
from generator.resource import Resource
from generator.tree import OutputFile
from generator.yaml import block, load_documents
from tests.emit.worlds import pair
from tests.settings import EXAMPLES
from tests.tools import program

pytestmark = pytest.mark.programs

KUBECTL = program("kubectl")
Identity = tuple[str, str, str, str]


def built(files: list[OutputFile], environment: str) -> dict[Identity, Any]:
    """Let kustomize build an overlay, and give the trees by identity."""
    with TemporaryDirectory() as folder:
        for path, text in files:
            file = Path(folder, path)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        overlay = f"{folder}/kustomize/overlays/{environment}"
        done = subprocess.run([KUBECTL, "kustomize", overlay], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    trees: list[Any] = load_documents(done.stdout, "kubectl")
    found = {identity(tree): tree for tree in trees}
    assert len(found) == len(trees)
    return found


def identity(tree: Any) -> Identity:
    metadata = tree["metadata"]
    return tree["apiVersion"], tree["kind"], metadata.get("namespace", ""), metadata["name"]


def law_fails(base: list[Resource], resources: list[Resource], home: str, environment: str) -> list[str]:
    """Tell each resource that the overlay gives otherwise than it should."""
    files = kustomize.emit_base("any", base, "monitoring")
    overlay = kustomize.emit_overlay(environment, "any", kustomize.plan(base, resources), home)
    note("\n".join(f"=== {path}\n{text}" for path, text in overlay))
    found = built([*files, *overlay], environment)
    wanted = {identity(resource.tree): resource.tree for resource in resources}
    return [
        f"{key}:\n--- wanted\n{block(wanted.get(key))}\n--- found\n{block(found.get(key))}"
        for key in sorted(wanted.keys() | found.keys())
        if key not in wanted or key not in found or not same(wanted[key], found[key])
    ]


@settings(max_examples=EXAMPLES // 2, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
@given(random=st.randoms(use_true_random=False), environment=st.sampled_from(["dev", "prod/eu-1", "a/b/c"]))
def test_an_overlay_of_any_base_gives_any_resources(random: Random, environment):
    base, resources, home = pair(random)
    if base and resources:
        assert law_fails(base, resources, home, environment) == []
