"""The sender of a call: whatever Kafka does, the log has all records in their order."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st
from steno_ingest.calls.doors.actions import ResumePoint
from steno_ingest.calls.hosting.sender import CallSender
from steno_ingest.calls.hosting.session import Entry

from steno.events.catalogue import Topic
from steno.events.records import AudioChunk, AudioCodec, CallChannel, CallStarted, Record
from steno.kafka.errors import KafkaUnavailable, RecordRefused
from steno.kafka.producer import Encoded

START = CallStarted(
    call_id="c",
    codec=AudioCodec.PCMU,
    sample_rate=8000,
    channels=(CallChannel(channel=0),),
    started_at=datetime(2026, 11, 1, tzinfo=UTC),
)


class FakeLog:
    """A topic of one partition that fails as it is told."""

    def __init__(self, failures: Sequence[tuple[int, int]] = ()) -> None:
        """
        Args:
            failures: One a round: how many records are acknowledged, and how many beyond them arrive all the same.
        """
        self.failures = list(failures)
        self.records: list[bytes] = []
        self.bare: list[bool] = []
        self.open = asyncio.Event()
        self.open.set()
        self.refuse_from: int | None = None

    def encode(self, _topic: Topic, record: Record) -> Encoded:
        return Encoded(key=b"c", value=type(record).__name__.encode(), headers=(("ce_id", b"1"),))

    def encode_bare(self, _topic: Topic, record: Record) -> Encoded:
        assert isinstance(record, AudioChunk)
        return Encoded(key=b"c", value=str(record.sequence).encode(), headers=())

    async def send_in_order(self, _topic: Topic, records: Sequence[Encoded]) -> int:
        await self.open.wait()
        if self.refuse_from is not None:
            self.refuse_from = None
            raise RecordRefused("it is too large")
        acknowledged, beyond = self.failures.pop(0) if self.failures else (len(records), 0)
        self.records += [record.value for record in records[: acknowledged + beyond]]
        self.bare += [not record.headers for record in records[: acknowledged + beyond]]
        if not acknowledged:
            raise KafkaUnavailable("away")
        return min(acknowledged, len(records))


async def no_sleep(_seconds: float) -> None:
    """Time that passes at once."""
    await asyncio.sleep(0)


def sender_to(log: FakeLog, *, limit: int = 3, refused: list[str] | None = None) -> CallSender:
    """A sender that notes why a start was refused."""
    told = [] if refused is None else refused
    return CallSender(log, limit=limit, on_start_refused=told.append, sleep=no_sleep)


def chunk(number: int) -> Entry:
    """The chunk of this number."""
    return Entry(
        record=AudioChunk(call_id="c", sequence=number, position=number * 800, audio=b"\xff"),
        after=ResumePoint(sequence=number + 1, position=(number + 1) * 800),
    )


def taken(records: Sequence[bytes]) -> list[bytes]:
    """What a consumer takes of a log: a chunk whose number is not beyond the last is dropped."""
    found: list[bytes] = []
    last = -1
    for record in records:
        if int(record) > last:
            found.append(record)
            last = int(record)
    return found


@given(
    failures=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=20),
    rounds=st.lists(st.integers(0, 8), max_size=10),
)
def test_order_is_kept_and_nothing_is_lost(failures: list[tuple[int, int]], rounds: list[int]) -> None:
    """Whatever fails, and whatever arrived of it all the same, consumers take every chunk once, in order."""

    async def play() -> tuple[FakeLog, CallSender, int]:
        log, number = FakeLog(failures), 0
        sender = sender_to(log, limit=1000)
        running = asyncio.create_task(sender.run())
        for size in rounds:
            sender.put(chunk(number + more) for more in range(size))
            number += size
            await asyncio.sleep(0)
        sender.close()
        await running
        return log, sender, number

    log, sender, number = asyncio.run(play())
    assert taken(log.records) == [str(expected).encode() for expected in range(number)]
    assert sender.unacknowledged == 0
    assert sender.safe == (ResumePoint(sequence=number, position=number * 800) if number else None)


async def test_a_sender_that_is_full_makes_its_caller_wait() -> None:
    """The back-pressure of Kafka reaches whoever reads from the peer, and ends when Kafka takes records again."""
    log = FakeLog()
    log.open.clear()
    sender = sender_to(log)
    running = asyncio.create_task(sender.run())
    sender.put([chunk(0), chunk(1)])
    await asyncio.wait_for(sender.wait_for_room(), 1)
    sender.put([chunk(2)])
    waiting = asyncio.create_task(sender.wait_for_room())
    await asyncio.sleep(0)
    assert not waiting.done()
    log.open.set()
    await asyncio.wait_for(waiting, 1)
    sender.close()
    await running


async def test_only_audio_goes_without_headers() -> None:
    """The start of a call has the headers of all records, its chunks have none."""
    log = FakeLog()
    sender = sender_to(log)
    sender.put([Entry(record=START, after=ResumePoint(sequence=0, position=0)), chunk(0)])
    sender.close()
    await sender.run()
    assert log.records == [b"CallStarted", b"0"]
    assert log.bare == [False, True]


async def test_a_record_that_kafka_will_never_take_does_not_hold_up_the_call() -> None:
    """It is told and left out; what follows goes on."""
    log = FakeLog()
    log.refuse_from = 0
    sender = sender_to(log)
    sender.put([chunk(0), chunk(1)])
    sender.close()
    await sender.run()
    assert log.records == [b"1"]


async def test_a_start_that_kafka_will_never_take_is_told_and_nothing_of_it_goes_out() -> None:
    """Without its start no record of a call is of use to anybody."""
    log, refused = FakeLog(), list[str]()
    log.refuse_from = 0
    sender = sender_to(log, refused=refused)
    sender.put([Entry(record=START, after=ResumePoint(sequence=0, position=0)), chunk(0)])

    running = asyncio.create_task(sender.run())
    while not refused:
        await asyncio.sleep(0)
    sender.close()
    await running
    assert (refused, log.records, sender.unacknowledged) == (["it is too large"], [], 0)
