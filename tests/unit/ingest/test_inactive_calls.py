"""Calls of which nothing comes any more, at a clock that a test moves."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from steno_ingest.calls.log.account.account import Failure
from steno_ingest.calls.log.account.open_call import OpenCall
from steno_ingest.calls.log.reading.inactive_calls import InactiveCalls
from support.call_scenes import Scene

from steno.events.catalogue import CALL_AUDIO, Topic
from steno.events.records import CallEnded, CallPaused, CallStarted, Record
from steno.kafka.errors import KafkaUnavailable

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@dataclass
class Calls:
    """Calls of partition 3, the log they are on, and what is put there."""

    now: float = 1000.0
    calls: list[OpenCall] = field(default_factory=list)
    behind: int | None = 0
    hosted: set[str] = field(default_factory=set)
    away: bool = False
    sent: list[CallEnded] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.inactive_calls = InactiveCalls(
            self,
            self,
            behind=self.how_far_behind,
            hosted=self.hosted.__contains__,
            inactive_seconds=300,
            paused_seconds=3600,
            clock=lambda: self.now,
            wall_clock=lambda: NOW,
        )

    @property
    def partitions(self) -> list[int]:
        return [3]

    def open_calls(self, partition: int) -> list[OpenCall]:
        assert partition == 3
        return self.calls

    async def how_far_behind(self, partition: int) -> int | None:
        if self.away:
            raise KafkaUnavailable("no broker answers")
        return self.behind

    async def send(self, topic: Topic, record: Record) -> None:
        assert topic is CALL_AUDIO
        assert isinstance(record, CallEnded)
        self.sent.append(record)

    def begin(self, call_id: str, *, foreign: bool = True) -> OpenCall:
        scene = Scene(call_id=call_id)
        scene.start()
        started = scene.records[0]
        assert isinstance(started, CallStarted)
        call = OpenCall.from_start(started, one_way_seconds=30, partition=3, offset=7, foreign=foreign, now=self.now)
        call.account.reader.position = 8000
        self.calls.append(call)
        return call

    async def look_after(self, seconds: float) -> list[str]:
        """The calls that are ended when it looks so much later."""
        self.now += seconds
        self.sent.clear()
        await self.inactive_calls.check()
        return [record.call_id for record in self.sent]


async def test_a_call_of_which_nothing_comes_is_ended_where_its_audio_is() -> None:
    """After the time it is given and a time of grace; its neighbour, of which something comes, is not."""
    calls = Calls()
    calls.begin("silent")
    other = calls.begin("other")
    assert await calls.look_after(299) == []
    other.mark_handled(8, calls.now)
    assert await calls.look_after(1) == []
    assert await calls.look_after(29) == []
    assert await calls.look_after(1) == ["silent"]
    assert calls.sent == [
        CallEnded(
            call_id="silent",
            position=8000,
            complete=False,
            reason="inactive",
            error="the call had no records for 330 seconds",
            ended_at=NOW,
        )
    ]


async def test_an_end_that_is_not_read_is_put_there_again() -> None:
    """Not at each look: after the time of grace."""
    calls = Calls()
    calls.begin("silent")
    await calls.look_after(300)
    assert await calls.look_after(30) == ["silent"]
    assert await calls.look_after(5) == []
    assert await calls.look_after(25) == ["silent"]


async def test_a_call_that_has_failed_is_ended_whatever_comes_of_it() -> None:
    """Its rubbish, which flows on, is no sign of life."""
    calls = Calls()
    call = calls.begin("failed")
    call.account.failure = Failure("unusable_records", "mend it")
    for offset in range(330):
        call.mark_handled(8 + offset, call.handled_at)
        ended = await calls.look_after(1)
    assert ended == ["failed"]


async def test_a_call_that_goes_on_while_it_is_suspected_is_not_ended() -> None:
    """It has its whole time again."""
    calls = Calls()
    call = calls.begin("slow")
    await calls.look_after(300)
    call.mark_handled(8, calls.now + 10)
    assert await calls.look_after(40) == []
    assert await calls.look_after(269) == []


@pytest.mark.parametrize("behind", [201, None])
async def test_nothing_is_ended_by_a_reader_that_is_behind(behind: int | None) -> None:
    """What is missing may stand on the log; the grace begins when the log has been read."""
    calls = Calls(behind=behind)
    calls.begin("waiting")
    for _ in range(10):
        assert await calls.look_after(100) == []
    calls.behind = 10
    assert await calls.look_after(5) == []
    assert await calls.look_after(30) == ["waiting"]


async def test_nothing_is_ended_while_kafka_is_away_nor_right_afterwards() -> None:
    """Upstream systems were cut off as well."""
    calls = Calls()
    calls.begin("cut off")
    await calls.look_after(300)
    calls.away = True
    for _ in range(10):
        assert await calls.look_after(100) == []
    calls.away = False
    assert await calls.look_after(5) == []
    assert await calls.look_after(30) == ["cut off"]


async def test_a_paused_call_may_be_silent_for_longer() -> None:
    """It ends where its pause began: nothing of what was said behind that is known."""
    calls = Calls()
    call = calls.begin("paused")
    call.account.apply(CallPaused(call_id="paused", position=8000, paused_at=NOW))
    await calls.look_after(3599)
    await calls.look_after(1)
    assert await calls.look_after(30) == ["paused"]
    assert calls.sent[0].position == 8000


async def test_a_call_of_a_door_is_left_to_its_process() -> None:
    """For ever where that is this one, else for as long as a pause may take."""
    calls = Calls(hosted={"here"})
    calls.begin("here", foreign=False)
    calls.begin("elsewhere", foreign=False)
    for _ in range(3):
        assert await calls.look_after(1000) == []
    await calls.look_after(600)
    assert await calls.look_after(30) == ["elsewhere"]


async def test_it_runs_until_it_is_stopped() -> None:
    """Though it is stopped while Kafka does not answer."""
    calls = Calls()
    await calls.inactive_calls.stop()
    await calls.inactive_calls.run()


@pytest.mark.parametrize("by", ["audio", "clock"])
async def test_a_call_that_goes_on_for_too_long_is_ended_once(by: str) -> None:
    """Where its audio is, by its audio or by the times of its records, though it goes on; a door's call is left to the door."""
    calls = Calls()
    for foreign in (True, False):
        call = calls.begin("long" if foreign else "of-a-door", foreign=foreign)
        if by == "audio":
            call.account.reader.position = 12 * 3600 * 8000
        else:
            call.account.reader.clock.elapsed = timedelta(hours=12)
    assert await calls.look_after(5) == ["long"]
    (end,) = calls.sent
    assert (end.reason, end.complete, end.position) == ("too_long", False, calls.calls[0].account.position)
    assert end.error == "the call has lasted 12 hours, which is the limit"
    for number in range(60):
        for call in calls.calls:
            call.mark_handled(10 + number, calls.now)
        assert await calls.look_after(5) == []


async def test_a_call_of_almost_too_long_goes_on() -> None:
    """And so does one that is paused meanwhile."""
    calls = Calls()
    call = calls.begin("long")
    call.account.reader.position = 12 * 3600 * 8000 - 1
    call.account.reader.clock.elapsed = timedelta(hours=11)
    assert await calls.look_after(5) == []
