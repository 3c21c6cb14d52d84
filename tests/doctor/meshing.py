"""The findings of the rules on mesh resources, selection and access."""

from __future__ import annotations

from typing import Any

from generator.doctor.rules.examples import PLAIN, but
from generator.doctor.rules.spoiling import HOLD, METADATA
from tests.doctor.helpers import diagnose

MODULES = {"mesh", "clients", "ambient", "sending", "authorization", "selection", "selectors", "access", "reach"}
#: The agent without Envoy.
AGENT = but(
    PLAIN,
    (HOLD, ""),
    (METADATA, f'{METADATA}            DISABLE_ENVOY: "true"\n'),
    ("      annotations:\n", '      annotations:\n        status.sidecar.istio.io/port: "0"\n'),
)
NO_TLS_LABEL = ("        security.istio.io/tlsMode: disabled\n", "")


def mine(text: str, **settings: Any) -> list[str]:
    """The rules among them that find something, in order, each as often as it does."""
    found = [one.rule for one in diagnose(text, **settings)]
    return [rule.id for rule in found if rule.check.__module__.rpartition(".")[2] in MODULES]


def of_namespace(name: str, *labels: str) -> str:
    """A Namespace with labels, to put before other documents."""
    listed = "".join(f"    {label}\n" for label in labels)
    shown = f"  labels:\n{listed}" if listed else ""
    return f"apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {name}\n{shown}---\n"
