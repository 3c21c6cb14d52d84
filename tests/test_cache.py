from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from types import CodeType

import pytest

from generator.cache import CodeCache, cache_key, default_folder, program_version, remembered

CODE = compile("x = 6 * 7", "a.j2", "exec")
KEY = cache_key("text", "name")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "sidecert"


@pytest.fixture
def cache(folder: Path) -> CodeCache:
    return CodeCache(str(folder))


def value_of(code: CodeType | None) -> int:
    assert code is not None
    names: dict[str, int] = {}
    exec(code, names)
    return names["x"]


def test_what_is_put_can_be_got_by_another_run(cache: CodeCache, folder: Path):
    assert cache.get(KEY) is None
    cache.put(KEY, CODE)
    assert value_of(cache.get(KEY)) == 42
    assert value_of(CodeCache(str(folder)).get(KEY)) == 42
    assert [path.name for path in folder.iterdir()] == [KEY]


def test_the_key_depends_on_every_part_and_on_where_one_ends():
    keys = {cache_key(*parts) for parts in (("a", "bc"), ("ab", "c"), ("abc",), ("a", "b", "c"), ("a", "bc", ""))}
    assert len(keys) == 5


def test_folder_and_files_are_the_users_own(cache: CodeCache, folder: Path):
    cache.put(KEY, CODE)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / KEY).stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[:20],
        lambda content: content[:-1],
        lambda content: content + b"x",
        lambda content: content[:40] + bytes([content[40] ^ 1]) + content[41:],
        lambda content: bytes(len(content)),
    ],
)
def test_a_damaged_file_counts_as_absent_and_is_replaced(cache: CodeCache, folder: Path, damage):
    cache.put(KEY, CODE)
    path = folder / KEY
    path.write_bytes(damage(path.read_bytes()))
    assert cache.get(KEY) is None
    cache.put(KEY, CODE)
    assert value_of(cache.get(KEY)) == 42


def test_an_entry_that_is_no_code_counts_as_absent(cache: CodeCache):
    cache.put(KEY, (1, 2))  # type: ignore[arg-type]
    assert cache.get(KEY) is None


@pytest.mark.parametrize("mode", [0o620, 0o602])
def test_a_file_that_others_may_write_is_ignored(cache: CodeCache, folder: Path, mode: int):
    cache.put(KEY, CODE)
    (folder / KEY).chmod(mode)
    assert cache.get(KEY) is None


@pytest.mark.parametrize("mode", [0o720, 0o777])
def test_a_folder_that_others_may_write_is_ignored(folder: Path, mode: int):
    CodeCache(str(folder)).put(KEY, CODE)
    folder.chmod(mode)
    cache = CodeCache(str(folder))
    assert cache.get(KEY) is None
    cache.put("other", CODE)
    assert not (folder / "other").exists()


def test_what_belongs_to_someone_else_is_ignored(cache: CodeCache, folder: Path, monkeypatch: pytest.MonkeyPatch):
    cache.put(KEY, CODE)
    monkeypatch.setattr(os, "getuid", lambda: folder.stat().st_uid + 1)
    assert cache.get(KEY) is None
    assert CodeCache(str(folder)).get(KEY) is None


def test_symbolic_links_are_not_followed(cache: CodeCache, folder: Path, tmp_path: Path):
    cache.put(KEY, CODE)
    (folder / KEY).rename(tmp_path / "elsewhere")
    (folder / KEY).symlink_to(tmp_path / "elsewhere")
    assert cache.get(KEY) is None


@pytest.mark.parametrize("place", ["/dev/null/sidecert", "/proc/nowhere/sidecert", "a\0b/sidecert"])
def test_an_unusable_folder_is_no_error(place: str):
    cache = CodeCache(place)
    cache.put(KEY, CODE)
    assert cache.get(KEY) is None


def test_a_folder_in_place_of_the_file_is_no_error(cache: CodeCache, folder: Path):
    (folder / KEY).mkdir(parents=True)
    folder.chmod(0o700)
    assert cache.get(KEY) is None
    cache.put(KEY, CODE)
    assert [path.name for path in folder.iterdir()] == [KEY]


def test_threads_that_store_the_same_entry_leave_a_whole_file(cache: CodeCache, folder: Path):
    threads = [threading.Thread(target=cache.put, args=(KEY, CODE)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert value_of(cache.get(KEY)) == 42
    assert [path.name for path in folder.iterdir()] == [KEY]


def test_the_number_of_entries_stays_bounded(cache: CodeCache, folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("generator.cache.MOST_ENTRIES", 5)
    for number in range(20):
        CodeCache(str(folder)).put(f"entry{number}", CODE)
    assert len(list(folder.iterdir())) <= 6
    assert value_of(cache.get("entry19")) == 42


def test_the_folder_is_found_as_the_xdg_specification_says(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("SIDECERT_NO_CACHE", raising=False)
    monkeypatch.setenv("HOME", "/home/me")
    for value, expected in (
        ("/var/c", "/var/c/sidecert"),
        ("", "/home/me/.cache/sidecert"),
        ("rel", "/home/me/.cache/sidecert"),
    ):
        monkeypatch.setenv("XDG_CACHE_HOME", value)
        assert default_folder() == expected


def test_without_a_home_there_is_no_cache(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("SIDECERT_NO_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", "")
    assert default_folder() is None
    cache = CodeCache()
    cache.put(KEY, CODE)
    assert cache.get(KEY) is None


def test_it_can_be_switched_off(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("SIDECERT_NO_CACHE", "1")
    CodeCache().put(KEY, CODE)
    assert list(tmp_path.iterdir()) == []


class Texts:
    """Texts by name, and how often something was made of them."""

    def __init__(self, **texts: str) -> None:
        self.texts = texts
        self.made = 0

    def read(self, name: str) -> str | None:
        return self.texts.get(name)

    def make(self, read: Callable[[str], str | None]) -> tuple[str, ...]:
        self.made += 1
        first = read("a") or ""
        return (first, read("b") or "") if first == "both" else (first,)


def test_what_is_made_of_texts_is_remembered_while_they_are_the_same(cache: CodeCache):
    texts = Texts(a="both", b="x", c="y")
    assert remembered(cache, KEY, texts.read, texts.make) == ("both", "x")
    assert remembered(cache, KEY, texts.read, texts.make) == ("both", "x")
    assert texts.made == 1


@pytest.mark.parametrize("change", [{"b": "z"}, {"a": "one"}, {"b": None}])
def test_what_is_made_of_texts_is_made_anew_when_one_that_was_asked_for_changes(cache: CodeCache, change):
    texts = Texts(a="both", b="x", c="y")
    remembered(cache, KEY, texts.read, texts.make)
    texts.texts.update(change)
    assert remembered(cache, KEY, texts.read, texts.make) == texts.make(texts.read)
    assert texts.made == 3


def test_a_text_that_appears_where_none_was_is_noticed(cache: CodeCache):
    texts = Texts(a="both")
    assert remembered(cache, KEY, texts.read, texts.make) == ("both", "")
    texts.texts["b"] = "now"
    assert remembered(cache, KEY, texts.read, texts.make) == ("both", "now")


@pytest.mark.parametrize("other", ["text", ("one",), (1, 2, 3), CODE])
def test_something_else_under_the_key_is_no_memory(cache: CodeCache, other):
    texts = Texts(a="one")
    cache.store(KEY, other)
    assert remembered(cache, KEY, texts.read, texts.make) == ("one",)
    assert cache.get(KEY) is None


def test_an_edited_module_is_another_version_of_the_program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    package = tmp_path / "generator"
    (package / "emit").mkdir(parents=True)
    for name in ("cache.py", "emit/chart.py"):
        (package / name).write_text("x = 1\n")
    monkeypatch.setattr("generator.cache.__file__", str(package / "cache.py"))
    before = program_version()
    assert program_version() == before
    (package / "emit/chart.py").write_text("x = 23\n")
    assert program_version() != before
