"""The rules on jobs, monitors and fields over our own output, public manifests, and manifests with odd values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import generator.doctor.rules  # noqa: F401  # registers them
from generator.doctor import RULES, Finding, examine
from generator.intake.document import documents_of
from generator.monitoring import assemble
from generator.yaml import block, load
from tests.doctor.scraping import MODULES, mine
from tests.edits import edited_trees

MY_RULES = [rule.id for rule in RULES.values() if rule.check.__module__.rpartition(".")[2] in MODULES]
ROOT = Path(__file__).parents[2]
OUTPUT = ROOT / "output" / "manifests"
CORPUS = ROOT.parent / "shared" / "corpus"


def judged(text: str, source: str) -> list[Finding]:
    documents = documents_of(text, source)
    objects = [one for one in documents if one.kind]
    return list(examine(assemble(objects, [one for one in documents if not one.kind]), MY_RULES).findings)


@pytest.mark.parametrize("folder", sorted({str(path.parent.relative_to(OUTPUT)) for path in OUTPUT.rglob("*.yaml")}))
@pytest.mark.parametrize("istio", [(1, 30, 3), (1, 31)])
def test_our_own_output_has_no_fault_here(folder, istio):
    files = sorted((OUTPUT / folder).glob("*.yaml"))
    text = "---\n".join(file.read_text() for file in files if file.name != "kustomization.yaml")
    assert mine(text, istio=istio) == []


#: What is wrong with public manifests, and where: information left out. Every other one has nothing.
FOUND: dict[str, list[tuple[str, int]]] = {
    "fluxcd__flagger__istio-prometheus": [("https-to-merged", 312)],
    "istio__installer__istio-prometheus.gen": [("https-to-merged", 266)],
    "verrazzano__verrazzano__prometheus_configmap": [("object-without-name", 744), ("https-to-merged", 258)],
    "verrazzano__verrazzano__prometheus_deployment": [("object-without-name", 18)],
    "prometheus-operator__prometheus-operator__scrapeclass-example-definition": [
        ("object-without-name", 2),
        ("scrape-class-default", 7),
    ],
    "prometheus-operator__prometheus-operator__scrapeclass-example-podmonitor": [("object-without-name", 2)],
}


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the public manifests are not here")
@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in sorted(CORPUS.glob("*/*.yaml"))])
def test_public_manifests_have_the_faults_that_they_have_and_no_other(path):
    with path.open(newline="") as file:
        found = [one for one in judged(file.read(), path.name) if one.severity != "info"]
    assert [(one.rule.id, one.location.line) for one in found] == FOUND.get(path.stem, [])


VALUES = """\
server:
  podLabels:
    sidecar.istio.io/inject: "true"
  podAnnotations:
    proxy.istio.io/config: |
      proxyMetadata:
        OUTPUT_CERTS: /etc/istio-output-certs
    sidecar.istio.io/userVolumeMount: '{"certs":{"mountPath":"/etc/istio-output-certs"}}'
  extraVolumes:
  - name: certs
    emptyDir:
      medium: Memory
  extraVolumeMounts:
  - name: certs
    mountPath: /etc/prom-certs
scrapeConfigs:
  kubernetes-pods:
    enable_http2: false
    tls_config:
      ca_file: /etc/prom-certs/root-cert.pem
      cert_file: /etc/prom-certs/cert-chain.pem
      key_file: /etc/prom-certs/key.pem
      insecure_skip_verify: true
"""


def test_a_job_of_the_charts_own_takes_its_scheme_from_an_annotation():
    assert judged(VALUES, "values.yaml") == []


def test_relabelling_of_the_charts_own_is_not_replaced_by_a_fix():
    text = VALUES.replace("    enable_http2: false\n", "    enable_http2: false\n    scheme: https\n")
    found = judged(text, "values.yaml")
    assert [one.rule.id for one in found] == ["https-to-merged"]
    assert found[0].fix is not None
    assert not found[0].fix.edits
    assert "action: drop" in found[0].fix.text


# ---------------------------------------------------------------------------------------------------------- odd values

_ODD: st.SearchStrategy[Any] = st.sampled_from(
    [None, [], {}, "", "x", 0, True, ["a"], [None], [[]], {"a": None}, [{"name": "a"}], 3.5]
)
_EXAMPLES = [
    [document.tree for document in documents_of(rule.wrong, "a.yaml")] for rule in RULES.values() if rule.id in MY_RULES
]


def _paths(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a tree but its root."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return [one for key, value in items for one in ((*path, key), *_paths(value, (*path, key)))]


def _with(tree: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    copy = tree.copy()
    copy[path[0]] = _with(copy[path[0]], path[1:], value)
    return copy


@st.composite
def _spoilt(draw: st.DrawFn) -> str:
    """An example of a rule, one value of which is something odd; in a configuration as often as around it."""
    trees = list(draw(st.sampled_from(_EXAMPLES)))
    index = draw(st.integers(0, len(trees) - 1))
    tree = trees[index]
    place = ("data", "prometheus.yml")
    if tree["kind"] == "ConfigMap" and draw(st.booleans()):
        inner: Any = load(tree["data"]["prometheus.yml"], "prometheus.yml")
        inner = _with(inner, draw(st.sampled_from(_paths(inner))), draw(_ODD))
        trees[index] = _with(tree, place, block(inner, sort_keys=False) + "\n")
    else:
        trees[index] = _with(tree, draw(st.sampled_from(_paths(tree))), draw(_ODD))
    return "---\n".join(block(one, sort_keys=False) + "\n" for one in trees)


@settings(max_examples=60, deadline=None)
@given(_spoilt())
def test_no_odd_value_stops_a_rule(text: str):
    for finding in judged(text, "a.yaml"):
        assert finding.location.line
        if finding.fix is not None:
            assert isinstance(finding.fix.text, str)
            edited_trees(finding.fix.edits)
