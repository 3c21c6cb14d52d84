"""Environments are selected by name, by label, and by what changed since a commit: never one too few."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from generator import build
from generator.cli import run
from generator.errors import InputError
from generator.files import Root
from generator.render.references import references
from generator.selection import Selection, select
from generator.selection.labels import parse_selector
from generator.workspace import open_workspace
from tests import tools
from tests.conftest import TINY, write_tree
from tests.repository import Repository, isolated

LABELS = {
    "eu": {"region": "eu", "tier": "edge"},
    "us": {"region": "us", "legacy": ""},
    "none": {},
    "dotted": {"example.com/region": "eu", "in": "x"},
}
#: Selectors, and whose labels meet them.
SELECTED: list[tuple[str, set[str]]] = [
    ("region=eu", {"eu"}),
    ("region==eu", {"eu"}),
    (" region = eu ", {"eu"}),
    ("region!=eu", {"us", "none", "dotted"}),
    ("region in (eu, us)", {"eu", "us"}),
    ("region in(eu,us)", {"eu", "us"}),
    ("region notin (eu, asia)", {"us", "none", "dotted"}),
    ("region", {"eu", "us"}),
    ("!region", {"none", "dotted"}),
    ("! region", {"none", "dotted"}),
    ("region,tier", {"eu"}),
    ("region,tier!=edge", {"us"}),
    ("region=eu,region=us", set()),
    ("legacy=", {"us"}),
    ("legacy in ()", {"us"}),
    ("legacy in (x,)", {"us"}),
    ("region!=", set(LABELS)),
    ("example.com/region=eu", {"dotted"}),
    ("in=x", {"dotted"}),
    ("legacy notin (,)", {"eu", "none", "dotted"}),
    ("tier in (in, edge)", {"eu"}),
]


def _config_map(name: str, metadata: Mapping[str, object] = MappingProxyType({})) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **metadata}}


class TestSelectorLanguage:
    @pytest.mark.parametrize(("selector", "names"), [*SELECTED, ("", set(LABELS)), (" ", set(LABELS))])
    def test_selects_by_labels(self, selector, names):
        wanted = parse_selector(selector)

        assert {name for name, labels in LABELS.items() if all(one.holds(labels) for one in wanted)} == names

    @pytest.mark.programs
    def test_is_that_of_kubectl(self, tmp_path):
        """Patches of a kustomization may have a selector: each one here leaves its number where it holds."""
        resources = [_config_map(name, {"labels": labels}) for name, labels in LABELS.items()]
        patches = [
            {
                "target": {"labelSelector": selector},
                "patch": json.dumps({**_config_map("x"), "data": {f"{number}": ""}}),
            }
            for number, (selector, _) in enumerate(SELECTED)
        ]
        (tmp_path / "resources.yaml").write_text("\n---\n".join(map(json.dumps, resources)))
        (tmp_path / "kustomization.yaml").write_text(json.dumps({"resources": ["resources.yaml"], "patches": patches}))

        patched = list(yaml.safe_load_all(tools.run("kubectl", "kustomize", str(tmp_path))))

        assert [
            {one["metadata"]["name"] for one in patched if str(number) in one.get("data", {})}
            for number in range(len(SELECTED))
        ] == [names for _, names in SELECTED]

    @pytest.mark.parametrize(
        ("selector", "found", "expected"),
        [
            ("region=eu us", "`us` after `region = eu`", "`,` or the end"),
            ("region us", "`us` after `region`", "`=`, `==`, `!=`, `in (…)`, `notin (…)`, `,` or the end"),
            ("region in eu", "`eu` after `region in`", "`(` and the values: `region in (eu, us)`"),
            ("region in (eu", "the end after `region in ( eu`", "`,` or `)`"),
            ("region in (eu us)", "`us` after `region in ( eu`", "`,` or `)`"),
            ("region=eu=us", "`=` after `region = eu`", "`,` or the end"),
            ("a,", "the end after `a ,`", "a label's key, such as `region` or `example.com/region`"),
            (",a", "`,` at the beginning", "a label's key, such as `region` or `example.com/region`"),
            ("=a", "`=` at the beginning", "a label's key, such as `region` or `example.com/region`"),
            ("!!a", "`!` after `!`", "a label's key, such as `region` or `example.com/region`"),
            ("!a=b", "`=` after `! a`", "`,` or the end"),
            ("a/b/c", "`a/b/c` at the beginning", "a label's key, such as `region` or `example.com/region`"),
            ("größe=1", "`größe` at the beginning", "a label's key, such as `region` or `example.com/region`"),
            ("a>1", "`a>1` at the beginning", "a label's key, such as `region` or `example.com/region`"),
        ],
    )  # fmt: skip
    def test_is_refused_where_it_is_another(self, selector, found, expected):
        with pytest.raises(InputError) as error:
            parse_selector(selector)
        assert str(error.value) == (
            f"the selector '{selector}' can't be read\n    found: {found}\n    expected: {expected}"
        )

    @pytest.mark.parametrize("value", ["-a", "a-", "a/b", "x" * 64, "'eu'", "eu*"])
    def test_has_the_values_that_labels_may_have(self, value):
        with pytest.raises(InputError, match="expected: a label's value: at most 63 letters"):
            parse_selector(f"region={value}")


class TestSelectors:
    @pytest.fixture
    def chosen(self, project):
        """Select from environments given as files."""

        def choose(files: Mapping[str, str], *selectors: str, patterns: tuple[str, ...] = ()) -> tuple[str, ...]:
            own = {name: text for name, text in TINY.items() if not name.startswith("overlays/")}
            folder = project({**own, **{f"overlays/{name}.yaml": text for name, text in files.items()}})
            return select(open_workspace(str(folder)), Selection(patterns, selectors))

        return choose

    FLEET: Mapping[str, str] = {
        "_defaults": "labels: {region: eu, tier: core}",
        "a": "{}",
        "b": "labels: {region: us}",
        "c/_defaults": "labels: {tier: null}",
        "c/d": "{}",
        "c/e": "labels: null",
    }

    def test_ask_the_merged_values(self, chosen):
        assert chosen(self.FLEET, "region=eu") == ("a", "c/d")
        assert chosen(self.FLEET, "tier") == ("a", "b")
        assert chosen(self.FLEET, "!region") == ("c/e",)

    def test_must_all_hold(self, chosen):
        assert chosen(self.FLEET, "region=eu", "tier") == ("a",)
        assert chosen(self.FLEET, "region", patterns=("c/*", "b")) == ("b", "c/d")

    def test_may_hold_nowhere(self, chosen):
        assert chosen(self.FLEET, "region=asia") == ()

    def test_see_the_defaults_of_the_schema(self, project):
        schema = TINY["templates/values.schema.json"].replace('"default": {}', '"default": {"region": "eu"}')
        folder = project({**TINY, "templates/values.schema.json": schema})

        assert select(open_workspace(str(folder)), Selection((), ("region=eu",))) == ("dev", "prod/eu-1")

    def test_take_values_that_the_schema_would_refuse(self, chosen):
        files = {
            "a": "labels: {zone: 1}\nunknown: 1",
            "b": "labels: {zone: true}",
            "c": "labels: [zone]",
            "d": "labels: x",
        }

        assert chosen(files, "zone=1") == ("a",)
        assert chosen(files, "zone=true") == ("b",)
        assert chosen(files, "!zone") == ("c", "d")

    def test_need_layers_that_can_be_read_and_tell_all_that_cannot(self, chosen):
        files = {"a": "labels: {", "b": "- 1", "c": "{}"}

        with pytest.raises(InputError) as error:
            chosen(files, "region")
        assert {problem.location.file for problem in error.value.problems if problem.location} == {
            "overlays/a.yaml", "overlays/b.yaml",
        }  # fmt: skip
        assert chosen(files, "!region", patterns=("c",)) == ("c",)

    def test_leave_the_errors_of_patterns_as_they_are(self, chosen):
        with pytest.raises(InputError, match="there is no environment 'x'"):
            chosen(self.FLEET, "region", patterns=("x",))


class TestReferences:
    @pytest.mark.parametrize(
        ("text", "names"),
        [
            ('{% include "a" %}{% import "b" as b with context %}{% from "c" import d %}', {"a", "b", "c"}),
            ('{% if x %}{% for y in z %}{% include "a" %}{% endfor %}{% endif %}', {"a"}),
            ('{% macro m() %}{% include ["a", "b"] ignore missing %}{% endmacro %}', {"a", "b"}),
            ('{% include "a" if values.x else "b" %}{% extends "c" %}', {"a", "b", "c"}),
            ('{# {% include "a" %} #}{% raw %}{% include "b" %}{% endraw %} {{ "c" }}', set()),
        ],
    )
    def test_are_the_names_that_stand_in_a_template(self, text, names):
        found = references("x", text)
        assert found is not None
        assert found.names == names
        assert not found.variables

    @pytest.mark.parametrize("text", ['{% include format("%s", "a") %}', "{% include values.x %}", "{% if %}", "{{"])
    def test_may_be_any_where_a_name_is_computed_or_the_template_is_broken(self, text):
        assert references("x", text) is None

    @pytest.mark.parametrize(
        ("text", "held"),
        [
            ('{% set f = "a" %}', {"a"}),
            ('{% with f = "a" %}{% endwith %}{% if x %}{% set f = "b" %}{% endif %}', {"a", "b"}),
            ('{% for f in ["a", "b"] %}{% endfor %}', {"a", "b"}),
            ("{% for f in values.x %}{% endfor %}", None),
            ('{% set f = values.x %}{% set f = "a" %}', None),
            ("{% set f %}a{% endset %}", None),
            ("{% macro m(f) %}{% endmacro %}", None),
            ('{% set f, g = "a", "b" %}', None),
        ],
    )  # fmt: skip
    def test_by_a_variable_tell_what_it_may_hold(self, text, held):
        found = references("x", text + "{% include f %}")

        assert found is not None
        assert found.variables == {"f"}
        assert found.constants["f"] == held


@pytest.fixture(autouse=True)
def _own_configuration(monkeypatch) -> None:
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    for name, value in isolated().items():
        monkeypatch.setenv(name, value)


SCHEMA = TINY["templates/values.schema.json"].replace('"tiny"', '"one"')
CONFIG = """
    apiVersion: v1
    kind: ConfigMap
    metadata:
      name: {{ values.name }}
    """
#: Three variants: `one` reaches `_lib/leaf`, `two` by a variable `_lib/deep` and so `_lib/leaf`, `three` nothing.
BASE: Mapping[str, str] = {
    "templates/values.schema.json": SCHEMA.replace('["one"]', '["one", "two", "three"]'),
    "templates/_lib/rules.j2": '{% include "_lib/rule.j2" %}',
    "templates/_lib/rule.j2": "",
    "templates/_lib/leaf.j2": "# leaf",
    "templates/_lib/deep.j2": '{% include "_lib/leaf.j2" %}',
    "templates/_lib/unused.j2": "# unused",
    "templates/_chart/NOTES.txt": "{{ }}",
    "templates/one/config.yaml.j2": CONFIG + '{% import "_lib/leaf.j2" as leaf %}',
    "templates/two/config.yaml.j2": CONFIG
    + '{% with part = "_lib/deep.j2" %}{% include "two/_part.j2" %}{% endwith %}',
    "templates/two/_part.j2": "{% include part %}",
    "templates/two/_rules.j2": "",
    "templates/three/config.yaml.j2": CONFIG,
    "templates/three/more.yaml.j2": "# more",
    "templates/three/README.md": "About it.",
    "overlays/_defaults.yaml": "variant: one",
    "overlays/dev.yaml": "{}",
    "overlays/two.yaml": "variant: two",
    "overlays/three.yaml": "variant: three",
    "overlays/prod/_defaults.yaml": "variant: three",
    "overlays/prod/eu/a.yaml": "{}",
    "overlays/prod/us/b.yaml": "variant: one",
}
ALL = ("dev", "prod/eu/a", "prod/us/b", "three", "two")
Changed = Callable[..., tuple[str, ...]]


@pytest.fixture(scope="module")
def committed(tmp_path_factory) -> Repository:
    """A project in a folder of a repository."""
    repository = Repository(tmp_path_factory.mktemp("base") / "repository")
    repository.commit({f"team/{name}": text for name, text in BASE.items()})
    return repository


class TestChangedSince:
    @pytest.fixture
    def repository(self, committed: Repository, tmp_path) -> Repository:
        return committed.copy(tmp_path / "repository")

    @pytest.fixture
    def changed(self, repository) -> Changed:
        """Write files of the project, None removes one, and select what changed since the last commit to main."""

        def ask(files: Mapping[str, str | None], *patterns: str, ref: str = "main", **where: str) -> tuple[str, ...]:
            folder = repository.folder / "team"
            for name in [name for name, text in files.items() if text is None]:
                (folder / name).unlink()
            write_tree(folder, {name: text for name, text in files.items() if text is not None})
            return select(open_workspace(str(folder), **where), Selection(patterns, (), ref))

        return ask

    def test_is_nothing_where_nothing_did(self, changed):
        assert changed({}) == ()

    @pytest.mark.parametrize(
        ("files", "names"),
        [
            ({"overlays/dev.yaml": "replicas: 2"}, ("dev",)),
            ({"overlays/prod/eu/a.yaml": "replicas: 2", "overlays/two.yaml": "{}"}, ("prod/eu/a", "two")),
            ({"overlays/_defaults.yaml": "replicas: 2"}, ALL),
            ({"overlays/prod/_defaults.yaml": "replicas: 2"}, ("prod/eu/a", "prod/us/b")),
            ({"overlays/prod/eu/_defaults.yaml": "replicas: 2"}, ("prod/eu/a",)),
            ({"overlays/prod/_defaults.yaml": None}, ("prod/eu/a", "prod/us/b")),
            ({"overlays/prod/new.yaml": "{}"}, ("prod/new",)),
            ({"overlays/dev.yaml": None}, ()),
            ({"overlays/dev.yaml": None, "overlays/moved.yaml": "{}"}, ("moved",)),
            ({"overlays/README.md": "x", "overlays/_notes.yaml": "x"}, ()),
        ],
    )
    def test_is_an_environment_by_its_layers(self, changed, files, names):
        assert changed(files) == names

    ONE = ("dev", "prod/us/b")
    THREE = ("prod/eu/a", "three")

    @pytest.mark.parametrize(
        ("files", "names"),
        [
            ({"templates/one/config.yaml.j2": CONFIG}, ONE),
            ({"templates/one/more.yaml.j2": CONFIG}, ONE),
            ({"templates/two/config.yaml.j2": None, "templates/two/other.yaml.j2": CONFIG}, ("two",)),
            ({"templates/three/more.yaml.j2": None}, THREE),
            ({"templates/two/_part.j2": ""}, ("two",)),
            ({"templates/_lib/deep.j2": ""}, ("two",)),
            ({"templates/_lib/leaf.j2": ""}, ("dev", "prod/us/b", "two")),
            ({"templates/_lib/leaf.j2": None}, ("dev", "prod/us/b", "two")),
            ({"templates/_lib/unused.j2": "x", "templates/_chart/NOTES.txt": "x"}, ()),
            ({"templates/three/README.md": "x", "templates/three/_unused.yaml.j2": "x"}, ()),
            ({"templates/two/_rules.j2": "x"}, ("two",)),
            ({"templates/three/_rules.j2": "{# new #}"}, THREE),
            ({"templates/two/_rules.j2": None}, ("two",)),
            ({"templates/_lib/rules.j2": None}, ALL),
            ({"templates/_lib/rules.j2": ""}, ALL),
            ({"templates/_lib/rule.j2": "{# new #}"}, ALL),
            ({"templates/values.schema.json": SCHEMA}, ALL),
            ({"templates/three/values.schema.json": "{}"}, ALL),
            ({"templates/four/config.yaml.j2": CONFIG}, ()),
        ],
    )
    def test_is_an_environment_by_the_templates_of_its_variant(self, changed, files, names):
        assert changed(files) == names

    @pytest.mark.parametrize(
        "broken", ["{% include values.name %}", "{% if %}", '{% set part = values.name %}{% include "two/_part.j2" %}']
    )
    def test_is_every_user_of_a_template_that_may_reach_all(self, repository, changed, broken):
        repository.commit({"team/templates/three/config.yaml.j2": broken})

        assert changed({"templates/_lib/unused.j2": "x"}) == self.THREE

    def test_is_an_environment_whose_variant_cannot_be_told(self, repository, changed):
        repository.commit({"team/overlays/dev.yaml": "variant: four", "team/overlays/bad.yaml": "{"})

        assert changed({"templates/three/config.yaml.j2": "x"}) == ("bad", "dev", *self.THREE)
        assert changed({"templates/three/config.yaml.j2": CONFIG.replace("\n    ", "\n").lstrip()}) == ()

    def test_is_what_comes_to_stand_before_a_template_of_ours(self, repository, changed):
        repository.commit({"team/overlays/plain.yaml": "variant: plain"})

        assert changed({"templates/plain/service.yaml.j2": CONFIG}, "plain") == ("plain",)
        repository.commit()
        assert changed({}, "plain") == ()
        assert changed({"templates/_lib/names.j2": "x"}, "plain") == ("plain",)
        assert changed({"templates/plain/service.yaml.j2": None, "templates/_lib/names.j2": None}, "plain") == (
            "plain",
        )

    def test_is_what_goes_with_the_whole_folder_of_templates(self, tmp_path):
        repository = Repository(tmp_path / "other")
        repository.commit(
            {
                "templates/plain/service.yaml.j2": CONFIG,
                "overlays/plain.yaml": "variant: plain",
                "overlays/operator.yaml": "variant: operator",
            }
        )
        shutil.rmtree(repository.folder / "templates")

        workspace = open_workspace(str(repository.folder))
        assert select(workspace, Selection((), (), "main")) == ("plain",)

    def test_counts_our_own_templates_where_they_lie_in_the_work_tree(self, repository, changed, monkeypatch):
        shutil.move(repository.folder / "team/templates", repository.folder / "ours")
        repository.commit({"team/templates/three/config.yaml.j2": CONFIG})
        ours = Root(str(repository.folder / "ours"), "templates")
        monkeypatch.setattr("generator.workspace.builtin_templates", lambda: ours)

        assert changed({"../ours/one/config.yaml.j2": CONFIG}) == self.ONE
        repository.commit()
        assert changed({"../ours/three/config.yaml.j2": "hidden behind the team's own"}) == ()

    def test_takes_own_templates_only_where_git_sees_them(self, changed, tmp_path):
        with pytest.raises(InputError) as error:
            changed({}, templates=str(write_tree(tmp_path / "elsewhere", {"x": "x"})))
        assert "git can't tell changes of these templates: they are not in the work tree" in str(error.value)

    def test_begins_where_the_branch_was_left(self, repository, changed):
        repository.git("checkout", "--quiet", "-b", "feature")
        repository.commit({"team/overlays/dev.yaml": "replicas: 2"})
        repository.git("checkout", "--quiet", "main")
        repository.commit({"team/overlays/two.yaml": "replicas: 2"})
        repository.git("checkout", "--quiet", "feature")

        assert changed({"overlays/three.yaml": "replicas: 2"}) == ("dev", "three")
        assert changed({}, ref="feature") == ("three",)

    def test_narrows_what_names_select(self, changed):
        assert changed({"overlays/_defaults.yaml": "replicas: 2"}, "prod/*", "dev") == ("dev", "prod/eu/a", "prod/us/b")

    def test_goes_with_selectors(self, repository):
        write_tree(
            repository.folder / "team", {"overlays/two.yaml": "labels: {a: b}", "overlays/dev.yaml": "replicas: 2"}
        )
        workspace = open_workspace(str(repository.folder / "team"))

        assert select(workspace, Selection((), ("a=b",), "main")) == ("two",)
        assert select(workspace, Selection((), ("a=c",), "main")) == ()

    def test_follows_links(self, repository, changed):
        folder = repository.folder / "team"
        (folder / "overlays/prod/asia").symlink_to("us")
        (folder / "overlays/link.yaml").symlink_to("prod/us/b.yaml")
        (folder / "templates/four").symlink_to("three")
        (folder / "templates/one/_leaf.j2").symlink_to("../_lib/unused.j2")
        repository.commit(
            {
                "team/overlays/four.yaml": "variant: four",
                "team/templates/one/config.yaml.j2": '{% include "one/_leaf.j2" %}',
            }
        )

        assert changed({"overlays/prod/us/b.yaml": "replicas: 2"}) == ("link", "prod/asia/b", "prod/us/b")
        assert changed({"overlays/prod/us/b.yaml": "variant: one"}) == ()
        assert changed({"templates/three/more.yaml.j2": None}) == ("four", *self.THREE)
        assert changed({"templates/three/more.yaml.j2": "# more"}) == ()
        assert changed({"templates/_lib/unused.j2": "x"}, "dev", "three") == ("dev",)
        (folder / "overlays/prod/asia").unlink()
        (folder / "overlays/prod/asia").symlink_to("eu")
        assert changed({"templates/_lib/unused.j2": "# unused"}) == ("prod/asia/a",)

    def test_follows_links_to_whole_folders(self, repository, tmp_path):
        shutil.move(repository.folder / "team/overlays", repository.folder / "fleet")
        (repository.folder / "team/overlays").symlink_to("../fleet")
        repository.commit({"fleet2/dev.yaml": "{}"})
        (tmp_path / "elsewhere").symlink_to(repository.folder / "team")

        def changed() -> tuple[str, ...]:
            return select(open_workspace(str(tmp_path / "elsewhere")), Selection((), (), "main"))

        assert changed() == ()
        write_tree(repository.folder, {"fleet/dev.yaml": "replicas: 2"})
        assert changed() == ("dev",)
        (repository.folder / "team/overlays").unlink()
        (repository.folder / "team/overlays").symlink_to("../fleet2")
        assert changed() == ("dev",)

    def test_takes_a_submodule_as_one(self, repository, changed, tmp_path):
        other = Repository(tmp_path / "other")
        other.commit({name: text for name, text in BASE.items() if name.startswith("templates/")})
        repository.git("rm", "-r", "--quiet", "team/templates")
        allowed = ("-c", "protocol.file.allow=always")
        repository.git(*allowed, "submodule", "--quiet", "add", str(other.folder), "team/vendor")
        repository.commit()

        assert changed({}, templates="vendor/templates") == ()
        assert changed({"vendor/templates/_lib/unused.j2": "x"}, templates="vendor/templates") == ALL

    def test_is_refused_outside_of_a_work_tree(self, tiny, monkeypatch):
        monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tiny.parent))

        with pytest.raises(InputError, match="git says: not a git repository"):
            select(open_workspace(str(tiny)), Selection((), (), "main"))

    def test_is_refused_for_an_unknown_ref(self, changed):
        with pytest.raises(InputError, match="git knows no commit 'mian'\n    hint: did you mean `main`"):
            changed({}, ref="mian")


class TestCommands:
    @pytest.fixture
    def repository(self, tmp_path, monkeypatch) -> Repository:
        repository = Repository(tmp_path / "repository")
        repository.commit({**TINY, "overlays/prod/eu-1.yaml": "labels: {region: eu}"})
        monkeypatch.chdir(repository.folder)
        return repository

    def test_list_what_is_selected(self, repository, capsys):
        assert run(["list", "-l", "region=eu"]) == 0
        assert capsys.readouterr().out == "prod/eu-1  tiny  team\n"
        assert run(["list", "d*"]) == 0
        assert capsys.readouterr().out == "dev  tiny  team\n"
        assert run(["list", "--changed-since", "main"]) == 0
        assert capsys.readouterr().out == ""
        assert run(["list", "--changed-since", "main", "-o", "json"]) == 0
        assert capsys.readouterr().out == "[]\n"

    def test_render_what_is_selected_and_remove_nothing(self, repository, capsys):
        assert run(["render", "--quiet"]) == 0
        write_tree(repository.folder, {"overlays/new.yaml": "{}"})
        (repository.folder / "overlays/dev.yaml").unlink()

        assert run(["render", "--changed-since", "main"]) == 0
        assert capsys.readouterr().err.startswith("rendered 1 environment: ")
        assert (repository.folder / "output/manifests/new").is_dir()
        assert (repository.folder / "output/manifests/dev").is_dir()

    def test_render_one_selected_environment_to_a_stream(self, repository, capsys):
        assert run(["render", "--stdout", "--selector", "region"]) == 0
        assert "region" not in capsys.readouterr().err

    @pytest.mark.parametrize("options", [["--stdout"], ["--check"], []])
    def test_render_nothing_where_nothing_is_selected(self, repository, capsys, options):
        assert run(["render", "-l", "region=asia", *options]) == 0
        assert capsys.readouterr() == ("", "no environment is selected: nothing to do\n")
        assert not (repository.folder / "output").exists()

    @pytest.mark.parametrize("command", ["render", "list"])
    def test_refuse_what_cannot_be_read(self, repository, capsys, command):
        assert run([command, "-l", "a b"]) == 2
        assert run([command, "--changed-since", "nowhere"]) == 2
        assert run([command, "--changed-since", ""]) == 2
        assert capsys.readouterr().out == ""

    def test_complete_the_names_of_branches_and_tags(self, repository, capsys, monkeypatch):
        repository.git("tag", "v1.0")
        monkeypatch.setenv("_SIDECERT_COMPLETE", "bash_complete")
        monkeypatch.setenv("COMP_WORDS", "sidecert list --changed-since v")
        monkeypatch.setenv("COMP_CWORD", "3")

        run([])
        assert capsys.readouterr().out == "plain,v1.0\n"


# ----------------------------------------------------------------------------------------------------- the law

LAYERS = st.sampled_from(
    [
        "{}",
        "replicas: 2",
        "variant: one",
        "variant: two",
        "variant: three\nreplicas: 3",
        "labels: {a: b}",
        "name: other",
    ]
)
TEMPLATE = st.sampled_from(
    [
        "# {}\n",
        '{{% include "_lib/a.j2" %}}# {}\n',
        '{{% import "_lib/b.j2" as b with context %}}# {}\n',
        '{{% with part = "_lib/a.j2" %}}{{% include "one/_part.j2" %}}{{% endwith %}}# {}\n',
        '{{% include "_lib/a.j2" if values.replicas == 2 else "_lib/b.j2" %}}# {}\n',
        '{{% if values.replicas == 2 %}}{{% include format("_lib/%s.j2", "b") %}}{{% endif %}}# {}\n',
    ]
)
LEAF = st.sampled_from(["# {}\n", '{{% if values.replicas == 3 %}}{{% include "_lib/c.j2" %}}{{% endif %}}# {}\n'])
PART = st.sampled_from(["{{% include part %}}# {}\n", "# {}\n"])
RULES = st.sampled_from(
    ["{{# {} #}}", '{{% if values.replicas == 2 %}}{{{{ fail("replicas", "no {}") }}}}{{% endif %}}']
)
FILES: Mapping[str, st.SearchStrategy[str]] = {
    **{f"overlays/{name}.yaml": LAYERS for name in ("_defaults", "p/_defaults", "p/q/_defaults")},
    **{f"overlays/{name}.yaml": LAYERS for name in ("a", "b", "p/a", "p/q/a", "p/q/b")},
    **{f"templates/{name}/config.yaml.j2": TEMPLATE for name in ("one", "two", "three")},
    **{f"templates/{name}/more.yaml.j2": TEMPLATE for name in ("two", "three")},
    **{f"templates/_lib/{name}.j2": LEAF for name in ("a", "b")},
    "templates/_lib/c.j2": st.just("# {}\n"),
    "templates/one/_part.j2": PART,
    "templates/_lib/rules.j2": RULES,
    "templates/two/_rules.j2": RULES,
}
ALWAYS = {
    "templates/values.schema.json": SCHEMA,
    "templates/one/always.yaml.j2": CONFIG,
    "templates/two/always.yaml.j2": CONFIG,
    "overlays/always.yaml": "variant: one",
    "overlays/p/always.yaml": "variant: two",
}


def texts(name: str) -> st.SearchStrategy[str | None]:
    """A file's text, or None where there is no file; the number tells one edit from another."""
    numbered = st.builds(str.format, FILES[name], st.integers(1, 2)) if "templates" in name else FILES[name]
    return st.one_of(st.none(), numbered, numbered)


TREES = st.fixed_dictionaries({name: texts(name) for name in FILES})
EDITS = st.lists(
    st.sampled_from(sorted(FILES)).flatmap(lambda name: st.tuples(st.just(name), texts(name))), min_size=1, max_size=2
)


def outcomes(folder: Path) -> dict[str, str]:
    """What each environment renders to, or why not, and its values."""
    workspace = open_workspace(str(folder))
    found = {}
    for name in workspace.environment_names():
        try:
            found[name] = build.stream(workspace, name)
        except InputError as error:
            found[name] = str(error)
        found[name] += repr(build.merged_values(workspace, name))
    return found


def put(folder: Path, files: Mapping[str, str | None]) -> None:
    """Make a folder hold these files, and no others but git's."""
    for part in ("overlays", "templates"):
        shutil.rmtree(folder / part, ignore_errors=True)
    write_tree(folder, {**ALWAYS, **{name: text for name, text in files.items() if text is not None}})


@pytest.fixture(scope="module")
def playground(tmp_path_factory) -> Repository:
    return Repository(tmp_path_factory.mktemp("playground"))


class TestTheLaw:
    @settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(before=TREES, edits=EDITS, commit=st.booleans())
    def test_what_is_not_selected_renders_to_the_same_as_before(self, playground, before, edits, commit):
        folder = playground.folder
        put(folder, before)
        base = playground.commit()
        old = outcomes(folder)
        put(folder, {**before, **dict(edits)})
        if commit:
            playground.commit()

        selected = select(open_workspace(str(folder)), Selection((), (), base))

        new = outcomes(folder)
        differing = {name for name, outcome in new.items() if old.get(name) != outcome}
        assert differing <= set(selected)
