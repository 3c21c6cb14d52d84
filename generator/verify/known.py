"""What a target's last error means: the known ones, each with its cause, its remedy and the fact that it rests on.

Messages are those of Prometheus 2.42 to 3.x, which pass on what Go's ``net/http`` and ``crypto/tls`` say. A target in
the mesh says little: with TLS 1.3 Prometheus has sent its request before the proxy has looked at the certificate, so a
refused certificate may show as ``broken pipe`` in one scrape and as the alert in the next. The rules below go from the
particular to the general; the first whose words and circumstances fit is taken.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import IntEnum
from typing import Any, NamedTuple


class Step(IntEnum):
    """The order in which to repair things: what comes later may well be a consequence of what comes earlier."""

    RELOAD = 1
    CONFIGURATION = 2
    FILES = 3
    POOL = 4
    CERTIFICATE = 5
    MODE = 6
    ACCESS = 7
    DISCOVERY = 8
    NETWORK = 9
    ANSWER = 10
    UNKNOWN = 11
    RULES = 12
    ALERTS = 13


class Cause(NamedTuple):
    """A known error: ``key`` is its stable name for programs, the rest is for people."""

    key: str
    step: Step
    title: str
    cause: str
    remedy: str
    fact: str


class Circumstances(NamedTuple):
    """What is known of a target beside its error.

    ``job`` is the target's job as it runs, {} if the configuration isn't known.
    """

    scheme: str
    port: int
    job: Mapping[str, Any]

    @property
    def tls(self) -> Mapping[str, Any]:
        """The job's ``tls_config``."""
        found = self.job.get("tls_config")
        return found if isinstance(found, dict) else {}


_SDS = "istio security/pkg/nodeagent/sds/sdsservice.go, istio#28099"
_PERMISSIVE = "istio#38720, #20011; prometheus/common#713: Prometheus can't choose ALPN"
_H2 = "prometheus#10213, #9068"
_FILES = "istio security/pkg/nodeagent/util/util.go; prometheus/common config/http_config.go"
_URI_ALONE = "istio.io, Prometheus integration; prometheus/common#840"
_TRIED = "tried: Prometheus 2.42, Envoy 1.40"

NO_FILE = Cause(
    "file-missing",
    Step.FILES,
    "A certificate file isn't there",
    "The agent has not written it, or writes it elsewhere: OUTPUT_CERTS is not the directory that Prometheus mounts, "
    "the two containers mount different volumes, or a subPath mount keeps Prometheus from seeing new files.",
    "Look for the three files in both containers (kubectl exec POD -c istio-proxy -- ls $OUTPUT_CERTS). Without any: "
    "the agent's log tells why istiod gives no certificate, or the pod has no proxy at all.",
    f"key.pem, cert-chain.pem and root-cert.pem are written to OUTPUT_CERTS; the agent doesn't create it ({_FILES})",
)
NO_PERMISSION = Cause(
    "file-unreadable",
    Step.FILES,
    "Prometheus may not read a certificate file",
    "The file belongs to the proxy's user with mode 0600. Istio 1.9.0 to 1.9.3 wrote it so, and any agent does that "
    "doesn't see KUBERNETES_SERVICE_HOST.",
    "Upgrade the proxy, see that KUBERNETES_SERVICE_HOST is in its environment, or give the pod an fsGroup.",
    "istio#31726, #29919, fixed by istio#31531: mode 0644 since 1.9.4",
)
KEY_MISMATCH = Cause(
    "key-mismatch",
    Step.FILES,
    "The private key and the certificate don't belong together",
    "Seen once, it is the moment of a renewal: each file is replaced at once, the three of them are not. If it stays, "
    "two writers share the directory, or an old file lies in it.",
    "Ask again. If it stays: one proxy alone may write there; delete the files and restart the proxy.",
    f"each file is replaced by a rename, the set is not ({_FILES})",
)
BAD_FILE = Cause(
    "file-unfit",
    Step.FILES,
    "A certificate file holds no certificate or no key",
    "It is empty or cut off: the volume is full, or something other than the agent writes it.",
    "Look at the file and at the volume's size; delete it and restart the proxy.",
    f"the agent itself writes each file by a rename, so never half ({_FILES})",
)
OTHER_ROOT = Cause(
    "unknown-authority",
    Step.CERTIFICATE,
    "The targets don't know who signed Prometheus' certificate",
    "It comes from another root than the targets trust: a certificate of a legacy secret (istio.default), of another "
    "mesh or another revision's CA, or one left over from before the root was changed.",
    "Compare the issuer of cert-chain.pem with the targets' root (istioctl proxy-config secret POD), and have "
    "tls_config name the directory that the agent writes to.",
    f"a proxy takes what chains to its own mesh's root ({_TRIED}); nothing renews the secrets istio.<service account>",
)
EXPIRED = Cause(
    "certificate-expired",
    Step.CERTIFICATE,
    "Prometheus' certificate has expired",
    "The agent renews it only while something asks for it: with Envoy running and nothing subscribed, the first "
    "certificate is the last. Or the agent can't reach istiod, or a clock is wrong.",
    "Look at the age of cert-chain.pem and the proxy's log; render the Sidecar with one mTLS host (mesh.sidecar), and "
    "leave out a workload-wide PeerAuthentication DISABLE. Restarting the pod helps for a day.",
    f"renewal follows subscriptions ({_SDS}); istio#28050, #26821",
)
NO_CERTIFICATE = Cause(
    "certificate-required",
    Step.CERTIFICATE,
    "The targets demand a certificate, and Prometheus shows none",
    "The job's tls_config names no cert_file and key_file. With the Operator: a monitor with a tlsConfig of its own, "
    "or without the scrape class.",
    "Give the job the three files as sidecert renders them, or set useMeshCertificates; with the Operator, leave out "
    "the monitor's own tlsConfig and name the scrape class.",
    f"{_TRIED}; prometheus-operator mergeTLSConfigWithScrapeClass",
)
IDENTITY = Cause(
    "identity-refused",
    Step.CERTIFICATE,
    "The targets trust the signer, but not the name in Prometheus' certificate",
    "Its SPIFFE URI is of a trust domain that the targets don't accept.",
    "Compare the URI in cert-chain.pem (openssl x509 -noout -ext subjectAltName) with the mesh's trustDomain and "
    "trustDomainAliases; set istio.trustDomain.",
    f"the proxies compare the URI's trust domain ({_TRIED})",
)
REFUSED = Cause(
    "certificate-refused",
    Step.CERTIFICATE,
    "The targets refuse Prometheus' certificate",
    "Most often it is expired or of another root: with TLS 1.3 the refusal may arrive after the request was sent, and "
    "then says nothing more.",
    "Look at dates and issuer of cert-chain.pem (openssl x509 -noout -dates -issuer), and ask again: another scrape "
    "may say more.",
    f"broken pipe, reset or an alert, by who is faster ({_TRIED})",
)
HTTP2 = Cause(
    "http2",
    Step.MODE,
    "HTTP/2 is spoken to an application that can't",
    "The job leaves HTTP/2 on. On a port that isn't declared HTTP, the target's proxy agrees on h2 and passes the "
    "frames on to an HTTP/1.1 application.",
    "Set enable_http2: false in the job (enableHttp2: false in a monitor), as sidecert renders it; or name the port "
    "http-*, or give it appProtocol: http.",
    _H2,
)
H2_FRAMES = Cause(
    "http2-target",
    Step.ANSWER,
    "The target answers in HTTP/2 to a question in HTTP/1.1",
    "The port is one of gRPC, or of an application that speaks HTTP/2 without TLS alone.",
    "Name the port that serves metrics (prometheus.io/port).",
    _TRIED,
)
PLAIN_TARGET = Cause(
    "target-in-plain-text",
    Step.MODE,
    "https is spoken to a port in plain text",
    "The pod is outside the mesh, or its port takes cleartext: a PERMISSIVE port of plain TCP passes TLS on to the "
    "application, which answers in plain text.",
    "Scrape it in cleartext: prometheus.io/scheme: http at the pod, or make it STRICT.",
    f"{_PERMISSIVE}; {_TRIED}",
)
PLAIN_AGENT = PLAIN_TARGET._replace(
    cause="Ports 15020 and 15090 are plain text whatever the mTLS mode. A leftover prometheus.io/scheme: https at a "
    "pod whose metrics are merged does it too.",
    remedy="Leave these ports to the job istio-merged; remove prometheus.io/scheme from the pod, or switch merging off "
    "there.",
    fact="istio pkg/kube/inject/webhook.go (applyPrometheusMerge)",
)
TLS_TARGET = Cause(
    "target-in-tls",
    Step.MODE,
    "Plain text is spoken to a port that wants TLS",
    "The target is STRICT, or serves https itself, and the job scrapes it in cleartext.",
    "Let the job istio-mtls have it: remove prometheus.io/scheme: http from the pod; for a job of your own, set "
    "scheme: https and the certificate.",
    f"a STRICT port closes what isn't TLS ({_TRIED})",
)
PERMISSIVE = Cause(
    "permissive",
    Step.MODE,
    "The connection is closed during the TLS handshake",
    "The target is PERMISSIVE: it takes mTLS only with ALPN istio*, which Prometheus can't send, and closes any other "
    "TLS on an HTTP port. If every target of the job says so, a refused certificate may sound like this too.",
    "Scrape it in cleartext (prometheus.io/scheme: http at the pod; istio.mtlsMode: PERMISSIVE for a whole mesh), or "
    "make the workload STRICT (PeerAuthentication).",
    _PERMISSIVE,
)
CLOSED = Cause(
    "closed-by-target",
    Step.MODE,
    "The target closes the connection without an answer",
    "Its proxy took the certificate but has nobody to pass the request to (the application is down or listens on "
    "another port), or an AuthorizationPolicy on a TCP port denies it. A PERMISSIVE port may do the same.",
    "Is the application up on that port? Do the target's AuthorizationPolicies allow Prometheus' principal? Is the "
    "workload STRICT?",
    f"a TCP filter chain can only close ({_TRIED}); {_PERMISSIVE}",
)
CLOSED_PLAIN = CLOSED._replace(
    cause="What listens there is no HTTP server, or has nobody behind it: the application is down or listens on "
    "another port. A STRICT port that closes plain text mostly says reset.",
    remedy="Is the application up on that port? Does prometheus.io/port serve metrics? Is the workload STRICT?",
    fact=_TRIED,
)
SKIP_VERIFY = Cause(
    "skip-verify-missing",
    Step.CERTIFICATE,
    "Prometheus tries to verify the targets' names, which their certificates don't hold",
    "insecure_skip_verify is missing in the job's tls_config. A workload certificate names a SPIFFE URI and nothing "
    "else. With the Operator, a monitor's own tlsConfig doesn't inherit it from the scrape class.",
    "Set insecure_skip_verify: true, as sidecert renders it; with the Operator, leave out the monitor's tlsConfig.",
    _URI_ALONE,
)
TARGET_EXPIRED = SKIP_VERIFY._replace(
    key="target-certificate-expired",
    title="A target shows an expired certificate, and Prometheus looks at it",
    cause="The target's own certificate is not renewed, or a clock is wrong. Prometheus notices because "
    "insecure_skip_verify is missing in the job's tls_config.",
    remedy="Look at the target's proxy (istioctl proxy-config secret POD), then set insecure_skip_verify: true, as "
    "sidecert renders it.",
)
LOCALHOST_ONLY = Cause(
    "metrics-localhost-only",
    Step.ACCESS,
    "The agents show their metrics to their own pod alone",
    "METRICS_LOCALHOST_ACCESS_ONLY is set: port 15020 answers 403 to others.",
    "Scrape the secure ports (scrape.securePorts, Istio 1.31 and later), or unset it.",
    "istio#50728, pilot/cmd/pilot-agent/status/server.go (1.22 and later)",
)
FORBIDDEN = Cause(
    "forbidden",
    Step.ACCESS,
    "The target forbids Prometheus to read its metrics (403)",
    "Over mTLS it is most often an AuthorizationPolicy that doesn't name Prometheus' principal; otherwise the "
    "application itself.",
    "Allow the principal <trust domain>/ns/<namespace>/sa/<service account>: mesh.authorizationPolicies renders it.",
    "istio AuthorizationPolicy API: the principal is the certificate's URI without spiffe://",
)
UNAUTHORIZED = Cause(
    "unauthorized",
    Step.ACCESS,
    "The target wants a login of its own (401)",
    "The application, not the mesh, asks for a token or a password.",
    "Give the job what it asks for (authorization, basic_auth), or serve metrics on a port without it.",
    "HTTP: 401 Unauthorized",
)
PROXY_ALONE = Cause(
    "application-unreachable",
    Step.ANSWER,
    "The target's proxy answers, the application behind it doesn't (502, 503, 504)",
    "mTLS works. The application is down, or listens on another port or on another address.",
    "Look at the pod and at prometheus.io/port.",
    _TRIED,
)
NOT_THERE = Cause(
    "path-not-found",
    Step.ANSWER,
    "There are no metrics at that path (404)",
    "prometheus.io/path is missing or wrong. The proxies' secure ports serve /stats/prometheus alone.",
    "Set prometheus.io/path at the pod.",
    "istio envoy_bootstrap.json, for ports 15091 and 15092",
)
STATUS = Cause(
    "http-status",
    Step.ANSWER,
    "The target answers with an HTTP error",
    "The connection works; the application fails.",
    "Look into the application's log.",
    "Prometheus takes 200 alone",
)
TIMEOUT = Cause(
    "timeout",
    Step.NETWORK,
    "The targets don't answer in time",
    "A NetworkPolicy or firewall drops the packets, the pod is gone, or the page takes longer than scrape_timeout.",
    "Try it from the Prometheus pod; allow the port in NetworkPolicies; raise prometheus.scrapeTimeout for slow pages.",
    "Prometheus gives up after scrape_timeout",
)
NO_LISTENER = Cause(
    "connection-refused",
    Step.NETWORK,
    "Nothing listens on the targets' port",
    "The annotated port is not the application's, the application is down or listens on localhost alone; on 15091 and "
    "15092, the proxy's secure ports are off.",
    "Correct prometheus.io/port, or start what should listen there.",
    "TCP: connection refused",
)
NO_ROUTE = Cause(
    "unreachable",
    Step.NETWORK,
    "The targets can't be reached",
    "No network leads there: the pod or its node is gone, or the address family is not routed.",
    "Look at the pod's node, and at the cluster's network for that family.",
    "IP: no route",
)
NO_HOST = Cause(
    "no-such-host",
    Step.NETWORK,
    "The target's name can't be resolved",
    "The Service or host of a static target doesn't exist, or DNS fails.",
    "Correct the name, or look at the cluster's DNS.",
    "DNS",
)
BAD_ADDRESS = Cause(
    "bad-address",
    Step.CONFIGURATION,
    "A target's address can't be read",
    "A relabelling rule writes an IPv6 address without brackets ($1:$2).",
    "Use two rules, one for each family, as sidecert renders them.",
    "istio#35915",
)
NOT_METRICS = Cause(
    "no-metrics",
    Step.ANSWER,
    "What the target serves is no metrics page",
    "The path or port is another one's: a web page, or an application without metrics.",
    "Correct prometheus.io/path and prometheus.io/port.",
    "Prometheus' exposition formats; since 3.0 the Content-Type must name one",
)
LIMIT = Cause(
    "limit-exceeded",
    Step.ANSWER,
    "The target serves more than the job allows",
    "sample_limit, label_limit or body_size_limit of the job is exceeded; the scrape is thrown away as a whole.",
    "Raise the limit, or drop series at the source.",
    "Prometheus configuration, scrape_config",
)
VERSION = Cause(
    "tls-version",
    Step.MODE,
    "The target and Prometheus agree on no TLS version or protocol",
    "min_version or max_version in the job's tls_config excludes what the mesh speaks (1.2 and 1.3), or what listens "
    "there is no proxy of the mesh.",
    "Leave both out of tls_config, as sidecert does.",
    "istio meshMTLS.minProtocolVersion",
)
UNKNOWN = Cause(
    "unknown",
    Step.UNKNOWN,
    "The targets fail for a reason that sidecert doesn't know",
    "Not known.",
    "Look at the target's log, and the proxy's, for the same time.",
    "",
)

_CLOSED = r"\bEOF\b|connection reset by peer|broken pipe|use of closed network connection"


def explain(error: str, target: Circumstances) -> Cause:
    """Give the cause of a target's ``lastError``."""
    for pattern, cause in _RULES:
        if re.search(pattern, error):
            return _refined(cause, error, target)
    return _closed(error, target) if re.search(_CLOSED, error) else UNKNOWN


def _refined(cause: Cause, error: str, target: Circumstances) -> Cause:
    """Choose among causes with the same words by what is known of the target."""
    if cause is PLAIN_TARGET and target.port in {15020, 15090}:
        return PLAIN_AGENT
    if cause is FORBIDDEN and target.port in {15020, 15090}:
        return LOCALHOST_ONLY
    if cause is PROXY_ALONE and target.scheme == "http":
        return STATUS
    if cause is NO_CERTIFICATE and target.tls.get("cert_file"):
        return VERSION if "handshake failure" in error else REFUSED
    if cause is SKIP_VERIFY and re.search(r"has expired|not yet valid", error):
        return TARGET_EXPIRED
    return cause


def _closed(error: str, target: Circumstances) -> Cause:
    """A connection that was closed tells little; the rest follows from how it was spoken to."""
    if target.scheme != "https":
        return TLS_TARGET if "reset" in error else CLOSED_PLAIN
    if target.job.get("enable_http2", True) is not False and "unexpected EOF" in error:
        return HTTP2
    if "broken pipe" in error:
        return REFUSED
    if "reset" in error:
        return PERMISSIVE
    return CLOSED


_RULES: tuple[tuple[str, Cause], ...] = (
    # Its own files. The words of the operating system end the message, so the address before them can't mislead.
    (r"(open|stat|read) [^ ]+: no such file or directory", NO_FILE),
    (r"(open|stat|read) [^ ]+: permission denied", NO_PERMISSION),
    (r"private key does not match public key|private key type does not match", KEY_MISMATCH),
    (r"failed to find any PEM data|failed to parse (private )?key|unable to use specified (CA|client) cert", BAD_FILE),
    # The target's verdict on Prometheus' certificate.
    (r"remote error: tls: unknown certificate authority", OTHER_ROOT),
    (r"remote error: tls: (expired certificate|certificate expired)", EXPIRED),
    (r"remote error: tls: (certificate required|handshake failure)", NO_CERTIFICATE),
    (r"remote error: tls: unknown certificate", IDENTITY),
    (r"remote error: tls: .*certificate", REFUSED),
    (r"remote error: tls: |tls: .*(protocol version|no supported versions)", VERSION),
    # Prometheus' verdict on the target's.
    (r"x509: |tls: failed to verify certificate", SKIP_VERIFY),
    # What is spoken on the wire.
    (r'malformed HTTP response "\\x1[56]\\x03', TLS_TARGET),
    (r'malformed HTTP response "\\x00\\x00', H2_FRAMES),
    (r"http2: |stream error|GOAWAY", HTTP2),
    (r"server gave HTTP response to HTTPS client|first record does not look like a TLS handshake", PLAIN_TARGET),
    # HTTP.
    (r"HTTP status 403\b", FORBIDDEN),
    (r"HTTP status 401\b", UNAUTHORIZED),
    (r"HTTP status 404\b", NOT_THERE),
    (r"HTTP status 50[234]\b", PROXY_ALONE),
    (r"HTTP status \d", STATUS),
    # The network.
    (r"too many colons in address|invalid port|missing port in address|invalid URL", BAD_ADDRESS),
    (r"connect: connection refused", NO_LISTENER),
    (r"no such host|server misbehaving", NO_HOST),
    (r"no route to host|network is unreachable|host is down", NO_ROUTE),
    (r"deadline exceeded|i/o timeout|handshake timeout|Client\.Timeout|connection timed out", TIMEOUT),
    # The page.
    (r"limit exceeded|exceeds? .*limit|body size limit", LIMIT),
    (r"valid start token|Content-Type|expected .* got|unexpected end of|invalid metric|malformed HTTP", NOT_METRICS),
)
