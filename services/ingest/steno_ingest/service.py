"""Builds ingest from its parts: REST and live calls, the ledger and its outbox, and the consumers of results."""

from contextlib import AsyncExitStack

from sqlalchemy.ext.asyncio import AsyncEngine

from steno.chassis import After, Component, Wiring
from steno.crypto import SecretBox
from steno.events.access import access_of
from steno.events.catalogue import HYPOTHESES, PHRASES, RECORDINGS, TRANSCRIPTS
from steno.http.auth import ApiKeys
from steno.http.health import Health
from steno.http.websockets import SERVER_OPTIONS
from steno.kafka import Cluster, Consumer, DeadLetterCount, FollowedKeys, LogConsumer, TopicMaker
from steno.storage import database
from steno.storage.objects import ObjectStore
from steno_ingest.balance_check import BalanceCheck
from steno_ingest.calls.doors.table import RESUMABLE, door_table
from steno_ingest.calls.hosting.drivers import Drivers
from steno_ingest.calls.hosting.host import CallHost
from steno_ingest.calls.hosting.reconciler import Reconciler
from steno_ingest.calls.ledger.account_rows import AccountRows
from steno_ingest.calls.ledger.call_ledger import CallLedger
from steno_ingest.calls.ledger.overdue_calls import OverdueCalls
from steno_ingest.calls.ledger.queries import CallQueries
from steno_ingest.calls.log.wiring import read_call_log
from steno_ingest.calls.transports.websocket_server import WebSocketServer
from steno_ingest.outbox import Outbox, Relay
from steno_ingest.recordings.intake import Intake
from steno_ingest.recordings.ledger import RecordingLedger
from steno_ingest.recordings.results import Results
from steno_ingest.recordings.transcripts import TranscriptReader
from steno_ingest.recordings.watched_folder import WatchedFolder
from steno_ingest.refusals import Refusals
from steno_ingest.rest.app import Dependencies, make_app
from steno_ingest.rest.rates import Rates
from steno_ingest.settings import IngestSettings
from steno_ingest.sweeper import Sweeper
from steno_ingest.totals import Totals
from steno_ingest.webhooks import Webhooks

CONSUMED = (RECORDINGS, TRANSCRIPTS, PHRASES)
"""The topics that the consumer group reads; `call-audio` has its own."""
FOLLOWED = (HYPOTHESES, PHRASES, TRANSCRIPTS)
"""The topics that are followed for the captions of live calls."""


async def build(settings: IngestSettings) -> Wiring:
    """Builds the service and migrates its database; starts nothing. Kafka need not be reachable."""
    resources = AsyncExitStack()
    engine = database.connect(settings.database_url.get_secret_value())
    resources.push_async_callback(engine.dispose)
    await database.migrate(engine, "steno_ingest")
    objects = ObjectStore(settings.objects.url, settings.objects.options)
    cluster = await Cluster.connect(settings)
    resources.push_async_callback(cluster.producer.stop)

    outbox = Outbox(cluster.producer)
    ledger = RecordingLedger(engine, outbox)
    calls, queries = CallLedger(engine, outbox), CallQueries(engine)
    intake = Intake(ledger, objects, max_bytes=settings.max_upload_bytes)
    topics = TopicMaker(cluster, access_of("ingest").topics)
    keys = ApiKeys(settings.api_keys_file)
    captions = FollowedKeys(cluster, FOLLOWED)
    host = CallHost(
        calls,
        cluster.producer,
        instance=settings.instance,
        chunk_ms=settings.chunk_ms,
        keep_digits=settings.keep_digits,
        resume_seconds=settings.resume_seconds,
        max_calls=settings.max_calls,
        drain_seconds=settings.drain_seconds,
        live_speed=settings.live_speed,
    )
    rates = Rates.of(settings)
    drivers = Drivers(host, captions, queries, idle_seconds=settings.idle_seconds)
    server = WebSocketServer(
        door_table(settings, keys),
        drivers,
        openings=rates.calls,
        wrong_keys=rates.wrong_keys,
        most_of_a_key=settings.max_calls_per_key,
    )
    reconciler = Reconciler(
        host, calls, instance=settings.instance, resumable=RESUMABLE, most_seconds=settings.max_call_hours * 3600
    )
    consumer = Consumer(
        cluster, subscribe=CONSUMED, handler=Results(ledger, calls).handle, concurrency=settings.consumer_concurrency
    )
    accounts = AccountRows(engine)
    call_log = read_call_log(
        settings,
        cluster,
        ledger=calls,
        accounts=accounts,
        intake=intake,
        objects=objects,
        hosted=host.calls.__contains__,
    )
    relay = Relay(
        outbox,
        engine,
        cluster.producer,
        on_refused=Refusals(ledger, calls).record,
        poll_seconds=settings.outbox_poll_seconds,
    )
    components: list[Component] = [] if settings.watch_folder is None else [WatchedFolder.of(settings, intake)]
    app = make_app(
        Dependencies(
            keys=keys,
            intake=intake,
            ledger=ledger,
            reader=TranscriptReader(objects),
            webhooks=Webhooks(engine, outbox, SecretBox(settings.secret_key)),
            calls=calls,
            hosted=host,
            objects=objects,
            engine=engine,
            rates=rates,
            links_secret_file=settings.links.secret_file,
        )
    )
    app.router.routes.append(server.route())
    on_kafka = [
        After(topics.made, component)
        for component in (captions, consumer, call_log.inactive_calls, call_log.consumer, relay, DeadLetterCount(cluster))
    ]
    return Wiring(
        app=app,
        server_options=SERVER_OPTIONS,
        health=_health(engine, objects, topics, consumer, call_log.consumer),
        components=[
            *components,
            drivers,
            reconciler,
            host,
            Sweeper(objects, accounts),
            OverdueCalls(calls, queries),
            BalanceCheck(engine),
            Totals(engine),
            topics,
            *on_kafka,
        ],
        resources=resources,
    )


def _health(engine: AsyncEngine, objects: ObjectStore, topics: TopicMaker, consumer: Consumer, call_log: LogConsumer) -> Health:
    health = Health()
    health.add_liveness("consumer", consumer.alive)
    health.add_liveness("call_log", call_log.alive)
    health.add_readiness("database", lambda: database.ping(engine))
    health.add_readiness("objects", objects.ping)
    health.add_readiness("topics", topics.made.is_set, why=lambda: topics.missing)
    health.add_readiness("consumer", consumer.ready)
    health.add_readiness("call_log", call_log.ready)
    health.add_notice("consumer_holds_nothing", consumer.holds_nothing)
    health.add_notice("call_log_holds_nothing", call_log.holds_nothing)
    return health
