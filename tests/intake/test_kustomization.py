"""Kustomization folders are built as kustomize does, and each value is located in the file that sets it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from generator.errors import InputError, ValuePath
from generator.intake import Document, Intake, read
from generator.yaml import block, load, load_documents
from tests.conftest import WriteTree
from tests.tools import run

OVERLAYS = Path(__file__).parents[2] / "output/kustomize/overlays"

Files = dict[str, "str | bytes | None"]

DEPLOYMENT = """
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: prom, namespace: ns, labels: {app: x}}
    spec:
      selector: {matchLabels: {app: x}}
      template:
        metadata: {labels: {app: x}}
        spec:
          serviceAccountName: account
          serviceAccount: account
          tolerations: [{key: a}]
          affinity:
            podAntiAffinity:
              preferredDuringSchedulingIgnoredDuringExecution:
              - {weight: 1, podAffinityTerm: {topologyKey: z, labelSelector: {matchLabels: {app: x}}}}
          topologySpreadConstraints: [{topologyKey: z, labelSelector: {matchLabels: {app: x}}}]
          initContainers: [{name: init, image: tools}]
          containers:
          - name: prom
            image: "registry:5000/prom/prometheus:v2"
            args: [a]
            ports: [{containerPort: 1, name: web}, {containerPort: 2}]
            env: [{name: E, value: "1"}, {name: K, valueFrom: {configMapKeyRef: {name: config, key: k}}}]
            envFrom: [{secretRef: {name: secret}}]
            volumeMounts: [{name: v, mountPath: /a}, {name: v, mountPath: /b}]
          - {name: side, image: "side/car@sha256:aaaa"}
          volumes:
          - {name: v, configMap: {name: config}}
          - {name: s, secret: {secretName: secret}}
          - {name: p, projected: {sources: [{configMap: {name: config}}, {secret: {name: other}}]}}
    ---
    apiVersion: v1
    kind: ConfigMap
    metadata: {name: config, namespace: ns}
    data: {k: v}
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: secret, namespace: ns}
"""
OTHERS = """
    apiVersion: v1
    kind: ServiceAccount
    metadata: {name: account, namespace: ns}
    ---
    apiVersion: rbac.authorization.k8s.io/v1
    kind: ClusterRoleBinding
    metadata: {name: binding}
    roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: role}
    subjects:
    - {kind: ServiceAccount, name: account, namespace: ns}
    - {kind: ServiceAccount, name: account, namespace: elsewhere}
    - {kind: ServiceAccount, name: default, namespace: ns}
    - {kind: User, name: someone}
    ---
    apiVersion: rbac.authorization.k8s.io/v1
    kind: ClusterRole
    metadata: {name: role}
    rules: null
    ---
    apiVersion: v1
    kind: List
    items:
    - {apiVersion: v1, kind: Service, metadata: {name: service, namespace: ns}, spec: {ports: [{port: 1}]}}
    - {apiVersion: v1, kind: Namespace, metadata: {name: ns}}
    ---
    apiVersion: apps/v1
    kind: StatefulSet
    metadata: {name: set, namespace: ns}
    spec: {serviceName: service, volumeClaimTemplates: [{metadata: {name: data}}], template: {spec: {containers: []}}}
    ---
    apiVersion: apps/v1beta1
    kind: Deployment
    metadata: {name: old, namespace: ns}
    spec: {template: {spec: {serviceAccountName: account, containers: [], volumes: [{name: a}]}}}
    ---
    apiVersion: batch/v1
    kind: CronJob
    metadata: {name: cron, namespace: ns}
    spec: {jobTemplate: {spec: {template: {spec: {containers: [{name: a, image: tools}]}}}}}
    ---
    apiVersion: autoscaling/v2
    kind: HorizontalPodAutoscaler
    metadata: {name: scaler, namespace: ns}
    spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: prom}}
    ---
    apiVersion: networking.k8s.io/v1
    kind: NetworkPolicy
    metadata: {name: policy, namespace: ns}
    spec:
      podSelector: {matchLabels: {app: x}}
      ingress: [{from: [{podSelector: {matchLabels: {a: b}}}, {podSelector: {}}]}]
    ---
    apiVersion: monitoring.coreos.com/v1
    kind: Prometheus
    metadata: {name: k8s, namespace: ns}
    spec:
      serviceAccountName: account
      image: tools
      containers: [{name: a, image: tools}]
      volumes: [{name: a, emptyDir: {}}]
      podMetadata: {labels: {a: b}}
"""


def kustomize(folder: Path) -> list[Any]:
    return sorted(load_documents(run("kubectl", "kustomize", str(folder)), "kubectl"), key=_identity)


def _identity(tree: dict[str, Any]) -> tuple[str, ...]:
    metadata = tree["metadata"]
    return tree["apiVersion"], tree["kind"], metadata.get("namespace") or "", metadata["name"]


@cache
def _lines(file: str) -> list[str]:
    return Path(file).read_text(encoding="utf-8").split("\n")


def _places(document: Document, value: Any, path: ValuePath = ()) -> None:
    """Every value has a place in a file that is there."""
    place = document.locate(path)
    line = _lines(place.file)[place.line - 1]
    assert line.strip()
    assert document.line(place.line, path) == line
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        _places(document, item, (*path, key))


def built(folder: Path) -> Intake:
    found = read([str(folder)], str)
    assert not found.unrendered + found.left_out + found.values
    return found


def one(found: Intake, kind: str) -> Document:
    (document,) = (document for document in found.manifests if document.kind == kind)
    return document


# --------------------------------------------------------------------------------------------------- what is built


@pytest.mark.programs
@pytest.mark.parametrize("overlay", sorted(path.parent for path in OVERLAYS.rglob("kustomization.yaml")), ids=str)
def test_our_own_overlays_are_built_as_kustomize_builds_them(overlay: Path):
    found = built(overlay)
    assert sorted((document.tree for document in found.manifests), key=_identity) == kustomize(overlay)


DEPLOYMENT_PATCH = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: prom, namespace: ns}\n"

CASES: dict[str, Files] = {
    "names, labels, images and replicas": {
        "kustomization.yaml": """
            resources: [deployment.yaml, others.yaml]
            namespace: new
            namePrefix: pre-
            nameSuffix: -suf
            commonAnnotations: {an: "1"}
            commonLabels: {sel: "3"}
            labels:
            - pairs: {one: "1"}
            - {pairs: {two: "2"}, includeTemplates: true}
            - {pairs: {app: z}, includeSelectors: true}
            images:
            - {name: "registry:5000/prom/prometheus", newName: prometheus}
            - {name: side/car, newTag: v2, digest: "sha256:bbbb"}
            - {name: tools, newName: "registry:1/tools", newTag: "9"}
            replicas: [{name: prom, count: 3}, {name: set, count: 2}]
        """
    },
    "patches of every form": {
        "kustomization.yaml": """
            resources: [deployment.yaml, others.yaml]
            patches:
            - path: patch.yaml
            - target: {kind: Deployment, name: "pr.*", labelSelector: "app in (x, y),!old,app!=z"}
              patch: |
                kind: Whatever
                metadata: {name: whatever, namespace: whatever}
                spec:
                  template: {spec: {volumes: [{name: cert, emptyDir: {medium: Memory}}, {name: s, $patch: delete}]}}
            - target: {group: apps, version: v1}
              patch: |
                - {op: add, path: /spec/template/spec/containers/-, value: {name: last}}
                - {op: replace, path: /spec/paused, value: true}
            - target: {kind: Deployment, name: prom}
              patch: |-
                - op: remove
                  path: /spec/template/spec/containers/0/args/0
                - {op: move, from: /metadata/labels/app, path: /metadata/labels/a~1b}
                - {op: copy, from: /spec/template/spec/volumes/0, path: /spec/template/spec/volumes/1}
                - {op: test, path: /kind, value: Deployment}
            - target: {kind: StatefulSet}
              options: {allowNameChange: true}
              patch: |
                kind: x
                metadata: {name: renamed}
                spec: {template: {spec: {$patch: replace, containers: [{name: c}]}}}
            - target: {kind: ConfigMap, name: none}
              patch: "{kind: ConfigMap, metadata: {name: none}, data: {a: b}}"
            - patch: |
                $patch: delete
                apiVersion: batch/v1
                kind: CronJob
                metadata: {name: cron, namespace: ns}
            patchesStrategicMerge:
            - custom.yaml
            - |
              apiVersion: v1
              kind: Service
              metadata: {name: service, namespace: ns}
              spec: {ports: [{port: 2}, {port: 1, targetPort: 3}]}
            patchesJson6902:
            - target: {group: apps, version: v1, kind: Deployment, name: prom, namespace: ns}
              path: operations.json
        """,
        "patch.yaml": DEPLOYMENT_PATCH
        + """
spec:
  template:
    metadata: {annotations: {a: null, b: c}}
    spec:
      tolerations: [{key: b}]
      nodeSelector: {a: null}
      initContainers: [{$patch: replace}, {name: new}]
      containers:
      - name: prom
        ports: [{containerPort: 2, hostPort: 5}, {containerPort: 3}]
        volumeMounts: [{name: w, mountPath: /b, readOnly: true}, {name: w, mountPath: /c}]
        env: [{name: E, value: null, valueFrom: {fieldRef: {fieldPath: x}}}, {name: F, value: "2"}]
      volumes: [{name: w, emptyDir: {}}]
""",
        "custom.yaml": """
            apiVersion: monitoring.coreos.com/v1
            kind: Prometheus
            metadata: {name: k8s, namespace: ns}
            spec: {volumes: [{name: b}], containers: [{name: a, env: []}], podMetadata: {annotations: {c: d}}}
        """,
        "operations.json": '[{"op": "add", "path": "/spec/minReadySeconds", "value": 5}]',
    },
    "components, and bases used twice": {
        "kustomization.yaml": """
            resources: [one, two]
            components: [component]
            nameSuffix: -end
        """,
        "one/kustomization.yaml": "resources: [../base]\nnamePrefix: one-\n",
        "two/kustomization.yml": """
            resources: [../base/]
            namePrefix: two-
            patches:
            - patch: '{"apiVersion": "apps/v1", "kind": "Deployment",
                "metadata": {"name": "prom", "namespace": "ns"}, "spec": {"replicas": 7}}'
        """,
        "base/Kustomization": "resources: [deployment.yaml]\n",
        "base/deployment.yaml": DEPLOYMENT,
        "component/kustomization.yaml": """
            apiVersion: kustomize.config.k8s.io/v1alpha1
            kind: Component
            resources: [service.yaml]
            configMapGenerator: [{name: made, literals: [a=b], options: {disableNameSuffixHash: true}}]
            labels: [{pairs: {team: t}, includeSelectors: true}]
            patches:
            - target: {kind: Deployment}
              patch: |
                kind: x
                metadata: {name: x}
                spec: {template: {spec: {volumes: [{name: cert, emptyDir: {medium: Memory}}]}}}
        """,
        "component/service.yaml": """
            apiVersion: v1
            kind: Service
            metadata: {name: service}
            spec: {selector: {a: b}}
        """,
    },
    "generated objects": {
        "kustomization.yaml": """
            resources: [deployment.yaml, base]
            namePrefix: x-
            configMapGenerator:
            - name: made
              namespace: ns
              literals: [k=v, 'q="w x"', "z='1'", "e=", "eq=a=b"]
              files: [data/prometheus.yml, other.txt=data/prometheus.yml, data/binary]
              envs: [data/values.env]
            - {name: config, namespace: ns, behavior: merge, literals: [new=1]}
            - {name: replaced, behavior: replace, literals: [new=1]}
            secretGenerator:
            - name: made
              type: example
              literals: [k=v]
              options: {labels: {own: "1"}, annotations: {b: c}, immutable: true}
            generatorOptions: {disableNameSuffixHash: true, labels: {made: "yes"}}
        """,
        "base/kustomization.yaml": """
            configMapGenerator: [{name: replaced, literals: [old=1], options: {disableNameSuffixHash: true}}]
        """,
        "data/prometheus.yml": "scrape_configs:\n- job_name: a\n",
        "data/binary": b"\x00\xff",
        "data/values.env": '# none\nA=1\n  B= 2 \nC="x"\n\n',
    },
}


@pytest.mark.programs
@pytest.mark.parametrize("case", CASES)
def test_a_kustomization_is_built_as_kustomize_builds_it(project: WriteTree, case: str):
    folder = project({"deployment.yaml": DEPLOYMENT, "others.yaml": OTHERS, **CASES[case]})
    found = read([str(folder)], str).manifests
    assert sorted((document.tree for document in found), key=_identity) == kustomize(folder)
    for document in found:
        _places(document, document.tree)


# ------------------------------------------------------------------------------------------------ what is located


def where(document: Document, *path: str | int) -> str:
    place = document.locate(path)
    return f"{Path(place.file).name}:{place.line}"


PATCHED: Files = {
    "deployment.yaml": DEPLOYMENT,
    "patch.yaml": DEPLOYMENT_PATCH
    + """
spec:
  template:
    spec:
      containers:
      - name: side
        image: new
      - name: own
        args: [b]
      volumes:
      - name: v
        emptyDir: {}
""",
    "kustomization.yaml": """
        resources: [deployment.yaml]
        namespace: ns
        patches:
        - path: patch.yaml
        - target: {kind: Deployment}
          patch: |
            - op: add
              path: /spec/template/metadata/annotations
              value:
                note: here
            - op: replace
              path: /spec/template/spec/containers/2/args/0
              value: c
        commonAnnotations:
          more: there
        images:
        - name: tools
          newTag: v3
        configMapGenerator:
        - name: made
          literals:
          - a=b
          files:
          - prometheus.yml
    """,
    "prometheus.yml": "global: {}\nscrape_configs:\n- job_name: istio\n",
}


def test_each_value_is_located_in_the_file_that_sets_it_last(project: WriteTree):
    deployment = one(built(project(PATCHED)), "Deployment")
    spec: ValuePath = ("spec", "template", "spec")
    names = [container["name"] for container in deployment.get(*spec, "containers")]
    assert names == ["side", "own", "prom"]
    assert deployment.source.endswith("/deployment.yaml")
    for path, place in {
        (): "deployment.yaml:1",
        ("metadata", "name"): "deployment.yaml:3",
        ("metadata", "namespace"): "kustomization.yaml:2",
        (*spec, "containers"): "deployment.yaml:18",
        (*spec, "containers", 0): "deployment.yaml:26",
        (*spec, "containers", 0, "image"): "patch.yaml:10",
        (*spec, "containers", 0, "args"): "deployment.yaml:26",
        (*spec, "containers", 1): "patch.yaml:11",
        (*spec, "containers", 1, "args", 0): "patch.yaml:12",
        (*spec, "containers", 2, "args", 0): "kustomization.yaml:13",
        (*spec, "containers", 2, "volumeMounts", 1, "mountPath"): "deployment.yaml:25",
        (*spec, "volumes", 0, "emptyDir"): "patch.yaml:15",
        (*spec, "volumes", 0, "configMap", "name"): "deployment.yaml:28",
        (*spec, "initContainers", 0, "image"): "kustomization.yaml:17",
        ("spec", "template", "metadata", "annotations", "note"): "kustomization.yaml:10",
        ("spec", "template", "metadata", "annotations", "more"): "kustomization.yaml:15",
        ("spec", "template", "metadata", "labels", "none"): "deployment.yaml:7",
    }.items():
        assert where(deployment, *path) == place, path


def test_yaml_in_a_generated_config_map_is_located_in_the_file_that_it_is_from(project: WriteTree):
    (config_map,) = (document for document in built(project(PATCHED)).manifests if document.name == "made")
    assert where(config_map, "data", "a") == "kustomization.yaml:22"
    assert where(config_map, "data", "prometheus.yml") == "prometheus.yml:1"
    inner = config_map.embedded(("data", "prometheus.yml"))
    assert inner is not None
    assert where(inner, "scrape_configs", 0, "job_name") == "prometheus.yml:3"
    assert inner.line(3) == "- job_name: istio"


def test_yaml_in_a_patched_string_is_located_in_the_patch(project: WriteTree):
    files: Files = {
        "config.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  x: |\n    a: 1\n",
        "kustomization.yaml": """
            resources: [config.yaml]
            patches:
            - patch: |
                apiVersion: v1
                kind: ConfigMap
                metadata: {name: a}
                data:
                  x: |
                    a: 2
        """,
    }
    inner = one(built(project(files)), "ConfigMap").embedded(("data", "x"))
    assert inner is not None
    assert inner.tree == {"a": 2}
    assert inner.locate(("a",))[1:] == (9, 9)
    assert inner.line(9).strip() == "a: 2"


# -------------------------------------------------------------------------------------------- what is not built here


SERVICE = "apiVersion: v1\nkind: Service\nmetadata: {name: a}\n"


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("helmCharts: [{name: x}]", 2, "`helmCharts` is left to kustomize"),
        ("replacements: [{path: x.yaml}]", 2, "`replacements` is left to kustomize"),
        ("labels: [{pairs: {a: b}, fields: [{path: x}]}]", 2, "`fields` of labels are left to kustomize"),
        ("bases: ['https://github.com/a/b?ref=v1']", 2, "it names something that has to be fetched"),
        ("bases: [empty]", 2, "holds no kustomization.yaml"),
        ("bases: [../project]", 2, "it is made of itself"),
        ("patches: [{patch: '{apiVersion: v1, kind: Service, metadata: {name: b}}'}]", 2, "(v1) is for no object"),
        ('patches: [{target: {kind: Service}, patch: \'[{"op": "remove", "path": "/x"}]\'}]', 2, "/x doesn't exist"),
        ("patches:\n- patch: 'a: b: c'", 3, "not valid YAML"),
        ("patches: [{target: {name: '('}, patch: 'kind: x'}]", 2, "no regular expression"),
        ("configMapGenerator: [{name: b, behavior: merge}]", 2, "there is no ConfigMap b to merge"),
    ],
)
def test_what_is_not_built_here_is_told_with_the_command_that_builds_it(
    project: WriteTree, text: str, line: int, reason: str
):
    folder = project({"a.yaml": SERVICE, "empty": None, "kustomization.yaml": f"resources: [a.yaml]\n{text}\n"})
    found = read([str(folder)], str)
    (problem,) = found.unrendered
    assert reason in problem.message
    assert problem.location
    assert problem.location[:2] == (f"{folder}/kustomization.yaml", line)
    command = "kubectl kustomize --enable-helm" if "helm" in text else "kubectl kustomize"
    assert problem.hint == f"build it first: {command} {folder} | sidecert doctor -"
    assert not found.manifests


@pytest.mark.parametrize(
    ("operation", "reason"),
    [
        ("nonsense", "a JSON patch is a list of maps with `op` and `path`"),
        ("{op: replace, path: '', value: 1}", "the JSON patch leaves no object"),
        ("{op: add, path: spec/x, value: 1}", "a JSON patch's `path` must be a string that begins with `/`"),
        ("{op: move, path: /spec/x}", "the operation `move` needs `from`"),
        ("{op: test, path: /kind, value: Pod}", "the test of /kind fails"),
        ("{op: swap, path: /kind}", "a JSON patch's `op` can't be 'swap'"),
    ],
)
def test_a_json_patch_that_cannot_be_made_says_why(project: WriteTree, operation: str, reason: str):
    patches = f"patches:\n- target: {{kind: Service}}\n  patch: |\n    - {operation}\n"
    folder = project({"a.yaml": SERVICE, "kustomization.yaml": f"resources: [a.yaml]\n{patches}"})
    (problem,) = read([str(folder)], str).unrendered
    assert problem.message == f"this kustomization can't be built here: {reason}"


def test_a_kustomization_that_is_no_map_is_refused(project: WriteTree):
    folder = project({"kustomization.yaml": "- a.yaml\n"})
    with pytest.raises(InputError, match="a kustomization is one map"):
        read([str(folder)], str)


def test_the_command_builds_what_was_given_not_the_part_that_cant_be_built(project: WriteTree):
    component = "kind: Component\nreplacements: [{source: {kind: Service}, targets: []}]\n"
    top = "resources: [../a.yaml]\ncomponents: [../part]\n"
    folder = project({"a.yaml": SERVICE, "part/kustomization.yaml": component, "my app/kustomization.yaml": top})
    (problem,) = read([f"{folder}/my app"], str).unrendered
    assert str(problem.location).endswith("/part/kustomization.yaml:2:1")
    assert problem.hint == f"build it first: kubectl kustomize '{folder}/my app' | sidecert doctor -"


def test_a_kustomization_of_templates_has_to_be_rendered(project: WriteTree):
    folder = project({"a.yaml": "a: {{ .Values.x }}\n", "kustomization.yaml": "resources: [a.yaml]\n"})
    (problem,) = read([str(folder)], str).unrendered
    assert "a.yaml:1:4: this is a Helm template" in str(problem)


def test_a_file_that_is_not_there_is_refused_with_the_nearest_name(project: WriteTree):
    folder = project({"service.yaml": SERVICE, "kustomization.yaml": "resources:\n- servise.yaml\n"})
    with pytest.raises(InputError) as caught:
        read([str(folder)], str)
    (problem,) = caught.value.problems
    assert str(problem.location).endswith("kustomization.yaml:2:3")
    assert problem.hint == "did you mean `service.yaml`?"


def _with(tree: Any, path: ValuePath, value: Any) -> Any:
    if not path:
        return value
    copy: Any = dict(tree) if isinstance(tree, dict) else list(tree)
    copy[path[0]] = _with(tree[path[0]], path[1:], value)
    return copy


def _parts(tree: Any, path: ValuePath = ()) -> Iterator[ValuePath]:
    yield path
    for key, item in tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ():
        yield from _parts(item, (*path, key))


@pytest.mark.parametrize("value", [None, 1, "x", [{}], {"x": []}], ids=str)
def test_a_kustomization_with_any_value_anywhere_is_built_or_refused(project: WriteTree, value: object):
    folder = project(PATCHED)
    file = folder / "kustomization.yaml"
    tree: Any = load(file.read_text(), "")
    answers = set()
    for path in _parts(tree):
        file.write_text(block(_with(tree, path, value)))
        try:
            found = read([str(folder)], str)
            answers.add("rendered first" if found.unrendered else "built")
        except InputError:
            answers.add("refused")
    assert answers == {"built", "refused", "rendered first"}


# ------------------------------------------------------------------------------------------- kustomizations in folders


def test_a_folder_of_kustomizations_gives_those_that_no_other_uses(project: WriteTree):
    folder = project(
        {
            "base/kustomization.yaml": "resources: [a.yaml]\n",
            "base/a.yaml": SERVICE,
            "base/left.yaml": SERVICE,
            "base/values.yaml": "a: 1\n",
            "overlays/dev/kustomization.yaml": "resources: [../../base]\nnamePrefix: dev-\npatches: [{path: p.yaml}]\n",
            "overlays/dev/p.yaml": SERVICE + "spec: {type: ClusterIP}\n",
            "overlays/prod/kustomization.yaml": "resources: [../../base]\ncomponents: [../../c]\nnamePrefix: prod-\n",
            "c/kustomization.yaml": "kind: Component\nnameSuffix: -c\n",
            "unused/kustomization.yaml": "kind: Component\nnameSuffix: -u\n",
            "plain/b.yaml": SERVICE,
        }
    )
    found = read([str(folder)], str)
    assert sorted(document.name for document in found.manifests) == ["a", "dev-a", "prod-a-c"]
    assert [problem.message for problem in found.left_out] == [
        "no kustomization here uses this component",
        "the kustomization beside it doesn't use Service a",
    ]
    assert len(found.values) == 1


def test_the_name_of_the_kustomization_file_stands_for_its_folder_alone(project: WriteTree):
    folder = project({"kustomization.yaml": "resources: [a.yaml]\n", "a.yaml": SERVICE, "b/b.yaml": SERVICE})
    assert len(read([str(folder / "kustomization.yaml")], str).manifests) == 1
    assert len(read([str(folder)], str).manifests) == 2


def test_a_patch_that_is_named_itself_is_read_as_what_it_is(project: WriteTree):
    folder = project(PATCHED)
    assert [document.kind for document in read([str(folder / "patch.yaml")], str).manifests] == ["Deployment"]
