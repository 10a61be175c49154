"""Wiring: builds the enricher's parts and hands them to the chassis."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from steno.chassis import After, Wiring
from steno.events.catalogue import CALL_SUMMARIES, CALLS, DEAD_LETTERS, INSIGHTS, PHRASES, TRANSCRIPTS
from steno.events.codec import Codec
from steno.events.records import Phrase
from steno.events.registry import schema_ids
from steno.kafka.dead_letters import DeadLetters
from steno.kafka.producer import Producer
from steno.kafka.topic_maker import ATTEMPT_SECONDS, TopicMaker
from steno.kafka.topics import create_topics
from steno_enricher.analysed import Analysed
from steno_enricher.enricher import Enricher
from steno_enricher.faust_app import changelog
from steno_enricher.settings import EnricherSettings
from steno_enricher.worker import Worker

_TOPICS = (PHRASES, TRANSCRIPTS, CALLS, INSIGHTS, CALL_SUMMARIES, DEAD_LETTERS)

_SWEEP_EVERY_SECONDS = 60.0
_BRIEF_CHARACTERS = 300


async def build(settings: EnricherSettings) -> Wiring:
    """The enricher, ready to be run by the chassis. It does not need Kafka to be there."""
    loading = asyncio.create_task(asyncio.to_thread(_load_analysis))
    codec = Codec(await schema_ids(settings.schemas))
    wanted = [*_TOPICS, changelog()]
    topics = TopicMaker(lambda: create_topics(settings.kafka, settings.topics, wanted, seconds=ATTEMPT_SECONDS))
    # Each insight is waited for before the next: lingering would only make it late.
    producer = Producer(settings.kafka, settings.topics, codec, source=settings.service, linger_ms=0)
    worker = Worker(
        kafka=settings.kafka,
        topics=settings.topics,
        codec=codec,
        dead_letters=DeadLetters(producer, settings.service),
        instance=settings.instance,
        drain_seconds=settings.drain_seconds,
        stuck_seconds=settings.stuck_seconds,
        sweep_seconds=min(_SWEEP_EVERY_SECONDS, min(settings.grace_seconds, settings.inactive_seconds) / 4),
    )

    async def analyse(phrase: Phrase) -> Analysed:
        of = await loading
        # Another thread costs as much as reading a brief phrase; only a long one would hold the event loop up.
        return of(phrase) if len(phrase.text) <= _BRIEF_CHARACTERS else await asyncio.to_thread(of, phrase)

    worker.give(
        Enricher(
            rows=worker.rows,
            publisher=producer,
            analyse=analyse,
            clock=lambda: datetime.now(UTC),
            keep_summarised=timedelta(seconds=settings.keep_summarised_seconds),
            grace=timedelta(seconds=settings.grace_seconds),
            inactive=timedelta(seconds=settings.inactive_seconds),
        ),
        preparing=loading,
    )
    wiring = Wiring(components=[topics, After(topics.made, worker)])
    wiring.health.add_readiness("topics", topics.made.is_set, why=lambda: topics.missing)
    wiring.health.add_readiness("partitions", worker.ready)
    wiring.health.add_liveness("worker", worker.alive)
    wiring.health.add_notice("worker_holds_nothing", worker.holds_nothing)
    wiring.resources.push_async_callback(producer.stop)
    return wiring


def _load_analysis() -> Callable[[Phrase], Analysed]:
    # Imported here, in a thread, while the group is joined: it takes more than a second.
    from steno_enricher.analysis import Analysis

    return Analysis().of
