"""How many dead letters the topic holds, on a real broker."""

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from support.kernel import GroupUnderTest, running, until

from steno.events.catalogue import DEAD_LETTERS
from steno.kafka import DeadLetterCount
from steno.kafka.client import client_options
from steno.kafka.metrics import DEAD_LETTERS_KEPT


def kept(topic: str) -> float | None:
    """What the gauge shows; None before the first count."""
    samples = next(iter(DEAD_LETTERS_KEPT.collect())).samples
    return next((sample.value for sample in samples if sample.labels["topic"] == topic), None)


async def test_the_dead_letters_that_the_topic_holds_are_counted(group: GroupUnderTest) -> None:
    """All partitions count, whoever wrote them; records that were deleted from the topic do not."""
    for number in range(7):
        await group.producer.send_raw(DEAD_LETTERS, key=f"c{number}".encode(), value=b"", headers=())
    assert kept(group.dead_letter_topic) is None
    async with running(DeadLetterCount(group.cluster)) as (_, task):
        await until(lambda: kept(group.dead_letter_topic) == 7, running=[task])
    admin = AIOKafkaAdminClient(**client_options(group.kafka))
    await admin.start()
    try:
        partitions = range(group.topics.partitions)
        everything = {
            TopicPartition(group.dead_letter_topic, number): RecordsToDelete(before_offset=-1) for number in partitions
        }
        await admin.delete_records(everything)
    finally:
        await admin.close()
    async with running(DeadLetterCount(group.cluster)) as (_, task):
        await until(lambda: kept(group.dead_letter_topic) == 0, running=[task])
