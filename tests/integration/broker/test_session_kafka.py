"""What the session's Kafka gives to every test."""

from aiokafka import AIOKafkaProducer
from support.kafka import create_topic, read_all


async def test_a_record_goes_through_the_sessions_kafka(kafka: str, topic_prefix: str) -> None:
    """Wherever it comes from, a topic can be made on it, written and read."""
    topic = f"{topic_prefix}round-trip"
    await create_topic(kafka, topic, partitions=2)
    async with AIOKafkaProducer(bootstrap_servers=kafka) as producer:
        for partition in (1, 0):
            await producer.send_and_wait(topic, b"%d" % partition, partition=partition)
    assert [record.value for record in await read_all(kafka, topic)] == [b"0", b"1"]
