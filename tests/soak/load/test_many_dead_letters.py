"""A hundred thousand dead letters are sent back, by processes that are stopped and killed meanwhile."""

import asyncio
import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import psutil
from aiokafka import AIOKafkaConsumer
from support.kafka import read_all
from support.kernel import CODEC, GROUP

from steno.events.catalogue import DEAD_LETTERS, RECORDINGS
from steno.kafka import Cluster, create_topics
from steno.settings import KafkaSettings, TopicSettings

LETTERS = 100_000
AT_ONCE = 1000
VALUE = bytes(300)
MOST_MB = 300
MOST_TWICE = 500
"""Letters of one batch, which a kill may send twice."""


async def sent_so_far(kafka: str, origin: str) -> int:
    """How many messages the topic of origin has."""
    client = AIOKafkaConsumer(origin, bootstrap_servers=kafka, auto_offset_reset="earliest")
    await client.start()
    try:
        return sum((await client.end_offsets(client.assignment())).values())
    finally:
        await client.stop()


async def redrive(
    environment: Mapping[str, str], origin: str, *, ended_by: signal.Signals | None = None, at: int = 0
) -> dict[str, Any]:
    """Runs the command, which a signal ends once so many were sent; returns status, JSON, seconds and its largest memory."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "steno.cli", "dead-letters", "redrive", "--all", "--json"),
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    began, memory = time.monotonic(), 0
    output = asyncio.create_task(process.communicate())
    while not output.done():
        with suppress(psutil.Error):
            memory = max(memory, psutil.Process(process.pid).memory_info().rss)
        if ended_by is not None and await sent_so_far(environment["KAFKA_BOOTSTRAP_SERVERS"], origin) >= at:
            process.send_signal(ended_by)
            ended_by = None
        await asyncio.sleep(0.1)
    stdout, stderr = await output
    said = json.loads(stdout) if stdout.strip() else {"stderr": stderr.decode()}
    return {"status": process.returncode, "seconds": round(time.monotonic() - began, 1), "mb": memory >> 20, **said}


async def test_a_hundred_thousand_letters_go_back(kafka: str, topic_prefix: str) -> None:
    """Each once, over a Ctrl-C, and at most one batch twice after a kill; with bounded memory; a last run sends nothing."""
    environment = {"KAFKA_BOOTSTRAP_SERVERS": kafka, "STENO_TOPIC_PREFIX": topic_prefix, "STENO_TOPIC_PARTITIONS": "4"}
    settings, topics = KafkaSettings(bootstrap_servers=kafka), TopicSettings(prefix=topic_prefix, partitions=4)
    await create_topics(settings, topics, [RECORDINGS, DEAD_LETTERS])
    cluster = Cluster.of(settings, topics, CODEC, service=GROUP)
    origin = cluster.topic_name(RECORDINGS)
    headers = [("steno-origin-topic", origin.encode()), ("steno-error-class", b"undecodable"), ("steno-service", b"ingest")]
    for first in range(0, LETTERS, AT_ONCE):
        keys = [b"%d" % number for number in range(first, first + AT_ONCE)]
        await asyncio.gather(*(cluster.producer.send_raw(DEAD_LETTERS, key=key, value=VALUE, headers=headers) for key in keys))
    await cluster.producer.stop()

    stopped = await redrive(environment, origin, ended_by=signal.SIGINT, at=LETTERS // 10)
    once = Counter(record.key for record in await read_all(kafka, origin))
    killed = await redrive(environment, origin, ended_by=signal.SIGKILL, at=LETTERS // 4)
    rest = await redrive(environment, origin)
    last = await redrive(environment, origin)
    for name, run in (("stopped", stopped), ("killed", killed), ("rest", rest), ("last", last)):
        print(name, run)
    found = Counter(record.key for record in await read_all(kafka, origin))
    print("sent twice:", sum(found.values()) - LETTERS)

    assert (stopped["status"], killed["status"], rest["status"], last["status"]) == (130, -signal.SIGKILL, 0, 0)
    assert stopped["stopped"]
    assert 0 < stopped["sent"] == len(once) == sum(once.values()) < LETTERS
    assert len(found) == LETTERS
    assert sum(found.values()) - LETTERS <= MOST_TWICE
    assert (last["sent"], last["sent_before"]) == (0, LETTERS)
    assert max(run["mb"] for run in (stopped, rest, last)) < MOST_MB
