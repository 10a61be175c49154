"""Members of a group that read in order: what they are given, and from where the next one goes on."""

import asyncio
import signal
from collections.abc import Iterable
from contextlib import ExitStack

from support.kafka import read_all
from support.kernel import GroupUnderTest, recording, until
from support.kernel_log import RecordedLog
from support.kernel_member import MemberProcess, member_process

from steno.errors import Permanent, Retryable
from steno.events.catalogue import RECORDINGS
from steno.kafka.messages import Message
from steno.kafka.metrics import LAG_RECORDS, REBALANCES
from steno.kafka.partitioner import partition_of
from steno.retry import RetryPolicy

PARTITIONS = range(6)
QUICK = RetryPolicy(first_seconds=0.02, longest_seconds=0.05, unexpected_attempts=3)


def by_partition(names: Iterable[str]) -> dict[int, list[str]]:
    """Which names stand in which partition, in the order in which they were produced."""
    found: dict[int, list[str]] = {partition: [] for partition in PARTITIONS}
    for name in names:
        found[partition_of(name, len(PARTITIONS))].append(name)
    return found


async def test_a_partition_is_read_in_its_order_and_what_is_settled_is_committed(group: GroupUnderTest) -> None:
    """Every partition is opened first, its records come one after another, and what is taken and settled is committed."""
    names = [f"c{number}" for number in range(500)]
    await group.produce(names)
    log = RecordedLog()
    async with group.log_member(log) as (_, running):
        await until(lambda: len(log.taken) == 500, running=[running])
    for partition, expected in by_partition(names).items():
        assert [name for where, _, name in log.taken if where == partition] == expected
        assert log.offsets(partition) == list(range(len(expected)))
        assert (log.verbs(partition)[0], log.verbs(partition)[-2:]) == ("open", ["settle", "close"])
    assert await group.committed() == {partition: len(log.offsets(partition)) for partition in PARTITIONS}


async def test_a_partition_that_moves_is_settled_and_closed_before_it_is_opened_elsewhere(group: GroupUnderTest) -> None:
    """A member joins while work is under way, and leaves again: each record is taken once, in order, by one of the two."""
    one, other = RecordedLog(), RecordedLog()
    # In the order of both, so that it shows who had a partition when.
    other.calls = one.calls
    async with group.log_member(one, instance="a") as (_, first):
        await group.produce([f"c{number}" for number in range(100)])
        await until(lambda: len(one.taken) == 100, running=[first])
        async with group.log_member(other, instance="b") as (_, second):
            await until(lambda: len([call for call in one.calls if call[0] == "open"]) == 12, running=[first, second])
            await group.produce([f"c{number}" for number in range(100, 300)])
            await until(lambda: len(one.taken) + len(other.taken) == 300, running=[first, second])
    assert len({where for where, _, _ in other.taken}) == 3
    for partition in PARTITIONS:
        offsets = [offset for verb, where, offset in one.calls if (verb, where) == ("handle", partition)]
        assert offsets == list(range(len(offsets)))
        calls = [verb for verb in one.verbs(partition) if verb != "handle"]
        for at, verb in enumerate(calls):
            assert verb != "open" or at == 0 or calls[at - 2 : at] == ["settle", "close"]
    assert sum((await group.committed()).values()) == 300


async def test_whoever_takes_over_from_a_killed_or_frozen_member_begins_at_the_committed_offset(group: GroupUnderTest) -> None:
    """Nothing is lost, little is taken twice; the frozen one, thawed, commits nothing of it, joins again and works on."""
    names = [f"c{number}" for number in range(180)]
    with ExitStack() as stack:
        members = [
            stack.enter_context(member_process(group, instance, in_order=True, session_seconds=4.0)) for instance in "abc"
        ]
        killed, frozen, left = members
        while sorted(len(assigned) for assigned in (await group.assignments()).values()) != [2, 2, 2]:
            await asyncio.sleep(0.05)
        theirs = set(PARTITIONS) - (await group.assignments())[f"steno-{group.name}-c"]
        await group.produce(names, work_seconds="0.2")
        while len(await group.committed()) < len(PARTITIONS):
            await asyncio.sleep(0.05)
        killed.signal(signal.SIGKILL)
        frozen.signal(signal.SIGSTOP)
        committed = await group.committed()
        await until(lambda: set(_handled(*members)) == set(names), seconds=30)
        for partition in theirs:
            expected = by_partition(names)[partition]
            assert by_partition(left.handled)[partition] == expected[committed[partition] :]
            assert 0 < committed[partition] < len(expected)
        while sum((await group.committed()).values()) < len(names):
            await asyncio.sleep(0.05)
        frozen.signal(signal.SIGCONT)
        while len((await group.assignments()).get(f"steno-{group.name}-b", ())) != 3:
            assert sum((await group.committed()).values()) == len(names)
        later = [f"later{number}" for number in range(30)]
        await group.produce(later)
        await until(lambda: set(later) <= set(_handled(frozen, left)))
        assert set(later) & set(frozen.handled)
        assert frozen.end() == left.end() == 0
    assert sum((await group.committed()).values()) == len(names) + len(later)


def _handled(*members: MemberProcess) -> list[str]:
    return [name for member in members for name in member.handled]


async def test_a_record_that_takes_longer_than_the_session_holds_back_its_partition_alone(group: GroupUnderTest) -> None:
    """The member stays in its group, reads ahead no further than a bound, and goes on with the others meanwhile."""
    done = asyncio.Event()

    async def work(message: Message) -> None:
        if message.key == "long":
            await done.wait()

    held = partition_of("long", len(PARTITIONS))
    value = group.producer.encode(RECORDINGS, recording("long")).value
    others = [f"c{number}" for number in range(60)]
    await asyncio.gather(*(group.producer.send_raw(RECORDINGS, key=b"long", value=value, headers=[]) for _ in range(900)))
    log = RecordedLog(work)
    async with group.log_member(log, session_seconds=1.0) as (consumer, running):
        await until(lambda: bool(consumer._client and consumer._client.paused() and consumer._running), running=[running])
        await group.produce(others)
        elsewhere = [name for partition, names in by_partition(others).items() if partition != held for name in names]
        await until(lambda: len(log.taken) == len(elsewhere), running=[running])
        assert {name for _, _, name in log.taken} == set(elsewhere)
        await asyncio.sleep(2.5)
        assert consumer._partitions[held].waiting <= 999
        assert consumer.ready()
        assert consumer.alive()
        lag = LAG_RECORDS.labels(group.name, group.topic, str(held))
        assert lag._value.get() >= 900
        done.set()
        await until(lambda: len(log.taken) == 900 + len(others), running=[running])
        await until(lambda: lag._value.get() == 0, running=[running])
    assert log.offsets(held) == list(range(900 + len(by_partition(others)[held])))
    assert REBALANCES.labels(group.name)._value.get() == 0
    assert sum((await group.committed()).values()) == 900 + len(others)


async def test_what_fails_is_tried_again_in_its_place_or_put_aside(group: GroupUnderTest) -> None:
    """Garbage and what can never work go to dead letters, what may work is waited for, and the order stays."""
    tries: list[str] = []

    async def work(message: Message) -> None:
        assert message.record is not None
        tries.append(mark := message.record.properties["mark"])  # type: ignore[attr-defined]
        if mark == "wrong":
            raise Permanent("never")
        if mark == "away" and tries.count("away") < 5:
            raise Retryable("not now")
        if mark == "fault":
            raise KeyError("a fault of ours")

    for mark in ("first", "away", "wrong", "fault"):
        await group.produce(["call"], mark=mark)
    await group.producer.send_raw(RECORDINGS, key=b"call", value=b"{}", headers=[("kept", b"1")])
    await group.produce(["call"], mark="last")
    log = RecordedLog(work)
    async with group.log_member(log, retry=QUICK) as (_, running):
        await until(lambda: tries[-1:] == ["last"], running=[running])
    assert tries == ["first", *["away"] * 5, "wrong", *["fault"] * 3, "last"]
    assert [offset for _, offset, _ in log.taken] == [0, 1, 5]
    letters = [dict(letter.headers) for letter in await read_all(group.kafka.bootstrap_servers, group.dead_letter_topic)]
    classes = {letter["steno-origin-offset"]: letter["steno-error-class"] for letter in letters}
    assert classes == {b"2": b"permanent", b"3": b"unexpected", b"4": b"undecodable"}
    assert [letter["kept"] for letter in letters if "kept" in letter] == [b"1"]
    assert sum((await group.committed()).values()) == 6


async def test_what_is_not_settled_is_read_again_by_the_next_member(group: GroupUnderTest) -> None:
    """Commits follow what settles, not what was taken; a member may begin further back than that, and not further on."""
    key, partition = "call", partition_of("call", len(PARTITIONS))
    for number in range(10):
        await group.produce([key], mark=str(number))
    first = RecordedLog()
    first.settles_up_to, first.settle_errors, first.open_errors = 6, [Retryable("checkpoints are away")], [Retryable("wait")]
    async with group.log_member(first, retry=QUICK) as (_, running):
        await until(lambda: len(first.taken) == 10, running=[running])
        while (await group.committed()).get(partition) != 6:
            assert ("settle", partition, 6) in first.calls or not await group.committed()
            await asyncio.sleep(0.05)
    assert first.verbs(partition).count("open") == 1
    for begins, expected in ((None, 6), (2, 2), (9, 6)):
        log = RecordedLog()
        log.settles_up_to = 6
        log.begins = {} if begins is None else {partition: begins}
        async with group.log_member(log) as (_, running):
            await until(lambda: len(log.taken) == 10 - expected, running=[running])  # noqa: B023
        assert log.offsets(partition) == list(range(expected, 10))
        assert await group.committed() == {partition: 6}
