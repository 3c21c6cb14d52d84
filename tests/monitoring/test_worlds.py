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
            ["a-dev.yaml b-dev.yaml", "a-prod.yaml b-prod.yaml", "b-us.yaml"],
        ),
        (
            {"a.yaml": "x", "b.yaml": "x w", "c.yaml": "w"},
            ["a.yaml", "b.yaml", "c.yaml"],
        ),
        (
            {"dev/a.yaml": "x", "more/a.yaml": "w", "prod/eu.yaml": "x v", "prod/us.yaml": "x v", "some/a.yaml": "w"},
            ["dev/a.yaml", "more/a.yaml", "prod/eu.yaml", "prod/us.yaml", "some/a.yaml"],
        ),
        (
            {"a-prod.yaml": "x", "b-dev.yaml": "w", "a-dev.yaml": "x", "b-prod.yaml": "w"},
            ["a-prod.yaml b-prod.yaml", "b-dev.yaml a-dev.yaml"],
        ),
        (
            {
                "a/dev/a.yaml": "x",
                "a/prod/a.yaml": "x",
                "b/canary/b.yaml": "w",
                "b/dev/b.yaml": "w",
                "b/prod/b.yaml": "w",
            },
            ["a/dev/a.yaml b/dev/b.yaml", "a/prod/a.yaml b/prod/b.yaml", "b/canary/b.yaml"],
        ),
        (
            {"a-dev.yaml": "x", "a-prod.yaml": "x", "b-prod.yaml": "z", "all.yaml": "w"},
            ["a-dev.yaml all.yaml", "a-prod.yaml b-prod.yaml all.yaml"],
        ),
        (
            {"a.yaml": "x", "a-canary.yaml": "x", "b.yaml": "w", "b-canary.yaml": "w", "c.yaml": "z"},
            ["a.yaml b.yaml c.yaml", "a-canary.yaml b-canary.yaml c.yaml"],
        ),
        (
            {"us/dev-1.yaml": "x", "us/dev-2.yaml": "x", "eu/dev-1.yaml": "x", "us/all.yaml": "z", "2.yaml": "w"},
            ["us/dev-1.yaml us/all.yaml", "us/dev-2.yaml us/all.yaml 2.yaml", "eu/dev-1.yaml"],
        ),
        (
            {"dev/a.yaml": "x", "prod/a.yaml": "x", "dev/no-prod.yaml": "w"},
            ["dev/a.yaml dev/no-prod.yaml", "prod/a.yaml"],
        ),
        (
            {"dev/a.yaml": "x", "prod/a.yaml": "x", "dev-prod.yaml": "w"},
            ["dev/a.yaml dev-prod.yaml", "prod/a.yaml dev-prod.yaml"],
        ),
        ({"a/b/c.yaml": "x", "b/a/c.yaml": "x", "b/a/d.yaml": "w"}, ["a/b/c.yaml b/a/d.yaml", "b/a/c.yaml b/a/d.yaml"]),
        ({"a.yaml": "x", "a.yml": "x", "b.yaml": "w", "b.yml": "w"}, ["a.yaml", "a.yml", "b.yaml", "b.yml"]),
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


def kind(name: str, kind: str, source: str, more: str = "") -> Document:
    text = f"apiVersion: v1\nkind: {kind}\nmetadata:\n  name: {name}\n{more}"
    return documents_of(text, source)[0]


def test_what_lies_between_two_environments_is_judged_alone():
    files = {"a/c/x.yaml": "x", "b/d/x.yaml": "x", "a/d/z.yaml": "z", "a/c/w.yaml": "w"}
    assert told(files) == ["a/c/x.yaml a/c/w.yaml", "b/d/x.yaml", "a/d/z.yaml"]


@pytest.mark.parametrize("copied", ["ServiceAccount", "ClusterRole", "CustomResourceDefinition"])
def test_what_files_bring_along_alike_parts_them_only_if_it_differs(copied):
    same = [kind("x", copied, "a.yaml"), kind("x", copied, "b.yaml")]
    assert len(worlds(same)) == 1
    assert len(worlds([same[0], kind("x", copied, "b.yaml", "rules: []\n")])) == 2


def test_a_namespace_parts_no_files():
    found = worlds([kind("mon", "Namespace", "a.yaml"), kind("mon", "Namespace", "b.yaml", "spec: {}\n")])
    assert [len(world.documents) for world in found] == [2]


def test_equal_copies_of_anything_else_would_be_judged_twice_in_one_world():
    assert len(worlds([kind("x", "Deployment", "a.yaml"), kind("x", "Deployment", "b.yaml")])) == 2


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


def test_overlays_of_several_applications_belong_together_by_their_names(tmp_path):
    config = "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: mon}}\n"
    for folder, name in {
        "rules/overlays/prod": "rules",
        "prometheus/overlays/dev": "prometheus",
        "prometheus/overlays/prod": "prometheus",
        "rules/overlays/dev": "rules",
        "mesh": "mesh",
    }.items():
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "one.yaml").write_text(config.format(name=name))
        (tmp_path / folder / "kustomization.yaml").write_text("resources: [one.yaml]\n")
    found = worlds(read([str(tmp_path)], str).manifests)
    told = [sorted(one.source.removeprefix(f"{tmp_path}/") for one in world.documents) for world in found]
    assert told == [
        [f"{name}/one.yaml" for name in ("mesh", f"prometheus/overlays/{environment}", f"rules/overlays/{environment}")]
        for environment in ("dev", "prod")
    ]


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
