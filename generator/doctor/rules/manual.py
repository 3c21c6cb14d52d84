"""A proxy that the manifest spells out itself, as guides of the 1.5 era do."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from generator.doctor.rule import Fix, Found, rule
from generator.doctor.rules.examples import but
from generator.doctor.rules.spoiling import BY_HAND, MANUAL
from generator.doctor.rules.views import PROXY, by_hand, config_of, existing
from generator.errors import ValuePath
from generator.injection.annotations import INJECT as KEY
from generator.monitoring import Edit, PodView, Scraper, Setup
from generator.monitoring.directories import covering_mount
from generator.monitoring.edits import REMOVE
from generator.monitoring.versions import Version, image_version, spelled

#: Flags of pilot-agent that are gone, and since when (istio `pilot/cmd/pilot-agent/app/cmd.go`).
_GONE: Mapping[str, Version] = {
    **dict.fromkeys(
        [
            *("discoveryAddress", "configPath", "binaryPath", "drainDuration", "proxyAdminPort", "statusPort"),
            *("controlPlaneAuthPolicy", "parentShutdownDuration", "connectTimeout", "dnsRefreshRate"),
            "controlPlaneBootstrap",
        ],
        (1, 6),
    ),
    "trust-domain": (1, 8),
}
_DEFAULT_DISCOVERY = "istiod.istio-system.svc:15012"
#: A proxy before this goes with no control plane since 1.8, which is what dead-host takes one of unknown version for.
_OLDEST = (1, 6)
_PILOT = re.compile(r"(?<![\w.-])istio-pilot(?P<rest>\.[\w.-]*)?(:\d+)?(?![\w-])", re.ASCII)
#: Variables that give the agent another authority, or a certificate to start with.
_OTHER_IDENTITY = {"CA_PROVIDER", "PROV_CERT", "FILE_MOUNTED_CERTS"}
_FIELDS = {
    "POD_NAME": "metadata.name",
    "POD_NAMESPACE": "metadata.namespace",
    "SERVICE_ACCOUNT": "spec.serviceAccountName",
}
_ROOT: tuple[str, dict[str, Any]] = ("/var/run/secrets/istio", {"configMap": {"name": "istio-ca-root-cert"}})
_TOKEN_SOURCE = {"serviceAccountToken": {"audience": "istio-ca", "expirationSeconds": 43200, "path": "istio-token"}}
_TOKEN: tuple[str, dict[str, Any]] = ("/var/run/secrets/tokens", {"projected": {"sources": [_TOKEN_SOURCE]}})
_SOCKET: tuple[str, dict[str, Any]] = ("/etc/istio/proxy", {"emptyDir": {"medium": "Memory"}})


def proxies(setup: Setup) -> Iterator[tuple[Scraper, ValuePath, Mapping[str, Any]]]:
    """Every scraper whose manifest spells out its proxy, with the container's path in the pod, and the container."""
    for scraper in setup.scrapers:
        found = by_hand(scraper)
        if found is not None:
            yield scraper, *found


def _agent_version(setup: Setup, container: Mapping[str, Any]) -> Version:
    """The version of the agent: what the image's tag says, else the mesh's."""
    return image_version(container.get("image")) or setup.settings.istio


def _flags(container: Mapping[str, Any]) -> Iterator[tuple[str, int, str, str, int]]:
    """Every flag: the list it stands in, its place, its name and value, and how many elements it takes."""
    for key in ("command", "args"):
        words = [str(word) for word in container.get(key) or []]
        for index, word in enumerate(words):
            if not word.startswith("-"):
                continue
            name, equals, value = word.lstrip("-").partition("=")
            follows = index + 1 < len(words) and not words[index + 1].startswith("-") and not equals
            yield key, index, name, value or (words[index + 1] if follows else ""), 2 if follows else 1


@rule(
    "dead-agent-flag",
    title="The proxy has arguments that its agent no longer knows",
    severity="warning",
    stage="injection",
    since="Istio 1.6",
    why="""
        pilot-agent silently ignores flags that it doesn't know. Most of the 1.5 era are gone since 1.6
        (`--discoveryAddress`, `--configPath`, `--binaryPath`, `--statusPort`, `--controlPlaneAuthPolicy` and others),
        `--trust-domain` since 1.8. The proxy starts and does something else than the manifest says. What is still
        needed goes into the variable `PROXY_CONFIG` under the same name, or into `TRUST_DOMAIN`.
        """,
    sources=["istio `pilot/cmd/pilot-agent/app/cmd.go`"],
    wrong=but(MANUAL, ("args: [proxy, sidecar,", "args: [proxy, sidecar, --drainDuration, 45s,")),
)
def dead_agent_flag(setup: Setup) -> Iterator[Found]:
    """Compare the arguments with what the agent of that version knows."""
    for scraper, path, container in proxies(setup):
        version = _agent_version(setup, container)
        dead = [flag for flag in _flags(container) if flag[2] in _GONE and version >= _GONE[flag[2]]]
        if not dead:
            continue
        edits = [
            scraper.pod.set((*path, key, place), REMOVE)
            for key, index, _, _, count in reversed(dead)
            for place in reversed(range(index, index + count))
        ]
        edits += _instead(scraper.pod, path, {name: value for _, _, name, value, _ in dead})
        names = ", ".join(f"--{name}" for _, _, name, _, _ in dead)
        sure = image_version(container.get("image")) is not None or setup.settings.istio_given
        found = f"pilot-agent {spelled(version) if sure else 'of today'} doesn't know {names}"
        place = scraper.pod.where(*path, dead[0][0], dead[0][1])
        yield Found(scraper.document, place, found, Fix("take them out", tuple(edits)))


def _instead(pod: PodView, path: ValuePath, flags: Mapping[str, str]) -> Iterator[Edit]:
    """Give what says today what a flag said, where it isn't the default."""
    import json

    known = [item.get("name") for _, item in pod.items(*path, "env")]
    address = flags.get("discoveryAddress", "")
    if address and "istio-pilot" not in address and address != _DEFAULT_DISCOVERY and "PROXY_CONFIG" not in known:
        value = json.dumps({"discoveryAddress": address})
        yield pod.append((*path, "env"), {"name": "PROXY_CONFIG", "value": value})
    domain = flags.get("trust-domain", "")
    if domain not in {"", "cluster.local"} and "TRUST_DOMAIN" not in known and "$(" not in domain:
        yield pod.append((*path, "env"), {"name": "TRUST_DOMAIN", "value": domain})


@rule(
    "dead-host",
    title="The proxy asks a control plane that no longer exists",
    severity="error",
    stage="injection",
    why="""
        The Service `istio-pilot` is gone; the control plane is `istiod`, on port 15012. The agent asks it for the
        certificate (`CA_ADDR`) and for the configuration (`discoveryAddress`), and without an answer writes nothing.
        With a revision the Service is called `istiod-<revision>`.
        """,
    sources=["istio `pilot/cmd/pilot-agent/options/security.go`"],
    wrong=but(MANUAL, ("istiod.istio-system.svc:15012", "istio-pilot.istio-system.svc:15012")),
)
def dead_host(setup: Setup) -> Iterator[Found]:
    """Look at the variables and arguments of a proxy by hand, and at the configuration of an injected one."""
    if setup.settings.istio < (1, 8):
        return
    for scraper, path, container in proxies(setup):
        for key, index, flag, host in _arguments_heeded(container, _agent_version(setup, container)):
            if _PILOT.search(host):
                argument = (*path, key, index)
                fix = Fix("name istiod", (scraper.pod.set(argument, _today(str(container[key][index]))),))
                yield Found(scraper.document, scraper.pod.where(*argument), f"--{flag} is {host}", fix)
        for place, item in scraper.pod.items(*path, "env"):
            value = item.get("value")
            if isinstance(value, str) and _PILOT.search(value):
                edit = scraper.pod.set((*place, "value"), _today(value))
                where = scraper.pod.where(*place, "value")
                yield Found(scraper.document, where, f"{item.get('name')} is {value}", Fix("name istiod", (edit,)))
    for scraper in setup.scrapers:
        inner = config_of(scraper)
        value = inner.get("discoveryAddress") if inner else None
        if inner is not None and isinstance(value, str) and _PILOT.search(value):
            fix = Fix("name istiod", (Edit(inner, ("discoveryAddress",), _today(value)),))
            yield Found(inner, ("discoveryAddress",), f"discoveryAddress is {value}", fix, resource=str(scraper))


def _arguments_heeded(container: Mapping[str, Any], version: Version) -> Iterator[tuple[str, int, str, str]]:
    """Every flag that an agent knows: the list and the index in it where its value stands, its name and value."""
    for key, index, name, value, count in _flags(container):
        if name not in _GONE or version < _GONE[name]:
            yield key, index + count - 1, name, value


def _today(text: str) -> str:
    return _PILOT.sub(lambda found: f"istiod{found['rest'] or ''}:15012", text)


@rule(
    "manual-proxy-incomplete",
    title="The proxy lacks what its agent needs to get a certificate",
    severity="error",
    stage="writing",
    why="""
        The agent proves who it is with a service account token for the audience `istio-ca`, checks istiod with the
        mesh's root from the config map `istio-ca-root-cert`, and asks for a certificate in the name of its pod,
        namespace and service account. Injection adds all of that; a proxy written by hand has to name it.
        """,
    sources=["istio injection template", "istio `pilot/cmd/pilot-agent/options/security.go`"],
    wrong=but(MANUAL, ("        - {name: istio-token, mountPath: /var/run/secrets/tokens}\n", "")),
)
def manual_proxy_incomplete(setup: Setup) -> Iterator[Found]:
    """Look for the variables, mounts and volumes, where the mesh's own CA is asked."""
    for scraper, path, container in proxies(setup):
        env = {str(item.get("name")): item.get("value") for _, item in scraper.pod.items(*path, "env")}
        if not env.get("OUTPUT_CERTS") or _OTHER_IDENTITY & env.keys() or container.get("envFrom"):
            continue
        edits: list[Edit] = []
        missing = [name for name in _FIELDS if name not in env]
        for name in missing:
            field = {"name": name, "valueFrom": {"fieldRef": {"fieldPath": _FIELDS[name]}}}
            edits.append(scraper.pod.append((*path, "env"), field))
        for volume, (directory, source) in _needed(container, env).items():
            if covering_mount(container, directory) is None:
                missing.append(f"a mount at {directory}")
                edits += _mounted(scraper, path, volume, directory, source)
        if missing:
            found = f"{container.get('name')} lacks {', '.join(missing)}"
            place = existing(scraper.document, scraper.pod.where(*path))
            yield Found(scraper.document, place, found, Fix("give it what injection would", tuple(edits)))


def _needed(container: Mapping[str, Any], env: Mapping[str, Any]) -> dict[str, tuple[str, dict[str, Any]]]:
    found = {}
    if env.get("PILOT_CERT_PROVIDER", "istiod") == "istiod":
        found["istiod-ca-cert"] = _ROOT
    if env.get("JWT_POLICY") != "first-party-jwt":
        found["istio-token"] = _TOKEN
    security = container.get("securityContext")
    if isinstance(security, Mapping) and security.get("readOnlyRootFilesystem") is True:
        found["istio-envoy"] = _SOCKET
    return found


def _mounted(
    scraper: Scraper, path: ValuePath, volume: str, directory: str, source: Mapping[str, Any]
) -> Iterator[Edit]:
    if not any(item.get("name") == volume for _, item in scraper.pod.volumes()):
        yield scraper.pod.append(("spec", "volumes"), {"name": volume, **source})
    yield scraper.pod.append((*path, "volumeMounts"), {"name": volume, "mountPath": directory})


@rule(
    "manual-proxy-injected",
    title="The pod has a proxy of its own, and injection isn't off",
    severity="warning",
    stage="injection",
    why="""
        Where the webhook injects a pod that already has a container `istio-proxy`, it lays that container over its own
        template: a mixture of both, with an init container that has everything intercepted. Beside an agent of another
        name it adds a second proxy, and both want port 15020. Switch injection off with the **label**
        `sidecar.istio.io/inject: "false"`, or leave all but the differences to injection.
        """,
    sources=["istio `pkg/kube/inject/webhook.go`"],
    wrong=but(MANUAL, ('        sidecar.istio.io/inject: "false"\n', "")),
)
def manual_proxy_injected(setup: Setup) -> Iterator[Found]:
    """Ask whether the webhook leaves the pod alone for sure."""
    for scraper, path, container in proxies(setup):
        injection = setup.injection(scraper)
        if not injection.injected and injection.certain:
            continue
        sure = injection.injected and injection.certain
        name = container.get("name")
        edit = scraper.pod.set(("metadata", "labels", KEY), "false")
        why = injection.reason if sure else "the namespace's labels decide"
        place = existing(scraper.document, scraper.pod.where(*path, "name"))
        fix = Fix("switch injection off by the label", (edit,))
        if sure and name != PROXY:  # the injected proxy may be there for other things
            fix = Fix("switch injection off by the label, or leave the certificates to the injected proxy")
        yield Found(scraper.document, place, f"the container {name} is spelt out here, but {why}", fix)


@rule(
    "manual-proxy-blocks",
    title="The proxy is an init container that never ends",
    severity="error",
    stage="injection",
    why="""
        The kubelet starts a pod's containers when its init containers have ended. A proxy doesn't end. As an init
        container it needs `restartPolicy: Always`, which makes it a native sidecar (Kubernetes 1.29, or 1.28 with the
        feature gate `SidecarContainers`).
        """,
    sources=["Kubernetes, Sidecar Containers"],
    wrong=but(
        MANUAL,
        (
            f"      containers:\n{BY_HAND}      - name: prometheus\n",
            f"      initContainers:\n{BY_HAND}      containers:\n      - name: prometheus\n",
        ),
    ),
)
def manual_proxy_blocks(setup: Setup) -> Iterator[Found]:
    """Look at where the proxy stands."""
    for scraper, path, container in proxies(setup):
        if path[1] == "initContainers" and container.get("restartPolicy") != "Always":
            edit = scraper.pod.set((*path, "restartPolicy"), "Always")
            place = existing(scraper.document, scraper.pod.where(*path, "name"))
            fix = Fix("make it a native sidecar", (edit,))
            found = f"the init container {container.get('name')} has no restartPolicy: Always"
            yield Found(scraper.document, place, found, fix)


@rule(
    "proxy-image-version",
    title="The proxy's version isn't one that goes with the control plane",
    severity="info",
    stage="injection",
    why="""
        A proxy may be older than istiod by one minor release, and never newer. Much older agents have faults that are
        long mended; without `--istio-version` only those before 1.6 are told. A tag such as `latest` is another version
        with every pull, so a restart may bring one that istiod doesn't know.
        """,
    sources=["istio.io, Supported Releases"],
    wrong=but(MANUAL, ("proxyv2:1.30.3", "proxyv2:latest")),
)
def proxy_image_version(setup: Setup) -> Iterator[Found]:
    """Look at the tag of the proxy's image."""
    for scraper, path, container in proxies(setup):
        image = str(container.get("image"))
        version = image_version(image)
        tag = image.partition("@")[0].rpartition("/")[2].partition(":")[2]
        found, says = "", "use the control plane's version, or the one before"
        if version is None and "@" not in image and tag in {"", "latest", "master"}:
            found = f"the proxy's image is {image}"
        elif setup.settings.istio_given and version is not None and not _goes_with(version, setup.settings.istio):
            found = f"the proxy is {spelled(version)}, the control plane {spelled(setup.settings.istio)}"
        elif not setup.settings.istio_given and version is not None and version[:2] < _OLDEST:
            found = f"the proxy is {spelled(version)}, too old for any control plane since 1.8"
            says += "; dead-agent-flag tells then which of its arguments are gone"
        if found:
            yield Found(
                scraper.document, existing(scraper.document, scraper.pod.where(*path, "image")), found, Fix(says)
            )


def _goes_with(proxy: Version, control_plane: Version) -> bool:
    """Whether a proxy is of the control plane's minor release or the one before it; one more may be mid-update."""
    return (control_plane[0], control_plane[1] - 2) <= proxy[:2] <= control_plane[:2]
