"""What can't be adopted, and why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from generator.adopt import charts
from generator.errors import Problem, ValuePath
from generator.intake.document import Document, as_list, as_map
from generator.intake.openshift import is_in_template, rendering
from generator.monitoring import Scraper, Setup
from generator.monitoring.labels import matches_labels
from generator.monitoring.other_meshes import other_mesh
from generator.monitoring.pattern import INJECT

# The kubelet marks pods that it reads from files with these (Kubernetes, Static Pods).
_STATIC = ("kubernetes.io/config.mirror", "kubernetes.io/config.source")
_READ_FROM_API = "api"


def owner_of(scraper: Scraper) -> str:
    """Give what made a scraper's workload, as ``kind/name``; "" where nothing says so."""
    for owner in as_list(scraper.document.get("metadata", "ownerReferences")):
        if isinstance(owner, dict) and owner.get("kind") and scraper.flavour == "workload":
            return f"{owner['kind']}/{owner.get('name') or ''}"
    return ""


def refusals(setup: Setup, scraper: Scraper, documents: Sequence[Document]) -> Iterator[Problem]:
    """Everything for which a scraper can't be adopted; nothing where it can."""
    yield from _not_patchable(scraper, documents)
    if scraper.flavour in charts.FLAVOURS and any(scraper.document.outermost is one for one in documents):
        yield from charts.missing_values(scraper)
    if mesh := other_mesh(setup, scraper):
        yield Problem(
            f"{scraper} can't be adopted: {mesh.says}",
            mesh.document.locate(mesh.path),
            found=mesh.found,
            hint="a pod can be in one mesh only: switch that injection off for this pod",
        )
    if scraper.pod.get("spec", "hostNetwork") is True:
        yield _problem(
            scraper,
            ("spec", "hostNetwork"),
            "Istio never injects a pod of the host's network",
            "take hostNetwork out, or write the proxy into the pod by hand (the variant `manual`)",
        )
    selector = scraper.document.get("spec", "selector", "matchLabels")
    if scraper.flavour == "workload" and as_map(selector).get(INJECT, "true") != "true":
        yield Problem(
            f"{scraper}: its selector asks for {INJECT}, which would have to change, and a selector can't be changed",
            scraper.document.locate(("spec", "selector", "matchLabels", INJECT)),
            found=str(selector[INJECT]),
            hint="make the workload anew with a selector of the application's own labels",
        )


def no_longer_selected(scraper: Scraper) -> Iterator[Problem]:
    """Tell where an adopted workload's selector doesn't fit its pod's labels any more."""
    selector = scraper.document.get("spec", "selector")
    if scraper.flavour == "workload" and selector and not matches_labels(selector, scraper.pod.labels):
        yield Problem(
            f"{scraper}: its selector doesn't fit the labels that the pod needs, and a selector can't be changed",
            scraper.document.locate(("spec", "selector")),
            hint="make the workload anew with a selector of the application's own labels",
        )


def _problem(scraper: Scraper, path: ValuePath, message: str, hint: str, found: str = "") -> Problem:
    place = scraper.document.locate(scraper.pod.where(*path))
    return Problem(f"{scraper} can't be adopted: {message}", place, found=found, hint=hint)


# ------------------------------------------------------------------------------------------- what can't be patched


def _not_patchable(scraper: Scraper, documents: Sequence[Document]) -> Iterator[Problem]:
    outer = scraper.document.outermost
    if not any(outer is document for document in documents):
        place = scraper.document.locate()
        message = f"{scraper} can't be adopted: it stands in values of a chart, where no patch reaches it"
        yield Problem(message, place, hint="keep it in a manifest of its own")
        return
    if is_in_template(outer):
        hint = f"{rendering(outer)} | sidecert adopt -"
        yield _problem(scraper, (), "it stands in an OpenShift template, where no patch reaches it", hint)
        return
    static = next((key for key in _STATIC if scraper.pod.annotations.get(key, _READ_FROM_API) != _READ_FROM_API), "")
    if scraper.document.kind == "Pod" and static:
        hint = "write a Deployment or a StatefulSet: Istio's webhook never sees what the kubelet reads from a file"
        yield _problem(scraper, ("metadata", "annotations", static), "it is a static pod", hint)
    elif owner := owner_of(scraper):
        hint = f"give the manifest of {owner}"
        yield _problem(scraper, ("metadata", "ownerReferences"), f"{owner} makes it, and would undo a patch", hint)
    elif scraper.is_bare:
        hint = "write a Deployment or a StatefulSet that makes it"
        yield _problem(scraper, (), "it is a bare Pod, which can't be changed once it runs", hint)
    elif listed := next(scraper.maps_for_lists(), None):
        message = f"{scraper} can't be adopted: {listed[-1]} is a map, where a list belongs"
        hint = "put a dash before its first field; sidecert migrate does"
        yield Problem(message, scraper.document.locate(listed), hint=hint)
    elif outer.kind and not outer.get("metadata", "name"):
        place = outer.locate(("metadata",))
        hint = "give it a name: metadata.name"
        yield Problem(f"{scraper} can't be adopted: it has no name by which a patch could find it", place, hint=hint)
