"""Certificates: who writes them, where to, and who reads them."""

from __future__ import annotations

import pytest

from generator.doctor import examine
from generator.doctor.rules.examples import CONFIGURATION, OPERATOR, PLAIN, WORKLOAD_AND_CONFIGURATION, but
from generator.doctor.rules.spoiling import (
    ANNOTATIONS,
    CERTS_VOLUME,
    CONFIG,
    MANUAL,
    MEMORY,
    METADATA,
    MOUNT,
    MOUNT_VALUE,
    OUTPUT_CERTS,
    READER,
)
from generator.intake.document import documents_of
from generator.monitoring import assemble
from tests.doctor.helpers import diagnose, ids, only, repaired

SECRET = "secret:\n          secretName: {}"
LEGACY = but(PLAIN, (MEMORY, SECRET.format("istio.default")), (METADATA, "          concurrency: 1\n"), (MOUNT, ""))
NAMESPACE = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: monitoring\n"


def configured(workload: str, *changes: tuple[str, str]) -> str:
    return but(f"{workload}---\n{CONFIGURATION}", *changes)


# ---------------------------------------------------------------------------------------------------- the old secret


@pytest.mark.parametrize("name", ["istio.default", "istio.prometheus"])
def test_the_secret_is_told_by_the_volumes_source(name):
    finding = only(LEGACY.replace("istio.default", name), "legacy-secret")
    assert finding.severity == "error"
    assert finding.location.line == LEGACY[: LEGACY.index("secretName")].count("\n") + 1
    assert finding.found == (
        f"the volume istio-workload-certs, mounted at /etc/prom-certs, is the secret {name}, "
        "not optional, so a new pod hangs in ContainerCreating where it doesn't exist"
    )


def test_an_optional_secret_leaves_the_pod_without_certificates():
    text = LEGACY.replace("istio.default", "istio.default\n          optional: true")
    assert "optional, so the pod starts without certificates" in only(text, "legacy-secret").found


def test_a_secret_of_another_account_is_only_likely_to_be_citadels():
    assert only(LEGACY.replace("istio.default", "istio.web"), "legacy-secret").severity == "warning"
    assert only(configured(LEGACY.replace("istio.default", "istio.web")), "legacy-secret").severity == "error"


@pytest.mark.parametrize(
    ("secret", "account", "severity"),
    [
        ("istio.mon-prometheus-operator-prometheus", "", "error"),
        ("istio.web", "", "warning"),
        ("istio.mon-prometheus-operator-prometheus", "{name: mine}", "warning"),
        ("istio.mine", "{name: mine}", "error"),
    ],
)
def test_a_secret_of_the_account_that_a_chart_makes_is_the_pods_own(secret, account, severity):
    values = f"prometheus:\n  serviceAccount: {account}\n  prometheusSpec:\n    secrets: [{secret}]\n"
    [finding] = examine(assemble((), documents_of(values, "values.yaml"))).findings
    assert (finding.rule.id, finding.severity) == ("legacy-secret", severity)


@pytest.mark.parametrize("memory", ["", "\n            medium: Memory"])
@pytest.mark.parametrize("first", [True, False])
def test_a_secret_laid_over_the_emptydir_is_taken_out(first, memory):
    empty, secret = "emptyDir:" + (memory or " {}"), SECRET.format("istio.default")
    text = but(PLAIN, (MEMORY, "\n        ".join([secret, empty] if first else [empty, secret])))
    fixed = repaired(text, only(text, "legacy-secret"))
    assert "secretName" not in fixed
    assert "medium: Memory" in fixed
    assert not {"legacy-secret", "writer-read-only", "certificates-on-disk"} & set(ids(fixed))
    fixed = repaired(text, only(text, "writer-read-only"))
    assert not {"legacy-secret", "writer-read-only", "certificates-on-disk"} & set(ids(fixed))


def test_a_second_volume_of_the_name_that_is_the_secret_is_taken_out():
    text = but(
        PLAIN, (MEMORY, f"{MEMORY}\n      - name: istio-workload-certs\n        {SECRET.format('istio.default')}")
    )
    fixed = repaired(text, only(text, "legacy-secret"))
    assert "secretName" not in fixed
    assert fixed.count("- name: istio-workload-certs\n        emptyDir:") == 1
    assert "legacy-secret" not in ids(fixed)


def test_a_projected_secret_is_looked_into():
    projected = "projected:\n          sources:\n          - secret:\n              name: istio.default"
    finding = only(LEGACY.replace(SECRET.format("istio.default"), projected), "legacy-secret")
    assert finding.path[-4:] == ("sources", 0, "secret", "name")


def test_an_operators_list_of_secrets_is_looked_into():
    text = but(OPERATOR, ("  volumes:\n", "  secrets:\n  - web-tls\n  - istio.prometheus\n  volumes:\n"))
    finding = only(text, "legacy-secret")
    assert finding.path == ("spec", "secrets", 1)
    assert "mounted at /etc/prometheus/secrets/istio.prometheus" in finding.found
    assert "legacy-secret" not in ids(repaired(text, finding))


@pytest.mark.parametrize(
    "maker",
    [
        "apiVersion: v1\nkind: Secret\ntype: Opaque\nmetadata:\n  name: istio.default\n  namespace: monitoring\n",
        "apiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata:\n  name: a\nspec:\n  secretName: istio.default\n",
    ],
)
def test_a_secret_that_somebody_else_makes_is_not_citadels(maker):
    assert "legacy-secret" not in ids(f"{maker}---\n{LEGACY}")


def test_a_secret_of_citadels_own_type_is_still_the_old_one():
    secret = "apiVersion: v1\nkind: Secret\ntype: istio.io/key-and-cert\nmetadata:\n  name: istio.default\n"
    assert "legacy-secret" in ids(f"{secret}---\n{LEGACY}")


@pytest.mark.parametrize("path", ["/etc/prometheus/secrets/istio.default", "/etc/istio.default/certs"])
def test_a_path_that_contains_the_secrets_name_is_no_fault(path):
    text = WORKLOAD_AND_CONFIGURATION.replace("/etc/prom-certs", path)
    assert ids(text) == []


def test_a_secret_that_the_proxy_mounts_by_annotation_is_replaced_and_not_taken_out():
    text = but(PLAIN, (MEMORY, SECRET.format("istio.default")), (READER, ""))
    finding = only(text, "legacy-secret")
    assert finding.fix is not None
    assert finding.fix.says == "have the proxy write the certificates into a volume in memory"
    assert ids(repaired(text, finding)) == []


def test_a_pod_that_does_not_scrape_is_told_mildly():
    text = LEGACY.replace("quay.io/prometheus/prometheus:v3.14.0", "example.com/web:1").replace("prometheus", "web")
    text = text.replace("--config.file=/etc/web/web.yml", "--port=80")
    finding = only(text, "legacy-secret")
    assert finding.severity == "info"
    assert "StatefulSet monitoring/web doesn't scrape" in finding.found


COPYING = """\
      initContainers:
      - name: copy
        command: [sh, -c, cp /secret/* /etc/prom-certs]
        volumeMounts:
        - {name: SOURCE, mountPath: /secret}
        - {name: copies, mountPath: /etc/prom-certs}
      containers:
"""
COPIES = "      - {name: copies, emptyDir: {medium: Memory}}\n"


def test_a_secret_that_an_init_container_copies_needs_a_hand():
    volumes = f"{COPIES}      - {{name: old, secret: {{secretName: istio.default}}}}\n"
    text = configured(
        but(
            UNWRITTEN,
            (CERTS_VOLUME, volumes),
            ("      containers:\n", COPYING.replace("SOURCE", "old")),
            ("- name: istio-workload-certs\n", "- name: copies\n"),
        )
    )
    finding = only(text, "legacy-secret")
    assert finding.fix
    assert finding.fix.says.startswith("copy copies what is in it before any proxy runs")
    assert not finding.fix.edits
    looping = only(text.replace("- name: copy\n", "- name: copy\n        restartPolicy: Always\n"), "legacy-secret")
    assert looping.fix
    assert looping.fix.edits


def test_certificates_that_an_init_container_copies_are_not_renewed():
    text = configured(
        but(
            PLAIN,
            (
                "        - name: istio-workload-certs\n          mountPath: /etc/prom-certs\n",
                (
                    "        - name: istio-workload-certs\n          mountPath: /etc/istio-output-certs\n"
                    "          readOnly: true\n        - name: copies\n          mountPath: /etc/prom-certs\n"
                ),
            ),
            ("      containers:\n", COPYING.replace("SOURCE", "istio-workload-certs")),
            ("      volumes:\n", f"      volumes:\n{COPIES}"),
        )
    )
    finding = only(text, "wrong-directory")
    assert finding.found.endswith("and copy copies them once, but not when they are renewed")
    looping = text.replace("      - name: copy\n", "      - name: copy\n        restartPolicy: Always\n")
    assert ids(looping) == []


def test_a_bare_pod_is_told_but_not_edited():
    pod = LEGACY[LEGACY.index("    metadata:\n") :].replace("\n    ", "\n").removeprefix("    ")
    pod = "apiVersion: v1\nkind: Pod\n" + pod.replace("metadata:\n", "metadata:\n  name: prometheus-0\n", 1)
    finding = only(pod, "legacy-secret")
    assert finding.fix is not None
    assert finding.fix.edits == ()


def test_the_repair_of_the_old_secret_leaves_the_jobs_as_they_are():
    text = configured(LEGACY)
    after = repaired(text, only(text, "legacy-secret"))
    assert [one for one in diagnose(after) if one.severity == "error"] == []
    assert "/etc/prom-certs/key.pem" in after


# ------------------------------------------------------------------------------------------------- where it is written


@pytest.mark.parametrize("directory", ["/etc/certs", "/etc/certs/", "/etc/../etc/certs"])
def test_the_agents_own_directory_is_refused(directory):
    text = PLAIN.replace("/etc/istio-output-certs", directory)
    assert only(text, "output-directory-reserved").severity == "warning"
    assert only(text, "output-directory-reserved", istio=(1, 8, 0), istio_given=True).severity == "error"
    assert only(text, "output-directory-reserved", istio=(1, 9, 0), istio_given=True).severity == "warning"


@pytest.mark.parametrize("directory", ["/etc/certs/custom", "/etc/certs2", "/etc/istio-output-certs/"])
def test_other_directories_are_fine(directory):
    assert ids(PLAIN.replace("/etc/istio-output-certs", directory)) == []


def test_a_directory_below_the_mount_is_fine():
    text = but(PLAIN, (OUTPUT_CERTS, f"{OUTPUT_CERTS}/prometheus"))
    assert ids(text) == []
    wrong = configured(text)
    finding = only(wrong, "wrong-directory")
    assert finding.found.endswith("the certificates are in /etc/prom-certs/prometheus")
    assert ids(repaired(wrong, finding)) == []


def test_a_directory_on_no_volume_is_told_where_it_is_named():
    text = but(PLAIN, (MOUNT, ""))
    finding = only(text, "output-directory-not-mounted")
    assert finding.location.line == text[: text.index("OUTPUT_CERTS")].count("\n") + 1
    assert finding.resource == "StatefulSet monitoring/prometheus"


def test_a_directory_that_must_not_be_is_not_proposed():
    text = but(PLAIN, (MOUNT, ""), ("OUTPUT_CERTS: /etc/istio-output-certs", "OUTPUT_CERTS: /etc/certs"))
    fix = only(text, "output-directory-not-mounted").fix
    assert fix is not None
    assert fix.says == "have it write to /etc/istio-output-certs, and mount the shared volume there in istio-proxy"


@pytest.mark.parametrize(
    "mount",
    [
        '\'[{"name":"istio-workload-certs","mountPath":"/etc/istio-output-certs","readOnly":true}]\'',
        '\'{"istio-workload-certs": {"mountPath": "/etc/istio-output-certs", "readOnly": true}}\'',
    ],
)
def test_a_read_only_mount_of_the_proxy_is_made_writable_in_its_own_form(mount):
    text = but(PLAIN, (MOUNT_VALUE, mount))
    after = repaired(text, only(text, "writer-read-only"))
    assert ids(after) == []
    assert ("[{" in after) == ("[{" in mount)


def test_a_read_only_mount_in_a_container_laid_over_the_injected_one_is_made_writable():
    container = "      - name: istio-proxy\n        image: auto\n        volumeMounts:\n"
    mount = (
        "        - name: istio-workload-certs\n          mountPath: /etc/istio-output-certs\n          readOnly: true\n"
    )
    text = but(PLAIN, (MOUNT, ""), ("      volumes:\n", f"{container}{mount}      volumes:\n"))
    finding = only(text, "writer-read-only")
    assert finding.path[-2:] == ("volumeMounts", 0)
    assert ids(repaired(text, finding)) == []


def test_a_volume_of_a_read_only_kind_is_replaced():
    text = but(PLAIN, (MEMORY, "configMap:\n          name: certs"))
    finding = only(text, "writer-read-only")
    assert finding.found == "the volume istio-workload-certs, which the proxy writes to, is made of a configMap"
    assert ids(repaired(text, finding)) == []


def test_a_volume_without_a_source_is_an_emptydir_on_disk():
    text = but(PLAIN, (CERTS_VOLUME, "      - name: istio-workload-certs\n"))
    assert ids(repaired(text, only(text, "certificates-on-disk"))) == []


def test_a_claimed_volume_keeps_the_key():
    claim = "  volumeClaimTemplates:\n  - metadata:\n      name: istio-workload-certs\n    spec:\n      resources: {}\n"
    text = but(PLAIN, (CERTS_VOLUME, "")) + claim
    assert only(text, "certificates-kept").path == ("spec", "volumeClaimTemplates", 0)


@pytest.mark.parametrize(
    ("version", "found"),
    [
        ((1, 8, 9), False),
        ((1, 9, 0), True),
        ((1, 9, 3), True),
        ((1, 9, 4), False),
        ((1, 9), False),
        ((1, 10, 0), False),
    ],
)
def test_four_releases_wrote_keys_that_nobody_else_could_read(version, found):
    assert ("key-unreadable" in ids(PLAIN, istio=version, istio_given=True)) == found


@pytest.mark.parametrize("user", [0, 1337])
def test_root_and_the_proxys_own_user_can_read_the_key(user):
    text = but(PLAIN, ("        args:\n", f"        securityContext:\n          runAsUser: {user}\n        args:\n"))
    assert "key-unreadable" not in ids(text, istio=(1, 9, 2), istio_given=True)


# --------------------------------------------------------------------------------------------------- where it is read


UNWRITTEN = but(PLAIN, (ANNOTATIONS, ""))


def test_a_variable_that_stands_beside_the_metadata_is_none():
    text = PLAIN.replace("          proxyMetadata:\n", "").replace("            OUTPUT_CERTS", "          OUTPUT_CERTS")
    assert text.count("OUTPUT_CERTS") == 1
    text = text.replace("name: istio-workload-certs", "name: istio-certs").replace(
        "istio-workload-certs", "istio-certs"
    )
    assert ids(text, worse_than_info=True) == ["unknown-field"]
    finding = only(text, "unknown-field")
    assert finding.severity == "error"
    assert finding.found == "OUTPUT_CERTS is a variable, and belongs in proxyMetadata"
    assert ids(repaired(text, finding)) == []
    listed = text.replace("          OUTPUT_CERTS:", "          proxyMetadata:\n          - OUTPUT_CERTS:")
    assert ids(listed) == ["refused-by-the-webhook"]


def test_the_volume_that_the_proxy_fills_takes_the_place_of_one_that_stays_empty():
    text = but(PLAIN, (READER, READER.replace("istio-workload-certs", "empty")))
    text = configured(but(text, ("      volumes:\n", "      volumes:\n      - name: empty\n        emptyDir: {}\n")))
    result = repaired(text, only(text, "nobody-reads-certificates"))
    assert result.count("mountPath: /etc/prom-certs\n") == 1
    assert ids(result) == []


def test_a_volume_that_nobody_fills_is_told_without_any_job_at_hand():
    finding = only(UNWRITTEN, "nothing-writes-certificates")
    assert finding.path[-2:] == ("volumeMounts", 1)
    assert finding.severity == "error"
    assert [one for one in diagnose(repaired(UNWRITTEN, finding)) if one.severity == "error"] == []


HELPER = "      - name: helper\n        volumeMounts:\n        - {name: istio-workload-certs, mountPath: /out}\n"


@pytest.mark.parametrize(
    "change",
    [
        (MEMORY, "secret:\n          secretName: from-elsewhere"),
        (MEMORY, "csi:\n          driver: csi.cert-manager.io"),
        ("      volumes:\n", f"{HELPER}      volumes:\n"),
        ("      containers:\n", f"      initContainers:\n{HELPER}      containers:\n"),
    ],
)
def test_certificates_that_come_from_elsewhere_are_no_fault(change):
    assert "nothing-writes-certificates" not in ids(but(UNWRITTEN, change))
    assert ids(configured(UNWRITTEN, change)) == []


def test_a_container_that_only_reads_the_volume_does_not_fill_it():
    reader = (
        "      - name: thanos\n        volumeMounts:\n"
        "        - {name: istio-workload-certs, mountPath: /certs, readOnly: true}\n      volumes:\n"
    )
    assert "nothing-writes-certificates" in ids(but(UNWRITTEN, ("      volumes:\n", reader)))


def test_a_proxy_that_mounts_the_volume_may_be_told_to_write_for_the_whole_mesh():
    text = but(PLAIN, (METADATA, "          concurrency: 1\n"))
    assert only(text, "nothing-writes-certificates").severity == "warning"
    mesh = (
        "apiVersion: networking.istio.io/v1beta1\nkind: ProxyConfig\nmetadata:\n  name: all\n"
        "spec:\n  environmentVariables:\n    OUTPUT_CERTS: /etc/istio-output-certs\n"
    )
    assert "nothing-writes-certificates" not in ids(f"{text}---\n{mesh}")


def test_files_where_nothing_is_mounted_are_told_at_the_job():
    text = configured(but(UNWRITTEN, (READER, ""), (CERTS_VOLUME, "")))
    finding = only(text, "nothing-writes-certificates")
    assert finding.path == ("scrape_configs", 0, "tls_config", "ca_file")
    assert finding.found.startswith("job istio-mtls names files in /etc/prom-certs, where nothing is mounted")
    assert "/etc/prom-certs" in repaired(text, finding)


def test_files_that_are_mounted_one_by_one_come_from_their_volume():
    files = "".join(
        f"        - {{name: corporate, mountPath: /etc/prom-certs/{name}, subPath: {name}}}\n"
        for name in ("key.pem", "cert-chain.pem", "root-cert.pem")
    )
    volume = "      - name: corporate\n        {}\n"
    text = but(UNWRITTEN, (READER, files), (CERTS_VOLUME, volume.format("secret: {secretName: mesh-certificates}")))
    assert ids(configured(text)) == []
    empty = configured(text.replace("secret: {secretName: mesh-certificates}", "emptyDir: {}"))
    assert only(empty, "nothing-writes-certificates").found.startswith("the volume corporate, mounted at")


def test_what_is_known_to_keep_the_proxy_away_is_told_once():
    text = but(PLAIN, ('sidecar.istio.io/inject: "true"', 'sidecar.istio.io/inject: "false"'))
    assert ids(configured(text)) == ["injection-off"]


def test_a_certificate_that_no_container_mounts_is_read_by_nobody():
    finding = only(but(PLAIN, (READER, "")), "nobody-reads-certificates")
    assert finding.severity == "error"
    assert (
        finding.found
        == "the proxy writes to the volume istio-workload-certs, which the container prometheus doesn't mount"
    )


@pytest.mark.parametrize(("reader", "told"), [("", True), (READER, False)])
def test_a_volume_that_the_proxy_misspells_is_mounted_by_prometheus_or_not(reader, told):
    proxys = "{name: istio-workload-certs, mountPath"
    text = but(MANUAL, (READER, reader), (proxys, proxys.replace("certs", "cert")))
    assert ids(text) == ["volume-missing", *["nobody-reads-certificates"] * told]
    after = repaired(text, only(text, "volume-missing"))
    assert ids(after) == ["nobody-reads-certificates"] * told
    if told:
        assert ids(repaired(after, only(after, "nobody-reads-certificates"))) == []


def test_a_certificate_for_another_container_may_be_meant_so():
    other = "      - name: exporter\n        volumeMounts:\n        - {name: istio-workload-certs, mountPath: /certs}\n"
    finding = only(
        but(PLAIN, (READER, ""), ("      volumes:\n", f"{other}      volumes:\n")), "nobody-reads-certificates"
    )
    assert finding.severity == "warning"
    assert finding.found.endswith("only exporter does")


def test_the_template_for_grpc_mounts_the_certificates_itself():
    text = but(
        PLAIN,
        (MOUNT, "        inject.istio.io/templates: grpc-agent\n"),
        (METADATA, ""),
        (READER, ""),
        (CERTS_VOLUME, ""),
    )
    assert ids(text) == []
    jobs = configured(text).replace("/etc/prom-certs", "/var/lib/istio/data")
    assert [one for one in ids(jobs) if one != "certificates-on-disk"] == []
    assert "wrong-directory" in ids(configured(text))


@pytest.mark.parametrize(
    "change",
    [
        ("        - name: istio-workload-certs\n          mountPath: /etc/prom-certs\n", "/etc/prom-certs/"),
        ("", "relative"),
    ],
)
def test_equal_spellings_of_a_directory_are_equal(change):
    if change[1] == "relative":
        text = WORKLOAD_AND_CONFIGURATION.replace("_file: /etc/prom-certs/", "_file: ../prom-certs/")
    else:
        text = but(WORKLOAD_AND_CONFIGURATION, ("mountPath: /etc/prom-certs\n", "mountPath: /etc/prom-certs/\n"))
    assert ids(text) == []


def test_each_scrape_is_led_to_the_right_directory():
    text = OPERATOR.replace("File: /etc/prom-certs/", "File: /etc/istio-output-certs/")
    finding = only(text, "wrong-directory")
    assert finding.found == (
        "scrape class istio-mtls names files in /etc/istio-output-certs; the certificates are in /etc/prom-certs"
    )
    assert ids(repaired(text, finding)) == []


def test_files_that_are_not_istios_are_left_alone():
    text = WORKLOAD_AND_CONFIGURATION.replace("/etc/prom-certs/root-cert.pem", "/etc/ssl/ca.crt")
    text = text.replace("/etc/prom-certs/cert-chain.pem", "/etc/ssl/tls.crt").replace(
        "/etc/prom-certs/key.pem", "/etc/ssl/k"
    )
    assert not {"wrong-directory", "wrong-file-name"} & set(ids(text))


@pytest.mark.parametrize(
    ("name", "wrong", "right"),
    [
        ("key_file", "tls.key", "key.pem"),
        ("cert_file", "root-cert.pem", "cert-chain.pem"),
        ("ca_file", "ca.pem", "root-cert.pem"),
    ],
)
def test_a_file_that_the_agent_does_not_write_gets_its_right_name(name, wrong, right):
    text = but(WORKLOAD_AND_CONFIGURATION, (f"{name}: /etc/prom-certs/{right}", f"{name}: /etc/prom-certs/{wrong}"))
    finding = only(text, "wrong-file-name")
    assert finding.path[-1] == name
    assert ids(repaired(text, finding)) == []


def test_any_certificate_will_do_as_authority_where_nothing_is_verified():
    text = but(WORKLOAD_AND_CONFIGURATION, ("prom-certs/root-cert.pem", "prom-certs/cert-chain.pem"))
    assert "wrong-file-name" not in ids(text)


# -------------------------------------------------------------------------------------------------------------- mounts


def test_three_mounts_of_a_file_each_become_one_of_the_directory():
    mounts = "".join(
        f"        - {{name: istio-workload-certs, mountPath: /etc/prom-certs/{name}, subPath: {name}}}\n"
        for name in ("key.pem", "cert-chain.pem", "root-cert.pem")
    )
    text = configured(but(PLAIN, (READER, mounts)))
    found = [finding for finding in diagnose(text) if finding.rule.id == "sub-path"]
    assert len(found) == 3
    assert ids(repaired(text, found[0])) == []
    assert [finding.fix.edits for finding in found[1:] if finding.fix] == [(), ()]


def test_the_same_directory_of_the_volume_on_both_sides_is_fine():
    both = but(
        PLAIN,
        ('"mountPath":"/etc/istio-output-certs"', '"mountPath":"/etc/istio-output-certs","subPath":"prometheus"'),
        (READER, READER.replace("readOnly", "subPath: prometheus\n          readOnly")),
    )
    assert ids(configured(both)) == []
    other = both.replace("subPath: prometheus", "subPath: web")
    assert only(other, "sub-path").found == (
        "web of the volume istio-workload-certs is mounted at /etc/prom-certs, not all of it"
    )


def test_a_directory_of_the_volume_in_the_proxy_alone_moves_the_certificates():
    text = configured(
        but(PLAIN, ('"mountPath":"/etc/istio-output-certs"', '"mountPath":"/etc/istio-output-certs","subPath":"a"'))
    )
    assert ids(text) == ["wrong-directory"]
    assert ids(repaired(text, only(text, "wrong-directory"))) == []


@pytest.mark.parametrize("path", ["/etc/prometheus/certs/istio", "/etc/prometheus/config_out"])
def test_the_operators_own_directories_are_taken(path):
    text = OPERATOR.replace("/etc/prom-certs", path)
    assert ids(repaired(text, only(text, "reserved-mount-path"))) == []


def test_a_workload_may_mount_what_it_likes():
    assert ids(WORKLOAD_AND_CONFIGURATION.replace("/etc/prom-certs", "/etc/prometheus/certs")) == []


@pytest.mark.parametrize("wrong", ["istio-workload-cert", "istio-workload-certz"])
def test_a_misspelt_volume_is_told_with_the_nearest_name(wrong):
    text = but(PLAIN, (MOUNT_VALUE, MOUNT_VALUE.replace("istio-workload-certs", wrong)))
    finding = only(text, "volume-missing")
    assert finding.found.endswith("did you mean istio-workload-certs?")
    assert ids(repaired(text, finding)) == []


def test_a_volume_that_is_altogether_missing_is_added_once():
    text = but(PLAIN, (CERTS_VOLUME, ""))
    assert ids(repaired(text, only(text, "volume-missing"))) == []


LAID_OVER = """\
  containers:
  - name: config-reloader
  - name: prometheus
    volumeMounts:
    - VOLUME
      mountPath: /etc/prom-certs
"""


@pytest.mark.parametrize("own", ["", "  volumeMounts:\n  - name: config\n    mountPath: /config\n"])
def test_a_mount_in_a_container_of_an_operators_resource_is_told_where_it_stands(own):
    start, end = OPERATOR.index("  volumeMounts:"), OPERATOR.index("  scrapeClasses:")
    text = f"{OPERATOR[:start]}{own}{LAID_OVER}{OPERATOR[end:]}".replace("VOLUME", "name: istio-workload-cert")
    finding = only(text, "volume-missing")
    assert finding.path == ("spec", "containers", 1, "volumeMounts", 0, "name")
    assert ids(repaired(text, finding)) == []


def test_a_missing_volume_is_added_where_jobs_look_for_the_files():
    start, end = OPERATOR.index("  volumes:"), OPERATOR.index("  scrapeClasses:")
    text = f"{OPERATOR[:start]}{LAID_OVER}{OPERATOR[end:]}".replace("VOLUME", "name: shared")
    text = but(text, (MOUNT_VALUE, MOUNT_VALUE.replace("istio-workload-certs", "shared")))
    finding = only(text, "volume-missing")
    assert ids(repaired(text, finding)) == []
    other = text.replace("mountPath: /etc/prom-certs\n", "mountPath: /etc/other\n")
    assert next(one.fix.edits for one in diagnose(other) if one.rule.id == "volume-missing" and one.fix) == ()


@pytest.mark.parametrize("wrong", ["istio-workload-cert", "istio-workload-certz"])
def test_a_misspelt_mount_of_an_operators_resource_is_told_once(wrong):
    text = but(OPERATOR, ("  volumeMounts:\n  - name: istio-workload-certs", f"  volumeMounts:\n  - name: {wrong}"))
    [finding] = diagnose(text)
    assert finding.rule.id == "volume-missing"
    assert ids(repaired(text, finding)) == []


_BY_ANNOTATION = '{"istio-workload-certs":{"emptyDir":{"medium":"Memory"}}}'
USER_VOLUME = but(
    PLAIN, (CERTS_VOLUME, ""), (MOUNT, f"{MOUNT}        sidecar.istio.io/userVolume: '{_BY_ANNOTATION}'\n")
)


def test_a_volume_by_annotation_alone_is_too_late_for_a_deployment():
    assert ids(USER_VOLUME) == []
    text = USER_VOLUME.replace("kind: StatefulSet", "kind: Deployment").replace("  serviceName: prometheus\n", "")
    finding = only(text, "volume-missing")
    assert "only sidecar.istio.io/userVolume names the volume" in finding.found
    assert ids(repaired(text, finding)) == []


def test_volumes_that_the_operator_or_a_claim_brings_are_there():
    more = "  volumeMounts:\n  - name: prometheus-main-db\n    mountPath: /data\n"
    assert ids(OPERATOR.replace("  volumeMounts:\n", more)) == []
    claim = "  volumeClaimTemplates:\n  - metadata:\n      name: data\n    spec: {}\n"
    text = but(PLAIN, (READER, f"{READER}        - name: data\n          mountPath: /data\n")) + claim
    assert "volume-missing" not in ids(text)


@pytest.mark.parametrize(
    ("version", "lost"),
    [((1, 5, 0), True), ((1, 8, 6), True), ((1, 9, 0), False), ((1, 30, 3), False)],
)
def test_four_releases_took_a_volume_away(version, lost):
    text = PLAIN.replace("istio-workload-certs", "istio-certs")
    found = ids(text, istio=version, istio_given=True)
    assert ("volume-removed-by-injection" in found) == lost
    assert "volume-missing" not in found


def test_a_proxy_by_hand_is_judged_as_an_injected_one():
    assert ids(MANUAL) == []
    text = but(MANUAL, ("mountPath: /etc/istio-output-certs}", "mountPath: /etc/istio-output-certs, readOnly: true}"))
    assert ids(repaired(text, only(text, "writer-read-only"))) == []
    assert ids(configured(MANUAL)) == []


def test_a_namespace_without_labels_does_not_stop_a_pod_that_asks_itself():
    assert ids(f"{NAMESPACE}---\n{PLAIN}") == []


def test_the_configuration_is_not_needed_to_judge_the_pod():
    assert CONFIG in PLAIN
    assert ids(PLAIN) == []
