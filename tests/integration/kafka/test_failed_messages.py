"""What becomes of messages that fail, on a real broker."""

import asyncio
from dataclasses import replace

import pytest
from support.kafka import read_all
from support.kernel import GroupUnderTest, recording, running, until

from steno.errors import Retryable
from steno.events.catalogue import PHRASES, RECORDINGS
from steno.events.records import TranscriptStarted
from steno.kafka import Consumer
from steno.kafka.dead_letters import DeadLetters
from steno.kafka.errors import RecordRefused, WrongRecord
from steno.kafka.held_records import AT_START
from steno.kafka.messages import Message
from steno.kafka.metrics import HELD
from steno.retry import RetryPolicy

QUICK = RetryPolicy(first_seconds=0.02, longest_seconds=0.05, unexpected_attempts=3)


async def test_poison_goes_to_dead_letters_as_it_came(group: GroupUnderTest) -> None:
    """Not Avro, unknown schema, wrong record, key not UTF-8: each is kept byte for byte with why; the good one is handled."""
    foreign = (9999).to_bytes(4, "big")
    poison: list[tuple[bytes, bytes, str]] = [
        (b"a", b"not avro", "undecodable"),
        (b"b", b"\x00" + foreign + b"body", "unknown_schema"),
        (b"c", b"\x00\x00\x00\x00\x03\xff\xff", "undecodable"),
        (b"\xff", group.producer.encode(RECORDINGS, recording("d")).value, "undecodable"),
    ]
    for key, value, _ in poison:
        await group.producer.send_raw(
            RECORDINGS, key=key, value=value, headers=[("x", b"1"), ("x", b"2"), ("steno-attempts", b"7")]
        )
    started = TranscriptStarted(call_id="e", recording_id="r", started_at="2026-01-01T00:00:00Z")
    wrong = group.producer._codec.encode(started)
    await group.producer.send_raw(RECORDINGS, key=b"e", value=wrong, headers=[])
    await group.produce(["good"])

    async def handle(message: Message) -> None:
        group.handled.append(message.key or "")

    async with group.member(handle) as (_, running):
        await until(lambda: group.handled == ["good"], running=[running])
        await _until_dead_letters(group, 5)
    letters = {record.key: record for record in await read_all(group.kafka.bootstrap_servers, group.dead_letter_topic)}
    originals = {record.key: record for record in await read_all(group.kafka.bootstrap_servers, group.topic)}
    for key, value, error_class in [*poison, (b"e", wrong, "wrong_record")]:
        letter, headers = letters[key], dict(letters[key].headers)
        assert letter.value == value
        assert headers["steno-error-class"].decode() == error_class
        assert headers["steno-origin-topic"].decode() == group.topic
        assert int(headers["steno-origin-partition"]) == originals[key].partition
        assert int(headers["steno-origin-offset"]) == originals[key].offset
        assert headers["steno-attempts"] == b"1"
        assert headers["steno-service"] == b"ingest"
        assert headers["steno-error-message"]
    assert [pair for pair in letters[b"a"].headers if pair[0] == "x"] == [("x", b"1"), ("x", b"2")]
    assert sum((await group.committed()).values()) == 6


async def test_a_message_as_large_as_kafka_takes_still_fits_into_dead_letters(group: GroupUnderTest) -> None:
    """The headers added to a message of the largest size do not keep it out; one above that size is refused when it is sent."""
    largest = b"\xff" + bytes(1_048_300)
    noise = bytes(range(256)) * 4096
    await group.producer.send_raw(RECORDINGS, key=b"k", value=largest, headers=[("filler", b"")])
    async with group.member(_ignore) as _:
        await _until_dead_letters(group, 1)
    (letter,) = await read_all(group.kafka.bootstrap_servers, group.dead_letter_topic)
    assert letter.value == largest
    with pytest.raises(RecordRefused, match="too large"):
        await group.producer.send_raw(RECORDINGS, key=b"k", value=noise * 4, headers=[])
    await group.produce(["after"])


async def test_a_thousand_bad_records_cost_themselves(group: GroupUnderTest) -> None:
    """Each is one dead letter with one error class, from the one service that the catalogue names; good ones are done."""
    good = [f"good{number}" for number in range(20)]
    await asyncio.gather(
        *(group.producer.send_raw(RECORDINGS, key=b"bad%d" % number, value=b"{}", headers=[]) for number in range(1000)),
        group.produce(good),
    )
    others: list[str] = []

    async def handle(message: Message) -> None:
        group.handled.append(message.key or "")

    async def handle_too(message: Message) -> None:
        others.append(message.key or "")

    other = Consumer(
        replace(group.cluster, service="transcriber", dead_letters=DeadLetters(group.producer, "transcriber")),
        subscribe=[RECORDINGS],
        handler=handle_too,
        concurrency=4,
    )
    async with group.member(handle) as (consumer, one), running(other) as (_, two):
        await until(lambda: len(group.handled) == len(others) == 20, running=[one, two])
        await _until_dead_letters(group, 1000)
        await group.produce(["behind"])
        await until(lambda: "behind" in group.handled and "behind" in others, running=[one, two])
        assert consumer.alive()
        assert consumer.ready()
        assert consumer.holds_nothing()
    letters = await read_all(group.kafka.bootstrap_servers, group.dead_letter_topic)
    assert sorted({letter.key for letter in letters}) == sorted(b"bad%d" % number for number in range(1000))
    assert len(letters) == 1000
    assert {dict(letter.headers)["steno-error-class"] for letter in letters} == {b"undecodable"}
    assert sum((await group.committed()).values()) == 1021


async def test_a_fault_of_ours_that_hits_everything_drains_nothing_and_mends_itself(group: GroupUnderTest) -> None:
    """All is held, whatever comes, a restart too; when the fault goes, all is handled, and the few set aside are told."""
    broken = asyncio.Event()
    broken.set()
    given_up: list[str] = []

    async def handle(message: Message) -> None:
        if broken.is_set():
            raise RuntimeError("nothing works since this version")
        group.handled.append(message.key or "")

    async def give_up(message: Message, error: Exception) -> None:
        given_up.append(message.key or "")

    names = [f"c{number}" for number in range(300)]
    held = HELD.labels(group.name, group.topic)._value
    await group.produce(names)
    for _ in range(2):
        async with group.member(handle, retry=QUICK, give_up=give_up) as (consumer, running):
            await until(lambda: held.get() >= 290, running=[running])
            assert consumer.alive()
            assert consumer.ready()
            assert not consumer.holds_nothing()
    aside = len(given_up)
    assert aside <= 2 * AT_START
    async with group.member(handle, retry=QUICK, give_up=give_up) as (consumer, running):
        await until(lambda: held.get() >= 290, running=[running])
        broken.clear()
        await until(lambda: {*group.handled, *given_up} == set(names), running=[running])
        assert consumer.holds_nothing()
    assert len(given_up) <= 3 * AT_START
    letters = await read_all(group.kafka.bootstrap_servers, group.dead_letter_topic)
    assert sorted((letter.key or b"").decode() for letter in letters) == sorted(given_up)
    assert sum((await group.committed()).values()) == 300
    assert len(group.handled) >= 300 - 3 * AT_START


async def test_what_hits_a_fault_of_ours_holds_up_nobody(group: GroupUnderTest) -> None:
    """Two thousand records that no handler bears, far more than are taken at once otherwise: what is behind them is handled."""

    async def handle(message: Message) -> None:
        if (message.key or "").startswith("bad"):
            raise RuntimeError("a bug")
        group.handled.append(message.key or "")

    await group.produce(f"bad{number}" for number in range(2000))
    await group.produce(["good"])
    async with group.member(handle, retry=QUICK) as (_, running):
        await until(lambda: group.handled == ["good"], running=[running])


async def test_a_retryable_message_waits_for_its_dependency_and_holds_up_no_other(group: GroupUnderTest) -> None:
    """It is tried until it works; the others finish meanwhile; its partition commits nothing above it until then."""
    tries = 0
    away = asyncio.Event()
    away.set()

    async def handle(message: Message) -> None:
        nonlocal tries
        if message.key == "c7":
            tries += 1
            if away.is_set():
                raise Retryable("the store is away")
        group.handled.append(message.key or "")

    names = [f"c{number}" for number in range(60)]
    await group.produce(names)
    (stuck,) = [record for record in await read_all(group.kafka.bootstrap_servers, group.topic) if record.key == b"c7"]
    async with group.member(handle, retry=QUICK, concurrency=2) as (consumer, running):
        await until(lambda: len(group.handled) == 59 and tries >= 8, running=[running])
        await consumer._commit()
        assert (await group.committed()).get(stuck.partition, 0) == stuck.offset
        away.clear()
        await until(lambda: len(group.handled) == 60, running=[running])
    assert sorted(group.handled) == sorted(names)
    assert sum((await group.committed()).values()) == 60
    assert await read_all(group.kafka.bootstrap_servers, group.dead_letter_topic) == []


async def test_an_unexpected_error_is_tried_a_few_times(group: GroupUnderTest) -> None:
    """A bug that only one record meets puts that one into dead letters after its attempts, and no other."""
    tries: list[str] = []

    async def handle(message: Message) -> None:
        tries.append(message.key or "")
        if message.key == "c3":
            raise ZeroDivisionError("a fault of ours")
        if message.key == "c4":
            raise asyncio.CancelledError  # something inside was cancelled, not the handler

    await group.produce([f"c{number}" for number in range(10)])
    async with group.member(handle, retry=QUICK):
        await _until_dead_letters(group, 2)
    letters = {
        record.key: dict(record.headers) for record in await read_all(group.kafka.bootstrap_servers, group.dead_letter_topic)
    }
    assert {key: headers["steno-attempts"] for key, headers in letters.items()} == {b"c3": b"3", b"c4": b"3"}
    assert letters[b"c3"]["steno-error-class"] == b"unexpected"
    assert letters[b"c3"]["steno-error-message"] == b"ZeroDivisionError: a fault of ours"
    assert sorted(tries) == sorted([*(f"c{number}" for number in range(10)), *["c3", "c4"] * 2])


async def test_a_tombstone_is_handed_on(group: GroupUnderTest) -> None:
    """A message without a value reaches the handler with its key and no record."""
    seen: list[Message] = []

    async def handle(message: Message) -> None:
        seen.append(message)

    await group.producer.send_raw(RECORDINGS, key=b"gone", value=None, headers=[("why", b"erased")])
    async with group.member(handle) as (_, running):
        await until(lambda: bool(seen), running=[running])
    assert (seen[0].key, seen[0].record, seen[0].headers) == ("gone", None, {"why": b"erased"})


async def test_a_record_of_another_topic_is_not_sent(group: GroupUnderTest) -> None:
    """The producer refuses what the catalogue does not name for the topic."""
    with pytest.raises(WrongRecord, match="does not belong on topic phrases"):
        await group.producer.send(PHRASES, recording("c"))


async def _until_dead_letters(group: GroupUnderTest, count: int) -> None:
    async with asyncio.timeout(20):
        while len(await read_all(group.kafka.bootstrap_servers, group.dead_letter_topic)) < count:
            await asyncio.sleep(0.05)


async def _ignore(message: Message) -> None:
    pass
