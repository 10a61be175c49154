"""How fast a call may come in at its door."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from steno_ingest.calls.doors.actions import Offered, ResumePoint
from steno_ingest.calls.doors.audio_format import AudioFormat
from steno_ingest.calls.hosting import driver as driver_module
from steno_ingest.calls.hosting.admission import OfferRefused
from steno_ingest.calls.hosting.pace import SHARED_SECONDS_PER_SECOND, SMALL_BURST_SECONDS, Pace, SharedBurst
from steno_ingest.calls.hosting.session import CallSession, IllegalInput
from steno_ingest.calls.ledger.pauses import Holder
from support.hosting import Hosting, ScriptedPeer
from support.websocket_connection import MemoryConnection

from steno.events.records import AudioCodec, CallChannel, CallEnded, CallStarted, GapReason

NOW = datetime(2026, 11, 1, tzinfo=UTC)
RATE = 8000


class Clock:
    """Time that stands until it is moved."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        """Time goes by at once."""
        self.seconds += seconds
        await asyncio.sleep(0)


@given(st.lists(st.tuples(st.floats(0, 60), st.floats(0, 60)), max_size=30), st.floats(1, 4))
def test_no_span_of_time_has_more_than_a_burst_and_the_speed(steps: list[tuple[float, float]], speed: float) -> None:
    """Of audio that is read only when there is no wait, but for the last piece."""
    clock = Clock()
    pace = Pace(speed=speed, burst_seconds=30, shared=SharedBurst(seconds=1e9, now=clock), now=clock)
    taken = list[tuple[float, float]]()
    for pause, audio in steps:
        clock.seconds += pause
        clock.seconds += pace.wait_seconds
        assert pace.wait_seconds == pytest.approx(0, abs=1e-6)
        pace.spend(audio)
        taken.append((clock.seconds, audio))
    for first, (since, _) in enumerate(taken):
        for last in range(first, len(taken)):
            before_last = sum(audio for _, audio in taken[first:last])
            assert before_last <= 30 + speed * (taken[last][0] - since) + 1e-6


def test_a_call_that_keeps_its_time_never_waits() -> None:
    """Nor one that was away for as long as it is waited for, and says all of it at once."""
    clock = Clock()
    pace = Pace(speed=1.25, burst_seconds=40, shared=SharedBurst(seconds=80, now=clock), now=clock)
    for _ in range(36_000):
        pace.spend(0.1)
        assert pace.wait_seconds == 0
        clock.seconds += 0.1
    clock.seconds += 30
    pace.spend(40)
    assert pace.wait_seconds == 0


@given(st.lists(st.tuples(st.integers(0, 4), st.floats(0, 2), st.floats(0, 10)), max_size=60))
def test_what_calls_of_one_key_are_ahead_is_bounded_over_all_of_them(steps: list[tuple[int, float, float]]) -> None:
    """In no span of time do they take more than each its small burst and its speed, and together what their key may."""
    clock = Clock()
    shared = SharedBurst(seconds=80, now=clock)
    paces = [Pace(speed=1.25, burst_seconds=40, shared=shared, now=clock) for _ in range(5)]
    taken = list[float]()
    for call, pause, audio in steps:
        clock.seconds += pause
        while (seconds := paces[call].wait_seconds) > 1e-6:
            clock.seconds += seconds
        paces[call].spend(audio)
        taken.append(audio)
    most = 80 + SHARED_SECONDS_PER_SECOND * clock.seconds + 5 * (SMALL_BURST_SECONDS + 1.25 * clock.seconds)
    assert sum(taken) - max(taken, default=0) <= most + 1e-6


def test_many_calls_of_one_key_that_come_at_once_come_in_as_fast_as_some_that_are_spoken() -> None:
    """Forty calls of forty seconds; and those of another key wait for none of them."""
    clock = Clock()
    shared = SharedBurst(seconds=80, now=clock)
    paces = [Pace(speed=1.25, burst_seconds=40, shared=shared, now=clock) for _ in range(40)]
    left = [40.0] * 40
    until = [0.0] * 40
    while any(left):
        clock.seconds = min(until[call] for call in range(40) if left[call])
        for call, pace in enumerate(paces):
            if left[call] and until[call] <= clock.seconds:
                pace.spend(0.1)
                left[call] = max(0.0, round(left[call] - 0.1, 3))
                until[call] = clock.seconds + pace.wait_seconds
    assert 15 < clock.seconds <= (40 - SMALL_BURST_SECONDS) / 1.25
    other = Pace(speed=1.25, burst_seconds=40, shared=SharedBurst(seconds=80, now=clock), now=clock)
    other.spend(40)
    assert other.wait_seconds == 0


def test_a_call_that_keeps_its_time_waits_for_no_other_of_its_key() -> None:
    """Whatever those have taken."""
    clock = Clock()
    shared = SharedBurst(seconds=80, now=clock)
    pace = Pace(speed=1.25, burst_seconds=40, shared=shared, now=clock)
    for _ in range(3000):
        shared.spend(10)
        pace.spend(0.1)
        assert pace.wait_seconds == 0
        clock.seconds += 0.1


@asynccontextmanager
async def playing(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[MemoryConnection, list[float]]]:
    """A connection whose waits are noted, and let its time go by."""
    made, waits = MemoryConnection(), list[float]()

    class _Asyncio:
        def __getattr__(self, name: str) -> Any:
            return getattr(asyncio, name)

        async def sleep(self, seconds: float) -> None:
            waits.append(seconds)
            made.hosting.seconds += seconds
            await asyncio.sleep(0)

    monkeypatch.setattr(driver_module, "asyncio", _Asyncio())
    running = asyncio.create_task(made.connection.run())
    made.wire.say(
        {"type": "start", "call_id": "call-1", "codec": "PCMU", "sample_rate": RATE, "channels": [{}]},
    )
    await made.hosting.settle()
    try:
        yield made, waits
    finally:
        made.wire.hang()
        await asyncio.wait({running}, timeout=5)


async def test_a_peer_that_plays_a_recording_at_once_is_read_at_the_pace_of_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of it is taken, in as much time as the pace says; nothing is buffered, for nothing is read meanwhile."""
    async with playing(monkeypatch) as (made, waits):
        for _ in range(240):
            made.wire.speak(bytes(RATE // 2))
        while made.wire.incoming.qsize():
            await asyncio.sleep(0)
        await made.hosting.settle()
        call = made.hosting.host.calls["call-1"]
        assert call.session.received.position == 120 * RATE
        assert sum(waits) == pytest.approx((120 - 40) / 1.25)
        assert max(waits) <= 0.5 / 1.25 + 1e-6


async def test_a_peer_that_waits_is_not_idle_and_can_end_its_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """A large frame makes it wait for some seconds, no more than its audio lasts; what it says then is heard."""
    async with playing(monkeypatch) as (made, waits):
        for _ in range(8):
            made.wire.speak(bytes(64_000))
        made.wire.say({"type": "end"})
        while made.wire.incoming.qsize():
            made.driver.tick()
            await asyncio.sleep(0)
        await made.hosting.settle()
        assert isinstance(end := made.hosting.log.records[-1], CallEnded)
        assert (end.complete, end.position) == (True, 64 * RATE)
        assert max(waits) <= 8 / 1.25


async def test_what_is_told_besides_audio_has_its_pace_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is a record on Kafka."""
    async with playing(monkeypatch) as (made, waits):
        for _ in range(3000):
            made.wire.say({"type": "dtmf", "digit": "5"})
        while made.wire.incoming.qsize():
            await asyncio.sleep(0)
        assert sum(waits) == pytest.approx((3000 * 0.02 - 40) / 1.25)


async def test_the_pace_of_a_call_is_that_of_all_its_connections() -> None:
    """Coming back gives no new burst; what was not used while it was away may be."""
    hosting = Hosting()
    offered = Offered(call_id="c", format=AudioFormat(AudioCodec.PCMU, RATE), channels=(CallChannel(channel=0),))
    peer = ScriptedPeer()
    call = await hosting.host.offer(offered, door="stream", resumable=True, peer=peer)
    call.pace.spend(40)
    for _ in range(3):
        again = Offered(
            call_id="c",
            format=AudioFormat(AudioCodec.PCMU, RATE),
            channels=(CallChannel(channel=0),),
            resume=ResumePoint(sequence=0, position=0),
        )
        call = await hosting.host.offer(again, door="stream", resumable=True, peer=ScriptedPeer())
        call.pace.spend(1)
    assert call.pace.wait_seconds == pytest.approx(3 / 1.25)
    hosting.seconds += 10
    assert call.pace.wait_seconds == 0


# What may be missing, at the door.


def session(now: Clock, *, started_at: datetime = NOW) -> CallSession:
    made = CallSession(
        CallStarted(
            call_id="c", codec=AudioCodec.PCMU, sample_rate=RATE, channels=(CallChannel(channel=0),), started_at=started_at
        ),
        chunk_ms=100,
        clock=lambda: NOW,
        now=now,
    )
    made.start()
    return made


def test_a_call_can_miss_no_more_than_it_has_had_time_for() -> None:
    """By the clock of this machine, in one gap or in many; the call is as it was then."""
    now = Clock()
    made = session(now)
    made.gap(37 * RATE, GapReason.LOST)
    with pytest.raises(IllegalInput, match=r"1\.0 s are reported as missing after 37\.0 s before"):
        made.gap(RATE, GapReason.LOST)
    now.seconds += 60
    made.gap(75 * RATE, GapReason.LOST)
    assert made.received.position == 112 * RATE


def test_a_pause_can_be_as_long_as_it_was() -> None:
    """Whether its audio is left out or sent."""
    now = Clock()
    made = session(now)
    made.pause(Holder.PEER)
    now.seconds += 3600
    made.audio(bytes(1800 * RATE))
    made.resume(Holder.PEER, skipped=1800 * RATE)
    assert made.received.position == 3600 * RATE
    made.pause(Holder.PEER)
    with pytest.raises(IllegalInput):
        made.resume(Holder.PEER, skipped=3600 * RATE)
    assert made.gate.closed


def test_a_call_that_goes_on_here_has_had_its_time_elsewhere() -> None:
    """Since its start, by the time of day."""
    made = session(Clock(), started_at=NOW - timedelta(hours=1))
    made.gap(3600 * RATE, GapReason.LOST)


@pytest.mark.parametrize("message", [{"type": "gap", "length_ms": 86_400_000}, {"type": "gap", "length_ms": 40_000}])
async def test_a_peer_learns_that_a_gap_cannot_be(message: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """In its protocol's own words; its call has ended, told why, where its audio is."""
    async with playing(monkeypatch) as (made, _):
        made.wire.speak(bytes(RATE))
        made.wire.say(message)
        await made.hosting.settle()
        assert made.wire.told == ["started", "error", "1008"]
        assert isinstance(end := made.hosting.log.records[-1], CallEnded)
        assert (end.reason, end.position) == ("protocol_error", RATE)
        assert "reported as missing" in end.error


@pytest.mark.parametrize(
    "at",
    [
        ResumePoint(sequence=0, position=2**62),
        ResumePoint(sequence=2**31 - 1, position=0),
        ResumePoint(sequence=0, position=128 * RATE),
    ],
)
async def test_a_call_is_resumed_from_nowhere_that_it_cannot_be(at: ResumePoint) -> None:
    """It is refused, and waits for its peer still."""
    hosting = Hosting()
    offered = Offered(call_id="c", format=AudioFormat(AudioCodec.PCMU, RATE), channels=(CallChannel(channel=0),))
    call = await hosting.host.offer(offered, door="stream", resumable=True, peer=ScriptedPeer())
    hosting.host.registry.forget(call)
    hosting.host.registry.await_peer("c", until=30.0)
    again = Offered(call_id="c", format=AudioFormat(AudioCodec.PCMU, RATE), channels=(CallChannel(channel=0),), resume=at)
    with pytest.raises(OfferRefused, match="resume from the last `ack`"):
        await hosting.host.offer(again, door="stream", resumable=True, peer=ScriptedPeer())
    assert "c" in hosting.host.registry.awaited
