"""One partition of a log consumer: what its handler is asked, and in which order."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiokafka import TopicPartition
from aiokafka.structs import ConsumerRecord

from steno.errors import Retryable
from steno.events.catalogue import CALL_AUDIO
from steno.kafka.jobs import HELD, Job, Outcome
from steno.kafka.log_assignment import LogAssignment
from steno.kafka.log_partition import LogPartition
from steno.kafka.messages import Message
from steno.kafka.processing import HandlerCancelledItself
from steno.retry import RetryPolicy

WHERE = TopicPartition("call-audio", 4)
AT_ONCE = RetryPolicy(first_seconds=0, longest_seconds=0)


def record(offset: int, key: str = "call") -> ConsumerRecord:
    return ConsumerRecord(WHERE.topic, WHERE.partition, offset, 0, 0, key.encode(), b"", None, 0, 0, ())


@dataclass
class Bench:
    """A partition with a handler that writes down its calls; a call listed in `held` waits until it is let go."""

    begins: int | None = None
    settles: int | None = None
    errors: dict[str, list[BaseException]] = field(default_factory=dict)
    held: dict[str, asyncio.Event] = field(default_factory=dict)
    waits: list[float | None] = field(default_factory=list)
    #: By offset: what comes of its attempts, each a fault of ours.
    faults: dict[int, list[Outcome]] = field(default_factory=dict)
    kept: list[Job] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    failures: list[BaseException] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.assignment = LogAssignment(group="g", topics={WHERE.topic: CALL_AUDIO}, max_gap=10)
        self.partition = LogPartition(
            WHERE, handler=self, attempt=self._attempt, retry=AT_ONCE, begin=self._begin, settle=self.assignment.settle
        )

    async def open(self, partition: int) -> int | None:
        await self._called("open")
        return self.begins

    async def handle(self, message: Message) -> None:
        raise NotImplementedError

    async def give_up(self, message: Message, error: Exception) -> None:
        raise NotImplementedError

    async def settle(self, partition: int, held_from: int | None = None) -> int | None:
        await self._called("settle")
        return self.settles

    async def close(self, partition: int) -> None:
        await self._called("close")

    def comes(self, *offsets: int, keys: str = "") -> None:
        """Records are polled; `keys` has a letter for each, or there is one key."""
        records = [record(offset, keys[at : at + 1] or "call") for at, offset in enumerate(offsets)]
        for job in self.assignment.add_polled({WHERE: records}):
            self.partition.add(job)

    @property
    def taken(self) -> list[int]:
        return [int(call.removeprefix("take ")) for call in self.calls if call.startswith("take ")]

    async def soon(self) -> None:
        """Lets what is ready run."""
        for _ in range(30):
            await asyncio.sleep(0)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The partition works inside the block; then it is finished and closed."""
        self.partition.start(self.failures.append)
        await self.soon()
        yield
        self.partition.finish()
        assert self.partition.task is not None
        await asyncio.wait([self.partition.task], timeout=5)
        await self.partition.close()

    async def _begin(self, where: TopicPartition, offset: int | None) -> None:
        await self._called(f"begin {offset}")
        self.assignment.open(where, offset or 0)

    async def _attempt(self, job: Job) -> Outcome:
        await self._called(f"take {job.raw.offset}")
        if faults := self.faults.get(job.raw.offset):
            job.fault, outcome = "fault", faults.pop(0)
            self.kept.append(job)
            return outcome
        return self.waits.pop(0) if self.waits else None

    async def _called(self, call: str) -> None:
        self.calls.append(call)
        if call in self.held:
            await self.held[call].wait()
        if self.errors.get(call):
            raise self.errors[call].pop()


async def test_records_come_after_opening_and_the_last_word_is_settled() -> None:
    """Open, begin where the handler says, each record, settle, close."""
    bench = Bench(begins=7)
    async with bench.running():
        bench.comes(7, 8, 9)
        await bench.soon()
    assert bench.calls == ["open", "begin 7", "take 7", "take 8", "take 9", "settle", "close"]
    assert bench.failures == []


async def test_settling_waits_for_the_record_being_taken_and_comes_before_the_next() -> None:
    """Nothing of a handler is called at the same time for one partition."""
    bench = Bench(held={"take 0": asyncio.Event()}, settles=1)
    async with bench.running():
        bench.comes(0, 1)
        await bench.soon()
        bench.partition.settle_soon()
        await bench.soon()
        assert bench.calls == ["open", "begin None", "take 0"]
        assert (bench.partition.busy, bench.partition.waiting) == (True, 2)
        bench.held["take 0"].set()
        await bench.soon()
        assert bench.calls[2:] == ["take 0", "settle", "take 1"]
        assert bench.assignment.committable() == {WHERE: 1}
        bench.assignment.committed({WHERE: 1})
        assert bench.assignment.committable() == {}


async def test_a_record_that_backs_off_is_taken_again_before_the_next_and_holds_up_no_settling() -> None:
    """The order stays, and what was done before it may be committed meanwhile."""
    bench = Bench(waits=[None, 0.01], settles=1)
    async with bench.running():
        bench.comes(0, 1, 2)
        await bench.soon()
        bench.partition.settle_soon()
        await bench.soon()
        assert bench.calls[2:] == ["take 0", "take 1", "settle"]
        while bench.partition.waiting:
            await asyncio.sleep(0.001)
        assert bench.calls[5:] == ["take 1", "take 2"]


async def test_opening_is_tried_until_it_works() -> None:
    """A handler whose checkpoints are away is asked again; where it begins is asked of the client again too."""
    bench = Bench(errors={"open": [Retryable("away")], "begin None": [Retryable("away"), Retryable("away")]})
    async with bench.running():
        bench.comes(0)
        await bench.soon()
    assert bench.calls == ["open", "open", *["begin None"] * 3, "take 0", "settle", "close"]


async def test_settling_that_may_work_later_leaves_what_was_settled_before() -> None:
    """Checkpoints that cannot be written commit nothing, and end nothing."""
    bench = Bench(settles=1)
    async with bench.running():
        bench.comes(0, 1)
        await bench.soon()
        bench.partition.settle_soon()
        await bench.soon()
        bench.settles, bench.errors = 2, {"settle": [Retryable("away")]}
        bench.partition.settle_soon()
        await bench.soon()
        assert bench.assignment.committable() == {WHERE: 1}
    assert bench.assignment.committable() == {WHERE: 2}
    assert bench.failures == []


async def test_a_partition_taken_away_while_it_opens_is_not_closed() -> None:
    """There is nothing to let go of: `close` is for what `open` returned from."""
    bench = Bench(held={"open": asyncio.Event()})
    async with bench.running():
        pass
    assert bench.calls == ["open"]
    assert bench.failures == []


async def test_a_record_that_is_taken_when_the_end_comes_is_finished() -> None:
    """It counts as taken, nothing more is begun, and settling follows."""
    bench = Bench(held={"take 0": asyncio.Event()}, settles=1)
    async with bench.running():
        bench.comes(0, 1)
        await bench.soon()
        bench.partition.finish()
        bench.held["take 0"].set()
    assert bench.calls[2:] == ["take 0", "settle", "close"]
    assert bench.assignment.committable() == {WHERE: 1}


@pytest.mark.parametrize(
    ("bench", "failure"),
    [
        (Bench(errors={"open": [KeyError("a fault")]}), KeyError),
        (Bench(errors={"settle": [KeyError("a fault")]}), KeyError),
        (Bench(errors={"take 0": [asyncio.CancelledError()]}), HandlerCancelledItself),
        (Bench(settles=2), ValueError),
    ],
    ids=["open", "settle", "cancelled from within", "more settled than taken"],
)
async def test_a_fault_ends_the_consumer(bench: Bench, failure: type[BaseException]) -> None:
    """What is no `Retryable` is not passed over: it is told, and the partition works no more."""
    bench.partition.start(bench.failures.append)
    await bench.soon()
    if "open" not in bench.errors:
        bench.comes(0)
        await bench.soon()
        bench.partition.settle_soon()
        await bench.soon()
    assert [type(each) for each in bench.failures] == [failure]


async def test_records_of_an_assignment_that_went_back_are_not_taken() -> None:
    """The offsets of a partition went back: what was polled before comes again, and only that counts."""
    bench = Bench(held={"take 5": asyncio.Event()})
    async with bench.running():
        bench.comes(5, 6)
        await bench.soon()
        bench.comes(3, 4)
        bench.held["take 5"].set()
        await bench.soon()
        assert bench.calls[2:] == ["take 5", "take 3", "take 4"]


async def test_others_are_let_in_while_many_records_wait_for_nothing() -> None:
    """A thousand records that take no time do not keep the event loop to themselves."""
    bench = Bench()
    async with bench.running():
        bench.comes(*range(1000))
        turns = 0
        while bench.partition.waiting:
            await asyncio.sleep(0)
            turns += 1
    assert turns > 30


async def test_what_fails_by_a_fault_of_ours_holds_up_its_key_alone() -> None:
    """Records of other keys go on, those of its own wait behind it in their order, and nothing from it on is committed."""
    bench = Bench(faults={1: [HELD, HELD]}, settles=6)
    async with bench.running():
        bench.comes(0, 1, 2, 3, 4, 5, keys="abcbca")
        await bench.soon()
        bench.partition.settle_soon()
        await bench.soon()
        assert bench.taken == [0, 1, 2, 4, 5]
        assert bench.assignment.committable() == {WHERE: 1}
        assert bench.partition.waiting == 2
        bench.partition.try_again(bench.kept[0])
        await bench.soon()
        assert bench.taken == [0, 1, 2, 4, 5, 1]
        bench.partition.try_again(bench.kept[0])
        await bench.soon()
        assert bench.taken == [0, 1, 2, 4, 5, 1, 1, 3]
        bench.partition.settle_soon()
        await bench.soon()
        assert bench.assignment.committable() == {WHERE: 6}
        bench.comes(6, keys="b")
        await bench.soon()
        assert bench.taken[-1] == 6
    assert bench.failures == []
    assert (bench.kept[0].partition.held, bench.kept[0].partition.held_bytes) == (0, 0)


async def test_what_is_tried_again_soon_holds_up_its_key_alone_too() -> None:
    """Before it is held it is tried a few times, and others do not wait for that."""
    bench = Bench(faults={0: [0.001, 0.001]})
    async with bench.running():
        bench.comes(0, 1, 2, keys="aba")
        await bench.soon()
        assert bench.taken[:2] == [0, 1]
        while bench.partition.waiting:
            await asyncio.sleep(0.001)
    assert bench.taken == [0, 1, 0, 0, 2]


async def test_past_what_is_held_more_is_taken_than_there_is_room_for_otherwise() -> None:
    """A partition of which much waits for one that is held does not count as full, until that is very much."""
    bench = Bench(faults={0: [HELD]})
    async with bench.running():
        for offset in range(100):
            bench.comes(offset, keys="ab"[offset % 2])
            await bench.soon()
            assert not bench.assignment._is_full(WHERE, False)
        assert bench.taken == [0, *range(1, 100, 2)]
        assert not bench.assignment.held_up
        for offset in range(100, 10_100):
            bench.comes(offset, keys="a")
        await asyncio.sleep(0)
        while bench.partition._jobs:
            await bench.soon()
        assert bench.assignment.held_up
        assert bench.assignment._is_full(WHERE, False)
