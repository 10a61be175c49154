"""The Faust app and its table with a changelog, to be run inside a service.

Parts of Faust 0.15.3 that are replaced or turned off, and why:

- Its commits, and how it comes back from a recovery: see `steno_enricher.done_consumer`.
- Its writing of tables: `table[key] = value` sends the changelog record and does not wait, so the offset of a message may be
  committed although its row is lost. `TableRows` waits for the acknowledgement, then changes the memory. It writes through the
  producer of the service, so that an insight and a row go to Kafka in one request.
- Its web server, signal handlers, redirection of standard output and data folder; its making of topics.

The store is memory: a row is a few kilobytes and lives as long as its call and an hour, so the table of one process fits many
times over; RocksDB would be slower (2,600 against 3,100 events a second) and bind the process to a disk. Concurrency is 1: with
more, Faust commits past records still running; scale by partitions.
"""

import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, ClassVar, cast

import faust
import structlog
from faust.auth import OAuthCredentials
from faust.tables.manager import TableManager
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from faust.types.auth import CredentialsT
from yarl import URL

from steno.events.catalogue import CALLS, ENRICHER_CHANGELOG, PHRASES, TRANSCRIPTS
from steno.kafka import Cluster, Producer, client_options
from steno.settings import KafkaSettings
from steno_enricher.done_consumer import DoneConsumer

log = structlog.get_logger("steno.enricher.faust_app")

SOURCES = (PHRASES, TRANSCRIPTS, CALLS)
"""The topics that are read."""

# Faust derives the name of the changelog, `steno.events.catalogue.ENRICHER_CHANGELOG`, from this one and the group.
_TABLE = "calls"
_SESSION_SECONDS = 10.0
_REBALANCE_SECONDS = 60.0
_COMMIT_EVERY_SECONDS = 0.5
_BUFFERED_RECORDS = 256
_HOLE_SECONDS = 2.0


class _Transport(driver.Transport):
    Consumer: ClassVar[type[DoneConsumer]] = DoneConsumer


class _TableManager(TableManager):
    async def on_start(self) -> None:
        """Does what Faust's does, without its second of sleep, which is for tables that are declared late."""
        await self._update_channels()
        await self.recovery.start()

    def on_actives_ready(self) -> None:
        """Does what Faust's does, and stops reading the changelog: from here on this member alone writes it."""
        super().on_actives_ready()
        cast(App, self.app).done_consumer.leave_changelog()


class App(faust.App):
    """A Faust app that makes no folder and commits only the offsets of handled messages."""

    #: Ends of changelog partitions that look like holes: the offset read, and since when.
    _holes: Mapping[TP, tuple[int, float]] = MappingProxyType({})

    def _create_directories(self) -> None:
        """Does nothing: the memory store needs no folder."""

    def _new_transport(self) -> _Transport:
        return _Transport(self.conf.broker_consumer, self)

    @property
    def done_consumer(self) -> DoneConsumer:
        """The consumer, by its own type."""
        return cast(DoneConsumer, self.consumer)

    @property
    def coordination_ended(self) -> bool:
        """Whether aiokafka's task for coordination with the group has ended, as it does silently after an unexpected error."""
        client = getattr(self.done_consumer._thread, "_consumer", None)
        task = getattr(getattr(client, "_coordinator", None), "_coordination_task", None)
        return task is not None and task.done()

    async def skip_holes(self) -> None:
        """Lets a recovery finish where a changelog partition has no record at its last offsets; called regularly.

        Faust waits for a record there for ever; after compaction there may be none (faust-streaming issues #176, #597).
        It is a hole where the position is past the end and every fetched record has been read, for a while: records may still
        be on their way from the fetch to the table.
        """
        recovery = cast(TableManager, self.tables).recovery
        holes: dict[TP, tuple[int, float]] = {}
        for partition in list(recovery.active_tps) if recovery.in_recovery else ():
            highest, read = recovery.active_highwaters.get(partition), recovery.active_offsets.get(partition)
            if highest is None or read is None or read >= highest:
                continue
            position = await self.consumer.position(partition)
            if position is None or position <= highest or self.done_consumer.fetched_changelog.get(partition, -1) > read:
                continue
            seen_read, since = self._holes.get(partition, (read, time.monotonic()))
            if seen_read == read and time.monotonic() - since > _HOLE_SECONDS:
                log.info("recovery.hole_passed", partition=partition.partition, offsets=highest - read)
                recovery.active_offsets[partition] = highest
            else:
                holes[partition] = (read, since) if seen_read == read else (read, time.monotonic())
        self._holes = holes


class TableRows:
    """The table of rows (`steno_enricher.rows.Rows`); a change is visible once it is on all replicas of the changelog."""

    def __init__(self, app: App, producer: Producer, *, partitions: int) -> None:
        self._producer = producer
        self._table: Any = app.Table(_TABLE, key_type=bytes, value_type=bytes, partitions=partitions)

    def get(self, key: bytes) -> bytes | None:
        row: bytes | None = self._table.data.get(key)
        return row

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        return iter(list(self._table.data.items()))

    def partition(self, key: bytes) -> int:
        partition: int = self._table.data._key_partition[key]
        return partition

    def __len__(self) -> int:
        return len(self._table.data)

    async def put(self, key: bytes, row: bytes, *, partition: int) -> None:
        await self._producer.send_raw(ENRICHER_CHANGELOG, key=key, value=row, headers=(), partition=partition)
        self._table.data[key] = row
        # By this the store forgets the rows of partitions that go to another member.
        self._table.data._key_partition[key] = partition

    async def delete(self, key: bytes) -> None:
        await self._producer.send_raw(ENRICHER_CHANGELOG, key=key, value=None, headers=(), partition=self.partition(key))
        del self._table.data[key]
        del self._table.data._key_partition[key]


def make_app(cluster: Cluster) -> App:
    """Makes an app without agents; called on the event loop that will run it."""
    # The consumer group is also Faust's app id and the prefix of its internal topics.
    group = cluster.group_name()
    return App(
        group,
        broker=[URL(f"kafka://{server.strip()}") for server in cluster.kafka.bootstrap_servers.split(",")],
        broker_credentials=_credentials(cluster.kafka),
        broker_client_id=f"steno-{group}-{cluster.instance}",
        # Static membership: started again within the session, a process has its partitions back at once.
        consumer_group_instance_id=f"{group}-{cluster.instance}",
        broker_session_timeout=_SESSION_SECONDS,
        broker_heartbeat_interval=1.0,
        broker_rebalance_timeout=_REBALANCE_SECONDS,
        broker_request_timeout=_REBALANCE_SECONDS + 10,
        broker_max_poll_interval=300.0,
        broker_max_poll_records=_BUFFERED_RECORDS,
        broker_commit_interval=_COMMIT_EVERY_SECONDS,
        consumer_auto_offset_reset="earliest",
        processing_guarantee="at_least_once",
        stream_buffer_maxsize=_BUFFERED_RECORDS,
        stream_recovery_delay=0.0,
        store="memory://",
        table_standby_replicas=0,
        topic_allow_declare=False,
        topic_disable_leader=True,
        topic_partitions=cluster.topics.partitions,
        web_enabled=False,
        TableManager=_TableManager,
    )


def consume(app: App, cluster: Cluster, work: Callable[[Any], Awaitable[None]]) -> None:
    """Has the app pass the raw messages of `SOURCES` to `work`, one at a time and in order within a partition."""
    # One agent on all topics: two would work on the same row at once.
    source = app.topic(
        *(cluster.topic_name(topic) for topic in SOURCES),
        key_type=bytes,
        value_type=bytes,
        key_serializer="raw",
        value_serializer="raw",
        allow_empty=True,
    )

    async def enrich(stream: Any) -> None:
        async for event in stream.events():
            await work(event.message)

    app.agent(source, name="enrich", concurrency=1)(enrich)


def _credentials(kafka: KafkaSettings) -> CredentialsT | None:
    """The options that every other client has, in Faust's form."""
    options = client_options(kafka)
    context = options.get("ssl_context")
    if not kafka.authenticated:
        return faust.SSLCredentials(context=context) if kafka.encrypted else None
    if "sasl_oauth_token_provider" in options:
        return OAuthCredentials(oauth_cb=options["sasl_oauth_token_provider"], ssl_context=context)
    return faust.SASLCredentials(
        mechanism=options["sasl_mechanism"],
        username=options["sasl_plain_username"],
        password=options["sasl_plain_password"],
        ssl_context=context,
    )
