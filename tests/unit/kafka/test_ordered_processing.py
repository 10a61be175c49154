"""Attempts at records that are taken in order: what is none of its topic holds up nobody while it is put aside."""

import asyncio
from dataclasses import dataclass, field

from aiokafka import ConsumerRecord
from support.kernel import CODEC, cluster_without_broker, recording

from steno.events.catalogue import RECORDINGS
from steno.kafka.dead_letters import DeadLetters
from steno.kafka.errors import KafkaUnavailable
from steno.kafka.jobs import HELD, Job, Partition
from steno.kafka.messages import Message, RawMessage
from steno.kafka.ordered_processing import OrderedRecordProcessor
from steno.retry import RetryPolicy


class SlowLetters(DeadLetters):
    """Dead letters that are safe when the test says so."""

    def __init__(self, service: str) -> None:
        self._service = service
        self.safe = asyncio.Event()
        self.letters: list[int] = []
        self.errors: list[Exception] = []

    async def put(self, raw: RawMessage, error: BaseException, attempts: int) -> None:
        await self.safe.wait()
        if self.errors:
            raise self.errors.pop()
        self.letters.append(raw.offset)


@dataclass
class Bench:
    service: str = "ingest"
    again: list[Job] = field(default_factory=list)
    failures: list[BaseException] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.letters = SlowLetters(self.service)
        self.attempt = OrderedRecordProcessor(
            cluster_without_broker(dead_letters=self.letters),
            group="g",
            handler=self._handle,
            retry=RetryPolicy(first_seconds=0),
            try_again=self.again.append,
            fail=self.failures.append,
        )

    async def _handle(self, message: Message) -> None:
        """Bears all."""

    async def soon(self) -> None:
        for _ in range(20):
            await asyncio.sleep(0)


def job(offset: int, value: bytes = b"{}") -> Job:
    raw = ConsumerRecord("recordings", 0, offset, 0, 0, b"call", value, None, 0, 0, ())
    return Job(partition=Partition(topic=RECORDINGS), raw=raw)


async def test_bad_records_are_put_aside_beside_those_that_come() -> None:
    """Each waits for its own dead letter, which may need several tries, and is done once that is safe."""
    bench, bad = Bench(), [job(number) for number in range(50)]
    assert [await bench.attempt(each) for each in bad] == [HELD] * 50
    assert await bench.attempt(job(50, CODEC.encode(recording("call")))) is None
    assert bench.again == []
    bench.letters.errors = [KafkaUnavailable("away")] * 3
    bench.letters.safe.set()
    while len(bench.again) < 50:
        await bench.soon()
    assert sorted(bench.letters.letters) == list(range(50))
    assert [await bench.attempt(each) for each in bench.again] == [None] * 50
    assert bench.failures == []


async def test_what_is_not_safe_when_the_partition_goes_is_left_to_whoever_has_it_next() -> None:
    """It is tried no more here, and counts as nothing."""
    bench = Bench()
    assert await bench.attempt(job(1)) is HELD
    bench.attempt.clear()
    bench.letters.safe.set()
    await bench.soon()
    assert (bench.letters.letters, bench.again) == ([], [])


async def test_what_another_service_puts_aside_is_done_at_once() -> None:
    """Nothing is waited for."""
    bench = Bench(service="transcriber")
    assert await bench.attempt(job(1)) is None


async def test_a_fault_of_putting_aside_ends_the_consumer() -> None:
    """The record is not done."""
    bench = Bench()
    bench.letters.errors = [RuntimeError("a bug")]
    bench.letters.safe.set()
    assert await bench.attempt(job(1)) is HELD
    await bench.soon()
    assert [type(error) for error in bench.failures] == [RuntimeError]
    assert bench.again == []
