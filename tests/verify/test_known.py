"""Every known error is told with its cause: those that a real Prometheus reported of a real Envoy, and their like."""

from __future__ import annotations

import json

import pytest

from generator.verify import known
from generator.verify.known import Cause, Circumstances, explain
from tests.verify.server import a_target, healthy, recorded

#: The recorded jobs, each named for what was wrong, with the cause to be told.
RECORDED = {
    "other-tls13": known.REFUSED,
    "other-tls12": known.OTHER_ROOT,
    "expired-tls13": known.REFUSED,
    "expired-tls12": known.EXPIRED,
    "nocert-tls13": known.NO_CERTIFICATE,
    "nocert-tls12": known.NO_CERTIFICATE,
    "foreign-san": known.IDENTITY,
    "h2-tcp": known.HTTP2,
    "permissive-http": known.PERMISSIVE,
    "permissive-http-h2": known.PERMISSIVE,
    "permissive-tcp": known.PLAIN_TARGET,
    "rbac-http": known.FORBIDDEN,
    "rbac-tcp": known.CLOSED,
    "appdown-http": known.PROXY_ALONE,
    "appdown-tcp": known.CLOSED,
    "plain-to-strict": known.TLS_TARGET,
    "noskip": known.SKIP_VERIFY,
    "noskip-otherca": known.SKIP_VERIFY,
    "noskip-expired-server": known.TARGET_EXPIRED,
    "https-to-plain": known.PLAIN_TARGET,
    "https-to-eof": known.PERMISSIVE,
    "https-to-rst": known.PERMISSIVE,
    "http-to-eof": known.CLOSED_PLAIN,
    "http-to-h2": known.H2_FRAMES,
    "http-to-rst": known.TLS_TARGET,
    "refused": known.NO_LISTENER,
    "slow": known.TIMEOUT,
    "html": known.NOT_METRICS,
    "code401": known.UNAUTHORIZED,
    "code403": known.FORBIDDEN,
    "code404": known.NOT_THERE,
    "code500": known.STATUS,
    "code503": known.STATUS,
    "nohost": known.NO_HOST,
    "gone": known.NO_FILE,
    "unreadable": known.NO_PERMISSION,
    "mism2": known.KEY_MISMATCH,
    "empty2": known.BAD_FILE,
}

MTLS = {"scheme": "https", "enable_http2": False, "tls_config": {"cert_file": "/c", "insecure_skip_verify": True}}
HTTP2_ON = {**MTLS, "enable_http2": True}
CERTIFICATE_MISSING = {"scheme": "https", "enable_http2": False, "tls_config": {"insecure_skip_verify": True}}
GET = 'Get "https://10.0.0.1:8080/metrics": '

#: What other releases of Prometheus and Go say, and what no recording has: the job, the port, the error, the cause.
SAID = [
    (MTLS, 8080, GET + "remote error: tls: unknown certificate authority", known.OTHER_ROOT),
    (MTLS, 8080, GET + "remote error: tls: bad certificate", known.REFUSED),
    (MTLS, 8080, GET + "remote error: tls: revoked certificate", known.REFUSED),
    (MTLS, 8080, GET + "remote error: tls: certificate expired", known.EXPIRED),
    (MTLS, 8080, GET + "remote error: tls: expired certificate", known.EXPIRED),
    (CERTIFICATE_MISSING, 8080, GET + "remote error: tls: certificate required", known.NO_CERTIFICATE),
    (MTLS, 8080, GET + "remote error: tls: certificate required", known.REFUSED),
    (MTLS, 8080, GET + "remote error: tls: handshake failure", known.VERSION),
    (MTLS, 8080, GET + "remote error: tls: protocol version not supported", known.VERSION),
    (MTLS, 8080, GET + "tls: no supported versions satisfy MinVersion and MaxVersion", known.VERSION),
    (MTLS, 8080, GET + "EOF", known.CLOSED),
    (HTTP2_ON, 8080, GET + "EOF", known.CLOSED),
    (MTLS, 8080, GET + "unexpected EOF", known.CLOSED),
    (HTTP2_ON, 8080, GET + "unexpected EOF", known.HTTP2),
    (HTTP2_ON, 8080, GET + "http2: server sent GOAWAY and closed the connection", known.HTTP2),
    (HTTP2_ON, 8080, GET + "http2: failed reading the frame payload: http2: frame too large", known.HTTP2),
    (HTTP2_ON, 8080, GET + "stream error: stream ID 1; PROTOCOL_ERROR", known.HTTP2),
    (MTLS, 8080, GET + "read tcp 10.1.2.3:4->10.0.0.1:8080: read: connection reset by peer", known.PERMISSIVE),
    (MTLS, 8080, GET + "write tcp 10.1.2.3:4->10.0.0.1:8080: write: broken pipe", known.REFUSED),
    (
        MTLS,
        8080,
        GET + "unable to read CA cert: unable to read file /c/r.pem: open /c/r.pem: no such file or directory",
        known.NO_FILE,
    ),
    (MTLS, 8080, GET + "open /c/key.pem: permission denied", known.NO_PERMISSION),
    (MTLS, 8080, GET + "tls: private key does not match public key", known.KEY_MISMATCH),
    (MTLS, 8080, GET + "unable to use specified CA cert /etc/prom-certs/root-cert.pem", known.BAD_FILE),
    ({}, 8080, 'malformed HTTP response "\\x15\\x03\\x01\\x00\\x02\\x02"', known.TLS_TARGET),
    ({}, 8080, 'malformed HTTP response "\\x00\\x00\\x06\\x04\\x00\\x00"', known.H2_FRAMES),
    (MTLS, 8080, GET + "http: server gave HTTP response to HTTPS client", known.PLAIN_TARGET),
    (MTLS, 15020, GET + "http: server gave HTTP response to HTTPS client", known.PLAIN_AGENT),
    (MTLS, 15090, GET + "tls: first record does not look like a TLS handshake", known.PLAIN_AGENT),
    (
        MTLS,
        8080,
        GET + "tls: failed to verify certificate: x509: certificate is not valid for any names, but wanted to match x",
        known.SKIP_VERIFY,
    ),
    (
        MTLS,
        8080,
        GET + "x509: cannot validate certificate for 10.0.0.1 because it doesn't contain any IP SANs",
        known.SKIP_VERIFY,
    ),
    (
        MTLS,
        8080,
        GET + "tls: failed to verify certificate: x509: certificate signed by unknown authority",
        known.SKIP_VERIFY,
    ),
    (MTLS, 8080, GET + "x509: certificate has expired or is not yet valid", known.TARGET_EXPIRED),
    (MTLS, 8080, GET + "context deadline exceeded (Client.Timeout exceeded while awaiting headers)", known.TIMEOUT),
    (MTLS, 8080, GET + "dial tcp 10.0.0.1:8080: i/o timeout", known.TIMEOUT),
    (MTLS, 8080, GET + "net/http: TLS handshake timeout", known.TIMEOUT),
    (MTLS, 8080, GET + "dial tcp 10.0.0.1:8080: connect: connection refused", known.NO_LISTENER),
    (MTLS, 8080, GET + "dial tcp 10.0.0.1:8080: connect: no route to host", known.NO_ROUTE),
    (MTLS, 8080, GET + "dial tcp [fd00::1]:8080: connect: network is unreachable", known.NO_ROUTE),
    (MTLS, 8080, "server returned HTTP status 403 Forbidden", known.FORBIDDEN),
    ({}, 15020, "server returned HTTP status 403 Forbidden", known.LOCALHOST_ONLY),
    (MTLS, 8080, "server returned HTTP status 503 Service Unavailable", known.PROXY_ALONE),
    (
        {},
        8080,
        'Get "http://fd00::1:8080/metrics": dial tcp: address fd00::1:8080: too many colons in address',
        known.BAD_ADDRESS,
    ),
    (
        {},
        8080,
        'received unsupported Content-Type "text/html" and no fallback_scrape_protocol specified',
        known.NOT_METRICS,
    ),
    ({}, 8080, 'expected equal, got "!" ("INVALID") while parsing: "<!"', known.NOT_METRICS),
    ({}, 8080, "sample limit exceeded", known.LIMIT),
    ({}, 8080, "body size limit exceeded", known.LIMIT),
    ({}, 8080, "label_limit exceeded (metric: a, number of labels: 40, limit: 30)", known.LIMIT),
    ({}, 8080, "the moon is full", known.UNKNOWN),
    ({}, 8080, "", known.UNKNOWN),
]


@pytest.mark.parametrize("job", RECORDED)
def test_what_was_recorded_is_told(job):
    (target,) = [one for one in recorded("targets.json")["activeTargets"] if one["scrapePool"] == job]
    ports = target["scrapeUrl"].split("/")[2].split(":")
    tls = {"cert_file": "/c"} if not job.startswith("nocert") else {}
    running = {"enable_http2": job in {"h2-tcp", "h2-http", "permissive-http-h2"}, "tls_config": tls}
    scheme = target["scrapeUrl"].partition(":")[0]
    assert explain(target["lastError"], Circumstances(scheme, int(ports[1]), running)) == RECORDED[job]


@pytest.mark.parametrize(("job", "port", "error", "cause"), SAID, ids=[f"{row[2][-48:]} {row[1]}" for row in SAID])
def test_what_other_releases_say_is_told(job, port, error, cause):
    assert explain(error, Circumstances(job.get("scheme", "http"), port, job)) == cause


def test_every_known_cause_has_a_test():
    causes = {cause.key for cause in vars(known).values() if isinstance(cause, Cause)}
    assert causes == {cause.key for cause in [*RECORDED.values(), *(row[3] for row in SAID)]}


def test_every_cause_says_all_that_it_must():
    for cause in {cause for cause in vars(known).values() if isinstance(cause, Cause)} - {known.UNKNOWN}:
        assert all(cause), cause.key
        for sentence in (cause.cause, cause.remedy):
            assert sentence.endswith((".", "?")), cause.key
        assert not cause.title.endswith("."), cause.key
        assert not cause.fact.endswith("."), cause.key


def test_the_whole_recording_is_told_as_its_jobs_are_named(verify, serve, real_answers):
    outcome = verify("--url", serve(real_answers).url, "-o", "json")
    assert outcome.code == 1
    told = {
        job: one["key"] for one in json.loads(outcome.out)["findings"] for job in one["jobs"] if one["of"] == "target"
    }
    assert told == {job: cause.key for job, cause in RECORDED.items()}


def test_equal_causes_of_many_targets_are_one_finding(verify, serve):
    error = (
        'Get "https://10.0.0.{}:8080/metrics": read tcp 10.9.9.9:4{}->10.0.0.{}:8080: read: connection reset by peer'
    )
    targets = [
        a_target(
            "istio-mtls",
            "down",
            error.format(number, number, number),
            f"https://10.0.0.{number}:8080/metrics",
            namespace="shop",
            pod=f"cart-{number}",
        )
        for number in range(40)
    ]
    server = serve(healthy("scrape_configs:\n- job_name: istio-mtls\n  enable_http2: false\n", *targets))
    (finding,) = json.loads(verify("--url", server.url, "-o", "json").out)["findings"]
    assert finding["key"] == "permissive"
    assert finding["number"] == 40
    assert finding["says"] == ["read: connection reset by peer"]
    assert finding["examples"] == [f"https://10.0.0.{number}:8080/metrics (shop/cart-{number})" for number in range(3)]


def test_what_comes_first_is_to_be_repaired_first(verify, serve, real_answers):
    findings = json.loads(verify("--url", serve(real_answers).url, "-o", "json").out)["findings"]
    steps = [known.Step[one["step"].upper()] for one in findings]
    assert steps == sorted(steps)
    assert [one["key"] for one in findings][:1] == ["file-unfit"]
    assert findings[-1]["key"] == "alert-firing"
