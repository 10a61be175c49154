"""Dead letters that Kafka does not take: the message is put aside all the same, and no other waits for it."""

from typing import Any

import pytest
from aiokafka import ConsumerRecord

from steno.events.catalogue import Topic
from steno.kafka.dead_letters import DeadLetters
from steno.kafka.errors import KafkaUnavailable, RecordRefused, WrongRecord
from steno.kafka.producer import Headers


class Narrow:
    """A topic that takes values up to a size."""

    def __init__(self, most: int, *, away: bool = False) -> None:
        self.most, self.away = most, away
        self.letters: list[tuple[bytes | None, bytes | None, dict[str, bytes]]] = []

    async def send_raw(self, _topic: Topic, *, key: bytes | None, value: bytes | None, headers: Headers) -> None:
        assert (key, value) != (None, None), "aiokafka takes no such record"
        if self.away:
            raise KafkaUnavailable("away")
        if len(key or b"") + len(value or b"") + sum(len(name) + len(text) for name, text in headers) > self.most:
            raise RecordRefused("too large")
        self.letters.append((key, value, dict(headers)))


def message(value: bytes | None = b"bad", key: bytes | None = b"call", **headers: bytes) -> Any:
    """A message of a topic."""
    return ConsumerRecord("steno.recordings", 3, 77, 0, 0, key, value, None, 0, 0, tuple(headers.items()))


def letters_to(topic: Any) -> DeadLetters:
    """Dead letters that go there."""
    return DeadLetters(topic, "ingest")


async def test_a_message_is_kept_as_it_came() -> None:
    """Key, value, its own headers, and what is said of it."""
    topic = Narrow(10_000)
    await letters_to(topic).put(message(traceparent=b"t"), WrongRecord("it is wrong"), 2)
    ((key, value, headers),) = topic.letters
    assert (key, value, headers["traceparent"]) == (b"call", b"bad", b"t")
    assert (headers["steno-error-class"], headers["steno-attempts"]) == (b"wrong_record", b"2")
    assert headers["steno-error-message"] == b"WrongRecord: it is wrong"
    assert "steno-left-out" not in headers


@pytest.mark.parametrize("bad", [message(value=b"x" * 5000), message(key=b"k" * 5000), message(large=b"h" * 5000)])
async def test_one_that_is_too_large_leaves_word_of_where_it_stands(bad: Any) -> None:
    """Large by its value, its key or its headers: a letter names topic, partition, offset and fault, and what it leaves out."""
    topic = Narrow(2000)
    await letters_to(topic).put(bad, WrongRecord("w" * 5000), 1)
    ((key, value, headers),) = topic.letters
    assert (key, value) == (None, b"")
    assert (headers["steno-origin-topic"], headers["steno-origin-partition"]) == (b"steno.recordings", b"3")
    assert (headers["steno-origin-offset"], headers["steno-error-class"]) == (b"77", b"wrong_record")
    assert b"read them at the origin" in headers["steno-left-out"]


async def test_where_nothing_is_taken_the_partition_goes_on() -> None:
    """The log has it; the message counts as done."""
    topic = Narrow(10)
    await letters_to(topic).put(message(), WrongRecord("it is wrong"), 1)
    assert topic.letters == []


async def test_while_kafka_is_away_it_is_not_done() -> None:
    """What is not known to be safe is tried again."""
    with pytest.raises(KafkaUnavailable):
        await letters_to(Narrow(10_000, away=True)).put(message(), WrongRecord("it is wrong"), 1)


async def test_a_reason_of_any_characters_and_a_message_of_nothing_are_kept() -> None:
    """Lone surrogates are no UTF-8, and aiokafka sends nothing that has neither key nor value."""
    topic = Narrow(10_000)
    await letters_to(topic).put(message(value=None, key=None), WrongRecord("\ud800"), 1)
    ((key, value, headers),) = topic.letters
    assert (key, value, headers["steno-error-message"]) == (None, b"", rb"WrongRecord: \ud800")
