"""The same metrics collected twice: what a port serves, and where it doesn't."""

from __future__ import annotations

import pytest

from generator.doctor.rules.examples import WORKLOAD_AND_CONFIGURATION
from tests.doctor.helpers import ids

_JOBS = """\
    - job_name: pods
      metrics_path: {path}
      kubernetes_sd_configs: [{{role: pod}}]
      relabel_configs:
      - source_labels: [__address__]
        regex: ([^:]+)(?::\\d+)?
        replacement: $1:{port}
        target_label: __address__
    - job_name: envoys
      metrics_path: /stats/prometheus
      kubernetes_sd_configs: [{{role: pod}}]
      relabel_configs:
      - source_labels: [__meta_kubernetes_pod_container_port_name]
        action: keep
        regex: .*-envoy-prom
"""


@pytest.mark.parametrize(
    ("port", "path", "told"),
    [
        (15090, "/stats/prometheus", True),
        (15090, "/metrics", False),
        (15020, "/stats/prometheus", True),
        (15020, "/metrics", True),
        (15020, "/healthz/ready", False),
    ],
)
def test_a_port_counts_only_where_it_is_asked_for_a_path_that_it_serves(port, path, told):
    text = WORKLOAD_AND_CONFIGURATION + _JOBS.format(port=port, path=path)
    assert ids(text).count("double-scrape") == told


def test_jobs_that_take_every_port_get_nothing_of_envoys_under_the_usual_path():
    every = "    - {{job_name: {}, kubernetes_sd_configs: [{{role: pod}}]}}\n"
    text = WORKLOAD_AND_CONFIGURATION + every.format("a") + every.format("b")
    assert "double-scrape" not in ids(text)
