"""The law: `kubectl kustomize` of an overlay gives the manifests, resource by resource.

Checked on the samples and on random environments (``SIDECERT_EXAMPLES`` of each variant). So is that kustomize reads a
folder of manifests as what it holds.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from difflib import unified_diff
from pathlib import Path
from typing import Any

import pytest

from generator.yaml import load_documents
from tests.acceptance.examples import VARIANTS, write_output, write_project
from tests.rendering import ROOT, sample_names
from tests.tools import run

pytestmark = pytest.mark.programs

Resources = dict[tuple[str, str, str, str], str]


def kustomize(folder: Path) -> Resources:
    """Give what kustomize makes of a folder."""
    return resources(run("kubectl", "kustomize", str(folder)), str(folder))


def manifests(folder: Path) -> Resources:
    """Give what the files of a manifests folder hold."""
    texts = (path.read_text() for path in sorted(folder.glob("*.yaml")) if path.name != "kustomization.yaml")
    return resources("---\n".join(texts), str(folder))


def resources(text: str, source: str) -> Resources:
    """Read a stream of resources by identity; YAML that they embed is read too."""
    found: Resources = {}
    for document in load_documents(text, source):
        if document is None:
            continue
        assert isinstance(document, dict)
        metadata = document["metadata"]
        identity = (document["apiVersion"], document["kind"], metadata.get("namespace", ""), metadata["name"])
        assert identity not in found
        found[identity] = json.dumps(_opened(document), sort_keys=True, indent=1)
    return found


def _opened(value: Any) -> Any:
    """Replace each YAML document in a string by what it says."""
    if isinstance(value, dict):
        return {key: _embedded(key, inner) for key, inner in value.items()}
    return [_opened(item) for item in value] if isinstance(value, list) else value


def _embedded(key: str, value: Any) -> Any:
    embeds = isinstance(value, str) and (key.endswith((".yml", ".yaml")) or key == "proxy.istio.io/config")
    return {"documents": load_documents(value, key)} if embeds else _opened(value)


def differences(output: Path, name: str) -> Iterator[str]:
    """Tell how an environment's overlay, and kustomize's reading of its manifests, differ from the manifests."""
    expected = manifests(output / "manifests" / name)
    assert expected
    for form in ("kustomize/overlays", "manifests"):
        try:
            found = kustomize(output / form / name)
        except AssertionError as error:
            yield str(error)
            continue
        yield from difference(expected, found, f"manifests/{name}", f"kustomize {form}/{name}")


def difference(expected: Resources, found: Resources, one: str, other: str) -> Iterator[str]:
    """Tell how resources that were found differ from those expected; ``one`` and ``other`` say where each come from."""
    for identity in sorted(expected.keys() | found.keys()):
        left, right = (side.get(identity, "").splitlines() for side in (expected, found))
        yield from unified_diff(left, right, one, other, n=4, lineterm="")


@pytest.fixture(scope="module")
def samples(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("samples")
    (folder / "overlays").symlink_to(ROOT / "overlays")
    return write_output(folder)


@pytest.mark.parametrize("name", sample_names())
def test_the_overlay_of_a_sample_equals_its_manifests(samples, name):
    assert list(differences(samples, name)) == []


SHARED: list[dict[str, Any]] = [
    {},
    {"namespace": "team-a", "labels": {"team": "no"}, "annotations": {"on": "12:30"}},
]


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("shared", SHARED, ids=["no defaults", "shared defaults"])
def test_the_overlay_of_any_valid_environment_equals_its_manifests(tmp_path, variant, shared):
    names = write_project(tmp_path, variant, shared)
    half = names[: len(names) // 2 + 1] if shared else names[len(names) // 2 :]
    output = write_output(tmp_path)
    with ThreadPoolExecutor(2) as pool:
        found = [lines for lines in pool.map(lambda name: list(differences(output, name)), half) if lines]
    if found:
        pytest.fail(f"{len(found)} of {len(half)} differ; the first:\n" + "\n".join(found[0]))
