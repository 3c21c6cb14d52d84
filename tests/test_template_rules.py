"""Every rule of the templates, broken the way a person would break it, and the text that person reads."""

# ruff: noqa: E501  # texts are compared whole

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

from generator.cli import run
from tests.conftest import snapshot
from tests.rendering import ROOT

RULES = (ROOT / "templates/_lib/rules.j2").read_text()

#: What breaks a rule, and where and how it is told.
CASES: dict[str, tuple[str, str]] = {
    "a timeout longer than the interval": (
        "prometheus:\n  scrapeInterval: 1m\n  scrapeTimeout: 61s\n",
        "3:3: prometheus.scrapeTimeout: a scrape may not take longer (61s) than the time between scrapes (1m)",
    ),
    "a ServiceMonitor's timeout longer than its interval": (
        "variant: operator\noperator:\n  serviceMonitors:\n    shop:\n      port: http\n      interval: 15s\n      scrapeTimeout: 20s\n",
        "7:7: operator.serviceMonitors.shop.scrapeTimeout: a scrape may not take longer (20s) than the time between scrapes (15s)",
    ),
    "a PodMonitor's timeout longer than Prometheus' interval": (
        "variant: operator\noperator:\n  podMonitors:\n    shop:\n      port: http\n      scrapeTimeout: 31s\n",
        "6:7: operator.podMonitors.shop.scrapeTimeout: a scrape may not take longer (31s) than the time between scrapes (30s)",
    ),
    "an agent that the operator's job can't reach": (
        "variant: operator\nproxy:\n  metadata:\n    METRICS_LOCALHOST_ACCESS_ONLY: 'true'\n",
        "4:5: proxy.metadata.METRICS_LOCALHOST_ACCESS_ONLY: the agent then answers its own pod alone, and with the operator it is scraped at the pod's address; leave this out, or set scrape.agent.enabled to false",
    ),
    "the directory that the agent reads": (
        "certificates:\n  directory: /etc/certs\n",
        "2:3: certificates.directory: the agent takes what it finds in /etc/certs for an identity mounted there (istio/istio#28050); choose another directory, such as /etc/istio-output-certs",
    ),
    "a directory of another volume of the proxy": (
        "certificates:\n  directory: /etc/istio/pod\n",
        "2:3: certificates.directory: another volume of the proxy is mounted here; choose another directory, such as /etc/istio-output-certs",
    ),
    "a mount over Prometheus' own": (
        "certificates:\n  mountPath: /etc/prometheus\n",
        "2:3: certificates.mountPath: Prometheus' own volume is mounted here; choose another directory, such as /etc/prom-certs",
    ),
    "a mount in the read-only configuration": (
        "certificates:\n  mountPath: /etc/prometheus/config/certs\n",
        "2:3: certificates.mountPath: Prometheus' own volume is mounted here; choose another directory, such as /etc/prom-certs",
    ),
    "a mount over the operator's own": (
        "variant: operator\ncertificates:\n  mountPath: /etc/prometheus/certs\n",
        "3:3: certificates.mountPath: the operator mounts a volume of its own here; choose another directory, such as /etc/prom-certs",
    ),
    "a volume that injection removes": (
        "certificates:\n  volume: istio-certs\n",
        "2:3: certificates.volume: injection removes or replaces a volume of this name (Istio 1.5 to 1.8, and global.mountMtlsCerts in any release); choose another, such as istio-workload-certs",
    ),
    "a volume that is there": (
        "certificates:\n  volume: config\n",
        "2:3: certificates.volume: another volume of the pod has this name, or one that injection adds; choose another, such as istio-workload-certs",
    ),
    "an extra volume that is there": (
        "prometheus:\n  volumes:\n    data:\n      emptyDir: {}\n",
        "3:5: prometheus.volumes.data: another volume of the pod has this name, or one that injection adds; choose another name",
    ),
    "an extra volume named like the certificates'": (
        "prometheus:\n  volumes:\n    istio-workload-certs:\n      emptyDir: {}\n",
        "3:5: prometheus.volumes.istio-workload-certs: the volume of the certificates has this name (certificates.volume); choose another name",
    ),
    "an extra mount in the read-only configuration": (
        "prometheus:\n  volumes:\n    more:\n      emptyDir: {}\n  volumeMounts:\n    /etc/prometheus/rules/more:\n      volume: more\n",
        "6:5: prometheus.volumeMounts./etc/prometheus/rules/more: Prometheus' own volume is mounted here; choose another path",
    ),
    "an extra mount of no volume": (
        "prometheus:\n  volumeMounts:\n    /etc/token:\n      volume: token\n",
        "4:7: prometheus.volumeMounts./etc/token.volume: there is no volume called token; add it to prometheus.volumes",
    ),
    "an extra mount over Prometheus' own": (
        "prometheus:\n  volumes: {mine: {emptyDir: {}}}\n  volumeMounts:\n    /prometheus:\n      volume: mine\n",
        "4:5: prometheus.volumeMounts./prometheus: Prometheus' own volume is mounted here; choose another path",
    ),
    "an extra mount over the certificates": (
        "prometheus:\n  volumes: {mine: {emptyDir: {}}}\n  volumeMounts:\n    /etc/prom-certs:\n      volume: mine\n",
        "4:5: prometheus.volumeMounts./etc/prom-certs: the certificates are mounted here (certificates.mountPath); choose another path",
    ),
    "an extra mount over the operator's own": (
        "variant: merged\nmerged: {prometheus: operator}\nprometheus:\n  volumes: {mine: {emptyDir: {}}}\n  volumeMounts:\n    /etc/prometheus/config_out:\n      volume: mine\n",
        "6:5: prometheus.volumeMounts./etc/prometheus/config_out: the operator mounts a volume of its own here; choose another path",
    ),
    "an old Istio": (
        "istio:\n  version: 1.11.8\n",
        "2:3: istio.version: Istio 1.12 is the oldest that works: before, nothing tells when the certificate files exist",
    ),
    "secure ports before Istio 1.31": (
        "istio:\n  version: 1.30.3\nscrape:\n  securePorts:\n    enabled: true\n",
        "5:5: scrape.securePorts.enabled: the proxies have secure metrics ports from Istio 1.31 on, and istio.version is 1.30.3; set it to false until then",
    ),
    "a pod's choice of native sidecars before Istio 1.24": (
        "istio:\n  version: 1.23.0\nproxy:\n  nativeSidecar: enabled\n",
        "4:3: proxy.nativeSidecar: a pod can choose this from Istio 1.24 on, and istio.version is 1.23.0; use auto",
    ),
    "a proxy's tag without its repository": (
        "proxy:\n  image:\n    tag: 1.30.3-distroless\n",
        "2:3: proxy.image: an injected proxy takes its image as a whole; set proxy.image.repository beside the tag or digest",
    ),
    "a Sidecar host that the revision hasn't": (
        "istio:\n  revision: canary\nmesh:\n  clientTls: peerAuthentication\n  sidecar:\n    egressHosts:\n    - istio-system/istiod.istio-system.svc.cluster.local\n",
        "6:5: mesh.sidecar.egressHosts: istio-system/istiod.istio-system.svc.cluster.local doesn't resolve, and with mesh.clientTls: peerAuthentication nothing else keeps the certificate renewed, so it would expire after a day (istio/istio#28099); leave the list empty, which takes istiod's own Service, or use mesh.clientTls: tlsMode",
    ),
    "a container label with an old Prometheus": (
        "prometheus:\n  version: 2.37.9\n",
        "2:3: prometheus.version: before 2.41 Prometheus can't give targets a container label (relabel action keepequal); set scrape.containerLabel to false, or take a later version",
    ),
    "an old Prometheus": (
        "prometheus:\n  version: 2.34.0\nscrape:\n  containerLabel: false\n",
        "2:3: prometheus.version: 2.35 is the oldest that works: before, a scrape job can't switch HTTP/2 off, which Istio's mTLS needs",
    ),
    "an external label that is the replica's": (
        "prometheus:\n  externalLabels:\n    prometheus_replica: a\n",
        "3:5: prometheus.externalLabels.prometheus_replica: this label holds the pod's name (prometheus.replicaLabel); remove it here, or set prometheus.replicaLabel to another name or to an empty string",
    ),
    "one volume claim for a Deployment": (
        "prometheus:\n  workload: Deployment\n  storage:\n    size: 10Gi\n",
        "4:5: prometheus.storage.size: the pods of a Deployment would share one volume claim, and two Prometheus can't share a data directory; use prometheus.workload: StatefulSet",
    ),
    "a scrape class with an old operator": (
        "variant: operator\noperator:\n  version: 0.73.2\n",
        "3:3: operator.version: scrape classes reach PodMonitors from 0.74.0 on; set operator.scrapeClass.enabled to false, and ServiceMonitors name the certificate files themselves",
    ),
    "the mTLS job without a scrape class": (
        "variant: operator\noperator:\n  scrapeClass:\n    enabled: false\n",
        "4:5: operator.scrapeClass.enabled: the job scrape.mtls is a PodMonitor, which gets its certificate from the scrape class alone (prometheus-operator#3922); set this to true, or scrape.mtls.enabled to false",
    ),
    "secure ports without a scrape class": (
        "variant: operator\nistio: {version: 1.31.0}\noperator: {scrapeClass: {enabled: false}}\nscrape:\n  mtls: {enabled: false}\n  securePorts:\n    enabled: true\n",
        "7:5: scrape.securePorts.enabled: these jobs are PodMonitors, which get their certificate from the scrape class alone (prometheus-operator#3922); set operator.scrapeClass.enabled to true",
    ),
    "an extra job's certificate without a scrape class": (
        "variant: operator\noperator: {scrapeClass: {enabled: false}}\nscrape:\n  mtls: {enabled: false}\n  extraJobs:\n    shop:\n      useMeshCertificates: true\n      config: {metricsPath: /m}\n",
        "7:7: scrape.extraJobs.shop.useMeshCertificates: a ScrapeConfig can't name certificate files (prometheus-operator#3922); set operator.scrapeClass.enabled to true",
    ),
    "a PodMonitor's certificate without a scrape class": (
        "variant: operator\nscrape: {mtls: {enabled: false}}\noperator:\n  scrapeClass: {enabled: false}\n  podMonitors:\n    shop:\n      port: http\n      mtls: true\n",
        "8:7: operator.podMonitors.shop.mtls: a PodMonitor can't name certificate files (prometheus-operator#3922); use a ServiceMonitor, or set operator.scrapeClass.enabled to true",
    ),
    "a ServiceMonitor that names files where that is denied": (
        "variant: operator\nscrape: {mtls: {enabled: false}}\noperator:\n  denyArbitraryFileAccess: true\n  scrapeClass: {enabled: false}\n  serviceMonitors:\n    shop:\n      port: http\n      mtls: true\n",
        "9:7: operator.serviceMonitors.shop.mtls: operator.denyArbitraryFileAccess rejects ServiceMonitors that name files; set operator.scrapeClass.enabled to true",
    ),
    "an operator that loses annotations": (
        "variant: operator\nscrape: {mtls: {enabled: false}}\noperator:\n  version: 0.52.1\n  scrapeClass: {enabled: false}\n",
        "4:3: operator.version: before 0.53.0 the operator doesn't pass annotations on to the pods, and the proxy is told by annotations; update the operator",
    ),
    "an agent with an old operator": (
        "variant: operator\nscrape: {mtls: {enabled: false}}\noperator:\n  version: 0.63.0\n  agent: true\n  scrapeClass: {enabled: false}\n",
        "5:3: operator.agent: PrometheusAgent exists from operator 0.64.0 on, and operator.version is 0.63.0; set it to false until then",
    ),
    "a ServiceMonitor's certificate where there is none": (
        "variant: merged\noperator:\n  serviceMonitors:\n    shop:\n      port: http\n      mtls: true\n",
        "6:7: operator.serviceMonitors.shop.mtls: the merged variant has no proxy and so no certificate; use another variant",
    ),
    "a PodMonitor's certificate where there is none": (
        "variant: merged\noperator:\n  podMonitors:\n    shop:\n      port: http\n      mtls: true\n",
        "6:7: operator.podMonitors.shop.mtls: the merged variant has no proxy and so no certificate; use another variant",
    ),
    "an extra job's certificate where there is none": (
        "variant: merged\nscrape:\n  extraJobs:\n    shop:\n      useMeshCertificates: true\n      config: {metrics_path: /m}\n",
        "5:7: scrape.extraJobs.shop.useMeshCertificates: the merged variant has no proxy and so no certificate; use another variant",
    ),
    "a remote write's certificate where there is none": (
        "variant: merged\nprometheus:\n  remoteWrite:\n    home:\n      url: https://mimir.example.com/push\n      useMeshCertificates: true\n",
        "6:7: prometheus.remoteWrite.home.useMeshCertificates: the merged variant has no proxy and so no certificate; use another variant",
    ),
    "an Alertmanager's certificate where there is none": (
        "variant: merged\nalerting:\n  alertmanagers:\n    main:\n      namespace: monitoring\n      service: alertmanager\n      port: web\n      scheme: https\n      useMeshCertificates: true\n",
        "9:7: alerting.alertmanagers.main.useMeshCertificates: the merged variant has no proxy and so no certificate; use another variant",
    ),
    "secure ports where there is no certificate": (
        "variant: merged\nistio: {version: 1.31.0}\nscrape:\n  securePorts:\n    enabled: true\n",
        "5:5: scrape.securePorts.enabled: the secure metrics ports demand a certificate, and the merged variant has none; use another variant",
    ),
    "a field that the certificate sets": (
        "scrape:\n  extraJobs:\n    shop:\n      useMeshCertificates: true\n      config:\n        scheme: http\n",
        "6:9: scrape.extraJobs.shop.config.scheme: useMeshCertificates sets this field; remove it here",
    ),
    "an Alertmanager's certificate over http": (
        "alerting:\n  alertmanagers:\n    main:\n      namespace: monitoring\n      service: alertmanager\n      port: web\n      useMeshCertificates: true\n",
        "3:5: alerting.alertmanagers.main.scheme: useMeshCertificates needs scheme: https",
    ),
    "a remote write's certificate over http": (
        "prometheus:\n  remoteWrite:\n    home:\n      url: http://mimir.example.com/push\n      useMeshCertificates: true\n",
        "4:7: prometheus.remoteWrite.home.url: useMeshCertificates needs an https:// address",
    ),
}

#: The same mistakes in other clothes: each gives one problem at the path named.
OTHERS: dict[str, tuple[str, str]] = {
    "a host that means nothing": (
        "mesh: {clientTls: peerAuthentication, sidecar: {egressHosts: ['~/*']}}\n",
        "mesh.sidecar.egressHosts",
    ),
    "a host that no revision has, in any namespace": (
        "istio: {revision: canary}\nmesh: {clientTls: peerAuthentication, sidecar: {egressHosts: ['*/istiod.istio-system.svc.cluster.local']}}\n",
        "mesh.sidecar.egressHosts",
    ),
    "the same beside a hand-written proxy": (
        "variant: manual\nmesh: {clientTls: peerAuthentication, sidecar: {egressHosts: ['~/*']}}\n",
        "mesh.sidecar.egressHosts",
    ),
    "a volume that the mesh adds": (
        "prometheus: {volumes: {istio-certs: {emptyDir: {}}}}\n",
        "prometheus.volumes.istio-certs",
    ),
    "a mount beside the rules": ("certificates: {mountPath: /etc/prometheus/rules/x}\n", "certificates.mountPath"),
    "a proxy's digest without its repository": (f"proxy: {{image: {{digest: 'sha256:{'0' * 64}'}}}}\n", "proxy.image"),
}

#: What the schema refuses already: where and how it is told.
REFUSED_BY_SCHEMA: dict[str, tuple[str, str]] = {
    "an annotation that kustomize keeps for itself": (
        'annotations:\n  config.kubernetes.io/local-config: "true"\n',
        "2:3: annotations.config.kubernetes.io/local-config: this key is not allowed: kustomize keeps these annotations for itself, and may leave the resource out",
    ),
    "a relative directory": (
        "certificates:\n  directory: certs\n",
        '2:3: certificates.directory: not of the right form\n    found: the string "certs"\n    expected: a string that matches ^(/[A-Za-z0-9][-A-Za-z0-9._]*)+$\n    hint: for example `/etc/istio-output-certs`',
    ),
    "the agent's directory in disguise": (
        "certificates:\n  directory: /etc/./certs/\n",
        '2:3: certificates.directory: not of the right form\n    found: the string "/etc/./certs/"\n    expected: a string that matches ^(/[A-Za-z0-9][-A-Za-z0-9._]*)+$\n    hint: for example `/etc/istio-output-certs`',
    ),
    "a directory that nothing is mounted at": (
        "proxy:\n  metadata:\n    OUTPUT_CERTS: /etc/elsewhere\n",
        "3:5: proxy.metadata.OUTPUT_CERTS: this key is not allowed: the templates set this variable from another value, or it has no effect",
    ),
    "another interception mode, by annotation": (
        "prometheus:\n  podAnnotations:\n    sidecar.istio.io/interceptionMode: NONE\n",
        "3:5: prometheus.podAnnotations.sidecar.istio.io/interceptionMode: this key is not allowed: the templates set this annotation from another value",
    ),
    "another interception mode, by variable": (
        "proxy:\n  metadata:\n    ISTIO_META_INTERCEPTION_MODE: NONE\n",
        "3:5: proxy.metadata.ISTIO_META_INTERCEPTION_MODE: this key is not allowed: the templates set this variable from another value, or it has no effect",
    ),
    "a variable that is no string": (
        "proxy:\n  metadata:\n    ENABLE_X: true\n",
        "3:5: proxy.metadata.ENABLE_X: wrong type\n    found: the boolean true\n    expected: a string\n    hint: yes, no, on, off, y, n, true and false are booleans in YAML 1.1: quote the value",
    ),
    "the label that the injector reads": (
        'prometheus:\n  podLabels:\n    sidecar.istio.io/inject: "false"\n',
        "3:5: prometheus.podLabels.sidecar.istio.io/inject: this key is not allowed: the templates set this label from another value",
    ),
}


class Fail(NamedTuple):
    """A `fail` of the rules: patterns of the path and of the message that it gives."""

    line: int
    path: re.Pattern[str]
    message: re.Pattern[str]


def fails() -> Iterator[Fail]:
    text = r'(?:format\()?"((?:[^"\\]|\\.)*)"'
    for found in re.finditer(rf"\{{\{{ fail\({text}(?:, [a-z.A-Z]+)*\)?, {text}", RULES):
        path, message = (re.compile(re.escape(part).replace("%s", ".+")) for part in found.groups())
        yield Fail(RULES.count("\n", 0, found.start()) + 1, path, message)


@pytest.fixture
def refused(tmp_path, capsys, monkeypatch) -> Callable[[str], str]:
    """Render an overlay that is refused, and give what is told about it; nothing may have been written."""
    (tmp_path / "overlays").mkdir()
    (tmp_path / "output").mkdir()
    (tmp_path / "output/notes.txt").write_text("mine\n")
    monkeypatch.chdir(tmp_path)

    def call(overlay: str) -> str:
        (tmp_path / "overlays/dev.yaml").write_text(overlay)
        before = snapshot(tmp_path / "output")
        assert run(["render"]) == 2
        assert snapshot(tmp_path / "output") == before
        printed = capsys.readouterr()
        assert printed.out == ""
        return str(printed.err)

    return call


@pytest.mark.parametrize("case", CASES)
def test_a_broken_rule_is_told(refused, case):
    overlay, told = CASES[case]
    assert refused(overlay) == f"error: overlays/dev.yaml:{told}\n"


@pytest.mark.parametrize("case", OTHERS)
def test_a_rule_knows_other_forms_of_the_mistake(refused, case):
    overlay, path = OTHERS[case]
    told = refused(overlay)
    assert told.count("\n") == 1
    assert f": {path}: " in told


@pytest.mark.parametrize("case", REFUSED_BY_SCHEMA)
def test_what_needs_no_rule_is_refused_by_the_schema(refused, case):
    overlay, told = REFUSED_BY_SCHEMA[case]
    assert refused(overlay) == f"error: overlays/dev.yaml:{told}\n"


def test_every_rule_is_broken_by_a_case():
    told = [case.split(": ", 2)[1:] for _, case in CASES.values()]
    unbroken = [
        rule.line
        for rule in fails()
        if not any(rule.path.fullmatch(path) and rule.message.fullmatch(message) for path, message in told)
    ]
    assert not unbroken, f"no case reaches the rules on these lines of rules.j2: {unbroken}"


def test_no_rule_is_overlooked():
    assert len(list(fails())) == RULES.count("fail(")


def test_no_rule_ends_with_a_full_stop():
    assert [rule.line for rule in fails() if rule.message.pattern.endswith(r"\.")] == []


def test_all_broken_rules_are_told_at_once(refused):
    told = refused("certificates:\n  directory: /etc/certs\n  volume: istio-certs\nprometheus:\n  version: 2.37.9\n")
    assert [line.split(": ")[1] for line in told.splitlines()] == [
        "overlays/dev.yaml:2:3",
        "overlays/dev.yaml:3:3",
        "overlays/dev.yaml:5:3",
    ]
