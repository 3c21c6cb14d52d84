"""Whether a proxy comes, and what it intercepts, waits for and starts before."""

from __future__ import annotations

from typing import Any

import pytest

from generator.doctor.rules.examples import CONFIGURATION, OPERATOR, PLAIN, but
from generator.doctor.rules.spoiling import (
    ANNOTATIONS,
    CONFIG,
    HOLD,
    INBOUND,
    INJECT,
    METADATA,
    MOUNT,
    MOUNT_VALUE,
    OUTBOUND,
    OUTPUT_CERTS,
)
from generator.intake.document import documents_of
from tests.doctor.helpers import diagnose, ids, only, repaired

OFF = '        sidecar.istio.io/inject: "false"\n'
NO_ENVOY = f'{METADATA}            DISABLE_ENVOY: "true"\n'
PROBE = "httpGet: {path: /healthz/ready, port: 15020}"
OVERLAY = (
    "      - name: istio-proxy\n        image: auto\n"
    f"        readinessProbe: {{{PROBE}}}\n        startupProbe: {{{PROBE}}}\n"
)
# A Prometheus that has nothing to do with certificates.
ORDINARY = PLAIN.replace(ANNOTATIONS, "").replace("istio-workload-certs", "x")
MODE = "        sidecar.istio.io/interceptionMode: NONE\n"
OLD: dict[str, Any] = {"istio": (1, 22, 0), "istio_given": True}


def namespace(*labels: str) -> str:
    text = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: monitoring\n"
    return text + ("  labels:\n" + "".join(f"    {label}\n" for label in labels) if labels else "") + "---\n"


def annotated(*lines: str, text: str = PLAIN) -> str:
    return but(text, ("      annotations:\n", "      annotations:\n" + "".join(f"        {line}\n" for line in lines)))


def errors(text: str, **settings: Any) -> list[str]:
    return [one.rule.id for one in diagnose(text, **settings) if one.severity == "error"]


# ------------------------------------------------------------------------------------------------------- on or off


def test_the_label_false_leaves_the_pattern_without_a_proxy():
    finding = only(but(PLAIN, (INJECT, OFF)), "injection-off")
    assert finding.found == 'no proxy is injected: label sidecar.istio.io/inject is "false"'
    assert finding.path[-1] == "sidecar.istio.io/inject"


def test_a_plain_prometheus_may_stay_out_of_the_mesh():
    assert ids(ORDINARY.replace(INJECT, OFF)) == []


@pytest.mark.parametrize("labels", [(), ("istio-injection: enabled",), ("istio.io/rev: canary",), ("team: a",)])
def test_the_pods_label_works_wherever_injection_is_not_disabled(labels):
    assert ids(namespace(*labels) + PLAIN) == []


def test_a_namespace_with_injection_disabled_beats_the_pods_label():
    text = namespace("istio-injection: disabled") + PLAIN
    assert "istio-injection: disabled" in only(text, "injection-off").found


def test_another_namespace_says_nothing():
    text = namespace("istio-injection: disabled").replace("name: monitoring", "name: web") + PLAIN
    assert ids(text) == []


def test_without_a_label_the_namespace_decides():
    text = but(PLAIN, (INJECT, ""))
    assert ids(text) == []
    assert ids(namespace("istio-injection: enabled") + text) == []
    finding = only(namespace() + text, "injection-off")
    assert finding.severity == "error"
    assert ids(repaired(namespace() + text, finding)) == []


def test_the_hosts_network_keeps_the_proxy_out():
    text = but(PLAIN, ("      serviceAccountName", "      hostNetwork: true\n      serviceAccountName"))
    finding = only(text, "injection-off")
    assert finding.path[-1] == "hostNetwork"
    assert finding.fix is not None
    assert finding.fix.edits == ()


def test_the_label_beats_the_annotation():
    text = annotated('sidecar.istio.io/inject: "true"', text=but(PLAIN, (INJECT, OFF)))
    assert errors(text) == ["inject-label-beats-annotation"]
    assert ids(repaired(text, only(text, "inject-label-beats-annotation"))) == []


def test_an_annotation_that_says_no_beside_a_label_that_says_yes_counts_up_to_1_11():
    text = annotated('sidecar.istio.io/inject: "false"')
    assert ids(text) == []
    assert "injection-off" in ids(text, istio=(1, 11, 0), istio_given=True)


def test_an_annotation_alone_is_worth_knowing_and_an_error_where_the_namespace_is_known():
    text = annotated('sidecar.istio.io/inject: "true"', text=but(PLAIN, (INJECT, "")))
    assert only(text, "inject-by-annotation").severity == "info"
    assert only(namespace() + text, "inject-by-annotation").severity == "error"
    assert ids(namespace("istio-injection: enabled") + text) == []
    assert ids(repaired(text, only(text, "inject-by-annotation"))) == []
    assert "inject-by-annotation" not in ids(text, istio=(1, 8, 0), istio_given=True)


@pytest.mark.parametrize(
    ("labels", "found"),
    [
        ((), False),
        (("istio.io/rev: canary",), False),
        (("istio.io/rev: stable",), True),
        (("istio-injection: enabled",), True),
    ],
)
def test_a_namespaces_label_beats_the_pods_revision(labels, found):
    text = namespace(*labels) + but(PLAIN, (INJECT, "        istio.io/rev: canary\n"))
    assert ("revision-label-ignored" in ids(text)) == found


def test_a_selector_of_the_application_is_fine():
    text = but(PLAIN, ("      app: prometheus\n  template", f"      app: prometheus\n{INJECT[2:]}  template"))
    assert only(text, "inject-label-in-selector").path == ("spec", "selector", "matchLabels", "sidecar.istio.io/inject")


# ----------------------------------------------------------------------------------------------------- annotations


def test_annotations_of_an_operators_resource_itself_are_moved_to_the_pods():
    of_pods = OPERATOR[OPERATOR.index("    annotations:\n") : OPERATOR.index("  volumes:\n")]
    own = "".join(f"{line[2:]}\n" for line in of_pods.splitlines())
    wrong = OPERATOR.replace(of_pods, "").replace("  name: main\n", f"  name: main\n{own}")
    finding = only(wrong, "annotations-on-the-workload")
    assert finding.severity == "error"
    assert finding.path[:2] == ("metadata", "annotations")
    assert errors(wrong) == ["annotations-on-the-workload"]
    assert ids(repaired(wrong, finding)) == []


def test_what_stands_in_both_places_is_fine():
    assert ids(but(PLAIN, ("spec:\n  serviceName", f"  annotations:\n{OUTBOUND[4:]}spec:\n  serviceName"))) == []


def test_a_bare_pods_metadata_is_the_pods():
    pod = PLAIN[PLAIN.index("    metadata:\n") :].replace("\n    ", "\n").removeprefix("    ")
    text = "apiVersion: v1\nkind: Pod\n" + pod.replace("metadata:\n", "metadata:\n  name: prometheus-0\n", 1)
    assert ids(text) == []


def test_a_label_on_the_workload_alone_is_a_warning():
    text = but(PLAIN, (INJECT, ""), ("  namespace: monitoring\n", "  namespace: monitoring\n  labels:\n" + INJECT[4:]))
    finding = only(text, "annotations-on-the-workload")
    assert finding.severity == "warning"
    assert ids(repaired(text, finding)) == []


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("true", "true"),
        ("15091", "15091"),
        ("1.5", "1.5"),
        ("1.50   # a version", "1.50"),
        ("null", ""),
        ("off", "off"),
        ("0x1F", "0x1F"),
        ("1e3", "1e3"),
        ("010", "010"),
    ],
)
def test_proxymetadata_without_quotes_is_refused_and_put_in_quotes_as_it_is_written(value, text):
    wrong = but(PLAIN, (METADATA, f"{METADATA}            SOME: {value}\n"))
    finding = only(wrong, "refused-by-the-webhook")
    assert finding.found == "SOME under proxyMetadata is no string"
    assert finding.location.line == wrong[: wrong.index("SOME")].count("\n") + 1
    after = repaired(wrong, finding)
    assert ids(after) == []
    assert f'SOME: "{text}"' in after or f"SOME: '{text}'" in after


def test_a_number_in_proxymetadata_whose_spelling_is_not_at_hand_is_left():
    some = "            FIRST: &a 1.50\n            SOME: *a\n"
    findings = [
        one for one in diagnose(but(PLAIN, (METADATA, METADATA + some))) if one.rule.id == "refused-by-the-webhook"
    ]
    assert [bool(one.fix and one.fix.edits) for one in findings] == [True, False]


@pytest.mark.parametrize("value", ['"true"', "'15091'", "plain text", '"{}"'])
def test_strings_in_proxymetadata_are_fine(value):
    assert ids(but(PLAIN, (METADATA, f"{METADATA}            SOME: {value}\n"))) == []


def test_the_configuration_may_be_json():
    value = '{"holdApplicationUntilProxyStarts":true,"proxyMetadata":{"OUTPUT_CERTS":"/etc/istio-output-certs"}}'
    text = but(PLAIN, (CONFIG, f"        proxy.istio.io/config: '{value}'\n"))
    assert ids(text) == []
    assert "refused-by-the-webhook" in ids(text.replace('-certs"}}', '-certs","A":1}}'))


@pytest.mark.parametrize(
    "change",
    [
        (MOUNT_VALUE, "'{\"istio-workload-certs\":'"),
        (INBOUND, INBOUND.replace('""', '"http"')),
        (OUTBOUND, OUTBOUND.replace('""', '"10.0.0.0"')),
        (OUTBOUND, f'{OUTBOUND}        traffic.sidecar.istio.io/excludeOutboundPorts: "0x50"\n'),
    ],
)
def test_what_the_webhook_cannot_read_is_refused(change):
    text = but(PLAIN, change)
    finding = only(text, "refused-by-the-webhook")
    assert str(finding.path[-1]) in finding.found


def test_a_mount_in_a_list_without_a_name_is_named_after_the_volume():
    text = but(PLAIN, (MOUNT_VALUE, '\'[{"mountPath":"/etc/istio-output-certs"}]\''))
    assert ids(repaired(text, only(text, "user-volume-without-name"))) == []


def test_a_mount_in_a_list_with_its_name_is_fine():
    text = but(PLAIN, (MOUNT_VALUE, '\'[{"mountPath":"/etc/istio-output-certs","name":"istio-workload-certs"}]\''))
    assert ids(text) == []


ALL_FOUR = [
    f'sidecar.istio.io/{name}: "1"' for name in ("proxyCPU", "proxyMemory", "proxyCPULimit", "proxyMemoryLimit")
]


def test_all_four_of_the_proxys_resources_or_none():
    assert ids(annotated(*ALL_FOUR)) == []
    finding = only(annotated(*ALL_FOUR[:3]), "proxy-resources-partial")
    assert finding.fix is not None
    assert finding.fix.text == 'sidecar.istio.io/proxyMemoryLimit: "1Gi"'


def test_probes_to_port_zero_need_probes():
    text = annotated('status.sidecar.istio.io/port: "0"', text=PLAIN.replace('Probers: "false"', 'Probers: "true"'))
    assert errors(text) == []
    operator = OPERATOR.replace('Probers: "false"', 'Probers: "true"').replace(
        "    annotations:\n", '    annotations:\n      status.sidecar.istio.io/port: "0"\n'
    )
    assert errors(repaired(operator, only(operator, "probes-rewritten-to-port-zero"))) == []


# ---------------------------------------------------------------------------------------------------- interception


@pytest.mark.parametrize(
    ("line", "severity"),
    [
        ("", "error"),
        ('includeOutboundIPRanges: "*"', "error"),
        ('includeOutboundIPRanges: "0.0.0.0/0"', "error"),
        ('excludeOutboundPorts: "9093"', "warning"),
        ('excludeOutboundIPRanges: "0.0.0.0/0"', "info"),
    ],
)
def test_outbound_traffic_that_is_caught(line, severity):
    text = but(PLAIN, (OUTBOUND, f"        traffic.sidecar.istio.io/{line}\n" if line else ""))
    finding = only(text, "outbound-intercepted")
    assert finding.severity == severity
    assert ids(repaired(text, finding)) == []


@pytest.mark.parametrize(
    "line",
    [
        'includeOutboundIPRanges: ""',
        'includeOutboundIPRanges: "203.0.113.1/32"',
        'includeOutboundIPRanges: "127.0.0.1/32"',
        'excludeOutboundIPRanges: "0.0.0.0/0,::/0"',
        'excludeOutboundIPRanges: "0.0.0.0/1,128.0.0.0/1,::/0"',
        'includeOutboundIPRanges: "10.96.0.0/12"',
        'excludeOutboundIPRanges: "10.0.0.0/8"',
    ],
)
def test_outbound_traffic_that_is_not_caught_or_that_only_the_cluster_can_tell(line):
    found = diagnose(but(PLAIN, (OUTBOUND, f"        traffic.sidecar.istio.io/{line}\n")))
    assert [one.found for one in found if one.severity != "info"] == []


def test_a_pod_that_wants_no_certificates_may_be_an_ordinary_part_of_the_mesh():
    assert ids(ORDINARY) == []


def test_outbound_ports_may_be_caught_on_purpose():
    text = but(PLAIN, (OUTBOUND, f'{OUTBOUND}        traffic.sidecar.istio.io/includeOutboundPorts: "8080"\n'))
    finding = only(text, "outbound-intercepted")
    assert finding.severity == "info"
    assert finding.found == "connections to port 8080 are intercepted, whatever the address"
    assert finding.location.line == text[: text.index("includeOutboundPorts")].count("\n") + 1


@pytest.mark.parametrize("line", ['includeInboundPorts: ""', 'excludeInboundPorts: "9090"'])
def test_inbound_traffic_that_is_not_caught(line):
    text = but(
        PLAIN,
        (INBOUND, f"        traffic.sidecar.istio.io/{line}\n"),
        ("        args:\n", "        ports:\n        - containerPort: 9090\n        args:\n"),
    )
    assert ids(text) == []


def test_inbound_traffic_that_is_caught_is_worth_knowing():
    text = but(PLAIN, (INBOUND, ""))
    finding = only(text, "inbound-intercepted")
    assert finding.severity == "info"
    assert ids(repaired(text, finding)) == []


def test_a_variable_without_effect_misleads_where_interception_is_off_anyway():
    text = but(PLAIN, (METADATA, f'{METADATA}            INBOUND_CAPTURE_PORTS: ""\n'))
    finding = only(text, "inbound-capture-ports")
    assert finding.severity == "info"
    assert ids(repaired(text, finding)) == []
    assert only(but(text, (INBOUND, "")), "inbound-capture-ports").severity == "warning"


def test_a_variable_without_effect_has_none_beside_the_metadata_either():
    text = but(PLAIN, (METADATA, f'{METADATA}          proxyMetadata.INBOUND_CAPTURE_PORTS: ""\n'), (INBOUND, ""))
    finding = only(text, "inbound-capture-ports")
    assert finding.severity == "warning"
    assert ids(text) == ["inbound-capture-ports", "inbound-intercepted"]
    assert ids(repaired(text, finding)) == []


def test_no_interception_by_mode_is_for_agents_alone():
    with_envoy = annotated(MODE.strip())
    assert ids(repaired(with_envoy, only(with_envoy, "interception-mode-none"))) == []
    alone = but(with_envoy, (METADATA, NO_ENVOY), (HOLD, ""), ("      containers:\n", f"      containers:\n{OVERLAY}"))
    assert ids(alone) == []
    configured = but(PLAIN, (METADATA, f"          interceptionMode: NONE\n{METADATA}"))
    assert ids(repaired(configured, only(configured, "interception-mode-none"))) == []


# ------------------------------------------------------------------------------------------------------- agent alone


def test_the_probes_of_an_agent_without_envoy_are_moved():
    text = but(PLAIN, (METADATA, NO_ENVOY), (HOLD, ""))
    finding = only(text, "probes-without-envoy")
    assert finding.found == "Envoy is off, but startupProbe and readinessProbe of istio-proxy ask port 15021"
    assert ids(repaired(text, finding)) == []


def test_half_an_overlay_is_completed():
    half = "      - name: istio-proxy\n        image: auto\n        readinessProbe: {httpGet: {port: 15020}}\n"
    text = but(PLAIN, (METADATA, NO_ENVOY), (HOLD, ""), ("      containers:\n", f"      containers:\n{half}"))
    assert only(text, "probes-without-envoy").found.startswith("Envoy is off, but startupProbe of")
    assert ids(repaired(text, only(text, "probes-without-envoy"))) == []


@pytest.mark.parametrize(
    "lines",
    [
        ['status.sidecar.istio.io/port: "0"'],
        ["inject.istio.io/templates: grpc-agent"],
    ],
)
def test_other_ways_to_live_without_envoys_probes_are_fine(lines):
    text = annotated(*lines, text=but(PLAIN, (METADATA, NO_ENVOY)))
    assert errors(text) == []


@pytest.mark.parametrize("value", ['"false"', '"0"', '""'])
def test_a_variable_that_says_no_leaves_envoy_running(value):
    text = but(PLAIN, (METADATA, NO_ENVOY.replace('"true"', value)))
    assert ids(text) == []


def test_a_hold_without_envoy_never_ends_but_for_native_sidecars():
    text = but(PLAIN, (METADATA, NO_ENVOY), ("      containers:\n", f"      containers:\n{OVERLAY}"))
    assert ids(text) == []
    assert errors(text, **OLD) == ["hold-without-envoy"]
    assert errors(text, istio=(1, 26, 0), kubernetes=(1, 32)) == ["hold-without-envoy"]
    after = repaired(text, only(text, "hold-without-envoy", istio=(1, 26, 0)))
    assert ids(after, istio=(1, 26, 0)) == []


@pytest.mark.parametrize("overlay", ["", OVERLAY], ids=["no container", "container"])
@pytest.mark.parametrize("hold", [HOLD, ""], ids=["hold", "no hold"])
def test_where_no_proxy_is_native_its_own_hook_waits_for_the_agent(hold, overlay):
    text = but(PLAIN, (METADATA, NO_ENVOY), (HOLD, hold), ("      containers:\n", f"      containers:\n{overlay}"))
    for _ in range(4):
        found = diagnose(text, **OLD)
        if not found:
            break
        text = repaired(text, found[0])
    (pod,) = [one.tree["spec"]["template"] for one in documents_of(text, "after.yaml")]
    proxy = next(one for one in pod["spec"]["containers"] if one["name"] == "istio-proxy")
    assert ids(text, **OLD) == []
    assert proxy["lifecycle"]["postStart"]["exec"]["command"] == [
        *("pilot-agent", "wait", "--url=http://localhost:15020/healthz/ready")
    ]
    assert "holdApplicationUntilProxyStarts: true" in pod["metadata"]["annotations"]["proxy.istio.io/config"]


def test_an_agent_whose_port_is_closed_is_not_waited_for():
    text = annotated('status.sidecar.istio.io/port: "0"', text=but(PLAIN, (METADATA, NO_ENVOY), (HOLD, "")))
    finding = only(text, "start-order", **OLD)
    assert finding.fix
    assert not finding.fix.edits


def test_what_is_caught_without_envoy_is_lost():
    text = but(
        PLAIN, (METADATA, NO_ENVOY), (HOLD, ""), (INBOUND, ""), ("      containers:\n", f"      containers:\n{OVERLAY}")
    )
    finding = only(text, "interception-without-envoy")
    assert finding.found == "what comes in is intercepted, and Envoy is off"
    assert errors(text) == ["interception-without-envoy"]
    assert ids(repaired(text, finding)) == []


def test_a_port_that_is_caught_without_envoy_is_lost_too():
    ports = f'{OUTBOUND}        traffic.sidecar.istio.io/includeOutboundPorts: "9093"\n'
    agent = ("      containers:\n", f"      containers:\n{OVERLAY}")
    text = but(PLAIN, (METADATA, NO_ENVOY), (HOLD, ""), (OUTBOUND, ports), agent)
    finding = only(text, "interception-without-envoy")
    assert finding.found == "what goes to port 9093 is intercepted, and Envoy is off"
    assert ids(repaired(text, finding)) == []


@pytest.mark.parametrize(
    ("istio", "kubernetes", "found"),
    [
        ((1, 27, 0), (1, 33), False),
        ((1, 26, 0), (1, 33), True),
        ((1, 27, 0), (1, 32), True),
        ((1, 12, 0), (1, 33), True),
    ],
)
def test_a_classic_proxy_has_to_be_waited_for(istio, kubernetes, found):
    settings: dict[str, Any] = {"istio": istio, "kubernetes": kubernetes, "istio_given": True}
    text = but(PLAIN, (HOLD, ""))
    assert ("start-order" in ids(text, **settings)) == found
    assert "start-order" not in ids(PLAIN, **settings)
    if found:
        assert "start-order" not in ids(repaired(text, only(text, "start-order", **settings)), **settings)


def test_a_native_sidecar_or_a_prometheus_that_waits_itself_need_no_hold():
    text = but(PLAIN, (HOLD, ""))
    native = annotated('sidecar.istio.io/nativeSidecar: "true"', text=text)
    assert "start-order" not in ids(native, istio=(1, 24, 0), istio_given=True)
    waiting = but(
        text,
        (
            "        args:\n",
            "        command: [sh, -c, until test -e /etc/prom-certs/key.pem; do sleep 1; done]\n        args:\n",
        ),
    )
    assert "start-order" not in ids(waiting, **OLD)


def test_a_native_sidecar_is_waited_for_only_if_it_has_a_startup_probe():
    finding = only(annotated('status.sidecar.istio.io/port: "0"'), "start-order")
    assert finding.fix is not None
    assert finding.fix.says.startswith("give the native sidecar a startup probe")
    assert not finding.fix.edits


def test_what_the_output_of_the_webhook_shows_is_not_steered_by_annotations():
    text = annotated("sidecar.istio.io/status: '{}'", text=but(PLAIN, (INJECT, OFF)))
    assert not {"injection-off", "proxy-resources-partial", "refused-by-the-webhook"} & set(ids(text))


def test_the_whole_setup_with_its_jobs_is_fine():
    assert OUTPUT_CERTS in PLAIN
    assert MOUNT in PLAIN
    assert ids(f"{PLAIN}---\n{CONFIGURATION}") == []
