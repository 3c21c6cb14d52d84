"""What a Prometheus is too old for."""

from __future__ import annotations

import pytest

from generator.doctor.rules.examples import CONFIGURATION, OPERATOR, PLAIN, but
from generator.doctor.rules.spoiling import ANNOTATIONS, HOLD
from tests.doctor.helpers import ids, only, repaired

IMAGE = "quay.io/prometheus/prometheus:v3.14.0"


def advice(text: str) -> str:
    """What `prometheus-too-old` says to do, where it has no edits."""
    fix = only(text, "prometheus-too-old").fix
    assert fix is not None
    assert fix.edits == ()
    return fix.says


@pytest.mark.parametrize(
    ("version", "why"),
    [
        ("v2.8.1", "reads certificate files once"),
        ("v2.9.0", ""),
        ("v2.20.1", ""),
        ("v2.21.0", "reset"),
        ("v2.28.1", "reset"),
        ("v2.29.0", ""),
        ("v3.14.0-distroless", ""),
        ("latest", ""),
        ("main", ""),
    ],
)
def test_versions_that_cannot_scrape_over_mutual_tls(version, why):
    text = but(PLAIN, (IMAGE, f"prom/prometheus:{version}"))
    if not why:
        assert ids(text) == []
        return
    finding = only(text, "prometheus-too-old")
    assert why in finding.found
    assert finding.severity == "error"
    after = repaired(text, finding)
    assert "image: prom/prometheus:v2.55.1" in after
    assert ids(after) == []


def test_the_version_of_an_operators_resource_is_raised():
    text = but(OPERATOR, ("version: v3.14.0", "version: 2.26.0"))
    assert only(text, "prometheus-too-old").path == ("spec", "version")


@pytest.mark.parametrize(("version", "tag"), [("2.26.0", "v2.26.0"), ("v2.26.0", "v2.26.0"), ("v2.41.0", "v2.26.0")])
def test_a_version_and_an_image_are_raised_together_the_version_as_it_is_spelt(version, tag):
    image = "quay.io/prometheus/prometheus"
    text = but(OPERATOR, ("version: v3.14.0", f"version: {version}\n  image: {image}:{tag}"))
    finding = only(text, "prometheus-too-old")
    assert finding.path == ("spec", "image")
    after = repaired(text, finding)
    assert f"version: {'v' * version.startswith('v')}2.55.1\n" in after
    assert f"image: {image}:v2.55.1\n" in after
    assert ids(after) == []


@pytest.mark.parametrize("image", ["@sha256:00", ":stable", ""])
def test_a_version_is_not_raised_above_an_image_that_stays(image):
    text = but(OPERATOR, ("version: v3.14.0", f"version: v2.26.0\n  image: example.com/prometheus{image}"))
    assert advice(text) == "update Prometheus to 2.29 or later, such as v2.55.1"


def test_without_certificates_an_old_prometheus_is_a_warning():
    plain = but(PLAIN, (IMAGE, "prom/prometheus:v2.26.0"), (ANNOTATIONS, "")).replace("istio-workload-certs", "x")
    assert only(plain, "prometheus-too-old").severity == "warning"
    assert only(f"{plain}---\n{CONFIGURATION}", "prometheus-too-old").severity == "error"


def test_a_digest_is_not_replaced():
    text = but(PLAIN, (IMAGE, "prom/prometheus:v2.26.0@sha256:00"))
    assert advice(text) == "update Prometheus to 2.29 or later, such as v2.55.1"


BY_HAND = "update Prometheus to 2.29 or later, with its flags, rules and data, which 2.0 changed"


def test_1_x_is_left_to_the_user_who_knows_its_flags_rules_and_data():
    assert advice(but(PLAIN, (IMAGE, "prom/prometheus:v1.8.2"))) == BY_HAND
    text = but(OPERATOR, ("version: v3.14.0", "image: quay.io/prometheus/prometheus:v1.2.3"))
    assert advice(text) == BY_HAND


@pytest.mark.parametrize("flag", ["-config.file=/etc/prometheus/prometheus.yml", "--storage.local.path=/prometheus"])
def test_flags_of_1_x_are_left_to_the_user_whatever_the_image_says(flag):
    text = but(PLAIN, (IMAGE, "prom/prometheus:v2.1.0"))
    old = "--config.file=/etc/prometheus/prometheus.yml"
    assert advice(but(text, (old, flag))) == BY_HAND
    shell = f"args: [-c, 'exec prometheus {flag}']\n        command: [sh]"
    assert advice(but(text, (f"args:\n        - {old}", shell))) == BY_HAND


@pytest.mark.parametrize(
    "image",
    [
        "bitnami/prometheus:2.26.0-debian-10-r3",
        "bitnami/prometheus:2.26.0",
        "openshift/prometheus:v2.2.1",
        "registry.example.com/prometheus:v2.26.0",
        "registry.example.com/our-prom/prometheus:v2.26.0",
        "registry.example.com/prom/prometheus:v2.26.0-patch1",
        "registry.example.com/prom/prometheus:2.26.0",
    ],
)
def test_no_tag_is_made_up_for_an_image_of_others(image):
    advised = "update Prometheus to 2.29 or later, to a tag that this image has"
    assert advice(but(PLAIN, (IMAGE, image))) == advised
    assert advice(but(OPERATOR, ("version: v3.14.0", f"version: v2.26.0\n  image: {image}"))) == advised


@pytest.mark.parametrize(
    "name", ["registry.example.com:5000/prom/prometheus", "mirror.example.com/q/prometheus/prometheus"]
)
def test_a_mirror_of_the_projects_image_has_its_tags(name):
    text = but(PLAIN, (IMAGE, f"{name}:v2.26.0"))
    assert f"image: {name}:v2.55.1\n" in repaired(text, only(text, "prometheus-too-old"))


def test_no_version_is_made_up_for_a_base_image_of_others():
    text = but(OPERATOR, ("version: v3.14.0", "version: v2.26.0\n  baseImage: example.com/prometheus-custom"))
    assert advice(text) == "update Prometheus to 2.29 or later, such as v2.55.1"


def test_an_image_of_somebody_elses_may_have_versions_of_its_own():
    assert ids(but(PLAIN, (IMAGE, "registry.example.com/prometheus:1.4.2"))) == []
    assert ids(but(PLAIN, (IMAGE, "registry.example.com/prometheus:2.26.0"))) == ["prometheus-too-old"]


def test_vmagent_has_versions_of_its_own():
    text = but(PLAIN, (IMAGE, "victoriametrics/vmagent:v1.79.0"), (HOLD, HOLD))
    assert "prometheus-too-old" not in ids(text.replace("--config.file", "-promscrape.config"))
