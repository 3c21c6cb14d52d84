"""Which Prometheus takes up which monitor, and what selectors fit."""

from __future__ import annotations

import pytest

from generator.doctor.rules.examples import OPERATOR, PLAIN, WEB, but
from generator.doctor.rules.mesh import DISABLE, SIDECAR
from generator.doctor.rules.selection import is_slip
from tests.doctor.helpers import diagnose, ids, only, repaired
from tests.doctor.meshing import mine, of_namespace

SELECTS = "  podMonitorSelector: {}\n"
MONITOR = "kind: PodMonitor\nmetadata:\n  name: web\n  namespace: monitoring\n"
IN_SHOP = (MONITOR, MONITOR.replace("monitoring", "shop"))
BY_LABEL = (SELECTS, "  podMonitorSelector:\n    matchLabels:\n      team: web\n")
SPACES = "  podMonitorNamespaceSelector: "


# ---------------------------------------------------------------------------------------------------------- monitors


@pytest.mark.parametrize(
    ("changes", "severity", "says"),
    [
        ((BY_LABEL,), "warning", "wants team: web"),
        (((SELECTS, ""),), "warning", "has no podMonitorSelector"),
        (((SELECTS, "  podMonitorSelector:\n"),), "warning", "has no podMonitorSelector"),
        ((IN_SHOP,), "warning", "its own namespace alone, and this one is in shop"),
        ((IN_SHOP, ("  scrapeClass: istio-mtls\n", "")), "info", "its own namespace alone"),
        (
            (IN_SHOP, (SELECTS, f"{SELECTS}{SPACES}{{matchLabels: {{kubernetes.io/metadata.name: web}}}}\n")),
            "warning",
            "other",
        ),
        (
            (
                (
                    SELECTS,
                    "  podMonitorSelector:\n    matchExpressions:\n    - {key: team, operator: In, values: [a]}\n",
                ),
            ),
            "warning",
            "wants other labels",
        ),
    ],
)
def test_a_monitor_that_nobody_takes_up_is_told(changes, severity, says):
    text = but(OPERATOR, *changes)
    found = only(text, "monitor-not-selected")
    assert (found.severity, found.resource.split()[0]) == (severity, "PodMonitor")
    assert says in found.found


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(but(OPERATOR, BY_LABEL, (MONITOR, f"{MONITOR}  labels: {{team: web}}\n")), id="labels"),
        pytest.param(but(OPERATOR, IN_SHOP, (SELECTS, f"{SELECTS}{SPACES}{{}}\n")), id="all namespaces"),
        pytest.param(but(OPERATOR, IN_SHOP, (SELECTS, f"{SELECTS}{SPACES}{{matchLabels: {{a: b}}}}\n")), id="unknown"),
        pytest.param(
            of_namespace("shop", "a: b")
            + but(OPERATOR, IN_SHOP, (SELECTS, f"{SELECTS}{SPACES}{{matchLabels: {{a: b}}}}\n")),
            id="its namespace",
        ),
        pytest.param(but(OPERATOR, (MONITOR, "kind: PodMonitor\nmetadata:\n  name: web\n")), id="no namespace said"),
        pytest.param(OPERATOR.partition("---\n")[2], id="no Prometheus here"),
        pytest.param(
            but(OPERATOR, BY_LABEL)
            + "---\napiVersion: monitoring.coreos.com/v1\nkind: Prometheus\nmetadata:\n  name: b\n"
            "  namespace: monitoring\nspec:\n  podMonitorSelector: {}\n",
            id="another takes it",
        ),
        pytest.param(
            but(OPERATOR, BY_LABEL)
            + "---\napiVersion: operator.victoriametrics.com/v1beta1\nkind: VMAgent\nmetadata:\n  name: b\n"
            "  namespace: monitoring\nspec: {}\n",
            id="another operator's",
        ),
    ],
)
def test_monitors_that_somebody_may_take_up_are_let_be(text):
    assert "monitor-not-selected" not in mine(text)


def test_a_namespace_with_other_labels_is_left_out():
    text = of_namespace("shop") + but(OPERATOR, IN_SHOP, (SELECTS, f"{SELECTS}{SPACES}{{matchLabels: {{a: b}}}}\n"))
    assert mine(text) == ["monitor-not-selected"]


def test_the_labels_are_given_to_the_monitor():
    text = but(OPERATOR, BY_LABEL)
    assert mine(repaired(text, only(text, "monitor-not-selected"))) == []


# ---------------------------------------------------------------------------------------------------------- selectors


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("web", "wbe", True),
        ("frontend", "frontends", True),
        ("frontend", "fronted", True),
        ("Frontend", "frontend", True),
        ("pay-ment", "pay.ment", True),
        ("web", "api", False),
        ("reviews-v1", "reviews-v2", False),
        ("reviews-v1", "reviews", False),
        ("shop-blue", "shop-green", False),
        ("frontend-a", "frontend-b", False),
        ("prometheus", "prometheus-server", False),
    ],
)
def test_a_slip_is_a_matter_of_letters(one, other, expected):
    assert is_slip(one, other) is expected
    assert is_slip(other, one) is expected


def selecting(labels: str) -> str:
    return but(OPERATOR, ("    matchLabels:\n      app: web\n", f"    matchLabels: {{{labels}}}\n")) + WEB


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        ("app: web", 0),
        ("app: wbe", 1),
        ("app: shop", 0),
        ("app.kubernetes.io/name: web", 1),
        ("app: wbe, tier: front", 0),
        ("tier: web", 0),
    ],
)
def test_one_slip_is_told_where_nothing_fits(labels, told):
    text = selecting(labels)
    assert mine(text).count("selector-nearly-fits") == told
    if told:
        assert mine(repaired(text, only(text, "selector-nearly-fits"))) == []


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(selecting("app: wbe") + WEB.replace("web", "wbe"), id="it fits another"),
        pytest.param(selecting("app: wbe") + WEB.replace("web", "ewb"), id="two are near"),
        pytest.param(
            selecting("app: wbe").replace(
                "  namespace: monitoring\nspec:\n  selector:\n    matchLabels:\n      app: web\n  template",
                "spec:\n  template",
            ),
            id="no namespace",
        ),
        pytest.param(
            but(selecting("app: wbe"), ("  podMetrics", "  namespaceSelector: {matchNames: [shop]}\n  podMetrics")),
            id="elsewhere",
        ),
    ],
)
def test_what_is_not_plain_is_not_told(text):
    assert "selector-nearly-fits" not in mine(text)


def test_services_are_compared_by_their_own_labels_and_select_pods():
    service = (
        "---\napiVersion: v1\nkind: Service\nmetadata:\n  name: web\n  namespace: monitoring\n  labels:\n    app: {}\n"
        "spec:\n  selector:\n    app: {}\n  ports:\n  - name: http-metrics\n    port: 80\n"
    )
    monitor = but(OPERATOR, ("kind: PodMonitor", "kind: ServiceMonitor"), ("podMetricsEndpoints", "endpoints")) + WEB
    assert mine(monitor + service.format("web", "web")) == []
    assert only(monitor + service.format("wbe", "web"), "selector-nearly-fits").document.kind == "ServiceMonitor"
    assert only(monitor + service.format("web", "wbe"), "selector-nearly-fits").document.kind == "Service"


# ----------------------------------------------------------------------------------------- resources of the mesh

_LABELS = "  workloadSelector:\n    labels:\n"
_MATCHES = "  selector:\n    matchLabels:\n"
_DEEP = "    selector:\n      matchLabels:\n        app: prometheus\n"


@pytest.mark.parametrize(
    ("resource", "wrong"),
    [
        (SIDECAR, (_LABELS, "  selector:\n    matchLabels:\n")),
        (SIDECAR, (_LABELS, "  selector:\n    labels:\n")),
        (SIDECAR, (_LABELS, "  workloadSelector:\n    matchLabels:\n")),
        (DISABLE, (_MATCHES, "  workloadSelector:\n    labels:\n")),
        (DISABLE, (_MATCHES, "  selector:\n    labels:\n")),
    ],
)
def test_the_other_kinds_selector_is_an_error(resource, wrong):
    text = PLAIN + but(resource, wrong)
    found = only(text, "mesh-selector-misspelt")
    assert found.severity == "error"
    assert mine(text) == ["mesh-selector-misspelt"]
    after = repaired(text, found)
    assert [one.rule.id for one in diagnose(after)] == []


_OWN = "      app: prometheus\n"


@pytest.mark.parametrize(
    ("resource", "says"),
    [
        (
            but(DISABLE, (_MATCHES + _OWN, ""), ("    mode: DISABLE\n", f"    mode: DISABLE\n{_DEEP}")),
            "selector.matchLabels stands in spec.mtls; a PeerAuthentication selects by selector.matchLabels in spec",
        ),
        (
            but(SIDECAR, (_LABELS + _OWN, "")) + "    workloadSelector:\n      labels:\n        app: prometheus\n",
            "workloadSelector.labels stands in spec.egress[0]; a Sidecar selects by workloadSelector.labels in spec",
        ),
        (
            but(DISABLE, (_MATCHES + _OWN, "")) + "selector:\n  matchLabels:\n    app: prometheus\n",
            "selector.matchLabels stands beside spec; a PeerAuthentication selects by selector.matchLabels in spec",
        ),
    ],
)
def test_a_selector_in_the_wrong_place_is_told_once_and_moved(resource, says):
    text = PLAIN + resource
    found = only(text, "mesh-selector-misspelt")
    assert found.found == says
    assert ids(text) == ["mesh-selector-misspelt"]
    assert ids(repaired(text, found)) == []


def test_selectors_that_name_different_pods_are_moved_by_hand():
    deeper = "    workloadSelector:\n      labels:\n        app: other\n"
    text = PLAIN + but(SIDECAR, (_LABELS, _MATCHES)) + deeper
    fix = only(text, "mesh-selector-misspelt").fix
    assert fix is not None
    assert not fix.edits


def test_a_selector_that_counts_keeps_one_that_does_not_from_being_moved():
    text = PLAIN + SIDECAR + "    workloadSelector:\n      labels:\n        app: other\n"
    assert ids(text) == ["unknown-field"]


@pytest.mark.parametrize(
    ("resource", "told"),
    [
        (but(SIDECAR, ("    labels:\n      app: prometheus\n", "    labels: {}\n")), 1),
        (but(SIDECAR, (_LABELS + "      app: prometheus\n", "  workloadSelector: {}\n")), 1),
        (but(SIDECAR, (_LABELS + "      app: prometheus\n", "")), 0),
        (but(DISABLE, (_MATCHES + "      app: prometheus\n", "  selector:\n")), 1),
        (but(DISABLE, (_MATCHES + "      app: prometheus\n", "")), 0),
    ],
)
def test_a_selector_without_labels_is_for_all(resource, told):
    text = PLAIN + resource
    assert mine(text).count("mesh-selector-empty") == told
    if told:
        assert mine(repaired(text, only(text, "mesh-selector-empty"))) == []


def test_a_selector_without_labels_is_filled_in_only_where_it_is_plain_whose_it_is():
    empty = but(DISABLE, (_MATCHES + "      app: prometheus\n", "  selector: {}\n"))
    for text in (PLAIN + empty.replace("name: prometheus", "name: default"), empty, PLAIN + empty + "---\n" + PLAIN):
        fix = only(text, "mesh-selector-empty").fix
        assert fix is not None
        assert not fix.edits


BY_OPERATOR = "      app.kubernetes.io/name: prometheus\n      operator.prometheus.io/name: main\n"


@pytest.mark.parametrize("resource", [SIDECAR, DISABLE])
def test_the_operators_pods_have_labels_of_their_own(resource):
    text = OPERATOR + resource
    found = only(text, "made-for-prometheus-selects-nothing")
    assert "the pod of Prometheus monitoring/main has app.kubernetes.io/name: prometheus" in found.found
    assert mine(repaired(text, found)) == []
    assert mine(OPERATOR + but(resource, ("      app: prometheus\n", BY_OPERATOR))) == []


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(OPERATOR + SIDECAR.replace("prometheus", "web"), id="of another"),
        pytest.param(OPERATOR + SIDECAR.replace("namespace: monitoring", "namespace: shop"), id="elsewhere"),
        pytest.param(OPERATOR + SIDECAR.replace("prometheus", "prometheus-adapter"), id="the adapter's"),
        pytest.param(OPERATOR + SIDECAR + WEB.replace("web", "prometheus"), id="it fits a workload"),
        pytest.param(OPERATOR.replace("v3.14.0", "v2.20.0") + SIDECAR, id="an old operator's labels"),
        pytest.param(OPERATOR + DISABLE.replace("DISABLE", "STRICT"), id="another policy"),
    ],
)
def test_what_may_be_for_others_is_let_be(text):
    assert "made-for-prometheus-selects-nothing" not in mine(text)


@pytest.mark.parametrize(
    ("name", "selector", "port", "severity"),
    [
        ("prometheus", "app: prometheus", 9090, None),
        ("prometheus", "app: prometheus-server", 9090, "warning"),
        ("prometheus", "app: prometheus-server", 80, "warning"),
        ("prometheus-web", "app: prometheus-server", 9090, "info"),
        ("prometheus-web", "app: prometheus-server", 80, None),
        ("grafana", "app: grafana", 3000, None),
    ],
)
def test_prometheus_own_service_selects_it(name, selector, port, severity):
    service = f"---\napiVersion: v1\nkind: Service\nmetadata:\n  name: {name}\n  namespace: monitoring\nspec:\n"
    text = f"{PLAIN}{service}  selector:\n    {selector}\n  ports:\n  - port: {port}\n"
    found = [one for one in diagnose(text) if one.rule.id == "made-for-prometheus-selects-nothing"]
    assert [one.severity for one in found] == ([severity] if severity else [])
    for one in found:
        assert mine(repaired(text, one)) == []
