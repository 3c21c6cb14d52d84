"""Whether the webhook injects a pod, and by which word."""

from __future__ import annotations

from typing import Any

import pytest

from generator.injection import Injection, Mesh, inject
from tests.injection.pods import pod

INJECT = "sidecar.istio.io/inject"


def decided(tree: dict[str, Any], namespace: str = "monitoring", **mesh: Any) -> Injection:
    return inject(tree, namespace, Mesh(**mesh))


def answer(injection: Injection) -> tuple[bool, bool]:
    return injection.injected, injection.certain


def test_the_label_true_injects_in_a_namespace_that_is_not_known():
    found = decided(pod(labels={INJECT: "true"}))
    assert answer(found) == (True, True)
    assert found.reason == 'label sidecar.istio.io/inject is "true"'


def test_the_label_false_beats_the_annotation_true():
    found = decided(pod({INJECT: "true"}, {INJECT: "false"}), namespace_injection=True)
    assert answer(found) == (False, True)
    assert found.reason == 'label sidecar.istio.io/inject is "false"'


def test_the_label_true_beats_the_annotation_false_since_1_12():
    tree = pod({INJECT: "false"}, {INJECT: "true"})
    assert answer(decided(tree, istio_version=(1, 12))) == (True, True)
    before = decided(tree, istio_version=(1, 11))
    assert answer(before) == (False, True)
    assert before.reason == 'annotation sidecar.istio.io/inject is "false"'


def test_the_annotation_alone_counts_only_in_a_labelled_namespace():
    found = decided(pod({INJECT: "true"}))
    assert answer(found) == (True, False)
    assert "counts only in a namespace with an injection label" in found.reason
    assert answer(decided(pod({INJECT: "true"}), namespace_injection=True)) == (True, True)


def test_the_annotation_false_is_enough_wherever_the_pod_runs():
    assert answer(decided(pod({INJECT: "false"}))) == (False, True)
    assert answer(decided(pod({INJECT: "false"}), namespace_injection=True)) == (False, True)


def test_a_pod_without_a_word_hangs_on_the_namespace():
    assert answer(decided(pod())) == (False, False)
    assert answer(decided(pod(), namespace_injection=True)) == (True, True)
    assert answer(decided(pod(), namespace_revision="canary")) == (True, True)
    assert answer(decided(pod(), namespace_injection=False)) == (False, True)


def test_a_pod_with_parts_for_a_sidecar_is_taken_to_be_injected_but_not_for_sure():
    found = decided(pod({"sidecar.istio.io/userVolumeMount": "{}"}))
    assert answer(found) == (True, False)
    assert "sidecar.istio.io/userVolumeMount" in found.reason
    automatic = [{"name": "istio-proxy", "image": "auto"}]
    assert answer(decided(pod(containers=automatic))) == (True, False)


def test_a_proxy_written_by_hand_is_no_sign_of_injection():
    assert answer(decided(pod(containers=[{"name": "istio-proxy", "image": "istio/proxyv2:1.30.0"}]))) == (False, False)


def test_a_namespace_that_says_disabled_beats_the_pods_label():
    found = decided(pod(labels={INJECT: "true"}), namespace_injection=False)
    assert answer(found) == (False, True)
    assert found.reason == "the namespace has label istio-injection: disabled"


@pytest.mark.parametrize("word", ["yes", "True", "on"])
def test_other_words_for_true_call_no_webhook_but_dont_object_either(word):
    assert answer(decided(pod(labels={INJECT: word}))) == (True, False)
    assert answer(decided(pod(labels={INJECT: word}), namespace_injection=True)) == (True, True)


@pytest.mark.parametrize("word", ["no", "False", "disabled"])
def test_any_other_word_is_an_objection(word):
    assert answer(decided(pod(labels={INJECT: word}), namespace_injection=True)) == (False, True)


def test_the_label_of_a_revision_injects_by_that_revision():
    found = decided(pod(labels={"istio.io/rev": "canary"}))
    assert answer(found) == (True, True)
    assert found.reason == 'label istio.io/rev is "canary"'
    assert '"revision":"canary"' in found.pod["metadata"]["annotations"]["sidecar.istio.io/status"]


def test_before_1_9_only_the_namespaces_label_calls_the_webhook():
    assert answer(decided(pod(labels={INJECT: "true"}), istio_version=(1, 8))) == (False, False)
    assert answer(decided(pod(labels={INJECT: "false"}), istio_version=(1, 8), namespace_injection=True)) == (
        True,
        True,
    )


def test_a_pod_on_the_hosts_network_is_not_injected():
    found = decided(pod(labels={INJECT: "true"}, hostNetwork=True))
    assert answer(found) == (False, True)
    assert "hostNetwork" in found.reason


@pytest.mark.parametrize("namespace", ["kube-system", "kube-public", "kube-node-lease", "local-path-storage"])
def test_namespaces_of_the_system_are_left_alone(namespace):
    assert answer(decided(pod(labels={INJECT: "true"}), namespace)) == (False, True)


def test_an_injected_pod_counts_as_injected_and_stays_as_it_is():
    tree = pod({"sidecar.istio.io/status": "{}", INJECT: "false"}, hostNetwork=True)
    found = decided(tree)
    assert answer(found) == (True, True)
    assert found.pod == tree


def test_a_template_of_the_meshs_own_is_not_judged():
    found = decided(pod({"inject.istio.io/templates": "sidecar,ours"}, {INJECT: "true"}))
    assert answer(found) == (True, False)
    assert "template ours" in found.reason
    assert found.pod["spec"]["initContainers"]  # what is known of it is done


def test_a_label_that_is_no_string_is_refused_by_kubernetes_and_read_as_it_looks():
    found = decided(pod(labels={INJECT: True}))
    assert answer(found) == (True, True)
    assert found.refused == ('label sidecar.istio.io/inject is no string: write "true" in quotes',)
