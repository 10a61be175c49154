"""From what one machine carries to what a load needs: replicas, cores, partitions, disk. Pure.

Of the cores that are planned for, as many are busy as `BUSY` says: the rest is for peaks, restarts and the death of a machine.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from steno.cli.bench.figures import TRANSCRIBER, Figures
from steno.events.catalogue import CALL_AUDIO

BUSY = 0.7
PARTITIONS_PER_TRANSCRIBER = 3
"""With fewer, calls are spread too unevenly over transcribers."""
MOST_CALLS_PER_INGEST = 1000
G711_BYTES_PER_SECOND = 8000
CHANNELS = 2
COPIES = 3
_DAY_SECONDS = 86_400


@dataclass(frozen=True, kw_only=True, slots=True)
class Load:
    """What an operator expects."""

    #: Live two-channel calls at the busiest moment.
    calls: int
    #: Hours of recordings a day, and in how many hours they are to be done.
    hours_per_day: float
    window_hours: float
    #: For how many hours of a day there are as many calls.
    busy_hours: float
    #: Cores of one replica of a transcriber.
    cores_per_replica: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What to set."""

    #: Replicas by role.
    replicas: Mapping[str, int]
    #: Cores by role, all replicas together.
    cores: Mapping[str, float]
    partitions: int
    #: What topics take on all brokers together, with their copies, gigabytes.
    kafka_gb: float
    #: What the object store grows by a day, gigabytes.
    objects_gb_per_day: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Present:
    """What is set now, and what this machine has."""

    partitions: int
    #: Whether the partitions are an operator's setting, not the default.
    partitions_set: bool
    disk_free_gb: float
    cores: int


def plan(figures: Figures, load: Load) -> Plan:
    """Plans for a load by figures of one machine."""
    cores: dict[str, float] = {}
    live = figures.live
    if load.calls and live is not None:
        # By the calls that were kept up with, and not by CPU time alone: who waits for a core is late.
        share = live.cpu[TRANSCRIBER] / sum(live.cpu.values())
        cores["transcriber live"] = load.calls / figures.calls_per_core * share / BUSY
    batch_seconds = load.hours_per_day / load.window_hours  # of audio, each second of the window
    if batch_seconds:
        cores["transcriber batch"] = batch_seconds * figures.batch.cpu[TRANSCRIBER] / BUSY
    for name in sorted(figures.batch.cpu.keys() - {TRANSCRIBER}):
        by_calls = load.calls * live.cpu[name] if live is not None else 0.0
        cores[name] = (by_calls + batch_seconds * figures.batch.cpu[name]) / BUSY
    replicas = {name: _replicas(name, amount, load) for name, amount in cores.items()}
    transcribers = max((replicas.get(f"transcriber {kind}", 0) for kind in ("live", "batch")), default=1)
    partitions = max(12, 12 * math.ceil(PARTITIONS_PER_TRANSCRIBER * transcribers / 12))
    call_seconds = load.calls * load.busy_hours * 3600
    retention_days = (CALL_AUDIO.retention_ms or 0) / 1000 / _DAY_SECONDS
    kafka_gb = call_seconds * G711_BYTES_PER_SECOND * CHANNELS * retention_days * COPIES / 1e9
    objects = load.hours_per_day * 3600 * figures.batch.bytes_per_second + call_seconds * G711_BYTES_PER_SECOND * CHANNELS
    return Plan(
        replicas=replicas,
        cores={name: round(amount, 1) for name, amount in cores.items()},
        partitions=partitions,
        kafka_gb=kafka_gb,
        objects_gb_per_day=objects / 1e9,
    )


def _replicas(name: str, cores: float, load: Load) -> int:
    if name.startswith(TRANSCRIBER):
        return max(1, math.ceil(cores / load.cores_per_replica))
    # Two of each, so that one may die; three brokers, for copies.
    least = {"broker": COPIES, "ingest": max(2, math.ceil(load.calls / MOST_CALLS_PER_INGEST))}.get(name, 2)
    return max(least, math.ceil(cores))


def warnings(found: Plan, figures: Figures, load: Load, present: Present) -> list[str]:
    """What of a plan does not fit this machine, or how it is set."""
    said: list[str] = []
    if load.calls and figures.live is None:
        said.append("this machine does not keep up with one live call: use a smaller model, a newer processor or a GPU")
    if present.partitions < found.partitions:
        kind = "are set" if present.partitions_set else "is the default"
        said.append(
            f"STENO_TOPIC_PARTITIONS: {present.partitions} {kind}, {found.partitions} are needed; set it before the topics are "
            "made, it cannot be raised later"
        )
    if (total := sum(found.cores.values())) > present.cores:
        said.append(f"the load needs {total:.1f} cores, this machine has {present.cores}")
    if (one_day := found.kafka_gb / COPIES + found.objects_gb_per_day) > present.disk_free_gb:
        said.append(f"a day takes {one_day:.0f} GB, this machine's disk has {present.disk_free_gb:.0f} GB free")
    return said
