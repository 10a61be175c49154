"""A transcriber of recordings alone, and one of live calls alone."""

from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient
from support.recordings import excerpt
from support.transcriber_process import Installation, installation


async def members(steno: Installation, group: str) -> int:
    """How many members a consumer group has."""
    admin = AIOKafkaAdminClient(bootstrap_servers=steno.kafka.bootstrap_servers)
    await admin.start()
    try:
        (response,) = await admin.describe_consumer_groups([f"{steno.topics.prefix}{group}"])
        (described,) = response.groups
        return len(described[5])
    finally:
        await admin.close()


async def test_each_process_does_the_work_that_it_is_set_to(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    """It is ready with that alone, joins no other group, and leaves the other work to others."""
    async with installation(kafka, topic_prefix, tmp_path, {"STENO_TRANSCRIBER_WORK": "calls"}) as steno:
        await steno.submit("one", excerpt(tmp_path / "calls" / "call.wav", seconds=5).as_uri())
        await steno.transcriber.start()
        await steno.transcriber.ready()
        assert (await members(steno, "transcriber-live"), await members(steno, "transcriber")) == (1, 0)
        assert await steno.transcriber.stop() == 0
        steno.transcriber.environment |= {"STENO_TRANSCRIBER_WORK": "recordings", "STENO_TRANSCRIBER_INSTANCE": "1"}
        await steno.transcriber.start()
        await steno.until(lambda: "one" in steno.ended())
        joined = {
            line["group"]
            for line in steno.transcriber.lines
            if line["event"] == "consumer.assigned" and line["instance"] == "1"
        }
        assert joined == {f"{topic_prefix}transcriber"}
