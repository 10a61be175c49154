"""Which connections NetworkPolicies allow, by their rules (Kubernetes documentation, "Network Policies"). Pure."""

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from support.kubernetes.kustomize import matches

NAMESPACE = "steno"


@dataclass(frozen=True, kw_only=True, slots=True)
class End:
    """One end of a connection: a pod by its labels, or an address outside."""

    labels: Mapping[str, str] = field(default_factory=dict)
    namespace: str = NAMESPACE
    address: str = ""
    #: Numbers of its named ports.
    ports: Mapping[str, int] = field(default_factory=dict)


def allowed(policies: Iterable[Mapping[str, Any]], source: End, target: End, port: int, protocol: str = "TCP") -> bool:
    """Whether both ends allow a connection. An end that no policy selects allows all, and so does one outside."""
    found = [policy["spec"] for policy in policies]
    return all(
        _allows(found, own=own, other=other, target=target, port=port, protocol=protocol, way=way)
        for own, other, way in ((source, target, "egress"), (target, source, "ingress"))
    )


def _allows(
    policies: list[Mapping[str, Any]], *, own: End, other: End, target: End, port: int, protocol: str, way: str
) -> bool:
    if own.address or own.namespace != NAMESPACE:
        return True
    selecting = [
        spec for spec in policies if way.capitalize() in spec["policyTypes"] and matches(spec["podSelector"], own.labels)
    ]
    return not selecting or any(
        _peer(rule.get("from" if way == "ingress" else "to"), other) and _port(rule.get("ports"), target, port, protocol)
        for spec in selecting
        for rule in spec.get(way, ())
    )


def _peer(peers: list[Mapping[str, Any]] | None, other: End) -> bool:
    return not peers or any(_is(peer, other) for peer in peers)


def _is(peer: Mapping[str, Any], other: End) -> bool:
    if block := peer.get("ipBlock"):
        return (
            bool(other.address)
            and _within(block["cidr"], other)
            and not any(_within(cidr, other) for cidr in block.get("except", ()))
        )
    if other.address:
        return False
    namespaces = peer.get("namespaceSelector")
    in_namespace = (
        other.namespace == NAMESPACE
        if namespaces is None
        else matches(namespaces, {"kubernetes.io/metadata.name": other.namespace})
    )
    return in_namespace and matches(peer.get("podSelector", {}), other.labels)


def _within(cidr: str, other: End) -> bool:
    return ipaddress.ip_address(other.address) in ipaddress.ip_network(cidr)


def _port(ports: list[Mapping[str, Any]] | None, target: End, port: int, protocol: str) -> bool:
    return not ports or any(
        target.ports.get(entry["port"], entry["port"]) == port and entry.get("protocol", "TCP") == protocol for entry in ports
    )
