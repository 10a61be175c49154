"""A client without a consumer group is closed, whatever happened to it."""

import asyncio
from typing import Any

import pytest
from aiokafka.errors import KafkaTimeoutError
from support.kernel import cluster_without_broker

from steno.kafka import member, reader
from steno.kafka.errors import KafkaUnavailable


class Connections:
    """What is left to close once fetches have ended."""

    closed = 0

    async def close(self) -> None:
        Connections.closed += 1


class Client:
    """A client that cancels its own fetches when it is stopped, as aiokafka's does after its broker has gone."""

    def __init__(self, **_options: Any) -> None:
        self._client = Connections()

    async def start(self) -> None:
        pass

    async def stop(self) -> None:
        await asyncio.sleep(0)
        raise asyncio.CancelledError


@pytest.fixture(autouse=True)
def client(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each reader gets such a client."""
    monkeypatch.setattr(reader, "AIOKafkaConsumer", Client)


async def test_the_error_is_that_of_kafka() -> None:
    """The cancellation within the client does not take its place."""
    with pytest.raises(KafkaUnavailable, match="KAFKA_BOOTSTRAP_SERVERS"):
        async with reader.reader(cluster_without_broker()):
            raise KafkaTimeoutError


async def test_a_cancelled_reader_is_cancelled() -> None:
    """Its own cancellation is not mistaken for that of the client."""
    opened = asyncio.Event()

    async def read() -> None:
        async with reader.reader(cluster_without_broker()):
            opened.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(read())
    await opened.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_member_leaves_though_its_brokers_are_gone() -> None:
    """So a service that stops at the same time as Kafka ends with its own status; connections are closed all the same."""
    before = Connections.closed
    await member._leave(Client())
    assert Connections.closed == before + 1
