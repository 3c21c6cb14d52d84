"""HTTP/2 towards applications that don't speak it: what switches it off, and what is left out."""

from __future__ import annotations

import pytest

from generator.doctor.rules.examples import OPERATOR, PLAIN, WORKLOAD_AND_CONFIGURATION, but
from tests.doctor.helpers import ids, only, repaired

NO_SETTING = ("      enable_http2: false\n", "")
OFF = ("    enableHttp2: false\n", "")


def told(text: str) -> bool:
    return "http2-not-off" in ids(text)


def with_variable(text: str, version: str, value: str = '"1"') -> str:
    env = f"        env:\n        - name: PROMETHEUS_COMMON_DISABLE_HTTP2\n          value: {value}\n"
    return but(text, ("        args:\n", f"{env}        args:\n"), ("prometheus:v3.14.0", f"prometheus:{version}"))


@pytest.mark.parametrize(
    ("version", "value", "expected"),
    [
        ("v2.31.0", '"1"', False),
        ("v2.34.0", "disabled", False),
        ("v2.34.0", '""', True),
        ("v2.35.0", '"1"', True),
        ("v2.34.0", '"false"', False),
    ],
)
def test_the_variable_switches_it_off_from_2_31_to_2_34_whatever_its_value(version, value, expected):
    assert told(with_variable(but(WORKLOAD_AND_CONFIGURATION, NO_SETTING), version, value)) is expected


def test_an_operators_container_has_the_variable_too():
    containers = "  containers:\n  - name: prometheus\n    env:\n    - name: PROMETHEUS_COMMON_DISABLE_HTTP2\n"
    text = but(OPERATOR, OFF, ("  version: v3.14.0\n", f"  version: v2.34.0\n{containers}      value: '1'\n"))
    assert not told(text)
    assert told(text.replace("_DISABLE_", "_ENABLE_"))


@pytest.mark.parametrize(("version", "tag"), [("v2.34.0", "v2.55.1"), ("2.30.0", "v3.14.0")])
def test_the_operator_leaves_the_setting_out_for_an_old_version_whatever_the_image(version, tag):
    text = but(OPERATOR, ("version: v3.14.0", f"version: {version}\n  image: quay.io/prometheus/prometheus:{tag}"))
    finding = only(text, "http2-not-off")
    assert finding.found.endswith(f"leaves out enableHttp2 for version {version}")
    after = repaired(text, finding)
    assert f"version: {tag.removeprefix('v') if version[0] != 'v' else tag}\n" in after
    assert ids(after) == []


def test_where_the_setting_is_missing_too_the_version_alone_would_not_do():
    image = "  image: quay.io/prometheus/prometheus:v3.14.0\n"
    text = but(OPERATOR, OFF, ("  version: v3.14.0\n", f"  version: v2.34.0\n{image}"))
    finding = only(text, "http2-not-off")
    assert finding.fix is not None
    assert finding.fix.says == "switch it off, and state the version of the image, v3.14.0"
    assert ids(repaired(text, finding)) == []


def test_an_old_prometheus_gets_no_version_that_its_image_is_not_of():
    finding = only(but(OPERATOR, ("version: v3.14.0", "version: v2.32.0")), "http2-not-off")
    assert finding.fix is not None
    assert finding.fix.edits == ()
    assert "update Prometheus to 2.35" in finding.fix.says


def test_before_2_31_nothing_is_told():
    assert not told(but(OPERATOR, ("version: v3.14.0", "version: v2.30.0")))
    assert not told(PLAIN)
