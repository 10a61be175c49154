"""A member of a group as a process, which a test may kill or suspend.

It handles the records of the group under test (each takes the `work_seconds` of its properties, and holds the event loop
for its `block_seconds`), in any order or in that of the log, and tells the test of each.
SIGTERM stops it in order. The processes are forked from a server that has imported everything, so that one starts in no time.
"""

import asyncio
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

from support.kernel import CODEC, GroupUnderTest
from support.kernel_log import RecordedLog

from steno.events.records import RecordingSubmitted
from steno.kafka import Cluster
from steno.kafka.errors import ConsumerEnded
from steno.kafka.member import GroupMember
from steno.kafka.messages import Message
from steno.settings import KafkaSettings, TopicSettings

_PROCESSES = multiprocessing.get_context("forkserver")
# What is slow to import; the server does not see this folder, which only pytest puts on the path.
_PROCESSES.set_forkserver_preload(["aiokafka.admin", "steno.kafka"])


class MemberProcess:
    """A running member, with its reports so far."""

    def __init__(self, group: GroupUnderTest, instance: str, **options: Any) -> None:
        #: Keys whose handler was called.
        self.begun: list[str] = []
        #: Keys whose handler returned.
        self.handled: list[str] = []
        #: Whether it has joined its group.
        self.ready = False
        #: The class of the error that ended it.
        self.failure: str | None = None
        self._told, telling = _PROCESSES.Pipe(duplex=False)
        self._process = _PROCESSES.Process(
            target=_main, args=(group.kafka.bootstrap_servers, group.topics.prefix, instance, telling, options)
        )
        self._process.start()
        telling.close()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def signal(self, number: signal.Signals) -> None:
        """Sends it a signal; after SIGKILL it waits for its end."""
        assert self._process.pid is not None
        os.kill(self._process.pid, number)
        if number == signal.SIGKILL:
            self._join()

    @property
    def status(self) -> int | None:
        """Its exit status; None while it runs."""
        return self._process.exitcode

    def end(self) -> int | None:
        """Stops it in order, suspended or not, and returns its exit status."""
        if self._process.is_alive():
            self.signal(signal.SIGCONT)
            self.signal(signal.SIGTERM)
        self._join()
        return self._process.exitcode

    def _join(self) -> None:
        self._process.join(20)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
            raise AssertionError("the member did not stop in time")
        self._reader.join()

    def _read(self) -> None:
        with self._told:
            while True:
                try:
                    what, key = self._told.recv()
                except (EOFError, ConnectionResetError):
                    return
                if what == "ready":
                    self.ready = True
                elif what == "failed":
                    self.failure = key
                else:
                    (self.begun if what == "begun" else self.handled).append(key)


@contextmanager
def member_process(group: GroupUnderTest, instance: str, **options: Any) -> Iterator[MemberProcess]:
    """Runs a member inside the block; the options are those of its consumer, and `in_order` chooses its kind."""
    member = MemberProcess(group, instance, **options)
    try:
        yield member
    finally:
        member.end()


def _main(servers: str, prefix: str, instance: str, telling: Connection, options: dict[str, Any]) -> None:
    asyncio.run(_run(servers, prefix, instance, telling, options, options.pop("in_order", False)))


async def _run(servers: str, prefix: str, instance: str, telling: Connection, options: dict[str, Any], in_order: bool) -> None:
    kafka, topics = KafkaSettings(bootstrap_servers=servers), TopicSettings(prefix=prefix)
    cluster = Cluster.of(kafka, topics, CODEC, service="ingest")
    await cluster.producer.start()
    group = GroupUnderTest(cluster=cluster)

    async def handle(message: Message) -> None:
        assert isinstance(message.record, RecordingSubmitted)
        telling.send(("begun", message.key))
        await asyncio.sleep(float(message.record.properties.get("work_seconds", "0")))
        # On purpose: what a handler must not do.
        time.sleep(float(message.record.properties.get("block_seconds", "0")))  # noqa: ASYNC251
        telling.send(("handled", message.key))

    consumer: GroupMember
    if in_order:
        consumer = group.log_consumer(RecordedLog(handle), instance=instance, **options)
    else:
        consumer = group.consumer(handle, instance=instance, **options)
    running = asyncio.create_task(consumer.run())
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    helpers = [asyncio.create_task(_tell_when_ready(consumer, telling)), asyncio.create_task(stopping.wait())]
    try:
        await asyncio.wait([running, helpers[1]], return_when=asyncio.FIRST_COMPLETED)
        await consumer.stop()
        await running
    except ConsumerEnded as error:
        telling.send(("failed", error.error_class))
    finally:
        for helper in helpers:
            helper.cancel()
        await cluster.producer.stop()


async def _tell_when_ready(consumer: GroupMember, telling: Connection) -> None:
    while not consumer.ready():
        await asyncio.sleep(0.01)
    telling.send(("ready", ""))
