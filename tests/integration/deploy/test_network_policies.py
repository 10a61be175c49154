"""NetworkPolicies let through each connection that Steno makes, and no other."""

import pytest
from support.kubernetes.edges import End, allowed
from support.kubernetes.kustomize import of_kind, template_of

PUBLIC, PRIVATE, METADATA = (End(address=address) for address in ("203.0.113.9", "10.9.8.7", "169.254.169.254"))
DNS = End(namespace="kube-system", labels={"k8s-app": "kube-dns"})
PROXY = End(namespace="ingress-nginx", labels={"app.kubernetes.io/component": "controller"})
PROMETHEUS = End(namespace="monitoring", labels={"app.kubernetes.io/name": "prometheus"})
KEDA = End(namespace="keda", labels={"app.kubernetes.io/name": "keda-operator"})
STRANGER = End(namespace="steno", labels={"app": "stranger"})
OUTSIDE = {
    "dns": DNS, "proxy": PROXY, "prometheus": PROMETHEUS, "keda": KEDA, "stranger": STRANGER,
    "public": PUBLIC, "private": PRIVATE, "metadata": METADATA,
}  # fmt: skip
PORTS = {"dns": (53,), "public": (80, 443), "private": (80, 443), "metadata": (80,)}
BROKER = End(labels={"strimzi.io/cluster": "kafka", "strimzi.io/broker-role": "true"})

SMALL = {
    *((name, "kafka", 9092) for name in ("ingest", "transcriber-live", "enricher", "notifier", "topics")),
    *((name, "public", port) for name in ("transcriber-live", "notifier") for port in (80, 443)),
    *((name, "dns", 53) for name in ("ingest", "transcriber-live", "enricher", "notifier", "topics")),
}
_SERVICES = ("ingest", "transcriber-batch", "transcriber-live", "enricher", "notifier")
_JOBS = ("migrate-ingest", "migrate-notifier")
LARGE = {
    *((name, "broker", 9093) for name in (*_SERVICES, "keda")),
    *((name, "public", port) for name in ("transcriber-batch", "transcriber-live", "notifier") for port in (80, 443)),
    ("ingest", "public", 443),
    *((name, "dns", 53) for name in (*_SERVICES, *_JOBS)),
    *((job + service, f"{service}-db", 5432) for service in ("ingest", "notifier") for job in ("", "migrate-")),
    *(("prometheus", name, 8080) for name in _SERVICES),
    *(("proxy", name, 8080) for name in ("ingest", "notifier")),
}


def ends(overlay: str) -> dict[str, tuple[End, tuple[int, ...]]]:
    """What there is at both ends, with the ports that are tried: pods by the name of their workload, and the world around."""
    found: dict[str, tuple[End, tuple[int, ...]]] = {}
    for entry in of_kind(overlay, "StatefulSet", "Deployment", "Job"):
        template = template_of(entry)
        ports = {port["name"]: port["containerPort"] for c in template["spec"]["containers"] for port in c.get("ports", ())}
        found[entry["metadata"]["name"]] = (
            End(labels=template["metadata"]["labels"], ports=ports),
            tuple(ports.values()) or (8080,),
        )
    for entry in of_kind(overlay, "Cluster"):
        found[entry["metadata"]["name"]] = End(labels={"cnpg.io/cluster": entry["metadata"]["name"]}), (5432,)
    if of_kind(overlay, "Kafka"):
        found["broker"] = BROKER, (9093,)
    return found | {name: (end, PORTS.get(name, (8080,))) for name, end in OUTSIDE.items()}


def policies_of(overlay: str) -> list[dict[str, object]]:
    """The policies, and the one that Strimzi makes of the peers of the brokers' listener."""
    found = of_kind(overlay, "NetworkPolicy")
    for entry in of_kind(overlay, "Kafka"):
        (listener,) = entry["spec"]["kafka"]["listeners"]
        rule = {"from": listener["networkPolicyPeers"], "ports": [{"port": listener["port"], "protocol": "TCP"}]}
        found.append({"spec": {"podSelector": {"matchLabels": BROKER.labels}, "policyTypes": ["Ingress"], "ingress": [rule]}})
    return found


@pytest.mark.parametrize(("overlay", "expected"), [("small", SMALL), ("large", LARGE), ("everything", LARGE)])
def test_what_is_open_is_what_is_meant(overlay: str, expected: set[tuple[str, str, int]]) -> None:
    """Of all pairs of pods and the world around them, in both directions, on each port that the target has.

    What brokers and databases send is not closed: their operators know what that is.
    """
    policies, all_ends = policies_of(overlay), ends(overlay)
    found = {
        (source, target, port)
        for source, (one, _) in all_ends.items()
        if source not in ("kafka", "broker", "ingest-db", "notifier-db")
        for target, (other, ports) in all_ends.items()
        for port in ports
        if {source, target} - OUTSIDE.keys() and allowed(policies, one, other, port, "UDP" if port == 53 else "TCP")
    }
    assert found == expected
