"""Wiring: builds the parts of the enricher for the chassis."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from steno.chassis import After, Wiring
from steno.events.access import access_of
from steno.events.records import Phrase
from steno.kafka import Cluster, TopicMaker
from steno_enricher.analysed_phrase import AnalysedPhrase
from steno_enricher.enricher import Enricher
from steno_enricher.settings import EnricherSettings
from steno_enricher.worker import Worker

_SWEEP_EVERY_SECONDS = 60.0
_BRIEF_CHARACTERS = 300


async def build(settings: EnricherSettings) -> Wiring:
    """Builds the enricher for the chassis. Kafka need not be available."""
    loading = asyncio.create_task(asyncio.to_thread(_load_analysis))
    # Each insight is waited for before the next: lingering would only make it late.
    cluster = await Cluster.connect(settings, linger_ms=0)
    topics = TopicMaker(cluster, access_of("enricher").topics)
    worker = Worker(
        cluster,
        stuck_seconds=settings.stuck_seconds,
        sweep_seconds=min(_SWEEP_EVERY_SECONDS, min(settings.grace_seconds, settings.inactive_seconds) / 4),
    )

    async def analyse(phrase: Phrase) -> AnalysedPhrase:
        of = await loading
        # Another thread costs as much as reading a brief phrase; only a long one would hold the event loop up.
        return of(phrase) if len(phrase.text) <= _BRIEF_CHARACTERS else await asyncio.to_thread(of, phrase)

    worker.set_handler(
        Enricher(
            rows=worker.rows,
            publisher=cluster.producer,
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
    wiring.resources.push_async_callback(cluster.producer.stop)
    return wiring


def _load_analysis() -> Callable[[Phrase], AnalysedPhrase]:
    # Imported here, in a thread, while the group is joined: it takes more than a second.
    from steno_enricher.phrase_analyser import PhraseAnalyser

    return PhraseAnalyser().analyse
