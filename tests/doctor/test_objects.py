"""Objects without the fields that say what they are."""

from __future__ import annotations

import pytest

from tests.doctor.helpers import diagnose, ids, only, repaired


def of(first: str, kind: str = "kind: ConfigMap") -> str:
    return f"{first}{kind}\nmetadata:\n  name: a\n"


@pytest.mark.parametrize(
    ("kind", "version"),
    [
        ("ConfigMap", "v1"),
        ("DaemonSet", "apps/v1"),
        ("ServiceMonitor", "monitoring.coreos.com/v1"),
        ("ScrapeConfig", "monitoring.coreos.com/v1alpha1"),
        ("PeerAuthentication", "security.istio.io/v1"),
    ],
)
def test_a_version_that_is_missing_is_put_in(kind, version):
    finding = only(of("", f"kind: {kind}"), "object-without-api-version")
    assert (finding.severity, finding.path) == ("error", ("kind",))
    assert finding.fix is not None
    assert (finding.found, finding.fix.says) == ("apiVersion is missing", f"it is {version}, mostly")
    after = repaired(of("", f"kind: {kind}"), finding)
    assert f"apiVersion: {version}\n" in after
    assert "object-without-api-version" not in ids(after)


def test_before_istio_1_22_its_policies_have_an_older_one():
    finding = only(of("", "kind: PeerAuthentication"), "object-without-api-version", istio=(1, 21, 0))
    assert "apiVersion: security.istio.io/v1beta1\n" in repaired(of("", "kind: PeerAuthentication"), finding)


def test_an_empty_one_is_missing_too():
    assert only(of("apiVersion:\n"), "object-without-api-version").path == ("apiVersion",)


def test_other_kinds_may_be_no_objects():
    assert ids(of("", "kind: pipeline")) == []


@pytest.mark.parametrize(
    "text", [of("iVersion: v1\n"), of("apiversion: v1\n"), of("apiVersion: v1\n", "Kind: ConfigMap")]
)
def test_a_misspelt_one_is_an_error_told_once(text):
    [finding] = diagnose(text)
    assert (finding.rule.id, finding.severity) == ("unknown-field", "error")
    assert diagnose(repaired(text, finding)) == []


def test_a_misspelt_field_further_in_stays_a_warning():
    text = "apiVersion: v1\nkind: Service\nmetadata:\n  name: a\n  ownerReferences:\n  - {apiversion: v1, name: b}\n"
    assert [(one.rule.id, one.severity) for one in diagnose(text)] == [("unknown-field", "warning")]
