"""A plan follows from what was measured, and says what does not fit."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steno.cli.bench.figures import Batch, Figures, Live
from steno.cli.bench.plan import Load, Present, plan, warnings

CPU = {"transcriber": 0.02, "ingest": 0.002, "broker": 0.001, "enricher": 0.001, "notifier": 0.001}
LIVE_CPU = {"transcriber": 0.15, "ingest": 0.005, "broker": 0.002, "enricher": 0.002, "notifier": 0.001}
FIGURES = Figures(
    cores=4,
    batch=Batch(audio_seconds=1000, wall_seconds=10, cpu=CPU, bytes_per_second=16_000),
    live=Live(calls=16, final_seconds=0.9, cpu=LIVE_CPU, memory_mb=CPU),
    webhook_seconds=1.0,
    webhook_audio_seconds=30.0,
    memory_mb=CPU,
)
LOAD = Load(calls=100, hours_per_day=240, window_hours=24, busy_hours=10, cores_per_replica=4)
PRESENT = Present(partitions=12, partitions_set=False, disk_free_gb=1000, cores=64)


def test_the_cores_of_calls_are_those_on_which_as_many_were_kept_up_with() -> None:
    """Four a core were; the transcriber's part of that, with room for peaks."""
    assert plan(FIGURES, LOAD).cores["transcriber live"] == pytest.approx(100 / 4 * (0.15 / 0.16) / 0.7, abs=0.1)


def test_the_cores_of_recordings_are_those_of_their_hours_in_the_window() -> None:
    """Ten hours of audio each hour, at 0.02 s a second."""
    assert plan(FIGURES, LOAD).cores["transcriber batch"] == pytest.approx(10 * 0.02 / 0.7, abs=0.1)
    hurried = plan(FIGURES, replace(LOAD, window_hours=6))
    assert hurried.cores["transcriber batch"] == pytest.approx(40 * 0.02 / 0.7, abs=0.1)


@given(
    st.builds(
        Load,
        calls=st.integers(0, 100_000),
        hours_per_day=st.floats(0, 1_000_000),
        window_hours=st.floats(0.1, 24),
        busy_hours=st.floats(0, 24),
        cores_per_replica=st.integers(1, 64),
    )
)
def test_more_load_never_needs_less(load: Load) -> None:
    """Of anything; each role has its replicas, and partitions suffice for them."""
    less, more = plan(FIGURES, load), plan(FIGURES, replace(load, calls=load.calls + 50, hours_per_day=load.hours_per_day + 10))
    for name, count in less.replicas.items():
        assert more.replicas[name] >= count >= 1
    assert more.partitions >= less.partitions >= 12
    assert more.kafka_gb >= less.kafka_gb
    assert more.objects_gb_per_day >= less.objects_gb_per_day
    assert more.replicas["broker"] >= 3
    assert more.partitions >= 3 * max(more.replicas["transcriber live"], more.replicas["transcriber batch"])


def test_what_does_not_fit_is_said() -> None:
    """Partitions, cores, disk, and a machine that is too slow for calls."""
    load = replace(LOAD, calls=2000)
    tight = replace(PRESENT, disk_free_gb=10, cores=4)
    said = " ".join(warnings(plan(FIGURES, load), FIGURES, load, tight))
    for words in ("STENO_TOPIC_PARTITIONS", "cores, this machine has 4", "GB free"):
        assert words in said
    assert warnings(plan(FIGURES, LOAD), FIGURES, LOAD, replace(PRESENT, partitions=36, cores=64)) == []
    slow = replace(FIGURES, live=None)
    assert "not keep up with one live call" in " ".join(warnings(plan(slow, LOAD), slow, LOAD, PRESENT))
