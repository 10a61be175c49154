"""Jobs run so many at once, in any order of completion, and are given up when their partition is."""

import asyncio
from dataclasses import dataclass, field

from aiokafka import ConsumerRecord

from steno.events.catalogue import RECORDINGS
from steno.kafka.jobs import Job, Partition
from steno.kafka.worker_pool import WorkerPool


def job(partition: Partition, offset: int) -> Job:
    """A job for the message at an offset."""
    return Job(partition=partition, raw=ConsumerRecord("recordings", 0, offset, 0, 0, None, None, None, 0, 0, ()))


@dataclass
class Bench:
    """Slots whose jobs wait until the test lets each go."""

    concurrency: int = 2
    queue_length: int = 8
    begun: list[int] = field(default_factory=list)
    cancelled: list[int] = field(default_factory=list)
    failures: list[BaseException] = field(default_factory=list)
    gates: dict[int, "asyncio.Future[float | None]"] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.partition = Partition(topic=RECORDINGS)
        self.slots = WorkerPool(
            concurrency=self.concurrency, queue_length=self.queue_length, attempt=self._attempt, fail=self.failures.append
        )

    async def _attempt(self, job: Job) -> float | None:
        offset = job.raw.offset
        self.begun.append(offset)
        self.gates[offset] = asyncio.get_running_loop().create_future()
        try:
            return await self.gates[offset]
        except asyncio.CancelledError:
            self.cancelled.append(offset)
            raise

    def add(self, *offsets: int) -> None:
        for offset in offsets:
            self.partition.tracker.add(offset)
        self.slots.add([job(self.partition, offset) for offset in offsets])

    async def finish(self, offset: int, again: float | None = None) -> None:
        self.gates[offset].set_result(again)
        await settled()


async def settled() -> None:
    """Lets every task that can run, run."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_no_more_run_at_once_than_there_are_slots() -> None:
    """The next begins when one is done, whichever that is; what is committable follows the lowest unfinished."""
    bench = Bench(concurrency=2)
    bench.add(0, 1, 2, 3)
    await settled()
    assert bench.begun == [0, 1]
    await bench.finish(1)
    assert bench.begun == [0, 1, 2]
    assert bench.partition.tracker.committable == 0
    await bench.finish(0)
    assert bench.partition.tracker.committable == 2
    assert bench.slots.running == 2
    await bench.finish(2)
    await bench.finish(3)
    assert bench.partition.tracker.committable == 4
    assert bench.slots.running == 0


async def test_a_job_that_backs_off_holds_no_slot_and_comes_first_again() -> None:
    """Its slot serves others meanwhile; when its time has come it is ahead of those that wait."""
    bench = Bench(concurrency=1)
    bench.add(0, 1, 2)
    await settled()
    await bench.finish(0, again=0)
    assert bench.begun == [0, 1]
    await bench.finish(1)
    assert bench.begun == [0, 1, 0]
    assert bench.partition.tracker.committable == 0
    await bench.finish(0)
    await bench.finish(2)
    assert bench.partition.tracker.committable == 3


async def test_others_pass_a_job_that_backs_off_alone() -> None:
    """Until it is tried again it counts among what is held, and not as what keeps its partition full."""
    bench = Bench()
    bench.add(0)
    waiting = job(bench.partition, 1)
    bench.partition.tracker.add(1)
    bench.slots.add([waiting])
    await settled()
    waiting.alone = True
    await bench.finish(0, again=0.01)
    await bench.finish(1, again=0.01)
    assert bench.partition.held == 1
    async with asyncio.timeout(5):
        while len(bench.begun) < 4:
            await asyncio.sleep(0.01)
    assert bench.partition.held == 0


async def test_a_drain_lets_what_runs_finish_and_drops_what_waits() -> None:
    """Waiting and backing-off jobs are dropped unfinished; running ones count."""
    bench = Bench(concurrency=2)
    bench.add(0, 1, 2, 3)
    await settled()
    await bench.finish(1, again=0)
    draining = asyncio.create_task(bench.slots.drain(10, grace_seconds=1))
    await settled()
    await bench.finish(0)
    await bench.finish(2)
    assert await draining == 0
    assert bench.begun == [0, 1, 2]
    assert bench.partition.tracker.committable == 1
    assert bench.slots.running == 0


async def test_what_outlasts_the_drain_is_cancelled_and_counts_neither_way() -> None:
    """A cancelled job is not finished, and no failure."""
    bench = Bench(concurrency=2)
    bench.add(0, 1)
    await settled()
    assert await bench.slots.drain(0, grace_seconds=1) == 2
    assert sorted(bench.cancelled) == [0, 1]
    assert bench.partition.tracker.committable == 0
    assert bench.failures == []


async def test_a_handler_deaf_to_cancellation_is_left_behind() -> None:
    """The drain is over after its grace, and what the deaf one still finishes counts for nothing."""
    release = asyncio.Event()

    async def deaf(job: Job) -> None:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    failures: list[BaseException] = []
    partition = Partition(topic=RECORDINGS)
    partition.tracker.add(0)
    slots = WorkerPool(concurrency=1, queue_length=8, attempt=deaf, fail=failures.append)
    slots.add([job(partition, 0)])
    await settled()
    assert await slots.drain(0, grace_seconds=0.001) == 1
    partition.revoked = True
    release.set()
    await settled()
    assert partition.tracker.committable == 0
    assert slots.running == 0
    assert failures == []


async def test_jobs_of_a_partition_that_was_taken_away_are_not_begun() -> None:
    """Neither those that wait nor those that come back from a back-off."""
    bench = Bench(concurrency=1)
    bench.add(0, 1)
    await settled()
    bench.partition.revoked = True
    await bench.finish(0, again=0)
    assert bench.begun == [0]
    assert bench.partition.tracker.committable == 0


async def test_an_error_of_the_attempt_itself_ends_the_consumer() -> None:
    """It is told, the job stays unfinished, and the slot is free again."""
    bench = Bench(concurrency=1)
    bench.add(0)
    await settled()
    bench.gates[0].set_exception(RuntimeError("dead letters refuse"))
    await settled()
    assert [str(error) for error in bench.failures] == ["dead letters refuse"]
    assert bench.partition.tracker.committable == 0
    assert bench.slots.running == 0


async def test_room_is_there_again_when_half_of_the_line_is_free() -> None:
    """A full line lets the poll loop wait, until half of it is served."""
    bench = Bench(concurrency=1, queue_length=4)
    bench.add(*range(5))
    await settled()
    assert bench.slots.room == 0
    assert not await bench.slots.wait_for_room(0)
    waiting = asyncio.create_task(bench.slots.wait_for_room(10))
    await settled()
    await bench.finish(0)
    assert not waiting.done()
    await bench.finish(1)
    assert await waiting
    await bench.slots.drain(0, grace_seconds=1)


async def test_instant_jobs_share_one_task() -> None:
    """A task serves job after job while none of them waits."""
    tasks: set[asyncio.Task[None] | None] = set()

    async def instant(job: Job) -> None:
        tasks.add(asyncio.current_task())

    failures: list[BaseException] = []
    partition = Partition(topic=RECORDINGS)
    slots = WorkerPool(concurrency=4, queue_length=100, attempt=instant, fail=failures.append)
    for offset in range(100):
        partition.tracker.add(offset)
    slots.add([job(partition, offset) for offset in range(100)])
    await settled()
    assert partition.tracker.committable == 100
    assert len(tasks) == 1
    assert failures == []


def test_a_job_is_as_large_as_all_that_is_held_of_it() -> None:
    """A record may be little but its key and headers, of which one may have no content."""
    headers = (("trace", b"1234"), ("x", None))
    record = ConsumerRecord("recordings", 0, 0, 0, 0, b"key", b"value", None, 0, 0, headers)
    assert Job(partition=Partition(topic=RECORDINGS), raw=record).bytes == 3 + 5 + 5 + 4 + 1
    assert job(Partition(topic=RECORDINGS), 0).bytes == 0
