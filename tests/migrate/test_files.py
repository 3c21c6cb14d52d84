"""Which files migrate takes, and how it writes them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from generator.errors import InputError, OutputError
from generator.migrate import Source, open_sources, text_source
from generator.migrate.writing import replace_files

OBJECT = "kind: ConfigMap\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def files(folder: Path, **texts: str) -> None:
    for name, text in texts.items():
        path = folder / name.replace("__", "/")
        path = path.with_suffix(path.suffix or ".yaml")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())


def there() -> list[str]:
    return sorted(path.name for path in Path().iterdir())


def names(*arguments: str) -> list[str]:
    return [source.name for source in open_sources(arguments).texts]


# --------------------------------------------------------------------------------------------------------- reading


def test_a_folder_gives_its_yaml_and_json_sorted_nothing_hidden(folder):
    files(folder, d__b=OBJECT, d__a__x=OBJECT, d___private__y=OBJECT)
    (folder / "d/c.json").write_text("{}")
    for other in (".hidden.yaml", "notes.txt"):
        (folder / "d" / other).write_text(OBJECT)
    assert names("d") == ["d/_private/y.yaml", "d/a/x.yaml", "d/b.yaml", "d/c.json"]
    assert names("d/") == names("d")
    os.chdir("d")
    assert names(".") == ["_private/y.yaml", "a/x.yaml", "b.yaml", "c.json"]


def test_a_file_is_taken_once_under_its_first_name(folder):
    files(folder, d__a=OBJECT)
    (folder / "link.yaml").symlink_to("d/a.yaml")
    assert names("d/a.yaml", "d", "link.yaml") == ["d/a.yaml"]
    (source,) = open_sources(["link.yaml"]).texts
    assert source.path == os.path.realpath("d/a.yaml")


def test_a_link_that_leads_out_of_a_folder_is_refused(folder):
    files(folder, other=OBJECT, d__a=OBJECT)
    (folder / "d/out.yaml").symlink_to("../other.yaml")
    with pytest.raises(InputError, match=r"d/out\.yaml: a symbolic link leads out of d/"):
        open_sources(["d"])


def test_a_byte_order_mark_and_line_ends_are_kept_apart_from_the_text(folder):
    (folder / "a.yaml").write_bytes(b"\xef\xbb\xbfkind: A\r\n")
    (source,) = open_sources(["a.yaml"]).texts
    assert (source.mark, source.text) == (b"\xef\xbb\xbf", "kind: A\r\n")
    piped = text_source("\ufeffkind: A\r\n")
    assert (piped.mark, piped.text) == (b"\xef\xbb\xbf", "kind: A\r\n")


def test_what_is_wrong_with_several_files_is_told_together(folder):
    files(folder, deployment=OBJECT)
    (folder / "latin.yaml").write_bytes(b"name: caf\xe9\n")
    with pytest.raises(InputError) as raised:
        open_sources(["deploymant.yaml", "latin.yaml"])
    assert [(one.message, one.hint) for one in raised.value.problems] == [
        ("there is no such file or folder", "did you mean `deployment.yaml`?"),
        ("the file is not UTF-8 text", ""),
    ]


def test_the_files_of_a_kustomization_are_all_taken_and_those_beside_it_are_not(folder):
    kustomization = "resources: [base.yaml]\npatches:\n- path: patch.yaml\npatchesStrategicMerge: [old.yaml]\n"
    named = OBJECT + "apiVersion: v1\nmetadata: {name: x}\n"
    files(folder, k__kustomization=kustomization, k__base=named, k__patch=named, k__old=named, k__unused=named)
    sources = open_sources(["k"])
    assert [one.name for one in sources.texts] == ["k/base.yaml", "k/kustomization.yaml", "k/old.yaml", "k/patch.yaml"]
    assert [one.shown for one in sources.built] == ["k"]
    assert set(sources.built[0].files.values()) == {one.name for one in sources.texts}
    (note,) = sources.notes
    assert str(note) == "k/unused.yaml: the kustomization beside it doesn't use this file"
    alone = open_sources(["k/kustomization.yaml"])
    assert alone.texts == ()
    assert str(alone.notes[0]) == (
        "k/kustomization.yaml: a kustomization is built with all that lies in its folder\n    hint: name its folder: k"
    )


def test_of_a_kustomization_that_cannot_be_built_here_the_patches_are_left_out(folder):
    kustomization = "resources: [base.yaml]\nhelmCharts: [{name: x}]\npatches:\n- path: patch.yaml\n"
    files(folder, k__kustomization=kustomization, k__base=OBJECT, k__patch=OBJECT, k__other=OBJECT)
    sources = open_sources(["k"])
    assert [one.name for one in sources.texts] == ["k/base.yaml", "k/other.yaml"]
    assert sources.built == ()
    assert "its patches can't be judged alone" in sources.notes[0].message


def test_a_charts_templates_are_left_out_and_its_values_are_not(folder):
    files(folder, c__Chart="name: c\n", c__values="server: {}\n", c__templates__x="{{ .Values }}\n")
    sources = open_sources(["c"])
    assert [one.name for one in sources.texts] == ["c/values.yaml"]
    assert [str(note.location) for note in sources.notes] == ["c/Chart.yaml"]


# --------------------------------------------------------------------------------------------------------- writing


@pytest.fixture
def sources(folder) -> tuple[Source, ...]:
    files(folder, a="x: 1\n", b="x: 2\n", c="x: 3\n")
    return open_sources(["a.yaml", "b.yaml", "c.yaml"]).texts


def test_files_that_changed_are_replaced_and_keep_their_mode(folder, sources):
    (folder / "b.yaml").chmod(0o640)
    untouched = (folder / "a.yaml").stat()
    changed = replace_files(sources, {"a.yaml": "x: 1\n", "b.yaml": "x: é\r\n", "c.yaml": "x: 4\n"})
    assert [one.name for one in changed] == ["b.yaml", "c.yaml"]
    assert (folder / "b.yaml").read_bytes() == "x: é\r\n".encode()
    assert stat.S_IMODE((folder / "b.yaml").stat().st_mode) == 0o640
    assert (folder / "a.yaml").stat() == untouched
    assert there() == ["a.yaml", "b.yaml", "c.yaml"]


def test_a_link_stays_a_link_and_its_file_is_replaced(folder, sources):
    (folder / "link.yaml").symlink_to("a.yaml")
    linked = open_sources(["link.yaml"]).texts
    replace_files(linked, {"link.yaml": "x: 5\n"})
    assert (folder / "link.yaml").is_symlink()
    assert (folder / "a.yaml").read_text() == "x: 5\n"


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_when_one_file_cannot_be_placed_all_are_what_they_were(folder, sources, monkeypatch, error):
    replace, calls = os.replace, list[str]()

    def failing(source: str, target: str) -> None:
        calls.append(target)
        if len(calls) == 2:
            raise error
        replace(source, target)

    monkeypatch.setattr(os, "replace", failing)
    expected = OutputError if isinstance(error, OSError) else KeyboardInterrupt
    with pytest.raises(expected):
        replace_files(sources, dict.fromkeys(("a.yaml", "b.yaml", "c.yaml"), "x: 9\n"))
    assert [(folder / name).read_text() for name in there()] == ["x: 1\n", "x: 2\n", "x: 3\n"]


def test_a_file_that_changed_meanwhile_is_not_replaced_and_no_other_is(folder, sources):
    (folder / "c.yaml").write_text("mine: true\n")
    with pytest.raises(OutputError, match=r"c\.yaml: the file has changed since it was read"):
        replace_files(sources, dict.fromkeys(("a.yaml", "b.yaml", "c.yaml"), "x: 9\n"))
    assert (folder / "a.yaml").read_text() == "x: 1\n"
    assert there() == ["a.yaml", "b.yaml", "c.yaml"]
