"""What any Python service of live calls does at the least: audio from WebSockets to Kafka, and something back from there.

Two processes with nothing but `websockets` and aiokafka in them. The first puts each frame on a topic, as safely as Steno does,
acknowledges twice a second what Kafka has, and sends its peers what comes of it; the second reads the audio and answers every
other frame with a record that says how far it has heard, as a transcriber does. They speak as much of Steno's protocol as the
generator needs. No ledger, no order kept when a send fails, no schemas, no voice activity, no recording, no metrics.
"""

import asyncio
import json
import multiprocessing
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from multiprocessing.connection import Connection
from typing import Any

import psutil
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from steno.chassis import allow_many_files
from steno.local_ports import HOST

AUDIO, HEARD = "echo-audio", "echo-heard"
_PARTITIONS = 4
_ACKNOWLEDGE_SECONDS = 0.5
_FRAMES_FOR_EACH_ANSWER = 2
_FRAME_MS = 100


@asynccontextmanager
async def echo(kafka: str) -> AsyncIterator[tuple[str, dict[str, psutil.Process]]]:
    """Both processes on a Kafka of their own: the URL of the first, and what runs."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    await admin.create_topics([NewTopic(topic, _PARTITIONS, 1) for topic in (AUDIO, HEARD)])
    await admin.close()
    context = multiprocessing.get_context("spawn")
    running = {}
    told = []
    try:
        for name, work in (("door", _door), ("worker", _worker)):
            ours, theirs = context.Pipe()
            running[name] = context.Process(target=_run, args=(work.__name__, kafka, theirs), daemon=True)
            running[name].start()
            told.append(await asyncio.to_thread(ours.recv))
        yield f"http://{HOST}:{told[0]}", {name: psutil.Process(process.pid) for name, process in running.items()}
    finally:
        for process in running.values():
            process.kill()
            await asyncio.to_thread(process.join)


def _run(work: str, kafka: str, connection: Connection) -> None:
    allow_many_files()
    asyncio.run({"_door": _door, "_worker": _worker}[work](kafka, connection))


async def _producer(kafka: str) -> AIOKafkaProducer:
    """With the options that Steno's own has."""
    producer = AIOKafkaProducer(
        bootstrap_servers=kafka,
        enable_idempotence=True,
        acks="all",
        linger_ms=5,
        max_batch_size=131_072,
        compression_type="zstd",
    )
    await producer.start()
    return producer


async def _door(kafka: str, connection: Connection) -> None:
    producer = await _producer(kafka)
    heard = AIOKafkaConsumer(HEARD, bootstrap_servers=kafka)
    await heard.start()
    peers: dict[bytes, ServerConnection] = {}

    async def serve_call(socket: ServerConnection) -> None:
        with suppress(ConnectionClosed):
            await _serve_call(socket, producer, peers, number=len(peers))

    server: Server = await serve(serve_call, HOST, 0, compression=None, ping_interval=None)
    connection.send(next(iter(server.sockets)).getsockname()[1])
    async for record in heard:
        peer = peers.get(record.key)
        if peer is not None:
            with suppress(ConnectionClosed):
                await peer.send(record.value, text=True)


async def _serve_call(
    socket: ServerConnection, producer: AIOKafkaProducer, peers: dict[bytes, ServerConnection], *, number: int
) -> None:
    call_id = json.loads(await socket.recv())["call_id"].encode()
    peers[call_id] = socket
    await socket.send(json.dumps({"type": "started", "call_id": call_id.decode(), "sequence": 0, "position": 0}))
    position = safe = 0
    told_at = time.monotonic()

    def acknowledged(delivery: "asyncio.Future[Any]", *, upto: int) -> None:
        nonlocal safe
        delivery.result()
        safe = upto

    async for audio in socket:
        position += len(audio) // 2
        delivery = await producer.send(AUDIO, audio, key=call_id, partition=number % _PARTITIONS)
        delivery.add_done_callback(lambda done, upto=position: acknowledged(done, upto=upto))
        if (now := time.monotonic()) - told_at >= _ACKNOWLEDGE_SECONDS:
            told_at = now
            await socket.send(json.dumps({"type": "ack", "position": safe}))


async def _worker(kafka: str, connection: Connection) -> None:
    producer = await _producer(kafka)
    audio = AIOKafkaConsumer(AUDIO, bootstrap_servers=kafka, group_id="echo")
    await audio.start()
    connection.send(None)
    frames: Counter[bytes] = Counter()
    while True:
        for where, records in (await audio.getmany(timeout_ms=200)).items():
            for record in records:
                frames[record.key] += 1
                if frames[record.key] % _FRAMES_FOR_EACH_ANSWER == 0:
                    said = {"type": "hypothesis", "start_ms": 0, "duration_ms": frames[record.key] * _FRAME_MS}
                    value = json.dumps(said).encode()
                    await producer.send(HEARD, value, key=record.key, partition=where.partition)
