"""What is told of jobs and rules: not running, empty, not scraped yet, firing; and how it reads."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.verify.server import Said, a_target, healthy, success

ROOT = Path(__file__).parent.parent.parent
FILES = {"ca_file": "root-cert.pem", "cert_file": "cert-chain.pem", "key_file": "key.pem"}
TLS = "  tls_config:\n" + "".join(f"    {key}: /certs/{name}\n" for key, name in FILES.items())
KUBERNETES = "  kubernetes_sd_configs:\n  - role: pod\n"
MESH = f"- job_name: istio-mtls\n{TLS}{KUBERNETES}"
MERGED = f"- job_name: istio-merged\n{KUBERNETES}"
SELF = "- job_name: prometheus\n  static_configs:\n  - targets:\n    - localhost:9090\n"
CONFIGURATION = f"scrape_configs:\n{SELF}{MERGED}{MESH}"


def discovered(**found: int) -> Said:
    lines = [
        f'prometheus_sd_discovered_targets{{config="{job}",name="scrape"}} {count}' for job, count in found.items()
    ]
    return Said(
        "\n".join(["# TYPE x gauge", 'prometheus_sd_discovered_targets{config="c",name="notify"} 9', *lines]).encode()
    )


def answers(*targets: Any, **others: Said) -> dict[str, Said]:
    pages = {"pools": "/api/v1/scrape_pools", "metrics": "/metrics", "runtime": "/api/v1/status/runtimeinfo"}
    return {**healthy(CONFIGURATION, *targets), **{pages[name]: said for name, said in others.items()}}


def findings(verify, serve, said: dict[str, Said]) -> dict[str, dict[str, Any]]:
    outcome = verify("--url", serve(said).url, "-o", "json")
    told = json.loads(outcome.out)
    assert outcome.code == (1 if told["findings"] else 0)
    assert told["ok"] is (outcome.code == 0)
    return {one["key"]: one for one in told["findings"]}


UP = [a_target("prometheus"), a_target("istio-merged")]
POOLS = success({"scrapePools": ["prometheus", "istio-merged"]})


def test_a_job_without_a_pool_for_which_there_are_targets_is_not_running(verify, serve):
    found = discovered(**{"prometheus": 1, "istio-merged": 4, "istio-mtls": 3})
    told = findings(verify, serve, answers(*UP, pools=POOLS, metrics=found))
    assert list(told) == ["pool-missing"]
    assert told["pool-missing"]["jobs"] == ["istio-mtls"]
    assert told["pool-missing"]["cause"].startswith(
        "Known: discovery finds targets for it, and Prometheus has set up no"
    )
    assert "(/certs/cert-chain.pem, /certs/key.pem, /certs/root-cert.pem)" in told["pool-missing"]["cause"]


def test_a_job_without_a_pool_for_which_there_is_nothing_is_fine(verify, serve):
    found = discovered(**{"prometheus": 1, "istio-merged": 4})
    server = serve(answers(*UP, pools=POOLS, metrics=found))
    outcome = verify("--url", server.url)
    assert outcome.code == 0
    assert outcome.out.endswith("\nnote: nothing to scrape for: istio-mtls\n")
    assert "not running" not in outcome.out


@pytest.mark.parametrize("pools", [Said(b"404", 404), POOLS])
def test_what_prometheus_doesnt_tell_is_said_to_be_a_guess(verify, serve, pools):
    told = findings(verify, serve, answers(*UP, pools=pools))
    assert list(told) == ["pool-missing"]
    assert "so this is a guess" in told["pool-missing"]["cause"]


def test_what_discovery_finds_and_relabelling_drops_is_noted(verify, serve):
    found = discovered(**{"prometheus": 1, "istio-merged": 4, "istio-mtls": 120})
    outcome = verify("--url", serve(answers(*UP, metrics=found)).url)
    assert outcome.code == 0
    assert "note: nothing to scrape for: istio-mtls (120 found, none kept)\n" in outcome.out


def test_discovery_that_finds_nothing_anywhere_points_to_rbac(verify, serve):
    told = findings(verify, serve, answers(a_target("prometheus"), metrics=discovered(prometheus=1)))
    assert list(told) == ["discovery-empty"]
    assert told["discovery-empty"]["jobs"] == ["istio-merged", "istio-mtls"]
    assert "ClusterRole" in told["discovery-empty"]["cause"]


def test_no_target_at_all_is_a_finding(verify, serve):
    assert list(findings(verify, serve, healthy("scrape_configs: []\n"))) == ["no-targets"]


@pytest.mark.parametrize("seconds", [0, 14, 3600])
def test_right_after_a_reload_jobs_may_still_be_being_set_up(verify, serve, seconds):
    loaded = success({"reloadConfigSuccess": True, "lastConfigTime": "2026-08-01T12:00:00Z"})
    said = answers(*UP, pools=POOLS, runtime=loaded, metrics=discovered(**{"prometheus": 1, "istio-mtls": 3}))
    clock = f"Sat, 01 Aug 2026 {12 + seconds // 3600:02}:00:{seconds % 3600:02} GMT"
    said["/api/v1/targets"] = said["/api/v1/targets"]._replace(headers={"Date": clock})
    assert list(findings(verify, serve, said)) == ["pool-missing" if seconds == 3600 else "settling"]


def test_a_configuration_that_was_refused_comes_first(verify, serve):
    runtime = success({"reloadConfigSuccess": False})
    said = answers(*UP, a_target("istio-mtls", "down", "context deadline exceeded"), runtime=runtime)
    assert list(findings(verify, serve, said)) == ["reload-failed", "timeout"]


def test_a_job_of_which_nothing_was_scraped_yet_is_a_finding(verify, serve):
    told = findings(verify, serve, answers(*UP, a_target("istio-mtls", "unknown"), a_target("istio-mtls", "unknown")))
    assert list(told) == ["never-scraped"]
    assert (told["never-scraped"]["number"], told["never-scraped"]["jobs"]) == (2, ["istio-mtls"])


def test_a_new_target_among_others_is_a_note(verify, serve):
    outcome = verify("--url", serve(answers(*UP, a_target("istio-mtls", "unknown"), a_target("istio-mtls"))).url)
    assert outcome.code == 0
    assert outcome.out.endswith("\nnote: not scraped yet: 1 of 4 targets\n")


def test_a_target_that_victoria_metrics_has_not_scraped_is_not_down(verify, serve):
    told = findings(verify, serve, answers(*UP, a_target("istio-mtls", "down", "")))
    assert list(told) == ["never-scraped"]


def a_rule(name: str, *firing: str, health: str = "ok", error: str = "") -> dict[str, Any]:
    alerts = [{"state": "firing", "annotations": {"summary": "It burns."}, "labels": {"pod": pod}} for pod in firing]
    alerts.append({"state": "pending", "annotations": {}, "labels": {}})
    return {"name": name, "type": "alerting", "alerts": alerts, "health": health, "lastError": error}


def test_alerts_of_ours_that_fire_are_a_finding_and_others_a_note(verify, serve):
    groups = (
        {"name": "sidecert", "rules": [a_rule("IstioMetricsTargetDown", "a", "b"), a_rule("Quiet")]},
        {"name": "watchdog", "rules": [a_rule("Watchdog", "a"), a_rule("Broken", health="err", error="no")]},
    )
    all_up = [*UP, a_target("istio-mtls")]
    outcome = verify("--url", serve(healthy(CONFIGURATION, *all_up, groups=groups)).url, "-o", "json")
    told = json.loads(outcome.out)
    (finding,) = told["findings"]
    assert (finding["key"], finding["number"]) == ("alert-firing", 2)
    assert finding["says"] == ["IstioMetricsTargetDown (2): It burns."]
    assert told["notes"] == ["alerts of others that fire: Watchdog"]


def test_a_rule_of_ours_that_fails_is_told(verify, serve):
    groups = ({"name": "sidecert", "rules": [a_rule("Bad", health="err", error="many-to-many matching")]},)
    told = findings(verify, serve, healthy(CONFIGURATION, *UP, a_target("istio-mtls"), groups=groups))
    assert told["rule-failing"]["says"] == ["many-to-many matching"]
    assert told["rule-failing"]["examples"] == ["sidecert: Bad"]


EXPIRED = 'Get "https://10.4.1.7:8080/metrics": remote error: tls: expired certificate'


HTTPS = "https://10.4.1.8:8080/metrics"
REFUSED = 'Get "https://10.4.1.8:8080/metrics": write tcp 10.1.1.1:1->10.4.1.8:8080: write: broken pipe'
OTHER_ROOT = 'Get "https://10.4.1.9:8080/metrics": remote error: tls: unknown certificate authority'


def test_a_refusal_that_says_nothing_counts_to_the_reason_of_its_jobs_others(verify, serve):
    down = [a_target("istio-mtls", "down", error, HTTPS) for error in (EXPIRED, REFUSED)]
    told = findings(verify, serve, answers(*UP, *down))
    assert {key: one["number"] for key, one in told.items()} == {"certificate-expired": 2}
    assert told["certificate-expired"]["says"] == ["remote error: tls: expired certificate", "write: broken pipe"]


def test_it_doesnt_where_there_are_two_reasons_or_none(verify, serve):
    down = [a_target("istio-mtls", "down", error, HTTPS) for error in (EXPIRED, OTHER_ROOT, REFUSED)]
    told = findings(verify, serve, answers(*UP, *down))
    assert {key: one["number"] for key, one in told.items()} == {
        "unknown-authority": 1,
        "certificate-expired": 1,
        "certificate-refused": 1,
    }
    elsewhere = [a_target("istio-mtls", "down", EXPIRED, HTTPS), a_target("istio-merged", "down", REFUSED, HTTPS)]
    told = findings(verify, serve, answers(UP[0], *elsewhere))
    assert told["certificate-refused"]["jobs"] == ["istio-merged"]


def test_the_text_reads_well(verify, serve):
    down = a_target(
        "istio-mtls", "down", EXPIRED, "https://10.4.1.7:8080/metrics", namespace="checkout", pod="cart-5b6c"
    )
    server = serve(answers(*UP, down))
    assert verify("--url", server.url).out == (
        f"1 thing to repair: 2 of 3 targets up at {server.url} (Prometheus 3.13.2)\n"
        """
1. Prometheus' certificate has expired (1 target)
   job      istio-mtls
   says     remote error: tls: expired certificate
   such as  https://10.4.1.7:8080/metrics (checkout/cart-5b6c)
   cause    The agent renews it only while something asks for it: with Envoy running and nothing
            subscribed, the first certificate is the last. Or the agent can't reach istiod, or a
            clock is wrong.
   repair   Look at the age of cert-chain.pem and the proxy's log; render the Sidecar with one mTLS
            host (mesh.sidecar), and leave out a workload-wide PeerAuthentication DISABLE.
            Restarting the pod helps for a day.
   source   renewal follows subscriptions (istio security/pkg/nodeagent/sds/sdsservice.go,
            istio#28099); istio#28050, #26821

job              up   down  not yet
prometheus        1      0        0
istio-merged      1      0        0
istio-mtls        0      1        0
"""
    )


def test_the_readme_shows_what_is_printed(verify, serve):
    shown = (ROOT / "README.md").read_text().partition("3 things to repair: ")[2].partition("```")[0]
    down = a_target(
        "istio-mtls", "down", EXPIRED, "https://10.4.1.7:8080/metrics", namespace="checkout", pod="cart-5b6c"
    )
    printed = verify("--url", serve(answers(*UP, down)).url).out
    lines = [line.removesuffix("...").rstrip() for line in shown.splitlines()[2:]]
    assert len(lines) == 6
    for line in lines[1:]:
        assert line in printed
    assert lines[0].partition(" (")[0] in printed


def test_what_targets_say_cant_steer_the_terminal(verify, serve):
    nasty = a_target("istio-mtls", "down", "\x1b[2Jgone\x07\u202e", pod="\x1b]0;title\x07")
    out = verify("--url", serve(answers(*UP, nasty)).url).out
    assert all(letter.isprintable() or letter == "\n" for letter in out)


@pytest.mark.parametrize(("no_color", "coloured"), [("", True), ("1", False)])
def test_a_terminal_gets_colours_unless_it_wants_none(serve, no_color, coloured, tmp_path):
    server = serve(answers(*UP))
    ours, theirs = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": no_color}
    command = [sys.executable, "-m", "generator", "verify", "--url", server.url]
    subprocess.run(command, cwd=tmp_path, env=environment, stdout=theirs, stderr=subprocess.PIPE, check=False)
    os.close(theirs)
    printed = os.read(ours, 65536)
    os.close(ours)
    assert (b"\x1b[1m" in printed) is coloured
    assert b"target" in printed
