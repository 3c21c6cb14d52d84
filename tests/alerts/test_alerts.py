"""Each alert fires when it should, not before, not in a healthy state, and ends with its cause."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import pytest

from tests.alerts.promtool import Firing, Series, alerts, check, check_text

pytestmark = pytest.mark.programs

AGENT = {"instance": "localhost:15020", "job": "istio-agent"}
PROMETHEUS = {"instance": "localhost:9090", "job": "prometheus"}

CERTIFICATE = 'istio_agent_cert_expiry_seconds{job="istio-agent",instance="localhost:15020",resource_name="default"}'
AGENT_UP = 'up{job="istio-agent",instance="localhost:15020"}'


class Case(NamedTuple):
    """Samples, a minute apart, and what fires when."""

    alert: str
    severity: str
    series: Series
    expected: Mapping[str, Firing]
    overlay: Mapping[str, Any] = {}


def run(case: Case) -> None:
    expected = {
        time: [{**labels, "severity": case.severity} for labels in firing] for time, firing in case.expected.items()
    }
    check(case.overlay, case.alert, case.series, expected)


def cases(**named: Case) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", named.values(), ids=[name.replace("_", " ") for name in named])


# ------------------------------------------------------------------------------------------------- the certificate


def late(samples: str, expected: Mapping[str, Firing], series: str = CERTIFICATE, **overlay: Any) -> Case:
    return Case("IstioCertificateNotRenewed", "warning", {series: samples}, expected, overlay)


def expiring(samples: str, expected: Mapping[str, Firing], **overlay: Any) -> Case:
    return Case("IstioCertificateExpiring", "critical", {CERTIFICATE: samples}, expected, overlay)


DAY = "86400-60x"
RENEWED_AT_HALF = " ".join([f"{DAY}719"] * 4)
DEFAULT = [{**AGENT, "resource_name": "default"}]
AN_HOUR = " ".join(["3600-60x29"] * 60)


@cases(
    renewed_at_half_of_a_day=late(RENEWED_AT_HALF, {"11h59m": [], "12h30m": [], "23h59m": [], "47h": []}),
    not_renewed=late(f"{DAY}1600", {"14h30m": [], "14h39m": [], "14h41m": DEFAULT, "25h": DEFAULT}),
    renewed_late=late(f"{DAY}900 {DAY}300", {"14h50m": DEFAULT, "15h2m": [], "20h": []}),
    renewed_every_half_hour=late(AN_HOUR, {"29m": [], "10h": [], "29h45m": []}),
    a_lifetime_of_an_hour_and_not_renewed=late(
        f"{AN_HOUR} 3600-60x200", {"30h36m": [], "30h50m": [], "30h53m": DEFAULT, "33h": DEFAULT}
    ),
    a_lifetime_of_months=late("172800-60x2300", {"31h55m": [], "32h": [], "32h20m": DEFAULT}),
    renewed_at_a_fifth=late(
        f"{DAY}1150 {DAY}1150",
        {"16h": [], "19h": [], "24h": []},
        alerting={"certificate": {"lateBelowPercent": 15}},
    ),
    of_another_pod=late(f"{DAY}1600", {"20h": []}, CERTIFICATE.replace("istio-agent", "istio-merged")),
    of_a_root=late(f"{DAY}1600", {"20h": []}, CERTIFICATE.replace("default", "ROOTCA")),
)
def test_a_certificate_that_is_not_renewed_is_noticed(case):
    run(case)


@cases(
    renewed_at_half_of_a_day=expiring(RENEWED_AT_HALF, {"11h59m": [], "12h30m": [], "23h59m": [], "47h": []}),
    not_renewed=expiring(f"{DAY}1600", {"21h40m": [], "21h42m": DEFAULT, "23h59m": DEFAULT}),
    expired=expiring(f"{DAY}3100", {"24h1m": DEFAULT, "30h": DEFAULT, "50h": DEFAULT}),
    renewed_at_last=expiring(f"{DAY}1500 {DAY}300", {"24h59m": DEFAULT, "25h2m": [], "29h": []}),
    earlier_on_demand=expiring(
        f"{DAY}1600", {"19h10m": [], "19h20m": DEFAULT}, alerting={"certificate": {"expiringBelowPercent": 20}}
    ),
)
def test_a_certificate_about_to_expire_is_noticed(case):
    run(case)


def test_of_two_replicas_the_one_with_the_old_certificate_is_named():
    labels = [{"pod": f"prometheus-{number}", "namespace": "monitoring"} for number in (0, 1)]
    names = [CERTIFICATE.replace("{", f'{{pod="{one["pod"]}",namespace="{one["namespace"]}",', 1) for one in labels]
    case = Case(
        "IstioCertificateExpiring",
        "critical",
        {names[0]: RENEWED_AT_HALF, names[1]: f"{DAY}1600"},
        {"20h": [], "23h": [{**DEFAULT[0], **labels[1]}]},
        {"variant": "operator"},
    )
    run(case)


# ------------------------------------------------------------------------------------------------------- the agent


def agent(up: str, certificate: str | None, expected: Mapping[str, Firing], **others: str) -> Case:
    series = {AGENT_UP: up, **({CERTIFICATE: certificate} if certificate else {}), **others}
    return Case("IstioAgentNotReady", "warning", series, expected)


@cases(
    ready=agent("1x60", f"{DAY}60", {"1m": [], "30m": [], "60m": []}),
    gone=agent("1x9 0x50", f"{DAY}9 stale", {"14m": [], "15m": [AGENT], "50m": [AGENT]}),
    gone_for_a_moment=agent("1x9 0x3 1x50", f"{DAY}60", {"12m": [], "15m": [], "20m": []}),
    back_again=agent("0x19 1x40", f"_x20 {DAY}40", {"5m": [AGENT], "19m": [AGENT], "20m": [], "50m": []}),
    without_a_certificate=agent("1x60", None, {"4m": [], "5m": [AGENT], "60m": [AGENT]}),
    without_a_certificate_until_istiod_answers=agent("1x60", f"_x20 {DAY}40", {"19m": [AGENT], "21m": []}),
    without_one_while_others_have=agent(
        "1x60",
        None,
        {"10m": [AGENT]},
        **{'istio_agent_cert_expiry_seconds{job="istio-merged",instance="localhost:15020",pod="a"}': f"{DAY}60"},
    ),
)
def test_an_agent_that_is_not_ready_is_noticed(case):
    run(case)


def test_before_istio_1_14_an_agent_is_not_asked_for_what_it_can_t_tell():
    old = {"istio": {"version": "1.13.9"}}
    run(agent("1x60", None, {"30m": []})._replace(overlay=old))
    run(agent("0x60", None, {"30m": [AGENT]})._replace(overlay=old))


# ---------------------------------------------------------------------------------------------------- mTLS targets


def connections(made: str, closed: str, tried: str = "", name: str = "istio-mtls", where: str = "") -> dict[str, str]:
    """Prometheus' counters of a job's connections."""
    labels = f'{{job="prometheus",instance="localhost:9090",dialer_name="{name}"{where}}}'
    return {
        f"net_conntrack_dialer_conn_attempted_total{labels}": tried or made,
        f"net_conntrack_dialer_conn_established_total{labels}": made,
        f"net_conntrack_dialer_conn_closed_total{labels}": closed,
    }


def up(*samples: str, job: str = "istio-mtls") -> dict[str, str]:
    return {f'up{{job="{job}",instance="10.0.0.{number}:9080"}}': text for number, text in enumerate(samples)}


def tls(series: Series, expected: Mapping[str, Firing]) -> Case:
    return Case("IstioMetricsTlsFailing", "critical", series, expected)


MTLS = [{"job": "istio-mtls"}]
OF_THE_OPERATOR = "podMonitor/monitoring/prometheus-istio-mtls/0"
# Two targets, scraped twice a minute.
BREAKING = connections("2+4x60", "2+4x60")
HEALTHY = connections("2x60", "0x60")


@cases(
    healthy=tls({**up("1x60", "1x60"), **HEALTHY}, {"5m": [], "20m": [], "60m": []}),
    another_root=tls(
        {**up("1x9 0x50", "1x9 0x50"), **connections("2x9 6+4x50", "0x9 6+4x50")},
        {"9m": [], "14m": [], "17m": MTLS, "59m": MTLS},
    ),
    the_right_root_again=tls(
        {**up("0x19 1x40", "0x19 1x40"), **connections("0+4x19 80x40", "0+4x19 78x40")}, {"19m": MTLS, "20m": []}
    ),
    counters_that_start_again=tls(
        {**up("0x60", "0x60"), **connections("100+4x20 0+4x40", "100+4x20 0+4x40")},
        {"10m": MTLS, "21m": MTLS, "25m": MTLS},
    ),
    healthy_and_counters_that_start_again=tls(
        {**up("1x60", "1x60"), **connections("100x20 2x40", "98x20 0x40")}, {"21m": [], "40m": []}
    ),
    unreadable_files=tls(
        {**up("0x60", "0x60"), **connections("2x60", "0x4 2x56")}, {"5m": [], "9m": [], "10m": MTLS, "60m": MTLS}
    ),
    readable_files_again=tls(
        {**up("0x19 1x40", "0x19 1x40"), **connections("2x19 4x40", "2x60")}, {"19m": MTLS, "20m": [], "40m": []}
    ),
    applications_that_answer_503=tls({**up("0x60", "0x60"), **HEALTHY}, {"5m": [], "30m": [], "60m": []}),
    nobody_listens=tls({**up("0x60", "0x60"), **connections("2x60", "2x60", "2+4x60")}, {"10m": [], "60m": []}),
    one_of_two_answers=tls({**up("0x60", "1x60"), **connections("2+2x60", "1+2x60")}, {"10m": [], "60m": []}),
    another_job_breaks=tls(
        {**up("0x60", "0x60"), **HEALTHY, **connections("0+9x60", "0+9x60", name="kubernetes-pods")}, {"60m": []}
    ),
    of_the_operator=tls(
        {**up("0x60", "0x60"), **connections("2+4x60", "2+4x60", name=OF_THE_OPERATOR)}, {"3m": [], "10m": MTLS}
    ),
    beside_a_replica_that_is_well=tls(
        {
            **up("0x60", "0x60"),
            **connections("2+4x60", "2+4x60", name=OF_THE_OPERATOR, where=',pod="prometheus-0"'),
            **connections("2x60", "0x60", name=OF_THE_OPERATOR, where=',pod="prometheus-1"'),
        },
        {"10m": MTLS},
    ),
    unreadable_files_beside_a_replica_that_is_well=tls(
        {
            **up("0x60", "0x60"),
            **connections("2x60", "2x60", name=OF_THE_OPERATOR, where=',pod="prometheus-0"'),
            **connections("2x60", "0x60", name=OF_THE_OPERATOR, where=',pod="prometheus-1"'),
        },
        {"20m": MTLS},
    ),
    secure_ports=tls(
        {**up("0x60", job="istio-secure-merged"), **connections("1+2x60", "1+2x60", name="istio-secure-merged")},
        {"10m": [{"job": "istio-secure-merged"}]},
    ),
    no_target=tls(connections("2x60", "2x60"), {"60m": []}),
)
def test_scrapes_that_fail_for_tls_are_told_from_those_that_fail_otherwise(case):
    run(case)


def down(series: Series, expected: Mapping[str, Firing]) -> Case:
    return Case("IstioMetricsTargetDown", "warning", series, expected)


# Each pod is there for eight minutes, down all the time, and another one follows.
CHURN = [" ".join(["_x8"] * number + ["0x7", "stale"] + ["_x8"] * (8 - number)) for number in range(9)]


@cases(
    healthy=down(up("1x60", "1x60"), {"15m": [], "60m": []}),
    one_down=down(up("1x9 0x50", "1x59"), {"19m": [], "23m": [], "25m": MTLS, "59m": MTLS}),
    one_down_from_the_start=down(up("0x60", "1x60"), {"10m": [], "14m": [], "15m": MTLS}),
    up_again=down(up("0x29 1x30"), {"29m": MTLS, "30m": []}),
    down_now_and_then=down(up(" ".join(["0x4 1"] * 12)), {"15m": [], "30m": [], "59m": []}),
    the_pod_is_gone=down(up("0x29 stale", "1x60"), {"29m": MTLS, "30m": [], "35m": []}),
    pods_that_come_and_go=down(up(*CHURN), {"20m": [], "40m": [], "60m": []}),
    a_job_in_cleartext=down(up("0x60", job="kubernetes-pods"), {"30m": []}),
)
def test_targets_that_stay_down_are_noticed(case):
    run(case)


# ------------------------------------------------------------------------------------------------------------ jobs


def missing(series: Series, expected: Mapping[str, Firing], *more: str) -> Case:
    overlay = {"alerting": {"expectedJobs": list(more)}}
    return Case("PrometheusJobWithoutTarget", "critical", series, expected, overlay)


OWN = {'up{job="prometheus",instance="localhost:9090"}': "1x60", AGENT_UP: "1x60"}
ISTIOD = [{"job": "istiod"}]


@cases(
    all_there=missing({**OWN, **up("1x60", job="istiod")}, {"15m": [], "60m": []}),
    one_missing=missing(OWN, {"14m": [], "15m": ISTIOD, "60m": ISTIOD}),
    there_but_down=missing({**OWN, **up("0x60", job="istiod")}, {"60m": []}),
    found_late=missing({**OWN, **up("_x20 1x40", job="istiod")}, {"19m": ISTIOD, "20m": [], "60m": []}),
    lost=missing({**OWN, **up("1x9 stale", job="istiod")}, {"24m": [], "25m": ISTIOD}),
    lost_for_a_moment=missing({**OWN, **up("1x9 stale _x5 1x40", job="istiod")}, {"20m": [], "50m": []}),
    all_missing=missing({}, {"15m": [{"job": job} for job in ("istio-agent", "istiod", "prometheus")]}),
    another_one_is_expected=missing(
        {**OWN, **up("1x60", job="istiod")}, {"14m": [], "15m": [{"job": "queue/a.b"}]}, "queue/a.b"
    ),
    another_one_is_expected_and_there=missing(
        {**OWN, **up("1x60", job="istiod"), **up("1x60")}, {"60m": []}, "istio-mtls"
    ),
)
def test_a_job_without_any_target_is_noticed(case):
    run(case)


# ------------------------------------------------------------------------------------------------------ Prometheus


def named(config: str) -> Firing:
    return [{**PROMETHEUS, "name": "scrape", "config": config}]


def pool(
    found: str, pools: str | None, expected: Mapping[str, Firing], name: str = "istio-mtls", failed: str = "1x60"
) -> Case:
    labels = 'job="prometheus",instance="localhost:9090"'
    series = {
        f'prometheus_sd_discovered_targets{{{labels},name="scrape",config="{name}"}}': found,
        f'prometheus_sd_discovered_targets{{{labels},name="scrape",config="prometheus"}}': "1x60",
        f'prometheus_sd_discovered_targets{{{labels},name="notify",config="config-0"}}': "1x60",
        f'prometheus_target_scrape_pool_targets{{{labels},scrape_job="prometheus"}}': "1x60",
    }
    series[f"prometheus_target_scrape_pools_failed_total{{{labels}}}"] = failed
    if pools:
        series[f'prometheus_target_scrape_pool_targets{{{labels},scrape_job="{name}"}}'] = pools
    return Case("PrometheusScrapePoolNotCreated", "critical", series, expected)


@cases(
    created=pool("9x60", "3x60", {"5m": [], "60m": []}),
    not_created=pool("9x60", None, {"4m": [], "5m": named("istio-mtls"), "60m": named("istio-mtls")}),
    created_late=pool("9x60", "_x20 3x40", {"19m": named("istio-mtls"), "20m": [], "60m": []}),
    created_but_all_targets_dropped=pool("9x60", "0x60", {"60m": []}),
    not_needed=pool("0x60", None, {"60m": []}),
    removed_and_still_counted_as_discovered=pool("9x60", "3x20 stale", {"20m": [], "60m": []}, failed="0x60"),
    failed_again_and_again=pool("9x60", None, {"60m": named("istio-mtls")}, failed="1+1x60"),
    failed_after_a_restart=pool(
        "9x20 8x40", "3x20 stale", {"20m": [], "24m": [], "27m": named("istio-mtls")}, failed="0x20 1x40"
    ),
    not_created_by_the_operator=pool("9x60", None, {"5m": named(OF_THE_OPERATOR)}, OF_THE_OPERATOR),
)
def test_a_job_that_prometheus_could_not_set_up_is_noticed(case):
    run(case)


def reload(samples: str, expected: Mapping[str, Firing]) -> Case:
    series = {'prometheus_config_last_reload_successful{job="prometheus",instance="localhost:9090"}': samples}
    return Case("PrometheusConfigReloadFailed", "critical", series, expected)


@cases(
    loaded=reload("1x60", {"15m": [], "60m": []}),
    refused=reload("1x9 0x50", {"20m": [], "23m": [], "26m": [PROMETHEUS], "59m": [PROMETHEUS]}),
    refused_for_a_moment=reload("1x9 0x4 1x40", {"20m": [], "40m": []}),
    corrected=reload("0x29 1x30", {"29m": [PROMETHEUS], "30m": []}),
)
def test_a_configuration_that_is_refused_is_noticed(case):
    run(case)


# ------------------------------------------------------------------------------------------------------- the texts


# Samples, when the alert fires, its labels, and how its description begins, up to the last that is filled in.
TEXTS: dict[str, tuple[Series, str, dict[str, str], str]] = {
    "IstioCertificateNotRenewed": (
        {CERTIFICATE: f"{DAY}1600"},
        "15h",
        DEFAULT[0],
        "It expires in 9h 0m 0s (localhost:15020, cluster=eu-1, replica=prometheus-0",
    ),
    "IstioCertificateExpiring": (
        {CERTIFICATE: f"{DAY}1600"},
        "25h",
        DEFAULT[0],
        "It has expired (localhost:15020, cluster=eu-1, replica=prometheus-0",
    ),
    "IstioAgentNotReady": (
        {AGENT_UP: "1x60"},
        "20m",
        AGENT,
        "The agent answers, but has no certificate (localhost:15020, cluster=eu-1, replica=prometheus-0",
    ),
    "IstioMetricsTlsFailing": (
        {**up("0x60", "0x60"), **BREAKING},
        "20m",
        MTLS[0],
        "None of the 2 targets of istio-mtls",
    ),
    "IstioMetricsTargetDown": (up("0x60", "0x60"), "20m", MTLS[0], "2 targets of istio-mtls"),
    "PrometheusJobWithoutTarget": (OWN, "20m", ISTIOD[0], "Prometheus finds nothing to scrape for istiod"),
    "PrometheusScrapePoolNotCreated": (
        pool("9x60", None, {}).series,
        "20m",
        {**PROMETHEUS, "name": "scrape", "config": "istio-mtls"},
        "Prometheus could not set up istio-mtls",
    ),
    "PrometheusConfigReloadFailed": (
        reload("0x60", {}).series,
        "20m",
        PROMETHEUS,
        "Prometheus goes on with the configuration it had before (localhost:9090, cluster=eu-1, replica=prometheus-0",
    ),
}


@pytest.mark.parametrize("alert", TEXTS)
def test_a_description_names_the_place_and_the_value(alert):
    series, at, labels, beginning = TEXTS[alert]
    rule = next(rule for rule in alerts({}) if rule["alert"] == alert and labels.items() >= _job(rule).items())
    description = beginning + rule["annotations"]["description"].rpartition("}}")[2]
    check_text(
        {},
        alert,
        series,
        at,
        {**labels, "severity": rule["labels"]["severity"]},
        {**rule["annotations"], "description": description},
        {"cluster": "eu-1", "replica": "prometheus-0"},
    )


def _job(rule: Mapping[str, Any]) -> dict[str, str]:
    return {key: value for key, value in rule["labels"].items() if key == "job"}


def test_every_alert_has_its_description_tested():
    assert {rule["alert"] for rule in alerts({})} == TEXTS.keys()


def test_a_wrong_expectation_is_noticed():
    with pytest.raises(AssertionError, match="FAILED"):
        run(agent("1x60", f"{DAY}60", {"30m": [AGENT]}))
    with pytest.raises(AssertionError, match="FAILED"):
        run(agent("0x60", None, {"30m": []}))
