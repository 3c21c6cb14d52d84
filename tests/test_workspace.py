"""A project on disk is read on demand, within bounds, and every name in it is one that works everywhere."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from generator.errors import InputError
from generator.files import Root
from generator.workspace import Workspace, open_workspace


def opened(folder: Path, **named: str) -> Workspace:
    return open_workspace(str(folder), **named)


def refusal(workspace: Workspace, name: str | None = None) -> str:
    with pytest.raises(InputError) as error:
        workspace.environment(name) if name else workspace.environment_names()
    return str(error.value)


class TestEnvironments:
    def test_are_named_by_their_path_and_sorted(self, project):
        files = {"overlays/prod/eu-1.yaml": "a: 1", "overlays/dev.yaml": "a: 1", "overlays/prod/_defaults.yaml": "a: 1"}

        assert opened(project(files)).environment_names() == ("dev", "prod/eu-1")

    def test_are_not_what_is_hidden_private_or_something_else(self, project):
        names = ["_x.yaml", "_private/a.yaml", ".git/a.yaml", ".a.yaml", "README.md", "a.json"]

        assert opened(project({f"overlays/{name}": "a: 1" for name in names})).environment_names() == ()

    def test_have_layers_from_the_root_to_their_own_file(self, project):
        names = ["_defaults", "a/_defaults", "a/b/_defaults", "a/b/c", "a/d", "z/_defaults", "z/y"]
        workspace = opened(project({f"overlays/{name}.yaml": f"from: {name}\n" for name in names}))

        assert [layer.source for layer in workspace.environment("a/b/c").layers] == [
            "overlays/_defaults.yaml",
            "overlays/a/_defaults.yaml",
            "overlays/a/b/_defaults.yaml",
            "overlays/a/b/c.yaml",
        ]
        assert [layer.source for layer in workspace.environment("z/y").layers][1:] == [
            "overlays/z/_defaults.yaml", "overlays/z/y.yaml",
        ]  # fmt: skip

    def test_share_the_layers_of_their_folders(self, project):
        workspace = opened(project({f"overlays/{name}.yaml": "a: 1" for name in ("_defaults", "dev", "prod")}))

        assert workspace.environment("dev").layers[0] is workspace.environment("prod").layers[0]
        assert workspace.root_defaults() is workspace.environment("dev").layers[0]

    def test_may_do_without_defaults(self, project):
        assert opened(project({"overlays/dev.yaml": "a: 1"})).root_defaults() is None

    def test_may_lie_elsewhere(self, project, tmp_path):
        folder = project({"envs/dev.yaml": "a: 1", "overlays": None})

        assert opened(folder, overlays="envs").environment("dev").layers[0].source == "envs/dev.yaml"
        elsewhere = str(folder / "envs")
        assert opened(tmp_path, overlays=elsewhere).environment("dev").layers[0].source == "project/envs/dev.yaml"

    def test_may_begin_with_a_byte_order_mark(self, project):
        workspace = opened(project({"overlays/dev.yaml": b"\xef\xbb\xbfa: 1\n"}))

        assert workspace.environment("dev").layers[0].tree == {"a": 1}


class TestSelection:
    @pytest.fixture
    def workspace(self, project):
        return opened(project({f"overlays/{name}.yaml": "a: 1" for name in ("dev", "prod/eu", "prod/us/1", "qa")}))

    @pytest.mark.parametrize(
        ("patterns", "names"),
        [
            ([], ("dev", "prod/eu", "prod/us/1", "qa")),
            (["qa", "dev", "qa"], ("dev", "qa")),
            (["prod/*"], ("prod/eu", "prod/us/1")),
            (["prod/us/?", "d[ef]v"], ("dev", "prod/us/1")),
        ],
    )
    def test_takes_names_and_globs(self, workspace, patterns, names):
        assert workspace.select(patterns) == names

    @pytest.mark.parametrize(
        ("pattern", "message"),
        [
            ("prod/ue", "there is no environment 'prod/ue'\n    hint: did you mean `prod/eu`?"),
            ("xyz", "there is no environment 'xyz'\n    hint: `sidecert list` shows all environments"),
            ("prod", "'prod' is a folder of environments\n    hint: 'prod/*' names them all"),
            ("x*", "no environment matches 'x*'\n    hint: `sidecert list` shows all environments"),
            ("../dev", "'../dev' can't name an environment: it has the part '..'"),
            ("/etc/dev", "'/etc/dev' can't name an environment: it is absolute, not a path below the overlays"),
            ("C:/dev", "'C:/dev' can't name an environment: it is absolute, not a path below the overlays"),
            ("prod//eu", "'prod//eu' can't name an environment: it has the part ''"),
        ],
    )
    def test_tells_what_is_unknown(self, workspace, pattern, message):
        with pytest.raises(InputError) as error:
            workspace.select([pattern])
        assert str(error.value) == message

    def test_tells_every_unknown_name_at_once(self, workspace):
        with pytest.raises(InputError) as error:
            workspace.select(["x*", "dve", "dev"])
        assert len(error.value.problems) == 2

    def test_of_nothing_is_refused(self, project):
        with pytest.raises(InputError) as error:
            opened(project({"overlays": None})).select([])
        assert str(error.value) == (
            "overlays: there is no environment in this folder\n"
            "    hint: an environment is a file like overlays/dev.yaml"
        )


class TestNames:
    @pytest.mark.parametrize(
        ("name", "reason"),
        [
            ("con", "'con' is a device on Windows"),
            ("NUL", "'NUL' is a device on Windows"),
            ("aux.eu", "'aux.eu' is a device on Windows"),
            ("prod/com1", "'com1' is a device on Windows"),
            ("lpt9/eu", "'lpt9' is a device on Windows"),
            ("a b", "only letters, digits, '.', '_' and '-' are usable everywhere"),
            ("dev ", "only letters, digits, '.', '_' and '-' are usable everywhere"),
            ("dév", "only letters, digits, '.', '_' and '-' are usable everywhere"),
            ("dev\n", "only letters, digits, '.', '_' and '-' are usable everywhere"),
            ("dev.", "Windows drops a dot at the end"),
            ("a./b", "Windows drops a dot at the end"),
        ],
    )
    def test_that_do_not_work_everywhere_are_refused(self, project, name, reason):
        workspace = opened(project({f"overlays/{name}.yaml": "a: 1"}))

        assert refusal(workspace) == f"overlays/{name}.yaml: '{name}' can't name an environment: {reason}"

    @pytest.mark.parametrize("name", ["console", "com10", "nul-1", "v1.2", "a..b", "A_b-c.d"])
    def test_that_work_everywhere_are_taken(self, project, name):
        assert opened(project({f"overlays/{name}.yaml": "a: 1"})).environment_names() == (name,)

    def test_that_differ_by_case_alone_are_refused(self, project):
        workspace = opened(project({f"overlays/{name}.yaml": "a: 1" for name in ("Dev", "dev", "Prod/a", "prod/b")}))

        assert refusal(workspace) == (
            "overlays/dev.yaml: 'dev' and 'Dev' are the same name on systems that fold case\n"
            "    hint: rename one of them\n"
            "overlays/prod/b.yaml: 'prod' and 'Prod' are the same name on systems that fold case\n"
            "    hint: rename one of them"
        )

    def test_that_end_in_yml_are_refused(self, project):
        assert refusal(opened(project({"overlays/dev.yml": "a: 1"}))) == (
            "overlays/dev.yml: environments are read from .yaml files only\n    hint: rename it to dev.yaml"
        )


class TestFolders:
    @pytest.mark.parametrize(
        ("named", "message"),
        [
            ({}, "overlays: the folder doesn't exist\n    hint: did you mean `overlay`?"),
            ({"overlays": "file"}, "file: this is not a folder"),
            ({"overlays": "/nowhere/at/all"}, "/nowhere/at/all: the folder doesn't exist"),
        ],
    )
    def test_of_overlays_must_exist(self, project, named, message):
        assert refusal(opened(project({"overlay": None, "file": ""}), **named)) == message

    def test_of_templates_must_exist_where_named(self, project):
        with pytest.raises(InputError) as error:
            opened(project({"overlays": None, "own": None}), templates="owm")
        assert str(error.value) == "owm: the folder doesn't exist\n    hint: did you mean `own`?"

    def test_of_the_project_must_exist(self, tmp_path):
        with pytest.raises(InputError, match="the folder doesn't exist"):
            opened(tmp_path / "nowhere")


class TestFiles:
    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"a: 1\nb: \xff\n", "overlays/dev.yaml:2: the file is not UTF-8 text\n    found: byte 0xff at offset 8"),
            (
                b"a" * (20 << 20),
                "overlays/dev.yaml: the file is too large\n    found: 20.0 MiB\n    expected: at most 1 MiB",
            ),
        ],
        ids=["latin-1", "20 MB"],
    )
    def test_that_cannot_be_used_are_refused(self, project, content, message):
        assert refusal(opened(project({"overlays/dev.yaml": content})), "dev") == message

    def test_that_are_pipes_are_refused(self, project):
        folder = project({"overlays": None})
        os.mkfifo(folder / "overlays/dev.yaml")

        assert refusal(opened(folder), "dev") == "overlays/dev.yaml: this is not a regular file"

    def test_of_a_folder_that_cannot_be_read_are_told(self, project, monkeypatch):
        workspace = opened(project({"overlays/prod/eu-1.yaml": "{}"}))
        scandir = os.scandir

        def refusing(path: str) -> object:
            if path.endswith("prod"):
                raise PermissionError(13, "Permission denied")
            return scandir(path)

        monkeypatch.setattr(os, "scandir", refusing)
        assert refusal(workspace) == "overlays/prod: the folder can't be read: Permission denied"

    def test_that_went_away_are_told(self, project):
        folder = project({"overlays/dev.yaml": "a: 1"})
        workspace = opened(folder)
        workspace.environment_names()
        (folder / "overlays/dev.yaml").unlink()

        message = "overlays/dev.yaml: the file can't be read: No such file or directory"
        assert refusal(workspace, "dev") == message


class TestLinks:
    def test_within_the_overlays_are_followed(self, project):
        folder = project({"overlays/a.yaml": "a: 1", "overlays/real/c.yaml": "a: 1"})
        (folder / "overlays/b.yaml").symlink_to("a.yaml")
        (folder / "overlays/linked").symlink_to("real")

        workspace = opened(folder)
        assert workspace.environment_names() == ("a", "b", "linked/c", "real/c")
        assert workspace.environment("b").layers[0].tree == {"a": 1}

    @pytest.mark.parametrize("target", ["../secret.yaml", "../secrets"])
    def test_that_lead_out_of_the_overlays_are_refused(self, project, target):
        folder = project({"secret.yaml": "a: 1", "secrets/a.yaml": "a: 1", "overlays": None})
        (folder / "overlays/dev.yaml").symlink_to(target)

        assert refusal(opened(folder)) == (
            "overlays/dev.yaml: a symbolic link leads out of overlays/, or in a circle\n"
            f"    found: {(folder / 'overlays' / target).resolve()}\n"
            "    expected: a file below overlays/"
        )

    def test_in_a_circle_are_refused(self, project):
        folder = project({"overlays/a/b.yaml": "a: 1"})
        (folder / "overlays/a/again").symlink_to("../a")

        assert "overlays/a/again: a symbolic link leads out of overlays/, or in a circle" in refusal(opened(folder))

    def test_that_lead_out_of_the_templates_are_refused(self, project):
        folder = project({"secret": "x", "templates/mine/a.yaml.j2": "x", "overlays": None})
        (folder / "templates/mine/b.yaml.j2").symlink_to("../../secret")

        with pytest.raises(InputError, match=r"templates/mine/b\.yaml\.j2: a symbolic link leads out of templates/"):
            opened(folder).template("mine/b.yaml.j2")


class TestTemplates:
    def test_of_the_project_come_before_ours(self, project):
        workspace = opened(project({"templates/values.schema.json": "{}"}))

        template = workspace.template("values.schema.json")
        assert template is not None
        assert (template.text, template.source) == ("{}", "templates/values.schema.json")

    def test_of_ours_are_there_without_any(self, project):
        assert opened(project({"overlays": None})).template("values.schema.json") is not None

    @pytest.mark.parametrize("name", ["../overlays/dev.yaml", "/etc/passwd", "a/../../b", "none.j2", "_lib\\x", ""])
    def test_are_looked_for_below_the_roots_only(self, project, name):
        assert opened(project({"overlays/dev.yaml": "a: 1", "templates": None})).template(name) is None

    def test_of_a_new_folder_make_a_variant(self, project):
        names = [
            "mine/a.yaml.j2",
            "mine/b.yaml.j2",
            "mine/_part.j2",
            "mine/_rules.j2",
            "mine/values.schema.json",
            "x/README",
        ]
        variants = opened(project({f"templates/{name}": "{}" for name in names})).variants()

        assert "x" not in variants
        assert variants["mine"].templates == ("mine/a.yaml.j2", "mine/b.yaml.j2")
        assert variants["mine"].rules[-1] == "mine/_rules.j2"
        assert variants["mine"].schema_addition == "mine/values.schema.json"

    def test_add_to_a_variant_of_ours(self, project):
        variants = opened(project({"templates/plain/extra.yaml.j2": "x"})).variants()

        assert "plain/extra.yaml.j2" in variants["plain"].templates
        assert len(variants["plain"].templates) > 1


def test_templates_without_a_schema_are_refused(tmp_path):
    workspace = Workspace(Root(str(tmp_path), "overlays"), (Root(str(tmp_path), "templates"),))
    with pytest.raises(InputError) as error:
        workspace.schema()
    assert str(error.value) == "templates/values.schema.json: the schema is missing"
