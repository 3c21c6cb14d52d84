"""The table of known fields is what the public schemas and the real Prometheus say."""

from __future__ import annotations

import re
import subprocess
import typing
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from generator.fields.slips import Level, meant
from generator.fields.table import Fields, Table, kinds, parse, table_of
from generator.yaml import block
from tests.fields import collect
from tests.tools import program

FOLDER = Path(collect.HERE)
CRDS = Path(__file__).parent.parent.parent.parent / "shared" / "crds"
TEXTS = ("core", "operator", "istio", "prometheus")

# Fields of prometheus.yml that Prometheus 2.42, the one that the tests have, doesn't know in every place yet.
NEWER_NAMES = """
    alert_relabel_configs always_scrape_classic_histograms audience azuread body_size_limit ca ca_ref cert cert_ref
    chunked_read_limit claims client_certificate_key client_certificate_key_file client_certificate_key_id
    client_certificate_key_ref client_secret_ref convert_classic_histograms_to_nhcb credentials_ref
    enable_compression external_id extra_scrape_metrics fallback_scrape_protocol google_iam grant_type http_headers
    iss keep_dropped_targets key key_ref label_limit label_name_length_limit label_value_length_limit
    metric_name_escaping_scheme metric_name_validation_scheme native_histogram_bucket_limit
    native_histogram_min_bucket_factor no_proxy otlp password_ref protobuf_message proxy_connect_header
    proxy_from_environment retention round_robin_dns rule_query_offset runtime sample_age_limit sample_limit
    scrape_classic_histograms scrape_config_files scrape_failure_log_file scrape_native_histograms scrape_protocols
    signature_algorithm sigv4 stale_series_compaction_threshold target_limit track_timestamps_staleness
    use_fips_sts_endpoint username_file username_ref
"""
NEWER = frozenset(NEWER_NAMES.split())


def test_the_fields_of_kubernetes_are_those_of_its_newest_schema():
    assert (FOLDER / "core.txt").read_text() == collect.core_text()


@pytest.mark.skipif(not CRDS.exists(), reason="no custom resource definitions here; cloudcoil's models are compared")
@pytest.mark.parametrize("text", ["operator", "istio"])
def test_the_fields_of_custom_resources_are_those_of_their_definitions(text):
    assert (FOLDER / f"{text}.txt").read_text() == collect.custom_texts(CRDS)[f"{text}.txt"]


MODELS = (
    ("v1", ("Prometheus", "ServiceMonitor", "PodMonitor", "Probe", "PrometheusRule")),
    ("v1alpha1", ("PrometheusAgent", "ScrapeConfig")),
)


@pytest.mark.parametrize(("version", "names"), MODELS, ids=["v1", "v1alpha1"])
def test_the_fields_of_an_older_operator_are_known(version, names):
    models = import_module(f"cloudcoil.models.prometheus_operator.{version}")
    compared = Compared(table_of("operator"))
    for name in names:
        compared.go(getattr(models, name), f"{kinds()[name]}/{name}")
    assert compared.unknown == set()
    assert len(compared.seen) > 5


class Compared:
    """Goes through pydantic models beside the table."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.seen: set[tuple[type[BaseModel], str]] = set()
        self.unknown: set[tuple[str, str]] = set()

    def go(self, model: type[BaseModel], kind: str) -> None:
        fields = self.table.fields(kind)
        if fields is None or (model, kind) in self.seen:
            return
        self.seen.add((model, kind))
        for name, info in model.model_fields.items():
            field = info.alias or name
            if field not in fields:
                self.unknown.add((kind, field))
            elif field not in {"metadata", "status"}:
                for inner in models_in(info.annotation):
                    self.go(inner, fields[field].lstrip("[]{}"))


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in typing.get_args(annotation):
        yield from models_in(argument)


@pytest.mark.parametrize("version", ["1.25.0", "1.31.0"])
def test_no_field_of_an_older_kubernetes_is_called_a_slip(version):
    older, table = collect.core_types(version), table_of("core")
    for name, fields in older.items():
        known = table.fields(name) or {}
        unknown = fields.keys() - known.keys() if known else set()
        assert [said for field in unknown if (said := meant(field, Level({field: {}}, known, {}, ()), table))] == []


def test_an_older_table_would_call_no_field_of_the_newest_kubernetes_a_slip():
    older, newest = collect.core_types("1.25.0"), table_of("core").types
    table, grown = Table("core", older), 0
    for name in older.keys() & newest.keys():
        for field in newest[name].keys() - older[name].keys():
            grown += 1
            assert meant(field, Level({field: {}}, older[name], {}, ()), table) is None, (name, field)
    assert grown > 40


# What would be called a slip if it alone were newer than the table: names that are hardly another one's.
TWINS = {
    ("ServiceSpec", "clusterIP"),
    ("AuthorizationPolicySpec", "targetRef"),
    ("RequestAuthenticationSpec", "targetRef"),
    ("Tls2", "credentialName"),
    ("JwtRule", "jwksUri"),
    ("JwtRule", "jwks_uri"),
    ("GrpcServerTlsConfig", "caFile"),  # without it, the type is the one that takes no paths
    ("TlsConfig2", "caFile"),
}


# And those that would be taken for a field of the map around: the field, and the one that holds it.
INNER_TWINS = {
    ("ownerReferences", "uid"),
    ("containers", "securityContext"),
    ("ephemeralContainers", "securityContext"),
    ("initContainers", "securityContext"),
    ("evictionResponders", "priority"),
    ("oauth2", "tlsConfig"),  # of a Probe, where oauth2 has little else of what is around it
    ("openstackSDConfigs", "tlsConfig"),
    ("ephemeral", "volumeClaimTemplate"),
    ("ringHash", "minimumRingSize"),
    ("subsets", "trafficPolicy"),
    ("alertmanagers", "alert_relabel_configs"),
}


def test_hardly_a_known_field_would_be_called_a_slip_by_a_table_without_it():
    said = {
        (name, field)
        for text in TEXTS
        for name, fields in table_of(text).types.items()
        for field in fields
        if said_without(field, fields, {}, "", table_of(text))
    }
    assert said == TWINS


def test_hardly_a_known_field_would_be_taken_for_one_of_the_map_around_it():
    said = {
        (holder, field)
        for text in TEXTS
        for above in table_of(text).types.values()
        for holder, kind in above.items()
        for field in table_of(text).below(kind)[1] or {}
        if "higher" in said_without(field, table_of(text).below(kind)[1] or {}, above, holder, table_of(text))
    }
    assert said == INNER_TWINS


def said_without(field: str, fields: Fields, above: Fields, holder: str, table: Table) -> str:
    """Give what is said of a field of a map by a table that knows all of the map's fields but this one."""
    others = {other: kind for other, kind in fields.items() if other != field}
    said = meant(field, Level({field: 1}, others, above, (holder,) if holder else ()), table)
    return said.expected if said else ""


@pytest.mark.parametrize("text", TEXTS)
def test_a_long_field_with_a_letter_missing_is_called_a_slip(text):
    table = table_of(text)
    for name, fields in table.types.items():
        for field in fields:
            short = field[: len(field) // 2] + field[len(field) // 2 + 1 :]
            if len(field) > 6 and short not in fields:
                said = meant(short, Level({short: 1}, fields, {}, ()), table)
                assert said is not None, (name, field, short)


@pytest.mark.parametrize("text", TEXTS)
def test_every_type_that_a_text_names_is_in_it_or_in_that_of_kubernetes(text):
    types = table_of(text).types
    named = {kind.lstrip("[]{}") for fields in types.values() for kind in fields.values()}
    assert named - types.keys() == named & {"string", "boolean", "integer", "number", "scalar", "any"}


def test_a_type_has_the_fields_of_those_that_it_includes():
    assert parse("A\n  + B\n  string a\nB\n  + C\nC\n  []A c\nD\n  + B\n") == {
        "A": {"a": "string", "c": "[]A"},
        "B": {"c": "[]A"},
        "C": {"c": "[]A"},
        "D": {"c": "[]A"},
    }
    types = table_of("prometheus").types
    assert types["Kubernetes"].keys() > types["Client"].keys() > types["Proxy"].keys()


def wrong(table: Mapping[str, Mapping[str, str]], value: str) -> Any:
    """Give what no field takes, so that Prometheus complains of each field that it knows, and goes on."""
    kind = value.removeprefix("[]")
    if kind in table:
        fields = {
            field: wrong(table, inner)
            for field, inner in table[kind].items()
            if not field.endswith("_sd_configs")  # read by code of their own, which stops at the first complaint
        }
        return [fields] if value != kind else fields
    return {"a": {"a": "b"}} if value != kind else [[]]


def checked(file: Path, config: Mapping[str, Any]) -> str:
    file.write_text(block(config))
    command = [program("promtool"), "check", "config", "--syntax-only", str(file)]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stdout + done.stderr


@pytest.mark.programs
def test_prometheus_knows_the_fields(tmp_path):
    said = checked(tmp_path / "prometheus.yml", wrong(table_of("prometheus").types, "Configuration"))
    assert set(re.findall(r"field (\w+) not found", said)) <= NEWER
    assert said.count("cannot unmarshal") > 200


@pytest.mark.programs
def test_prometheus_knows_the_fields_of_the_simple_service_discoveries(tmp_path):
    types = table_of("prometheus").types
    job: dict[str, Any] = {
        "job_name": "all",
        "static_configs": [{"targets": ["a:1"], "labels": None}],
        "file_sd_configs": [{"files": ["a.json"], "refresh_interval": "5m"}],
        "dns_sd_configs": [{"names": ["a"], "type": "A", "port": 1, "refresh_interval": "5m"}],
        "http_sd_configs": [{"url": "http://a", "refresh_interval": "5m"}],
    }
    assert set(job["dns_sd_configs"][0]) == set(types["Dns"])
    assert set(job["file_sd_configs"][0]) == set(types["File"])
    assert set(job["http_sd_configs"][0]) == set(types["Http"]) - set(types["Client"])
    assert set(job["static_configs"][0]) == set(types["Static"])
    assert "SUCCESS" in checked(tmp_path / "prometheus.yml", {"scrape_configs": [job]})
