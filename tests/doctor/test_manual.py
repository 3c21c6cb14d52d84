"""A proxy that the manifest spells out itself."""

from __future__ import annotations

from typing import Any

import pytest

from generator.doctor.rules.examples import PLAIN, but
from generator.doctor.rules.mesh import DISABLE, SIDECAR
from generator.doctor.rules.spoiling import BY_HAND, MANUAL
from generator.monitoring.completing import pattern_edits
from tests.doctor.helpers import diagnose, ids, only, repaired, setup_of

ARGS = "args: [proxy, sidecar, --domain, $(POD_NAMESPACE).svc.cluster.local]"
TOKEN = "        - {name: istio-token, mountPath: /var/run/secrets/tokens}\n"
ROOT = "        - {name: istiod-ca-cert, mountPath: /var/run/secrets/istio}\n"
IMAGE = "registry.istio.io/release/proxyv2:1.30.3"
LABEL = '        sidecar.istio.io/inject: "false"\n'


def with_args(*args: str, text: str = MANUAL) -> str:
    lines = "".join(f"        - {arg}\n" for arg in ("proxy", "sidecar", *args))
    return but(text, (f"        {ARGS}\n", f"        args:\n{lines}"))


def errors(text: str, **settings: Any) -> list[str]:
    return [one.rule.id for one in diagnose(text, **settings) if one.severity == "error"]


def test_a_whole_proxy_by_hand_is_fine():
    assert ids(MANUAL) == []


def test_flags_that_are_gone_go_with_their_values():
    text = with_args(
        "--domain",
        "x",
        "--discoveryAddress",
        "istio-pilot.istio-system:15012",
        "--drainDuration=45s",
        "--statusPort",
        "'15020'",
    )
    finding = only(text, "dead-agent-flag")
    assert finding.found == "pilot-agent 1.30.3 doesn't know --discoveryAddress, --drainDuration, --statusPort"
    assert finding.path[-2:] == ("args", 4)
    after = repaired(text, finding)
    assert ids(after) == []
    assert "--domain" in after
    assert "15020" not in after
    assert "istio-pilot" not in after


def test_an_address_and_a_trust_domain_of_ones_own_are_kept_as_variables():
    text = with_args("--discoveryAddress=istiod-canary.istio-system.svc:15012", "--trust-domain", "example.org")
    after = repaired(text, only(text, "dead-agent-flag"))
    assert '"discoveryAddress": "istiod-canary.istio-system.svc:15012"' in after
    assert "value: example.org" in after


@pytest.mark.parametrize(
    "flag", ["--domain=x", "--proxyLogLevel=warning", "--serviceCluster=prometheus", "--concurrency", "--stsPort=0"]
)
def test_flags_that_the_agent_knows_are_fine(flag):
    assert ids(with_args(flag)) == []


@pytest.mark.parametrize(
    ("image", "flag", "dead"),
    [
        ("docker.io/istio/proxyv2:1.5.1", "--discoveryAddress=a:1", False),
        ("docker.io/istio/proxyv2:1.6.0", "--discoveryAddress=a:1", True),
        ("docker.io/istio/proxyv2:1.7.9", "--trust-domain=a", False),
        ("docker.io/istio/proxyv2:1.8.0", "--trust-domain=a", True),
        ("docker.io/istio/proxyv2:latest", "--trust-domain=a", True),
    ],
)
def test_the_proxys_own_version_decides_which_flags_are_gone(image, flag, dead):
    assert ("dead-agent-flag" in ids(but(with_args(flag), (IMAGE, image)))) == dead


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("istio-pilot.istio-system.svc:15012", "istiod.istio-system.svc:15012"),
        ("istio-pilot.istio-system:15010", "istiod.istio-system:15012"),
        ("istio-pilot.mesh.svc.cluster.local:15011", "istiod.mesh.svc.cluster.local:15012"),
    ],
)
def test_the_control_planes_old_name_is_replaced(old, new):
    text = but(MANUAL, ("istiod.istio-system.svc:15012", old))
    finding = only(text, "dead-host")
    assert finding.found == f"CA_ADDR is {old}"
    assert f"value: {new}" in repaired(text, finding)


def test_the_old_name_in_an_injected_proxys_configuration_is_replaced_too():
    hold = "          holdApplicationUntilProxyStarts: true\n"
    text = but(PLAIN, (hold, f"{hold}          discoveryAddress: istio-pilot.istio-system:15011\n"))
    assert ids(repaired(text, only(text, "dead-host"))) == []


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--discoveryAddress", "istio-pilot.istio-system.svc:15012"), "- istiod.istio-system.svc:15012"),
        (("--discoveryAddress=istio-pilot.mesh:15010",), "- --discoveryAddress=istiod.mesh:15012"),
    ],
)
def test_the_old_name_in_an_argument_that_an_old_agent_heeds_is_replaced_too(arguments, expected):
    text = but(with_args(*arguments), (IMAGE, "docker.io/istio/proxyv2:1.5.1"))
    finding = only(text, "dead-host")
    assert finding.found.startswith("--discoveryAddress is istio-pilot.")
    assert expected in repaired(text, finding)
    assert "dead-host" not in ids(with_args(*arguments))  # it is not read any more, which is another rule's


@pytest.mark.parametrize(
    "address", ["istiod.istio-system.svc:15012", "istiod-canary.istio-system.svc:15012", "my-istio-pilots:1"]
)
def test_other_control_planes_are_fine(address):
    assert ids(but(MANUAL, ("istiod.istio-system.svc:15012", address))) == []


@pytest.mark.parametrize(
    ("gone", "says"),
    [
        (TOKEN, "a mount at /var/run/secrets/tokens"),
        (ROOT, "a mount at /var/run/secrets/istio"),
        ("        - name: POD_NAME\n          valueFrom: {fieldRef: {fieldPath: metadata.name}}\n", "POD_NAME"),
        (
            "        - name: SERVICE_ACCOUNT\n          valueFrom: {fieldRef: {fieldPath: spec.serviceAccountName}}\n",
            "SERVICE_ACCOUNT",
        ),
    ],
)
def test_what_the_agent_needs_for_a_certificate_is_added(gone, says):
    text = but(MANUAL, (gone, ""))
    finding = only(text, "manual-proxy-incomplete")
    assert finding.found == f"istio-proxy lacks {says}"
    assert ids(repaired(text, finding)) == []


def test_volumes_that_are_missing_too_come_with_their_mounts():
    volume = MANUAL[
        MANUAL.index("      - name: istio-token\n        projected") : MANUAL.index(
            "      - name: config\n        configMap"
        )
    ]
    text = but(MANUAL, (TOKEN, ""), (volume, ""))
    after = repaired(text, only(text, "manual-proxy-incomplete"))
    assert ids(after) == []
    assert "audience: istio-ca" in after


@pytest.mark.parametrize(
    "change",
    [
        (TOKEN, "        - {name: istio-token, mountPath: /var/run/secrets}\n"),
        ("PILOT_CERT_PROVIDER, value: istiod", "PILOT_CERT_PROVIDER, value: kubernetes"),
    ],
)
def test_other_ways_to_the_same_are_fine(change):
    text = but(MANUAL, change)
    assert "manual-proxy-incomplete" not in ids(text if change[0] == TOKEN else but(text, (ROOT, "")))


def test_another_certificate_authority_needs_other_things():
    text = but(
        MANUAL,
        (TOKEN, ""),
        ("        - {name: CA_ADDR", "        - {name: CA_PROVIDER, value: GoogleCA}\n        - {name: CA_ADDR"),
    )
    assert ids(text) == []


def test_a_read_only_root_needs_a_directory_for_the_socket():
    secured = "        securityContext: {readOnlyRootFilesystem: true}\n        env:\n        - {name: OUTPUT_CERTS"
    text = but(MANUAL, ("        env:\n        - {name: OUTPUT_CERTS", secured))
    finding = only(text, "manual-proxy-incomplete")
    assert finding.found == "istio-proxy lacks a mount at /etc/istio/proxy"
    assert ids(repaired(text, finding)) == []


def test_injection_beside_a_proxy_by_hand_has_to_be_off():
    text = but(MANUAL, (LABEL, ""))
    finding = only(text, "manual-proxy-injected")
    assert finding.severity == "warning"
    assert ids(repaired(text, finding)) == []
    assert "manual-proxy-injected" in ids(MANUAL.replace(LABEL, LABEL.replace("false", "true")))


def test_a_disabled_namespace_or_the_annotation_switch_it_off_as_well_and_the_label_is_the_form_of_today():
    text = but(MANUAL, (LABEL, ""))
    disabled = (
        "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: monitoring\n  labels:\n    istio-injection: disabled\n"
    )
    assert ids(f"{disabled}---\n{text}") == []
    annotated = but(
        text, ("    spec:\n      serviceAccountName", f"      annotations:\n{LABEL}    spec:\n      serviceAccountName")
    )
    finding = only(annotated, "inject-by-annotation")
    assert ids(annotated) == ["inject-by-annotation"]
    assert (finding.severity, finding.found) == ("info", "injection is refused by the annotation alone")
    after = repaired(annotated, finding)
    assert ids(after) == []
    assert "annotations:\n" + LABEL not in after
    assert ids(annotated, istio=(1, 8, 0), istio_given=True).count("inject-by-annotation") == 0


def test_what_is_laid_over_the_injected_proxy_is_not_a_proxy_by_hand():
    overlay = "      - name: istio-proxy\n        image: example.com/proxyv2:1.30.3\n        resources: {}\n"
    text = but(PLAIN, ("      containers:\n", f"      containers:\n{overlay}"))
    assert ids(text) == []


def test_a_native_sidecar_by_hand_is_fine():
    native = BY_HAND.replace("        lifecycle:\n", "        restartPolicy: Always\n        lifecycle:\n")
    text = but(MANUAL, (f"      containers:\n{BY_HAND}", f"      initContainers:\n{native}      containers:\n"))
    assert ids(text) == []
    assert "kubernetes-too-old" in ids(text, kubernetes=(1, 28), kubernetes_given=True)
    assert "kubernetes-too-old" not in ids(text, kubernetes=(1, 29), kubernetes_given=True)


def test_a_proxy_that_starts_later_does_not_make_prometheus_wait():
    text = but(MANUAL, (BY_HAND, ""), ("      volumes:\n", f"{BY_HAND}      volumes:\n"))
    assert ids(text) == ["start-order"]
    assert ids(
        MANUAL[: MANUAL.index("        lifecycle:")] + MANUAL[MANUAL.index("        env:\n        - {name: OUT") :]
    ) == ["start-order"]


@pytest.mark.parametrize(
    ("image", "given", "found"),
    [
        ("proxyv2", None, True),
        ("gcr.io/istio/proxyv2:latest", None, True),
        ("registry:5000/proxyv2", None, True),
        ("proxyv2:1.30.3-distroless", None, False),
        ("proxyv2@sha256:00", None, False),
        ("proxyv2:1.31.0", None, False),
        ("proxyv2:1.6.14", None, False),
        ("proxyv2:1.5.1", None, True),
        ("proxyv2:1.5.1", (1, 6, 0), False),
        ("proxyv2:1.31.0", (1, 30, 3), True),
        ("proxyv2:1.29.0", (1, 30, 3), False),
        ("proxyv2:1.28.0", (1, 30, 3), False),
        ("proxyv2:1.27.9", (1, 30, 3), True),
        ("proxyv2:1.30.9", (1, 30, 3), False),
    ],
)
def test_a_proxy_is_of_a_known_version_and_goes_with_the_control_plane(image, given, found):
    settings: dict[str, Any] = {"istio": given, "istio_given": True} if given else {}
    assert ("proxy-image-version" in ids(but(MANUAL, (IMAGE, image)), **settings)) == found


def test_a_proxy_that_is_too_old_is_told_even_when_its_host_is_mended():
    text = but(
        MANUAL, (IMAGE, "istio/proxyv2:1.5.1"), ("istiod.istio-system.svc:15012", "istio-pilot.istio-system.svc:15012")
    )
    assert {"dead-host", "proxy-image-version"} <= set(ids(text))
    finding = only(repaired(text, only(text, "dead-host")), "proxy-image-version")
    assert finding.found == "the proxy is 1.5.1, too old for any control plane since 1.8"
    assert finding.fix is not None
    assert finding.fix.says.endswith("which of its arguments are gone")


def test_probes_on_envoys_port_without_envoy_are_moved():
    probe = "        readinessProbe: {httpGet: {path: /healthz/ready, port: 15021}}\n        env:\n"
    text = but(
        MANUAL,
        (
            "        env:\n        - {name: OUT",
            f"{probe}        - {{name: DISABLE_ENVOY, value: 'true'}}\n        - {{name: OUT",
        ),
    )
    assert errors(text) == ["probes-without-envoy"]
    assert errors(repaired(text, only(text, "probes-without-envoy"))) == []


@pytest.mark.parametrize(
    ("image", "rule"),
    [("istio/proxyv2:1.5.1", "first-write-needs-envoy"), ("istio/proxyv2:1.9.2", "key-unreadable")],
)
def test_faults_of_an_agent_are_those_of_its_own_release(image, rule):
    text = but(MANUAL, (IMAGE, image)).replace('DISABLE_ENVOY, value: "true"', 'DISABLE_ENVOY, value: "false"')
    assert rule in ids(text)
    assert rule not in ids(but(text, (image, IMAGE)))


# --------------------------------------------------------------------------------- an agent that has a name of its own

AGENT = MANUAL.replace("- name: istio-proxy", "- name: cert-agent")


def test_an_agent_of_any_name_is_a_proxy_by_hand():
    assert ids(AGENT) == []
    text = but(AGENT, (TOKEN, ""), (ARGS, "args: [proxy, sidecar, --drainDuration=45s]"))
    assert ids(text) == ["dead-agent-flag", "manual-proxy-incomplete"]
    assert only(text, "manual-proxy-incomplete").found == "cert-agent lacks a mount at /var/run/secrets/tokens"
    assert ids(repaired(text, only(text, "manual-proxy-incomplete"))) == ["dead-agent-flag"]
    old = but(AGENT, ("istiod.istio-system.svc:15012", "istio-pilot.istio-system.svc:15012"))
    assert ids(old) == ["dead-host"]
    unwritable = but(
        AGENT, ("mountPath: /etc/istio-output-certs}", "mountPath: /etc/istio-output-certs, readOnly: true}")
    )
    assert only(unwritable, "writer-read-only").found.startswith("cert-agent mounts")
    assert ids(repaired(unwritable, only(unwritable, "writer-read-only"))) == []


@pytest.mark.parametrize(
    "change",
    [
        (f"        {ARGS}\n", "        command: [/usr/local/bin/pilot-agent]\n        args: [proxy, sidecar]\n"),
        (f"image: {IMAGE}", "image: example.com/own-agent:3"),
        (f"image: {IMAGE}", "image: example.com/openshift-service-mesh/proxyv2-rhel8@sha256:00"),
    ],
)
def test_an_agent_is_known_by_its_image_or_its_command(change):
    text = but(AGENT, change)
    assert ids(text) == []
    assert ids(but(text, (LABEL, ""))) == ["manual-proxy-injected"]


def test_another_container_with_the_variable_is_no_agent():
    text = but(AGENT, (f"        {ARGS}\n", "        args: [--wait]\n"), (IMAGE, "example.com/waiter:1"))
    assert "manual-proxy-incomplete" not in ids(but(text, (TOKEN, "")))


def test_an_agent_of_another_name_gets_a_second_proxy_beside_it_where_it_is_injected():
    asked = AGENT.replace(LABEL, LABEL.replace("false", "true"))
    finding = only(asked, "manual-proxy-injected")
    assert finding.found == 'the container cert-agent is spelt out here, but label sidecar.istio.io/inject is "true"'
    assert finding.fix is not None
    assert not finding.fix.edits  # who asks for injection may want the mesh to serve Prometheus
    assert ids(repaired(but(AGENT, (LABEL, "")), only(but(AGENT, (LABEL, "")), "manual-proxy-injected"))) == []


def test_prometheus_waits_for_an_agent_of_another_name_as_well():
    block = BY_HAND.replace("istio-proxy", "cert-agent")
    later = but(AGENT, (block, ""), ("      volumes:\n", f"{block}      volumes:\n"))
    assert ids(later) == ["start-order"]
    probed = "        startupProbe: {httpGet: {path: /healthz/ready, port: 15021}}\n        env:\n        - {name: OUT"
    hook = "        lifecycle:\n          postStart:\n            exec:\n              command: [pilot-agent, wait]\n"
    beside = but(AGENT, (hook, ""), ("        env:\n        - {name: OUT", probed))
    assert ids(beside) == ["start-order"]  # the kubelet waits for the probe of an init container alone


def test_the_agent_that_writes_is_asked_for_renewal_and_not_the_injected_proxy_beside_it():
    asked = AGENT.replace(LABEL, LABEL.replace("false", "true"))
    off = '        - {name: DISABLE_ENVOY, value: "true"}\n        - {name: OUTPUT_CERTS'
    alone = asked.replace("        - {name: OUTPUT_CERTS", off)
    mesh = SIDECAR.replace("istio-system/istiod.istio-system.svc.cluster.local", "~/*") + DISABLE
    assert "rotation-stops" in ids(asked + mesh)
    assert "rotation-stops" not in ids(alone + mesh)


def test_an_agent_of_another_name_is_adopted_already():
    setup = setup_of(AGENT)
    assert pattern_edits(setup, setup.scrapers[0]) == ()


def test_an_agent_of_another_name_is_not_what_collects():
    text = but(AGENT, ("quay.io/prometheus/prometheus:v3.14.0", "grafana/alloy:v1.5.0"), ("--config.file=", "--own="))
    text = text.replace("      - name: prometheus\n        image", "      - name: alloy\n        image")
    (scraper,) = setup_of(text).scrapers
    assert (scraper.product, scraper.pod.get(*scraper.container, "name")) == ("", "alloy")


@pytest.mark.parametrize("gone", ["istio-token", "istiod-ca-cert"])
def test_a_volume_that_the_agent_mounts_and_the_pod_lacks_is_that_of_injection(gone):
    start = MANUAL.index(f"      - name: {gone}\n")
    text = MANUAL[:start] + MANUAL[MANUAL.index("      - name: ", start + 9) :]
    finding = only(text, "volume-missing")
    after = repaired(text, finding)
    assert ids(after) == []
    assert "audience: istio-ca" in after
    assert "name: istio-ca-root-cert" in after


@pytest.mark.parametrize("image", ["istio/proxyv2:{{ISTIO_VERSION}}", "istio/proxyv2:latest", "example.com/agent"])
def test_the_agents_version_is_not_claimed_where_nobody_says_it(image):
    text = but(with_args("--drainDuration=45s"), (IMAGE, image))
    assert only(text, "dead-agent-flag").found == "pilot-agent of today doesn't know --drainDuration"
    told = only(text, "dead-agent-flag", istio=(1, 29, 0), istio_given=True).found
    assert told == "pilot-agent 1.29.0 doesn't know --drainDuration"
