"""Environments are told apart, and what they have in common belongs to each."""

from __future__ import annotations

from pathlib import Path

import pytest

from generator.intake import read
from generator.intake.document import Document, documents_of
from generator.monitoring.worlds import worlds

ROOT = Path(__file__).parent.parent.parent


def config_map(name: str, source: str, namespace: str = "mon") -> Document:
    text = f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n  namespace: {namespace}\n"
    return documents_of(text, source)[0]


def told(files: dict[str, str]) -> list[str]:
    """The worlds of files, each of which has objects of some names: the files of each world."""
    documents = [config_map(name, source) for source, names in files.items() for name in names.split()]
    return [" ".join(dict.fromkeys(one.source for one in world.documents)) for world in worlds(documents)]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"a.yaml": "x w"}, ["a.yaml"]),
        ({"a.yaml": "x", "b.yaml": "w"}, ["a.yaml b.yaml"]),
        ({"a.yaml": "x x", "b.yaml": "w"}, ["a.yaml b.yaml"]),
        ({"a.yaml": "x", "b.yaml": "x"}, ["a.yaml", "b.yaml"]),
        ({"/t/a.yaml": "x", "/t/b.yaml": "x"}, ["/t/a.yaml", "/t/b.yaml"]),
        ({"d/a.yaml": "x", "d/b.yaml": "w", "e/a.yaml": "x"}, ["d/a.yaml d/b.yaml", "e/a.yaml"]),
        ({"all.yaml": "z", "d/a.yaml": "x", "e/a.yaml": "x"}, ["all.yaml d/a.yaml", "all.yaml e/a.yaml"]),
        (
            {"a-dev.yaml": "x", "a-prod.yaml": "x", "all.yaml": "z", "b-dev.yaml": "w", "b-prod.yaml": "w"},
            ["a-dev.yaml all.yaml b-dev.yaml", "a-prod.yaml all.yaml b-prod.yaml"],
        ),
        (
            {"a-dev.yaml": "x", "a-prod.yaml": "x", "b-dev.yaml": "w", "b-prod.yaml": "w", "b-us.yaml": "w"},
            ["a-dev.yaml", "a-prod.yaml", "b-dev.yaml", "b-prod.yaml", "b-us.yaml"],
        ),
        (
            {"a.yaml": "x", "b.yaml": "x w", "c.yaml": "w"},
            ["a.yaml", "b.yaml", "c.yaml"],
        ),
        (
            {"dev/a.yaml": "x", "more/a.yaml": "w", "prod/eu.yaml": "x v", "prod/us.yaml": "x v", "some/a.yaml": "w"},
            ["dev/a.yaml more/a.yaml", "prod/eu.yaml some/a.yaml", "prod/us.yaml some/a.yaml"],
        ),
        (
            {"dev/a.yaml": "x", "prod/eu/a.yaml": "x", "prod/us/a.yaml": "x", "prod/all.yaml": "w"},
            ["dev/a.yaml", "prod/eu/a.yaml prod/all.yaml", "prod/us/a.yaml prod/all.yaml"],
        ),
    ],
)
def test_files_with_the_same_object_are_of_different_worlds(files, expected):
    assert told(files) == expected


def test_the_same_name_in_another_namespace_is_another_object():
    documents = [config_map("x", "a.yaml", "one"), config_map("x", "b.yaml", "two")]
    assert len(worlds(documents)) == 1


def test_there_is_a_world_even_of_nothing():
    assert worlds([]) == [((), ())]


def test_values_belong_to_every_world():
    (values,) = documents_of("server: {}\n", "values.yaml")
    documents = [config_map("x", "a.yaml"), config_map("x", "b.yaml")]
    assert [world.values for world in worlds(documents, [values])] == [(values,), (values,)]


def test_every_document_is_in_a_world_and_in_order():
    sources = [f"{folder}/{name}.yaml" for folder in ("b", "a", "c/d", "c/e") for name in "wx"]
    documents = [config_map(source[-6], source) for source in sources] + [config_map("z", "top.yaml")]
    found = worlds(documents)
    assert {id(one) for world in found for one in world.documents} == {id(one) for one in documents}
    for world in found:
        ranks = [documents.index(one) for one in world.documents]
        assert ranks == sorted(ranks)


def test_overlays_of_one_base_are_worlds_of_their_own(tmp_path):
    (tmp_path / "base").mkdir()
    (tmp_path / "base/x.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n")
    (tmp_path / "base/kustomization.yaml").write_text("resources: [x.yaml]\n")
    for name in ("dev", "prod"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "kustomization.yaml").write_text(f"resources: [../base]\ncommonLabels: {{env: {name}}}\n")
    found = worlds(read([str(tmp_path)], str).manifests)
    assert [[one.get("metadata", "labels", "env") for one in world.documents] for world in found] == [["dev"], ["prod"]]


@pytest.mark.parametrize("folder", ["output/manifests", "output/kustomize/overlays"])
def test_no_world_of_our_environments_has_an_object_twice(folder):
    intake = read([str(ROOT / folder)], str)
    found = worlds(intake.manifests, intake.values)
    assert len(found) > 1
    for world in found:
        names = [(one.group, one.kind, one.namespace, one.name) for one in world.documents]
        assert len(set(names)) == len(names)
    assert {id(one) for world in found for one in world.documents} == {id(one) for one in intake.manifests}


def kustomization(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True)
    listed = "".join(f"- {name}.yaml\n" for name in files)
    (folder / "kustomization.yaml").write_text(f"resources:\n{listed}- ../base.yaml\n")
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)


def test_an_object_that_an_overlay_lists_before_what_it_shares_stays_with_it(tmp_path):
    shared = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x, namespace: mon}\n"
    (tmp_path / "base.yaml").write_text(shared)
    kustomization(tmp_path / "a", first=shared.replace("x", "only-a"))
    kustomization(tmp_path / "b", first=shared.replace("x", "only-b"))
    found = worlds(read([str(tmp_path / "a"), str(tmp_path / "b")], str).manifests)
    assert [sorted(document.name for document in world.documents) for world in found] == [
        ["only-a", "x"],
        ["only-b", "x"],
    ]
