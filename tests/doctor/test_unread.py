"""What files hold that can't be read, or isn't there yet, is told."""

from __future__ import annotations

import pytest

from generator.doctor import examine
from generator.doctor.rules.examples import OPERATOR, PLAIN, but
from generator.intake import read
from generator.monitoring import Settings, assemble
from tests.doctor.helpers import diagnosis, ids

IMAGE = "quay.io/prometheus/prometheus:v3.14.0"
NAMESPACE = "  namespace: monitoring\n"


def told(text: str) -> list[str]:
    return [
        f"{one.location}: {one.message} | {one.hint}" for one in diagnosis(text).unjudged if "filled in" in one.message
    ]


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("  name: prometheus\n" + NAMESPACE, "  name: ${NAME}\n" + NAMESPACE, "4:3: ${NAME}"),
        (NAMESPACE, "  namespace: ${ns:-monitoring}\n", "5:3: ${ns:-monitoring}"),
        (IMAGE, "${REGISTRY}/prometheus:v3.14.0", "${REGISTRY}"),
        (IMAGE, "prom/prometheus:${TAG}", "${TAG}"),
    ],
)
def test_a_placeholder_for_a_name_or_an_image_is_told_and_the_rest_judged(old, new, found):
    text = but(PLAIN, (old, new))
    [note] = told(text)
    assert found in note
    assert note.endswith("give what comes of it: envsubst < test.yaml | sidecert doctor -")
    assert ids(text) == []


def test_a_dollar_in_a_value_is_no_placeholder():
    assert told(but(PLAIN, ("--config.file=", "--web.external-url=${URL}\n        - --config.file="))) == []
    assert told(OPERATOR) == []


def test_what_a_kustomization_builds_is_filled_in_after_it(tmp_path):
    (tmp_path / "a.yaml").write_text(but(OPERATOR, ("  name: main\n", "  name: ${NAME}\n")))
    (tmp_path / "kustomization.yaml").write_text("resources: [a.yaml]\n")
    intake = read([str(tmp_path)], lambda: "")
    [note] = [one for one in examine(assemble(intake.manifests, (), Settings())).unjudged if "filled in" in one.message]
    assert note.hint == f"give what comes of it: kubectl kustomize {tmp_path} | envsubst | sidecert doctor -"
