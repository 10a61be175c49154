"""Three real brokers on this machine."""

import asyncio

from aiokafka import AIOKafkaProducer
from support.kafka import create_topic, read_all

from steno.broker import LocalCluster


async def test_the_loss_of_one_of_three_brokers_loses_no_acknowledged_record() -> None:
    """One is killed: sends go on, and every acknowledged record is there once, then and after it came back."""
    async with LocalCluster(brokers=3) as cluster:
        await create_topic(cluster.bootstrap_servers, "survives", partitions=3, copies=3)
        acknowledged: list[bytes] = []
        async with AIOKafkaProducer(
            bootstrap_servers=cluster.bootstrap_servers, acks="all", enable_idempotence=True, request_timeout_ms=5000
        ) as producer:

            async def send(first: int, last: int) -> None:
                for number in range(first, last):
                    value = b"%d" % number
                    await producer.send_and_wait("survives", value, key=value)
                    acknowledged.append(value)

            await send(0, 100)
            await cluster.brokers[0].kill()
            await send(100, 200)
            assert len(cluster.pids) == 2
            survivors = ",".join(broker.address for broker in cluster.brokers[1:])
            found = [record.value for record in await read_all(survivors, "survives")]
            assert sorted(found) == sorted(acknowledged)
            assert len(acknowledged) == 200
            sending = asyncio.create_task(send(200, 300))
            await cluster.brokers[0].start()
            await sending
        assert len(cluster.pids) == 3
        found = [record.value for record in await read_all(cluster.bootstrap_servers, "survives")]
        assert sorted(found) == sorted(acknowledged)
