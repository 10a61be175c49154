"""Dead letters read, sent back and deleted, on a real broker."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest
from support.kafka import read_all
from support.kernel import GroupUnderTest, recording, until

from steno.events.catalogue import DEAD_LETTERS, RECORDINGS
from steno.kafka import Letter, Redrive, RedriveCount, delete_before, open_letters
from steno.kafka.errors import TopicMismatch, WrongRecord
from steno.kafka.messages import Message


async def bury(group: GroupUnderTest, names: list[str]) -> None:
    """Puts recordings into the topic and, as it would be after a failure, into dead letters."""
    await group.produce(names)
    for raw in await read_all(group.kafka.bootstrap_servers, group.topic):
        if (raw.key or b"").decode() in names:
            await group.cluster.dead_letters.put(raw, WrongRecord("wrong"), 1)


async def redrive(
    group: GroupUnderTest,
    select: Callable[[Letter], bool] = lambda _: True,
    *,
    stopping: asyncio.Event | None = None,
    report: Callable[[RedriveCount], None] = lambda _: None,
    per_second: float | None = None,
    dry_run: bool = False,
) -> RedriveCount:
    """One run."""
    async with open_letters(group.cluster) as letters:
        return await Redrive(
            group.cluster,
            letters,
            select,
            stopping=stopping or asyncio.Event(),
            report=report,
            per_second=per_second,
            dry_run=dry_run,
        ).run()


async def sent_back(group: GroupUnderTest) -> Counter[str]:
    """How often each key came back to the topic of origin."""
    records = await read_all(group.kafka.bootstrap_servers, group.topic)
    return Counter((raw.key or b"").decode() for raw in records if "steno-redrives" in dict(raw.headers))


async def test_a_letter_goes_back_as_it_was_and_once(group: GroupUnderTest) -> None:
    """Bytes, key and headers; a second run sends nothing; a dry run neither; one that failed again counts its redrives."""
    await bury(group, ["a", "b"])
    planned = await redrive(group, dry_run=True)
    assert (planned.sent, await sent_back(group)) == (2, {})
    assert (await redrive(group)).sent == 2
    again = await redrive(group)
    assert (again.sent, again.sent_before, await sent_back(group)) == (0, 2, {"a": 1, "b": 1})
    original, returned = [raw for raw in await read_all(group.kafka.bootstrap_servers, group.topic) if raw.key == b"a"]
    assert returned.value == original.value
    assert returned.headers == (*original.headers, ("steno-redrives", b"1"))
    await group.cluster.dead_letters.put(returned, WrongRecord("wrong again"), 1)
    async with open_letters(group.cluster) as letters:
        known = [(letter.redrives, letters.was_redriven(letter)) async for letter in letters.letters()]
    assert sorted(known) == [(0, True), (0, True), (1, False)]
    assert (await redrive(group)).sent == 1


async def test_a_redriven_message_is_handled(group: GroupUnderTest) -> None:
    """By the consumer that could not use it before."""
    await bury(group, ["a"])
    await redrive(group)

    async def handle(message: Message) -> None:
        group.handled.append(message.key or "")

    async with group.member(handle) as (_, running):
        await until(lambda: group.handled.count("a") == 2, running=[running])


async def test_any_selection_is_sent_back_in_any_order(group: GroupUnderTest) -> None:
    """Letters that were left out stay for a later run, and none is sent twice."""
    await bury(group, [f"c{number}" for number in range(20)])
    odd = await redrive(group, lambda letter: letter.key in {b"c%d" % number for number in range(1, 20, 2)})
    rest = await redrive(group)
    assert (odd.sent, rest.sent, rest.sent_before) == (10, 10, 10)
    assert set((await sent_back(group)).values()) == {1}


async def test_a_stopped_run_is_continued(group: GroupUnderTest) -> None:
    """What was sent before the stop is not sent again, and the rest is, at whatever rate."""
    names = [f"c{number}" for number in range(60)]
    await bury(group, names)
    stopping = asyncio.Event()

    def stop(count: RedriveCount) -> None:
        if count.sent:
            stopping.set()

    stopped = await redrive(group, stopping=stopping, per_second=40, report=stop)
    assert stopped.stopped
    assert 0 < stopped.sent < 60
    rest = await redrive(group)
    assert (rest.sent, rest.sent_before, rest.stopped) == (60 - stopped.sent, stopped.sent, False)
    assert await sent_back(group) == dict.fromkeys(names, 1)


async def test_what_cannot_be_sent_back_stays_and_is_named(group: GroupUnderTest) -> None:
    """An outline, a foreign topic, a record without headers: each with a reason; the others are sent."""
    await bury(group, ["good"])
    outline = [("steno-origin-topic", group.topic.encode()), ("steno-left-out", b"key, value and headers")]
    for headers in (
        outline,
        [("steno-origin-topic", b"payments")],
        [],
        [("steno-origin-topic", group.dead_letter_topic.encode())],
    ):
        await group.producer.send_raw(DEAD_LETTERS, key=b"x", value=b"", headers=headers)
    count = await redrive(group)
    assert (count.sent, count.failed, len(count.faults)) == (1, 4, 4)
    assert sum("outline" in reason for reason in count.faults.values()) == 1
    assert sum("payments" in reason for reason in count.faults.values()) == 1


async def test_letters_are_deleted_up_to_an_offset(group: GroupUnderTest) -> None:
    """Those before it are gone, the others stay, and what was sent back is still known."""
    await bury(group, [f"c{number}" for number in range(12)])
    await redrive(group)
    await bury(group, ["late"])
    async with open_letters(group.cluster) as letters:
        ends = {letter.partition: letter.offset async for letter in letters.letters() if not letters.was_redriven(letter)}
    await delete_before(group.cluster, ends)
    async with open_letters(group.cluster) as letters:
        left = [letter async for letter in letters.letters() if letter.partition in ends]
        missing = await letters.letter(*ends.popitem())
    assert [letter.key for letter in left] == [b"late"]
    assert missing is not None


async def test_a_letter_that_is_an_outline_shows_its_origin(group: GroupUnderTest) -> None:
    """The original is read where it stands; one that is not there gives nothing."""
    await group.produce(["a"])
    (raw,) = await read_all(group.kafka.bootstrap_servers, group.topic)
    for offset in (raw.offset, raw.offset + 7):
        headers = {"topic": group.topic, "partition": raw.partition, "offset": offset}
        origin = [(f"steno-origin-{name}", str(value).encode()) for name, value in headers.items()]
        await group.producer.send_raw(DEAD_LETTERS, key=b"x", value=b"", headers=origin)
    async with open_letters(group.cluster) as letters:
        found = [letter async for letter in letters.letters()]
        originals = [await letters.original(letter) for letter in found]
    assert originals[0] is not None
    assert originals[0].value == group.producer.encode(RECORDINGS, recording("a")).value
    assert originals[1] is None


async def test_without_the_topic_it_says_so(group: GroupUnderTest) -> None:
    """A prefix that nobody uses is named, and no topic is made."""
    elsewhere = replace(group.cluster, topics=group.topics.model_copy(update={"prefix": "nobody."}))
    with pytest.raises(TopicMismatch, match=r"no topic nobody\.dead-letters"):
        async with open_letters(elsewhere):
            pass
