"""How commands reach Kafka: the cluster of the environment, else that of the suite which runs on a data folder."""

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import structlog
import typer

from steno.cli import run_file
from steno.cli.terminal import notes
from steno.errors import StenoError
from steno.events.codec import Codec
from steno.events.registry import schema_ids
from steno.kafka import Cluster
from steno.settings import KafkaSettings, SchemaSettings, SettingsError, TopicSettings, read_group

T = TypeVar("T")

_VARIABLE = "KAFKA_BOOTSTRAP_SERVERS"


class NoKafka(StenoError):
    """No cluster is named; the message is for a person."""


def kafka_settings(data: Path) -> KafkaSettings:
    """Reads the settings of Kafka: the brokers of the environment, else those of the suite of a data folder.

    Raises:
        NoKafka: neither is there.
        SettingsError: a setting is not valid.
    """
    settings = read_group(KafkaSettings)
    if os.environ.get(_VARIABLE):
        return settings
    try:
        servers = str(run_file.read(data)["kafka"])
    except (OSError, ValueError, KeyError, TypeError):
        raise NoKafka(
            f"no Kafka is named, and no suite runs on {data}: set {_VARIABLE}, or name the data folder of a suite by --data"
        ) from None
    return settings.model_copy(update={"bootstrap_servers": servers})


def run_on_kafka(data: Path, work: Callable[[Cluster], Awaitable[T]]) -> T:
    """Runs work on a cluster; an error that is meant for the user is printed and ends the command with status 1."""

    async def run(cluster: Cluster, _stopping: asyncio.Event) -> T:
        return await work(cluster)

    return _run_or_exit(data, run, stoppable=False)


def run_stoppable(data: Path, work: Callable[[Cluster, asyncio.Event], Awaitable[T]]) -> T:
    """Like `run_on_kafka`, for work that Ctrl-C must not cut short: it gets an event that the first Ctrl-C sets, and ends
    in order. The second Ctrl-C ends the process as usual."""
    return _run_or_exit(data, work, stoppable=True)


def _run_or_exit(data: Path, work: Callable[[Cluster, asyncio.Event], Awaitable[T]], *, stoppable: bool) -> T:
    try:
        with quiet():
            return asyncio.run(_run(data, work, stoppable=stoppable))
    except (StenoError, SettingsError) as error:
        notes.print_error(error)
        raise typer.Exit(1) from None


@contextmanager
def quiet() -> Iterator[None]:
    """Silences the logs of the Kafka client and of the kernel: what concerns the user, the command says itself."""
    client, before = logging.getLogger("aiokafka"), structlog.get_config()
    level = client.level
    client.setLevel(logging.CRITICAL + 1)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        yield
    finally:
        client.setLevel(level)
        structlog.configure(**before)


async def _run(data: Path, work: Callable[[Cluster, asyncio.Event], Awaitable[T]], *, stoppable: bool) -> T:
    kafka, topics, schemas = kafka_settings(data), read_group(TopicSettings), read_group(SchemaSettings)
    cluster = Cluster.of(kafka, topics, Codec(await schema_ids(schemas)), service="cli")
    stopping = asyncio.Event()
    if stoppable and threading.current_thread() is threading.main_thread():
        loop = asyncio.get_running_loop()

        def stop() -> None:
            loop.remove_signal_handler(signal.SIGINT)
            stopping.set()

        loop.add_signal_handler(signal.SIGINT, stop)
    try:
        return await work(cluster, stopping)
    finally:
        await cluster.producer.stop()
