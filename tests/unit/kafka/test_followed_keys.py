"""What waits for whoever follows a key."""

import asyncio

import pytest
from aiokafka.structs import ConsumerRecord
from support.kernel import CODEC, cluster_without_broker, recording

from steno.events.catalogue import RECORDINGS
from steno.kafka.errors import FollowerTooSlow, KafkaUnavailable
from steno.kafka.followed_keys import FollowedKey, FollowedKeys


def put(following: FollowedKey, offset: int, value: bytes | None = None) -> None:
    value = CODEC.encode(recording("call")) if value is None else value
    following.put(RECORDINGS, ConsumerRecord("recordings", 0, offset, 0, 0, b"call", value, None, 0, 0, ()))


def follower(*, limit: int = 3) -> FollowedKey:
    return FollowedKey("call", positions={"recordings": 0}, limit=limit, codec=CODEC)


async def test_messages_come_in_their_order_and_garbage_does_not() -> None:
    """What is no record is left out; the end comes after the last that waits."""
    following = follower()
    put(following, 0)
    put(following, 1, b"{}")
    put(following, 2)
    following.end()
    assert [message.offset async for message in following] == [0, 2]


async def test_whoever_waits_is_woken_by_the_next_message_and_by_the_end() -> None:
    """Nobody polls."""
    following = follower()
    waiting = asyncio.create_task(anext(following))
    await asyncio.sleep(0)
    put(following, 7)
    assert (await waiting).offset == 7
    ending = asyncio.ensure_future(anext(following, None))
    await asyncio.sleep(0)
    following.end()
    assert await ending is None


async def test_more_than_the_limit_is_too_much_for_good() -> None:
    """The limit itself may wait; one more, and what follows comes no more."""
    following = follower(limit=2)
    put(following, 0)
    put(following, 1)
    assert (await anext(following)).offset == 0
    put(following, 2)
    put(following, 3)
    put(following, 4)
    for _ in range(2):
        with pytest.raises(FollowerTooSlow, match="more than 2 messages of call"):
            await anext(following)


def test_nothing_is_followed_before_kafka_was_reached() -> None:
    """It would not be known from where."""
    tail = FollowedKeys(cluster_without_broker(), [RECORDINGS])
    assert not tail.ready()
    with pytest.raises(KafkaUnavailable), tail.follow("call"):
        pass
