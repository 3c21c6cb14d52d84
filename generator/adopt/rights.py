"""What a scraper may ask the API server, for the job or monitor that it gets."""

from __future__ import annotations

from collections.abc import Iterator

from generator.adopt.comments import Comments, worded
from generator.adopt.rendered import Part
from generator.intake.document import as_list, as_map
from generator.monitoring import Scraper, Setup
from generator.monitoring.directories import is_inside

_DISCOVERY = "kubernetes_sd_configs"
_TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount"  # noqa: S105  # a directory
_ONLY = worded("Its account has rights in these alone.")


def namespaces_of(setup: Setup, scraper: Scraper) -> list[str]:
    """Give the namespaces to which a scraper's account is confined; [] where it isn't, or where that isn't known.

    One that has Roles and no ClusterRole was confined on purpose, and an adoption gives it no rights elsewhere.
    """
    from generator.doctor.rules.grants import WATCHES, account_of, allows, grants_of

    grants = grants_of(setup, scraper.namespace, account_of(scraper)) if scraper.namespace else []
    if any(one.role is None or not one.namespace for one in grants):
        return []
    lists = {
        one.namespace
        for one in grants
        if one.role is not None and all(allows(one.role, "", "pods", verb) for verb in WATCHES)
    }
    return sorted(lists or {one.namespace for one in grants})


def confined(part: Part, namespaces: list[str]) -> Part:
    """Give a job or a PodMonitor that looks into these namespaces, unless it names its own; [] stands for all."""
    if not namespaces:
        return part
    spec = as_map(part.tree.get("spec"))
    if spec:
        if as_map(spec.get("namespaceSelector")).get("any") is not True:
            return part
        tree = {**part.tree, "spec": {**spec, "namespaceSelector": {"matchNames": namespaces}}}
        return Part(tree, {**part.comments, ("spec", "namespaceSelector", "matchNames"): _ONLY})
    listed = as_list(part.tree.get(_DISCOVERY))
    if not listed or not all(isinstance(one, dict) and "namespaces" not in one for one in listed):
        return part
    named = [{**one, "namespaces": {"names": namespaces}} for one in listed]
    comments: Comments = {(_DISCOVERY, index, "namespaces"): _ONLY for index, _ in enumerate(named)}
    return Part({**part.tree, _DISCOVERY: named}, {**part.comments, **comments})


def lacking(setup: Setup, scraper: Scraper, namespaces: list[str]) -> Iterator[str]:
    """Tell what a scraper lacks to find the targets of a job or monitor that it gets, as far as the documents say.

    ``setup`` is as it was before. Who discovers pods already, or whose configuration isn't here, may have all rights.
    """
    from generator.doctor.rules.grants import account_of, bindings, grants_of, needs_of, subjects_of

    account = account_of(scraper)
    if namespaces:
        yield (
            f"what is added finds pods of {', '.join(namespaces)} alone, where the account {account} has rights: "
            "to scrape others, bind a ClusterRole to it and adopt again"
        )
    if _has_no_token(setup, scraper, account):
        yield (
            "the pod gets no token of its account (automountServiceAccountToken: false), "
            "without which Prometheus discovers nothing"
        )
    if scraper.flavour != "workload" or not setup.configurations(scraper):
        return
    named = any(subject.get("name") == account for one in bindings(setup) for _, subject in subjects_of(one))
    discovers = any(need.resource == "pods" for need in needs_of(setup, scraper))
    if not named and not discovers and not grants_of(setup, scraper.namespace, account):
        yield f"the account {account} needs a ClusterRole by which it may list and watch pods, which no job did so far"


def _has_no_token(setup: Setup, scraper: Scraper, account: str) -> bool:
    """Whether the kubelet mounts no token, and the container has none from elsewhere."""
    switch = "automountServiceAccountToken"
    said = scraper.of_resource(switch)
    if said is None:
        said = scraper.pod.get("spec", switch)
    if said is None:
        accounts = [one for one in setup.named("ServiceAccount", account) if one.namespace == scraper.namespace]
        said = next((one.get(switch) for one in accounts), None)
    mounts = scraper.pod.mounts(scraper.container)
    return said is False and not any(is_inside(_TOKEN, mount.directory) for mount in mounts)
