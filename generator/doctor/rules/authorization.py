"""Targets whose AuthorizationPolicy must let Prometheus in."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

from generator.doctor.rule import Fix, Found, rule
from generator.doctor.rules.examples import OPERATOR, WEB
from generator.doctor.rules.grants import account_of
from generator.doctor.rules.policies import ROOT, fits, resources, selected
from generator.injection import catches_port, inject
from generator.intake.document import Document, as_list
from generator.monitoring import Scraper, Setup
from generator.monitoring.mtls import mtls_scrapes
from generator.monitoring.targets import Target, targets_of

#: Fields of a policy that say who comes.
_WHO = ("principals", "namespaces", "serviceAccounts")
_TARGET = f"""\
{WEB}---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata:
  name: web
  namespace: monitoring
spec:
  selector:
    matchLabels:
      app: web
  action: ALLOW
  rules:
  - from:
    - source:
        principals:
        - cluster.local/ns/shop/sa/gateway
"""


@rule(
    "target-does-not-admit-prometheus",
    title="An AuthorizationPolicy of a target doesn't let Prometheus in",
    severity="info",
    stage="clients",
    why="""
        As soon as one policy with the action ALLOW selects a pod, its proxy refuses whatever no such policy allows:
        403 over HTTP, a closed connection else. Prometheus comes as
        `<trust domain>/ns/<namespace>/sa/<service account>`, the identity in its certificate.
        """,
    sources=["istio AuthorizationPolicy API"],
    wrong=OPERATOR + _TARGET,
)
def target_does_not_admit_prometheus(setup: Setup) -> Iterator[Found]:
    """Look at the policies of what monitors with certificates scrape."""
    told: set[int] = set()
    if not resources(setup, "AuthorizationPolicy"):
        return
    for found in mtls_scrapes(setup):
        scraper = found.scraper
        if scraper is None or found.scrape.scheme != "https" or not scraper.namespace:
            continue
        for target in targets_of(setup, found.scrape):
            policies = _allowing(setup, target)
            if not policies or any(_admits(one, scraper) for one in policies) or id(policies[0]) in told:
                continue
            told.add(id(policies[0]))
            principal = f"cluster.local/ns/{scraper.namespace}/sa/{account_of(scraper)}"
            says = f"{target.name} admits others alone, and {found.scrape} scrapes it as {principal}"
            shown = f"rules:\n- from:\n  - source:\n      principals:\n      - {principal}"
            yield Found(policies[0], ("spec",), says, Fix("allow Prometheus' identity too", yaml=shown))


def _allowing(setup: Setup, target: Target) -> list[Document]:
    """The ALLOW policies that a target's proxy obeys; none where no proxy surely guards the port."""
    if target.workload is None or target.pod is None or target.port is None:
        return []
    namespace = target.workload.namespace
    found = [
        one
        for one in resources(setup, "AuthorizationPolicy")
        if one.namespace in {namespace, ROOT}
        and one.get("spec", "action") in (None, "ALLOW")
        and one.get("spec", "targetRefs") is None
        and one.get("spec", "targetRef") is None
        and fits(selected(one), target.pod.labels)
    ]
    if not found:
        return []
    injection = inject(target.pod.tree, namespace, setup.mesh_of(namespace))
    guarded = injection.injected and injection.certain and catches_port(injection.pod, target.port)
    return found if guarded else []


def _admits(policy: Document, scraper: Scraper) -> bool:
    """Whether some rule may let Prometheus in; what a rule says of paths and ports isn't looked at."""
    rules = policy.get("spec", "rules")
    for one in rules if isinstance(rules, list) else []:
        sources = one.get("from") if isinstance(one, dict) else None
        if not isinstance(sources, list) or any(_is_meant(source, scraper) for source in sources):
            return True
    return False


def _is_meant(entry: object, scraper: Scraper) -> bool:
    source = entry.get("source") if isinstance(entry, dict) else None
    if not isinstance(source, dict):
        return True
    account, said = account_of(scraper), {key: list(map(str, as_list(source.get(key)))) for key in _WHO}
    principals, namespaces, accounts = (said[key] for key in _WHO)
    if principals and not any(_is_principal(one, scraper.namespace, account) for one in principals):
        return False
    if namespaces and not any(fnmatchcase(scraper.namespace, one) for one in namespaces):
        return False
    if accounts and not {account, f"{scraper.namespace}/{account}"} & {*accounts}:
        return False
    return not source.get("requestPrincipals")


def _is_principal(pattern: str, namespace: str, account: str) -> bool:
    """Whether a pattern fits the identity, in whatever trust domain."""
    identity = f"/ns/{namespace}/sa/{account}"
    _, within, rest = pattern.partition("/ns/")
    return fnmatchcase(identity, within + rest) if within else fnmatchcase(f"cluster.local{identity}", pattern)
