"""Rendered text to resources: what is taken, what is refused, in which order they come."""

from __future__ import annotations

import pytest

from generator.errors import InputError
from generator.resource import Resource, ResourceId, check_duplicates, file_name, parse_resources, sort_key

SERVICE = "apiVersion: v1\nkind: Service\nmetadata:\n  name: web\n  namespace: mesh\n"


def one(text: str, template: str = "plain/a.yaml.j2") -> Resource:
    (resource,) = parse_resources(template, text)
    return resource


def refusal(text: str) -> str:
    with pytest.raises(InputError) as caught:
        parse_resources("plain/a.yaml.j2", text)
    return str(caught.value)


def test_a_resource_keeps_its_text_and_comments():
    resource = one(f"\n\n# why\n{SERVICE}\n\n")
    assert resource.text == f"# why\n{SERVICE}"
    assert resource.id == ResourceId("v1", "Service", "mesh", "web")
    assert resource.tree["metadata"] == {"name": "web", "namespace": "mesh"}
    assert resource.template == "plain/a.yaml.j2"


def test_documents_are_parted_by_lines_of_three_dashes():
    found = parse_resources("a", f"---\n{SERVICE}--- # next\n{SERVICE.replace('web', 'two')}---\n# nothing\n\n--- \n")
    assert [resource.id.name for resource in found] == ["web", "two"]


def test_dashes_in_a_block_of_text_part_nothing():
    assert one(f"{SERVICE}data:\n  a: |\n    ---\n    b\n").tree["data"] == {"a": "---\nb\n"}


@pytest.mark.parametrize("text", ["", "\n \n", "# a\n  # b", "---\n", "--- # only\n---\n# this\n"])
def test_a_document_without_content_gives_no_resource(text):
    assert parse_resources("a", text) == []


def test_the_same_text_is_read_once():
    assert one(SERVICE).tree is one(SERVICE).tree


def test_a_remembered_list_is_not_the_callers():
    parse_resources("a", SERVICE).clear()
    assert len(parse_resources("a", SERVICE)) == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "a: [",
            "plain/a.yaml.j2: it renders to YAML that can't be read: ",
        ),
        ("- a", "plain/a.yaml.j2: it renders to something that is no Kubernetes object\n    found: list"),
        ("text", "plain/a.yaml.j2: it renders to something that is no Kubernetes object\n    found: 'text'"),
        (
            "a: b",
            (
                "plain/a.yaml.j2: apiVersion: it renders to an object without this\n"
                "plain/a.yaml.j2: kind: it renders to an object without this"
            ),
        ),
        ("apiVersion: 1\nkind: A", "plain/a.yaml.j2: apiVersion: must be a string\n    found: 1"),
        (
            "apiVersion: v1\nkind: A",
            "plain/a.yaml.j2: metadata: metadata must be a map\n    found: nothing",
        ),
        (
            "apiVersion: v1\nkind: A\nmetadata: {}",
            "plain/a.yaml.j2: metadata.name: it renders to an object without this",
        ),
        (
            "apiVersion: v1\nkind: A\nmetadata: {name: y}",
            "plain/a.yaml.j2: metadata.name: must be a string\n    found: True",
        ),
        (
            "apiVersion: v1\nkind: List\nitems: []",
            "plain/a.yaml.j2: kind: a List hides its objects\n    hint: render one document for each object",
        ),
        (
            "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData: {a: b}",
            (
                "plain/a.yaml.j2: stringData: a Secret with data; the pattern needs none\n"
                "    hint: create it outside of these templates and name it where it is used"
            ),
        ),
        (
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: A_b}",
            (
                "plain/a.yaml.j2: metadata.name: Kubernetes refuses this name of a ConfigMap\n    found: A_b\n"
                "    expected: at most 253 of a-z, 0-9, '-' and '.', with a letter or digit at both ends of each part"
            ),
        ),
        (
            "apiVersion: v1\nkind: A\nmetadata: {name: a, namespace: a.b}",
            (
                "plain/a.yaml.j2: metadata.namespace: Kubernetes refuses this namespace\n    found: a.b\n"
                "    expected: at most 63 of a-z, 0-9 and '-', with a letter or digit at both ends"
            ),
        ),
    ],
)
def test_what_is_no_resource_is_refused_with_its_template(text, expected):
    assert refusal(text).startswith(expected)


def test_a_line_of_yaml_that_cannot_be_read_is_quoted():
    assert refusal(f"{SERVICE}x: 1\nx: 2\n") == (
        "plain/a.yaml.j2: x: it renders to YAML that can't be read: this key stands twice, first on line 6\n"
        "    found: x: 2"
    )


def test_all_documents_are_checked():
    assert refusal("a: b\n---\n- c").count("plain/a.yaml.j2") == 3


@pytest.mark.parametrize(
    ("version", "kind", "name", "taken"),
    [
        ("v1", "ConfigMap", "a.b-c", True),
        ("v1", "ConfigMap", "a" * 253, True),
        ("v1", "ConfigMap", "a" * 254, False),
        ("v1", "ConfigMap", "a..b", False),
        ("v1", "Service", "a.b", False),
        ("v1", "Service", "1a", False),
        ("v1", "Namespace", "1a", True),
        ("v1", "Namespace", "a.b", False),
        ("serving.knative.dev/v1", "Service", "a.b", True),
        ("rbac.authorization.k8s.io/v1", "ClusterRole", "system:A_b", True),
        ("rbac.authorization.k8s.io/v1", "ClusterRole", "a/b", False),
        ("rbac.authorization.k8s.io/v1", "ClusterRole", "..", False),
    ],
)
def test_names_are_those_that_kubernetes_takes(version, kind, name, taken):
    text = f"apiVersion: {version}\nkind: {kind}\nmetadata:\n  name: '{name}'\n"
    if taken:
        assert one(text).id.name == name
    else:
        assert f"Kubernetes refuses this name of a {kind}" in refusal(text)


def test_a_secret_without_data_is_taken():
    assert one("apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ndata: {}").id.kind == "Secret"


def test_two_resources_of_one_identity_are_refused_with_both_templates():
    other = one(SERVICE.replace("v1", "v1"), "b")
    with pytest.raises(InputError) as caught:
        check_duplicates([one(SERVICE, "a"), other])
    assert str(caught.value) == "b: metadata.name: Service mesh/web is rendered by a too"


def test_two_versions_of_one_resource_are_refused():
    text = "apiVersion: x.io/v1\nkind: A\nmetadata: {name: a}\n"
    with pytest.raises(InputError) as caught:
        check_duplicates([one(text, "a"), one(text.replace("v1", "v1beta1"), "a")])
    assert str(caught.value) == "a: metadata.name: A a is rendered twice by this template"


def test_resources_that_differ_in_namespace_or_kind_are_no_duplicates():
    check_duplicates([one(SERVICE), one(SERVICE.replace("mesh", "b")), one(SERVICE.replace("Service", "ConfigMap"))])


def test_what_others_need_comes_first():
    kinds = ["PodDisruptionBudget", "Widget", "StatefulSet", "ConfigMap", "ClusterRole", "ServiceAccount", "Namespace"]
    found = sorted((one(f"apiVersion: v1\nkind: {kind}\nmetadata: {{name: a}}\n") for kind in kinds), key=sort_key)
    assert [resource.id.kind for resource in found] == [
        "Namespace",
        "ServiceAccount",
        "ClusterRole",
        "ConfigMap",
        "StatefulSet",
        "Widget",
        "PodDisruptionBudget",
    ]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (SERVICE, "service-web.yaml"),
        (SERVICE.replace("mesh", "other"), "service-other-web.yaml"),
        (SERVICE.replace("v1", "serving.knative.dev/v1"), "service-serving.knative.dev-web.yaml"),
        (
            "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: 'a:B c'}\n",
            "clusterrole-a-b-c.yaml",
        ),
    ],
)
def test_a_file_is_named_after_its_resource_alone(text, name):
    assert file_name(one(text), "mesh") == name


def test_documents_must_be_parted_by_a_line_of_their_own():
    assert refusal("a: 1\n--- {b: 1}\n") == (
        "plain/a.yaml.j2: it renders to documents that aren't parted by a line '---'"
    )
