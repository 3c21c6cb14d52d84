"""Which traffic of a pod is intercepted by the proxy, read from the arguments of the container that sets up the rules.

After istio's tools/istio-iptables/pkg/capture/run.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from generator.injection import annotations as names
from generator.injection import pieces
from generator.injection.mesh import INIT, PROXY, VALIDATION

#: The flags that say what is intercepted, in short and in the long form of older releases.
_SHORT: Final = {
    "-i": "-i", "--istio-service-cidr": "-i",
    "-x": "-x", "--istio-service-exclude-cidr": "-x",
    "-b": "-b", "--istio-inbound-ports": "-b",
    "-d": "-d", "--istio-local-exclude-ports": "-d",
    "-q": "-q", "--istio-outbound-ports": "-q",
    "-o": "-o", "--istio-local-outbound-ports-exclude": "-o",
    "-m": "-m", "--istio-inbound-interception-mode": "-m",
}  # fmt: skip
#: Addresses that no pod has: documentation (RFC 5737), and what `ipaddress` calls reserved, loopback or unspecified.
_NOWHERE: Final = ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")


class Interception(NamedTuple):
    """What is intercepted: traffic to the pod's ports, and traffic that leaves it by IPv4 and by IPv6.

    ``by`` names what turns off that which isn't intercepted, "" where everything is intercepted. ``outbound_ports`` are
    those that are intercepted whatever the address, where not every address is.
    """

    inbound: bool
    outbound_v4: bool
    outbound_v6: bool
    by: str
    outbound_ports: tuple[str, ...] = ()


def intercepts(pod: Mapping[str, Any]) -> Interception:
    """Say which traffic of a pod is intercepted; ``pod`` is as the webhook leaves it, or has a proxy written by hand.

    ``inbound`` is False too where every port that the application's containers declare is spared. An outbound range
    that no pod or service can be in, or of one address alone, counts as none.
    """
    arguments = _arguments(pod)
    if arguments is None:
        return Interception(inbound=False, outbound_v4=False, outbound_v6=False, by=_without_rules(pod))
    inbound, why_in = _inbound(pod, arguments)
    version4, version6, why_out = _outbound(arguments)
    by = "; ".join(part for part in (why_in, why_out) if part)
    return Interception(inbound, version4, version6, by, _outbound_ports(arguments))


def catches_port(pod: Mapping[str, Any], port: int) -> bool:
    """Say whether traffic to one port of a pod is intercepted."""
    arguments = _arguments(pod)
    if arguments is None:
        return False
    wanted, spared = arguments.get("-b", ""), _ports(arguments.get("-d", ""))
    return str(port) not in spared if wanted == "*" else str(port) in _ports(wanted)


def _without_rules(pod: Mapping[str, Any]) -> str:
    proxy = pieces.proxy_container(pod)
    if proxy is None:
        return f"the pod has no container {PROXY}"
    metadata = pod.get("metadata")
    annotations = names.texts(metadata.get("annotations")) if isinstance(metadata, Mapping) else {}
    if pieces.named(pieces.spec_of(pod).get("initContainers"), VALIDATION) and not pieces.runs_envoy(proxy):
        return "the CNI plugin leaves a pod with DISABLE_ENVOY alone"
    if annotations.get(names.MODE) == "NONE":
        return f"annotation {names.MODE} is NONE"
    return f"the pod has neither {INIT} nor {VALIDATION}"


def _arguments(pod: Mapping[str, Any]) -> dict[str, str] | None:
    """Read the arguments of the container that sets up or checks the rules; None where there is none."""
    init = pieces.spec_of(pod).get("initContainers")
    container = pieces.named(init, INIT)
    if container is None:
        # With the CNI plugin, validation knows the rules; the plugin sets up none for an agent without Envoy.
        container = pieces.named(init, VALIDATION)
        proxy = pieces.proxy_container(pod)
        if container is None or (proxy is not None and not pieces.runs_envoy(proxy)):
            return None
    words = [*pieces.words(container, "command"), *pieces.words(container, "args")]
    found: dict[str, str] = {}
    for place, word in enumerate(words):
        flag, equals, value = word.partition("=")
        if flag in _SHORT:
            found[_SHORT[flag]] = value if equals else "".join(words[place + 1 : place + 2])
    return None if found.get("-m") == "NONE" else found


def _ports(text: str) -> set[str]:
    return {part.strip() for part in text.split(",") if part.strip()}


def _inbound(pod: Mapping[str, Any], arguments: Mapping[str, str]) -> tuple[bool, str]:
    wanted, spared = arguments.get("-b", ""), _ports(arguments.get("-d", ""))
    if not wanted.strip():
        return False, f'{names.INCLUDE_IN} is ""'
    declared = {
        str(port.get("containerPort"))
        for container in pieces.items(pieces.spec_of(pod).get("containers"))
        if not pieces.is_proxy(container)
        for port in pieces.items(container.get("ports"))
        if port.get("protocol", "TCP") == "TCP"
    }
    if wanted == "*":
        if declared and declared <= spared:
            return False, f"{names.EXCLUDE_IN} names every port of the pod"
        return True, ""
    if declared and not declared & _ports(wanted):
        return False, f"{names.INCLUDE_IN} names no port of the pod"
    return True, ""


def _outbound(arguments: Mapping[str, str]) -> tuple[bool, bool, str]:
    wanted, spared = arguments.get("-i", ""), arguments.get("-x", "")
    if not wanted.strip():
        return False, False, f'{names.INCLUDE_OUT} is ""'
    if wanted == "*":
        everything = {version for version in (4, 6) if _is_everything(spared, version)}
        why = f'{names.EXCLUDE_OUT} is "{spared}"' if everything else ""
        return 4 not in everything, 6 not in everything, why
    intercepted = {version for version in (4, 6) if _reaches_anything(wanted, version)}
    why = "" if len(intercepted) == 2 else f'{names.INCLUDE_OUT} is "{wanted}"'
    return 4 in intercepted, 6 in intercepted, why


def _outbound_ports(arguments: Mapping[str, str]) -> tuple[str, ...]:
    """Give the ports that have a rule of their own: it comes after the addresses that are spared, before the others."""
    spared = arguments.get("-x", "")
    if (arguments.get("-i") == "*" and not spared) or all(_is_everything(spared, version) for version in (4, 6)):
        return ()
    excluded = _ports(arguments.get("-o", ""))
    return tuple(part.strip() for part in arguments.get("-q", "").split(",") if part.strip() not in {"", *excluded})


def _networks(text: str, version: int) -> list[Any]:
    from ipaddress import ip_network

    found: list[Any] = []
    for part in text.split(","):
        try:
            network = ip_network(part.strip(), strict=False)
        except ValueError:
            continue
        if network.version == version:
            found.append(network)
    return found


def _is_everything(text: str, version: int) -> bool:
    """Say whether ranges cover all addresses of a version, such as ``0.0.0.0/1,128.0.0.0/1``."""
    from ipaddress import collapse_addresses

    return any(network.prefixlen == 0 for network in collapse_addresses(_networks(text, version)))


def _reaches_anything(text: str, version: int) -> bool:
    from ipaddress import ip_network

    nowhere = [network for network in map(ip_network, _NOWHERE) if network.version == version]
    return any(
        network.num_addresses > 1
        and not (network.is_loopback or network.is_reserved or network.is_multicast or network.is_unspecified)
        and not any(network.subnet_of(other) for other in nowhere)
        for network in _networks(text, version)
    )
