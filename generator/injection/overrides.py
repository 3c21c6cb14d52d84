"""A container of the user's, named like one of Istio's, laid over what the template says.

After `reapplyOverwrittenContainers` and `adjustInitContainerUser` in istio's pkg/kube/inject/webhook.go (since 1.9).
"""

from __future__ import annotations

from generator.injection import annotations as names
from generator.injection import pieces
from generator.injection.merging import merged
from generator.injection.mesh import INIT, PROXY, VALIDATION, Tree

#: Image of a container that the user lays over Istio's: the template's is kept.
AUTO_IMAGE = "auto"


def moved_to_init(pod: Tree) -> Tree:
    """Make the user's ``istio-proxy`` an init container, as a native sidecar is one."""
    spec = pieces.spec_of(pod)
    mine = pieces.named(spec.get("containers"), PROXY)
    if mine is None:
        return pod
    others = [item for item in spec["containers"] if item is not mine]
    init = spec.get("initContainers")
    return {
        **pod,
        "spec": {**spec, "containers": others, "initContainers": [*(init if isinstance(init, list) else []), mine]},
    }


def reapplied(pod: Tree, original: Tree, template: Tree) -> Tree:
    """Lay the original pod's containers over those that the template has under the same name.

    They are noted in annotation ``proxy.istio.io/overrides``, so that the webhook finds them when it comes again.
    """
    theirs, mine = pieces.spec_of(template), pieces.spec_of(original)
    noted: dict[str, list[Tree]] = {}
    for part, places in (("containers", ("containers",)), ("initContainers", ("containers", "initContainers"))):
        for container in pieces.items(theirs.get(part)):
            found = (pieces.named(mine.get(place), str(container["name"])) for place in places)
            match = next((item for item in found if item is not None), None)
            if match is None:
                continue
            overlay = {key: value for key, value in match.items() if (key, value) != ("image", AUTO_IMAGE)}
            noted.setdefault(part, []).append(overlay)
            pod = merged(pod, {"spec": {part: [overlay]}})
    if noted:
        pod = merged(pod, {"metadata": {"annotations": {names.OVERRIDES: pieces.compact(noted)}}})
        pod = _with_user(pod, original)
    return pod


def _with_user(pod: Tree, original: Tree) -> Tree:
    """Let the rules of the init container spare the user's own user id, and validation run under it."""
    mine = pieces.named_proxy(original) or {}
    security = pieces.part(mine, "securityContext")
    wanted = {key: security[key] for key in ("runAsUser", "runAsGroup") if security.get(key) is not None}
    init = pieces.spec_of(pod).get("initContainers")
    target = pieces.named(init, INIT) or pieces.named(init, VALIDATION)
    if not wanted or target is None:
        return pod
    arguments = pieces.words(target, "args")
    transparent = "TPROXY" in arguments
    patch: Tree = {"name": target["name"]}
    if target["name"] == VALIDATION and not transparent:
        patch["securityContext"] = wanted
    if wanted.get("runAsUser") and "-u" in arguments[:-1]:
        arguments[arguments.index("-u") + 1] = str(wanted["runAsUser"])
        patch["args"] = arguments
    pod = merged(pod, {"spec": {"initContainers": [patch]}})
    proxy = pieces.named_proxy(pod)
    if transparent and "runAsUser" in wanted and proxy is not None:  # TPROXY needs root, whoever the user wants
        part = "containers" if pieces.named(pieces.spec_of(pod).get("containers"), PROXY) else "initContainers"
        pod = merged(pod, {"spec": {part: [{"name": PROXY, "securityContext": {"runAsUser": 0}}]}})
    return pod
