"""KEDA on a real Kafka: the transcribers of recordings are as many as the recordings that wait need."""

import asyncio
import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cluster.control_plane import ControlPlane
from support.kubernetes.kustomize import objects, of_kind
from support.recordings import excerpt
from support.transcriber_process import PARTITIONS, installation

pytestmark = pytest.mark.timeout(600)
WORKLOAD = "transcriber-batch"
RECORDINGS = 90
"""By the threshold of the overlay, 16, they are work for six replicas, which is more than there are partitions."""


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[ControlPlane]:
    """A control plane with three nodes, KEDA, and the Deployment of the large overlay."""
    folder = tmp_path / "cluster"
    folder.mkdir()
    with ControlPlane(folder) as plane:
        plane.add_kinds()
        plane.add_nodes(3)
        plane.start_keda()
        plane.apply([entry for entry in objects("large") if entry["kind"] == "ConfigMap"])
        plane.apply([named("Deployment")])
        yield plane


async def test_recordings_that_wait_start_transcribers_and_end_them(cluster: ControlPlane, kafka: str, tmp_path: Path) -> None:
    """Lag of the group makes a replica for each partition; once it is worked off, one is left."""

    async def replicas(count: int, what: str) -> None:
        wanted = f"{count} {count}"  # that there shall be, and that are ready
        told = ("-o", "jsonpath={.spec.replicas} {.status.readyReplicas}")
        await asyncio.to_thread(cluster.until, lambda: cluster.get(f"deployment/{WORKLOAD}", *told) == wanted, what)

    async with installation(kafka, "steno.", tmp_path, {"STENO_TRANSCRIBER_WORK": "recordings"}) as steno:
        cluster.apply([scaled_here(kafka)])
        ready = ("-o", 'jsonpath={.status.conditions[?(@.type=="Ready")].status}')
        await asyncio.to_thread(
            cluster.until, lambda: cluster.get(f"scaledobject/{WORKLOAD}", *ready) == "True", "KEDA on the ScaledObject"
        )
        await replicas(1, "one replica while nothing waits")
        recording = excerpt(tmp_path / "calls" / "call.wav", seconds=5).as_uri()
        for number in range(RECORDINGS):
            await steno.submit(f"r{number}", recording)
        await replicas(PARTITIONS, "as many replicas as partitions")
        await steno.transcriber.start()
        await steno.until(lambda: len(steno.ended()) == RECORDINGS, seconds=120)
        await replicas(1, "one replica again")


def named(kind: str) -> dict[str, Any]:
    """The object of a kind that has the workload's name."""
    return next(entry for entry in of_kind("large", kind) if entry["metadata"]["name"] == WORKLOAD)


def scaled_here(servers: str) -> dict[str, Any]:
    """The scaling of the overlay, for a Kafka on loopback without users, and in seconds where it has minutes."""
    entry = copy.deepcopy(named("ScaledObject"))
    entry["spec"]["pollingInterval"] = 2
    behavior = entry["spec"]["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    behavior["scaleDown"] = {
        "stabilizationWindowSeconds": 5,
        "policies": [{"type": "Percent", "value": 100, "periodSeconds": 5}],
    }
    (trigger,) = entry["spec"]["triggers"]
    del trigger["authenticationRef"], trigger["metadata"]["sasl"], trigger["metadata"]["tls"]
    trigger["metadata"]["bootstrapServers"] = servers
    return entry
