"""Files, folders and standard input are sorted into manifests, values, what has to be rendered first, and the rest."""

from __future__ import annotations

import os
import textwrap
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from generator.errors import InputError, Problem
from generator.intake import Intake, read, read_texts
from generator.intake.texts import MOST_BYTES
from tests.conftest import WriteTree

CORPUS = Path(__file__).parents[3] / "shared/corpus"
SERVICE = "apiVersion: v1\nkind: Service\nmetadata:\n  name: {}\n"
A, B, C = (SERVICE.format(name) for name in "abc")

Files = dict[str, "str | bytes | None"]
Reads = Callable[..., Intake]


@pytest.fixture
def reads(project: WriteTree, monkeypatch: pytest.MonkeyPatch) -> Reads:
    """Write files, and read names that are relative to their folder."""

    def write_and_read(files: Files, *names: str, stdin: str = "") -> Intake:
        monkeypatch.chdir(project({".": None, **files}))
        return read(names or (".",), lambda: stdin)

    return write_and_read


def names(intake: Intake) -> list[str]:
    return [str(document) for document in intake.manifests]


def refused(act: Callable[[], object]) -> list[str]:
    with pytest.raises(InputError) as caught:
        act()
    return [str(problem) for problem in caught.value.problems]


def only(problems: tuple[Problem, ...]) -> str:
    (problem,) = problems
    return str(problem)


# ------------------------------------------------------------------------------------------------- what is read


def test_files_are_read_in_the_order_of_their_names_on_the_command_line(reads: Reads):
    assert names(reads({"a.yaml": A, "b.yaml": B}, "b.yaml", "a.yaml")) == ["Service b", "Service a"]


def test_a_folder_is_walked_for_yaml_and_json_and_nothing_hidden(reads: Reads):
    files: Files = {
        "z.yaml": A,
        "x/y/b.yml": B,
        "c.json": '{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "c"}}',
    }
    files |= {".git/a.yaml": "{{", ".a.yaml": "{{", "notes.md": "{{", "empty": None}
    found = reads(files)
    assert names(found) == ["Pod c", "Service b", "Service a"]
    assert [document.source for document in found.manifests] == ["c.json", "x/y/b.yml", "z.yaml"]
    assert not found.unrendered + found.left_out


def test_a_file_that_is_named_twice_is_read_once(reads: Reads):
    assert names(reads({"a/a.yaml": A}, "a", "a/a.yaml", "a/../a/a.yaml")) == ["Service a"]


def test_links_in_a_circle_are_walked_once(project: WriteTree):
    folder = project({"a/a.yaml": A})
    (folder / "a/again").symlink_to(folder)
    assert names(read([str(folder)], str)) == ["Service a"]


def test_standard_input_is_a_file_of_its_own(reads: Reads):
    found = reads({}, "-", "-", stdin="\ufeff" + A + "---\n" + B)
    assert names(found) == ["Service a", "Service b"]
    assert str(found.manifests[1].locate(("metadata", "name"))) == "<stdin>:9:3"


def test_byte_order_marks_windows_line_ends_and_empty_documents_do_no_harm(reads: Reads):
    text = f"\ufeff# first\n---\n{A}---\n---\n# nothing\n---\n{B}---\n".replace("\n", "\r\n")
    found = reads({"a.yaml": text.encode()})
    assert names(found) == ["Service a", "Service b"]
    assert found.manifests[1].locate(("metadata", "name")).line == 14
    assert not names(reads({"b.yaml": "", "c.yaml": "# nothing\n"}, "b.yaml", "c.yaml"))


def test_json_values_one_after_the_other_are_documents_with_places(reads: Reads):
    item = '{"apiVersion": "v1", "kind": "Pod",\n\t"metadata": {"name": "%s"}}'
    found = reads({"a.json": f"\t{item % 'a'}\n{item % 'b'}{item % chr(0x1F600)}".encode()})
    assert names(found) == ["Pod a", "Pod b", "Pod \U0001f600"]
    places = [document.locate(("metadata", "name")) for document in found.manifests]
    assert [(place.line, place.column) for place in places] == [(2, 15), (4, 15), (5, 15)]


def test_json_escapes_that_yaml_does_not_know_are_read(reads: Reads):
    found = reads({"a.json": r'{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "\ud83d\ude00\/"}}'})
    assert names(found) == ["Pod \U0001f600/"]


def test_a_placeholder_that_is_a_comment_leaves_an_object_without_a_name(reads: Reads):
    (document,) = reads({"a.yaml": "apiVersion: v1\nkind: Pod\nmetadata:\n  name: ##NAME##\n"}).manifests
    assert not document.name


@pytest.mark.parametrize("text", ["iVersion: v1\nkind: Pod\nmetadata: {name: a}", "apiVersion: v1\nspec: {}"])
def test_an_object_whose_kind_or_version_is_misspelt_is_a_manifest(reads: Reads, text: str):
    found = reads({"a.yaml": text})
    assert len(found.manifests) == 1
    assert not found.values


def test_a_map_that_is_no_object_is_a_file_of_values(reads: Reads):
    found = reads({"values.yaml": "server: {image: x}\nkind: StatefulSet\n", "empty.yaml": "{}"})
    assert [document.tree["server"] for document in found.values] == [{"image": "x"}]
    assert not found.manifests + found.unrendered + found.left_out


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("spec: {template: {metadata: {annotations: {a: b}}}}", "a workload"),
        ("spec: {template: {spec: {containers: [{name: a}]}}}", "a workload"),
        ("template: {spec: {initContainers: [{name: a}]}}", "a workload"),
        ("metadata: {annotations: {a: b}}\nspec: {containers: [{name: a}]}", "a workload, or a Pod"),
        ("metadata: {labels: {a: b}}", "an object"),
        ("volumes: [{name: a, secret: {secretName: istio.default}}]\nvolumeMounts: []", "a pod"),
        ("volumeMounts: [{name: a, mountPath: /a}]", "a pod"),
        ("volumeMounts: {name: a, mountPath: /a}", "a pod"),
        ("containers: [{name: a}]\nserviceAccountName: a", "a pod"),
        ("annotations: {proxy.istio.io/config: a}", "a pod"),
        ("spec: {template: {spec: {volumes: [{name: a, emptyDir: {}}]}}}", "a workload"),
        ("spec: {volumes: [{name: a, emptyDir: {}}]}", "an object"),
        ("metadata: {name: a}\nspec: {replicas: 1}", "an object"),
    ],
)
def test_a_part_of_an_object_is_no_file_of_values(reads: Reads, text: str, part: str):
    found = reads({"a.yaml": text})
    assert not found.manifests + found.values
    (problem,) = found.left_out
    assert problem.message == f"this is a part of {part}, without apiVersion and kind"
    assert problem.hint == "give the whole object, or the folder of the kustomization whose patch this is"


@pytest.mark.parametrize(
    "text", ["tls_config: {ca_file: a}", "scheme: https\ntlsConfig: {caFile: a}", "cert_file: a\nkey_file: b"]
)
def test_a_part_of_a_job_is_no_file_of_values(reads: Reads, text: str):
    found = reads({"a.yaml": text})
    assert not found.manifests + found.values
    (problem,) = found.left_out
    assert problem.message == "this is a part of a job or of a monitor's endpoint"
    assert problem.hint == "give the manifest that holds or mounts the whole"


@pytest.mark.parametrize(
    "text",
    [
        "spec: {replicas: 1}",
        "volumes: []\nvolumeMounts: []",
        "volumes: [{name: a, emptyDir: {}}]\nimage: x",
        "volumes: [{name: a, size: 1Gi}]",
        "annotations: {a: b}\nlabels: {a: b}",
        "scheme: https",
        "tlsConfig: {caFile: a}\nimage: x",
        "insecure_skip_verify: true",
        "spec: {template: {image: x}}",
        "metadata: {}\nspec: {}",
        "metadata: {labels: {a: b}}\nimage: x",
        "template: {spec: x}",
    ],
)
def test_what_values_may_say_too_is_no_part_of_an_object(reads: Reads, text: str):
    assert len(reads({"a.yaml": text}).values) == 1


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.json", '{"title": "x", "panels": []}', "a.json:1:1: this is a Grafana dashboard"),
        ("a.yaml", "spec:\nmetadata:\nproxy.istio.io/config: x", "a.yaml:1:1: this is a block that has lost"),
        ("a.json", '{"dependencies": {}}', "a.json:1:1: this is no Kubernetes object"),
        ("a.yaml", "scrape_configs: []", "a.yaml:1:1: this is a Prometheus configuration; what is needed is"),
        ("a.yaml", "- 1\n", "a.yaml:1:1: this is a list, not a Kubernetes object"),
        ("a.yaml", f"{A}---\njust words\n", "a.yaml:6:1: this is a text, not a Kubernetes object"),
        (
            "a.yaml",
            "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization",
            "a.yaml:1:1: a kustomization is",
        ),
    ],
)
def test_what_is_neither_is_told_with_the_reason(reads: Reads, name: str, text: str, said: str):
    found = reads({name: text})
    assert only(found.left_out).startswith(said)
    assert not found.values + found.unrendered


TAGGED = {
    "mkdocs.yml": "emoji: !!python/name:material.emoji.twemoji\n",
    "playbook.yaml": "- hosts: all\n  vars:\n    password: !vault |\n      $ANSIBLE_VAULT;1.1\n",
    "stack.yaml": "Resources:\n  Topic:\n    Arn: !GetAtt [Queue, Arn]\n    Name: !Ref Name\n",
    "brackets.yaml": "images: [registry:5000/a, !Ref Image]\n",
}


@pytest.mark.parametrize("name", TAGGED)
def test_a_file_with_tags_of_another_program_is_left_out_of_a_folder(reads: Reads, name: str):
    found = reads({name: TAGGED[name], "a.yaml": A})
    assert only(found.left_out).startswith(f"{name}:")
    assert "this has tags of another program: " in only(found.left_out)
    assert names(found) == ["Service a"]


@pytest.mark.parametrize("name", TAGGED)
def test_a_file_with_tags_of_another_program_is_an_error_where_it_is_named(reads: Reads, name: str):
    with pytest.raises(InputError, match="can't be read as !"):
        reads({name: TAGGED[name]}, name)


def test_a_text_with_tags_of_another_program_is_left_out():
    found = read_texts([(TAGGED["stack.yaml"], "stack.yaml", ""), (A, "a.yaml", "")])
    assert only(found.left_out).startswith("stack.yaml:3:10: this has tags of another program: a map or list can't be")
    assert names(found) == ["Service a"]


@pytest.mark.parametrize("more", ["a: 1\na: 2\n", "b: !!int x\n"])
def test_tags_of_another_program_excuse_nothing_else(reads: Reads, more: str):
    with pytest.raises(InputError):
        reads({"a.yaml": f"c: !Ref x\n{more}"})


def test_json_without_a_kind_is_values_if_it_is_named(reads: Reads):
    assert len(reads({"v.json": '{"server": {}}'}, "v.json").values) == 1


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the public manifests are not part of the project")
def test_every_public_manifest_is_read():
    found = read([str(CORPUS)], str)
    files = {document.source for document in (*found.manifests, *found.values)}
    assert len(files) == len(list(CORPUS.glob("*/*.yaml"))) == 28
    assert {document.source.rpartition("/")[2][:12] for document in found.values} == {
        "SAP-samples_",
        "istio__istio",
        "kyma-project",
    }
    assert not found.unrendered + found.left_out
    for document in found.manifests:
        line = document.line(document.locate(("kind",)).line)
        assert "kind" in line


# ---------------------------------------------------------------------------------------------------- what is refused


def test_every_file_that_cannot_be_read_is_told(reads: Reads):
    files: Files = {"tabs.yaml": "a:\n\tb: 1", "twice.yaml": "a: 1\na: 2", "good.yaml": A, "latin.yaml": b"# \xe9\n"}
    assert refused(lambda: reads(files, "god.yaml", ".")) == [
        "god.yaml: there is no such file or folder\n    hint: did you mean `good.yaml`?",
        "latin.yaml:1: the file is not UTF-8 text\n    found: byte 0xe9 at offset 2",
        "tabs.yaml:2:1: a tab, YAML indents with spaces",
        "twice.yaml:2:1: a: this key stands twice, first on line 1",
    ]


def test_a_link_that_leads_nowhere_is_told_as_one(project: WriteTree):
    folder = project({"a.yaml": A})
    (folder / "link.yaml").symlink_to("gone.yaml")
    (problem,) = refused(lambda: read([str(folder / "link.yaml")], str))
    assert problem.endswith("link.yaml: this link leads nowhere\n    found: gone.yaml")


def test_a_file_from_powershell_is_explained(reads: Reads):
    (problem,) = refused(lambda: reads({"a.yaml": A.encode("utf-16")}))
    assert problem.endswith("hint: PowerShell's `>` writes UTF-16: save it as UTF-8")


def test_a_file_that_is_too_large_is_refused(project: WriteTree):
    folder = project({"a.yaml": ""})
    os.truncate(folder / "a.yaml", MOST_BYTES + 1)
    assert "the file is too large" in refused(lambda: read([str(folder)], str))[0]


def test_a_pipe_is_read_where_it_is_named_and_not_waited_for_in_a_folder(project: WriteTree):
    folder = project({".": None})
    os.mkfifo(folder / "a.yaml")
    assert "not a regular file" in refused(lambda: read([str(folder)], str))[0]
    with ThreadPoolExecutor(1) as other:
        other.submit((folder / "a.yaml").write_text, A)
        deadline = time.monotonic() + 5
        while not names(found := read([str(folder / "a.yaml")], str)) and time.monotonic() < deadline:
            time.sleep(0.01)
    assert names(found) == ["Service a"]


def test_a_device_is_no_file():
    assert "not a regular file" in refused(lambda: read(["/dev/null"], str))[0]


def test_an_address_is_not_fetched(reads: Reads):
    (problem,) = refused(lambda: reads({}, "https://example.com/a.yaml"))
    assert problem.endswith("hint: curl -fsSL https://example.com/a.yaml | sidecert doctor -")


# ------------------------------------------------------------------------------------------ what is rendered first


HELM = "helm template CHART | sidecert doctor -"


@pytest.mark.parametrize(
    ("text", "line", "kind", "hint"),
    [
        ("{{- if .Values.on }}\na: 1\n{{- end }}\n", 1, "a Helm template", HELM),
        ("# {{ no }}\nmetadata:\n  name: {{ .Release.Name }}\n", 3, "a Helm template", HELM),
        ("data:\n  a: |\n    {{ no }}\n  b: |\n{{ toYaml .Values.x | indent 4 }}\n", 5, "a Helm template", HELM),
        ("a:\n- '{{ no }}'\n- {{ .Values.x }}\n", 3, "a Helm template", HELM),
        (A.replace("name: a", 'name: "{{ .Release.Name }}"'), 4, "a Helm template", HELM),
        (A.replace("name: a", "name: x-{{ .Values.name }}"), 4, "a Helm template", HELM),
        ("a: {{ .Name }}\n", 1, "a Go template", "let the tool that fills it in"),
        ("a: {{ name }}\n{% if x %}\nb: 1\n{% endif %}\n", 1, "a Jinja template", "let what fills it in"),
        ("{% for x in y %}\na: 1\n{% endfor %}\n", 1, "a Jinja template", "let what fills it in"),
        ("a: ${NAME}\n${REST}\nb: 1\n", 2, "a template", "envsubst < a.yaml | sidecert doctor -"),
    ],
)
def test_a_template_is_told_with_the_line_and_what_renders_it(reads: Reads, text: str, line: int, kind: str, hint: str):
    found = reads({"a.yaml": text})
    told = only(found.unrendered)
    assert told.startswith(f"a.yaml:{line}:")
    assert f" this is {kind}, not a manifest" in told
    assert hint in told
    assert not found.manifests + found.values + found.left_out


def test_a_template_on_standard_input_is_told(reads: Reads):
    assert only(reads({}, "-", stdin="a: {{ .Values.x }}\n").unrendered).startswith(
        "<stdin>:1:4: this is a Helm template"
    )


FINE = """
    # {{- if .Values.comment }}
    {head}
      quoted: "{{{{ $labels.pod }}}} is {{{{ .Values.x }}}}"
      single: '{{{{ .Release.Name }}}}'
      plain: the pod {{{{ $labels.pod }}}} is gone
      variable: ${{NAME}}
      literal: |
        {{{{- if .Values.on }}}}
        a: {{{{ .Values.x }}}}

        {{% raw %}}
      folded: >-
        {{{{ .x }}}}
      long: "over
        {{{{ $labels.pod }}}}
        lines"
"""


@pytest.mark.parametrize(
    "head", ["apiVersion: v1\n    kind: ConfigMap\n    metadata: {{name: a}}\n    data:", "server:"]
)
def test_expressions_within_texts_make_no_template(reads: Reads, head: str):
    found = reads({"a.yaml": FINE.format(head=head.format())})
    assert len(found.manifests) + len(found.values) == 1
    assert not found.unrendered


def test_a_mistake_in_a_file_whose_texts_hold_expressions_is_told_as_what_it_is(reads: Reads):
    broken = textwrap.dedent(FINE.format(head="server:")) + "\tb: 1\n"
    (problem,) = refused(lambda: reads({"a.yaml": broken}))
    assert "a tab" in problem


CHART: Files = {
    "charts/x/Chart.yaml": "apiVersion: v2\nname: x\n",
    "charts/x/values.yaml": "a: 1\n",
    "charts/x/values.schema.json": '{"properties": {}}',
    "charts/x/templates/a.yaml": A,
    "charts/x/templates/b.yaml": "# first\na: {{ .Values.a }}\n",
    "charts/x/charts/y/values.yaml": "b: 1\n",
}


def test_a_chart_has_to_be_rendered_and_its_values_are_read(reads: Reads):
    found = reads(CHART)
    assert only(found.unrendered) == (
        "charts/x/templates/b.yaml:2: the templates of the Helm chart charts/x are not rendered\n"
        "    hint: render them first: helm template charts/x | sidecert doctor -"
    )
    assert [document.source for document in found.values] == ["charts/x/values.yaml"]
    assert not found.manifests + found.left_out


def test_a_chart_whose_templates_hold_no_expression_has_to_be_rendered_too(reads: Reads):
    found = reads({"Chart.yaml": "name: x", "templates/a.yaml": A})
    assert only(found.unrendered).startswith("Chart.yaml: the templates of the Helm chart . are not rendered")
    assert not found.manifests


def test_a_template_of_a_chart_names_the_chart(reads: Reads):
    told = only(reads(CHART, "charts/x/templates/b.yaml").unrendered)
    assert told.endswith("hint: render it first: helm template charts/x | sidecert doctor -")


def test_a_helmfile_is_no_values_file(reads: Reads):
    release = "releases:\n- name: a\n  chart: prometheus-community/prometheus\n  values:\n  - server: {}\n"
    found = reads({"helmfile.yaml": release, "values.yaml": "releases:\n- a\n"})
    assert only(found.left_out) == (
        "helmfile.yaml:1:1: this is a helmfile, whose releases are not rendered\n"
        "    hint: render it first: helmfile template | sidecert doctor -"
    )
    assert [document.source for document in found.values] == ["values.yaml"]
