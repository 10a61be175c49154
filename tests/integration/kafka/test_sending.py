"""The producer against a real broker."""

import asyncio
import os

import pytest
from aiokafka.errors import KafkaError
from support.kafka import create_topic, read_all
from support.kernel import CODEC, GroupUnderTest, recording

from steno.events.catalogue import PHRASES, RECORDINGS
from steno.kafka.errors import KafkaUnavailable, RecordRefused
from steno.kafka.producer import Producer
from steno.kafka.topics import topic_name


async def test_a_record_arrives_as_it_was_encoded_and_a_header_given_wins(group: GroupUnderTest) -> None:
    """Key, value and headers are those of `encode`; what an outbox kept and sent raw is the same message."""
    encoded = group.producer.encode(RECORDINGS, recording("call"), event_id="e1")
    await group.producer.send_raw(RECORDINGS, key=encoded.key, value=encoded.value, headers=encoded.headers)
    trace = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    await group.producer.send(RECORDINGS, recording("call"), event_id="e1", headers={"traceparent": trace})
    relayed, sent = await read_all(group.kafka.bootstrap_servers, group.topic)
    assert (relayed.key, relayed.value, relayed.headers) == (encoded.key, encoded.value, encoded.headers)
    assert (sent.key, sent.value, dict(sent.headers)["traceparent"]) == (encoded.key, encoded.value, trace)
    assert relayed.partition == sent.partition


async def test_a_record_that_kafka_refuses_harms_no_other(group: GroupUnderTest) -> None:
    """A batch given up leaves a hole in an idempotent producer's sequence; the records after it arrive all the same."""
    refused = os.urandom(1_500_000)
    for _ in range(2):
        with pytest.raises(RecordRefused, match="a record of 1500132 bytes is too large"):
            await group.producer.send_raw(RECORDINGS, key=b"call", value=refused, headers=[])
        await group.producer.send(RECORDINGS, recording("call"))
    assert len(await read_all(group.kafka.bootstrap_servers, group.topic)) == 2


async def test_a_broker_with_a_small_limit_refuses_what_is_too_large_by_itself_and_nothing_else(group: GroupUnderTest) -> None:
    """Batches of small records shrink until they fit; a record beyond the limit is refused, however many go beside it."""
    name = topic_name(group.topics, PHRASES)
    await create_topic(group.kafka.bootstrap_servers, name, configs={"max.message.bytes": "20000"})

    async def send(value: bytes) -> None:
        while True:
            try:
                return await group.producer.send_raw(PHRASES, key=b"call", value=value, headers=[])
            except KafkaUnavailable:
                await asyncio.sleep(0.01)

    small = [number.to_bytes(2, "big") + os.urandom(998) for number in range(60)]
    outcomes = await asyncio.gather(*map(send, [*small[:30], os.urandom(40_000), *small[30:]]), return_exceptions=True)
    refused = [outcome for outcome in outcomes if outcome is not None]
    assert [type(error) for error in refused] == [RecordRefused]
    assert {record.value for record in await read_all(group.kafka.bootstrap_servers, name)} == set(small)


async def test_a_record_beyond_a_small_limit_is_refused_at_once(group: GroupUnderTest) -> None:
    """Batches shrink until it is alone in one, without a wait of whoever sends it for each size."""
    name = topic_name(group.topics, PHRASES)
    await create_topic(group.kafka.bootstrap_servers, name, configs={"max.message.bytes": "700"})
    with pytest.raises(RecordRefused):
        await group.producer.send_raw(PHRASES, key=b"call", value=os.urandom(1_200), headers=[])
    await group.producer.send_raw(PHRASES, key=b"call", value=b"small", headers=[])


async def test_the_order_of_one_key_is_that_of_the_sends(group: GroupUnderTest) -> None:
    """Many in flight at once, one key: they stand in the order in which they were sent."""
    names = [f"{number}" for number in range(500)]
    await asyncio.gather(*(group.producer.send_raw(RECORDINGS, key=b"call", value=name.encode(), headers=[]) for name in names))
    assert [record.value.decode() for record in await read_all(group.kafka.bootstrap_servers, group.topic)] == names


async def test_stop_waits_for_what_is_in_flight(group: GroupUnderTest) -> None:
    """What was being sent at stop is acknowledged; a send after it is refused."""
    producer = Producer(group.kafka, group.topics, CODEC, source="test", max_in_flight=50)
    await producer.start()
    sending = [asyncio.create_task(producer.send(RECORDINGS, recording(f"c{number}"))) for number in range(50)]
    await asyncio.sleep(0)
    await producer.stop()
    await asyncio.gather(*sending)
    with pytest.raises(KafkaUnavailable, match="stopped"):
        await producer.send(RECORDINGS, recording("late"))
    assert len(await read_all(group.kafka.bootstrap_servers, group.topic)) == 50


async def test_a_record_that_waits_for_its_topic_does_not_wait_on_a_client_that_is_replaced(group: GroupUnderTest) -> None:
    """Whoever sends it is to send it again, and it then goes by the new client."""
    await group.producer.send(RECORDINGS, recording("call"))
    waiting = asyncio.create_task(group.producer.send_raw(PHRASES, key=b"call", value=b"1", headers=[]))
    await asyncio.sleep(0)
    client = group.producer._client
    assert client is not None
    while topic_name(group.topics, PHRASES) not in client.client._topics:
        await asyncio.sleep(0.01)
    group.producer._discard(client, KafkaError("a batch of another topic was given up"))
    async with asyncio.timeout(20):
        with pytest.raises(KafkaUnavailable, match="replaced"):
            await waiting
    await create_topic(group.kafka.bootstrap_servers, topic_name(group.topics, PHRASES))
    await group.producer.send_raw(PHRASES, key=b"call", value=b"1", headers=[])
    assert len(await read_all(group.kafka.bootstrap_servers, topic_name(group.topics, PHRASES))) == 1
