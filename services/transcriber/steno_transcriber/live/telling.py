"""Publishes the transcript of a live call, and tries again for as long as Kafka is unavailable."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from steno.events import ids
from steno.events.catalogue import PHRASES, TRANSCRIPTS, Topic
from steno.events.records import Record, TranscriptCompleted, TranscriptFailed, TranscriptStarted
from steno.kafka.errors import RecordRefused
from steno_transcriber import failures, metrics
from steno_transcriber.live.bench import Bench
from steno_transcriber.live.call import LiveCall, LiveUtterance
from steno_transcriber.result import Spoken, engine_name, phrase_of
from steno_transcriber.speech import Recognition

log = structlog.get_logger("steno.transcriber.live")

T = TypeVar("T")


class Telling:
    """Publishes for one call. Each method returns when Kafka has the record, and raises `RecordRefused` where it rejects it."""

    def __init__(self, call: LiveCall, bench: Bench) -> None:
        self._call = call
        self._bench = bench
        self._pass_id = ids.live_pass_id(call.call_id)
        self._log = log.bind(call_id=call.call_id)

    async def started(self) -> None:
        """The transcript begins."""
        record = TranscriptStarted(call_id=self._call.call_id, recording_id=self._pass_id, started_at=self._bench.now())
        await self._send(TRANSCRIPTS, record, ids.event_id("transcript.started", self._pass_id))

    async def phrase(self, spoken: LiveUtterance, recognition: Recognition) -> None:
        """Something was said: the next phrase."""
        phrase = phrase_of(
            Spoken.of(spoken.utterance, recognition),
            call_id=self._call.call_id,
            recording_id=self._pass_id,
            sequence=self._call.next_phrase,
            role=spoken.role,
            locale=spoken.locale,
            tenant=self._call.tenant,
        )
        await self._send(PHRASES, phrase, phrase.phrase_id)
        metrics.LIVE_FINAL_SECONDS.observe((self._bench.now() - spoken.said_at).total_seconds())

    async def completed(self) -> None:
        """The transcript is complete."""
        call, facts = self._call, self._call.facts
        record = TranscriptCompleted(
            call_id=call.call_id,
            recording_id=self._pass_id,
            result_url="",
            phrase_count=call.next_phrase,
            channel_count=len(call.channels),
            duration_ms=call.duration_ms,
            observations=call.observations_of_all,
            engine=engine_name(self._bench.engine.info),
            locale=facts.locale,
            properties=dict(facts.properties),
            completed_at=self._bench.now(),
            tenant=call.tenant,
        )
        await self._send(TRANSCRIPTS, record, ids.event_id("transcript.completed", self._pass_id))
        metrics.LIVE_CALLS.labels(record.outcome).inc()
        self._log.info("live.completed", phrases=call.next_phrase, duration_ms=call.duration_ms)

    async def failed(self, reason: str, error: str) -> None:
        """The transcript has failed: a reason for a person, and one for programs. It raises nothing."""
        record = TranscriptFailed(
            call_id=self._call.call_id,
            recording_id=self._pass_id,
            reason=reason,
            error=error,
            properties=dict(self._call.facts.properties),
            failed_at=self._bench.now(),
            tenant=self._call.tenant,
        )
        event_id = ids.event_id("transcript.failed", self._pass_id)
        try:
            await failures.tell(record, lambda told: self._send(TRANSCRIPTS, told, event_id))
        except RecordRefused:
            self._log.exception("live.failure_not_told")
        metrics.LIVE_CALLS.labels("failed").inc()
        self._log.warning("live.failed", error_class=error, reason=reason)

    async def patiently(self, work: Callable[[], Awaitable[T]]) -> T:
        """Does something again while that may help."""
        attempts = 0
        while True:
            try:
                return await work()
            except Exception as error:
                attempts += 1
                seconds = self._bench.policy.decide(error, attempts)
                if seconds is None:
                    raise
                self._log.warning("live.again", reason=repr(error), attempts=attempts, seconds=round(seconds, 1))
                await self._bench.sleep(seconds)

    async def _send(self, topic: Topic, record: Record, event_id: str) -> None:
        await self.patiently(lambda: self._bench.publisher.send(topic, record, event_id=event_id))
