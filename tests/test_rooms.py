"""The table of rooms in docs/architecture.md is what the imports are."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "generator"
MODULES = sorted(PACKAGE.rglob("*.py"))
HOMES = {
    "click": {"cli"},
    "ruamel": {"yaml"},
    "_ruamel_yaml": {"yaml"},
    "deepmerge": {"values"},
    "jsonschema_rs": {"schema"},
    "jinja2": {"render", "staging"},
}


def room_of(module: Path) -> str:
    return module.relative_to(PACKAGE).parts[0].removesuffix(".py")


def table() -> dict[str, set[str]]:
    """The rooms that each room may import."""
    rows = re.findall(r"^\| `(\w+)/?` \|[^|]*\| (.*) \|$", (ROOT / "docs/architecture.md").read_text(), re.MULTILINE)
    allowed = {room: set(re.findall(r"`(\w+)`", cell)) for room, cell in rows}
    everything = set(allowed)
    words = {"everything": everything, "all of the above": everything - {"cli", "build"}}
    return {room: words.get(cell.strip(), allowed[room]) for room, cell in rows}


def imports(module: Path) -> Iterator[str]:
    """Every module that a module imports, wherever in it."""
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: a relative import"
            below = node.module == "generator" or str(node.module).startswith("generator.")
            yield from (f"{node.module}.{alias.name}" for alias in node.names) if below else [str(node.module)]


def rooms_imported(module: Path) -> set[str]:
    found = {name.split(".")[1] for name in imports(module) if name.startswith("generator.")}
    return found - {room_of(module), "__version__"}


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_imports_what_its_room_may(module):
    if module.parent == PACKAGE and module.name in {"__init__.py", "__main__.py"}:
        return
    assert rooms_imported(module) <= table()[room_of(module)]


def test_every_room_is_in_the_table():
    assert {room_of(module) for module in MODULES} - {"__init__", "__main__"} == set(table())


@pytest.mark.parametrize(("library", "homes"), HOMES.items())
def test_a_library_has_its_home(library, homes):
    users = {room_of(module) for module in MODULES for name in imports(module) if name.split(".")[0] == library}
    assert users <= homes
